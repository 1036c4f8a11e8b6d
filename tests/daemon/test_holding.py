"""From its first moment to its last a router forwards nothing in clear that a crypto map should encrypt."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from tests.daemon.fakes import Bench, FakeFirewall, FakeNetlink

from seikan.config.parse import parse
from seikan.system.errors import AdapterError
from seikan.system.firewall import Firewall
from seikan.system.netlink import Netlink
from seikan.system.nft_rules import render
from seikan.system.ruleset import Ruleset

MAP = """\
crypto isakmp policy 10
 authentication pre-share
 encryption aes
 group 14
crypto isakmp key k address 192.0.2.3
crypto ipsec transform-set T esp-aes esp-sha-hmac
ip access-list extended VPN
 permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255
crypto map M 10 ipsec-isakmp
 set peer 192.0.2.3
 set transform-set T
 match address VPN
interface eth0
 ip address 10.0.0.1 255.255.255.0
 crypto map M
"""
BARE = "interface eth0\n ip address 10.0.0.1 255.255.255.0\n"


@dataclass
class Filter(FakeFirewall):
    """Renders what it is asked for, as the real one does, and notes the addresses that were there by then."""

    netlink: FakeNetlink | None = None
    missing: bool = False
    refused: bool = False
    history: list[tuple[Ruleset, bool]] = field(default_factory=list)

    async def set(self, wanted: Ruleset) -> None:
        render(wanted, "t")
        if self.missing or (self.refused and any(crypto.entries for crypto in wanted.crypto)):
            raise AdapterError("crypto map needs nftables: apt-get install nftables")
        assert self.netlink is not None
        self.history.append((wanted, bool(self.netlink.held.get("eth0"))))
        await super().set(wanted)


@dataclass
class Forwarding(FakeNetlink):
    on: bool = False

    def enable_forwarding(self) -> None:
        self.on = True


def bench_with(directory: Path, *, refused: bool = False, missing: bool = False) -> tuple[Bench, Filter, Forwarding]:
    """A router whose filter refuses crypto maps, or is missing. Inside a running event loop."""
    bench = Bench(directory)
    netlink = Forwarding(bench.memory)
    made = Filter(netlink=netlink, refused=refused, missing=missing)
    bench.netlink = netlink
    router = bench.router
    router.netlink = router.interfaces._netlink = router.maps._netlink = cast(Netlink, netlink)
    router.firewall = cast(Firewall, made)
    return bench, made, netlink


def holds(wanted: Ruleset) -> bool:
    """Whether nothing is forwarded out of eth0."""
    return any(crypto.device == "eth0" and crypto.guarded and not crypto.entries for crypto in wanted.crypto)


@pytest.mark.parametrize("kept", [False, True])
def test_the_filter_holds_before_anything_is_up(kept: bool, tmp_path: Path) -> None:
    async def start() -> None:
        bench, made, _ = bench_with(tmp_path)
        try:
            await bench.router.applier.load(parse(MAP).config, kept=kept)
            first, addressed = made.history[0]
            assert holds(first) is not kept, "a killed router's table goes on instead"
            assert addressed is kept
            assert [crypto.entries != () for crypto in made.wanted.crypto] == [True]
        finally:
            bench.close()

    asyncio.run(start())


@pytest.mark.parametrize("kept", [False, True])
def test_nothing_is_forwarded_there_while_the_map_cannot_be_enforced(kept: bool, tmp_path: Path) -> None:
    async def start() -> None:
        bench, made, netlink = bench_with(tmp_path, refused=True)
        try:
            await bench.router.load(parse(MAP).config, kept=kept)
            assert holds(made.wanted)
            await bench.router._try("forwarding", bench.router._forward())
            assert netlink.on, "other interfaces go on"
            made.refused = False
            await bench.router.applier.retry(bench.router.effective)
            assert not holds(made.wanted)
        finally:
            bench.close()

    asyncio.run(start())


def test_nothing_is_forwarded_at_all_without_nftables(tmp_path: Path) -> None:
    async def start() -> None:
        bench, made, netlink = bench_with(tmp_path, missing=True)
        try:
            await bench.router.load(parse(MAP).config)
            await bench.router._try("forwarding", bench.router._forward())
            assert not netlink.on
            assert any("no packets are forwarded" in problem for problem in bench.router.problems)
            made.missing = False
            await bench.router._retry()
            assert netlink.on
            assert bench.router.problems == ()
        finally:
            bench.close()

    asyncio.run(start())


def test_without_a_map_nothing_is_held(tmp_path: Path) -> None:
    async def start() -> None:
        bench, made, netlink = bench_with(tmp_path, missing=True)
        try:
            await bench.router.load(parse(BARE).config)
            await bench.router._forward()
            assert netlink.on
            assert made.history == []
        finally:
            bench.close()

    asyncio.run(start())


@pytest.mark.parametrize("call", ["FakeNetlink.remove_crypto_route", "MemoryPlane.remove_tunnel"])
def test_a_map_that_cannot_be_removed_stays_and_goes_later(call: str, tmp_path: Path) -> None:
    async def start() -> None:
        bench = Bench(tmp_path)
        try:
            await bench.load(MAP)
            before = bench.system()
            bench.faults.fail_only(call)
            assert await bench.change(BARE) == [f"{call} does not work today"]
            bench.faults.armed = False
            assert bench.system() == before
            assert await bench.change(BARE) == []
            assert bench.memory.devices == {}
            assert bench.router.maps.states == {}
            assert await bench.change(MAP) == []
            assert bench.system()["tunnels"] == before["tunnels"]
        finally:
            bench.close()

    asyncio.run(start())
