"""What `seikan check` tells about dynamic VTI, GRE over IPsec, crypto maps and translation: the text and the place."""

from __future__ import annotations

import pytest

from seikan.config.model import Config
from seikan.config.parse import parse
from seikan.config.render import render
from seikan.config.validate import (
    dynamic_problems,
    entry_problems,
    map_problems,
    profile_problems,
    tunnel_problems,
    validate,
)

#: A hub that has a crypto map too; without fault.
BASE = """\
crypto isakmp policy 10
 encr aes 256
 hash sha256
 authentication pre-share
 group 14
crypto keyring SPOKES
 pre-shared-key address 10.1.0.0 255.255.0.0 key one
crypto isakmp profile HUB
 keyring SPOKES
 match identity address 10.1.0.0 255.255.0.0
 virtual-template 1
crypto isakmp key two address 192.0.2.1
crypto ipsec transform-set T esp-aes 256 esp-sha256-hmac
 mode tunnel
crypto ipsec profile P
 set transform-set T
crypto map M 10 ipsec-isakmp
 set peer 192.0.2.1
 set transform-set T
 match address VPN
ip access-list extended VPN
 permit ip 10.20.0.0 0.0.255.255 10.30.0.0 0.0.255.255
interface FastEthernet0/0
 ip address 198.51.100.1 255.255.255.0
 ip nat outside
 crypto map M
interface FastEthernet0/1
 ip address 10.20.0.1 255.255.0.0
 ip nat inside
interface Virtual-Template1 type tunnel
 ip unnumbered FastEthernet0/0
 tunnel source FastEthernet0/0
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
"""
LINES = {line: number for number, line in enumerate(BASE.splitlines(), 1)}
FIRST = len(LINES) + 1 + (len(BASE.splitlines()) - len(LINES))  # the first line behind the base
MAP = LINES["crypto map M 10 ipsec-isakmp"]
HUB = LINES["crypto isakmp profile HUB"]
KEYRING = LINES["crypto keyring SPOKES"]
OUTSIDE = LINES["interface FastEthernet0/0"]
TEMPLATE = LINES["interface Virtual-Template1 type tunnel"]

VTI = """\
interface Tunnel0
 tunnel source FastEthernet0/0
 tunnel destination 192.0.2.1
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
"""
#: Two GRE tunnels between the same ends, with different keys; the ends are written differently.
TWINS = """\
interface Tunnel0
 tunnel source FastEthernet0/0
 tunnel destination 10.1.0.9
 tunnel key 1
 tunnel protection ipsec profile P{first}
interface Tunnel1
 tunnel source 198.51.100.1
 tunnel destination 10.1.0.9
 tunnel key 2
 tunnel protection ipsec profile {second}
"""
NAT = "ip nat inside source list NAT interface FastEthernet0/0 overload\nip access-list extended NAT\n"

