"""Tunnels with policies: real packets find the SA of their traffic, and come out of no other."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from tests.plane.support import DEVICE, Pair, Peer, wait_until

from seikan.plane.base import (
    DfBit,
    Direction,
    EventKind,
    PlaneEvent,
    Policy,
    SecurityAssociation,
    TunnelCounters,
    TunnelMode,
)
from seikan.wire.constants import ENCRYPTION_BY_NAME
from seikan.wire.secret import Secret
from seikan.wire.selector import Selector

pytestmark = pytest.mark.netns

WIDE, ICMP, WEB, SIX = 10, 20, 5, 30
SITE = {"a": "10.1.0", "b": "10.2.0"}
SITE6 = {"a": "fd01::", "b": "fd02::"}


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Pair() as pair:
        yield pair


def policies(name: str) -> tuple[Policy, ...]:
    """Port 80 of site b apart from everything else between the sites; a third pair for hosts .9 alone; IPv6."""
    far = "b" if name == "a" else "a"
    here, there = ip_network(f"{SITE[name]}.0/24"), ip_network(f"{SITE[far]}.0/24")
    web = Selector(here, there, 17, 0 if name == "a" else 80, 80 if name == "a" else 0)
    nine = Selector(ip_network(f"{SITE[name]}.9"), ip_network(f"{SITE[far]}.9"), 1)
    six = Selector(ip_network(f"{SITE6[name]}/64"), ip_network(f"{SITE6[far]}/64"))
    return Policy(WEB, web), Policy(ICMP, nine), Policy(WIDE, Selector(here, there)), Policy(SIX, six)


def sites(pair: Pair, *, ipv6: bool = False, **more: Any) -> None:
    """A device with policies at both ends, and hosts .1 and .9 of each site on its loopback.

    With `ipv6` there is a host ::1 too, and the kernel sends multicast reports of its own, which are of no policy.
    """
    for name, peer in pair.peers.items():
        parameters = pair.parameters(name, TunnelMode.IPSEC, policies=policies(name), **more)
        peer.call("create_tunnel", replace(parameters, destination=ip_address("0.0.0.0")))
        peer.call("set_carrier", DEVICE, True)
        far = "b" if name == "a" else "a"
        if ipv6:
            peer.execute("sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=0", f"net.ipv6.conf.{DEVICE}.disable_ipv6=0")
            peer.ip("addr", "add", f"{SITE6[name]}1/128", "dev", "lo", "nodad")
        for host in (1, 9):
            peer.ip("addr", "add", f"{SITE[name]}.{host}/32", "dev", "lo")
        peer.ip("link", "set", "dev", DEVICE, "up")
        peer.ip("route", "add", f"{SITE[far]}.0/24", "dev", DEVICE, "src", f"{SITE[name]}.1")
        if ipv6:
            peer.ip("-6", "route", "add", f"{SITE6[far]}/64", "dev", DEVICE, "src", f"{SITE6[name]}1")


def drops(peer: Peer) -> dict[str, int]:
    """Without the kernel's own multicast reports."""
    return {name: count for name, count in peer.counters().drops.items() if name != "no-policy"}


def policy(peer: Peer, number: int) -> TunnelCounters:
    result = peer.call("policy_counters", DEVICE, number)
    assert isinstance(result, TunnelCounters)
    return result


def send_udp(peer: Peer, source: str, target: str, port: int, octets: int = 10, count: int = 1) -> None:
    """Datagrams from port 4000."""
    script = (
        "import socket, sys\n"
        "source, target, port, octets, count = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])\n"
        "link = socket.socket(socket.AF_INET6 if ':' in target else socket.AF_INET, socket.SOCK_DGRAM)\n"
        "link.bind((source, 4000))\n"
        "for _ in range(count): link.sendto(bytes(octets), (target, port))\n"
    )
    peer.execute("python3", "-c", script, source, target, str(port), str(octets), str(count))


def asked(events: Sequence[object]) -> list[tuple[str | None, int | None]]:
    assert all(isinstance(event, PlaneEvent) and event.kind is EventKind.ACQUIRE for event in events), events
    return [(event.tunnel, event.policy) for event in events if isinstance(event, PlaneEvent)]


