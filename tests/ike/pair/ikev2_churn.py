"""Churn at a hub of IKEv2, drawn from a seed."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from seikan.ike.settings import EngineSettings
from seikan.wire.secret import Secret

from .churn import FEW, OWN, plan
from .hub import DOMAIN, TEMPLATE
from .ikev2_hub import Ikev2Hub, hub_settings, named
from .world import PHASE_TWO, Network, with_tunnel


def draw(seed: int, count: int) -> Ikev2Hub:
    """The world of `seed` with `count` spokes, its events already planned."""
    source = Random(seed)
    network = Network(
        loss=source.choice((0.0, 0.05, 0.2)),
        duplicate=source.choice((0.0, 0.1, 0.4)),
        delay=source.choice(((0.005, 0.01), (0.01, 0.2), (0.0, 1.0))),
    )
    ike, child = source.choice((120, 300, 86400)), source.choice((120, 300, 3600))
    if count > FEW:
        ike, child = max(ike, 86400), max(child, 3600)
    own = [named(f"own{number}.{DOMAIN}", Secret(f"{OWN} {number}".encode())) for number in range(count)]
    base = hub_settings(*own, lifetime=ike, cookie_challenge=source.choice((0, 100)))
    template = replace(TEMPLATE, phase_two=replace(PHASE_TWO, lifetime_seconds=child))
    world = Ikev2Hub(seed, network, replace(base, templates=(template,)))
    nats = [world.nat(f"203.0.113.{number}") for number in range(1, 3)]

    def shorten(settings: EngineSettings) -> EngineSettings:
        return with_tunnel(settings, lifetime_seconds=child)

    for number in range(count):
        nat = source.choice((None, None, *nats))
        address = f"192.168.1.{source.randrange(2, 5)}" if nat else f"198.51.{number // 250}.{number % 250 + 1}"
        match source.randrange(4):
            case 0:
                world.joins(address, nat=nat, identity=f"n{number}.{DOMAIN}", change=shorten, lifetime=ike)
            case 1:
                name, key = f"own{number}.{DOMAIN}", Secret(f"{OWN} {number}".encode())
                world.joins(address, nat=nat, identity=name, key=key, change=shorten, lifetime=ike)
            case _:
                world.joins(address, nat=nat, change=shorten, lifetime=ike)
    plan(world, source)
    return world
