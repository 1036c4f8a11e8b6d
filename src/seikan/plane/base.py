"""The data-plane port: what every backend of packets offers to the daemon.

A plane owns tunnel devices, security associations and counters. It knows nothing of IKE or of
configuration. Every backend passes the same contract tests (`tests/plane/contract.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from seikan.wire.constants import Encryption, Integrity
from seikan.wire.secret import Secret
from seikan.wire.selector import Selector

Address = IPv4Address | IPv6Address


class PlaneError(Exception):
    """The plane could not do what was asked; the text is one line fit for an operator."""


class TunnelMode(Enum):
    """What is around the inner packet: GRE (RFC 2784), or ESP in tunnel mode (RFC 4303)."""

    GRE = "gre"
    IPSEC = "ipsec"


class Direction(Enum):
    IN = "in"
    OUT = "out"


class DfBit(Enum):
    """What the outer IPv4 header's DF bit is: copied from the inner header (IOS default), set, or clear."""

    COPY = "copy"
    SET = "set"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Policy:
    """Traffic that has SAs of its own; `number` is unique in its tunnel and names it to `add_sa` and in events.

    With another selector it is another policy, whatever its number: SAs negotiated for one are not for the other.
    Fragments that do not have their ports any more are traffic of the first policy without ports that has them, else of
    the first with ports that has the rest (IOS does so).
    """

    number: int
    selector: Selector


@dataclass(frozen=True, slots=True)
class TunnelParameters:
    """One tunnel interface. `device` is its Linux name; `mtu` in octets is that of the device.

    `key` is the GRE key (RFC 2890), None for none. `ttl` 255 is the IOS default.

    `bundle` is the name under which SAs are added for it. An IPsec tunnel's is its device's name. A GRE tunnel without
    one sends in clear; with one it sends only inside the bundle's SAs and takes only what came through them. Several
    GRE tunnels may name one bundle (`tunnel protection … shared`): a received packet goes to the one of them that has
    its key.

    With `policies` an IPsec tunnel is no pipe for everything: the first policy whose selector has the packet decides,
    its newest outbound SA carries it, and what comes out of an inbound SA must be traffic of that SA's policy. A
    packet of a policy without an SA is dropped and asked for (`EventKind.ACQUIRE`), one of no policy is dropped. SAs
    of a policy that `update_tunnel` leaves out go; those of the others stay.
    """

    device: str
    mode: TunnelMode
    source: Address
    destination: Address
    mtu: int
    key: int | None = None
    ttl: int = 255
    df: DfBit = DfBit.COPY
    tos: int | None = None  # None copies DSCP from the inner header
    bundle: str | None = None
    policies: tuple[Policy, ...] = ()


