"""Crypto maps on real packets: what leaves by the map's device, what in clear, and what must not arrive in clear."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.config.packets import applies
from tests.system.packets import AH, ESP, GRE, ICMP, TCP, UDP, Ip, TunRouter, access, checksum, model
from tests.system.support import Namespace

from seikan.config.access import Rule
from seikan.system.errors import AdapterError
from seikan.system.netlink import Netlink
from seikan.system.nft_events import NftEvents
from seikan.system.nft_rules import render
from seikan.system.policy_routing import CryptoRouting
from seikan.system.ruleset import (
    AccessGroup,
    AccessRules,
    ClearPacket,
    CryptoInterface,
    MapEntry,
    MapLine,
    Nat,
    NatClause,
    Ruleset,
    SourceTranslation,
    StaticTranslation,
    crypto_counter,
)
from seikan.wire.selector import ANY_IPV4, Selector

pytestmark = pytest.mark.netns
FIRST, SECOND = CryptoRouting.of(1), CryptoRouting.of(2)


class MapRouter(TunRouter):
    """Inside lan0 (10.1.0.0/16), outside wan0 with a default route and wan1, with the maps' devices cm0 and cm1."""

    def __init__(self, make: Callable[[], Namespace], ledger: Path) -> None:
        super().__init__(make, {"lan0": "10.1.0.1/16", "wan0": "192.0.2.1/24", "wan1": "203.0.113.1/24"})
        self.inside.ip("route", "add", "default", "via", "192.0.2.254", "dev", "wan0", "onlink")
        self.inside.ip("route", "add", "10.9.0.0/16", "via", "203.0.113.254", "dev", "wan1", "onlink")
        self.ledger = ledger
        self.netlink = Netlink(ledger)
        self.inside.run(self.netlink.open())
        for device, routing in (("cm0", FIRST), ("cm1", SECOND)):
            # Even a loose reverse path filter takes nothing from a device without an address: it borrows the outside's.
            self.add(device, "192.0.2.1/32")
            self.inside.call(lambda device=device: self.netlink.loosen_reverse_path(device))  # type: ignore[misc]
            assert self.inside.run(self.netlink.set_crypto_route(routing, device))

    def way(self, packet: Ip, device: str = "lan0") -> str:
        """By which device a packet that arrives leaves, unchanged in its addresses; "" where it is dropped."""
        found = [(name, out) for name, out in self.arrive(device, packet) if out.destination == packet.destination]
        assert all((out.source, out.protocol) == (packet.source, packet.protocol) for _, out in found)
        return "".join(name for name, _ in found)


@pytest.fixture
def router(namespace: Callable[[], Namespace], tmp_path: Path) -> Iterator[MapRouter]:
    made = MapRouter(namespace, tmp_path / "made.json")
    yield made
    made.inside.run(made.netlink.close())


def lines(listed: AccessRules) -> tuple[MapLine, ...]:
    return tuple(MapLine(rule.permit, rule, listed.name) for rule in listed.rules)


def a_map(*lists: str, name: str = "FastEthernet0/0", device: str = "wan0") -> CryptoInterface:
    """A map with an entry for each list, numbered 10, 20, …"""
    entries = tuple(
        MapEntry(10 * number, lines(access(text, f"{device}-{number}"))) for number, text in enumerate(lists, 1)
    )
    number = 0 if device == "wan0" else 1
    routing = (FIRST, SECOND)[number]
    return CryptoInterface(name, device, f"cm{number}", routing.mark, routing.mask, entries)


def bound(router: MapRouter, device: str) -> socket.socket:
    sock = router.inside.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    return sock


SITE = "permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255"


def test_what_the_map_has_goes_to_its_device_and_the_rest_in_clear(router: MapRouter) -> None:
    router.set(Ruleset(crypto=(a_map(SITE),)))
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == "cm0"
    assert router.way(Ip("10.1.0.5", "10.3.0.9")) == "wan0"
    assert router.way(Ip("10.1.0.5", "10.2.0.9", TCP)) == "cm0"
    # Decided by the interface that it would leave by.
    router.inside.ip("route", "add", "10.2.7.0/24", "via", "203.0.113.254", "dev", "wan1", "onlink")
    assert router.way(Ip("10.1.0.5", "10.2.7.9")) == "wan1"
    assert router.counters() == {"access-list wan0-1 10": 2, crypto_counter("FastEthernet0/0", 10, "encrypt"): 2}


