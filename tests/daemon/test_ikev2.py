"""Two daemons that negotiate by IKEv2: one running pair lives through rekeying, clearing, restarts and edits."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.routers import Router, Sites, two_routers, type_lines, until
from tests.interop.network import received

from seikan.lab.driver import Console, cli_command, environment

pytestmark = pytest.mark.netns

KEYRING = """\
crypto ikev2 quick-crash-detection
crypto ikev2 keyring RING
 peer there
  address {peer}
  pre-shared-key {key}
crypto ikev2 profile ROAD
 match identity remote address {peer} 255.255.255.255
 authentication local pre-share
 authentication remote pre-share
 keyring local RING
 dpd 10 2 periodic
"""
IPSEC = """\
crypto ipsec transform-set T esp-gcm 256
 mode tunnel
crypto ipsec profile P
 set transform-set T
 set pfs group19
 set ikev2-profile ROAD
"""
TUNNEL = """\
interface Tunnel0
 ip unnumbered Loopback0
 tunnel source eth0
 tunnel destination {peer}
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
ip route {far} 255.255.255.255 Tunnel0
"""


def configure(sites: Sites, *parts: str) -> None:
    for router, far in ((sites.r1, "3.3.3.3"), (sites.r3, "1.1.1.1")):
        router.configure(*(part.replace("{far}", far) for part in parts))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """R1 and R3 with a static VTI by pre-shared keys and smart defaults."""
    with two_routers(tmp_path_factory.mktemp("sites")) as sites:
        configure(sites, KEYRING, IPSEC, TUNNEL)
        sites.start()
        yield sites


def answers(sites: Sites) -> bool:
    return sites.r1.host.answers("3.3.3.3", "1.1.1.1")


def ike_spis(router: Router) -> set[str]:
    return set(re.findall(r"Local spi: ([0-9A-F]{16})", router.exec("show crypto ikev2 sa detailed")))


def child_spis(router: Router) -> set[str]:
    return set(re.findall(r"ESP spi in/out: (\S+)", router.exec("show crypto ikev2 session")))


def carrier_changes(sites: Sites) -> list[str]:
    """How often the line protocol has changed at each end."""
    return [router.host.run("cat", "/sys/class/net/Tunnel0/carrier_changes") for router in (sites.r1, sites.r3)]


def test_it_comes_up_and_shows_so(running: Sites) -> None:
    r1 = running.r1
    until(lambda: answers(running), what=r1.log)
    shown = r1.exec("show crypto ikev2 sa detailed")
    assert re.search(r"^\d+ +10\.1\.12\.1/500 +10\.1\.23\.3/500 +none/none +READY", shown, re.MULTILINE)
    assert "Auth sign: PSK, Auth verify: PSK" in shown
    assert "DPD configured for 10 seconds, retry 2" in shown
    session = r1.exec("show crypto session detail")
    assert "Profile: ROAD" in session
    assert "IKEv2 SA: local 10.1.12.1/500 remote 10.1.23.3/500 Active" in session
    assert "Session status: UP-ACTIVE" in session
    assert child_spis(r1)
    assert "No SAs" not in r1.exec("show crypto isakmp sa")
    assert "QM_IDLE" not in r1.exec("show crypto isakmp sa")
    explained = subprocess.run(
        cli_command("explain", r1.name, "10.1.23.3"),
        env=environment(r1.host.runtime),
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert "nothing is wrong" in explained.stdout
    assert "interface: Tunnel0" in r1.exec("show crypto ipsec sa")


def test_clearing_replaces_everything_and_loses_nothing(running: Sites) -> None:
    r1 = running.r1
    stream = r1.host.start("ping", "-n", "-q", "-i", "0.02", "-c", "200", "-I", "1.1.1.1", "3.3.3.3")
    before, children = ike_spis(r1), child_spis(r1)
    changes = carrier_changes(running)
    r1.exec("clear crypto isakmp")  # is about IKEv1
    assert ike_spis(r1) == before
    r1.exec("clear crypto sa")
    until(lambda: child_spis(r1) and not child_spis(r1) & children, 5, what=r1.log)
    assert ike_spis(r1) == before
    for line in ("clear crypto ikev2 sa remote 10.1.23.3", "clear crypto session"):
        before = ike_spis(r1)
        r1.exec(line)
        until(lambda old=before: ike_spis(r1) and not ike_spis(r1) & old, 10, what=r1.log)
    assert len(ike_spis(r1)) == 1
    output, _ = stream.communicate(timeout=20)
    assert received(output) == 200, output
    assert carrier_changes(running) == changes


def test_a_killed_router_comes_back(running: Sites) -> None:
    running.r3.kill()
    running.r3.start()
    until(running.r3.tunnel_up, 30, what=lambda: running.r3.log() + running.r1.log())
    until(lambda: answers(running), 30, what=lambda: running.r3.log() + running.r1.log())


def test_a_killed_router_that_only_answers_says_that_it_has_lost_everything(running: Sites) -> None:
    r1, r3 = running.r1, running.r3
    type_lines(r3, "conf t", "crypto ipsec profile P", "responder-only", "end", "write memory")
    secret = Path(f"{r3.startup}.state") / "ticket-key"
    kept = secret.read_bytes()
    assert secret.stat().st_mode & 0o777 == 0o600
    before = ike_spis(r1)
    r3.kill()
    r3.start()
    assert secret.read_bytes() == kept
    assert ike_spis(r1) == before
    r1.exec("clear crypto sa")  # says something of an IKE SA that the peer has lost
    until(lambda: "peer 10.1.23.3 has restarted" in r1.log(), 5, what=lambda: r1.log() + r3.log())
    until(lambda: answers(running), what=r1.log)


def test_the_sas_come_along_to_another_address(running: Sites) -> None:
    """R1 has begun the IKE SA, for R3 only answers."""
    r1, r3 = running.r1, running.r3
    ike, children = ike_spis(r1), child_spis(r1)
    changes = carrier_changes(running)
    stream = r1.host.start("ping", "-n", "-q", "-i", "0.02", "-c", "300", "-I", "1.1.1.1", "3.3.3.3")
    for address in ("10.1.12.7", "10.1.12.1"):
        type_lines(r1, "conf t", "interface eth0", f"ip address {address} 255.255.255.0", "end")
        until(lambda at=address: f"{at}/500" in r3.exec("show crypto ikev2 sa"), 10, what=lambda: r1.log() + r3.log())
    output, _ = stream.communicate(timeout=30)
    assert received(output) >= 290, output + r1.log() + r3.log()
    assert (ike_spis(r1), child_spis(r1)) == (ike, children)
    assert carrier_changes(running) == changes
    type_lines(r3, "conf t", "crypto ipsec profile P", "no responder-only", "end", "write memory")


def test_keys_are_logged_to_a_file_alone_and_only_while_asked_for(running: Sites) -> None:
    r1 = running.r1
    table = Path(f"{r1.startup}.state") / "ikev2_decryption_table"
    before = ike_spis(r1)
    console = Console({"r1": r1.login()}, lambda _router, _line: None)
    try:
        console.ready("r1")
        assert str(table) in "\n".join(console.type("r1", "debug crypto ikev2 keylog"))
        console.type("r1", "clear crypto ikev2 sa")
        until(lambda: ike_spis(r1) and not ike_spis(r1) & before, 10, what=r1.log)
        until(lambda: answers(running), what=r1.log)
        console.type("r1", "undebug all")
        seen = "\n".join(console.terminals["r1"].screen.lines)
    finally:
        console.close()
    [line] = [line for line in table.read_text().splitlines() if line.split(",")[0].upper() in ike_spis(r1)]
    assert table.stat().st_mode & 0o777 == 0o600
    secret = line.split(",")[2]
    assert len(secret) >= 32
    assert secret not in r1.log() + seen
    length = table.stat().st_size
    r1.exec("clear crypto ikev2 sa")
    until(lambda: answers(running), what=r1.log)
    assert table.stat().st_size == length


def test_a_wrong_key_is_explained(running: Sites) -> None:
    r1, r3 = running.r1, running.r3
    edit = ("conf t", "crypto ikev2 keyring RING", "peer there")
    type_lines(r1, *edit, "pre-shared-key wrong-one", "end")
    type_lines(r1, "clear crypto ikev2 sa")
    until(lambda: not r1.tunnel_up(), 15, what=r1.log)
    until(lambda: "Crypto diagnosis" in r1.exec("explain Tunnel0"), 20, what=r1.log)
    assert "pre-shared-key" in r1.exec("explain Tunnel0") + r3.exec("show crypto ikev2 diagnose error")
    assert "wrong-one" not in r1.exec("explain Tunnel0") + r1.exec("show crypto ikev2 diagnose error")
    type_lines(r1, *edit, "pre-shared-key Between-R1-and-R3", "end")
    until(lambda: answers(running), 30, what=r1.log)


def test_a_profile_that_cannot_be_used_is_of_ikev2_still(running: Sites) -> None:
    r1 = running.r1
    type_lines(r1, "conf t", "crypto ikev2 profile ROAD", "no keyring local RING", "end")
    until(lambda: not r1.tunnel_up(), 15, what=r1.log)
    assert "IKEv2 SA: local 10.1.12.1/500" in r1.exec("show crypto session")
    assert r1.exec("explain tu0").startswith("Tunnel0, IKEv2 with 10.1.23.3: DOWN\nWhy it is down: ikev2 profile ROAD")
    type_lines(r1, "conf t", "crypto ikev2 profile ROAD", "keyring local RING", "end")
    until(lambda: answers(running), 30, what=r1.log)