#: What is added to the base, and what is told of it then: the line it is told at (0: none) and the text.
TOLD: tuple[tuple[str, tuple[tuple[int, str], ...]], ...] = (
    # crypto maps whose entries do not work
    (
        "crypto map M 20 ipsec-isakmp\n",
        ((FIRST, "crypto map M 20 stays disabled: set peer is missing; match address is missing"),),
    ),
    (
        "crypto map M 20 ipsec-isakmp dynamic D\n",
        ((FIRST, "crypto map M 20: dynamic map D does not exist (crypto dynamic-map D 10)"),),
    ),
    (
        "crypto dynamic-map D 10\n set transform-set T\ncrypto map M 5 ipsec-isakmp dynamic D\n",
        ((FIRST + 2, "crypto map M 5: dynamic map D stands in front of entry 10: number it last"),),
    ),
    (
        "crypto map M 20 ipsec-isakmp\n set peer 192.0.2.1\n match address NONE\n set transform-set X\n"
        " set isakmp-profile Q\n",
        (
            (FIRST, "crypto map M 20: access list NONE does not exist"),
            (FIRST, "crypto map M 20: transform set X does not exist"),
            (FIRST, "crypto map M 20: isakmp profile Q does not exist (crypto isakmp profile Q)"),
        ),
    ),
    (
        "interface FastEthernet0/2\n crypto map NONE\n",
        ((FIRST, "FastEthernet0/2: crypto map NONE does not exist (crypto map NONE 10 ipsec-isakmp)"),),
    ),
    (
        "interface FastEthernet0/2\n crypto map L\ncrypto map L local-address Loopback9\n",
        (
            (FIRST + 2, "crypto map L: local-address Loopback9: that interface is not configured"),
            (
                FIRST,
                "FastEthernet0/2: crypto map L protects nothing: crypto map L has no entries "
                "(crypto map L 10 ipsec-isakmp)",
            ),
        ),
    ),
    (
        "no crypto isakmp enable\n",
        (
            (TEMPLATE, "Virtual-Template1 stays down: ISAKMP is turned off (no crypto isakmp enable)"),
            (
                OUTSIDE,
                "FastEthernet0/0: crypto map M protects nothing: ISAKMP is turned off (no crypto isakmp enable)",
            ),
        ),
    ),
    # access lists
    (
        "ip access-list extended VPN\n permit tcp 10.20.0.0 0.0.255.255 host 10.40.0.1 range 1 5\n",
        (
            (
                MAP,
                "crypto map M 10: access list VPN, line 20: SAs are for one port or all of them: write one line with "
                "'eq PORT' for each port, or no ports",
            ),
        ),
    ),
    (
        "ip access-list extended VPN\n permit ip any 10.40.0.0 0.0.255.255\n",
        (
            (
                MAP,
                "crypto map M 10: access list VPN, line 20: any as source takes in all that leaves by the interface, "
                "and drops what comes so in clear: name the networks",
            ),
        ),
    ),
    (
        "ip access-list extended VPN\n permit ip 10.30.0.0 0.0.255.255 10.20.0.0 0.0.255.255\n",
        (
            (
                MAP,
                "crypto map M 10: access list VPN, line 20 is the mirror of line 10: it belongs into the peer's list",
            ),
            (
                MAP,
                "crypto map M 10: access list VPN, line 20: destination 10.20.0.0/16 is connected here "
                "(FastEthernet0/1) and source 10.30.0.0/16 is not: are they exchanged?",
            ),
        ),
    ),
    (
        "ip access-list extended W\n permit ip 10.20.1.0 0.0.0.255 10.30.1.0 0.0.0.255\n"
        "crypto map M 20 ipsec-isakmp\n set peer 192.0.2.1\n match address W\n",
        (
            (
                FIRST + 2,
                "crypto map M 20: access list W, line 10 is never used: crypto map M 10 (access list VPN, line 10) "
                "has taken all of it",
            ),
        ),
    ),
    (
        "ip access-list extended W\n permit ip 10.0.0.0 0.255.255.255 10.30.0.0 0.0.255.255\n"
        "crypto map M 20 ipsec-isakmp\n set peer 192.0.2.1\n match address W\n",
        (
            (
                FIRST + 2,
                "crypto map M 20: access list W, line 10 overlaps with crypto map M 10 (access list VPN, line 10), "
                "which takes what is in both",
            ),
        ),
    ),
    (
        "ip access-list extended W\n permit tcp 10.20.0.0 0.0.255.255 10.31.0.0 0.0.255.255\n"
        "crypto map M 20 ipsec-isakmp\n set peer 192.0.2.1\n match address W\n",
        (),
    ),
    (
        "interface Tunnel3\n tunnel mode ipsec ipv4\n tunnel protection ipsec profile P\n"
        " tunnel protection ipsec policy ipv4 W\nip access-list extended W\n permit tcp any any established\n",
        (
            (
                FIRST,
                "Tunnel3 stays down: tunnel protection ipsec policy: access list W permits nothing that SAs can be "
                "negotiated for",
            ),
            (FIRST, "Tunnel3: access list W, line 10: SAs know no connections: leave 'established' out"),
        ),
    ),
    # the map beside a tunnel
    (
        VTI,
        (
            (
                MAP,
                "crypto map M 10 and Tunnel0 are for the same peer 192.0.2.1: what is routed into Tunnel0 goes through "
                "it, the rest of what the access list permits through the map; remove the one that is no longer used",
            ),
        ),
    ),
    # keys
    (
        "crypto keyring B\n pre-shared-key address 10.1.0.0 255.255.0.0 key other\n",
        (
            (
                FIRST,
                "ambiguous: crypto keyring SPOKES and crypto keyring B have different keys for 10.1.0.0 255.255.0.0: "
                "the first named is used, unless an isakmp profile names the other keyring",
            ),
        ),
    ),
    ("crypto keyring B\n pre-shared-key address 10.1.0.0 255.255.0.0 key one\n", ()),
    ("crypto keyring B\n pre-shared-key address 10.1.2.0 255.255.255.0 key other\n", ()),
    (
        "crypto keyring B\n pre-shared-key address 192.0.2.1 key other\n",
        (
            (
                FIRST,
                "ambiguous: the global keys (crypto isakmp key) and crypto keyring B have different keys for "
                "192.0.2.1: the first named is used, unless an isakmp profile names the other keyring",
            ),
        ),
    ),
    (
        "crypto keyring SPOKES\n pre-shared-key address 0.0.0.0 key x\n",
        (
            (
                KEYRING,
                "crypto keyring SPOKES: the key for 0.0.0.0 is that of several peers: any of them can claim to be "
                "another; type a key for each address or network",
            ),
        ),
    ),
    ("crypto isakmp key x address 0.0.0.0\n", ()),
    (
        "crypto isakmp key x address 0.0.0.0\ncrypto map M 10\n set peer 192.0.2.8\n set peer 192.0.2.9\n",
        (
            (
                0,
                "the global keys (crypto isakmp key): the key for 0.0.0.0 is that of several peers: any of them can "
                "claim to be another; type a key for each address or network",
            ),
        ),
    ),
    (
        "crypto map M 10\n set peer 192.0.2.8\n",
        ((MAP, "crypto map M 10: there is no key for 192.0.2.8: type crypto isakmp key … address 192.0.2.8"),),
    ),
    (
        "crypto map M isakmp-profile HUB\n",
        (
            (
                MAP,
                "crypto map M 10: isakmp profile HUB has no key for 192.0.2.1 (keyring SPOKES); that of the global "
                "keys (crypto isakmp key) is not looked for",
            ),
        ),
    ),
    ("crypto map M isakmp-profile HUB\ncrypto isakmp profile HUB\n keyring default\n", ()),
    # profiles
    (
        "crypto isakmp profile Z\n match identity address 10.1.0.0 255.255.0.0\n",
        (
            (
                FIRST,
                "ambiguous: crypto isakmp profile HUB and Z both match identity address 10.1.0.0 255.255.0.0: HUB is "
                "used, which is configured first",
            ),
        ),
    ),
    ("crypto isakmp profile Z\n match identity address 10.1.2.0 255.255.255.0\n", ()),
    (
        "crypto isakmp profile Z\n match identity host R7.example.com\n"
        "crypto isakmp profile Y\n match identity host r7.example.com\n",
        (
            (
                FIRST + 2,
                "ambiguous: crypto isakmp profile Z and Y both match identity host r7.example.com: Z is used, which "
                "is configured first",
            ),
        ),
    ),
    (
        "crypto isakmp profile Z\n match identity address 10.7.0.0 255.255.0.0\n keyring SPOKES\n"
        "crypto dynamic-map D 10\n set transform-set T\n set isakmp-profile Z\n"
        "crypto map M 20 ipsec-isakmp dynamic D\n",
        (
            (
                FIRST,
                "crypto isakmp profile Z: keyring SPOKES has no key for any peer that it matches: none gets SAs",
            ),
        ),
    ),
    (
        "crypto isakmp profile Z\n match identity address 10.7.0.0 255.255.0.0\n keyring SPOKES\n virtual-template 1\n",
        (
            (
                FIRST,
                "crypto isakmp profile Z: keyring SPOKES has no key for any peer that it matches: none gets an "
                "interface",
            ),
        ),
    ),
    (
        "crypto isakmp profile Z\n virtual-template 2\n keyring NO\n",
        (
            (FIRST, "crypto isakmp profile Z: keyring NO does not exist (crypto keyring NO)"),
            (
                FIRST,
                "crypto isakmp profile Z: virtual-template 2: that interface is not configured "
                "(interface Virtual-Template2 type tunnel)",
            ),
            (FIRST, "crypto isakmp profile Z matches nobody: type match identity"),
        ),
    ),
    # templates
    (
        "interface Virtual-Template2 type tunnel\n ip address 10.66.0.1 255.255.255.0\n tunnel destination 192.0.2.7\n",
        (
            (FIRST, "Virtual-Template2 stays down: dynamic VTI needs tunnel mode ipsec ipv4"),
            (
                FIRST,
                "Virtual-Template2: no isakmp or ikev2 profile has virtual-template 2: nothing is made from it",
            ),
            (FIRST, "Virtual-Template2: all its copies would have its address: type ip unnumbered"),
            (FIRST, "Virtual-Template2: tunnel destination is not used: each copy has its spoke's address"),
        ),
    ),
    # GRE over IPsec
    (TWINS.format(first=" shared", second="P shared"), ()),
    (
        TWINS.format(first="", second="P shared"),
        (
            (
                FIRST + 5,
                "Tunnel1 stays down: it has the ends of Tunnel0, whose SAs it cannot share: type in both tunnel "
                "protection ipsec profile P shared",
            ),
        ),
    ),
    (
        TWINS.format(first=" shared", second="P"),
        (
            (
                FIRST + 5,
                "Tunnel1 stays down: it has the ends of Tunnel0, whose SAs it cannot share: type in both tunnel "
                "protection ipsec profile P shared",
            ),
        ),
    ),
    (
        TWINS.format(first=" shared", second="Q shared") + "crypto ipsec profile Q\n set transform-set T\n",
        (
            (
                FIRST + 5,
                "Tunnel1 stays down: it has the ends of Tunnel0 and another IPsec profile: both need the same "
                "(tunnel protection ipsec profile P shared)",
            ),
        ),
    ),
    (
        TWINS.format(first=" shared", second="P shared") + " tunnel key 1\n",
        ((FIRST + 5, "Tunnel1 has the same source, destination, mode and key as Tunnel0"),),
    ),
    (
        TWINS.format(first=" shared", second="P shared") + " ip mtu 1476\n",
        (
            (
                FIRST + 5,
                "Tunnel1: ip mtu 1476 is more than fits: what is longer than 1410 octets is sent in fragments",
            ),
        ),
    ),
    (TWINS.format(first=" shared", second="P shared") + " ip mtu 1410\n", ()),
    (
        TWINS.format(first=" shared", second="P shared")
        + " ip mtu 1431\ncrypto ipsec transform-set T esp-aes 256 esp-sha256-hmac\n mode transport\n",
        (
            (
                FIRST + 5,
                "Tunnel1: ip mtu 1431 is more than fits: what is longer than 1430 octets is sent in fragments",
            ),
        ),
    ),
    (
        "interface Tunnel5\n keepalive 10 3\n tunnel source FastEthernet0/0\n tunnel destination 10.1.0.9\n"
        " tunnel mode ipsec ipv4\n tunnel protection ipsec profile P shared\n",
        (
            (
                FIRST,
                "Tunnel5: keepalive is of GRE tunnels and not sent with tunnel mode ipsec ipv4: crypto isakmp "
                "keepalive watches the peer",
            ),
            (FIRST, "Tunnel5: shared is of GRE tunnels and means nothing with tunnel mode ipsec ipv4"),
        ),
    ),
    (
        "crypto ipsec profile Q\n set transform-set T\n set isakmp-profile NONE\n"
        "interface Tunnel5\n tunnel source FastEthernet0/0\n tunnel destination 10.1.0.9\n"
        " tunnel protection ipsec profile Q\n",
        (
            (
                FIRST,
                "crypto ipsec profile Q: isakmp profile NONE does not exist (crypto isakmp profile NONE)",
            ),
            (
                FIRST + 3,
                "Tunnel5 stays down: IPsec profile Q: isakmp profile NONE does not exist (crypto isakmp profile NONE)",
            ),
        ),
    ),
    # translation
    (
        NAT + " permit ip 10.20.0.0 0.0.255.255 any\n",
        (
            (
                MAP,
                "crypto map M 10: ip nat inside source list NAT translates 10.20.0.0/16 to 10.30.0.0/16 before it can "
                "be protected (access list VPN, line 10): type ip access-list extended NAT, then 5 deny ip 10.20.0.0 "
                "0.0.255.255 10.30.0.0 0.0.255.255",
            ),
        ),
    ),
    (NAT + " deny ip 10.20.0.0 0.0.255.255 10.30.0.0 0.0.255.255\n permit ip 10.20.0.0 0.0.255.255 any\n", ()),
    (NAT + " permit ip 10.99.0.0 0.0.255.255 any\n", ()),
    (
        # one port is exempt, and the rest is not; the line is named where no number is left in front of it
        NAT + " 1 deny tcp 10.20.0.0 0.0.255.255 any eq 80\n 2 permit ip host 10.20.0.9 any\n",
        (
            (
                MAP,
                "crypto map M 10: ip nat inside source list NAT translates 10.20.0.0/16 to 10.30.0.0/16 before it can "
                "be protected (access list VPN, line 10): put 'deny ip 10.20.0.0 0.0.255.255 10.30.0.0 0.0.255.255' "
                "in front of line 2 of ip access-list extended NAT",
            ),
        ),
    ),
    (
        "ip nat inside source list 1 interface FastEthernet0/0 overload\naccess-list 1 permit 10.20.0.0 0.0.255.255\n",
        (
            (
                MAP,
                "crypto map M 10: ip nat inside source list 1 translates 10.20.0.0/16 to 10.30.0.0/16 before it can "
                "be protected (access list VPN, line 10): standard list 1 cannot exempt it: use an extended list with "
                "a deny line in front",
            ),
        ),
    ),
    (
        "ip nat inside source route-map R interface FastEthernet0/0 overload\nroute-map R deny 10\n"
        " match ip address VPN\nroute-map R permit 20\n match ip address 101\naccess-list 101 permit ip any any\n",
        (),
    ),
    (
        "ip nat inside source route-map R interface FastEthernet0/0 overload\nroute-map R permit 10\n"
        " match interface FastEthernet0/0\n",
        (
            (
                FIRST,
                "ip nat inside source route-map R: only sections with match ip address ACCESS-LIST are done, and this "
                "one says more: nothing is translated",
            ),
        ),
    ),
    (
        "ip nat inside source route-map R interface FastEthernet0/9 overload\n"
        "ip nat inside source list 7 interface FastEthernet0/0 overload\n",
        (
            (FIRST, "ip nat inside source route-map R: that route map does not exist: nothing is translated"),
            (FIRST + 1, "ip nat inside source list 7: that access list does not exist: nothing is translated"),
            (FIRST, "ip nat inside source … interface FastEthernet0/9: that interface is not configured"),
        ),
    ),
    (
        "interface FastEthernet0/1\n no ip nat inside\nip nat inside source static 10.20.0.5 198.51.100.5\n",
        ((FIRST + 2, "ip nat inside source: no interface has ip nat inside: nothing is translated"),),
    ),
    # filters
    (
        "interface FastEthernet0/1\n ip access-group 150 in\n",
        (
            (
                LINES["interface FastEthernet0/1"],
                "FastEthernet0/1: ip access-group 150 in: access list 150 does not exist: everything passes",
            ),
        ),
    ),
)


