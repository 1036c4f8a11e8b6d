"""GRE between two hosts: transport mode where both want it, behind a NAT too (RFC 3947 section 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network, ip_network

import pytest

from seikan.crypto.keys import phase2_iv
from seikan.ike.effects import Path
from seikan.ike.settings import EngineSettings, FlowSettings
from seikan.ike.v1.envelope import unseal
from seikan.ike.v1.quick import QuickMode
from seikan.wire.constants import EncapsulationMode, ExchangeType, Phase2Attribute
from seikan.wire.header import pull_header
from seikan.wire.message import Chain
from seikan.wire.payloads import NatOriginalAddress, Payload, SaPayload
from seikan.wire.selector import Selector
from seikan.wire.vendor import Vendor

from .pair.world import NAT, PHASE_TWO, TRANSFORM, TUNNEL, A, B, Side, World, with_tunnel
from .test_attacks import count
from .test_behaviour import passive, state_of

GRE = 47
TRANSPORT = replace(TRANSFORM, name="GRE", transport=True)


def gre(*, transport: bool = True) -> Callable[[EngineSettings], EngineSettings]:
    """Each side's tunnel protects GRE between its own two ends."""

    def change(base: EngineSettings) -> EngineSettings:
        (tunnel,) = base.tunnels
        selector = Selector(ip_network(tunnel.local), ip_network(tunnel.remote), GRE)
        sets = (TRANSPORT if transport else TRANSFORM,)
        flow = FlowSettings(TUNNEL, 0, selector, replace(PHASE_TWO, transform_sets=sets), transport=True)
        return with_tunnel(base, flows=(flow,))

    return change


def watch(world: World, side: Side) -> list[Chain]:
    """Message 1 of each quick mode that `side` begins, opened as the peer does."""
    found: list[Chain] = []

    def forward(sender: Side, path: Path, data: bytes) -> bool:
        header = pull_header(data)
        if sender is side and header.exchange is ExchangeType.QUICK:
            sa = side.engine._core.ike_sas[header.initiator_cookie, header.responder_cookie]
            if sa.keys is not None and not found:
                found.append(unseal(sa.keys, phase2_iv(sa.keys, sa.iv, header.message_id), header, data)[0])
        return True

    world.forward = forward
    return found


def of(chain: Chain, kind: type[Payload]) -> list[Payload]:
    return [payload for payload in chain.payloads if isinstance(payload, kind)]


def mode_of(chain: Chain) -> int:
    (payload,) = of(chain, SaPayload)
    assert isinstance(payload, SaPayload)
    attributes = payload.proposals[0].transforms[0].attributes
    return next(row.number for row in attributes if row.type == Phase2Attribute.ENCAPSULATION_MODE)


def start(world: World, seconds: float = 10.0) -> World:
    world.b.initiate()
    world.a.initiate()
    world.run(seconds)
    return world


@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"), [(True, True, True), (False, False, False), (False, True, False), (True, False, None)]
)
@pytest.mark.parametrize("nat", [False, True])
def test_the_agreed_mode(ours: bool, theirs: bool, agreed: bool | None, nat: bool) -> None:
    """A transport set takes a peer that asks for tunnel mode; a tunnel set takes nothing else."""
    world = World(1, nat=nat, change=gre(transport=ours), change_b=lambda base: passive(gre(transport=theirs)(base)))
    start(world)
    if agreed is None:
        assert not world.a.up
        assert state_of(world.b)[1]["ipsec mode"] == (
            ("tunnel in UDP", "transport in UDP") if nat else ("tunnel", "transport")
        )
        return
    world.assert_converged()
    for side in (world.a, world.b):
        rows = (*side.plane.inbound.values(), *side.plane.outbound.values())
        assert {sa.transport for sa in rows} == {agreed}
        assert {sa.udp_encapsulation for sa in rows} == {nat}
        (status,) = side.engine.status(world.now).tunnels
        assert [sa.transform.transport for sa in status.sas] == [agreed, agreed]
        assert status.flows[0].selector.protocol == GRE


