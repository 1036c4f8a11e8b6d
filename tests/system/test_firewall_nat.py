"""`ip nat` on real packets."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from tests.system.packets import ESP, ICMP, TCP, UDP, Ip, TunRouter, access
from tests.system.support import Namespace

from seikan.system.ruleset import Nat, NatClause, Ruleset, SourceTranslation, StaticTranslation

pytestmark = pytest.mark.netns


@pytest.fixture
def router(namespace: Callable[[], Namespace]) -> TunRouter:
    made = TunRouter(
        namespace,
        {"lan0": "10.1.0.1/16", "dmz0": "10.7.0.1/24", "wan0": "192.0.2.1/24", "wan1": "203.0.113.1/24"},
    )
    made.inside.ip("route", "add", "default", "via", "192.0.2.254", "dev", "wan0", "onlink")
    return made


def overload(*clauses: tuple[bool, str], outside: str = "wan0") -> SourceTranslation:
    names = (f"L{number}" for number in range(10))
    return SourceTranslation(
        outside, tuple(NatClause(permit, access(text, f"{outside}-{next(names)}")) for permit, text in clauses)
    )


def only(found: list[tuple[str, Ip]], device: str) -> Ip:
    ((name, packet),) = found
    assert name == device
    return packet


@pytest.mark.parametrize("protocol", [UDP, TCP, ICMP])
def test_overload_gives_the_address_of_the_interface_and_answers_come_back(router: TunRouter, protocol: int) -> None:
    nat = Nat(("lan0",), ("wan0",), (overload((True, "permit ip 10.1.0.0 0.0.255.255 any")),))
    router.set(Ruleset(nat=nat))
    sent = Ip("10.1.0.5", "198.51.100.9", protocol)
    out = only(router.arrive("lan0", sent), "wan0")
    assert (out.source, out.destination) == ("192.0.2.1", "198.51.100.9")
    back = only(router.arrive("wan0", out.answer()), "lan0")
    assert back.flow == sent.answer().flow
    assert router.counters() == {"access-list wan0-L0 10": 1}


def test_only_from_inside_to_outside_and_only_what_is_permitted(router: TunRouter) -> None:
    lines = "deny ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255\npermit ip any any"
    router.set(Ruleset(nat=Nat(("lan0",), ("wan0",), (overload((True, lines)),))))
    for arriving, sent, leaving, source in (
        ("lan0", Ip("10.1.0.5", "198.51.100.9"), "wan0", "192.0.2.1"),
        ("lan0", Ip("10.1.0.5", "10.2.0.9"), "wan0", "10.1.0.5"),  # exempt
        ("lan0", Ip("10.1.0.5", "203.0.113.9"), "wan1", "10.1.0.5"),  # not an outside interface
        ("dmz0", Ip("10.7.0.5", "198.51.100.9"), "wan0", "10.7.0.5"),  # not an inside one
        ("dmz0", Ip("10.7.0.5", "10.1.0.5"), "lan0", "10.7.0.5"),
    ):
        assert only(router.arrive(arriving, sent), leaving).source == source, sent
    assert only(router.send(b"mine", "198.51.100.9", source=("10.1.0.1", 0)), "wan0").source == "10.1.0.1"


def test_of_several_outside_interfaces_each_has_its_own_address(router: TunRouter) -> None:
    sources = (overload((True, "permit ip any any")), overload((True, "permit udp any any"), outside="wan1"))
    router.set(Ruleset(nat=Nat(("lan0", "dmz0"), ("wan0", "wan1"), sources)))
    assert only(router.arrive("dmz0", Ip("10.7.0.5", "198.51.100.9")), "wan0").source == "192.0.2.1"
    assert only(router.arrive("lan0", Ip("10.1.0.5", "203.0.113.9")), "wan1").source == "203.0.113.1"
    assert only(router.arrive("lan0", Ip("10.1.0.5", "203.0.113.9", ICMP)), "wan1").source == "10.1.0.5"


def test_a_route_map_decides_by_its_first_clause_whose_list_permits(router: TunRouter) -> None:
    exempt, some = "deny ip host 10.1.0.9 any\npermit ip any 10.2.0.0 0.0.255.255", "permit ip any any"
    router.set(Ruleset(nat=Nat(("lan0",), ("wan0",), (overload((False, exempt), (True, some)),))))
    assert only(router.arrive("lan0", Ip("10.1.0.5", "10.2.0.9")), "wan0").source == "10.1.0.5"
    # A list's deny only means that this clause says nothing.
    assert only(router.arrive("lan0", Ip("10.1.0.9", "10.2.0.9")), "wan0").source == "192.0.2.1"
    assert only(router.arrive("lan0", Ip("10.1.0.5", "10.3.0.9")), "wan0").source == "192.0.2.1"


def test_what_one_translation_leaves_alone_another_may_have(router: TunRouter) -> None:
    first = overload((False, "permit ip host 10.1.0.5 any"), (True, "permit ip host 10.1.0.6 any"))
    second = SourceTranslation("wan0", (NatClause(True, access("permit ip host 10.1.0.5 any", "second")),))
    router.set(Ruleset(nat=Nat(("lan0",), ("wan0",), (first, second))))
    for host, source in (("10.1.0.5", "192.0.2.1"), ("10.1.0.6", "192.0.2.1"), ("10.1.0.7", "10.1.0.7")):
        assert only(router.arrive("lan0", Ip(host, "198.51.100.9")), "wan0").source == source


@pytest.mark.parametrize("outside", [IPv4Address("192.0.2.1"), "wan0"])
def test_a_static_port_is_reached_from_outside_and_answers(router: TunRouter, outside: IPv4Address | str) -> None:
    statics = (StaticTranslation(IPv4Address("10.1.0.9"), outside, TCP, 80, 8080),)
    router.set(Ruleset(nat=Nat(("lan0",), ("wan0",), (), statics)))
    sent = Ip("198.51.100.9", "192.0.2.1", TCP, (3333, 8080))
    within = only(router.arrive("wan0", sent), "lan0")
    assert within.flow == ("198.51.100.9", "10.1.0.9", TCP, (3333, 80))
    assert only(router.arrive("lan0", within.answer()), "wan0").flow == sent.answer().flow
    assert only(router.arrive("wan0", Ip("198.51.100.9", "192.0.2.1", TCP, (3333, 8081))), "wan0").flags >= {"rst"}
    begun = only(router.arrive("lan0", Ip("10.1.0.9", "198.51.100.7", TCP, (80, 4444))), "wan0")
    assert begun.flow == ("192.0.2.1", "198.51.100.7", TCP, (8080, 4444))
    assert only(router.arrive("lan0", Ip("10.1.0.9", "198.51.100.7", UDP, (80, 4444))), "wan0").source == "10.1.0.9"


def test_a_static_address_is_one_to_one_both_ways_and_before_overload(router: TunRouter) -> None:
    statics = (
        StaticTranslation(IPv4Address("10.1.0.9"), IPv4Address("192.0.2.50")),
        StaticTranslation(IPv4Address("10.1.0.8"), IPv4Address("192.0.2.50"), UDP, 53, 53),
    )
    router.set(Ruleset(nat=Nat(("lan0",), ("wan0",), (overload((True, "permit ip any any")),), statics)))
    for protocol in (UDP, TCP, ICMP, ESP):
        sent = Ip("198.51.100.9", "192.0.2.50", protocol, (500, 500))
        within = only(router.arrive("wan0", sent), "lan0")
        assert within.destination == "10.1.0.9"
        assert only(router.arrive("lan0", within.answer()), "wan0").source == "192.0.2.50"
        begun = only(router.arrive("lan0", Ip("10.1.0.9", "198.51.100.77", protocol)), "wan0")
        assert begun.source == "192.0.2.50"
    query = Ip("198.51.100.9", "192.0.2.50", UDP, (4444, 53))
    assert only(router.arrive("wan0", query), "lan0").destination == "10.1.0.8"
    assert only(router.arrive("lan0", Ip("10.1.0.7", "198.51.100.9")), "wan0").source == "192.0.2.1"


def test_the_whole_address_of_an_interface_leaves_the_router_its_own_ike_and_esp(router: TunRouter) -> None:
    statics = (StaticTranslation(IPv4Address("10.1.0.9"), "wan0"),)
    router.set(Ruleset(nat=Nat(("lan0",), ("wan0",), (), statics)))
    assert only(router.arrive("wan0", Ip("198.51.100.9", "192.0.2.1", TCP)), "lan0").destination == "10.1.0.9"
    for own in (
        Ip("198.51.100.9", "192.0.2.1", UDP, (500, 500)),
        Ip("198.51.100.9", "192.0.2.1", UDP, (1024, 4500)),
        Ip("198.51.100.9", "192.0.2.1", ESP),
    ):
        assert [name for name, _ in router.arrive("wan0", own) if name == "lan0"] == []


def test_without_translation_no_connection_is_tracked(router: TunRouter) -> None:
    router.set(Ruleset(nat=Nat(("lan0",), ("wan0",)), mss={"wan0": 1300}))
    assert " nat hook" not in router.inside.sh("nft", "list", "ruleset")
