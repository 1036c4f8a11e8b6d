"""GRE over IPsec between two real daemons: both modes, keys, both families, NAT, sizes, rekeying, OSPF over it."""

from __future__ import annotations

import re
import struct
from ipaddress import ip_address

import pytest
from tests.daemon.routers import CRYPTO, Router, Sites, type_lines, until
from tests.interop.network import Host, ping_command, received

from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME, tunnel_mtu

pytestmark = pytest.mark.netns

AES, SHA1 = ENCRYPTION_BY_NAME["aes-cbc-128"], INTEGRITY_BY_NAME["hmac-sha1-96"]
TRANSPORT = "crypto ipsec transform-set T esp-aes esp-sha-hmac\n mode transport\n"
GRE = """\
interface Tunnel0
 ip address 10.0.0.{number} 255.255.255.0
 ipv6 address 2001:db8::{number}/64
 tunnel source eth0
 tunnel destination {peer}
 tunnel protection ipsec profile P
"""
KEY = "interface Tunnel0\n tunnel key 5\n"
OSPF = """\
interface Tunnel0
 ip ospf hello-interval 1
 ip ospf dead-interval 4
router ospf 1
 router-id {loopback}
 network {loopback} 0.0.0.0 area 0
 network 10.0.0.0 0.0.0.255 area 0
"""


def configure(router: Router, *parts: str) -> None:
    """`{number}` is 1 of R1 and 3 of R3."""
    router.host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0")
    router.configure(*(part.replace("{number}", router.loopback[0]) for part in parts))


def both(sites: Sites, *parts: str) -> None:
    for router in (sites.r1, sites.r3):
        configure(router, *parts)


def shown_mtu(router: Router, number: int = 0) -> int:
    found = re.search(r"Tunnel transport MTU (\d+) bytes", router.exec(f"show interfaces tunnel {number}"))
    assert found is not None
    return int(found[1])


def assert_fits(sites: Sites, fits: int, *targets: str) -> None:
    """Of each family the longest packet passes with DF, and one octet more is answered with the MTU."""
    assert (shown_mtu(sites.r1), shown_mtu(sites.r3)) == (fits, fits)
    for target in targets:
        length = fits - (48 if ":" in target else 28)
        assert received(ping_whole(sites.r1.host, target, length)) == 2
        said = ping_whole(sites.r1.host, target, length + 1)
        assert received(said) == 0
        assert f"message too long, mtu={fits}" in said or f"message too long, mtu: {fits}" in said, said


def ping_whole(host: Host, target: str, payload: int) -> str:
    """What two echo requests of `payload` octets with DF came to, with what ping says on standard error."""
    return host.run("sh", "-c", f"ping -n -c 2 -i 0.1 -W 2 -M do -s {payload} {target} 2>&1", check=False)


def full(router: Router) -> bool:
    return "FULL" in router.exec("show ip ospf neighbor")


def gre_seen(sites: Sites) -> int:
    """GRE packets in clear that the provider has forwarded since `count_gre`."""
    found = re.search(r"counter packets (\d+)", sites.provider.run("nft", "list", "table", "inet", "watch"))
    assert found is not None
    return int(found[1])


def count_gre(sites: Sites) -> None:
    sites.provider.run(
        "nft",
        "add table inet watch; add chain inet watch f { type filter hook forward priority 0; }; "
        "add rule inet watch f meta l4proto 47 counter",
    )


@pytest.mark.parametrize("transport", [True, False], ids=["transport", "tunnel"])
def test_ospf_and_both_families_cross(sites: Sites, transport: bool) -> None:
    """Transport mode without a key, tunnel mode with one."""
    count_gre(sites)
    both(sites, CRYPTO, TRANSPORT if transport else KEY, GRE, OSPF)
    sites.start()
    until(lambda: full(sites.r1) and full(sites.r3), 40, what=sites.r1.log)
    until(lambda: sites.r1.host.answers("3.3.3.3", "1.1.1.1"), 10)
    fits = tunnel_mtu(
        1500, outer_ipv6=False, gre=True, key=not transport, encryption=AES, integrity=SHA1, transport=transport
    )
    assert_fits(sites, fits, "10.0.0.3", "2001:db8::3")
    assert sites.r3.host.ping("2001:db8::1") == 3
    sa = sites.r1.exec("show crypto ipsec sa")
    assert f"in use settings ={{{'Transport' if transport else 'Tunnel'}, }}" in sa
    assert "local  ident (addr/mask/prot/port): (10.1.12.1/255.255.255.255/47/0)" in sa
    assert gre_seen(sites) == 0


