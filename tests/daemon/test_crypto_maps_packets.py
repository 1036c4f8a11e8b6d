"""What crosses a crypto map: translated, filtered, fragmented and large packets, and GRE with OSPF over it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.map_sites import MapSites, access, encapsulated, entry, map_sites, on
from tests.daemon.routers import Router, type_lines, until
from tests.interop.network import Host

pytestmark = pytest.mark.netns
VPN = "permit ip 10.10.0.0 0.0.255.255 10.30.0.0 0.0.255.255"
BACK = "permit ip 10.30.0.0 0.0.255.255 10.10.0.0 0.0.255.255"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[MapSites]:
    with map_sites(tmp_path) as sites:
        yield sites


def pair(made: MapSites, *r1: str, vpn: tuple[str, ...] = (VPN,), back: tuple[str, ...] = (BACK,)) -> tuple[Host, Host]:
    h1, h3 = made.lan("r1"), made.lan("r3")
    made.configure("r1", access("VPN", *vpn), entry(10, "10.1.23.3", "VPN"), on(), *r1)
    made.configure("r3", access("VPN", *back), entry(10, "10.1.12.1", "VPN"), on())
    made.r1.start()
    made.r3.start()
    return h1, h3


def matches(router: Router, name: str) -> dict[int, int]:
    text = router.exec(f"show access-lists {name}")
    return {int(number): int(count) for number, count in re.findall(r"^\s+(\d+) .*\((\d+) match", text, re.MULTILINE)}


def test_translation_on_the_same_interface_with_and_without_exemption(made: MapSites) -> None:
    """IOS translates before it looks at the map: without exemption the traffic is another, and leaves translated."""
    nat = """\
interface lan0
 ip nat inside
interface eth0
 ip nat outside
ip nat inside source list NAT interface eth0 overload
"""
    h1, h3 = pair(made, nat, access("NAT", "deny ip any 10.30.0.0 0.0.255.255", "permit ip 10.10.0.0 0.0.255.255 any"))
    until(lambda: h1.answers("10.30.1.10"), what=made.logs)
    assert h3.answers("10.10.1.10")
    assert h1.answers("10.1.12.2")  # translated: the provider knows no way back to 10.10.0.0
    assert h1.answers("10.1.23.3")
    assert made.clear_packets() == 0
    assert matches(made.r1, "NAT")[20] > 0
    before = encapsulated(made.r1)
    console_lines(made.r1, "ip access-list extended NAT", "no 10")
    assert not h1.answers("10.30.1.11")  # a new connection: translated, in clear, and the provider has no route
    assert encapsulated(made.r1) == before


def console_lines(router: Router, *lines: str) -> None:
    answers = type_lines(router, "configure terminal", *lines, "end")
    assert not any("%" in text for answer in answers[1:-1] for text in answer if "SYS-5" not in text), answers


def test_access_groups_see_what_the_map_carries_and_count_it(made: MapSites) -> None:
    """As in IOS: out on the outside interface before encryption; in on the inside; and ESP itself on the outside."""
    groups = """\
interface lan0
 ip access-group LIN in
interface eth0
 ip access-group WIN in
 ip access-group WOUT out
