"""The one table of commands: what a line means, what may come next, and why it does not fit.

A command's `syntax` is compiled once into a small graph: `word` is a keyword that may be abbreviated,
`<name:type>` an argument (`seikan.config.arguments`), `[…]` optional, `(a|b)` a choice, `...` behind an
argument or a bracket repeats it (a repeated argument's value is a tuple).
A line is matched word by word as IOS does: an exact keyword, else the only keyword it
abbreviates, else the most specific argument type that takes it. Nothing is tried twice, so the word an
error points at is the first one that does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Any, NoReturn

from seikan.config.arguments import ARGUMENT_TYPES, ArgumentType, Word, interface_choices, interface_number
from seikan.config.modes import EXEC, ancestors

END = "<cr>"
_EMPTY: Mapping[str, str] = MappingProxyType({})


class Kind(Enum):
    """Why a line does not fit."""

    INVALID = "invalid"
    AMBIGUOUS = "ambiguous"
    INCOMPLETE = "incomplete"


class LineError(Exception):
    """A line that is no command. `column` (from 0) is where IOS puts its `^`; `expected` what would be right there.

    The exception's text names no word of the line, which may hold a key.
    """

    def __init__(self, kind: Kind, line: str, column: int, word: str, expected: tuple[str, ...]) -> None:
        super().__init__(f"{kind.value} command at column {column + 1}")
        self.kind = kind
        self.line = line
        self.column = column
        self.word = word
        self.expected = expected

    def ios(self, prompt_width: int) -> tuple[str, ...]:
        """The lines IOS prints below the line typed behind a prompt of `prompt_width` characters."""
        if self.kind is Kind.AMBIGUOUS:
            return (f'% Ambiguous command:  "{self.line.strip()}"',)
        if self.kind is Kind.INCOMPLETE:
            return ("% Incomplete command.", "")
        return (" " * (prompt_width + self.column) + "^", "% Invalid input detected at '^' marker.", "")


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """One row of the table.

    `handler` says what it does: a `Setting` or `Section` (`seikan.config.handlers`) in the modes of the
    configuration, a maker of requests in exec mode. `negatable` rows have `no` and `default` forms: `no` is
    their syntax without the `no`, or None for `syntax` and whatever shorter form has its first keywords.
    `help` maps a keyword or `<name>` to what `?` prints, `otherwise` is printed for those that neither this row
    nor another one knows. `hidden` rows work but are not listed.
    """

    mode: str
    syntax: str
    help: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    handler: Any = None
    negatable: bool = False
    no: str | None = None
    hidden: bool = False
    otherwise: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """A line understood: `args` has each argument by name and each keyword typed as True (unless an argument of
    the row has its name); `canonical` is the line with full keywords, without `no` or `default`.
    """

    command: Command
    args: Mapping[str, object]
    negation: str
    canonical: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class Completion:
    """What may come next: a keyword (`literal`, so that Tab may insert it) or the display of an argument."""

    word: str
    help: str
    literal: bool = True


@dataclass(frozen=True, slots=True)
class _Edge:
    keyword: str  # "" for an argument
    name: str
    type: ArgumentType | None
    parameter: str
    many: bool
    target: int


class _Graph:
    """The states of one compiled syntax; state 0 is the start."""

    def __init__(self) -> None:
        self._edges: list[list[_Edge]] = [[]]
        self._free: list[list[int]] = [[]]
        self.edges: list[tuple[_Edge, ...]] = []
        self.accepting: frozenset[int] = frozenset()
        self.names: frozenset[str] = frozenset()

    def state(self) -> int:
        self._edges.append([])
        self._free.append([])
        return len(self._edges) - 1

    def edge(self, source: int, edge: _Edge) -> None:
        self._edges[source].append(edge)

    def free(self, source: int, target: int) -> None:
        self._free[source].append(target)

    def close(self, end: int) -> None:
        """Work out for each state the edges and the end that it reaches without a word."""
        accepting = set()
        for start in range(len(self._edges)):
            reached, stack, edges = {start}, [start], []
            while stack:
                here = stack.pop()
                edges += self._edges[here]
                for target in self._free[here]:
                    if target not in reached:
                        reached.add(target)
                        stack.append(target)
            self.edges.append(tuple(edges))
            if end in reached:
                accepting.add(start)
        self.accepting = frozenset(accepting)


_TOKEN = re.compile(r"<([A-Za-z0-9_-]+):([a-z0-9]+)(?:\(([^)]*)\))?>(\.\.\.)?|([\[\]()|])|([^\s\[\]()|<>]+)")


class _Compiler:
    """Turns a syntax into a graph; a mistake in the table is a `ValueError` at import."""

    def __init__(self, syntax: str, *, short: bool) -> None:
        tokens = list(_TOKEN.finditer(syntax))
        left = _TOKEN.sub("", syntax).strip()
        if left:
            raise ValueError(f"syntax {syntax!r}: {left!r} not understood")
        self._syntax = syntax
        self._tokens = tokens
        self._at = 0
        self._short = short
        self._ends: list[int] = []  # the states at which a short form may end
        self.graph = _Graph()

    def compile(self) -> _Graph:
        end = self._sequence(0, top=True)
        if self._at != len(self._tokens):
            raise ValueError(f"syntax {self._syntax!r}: unbalanced brackets")
        for state in self._ends:
            self.graph.free(state, end)
        self.graph.names = frozenset(token.group(1) for token in self._tokens if token.group(1))
        self.graph.close(end)
        return self.graph

    def _sequence(self, state: int, *, top: bool = False) -> int:
        """Items up to a closing bracket or a bar. A short form may end anywhere behind its first keywords."""
        leading = top
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.group(5) in ("]", ")", "|"):
                break
            leading = leading and token.group(6) is not None
            if self._short and not leading:
                self._ends.append(state)
            state = self._item(state)
        return state

    def _item(self, state: int) -> int:
        token = self._tokens[self._at]
        self._at += 1
        name, type_name, parameter, many, bracket, word = token.groups()
        if bracket:
            return self._choice(state, bracket)
        target = self.graph.state()
        if word:
            self.graph.edge(state, _Edge(word, word, None, "", False, target))
            return target
        edge = _Edge("", name, ARGUMENT_TYPES[type_name], parameter or "", bool(many), target)
        self.graph.edge(state, edge)
        if many:
            self.graph.edge(target, edge)
        return target

    def _choice(self, state: int, bracket: str) -> int:
        end = self.graph.state()
        while True:
            begin = self.graph.state()
            self.graph.free(state, begin)
            self.graph.free(self._sequence(begin), end)
            if self._at >= len(self._tokens):
                raise ValueError(f"syntax {self._syntax!r}: unbalanced brackets")
            closing = self._tokens[self._at].group(5)
            self._at += 1
            if closing != "|":
                break
        if self._at < len(self._tokens) and self._tokens[self._at].group() == "...":
            self._at += 1
            self.graph.free(end, state)
        if (bracket, closing) not in (("[", "]"), ("(", ")")):
            raise ValueError(f"syntax {self._syntax!r}: unbalanced brackets")
        if bracket == "[":
            self.graph.free(state, end)
        return end


def _graph(syntax: str, *, short: bool = False) -> _Graph:
    return _Compiler(syntax, short=short).compile()


@dataclass(frozen=True, slots=True)
class _Thread:
    """One command that the words so far fit."""

    command: Command
    graph: _Graph
    state: int
    args: Mapping[str, object]
    canonical: tuple[str, ...]

    def edges(self) -> tuple[_Edge, ...]:
        return self.graph.edges[self.state]

    def accepts(self) -> bool:
        return self.state in self.graph.accepting

    def along(self, edge: _Edge, value: object, text: str) -> _Thread:
        args = dict(self.args)
        if edge.many:
            before = args.get(edge.name, ())
            assert isinstance(before, tuple)
            value = (*before, value)
        if not (edge.keyword and edge.keyword in self.graph.names):
            args[edge.name] = value
        return _Thread(self.command, self.graph, edge.target, args, (*self.canonical, text))


def split(line: str) -> tuple[Word, ...]:
    """The words of a line with their columns."""
    return tuple(Word(found.group(), found.start()) for found in re.finditer(r"\S+", line))


class Table:
    """All commands, compiled. Modes without a row of their own are empty."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self.commands: tuple[Command, ...] = tuple(commands)
        self._positive: dict[str, list[_Thread]] = {}
        self._negative: dict[str, list[_Thread]] = {}
        for command in self.commands:
            start = _Thread(command, _graph(command.syntax), 0, {}, ())
            self._positive.setdefault(command.mode, []).append(start)
            if command.negatable:
                graph = _graph(command.syntax, short=True) if command.no is None else _graph(command.no)
                self._negative.setdefault(command.mode, []).append(_Thread(command, graph, 0, {}, ()))

    def match(self, mode: str, line: str) -> Match:
        """The command that `line` is, in `mode` or, where it does not fit there, in a mode around it.

        Raises LineError: of all modes tried, the error that came furthest into the line.
        """
        furthest: LineError | None = None
        modes = ancestors(mode)
        for name, outer in zip(modes, (*modes[1:], None), strict=True):
            try:
                match = self.match_here(name, line)
                return match if outer is None else self._closer(match, outer, line)
            except LineError as error:
                if error.kind is not Kind.INVALID and (furthest is None or furthest.column < error.column):
                    whole = self._in_full(outer, line) if error.kind is Kind.AMBIGUOUS and outer is not None else None
                    if whole is None:
                        raise
                    return whole
                if furthest is None or error.column > furthest.column:
                    furthest = error
                elif error.column == furthest.column and furthest.kind is Kind.INVALID:
                    expected = tuple(dict.fromkeys((*furthest.expected, *error.expected)))
                    furthest = LineError(furthest.kind, line, furthest.column, furthest.word, expected)
        assert furthest is not None
        raise furthest

    def _closer(self, match: Match, outer: str, line: str) -> Match:
        """`match`, unless it abbreviates what the mode around knows in full: `ip route` is no `ip route-cache`."""
        typed = line.lower().split()
        if not _abbreviates(match, typed):
            return match
        try:
            other = self.match_here(outer, line)
        except LineError:
            return match
        return match if _abbreviates(other, typed) else other

    def _in_full(self, mode: str, line: str) -> Match | None:
        """What the mode knows with every word in full: `ip access-list` is no abbreviation of two words here."""
        try:
            found = self.match_here(mode, line)
        except LineError:
            return None
        return None if _abbreviates(found, line.lower().split()) else found

    def match_here(self, mode: str, line: str) -> Match:
        """As `match`, in `mode` alone."""
        words = split(line)
        threads, at, negation = self._start(mode, words)
        while at < len(words):
            try:
                threads, at = _step(threads, line, words, at)
            except LineError:
                # IOS takes ` ! …` behind a whole command for a comment.
                if words[at].text != "!" or not any(thread.accepts() for thread in threads):
                    raise
                break
        for thread in threads:
            if thread.accepts():
                return Match(thread.command, MappingProxyType(thread.args), negation, " ".join(thread.canonical))
        raise LineError(Kind.INCOMPLETE, line, len(line.rstrip()), "", _expected(threads))

    def completions(self, mode: str, line: str) -> tuple[Completion, ...]:
        """What `?` lists behind `line`.

        For a line that ends in a space (or is empty) the words that may come next, else the completions of its
        last word; empty where the line does not fit. A mode that does not know the words leaves them to the
        mode around it.
        """
        for name in ancestors(mode):
            found = self._completions_here(name, line)
            if found:
                return found
        return ()

    def _completions_here(self, mode: str, line: str) -> tuple[Completion, ...]:
        words = split(line)
        partial = ""
        if words and not line[-1].isspace():
            partial = words[-1].text
            words = words[:-1]
        threads, at, negation = self._start(mode, words)
        while at < len(words):
            try:
                threads, at = _step(threads, line, words, at)
            except LineError:
                return _interface_number(threads, words, at, partial)
        found = _choices([thread for thread in threads if not thread.command.hidden], partial)
        if not words and not negation and mode in self._negative:
            for word, text in (
                ("no", "Negate a command or set its defaults"),
                ("default", "Set a command to its defaults"),
            ):
                if word.startswith(partial.lower()) and (mode != EXEC or word == "no"):
                    found.setdefault(word, Completion(word, text))
        if not partial and any(thread.accepts() for thread in threads):
            found[END] = Completion(END, "", literal=False)
        return tuple(sorted(found.values(), key=_order))

    def _start(self, mode: str, words: Sequence[Word]) -> tuple[list[_Thread], int, str]:
        positive = self._positive.get(mode, [])
        negative = self._negative.get(mode, [])
        if words and negative:
            first = words[0].text.lower()
            if first == "no":
                return negative, 1, "no"
            if mode != EXEC and "default".startswith(first) and not _keywords(positive, first):
                return negative, 1, "default"
            if mode != EXEC and first == "default":
                return negative, 1, "default"
        return positive, 0, ""


