"""What the engine is told to do: the configuration resolved against the running system.

The daemon makes it from `config.model` (an interface as tunnel source becomes its address) and
hands it over whole with `Engine.configure`; the engine works out what changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from seikan.config.model import (
    IdentityMatch,
    IsakmpPolicy,
    Keepalive,
    Keyring,
    PreSharedKey,
    SelfIdentity,
    TransformSet,
)
from seikan.config.model_ikev2 import CertificateMap, Ikev2Dpd, Ikev2Identity, Ikev2Match, Ikev2Peer
from seikan.crypto.signatures import PrivateKey
from seikan.ike.v2.keyring import PeerIndex
from seikan.wire.constants import Encryption, Group, Hash, Integrity
from seikan.wire.secret import Secret
from seikan.wire.selector import Selector

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class PhaseTwo:
    """What is offered and accepted for a pair of SAs. `name` is for messages: "profile P", "crypto map M 10"."""

    name: str
    transform_sets: tuple[TransformSet, ...]  # in order of preference
    pfs_group: int | None
    lifetime_seconds: int
    lifetime_kilobytes: int  # 0: no limit
    replay_window: int  # packets; 0: off
    idle_seconds: int | None = None  # after which a pair that carries nothing is deleted (set … idle-time)


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """Traffic with SAs of its own (IOS: IPSEC FLOW).

    Peers that stand in for each other have a flow of the same owner and number each, of which one initiates.
    """

    owner: str  # whose SAs these are in the plane: "Tunnel0", "FastEthernet0/0" (its crypto map), a shared GRE bundle
    number: int  # unique in its owner (the plane's policy number); 0 where the owner has one flow for everything
    selector: Selector
    phase_two: PhaseTwo
    on_demand: bool = False  # SAs when traffic asks (`Engine.acquire`), not at once; kept on being rekeyed while used
    initiate: bool = True  # False: answer only (responder-only profile; a standby peer of a crypto map)
    transport: bool = False  # host to host: `mode transport` of a transform set holds (ask transport, accept tunnel)
    more: tuple[Selector, ...] = ()  # further traffic of the same pair, as IKEv2 can: the other family of mixed-mode


@dataclass(frozen=True, slots=True)
class TunnelSettings:
    """One peer: the two ends and everything protected between them. One phase 1 serves all its flows.

    `aggressive_identity` is set where aggressive mode is configured as initiator (a key ID, host name or address as
    text). Of the profile `isakmp_profile` the keyrings, self-identity, keepalive and mode hold, and the peer's
    identity must match it. With `ikev2_profile` the peer is negotiated with by IKEv2, and only so.
    """

    name: str  # unique; "Tunnel0" where one tunnel interface alone uses it
    local: Address
    remote: Address
    flows: tuple[FlowSettings, ...]
    aggressive_identity: str | None = None
    isakmp_profile: str | None = None
    ikev2_profile: str | None = None  # "": by IKEv2 with a peer of whom no profile is known yet

    @property
    def version(self) -> int:
        """Of IKE."""
        return 1 if self.ikev2_profile is None else 2


@dataclass(frozen=True, slots=True)
class TemplateSettings:
    """A Virtual-Template: what a spoke that authenticates gets a copy of."""

    number: int
    local: Address | None  # its tunnel source; None: whichever of this router's addresses the spoke came to
    selector: Selector  # any to any
    phase_two: PhaseTwo
    more: tuple[Selector, ...] = ()  # as that of a flow


@dataclass(frozen=True, slots=True)
class DynamicEntrySettings:
    sequence: int  # in the dynamic map
    selectors: tuple[Selector, ...]  # of its access list's permit lines; empty: whatever the peer asks for but any
    phase_two: PhaseTwo
    isakmp_profile: str | None = None  # only peers of that profile
    ikev2_profile: str | None = None  # as above; peers of IKEv2 need one
    denied: tuple[tuple[int, Selector], ...] = ()  # of its deny lines, with how many of `selectors` come before each

    def permits(self, selector: Selector) -> bool:
        """Whether of the lines that all of `selector` is inside the first one permits."""
        for number, permitted in enumerate(self.selectors):
            if permitted.contains(selector):
                return not any(before <= number and row.contains(selector) for before, row in self.denied)
        return False


@dataclass(frozen=True, slots=True)
class DynamicMapSettings:
    """A dynamic crypto map on an interface. Flows made from it get the numbers sequence << 16 | n, lowest free n
    from 1.
    """

    owner: str  # the interface
    local: Address
    sequence: int  # of the crypto map entry that names the dynamic map
    entries: tuple[DynamicEntrySettings, ...]


@dataclass(frozen=True, slots=True)
class ProfileSettings:
    """`crypto isakmp profile` resolved. `local` restricts it to one of this router's addresses."""

    name: str
    keyrings: tuple[str, ...]  # (): the global keys
    identities: tuple[IdentityMatch, ...]
    self_identity: SelfIdentity | None
    aggressive: bool
    keepalive: Keepalive | None
    local: Address | None
    template: int | None  # virtual-template number


