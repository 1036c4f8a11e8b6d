"""The small parts of the engine: the table of states, timers, limits, keys, proposals, fragments, NAT detection."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from pathlib import Path as FilePath

import pytest

from seikan.config.model import IsakmpPolicy, Keyring, PreSharedKey, TransformSet
from seikan.ike import policy, transforms
from seikan.ike.diagram import page
from seikan.ike.effects import Path
from seikan.ike.fragments import LIFETIME, MAX_ASSEMBLIES, Fragments, split
from seikan.ike.limits import RateLimit
from seikan.ike.preshared import GLOBAL, Key, KeyTable
from seikan.ike.selectors import describe, identifications, selector_of, selector_text
from seikan.ike.settings import EngineSettings, PhaseTwo
from seikan.ike.states import TRANSITIONS, Event, InvalidTransition, Role, State, advance, expected_message
from seikan.ike.timers import Timers
from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME, ExchangeType, IdentityType
from seikan.wire.errors import PayloadMalformed
from seikan.wire.header import Header, pull_header
from seikan.wire.message import push_message
from seikan.wire.payloads import Identification, Nonce, Proposal, SaPayload, Transform, basic_attribute
from seikan.wire.secret import Secret
from seikan.wire.selector import ANY_IPV4, Selector

from .pair.world import PHASE_TWO, POLICY, TRANSFORM, A, B, settings

PATH = Path(B, 500, A, 500)


def test_the_table_has_one_row_for_each_state_and_event() -> None:
    keys = [(row.role, row.state, row.event) for row in TRANSITIONS]
    assert len(keys) == len(set(keys))
    for row in TRANSITIONS:
        assert advance(row.role, row.state, row.event) is row.next
    with pytest.raises(InvalidTransition):
        advance(Role.RESPONDER, State.MM_KEY_EXCH, Event.RECEIVE_MM6)


def test_each_side_waits_for_one_message_in_each_state() -> None:
    assert expected_message(Role.INITIATOR, State.MM_KEY_EXCH) is Event.RECEIVE_MM6
    assert expected_message(Role.RESPONDER, State.MM_KEY_EXCH) is Event.RECEIVE_MM5
    assert expected_message(Role.INITIATOR, State.QM_IDLE) is None


def test_the_documented_states_are_those_of_the_table() -> None:
    document = FilePath(__file__).parents[2] / "docs" / "ike-states.md"
    assert document.read_text() == page(), "run seikan.ike.diagram.page() into docs/ike-states.md"


def test_timers_run_in_order_and_leave_nothing() -> None:
    timers, order = Timers(), []
    timers.set("b", 2.0, lambda: order.append("b"))
    timers.set("a", 1.0, lambda: order.append("a"))
    timers.set("moved", 1.5, lambda: order.append("never"))
    timers.set("moved", 3.0, lambda: order.append("moved"))
    timers.set("cancelled", 1.0, lambda: order.append("never"))
    timers.cancel("cancelled")
    assert timers.next() == 1.0
    timers.run(2.5)
    assert order == ["a", "b"]
    assert timers.next() == 3.0
    timers.run(3.0)
    assert order == ["a", "b", "moved"]
    assert timers.next() is None
    assert len(timers) == 0


def test_a_timer_that_sets_itself_again_does_not_spin() -> None:
    timers, count = Timers(), []

    def again() -> None:
        count.append(1)
        timers.set("again", 1.0, again)

    timers.set("again", 1.0, again)
    timers.run(1.0)
    assert len(count) == 1


def test_moved_timers_do_not_pile_up() -> None:
    timers = Timers()
    for number in range(10_000):
        timers.set("dpd", float(number), lambda: None)
    assert len(timers._heap) < 100


def test_a_rate_is_kept_for_each_source_and_memory_is_bounded() -> None:
    limit = RateLimit(rate=2.0, burst=3, keys=10)
    assert [limit.allow("x", 0.0) for _ in range(4)] == [True, True, True, False]
    assert limit.allow("y", 0.0)
    assert limit.allow("x", 0.5)
    assert not limit.allow("x", 0.5)
    for number in range(100):
        limit.allow(number, 1.0)
    assert len(limit._buckets) == 10


def test_the_most_specific_key_wins_and_a_name_before_a_network() -> None:
    def key(text: str, network: str | None = None, hostname: str | None = None) -> PreSharedKey:
        return PreSharedKey(Secret(text.encode()), IPv4Network(network) if network else None, hostname=hostname)

    ring = Keyring("K", keys=(key("host", "10.1.12.1/32"),))
    elsewhere = Keyring("L", local_address=IPv4Address("10.9.9.9"), keys=(key("wrong", "10.1.12.1/32"),))
    base = replace(
        settings(B, A),
        keys=(key("all", "0.0.0.0/0"), key("net", "10.1.0.0/16"), key("name", hostname="Branch.example")),
        keyrings=(elsewhere, ring),
    )

    def find(base: EngineSettings, remote: IPv4Address = A, host: str | None = None) -> bytes | None:
        key = KeyTable(base.keys, base.keyrings).find(B, remote, host)
        return bytes(key.secret) if key else None

    assert find(base) == b"host"
    assert find(replace(base, keyrings=(elsewhere,))) == b"net"
    assert find(base, IPv4Address("192.0.2.9")) == b"all"
    assert find(base, host="branch.EXAMPLE") == b"host"
    assert find(replace(base, keyrings=(elsewhere,)), host="branch.EXAMPLE") == b"name"
    assert find(replace(base, keys=(), keyrings=())) is None
    table = KeyTable(base.keys, base.keyrings)
    assert table.find(B, A, rings={"K"}) == Key("K", ring.keys[0])
    assert table.find(B, A, rings={GLOBAL}) == Key(GLOBAL, base.keys[1])
    assert table.find(B, A, rings={"L"}) is None
    assert [key.of_one_host for key in (Key("K", ring.keys[0]), *(Key(GLOBAL, row) for row in base.keys))] == [
        True,
        False,
        False,
        True,
    ]


def test_a_policy_with_des_or_group_1_is_never_offered() -> None:
    rows = (
        IsakmpPolicy(1, None, None, "pre-share", 14),
        IsakmpPolicy(2, "aes-cbc-128", None, "pre-share", None),
        IsakmpPolicy(3, "aes-cbc-128", None, None, 14),
        POLICY,
    )
    assert policy.negotiable(rows) == (POLICY,)


def test_the_own_order_of_policies_decides_and_the_smaller_lifetime() -> None:
    strong = replace(POLICY, priority=5, encryption="aes-cbc-256", lifetime=500)
    theirs = policy.offer((POLICY, replace(strong, lifetime=900)))
    choice = policy.choose((strong, POLICY), theirs)
    assert choice is not None
    assert (choice.policy, choice.lifetime) == (strong, 500)
    assert choice.answer.proposals[0].transforms == theirs.proposals[0].transforms[1:]


def test_des_and_unknown_numbers_have_words() -> None:
    transform = Transform(1, 1, tuple(basic_attribute(kind, 1) for kind in (1, 2, 3, 4)))
    assert policy.read_transform(transform).words() == {
        "encryption": "des",
        "hash": "md5",
        "authentication": "pre-share",
        "group": "1",
    }
    strange = Transform(1, 1, tuple(basic_attribute(kind, 99) for kind in (1, 2, 3, 4)))
    assert policy.read_transform(strange).words() == {
        "encryption": "encryption 99",
        "hash": "hash 99",
        "authentication": "method 99",
        "group": "99",
    }


def test_groups_that_only_ikev2_has_are_refused_whoever_asks() -> None:
    """Group 31 on both sides, and asked of a responder that takes any group."""
    modern = replace(PHASE_TWO, pfs_group=31)
    payload = transforms.offer(modern, transforms.Modes(), b"\0\0\1\0")
    for ours in (modern, replace(PHASE_TWO, pfs_group=None)):
        found = transforms.choose(ours, transforms.Modes(), payload, initiator=False)
        assert isinstance(found, tuple)
        assert [(row.attribute, row.remote) for row in found] == [("ipsec pfs", "group 31, not known to IKEv1")]
    asked = replace(POLICY, group=31)
    assert policy.negotiable((asked, POLICY)) == (POLICY,)
    assert policy.choose((asked,), policy.offer((asked,))) is None


def test_transform_sets_are_chosen_in_our_order() -> None:
    gcm = TransformSet("GCM", ENCRYPTION_BY_NAME["aes-gcm-16-256"], None)
    ours = replace(PHASE_TWO, transform_sets=(gcm, TRANSFORM))
    theirs = replace(PHASE_TWO, transform_sets=(TRANSFORM, gcm))
    payload = transforms.offer(theirs, transforms.Modes(), b"\0\0\1\0")
    choice = transforms.choose(ours, transforms.Modes(), payload, initiator=False)
    assert isinstance(choice, transforms.Phase2Choice)
    assert choice.transform_set.name == "GCM"
    assert choice.spi == b"\0\0\1\0"


TRANSPORT = replace(PHASE_TWO, transform_sets=(replace(TRANSFORM, transport=True),))


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        (transforms.Modes(transport=True), ("tunnel", "transport")),
        (transforms.Modes(udp=True), ("tunnel", "tunnel in UDP")),
        (transforms.Modes(udp=True, draft=True, transport=True), ("tunnel", "transport in UDP (draft)")),
    ],
)
def test_another_mode_is_named(modes: transforms.Modes, expected: tuple[str, str]) -> None:
    payload = transforms.offer(TRANSPORT, modes, b"\0\0\1\0")
    found = transforms.choose(PHASE_TWO, transforms.Modes(), payload, initiator=False)
    assert isinstance(found, tuple)
    assert [(row.attribute, (row.local, row.remote)) for row in found] == [("ipsec mode", expected)]


@pytest.mark.parametrize(
    ("asked", "flow", "agreed"),
    [
        (TRANSPORT, True, True),
        (PHASE_TWO, True, False),  # mode tunnel at the peer: taken too
        (TRANSPORT, False, None),  # a tunnel interface is no pair of hosts, whatever its transform set says
    ],
)
def test_a_transport_set_takes_both_modes_between_two_hosts(asked: PhaseTwo, flow: bool, agreed: bool | None) -> None:
    for udp, draft in ((False, False), (True, False), (True, True)):
        payload = transforms.offer(asked, transforms.Modes(udp, draft, transport=True), b"\0\0\1\0")
        choice = transforms.choose(TRANSPORT, transforms.Modes(udp, draft, flow), payload, initiator=False)
        got = choice.transform_set.transport if isinstance(choice, transforms.Phase2Choice) else None
        assert got is agreed


def test_ah_with_esp_and_unknown_attributes_are_refused() -> None:
    (proposal,) = transforms.offer(PHASE_TWO, transforms.Modes(), b"\0\0\1\0").proposals
    both = SaPayload((proposal, Proposal(proposal.number, 2, b"\0\0\1\1", proposal.transforms)))
    assert not isinstance(
        transforms.choose(PHASE_TWO, transforms.Modes(), both, initiator=False), transforms.Phase2Choice
    )
    (transform,) = proposal.transforms
    odd = replace(transform, attributes=(*transform.attributes, basic_attribute(99, 1)))
    found = transforms.choose(
        PHASE_TWO, transforms.Modes(), SaPayload((replace(proposal, transforms=(odd,)),)), initiator=False
    )
    assert isinstance(found, tuple)
    assert [row.attribute for row in found] == ["ipsec attribute 99"]


def test_null_without_integrity_is_not_usable() -> None:
    null = TransformSet("N", ENCRYPTION_BY_NAME["null"], None)
    assert transforms.usable_sets((null, TransformSet("AH", None, INTEGRITY_BY_NAME["hmac-sha1-96"]))) == ()


def test_selectors_however_they_are_written() -> None:
    whole = Identification(IdentityType.IPV4_ADDR_RANGE, 0, 0, bytes(4) + b"\xff" * 4)
    zero = Identification(IdentityType.IPV4_ADDR_SUBNET, 0, 0, bytes(8))
    assert identifications(ANY_IPV4, initiator=True) == (zero, zero)
    assert selector_of(whole, zero) == ANY_IPV4
    narrow = Identification(IdentityType.IPV4_ADDR_SUBNET, 6, 80, bytes.fromhex("0a010203ff000000"))
    host = Identification(IdentityType.IPV4_ADDR, 6, 0, bytes.fromhex("c0000201"))
    selector = Selector(IPv4Network("10.0.0.0/8"), IPv4Network("192.0.2.1/32"), 6, 80, 0)
    assert selector_of(narrow, host) == selector
    assert selector_of(*identifications(selector, initiator=True)) == selector
    assert selector_of(*identifications(selector, initiator=False)[::-1]) == selector
    assert identifications(selector, initiator=True)[1] == host
    assert describe(selector) == "10.0.0.0/255.0.0.0/6/80 to 192.0.2.1/6/0"
    six = Selector(IPv6Network("2001:db8::/32"), IPv6Network("2001:db8:1::1/128"), 58)
    assert selector_of(*identifications(six, initiator=True)) == six


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (IdentityType.IPV4_ADDR, "0a0000"),
        (IdentityType.IPV4_ADDR, "0a00000000"),
        (IdentityType.IPV4_ADDR_SUBNET, "0a000000"),
        (IdentityType.IPV4_ADDR_SUBNET, "0a000000ff00ff00"),  # a mask with holes
        (IdentityType.IPV4_ADDR_RANGE, "0a0000050a000001"),  # backwards
        (IdentityType.IPV4_ADDR_RANGE, "0a0000010a000008"),  # no network
        (IdentityType.FQDN, "722e6578616d706c65"),
        (IdentityType.KEY_ID, ""),
        (99, "0a000000"),
    ],
)
def test_identities_that_are_no_networks(kind: int, data: str) -> None:
    odd = Identification(kind, 0, 0, bytes.fromhex(data))
    good = Identification(IdentityType.IPV4_ADDR, 0, 0, bytes(4))
    assert selector_of(odd, good) is None
    assert selector_of(good, odd) is None
    assert selector_text(odd).endswith("/0/0")


def test_both_identities_have_one_family_and_one_protocol() -> None:
    four = Identification(IdentityType.IPV4_ADDR, 47, 0, bytes(4))
    six = Identification(IdentityType.IPV6_ADDR, 47, 0, bytes(16))
    assert selector_of(four, six) is None
    assert selector_of(four, replace(four, protocol=0)) is None


def test_fragments_come_together_in_any_order() -> None:
    data = push_message(Header(b"initiatr", b"responde", 0, ExchangeType.MAIN, 0, 0, 0), [Nonce(bytes(range(250)))])
    pieces = split(data, 100, 7)
    assert len(pieces) > 3
    assert all(len(piece) <= 100 for piece in pieces)
    fragments = Fragments()
    results = [fragments.add(pull_header(piece), piece, PATH, 0.0) for piece in [*pieces[::-1], *pieces[:1]]]
    assert results[: len(pieces)] == [None] * (len(pieces) - 1) + [data]


def test_fragments_are_bounded_and_forgotten() -> None:
    data = push_message(Header(b"initiatr", b"responde", 0, ExchangeType.MAIN, 0, 0, 0), [Nonce(bytes(250))])
    first, fragments = split(data, 100, 1)[0], Fragments()
    for number in range(1, 200):
        piece = number.to_bytes(8, "big") + first[8:]
        fragments.add(pull_header(piece), piece, PATH, 0.0)
    assert len(fragments) == MAX_ASSEMBLIES
    fragments.expire(LIFETIME + 1)
    assert len(fragments) == 0
    with pytest.raises(PayloadMalformed):
        fragments.add(pull_header(data), data, PATH, 0.0)