def _abbreviates(match: Match, typed: Sequence[str]) -> bool:
    words = typed[1:] if match.negation else typed
    return any(
        keyword != word and keyword.startswith(word)
        for keyword, word in zip(match.canonical.lower().split(), words, strict=False)
    )


def _keywords(threads: Sequence[_Thread], prefix: str) -> set[str]:
    return {
        edge.keyword
        for thread in threads
        for edge in thread.edges()
        if edge.keyword and edge.keyword.lower().startswith(prefix)
    }


def _step(threads: Sequence[_Thread], line: str, words: Sequence[Word], at: int) -> tuple[list[_Thread], int]:
    """Take the word at `at`: the threads it leaves, and the next word's index. Raises LineError."""
    word = words[at]
    lowered = word.text.lower()
    keywords = _keywords(threads, lowered)
    exact = {keyword for keyword in keywords if keyword.lower() == lowered}
    if exact:
        keywords = exact
    if len(keywords) > 1:
        # A row of hidden words never makes a listed one ambiguous.
        shown = _keywords([thread for thread in threads if not thread.command.hidden], lowered)
        if len(shown) != 1:
            raise LineError(Kind.AMBIGUOUS, line, word.column, word.text, tuple(sorted(keywords)))
        keywords = shown
    if keywords:
        (keyword,) = keywords
        return [
            thread.along(edge, True, keyword)
            for thread in threads
            for edge in thread.edges()
            if edge.keyword == keyword
        ], at + 1
    return _step_argument(threads, line, words, at)


