"""The UDP sockets of IKE: port 500, and port 4500 shared with ESP (RFC 3948).

Sockets are wildcard ones, because addresses come and go; each datagram's local address is read
from, and written to, its packet information, so that an answer leaves from where it was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from seikan.system.errors import AdapterError

Address = IPv4Address | IPv6Address
Handler = Callable[[bytes, Address, int, Address, int], None]

IKE_PORT = 500
NAT_PORT = 4500
NON_ESP_MARKER = b"\0\0\0\0"  # RFC 3948 section 2.2
KEEPALIVE = b"\xff"  # RFC 3948 section 2.3

_SO_RCVBUFFORCE = 33
_IP_PKTINFO = 8
_IP_MTU_DISCOVER = 10
_IPV6_MTU_DISCOVER = 23
_PMTUDISC_DONT = 0
_IN_PKTINFO = struct.Struct("=i4s4s")  # interface, local address, header's destination
_IN6_PKTINFO = struct.Struct("=16si")
_ANCILLARY = 128
_LARGEST = 65535
# Octets, of which Linux takes twice as many: what a flood brings in some tenths of a second, in which the loop does
# something else. More would only make the real peer wait longer behind a flood that is too much for this machine.
_RECEIVE_BUFFER = 2**20
_RECEIVE_BUDGET = 64  # datagrams per socket and turn of the loop, so that a flood leaves time for the rest


@dataclass(frozen=True, slots=True)
class _Bound:
    socket: socket.socket
    port: int
    encapsulated: bool  # carries the non-ESP marker


class IkeSockets:
    """IKE's sockets in the event loop.

    `counters` counts by name: `received`, `sent`, `keepalive-received`, `keepalive-sent`, and the drops
    `drop-short`, `drop-truncated`, `drop-esp-without-plane`, `drop-no-local-address`, `drop-receive-error`,
    `drop-send-<errno>`, `drop-send-no-socket`.
    """

    def __init__(self, ike_port: int = IKE_PORT, nat_port: int = NAT_PORT) -> None:
        self._ports = ((ike_port, False), (nat_port, True))
        self._bound: dict[int, _Bound] = {}
        self._senders: dict[tuple[int, int], _Bound] = {}  # by IP version and port
        self._reading: set[int] = set()
        self._handler: Handler | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.counters: Counter[str] = Counter()

    def open(self, handler: Handler) -> None:
        """Bind and start reading; `handler(data, local, local_port, remote, remote_port)` gets data without marker.

        All or nothing: raises `AdapterError` naming the program that holds a port.
        """
        self._loop = asyncio.get_running_loop()
        self._handler = handler
        try:
            for family in (socket.AF_INET, socket.AF_INET6):
                for port, encapsulated in self._ports:
                    self._bind(family, port, encapsulated)
        except AdapterError:
            self.close()
            raise

    def _bind(self, family: socket.AddressFamily, port: int, encapsulated: bool) -> None:
        try:
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        except OSError as error:
            if family == socket.AF_INET6 and error.errno == errno.EAFNOSUPPORT:
                return  # a kernel without IPv6 has no IPv6 peers
            raise AdapterError(f"UDP port {port} cannot be opened: {error.strerror}") from None
        try:
            _enlarge(sock)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_DONT)
                sock.bind(("::", port))
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
                # DF stays clear: a large message may be fragmented on its way instead of being lost.
                sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DONT)
                sock.bind(("0.0.0.0", port))  # noqa: S104 a router listens on all of its addresses
        except OSError as error:
            sock.close()
            if error.errno == errno.EADDRINUSE:
                raise AdapterError(_in_use(family, port)) from None
            if error.errno == errno.EACCES:
                raise AdapterError(f"UDP port {port} needs root: start seikan with sudo or as a service") from None
            if family == socket.AF_INET6 and error.errno == errno.EADDRNOTAVAIL:
                return  # IPv6 is turned off by sysctl
            raise AdapterError(f"UDP port {port} cannot be opened: {error.strerror}") from None
        bound = _Bound(sock, sock.getsockname()[1], encapsulated)
        self._bound[sock.fileno()] = bound
        self._senders[6 if family == socket.AF_INET6 else 4, bound.port] = bound
        self._start_reading(bound)

    def _start_reading(self, bound: _Bound) -> None:
        assert self._loop is not None
        self._loop.add_reader(bound.socket.fileno(), self._readable, bound)
        self._reading.add(bound.socket.fileno())

    def _readable(self, bound: _Bound) -> None:
        for _ in range(_RECEIVE_BUDGET):
            try:
                data, ancillary, flags, source = bound.socket.recvmsg(_LARGEST, _ANCILLARY)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.counters["drop-receive-error"] += 1
                return
            self._received(bound, data, ancillary, flags, source)

    def _received(
        self, bound: _Bound, data: bytes, ancillary: list[tuple[int, int, bytes]], flags: int, source: tuple[str, int]
    ) -> None:
        if flags & socket.MSG_TRUNC:
            self.counters["drop-truncated"] += 1
            return
        local = _local_address(ancillary)
        if local is None:
            self.counters["drop-no-local-address"] += 1
            return
        if bound.encapsulated:
            if data == KEEPALIVE:
                self.counters["keepalive-received"] += 1
                return
            if len(data) <= len(NON_ESP_MARKER):
                self.counters["drop-short"] += 1
                return
            if not data.startswith(NON_ESP_MARKER):
                self.counters["drop-esp-without-plane"] += 1
                return
            data = data[len(NON_ESP_MARKER) :]
        self.counters["received"] += 1
        assert self._handler is not None
        self._handler(data, local, bound.port, _address(source[0]), source[1])

    def send(self, data: bytes, local: Address, local_port: int, remote: Address, remote_port: int) -> bool:
        """Send one IKE message from `local`; the marker is added where `local_port` is the NAT port.

        False where the system refused; the reason is counted by name.
        """
        bound = self._senders.get((local.version, local_port))
        if bound is not None and bound.encapsulated:
            data = NON_ESP_MARKER + data
        return self._send(bound, data, local, remote, remote_port, "sent")

    def send_keepalive(self, local: Address, local_port: int, remote: Address, remote_port: int) -> bool:
        """Send one NAT keepalive (RFC 3948 section 4)."""
        bound = self._senders.get((local.version, local_port))
        return self._send(bound, KEEPALIVE, local, remote, remote_port, "keepalive-sent")

    def _send(
        self, bound: _Bound | None, data: bytes, local: Address, remote: Address, remote_port: int, counter: str
    ) -> bool:
        if bound is None:
            self.counters["drop-send-no-socket"] += 1
            return False
        ancillary: tuple[int, int, bytes]
        if isinstance(local, IPv6Address):
            ancillary = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, _IN6_PKTINFO.pack(local.packed, 0))
        else:
            ancillary = (socket.IPPROTO_IP, _IP_PKTINFO, _IN_PKTINFO.pack(0, local.packed, bytes(4)))
        try:
            bound.socket.sendmsg([data], [ancillary], 0, (str(remote), remote_port))
        except OSError as error:
            self.counters[f"drop-send-{errno.errorcode.get(error.errno or 0, 'unknown').lower()}"] += 1
            return False
        self.counters[counter] += 1
        return True

    def nat_socket_filenos(self) -> list[tuple[int, int]]:
        """The sockets that also carry ESP, as (descriptor, port), to offer to the plane."""
        return [(fileno, bound.port) for fileno, bound in self._bound.items() if bound.encapsulated]

    def stop_reading(self, fileno: int) -> None:
        """Leave reading to the plane; sending goes on here."""
        if fileno in self._reading:
            assert self._loop is not None
            self._loop.remove_reader(fileno)
            self._reading.discard(fileno)

    def close(self) -> None:
        for fileno, bound in self._bound.items():
            self.stop_reading(fileno)
            bound.socket.close()
        self._bound.clear()
        self._senders.clear()


def _enlarge(sock: socket.socket) -> None:
    """Room for a burst: beyond what the system lets everybody have, where this process may."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)


