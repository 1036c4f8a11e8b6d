"""The payloads of IKEv1 as frozen data, each with its `pull_` and `push_` (body only, without the generic header).

RFC 2408 sections 3.4 to 3.16, RFC 2407 section 4.6, RFC 3947 sections 3.2 and 5.2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from seikan.wire.buffer import Buffer
from seikan.wire.constants import IPSEC_DOI, SIT_IDENTITY_ONLY, IdentityType, PayloadType
from seikan.wire.errors import BadProposalSyntax, DoiNotSupported, PayloadMalformed, SituationNotSupported

GENERIC_OCTETS = 4
MAX_NUMBER_OCTETS = 8  # of a variable attribute: lifetimes are the longest numbers in use
_BASIC = 0x8000  # RFC 2408 section 3.3: the attribute format bit
_GENERIC = struct.Struct(">BBH")


@dataclass(frozen=True, slots=True)
class Attribute:
    """A data attribute (RFC 2408 section 3.3); `basic` is the two-octet form."""

    type: int
    value: bytes
    basic: bool

    @property
    def number(self) -> int:
        return int.from_bytes(self.value, "big")


def basic_attribute(kind: int, number: int) -> Attribute:
    """An attribute in the short form, for numbers below 65536."""
    return Attribute(kind, number.to_bytes(2, "big"), True)


def number_attribute(kind: int, number: int) -> Attribute:
    """An attribute in the short form where the number fits, else in four octets."""
    return basic_attribute(kind, number) if number < 0x10000 else Attribute(kind, number.to_bytes(4, "big"), False)


@dataclass(frozen=True, slots=True)
class Transform:
    """RFC 2408 section 3.6. `id` is the protocol's transform identifier."""

    number: int
    id: int
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """RFC 2408 section 3.5. Proposals of one number belong together (AND); others are alternatives (OR)."""

    number: int
    protocol: int
    spi: bytes
    transforms: tuple[Transform, ...]


@dataclass(frozen=True, slots=True)
class SaPayload:
    """RFC 2408 section 3.4, always IPsec DOI and SIT_IDENTITY_ONLY."""

    proposals: tuple[Proposal, ...]


@dataclass(frozen=True, slots=True)
class KeyExchange:
    data: bytes


@dataclass(frozen=True, slots=True)
class Identification:
    """RFC 2407 section 4.6.2. `type` is a number since a peer may use one we do not know."""

    type: int
    protocol: int
    port: int
    data: bytes


@dataclass(frozen=True, slots=True)
class HashPayload:
    data: bytes


@dataclass(frozen=True, slots=True)
class Nonce:
    data: bytes


@dataclass(frozen=True, slots=True)
class Notification:
    """RFC 2408 section 3.14; `type` is a number since private ones exist."""

    protocol: int
    spi: bytes
    type: int
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Delete:
    """RFC 2408 section 3.15; the SPIs are those the sender receives with."""

    protocol: int
    spis: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class VendorId:
    data: bytes


@dataclass(frozen=True, slots=True)
class NatDetection:
    """RFC 3947 section 3.2; `draft` for the payload number of the drafts."""

    hash: bytes
    draft: bool = False