def _step_argument(threads: Sequence[_Thread], line: str, words: Sequence[Word], at: int) -> tuple[list[_Thread], int]:
    best: tuple[int, int] | None = None
    survivors: list[_Thread] = []
    left = words[at:]
    for thread in threads:
        for edge in thread.edges():
            if edge.type is None:
                continue
            taken = edge.type.take(line, left, edge.parameter)
            if taken is None:
                continue
            rank = (edge.type.rank, -taken.words)
            if best is not None and rank > best:
                continue
            if best is None or rank < best:
                best, survivors = rank, []
            survivors.append(thread.along(edge, taken.value, taken.text))
    if best is None:
        _refuse(threads, line, words[at])
    return survivors, at - best[1]


def _refuse(threads: Sequence[_Thread], line: str, word: Word) -> NoReturn:
    raise LineError(Kind.INVALID, line, word.column, word.text, _expected(threads))


def _expected(threads: Sequence[_Thread]) -> tuple[str, ...]:
    found = {
        edge.keyword or (edge.type.meant or edge.type.shown(edge.parameter) if edge.type else "")
        for thread in threads
        if not thread.command.hidden
        for edge in thread.edges()
    }
    if any(thread.accepts() for thread in threads):
        found.add(END)
    return tuple(sorted(found, key=lambda word: _order(Completion(word, ""))))


