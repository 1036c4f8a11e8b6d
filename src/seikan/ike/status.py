"""What the engine tells the show commands: frozen snapshots. Times are the engine's seconds; None is "not known"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seikan.config.model import IsakmpPolicy, TransformSet
from seikan.ike.effects import Address


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One attribute on which a proposal failed: what each side offered."""

    attribute: str
    local: str
    remote: str


@dataclass(frozen=True, slots=True)
class IsakmpSaStatus:
    """One phase 1 SA; the fields are those of `show crypto isakmp sa`."""

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


@dataclass(frozen=True, slots=True)
class TunnelStatus:
    """A tunnel's negotiation; `sas` holds the newest pair first, inbound before outbound."""

    name: str
    session: str
    up: bool
    uptime: float | None
    remote_port: int
    sas: tuple[IpsecSaStatus, ...]
    last_error: str | None
    last_error_age: float | None  # seconds ago
    mismatches: tuple[Mismatch, ...]


@dataclass(frozen=True, slots=True)
class EngineStatus:
    enabled: bool
    isakmp_sas: tuple[IsakmpSaStatus, ...]
    tunnels: tuple[TunnelStatus, ...]
    counters: Mapping[str, int] = field(default_factory=dict)
