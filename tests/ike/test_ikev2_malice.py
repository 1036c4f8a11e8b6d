"""A peer that has the key and says whatever it likes: it may harm its own tunnel, and never the router."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from seikan.crypto import ikev2_protect
from seikan.crypto.ikev2_keys import IkeKeys
from seikan.ike.effects import Path
from seikan.ike.v2.envelope import header_of, seal
from seikan.ike.v2.sa import Ikev2Sa
from seikan.wire.v2.constants import Exchange, Notify, Protocol, TransformType
from seikan.wire.v2.header import pull_header
from seikan.wire.v2.message import pull_message, pull_payloads
from seikan.wire.v2.payloads import (
    Authentication,
    Certificate,
    CertificateRequest,
    Delete,
    Identification,
    KeyExchange,
    Nonce,
    Notification,
    Payload,
    Proposal,
    SaPayload,
    TrafficSelector,
    TrafficSelectors,
    Transform,
    VendorId,
)

from .pair.ikev2 import ikev2_world, with_ikev2
from .pair.world import TUNNEL, Side, World, with_tunnel
from .test_ikev2 import up
from .test_ikev2_attacks import TO_A, TO_B, deliver, forged, sa_of

EXCHANGES = (Exchange.CREATE_CHILD_SA, Exchange.INFORMATIONAL, Exchange.IKE_AUTH, Exchange.IKE_FOLLOWUP_KE, 77)
_NUMBERS = (0, 1, 2, 5, 12, 14, 19, 20, 31)


class Liar:
    """Payloads that are well formed and otherwise anything, often about what is there."""

    def __init__(self, seed: int, world: World) -> None:
        self.random = random.Random(seed)
        self.world = world

    def octets(self, *lengths: int) -> bytes:
        return self.random.randbytes(self.random.choice((0, 1, 4, 8, *lengths)))

    def spi(self) -> bytes:
        known = [*self.world.b.plane.inbound, *self.world.b.plane.outbound]
        if known and self.random.random() < 0.6:
            return self.random.choice(known).to_bytes(4, "big")
        return self.random.randbytes(self.random.choice((4, 4, 8, 0)))

    def proposal(self, number: int) -> Proposal:
        source = self.random
        kinds = (*TransformType, 99)
        transforms = tuple(
            Transform(
                source.choice(kinds), source.choice((0, 1, 2, 5, 12, 14, 19, 20, 31)), source.choice((None, 128, 256))
            )
            for _ in range(source.randrange(1, 7))
        )
        good = (Transform(1, 12, 128), Transform(3, 2), Transform(5, 0))
        ike = (Transform(1, 20, 256), Transform(2, 5), Transform(4, 19))
        protocol = source.choice((Protocol.ESP, Protocol.ESP, Protocol.IKE, Protocol.AH))
        chosen = source.choice((transforms, good, ike))
        return Proposal(number, protocol, self.octets(4, 4, 8), chosen)

    def selectors(self, initiator: bool) -> TrafficSelectors:
        source = self.random
        rows = []
        for _ in range(source.randrange(1, 4)):
            low, high = sorted(source.randrange(2**32) for _ in range(2))
            four = (IPv4Address(low), IPv4Address(high))
            wide = (IPv4Address(0), IPv4Address(2**32 - 1))
            six = (IPv6Address(0), IPv6Address(2**128 - 1))
            start, end = source.choice((four, wide, wide, six, four[::-1]))
            ports = source.choice(((0, 65535), (65535, 0), (80, 80), (1, 1024)))
            rows.append(TrafficSelector(source.choice((0, 0, 6, 47)), *ports, start, end))
        return TrafficSelectors(initiator, tuple(rows), source.choice((0, 0, 1)))

    def payload(self) -> Payload:
        source = self.random
        match source.randrange(12):
            case 0:
                return SaPayload(tuple(self.proposal(number) for number in range(1, source.randrange(2, 4))))
            case 1:
                return KeyExchange(source.choice((0, 2, 14, 19, 31, 9999)), self.octets(32, 64, 256))
            case 2:
                return Nonce(self.random.randbytes(source.choice((16, 32, 256))))
            case 3:
                return self.selectors(True)
            case 4:
                return self.selectors(False)
            case 5 | 6 | 7:
                kind = source.choice([*Notify, 12345, 60000])
                return Notification(kind, self.octets(2, 16, 64), source.choice((0, 1, 3)), self.spi())
            case 8:
                protocol = source.choice((Protocol.ESP, Protocol.ESP, Protocol.ESP, Protocol.IKE))
                spis = (
                    () if protocol == Protocol.IKE else tuple(source.randbytes(4) for _ in range(source.randrange(3)))
                )
                return Delete(protocol, (*spis, *([self.spi()[:4].ljust(4, b"\1")] if spis else ())))
            case 9:
                return Identification(source.random() < 0.5, source.randrange(16), self.octets(4, 16))
            case 10:
                return Authentication(source.randrange(16), self.octets(32))
            case _:
                vendor, wanted = VendorId(self.octets(16)), CertificateRequest(4, bytes(20))
                return source.choice((vendor, wanted, Certificate(4, self.octets(64))))

    def message(self) -> list[Payload]:
        source = self.random
        if source.random() < 0.5:
            return [self.payload() for _ in range(source.randrange(6))]
        whole: list[Payload] = [SaPayload((self.proposal(1),)), Nonce(source.randbytes(32))]
        whole += [KeyExchange(19, source.randbytes(64))] if source.random() < 0.6 else []
        whole += [self.selectors(True), self.selectors(False)] if source.random() < 0.7 else []
        if source.random() < 0.5:
            whole.insert(0, Notification(Notify.REKEY_SA, b"", Protocol.ESP, self.spi()))
        return whole


def settle(world: World) -> None:
    """Now or a little later all is as it should: there may be a rekeying under way."""
    world.run(100.0)
    for _ in range(30):
        world.run(5.0)
        try:
            world.assert_converged()
        except AssertionError:
            continue
        return
    world.assert_converged()


@pytest.mark.parametrize("seed", range(24))
def test_whatever_an_authentic_peer_says_is_survived(seed: int) -> None:
    world = up(ikev2_world(seed, change=lambda base: with_tunnel(with_ikev2(base), pfs_group=None)))
    liar = Liar(seed, world)
    for _ in range(400):
        if not any(isinstance(sa, Ikev2Sa) for sa in world.a.engine._core.established):
            world.run(30.0)
            continue
        if liar.random.random() < 0.1:
            world.run(liar.random.choice((0.01, 1.0, 20.0)))
        if len(world.a.engine._core.established) != 1:
            world.run(5.0)
            continue
        (mine,) = world.a.engine._core.established
        theirs = world.b.engine._core.ikev2_sas.get(mine.peer_spi) if isinstance(mine, Ikev2Sa) else None
        if theirs is None or not isinstance(mine, Ikev2Sa):
            world.run(30.0)
            continue
        mine.window.next_id = theirs.window.expected
        exchange = liar.random.choice((Exchange.CREATE_CHILD_SA, Exchange.INFORMATIONAL, *EXCHANGES))
        deliver(world.b, forged(world.a, liar.message(), exchange), TO_B)
    core = world.b.engine._core
    flow = core.tunnels[TUNNEL].flows[TUNNEL, 0]
    assert len(flow.children) <= 64
    assert len(core.ikev2_sas) <= 64
    assert len(core.inbound) <= 80
    # The honest peer that comes next finds a sound router.
    world.a.crash()
    world.restart(world.a)
    settle(world)


@pytest.mark.parametrize("seed", range(24))
def test_whatever_an_authentic_peer_answers_is_survived(seed: int) -> None:
    """Every response of B is another than the one it should be."""
    world = ikev2_world(seed, change=lambda base: with_tunnel(with_ikev2(base, lifetime=120), lifetime_seconds=120))
    liar = Liar(seed, world)
    lying = [True]

    def forward(side: Side, path: Path, data: bytes) -> bool:
        header = pull_header(data)
        protected = header.response and header.exchange not in (Exchange.IKE_SA_INIT, Exchange.IKE_SESSION_RESUME)
        own = header.initiator_spi if header.from_initiator else header.responder_spi
        sa = world.b.engine._core.ikev2_sas.get(own)
        if side is not world.b or not protected or not lying[0] or sa is None or liar.random.random() < 0.5:
            return True
        lie = header_of(sa, header.exchange, header.message_id, response=True)
        (forgery,) = seal(world.b.engine._core, sa, lie, liar.message())
        world.at(world.now + 0.01, lambda: world._arrive(world.a, TO_A, forgery))
        return False

    world.forward = forward
    up(world, 400.0)
    lying[0] = False
    settle(world)
    world.assert_nothing_left()


def test_a_peer_that_rekeys_without_end_is_bounded() -> None:
    """Each rekeying costs a key exchange here, and each IKE SA that is left behind memory."""
    world = up(ikev2_world(50))
    for _ in range(1000):
        for sa in list(world.a.engine._core.established):
            if isinstance(sa, Ikev2Sa) and sa.successor is None:
                world.a.engine._core.now = world.now
                world.a.engine._tunnels.delete = lambda sa: None  # type: ignore[method-assign]
                world.a.engine._core.timers.cancel(("rekey", sa))
                world.a.engine._tunnels.v2.rekey.start(sa)
        world.a.drain()
        world.run(0.02)
        assert len(world.b.engine._core.established) <= 8 + 1
    assert world.b.engine.status(world.now).counters["ikev2_rekeys_limited"] >= 1


def test_an_answer_with_an_spi_that_is_in_use_makes_no_pair() -> None:
    """Two SAs of one SPI cannot be told apart by the plane; found by fuzzing."""
    world = up(ikev2_world(3))
    (spi,) = world.a.plane.outbound
    again: list[bytes] = []

    def forward(side: Side, path: Path, data: bytes) -> bool:
        header = pull_header(data)
        if side is not world.b or not header.response or header.exchange != Exchange.CREATE_CHILD_SA or again:
            return True
        sa = sa_of(world.b)
        _, encrypted = pull_message(header, data)
        assert encrypted is not None
        inside = ikev2_protect.open(sa_keys(sa), sa.initiator, encrypted.aad(data), data[encrypted.start :])
        payloads = [
            SaPayload(tuple(replace(row, spi=spi.to_bytes(4, "big")) for row in payload.proposals))
            if isinstance(payload, SaPayload)
            else payload
            for payload in pull_payloads(encrypted.inner, inside).payloads
        ]
        again.extend(seal(side.engine._core, sa, header, payloads))
        return False

    world.forward = forward
    world.a.engine.expire(TUNNEL, spi, world.a.plane.outbound[spi].direction, False, world.now)
    world.a.drain()
    world.run(0.5)
    assert len(again) == 1
    deliver(world.a, again[0], TO_A)
    world.run(0.5)
    assert world.a.engine.status(world.now).counters["spi_in_use"] == 1
    assert len(world.a.plane.outbound) == 1
    world.run(60.0)
    world.assert_converged()
    world.assert_nothing_left()


def sa_keys(sa: Ikev2Sa) -> IkeKeys:
    assert sa.keys is not None
    return sa.keys
