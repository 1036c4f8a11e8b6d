"""How sessions of unknown peers end, which profile they come by, and what the configuration does to them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

import pytest

from seikan.config.model import IdentityMatch, PreSharedKey
from seikan.ike.effects import Path
from seikan.ike.engine import ClearTarget
from seikan.ike.settings import EngineSettings
from seikan.wire.constants import ExchangeType
from seikan.wire.header import pull_header
from seikan.wire.secret import Secret

from .pair.hub import DOMAIN, GROUP_KEY, HUB, PROFILE, TEMPLATE, HubWorld, Spoke, hub_settings, ring
from .pair.world import KEY, PHASE_TWO, POLICY, Side, with_tunnel

# -- the end of a session --------------------------------------------------------------------------------------------


def test_clearing_ends_the_session_and_the_spoke_comes_back() -> None:
    world = HubWorld(40)
    spokes = [world.spoke(f"198.51.100.{number}") for number in (1, 2)]
    for spoke in spokes:
        world.connect(spoke)
    assert world.hub.engine.clear(ClearTarget.SESSION, world.now, peer=IPv4Address("198.51.100.1")) == 2
    world.hub.drain()
    assert set(world.hub.access) == {"Virtual-Access2"}
    assert world.hub.gone[0].reason == "clear crypto session"
    world.run(15.0)
    world.assert_exactly(spokes)
    assert world.access_of(spokes[0]) == "Virtual-Access1"
    assert world.hub.engine.clear(ClearTarget.SESSION, world.now, owner="Virtual-Access2") == 2
    world.hub.drain()
    assert set(world.hub.access) == {"Virtual-Access1"}
    assert world.hub.engine.clear(ClearTarget.SESSION, world.now, owner="Virtual-Access7") == 0


@pytest.mark.parametrize("target", [ClearTarget.SA, ClearTarget.ISAKMP])
def test_clearing_one_phase_keeps_the_interface(target: ClearTarget) -> None:
    world = HubWorld(41)
    spoke = world.spoke("198.51.100.1")
    world.connect(spoke)
    world.hub.engine.clear(target, world.now)
    world.hub.drain()
    world.run(60.0)
    world.assert_exactly([spoke])
    assert world.hub.gone == []


def test_the_spoke_clears() -> None:
    world = HubWorld(42)
    spoke = world.spoke("198.51.100.1")
    world.connect(spoke)
    for target in ClearTarget:
        spoke.engine.clear(target, world.now)
        spoke.drain()
        world.run(60.0)
        world.assert_exactly([spoke])
    assert world.hub.gone == []


def test_a_lifetime_that_ends_without_renewal_ends_the_session() -> None:
    short = replace(hub_settings().policies[0], lifetime=180)
    phase_two = replace(PHASE_TWO, lifetime_seconds=200)
    configured = hub_settings(
        policies=(short,),
        templates=(replace(TEMPLATE, phase_two=phase_two),),
        profiles=(replace(PROFILE, keepalive=None),),
    )
    world = HubWorld(43, configured=configured)
    spoke = world.spoke("198.51.100.1", change=lambda base: replace(base, keepalive=None))
    world.connect(spoke)
    spoke.attached = False
    world.run(185.0)
    assert set(world.hub.access) == {"Virtual-Access1"}, "its pair still lives"
    world.run(20.0)
    world.assert_empty()
    assert world.hub.gone[0].reason == "lifetime of the IPsec SA expired"


def test_a_spoke_that_never_gets_a_pair_does_not_keep_its_interface_for_ever() -> None:
    """It authenticates and dies before quick mode; nothing but phase 1 would notice within a day."""
    world = HubWorld(44, configured=hub_settings(profiles=(replace(PROFILE, keepalive=None),)))
    spoke = world.spoke("198.51.100.1")
    world.forward = lambda side, path, data: pull_header(data).exchange is not ExchangeType.QUICK
    world.connect(spoke, seconds=2.0)
    assert set(world.hub.access) == {"Virtual-Access1"}
    spoke.crash()
    world.run(130.0)
    world.assert_empty()
    assert "has no IPsec SA" in world.hub.gone[0].reason


def test_a_spoke_whose_phase_2_does_not_fit_keeps_its_interface_and_the_reason() -> None:
    strict = replace(TEMPLATE, phase_two=replace(PHASE_TWO, pfs_group=19))
    world = HubWorld(45, configured=hub_settings(templates=(strict,)))
    spoke = world.spoke("198.51.100.1")
    world.connect(spoke, seconds=200.0)
    assert not spoke.up
    row = world.sessions()["Virtual-Access1"]
    assert row.session == "UP-IDLE"
    assert row.last_error == "no transform set in common with peer 198.51.100.1"
    assert [found.attribute for found in row.mismatches] == ["ipsec pfs"]
    assert world.counted("sessions_begun") == 1


def test_configuration_that_is_removed_ends_sessions_and_other_changes_do_not() -> None:
    world = HubWorld(46)
    spokes = [world.spoke("198.51.100.1"), world.spoke("198.51.100.2", identity=f"b.{DOMAIN}")]
    two = (PROFILE, replace(PROFILE, name="NAMED", identities=(IdentityMatch(host=f"b.{DOMAIN}"),), template=2))
    templates = (TEMPLATE, replace(TEMPLATE, number=2))
    base = hub_settings(profiles=two, templates=templates)

    def configure(**changes: object) -> None:
        world.hub.engine.configure(replace(base, **changes), world.now)  # type: ignore[arg-type]
        world.hub.drain()

    configure()
    world.connect(*spokes)
    world.assert_exactly(spokes)
    named = world.access_of(spokes[1])
    assert world.hub.access[named].template == 2
    pairs = set(world.hub.plane.inbound)
    longer = tuple(replace(row, phase_two=replace(PHASE_TWO, lifetime_seconds=600)) for row in templates)
    configure(templates=longer)
    world.run(1.0)
    assert set(world.hub.plane.inbound) == pairs
    configure(templates=longer, profiles=two[:1])
    assert [(row.name, row.reason) for row in world.hub.gone] == [(named, "isakmp profile NAMED has been removed")]
    configure(profiles=two[:1], templates=())
    assert not world.hub.access
    configure(profiles=(), templates=())
    world.run(60.0)
    assert not any(spoke.up for spoke in spokes)
    world.assert_empty()


def test_suspending_an_interface_ends_its_session() -> None:
    world = HubWorld(47)
    spoke = world.spoke("198.51.100.1")
    world.connect(spoke)
    world.hub.engine.suspend("Virtual-Access1", "the interface could not be made", world.now)
    world.hub.drain()
    assert world.hub.gone[0].reason == "the interface could not be made"
    assert not world.hub.access
    world.run(0.3)
    assert not spoke.up, "it was told"
    world.run(20.0)
    world.assert_exactly([spoke])
    assert world.counted("sessions_begun") == 2


def test_a_disabled_or_closed_hub_leaves_nothing() -> None:
    for how in ("disabled", "closed"):
        world = HubWorld(48)
        spokes = [world.spoke(f"198.51.100.{number}") for number in (1, 2)]
        world.connect(*spokes)
        if how == "closed":
            world.hub.engine.close(world.now)
        else:
            world.hub.engine.configure(hub_settings(enabled=False), world.now)
        world.hub.drain()
        world.run(1.0)
        assert not any(spoke.up for spoke in spokes), "they were told"
        world.run(10.0)
        if how == "disabled":
            world.assert_empty()


# -- which profile ---------------------------------------------------------------------------------------------------


def test_the_most_specific_profile_with_the_right_keyring() -> None:
    """The key that was used limits the profiles: one that matches better with another keyring is not for this peer."""
    rings = (
        ring(GROUP_KEY),
        ring(PreSharedKey(Secret(b"of the west"), IPv4Network("198.51.100.0/25")), name="WEST"),
    )

    def matches(network: str) -> tuple[IdentityMatch, ...]:
        return (IdentityMatch(network=IPv4Network(network)),)

    west_only = replace(PROFILE, keyrings=("WEST",))
    profiles = (
        replace(PROFILE, identities=matches("0.0.0.0/0")),
        replace(west_only, name="WEST", identities=matches("198.51.100.0/24"), template=2),
        replace(west_only, name="ONE", identities=matches("198.51.100.7/32"), template=3),
    )
    templates = tuple(replace(TEMPLATE, number=number) for number in (1, 2, 3))
    world = HubWorld(50, configured=hub_settings(keyrings=rings, profiles=profiles, templates=templates))
    west = Secret(b"of the west")
    spokes = [
        world.spoke("198.51.100.6", key=west),
        world.spoke("198.51.100.7", key=west),
        world.spoke("198.51.100.200"),  # in the network of WEST's identity, but not of its key
        world.spoke("198.51.100.8"),  # the group's key, though a more specific one is there for its address
    ]
    world.connect(*spokes, seconds=20.0)
    assert [spoke.up for spoke in spokes] == [True, True, True, False]
    found = [world.hub.access[world.access_of(spoke)] for spoke in spokes[:3]]
    assert [(row.profile, row.template) for row in found] == [("WEST", 2), ("ONE", 3), ("SPOKES", 1)]


def test_a_template_with_a_source_takes_spokes_that_come_there() -> None:
    elsewhere = replace(TEMPLATE, local=IPv4Address("192.0.2.1"))
    for templates, fits in (((elsewhere,), False), ((replace(TEMPLATE, local=HUB),), True)):
        world = HubWorld(51, configured=hub_settings(templates=templates))
        spoke = world.spoke("198.51.100.1")
        world.connect(spoke, seconds=20.0)
        assert spoke.up is fits
    world = HubWorld(52, configured=hub_settings(profiles=(replace(PROFILE, local=IPv4Address("192.0.2.1")),)))
    spoke = world.spoke("198.51.100.1")
    world.connect(spoke, seconds=20.0)
    assert not spoke.up


def test_global_keys_belong_to_profiles_without_keyring() -> None:
    profiles = (replace(PROFILE, keyrings=()),)
    world = HubWorld(53, configured=hub_settings(keys=(GROUP_KEY,), keyrings=(), profiles=profiles))
    spoke = world.spoke("198.51.100.1")
    world.connect(spoke)
    world.assert_exactly([spoke])


def test_self_identity_and_aggressive_mode_of_a_hub() -> None:
    """In aggressive mode the claimed name finds the key and tells which identity to answer with."""
    name = f"a.{DOMAIN}"
    key = PreSharedKey(Secret(b"of a alone"), hostname=name)
    configured = hub_settings(keyrings=(ring(key),), aggressive_mode=True)
    world = HubWorld(54, configured=configured)
    change = lambda base: with_tunnel(base, aggressive_identity=name)  # noqa: E731
    spoke = world.spoke("192.168.1.2", nat=world.nat("203.0.113.1"), key=Secret(b"of a alone"), change=change)
    world.connect(spoke)
    world.assert_exactly([spoke])
    assert world.hub.access["Virtual-Access1"].identity == name
    # The hub does not begin phase 1 with a peer that needs aggressive mode: the spoke does when its time comes.
    (sa,) = world.hub.engine._core.established
    world.hub.engine._tunnels.soft_expired(sa)
    world.hub.drain()
    assert not world.hub.engine._core.initiating
    world.run(60.0)
    world.assert_exactly([spoke])
    heard: list[bytes] = []

    def forward(side: Side, path: Path, data: bytes) -> bool:
        if side is world.hub and path.remote == IPv4Address("198.51.100.9"):
            heard.append(data)
        return True

    world.forward = forward
    other = world.spoke(
        "198.51.100.9", change=lambda base: with_tunnel(base, aggressive_identity="x.elsewhere.example")
    )
    world.connect(other, seconds=30.0)
    assert world.counted("strangers_without_key") >= 1
    assert heard == []


def test_a_key_that_is_taken_away_ends_the_session_for_good() -> None:
    """A spoke whose key is gone is not let in any more, and what it has goes with it."""
    world = HubWorld(60, configured=hub_settings())
    spoke = world.spoke("198.51.100.1")
    world.connect(spoke)
    other = PreSharedKey(Secret(b"of somebody else"), IPv4Network("203.0.113.0/24"))
    world.hub.engine.configure(replace(world.hub.settings, keyrings=(ring(other),)), world.now)
    world.hub.drain()
    assert world.hub.access == {}
    assert world.hub.gone[0].reason == "its pre-shared key has been removed"
    world.run(120.0)
    assert world.counted("phase1_completed") == 1
    assert not spoke.up
    world.assert_empty()


def test_a_spoke_that_does_not_answer_the_renewal_of_phase_1_is_gone() -> None:
    """Its pair would live for an hour more; without dead peer detection nothing else tells."""
    policies = (replace(POLICY, lifetime=120),)
    world = HubWorld(61, configured=hub_settings(policies=policies, profiles=(replace(PROFILE, keepalive=None),)))
    spokes = [world.spoke(f"198.51.100.{number}") for number in (1, 2)]
    world.connect(*spokes)
    spokes[0].attached = False
    # The other one is there, though its phase 1 cannot be renewed: its packets tell.
    blocked = spokes[1].address

    def forward(side: Side, path: Path, data: bytes) -> bool:
        return not (side is world.hub and path.remote == blocked and pull_header(data).exchange is ExchangeType.MAIN)

    world.forward = forward
    world.traffic(2.0, world.now + 400.0)
    world.run(300.0)
    (gone,) = world.hub.gone
    assert gone.reason == "peer 198.51.100.1 does not answer"
    assert world.hub.owners_up == set(world.hub.access) == {world.access_of(spokes[1])}


def test_spokes_over_ipv6() -> None:
    hub = IPv6Address("2001:db8::fe")
    everybody = PreSharedKey(KEY, ipv6_address=IPv6Interface("2001:db8::/32"))
    profile = replace(PROFILE, identities=(IdentityMatch(network=IPv6Network("2001:db8::/32")),))
    world = HubWorld(62, configured=hub_settings(keyrings=(ring(everybody),), profiles=(profile,)))
    world.hub.address = hub
    world.places[hub] = world.hub

    def change(base: EngineSettings) -> EngineSettings:
        return replace(base, keys=(everybody,), tunnels=(replace(base.tunnels[0], remote=hub),))

    spokes = [Spoke(world, f"V{n}", IPv6Address(f"2001:db8:{n}::1"), change=change) for n in (1, 2)]
    for spoke in spokes:
        world.places[spoke.address] = spoke
    world.connect(*spokes)
    world.assert_exactly(spokes)
    assert world.hub.access["Virtual-Access1"].identity in {"2001:db8:1::1", "2001:db8:2::1"}
