"""What is told of interfaces: devices that come, go or were never there, and a router's name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from tests.daemon.fakes import Bench, a_link
from tests.daemon.routers import OSPF, Sites, type_lines, until
from tests.daemon.test_answers import FakeConnection
from tests.daemon.test_rollback import GRE, LOOP, VTI, WAN

from seikan.__main__ import main
from seikan.cli.status import InterfaceStatus, Need
from seikan.daemon.terminals import Login
from seikan.system.control import ControlConnection


def play(directory: Path, text: str, story: Callable[[Bench], Awaitable[None]]) -> None:
    async def run() -> None:
        bench = Bench(directory)
        try:
            await bench.load(text)
            await story(bench)
        finally:
            bench.close()

    asyncio.run(run())


def told(bench: Bench) -> list[str]:
    """The LINK and LINEPROTO lines since last asked."""
    found = [re.search(r"%((?:LINK|LINEPROTO)-.*)", line) for line in bench.lines]
    bench.lines.clear()
    return [match[1] for match in found if match]


async def look(bench: Bench) -> None:
    await bench.router.applier.surroundings_changed(bench.router.running)


async def shown(bench: Bench, name: str) -> InterfaceStatus:
    status = await bench.router.status(frozenset({Need.INTERFACES}), ())
    return next(row for row in status.interfaces if row.name == name)


def test_a_carrier_that_goes_and_comes_is_told(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        assert told(bench) == []  # the first sight is no change
        bench.netlink.devices["eth0"] = replace(bench.netlink.devices["eth0"], carrier=False)
        await look(bench)
        assert told(bench) == [
            "LINK-3-UPDOWN: Interface eth0, changed state to down",
            "LINEPROTO-5-UPDOWN: Line protocol on Interface eth0, changed state to down",
        ]
        bench.netlink.devices["eth0"] = replace(bench.netlink.devices["eth0"], carrier=True)
        await look(bench)
        assert told(bench) == [
            "LINK-3-UPDOWN: Interface eth0, changed state to up",
            "LINEPROTO-5-UPDOWN: Line protocol on Interface eth0, changed state to up",
        ]

    play(tmp_path, LOOP + WAN, story)


def test_shutdown_is_told_of_ports_and_tunnels(tmp_path: Path) -> None:
    site = LOOP + WAN + GRE
    down = "LINK-5-CHANGED: Interface {0}, changed state to administratively down"
    line = "LINEPROTO-5-UPDOWN: Line protocol on Interface {0}, changed state to {1}"

    async def story(bench: Bench) -> None:
        told(bench)
        assert await bench.change(site + "interface Tunnel0\n shutdown\n") == []
        assert told(bench) == [down.format("Tunnel0"), line.format("Tunnel0", "down")]
        assert await bench.change(site) == []
        assert told(bench) == [
            "LINK-3-UPDOWN: Interface Tunnel0, changed state to up",
            line.format("Tunnel0", "up"),
        ]
        assert await bench.change(site + "interface eth0\n shutdown\n") == []
        assert told(bench) == [down.format("eth0"), line.format("eth0", "down"), line.format("Tunnel0", "down")]
        assert not (await shown(bench, "eth0")).admin_up

    play(tmp_path, site, story)


def test_a_device_that_is_not_there_is_told_and_is_not_called_shut_down(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        assert told(bench) == ["LINK-3-NODEVICE: Interface eth7: this host has no device eth7"]
        row = await shown(bench, "eth7")
        assert row.admin_up
        assert not row.present
        assert not row.protocol_up
        await look(bench)
        assert told(bench) == []
        bench.netlink.devices["eth7"] = a_link(7, "eth7")
        await look(bench)
        assert told(bench)[0] == "LINK-3-UPDOWN: Interface eth7, changed state to up"
        del bench.netlink.devices["eth7"]
        await look(bench)
        assert "LINK-3-NODEVICE: Interface eth7: this host has no device eth7" in told(bench)

    play(tmp_path, LOOP + WAN + "interface eth7\n ip address 10.7.7.7 255.255.255.0\n", story)


@pytest.mark.parametrize("console", [True, False])
def test_a_device_that_is_not_there_is_told_once_to_who_types_it(tmp_path: Path, *, console: bool) -> None:
    async def story(bench: Bench) -> None:
        connection = FakeConnection()
        login = Login(bench.router, cast(ControlConnection, connection))
        login._monitor(console)
        login._do(login.terminal.start())
        for line in (b"conf t\r", b"interface FastEthernet7/0\r"):
            login._do(login.terminal.receive(line))
            if login._task is not None:
                await login._task
        assert connection.shown.count("this host has no device of that name") == 1
        login.end()

    play(tmp_path, LOOP + WAN, story)


def test_only_an_address_that_was_typed_is_manual(tmp_path: Path) -> None:
    site = LOOP + WAN

    async def story(bench: Bench) -> None:
        assert (await shown(bench, "eth0")).address_method == "NVRAM"
        assert await bench.change(site + "hostname B\ninterface Loopback1\n ip address 9.9.9.9 255.255.255.255\n") == []
        assert (await shown(bench, "eth0")).address_method == "NVRAM"
        assert (await shown(bench, "Loopback1")).address_method == "manual"
        assert await bench.change(site.replace("10.0.0.1", "10.0.0.2")) == []
        assert (await shown(bench, "eth0")).address_method == "manual"

    play(tmp_path, site, story)


def test_a_source_that_is_no_address_here_is_the_reason(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        bench.router.tunnels.sa_changed("Tunnel0", True, None)
        assert await bench.change((LOOP + WAN + VTI).replace("tunnel source eth0", "tunnel source 10.9.9.9")) == []
        row = await shown(bench, "Tunnel0")
        assert row.down_reason == "source 10.9.9.9 is no address of this router"
        assert await bench.change((LOOP + WAN + VTI).replace("tunnel source eth0", "tunnel source 10.0.0.1")) == []
        assert "no address" not in ((await shown(bench, "Tunnel0")).down_reason or "")

    play(tmp_path, LOOP + WAN + VTI, story)


def test_negotiating_is_no_failure(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        status = await bench.router.status(frozenset({Need.CRYPTO}), ())
        assert status.crypto is not None
        (row,) = status.crypto.tunnels
        assert bench.router.tunnels.states["Tunnel0"].reason == "negotiating"
        assert row.last_error is None

    play(tmp_path, LOOP + WAN + VTI, story)


@pytest.mark.parametrize("name", ["a/b c", "../x", "", "x" * 33, "-x", "é", "a\n"])
@pytest.mark.parametrize("command", [["run", "/nowhere/startup-config"], ["cli"], ["exec", "show clock"]])
def test_a_name_that_cannot_be_a_routers(command: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, f"--name={name}"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "cannot name a router: 1 to 32 letters" in said


def test_names_that_routers_may_have(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("r", "R1.site_2-x", "9" * 32):
        assert main(["exec", "show clock", "--name", name]) == 1
        assert "no router runs here" in capsys.readouterr().err


IOS_PORT = """\
interface GigabitEthernet0/0/0
description as in a configuration of another router
ip address 203.0.113.1 255.255.255.0
ip nat outside
ip access-group OUTSIDE in
ip ospf 1 area 0
crypto map M
interface GigabitEthernet0/0/1.100
ip address 10.77.0.1 255.255.255.0
ip nat inside
interface GigabitEthernet2
ip address 10.78.0.1 255.255.255.0
ip nat inside source list INSIDE interface GigabitEthernet0/0/0 overload
ip route 198.51.100.0 255.255.255.0 GigabitEthernet0/0/0 203.0.113.2
ip route 198.51.101.0 255.255.255.0 GigabitEthernet0/0/7
end
"""


@pytest.mark.netns
def test_a_port_with_a_long_name_of_ios_is_taken_and_waits_for_its_device(sites: Sites) -> None:
    """Neither the kernel nor FRR or nftables takes a name of more than 15 characters."""
    r1 = sites.r1
    r1.configure(OSPF, "crypto map M 10 ipsec-isakmp\n set peer 203.0.113.9\n")
    r1.start()
    type_lines(r1, "conf t", *IOS_PORT.splitlines())  # fails where a line is refused
    assert "GigabitEthernet0/0/0: this host has no device of that name, and interfaces.map names no other" in r1.log()
    assert re.search(r"GigabitEthernet0/0/0 +203\.0\.113\.1 .* down +down", r1.exec("show ip interface brief"))
    r1.host.ip("link", "add", "Gi2", "type", "bridge")
    until(lambda: "10.78.0.1/24" in r1.host.ip("addr", "show", "dev", "Gi2"), 10)
