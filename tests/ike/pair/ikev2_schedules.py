"""Schedules of IKEv2: what befalls two engines, drawn from a seed."""

from __future__ import annotations

from functools import partial
from random import Random

from seikan.config.model_ikev2 import Ikev2Dpd
from seikan.ike.settings import EngineSettings
from seikan.wire.secret import Secret

from .ikev2 import CBC, GCM, ikev2_world, with_ikev2
from .schedules import plan, soft
from .world import AWAY, A, Network, Side, World, with_tunnel


def draw(seed: int) -> World:
    """The world of `seed`, with its events already planned."""
    source = Random(seed)
    lossy = source.random() < 0.7
    network = Network(
        loss=source.choice((0.0, 0.02, 0.1, 0.25)) if lossy else 0.0,
        duplicate=source.choice((0.0, 0.1, 0.5)) if lossy else 0.0,
        delay=source.choice(((0.001, 0.002), (0.01, 0.08), (0.0, 1.5))),
    )
    child, ike = source.choice((120, 200, 3600)), source.choice((60, 150, 86400))
    dpd = source.choice((None, None, Ikev2Dpd(10, 2, source.random() < 0.5)))
    pfs = source.choice((None, None, 14))
    proposal = source.choice((CBC, GCM, GCM))
    fragmentation = source.choice((0, 0, 0, 200))
    cookie, window = source.choice((100, 100, 0)), source.choice((1, 5))
    reconnect = source.choice((None, None, 600))
    mobike, replay_window = source.random() < 0.8, source.choice((64, 64, 0))  # without it no 64-bit sequence numbers

    def change(base: EngineSettings) -> EngineSettings:
        base = with_ikev2(
            base,
            proposals=(proposal,),
            lifetime=ike,
            dpd=dpd,
            fragmentation=fragmentation,
            cookie_challenge=cookie,
            window=window,
            reconnect=reconnect,
            mobike=mobike,
            ticket_key=Secret(b"the same over restarts"),
        )
        return with_tunnel(base, lifetime_seconds=child, pfs_group=pfs, replay_window=replay_window)

    world = ikev2_world(seed, network, nat=source.random() < 0.25, change=change)
    more = [partial(_renew, world, 0.0), partial(_renew, world, 0.0), partial(_renew, world, 0.05)]
    if not world.nat:
        more += [partial(_roam, world, source.uniform(0.1, 40.0))] * 2
    plan(world, source, more)
    return world


def _roam(world: World, duration: float) -> None:
    """A has another address for a while; with MOBIKE the SAs come along where A made them, else it connects anew."""
    world.disturbed = True
    world.move(AWAY)
    world.at(world.now + duration, partial(world.move, A))


def _renew(world: World, apart: float) -> None:
    """Both sides rekey their IKE SA at the same time, and one of them its pair."""
    for number, side in enumerate((world.a, world.b)):
        world.at(world.now + apart * number, partial(_renew_ike, world, side))
    world.at(world.now + world.random.choice((0.0, 0.01, 0.1)), partial(soft, world, world.a))


def _renew_ike(world: World, side: Side) -> None:
    if side.alive:
        for sa in list(side.engine._core.established):
            side.engine._core.now = world.now
            side.engine._tunnels.soft_expired(sa)
        side.drain()
