"""Spokes that a hub of IKEv2 does not know."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from seikan.ike.effects import Path
from seikan.wire.secret import Secret
from seikan.wire.selector import Selector

from .pair import hub
from .pair.hub import DOMAIN, HUB, WAN, lines
from .pair.ikev2_hub import Ikev2Hub, hub_settings, map_settings, named
from .pair.world import with_tunnel


def test_each_spoke_gets_an_interface_of_its_own() -> None:
    world = Ikev2Hub(1)
    spokes = [world.joins(f"198.51.100.{number}") for number in range(1, 5)]
    world.connect(*spokes)
    world.assert_exactly(spokes)
    made = world.hub.access[world.access_of(spokes[2])]
    assert (made.template, made.profile, made.identity) == (1, "P", "198.51.100.3")
    assert made.path == Path(HUB, 500, IPv4Address("198.51.100.3"), 500)
    row = world.sessions()[made.name]
    assert (row.dynamic, row.ikev2_profile, row.isakmp_profile) == (True, "P", None)
    for spoke in spokes:
        spoke.leave()
    world.run(60.0)
    world.assert_empty()


def test_an_interface_lives_through_rekeys() -> None:
    world = Ikev2Hub(2, configured=hub_settings(lifetime=150))
    nat = world.nat("203.0.113.1")
    spokes = [
        world.joins("198.51.100.1", lifetime=150, change=lambda base: with_tunnel(base, lifetime_seconds=120)),
        world.joins("192.168.1.2", nat=nat, lifetime=150),
        world.joins("192.168.1.3", nat=nat, identity=f"a.{DOMAIN}", lifetime=150),
    ]
    world.connect(*spokes)
    world.traffic(0.2, world.now + 900.0)
    world.run(900.0)
    world.assert_exactly(spokes)
    assert world.lost_at_peer == []
    assert world.hub.gone == []
    assert world.counted("ikev2_sas_established") == 3
    assert world.counted("ikev2_rekeys") >= 3 * 5
    assert all(spoke.downs == 0 for spoke in spokes)


@pytest.mark.parametrize("identity", [False, True])
def test_two_behind_one_nat_are_two(identity: bool) -> None:
    world = Ikev2Hub(3)
    nat = world.nat("203.0.113.1")
    names = (f"a.{DOMAIN}", f"b.{DOMAIN}") if identity else (None, None)
    first, second = (world.joins("192.168.1.2", nat=nat, identity=name) for name in names)
    world.connect(first)
    world.connect(second)
    world.assert_exactly([first, second])


def test_a_nat_that_rebinds_moves_the_spoke_and_keeps_its_interface() -> None:
    world = Ikev2Hub(4)
    nat = world.nat("203.0.113.1")
    spoke = world.joins("192.168.1.2", nat=nat)
    world.connect(spoke)
    name = world.access_of(spoke)
    world.traffic(1.0, world.now + 60.0)
    nat.rebind()
    world.run(60.0)
    world.assert_exactly([spoke])
    assert world.access_of(spoke) == name
    assert [row.name for row in world.hub.moves]


def test_a_spoke_that_moves_takes_its_security_associations_along() -> None:
    """MOBIKE (RFC 4555): the same IKE SA and pair at another address, and the same interface."""
    world = Ikev2Hub(11)
    spoke = world.joins("198.51.100.1", identity=f"a.{DOMAIN}")
    world.connect(spoke)
    name, pairs = world.access_of(spoke), set(spoke.plane.inbound)
    assert world.hub.engine.status(world.now).ikev2_sas[0].mobike
    world.traffic(0.1, world.now + 20.0)
    world.run(5.0)
    spoke.readdress(IPv4Address("198.51.100.77"))
    world.run(15.0)
    world.assert_exactly([spoke])
    assert set(spoke.plane.inbound) == pairs
    assert world.access_of(spoke) == name
    assert world.hub.access[name].path.remote == IPv4Address("198.51.100.77")
    assert {sa.path.remote for sa in world.hub.plane.sas()} == {IPv4Address("198.51.100.77")}
    assert spoke.downs == world.hub.downs == 0
    assert world.counted("mobike_peer_moved") == 1


def test_a_spoke_that_moves_behind_a_nat_is_encapsulated_from_then_on() -> None:
    world = Ikev2Hub(12)
    spoke = world.joins("198.51.100.1", identity=f"a.{DOMAIN}")
    world.connect(spoke)
    assert not any(sa.udp_encapsulation for sa in world.hub.plane.sas())
    spoke.nat = world.nat("203.0.113.1")
    spoke.readdress(IPv4Address("192.168.1.9"))
    world.run(15.0)
    world.assert_exactly([spoke])
    assert all(sa.udp_encapsulation for sa in (*world.hub.plane.sas(), *spoke.plane.sas()))
    assert world.hub.access[world.access_of(spoke)].path.remote == IPv4Address("203.0.113.1")
    assert spoke.downs == 0


def test_without_mobike_a_spoke_that_moves_begins_anew() -> None:
    world = Ikev2Hub(13, configured=hub_settings(mobike=False))
    spoke = world.joins("198.51.100.1", identity=f"a.{DOMAIN}")
    world.connect(spoke)
    name, pairs = world.access_of(spoke), set(spoke.plane.inbound)
    spoke.readdress(IPv4Address("198.51.100.77"))
    spoke.initiate()
    world.run(40.0)
    world.assert_exactly([spoke])
    assert set(spoke.plane.inbound) != pairs
    assert world.access_of(spoke) == name


def test_a_restarted_spoke_has_its_interface_again() -> None:
    world = Ikev2Hub(5)
    spoke = world.joins("198.51.100.1", identity=f"a.{DOMAIN}")
    world.connect(spoke)
    name = world.access_of(spoke)
    spoke.crash()
    world.run(1.0)
    world.restart(spoke)
    world.run(40.0)
    world.assert_exactly([spoke])
    assert world.access_of(spoke) == name


def test_a_spoke_with_a_wrong_key_gets_nothing() -> None:
    world = Ikev2Hub(6)
    spoke = world.joins("198.51.100.1", key=Secret(b"wrong"))
    world.connect(spoke, seconds=30.0)
    assert not spoke.up
    assert world.hub.access == {}
    assert "AUTHENTICATION_FAILED" in str(spoke.engine.status(world.now).tunnels[0].last_error)
    spoke.leave()
    world.run(90.0)
    world.assert_empty()


def test_nobody_takes_anothers_name() -> None:
    """A name with a key of its own needs that key; who has only the common one does not get it."""
    own = Secret(b"of its own")
    name = f"a.{DOMAIN}"
    world = Ikev2Hub(7, configured=hub_settings(named(name, own)))
    thief = world.joins("198.51.100.9", identity=name)
    world.connect(thief, seconds=20.0)
    assert not thief.up
    right = world.joins("198.51.100.1", identity=name, key=own)
    world.connect(right)
    world.assert_exactly([right])


def test_a_name_of_no_profile_is_refused() -> None:
    world = Ikev2Hub(8)
    spoke = world.joins("198.51.100.1", identity="a.elsewhere.example")
    world.connect(spoke, seconds=20.0)
    assert not spoke.up
    assert world.hub.access == {}


def test_a_dynamic_map_takes_what_its_list_permits() -> None:
    network = Selector(IPv4Network("10.0.0.0/16"), IPv4Network("10.1.0.0/16"))
    world = Ikev2Hub(9, configured=map_settings(network))

    def change(base: object) -> object:
        return with_tunnel(base, flows=lines(("10.1.7.0/24", "10.0.0.0/24")))  # type: ignore[arg-type]

    spoke = world.joins("198.51.100.1", change=change)  # type: ignore[arg-type]
    spoke.engine.initiate(WAN, world.now)
    spoke.drain()
    world.run(10.0)
    ((owner, number),) = world.hub.dynamic
    assert owner == WAN
    asked = world.hub.dynamic[owner, number]
    assert asked.selector == Selector(IPv4Network("10.0.0.0/24"), IPv4Network("10.1.7.0/24"))
    assert len(world.hub.plane.inbound) == len(world.hub.plane.outbound) == 1
    spoke.engine.suspend(WAN, "administratively down", world.now)
    spoke.drain()
    world.run(60.0)
    world.assert_empty()


def test_one_hub_has_spokes_of_both_versions() -> None:
    """Also the same identity by one version and then by the other: each version has sessions of its own."""
    old = hub.hub_settings()
    both = replace(old, ikev2=hub_settings().ikev2)
    world = Ikev2Hub(14, configured=both)
    first, second = world.spoke("198.51.100.1"), world.joins("198.51.100.2")
    world.connect(first, second)
    world.assert_exactly([first, second])
    rows = world.sessions()
    assert rows[world.access_of(first)].isakmp_profile == "SPOKES"
    assert rows[world.access_of(second)].ikev2_profile == "P"
    first.leave()
    world.run(20.0)
    world.spokes.remove(first)
    renewed = world.joins("198.51.100.1")
    world.connect(renewed)
    world.assert_exactly([second, renewed])
    for spoke in (second, renewed):
        spoke.leave()
    world.run(60.0)
    world.assert_empty()


def test_a_removed_profile_ends_its_sessions() -> None:
    world = Ikev2Hub(10)
    spoke = world.joins("198.51.100.1")
    world.connect(spoke)
    world.hub.settings = replace(world.hub.settings, ikev2=replace(world.hub.settings.ikev2, profiles=()))
    world.hub.engine.configure(world.hub.settings, world.now)
    world.hub.drain()
    assert {row.reason for row in world.hub.gone} == {"ikev2 profile P has been removed"}
