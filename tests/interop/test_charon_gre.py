"""The Linux kernel's GRE, ESP and strongSwan's charon as the other end of GRE over IPsec, in both modes.

charon's ESP in user space knows no transport mode, and without GRE devices there is nothing to put in it, so the peer's
kernel has to have both. Where this machine's has not, the tests of this file run in a virtual machine that has.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.interop.charon import Charon
from tests.interop.machine import run_in_machine
from tests.interop.network import Network, Site, network, ping_command, received, sites_with_nat, two_sites
from tests.interop.router import Seikan

from seikan.lab.wait import wait_until
from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME, tunnel_mtu

pytestmark = [pytest.mark.netns, pytest.mark.interop]

INSIDE = "SEIKAN_TESTS_IN_MACHINE"
SECRET = "Between-two-kinds-of-GRE"
CONFIG = """\
hostname GRE
crypto isakmp policy 1
 encr aes
 authentication pre-share
 group 14
crypto isakmp key {secret} address {peer}
crypto ipsec transform-set T esp-aes esp-sha-hmac
 mode {mode}
crypto ipsec profile P
 set transform-set T
{responder}
interface Tunnel0
 ip address 10.0.0.1 255.255.255.0
 tunnel source eth0
 tunnel destination {peer}
 tunnel key 5
 tunnel protection ipsec profile P
