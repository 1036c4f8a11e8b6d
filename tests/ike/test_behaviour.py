"""What an operator or an RFC would notice, shown with two whole engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Interface

import pytest

from seikan.config.model import IsakmpPolicy, Keyring, PreSharedKey, TransformSet
from seikan.ike.effects import InstallSa, Path, Send
from seikan.ike.engine import ClearTarget, Engine
from seikan.ike.settings import EngineSettings, TunnelSettings
from seikan.wire.constants import (
    ENCRYPTION_BY_NAME,
    HASHES,
    IKE_V1_GROUPS,
    INTEGRITY_BY_NAME,
    ExchangeType,
    NotifyType,
)
from seikan.wire.header import HEADER_OCTETS, Header, pull_header
from seikan.wire.message import pull_chain, push_message
from seikan.wire.payloads import Delete, Notification, SaPayload
from seikan.wire.secret import Secret

from .pair.world import (
    KEY,
    NAT,
    POLICY,
    REAL_KEY_PAIR,
    TUNNEL,
    A,
    B,
    Network,
    Side,
    World,
    settings,
    vti,
    with_keepalive,
    with_tunnel,
)

Change = Callable[[EngineSettings], EngineSettings]


def up(world: World, seconds: float = 30.0) -> World:
    """Start both sides and see that they agree."""
    world.a.initiate()
    world.b.initiate()
    world.run(seconds)
    world.assert_converged()
    return world


def passive(base: EngineSettings) -> EngineSettings:
    """A side that only answers, so that a test sees one negotiation."""
    return with_tunnel(base, initiate=False)


def state_of(side: Side) -> tuple[str | None, dict[str, tuple[str, str]]]:
    """A tunnel's last error and its mismatches by attribute."""
    (tunnel,) = side.engine.status(side.world.now).tunnels
    return tunnel.last_error, {row.attribute: (row.local, row.remote) for row in tunnel.mismatches}


def policies(*rows: IsakmpPolicy) -> Change:
    return lambda base: replace(base, policies=rows)


CHACHA = TransformSet("CHACHA", ENCRYPTION_BY_NAME["chacha20-poly1305"], None)


def sets(*rows: TransformSet) -> Change:
    return lambda base: with_tunnel(base, transform_sets=rows)


# -- what can be negotiated ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", IKE_V1_GROUPS.values(), ids=lambda group: group.name)
def test_every_group_with_real_mathematics(group: object) -> None:
    number = group.number  # type: ignore[attr-defined]

    def change(base: EngineSettings) -> EngineSettings:
        return with_tunnel(replace(base, policies=(replace(POLICY, group=number),)), pfs_group=number)

    world = up(World(1, change=change, key_pair=REAL_KEY_PAIR))
    assert world.a.engine.status(world.now).tunnels[0].sas[0].pfs_group == number
    world.assert_nothing_left()


@pytest.mark.parametrize("name", [row.name for row in HASHES])
@pytest.mark.parametrize("encryption", ["aes-cbc-128", "aes-cbc-192", "aes-cbc-256", "3des-cbc"])
def test_every_hash_and_cipher_of_phase_1(name: str, encryption: str) -> None:
    up(World(2, change=policies(replace(POLICY, hash=name, encryption=encryption))))


@pytest.mark.parametrize(
    ("encryption", "integrity", "octets"),
    [
        ("aes-cbc-128", "hmac-sha1-96", (16, 20)),
        ("aes-cbc-192", "hmac-sha256-128", (24, 32)),
        ("aes-cbc-256", "hmac-sha384-192", (32, 48)),
        ("3des-cbc", "hmac-sha512-256", (24, 64)),
        ("null", "hmac-sha1-96", (0, 20)),
        ("aes-gcm-16-128", None, (20, 0)),
        ("aes-gcm-16-256", None, (36, 0)),
    ],
)
def test_every_transform_gets_keys_of_its_length(
    encryption: str, integrity: str | None, octets: tuple[int, int]
) -> None:
    row = TransformSet("T", ENCRYPTION_BY_NAME[encryption], INTEGRITY_BY_NAME[integrity] if integrity else None)
    world = up(World(3, change=sets(row)))
    (sa,) = world.a.plane.inbound.values()
    assert (len(sa.encryption_key), len(sa.integrity_key)) == octets
    assert sa.encryption.name == encryption


