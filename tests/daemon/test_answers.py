"""Answers to terminals when things go wrong in the router itself, and to the service manager."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast

import pytest
from tests.daemon.fakes import Bench
from tests.daemon.routers import Sites, until

from seikan.cli.requests import Show
from seikan.cli.status import Status
from seikan.config.model import Interface
from seikan.config.parse import parse
from seikan.daemon.terminals import Login, run_command
from seikan.lab.driver import cli_command, environment
from seikan.system import ping
from seikan.system.control import ControlConnection, Hello
from seikan.system.journal import Journal
from seikan.system.ping import Address, PingResult

SECRET = "the-key-itself"


class FakeConnection:
    """The daemon's end of a terminal."""

    def __init__(self) -> None:
        self.hello = Hello("terminal")
        self.columns, self.rows, self.backlog = 80, 0, 0
        self.on_resize: object = None
        self.shown = self.errors = ""

    def write(self, data: bytes | str, *, error: bool = False) -> None:
        text = data.decode() if isinstance(data, bytes) else data
        self.shown += text
        self.errors += text if error else ""

    async def drain(self) -> None:
        """Nothing waits."""


def broken(status: Status) -> Iterable[str]:
    raise KeyError(SECRET)


def test_a_fault_in_a_renderer_is_one_line_and_the_terminal_goes_on(tmp_path: Path) -> None:
    async def play() -> None:
        bench = Bench(tmp_path)
        try:
            await bench.load("hostname Here\n")
            connection = FakeConnection()
            login = Login(bench.router, cast(ControlConnection, connection))
            feed = login.session.feed

            def feed_broken(line: str) -> Any:
                request = feed(line)
                return replace(request, render=broken) if isinstance(request, Show) else request

            login.session.feed = feed_broken  # type: ignore[method-assign]
            login._do(login.terminal.start())
            login._do(login.terminal.receive(b"show clock\r"))
            assert login._task is not None
            await login._task
            assert "% internal error (KeyError at test_answers.py:" in connection.shown
            assert connection.shown.endswith("Here#")
            login._do(login.terminal.receive(b"show history\r"))
            assert "show clock" in connection.shown.rpartition("show history")[2] or "show history" in connection.shown
            assert SECRET not in connection.shown + "".join(bench.lines)
            assert any("%SYS-2-INTERNAL: internal error (KeyError at" in line for line in bench.lines)
        finally:
            bench.close()

    asyncio.run(play())


def test_a_fault_in_a_command_without_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        bench = Bench(tmp_path)

        async def status(*_: object) -> Status:
            raise ZeroDivisionError(SECRET)

        monkeypatch.setattr(bench.router, "status", status)
        connection = FakeConnection()
        try:
            assert await run_command(bench.router, "show clock", cast(ControlConnection, connection)) == 1
        finally:
            bench.close()
        assert connection.shown.startswith("% internal error (ZeroDivisionError at ")
        assert SECRET not in connection.shown

    asyncio.run(play())


COMMANDS = {
    "exit": (1, "% This command needs a terminal"),
    "conf t": (1, "% This command needs a terminal"),
    "configure": (1, "% This command needs a terminal"),
    "debug crypto isakmp": (1, "% This command needs a terminal"),
    "terminal monitor": (1, "% This command needs a terminal"),
    "show ip interfce": (1, "show ip interfce\n        ^\n% Invalid input detected at '^' marker.\n"),
    "show": (1, "% Incomplete command."),
    "show crypto ipsec profile NONE": (1, "% There is no IPsec profile NONE"),
    "ping 192.0.2.300": (1, "ping 192.0.2.300\n     ^\n% Invalid"),
    "copy /nowhere/file running-config": (1, "% Error opening /nowhere/file"),
    "show clock": (0, ""),
    "show running-config": (0, ""),
    "clear crypto sa": (0, ""),
}


@pytest.mark.parametrize(("command", "status", "error"), [(line, *rest) for line, rest in COMMANDS.items()])
def test_the_exit_status_of_a_command_without_terminal(command: str, status: int, error: str, tmp_path: Path) -> None:
    async def play() -> None:
        bench = Bench(tmp_path)
        connection = FakeConnection()
        try:
            await bench.load("hostname A\nbanner motd #\n% not an error\n#\n")
            assert await run_command(bench.router, command, cast(ControlConnection, connection)) == status
        finally:
            bench.close()
        assert connection.errors.startswith(error)
        assert bool(connection.errors) == bool(status)

    asyncio.run(play())


