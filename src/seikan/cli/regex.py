"""The regular expressions of IOS output filters, matched in time linear in the text.

Syntax (Cisco IOS Configuration Fundamentals, "Regular Expressions"): `.` `[a-z]` `[^a]` `^` `$` `_` `*` `+`
`?` `|` `( )` and `\\` before any character. `_` is an end of the text or one of space , { } ( ) and, since
names contain it and users filter on names, the underscore itself.

A pattern comes from whoever is logged in, so no backtracking: the pattern becomes an automaton whose
deterministic states are made on demand and kept up to a limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

MAXIMUM_PATTERN = 254  # characters; an IOS line has no more
MAXIMUM_DEPTH = 32  # parentheses inside each other
CACHED_STATES = 512
DELIMITERS = frozenset(" ,{}()_\t")

_Test = Callable[[str], bool]


class RegexError(Exception):
    """The pattern is not a regular expression: `reason` tells what is wrong, `position` where (0-based)."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


class _Edge(Enum):
    """What a node of the automaton asks of the place where the text stands."""

    SPLIT = auto()  # nothing: go on with every successor
    START = auto()
    END = auto()
    BORDER = auto()  # `_` that consumes nothing: either end of the text
    CHARACTER = auto()
    ACCEPT = auto()


@dataclass(slots=True)
class _Node:
    edge: _Edge
    test: _Test | None = None
    successors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Fragment:
    """A piece of the automaton: where it begins, and the nodes whose successor is yet to be set."""

    start: int
    loose: tuple[int, ...]


class _Parser:
    """Recursive descent over the pattern."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > MAXIMUM_PATTERN:
            raise RegexError(f"longer than {MAXIMUM_PATTERN} characters", MAXIMUM_PATTERN)
        self.pattern = pattern
        self.position = 0
        self.depth = 0
        self.nodes: list[_Node] = []

    def parse(self) -> int:
        """The automaton's first node."""
        whole = self._alternation()
        if self.position < len(self.pattern):
            raise RegexError("unmatched ')'", self.position)
        self._join(whole, self._add(_Edge.ACCEPT))
        return whole.start

    def _peek(self) -> str:
        return self.pattern[self.position] if self.position < len(self.pattern) else ""

    def _add(self, edge: _Edge, test: _Test | None = None, successors: tuple[int, ...] = ()) -> int:
        self.nodes.append(_Node(edge, test, successors))
        return len(self.nodes) - 1

    def _join(self, fragment: _Fragment, node: int) -> None:
        for loose in fragment.loose:
            self.nodes[loose].successors += (node,)

    def _single(self, edge: _Edge, test: _Test | None = None) -> _Fragment:
        node = self._add(edge, test)
        return _Fragment(node, (node,))

    def _alternation(self) -> _Fragment:
        branches = [self._sequence()]
        while self._peek() == "|":
            self.position += 1
            branches.append(self._sequence())
        if len(branches) == 1:
            return branches[0]
        split = self._add(_Edge.SPLIT, successors=tuple(branch.start for branch in branches))
        return _Fragment(split, tuple(node for branch in branches for node in branch.loose))

    def _sequence(self) -> _Fragment:
        whole = self._single(_Edge.SPLIT)
        while self._peek() not in ("", "|", ")"):
            piece = self._repeated()
            self._join(whole, piece.start)
            whole = _Fragment(whole.start, piece.loose)
        return whole

    def _repeated(self) -> _Fragment:
        piece = self._atom()
        while (sign := self._peek()) and sign in "*+?":
            self.position += 1
            split = self._add(_Edge.SPLIT, successors=(piece.start,))
            if sign == "?":
                piece = _Fragment(split, (*piece.loose, split))
                continue
            self._join(piece, split)
            piece = _Fragment(split if sign == "*" else piece.start, (split,))
        return piece

    def _atom(self) -> _Fragment:
        sign, here = self._peek(), self.position
        self.position += 1
        if sign == "(":
            self.depth += 1
            if self.depth > MAXIMUM_DEPTH:
                raise RegexError(f"more than {MAXIMUM_DEPTH} parentheses inside each other", here)
            inner = self._alternation()
            if self._peek() != ")":
                raise RegexError("unmatched '('", here)
            self.position += 1
            self.depth -= 1
            return inner
        if sign in "*+?":
            raise RegexError(f"nothing before '{sign}' to repeat", here)
        if sign == "[":
            return self._single(_Edge.CHARACTER, self._set(here))
        if sign == ".":
            return self._single(_Edge.CHARACTER, lambda character: True)
        if sign == "^":
            return self._single(_Edge.START)
        if sign == "$":
            return self._single(_Edge.END)
        if sign == "_":
            border = self._add(_Edge.BORDER)
            delimiter = self._add(_Edge.CHARACTER, DELIMITERS.__contains__)
            return _Fragment(self._add(_Edge.SPLIT, successors=(border, delimiter)), (border, delimiter))
        if sign == "\\":
            sign = self._peek()
            if not sign:
                raise RegexError("'\\' at the end", here)
            self.position += 1
        return self._single(_Edge.CHARACTER, sign.__eq__)

    def _set(self, opened: int) -> _Test:
        negated = self._peek() == "^"
        self.position += negated
        members: set[str] = set()
        ranges: list[tuple[str, str]] = []
        first = True
        while first or self._peek() != "]":
            low = self._member(opened)
            if self._peek() == "-" and self.pattern[self.position + 1 : self.position + 2] not in ("", "]"):
                self.position += 1
                high = self._member(opened)
                if high < low:
                    raise RegexError(f"range {low}-{high} runs backwards", opened)
                ranges.append((low, high))
            else:
                members.add(low)
            first = False
        self.position += 1

        def test(character: str) -> bool:
            inside = character in members or any(low <= character <= high for low, high in ranges)
            return inside is not negated

        return test

    def _member(self, opened: int) -> str:
        character = self._peek()
        self.position += 1
        if character == "\\":
            character = self._peek()
            self.position += 1
        if not character:
            raise RegexError("unmatched '['", opened)
        return character


