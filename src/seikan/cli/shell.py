"""What a terminal needs of a session: the prompt, what kind of line is wanted next, and who takes it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Protocol

from seikan.cli.requests import Request


class Wants(Enum):
    """The kind of line that is asked for."""

    COMMAND = auto()
    ANSWER = auto()  # to a question: no help, no completion, no history
    KEY = auto()  # one key (`[confirm]`): Enter or `y`, all else is no
    TEXT = auto()  # a line of a banner
    SECRET = auto()  # no echo


class Shell(Protocol):
    prompted: bool  # the terminal prints prompts and echoes; where not, an error shows the line itself
    columns: int | None  # of the screen, None: no limit; of a line that does not fit, an error shows the wrong part

    @property
    def prompt(self) -> str: ...

    @property
    def wants(self) -> Wants: ...

    @property
    def unattended(self) -> str | None:
        """What to answer where nobody is there to ask; None where there is no such answer."""

    @property
    def length(self) -> int | None:
        """`terminal length`: rows, 0 for no paging, None for what the window has."""

    @property
    def width(self) -> int | None:
        """`terminal width`: columns, 0 for no limit, None for what the window has."""

    @property
    def history(self) -> Sequence[str]:
        """The lines that Up recalls here, oldest first."""

    def feed(self, line: str) -> Request:
        """A line was entered."""

    def finish(self) -> Request | None:
        """Ctrl-Z: leave configuration mode; None where there is nothing to leave."""

    def cancel(self) -> None:
        """Ctrl-C: the line is given up, and with it a question or a text that was asked for."""

    def help(self, line: str) -> tuple[str, ...]:
        """What `?` prints behind `line`."""

    def complete(self, line: str) -> str | None:
        """`line` with its last word completed; None where that is not possible or not unique."""