def test_a_deny_goes_on_with_the_next_entry(router: MapRouter) -> None:
    first = f"deny ip host 10.1.0.5 any\ndeny tcp any any eq 22\n{SITE}"
    second = "permit ip host 10.1.0.5 10.2.0.0 0.0.255.255"
    router.set(Ruleset(crypto=(a_map(first, second),)))
    for packet, way, entry in (
        (Ip("10.1.0.6", "10.2.0.9"), "cm0", 10),
        (Ip("10.1.0.5", "10.2.0.9"), "cm0", 20),
        (Ip("10.1.0.6", "10.2.0.9", TCP, (1, 22)), "wan0", None),
        (Ip("10.1.0.6", "10.2.0.9", TCP, (1, 23)), "cm0", 10),
    ):
        counter = crypto_counter("FastEthernet0/0", entry, "encrypt") if entry else ""
        before = router.counters().get(counter, 0)
        assert router.way(packet) == way
        assert not counter or router.counters()[counter] == before + 1


def test_each_interface_has_its_own_map(router: MapRouter) -> None:
    router.set(Ruleset(crypto=(a_map(SITE), a_map("permit ip any any", name="Serial1/0", device="wan1"))))
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == "cm0"
    assert router.way(Ip("10.1.0.5", "10.9.0.9")) == "cm1"
    assert router.way(Ip("10.9.0.9", "10.1.0.5"), "wan1") == ""
    assert router.counters()[crypto_counter("Serial1/0", 10, "clear")] == 1
    assert router.way(Ip("10.9.0.9", "10.1.0.5"), "cm1") == "lan0"


def test_the_routers_own_packets_are_the_maps_too_but_not_its_ike_and_esp(router: MapRouter) -> None:
    router.set(Ruleset(crypto=(a_map("permit ip any any"),)))

    def sent(source: tuple[str, int], destination: str, port: int) -> list[str]:
        return [name for name, _ in router.send(b"mine", destination, port, source)]

    assert sent(("10.1.0.1", 0), "10.2.0.9", 53) == ["cm0"]
    assert sent(("192.0.2.1", 0), "192.0.2.9", 500) == ["cm0"]
    assert sent(("192.0.2.1", 500), "192.0.2.9", 500) == ["wan0"]
    assert sent(("192.0.2.1", 4500), "192.0.2.9", 1024) == ["wan0"]
    assert sent(("10.1.0.1", 0), "10.9.0.9", 53) == ["wan1"]
    # Bound to the outside it cannot go to the map's device: dropped, but not sent in clear.
    with bound(router, "wan0") as sock, pytest.raises(PermissionError):
        sock.sendto(b"mine", ("10.2.0.9", 53))
    assert router.leaving() == []
    assert router.counters()["crypto FastEthernet0/0 unrouted"] == 1
    for protocol, way in ((ESP, ["wan0"]), (AH, ["wan0"]), (GRE, ["cm0"])):

        def send(protocol: int = protocol) -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol) as sock:
                sock.sendto(b"sealed octets", ("192.0.2.9", 0))

        router.inside.call(send)
        assert [name for name, _ in router.leaving()] == way


def test_what_should_be_encrypted_and_comes_in_clear_is_dropped_counted_and_told(router: MapRouter) -> None:
    router.set(Ruleset(crypto=(a_map(f"deny ip host 10.1.0.7 any\n{SITE}", "permit gre any any"),)))
    for packet, way in (
        (Ip("10.2.0.9", "10.1.0.5"), ""),
        (Ip("10.2.0.9", "10.1.0.5", TCP), ""),
        (Ip("10.2.0.9", "10.1.0.7"), "lan0"),
        (Ip("10.2.0.9", "10.1.0.7", GRE), ""),
        (Ip("10.3.0.9", "10.1.0.5"), "lan0"),
    ):
        assert router.way(packet, "wan0") == way, packet
    assert router.counters() == {
        crypto_counter("FastEthernet0/0", 10, "clear"): 2,
        crypto_counter("FastEthernet0/0", 20, "clear"): 1,
    }
    there, here = IPv4Address("10.2.0.9"), IPv4Address("10.1.0.5")
    assert sorted(router.inside.run(router.firewall.samples()), key=lambda sample: sample.protocol) == [
        ClearPacket("FastEthernet0/0", there, here, TCP),
        ClearPacket("FastEthernet0/0", there, here, UDP),
        ClearPacket("FastEthernet0/0", there, IPv4Address("10.1.0.7"), GRE),
    ]
    assert router.inside.run(router.firewall.samples()) == ()


