"""Questions to rtnetlink(7): links, addresses and single routes, read straight from the kernel's messages.

Reading is what is done often, so it takes no general library: a router with hundreds of tunnels answers a
show command in milliseconds. Changes are rare and are left to pyroute2.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address
Attributes = dict[int, bytes]

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")
_CODE = struct.Struct("=i")
_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBi")  # ifaddrmsg: family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, both prefix lengths, tos, table, protocol, scope, type, flags
_REQUEST, _ROOT_AND_MATCH, _INTERRUPTED = 0x1, 0x300, 0x10
_ERROR, _DONE = 2, 3
_GET_LINK, _GET_ADDRESS, _GET_ROUTE = 18, 22, 26
_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_NAME, _RTA_DESTINATION, _RTA_SOURCE = 3, 1, 2
_ANSWER_LIMIT = 5  # seconds
_TRIES = 5


class RtnetlinkError(OSError):
    """The kernel's answer to a question, by its errno."""


class Rtnetlink:
    """One socket in the network namespace of the thread that made it. The kernel answers at once: nothing waits."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._socket.settimeout(_ANSWER_LIMIT)
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def links(self) -> list[tuple[int, int, Attributes]]:
        """(index, flags, attributes) of every device."""
        return [_link(body) for body in self._dump(_GET_LINK, _LINK.pack(0, 0, 0, 0, 0))]

    def link(self, name: str) -> tuple[int, int, Attributes]:
        """One device; raises `RtnetlinkError` (ENODEV) where there is none of this name."""
        body = _LINK.pack(0, 0, 0, 0, 0) + _attribute(_NAME, name.encode() + b"\0")
        return _link(self._ask(_GET_LINK, body))

    def addresses(self) -> list[tuple[int, int, int, int, int, Attributes]]:
        """(family, prefix length, flags, scope, index, attributes) of every address."""
        found = []
        for body in self._dump(_GET_ADDRESS, _ADDRESS.pack(0, 0, 0, 0, 0)):
            family, bits, flags, scope, index = _ADDRESS.unpack_from(body)
            found.append((family, bits, flags, scope, index, attributes(body, _ADDRESS.size)))
        return found

    def route(self, destination: Address, source: Address | None) -> tuple[int, Attributes]:
        """(type, attributes) of the route for a packet; raises `RtnetlinkError` where there is none."""
        family = socket.AF_INET6 if destination.version == 6 else socket.AF_INET
        body = _ROUTE.pack(family, destination.max_prefixlen, source.max_prefixlen if source else 0, 0, 0, 0, 0, 0, 0)
        body += _attribute(_RTA_DESTINATION, destination.packed)
        if source is not None:
            body += _attribute(_RTA_SOURCE, source.packed)
        answer = self._ask(_GET_ROUTE, body)
        return _ROUTE.unpack_from(answer)[7], attributes(answer, _ROUTE.size)

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, self._sequence, 0) + body)

    def _ask(self, kind: int, body: bytes) -> bytes:
        self._send(kind, 0, body)
        for number, _, answer in self._messages():
            if number not in (_ERROR, _DONE):
                return answer
        raise RtnetlinkError(errno.EPROTO, "the kernel gave no answer")

    def _dump(self, kind: int, body: bytes) -> list[bytes]:
        for _ in range(_TRIES):
            self._send(kind, _ROOT_AND_MATCH, body)
            found = []
            interrupted = False
            for number, flags, answer in self._messages():
                interrupted |= bool(flags & _INTERRUPTED)
                if number == _DONE:
                    break
                found.append(answer)
            if not interrupted:
                break  # else something changed meanwhile, and the list may lack a row
        return found

    def _messages(self) -> Iterator[tuple[int, int, bytes]]:
        """(type, flags, body) of the answers to the last question; raises the kernel's error as `RtnetlinkError`."""
        while True:
            data = self._socket.recv(1 << 18)
            offset = 0
            while offset + _HEADER.size <= len(data):
                length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
                body = data[offset + _HEADER.size : offset + length]
                offset += (length + 3) & ~3
                if sequence != self._sequence:
                    continue  # the rest of an answer that was not read to its end
                if kind == _ERROR:  # an acknowledgement, code 0, is never asked for
                    code = -_CODE.unpack_from(body)[0]
                    raise RtnetlinkError(code, os.strerror(code))
                yield kind, flags, body


def _link(body: bytes) -> tuple[int, int, Attributes]:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    return index, flags, attributes(body, _LINK.size)


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def attributes(data: bytes, offset: int = 0) -> Attributes:
    """Type to value; the last of a type that is there twice."""
    found = {}
    end = len(data)
    while offset + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            break
        found[kind & _TYPE_MASK] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def number(value: bytes | None) -> int:
    """A number in the host's order, 0 where it is not told."""
    return 0 if value is None else int.from_bytes(value, sys.byteorder)


def text(value: bytes | None) -> str | None:
    return None if value is None else value.rstrip(b"\0").decode(errors="replace")


def address(value: bytes | None) -> Address | None:
    return None if value is None else ip_address(value)
