"""What IKEv2 carries between two daemons: a hub's spoke, GRE, a crypto map, both IP versions; and by certificates."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from tests.crypto.authority import Authority
from tests.crypto.authority import key as new_key
from tests.crypto.test_pki import pkcs12_file
from tests.daemon.routers import Router, Sites, two_routers, type_lines, until
from tests.interop.network import stop

from seikan.system.state import StateDirectory
from seikan.wire.secret import Secret

pytestmark = pytest.mark.netns

PRE_SHARED = """\
crypto ikev2 keyring RING
 peer there
  address {peer}
  pre-shared-key {key}
crypto ikev2 profile ROAD
 match identity remote address {peer} 255.255.255.255
 authentication local pre-share
 authentication remote pre-share
 keyring local RING
"""
PRE_SHARED_IPV6 = """\
crypto ikev2 keyring RING
 peer there6
  address {peer6}/128
  pre-shared-key {key}
crypto ikev2 profile ROAD
 match identity remote address {peer6}/128
"""
IPSEC = """\
crypto ipsec transform-set T esp-gcm
 mode {mode}
crypto ipsec profile P
 set transform-set T
 set ikev2-profile ROAD
"""
TUNNEL = """\
interface Tunnel0
 ip unnumbered Loopback0
 tunnel source eth0
 tunnel destination {peer}
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
ip route {far} 255.255.255.255 Tunnel0
"""
PASSWORD = Secret(b"open-sesame")
FAR = {"1.1.1.1": "3.3.3.3", "3.3.3.3": "1.1.1.1"}
OVER_IPV6 = {"1.1.1.1": ("2001:db8:12::1", "2001:db8:12::2"), "3.3.3.3": ("2001:db8:23::3", "2001:db8:23::2")}


def configure(router: Router, *parts: str, mode: str = "tunnel") -> None:
    values = {"{far}": FAR[router.loopback], "{mode}": mode, "{peer6}": OVER_IPV6[FAR[router.loopback]][0]}
    for name, value in values.items():
        parts = tuple(part.replace(name, value) for part in parts)
    router.configure(*parts)


def logs(sites: Sites) -> str:
    return sites.r1.log() + sites.r3.log()


def established(router: Router) -> bool:
    return "READY" in router.exec("show crypto ikev2 sa")


def test_a_spoke_gets_an_interface_of_its_own(sites: Sites) -> None:
    template = """\