def test_a_flood_of_clear_packets_is_dropped_whole(router: MapRouter) -> None:
    router.set(Ruleset(crypto=(a_map(SITE),)))
    for number in range(100):
        assert router.way(Ip(f"10.2.0.{number}", "10.1.0.5"), "wan0") == ""
    assert router.counters() == {crypto_counter("FastEthernet0/0", 10, "clear"): 100}
    assert len(router.inside.run(router.firewall.samples())) == 32


def test_ike_and_esp_reach_the_router_under_a_map_for_everything(router: MapRouter) -> None:
    router.set(Ruleset(crypto=(a_map("permit ip any any"),)))

    def listen(kind: int, number: int, address: tuple[str, int]) -> socket.socket:
        sock = socket.socket(socket.AF_INET, kind, number)
        sock.setblocking(False)
        sock.bind(address)
        return sock

    for packet, kind, number in (
        (Ip("192.0.2.9", "192.0.2.1", UDP, (500, 500)), socket.SOCK_DGRAM, 0),
        (Ip("192.0.2.9", "192.0.2.1", UDP, (1024, 4500)), socket.SOCK_DGRAM, 0),
        (Ip("192.0.2.9", "192.0.2.1", ESP), socket.SOCK_RAW, ESP),
        (Ip("192.0.2.9", "192.0.2.1", AH), socket.SOCK_RAW, AH),
    ):
        with router.inside.call(
            lambda kind=kind, number=number, packet=packet: listen(kind, number, ("192.0.2.1", packet.ports[1]))  # type: ignore[misc]
        ) as sock:
            router.arrive("wan0", packet)
            assert sock.recv(2000).endswith(packet.payload)
            router.arrive("wan0", replace(packet, protocol=GRE))
            router.arrive("wan0", replace(packet, source="10.2.0.9", destination="10.1.0.5"))
            with pytest.raises(BlockingIOError):
                sock.recv(2000)
    assert router.counters()[crypto_counter("FastEthernet0/0", 10, "clear")] == 8


def test_a_large_ike_message_in_fragments_is_not_taken_apart(router: MapRouter) -> None:
    router.set(Ruleset(crypto=(a_map("permit ip any any"),)))
    whole = Ip("192.0.2.9", "192.0.2.1", UDP, (500, 500), payload=bytes(2000)).octets()[20:]
    with router.inside.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.setblocking(False)
        sock.bind(("192.0.2.1", 500))
        part = Ip("192.0.2.9", "192.0.2.1", UDP)
        first = replace(part, offset=1, more=True, payload=whole[:1000]).octets()
        first = first[:6] + b"\x20\x00" + first[8:10] + bytes(2) + first[12:]
        router.raw("wan0", first[:10] + checksum(first[:20]).to_bytes(2, "big") + first[12:])
        router.arrive("wan0", replace(part, offset=125, payload=whole[1000:]))
        assert sock.recv(4000) == bytes(2000)


def test_what_comes_out_of_the_tunnel_goes_on_under_strict_reverse_path_filters(router: MapRouter) -> None:
    router.set(Ruleset(crypto=(a_map(SITE, "permit ip 10.2.0.0 0.0.255.255 10.4.0.0 0.0.255.255"),)))
    assert router.way(Ip("10.2.0.9", "10.1.0.5"), "cm0") == "lan0"
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == "cm0"
    # From one site to another: out of the tunnel and into it again.
    assert router.way(Ip("10.2.0.9", "10.4.0.9"), "cm0") == "cm0"
    # Why the map's device has to be loose: the way back, by the routes, is the outside interface.
    router.sysctl("ipv4/conf/cm0/rp_filter", "1")
    assert router.way(Ip("10.2.0.9", "10.1.0.5"), "cm0") == ""
    router.sysctl("ipv4/conf/cm0/rp_filter", "2")
    assert router.way(Ip("10.2.0.9", "10.1.0.5"), "cm0") == "lan0"
    router.inside.ip("addr", "flush", "dev", "cm0")
    assert router.way(Ip("10.2.0.9", "10.1.0.5"), "cm0") == ""


