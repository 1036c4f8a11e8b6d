"""What the kept lines of a route map say about packets: which access lists choose them."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.config.model import Config

_DEFAULT_NUMBER = 10


def route_map_lists(config: Config, name: str) -> tuple[tuple[bool, str], ...] | None:
    """The access lists of `match ip address`, in order, each with whether its section permits.

    A packet is chosen by the first of them that permits it, as that section says; what none permits is not chosen.
    None where the route map does not exist or compares anything else, which nobody here does.
    """
    found: list[tuple[bool, str]] = []
    sections = sorted(_sections(config, name))
    for _, permit, header in sections:
        lists: list[str] = []
        for words in _lines(config, header):
            if not "match".startswith(words[0]):
                continue  # what is set holds for routing, not for translation
            if len(words) < 4 or words[1] != "ip" or not "address".startswith(words[2]) or words[3] == "prefix-list":
                return None
            lists += words[3:]
        if not lists and permit:
            return None  # everything
        if not lists:
            break  # nothing behind it is reached
        found += [(permit, access_list) for access_list in lists]
    return tuple(found) if sections else None


def has_route_map(config: Config, name: str) -> bool:
    """Whether a route map has this name."""
    return next(_sections(config, name), None) is not None


def _sections(config: Config, name: str) -> Iterator[tuple[int, bool, str]]:
    """Number, whether it permits, and header of each section."""
    for line in config.stored:
        words = line.text.split()
        if line.path or line.unknown or words[:2] != ["route-map", name]:
            continue
        number, permit = _DEFAULT_NUMBER, True
        for word in words[2:]:
            if word.isdecimal():
                number = int(word)
            elif "deny".startswith(word.lower()):
                permit = False
        yield number, permit, line.text


def _lines(config: Config, header: str) -> Iterator[list[str]]:
    for line in config.stored:
        if line.path == (header,) and line.text.split():
            yield line.text.split()