def test_ipv6_outside_with_any_selectors() -> None:
    local, remote = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::3")
    world = World(4)
    for side, own, other in ((world.a, local, remote), (world.b, remote, local)):
        base = settings(own, other)
        key = PreSharedKey(KEY, ipv6_address=IPv6Interface((int(other), 128)))
        side.address, side.settings = own, replace(base, keys=(key,))
        side.boot()
    up(world)
    assert next(iter(world.a.plane.outbound.values())).path.remote == remote


def test_the_smaller_lifetimes_are_agreed() -> None:
    def longer(base: EngineSettings) -> EngineSettings:
        return replace(
            with_tunnel(base, lifetime_seconds=900, lifetime_kilobytes=0), policies=(replace(POLICY, lifetime=700),)
        )

    def shorter(base: EngineSettings) -> EngineSettings:
        return with_tunnel(base, lifetime_seconds=600, lifetime_kilobytes=5000)

    world = up(World(5, change=longer, change_b=shorter))
    for side in (world.a, world.b):
        status = side.engine.status(world.now)
        assert 560 < status.tunnels[0].sas[0].remaining_seconds <= 600
        assert status.tunnels[0].sas[0].lifetime_octets == 5000 * 1024
        assert status.isakmp_sas[0].lifetime_remaining is not None
        assert status.isakmp_sas[0].lifetime_remaining <= 700
        assert all(0 < sa.soft_octets < sa.hard_octets == 5000 * 1024 for sa in side.plane.inbound.values())


def test_a_responder_without_pfs_accepts_a_peer_that_wants_it() -> None:
    world = World(6, change=lambda base: with_tunnel(base, pfs_group=19), change_b=passive)
    world.a.initiate()
    world.b.initiate()
    world.run(40.0)
    assert world.a.up
    assert world.b.up


def test_aggressive_mode_where_configured() -> None:
    def change(base: EngineSettings) -> EngineSettings:
        return replace(with_tunnel(base, aggressive_identity="branch.example"), aggressive_mode=True)

    for nat in (False, True):
        world = up(World(7, change=change, nat=nat))
        assert world.b.engine.status(world.now).isakmp_sas[0].aggressive


def test_aggressive_mode_is_refused_where_not_configured() -> None:
    world = World(8, change=lambda base: with_tunnel(base, aggressive_identity="x.example"), change_b=passive)
    world.b.initiate()
    world.a.initiate()
    world.run(10.0)
    assert world.b.engine.status(world.now).counters["aggressive_mode_refused"] >= 1


# -- why it does not come up -----------------------------------------------------------------------------------------


