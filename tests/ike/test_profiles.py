"""ISAKMP profiles of configured peers: keyrings, identities of both sides, keepalive and mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

import pytest

from seikan.config.model import IdentityMatch, Keepalive, Keyring, PreSharedKey, SelfIdentity
from seikan.ike.identity import Identity, best_fit, fit, read_identity
from seikan.ike.settings import EngineSettings, ProfileSettings
from seikan.wire.constants import IdentityType
from seikan.wire.payloads import Identification
from seikan.wire.secret import Secret

from .pair.world import KEY, A, B, World, with_tunnel
from .test_attacks import count
from .test_behaviour import passive, state_of, up

Change = Callable[[EngineSettings], EngineSettings]


def identity(kind: IdentityType, data: bytes | str) -> Identity | None:
    return read_identity(Identification(kind, 17, 500, data.encode() if isinstance(data, str) else data))


# -- what an identity is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "data", "name"),
    [
        (IdentityType.IPV4_ADDR, A.packed, "10.1.12.1"),
        (IdentityType.IPV6_ADDR, b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01", "2001:db8::1"),
        (IdentityType.FQDN, "Spoke1.Example.COM.", "spoke1.example.com"),
        (IdentityType.USER_FQDN, "Ops@Example.com", "ops@example.com"),
        (IdentityType.KEY_ID, "Branch-7", "Branch-7"),
    ],
)
def test_identities_have_one_spelling(kind: IdentityType, data: bytes | str, name: str) -> None:
    found = identity(kind, data)
    assert found is not None
    assert (found.kind, found.name) == (kind, name)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (IdentityType.IPV4_ADDR, b"\x0a\x01\x0c"),
        (IdentityType.IPV6_ADDR, A.packed),
        (IdentityType.FQDN, b""),
        (IdentityType.FQDN, b"."),
        (IdentityType.FQDN, b"spoke1.example\x00.evil"),
        (IdentityType.FQDN, "spoke1.exämple"),
        (IdentityType.FQDN, b"spoke1 .example"),
        (IdentityType.FQDN, b"ops@example.com"),
        (IdentityType.FQDN, b"a" * 256),
        (IdentityType.USER_FQDN, b"example.com"),
        (IdentityType.USER_FQDN, b"@example.com"),
        (IdentityType.USER_FQDN, b"ops@"),
        (IdentityType.KEY_ID, b"\x00\xff"),
        (IdentityType.IPV4_ADDR_SUBNET, bytes(8)),
        (IdentityType.DER_ASN1_DN, b"0"),
    ],
)
def test_what_is_malformed_is_nobody(kind: IdentityType, data: bytes | str) -> None:
    assert identity(kind, data) is None


ADDRESS, HOST, USER, GROUP = (
    identity(IdentityType.IPV4_ADDR, A.packed),
    identity(IdentityType.FQDN, "s1.branch.example.com"),
    identity(IdentityType.USER_FQDN, "ops@example.com"),
    identity(IdentityType.KEY_ID, "Branch"),
)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (IdentityMatch(network=IPv4Network("10.1.0.0/16")), {ADDRESS}),
        (IdentityMatch(network=IPv4Network("0.0.0.0/0")), {ADDRESS}),
        (IdentityMatch(network=IPv4Network("10.2.0.0/16")), set()),
        (IdentityMatch(network=IPv6Network("::/0")), set()),
        (IdentityMatch(host="S1.branch.example.com"), {HOST}),
        (IdentityMatch(host="branch.example.com"), set()),
        (IdentityMatch(domain="example.com"), {HOST}),
        (IdentityMatch(domain="ample.com"), set()),  # a domain ends at a dot
        (IdentityMatch(domain="s1.branch.example.com"), set()),
        (IdentityMatch(user="ops@example.com"), {USER}),
        (IdentityMatch(user="ops@example.org"), set()),
        (IdentityMatch(user_domain="example.com"), {USER}),
        (IdentityMatch(user_domain="com"), set()),
        (IdentityMatch(group="Branch"), {GROUP}),
        (IdentityMatch(group="branch"), set()),
    ],
)
def test_what_a_line_matches(match: IdentityMatch, fits: set[Identity | None]) -> None:
    everybody = [row for row in (ADDRESS, HOST, USER, GROUP) if row is not None]
    assert {row for row in everybody if fit(match, row) is not None} == fits


def test_the_most_specific_line_wins_and_of_alike_ones_the_first() -> None:
    def best(found: Identity | None, *rows: tuple[str, IdentityMatch]) -> str | None:
        assert found is not None
        forwards = best_fit([(name, [row]) for name, row in rows], found)
        backwards = best_fit([(name, [row]) for name, row in reversed(rows)], found)
        assert forwards == backwards
        return forwards

    wide, narrow = IPv4Network("0.0.0.0/0"), IPv4Network("10.1.12.0/24")
    assert best(ADDRESS, ("wide", IdentityMatch(network=wide)), ("narrow", IdentityMatch(network=narrow))) == "narrow"
    domains = [("long", IdentityMatch(domain="branch.example.com")), ("short", IdentityMatch(domain="example.com"))]
    assert best(HOST, *domains) == "long"
    assert best(HOST, *domains, ("exact", IdentityMatch(host="s1.branch.example.com"))) == "exact"
    user = (("domain", IdentityMatch(user_domain="example.com")), ("exact", IdentityMatch(user="ops@example.com")))
    assert best(USER, *user) == "exact"
    assert best(GROUP, *user) is None
    assert ADDRESS is not None
    twice = [(name, [IdentityMatch(network=narrow)]) for name in ("first", "second")]
    assert best_fit(twice, ADDRESS) == "first"


# -- tunnels with a profile ------------------------------------------------------------------------------------------


def profile(**changes: object) -> ProfileSettings:
    return replace(ProfileSettings("P", ("RING",), (), None, False, None, None, None), **changes)  # type: ignore[arg-type]


def with_profile(*identities: IdentityMatch, **changes: object) -> Change:
    """The tunnel's key is in a keyring of its profile."""

    def change(base: EngineSettings) -> EngineSettings:
        ring = Keyring("RING", keys=base.keys)
        row = profile(identities=identities, **changes)
        return replace(with_tunnel(base, isakmp_profile="P"), keys=(), keyrings=(ring,), profiles=(row,))

    return change


