"""Fuzz the engine with IKEv2: `python tests/fuzz/fuzz_engine_v2.py -max_total_time=60` with atheris installed, or with
SECONDS.

Every input goes three ways to a hub that has one spoke by a certificate and one by a shared key: as a datagram that
nobody vouches for, as what the spoke protects under its IKE SA, and as what a peer protects that has proved nothing.
Nothing may be raised. Of the first and the last nothing may change, and what is kept stays bounded.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Any

from tests.fuzz.runner import run
from tests.ike.pair.hub import DOMAIN, HUB, Spoke
from tests.ike.pair.ikev2_hub import Ikev2Hub, hub_settings
from tests.ike.pair.world import TUNNEL, Side
from tests.ike.test_ikev2_attacks import OFFER
from tests.ike.test_ikev2_certificates import named, trustpoint

from seikan.crypto.key_exchange import generate_key_pair
from seikan.ike.admission import MAX_HALF_OPEN_OF_ADDRESS
from seikan.ike.core import Core
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
    UpdateSa,
)
from seikan.ike.states import Role
from seikan.ike.v2 import envelope, window
from seikan.ike.v2.envelope import seal
from seikan.ike.v2.sa import Ikev2Sa
from seikan.wire.secret import Secret
from seikan.wire.v2.constants import Exchange
from seikan.wire.v2.header import Header
from seikan.wire.v2.message import push_payloads
from seikan.wire.v2.payloads import Payload

LIFE = 200.0  # virtual seconds, well before anything is to be replaced
ROUNDS = 60  # authentic inputs of one spoke, which may end anything of its own
_STRANGER = IPv4Address("203.0.113.5")
_CHANGES = (
    *(InstallSa, RemoveSa, UpdateSa, TunnelDown),
    *(CreateAccess, MoveAccess, RemoveAccess, AddFlow, RemoveFlow),
)
_EXCHANGES = (Exchange.IKE_AUTH, Exchange.CREATE_CHILD_SA, Exchange.INFORMATIONAL, Exchange.IKE_FOLLOWUP_KE)
_MOST_SAS = 3 * MAX_HALF_OPEN_OF_ADDRESS


Inside = tuple[int, int, bytes]  # the exchange, the type of the first payload, and all octets of them


class Target:
    def __init__(self) -> None:
        self.seeds: list[bytes] = []
        self.datagrams: set[bytes] = set()
        self._random = random.Random(4)
        self._record = True
        self.inside: list[Inside] = []
        self._rounds = 0
        self._establish()
        self._record = False

    def _establish(self) -> None:
        point = trustpoint(named("hub.example"))
        configured = hub_settings(
            remote_authentications=("pre-share", "ecdsa-sig"),
            verify=(point,),
            fragmentation=300,
            reconnect=600,
            ticket_key=Secret(bytes(32)),
            quick_crash_detection=True,
            dpd=None,  # no answer to what the hub asks would come
        )
        self.world = world = Ikev2Hub(1, configured=configured)
        world.key_pair = world.hub.engine._core.key_pair = generate_key_pair
        world.forward = self._seen
        signed: dict[str, Any] = {"local_authentication": "ecdsa-sig", "sign": trustpoint(named(f"a.{DOMAIN}"))}
        plain: dict[str, Any] = {"fragmentation": 300, "reconnect": 600, "dpd": None}
        self.spokes = [
            world.joins("198.51.100.1", identity=f"a.{DOMAIN}", **plain, **signed),
            world.joins("198.51.100.2", identity=f"b.{DOMAIN}", **plain),
        ]
        window.seal = self._sealed  # type: ignore[attr-defined]
        world.connect(*self.spokes)
        if self._record:
            for spoke in self.spokes:
                (child,) = spoke.engine._core.tunnels[TUNNEL].children
                spoke.engine._tunnels.children.soft_expired(child)
                spoke.engine._tunnels.soft_expired(sa_of(spoke))
                spoke.drain()
            world.run(20.0)
        window.seal = seal  # type: ignore[attr-defined]
        world.assert_exactly(self.spokes)
        self._until = world.now + LIFE
        self._rounds = 0

    def _seen(self, side: Side, path: Path, data: bytes) -> bool:
        if side is not self.world.hub and self._record:
            self.datagrams.add(data)
            self.seeds.append(data)
        return True

    def _sealed(self, core: Core, sa: Ikev2Sa, header: Header, payloads: Sequence[Payload]) -> list[bytes]:
        if self._record:
            self.inside.append((header.exchange, *push_payloads(payloads)))
        return seal(core, sa, header, payloads)

    def _damaged(self, data: bytes) -> Inside:
        """What was once protected with an octet or two changed, which leaves most of it readable; or all of `data`."""
        source = self._random
        if source.random() < 0.2:
            return source.choice(_EXCHANGES), data[0] if data else 0, data[1:]
        exchange, first, plaintext = source.choice(self.inside)
        changed = bytearray(plaintext)
        for _ in range(source.choice((0, 1, 1, 1, 2, 3)) if changed else 0):
            place = source.randrange(len(changed))
            changed[place] = source.choice(
                (0, 1, 255, changed[place] ^ 1 << source.randrange(8), source.randrange(256))
            )
        return source.choice(_EXCHANGES) if source.random() < 0.1 else exchange, first, bytes(changed)

    # -- the three ways ----------------------------------------------------------------------------------------------

    def check(self, data: bytes) -> None:
        if self.world.now > self._until or self._rounds >= ROUNDS or not all(self._lives(one) for one in self.spokes):
            self._establish()
        self.world.now += 0.02
        self._forged(data)
        self._unproven(data)
        self._authentic(data)
        core = self.world.hub.engine._core
        if len(core.ikev2_sas) > _MOST_SAS or len(core.half_open) > 2 * MAX_HALF_OPEN_OF_ADDRESS:
            raise AssertionError("more IKE SAs than the limit")
        self.world.hub.engine.handle_timeout(self.world.now)
        self._drain()

    def _lives(self, spoke: Spoke) -> bool:
        own = spoke.engine._core.established
        return len(own) == 1 and sa_of(spoke).spi_r in self.world.hub.engine._core.ikev2_sas

    def _drain(self, *, nothing: bool = False) -> None:
        engine = self.world.hub.engine
        while (effect := engine.poll_effect()) is not None:
            if nothing and isinstance(effect, _CHANGES):
                raise AssertionError(f"what nobody authenticated has made {effect}")
            if isinstance(effect, InstallSa):
                engine.complete(effect.effect_id, None, self.world.now)

    def _forged(self, data: bytes) -> None:
        world = self.world
        if len(data) >= 16 and self._random.random() < 0.5:
            sa = self._random.choice(list(world.hub.engine._core.ikev2_sas.values()))
            data = sa.spi_i + (sa.spi_r if self._random.random() < 0.8 else bytes(8)) + data[16:]
        if data in self.datagrams:
            return
        source = self._random.choice((*(spoke.address for spoke in self.spokes), _STRANGER))
        path = Path(HUB, self._random.choice((500, 4500)), source, self._random.choice((500, 4500, 6000)))
        world.hub.engine.handle_datagram(data, path, world.now)
        self._drain(nothing=True)

    def _unproven(self, data: bytes) -> None:
        """IKE_SA_INIT by whoever, then IKE_AUTH with `data` inside."""
        world, spoke = self.world, self.spokes[1]
        core = spoke.engine._core
        sa = Ikev2Sa(core.tunnels[TUNNEL], Role.INITIATOR, Path(_STRANGER, 500, HUB, 500), world.now)
        sa.spi_i, sa.offered, sa.profile = self._random.randbytes(8), OFFER, sa_of(spoke).profile
        init = spoke.engine._tunnels.v2.init
        sa.nonces = (self._random.randbytes(32), b"")
        init._make_key_pair(sa, 19)
        before = len(core.effects)
        init._send_request(sa)
        core.timers.cancel(("retransmit", sa))
        while len(core.effects) > before:
            core.effects.pop()
        hub = world.hub.engine
        hub.handle_datagram(sa.init_request, Path(HUB, 500, _STRANGER, 500), world.now)
        self._drain(nothing=True)
        found = hub._core.ikev2_first.get((sa.spi_i, _STRANGER))
        if found is None:
            return  # limited
        sa.spi_r, sa.keys = found.spi_r, found.keys
        for packet in self._packets(sa, self._damaged(data), 1):
            hub.handle_datagram(packet, Path(HUB, 500, _STRANGER, 500), world.now)
            self._drain(nothing=True)
        if found in hub._core.half_open:
            hub._tunnels.drop(found)

    def _authentic(self, data: bytes) -> None:
        spoke, hub = self._random.choice(self.spokes), self.world.hub.engine
        sa = sa_of(spoke)
        self._rounds += 1
        number = hub._core.ikev2_sas[sa.spi_r].window.expected + self._random.choice((0, 0, 0, 0, 1))
        path = Path(HUB, 500, spoke.address if self._random.random() < 0.9 else _STRANGER, 500)
        for packet in self._packets(sa, self._damaged(data), number):
            hub.handle_datagram(packet, path, self.world.now)
            self._drain()

    def _packets(self, sa: Ikev2Sa, inside: Inside, number: int) -> list[bytes]:
        """It under protection, whole or in fragments whose numbers may be wrong."""
        core, (exchange, first, plaintext) = self.spokes[0].engine._core, inside
        sa.counter += self._random.randrange(1, 1000)
        header = envelope.header_of(sa, exchange, number, response=self._random.random() < 0.05)
        if self._random.random() < 0.8:
            return [envelope._sealed(core, sa, header, first, plaintext)]
        half = len(plaintext) // 2
        total = self._random.choice((2, 2, 2, 1, 3, 0xFFFF))
        return [
            envelope._sealed(core, sa, header, first, plaintext[:half], 1, total),
            envelope._sealed(core, sa, header, 0, plaintext[half:], self._random.choice((2, 2, 1)), max(2, total)),
        ]


def sa_of(side: Side) -> Ikev2Sa:
    found = next(iter(side.engine._core.established))
    assert isinstance(found, Ikev2Sa)
    return found


TARGET = Target()
SEEDS = TARGET.seeds


def check(data: bytes) -> None:
    TARGET.check(data)


if __name__ == "__main__":
    run(check, SEEDS)
