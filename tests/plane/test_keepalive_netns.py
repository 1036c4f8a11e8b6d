"""GRE keepalives between two planes: each end is the IOS router of the other, whose kernel routes them back."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import pytest
from tests.plane.support import DEVICE, Pair, Peer, outer_ipv4, wait_until

from seikan.plane.base import Direction, EventKind, PlaneEvent, SecurityAssociation, TunnelMode
from seikan.wire.constants import ENCRYPTION_BY_NAME
from seikan.wire.secret import Secret

pytestmark = pytest.mark.netns

ESP, GRE = 50, 47
CAME_BACK = PlaneEvent(EventKind.KEEPALIVE, DEVICE, None)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Pair() as pair:
        yield pair


def route_back(peer: Peer, reverse_path_filter: int = 0) -> None:
    """What a router must have set to route a peer's keepalive back: its source is this router's own address."""
    peer.execute(
        *("sysctl", "-qw", f"net.ipv4.conf.{DEVICE}.accept_local=1"),
        f"net.ipv4.conf.{DEVICE}.rp_filter={reverse_path_filter}",
    )


@pytest.mark.parametrize("key", [None, 5])
@pytest.mark.parametrize("reverse_path_filter", [0, 2])
def test_a_keepalive_comes_back_from_a_clear_tunnel(pair: Pair, key: int | None, reverse_path_filter: int) -> None:
    pair.tunnel(TunnelMode.GRE, key=key)
    for peer in (pair.a, pair.b):
        route_back(peer, reverse_path_filter)
    pair.b.call("start_capture", "to-a")
    for sent in range(1, 4):
        pair.a.call("send_keepalive", DEVICE)
        assert pair.a.wait_event() == [CAME_BACK]
        wait_until(lambda: pair.b.counters().packets_in == sent, "to the peer it is a packet like any other")  # noqa: B023
    pair.b.call("send_keepalive", DEVICE)
    assert pair.b.wait_event() == [CAME_BACK]
    assert pair.a.events() == []
    counters = pair.a.counters()
    assert (counters.packets_out, counters.packets_in, counters.drops) == (0, 1, {}), "only the peer's came out"
    packets = pair.b.call("captured", GRE, 5.0)
    gre = struct.pack("!HHI", 0x2000, 0x0800, key) if key is not None else struct.pack("!HH", 0, 0x0800)
    empty = struct.pack("!HHI", 0x2000, 0, key) if key is not None else bytes(4)
    there, back = (next(p for p in packets if p[12:16] == pair.outer[name].packed) for name in "ab")
    inner = outer_ipv4(there)[4]
    assert inner[: len(gre)] == gre
    assert inner[len(gre) + 12 :] == pair.outer["b"].packed + pair.outer["a"].packed + empty
    assert outer_ipv4(back)[4] == empty
    assert (there[1], back[1]) == (0xC0, 0xC0)


@pytest.mark.parametrize("transport", [True, False])
def test_a_keepalive_comes_back_from_a_protected_tunnel(pair: Pair, transport: bool) -> None:
    pair.tunnel(TunnelMode.GRE, key=5, bundle=DEVICE)
    pair.associate(transport=transport)
    for peer in (pair.a, pair.b):
        route_back(peer)
    pair.b.call("start_capture", "to-a")
    pair.a.call("send_keepalive", DEVICE)
    assert pair.a.wait_event() == [CAME_BACK]
    assert len(pair.b.call("captured", ESP, 5.0)) == 1, "it leaves inside ESP; the peer's way back is in clear"
    # The way back may lead through the tunnel, too.
    pair.b.ip("route", "add", "10.9.0.1/32", "dev", DEVICE, "src", "10.9.0.2")
    pair.b.ip("route", "add", "10.9.0.1/32", "dev", "to-a", "table", "100")
    pair.b.ip("rule", "add", "ipproto", "esp", "lookup", "100")
    pair.b.call("start_capture", "to-a")
    pair.a.call("send_keepalive", DEVICE)
    assert pair.a.wait_event() == [CAME_BACK]
    assert len(pair.b.call("captured", ESP, 5.0)) >= 1
    assert pair.a.counters().drops == {}


def test_keepalives_over_ipv6(pair: Pair) -> None:
    pair.tunnel(TunnelMode.GRE, ipv6=True, key=5)
    for peer in (pair.a, pair.b):
        peer.execute(
            *("sysctl", "-qw", f"net.ipv6.conf.{DEVICE}.disable_ipv6=0", "net.ipv6.conf.all.forwarding=1"),
        )
    pair.a.call("send_keepalive", DEVICE)
    assert pair.a.wait_event() == [CAME_BACK]


def test_what_was_not_sent_does_not_come_back(pair: Pair) -> None:
    pair.tunnel(TunnelMode.GRE, key=5, bundle=DEVICE)
    pair.associate(transport=True)
    forged, other_key = struct.pack("!HHI", 0x2000, 0, 5), struct.pack("!HHI", 0x2000, 0, 6)
    pair.a.call("send_raw", GRE, forged, str(pair.outer["b"]))
    wait_until(lambda: pair.b.counters().drops == {"gre-clear": 1}, "not waited for")
    # b's are lost at a, whose kernel does not route them back; what comes back is believed once for each, at most 4.
    for _ in range(9):
        pair.b.call("send_keepalive", DEVICE)
    pair.a.call("send_raw", GRE, other_key, str(pair.outer["b"]))
    wait_until(lambda: pair.b.call("drops") == {"gre-no-tunnel": 1}, "with another key it is of no tunnel")
    for _ in range(9):
        pair.a.call("send_raw", GRE, forged, str(pair.outer["b"]))
    wait_until(lambda: pair.b.counters().drops == {"gre-clear": 1 + 9 - 4}, "the others are dropped")
    assert pair.b.events() == [CAME_BACK] * 4
    assert pair.b.counters().packets_in == 0


def test_a_keepalive_comes_straight_out_of_the_sa(pair: Pair) -> None:
    """As from a peer whose SA takes all GRE between the two ends: the answer is the only GRE header in it."""
    pair.a.call("create_tunnel", pair.parameters("a", TunnelMode.IPSEC))
    pair.a.call("set_carrier", DEVICE, True)
    pair.a.ip("link", "set", "dev", DEVICE, "up")
    pair.a.ip("route", "add", "192.168.9.9/32", "dev", DEVICE, "src", "10.9.0.1")
    pair.b.call("create_tunnel", pair.parameters("b", TunnelMode.GRE, bundle="gre"))
    cipher, keys = ENCRYPTION_BY_NAME["aes-gcm-16-128"], [Secret(os.urandom(20)), Secret(os.urandom(20))]
    for name, bundle in (("a", DEVICE), ("b", "gre")):
        far = "b" if name == "a" else "a"
        for direction in Direction:
            key = keys[(name == "a") == (direction is Direction.OUT)]
            sa = SecurityAssociation(
                *(bundle, direction, 0x9001, pair.outer[name], pair.outer[far], cipher, key, None, Secret(b""))
            )
            pair.peers[name].call("add_sa", sa)
    for drops in ({}, {"gre-keepalive": 1}):
        if not drops:
            pair.b.call("send_keepalive", DEVICE)
        pair.a.call("send_raw", GRE, bytes(4), "192.168.9.9")
        if not drops:
            assert pair.b.wait_event() == [CAME_BACK]
        wait_until(lambda: pair.b.counters().drops == drops, "not waited for")  # noqa: B023
    assert pair.b.sa(Direction.IN, 0x9001, "gre").packets == 2
