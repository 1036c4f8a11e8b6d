"""strongSwan's charon as the other end of a crypto map: a child SA for each line of the access list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.interop.charon import Charon
from tests.interop.network import Network, ping_command, received, two_sites
from tests.interop.router import Seikan
from tests.interop.vici import ViciError

from seikan.lab.wait import wait_until

pytestmark = [pytest.mark.netns, pytest.mark.interop]

SPEED = 4.0  # of Seikan's clock: its timers are what these stories wait for
COLLISION_SECONDS = 10 / SPEED  # two pairs made within this time of each other are a collision
SECRET = "Between-map-and-charon"
BASE = """\
hostname MAP
crypto isakmp policy 1
 encr aes
 authentication pre-share
 group 14
crypto isakmp key {secret} address {peer}
crypto ipsec transform-set T esp-aes esp-sha-hmac
interface Loopback1
 ip address 172.16.1.1 255.255.255.0
interface Loopback2
 ip address 172.17.1.1 255.255.255.0
ip access-list extended VPN
 permit ip 172.16.1.0 0.0.0.255 172.16.2.0 0.0.0.255
 permit ip 172.17.1.0 0.0.0.255 172.17.2.0 0.0.0.255
ip route 172.16.2.0 255.255.255.0 10.9.0.2
ip route 172.17.2.0 255.255.255.0 10.9.0.2
"""
STATIC = """\
crypto map M 10 ipsec-isakmp
 set peer 10.9.0.2
 set transform-set T
 match address VPN
interface eth0
 crypto map M
end
"""
DYNAMIC = """\
crypto dynamic-map D 10
 set transform-set T
 match address VPN
 reverse-route
crypto map M 10 ipsec-isakmp dynamic D
interface eth0
 crypto map M
