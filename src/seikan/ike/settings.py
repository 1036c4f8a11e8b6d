"""What the engine is told to do: the configuration resolved against the running system.

The daemon makes it from `config.model` (an interface as tunnel source becomes its address) and
hands it over whole with `Engine.configure`; the engine works out what changed.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class TunnelSettings:
    """One peer: the two ends and everything protected between them. One phase 1 serves all its flows.

    `aggressive_identity` is set where aggressive mode is configured as initiator (a key ID, host name or address as
    text). Of the profile `isakmp_profile` the keyrings, self-identity, keepalive and mode hold, and the peer's
    identity must match it.
    """

    name: str  # unique; "Tunnel0" where one tunnel interface alone uses it
    local: Address
    remote: Address
    flows: tuple[FlowSettings, ...]
    aggressive_identity: str | None = None
    isakmp_profile: str | None = None


@dataclass(frozen=True, slots=True)
class TemplateSettings:
    """A Virtual-Template: what a spoke that authenticates gets a copy of."""

    number: int
    local: Address | None  # its tunnel source; None: whichever of this router's addresses the spoke came to
    selector: Selector  # any to any
    phase_two: PhaseTwo


@dataclass(frozen=True, slots=True)
class DynamicEntrySettings:
    sequence: int  # in the dynamic map
    selectors: tuple[Selector, ...]  # of its access list's permit lines; empty: whatever the peer asks for but any
    phase_two: PhaseTwo
    isakmp_profile: str | None = None  # only peers of that profile


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
