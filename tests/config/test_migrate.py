"""Crypto maps that become tunnels: one case each, as a user has it in a file."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.config.typed import type_lines

from seikan.config.access import crypto_lines
from seikan.config.migrate import Migration, Options, Outcome, migrate
from seikan.config.model import Config
from seikan.config.parse import parse
from seikan.config.render import render, render_section
from seikan.config.validate import validate

BASE = """\
hostname R1
crypto isakmp policy 10
 encr aes
 authentication pre-share
 group 14
crypto isakmp key 8hv3xW2qT9 address 198.51.100.0 255.255.255.0
crypto isakmp keepalive 10 3 periodic
crypto ipsec transform-set TS esp-aes esp-sha-hmac
crypto ipsec transform-set TR esp-aes 256 esp-sha256-hmac
 mode transport
interface FastEthernet0/0
 ip address 203.0.113.2 255.255.255.248
 ip nat outside
 crypto map VPN
interface FastEthernet0/1
 ip address 10.1.0.1 255.255.0.0
 ip nat inside
interface FastEthernet0/2
 ip address 10.99.0.1 255.255.255.252
ip route 0.0.0.0 0.0.0.0 203.0.113.1
"""
SITE = "permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255"


def entry(sequence: int, *acl: str, peer: str = "198.51.100.2", more: str = "", transform: str = "TS") -> str:
    """A crypto map entry and its access list."""
    peers = "".join(f" set peer {address}\n" for address in peer.split(","))
    lines = "".join(f" {line}\n" for line in acl)
    return (
        f"crypto map VPN {sequence} ipsec-isakmp\n{peers} set transform-set {transform}\n match address A{sequence}\n"
        f"{''.join(f' {line}{chr(10)}' for line in more.split(';') if line)}"
        f"ip access-list extended A{sequence}\n{lines}"
    )


def read(*parts: str, base: str = BASE, unknown: int = 0) -> Config:
    parsed = parse(base + "".join(parts))
    assert len([problem for problem in parsed.problems if problem.severity.value == "unknown"]) == unknown
    return parsed.config


def run(*parts: str, base: str = BASE, options: Options | None = None) -> Migration:
    return checked(read(*parts, base=base), options)


def checked(config: Config, options: Options | None = None) -> Migration:
    """The migration, after what holds for every one."""
    migration = migrate(config, options)
    written = parse(render(migration.config))
    assert written.config == migration.config
    known = {problem.text for problem in validate(config)}
    assert [problem.text for problem in validate(written.config) if problem.text not in known] == []
    again = migrate(migration.config, options)
    assert again.config == migration.config
    assert not again.tunnels
    assert type_lines(config, migration.lines) == migration.config
    for peer in migration.peers:
        assert parse("\n".join(peer.lines)).problems == ()
    text = migration.report.text() + "".join(line for peer in migration.peers for line in peer.lines)
    assert "8hv3xW2qT9" not in text
    return migration


def routes(migration: Migration) -> list[str]:
    """Those into tunnels and those that were not there, without the guards."""
    lines = [line for line in render(migration.config).splitlines() if line.startswith("ip route")]
    return [line.removeprefix("ip route ") for line in lines if "Null0" not in line]


def said(migration: Migration, outcome: Outcome, *words: str) -> str:
    """The one statement that has all the words."""
    found = [item for item in migration.report.items(outcome) if all(word in item.text for word in words)]
    assert len(found) == 1, migration.report.text()
    return found[0].text


# --- the tunnel -------------------------------------------------------------------------------------


def test_an_entry_becomes_a_tunnel_that_negotiates_the_same_selectors() -> None:
    migration = run(entry(10, SITE, more="set pfs group14;set security-association lifetime seconds 1800"))
    assert render_section(migration.config, "interface", "Tunnel0") == (
        "interface Tunnel0",
        " description from crypto map VPN 10",
        " ip unnumbered FastEthernet0/0",
        " tunnel source FastEthernet0/0",
        " tunnel mode ipsec ipv4",
        " tunnel destination 198.51.100.2",
        " tunnel protection ipsec policy ipv4 A10",
        " tunnel protection ipsec profile VPN-10",
    )
    assert render_section(migration.config, "crypto ipsec profile", "VPN-10") == (
        "crypto ipsec profile VPN-10",
        " set security-association lifetime seconds 1800",
        " set transform-set TS",
        " set pfs group14",
    )
    assert routes(migration) == ["0.0.0.0 0.0.0.0 203.0.113.1", "10.2.0.0 255.255.0.0 Tunnel0"]
    assert migration.config.crypto_maps == {}
    assert migration.config.interfaces["FastEthernet0/0"].crypto_map is None
    assert migration.complete


def test_while_the_tunnel_is_down_its_packets_are_dropped() -> None:
    assert "ip route 10.2.0.0 255.255.0.0 Null0 254" in render(run(entry(10, SITE)).config).splitlines()


def test_in_the_plain_stage_the_tunnel_has_no_policy() -> None:
    migration = run(entry(10, SITE), options=Options(policy=False))
    tunnel = migration.config.interfaces["Tunnel0"].tunnel
    assert tunnel is not None
    assert tunnel.protection_policy is None
    there = migration.peers[0].config.interfaces["Tunnel1000"].tunnel
    assert there is not None
    assert there.protection_policy is None
    assert "no crypto map with an access list accepts" in said(migration, Outcome.NOTE, "any to any")


def test_names_that_are_taken_are_left_alone() -> None:
    taken = "crypto ipsec profile VPN-10\n set transform-set TR\ninterface Tunnel0\n tunnel source FastEthernet0/2\n"
    migration = run(entry(10, SITE), taken)
    assert migration.tunnels == ("Tunnel1",)
    assert migration.config.ipsec.profiles["VPN-10"].transform_sets == ("TR",)
    assert migration.config.ipsec.profiles["VPN-10-2"].transform_sets == ("TS",)


def test_transform_sets_of_transport_mode_get_a_copy_in_tunnel_mode() -> None:
    migration = run(entry(10, SITE, transform="TR"))
    assert migration.config.ipsec.profiles["VPN-10"].transform_sets == ("TR-TUNNEL",)
    assert not migration.config.ipsec.transform_sets["TR-TUNNEL"].transport
    assert migration.config.ipsec.transform_sets["TR"].transport


def test_the_local_address_of_a_map_is_the_source_of_its_tunnels() -> None:
    loopback = "interface Loopback0\n ip address 192.0.2.1 255.255.255.255\ncrypto map VPN local-address Loopback0\n"
    second = "interface FastEthernet0/2\n crypto map VPN\nip route 10.2.0.0 255.255.0.0 10.99.0.2 5\n"
    migration = run(entry(10, SITE), loopback, second)
    interface = migration.config.interfaces["Tunnel0"]
    assert (interface.unnumbered, interface.tunnel and interface.tunnel.source) == ("Loopback0", "Loopback0")
    assert migration.tunnels == ("Tunnel0",)
    assert {interface.crypto_map for interface in migration.config.interfaces.values()} == {None}
    assert migration.peers[0].lines[0].startswith("! 198.51.100.2")
    assert " tunnel destination 192.0.2.1" in migration.peers[0].lines


def test_adjust_mss_goes_to_the_tunnel_too() -> None:
    migration = run(entry(10, SITE), "interface FastEthernet0/0\n ip tcp adjust-mss 1360\n")
    assert migration.config.interfaces["Tunnel0"].adjust_mss == 1360
    assert "1438" in said(migration, Outcome.SAME, "MTU", "adjust-mss 1360")


def test_the_filter_of_an_entry_goes_to_its_tunnel() -> None:
    acl = "ip access-list extended F\n permit ip any any\n"
    migration = run(acl, entry(10, SITE, more="set ip access-group F in"))
    assert migration.config.interfaces["Tunnel0"].access_group_in == "F"


def test_entries_with_the_same_peer_share_a_tunnel() -> None:
    migration = run(entry(10, SITE), entry(20, "permit ip 10.1.0.0 0.0.255.255 10.3.0.0 0.0.255.255"))
    assert migration.tunnels == ("Tunnel0",)
    policy = migration.config.access_lists["VPN-10-VTI"]
    assert [line.text for line in policy.entries] == [SITE, "permit ip 10.1.0.0 0.0.255.255 10.3.0.0 0.0.255.255"]


def test_entries_with_the_same_peer_and_other_settings_do_not() -> None:
    other = entry(20, "permit ip 10.1.0.0 0.0.255.255 10.3.0.0 0.0.255.255", more="set pfs group14")
    migration = migrate(read(entry(10, SITE), other))
    assert sorted(migration.config.crypto_maps["VPN"].entries) == [20]
    assert "one tunnel has one profile" in said(migration, Outcome.LOST, "crypto map VPN 10")
    assert not migration.complete


def test_a_tunnel_with_the_same_ends_is_in_the_way() -> None:
    there = (
        "crypto ipsec profile P\n set transform-set TS\ninterface Tunnel7\n ip unnumbered FastEthernet0/0\n"
        " tunnel source 203.0.113.2\n tunnel destination 198.51.100.2\n tunnel mode ipsec ipv4\n"
        " tunnel protection ipsec profile P\n"
    )
    migration = run(entry(10, SITE), there)
    assert not migration.tunnels
    assert "Tunnel7" in said(migration, Outcome.LOST, "same ends")


# --- several peers ----------------------------------------------------------------------------------


def test_other_peers_get_tunnels_with_floating_routes() -> None:
    migration = run(entry(10, SITE, peer="198.51.100.2,198.51.100.3 default,198.51.100.4"))
    destinations = [migration.config.interfaces[name].tunnel.destination for name in migration.tunnels]  # type: ignore[union-attr]
    assert [str(address) for address in destinations] == ["198.51.100.3", "198.51.100.2", "198.51.100.4"]
    assert routes(migration)[1:] == [
        "10.2.0.0 255.255.0.0 Tunnel0",
        "10.2.0.0 255.255.0.0 Tunnel1 10",
        "10.2.0.0 255.255.0.0 Tunnel2 20",
    ]
    assert "The other site must prefer the same one" in said(migration, Outcome.CHANGES, "one peer at a time")


def test_several_peers_need_dead_peer_detection() -> None:
    base = BASE.replace("crypto isakmp keepalive 10 3 periodic\n", "")
    migration = run(entry(10, SITE, peer="198.51.100.2,198.51.100.3"), base=base)
    assert migration.config.isakmp.keepalive is not None
    assert migration.config.isakmp.keepalive.periodic
    said(migration, Outcome.CHANGES, "crypto isakmp keepalive is added")
    alone = run(entry(10, SITE), base=base)
    assert alone.config.isakmp.keepalive is None
    said(alone, Outcome.TYPE, "dead peer detection")


# --- routes -----------------------------------------------------------------------------------------


def test_networks_inside_others_get_no_route_of_their_own() -> None:
    migration = run(entry(10, SITE, "permit ip host 10.1.0.9 10.2.7.0 0.0.0.255", "permit ip any host 10.2.7.7"))
    assert routes(migration)[1:] == ["10.2.0.0 255.255.0.0 Tunnel0"]


def test_a_route_to_the_same_network_by_the_interface_makes_way() -> None:
    migration = run(
        entry(10, SITE), "ip route 10.2.0.0 255.255.0.0 203.0.113.1\nip route 10.2.3.0 255.255.255.0 203.0.113.1\n"
    )
    assert routes(migration)[1:] == ["10.2.0.0 255.255.0.0 Tunnel0"]
    assert "no ip route 10.2.3.0 255.255.255.0 203.0.113.1" in migration.lines


def test_a_more_specific_route_elsewhere_goes_on_winning() -> None:
    migration = run(entry(10, SITE), "ip route 10.2.3.0 255.255.255.0 10.1.0.254\n")
    assert "10.2.3.0 255.255.255.0 10.1.0.254" in routes(migration)
    assert "10.2.3.0 255.255.255.0 Tunnel0 10" in routes(migration)  # when that way is gone the default route led here


def test_a_vpn_behind_another_way_stays_behind_it() -> None:
    migration = run(entry(10, SITE), "ip route 10.2.0.0 255.255.0.0 10.99.0.2\n")
    assert routes(migration)[1:] == ["10.2.0.0 255.255.0.0 Tunnel0 10", "10.2.0.0 255.255.0.0 10.99.0.2"]


def test_a_way_in_clear_behind_the_vpn_is_told() -> None:
    migration = run(
        entry(10, SITE), "ip route 10.2.0.0 255.255.0.0 10.99.0.2 200\nip route 10.2.0.0 255.255.0.0 203.0.113.1\n"
    )
    assert routes(migration)[1:] == ["10.2.0.0 255.255.0.0 Tunnel0", "10.2.0.0 255.255.0.0 10.99.0.2 200"]
    assert "FastEthernet0/2 in clear" in said(migration, Outcome.CHANGES, "while the tunnel is down")


def test_traffic_that_leaves_by_another_interface_was_never_encrypted() -> None:
    base = BASE.replace("203.0.113.1\n", "10.99.0.2\n")
    migration = run(entry(10, SITE), base=base)
    assert not migration.tunnels
    said(migration, Outcome.LOST, "10.2.0.0/16", "out of another interface")


def test_any_destination_takes_the_default_route_and_leaves_the_peer_its_way() -> None:
    migration = run(entry(10, "permit ip 10.1.0.0 0.0.255.255 any"))
    assert routes(migration) == ["0.0.0.0 0.0.0.0 Tunnel0", "198.51.100.2 255.255.255.255 203.0.113.1"]
    assert "203.0.113.0/29" in said(migration, Outcome.CHANGES, "were encrypted and now go in clear", "198.51.100.2/32")


def test_any_destination_without_a_gateway_to_keep_cannot_go() -> None:
    base = BASE.replace("ip route 0.0.0.0 0.0.0.0 203.0.113.1\n", "")
    migration = run(entry(10, "permit ip 10.1.0.0 0.0.255.255 any"), base=base)
    assert not migration.tunnels
    said(migration, Outcome.LOST, "198.51.100.2/32", "must keep its present way")


def test_any_destination_beside_a_dynamic_map_cannot_go() -> None:
    dynamic = "crypto dynamic-map D 10\n set transform-set TS\ncrypto map VPN 99 ipsec-isakmp dynamic D\n"
    migration = run(dynamic, entry(10, "permit ip 10.1.0.0 0.0.255.255 any"))
    assert not migration.tunnels
    said(migration, Outcome.LOST, "crypto dynamic-map D, whose addresses are not known")


def test_a_peer_inside_a_destination_keeps_its_way() -> None:
    migration = run(entry(10, "permit ip any 198.51.100.0 0.0.0.255"))
    assert routes(migration)[1:] == [
        "198.51.100.0 255.255.255.0 Tunnel0",
        "198.51.100.2 255.255.255.255 203.0.113.1",
    ]


def test_the_peer_alone_as_destination_cannot_go() -> None:
    migration = run(entry(10, SITE, "permit ip any host 198.51.100.2"))
    assert not migration.tunnels
    said(migration, Outcome.LOST, "line 20", "198.51.100.2/32")


def test_a_learnt_address_leaves_the_gateway_to_the_default_route() -> None:
    base = BASE.replace(" ip address 203.0.113.2 255.255.255.248\n", " ip address dhcp\n")
    migration = run(entry(10, SITE), base=base)
    assert routes(migration)[1:] == ["10.2.0.0 255.255.0.0 Tunnel0"]
    assert migration.peers[0].lines == ()
    assert "dynamic VTI" in said(migration, Outcome.LOST, "need the address of FastEthernet0/0")


# --- lines ------------------------------------------------------------------------------------------


def test_a_denied_network_keeps_its_way() -> None:
    migration = run(entry(10, "deny ip any 10.2.9.0 0.0.0.255", "permit ip any 10.2.0.0 0.0.255.255"))
    assert routes(migration)[1:] == ["10.2.0.0 255.255.0.0 Tunnel0", "10.2.9.0 255.255.255.0 203.0.113.1"]
    said(migration, Outcome.SAME, "line 10 'deny", "keeps it out of the tunnel")
    assert [held.text for held in migration.config.access_lists["VPN-10-VTI"].entries] == [
        "permit ip any 10.2.0.0 0.0.255.255"
    ]
    assert migration.diverted == ()


def test_what_is_denied_by_source_goes_in_and_that_is_told() -> None:
    migration = run(entry(10, "deny ip host 10.1.0.7 any", SITE))
    assert routes(migration)[1:] == ["10.2.0.0 255.255.0.0 Tunnel0"]
    assert "10.2.0.0/16" in said(migration, Outcome.CHANGES, "line 10 'deny", "is encrypted too")


def test_a_deny_at_the_end_changes_nothing() -> None:
    migration = run(entry(10, SITE, "deny ip any any"))
    said(migration, Outcome.SAME, "line 20 'deny", "no permit line has what it denies")
    assert migration.config.interfaces["Tunnel0"].tunnel == replace(
        migration.config.interfaces["Tunnel0"].tunnel,
        protection_policy="VPN-10-VTI",  # type: ignore[type-var]
    )


def test_packets_of_other_sources_are_told() -> None:
    assert "dropped by Tunnel0" in said(run(entry(10, SITE)), Outcome.CHANGES, "10.2.0.0/16", "no line permits")
    plain = run(entry(10, SITE), options=Options(policy=False))
    assert "go through Tunnel0" in said(plain, Outcome.CHANGES, "10.2.0.0/16", "no line permits")
    everything = run(entry(10, "permit ip any 10.2.0.0 0.0.255.255"))
    assert not [item for item in everything.report.items(Outcome.CHANGES) if "no line permits" in item.text]


def test_lines_by_port_hold_as_long_as_there_is_a_policy() -> None:
    line = "permit tcp 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255 eq 443"
    said(run(entry(10, line)), Outcome.SAME, line, "negotiates this selector")
    plain = run(entry(10, line), options=Options(policy=False))
    said(plain, Outcome.CHANGES, line, "whatever the protocol and ports")


def test_entries_that_differ_by_source_only_stay_both() -> None:
    migration = run(
        entry(10, "permit ip 10.1.1.0 0.0.0.255 10.2.0.0 0.0.255.255"),
        entry(20, "permit ip 10.1.2.0 0.0.0.255 10.2.0.0 0.0.255.255", peer="198.51.100.3"),
        entry(30, "permit ip 10.1.0.0 0.0.255.255 10.3.0.0 0.0.255.255", peer="198.51.100.4"),
    )
    assert sorted(migration.config.crypto_maps["VPN"].entries) == [10, 20]
    assert migration.config.interfaces["FastEthernet0/0"].crypto_map == "VPN"
    said(migration, Outcome.LOST, "10.2.0.0/16 is a destination of crypto map VPN 20 too")


def test_what_one_entry_denies_and_the_next_one_takes_keeps_both() -> None:
    migration = run(
        entry(10, "deny ip host 10.1.0.7 any", "permit ip any 10.2.0.0 0.0.255.255"),
        entry(20, "permit ip any 10.2.0.0 0.0.255.255", peer="198.51.100.3"),
    )
    assert not migration.tunnels
    said(migration, Outcome.LOST, "10.2.0.0/16 is a destination of crypto map VPN 20 too")


def test_an_entry_behind_a_wider_one_gets_the_more_specific_route() -> None:
    migration = run(
        entry(10, "permit ip any 10.2.3.0 0.0.0.255"),
        entry(20, "permit ip any 10.2.0.0 0.0.255.255", peer="198.51.100.3"),
    )
    assert routes(migration)[1:] == ["10.2.0.0 255.255.0.0 Tunnel1", "10.2.3.0 255.255.255.0 Tunnel0"]


def test_an_entry_that_no_packet_gets_to_stays() -> None:
    migration = run(entry(10, SITE), entry(20, SITE, peer="198.51.100.3"))
    assert migration.tunnels == ("Tunnel0",)
    said(migration, Outcome.LOST, "no packet gets to it")


# --- what stays -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((" match address A10\n", ""), "no access list"),
        ((" set peer 198.51.100.2\n", ""), "no peer"),
        ((" set transform-set TS\n match", " match"), "no transform set"),
        ((" set transform-set TS\n match", " set transform-set NONE\n match"), "transform set NONE does not exist"),
        ((" match address A10\n", " match address NONE\n"), "access list NONE does not exist"),
        ((SITE, SITE.replace("permit", "deny")), "permits nothing"),
        ((SITE, "permit ip 10.1.0.0 0.0.255.255 10.2.0.1 0.0.255.0"), "not contiguous"),
        ((SITE, "permit tcp any any range 80 90"), "one port or all"),
        ((SITE, SITE + " time-range DAY"), "time-range DAY"),
        (("set peer 198.51.100.2", "set peer 2001:db8::2"), "IPv6"),
        ((" match address A10\n", " match address A10\n set isakmp-profile NONE\n"), "isakmp profile NONE"),
        ((" match address A10\n", " match address A10\n set ikev2-profile NONE\n"), "ikev2 profile NONE does not"),
    ],
)
def test_an_unfinished_entry_stays_with_the_reason(change: tuple[str, str], reason: str) -> None:
    text = entry(10, SITE)
    assert change[0] in text
    config = read(text.replace(*change))
    migration = migrate(config)
    assert migration.config is config
    assert not migration.tunnels
    said(migration, Outcome.LOST, reason)


def test_an_entry_with_a_line_that_is_not_understood_stays() -> None:
    config = read(entry(10, SITE, more="set ipx network 7"), unknown=1)
    said(migrate(config), Outcome.LOST, "'set ipx network 7' is not understood")


def test_a_map_on_no_interface_stays() -> None:
    migration = run(entry(10, SITE), base=BASE.replace(" crypto map VPN\n", ""))
    said(migration, Outcome.LOST, "no interface has crypto map VPN")


def test_without_a_crypto_map_there_is_nothing_to_do() -> None:
    config = read(base=BASE.replace(" crypto map VPN\n", ""))
    migration = migrate(config)
    assert migration.config is config
    assert "nothing to do" in migration.report.text()


def test_only_what_was_asked_for_is_migrated() -> None:
    other = entry(20, "permit ip 10.1.0.0 0.0.255.255 10.3.0.0 0.0.255.255", peer="198.51.100.3")
    migration = checked_once(read(entry(10, SITE), other), Options(entries=(20,)))
    assert sorted(migration.config.crypto_maps["VPN"].entries) == [10]
    assert migration.config.interfaces["Tunnel0"].tunnel is not None
    assert str(migration.config.interfaces["Tunnel0"].tunnel.destination) == "198.51.100.3"
    assert migration.complete
    nothing = migrate(read(entry(10, SITE)), Options(maps=("OTHER",)))
    assert not nothing.tunnels


def checked_once(config: Config, options: Options) -> Migration:
    migration = migrate(config, options)
    assert type_lines(config, migration.lines) == migration.config
    return migration


def test_a_dynamic_map_stays_and_its_dynamic_vti_is_shown() -> None:
    dynamic = (
        "crypto dynamic-map D 10\n set transform-set TS\n set pfs group14\ncrypto map VPN 99 ipsec-isakmp dynamic D\n"
    )
    migration = run(dynamic, entry(10, SITE))
    assert sorted(migration.config.crypto_maps["VPN"].entries) == [99]
    assert migration.config.interfaces["FastEthernet0/0"].crypto_map == "VPN"
    assert not migration.complete
    (shown,) = [item for item in migration.report.items(Outcome.TYPE) if "crypto dynamic-map D 10" in item.text]
    typed = type_lines(migration.config, shown.lines)
    profile = typed.isakmp.profiles["D-10"]
    template = typed.interfaces[f"Virtual-Template{profile.virtual_template}"]
    assert template.tunnel is not None
    assert typed.ipsec.profiles[template.tunnel.protection or ""].pfs_group == 14


# --- GRE --------------------------------------------------------------------------------------------

GRE_TUNNEL = (
    "interface Tunnel4\n ip address 10.255.0.1 255.255.255.252\n tunnel source {source}\n"
    " tunnel destination 198.51.100.2\n"
)
GRE_LINE = "permit gre host 203.0.113.2 host 198.51.100.2"


@pytest.mark.parametrize("source", ["FastEthernet0/0", "203.0.113.2"])
def test_a_gre_tunnel_is_protected_itself(source: str) -> None:
    migration = run(entry(10, GRE_LINE, transform="TR"), GRE_TUNNEL.format(source=source))
    assert migration.tunnels == ("Tunnel4",)
    assert render_section(migration.config, "interface", "Tunnel4")[-1] == " tunnel protection ipsec profile VPN-10"
    assert migration.config.ipsec.profiles["VPN-10"].transform_sets == ("TR",)
    assert routes(migration) == ["0.0.0.0 0.0.0.0 203.0.113.1"]
    assert migration.config.crypto_maps == {}
    said(migration, Outcome.SAME, "does not matter which end is migrated first")
    assert "1476" in said(migration, Outcome.CHANGES, "MTU", "1434")
    assert any("tunnel protection ipsec profile" in line for line in migration.peers[0].lines)


def test_gre_tunnels_that_keys_tell_apart_share_their_protection() -> None:
    two = GRE_TUNNEL + " tunnel key 4\n" + GRE_TUNNEL.replace("Tunnel4", "Tunnel5").replace("10.255.0.1", "10.255.0.5")
    migration = run(entry(10, GRE_LINE), (two + " tunnel key 5\n").format(source="FastEthernet0/0"))
    assert migration.tunnels == ("Tunnel4", "Tunnel5")
    for name in migration.tunnels:
        tunnel = migration.config.interfaces[name].tunnel
        assert tunnel is not None
        assert tunnel.shared


def test_a_map_on_the_gre_tunnel_itself_goes_too() -> None:
    config = read(entry(10, GRE_LINE), GRE_TUNNEL.format(source="FastEthernet0/0") + " crypto map VPN\n", unknown=1)
    migration = migrate(config)
    assert not [line for line in migration.config.stored if "crypto map" in line.text]
    assert " no crypto map VPN" in migration.lines


def test_gre_and_other_traffic_to_one_peer() -> None:
    migration = run(entry(10, GRE_LINE, SITE), GRE_TUNNEL.format(source="FastEthernet0/0"))
    assert migration.tunnels == ("Tunnel0", "Tunnel4")
    policy = migration.config.access_lists["VPN-10-VTI"]
    assert [line.text for line in policy.entries] == [SITE]


@pytest.mark.parametrize(
    ("tunnel", "line", "reason"),
    [
        ("", GRE_LINE, "no tunnel interface"),
        (GRE_TUNNEL, "permit gre host 10.1.0.1 host 198.51.100.2", "the encryption does not"),
    ],
)
def test_gre_between_other_ends_than_the_encryption_stays(tunnel: str, line: str, reason: str) -> None:
    migration = run(entry(10, line), tunnel.format(source="FastEthernet0/1"))
    assert not migration.tunnels
    said(migration, Outcome.LOST, reason)


def test_gre_inside_a_tunnel_to_another_address_is_routed_like_anything_else() -> None:
    inner = "interface Tunnel4\n tunnel source 10.1.0.1\n tunnel destination 10.2.0.1\n"
    migration = run(entry(10, "permit gre host 10.1.0.1 host 10.2.0.1"), inner)
    assert migration.tunnels == ("Tunnel0",)
    assert routes(migration)[1:] == ["10.2.0.1 255.255.255.255 Tunnel0"]


def test_the_end_of_a_tunnel_that_the_map_does_not_encrypt_keeps_its_way() -> None:
    clear = "interface Tunnel4\n tunnel source FastEthernet0/0\n tunnel destination 192.0.2.99\n"
    migration = run(entry(10, "permit ip 10.1.0.0 0.0.255.255 any"), clear)
    assert "192.0.2.99 255.255.255.255 203.0.113.1" in routes(migration)


# --- around -----------------------------------------------------------------------------------------

NAT = (
    "ip nat inside source list NAT interface FastEthernet0/0 overload\nip access-list extended NAT\n"
    " deny ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255\n permit ip 10.1.0.0 0.0.255.255 any\n"
)


def test_nat_exemptions_are_needed_no_more() -> None:
    kept = run(entry(10, SITE), NAT)
    said(kept, Outcome.NOTE, "NAT exemptions of access list NAT", "--clean")
    assert len(kept.config.access_lists["NAT"].entries) == 2
    cleaned = run(entry(10, SITE), NAT, options=Options(clean=True))
    assert [held.text for held in cleaned.config.access_lists["NAT"].entries] == ["permit ip 10.1.0.0 0.0.255.255 any"]
    said(cleaned, Outcome.CHANGES, "NAT exemptions", "are removed")


def test_nat_exemptions_of_a_route_map_are_found() -> None:
    by_map = NAT.replace("list NAT", "route-map RM") + "route-map RM permit 10\n match ip address NAT\n"
    cleaned = run(entry(10, SITE), by_map, options=Options(clean=True))
    assert len(cleaned.config.access_lists["NAT"].entries) == 1


def test_nat_exemptions_that_say_more_stay() -> None:
    wide = NAT.replace("10.2.0.0 0.0.255.255", "10.0.0.0 0.255.255.255")
    migration = run(entry(10, SITE), wide, options=Options(clean=True))
    assert len(migration.config.access_lists["NAT"].entries) == 2
    said(migration, Outcome.NOTE, "They exempt other packets too")


def test_traffic_that_nat_took_before_the_map_is_told() -> None:
    migration = run(entry(10, SITE), NAT.replace(" deny ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255\n", ""))
    said(migration, Outcome.CHANGES, "access list NAT translates these packets first")


def test_a_source_that_nat_makes_cannot_go() -> None:
    migration = run(entry(10, "permit ip host 203.0.113.2 10.2.0.0 0.0.255.255"), NAT)
    assert not migration.tunnels
    said(migration, Outcome.LOST, "203.0.113.2", "not translated there")


def test_filters_that_were_for_decrypted_packets_are_found() -> None:
    filters = (
        "interface FastEthernet0/0\n ip access-group IN in\n ip access-group OUT out\nip access-list extended IN\n"
        " permit esp any host 203.0.113.2\n permit udp any host 203.0.113.2 eq isakmp\n"
        " permit ip 10.2.0.0 0.0.255.255 10.1.0.0 0.0.255.255\nip access-list extended OUT\n permit ip any any\n"
    )
    migration = run(entry(10, SITE), filters)
    (item,) = [item for item in migration.report.items(Outcome.NOTE) if "access list IN" in item.text]
    assert item.lines == (
        "ip access-list extended FROM-TUNNEL0",
        " permit ip 10.2.0.0 0.0.255.255 10.1.0.0 0.0.255.255",
        "interface Tunnel0",
        " ip access-group FROM-TUNNEL0 in",
    )
    said(migration, Outcome.NOTE, "ip access-group OUT out")


def test_ospf_does_not_start_on_the_tunnel() -> None:
    ospf = "router ospf 1\n network 203.0.113.2 0.0.0.0 area 0\nrouter ospf 2\n network 10.1.0.0 0.0.255.255 area 0\n"
    migration = run(entry(10, SITE), ospf)
    assert migration.config.ospf[1].passive_interfaces == ("Tunnel0",)
    assert migration.config.ospf[2].passive_interfaces == ()


def test_reverse_routes_become_static_with_tag_and_distance() -> None:
    more = "reverse-route static;set reverse-route tag 77;set reverse-route distance 15"
    ospf = "router ospf 1\n redistribute static subnets\n"
    migration = run(entry(10, SITE, more=more), ospf)
    assert routes(migration)[1:] == ["10.2.0.0 255.255.0.0 Tunnel0 15 tag 77"]
    said(migration, Outcome.SAME, "reverse-route is needed no more", "tag 77")
    said(migration, Outcome.CHANGES, "router ospf 1 redistributes static routes", "as those of reverse-route were")


def test_aggressive_mode_and_missing_keys_are_told() -> None:
    aggressive = (
        "crypto isakmp peer address 198.51.100.2\n set aggressive-mode password s3cret\n"
        " set aggressive-mode client-endpoint fqdn r1.example.net\n"
    )
    migration = run(entry(10, SITE), aggressive)
    said(migration, Outcome.NOTE, "198.51.100.2 uses aggressive mode")
    assert "s3cret" not in migration.report.text()
    other = migrate(read(entry(10, SITE, peer="192.0.2.77")))
    said(other, Outcome.NOTE, "no key here is for 192.0.2.77")


def test_services_of_the_interface_are_told() -> None:
    migration = run(entry(10, SITE), "interface FastEthernet0/0\n zone-member security OUTSIDE\n")
    said(migration, Outcome.NOTE, "zone-member security OUTSIDE")


# --- the other end ----------------------------------------------------------------------------------


def test_the_other_end_is_the_mirror() -> None:
    line = "permit tcp 10.1.0.0 0.0.255.255 10.3.0.0 0.0.255.255 eq 443"
    migration = run(entry(10, SITE, line, more="set pfs group14"))
    (peer,) = migration.peers
    interface = peer.config.interfaces["Tunnel1000"]
    here = migration.config.interfaces["Tunnel0"].tunnel
    assert here is not None
    assert interface.tunnel is not None
    assert (str(interface.tunnel.source), str(interface.tunnel.destination)) == ("198.51.100.2", "203.0.113.2")
    ours = crypto_lines(migration.config.access_lists[here.protection_policy or ""])
    theirs = crypto_lines(peer.config.access_lists[interface.tunnel.protection_policy or ""])
    assert [held.selector for held in theirs] == [
        held.selector.mirrored() for held in ours if held.selector is not None
    ]
    profile = peer.config.ipsec.profiles[interface.tunnel.protection or ""]
    assert profile.pfs_group == 14
    ours_set, theirs_set = migration.config.ipsec.transform_sets["TS"], peer.config.ipsec.transform_sets[profile.name]
    assert replace(theirs_set, name="TS") == ours_set
    assert [str(route.network) for route in peer.config.routes] == ["10.1.0.0/16", "10.1.0.0/16"]


def test_both_ends_migrated_have_the_same_selectors() -> None:
    """Ours and what our lines make at a router that had the mirrored map."""
    there = BASE.replace("198.51.100.0 255", "203.0.113.0 255").replace("10.1.0.1", "10.2.0.1")
    there = there.replace("address 203.0.113.2", "address 198.51.100.2").replace("0 203.0.113.1", "0 198.51.100.1")
    mirrored = entry(10, "permit ip 10.2.0.0 0.0.255.255 10.1.0.0 0.0.255.255", peer="203.0.113.2")
    ours, theirs = run(entry(10, SITE)), run(mirrored, base=there)
    policy = crypto_lines(ours.config.access_lists["A10"])[0].selector
    other = crypto_lines(theirs.config.access_lists["A10"])[0].selector
    assert policy is not None
    assert other == policy.mirrored()


def test_a_peer_that_should_send_everything_is_told_what_is_missing() -> None:
    (peer,) = run(entry(10, "permit ip any 10.2.0.0 0.0.255.255", SITE)).peers
    assert any("ip route 203.0.113.2 255.255.255.255 GATEWAY" in line for line in peer.lines)
    assert {str(route.network) for route in peer.config.routes} == {"10.1.0.0/16"}


def test_the_way_to_the_plain_stage_is_told_for_both_ends() -> None:
    migration = run(entry(10, SITE))
    typed = [item.lines for item in migration.report.items(Outcome.TYPE)]
    assert ("interface Tunnel0", " no tunnel protection ipsec policy ipv4 A10") in typed
    assert ("interface Tunnel1000", " no tunnel protection ipsec policy ipv4 VTI-R1-0") in typed
    plain = run(entry(10, SITE), options=Options(policy=False))
    after = type_lines(migration.config, ("interface Tunnel0", " no tunnel protection ipsec policy ipv4 A10"))
    assert after == plain.config


# --- IKEv2 ------------------------------------------------------------------------------------------

IKEV2 = """\
crypto ikev2 keyring K
 peer ALL
  address 198.51.100.0 255.255.255.0
  pre-shared-key 8hv3xW2qT9
