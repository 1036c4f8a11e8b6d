"""A file of configuration lines: everything that is understood, and every problem at once."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import MappingProxyType

from seikan.config.commands.pki import begins_certificate, certificate_block, closed
from seikan.config.commands.system import split_delimiter
from seikan.config.grammar import Kind, LineError
from seikan.config.handlers import ConfigError
from seikan.config.model import Config, StoredLine
from seikan.config.modes import CONFIG, STORED
from seikan.config.problem import Places, Problem, Severity, expectation, without_secrets
from seikan.config.session import TABLE, ModeContext, apply_line

__all__ = ["Parsed", "Problem", "Severity", "parse"]

_BYTE_ORDER_MARK = "\ufeff"  # some editors put it in front of UTF-8 text

#: What IOS prints above a configuration, and the exec commands around it, which people copy with it.
_COPIED = re.compile(
    r"(Building configuration\.\.\.|Current configuration ?: \d+ bytes|Using \d+ (out of \d+ )?bytes.*"
    r"|en(able)?|conf(igure)? t(erminal)?|wr(ite)?( mem(ory)?)?|copy run(ning-config)? start(up-config)?)\Z"
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The configuration that could be read, and what could not."""

    config: Config
    problems: tuple[Problem, ...]
    places: Places


def parse(text: str, source: str = "", base: Config | None = None) -> Parsed:
    """Read `text` on top of `base` (an empty configuration by default); `source` is the file's name in problems.

    Never raises for what the text says. Lines that are not understood are kept as unknown lines, below the
    section that they stand in, so that nothing is lost when the configuration is written again.
    """
    return _Reader(source, base if base is not None else Config()).read(text)


class _Reader:
    """Knows, besides the mode, how far the lines of the section are indented: a line less far in leaves it."""

    def __init__(self, source: str, config: Config) -> None:
        self._source = source
        self._config = config
        self._context = ModeContext()
        self._problems: list[Problem] = []
        self._header = 0  # the indent of the section's first line
        self._body: int | None = None  # the indent of its other lines, None before the first
        self._around: list[tuple[ModeContext, int, int | None]] = []  # the same of the sections around it
        self._sections: dict[str, int] = {}  # each section's title and its first line
        self._unknown: list[tuple[int, str]] = []  # the unknown lines around this one: indent, text

    def read(self, text: str) -> Parsed:
        lines = text.removeprefix(_BYTE_ORDER_MARK).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        at = 0
        while at < len(lines):
            number = at + 1
            line = lines[at].expandtabs(8).rstrip()
            at += 1
            stripped = line.strip()
            if not stripped or stripped.startswith("!") or _COPIED.match(stripped):
                continue
            more, at = _certificate(line, lines, at) if begins_certificate(line) else _banner(line, lines, at)
            self._line(line if more is None else more, number)
        return Parsed(self._config, tuple(self._problems), Places(self._source, MappingProxyType(self._sections)))

    def _line(self, line: str, number: int) -> None:
        indent = len(line) - len(line.lstrip(" "))
        while self._unknown and indent <= self._unknown[-1][0]:
            self._unknown.pop()
        if self._unknown:
            self._below_unknown(line, indent)
            return
        self._leave(indent)
        try:
            result = apply_line(self._config, self._context, line, typed=False)
        except LineError as error:
            self._not_understood(line, indent, number, error)
            return
        except ConfigError as error:
            self._problem(number, indent + 1, line.split()[0], (), f"{_shown(line)!r}: {error}")
            self._move(self._context.around(TABLE.match(self._context.mode, line).command.mode), indent)
            self._keep(line, indent)
            return
        stripped = tuple(line.split())
        for notice in result.notices:
            text = f"{_shown(line)!r}: {notice}"
            self._problems.append(Problem(Severity.WARNING, text, self._source, number, indent + 1))
        context = result.context if result.context is not None else ModeContext()
        for words in _PLACED if context.mode == CONFIG else ():
            if stripped[: len(words)] == words:
                for length in range(len(words), len(words) + 3):
                    self._sections.setdefault(" ".join(stripped[:length]), number)
        if context != self._context or context.mode == CONFIG:
            for length in range(1, len(context.path) + 1):
                self._sections.setdefault(" ".join(context.path[:length]), number)
        self._config = result.config
        self._move(context, indent)

    def _move(self, context: ModeContext, indent: int) -> None:
        """Into the section `context`, whose first line was `indent` columns in, or back to one around this one."""
        if context == self._context and context.mode != CONFIG:
            return
        if context.mode != CONFIG and context.outer == self._context and self._context.mode != CONFIG:
            self._around.append((self._context, self._header, self._body))
        while self._around and self._around[-1][0] not in (context, context.outer):
            self._around.pop()
        if self._around and self._around[-1][0] == context:
            self._context, self._header, self._body = self._around.pop()
        else:
            self._context, self._header, self._body = context, indent, None

    def _leave(self, indent: int) -> None:
        """A line not deeper than the section's header, where the section's lines are deeper, is outside."""
        while self._context.mode != CONFIG:
            # A stored section takes any words, so only the indent tells that one of its lines is meant.
            stored = self._context.mode == STORED and indent <= self._header
            if not stored and self._body is None:
                if indent > self._header:
                    self._body = indent
                return
            if not stored and indent > self._header:
                return
            self._move(self._context.outer, indent)

    def _not_understood(self, line: str, indent: int, number: int, error: LineError) -> None:
        shown = _shown(line)
        word = error.word if error.word and error.word in shown.split() else ""
        # Of all the words that may begin a line only those help that are like it.
        expected = expectation(error.expected, error.word, only_near=error.column <= indent)
        if error.kind is Kind.AMBIGUOUS:
            what = f"{word!r} is ambiguous: {expectation(error.expected, '')}"
        elif error.kind is Kind.INCOMPLETE:
            what = f"incomplete, expected {expectation(error.expected, '')}"
        else:
            what = f"at {word!r}" if word else f"at column {error.column + 1}"
            what += f", expected {expected}" if expected else ", no command of this router"
        self._problem(number, error.column + 1, word, error.expected, f"{shown!r}: {what}")
        if self._context.mode != CONFIG and indent <= self._header and _fits_outside(self._context.mode, line):
            self._move(ModeContext(), indent)
        self._keep(line, indent)

    def _problem(self, number: int, column: int, word: str, expected: tuple[str, ...], text: str) -> None:
        self._problems.append(Problem(Severity.UNKNOWN, text, self._source, number, column, word, expected))

    def _keep(self, line: str, indent: int) -> None:
        text = line.strip()
        opened = _opened(text)
        if opened is not None and opened[0] not in opened[1]:
            return  # written again, a banner without an end would take the lines behind it
        if begins_certificate(text):
            text = closed(text)  # for the same reason
        path = self._context.path
        self._unknown.append((indent, text))
        self._store(StoredLine(path, text, unknown=True))

    def _below_unknown(self, line: str, indent: int) -> None:
        path = (*self._context.path, *(text for _, text in self._unknown))
        text = line.strip()
        self._unknown.append((indent, text))
        self._store(StoredLine(path, text, unknown=True))
        last = self._problems[-1]
        self._problems[-1] = replace(last, lines=last.lines + 1)

    def _store(self, line: StoredLine) -> None:
        if line not in self._config.stored:
            self._config = replace(self._config, stored=(*self._config.stored, line))


