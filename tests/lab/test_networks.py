"""The networks of the labs as they are built, before anything is typed: who reaches whom, and as whom."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface

import pytest
from tests.lab.labs import execute, lab_command, leased, left_of

from seikan.lab.capture import Capture, Reader
from seikan.lab.hub.network import HUB_AND_SPOKES, MOVED_TO
from seikan.lab.lab import Lab
from seikan.lab.migrate.network import INTERNET, MIGRATION
from seikan.lab.namespaces import inside, namespaces
from seikan.lab.scenarios import SCENARIOS
from seikan.lab.topology import PROVIDER, Topology
from seikan.lab.wait import wait_until

ALL = [scenario.topology for scenario in SCENARIOS.values()]


@pytest.mark.parametrize("topology", ALL, ids=lambda topology: topology.name)
def test_a_topology_holds_together(topology: Topology) -> None:
    assert len(set(topology.nodes)) == len(topology.nodes)
    ports = [port for wire in topology.wires for port in wire.ports]
    assert {port.node for port in ports} == set(topology.nodes)
    assert max(Counter((port.node, port.device) for port in ports).values()) == 1
    assert not any("-" in node for node in topology.nodes)
    assert set(topology.captured) == {router.name for router in topology.routers}
    for router in topology.routers:
        for port in topology.ports(router.name):
            assert f"interface {port.ios_name}\n" in router.base, f"{router.name} does not configure {port.ios_name}"
    for machine in topology.machines:
        for _, next_hop in machine.routes:
            networks = [IPv4Interface(text).network for port in topology.ports(machine.name) for text in port.addresses]
            assert any(IPv4Address(next_hop) in network for network in networks)


def ping(lab: Lab, node: str, target: str, *options: str) -> bool:
    command = inside(lab.namespace(node), "ping", "-n", "-q", "-c", "1", "-W", "2", *options, target)
    return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0


SEGMENTS = 8
_BATCH = f"""
import socket
UDP_SEGMENT = 103
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 100)
out.sendto(bytes(100 * {SEGMENTS}), ("10.1.12.1", 9))
"""


def frames_of_a_batch(lab: Lab, router: str) -> int:
    """How many frames the provider sees of packets that a router hands to its kernel as one batch."""
    wire = Capture(lab.namespace(PROVIDER), f"to-{router.lower()}", lab.directory / "batch.pcap")
    reader = Reader(wire.path)

    def seen() -> int:
        return sum(packet.kind == "UDP" and packet.destination == IPv4Address("10.1.12.1") for packet in reader.read())

    try:
        wire.wait_listening()
        command = inside(lab.namespace(router), sys.executable, "-c", _BATCH)
        subprocess.run(command, check=True, timeout=20)
        wait_until(lambda: seen() >= SEGMENTS, 3)
    finally:
        wire.stop()
    return seen()


def kill(lab: Lab, router: str) -> None:
    """As `kill -9` of the router and all that it started."""
    listed = ["ip", "netns", "pids", lab.namespace(router)]
    for pid in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def frames_to_the_old_address(lab: Lab) -> list[str]:
    """What is on R5's wire of one packet to the address it had, while the provider has not noticed yet."""
    address = subprocess.run(
        inside(lab.namespace("R5"), "cat", "/sys/class/net/wan0/address"), capture_output=True, text=True, check=True
    ).stdout.strip()
    neighbor = ("neigh", "replace", "10.1.25.5", "lladdr", address, "dev", "to-r5", "nud", "permanent")
    subprocess.run(inside(lab.namespace(PROVIDER), "ip", *neighbor), check=True, timeout=20)
    wire = Capture(lab.namespace(PROVIDER), "to-r5", lab.directory / "old.pcap")
    reader = Reader(wire.path)
    try:
        wire.wait_listening()
        assert not ping(lab, "R1", "10.1.25.5")
        assert wait_until(lambda: any(row.kind.startswith("ICMP") for row in reader.read()), 5)
    finally:
        wire.stop()
    return [f"to {row.destination}" for row in reader.read() if row.kind.startswith("ICMP")]


