"""The payloads of IKEv2 as frozen data (RFC 7296 sections 3.3 to 3.16, RFC 7383 section 2.5)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Transform:
    """RFC 7296 section 3.3.2: `id` is of the registry of `type`; `key_bits` is the key length attribute, if any.

    `unknown` tells that it has attributes that are not known here, so that it must not be chosen (section 3.3.6).
    """

    type: int
    id: int
    key_bits: int | None = None
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """RFC 7296 section 3.3.1: one transform of each type in it has to be chosen."""

    number: int
    protocol: int
    spi: bytes
    transforms: tuple[Transform, ...]


@dataclass(frozen=True, slots=True)
class SaPayload:
    proposals: tuple[Proposal, ...]


@dataclass(frozen=True, slots=True)
class KeyExchange:
    group: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Identification:
    """RFC 7296 section 3.5; `initiator` tells IDi from IDr. `body` is what AUTH covers."""

    initiator: bool
    type: int
    data: bytes

    @property
    def body(self) -> bytes:
        return bytes((self.type, 0, 0, 0)) + self.data


@dataclass(frozen=True, slots=True)
class Certificate:
    encoding: int
    data: bytes


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """`authorities` are SHA-1 hashes of SubjectPublicKeyInfo, 20 octets each, joined (RFC 7296 section 3.7)."""

    encoding: int
    authorities: bytes


@dataclass(frozen=True, slots=True)
class Authentication:
    method: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Nonce:
    data: bytes  # 16 to 256 octets


@dataclass(frozen=True, slots=True)
class Notification:
    """RFC 7296 section 3.10; `type` is a number since private ones exist."""

    type: int
    data: bytes = b""
    protocol: int = 0
    spi: bytes = b""


@dataclass(frozen=True, slots=True)
class Delete:
    """RFC 7296 section 3.11; for the IKE SA `spis` is empty."""

    protocol: int
    spis: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class VendorId:
    data: bytes


@dataclass(frozen=True, slots=True)
class TrafficSelector:
    """RFC 7296 section 3.13.1, both ends inclusive. `start` above `end` in ports is OPAQUE (RFC 4301)."""

    protocol: int
    start_port: int
    end_port: int
    start: Address
    end: Address


@dataclass(frozen=True, slots=True)
class TrafficSelectors:
    """TSi or TSr; selectors of types that are not known here are left out of `selectors` and counted."""

    initiator: bool
    selectors: tuple[TrafficSelector, ...]
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class ConfigurationAttribute:
    type: int
    value: bytes


@dataclass(frozen=True, slots=True)
class ConfigurationPayload:
    type: int
    attributes: tuple[ConfigurationAttribute, ...]


@dataclass(frozen=True, slots=True)
class UnknownPayload:
    """A payload that is not known here; a `critical` one refuses its whole message (RFC 7296 section 2.5)."""

    type: int
    critical: bool
    data: bytes


Payload = (
    SaPayload
    | KeyExchange
    | Identification
    | Certificate
    | CertificateRequest
    | Authentication
    | Nonce
    | Notification
    | Delete
    | VendorId
    | TrafficSelectors
    | ConfigurationPayload
    | UnknownPayload
)
