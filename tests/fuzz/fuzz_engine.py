"""Fuzz the engine: `python tests/fuzz/fuzz_engine.py -max_total_time=60` with atheris installed, or with SECONDS.

A responder, a half-open exchange and an established pair get each input from the peer's address. Nothing may be
raised, the established tunnel may not change, and what strangers make the engine keep stays bounded.
"""

from __future__ import annotations

import random

from tests.fuzz.runner import run
from tests.ike.pair.world import TUNNEL, A, B, Network, Side, World

from seikan.ike.effects import InstallSa, Path, RemoveSa, TunnelDown

LIFE = 300.0  # virtual seconds, well before anything is to be replaced
_FROM_A = Path(B, 500, A, 500)


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
            if isinstance(effect, (InstallSa, RemoveSa, TunnelDown)):
                raise AssertionError(f"{TUNNEL} changed by what nobody authenticated: {effect}")
        if len(world.b.engine.status(world.now).isakmp_sas) > 1 + 4:
            raise AssertionError("more half-open exchanges than the limit")
        world.b.engine.handle_timeout(world.now)


TARGET = Target()
SEEDS = TARGET.seeds
check = TARGET.check

if __name__ == "__main__":
    run(check, SEEDS)
