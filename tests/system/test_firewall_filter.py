"""Access groups on real packets: against a model of IOS, and case by case."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.config.packets import applies
from tests.system.packets import GRE, ICMP, TCP, UDP, Ip, TunRouter, access, model
from tests.system.support import Namespace

from seikan.system.errors import AdapterError
from seikan.system.firewall import Firewall
from seikan.system.ruleset import PROHIBITED, AccessGroup, AccessRules, Nat, NatClause, Ruleset, SourceTranslation
from seikan.wire.constants import Group  # noqa: F401

pytestmark = pytest.mark.netns

_LAN_HOSTS, _WAN_HOSTS = ("10.1.0.5", "10.1.7.5"), ("192.0.2.9", "192.0.2.129")


@pytest.fixture
def router(namespace: Callable[[], Namespace]) -> TunRouter:
    return TunRouter(namespace, {"lan0": "10.1.0.1/16", "wan0": "192.0.2.1/24"})


_SIDES = st.sampled_from(
    ["any", "host 10.1.0.5", "10.1.0.0 0.0.255.255", "10.1.7.0 0.0.0.255", "10.0.0.5 0.255.0.0", "host 192.0.2.9",
     "192.0.2.128 0.0.0.127", "192.0.2.1 0.0.0.254", "0.0.0.1 255.255.255.254"]
)  # fmt: skip
_PORT_WORDS = st.sampled_from(["", "", "eq 80", "eq 80 443", "neq 80", "gt 442", "lt 81", "range 80 442", "gt 65535"])
_OPTIONS = {
    "tcp": ("", "", "established", "syn", "ack fin", "fragments", "dscp ef"),
    "udp": ("", "", "fragments", "dscp af41"),
    "icmp": ("", "echo", "unreachable", "host-unreachable", "3 4", "fragments"),
    "gre": ("", "fragments"),
    "ip": ("", "", "fragments", "dscp default"),
}


@st.composite
def _lines(draw: st.DrawFn) -> str:
    protocol = draw(st.sampled_from(sorted(_OPTIONS)))
    option = draw(st.sampled_from(_OPTIONS[protocol]))
    ports = [draw(_PORT_WORDS) if protocol in ("tcp", "udp") and option != "fragments" else "" for _ in range(2)]
    words = (
        draw(st.sampled_from(["permit", "deny"])),
        protocol,
        draw(_SIDES),
        ports[0],
        draw(_SIDES),
        ports[1],
        option,
    )
    return " ".join(word for word in words if word)


_PORTS = st.sampled_from([80, 81, 442, 443, 9999])
_PACKETS = st.builds(
    lambda source, destination, protocol, ports, flags, icmp, dscp, fragment: Ip(
        source, destination, protocol, ports, flags, icmp, dscp, *fragment
    ),
    st.sampled_from(_LAN_HOSTS),
    st.sampled_from(_WAN_HOSTS),
    st.sampled_from([ICMP, TCP, TCP, UDP, GRE]),
    st.tuples(_PORTS, _PORTS),
    st.frozensets(st.sampled_from(["syn", "ack", "rst", "fin"]), min_size=1),
    st.sampled_from([(8, 0), (3, 1), (3, 4), (0, 0)]),
    st.sampled_from([0, 34, 46]),
    st.sampled_from([(0, False), (0, False), (0, True), (3, False)]),
)


def _permits(listed: AccessRules, packet: Ip) -> tuple[bool, int | None]:
    """What IOS does with it, and at which line."""
    for rule in listed.rules:
        if applies(rule, model(packet)):
            return rule.permit, rule.sequence
    return False, None


@pytest.mark.parametrize("direction", ["in", "out"])
def test_a_list_passes_what_the_model_passes_and_counts_it_at_its_line(router: TunRouter, direction: str) -> None:
    @settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(_lines(), min_size=1, max_size=6, unique=True), st.lists(_PACKETS, min_size=10, max_size=30))
    def check(lines: list[str], packets: list[Ip]) -> None:
        listed = access("\n".join(lines))
        group = AccessGroup("lan0", listed) if direction == "in" else AccessGroup("wan0", None, listed)
        router.set(Ruleset())
        router.set(Ruleset(access_groups=(group,)))
        expected: dict[str, int] = {}
        for packet in packets:
            permit, line = _permits(listed, packet)
            counter = f"access-list A {line or 'deny'}"
            expected[counter] = expected.get(counter, 0) + 1
            expected[PROHIBITED] = expected.get(PROHIBITED, 0) + (not permit)
            passed = [out for name, out in router.arrive("lan0", packet) if name == "wan0"]
            assert bool(passed) == permit, (lines, packet)
            assert [out.source for out in passed] == [packet.source] * permit
        assert router.counters() == {name: count for name, count in expected.items() if count}

    check()


def test_a_list_of_many_networks_is_looked_up_and_still_counts_each_line(router: TunRouter) -> None:
    others = [f"permit ip 10.1.{third}.0 0.0.0.255 host 192.0.2.9" for third in range(2, 40)]
    hosts = [f"deny gre host 10.1.50.{last} any" for last in range(1, 40)]
    listed = access("\n".join(("deny ip host 10.1.3.1 any", *others, *hosts, "permit gre any any")))
    router.set(Ruleset(access_groups=(AccessGroup("lan0", listed),)))
    shown = router.inside.sh("nft", "list", "chain", "inet", "seikan_test", "list/A/prohibited")
    assert shown.count("counter name") == 5
    for third, last, protocol, passes, line in (
        (2, 1, UDP, True, 20),
        (3, 1, UDP, False, 10),
        (3, 2, GRE, True, 30),
        (39, 255, UDP, True, 390),
        (40, 1, UDP, False, "deny"),
        (50, 39, GRE, False, 780),
        (50, 39, UDP, False, "deny"),
        (50, 40, GRE, True, 790),
    ):
        before = router.counters().get(f"access-list A {line}", 0)
        passed = router.arrive("lan0", Ip(f"10.1.{third}.{last}", "192.0.2.9", protocol))
        assert ("wan0" in [name for name, _ in passed]) == passes, (third, last, protocol)
        assert router.counters()[f"access-list A {line}"] == before + 1


def test_what_is_refused_is_told_at_most_twice_a_second(router: TunRouter) -> None:
    router.set(Ruleset(access_groups=(AccessGroup("lan0", access("permit ip any host 192.0.2.9")),)))
    ((device, answer),) = router.arrive("lan0", Ip("10.1.0.5", "192.0.2.10"))
    assert (device, answer.source, answer.destination) == ("lan0", "10.1.0.1", "10.1.0.5")
    assert answer.icmp == (3, 13)
    assert router.arrive("lan0", Ip("10.1.0.5", "192.0.2.10")) == []
    assert router.counters() == {PROHIBITED: 2, "access-list A deny": 2}


def test_a_refused_packet_on_its_way_out_is_told_too(router: TunRouter) -> None:
    router.set(Ruleset(access_groups=(AccessGroup("wan0", None, access("permit tcp any any")),)))
    ((device, answer),) = router.arrive("lan0", Ip("10.1.0.5", "192.0.2.10"))
    assert (device, answer.destination, answer.icmp) == ("lan0", "10.1.0.5", (3, 13))
    assert [name for name, _ in router.arrive("lan0", Ip("10.1.0.5", "192.0.2.10", TCP))] == ["wan0"]


def test_inbound_holds_for_the_router_itself_and_outbound_not_for_its_own_packets(router: TunRouter) -> None:
    nothing = access("deny ip any any")
    echo = Ip("10.1.0.5", "10.1.0.1", ICMP)
    assert [(name, out.icmp) for name, out in router.arrive("lan0", echo)] == [("lan0", (0, 0))]
    router.set(Ruleset(access_groups=(AccessGroup("lan0", nothing, nothing), AccessGroup("wan0", None, nothing))))
    assert [(name, out.icmp) for name, out in router.arrive("lan0", echo)] == [("lan0", (3, 13))]
    assert [(name, out.payload) for name, out in router.send(b"mine", "192.0.2.9")] == [("wan0", b"mine")]


def test_lists_without_lines_permit_and_ipv6_is_left_alone(router: TunRouter) -> None:
    empty, nothing = AccessRules("EMPTY", ()), access("deny ip any any")
    router.set(Ruleset(access_groups=(AccessGroup("lan0", empty, empty),)))
    assert router.inside.sh("nft", "list", "ruleset") == ""
    router.set(Ruleset(access_groups=(AccessGroup("lan0", nothing), AccessGroup("wan0", empty, nothing))))
    for device, address in (("lan0", "2001:db8:1::1/64"), ("wan0", "2001:db8:2::1/64")):
        router.sysctl(f"ipv6/conf/{device}/disable_ipv6", "0")
        router.inside.ip("addr", "add", address, "dev", device, "nodad")
    router.sysctl("ipv6/conf/all/forwarding", "1")
    ends = IPv6Address("2001:db8:1::5").packed + IPv6Address("2001:db8:2::5").packed
    router.raw("lan0", bytes.fromhex("60000000 0008 fd 40") + ends + bytes(8))
    assert ends in [octets[8:40] for octets in router.raw("wan0")]
    router.raw("lan0")
    assert [out.icmp for _, out in router.arrive("lan0", Ip("10.1.0.5", "192.0.2.10"))] == [(3, 13)]


def test_with_translation_the_outbound_list_compares_translated_addresses(router: TunRouter) -> None:
    listed, everything = access("permit udp host 192.0.2.1 any", "OUT"), access("permit ip any any", "NAT")
    sources = (SourceTranslation("wan0", (NatClause(True, everything),)),)
    router.set(Ruleset(access_groups=(AccessGroup("wan0", None, listed),), nat=Nat(("lan0",), ("wan0",), sources)))
    ((device, passed),) = router.arrive("lan0", Ip("10.1.0.5", "192.0.2.10"))
    assert (device, passed.source) == ("wan0", "192.0.2.1")
    assert router.arrive("lan0", Ip("10.1.0.5", "192.0.2.10", GRE)) == []
    assert router.counters()["access-list OUT deny"] == 1
    assert [name for name, _ in router.send(b"mine", "192.0.2.9", source=("10.1.0.1", 0))] == ["wan0"]


@pytest.mark.parametrize("direction", ["in", "out"])
def test_a_list_that_cannot_be_enforced_is_refused_by_name_and_nothing_changes(
    router: TunRouter, direction: str
) -> None:
    good = access("permit ip any any")
    router.set(Ruleset(access_groups=(AccessGroup("lan0", good),)))
    before = router.inside.sh("nft", "list", "ruleset")
    bad = access("permit ip any any\npermit tcp any any reflect R", "B")
    group = AccessGroup("lan0", bad) if direction == "in" else AccessGroup("lan0", None, bad)
    with pytest.raises(AdapterError, match=r"^access list B, line 20: 'reflect R' cannot be enforced; leave it out$"):
        router.set(Ruleset(access_groups=(group,)))
    with pytest.raises(AdapterError, match=r"^a device named 'eth\*' cannot be told to nftables"):
        router.set(Ruleset(access_groups=(AccessGroup("eth*", good),)))
    assert router.inside.sh("nft", "list", "ruleset") == before


def test_counters_go_on_over_a_replacement_and_others_go(router: TunRouter) -> None:
    router.set(Ruleset(access_groups=(AccessGroup("lan0", access("permit udp any any\npermit gre any any")),)))
    router.arrive("lan0", Ip("10.1.0.5", "192.0.2.10"))
    router.arrive("lan0", Ip("10.1.0.5", "192.0.2.10", GRE))
    assert router.counters() == {"access-list A 10": 1, "access-list A 20": 1}
    router.set(Ruleset(mss={"wan0": 1200}, access_groups=(AccessGroup("lan0", access("permit udp any any")),)))
    router.arrive("lan0", Ip("10.1.0.5", "192.0.2.10"))
    assert router.counters() == {"access-list A 10": 2}
    assert "access-list A 20" not in router.inside.run(router.firewall.counters())
    router.set(Ruleset())
    assert router.inside.sh("nft", "list", "ruleset") == ""
    assert router.counters() == {}


def test_a_table_that_was_flushed_by_others_is_put_back(router: TunRouter) -> None:
    router.set(Ruleset(access_groups=(AccessGroup("lan0", access("deny ip any any")),)))
    router.inside.sh("nft", "flush", "ruleset")
    assert [name for name, _ in router.arrive("lan0", Ip("10.1.0.5", "192.0.2.10"))] == ["wan0"]
    assert router.counters() == {}
    assert router.firewall.restored == 1
    assert [name for name, _ in router.arrive("lan0", Ip("10.1.0.5", "192.0.2.10"))] == ["lan0"]
    router.inside.sh("nft", "flush", "ruleset")
    router.set(Ruleset(access_groups=(AccessGroup("lan0", access("deny udp any any\npermit ip any any")),)))
    assert "wan0" not in [name for name, _ in router.arrive("lan0", Ip("10.1.0.5", "192.0.2.10"))]
    assert router.firewall.restored == 1


def test_what_a_killed_daemon_left_holds_until_it_is_replaced_or_swept(router: TunRouter) -> None:
    router.set(Ruleset(access_groups=(AccessGroup("lan0", access("deny ip any any")),)))
    second, third = Firewall("test"), Firewall("test")
    router.inside.run(second.set(Ruleset(mss={"lan0": 1200})))
    router.inside.run(second.sweep())
    shown = router.inside.sh("nft", "list", "ruleset")
    assert "access-list" not in shown
    assert "maxseg size set 1200" in shown
    router.inside.run(third.sweep())
    assert router.inside.sh("nft", "list", "ruleset") == ""