interface Virtual-Template1 type tunnel
 ip unnumbered Loopback0
 tunnel source eth0
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
"""
    fast = " ip ospf hello-interval 1\n ip ospf dead-interval 4\n"
    routing = "router ospf 1\n router-id {loopback}\n network {loopback} 0.0.0.0 area 0\n"
    configure(sites.r1, PRE_SHARED + " virtual-template 1\n", IPSEC, template + fast, routing)
    configure(sites.r3, PRE_SHARED, IPSEC, TUNNEL.partition("ip route")[0] + fast, routing)
    sites.r1.start()
    sites.r3.start()
    until(sites.r3.tunnel_up, what=lambda: logs(sites))
    line = "Virtual-Access1 is up, line protocol is up"
    until(lambda: line in sites.r1.exec("show interfaces Virtual-Access1", check=False), what=lambda: logs(sites))
    until(lambda: sites.r3.host.answers("1.1.1.1", "3.3.3.3"), what=lambda: logs(sites))
    session = sites.r1.exec("show crypto session detail")
    assert "Interface: Virtual-Access1\nProfile: ROAD" in session
    assert "IKEv2 SA: local 10.1.12.1/500 remote 10.1.23.3/500 Active" in session


def underlay(sites: Sites) -> None:
    """IPv6 beside IPv4 on the wires between the routers."""
    for host in (sites.r1.host, sites.r3.host, sites.provider):
        host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0")
    sites.provider.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    for router, device in ((sites.r1, "to-r1"), (sites.r3, "to-r3")):
        own, gateway = OVER_IPV6[router.loopback]
        sites.provider.ip("-6", "address", "add", f"{gateway}/64", "dev", device, "nodad")
        router.host.ip("-6", "address", "add", f"{own}/64", "dev", "eth0", "nodad")
        router.host.ip("-6", "route", "add", "default", "via", gateway)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """R1 and R3 with GRE in transport mode; the tests after it turn Tunnel0 into all else, one after the other."""
    with two_routers(tmp_path_factory.mktemp("ways")) as made:
        underlay(made)
        for router in (made.r1, made.r3):
            gre = TUNNEL.replace("ipsec ipv4", "gre ip")
            configure(router, PRE_SHARED, PRE_SHARED_IPV6, IPSEC, gre, mode="transport")
        made.start()
        yield made


def type_at_both(sites: Sites, *lines: str) -> None:
    """Each with the addresses of its router."""
    for router in (sites.r1, sites.r3):
        own = {"peer": router.peer, "loopback": router.loopback, "far": FAR[router.loopback]}
        own |= {"number": router.loopback[0], "peer6": OVER_IPV6[FAR[router.loopback]][0]}
        type_lines(router, "conf t", *(line.format(**own) for line in lines), "end")


def test_gre_is_carried_in_transport_mode(running: Sites) -> None:
    r1 = running.r1
    until(lambda: r1.host.answers("3.3.3.3", "1.1.1.1"), what=lambda: logs(running))
    shown = r1.exec("show crypto ipsec sa")
    assert "in use settings ={Transport" in shown
    assert "(10.1.12.1/255.255.255.255/47/0)" in shown


def test_mixed_mode_carries_both_versions_in_one_pair(running: Sites) -> None:
    r1 = running.r1
    type_at_both(
        running,
        *("crypto ipsec transform-set T esp-gcm", "mode tunnel", "crypto ipsec profile P", "set mixed-mode"),
        *("interface Tunnel0", "tunnel mode ipsec ipv4", "ipv6 address 2001:db8:f::{number}/64"),
    )
    until(lambda: r1.host.answers("3.3.3.3", "1.1.1.1"), what=lambda: logs(running))
    until(lambda: r1.host.answers("2001:db8:f::3"), what=lambda: logs(running))


def test_both_versions_are_carried_over_ipv6(running: Sites) -> None:
    r1 = running.r1
    type_at_both(
        running,
        *("crypto ipsec profile P", "no set mixed-mode"),
        *("interface Tunnel0", "tunnel mode ipsec dual-overlay", "tunnel destination {peer6}"),
    )
    until(lambda: r1.host.answers("3.3.3.3", "1.1.1.1"), what=lambda: logs(running))
    until(lambda: r1.host.answers("2001:db8:f::3"), what=lambda: logs(running))
    shown = r1.exec("show crypto ikev2 sa")
    assert "Local  2001:DB8:12::1/500" in shown
    assert "Remote 2001:DB8:23::3/500" in shown
    mtu = re.search(r"Tunnel transport MTU (\d+)", r1.exec("show interfaces tunnel 0"))
    assert mtu is not None
    assert 1280 <= int(mtu[1]) < 1440


def test_ipv6_alone_is_carried_over_ipv6(running: Sites) -> None:
    r1 = running.r1
    type_at_both(running, "interface Tunnel0", "tunnel mode ipsec ipv6")
    until(lambda: r1.host.answers("2001:db8:f::3"), what=lambda: logs(running))
    shown = r1.exec("show crypto ipsec sa")
    assert "local  ident (addr/mask/prot/port): (::/0/0/0)" in shown
    assert "0.0.0.0/0.0.0.0" not in shown


def test_a_crypto_map_negotiates_when_traffic_asks(running: Sites) -> None:
    r1 = running.r1
    type_at_both(running, "interface Tunnel0", "shutdown")
    until(lambda: not established(r1), what=lambda: logs(running))
    type_at_both(
        running,
        *("no ip route {far} 255.255.255.255 Tunnel0",),
        *("ip access-list extended VPN", "permit ip host {loopback} host {far}"),
        *("crypto map MAP 10 ipsec-isakmp", "set peer {peer}", "set transform-set T"),
        *("set ikev2-profile ROAD", "match address VPN", "interface eth0", "crypto map MAP"),
    )
    assert not established(r1)
    until(lambda: r1.host.answers("3.3.3.3", "1.1.1.1"), what=lambda: logs(running))
    assert established(r1)
    session = r1.exec("show crypto session")
    assert "Interface: eth0" in session
    assert "IKEv2 SA: local 10.1.12.1/500 remote 10.1.23.3/500 Active" in session
    assert "permit ip host 1.1.1.1 host 3.3.3.3" in session


CERTIFICATES = """\
crypto pki trustpoint CA
 enrollment pkcs12
 revocation-check {revocation}