@pytest.mark.parametrize(("times", "status"), [([None, None], 1), ([None, 0.002], 0)])
def test_a_ping_without_any_answer_has_failed(
    times: list[float | None], status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def echoes(*_: object, **__: object) -> AsyncIterator[PingResult]:
        for round_trip in times:
            yield PingResult("." if round_trip is None else "!", round_trip)

    monkeypatch.setattr(ping, "ping", echoes)

    async def play() -> None:
        bench = Bench(tmp_path)
        connection = FakeConnection()
        try:
            assert await run_command(bench.router, "ping 192.0.2.1", cast(ControlConnection, connection)) == status
        finally:
            bench.close()
        assert f"Success rate is {0 if status else 50} percent" in connection.shown
        assert connection.errors == ""

    asyncio.run(play())


@pytest.mark.parametrize(
    ("last", "ending"),
    [("!", "  3 192.0.2.1 3 msec 3 msec 3 msec\n"), ("U", "  3 198.51.100.9 !H !H !H\n"), (".", " 30  *  *  *\n")],
)
def test_a_traceroute_has_a_line_for_each_hop(
    last: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def echoes(target: Address, *_: object, ttl: int, **__: object) -> AsyncIterator[PingResult]:
        for number in range(3):
            sender = target if last == "!" else ip_address("198.51.100.9")
            if ttl == 1:
                yield PingResult("&", 0.001, ip_address("10.0.0.2"))
            elif ttl == 2 and number == 1:
                yield PingResult(".")
            elif ttl == 2:
                yield PingResult("&", 0.002, ip_address(f"10.0.1.{number}"))
            else:
                yield PingResult(".") if last == "." else PingResult(last, 0.003, sender)

    monkeypatch.setattr(ping, "ping", echoes)

    async def play() -> None:
        bench = Bench(tmp_path)
        connection = FakeConnection()
        try:
            await run_command(bench.router, "traceroute 192.0.2.1", cast(ControlConnection, connection))
        finally:
            bench.close()
        assert connection.shown.startswith(
            "Type escape sequence to abort.\nTracing the route to 192.0.2.1\n"
            "  1 10.0.0.2 1 msec 1 msec 1 msec\n"
            "  2 10.0.1.0 2 msec  * 10.0.1.2 2 msec\n"
        )
        assert connection.shown.endswith(ending)

    asyncio.run(play())


def test_of_two_changes_worked_out_from_the_same_configuration_the_second_is_refused(tmp_path: Path) -> None:
    async def play() -> None:
        bench = Bench(tmp_path)
        router = bench.router
        try:
            await bench.load("hostname A\n")
            seen = router.revision
            one, two = (
                router.change(parse(f"hostname {name}\n").config, seen, by="test") for name in ("First", "Second")
            )
            answers = await asyncio.gather(one, two)
            assert list(answers) == [
                [],
                ["The configuration was changed from another terminal meanwhile: enter the line again"],
            ]
            assert router.running.hostname == "First"
        finally:
            bench.close()

    asyncio.run(play())


def test_a_change_comes_to_its_end_though_who_asked_has_gone(tmp_path: Path) -> None:
    async def play() -> None:
        bench = Bench(tmp_path)
        router = bench.router
        try:
            await bench.load("hostname A\n")
            wanted = parse("hostname B\ninterface Loopback5\n ip address 5.5.5.5 255.255.255.255\n").config
            asked = asyncio.create_task(router.change(wanted, router.revision, by="test"))
            await asyncio.sleep(0)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            async with router._lock:
                assert router.running.hostname == "B"
                assert "Loopback5" in bench.netlink.devices
        finally:
            bench.close()

    asyncio.run(play())


def test_interfaces_are_listed_as_in_ios(tmp_path: Path) -> None:
    async def play() -> None:
        bench = Bench(tmp_path)
        try:
            names = ("Tunnel0", "Loopback1", "Loopback0", "GigabitEthernet0/1", "FastEthernet0/0", "eth0")
            await bench.load("".join(f"interface {name}\n" for name in names))
            from seikan.cli.status import Need

            status = await bench.router.status(frozenset({Need.INTERFACES}), ())
            assert [row.name for row in status.interfaces] == [
                *("FastEthernet0/0", "GigabitEthernet0/1", "eth0", "Loopback0", "Loopback1", "Tunnel0")
            ]
            assert isinstance(bench.router.running.interfaces["eth0"], Interface)
        finally:
            bench.close()

    asyncio.run(play())


def test_the_log_has_priorities_only_where_the_journal_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    status = os.fstat(writing)
    with os.fdopen(writing, "w") as stream, os.fdopen(reading) as end:
        for name, start in ((f"{status.st_dev}:{status.st_ino}", "<3>"), ("8:1", "*"), ("", "*")):
            monkeypatch.setenv("JOURNAL_STREAM", name)
            Journal(stream=stream, synchronized=lambda: False).log("SYS", 3, "TEST", "text")
            assert end.readline().startswith(start)


def heard(notify: socket.socket) -> int:
    """How many datagrams come until none comes for a while."""
    count = 0
    while True:
        try:
            notify.recv(4096)
        except TimeoutError:
            return count
        count += 1


@pytest.mark.netns
def test_the_service_manager_sees_readiness_life_and_the_end(sites: Sites, tmp_path: Path) -> None:
    sites.r1.configure()
    sites.r1.directory.mkdir()
    sites.r1.startup.touch(mode=0o600)
    sites.r1.startup.write_text(sites.r1.text)
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, (sites.r1.directory / "log").open("ab") as log:
        notify.bind(str(address))
        notify.settimeout(15)
        manager = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "600000"}
        daemon = subprocess.Popen(
            ["ip", "netns", "exec", sites.r1.name, *cli_command("run", sites.r1.name, str(sites.r1.startup))],
            env={**environment(sites.r1.host.runtime), **manager},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            said = [notify.recv(4096).decode() for _ in range(6)]
            assert any(text.startswith("READY=1") for text in said)
            assert said.count("WATCHDOG=1") >= 4
            assert sites.r1.log().count(f"seikan: ready ({sites.r1.name})") == 1
            # a loop that does not turn does not answer
            os.kill(daemon.pid, signal.SIGSTOP)
            notify.settimeout(1.0)
            assert heard(notify) <= 2  # what was under way
            os.kill(daemon.pid, signal.SIGCONT)
            assert notify.recv(4096) == b"WATCHDOG=1"
            os.kill(daemon.pid, signal.SIGTERM)
            until(lambda: notify.recv(4096) == b"STOPPING=1", 3)
            assert daemon.wait(3) == 0
        finally:
            daemon.kill()
            daemon.wait()
