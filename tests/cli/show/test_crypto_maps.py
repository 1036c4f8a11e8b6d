"""The hub's crypto maps, isakmp profiles and call admission, line by line and without trailing blanks."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from tests.cli.show.example import STATUS, render, trimmed
from tests.cli.show.hub import (
    CONFIG_OF_HUB,
    GRE_TUNNELS,
    HUB,
    ROAMER,
    ROAMER_TUNNEL,
    SITE_FLOWS,
    SITE_TUNNEL,
    SPOKE,
    STANDBY,
    VPN,
    WAN,
    of,
    pair,
)

from seikan.config.model import CryptoMapPeer, SelfIdentity

MAP = """Crypto Map IPv4 "VPN" 10 ipsec-isakmp
        Description: to the site
        Peer = 10.1.55.5
        Peer = 10.1.56.6
        Default peer: 10.1.55.5
        Access-List SS dynamic: False
        Extended IP access list SITES
            access-list SITES permit ip 10.3.0.0 0.0.255.255 10.5.0.0 0.0.255.255
            access-list SITES permit ip 10.3.0.0 0.0.255.255 host 10.5.9.1
        Current peer: 10.1.56.6
        Security association lifetime: 4608000 kilobytes/1800 seconds
        Security association idletime: 600 seconds
        Responder-Only (Y/N): N
        PFS (Y/N): Y
        DH group:  group14
        Mixed-mode : Disabled
        Transform sets={
                CCIE:  { esp-aes esp-sha-hmac  } ,
        }
        transform set GONE is not configured
        Reverse Route Injection Enabled
        Reverse Routes: without SAs too, tag 5
        Interfaces using crypto map VPN:
                FastEthernet1/0

Crypto Map IPv4 "VPN" 20 ipsec-isakmp
        WARNING: This crypto map is in an incomplete state!
                (missing peer or access-list definitions)
        Access-List SS dynamic: False
        No matching address list set.
        Security association lifetime: 4608000 kilobytes/3600 seconds
        Responder-Only (Y/N): N
        PFS (Y/N): N
        Mixed-mode : Disabled
        Transform sets={
                CCIE:  { esp-aes esp-sha-hmac  } ,
        }
        Interfaces using crypto map VPN:
                FastEthernet1/0

Crypto Map IPv4 "VPN" 65535 ipsec-isakmp
        Dynamic map template tag: DYN
        Interfaces using crypto map VPN:
                FastEthernet1/0

Crypto Map IPv4 "VPN" 65536 ipsec-isakmp
        Peer = 10.1.66.6
        ISAKMP Profile: DVTI
        Access-List SS dynamic: False
        Extended IP access list
            access-list  permit tcp 10.3.0.0 0.0.255.255 10.6.0.0 0.0.0.255 eq 443
            dynamic (created from dynamic map DYN/10)
        Current peer: 10.1.66.6
        Security association lifetime: 4608000 kilobytes/3600 seconds
        Responder-Only (Y/N): N
        PFS (Y/N): N
        Mixed-mode : Disabled
        Transform sets={
                CCIE:  { esp-aes esp-sha-hmac  } ,
        }
        Interfaces using crypto map VPN:
                FastEthernet1/0
"""

SHARED_HEAD = """Crypto Map IPv4 "GRE-head-1" 65536 ipsec-isakmp
        Profile name: GRE
        Security association lifetime: 4608000 kilobytes/3600 seconds
        Responder-Only (Y/N): N
        PFS (Y/N): N
        Mixed-mode : Disabled
        Transform sets={
                TRANSPORT:  { esp-aes esp-sha-hmac  } ,
        }

Crypto Map IPv4 "GRE-head-1" 65537 ipsec-isakmp
        Map is a PROFILE INSTANCE.
        Peer = 10.1.77.7
        Access-List SS dynamic: False
        Extended IP access list
            access-list  permit gre host 10.1.23.3 host 10.1.77.7
        Current peer: 10.1.77.7
        Security association lifetime: 4608000 kilobytes/3600 seconds
        Responder-Only (Y/N): N
        PFS (Y/N): N
        Mixed-mode : Disabled
        Transform sets={
                TRANSPORT:  { esp-aes esp-sha-hmac  } ,
        }
        Always create SAs
        Interfaces using crypto map GRE-head-1:
                Tunnel3
                Tunnel4
"""

DYNAMIC_MAP = """Crypto Map Template"DYN" 10
        ISAKMP Profile: DVTI
        No matching address list set.
        Security association lifetime: 4608000 kilobytes/3600 seconds
        Responder-Only (Y/N): N
        PFS (Y/N): N
        Mixed-mode : Disabled
        Transform sets={
                CCIE:  { esp-aes esp-sha-hmac  } ,
        }