end
"""
UP_SECONDS = 120.0  # emulation is slow


@pytest.fixture(scope="module")
def kernel_has_esp() -> bool:
    """Whether this kernel makes GRE devices and takes SAs."""
    with network() as net:
        host = net.host("try")
        try:
            host.ip("link", "add", "gre9", "type", "gre", "local", "127.0.0.1", "remote", "127.0.0.2")
            host.ip(
                *("xfrm", "state", "add", "src", "127.0.0.1", "dst", "127.0.0.2", "proto", "esp", "spi", "256"),
                *("mode", "transport", "enc", "cipher_null", ""),
            )
        except Exception:  # noqa: BLE001 whatever it is that it cannot do
            return False
    return True


@pytest.fixture
def here(charon_installed: None, kernel_has_esp: bool) -> Iterator[Network]:
    """Networks in a kernel that has what the peer needs."""
    if not kernel_has_esp:
        if INSIDE in os.environ:
            pytest.fail("the machine's kernel has no ESP or no GRE")
        pytest.skip("this kernel has no ESP or no GRE: runs in the machine of test_in_a_machine_whose_kernel_has_esp")
    with network() as made:
        yield made


@pytest.mark.timeout(1600)
def test_in_a_machine_whose_kernel_has_esp(charon_installed: None, kernel_has_esp: bool) -> None:
    if kernel_has_esp:
        pytest.skip("this kernel has ESP and GRE: the other tests of this file ran on it")
    tests = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=900", "-x", str(Path(__file__)))
    paths = f"PYTHONPATH={os.pathsep.join(path for path in sys.path if path)}"
    status, console = run_in_machine(("env", f"{INSIDE}=1", "SEIKAN_REQUIRE_TOOLS=1", paths, *tests), 1500)
    assert status == 0, console[-12_000:]
    assert re.search(r"\d+ passed", console), console[-4000:]


@dataclass(frozen=True, slots=True)
class Ends:
    seikan: Seikan
    charon: Charon

    def passes(self) -> bool:
        return self.seikan.site.host.answers("10.0.0.2")

    def said(self) -> str:
        return self.seikan.log()[-4000:] + self.charon.log()[-4000:] + self.charon.site.host.ip("xfrm", "state")


def make(sites: tuple[Site, Site], directory: Path, mode: str, *, nat: str | None = None, first: bool = True) -> Ends:
    """Seikan and a host with a GRE device whose GRE is encrypted by the kernel; `nat` is what Seikan is seen as."""
    here, there = sites
    seen = nat or here.address
    there.host.ip(
        *("link", "add", "gre1", "type", "gre", "local", there.address, "remote", seen, "key", "5", "ttl", "255")
    )
    there.host.ip("address", "add", "10.0.0.2/24", "dev", "gre1")
    there.host.ip("link", "set", "dev", "gre1", "up")
    charon = Charon(there, directory / "charon", kernel="kernel-netlink")
    charon.start()
    charon.connect_ike_v1(
        seen,
        SECRET,
        peer_identity=here.address,
        child={"mode": mode, "local_ts": ["dynamic[gre]"], "remote_ts": ["dynamic[gre]"]},
    )
    text = CONFIG.format(secret=SECRET, peer=there.address, mode=mode, responder="!" if first else " responder-only")
    seikan = Seikan(here, directory / "seikan", there.address, there.inner, SECRET, text=text)
    seikan.start(UP_SECONDS)
    if not first:
        charon.initiate(UP_SECONDS)
    ends = Ends(seikan, charon)
    assert wait_until(ends.passes, UP_SECONDS, 0.5), ends.said()
    return ends


@pytest.mark.parametrize(
    ("mode", "first"), [("transport", True), ("tunnel", False)], ids=["transport", "tunnel-charon-initiates"]
)
def test_both_modes(here: Network, tmp_path: Path, mode: str, first: bool) -> None:
    ends = make(two_sites(here), tmp_path, mode, first=first)
    assert f"mode {mode}" in ends.charon.site.host.ip("xfrm", "state")
    assert ends.charon.site.host.ping("10.0.0.1", count=20) == 20
    fits = tunnel_mtu(
        1500,
        outer_ipv6=False,
        gre=True,
        key=True,
        encryption=ENCRYPTION_BY_NAME["aes-cbc-128"],
        integrity=INTEGRITY_BY_NAME["hmac-sha1-96"],
        transport=mode == "transport",
    )
    assert f" mtu {fits} " in ends.seikan.site.host.ip("link", "show", "Tunnel0")
    whole = ("ping", "-n", "-q", "-W", "5", "-c", "2", "-M", "do", "-s", str(fits - 28))
    assert received(ends.seikan.site.host.run(*whole, "10.0.0.2", check=False)) == 2
    shown = ends.seikan.exec("show crypto ipsec sa")
    assert f"in use settings ={{{mode.capitalize()}, }}" in shown
    # In clear the kernel's GRE is not taken.
    ends.charon.site.host.ip("xfrm", "policy", "flush")
    ends.charon.site.host.run("ping", "-n", "-q", "-W", "1", "-c", "2", "10.0.0.1", check=False)
    assert "2 dropped: gre-clear" in ends.seikan.exec("show interfaces tunnel 0")


def test_transport_mode_in_udp_through_a_nat(here: Network, tmp_path: Path) -> None:
    ends = make(sites_with_nat(here), tmp_path, "transport", nat="10.8.0.254")
    state = ends.charon.site.host.ip("xfrm", "state")
    assert "mode transport" in state
    assert "encap type espinudp" in state
    assert ends.charon.site.host.ping("10.0.0.1", count=20) == 20


def test_rekeying_of_both_phases_loses_nothing(here: Network, tmp_path: Path) -> None:
    ends = make(two_sites(here), tmp_path, "transport")
    spis, ike = ends.charon.spis(), {str(sa.get("uniqueid")) for sa in ends.charon.ike_sas()}
    count = 500
    stream = ends.seikan.site.host.start(*ping_command("10.0.0.2", count, 0.1, "10.0.0.1"))
    # Two pairs made within ten seconds of each other are a collision; these are not.
    assert wait_until(lambda: all(int(str(sa["install-time"])) > 10 for sa in ends.charon.child_sas()), 60, 0.5)
    ends.charon.rekey_child()
    assert wait_until(lambda: ends.charon.spis() and not ends.charon.spis() & spis, 60, 0.5), ends.said()
    ends.charon.rekey_ike()
    assert wait_until(lambda: not {str(sa.get("uniqueid")) for sa in ends.charon.ike_sas()} & ike, 60, 0.5), ends.said()
    output, _ = stream.communicate(timeout=120)
    assert received(output) == count, output + ends.said()
