"""Several flows between two peers: each line of an access list has a pair of its own, and none waits for another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest

from seikan.config.model import PreSharedKey
from seikan.ike.effects import Direction, FlowDown, FlowUp, Send, TunnelDown, TunnelUp
from seikan.ike.engine import ClearTarget
from seikan.ike.settings import EngineSettings, FlowSettings, TunnelSettings
from seikan.ike.status import FlowStatus
from seikan.wire.constants import ExchangeType
from seikan.wire.header import pull_header
from seikan.wire.selector import ANY_IPV4, Selector

from .pair.world import (
    KEY,
    NAT,
    PHASE_TWO,
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
from .test_attacks import count
from .test_behaviour import state_of

Change = Callable[[EngineSettings], EngineSettings]
MAP = "FastEthernet0/0"
EVERYBODY = (PreSharedKey(KEY, IPv4Network("0.0.0.0/0")),)


def line(number: int, **fields: int) -> Selector:
    """Line `number` of A's access list."""
    return Selector(IPv4Network(f"10.1.{number}.0/24"), IPv4Network(f"10.2.{number}.0/24"), **fields)


def flow(number: int, selector: Selector, **changes: object) -> FlowSettings:
    return replace(FlowSettings(MAP, number, selector, PHASE_TWO), **changes)  # type: ignore[arg-type]


def lines(count: int, **changes: object) -> Change:
    """A's map of `count` lines; B's is `mirrored`."""
    return lambda base: with_tunnel(base, flows=tuple(flow(n, line(n), **changes) for n in range(1, count + 1)))


def mirrored(change: Change) -> Change:
    def turn(base: EngineSettings) -> EngineSettings:
        (tunnel,) = change(base).tunnels
        return with_tunnel(base, flows=tuple(replace(row, selector=row.selector.mirrored()) for row in tunnel.flows))

    return turn


def start(world: World, seconds: float = 10.0, *sides: Side) -> World:
    for side in sides or (world.a, world.b):
        side.engine.initiate(MAP, world.now)
        side.drain()
    world.run(seconds)
    return world


def maps(seed: int, change: Change, change_b: Change | None = None, **options: object) -> World:
    return World(seed, change=change, change_b=change_b or mirrored(change), **options)  # type: ignore[arg-type]


def flows_of(side: Side) -> dict[int, FlowStatus]:
    (tunnel,) = side.engine.status(side.world.now).tunnels
    return {row.number: row for row in tunnel.flows}


def up(side: Side) -> set[int]:
    return {number for number, row in flows_of(side).items() if row.up}


def spis(side: Side, number: int) -> set[int]:
    return {spi for spi, sa in side.plane.inbound.items() if sa.flow == number}


def passive(base: EngineSettings) -> EngineSettings:
    return with_tunnel(base, initiate=False)


# -- several at once -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_each_flow_has_one_pair_under_one_phase_1(seed: int) -> None:
    """More flows than may be negotiated at once, begun from both ends, over a bad network."""
    network = Network(loss=0.1, duplicate=0.2, delay=(0.01, 0.2)) if seed else Network()
    world = start(maps(seed, lines(12), network=network), 120.0)
    world.network.loss = world.network.duplicate = 0.0
    world.run(100.0)
    for side in (world.a, world.b):
        assert up(side) == set(range(1, 13))
        assert len(side.plane.inbound) == len(side.plane.outbound) == 12
        assert {sa.flow for sa in side.plane.inbound.values()} == set(range(1, 13))
        assert len(side.engine.status(world.now).isakmp_sas) == 1
        assert side.ups == 1, "one owner comes up once"
    world.assert_nothing_left()


def test_flows_go_on_without_loss_through_rekeys() -> None:
    def short(base: EngineSettings) -> EngineSettings:
        return with_tunnel(lines(3)(base), lifetime_seconds=120)

    world = start(maps(1, short))
    world.traffic(0.1, world.now + 600.0)
    world.run(600.0)
    assert world.lost_at_peer == []
    assert world.delivered > 30_000
    assert world.a.downs == world.b.downs == 0
    assert up(world.a) == up(world.b) == {1, 2, 3}


def test_own_quick_modes_take_turns() -> None:
    world = maps(2, lines(12), lambda base: passive(mirrored(lines(12))(base)))
    world.b.engine.initiate(MAP, world.now)
    most = 0

    def look(side: Side, path: object, data: bytes) -> bool:
        nonlocal most
        found = world.a.engine._core.tunnels[TUNNEL].flows.values()
        most = max(most, sum(len(row.exchanges) for row in found))
        return True

    world.forward = look
    start(world, 10.0, world.a)
    assert up(world.a) == set(range(1, 13))
    assert 2 <= most <= 4


