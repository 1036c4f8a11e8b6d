"""Spokes that the hub does not know: what an operator expects of each kind of them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from seikan.config.model import IdentityMatch, PreSharedKey
from seikan.ike.effects import Path
from seikan.ike.engine import ClearTarget
from seikan.ike.settings import EngineSettings
from seikan.wire.constants import ExchangeType
from seikan.wire.header import pull_header
from seikan.wire.secret import Secret

from .pair.hub import DOMAIN, GROUP_KEY, HUB, PROFILE, TEMPLATE, HubWorld, hub_settings, ring
from .pair.world import KEY, PHASE_TWO, POLICY, Side, with_tunnel


def test_each_spoke_gets_an_interface_of_its_own() -> None:
    world = HubWorld(1)
    spokes = [world.spoke(f"198.51.100.{number}") for number in range(1, 6)]
    world.connect(*spokes)
    world.assert_exactly(spokes)
    assert set(world.hub.access) == {f"Virtual-Access{number}" for number in range(1, 6)}
    made = world.hub.access[world.access_of(spokes[2])]
    assert (made.template, made.profile, made.identity) == (1, "SPOKES", "198.51.100.3")
    assert made.path == Path(HUB, 500, IPv4Address("198.51.100.3"), 500)
    row = world.sessions()[made.name]
    assert (row.dynamic, row.isakmp_profile, row.identity, row.session) == (True, "SPOKES", "198.51.100.3", "UP-ACTIVE")
    assert {(flow.owner, flow.number, flow.up) for flow in row.flows} == {(made.name, 0, True)}
    for spoke in spokes:
        spoke.leave()
    world.run(10.0)
    assert {row.reason for row in world.hub.gone} == {"the peer deleted the IPsec SA"}
    world.assert_empty()


def test_an_interface_lives_through_rekeys_and_reauthentication() -> None:
    """Whoever renews first; the hub too begins phase 1 with a spoke that lives."""
    policies = (replace(POLICY, lifetime=150),)
    phase_two = replace(PHASE_TWO, lifetime_seconds=120)
    world = HubWorld(2, configured=hub_settings(policies=policies, templates=(replace(TEMPLATE, phase_two=phase_two),)))
    nat = world.nat("203.0.113.1")

    def short(base: EngineSettings) -> EngineSettings:
        return replace(base, policies=policies)

    spokes = [
        world.spoke("198.51.100.1", change=short),
        world.spoke("192.168.1.2", nat=nat, change=short),
        world.spoke("198.51.100.3", identity=f"a.{DOMAIN}", change=short),
        world.spoke("192.168.1.4", nat=nat, identity=f"b.{DOMAIN}", change=short),
    ]
    world.connect(*spokes)
    world.traffic(0.2, world.now + 900.0)
    world.run(900.0)
    assert world.lost_at_peer == []
    assert world.hub.gone == []
    assert world.hub.moves == []
    assert world.counted("phase1_completed") >= 4 * 5
    assert all(spoke.downs == 0 for spoke in spokes)
    assert world.hub.downs == 0
    initiators = [sa for sa in world.hub.engine.status(world.now).isakmp_sas if sa.initiator]
    assert len(initiators) < 4, "mostly the spokes renew"


def test_the_hub_renews_what_lives() -> None:
    world = HubWorld(3)
    spoke = world.spoke("198.51.100.1")
    world.connect(spoke)
    world.forward = lambda side, path, data: side is world.hub or pull_header(data).exchange is not ExchangeType.MAIN
    (sa,) = world.hub.engine._core.established
    world.hub.engine._tunnels._soft_expired(sa)
    world.hub.drain()
    world.forward = lambda side, path, data: True
    world.run(40.0)
    assert world.counted("phase1_completed") == 2
    world.assert_exactly([spoke])
    # Once the session is gone nothing is begun.
    spoke.crash()
    world.run(60.0)
    sent = world.counted("messages_sent")
    world.run(600.0)
    assert world.counted("messages_sent") == sent
    world.assert_empty()


# -- behind NATs -----------------------------------------------------------------------------------------------------


def test_a_spoke_behind_a_nat() -> None:
    world = HubWorld(10)
    spoke = world.spoke("192.168.1.2", nat=world.nat("203.0.113.1"))
    world.connect(spoke)
    world.assert_exactly([spoke])
    made = world.hub.access["Virtual-Access1"]
    assert made.identity == "192.168.1.2"
    assert made.path.remote == IPv4Address("203.0.113.1")
    assert made.path.local_port == 4500
    assert world.sessions()["Virtual-Access1"].remote_port == made.path.remote_port
    assert all(sa.udp_encapsulation for sa in world.hub.plane.sas())
    spoke.leave()
    world.run(10.0)
    world.assert_empty()


@pytest.mark.parametrize("identity", [False, True])
def test_two_behind_one_nat_are_two(identity: bool) -> None:
    """Also where both have the same private address."""
    world = HubWorld(11)
    nat = world.nat("203.0.113.1")
    names = (f"a.{DOMAIN}", f"b.{DOMAIN}") if identity else (None, None)
    first, second = (world.spoke("192.168.1.2", nat=nat, identity=name) for name in names)
    world.connect(first)
    world.connect(second)
    world.assert_exactly([first, second])
    assert world.access_of(first) == "Virtual-Access1"
    assert world.counted("identities_probed") == (0 if identity else 1)
    world.run(300.0)
    world.assert_exactly([first, second])
    first.leave()
    world.run(15.0)
    world.assert_exactly([second])
    assert world.access_of(second) == "Virtual-Access2"


def test_the_same_private_address_behind_two_nats_is_two() -> None:
    world = HubWorld(12)
    spokes = [world.spoke("192.168.1.2", nat=world.nat(f"203.0.113.{number}")) for number in (1, 2)]
    world.connect(*spokes)
    world.assert_exactly(spokes)
    assert world.counted("identities_probed") == 0


@pytest.mark.parametrize("mover", ["esp", "ike"])
@pytest.mark.parametrize("what", ["port", "address"])
def test_a_nat_that_rebinds(mover: str, what: str) -> None:
    world = HubWorld(13)
    nat = world.nat("203.0.113.1")
    spoke = world.spoke("192.168.1.2", nat=nat)
    world.connect(spoke)
    before = world.hub.access["Virtual-Access1"].path
    if what == "port":
        nat.rebind()
    else:
        nat.readdress(IPv4Address("203.0.113.9"))
    if mover == "esp":
        world.traffic(1.0, world.now + 20.0)
    world.run(25.0)
    after = world.hub.access["Virtual-Access1"].path
    assert after != before
    assert [move.path for move in world.hub.moves][-1] == after
    assert {sa.path for sa in world.hub.plane.sas()} == {after}
    world.assert_exactly([spoke])
    row = world.sessions()["Virtual-Access1"]
    assert (row.remote, row.remote_port) == (after.remote, after.remote_port)
    assert world.hub.downs == spoke.downs == 0
    assert world.hub.engine.clear(ClearTarget.SESSION, world.now, peer=after.remote) > 0
    assert world.hub.engine.clear(ClearTarget.SESSION, world.now, peer=before.remote) == 0


def test_a_restart_behind_a_nat_that_rebound() -> None:
    """Only the port has changed: the old one is asked in vain, and the spoke has its interface again."""
    world = HubWorld(14)
    nat = world.nat("203.0.113.1")
    spoke = world.spoke("192.168.1.2", nat=nat)
    world.connect(spoke)
    spoke.crash()
    nat.rebind()
    world.run(1.0)
    world.restart(spoke)
    world.run(12.0)
    assert spoke.up
    assert set(world.hub.access) == {"Virtual-Access1"}
    world.run(60.0)
    world.assert_exactly([spoke])
    assert world.counted("sessions_begun") == 1
    assert len(world.hub.moves) == 1


# -- moving, connecting twice, restarting, sleeping ------------------------------------------------------------------


@pytest.mark.parametrize("own_key", [False, True])
def test_a_changing_address_with_a_name(own_key: bool) -> None:
    """Same session, same number; the old pair stays until the new one is in."""
    name = f"a.{DOMAIN}"
    configured, change = hub_settings(), lambda base: base
    if own_key:  # a name's own key is found in aggressive mode only
        key = PreSharedKey(Secret(b"of a alone"), hostname=name)
        configured = hub_settings(keyrings=(ring(GROUP_KEY, key),), aggressive_mode=True)
        change = lambda base: with_tunnel(base, aggressive_identity=name)  # noqa: E731
    world = HubWorld(20, configured=configured)
    spoke = world.spoke(
        "198.51.100.1", identity=name, change=change, key=Secret(b"of a alone") if own_key else Secret(b"LoopedBack!!!")
    )
    world.connect(spoke)
    assert set(world.hub.access) == {"Virtual-Access1"}
    spoke.readdress(IPv4Address("198.51.100.77"))
    world.run(1.0 if own_key else 12.0)
    assert spoke.up
    assert world.hub.access["Virtual-Access1"].path.remote == IPv4Address("198.51.100.77")
    assert world.hub.downs == 0, "the interface stays up all the while"
    world.run(60.0)
    world.assert_exactly([spoke])
    assert world.counted("identities_probed") == (0 if own_key else 1)
    assert world.counted("sessions_begun") == 1
    spoke.leave()
    world.run(10.0)
    world.assert_empty()


def test_a_changing_address_that_is_the_identity_is_another_session() -> None:
    world = HubWorld(21)
    spoke = world.spoke("198.51.100.1")
    world.connect(spoke)
    spoke.readdress(IPv4Address("198.51.100.77"))
    world.run(60.0)
    world.assert_exactly([spoke])
    assert world.access_of(spoke) == "Virtual-Access2"
    assert [row.name for row in world.hub.gone] == ["Virtual-Access1"]
    assert "dead peer detection" in world.hub.gone[0].reason


def test_a_spoke_that_connects_twice_has_one_interface() -> None:
    world = HubWorld(22)
    spoke = world.spoke("198.51.100.1")
    world.connect(spoke)
    for _ in range(3):
        (tunnel,) = spoke.engine._core.tunnels.values()
        spoke.engine._tunnels.main.start(tunnel)
        spoke.drain()
        world.run(2.0)
    assert world.counted("phase1_completed") == 4
    assert set(world.hub.access) == {"Virtual-Access1"}
    world.run(60.0)
    world.assert_exactly([spoke])
    assert world.hub.downs == 0


def test_a_spoke_that_comes_back_with_another_identity_leaves_nothing_behind() -> None:
    world = HubWorld(49)
    spoke, other = world.spoke("198.51.100.1", identity=f"a.{DOMAIN}"), world.spoke("198.51.100.2")
    world.connect(spoke, other)
    before = world.access_of(spoke)
    spoke.identity = None
    spoke.settings = spoke._configured(spoke.address)
    world.restart(spoke)
    world.run(20.0)
    world.assert_exactly([spoke, other])
    assert world.access_of(spoke) != before
    reason = "the peer at 198.51.100.1 has another identity now: 198.51.100.1"
    assert [(row.name, row.reason) for row in world.hub.gone] == [(before, reason)]


@pytest.mark.parametrize("contact", [True, False])
def test_a_restart_without_goodbye(contact: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With INITIAL-CONTACT or without: the same session, and the old pair goes when the new one is in."""
    if not contact:
        monkeypatch.setattr("seikan.ike.v1.phase1.Phase1.initial_contact", lambda self, sa: [])
    world = HubWorld(23)
    spoke = world.spoke("198.51.100.1")
    world.connect(spoke)
    spoke.crash()
    world.run(2.0)
    world.restart(spoke)
    world.run(2.0)
    assert spoke.up
    assert world.hub.downs == 0
    assert len(world.hub.plane.inbound) == (1 if contact else 2)
    world.run(80.0)
    world.assert_exactly([spoke])
    assert world.counted("sessions_begun") == 1


