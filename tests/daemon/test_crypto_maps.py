"""Crypto maps between two real daemons: what the access lists say is encrypted, and nothing of it is seen in clear."""

from __future__ import annotations

import re

import pytest
from tests.daemon.routers import CRYPTO, Router, Sites, until

pytestmark = pytest.mark.netns

LANS = {"r1": ("10.10.1.1", "10.10.2.1"), "r3": ("10.30.1.1", "10.30.2.1")}
MAP = """\
crypto map M 10 ipsec-isakmp
 set peer {peer}
 set transform-set T
 match address VPN
interface eth0
 crypto map M
"""


def lines(own: str, other: str) -> str:
    """Two LANs, and a line of the access list for each pair of first and second ones."""
    first, second = LANS[own]
    there = LANS[other]
    return f"""\
interface Loopback1
 ip address {first} 255.255.255.0
interface Loopback2
 ip address {second} 255.255.255.0
ip access-list extended VPN
 permit ip {first[:-1]}0 0.0.0.255 {there[0][:-1]}0 0.0.0.255
 permit ip {second[:-1]}0 0.0.0.255 {there[1][:-1]}0 0.0.0.255
"""


def both(sites: Sites) -> None:
    for own, other, router in (("r1", "r3", sites.r1), ("r3", "r1", sites.r3)):
        router.configure(CRYPTO, MAP, lines(own, other))
        router.start()


def idents(router: Router) -> list[str]:
    return re.findall(r"local  ident \(addr/mask/prot/port\): \((.*)\)", router.exec("show crypto ipsec sa"))


def test_each_line_has_its_own_pair_when_traffic_asks_for_it(sites: Sites) -> None:
    both(sites)
    r1 = sites.r1
    assert r1.exec("show crypto isakmp sa").count("QM_IDLE") == 0
    until(lambda: r1.host.answers("10.30.1.1", "10.10.1.1"), what=lambda: r1.log() + sites.r3.log())
    assert idents(r1) == ["10.10.1.0/255.255.255.0/0/0", "10.10.2.0/255.255.255.0/0/0"]
    assert r1.exec("show crypto session").count("Active SAs: 2") == 1
    until(lambda: r1.host.answers("10.30.2.1", "10.10.2.1"))
    session = r1.exec("show crypto session")
    assert session.count("Active SAs: 2") == 2
    assert session.count("IKEv1 SA") == 1
    assert not r1.host.answers("10.30.2.1", "10.10.1.1")  # no line has both, and the provider knows neither


def test_a_filter_that_others_flush_is_back_at_once(sites: Sites) -> None:
    r1 = sites.r1
    r1.configure(CRYPTO, MAP, lines("r1", "r3"))
    r1.start()
    for _ in range(3):
        assert "table inet seikan_" in r1.host.run("nft", "list", "tables")
        r1.host.run("nft", "flush", "ruleset")
        until(lambda: "table inet seikan_" in r1.host.run("nft", "list", "tables"), 2.0, what=r1.log)
