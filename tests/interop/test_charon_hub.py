"""strongSwan's charon as spokes of a dynamic VTI hub: each gets a Virtual-Access interface, and leaves none behind."""

from __future__ import annotations

import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.interop.charon import Charon
from tests.interop.network import Network, Site, ping_command, received
from tests.interop.router import Seikan
from tests.interop.vici import ViciError

from seikan.lab.wait import wait_until

pytestmark = [pytest.mark.netns, pytest.mark.interop]

SPEED = 3.0  # of the hub's clock: its timers are what these stories wait for
COLLISION_SECONDS = 10 / SPEED  # two pairs made within this time of each other are a collision
KEY = "Between-hub-and-spokes"
DOMAIN = "spokes.example.net"
HUB = """\
hostname HUB
crypto isakmp policy 1
 encr aes
 authentication pre-share
 group 14
crypto isakmp keepalive 10 2 periodic
no crypto isakmp aggressive-mode disable
crypto keyring SPOKES
 pre-shared-key address 0.0.0.0 0.0.0.0 key {key}
crypto isakmp profile DVTI
 keyring SPOKES
 match identity address 10.7.0.0 255.255.255.0
 match identity host domain {domain}
 virtual-template 1
crypto ipsec transform-set T esp-aes esp-sha-hmac
crypto ipsec profile P
 set transform-set T
 set isakmp-profile DVTI
{profile}
interface Loopback0
 ip address 172.16.0.1 255.255.255.255
interface Virtual-Template1 type tunnel
 ip unnumbered Loopback0
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
end
"""
INNER = "172.16.0.1"


@pytest.fixture(autouse=True)
def _installed(charon_installed: None) -> None:
    """These tests are nothing without charon."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A hub on two wires: behind the first a NAT with a spoke, on the second a spoke without."""

    directory: Path
    hub: Seikan
    behind_nat: Site
    direct: Site

    def charon(self, site: Site) -> Charon:
        """A spoke that is started and knows how to reach the hub, as a domain name behind the NAT."""
        charon = Charon(site, self.directory / site.host.name)
        charon.start()
        self.load(charon)
        return charon

    def load(self, charon: Charon, *, secret: str = KEY, **connection: str) -> None:
        nat = charon.site is self.behind_nat
        hub = "10.8.0.2" if nat else "10.7.0.2"
        charon.connect_ike_v1(hub, secret, identity=f"one.{DOMAIN}" if nat else None, connection=connection)
        charon.route(f"{INNER}/32")

    def accesses(self) -> dict[str, str]:
        """The Virtual-Access interfaces whose line protocol is up, by the peer's identity."""
        brief = self.hub.exec("show ip interface brief")
        found = {}
        for name in re.findall(r"^(Virtual-Access\d+) .* up +up", brief, re.MULTILINE):
            peer = re.search(r"Peer identity (\S+)", self.hub.exec(f"show interfaces {name}"))
            assert peer is not None
            found[peer[1]] = name
        return found

    def devices(self) -> list[str]:
        return re.findall(r"^(Vi\d+)\b", self.hub.site.host.ip("-br", "link"), re.MULTILINE)

    def reach(self, charon: Charon, identity: str) -> None:
        """Wait for the spoke's interface, and route the spoke's address into it."""
        assert wait_until(lambda: identity in self.accesses(), 20, 0.2), self.hub.log() + charon.log()[-3000:]
        device = self.accesses()[identity].replace("Virtual-Access", "Vi")
        self.hub.site.host.ip("route", "replace", f"{charon.site.inner}/32", "dev", device, "src", INNER)
        assert wait_until(lambda: charon.site.host.answers(INNER, charon.site.inner), 10), self.hub.log()

    def gone(self, name: str, limit: float = 20.0) -> bool:
        device = name.replace("Virtual-Access", "Vi")
        return wait_until(lambda: device not in self.devices(), limit, 0.2)


DIRECT_ID, NAT_ID = "10.7.0.3", f"one.{DOMAIN}"


