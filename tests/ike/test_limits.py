"""What a peer, a stranger or a bad moment may cost: pairs, messages, log lines, time, and never the tunnel."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from itertools import pairwise

import pytest

from seikan.ike import policy, transforms
from seikan.ike.effects import Path
from seikan.ike.engine import ClearTarget
from seikan.ike.settings import EngineSettings
from seikan.wire.constants import ExchangeType, LifeType, Phase2Attribute
from seikan.wire.header import pull_header
from seikan.wire.payloads import Attribute, Proposal, SaPayload, Transform, basic_attribute
from seikan.wire.selector import ANY_IPV4

from .pair.world import PHASE_TWO, POLICY, TUNNEL, A, B, Side, World, with_tunnel
from .test_attacks import TO_B, count, deliver
from .test_behaviour import first_message, passive, policies, state_of, up


def rekey(world: World, side: Side) -> None:
    (spi, sa) = list(side.plane.outbound.items())[-1]
    side.engine.expire(TUNNEL, spi, sa.direction, False, world.now)
    side.drain()


def test_the_end_of_phase_1_leaves_the_pair_that_was_just_made() -> None:
    """It has an inbound side and waits for its outbound one."""
    for seed in range(8):
        world = up(World(seed, change_b=passive))
        world.traffic(0.01, world.now + 60.0)
        rekey(world, world.a)
        world.run(0.3)
        assert len(world.a.plane.inbound) == 2
        world.a.engine.clear(ClearTarget.ISAKMP, world.now)
        world.a.drain()
        world.run(60.0)
        world.assert_converged()
        assert world.lost_at_peer == []
        assert count(world.a, "child_sas_installed") == 2


@pytest.mark.parametrize("seed", range(4))
def test_a_peer_that_deletes_the_old_pair_at_once_does_not_take_the_line_down(seed: int) -> None:
    world = up(World(seed))
    (old,) = world.b.engine._core.tunnels[TUNNEL].children
    rekey(world, world.a)
    world.run(0.4)
    world.b.engine._tunnels.children.delete_pair(old, "replaced")
    world.b.drain()
    world.run(60.0)
    world.assert_converged()
    assert world.a.downs == world.b.downs == 0


def aggressive(base: EngineSettings) -> EngineSettings:
    return replace(with_tunnel(base, aggressive_identity="r.example"), aggressive_mode=True)


def test_a_forged_message_2_of_aggressive_mode_changes_nothing() -> None:
    world = World(1, change=aggressive, change_b=lambda base: passive(aggressive(base)))

    def forge(side: Side, path: Path, data: bytes) -> bool:
        if side is world.b and pull_header(data).exchange is ExchangeType.AGGRESSIVE:
            deliver(world.a, data[:8] + b"forgery!" + data[16:], Path(A, 500, B, 500))
        return True

    world.forward = forge
    world.b.initiate()
    world.a.initiate()
    world.run(5.0)
    assert world.a.up
    assert world.b.up


def test_message_2_of_aggressive_mode_is_sent_once_for_each_message_1() -> None:
    world = World(2, change=aggressive, change_b=lambda base: passive(aggressive(base)))
    sent = []

    def forward(side: Side, path: Path, data: bytes) -> bool:
        if side is world.b:
            sent.append(data)
        return side is world.a

    world.forward = forward
    world.b.initiate()
    world.a.initiate()
    world.run(0.5)
    world.a.crash()
    world.run(60.0)
    assert len(sent) == 1


def test_a_lost_message_3_of_aggressive_mode_is_asked_for() -> None:
    world = World(3, change=aggressive, change_b=lambda base: passive(aggressive(base)))
    dropped: list[bytes] = []

    def forward(side: Side, path: Path, data: bytes) -> bool:
        header = pull_header(data)
        if side is world.a and header.exchange is ExchangeType.AGGRESSIVE and header.encrypted and not dropped:
            dropped.append(data)
            return False
        return True

    world.forward = forward
    world.b.initiate()
    world.a.initiate()
    world.run(5.0)
    assert dropped
    world.assert_converged()


def test_the_least_lifetimes() -> None:
    world = World(
        4,
        change=lambda base: replace(
            with_tunnel(base, lifetime_seconds=1, lifetime_kilobytes=1), policies=(replace(POLICY, lifetime=1),)
        ),
        change_b=passive,
    )
    world.b.initiate()
    world.a.initiate()
    world.run(0.5)
    status = world.b.engine.status(world.now)
    assert 59 <= (status.isakmp_sas[0].lifetime_remaining or 0) <= 60
    assert 119 <= status.tunnels[0].sas[0].remaining_seconds <= 120
    assert status.tunnels[0].sas[0].lifetime_octets == 2560 * 1024


def test_a_limit_longer_than_the_attribute_is_the_longest_there_is() -> None:
    offered = transforms.offer(PHASE_TWO, transforms.Modes(), bytes(range(4, 8)))
    (proposal,) = offered.proposals
    attributes = tuple(
        entry
        for entry in proposal.transforms[0].attributes
        if entry.type not in (Phase2Attribute.LIFE_TYPE, Phase2Attribute.LIFE_DURATION)
    )
    for unit in (LifeType.SECONDS, LifeType.KILOBYTES):
        attributes += (
            basic_attribute(Phase2Attribute.LIFE_TYPE, unit),
            Attribute(Phase2Attribute.LIFE_DURATION, b"\xff" * 8, False),
        )
    payload = SaPayload((Proposal(1, 3, proposal.spi, (Transform(1, proposal.transforms[0].id, attributes),)),))
    unlimited = replace(PHASE_TWO, lifetime_kilobytes=0)
    choice = transforms.choose(unlimited, transforms.Modes(), payload, initiator=False)
    assert isinstance(choice, transforms.Phase2Choice)
    assert (choice.lifetime_seconds, choice.lifetime_kilobytes) == (3600, 2**32 - 1)
    assert transforms.lifetime_attributes(choice.lifetime_seconds, choice.lifetime_kilobytes)


def test_a_policy_of_the_least_lifetime_is_kept() -> None:
    short = replace(POLICY, lifetime=60)
    choice = policy.choose((short,), policy.offer((POLICY,)))
    assert choice is not None
    assert choice.lifetime == 60


def test_offers_of_strangers_fill_no_log() -> None:
    world = up(World(5))
    data = first_message()
    world.b.engine.configure(policies(replace(POLICY, encryption="aes-cbc-256"))(world.b.settings), world.now)
    lines = len(world.b.logs)
    for number in range(300):
        # The group is the last attribute but three; each offer differs.
        offer = data.replace(b"\x80\x04\x00\x0e", b"\x80\x04" + (1000 + number).to_bytes(2, "big"))
        assert offer != data
        deliver(world.b, world.random.randbytes(8) + offer[8:], TO_B)
        world.b.drain()
        world.run(0.2)
    assert count(world.b, "no_proposal_chosen") == 300
    assert 1 <= len(world.b.logs) - lines <= 6
    assert world.b.up
    assert state_of(world.b) == (None, {})


def test_a_peer_that_is_back_is_noticed_within_ten_seconds() -> None:
    world = World(6)
    sent: list[float] = []

    def forward(side: Side, path: Path, data: bytes) -> bool:
        sent.append(world.now)
        return False

    world.forward = forward
    world.a.initiate()
    world.run(900.0)
    assert max(later - earlier for earlier, later in pairwise(sent)) <= 12.5
    assert len(sent) < 200


def test_only_a_peer_behind_a_nat_is_followed() -> None:
    world = up(World(7, nat=True))
    before = [sa.path for sa in world.a.plane.outbound.values()]
    elsewhere = Path(A, 4500, IPv4Address("203.0.113.66"), 4500)
    world.a.engine.peer_moved(TUNNEL, elsewhere, world.now)
    (sa,) = world.a.engine._core.ike_sas.values()
    world.a.engine._tunnels.touch(sa, elsewhere)
    world.a.drain()
    assert [sa.path for sa in world.a.plane.outbound.values()] == before
    assert sa.path in before
    assert count(world.a, "peer_moved") == 0


@pytest.mark.parametrize("ranked", [True, False])
def test_a_peer_cannot_make_pairs_without_end(ranked: bool) -> None:
    world = up(World(8))
    for side in (world.a, world.b):
        (sa,) = side.engine._core.ike_sas.values()
        sa.peer_ranks = ranked
    (sa,) = world.a.engine._core.ike_sas.values()
    most = 0
    for _ in range(80):
        world.a.engine._tunnels.v1.quick.start(sa, sa.tunnel.flows[TUNNEL, 0], ANY_IPV4)
        world.a.drain()
        world.run(0.1)
        most = max(most, len(world.b.plane.inbound))
    assert most <= 20
    assert world.b.downs == 0
    world.run(100.0)
    assert len(world.b.plane.inbound) <= 8
    assert world.a.up
    assert world.b.up


def test_who_sends_on_without_an_sa_is_told_of_once_in_five_minutes() -> None:
    """A spoke that is refused repeats its messages, and so do others that are refused for another reason."""
    world = up(World(1))

    def told(address: IPv4Address) -> int:
        return sum("IKMP_NO_SA" in text and f"from {address} " in text for text in world.b.logs)

    others = [IPv4Address("198.51.100.1"), IPv4Address("198.51.100.2")]
    header = bytes(range(1, 17)) + bytes((8, 0x10, ExchangeType.QUICK, 1, 0, 0, 0, 9, 0, 0, 0, 60))
    for _ in range(25):
        for address in others:
            deliver(world.b, header + bytes(32), Path(B, 500, address, 500))
        world.run(10.0)
    assert [told(address) for address in others] == [1, 1]
    assert count(world.b, "no_sa") == 50
    world.run(100.0)
    deliver(world.b, header + bytes(32), Path(B, 500, others[0], 500))
    assert [told(address) for address in others] == [2, 1]
