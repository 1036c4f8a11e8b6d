"""IKEv2 and PKI in the configuration, as frozen data: what was typed. None means "not typed" (see `config.model`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import MappingProxyType
from typing import ClassVar

from seikan.wire.secret import Secret

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Ikev2Proposal:
    """`crypto ikev2 proposal NAME`: names of rows of `wire.constants`, in order of preference.

    "des" and "md5" stand for themselves: typed, warned about, never negotiated. Without `prf` the PRFs are those of the
    integrity algorithms. `additional` holds the key exchanges of RFC 9370 by number 1 to 7; in it 0 is "none", so that
    a peer may do without.
    """

    name: str
    encryption: tuple[str, ...] = ()
    integrity: tuple[str, ...] = ()
    prf: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    additional: Mapping[int, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Ikev2Policy:
    """`crypto ikev2 policy NAME`. `fvrf` "any" or a name, stored; no proposal is the one called "default"."""

    name: str
    fvrf: str | None = None
    local_addresses: tuple[Address, ...] = ()
    proposals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PostQuantumKey:
    """`ppk manual id ID key KEY [required]` (RFC 8784)."""

    identity: str
    key: Secret
    required: bool = False


@dataclass(frozen=True, slots=True)
class Ikev2Identity:
    """`identity local …`, `identity …` of a keyring's peer.

    `kind` is "address", "fqdn", "email", "key-id" or "dn"; `value` None means the one of the router.
    """

    kind: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Ikev2Peer:
    """`peer NAME` of a keyring; `local` and `remote` keys are the same where one `pre-shared-key` was typed."""

    name: str
    description: str | None = None
    networks: tuple[Network, ...] = ()  # address A [MASK], ipv6 too
    hostname: str | None = None
    identity: Ikev2Identity | None = None
    local_key: Secret | None = None
    remote_key: Secret | None = None
    ppk: PostQuantumKey | None = None


@dataclass(frozen=True, slots=True)
class Ikev2Keyring:
    name: str
    peers: Mapping[str, Ikev2Peer] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Ikev2Match:
    """`match identity remote …`: one is set. `domain` and `email_domain` stand for everything below or in it."""

    any: bool = False
    network: Network | None = None
    fqdn: str | None = None
    domain: str | None = None
    email: str | None = None
    email_domain: str | None = None
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Ikev2Dpd:
    """`dpd SECONDS RETRY on-demand|periodic`."""

    interval: int
    retry: int
    periodic: bool = False


@dataclass(frozen=True, slots=True)
class Ikev2Profile:
    """`crypto ikev2 profile NAME`.

    Methods of authentication are "pre-share", "rsa-sig" and "ecdsa-sig" (and "eddsa-sig"); a key typed in the profile
    stands beside its method. A trustpoint's `sign` and `verify` are those of `pki trustpoint NAME [sign|verify]`.
    """

    name: str
    description: str | None = None
    identities: tuple[Ikev2Match, ...] = ()
    certificate_maps: tuple[str, ...] = ()  # match certificate MAP
    match_local: tuple[Address | str, ...] = ()  # match address local ADDRESS | interface NAME
    match_fvrf: str | None = None
    identity_local: Ikev2Identity | None = None
    local_authentication: str | None = None
    local_key: Secret | None = None
    remote_authentications: tuple[str, ...] = ()
    remote_key: Secret | None = None
    keyring: str | None = None  # keyring local NAME
    sign_trustpoint: str | None = None
    verify_trustpoints: tuple[str, ...] = ()
    lifetime: int | None = None  # seconds
    dpd: Ikev2Dpd | None = None
    nat_keepalive: int | None = None  # seconds
    ivrf: str | None = None
    virtual_template: int | None = None
    initial_contact_force: bool = False
    reconnect: int | None = None  # seconds a session may be resumed for (RFC 5723)
    redirect_auth: bool = False  # redirect gateway auth
    shutdown: bool = False

    DEFAULT_LIFETIME: ClassVar[int] = 86400


@dataclass(frozen=True, slots=True)
class Ikev2:
    """Global `crypto ikev2 …`."""

    proposals: Mapping[str, Ikev2Proposal] = field(default_factory=lambda: MappingProxyType({}))
    policies: Mapping[str, Ikev2Policy] = field(default_factory=lambda: MappingProxyType({}))
    keyrings: Mapping[str, Ikev2Keyring] = field(default_factory=lambda: MappingProxyType({}))
    profiles: Mapping[str, Ikev2Profile] = field(default_factory=lambda: MappingProxyType({}))
    default_proposal: bool = True  # `no crypto ikev2 proposal default`
    default_policy: bool = True
    cookie_challenge: int | None = None  # half-open SAs from which on
    fragmentation: int | None = None  # octets; `crypto ikev2 fragmentation [mtu N]`, DEFAULT_FRAGMENT where no N
    max_sas: int | None = None  # limit max-sa
    max_negotiating: int | None = None  # limit max-in-negotiation-sa
    dpd: Ikev2Dpd | None = None
    nat_keepalive: int | None = None
    window: int | None = None
    redirect_client: bool = False
    max_redirects: int | None = None
    redirect_gateway: Address | str | None = None  # redirect gateway init: where new peers are sent (RFC 5685)
    diagnose_errors: int | None = None  # how many are kept
    quick_crash_detection: bool = False  # RFC 6290
    mobike: bool = True  # RFC 4555

    DEFAULT_FRAGMENT: ClassVar[int] = 1280


@dataclass(frozen=True, slots=True)
class Trustpoint:
    """`crypto pki trustpoint NAME`. `enrollment` and `subject_name` are kept as typed."""

    name: str
    enrollment: str | None = None
    subject_name: str | None = None
    subject_alt_name: str | None = None
    fqdn: str | None = None
    ip_address: str | None = None
    key_pair: str | None = None  # rsakeypair | eckeypair LABEL
    key_pair_kind: str = "rsakeypair"
    revocation: tuple[str, ...] = ("crl",)  # in order: "crl", "ocsp", "none"
    revocation_typed: bool = False
    ocsp_url: str | None = None


@dataclass(frozen=True, slots=True)
class ChainCertificate:
    """`certificate [ca|self-signed] SERIAL` and its octets (DER), which follow in hexadecimal."""

    serial: str
    kind: str = ""  # "", "ca", "self-signed"
    der: bytes = b""
    file: str | None = None  # `nvram:NAME.cer` in place of the octets


@dataclass(frozen=True, slots=True)
class CertificateChain:
    """`crypto pki certificate chain TRUSTPOINT`."""

    trustpoint: str
    certificates: tuple[ChainCertificate, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificateCriterion:
    """One line of a certificate map: `subject-name co ou = vpn`. Operators: eq, ne, co, nc, lt, ge."""

    field: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class CertificateMap:
    """`crypto pki certificate map NAME SEQUENCE`: all criteria of a sequence number hold together."""

    name: str
    entries: Mapping[int, tuple[CertificateCriterion, ...]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Pki:
    """`crypto pki …`. Private keys are never in the configuration."""

    trustpoints: Mapping[str, Trustpoint] = field(default_factory=lambda: MappingProxyType({}))
    chains: Mapping[str, CertificateChain] = field(default_factory=lambda: MappingProxyType({}))
    maps: Mapping[str, CertificateMap] = field(default_factory=lambda: MappingProxyType({}))