def test_a_sleeper_is_gone_and_has_its_number_again() -> None:
    world = HubWorld(24)
    spokes = [world.spoke(f"198.51.100.{number}") for number in (1, 2, 3)]
    world.connect(*spokes)
    before = {spoke: world.access_of(spoke) for spoke in spokes}
    world.sleep(spokes[1], 120.0)
    world.run(60.0)
    world.assert_exactly([spokes[0], spokes[2]])
    (gone,) = world.hub.gone
    assert gone.name == before[spokes[1]]
    assert gone.reason == "peer 198.51.100.2 does not answer dead peer detection"
    other = world.spoke("198.51.100.50")
    world.connect(other)
    assert world.access_of(other) == "Virtual-Access4", "the number waits for its holder"
    world.run(120.0)
    world.assert_exactly([*spokes, other])
    assert {spoke: world.access_of(spoke) for spoke in spokes} == before


def test_a_number_is_free_after_a_long_absence() -> None:
    world = HubWorld(25)
    first, second = world.spoke("198.51.100.1"), world.spoke("198.51.100.2")
    world.connect(first)
    first.leave()
    world.run(700.0)
    world.connect(second)
    assert world.access_of(second) == "Virtual-Access1"


# -- somebody else's identity ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dpd", [True, False])
def test_an_identity_in_use_from_a_live_address_is_not_given_away(dpd: bool) -> None:
    """Whatever keepalive is configured the holder is asked; where it cannot be, its traffic tells."""
    name = f"a.{DOMAIN}"
    world = HubWorld(30, configured=hub_settings(profiles=(replace(PROFILE, keepalive=None),)))
    quiet = lambda base: replace(base, keepalive=None)  # noqa: E731
    holder = world.spoke("198.51.100.1", identity=name, change=quiet)
    world.connect(holder)
    if not dpd:
        for sa in world.hub.engine._core.established:
            sa.dpd = False
        world.traffic(0.5, world.now + 60.0)
    thief = world.spoke("198.51.100.66", identity=name)
    heard: list[bytes] = []

    def forward(side: Side, path: Path, data: bytes) -> bool:
        if side is world.hub and path.remote == thief.address and pull_header(data).encrypted:
            heard.append(data)
        return True

    world.forward = forward
    world.connect(thief, seconds=30.0)
    assert not thief.up
    assert heard == [], "not even our identity is told"
    assert world.counted("identity_theft") >= 1
    assert any(
        f"198.51.100.66:500 with identity {name} refused: the identity is in use from 198.51.100.1" in text
        for text in world.hub.logs
    )
    thief.crash()
    world.run(60.0)
    world.assert_exactly([holder])
    assert world.hub.downs == holder.downs == 0
    assert world.hub.moves == []


