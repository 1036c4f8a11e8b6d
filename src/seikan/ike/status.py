"""What the engine tells the show commands: frozen snapshots. Times are the engine's seconds; None is "not known"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seikan.config.model import IsakmpPolicy, TransformSet
from seikan.ike.effects import Address
from seikan.wire.constants import Encryption, Hash, Integrity
from seikan.wire.selector import Selector


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One attribute on which a proposal failed: what each side offered."""

    attribute: str
    local: str
    remote: str


@dataclass(frozen=True, slots=True)
class IsakmpSaStatus:
    """One phase 1 SA; the fields are those of `show crypto isakmp sa`.

    `tunnel` is a name of `EngineStatus.tunnels`, or "ADDRESS:PORT" of a peer that is not known and not authenticated.
    """

    conn_id: int
    tunnel: str
    local: Address
    local_port: int
    remote: Address
    remote_port: int
    state: str
    status: str
    initiator: bool
    policy: IsakmpPolicy | None
    lifetime_remaining: float | None
    keepalive: bool
    nat_traversal: bool
    nat_local: bool
    nat_remote: bool
    fragmentation: bool
    aggressive: bool
    peer_identity: str | None
    cookies: tuple[bytes, bytes]
    profile: str | None


@dataclass(frozen=True, slots=True)
class Ikev2SaStatus:
    """One IKEv2 SA; the fields are those of `show crypto ikev2 sa detailed`.

    `state` is IOS's word: READY, IN-NEG, DELETE. Message ids are the next of each direction; `additional_groups` those
    of RFC 9370, `ppk` tells that a post-quantum key is mixed in (RFC 8784).
    """

    tunnel_id: int
    tunnel: str
    local: Address
    local_port: int
    remote: Address
    remote_port: int
    state: str
    initiator: bool
    spis: tuple[bytes, bytes]  # initiator's, responder's
    encryption: Encryption | None
    integrity: Integrity | None
    prf: Hash | None
    group: int | None
    additional_groups: tuple[int, ...]
    ppk: bool
    local_authentication: str | None  # "PSK", "RSA", "ECDSA", "EdDSA"
    remote_authentication: str | None
    lifetime: int
    active: float | None  # seconds since it was established, over its rekeys
    expires: float | None
    rekeys: int
    local_identity: str | None
    peer_identity: str | None
    profile: str | None
    message_ids: tuple[int, int]  # ours, the peer's
    window: int
    dpd: int  # seconds; 0: off
    nat_local: bool
    nat_remote: bool
    fragmentation: bool
    mobike: bool
    resumed: bool
    child_spis: tuple[tuple[int, int], ...]  # inbound, outbound


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a negotiation failed, for people: what is wrong and what would be right.

    `kind` is one of `ike.diagnosis.KINDS`; `at` in the engine's seconds. `mismatches` say attribute by attribute what
    each side has; `advice` are whole lines to paste at one end, by dialect: "ios", "ios-peer", "swanctl-peer".
    """

    kind: str
    peer: str
    at: float
    text: str
    mismatches: tuple[Mismatch, ...] = ()
    advice: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IpsecSaStatus:
    """One direction of a child SA, without the plane's counters. `lifetime_octets` 0 is no limit."""

    inbound: bool
    spi: int
    conn_id: int
    transform: TransformSet
    udp_encapsulation: bool
    lifetime_octets: int
    remaining_seconds: float
    replay_window: int
    extended_sequence_numbers: bool
    pfs_group: int | None
    selector: Selector  # the flow's, or what a peer that asked for less of it got


@dataclass(frozen=True, slots=True)
class FlowStatus:
    """One flow; `sas` holds the newest pair first, inbound before outbound."""

    owner: str
    number: int
    selector: Selector
    up: bool
    uptime: float | None
    sas: tuple[IpsecSaStatus, ...]


@dataclass(frozen=True, slots=True)
class TunnelStatus:
    """A peer's negotiation. `dynamic` tells one that is not configured: a spoke, or a peer of a dynamic crypto map.

    `identity` is what the peer proved last; `established_at` is when the phase 1 SA in use was established.
    """

    name: str
    local: Address
    remote: Address
    remote_port: int
    session: str  # IOS's word of `show crypto session`
    identity: str | None
    isakmp_profile: str | None
    dynamic: bool
    up: bool  # some flow is
    uptime: float | None
    established_at: float | None
    last_error: str | None
    last_error_age: float | None  # seconds ago
    mismatches: tuple[Mismatch, ...]
    flows: tuple[FlowStatus, ...]
    ikev2_profile: str | None = None
    diagnosis: Diagnosis | None = None  # of the last error, where more is known than its text

    @property
    def sas(self) -> tuple[IpsecSaStatus, ...]:
        """Those of all flows."""
        return tuple(sa for flow in self.flows for sa in flow.sas)


@dataclass(frozen=True, slots=True)
class EngineStatus:
    enabled: bool
    isakmp_sas: tuple[IsakmpSaStatus, ...]
    tunnels: tuple[TunnelStatus, ...]
    counters: Mapping[str, int] = field(default_factory=dict)
    ikev2_sas: tuple[Ikev2SaStatus, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()  # the newest first
