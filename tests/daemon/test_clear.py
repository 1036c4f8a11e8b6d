"""`clear crypto …` and a new MTU while OSPF runs over the tunnel."""

from __future__ import annotations

import re

import pytest
from tests.daemon.routers import CRYPTO, OSPF, TUNNEL, Router, Sites, type_lines, until

from seikan.lab.driver import Console

pytestmark = pytest.mark.netns


def spis(router: Router) -> set[str]:
    return set(re.findall(r"spi: 0x([0-9A-F]+)\(", router.exec("show crypto ipsec sa | include spi: 0x")))


def carrier_changes(router: Router) -> str:
    return router.host.run("cat", "/sys/class/net/Tunnel0/carrier_changes")


def test_clear_costs_no_adjacency_and_a_dead_peer_is_down_at_once(sites: Sites) -> None:
    r1, r3 = sites.r1, sites.r3
    for router in (r1, r3):
        router.configure(CRYPTO, TUNNEL, OSPF)
    sites.start()
    until(lambda: r1.host.answers("3.3.3.3", "1.1.1.1"), 30, what=r1.log)
    until(lambda: all("to FULL" in router.log() for router in (r1, r3)), 20)
    before = [(carrier_changes(router), router.log().count("ADJCHG")) for router in (r1, r3)]
    for command in ("clear crypto sa", "clear crypto session"):
        old = spis(r1)
        cookies = r1.exec("show crypto isakmp sa")
        r1.exec(command)
        until(lambda old=old: spis(r1) and not spis(r1) & old, 10)
        assert r1.host.answers("3.3.3.3", "1.1.1.1")
        assert (r1.exec("show crypto isakmp sa") != cookies) == (command == "clear crypto session")
    old = spis(r3)
    type_lines(r3, "clear crypto sa peer 10.1.12.1")
    until(lambda: spis(r3) and not spis(r3) & old, 10)
    assert r3.tunnel_up()
    assert [(carrier_changes(router), router.log().count("ADJCHG")) for router in (r1, r3)] == before, (
        r1.log() + r3.log()
    )
    # ospfd resets an interface whose MTU has changed; its carrier stays
    console = Console({"r1": r1.login()}, lambda _router, _line: None)
    try:
        console.ready("r1")
        assert "IP routing debugging is on" in console.type("r1", "debug ip routing")
        assert "  IP routing debugging is on" in console.type("r1", "show debugging")
        for line in ("conf t", "ip route 9.9.9.9 255.255.255.255 10.1.12.2"):
            console.type("r1", line)
        console.expect("r1", r"RT: add 9\.9\.9\.9/32 via 10\.1\.12\.2, static metric \[1/0\]", 10)
        console.type("r1", "no ip route 9.9.9.9 255.255.255.255 10.1.12.2")
        console.expect("r1", r"RT: del 9\.9\.9\.9/32 via 10\.1\.12\.2, static metric \[1/0\]", 10)
        console.type("r1", "interface tunnel 0")
        console.type("r1", "ip mtu 1300")
        console.expect("r1", r"RT: del 3\.3\.3\.3/32 via 3\.3\.3\.3, ospf metric \[110/\d+\]", 10)
        until(lambda: r1.log().count("ADJCHG") > before[0][1], 10)
        console.type("r1", "no ip mtu")
        console.expect("r1", r"RT: add 3\.3\.3\.3/32 via 3\.3\.3\.3, ospf metric \[110/\d+\]", 30)
    finally:
        console.close()
    assert "%TUN-5-MTU: Tunnel0: the IP MTU is now 1300 octets" in r1.log()
    assert carrier_changes(r1) == before[0][0]
    # nobody answers any more: not even a clear keeps the line protocol up until that is noticed, after a minute
    sites.provider.ip("link", "set", "to-r3", "down")
    r1.exec("clear crypto sa")
    until(lambda: not r1.carrier(), 30, what=r1.log)