class Regex:
    """A compiled pattern. Raises RegexError."""

    def __init__(self, pattern: str) -> None:
        parser = _Parser(pattern)
        self._start = parser.parse()
        self._nodes = parser.nodes
        self._steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._endings: dict[frozenset[int], bool] = {}
        self._accept = len(self._nodes) - 1
        self._first = self._close({self._start}, start=True, end=False)
        self._anywhere = self._close({self._start}, start=False, end=False)

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in `text`."""
        state = self._first
        for character in text:
            if self._accept in state:
                return True
            following = self._steps.get((state, character))
            if following is None:
                following = self._step(state, character)
            state = following
        ending = self._endings.get(state)
        if ending is None or not text:
            ending = self._accept in self._close(set(state), start=not text, end=True)
            if text:
                self._endings[state] = ending
        return ending

    def _step(self, state: frozenset[int], character: str) -> frozenset[int]:
        reached: set[int] = set()
        for index in state:
            node = self._nodes[index]
            if node.test is not None and node.test(character):
                reached.update(node.successors)
        following = self._close(reached, start=False, end=False) | self._anywhere
        if len(self._steps) >= CACHED_STATES:
            self._steps.clear()
            self._endings.clear()
        self._steps[state, character] = following
        return following

    def _close(self, entered: set[int], *, start: bool, end: bool) -> frozenset[int]:
        """All nodes that can be reached from `entered` without a character, at a place that is `start` or `end`."""
        closed: set[int] = set()
        waiting = list(entered)
        while waiting:
            index = waiting.pop()
            if index in closed:
                continue
            closed.add(index)
            node = self._nodes[index]
            passes = {
                _Edge.SPLIT: True,
                _Edge.START: start,
                _Edge.END: end,
                _Edge.BORDER: start or end,
                _Edge.CHARACTER: False,
                _Edge.ACCEPT: False,
            }[node.edge]
            if passes:
                waiting.extend(node.successors)
        return frozenset(closed)
