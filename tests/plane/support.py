"""Two or three namespaces with a plane in a process of its own in each, driven over a pipe."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import pickle
import select
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from seikan.plane.base import (
    Direction,
    Encapsulation,
    IkeDatagram,
    Lifetime,
    PlaneEvent,
    SaCounters,
    SecurityAssociation,
    TunnelCounters,
    TunnelMode,
    TunnelParameters,
)
from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME
from seikan.wire.secret import Secret

ROOT = Path(__file__).parents[2]
LIMIT = 10.0  # seconds that anything here may take
DEVICE = "Tunnel0"
INNER = {"a": "172.16.0.1", "b": "172.16.0.2"}
INNER6 = {"a": "fd00::1", "b": "fd00::2"}

_CLONE_NEWNET = 0x40000000
_serial = itertools.count()


def run(*words: str, check: bool = True) -> str:
    """A command's output; its failure shows what it said."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def own_namespace() -> Iterator[None]:
    """This thread in a network namespace that nobody else sees and that goes with the last descriptor in it."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(_CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        run("ip", "link", "set", "lo", "up")
        try:
            yield
        finally:
            if libc.setns(before, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(before)


class Peer:
    """A plane in a process in a namespace: attributes of the plane and of `peer_main` are calls to it."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, str(Path(__file__).with_name("peer_main.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        )

    def call(self, name: str, *arguments: object) -> Any:
        """The result of a method over there, or its exception."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        pickle.dump((name, arguments), self.process.stdin)
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], LIMIT * 2)
        assert ready, f"no answer to {name}"
        result = pickle.load(self.process.stdout)
        if isinstance(result, BaseException):
            raise result
        return result

    def counters(self, device: str = DEVICE) -> TunnelCounters:
        result = self.call("tunnel_counters", device)
        assert isinstance(result, TunnelCounters)
        return result

    def sa(self, direction: Direction, spi: int, bundle: str = DEVICE) -> SaCounters:
        result = self.call("sa_counters", direction, spi, bundle)
        assert isinstance(result, SaCounters)
        return result

    def events(self) -> list[PlaneEvent | IkeDatagram]:
        return list(self.call("poll"))

    def wait_event(self, seconds: float = LIMIT) -> list[PlaneEvent | IkeDatagram]:
        """What `poll` gives once it gives something."""
        return list(self.call("wait_event", seconds))

    def ip(self, *words: str) -> str:
        return run("ip", "-n", self.namespace, *words)

    def execute(self, *words: str, check: bool = True) -> str:
        return run("ip", "netns", "exec", self.namespace, *words, check=check)

    def ping(self, target: str, *words: str, count: int = 3) -> int:
        """Answers that came back."""
        interval = ("-i", "0.02", "-W", "2", "-n")
        text = self.execute("ping", "-c", str(count), *interval, *words, target, check=False)
        return int(text.split(" received")[0].rsplit(" ", 1)[-1])

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(LIMIT)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


def wait_until(condition: Any, what: str) -> None:
    """Until `condition()` holds; each look costs a call to a peer, which paces it."""
    limit = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < limit, what


class Pair:
    """Peers `a` and `b` with a cable, or with a router `r` between them whose far link may be narrower."""

    def __init__(self, *, router_mtu: int | None = None) -> None:
        tag = f"skp{os.getpid()}x{next(_serial)}"
        self.names = {name: f"{tag}{name}" for name in ("abr" if router_mtu else "ab")}
        self.outer = {"a": ip_address("10.9.0.1"), "b": ip_address("10.9.1.2" if router_mtu else "10.9.0.2")}
        self.outer6 = {"a": ip_address("2001:db8::1"), "b": ip_address("2001:db8::2")}
        self.peers: dict[str, Peer] = {}
        self._router_mtu = router_mtu
        self._spis = itertools.count(0x1000)

    def __enter__(self) -> Pair:
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for peer in self.peers.values():
            peer.stop()
        for name in self.names.values():
            run("ip", "netns", "del", name, check=False)

    def _build(self) -> None:
        for name in self.names.values():
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "dev", "lo", "up")
            for setting in (
                "net.ipv4.conf.all.rp_filter=0",
                "net.ipv4.conf.default.rp_filter=0",
                "net.ipv6.conf.default.accept_dad=0",
                "net.ipv4.ip_forward=1",
            ):
                run("ip", "netns", "exec", name, "sysctl", "-qw", setting)
        if self._router_mtu:
            self._cable("a", "10.9.0.1/24", "r", "10.9.0.254/24")
            self._cable("b", "10.9.1.2/24", "r", "10.9.1.254/24", mtu=self._router_mtu)
            run("ip", "-n", self.names["a"], "route", "add", "default", "via", "10.9.0.254")
            run("ip", "-n", self.names["b"], "route", "add", "default", "via", "10.9.1.254")
        else:
            self._cable("a", "10.9.0.1/24", "b", "10.9.0.2/24")
            run("ip", "-n", self.names["a"], "addr", "add", "2001:db8::1/64", "dev", "to-b", "nodad")
            run("ip", "-n", self.names["b"], "addr", "add", "2001:db8::2/64", "dev", "to-a", "nodad")
        for name in self.names.values():
            # Devices made from now on send no multicast reports: only what a test sends shall be counted.
            run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
        self.peers = {name: Peer(self.names[name]) for name in "ab"}

    def _cable(self, one: str, address: str, other: str, other_address: str, mtu: int = 1500) -> None:
        ends = (one, f"to-{other}", address), (other, f"to-{one}", other_address)
        (_, first, _), (_, second, _) = ends
        run(
            *("ip", "link", "add", first, "netns", self.names[one], "mtu", str(mtu), "type", "veth"),
            *("peer", "name", second, "netns", self.names[other], "mtu", str(mtu)),
        )
        for name, device, at in ends:
            run("ip", "-n", self.names[name], "addr", "add", at, "dev", device)
            run("ip", "-n", self.names[name], "link", "set", "dev", device, "up")

    @property
    def a(self) -> Peer:
        return self.peers["a"]

    @property
    def b(self) -> Peer:
        return self.peers["b"]

    def parameters(self, name: str, mode: TunnelMode, *, ipv6: bool = False, **more: Any) -> TunnelParameters:
        outer = self.outer6 if ipv6 else self.outer
        far = "b" if name == "a" else "a"
        return TunnelParameters(DEVICE, mode, outer[name], outer[far], **{"mtu": 1400, **more})

    def tunnel(self, mode: TunnelMode, *, ipv6: bool = False, **more: Any) -> None:
        """The tunnel at both ends, up, with inner IPv4 addresses."""
        self.another_tunnel(DEVICE, INNER, mode, ipv6=ipv6, **more)

    def another_tunnel(self, device: str, inner: dict[str, str], mode: TunnelMode, **more: Any) -> None:
        """As `tunnel`, with another device and other addresses."""
        for name, peer in self.peers.items():
            peer.call("create_tunnel", replace(self.parameters(name, mode, **more), device=device))
            peer.call("set_carrier", device, True)
            peer.ip("addr", "add", f"{inner[name]}/24", "dev", device)
            peer.ip("link", "set", "dev", device, "up")

    def add_inner_ipv6(self) -> None:
        """Inner IPv6 addresses too; from now on the kernel sends multicast reports of its own."""
        for name, peer in self.peers.items():
            peer.execute("sysctl", "-qw", f"net.ipv6.conf.{DEVICE}.disable_ipv6=0")
            peer.ip("addr", "add", f"{INNER6[name]}/64", "dev", DEVICE, "nodad")

    def associate(
        self,
        encryption: str = "aes-gcm-16-128",
        integrity: str | None = None,
        *,
        ipv6: bool = False,
        port: int | None = None,
        bundle: str = DEVICE,
        lifetime: Lifetime | None = None,
        late: Callable[[int], None] | None = None,
        **more: Any,
    ) -> tuple[int, int]:
        """A fresh pair of SAs; gives the SPI from a to b, and that from b to a.

        With `late` b reserves the former, and has its SA after all the others and after `late` was called with the SPI.
        """
        outer = self.outer6 if ipv6 else self.outer
        cipher = ENCRYPTION_BY_NAME[encryption]
        mac = INTEGRITY_BY_NAME[integrity] if integrity else None
        spis = next(self._spis), next(self._spis)
        installs: list[tuple[Peer, SecurityAssociation]] = []
        for source, target, spi in (("a", "b", spis[0]), ("b", "a", spis[1])):
            keys = (
                Secret(os.urandom(cipher.key_bits // 8 + cipher.salt)),
                Secret(os.urandom(mac.key) if mac else b""),
            )
            # The receiver first, so that nothing is sent that cannot be opened.
            for peer, direction in ((target, Direction.IN), (source, Direction.OUT)):
                far = source if peer == target else target
                sa = SecurityAssociation(
                    bundle,
                    direction,
                    spi,
                    outer[peer],
                    outer[far],
                    cipher,
                    keys[0],
                    mac,
                    keys[1],
                    encapsulation=Encapsulation(port, port) if port else None,
                    lifetime=lifetime or Lifetime(),
                    **more,
                )
                installs.append((self.peers[peer], sa))
        if late:
            self.b.call("reserve_spi", spis[0])
            installs = [*installs[1:], installs[0]]
        for at, (owner, sa) in enumerate(installs, start=1):
            if late and at == len(installs):
                late(spis[0])
            owner.call("add_sa", sa)
        return spis


def outer_ipv4(frame: bytes) -> tuple[int, int, bool, int, bytes]:
    """TOS, TTL, DF, protocol and payload of an IPv4 packet."""
    header = (frame[0] & 15) * 4
    flags = struct.unpack_from("!H", frame, 6)[0]
    return frame[1], frame[8], bool(flags & 0x4000), frame[9], frame[header:]
