"""Dynamic crypto maps: flows that unknown peers ask for, within what an entry permits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from seikan.ike import dynamic
from seikan.ike.engine import ClearTarget
from seikan.ike.settings import (
    DynamicEntrySettings,
    DynamicMapSettings,
    EngineSettings,
    FlowSettings,
    TunnelSettings,
)
from seikan.wire.constants import ENCRYPTION_BY_NAME
from seikan.wire.selector import ANY_IPV4, Selector

from .pair.hub import GROUP_KEY, HUB, PROFILE, WAN, HubWorld, Spoke, lines, map_settings, ring
from .pair.world import PHASE_TWO, with_keepalive, with_tunnel

FIRST = 100 << 16 | 1  # of the map entry with sequence number 100
SITE = Selector(IPv4Network("10.0.0.0/8"), IPv4Network("10.0.0.0/8"))


def mapped(*rows: tuple[str, str]) -> Callable[[EngineSettings], EngineSettings]:
    """A spoke's crypto map with these lines."""
    return lambda base: with_tunnel(base, flows=lines(*rows))


def spoke(world: HubWorld, number: int, *rows: tuple[str, str], **options: object) -> Spoke:
    rows = rows or ((f"10.1.{number}.0/24", "10.9.0.0/16"),)
    return world.spoke(f"198.51.100.{number}", change=mapped(*rows), **options)  # type: ignore[arg-type]


def connect(world: HubWorld, *spokes: Spoke, seconds: float = 10.0) -> None:
    for row in spokes:
        row.engine.initiate(WAN, world.now)
        row.drain()
    world.run(seconds)


def keeping(base: EngineSettings) -> EngineSettings:
    """The hub looks after its peers."""
    return with_keepalive(base, 10)


def selectors(world: HubWorld) -> dict[int, Selector]:
    return {flow: row.selector for (_, flow), row in world.hub.dynamic.items()}


def test_flows_come_with_the_peers_and_go_with_them() -> None:
    world = HubWorld(1, configured=keeping(map_settings()))
    first = spoke(world, 1, ("10.1.1.0/24", "10.9.0.0/16"), ("10.1.2.0/24", "10.9.0.0/16"))
    second = spoke(world, 2, ("10.2.0.0/16", "10.9.0.0/16"))
    connect(world, first)
    connect(world, second)
    assert selectors(world) == {
        FIRST: Selector(IPv4Network("10.9.0.0/16"), IPv4Network("10.1.1.0/24")),
        FIRST + 1: Selector(IPv4Network("10.9.0.0/16"), IPv4Network("10.1.2.0/24")),
        FIRST + 2: Selector(IPv4Network("10.9.0.0/16"), IPv4Network("10.2.0.0/16")),
    }
    added = world.hub.dynamic[WAN, FIRST + 2]
    assert (added.remote, added.entry) == (IPv4Address("198.51.100.2"), 10)
    assert world.hub.owners_up == {WAN}
    assert set(world.hub.flows_up) == {(WAN, FIRST + number) for number in range(3)}
    rows = world.sessions()
    assert {row.identity for row in rows.values()} == {"198.51.100.1", "198.51.100.2"}
    assert all(row.dynamic and row.isakmp_profile is None for row in rows.values())
    assert world.hub.access == {}
    for number in (1, 2):
        first.engine.configure(with_tunnel(first.settings, flows=lines(("10.1.2.0/24", "10.9.0.0/16"))), world.now)
        first.drain()
        world.run(15.0)
        assert len(world.hub.dynamic) == 2, f"a flow without a pair goes ({number})"
    second.engine.suspend(WAN, "shut", world.now)
    second.drain()
    world.run(15.0)
    assert len(world.hub.dynamic) == 1
    third = spoke(world, 3)
    connect(world, third)
    assert len(selectors(world)) == 2
    assert min(selectors(world)) == FIRST, "the lowest free number"
    for row in (first, third):
        row.engine.suspend(WAN, "shut", world.now)
        row.drain()
    world.run(15.0)
    world.assert_empty()