def test_a_wrong_key_is_named_once_on_both_sides_and_never_shown() -> None:
    def other_key(base: EngineSettings) -> EngineSettings:
        return passive(replace(base, keys=(replace(base.keys[0], key=Secret(b"SomethingElse")),)))

    world = World(9, change_b=other_key)
    world.a.initiate()
    world.b.initiate()
    world.run(20.0)
    assert not world.a.up
    assert not world.b.up
    errors = [state_of(side)[0] for side in (world.a, world.b)]
    assert any("differs from the peer's (message 5: could not be decrypted)" in (error or "") for error in errors)
    assert all("pre-shared key for" in (error or "") for error in errors)
    lines = [line for side in (world.a, world.b) for line in side.logs]
    assert len([line for line in world.b.logs if "IKMP_BAD_KEY" in line]) <= 1
    assert not any("SomethingElse" in line or "LoopedBack" in line for line in (*lines, *world.ladder))


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (lambda data: True, f"peer {B} does not answer (Main mode, MM_NO_STATE)"),
        (
            lambda data: pull_header(data).encrypted,
            f"peer {B} does not answer message 5: its pre-shared key probably differs, or it does not accept our "
            "identity; its own log knows",
        ),
    ],
    ids=["nobody there", "refused in silence"],
)
def test_a_silent_peer_is_told_long_before_it_is_given_up(lost: Callable[[bytes], bool], told: str) -> None:
    world = World(9, change_b=passive)
    world.forward = lambda side, path, data: not (side is world.b and lost(data))
    world.a.initiate()
    world.b.initiate()
    world.run(10.0)
    assert state_of(world.a)[0] is None
    world.run(5.0)
    assert state_of(world.a)[0] == told
    assert "phase1_failed" not in world.a.engine.status(world.now).counters
    world.run(240.0)
    assert world.a.engine.status(world.now).counters["phase1_failed"] >= 2
    assert [line for line in world.a.logs if "IKMP_NO_ANSWER" in line] == [
        f"%CRYPTO-4-IKMP_NO_ANSWER: {TUNNEL}: {told}"
    ]


def test_a_mismatch_of_phase_1_names_the_attributes_and_both_offers() -> None:
    other = replace(POLICY, priority=5, encryption="aes-cbc-256", group=19)
    world = World(10, change_b=lambda base: passive(policies(other)(base)))
    world.a.initiate()
    world.b.initiate()
    world.run(5.0)
    error, mismatches = state_of(world.b)
    assert error == f"no isakmp policy in common with peer {A}"
    assert mismatches == {
        "isakmp encryption": ("aes-cbc-256", "aes-cbc-128"),
        "isakmp group": ("19", "14"),
    }
    error, mismatches = state_of(world.a)
    assert error is not None
    assert "NO-PROPOSAL-CHOSEN" in error or "no isakmp policy in common" in error
    assert any("IKMP_NO_PROPOSAL" in line for line in world.b.logs)


def test_a_mismatch_of_phase_2_names_the_attributes_and_both_offers() -> None:
    other = TransformSet("OTHER", ENCRYPTION_BY_NAME["aes-cbc-256"], INTEGRITY_BY_NAME["hmac-sha256-128"])
    world = World(11, change_b=lambda base: passive(sets(other)(base)))
    world.a.initiate()
    world.run(0.1)
    world.b.initiate()
    world.run(10.0)
    error, mismatches = state_of(world.b)
    assert error == f"no transform set in common with peer {A}"
    assert mismatches["ipsec encryption"] == ("aes-cbc-256", "aes-cbc-128")
    assert mismatches["ipsec integrity"] == ("hmac-sha256-128", "hmac-sha1-96")
    error, mismatches = state_of(world.a)
    assert error is not None
    assert "refused" in error or "in common" in error
    assert mismatches


def test_pfs_that_the_responder_demands_is_named() -> None:
    world = World(12, change_b=lambda base: passive(with_tunnel(base, pfs_group=14)))
    world.b.initiate()
    world.a.initiate()
    world.run(1.0)
    assert state_of(world.b)[1]["ipsec pfs"] == ("group 14", "none")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda base: with_tunnel(base, pfs_group=31), "set pfs group31 of profile ProtectTheTunnel can be"),
        (sets(CHACHA), "no usable transform set in profile ProtectTheTunnel: CHACHA can be"),
    ],
    ids=["group31", "chacha20"],
)
def test_what_only_ikev2_has_is_not_proposed_and_says_so(change: Change, words: str) -> None:
    world = World(12, change=change)
    world.a.initiate()
    world.b.initiate()
    world.run(30.0)
    assert not world.a.up
    assert (state_of(world.a)[0] or "").startswith(words)


