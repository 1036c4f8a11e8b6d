"""Each payload's body, without its generic header: a `pull_` and a `push_` (RFC 7296 sections 3.3 to 3.15).

Reserved fields are sent as zero and not looked at (section 3.2), but AUTH covers them as they came: whoever checks
one takes the octets of `message.Chain.bodies`.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from seikan.wire.v2.buffer import Buffer
from seikan.wire.v2.constants import KEY_LENGTH_ATTRIBUTE, CertEncoding, IdType, Protocol, TsType
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.payloads import (
    Authentication,
    Certificate,
    CertificateRequest,
    ConfigurationAttribute,
    ConfigurationPayload,
    Delete,
    Identification,
    KeyExchange,
    Nonce,
    Notification,
    Proposal,
    SaPayload,
    TrafficSelector,
    TrafficSelectors,
    Transform,
)

MAX_TRANSFORMS = 1024  # of one SA payload: far above any real offer; bounds the work of one datagram
_FIELDS = struct.Struct(">BBH")  # how most bodies and substructures begin
_PAIR = struct.Struct(">HH")
_OCTETS = struct.Struct(">BBBB")
_SHORT = 0x8000  # RFC 7296 section 3.3.5: the attribute format bit
_MORE = {"proposal": 2, "transform": 3}  # sections 3.3.1 and 3.3.2: "last substruc"; 0 for the last
_AUTHORITY_OCTETS = 20  # section 3.7: SHA-1 of a SubjectPublicKeyInfo
_NONCE_OCTETS = range(16, 257)  # section 3.9
_IDENTITY_OCTETS: dict[int, int] = {IdType.IPV4_ADDR: 4, IdType.IPV6_ADDR: 16}
_SPI_OCTETS: dict[int, int] = {Protocol.IKE: 0, Protocol.AH: 4, Protocol.ESP: 4}  # of a Delete (section 3.11)
_SELECTOR_OCTETS: dict[int, int] = {
    TsType.IPV4_ADDR_RANGE: 16,
    TsType.IPV6_ADDR_RANGE: 40,
}  # with the selector's header
_LEAST_SELECTOR = 4  # type, protocol and length


def _pull_inner(buffer: Buffer, name: str) -> tuple[bool, Buffer]:
    """The header of a proposal or transform: whether one more follows, and its body."""
    following, _, length = buffer.pull_fields(_FIELDS)
    if following not in (0, _MORE[name]):
        raise InvalidSyntax(f"substructure {following} after a {name}")
    if length < 4:
        raise InvalidSyntax(f"a {name} of {length} octets")
    return following != 0, buffer.pull_block(length - 4)


def _pull_transform(buffer: Buffer) -> tuple[bool, Transform]:
    more, body = _pull_inner(buffer, "transform")
    kind, _, identifier = body.pull_fields(_FIELDS)
    key_bits: int | None = None
    unknown = False
    while body.left:
        attribute, number = body.pull_fields(_PAIR)
        if attribute == KEY_LENGTH_ATTRIBUTE | _SHORT and key_bits is None:
            key_bits = number
            continue
        unknown = True
        if not attribute & _SHORT:
            body.pull_bytes(number)
    return more, Transform(kind, identifier, key_bits, unknown)


def _pull_proposal(buffer: Buffer) -> tuple[bool, Proposal]:
    more, body = _pull_inner(buffer, "proposal")
    number, protocol, spi_octets, count = body.pull_fields(_OCTETS)
    spi = body.pull_bytes(spi_octets)
    transforms = []
    again = count > 0
    while again:
        again, transform = _pull_transform(body)
        transforms.append(transform)
    if len(transforms) != count:
        raise InvalidSyntax(f"a proposal of {count} transforms has {len(transforms)}")
    body.finish()
    return more, Proposal(number, protocol, spi, tuple(transforms))


def pull_sa(buffer: Buffer) -> SaPayload:
    """Proposals count upwards by one (section 3.3.1); that a request begins with 1 is for `rules` to say."""
    proposals: list[Proposal] = []
    transforms = 0
    more = True
    while more:
        more, proposal = _pull_proposal(buffer)
        if proposals and proposal.number != proposals[-1].number + 1:
            raise InvalidSyntax(f"proposal {proposal.number} after proposal {proposals[-1].number}")
        proposals.append(proposal)
        transforms += len(proposal.transforms)
        if transforms > MAX_TRANSFORMS:
            raise InvalidSyntax(f"more than {MAX_TRANSFORMS} transforms")
    buffer.finish()
    return SaPayload(tuple(proposals))


def _push_inner(name: str, following: bool, body: bytes) -> bytes:
    return _FIELDS.pack(_MORE[name] if following else 0, 0, len(body) + 4) + body


def push_sa(payload: SaPayload) -> bytes:
    parts = []
    for index, proposal in enumerate(payload.proposals, 1):
        transforms = proposal.transforms
        body = bytes((proposal.number, proposal.protocol, len(proposal.spi), len(transforms))) + proposal.spi
        for position, transform in enumerate(transforms, 1):
            inside = _FIELDS.pack(transform.type, 0, transform.id)
            if transform.key_bits is not None:
                inside += _PAIR.pack(KEY_LENGTH_ATTRIBUTE | _SHORT, transform.key_bits)
            body += _push_inner("transform", position < len(transforms), inside)
        parts.append(_push_inner("proposal", index < len(payload.proposals), body))
    return b"".join(parts)


def pull_key_exchange(buffer: Buffer) -> KeyExchange:
    group, _ = buffer.pull_fields(_PAIR)
    return KeyExchange(group, buffer.pull_rest())


def push_key_exchange(payload: KeyExchange) -> bytes:
    return _PAIR.pack(payload.group, 0) + payload.data


def pull_identification(buffer: Buffer, initiator: bool) -> Identification:
    kind, _ = buffer.pull_uint8(), buffer.pull_bytes(3)
    data = buffer.pull_rest()
    if len(data) != _IDENTITY_OCTETS.get(kind, len(data)):
        raise InvalidSyntax(f"an identity of type {kind} and {len(data)} octets")
    return Identification(initiator, kind, data)


def pull_certificate(buffer: Buffer) -> Certificate:
    return Certificate(buffer.pull_uint8(), buffer.pull_rest())


def push_certificate(payload: Certificate) -> bytes:
    return bytes((payload.encoding,)) + payload.data


def pull_certificate_request(buffer: Buffer) -> CertificateRequest:
    encoding, authorities = buffer.pull_uint8(), buffer.pull_rest()
    if encoding == CertEncoding.X509_SIGNATURE and len(authorities) % _AUTHORITY_OCTETS:
        raise InvalidSyntax(f"{len(authorities)} octets of authorities of {_AUTHORITY_OCTETS} each")
    return CertificateRequest(encoding, authorities)


def push_certificate_request(payload: CertificateRequest) -> bytes:
    return bytes((payload.encoding,)) + payload.authorities


def pull_authentication(buffer: Buffer) -> Authentication:
    method, _ = buffer.pull_uint8(), buffer.pull_bytes(3)
    return Authentication(method, buffer.pull_rest())


def push_authentication(payload: Authentication) -> bytes:
    return bytes((payload.method, 0, 0, 0)) + payload.data


def pull_nonce(buffer: Buffer) -> Nonce:
    if buffer.left not in _NONCE_OCTETS:
        raise InvalidSyntax(f"a nonce of {buffer.left} octets; 16 to 256 are allowed")
    return Nonce(buffer.pull_rest())


def pull_notification(buffer: Buffer) -> Notification:
    protocol, spi_octets, kind = buffer.pull_fields(_FIELDS)
    spi = buffer.pull_bytes(spi_octets) if spi_octets else b""
    return Notification(kind, buffer.pull_rest(), protocol, spi)


def push_notification(payload: Notification) -> bytes:
    return _FIELDS.pack(payload.protocol, len(payload.spi), payload.type) + payload.spi + payload.data


def pull_delete(buffer: Buffer) -> Delete:
    protocol, spi_octets, count = buffer.pull_fields(_FIELDS)
    if spi_octets != _SPI_OCTETS.get(protocol, spi_octets):
        raise InvalidSyntax(f"a delete of protocol {protocol} with SPIs of {spi_octets} octets")
    if buffer.left != spi_octets * count or (count and not spi_octets):
        raise InvalidSyntax(f"{count} SPIs of {spi_octets} octets in {buffer.left}")
    return Delete(protocol, tuple(buffer.pull_bytes(spi_octets) for _ in range(count)))


def push_delete(payload: Delete) -> bytes:
    """All SPIs of one payload have one length (section 3.11)."""
    size = len(payload.spis[0]) if payload.spis else _SPI_OCTETS.get(payload.protocol, 0)
    return _FIELDS.pack(payload.protocol, size, len(payload.spis)) + b"".join(payload.spis)


def _pull_selector(buffer: Buffer) -> TrafficSelector | None:
    """None for a type that is not known here, which is read over by its length."""
    kind, protocol, length = buffer.pull_fields(_FIELDS)
    if length < _LEAST_SELECTOR or length != _SELECTOR_OCTETS.get(kind, length):
        raise InvalidSyntax(f"a traffic selector of type {kind} and {length} octets")
    body = buffer.pull_block(length - _LEAST_SELECTOR)
    if kind not in _SELECTOR_OCTETS:
        return None
    start_port, end_port = body.pull_fields(_PAIR)
    address: type[IPv4Address | IPv6Address] = IPv4Address if kind == TsType.IPV4_ADDR_RANGE else IPv6Address
    first, last = body.pull_bytes(body.left // 2), body.pull_rest()
    if first > last:
        raise InvalidSyntax("a traffic selector ends before it starts")
    return TrafficSelector(protocol, start_port, end_port, address(first), address(last))


def pull_traffic_selectors(buffer: Buffer, initiator: bool) -> TrafficSelectors:
    count, _ = buffer.pull_uint8(), buffer.pull_bytes(3)
    if not count:
        raise InvalidSyntax("no traffic selector in a traffic selector payload")
    found = [_pull_selector(buffer) for _ in range(count)]
    buffer.finish()
    known = tuple(selector for selector in found if selector is not None)
    return TrafficSelectors(initiator, known, count - len(known))


def push_traffic_selectors(payload: TrafficSelectors) -> bytes:
    parts = [bytes((len(payload.selectors), 0, 0, 0))]
    for selector in payload.selectors:
        kind = TsType.IPV4_ADDR_RANGE if selector.start.version == 4 else TsType.IPV6_ADDR_RANGE
        ports = _PAIR.pack(selector.start_port, selector.end_port)
        parts.append(_FIELDS.pack(kind, selector.protocol, _SELECTOR_OCTETS[kind]) + ports)
        parts += [selector.start.packed, selector.end.packed]
    return b"".join(parts)


def pull_configuration(buffer: Buffer) -> ConfigurationPayload:
    kind, _ = buffer.pull_uint8(), buffer.pull_bytes(3)
    attributes = []
    while buffer.left:
        attribute, octets = buffer.pull_uint16() & ~_SHORT, buffer.pull_uint16()  # the top bit is reserved
        attributes.append(ConfigurationAttribute(attribute, buffer.pull_bytes(octets)))
    return ConfigurationPayload(kind, tuple(attributes))


def push_configuration(payload: ConfigurationPayload) -> bytes:
    return bytes((payload.type, 0, 0, 0)) + b"".join(
        struct.pack(">HH", attribute.type, len(attribute.value)) + attribute.value for attribute in payload.attributes
    )