@dataclass(frozen=True, slots=True)
class NatOriginalAddress:
    """RFC 3947 section 5.2."""

    address: IPv4Address | IPv6Address
    draft: bool = False


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a message, as IOS, racoon and strongSwan send it; `number` counts from 1."""

    id: int
    number: int
    last: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class OtherPayload:
    """A payload that is read over: certificates, signatures, private use."""

    type: int
    data: bytes


Payload = (
    SaPayload
    | KeyExchange
    | Identification
    | HashPayload
    | Nonce
    | Notification
    | Delete
    | VendorId
    | NatDetection
    | NatOriginalAddress
    | Fragment
    | OtherPayload
)


def pull_attributes(buffer: Buffer) -> tuple[Attribute, ...]:
    """Read attributes to the end of `buffer`; each is a number, and one of absurd length is malformed."""
    found = []
    while buffer.left:
        kind = buffer.pull_uint16()
        if kind & _BASIC:
            found.append(Attribute(kind & ~_BASIC, buffer.pull_bytes(2), True))
        else:
            octets = buffer.pull_uint16()
            if octets > MAX_NUMBER_OCTETS:
                raise PayloadMalformed(f"attribute {kind} of {octets} octets")
            found.append(Attribute(kind, buffer.pull_bytes(octets), False))
    return tuple(found)


def push_attribute(attribute: Attribute) -> bytes:
    if attribute.basic:
        return (attribute.type | _BASIC).to_bytes(2, "big") + attribute.value
    return attribute.type.to_bytes(2, "big") + len(attribute.value).to_bytes(2, "big") + attribute.value


def _pull_inner(buffer: Buffer, expected: PayloadType, name: str) -> tuple[bool, Buffer]:
    """The generic header of a proposal or transform: whether one more follows, and its body."""
    following, reserved, length = buffer.pull_uint8(), buffer.pull_uint8(), buffer.pull_uint16()
    if following not in (PayloadType.NONE, expected):
        raise BadProposalSyntax(f"payload {following} after a {name}")
    if reserved:
        raise PayloadMalformed(f"the reserved octet of a {name} is {reserved}")
    if length < GENERIC_OCTETS:
        raise PayloadMalformed(f"a {name} of {length} octets")
    return following == expected, buffer.pull_block(length - GENERIC_OCTETS)


def _pull_transform(buffer: Buffer) -> tuple[bool, Transform]:
    more, body = _pull_inner(buffer, PayloadType.TRANSFORM, "transform")
    number, identifier = body.pull_uint8(), body.pull_uint8()
    if body.pull_uint16():
        raise PayloadMalformed("the reserved octets of a transform are not zero")
    return more, Transform(number, identifier, pull_attributes(body))


def _pull_proposal(buffer: Buffer) -> tuple[bool, Proposal]:
    more, body = _pull_inner(buffer, PayloadType.PROPOSAL, "proposal")
    number, protocol, spi_octets, count = (body.pull_uint8() for _ in range(4))
    spi = body.pull_bytes(spi_octets)
    transforms = []
    again = count > 0
    while again:
        again, transform = _pull_transform(body)
        transforms.append(transform)
    if len(transforms) != count:
        raise BadProposalSyntax(f"a proposal of {count} transforms has {len(transforms)}")
    body.finish()
    return more, Proposal(number, protocol, spi, tuple(transforms))


def pull_sa(buffer: Buffer) -> SaPayload:
    if (doi := buffer.pull_uint32()) != IPSEC_DOI:
        raise DoiNotSupported(f"DOI {doi}")
    if (situation := buffer.pull_uint32()) != SIT_IDENTITY_ONLY:
        raise SituationNotSupported(f"situation {situation:#x}")
    proposals = []
    more = True
    while more:
        more, proposal = _pull_proposal(buffer)
        proposals.append(proposal)
    buffer.finish()
    return SaPayload(tuple(proposals))


def _push_inner(following: bool, kind: PayloadType, body: bytes) -> bytes:
    return _GENERIC.pack(kind if following else 0, 0, len(body) + GENERIC_OCTETS) + body


def push_sa(payload: SaPayload) -> bytes:
    parts = [IPSEC_DOI.to_bytes(4, "big"), SIT_IDENTITY_ONLY.to_bytes(4, "big")]
    for index, proposal in enumerate(payload.proposals, 1):
        transforms = proposal.transforms
        body = bytes((proposal.number, proposal.protocol, len(proposal.spi), len(transforms))) + proposal.spi
        for position, transform in enumerate(transforms, 1):
            inside = bytes((transform.number, transform.id, 0, 0))
            inside += b"".join(push_attribute(attribute) for attribute in transform.attributes)
            body += _push_inner(position < len(transforms), PayloadType.TRANSFORM, inside)
        parts.append(_push_inner(index < len(payload.proposals), PayloadType.PROPOSAL, body))
    return b"".join(parts)


def pull_identification(buffer: Buffer) -> Identification:
    return Identification(buffer.pull_uint8(), buffer.pull_uint8(), buffer.pull_uint16(), buffer.pull_rest())


def push_identification(payload: Identification) -> bytes:
    return struct.pack(">BBH", payload.type, payload.protocol, payload.port) + payload.data


def pull_notification(buffer: Buffer) -> Notification:
    if (doi := buffer.pull_uint32()) > IPSEC_DOI:
        raise DoiNotSupported(f"DOI {doi}")
    protocol, spi_octets, kind = buffer.pull_uint8(), buffer.pull_uint8(), buffer.pull_uint16()
    return Notification(protocol, buffer.pull_bytes(spi_octets), kind, buffer.pull_rest())


def push_notification(payload: Notification) -> bytes:
    return (
        struct.pack(">IBBH", IPSEC_DOI, payload.protocol, len(payload.spi), payload.type) + payload.spi + payload.data
    )


def pull_delete(buffer: Buffer) -> Delete:
    if (doi := buffer.pull_uint32()) > IPSEC_DOI:
        raise DoiNotSupported(f"DOI {doi}")
    protocol, spi_octets, count = buffer.pull_uint8(), buffer.pull_uint8(), buffer.pull_uint16()
    if buffer.left != spi_octets * count or (count and not spi_octets):
        raise PayloadMalformed(f"{count} SPIs of {spi_octets} octets in {buffer.left}")
    return Delete(protocol, tuple(buffer.pull_bytes(spi_octets) for _ in range(count)))


def push_delete(payload: Delete) -> bytes:
    """All SPIs of one payload have one length (RFC 2408 section 3.15)."""
    size = len(payload.spis[0]) if payload.spis else 0
    return struct.pack(">IBBH", IPSEC_DOI, payload.protocol, size, len(payload.spis)) + b"".join(payload.spis)


def pull_original_address(buffer: Buffer, draft: bool) -> NatOriginalAddress:
    kind = buffer.pull_uint8()
    if any(buffer.pull_bytes(3)):
        raise PayloadMalformed("the reserved octets of an original address are not zero")
    data = buffer.pull_rest()
    if kind == IdentityType.IPV4_ADDR and len(data) == 4:
        return NatOriginalAddress(IPv4Address(data), draft)
    if kind == IdentityType.IPV6_ADDR and len(data) == 16:
        return NatOriginalAddress(IPv6Address(data), draft)
    raise PayloadMalformed(f"an original address of type {kind} and {len(data)} octets")


def push_original_address(payload: NatOriginalAddress) -> bytes:
    kind = IdentityType.IPV4_ADDR if payload.address.version == 4 else IdentityType.IPV6_ADDR
    return bytes((kind, 0, 0, 0)) + payload.address.packed


def pull_fragment(buffer: Buffer) -> Fragment:
    identifier, number, flags = buffer.pull_uint16(), buffer.pull_uint8(), buffer.pull_uint8()
    if not number or not buffer.left:
        raise PayloadMalformed("a fragment without number or data")
    return Fragment(identifier, number, bool(flags & 1), buffer.pull_rest())


def push_fragment(payload: Fragment) -> bytes:
    return struct.pack(">HBB", payload.id, payload.number, int(payload.last)) + payload.data
