"""Edits of the cryptographic configuration, and faults in the engine, leave what carries packets alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from tests.daemon.fakes import Bench
from tests.daemon.routers import CRYPTO, Sites, type_lines, until
from tests.daemon.routers import TUNNEL as PROTECTED
from tests.daemon.test_rollback import LOOP, VTI, WAN

from seikan.config.parse import parse
from seikan.daemon.crypto import Chosen
from seikan.daemon.settings import Negotiable, engine_settings
from seikan.ike.engine import ClearTarget
from seikan.plane.base import IkeDatagram

SITE = LOOP + WAN + VTI
SECRET = "what-must-not-be-told"


def play(directory: Path, story: Callable[[Bench], Awaitable[None]], text: str = SITE) -> None:
    async def run() -> None:
        bench = Bench(directory)
        try:
            await bench.load(text)
            await story(bench)
        finally:
            bench.close()

    asyncio.run(run())


def suspensions(bench: Bench) -> list[str]:
    """The reasons for which the engine is told to delete SAs, from now on."""
    told: list[str] = []
    object.__setattr__(bench.router.tunnels._around, "stop", lambda _name, reason: told.append(reason))
    return told


EDITS = {
    "no usable policy": SITE.replace(" group 14\n", ""),
    "no policy at all": SITE.replace("crypto isakmp policy 1\n encr aes\n authentication pre-share\n group 14\n", ""),
    "another transform": SITE.replace("esp-aes esp-sha-hmac", "esp-aes 256 esp-sha256-hmac"),
    "another set": SITE.replace(" set transform-set T", " set pfs group14"),
    "no key": SITE.replace("crypto isakmp key k address 192.0.2.3\n", ""),
}


@pytest.mark.parametrize("edited", EDITS.values(), ids=EDITS)
def test_a_live_pair_outlives_an_edit(edited: str, tmp_path: Path) -> None:
    assert edited != SITE

    async def story(bench: Bench) -> None:
        router, state = bench.router, bench.router.tunnels.states["Tunnel0"]
        router.tunnels.sa_changed("Tunnel0", True, None)
        assert state.carrier
        told = suspensions(bench)
        assert await bench.change(edited) == []
        assert state.carrier
        assert bench.memory.carrier("Tunnel0")
        assert told == []
        router.tunnels.sa_changed("Tunnel0", False, "lifetime of the IPsec SA expired")
        assert not state.carrier

    play(tmp_path, story)


def test_without_a_policy_the_reason_is_that_once_the_pair_is_gone(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        router, state = bench.router, bench.router.tunnels.states["Tunnel0"]
        router.tunnels.sa_changed("Tunnel0", True, None)
        await bench.change(EDITS["no usable policy"])
        router.tunnels.sa_changed("Tunnel0", False, "lifetime of the IPsec SA expired")
        assert (state.reason or "").startswith("no crypto isakmp policy has")
        await bench.change(SITE)
        assert state.reason == "lifetime of the IPsec SA expired"

    play(tmp_path, story)


REMOVALS = {
    "profile": SITE.replace("crypto ipsec profile P\n set transform-set T\n", ""),
    "protection": SITE.replace(" tunnel protection ipsec profile P\n", ""),
}


@pytest.mark.parametrize("removed", REMOVALS.values(), ids=REMOVALS)
def test_a_removed_protection_takes_the_tunnel_down(removed: str, tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        state = bench.router.tunnels.states["Tunnel0"]
        bench.router.tunnels.sa_changed("Tunnel0", True, None)
        told = suspensions(bench)
        assert await bench.change(removed) == []
        assert not state.carrier
        assert told

    play(tmp_path, story)


def test_aggressive_mode_is_answered_only_where_it_is_asked_for() -> None:
    initiating = "crypto isakmp peer address 192.0.2.3\n set aggressive-mode client-endpoint fqdn here\n"
    refusing = engine_settings(parse(initiating).config, Negotiable(), lambda _: None)
    assert not refusing.aggressive_mode
    answering = engine_settings(
        parse("no crypto isakmp aggressive-mode disable\n").config, Negotiable(), lambda _: None
    )
    assert answering.aggressive_mode


def test_a_keyring_whose_local_address_is_an_interface_has_its_address() -> None:
    ring = "crypto keyring K\n local-address eth0\n pre-shared-key address 192.0.2.3 key k\n"
    config = parse(WAN + ring).config
    here = engine_settings(config, Negotiable(), {"eth0": IPv4Address("10.0.0.1")}.get)
    assert [keyring.local_address for keyring in here.keyrings] == [IPv4Address("10.0.0.1")]
    nowhere = engine_settings(config, Negotiable(), lambda _: None)
    assert [keyring.local_address for keyring in nowhere.keyrings] == ["eth0"]


def test_a_fault_in_the_engine_costs_one_datagram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(bench: Bench) -> None:
        crypto = bench.router.crypto
        here, there = IPv4Address("10.0.0.1"), IPv4Address("192.0.2.3")
        seen: list[bytes] = []

        def handle(data: bytes, _path: object, _now: float) -> None:
            if data == b"bad":
                raise LookupError(SECRET)
            seen.append(data)

        events = [IkeDatagram(data, here, 4500, there, 4500) for data in (b"one", b"bad", b"bad", b"two")]
        monkeypatch.setattr(crypto.engine, "handle_datagram", handle)
        monkeypatch.setattr(bench.memory, "poll", lambda: events)
        bench.lines.clear()
        crypto._plane_ready()
        crypto._datagram(b"bad", here, 500, there, 500)
        assert seen == [b"one", b"two"]
        assert crypto.counters["engine-error"] == 3
        (line,) = [line for line in bench.lines if "%CRYPTO-2-INTERNAL" in line]
        assert "LookupError" in line
        assert SECRET not in line

    play(tmp_path, story)


def test_a_fault_in_carrying_out_one_effect_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(bench: Bench) -> None:
        calls: list[bytes] = []

        def send(data: bytes, *_path: object) -> bool:
            calls.append(data)
            if len(calls) == 1:
                raise RuntimeError(SECRET)
            return True

        monkeypatch.setattr(bench.sockets, "send", send)
        bench.router.crypto.clear(ClearTarget.SESSION, Chosen())
        assert len(calls) == 2
        assert bench.router.crypto.counters["engine-error"] == 1
        assert bench.router.crypto._timer is not None

    other = VTI.replace("Tunnel0", "Tunnel1").replace("192.0.2.3", "192.0.2.9")
    play(tmp_path, story, SITE + other)


@pytest.mark.netns
def test_live_traffic_outlives_edits_on_real_routers(sites: Sites) -> None:
    sites.r1.configure(CRYPTO, PROTECTED)
    sites.r3.configure(CRYPTO, PROTECTED)
    sites.start()
    r1 = sites.r1
    before = r1.exec("show crypto ipsec sa | include spi")
    changes = r1.host.run("cat", "/sys/class/net/Tunnel0/carrier_changes")
    type_lines(
        r1,
        *("conf t", "crypto isakmp policy 1", "no group", "exit"),
        *("no crypto isakmp key Between-R1-and-R3 address 10.1.23.3",),
        *("crypto ipsec transform-set T esp-aes 256 esp-sha256-hmac", "exit", "crypto ipsec profile P"),
        *("set pfs group14", "end"),
    )
    assert r1.tunnel_up()
    assert r1.exec("show crypto ipsec sa | include spi") == before
    r1.host.run("ip", "route", "add", "3.3.3.3/32", "dev", "Tunnel0")
    sites.r3.host.run("ip", "route", "add", "1.1.1.1/32", "dev", "Tunnel0")
    assert r1.host.answers("3.3.3.3", "1.1.1.1")
    assert r1.host.run("cat", "/sys/class/net/Tunnel0/carrier_changes") == changes
    type_lines(r1, "conf t", "interface tunnel 0", "no tunnel protection ipsec profile P", "end")
    until(lambda: not r1.carrier(), 3)
    until(lambda: not sites.r3.carrier(), 5)