def test_missing_key_and_missing_policy_are_named() -> None:
    world = World(13, change=lambda base: replace(base, keys=()), change_b=policies())
    world.a.initiate()
    world.b.initiate()
    world.run(1.0)
    assert state_of(world.a)[0] == f"no pre-shared key for peer {B} (crypto isakmp key ... address {B})"
    assert "no crypto isakmp policy" in (state_of(world.b)[0] or "")


def test_the_next_configuration_is_tried_at_once() -> None:
    world = World(14, change=lambda base: replace(base, keys=()), change_b=lambda base: base)
    world.a.initiate()
    world.b.initiate()
    world.run(100.0)
    assert not world.a.up
    world.a.engine.configure(settings(A, B), world.now)
    world.a.drain()
    world.run(15.0)
    world.assert_converged()
    assert state_of(world.a) == (None, {})


def test_the_key_of_the_most_specific_entry_is_used() -> None:
    def change(base: EngineSettings) -> EngineSettings:
        everybody = PreSharedKey(Secret(b"for everybody"), IPv4Network("0.0.0.0/0"))
        ring = Keyring("SITES", keys=base.keys)
        return replace(base, keys=(everybody,), keyrings=(ring,))

    up(World(15, change=change, change_b=lambda base: base))


# -- staying up ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("nat", [False, True])
def test_no_packet_is_lost_to_rekeys_and_reauthentication(seed: int, nat: bool) -> None:
    def change(base: EngineSettings) -> EngineSettings:
        short = replace(POLICY, lifetime=100)
        return replace(with_tunnel(base, lifetime_seconds=120), policies=(short,))

    world = World(seed, change=change, nat=nat)
    world.a.initiate()
    if seed % 2:
        world.b.initiate()
    else:
        world.at(world.now + 1.0, world.b.initiate)
    world.run(10.0)
    world.traffic(0.05, world.now + 900.0)
    world.run(901.0)
    assert world.lost_at_peer == []
    assert world.a.downs == world.b.downs == 0
    assert world.delivered > 30_000
    counters = world.a.engine.status(world.now).counters
    assert counters["child_sas_installed"] >= 8
    assert counters["phase1_completed"] >= 9
    # Mostly one side replaces: two would make twice as many.
    assert counters["child_sas_installed"] <= 14


def test_rekey_collision_converges_without_loss() -> None:
    world = up(World(20))
    world.traffic(0.01, world.now + 60.0)
    for _ in range(3):
        for side in (world.a, world.b):
            (spi, sa) = list(side.plane.outbound.items())[-1]
            side.engine.expire(TUNNEL, spi, sa.direction, False, world.now)
            side.drain()
        world.run(80.0)
        world.assert_converged()
    assert world.lost_at_peer == []
    assert world.a.downs == world.b.downs == 0


def test_kilobytes_that_run_out_fast_are_renewed_fast() -> None:
    """A pair is to be replaced while the one before it is still being let go."""
    world = up(World(29))
    world.traffic(0.01, world.now + 60.0)
    for _ in range(10):
        (spi, sa) = list(world.a.plane.outbound.items())[-1]
        world.a.engine.expire(TUNNEL, spi, sa.direction, False, world.now)
        world.a.drain()
        world.run(2.5)
        assert list(world.a.plane.outbound)[-1] != spi
    world.run(80.0)
    world.assert_converged()
    assert world.lost_at_peer == []
    assert world.a.downs == world.b.downs == 0


def test_a_restarted_peer_is_taken_back_without_the_line_going_down() -> None:
    world = up(World(21))
    world.a.crash()
    world.run(3.0)
    world.restart(world.a)
    world.run(30.0)
    world.assert_converged()
    assert world.b.downs == 0


def test_a_dead_peer_is_noticed_and_awaited() -> None:
    world = up(World(22, change=lambda base: with_keepalive(base, 10)))
    world.a.crash()
    world.run(40.0)
    assert not world.b.up
    assert world.b.reasons == [f"peer {A} does not answer dead peer detection"]
    world.run(600.0)
    world.restart(world.a)
    world.run(10.0)
    world.assert_converged()


