"""Two engines make IKE SAs and pairs by IKEv2, renew them and end them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from seikan.crypto.key_exchange import available
from seikan.ike.effects import Debug, Effect, KeyLog, Path
from seikan.ike.engine import ClearTarget
from seikan.ike.settings import EngineSettings
from seikan.wire.constants import ENCRYPTIONS, GROUP_BY_NUMBER, HASHES, INTEGRITIES, Encryption, Group, Hash
from seikan.wire.secret import Secret

from .pair.ikev2 import CBC, GCM, PEER, ikev2_world, with_ikev2
from .pair.world import REAL_KEY_PAIR, TUNNEL, Network, World, with_tunnel


def up(world: World, seconds: float = 10.0) -> World:
    world.a.initiate()
    world.b.initiate()
    world.run(seconds)
    return world


def count(world: World, name: str) -> int:
    return sum(side.engine.status(world.now).counters.get(name, 0) for side in (world.a, world.b))


@pytest.mark.parametrize("proposal", [CBC, GCM])
def test_a_tunnel_comes_up_with_one_ike_sa_and_one_pair(proposal: object) -> None:
    world = up(ikev2_world(1, change=lambda base: with_ikev2(base, proposals=(proposal,))))
    world.assert_converged()
    (sa,) = world.a.engine.status(world.now).ikev2_sas
    assert (sa.local_authentication, sa.remote_authentication) == ("PSK", "PSK")
    assert sa.peer_identity == str(world.b.address)
    assert sa.child_spis == ((next(iter(world.a.plane.inbound)), next(iter(world.a.plane.outbound))),)
    assert "%IKEV2-5-SA_UP: SA UP" in world.a.logs
    world.assert_nothing_left()


def test_one_side_alone_begins() -> None:
    world = ikev2_world(2)
    world.b.engine.initiate(TUNNEL, world.now)
    world.b.drain()
    world.a.initiate()
    world.run(10.0)
    world.assert_converged()


def test_behind_a_nat_both_float_to_port_4500() -> None:
    world = up(ikev2_world(3, nat=True), 20.0)
    world.assert_converged()
    (sa,) = world.b.engine.status(world.now).ikev2_sas
    assert sa.local_port == 4500
    assert sa.nat_remote
    assert all(row.udp_encapsulation for row in world.b.plane.sas())


def test_a_rekeyed_pair_takes_over_without_a_gap() -> None:
    world = up(ikev2_world(4, change=lambda base: with_tunnel(with_ikev2(base), lifetime_seconds=120)))
    world.traffic(0.05, world.now + 600.0)
    world.run(600.0)
    world.assert_converged()
    assert world.lost_at_peer == []
    assert world.a.ups == world.b.ups == 1
    assert count(world, "child_sas_installed") >= 8
    assert count(world, "ikev2_sas_established") == 2


def test_a_rekeyed_ike_sa_takes_its_pairs_along() -> None:
    world = up(ikev2_world(5, change=lambda base: with_ikev2(base, lifetime=120)))
    before = set(world.a.plane.inbound)
    world.traffic(0.1, world.now + 600.0)
    world.run(600.0)
    world.assert_converged()
    assert set(world.a.plane.inbound) == before
    (sa,) = world.a.engine.status(world.now).ikev2_sas
    assert sa.rekeys >= 4
    assert sa.active is not None
    assert sa.active > 590.0
    assert world.lost_at_peer == []
    assert count(world, "ikev2_sas_established") == 2


def test_with_perfect_forward_secrecy() -> None:
    def change(base: EngineSettings) -> EngineSettings:
        return with_tunnel(with_ikev2(base), lifetime_seconds=120, pfs_group=19)

    world = up(ikev2_world(6, change=change))
    world.run(300.0)
    world.assert_converged()
    rows = [row for tunnel in world.a.engine.status(world.now).tunnels for row in tunnel.sas]
    assert {row.pfs_group for row in rows} == {19}


@pytest.mark.parametrize("windows", [(64, 64), (64, 0)])
def test_long_sequence_numbers_where_both_can(windows: tuple[int, int]) -> None:
    """Without a replay window there are none (RFC 4303 section 3.3.3): the high half could not be told."""

    def change(window: int) -> Callable[[EngineSettings], EngineSettings]:
        return lambda base: with_tunnel(with_ikev2(base), replay_window=window)

    world = up(ikev2_world(30, change=change(windows[0]), change_b=change(windows[1])))
    world.assert_converged()
    rows = [row for side in (world.a, world.b) for row in side.plane.sas()]
    assert {row.extended_sequence_numbers for row in rows} == {all(windows)}


def test_cookie_and_another_group_are_asked_for_in_one_exchange() -> None:
    """RFC 7296 section 2.6.1."""
    first = replace(GCM, groups=(GROUP_BY_NUMBER[14], GROUP_BY_NUMBER[19]))
    world = ikev2_world(
        31,
        change=lambda base: with_ikev2(base, proposals=(first,)),
        change_b=lambda base: with_tunnel(with_ikev2(base, cookie_challenge=0), initiate=False),
    )
    up(world)
    world.assert_converged()
    assert count(world, "ikev2_cookies_accepted") >= 1
    assert count(world, "ikev2_other_group") == 1


def test_keys_are_logged_only_where_somebody_asks() -> None:
    world = ikev2_world(32)
    world.a.engine.debugging = frozenset(("ikev2-keylog",))
    lines = []
    drain = world.a.engine.poll_effect

    def poll() -> Effect | None:
        effect = drain()
        if isinstance(effect, KeyLog):
            lines.append(bytes(effect.line).decode())
        return effect

    world.a.engine.poll_effect = poll  # type: ignore[method-assign]
    up(world)
    (sa,) = world.a.engine.status(world.now).ikev2_sas
    (line,) = lines
    assert line.startswith(f"{sa.spis[0].hex()},{sa.spis[1].hex()},")
    assert '"AES-GCM-256 with 16 octet ICV [RFC5282]"' in line
    assert not any(line[20:60] in text for text in world.ladder)


def test_different_keys_are_told_at_both_ends() -> None:
    other = replace(PEER, local_key=Secret(b"other"), remote_key=Secret(b"other"))
    world = up(ikev2_world(7, change_b=lambda base: with_ikev2(base, peers=(other,))))
    assert not world.a.up
    errors = [str(side.engine.status(world.now).tunnels[0].last_error) for side in (world.a, world.b)]
    assert any("differs from the peer's" in text for text in errors), errors


def test_another_group_is_agreed_by_invalid_ke_payload() -> None:
    first = replace(GCM, groups=(GROUP_BY_NUMBER[14], GROUP_BY_NUMBER[19]))
    world = ikev2_world(8, change=lambda base: with_ikev2(base, proposals=(first,)), change_b=with_ikev2)
    world.a.initiate()
    world.b.engine.initiate(TUNNEL, world.now)
    world.run(10.0)
    world.assert_converged()


def test_a_cookie_is_asked_for_and_given() -> None:
    world = up(ikev2_world(9, change=lambda base: with_ikev2(base, cookie_challenge=0)))
    world.assert_converged()
    assert count(world, "ikev2_cookies_sent") >= 1
    assert count(world, "ikev2_cookies_accepted") >= 1


@pytest.mark.parametrize("target", list(ClearTarget))
def test_cleared_security_associations_come_back(target: ClearTarget) -> None:
    world = up(ikev2_world(10))
    assert world.a.engine.clear(target, world.now) >= 1
    world.a.drain()
    world.run(20.0)
    world.assert_converged()


def test_an_ike_sa_is_replaced_before_it_is_cleared() -> None:
    world = up(ikev2_world(34))
    (old,) = world.a.engine.replace(TUNNEL, world.now)
    world.a.drain()
    world.run(1.0)
    assert len(world.a.engine.status(world.now).ikev2_sas) == 2
    assert world.a.engine.clear(ClearTarget.ISAKMP, world.now, conn_id=old, owner=TUNNEL) == 1
    world.a.drain()
    world.run(20.0)
    world.assert_converged()
    (sa,) = world.a.engine.status(world.now).ikev2_sas
    assert sa.tunnel_id != old
    assert world.a.downs == world.b.downs == 0


def test_a_restarted_peer_is_up_again_without_going_down() -> None:
    world = up(ikev2_world(11))
    world.b.crash()
    world.restart(world.b)
    world.run(20.0)
    world.assert_converged()
    assert world.a.downs == 0
    world.assert_nothing_left()


def test_the_log_says_when_an_ike_sa_comes_and_goes_and_nothing_of_rekeyings() -> None:
    world = up(ikev2_world(33, change=lambda base: with_ikev2(base, lifetime=120)))
    world.run(300.0)
    lines = [line for line in world.a.logs if "%IKEV2-5" in line]
    assert lines == ["%IKEV2-5-SA_UP: SA UP"]
    world.b.engine.suspend(TUNNEL, "administratively down", world.now)
    world.b.drain()
    world.run(1.0)
    for side in (world.a, world.b):
        assert [line for line in side.logs if "%IKEV2-5" in line][-1] == "%IKEV2-5-SA_DOWN: SA DOWN"


@pytest.mark.parametrize("group", GROUP_BY_NUMBER.values(), ids=lambda group: group.name)
def test_every_group_with_real_mathematics(group: Group) -> None:
    """For the IKE SA, its rekeying, and the pair's own key exchange."""
    if not available(group):
        pytest.skip("this installation of cryptography is older than ML-KEM")
    proposal = replace(GCM, groups=(group,))

    def change(base: EngineSettings) -> EngineSettings:
        base = with_ikev2(base, proposals=(proposal,), lifetime=120)
        return with_tunnel(base, lifetime_seconds=120, pfs_group=group.number)

    world = up(ikev2_world(34, change=change, key_pair=REAL_KEY_PAIR))
    world.run(130.0)
    world.assert_converged()
    (sa,) = world.a.engine.status(world.now).ikev2_sas
    assert (sa.group, sa.rekeys >= 1) == (group.number, True)
    assert {row.pfs_group for row in world.a.engine.status(world.now).tunnels[0].sas} == {group.number}


