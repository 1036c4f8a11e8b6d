"""A real hub in a network namespace and, in another one on the same wire, a fleet of simulated spokes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hub.fleet import PLACES, address
from tests.interop.control import execute
from tests.interop.network import Host, Network, network

from seikan.lab import daemons

HUB = "10.64.0.1"
GATEWAY = "10.64.0.2"
KEY = "All-Spokes-Have-This"
CONFIG = """\
hostname HUB
crypto isakmp policy 1
 encr aes
 authentication pre-share
 group {group}
crypto keyring SPOKES
 pre-shared-key address 0.0.0.0 0.0.0.0 key {key}
crypto isakmp profile DVTI
 keyring SPOKES
 match identity host domain example
 virtual-template 1
crypto isakmp keepalive {keepalive} 2 periodic
crypto ipsec transform-set T esp-aes esp-sha-hmac
 mode tunnel
crypto ipsec profile P
 set transform-set T
 set isakmp-profile DVTI
interface Loopback0
 ip address 1.1.1.1 255.255.255.255
interface eth0
 ip address {hub} 255.255.255.0
interface Virtual-Template1 type tunnel
 ip unnumbered Loopback0
{ospf} tunnel source eth0
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
ip route 10.65.0.0 255.255.0.0 {gateway}
router ospf 1
 router-id 1.1.1.1
 network 1.1.1.1 0.0.0.0 area 0
end
"""


def resident_kilobytes(pid: int) -> int:
    found = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(found[1]) if found else 0


@dataclass(slots=True)
class Fleet:
    """The spokes' process; each method is one of its commands."""

    process: subprocess.Popen[str]

    def ask(self, do: str, numbers: Iterable[int] = (), **more: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, "numbers": list(numbers), **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the fleet has ended"
        return json.loads(line)  # type: ignore[no-any-return]


@dataclass(slots=True)
class Ground:
    hub: Host
    spokes: Host
    directory: Path
    daemon: subprocess.Popen[bytes]
    fleet: Fleet

    def exec(self, line: str) -> str:
        return execute(self.hub.runtime, self.hub.name, line)

    def accesses(self) -> dict[str, bool]:
        """Virtual-Access interfaces by name, and whether their line protocol is up."""
        rows = re.findall(r"^(Virtual-Access\d+)\s.*\s(up|down)\s*$", self.exec("show ip interface brief"), re.M)
        return {name: word == "up" for name, word in rows}

    def devices(self) -> set[str]:
        return set(re.findall(r"^\d+: (Vi\d+):", self.hub.ip("link"), re.M))

    def up(self) -> int:
        """How many Virtual-Access devices have their carrier, without asking the daemon."""
        return len(re.findall(r"^\d+: Vi\d+: <[^>]*LOWER_UP", self.hub.ip("-o", "link"), re.M))

    def resident_kilobytes(self) -> int:
        return resident_kilobytes(self.daemon.pid)

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.daemon.pid}/fd"))

    def routing(self) -> list[int]:
        """FRR's processes."""
        return [pid for pid in self.hub.processes() if pid != self.daemon.pid]

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")


def wire(net: Network, directory: Path, count: int) -> tuple[Host, Host]:
    """The hub's host at HUB, and on the same wire one with PLACES addresses for each of `count` spokes behind it."""
    directory.mkdir(parents=True, exist_ok=True)
    hub, spokes = net.host("hub"), net.host("spokes")
    net.wire(hub, "eth0", f"{HUB}/24", spokes, "eth0", f"{GATEWAY}/24")
    lines = (
        f"address add {address(number, place)}/32 dev lo" for number in range(1, count + 1) for place in range(PLACES)
    )
    batch = directory / "addresses"
    batch.write_text("\n".join(lines))
    spokes.ip("-batch", str(batch))
    return hub, spokes


@contextmanager
def fleet(spokes: Host, group: int) -> Iterator[Fleet]:
    """The spokes' process; nobody has begun."""
    process = subprocess.Popen(
        ["ip", "netns", "exec", spokes.name, sys.executable, "-m", "tests.hub.fleet", HUB, KEY, str(group)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == {"ready": True}
    try:
        yield Fleet(process)
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


@contextmanager
def ground(directory: Path, count: int, *, group: int = 19, keepalive: int = 10, ospf: bool = True) -> Iterator[Ground]:
    """A hub, and room for `count` spokes."""
    with network() as net:
        hub, spokes = wire(net, directory, count)
        text = CONFIG.format(
            group=group,
            key=KEY,
            keepalive=keepalive,
            hub=HUB,
            gateway=GATEWAY,
            ospf=" ip ospf 1 area 0\n" if ospf else "",
        )
        config = directory / "startup-config"
        config.touch(mode=0o600)
        config.write_text(text)
        daemon = daemons.launch(hub.name, config, hub.name, hub.runtime)
        try:
            with fleet(spokes, group) as simulated:
                yield Ground(hub, spokes, directory, daemon, simulated)
        finally:
            daemon.terminate()
            daemon.wait(30)