@dataclass(frozen=True, slots=True)
class Ikev2ProposalSettings:
    """`crypto ikev2 proposal` resolved: rows in order of preference. With AEAD ciphers `integrities` do not count.

    `additional` are the key exchanges of RFC 9370 in order; None in one of them means that it may be left out.
    """

    name: str
    encryptions: tuple[Encryption, ...]
    integrities: tuple[Integrity, ...]
    prfs: tuple[Hash, ...]
    groups: tuple[Group, ...]
    additional: tuple[tuple[Group | None, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Ikev2PolicySettings:
    """The proposals for negotiations of one of `locals`, or of any address where that is empty."""

    name: str
    locals: tuple[Address, ...]
    proposals: tuple[Ikev2ProposalSettings, ...]


@dataclass(frozen=True, slots=True)
class TrustpointSettings:
    """What a trustpoint has: certificates as DER, own one first and the issuers after it; CRLs as they are known.

    `key` is opaque (`crypto.signatures.PrivateKey`), None where the trustpoint only verifies.
    """

    name: str
    authorities: tuple[bytes, ...]
    certificates: tuple[bytes, ...]
    key: PrivateKey | None
    revocation: tuple[str, ...]  # "crl", "ocsp", "none" in order
    crls: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Ikev2ProfileSettings:
    """`crypto ikev2 profile` resolved. `locals` restricts it to these addresses of the router where it is not empty.

    `peers` are those of its keyring; `local_key` and `remote_key` were typed in the profile itself and come first.
    """

    name: str
    locals: tuple[Address, ...]
    identities: tuple[Ikev2Match, ...]
    certificate_maps: tuple[CertificateMap, ...]
    identity_local: Ikev2Identity | None  # None: the address, or with certificates the subject's DN
    local_authentication: str | None  # "pre-share", "rsa-sig", "ecdsa-sig", "eddsa-sig"
    local_key: Secret | None
    remote_authentications: tuple[str, ...]
    remote_key: Secret | None
    peers: tuple[Ikev2Peer, ...]
    keyring: str | None
    sign: TrustpointSettings | None
    verify: tuple[TrustpointSettings, ...]
    lifetime: int  # seconds
    dpd: Ikev2Dpd | None
    nat_keepalive: int  # seconds; 0: off
    template: int | None
    initial_contact_force: bool = False
    reconnect: int | None = None
    redirect_auth: bool = False
    _index: PeerIndex | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def index(self) -> PeerIndex:
        """Of `peers`; made when the first of them is looked up, for settings are made more often than peers come."""
        found = self._index or PeerIndex(self.peers)
        object.__setattr__(self, "_index", found)
        return found


@dataclass(frozen=True, slots=True)
class Ikev2Settings:
    """Global `crypto ikev2 …` resolved. `policies` in the order in which they are tried, the default one last."""

    policies: tuple[Ikev2PolicySettings, ...] = ()
    profiles: tuple[Ikev2ProfileSettings, ...] = ()
    cookie_challenge: int = 100  # half-open SAs from which on a COOKIE is asked for; 0: always
    fragmentation: int = 0  # octets of a whole IP packet; 0: off
    max_sas: int = 0
    max_negotiating: int = 0
    window: int = 5
    redirect_client: bool = False
    max_redirects: int = 5
    redirect_gateway: Address | str | None = None
    quick_crash_detection: bool = False
    mobike: bool = True
    kept_errors: int = 50  # of `crypto ikev2 diagnose error`
    ticket_key: Secret | None = None  # of this router's resumption tickets and QCD tokens, the same over restarts


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """All the engine knows of the configuration. `policies` by ascending priority number, weak defaults left out."""

    hostname: str  # with the domain, where one is configured
    enabled: bool
    policies: tuple[IsakmpPolicy, ...]
    keys: tuple[PreSharedKey, ...]
    keyrings: tuple[Keyring, ...]
    tunnels: tuple[TunnelSettings, ...]
    keepalive: Keepalive | None = None
    nat_keepalive: int = 20  # seconds; 0: off
    nat_transparency: bool = True
    fragmentation: bool = False
    aggressive_mode: bool = False  # answer aggressive mode
    invalid_spi_recovery: bool = False
    identity: str = "address"
    session_status: bool = False  # log %CRYPTO-5-SESSION_STATUS
    fragment_octets: int = 1200  # longest ISAKMP message sent whole to a peer that can take fragments
    profiles: tuple[ProfileSettings, ...] = ()
    templates: tuple[TemplateSettings, ...] = ()
    dynamic_maps: tuple[DynamicMapSettings, ...] = ()
    max_sas: int = 0  # phase 1 SAs (crypto call admission limit ike sa); 0: no limit
    max_negotiating: int = 0  # phase 1 SAs under way (… in-negotiation-sa); 0: a built-in bound of what others begin
    ikev2: Ikev2Settings = field(default_factory=Ikev2Settings)