"""

PROFILE = """
IKEv1 PROFILE DVTI
Ref Count = 3
   Description: all spokes
   Identities matched are:
    ip-address 10.1.44.0 255.255.255.0
    fqdn spoke1.example.net
    fqdn domain example.org
    user-fqdn a@example.net
    group BRANCHES
   Certificate maps matched are:
   Identity presented is: fqdn R3
   keyring(s): SPOKES LOST
   keyring LOST is not configured
   trustpoint(s): <all>
   keepalive: 10 retry 2 on-demand
   virtual-template: 1"""

ADMISSION = """---------------------------------------------------------------------
               Crypto Call Admission Control Statistics
---------------------------------------------------------------------
System Resource Limit:        0 Max IKE SAs:   200 Max in nego:    40
Total IKE SA Count:           4 active:          3 negotiating:     1
Incoming IKE Requests:       26 accepted:       12 rejected:       14
Outgoing IKE Requests:        5 accepted:        4 rejected:        1
Rejected IKE Requests:       14 rsrc low:        0 Active SA limit: 2
                                                   In-neg SA limit: 5
                                                   Source limit: 7
IKE packets dropped at dispatch:        9

Max IPSEC SAs:     0
Total IPSEC SA Count:           5 active:          5 negotiating:     0
Incoming IPSEC Requests:        7 accepted:        6 rejected:        1
Outgoing IPSEC Requests:        3 accepted:        3 rejected:        0
SA Strength Enforcement Rejects:  incoming:        0 outgoing:        0

