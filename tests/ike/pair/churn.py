"""Churn: what befalls a hub with many spokes, drawn from a seed, and what must be left of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address
from random import Random

from seikan.config.model import IsakmpPolicy, PreSharedKey
from seikan.ike.engine import ClearTarget
from seikan.ike.settings import EngineSettings
from seikan.wire.secret import Secret

from .hub import DOMAIN, GROUP_KEY, TEMPLATE, Change, HubWorld, Nat, Spoke, hub_settings, ring
from .world import PHASE_TWO, POLICY, Network, with_tunnel

BUSY = 400.0  # seconds of churn
SETTLE = 300.0  # seconds of a sound network after which everything must be as it should
LONGEST = 130.0  # seconds, of anything that befalls a spoke
STEP = 10.0
FEW = 10  # of more spokes one would always be renewing something, and no moment be at rest
OWN = "of its own"


def draw(seed: int, count: int) -> HubWorld:
    """The world of `seed` with `count` spokes, its events already planned."""
    source = Random(seed)
    network = Network(
        loss=source.choice((0.0, 0.05, 0.2)),
        duplicate=source.choice((0.0, 0.1, 0.4)),
        delay=source.choice(((0.005, 0.01), (0.01, 0.2), (0.0, 1.0))),
    )
    phase1, child = source.choice((120, 300, 86400)), source.choice((120, 300, 3600))
    if count > FEW:
        phase1, child = max(phase1, 86400), max(child, 3600)
    policies = (replace(POLICY, lifetime=phase1),)
    phase_two = replace(PHASE_TWO, lifetime_seconds=child)
    own = [PreSharedKey(Secret(f"{OWN} {n}".encode()), hostname=f"own{n}.{DOMAIN}") for n in range(count)]
    configured = hub_settings(
        keyrings=(ring(GROUP_KEY, *own),),
        policies=policies,
        templates=(replace(TEMPLATE, phase_two=phase_two),),
        aggressive_mode=True,
    )
    world = HubWorld(seed, network, configured)
    nats = [world.nat(f"203.0.113.{number}") for number in range(1, 3)]
    for number in range(count):
        make(world, source, number, nats, partial(shorten, policies, child))
    plan(world, source)
    return world


def shorten(policies: tuple[IsakmpPolicy, ...], child: int, base: EngineSettings) -> EngineSettings:
    return with_tunnel(replace(base, policies=policies), lifetime_seconds=child)


def make(world: HubWorld, source: Random, number: int, nats: Sequence[Nat], change: Change) -> None:
    """Spokes of all kinds: by address and by name, with a key of their own, behind NATs with like addresses."""
    nat = source.choice((None, None, *nats))
    address = f"192.168.1.{source.randrange(2, 5)}" if nat else f"198.51.{number // 250}.{number % 250 + 1}"
    match source.randrange(4):
        case 0:
            world.spoke(address, nat=nat, identity=f"n{number}.{DOMAIN}", change=change)
        case 1:
            name = f"own{number}.{DOMAIN}"
            key = Secret(f"{OWN} {number}".encode())

            def aggressive(base: EngineSettings) -> EngineSettings:
                return with_tunnel(change(base), aggressive_identity=name)

            world.spoke(address, nat=nat, identity=name, key=key, change=aggressive)
        case _:
            world.spoke(address, nat=nat, change=change)


def plan(world: HubWorld, source: Random) -> None:
    world.disturbed = True
    start = world.now
    for spoke in world.spokes:
        world.at(start + source.choice((0.0, source.uniform(0.0, 60.0))), partial(resume, world, spoke))
        for _ in range(source.choice((0, 1, 2, 3))):
            when = start + source.uniform(20.0, BUSY)
            world.at(when, partial(happen, world, source, spoke, source.randrange(10), source.uniform(0.5, 60.0)))
    for nat in list(world.nats.values()):
        for _ in range(source.choice((0, 1, 3))):
            world.at(start + source.uniform(20.0, BUSY), nat.rebind)
    if source.random() < 0.5:
        world.at(start + source.uniform(60.0, BUSY), partial(clear, world, source.choice(tuple(ClearTarget))))
    if source.random() < 0.3:
        world.at(start + source.uniform(60.0, BUSY), partial(cut, world, source.uniform(1.0, 60.0)))
    if source.random() < 0.3:
        world.at(start + source.uniform(60.0, BUSY), partial(restart_hub, world, source.uniform(0.5, 30.0)))
    world.traffic(5.0, start + BUSY + LONGEST + SETTLE)


def resume(world: HubWorld, spoke: Spoke) -> None:
    if spoke.alive:
        spoke.initiate()


def happen(world: HubWorld, source: Random, spoke: Spoke, what: int, seconds: float) -> None:
    if not spoke.alive or spoke.asleep:
        return
    match what:
        case 0 | 1:
            spoke.crash()
            world.at(world.now + seconds, partial(world.restart, spoke))
        case 2 | 3:
            world.note(f"{spoke.name} says goodbye")
            spoke.leave()
            world.at(world.now + seconds, partial(resume, world, spoke))
        case 4:
            world.sleep(spoke, seconds * 2)
        case 5 | 6 if spoke.nat is None:
            spoke.readdress(IPv4Address("198.18.0.0") + source.randrange(1, 2**16))
        case 5 | 6:
            spoke.nat.rebind()  # type: ignore[union-attr]
        case 7:
            spoke.attached = False
            world.note(f"{spoke.name} loses its line")

            def mend() -> None:
                spoke.attached = True
                world.note(f"{spoke.name} has its line again")

            world.at(world.now + seconds, mend)
        case 8:
            spoke.engine.clear(source.choice(tuple(ClearTarget)), world.now)
            spoke.drain()
        case _:
            tunnels = spoke.engine._tunnels
            for tunnel in spoke.engine._core.tunnels.values():
                by_name = tunnel.version == 1 and spoke.key.startswith(OWN.encode())
                (tunnels.v1.aggressive if by_name else tunnels.of(tunnel)).start(tunnel)  # it connects once more
            spoke.drain()


def clear(world: HubWorld, target: ClearTarget) -> None:
    if not world.hub.alive:
        return
    world.note(f"the hub clears {target.value}")
    world.hub.engine.clear(target, world.now)
    world.hub.drain()


def cut(world: HubWorld, seconds: float) -> None:
    world.network.cut = True

    def mend() -> None:
        world.network.cut = False

    world.at(world.now + seconds, mend)


def restart_hub(world: HubWorld, seconds: float) -> None:
    world.hub.crash()

    def back() -> None:
        world.hub.boot()
        world._armed[world.hub.name] = None
        world.note("the hub restarts")

    world.at(world.now + seconds, back)


def judge(world: HubWorld) -> None:
    """Run the churn, mend the network, and see that exactly what should be there is; then all leave."""
    world.run(BUSY)
    world.network.loss = world.network.duplicate = 0.0
    world.network.delay = (0.005, 0.01)
    world.network.cut = False
    world.note("the network is sound")
    world.run(LONGEST)
    waited = 0.0
    while True:
        try:
            world.assert_exactly(world.spokes)
            break
        except AssertionError:
            if waited >= SETTLE:
                raise
        world.run(STEP)
        waited += STEP
    for spoke in world.spokes:
        spoke.leave()
    world.run(40.0)  # exchanges that were begun and not gone on with are forgotten after half a minute
    world.assert_empty()