def test_flows_are_rekeyed_by_either_side_without_loss() -> None:
    short = map_settings()
    (row,) = short.dynamic_maps
    entry = replace(row.entries[0], phase_two=replace(PHASE_TWO, lifetime_seconds=120))
    world = HubWorld(2, configured=keeping(replace(short, dynamic_maps=(replace(row, entries=(entry,)),))))
    peer = spoke(world, 1, ("10.1.1.0/24", "10.9.0.0/16"), ("10.1.2.0/24", "10.9.0.0/16"))
    connect(world, peer)
    before = selectors(world)
    world.traffic(0.2, world.now + 600.0)
    world.run(600.0)
    assert selectors(world) == before
    assert world.lost_at_peer == []
    assert world.hub.downs == peer.downs == 0
    assert world.counted("child_sas_installed") >= 10


def test_a_pair_that_runs_out_takes_its_flow_with_it() -> None:
    """Unused, and nobody renews it: no error, and the session stays while its phase 1 does."""
    world = HubWorld(3, configured=keeping(map_settings()))

    def change(base: EngineSettings) -> EngineSettings:
        short = with_tunnel(mapped(("10.1.1.0/24", "10.9.0.0/16"))(base), on_demand=True)
        return with_tunnel(short, lifetime_seconds=120)

    peer = world.spoke("198.51.100.1", change=change)
    connect(world, peer)
    world.send_packet(peer, WAN, 1)
    world.run(5.0)
    assert len(world.hub.dynamic) == 1
    world.run(150.0)
    assert world.hub.dynamic == {}
    assert len(world.sessions()) == 1
    assert not [text for text in world.hub.logs if "%CRYPTO-4" in text]
    world.send_packet(peer, WAN, 1)
    world.run(2.0)
    assert set(selectors(world)) == {FIRST}


def test_without_an_access_list_anything_but_all_the_world() -> None:
    world = HubWorld(4, configured=map_settings())
    everything = (FlowSettings(WAN, 1, ANY_IPV4, PHASE_TWO),)
    wrong = [
        world.spoke("198.51.100.1", change=lambda base: with_tunnel(base, flows=everything)),
        spoke(world, 2, ("0.0.0.0/0", "10.9.0.0/16")),  # everything would be behind it
    ]
    right = spoke(world, 3, ("10.3.0.0/16", "0.0.0.0/0"))  # all it has to say goes to the hub
    connect(world, *wrong, right, seconds=20.0)
    assert not any(row.up for row in wrong)
    assert set(selectors(world).values()) == {Selector(IPv4Network("0.0.0.0/0"), IPv4Network("10.3.0.0/16"))}
    assert world.counted("selectors_refused") >= 2


def test_an_access_list_permits_what_is_inside_one_of_its_lines() -> None:
    permits = (
        Selector(IPv4Network("10.9.0.0/16"), IPv4Network("10.1.0.0/16")),
        Selector(IPv4Network("10.9.9.0/24"), IPv4Network("10.2.0.0/16")),
    )
    world = HubWorld(5, configured=map_settings(*permits))
    fits = [spoke(world, 1, ("10.1.5.0/24", "10.9.0.0/16")), spoke(world, 2, ("10.2.5.0/24", "10.9.9.0/25"))]
    refused = [spoke(world, 3, ("10.2.6.0/24", "10.9.0.0/16")), spoke(world, 4, ("10.3.0.0/24", "10.9.0.0/16"))]
    connect(world, *fits, *refused, seconds=20.0)
    assert [row.up for row in (*fits, *refused)] == [True, True, False, False]
    # What a flow has is exactly what its peer asked for: less is another flow.
    fits[0].engine.configure(
        with_tunnel(fits[0].settings, flows=lines(("10.1.5.0/24", "10.9.0.0/16"), ("10.1.5.0/25", "10.9.0.0/16"))),
        world.now,
    )
    fits[0].drain()
    world.run(10.0)
    assert IPv4Network("10.1.5.0/25") in {row.remote for row in selectors(world).values()}