Phase1.5 SAs under negotiation:         0"""


# Maps


def test_map_with_its_current_peer_and_what_a_dynamic_map_made() -> None:
    assert trimmed(render("show crypto map tag VPN", HUB)) == MAP.split("\n")
    assert render(f"show crypto map interface {WAN}", HUB) == render("show crypto map tag VPN", HUB)
    assert "        Current peer: 10.1.55.5" in render("show crypto map tag VPN", of())


def test_each_entry_has_its_own_current_peer() -> None:
    second = replace(VPN.entries[10], sequence=20, peers=(CryptoMapPeer(SPOKE), CryptoMapPeer(ROAMER)))
    maps = {"VPN": replace(VPN, entries={10: VPN.entries[10], 20: second})}
    status = of(SITE_TUNNEL, replace(SITE_TUNNEL, remote=ROAMER, map_sequence=20))
    lines = render("show crypto map", replace(status, derived=replace(CONFIG_OF_HUB, crypto_maps=maps)))
    assert [line for line in lines if "Current peer" in line] == [
        f"        Current peer: {STANDBY}",
        f"        Current peer: {ROAMER}",
    ]


def test_tunnels_that_share_sas_have_one_head() -> None:
    assert trimmed(render("show crypto map tag GRE-head-1", HUB)) == SHARED_HEAD.split("\n")
    assert render("show crypto map interface tu4", HUB) == render("show crypto map tag GRE-head-1", HUB)


def test_head_of_an_access_interface_names_its_isakmp_profile() -> None:
    lines = render("show crypto map tag Virtual-Access1-head-0", HUB)
    assert lines.count("        ISAKMP Profile: DVTI") == 2
    assert "            access-list  permit ip any any" in lines


def test_no_maps() -> None:
    assert render("show crypto map tag NOPE", HUB) == ["No crypto maps found."]
    assert render("show crypto map interface lo0", HUB) == ["No crypto maps found."]
    assert render("show crypto dynamic-map tag NOPE", HUB) == ["No crypto map templates found."]


def test_dynamic_map() -> None:
    assert trimmed(render("show crypto dynamic-map", HUB)) == DYNAMIC_MAP.split("\n")
    assert render("show crypto dynamic-map tag DYN", HUB) == render("show crypto dynamic-map", HUB)


def test_a_flow_of_a_dynamic_map_that_was_removed_still_shows() -> None:
    lines = render("show crypto map tag VPN", replace(HUB, derived=replace(CONFIG_OF_HUB, dynamic_maps={})))
    assert 'Crypto Map IPv4 "VPN" 65536 ipsec-isakmp' in lines
    assert f"        Current peer: {ROAMER}" in lines
    assert not [line for line in lines if "created from" in line]


def test_every_wildcard_and_protocol_of_a_flow_has_its_words() -> None:
    (flow,) = ROAMER_TUNNEL.flows
    selector = replace(flow.selector, protocol=89, remote_port=0)
    status = of(replace(ROAMER_TUNNEL, flows=(replace(flow, selector=selector),)))
    assert "            access-list  permit 89 10.3.0.0 0.0.255.255 10.6.0.0 0.0.0.255" in render(
        "show crypto map tag VPN", status
    )


# Profiles, phase 1 and admission


def test_isakmp_profile() -> None:
    assert trimmed(render("show crypto isakmp profile", HUB)) == PROFILE.split("\n")
    assert render("show crypto isakmp profile tag DVTI", HUB) == render("show crypto isakmp profile", HUB)
    assert render("show crypto isakmp profile tag NOPE", HUB) == ["% There is no ISAKMP profile NOPE"]


@pytest.mark.parametrize(
    ("identity", "presented"),
    [
        (None, "ip-address"),
        (SelfIdentity("address"), "ip-address"),
        (SelfIdentity("fqdn", "hub.example.net"), "fqdn hub.example.net"),
        (SelfIdentity("user-fqdn", "hub@example.net"), "user-fqdn hub@example.net"),
    ],
)
def test_identity_presented(identity: SelfIdentity | None, presented: str) -> None:
    isakmp = CONFIG_OF_HUB.isakmp
    profile = replace(isakmp.profiles["DVTI"], self_identity=identity)
    config = replace(CONFIG_OF_HUB, isakmp=replace(isakmp, profiles={"DVTI": profile}))
    assert f"   Identity presented is: {presented}" in render(
        "show crypto isakmp profile", replace(HUB, running=config)
    )


def test_ipsec_profile_names_its_isakmp_profile() -> None:
    lines = render("show crypto ipsec profile SPOKES", HUB)
    assert lines[:2] == ["IPSEC profile SPOKES", "        ISAKMP Profile: DVTI"]


def test_keys_of_a_keyring_are_hidden_too() -> None:
    lines = render("show crypto isakmp key", HUB)
    assert lines[-1] == "SPOKES       10.1.44.0      [255.255.255.0  ]            <hidden>"


def test_isakmp_sas_by_state() -> None:
    lines = render("show crypto isakmp sa active", HUB)
    assert lines[1:] == [
        "dst             src             state          conn-id slot status",
        "10.1.12.1       10.1.23.3       QM_IDLE           1001    0 ACTIVE",
        "10.1.23.3       10.1.44.4       QM_IDLE           1003    0 ACTIVE",
        "10.1.56.6       10.1.23.3       QM_IDLE           1004    0 ACTIVE",
    ]
    assert render("show crypto isakmp sa standby", HUB) == lines[:2]


def test_peers_of_spokes() -> None:
    assert render(f"show crypto isakmp peers {SPOKE}", HUB) == [
        "Peer: 10.1.44.4 Port: 4500 Local: 10.1.23.3",
        " Phase1 id: spoke1.example.net",
    ]


def test_counters_name_the_map_and_what_came_in_clear() -> None:
    lines = render("show crypto isakmp counters", HUB)
    assert lines[lines.index("In clear though a crypto map protects it, by interface:") + 1] == "  FastEthernet1/0  3"
    assert lines[lines.index(f"Drops of {WAN}, crypto map VPN 10, peer {STANDBY}:") + 1] == "  no-sa  1"


def test_admission() -> None:
    assert render("show crypto call admission statistics", HUB) == ADMISSION.split("\n")


def test_admission_without_an_engine_still_tells_the_limits() -> None:
    lines = render("show crypto call admission statistics", replace(HUB, crypto=None))
    assert lines[3] == "System Resource Limit:        0 Max IKE SAs:   200 Max in nego:    40"
    assert not [line for line in lines if "IPSEC Requests" in line]
    assert render("show crypto call admission statistics", STATUS)[3].endswith("Max in nego:     0")


def test_pairs_are_counted_once_where_tunnels_share_them() -> None:
    status = of(*GRE_TUNNELS, replace(SITE_TUNNEL, flows=(replace(SITE_FLOWS[0], sas=pair(5) + pair(7)),)))
    lines = render("show crypto call admission statistics", status)
    assert "Total IPSEC SA Count:           3 active:          3 negotiating:     0" in lines


def test_addresses_are_sorted_as_numbers() -> None:
    sites = [IPv4Address("10.1.9.9"), IPv4Address("10.1.10.1")]
    tunnels = [
        replace(SITE_TUNNEL, remote=remote, flows=(replace(SITE_FLOWS[0], sas=pair(7 + place)[1:]),))
        for place, remote in enumerate(sites)
    ]
    lines = render("show crypto ipsec sa address", of(*reversed(tunnels)))
    assert [line.rpartition("/")[2] for line in lines if line.startswith("fvrf")] == ["10.1.9.9", "10.1.10.1"]
