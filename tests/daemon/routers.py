"""Real daemons in network namespaces: R1 and R3, joined by a provider that forwards and knows nothing more.

R1  Loopback0 1.1.1.1   eth0 10.1.12.1 --- provider --- eth0 10.1.23.3   Loopback0 3.3.3.3  R3
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.control import daemon_program, execute
from tests.interop.network import Host, Network, network

from seikan.lab import daemons
from seikan.lab.driver import Console, Terminal, cli_command, environment
from seikan.lab.wait import wait_until

KEY = "Between-R1-and-R3"
CRYPTO = """\
crypto isakmp policy 1
 encr aes
 authentication pre-share
 group 14
crypto isakmp key {key} address {peer}
crypto ipsec transform-set T esp-aes esp-sha-hmac
crypto ipsec profile P
 set transform-set T
"""
TUNNEL = """\
interface Tunnel0
 ip unnumbered Loopback0
 tunnel source eth0
 tunnel destination {peer}
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
"""
OSPF = """\
interface Tunnel0
 ip ospf hello-interval 1
 ip ospf dead-interval 4
router ospf 1
 router-id {loopback}
 network {loopback} 0.0.0.0 area 0
"""


@dataclass(slots=True)
class Router:
    """One daemon; `text` is its startup configuration until it is started, then the file's.

    Where `speed` is not 1, its clock and its timers run so many times as fast.
    """

    host: Host
    directory: Path
    loopback: str
    address: str
    gateway: str
    peer: str
    text: str = ""
    speed: float = 1.0
    daemon: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return self.host.name

    @property
    def startup(self) -> Path:
        return self.directory / "startup-config"

    def configure(self, *parts: str, key: str = KEY) -> None:
        """A loopback, a WAN address, a default route, and these parts with this router's own addresses."""
        base = (
            f"hostname {self.name[-2:].upper()}\ninterface Loopback0\n ip address {self.loopback} 255.255.255.255\n"
            f"interface eth0\n ip address {self.address} 255.255.255.0\nip route 0.0.0.0 0.0.0.0 {self.gateway}\n"
        )
        values = {"key": key, "peer": self.peer, "loopback": self.loopback}
        self.text = base + "".join(part.format(**values) for part in parts)

    def start(self, limit: float = 30.0) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.startup.exists():
            self.startup.touch(mode=0o600)
            self.startup.write_text(self.text)
        program = daemon_program(self.speed)
        self.daemon = daemons.launch(self.name, self.startup, self.name, self.host.runtime, limit, program)

    def start_without(self, *hidden: str) -> None:
        """Start it where these directories are empty; `uncover` shows them again."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.startup.touch(mode=0o600)
        self.startup.write_text(self.text)
        mounts = "".join(f"mount -t tmpfs none {path} && " for path in hidden)
        command = " ".join(cli_command("run", self.name, str(self.startup)))
        with (self.directory / "log").open("ab") as log:
            self.daemon = subprocess.Popen(
                ["ip", "netns", "exec", self.name, "sh", "-c", f"{mounts}exec {command}"],
                env=environment(self.host.runtime),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(lambda: "seikan: ready" in self.log(), 20, what=self.log)

    def uncover(self, path: str) -> None:
        assert self.daemon is not None
        subprocess.run(["nsenter", "-t", str(self.daemon.pid), "-m", "umount", path], check=True, timeout=10)

    def kill(self) -> None:
        """kill -9."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait()

    def stop(self, limit: float = 15.0) -> int:
        assert self.daemon is not None
        os.kill(self.daemon.pid, signal.SIGTERM)
        return self.daemon.wait(limit)

    def exec(self, line: str, *, check: bool = True) -> str:
        return execute(self.host.runtime, self.name, line, check=check)

    def login(self) -> Terminal:
        return Terminal(self.name, cli_command("cli", self.name), environment(self.host.runtime))

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def tunnel_up(self, number: int = 0) -> bool:
        return "line protocol is up" in self.exec(f"show interfaces tunnel {number}")

    def reason(self, number: int = 0) -> str:
        """Why the tunnel is down, as `show interfaces` says it."""
        found = re.search(r"linestate evaluation down - (.*)", self.exec(f"show interfaces tunnel {number}"))
        return found[1] if found else ""

    def carrier(self, device: str = "Tunnel0") -> bool:
        return "LOWER_UP" in self.host.ip("link", "show", device)


@dataclass(slots=True)
class Sites:
    net: Network
    r1: Router
    r3: Router
    provider: Host

    def start(self, *, limit: float = 20.0) -> None:
        """Start both, and wait until the tunnel between them carries packets."""
        self.r1.start()
        self.r3.start()
        assert wait_until(lambda: self.r1.tunnel_up() and self.r3.tunnel_up(), limit), (
            self.r1.reason() + " / " + self.r3.reason() + self.r1.log() + self.r3.log()
        )


def cable(net: Network, one: Host, one_device: str, other: Host, other_device: str) -> None:
    one.ip("link", "add", one_device, "type", "veth", "peer", "name", other_device, "netns", other.name)
    one.ip("link", "set", one_device, "up")
    other.ip("link", "set", other_device, "up")


@contextmanager
def two_routers(directory: Path) -> Iterator[Sites]:
    """The namespaces and wires; R1 and R3 get their WAN addresses from their configuration."""
    with network() as net:
        left, middle, right = net.host("r1"), net.host("pr"), net.host("r3")
        cable(net, left, "eth0", middle, "to-r1")
        cable(net, right, "eth0", middle, "to-r3")
        middle.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        middle.ip("address", "add", "10.1.12.2/24", "dev", "to-r1")
        middle.ip("address", "add", "10.1.23.2/24", "dev", "to-r3")
        r1 = Router(left, directory / "r1", "1.1.1.1", "10.1.12.1", "10.1.12.2", "10.1.23.3")
        r3 = Router(right, directory / "r3", "3.3.3.3", "10.1.23.3", "10.1.23.2", "10.1.12.1")
        yield Sites(net, r1, r3, middle)


def until(condition: object, limit: float = 20.0, *, what: object = "it did not come to be in time") -> None:
    """Wait for a condition; the test fails, saying `what`, when it does not come."""
    assert callable(condition)
    assert wait_until(condition, limit), what() if callable(what) else what


def type_lines(router: Router, *lines: str) -> list[list[str]]:
    """Log in, type the lines one after the other, log out; the answers."""
    console = Console({router.name: router.login()}, lambda _router, _line: None)
    try:
        console.ready(router.name)
        return [console.type(router.name, line) for line in lines]
    finally:
        console.close()


def run_to_the_end(router: Router, *options: str) -> tuple[int, str]:
    """`seikan run` that is expected to end by itself: its exit status and what it said."""
    done = subprocess.run(
        ["ip", "netns", "exec", router.name, *cli_command("run", router.name, str(router.startup), *options)],
        env=environment(router.host.runtime),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
