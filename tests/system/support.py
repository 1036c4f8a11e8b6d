"""Network namespaces for tests: each with an event loop in a thread of its own that lives inside it."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import re
import secrets
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_TUNSETCARRIER = 0x400454E2
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_NAMED = re.compile(r"sktest-(\d+)-[0-9a-f]+")


def need_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=20).stdout


def sweep() -> None:
    """Remove namespaces of test processes that are no more."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else ():
        match = _NAMED.fullmatch(name)
        if match and not Path(f"/proc/{match[1]}").exists():
            ip("netns", "del", name)


class Namespace:
    def __init__(self) -> None:
        self.name = f"sktest-{os.getpid()}-{secrets.token_hex(3)}"
        ip("netns", "add", self.name)
        self.ip("link", "set", "lo", "up")
        self._loop = asyncio.new_event_loop()
        self._descriptors: list[int] = []
        self._never = threading.Event()
        started = threading.Event()
        self._thread = threading.Thread(target=self._live, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)

    def _live(self, started: threading.Event) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        assert libc.setns(descriptor, _CLONE_NEWNET) == 0
        os.close(descriptor)
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(started.set)
        self._loop.run_forever()

    def ip(self, *words: str) -> str:
        return ip("-n", self.name, *words)

    def sh(self, *words: str) -> str:
        command = ["ip", "netns", "exec", self.name, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout

    def run(self, coroutine: Coroutine[Any, Any, T], limit: float = 30) -> T:
        """The coroutine's result, from inside the namespace."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(limit)

    def call(self, function: Callable[[], T]) -> T:
        async def one() -> T:
            return function()

        return self.run(one())

    def until(self, true: Callable[[], bool], limit: float = 20, step: float = 0.05) -> None:
        """Wait until `true()` holds."""
        deadline = time.monotonic() + limit
        while not true():
            assert time.monotonic() < deadline, "it did not come to be in time"
            self._never.wait(step)

    def tun(self, name: str) -> int:
        """A TUN device whose carrier lasts as long as its descriptor."""

        def make() -> int:
            descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
            return descriptor

        self._descriptors.append(self.call(make))
        return self._descriptors[-1]

    def carrier(self, up: bool) -> None:
        """Line protocol of the TUN devices."""
        for descriptor in self._descriptors:
            fcntl.ioctl(descriptor, _TUNSETCARRIER, struct.pack("i", up))

    def reader(self, descriptor: int, callback: Callable[[], None]) -> None:
        self.call(lambda: self._loop.add_reader(descriptor, callback))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        ip("netns", "del", self.name)


def wire(left: Namespace, right: Namespace, name: str = "Tunnel0") -> None:
    """A TUN device in each namespace, and everything that enters one leaves the other."""
    ends = left.tun(name), right.tun(name)

    def forward(source: int, destination: int) -> None:
        try:
            while packet := os.read(source, 65535):
                os.write(destination, packet)
        except (BlockingIOError, OSError):
            return  # nothing more to read, or the other device is down

    left.reader(ends[0], lambda: forward(*ends))
    right.reader(ends[1], lambda: forward(*reversed(ends)))


def veth(left: Namespace, right: Namespace, name: str = "eth0") -> None:
    """A cable: `name` in both namespaces."""
    ip("link", "add", name, "netns", left.name, "type", "veth", "peer", "name", name, "netns", right.name)
    left.ip("link", "set", name, "up")
    right.ip("link", "set", name, "up")