#: Lines that are no sections and of which something may be remarked all the same, by these words or by one or two more.
_PLACED = (("crypto", "map"), ("ip", "nat", "inside", "source"))


def _fits_outside(mode: str, line: str) -> bool:
    """Whether an unindented line that fits nowhere comes further in global mode than in `mode`."""
    columns = []
    for tried in (mode, CONFIG):
        try:
            TABLE.match_here(tried, line)
        except LineError as error:
            columns.append(error.column)
    return len(columns) == 2 and columns[1] > columns[0]


def _certificate(line: str, lines: list[str], at: int) -> tuple[str | None, int]:
    """As `_banner`, of a certificate in hexadecimal digits."""
    found = certificate_block(line, lines[at:])
    return (None, at) if found is None else (found[0], at + found[1])


def _shown(line: str) -> str:
    """The line, of several the first, without secrets."""
    return without_secrets(line.partition("\n")[0])


def _opened(line: str) -> tuple[str, str] | None:
    """The delimiter of the banner that `line` begins and the text behind it; None where it begins none."""
    words = line.split(maxsplit=2)
    if len(words) < 3 or not words[0].lower().startswith("ba") or not "banner".startswith(words[0].lower()):
        return None
    return split_delimiter(words[2])


def _banner(line: str, lines: list[str], at: int) -> tuple[str | None, int]:
    """The whole banner that `line` begins, and where the file goes on; None where it begins none.

    A banner without an end takes nothing with it: what follows may be the protection of a tunnel.
    """
    opened = _opened(line)
    if opened is None:
        return None, at
    delimiter, rest = opened
    collected, follows = [line], at
    while delimiter not in rest:
        if follows == len(lines):
            return None, at
        rest = lines[follows]
        collected.append(rest)
        follows += 1
    return "\n".join(collected), follows
