"""The numbers of IKE and ESP, and the one table of algorithms.

An algorithm is one row here: its IOS name, its IANA numbers and its sizes. The parser,
the negotiator, the planes and the show commands all read the same row.

Sources: IANA "Internet Key Exchange (IKE) Attributes", "Magic Numbers for ISAKMP Protocol",
"Internet Key Exchange Version 2 (IKEv2) Parameters"; RFC 2407, 2409, 3526, 5903, 4106, 4868, 7634, 8031, 9370.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ExchangeType(IntEnum):
    """ISAKMP exchange types (RFC 2408 section 3.1, RFC 2409 appendix A)."""

    MAIN = 2
    AGGRESSIVE = 4
    INFORMATIONAL = 5
    QUICK = 32


class ProtocolId(IntEnum):
    """IPsec DOI protocol identifiers (RFC 2407 section 4.4.1)."""

    ISAKMP = 1
    AH = 2
    ESP = 3


class EncapsulationMode(IntEnum):
    """IPsec DOI encapsulation modes (RFC 2407 section 4.5, RFC 3947 section 5.1, drafts -00 to -03)."""

    TUNNEL = 1
    TRANSPORT = 2
    UDP_TUNNEL = 3
    UDP_TRANSPORT = 4
    DRAFT_UDP_TUNNEL = 61443
    DRAFT_UDP_TRANSPORT = 61444


class AuthenticationMethod(IntEnum):
    """IKEv1 authentication methods (RFC 2409 appendix A)."""

    PRE_SHARED_KEY = 1
    DSS_SIGNATURES = 2
    RSA_SIGNATURES = 3
    RSA_ENCRYPTION = 4


@dataclass(frozen=True, slots=True)
class Encryption:
    """A cipher: `key_bits` without salt; `block`, `iv`, `icv`, `salt` in octets; 0 where it has none.

    `ike_v1` is the phase 1 attribute value (RFC 2409 appendix A), `esp` the IPsec DOI transform
    identifier (RFC 2407 section 4.4.4), `ike_v2` the IKEv2 transform; None where it is not usable there.
    `ios_policy`, `ios_transform` and `ios_proposal` are the words an IOS user types in an isakmp policy, in a
    transform set and in an ikev2 proposal.
    """

    name: str
    key_bits: int
    block: int
    iv: int
    icv: int
    salt: int
    ike_v1: int | None
    esp: int | None
    ike_v2: int | None
    ios_policy: str
    ios_transform: str
    ios_proposal: str  # `encryption …` of an ikev2 proposal; "" where it is not for IKE
    variable_key: bool = False  # the key length attribute is sent
    weak: str = ""  # why, naming the RFC

    @property
    def aead(self) -> bool:
        """True where the cipher brings its own integrity."""
        return self.icv > 0


@dataclass(frozen=True, slots=True)
class Hash:
    """A phase 1 hash, also the PRF: `octets` is its output (RFC 2409 appendix A; IANA). `prf_v2` is IKEv2's transform.

    `ios` and `ios_proposal` are the words of an isakmp policy and of an ikev2 proposal's `prf`.
    """

    name: str
    octets: int
    ike_v1: int
    prf_v2: int
    ios: str
    ios_proposal: str
    weak: str = ""


@dataclass(frozen=True, slots=True)
class Integrity:
    """An integrity algorithm of ESP and IKEv2: `key` and `icv` in octets.

    `esp_v1` is the authentication algorithm attribute (RFC 2407 section 4.5, RFC 4868 section 4).
    """

    name: str
    key: int
    icv: int
    esp_v1: int
    ike_v2: int
    ios: str
    ios_proposal: str  # `integrity …` of an ikev2 proposal
    weak: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A key exchange method: `octets` of a public value; MODP where `curve` is empty.

    Those with `response_octets` are key encapsulation mechanisms, whose answer has another length than what it answers
    (RFC 9370). Only those with `ike_v1` are known to IKEv1.
    """

    number: int
    name: str
    octets: int
    curve: str = ""
    weak: str = ""
    response_octets: int = 0
    ike_v1: bool = True

    @property
    def kem(self) -> bool:
        return self.response_octets > 0


_RFC8221 = "RFC 8221"
_RFC8247 = "RFC 8247"

