"""Post-quantum pre-shared keys in IKE_AUTH (RFC 8784)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seikan.config.model_ikev2 import PostQuantumKey
from seikan.ike.v2.ppk import ppk_identity, read_ppk_identity
from seikan.wire.secret import Secret

from .pair.ikev2 import PEER, ikev2_world, with_ikev2
from .pair.world import TUNNEL, World, with_tunnel

KEY = PostQuantumKey("branch", Secret(b"q" * 32))
MUST = replace(KEY, required=True)
OTHER_KEY = replace(KEY, key=Secret(b"r" * 32))
OTHER_NAME = replace(KEY, identity="elsewhere")


def ppk_world(seed: int, ours: PostQuantumKey | None, theirs: PostQuantumKey | None, lifetime: int = 86400) -> World:
    """A asks, B answers."""
    world = ikev2_world(
        seed,
        change=lambda base: with_ikev2(base, peers=(replace(PEER, ppk=ours),), lifetime=lifetime),
        change_b=lambda base: with_tunnel(
            with_ikev2(base, peers=(replace(PEER, ppk=theirs),), lifetime=lifetime), initiate=False
        ),
    )
    world.a.initiate()
    world.b.engine.initiate(TUNNEL, world.now)
    world.run(10.0)
    return world


def used(world: World) -> set[bool]:
    return {sa.ppk for side in (world.a, world.b) for sa in side.engine.status(world.now).ikev2_sas}


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (KEY, KEY, True),
        (MUST, KEY, True),
        (KEY, MUST, True),
        (MUST, MUST, True),
        (KEY, None, False),
        (None, KEY, False),
        (KEY, OTHER_NAME, False),
    ],
)
def test_a_key_is_used_where_both_have_it(
    ours: PostQuantumKey | None, theirs: PostQuantumKey | None, expected: bool
) -> None:
    world = ppk_world(1, ours, theirs)
    world.assert_converged()
    assert used(world) == {expected}


@pytest.mark.parametrize(
    ("ours", "theirs", "teller", "kind"),
    [
        (MUST, None, "a", "ppk"),
        (None, MUST, "b", "ppk"),
        (MUST, OTHER_NAME, "b", "ppk"),
        (OTHER_NAME, MUST, "b", "ppk"),
        (KEY, OTHER_KEY, "b", "wrong-key"),
    ],
)
def test_who_has_to_use_a_key_does_not_do_without(
    ours: PostQuantumKey | None, theirs: PostQuantumKey | None, teller: str, kind: str
) -> None:
    world = ppk_world(2, ours, theirs)
    assert not world.a.up
    assert not world.b.up
    side = world.a if teller == "a" else world.b
    (tunnel,) = side.engine.status(world.now).tunnels
    assert tunnel.diagnosis is not None
    assert tunnel.diagnosis.kind == kind


def test_it_protects_the_pairs_and_outlives_a_rekeying() -> None:
    """Without it in SK_d, the pairs of both ends would have different keys; packets tell."""
    world = ppk_world(3, KEY, KEY, lifetime=120)
    world.traffic(0.2, world.now + 300.0)
    world.run(320.0)
    world.assert_converged()
    assert used(world) == {True}
    assert world.lost_at_peer == []
    (sa,) = world.a.engine.status(world.now).ikev2_sas
    assert sa.rekeys >= 1


def test_identities_of_keys() -> None:
    assert read_ppk_identity(ppk_identity(KEY).data) == "branch"
    for data in (b"", b"\2", b"\1opaque", b"\2\xff\xfe"):
        assert read_ppk_identity(data) is None
