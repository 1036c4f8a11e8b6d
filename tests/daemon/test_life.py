"""The life of a daemon: it comes up, stops clean, and comes back after kill -9."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
from tests.daemon.routers import CRYPTO, OSPF, TUNNEL, Router, Sites, run_to_the_end, type_lines, until

from seikan.lab.driver import cli_command, environment

pytestmark = pytest.mark.netns


def system_state(router: Router) -> dict[str, object]:
    """What the operating system of a router has: devices, addresses, routes, switches, firewall tables."""
    host = router.host
    return {
        "links": [line.split(":")[1].strip() for line in host.ip("-o", "link").splitlines()],
        "addresses": [
            " ".join(line.split()[1:4]) for line in host.ip("-o", "address").splitlines() if "fe80" not in line
        ],
        "routes": sorted(
            re.sub(r"nhid \d+ ", "", line) for line in host.ip("-4", "route", "show", "table", "all").splitlines()
        ),
        "routes6": sorted(
            line
            for line in host.ip("-6", "route", "show", "table", "all").splitlines()
            if not re.search(r"fe80|ff00", line)  # the kernel's own, which come and go with the carrier
        ),
        "switches": host.run("sysctl", "net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.eth0"),
        "tables": host.run("nft", "list", "ruleset"),
        "mtu": host.ip("-o", "link", "show", "eth0").split(" mtu ")[1].split()[0],
    }


def give_of_its_own(router: Router) -> None:
    """Addresses and routes that are the operating system's."""
    router.host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0")
    router.host.ip("address", "add", "198.51.100.7/24", "dev", "eth0")
    router.host.ip("-6", "address", "add", "2001:db8::7/64", "dev", "eth0", "nodad")
    router.host.ip("route", "add", "203.0.113.0/24", "via", "198.51.100.1")
    router.host.ip("-6", "route", "add", "2001:db8:7::/48", "via", "2001:db8::1")


EXTRAS = "interface eth0\n mtu 1480\n ip tcp adjust-mss 1300\n"


def test_a_clean_stop_leaves_what_the_system_had_and_nothing_else(sites: Sites) -> None:
    sites.r3.configure(CRYPTO, TUNNEL, OSPF, EXTRAS)
    sites.r1.configure(CRYPTO, TUNNEL, OSPF, EXTRAS)
    give_of_its_own(sites.r1)
    before = system_state(sites.r1)
    sites.start()
    during = system_state(sites.r1)
    assert "Tunnel0" in str(during["links"])
    assert "10.1.12.1/24" in str(during["addresses"])
    assert "seikan_" in str(during["tables"])
    assert during["mtu"] == "1480"
    began = time.monotonic()
    assert sites.r1.stop() == 0
    print(f"clean stop: {time.monotonic() - began:.2f} s")
    assert system_state(sites.r1) == before
    assert sites.r1.host.processes() == []
    assert list(sites.r1.host.runtime.glob("*")) == []
    # the peer was told: it does not wait for dead peer detection
    until(lambda: not sites.r3.tunnel_up(), 5)
    assert sites.r3.reason() == "negotiating" or "peer" in sites.r3.reason()


def test_an_interface_that_was_shut_down_gets_back_what_the_kernel_forgot(sites: Sites) -> None:
    r1 = sites.r1
    r1.configure()
    give_of_its_own(r1)
    r1.start()
    until(lambda: "default" in r1.host.ip("route"))
    before = system_state(r1)
    type_lines(r1, "conf t", "interface eth0", "shutdown", "end")
    until(lambda: "state DOWN" in r1.host.ip("link", "show", "eth0"))
    assert "2001:db8::7" not in r1.host.ip("-6", "address")
    type_lines(r1, "conf t", "interface eth0", "no shutdown", "end")
    until(lambda: system_state(r1) == before, 10, what=lambda: f"{system_state(r1)}\n{before}\n{r1.log()}")
    type_lines(r1, "conf t", "interface eth0", "shutdown", "end")
    assert r1.stop() == 0
    assert "203.0.113.0/24 via 198.51.100.1" in r1.host.ip("route")
    assert "2001:db8:7::/48" in r1.host.ip("-6", "route")
    assert "2001:db8::7/64" in r1.host.ip("-6", "address")


