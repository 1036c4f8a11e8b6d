"""A migration packet by packet: what a router did with each before and what it does after, by a model of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import product
from types import MappingProxyType

from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.config.packets import Packet, applies
from tests.config.typed import type_lines

from seikan.config.access import Rule, rules
from seikan.config.migrate import Migration, Options, migrate
from seikan.config.model import (
    AccessList,
    AccessListEntry,
    Config,
    CryptoMap,
    CryptoMapEntry,
    CryptoMapPeer,
    Interface,
    PreSharedKey,
    ReverseRoute,
    StaticRoute,
    TransformSet,
)
from seikan.config.parse import parse
from seikan.config.render import render
from seikan.config.validate import validate
from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME
from seikan.wire.secret import Secret

WAN, LAN, MPLS, SECOND = "FastEthernet0/0", "FastEthernet0/1", "FastEthernet0/2", "FastEthernet0/3"
_INTERFACES = {
    WAN: IPv4Interface("203.0.113.2/29"),
    LAN: IPv4Interface("10.1.0.1/16"),
    MPLS: IPv4Interface("10.99.0.1/30"),
    SECOND: IPv4Interface("192.0.2.2/29"),
}
_OWN = {int(held.ip) for held in _INTERFACES.values()}

# --- the model --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Route:
    network: IPv4Network
    distance: int
    interface: str


def table(config: Config, *, down: bool = False) -> list[Route]:
    """The routes of a configuration, reverse routes included; without those into tunnels where these are `down`."""
    found = [Route(held.network, 0, name) for name, held in _INTERFACES.items() if name in config.interfaces]
    for route in config.routes:
        interface = route.interface or next(
            (name for name, held in _INTERFACES.items() if route.next_hop in held.network), None
        )
        if interface is not None and not (down and interface.startswith("Tunnel")):
            found.append(Route(route.network, route.distance, interface))
    static = list(found)
    for held in config.crypto_maps.values():
        applied = [interface.name for interface in config.interfaces.values() if interface.crypto_map == held.name]
        for entry in held.entries.values():
            if entry.reverse_route is not None and applied:
                by = leaves(static, int(first_peer(entry)))
                found += [
                    Route(rule.destination.network, entry.reverse_route.distance or 1, interface)
                    for rule in lines(config, entry.access_list)
                    for interface in by or applied[:1]
                    if rule.permit and rule.destination.network is not None
                ]
    return found


def lines(config: Config, name: str | None) -> tuple[Rule, ...]:
    held = config.access_lists.get(name or "")
    return () if held is None else _rules(held)


@lru_cache(maxsize=64)
def _rules(held: AccessList) -> tuple[Rule, ...]:
    return rules(held)


def leaves(routes: list[Route], destination: int) -> set[str]:
    """The interfaces by which packets leave: more than one where routes are equal."""
    matching = [route for route in routes if within(destination, (route.network,))]
    if not matching:
        return set()
    best = min((-route.network.prefixlen, route.distance) for route in matching)
    return {route.interface for route in matching if (-route.network.prefixlen, route.distance) == best}


def treated(config: Config, interface: str, packet: Packet) -> tuple[str, object]:
    """("esp", peer), ("clear", interface), ("dropped", interface) or ("nowhere", None)."""
    held = config.interfaces.get(interface)
    if held is None:
        return ("nowhere", None)
    if held.tunnel is not None:
        policy = held.tunnel.protection_policy
        permitted = policy is None or any(rule.permit and applies(rule, packet) for rule in lines(config, policy))
        return ("esp", held.tunnel.destination) if permitted else ("dropped", interface)
    entry = taken(config, held.crypto_map, packet)
    return ("clear", interface) if entry is None else ("esp", first_peer(entry))


def taken(config: Config, name: str | None, packet: Packet) -> CryptoMapEntry | None:
    """The entry of a crypto map that takes a packet: a deny line sends it to the next entry."""
    crypto_map = config.crypto_maps.get(name or "")
    for entry in [] if crypto_map is None else crypto_map.entries.values():
        rule = next((rule for rule in lines(config, entry.access_list) if applies(rule, packet)), None)
        if rule is not None and rule.permit:
            return entry
    return None


def denied(config: Config, packet: Packet) -> bool:
    """Whether a deny line of any crypto map has the packet."""
    return any(
        not rule.permit and applies(rule, packet)
        for held in config.crypto_maps.values()
        for entry in held.entries.values()
        for rule in lines(config, entry.access_list)
    )


def first_peer(entry: CryptoMapEntry) -> IPv4Address:
    address = next((peer.address for peer in entry.peers if peer.default), entry.peers[0].address)
    assert isinstance(address, IPv4Address)
    return address


# --- random routers ---------------------------------------------------------------------------------

_PEERS = [IPv4Address(text) for text in ("198.51.100.1", "198.51.100.2", "172.16.3.7", "203.0.113.5")]
_SOURCES = ["any", "10.1.0.0 0.0.255.255", "10.1.4.0 0.0.0.255", "host 10.1.4.7", "10.1.0.0 0.0.2.255"]
_DESTINATIONS = [
    "any",
    "172.16.0.0 0.0.255.255",
    "172.16.2.0 0.0.1.255",
    "172.16.3.0 0.0.0.255",
    "host 172.16.3.7",
    "172.16.3.0 0.0.4.255",
    "10.40.0.0 0.3.255.255",
    "10.41.0.0 0.0.255.255",
    "203.0.113.0 0.0.0.7",
    "203.0.113.4 0.0.0.3",
]
_ROUTED = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/0",
        "0.0.0.0/0",
        "0.0.0.0/0",
        "172.16.0.0/16",
        "172.16.3.0/24",
        "10.40.0.0/14",
        "10.41.0.0/16",
        "10.0.0.0/8",
        "198.51.100.1/32",
    )
]
_GATEWAYS = [IPv4Address(text) for text in ("203.0.113.1", "203.0.113.1", "203.0.113.3", "10.99.0.2", "192.0.2.1")]
_PERMITTED = (
    [line for line in _SOURCES if "0.0.2.255" not in line],
    [line for line in _DESTINATIONS if "0.0.4.255" not in line],
)


@st.composite
def access_lists(draw: st.DrawFn, name: str) -> AccessList:
    texts: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        permit = draw(st.integers(0, 3)) > 0
        protocol, port = draw(st.sampled_from((("ip", ""), ("ip", ""), ("tcp", ""), ("tcp", " eq 443"), ("gre", ""))))
        sources, destinations = _PERMITTED if permit else (_SOURCES, _DESTINATIONS)
        source, destination = draw(st.sampled_from(sources)), draw(st.sampled_from(destinations))
        texts.append(f"{'permit' if permit else 'deny'} {protocol} {source} {destination}{port}")
    entries = tuple(AccessListEntry((at + 1) * 10, text) for at, text in enumerate(dict.fromkeys(texts)))
    return AccessList(name, extended=True, numbered=False, entries=entries)


@st.composite
def routers(draw: st.DrawFn) -> Config:
    """A router with one or two crypto maps of up to three entries, and routes that fit or do not."""
    interfaces = {name: Interface(name, address=address) for name, address in _INTERFACES.items()}
    interfaces[WAN] = replace(interfaces[WAN], crypto_map="M")
    second = draw(st.sampled_from((None, None, "M", "N")))
    interfaces[SECOND] = replace(interfaces[SECOND], crypto_map=second)
    lists: dict[str, AccessList] = {}
    maps: dict[str, CryptoMap] = {}
    for name in ("M", "N") if second == "N" else ("M",):
        entries: dict[int, CryptoMapEntry] = {}
        for sequence in range(10, 10 * draw(st.integers(2, 4)), 10):
            held = f"{name}{sequence}"
            lists[held] = draw(access_lists(held))
            peers = draw(st.lists(st.sampled_from(_PEERS), min_size=1, max_size=2, unique=True))
            default = draw(st.sampled_from((None, *peers)))
            # A reverse route to a peer would be reached by itself.
            led = [rule.destination.network for rule in rules(lists[held]) if rule.permit]
            own = any(peer in network for peer in _PEERS for network in led if network is not None)
            entries[sequence] = CryptoMapEntry(
                sequence,
                access_list=held,
                peers=tuple(CryptoMapPeer(peer, peer == default) for peer in peers),
                transform_sets=("TS",),
                pfs_group=draw(st.sampled_from((None, None, 14))),
                reverse_route=None if own else draw(st.sampled_from((None, None, ReverseRoute(static=True)))),
            )
        local = SECOND if name == "M" and draw(st.integers(0, 5)) == 0 else None
        maps[name] = CryptoMap(name, MappingProxyType(entries), local_address=local)
    routes: dict[object, StaticRoute] = {}
    for network in draw(st.lists(st.sampled_from(_ROUTED), max_size=6)):
        gateway = draw(st.sampled_from(_GATEWAYS))
        routes[network, gateway] = StaticRoute(network, gateway, distance=draw(st.sampled_from((1, 1, 1, 5, 200))))
    config = Config(
        interfaces=MappingProxyType(interfaces),
        routes=tuple(routes.values()),
        access_lists=MappingProxyType(lists),
        crypto_maps=MappingProxyType(maps),
    )
    transform_set = TransformSet("TS", ENCRYPTION_BY_NAME["aes-cbc-128"], INTEGRITY_BY_NAME["hmac-sha1-96"])
    ipsec = replace(config.ipsec, transform_sets=MappingProxyType({"TS": transform_set}))
    isakmp = replace(config.isakmp, keys=(PreSharedKey(Secret(b"k3y"), IPv4Network("0.0.0.0/0")),))
    return parse(render(replace(config, ipsec=ipsec, isakmp=isakmp))).config


_FROM = [
    int(IPv4Address(text)) for text in ("10.1.4.7", "10.1.4.8", "10.1.2.9", "10.1.3.9", "203.0.113.2", "10.99.0.2")
]
_TO = [
    int(IPv4Address(text))
    for text in (
        *("8.8.8.8", "172.16.1.1", "172.16.2.2", "172.16.3.3", "172.16.3.7", "172.16.7.7", "10.40.1.1", "10.41.1.1"),
        *("203.0.113.1", "203.0.113.4", "203.0.113.5", "203.0.113.3", "198.51.100.1", "198.51.100.2", "10.99.0.2"),
        *("10.1.9.9", "192.0.2.1", "10.200.0.1", "203.0.113.6"),
    )
]
_KINDS = ((6, 1000, 443), (6, 1000, 80), (17, 5000, 443), (47, 0, 0))


def packets() -> Iterator[Packet]:
    for source, destination, (protocol, here, there) in product(_FROM, _TO, _KINDS):
        if source != destination and destination not in _OWN:
            yield Packet(source, destination, protocol, here, there)


def within(destination: int, networks: tuple[IPv4Network, ...]) -> bool:
    return any((destination ^ int(held.network_address)) >> (32 - held.prefixlen) == 0 for held in networks)


# --- the properties ---------------------------------------------------------------------------------


def check_packets(config: Config, migration: Migration, *, policy: bool) -> None:
    """Every packet goes where it went, but for what the report says."""
    before, after = table(config), table(migration.config)
    for packet in packets():
        ways, new_ways = leaves(before, packet.destination), leaves(after, packet.destination)
        if len(ways) > 1:
            continue  # routes of one distance: the router takes any of them
        assert len(new_ways) <= 1 or not ways, (packet, new_ways)
        was = treated(config, ways.pop(), packet) if ways else ("nowhere", None)
        now = treated(migration.config, new_ways.pop(), packet) if new_ways else ("nowhere", None)
        event(f"{was[0]} -> {now[0]}")
        if was == now:
            continue
        if was[0] == "esp":
            assert within(packet.destination, migration.exposed), (packet, was, now)
            assert now[0] == "clear", (packet, was, now)
        elif was[0] == "clear":
            assert within(packet.destination, migration.diverted), (packet, was, now)
            assert now[0] in ("dropped", "esp"), (packet, was, now)
            assert now[0] == "dropped" or not policy or denied(config, packet), (packet, was, now)
        else:
            assert now[0] in ("esp", "dropped"), (packet, was, now)
            mapped = any(taken(config, held.crypto_map, packet) is not None for held in config.interfaces.values())
            assert mapped or within(packet.destination, migration.diverted), (packet, was, now)


@settings(max_examples=100, deadline=None)
@given(routers())
def test_packets_are_encrypted_for_the_peer_that_they_were_encrypted_for_and_no_others(config: Config) -> None:
    migration = migrate(config)
    event(f"migrated: {bool(migration.tunnels)}")
    check_packets(config, migration, policy=True)


@settings(max_examples=40, deadline=None)
@given(routers())
def test_without_a_policy_the_routes_alone_decide(config: Config) -> None:
    check_packets(config, migrate(config, Options(policy=False)), policy=False)


@settings(max_examples=40, deadline=None)
@given(routers())
def test_while_tunnels_are_down_nothing_of_theirs_leaves_in_clear(config: Config) -> None:
    migration = migrate(config)
    before, after = table(config), table(migration.config, down=True)
    kept = {(route.network, route.interface) for route in after if route.interface != "Null0"}
    for packet in packets():
        ways = leaves(before, packet.destination)
        if len(ways) != 1 or treated(config, ways.pop(), packet)[0] != "esp":
            continue
        if within(packet.destination, migration.exposed):
            continue
        for interface in leaves(after, packet.destination):
            if treated(migration.config, interface, packet)[0] == "clear":
                said = [item.text for section in migration.report.sections for item in section.items]
                assert any(f"take {interface} in clear while the tunnel is down" in text for text in said), packet
    assert kept


@settings(max_examples=40, deadline=None)
@given(routers(), st.booleans())
def test_the_result_reads_as_it_was_written_and_has_no_new_problem(config: Config, policy: bool) -> None:
    migration = migrate(config, Options(policy=policy))
    written = parse(render(migration.config))
    assert not written.problems
    assert written.config == migration.config
    known = {problem.text for problem in validate(config)}
    new = [problem.text for problem in validate(migration.config) if problem.text not in known]
    assert [text for text in new if not text.startswith("crypto map ")] == []  # of those that stay


@settings(max_examples=40, deadline=None)
@given(routers())
def test_migrating_again_changes_nothing(config: Config) -> None:
    once = migrate(config).config
    again = migrate(once)
    assert again.config == once
    assert not again.tunnels


@settings(max_examples=40, deadline=None)
@given(routers())
def test_the_other_ends_lines_are_a_configuration(config: Config) -> None:
    for peer in migrate(config).peers:
        read = parse("\n".join(peer.lines))
        assert not read.problems
        assert replace(read.config, hostname="Router") == peer.config


@settings(max_examples=40, deadline=None)
@given(routers(), st.booleans())
def test_the_lines_to_type_make_the_same_of_a_running_router(config: Config, policy: bool) -> None:
    migration = migrate(config, Options(policy=policy))
    assert type_lines(config, migration.lines) == migration.config
