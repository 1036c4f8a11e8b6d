"""What the engine is told to do: the configuration resolved against the running system.

The daemon makes it from `config.model` (an interface as tunnel source becomes its address) and
hands it over whole with `Engine.configure`; the engine works out what changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from seikan.config.model import IsakmpPolicy, Keepalive, Keyring, PreSharedKey, TransformSet

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class TunnelSettings:
    """One protected tunnel: its ends, and the phase 2 it wants.

    `transform_sets` in order of preference. `aggressive_identity` is set where aggressive mode is configured as
    initiator (a key ID, host name or address as text); `responder_only` never initiates.
    """

    name: str  # "Tunnel0"
    local: Address
    remote: Address
    profile: str
    transform_sets: tuple[TransformSet, ...]
    pfs_group: int | None
    lifetime_seconds: int
    lifetime_kilobytes: int  # 0: no limit
    replay_window: int  # packets; 0: off
    responder_only: bool = False
    aggressive_identity: str | None = None


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """All the engine knows of the configuration. `policies` by ascending priority number, weak defaults left out."""

    hostname: str
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
