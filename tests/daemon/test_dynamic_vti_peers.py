"""Spokes as they are in the field, at a real hub: behind NATs, on the move, dead, asleep, doubled, and strangers."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.routers import Router, type_lines, until
from tests.daemon.spokes import NAMED, OUTSIDE, Ground, ground, masquerade

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]
SPEED = 3.0  # of all clocks: dead peer detection takes 20 seconds


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Ground]:
    with ground(tmp_path, SPEED) as made:
        yield made


def reaches(spoke: Router) -> bool:
    return spoke.host.answers("1.1.1.1", spoke.loopback)


def interface_of(hub: Ground, spoke: Router) -> str:
    """The interface by which the hub is FULL with a spoke."""
    hub.joined(spoke.name.rpartition("-")[2])
    return hub.full()[spoke.loopback]


def test_two_spokes_with_one_private_address_behind_one_nat(hub: Ground) -> None:
    hub.start_hub()
    spokes = [hub.start("s3"), hub.start("s4", NAMED)]
    hub.joined("s3", "s4")
    first, second = (interface_of(hub, spoke) for spoke in spokes)
    assert {first, second} == {"Virtual-Access1", "Virtual-Access2"}
    session = hub.hub.exec("show crypto session")
    assert len(set(re.findall(rf"Peer: {OUTSIDE} port (\d+)", session))) == 2
    for spoke in spokes:
        until(lambda spoke=spoke: reaches(spoke), what=hub.explain)
        assert spoke.host.ping("1.1.1.1", count=20, source=spoke.loopback) == 20

    # the NAT forgets: the same spokes come from other ports
    cgn = hub.net.hosts["cgn"]
    ports = set(re.findall(rf"Peer: {OUTSIDE} port (\d+)", session))
    cgn.run("nft", "flush ruleset")
    masquerade(cgn, "masquerade to :20000-20999 random")
    cgn.ip("link", "set", "outside", "down")  # which costs the kernel's masquerading all that it remembers
    cgn.ip("link", "set", "outside", "up")
    cgn.ip("route", "add", "default", "via", "10.1.24.2")

    def moved() -> bool:
        now = set(re.findall(rf"Peer: {OUTSIDE} port (\d+)", hub.hub.exec("show crypto session")))
        return len(now) == 2 and not now & ports

    until(moved, 60, what=hub.explain)
    for spoke in spokes:
        until(lambda spoke=spoke: reaches(spoke), what=hub.explain)
    assert [interface_of(hub, spoke) for spoke in spokes] == [first, second]
    assert len(hub.devices()) == 2


LEASED = """\
interface eth0
 no ip address