def test_a_phase_1_sa_that_the_peer_forgot_is_not_taken_for_a_dead_peer() -> None:
    """Its delete was lost; dead peer detection over it ends it alone, even without traffic."""

    def change(base: EngineSettings) -> EngineSettings:
        return with_keepalive(replace(base, policies=(replace(POLICY, lifetime=1000),)), 10)

    for seed in range(10):
        world = up(World(seed, change=change))
        while world.a.engine.status(world.now).counters["phase1_completed"] < 2:
            world.run(0.5)
        world.forward = lambda side, path, data: data[18] != ExchangeType.INFORMATIONAL
        world.run(6.0)
        world.forward = lambda side, path, data: True
        world.run(30.0)
        assert world.a.downs == world.b.downs == 0
        assert "dpd_dead" not in world.b.engine.status(world.now).counters


def test_on_demand_detection_asks_only_when_traffic_is_unanswered() -> None:
    world = up(World(23, change=lambda base: with_keepalive(base, 10, periodic=False)))
    world.traffic(1.0, world.now + 200.0)
    world.run(100.0)
    assert "dpd_sent" not in world.b.engine.status(world.now).counters
    world.a.crash()
    world.run(60.0)
    assert not world.b.up


def test_a_lost_delete_does_not_leave_two_pairs() -> None:
    world = up(World(24, change=lambda base: with_tunnel(base, lifetime_seconds=300)))
    world.forward = lambda side, path, data: data[18] != ExchangeType.INFORMATIONAL
    world.run(330.0)
    world.assert_converged()


def test_clear_and_shutdown() -> None:
    world = up(World(25))
    assert world.a.engine.clear(ClearTarget.SESSION, world.now) == 2
    world.a.drain()
    world.run(15.0)
    world.assert_converged()
    conn_id = world.a.engine.status(world.now).isakmp_sas[0].conn_id
    assert conn_id == 1002
    assert world.a.engine.clear(ClearTarget.ISAKMP, world.now, conn_id=conn_id) == 1
    world.a.drain()
    world.run(15.0)
    world.assert_converged()
    assert world.a.downs == 1, "clear crypto isakmp leaves the child SAs"
    world.a.engine.suspend(TUNNEL, "administratively down", world.now)
    world.a.drain()
    world.run(2.0)
    assert not world.b.up
    assert world.a.reasons[-1] == "administratively down"


def test_a_change_elsewhere_does_not_touch_a_tunnel() -> None:
    world = up(World(26))
    other = TunnelSettings("Tunnel1", A, NAT, (vti("Tunnel1"),))
    base = world.a.settings
    world.a.engine.configure(replace(base, tunnels=(*base.tunnels, other)), world.now)
    world.a.drain()
    world.run(5.0)
    world.assert_converged()
    assert world.a.downs == 0
    world.a.engine.configure(replace(base, tunnels=()), world.now)
    world.a.drain()
    assert not world.a.up
    assert not world.a.plane.inbound


def test_an_unknown_spi_makes_the_peer_give_up_the_pair() -> None:
    world = up(World(27))
    world.traffic(0.5, world.now + 100.0)
    world.forward = lambda side, path, data: data[18] != ExchangeType.INFORMATIONAL
    world.a.engine.clear(ClearTarget.SA, world.now)
    world.a.drain()
    world.forward = lambda side, path, data: True
    world.run(60.0)
    world.assert_converged()


# -- NAT -------------------------------------------------------------------------------------------------------------


def test_behind_a_nat_ike_floats_and_esp_goes_in_udp() -> None:
    world = up(World(30, nat=True))
    (sa,) = world.a.engine.status(world.now).isakmp_sas
    assert (sa.local_port, sa.remote_port, sa.nat_local, sa.nat_remote) == (4500, 4500, True, False)
    assert all(sa.udp_encapsulation for sa in (*world.a.plane.outbound.values(), *world.b.plane.inbound.values()))
    world.run(100.0)
    assert world.a.engine.status(world.now).counters["nat_keepalives"] >= 4
    assert "nat_keepalives" not in world.b.engine.status(world.now).counters


