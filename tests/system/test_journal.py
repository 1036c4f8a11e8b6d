from __future__ import annotations

import contextlib
import io
import os
import socket
from datetime import UTC, datetime

import pytest

from seikan.system.errors import AdapterError
from seikan.system.journal import Journal, JournalSettings, Severity, clock_synchronized

NOW = datetime(2026, 11, 3, 19, 0, 0, 123456, tzinfo=UTC)


def journal(
    settings: JournalSettings | None = None, *, synchronized: bool = False, prefixed: bool = False, port: int = 514
) -> tuple[Journal, io.StringIO]:
    stream = io.StringIO()
    made = Journal(
        "R1", settings, now=lambda: NOW, synchronized=lambda: synchronized, stream=stream, prefixed=prefixed, port=port
    )
    return made, stream


def test_a_line_has_the_form_of_ios() -> None:
    log, console = journal()
    line = log.log("LINEPROTO", 5, "UPDOWN", "Line protocol on Interface Tunnel0, changed state to down")
    assert line == (
        "*Nov  3 19:00:00.123: %LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0, changed state to down"
    )
    assert console.getvalue() == line + "\n"
    assert log.state().buffer == (line,)


def test_no_star_once_the_clock_is_synchronised() -> None:
    assert journal(synchronized=True)[0].log("SYS", 5, "RESTART", "x").startswith("Nov  3 19:00:00.123: %SYS")
    assert clock_synchronized() in (True, False)


def test_the_ring_is_bounded_in_octets() -> None:
    log, _ = journal(JournalSettings(size=200))
    for number in range(50):
        log.log("SYS", 5, "TEST", f"message {number}")
    buffer = log.state().buffer
    assert sum(len(line) + 1 for line in buffer) <= 200
    assert buffer[-1].endswith("message 49")
    assert log.state().buffer_messages == 50
    log.clear()
    assert log.state().buffer == ()


def test_each_destination_takes_its_severities() -> None:
    log, console = journal(JournalSettings(console=Severity.WARNINGS, buffered=None))
    seen: list[str] = []
    log.subscribe(seen.append, Severity.NOTIFICATIONS)
    log.log("A", 4, "WARN", "x")
    log.log("A", 5, "NOTE", "x")
    log.log("A", 6, "INFO", "x")
    log.unsubscribe(seen.append)
    log.log("A", 3, "ERR", "x")
    assert [line.split("%")[1] for line in console.getvalue().splitlines()] == ["A-4-WARN: x", "A-3-ERR: x"]
    assert len(seen) == 2
    assert log.state().buffer == ()
    assert Severity.named("errors", Severity.DEBUGGING) is Severity.ERRORS
    assert Severity.named("2", Severity.DEBUGGING) is Severity.CRITICAL


def test_the_service_manager_reads_priorities() -> None:
    log, console = journal(prefixed=True)
    log.log("A", 3, "B", "x")
    assert console.getvalue().startswith("<3>*Nov")


def test_a_peers_words_cannot_forge_a_line() -> None:
    log, console = journal()
    log.log("A", 3, "B", "id evil\r\n%SYS-0-FORGED: \x1b[2J")
    assert len(console.getvalue().splitlines()) == 1
    assert "\x1b" not in console.getvalue()


def test_debugging_goes_to_whom_asked() -> None:
    log, console = journal()
    seen: list[str] = []
    log.debug("ISAKMP: hello", [seen.append])
    assert seen == ["*Nov  3 19:00:00.123: ISAKMP: hello"]
    assert console.getvalue() == ""


def test_a_full_pipe_drops_and_counts_instead_of_blocking() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    with os.fdopen(writer, "w") as stream:
        log = Journal("R1", now=lambda: NOW, stream=stream, prefixed=False)
        log.log("A", 3, "B", "x")
        assert log.state().dropped == 1
        assert len(log.state().buffer) == 1
    os.close(reader)


def test_a_syslog_host_receives_datagrams() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(2)
        log, _ = journal(JournalSettings(hosts=("127.0.0.1",)), port=server.getsockname()[1])
        log.log("A", 7, "QUIET", "not sent: less important than informational")
        log.log("LINK", 3, "UPDOWN", "x")
        assert server.recv(1000) == b"<187>1: R1: *Nov  3 19:00:00.123: %LINK-3-UPDOWN: x"
        log.close()
    with pytest.raises(AdapterError, match="'nohost' is not an IP address"):
        journal(JournalSettings(hosts=("nohost",)))
