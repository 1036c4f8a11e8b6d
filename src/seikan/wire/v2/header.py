"""The IKE header of version 2 (RFC 7296 section 3.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from seikan.wire.v2.constants import FLAG_INITIATOR, FLAG_RESPONSE, IKEV2_VERSION
from seikan.wire.v2.errors import InvalidMajorVersion, InvalidSyntax

_LAYOUT = struct.Struct(">8s8sBBBBII")
HEADER_OCTETS = _LAYOUT.size
NO_SPI = bytes(8)


@dataclass(frozen=True, slots=True)
class Header:
    """`next_payload` and `exchange` are numbers since a peer may name what is not known here; `length` in octets."""

    initiator_spi: bytes
    responder_spi: bytes
    next_payload: int
    exchange: int
    flags: int
    message_id: int
    length: int

    @property
    def response(self) -> bool:
        return bool(self.flags & FLAG_RESPONSE)

    @property
    def from_initiator(self) -> bool:
        """Sent by the original initiator of the IKE SA."""
        return bool(self.flags & FLAG_INITIATOR)


def pull_header(data: bytes) -> Header:
    """Read the header of a whole datagram. Raises a `WireError` where its fields or its length are wrong.

    The minor version and flags that are not known are ignored, as RFC 7296 section 2.5 and 3.1 ask.
    """
    if len(data) < HEADER_OCTETS:
        raise InvalidSyntax(f"a datagram of {len(data)} octets has no IKE header")
    initiator, responder, next_payload, version, exchange, flags, message_id, length = _LAYOUT.unpack_from(data)
    if version >> 4 != IKEV2_VERSION >> 4:
        raise InvalidMajorVersion(f"IKE version {version >> 4}.{version & 15}")
    if length != len(data):
        raise InvalidSyntax(f"the header says {length} octets, the datagram has {len(data)}")
    if initiator == NO_SPI:
        raise InvalidSyntax("the initiator's SPI is zero")
    return Header(initiator, responder, next_payload, exchange, flags, message_id, length)


def push_header(header: Header, next_payload: int, length: int) -> bytes:
    """The 28 octets of `header`, with what is known only when the rest of the message is."""
    return _LAYOUT.pack(
        header.initiator_spi,
        header.responder_spi,
        next_payload,
        IKEV2_VERSION,
        header.exchange,
        header.flags,
        header.message_id,
        length,
    )
