"""The ISAKMP header (RFC 2408 section 3.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from seikan.wire.constants import (
    FLAG_AUTHENTICATION_ONLY,
    FLAG_COMMIT,
    FLAG_ENCRYPTION,
    ISAKMP_VERSION,
    ExchangeType,
)
from seikan.wire.errors import InvalidExchangeType, InvalidFlags, InvalidMajorVersion, PayloadMalformed

_LAYOUT = struct.Struct(">8s8sBBBBII")
HEADER_OCTETS = _LAYOUT.size
NO_COOKIE = bytes(8)
_EXCHANGES = {int(exchange): exchange for exchange in ExchangeType}
_FLAGS = FLAG_ENCRYPTION | FLAG_COMMIT | FLAG_AUTHENTICATION_ONLY


@dataclass(frozen=True, slots=True)
class Header:
    """`next_payload` is a number since a peer may name a payload we do not know; `length` in octets with the header."""

    initiator_cookie: bytes
    responder_cookie: bytes
    next_payload: int
    exchange: ExchangeType
    flags: int
    message_id: int
    length: int

    @property
    def encrypted(self) -> bool:
        return bool(self.flags & FLAG_ENCRYPTION)


def pull_header(data: bytes) -> Header:
    """Read the header of a whole datagram. Raises a `WireError` where its fields or its length are wrong."""
    if len(data) < HEADER_OCTETS:
        raise PayloadMalformed(f"a datagram of {len(data)} octets has no ISAKMP header")
    initiator, responder, next_payload, version, exchange, flags, message_id, length = _LAYOUT.unpack_from(data)
    if version >> 4 != ISAKMP_VERSION >> 4:
        raise InvalidMajorVersion(f"ISAKMP version {version >> 4}.{version & 15}")
    known = _EXCHANGES.get(exchange)
    if known is None:
        raise InvalidExchangeType(f"exchange type {exchange}")
    if flags & ~_FLAGS:
        raise InvalidFlags(f"flags {flags:#04x}")
    if length != len(data):
        raise PayloadMalformed(f"the header says {length} octets, the datagram has {len(data)}")
    if initiator == NO_COOKIE:
        raise PayloadMalformed("the initiator cookie is zero")
    return Header(initiator, responder, next_payload, known, flags, message_id, length)


def push_header(header: Header, next_payload: int, flags: int, length: int) -> bytes:
    """The 28 octets of `header`, with what is known only when the rest of the message is."""
    return _LAYOUT.pack(
        header.initiator_cookie,
        header.responder_cookie,
        next_payload,
        ISAKMP_VERSION,
        header.exchange,
        flags,
        header.message_id,
        length,
    )
