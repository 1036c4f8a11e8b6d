"""GRE keepalives between two real daemons: down while the peer is silent, up again, in clear and protected."""

from __future__ import annotations

import pytest
from tests.daemon.routers import CRYPTO, Sites, type_lines, until
from tests.daemon.test_gre import KEY, TRANSPORT, both, over_ipv6

pytestmark = pytest.mark.netns

GRE = """\
interface Tunnel0
 ip address 10.0.0.{number} 255.255.255.0
 tunnel source eth0
 tunnel destination {peer}
 keepalive 1 3
"""
PROTECTION = "interface Tunnel0\n tunnel protection ipsec profile P\n"


@pytest.mark.parametrize("protected", [False, True], ids=["clear", "protected"])
def test_a_silent_peer_takes_the_tunnel_down_and_up_again(sites: Sites, protected: bool) -> None:
    both(sites, *((CRYPTO, TRANSPORT, GRE, PROTECTION) if protected else (GRE, KEY)))
    r1, r3 = sites.r1, sites.r3
    sites.start()
    shown = r1.exec("show interfaces tunnel 0")
    assert "Keepalive set (1 sec), retries 3" in shown
    # Six periods later both are still up: each returns the other's.
    switches = ("rp_filter", "accept_local")
    assert [r1.host.run("sysctl", "-n", f"net.ipv4.conf.Tunnel0.{name}").strip() for name in switches] == ["0", "1"]
    sites.provider.run(
        "nft",
        "add table inet watch; add chain inet watch f { type filter hook forward priority 0; }; "
        "add counter inet watch sent; "
        "add rule inet watch f ip saddr 10.1.12.1 ip protocol { 47, 50 } counter name sent",
    )
    before = [router.log().count("changed state to down") for router in (r1, r3)]  # R1 was up first, and alone
    until(lambda: sent(sites) > 12, 30)
    assert r1.tunnel_up()
    assert r3.tunnel_up()
    assert [router.log().count("changed state to down") for router in (r1, r3)] == before
    # What leaves R3 is lost, so neither R3's keepalives come back nor are R1's returned.
    sites.provider.run("nft", "add rule inet watch f ip saddr 10.1.23.3 ip protocol { 47, 50 } drop")
    until(lambda: not r1.tunnel_up() and not r3.tunnel_up(), 15, what=r1.log)
    assert "GRE keepalives did not come back" in r1.reason()
    assert "%LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0, changed state to down" in r1.log()
    until(lambda: "GRE keepalives did not come back" in r1.log(), 10)
    until(lambda: sent(sites) > 26, 20)  # looks at the surroundings meanwhile have nothing new to tell
    assert r1.log().count("GRE keepalives did not come back") == 1
    sites.provider.run("nft", "flush chain inet watch f")
    until(lambda: r1.tunnel_up() and r3.tunnel_up(), 15, what=r1.log)
    assert r1.host.answers("10.0.0.3")
    assert r1.stop() == 0
    until(lambda: not r3.tunnel_up(), 15)


def test_over_ipv6_they_come_back_where_both_ends_route_it(sites: Sites) -> None:
    over_ipv6(sites, CRYPTO, TRANSPORT, GRE, PROTECTION, "ipv6 unicast-routing\n")
    r1, r3 = sites.r1, sites.r3
    sites.start()
    until(lambda: r1.tunnel_up() and r3.tunnel_up() and r1.host.answers("10.0.0.3"), what=r1.log)
    type_lines(r3, "conf t", "no ipv6 unicast-routing", "end")
    until(lambda: not r1.tunnel_up(), 15, what=r1.log)
    assert "GRE keepalives did not come back" in r1.reason()
    type_lines(r3, "conf t", "ipv6 unicast-routing", "end")
    until(r1.tunnel_up, 15, what=r1.log)


def sent(sites: Sites) -> int:
    return int(sites.provider.run("nft", "list", "counter", "inet", "watch", "sent").split("packets ")[1].split()[0])