ENCRYPTIONS: tuple[Encryption, ...] = (
    Encryption(
        "3des-cbc",
        192,
        8,
        8,
        0,
        0,
        5,
        3,
        3,
        "3des",
        "esp-3des",
        "3des",
        weak=f"{_RFC8247} and {_RFC8221}: 3DES SHOULD NOT be used",
    ),
    Encryption("aes-cbc-128", 128, 16, 16, 0, 0, 7, 12, 12, "aes", "esp-aes", "aes-cbc-128", variable_key=True),
    Encryption("aes-cbc-192", 192, 16, 16, 0, 0, 7, 12, 12, "aes 192", "esp-aes 192", "aes-cbc-192", variable_key=True),
    Encryption("aes-cbc-256", 256, 16, 16, 0, 0, 7, 12, 12, "aes 256", "esp-aes 256", "aes-cbc-256", variable_key=True),
    Encryption("aes-gcm-16-128", 128, 4, 8, 16, 4, None, 20, 20, "", "esp-gcm", "aes-gcm-128", variable_key=True),
    Encryption("aes-gcm-16-192", 192, 4, 8, 16, 4, None, 20, 20, "", "esp-gcm 192", "", variable_key=True),
    Encryption("aes-gcm-16-256", 256, 4, 8, 16, 4, None, 20, 20, "", "esp-gcm 256", "aes-gcm-256", variable_key=True),
    Encryption("chacha20-poly1305", 256, 4, 8, 16, 4, None, None, 28, "", "esp-chacha20-poly1305", "chacha20-poly1305"),
    Encryption("null", 0, 4, 0, 0, 0, None, 11, 11, "", "esp-null", "", weak="no confidentiality (RFC 2410)"),
)

HASHES: tuple[Hash, ...] = (
    Hash("md5", 16, 1, 1, "md5", "md5", weak=f"{_RFC8247}: MD5 MUST NOT be used"),
    Hash("sha1", 20, 2, 2, "sha", "sha1"),
    Hash("sha256", 32, 4, 5, "sha256", "sha256"),
    Hash("sha384", 48, 5, 6, "sha384", "sha384"),
    Hash("sha512", 64, 6, 7, "sha512", "sha512"),
)

INTEGRITIES: tuple[Integrity, ...] = (
    Integrity("hmac-sha1-96", 20, 12, 2, 2, "esp-sha-hmac", "sha1"),
    Integrity("hmac-sha256-128", 32, 16, 5, 12, "esp-sha256-hmac", "sha256"),
    Integrity("hmac-sha384-192", 48, 24, 6, 13, "esp-sha384-hmac", "sha384"),
    Integrity("hmac-sha512-256", 64, 32, 7, 14, "esp-sha512-hmac", "sha512"),
)

GROUPS: tuple[Group, ...] = (
    Group(2, "modp1024", 128, weak=f"{_RFC8247}: group 2 SHOULD NOT be used"),
    Group(5, "modp1536", 192, weak=f"{_RFC8247}: group 5 SHOULD NOT be used"),
    Group(14, "modp2048", 256),
    Group(15, "modp3072", 384),
    Group(16, "modp4096", 512),
    Group(17, "modp6144", 768),
    Group(18, "modp8192", 1024),
    Group(19, "ecp256", 64, "secp256r1"),
    Group(20, "ecp384", 96, "secp384r1"),
    Group(21, "ecp521", 132, "secp521r1"),
    Group(31, "curve25519", 32, "x25519", ike_v1=False),
    Group(36, "ml-kem-768", 1184, response_octets=1088, ike_v1=False),
    Group(37, "ml-kem-1024", 1568, response_octets=1568, ike_v1=False),
)

ENCRYPTION_BY_NAME = {row.name: row for row in ENCRYPTIONS}
HASH_BY_NAME = {row.name: row for row in HASHES}
INTEGRITY_BY_NAME = {row.name: row for row in INTEGRITIES}
GROUP_BY_NUMBER = {row.number: row for row in GROUPS}
IKE_V1_GROUPS = {number: row for number, row in GROUP_BY_NUMBER.items() if row.ike_v1}


def esp_plaintext_mtu(
    link_mtu: int, *, outer_ipv6: bool, udp: bool, encryption: Encryption, integrity: Integrity | None
) -> int:
    """The largest packet, in octets, that fits `link_mtu` once ESP (RFC 4303 section 2) is around it."""
    outer = 40 if outer_ipv6 else 20
    icv = encryption.icv + (integrity.icv if integrity else 0)
    room = link_mtu - outer - (8 if udp else 0) - 8 - encryption.iv - icv
    block = max(4, encryption.block)
    return room - room % block - 2


def tunnel_mtu(
    link_mtu: int,
    *,
    outer_ipv6: bool,
    gre: bool = False,
    key: bool = False,
    encryption: Encryption | None = None,
    integrity: Integrity | None = None,
    transport: bool = False,
    udp: bool = False,
) -> int:
    """The largest inner packet, in octets, that fits `link_mtu` with everything that a tunnel puts around it.

    GRE (RFC 2784, with `key` RFC 2890) where `gre`, ESP where there is an `encryption`, or GRE inside ESP. `transport`
    is the mode of ESP around GRE: in tunnel mode there is an IP header of the outer family between the two, too.
    """
    outer = 40 if outer_ipv6 else 20
    header = (8 if key else 4) if gre else 0
    if encryption is None:
        return link_mtu - outer - header
    room = esp_plaintext_mtu(link_mtu, outer_ipv6=outer_ipv6, udp=udp, encryption=encryption, integrity=integrity)
    return room - header - (outer if gre and not transport else 0)