def test_of_the_lines_that_it_is_inside_the_first_decides() -> None:
    inside = Selector(IPv4Network("10.9.0.0/16"), IPv4Network("10.0.0.0/8"))
    early = Selector(IPv4Network("10.9.0.0/16"), IPv4Network("10.1.0.0/16"))
    denied = Selector(IPv4Network("10.9.0.0/16"), IPv4Network("10.1.0.0/24"))
    late = Selector(IPv4Network("10.9.0.0/16"), IPv4Network("10.2.0.0/16"))
    entry = DynamicEntrySettings(10, (early, inside), PHASE_TWO, denied=((0, denied), (1, early), (2, late)))
    world = HubWorld(9, configured=map_settings(dynamic_maps=(DynamicMapSettings(WAN, HUB, 100, (entry,)),)))
    fits = [
        spoke(world, 1, ("10.1.5.0/24", "10.9.0.0/16")),  # permitted before it is denied
        spoke(world, 2, ("10.2.0.0/24", "10.9.0.0/16")),  # likewise
    ]
    refused = [spoke(world, 3, ("10.1.0.128/25", "10.9.0.0/16")), spoke(world, 4, ("10.1.0.0/24", "10.9.9.0/24"))]
    connect(world, *fits, *refused, seconds=20.0)
    assert [row.up for row in (*fits, *refused)] == [True, True, False, False]


def test_the_entry_that_fits_in_selectors_phase_2_and_profile_is_taken() -> None:
    gcm = replace(PHASE_TWO.transform_sets[0], encryption=ENCRYPTION_BY_NAME["aes-gcm-16-256"], integrity=None)
    strong = replace(PHASE_TWO, transform_sets=(gcm,))
    entries = (
        DynamicEntrySettings(5, (), PHASE_TWO, "NAMED"),
        DynamicEntrySettings(10, (), strong),
        DynamicEntrySettings(20, (), PHASE_TWO),
    )
    world = HubWorld(6, configured=map_settings(dynamic_maps=(DynamicMapSettings(WAN, HUB, 100, entries),)))
    plain = spoke(world, 1)

    def change(base: EngineSettings) -> EngineSettings:
        return with_tunnel(mapped(("10.2.0.0/16", "10.9.0.0/16"))(base), transform_sets=(gcm,))

    gcm_spoke = world.spoke("198.51.100.2", change=change)
    connect(world, plain, gcm_spoke)
    assert {row.remote: row.entry for row in world.hub.dynamic.values()} == {
        IPv4Address("198.51.100.1"): 20,
        IPv4Address("198.51.100.2"): 10,
    }


def test_only_peers_of_the_profile_where_one_is_asked_for() -> None:
    profile = replace(PROFILE, name="MAPS", keyrings=("SPOKES",), template=None)
    configured = map_settings(profile="MAPS", profiles=(profile,), keyrings=(ring(GROUP_KEY),), keys=())
    world = HubWorld(7, configured=configured)
    peer = spoke(world, 1)
    connect(world, peer)
    assert peer.up
    (row,) = world.sessions().values()
    assert row.isakmp_profile == "MAPS"
    # The same peer, proved by a key that is none of the profile's: its exchange is not even begun.
    world = HubWorld(8, configured=replace(configured, keys=(GROUP_KEY,), keyrings=(ring(),)))
    peer = spoke(world, 1)
    connect(world, peer)
    assert world.counted("strangers_without_key") >= 1
    assert world.hub.engine.status(world.now).isakmp_sas == ()


