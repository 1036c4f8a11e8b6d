"""Dynamic crypto maps and reverse routes between real daemons: peers that come, move and go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.map_sites import MapSites, access, encapsulated, entry, map_sites, on
from tests.daemon.routers import KEY, type_lines, until

pytestmark = pytest.mark.netns
SPEED = 3.0  # of all clocks: dead peer detection takes 20 seconds
HUB = """\
crypto isakmp keepalive 10 2 periodic
crypto dynamic-map SITES 10
 set transform-set T
 reverse-route
 set security-association idle-time 3600
crypto map M 65000 ipsec-isakmp dynamic SITES
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[MapSites]:
    with map_sites(tmp_path) as sites:
        for role in ("r1", "r3"):
            sites.lan(role)
        sites.third()
        sites.lan("r4")
        for router in sites.routers.values():
            router.speed = SPEED
        yield sites


def flows(made: MapSites) -> set[str]:
    return set(encapsulated(made.r1))


def test_peers_that_nobody_knows_come_move_and_go(made: MapSites) -> None:
    h1, h3, h4 = (made.hosts[role] for role in ("r1", "r3", "r4"))
    made.configure("r1", HUB, on(), keys=("0.0.0.0 0.0.0.0",))
    for role, net in (("r3", "10.30.1.0"), ("r4", "10.30.9.0")):
        made.configure(
            role,
            access("VPN", f"permit ip {net} 0.0.0.255 10.10.0.0 0.0.255.255"),
            entry(10, "10.1.12.1", "VPN"),
            "crypto isakmp keepalive 10 2 periodic\n",
            on(),
        )
    for router in made.routers.values():
        router.start()
    assert not h1.answers("10.30.1.10")  # the hub has no flow for it, and no route but the default one
    leaked = made.clear_packets()
    until(lambda: h3.answers("10.10.1.10"), what=made.logs)
    until(lambda: h4.answers("10.10.1.10"), what=made.logs)
    assert h1.answers("10.30.1.10")
    assert h1.answers("10.30.9.10")
    assert flows(made) == {"10.30.1.0/255.255.255.0/0/0", "10.30.9.0/255.255.255.0/0/0"}
    until(lambda: "10.30.9.0" in made.r1.exec("show ip route static"), what=made.logs)
    assert "10.30.1.0 [1/0] via 10.1.23.3" in made.r1.exec("show ip route static")
    session = made.r1.exec("show crypto session")
    assert "10.1.23.3" in session
    assert "10.1.24.4" in session
    # R4 gets another address, without a goodbye
    made.provider.ip("address", "add", "10.1.25.2/24", "dev", "to-r4")
    type_lines(
        made.r4,
        "configure terminal",
        "interface eth0",
        "ip address 10.1.25.4 255.255.255.0",
        "no ip route 0.0.0.0 0.0.0.0 10.1.24.2",
        "ip route 0.0.0.0 0.0.0.0 10.1.25.2",
        "end",
    )
    until(lambda: h4.answers("10.10.1.10"), 60, what=made.logs)
    assert h1.answers("10.30.9.10")
    assert h1.answers("10.30.1.10")
    until(lambda: "via 10.1.25.4" in made.r1.exec("show ip route static"), what=made.logs)
    assert "via 10.1.24.4" not in made.r1.exec("show ip route static")
    # R3 dies
    made.r3.kill()
    until(lambda: flows(made) == {"10.30.9.0/255.255.255.0/0/0"}, 60, what=made.logs)
    until(lambda: "10.30.1.0" not in made.r1.exec("show ip route static"), what=made.logs)
    table = made.r1.host.run("nft", "list", "ruleset")
    assert "10.30.9.0/24" in table
    assert "10.30.1.0/24" not in table
    # R4 says goodbye
    made.r4.stop()
    until(lambda: not flows(made), 30, what=made.logs)
    assert "10.30.9.0/24" not in made.r1.host.run("nft", "list", "ruleset")
    assert made.clear_packets() == leaked


def test_a_list_of_a_dynamic_map_permits_denies_and_keeps_in(made: MapSites) -> None:
    h1, h3, h4 = (made.hosts[role] for role in ("r1", "r3", "r4"))
    made.configure(
        "r1",
        access(
            "SITES",
            "deny ip 10.10.0.0 0.0.255.255 10.30.9.0 0.0.0.255",
            "permit ip 10.10.0.0 0.0.255.255 10.30.0.0 0.0.255.255",
        ),
        HUB.replace(" set transform-set T", " match address SITES\n set transform-set T"),
        on(),
        keys=("0.0.0.0 0.0.0.0",),
    )
    for role, net in (("r3", "10.30.1.0"), ("r4", "10.30.9.0")):
        made.configure(
            role, access("VPN", f"permit ip {net} 0.0.0.255 10.10.0.0 0.0.255.255"), entry(10, "10.1.12.1", "VPN"), on()
        )
    for router in made.routers.values():
        router.start()
    assert not h1.answers("10.30.1.10")  # no peer has SAs for it yet
    assert made.clear_packets() == 0
    until(lambda: h3.answers("10.10.1.10"), what=made.logs)
    assert h1.answers("10.30.1.10")
    assert not h4.answers("10.10.1.10")
    assert flows(made) == {"10.30.1.0/255.255.255.0/0/0"}
    assert made.clear_packets() == 0


def test_reverse_routes_of_every_kind(made: MapSites) -> None:
    """Static, with distance and tag, and with a gateway for the peer."""
    made.configure(
        "r1",
        access("TO3", "permit ip 10.10.0.0 0.0.255.255 10.30.1.0 0.0.0.255"),
        access("TO4", "permit ip 10.10.0.0 0.0.255.255 10.30.9.0 0.0.0.255"),
        entry(10, "10.1.23.3", "TO3", "set reverse-route distance 20", "set reverse-route tag 7", "reverse-route"),
        entry(20, "10.1.24.4", "TO4", "reverse-route remote-peer 10.1.12.2 gateway static"),
        on(),
    )
    made.configure(
        "r3", access("VPN", "permit ip 10.30.1.0 0.0.0.255 10.10.0.0 0.0.255.255"), entry(10, "10.1.12.1", "VPN"), on()
    )
    made.r1.start()
    made.r3.start()
    until(lambda: "10.30.9.0" in made.r1.exec("show ip route static"), what=made.logs)
    routes = made.r1.exec("show ip route static")
    assert "10.30.1.0" not in routes
    assert "via 10.1.24.4" in routes
    assert "10.1.24.4/32" in routes
    until(lambda: made.hosts["r1"].answers("10.30.1.10"), what=made.logs)
    until(lambda: "10.30.1.0" in made.r1.exec("show ip route static"), what=made.logs)
    assert "[20/0] via 10.1.23.3" in made.r1.exec("show ip route static")
    type_lines(made.r1, "clear crypto session")
    type_lines(made.r3, "configure terminal", "interface eth0", "no crypto map M", "end")
    until(lambda: "10.30.1.0" not in made.r1.exec("show ip route static"), what=made.logs)
    assert made.r1.exec(f"show running-config | include {KEY}") != ""
    assert made.clear_packets() == 0
