"""The commands that lead FRR from one configuration to another and touch nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.system.frr_render import GLOBAL, DaemonConfig

# Lines that say one thing with a changing value, as many leading words as identify them: the new line
# replaces the old one by itself, and `no` with these words takes it away.
_IDENTITY = (
    ("ospf router-id", 2),
    ("auto-cost reference-bandwidth", 2),
    ("default-information originate", 2),
    ("redistribute", 2),
    ("ip ospf network", 3),
    ("ip ospf cost", 3),
    ("ip ospf hello-interval", 3),
    ("ip ospf dead-interval", 3),
    ("ip ospf retransmit-interval", 3),
    ("ip ospf transmit-delay", 3),
    ("ip ospf priority", 3),
    ("ip ospf authentication-key", 3),
    ("ip ospf authentication", 3),
    ("ip ospf message-digest-key", 4),
)
# These FRR does unasked, and has them off for a device that is gone where they are taken away.
_DEFAULTS = ("link-detect",)
# These FRR refuses to replace: the old line must go first.
_NOT_REPLACED = ("ip ospf message-digest-key",)
_SECRET = ("authentication-key", " md5 ")


def identity(line: str) -> str:
    """What a line sets, without the value; the line itself where it has no such form."""
    for start, words in _IDENTITY:
        if line == start or line.startswith(start + " "):
            return " ".join(line.split()[:words])
    return line


def hide_secret(line: str) -> str:
    """The line fit for an error: without a key's value."""
    return " ".join([*line.split()[:-1], "<key>"]) if any(mark in line for mark in _SECRET) else line


def commands(old: DaemonConfig | None, new: DaemonConfig) -> list[str]:
    """Configuration-mode commands from `old` (None: empty) to `new`; none where they are equal.

    Blocks (route maps, then routers) are there before the interfaces that need them, and go after
    the interfaces have left them.
    """
    before = {} if old is None else dict(old.sections)
    result: list[str] = []
    for header in sorted(new.sections, key=_rank):
        lines, were = new.sections[header], before.get(header, ())
        added = [line for line in lines if line not in were]
        if header not in before and _is_block(header):
            result += [header, *added, "exit"]
        else:
            result += _section(header, list(_negations(were, lines)), added)
    for header in sorted((header for header in before if header not in new.sections), key=_rank, reverse=True):
        if _is_block(header):
            result.append(f"no {header}")
        else:
            result += _section(header, list(_negations(before[header], ())), [])
    return result


def _section(header: str, negations: list[str], added: list[str]) -> list[str]:
    if not negations and not added:
        return []
    if header == GLOBAL:
        return [*negations, *added]
    return [header, *negations, *added, "exit"]


def _negations(old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[str]:
    """Last set, first taken away: the area leaves an interface before what shaped it does."""
    replaced = {identity(line) for line in new}
    for line in reversed(old):
        if line in new or line in _DEFAULTS:
            continue
        name = identity(line)
        if name not in replaced or name.startswith(_NOT_REPLACED):
            yield f"no {name}"


def _is_block(header: str) -> bool:
    return header.startswith(("route-map ", "router "))


def _rank(header: str) -> int:
    return 0 if header.startswith("route-map ") else 1 if header.startswith("router ") else 2
