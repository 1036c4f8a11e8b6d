"""Schedules: what befalls two engines, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from random import Random

from seikan.ike.effects import Path
from seikan.ike.engine import ClearTarget
from seikan.ike.settings import EngineSettings

from .world import TUNNEL, Network, Side, World, with_keepalive, with_tunnel

BUSY = 140.0  # seconds in which something befalls them
WATCHED = 200.0  # seconds until the network is mended
SETTLE = 240.0  # seconds of a sound network after which both ends must agree
STEP = 5.0


def draw(seed: int) -> World:
    """The world of `seed`, with its events already planned."""
    source = Random(seed)
    lossy = source.random() < 0.7
    network = Network(
        loss=source.choice((0.0, 0.02, 0.1, 0.25)) if lossy else 0.0,
        duplicate=source.choice((0.0, 0.1, 0.5)) if lossy else 0.0,
        delay=source.choice(((0.001, 0.002), (0.01, 0.08), (0.0, 1.5))),
    )
    child, phase1 = source.choice((120, 200, 3600)), source.choice((60, 150, 86400))
    pfs, dpd = source.choice((None, None, 14)), source.choice((None, None, 10))
    kilobytes = source.choice((0, 4608000))
    fragments = source.random() < 0.2
    aggressive = source.random() < 0.1

    def change(base: EngineSettings) -> EngineSettings:
        base = with_tunnel(
            base,
            lifetime_seconds=child,
            lifetime_kilobytes=kilobytes,
            pfs_group=pfs,
            aggressive_identity="r.example" if aggressive else None,
        )
        base = replace(
            base,
            policies=(replace(base.policies[0], lifetime=phase1),),
            fragmentation=fragments,
            fragment_octets=120 if fragments else 1200,
            aggressive_mode=aggressive,
        )
        return with_keepalive(base, dpd, periodic=source.random() < 0.5) if dpd else base

    world = World(seed, network, nat=source.random() < 0.25, change=change)
    plan(world, source)
    return world


def plan(world: World, source: Random, more: Sequence[Callable[[], None]] = ()) -> None:
    """Events of all kinds, and `more` of the same right."""
    start = world.now
    first, second = source.sample((world.a, world.b), 2) if not world.nat else (world.a, world.b)
    world.at(start, first.initiate)
    world.at(start + source.choice((0.0, 0.0, 0.003, 0.5, 2.0, 20.0)), second.initiate)
    actions: list[Callable[[], None]] = list(more)
    for side in (world.a, world.b):
        actions += [
            partial(_crash, world, side, source.uniform(0.1, 40.0)),
            partial(_clear, world, side, source.choice(tuple(ClearTarget))),
            partial(_suspend, world, side, source.uniform(0.1, 20.0)),
            partial(soft, world, side),
        ]
    actions.append(partial(_both_soft, world))
    actions.append(partial(_cut, world, source.uniform(1.0, 90.0)))
    actions.append(partial(_lose_informational, world, source.uniform(10.0, 60.0)))
    if world.nat:
        actions += [world.rebind] * 3
    for _ in range(source.choice((0, 1, 2, 4))):
        world.at(start + source.uniform(0.0, BUSY), source.choice(actions))
    world.traffic(source.choice((4.0, 9.0)), start + WATCHED + SETTLE)
    world.probing = True


def _crash(world: World, side: Side, downtime: float) -> None:
    world.disturbed = True
    if side.alive:
        side.crash()
        world.at(world.now + downtime, lambda: world.restart(side))


def _clear(world: World, side: Side, target: ClearTarget) -> None:
    world.disturbed = True
    if side.alive:
        world.note(f"{side.name} clears {target.value}")
        side.engine.clear(target, world.now)
        side.drain()


def _suspend(world: World, side: Side, duration: float) -> None:
    world.disturbed = True
    if not side.alive:
        return
    generation = side.generation
    world.note(f"{side.name} shuts its tunnel")
    side.engine.suspend(TUNNEL, "administratively down", world.now)
    side.drain()

    def resume() -> None:
        if side.alive and side.generation == generation:
            world.note(f"{side.name} opens its tunnel")
            side.initiate()

    world.at(world.now + duration, resume)


def soft(world: World, side: Side) -> None:
    """The plane reports that a lifetime in kilobytes is nearly used up."""
    for spi, sa in list(side.plane.outbound.items())[-1:] if side.alive else ():
        side.engine.expire(TUNNEL, spi, sa.direction, False, world.now)
        side.drain()


def _both_soft(world: World) -> None:
    soft(world, world.a)
    soft(world, world.b)


def _cut(world: World, duration: float) -> None:
    world.disturbed = True
    world.network.cut = True
    world.note("the network is cut")

    def mend() -> None:
        world.network.cut = False
        world.note("the network is back")

    world.at(world.now + duration, mend)


def _lose_informational(world: World, duration: float) -> None:
    """Deletes and notifies get lost for a while; nothing else does."""

    world.disturbed = True

    def forward(side: Side, path: Path, data: bytes) -> bool:
        return len(data) < 19 or data[18] != 5

    world.forward = forward

    def mend() -> None:
        world.forward = lambda side, path, data: True

    world.at(world.now + duration, mend)


def judge(world: World) -> None:
    """Run the schedule, mend the network, and see that both ends agree in time and leave nothing behind."""
    world.run(WATCHED)
    if not world.disturbed and not world.network.loss:
        world.assert_no_gap()
    world.network.loss = world.network.duplicate = 0.0
    world.network.cut = False
    world.network.delay = (0.005, 0.01)
    world.note("the network is sound")
    waited = 0.0
    while True:
        try:
            world.assert_converged()
            break
        except AssertionError:
            if waited >= SETTLE:
                raise
        world.run(STEP)
        waited += STEP
    world.assert_nothing_left()
