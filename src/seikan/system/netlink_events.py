"""News of links, addresses and routes: which kinds changed, for the daemon to look again.

Only the kind is taken from a message, so that a burst (a full routing table) costs one look, and an
overrun of the socket, which loses messages, is the same as any change of every kind.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable
from enum import Enum

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
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
        self.overruns = 0

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
            changes.update(_kinds(data))
        if changes:
            self._on_change(frozenset(changes))

    def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None


def _kinds(data: bytes) -> set[Change]:
    found: set[Change] = set()
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind = _HEADER.unpack_from(data, offset)[:2]
        if length < _HEADER.size:
            break
        if kind in _TYPES:
            found.add(_TYPES[kind])
        offset += (length + 3) & ~3
    return found