def told(extra: str) -> list[tuple[int, str]]:
    parsed = parse(BASE + extra, "r1.cfg")
    assert [problem for problem in parsed.problems if problem.severity.fatal(strict=True)] == []
    return [(problem.line, problem.text) for problem in validate(parsed.config, parsed.places)]


def test_the_base_is_without_fault() -> None:
    assert told("") == []
    config = parse(BASE).config
    for name in config.interfaces:
        assert (tunnel_problems(config, name), map_problems(config, name)) == ((), ())


@pytest.mark.parametrize(("extra", "expected"), TOLD, ids=lambda value: value[:60] if isinstance(value, str) else "")
def test_what_is_told_and_where(extra: str, expected: tuple[tuple[int, str], ...]) -> None:
    assert sorted(told(extra)) == sorted(expected)


def test_no_key_is_shown() -> None:
    text = "".join(extra for extra, _ in TOLD if "key" in extra).replace("key other", "key hunter2")
    parsed = parse(BASE + text)
    assert "hunter2" not in "".join(map(str, validate(parsed.config, parsed.places)))


#: Lines that are not understood, and what fails closed by them: interfaces with a map, templates, tunnels.
MISREAD: tuple[tuple[str, set[str]], ...] = (
    ("crypto map M client authentication list X\n", {"FastEthernet0/0"}),
    ("crypto map M 10 ipsec-isakmp discover\n", {"FastEthernet0/0"}),
    ("crypto map OTHER client authentication list X\n", set()),
    ("crypto map M 10\n set peer r2.example.com\n", {"FastEthernet0/0"}),
    ("crypto map M 10\n set pfs group24\n", {"FastEthernet0/0"}),
    ("crypto dynamic-map D 10 set pfs group1\n", set()),
    (
        "crypto dynamic-map D 10\n set pfs group99\ncrypto map M 20 ipsec-isakmp dynamic D\n",
        {"FastEthernet0/0"},
    ),
    ("ip access-list extended VPN\n permit ip foo\n", {"FastEthernet0/0"}),
    ("ip access-list extended OTHER\n permit ip foo\n", set()),
    ("interface FastEthernet0/1\n crypto map M redundancy X\n", {"FastEthernet0/1"}),
    ("interface FastEthernet0/1\n crypto map\n", {"FastEthernet0/1"}),
    ("interface FastEthernet0/1\n tunnel vrf RED\n", set()),
    ("crypto isakmp profile HUB\n client authentication list X\n", {"Virtual-Template1"}),
    ("crypto isakmp profile HUB\n match identity frobnicate\n", {"Virtual-Template1"}),
    (
        "crypto isakmp profile HUB\n match identity frobnicate\ncrypto map M isakmp-profile HUB\n",
        {"FastEthernet0/0", "Virtual-Template1"},
    ),
    ("crypto isakmp profile OTHER\n match identity frobnicate\n", set()),
    ("interface Virtual-Template1\n tunnel vrf RED\n", {"Virtual-Template1"}),
    ("crypto isakmp policy 10\n encr aes-gcm 256\n", {"FastEthernet0/0", "Virtual-Template1"}),
    ("crypto isakmp key 6 QUJD address 192.0.2.1\n", {"FastEthernet0/0", "Virtual-Template1"}),
    ("crypto isakmp key 6 QUJD address 192.0.2.77\n", {"Virtual-Template1"}),
    ("crypto ipsec transform-set T esp-aes 512\n", {"FastEthernet0/0", "Virtual-Template1"}),
    ("crypto ipsec transform-set U esp-aes 512\n", set()),
    ("crypto ipsec profile P\n set ikev2profile X\n", {"Virtual-Template1"}),
)


