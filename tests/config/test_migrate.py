"""Crypto maps that become tunnels: one case each, as a user has it in a file."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.config.migrating import BASE, SITE, entry, read, routes, run, said
from tests.config.typed import type_lines

from seikan.config.migrate import Migration, Options, Outcome, migrate
from seikan.config.model import Config
from seikan.config.render import render, render_section

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