def test_each_packet_takes_the_sa_of_its_policy(pair: Pair) -> None:
    sites(pair, ipv6=True)
    spis = {number: pair.associate(policy=number) for number in (WEB, ICMP, WIDE, SIX)}
    send_udp(pair.a, "10.1.0.1", "10.2.0.1", 80, count=2)
    send_udp(pair.a, "10.1.0.1", "10.2.0.1", 81, count=3)
    assert pair.a.ping("10.2.0.9", "-I", "10.1.0.9", count=4) == 4
    assert pair.a.ping("10.2.0.1", count=5) == 5
    assert pair.a.ping("fd02::1", count=6) == 6
    # UDP to ports where nobody listens is answered by ICMP, which is traffic of the sites.
    expected = {WEB: 2, ICMP: 4, WIDE: 8, SIX: 6}
    for number, count in expected.items():
        wait_until(lambda: policy(pair.b, number).packets_in == count, f"policy {number} at b")  # noqa: B023
        counters = policy(pair.a, number)
        assert (counters.packets_out, counters.drops) == (count, {})
        assert pair.a.sa(Direction.OUT, spis[number][0]).packets == count
        assert pair.b.sa(Direction.IN, spis[number][0]).packets == count
    assert pair.a.counters().packets_out == sum(expected.values())
    assert pair.a.counters().octets_out == sum(policy(pair.a, number).octets_out for number in expected)
    assert drops(pair.a) == drops(pair.b) == {}
    assert pair.a.events() == pair.b.events() == []


def test_traffic_without_an_sa_is_dropped_and_asked_for_once_a_second(pair: Pair) -> None:
    sites(pair)
    pair.associate(policy=SIX)
    send_udp(pair.a, "10.1.0.1", "10.2.0.1", 80, count=40)
    assert pair.a.ping("10.2.0.1", "-W", "0.1", count=2) == 0
    wait_until(lambda: policy(pair.a, WIDE).drops == {"no-sa": 2}, "dropped")
    assert policy(pair.a, WEB).drops == {"no-sa": 40}
    assert pair.a.counters().drops == {"no-sa": 42}
    assert sorted(asked(pair.a.wait_event())) == [(DEVICE, WEB), (DEVICE, WIDE)]
    # A second later it is asked for again: the wait is for the event, each packet a chance.
    wait_until(
        lambda: pair.a.ping("10.2.0.1", "-W", "0.1", count=1) == 0 and asked(pair.a.events()) == [(DEVICE, WIDE)],
        "asked again",
    )
    pair.associate(policy=WIDE)
    assert pair.a.ping("10.2.0.1") == 3


def test_traffic_of_no_policy_is_dropped_and_counted(pair: Pair) -> None:
    sites(pair)
    pair.associate(policy=WIDE)
    pair.a.ip("route", "add", "10.3.0.0/24", "dev", DEVICE)
    assert pair.a.ping("10.3.0.1", "-W", "0.1", count=2) == 0
    assert pair.a.counters().drops == {"no-policy": 2}
    assert pair.a.events() == []


def test_later_fragments_take_a_policy_without_ports(pair: Pair) -> None:
    sites(pair)
    spis = {number: pair.associate(policy=number) for number in (WEB, WIDE)}
    send_udp(pair.a, "10.1.0.1", "10.2.0.1", 80, octets=3000)
    # The first of three fragments tells its ports; the answer is an ICMP error of b, where the packet came together.
    wait_until(lambda: policy(pair.b, WIDE).packets_out == 1, "b has the whole datagram")
    assert pair.a.sa(Direction.OUT, spis[WEB][0]).packets == 1
    assert pair.a.sa(Direction.OUT, spis[WIDE][0]).packets == 2
    assert pair.b.counters().drops == {}


def test_without_such_a_policy_they_go_with_the_packet_they_are_of(pair: Pair) -> None:
    sites(pair)
    for name, peer in pair.peers.items():
        parameters = pair.parameters(name, TunnelMode.IPSEC, policies=policies(name)[:2])
        peer.call("update_tunnel", replace(parameters, destination=ip_address("0.0.0.0")))
    spis = pair.associate(policy=WEB)
    send_udp(pair.a, "10.1.0.1", "10.2.0.1", 80, octets=3000)
    wait_until(lambda: policy(pair.b, WEB).packets_in == 3, "b has the whole datagram")
    assert pair.a.sa(Direction.OUT, spis[0]).packets == 3
    assert "selector-mismatch" not in pair.b.counters().drops


