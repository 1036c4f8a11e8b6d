"""Several people at one router: each at a terminal of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.daemon.routers import CRYPTO, TUNNEL, Sites, until

from seikan.lab.driver import Console

pytestmark = pytest.mark.netns


@pytest.fixture
def desk(sites: Sites) -> Iterator[tuple[Sites, Console]]:
    """R1 with a tunnel whose peer does not answer, and two terminals on it."""
    sites.r1.configure(CRYPTO, TUNNEL)
    sites.r1.start()
    console = Console({"one": sites.r1.login(), "two": sites.r1.login()}, lambda _router, _line: None)
    try:
        for name in console.terminals:
            console.ready(name)
            console.type(name, "terminal length 0")
        yield sites, console
    finally:
        console.close()


def text_of(console: Console, name: str) -> str:
    return "\n".join(console.terminals[name].screen.lines)


def test_two_terminals(desk: tuple[Sites, Console]) -> None:
    sites, console = desk
    # a log line goes to both, whatever is half typed
    console.terminals["two"].send("show ver")
    console.type("one", "conf t")
    console.type("one", "interface Loopback7")
    console.type("one", "ip address 7.7.7.7 255.255.255.255")
    console.type("one", "interface Tunnel7")
    for name in ("one", "two"):
        console.expect(name, "%LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel7, changed state to down", 5)
    console.type("two", "sion")
    assert "Seikan" in text_of(console, "two")
    # both configure; each line is worked out from what runs when it is typed
    console.type("two", "conf t")
    console.type("two", "interface Loopback8")
    console.type("one", "description first")
    console.type("two", "ip address 8.8.8.8 255.255.255.255")
    console.type("one", "end")
    console.type("two", "end")
    running = sites.r1.exec("show running-config")
    assert "ip address 7.7.7.7" in running
    assert "ip address 8.8.8.8" in running
    assert "description first" in running

    # monitor: no for one terminal only
    console.type("two", "terminal no monitor")
    console.mark("two")
    console.type("one", "conf t")
    console.type("one", "interface Tunnel9")
    console.expect("one", "Interface Tunnel9, changed state to down", 5)
    console.type("one", "end")
    console.type("two", "show clock")
    assert "Tunnel9, changed state" not in text_of(console, "two")
    console.type("two", "terminal monitor")

    # debug goes to the terminal that asked
    console.type("one", "debug crypto isakmp")
    console.type("two", "show clock")
    console.expect("one", "ISAKMP", 10)
    console.type("one", "undebug all")
    assert "ISAKMP:" not in text_of(console, "two")

    # ^C ends a ping, with the summary of what was sent
    console.mark("one")
    console.terminals["one"].send("ping 10.1.12.77 repeat 1000\r")
    console.expect("one", r"Sending 1000, 100-byte ICMP Echos", 5)
    console.terminals["one"].send("\x03")
    console.expect("one", r"Success rate is 0 percent \(0/\d+\)", 5)
    console.ready("one")
    assert "show clock" not in console.terminals["one"].screen.text


def test_a_long_ping_wraps_as_in_ios(desk: tuple[Sites, Console]) -> None:
    sites, console = desk
    rows = [line for line in sites.r1.exec("ping 1.1.1.1 repeat 150").splitlines() if set(line) == {"!"}]
    assert [len(row) for row in rows] == [70, 70, 10]
    answer = console.type("one", "ping 1.1.1.1 repeat 140")
    assert [len(row) for row in answer if set(row) == {"!"}] == [70, 70]
    after = answer[answer.index("!" * 70) + 2 :]
    assert after[0].startswith("Success rate is 100 percent (140/140)") or after[0] == ""
    assert sites.r1.exec("ping 10.1.12.77 repeat 2 timeout 1", check=False).count("..") == 1


def test_startup_and_running_configuration(desk: tuple[Sites, Console]) -> None:
    sites, console = desk
    r1 = sites.r1
    before = r1.startup.read_text()
    console.type("one", "conf t")
    console.type("one", "interface Loopback9")
    console.type("one", "ip address 9.9.9.9 255.255.255.255")
    console.type("one", "end")
    assert r1.startup.read_text() == before  # nobody has written it
    assert "9.9.9.9" not in r1.exec("show startup-config")
    console.type("one", "copy running-config startup-config\r")
    until(lambda: "9.9.9.9" in r1.startup.read_text(), 5)
    assert r1.startup.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in r1.directory.iterdir() if path.name.startswith(".")] == []
    console.type("one", "write memory")
    assert "9.9.9.9" in r1.exec("show startup-config")
    running = configuration(r1.exec("show running-config"))
    console.close()
    console.terminals.clear()
    assert r1.stop() == 0
    r1.start()
    assert configuration(r1.exec("show running-config")) == running
    assert configuration(r1.exec("show startup-config")) == running


def configuration(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not re.match(r"!|Building|Current|Using", line)]
