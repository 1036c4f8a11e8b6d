"""Two userspace planes with real packets between them."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.plane.support import DEVICE, INNER, INNER6, Pair, outer_ipv4, run, wait_until

from seikan.plane.base import (
    DfBit,
    Direction,
    Encapsulation,
    EventKind,
    IkeDatagram,
    Lifetime,
    PlaneEvent,
    TunnelMode,
)
from seikan.wire.constants import ENCRYPTION_BY_NAME, ENCRYPTIONS, INTEGRITIES, tunnel_mtu

pytestmark = pytest.mark.netns

ESP, GRE, UDP = 50, 47, 17
SUITES = [
    (encryption.name, None if encryption.aead else integrity.name)
    for encryption in ENCRYPTIONS
    if encryption.name != "3des-cbc"
    for integrity in (INTEGRITIES[:1] if encryption.aead else INTEGRITIES)
]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Pair() as pair:
        yield pair


def kinds(events: list[PlaneEvent | IkeDatagram]) -> list[EventKind]:
    return [event.kind for event in events if isinstance(event, PlaneEvent)]


def one_event(events: list[PlaneEvent | IkeDatagram]) -> PlaneEvent:
    (event,) = events
    assert isinstance(event, PlaneEvent)
    return event


@pytest.mark.parametrize("key", [None, 0, 0xFFFFFFFF])
@pytest.mark.parametrize("ipv6", [False, True])
def test_gre_carries_both_families(pair: Pair, ipv6: bool, key: int | None) -> None:
    pair.tunnel(TunnelMode.GRE, ipv6=ipv6, key=key)
    assert pair.a.ping(INNER["b"], count=5) == 5
    # Five echo requests of 84 octets left, five answers came, nothing else crossed.
    wait_until(lambda: pair.a.counters().packets_in >= 5, "the answers are counted")
    for peer in (pair.a, pair.b):
        counters = peer.counters()
        assert (counters.packets_in, counters.packets_out) == (5, 5)
        assert (counters.octets_in, counters.octets_out) == (5 * 84, 5 * 84)
        assert counters.drops == {}
    pair.add_inner_ipv6()
    assert pair.a.ping(INNER6["b"]) == 3


def test_gre_with_another_key_or_protocol_is_counted(pair: Pair) -> None:
    pair.tunnel(TunnelMode.GRE, key=1)
    far = str(pair.outer["b"])
    pair.a.call("send_raw", GRE, struct.pack("!HHI", 0x2000, 0x0800, 2), far)
    pair.a.call("send_raw", GRE, struct.pack("!HHI", 0x2000, 0x6558, 1), far)
    pair.a.call("send_raw", GRE, struct.pack("!HHI", 0x2001, 0x0800, 1), far)
    pair.a.call("send_raw", GRE, b"\x20", far)
    wait_until(lambda: sum(pair.b.call("drops").values()) == 3, "three drops belong to no tunnel")
    assert pair.b.call("drops") == {"gre-no-tunnel": 1, "gre-unsupported": 1, "gre-malformed": 1}
    assert pair.b.counters().drops == {"gre-protocol": 1}


def test_every_suite_carries_what_was_sent_and_counts_it(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    old: tuple[int, int] | None = None
    for number, (encryption, integrity) in enumerate(SUITES, start=1):
        spis = pair.associate(encryption, integrity, extended_sequence_numbers=number % 2 == 0, replay_window=128)
        assert pair.a.ping(INNER["b"]) == 3, (encryption, integrity)
        for peer, out, into in ((pair.a, spis[0], spis[1]), (pair.b, spis[1], spis[0])):
            for direction, spi in ((Direction.OUT, out), (Direction.IN, into)):
                counters = peer.sa(direction, spi)
                assert (counters.packets, counters.octets, counters.errors) == (3, 3 * 84, {}), (encryption, integrity)
                assert counters.last_used > 0
        if old:
            for peer, out, into in ((pair.a, old[0], old[1]), (pair.b, old[1], old[0])):
                peer.call("remove_sa", Direction.OUT, out, DEVICE)
                peer.call("remove_sa", Direction.IN, into, DEVICE)
        old = spis
    total = 3 * len(SUITES)
    assert (pair.b.counters().packets_in, pair.b.counters().packets_out) == (total, total)
    assert pair.a.counters().drops == pair.b.counters().drops == {}


@pytest.mark.parametrize("suite", [("aes-cbc-128", "hmac-sha1-96"), ("aes-gcm-16-256", None)])
@pytest.mark.parametrize("udp", [False, True])
@pytest.mark.parametrize("ipv6", [False, True])
def test_esp_over_both_families_raw_and_encapsulated(
    pair: Pair, ipv6: bool, udp: bool, suite: tuple[str, str | None]
) -> None:
    pair.tunnel(TunnelMode.IPSEC, ipv6=ipv6, mtu=1360)
    if udp:
        for peer in (pair.a, pair.b):
            assert peer.call("open_udp", 4500, ipv6) is True
    spis = pair.associate(*suite, ipv6=ipv6, port=4500 if udp else None)
    device = {"a": "to-b", "b": "to-a"}
    pair.b.call("start_capture", device["b"])
    pair.add_inner_ipv6()
    assert pair.a.ping(INNER["b"], "-s", "1300", count=4) == 4
    assert pair.a.ping(INNER6["b"], "-s", "1300", count=4) == 4
    assert pair.b.sa(Direction.IN, spis[0]).packets >= 8
    if not ipv6:
        packets = pair.b.call("captured", UDP if udp else ESP, 5.0)
        assert len(packets) >= 16
        assert not any(b"\x10\x11\x12\x13\x14\x15\x16\x17" in packet for packet in packets), "ping's pattern in clear"


def test_a_replayed_and_a_corrupted_packet_are_dropped_counted_and_told(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    spis = pair.associate("aes-cbc-256", "hmac-sha256-128")
    pair.b.call("start_capture", "to-a")
    assert pair.a.ping(INNER["b"], count=1) == 1
    there = next(p for p in pair.b.call("captured", ESP, 5.0) if p[20:24] == struct.pack("!I", spis[0]))
    payload = outer_ipv4(there)[4]
    far = str(pair.outer["b"])

    pair.a.call("send_raw", ESP, payload, far)
    event = one_event(pair.b.wait_event())
    assert (event.kind, event.spi, event.sequence, event.tunnel) == (EventKind.REPLAY, spis[0], 1, DEVICE)
    assert (event.remote, event.local) == (pair.outer["a"], pair.outer["b"])

    forged = payload[:4] + struct.pack("!I", 40) + payload[8:]
    pair.a.call("send_raw", ESP, forged, far)
    event = one_event(pair.b.wait_event())
    assert (event.kind, event.sequence) == (EventKind.AUTHENTICATION_FAILURE, 40)
    pair.a.call("send_raw", ESP, payload[:30], far)
    wait_until(lambda: "malformed" in pair.b.sa(Direction.IN, spis[0]).errors, "the short packet is counted")

    drops = {"replay": 1, "authentication-failure": 1, "malformed": 1}
    assert pair.b.sa(Direction.IN, spis[0]).errors == drops
    assert pair.b.counters().drops == drops
    assert pair.b.counters().packets_in == 1
    # The forged number did not move the window.
    assert pair.a.ping(INNER["b"]) == 3


def test_an_unknown_spi_and_a_wrong_destination_are_counted(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    spis = pair.associate()
    for _ in range(3):
        pair.a.call("send_raw", ESP, struct.pack("!II", 0xDEADBEEF, 7) + bytes(60), str(pair.outer["b"]))
    event = one_event(pair.b.wait_event())
    assert (event.kind, event.spi, event.sequence) == (EventKind.UNKNOWN_SPI, 0xDEADBEEF, 7)
    assert (event.remote, event.local) == (pair.outer["a"], pair.outer["b"])
    wait_until(lambda: pair.b.call("drops") == {"unknown-spi": 3}, "all three are counted")
    assert pair.b.events() == [], "one report a second is enough"
    # An SA is found by SPI and destination (RFC 4301 section 4.1).
    pair.b.ip("addr", "add", "10.9.0.77/24", "dev", "to-a")
    pair.a.call("send_raw", ESP, struct.pack("!II", spis[0], 1) + bytes(60), "10.9.0.77")
    wait_until(lambda: pair.b.call("drops") == {"unknown-spi": 4}, "the wrong destination is counted")


@pytest.mark.parametrize("udp", [False, True])
@pytest.mark.parametrize("ipv6", [False, True])
def test_what_comes_before_its_sa_is_held_and_taken_in(pair: Pair, ipv6: bool, udp: bool) -> None:
    pair.tunnel(TunnelMode.IPSEC, ipv6=ipv6)
    if udp:
        for peer in (pair.a, pair.b):
            assert peer.call("open_udp", 4500, ipv6) is True
    far = str((pair.outer6 if ipv6 else pair.outer)["b"])
    pinging: list[subprocess.Popen[str]] = []

    def send(spi: int) -> None:
        """Between A's outbound SA and B's inbound one, five packets come."""
        pinging.append(
            subprocess.Popen(
                ["ip", "netns", "exec", pair.a.namespace, "ping", "-n", "-i", "0.01", "-c", "5", INNER["b"]],
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        wait_until(lambda: pair.a.sa(Direction.OUT, spi).packets == 5, "five packets are under way")
        # Behind them comes one that is not held, which tells that they are.
        stranger = struct.pack("!II", 0xDEADBEEF, 7) + bytes(60)
        if udp:
            pair.a.call("send_udp", stranger, far, 4500)
        else:
            pair.a.call("send_raw", ESP, stranger, far)
        assert one_event(pair.b.wait_event()).spi == 0xDEADBEEF

    spis = pair.associate(ipv6=ipv6, port=4500 if udp else None, late=send)
    output, _ = pinging[0].communicate(timeout=30)
    assert "5 received" in output, output
    counters = pair.b.sa(Direction.IN, spis[0])
    assert (counters.packets, counters.errors) == (5, {})
    assert pair.b.call("drops") == {"unknown-spi": 1}
    assert pair.b.events() == []


def test_what_waits_in_vain_for_its_sa_is_dropped_counted_and_told(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    pair.b.call("reserve_spi", 0x5001)
    for sequence in (1, 2):
        pair.a.call("send_raw", ESP, struct.pack("!II", 0x5001, sequence) + bytes(60), str(pair.outer["b"]))
    event = one_event(pair.b.wait_event())
    assert (event.kind, event.spi, event.sequence) == (EventKind.UNKNOWN_SPI, 0x5001, 1)
    assert (event.remote, event.local) == (pair.outer["a"], pair.outer["b"])
    wait_until(lambda: pair.b.call("drops") == {"hold-expired": 2}, "both are counted")


def test_without_an_sa_nothing_leaves_in_clear(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    pair.a.call("start_capture", "to-b")
    assert pair.a.ping(INNER["b"], "-W", "0.1", count=2) == 0
    assert pair.a.counters().drops == {"no-sa": 2}
    assert pair.a.call("captured", ESP, 0) == []
    spis = pair.associate()
    assert pair.a.ping(INNER["b"]) == 3
    pair.a.call("remove_sa", Direction.OUT, spis[0], DEVICE)
    assert pair.a.ping(INNER["b"], "-W", "0.1", count=1) == 0
    assert pair.a.counters().drops == {"no-sa": 3}


def test_a_new_sa_takes_over_without_loss_and_the_old_one_when_it_goes(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    first = pair.associate()
    pinging = subprocess.Popen(
        ["ip", "netns", "exec", pair.a.namespace, "ping", "-n", "-i", "0.01", "-c", "150", INNER["b"]],
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: pair.a.counters().packets_in > 10, "the first SA carries")
    second = pair.associate("aes-cbc-128", "hmac-sha1-96")
    wait_until(lambda: pair.a.sa(Direction.OUT, second[0]).packets > 10, "the second SA carries")
    pair.a.call("remove_sa", Direction.OUT, second[0], DEVICE)
    before = pair.a.sa(Direction.OUT, first[0]).packets
    wait_until(lambda: pair.a.sa(Direction.OUT, first[0]).packets > before + 10, "the first SA carries again")
    output, _ = pinging.communicate(timeout=30)
    assert "150 received" in output


def test_lifetimes_end_an_sa(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    spis = pair.associate(lifetime=Lifetime(soft_packets=2, hard_packets=4))
    assert pair.a.ping(INNER["b"], "-W", "0.2", count=6) == 4
    told = [(event.kind, event.spi, event.direction) for event in pair.a.events() if isinstance(event, PlaneEvent)]
    assert (EventKind.SOFT_EXPIRE, spis[0], Direction.OUT) in told
    assert (EventKind.HARD_EXPIRE, spis[0], Direction.OUT) in told
    assert (EventKind.SOFT_EXPIRE, spis[1], Direction.IN) in told
    assert len(told) == 3
    assert pair.a.sa(Direction.OUT, spis[0]).errors == {"hard-expired": 2}
    assert pair.a.counters().drops == {"hard-expired": 2}


@pytest.mark.parametrize(
    ("df", "inner", "outer"),
    [
        (DfBit.COPY, "do", True),
        (DfBit.COPY, "dont", False),
        (DfBit.SET, "dont", True),
        (DfBit.CLEAR, "do", False),
    ],
)
@pytest.mark.parametrize("udp", [False, True])
def test_df_tos_and_ttl_of_the_outer_header(pair: Pair, udp: bool, df: DfBit, inner: str, outer: bool) -> None:
    pair.tunnel(TunnelMode.IPSEC, df=df, ttl=77)
    if udp:
        for peer in (pair.a, pair.b):
            peer.call("open_udp", 4500)
    pair.associate(port=4500 if udp else None)
    pair.b.call("start_capture", "to-a")
    assert pair.a.ping(INNER["b"], "-M", inner, "-Q", "0xb8", count=1) == 1
    packets = [outer_ipv4(packet) for packet in pair.b.call("captured", UDP if udp else ESP, 5.0)]
    assert packets[0][:3] == (0xB8, 77, outer)


def test_ecn_is_copied_out_and_congestion_is_carried_in(pair: Pair) -> None:
    pair.tunnel(TunnelMode.GRE, tos=0x20)
    pair.b.call("start_capture", "to-a")
    assert pair.a.ping(INNER["b"], "-Q", "0xba", count=1) == 1
    frame = pair.b.call("captured", GRE, 5.0)[0]
    assert outer_ipv4(frame)[0] == 0x22, "DSCP as configured, ECT(0) from the inner header"
    # The same packet again, with congestion marked on its way; its answer shows what was inside.
    pair.b.call("start_capture", DEVICE)
    pair.a.call("send_marked", GRE, frame[20:], str(pair.outer["b"]), 3)
    assert pair.b.call("captured", 1, 5.0)[0][1] == 0xBB, "CE, with the inner DSCP"
    not_capable = frame[20:24] + _with_tos(frame[24:], 0)
    pair.a.call("send_marked", GRE, not_capable, str(pair.outer["b"]), 3)
    wait_until(lambda: pair.b.counters().drops == {"ecn-ce-not-ect": 1}, "RFC 6040 figure 4")


def _with_tos(packet: bytes, tos: int) -> bytes:
    header = bytearray(packet[:20])
    header[1] = tos
    header[10:12] = b"\0\0"
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    header[10:12] = struct.pack("!H", ~total & 0xFFFF)
    return bytes(header) + packet[20:]


def test_multicast_crosses(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    pair.associate()
    pair.b.call("start_capture", DEVICE)
    pair.a.ping("224.0.0.5", "-I", DEVICE, "-W", "0.1", count=2)
    packets = pair.b.call("captured", 1, 5.0)
    assert [packet[16:20] for packet in packets] == [bytes([224, 0, 0, 5])] * 2
    assert pair.b.counters().packets_in == 2


@pytest.mark.parametrize(
    ("mode", "suite", "udp"),
    [
        (TunnelMode.GRE, None, False),
        (TunnelMode.GRE, ("aes-cbc-128", "hmac-sha1-96"), False),
        (TunnelMode.GRE, ("aes-gcm-16-128", None), True),
        (TunnelMode.IPSEC, ("aes-cbc-128", "hmac-sha1-96"), False),
        (TunnelMode.IPSEC, ("aes-cbc-256", "hmac-sha512-256"), True),
        (TunnelMode.IPSEC, ("aes-gcm-16-128", None), True),
    ],
)
@pytest.mark.parametrize("inner", ["ipv4", "ipv6"])
def test_tcp_arrives_whole(
    pair: Pair, mode: TunnelMode, suite: tuple[str, str | None] | None, udp: bool, inner: str
) -> None:
    protected = mode is TunnelMode.GRE and suite is not None
    pair.tunnel(mode, bundle=DEVICE if protected else None)
    if udp:
        for peer in (pair.a, pair.b):
            peer.call("open_udp", 4500)
    if suite:
        pair.associate(*suite, port=4500 if udp else None, transport=protected and not udp)
    if inner == "ipv6":
        pair.add_inner_ipv6()
    target = (INNER if inner == "ipv4" else INNER6)["b"]
    octets = 24 << 20
    server = subprocess.Popen(
        ["ip", "netns", "exec", pair.b.namespace, sys.executable, "-c", _SERVER, target, str(octets)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    port = server.stdout.readline().strip()
    client = run("ip", "netns", "exec", pair.a.namespace, sys.executable, "-c", _CLIENT, target, port, str(octets))
    answer, _ = server.communicate(timeout=60)
    assert answer.strip() == client.strip() == hashlib.sha256(_pattern(octets)).hexdigest()
    drops = {**pair.a.counters().drops, **pair.b.counters().drops}
    assert drops == {}


def _pattern(octets: int) -> bytes:
    return (bytes(range(251)) * (octets // 251 + 1))[:octets]


_CLIENT = """
import hashlib, socket, sys
octets = int(sys.argv[3])
data = (bytes(range(251)) * (octets // 251 + 1))[:octets]
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30) as link:
    link.sendall(data)
print(hashlib.sha256(data).hexdigest())
"""
_SERVER = """
import hashlib, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.create_server((sys.argv[1], 0), family=family) as server:
    print(server.getsockname()[1], flush=True)
    link, _ = server.accept()
    digest = hashlib.sha256()
    while data := link.recv(1 << 16):
        digest.update(data)
print(digest.hexdigest())
"""


@pytest.mark.parametrize("ipv6", [False, True])
def test_ike_and_keepalives_on_the_nat_traversal_port(pair: Pair, ipv6: bool) -> None:
    outer = pair.outer6 if ipv6 else pair.outer
    for peer in (pair.a, pair.b):
        peer.call("open_udp", 4500, ipv6)
    pair.a.call("send_udp", b"\0\0\0\0initiate", str(outer["b"]), 4500, 4500)
    (datagram,) = pair.b.wait_event()
    assert datagram == IkeDatagram(b"initiate", outer["b"], 4500, outer["a"], 4500)
    port = pair.a.call("send_udp", b"\xff", str(outer["b"]), 4500)
    port = pair.a.call("send_udp", b"\0\0\0\0again", str(outer["b"]), 4500)
    (datagram,) = pair.b.wait_event()
    assert datagram == IkeDatagram(b"again", outer["b"], 4500, outer["a"], port)
    pair.a.call("send_udp", struct.pack("!II", 0x77777, 3) + bytes(40), str(outer["b"]), 4500)
    event = one_event(pair.b.wait_event())
    assert (event.kind, event.spi, event.local) == (EventKind.UNKNOWN_SPI, 0x77777, outer["b"])
    assert event.remote_port is not None
    assert pair.b.call("drops") == {"nat-keepalive": 1, "unknown-spi": 1}


def test_a_port_is_given_up_under_load_and_taken_again(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    for peer in (pair.a, pair.b):
        peer.call("open_udp", 4500)
    pair.associate(port=4500)
    flood = ["ip", "netns", "exec", pair.a.namespace, "ping", "-f", "-q", "-w", "30", "-s", "1300", INNER["b"]]
    flooding = subprocess.Popen(flood, stdout=subprocess.DEVNULL)
    try:
        for _ in range(20):
            before = pair.a.counters()
            wait_until(lambda: pair.a.counters().packets_in > before.packets_in + 20, "traffic flows")  # noqa: B023
            for peer in (pair.a, pair.b):
                peer.call("close_udp", 4500)
                # The system gives the port to anyone now; the plane reads only what it is given anew.
                lost = pair.a.counters().drops.get("no-socket", 0)
                if peer is pair.a:
                    wait_until(lambda: pair.a.counters().drops.get("no-socket", 0) > lost, "drops are counted")  # noqa: B023
                peer.call("open_udp", 4500)
    finally:
        flooding.kill()
        flooding.wait(10)
    assert pair.a.ping(INNER["b"]) == 3
    assert set(pair.a.counters().drops) == {"no-socket"}
    assert pair.b.call("drops") == {}


def test_a_peer_that_moves_is_told_once_authenticated(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    for peer in (pair.a, pair.b):
        peer.call("open_udp", 4500)
    pair.a.call("open_udp", 4511)
    spis = pair.associate(port=4500)
    assert pair.a.ping(INNER["b"]) == 3
    assert pair.b.events() == []
    here, there = pair.outer["a"], pair.outer["b"]
    pair.a.call("update_endpoint", Direction.OUT, spis[0], DEVICE, here, there, Encapsulation(4511, 4500))
    assert pair.a.ping(INNER["b"]) == 3, "the packets are taken wherever they come from"
    event = one_event(pair.b.wait_event())
    assert event.kind is EventKind.PEER_ADDRESS
    assert (event.spi, event.remote, event.remote_port, event.local) == (spis[0], here, 4511, there)
    pair.b.call("update_endpoint", Direction.IN, spis[0], DEVICE, there, here, Encapsulation(4500, 4511))
    assert pair.a.ping(INNER["b"]) == 3
    assert pair.b.events() == []
    assert pair.b.sa(Direction.IN, spis[0]).packets == 9


def test_encapsulated_and_raw_are_not_mixed(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    for peer in (pair.a, pair.b):
        peer.call("open_udp", 4500)
    spis = pair.associate()
    here, there = pair.outer["a"], pair.outer["b"]
    pair.a.call("update_endpoint", Direction.OUT, spis[0], DEVICE, here, there, Encapsulation(4500, 4500))
    assert pair.a.ping(INNER["b"], "-W", "0.1", count=1) == 0
    assert pair.b.sa(Direction.IN, spis[0]).errors == {"encapsulation-mismatch": 1}


@pytest.mark.parametrize("way", ["gre", "gre in transport mode", "gre in tunnel mode", "raw", "raw with DF set", "udp"])
def test_a_narrow_path_is_learned_told_and_answered(way: str) -> None:
    with Pair(router_mtu=1300) as pair:
        df = DfBit.SET if way == "raw with DF set" else DfBit.COPY
        gre, transport = way.startswith("gre"), way == "gre in transport mode"
        protected = gre and way != "gre"
        pair.tunnel(TunnelMode.GRE if gre else TunnelMode.IPSEC, df=df, bundle=DEVICE if protected else None)
        if way == "udp":
            for peer in (pair.a, pair.b):
                peer.call("open_udp", 4500)
        if way != "gre":
            pair.associate(port=4500 if way == "udp" else None, transport=transport)
        # The first large packet meets the router, whose answer the kernel keeps; the next meets the kernel.
        wait_until(
            lambda: (
                pair.a.ping(INNER["b"], "-M", "do", "-s", "1300", "-W", "0.1", count=2) == 0
                and pair.a.counters().drops.get("too-big", 0) > 0
            ),
            "the path MTU is learned",
        )
        event = one_event(pair.a.wait_event())
        assert (event.kind, event.mtu, event.remote) == (EventKind.PATH_MTU, 1300, pair.outer["b"])
        plaintext = tunnel_mtu(
            1300,
            outer_ipv6=False,
            gre=gre,
            encryption=None if way == "gre" else ENCRYPTION_BY_NAME["aes-gcm-16-128"],
            transport=transport,
            udp=way == "udp",
        )
        text = pair.a.execute("ping", "-c", "1", "-M", "do", "-s", "1300", "-W", "1", INNER["b"], check=False)
        assert f"mtu = {plaintext}" in text or f"mtu={plaintext}" in text
        # What fits goes through, and so does what may be fragmented.
        assert pair.a.ping(INNER["b"], "-M", "do", "-s", str(plaintext - 28), count=2) == 2
        assert pair.a.ping(INNER["b"], "-M", "dont", "-s", "1300", count=2) == 2


def test_packets_larger_than_the_device_are_fragmented_before_encryption(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC, mtu=1400)
    spis = pair.associate()
    assert pair.a.ping(INNER["b"], "-M", "dont", "-s", "3000", count=2) == 2
    assert pair.b.sa(Direction.IN, spis[0]).packets == 2 * 3


def test_a_tunnel_changes_from_gre_to_ipsec_in_place(pair: Pair) -> None:
    pair.tunnel(TunnelMode.GRE)
    assert pair.a.ping(INNER["b"]) == 3
    for name, peer in pair.peers.items():
        peer.call("update_tunnel", pair.parameters(name, TunnelMode.IPSEC))
    assert pair.a.ping(INNER["b"], "-W", "0.1", count=1) == 0
    pair.associate()
    assert pair.a.ping(INNER["b"]) == 3
    # GRE that still arrives has no tunnel any more.
    pair.a.call("send_raw", GRE, struct.pack("!HH", 0, 0x0800) + bytes(20), str(pair.outer["b"]))
    wait_until(lambda: pair.b.call("drops") == {"gre-no-tunnel": 1}, "late GRE is counted")


def test_the_carrier_is_what_linux_sees(pair: Pair) -> None:
    pair.tunnel(TunnelMode.GRE)
    path = f"/sys/class/net/{DEVICE}/carrier"
    assert pair.a.execute("cat", path).strip() == "1"
    pair.a.call("set_carrier", DEVICE, False)
    assert pair.a.execute("cat", path).strip() == "0"


def test_a_device_that_is_down_drops_and_counts(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    pair.associate()
    pair.b.ip("link", "set", "dev", DEVICE, "down")
    assert pair.a.ping(INNER["b"], "-W", "0.1", count=2) == 0
    assert pair.b.counters().drops == {"device-down": 2}


def test_a_killed_process_leaves_no_device(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    pair.a.process.kill()
    pair.a.process.wait(10)
    wait_until(lambda: DEVICE not in pair.a.ip("link", "show"), "the device goes with the process")


def test_no_route_is_counted(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    pair.associate()
    pair.a.ip("link", "set", "dev", "to-b", "down")
    assert pair.a.ping(INNER["b"], "-W", "0.1", count=2) == 0
    assert pair.a.counters().drops == {"no-route": 2}


def test_its_own_packets_are_never_sealed_again(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    pair.associate()
    # The route to the tunnel's end goes through the tunnel: what it seals, and its IKE, come back to its device.
    pair.a.ip("route", "add", "10.9.0.2/32", "dev", DEVICE, "src", "10.9.0.1")
    pair.a.call("open_udp", 500)
    pair.a.call("send_udp", b"IKE", "10.9.0.2", 500, 500)
    wait_until(lambda: pair.a.counters().drops == {"recursion": 1}, "IKE is not sent into its own tunnel")
    assert pair.a.counters().packets_out == 0
    assert pair.a.ping(INNER["b"], "-W", "0.1", count=1) == 0
    wait_until(lambda: pair.a.counters().drops == {"recursion": 2}, "ESP is sealed once, not for ever")


def test_garbage_on_the_port_harms_nothing(pair: Pair) -> None:
    pair.tunnel(TunnelMode.IPSEC)
    for peer in (pair.a, pair.b):
        peer.call("open_udp", 4500)
    spis = pair.associate(port=4500)
    spi = struct.pack("!I", spis[0])
    for octets in (b"", b"\x01", b"\0\0\0", b"\0\0\0\0", spi, spi + b"\0\0\0\1", spi + bytes(100), b"\xff\xff"):
        pair.a.call("send_udp", octets, str(pair.outer["b"]), 4500)
    assert pair.a.ping(INNER["b"]) == 3
    assert pair.b.call("drops") == {"malformed": 4}
    assert pair.b.sa(Direction.IN, spis[0]).errors == {"malformed": 2, "replay": 1}
