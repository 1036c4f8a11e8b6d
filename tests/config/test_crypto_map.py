"""Crypto maps, ISAKMP profiles, templates and translation: what is typed is what is held and written."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest
from tests.config.samples import ordered

from seikan.config.handlers import ConfigError, with_item
from seikan.config.model import (
    Config,
    CryptoMapPeer,
    IdentityMatch,
    Keepalive,
    NatSource,
    NatStatic,
    ReverseRoute,
    SelfIdentity,
    TunnelKeepalive,
)
from seikan.config.modes import MODES
from seikan.config.parse import Severity, parse
from seikan.config.render import render, render_interface, render_lines
from seikan.config.route_maps import route_map_lists
from seikan.config.session import TABLE, LineResult, ModeContext, apply_line

#: As IOS 15 writes them, but for the `!` between entries.
WRITTEN = """\
crypto call admission limit ike sa 200
crypto call admission limit ike in-negotiation-sa 40
!
crypto keyring SPOKES
 pre-shared-key address 10.0.0.0 255.0.0.0 key first
!
crypto isakmp profile HUB
 description for spokes
 keyring SPOKES
 self-identity fqdn
 match identity address 10.0.0.0 255.0.0.0
 match identity address ipv6 2001:DB8::/32
 match identity host r7.example.com
 match identity host domain example.com
 match identity user bob@example.com
 match identity user domain example.com
 match identity group global
 keepalive 10 retry 3
 virtual-template 1
 local-address FastEthernet0/0
 initiate mode aggressive
!
crypto ipsec profile P
 set isakmp-profile HUB
!
crypto dynamic-map DYN 10
 set transform-set T
 set isakmp-profile HUB
 reverse-route
!
crypto map M local-address Loopback0
crypto map M isakmp-profile HUB
!
crypto map M 10 ipsec-isakmp
 description to B
 set peer 192.0.2.1 default
 set peer 192.0.2.2
 set security-association lifetime seconds 600
 set security-association lifetime kilobytes disable
 set security-association replay window-size 512
 set security-association idle-time 120 default
 set transform-set T U
 set pfs group14
 set isakmp-profile HUB
 set nat demux
 set reverse-route distance 20
 set reverse-route tag 7
 match address VPN
 reverse-route remote-peer 192.0.2.9 gateway static
!
crypto map M 65535 ipsec-isakmp dynamic DYN
!
interface Tunnel1
 no ip address
 keepalive 5 4
 tunnel protection ipsec profile P shared
!
interface Tunnel2
 no ip address
 tunnel mode ipsec ipv4
 tunnel protection ipsec policy ipv4 VPN
 tunnel protection ipsec profile P
!
interface FastEthernet0/0
 no ip address
 ip access-group 101 in
 ip nat outside
 keepalive 10 3
 crypto map M
