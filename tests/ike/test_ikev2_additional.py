"""More than one key exchange: before IKE_AUTH and after a rekeying (RFC 9242, RFC 9370)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seikan.ike.settings import Ikev2ProposalSettings
from seikan.ike.v2.followup import LIFETIME
from seikan.wire.constants import GROUP_BY_NUMBER, Group

from .pair.ikev2 import GCM, ikev2_world, with_ikev2
from .pair.world import REAL_KEY_PAIR, TUNNEL, Network, World, with_tunnel


def exchanges(*numbers: int | None) -> tuple[Group | None, ...]:
    return tuple(GROUP_BY_NUMBER[number] if number else None for number in numbers)


def proposal(*additional: tuple[Group | None, ...]) -> Ikev2ProposalSettings:
    return replace(GCM, additional=additional)


HYBRID = proposal(exchanges(36))


def hybrid_world(
    seed: int,
    network: Network | None = None,
    ours: Ikev2ProposalSettings = HYBRID,
    theirs: Ikev2ProposalSettings = HYBRID,
    **options: object,
) -> World:
    world = ikev2_world(
        seed,
        network,
        change=lambda base: with_ikev2(base, proposals=(ours,), **options),
        change_b=lambda base: with_tunnel(with_ikev2(base, proposals=(theirs,), **options), initiate=False),
        key_pair=REAL_KEY_PAIR,
    )
    world.a.initiate()
    world.b.engine.initiate(TUNNEL, world.now)
    return world


def groups_of(world: World) -> tuple[int | None, tuple[int, ...]]:
    rows = [side.engine.status(world.now).ikev2_sas for side in (world.a, world.b)]
    found = {(row.group, row.additional_groups) for (row,) in rows}
    assert len(found) == 1
    return found.pop()


@pytest.mark.parametrize(
    ("additional", "expected"),
    [
        (((36,),), (36,)),
        (((37,), (20,)), (37, 20)),
        (((36,), (37,), (31,)), (36, 37, 31)),
    ],
)
def test_every_key_exchange_is_done(additional: tuple[tuple[int, ...], ...], expected: tuple[int, ...]) -> None:
    row = proposal(*(exchanges(*numbers) for numbers in additional))
    world = hybrid_world(1, ours=row, theirs=row)
    world.run(10.0)
    world.assert_converged()
    assert groups_of(world) == (19, expected)
    for side in (world.a, world.b):
        assert side.engine.status(world.now).counters["ikev2_intermediate_exchanges"] == len(expected)


def test_a_peer_that_may_do_without_and_cannot() -> None:
    world = hybrid_world(2, ours=proposal(exchanges(36, None)), theirs=GCM)
    world.run(10.0)
    world.assert_converged()
    assert groups_of(world) == (19, ())


def test_a_peer_that_cannot_do_what_it_has_to() -> None:
    world = hybrid_world(3, theirs=GCM)
    world.run(10.0)
    assert not world.a.up
    (tunnel,) = world.b.engine.status(world.now).tunnels
    assert [row.attribute for row in tunnel.mismatches] == ["ikev2 additional-key-exchange 1"]


@pytest.mark.parametrize("seed", range(12))
def test_messages_in_pieces_over_a_bad_network(seed: int) -> None:
    """ML-KEM-1024 does not fit one packet: fragments and responses get lost, repeated and out of order."""
    row = proposal(exchanges(37), exchanges(36))
    network = Network(loss=0.25, duplicate=0.2, delay=(0.001, 0.3))
    world = hybrid_world(100 + seed, network, row, row, fragmentation=1280)
    world.run(120.0)
    world.assert_converged()
    assert groups_of(world) == (19, (37, 36))
    assert world.a.engine.status(world.now).counters["ikev2_fragments_sent"] >= 2


@pytest.mark.parametrize("seed", range(3))
def test_a_rekeying_has_every_key_exchange_too(seed: int) -> None:
    row = proposal(exchanges(36), exchanges(20))
    network = Network(loss=0.1 * seed, delay=(0.001, 0.05))
    world = hybrid_world(200 + seed, network, row, row, lifetime=120, fragmentation=1280)
    world.run(20.0)
    before = set(world.a.plane.inbound)
    world.traffic(0.5, world.now + 580.0)
    world.run(600.0)
    world.assert_converged()
    assert groups_of(world) == (19, (36, 20))
    (sa,) = world.a.engine.status(world.now).ikev2_sas
    counters = world.a.engine.status(world.now).counters
    assert sa.rekeys >= 3
    assert counters["ikev2_followup_exchanges"] >= 2 * sa.rekeys
    if not seed:
        assert set(world.a.plane.inbound) == before
        assert counters["ikev2_sas_established"] == 1
        assert world.lost_at_peer == []


def test_a_rekeying_whose_middle_is_lost_is_given_up_and_the_old_sa_goes_on() -> None:
    """The responder forgets what it agreed on after a while; nothing is lost but the rekeying."""
    network = Network(delay=(1.0, 1.0))
    world = hybrid_world(210, network, lifetime=1000)
    world.run(30.0)
    sides = (world.a, world.b)

    def count(name: str) -> int:
        return sum(side.engine.status(world.now).counters.get(name, 0) for side in sides)

    while not count("ikev2_followup_expected"):
        world.run(0.5)
    network.cut = True
    world.run(LIFETIME + 1)
    network.cut = False
    world.run(30.0)
    assert count("ikev2_followup_unknown") >= 1
    world.run(300.0)
    world.assert_converged()
    assert groups_of(world) == (19, (36,))
    assert world.a.ups == world.b.ups == 1
