"""Both sides do the same at the same time (RFC 7296 sections 2.8.1, 2.8.2, 2.25), also with what is no Seikan."""

from __future__ import annotations

import pytest

from seikan.config.model_ikev2 import Ikev2Match
from seikan.ike.effects import Path
from seikan.ike.v2.child import Refusal
from seikan.ike.v2.init import Init
from seikan.ike.v2.rekey import Rekey
from seikan.ike.v2.sa import Ikev2Sa
from seikan.wire.v2.constants import Exchange, Notify
from seikan.wire.v2.header import pull_header

from .pair.ikev2 import ikev2_world, with_ikev2
from .pair.world import TUNNEL, Network, Side, World, with_tunnel
from .test_ikev2 import count, up


@pytest.fixture(params=["seikan", "stranger"])
def peer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether a Seikan knows a Seikan: what the RFC says must do without."""
    if request.param == "stranger":
        own = Init._read_capabilities

        def read(self: Init, sa: Ikev2Sa, *rest: object) -> None:
            own(self, sa, *rest)  # type: ignore[arg-type]
            sa.peer_ranks = False

        monkeypatch.setattr(Init, "_read_capabilities", read)
    return str(request.param)


def rekey_pairs(world: World, *sides: Side) -> None:
    for side in sides:
        for spi, sa in list(side.plane.outbound.items()):
            side.engine.expire(TUNNEL, spi, sa.direction, False, world.now)
    for side in sides:
        side.drain()


def rekey_ike(world: World, *sides: Side) -> None:
    for side in sides:
        side.engine._core.now = world.now
        for sa in list(side.engine._core.established):
            side.engine._tunnels.soft_expired(sa)
    for side in sides:
        side.drain()


@pytest.mark.parametrize("seed", range(6))
def test_both_rekey_the_same_pair(peer: str, seed: int) -> None:
    world = up(ikev2_world(seed))
    world.traffic(0.01, world.now + 8.0)
    rekey_pairs(world, world.a, world.b)
    world.run(8.0)
    world.assert_converged()
    assert count(world, "ikev2_redundant_pairs") == 1
    assert world.lost_at_peer == []
    assert world.a.downs == world.b.downs == 0


@pytest.mark.parametrize("seed", range(6))
def test_both_rekey_the_ike_sa(peer: str, seed: int) -> None:
    world = up(ikev2_world(seed))
    before = set(world.a.plane.inbound)
    rekey_ike(world, world.a, world.b)
    world.run(2.0)
    world.assert_converged()
    assert set(world.a.plane.inbound) == before
    assert count(world, "ikev2_simultaneous_rekeys") >= 1
    rekey_ike(world, world.b)
    world.run(2.0)
    world.assert_converged()


@pytest.mark.parametrize("seed", range(6))
def test_one_rekeys_the_ike_sa_and_the_other_a_pair(peer: str, seed: int) -> None:
    """Neither is done under the other: who comes second hears TEMPORARY_FAILURE and does it later."""
    world = up(ikev2_world(seed))
    world.traffic(0.05, world.now + 30.0)
    rekey_ike(world, world.a)
    rekey_pairs(world, world.b)
    world.run(30.0)
    world.assert_converged()
    assert world.lost_at_peer == []
    assert count(world, "ikev2_rekeys") >= 2
    assert count(world, "child_sas_installed") == 4


def test_one_deletes_the_pair_that_the_other_rekeys(peer: str) -> None:
    world = up(ikev2_world(20))
    (child,) = world.b.engine._core.tunnels[TUNNEL].children
    world.b.engine._core.now = world.now
    world.b.engine._tunnels.children.delete_pair(child, "test")
    rekey_pairs(world, world.a)
    world.b.drain()
    world.run(30.0)
    world.assert_converged()


def test_one_deletes_the_ike_sa_that_the_other_rekeys(peer: str) -> None:
    world = up(ikev2_world(21))
    (sa,) = world.b.engine._core.established
    rekey_ike(world, world.a)
    world.b.engine._core.now = world.now
    world.b.engine._tunnels.delete(sa)
    world.b.drain()
    world.run(30.0)
    world.assert_converged()


def test_both_delete_the_ike_sa(peer: str) -> None:
    world = up(ikev2_world(22))
    for side in (world.a, world.b):
        (sa,) = side.engine._core.established
        side.engine._core.now = world.now
        side.engine._tunnels.delete(sa)
    for side in (world.a, world.b):
        side.drain()
    world.run(30.0)
    for side in (world.a, world.b):
        side.initiate()
        side.engine._tunnels.evaluate(side.engine._core.tunnels[TUNNEL])
        side.drain()
    world.run(10.0)
    world.assert_converged()


def test_a_pair_that_the_peer_does_not_have_is_made_anew() -> None:
    """CHILD_SA_NOT_FOUND (section 2.25.1)."""
    world = up(ikev2_world(23))
    (child,) = world.b.engine._core.tunnels[TUNNEL].children
    world.b.engine._core.now = world.now
    world.b.engine._tunnels.children.remove_pair(child, "test")
    world.b.drain()
    rekey_pairs(world, world.a)
    world.run(30.0)
    world.assert_converged()


def test_the_answer_to_a_rekeying_is_lost_and_the_peer_rekeys_too() -> None:
    """The request of one side comes only after its own answer: the nonces tell all the same."""
    world = up(ikev2_world(24))
    held: list[int] = []

    def forward(side: Side, path: object, data: bytes) -> bool:
        header = pull_header(data)
        late = header.exchange == Exchange.CREATE_CHILD_SA and side is world.a and header.response and len(held) < 2
        if late:
            held.append(header.message_id)
        return not late

    world.forward = forward
    rekey_pairs(world, world.a, world.b)
    world.run(40.0)
    assert len(held) == 2
    world.assert_converged()


def test_two_ike_sas_made_at_once_become_one_and_keep_the_tunnel_up() -> None:
    """A Seikan and a Seikan: the losing IKE SA goes when the winner has pairs of its own for everything."""
    world = ikev2_world(25)
    for side in (world.a, world.b):
        side.engine._tunnels.defer = lambda tunnel, begun: False  # type: ignore[method-assign]
    up(world, 3.0)
    assert count(world, "ikev2_sas_established") == 4
    for side in (world.a, world.b):
        shown = side.engine.status(world.now)
        listed = {(sa.inbound, sa.spi) for tunnel in shown.tunnels for flow in tunnel.flows for sa in flow.sas}
        assert listed == {(True, spi) for spi in side.plane.inbound} | {(False, spi) for spi in side.plane.outbound}
        assert len([spi for inbound, spi in listed if inbound]) == len(shown.ikev2_sas) == 2
    world.traffic(0.05, world.now + 60.0)
    world.run(60.0)
    world.assert_converged()
    assert world.a.downs == world.b.downs == 0
    assert world.lost_at_peer == []


def test_two_ike_sas_with_a_stranger_may_both_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows which one the other lets go, so none is deleted, and traffic goes on over rekeyings of both."""
    own = Init._read_capabilities

    def read(self: Init, sa: Ikev2Sa, *rest: object) -> None:
        own(self, sa, *rest)  # type: ignore[arg-type]
        sa.peer_ranks = False

    monkeypatch.setattr(Init, "_read_capabilities", read)
    world = ikev2_world(27, change=lambda base: with_tunnel(with_ikev2(base, lifetime=150), lifetime_seconds=120))
    for side in (world.a, world.b):
        side.engine._tunnels.defer = lambda tunnel, begun: False  # type: ignore[method-assign]
    up(world, 3.0)
    assert count(world, "ikev2_sas_established") == 4
    world.traffic(0.2, world.now + 900.0)
    world.run(900.0)
    assert world.lost_at_peer == []
    assert world.a.downs == world.b.downs == 0
    assert all(len(side.plane.sas()) <= 12 for side in (world.a, world.b))
    assert all(len(side.engine.status(world.now).ikev2_sas) <= 4 for side in (world.a, world.b))