def test_a_blocked_map_lets_nothing_leave_in_clear(router: MapRouter) -> None:
    router.set(Ruleset(crypto=(replace(a_map(SITE), blocked=True),)))
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == ""
    assert router.way(Ip("10.1.0.5", "10.3.0.9")) == "wan0"
    with pytest.raises(PermissionError):
        router.send(b"mine", "10.2.0.9", 53, ("10.1.0.1", 0))
    assert router.counters()[crypto_counter("FastEthernet0/0", 10, "blocked")] == 2


def test_without_its_device_what_is_marked_is_dropped_until_it_is_back(router: MapRouter) -> None:
    router.set(Ruleset(crypto=(a_map(SITE),)))
    router.inside.ip("link", "set", "cm0", "down")
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == ""
    assert not router.inside.run(router.netlink.set_crypto_route(FIRST, "cm0"))
    assert not router.inside.run(router.netlink.set_crypto_route(FIRST, "cm7"))
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == ""
    assert router.way(Ip("10.1.0.5", "10.3.0.9")) == "wan0"
    router.inside.ip("link", "set", "cm0", "up")
    assert router.inside.run(router.netlink.set_crypto_route(FIRST, "cm0"))
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == "cm0"


def test_without_its_rule_what_is_marked_does_not_leave_in_clear(router: MapRouter) -> None:
    router.set(Ruleset(crypto=(a_map(SITE),)))
    router.inside.ip("rule", "del", "pref", "200", "table", str(FIRST.table))
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == ""
    assert router.way(Ip("10.1.0.5", "10.3.0.9")) == "wan0"
    assert router.counters()["crypto FastEthernet0/0 unrouted"] == 1
    assert router.inside.run(router.netlink.set_crypto_route(FIRST, "cm0"))
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == "cm0"


def test_what_leaves_by_another_way_than_the_routes_tell_does_not_leave_in_clear(router: MapRouter) -> None:
    """nftables asks for the route to a destination; rules that look at where a packet came from say another."""
    router.set(Ruleset(crypto=(a_map(f"deny ip host 10.1.0.7 any\n{SITE}"),)))
    router.inside.ip("route", "add", "10.2.0.0/16", "via", "203.0.113.254", "dev", "wan1", "onlink")
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == "wan1"
    router.inside.ip("route", "add", "default", "via", "192.0.2.254", "dev", "wan0", "onlink", "table", "77")
    router.inside.ip("rule", "add", "pref", "300", "iif", "lan0", "lookup", "77")
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == ""
    assert router.way(Ip("10.1.0.7", "10.2.0.9")) == "wan0"
    assert router.way(Ip("10.1.0.5", "10.3.0.9")) == "wan0"
    assert router.counters()["crypto FastEthernet0/0 unrouted"] == 1


def test_what_loses_its_mark_to_another_program_does_not_leave_in_clear(router: MapRouter) -> None:
    router.set(Ruleset(crypto=(a_map(SITE),)))
    router.inside.sh(
        "nft",
        "add table ip other; add chain ip other own { type route hook output priority 0; };"
        "add rule ip other own meta mark set 7;"
        "add chain ip other before { type filter hook prerouting priority -50; };"
        "add rule ip other before meta mark set 7",
    )
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == ""
    with pytest.raises(PermissionError):
        router.send(b"mine", "10.2.0.9", 53, ("10.1.0.1", 0))
    assert router.leaving() == []
    assert router.way(Ip("10.1.0.5", "10.3.0.9")) == "wan0"
    assert router.counters()["crypto FastEthernet0/0 unrouted"] == 2