def test_behind_a_nat_transport_mode_is_in_udp(sites: Sites) -> None:
    sites.provider.run(
        "nft",
        "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; "
        'add rule ip nat post oifname "to-r3" masquerade',
    )
    both(sites, CRYPTO, TRANSPORT, GRE, KEY, OSPF)
    for line in ("destination 10.1.12.1\n", "address 10.1.12.1\n"):
        sites.r3.text = sites.r3.text.replace(line, line.replace("12.1", "23.2"))
    sites.start()
    until(lambda: full(sites.r1) and full(sites.r3), 40, what=sites.r1.log)
    fits = tunnel_mtu(
        1500, outer_ipv6=False, gre=True, key=True, encryption=AES, integrity=SHA1, transport=True, udp=True
    )
    assert_fits(sites, fits, "10.0.0.3", "2001:db8::3")
    assert "in use settings ={Transport UDP-Encaps, }" in sites.r1.exec("show crypto ipsec sa")


IPV6_GRE = """\
crypto isakmp key {key} address ipv6 {far}/128
interface Tunnel0
 tunnel mode gre ipv6
 tunnel source {own}
 tunnel destination {far}
"""


def over_ipv6(sites: Sites, *parts: str) -> None:
    """Configure both with these parts and an IPv6 way between them, which Tunnel0 takes instead of the IPv4 one."""
    sites.provider.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.all.forwarding=1")
    ends = {"r1": "2001:db8:12::1", "r3": "2001:db8:23::3"}
    for router, own, far in ((sites.r1, ends["r1"], ends["r3"]), (sites.r3, ends["r3"], ends["r1"])):
        gateway = own[: own.rindex(":")] + ":2"
        configure(router, *parts, IPV6_GRE.replace("{own}", own).replace("{far}", far))
        router.text = router.text.replace(f" tunnel source eth0\n tunnel destination {router.peer}\n", "")
        wire = "to-" + router.name[-2:]
        sites.provider.ip("-6", "address", "add", f"{gateway}/64", "dev", wire, "nodad")
        router.host.ip("-6", "address", "add", f"{own}/64", "dev", "eth0", "nodad")
        router.host.ip("-6", "route", "add", "default", "via", gateway)


@pytest.mark.parametrize("transport", [True, False], ids=["transport", "tunnel"])
def test_over_ipv6(sites: Sites, transport: bool) -> None:
    over_ipv6(sites, CRYPTO, TRANSPORT if transport else "", GRE, KEY, OSPF)
    sites.start()
    until(lambda: full(sites.r1) and full(sites.r3), 40, what=sites.r1.log)
    fits = tunnel_mtu(1500, outer_ipv6=True, gre=True, key=True, encryption=AES, integrity=SHA1, transport=transport)
    assert_fits(sites, fits, "10.0.0.3", "2001:db8::3")
    sa = sites.r1.exec("show crypto ipsec sa").upper()
    assert "2001:DB8:23::3" in sa
    assert ("TRANSPORT," in sa) == transport


def test_rekeying_of_both_phases_loses_nothing(sites: Sites) -> None:
    """The least that IOS takes: phase 1 lives for 60 seconds, of which four pass in each of ours, a pair of SAs for
    2560 kilobytes.
    """
    crypto = CRYPTO.replace(" group 14\n", " group 14\n lifetime 60\n")
    both(sites, crypto, TRANSPORT, "crypto ipsec security-association lifetime kilobytes 2560\n", GRE)
    sites.r1.speed = sites.r3.speed = 4.0
    sites.start()
    r1 = sites.r1
    conn = re.findall(r"connid:(\d+)", r1.exec("show crypto session detail"))
    spi = re.search(r"current outbound spi: (\S+)", r1.exec("show crypto ipsec sa"))
    assert spi is not None
    count = 3250
    stream = r1.host.start(*ping_command("10.0.0.3", count, 0.006, "10.0.0.1"), "-s", "1300")
    output, _ = stream.communicate(timeout=100)
    assert received(output) == count, output + r1.log()
    after = re.findall(r"connid:(\d+)", r1.exec("show crypto session detail"))
    assert not set(after) & set(conn)
    assert spi[1] not in r1.exec("show crypto ipsec sa")
    assert r1.log().count("Interface Tunnel0, changed state to up") == 1
    assert "changed state to down" not in r1.log().split("changed state to up")[-1]