def test_without_nat_no_original_addresses_are_sent() -> None:
    world = World(2, change=gre(), change_b=lambda base: passive(gre()(base)))
    found = watch(world, world.a)
    start(world)
    assert mode_of(found[0]) == EncapsulationMode.TRANSPORT
    assert of(found[0], NatOriginalAddress) == []


@pytest.mark.parametrize("draft", [False, True])
def test_behind_a_nat_both_sides_tell_their_addresses(draft: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if draft:
        monkeypatch.setattr("seikan.ike.v1.phase1.NAT_T_VENDORS", (Vendor.NAT_T_03,))
    answered: list[Payload] = []
    make = QuickMode._original_addresses

    def spy(sa: object, *, initiator: bool) -> list[Payload]:
        found = make(sa, initiator=initiator)  # type: ignore[arg-type]
        if not initiator:
            answered.extend(found)
        return found

    monkeypatch.setattr(QuickMode, "_original_addresses", staticmethod(spy))
    world = World(3, nat=True, change=gre(), change_b=lambda base: passive(gre()(base)))
    found = watch(world, world.a)
    start(world)
    world.assert_converged()
    assert mode_of(found[0]) == (EncapsulationMode.DRAFT_UDP_TRANSPORT if draft else EncapsulationMode.UDP_TRANSPORT)
    assert of(found[0], NatOriginalAddress) == [NatOriginalAddress(A, draft), NatOriginalAddress(B, draft)]
    assert answered == [NatOriginalAddress(NAT, draft), NatOriginalAddress(B, draft)]
    world.assert_nothing_left()


def test_each_side_of_a_nat_may_begin() -> None:
    """The one outside names the address it sees, the one inside its own: both are the same two hosts."""
    world = start(World(4, nat=True, change=gre()))
    world.assert_converged()
    (spi, sa) = next(iter(world.b.plane.outbound.items()))
    world.b.engine.expire(TUNNEL, spi, sa.direction, False, world.now)
    world.b.drain()
    world.run(60.0)
    world.assert_converged()
    assert count(world.a, "selectors_refused") == count(world.b, "selectors_refused") == 0
    assert count(world.b, "quick_modes_completed") == 2


@pytest.mark.parametrize(
    "selector",
    [
        Selector(ip_network(A), ip_network(B)),  # every protocol
        Selector(ip_network(A), ip_network(B), 17),
        Selector(IPv4Network("10.1.12.0/24"), ip_network(B), GRE),  # not one host
        Selector(ip_network(A), IPv4Network("198.51.100.1/32"), GRE),  # not our address
    ],
)
def test_behind_a_nat_it_must_still_be_gre_between_the_two_hosts(selector: Selector) -> None:
    def other(base: EngineSettings) -> EngineSettings:
        (flow,) = gre()(base).tunnels[0].flows
        return with_tunnel(base, flows=(replace(flow, selector=selector),))

    world = World(5, nat=True, change=other, change_b=lambda base: passive(gre()(base)))
    start(world)
    assert not world.b.plane.inbound
    assert count(world.b, "selectors_refused") >= 1


def test_without_a_nat_another_address_is_another_host() -> None:
    def other(base: EngineSettings) -> EngineSettings:
        (flow,) = gre()(base).tunnels[0].flows
        wrong = replace(flow.selector, local=IPv4Network("192.168.7.7/32"))
        return with_tunnel(base, flows=(replace(flow, selector=wrong),))

    world = World(6, change=other, change_b=lambda base: passive(gre()(base)))
    start(world)
    assert not world.b.plane.inbound


def test_a_rekey_behind_a_nat_loses_nothing() -> None:
    world = start(World(7, nat=True, change=lambda base: with_tunnel(gre()(base), lifetime_seconds=120)))
    world.traffic(0.1, world.now + 500.0)
    world.run(500.0)
    assert world.lost_at_peer == []
    assert world.a.downs == world.b.downs == 0
    assert world.delivered > 9_000