class PayloadType(IntEnum):
    """ISAKMP payload types (RFC 2408 section 3.1, RFC 3947 section 3.2, its drafts, Cisco's fragment)."""

    NONE = 0
    SA = 1
    PROPOSAL = 2
    TRANSFORM = 3
    KEY_EXCHANGE = 4
    IDENTIFICATION = 5
    CERTIFICATE = 6
    CERTIFICATE_REQUEST = 7
    HASH = 8
    SIGNATURE = 9
    NONCE = 10
    NOTIFICATION = 11
    DELETE = 12
    VENDOR_ID = 13
    NAT_D = 20
    NAT_OA = 21
    DRAFT_NAT_D = 130
    DRAFT_NAT_OA = 131
    FRAGMENT = 132


class NotifyType(IntEnum):
    """Notify message types (RFC 2408 section 3.14.1, RFC 2407 section 4.6.3, RFC 3706 section 5.3)."""

    INVALID_PAYLOAD_TYPE = 1
    DOI_NOT_SUPPORTED = 2
    SITUATION_NOT_SUPPORTED = 3
    INVALID_COOKIE = 4
    INVALID_MAJOR_VERSION = 5
    INVALID_MINOR_VERSION = 6
    INVALID_EXCHANGE_TYPE = 7
    INVALID_FLAGS = 8
    INVALID_MESSAGE_ID = 9
    INVALID_PROTOCOL_ID = 10
    INVALID_SPI = 11
    INVALID_TRANSFORM_ID = 12
    ATTRIBUTES_NOT_SUPPORTED = 13
    NO_PROPOSAL_CHOSEN = 14
    BAD_PROPOSAL_SYNTAX = 15
    PAYLOAD_MALFORMED = 16
    INVALID_KEY_INFORMATION = 17
    INVALID_ID_INFORMATION = 18
    INVALID_CERT_ENCODING = 19
    INVALID_CERTIFICATE = 20
    CERT_TYPE_UNSUPPORTED = 21
    INVALID_CERT_AUTHORITY = 22
    INVALID_HASH_INFORMATION = 23
    AUTHENTICATION_FAILED = 24
    INVALID_SIGNATURE = 25
    ADDRESS_NOTIFICATION = 26
    NOTIFY_SA_LIFETIME = 27
    CERTIFICATE_UNAVAILABLE = 28
    UNSUPPORTED_EXCHANGE_TYPE = 29
    UNEQUAL_PAYLOAD_LENGTHS = 30
    CONNECTED = 16384
    RESPONDER_LIFETIME = 24576
    REPLAY_STATUS = 24577
    INITIAL_CONTACT = 24578
    R_U_THERE = 36136
    R_U_THERE_ACK = 36137


LAST_ERROR_NOTIFY = 8191  # RFC 2408 section 3.14.1: errors below, status from 16384


class IdentityType(IntEnum):
    """Identification types (RFC 2407 section 4.6.2.1)."""

    IPV4_ADDR = 1
    FQDN = 2
    USER_FQDN = 3
    IPV4_ADDR_SUBNET = 4
    IPV6_ADDR = 5
    IPV6_ADDR_SUBNET = 6
    IPV4_ADDR_RANGE = 7
    IPV6_ADDR_RANGE = 8
    DER_ASN1_DN = 9
    KEY_ID = 11


class Phase1Attribute(IntEnum):
    """Attribute types of a phase 1 transform (RFC 2409 appendix A)."""

    ENCRYPTION = 1
    HASH = 2
    AUTHENTICATION = 3
    GROUP = 4
    LIFE_TYPE = 11
    LIFE_DURATION = 12
    KEY_LENGTH = 14


class Phase2Attribute(IntEnum):
    """Attribute types of an IPsec DOI transform (RFC 2407 section 4.5; 11 is RFC 4304's ESN)."""

    LIFE_TYPE = 1
    LIFE_DURATION = 2
    GROUP = 3
    ENCAPSULATION_MODE = 4
    AUTHENTICATION = 5
    KEY_LENGTH = 6
    EXTENDED_SEQUENCE_NUMBERS = 11


class LifeType(IntEnum):
    """Units of a lifetime, alike in both phases (RFC 2407 section 4.5, RFC 2409 appendix A)."""

    SECONDS = 1
    KILOBYTES = 2


ISAKMP_VERSION = 0x10  # RFC 2408 section 3.1: major 1, minor 0
IPSEC_DOI = 1  # RFC 2407 section 4.2
SIT_IDENTITY_ONLY = 1  # RFC 2407 section 4.2.1
KEY_IKE = 1  # RFC 2407 section 4.4.2: the one phase 1 transform identifier

FLAG_ENCRYPTION = 0x01  # RFC 2408 section 3.1
FLAG_COMMIT = 0x02
FLAG_AUTHENTICATION_ONLY = 0x04

IKE_PORT = 500
NAT_TRAVERSAL_PORT = 4500