def make(net: Network, directory: Path, *, profile: str = "!") -> Ground:
    hub, nat, inside, outside = (net.host(role) for role in ("hub", "nat", "s1", "s2"))
    net.wire(nat, "outside", "10.8.0.254/24", hub, "eth0", "10.8.0.2/24")
    net.wire(inside, "eth0", "10.9.0.1/24", nat, "inside", "10.9.0.254/24")
    net.wire(outside, "eth0", "10.7.0.3/24", hub, "eth1", "10.7.0.2/24")
    inside.ip("route", "add", "default", "via", "10.9.0.254")
    nat.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    nat.run(
        "nft",
        "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; "
        'add rule ip nat post oifname "outside" masquerade',
    )
    for host, inner in ((inside, "172.16.1.1"), (outside, "172.16.2.1")):
        host.ip("address", "add", f"{inner}/32", "dev", "lo")
    text = HUB.format(key=KEY, domain=DOMAIN, profile=profile)
    seikan = Seikan(Site(hub, "eth0", "10.8.0.2", INNER), directory / "hub", "", "", KEY, text=text, speed=SPEED)
    seikan.start()
    spokes = (Site(inside, "eth0", "10.9.0.1", "172.16.1.1"), Site(outside, "eth0", "10.7.0.3", "172.16.2.1"))
    return Ground(directory, seikan, *spokes)


@pytest.mark.parametrize("aggressive", ["no", "yes"], ids=["main-mode", "aggressive-mode"])
def test_two_spokes_come_and_each_leaves_for_itself(net: Network, tmp_path: Path, aggressive: str) -> None:
    ground = make(net, tmp_path)
    first, second = ground.charon(ground.behind_nat), ground.charon(ground.direct)
    ground.load(first, aggressive=aggressive)
    first.initiate()
    second.initiate()
    ground.reach(first, NAT_ID)
    ground.reach(second, DIRECT_ID)
    assert set(ground.accesses()) == {NAT_ID, DIRECT_ID}
    assert ground.hub.site.host.ping("172.16.1.1", source=INNER) == 3
    session = ground.hub.exec("show crypto session detail")
    assert f"Phase1_id: {NAT_ID}" in session
    assert f"Phase1_id: {DIRECT_ID}" in session
    name, other = ground.accesses()[NAT_ID], ground.accesses()[DIRECT_ID]
    assert "cloned from Virtual-Template1" in ground.hub.exec(f"show interfaces {name}")
    first.terminate()
    assert ground.gone(name), ground.hub.log()
    assert list(ground.accesses().values()) == [other]
    assert second.site.host.ping(INNER, source="172.16.2.1") == 3
    ground.hub.exec("clear crypto session remote 10.7.0.3")
    assert ground.gone(other), ground.hub.log()
    assert wait_until(lambda: not second.child_sas(), 10)


def assert_counted(stream: subprocess.Popen[str], count: int, *logs: str) -> None:
    output, _ = stream.communicate(timeout=90)
    assert received(output) == count, output + "".join(logs)


@pytest.mark.parametrize("trigger", ["child", "ike"])
def test_rekeys_by_the_spoke_behind_the_nat_lose_nothing(net: Network, tmp_path: Path, trigger: str) -> None:
    ground = make(net, tmp_path)
    charon = ground.charon(ground.behind_nat)
    charon.initiate()
    ground.reach(charon, NAT_ID)
    name, before = ground.accesses()[NAT_ID], charon.spis()
    ike_before = {str(sa.get("uniqueid")) for sa in charon.ike_sas()}
    streams = [
        one.start(*ping_command(target, 800, 0.01, source))
        for one, target, source in (
            (charon.site.host, INNER, charon.site.inner),
            (ground.hub.site.host, charon.site.inner, INNER),
        )
    ]
    assert wait_until(lambda: all(int(str(sa["install-time"])) > COLLISION_SECONDS for sa in charon.child_sas()), 20)
    if trigger == "child":
        charon.rekey_child()
        assert wait_until(lambda: charon.spis() and not charon.spis() & before, 15)
    else:
        charon.rekey_ike()
        assert wait_until(lambda: not {str(sa.get("uniqueid")) for sa in charon.ike_sas()} & ike_before, 20)
    for stream in streams:
        assert_counted(stream, 800, charon.log()[-4000:], ground.hub.log())
    assert ground.accesses() == {NAT_ID: name}
    assert wait_until(lambda: len(ground.hub.isakmp_sas()) == 1, 20), ground.hub.exec("show crypto isakmp sa")