def test_an_initiator_that_does_not_accept_the_responder_says_so() -> None:
    """RFC 7296 section 2.21.2."""
    strict = (Ikev2Match(fqdn="somebody.example"),)
    world = ikev2_world(26, change=lambda base: with_ikev2(base, identities=strict), change_b=with_ikev2)
    world.b.engine.initiate(TUNNEL, world.now)
    world.a.initiate()
    world.run(5.0)
    assert not world.a.up
    assert not world.b.up
    rows = [side.engine.status(world.now).tunnels[0] for side in (world.a, world.b)]
    assert "does not match" in str(rows[0].last_error)
    assert "does not accept" in str(rows[1].last_error) or Notify.AUTHENTICATION_FAILED.name in str(rows[1].last_error)


def test_a_peer_that_does_not_rekey_its_ike_sa_gets_a_new_one_before_the_old_one_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reauthentication, make before break: new pairs under a new IKE SA, then the old ones go with theirs."""

    def respond(self: Rekey, *rest: object) -> None:
        raise Refusal(Notify.NO_ADDITIONAL_SAS, "never")

    monkeypatch.setattr(Rekey, "respond", respond)
    world = up(ikev2_world(28, change=lambda base: with_ikev2(base, lifetime=150)))
    world.traffic(0.05, world.now + 600.0)
    world.run(600.0)
    assert world.lost_at_peer == []
    assert world.a.downs == world.b.downs == 0
    assert count(world, "ikev2_sas_established") >= 2 * 4
    world.run(10.0)
    world.assert_converged()


@pytest.mark.parametrize("seed", range(20))
def test_a_pair_is_rekeyed_under_an_ike_sa_that_the_other_side_does_not_expect_yet(seed: int) -> None:
    """Where both make one, the side that has its answer first goes on under it at once."""
    world = up(ikev2_world(seed, Network(delay=(0.01, 0.08))))
    world.probing = True
    world.traffic(0.05, world.now + 20.0)
    rekey_ike(world, world.a, world.b)
    rekey_pairs(world, world.a)
    world.run(30.0)
    world.assert_converged()
    world.assert_no_gap()


@pytest.mark.parametrize("seed", range(6))
def test_a_lost_delete_is_said_again_under_the_new_ike_sa(seed: int) -> None:
    """The IKE SA under which it was said ends before it is repeated."""
    world = up(ikev2_world(seed))
    world.probing = True
    world.traffic(0.1, world.now + 40.0)
    lost: list[bytes] = []

    def forward(side: Side, path: Path, data: bytes) -> bool:
        header = pull_header(data)
        of_pair = header.exchange == Exchange.INFORMATIONAL and not header.response and side is world.a
        if of_pair and (not lost or data in lost):
            lost.append(data)
            return False
        return True

    world.forward = forward
    rekey_pairs(world, world.a)
    world.run(0.5)
    assert len(lost) == 1
    rekey_ike(world, world.a)
    world.run(40.0)
    world.assert_converged()
    world.assert_no_gap()
