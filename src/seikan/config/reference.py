"""The command reference, written from the command table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from seikan.config.grammar import Command
from seikan.config.handlers import Section, Stored
from seikan.config.modes import CONFIG, EXEC, MODES

_TYPED = re.compile(r"<([A-Za-z0-9_]+):([a-z0-9]+)(?:\(([^)]*)\))?>")


def reference(commands: Iterable[Command]) -> str:
    """Markdown with one table for each mode that has rows, in the order of the table."""
    rows: dict[str, list[Command]] = {}
    for command in commands:
        if not command.hidden:
            rows.setdefault(command.mode, []).append(command)
    ordered = sorted(rows, key=lambda mode: (mode != EXEC, mode != CONFIG, list(MODES).index(mode)))
    opened = {
        command.handler.mode: f"{_keywords(command)} …"
        for listed in rows.values()
        for command in listed
        if isinstance(command.handler, Section)
    }
    parts = [
        "# Command reference",
        "",
        "Written from the command table by `seikan reference`; do not edit. Every word may be abbreviated as long as",
        "it stays unambiguous, `no` and `default` go in front of a line, and `?` lists what may come next.",
    ]
    for mode in ordered:
        parts += ["", f"## {_title(mode, opened)}", "", "| command | |", "|---|---|"]
        parts += [f"| `{_syntax(command)}` | {_meaning(command)} |" for command in rows[mode]]
    return "\n".join(parts) + "\n"


def _keywords(command: Command) -> str:
    """Those in front of the first argument."""
    return re.split(r"[\[<(]", command.syntax)[0].strip()


def _title(mode: str, opened: dict[str, str]) -> str:
    if mode == EXEC:
        return "Privileged mode (`Router#`)"
    prompt = f"`Router{MODES[mode].prompt}`"
    return f"`{opened[mode]}` ({prompt})" if mode in opened else f"Mode {prompt}"


def _syntax(command: Command) -> str:
    def shown(found: re.Match[str]) -> str:
        name, kind, parameter = found.groups()
        return f"<{parameter}>" if kind == "number" else f"<{name.replace('_', '-')}>"

    return _once(_distinct(_TYPED.sub(shown, command.syntax))).replace("|", "\\|")


def _distinct(syntax: str) -> str:
    """Alternatives that differ only in the type of their argument look alike: each is written once."""

    def once(found: re.Match[str]) -> str:
        opening, inside, closing = found.groups()
        different = "|".join(dict.fromkeys(inside.split("|")))
        return different if opening == "(" and "|" not in different else f"{opening}{different}{closing}"

    return re.sub(r"([\[(])([^\[\]()]*)([\])])", once, syntax)


def _once(syntax: str) -> str:
    """A group that may be repeated is written once, with `…` behind it."""
    return re.sub(r"(\[[^\[\]]*\])(?: \1)+", r"\1 …", syntax)


def _meaning(command: Command) -> str:
    if isinstance(command.handler, Stored):
        return command.handler.notice or "kept with the configuration"
    return "; ".join(_last_help(command))


def _last_help(command: Command) -> Iterator[str]:
    """The help of the last keyword before the arguments: what the line as a whole is about."""
    for word in reversed(_keywords(command).split()):
        if command.help.get(word):
            yield command.help[word]
            return
    yield from list(command.help.values())[:1]
