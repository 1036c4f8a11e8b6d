"""Tunnels on fakes: the line protocol follows the device, recursion is held, and nothing is done for nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.fakes import Bench
from tests.daemon.test_rollback import GRE, LOOP, VTI, WAN
from tests.daemon.virtual import run_virtually

from seikan.daemon.router import Router
from seikan.daemon.settings import sessions
from seikan.plane.base import EventKind, PlaneError, PlaneEvent
from seikan.system.netlink import Link
from seikan.system.netlink_events import Change

GRE_SITE = LOOP + WAN + GRE


def on_bench(
    directory: Path,
    text: str,
    story: Callable[[Bench], Awaitable[None]],
    run: Callable[[Coroutine[Any, Any, Bench]], Bench] = asyncio.run,
) -> Bench:
    async def play() -> Bench:
        bench = Bench(directory)
        try:
            await bench.load(text)
            await story(bench)
        finally:
            bench.close()
        return bench

    return run(play())


def line_protocol(bench: Bench) -> list[str]:
    found = [re.search(r"LINEPROTO-5-UPDOWN: .* Interface (\S+), changed state to (\w+)", line) for line in bench.lines]
    return [f"{match[1]} {match[2]}" for match in found if match]


def test_up_is_logged_only_when_the_device_took_its_carrier(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        state = bench.router.tunnels.states["Tunnel0"]
        assert state.carrier
        bench.netlink.way = None
        await bench.router.applier.surroundings_changed(bench.router.running)
        assert line_protocol(bench) == ["Tunnel0 down", "Tunnel0 up", "Tunnel0 down"]
        bench.netlink.way = "eth0"
        bench.faults.fail_only("MemoryPlane.set_carrier")
        await bench.router.applier.surroundings_changed(bench.router.running)
        assert not bench.memory.carrier("Tunnel0")
        assert not state.carrier
        assert state.reason == "MemoryPlane.set_carrier does not work today"
        assert line_protocol(bench)[-1] == "Tunnel0 down"
        bench.faults.armed = False
        bench.router.tunnels.refresh()
        assert bench.memory.carrier("Tunnel0")
        assert line_protocol(bench)[-1] == "Tunnel0 up"

    on_bench(tmp_path, GRE_SITE, story)


def test_another_mtu_is_told_where_ospf_neighbors_mind(tmp_path: Path) -> None:
    keyed, area = GRE_SITE + " tunnel key 10\n", "router ospf 1\n network 10.9.9.0 0.0.0.255 area 0\n"

    async def story(bench: Bench) -> None:
        assert await bench.change(keyed) == []
        assert not [line for line in bench.lines if "TUN-5-MTU" in line]
        assert await bench.change(GRE_SITE + area) == []
        assert await bench.change(keyed + area) == []
        (told,) = [line for line in bench.lines if "TUN-5-MTU" in line and "1472 octets, not 1476" in line]
        assert "OSPF forms its adjacencies anew" in told

    on_bench(tmp_path, GRE_SITE, story)


def test_shared_gre_tunnels_are_called_by_profile_and_ends(tmp_path: Path) -> None:
    shared = (
        "crypto isakmp policy 1\n authentication pre-share\n group 14\n encr aes\n"
        "crypto isakmp key K address 192.0.2.3\n"
        "crypto ipsec transform-set T esp-gcm\n mode transport\n"
        "crypto ipsec profile P\n set transform-set T\n"
        + GRE_SITE
        + " tunnel key 10\n tunnel protection ipsec profile P shared\n"
    )

    async def story(bench: Bench) -> None:
        (session,) = sessions(bench.router.running, bench.router.tunnels.protected())
        assert session.name == session.flows[0].owner == "GRE with profile P, 10.0.0.1 to 192.0.2.3"

    on_bench(tmp_path, shared, story)


def test_a_tunnel_that_the_plane_refuses_does_not_take_others_along(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        states = bench.router.tunnels.states
        assert states["Tunnel0"].carrier
        assert not states["Tunnel1"].carrier
        assert "same GRE source" in (states["Tunnel1"].reason or "")
        assert states["Tunnel2"].carrier

    other = GRE.replace("Tunnel0", "Tunnel2").replace("192.0.2.3", "192.0.2.9").replace("10.9.9.1", "10.9.8.1")
    same = GRE.replace("Tunnel0", "Tunnel1").replace("10.9.9.1", "10.9.7.1")
    on_bench(tmp_path, GRE_SITE + same + other, story)


def test_a_device_set_down_by_somebody_else_is_not_up(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        bench.netlink.states["Tunnel0"] = False
        await bench.router.applier.surroundings_changed(bench.router.running)
        assert not bench.memory.carrier("Tunnel0")
        assert "was set down" in (bench.router.tunnels.states["Tunnel0"].reason or "")

    on_bench(tmp_path, GRE_SITE, story)


def test_recursion_is_held_and_the_hold_doubles_up_to_a_minute(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        now = 1000.0
        router = bench.router
        due: list[tuple[float, Callable[[], None]]] = []
        around = router.tunnels._around
        object.__setattr__(around, "now", lambda: now)
        object.__setattr__(around, "at", lambda when, call: due.append((when, call)))
        holds = []
        for _ in range(5):
            bench.netlink.way = "Tunnel0"  # routing has learnt it through the tunnel
            await router.applier.surroundings_changed(router.running)
            state = router.tunnels.states["Tunnel0"]
            assert not state.carrier
            bench.netlink.way = "eth0"  # the tunnel is down: routing withdraws it
            await router.applier.surroundings_changed(router.running)
            assert state.reason == "temporarily disabled due to recursive routing"
            when, call = due.pop()
            holds.append(when - now)
            now = when
            call()
            assert state.carrier
            now += 30  # an adjacency takes its time
        assert holds == [10, 20, 40, 60, 60]
        told = [line for line in bench.lines if "RECURDOWN" in line]
        assert len(told) == 5
        assert "%TUN-5-RECURDOWN: Tunnel0 temporarily disabled due to recursive routing" in told[0]
        now += 200
        bench.netlink.way = "Tunnel0"
        await router.applier.surroundings_changed(router.running)
        assert due[-1][0] - now == 10  # long forgotten

    on_bench(tmp_path, GRE_SITE, story)


def test_recursion_by_way_of_another_tunnel_is_seen(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        from ipaddress import ip_address

        from seikan.system.netlink import RouteLookup

        async def route_to(destination: object, *, links: object = None) -> RouteLookup:
            way = {ip_address("192.0.2.3"): "Tunnel1", ip_address("192.0.2.9"): "Tunnel0"}
            return RouteLookup(way[destination], None, None, 1500, False)  # type: ignore[index]

        bench.netlink.route_to = route_to  # type: ignore[method-assign]
        await bench.router.applier.surroundings_changed(bench.router.running)
        for state in bench.router.tunnels.states.values():
            assert "recursive routing" in (state.reason or "")

    other = GRE.replace("Tunnel0", "Tunnel1").replace("192.0.2.3", "192.0.2.9").replace("10.9.9.1", "10.9.8.1")
    on_bench(tmp_path, GRE_SITE + other, story)


def test_a_look_is_one_dump_and_one_route_for_each_destination(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        netlink = bench.netlink
        netlink.dumps = netlink.route_questions = 0
        told = bench.frr.told
        await bench.router.applier.surroundings_changed(bench.router.running)
        assert (netlink.dumps, netlink.route_questions) == (1, 1)
        assert bench.frr.told is told
        assert {str(address) for address in bench.watched} == {"192.0.2.3"}

    on_bench(tmp_path, GRE_SITE, story)


@pytest.mark.parametrize(("took", "most"), [(0.0, 100), (0.2, 10)])
def test_constant_change_costs_ten_looks_a_second_at_most_and_quiet_none(
    tmp_path: Path, took: float, most: int
) -> None:
    """Ten seconds in which something changes each millisecond; a look that takes long is followed by a longer rest."""

    async def story(bench: Bench) -> None:
        router, netlink = bench.router, bench.netlink
        dump = netlink.links

        async def slow_dump() -> dict[str, Link]:
            await asyncio.sleep(took)
            return await dump()

        netlink.links = slow_dump  # type: ignore[method-assign]
        for _ in range(10_000):
            router._surroundings_changed(frozenset({Change.ROUTE}))
            await asyncio.sleep(0.001)
        assert 0.9 * most <= router.looking.times <= most
        await asyncio.sleep(2)  # for the look that is under way or due
        looks = router.looking.times
        await asyncio.sleep(60)
        assert router.looking.times == looks <= most + 1

    on_bench(tmp_path, GRE_SITE, story, run=run_virtually)


def test_what_changes_before_the_start_is_no_fault(tmp_path: Path) -> None:
    """Netlink is heard from before there is anything that could look."""

    async def play() -> None:
        router = Router(tmp_path / "startup-config", "early", strict=False)
        lines: list[str] = []
        router.journal.subscribe(lines.append)
        router._surroundings_changed(frozenset({Change.LINK}))
        await asyncio.sleep(1)
        router.journal.close()
        assert router.looking.times == 1
        assert lines == []

    run_virtually(play())


def test_an_address_that_frr_missed_is_announced_until_it_knows_it(tmp_path: Path) -> None:
    """FRR forgets the address of a device that it has not read of yet; without it OSPF does not run there."""

    async def story(bench: Bench) -> None:
        await asyncio.sleep(20)
        assert bench.netlink.announced == []
        bench.frr.known = lambda: {**bench.netlink.held_ipv4(), "Tunnel0": set()}
        await bench.change(GRE_SITE + "interface Loopback7\n ip address 10.7.7.7 255.255.255.255\n")
        await asyncio.sleep(0.1)
        missed = ("Tunnel0", IPv4Interface("10.9.9.1/30"))
        assert bench.netlink.announced == [missed]
        for times in (2, 3):
            await bench.router._retry()
            await asyncio.sleep(0.1)
            assert bench.netlink.announced == [missed] * times
        bench.frr.known = bench.netlink.held_ipv4
        await bench.router._retry()
        await asyncio.sleep(0.1)
        bench.frr.known = dict  # nobody asks any more
        await bench.router._retry()
        await asyncio.sleep(0.1)
        assert bench.netlink.announced == [missed] * 3

    on_bench(tmp_path, GRE_SITE, story, run=run_virtually)


def test_closing_starts_no_negotiation(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        assert bench.sockets.sent  # main mode has begun
        bench.sockets.sent.clear()
        bench.router.crypto.close()
        assert [data for data in bench.sockets.sent if data[18] in (2, 4)] == []  # identity protection, aggressive
        bench.router.tunnels.refresh()
        assert bench.sockets.sent == []

    on_bench(tmp_path, LOOP + WAN + VTI, story)


def test_a_port_that_was_taken_is_opened_when_it_is_free(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        router = bench.router
        state = router.tunnels.states["Tunnel0"]
        bench.sockets.taken.append("UDP port 500 is in use by charon (pid 7): stop it, IKE needs this port")
        assert await bench.change(LOOP + WAN) == []
        assert await bench.change(LOOP + WAN + VTI) == []
        state = router.tunnels.states["Tunnel0"]
        assert "UDP port 500 is in use by charon" in (state.reason or "")
        assert any("UDP port 500 is in use" in problem for problem in router.problems)
        bench.sockets.taken.clear()
        await router._retry()
        assert state.reason == "negotiating"
        assert not router.problems

    on_bench(tmp_path, LOOP + WAN + VTI, story)


def test_without_tun_the_tunnel_waits_and_comes_by_itself(tmp_path: Path) -> None:
    async def play() -> None:
        bench = Bench(tmp_path)
        try:
            bench.faults.fail_only("MemoryPlane.create_tunnel")
            await bench.load(GRE_SITE)
            state = bench.router.tunnels.states["Tunnel0"]
            assert state.reason == "MemoryPlane.create_tunnel does not work today"
            assert bench.netlink.held["Loopback0"]
            await bench.router._retry()
            assert not state.made
            bench.faults.armed = False
            await bench.router._retry()
            assert state.carrier
            assert bench.netlink.held["Tunnel0"]
        finally:
            bench.close()

    asyncio.run(play())


def test_a_second_tunnel_between_the_same_ends_waits_for_its_key(tmp_path: Path) -> None:
    """Source, destination and key are typed one after the other, as everybody does."""

    async def story(bench: Bench) -> None:
        same = GRE.replace("Tunnel0", "Tunnel1").replace("10.9.9.1", "10.9.7.1")
        assert await bench.change(GRE_SITE + same) == []
        states = bench.router.tunnels.states
        assert states["Tunnel0"].carrier
        assert not states["Tunnel1"].carrier
        assert "give one a key" in (states["Tunnel1"].reason or "")
        assert await bench.change(GRE_SITE + same + " tunnel key 7\n") == []
        assert states["Tunnel1"].carrier
        assert await bench.change(GRE_SITE + same) == []
        assert await bench.change(LOOP + WAN + same) == []
        assert states["Tunnel1"].carrier


def test_a_plane_error_while_typing_refuses_the_line(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        bench.faults.fail_only("MemoryPlane.create_tunnel")
        other = GRE.replace("Tunnel0", "Tunnel1").replace("192.0.2.3", "192.0.2.9").replace("10.9.9.1", "10.9.7.1")
        assert await bench.change(GRE_SITE + other) == ["MemoryPlane.create_tunnel does not work today"]
        assert "Tunnel1" not in bench.memory.devices
        with pytest.raises(PlaneError):
            bench.memory.carrier("Tunnel1")

    on_bench(tmp_path, GRE_SITE, story)


def test_gre_tunnels_whose_ends_are_not_known_yet_are_not_the_same(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        assert await bench.change("interface Tunnel0\ninterface Tunnel1\n") == []
        assert (
            await bench.change("interface Tunnel0\n shutdown\n" + LOOP + WAN + GRE.replace("Tunnel0", "Tunnel1")) == []
        )
        assert bench.memory.carrier("Tunnel1")

    on_bench(tmp_path, "", story)


def test_what_comes_for_an_spi_that_the_engine_has_reserved_is_no_stranger(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        crypto = bench.router.crypto
        spi = crypto.engine._core.new_spi()
        crypto.pump()
        assert not bench.memory.receive("Tunnel0", 100, now=1.0, spi=spi)
        assert bench.memory.drops() == {}
        assert not bench.memory.receive("Tunnel0", 100, now=1.0, spi=spi ^ 1)
        assert bench.memory.drops() == {"unknown-spi": 1}

    on_bench(tmp_path, LOOP + WAN + VTI, story)


def test_forged_esp_fills_no_log(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        here, there = IPv4Address("10.0.0.1"), IPv4Address("203.0.113.66")
        for spi in range(1000, 1500):
            for kind in (EventKind.UNKNOWN_SPI, EventKind.AUTHENTICATION_FAILURE, EventKind.REPLAY):
                bench.memory.inject(PlaneEvent(kind, None, spi, remote=there, local=here))
        while bench.memory._notices:
            bench.router.crypto._plane_ready()
        for mnemonic in ("RECVD_PKT_INV_SPI", "RECVD_PKT_MAC_ERR", "PKT_REPLAY_ERR"):
            assert 1 <= sum(mnemonic in line for line in bench.lines) <= 20, mnemonic

    on_bench(tmp_path, LOOP + WAN + VTI, story)
