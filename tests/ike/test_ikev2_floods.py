"""What a flood of messages that nobody vouches for could do with IKEv2, and what must come of it: nothing."""

from __future__ import annotations

from ipaddress import IPv4Address

from seikan.crypto.key_exchange import KeyPair
from seikan.ike.effects import Path
from seikan.ike.v2.envelope import header_of, seal
from seikan.ike.v2.sa import Ikev2Sa
from seikan.wire.constants import Group
from seikan.wire.v2.constants import FLAG_INITIATOR, Exchange, Notify
from seikan.wire.v2.header import NO_SPI, Header, pull_header
from seikan.wire.v2.message import push_message
from seikan.wire.v2.payloads import KeyExchange, Nonce, Notification, Proposal, SaPayload, Transform

from .pair.hub import HUB
from .pair.ikev2 import ikev2_world, with_ikev2
from .pair.ikev2_hub import Ikev2Hub
from .pair.world import World, with_tunnel
from .test_ikev2_attacks import TO_B, chain_of, count, deliver, forged, init, kinds


def flood(world: World, seconds: float, rate: float) -> None:
    """First messages with the address of A, each of another exchange, to B."""
    first = world.now

    def one(number: int) -> None:
        deliver(world.b, init(number), TO_B)
        if world.now - first < seconds:
            world.at(world.now + 1 / rate, lambda: one(number + 1))

    world.at(world.now, lambda: one(1))


def test_forged_first_messages_do_not_keep_out_whose_address_they_have() -> None:
    """They are too few of one peer for the cookie's threshold, but have all that this peer may begin."""
    world = ikev2_world(1, change_b=lambda base: with_tunnel(with_ikev2(base), initiate=False))
    world.b.initiate()
    flood(world, 40.0, 300.0)
    world.run(5.0)
    world.a.initiate()
    world.run(3.0)
    assert world.a.up
    assert count(world.b, "ikev2_cookies_accepted") >= 1
    world.run(80.0)
    world.assert_converged()


def test_a_real_flood_costs_a_bounded_number_of_key_exchanges() -> None:
    """Whoever gets our cookies can bring them back, but not as often as it likes."""
    world = ikev2_world(2, change=lambda base: with_ikev2(base, cookie_challenge=0))
    world.b.initiate()
    made = 0
    make = world.key_pair

    def counting(group: Group) -> KeyPair:
        nonlocal made
        made += 1
        return make(group)

    world.b.engine._core.key_pair = counting
    for number in range(1, 2001):
        (asked,) = deliver(world.b, init(number), TO_B)
        deliver(world.b, init(number, chain_of(asked).payloads[0]), TO_B)
    assert 0 < made <= 300


def half_open(seed: int) -> tuple[World, Ikev2Sa, Ikev2Sa]:
    """A world whose A has not sent IKE_AUTH, and the two halves of its IKE SA."""
    world = ikev2_world(
        seed,
        change=lambda base: with_ikev2(base, fragmentation=200),
        change_b=lambda base: with_tunnel(with_ikev2(base, fragmentation=200), initiate=False),
    )
    world.forward = lambda side, path, data: pull_header(data).exchange != Exchange.IKE_AUTH
    world.b.initiate()
    world.a.initiate()
    world.run(0.5)
    (own,), (other,) = world.a.engine._core.initiating, world.b.engine._core.half_open
    assert isinstance(own, Ikev2Sa)
    assert isinstance(other, Ikev2Sa)
    return world, own, other


def test_who_has_proved_nothing_has_one_message_put_together() -> None:
    world, own, other = half_open(3)
    for number in range(1, 6):
        header = header_of(own, Exchange.IKE_AUTH, number, response=False)
        pieces = seal(world.a.engine._core, own, header, [Notification(40000, bytes(3000))])
        for piece in pieces[:-1]:
            deliver(world.b, piece, TO_B)
    assert len(other.assemblies) == 1


def test_a_recorded_request_does_not_make_a_source_of_packets() -> None:
    """Behind a NAT an answer goes to where the request comes from, which may be forged."""
    world = Ikev2Hub(4)
    spoke = world.joins("192.168.1.2", nat=world.nat("203.0.113.1"))
    world.connect(spoke)
    data = forged(spoke, [])
    victim = Path(HUB, 4500, IPv4Address("10.9.9.9"), 53)
    assert sum(len(deliver(world.hub, data, victim)) for _ in range(500)) <= 40
    world.run(30.0)
    world.assert_exactly([spoke])


def test_another_group_is_named_whatever_somebody_has_sent_from_there() -> None:
    """The answer is no longer than the question, and the exchange cannot go on without it."""
    world = ikev2_world(5)
    world.b.initiate()
    for number in range(1, 31):
        deliver(world.b, init(number, group=14), TO_B)
    (answer,) = deliver(world.b, init(77, group=14), TO_B)
    assert kinds(answer) in ([Notify.INVALID_KE_PAYLOAD], [Notify.COOKIE])


def test_a_flood_that_leaves_nothing_half_open_is_asked_for_cookies_too() -> None:
    """Each is of another address and refused, which takes reading it whole: that many are not read."""
    world = Ikev2Hub(6)
    rows = tuple(Proposal(number, 1, b"", (Transform(1, 20, 128), Transform(4, 99))) for number in range(1, 40))
    header = Header(bytes(7) + b"\1", NO_SPI, 0, Exchange.IKE_SA_INIT, FLAG_INITIATOR, 0, 0)
    data = push_message(header, [SaPayload(rows), KeyExchange(19, bytes(64)), Nonce(bytes(32))])
    for number in range(1, 701):
        deliver(world.hub, data, Path(HUB, 500, IPv4Address(0x0A000000 + number), 500))
    assert count(world.hub, "no_proposal_chosen") <= 400
    assert count(world.hub, "ikev2_cookies_sent") >= 300
    spoke = world.joins("198.51.100.1")
    world.connect(spoke)
    assert spoke.up


def test_a_cookie_is_no_longer_than_what_asked_for_it() -> None:
    world = ikev2_world(7, change=lambda base: with_ikev2(base, cookie_challenge=0))
    world.b.initiate()
    header = Header(bytes(7) + b"\1", NO_SPI, 0, Exchange.IKE_SA_INIT, FLAG_INITIATOR, 0, 0)
    for more in range(60):
        data = push_message(header, [Nonce(bytes(16)), Notification(40000, bytes(more))])
        assert all(len(answer) <= len(data) for answer in deliver(world.b, data, TO_B))