def test_an_identity_whose_holder_is_dead_is_taken_over() -> None:
    name = f"a.{DOMAIN}"
    world = HubWorld(31)
    holder, heir = world.spoke("198.51.100.1", identity=name), world.spoke("198.51.100.2", identity=name)
    world.connect(holder)
    holder.crash()
    world.connect(heir, seconds=8.0)
    assert heir.up
    assert set(world.hub.access) == {"Virtual-Access1"}
    world.run(60.0)
    world.assert_exactly([heir])


def test_two_that_claim_one_identity_at_once() -> None:
    """The holder is dead and both newcomers wait for that to be clear: one gets it, the other is told nothing."""
    name = f"a.{DOMAIN}"
    world = HubWorld(32)
    holder, *heirs = (world.spoke(f"198.51.100.{number}", identity=name) for number in (1, 2, 3))
    world.connect(holder)
    holder.crash()
    world.connect(*heirs, seconds=60.0)
    assert [spoke.up for spoke in heirs].count(True) == 1
    assert set(world.hub.access) == {"Virtual-Access1"}


def test_a_name_with_a_key_of_its_own_cannot_be_claimed_with_the_key_of_all() -> None:
    name = f"a.{DOMAIN}"
    key = PreSharedKey(Secret(b"of a alone"), hostname=name)
    world = HubWorld(33, configured=hub_settings(keyrings=(ring(GROUP_KEY, key),), aggressive_mode=True))
    thief = world.spoke("198.51.100.66", identity=name)
    world.connect(thief, seconds=20.0)
    assert not thief.up
    assert not world.hub.access
    assert world.counted("identity_theft") >= 1


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
    short = replace(hub_settings().policies[0], lifetime=120)
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
    world.run(150.0)
    assert set(world.hub.access) == {"Virtual-Access1"}, "its pair still lives"
    world.run(200.0)
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


