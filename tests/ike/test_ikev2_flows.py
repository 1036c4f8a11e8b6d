"""Several flows under one IKE SA of IKEv2, narrowing, and pairs that are refused while the IKE SA stays."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from seikan.ike.settings import EngineSettings, FlowSettings
from seikan.wire.constants import ENCRYPTION_BY_NAME
from seikan.wire.selector import ANY_IPV4, ANY_IPV6, Selector
from seikan.wire.v2.constants import Exchange
from seikan.wire.v2.header import pull_header

from .pair.ikev2 import ikev2_world, with_ikev2
from .pair.world import PHASE_TWO, TRANSFORM, TUNNEL, Network, Side, World, with_tunnel
from .test_flows import MAP, Change, flow, lines, mirrored, start
from .test_ikev2 import up


def maps(seed: int, change: Change, change_b: Change | None = None, **options: Any) -> World:
    """A crypto map at each end."""
    other = change_b or mirrored(change)
    return ikev2_world(
        seed,
        change=lambda base: change(with_ikev2(base)),
        change_b=lambda base: other(with_ikev2(base)),
        **options,
    )


def passive(base: EngineSettings) -> EngineSettings:
    return with_tunnel(base, initiate=False)


def ups(side: Side) -> set[int]:
    return {number for _, number in side.flows_up}


def error(side: Side) -> str:
    return str(side.engine.status(side.world.now).tunnels[0].last_error)


@pytest.mark.parametrize("seed", range(4))
def test_each_flow_has_one_pair_under_one_ike_sa(seed: int) -> None:
    network = Network(loss=0.1, duplicate=0.1) if seed % 2 else None
    world = start(maps(seed, lines(10), network=network), 120.0)
    for side in (world.a, world.b):
        status = side.engine.status(world.now)
        assert [sa.state for sa in status.ikev2_sas] == ["READY"]
        assert ups(side) == set(range(1, 11))
        assert len(side.plane.inbound) == len(side.plane.outbound) == 10
        assert {flow.selector for tunnel in status.tunnels for flow in tunnel.flows} == {
            sa.selector for tunnel in status.tunnels for flow in tunnel.flows for sa in flow.sas
        }


def test_flows_go_on_without_loss_through_rekeys_of_everything() -> None:
    def change(base: EngineSettings) -> EngineSettings:
        return with_tunnel(lines(5)(with_ikev2(base, lifetime=150)), lifetime_seconds=120)

    def other(base: EngineSettings) -> EngineSettings:
        return mirrored(change)(with_ikev2(base, lifetime=150))

    world = start(ikev2_world(5, change=change, change_b=other))
    world.traffic(0.5, world.now + 900.0)
    world.run(900.0)
    assert world.lost_at_peer == []
    assert world.a.downs == world.b.downs == 0
    assert len(world.a.plane.outbound) == len(world.b.plane.outbound) == 5


def test_a_refused_flow_leaves_the_ike_sa_and_the_others() -> None:
    def fewer(base: EngineSettings) -> EngineSettings:
        whole = mirrored(lines(3))(base)
        return with_tunnel(whole, flows=whole.tunnels[0].flows[1:])

    world = maps(6, lines(3), fewer)
    start(world, 20.0)
    assert ups(world.a) == {2, 3}
    assert [sa.state for sa in world.a.engine.status(world.now).ikev2_sas] == ["READY"]
    refused = world.a.engine.status(world.now).tunnels[0]
    assert "TS_UNACCEPTABLE" in str(refused.last_error)
    assert "other traffic selectors" in error(world.b)


def test_an_ike_sa_without_a_pair_in_common_stays_and_tries_again() -> None:
    """RFC 7296 section 2.21.2: an error of the pair in IKE_AUTH does not take the IKE SA along."""
    other = replace(TRANSFORM, encryption=ENCRYPTION_BY_NAME["aes-cbc-256"])
    world = up(
        ikev2_world(
            7,
            change=with_ikev2,
            change_b=lambda base: with_tunnel(with_ikev2(base), transform_sets=(other,)),
        )
    )
    assert not world.a.up
    for side in (world.a, world.b):
        assert [sa.state for sa in side.engine.status(world.now).ikev2_sas] == ["READY"]
    assert "transform set" in error(world.b) or "NO_PROPOSAL_CHOSEN" in error(world.b)
    world.b.settings = replace(world.b.settings, tunnels=world.a.settings.tunnels)
    world.b.settings = replace(
        world.b.settings,
        tunnels=(replace(world.a.settings.tunnels[0], local=world.b.address, remote=world.a.address),),
    )
    world.b.engine.configure(world.b.settings, world.now)
    world.b.drain()
    world.run(30.0)
    world.assert_converged()


def test_a_responder_with_less_narrows_and_both_have_that() -> None:
    less = Selector(IPv4Network("10.2.0.0/16"), IPv4Network("10.1.0.0/16"))
    world = start(
        maps(
            8,
            lambda base: with_tunnel(base, flows=(flow(1, ANY_IPV4),)),
            lambda base: passive(with_tunnel(base, flows=(flow(1, less),))),
        )
    )
    rows = [
        {sa.selector for tunnel in side.engine.status(world.now).tunnels for sa in tunnel.sas}
        for side in (world.a, world.b)
    ]
    assert rows == [{less.mirrored()}, {less}]


def test_mixed_mode_carries_both_families_in_one_pair() -> None:
    def change(base: EngineSettings) -> EngineSettings:
        both = FlowSettings(TUNNEL, 0, ANY_IPV4, PHASE_TWO, more=(ANY_IPV6,))
        return with_tunnel(with_ikev2(base), flows=(both,))

    world = up(ikev2_world(9, change=change))
    world.assert_converged()
    (child,) = world.a.engine._core.tunnels[TUNNEL].children
    assert (child.selector, child.more) == (ANY_IPV4, (ANY_IPV6,))


def test_nothing_is_negotiated_before_traffic_asks() -> None:
    world = start(maps(10, lines(2, on_demand=True)), 30.0)
    assert world.a.engine.status(world.now).ikev2_sas == ()
    world.send_packet(world.a, MAP, 2)
    world.run(5.0)
    assert ups(world.a) == ups(world.b) == {2}
    world.send_packet(world.b, MAP, 1)
    world.run(5.0)
    assert ups(world.a) == {1, 2}
    assert len(world.a.engine.status(world.now).ikev2_sas) == 1


@pytest.mark.parametrize("nat", [False, True])
def test_between_two_hosts_transport_mode_is_agreed(nat: bool) -> None:
    def change(base: EngineSettings) -> EngineSettings:
        (tunnel,) = base.tunnels
        hosts = Selector(IPv4Network(f"{tunnel.local}/32"), IPv4Network(f"{tunnel.remote}/32"), 47)
        sets = (replace(TRANSFORM, transport=True),)
        row = FlowSettings(TUNNEL, 0, hosts, replace(PHASE_TWO, transform_sets=sets), transport=True)
        return with_tunnel(with_ikev2(base), flows=(row,))

    world = up(ikev2_world(11, nat=nat, change=change), 20.0)
    world.assert_converged()
    assert {sa.transport for side in (world.a, world.b) for sa in side.plane.sas()} == {True}


def test_tunnel_mode_where_only_one_side_wants_transport() -> None:
    def change(transport: bool) -> Change:
        def with_mode(base: EngineSettings) -> EngineSettings:
            (tunnel,) = base.tunnels
            hosts = Selector(IPv4Network(f"{tunnel.local}/32"), IPv4Network(f"{tunnel.remote}/32"), 47)
            sets = (replace(TRANSFORM, transport=transport),)
            row = FlowSettings(TUNNEL, 0, hosts, replace(PHASE_TWO, transform_sets=sets), transport=True)
            return with_tunnel(with_ikev2(base), flows=(row,))

        return with_mode

    world = up(ikev2_world(12, change=change(True), change_b=change(False)), 20.0)
    world.assert_converged()
    assert {sa.transport for side in (world.a, world.b) for sa in side.plane.sas()} == {False}


def test_a_plane_that_refuses_the_inbound_sa_of_the_first_pair() -> None:
    """The responder answers all the same, and the pair is tried again."""
    world = ikev2_world(13)
    refused = [0]

    def refuse(side: Side, sa: object) -> str | None:
        refused[0] += 1
        return "no room" if refused[0] <= 2 else None

    world.refuse = refuse
    up(world, 60.0)
    world.assert_converged()


def test_another_version_of_ike_begins_anew() -> None:
    world = up(World(14))
    world.assert_converged()
    for side in (world.a, world.b):
        side.settings = with_ikev2(side.settings)
        side.engine.configure(side.settings, world.now)
        side.drain()
    for side in (world.a, world.b):
        side.initiate()
    world.run(20.0)
    world.assert_converged()
    assert [sa.state for sa in world.a.engine.status(world.now).ikev2_sas] == ["READY"]
    assert world.a.engine.status(world.now).isakmp_sas == ()


def test_perfect_forward_secrecy_of_one_side_alone() -> None:
    """A responder without it takes the group of a peer that wants it; one with another group names its own."""

    def change(base: EngineSettings) -> EngineSettings:
        return with_tunnel(with_ikev2(base), lifetime_seconds=120, pfs_group=19)

    def without(base: EngineSettings) -> EngineSettings:
        return passive(with_tunnel(with_ikev2(base), lifetime_seconds=3600))

    world = up(ikev2_world(15, change=change, change_b=without))
    world.traffic(1.0, world.now + 300.0)
    world.run(300.0)
    world.assert_converged()
    assert world.lost_at_peer == []
    assert {row.pfs_group for row in world.a.engine.status(world.now).tunnels[0].sas} == {19}


def test_a_response_that_is_lost_is_given_again_and_the_request_acts_once() -> None:
    world = up(ikev2_world(16, change=lambda base: with_tunnel(with_ikev2(base), lifetime_seconds=120)))
    dropped = [0]

    def forward(side: Side, path: object, data: bytes) -> bool:
        header = pull_header(data) if data != b"\xff" else None
        if header is not None and header.exchange == Exchange.CREATE_CHILD_SA and header.response and dropped[0] < 3:
            dropped[0] += 1
            return False
        return True

    world.forward = forward
    world.traffic(0.2, world.now + 200.0)
    world.run(200.0)
    assert dropped[0] == 3
    assert world.lost_at_peer == []
    world.assert_converged()
