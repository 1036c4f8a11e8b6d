"""Seikan against strongSwan's charon, IKEv1 main mode with pre-shared keys: real daemons, real packets."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.interop.charon import Charon
from tests.interop.network import (
    NAT_OUTSIDE,
    Network,
    Site,
    ping_command,
    received,
    sites_with_nat,
    two_sites,
)
from tests.interop.router import AES128_SHA1, AES256_SHA256_PFS, AES_GCM, TRIPLE_DES, Seikan, Suite

from seikan.lab.wait import wait_until

pytestmark = [pytest.mark.netns, pytest.mark.interop]

SECRET = "LoopedBack!!!"
UP_SECONDS = 20.0
CONVERGED_SECONDS = 75.0
"""charon leaves the pair that it replaced to its lifetime; Seikan gives the peer a minute, then deletes it."""
SPEED = 4.0
"""Of Seikan's clock, where it would take longest: charon has no timers of its own in these stories."""
COLLISION_SECONDS = 10 / SPEED
"""Two pairs made within this time of each other count as a collision, of which both ends keep the same one."""
WRONG_KEY_SECONDS = 90.0
"""A peer with another key is silent, so only unanswered retransmissions tell."""
SUITES = (AES128_SHA1, AES256_SHA256_PFS, AES_GCM, TRIPLE_DES)


@pytest.fixture(autouse=True)
def _installed(charon_installed: None) -> None:
    """These tests are nothing without charon."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A Seikan and a charon; `passing` tells whether packets cross from the Seikan side."""

    seikan: Seikan
    charon: Charon

    def passing(self) -> bool:
        return self.seikan.site.host.answers(self.charon.site.inner, self.seikan.site.inner)

    def wait_up(self, limit: float = UP_SECONDS) -> None:
        if not wait_until(self.passing, limit, 0.2):
            pytest.fail(
                f"no traffic after {limit:.0f} s\n{self.seikan.exec('show crypto session detail')}\n"
                f"{self.seikan.log()[-3000:]}\n{self.charon.log()[-3000:]}",
                pytrace=False,
            )

    def assert_one_of_each(self) -> None:
        """One ISAKMP SA and one pair of IPsec SAs, and both ends mean the same pair."""
        assert wait_until(
            lambda: len(self.seikan.isakmp_sas()) == 1 and len(self.seikan.spis()) == 1, CONVERGED_SECONDS, 0.5
        ), self.seikan.exec("show crypto isakmp sa") + self.seikan.exec("show crypto ipsec sa")
        assert wait_until(lambda: len(self.charon.child_sas()) == 1, 15), self.charon.child_sas()
        shown = self.seikan.counters()
        assert {shown.outbound_spi} == {int(spi, 16) for spi in self.charon.spis()}

    def assert_traffic_both_ways(self, count: int = 20) -> None:
        """Every packet sent arrives, and Seikan's counters grow by what crossed."""
        before = self.seikan.counters()
        assert self.seikan.site.host.ping(self.charon.site.inner, count=count, source=self.seikan.site.inner) == count
        assert self.charon.site.host.ping(self.seikan.site.inner, count=count, source=self.charon.site.inner) == count
        after = self.seikan.counters()
        assert after.encapsulated - before.encapsulated == 2 * count
        assert after.decapsulated - before.decapsulated == 2 * count


def pair(
    sites: tuple[Site, Site],
    directory: Path,
    *,
    suite: Suite = AES128_SHA1,
    seikan_first: bool = True,
    isakmp: tuple[str, ...] = (),
    profile: tuple[str, ...] = (),
    isakmp_lifetime: int = 86400,
    secret: str = SECRET,
    connection: dict[str, str] | None = None,
    speed: float = 1.0,
) -> Pair:
    """Start both; the one that initiates is started last."""
    seikan_site, charon_site = sites
    seikan = Seikan(
        seikan_site,
        directory / "seikan",
        charon_site.address,
        charon_site.inner,
        secret,
        suite,
        isakmp_lifetime,
        isakmp,
        profile if seikan_first else ("responder-only", *profile),
        speed=speed,
    )
    charon = Charon(charon_site, directory / "charon")
    charon.start()
    charon.connect_ike_v1(seikan_site.address, SECRET, ike=suite.ike, esp=suite.esp, connection=connection)
    charon.route(f"{seikan_site.inner}/32")
    seikan.start()
    return Pair(seikan, charon)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_seikan_initiates(net: Network, tmp_path: Path, suite: Suite) -> None:
    ends = pair(two_sites(net), tmp_path, suite=suite)
    ends.wait_up()
    ends.assert_one_of_each()
    ends.assert_traffic_both_ways()


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_seikan_responds(net: Network, tmp_path: Path, suite: Suite) -> None:
    ends = pair(two_sites(net), tmp_path, suite=suite, seikan_first=False)
    assert not ends.charon.ike_sas()
    ends.charon.initiate()
    ends.wait_up()
    ends.assert_one_of_each()
    ends.assert_traffic_both_ways()


