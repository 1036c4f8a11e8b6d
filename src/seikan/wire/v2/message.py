"""What follows the IKE header: payloads in clear, and the Encrypted payload that carries the rest.

RFC 7296 sections 2.5, 3.2 and 3.14, RFC 7383 section 2.5. How a protected message comes and goes:

    header = pull_header(data)
    clear, encrypted = pull_message(header, data)
    plaintext = crypto.open(keys, header.from_initiator, encrypted.aad(data), data[encrypted.start:])
    chain = pull_payloads(encrypted.inner, plaintext)

    first, inner = push_payloads(payloads)
    prefix = push_prefix(header, first, crypto.sealed_octets(keys, len(inner)))
    data = prefix + crypto.seal(keys, initiator, prefix, inner, iv)

The prefix is the associated data (RFC 5282 section 5.1) and what the checksum of a cipher without one covers first.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from seikan.wire.v2.bodies import (
    pull_authentication,
    pull_certificate,
    pull_certificate_request,
    pull_configuration,
    pull_delete,
    pull_identification,
    pull_key_exchange,
    pull_nonce,
    pull_notification,
    pull_sa,
    pull_traffic_selectors,
    push_authentication,
    push_certificate,
    push_certificate_request,
    push_configuration,
    push_delete,
    push_key_exchange,
    push_notification,
    push_sa,
    push_traffic_selectors,
)
from seikan.wire.v2.buffer import Buffer
from seikan.wire.v2.constants import Notify
from seikan.wire.v2.constants import Payload as Type
from seikan.wire.v2.errors import InvalidSyntax, UnsupportedCriticalPayload
from seikan.wire.v2.header import HEADER_OCTETS, Header, push_header
from seikan.wire.v2.payloads import (
    Authentication,
    Certificate,
    CertificateRequest,
    ConfigurationPayload,
    Delete,
    Identification,
    KeyExchange,
    Nonce,
    Notification,
    Payload,
    SaPayload,
    TrafficSelectors,
    UnknownPayload,
    VendorId,
)

MAX_PAYLOADS = 128  # far above any real message; bounds the work of one datagram
GENERIC_OCTETS = 4
_GENERIC = struct.Struct(">BBH")
_FRAGMENT = struct.Struct(">HH")
_CRITICAL = 0x80
_ENCRYPTED = frozenset((int(Type.SK), int(Type.SKF)))

_PULL: dict[int, Callable[[Buffer], Payload]] = {
    Type.SA: pull_sa,
    Type.KE: pull_key_exchange,
    Type.ID_I: lambda buffer: pull_identification(buffer, True),
    Type.ID_R: lambda buffer: pull_identification(buffer, False),
    Type.CERT: pull_certificate,
    Type.CERTREQ: pull_certificate_request,
    Type.AUTH: pull_authentication,
    Type.NONCE: pull_nonce,
    Type.NOTIFY: pull_notification,
    Type.DELETE: pull_delete,
    Type.VENDOR_ID: lambda buffer: VendorId(buffer.pull_rest()),
    Type.TS_I: lambda buffer: pull_traffic_selectors(buffer, True),
    Type.TS_R: lambda buffer: pull_traffic_selectors(buffer, False),
    Type.CP: pull_configuration,
}


@dataclass(frozen=True, slots=True)
class Chain:
    """Payloads in order, and each one's body as it came, which AUTH covers (RFC 7296 section 2.15).

    Those of an Encrypted payload have its `plaintext` too, and the type of the `first`: IntAuth covers them (RFC 9242).
    """

    payloads: tuple[Payload, ...]
    bodies: tuple[bytes, ...]
    first: int = Type.NONE
    plaintext: bytes = b""

    def body_of(self, payload: Payload) -> bytes:
        """The octets behind the generic header of `payload`, which is one of this chain's."""
        return next(body for each, body in zip(self.payloads, self.bodies, strict=True) if each is payload)


@dataclass(frozen=True, slots=True)
class Encrypted:
    """The Encrypted payload (SK), or Encrypted Fragment (SKF) where there is a `fragment`, that ends a message.

    `inner` is the type of the first payload inside, 0 in fragments but the first; `header` the offset of the payload's
    own header and `start` that of the IV, which is where the associated data ends.
    """

    inner: int
    header: int
    start: int
    fragment: int = 0  # from 1 to `total`
    total: int = 0

    def aad(self, data: bytes) -> bytes:
        """The associated data in the message `data`; of a fragment with its numbers (RFC 7383 section 2.5)."""
        return data[: self.start]