def test_a_refused_selector_does_not_block_the_others() -> None:
    """B has no mirror of line 2: it says so with both sides' selectors, and nothing else suffers."""

    def without(base: EngineSettings) -> EngineSettings:
        whole = mirrored(lines(3))(base)
        return passive(with_tunnel(whole, flows=tuple(row for row in whole.tunnels[0].flows if row.number != 2)))

    world = maps(3, lines(3), without)
    start(world, 60.0)
    assert up(world.a) == up(world.b) == {1, 3}
    error, mismatches = state_of(world.b)
    assert error == f"peer {A} asks for other traffic selectors than are configured here"
    local, remote = mismatches["ipsec selectors"]
    assert local == (
        "10.2.1.0/255.255.255.0/0/0 to 10.1.1.0/255.255.255.0/0/0, "
        "10.2.3.0/255.255.255.0/0/0 to 10.1.3.0/255.255.255.0/0/0"
    )
    assert remote == "10.2.2.0/255.255.255.0/0/0 to 10.1.2.0/255.255.255.0/0/0"
    error, _ = state_of(world.a)
    assert error is not None
    assert "INVALID-ID-INFORMATION" in error
    assert "10.1.2.0/255.255.255.0/0/0 to 10.2.2.0/255.255.255.0/0/0" in error
    assert count(world.a, "phase1_completed") == 1
    # It is tried again with growing pauses, and logged once.
    assert 5 <= count(world.a, "quick_modes_failed") <= 15
    assert len([text for text in world.a.logs if "refused quick mode" in text]) == 1
    assert world.a.downs == world.b.downs == 0


def test_a_list_that_is_a_copy_and_no_mirror_is_called_that() -> None:
    world = maps(4, lines(1), lambda base: passive(lines(1)(base)))
    start(world, 20.0)
    assert up(world.a) == up(world.b) == set()
    local, remote = state_of(world.b)[1]["ipsec selectors"]
    assert local == "10.1.1.0/255.255.255.0/0/0 to 10.2.1.0/255.255.255.0/0/0"
    assert remote == (
        "10.2.1.0/255.255.255.0/0/0 to 10.1.1.0/255.255.255.0/0/0, "
        "the reverse: one access list must be the other's mirror image, not its copy"
    )


def test_a_refusal_that_is_lost_is_told_again() -> None:
    """Else the refused quick mode would hold its place for more than a minute."""

    def without(base: EngineSettings) -> EngineSettings:
        return passive(with_tunnel(mirrored(lines(1))(base)))

    world = maps(12, lines(2), without)
    dropped: list[bytes] = []

    def forward(side: Side, path: object, data: bytes) -> bool:
        header = pull_header(data)
        if side is world.b and header.exchange is ExchangeType.INFORMATIONAL and not dropped:
            dropped.append(data)
            return False
        return True

    world.forward = forward
    start(world, 4.0)
    assert dropped
    assert count(world.a, "quick_modes_failed") >= 1
    assert count(world.b, "quick_mode_refused") >= 1
    for side in (world.a, world.b):
        assert len(side.engine._core.inbound) <= 2, "what was refused keeps no SPI"


def test_a_peer_that_is_silent_about_one_flow_loses_nothing_else() -> None:
    """Its phase 1 SA answers other quick modes, so it is not taken for lost."""
    world = maps(4, lines(2), lambda base: passive(mirrored(lines(2))(base)))
    start(world, 3.0)
    assert up(world.a) == {1, 2}
    silenced: list[int] = []

    def forward(side: Side, path: object, data: bytes) -> bool:
        header = pull_header(data)
        if side is world.a and header.exchange is ExchangeType.QUICK and not silenced:
            silenced.append(header.message_id)
        return header.message_id not in silenced

    world.forward = forward
    (spi,) = spis(world.a, 2)
    world.a.engine.clear(ClearTarget.SA, world.now)
    world.a.drain()
    world.run(120.0)
    assert silenced
    assert count(world.a, "phase1_lost") == count(world.b, "phase1_lost") == 0
    assert count(world.a, "phase1_completed") == 1
    assert up(world.a) == {1, 2}
    assert spi not in world.a.plane.inbound


# -- which flow a peer means -----------------------------------------------------------------------------------------


