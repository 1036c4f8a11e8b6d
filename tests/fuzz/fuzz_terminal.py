"""Fuzz the terminal and the session behind it: `python tests/fuzz/fuzz_terminal.py [atheris options]`.

Each input is what a user types, cut into pieces; between the pieces requests are answered, log lines come and
the window changes. Any exception, a second outstanding request or output without bound is a finding.
"""

from __future__ import annotations

import importlib
import sys

from seikan.cli.requests import Apply, Close, Request
from seikan.cli.session import Session
from seikan.cli.terminal import Event, Output, Submit, Terminal
from seikan.config.model import Config

MAXIMUM_OUTPUT = 1 << 20  # octets for one event; more than a screen of help many times over


class Router:
    """The least that stands behind a terminal: it takes every configuration."""

    def __init__(self) -> None:
        self.config = Config()
        self.session = Session(lambda: self.config)
        self.terminal = Terminal(self.session, 80, 24)
        self.outstanding: Request | None = None
        self.shown = b""  # the last output
        self.handle(self.terminal.start())

    def handle(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Output):
                self.shown = event.data
                if len(event.data) > MAXIMUM_OUTPUT:
                    raise AssertionError(f"{len(event.data)} octets of output at once")
            elif isinstance(event, Submit):
                if self.outstanding is not None:
                    raise AssertionError("a second request while one is out")
                self.outstanding = None if isinstance(event.request, Close) else event.request

    def answer(self, commit: bool) -> None:
        request, self.outstanding = self.outstanding, None
        if request is None:
            return
        if isinstance(request, Apply) and commit:
            self.config = request.candidate
            self.session.committed()
        else:
            self.session.refused()
        self.handle(self.terminal.respond(["an answer"] * 3))


def one_input(data: bytes) -> Router:
    """The first octet of each piece says how long it is and what happens behind it."""
    router = Router()
    position = 0
    while position < len(data) and not router.terminal.closed:
        control = data[position]
        length = control & 0x1F
        router.handle(router.terminal.receive(data[position + 1 : position + 1 + length]))
        position += 1 + length
        action = control >> 5
        if action < 5:
            router.answer(commit=action != 4)
        elif action == 5:
            router.handle(router.terminal.interrupt("%LINK-3-UPDOWN: Interface Tunnel0, changed state to up"))
        elif action == 6:
            router.handle(router.terminal.resize(length, length))
    return router


def main() -> None:
    atheris = importlib.import_module("atheris")
    atheris.instrument_all()

    def target(data: bytes) -> None:
        one_input(data)

    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
