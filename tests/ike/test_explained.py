"""What two whole engines say when they do not agree: the diagnosis that shows up in the status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from seikan.config.model import IsakmpPolicy, TransformSet
from seikan.ike.settings import EngineSettings, Ikev2Settings
from seikan.ike.status import Diagnosis
from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME

from .pair.world import POLICY, A, Side, World, with_tunnel

OTHER_SET = TransformSet("OTHER", ENCRYPTION_BY_NAME["aes-cbc-256"], INTEGRITY_BY_NAME["hmac-sha256-128"])


def passive(base: EngineSettings) -> EngineSettings:
    return with_tunnel(base, initiate=False)


def other_policy(row: IsakmpPolicy) -> Callable[[EngineSettings], EngineSettings]:
    return lambda base: passive(replace(base, policies=(row,)))


def diagnosed(side: Side) -> Diagnosis:
    (tunnel,) = side.engine.status(side.world.now).tunnels
    assert tunnel.diagnosis is not None
    return tunnel.diagnosis


def test_policies_that_differ() -> None:
    other = replace(POLICY, priority=5, encryption="aes-cbc-256", group=19)
    world = World(10, change_b=other_policy(other))
    world.a.initiate()
    world.b.initiate()
    world.run(5.0)
    found = diagnosed(world.b)
    assert (found.kind, found.peer) == ("no-proposal", str(A))
    assert found.text.startswith(f"no isakmp policy in common with peer {A}: ")
    assert {row.attribute for row in found.mismatches} == {"isakmp encryption", "isakmp group"}
    assert found.advice["ios"] == (
        "crypto isakmp policy 15",
        " encr aes",
        " hash sha",
        " authentication pre-share",
        " group 14",
    )
    assert found in world.b.engine.status(world.now).diagnoses


def test_transform_sets_that_differ() -> None:
    world = World(11, change_b=lambda base: passive(with_tunnel(base, transform_sets=(OTHER_SET,))))
    world.a.initiate()
    world.run(0.1)
    world.b.initiate()
    world.run(10.0)
    found = diagnosed(world.b)
    assert found.kind == "child-no-proposal"
    assert found.advice["ios"] == (
        "crypto ipsec transform-set SEIKAN esp-aes esp-sha-hmac",
        "crypto ipsec profile ProtectTheTunnel",
        " set transform-set OTHER SEIKAN",
    )


def test_the_newest_errors_are_kept_and_forgotten_when_all_is_well() -> None:
    few = Ikev2Settings(kept_errors=2)
    world = World(13, change_b=lambda base: replace(other_policy(replace(POLICY, group=19))(base), ikev2=few))
    world.a.initiate()
    world.b.initiate()
    world.run(300.0)
    kept = world.b.engine.status(world.now).diagnoses
    assert len(kept) == 2
    assert kept[0].at >= kept[1].at
    world.b.engine.configure(replace(world.b.settings, policies=(POLICY,)), world.now)
    world.run(300.0)
    (tunnel,) = world.b.engine.status(world.now).tunnels
    assert tunnel.up
    assert tunnel.diagnosis is None
