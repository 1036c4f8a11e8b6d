"""The plane in memory: the contract, and what its helpers for tests promise."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network

import pytest
from tests.plane.contract import MAP, SITES, TUNNEL, WEB, PlaneContract, association, readable

from seikan.plane.base import Direction, Encapsulation, EventKind, Lifetime, Plane, PlaneEvent, TunnelMode
from seikan.plane.memory import MemoryPlane
from seikan.wire.selector import Selector


@pytest.fixture
def plane() -> Iterator[MemoryPlane]:
    memory = MemoryPlane()
    yield memory
    memory.close()


class TestMemoryContract(PlaneContract):
    """The contract on `MemoryPlane`."""

    def arrive(self, plane: Plane, spi: int) -> None:
        assert isinstance(plane, MemoryPlane)
        plane.receive("skt0", 100, now=1.0, spi=spi)


def test_the_newest_outbound_sa_carries_and_the_one_before_takes_over(plane: MemoryPlane) -> None:
    plane.create_tunnel(TUNNEL)
    assert not plane.send("skt0", 100, now=1.0)
    plane.add_sa(association(Direction.OUT, 0x1001))
    plane.add_sa(association(Direction.OUT, 0x1002))
    assert plane.send("skt0", 100, now=2.0, packets=3)
    plane.remove_sa(Direction.OUT, 0x1002, "skt0")
    assert plane.send("skt0", 50, now=3.0)
    assert plane.sa_counters(Direction.OUT, 0x1001, "skt0").octets == 50
    counters = plane.tunnel_counters("skt0")
    assert (counters.packets_out, counters.octets_out, counters.drops) == (4, 350, {"no-sa": 1})


def test_an_encapsulated_sa_without_socket_drops_and_counts(plane: MemoryPlane) -> None:
    plane.create_tunnel(TUNNEL)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        plane.attach_udp(udp.fileno(), 4500)
        plane.add_sa(replace(association(Direction.OUT, 0x1001), encapsulation=Encapsulation(4500, 4500)))
        assert plane.send("skt0", 100, now=1.0)
        plane.detach_udp(4500)
        assert not plane.send("skt0", 100, now=2.0)
        assert plane.tunnel_counters("skt0").drops == {"no-socket": 1}


def test_lifetimes_are_reported_once(plane: MemoryPlane) -> None:
    plane.create_tunnel(TUNNEL)
    lifetime = Lifetime(soft_octets=150, hard_octets=250)
    plane.add_sa(replace(association(Direction.IN, 0x1001), lifetime=lifetime))
    results = [plane.receive("skt0", 100, now=1.0, spi=0x1001) for _ in range(4)]
    assert results == [True, True, False, False]
    assert plane.poll() == [
        PlaneEvent(EventKind.SOFT_EXPIRE, "skt0", 0x1001, Direction.IN),
        PlaneEvent(EventKind.HARD_EXPIRE, "skt0", 0x1001, Direction.IN),
    ]
    assert plane.sa_counters(Direction.IN, 0x1001, "skt0").errors == {"hard-expired": 2}


def test_injected_notices_come_in_order_and_wake(plane: MemoryPlane) -> None:
    notices = [PlaneEvent(EventKind.REPLAY, "skt0", spi) for spi in range(300)]
    for notice in notices:
        plane.inject(notice)
    assert readable(plane)
    taken = plane.poll()
    assert len(taken) == 256
    assert readable(plane)
    assert taken + plane.poll() == notices
    assert not readable(plane)


def test_an_unknown_spi_is_counted_and_reported(plane: MemoryPlane) -> None:
    plane.create_tunnel(TUNNEL)
    assert not plane.receive("skt0", 100, now=1.0, spi=0x9999)
    assert plane.drops() == {"unknown-spi": 1}
    assert plane.poll() == [PlaneEvent(EventKind.UNKNOWN_SPI, None, 0x9999, Direction.IN)]


def test_a_packet_goes_by_the_first_policy_that_has_it(plane: MemoryPlane) -> None:
    plane.create_tunnel(MAP)
    web = Selector(ip_network("10.1.0.5"), ip_network("10.2.0.6"), 6, 1234, 80)
    mail = replace(web, remote_port=25)
    elsewhere = replace(web, remote=ip_network("10.3.0.6"))
    plane.add_sa(replace(association(Direction.OUT, 0x1001), policy=WEB.number))
    assert plane.send("skt0", 100, now=1.0, traffic=web)
    assert [plane.send("skt0", 100, now=at, traffic=mail) for at in (2.0, 2.5, 3.0)] == [False] * 3
    assert not plane.send("skt0", 100, now=4.0, traffic=elsewhere)
    asked = PlaneEvent(EventKind.ACQUIRE, "skt0", None, Direction.OUT, policy=SITES.number)
    assert plane.poll() == [asked, asked], "once a second"
    assert plane.policy_counters("skt0", WEB.number).packets_out == 1
    assert plane.policy_counters("skt0", SITES.number).drops == {"no-sa": 3}
    assert plane.tunnel_counters("skt0").drops == {"no-sa": 3, "no-policy": 1}
    assert plane.sa_counters(Direction.OUT, 0x1001, "skt0").octets == 100


def test_what_comes_out_of_an_sa_is_traffic_of_its_policy(plane: MemoryPlane) -> None:
    plane.create_tunnel(MAP)
    plane.add_sa(replace(association(Direction.IN, 0x1001), policy=WEB.number))
    web = Selector(ip_network("10.1.0.5"), ip_network("10.2.0.6"), 6, 1234, 80)
    assert plane.receive("skt0", 100, now=1.0, spi=0x1001, traffic=web)
    assert not plane.receive("skt0", 100, now=2.0, spi=0x1001, traffic=replace(web, protocol=17))
    assert plane.sa_counters(Direction.IN, 0x1001, "skt0").errors == {"selector-mismatch": 1}
    for counters in (plane.policy_counters("skt0", WEB.number), plane.tunnel_counters("skt0")):
        assert (counters.packets_in, counters.drops) == (1, {"selector-mismatch": 1})


def test_clear_gre_is_not_for_a_protected_tunnel(plane: MemoryPlane) -> None:
    plane.create_tunnel(replace(TUNNEL, mode=TunnelMode.GRE, bundle="shared"))
    plane.add_sa(association(Direction.IN, 0x1001, "shared"))
    assert not plane.receive("skt0", 100, now=1.0)
    assert plane.receive("skt0", 100, now=2.0, spi=0x1001)
    assert not plane.send("skt0", 100, now=3.0)
    plane.add_sa(association(Direction.OUT, 0x1002, "shared"))
    assert plane.send("skt0", 100, now=4.0)
    assert plane.sas("shared", Direction.OUT) == [association(Direction.OUT, 0x1002, "shared")]
    counters = plane.tunnel_counters("skt0")
    assert (counters.packets_in, counters.packets_out) == (1, 1)
    assert counters.drops == {"gre-clear": 1, "no-sa": 1}


def test_a_keepalive_comes_back_once(plane: MemoryPlane) -> None:
    plane.create_tunnel(replace(TUNNEL, mode=TunnelMode.GRE))
    assert not plane.answer_keepalive("skt0")
    plane.send_keepalive("skt0")
    assert plane.answer_keepalive("skt0")
    assert not plane.answer_keepalive("skt0")
    assert plane.poll() == [PlaneEvent(EventKind.KEEPALIVE, "skt0", None)]
    assert plane.tunnel_counters("skt0").drops == {"gre-keepalive": 2}


def test_carrier_and_books_are_visible(plane: MemoryPlane) -> None:
    plane.create_tunnel(TUNNEL)
    assert not plane.carrier("skt0")
    plane.set_carrier("skt0", True)
    assert plane.carrier("skt0")
    sa = association(Direction.IN, 0x1001)
    plane.add_sa(sa)
    assert plane.sas("skt0", Direction.IN) == [sa]
    assert plane.devices == {"skt0": TUNNEL}