def test_any_to_any_is_no_subset_of_anything_and_contains_nothing() -> None:
    """A tunnel interface is exact: a peer with an access list gets no pair of it, nor it of the peer's."""
    for change, change_b in ((lines(1), vti_of), (vti_of, mirrored(lines(1)))):
        world = World(5, change=change, change_b=lambda base, change_b=change_b: passive(change_b(base)))  # type: ignore[misc]
        start(world, 10.0)
        for side in (world.a, world.b):
            assert not side.plane.inbound
        assert count(world.b, "selectors_refused") >= 1


def vti_of(base: EngineSettings) -> EngineSettings:
    return with_tunnel(base, flows=(vti(MAP),))


WIDE = Selector(IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.0/16"))


def test_less_than_a_line_permits_is_taken_and_shown() -> None:
    """B's line is wide and A asks for two parts of it: both live beside each other and are rekeyed as they are."""
    world = maps(6, lines(2), lambda base: with_tunnel(base, flows=(flow(7, WIDE.mirrored(), on_demand=True),)))
    world.b.engine.initiate(MAP, world.now)
    start(world, 5.0, world.a)
    assert up(world.a) == {1, 2}
    row = flows_of(world.b)[7]
    assert {sa.selector for sa in row.sas} == {line(1).mirrored(), line(2).mirrored()}
    assert row.selector == WIDE.mirrored()
    assert spis(world.b, 7) == set(world.b.plane.inbound)
    # B replaces a part: it asks A for the part, not for the whole that A would refuse.
    for spi, sa in list(world.b.plane.outbound.items()):
        world.b.engine.expire(MAP, spi, sa.direction, False, world.now)
        world.b.drain()
    world.run(60.0)
    assert count(world.a, "selectors_refused") == 0
    assert {sa.selector for sa in flows_of(world.b)[7].sas} == {line(1).mirrored(), line(2).mirrored()}
    assert len(world.b.plane.inbound) == len(world.a.plane.inbound) == 2
    assert world.a.downs == world.b.downs == 0


def test_more_than_a_line_permits_is_refused() -> None:
    world = maps(
        7, lambda base: with_tunnel(base, flows=(flow(1, WIDE),)), lambda base: passive(mirrored(lines(1))(base))
    )
    start(world, 5.0)
    assert not world.b.plane.inbound
    assert count(world.b, "selectors_refused") >= 1


def test_the_exact_line_comes_before_a_wider_one() -> None:
    def both(base: EngineSettings) -> EngineSettings:
        return passive(with_tunnel(base, flows=(flow(1, WIDE.mirrored()), flow(2, line(5).mirrored()))))

    world = maps(8, lambda base: with_tunnel(base, flows=(flow(9, line(5)),)), both)
    start(world, 5.0)
    assert up(world.b) == {2}


@pytest.mark.parametrize(
    "selector",
    [
        line(1, protocol=6, remote_port=443),
        Selector(IPv4Network("10.1.0.1/32"), IPv4Network("10.2.0.1/32"), 47),
        Selector(IPv6Network("2001:db8:1::/48"), IPv6Network("2001:db8:2::1/128"), 58),
    ],
)
def test_selectors_of_every_kind(selector: Selector) -> None:
    world = start(maps(9, lambda base: with_tunnel(base, flows=(flow(1, selector),))))
    assert up(world.a) == up(world.b) == {1}
    assert flows_of(world.b)[1].sas[0].selector == selector.mirrored()


def test_without_identities_the_two_hosts_are_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = Selector(IPv4Network(f"{A}/32"), IPv4Network(f"{B}/32"))
    change: Change = lambda base: with_tunnel(base, flows=(flow(1, hosts),))  # noqa: E731
    monkeypatch.setattr("seikan.ike.v1.quick.identifications", lambda selector, *, initiator: ())
    world = start(maps(10, change, lambda base: passive(mirrored(change)(base))))
    assert up(world.a) == up(world.b) == {1}


def test_a_spi_that_another_sa_has_is_refused() -> None:
    """Outbound SPIs are the peers' choice and name SAs of one owner in the plane: none may be named twice."""
    world = start(maps(11, lines(2), lambda base: passive(mirrored(lines(2))(base))))
    (taken,) = spis(world.a, 1)
    core = world.a.engine._core
    core.new_spi, new_spi = lambda: taken, core.new_spi  # type: ignore[method-assign]
    (spi,) = spis(world.a, 2)
    pair = world.a.plane.inbound[spi]
    world.a.engine.expire(MAP, spi, pair.direction, False, world.now)
    core.new_spi = new_spi  # type: ignore[method-assign]
    world.a.drain()
    world.run(1.0)
    assert count(world.b, "spi_in_use") == 1
    assert len(world.b.plane.outbound) == 2


# -- on demand -------------------------------------------------------------------------------------------------------


def short(base: EngineSettings) -> EngineSettings:
    return with_tunnel(lines(2, on_demand=True)(base), lifetime_seconds=120)


def test_nothing_is_negotiated_before_traffic_asks() -> None:
    world = start(maps(20, short), 60.0)
    assert count(world.a, "messages_sent") == count(world.b, "messages_sent") == 0
    world.send_packet(world.a, MAP, 2)
    world.run(2.0)
    assert up(world.a) == up(world.b) == {2}
    world.send_packet(world.b, MAP, 2)
    world.run(1.0)
    assert world.delivered == 1
    world.send_packet(world.a, MAP, 1)
    world.run(2.0)
    assert up(world.a) == {1, 2}
    assert count(world.a, "phase1_completed") == 1
    world.a.engine.acquire(MAP, 99, world.now)
    assert count(world.a, "acquire_unknown_flow") == 1


def test_a_used_pair_is_replaced_and_an_unused_one_runs_out() -> None:
    world = start(maps(21, short), 1.0)
    for number in (1, 2):
        world.send_packet(world.a, MAP, number)
    world.run(5.0)
    assert up(world.a) == up(world.b) == {1, 2}

    def use() -> None:
        world.send_packet(world.b, MAP, 1)
        world.at(world.now + 20.0, use)

    use()
    world.run(1000.0)
    assert up(world.a) == up(world.b) == {1}
    assert world.a.downs == world.b.downs == 0
    assert world.lost_at_peer == []
    assert count(world.a, "child_sas_expired") + count(world.b, "child_sas_expired") >= 1
    assert not [text for text in (*world.a.logs, *world.b.logs) if "%CRYPTO-4" in text], "it runs out silently"


def test_one_that_is_used_only_late_in_its_life_is_replaced_too() -> None:
    world = start(maps(22, short), 1.0)
    world.send_packet(world.a, MAP, 1)
    world.run(2.0)
    world.run(100.0)  # past the soft limit at 80 to 88 %
    world.send_packet(world.a, MAP, 1)
    world.run(60.0)
    assert up(world.a) == {1}
    assert world.a.downs == 0


def test_an_idle_pair_goes_and_traffic_brings_it_back() -> None:
    def change(base: EngineSettings) -> EngineSettings:
        return with_tunnel(lines(2, on_demand=True)(base), idle_seconds=60)

    world = start(maps(26, change, mirrored(lines(2, on_demand=True))), 1.0)
    for number in (1, 2):
        world.send_packet(world.a, MAP, number)
    world.run(5.0)

    def use() -> None:
        world.send_packet(world.b, MAP, 1)  # what arrives is use, too
        world.at(world.now + 50.0, use)

    use()
    world.run(50.0)
    assert up(world.a) == up(world.b) == {1, 2}
    world.run(15.0)
    assert up(world.a) == up(world.b) == {1}
    world.run(600.0)
    assert up(world.a) == up(world.b) == {1}
    assert count(world.a, "idle_pairs") == 1
    assert world.lost_at_peer == []
    world.send_packet(world.a, MAP, 2)
    world.run(2.0)
    assert up(world.a) == up(world.b) == {1, 2}


def test_phase_1_of_an_idle_peer_ends_with_its_pairs() -> None:
    def change(base: EngineSettings) -> EngineSettings:
        return replace(short(base), policies=(replace(base.policies[0], lifetime=300),))

    world = start(maps(23, change), 1.0)
    world.send_packet(world.a, MAP, 1)
    world.run(1000.0)
    assert world.a.engine.status(world.now).isakmp_sas == ()
    assert count(world.a, "phase1_completed") == 1
    assert world.a.engine.next_timeout() is None
    assert world.a.engine.status(world.now).tunnels[0].session == "DOWN"


def test_traffic_that_gave_up_is_not_negotiated_for_ever() -> None:
    world = maps(24, short)
    world.b.crash()
    start(world, 1.0, world.a)
    world.send_packet(world.a, MAP, 1)
    world.run(400.0)
    sent = count(world.a, "messages_sent")
    world.run(600.0)
    assert count(world.a, "messages_sent") == sent
    assert world.a.engine.next_timeout() is None
    world.restart(world.b)
    world.b.engine.initiate(MAP, world.now)
    world.send_packet(world.a, MAP, 1)
    world.run(3.0)
    assert up(world.a) == {1}


def test_dead_peer_detection_of_several_flows() -> None:
    """Any of the pairs tells that the peer lives, and all go with it; the next packet negotiates anew."""
    world = start(maps(25, lambda base: with_keepalive(short(base), 10, periodic=False)), 1.0)
    for number in (1, 2):
        world.send_packet(world.a, MAP, number)
    world.run(2.0)

    def talk() -> None:  # flow 2 is one way, flow 1 answers
        for side in (world.a, world.b):
            world.send_packet(side, MAP, 1)
        world.send_packet(world.a, MAP, 2)
        world.at(world.now + 1.0, talk)

    talk()
    world.run(300.0)
    assert count(world.a, "dpd_sent") == 0
    world.b.crash()
    world.run(60.0)
    assert not world.a.up
    assert world.a.failed
    assert "dead peer detection" in world.a.failed[0]
    assert not world.a.plane.inbound
    world.restart(world.b)
    world.b.engine.initiate(MAP, world.now)
    world.run(60.0)
    assert up(world.a) == {1, 2}


# -- configuration under traffic -------------------------------------------------------------------------------------


def change_flows(world: World, side: Side, *rows: FlowSettings) -> None:
    side.settings = with_tunnel(side.settings, flows=rows)
    side.engine.configure(side.settings, world.now)
    side.drain()


def test_one_flow_goes_and_another_comes_while_the_others_carry_on() -> None:
    world = start(maps(30, lines(3)))
    world.traffic(0.1, world.now + 100.0)
    world.run(5.0)
    kept = {number: spis(world.a, number) for number in (1, 3)}
    gone = spis(world.a, 2) | spis(world.b, 2)
    change_flows(world, world.a, flow(1, line(1)), flow(3, line(3)), flow(4, line(4)))
    world.run(5.0)
    assert spis(world.a, 2) == spis(world.b, 2) == set(), "the peer was told"
    assert world.a.engine.status(world.now).counters["phase1_completed"] == 1
    rows = [flow(n, line(n).mirrored()) for n in (1, 3, 4)]
    change_flows(world, world.b, *rows)
    world.run(15.0)
    assert up(world.a) == up(world.b) == {1, 3, 4}
    assert {number: spis(world.a, number) for number in (1, 3)} == kept
    assert world.a.downs == world.b.downs == 0
    assert all(any(f"{spi:08x}" in text for spi in gone) for text in world.lost_at_peer)


def test_another_name_for_the_same_peer_costs_nothing() -> None:
    world = start(maps(39, lines(2)))
    before = spis(world.a, 1) | spis(world.a, 2)

    def renamed(base: EngineSettings) -> EngineSettings:
        return with_tunnel(base, name="Tunnel0")

    world.a.engine.configure(renamed(world.a.settings), world.now)
    world.a.drain()
    world.run(5.0)
    assert spis(world.a, 1) | spis(world.a, 2) == before
    assert world.a.downs == world.b.downs == 0
    assert [row.name for row in world.a.engine.status(world.now).tunnels] == ["Tunnel0"]
    assert len(world.a.engine.status(world.now).isakmp_sas) == 1


def test_a_changed_selector_replaces_only_its_own_pair() -> None:
    world = start(maps(31, lines(2)))
    before = {number: spis(world.a, number) for number in (1, 2)}
    other = line(9)
    change_flows(world, world.b, flow(1, line(1).mirrored()), flow(2, other.mirrored()))
    change_flows(world, world.a, flow(1, line(1)), flow(2, other))
    world.run(15.0)
    assert spis(world.a, 1) == before[1]
    assert spis(world.a, 2)
    assert spis(world.a, 2) != before[2]
    assert flows_of(world.b)[2].sas[0].selector == other.mirrored()


def test_new_phase_2_values_hold_from_the_next_negotiation() -> None:
    world = start(maps(32, lines(2)))
    before = set(world.a.plane.inbound)
    other = replace(PHASE_TWO, lifetime_seconds=600)
    change_flows(world, world.a, flow(1, line(1)), flow(2, line(2), phase_two=other))
    world.run(5.0)
    assert set(world.a.plane.inbound) == before
    (spi,) = spis(world.a, 2)
    world.a.engine.expire(MAP, spi, Direction.IN, False, world.now)
    world.a.drain()
    world.run(60.0)
    assert flows_of(world.a)[2].sas[0].remaining_seconds <= 600
    assert spis(world.a, 1) <= before


# -- owners ----------------------------------------------------------------------------------------------------------


def two_owners(base: EngineSettings) -> EngineSettings:
    return with_tunnel(base, flows=(flow(1, line(1)), replace(flow(0, line(2)), owner="Tunnel7")))


def test_owners_come_up_and_go_down_by_themselves() -> None:
    world = start(maps(40, two_owners))
    heard = world.a.heard
    assert heard == [FlowUp(MAP, 1, B), TunnelUp(MAP)]
    for side in (world.a, world.b):
        side.engine.initiate("Tunnel7", world.now)
        side.drain()
    world.run(10.0)
    assert heard[2:] == [FlowUp("Tunnel7", 0, B), TunnelUp("Tunnel7")]
    assert count(world.a, "phase1_completed") == 1
    world.a.engine.suspend(MAP, "shut", world.now)
    world.a.drain()
    assert heard[4:] == [FlowDown(MAP, 1, "shut"), TunnelDown(MAP, "shut")]
    world.run(5.0)
    for side in (world.a, world.b):
        assert [row.up for row in side.engine.status(world.now).tunnels[0].flows] == [False, True]
    assert len(world.a.engine.status(world.now).isakmp_sas) == 1, "phase 1 is the other owner's too"
    world.a.engine.suspend("Tunnel7", "shut too", world.now)
    world.a.drain()
    assert heard[6:] == [FlowDown("Tunnel7", 0, "shut too"), TunnelDown("Tunnel7", "shut too")]
    assert world.a.engine.status(world.now).isakmp_sas == ()


def test_peers_that_stand_in_for_each_other() -> None:
    """One policy, two peers: the standby answers only; what it makes counts as the same flow."""
    spare = IPv4Address("10.1.23.4")

    def change(base: EngineSettings) -> EngineSettings:
        first = replace(base.tunnels[0], flows=(flow(1, line(1)),))
        second = TunnelSettings("standby", A, spare, (flow(1, line(1), initiate=False),))
        return replace(base, tunnels=(second, first), keys=EVERYBODY)

    world = World(41, change=change, change_b=mirrored(lines(1)))
    start(world, 5.0)
    assert world.a.flows_up == {(MAP, 1): B}
    assert count(world.a, "phase1_completed") == 1
    world.b.crash()
    world.a.engine.clear(ClearTarget.SESSION, world.now, peer=B)
    world.a.drain()
    assert not world.a.flows_up
    world.run(100.0)
    assert world.a.failed
    assert world.a.failed[0].startswith(f"peer {B} does not answer")
    waiting = world.a.engine._core.tunnels[TUNNEL].flows[MAP, 1]
    waiting.wanted_until = world.now + 30.0
    turned = (
        TunnelSettings(TUNNEL, A, B, (flow(1, line(1), initiate=False),)),
        TunnelSettings("standby", A, spare, (flow(1, line(1)),)),
    )
    world.a.engine.configure(replace(world.a.settings, tunnels=turned), world.now)
    sent = []
    while (effect := world.a.engine.poll_effect()) is not None:
        if isinstance(effect, Send):
            sent.append(effect.path.remote)
    assert sent == [spare]


def test_traffic_that_waits_goes_on_waiting_with_the_next_peer() -> None:
    world = maps(42, short)
    start(world, 1.0, world.a)
    world.network.cut = True
    world.send_packet(world.a, MAP, 1)
    other = TunnelSettings("next", A, NAT, (flow(1, line(1), on_demand=True),))
    world.a.engine.configure(replace(world.a.settings, tunnels=(other,), keys=EVERYBODY), world.now)
    sent = []
    while (effect := world.a.engine.poll_effect()) is not None:
        if isinstance(effect, Send):
            sent.append(effect.path.remote)
    assert sent == [NAT]


def test_a_silent_peer_is_reported_at_each_give_up() -> None:
    world = World(43)
    world.b.crash()
    world.a.initiate()
    world.run(300.0)
    assert 2 <= len(world.a.failed) <= 5


def test_settings_of_a_tunnel_interface_are_what_they_were() -> None:
    (tunnel,) = settings(A, B).tunnels
    assert tunnel.flows == (FlowSettings(TUNNEL, 0, ANY_IPV4, PHASE_TWO),)
