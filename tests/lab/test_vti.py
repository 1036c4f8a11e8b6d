"""The whole session, as a user starts it: two commands, real daemons, real OSPF, and nothing left behind."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.conftest import find_tool, lacking
from tests.lab.labs import execute, failed_claims, lab_command, left_of

from seikan.lab import daemons, proof
from seikan.lab.driver import Console, login
from seikan.lab.lab import Lab
from seikan.lab.namespaces import start_time
from seikan.lab.wait import wait_until

pytestmark = pytest.mark.netns
LAB_SECONDS = 240
PROGRAMS = ("ip", "tcpdump", "ping", "ospfd", "zebra")


@pytest.fixture(autouse=True)
def _programs(tool: Callable[[str], str]) -> None:
    for program in PROGRAMS:
        tool(program)


def crossing(lab: Lab) -> bool:
    # A ping without an answer has failed, and says so by its exit status too.
    return "Success rate is 100 percent" in execute(lab, "R1", "ping 3.3.3.3 source lo0 repeat 2", check=False)


def test_two_labs_at_once_prove_themselves_and_leave_nothing(names: Callable[[], str]) -> None:
    both = [names(), names()]
    runs = [lab_command("up", "vti", "--once", "--name", name) for name in both]
    for name, each in zip(both, runs, strict=True):
        output, _ = each.communicate(timeout=LAB_SECONDS)
        assert each.returncode == 0, output
        assert f"lab {name}: it works; taken down" in output
        assert failed_claims(output) == []
        assert "R3(config-if)#tunnel mode ipsec ipv4" in output
        assert "%CRYPTO-6-ISAKMP_ON_OFF: ISAKMP is ON" in output
        assert "no inner address in any frame: 0 of" in output
        assert left_of(name) == []


@pytest.fixture(scope="module")
def standing() -> Iterator[Lab]:
    """A lab that stays after its demonstration, for the tests that change it, and is then taken down."""
    for program in PROGRAMS:
        if find_tool(program) is None:
            lacking(f"{program} is not installed: make test installs it")
    name = f"t{secrets.token_hex(3)}"
    try:
        up = lab_command("up", "vti", "--name", name)
        output, _ = up.communicate(timeout=LAB_SECONDS)
        assert up.returncode == 0, output
        assert f"lab cli R1 --name {name}" in output
        assert f"lab down --name {name}" in output
        lab = Lab.load(name)
        assert lab.owner is None, output
        yield lab
        down = lab_command("down", "--name", name)
        output, _ = down.communicate(timeout=60)
        assert down.returncode == 0, output
        assert left_of(name) == []
    finally:
        if left_of(name):
            Lab.load(name).take_down()


def test_a_lab_stays_and_survives_a_killed_daemon(standing: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab = standing
    assert "QM_IDLE" in execute(lab, "R3", "show crypto isakmp sa")
    unquoted = lab_command("exec", "R3", "show", "crypto", "isakmp", "sa", "--name", lab.id)
    output, _ = unquoted.communicate(timeout=60)
    assert "QM_IDLE" in output
    for router in ("R3", "R1"):
        execute(lab, router, "write memory")
        daemon = daemon_of(lab, router)
        killed = time.monotonic()
        os.kill(daemon, signal.SIGKILL)
        assert wait_until(partial(gone, daemon), 5)
        restarted = daemons.start(lab, router)
        assert wait_until(lambda: crossing(lab), 90, 0.5), execute(lab, router, "show crypto session detail")
        took = time.monotonic() - killed
        with capsys.disabled():
            print(f"\n{router}: killed, restarted, and traffic crosses again after {took:.1f} s")
        one_pair(lab)
        assert restarted.poll() is None


def test_a_route_to_the_tunnels_own_destination_is_noticed_and_the_tunnel_recovers(standing: Lab) -> None:
    """R1 announces the network of its own WAN address through the tunnel, which then would carry itself."""
    lab = standing
    assert wait_until(lambda: crossing(lab), 30, 0.5)
    terminals = {router: login(router, router, daemons.run_directory(lab)) for router in ("R1", "R3")}
    console = Console(terminals, lambda router, line: None)
    try:
        for router in terminals:
            console.ready(router)
            console.type(router, "terminal monitor")
            console.mark(router)
        for line in ("conf t", "router ospf 1", "network 10.1.12.0 0.0.0.255 area 0", "end"):
            console.type("R1", line)
        console.expect("R3", r"%TUN-5-RECURDOWN: Tunnel0 temporarily disabled due to recursive routing", 60)
        console.expect("R3", r"%LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0, changed state to down", 10)
        for line in ("conf t", "router ospf 1", "no network 10.1.12.0 0.0.0.255 area 0", "end"):
            console.type("R1", line)
        console.mark("R3")
        console.expect("R3", r"%OSPF-5-ADJCHG: .* from LOADING to FULL, Loading Done", 150)
    finally:
        console.close()
    assert wait_until(lambda: crossing(lab), 30, 0.5)


def gone(pid: int) -> bool:
    return start_time(pid) is None


def daemon_of(lab: Lab, router: str) -> int:
    """The pid of a router's daemon."""
    for pid, namespace in lab.processes().items():
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if namespace == lab.namespace(router) and b"run" in words and b"seikan" in words:
            return pid
    raise AssertionError(f"{router} has no daemon")


def one_pair(lab: Lab) -> None:
    """Both ends show one ISAKMP SA that lives, and mean the same pair of IPsec SAs."""

    def agree() -> bool:
        ends = [proof.counters(execute(lab, router, "show crypto ipsec sa").splitlines()) for router in ("R1", "R3")]
        return ends[0].outbound_spi == ends[1].inbound_spi and ends[0].inbound_spi == ends[1].outbound_spi

    assert wait_until(agree, 20, 0.3)
    for router in ("R1", "R3"):
        lines = execute(lab, router, "show crypto isakmp sa").splitlines()
        assert len([line for line in lines if "QM_IDLE" in line and "deleted" not in line]) == 1, lines


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_lab_that_is_interrupted_leaves_nothing(names: Callable[[], str], number: signal.Signals) -> None:
    name = names()
    up = lab_command("up", "vti", "--once", "--name", name)
    assert up.stdout is not None
    for line in up.stdout:
        if "conf t" in line:
            break
    else:
        pytest.fail("the lab ended before anything was typed")
    daemons_before = list(Lab.load(name).processes())
    assert daemons_before
    os.kill(up.pid, number)
    up.stdout.close()
    assert up.wait(30) != 0
    assert wait_until(lambda: not left_of(name), 30), left_of(name)
    assert [pid for pid in daemons_before if start_time(pid) is not None] == []


def test_a_lab_that_cannot_start_says_why(names: Callable[[], str]) -> None:
    """Where a router's daemon ends at once, its last words are shown and the exit status is 1."""
    name = names()
    up = subprocess.run(
        [sys.executable, "-m", "seikan", "lab", "up", "vti", "--once", "--name", name],
        env={**os.environ, "PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert up.returncode == 1
    assert 'the program "ip" is not installed: run make setup' in up.stderr
    assert "Traceback" not in up.stderr
    assert left_of(name) == []
