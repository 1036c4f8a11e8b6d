"""How a crypto map is cut into parts, numbered and routed: pure functions of the configuration."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from seikan.config.model import Config, ReverseRoute, StaticRoute
from seikan.config.parse import parse
from seikan.config.render import render
from seikan.daemon.filters import ruleset
from seikan.daemon.map_state import MapState, lines, parts, reverse
from seikan.daemon.settings import isakmp_profiles, phase_two
from seikan.ike.preshared import GLOBAL
from seikan.wire.selector import Selector

ENTRY = "crypto map M {0} ipsec-isakmp\n set peer 192.0.2.{0}\n match address L{0}\n"


def config(lists: dict[int, str], more: str = "") -> Config:
    text = "".join(
        f"ip access-list extended L{number}\n" + "".join(f" {line}\n" for line in text.split(";"))
        for number, text in lists.items()
    )
    return parse(text + "".join(ENTRY.format(number) for number in lists) + more).config


def cut(made: Config) -> list[list[int]]:
    return [list(part.entries) for part in parts(made, made.crypto_maps["M"])]


WIDE = "permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255"
HOST = "ip host 10.1.0.5 host 10.2.0.5"
ELSEWHERE = "permit ip 10.1.0.0 0.0.255.255 10.3.0.0 0.0.255.255"


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({10: WIDE, 20: f"permit {HOST}"}, [[10, 20]]),
        ({10: f"deny {HOST};{WIDE}", 20: f"permit {HOST}"}, [[10], [20]]),
        ({10: f"deny {HOST};{WIDE}", 20: ELSEWHERE}, [[10, 20]]),
        ({10: f"{WIDE};deny {HOST}", 20: f"permit {HOST}"}, [[10, 20]]),
        ({10: f"deny {HOST};{WIDE}", 20: ELSEWHERE, 30: f"permit {HOST}", 40: WIDE}, [[10, 20], [30, 40]]),
        ({10: "permit tcp any any range 1 9", 20: WIDE}, [[10], [20]]),
        ({10: "deny tcp any any established;permit tcp any any eq 22", 20: "permit udp any any"}, [[10, 20]]),
        (
            {10: "deny tcp any any established;permit tcp any any eq 22", 20: "permit ip any host 10.2.0.1"},
            [[10], [20]],
        ),
    ],
)
def test_a_later_entry_has_a_device_of_its_own_where_an_earlier_one_exempts_its_traffic(
    lists: dict[int, str], expected: list[list[int]]
) -> None:
    assert cut(config(lists)) == expected


def test_a_dynamic_entry_behind_an_exemption_has_a_device_of_its_own() -> None:
    more = "crypto dynamic-map D 1\n set transform-set T\ncrypto map M 99 ipsec-isakmp dynamic D\n"
    assert cut(config({10: f"deny {HOST};{WIDE}"}, more)) == [[10], [99]]
    assert cut(config({10: WIDE}, more)) == [[10, 99]]


def test_a_line_that_comes_leaves_the_numbers_of_the_others_alone() -> None:
    made = config({10: f"deny {HOST};{WIDE};{ELSEWHERE}"})
    before = lines(made, made.crypto_maps["M"].entries[10])
    assert [number for number, _ in before] == [10 << 16 | 20, 10 << 16 | 30]
    after = parse("ip access-list extended L10\n 25 permit ip host 1.1.1.1 host 2.2.2.2\n", "more").config
    more = after.access_lists["L10"].entries[0]
    merged = made.access_lists["L10"]
    entries = tuple(sorted((*merged.entries, more), key=lambda entry: entry.sequence))
    changed = Config(access_lists={"L10": type(merged)("L10", True, False, entries)}, crypto_maps=made.crypto_maps)
    assert set(before) < set(lines(changed, changed.crypto_maps["M"].entries[10]))


def state(made: Config, **more: object) -> MapState:
    held = MapState("eth0", {"eth0": "eth0"}, 1, made.crypto_maps["M"], **more)  # type: ignore[arg-type]
    held.made = True
    return held


def test_an_entry_with_a_list_and_no_peer_lets_nothing_of_it_leave_in_clear() -> None:
    made = config(
        {10: WIDE}, f"crypto map M 20 ipsec-isakmp\n match address L20\nip access-list extended L20\n {ELSEWHERE}\n"
    )
    made_of = ruleset(made, str, [state(made)]).crypto[0].entries
    assert [(entry.sequence, entry.blocked) for entry in made_of] == [(10, False), (20, True)]


def test_a_dynamic_maps_list_is_for_the_map_before_any_peer_has_come() -> None:
    made = config(
        {},
        f"ip access-list extended L\n {WIDE}\ncrypto dynamic-map D 1\n match address L\ncrypto dynamic-map D 2\n"
        " set transform-set T\ncrypto map M 99 ipsec-isakmp dynamic D\n",
    )
    (entry,) = ruleset(made, str, [state(made)]).crypto[0].entries
    assert [line.access_list for line in entry.lines] == ["L"]
    assert not entry.blocked


def test_without_a_mark_left_a_map_is_blocked_and_marks_nothing() -> None:
    made = config({10: WIDE})
    held = state(made)
    held.number, held.made = 0, False
    (crypto,) = ruleset(made, str, [held]).crypto
    assert crypto.blocked
    assert not crypto.tunnels()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ReverseRoute(), [("10.2.0.0/16", "192.0.2.10", 1, None)]),
        (ReverseRoute(tag=7, distance=20), [("10.2.0.0/16", "192.0.2.10", 20, 7)]),
        (ReverseRoute(remote_peer=IPv4Address("10.9.9.9")), [("10.2.0.0/16", "10.9.9.9", 1, None)]),
        (
            ReverseRoute(remote_peer=IPv4Address("10.9.9.9"), gateway=True),
            [("10.2.0.0/16", "192.0.2.10", 1, None), ("192.0.2.10/32", "10.9.9.9", 1, None)],
        ),
    ],
)
def test_reverse_routes(wanted: ReverseRoute, expected: list[tuple[str, str, int, int | None]]) -> None:
    selector = Selector(IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.0/16"))
    assert list(reverse(wanted, selector, IPv4Address("192.0.2.10"))) == [
        StaticRoute(IPv4Network(network), next_hop=IPv4Address(hop), distance=distance, tag=tag)
        for network, hop, distance, tag in expected
    ]


def test_there_is_no_reverse_route_to_everything_or_to_the_peer_by_way_of_itself() -> None:
    peer = IPv4Address("192.0.2.10")
    for remote in ("0.0.0.0/0", "192.0.2.10/32"):
        assert not list(reverse(ReverseRoute(), Selector(IPv4Network("10.1.0.0/16"), IPv4Network(remote)), peer))


PROFILE = "crypto isakmp profile {0}\n match identity address 192.0.2.{1} 255.255.255.255\n"


def test_a_profile_with_a_line_that_was_not_understood_matches_nobody() -> None:
    text = PROFILE.format("A", 1) + PROFILE.format("B", 2) + " match identity nonsense 1\n"
    made = parse(text).config
    assert [profile.name for profile in isakmp_profiles(made, lambda _: None)] == ["A"]


def test_keyring_default_is_the_global_keys() -> None:
    made = parse(PROFILE.format("A", 1) + " keyring default\n keyring K\n").config
    assert [profile.keyrings for profile in isakmp_profiles(made, lambda _: None)] == [(GLOBAL, "K")]


def test_the_global_idle_time_is_for_entries_without_their_own() -> None:
    line = "crypto ipsec security-association idle-time 120\n"
    entries = (
        "crypto ipsec transform-set T esp-gcm\ncrypto ipsec profile P\n set transform-set T\n"
        "crypto map M 10 ipsec-isakmp\n set transform-set T\n"
        "crypto map M 20 ipsec-isakmp\n set transform-set T\n set security-association idle-time 600\n"
    )
    held = parse(line + entries).config
    assert line in render(held)
    offers = [phase_two(held, entry, "entry") for entry in held.crypto_maps["M"].entries.values()]
    assert [offer.idle_seconds for offer in offers if offer is not None] == [120, 600]
    tunnels = phase_two(held, held.ipsec.profiles["P"], "profile")
    assert tunnels is not None
    assert tunnels.idle_seconds is None  # a tunnel interface keeps its SAs while it is up
    without = parse(line + entries + "no crypto ipsec security-association idle-time\n").config
    assert without.ipsec.idle_time is None
