"""Migration of what stands around a crypto map: GRE, NAT, filters, routes, the other end, IKEv2."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.config.migrating import BASE, SITE, entry, read, routes, run, said
from tests.config.typed import type_lines

from seikan.config.access import crypto_lines
from seikan.config.migrate import Options, Outcome, migrate
from seikan.config.render import render_section

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
