"""What IKEv2 remembers: IKE SAs with their windows of messages, and exchanges for pairs.

Pairs of values are (initiator's, responder's) of the IKE SA, or of the exchange that they are kept with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from seikan.config.model_ikev2 import Ikev2Peer, PostQuantumKey
from seikan.crypto.ikev2_keys import IkeKeys
from seikan.crypto.key_exchange import KeyPair
from seikan.ike.effects import Address, Path
from seikan.ike.sa import ChildSa, Flow, IkeSa
from seikan.ike.settings import Ikev2ProfileSettings
from seikan.ike.states import Role
from seikan.ike.v2.proposals import IkeChoice
from seikan.ike.v2.states import Event, State, advance
from seikan.wire.constants import Group
from seikan.wire.secret import Secret
from seikan.wire.selector import Selector
from seikan.wire.v2.constants import Exchange
from seikan.wire.v2.header import NO_SPI
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import Payload, SaPayload, TrafficSelectors

if TYPE_CHECKING:
    from seikan.ike.v2.resume import Ticket


@dataclass(slots=True, eq=False)
class Request:
    """A request of this side, from the queue to its response.

    `build` makes its payloads when its turn has come, or None where it is not needed any more. `answered` gets the
    response; `lost` is called where the IKE SA ends before it.
    """

    exchange: Exchange
    build: Callable[[], Sequence[Payload] | None]
    answered: Callable[[Chain], None]
    lost: Callable[[], None] = lambda: None
    number: int = 0
    packets: list[bytes] = field(default_factory=list)
    tries: int = 0
    schedule: tuple[int, float] | None = None  # own tries and seconds between them; None: those of every request


@dataclass(slots=True)
class Window:
    """The message IDs of one IKE SA (RFC 7296 sections 2.2 and 2.3)."""

    next_id: int = 0  # of the next own request
    size: int = 1  # how many own requests the peer takes at once
    flying: dict[int, Request] = field(default_factory=dict)
    queue: deque[Request] = field(default_factory=deque)
    expected: int = 0  # the least message ID of the peer that has not come
    ahead: set[int] = field(default_factory=set)  # those above it that have
    requests: dict[int, bytes] = field(default_factory=dict)  # by message ID, the first packet as it came
    responses: dict[int, list[bytes]] = field(default_factory=dict)  # as they were sent


@dataclass(slots=True)
class Assembly:
    """Fragments of one message (RFC 7383 section 2.6): opened pieces by number."""

    total: int
    first: int = 0  # type of the first payload inside
    packet: bytes = b""  # the first fragment as it came
    pieces: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A responder's part of a rekeying between its key exchanges (RFC 9370 section 2.2.4).

    `link` is what the next request has to name; `done` gets the secrets of all key exchanges.
    """

    link: bytes
    groups: tuple[Group, ...]
    shareds: tuple[Secret, ...]
    done: Callable[[Sequence[Secret]], None]


