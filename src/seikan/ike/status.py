"""What the engine tells the show commands: frozen snapshots. Times are the engine's seconds; None is "not known"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seikan.config.model import IsakmpPolicy, TransformSet
from seikan.ike.effects import Address
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