def test_translated_packets_may_leave_by_another_way_too(router: MapRouter) -> None:
    everything = SourceTranslation("wan0", (NatClause(True, access("permit ip host 10.1.0.5 any", "NAT")),))
    router.set(Ruleset(nat=Nat(("lan0",), ("wan0",), (everything,)), crypto=(a_map(SITE),)))
    router.inside.ip("route", "add", "10.2.0.0/16", "via", "203.0.113.254", "dev", "wan1", "onlink")
    router.inside.ip("route", "add", "default", "via", "192.0.2.254", "dev", "wan0", "onlink", "table", "77")
    router.inside.ip("rule", "add", "pref", "300", "iif", "lan0", "lookup", "77")
    for _ in range(2):
        ((name, out),) = router.arrive("lan0", Ip("10.1.0.5", "10.2.0.9"))
        assert (name, out.source) == ("wan0", "192.0.2.1")
    assert router.way(Ip("10.1.0.6", "10.2.0.9")) == ""


def test_a_table_that_others_flush_is_missed_at_once(router: MapRouter) -> None:
    """Until it is back everything leaves in clear, so nobody may wait for the next look at the counters."""

    async def flushed() -> None:
        lost = asyncio.Event()
        events = NftEvents(lost.set)
        assert events.open()
        try:
            await router.firewall.set(Ruleset(crypto=(a_map(SITE),)))
            lost.clear()
            await router.firewall.set(Ruleset(crypto=(a_map(SITE, "permit gre any any"),)))
            await asyncio.sleep(0)
            assert not lost.is_set(), "a change is no loss"
            await asyncio.to_thread(router.inside.sh, "nft", "flush", "ruleset")
            await asyncio.wait_for(lost.wait(), 10)
            await router.firewall.counters()
        finally:
            events.close()

    router.inside.run(flushed())
    assert router.firewall.restored == 1
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == "cm0"


def test_marks_of_others_survive(router: MapRouter) -> None:
    router.inside.sh(
        "nft",
        "add table ip other; add counter ip other seen;"
        "add chain ip other before { type filter hook prerouting priority -200; };"
        "add rule ip other before meta mark set 0xa0001234;"
        "add chain ip other behind { type filter hook forward priority 0; };"
        "add rule ip other behind meta mark 0xa1001234 counter name seen",
    )
    router.set(Ruleset(crypto=(a_map(SITE),)))
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == "cm0"
    assert router.way(Ip("10.1.0.5", "10.3.0.9")) == "wan0"
    assert "packets 1 " in router.inside.sh("nft", "list", "counters", "table", "ip", "other")


def test_lists_and_clamp_of_the_interface_hold_for_what_its_map_takes(router: MapRouter) -> None:
    out = access("permit tcp any any", "OUT")
    router.set(Ruleset(mss={"wan0": 1200}, access_groups=(AccessGroup("wan0", None, out),), crypto=(a_map(SITE),)))
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == ""
    assert router.way(Ip("10.1.0.5", "10.2.0.9", TCP)) == "cm0"
    assert router.counters()["access-list OUT deny"] == 1
    assert 'oifname "cm0" tcp flags syn / syn,rst tcp option maxseg' in router.inside.sh("nft", "list", "ruleset")
    # What arrives is filtered sealed, not opened again.
    nothing = access("deny ip any any", "IN")
    router.set(Ruleset(access_groups=(AccessGroup("wan0", nothing),), crypto=(a_map(SITE),)))
    assert router.way(Ip("10.2.0.9", "10.1.0.5"), "cm0") == "lan0"
    assert router.way(Ip("10.3.0.9", "10.1.0.5"), "wan0") == ""


def test_translation_comes_before_the_map_unless_its_list_exempts(router: MapRouter) -> None:
    listed = access("deny ip any 10.2.0.0 0.0.127.255\npermit ip any any", "NAT")
    nat = Nat(
        ("lan0",),
        ("wan0",),
        (SourceTranslation("wan0", (NatClause(True, listed),)),),
        (StaticTranslation(IPv4Address("10.1.0.9"), IPv4Address("192.0.2.50")),),
    )
    router.set(Ruleset(nat=nat, crypto=(a_map(SITE),)))
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == "cm0"
    # As in IOS: without an exemption it is translated, and in clear is what the lists then say of it.
    ((name, out),) = router.arrive("lan0", Ip("10.1.0.5", "10.2.128.9"))
    assert (name, out.source) == ("wan0", "192.0.2.1")
    ((name, out),) = router.arrive("lan0", Ip("10.1.0.5", "10.2.128.9"))
    assert (name, out.source) == ("wan0", "192.0.2.1")
    ((name, out),) = router.arrive("lan0", Ip("10.1.0.9", "10.2.0.9"))
    assert (name, out.source) == ("wan0", "192.0.2.50")
    # Answers to what came out of the tunnel are not translated: they go back the way it came.
    for host in ("10.1.0.5", "10.1.0.9"):
        came = Ip("10.2.128.9", host, UDP, (7, 8))
        assert router.way(came, "cm0") == "lan0"
        assert router.way(came.answer()) == "cm0"
    # Answers to what came in clear to a static address do not change their way.
    ((name, out),) = router.arrive("wan0", Ip("10.2.0.9", "192.0.2.50"))
    assert (name, out.destination) == ("lan0", "10.1.0.9")
    ((name, back),) = router.arrive("lan0", out.answer())
    assert (name, back.source) == ("wan0", "192.0.2.50")
    assert router.way(Ip("10.3.0.9", "10.1.0.5"), "wan0") == "lan0"


