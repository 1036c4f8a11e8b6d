"""Spokes that the hub does not know: what an operator expects of each kind of them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from seikan.config.model import PreSharedKey
from seikan.ike.effects import Path
from seikan.ike.engine import ClearTarget
from seikan.ike.settings import EngineSettings
from seikan.wire.constants import ExchangeType
from seikan.wire.header import pull_header
from seikan.wire.secret import Secret

from .pair.hub import DOMAIN, GROUP_KEY, HUB, PROFILE, TEMPLATE, HubWorld, hub_settings, ring
from .pair.world import PHASE_TWO, POLICY, Side, with_tunnel


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
    world.hub.engine._tunnels.soft_expired(sa)
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
        spoke.engine._tunnels.v1.main.start(tunnel)
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