@pytest.mark.parametrize("mover", ["esp", "ike"])
def test_ike_and_esp_move_together_after_rebinding(mover: str) -> None:
    world = up(World(31, nat=True, change=lambda base: with_keepalive(base, 10) if mover == "ike" else base))
    before = next(iter(world.b.plane.outbound.values())).path
    world.rebind()
    if mover == "esp":
        world.traffic(1.0, world.now + 5.0)
    world.run(20.0)
    after = next(iter(world.b.plane.outbound.values())).path
    (sa,) = world.b.engine.status(world.now).isakmp_sas
    assert after != before
    assert after.remote_port == sa.remote_port
    assert world.b.engine.status(world.now).tunnels[0].remote_port == sa.remote_port


def test_without_nat_nothing_moves() -> None:
    world = up(World(32))
    world.b.engine.peer_moved(TUNNEL, Path(B, 500, NAT, 4500), world.now)
    world.b.drain()
    assert next(iter(world.b.plane.outbound.values())).path.remote == A


def test_nat_transparency_off_announces_nothing() -> None:
    world = up(World(33, change=lambda base: replace(base, nat_transparency=False)))
    assert not world.a.engine.status(world.now).isakmp_sas[0].nat_traversal


# -- fragments, strangers, replays -----------------------------------------------------------------------------------


def test_long_messages_go_in_fragments() -> None:
    def change(base: EngineSettings) -> EngineSettings:
        return replace(base, fragmentation=True, fragment_octets=200)

    world = up(World(40, Network(duplicate=0.3, delay=(0.0, 0.3)), change=change), 60.0)
    assert world.a.engine.status(world.now).counters["fragments_received"] >= 2
    assert world.a.engine.status(world.now).isakmp_sas[0].fragmentation


def first_message() -> bytes:
    """Message 1 as a stranger with the right offer would send it."""
    engine = Engine(settings(A, B), lambda count: bytes(range(1, count + 1)))
    engine.initiate(TUNNEL, 0.0)
    while (effect := engine.poll_effect()) is not None:
        if isinstance(effect, Send):
            return effect.data
    raise AssertionError("no message")


def test_strangers_get_no_answer_and_no_state() -> None:
    world = World(41)
    stranger = Path(B, 500, NAT, 500)
    data = first_message()
    for number in range(200):
        world.b.engine.handle_datagram(number.to_bytes(8, "big") + data[8:] if number else data, stranger, world.now)
    while (effect := world.b.engine.poll_effect()) is not None:
        assert not isinstance(effect, Send)
    status = world.b.engine.status(world.now)
    assert status.counters["strangers"] + status.counters["first_messages_limited"] >= 199
    assert status.isakmp_sas == ()
    assert world.b.engine.next_timeout() is None


def test_a_configured_peer_hears_why_its_first_message_is_refused() -> None:
    world = World(41, change_b=lambda base: passive(policies(replace(POLICY, group=19))(base)))
    world.b.initiate()
    world.b.engine.handle_datagram(first_message(), Path(B, 500, A, 500), world.now)
    answers = []
    while (effect := world.b.engine.poll_effect()) is not None:
        if isinstance(effect, Send):
            answers.append(effect.data)
    header = pull_header(answers[0])
    (notify,) = pull_chain(header.next_payload, answers[0], HEADER_OCTETS).payloads
    assert isinstance(notify, Notification)
    assert notify.type == NotifyType.NO_PROPOSAL_CHOSEN


def test_half_open_exchanges_are_bounded_and_expire() -> None:
    world = World(42, change_b=passive)
    world.b.initiate()
    path, data = Path(B, 500, A, 500), first_message()
    for number in range(1, 100):
        world.b.engine.handle_datagram(number.to_bytes(8, "big") + data[8:], path, world.now + number)
    status = world.b.engine.status(world.now)
    responders = [sa for sa in status.isakmp_sas if not sa.initiator]
    assert 1 <= len(responders) <= 4
    assert status.counters["half_open_limit"] > 50


