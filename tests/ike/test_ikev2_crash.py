"""Quick crash detection (RFC 6290): a peer that restarts and does not begin itself is noticed at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from seikan.config.model_ikev2 import Ikev2Dpd
from seikan.crypto.tickets import crash_token
from seikan.ike.effects import Path, Send
from seikan.wire.secret import Secret
from seikan.wire.v2.constants import FLAG_RESPONSE, Exchange, Notify
from seikan.wire.v2.header import Header
from seikan.wire.v2.message import push_message
from seikan.wire.v2.payloads import Notification

from .pair.ikev2 import ikev2_world, with_ikev2
from .pair.world import TUNNEL, A, B, World, with_tunnel

SECRET = Secret(b"k" * 32)
DPD = Ikev2Dpd(10, 5, periodic=True)


def crash_world(seed: int, **changes: Any) -> World:
    """A asks; B only answers, and so does not come back by itself."""
    fields = {"quick_crash_detection": True, "ticket_key": SECRET, "dpd": DPD, **changes}
    world = ikev2_world(
        seed,
        change=lambda base: with_ikev2(base, **fields),
        change_b=lambda base: with_tunnel(with_ikev2(base, **fields), initiate=False),
    )
    world.a.initiate()
    world.b.engine.initiate(TUNNEL, world.now)
    world.run(5.0)
    world.assert_converged()
    return world


def restart(world: World) -> None:
    world.b.crash()
    world.b.boot()
    world.b.engine.initiate(TUNNEL, world.now)


def spis(world: World) -> tuple[bytes, bytes]:
    (sa,) = world.a.engine.status(world.now).ikev2_sas
    return sa.spis


def test_the_next_question_finds_out_and_both_are_up_again() -> None:
    world = crash_world(1)
    before = spis(world)
    restart(world)
    world.run(DPD.interval + 5.0)
    world.assert_converged()
    assert spis(world) != before
    counters = world.a.engine.status(world.now).counters
    assert counters["ikev2_crashes_detected"] == 1
    assert any("has restarted" in line for line in world.a.logs)


def test_without_it_that_takes_as_long_as_dead_peer_detection() -> None:
    world = crash_world(2, quick_crash_detection=False)
    before = spis(world)
    restart(world)
    world.run(DPD.interval + 5.0)
    assert spis(world) == before


def test_after_a_rekeying_it_is_the_new_sa_that_the_token_belongs_to() -> None:
    world = crash_world(3, lifetime=120)
    world.run(130.0)
    (sa,) = world.a.engine.status(world.now).ikev2_sas
    assert sa.rekeys >= 1
    restart(world)
    world.run(DPD.interval + 5.0)
    world.assert_converged()
    assert world.a.engine.status(world.now).counters["ikev2_crashes_detected"] == 1


def test_the_token_of_an_sa_that_is_here_is_told_to_nobody() -> None:
    """Whatever somebody makes up around its SPIs (RFC 6290 section 9.2)."""
    world = crash_world(4)
    spi_i, spi_r = spis(world)
    path = Path(B, 500, A, 500)
    for first, second in ((spi_i, spi_r), (spi_r, spi_i), (spi_i, b"x" * 8), (b"x" * 8, spi_r)):
        for flags in (0, 8):
            header = Header(first, second, 0, Exchange.INFORMATIONAL, flags, 77, 0)
            data = push_message(header, [Notification(Notify.INITIAL_CONTACT)])
            world.b.engine.handle_datagram(data, path, world.now)
            while (effect := world.b.engine.poll_effect()) is not None:
                if isinstance(effect, Send):
                    assert crash_token(SECRET, spi_i, spi_r) not in effect.data


def test_a_wrong_token_ends_nothing() -> None:
    world = crash_world(5)
    spi_i, spi_r = spis(world)
    right = crash_token(SECRET, spi_i, spi_r)
    header = Header(spi_i, spi_r, 0, Exchange.INFORMATIONAL, FLAG_RESPONSE, 3, 0)
    invalid = Notification(Notify.INVALID_IKE_SPI)

    def tell(*payloads: Notification) -> None:
        world.a.engine.handle_datagram(push_message(header, payloads), Path(A, 500, B, 500), world.now)

    for wrong in (right[:-1] + bytes((right[-1] ^ 1,)), right[:-1], b""):
        tell(invalid, Notification(Notify.QUICK_CRASH_DETECTION, wrong))
    tell(Notification(Notify.QUICK_CRASH_DETECTION, right))
    tell(invalid)
    assert spis(world) == (spi_i, spi_r)
    tell(invalid, Notification(Notify.QUICK_CRASH_DETECTION, right))
    assert (spi_i, spi_r) not in [sa.spis for sa in world.a.engine.status(world.now).ikev2_sas]


def test_who_gives_no_token_away_may_still_believe_one() -> None:
    world = crash_world(6)
    asking = replace(world.a.settings, ikev2=replace(world.a.settings.ikev2, quick_crash_detection=False))
    world.a.engine.configure(asking, world.now)
    restart(world)
    world.run(DPD.interval + 5.0)
    assert world.a.engine.status(world.now).counters["ikev2_crashes_detected"] == 1
