"""Hosts in network namespaces with unique names, and the wires between them."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from seikan.lab.wait import wait_until

LIMIT = 20.0
RUNTIME = Path("/run/seikan-test")


def run(*command: str, limit: float = LIMIT, check: bool = True) -> str:
    """A program's output; CalledProcessError, with what it said as a note, where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    if check and done.returncode != 0:
        error = subprocess.CalledProcessError(done.returncode, command)
        error.add_note((done.stderr + done.stdout).strip())
        raise error
    return done.stdout


@dataclass(slots=True)
class Host:
    """One network namespace."""

    name: str

    @property
    def runtime(self) -> Path:
        """A directory for sockets, passable for daemons that give up root; goes with the host."""
        return RUNTIME / self.name

    def run(self, *command: str, limit: float = LIMIT, check: bool = True) -> str:
        return run("ip", "netns", "exec", self.name, *command, limit=limit, check=check)

    def ip(self, *arguments: str) -> str:
        return run("ip", "-n", self.name, *arguments)

    def start(
        self, *command: str, log: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a program here; its output goes to `log`, or is kept for `communicate` where there is none."""
        output = log.open("a") if log is not None else None
        try:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.name, *command],
                stdin=subprocess.DEVNULL,
                stdout=output or subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        finally:
            if output is not None:
                output.close()

    def processes(self) -> list[int]:
        return [int(pid) for pid in run("ip", "netns", "pids", self.name, check=False).split()]

    def ping(self, target: str, *, count: int = 3, interval: float = 0.05, source: str | None = None) -> int:
        """How many of `count` echo requests were answered."""
        return received(
            self.run(*ping_command(target, count, interval, source), limit=count * interval + 15, check=False)
        )

    def answers(self, target: str, source: str | None = None) -> bool:
        return self.ping(target, count=1, source=source) == 1


def ping_command(target: str, count: int, interval: float, source: str | None = None) -> tuple[str, ...]:
    chosen = ("-I", source) if source is not None else ()
    return ("ping", "-n", "-q", "-W", "2", "-c", str(count), "-i", str(interval), *chosen, target)


def received(output: str) -> int:
    """The number of answers in what `ping` printed."""
    found = re.search(r"(\d+) received", output)
    return int(found[1]) if found else 0


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM, limit: float = 10.0) -> None:
    """End a process that `Host.start` started, by force after `limit` seconds."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


@dataclass(slots=True)
class Network:
    """Hosts and wires that are removed together. Names carry a random id, so that runs never meet."""

    id: str = field(default_factory=lambda: secrets.token_hex(3))
    hosts: dict[str, Host] = field(default_factory=dict)

    def host(self, role: str) -> Host:
        host = Host(f"sk{self.id}-{role}")
        run("ip", "netns", "add", host.name)
        self.hosts[role] = host
        host.ip("link", "set", "lo", "up")
        host.run(
            *("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0"),
            *("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"),
        )
        return host

    def wire(
        self, one: Host, one_device: str, one_address: str, other: Host, other_device: str, other_address: str
    ) -> None:
        """A veth pair, both ends up, with these addresses ("10.9.0.1/24")."""
        run(
            *("ip", "link", "add", one_device, "netns", one.name),
            *("type", "veth", "peer", "name", other_device, "netns", other.name),
        )
        for host, device, address in ((one, one_device, one_address), (other, other_device, other_address)):
            host.ip("address", "add", address, "dev", device)
            host.ip("link", "set", "dev", device, "up")

    def remove(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for host in self.hosts.values():
                for pid in host.processes():
                    try:
                        os.kill(pid, number)
                    except ProcessLookupError:
                        continue
            if wait_until(lambda: not any(host.processes() for host in self.hosts.values()), 5.0):
                break
        for host in self.hosts.values():
            run("ip", "netns", "delete", host.name)
            shutil.rmtree(host.runtime, ignore_errors=True)
        self.hosts.clear()


@contextmanager
def network() -> Iterator[Network]:
    made = Network()
    try:
        yield made
    finally:
        made.remove()


@dataclass(frozen=True, slots=True)
class Site:
    """One end of the VPN: its host, the address its peer is told to reach, and an inner address."""

    host: Host
    device: str
    address: str
    inner: str


def two_sites(net: Network) -> tuple[Site, Site]:
    """Two hosts on one wire: 10.9.0.1 with 172.16.1.1 inside, 10.9.0.2 with 172.16.2.1 inside."""
    left, right = net.host("a"), net.host("b")
    net.wire(left, "eth0", "10.9.0.1/24", right, "eth0", "10.9.0.2/24")
    for host, inner in ((left, "172.16.1.1"), (right, "172.16.2.1")):
        host.ip("address", "add", f"{inner}/32", "dev", "lo")
    return Site(left, "eth0", "10.9.0.1", "172.16.1.1"), Site(right, "eth0", "10.9.0.2", "172.16.2.1")


NAT_OUTSIDE = "10.8.0.254"


def masquerade(router: Host) -> None:
    """Have a host forward, and rewrite what leaves its device `outside`."""
    router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    router.run(
        "nft",
        "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; "
        'add rule ip nat post oifname "outside" masquerade',
    )


def sites_with_nat(net: Network) -> tuple[Site, Site]:
    """The first site behind a router that masquerades it as NAT_OUTSIDE; the second at 10.8.0.2."""
    left, nat, right = net.host("a"), net.host("nat"), net.host("b")
    net.wire(left, "eth0", "10.9.0.1/24", nat, "inside", "10.9.0.254/24")
    net.wire(nat, "outside", f"{NAT_OUTSIDE}/24", right, "eth0", "10.8.0.2/24")
    left.ip("route", "add", "default", "via", "10.9.0.254")
    masquerade(nat)
    for host, inner in ((left, "172.16.1.1"), (right, "172.16.2.1")):
        host.ip("address", "add", f"{inner}/32", "dev", "lo")
    return Site(left, "eth0", "10.9.0.1", "172.16.1.1"), Site(right, "eth0", "10.8.0.2", "172.16.2.1")