@pytest.mark.parametrize("moment", ["negotiating", "established"])
def test_after_kill_9_the_tunnel_comes_back_and_a_stop_leaves_nothing(sites: Sites, moment: str) -> None:
    sites.r3.configure(CRYPTO, TUNNEL, OSPF, EXTRAS)
    sites.r1.configure(CRYPTO, TUNNEL, OSPF, EXTRAS)
    give_of_its_own(sites.r1)
    before = system_state(sites.r1)
    if moment == "established":
        sites.start()
        until(lambda: sites.r1.host.answers("3.3.3.3", "1.1.1.1"), 60, what=sites.r1.log)
    else:
        sites.r3.start()
        sites.r1.start()
    sites.r1.kill()
    began = time.monotonic()
    sites.r1.start()
    started = time.monotonic()
    until(sites.r1.carrier, 60, what=lambda: sites.r1.reason() + sites.r1.log())
    up = time.monotonic()
    until(lambda: sites.r1.host.answers("3.3.3.3", "1.1.1.1"), 60, what=sites.r1.log)
    print(
        f"kill -9 while {moment}: ready after {started - began:.2f} s, tunnel up after {up - began:.2f} s, "
        f"OSPF routes carry packets after {time.monotonic() - began:.2f} s"
    )
    assert len([line for line in sites.r3.exec("show crypto isakmp sa").splitlines() if "QM_IDLE" in line]) >= 1
    assert sites.r1.stop() == 0
    assert system_state(sites.r1) == before
    assert sites.r1.host.processes() == []
    assert list(sites.r1.host.runtime.glob("*")) == []


def test_what_a_killed_router_made_goes_where_the_next_does_not_want_it(sites: Sites) -> None:
    r1 = sites.r1
    r1.configure(CRYPTO, TUNNEL, EXTRAS)
    before = system_state(r1)
    r1.start()
    r1.kill()
    until(lambda: not r1.host.processes())
    r1.startup.write_text("hostname Bare\n")
    r1.start()
    left = system_state(r1)
    assert left["addresses"] == before["addresses"]
    assert left["tables"] == before["tables"] == ""
    assert left["mtu"] == before["mtu"]


def test_a_start_that_strict_forbids_still_removes_what_was_left(sites: Sites) -> None:
    r1 = sites.r1
    r1.configure(CRYPTO, TUNNEL, EXTRAS)
    before = system_state(r1)
    r1.start()
    r1.kill()
    until(lambda: not r1.host.processes())
    text = r1.text + "nonsense here\ncrypto isakmp nonsense\n"
    r1.startup.write_text(text)
    status, said = run_to_the_end(r1, "--strict")
    assert status == 1
    assert "nonsense here" in said
    assert "crypto isakmp nonsense" in said
    assert "2 errors" in said
    assert system_state(r1) == before
    assert r1.startup.read_text() == text


def begin(router: Router) -> subprocess.Popen[str]:
    """Start a daemon and do not wait for it."""
    command = cli_command("run", router.name, str(router.startup))
    return router.host.start(*command, log=router.directory / "log", environment=environment(router.host.runtime))


def wait_for(log: Path, words: str) -> None:
    """Wait until a log says it, then empty the log."""
    until(lambda: words in log.read_text(), 15, what=log.read_text)
    log.write_text("")


def test_killed_again_and_again_while_it_starts(sites: Sites) -> None:
    sites.r3.configure(CRYPTO, TUNNEL)
    sites.r1.configure(CRYPTO, TUNNEL, EXTRAS)
    give_of_its_own(sites.r1)
    before = system_state(sites.r1)
    sites.r3.start()
    sites.r1.directory.mkdir()
    sites.r1.startup.write_text(sites.r1.text)
    log = sites.r1.directory / "log"
    log.touch()
    for marker in ("changed state to down", "ISAKMP is ON"):
        daemon = begin(sites.r1)
        wait_for(log, marker)
        daemon.kill()
        daemon.wait()
    daemon = begin(sites.r1)
    wait_for(log, "changed state to down")
    daemon.terminate()
    assert daemon.wait(15) == 0, log.read_text()
    assert system_state(sites.r1) == before  # the last one was asked to end while it started
    daemon = begin(sites.r1)
    wait_for(log, "ISAKMP is ON")
    daemon.kill()
    daemon.wait()
    began = time.monotonic()
    sites.r1.start()
    until(lambda: sites.r1.tunnel_up() and sites.r3.tunnel_up(), 60, what=lambda: sites.r1.reason() + log.read_text())
    print(f"killed while it started: tunnel up after {time.monotonic() - began:.2f} s")
    assert sites.r1.stop() == 0
    assert system_state(sites.r1) == before
    assert list(sites.r1.host.runtime.glob("*")) == []


def test_an_address_that_was_set_again_goes_even_after_kill_9(sites: Sites) -> None:
    r1 = sites.r1
    r1.configure()
    r1.start()
    again = ("conf t", "interface eth0", "no ip address", "ip address 10.1.12.1 255.255.255.0", "shutdown")
    type_lines(r1, *again, "no shutdown", "mtu 1400", "no mtu", "end")
    assert "10.1.12.1/24" in r1.host.ip("address", "show", "eth0")
    for _ in range(2):
        r1.kill()
        assert "10.1.12.1/24" in r1.host.ip("address", "show", "eth0")
        r1.start()
    type_lines(r1, *again, "no shutdown", "end")
    assert r1.stop() == 0
    assert "10.1.12.1" not in r1.host.ip("address", "show", "eth0")