def rekey_under_traffic(ends: Pair, trigger: str, *, seconds: int = 8) -> None:
    """Rekey while echo requests run in both directions, 100 a second; none may be lost."""
    before = ends.charon.spis()
    ike_before = {str(sa.get("uniqueid")) for sa in ends.charon.ike_sas()}
    count = seconds * 100
    streams = [
        one.host.start(*ping_command(other.inner, count, 0.01, one.inner))
        for one, other in ((ends.seikan.site, ends.charon.site), (ends.charon.site, ends.seikan.site))
    ]
    assert wait_until(
        lambda: all(int(str(sa["install-time"])) > COLLISION_SECONDS for sa in ends.charon.child_sas()), 20
    )
    if trigger == "child":
        ends.charon.rekey_child()
        assert wait_until(lambda: ends.charon.spis() and not (ends.charon.spis() & before), 15)
    else:
        ends.charon.rekey_ike()
        assert wait_until(lambda: not ({str(sa.get("uniqueid")) for sa in ends.charon.ike_sas()} & ike_before), 20)
    for stream in streams:
        output, _ = stream.communicate(timeout=seconds + 30)
        assert received(output) == count, output + ends.charon.log()[-6000:] + ends.seikan.log()
    ends.assert_one_of_each()


@pytest.mark.parametrize("seikan_first", [True, False], ids=["seikan-initiated", "charon-initiated"])
@pytest.mark.parametrize("trigger", ["child", "ike"])
def test_charon_rekeys_without_loss(net: Network, tmp_path: Path, trigger: str, seikan_first: bool) -> None:
    ends = pair(two_sites(net), tmp_path, seikan_first=seikan_first, speed=SPEED)
    if not seikan_first:
        ends.charon.initiate()
    ends.wait_up()
    rekey_under_traffic(ends, trigger)


def test_seikan_rekeys_the_ipsec_sa_by_volume_without_loss(net: Network, tmp_path: Path) -> None:
    """2560 kilobytes is the least IOS takes; 2,400 echo requests of 1,400 octets exceed it."""
    ends = pair(two_sites(net), tmp_path, profile=("set security-association lifetime kilobytes 2560",))
    ends.wait_up()
    before = ends.seikan.spis()
    count = 2400
    command = ("ping", "-n", "-q", "-W", "2", "-s", "1300", "-c", str(count), "-i", "0.005")
    output = ends.seikan.site.host.run(*command, "-I", ends.seikan.site.inner, ends.charon.site.inner, limit=60)
    assert received(output) == count, output
    assert wait_until(lambda: not (ends.seikan.spis() & before), 10)
    ends.assert_one_of_each()


def test_seikan_renews_phase_1_before_it_expires_without_loss(net: Network, tmp_path: Path) -> None:
    """60 seconds is the least IOS takes, a quarter of it here; the new ISAKMP SA is there before the old one goes."""
    ends = pair(two_sites(net), tmp_path, isakmp_lifetime=60, speed=SPEED)
    ends.wait_up()
    first = {str(sa.get("uniqueid")) for sa in ends.charon.ike_sas()}
    stream = ends.seikan.site.host.start(*ping_command(ends.charon.site.inner, 3500, 0.006, ends.seikan.site.inner))
    assert wait_until(
        lambda: ends.charon.ike_sas() and not first & {str(s["uniqueid"]) for s in ends.charon.ike_sas()}, 70
    )
    output, _ = stream.communicate(timeout=120)
    assert received(output) == 3500, output
    ends.assert_one_of_each()