@pytest.mark.parametrize("encryption", [row for row in ENCRYPTIONS if row.ios_proposal], ids=lambda row: row.name)
@pytest.mark.parametrize("algorithm", HASHES[1:], ids=lambda row: row.name)
def test_every_cipher_and_prf(encryption: Encryption, algorithm: Hash) -> None:
    integrities = () if encryption.aead else INTEGRITIES
    proposal = replace(GCM, encryptions=(encryption,), integrities=integrities, prfs=(algorithm,))
    world = up(ikev2_world(35, change=lambda base: with_ikev2(base, proposals=(proposal,), fragmentation=200)))
    world.assert_converged()
    (sa,) = world.a.engine.status(world.now).ikev2_sas
    assert (sa.encryption, sa.prf) == (encryption, algorithm)


def test_what_goes_wrong_and_the_messages_have_debug_topics_of_their_own() -> None:
    other = replace(PEER, local_key=Secret(b"other"), remote_key=Secret(b"other"))
    world = ikev2_world(35, change_b=lambda base: with_ikev2(base, peers=(other,)))
    world.b.engine.debugging = frozenset(("ikev2 error", "ikev2 packet"))
    lines: dict[str, list[str]] = {}
    poll = world.b.engine.poll_effect

    def kept() -> Effect | None:
        effect = poll()
        if isinstance(effect, Debug):
            lines.setdefault(effect.topic, []).append(effect.text)
        return effect

    world.b.engine.poll_effect = kept  # type: ignore[method-assign]
    up(world)
    assert set(lines) == {"ikev2 error", "ikev2 packet"}
    assert any("differs from the peer's" in line for line in lines["ikev2 error"]), lines["ikev2 error"]
    assert any("received IKE_AUTH request id 1" in line for line in lines["ikev2 packet"])


