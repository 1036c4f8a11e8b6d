"""What somebody on the way, or far from it, could try against IKEv2, and what must come of it: nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from seikan.config.model_ikev2 import Ikev2Dpd
from seikan.ike.effects import Path, Send
from seikan.ike.v2.envelope import header_of, seal
from seikan.ike.v2.sa import Ikev2Sa
from seikan.wire.v2.constants import FLAG_INITIATOR, Exchange, Notify, Protocol
from seikan.wire.v2.header import NO_SPI, Header, pull_header
from seikan.wire.v2.message import Chain, pull_message, push_message
from seikan.wire.v2.payloads import (
    Delete,
    KeyExchange,
    Nonce,
    Notification,
    Payload,
    Proposal,
    SaPayload,
    Transform,
    UnknownPayload,
)

from .pair.ikev2 import GCM, ikev2_world, with_ikev2
from .pair.ikev2_hub import Ikev2Hub
from .pair.world import A, B, Side
from .test_ikev2 import up

TO_A, TO_B = Path(A, 500, B, 500), Path(B, 500, A, 500)
OFFER = SaPayload((Proposal(1, Protocol.IKE, b"", (Transform(1, 20, 256), Transform(2, 5), Transform(4, 19))),))


def count(side: Side, name: str) -> int:
    return side.engine.status(side.world.now).counters.get(name, 0)


def deliver(side: Side, data: bytes, path: Path) -> list[bytes]:
    """What the side answers at once."""
    side.engine.handle_datagram(data, path, side.world.now)
    answers = [effect.data for effect in side.engine._core.effects if isinstance(effect, Send)]
    side.drain()
    return answers


def sa_of(side: Side) -> Ikev2Sa:
    (sa,) = side.engine._core.established
    assert isinstance(sa, Ikev2Sa)
    return sa


def forged(side: Side, payloads: list[Payload], exchange: int = Exchange.INFORMATIONAL) -> bytes:
    """A request of the authentic peer, which `side` is, with its next message ID."""
    sa = sa_of(side)
    number = sa.window.next_id
    sa.window.next_id += 1
    (data,) = seal(side.engine._core, sa, header_of(sa, exchange, number, response=False), payloads)
    return data


def init(number: int, *more: Payload, group: int = 19) -> bytes:
    header = Header(number.to_bytes(8, "big"), NO_SPI, 0, Exchange.IKE_SA_INIT, FLAG_INITIATOR, 0, 0)
    return push_message(header, [*more, OFFER, KeyExchange(group, bytes(64)), Nonce(bytes(32))])


def chain_of(data: bytes) -> Chain:
    return pull_message(pull_header(data), data)[0]


def kinds(data: bytes) -> list[int]:
    return [payload.type for payload in chain_of(data).payloads if isinstance(payload, Notification)]


def test_forged_first_messages_fill_nothing() -> None:
    """From some number of half-open SAs on, only who is where it says it is goes on; and their number is bounded."""
    world = Ikev2Hub(1)
    for number in range(1, 2001):
        path = Path(world.hub.address, 500, IPv4Address(0x0A000000 + number), 500)
        deliver(world.hub, init(number), path)
    assert len(world.hub.engine._core.half_open) <= 100
    assert count(world.hub, "ikev2_cookies_sent") >= 1800
    spoke = world.joins("198.51.100.1")
    world.connect(spoke)
    assert spoke.up
    world.run(60.0)
    assert not world.hub.engine._core.half_open


def test_a_cookie_is_good_for_one_address_and_not_for_ever() -> None:
    world = ikev2_world(2, change=lambda base: with_ikev2(base, cookie_challenge=0))
    world.b.initiate()
    world.run(100.0)
    (asked,) = deliver(world.b, init(7), TO_B)
    assert len(asked) <= len(init(7)), "an answer to a stranger is no longer than what it sent"
    cookie = chain_of(asked).payloads[0]
    assert isinstance(cookie, Notification)
    assert cookie.type == Notify.COOKIE
    before = count(world.b, "ikev2_cookies_accepted")
    deliver(world.b, init(7, cookie), replace(TO_B, remote=IPv4Address("10.9.9.9")))
    deliver(world.b, init(8, cookie), TO_B)
    assert count(world.b, "ikev2_cookies_accepted") == before
    world.run(150.0)
    deliver(world.b, init(7, cookie), TO_B)
    assert count(world.b, "ikev2_cookies_accepted") == before


def test_an_unknown_critical_payload_is_named_and_changes_nothing() -> None:
    world = up(ikev2_world(3))
    data = bytearray(init(9, UnknownPayload(99, True, b"")))
    data[29] |= 0x80
    (answer,) = deliver(world.b, bytes(data), TO_B)
    assert kinds(answer) == [Notify.UNSUPPORTED_CRITICAL_PAYLOAD]
    world.assert_converged()


def test_a_higher_major_version_is_told_this_sides_own() -> None:
    world = up(ikev2_world(4))
    data = bytearray(init(9))
    data[17] = 0x30
    (answer,) = deliver(world.b, bytes(data), TO_B)
    assert kinds(answer) == [Notify.INVALID_MAJOR_VERSION]
    assert answer[17] == 0x20


def test_an_unknown_exchange_is_refused_under_protection() -> None:
    world = up(ikev2_world(5))
    answers = deliver(world.b, forged(world.a, [], exchange=77), TO_B)
    assert [pull_header(answer).exchange for answer in answers] == [77]
    assert count(world.b, "ikev2_unknown_exchanges") == 1
    world.assert_converged()


def test_a_request_that_comes_again_gets_the_same_answer_and_acts_once() -> None:
    world = up(ikev2_world(6))
    (child,) = world.a.plane.inbound
    data = forged(world.a, [Delete(Protocol.ESP, (child.to_bytes(4, "big"),))])
    first = deliver(world.b, data, TO_B)
    assert len(first) >= 1
    deletes = count(world.b, "deletes_received")
    assert deliver(world.b, data, TO_B) == first[:1]
    assert count(world.b, "deletes_received") == deletes == 1


def test_what_is_forged_or_damaged_is_dropped() -> None:
    world = up(ikev2_world(7))
    good = forged(world.a, [Delete(Protocol.IKE)])
    for position in range(28, len(good)):
        damaged = bytearray(good)
        damaged[position] ^= 0x40
        assert deliver(world.b, bytes(damaged), TO_B) == []
    assert deliver(world.b, good[:-1], TO_B) == []
    world.assert_converged()


def test_errors_in_clear_change_nothing() -> None:
    world = up(ikev2_world(8))
    sa = sa_of(world.a)
    for kind in (Notify.INVALID_IKE_SPI, Notify.AUTHENTICATION_FAILED, Notify.INVALID_SYNTAX):
        header = Header(sa.spi_i, sa.spi_r, 0, Exchange.INFORMATIONAL, 0x20, sa.window.next_id, 0)
        deliver(world.a, push_message(header, [Notification(kind)]), TO_A)
    world.run(5.0)
    world.assert_converged()
    assert world.a.downs == 0


def test_a_refusal_that_anybody_could_have_sent_does_not_end_the_exchange() -> None:
    world = ikev2_world(9)
    world.a.initiate()
    (sa,) = world.a.engine._core.initiating
    assert isinstance(sa, Ikev2Sa)
    header = Header(sa.spi_i, NO_SPI, 0, Exchange.IKE_SA_INIT, 0x20, 0, 0)
    deliver(world.a, push_message(header, [Notification(Notify.NO_PROPOSAL_CHOSEN)]), TO_A)
    weak = Notification(Notify.INVALID_KE_PAYLOAD, (2).to_bytes(2, "big"))
    deliver(world.a, push_message(header, [weak]), TO_A)
    world.b.initiate()
    world.run(10.0)
    world.assert_converged()
    assert world.a.engine.status(world.now).ikev2_sas[0].group == 19


@pytest.mark.parametrize("seed", range(4))
def test_mutated_messages_never_raise_and_never_pass(seed: int) -> None:
    """Every message of a handshake and a rekeying, damaged at random and sent to both sides."""
    source = random.Random(seed)
    world = ikev2_world(seed, change=lambda base: with_ikev2(base, fragmentation=200, proposals=(GCM,)))
    kept: list[bytes] = []

    def forward(side: Side, path: Path, data: bytes) -> bool:
        kept.append(data)
        return True

    world.forward = forward
    up(world)
    for side in (world.a, world.b):
        for sa in list(side.engine._core.established):
            side.engine._tunnels.soft_expired(sa)
            side.drain()
    world.run(20.0)
    world.assert_converged()
    for _ in range(600):
        data = bytearray(source.choice(kept))
        for _ in range(source.randrange(1, 4)):
            data[source.randrange(len(data))] = source.randrange(256)
        if source.random() < 0.3:
            del data[source.randrange(28, len(data)) :]
            data[24:28] = len(data).to_bytes(4, "big")
        deliver(world.a, bytes(data), TO_A)
        deliver(world.b, bytes(data), TO_B)
    world.forward = lambda side, path, data: True
    world.run(120.0)
    world.assert_converged()
    assert world.a.downs == world.b.downs == 0


def test_fragments_are_bounded() -> None:
    world = up(ikev2_world(11, change=lambda base: with_ikev2(base, fragmentation=200)))
    sa = sa_of(world.b)
    core = world.a.engine._core
    for number in range(40):
        header = header_of(sa_of(world.a), Exchange.INFORMATIONAL, sa.window.expected + number % 5, response=False)
        pieces = seal(core, sa_of(world.a), header, [Notification(40000 + number, bytes(3000))])
        assert len(pieces) > 5
        deliver(world.b, pieces[0], TO_B)
    assert len(sa.assemblies) <= 8


def test_a_silent_peer_is_found_dead_and_tried_again() -> None:
    world = up(ikev2_world(12, change=lambda base: with_ikev2(base, dpd=Ikev2Dpd(10, 2, True))))
    world.b.crash()
    world.run(60.0)
    assert not world.a.up
    assert count(world.a, "dpd_dead") >= 1
    assert any("dead" in line.lower() or "does not answer" in line for line in world.a.logs)
    world.restart(world.b)
    world.run(60.0)
    world.assert_converged()


def test_detection_on_demand_is_silent_while_traffic_flows() -> None:
    world = up(ikev2_world(13, change=lambda base: with_ikev2(base, dpd=Ikev2Dpd(10, 2, False))))
    world.traffic(1.0, world.now + 300.0)
    world.run(300.0)
    assert count(world.a, "dpd_sent") == count(world.b, "dpd_sent") == 0