def raw_sa(pair: Pair, number: int, spi: int) -> None:
    """One direction, a to b, of which a says it is for everything, and b that it is for policy `number`."""
    cipher = ENCRYPTION_BY_NAME["aes-gcm-16-128"]
    key = Secret(os.urandom(20))
    for peer, direction, policy in ((pair.b, Direction.IN, number), (pair.a, Direction.OUT, WIDE)):
        here, there = ("a", "b") if peer is pair.a else ("b", "a")
        peer.call(
            "add_sa",
            SecurityAssociation(
                *(DEVICE, direction, spi, pair.outer[here], pair.outer[there], cipher, key, None, Secret(b"")),
                policy=policy,
            ),
        )


def test_what_an_sa_was_not_negotiated_for_does_not_come_out_of_it(pair: Pair) -> None:
    sites(pair)
    raw_sa(pair, WEB, 0x9001)
    pair.b.call("start_capture", DEVICE)
    send_udp(pair.a, "10.1.0.1", "10.2.0.1", 81, count=3)
    wait_until(lambda: pair.b.counters().drops == {"selector-mismatch": 3}, "three are dropped")
    assert pair.b.sa(Direction.IN, 0x9001).errors == {"selector-mismatch": 3}
    assert policy(pair.b, WEB).drops == {"selector-mismatch": 3}
    assert (pair.b.counters().packets_in, policy(pair.b, WEB).packets_in) == (0, 0)
    # The mirrored selector: from site b's port 80 is not to it.
    raw_sa(pair, ICMP, 0x9002)
    assert pair.a.ping("10.2.0.9", "-I", "10.1.0.1", "-W", "0.1", count=2) == 0
    assert pair.b.sa(Direction.IN, 0x9002).errors == {"selector-mismatch": 2}
    assert not pair.b.call("captured", socket.IPPROTO_ICMP, 0.2)