@lru_cache(1024)
def _address(text: str) -> Address:
    return IPv6Address(text) if ":" in text else IPv4Address(text)


def _local_address(ancillary: list[tuple[int, int, bytes]]) -> Address | None:
    for level, kind, value in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO and len(value) >= _IN_PKTINFO.size:
            return IPv4Address(_IN_PKTINFO.unpack_from(value)[2])
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO and len(value) >= _IN6_PKTINFO.size:
            return IPv6Address(_IN6_PKTINFO.unpack_from(value)[0])
    return None


def _in_use(family: socket.AddressFamily, port: int) -> str:
    owner = _owner_of_port("udp6" if family == socket.AF_INET6 else "udp", port)
    by = f"{owner[1]} (pid {owner[0]})" if owner else "another program"
    return f"UDP port {port} is in use by {by}: stop it, IKE needs this port"


def _owner_of_port(table: str, port: int) -> tuple[int, str] | None:
    """The process that holds a UDP port in this network namespace: (pid, name), None where /proc does not tell."""
    inodes: set[str] = set()
    with contextlib.suppress(OSError), open(f"/proc/thread-self/net/{table}") as lines:
        for line in list(lines)[1:]:
            fields = line.split()
            if int(fields[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for pid in _processes():
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{descriptor}") in inodes:
                    with open(f"/proc/{pid}/comm") as comm:
                        return pid, comm.read().strip()
    return None


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())
