"""`ping`: ICMP echo (RFC 792) and ICMPv6 echo (RFC 4443), one after another, as IOS sends them."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from seikan.system.errors import AdapterError

Address = IPv4Address | IPv6Address

_ECHO = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence
_NONCE = 8
_IP_MTU_DISCOVER = 10
_IPV6_MTU_DISCOVER = 23
_IPV6_DONTFRAG = 62
_PMTUDISC_DONT, _PMTUDISC_DO = 0, 2
_HEADERS = {4: 20 + _ECHO.size, 6: 40 + _ECHO.size}
SMALLEST, LARGEST = 36, 18024  # octets of the IP datagram, as IOS allows

REPLY, TIMEOUT, UNREACHABLE, TOO_BIG, EXPIRED = "!", ".", "U", "M", "&"
_FRAGMENTATION_NEEDED = (3, 4)
_ERRORS_V4 = {3: UNREACHABLE, 11: EXPIRED}
_ERRORS_V6 = {1: UNREACHABLE, 2: TOO_BIG, 3: EXPIRED}

_identifiers = itertools.count(int.from_bytes(os.urandom(2), "big"))


@dataclass(frozen=True, slots=True)
class PingResult:
    """One echo: `mark` is what IOS prints for it, `round_trip` in seconds of what came back, and from whom."""

    mark: str
    round_trip: float | None = None
    sender: Address | None = None


async def ping(
    target: Address,
    source: Address | None = None,
    *,
    repeat: int = 5,
    size: int = 100,
    timeout: float = 2.0,
    df: bool = False,
    ttl: int | None = None,
) -> AsyncIterator[PingResult]:
    """Yield each echo's result as it is known; the next one is sent after it.

    `size` is the IP datagram in octets (36 to 18024), `timeout` in seconds, `ttl` the hops that it may take (by
    default as many as the system gives every packet).
    Raises `AdapterError` where the source is not this host's, or without root.
    """
    if not SMALLEST <= size <= LARGEST:
        raise AdapterError(f"the datagram size must be {SMALLEST} to {LARGEST} octets")
    sock = _open(target, source, df=df, ttl=ttl)
    identifier = next(_identifiers) & 0xFFFF
    nonce = os.urandom(_NONCE)
    payload = nonce.ljust(max(_NONCE, size - _HEADERS[target.version]), b"\xab")
    loop = asyncio.get_running_loop()
    try:
        for sequence in range(repeat):
            sent = loop.time()
            try:
                await loop.sock_sendto(sock, _request(target, identifier, sequence & 0xFFFF, payload), (str(target), 0))
            except OSError as error:
                yield PingResult(TOO_BIG if error.errno == errno.EMSGSIZE else TIMEOUT)
                continue
            try:
                async with asyncio.timeout(timeout):
                    mark, sender = await _answer(sock, target, identifier, sequence & 0xFFFF, nonce)
            except TimeoutError:
                yield PingResult(TIMEOUT)
            else:
                yield PingResult(mark, loop.time() - sent, sender)
    finally:
        sock.close()


def _open(target: Address, source: Address | None, *, df: bool, ttl: int | None) -> socket.socket:
    six = target.version == 6
    if source is not None and source.version != target.version:
        raise AdapterError(f"{target} cannot be reached from {source}: one is IPv4, the other IPv6")
    family = socket.AF_INET6 if six else socket.AF_INET
    protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    try:
        sock = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    except PermissionError:
        raise AdapterError("ping needs root") from None
    discover = _PMTUDISC_DO if df else _PMTUDISC_DONT
    try:
        if six:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, discover)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_DONTFRAG, int(df))
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, discover)
        if ttl is not None and six:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
        elif ttl is not None:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        if source is not None:
            sock.bind((str(source), 0))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise AdapterError(f"{source} is not an address of this router") from None
        raise AdapterError(f"ping from {source}: {error.strerror}") from None
    return sock


def _request(target: Address, identifier: int, sequence: int, payload: bytes) -> bytes:
    if target.version == 6:  # its checksum covers the pseudo header, which the kernel knows
        return _ECHO.pack(128, 0, 0, identifier, sequence) + payload
    checksum = _checksum(_ECHO.pack(8, 0, 0, identifier, sequence) + payload)
    return _ECHO.pack(8, 0, checksum, identifier, sequence) + payload


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


async def _answer(
    sock: socket.socket, target: Address, identifier: int, sequence: int, nonce: bytes
) -> tuple[str, Address]:
    """A raw socket hears every ICMP message of the host: wait for the one that is about this echo."""
    loop = asyncio.get_running_loop()
    while True:
        data, sender = await loop.sock_recvfrom(sock, 65535)
        read = _mark_v6 if target.version == 6 else _mark_v4
        mark = read(data, sender[0], target, identifier, sequence, nonce)
        if mark is not None:
            return mark, ip_address(sender[0].partition("%")[0])


def _mark_v4(data: bytes, sender: str, target: Address, identifier: int, sequence: int, nonce: bytes) -> str | None:
    message = _after_header(data)
    if len(message) < _ECHO.size:
        return None
    kind, code, _, its_identifier, its_sequence = _ECHO.unpack_from(message)
    if kind == 0:
        ours = (its_identifier, its_sequence, message[_ECHO.size : _ECHO.size + _NONCE]) == (
            identifier,
            sequence,
            nonce,
        )
        return REPLY if ours and sender == str(target) else None
    if kind not in _ERRORS_V4:
        return None
    about = _after_header(message[_ECHO.size :])
    if len(about) < _ECHO.size or _ECHO.unpack_from(about)[3:] != (identifier, sequence) or about[0] != 8:
        return None
    return TOO_BIG if (kind, code) == _FRAGMENTATION_NEEDED else _ERRORS_V4[kind]


def _after_header(datagram: bytes) -> bytes:
    return datagram[(datagram[0] & 0xF) * 4 :] if datagram else b""


def _mark_v6(message: bytes, sender: str, target: Address, identifier: int, sequence: int, nonce: bytes) -> str | None:
    if len(message) < _ECHO.size:
        return None
    kind, _, _, its_identifier, its_sequence = _ECHO.unpack_from(message)
    if kind == 129:
        ours = (its_identifier, its_sequence, message[_ECHO.size : _ECHO.size + _NONCE]) == (
            identifier,
            sequence,
            nonce,
        )
        return REPLY if ours and IPv6Address(sender) == target else None
    if kind not in _ERRORS_V6:
        return None
    about = message[_ECHO.size + 40 :]
    if len(about) < _ECHO.size or _ECHO.unpack_from(about)[3:] != (identifier, sequence) or about[0] != 128:
        return None
    return _ERRORS_V6[kind]