@pytest.mark.parametrize("arrived", [True, False])
def test_a_router_that_stops_deletes_its_ike_sa_while_a_response_is_due(arrived: bool) -> None:
    """`arrived`: the peer has had the request before, and its response meets nobody; or it has been lost."""
    steady = Network(delay=(0.01, 0.01))
    world = up(ikev2_world(40, steady, change=lambda base: with_ikev2(base, window=1)))
    world.forward = lambda side, path, data: arrived or side is not world.a
    world.a.engine.unknown_spi(Path(world.a.address, 500, world.b.address, 500), 0xABCDEF01, world.now)
    world.a.drain()
    assert count(world, "unknown_spi") == 1
    world.forward = lambda side, path, data: True
    world.a.engine.close(world.now)
    world.a.drain()
    world.a.crash()
    world.run(0.1)
    assert count(world, "deletes_received") == 1
    assert not world.b.engine.status(world.now).ikev2_sas
    assert not world.b.up


@pytest.mark.parametrize("proposal", [CBC, GCM])
@pytest.mark.parametrize("octets", [68, 80, 96, 100])
def test_the_least_mtu_that_can_be_typed_is_enough(proposal: object, octets: int) -> None:
    """Headers alone are longer than such packets: what is left over goes beyond them, and is not nothing."""
    world = up(ikev2_world(33, change=lambda base: with_ikev2(base, proposals=(proposal,), fragmentation=octets)))
    world.assert_converged()
    assert count(world, "ikev2_fragments_received") > 0