def test_what_translation_sends_to_a_site_is_the_maps(router: MapRouter) -> None:
    statics = (StaticTranslation(IPv4Address("10.2.0.9"), IPv4Address("203.0.113.50")),)
    nat = Nat(("lan0",), ("wan1",), (), statics)
    router.set(Ruleset(nat=nat, crypto=(a_map("permit ip any host 10.2.0.9"),)))
    ((name, out),) = router.arrive("wan1", Ip("10.9.0.9", "203.0.113.50"))
    assert (name, out.destination) == ("cm0", "10.2.0.9")


def test_an_encrypted_connection_goes_on_when_translation_is_configured_later(router: MapRouter) -> None:
    everything = NatClause(True, access("permit ip any any", "NAT"))
    nat = Nat(("lan0",), ("wan0",), (SourceTranslation("wan0", (NatClause(True, access("deny ip any any", "NO")),)),))
    router.set(Ruleset(nat=nat, crypto=(a_map(SITE),)))
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == "cm0"
    router.set(Ruleset(nat=replace(nat, sources=(SourceTranslation("wan0", (everything,)),)), crypto=(a_map(SITE),)))
    assert router.way(Ip("10.1.0.5", "10.2.0.9")) == "cm0"
    ((name, out),) = router.arrive("lan0", Ip("10.1.0.5", "10.2.0.9", ports=(5, 6)))
    assert (name, out.source) == ("wan0", "192.0.2.1")


def test_a_list_that_cannot_be_enforced_is_refused_by_name(router: MapRouter) -> None:
    with pytest.raises(AdapterError, match=r"^access list wan0-2, line 10: 'time-range T' cannot be enforced"):
        router.set(Ruleset(crypto=(a_map(SITE, "deny ip any any time-range T"),)))


_NETWORKS = st.sampled_from(
    ["any", "10.1.0.0 0.0.255.255", "10.1.0.0 0.0.0.255", "host 10.1.0.5", "10.2.0.0 0.0.255.255", "host 10.2.0.9"]
)
_LINES = st.tuples(
    st.sampled_from(["permit", "permit", "deny"]), st.sampled_from(["ip", "tcp", "udp"]), _NETWORKS, _NETWORKS,
    st.sampled_from(["", "", "eq 80"]),
).map(lambda words: " ".join(word for word in words if word and (words[1] != "ip" or word != "eq 80")))  # fmt: skip
_PACKETS = st.builds(
    Ip,
    st.sampled_from(["10.1.0.5", "10.1.7.5"]),
    st.sampled_from(["10.2.0.9", "10.2.7.9", "10.3.0.9"]),
    st.sampled_from([TCP, UDP, ICMP]),
    st.tuples(st.sampled_from([80, 81]), st.sampled_from([80, 81])),
)


def _entry(entries: list[tuple[Rule, ...]], packet: Ip, *, back: bool) -> int | None:
    """The entry that takes a packet, or that an arriving packet is the way back of."""
    seen = replace(model(packet.answer()), icmp=packet.icmp) if back else model(packet)
    for number, rules in enumerate(entries, 1):
        first = next((rule for rule in rules if applies(rule, seen)), None)
        if first is not None and first.permit:
            return 10 * number
    return None