no ip route 0.0.0.0 0.0.0.0 {gateway}
"""


def lease(hub: Ground, spoke: Router, address: str, gateway: str) -> None:
    """The operating system has another address for the spoke, and none of the old ones."""
    place = f"to-{spoke.name.rpartition('-')[2]}"
    if gateway not in hub.provider.ip("address"):
        hub.provider.ip("address", "add", f"{gateway}/24", "dev", place)
    spoke.host.ip("address", "flush", "dev", "eth0")
    spoke.host.ip("address", "add", f"{address}/24", "dev", "eth0")
    spoke.host.ip("route", "replace", "default", "via", gateway)


def test_a_spoke_that_moves_keeps_its_interface_by_its_name(hub: Ground) -> None:
    """Typed at the spoke, and given by the operating system. Who is known by its address is somebody new elsewhere."""
    hub.start_hub()
    typed = hub.start("s1", NAMED)
    leased = hub.spoke("s2")
    lease(hub, leased, "10.1.22.3", "10.1.22.2")
    hub.start("s2", NAMED, LEASED.replace("{gateway}", leased.gateway))
    hub.joined("s1", "s2")
    names = [interface_of(hub, spoke) for spoke in (typed, leased)]

    hub.provider.ip("address", "add", "10.1.31.2/24", "dev", "to-s1")
    type_lines(
        typed,
        *("conf t", "interface eth0", "ip address 10.1.31.3 255.255.255.0"),
        *("ip route 0.0.0.0 0.0.0.0 10.1.31.2", "no ip route 0.0.0.0 0.0.0.0 10.1.21.2"),
    )
    lease(hub, leased, "10.1.32.3", "10.1.32.2")
    for spoke, address, name in ((typed, "10.1.31.3", names[0]), (leased, "10.1.32.3", names[1])):
        until(lambda address=address, name=name: hub.access_of(address) == name, what=hub.explain)
        assert f"destination {address}" in hub.hub.exec(f"show interfaces {name.replace('Access', 'access ')}")
        until(lambda spoke=spoke: reaches(spoke), what=hub.explain)
    assert set(hub.brief()) == set(names)
    assert "changed state to down (" not in hub.hub.log(), "no interface went"

    type_lines(leased, "conf t", "crypto isakmp identity address", "end")
    leased.exec("clear crypto session")
    until(lambda: hub.access_of("10.1.32.3") not in (None, names[1]), what=hub.explain)
    anew = hub.access_of("10.1.32.3")
    lease(hub, leased, "10.1.22.3", "10.1.22.2")
    until(lambda: hub.access_of("10.1.22.3") is not None, 30, what=hub.explain)
    until(lambda: reaches(leased), what=hub.explain)
    assert hub.access_of("10.1.22.3") != anew
    until(lambda: anew not in hub.brief(), 40, what=hub.explain)  # dead peer detection
    assert len(hub.brief()) == 2


def test_the_dead_the_sleeping_and_the_restarted(hub: Ground) -> None:
    """A router that restarts without a goodbye, one that sleeps, and one that is cut off, all at once."""
    hub.start_hub()
    restarted, asleep, cut = hub.start("s1"), hub.start("s2", NAMED), hub.start("s3")
    hub.joined("s1", "s2", "s3")
    names = {spoke.name: interface_of(hub, spoke) for spoke in (restarted, asleep, cut)}
    assert asleep.daemon is not None
    os.kill(asleep.daemon.pid, signal.SIGSTOP)
    hub.net.hosts["n3"].ip("link", "set", "outside", "down")
    restarted.kill()
    restarted.start()
    until(lambda: reaches(restarted), what=hub.explain)
    assert interface_of(hub, restarted) == names[restarted.name]

    until(lambda: list(hub.brief()) == [names[restarted.name]], 40, what=hub.explain)
    assert hub.devices() == {names[restarted.name].replace("Virtual-Access", "Vi")}
    assert hub.hub.log().count("does not answer dead peer detection)") == 2
    os.kill(asleep.daemon.pid, signal.SIGCONT)
    nat = hub.net.hosts["n3"]
    nat.ip("link", "set", "outside", "up")
    nat.ip("route", "add", "default", "via", "100.64.3.1")
    hub.joined("s2", "s3", limit=60)
    assert {spoke.name: interface_of(hub, spoke) for spoke in (restarted, asleep, cut)} == names
    for spoke in (asleep, cut):
        until(lambda spoke=spoke: reaches(spoke), what=hub.explain)
    assert len(hub.brief()) == 3
    assert hub.hub.exec("show crypto isakmp sa").count("QM_IDLE") == 3


def test_who_claims_the_identity_of_another(hub: Ground) -> None:
    """Refused while that one lives; it has the interface where the other is gone."""
    hub.start_hub()
    owner, thief = hub.start("s1", NAMED), hub.spoke("s2")
    hub.joined("s1")
    name = interface_of(hub, owner)
    hub.start("s2", NAMED, "hostname S1\n")
    until(lambda: "the identity is in use from 10.1.21.3" in hub.hub.log(), what=hub.explain)
    assert hub.brief() == {name: "up/up"}
    assert hub.access_of("10.1.21.3") == name
    assert hub.access_of("10.1.22.3") is None
    assert owner.host.ping("1.1.1.1", count=10, source=owner.loopback) == 10
    assert not thief.tunnel_up()
    owner.kill()
    thief.exec("clear crypto session")
    until(lambda: hub.access_of("10.1.22.3") == name, what=hub.explain)
    hub.joined("s2")
    assert len(hub.brief()) == 1
    owner.start()
    until(lambda: "the identity is in use from 10.1.22.3" in hub.hub.log(), 30, what=hub.explain)
    until(lambda: reaches(thief), what=hub.explain)
