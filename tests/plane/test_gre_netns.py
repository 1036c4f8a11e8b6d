"""GRE tunnels with real packets: protected by ESP in both modes, several between two addresses, and their MTU."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest
from tests.plane.support import DEVICE, INNER, INNER6, Pair, outer_ipv4, run, wait_until

from seikan.plane.base import DfBit, Direction, SecurityAssociation, TunnelMode
from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME, Encryption, Integrity, tunnel_mtu
from seikan.wire.secret import Secret

pytestmark = pytest.mark.netns

ICMP, ESP, GRE, UDP = 1, 50, 47, 17
SECOND = "Tunnel1"
INNER_SECOND = {"a": "172.17.0.1", "b": "172.17.0.2"}


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Pair() as pair:
        yield pair


def gre(pair: Pair, **more: object) -> None:
    pair.tunnel(TunnelMode.GRE, **{"bundle": DEVICE, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("transport", [True, False])
@pytest.mark.parametrize("udp", [False, True])
@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize("key", [None, 77])
def test_gre_in_esp_carries_both_families(pair: Pair, ipv6: bool, udp: bool, transport: bool, key: int | None) -> None:
    gre(pair, ipv6=ipv6, key=key)
    if udp:
        for peer in (pair.a, pair.b):
            assert peer.call("open_udp", 4500, ipv6) is True
    assert pair.a.ping(INNER["b"], "-W", "0.1", count=1) == 0
    assert pair.a.counters().drops == {"no-sa": 1}
    pair.b.call("start_capture", "to-a")
    spis = pair.associate(ipv6=ipv6, port=4500 if udp else None, transport=transport)
    assert pair.a.ping(INNER["b"], "-s", "1000", count=4) == 4
    wait_until(lambda: pair.a.counters().packets_in >= 4, "the answers are counted")
    for peer, out in ((pair.a, spis[0]), (pair.b, spis[1])):
        counters = peer.counters()
        assert (counters.packets_in, counters.packets_out) == (4, 4)
        assert (counters.octets_in, counters.octets_out) == (4 * 1028, 4 * 1028), "without the headers of GRE"
        headers = (8 if key is not None else 4) + (0 if transport else 40 if ipv6 else 20)
        assert peer.sa(Direction.OUT, out).octets == 4 * (1028 + headers), "the SA's plaintext is with them"
    assert len(pair.b.call("captured", UDP if udp else ESP, 5.0)) == 8
    assert not pair.b.call("captured", GRE, 0.1)
    pair.add_inner_ipv6()
    assert pair.a.ping(INNER6["b"]) == 3
    assert pair.b.counters().drops == {}
    assert pair.b.call("drops") == {}


def test_tunnels_between_two_addresses_are_told_apart_by_their_keys(pair: Pair) -> None:
    pair.tunnel(TunnelMode.GRE)
    pair.another_tunnel(SECOND, INNER_SECOND, TunnelMode.GRE, key=2)
    assert pair.a.ping(INNER["b"], count=3) == 3
    assert pair.a.ping(INNER_SECOND["b"], count=5) == 5
    assert [pair.b.counters(device).packets_in for device in (DEVICE, SECOND)] == [3, 5]
    assert pair.b.call("drops") == {}


@pytest.mark.parametrize("transport", [True, False])
def test_tunnels_that_share_a_bundle_are_told_apart_by_their_keys(pair: Pair, transport: bool) -> None:
    gre(pair, bundle="shared", key=1)
    pair.another_tunnel(SECOND, INNER_SECOND, TunnelMode.GRE, bundle="shared", key=2)
    spis = pair.associate(bundle="shared", transport=transport)
    assert pair.a.ping(INNER["b"], count=3) == 3
    assert pair.a.ping(INNER_SECOND["b"], count=5) == 5
    assert [pair.b.counters(device).packets_in for device in (DEVICE, SECOND)] == [3, 5]
    assert pair.b.sa(Direction.IN, spis[0], "shared").packets == 8
    # A key that only one side has: the drop is the SA's, and of no tunnel where two share it.
    third = replace(pair.parameters("a", TunnelMode.GRE, bundle="shared", key=3), device="Tunnel3")
    pair.a.call("create_tunnel", third)
    pair.a.call("set_carrier", "Tunnel3", True)
    pair.a.ip("addr", "add", "172.18.0.1/24", "dev", "Tunnel3")
    pair.a.ip("link", "set", "dev", "Tunnel3", "up")
    assert pair.a.ping("172.18.0.2", "-W", "0.1", count=2) == 0
    assert pair.b.sa(Direction.IN, spis[0], "shared").errors == {"gre-no-tunnel": 2}
    assert pair.b.call("drops") == {"gre-no-tunnel": 2}
    # The bundle lives on when one of its tunnels goes.
    for peer in (pair.a, pair.b):
        peer.call("remove_tunnel", DEVICE)
    assert pair.a.ping(INNER_SECOND["b"], count=3) == 3


def test_clear_gre_does_not_enter_a_protected_tunnel(pair: Pair) -> None:
    gre(pair, key=9)
    pair.associate(transport=True)
    pair.b.call("start_capture", DEVICE)
    packet = struct.pack("!HHI", 0x2000, 0x0800, 9) + bytes([0x45, 0, 0, 20]) + bytes(16)
    pair.a.call("send_raw", GRE, packet, str(pair.outer["b"]))
    wait_until(lambda: pair.b.counters().drops == {"gre-clear": 1}, "dropped and counted")
    assert pair.b.counters().packets_in == 0
    # Nor does a protected one send in clear once its SAs are gone.
    pair.b.call("update_tunnel", replace(pair.parameters("b", TunnelMode.GRE, bundle=DEVICE, key=9), mtu=1380))
    pair.a.call("update_tunnel", pair.parameters("a", TunnelMode.GRE, bundle="other", key=9))
    pair.b.call("start_capture", "to-a")
    assert pair.a.ping(INNER["b"], "-W", "0.1", count=2) == 0
    assert pair.a.counters().drops == {"no-sa": 2}
    assert not pair.b.call("captured", GRE, 0.1)


def one_way(
    pair: Pair, *, sender: str, receiver: str, transport: bool = False, out_transport: bool | None = None
) -> None:
    """An SA from bundle `sender` of a to bundle `receiver` of b."""
    key = Secret(os.urandom(20))
    for peer, bundle, direction, mode in (
        (pair.b, receiver, Direction.IN, transport),
        (pair.a, sender, Direction.OUT, transport if out_transport is None else out_transport),
    ):
        here, there = ("a", "b") if peer is pair.a else ("b", "a")
        cipher = ENCRYPTION_BY_NAME["aes-gcm-16-128"]
        peer.call(
            "add_sa",
            SecurityAssociation(
                *(bundle, direction, 0x9001, pair.outer[here], pair.outer[there], cipher, key, None, Secret(b"")),
                transport=mode,
            ),
        )


def test_gre_does_not_come_out_of_another_bundle_s_sa(pair: Pair) -> None:
    gre(pair, bundle="first", key=1)
    pair.another_tunnel(SECOND, INNER_SECOND, TunnelMode.GRE, bundle="second", key=2)
    one_way(pair, sender="first", receiver="second")
    assert pair.a.ping(INNER["b"], "-W", "0.1", count=2) == 0
    # What the SA's only tunnel did not get is counted for it; the tunnel with the key saw nothing.
    assert pair.b.counters(SECOND).drops == {"gre-no-tunnel": 2}
    assert pair.b.counters(DEVICE).drops == {}
    assert [pair.b.counters(device).packets_in for device in (DEVICE, SECOND)] == [0, 0]


def test_only_gre_comes_out_of_a_gre_tunnel_s_sa(pair: Pair) -> None:
    pair.a.call("create_tunnel", pair.parameters("a", TunnelMode.IPSEC))
    pair.b.call("create_tunnel", pair.parameters("b", TunnelMode.GRE, bundle="gre"))
    for name, peer in pair.peers.items():
        peer.call("set_carrier", DEVICE, True)
        peer.ip("addr", "add", f"{INNER[name]}/24", "dev", DEVICE)
        peer.ip("link", "set", "dev", DEVICE, "up")
    one_way(pair, sender=DEVICE, receiver="gre")
    assert pair.a.ping(INNER["b"], "-W", "0.1", count=2) == 0
    assert pair.b.counters().drops == {"not-gre": 2}


@pytest.mark.parametrize("transport", [True, False])
def test_the_peer_s_mode_is_taken_as_it_comes(pair: Pair, transport: bool) -> None:
    gre(pair)
    one_way(pair, sender=DEVICE, receiver=DEVICE, transport=transport, out_transport=not transport)
    pair.a.ping(INNER["b"], "-W", "0.1", count=2)
    assert pair.b.counters().packets_in == 2


def test_a_peer_behind_a_nat_has_its_private_address_inside(pair: Pair) -> None:
    gre(pair)
    private = ip_address("192.168.7.1")
    pair.a.call("update_tunnel", replace(pair.parameters("a", TunnelMode.GRE, bundle=DEVICE), source=private))
    pair.associate("null", "hmac-sha1-96")
    pair.b.call("start_capture", "to-a")
    assert pair.a.ping(INNER["b"]) == 3
    there = next(p for p in pair.b.call("captured", ESP, 5.0) if p[12:16] == pair.outer["a"].packed)
    assert outer_ipv4(there)[4][8:][12:16] == private.packed


@pytest.mark.parametrize(("df", "inner", "outer"), [(DfBit.COPY, "do", True), (DfBit.COPY, "dont", False)])
def test_headers_inside_and_outside_are_made_of_the_inner_one(pair: Pair, df: DfBit, inner: str, outer: bool) -> None:
    gre(pair, df=df, ttl=77, key=5)
    pair.associate("null", "hmac-sha1-96")
    pair.b.call("start_capture", "to-a")
    assert pair.a.ping(INNER["b"], "-M", inner, "-Q", "0xba", count=2) == 2
    packets = [p for p in pair.b.call("captured", ESP, 5.0) if p[12:16] == pair.outer["a"].packed]
    identifications = set()
    for packet in packets:
        tos, ttl, dont_fragment, protocol, payload = outer_ipv4(packet)
        assert (tos, ttl, dont_fragment, protocol) == (0xBA, 77, outer, ESP)
        between = payload[8:]
        length = struct.unpack_from("!H", between, 2)[0]
        assert outer_ipv4(between[:length])[:4] == (0xBA, 77, outer, GRE)
        assert length == 20 + 8 + 84
        assert sum(struct.unpack_from("!10H", between)) % 0xFFFF == 0, "the header's checksum"
        assert (between[12:16], between[16:20]) == (pair.outer["a"].packed, pair.outer["b"].packed)
        assert between[20:28] == struct.pack("!HHI", 0x2000, 0x0800, 5)
        identifications.add(between[4:6])
    assert len(identifications) == len(packets) == 2


@pytest.mark.parametrize("transport", [True, False])
def test_congestion_outside_reaches_the_inner_packet(pair: Pair, transport: bool) -> None:
    gre(pair)
    pair.associate(transport=transport, replay_window=0)
    pair.b.call("start_capture", "to-a")
    assert pair.a.ping(INNER["b"], "-Q", "0xba", count=1) == 1
    frame = next(p for p in pair.b.call("captured", ESP, 5.0) if p[12:16] == pair.outer["a"].packed)
    # The same packet again, with congestion marked on its way.
    pair.b.call("start_capture", DEVICE)
    pair.a.call("send_marked", ESP, frame[20:], str(pair.outer["b"]), 3)
    assert pair.b.call("captured", ICMP, 5.0)[0][1] == 0xBB, "CE, with the inner DSCP"


def test_a_gre_packet_cut_before_encryption_is_counted(pair: Pair) -> None:
    # An SA that carries anything at a: its packets are what a peer makes that fragments GRE before ESP.
    pair.a.call("create_tunnel", pair.parameters("a", TunnelMode.IPSEC))
    pair.a.call("set_carrier", DEVICE, True)
    pair.a.ip("link", "set", "dev", DEVICE, "up")
    pair.a.ip("route", "add", "192.168.9.9/32", "dev", DEVICE, "src", "10.9.0.1")
    pair.b.call("create_tunnel", pair.parameters("b", TunnelMode.GRE, bundle="gre"))
    one_way(pair, sender=DEVICE, receiver="gre")
    pair.a.call("send_raw", GRE, struct.pack("!HH", 0, 0x0800) + bytes(2000), "192.168.9.9")
    wait_until(lambda: pair.b.counters().drops == {"gre-fragment": 2}, "both parts")


def test_gre_becomes_protected_and_open_again_in_place(pair: Pair) -> None:
    pair.tunnel(TunnelMode.GRE)
    assert pair.a.ping(INNER["b"]) == 3
    for name, peer in pair.peers.items():
        peer.call("update_tunnel", pair.parameters(name, TunnelMode.GRE, bundle=DEVICE))
    assert pair.a.ping(INNER["b"], "-W", "0.1", count=1) == 0
    pair.associate(transport=True)
    assert pair.a.ping(INNER["b"]) == 3
    for name, peer in pair.peers.items():
        peer.call("update_tunnel", pair.parameters(name, TunnelMode.GRE))
    assert pair.a.ping(INNER["b"]) == 3
    assert pair.a.counters().drops == {"no-sa": 1}


SUITES: list[tuple[Encryption | None, Integrity | None]] = [
    (None, None),
    (ENCRYPTION_BY_NAME["aes-cbc-128"], INTEGRITY_BY_NAME["hmac-sha1-96"]),
    (ENCRYPTION_BY_NAME["aes-cbc-256"], INTEGRITY_BY_NAME["hmac-sha512-256"]),
    (ENCRYPTION_BY_NAME["aes-gcm-16-256"], None),
    (ENCRYPTION_BY_NAME["null"], INTEGRITY_BY_NAME["hmac-sha384-192"]),
]


@pytest.mark.parametrize("ipv6", [False, True])
def test_the_mtu_of_every_combination_is_what_fits(pair: Pair, ipv6: bool) -> None:
    """An inner packet of `tunnel_mtu` makes an outer one of at most the link's MTU, and one octet more does not."""
    link = 1500
    for name, device in (("a", "to-b"), ("b", "to-a")):
        run("ip", "-n", pair.names[name], "link", "set", "dev", device, "mtu", "2000")
    pair.tunnel(TunnelMode.GRE, ipv6=ipv6, mtu=1800)
    for peer in (pair.a, pair.b):
        peer.call("open_udp", 4500, ipv6)
    outer = (pair.outer6 if ipv6 else pair.outer)["a"].packed
    for mode, key, (encryption, integrity), transport, udp in _combinations():
        is_gre = mode is TunnelMode.GRE
        for name, peer in pair.peers.items():
            bundle = DEVICE if is_gre and encryption else None
            parameters = pair.parameters(name, mode, ipv6=ipv6, mtu=1800, bundle=bundle, key=key)
            peer.call("update_tunnel", parameters)
        if encryption:
            mac = integrity.name if integrity else None
            pair.associate(encryption.name, mac, ipv6=ipv6, port=4500 if udp else None, transport=transport)
        fits = tunnel_mtu(
            link,
            outer_ipv6=ipv6,
            gre=is_gre,
            key=key is not None,
            encryption=encryption,
            integrity=integrity,
            transport=transport,
            udp=udp,
        )
        protocol = UDP if udp else ESP if encryption else GRE
        pair.b.call("start_capture", "to-a")
        lengths = []
        for octets in (fits, fits + 1):
            assert pair.a.ping(INNER["b"], "-s", str(octets - 28), count=1) == 1, (mode, encryption, transport)
            sent = [packet for packet in pair.b.call("captured", protocol, 5.0) if outer in packet[8:24]]
            lengths.append(len(sent[0]))
        assert lengths[0] <= link < lengths[1], (mode, key, encryption, integrity, transport, udp, lengths)


def _combinations() -> Iterator[tuple[TunnelMode, int | None, tuple[Encryption | None, Integrity | None], bool, bool]]:
    for suite in SUITES:
        for udp in (False, True) if suite[0] else (False,):
            if suite[0]:
                yield TunnelMode.IPSEC, None, suite, False, udp
            for key in (None, 5):
                for transport in (False, True) if suite[0] else (False,):
                    yield TunnelMode.GRE, key, suite, transport, udp