def test_rekeys_by_the_hub_lose_nothing(net: Network, tmp_path: Path) -> None:
    """By volume: 2560 kilobytes is the least IOS takes, and the hub begins anew at 0.92 to 0.96 of them.

    charon's ESP in user space sends on the old pair until it is deleted, so the stream is slow enough for the rest.
    """
    ground = make(net, tmp_path, profile=" set security-association lifetime kilobytes 2560")
    charon = ground.charon(ground.direct)
    charon.initiate()
    ground.reach(charon, DIRECT_ID)
    name, before = ground.accesses()[DIRECT_ID], charon.spis()
    for count, interval in ((1750, 0.002), (100, 0.15)):
        command = (*ping_command(charon.site.inner, count, interval, INNER), "-s", "1300")
        assert_counted(ground.hub.site.host.start(*command), count, ground.hub.log())
    assert wait_until(lambda: charon.spis() and not charon.spis() & before, 15)
    assert ground.accesses() == {DIRECT_ID: name}


def test_a_spoke_that_is_cut_off_goes_and_comes_back(net: Network, tmp_path: Path) -> None:
    """Dead peer detection: every 10 seconds, 2 between tries (the least of both that IOS takes), a third of it here."""
    ground = make(net, tmp_path)
    first, second = ground.charon(ground.behind_nat), ground.charon(ground.direct)
    first.initiate()
    second.initiate()
    ground.reach(first, NAT_ID)
    ground.reach(second, DIRECT_ID)
    name = ground.accesses()[DIRECT_ID]
    wire = ground.direct
    wire.host.ip("link", "set", "dev", wire.device, "down")
    assert ground.gone(name, 45), ground.hub.log()
    assert list(ground.accesses()) == [NAT_ID]
    assert first.site.host.ping(INNER, source=first.site.inner) == 3
    wire.host.ip("link", "set", "dev", wire.device, "up")
    second.vici.request("terminate", {"ike": "site", "force": "yes", "timeout": "-1"})
    assert wait_until(lambda: not second.ike_sas(), 10)
    second.route(f"{INNER}/32")
    second.initiate()
    ground.reach(second, DIRECT_ID)


def test_a_spoke_that_restarts_without_a_goodbye_keeps_its_interface(net: Network, tmp_path: Path) -> None:
    ground = make(net, tmp_path)
    charon = ground.charon(ground.behind_nat)
    charon.initiate()
    ground.reach(charon, NAT_ID)
    name = ground.accesses()[NAT_ID]
    charon.stop(signal.SIGKILL)
    charon.start()
    assert wait_until(lambda: "ipsec0" in charon.site.host.ip("-br", "link"), 10)
    ground.load(charon)
    charon.initiate()
    ground.reach(charon, NAT_ID)
    assert ground.accesses() == {NAT_ID: name}
    assert len(ground.devices()) == 1
    assert wait_until(lambda: len(ground.hub.isakmp_sas()) == 1, 20), ground.hub.exec("show crypto isakmp sa")


def test_a_wrong_key_gets_no_interface(net: Network, tmp_path: Path) -> None:
    ground = make(net, tmp_path)
    charon = ground.charon(ground.direct)
    ground.load(charon, secret=KEY + "?")
    with pytest.raises(ViciError, match="initiate"):
        charon.initiate(limit=8)
    assert ground.devices() == []
    assert ground.hub.isakmp_sas() == []
    assert KEY not in ground.hub.log()