def _pull_generic(buffer: Buffer, kind: int) -> tuple[int, bool, Buffer]:
    """The type of the payload that follows, whether this one is critical, and its body."""
    data, start = buffer.data, buffer.position
    if start + GENERIC_OCTETS > buffer.end:
        raise InvalidSyntax(f"ends inside the header of payload {kind}")
    following, flags, length = _GENERIC.unpack_from(data, start)
    after = start + length
    if length < GENERIC_OCTETS or after > buffer.end:
        raise InvalidSyntax(f"payload {kind} of {length} octets, {buffer.end - start} left")
    buffer.position = after
    return following, flags & _CRITICAL != 0, Buffer(data, start + GENERIC_OCTETS, after)


def _pull_encrypted(kind: int, inner: int, body: Buffer) -> Encrypted:
    header = body.position - GENERIC_OCTETS
    if kind == Type.SK:
        return Encrypted(inner, header, body.position)
    fragment, total = body.pull_uint16(), body.pull_uint16()
    if not 1 <= fragment <= total or (fragment > 1 and inner):
        raise InvalidSyntax(f"fragment {fragment} of {total} that begins with payload {inner}")
    return Encrypted(inner, header, body.position, fragment, total)


def _pull(first: int, buffer: Buffer, *, inside: bool) -> tuple[list[Payload], list[bytes], Encrypted | None]:
    kind = first
    payloads: list[Payload] = []
    bodies: list[bytes] = []
    encrypted = None
    while kind:
        if len(payloads) == MAX_PAYLOADS:
            raise InvalidSyntax(f"more than {MAX_PAYLOADS} payloads")
        following, critical, body = _pull_generic(buffer, kind)
        pull = _PULL.get(kind)
        if pull is None and kind in _ENCRYPTED:
            if inside:
                raise InvalidSyntax("an Encrypted payload inside another")
            encrypted = _pull_encrypted(kind, following, body)
            break
        bodies.append(body.data[body.position : body.end])
        if pull is not None:
            payload = pull(body)
            body.finish()
            payloads.append(payload)
        elif critical:
            raise UnsupportedCriticalPayload(kind)
        else:
            payloads.append(UnknownPayload(kind, critical, bodies[-1]))
        kind = following
    buffer.finish()
    return payloads, bodies, encrypted


def pull_payloads(first: int, data: bytes, start: int = 0, end: int | None = None) -> Chain:
    """Read payloads from `start` to `end`, the first of type `first`: what an Encrypted payload held."""
    payloads, bodies, _ = _pull(first, Buffer(data, start, end), inside=True)
    return Chain(tuple(payloads), tuple(bodies), first, data[start:end])


def pull_message(header: Header, data: bytes) -> tuple[Chain, Encrypted | None]:
    """What stands in clear in a whole message, and the Encrypted payload that ends it, if one does."""
    payloads, bodies, encrypted = _pull(header.next_payload, Buffer(data, HEADER_OCTETS), inside=False)
    return Chain(tuple(payloads), tuple(bodies)), encrypted


def find_encrypted(header: Header, data: bytes) -> Encrypted | None:
    """The Encrypted payload alone, found without a look into what stands in clear before it."""
    buffer = Buffer(data, HEADER_OCTETS)
    kind = header.next_payload
    for _ in range(MAX_PAYLOADS + 1):
        if kind == Type.NONE:
            return None
        following, _critical, body = _pull_generic(buffer, kind)
        if kind in _ENCRYPTED:
            buffer.finish()
            return _pull_encrypted(kind, following, body)
        kind = following
    raise InvalidSyntax(f"more than {MAX_PAYLOADS} payloads")


