"""Messages that come late, name what is not there, or choose what was not offered."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from seikan.ike import policy, transforms
from seikan.ike.effects import Path, Send
from seikan.ike.settings import EngineSettings
from seikan.wire.constants import ExchangeType
from seikan.wire.errors import PayloadMalformed
from seikan.wire.header import NO_COOKIE, Header, pull_header
from seikan.wire.message import push_message
from seikan.wire.payloads import Nonce, Proposal, SaPayload

from .pair.world import PHASE_TWO, POLICY, TUNNEL, A, Side, World
from .test_attacks import TO_A, count, deliver
from .test_behaviour import first_message, passive, policies, up


def test_a_late_delete_does_not_revive_a_removed_tunnel() -> None:
    world = up(World(1))
    held: list[bytes] = []

    def forward(side: Side, path: Path, data: bytes) -> bool:
        if side is world.b:
            held.append(data)
        return False

    world.forward = forward
    (sa,) = world.b.engine._core.ike_sas.values()
    for _ in range(2):
        world.b.engine._tunnels.v1.informational.delete_ike(sa)
    world.b.drain()
    world.b.crash()
    first, second = held
    deliver(world.a, first, TO_A)
    world.a.engine.configure(replace(world.a.settings, tunnels=()), world.now)
    world.a.drain()
    already = count(world.a, "messages_sent")
    deliver(world.a, second, TO_A)
    world.run(300.0)
    assert count(world.a, "deletes_received") == 1
    assert count(world.a, "messages_sent") == already
    assert world.a.engine._core.ike_sas == {}


def test_a_refused_message_2_of_quick_mode_ends_the_exchange_at_both_ends() -> None:
    """Else its repetitions would take a sound phase 1 SA down."""
    world = up(World(2, change_b=passive))
    (spi, pair) = list(world.a.plane.outbound.items())[-1]
    world.a.engine.expire(TUNNEL, spi, pair.direction, False, world.now)
    flow = world.a.engine._core.tunnels[TUNNEL].flows[TUNNEL, 0]
    nothing = replace(flow.settings.phase_two, transform_sets=())
    flow.settings = replace(flow.settings, phase_two=nothing)  # what message 2 chooses is not wanted any more
    world.a.drain()
    world.run(1.0)
    flow.settings = world.a.settings.tunnels[0].flows[0]
    assert not world.b.engine._core.tunnels[TUNNEL].flows[TUNNEL, 0].exchanges
    world.run(120.0)
    assert count(world.b, "phase1_lost") == 0
    world.assert_converged()


def test_forged_first_messages_hold_our_own_back_once() -> None:
    world = World(3, change_b=passive)
    data = first_message()
    sent: list[float] = []

    def forward(side: Side, path: Path, message: bytes) -> bool:
        if side is world.a and pull_header(message).responder_cookie == NO_COOKIE:
            sent.append(world.now)
        return False

    world.forward = forward

    def forge() -> None:
        deliver(world.a, b"\xff" * 4 + world.random.randbytes(4) + data[8:], TO_A)
        world.at(world.now + 3.0, forge)

    world.a.initiate()
    forge()
    world.run(60.0)
    assert len(sent) >= 7


@pytest.mark.parametrize(("spi", "fits"), [(0, False), (255, False), (256, True)])
def test_reserved_spis_are_refused(spi: int, fits: bool) -> None:
    payload = transforms.offer(PHASE_TWO, transforms.Modes(), spi.to_bytes(4, "big"))
    choice = transforms.choose(PHASE_TWO, transforms.Modes(), payload, initiator=False)
    assert isinstance(choice, transforms.Phase2Choice) is fits


def test_only_one_transform_that_was_offered_can_be_chosen() -> None:
    other = replace(POLICY, group=19)
    ours = policy.offer((POLICY, replace(POLICY, encryption="aes-cbc-256")))
    assert policy.was_offered(ours, policy.offer((replace(POLICY, lifetime=700),)))
    assert not policy.was_offered(ours, policy.offer((other,)))
    assert not policy.was_offered(ours, ours)
    (proposal,) = policy.offer((POLICY,)).proposals
    assert not policy.was_offered(ours, SaPayload((Proposal(1, 1, b"", ()),)))
    assert not policy.was_offered(ours, SaPayload((proposal, proposal)))


def test_a_group_that_aggressive_mode_did_not_offer_is_not_taken() -> None:
    """Message 1 already has a public value of the first group."""

    def change(base: EngineSettings) -> EngineSettings:
        rows = (replace(POLICY, group=14), replace(POLICY, priority=2, group=19))
        return policies(*rows)(base)

    world = World(4, change=change)
    core = world.a.engine._core
    world.a.initiate()
    (sa,) = core.ike_sas.values()
    sa.offered = policy.offer((replace(POLICY, group=14),))
    with pytest.raises(PayloadMalformed):
        world.a.engine._tunnels.v1.aggressive.accept_choice(sa, policy.offer((replace(POLICY, group=19),)))


def answers(world: World, messages: list[tuple[bytes, Path]]) -> list[bytes]:
    found = []
    for data, path in messages:
        world.a.engine.handle_datagram(data, path, world.now)
        while (effect := world.a.engine.poll_effect()) is not None:
            if isinstance(effect, Send):
                found.append(effect.data)
    return found


def test_strangers_get_nothing_whatever_they_send() -> None:
    world = World(5)
    strangers = [Path(A, 500, IPv4Address(f"198.51.100.{number}"), 500) for number in range(1, 200)]
    bare = Header(b"stranger", NO_COOKIE, 0, ExchangeType.MAIN, 0, 0, 0)
    malformed, long = push_message(bare, []), push_message(bare, [Nonce(bytes(16))])
    for data in (malformed, long, first_message(), long[:-3]):
        assert answers(world, [(data, path) for path in strangers]) == []
    assert count(world.a, "strangers") > 0
    assert len(world.a.engine._core.first_messages) == 0
