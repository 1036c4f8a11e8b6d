"""From the model back to the lines of IOS, by walking the command table."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any

from seikan.config.commands import TABLE
from seikan.config.commands.system import HOSTNAME
from seikan.config.grammar import Command
from seikan.config.handlers import Section, Setting, Stored
from seikan.config.model import Config
from seikan.config.modes import CONFIG, INTERFACE
from seikan.config.session import SECTIONS, kept_by

_SEPARATOR = "!"
_Kept = dict[Command | None, list[str]]


def render(config: Config) -> str:
    """The whole configuration as a file: parsing it gives `config` again. It holds the keys in clear."""
    return "\n".join(render_lines(config)) + "\n"


def render_lines(config: Config) -> tuple[str, ...]:
    """The lines of `render`, from the first `!` to `end`."""
    lines = [_SEPARATOR]
    in_group = False
    for lines_of_row, group in _blocks(config):
        if group or in_group:
            _separate(lines)
        lines += lines_of_row
        in_group = group
    _separate(lines)
    lines.append("end")
    return tuple(line for text in lines for line in text.split("\n"))


def render_section(config: Config, kind: str, name: str) -> tuple[str, ...]:
    """One section, such as `interface` `Tunnel0`; empty where there is none."""
    title = f"{kind} {name}"
    for section in (command.handler for command in _rows(CONFIG) if isinstance(command.handler, Section)):
        for key in section.every(config):
            if section.title(key) == title:
                return tuple(_section(config, section, key))
    return ()


def render_interface(config: Config, name: str) -> tuple[str, ...]:
    """The lines of one interface; empty where it is not configured."""
    section = SECTIONS[INTERFACE]
    return tuple(_section(config, section, name)) if name in config.interfaces else ()


def _separate(lines: list[str]) -> None:
    if lines[-1] != _SEPARATOR:
        lines.append(_SEPARATOR)


def _blocks(config: Config) -> Iterator[tuple[list[str], bool]]:
    """The lines of each row in order, and whether they stand between separators."""
    kept = _kept(config, CONFIG, ())
    for command in _rows(CONFIG):
        handler = command.handler
        if isinstance(handler, Section):
            bare = list(handler.lines(config))
            if bare:
                yield bare, False
            for key in handler.keys(config):
                yield list(_section(config, handler, key)), True
        elif isinstance(handler, Setting):
            found = list(handler.render(config))
            if found:
                yield found, len(found) > 1 or command.syntax.startswith(("hostname", "banner"))
            if command is HOSTNAME:
                # In front of every section, so that none of them is taken for a line of a section.
                for line in kept.get(None, ()):
                    yield [line, *_below(config, (line,), " ")], True
        elif command in kept:
            for line in kept[command]:
                below = list(_below(config, (line,), " "))
                yield [line, *below], bool(below)


def _rows(mode: str) -> tuple[Command, ...]:
    return tuple(command for command in TABLE.commands if command.mode == mode)


def _kept(config: Config, mode: str, path: tuple[str, ...]) -> _Kept:
    """The kept lines of one mode by the row that keeps them; the unknown ones under None."""
    found: _Kept = {}
    for line in config.stored:
        if line.path == path:
            found.setdefault(None if line.unknown else kept_by(mode, line.text), []).append(line.text)
    return found


def _section(
    config: Config, section: Section, key: Hashable, around: Any = None, outside: tuple[str, ...] = ()
) -> Iterable[str]:
    """`around` is the object of the section that this one is in, None: the configuration; `outside` its path."""
    target = section.get(config if around is None else around, key)
    yield section.header(key, target)
    path = (*outside, section.title(key))
    kept = _kept(config, section.mode, path)
    rows = _rows(section.mode)
    for command in rows:
        if isinstance(command.handler, Setting):
            for line in (*command.handler.render(target), *kept.get(command, ())):
                yield f" {line}"
        elif isinstance(command.handler, Stored):
            for line in kept.get(command, ()):
                yield f" {line}"
    for line in kept.get(None, ()):
        yield f" {line}"
        yield from _below(config, (*path, line), "  ")
    # Sections within this one come last, so that no other line is taken for one of theirs.
    for command in (row for row in rows if isinstance(row.handler, Section)):
        for inner in command.handler.keys(target):
            yield from (f" {line}" for line in _section(config, command.handler, inner, target, path))
            yield f" {_SEPARATOR}"


def _below(config: Config, path: tuple[str, ...], indent: str) -> Iterator[str]:
    for line in config.stored:
        if line.path == path:
            yield indent + line.text
            yield from _below(config, (*path, line.text), indent + " ")