def _choices(threads: Sequence[_Thread], partial: str) -> dict[str, Completion]:
    found: dict[str, Completion] = {}
    otherwise: dict[str, str] = {}

    def add(word: str, text: str, *, literal: bool) -> None:
        if word not in found or (text and not found[word].help):
            found[word] = Completion(word, text, literal)

    for thread in threads:
        for edge in thread.edges():
            if edge.type is None:
                if edge.keyword.lower().startswith(partial.lower()):
                    add(edge.keyword, thread.command.help.get(edge.keyword, ""), literal=True)
                    otherwise.setdefault(edge.keyword, thread.command.otherwise)
            elif edge.type.name == "interface":
                for word, text in interface_choices(partial, edge.parameter):
                    add(word, text, literal=True)
            elif not partial or edge.type.rank >= 2 or partial[0].isdigit():
                display = edge.type.shown(edge.parameter)
                add(display, thread.command.help.get(f"<{edge.name}>", ""), literal=False)
                otherwise.setdefault(display, thread.command.otherwise)
    for word, row in found.items():
        if not row.help:
            found[word] = replace(row, help=otherwise.get(word, ""))
    return found


def _interface_number(
    threads: Sequence[_Thread], words: Sequence[Word], at: int, partial: str
) -> tuple[Completion, ...]:
    """`ip unnumbered fa ?`: the type is there, its number is not."""
    takes = any(edge.type and edge.type.name == "interface" for thread in threads for edge in thread.edges())
    if not takes or at != len(words) - 1 or partial:
        return ()
    shown = interface_number(words[at].text)
    return () if shown is None else (Completion(*shown, literal=False),)


def _order(completion: Completion) -> tuple[int, str]:
    """Arguments, then keywords by alphabet, then the end."""
    if completion.word == END:
        return (2, "")
    argument = completion.word[0] in "<" or completion.word[:2].isupper() or "." in completion.word[:2]
    return (0 if argument and not completion.literal else 1, completion.word.lower())
