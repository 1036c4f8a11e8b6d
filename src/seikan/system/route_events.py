"""Routes that FRR puts into the kernel's main table and takes out of it, one by one, as netlink tells them."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from seikan.system.rtnetlink import address, attributes, number

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, both prefix lengths, tos, table, protocol, scope, type, flags
_NEXT_HOP = struct.Struct("=HBBi")  # rtnexthop: length, flags, hops, device
_GROUP_IPV4_ROUTE = 0x40
_NEW_ROUTE, _DELETE_ROUTE = 24, 25
_DESTINATION, _GATEWAY, _MULTIPATH, _TABLE = 1, 5, 9, 15
_MAIN = 254
_BUFFER = 1 << 20
_RECEIVE_BUDGET = 64
#: Protocol numbers that zebra gives its routes (rtnetlink.h RTPROT_OSPF, RTPROT_ZSTATIC), in the words of IOS.
PROTOCOLS = {188: "ospf", 196: "static"}


@dataclass(frozen=True, slots=True)
class RouteChange:
    """One route of the main table; `gateways` has 0.0.0.0 for a way without one."""

    added: bool
    prefix: IPv4Network
    gateways: tuple[IPv4Address, ...]
    protocol: str


class RouteEvents:
    """Calls `on_change` with what has changed, while it is open. `overruns` counts losses of the socket."""

    def __init__(self, on_change: Callable[[list[RouteChange]], None]) -> None:
        self._on_change = on_change
        self._socket: socket.socket | None = None
        self.overruns = 0

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def open(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        sock = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        sock.bind((0, _GROUP_IPV4_ROUTE))
        self._socket = sock
        asyncio.get_running_loop().add_reader(sock.fileno(), self._readable)

    def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _readable(self) -> None:
        assert self._socket is not None
        changes: list[RouteChange] = []
        for _ in range(_RECEIVE_BUDGET):
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.overruns += 1
                break
            changes.extend(route_changes(data))
        if changes:
            self._on_change(changes)


def route_changes(data: bytes) -> Iterator[RouteChange]:
    """What a datagram of rtnetlink(7) says of IPv4 routes of the main table that are FRR's."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind = _HEADER.unpack_from(data, offset)[:2]
        if not _HEADER.size <= length <= len(data) - offset:
            return  # cut off
        body = data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3
        if kind not in (_NEW_ROUTE, _DELETE_ROUTE) or len(body) < _ROUTE.size:
            continue
        family, bits, _, _, table, protocol, _, _, _ = _ROUTE.unpack_from(body)
        found = attributes(body, _ROUTE.size)
        if family != socket.AF_INET or protocol not in PROTOCOLS or (number(found.get(_TABLE)) or table) != _MAIN:
            continue
        prefix = IPv4Network((found.get(_DESTINATION, bytes(4)), bits))
        yield RouteChange(kind == _NEW_ROUTE, prefix, tuple(_gateways(found)), PROTOCOLS[protocol])


def _gateways(found: dict[int, bytes]) -> Iterator[IPv4Address]:
    hops = found.get(_MULTIPATH)
    if hops is None:
        yield _gateway(found)
        return
    offset = 0
    while offset + _NEXT_HOP.size <= len(hops):
        length = _NEXT_HOP.unpack_from(hops, offset)[0]
        if length < _NEXT_HOP.size:
            return
        yield _gateway(attributes(hops[offset : offset + length], _NEXT_HOP.size))
        offset += (length + 3) & ~3


def _gateway(found: dict[int, bytes]) -> IPv4Address:
    gateway = address(found.get(_GATEWAY))
    return gateway if isinstance(gateway, IPv4Address) else IPv4Address(0)