def test_notifies_in_clear_kill_nothing() -> None:
    world = up(World(43))
    (sa,) = world.a.engine.status(world.now).isakmp_sas
    cookies = sa.cookies
    header = Header(*cookies, 0, ExchangeType.INFORMATIONAL, 0, 77, 0)
    spi = next(iter(world.a.plane.outbound)).to_bytes(4, "big")
    for payload in (
        Notification(1, b"".join(cookies), NotifyType.INVALID_COOKIE),
        Notification(3, spi, NotifyType.INVALID_SPI),
        Notification(1, b"".join(cookies), NotifyType.INITIAL_CONTACT),
        Delete(1, (b"".join(cookies),)),
        Delete(3, (spi,)),
    ):
        world.a.engine.handle_datagram(push_message(header, [payload]), Path(A, 500, B, 500), world.now)
        world.a.drain()
    world.run(5.0)
    world.assert_converged()
    assert world.a.downs == 0


def test_replayed_messages_change_nothing() -> None:
    world = World(44)
    kept: list[tuple[Side, Path, bytes]] = []

    def record(side: Side, path: Path, data: bytes) -> bool:
        kept.append((side, path, data))
        return True

    world.forward = record
    up(world, 120.0)
    installed = [set(side.plane.inbound) for side in (world.a, world.b)]
    world.forward = lambda side, path, data: True
    for side, path, data in kept * 3:
        receiver = world.b if side is world.a else world.a
        receiver.engine.handle_datagram(data, Path(path.remote, 500, path.local, 500), world.now)
        receiver.drain()
    world.run(40.0)
    world.assert_converged()
    assert [set(side.plane.inbound) for side in (world.a, world.b)] == installed
    assert world.a.downs == world.b.downs == 0


def test_inbound_is_installed_before_the_peer_can_use_it() -> None:
    """The responder's message 2 and the initiator's message 3 wait for the plane."""
    world = World(45, change_b=passive)
    order: list[str] = []

    def sent(side: Side, path: Path, data: bytes) -> bool:
        order.append(f"{side.name} {pull_header(data).exchange.name}")
        return True

    def installing(side: Side, sa: InstallSa) -> str | None:
        order.append(f"{side.name} {sa.direction.value}")
        return None

    world.forward, world.refuse = sent, installing
    world.a.initiate()
    world.b.initiate()
    world.run(5.0)
    quick = [entry for entry in order if "MAIN" not in entry]
    assert quick == ["A QUICK", "B in", "B QUICK", "A in", "A out", "A QUICK", "B out"]


def test_an_install_that_fails_is_stated() -> None:
    engine_error = "no such device"
    world = World(46, change_b=passive)
    world.refuse = lambda side, sa: engine_error if side is world.b else None
    world.a.initiate()
    world.b.initiate()
    world.run(5.0)
    assert not world.b.plane.inbound
    assert engine_error in (state_of(world.b)[0] or "")


def test_the_offer_is_answered_as_it_was_made() -> None:
    """RFC 2409 section 5: the responder returns one transform, unchanged."""
    world = World(47, change_b=passive)
    world.b.initiate()
    data = first_message()
    world.b.engine.handle_datagram(b"\xff" * 8 + data[8:], Path(B, 500, A, 500), world.now)
    answers = []
    while (effect := world.b.engine.poll_effect()) is not None:
        if isinstance(effect, Send):
            answers.append(effect.data)
    offered = pull_chain(pull_header(data).next_payload, data, HEADER_OCTETS).payloads[0]
    (answer,) = (pull_chain(pull_header(text).next_payload, text, HEADER_OCTETS).payloads[0] for text in answers)
    assert isinstance(answer, SaPayload)
    assert answer == offered
