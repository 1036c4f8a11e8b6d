"""The table as text: names, single lines, and what nftables is told to replace."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.system.packets import access

from seikan.system.errors import AdapterError
from seikan.system.nft_lines import Line, Table, add_lines, nft_name, plain_name
from seikan.system.nft_rules import render
from seikan.system.ruleset import AccessGroup, AccessRules, Ruleset
from seikan.wire.selector import ANY_IPV6


@given(st.text(st.characters(exclude_characters="/_%", codec="utf-8")))
def test_any_name_is_one_that_nftables_takes_and_comes_back(name: str) -> None:
    assert plain_name(nft_name(name)) == name


@given(st.text(min_size=1))
def test_names_never_end_a_word_of_the_script(name: str) -> None:
    assert set(nft_name(name)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./_-")


def test_names_of_lists_and_interfaces_come_back() -> None:
    for name in ("access-list A_b/c%20 10", "crypto FastEthernet0/0.10 65535 clear"):
        assert plain_name(nft_name(name)) == name


@pytest.mark.parametrize(
    ("line", "rules"),
    [
        ("permit ip any any", ["meta nfproto ipv4 YES"]),
        ("deny ip 10.1.0.0 0.0.255.255 host 10.2.0.1", ["ip saddr 10.1.0.0/16 ip daddr 10.2.0.1 NO"]),
        ("permit ip 10.1.0.1 0.255.0.0 any", ["ip saddr & 255.0.255.255 == 10.0.0.1 YES"]),
        (
            "permit tcp any host 10.0.0.1 eq www 443",
            [
                "ip daddr 10.0.0.1 ip protocol 6 th dport { 80, 443 } YES",
                "ip daddr 10.0.0.1 ip protocol 6 ip frag-off & 0x1fff != 0 YES",
            ],
        ),
        ("deny udp any range 5 9 any", ["ip protocol 17 th sport 5-9 NO"]),
        (
            "deny tcp any any established",
            ["ip protocol 6 tcp flags & (ack | rst) != 0 NO"],
        ),
        ("deny icmp any any host-unreachable", ["ip protocol 1 icmp type 3 icmp code 1 NO"]),
        ("permit gre any any dscp af41", ["ip protocol 47 ip dscp 34 YES"]),
        ("permit ip any any fragments", ["meta nfproto ipv4 ip frag-off & 0x1fff != 0 YES"]),
        ("deny tcp any gt 65535 any", []),
        ("permit tcp any gt 65535 any", ["ip protocol 6 ip frag-off & 0x1fff != 0 YES"]),
    ],
)
def test_a_line_is_these_rules(line: str, rules: list[str]) -> None:
    table = Table()
    add_lines(table, "c", [Line(rule.permit, rule) for rule in access(line).rules], "YES", "NO")
    assert table.chain("c") == rules


def test_ipv6_selectors_are_compared_as_such() -> None:
    table = Table()
    add_lines(table, "c", [Line(True, ANY_IPV6)], "YES", "NO")
    assert table.chain("c") == ["meta nfproto ipv6 YES"]


def test_a_replacement_keeps_counters_and_deletes_what_is_no_more() -> None:
    first = render(Ruleset(access_groups=(AccessGroup("eth0", access("permit ip any any", "OLD")),)), "t")
    second = render(Ruleset(access_groups=(AccessGroup("eth0", access("permit ip any any", "NEW")),)), "t")
    script = second.replacing(first).splitlines()
    assert script[0] == "flush table inet t"
    assert "delete chain inet t list/OLD/prohibited" in script
    assert "delete counter inet t access-list/OLD/10" in script
    assert not [line for line in script if line.startswith("delete") and ("NEW" in line or "access-group" in line)]
    assert second.replacing(None).startswith("add table inet t\ndelete table inet t\ntable inet t {")


def test_one_list_has_one_set_of_lines() -> None:
    listed = access("permit ip any any")
    other = AccessRules("A", tuple(replace(rule, permit=False) for rule in listed.rules))
    groups = (AccessGroup("eth0", listed), AccessGroup("eth1", other))
    with pytest.raises(AdapterError, match=r"^access list A is given twice with different lines$"):
        render(Ruleset(access_groups=groups), "t")
