"""News of links, addresses and routes: which kinds changed, for the daemon to look again.

Only the kind is taken from a message, so that a burst (a full routing table) costs one look, and an
overrun of the socket, which loses messages, is the same as any change of every kind. Of routes only those
are news that lead to a watched destination, once `watch` has named some.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Iterable
from enum import Enum
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ROUTE = struct.Struct("=BB10x")  # rtmsg: family, length of the destination's prefix in bits
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type
_RTA_DST = 1
_ROUTE_TYPES = (24, 25)
_RECEIVE_BUDGET = 64
_BUFFER = 1 << 20
# RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400


class Change(Enum):
    LINK = "link"
    ADDRESS = "address"
    ROUTE = "route"


_TYPES = {16: Change.LINK, 17: Change.LINK, 20: Change.ADDRESS, 21: Change.ADDRESS, 24: Change.ROUTE, 25: Change.ROUTE}


class NetlinkEvents:
    """Calls `on_change` with the kinds that changed, at most once per turn of the loop."""

    def __init__(self, on_change: Callable[[frozenset[Change]], None]) -> None:
        self._on_change = on_change
        self._socket: socket.socket | None = None
        self._watched: tuple[tuple[int, int, int], ...] | None = None  # family, width, number
        self.overruns = 0

    def watch(self, destinations: Iterable[Address]) -> None:
        """Of routes, tell only of those that cover one of these; of links and addresses, of all."""
        self._watched = tuple(
            (socket.AF_INET6 if address.version == 6 else socket.AF_INET, address.max_prefixlen, int(address))
            for address in destinations
        )

    def open(self) -> None:
        sock = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        sock.bind((0, _GROUPS))
        self._socket = sock
        asyncio.get_running_loop().add_reader(sock.fileno(), self._readable)

    def _readable(self) -> None:
        assert self._socket is not None
        changes: set[Change] = set()
        for _ in range(_RECEIVE_BUDGET):
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.overruns += 1
                changes.update(Change)
                break
            changes.update(self._kinds(data))
        if changes:
            self._on_change(frozenset(changes))

    def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _kinds(self, data: bytes) -> set[Change]:
        found: set[Change] = set()
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind = _HEADER.unpack_from(data, offset)[:2]
            if length < _HEADER.size:
                break
            if kind in _TYPES and (
                kind not in _ROUTE_TYPES or self._concerns(data[offset + _HEADER.size : offset + length])
            ):
                found.add(_TYPES[kind])
            offset += (length + 3) & ~3
        return found

    def _concerns(self, message: bytes) -> bool:
        """Whether a route's message is about the way to a watched destination."""
        if self._watched is None:
            return True
        if len(message) < _ROUTE.size:
            return False
        family, bits = _ROUTE.unpack_from(message)
        prefix = 0
        offset = _ROUTE.size
        while offset + _ATTRIBUTE.size <= len(message):
            length, kind = _ATTRIBUTE.unpack_from(message, offset)
            if length < _ATTRIBUTE.size:
                break
            if kind == _RTA_DST:
                prefix = int.from_bytes(message[offset + _ATTRIBUTE.size : offset + length], "big")
            offset += (length + 3) & ~3
        return any(family == its and (number ^ prefix) >> (width - bits) == 0 for its, width, number in self._watched)