def _closed(config: Config) -> dict[str, tuple[str, ...]]:
    found = {name: (*tunnel_problems(config, name), *map_problems(config, name)) for name in config.interfaces}
    return {name: problems for name, problems in found.items() if problems}


@pytest.mark.parametrize(("extra", "names"), MISREAD)
def test_what_was_misread_fails_closed_and_nothing_else(extra: str, names: set[str]) -> None:
    config = parse(BASE + extra).config
    closed = _closed(config)
    assert set(closed) == names
    assert all("not understood" in problems[0] for problems in closed.values())
    # Writing the configuration and starting with it again does not forgive.
    assert _closed(parse(render(config)).config) == closed


def test_a_misread_profile_matches_nobody() -> None:
    config = parse(BASE + "crypto isakmp profile HUB\n match identity frobnicate\n").config
    assert "not understood" in profile_problems(config, "HUB")[0]
    assert profile_problems(config, "OTHER") == ()
    assert profile_problems(parse(BASE).config, "HUB") == ()


def test_entries_alone() -> None:
    config = parse(
        BASE + "crypto map M 20 ipsec-isakmp\n set peer 192.0.2.1\ncrypto dynamic-map D 10\n match address NONE\n"
        "crypto dynamic-map D 20\ncrypto map M 30 ipsec-isakmp dynamic D\n"
    ).config
    assert entry_problems(config, "M", 10) == ()
    assert entry_problems(config, "M", 20) == ("match address is missing",)
    assert entry_problems(config, "M", 30) == (), "one entry of the dynamic map will do"
    assert entry_problems(config, "M", 99) == ()
    assert dynamic_problems(config, "D", 10) == ("access list NONE does not exist",)
    assert dynamic_problems(config, "D", 20) == ()
    assert map_problems(config, "FastEthernet0/0") == (), "a disabled entry takes nothing from the others"


