"""Fuzz the engine's IKEv2: `python tests/fuzz/fuzz_pair_v2.py -max_total_time=60` with atheris, or with SECONDS.

Each input is a message. From outside it comes as it is, from the peer's address, to a responder, a half-open exchange
and an established pair: nothing may be raised and nothing established may change. From inside its payloads are those
of a peer with the right keys: the input's header tells the exchange and whether it is a response, and everything
behind it is sealed. Such a peer may end what it has, but not make the engine raise, keep things without bound, answer
twice, or come up with an IKE SA whose proof is not the one that was signed.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.fuzz.runner import run
from tests.ike.pair.ikev2 import CBC, GCM, ikev2_world, with_ikev2
from tests.ike.pair.schedules import soft
from tests.ike.pair.world import A, B, Network, Side, World

from seikan.crypto import ikev2_protect
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
from seikan.ike.engine import ClearTarget
from seikan.ike.v2 import envelope
from seikan.ike.v2.sa import Ikev2Sa
from seikan.wire.v2.constants import FLAG_RESPONSE, Exchange
from seikan.wire.v2.header import HEADER_OCTETS, Header, pull_header, push_header
from seikan.wire.v2.message import find_encrypted, pull_payloads
from seikan.wire.v2.payloads import Authentication

LIFE = 300.0  # virtual seconds, well before anything is to be replaced
INSIDE_LIFE = 30  # inputs for one established pair
MOST_SAS, MOST_HALF_OPEN = 64, 100
_EXCHANGE, _FLAGS = 18, 19  # offsets in the header
_TO_A, _TO_B = Path(A, 500, B, 500), Path(B, 500, A, 500)
_CHANGES = (InstallSa, RemoveSa, TunnelDown, CreateAccess, MoveAccess, RemoveAccess, AddFlow, RemoveFlow)

Forward = Callable[[Side, Path, bytes], bool]


def _sa(side: Side) -> Ikev2Sa | None:
    """The newest IKE SA that is established or about to be."""
    found = [sa for sa in side.engine._core.ikev2_sas.values() if sa.keys is not None and not sa.deleted]
    return found[-1] if found else None


def opened(side: Side, data: bytes) -> bytes | None:
    """A message that `side` sends, with its inside in clear behind the header; None where it has none, or fragments."""
    header = pull_header(data)
    sa = side.engine._core.ikev2_sas.get(header.initiator_spi if header.from_initiator else header.responder_spi)
    encrypted = find_encrypted(header, data)
    if sa is None or sa.keys is None or encrypted is None or encrypted.fragment:
        return None
    inside = ikev2_protect.open(sa.keys, sa.initiator, encrypted.aad(data), data[encrypted.start :])
    plain = Header(bytes(8), bytes(8), 0, header.exchange, header.flags, 0, 0)
    return push_header(plain, encrypted.inner, HEADER_OCTETS + len(inside)) + inside


def started(number: int, forward: Forward, seconds: float) -> World:
    world = ikev2_world(
        number, Network(), change=lambda base: with_ikev2(base, proposals=((CBC, GCM)[number % 2],), fragmentation=0)
    )
    world.forward = forward
    world.a.initiate()
    world.b.engine.initiate("Tunnel0", world.now + 20.0)  # it lets A begin
    world.run(seconds)
    return world


class Outside:
    """An established side B, whose engine takes the inputs; messages it once got are the seeds."""

    def __init__(self) -> None:
        self.seeds: list[bytes] = []
        self._random = random.Random(2)
        self._establish()

    def _establish(self) -> None:
        self.world = started(1, self._record, 10.0)
        self.world.assert_converged()
        self._until = self.world.now + LIFE

    def _record(self, side: Side, path: Path, data: bytes) -> bool:
        self.seeds.append(data)
        return True

    def check(self, data: bytes) -> None:
        """One input, as from A; its SPIs are now and then those of the established SA."""
        if self.world.now > self._until:
            self._establish()
        world, core = self.world, self.world.b.engine._core
        sa = _sa(world.b)
        if sa is None:
            raise AssertionError("the IKE SA has gone")
        if len(data) >= 16 and self._random.random() < 0.5:
            data = sa.spi_i + sa.spi_r + data[16:]
        world.now += 0.01
        if data not in self.seeds:
            world.b.engine.handle_datagram(data, _TO_B, world.now)
        while (effect := world.b.engine.poll_effect()) is not None:
            if isinstance(effect, _CHANGES):
                raise AssertionError(f"what nobody authenticated has made {effect}")
        if len(core.half_open) > MOST_HALF_OPEN or len(core.ikev2_sas) > MOST_HALF_OPEN + 1:
            raise AssertionError("more half-open exchanges than the limit")
        world.b.engine.handle_timeout(world.now)


class Inside:
    """A peer that has the keys, before its proof is judged and after it."""

    def __init__(self) -> None:
        self.seeds: list[bytes] = []
        self.proofs: set[bytes] = set()
        for number in (2, 3):
            self._learn(number)
        self._answers: list[bytes] = []
        self._world: World | None = None
        self._left = 0
        self._count = 0

    def _learn(self, number: int) -> None:
        """What is said when all goes well."""
        world = started(number, self._record, 10.0)
        sa = _sa(world.b)
        if sa is None:
            raise AssertionError("no IKE SA")
        soft(world, world.a)
        world.run(5.0)
        world.b.engine._core.now = world.now
        world.b.engine._tunnels.soft_expired(sa)
        world.b.drain()
        world.run(5.0)
        world.a.engine.clear(ClearTarget.SA, world.now)
        world.a.drain()
        world.run(5.0)
        world.assert_converged()
        world.b.engine.close(world.now)
        world.b.drain()
        world.run(5.0)

    def _record(self, side: Side, path: Path, data: bytes) -> bool:
        plain = opened(side, data)
        if plain is not None:
            self.seeds.append(plain)
            for payload in pull_payloads(plain[16], plain[HEADER_OCTETS:]).payloads:
                if isinstance(payload, Authentication):
                    self.proofs.add(payload.data)
        return True

    # -- one input ---------------------------------------------------------------------------------------------------

    def check(self, data: bytes) -> None:
        if len(data) < HEADER_OCTETS:
            return
        if data[_EXCHANGE] == Exchange.IKE_AUTH:
            self._before_proof(data)
        else:
            self._after_proof(data)

    def _before_proof(self, data: bytes) -> None:
        """IKE_AUTH, or its response, in the place of the real one."""
        self._count += 1
        real: list[bytes] = []

        def forward(side: Side, path: Path, message: bytes) -> bool:
            if message[_EXCHANGE] != Exchange.IKE_AUTH:
                return True
            real.append(message)
            return False

        world = started(2 + self._count % 2, forward, 1.0)
        response = bool(data[_FLAGS] & FLAG_RESPONSE)
        sender, target, path = (world.b, world.a, _TO_A) if response else (world.a, world.b, _TO_B)
        sa = _sa(sender)
        if sa is None or not real:
            raise AssertionError("no exchange to go on with")
        target.engine.handle_datagram(self._sealed(sender, sa, data, 1), path, world.now)
        target.drain()
        world.run(0.1)
        if target.plane.inbound and not any(proof in data for proof in self.proofs):
            raise AssertionError("an SA by a proof that nobody gave")
        self._bounded(target)

    def _after_proof(self, data: bytes) -> None:
        world = self._established()
        sa = _sa(world.a)
        known = _sa(world.b)
        if sa is None or known is None or (sa.spi_i, sa.spi_r) != (known.spi_i, known.spi_r):
            self._world = None
            return
        number = known.window.expected
        response = bool(data[_FLAGS] & FLAG_RESPONSE)
        if response:
            self._ask(world, known, data)
            number = max(known.window.flying, default=0)
        self._answers.clear()
        world.b.engine.handle_datagram(self._sealed(world.a, sa, data, number), _TO_B, world.now)
        world.b.drain()
        world.run(0.05)
        if not response and len(self._answers) > 1:
            raise AssertionError("more than one answer")
        self._bounded(world.b)

    def _established(self) -> World:
        if self._world is None or not self._left:
            self._count += 1
            self._world, self._left = started(2 + self._count % 2, lambda side, path, data: True, 10.0), INSIDE_LIFE
            self._world.assert_converged()
            self._world.forward = self._keep
        self._left -= 1
        return self._world

    def _keep(self, side: Side, path: Path, data: bytes) -> bool:
        if side.name == "B" and data[_FLAGS] & FLAG_RESPONSE:
            self._answers.append(data)
        return False  # the real A hears of nothing

    @staticmethod
    def _ask(world: World, sa: Ikev2Sa, data: bytes) -> None:
        """B has a request out that the input can answer."""
        side, engine = world.b, world.b.engine
        engine._core.now = world.now
        if sa.window.flying:
            return
        if data[_EXCHANGE] != Exchange.CREATE_CHILD_SA:
            engine._tunnels.v2.informational.ask(sa)
        elif data[20] & 1:
            engine._tunnels.soft_expired(sa)
        else:
            soft(world, side)
        side.drain()

    @staticmethod
    def _sealed(side: Side, sa: Ikev2Sa, data: bytes, number: int) -> bytes:
        header = envelope.header_of(sa, data[_EXCHANGE], number, response=bool(data[_FLAGS] & FLAG_RESPONSE))
        return envelope._sealed(side.engine._core, sa, header, data[16], data[HEADER_OCTETS:])

    @staticmethod
    def _bounded(side: Side) -> None:
        core = side.engine._core
        children = sum(len(flow.children) for tunnel in core.tunnels.values() for flow in tunnel.flows.values())
        kept = (len(core.ikev2_sas), len(core.inbound), len(core.outbound), len(core.half_open), len(side.plane.sas()))
        if max(children, *kept) > MOST_SAS:
            raise AssertionError("more SAs than the limit")
        if side.access or side.dynamic:
            raise AssertionError("a peer of a configured tunnel has made an interface or a flow")


OUTSIDE, INSIDE = Outside(), Inside()
SEEDS = OUTSIDE.seeds + INSIDE.seeds


def check(data: bytes) -> None:
    """One input, both ways."""
    OUTSIDE.check(data)
    INSIDE.check(data)


if __name__ == "__main__":
    run(check, SEEDS)