_PUSH: dict[type, Callable[[Any], tuple[int, bytes]]] = {
    SaPayload: lambda payload: (Type.SA, push_sa(payload)),
    KeyExchange: lambda payload: (Type.KE, push_key_exchange(payload)),
    Identification: lambda payload: (Type.ID_I if payload.initiator else Type.ID_R, payload.body),
    Certificate: lambda payload: (Type.CERT, push_certificate(payload)),
    CertificateRequest: lambda payload: (Type.CERTREQ, push_certificate_request(payload)),
    Authentication: lambda payload: (Type.AUTH, push_authentication(payload)),
    Nonce: lambda payload: (Type.NONCE, payload.data),
    Notification: lambda payload: (Type.NOTIFY, push_notification(payload)),
    Delete: lambda payload: (Type.DELETE, push_delete(payload)),
    VendorId: lambda payload: (Type.VENDOR_ID, payload.data),
    TrafficSelectors: lambda payload: (
        Type.TS_I if payload.initiator else Type.TS_R,
        push_traffic_selectors(payload),
    ),
    ConfigurationPayload: lambda payload: (Type.CP, push_configuration(payload)),
    UnknownPayload: lambda payload: (payload.type, payload.data),
}


def glance(header: Header, data: bytes) -> tuple[bytes, bytes]:
    """The cookie, empty where there is none, and the nonce of a request in clear, found without reading the rest.

    A cookie is the first payload (RFC 7296 section 2.6). Raises `InvalidSyntax` where there is no nonce.
    """
    buffer = Buffer(data, HEADER_OCTETS)
    kind, cookie = header.next_payload, b""
    for number in range(MAX_PAYLOADS):
        if kind == Type.NONE:
            break
        following, _critical, body = _pull_generic(buffer, kind)
        if kind == Type.NONCE:
            return cookie, body.pull_rest()
        if kind == Type.NOTIFY and not number:
            notification = pull_notification(body)
            if notification.type == Notify.COOKIE:
                cookie = notification.data
        kind = following
    raise InvalidSyntax("no nonce")


def encode_payload(payload: Payload) -> tuple[int, bytes]:
    """The type and the body of `payload`."""
    return _PUSH[type(payload)](payload)


def push_payloads(payloads: Iterable[Payload], last: int = Type.NONE) -> tuple[int, bytes]:
    """The type of the first payload, and the octets of all; `last` is the type of what the caller puts behind them."""
    encoded = [encode_payload(payload) for payload in payloads]
    parts: list[bytes] = []
    for index, (_, body) in enumerate(encoded):
        following = encoded[index + 1][0] if index + 1 < len(encoded) else last
        parts.append(_GENERIC.pack(following, 0, len(body) + GENERIC_OCTETS))
        parts.append(body)
    return (encoded[0][0] if encoded else last), b"".join(parts)


def push_message(header: Header, payloads: Iterable[Payload]) -> bytes:
    """A whole message in clear; `next_payload` and `length` of `header` are worked out here."""
    first, body = push_payloads(payloads)
    return push_header(header, first, HEADER_OCTETS + len(body)) + body


def push_prefix(
    header: Header, inner: int, octets: int, *, clear: Iterable[Payload] = (), fragment: int = 0, total: int = 0
) -> bytes:
    """Everything of a protected message before the IV, for `octets` of IV, ciphertext and checksum behind it.

    With `fragment` and `total` it is that of an Encrypted Fragment, whose `inner` is 0 but in the first.
    """
    kind = Type.SKF if fragment else Type.SK
    numbers = _FRAGMENT.pack(fragment, total) if fragment else b""
    first, before = push_payloads(clear, kind)
    length = GENERIC_OCTETS + len(numbers) + octets
    own = _GENERIC.pack(inner, 0, length) + numbers
    return push_header(header, first, HEADER_OCTETS + len(before) + length) + before + own


def push_plain(header: Header, inner: int, plaintext: bytes, *, clear: bytes = b"", first: int = Type.SK) -> bytes:
    """A protected message as IntAuth covers it: not encrypted, not fragmented, its lengths set right.

    RFC 9242 section 3.3.2 (IntAuth_*A | IntAuth_*P): without IV, padding and checksum. `clear` is what stood between
    the IKE header and the Encrypted payload, `first` the type of the first payload in it.
    """
    own = _GENERIC.pack(inner, 0, GENERIC_OCTETS + len(plaintext))
    return push_header(header, first, HEADER_OCTETS + len(clear) + len(own) + len(plaintext)) + clear + own + plaintext
