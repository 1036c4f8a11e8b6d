"""What somebody on the way, or far from it, could try against the engine, and what must come of it: nothing."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from seikan.config.model import PreSharedKey
from seikan.ike.effects import Path
from seikan.ike.preshared import KeyTable
from seikan.ike.settings import EngineSettings
from seikan.ike.v1 import informational as informational_module
from seikan.ike.v1 import sa as sa_module
from seikan.wire.constants import ExchangeType, Phase1Attribute, Phase2Attribute, ProtocolId
from seikan.wire.header import NO_COOKIE, Header, pull_header
from seikan.wire.message import push_message
from seikan.wire.payloads import Attribute, Proposal, SaPayload, Transform
from seikan.wire.secret import Secret

from .pair.world import KEY, TUNNEL, A, B, Side, World, settings, with_keepalive, with_tunnel
from .test_behaviour import first_message, passive, up

TO_A, TO_B = Path(A, 500, B, 500), Path(B, 500, A, 500)
ELSEWHERE = IPv4Address("203.0.113.66")


def count(side: Side, name: str) -> int:
    return side.engine.status(side.world.now).counters.get(name, 0)


def deliver(side: Side, data: bytes, path: Path) -> None:
    side.engine.handle_datagram(data, path, side.world.now)
    side.drain()


def tap(world: World, side: Side, exchange: ExchangeType) -> list[bytes]:
    """What `side` sends from now on in exchanges of this type; everything still passes."""
    kept: list[bytes] = []

    def forward(sender: Side, path: Path, data: bytes) -> bool:
        if sender is side and data != b"\xff" and pull_header(data).exchange is exchange:
            kept.append(data)
        return True

    world.forward = forward
    return kept


@pytest.mark.parametrize("kind", [*Phase1Attribute, *Phase2Attribute, 99])
def test_a_number_of_absurd_length_is_malformed(kind: int) -> None:
    world = World(1, change=passive)
    world.a.initiate()
    transform = Transform(1, 1, (Attribute(kind, b"\xff" * 2000, False),))
    payload = SaPayload((Proposal(1, ProtocolId.ISAKMP, b"", (transform,)),))
    header = Header(b"stranger", NO_COOKIE, 0, ExchangeType.MAIN, 0, 0, 0)
    deliver(world.a, push_message(header, [payload]), TO_A)
    assert count(world.a, "dropped_PayloadMalformed") == 1


def test_forged_esp_does_not_redirect_phase_1() -> None:
    """Not before anything is known of the peer, and still less when it is known to have no NAT."""
    world = World(2, change_b=passive)
    world.b.initiate()
    world.a.engine.unknown_spi(Path(A, 4500, B, 1), 0x12345678, world.now)
    world.a.initiate()
    world.run(1.0)
    world.assert_converged()
    world.a.crash()
    world.b.crash()
    world = up(World(2))
    world.b.crash()
    world.a.engine.suspend(TUNNEL, "administratively down", world.now)
    world.a.drain()
    world.a.engine.unknown_spi(Path(A, 4500, B, 1), 0x12345678, world.now)
    ports: list[int] = []

    def forward(side: Side, path: Path, data: bytes) -> bool:
        ports.append(path.remote_port)
        return True

    world.forward = forward
    world.a.initiate()
    world.run(40.0)
    assert len(ports) >= 4
    assert set(ports) == {500}


def test_a_restarted_router_finds_its_peer_behind_a_nat() -> None:
    """No SA is left that tells of the NAT, but ESP still comes through it."""
    world = up(World(3, nat=True))
    world.b.crash()
    world.run(2.0)
    world.restart(world.b)
    world.traffic(1.0, world.now + 30.0)
    world.run(5.0)
    assert world.b.up
    world.run(30.0)
    world.assert_converged()


def test_a_reflected_invalid_spi_does_not_end_our_pair() -> None:
    world = up(World(4))
    kept = tap(world, world.a, ExchangeType.INFORMATIONAL)
    (spi,) = world.a.plane.outbound
    world.a.engine.unknown_spi(TO_A, spi, world.now)
    world.a.drain()
    deliver(world.a, kept[0], TO_A)
    world.run(10.0)
    world.assert_converged()
    assert world.a.downs == 0


def test_reflected_dead_peer_detection_keeps_no_dead_peer_alive() -> None:
    world = up(World(5, change=lambda base: with_keepalive(base, 10)))
    world.b.crash()

    def reflect(side: Side, path: Path, data: bytes) -> bool:
        if side is world.a and data != b"\xff":
            world.at(world.now + 0.01, lambda: deliver(world.a, data, TO_A))
        return False

    world.forward = reflect
    world.run(60.0)
    assert world.a.downs == 1


def test_quick_mode_cannot_be_replayed_after_any_number_of_messages() -> None:
    world = World(6, change=lambda base: with_keepalive(base, 10))
    kept = tap(world, world.a, ExchangeType.QUICK)
    up(world)
    inbound = set(world.b.plane.inbound)
    message_1 = kept[0]
    for side in (world.a, world.b):  # as after hours: more messages than were once remembered
        (sa,) = side.engine._core.ike_sas.values()
        for number in range(1, 5000):
            side.engine._tunnels.v1.informational.finish_message(sa, 0xF000_0000 + number)
    world.run(90.0)
    deliver(world.b, message_1, TO_B)
    world.run(1.0)
    assert set(world.b.plane.inbound) == inbound
    assert count(world.b, "duplicates") >= 1


def test_a_phase_1_sa_is_replaced_before_its_message_ids_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sa_module, "MAX_FINISHED", 100)
    monkeypatch.setattr(informational_module, "EXPIRE_AT", 80)
    world = up(World(7, change=lambda base: with_keepalive(base, 10)))
    world.traffic(1.0, world.now + 1500.0)
    world.run(1500.0)
    world.assert_converged()
    assert count(world.a, "phase1_completed") >= 3
    assert count(world.a, "message_ids_exhausted") == 0
    assert world.a.downs == world.b.downs == 0
    assert world.lost_at_peer == []


def test_a_full_memory_of_message_ids_accepts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = up(World(8))
    kept = tap(world, world.a, ExchangeType.INFORMATIONAL)
    world.forward, forward = (lambda side, path, data: forward(side, path, data) and False), world.forward
    (sa,) = world.a.engine._core.ike_sas.values()
    world.a.engine._tunnels.v1.informational.delete_ike(sa)
    world.a.drain()
    world.forward = lambda side, path, data: True
    monkeypatch.setattr(sa_module, "MAX_FINISHED", 1)
    deliver(world.b, kept[0], TO_B)
    assert count(world.b, "message_ids_exhausted") == 1
    assert count(world.b, "deletes_received") == 0


@pytest.mark.parametrize("wrong", ["a", "b", "both"])
def test_a_corrected_key_is_tried_at_once(wrong: str) -> None:
    def other(base: EngineSettings) -> EngineSettings:
        return replace(base, keys=(replace(base.keys[0], key=Secret(b"mistyped")),))

    def same(base: EngineSettings) -> EngineSettings:
        return base

    world = World(9, change=same if wrong == "b" else other, change_b=same if wrong == "a" else lambda base: base)
    if wrong != "a":
        world.b.settings = other(world.b.settings)
        world.b.boot()
    if wrong == "both":
        mistyped = PreSharedKey(Secret(b"otherwise"), world.b.settings.keys[0].network)
        world.b.settings = replace(world.b.settings, keys=(mistyped,))
        world.b.boot()
    world.a.initiate()
    world.b.initiate()
    world.run(10.0)
    assert not world.a.up
    for side, letter in ((world.a, "a"), (world.b, "b")):
        if wrong in (letter, "both"):
            right = (replace(side.settings.keys[0], key=KEY),)
            side.engine.configure(replace(side.settings, keys=right), world.now)
            side.drain()
    world.run(12.0)
    assert world.a.up
    assert world.b.up


def test_a_corrected_key_frees_a_stuck_reauthentication() -> None:
    """The tunnel is up all the while, on pairs of the phase 1 SA before."""
    world = up(World(10))
    base = world.a.settings
    mistyped = replace(base, keys=(replace(base.keys[0], key=Secret(b"mistyped")),))
    world.a.engine.configure(mistyped, world.now)
    (sa,) = world.a.engine._core.ike_sas.values()
    world.a.engine._tunnels.soft_expired(sa)
    world.a.drain()
    world.run(10.0)
    assert any(not sa.established for sa in world.a.engine._core.ike_sas.values())
    world.a.engine.configure(base, world.now)
    world.a.drain()
    world.run(5.0)
    assert count(world.a, "phase1_completed") == 2
    assert world.a.downs == 0


@pytest.mark.parametrize("aggressive", [False, True])
def test_the_last_message_of_phase_1_from_elsewhere_moves_nothing(aggressive: bool) -> None:
    def change(base: EngineSettings) -> EngineSettings:
        identity = "r.example" if aggressive else None
        return replace(with_tunnel(base, aggressive_identity=identity), aggressive_mode=aggressive)

    world = World(11, change=change, change_b=lambda base: passive(change(base)))
    exchange = ExchangeType.AGGRESSIVE if aggressive else ExchangeType.MAIN

    def copy(side: Side, path: Path, data: bytes) -> bool:
        header = pull_header(data)
        if side is world.a and header.exchange is exchange and header.encrypted:
            deliver(world.b, data, Path(B, 500, ELSEWHERE, 7777))
            deliver(world.b, data, Path(B, 500, A, 7777))
        return True

    world.forward = copy
    world.b.initiate()
    world.a.initiate()
    world.run(5.0)
    world.assert_converged()
    assert {sa.path for sa in world.b.plane.outbound.values()} == {TO_B}
    assert count(world.b, "dropped_wrong_address") >= 1


def test_a_slow_path_is_not_a_dead_peer() -> None:
    """The round trip takes longer than the time between two R-U-THERE."""
    world = up(World(12, change=lambda base: with_keepalive(base, 10)))
    world.network.delay = (1.6, 1.7)
    world.run(300.0)
    assert world.a.downs == world.b.downs == 0
    assert count(world.a, "dpd_dead") == 0
    assert count(world.a, "dpd_sent") >= 10


def test_forged_first_messages_do_not_lock_the_peer_out() -> None:
    world = World(13, change_b=passive)
    world.b.initiate()
    data = first_message()

    def flood() -> None:
        for _ in range(4):
            deliver(world.b, world.random.randbytes(8) + data[8:], TO_B)
        world.at(world.now + 1.0, flood)

    flood()
    world.run(30.0)
    world.a.initiate()
    world.run(5.0)
    assert world.a.up
    assert len(world.b.engine.status(world.now).isakmp_sas) <= 5


def test_a_name_does_not_take_the_place_of_the_key_of_an_address() -> None:
    named = PreSharedKey(Secret(b"of a name"), hostname="branch.example")
    everybody = PreSharedKey(Secret(b"of all"), IPv4Network("0.0.0.0/0"))
    base = settings(B, A)
    assert find(replace(base, keys=(named, *base.keys))) == bytes(KEY)
    assert find(replace(base, keys=(everybody, named))) == b"of a name"


def find(base: EngineSettings) -> bytes | None:
    key = KeyTable(base.keys, base.keyrings).find(B, A, "branch.example")
    return bytes(key.secret) if key else None
