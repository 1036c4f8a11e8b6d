"""The ways a tunnel's packets take: IPv6 outside and inside, sizes, NAT, and addresses that change under way."""

from __future__ import annotations

import pytest
from tests.daemon.routers import CRYPTO, TUNNEL, Sites, type_lines, until

from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME, esp_plaintext_mtu

pytestmark = pytest.mark.netns

IPV6_CRYPTO = """\
crypto isakmp policy 1
 encr aes
 authentication pre-share
 group 14
crypto isakmp key {key} address ipv6 {peer}/128
crypto ipsec transform-set T esp-aes esp-sha-hmac
crypto ipsec profile P
 set transform-set T
"""
IPV6_TUNNELS = """\
interface Tunnel0
 ip address {inner} 255.255.255.252
 ipv6 address {inner6}/64
 tunnel source {own}
 tunnel destination {peer}
 tunnel mode ipsec ipv6
 tunnel protection ipsec profile P
interface Tunnel1
 ip address {gre} 255.255.255.252
 tunnel source {own}
 tunnel destination {peer}
 tunnel mode gre ipv6
"""


def test_tunnels_over_ipv6_carry_both_families(sites: Sites) -> None:
    ends = (
        (sites.r1, "2001:db8:12::1", "2001:db8:23::3", "10.9.0.1", "2001:db8:9::1", "10.8.0.1", "to-r1"),
        (sites.r3, "2001:db8:23::3", "2001:db8:12::1", "10.9.0.2", "2001:db8:9::2", "10.8.0.2", "to-r3"),
    )
    sites.provider.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.all.forwarding=1")
    for router, own, peer, inner, inner6, gre, wire in ends:
        gateway = own[: own.rindex(":")] + ":2"
        router.host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0")
        sites.provider.ip("-6", "address", "add", f"{gateway}/64", "dev", wire, "nodad")
        router.host.ip("-6", "address", "add", f"{own}/64", "dev", "eth0", "nodad")
        router.host.ip("-6", "route", "add", "default", "via", gateway)
        values = {"key": "six", "own": own, "peer": peer, "inner": inner, "inner6": inner6, "gre": gre}
        router.configure()
        router.text += IPV6_CRYPTO.format(**values) + IPV6_TUNNELS.format(**values)
    sites.start()
    until(lambda: sites.r1.tunnel_up(1) and sites.r3.tunnel_up(1), what=lambda: sites.r1.reason(1))
    for target in ("10.9.0.2", "2001:db8:9::2", "10.8.0.2"):
        assert sites.r1.exec(f"ping {target}").count("!!!!") == 1, target
    assert "2001:DB8:23::3" in sites.r1.exec("show crypto ipsec sa").upper()


def test_sizes_are_as_configured_and_follow_a_nat(sites: Sites) -> None:
    sites.provider.run(
        "nft",
        "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; "
        'add rule ip nat post oifname "to-r3" masquerade',
    )
    sites.r1.configure(CRYPTO, TUNNEL, "interface Tunnel0\n ip tcp adjust-mss 1300\n")
    sites.r3.configure(CRYPTO, TUNNEL)
    sites.r3.text = sites.r3.text.replace("destination 10.1.12.1", "destination 10.1.23.2")
    sites.r3.text = sites.r3.text.replace("address 10.1.12.1\n", "address 10.1.23.2\n")
    sites.start()
    fits = esp_plaintext_mtu(
        1500,
        outer_ipv6=False,
        udp=True,
        encryption=ENCRYPTION_BY_NAME["aes-cbc-128"],
        integrity=INTEGRITY_BY_NAME["hmac-sha1-96"],
    )
    assert f" mtu {fits} " in sites.r1.host.ip("link", "show", "Tunnel0")
    ruleset = sites.r1.host.run("nft", "list", "ruleset")
    assert 'oifname "Tunnel0"' in ruleset
    assert "1300" in ruleset
    for router, route in ((sites.r1, "3.3.3.3"), (sites.r3, "1.1.1.1")):
        type_lines(router, "conf t", f"ip route {route} 255.255.255.255 Tunnel0", "end")
    until(lambda: sites.r1.host.answers("3.3.3.3", "1.1.1.1"), 10)
    answer = sites.r1.exec(f"ping 3.3.3.3 source loopback0 size {fits} df-bit")
    assert "!!!!" in answer
    type_lines(sites.r1, "conf t", "interface Tunnel0", "ip mtu 1300", "no ip tcp adjust-mss", "end")
    assert " mtu 1300 " in sites.r1.host.ip("link", "show", "Tunnel0")
    assert sites.r1.host.run("nft", "list", "ruleset") == ""
    assert sites.r1.tunnel_up()
    # counters and rates are what crossed
    shown = sites.r1.exec("show interfaces tunnel 0")
    assert "Last input never" not in shown
    before = sites.r1.exec("show crypto ipsec sa")
    assert "#pkts encaps: 0" not in before
    sites.r1.exec("clear counters tunnel 0")
    sites.r1.exec("clear crypto sa counters")
    assert "     0 packets input" in sites.r1.exec("show interfaces tunnel 0")
    assert "#pkts encaps: 0, #pkts encrypt: 0" in sites.r1.exec("show crypto ipsec sa")
    brief = [line.split()[0] for line in sites.r1.exec("show ip interface brief").splitlines()[1:]]
    assert brief == ["eth0", "Loopback0", "Tunnel0"]


def test_addresses_that_change_under_way(sites: Sites) -> None:
    """The lender's and the source's address is the operating system's, and changes as a DHCP client would do it."""
    r1, r3 = sites.r1, sites.r3
    r1.configure(CRYPTO, TUNNEL)
    r1.text = r1.text.replace("interface eth0\n ip address 10.1.12.1 255.255.255.0\n", "interface eth0\n")
    r1.text = r1.text.replace("ip unnumbered Loopback0", "ip unnumbered eth0")
    r1.host.ip("address", "add", "10.1.12.1/24", "dev", "eth0")
    r3.configure(CRYPTO, TUNNEL)
    r3.text += "crypto isakmp key Between-R1-and-R3 address 10.1.12.9\n"
    sites.start()
    assert "10.1.12.1/32" in r1.host.ip("address", "show", "Tunnel0")
    r1.host.ip("address", "del", "10.1.12.1/24", "dev", "eth0")
    r1.host.ip("address", "add", "10.1.12.9/24", "dev", "eth0")
    until(lambda: "10.1.12.9/32" in r1.host.ip("address", "show", "Tunnel0"), 5, what=r1.log)
    assert "10.1.12.1/32" not in r1.host.ip("address", "show", "Tunnel0")
    type_lines(r3, "conf t", "interface Tunnel0", "tunnel destination 10.1.12.9", "end")
    until(lambda: r1.tunnel_up() and r3.tunnel_up(), 40, what=lambda: r1.reason() + r3.reason() + r1.log())
    assert "local addr 10.1.12.9" in r1.exec("show crypto ipsec sa")