@pytest.mark.netns
def test_the_hubs_network_translates_and_lets_an_address_change(names: Callable[[], str]) -> None:
    name = names()
    output, _ = (up := lab_command("up", "hub", "--bare", "--name", name)).communicate(timeout=120)
    assert up.returncode == 0, output
    lab = Lab.load(name)
    assert (lab.kind, lab.routers, lab.machines) == ("hub", ("R1", "R3", "R4", "R5", "R6"), (PROVIDER, "N4"))
    wire = Capture(lab.namespace(PROVIDER), "to-r4", lab.directory / "test.pcap")
    try:
        wire.wait_listening()
        for router in ("R3", "R4", "R5", "R6"):
            assert ping(lab, router, "10.1.12.1"), router
        reader = Reader(wire.path)
        assert wait_until(lambda: any(packet.kind == "ICMP" for packet in reader.read()), 5)
    finally:
        wire.stop()
    sources = {packet.source for packet in reader.read() if packet.kind == "ICMP"} - {IPv4Address("10.1.12.1")}
    assert sources == {IPv4Address("10.1.24.4")}, "R4 must be seen under the gateway's address"
    assert not ping(lab, "R1", "3.3.3.3"), "the provider must not know what is behind a spoke"
    assert frames_of_a_batch(lab, "R4") == SEGMENTS

    for arguments, code, wanted in (
        (("list",), 0, rf"^{name}: hub, R1 R3 R4 R5 R6 R2 N4, up$"),
        (("exec", "n4", "ip -brief address", "--name", name), 0, r"^outside\S*\s+UP\s+10\.1\.24\.4/24"),
        (("exec", "--name", name, "N4", "ip", "-brief", "address"), 0, r"^outside\S*\s+UP\s+10\.1\.24\.4/24"),
        (("exec", "N4", "--name", name), 1, r"say what to run on N4: seikan lab exec N4"),
        (("start", "R5", "--name", name), 1, r"R5 runs already"),
        (("start", "N4", "--name", name), 1, r"N4 is a Linux host: it has no router to start"),
        (("exec", "r5", "show", "ip", "interface", "brief", "--name", name), 0, r"^FastEthernet0/0\s+10\.1\.25\.5"),
        (("cli", "N4", "--name", name), 1, r"N4 is a Linux host without a terminal: seikan lab exec N4"),
        (("exec", "R9", "show clock", "--name", name), 1, rf'no router or host "R9" in lab {name}: it has R1, R3'),
    ):
        said, _ = (each := lab_command(*arguments)).communicate(timeout=60)
        assert each.returncode == code, said
        assert re.search(wanted, said, re.MULTILINE), said

    leased(lab, "10.1.25.5", "10.1.55.5", "10.1.55.2")
    assert ping(lab, "R5", "10.1.12.1")
    assert wait_until(lambda: MOVED_TO in execute(lab, "R5", "show ip interface brief"), 10)
    assert frames_to_the_old_address(lab) == ["to 10.1.25.5"], "R5 must not send it back"

    kill(lab, "R6")
    for arguments, wanted in (
        (("list",), rf"^{name}: hub, R1 .*, up, but not R6: seikan lab start R6 --name {name}$"),
        (("start", "r6", "--name", name), rf"^lab {name}: R6 runs$"),
        (("list",), rf"^{name}: hub, R1 R3 R4 R5 R6 R2 N4, up$"),
        (("exec", "R6", "show version", "--name", name), r"^R6 uptime is"),
    ):
        said, _ = lab_command(*arguments).communicate(timeout=60)
        assert re.search(wanted, said, re.MULTILINE), said

    down, _ = lab_command("down", "--name", name).communicate(timeout=60)
    assert f"lab {name}: taken down" in down
    assert left_of(name) == []


@pytest.mark.netns
def test_the_sites_hosts_reach_their_router_and_no_further(names: Callable[[], str]) -> None:
    name = names()
    output, _ = (up := lab_command("up", "migrate", "--bare", "--name", name)).communicate(timeout=120)
    assert up.returncode == 0, output
    lab = Lab.load(name)
    assert wait_until(lambda: ping(lab, "R1", INTERNET), 10, 0.5)
    for node, target in (("H1", "10.10.1.1"), ("H1", "10.10.2.1"), ("H3", "10.30.2.1"), ("H3", "10.30.3.1")):
        assert ping(lab, node, target), f"{node} to {target}"
    assert ping(lab, "H1", "10.1.12.1", "-I", "10.10.2.10"), "R1 must forward to what is on it"
    assert not ping(lab, "H1", "10.30.1.10")
    assert not ping(lab, "H1", INTERNET), "without translation the provider has no way back"
    lab.take_down()
    assert left_of(name) == []


_BUILD = """
import sys, threading
from seikan.lab.guard import Guard
from seikan.lab.lab import Lab
from seikan.lab.scenarios import SCENARIOS
scenario = SCENARIOS[sys.argv[2]]
lab = Lab.create(scenario.topology, sys.argv[1])
if sys.argv[3] == "guarded":
    guard = Guard(lab)
lab.build(scenario.topology)
print("built", flush=True)
threading.Event().wait()
"""


@pytest.mark.netns
@pytest.mark.parametrize("topology", [HUB_AND_SPOKES, MIGRATION], ids=lambda topology: topology.name)
@pytest.mark.parametrize("way", ["guarded", "alone"])
def test_a_killed_builder_leaves_no_node_behind(names: Callable[[], str], topology: Topology, way: str) -> None:
    """By its guard at once, or by the next `seikan lab`, machines and wires included."""
    name = names()
    builder = subprocess.Popen(
        [sys.executable, "-c", _BUILD, name, topology.name, way], stdout=subprocess.PIPE, text=True
    )
    assert builder.stdout is not None
    assert builder.stdout.readline() == "built\n"
    builder.stdout.close()
    assert {f"seikan-{name}-{node}" for node in topology.nodes} <= namespaces()
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    if way == "alone":
        said, _ = lab_command("list").communicate(timeout=60)
        assert f"lab {name}: its builder is gone; removed what it left" in said
    assert wait_until(lambda: not left_of(name), 20), left_of(name)
