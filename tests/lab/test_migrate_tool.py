"""What the lab makes of `seikan migrate`: lines to type from two configurations, claims from its report."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from seikan.lab.migrate.tool import Lines, Migrated, difference, negated, told
from seikan.lab.topology import LabError

BEFORE = """\
hostname R1
!
crypto map SITES 10 ipsec-isakmp
 set peer 10.1.23.3
 match address VPN
!
interface FastEthernet0/0
 ip address 10.1.12.1 255.255.255.0
 ip nat outside
 crypto map SITES
!
ip route 0.0.0.0 0.0.0.0 10.1.12.2
!
end
"""
AFTER = """\
hostname R1
!
crypto ipsec profile SITES-10
 set transform-set CCIE
!
interface Tunnel0
 ip unnumbered FastEthernet0/0
 tunnel protection ipsec profile SITES-10
!
interface FastEthernet0/0
 ip address 10.1.12.1 255.255.255.0
 ip nat outside
!
ip route 0.0.0.0 0.0.0.0 10.1.12.2
ip route 10.30.1.0 255.255.255.0 Tunnel0
ip route 10.30.1.0 255.255.255.0 Null0 254
!
end
"""
REPORT = """\
crypto map SITES 10 becomes Tunnel0 (peer 10.1.23.3)
  equivalent: line 10 'permit ip 10.10.1.0 0.0.0.255 10.30.1.0 0.0.0.255': 10.30.1.0/24 is routed into Tunnel0, which
    negotiates this selector
  changes: packets to 10.30.3.0/24 that no line permits (other sources, other protocols, the router's own) left in
    clear; they are dropped by Tunnel0 and counted there
  equivalent: MTU: FastEthernet0/0 has 1500, of which encryption left 1438; Tunnel0 has an IP MTU of 1438 (8 less where
    a NAT is in the way)

Routes
  equivalent: packets find the tunnels by static routes
      ip route 10.30.1.0 255.255.255.0 Tunnel0
  equivalent: while a tunnel is down its packets are dropped
      ip route 10.30.1.0 255.255.255.0 Null0 254

The other end
  to type: at 10.1.23.3, when it leaves its crypto map
      ip route 10.10.1.0 255.255.255.0 Tunnel1000

Later: from the access list's selectors to any to any
  to type: only when both ends of a tunnel are VTIs. Here
      interface Tunnel0
       no tunnel protection ipsec policy ipv4 VPN
  to type: at 10.1.23.3
      interface Tunnel1000
       no tunnel protection ipsec policy ipv4 VTI-R1-0
"""


def test_what_is_new_comes_before_the_guards_and_what_goes_comes_last() -> None:
    lines = difference(BEFORE, AFTER)
    assert lines.new == (
        "crypto ipsec profile SITES-10",
        "set transform-set CCIE",
        "interface Tunnel0",
        "ip unnumbered FastEthernet0/0",
        "tunnel protection ipsec profile SITES-10",
        "ip route 10.30.1.0 255.255.255.0 Tunnel0",
    )
    assert lines.guards == ("ip route 10.30.1.0 255.255.255.0 Null0 254",)
    assert lines.gone == (
        "interface FastEthernet0/0",
        "no crypto map SITES",
        "no crypto map SITES 10 ipsec-isakmp",
    )
    assert difference(BEFORE, BEFORE) == Lines((), (), ())


@pytest.mark.parametrize(
    "text", [f"{AFTER}\n{REPORT}", f"{REPORT}\n{AFTER}", f"!\n{AFTER}"], ids=["first", "last", "alone"]
)
def test_the_configuration_is_found_in_what_was_printed(text: str) -> None:
    after, rest = told(text)
    assert difference(BEFORE, after) == difference(BEFORE, AFTER)
    assert "hostname" not in rest


def test_without_a_configuration_all_of_it_is_report() -> None:
    assert told(REPORT) == ("", REPORT)


@pytest.mark.parametrize(
    ("line", "back"), [("crypto map SITES", "no crypto map SITES"), ("no ip domain lookup", "ip domain lookup")]
)
def test_a_line_is_taken_back(line: str, back: str) -> None:
    assert negated(line) == back


def test_the_reports_claims_are_read() -> None:
    migrated = Migrated("R1", BEFORE, AFTER, REPORT)
    network = IPv4Network("10.30.1.0/24")
    assert migrated.routed == {"Tunnel0": {network}, "Null0": {network}}
    assert migrated.tunnels == ("Tunnel0",)
    assert migrated.mtu == {"Tunnel0": 1438}
    assert migrated.negotiated == 1
    assert migrated.dropped
    assert migrated.later == ("interface Tunnel0", "no tunnel protection ipsec policy ipv4 VPN")


def test_a_report_that_claims_nothing_is_not_read_as_one_that_does() -> None:
    migrated = Migrated("R1", BEFORE, BEFORE, "there is no crypto map: nothing to do\n")
    assert (migrated.routed, migrated.mtu, migrated.negotiated, migrated.dropped) == ({}, {}, 0, False)
    with pytest.raises(LabError, match="R1: the report of seikan migrate does not say"):
        _ = migrated.later
