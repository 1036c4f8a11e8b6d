"""A terminal with a session behind it and the least of a daemon: it takes every configuration and records the rest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from seikan.cli.requests import Apply, Close, Request, Show
from seikan.cli.session import Session
from seikan.cli.status import Status
from seikan.cli.terminal import Event, Output, Submit, Terminal
from seikan.config.model import Config


class Desk:
    """What a user types and sees. `type` gives everything that was printed; `requests` what the daemon was asked."""

    def __init__(
        self,
        config: Config,
        *,
        privilege: int = 15,
        rows: int = 0,
        enable: Callable[[str], bool] | None = None,
        interactive: bool = True,
    ) -> None:
        self.config = config
        self.startup: str | None = None
        self.session = Session(lambda: self.config, privilege=privilege, enable=enable)
        self.terminal = Terminal(self.session, 0, rows, interactive=interactive)
        self.requests: list[Request] = []
        self.refuse = ""  # what the daemon answers to the next configuration line
        self.answer = ""  # to any other request
        self.screen = self._handle(self.terminal.start())

    def type(self, keys: str) -> str:
        return self._handle(self.terminal.receive(keys.encode()))

    def line(self, line: str) -> str:
        """Type a line; what came behind its echo and newline, without the fresh prompt."""
        shown = self.type(line + "\r")
        echo, prompt = f"{line}\r\n", self.session.prompt
        assert shown.startswith(echo), f"{shown!r} does not start with the echo of {line!r}"
        assert shown.endswith(prompt), f"{shown!r} does not end with {prompt!r}"
        return shown[len(echo) : len(shown) - len(prompt)].replace("\r\n", "\n")

    def lines(self, *lines: str) -> None:
        """Type lines that answer nothing."""
        for line in lines:
            assert self.line(line) == "", line

    def status(self) -> Status:
        return Status(
            now=datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
            time_source_synchronized=True,
            uptime=60.0,
            version="0",
            kernel="6.1",
            machine="x86_64",
            config_file="router.conf",
            running=self.config,
            config_changed=None,
            config_changed_by=None,
            startup_text=self.startup,
        )

    def _handle(self, events: list[Event]) -> str:
        shown = ""
        for event in events:
            if isinstance(event, Output):
                shown += event.data.decode()
            elif isinstance(event, Submit):
                self.requests.append(event.request)
                shown += self._carry_out(event.request)
        return shown

    def _carry_out(self, request: Request) -> str:
        if isinstance(request, Close):
            return ""
        if isinstance(request, Apply):
            if self.refuse:
                self.session.refused()
                return self._handle(self.terminal.respond([self.refuse]))
            self.config = request.candidate
            self.session.committed()
            return self._handle(self.terminal.respond(request.warnings))
        if isinstance(request, Show):
            return self._handle(self.terminal.respond(request.select(request.render(self.status()))))
        return self._handle(self.terminal.respond(self.answer))