def test_a_virtual_template_comes_before_the_map() -> None:
    both = map_settings(profiles=(PROFILE,), keyrings=(ring(GROUP_KEY),), keys=())
    world = HubWorld(9, configured=replace(both, templates=HubWorld(9).hub.settings.templates))
    peer = world.spoke("198.51.100.1")
    world.connect(peer)
    assert set(world.hub.access) == {"Virtual-Access1"}
    assert world.hub.dynamic == {}


def test_behind_one_nat() -> None:
    world = HubWorld(10, configured=keeping(map_settings()))
    nat = world.nat("203.0.113.1")
    peers = [
        world.spoke("192.168.1.2", nat=nat, change=mapped((f"10.{number}.0.0/16", "10.9.0.0/16"))) for number in (1, 2)
    ]
    connect(world, peers[0])
    connect(world, peers[1])
    assert all(row.up for row in peers)
    assert len(world.hub.dynamic) == 2
    nat.rebind()
    world.traffic(1.0, world.now + 20.0)
    world.run(25.0)
    assert all(row.downs == 0 for row in peers)
    ports = {sa.path.remote_port for sa in world.hub.plane.sas()}
    assert ports == {nat.ports[row, 4500] for row in peers}


# -- whose traffic it is ---------------------------------------------------------------------------------------------


def test_traffic_of_a_peer_that_lives_is_not_given_to_another() -> None:
    world = HubWorld(20, configured=map_settings())
    holder = spoke(world, 1)
    thief = spoke(world, 66, ("10.1.1.0/24", "10.9.0.0/16"))
    connect(world, holder)
    connect(world, thief, seconds=60.0)
    assert holder.up
    assert not thief.up
    assert {row.remote for row in world.hub.dynamic.values()} == {IPv4Address("198.51.100.1")}
    assert world.counted("flow_conflicts") >= 2
    (row,) = (row for row in world.sessions().values() if row.remote == IPv4Address("198.51.100.66"))
    assert row.last_error is not None
    assert "198.51.100.66 asks for traffic that 198.51.100.1 has" in "\n".join(world.hub.logs)


@pytest.mark.parametrize("asked", ["10.1.1.7/32", "10.0.0.0/8"])
def test_traffic_that_overlaps_with_that_of_a_peer_that_lives_is_not_given_to_another(asked: str) -> None:
    """Neither a part of it, nor more than it."""
    world = HubWorld(24, configured=map_settings())
    holder, thief = spoke(world, 1), spoke(world, 66, (asked, "10.9.0.0/16"))
    connect(world, holder)
    connect(world, thief, seconds=30.0)
    assert {row.remote for row in world.hub.dynamic.values()} == {IPv4Address("198.51.100.1")}
    assert holder.up
    assert not thief.up
    neighbour = spoke(world, 2, ("10.1.2.0/24", "10.9.0.0/16"))
    connect(world, neighbour)
    assert neighbour.up


def test_no_part_of_a_configured_peers_traffic_goes_to_another() -> None:
    """In no part of the map, and what it may not have it cannot pretend to have sent either."""
    selector = Selector(IPv4Network("10.9.0.0/16"), IPv4Network("10.1.0.0/16"))
    owner = f"{WAN} 20"
    flows = (FlowSettings(owner, 7, selector, PHASE_TWO),)
    static = TunnelSettings("static", HUB, IPv4Address("198.51.100.200"), flows)
    world = HubWorld(25, configured=map_settings(tunnels=(static,)))
    thief = spoke(world, 1)
    connect(world, thief, seconds=20.0)
    assert not thief.up
    assert world.hub.dynamic == {}


def test_half_of_the_world_is_too_much_without_an_access_list() -> None:
    world = HubWorld(26, configured=map_settings())
    greedy = spoke(world, 1, ("0.0.0.0/1", "10.9.0.0/16"), ("128.0.0.0/1", "10.9.0.0/16"))
    connect(world, greedy, seconds=20.0)
    assert world.hub.dynamic == {}