def test_super_packets_of_several_policies_in_one_burst_keep_their_order(pair: Pair) -> None:
    sites(pair, ipv6=True)
    for number in (WEB, WIDE, SIX):
        pair.associate(policy=number)
    servers, clients = [], []
    octets = 6 << 20
    for target in ("10.2.0.1", "10.2.0.9", "fd02::1"):
        server = subprocess.Popen(
            ["ip", "netns", "exec", pair.b.namespace, "python3", "-c", _SERVER, target, str(octets)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        servers.append(server)
        client = ["ip", "netns", "exec", pair.a.namespace, "python3", "-c", _CLIENT, target, port, str(octets)]
        clients.append(subprocess.Popen(client))
    send_udp(pair.a, "10.1.0.1", "10.2.0.1", 80, octets=1000, count=500)
    answers = [server.communicate(timeout=60)[0].strip() for server in servers]
    assert [client.wait(60) for client in clients] == [0, 0, 0]
    assert answers == [str(octets)] * 3
    # The device's queue is the kernel's, and may be full; what the plane took is all there.
    assert policy(pair.a, WEB).packets_out > 0
    wait_until(
        lambda: policy(pair.b, WEB).packets_in == policy(pair.a, WEB).packets_out, "no datagram is lost on the way"
    )
    assert drops(pair.a) == drops(pair.b) == {}
    # Whatever the batches do, no SA's packets overtake each other: a window of one word sees no late packet.
    assert not [event for event in pair.b.events() if isinstance(event, PlaneEvent)]


_CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30) as link:
    link.sendall((bytes(range(251)) * (int(sys.argv[3]) // 251 + 1))[:int(sys.argv[3])])
"""
_SERVER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.create_server((sys.argv[1], 0), family=family) as server:
    print(server.getsockname()[1], flush=True)
    link, _ = server.accept()
    octets, right = 0, True
    while data := link.recv(1 << 16):
        right = right and all(octet == (octets + at) % 251 for at, octet in enumerate(data[:3]))
        octets += len(data)
print(octets if right else "mixed up")
"""


def test_more_policies_than_batches_lose_nothing(pair: Pair) -> None:
    many = range(20)
    for name, peer in pair.peers.items():
        here, there = ("10.1.0", "10.2.0") if name == "a" else ("10.2.0", "10.1.0")
        parameters = pair.parameters(
            name,
            TunnelMode.IPSEC,
            policies=tuple(Policy(n, Selector(ip_network(f"{here}.{n}"), ip_network(f"{there}.{n}"))) for n in many),
        )
        peer.call("create_tunnel", parameters)
        peer.call("set_carrier", DEVICE, True)
        for n in many:
            peer.ip("addr", "add", f"{here}.{n}/32", "dev", "lo")
        peer.ip("link", "set", "dev", DEVICE, "up")
        peer.ip("route", "add", f"{there}.0/24", "dev", DEVICE)
    spis = [pair.associate(policy=n) for n in many]
    script = (
        "import socket\n"
        "links = []\n"
        "for n in range(20):\n"
        "    links.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)); links[-1].bind((f'10.1.0.{n}', 4000))\n"
        "for turn in range(20):\n"  # 400 packets: the device's queue takes 500
        "    for n, link in enumerate(links): link.sendto(bytes(100), (f'10.2.0.{n}', 5000 + turn))\n"
    )
    pair.a.execute("python3", "-c", script)
    for n in many:
        wait_until(lambda: policy(pair.b, n).packets_in == 20, f"policy {n}")  # noqa: B023
        assert pair.b.sa(Direction.IN, spis[n][0]).errors == {}
    assert pair.a.counters().drops == {}


def test_the_plane_s_own_packets_between_the_ends_are_not_sealed_again(pair: Pair) -> None:
    ends = {"a": ("10.9.0.1", "10.9.0.2"), "b": ("10.9.0.2", "10.9.0.1")}
    for name, peer in pair.peers.items():
        here, there = ends[name]
        everything = Policy(1, Selector(ip_network(here), ip_network(there)))
        parameters = pair.parameters(name, TunnelMode.IPSEC, policies=(everything,))
        peer.call("create_tunnel", replace(parameters, destination=ip_address("0.0.0.0")))
        peer.call("set_carrier", DEVICE, True)
        peer.ip("link", "set", "dev", DEVICE, "up")
    spis = pair.associate(policy=1)
    pair.a.ip("route", "add", "10.9.0.2/32", "dev", DEVICE, "src", "10.9.0.1")
    pair.a.call("open_udp", 500)
    pair.a.call("send_udp", b"IKE", "10.9.0.2", 500, 500)
    wait_until(lambda: pair.a.counters().drops.get("recursion") == 1, "IKE is not sent into its own tunnel")
    # GRE between the ends is what a crypto map may be there to protect: it is sealed, and its ESP comes back.
    pair.a.call("send_raw", 47, struct.pack("!HH", 0, 0x0800) + bytes(20), "10.9.0.2")
    wait_until(lambda: pair.a.counters().drops.get("recursion") == 2, "ESP is sealed once, not for ever")
    assert pair.a.sa(Direction.OUT, spis[0]).packets == 1
    assert policy(pair.a, 1).drops == {"recursion": 2}


def test_a_narrow_path_is_told_for_its_policy() -> None:
    with Pair(router_mtu=1300) as pair:
        sites(pair, df=DfBit.COPY)
        pair.associate(policy=WIDE)
        wait_until(
            lambda: (
                pair.a.ping("10.2.0.1", "-M", "do", "-s", "1300", "-W", "0.1", count=2) == 0
                and policy(pair.a, WIDE).drops.get("too-big", 0) > 0
            ),
            "the path MTU is learned",
        )
        (event,) = pair.a.wait_event()
        assert isinstance(event, PlaneEvent)
        assert (event.kind, event.mtu, event.policy) == (EventKind.PATH_MTU, 1300, WIDE)
        assert pair.a.ping("10.2.0.1", "-M", "dont", "-s", "1300", count=2) == 2


def test_a_vanished_policy_stops_and_the_others_go_on(pair: Pair) -> None:
    sites(pair)
    for number in (ICMP, WIDE):
        pair.associate(policy=number)
    assert pair.a.ping("10.2.0.1") == 3
    parameters = replace(pair.parameters("a", TunnelMode.IPSEC), destination=ip_address("0.0.0.0"))
    without = tuple(each for each in policies("a") if each.number != WIDE)
    pair.a.call("update_tunnel", replace(parameters, policies=without))
    assert pair.a.ping("10.2.0.1", "-W", "0.1", count=1) == 0
    assert pair.a.counters().drops == {"no-policy": 1}
    assert pair.a.ping("10.2.0.9", "-I", "10.1.0.9", count=4) == 4
    assert policy(pair.a, ICMP).packets_out == 4
