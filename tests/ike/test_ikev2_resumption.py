"""Sessions that are resumed by a ticket (RFC 5723)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from seikan.config.model_ikev2 import Ikev2Dpd, Ikev2Identity, Ikev2Match
from seikan.ike.engine import ClearTarget
from seikan.ike.v2.sa import Session
from seikan.wire.secret import Secret

from .pair.ikev2 import PEER, ikev2_world, with_ikev2
from .pair.world import TUNNEL, Network, World, with_tunnel

SECRET = Secret(b"t" * 32)
DPD = Ikev2Dpd(10, 5, periodic=True)
FIELDS: dict[str, Any] = {"reconnect": 600, "ticket_key": SECRET, "dpd": DPD, "quick_crash_detection": True}


def ticket_world(seed: int, network: Network | None = None, b: dict[str, Any] | None = None, **a: Any) -> World:
    """A asks; B only answers."""
    world = ikev2_world(
        seed,
        network,
        change=lambda base: with_ikev2(base, **(FIELDS | a)),
        change_b=lambda base: with_tunnel(with_ikev2(base, **(FIELDS | (b or {}))), initiate=False),
    )
    world.a.initiate()
    world.b.engine.initiate(TUNNEL, world.now)
    world.run(20.0)
    world.assert_converged()
    return world


def crash(world: World, seconds: float = 20.0) -> None:
    """B loses everything but its secret, which tells A that it has to begin again."""
    world.b.crash()
    world.b.boot()
    world.b.engine.initiate(TUNNEL, world.now)
    world.run(seconds)


def resumed(world: World) -> set[bool]:
    return {sa.resumed for side in (world.a, world.b) for sa in side.engine.status(world.now).ikev2_sas}


def count(world: World, name: str) -> int:
    return sum(side.engine.status(world.now).counters.get(name, 0) for side in (world.a, world.b))


@pytest.mark.parametrize("seed", range(4))
def test_a_restarted_gateway_takes_up_the_session(seed: int) -> None:
    network = Network(loss=0.1 * (seed > 0), duplicate=0.1, delay=(0.005, 0.1))
    world = ticket_world(seed, network)
    assert resumed(world) == {False}
    crash(world, 60.0)
    world.assert_converged()
    if not seed:
        assert resumed(world) == {True}
        assert count(world, "ikev2_sessions_resumed") == 2
    world.network.loss = 0.0
    before = world.delivered
    for _ in range(10):
        world.send_packet(world.a)
        world.send_packet(world.b)
        world.run(0.2)
    assert world.delivered - before == 20


def test_a_session_is_resumed_again_and_again_and_rekeyed() -> None:
    world = ticket_world(10, lifetime=300)
    for _ in range(3):
        crash(world)
        world.assert_converged()
        assert resumed(world) == {True}
    world.run(400.0)
    world.assert_converged()
    (sa,) = world.a.engine.status(world.now).ikev2_sas
    assert sa.rekeys >= 1


def test_who_it_was_is_shown_as_before() -> None:
    anybody = {"identities": (Ikev2Match(any=True),)}
    world = ticket_world(11, b=anybody, identity_local=Ikev2Identity("fqdn", "a.example.net"))
    crash(world)
    (sa,) = world.b.engine.status(world.now).ikev2_sas
    assert (sa.resumed, sa.peer_identity, sa.remote_authentication) == (True, "a.example.net", "PSK")


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"ticket_key": Secret(b"u" * 32)}, "ikev2_tickets_invalid"),
        ({"reconnect": None}, "ikev2_tickets_expired"),
        ({"ticket_key": None}, "ikev2_tickets_refused"),
    ],
    ids=["another secret", "not configured any more", "no secret"],
)
def test_a_ticket_that_is_not_taken_costs_no_more_than_another_exchange(changes: dict[str, Any], refused: str) -> None:
    world = ticket_world(12, quick_crash_detection=False)
    world.b.settings = with_tunnel(with_ikev2(world.b.settings, **(FIELDS | changes)), initiate=False)
    crash(world, 120.0)
    world.assert_converged()
    assert resumed(world) == {False}
    assert count(world, refused) >= 1


def test_a_ticket_is_good_as_long_as_it_says() -> None:
    world = ticket_world(13, b={"reconnect": 60})
    world.run(70.0)
    crash(world)
    world.assert_converged()
    assert resumed(world) == {False}


def test_a_deleted_session_is_not_resumed() -> None:
    world = ticket_world(14)
    world.b.engine.clear(ClearTarget.SESSION, world.now)
    world.b.drain()
    world.run(10.0)
    world.assert_converged()
    assert resumed(world) == {False}


def test_whose_key_is_not_there_any_more_is_not_let_in_by_a_ticket() -> None:
    world = ticket_world(15)
    world.b.settings = with_tunnel(with_ikev2(world.b.settings, **(FIELDS | {"peers": ()})), initiate=False)
    crash(world, 30.0)
    assert not world.b.up
    assert count(world, "ikev2_sessions_resumed") == 0


def test_a_stolen_ticket_without_its_keys_is_worth_nothing() -> None:
    """Whoever saw it on the wire does not have SK_d."""
    world = ticket_world(16)
    (tunnel,) = world.a.engine._core.tunnels.values()
    assert isinstance(tunnel.ticket, Session)
    stolen = replace(tunnel.ticket, sk_d=Secret(b"?" * len(tunnel.ticket.sk_d)))
    tunnel.ticket = stolen
    crash(world, 5.0)
    assert resumed(world) != {True}
    assert count(world, "ikev2_sessions_resumed") == 0


def test_nothing_of_it_is_printed() -> None:
    world = ticket_world(17)
    (tunnel,) = world.a.engine._core.tunnels.values()
    assert isinstance(tunnel.ticket, Session)
    assert tunnel.ticket.sk_d.hex() not in repr(tunnel.ticket)
    assert PEER.local_key is not None
    assert "Looped" not in repr(tunnel.ticket)