def plain(base: EngineSettings) -> EngineSettings:
    return base


def test_the_key_comes_from_the_keyrings_of_the_profile_alone() -> None:
    up(World(1, change=with_profile(IdentityMatch(network=IPv4Network("10.0.0.0/8"))), change_b=plain))

    def elsewhere(base: EngineSettings) -> EngineSettings:
        changed = with_profile()(base)
        other = Keyring("OTHER", keys=base.keys)
        return replace(changed, keys=base.keys, keyrings=(Keyring("RING"), other))

    world = World(2, change=elsewhere, change_b=plain)
    world.a.initiate()
    world.b.initiate()
    world.run(10.0)
    assert not world.a.up
    assert state_of(world.a)[0] == (
        f"no pre-shared key for peer {B} (in the keyrings of isakmp profile P: address {B})"
    )


def test_without_a_keyring_the_global_keys_hold() -> None:
    def change(base: EngineSettings) -> EngineSettings:
        wrong = Keyring("RING", keys=(PreSharedKey(Secret(b"wrong"), IPv4Network(f"{B}/32")),))
        return replace(with_profile(keyrings=())(base), keys=base.keys, keyrings=(wrong,))

    up(World(3, change=change, change_b=plain))


def test_a_profile_that_is_not_there_is_named() -> None:
    world = World(4, change=lambda base: with_tunnel(base, isakmp_profile="GONE"), change_b=plain)
    world.a.initiate()
    world.run(1.0)
    assert state_of(world.a)[0] == "isakmp profile GONE does not exist (crypto isakmp profile GONE)"


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        (SelfIdentity("address"), str(A)),
        (SelfIdentity("fqdn"), "R"),
        (SelfIdentity("fqdn", "r1.example.com"), "r1.example.com"),
        (SelfIdentity("user-fqdn", "r1@example.com"), "r1@example.com"),
    ],
)
@pytest.mark.parametrize("first", ["a", "b"])
def test_self_identity(chosen: SelfIdentity, shown: str, first: str) -> None:
    """As initiator and as responder."""
    change, change_b = with_profile(self_identity=chosen), plain
    world = World(
        5,
        change=change if first == "a" else lambda base: passive(change(base)),
        change_b=change_b if first == "b" else lambda base: passive(change_b(base)),
    )
    up(world)
    (tunnel,) = world.b.engine.status(world.now).tunnels
    assert tunnel.identity == shown
    (mine,) = world.a.engine.status(world.now).tunnels
    assert mine.isakmp_profile == "P"
    assert world.a.engine.status(world.now).isakmp_sas[0].profile == "P"
    assert mine.established_at is not None


