"""Output modifiers: `show … | begin|count|exclude|include|section REGEX`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from seikan.cli.regex import Regex, RegexError

Lines = Iterable[str]
Test = Callable[[str], bool]


class ModifierError(Exception):
    """What stands after `|` cannot be used: `message` is what IOS prints; `column`, where
    known, the place of the '^'."""

    def __init__(self, message: str, column: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.column = column


def _begin(lines: Lines, test: Test) -> Iterator[str]:
    begun = False
    for line in lines:
        begun = begun or test(line)
        if begun:
            yield line


def _include(lines: Lines, test: Test) -> Iterator[str]:
    return (line for line in lines if test(line))


def _exclude(lines: Lines, test: Test) -> Iterator[str]:
    return (line for line in lines if not test(line))


def _count(lines: Lines, test: Test) -> Iterator[str]:
    yield f"Number of lines which match regexp = {sum(1 for line in lines if test(line))}"


def _sections(lines: Lines, test: Test, keep: bool) -> Iterator[str]:
    """A line that matches opens a section, which lasts while lines are indented deeper than it."""
    indent: int | None = None
    for line in lines:
        here = len(line) - len(line.lstrip(" "))
        if indent is not None and here <= indent:
            indent = None
        if indent is None and test(line):
            indent = here
        if (indent is not None) is keep:
            yield line


def _section(lines: Lines, test: Test) -> Iterator[str]:
    return _sections(lines, test, True)


def _section_exclude(lines: Lines, test: Test) -> Iterator[str]:
    return _sections(lines, test, False)


@dataclass(frozen=True, slots=True)
class Modifier:
    name: str
    help: str
    filter: Callable[[Lines, Test], Iterator[str]]


MODIFIERS = (
    Modifier("begin", "Begin with the line that matches", _begin),
    Modifier("count", "Count number of lines which match regexp", _count),
    Modifier("exclude", "Exclude lines that match", _exclude),
    Modifier("include", "Include lines that match", _include),
    Modifier("section", "Filter a section of output", _section),
)

SECTION_MODIFIERS = (
    Modifier("exclude", "Exclude section(s) of output", _section_exclude),
    Modifier("include", "Include section(s) of output", _section),
)

REGEX_HELP = ("LINE", "Regular Expression")


def split(line: str) -> tuple[str, str | None]:
    """The command before the first `|` and what follows it; None where there is no pipe."""
    command, pipe, rest = line.partition("|")
    return command, rest if pipe else None


def _named(word: str, modifiers: tuple[Modifier, ...]) -> tuple[Modifier, ...]:
    return tuple(modifier for modifier in modifiers if modifier.name.startswith(word.lower()))


def _words(text: str) -> tuple[str, str]:
    """The first word of `text` and the rest of it, without the one space between them."""
    word, _, rest = text.lstrip(" ").partition(" ")
    return word, rest


def compile_modifier(text: str, column: int = 0) -> Callable[[Lines], Lines]:
    """The filter that `text`, standing after the pipe at `column` of the line, asks for. Raises ModifierError."""
    word, rest = _words(text)
    where = column + len(text) - len(text.lstrip(" "))
    if not word:
        raise ModifierError("% Incomplete command.")
    found = _named(word, MODIFIERS)
    if len(found) > 1:
        raise ModifierError(f'% Ambiguous command:  "{word}"')
    if not found:
        raise ModifierError("% Invalid input detected at '^' marker.", where)
    modifier = found[0]
    if modifier.name == "section":
        inner, after = _words(rest)
        # A word of three letters or more: `| section in` is far more often a filter on "in" than `include` cut short.
        named = _named(inner, SECTION_MODIFIERS) if len(inner) >= 3 and after.strip() else ()
        if len(named) == 1:
            modifier, rest = named[0], after
    if not rest.strip(" "):
        raise ModifierError("% Incomplete command.")
    try:
        regex = Regex(rest)
    except RegexError as error:
        raise ModifierError(f"% Failed to compile regular expression: {error.reason}") from error
    apply = modifier.filter
    return lambda lines: apply(lines, regex.search)


def completions(text: str) -> tuple[tuple[str, str], ...]:
    """What may stand at the end of `text`, which follows the pipe: (word, help) for `?` and Tab."""
    word, rest = _words(text)
    if " " not in text.lstrip(" "):
        return tuple((modifier.name, modifier.help) for modifier in _named(word, MODIFIERS))
    found = _named(word, MODIFIERS)
    if len(found) != 1:
        return ()
    if found[0].name == "section" and " " not in rest:
        inner = tuple((modifier.name, modifier.help) for modifier in _named(rest, SECTION_MODIFIERS))
        return (*inner, REGEX_HELP) if not rest else inner
    return (REGEX_HELP,) if not rest.strip(" ") else (REGEX_HELP, ("<cr>", ""))