def test_maps_do_what_the_model_does_both_ways(router: MapRouter) -> None:
    @settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(st.lists(_LINES, min_size=1, max_size=4, unique=True), min_size=1, max_size=3),
        st.lists(_PACKETS, min_size=5, max_size=15),
    )
    def check(lists: list[list[str]], packets: list[Ip]) -> None:
        crypto = a_map(*("\n".join(listed) for listed in lists))
        entries = [
            tuple(line.match for line in entry.lines if isinstance(line.match, Rule)) for entry in crypto.entries
        ]
        router.set(Ruleset(crypto=(crypto,)))
        for packet in packets:
            before = router.counters()
            entry = _entry(entries, packet, back=False)
            assert router.way(packet) == ("wan0" if entry is None else "cm0"), (lists, packet)
            if entry is not None:
                counter = crypto_counter("FastEthernet0/0", entry, "encrypt")
                assert router.counters()[counter] == before.get(counter, 0) + 1
            arriving = replace(packet.answer(), icmp=packet.icmp)
            entry = _entry(entries, arriving, back=True)
            assert router.way(arriving, "wan0") == ("lan0" if entry is None else ""), (lists, arriving)

    check()


def a_thousand(count: int = 1000) -> Ruleset:
    """As many spokes of a dynamic map, each with a network and a GRE tunnel."""
    networks = [Selector(IPv4Network("10.1.0.0/16"), IPv4Network((0x0A800000 + (n << 8), 24))) for n in range(count)]
    hosts = [Selector(IPv4Network("192.0.2.1"), IPv4Network(0x14000000 + n), GRE) for n in range(count)]
    entry = MapEntry(65535, tuple(MapLine(True, selector) for selector in (*networks, *hosts)))
    return Ruleset(crypto=(replace(a_map(SITE), entries=(entry,)),))


def test_a_thousand_dynamic_flows_are_looked_up_and_quickly_replaced(router: MapRouter) -> None:
    router.set(a_thousand())
    chain = router.inside.sh("nft", "list", "chain", "inet", "seikan_test", "crypto/wan0/65535")
    assert chain.count("goto") == 2
    for n in (0, 500, 999):
        spoke = f"10.{128 + (n >> 8)}.{n & 255}.7"
        assert router.way(Ip("10.1.0.5", spoke)) == "cm0"
        assert router.way(Ip(spoke, "10.1.0.5"), "wan0") == ""
    assert router.way(Ip("10.1.0.5", "10.131.232.7")) == "wan0"
    begun = time.monotonic()
    router.set(a_thousand(1001))
    assert time.monotonic() - begun < 5  # a twentieth of it where nobody else is at work
    assert router.way(Ip("10.1.0.5", "10.131.232.7")) == "cm0"


def test_flows_may_overlap_and_be_for_everything(router: MapRouter) -> None:
    nested = [
        Selector(IPv4Network((0x0A010000, 32 - n)), IPv4Network((0x0A020000, 8 + n), strict=False))
        for n in range(17)
        if n > 7
    ]
    many = [Selector(IPv4Network("10.1.0.0/16"), IPv4Network((0x0A030000 + (n << 8), 24))) for n in range(20)]
    twice = [*many, *many, Selector(IPv4Network("10.1.0.5"), IPv4Network("10.5.0.0/16"), TCP, 0, 80)]
    lines = tuple(MapLine(True, selector) for selector in (*nested, *twice))
    router.set(Ruleset(crypto=(replace(a_map(SITE), entries=(MapEntry(1, lines),)),)))
    assert router.way(Ip("10.1.0.5", "10.3.19.1")) == "cm0"
    assert router.way(Ip("10.1.0.5", "10.3.20.1")) == "wan0"
    assert router.way(Ip("10.1.0.5", "10.5.0.1", TCP, (1, 80))) == "cm0"
    assert router.way(Ip("10.1.0.5", "10.5.0.1", TCP, (1, 81))) == "wan0"
    assert router.way(Ip("10.5.0.1", "10.1.0.5", TCP, (80, 1)), "wan0") == ""
    router.set(Ruleset(crypto=(replace(a_map(SITE), entries=(MapEntry(1, (MapLine(True, ANY_IPV4),)),)),)))
    assert router.way(Ip("10.1.0.5", "198.51.100.1")) == "cm0"


def test_the_text_is_the_same_for_the_same_wish() -> None:
    assert render(a_thousand(20), "t") == render(a_thousand(20), "t")