def test_traffic_of_a_peer_that_is_gone_goes_to_the_next() -> None:
    """A site whose address has changed, and whose address is its identity."""
    world = HubWorld(21, configured=map_settings())
    holder = spoke(world, 1)
    connect(world, holder)
    holder.crash()
    heir = spoke(world, 2, ("10.1.1.0/24", "10.9.0.0/16"))
    connect(world, heir, seconds=20.0)
    assert heir.up
    assert {row.remote for row in world.hub.dynamic.values()} == {IPv4Address("198.51.100.2")}
    assert len(world.sessions()) == 1


def test_traffic_of_a_configured_peer_stays_with_it() -> None:
    selector = Selector(IPv4Network("10.9.0.0/16"), IPv4Network("10.1.1.0/24"))
    static = TunnelSettings("static", HUB, IPv4Address("198.51.100.200"), (FlowSettings(WAN, 7, selector, PHASE_TWO),))
    world = HubWorld(22, configured=map_settings(tunnels=(static,)))
    thief = spoke(world, 1)
    connect(world, thief, seconds=20.0)
    assert not thief.up
    assert world.hub.dynamic == {}


def test_a_peer_cannot_make_flows_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamic, "MAX_FLOWS_OF_PEER", 5)
    world = HubWorld(23, configured=map_settings())
    greedy = spoke(world, 1, *((f"10.1.{number}.0/24", "10.9.0.0/16") for number in range(10)))
    connect(world, greedy, seconds=30.0)
    assert len(world.hub.dynamic) == 5
    assert world.counted("flows_of_peer_limit") >= 5


# -- the owner and the configuration ---------------------------------------------------------------------------------


def test_an_owner_that_cannot_run_has_no_peers() -> None:
    world = HubWorld(30, configured=map_settings())
    peer = spoke(world, 1)
    connect(world, peer)
    world.hub.engine.suspend(WAN, "line protocol is down", world.now)
    world.hub.drain()
    world.run(20.0)
    assert not peer.up
    world.assert_empty()
    assert world.counted("tunnel_not_able") >= 1
    world.hub.engine.initiate(WAN, world.now)
    world.run(20.0)
    assert peer.up


def test_flows_that_an_entry_permits_no_more_go() -> None:
    world = HubWorld(31, configured=map_settings(SITE))
    peer = spoke(world, 1, ("10.1.1.0/24", "10.9.0.0/16"), ("10.2.0.0/16", "10.9.0.0/16"))
    connect(world, peer)
    assert len(world.hub.dynamic) == 2
    pairs = {sa.spi for sa in world.hub.plane.inbound.values() if sa.flow == FIRST}
    less = Selector(IPv4Network("10.0.0.0/8"), IPv4Network("10.1.0.0/16"))
    world.hub.engine.configure(map_settings(less), world.now)
    world.hub.drain()
    assert {row.selector.remote for row in world.hub.dynamic.values()} == {IPv4Network("10.1.1.0/24")}
    assert set(world.hub.plane.inbound) == pairs
    world.hub.engine.configure(map_settings(less, dynamic_maps=()), world.now)
    world.hub.drain()
    assert world.hub.dynamic == {}
    assert world.hub.engine.status(world.now).tunnels == ()


def test_clearing_a_peer() -> None:
    world = HubWorld(32, configured=map_settings())
    peers = [spoke(world, 1), spoke(world, 2)]
    connect(world, *peers)
    assert world.hub.engine.clear(ClearTarget.SESSION, world.now, peer=IPv4Address("198.51.100.2")) == 2
    world.hub.drain()
    assert {row.remote for row in world.hub.dynamic.values()} == {IPv4Address("198.51.100.1")}
    world.run(20.0)
    assert len(world.hub.dynamic) == 2
    assert world.hub.engine.clear(ClearTarget.SESSION, world.now, owner=WAN) == 4
    world.hub.drain()
    assert world.hub.dynamic == {}
