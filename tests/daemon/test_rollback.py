"""A change that fails half-way, wherever that is, leaves everything as it was, and the user reads why."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.daemon.fakes import Bench
from tests.daemon.routers import CRYPTO, TUNNEL

VALUES = {"key": "k", "peer": "192.0.2.3", "loopback": "1.1.1.1"}
WAN = "interface eth0\n ip address 10.0.0.1 255.255.255.0\n"
LOOP = "interface Loopback0\n ip address 1.1.1.1 255.255.255.255\n"
VTI = CRYPTO.format(**VALUES) + TUNNEL.format(**VALUES)
GRE = "interface Tunnel0\n ip address 10.9.9.1 255.255.255.252\n tunnel source eth0\n tunnel destination 192.0.2.3\n"
OSPF = "router ospf 1\n network 1.1.1.1 0.0.0.0 area 0\n"
MORE = "interface eth0\n ip address 10.0.0.9 255.255.255.0\n mtu 1400\n ip tcp adjust-mss 1200\n"
ROUTE = "ip route 198.51.100.0 255.255.255.0 10.0.0.2\n"

CHANGES = {
    "from nothing to all": ("", "hostname B\n" + LOOP + WAN + VTI + OSPF + ROUTE),
    "from all to nothing": ("hostname B\n" + LOOP + WAN + VTI + OSPF + ROUTE, ""),
    "gre becomes ipsec": (LOOP + WAN + GRE + OSPF, LOOP + WAN + VTI + OSPF),
    "ipsec becomes gre": (LOOP + WAN + VTI, LOOP + WAN + GRE),
    "the source moves": (LOOP + WAN + VTI + MORE, LOOP + WAN + VTI),
    "mtu, mss and address": (LOOP + WAN + VTI, LOOP + WAN + VTI + MORE),
    "shutdown": (LOOP + WAN + VTI, LOOP + WAN + VTI + "interface Tunnel0\n shutdown\ninterface eth0\n shutdown\n"),
    "a loopback goes, and its borrower's address": (LOOP + WAN + VTI, WAN + VTI),
    "a second tunnel": (LOOP + WAN + VTI, LOOP + WAN + VTI + GRE.replace("Tunnel0", "Tunnel1")),
}


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_failing_half_way_leaves_everything_as_it_was(old: str, new: str, tmp_path: Path) -> None:
    async def attempt(at: int) -> bool:
        """Fail at call number `at`; False where the change needs fewer calls."""
        bench = Bench(tmp_path)
        try:
            await bench.load(old)
            before = bench.system()
            bench.faults.arm(at)
            refused = await bench.change(new)
            if not bench.faults.name:
                assert refused == []
                return False
            assert refused == [f"{bench.faults.name} does not work today"], f"call {at}"
            assert bench.system() == before, f"call {at}, {bench.faults.name}"
            # and nothing is in the way of the same change later
            assert await bench.change(new) == []
            after = bench.system()
        finally:
            bench.close()
        straight = Bench(tmp_path)
        try:
            await straight.load(old)
            await straight.change(new)
            assert after == straight.system(), f"call {at}"
        finally:
            straight.close()
        return True

    async def every_call() -> int:
        at = 1
        while await attempt(at):
            at += 1
        return at - 1

    calls = asyncio.run(every_call())
    assert calls > 3
    print(f"{calls} calls, each failed once")


def test_a_startup_configuration_runs_as_far_as_it_can(tmp_path: Path) -> None:
    """Whichever one call fails, all that does not hang on it runs, and the log or the tunnel says what failed."""

    async def attempt(at: int) -> bool:
        bench = Bench(tmp_path)
        try:
            bench.faults.arm(at)
            await bench.load("hostname B\n" + LOOP + WAN + VTI + GRE.replace("Tunnel0", "Tunnel1") + OSPF)
            if not bench.faults.name:
                return False
            reasons = [state.reason or "" for state in bench.router.tunnels.states.values()]
            assert any("does not work today" in line for line in [*bench.lines, *reasons]), bench.faults.name
            assert bench.router.running.hostname == "B"
            bench.faults.armed = False
            await bench.router.applier.retry(bench.router.running)
            assert set(bench.memory.devices) == {"Tunnel0", "Tunnel1"}
            assert bench.frr.told[1], bench.faults.name  # the OSPF process
        finally:
            bench.close()
        return True

    async def every_call() -> int:
        at = 1
        while await attempt(at):
            at += 1
        return at

    assert asyncio.run(every_call()) > 10