"""
    h1, h3 = pair(
        made,
        groups,
        access("LIN", "deny tcp any any eq 81", "permit ip any any"),
        access("WOUT", "deny tcp any any eq 82", "permit ip any any"),
        access("WIN", "permit esp any any", "permit udp any any eq isakmp", "deny ip any any"),
    )
    until(lambda: h1.answers("10.30.1.10"), what=made.logs)
    for port in ("80", "81", "82"):
        h3.start("python3", "-m", "http.server", port)

    def fetched(port: int) -> bool:
        return (
            h1.run("curl", "-sm2", "-o/dev/null", "-w%{http_code}", f"http://10.30.1.10:{port}/", check=False) == "200"
        )

    until(lambda: fetched(80), what=made.logs)
    assert not fetched(81)
    assert not fetched(82)
    assert matches(made.r1, "LIN")[10] > 0
    assert matches(made.r1, "WOUT")[10] > 0
    assert matches(made.r1, "WIN")[10] > 0
    assert h3.answers("10.10.1.10")
    assert not made.provider.answers("10.1.12.1")


def test_large_packets_and_fragments(made: MapSites) -> None:
    """Of a line with ports too: what has no ports any more is its traffic as in IOS."""
    h1, h3 = pair(
        made,
        vpn=("permit icmp any any", "permit udp 10.10.0.0 0.0.255.255 eq 5001 10.30.0.0 0.0.255.255 eq 5002"),
        back=("permit icmp any any", "permit udp 10.30.0.0 0.0.255.255 eq 5002 10.10.0.0 0.0.255.255 eq 5001"),
    )
    until(lambda: h1.answers("10.30.1.10"), what=made.logs)
    fragmented = h1.run("ping", "-n", "-c1", "-W2", "-s", "6000", "10.30.1.10", check=False)
    assert "1 received" in fragmented
    refused = h1.run("ping", "-n", "-c1", "-W2", "-M", "do", "-s", "1472", "10.30.1.10", check=False)
    found = re.search(r"[Ff]rag needed.*mtu = (\d+)|mtu=(\d+)", refused)
    assert found, refused
    mtu = int(found[1] or found[2])
    assert 1300 < mtu < 1500
    assert "1 received" in h1.run(
        "ping", "-n", "-c1", "-W2", "-M", "do", "-s", str(mtu - 28), "10.30.1.10", check=False
    )
    receive = (
        "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('10.30.1.10', 5002)); s.settimeout(20);"
        "d, a = s.recvfrom(65535); s.sendto(d, a); print(len(d))"
    )
    send = (
        "import socket\n"
        "s = socket.socket(type=socket.SOCK_DGRAM)\n"
        "s.bind(('10.10.1.10', 5001))\n"
        "s.settimeout(1)\n"
        "for _ in range(20):\n"
        "    s.sendto(b'x' * 5000, ('10.30.1.10', 5002))\n"
        "    try:\n"
        "        print(len(s.recv(65535)))\n"
        "        break\n"
        "    except TimeoutError:\n"
        "        continue\n"
    )
    server = h3.start("python3", "-c", receive)
    assert h1.run("python3", "-c", send, limit=30).strip() == "5000", made.logs()
    assert server.wait(10) == 0
    assert made.clear_packets() == 0


def test_gre_with_ospf_through_a_map(made: MapSites) -> None:
    """The classic before tunnel protection: the tunnel itself is plain, and the map is for GRE between its ends."""
    tunnel = """\
interface Tunnel0
 ip address 172.16.0.{n} 255.255.255.252
 tunnel source eth0
 tunnel destination {peer}
 ip ospf hello-interval 1
 ip ospf dead-interval 4
router ospf 1
 network 172.16.0.0 0.0.0.3 area 0
 network 10.0.0.0 0.255.255.255 area 0
interface eth0
 ip ospf hello-interval 30
"""
    made.lan("r1")
    made.lan("r3")
    for role, number, other in (("r1", 1, "10.1.23.3"), ("r3", 2, "10.1.12.1")):
        own = {"r1": "10.1.12.1", "r3": "10.1.23.3"}[role]
        made.configure(
            role,
            access("VPN", f"permit gre host {own} host {other}"),
            entry(10, other, "VPN"),
            on(),
            tunnel.replace("{n}", str(number))
            .replace("{peer}", other)
            .replace("10.0.0.0 0.255.255.255", f"10.{10 * (1 if role == 'r1' else 3)}.0.0 0.0.255.255"),
        )
        made.routers[role].start()
    h1 = made.hosts["r1"]
    # Until both have the other's route, packets between the hosts are the default route's, and no map's.
    for router, network in ((made.r1, "10.30.1.0"), (made.r3, "10.10.1.0")):
        until(lambda router=router, network=network: network in router.exec("show ip route ospf"), 60, what=made.logs)
    until(lambda: h1.answers("10.30.1.10"), what=made.logs)
    assert made.clear_packets() == 0
    rules = (
        "add table ip g; add counter ip g gre; add chain ip g c { type filter hook prerouting priority 0; };"
        "add rule ip g c meta l4proto 47 counter name gre"
    )
    made.provider.run("nft", rules)
    assert h1.answers("10.30.1.10")
    assert "packets 0" in made.provider.run("nft", "list", "counter", "ip", "g", "gre")
    assert "1 received" in h1.run("ping", "-n", "-c1", "-W2", "-s", "3000", "10.30.1.10", check=False)