@dataclass(frozen=True, slots=True)
class Encapsulation:
    """UDP ports of RFC 3948 encapsulation, this side's and the peer's."""

    local_port: int
    remote_port: int


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Limits of one SA; 0 is no limit. Crossing a soft one asks for a rekey, a hard one stops the SA.

    Seconds are the engine's; octets and packets are the plane's, because only it counts them. `soft_packets`
    is there for SAs without extended sequence numbers: those must be rekeyed before 2^32 packets, where the
    number would wrap and the SA stops (RFC 4303 section 3.3.3).
    """

    soft_octets: int = 0
    hard_octets: int = 0
    soft_packets: int = 0
    hard_packets: int = 0


@dataclass(frozen=True, slots=True)
class SecurityAssociation:
    """One direction of an ESP pair (RFC 4301 section 4.4.2), as a plane needs it.

    `spi` is what this SA's packets carry: chosen by this side for IN, by the peer for OUT.
    `encryption_key` holds the salt of an AEAD behind the key (RFC 4106 section 8.1).
    `local` and `remote` are the outer addresses. `policy` is the number of the policy it is for, None where its tunnel
    has none. `transport` is the mode (RFC 4303 section 3.1.1), which only GRE tunnels use: the outer header is theirs.
    """

    tunnel: str  # the bundle: a device's name but for GRE tunnels that share one
    direction: Direction
    spi: int
    local: Address
    remote: Address
    encryption: Encryption
    encryption_key: Secret
    integrity: Integrity | None
    integrity_key: Secret
    replay_window: int = 64  # packets; 0 turns the check off
    extended_sequence_numbers: bool = False
    encapsulation: Encapsulation | None = None
    lifetime: Lifetime = field(default_factory=Lifetime)
    policy: int | None = None
    transport: bool = False


@dataclass(frozen=True, slots=True)
class TunnelCounters:
    """Packets and octets that crossed a tunnel device, and its drops by name."""

    packets_in: int
    packets_out: int
    octets_in: int
    octets_out: int
    drops: dict[str, int]


@dataclass(frozen=True, slots=True)
class SaCounters:
    """Packets and plaintext octets of one SA; `last_used` is CLOCK_MONOTONIC (s) of its last packet, 0.0 if none."""

    packets: int
    octets: int
    errors: dict[str, int]
    last_used: float


class EventKind(Enum):
    SOFT_EXPIRE = "soft-expire"
    HARD_EXPIRE = "hard-expire"
    UNKNOWN_SPI = "unknown-spi"
    REPLAY = "replay"
    SEQUENCE_WRAP = "sequence-wrap"
    AUTHENTICATION_FAILURE = "authentication-failure"
    PATH_MTU = "path-mtu"
    PEER_ADDRESS = "peer-address"  # an authenticated packet came from elsewhere (RFC 3947 section 7)
    ACQUIRE = "acquire"  # a packet of a policy that has no outbound SA
    KEEPALIVE = "keepalive"  # a GRE keepalive of ours has come back


@dataclass(frozen=True, slots=True)
class PlaneEvent:
    """Something the control side must hear of; rate-limited per kind and SA by the plane.

    `mtu` is set for PATH_MTU (octets of the outer path), `policy` for ACQUIRE and where the path is a policy's,
    `remote` and `remote_port` where known. `tunnel` is the bundle of an event about an SA, else the device.
    """

    kind: EventKind
    tunnel: str | None
    spi: int | None
    direction: Direction | None = None
    remote: Address | None = None
    remote_port: int | None = None
    local: Address | None = None
    mtu: int | None = None
    sequence: int | None = None
    policy: int | None = None


@dataclass(frozen=True, slots=True)
class IkeDatagram:
    """A datagram that arrived on a NAT traversal socket and is IKE: the non-ESP marker is already off."""

    data: bytes
    local: Address
    local_port: int
    remote: Address
    remote_port: int


class Plane(Protocol):
    """The port. All calls return at once; every failure is a `PlaneError`."""

    name: str  # for show commands: "userspace", "kernel", "memory"

    def create_tunnel(self, tunnel: TunnelParameters) -> None:
        """Make the device, carrier off. Address and administrative state are netlink's business."""

    def update_tunnel(self, tunnel: TunnelParameters) -> None:
        """Change mode, endpoints, mtu or key of an existing device.

        Its SAs stay unless mode or endpoints changed, and even then where other tunnels name their bundle.
        """

    def remove_tunnel(self, device: str) -> None:
        """Remove the device, its SAs and its counters."""

    def set_carrier(self, device: str, up: bool) -> None:
        """The device's carrier, which is the line protocol."""

    def add_sa(self, sa: SecurityAssociation) -> None:
        """Install one direction. A new OUT SA becomes the tunnel's outbound SA at once; IN SAs coexist."""

    def reserve_spi(self, spi: int) -> None:
        """Hold packets that come with `spi` until `add_sa` adds an IN SA that has it; then take them in, in order.

        Meanwhile they are neither counted nor reported: the peer of a negotiation may send on the new SA before its
        answer is read here. At most 64 of an SPI are held (`hold-full`) and none for more than two seconds
        (`hold-expired`); those are reported as of an unknown SPI. At most 4096 SPIs are reserved, each for two minutes;
        the oldest gives way. With kernel XFRM this is a larval SA.
        """

    def update_endpoint(
        self,
        direction: Direction,
        spi: int,
        tunnel: str,
        local: Address,
        remote: Address,
        encapsulation: Encapsulation | None,
    ) -> None:
        """Move an SA to new outer addresses or ports without touching keys, sequence numbers or counters."""

    def remove_sa(self, direction: Direction, spi: int, tunnel: str) -> None:
        """Remove one direction; removing one that is not there is a `PlaneError`.

        When the tunnel's current OUT SA goes while an older OUT SA is installed, the newest one left takes over.
        """

    def tunnel_counters(self, device: str) -> TunnelCounters:
        """Counters since the device was made."""

    def policy_counters(self, device: str, policy: int) -> TunnelCounters:
        """As `tunnel_counters`, of one policy and over all its SAs, since the policy was there first."""

    def send_keepalive(self, device: str) -> None:
        """Send one GRE keepalive: a GRE packet to this side inside one to the peer, which sends it back (IOS).

        Each that comes back is an `EventKind.KEEPALIVE` of the tunnel. Counted among no packets of the tunnel; one that
        cannot leave is a drop of the tunnel's. The peer routes it back, and its way need not lead through the tunnel:
        it is taken in clear for a protected tunnel too, but only while one is waited for (at most four are) and as a
        sign of life alone. An IPsec tunnel has none: `PlaneError`.
        """

    def sa_counters(self, direction: Direction, spi: int, tunnel: str) -> SaCounters:
        """Counters since the SA was installed."""

    def drops(self) -> dict[str, int]:
        """Drops that belong to no tunnel, by name."""

    def attach_udp(self, fileno: int, port: int) -> bool:
        """Offer a bound, wildcard UDP socket that carries both IKE and ESP (port 4500, RFC 3948).

        True: the plane reads it from now on and hands IKE datagrams over through `poll`; the caller
        still sends on it. False: the caller goes on reading it itself (kernel ESP does so). A second socket of
        a port and family before `detach_udp` is a `PlaneError`.
        """

    def detach_udp(self, port: int) -> None:
        """Give back what `attach_udp` took: every socket of `port`, of both address families.

        On return nothing of it is read here and all of the plane's descriptors for the port are closed, so that
        it can be bound and attached again at once. Encapsulated SAs that remain drop what they should send and
        count it as `no-socket`. Detaching what is not attached does nothing.
        """

    def fileno(self) -> int:
        """A descriptor that is readable while `poll` has something to give."""

    def poll(self) -> list[PlaneEvent | IkeDatagram]:
        """Take what has happened since the last call; bounded, oldest first."""

    def close(self) -> None:
        """Remove all devices and SAs, stop all workers, wipe keys."""
