"""A tunnel interface with a pair of SAs for each line of a list: edits of the list, and the way to one pair for all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.map_sites import MapSites, access, encapsulated, map_sites
from tests.daemon.routers import KEY, Router, type_lines, until

pytestmark = pytest.mark.netns
TUNNEL = """\
crypto ipsec profile P
 set transform-set T
interface Tunnel0
 ip address 172.16.0.{n} 255.255.255.252
 tunnel source eth0
 tunnel destination {peer}
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
 tunnel protection ipsec policy ipv4 VPN
ip route {net} 255.255.0.0 Tunnel0
ip route {net} 255.255.0.0 Null0 250
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[MapSites]:
    with map_sites(tmp_path) as sites:
        for role, number, peer, own, net in (("r1", 1, "10.1.23.3", 10, 30), ("r3", 2, "10.1.12.1", 30, 10)):
            sites.lan(role)
            lines = TUNNEL.replace("{n}", str(number)).replace("{peer}", peer).replace("{net}", f"10.{net}.0.0")
            sites.configure(
                role,
                access("VPN", f"permit ip 10.{own}.0.0 0.0.255.255 10.{net}.0.0 0.0.255.255"),
                lines,
                f"crypto isakmp key {KEY} address {peer}\n",
            )
            sites.routers[role].start()
        yield sites


def edit(router: Router, *lines: str) -> None:
    type_lines(router, "configure terminal", *lines, "end")


def test_from_a_pair_for_each_line_to_one_for_all_nothing_leaves_in_clear(made: MapSites) -> None:
    """R3's tunnel is down from the first edit to the second; the routes to Null0 are as a migration writes them."""
    h1 = made.hosts["r1"]
    until(lambda: h1.answers("10.30.1.10"), what=made.logs)
    stream = h1.start("ping", "-n", "-q", "-i", "0.02", "-W", "1", "10.30.1.10")
    edit(made.r1, "interface Tunnel0", "no tunnel protection ipsec policy ipv4 VPN")
    assert made.r1.tunnel_up()
    edit(made.r3, "interface Tunnel0", "no tunnel protection ipsec policy ipv4 VPN")
    until(lambda: h1.answers("10.30.1.10"), what=made.logs)
    assert "0.0.0.0/0.0.0.0/0/0" in encapsulated(made.r1)
    stream.terminate()
    stream.wait(10)
    assert made.clear_packets() == 0, made.logs()
    assert made.r1.log().count("Interface Tunnel0, changed state to down") == 1  # when it was made


def test_a_line_that_is_added_leaves_the_other_pairs_alone(made: MapSites) -> None:
    h1 = made.hosts["r1"]
    until(lambda: h1.answers("10.30.1.10"), what=made.logs)
    spis = [line for line in made.r1.exec("show crypto ipsec sa").splitlines() if "spi: 0x" in line]
    assert spis
    edit(made.r1, "ip access-list extended VPN", "5 permit ip host 10.10.1.10 host 10.31.0.1")
    after = made.r1.exec("show crypto ipsec sa")
    assert all(line in after for line in spis)
    assert "10.31.0.1/255.255.255.255/0/0" in after
    assert h1.answers("10.30.1.10")
