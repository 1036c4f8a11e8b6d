"""An address that changes under an IKE SA and its pairs (MOBIKE, RFC 4555)."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from seikan.ike.effects import Path
from seikan.ike.settings import EngineSettings

from .pair.ikev2 import with_ikev2
from .pair.ring import Ring
from .pair.world import Network, Side, settings, with_tunnel

HOME, AWAY, GATEWAY = IPv4Address("192.0.2.1"), IPv4Address("203.0.113.7"), IPv4Address("198.51.100.1")


def roamer(local: IPv4Address, **changes: Any) -> EngineSettings:
    return with_ikev2(settings(local, GATEWAY), **changes)


def ring(seed: int, network: Network | None = None, **changes: Any) -> tuple[Ring, Side, Side]:
    world = Ring(seed, network)
    gateway = world.add("GATEWAY", GATEWAY, with_tunnel(with_ikev2(settings(GATEWAY, HOME), **changes), initiate=False))
    side = world.add("ROAMER", HOME, roamer(HOME, **changes))
    world.run(30.0)
    assert side.up
    assert gateway.up
    return world, side, gateway


def go(world: Ring, side: Side, address: IPv4Address, **changes: Any) -> None:
    world.move(side, address)
    side.engine.configure(roamer(address, **changes), world.now)
    side.drain()


def spis(world: Ring, side: Side) -> list[tuple[bytes, bytes]]:
    return [sa.spis for sa in side.engine.status(world.now).ikev2_sas]


def both_ways(world: Ring, *sides: Side, packets: int = 10) -> None:
    before, lost = world.delivered, len(world.lost_at_peer)
    for side in sides:
        for _ in range(packets):
            world.send_packet(side)
            world.run(0.05)
    world.run(1.0)
    assert world.delivered - before == packets * len(sides)
    assert len(world.lost_at_peer) == lost


@pytest.mark.parametrize("seed", range(4))
def test_the_sas_come_along(seed: int) -> None:
    world, side, gateway = ring(seed, Network(loss=0.15 * (seed > 0), delay=(0.01, 0.2)))
    before, pairs, ups = spis(world, side), set(side.plane.inbound), side.ups
    assert all(sa.mobike for sa in side.engine.status(world.now).ikev2_sas)
    go(world, side, AWAY)
    world.run(40.0)
    assert spis(world, side) == before == spis(world, gateway)
    assert set(side.plane.inbound) == pairs
    assert side.ups == ups
    (sa,) = gateway.engine.status(world.now).ikev2_sas
    assert sa.remote == AWAY
    world.network.loss = 0.0
    both_ways(world, side, gateway)


def test_there_and_back_again_and_a_rekeying() -> None:
    world, side, gateway = ring(10, lifetime=120)
    before = spis(world, side)
    for address in (AWAY, HOME, AWAY):
        go(world, side, address, lifetime=120)
        world.run(5.0)
    assert spis(world, side) == before
    world.run(200.0)
    assert spis(world, side) != before
    assert side.ups == gateway.ups == 1
    both_ways(world, side, gateway)


def test_a_peer_without_it_is_begun_with_anew() -> None:
    world, side, _ = ring(11, mobike=False)
    before = spis(world, side)
    assert not any(sa.mobike for sa in side.engine.status(world.now).ikev2_sas)
    go(world, side, AWAY, mobike=False)
    world.run(1.0)
    assert spis(world, side) != before


def test_nobody_else_moves_an_sa() -> None:
    """What was recorded and comes again from elsewhere is no move."""
    world, side, gateway = ring(12)
    kept: list[bytes] = []

    def keep(_sender: Side, _path: Path, data: bytes) -> bool:
        kept.append(data)
        return True

    world.forward = keep
    go(world, side, AWAY)
    world.run(5.0)
    assert kept
    for data in kept:
        gateway.engine.handle_datagram(data, Path(GATEWAY, 4500, IPv4Address("192.0.2.66"), 4500), world.now)
        gateway.drain()
    world.run(5.0)
    (sa,) = gateway.engine.status(world.now).ikev2_sas
    assert sa.remote == AWAY
    both_ways(world, side, gateway)


def test_the_same_configuration_moves_nothing() -> None:
    world, side, _ = ring(13)
    side.engine.configure(roamer(HOME), world.now)
    side.drain()
    assert side.engine.status(world.now).counters.get("ikev2_own_moves", 0) == 0
