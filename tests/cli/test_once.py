"""One line without a terminal, as `seikan exec` asks it."""

from __future__ import annotations

import pytest

from seikan.cli.once import NEEDS_TERMINAL, request_of
from seikan.cli.requests import Clear, ClearKind, Copy, Location, Ping, Reply, Request, Show
from seikan.config.model import Config


def asked(line: str) -> Request:
    return request_of(lambda: Config(hostname="R1"), line)


@pytest.mark.parametrize(
    "line",
    [
        "exit",
        "logout",
        "conf t",
        "configure",
        "debug crypto isakmp",
        "undebug all",
        "no debug crypto ipsec",
        "terminal monitor",
    ],
)
def test_what_means_nothing_without_a_terminal_is_refused(line: str) -> None:
    assert asked(line) == Reply((NEEDS_TERMINAL,), failed=True)


def test_a_wrong_word_is_shown_below_the_line() -> None:
    assert asked("show crypto isakmp nonsense") == Reply(
        ("show crypto isakmp nonsense", " " * 19 + "^", "% Invalid input detected at '^' marker.", ""), failed=True
    )


@pytest.mark.parametrize("line", ["show", "c", "show ip route | include (", "show ip route | x"])
def test_a_line_that_is_no_command_has_failed(line: str) -> None:
    request = asked(line)
    assert isinstance(request, Reply)
    assert request.failed
    assert any("%" in said for said in request.lines)


@pytest.mark.parametrize("line", ["", "! a remark", "show privilege", "terminal length 0", "enable", "end"])
def test_what_the_session_does_itself_has_not_failed(line: str) -> None:
    request = asked(line)
    assert isinstance(request, Reply)
    assert not request.failed


def test_everything_else_is_the_routers() -> None:
    assert asked("ping 192.0.2.1 repeat 1") == Ping("192.0.2.1", repeat=1)
    assert asked("clear counters") == Clear(ClearKind.COUNTERS)
    assert asked("copy running-config startup-config") == Copy(Location.RUNNING, Location.STARTUP)
    assert isinstance(asked("show version | include uptime"), Show)