@dataclass(slots=True, eq=False)
class Ikev2Sa(IkeSa):
    spi_i: bytes = NO_SPI
    spi_r: bytes = NO_SPI
    state: State = State.IDLE
    choice: IkeChoice | None = None
    group_offered: int = 0  # of the key exchange in the request of IKE_SA_INIT
    offered: SaPayload | None = None
    key_pair: KeyPair | None = None
    nonces: tuple[bytes, bytes] = (b"", b"")
    first: tuple[bytes, Address] | None = None  # its key in the table of those that peers began
    init_request: bytes = b""  # as they went over the wire, for AUTH
    init_response: bytes = b""
    additional: int = 0  # key exchanges of RFC 9370 that are over
    intermediates: int = 0  # IKE_INTERMEDIATE exchanges that are over
    int_auth: tuple[bytes, bytes] = (b"", b"")  # what AUTH covers of them (RFC 9242)
    cookie: bytes = b""  # what the responder wants to see again
    asked_again: int = 0  # how often it has had COOKIE or INVALID_KE_PAYLOAD
    keys: IkeKeys | None = None
    counter: int = 0  # IVs used under the key of this side
    window: Window = field(default_factory=Window)
    assemblies: dict[tuple[bool, int], Assembly] = field(default_factory=dict)  # by response and message ID
    profile: Ikev2ProfileSettings | None = None
    fitting: tuple[Ikev2Peer, ...] | None = None  # of the keyring, for the identity that the peer says it has
    own_identity: str | None = None
    first_child: ChildExchange | None = None  # the one in IKE_AUTH
    childless: bool = False  # the peer takes IKE_AUTH without a child SA (RFC 6023)
    peer_redirects: bool = False  # the peer goes where it is sent (RFC 5685)
    redirected_from: Address | None = None  # who has sent it here
    crash_token: bytes = b""  # of the peer, by which it can prove that it has restarted (RFC 6290)
    peer_uses_ppk: bool = False
    ppk: PostQuantumKey | None = None  # which this side would use, or does
    ppk_used: bool = False
    authorities_asked: frozenset[bytes] = frozenset()  # by hash, of the peer's CERTREQ
    peer_hashes: tuple[int, ...] = ()  # of SIGNATURE_HASH_ALGORITHMS
    local_authentication: str | None = None
    remote_authentication: str | None = None
    exchanges: list[ChildExchange] = field(default_factory=list)  # for pairs, under way
    renewal: Renewal | None = None  # this side's rekeying of the IKE SA
    followup: FollowUp | None = None  # the peer's rekeying, whose next key exchange is to come
    successor: Ikev2Sa | None = None  # by a rekeying
    unrenewable: bool = False  # the peer does not rekey it
    mobike: bool = False  # both sides do RFC 4555
    mobile: bool = False  # this side made it, not counting rekeyings, and says where it goes
    moved_by: int = -1  # the greatest message ID by which the peer has said where it is
    proved_path: Path | None = None  # where it was before, as long as nobody has answered from where it says it is
    closing: bool = False  # this side deletes it and waits for the answer
    doomed: list[int] = field(default_factory=list)  # inbound SPIs of pairs that the peer has yet to be told of
    telling: set[int] = field(default_factory=set)  # those that it is being told of and has not answered
    probing: bool = False  # dead peer detection has a request under way
    probe_since: float = 0.0
    begun_at: float = 0.0  # when the first of those it has replaced was established
    rekeys: int = 0
    ticket: Ticket | None = None  # by which it goes on where another ended (RFC 5723)

    @property
    def keys_due(self) -> bool:
        """Whether a key exchange that was agreed is still to come before IKE_AUTH."""
        return self.choice is not None and self.additional < len(self.choice.additional)

    @property
    def established(self) -> bool:
        return self.state is State.READY and not self.closing

    @property
    def proved_at(self) -> float:
        return self.begun_at  # a rekeying proves nothing anew

    @property
    def deleted(self) -> bool:
        return self.state is State.DELETED

    @property
    def unanswered(self) -> bool:
        return self.state is State.I_WAIT_INIT

    @property
    def answering(self) -> bool:
        return self.judged

    @property
    def rank(self) -> bytes:
        """Where two were made at once, that with the least nonce goes (RFC 7296 section 2.8.2)."""
        return min(self.nonces) if self.nonces[1] else self.spi_i

    @property
    def label(self) -> str:
        return f"IKEv2:(SESSION ID = {self.conn_id},SA ID = {self.own_spi.hex()[:8]})"

    @property
    def own_spi(self) -> bytes:
        return self.spi_i if self.initiator else self.spi_r

    @property
    def peer_spi(self) -> bytes:
        return self.spi_r if self.initiator else self.spi_i

    def advance(self, event: Event) -> None:
        self.state = advance(self.role, self.state, event)

    def forget_exchange(self) -> None:
        """Drop what only IKE_SA_INIT and IKE_AUTH needed; the nonces stay as its rank."""
        self.key_pair = None
        self.offered = self.fitting = None
        self.init_request = self.init_response = self.cookie = b""
        if self.ticket is not None:
            self.ticket = replace(self.ticket, sk_d=Secret(), opaque=b"")


@dataclass(slots=True, eq=False)
class ChildExchange:
    """The making of one pair; `nonces` are its own, in IKE_AUTH those of IKE_SA_INIT.

    `replaces` is the pair that it rekeys; `rival` the pair that the peer makes at the same time for the same purpose.
    """

    ike_sa: Ikev2Sa
    role: Role
    inbound_spi: int
    created: float
    flow: Flow | None = None
    selector: Selector | None = None
    state: State = State.CHILD_IDLE
    first: bool = False  # in IKE_AUTH
    nonces: tuple[bytes, bytes] = (b"", b"")
    offered: SaPayload | None = None
    selectors: tuple[TrafficSelectors, TrafficSelectors] | None = None
    key_pair: KeyPair | None = None
    group: int | None = None
    transport: bool = False
    replaces: ChildSa | None = None
    rival: ChildSa | None = None
    child: ChildSa | None = None
    answer: Callable[[Sequence[Payload]], None] | None = None  # the peer waits for it

    @property
    def running(self) -> bool:
        return self.state not in (State.CHILD_READY, State.CHILD_FAILED)

    def advance(self, event: Event) -> None:
        self.state = advance(self.role, self.state, event)


@dataclass(slots=True, eq=False)
class Renewal:
    """This side's rekeying of an IKE SA; `rival` is what the peer has made meanwhile for the same purpose."""

    created: float
    spi: bytes
    nonce: bytes
    offered: SaPayload
    group: int
    key_pair: KeyPair | None
    rival: Ikev2Sa | None = None
    sent: bool = False
    other_group: bool = False  # it is the second try, with the group that the peer wants
