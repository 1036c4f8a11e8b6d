"""A chain of payloads: what follows the ISAKMP header, in clear or after decryption (RFC 2408 section 3.2)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from seikan.wire.buffer import Buffer
from seikan.wire.constants import PayloadType
from seikan.wire.errors import InvalidPayloadType, PayloadMalformed
from seikan.wire.header import HEADER_OCTETS, Header, push_header
from seikan.wire.payloads import (
    GENERIC_OCTETS,
    Delete,
    Fragment,
    HashPayload,
    Identification,
    KeyExchange,
    NatDetection,
    NatOriginalAddress,
    Nonce,
    Notification,
    OtherPayload,
    Payload,
    SaPayload,
    VendorId,
    pull_delete,
    pull_fragment,
    pull_identification,
    pull_notification,
    pull_original_address,
    pull_sa,
    push_delete,
    push_fragment,
    push_identification,
    push_notification,
    push_original_address,
    push_sa,
)

MAX_PAYLOADS = 64  # far above any real message; bounds the work of one datagram
_GENERIC = struct.Struct(">BBH")

_PULL: dict[int, Callable[[Buffer], Payload]] = {
    PayloadType.SA: pull_sa,
    PayloadType.KEY_EXCHANGE: lambda buffer: KeyExchange(buffer.pull_rest()),
    PayloadType.IDENTIFICATION: pull_identification,
    PayloadType.HASH: lambda buffer: HashPayload(buffer.pull_rest()),
    PayloadType.NONCE: lambda buffer: Nonce(buffer.pull_rest()),
    PayloadType.NOTIFICATION: pull_notification,
    PayloadType.DELETE: pull_delete,
    PayloadType.VENDOR_ID: lambda buffer: VendorId(buffer.pull_rest()),
    PayloadType.NAT_D: lambda buffer: NatDetection(buffer.pull_rest()),
    PayloadType.DRAFT_NAT_D: lambda buffer: NatDetection(buffer.pull_rest(), draft=True),
    PayloadType.NAT_OA: lambda buffer: pull_original_address(buffer, False),
    PayloadType.DRAFT_NAT_OA: lambda buffer: pull_original_address(buffer, True),
    PayloadType.FRAGMENT: pull_fragment,
}
# 15 and 16 are NAT-D and NAT-OA of draft-ietf-ipsec-nat-t-ike-00 and -01, which old IOS releases send.
_READ_OVER = frozenset((PayloadType.CERTIFICATE, PayloadType.CERTIFICATE_REQUEST, PayloadType.SIGNATURE, 15, 16))
_FIRST_PRIVATE = 128  # RFC 2408 section 3.1


@dataclass(frozen=True, slots=True)
class Chain:
    """Payloads in order, and what hashes need of their octets: each one's body, and the chain without padding."""

    payloads: tuple[Payload, ...]
    bodies: tuple[bytes, ...]
    octets: bytes

    def after_first(self) -> bytes:
        """The octets behind the first payload, which a HASH covers (RFC 2409 section 5.5)."""
        return self.octets[len(self.bodies[0]) + GENERIC_OCTETS :] if self.bodies else b""


def pull_chain(first: int, data: bytes, start: int = 0, *, padded: bool = False) -> Chain:
    """Read payloads from `start`, the first of type `first`, up to the end or, where `padded`, to the padding."""
    buffer = Buffer(data, start)
    kind = first
    payloads: list[Payload] = []
    bodies: list[bytes] = []
    while kind != PayloadType.NONE:
        if len(payloads) == MAX_PAYLOADS:
            raise PayloadMalformed(f"more than {MAX_PAYLOADS} payloads")
        following, reserved, length = buffer.pull_uint8(), buffer.pull_uint8(), buffer.pull_uint16()
        if reserved:
            raise PayloadMalformed(f"the reserved octet of payload {kind} is {reserved}")
        if length < GENERIC_OCTETS:
            raise PayloadMalformed(f"payload {kind} of {length} octets")
        body = buffer.pull_block(length - GENERIC_OCTETS)
        bodies.append(data[body.position : body.end])
        pull = _PULL.get(kind)
        if pull is not None:
            payloads.append(pull(body))
        elif kind in _READ_OVER or kind >= _FIRST_PRIVATE:
            payloads.append(OtherPayload(kind, bodies[-1]))
        else:
            raise InvalidPayloadType(f"payload type {kind}")
        kind = following
    if not padded:
        buffer.finish()
    return Chain(tuple(payloads), tuple(bodies), data[start : buffer.position])


def encode_payload(payload: Payload) -> tuple[int, bytes]:
    """The type and the body of `payload`."""
    match payload:
        case SaPayload():
            return PayloadType.SA, push_sa(payload)
        case KeyExchange(data):
            return PayloadType.KEY_EXCHANGE, data
        case Identification():
            return PayloadType.IDENTIFICATION, push_identification(payload)
        case HashPayload(data):
            return PayloadType.HASH, data
        case Nonce(data):
            return PayloadType.NONCE, data
        case Notification():
            return PayloadType.NOTIFICATION, push_notification(payload)
        case Delete():
            return PayloadType.DELETE, push_delete(payload)
        case VendorId(data):
            return PayloadType.VENDOR_ID, data
        case NatDetection(data, draft):
            return (PayloadType.DRAFT_NAT_D if draft else PayloadType.NAT_D), data
        case NatOriginalAddress(_, draft):
            return (PayloadType.DRAFT_NAT_OA if draft else PayloadType.NAT_OA), push_original_address(payload)
        case Fragment():
            return PayloadType.FRAGMENT, push_fragment(payload)
        case OtherPayload(kind, data):
            return kind, data


def push_chain(payloads: Iterable[Payload]) -> tuple[int, bytes]:
    """The type of the first payload, and the octets of all."""
    encoded = [encode_payload(payload) for payload in payloads]
    parts: list[bytes] = []
    for index, (_, body) in enumerate(encoded):
        following = encoded[index + 1][0] if index + 1 < len(encoded) else PayloadType.NONE
        parts.append(_GENERIC.pack(following, 0, len(body) + GENERIC_OCTETS))
        parts.append(body)
    return (encoded[0][0] if encoded else PayloadType.NONE), b"".join(parts)


def push_message(header: Header, payloads: Iterable[Payload]) -> bytes:
    """A whole message in clear; `next_payload` and `length` of `header` are worked out here."""
    first, body = push_chain(payloads)
    return push_header(header, first, header.flags, HEADER_OCTETS + len(body)) + body