end
"""
PAIRS = {
    "first": {"local_ts": ["172.16.2.0/24"], "remote_ts": ["172.16.1.0/24"]},
    "second": {"local_ts": ["172.17.2.0/24"], "remote_ts": ["172.17.1.0/24"]},
}
WAYS = (("172.16.1.1", "172.16.2.1"), ("172.17.1.1", "172.17.2.1"))


@pytest.fixture(autouse=True)
def _installed(charon_installed: None) -> None:
    """These tests are nothing without charon."""


@dataclass(frozen=True, slots=True)
class Ends:
    seikan: Seikan
    charon: Charon

    def passes(self, way: int) -> bool:
        here, there = WAYS[way]
        return self.seikan.site.host.answers(there, here)

    def idents(self) -> list[str]:
        """The local idents that have an inbound SA, as shown."""
        parts = self.seikan.exec("show crypto ipsec sa").split("local  ident (addr/mask/prot/port): ")[1:]
        return [part.split("\n")[0].strip("()") for part in parts if "Status: ACTIVE" in part]

    def said(self) -> str:
        return self.seikan.exec("show crypto session detail") + self.seikan.log()[-3000:] + self.charon.log()[-3000:]


def make(net: Network, directory: Path, crypto_map: str, *, children: dict[str, dict[str, list[str]]] = PAIRS) -> Ends:
    here, there = two_sites(net)
    here.host.ip("address", "del", "172.16.1.1/32", "dev", "lo")
    there.host.ip("address", "add", "172.17.2.1/32", "dev", "lo")
    peer = "0.0.0.0" if crypto_map is DYNAMIC else there.address
    text = BASE.format(secret=SECRET, peer=peer) + crypto_map
    if crypto_map is DYNAMIC:
        text = re.sub(r"ip route .*\n", "", text)
    seikan = Seikan(here, directory / "seikan", there.address, there.inner, SECRET, text=text, speed=SPEED)
    charon = Charon(there, directory / "charon")
    charon.start()
    charon.connect_ike_v1(here.address, SECRET, children=children)
    charon.route("172.16.1.0/24")
    charon.route("172.17.1.0/24", "172.17.2.1")
    seikan.start()
    return Ends(seikan, charon)


def test_traffic_of_each_line_asks_for_a_pair_of_its_own(net: Network, tmp_path: Path) -> None:
    ends = make(net, tmp_path, STATIC)
    assert ends.charon.ike_sas() == []
    assert wait_until(lambda: ends.passes(0), 20), ends.said()
    assert ends.idents() == ["172.16.1.0/255.255.255.0/0/0"]
    assert wait_until(lambda: ends.passes(1), 20), ends.said()
    assert ends.idents() == ["172.16.1.0/255.255.255.0/0/0", "172.17.1.0/255.255.255.0/0/0"]
    assert sorted(str(child["name"]) for child in ends.charon.child_sas()) == ["first", "second"]
    assert len(ends.charon.ike_sas()) == 1
    assert ends.charon.site.host.ping("172.16.1.1", source="172.16.2.1") == 3
    assert ends.charon.site.host.ping("172.17.1.1", source="172.17.2.1") == 3
    assert not ends.seikan.site.host.answers("172.17.2.1", "172.16.1.1")  # no line has both: in clear, to nobody


@pytest.mark.parametrize("crypto_map", [STATIC, DYNAMIC], ids=["static", "dynamic"])
def test_charon_asks_for_both(net: Network, tmp_path: Path, crypto_map: str) -> None:
    ends = make(net, tmp_path, crypto_map)
    for child in PAIRS:
        ends.charon.initiate(child=child)
    for way in (0, 1):
        assert wait_until(lambda: ends.passes(way), 10), ends.said()  # noqa: B023
    assert len(ends.idents()) == 2
    assert len(ends.charon.ike_sas()) == 1
    if crypto_map is DYNAMIC:
        assert "172.16.2.0/24" in ends.seikan.site.host.ip("route")
        ends.charon.terminate()
        assert wait_until(lambda: not ends.idents(), 15), ends.said()
        assert wait_until(lambda: "172.16.2.0/24" not in ends.seikan.site.host.ip("route"), 10)


def test_less_than_a_line_is_taken_as_ios_takes_it(net: Network, tmp_path: Path) -> None:
    child = {"host": {"local_ts": ["172.16.2.1/32"], "remote_ts": ["172.16.1.0/24"]}}
    ends = make(net, tmp_path, STATIC, children=child)
    ends.charon.initiate(child="host")
    assert wait_until(lambda: ends.passes(0), 10), ends.said()
    assert ends.charon.site.host.ping("172.16.1.1", source="172.16.2.1") == 3
    assert [child["local-ts"] for child in ends.charon.child_sas()] == [["172.16.2.1/32"]]
    assert ends.idents() == ["172.16.1.0/255.255.255.0/0/0"]


@pytest.mark.parametrize("trigger", ["child", "ike"])
def test_rekeying_of_one_pair_loses_nothing_of_either(net: Network, tmp_path: Path, trigger: str) -> None:
    ends = make(net, tmp_path, STATIC)
    for way in (0, 1):
        assert wait_until(lambda: ends.passes(way), 20), ends.said()  # noqa: B023
    before = {str(child["name"]): str(child["spi-in"]) for child in ends.charon.child_sas()}
    ike = {str(sa.get("uniqueid")) for sa in ends.charon.ike_sas()}
    streams = [ends.seikan.site.host.start(*ping_command(there, 800, 0.01, here)) for here, there in WAYS]
    assert wait_until(
        lambda: all(int(str(child["install-time"])) > COLLISION_SECONDS for child in ends.charon.child_sas()), 20
    )
    if trigger == "child":
        ends.charon.rekey_child("first")
        assert wait_until(
            lambda: any(c["name"] == "first" and c["spi-in"] != before["first"] for c in ends.charon.child_sas()), 15
        )
    else:
        ends.charon.rekey_ike()
        assert wait_until(lambda: not {str(sa.get("uniqueid")) for sa in ends.charon.ike_sas()} & ike, 15)
    for stream in streams:
        output, _ = stream.communicate(timeout=60)
        assert received(output) == 800, output + ends.said()
    if trigger == "child":
        assert before["second"] in ends.charon.spis()  # the other pair was left alone


@pytest.mark.parametrize("seikan_first", [True, False], ids=["seikan-initiated", "charon-initiated"])
def test_other_selectors_are_explained(net: Network, tmp_path: Path, seikan_first: bool) -> None:
    """As a subnet mask typed wrong: charon wants /16 where the access list has /24."""
    child = {"wide": {"local_ts": ["172.18.0.0/16"], "remote_ts": ["172.16.0.0/16"]}}
    ends = make(net, tmp_path, STATIC, children=child)
    if seikan_first:
        assert not ends.passes(0)
        wanted = "172.16.1.0/255.255.255.0/0/0 to 172.16.2.0/255.255.255.0/0/0"
    else:
        with pytest.raises(ViciError, match="initiate"):
            ends.charon.initiate(child="wide", limit=8)
        wanted = "172.16.0.0/255.255.0.0/0/0 to 172.18.0.0/255.255.0.0/0/0"
    assert wait_until(lambda: wanted in ends.seikan.exec("show crypto session detail"), 15), ends.said()
    assert ends.idents() == []


def test_another_proposal_is_explained(net: Network, tmp_path: Path) -> None:
    children = {"first": {**PAIRS["first"], "esp_proposals": ["aes256-sha256"]}}
    ends = make(net, tmp_path, STATIC, children=children)
    with pytest.raises(ViciError, match="initiate"):
        ends.charon.initiate(child="first", limit=8)
    said = ends.seikan.exec("show crypto session detail") + ends.seikan.log()
    assert "ipsec encryption: local aes-cbc-128, remote aes-cbc-256" in said, said