def drops(router: Router, number: int = 0) -> dict[str, int]:
    found = re.findall(r"^ +(\d+) dropped: (\S+)", router.exec(f"show interfaces tunnel {number}"), re.MULTILINE)
    return {name: int(count) for count, name in found}


SEND_GRE = """\
import socket, sys
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 47)
raw.bind(("10.1.12.1", 0))
for _ in range(3):
    raw.sendto(bytes.fromhex(sys.argv[1]), ("10.1.23.3", 0))
"""


def echo_request(source: str, destination: str) -> bytes:
    """An IPv4 packet as a forger makes it: the receiver's kernel computes no checksum for a raw socket's payload."""
    icmp = struct.pack("!BBHHH", 8, 0, 0xF7FF - 1, 0, 1)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(icmp), 1, 0, 64, 1, 0)
    whole = header + ip_address(source).packed + ip_address(destination).packed
    total = sum(struct.unpack("!10H", whole))
    folded = ~((total >> 16) + (total & 0xFFFF)) & 0xFFFF
    return whole[:10] + struct.pack("!H", folded) + whole[12:] + icmp


def test_gre_in_clear_from_the_peer_s_address_is_dropped_and_counted(sites: Sites) -> None:
    both(sites, CRYPTO, TRANSPORT, GRE)
    sites.start()
    before = sites.r3.exec("show interfaces tunnel 0")
    clear = struct.pack("!HH", 0, 0x0800) + echo_request("10.0.0.1", "10.0.0.3")
    sites.r1.host.run("python3", "-c", SEND_GRE, clear.hex())
    until(lambda: drops(sites.r3).get("gre-clear") == 3, 5, what=lambda: sites.r3.exec("show interfaces tunnel 0"))
    packets = re.compile(r"(\d+) packets input")
    found, was = packets.search(sites.r3.exec("show interfaces tunnel 0")), packets.search(before)
    assert found is not None
    assert was is not None
    assert int(found[1]) - int(was[1]) <= 1  # a router solicitation may come; no echo request did
    assert sites.r3.tunnel_up()


def test_edits_while_it_runs(sites: Sites) -> None:
    """Protection off and on again, another profile, and a killed router that starts anew."""
    count_gre(sites)
    both(sites, CRYPTO, TRANSPORT, "crypto ipsec profile Q\n set transform-set T\n set pfs group14\n", GRE)
    sites.start()
    r1, r3 = sites.r1, sites.r3

    def up() -> bool:
        return r1.tunnel_up() and r3.tunnel_up() and r1.host.answers("10.0.0.3")

    clear = tunnel_mtu(1500, outer_ipv6=False, gre=True, key=False)
    until(up)
    type_lines(r1, "conf t", "interface Tunnel0", "no tunnel protection ipsec profile P", "end")
    until(lambda: not r1.host.answers("10.0.0.3") and not r3.tunnel_up(), what=r3.log)  # R3 wants protection
    type_lines(r3, "conf t", "interface Tunnel0", "no tunnel protection", "end")
    until(up, what=lambda: r1.reason() + r3.reason())
    assert gre_seen(sites) > 0
    assert_fits(sites, clear, "10.0.0.3", "2001:db8::3")
    for router in (r1, r3):
        type_lines(router, "conf t", "interface Tunnel0", "tunnel protection ipsec profile P", "end")
    until(up, what=lambda: r1.reason() + r3.reason())
    seen = gre_seen(sites)
    for router in (r1, r3):
        type_lines(router, "conf t", "interface Tunnel0", "tunnel protection ipsec profile Q", "end")
    assert "PFS (Y/N): N" in r1.exec("show crypto ipsec sa")  # live pairs go on; the next ones are as Q says
    r1.exec("clear crypto sa")
    until(lambda: "PFS (Y/N): Y" in r1.exec("show crypto ipsec sa") and up(), 40, what=lambda: r1.log() + r3.log())
    for router in (r1, r3):
        type_lines(router, "conf t", "crypto ipsec transform-set T esp-aes 256 esp-sha256-hmac", "mode tunnel", "end")
    r1.exec("clear crypto sa")
    until(lambda: "esp-256-aes esp-sha256-hmac" in r1.exec("show crypto ipsec sa"), 40, what=r1.log)
    until(up)
    assert "in use settings ={Tunnel, }" in r1.exec("show crypto ipsec sa")
    r1.exec("write memory")
    r1.kill()
    r1.start()
    until(up, 40, what=lambda: r1.log() + r3.log())
    assert gre_seen(sites) == seen