@pytest.mark.parametrize("nat", [False, True])
@pytest.mark.parametrize("first", ["a", "b"])
@pytest.mark.parametrize("aggressive", [False, True])
def test_a_peer_that_does_not_match_is_refused(first: str, aggressive: bool, nat: bool) -> None:
    """A's profile wants another name than B's; whoever begins, neither keeps an SA, and A says why."""
    if nat and first == "b":
        return  # nothing reaches A through the NAT before A has spoken

    def mode(base: EngineSettings) -> EngineSettings:
        own = "r.example" if aggressive else None
        return replace(with_tunnel(base, aggressive_identity=own), aggressive_mode=True)

    wants = with_profile(IdentityMatch(host="other.example.com"))
    change: Change = lambda base: mode(wants(base))  # noqa: E731
    change_b: Change = mode
    world = World(
        6,
        nat=nat,
        change=change if first == "a" else lambda base: passive(change(base)),
        change_b=change_b if first == "b" else lambda base: passive(change_b(base)),
    )
    world.a.initiate()
    world.b.initiate()
    world.run(12.0)
    error, _ = state_of(world.a)
    name = str(B) if first == "a" or not aggressive else "r.example"
    assert error == f"peer {B} is {name}, which isakmp profile P does not match (match identity ...)"
    assert count(world.a, "identity_refused") >= 1
    assert len([text for text in world.a.logs if "IKMP_IDENTITY" in text]) == 1
    for side in (world.a, world.b):
        assert not side.plane.inbound
    assert not [sa for sa in world.a.engine.status(world.now).isakmp_sas if sa.state == "QM_IDLE"]
    if first == "a" and not aggressive:
        assert not [sa for sa in world.b.engine.status(world.now).isakmp_sas if sa.state == "QM_IDLE"], "B was told"
    if first == "b" and not aggressive:
        assert state_of(world.b)[0] == f"peer {A} refuses our identity (AUTHENTICATION-FAILED)"


def test_a_name_of_the_right_domain_is_taken() -> None:
    other = with_profile(self_identity=SelfIdentity("fqdn", "b.sites.example.com"))
    up(World(7, change=with_profile(IdentityMatch(domain="example.com")), change_b=other))


def test_the_keepalive_of_a_profile_comes_before_the_global_one() -> None:
    world = up(World(8, change=with_profile(keepalive=Keepalive(10, 2, True)), change_b=plain))
    world.run(60.0)
    assert count(world.a, "dpd_sent") >= 4
    assert count(world.b, "dpd_sent") == 0
    world.b.crash()
    world.run(30.0)
    assert not world.a.up
    world.restart(world.b)
    world.run(20.0)
    changed = with_profile()(replace(world.b.settings))
    world.a.engine.configure(replace(world.a.settings, profiles=changed.profiles), world.now)
    world.a.drain()
    before = count(world.a, "dpd_sent")
    world.run(60.0)
    assert count(world.a, "dpd_sent") == before


def test_initiate_mode_aggressive() -> None:
    def answering(base: EngineSettings) -> EngineSettings:
        return passive(replace(base, aggressive_mode=True))

    change = with_profile(aggressive=True, self_identity=SelfIdentity("user-fqdn", "ops@example.com"))
    world = up(World(9, change=change, change_b=answering))
    (sa,) = world.b.engine.status(world.now).isakmp_sas
    assert sa.aggressive
    assert sa.peer_identity == "ops@example.com"


def test_an_edit_of_the_profile_is_tried_at_once() -> None:
    world = World(10, change=with_profile(IdentityMatch(host="b.example.com")), change_b=plain)
    world.a.initiate()
    world.b.initiate()
    world.run(30.0)
    assert not world.a.up
    right = profile(identities=(IdentityMatch(network=IPv4Network(f"{B}/32")),))
    world.a.engine.configure(replace(world.a.settings, profiles=(right,)), world.now)
    world.a.drain()
    world.run(12.0)
    assert world.a.up
    assert world.b.up
    assert bytes(KEY) not in repr(world.a.engine._core.keys.find(A, B)).encode()
