"""A flood of forged IKE_SA_INIT, in virtual time: what it costs, and that the real peer connects all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from seikan.ike.effects import Path
from seikan.ike.settings import EngineSettings
from seikan.wire.v2.constants import Notify
from seikan.wire.v2.payloads import Notification

from .pair.ikev2 import ikev2_world, with_ikev2
from .pair.world import TUNNEL, A, B, Network, World, with_tunnel
from .test_ikev2_attacks import TO_B, chain_of, count, deliver, init, kinds

SLOW = Network(delay=(0.3, 0.4))  # the real peer is far away: half of a round trip, in seconds


def _waits(change: Callable[[EngineSettings], EngineSettings] = with_ikev2, network: Network | None = None) -> World:
    """B may be begun with, and does not begin itself."""
    world = ikev2_world(1, network, change=change, change_b=lambda base: with_tunnel(change(base), initiate=False))
    world.b.engine.initiate(TUNNEL, world.now)
    world.b.drain()
    return world


def _flood(world: World, rate: int, seconds: float, source: Callable[[int], IPv4Address], group: int = 19) -> None:
    """Requests with a different SPI each come to B, `rate` of them a second."""
    for number in range(1, int(rate * seconds) + 1):
        path = Path(B, 500, source(number), 500)
        data = init(0xF0_0000 + number, group=group)
        world.at(world.now + number / rate, lambda path=path, data=data: deliver(world.b, data, path))  # type: ignore[misc, arg-type]


def _peer(_number: int) -> IPv4Address:
    return A


def _anybody(number: int) -> IPv4Address:
    return IPv4Address(0x0A00_0000 + number)


def _either(number: int) -> IPv4Address:
    return A if number % 2 else _anybody(number)


@pytest.mark.parametrize("source", [_peer, _anybody, _either])
@pytest.mark.parametrize("rate", [9, 500])
@pytest.mark.parametrize("group", [19, 14])
def test_the_real_peer_connects_while_somebody_forges(
    source: Callable[[int], IPv4Address], rate: int, group: int
) -> None:
    """Below what a source may begin, and far beyond it; by the group that is wanted and by another."""
    world = _waits(network=SLOW)
    _flood(world, rate, 8.0, source, group)
    world.run(2.0)
    world.a.initiate()
    world.run(3.0)
    assert world.a.up
    assert world.b.up
    world.run(40.0)
    world.assert_converged()
    assert not world.b.engine._core.half_open


def test_forged_requests_of_the_peers_own_address_take_nobodys_place() -> None:
    world = _waits()
    paths = [(init(number), TO_B) for number in range(1, 1001)]
    answers = [answer for data, path in paths for answer in deliver(world.b, data, path)]
    assert count(world.b, "half_open_limit") == 0
    assert count(world.b, "incoming_accepted") <= 4, "few keys are made for requests without a cookie"
    assert sum(Notify.COOKIE in kinds(answer) for answer in answers) >= 996
    assert max(map(len, answers[4:])) <= len(init(1)), "an answer to a stranger is no longer than what it sent"


def test_strangers_where_nothing_is_for_them_cost_nothing_and_hear_nothing() -> None:
    world = _waits()
    for number in range(1, 301):
        assert deliver(world.b, init(number), replace(TO_B, remote=_anybody(number))) == []
    assert count(world.b, "strangers") == 300
    assert not world.b.engine._core.half_open
    assert not world.b.engine._core.first_message_rate._buckets


def test_who_has_shown_a_cookie_is_told_the_group_whatever_was_forged_before() -> None:
    """INVALID_KE_PAYLOAD is rationed for each address, but not to those that are at it."""
    world = _waits(lambda base: with_ikev2(base, cookie_challenge=0))
    world.b.engine._core.error_replies.allow(A, world.now)
    while world.b.engine._core.error_replies.allow(A, world.now):
        pass
    (asked,) = deliver(world.b, init(7, group=14), TO_B)
    (cookie,) = (row for row in chain_of(asked).payloads if isinstance(row, Notification))
    (told,) = deliver(world.b, init(7, cookie, group=14), TO_B)
    assert kinds(told) == [Notify.INVALID_KE_PAYLOAD]


def test_who_has_shown_a_cookie_keeps_its_place_and_may_begin_anew() -> None:
    world = _waits(lambda base: with_ikev2(base, cookie_challenge=0))
    core = world.b.engine._core
    for number in range(1, 7):
        (asked,) = deliver(world.b, init(number), TO_B)
        (cookie,) = (row for row in chain_of(asked).payloads if isinstance(row, Notification))
        deliver(world.b, init(number, cookie), TO_B)
        assert not core.unproven
    assert len(core.half_open) == 4
    assert {sa.spi_i[-1] for sa in core.half_open} == {3, 4, 5, 6}  # type: ignore[attr-defined]


def test_a_low_limit_of_negotiations_asks_for_cookies_before_it_is_reached() -> None:
    """Else each forged request would push out the exchange before it, and cost a key exchange."""
    few = 5
    world = _waits(lambda base: replace(with_ikev2(base), max_negotiating=few))
    for number in range(1, 200):
        deliver(world.b, init(number), TO_B if number < 3 else replace(TO_B, remote=_anybody(number)))
    deliver(world.b, init(300), TO_B)
    assert len(world.b.engine._core.half_open) <= few
    assert count(world.b, "half_open_limit") == 0