def test_a_spoke_whose_key_or_identity_is_taken_away_goes_at_once_and_no_other() -> None:
    world = HubWorld(48)
    own = PreSharedKey(KEY, IPv4Network("198.51.100.1/32"))
    spokes = [world.spoke("198.51.100.1"), world.spoke("198.51.100.2", identity=f"b.{DOMAIN}")]
    base = hub_settings(keyrings=(ring(own, GROUP_KEY),))

    def gone(**changes: object) -> list[tuple[str, str]]:
        world.hub.gone.clear()
        world.hub.engine.configure(replace(base, **changes), world.now)  # type: ignore[arg-type]
        world.hub.drain()
        return [(row.name, row.reason) for row in world.hub.gone]

    assert not gone()
    world.connect(*spokes)
    named = world.access_of(spokes[1])
    assert not gone(keyrings=(ring(GROUP_KEY),)), "the other key is there for it"
    other = replace(GROUP_KEY, key=Secret(b"another"))
    assert not gone(keyrings=(ring(other),)), "a new key is for the next phase 1"
    assert not gone(keyrings=(ring(GROUP_KEY),))
    assert gone(keyrings=(ring(own),)) == [(named, "its pre-shared key has been removed")]
    only_names = replace(PROFILE, identities=(IdentityMatch(domain=DOMAIN),))
    assert [reason for _, reason in gone(profiles=(only_names,))] == ["no isakmp profile matches its identity any more"]
    assert not world.hub.access


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
    world.hub.engine._tunnels._soft_expired(sa)
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