def test_a_map_whose_entries_are_all_disabled() -> None:
    config = parse(BASE + "crypto map M 10\n no set peer\n").config
    assert map_problems(config, "FastEthernet0/0") == (
        "crypto map M: all its entries are disabled, 10 because: set peer is missing",
    )
    assert [text for _, text in told("crypto map M 10\n no set peer\n")] == [
        "crypto map M 10 stays disabled: set peer is missing"
    ]


def test_a_misread_access_list_keeps_its_tunnel_down() -> None:
    policy = VTI + " tunnel protection ipsec policy ipv4 W\nip access-list extended W\n permit ip any any\n"
    assert tunnel_problems(parse(BASE + policy).config, "Tunnel0") == ()
    assert "not understood" in tunnel_problems(parse(BASE + policy + " permit ip foo\n").config, "Tunnel0")[0]


def test_the_one_of_many_entries_that_is_never_used() -> None:
    """A hub of old: one network here, one line and one peer for each of many sites."""
    entries = "".join(
        f"crypto map N {number} ipsec-isakmp\n set peer 192.0.2.1\n match address S{number}\n"
        f"ip access-list extended S{number}\n permit ip 10.0.0.0 0.255.255.255 172.16.{number % 250}.0 0.0.0.255\n"
        for number in range(1, 252)
    )
    parsed = parse(BASE + entries + "interface FastEthernet0/3\n crypto map N\n")
    assert [problem.text for problem in validate(parsed.config)] == [
        "crypto map N 251: access list S251, line 10 is never used: crypto map N 1 (access list S1, line 10) has taken "
        "all of it"
    ]


def test_the_global_keys_are_many() -> None:
    config = parse("crypto isakmp profile Z\n match identity host domain x\n virtual-template 1\n").config
    assert any("the global keys have no key for any peer that it matches" in row.text for row in validate(config))
