"""Entries with several peers: one fails and another takes over, the default one comes back, a standby one begins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.map_sites import MapSites, access, entry, idents, map_sites, on
from tests.daemon.routers import Router, type_lines, until

pytestmark = pytest.mark.netns
SPEED = 4.0  # of all clocks: a peer that is silent from the start is given up after 80 seconds
DPD = "crypto isakmp keepalive 10 2 periodic\n"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[MapSites]:
    with map_sites(tmp_path) as sites:
        yield sites


def with_standby(made: MapSites, *r1: str, default: str = "") -> None:
    """R1 reaches 10.30.0.0/16 by R3 or R4, which are both routers of that site and share its address 10.30.0.1."""
    made.lan("r1")
    made.third()
    for router in made.routers.values():
        router.speed = SPEED
    made.configure(
        "r1",
        DPD,
        access("VPN", "permit ip 10.10.0.0 0.0.255.255 10.30.0.0 0.0.255.255"),
        entry(10, f"10.1.23.3{default}", "VPN", "set peer 10.1.24.4"),
        on(),
        *r1,
    )
    for role in ("r3", "r4"):
        made.configure(
            role,
            access("VPN", "permit ip 10.30.0.0 0.0.255.255 10.10.0.0 0.0.255.255"),
            entry(10, "10.1.12.1", "VPN"),
            "interface Loopback2\n ip address 10.30.0.1 255.255.255.255\n",
            on(),
        )


def peer(router: Router) -> str:
    """The peer of the only entry."""
    return idents(router)[0][2]


def test_a_peer_that_does_not_answer_is_followed_by_the_next_and_the_default_comes_back(made: MapSites) -> None:
    with_standby(made, default=" default")
    h1 = made.hosts["r1"]
    made.r1.start()
    made.r4.start()
    until(lambda: h1.answers("10.30.0.1"), 120, what=made.logs)
    assert peer(made.r1) == "10.1.24.4"
    assert "PEER_CHANGE" in made.r1.log()
    made.r3.start()
    assert h1.answers("10.30.0.1")
    assert peer(made.r1) == "10.1.24.4"  # what works goes on
    type_lines(made.r4, "configure terminal", "interface eth0", "no crypto map M", "end")  # its SAs go
    until(lambda: h1.answers("10.30.0.1") and peer(made.r1) == "10.1.23.3", 60, what=made.logs)
    assert made.clear_packets() == 0


def test_a_dead_peer_is_followed_by_the_next_under_traffic(made: MapSites) -> None:
    with_standby(made)
    h1 = made.hosts["r1"]
    for router in made.routers.values():
        router.start()
    until(lambda: h1.answers("10.30.0.1"), what=made.logs)
    assert peer(made.r1) == "10.1.23.3"
    made.provider.ip("link", "set", "to-r3", "down")
    until(lambda: h1.answers("10.30.0.1"), 60, what=made.logs)
    assert peer(made.r1) == "10.1.24.4"
    assert made.clear_packets() == 0


def test_a_standby_that_begins_is_the_peer_in_use(made: MapSites) -> None:
    with_standby(made)
    for router in made.routers.values():
        router.start()
    until(lambda: made.r4.host.answers("10.10.1.10", "10.30.0.1"), what=made.logs)
    until(lambda: peer(made.r1) == "10.1.24.4", what=made.logs)
    assert made.hosts["r1"].answers("10.30.0.1")
    assert "10.1.23.3" not in made.r1.exec("show crypto isakmp sa")
    assert made.clear_packets() == 0