crypto ikev2 profile F
 match identity remote address 198.51.100.0 255.255.255.0
 authentication remote pre-share
 authentication local pre-share
 keyring local K
"""


def test_an_entry_of_ikev2_stays_one() -> None:
    base = BASE.replace("crypto isakmp keepalive 10 3 periodic\n", "")
    migration = run(entry(10, SITE, more="set ikev2-profile F"), IKEV2, base=base)
    assert " set ikev2-profile F" in render_section(migration.config, "crypto ipsec profile", "VPN-10")
    assert "ikev2 profile F" in said(migration, Outcome.SAME, "in crypto ipsec profile VPN-10")
    assert any("needs set ikev2-profile too" in line for line in migration.peers[0].lines)
    [item] = [held for held in migration.report.items(Outcome.TYPE) if "dead peer detection" in held.text]
    assert item.lines == ("crypto ikev2 dpd 10 3 periodic",)


def test_entries_of_both_versions_share_no_tunnel() -> None:
    other = entry(20, "permit ip 10.1.0.0 0.0.255.255 10.3.0.0 0.0.255.255")
    migration = migrate(read(entry(10, SITE, more="set ikev2-profile F"), other, IKEV2))
    assert "isakmp or ikev2 profile" in said(migration, Outcome.LOST, "crypto map VPN 10")
    assert not migration.complete
