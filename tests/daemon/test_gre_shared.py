"""Several protected GRE tunnels between the same two addresses: one pair of SAs, told apart by their keys."""

from __future__ import annotations

import re

import pytest
from tests.daemon.routers import CRYPTO, Router, Sites, type_lines, until
from tests.daemon.test_gre import TRANSPORT

pytestmark = pytest.mark.netns

TUNNELS = """\
interface Tunnel1
 ip address 10.0.1.{number} 255.255.255.0
 tunnel source eth0
 tunnel destination {peer}
 tunnel key 1
 tunnel protection ipsec profile P{shared}
interface Tunnel2
 ip address 10.0.2.{number} 255.255.255.0
 tunnel source eth0
 tunnel destination {peer}
 tunnel key 2
 tunnel protection ipsec profile P{shared}
"""


def both(sites: Sites, shared: str) -> None:
    for router in (sites.r1, sites.r3):
        lines = TUNNELS.replace("{number}", router.loopback[0]).replace("{shared}", shared)
        router.configure(CRYPTO, TRANSPORT, lines)


def up(sites: Sites, *numbers: int) -> bool:
    return all(router.tunnel_up(number) for router in (sites.r1, sites.r3) for number in numbers)


def answers(sites: Sites, number: int) -> bool:
    return sites.r1.host.answers(f"10.0.{number}.3")


def inbound_spis(router: Router) -> set[str]:
    """Each tunnel shows the pair that it shares."""
    return set(re.findall(r"inbound esp sas:\n +spi: (\S+)", router.exec("show crypto ipsec sa")))


def packets(router: Router, number: int) -> tuple[int, int]:
    shown = router.exec(f"show interfaces tunnel {number}")
    found = [re.search(rf"(\d+) packets {word}", shown) for word in ("input", "output")]
    assert all(found)
    return int(found[0][1]), int(found[1][1])  # type: ignore[index]


def test_one_pair_carries_both_and_each_lives_for_itself(sites: Sites) -> None:
    both(sites, " shared")
    r1, r3 = sites.r1, sites.r3
    r1.start()
    r3.start()
    until(lambda: up(sites, 1, 2), what=lambda: r1.reason(1) + r1.reason(2) + r1.log())
    assert len(inbound_spis(r1)) == 1
    spis = inbound_spis(r1)
    assert r1.exec("show crypto isakmp sa").count("QM_IDLE") == 1
    before = [packets(r1, number) for number in (1, 2)]
    assert r1.host.ping("10.0.1.3", count=3) == 3
    assert r1.host.ping("10.0.2.3", count=5) == 5
    until(lambda: packets(r1, 2)[0] >= before[1][0] + 5, 5)
    assert [
        (now[0] - was[0], now[1] - was[1]) for was, now in zip(before, [packets(r1, 1), packets(r1, 2)], strict=True)
    ] == [
        (3, 3),
        (5, 5),
    ]
    # One is shut down: at both ends the other goes on, with the same SAs.
    type_lines(r1, "conf t", "interface Tunnel1", "shutdown", "end")
    assert "administratively down" in r1.exec("show interfaces tunnel 1")
    assert answers(sites, 2)
    assert inbound_spis(r1) == spis
    type_lines(r1, "conf t", "interface Tunnel1", "no shutdown", "end")
    until(lambda: up(sites, 1, 2) and answers(sites, 1), 10, what=lambda: r1.reason(1))
    assert inbound_spis(r1) == spis
    # One is given another destination, and leaves the SAs to the other.
    type_lines(r1, "conf t", "ip route 203.0.113.9 255.255.255.255 10.1.12.2", "interface Tunnel1", "end")
    type_lines(r1, "conf t", "interface Tunnel1", "tunnel destination 203.0.113.9", "end")
    assert answers(sites, 2)
    assert inbound_spis(r1) == spis
    type_lines(r1, "conf t", "interface Tunnel1", "tunnel destination 10.1.23.3", "end")
    until(lambda: up(sites, 1, 2) and answers(sites, 1), 10, what=lambda: r1.reason(1))
    assert inbound_spis(r1) == spis
    # One loses its protection, in its turn.
    type_lines(r1, "conf t", "interface Tunnel1", "no tunnel protection ipsec profile P shared", "end")
    assert answers(sites, 2)
    assert not answers(sites, 1)
    assert inbound_spis(r1) == spis
    type_lines(r1, "conf t", "interface Tunnel1", "tunnel protection ipsec profile P shared", "end")
    until(lambda: up(sites, 1, 2) and answers(sites, 1), 10, what=lambda: r1.reason(1))
    assert inbound_spis(r1) == spis
    # One is removed at both ends.
    for router in (r1, r3):
        type_lines(router, "conf t", "no interface Tunnel1", "end")
    assert answers(sites, 2)
    assert inbound_spis(r1) == spis
    assert r1.log().count("Interface Tunnel2, changed state to down") == 1  # when it was made
    # The last one takes the SAs along.
    type_lines(r1, "conf t", "no interface Tunnel2", "end")
    until(lambda: not r3.tunnel_up(2), 10, what=r3.log)


def test_without_shared_the_second_is_down_and_says_what_to_type(sites: Sites) -> None:
    both(sites, "")
    r1, r3 = sites.r1, sites.r3
    r1.start()
    r3.start()
    until(lambda: up(sites, 1), what=lambda: r1.reason(1) + r1.log())
    until(lambda: "whose SAs it cannot share" in r1.reason(2), 5, what=lambda: r1.reason(2))
    assert "type in both tunnel protection ipsec profile P shared" in r1.reason(2)
    assert answers(sites, 1)
    spis = inbound_spis(r1)
    for router in (r1, r3):
        for number in (1, 2):
            type_lines(router, "conf t", f"interface Tunnel{number}", "tunnel protection ipsec profile P shared", "end")
    until(lambda: up(sites, 1, 2) and answers(sites, 1) and answers(sites, 2), 30, what=lambda: r1.log() + r3.log())
    assert len(inbound_spis(r1)) == 1
    assert inbound_spis(r1) & spis == set()