def test_seikan_behind_a_nat(net: Network, tmp_path: Path) -> None:
    seikan_site, charon_site = sites_with_nat(net)
    charon = Charon(charon_site, tmp_path / "charon")
    charon.start()
    charon.connect_ike_v1("0.0.0.0/0", SECRET, peer_identity=seikan_site.address)
    charon.route(f"{seikan_site.inner}/32")
    seikan = Seikan(seikan_site, tmp_path / "seikan", charon_site.address, charon_site.inner, SECRET, speed=SPEED)
    seikan.start()
    ends = Pair(seikan, charon)
    ends.wait_up()
    ends.assert_traffic_both_ways()
    assert ":4500" in seikan.exec("show crypto session") or "4500" in seikan.exec("show crypto ipsec sa")
    rekey_under_traffic(ends, "child")


def test_charon_behind_a_nat(net: Network, tmp_path: Path) -> None:
    charon_site, seikan_site = sites_with_nat(net)
    seikan = Seikan(
        seikan_site,
        tmp_path / "seikan",
        NAT_OUTSIDE,
        charon_site.inner,
        SECRET,
        profile=("responder-only",),
        speed=SPEED,
    )
    seikan.start()
    charon = Charon(charon_site, tmp_path / "charon")
    charon.start()
    charon.connect_ike_v1(seikan_site.address, SECRET, identity=NAT_OUTSIDE)
    charon.route(f"{seikan_site.inner}/32")
    charon.initiate()
    ends = Pair(seikan, charon)
    ends.wait_up()
    ends.assert_traffic_both_ways()
    rekey_under_traffic(ends, "child")


def test_dead_peer_is_noticed_and_the_tunnel_comes_back(net: Network, tmp_path: Path) -> None:
    ends = pair(two_sites(net), tmp_path, isakmp=("crypto isakmp keepalive 10 2 periodic",))
    ends.wait_up()
    wire = ends.charon.site
    wire.host.ip("link", "set", "dev", wire.device, "down")
    assert wait_until(lambda: not ends.seikan.line_protocol_up(), 45, 0.5), ends.seikan.log()[-2000:]
    assert ends.seikan.isakmp_sas() == []
    wire.host.ip("link", "set", "dev", wire.device, "up")
    ends.charon.route(f"{ends.seikan.site.inner}/32")
    ends.wait_up(60)
    assert ends.seikan.line_protocol_up()


def test_charon_restarts(net: Network, tmp_path: Path) -> None:
    ends = pair(two_sites(net), tmp_path, isakmp=("crypto isakmp keepalive 10 2 periodic",))
    ends.wait_up()
    ends.charon.stop(signal.SIGKILL)
    ends.charon.start()
    ends.charon.connect_ike_v1(ends.seikan.site.address, SECRET)
    assert wait_until(lambda: "ipsec0" in ends.charon.site.host.ip("-br", "link"), 10)
    ends.charon.route(f"{ends.seikan.site.inner}/32")
    ends.wait_up(60)
    ends.assert_one_of_each()


def test_seikan_is_killed_and_restarts(net: Network, tmp_path: Path) -> None:
    ends = pair(two_sites(net), tmp_path)
    ends.wait_up()
    ends.seikan.kill()
    ends.seikan.start()
    ends.wait_up(30)
    ends.assert_one_of_each()
    ends.assert_traffic_both_ways()


def test_a_wrong_key_is_said_and_stays_down(net: Network, tmp_path: Path) -> None:
    ends = pair(two_sites(net), tmp_path, secret="not-the-key")
    assert wait_until(
        lambda: "pre-shared key" in ends.seikan.exec("show crypto session detail").lower(), WRONG_KEY_SECONDS, 1
    ), ends.seikan.exec("show crypto session detail") + ends.seikan.log()[-2000:]
    assert not ends.seikan.line_protocol_up()
    assert "not-the-key" not in ends.seikan.log()


def test_no_common_proposal_names_the_attribute(net: Network, tmp_path: Path) -> None:
    seikan_site, charon_site = two_sites(net)
    charon = Charon(charon_site, tmp_path / "charon")
    charon.start()
    charon.connect_ike_v1(seikan_site.address, SECRET, ike="aes256-sha256-modp4096")
    seikan = Seikan(
        seikan_site, tmp_path / "seikan", charon_site.address, charon_site.inner, SECRET, profile=("responder-only",)
    )
    seikan.start()
    with pytest.raises(Exception, match="initiate"):
        charon.initiate(limit=10)
    said = seikan.exec("show crypto session detail") + seikan.exec("show logging")
    assert "group" in said.lower(), said
    assert "16" in said, said
    assert "14" in said, said
