"""What a command of exec mode answers, and what a row of their table is.

A handler gets the match and a `View` of the session and gives a `Request` for the daemon, or something
that the session does itself: a `Question`, a change of mode or of the terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from seikan.cli.requests import Reply, Request
from seikan.cli.shell import Wants
from seikan.config.grammar import Match

USER_PRIVILEGE = 1
FULL_PRIVILEGE = 15


@dataclass(frozen=True, slots=True)
class View:
    """What a handler may know of the session."""

    privilege: int
    history: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """Ask before going on: `answer` takes the line. `unattended` is the answer where nobody is
    there to ask; None where there is no such answer. The lines `before` are printed in front of it."""

    prompt: str
    answer: Callable[[str], Answer]
    wants: Wants = Wants.ANSWER
    unattended: str | None = ""
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Configure:
    """Enter configuration mode."""


@dataclass(frozen=True, slots=True)
class Enable:
    """Become privileged; the session knows whether a password is asked for."""


@dataclass(frozen=True, slots=True)
class Disable:
    """Give the privilege back."""


@dataclass(frozen=True, slots=True)
class TerminalSetting:
    """Set what is not None; `reset` names what goes back to the window's own."""

    length: int | None = None
    width: int | None = None
    history: int | None = None
    reset: str | None = None


Answer = Request | Question | Configure | Enable | Disable | TerminalSetting
Handler = Callable[[Match, View], Answer]


@dataclass(frozen=True, slots=True)
class ExecCommand:
    """One row; `user` tells that it needs no privilege."""

    syntax: str
    handler: Handler
    help: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    user: bool = False
    negatable: bool = False
    hidden: bool = False


_LONGEST_PASTE = 2000  # lines


def paste(before: tuple[str, ...], then: Callable[[str], Answer], *, blank_ends: bool) -> Question:
    """Ask for lines until one that says `quit`, or with `blank_ends` an empty one behind others."""
    lines: list[str] = []

    def more(line: str) -> Answer:
        word = line.strip()
        if word.lower() == "quit" or (blank_ends and not word and lines):
            return then("\n".join(lines))
        if word:
            lines.append(line)
        if len(lines) > _LONGEST_PASTE:
            return Reply((f"% That is more than {_LONGEST_PASTE} lines: nothing was done",), failed=True)
        return Question("", more, Wants.TEXT, None)

    return Question("", more, Wants.TEXT, None, before)


def yes_or_no(prompt: str, request: Request, otherwise: Answer, before: tuple[str, ...] = ()) -> Question:
    """Only a whole `yes`, or the beginning of one, means yes. Nobody there means nothing."""

    def answer(line: str) -> Answer:
        word = line.strip().lower()
        return request if word and "yes".startswith(word) else otherwise

    return Question(prompt, answer, unattended=None, before=before)


def always(answer: Answer) -> Handler:
    return lambda match, view: answer


def confirm(prompt: str, request: Request) -> Question:
    """A key is the answer: anything but `n` means yes."""

    def answer(line: str) -> Answer:
        return Reply() if line.strip()[:1] in ("n", "N") else request

    return Question(prompt, answer, Wants.KEY)
