"""What the engine asks of the world: frozen effects, drained by the daemon in order.

Times are seconds of one monotonic clock that the daemon also passes as `now`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address

from seikan.wire.constants import Encryption, Integrity
from seikan.wire.secret import Secret
from seikan.wire.selector import Selector

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Path:
    """The two ends of a datagram as this side sees them. Ports 500 and 4500, or what a NAT made of the peer's.

    The non-ESP marker of RFC 3948 section 2.2 is the driver's: it is on every datagram whose local port is 4500.
    """

    local: Address
    local_port: int
    remote: Address
    remote_port: int


class Direction(Enum):
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Send:
    """Send one ISAKMP message; the driver may lose it, the engine retransmits."""

    path: Path
    data: bytes


@dataclass(frozen=True, slots=True)
class SendKeepalive:
    """Send the one-octet NAT keepalive of RFC 3948 section 2.3."""

    path: Path


@dataclass(frozen=True, slots=True)
class ReserveSpi:
    """An inbound SA with this SPI may be negotiated: what the peer sends on it before `InstallSa` is to be held.

    The peer may send as soon as it has answered, which is before the answer is read here. A reservation ends with
    `InstallSa`, or by itself.
    """

    spi: int


@dataclass(frozen=True, slots=True)
class InstallSa:
    """Install one direction of a child SA; answered by `complete(effect_id, None or error text, now)`.

    The engine always emits IN before OUT and waits for IN before it lets the peer use it.
    `encryption_key` holds an AEAD's salt behind the key. Limits are 0 for none.
    """

    effect_id: int
    owner: str
    flow: int
    direction: Direction
    spi: int
    path: Path
    udp_encapsulation: bool
    encryption: Encryption
    encryption_key: Secret
    integrity: Integrity | None
    integrity_key: Secret
    replay_window: int
    soft_octets: int
    hard_octets: int
    extended_sequence_numbers: bool = False
    transport: bool = False  # the agreed mode


@dataclass(frozen=True, slots=True)
class UpdateSa:
    """Move one direction of a child SA to another path (NAT rebinding, float)."""

    owner: str
    direction: Direction
    spi: int
    path: Path
    udp_encapsulation: bool


@dataclass(frozen=True, slots=True)
class RemoveSa:
    """Remove one direction of a child SA."""

    owner: str
    direction: Direction
    spi: int


@dataclass(frozen=True, slots=True)
class QueryUsage:
    """Ask when the inbound SA last carried a packet and whether traffic has gone out since (on-demand DPD, RFC 3706).

    Answered by `complete(effect_id, Usage(...), now)`.
    """

    effect_id: int
    owner: str
    inbound_spi: int
    outbound_spi: int


@dataclass(frozen=True, slots=True)
class Usage:
    """The answer: seconds since the last packet of each direction, None where there was none."""

    inbound_idle: float | None
    outbound_idle: float | None


@dataclass(frozen=True, slots=True)
class TunnelUp:
    """The owner has its first usable pair of SAs (both directions installed) of any flow."""

    owner: str


@dataclass(frozen=True, slots=True)
class TunnelDown:
    """The owner has lost its last pair; `reason` is one line for the log and `show crypto session detail`."""

    owner: str
    reason: str


@dataclass(frozen=True, slots=True)
class FlowUp:
    """A flow has a usable pair with the peer `remote` where it had none with it.

    A standby peer that initiated becomes the current one in this way.
    """

    owner: str
    flow: int
    remote: Address


@dataclass(frozen=True, slots=True)
class FlowDown:
    """A flow has lost its last pair, with whichever peer that was."""

    owner: str
    flow: int
    reason: str


@dataclass(frozen=True, slots=True)
class PeerFailed:
    """A static peer did not answer (phase 1 given up, or DPD): a crypto map tries its next peer."""

    tunnel: str  # TunnelSettings.name
    remote: Address
    reason: str


@dataclass(frozen=True, slots=True)
class CreateAccess:
    """A spoke has authenticated: make its Virtual-Access interface before the next effect is carried out."""

    name: str  # "Virtual-Access1"; it is the owner of its SAs (flow 0)
    template: int
    profile: str  # isakmp or ikev2 profile
    path: Path  # the spoke's address as seen from here
    identity: str


@dataclass(frozen=True, slots=True)
class MoveAccess:
    """The same spoke is at another address now (NAT rebinding, new address)."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class RemoveAccess:
    """The spoke is gone and so are its SAs; its interface goes."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class AddFlow:
    """A peer of a dynamic crypto map has negotiated this traffic; comes before its first InstallSa."""

    owner: str
    flow: int
    selector: Selector
    remote: Address
    entry: int  # DynamicEntrySettings.sequence


@dataclass(frozen=True, slots=True)
class RemoveFlow:
    """A flow of a dynamic crypto map has no SA any more, and none is coming."""

    owner: str
    flow: int


@dataclass(frozen=True, slots=True)
class CheckRevocation:
    """Find out whether a certificate is revoked (OCSP, or a CRL that has to be fetched); answered by
    `complete(effect_id, None or error text, now)`. DER throughout.
    """

    effect_id: int
    trustpoint: str
    certificate: bytes
    issuer: bytes


@dataclass(frozen=True, slots=True)
class KeyLog:
    """The keys of an IKEv2 SA for `debug crypto ikev2 keylog`, off by default: one line of Wireshark's table
    `ikev2_decryption_table`. The only effect that has secrets in its text.
    """

    line: Secret


@dataclass(frozen=True, slots=True)
class Log:
    """One IOS log line: `%FACILITY-SEVERITY-MNEMONIC: text`."""

    facility: str
    severity: int
    mnemonic: str
    text: str


# What happens, what went wrong, and the messages.
IKEV2_TOPICS = ("ikev2", "ikev2 error", "ikev2 packet")


@dataclass(frozen=True, slots=True)
class Debug:
    """A line of `debug crypto isakmp`, `debug crypto ikev2` or `debug crypto ipsec`; never key material."""

    topic: str  # "isakmp", "ipsec" or one of `IKEV2_TOPICS`
    text: str


Effect = (
    Send
    | SendKeepalive
    | ReserveSpi
    | InstallSa
    | UpdateSa
    | RemoveSa
    | QueryUsage
    | TunnelUp
    | TunnelDown
    | FlowUp
    | FlowDown
    | PeerFailed
    | CreateAccess
    | MoveAccess
    | RemoveAccess
    | AddFlow
    | RemoveFlow
    | CheckRevocation
    | KeyLog
    | Log
    | Debug
)
