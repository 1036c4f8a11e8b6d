"""What a prediction is made of: checks with a result, each with what the two ends have and what would mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Result(Enum):
    """OK, works though there is something to know, cannot be told from the files, will not come up."""

    OK = "ok"
    NOTE = "note"
    UNKNOWN = "unknown"
    FAILS = "FAILS"


@dataclass(frozen=True, slots=True)
class End:
    """What one end has, in words without secrets, and the line of its file that says so (0: none says it)."""

    value: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Advice:
    """Lines to paste at one end. `side` is 0 for the first file, 1 for the second."""

    side: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One attribute. Where there is `advice` for both ends, that for one of them is enough, unless `both`."""

    name: str
    result: Result
    ends: tuple[End, End] = (End(), End())
    text: str = ""
    advice: tuple[Advice, ...] = ()
    both: bool = False

    def turned(self) -> Check:
        """As seen from the other end."""
        advice = tuple(Advice(1 - row.side, row.lines) for row in reversed(self.advice))
        return Check(self.name, self.result, (self.ends[1], self.ends[0]), self.text, advice, self.both)


@dataclass(frozen=True, slots=True)
class Link:
    """What joins the two routers: two tunnel interfaces, crypto maps, a spoke and its hub."""

    titles: tuple[str, str]
    checks: tuple[Check, ...]

    @property
    def up(self) -> bool:
        return not any(check.result is Result.FAILS for check in self.checks)


@dataclass(frozen=True, slots=True)
class Prediction:
    """Everything about two files; `remarks` are about what does not join them."""

    links: tuple[Link, ...]
    remarks: tuple[str, ...] = ()

    @property
    def up(self) -> bool:
        """Whether something joins them, and all of that comes up."""
        return bool(self.links) and all(link.up for link in self.links)