!
interface Virtual-Template1 type tunnel
 ip unnumbered FastEthernet0/0
 ip access-group 101 in
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
!
ip nat inside source list 1 interface FastEthernet0/0 overload
ip nat inside source route-map R interface FastEthernet0/0 overload
!
ip nat inside source static tcp 10.1.1.1 80 192.0.2.5 8080
ip nat inside source static 10.1.1.2 192.0.2.6
ip nat inside source static udp 10.1.1.3 53 interface FastEthernet0/0 53
"""


def typed(*lines: str, config: Config | None = None) -> LineResult:
    result = LineResult(config if config is not None else Config(), ModeContext())
    for line in lines:
        assert result.context is not None
        result = apply_line(result.config, result.context, line)
    return result


def test_what_ios_writes_is_read_and_written_again() -> None:
    parsed = parse(WRITTEN)
    assert [problem for problem in parsed.problems if problem.severity is Severity.UNKNOWN] == []
    written = [line for line in render_lines(parsed.config) if line not in ("!", "end", "hostname Router")]
    assert written == [line for line in WRITTEN.splitlines() if line != "!"]
    assert ordered(parse(render(parsed.config)).config) == ordered(parsed.config)
    assert parse(WRITTEN, base=parsed.config).config == parsed.config, "over itself nothing changes"


def test_the_model_of_it() -> None:
    config = parse(WRITTEN).config
    profile = config.isakmp.profiles["HUB"]
    assert (config.isakmp.max_sas, config.isakmp.max_negotiating) == (200, 40)
    assert profile.keepalive == Keepalive(10, 3)
    assert profile.self_identity == SelfIdentity("fqdn")
    assert profile.identities == (
        IdentityMatch(network=IPv4Network("10.0.0.0/8")),
        IdentityMatch(network=IPv6Network("2001:db8::/32")),
        IdentityMatch(host="r7.example.com"),
        IdentityMatch(domain="example.com"),
        IdentityMatch(user="bob@example.com"),
        IdentityMatch(user_domain="example.com"),
        IdentityMatch(group="global"),
    )
    assert (profile.virtual_template, profile.local_address, profile.initiate_aggressive) == (
        1,
        "FastEthernet0/0",
        True,
    )
    entry = config.crypto_maps["M"].entries[10]
    assert entry.peers == (CryptoMapPeer(IPv4Address("192.0.2.1"), True), CryptoMapPeer(IPv4Address("192.0.2.2")))
    assert (entry.lifetime_seconds, entry.lifetime_kilobytes, entry.replay_window) == (600, 0, 512)
    assert (entry.idle_time, entry.idle_default, entry.access_list) == (120, True, "VPN")
    assert entry.reverse_route == ReverseRoute(
        static=True, remote_peer=IPv4Address("192.0.2.9"), gateway=True, tag=7, distance=20
    )
    assert list(config.crypto_maps["M"].entries) == [10, 65535]
    assert config.crypto_maps["M"].entries[65535].dynamic == "DYN"
    tunnel = config.interfaces["Tunnel1"].tunnel
    assert tunnel is not None
    assert (tunnel.shared, tunnel.keepalive) == (True, TunnelKeepalive(5, 4))
    assert config.interfaces["FastEthernet0/0"].crypto_map == "M"
    assert config.nat_sources == (
        NatSource("1", None, "FastEthernet0/0"),
        NatSource(None, "R", "FastEthernet0/0"),
    )
    assert config.nat_statics[2] == NatStatic(IPv4Address("10.1.1.3"), "FastEthernet0/0", "udp", 53, 53)


PROMPTS = (
    ("crypto isakmp profile P", "(conf-isa-prof)#"),
    ("crypto map M 10 ipsec-isakmp", "(config-crypto-map)#"),
    ("crypto map M 10", "(config-crypto-map)#"),
    ("crypto map M 20 ipsec-isakmp dynamic D", "(config)#"),
    ("crypto map M 20", "(config)#"),
    ("crypto dynamic-map D 10", "(config-crypto-map)#"),
    ("interface virtual-template 1 type tunnel", "(config-if)#"),
)


def test_prompts() -> None:
    config = Config()
    for line, prompt in PROMPTS:
        result = typed(line, config=config)
        assert result.context is not None
        assert MODES[result.context.mode].prompt == prompt, line
        config = result.config


def test_a_new_crypto_map_says_what_it_needs_and_an_old_one_does_not() -> None:
    first = typed("crypto map M 10 ipsec-isakmp")
    assert first.warnings == (
        "% NOTE: This new crypto map will remain disabled until a peer and a valid access list have been configured.",
    )
    assert typed("crypto map M 10 ipsec-isakmp", config=first.config).warnings == ()
    assert typed("crypto map M 10", config=first.config).warnings == ()
    assert typed("crypto dynamic-map D 10").warnings == ()
    dynamic = typed("crypto map M 20 ipsec-isakmp dynamic D")
    assert dynamic.warnings == ("% Warning: crypto map M 20: dynamic map D does not exist (crypto dynamic-map D 10)",)


def test_entries_are_held_in_order_whatever_the_order_of_typing() -> None:
    config = typed("crypto map M 20 ipsec-isakmp", "crypto map M 5 ipsec-isakmp", "crypto map M 10 ipsec-isakmp").config
    assert list(config.crypto_maps["M"].entries) == [5, 10, 20]
    config = typed("no crypto map M 10", config=config).config
    assert list(config.crypto_maps["M"].entries) == [5, 20]
    assert typed("no crypto map M", config=config).config.crypto_maps == {}
    assert typed("no crypto map M 5", "no crypto map M 20", config=config).config.crypto_maps == {}


def test_a_crypto_map_in_use_stays() -> None:
    config = typed("crypto map M 10 ipsec-isakmp", "interface fa0/0", "crypto map M").config
    for line in ("no crypto map M", "no crypto map M 10"):
        with pytest.raises(ConfigError, match=r"M is in use by interface\(s\): FastEthernet0/0"):
            typed(line, config=config)
    bare = typed("interface fa0/0", "no crypto map", config=config).config
    assert bare.interfaces["FastEthernet0/0"].crypto_map is None
    with pytest.raises(ConfigError, match="crypto map N is not on FastEthernet0/0"):
        typed("interface fa0/0", "no crypto map N", config=config)
    # In the mode of an interface too `no crypto map NAME NUMBER` is the global line.
    more = typed("crypto map M 20 ipsec-isakmp", config=config).config
    assert list(typed("interface fa0/0", "no crypto map M 20", config=more).config.crypto_maps["M"].entries) == [10]


def test_an_entry_does_not_change_its_kind() -> None:
    config = typed("crypto map M 10 ipsec-isakmp", "crypto map M 20 ipsec-isakmp dynamic D").config
    for line in ("crypto map M 10 ipsec-isakmp dynamic D", "crypto map M 20 ipsec-isakmp"):
        with pytest.raises(ConfigError, match="remove it first"):
            typed(line, config=config)


def test_one_peer_is_the_default() -> None:
    config = typed(
        "crypto map M 10 ipsec-isakmp", "set peer 192.0.2.1 default", "set peer 192.0.2.2", "set peer 192.0.2.2 default"
    ).config
    assert [peer.default for peer in config.crypto_maps["M"].entries[10].peers] == [False, True]
    gone = typed("crypto map M 10", "no set peer 192.0.2.2", config=config).config
    assert [str(peer.address) for peer in gone.crypto_maps["M"].entries[10].peers] == ["192.0.2.1"]
    assert typed("crypto map M 10", "no set peer", config=config).config.crypto_maps["M"].entries[10].peers == ()
    with pytest.raises(ConfigError, match=r"192\.0\.2\.9 is no peer"):
        typed("crypto map M 10", "no set peer 192.0.2.9", config=config)
    with pytest.raises(ConfigError, match=r"set peer 192\.0\.2\.1"):
        typed("crypto map M 10", "set peer r2.example.com", config=config)


def test_set_reverse_route_holds_from_either_side() -> None:
    lines = ("set reverse-route distance 20", "reverse-route static", "set reverse-route tag 9")
    for order in (lines, lines[::-1]):
        entry = typed("crypto map M 10 ipsec-isakmp", *order).config.crypto_maps["M"].entries[10]
        assert entry.reverse_route == ReverseRoute(static=True, tag=9, distance=20)
    assert typed("crypto map M 10 ipsec-isakmp", lines[0]).config.crypto_maps["M"].entries[10].reverse_route is None
    config = typed("crypto map M 10 ipsec-isakmp", *lines).config
    left = typed("crypto map M 10", "no set reverse-route", config=config).config.crypto_maps["M"].entries[10]
    assert left.reverse_route == ReverseRoute(static=True)


@pytest.mark.parametrize("name", ["tu1", "vt1", "lo0", "Null0"])
def test_where_a_crypto_map_protects_nothing_it_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"by which (packets|the tunnel's packets) leave"):
        typed(f"interface {name}", "crypto map M")


def test_a_template_is_no_ppp_template() -> None:
    made = typed("interface virtual-template 1")
    assert made.warnings == (
        "% Warning: Virtual-Template1 is of type tunnel: templates of other types are not available",
    )
    assert typed("interface virtual-template 1", config=made.config).warnings == ()
    assert typed("interface virtual-template 1 type tunnel").warnings == ()
    assert "interface Virtual-Template1 type tunnel" in render(made.config)
    (problem,) = parse("interface Virtual-Template1\n", "r1.cfg").problems
    assert problem.severity is Severity.WARNING
    for line in ("tunnel mode gre ip", "tunnel mode gre ipv6"):
        with pytest.raises(ConfigError, match=r"^dynamic VTI needs tunnel mode ipsec ipv4$"):
            typed("interface vt1", line)
    with pytest.raises(ConfigError, match="not available on a Virtual-Template"):
        typed("interface vt1", "tunnel protection ipsec policy ipv4 L")
    assert typed("no interface vt1", config=made.config).config.interfaces == {}


def test_help_leaves_out_what_nobody_types() -> None:
    def listed(mode: str, line: str) -> set[str]:
        return {row.word for row in TABLE.completions(mode, line)}

    both = {"Virtual-Access", "Virtual-Template"}
    assert listed("config", "interface ") & both == {"Virtual-Template"}
    assert listed("config-router", "passive-interface ") & both == {"Virtual-Template"}
    for mode, line in (
        ("config-if", "ip unnumbered "),
        ("config-if", "tunnel source "),
        ("config", "ip route 10.0.0.0 255.0.0.0 "),
        ("config", "crypto map M local-address "),
        ("config", "ip nat inside source list 1 interface "),
    ):
        assert "FastEthernet" in listed(mode, line), line
        assert not listed(mode, line) & both, line
    assert listed("config", "interface virtual-template ") == {"<1-4095>"}
    assert "type" in listed("config", "interface virtual-template 1 ")
    assert listed("config", "interface virtual-template 1 type ") == {"tunnel"}


def test_help_in_the_new_modes() -> None:
    def listed(mode: str, line: str) -> list[str]:
        return [row.word for row in TABLE.completions(mode, line)]

    assert listed("conf-isa-prof", "match identity ") == ["address", "group", "host", "user"]
    assert listed("conf-isa-prof", "match identity host ") == ["domain", "Hostname or A.B.C.D"]
    assert listed("conf-isa-prof", "self-identity ") == ["address", "fqdn", "user-fqdn"]
    assert listed("config-crypto-map", "set peer ") == ["A.B.C.D", "X:X:X:X::X"]
    assert listed("config-crypto-map", "set security-association ") == ["idle-time", "level", "lifetime", "replay"]
    assert listed("config-crypto-map", "reverse-route ") == ["remote-peer", "static", "tag", "<cr>"]
    assert listed("config", "crypto map M ") == ["<1-65535>", "isakmp-profile", "local-address"]
    assert listed("config", "crypto map M 10 ") == ["ipsec-isakmp", "<cr>"]
    assert listed("config", "crypto map M 10 ipsec-isakmp ") == ["dynamic", "<cr>"]
    assert listed("config", "crypto call admission limit ike ") == ["in-negotiation-sa", "sa"]
    assert listed("config-if", "ip nat ") == ["LINE", "inside", "outside"]
    assert listed("config-if", "tunnel protection ipsec ") == ["policy", "profile"]
    assert listed("config-if", "tunnel protection ipsec profile P ") == ["shared", "<cr>"]
    numbers = [2, 5, 14, 15, 16, 17, 18, 19, 20, 21]  # and none that IKEv1 does not have
    assert listed("config-isakmp", "group ") == sorted(str(number) for number in [1, *numbers])
    assert listed("ipsec-profile", "set pfs ") == [*sorted(f"group{number}" for number in [*numbers, 31]), "<cr>"]
    assert listed("ipsec-profile", "set ") == [
        *("ikev2-profile", "isakmp-profile", "mixed-mode", "pfs", "security-association", "transform-set"),
    ]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("crypto isakmp profile P", "client authentication list X"), "XAUTH is not available"),
        (("crypto isakmp profile P", "client configuration address respond"), "Easy VPN clients are not available"),
        (("crypto isakmp profile P", "isakmp authorization list X"), "name a keyring"),
        (("crypto isakmp profile P", "local-address vt1"), "name another interface"),
        (("crypto isakmp profile P", "match identity address 10.0.0.0 255.0.255.0"), "neither a mask such as"),
        (("crypto isakmp profile P", "no match identity group g"), "match identity group g is not configured"),
        (("crypto isakmp profile P", "no keyring K"), "keyring K is not configured in this profile"),
        (("no crypto isakmp profile P",), "ISAKMP profile P is not configured"),
        (("no crypto map M",), "crypto map M is not configured"),
        (("no crypto dynamic-map D 10",), "crypto dynamic-map D 10 is not configured"),
        (("interface tu1", "tunnel vrf X"), "VRFs are not supported yet"),
        (("interface tu1", "ipv6 ospf 1 area 0"), "OSPFv3 is not supported yet"),
        (("interface tu1", "ipv6 address fe80::1 link-local"), "an interface with IPv6 has one by itself"),
        (("crypto map M 10 ipsec-isakmp", "set pfs group1"), "group1 is not available"),
        (("interface tu1", "tunnel protection ipsec profile P isakmp-profile Q"), "set isakmp-profile"),
        (("interface tu1", "tunnel mode ipsec ipv4", "keepalive 10 3"), "watched by crypto isakmp keepalive"),
        (("interface vt1", "keepalive"), "keepalive is of GRE tunnels"),
        (("interface tu1", "ip unnumbered vt1"), "name another interface"),
        (("interface tu1", "ip unnumbered vi1"), "made from a Virtual-Template"),
        (("interface tu1", "tunnel source vt1"), "name another interface"),
        (("router ospf 1", "passive-interface vi1"), "made from a Virtual-Template"),
        (("no ip nat inside source list 1 interface fa0/0 overload",), "Dynamic mapping not found"),
        (("no ip nat inside source static 10.0.0.1 192.0.2.1",), "Translation not found"),
        (
            ("ip nat inside source static 10.0.0.1 192.0.2.1", "ip nat inside source static 10.0.0.2 192.0.2.1"),
            r"similar static entry \(10\.0\.0\.1 -> 192\.0\.2\.1\) already exists",
        ),
    ],
)
def test_refusals_say_why(lines: tuple[str, ...], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        typed(*lines)


def test_keepalive_is_of_gre_tunnels_and_kept_elsewhere() -> None:
    config = typed("interface tu1", "keepalive", "interface fa0/0", "keepalive 5").config
    tunnel = config.interfaces["Tunnel1"].tunnel
    assert tunnel is not None
    assert tunnel.keepalive == TunnelKeepalive(10, 3)
    assert [(line.path, line.text) for line in config.stored] == [(("interface FastEthernet0/0",), "keepalive 5")]
    assert typed("interface fa0/0", "no keepalive", config=config).config.stored == ()
    off = typed("interface tu1", "keepalive 0", config=config).config.interfaces["Tunnel1"].tunnel
    assert off is not None
    assert off.keepalive is None
    # A file has keepalive in front of the tunnel's mode: it stays, is told of, and may be read again.
    later = typed("interface tu1", "tunnel mode ipsec ipv4", config=config).config
    assert parse(render(later), base=later).config == later


def test_kept_with_a_notice() -> None:
    for line in (
        "set security-association level per-host",
        "set ip access-group 101 in",
    ):
        assert "kept" in typed("crypto map M 10 ipsec-isakmp", line).warnings[0], line
    for line in ("set nat demux", "qos pre-classify"):
        assert typed("crypto map M 10 ipsec-isakmp", line).warnings == (), line
    assert "not enforced" in typed("crypto call admission limit cpu 90").warnings[0]
    assert typed("interface fa0/0", "ip access-group 101 in").warnings == (
        "% Warning: FastEthernet0/0: ip access-group 101 in: access list 101 does not exist: everything passes",
    )


KEPT_NAT = (
    "ip nat pool A 192.0.2.1 192.0.2.9 netmask 255.255.255.0",
    "ip nat inside source list 10 pool A overload",
    "ip nat inside source route-map R pool A",
    "ip nat inside source list 10 interface FastEthernet0/0 vrf RED overload",
    "ip nat inside source list 10 interface FastEthernet0/0 overload extended",
    "ip nat inside source static 10.0.0.1 192.0.2.1 vrf RED",
    "ip nat inside source static 10.0.0.1 192.0.2.1 route-map R",
    "ip nat inside source static tcp 10.0.0.1 22 192.0.2.1 2022 vrf RED extendable",
    "ip nat inside source static network 10.0.0.0 192.0.2.0 /24",
    "ip nat inside destination list 11 pool A",
    "ip nat outside source static 10.0.0.1 192.0.2.1 add-route",
    "ip nat translation timeout 300",
)


@pytest.mark.parametrize("line", KEPT_NAT)
def test_other_forms_of_nat_are_kept_with_their_notice(line: str) -> None:
    result = typed(line)
    assert [held.text for held in result.config.stored] == [line]
    assert result.warnings[0] == "% Warning: this form of ip nat is kept and not done here: it translates no addresses"
    assert (result.config.nat_sources, result.config.nat_statics) == ((), ())
    assert line in render(result.config)
    assert typed(f"no {line}", config=result.config).config == Config()


def test_nat_statics_and_their_no_forms() -> None:
    lines = (
        "ip nat inside source static 10.0.0.1 192.0.2.1",
        "ip nat inside source static tcp 10.0.0.1 22 192.0.2.2 2022 extendable",
        "ip nat inside source static tcp 10.0.0.1 23 interface FastEthernet0/0 2023",
    )
    config = typed(*lines).config
    assert len(config.nat_statics) == 3
    for line in lines:
        config = typed(f"no {line}", config=config).config
    assert config == Config()
    first = "ip nat inside source list 1 interface fa0/0 overload"
    moved = typed(first, "ip nat inside source list 1 interface fa0/1 overload").config
    assert moved.nat_sources == (NatSource("1", None, "FastEthernet0/1"),)
    with pytest.raises(ConfigError, match="Dynamic mapping not found"):
        typed(f"no {first}", config=moved)


def test_route_maps_as_access_lists() -> None:
    def lists(text: str) -> tuple[tuple[bool, str], ...] | None:
        return route_map_lists(parse(text).config, "R")

    text = "route-map R permit 20\n match ip address 102 103\nroute-map R deny 10\n match ip address 101\n"
    assert lists(text) == ((False, "101"), (True, "102"), (True, "103"))
    assert lists("route-map R\n match ip add VPN\n set ip next-hop 10.0.0.1\n") == ((True, "VPN"),)
    assert lists("route-map R permit 10\n match ip address 101\nroute-map R deny 20\nroute-map R permit 30\n") == (
        (True, "101"),
    )
    assert lists("route-map R permit 10\n match interface FastEthernet0/0\n") is None
    assert lists("route-map R permit 10\n match ip address prefix-list P\n") is None
    assert lists("route-map R permit 10\n") is None
    assert lists("route-map S permit 10\n match ip address 1\n") is None


def test_virtual_access_interfaces_of_a_derived_configuration_are_shown() -> None:
    config = parse(WRITTEN).config
    template = config.interfaces["Virtual-Template1"]
    assert template.tunnel is not None
    access = replace(
        template, name="Virtual-Access1", tunnel=replace(template.tunnel, destination=IPv4Address("10.9.9.9"))
    )
    derived = replace(config, interfaces=with_item(config.interfaces, "Virtual-Access1", access))
    assert "interface Virtual-Access1\n" in render(derived)
    assert "Virtual-Access" not in render(config)
    assert render_interface(derived, "Virtual-Access1") == (
        "interface Virtual-Access1",
        " ip unnumbered FastEthernet0/0",
        " ip access-group 101 in",
        " tunnel mode ipsec ipv4",
        " tunnel destination 10.9.9.9",
        " tunnel protection ipsec profile P",
    )
    assert render_interface(config, "Virtual-Access1") == ()
    assert render_interface(config, "Virtual-Template1")[0] == "interface Virtual-Template1 type tunnel"
