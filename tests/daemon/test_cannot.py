"""When it cannot work: one line says why, the rest runs, and it recovers by itself once the cause is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.daemon.routers import CRYPTO, OSPF, TUNNEL, Router, Sites, run_to_the_end, type_lines, until

pytestmark = pytest.mark.netns

HOLD_PORT = "import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('',500)); sys.stdin.read()"


def says(router: Router, *words: str, limit: float = 15) -> None:
    """The reason is in `show interfaces`, in `show crypto session detail` and in the log."""

    def holds(text: str) -> bool:
        return all(word in text for word in words)

    until(
        lambda: holds(router.exec("show interfaces tunnel 0")), limit, what=lambda: f"{router.reason()}{router.log()}"
    )
    assert holds(router.exec("show crypto session detail")), router.exec("show crypto session detail")
    until(lambda: any(holds(line) for line in router.log().splitlines()), 5, what=router.log)


def test_a_key_that_differs_and_then_is_right(sites: Sites) -> None:
    sites.r1.configure(CRYPTO, TUNNEL)
    sites.r3.configure(CRYPTO, TUNNEL, key="Another-one")
    sites.r1.start()
    sites.r3.start()
    says(sites.r3, "pre-shared key", limit=40)
    for router in (sites.r1, sites.r3):
        assert "Another-one" not in router.log()
        assert "Between-R1" not in router.log()
    type_lines(
        sites.r3,
        *("conf t", "no crypto isakmp key Another-one address 10.1.12.1"),
        *("crypto isakmp key Between-R1-and-R3 address 10.1.12.1", "end"),
    )
    until(lambda: sites.r1.tunnel_up() and sites.r3.tunnel_up(), 60, what=lambda: sites.r1.reason() + sites.r3.log())


def test_no_common_proposal_and_then_one(sites: Sites) -> None:
    sites.r1.configure(CRYPTO, TUNNEL)
    sites.r3.configure(CRYPTO.replace(" group 14", " group 19"), TUNNEL)
    sites.r1.start()
    sites.r3.start()
    says(sites.r3, "group", limit=20)
    type_lines(sites.r3, "conf t", "crypto isakmp policy 1", "group 14", "end")
    until(lambda: sites.r1.tunnel_up() and sites.r3.tunnel_up(), 60, what=lambda: sites.r1.reason() + sites.r3.log())


def test_names_that_do_not_exist_and_no_route(sites: Sites) -> None:
    r1 = sites.r1
    r1.configure(TUNNEL)
    r1.start()
    says(r1, "IPsec profile P does not exist")
    type_lines(r1, "conf t", "crypto ipsec profile P", "set transform-set T", "end")
    says(r1, "transform set T does not exist")
    type_lines(r1, "conf t", "crypto ipsec transform-set T esp-aes esp-sha-hmac", "end")
    says(r1, "no crypto isakmp policy")
    type_lines(r1, "conf t", "crypto isakmp policy 1", "encr aes", "authentication pre-share", "group 14", "end")
    type_lines(r1, "conf t", "no ip route 0.0.0.0 0.0.0.0 10.1.12.2", "end")
    says(r1, "no route to the tunnel destination 10.1.23.3")
    r1.host.ip("route", "add", "10.1.23.0/24", "via", "10.1.12.2")
    until(lambda: "no route" not in r1.reason(), 3)


def test_udp_500_is_taken_and_then_free(sites: Sites) -> None:
    sites.r1.configure(CRYPTO, TUNNEL)
    sites.r3.configure(CRYPTO, TUNNEL)
    holder = subprocess.Popen(
        ["ip", "netns", "exec", sites.r1.name, sys.executable, "-c", HOLD_PORT], stdin=subprocess.PIPE
    )
    try:
        until(lambda: ":500" in sites.r1.host.run("ss", "-Hlun"))
        sites.r3.start()
        sites.r1.start()
        says(sites.r1, "UDP port 500 is in use by", f"(pid {holder.pid})")
    finally:
        holder.kill()
        holder.communicate()
    until(lambda: sites.r1.tunnel_up() and sites.r3.tunnel_up(), 40, what=sites.r1.log)


def test_without_tun_and_frr_and_then_with_them(sites: Sites) -> None:
    sites.r3.configure(CRYPTO, TUNNEL, OSPF)
    sites.r1.configure(CRYPTO, TUNNEL, OSPF)
    sites.r3.start()
    sites.r1.start_without("/dev/net", "/usr/lib/frr")
    says(sites.r1, "/dev/net/tun", "load the module")
    assert "%SYS-3-PROBLEM: FRR is not installed: apt-get install frr" in sites.r1.log()
    assert "FRR does not answer" in sites.r1.exec("show ip route", check=False)
    assert "1.1.1.1/32" in sites.r1.host.ip("address", "show", "Loopback0")
    sites.r1.uncover("/dev/net")
    sites.r1.uncover("/usr/lib/frr")
    until(lambda: sites.r1.tunnel_up() and sites.r3.tunnel_up(), 40, what=lambda: sites.r1.reason() + sites.r1.log())
    until(lambda: sites.r1.host.answers("3.3.3.3", "1.1.1.1"), 30, what=sites.r1.log)
    # FRR crashes: it is started again and told everything
    (zebra,) = [pid for pid in sites.r1.host.processes() if Path(f"/proc/{pid}/comm").read_text() == "zebra\n"]
    os.kill(zebra, 9)
    until(lambda: "FRR's zebra ended" in sites.r1.log(), 10)
    until(lambda: sites.r1.host.answers("3.3.3.3", "1.1.1.1"), 40, what=sites.r1.log)


def test_not_root(sites: Sites, tmp_path: Path) -> None:
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--clear-groups", sys.executable, "-m", "seikan", "run", str(tmp_path / "x")],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "needs root" in done.stderr


BROKEN = """\
interface Loopback3
 ip address 1.1.1.1 255.255.255.255
crypto isakmp nonsense
frobnicate the tunnel
"""


def test_a_startup_configuration_with_faults(sites: Sites) -> None:
    """Every fault is told at once with its line; what can run runs; the file stays as it is."""
    r1 = sites.r1
    r1.configure(CRYPTO, TUNNEL, BROKEN)
    r1.start()
    log = r1.log()
    last = len(r1.text.splitlines())
    assert f"startup-config:{last - 1}" in log
    assert f"startup-config:{last}" in log
    assert "overlaps" in log
    assert "%SYS-4-CONFIG" in log or "%SYS-3-CONFIG" in log
    says(r1, "crypto isakmp nonsense")
    assert "1.1.1.1/32" in r1.host.ip("address", "show", "Loopback0")
    assert r1.startup.read_text() == r1.text
    assert r1.stop() == 0
    assert r1.startup.read_text() == r1.text
    status, said = run_to_the_end(r1, "--strict")
    assert status == 1
    for fault in ("crypto isakmp nonsense", "frobnicate the tunnel", "overlaps"):
        assert fault in said
    assert r1.startup.read_text() == r1.text
    assert r1.host.processes() == []


def test_a_second_daemon_of_the_same_name(sites: Sites) -> None:
    sites.r1.configure()
    sites.r1.start()
    status, said = run_to_the_end(sites.r1)
    assert status == 1
    assert "is already running (pid" in said
    assert "Loopback0" in sites.r1.exec("show ip interface brief")
