"""What the engine remembers of both versions: tunnels, their flows, IKE SAs and child SAs.

A tunnel is a peer and has IKE SAs; its flows have the pairs of child SAs. An SA is something that they have for a
while, never the other way round. An owner is what flows are for: an interface, with flows to one peer or to many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Protocol

from seikan.config.model import TransformSet
from seikan.ike.effects import Address, Path
from seikan.ike.identity import Identity
from seikan.ike.preshared import Key
from seikan.ike.settings import FlowSettings, TunnelSettings
from seikan.ike.states import Role
from seikan.ike.status import Diagnosis, Mismatch
from seikan.wire.constants import IKE_PORT, NAT_TRAVERSAL_PORT
from seikan.wire.secret import Secret
from seikan.wire.selector import Selector

HEARD_LIFETIME = 30.0  # seconds, about as long as a NAT keeps an idle mapping


@dataclass(slots=True)
class Retransmission:
    """The last message sent, for the timer (`tries` so far) and for a peer that repeats its own (`answers` so far)."""

    sent: bytes = b""
    tries: int = 0
    request: bytes = b""
    answers: int = 0


@dataclass(slots=True, eq=False)
class IkeSa:
    """What every IKE SA has, of either version (IKEv1: phase 1 SA), from its first message to its end."""

    tunnel: Tunnel
    role: Role
    path: Path
    created: float
    group: Hashable = None  # by which half-open exchanges are counted
    conn_id: int = 0
    established_at: float | None = None
    lifetime: int = 0
    key: Key | None = None
    retransmission: Retransmission = field(default_factory=Retransmission)
    dpd: bool = False  # the peer can be asked whether it lives
    dpd_asking: bool = False  # somebody wants to know at once
    fragmentation: bool = False
    peer_ranks: bool = False  # the peer is a Seikan: it settles collisions by rank as we do
    nat_local: bool = False
    nat_remote: bool = False
    peer_identity: str | None = None  # as the show commands print it
    identity: Identity | None = None  # None: of no kind that could be told from others
    judged: bool = False  # its identity is being looked into
    reached_at: Address | None = None  # where the peer got our public value, of an exchange that it began
    heard_at: float = 0.0  # when a fresh message of the peer came last, once it is established
    expiring: bool = False
    held: bool = False  # its first message has waited for the peer's own exchange, and does so once

    @property
    def initiator(self) -> bool:
        return self.role is Role.INITIATOR

    @property
    def proved_at(self) -> float:
        """When the peer last proved who it is."""
        return self.established_at or 0.0

    @property
    def nat(self) -> bool:
        """A NAT was found, so ESP goes in UDP (RFC 3947 section 5, RFC 7296 section 2.23)."""
        return self.nat_local or self.nat_remote

    def floated(self) -> Path:
        """The path after the float to port 4500 (RFC 3947 section 4), for an initiator that found a NAT."""
        if self.path.local_port == NAT_TRAVERSAL_PORT:
            return self.path
        return replace(self.path, local_port=NAT_TRAVERSAL_PORT, remote_port=NAT_TRAVERSAL_PORT)

    def way(self, now: float) -> Path:
        """Where to repeat a message. A NAT has a mapping for the peer's port 4500 only, and an exchange may begin
        there (RFC 3947 section 4): the first message goes in turn to where ESP was heard from. Nothing proves that the
        peer is there, so it goes to the configured place first and does so again.
        """
        heard = self.tunnel.heard
        if self.unanswered and heard is not None and self.retransmission.tries % 2 and now - heard[1] < HEARD_LIFETIME:
            return heard[0]
        return self.path

    def answered_from(self, path: Path) -> None:
        """The first answer tells which of the places that were tried is the peer's."""
        if self.tunnel.heard is not None and path == self.tunnel.heard[0]:
            self.path = path

    # -- what each version knows by its states and SPIs ---------------------------------------------------------------

    @property
    def established(self) -> bool:
        raise NotImplementedError

    @property
    def deleted(self) -> bool:
        raise NotImplementedError

    @property
    def unanswered(self) -> bool:
        """An initiator whose first message has had no answer: it can still be given up for the peer's own exchange."""
        raise NotImplementedError

    @property
    def answering(self) -> bool:
        """The peer that began it has shown that it gets our answers."""
        raise NotImplementedError

    @property
    def by_name(self) -> bool:
        """The peer was known by a name that it gave, so this side cannot begin (IKEv1's aggressive mode)."""
        return False

    @property
    def rank(self) -> bytes:
        """The order of SAs that both ends see alike."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        raise NotImplementedError


class Negotiation(Protocol):
    """An exchange for a pair of SAs that is under way."""

    selector: Selector | None


@dataclass(slots=True, eq=False)
class ChildSa:
    """A pair of ESP SAs. `initiator` tells whether this side started the exchange that made it.

    `selector` is its flow's, or less where a responder was asked for less.
    """

    flow: Flow
    selector: Selector
    initiator: bool
    conn_id: int
    inbound_spi: int
    outbound_spi: int
    transform_set: TransformSet
    pfs_group: int | None
    path: Path
    udp_encapsulation: bool
    lifetime_seconds: int
    lifetime_kilobytes: int
    created: float  # when its exchange began
    peer_ranks: bool
    peer_behind_nat: bool
    completed: float = 0.0  # when its exchange was over
    ike_sa: IkeSa | None = None  # IKEv2: whose it is and with which it ends; IKEv1 has no such bond
    least_nonce: bytes = b""  # IKEv2: of two made at once, the one with the least goes (RFC 7296 section 2.8.1)
    more: tuple[Selector, ...] = ()  # further traffic of the pair
    extended: bool = False  # 64-bit sequence numbers
    replaces: ChildSa | None = None  # IKEv2: the pair that this side deletes when this one is in use
    keys: dict[str, Secret] = field(default_factory=dict, repr=False)  # until both directions are installed
    inbound_installed: bool = False
    outbound_requested: bool = False
    outbound_installed: bool = False
    expiring: bool = False
    stale: bool = False
    removed: bool = False

    @property
    def tunnel(self) -> Tunnel:
        return self.flow.tunnel

    @property
    def usable(self) -> bool:
        return self.inbound_installed and self.outbound_installed and not self.removed

    @property
    def rank(self) -> tuple[bytes, int, int]:
        """The order of pairs that both ends see alike."""
        low, high = sorted((self.inbound_spi, self.outbound_spi))
        return self.least_nonce, high, low


@dataclass(slots=True)
class Trouble:
    """Why something does not come up: the last error, when it was, and on what both sides differ.

    A `vague` one is known only from the peer's silence or refusal.
    """

    text: str | None = None
    at: float | None = None
    vague: bool = False
    logged_at: float = 0.0
    mismatches: tuple[Mismatch, ...] = ()
    diagnosis: Diagnosis | None = None

    def clear(self) -> None:
        self.text = self.at = self.diagnosis = None
        self.mismatches = ()

    def since(self, when: float) -> bool:
        """Whether something has been said since `when`."""
        return self.at is not None and self.at >= when


@dataclass(slots=True, eq=False)
class Owner:
    """Whose SAs flows have in the plane. `able`: administratively up and its peers routable, as the daemon said last.

    `flows` by number; peers that stand in for each other have one each of the same number.
    """

    name: str
    able: bool = False
    flows: dict[int, list[Flow]] = field(default_factory=dict)
    by_selector: dict[Selector, Flow] = field(default_factory=dict)
    sessions: dict[Tunnel, None] = field(default_factory=dict)
    up_flows: int = 0


@dataclass(slots=True, eq=False)
class Flow:
    """Traffic between the two ends of a tunnel with SAs of its own."""

    tunnel: Tunnel
    owner: Owner
    settings: FlowSettings
    up: bool = False
    up_since: float | None = None
    children: list[ChildSa] = field(default_factory=list)
    exchanges: list[Negotiation] = field(default_factory=list)  # under way
    attempts: int = 0
    wanted_until: float = 0.0  # on demand: how long the traffic that asked is waited for
    was_up: bool = False
    entry: int | None = None  # the entry of a dynamic map that it is made from
    announced: bool = False  # the plane knows of it, where it is made from a dynamic map
    removed: bool = False
    trouble: Trouble = field(default_factory=Trouble)

    @property
    def number(self) -> int:
        return self.settings.number

    def usable(self, selector: Selector | None = None) -> list[ChildSa]:
        """Pairs with both directions installed, newest last; of `selector` where that is given."""
        return [child for child in self.children if child.usable and selector in (None, child.selector)]


@dataclass(slots=True, eq=False)
class Session:
    """What there is of a peer that no configuration names, beside its tunnel.

    `place` is where it belongs: a Virtual-Template, or a dynamic map's owner. `number` is its Virtual-Access
    interface's.
    """

    place: Place
    identity: Identity
    path: Path
    key: Key
    aggressive: bool  # its last phase 1: this side could not begin one
    number: int = 0
    reason: str = "its security associations have ended"  # why it may end
    ended: bool = False
    questions: list[Callable[[bool], None]] = field(default_factory=list)  # asked: does it live?
    alive_at: float = 0.0  # when that was answered last


@dataclass(frozen=True, slots=True)
class Place:
    template: int | None
    owner: str  # of a dynamic map; "" for a template's
    version: int = 1  # of IKE, which a peer does not change within a session


@dataclass(slots=True, eq=False)
class Tunnel:
    """A peer and this side's address towards it.

    `session` is set of one that is not configured and has authenticated, `provisional` of one that has yet to.
    """

    settings: TunnelSettings
    session: Session | None = None
    provisional: bool = False
    flows: dict[tuple[str, int], Flow] = field(default_factory=dict)
    up_flows: int = 0
    up_since: float | None = None
    ike_sas: list[IkeSa] = field(default_factory=list)
    lingering: list[IkeSa] = field(default_factory=list)
    attempts: int = 0
    need_since: float | None = None
    deferred: set[bytes] = field(default_factory=set)
    ticket: object = None  # IKEv2: what its next IKE SA can begin with (`v2.resume.Ticket`)
    heard: tuple[Path, float] | None = None  # where ESP on a lost SA last came from through a NAT, and when
    peer_behind_nat: bool | None = None  # as the last phase 1 SA found it
    trouble: Trouble = field(default_factory=Trouble)
    gateway: Address | None = None  # where its peer has sent this side (RFC 5685), and who that was
    redirected_by: Address | None = None
    redirections: deque[float] = field(default_factory=deque)  # when that was followed

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def version(self) -> int:
        """Of IKE, by which this peer is negotiated with."""
        return self.settings.version

    @property
    def able(self) -> bool:
        """Whether something of it can run."""
        return self.session is not None or any(flow.owner.able for flow in self.flows.values())

    def way(self) -> Path:
        """Where this side begins an IKE SA: at port 500, or where the peer is behind a NAT."""
        if self.session is not None:
            return self.session.path
        path = Path(self.settings.local, IKE_PORT, self.gateway or self.settings.remote, IKE_PORT)
        for child in self.usable():
            path = child.path if child.udp_encapsulation else path
        return path

    @property
    def up(self) -> bool:
        return self.up_flows > 0

    @property
    def empty(self) -> bool:
        """Whether it has no SA of either phase."""
        return not self.ike_sas and all(child.removed for flow in self.flows.values() for child in flow.children)

    @property
    def children(self) -> list[ChildSa]:
        """Of all flows, oldest first in each."""
        return [child for flow in self.flows.values() for child in flow.children]

    def usable(self) -> list[ChildSa]:
        """Pairs with both directions installed."""
        return [child for child in self.children if child.usable]

    def established(self) -> list[IkeSa]:
        """IKE SAs that can be used."""
        return [sa for sa in self.ike_sas if sa.established]
