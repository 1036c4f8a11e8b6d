"""Fuzz the engine: `python tests/fuzz/fuzz_engine.py -max_total_time=60` with atheris installed, or with SECONDS.

A responder, a half-open exchange and an established pair get each input from the peer's address; a hub gets it from
its spoke's address and from a stranger's. Nothing may be raised, nothing established may change, nobody gets an
interface or a flow, and what strangers make the engine keep stays bounded.
"""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address

from tests.fuzz.runner import run
from tests.ike.pair.hub import HUB, PROFILE, HubWorld, hub_settings
from tests.ike.pair.world import TUNNEL, A, B, Network, Side, World

from seikan.ike.admission import MAX_HALF_OPEN_OF_ADDRESS
from seikan.ike.effects import (
    AddFlow,
    CreateAccess,
    InstallSa,
    MoveAccess,
    Path,
    RemoveAccess,
    RemoveFlow,
    RemoveSa,
    TunnelDown,
)

LIFE = 300.0  # virtual seconds, well before anything is to be replaced
_FROM_A = Path(B, 500, A, 500)
_STRANGER = IPv4Address("203.0.113.5")
_CHANGES = (InstallSa, RemoveSa, TunnelDown, CreateAccess, MoveAccess, RemoveAccess, AddFlow, RemoveFlow)


class Target:
    """An established side B, whose engine takes the inputs; messages it once got are the seeds."""

    def __init__(self) -> None:
        self.seeds: list[bytes] = []
        self._random = random.Random(2)
        self._establish()

    def _establish(self) -> None:
        self.world = World(1, Network())
        self.world.forward = self._record
        self.world.a.initiate()
        self.world.b.initiate()
        self.world.run(30.0)
        self.world.assert_converged()
        self._until = self.world.now + LIFE

    def _record(self, side: Side, path: Path, data: bytes) -> bool:
        self.seeds.append(data)
        return True

    def check(self, data: bytes) -> None:
        """One input, as from A; its cookies are now and then those of the established SA."""
        if self.world.now > self._until:
            self._establish()
        world = self.world
        (sa,) = [sa for sa in world.b.engine.status(world.now).isakmp_sas if sa.state == "QM_IDLE"]
        if len(data) >= 16 and self._random.random() < 0.5:
            data = b"".join(sa.cookies) + data[16:]
        world.now += 0.01
        if data not in self.seeds:
            world.b.engine.handle_datagram(data, _FROM_A, world.now)
        while (effect := world.b.engine.poll_effect()) is not None:
            if isinstance(effect, _CHANGES):
                raise AssertionError(f"{TUNNEL} changed by what nobody authenticated: {effect}")
        if len(world.b.engine.status(world.now).isakmp_sas) > 1 + 4:
            raise AssertionError("more half-open exchanges than the limit")
        world.b.engine.handle_timeout(world.now)


class HubTarget:
    """A hub with one spoke, one of its exchanges half open; answers aggressive mode too."""

    def __init__(self) -> None:
        self.seeds: list[bytes] = []
        self._random = random.Random(3)
        self._establish()

    def _establish(self) -> None:
        quiet = (replace(PROFILE, keepalive=None),)  # no answer to what the hub asks would come
        self.world = HubWorld(1, configured=hub_settings(aggressive_mode=True, profiles=quiet))
        self.world.forward = self._record
        self.spoke = self.world.spoke("198.51.100.1")
        self.world.connect(self.spoke)
        self.world.assert_exactly([self.spoke])
        self._until = self.world.now + LIFE

    def _record(self, side: Side, path: Path, data: bytes) -> bool:
        if side is not self.world.hub and data not in self.seeds:
            self.seeds.append(data)
        return True

    def check(self, data: bytes) -> None:
        """One input, as from the spoke or from a stranger."""
        world = self.world
        if world.now > self._until:
            self._establish()
            world = self.world
        (sa,) = world.hub.engine._core.established
        if len(data) >= 16 and self._random.random() < 0.5:
            known = self._random.choice([sa, *list(world.hub.engine._core.half_open)[-3:]])
            data = known.rank + data[16:]
        world.now += 0.01
        source = self._random.choice((self.spoke.address, _STRANGER))
        if data not in self.seeds:
            path = Path(HUB, self._random.choice((500, 4500)), source, self._random.choice((500, 4500, 6000)))
            world.hub.engine.handle_datagram(data, path, world.now)
        while (effect := world.hub.engine.poll_effect()) is not None:
            if isinstance(effect, _CHANGES):
                raise AssertionError(f"what nobody authenticated has made {effect}")
        if len(world.hub.engine._core.half_open) > 2 * MAX_HALF_OPEN_OF_ADDRESS:
            raise AssertionError("more half-open exchanges than the limit")
        world.hub.engine.handle_timeout(world.now)


TARGET = Target()
HUB_TARGET = HubTarget()
SEEDS = TARGET.seeds + HUB_TARGET.seeds


def check(data: bytes) -> None:
    """One input for both."""
    TARGET.check(data)
    HUB_TARGET.check(data)


if __name__ == "__main__":
    run(check, SEEDS)