crypto ikev2 profile ROAD
 match identity remote fqdn domain example.net
 identity local fqdn {name}
 authentication local rsa-sig
 authentication remote rsa-sig
 pki trustpoint CA
"""


DAY = timedelta(days=1)


@pytest.fixture
def authority(sites: Sites, tmp_path: Path) -> Iterator[tuple[Authority, Path]]:
    """An authority of today, and the file that the provider's web server gives as its CRL."""
    (tmp_path / "web").mkdir()
    command = (sys.executable, "-m", "http.server", "-b", "10.1.12.2", "-d", str(tmp_path / "web"), "80")
    server = sites.provider.start(*command, log=tmp_path / "web.log")
    now = datetime.now(UTC)
    try:
        yield Authority("Example CA", start=now - DAY, end=now + DAY), tmp_path / "web" / "ca.crl"
    finally:
        stop(server)


def test_certificates_are_imported_and_a_revoked_one_is_refused(
    sites: Sites, authority: tuple[Authority, Path]
) -> None:
    made, crl = authority
    now = datetime.now(UTC)
    crl.write_bytes(made.crl(start=now - DAY, end=now + DAY))
    point = x509.DistributionPoint([x509.UniformResourceIdentifier("http://10.1.12.2/ca.crl")], None, None, None)
    for number, (router, revocation) in enumerate(((sites.r1, "crl"), (sites.r3, "none"))):
        name = f"{router.name[-2:]}.example.net"
        key = new_key("rsa2048", number)
        own = made.issue(
            name,
            own=key,
            names=[x509.DNSName(name)],
            extensions=[(x509.CRLDistributionPoints([point]), False)],
            start=now - DAY,
            end=now + DAY,
            serial=100 + number,
        )
        configure(router, CERTIFICATES.replace("{name}", name).replace("{revocation}", revocation), IPSEC, TUNNEL)
        router.directory.mkdir(parents=True)
        StateDirectory(router.startup).write(pkcs12_file(made, key, own, PASSWORD), "flash", "own.p12")
        router.start()
        assert "successfully" in router.exec("crypto pki import CA pkcs12 flash:own.p12 password open-sesame")
        router.exec("write memory")
    r1, r3 = sites.r1, sites.r3
    until(lambda: r1.host.answers("3.3.3.3", "1.1.1.1"), what=lambda: logs(sites))
    shown = r1.exec("show crypto ikev2 sa detailed")
    assert "Auth sign: RSA, Auth verify: RSA" in shown
    assert "Remote id: r3.example.net" in shown
    assert "cn=r3.example.net" not in r1.exec("show crypto pki certificates")
    saved = r1.startup.read_text()
    assert "crypto pki certificate chain CA" in saved
    for text in (saved, r1.exec("show running-config"), logs(sites)):
        assert "PRIVATE KEY" not in text
        assert "open-sesame" not in text
    # the next list has the other router's certificate
    crl.write_bytes(made.crl(101, start=now - DAY, end=now + DAY))
    r1.kill()
    r1.start()
    until(lambda: "revoked" in r1.exec("explain Tunnel0"), 30, what=lambda: logs(sites))
    assert not r1.host.answers("3.3.3.3", "1.1.1.1")
    assert r3.exec("show crypto pki trustpoints status").count("Keys generated ............. Yes") == 1
