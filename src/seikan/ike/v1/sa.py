"""What IKEv1 remembers: phase 1 SAs and quick mode exchanges."""

from __future__ import annotations

from dataclasses import dataclass, field

from seikan.config.model import IsakmpPolicy
from seikan.crypto.key_exchange import KeyPair
from seikan.crypto.keys import Phase1Keys
from seikan.ike.effects import Address
from seikan.ike.sa import ChildSa, Flow, IkeSa, Retransmission
from seikan.ike.states import Event, Role, State, advance, expected_message
from seikan.wire.header import NO_COOKIE
from seikan.wire.payloads import SaPayload
from seikan.wire.selector import Selector
from seikan.wire.vendor import Vendor

MAX_FINISHED = 65536  # message ids of one phase 1 SA, all remembered against replay; then it takes no more


@dataclass(slots=True, eq=False)
class IsakmpSa(IkeSa):
    """A phase 1 SA. Pairs of values are (initiator's, responder's)."""

    aggressive: bool = False
    cookie_i: bytes = NO_COOKIE
    cookie_r: bytes = NO_COOKIE
    first_message: tuple[bytes, Address] | None = None  # its key in the table of those that were answered
    state: State = State.START
    policy: IsakmpPolicy | None = None
    offered: SaPayload | None = None
    sa_body: bytes = b""
    key_pair: KeyPair | None = None
    nonces: tuple[bytes, bytes] = (b"", b"")
    publics: tuple[bytes, bytes] = (b"", b"")
    identity_body: bytes = b""  # the peer's IDii of aggressive mode's first message
    keys: Phase1Keys | None = None
    iv: bytes = b""
    nat_vendor: Vendor | None = None
    undecryptable: bool = False
    quick: dict[int, QuickExchange] = field(default_factory=dict)
    finished: set[int] = field(default_factory=set)
    refused: dict[int, tuple[int, int]] = field(default_factory=dict)  # by message id: notify and SPI of the refusal
    dpd_sequence: int = 0
    dpd_first: int = 0  # sequence number of the first R-U-THERE that has had no answer
    dpd_waiting: bool = False
    dpd_tries: int = 0
    dpd_since: float = 0.0
    dpd_peer_sequence: int | None = None

    @property
    def established(self) -> bool:
        return self.state is State.QM_IDLE

    @property
    def deleted(self) -> bool:
        return self.state is State.DELETED

    @property
    def unanswered(self) -> bool:
        return self.initiator and self.state in (State.MM_NO_STATE, State.AG_NO_STATE)

    @property
    def answering(self) -> bool:
        return self.state is State.MM_KEY_EXCH

    @property
    def by_name(self) -> bool:
        return self.aggressive

    @property
    def nat_draft(self) -> bool:
        return self.nat_vendor not in (None, Vendor.NAT_T_RFC)

    @property
    def rank(self) -> bytes:
        return self.cookie_i + self.cookie_r

    @property
    def label(self) -> str:
        return f"ISAKMP:({self.conn_id})"

    def advance(self, event: Event) -> None:
        self.state = advance(self.role, self.state, event)

    def expects(self) -> Event | None:
        return expected_message(self.role, self.state)

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
class QuickExchange:
    """One quick mode; `nonces` are (initiator's, responder's). A responder learns the flow from message 1."""

    ike_sa: IsakmpSa
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
