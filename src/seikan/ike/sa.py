"""What the engine remembers: tunnels, their flows, phase 1 SAs, quick mode exchanges and child SAs.

A tunnel is a peer and has phase 1 SAs; its flows have the pairs of child SAs. An SA is something that they have for a
while, never the other way round. An owner is what flows are for: an interface, with flows to one peer or to many.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace

from seikan.config.model import IsakmpPolicy, TransformSet
from seikan.crypto.key_exchange import KeyPair
from seikan.crypto.keys import Phase1Keys
from seikan.ike.effects import Address, Path
from seikan.ike.identity import Identity
from seikan.ike.preshared import Key
from seikan.ike.settings import FlowSettings, TunnelSettings
from seikan.ike.states import Event, Role, State, advance, expected_message
from seikan.ike.status import Diagnosis, Mismatch
from seikan.wire.constants import NAT_TRAVERSAL_PORT
from seikan.wire.header import NO_COOKIE
from seikan.wire.payloads import SaPayload
from seikan.wire.secret import Secret
from seikan.wire.selector import Selector
from seikan.wire.vendor import Vendor

MAX_FINISHED = 65536  # message ids of one phase 1 SA, all remembered against replay; then it takes no more


@dataclass(slots=True)
class Retransmission:
    """The last message sent, for the timer (`tries` so far) and for a peer that repeats its own (`answers` so far)."""

    sent: bytes = b""
    tries: int = 0
    request: bytes = b""
    answers: int = 0


@dataclass(slots=True, eq=False)
class IkeSa:
    """A phase 1 SA, from its first message to its end. Pairs of values are (initiator's, responder's)."""

    tunnel: Tunnel
    role: Role
    aggressive: bool
    path: Path
    cookie_i: bytes
    created: float
    cookie_r: bytes = NO_COOKIE
    first_message: tuple[bytes, Address] | None = None  # its key in the table of those that were answered
    group: Hashable = None  # by which half-open exchanges are counted
    state: State = State.START
    conn_id: int = 0
    established_at: float | None = None
    policy: IsakmpPolicy | None = None
    lifetime: int = 0
    offered: SaPayload | None = None
    sa_body: bytes = b""
    key_pair: KeyPair | None = None
    nonces: tuple[bytes, bytes] = (b"", b"")
    publics: tuple[bytes, bytes] = (b"", b"")
    key: Key | None = None
    identity_body: bytes = b""  # the peer's IDii of aggressive mode's first message
    keys: Phase1Keys | None = None
    iv: bytes = b""
    retransmission: Retransmission = field(default_factory=Retransmission)
    dpd: bool = False
    fragmentation: bool = False
    peer_ranks: bool = False  # the peer is a Seikan: it settles collisions by rank as we do
    nat_vendor: Vendor | None = None
    nat_local: bool = False
    nat_remote: bool = False
    peer_identity: str | None = None  # as the show commands print it
    identity: Identity | None = None  # None: of no kind that could be told from others
    judged: bool = False  # its identity is being looked into
    reached_at: Address | None = None  # where the peer got our public value, of an exchange that it began
    heard_at: float = 0.0  # when a fresh message of the peer came last, phase 1 over
    expiring: bool = False
    held: bool = False  # its first message has waited for the peer's own exchange, and does so once
    undecryptable: bool = False
    quick: dict[int, QuickExchange] = field(default_factory=dict)
    finished: set[int] = field(default_factory=set)
    refused: dict[int, tuple[int, int]] = field(default_factory=dict)  # by message id: notify and SPI of the refusal
    dpd_sequence: int = 0
    dpd_first: int = 0  # sequence number of the first R-U-THERE that has had no answer
    dpd_waiting: bool = False
    dpd_asking: bool = False  # somebody wants to know at once
    dpd_tries: int = 0
    dpd_since: float = 0.0
    dpd_peer_sequence: int | None = None

    @property
    def initiator(self) -> bool:
        return self.role is Role.INITIATOR

    @property
    def established(self) -> bool:
        return self.state is State.QM_IDLE

    @property
    def nat(self) -> bool:
        """A NAT was found, so ESP goes in UDP (RFC 3947 section 5)."""
        return self.nat_local or self.nat_remote

    @property
    def nat_draft(self) -> bool:
        return self.nat_vendor not in (None, Vendor.NAT_T_RFC)

    @property
    def rank(self) -> bytes:
        """The order of SAs that both ends see alike."""
        return self.cookie_i + self.cookie_r

    @property
    def label(self) -> str:
        return f"ISAKMP:({self.conn_id})"

    def advance(self, event: Event) -> None:
        self.state = advance(self.role, self.state, event)

    def expects(self) -> Event | None:
        return expected_message(self.role, self.state)

    def floated(self) -> Path:
        """The path after the float to port 4500 (RFC 3947 section 4), for an initiator that found a NAT."""
        if self.path.local_port == NAT_TRAVERSAL_PORT:
            return self.path
        return replace(self.path, local_port=NAT_TRAVERSAL_PORT, remote_port=NAT_TRAVERSAL_PORT)

    @property
    def exhausted(self) -> bool:
        """No message id can be remembered any more, so that none may be accepted."""
        return len(self.finished) >= MAX_FINISHED

    def forget_exchange(self) -> None:
        """Drop what only the exchange needed."""
        self.key_pair = None
        self.offered = None
        self.nonces = self.publics = (b"", b"")
        self.sa_body = b""


@dataclass(slots=True, eq=False)
class ChildSa:
    """A pair of ESP SAs. `initiator` tells whether this side started the quick mode that made it.

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
    created: float  # when its quick mode began
    peer_ranks: bool
    peer_behind_nat: bool
    completed: float = 0.0  # when its quick mode was over
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
    def rank(self) -> tuple[int, int]:
        """The order of pairs that both ends see alike."""
        low, high = sorted((self.inbound_spi, self.outbound_spi))
        return high, low


@dataclass(slots=True, eq=False)
class QuickExchange:
    """One quick mode; `nonces` are (initiator's, responder's). A responder learns the flow from message 1."""

    ike_sa: IkeSa
    role: Role
    message_id: int
    inbound_spi: int
    created: float
    flow: Flow | None = None
    selector: Selector | None = None
    state: State = State.QM_START
    iv: bytes = b""
    nonces: tuple[bytes, bytes] = (b"", b"")
    key_pair: KeyPair | None = None
    offered: SaPayload | None = None
    child: ChildSa | None = None
    reply: bytes = b""  # QM2 or QM3, sealed when the inbound SA is in place
    retransmission: Retransmission = field(default_factory=Retransmission)

    def advance(self, event: Event) -> None:
        self.state = advance(self.role, self.state, event)

    def expects(self) -> Event | None:
        return expected_message(self.role, self.state)

    @property
    def running(self) -> bool:
        return self.state not in (State.QM_PHASE2_COMPLETE, State.QM_FAILED)


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
    exchanges: list[QuickExchange] = field(default_factory=list)  # under way
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
    heard: tuple[Path, float] | None = None  # where ESP on a lost SA last came from through a NAT, and when
    peer_behind_nat: bool | None = None  # as the last phase 1 SA found it
    trouble: Trouble = field(default_factory=Trouble)

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def able(self) -> bool:
        """Whether something of it can run."""
        return self.session is not None or any(flow.owner.able for flow in self.flows.values())

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
        """Phase 1 SAs that can be used."""
        return [sa for sa in self.ike_sas if sa.established]
