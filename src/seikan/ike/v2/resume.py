"""A session goes on without another key exchange: by a ticket that the responder gave away (RFC 5723).

The ticket holds what the responder would have to remember, sealed with a secret of its own that outlives restarts. So
it is good after a restart too, as long as the profile lets sessions be resumed and the peer's key is still the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seikan.crypto.ikev2_keys import IkeKeys, resume_ike_keys
from seikan.crypto.prf import prf, same
from seikan.crypto.tickets import NONCE_OCTETS as TICKET_NONCE
from seikan.crypto.tickets import TicketInvalid, open_ticket, seal_ticket
from seikan.ike.core import Core
from seikan.ike.identity import Identity
from seikan.ike.sa import Tunnel
from seikan.ike.settings import Address, Ikev2ProfileSettings
from seikan.ike.v2.authentication import METHOD_BY_WORD
from seikan.ike.v2.identities import find_key, find_profile, read_identity
from seikan.ike.v2.messages import notified
from seikan.ike.v2.proposals import IkeChoice
from seikan.ike.v2.sa import Ikev2Sa
from seikan.wire.constants import (
    ENCRYPTION_BY_NAME,
    GROUP_BY_NUMBER,
    HASH_BY_NAME,
    INTEGRITY_BY_NAME,
)
from seikan.wire.secret import Secret
from seikan.wire.v2.buffer import Buffer
from seikan.wire.v2.constants import AuthMethod, Notify
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import Authentication, Identification, Notification, Payload

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

MAX_TICKET = 4096  # octets that are kept of a peer
_LIFETIME_OCTETS = 4
_CHECK_OCTETS = 16
_HASH = HASH_BY_NAME["sha256"]
_VERSION = b"1"


@dataclass(frozen=True, slots=True)
class Ticket:
    """One IKE SA, as its responder remembers it without remembering, and as its initiator keeps it.

    `expires` is in the responder's seconds of the epoch, or the initiator's engine seconds. `peer` is the body of the
    other side's identification, `check` of its pre-shared key, so that another key makes the ticket void.
    """

    expires: float
    profile: str
    choice: IkeChoice
    sk_d: Secret
    peer: bytes
    authentication: str
    check: bytes = b""
    opaque: bytes = b""  # what the initiator shows


def push_ticket(ticket: Ticket) -> bytes:
    """The octets that are sealed."""
    choice = ticket.choice
    fields = (
        _VERSION,
        str(int(ticket.expires)).encode(),
        ticket.profile.encode(),
        choice.encryption.name.encode(),
        choice.integrity.name.encode() if choice.integrity else b"",
        choice.prf.name.encode(),
        str(choice.group.number).encode(),
        ticket.sk_d,
        ticket.peer,
        ticket.authentication.encode(),
        ticket.check,
    )
    return b"".join(len(field).to_bytes(2, "big") + field for field in fields)


def pull_ticket(data: bytes) -> Ticket:
    """Raises `InvalidSyntax`, KeyError or ValueError for a ticket of another release of this router."""
    buffer = Buffer(data)
    fields = []
    while buffer.position < buffer.end:
        block = buffer.pull_block(buffer.pull_uint16())
        fields.append(data[block.position : block.end])
    version, expires, profile, encryption, integrity, algorithm, group, sk_d, peer, method, check = fields
    if version != _VERSION:
        raise ValueError("another release's ticket")
    choice = IkeChoice(
        1,
        ENCRYPTION_BY_NAME[encryption.decode()],
        INTEGRITY_BY_NAME[integrity.decode()] if integrity else None,
        HASH_BY_NAME[algorithm.decode()],
        GROUP_BY_NUMBER[int(group)],
        (),
        b"",
        (),
    )
    return Ticket(float(expires), profile.decode(), choice, Secret(sk_d), peer, method.decode(), check)


class Resumption:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    def _epoch(self) -> float:
        """Seconds that go on over restarts, where there is a clock."""
        clock = self.core.wall_clock
        return self.core.now if clock is None else clock().timestamp()

    def _check_of(self, profile: Ikev2ProfileSettings, remote: Address, identity: Identity | None) -> bytes:
        """By what a ticket shows that the peer's key has not been changed; empty where it has none."""
        secret, key = self.core.settings.ikev2.ticket_key, find_key(profile, remote, identity)
        if key is None or secret is None:
            return b""
        return bytes(prf(_HASH, secret, b"IKEv2 ticket's key" + key))[:_CHECK_OCTETS]

    # -- in IKE_AUTH -------------------------------------------------------------------------------------------------

    def request(self, sa: Ikev2Sa) -> list[Payload]:
        wanted = sa.profile is not None and sa.profile.reconnect is not None
        return [Notification(Notify.TICKET_REQUEST)] if wanted else []

    def answer(self, sa: Ikev2Sa, chain: Chain) -> list[Payload]:
        """A ticket for who has asked for one; TICKET_NACK where there is none (section 4.1)."""
        if notified(chain, Notify.TICKET_REQUEST) is None:
            return []
        secret, profile = self.core.settings.ikev2.ticket_key, sa.profile
        peer = next((row for row in chain.payloads if isinstance(row, Identification) and row.initiator), None)
        if secret is None or profile is None or profile.reconnect is None or peer is None:
            return [Notification(Notify.TICKET_NACK)]
        if sa.keys is None or sa.choice is None:
            raise InvalidSyntax("no keys")
        check = self._check_of(profile, sa.path.remote, sa.identity)
        lifetime: float = profile.reconnect
        if sa.ticket is not None and not sa.ticket.check:
            # What it was proved by is not looked at again: that stays so no longer than the first ticket said.
            lifetime = min(lifetime, sa.ticket.expires - self._epoch())
        ticket = Ticket(
            self._epoch() + lifetime,
            profile.name,
            sa.choice,
            sa.keys.sk_d,
            chain.body_of(peer),
            sa.remote_authentication or "",
            check if sa.remote_authentication == "PSK" else b"",
        )
        opaque = seal_ticket(secret, self.core.random(TICKET_NONCE), push_ticket(ticket))
        self.core.counters["ikev2_tickets_given"] += 1
        data = max(0, int(lifetime)).to_bytes(_LIFETIME_OCTETS, "big") + opaque
        return [Notification(Notify.TICKET_LT_OPAQUE, data)]

    def read(self, sa: Ikev2Sa, chain: Chain) -> None:
        """An initiator keeps what it gets for the next time."""
        found = notified(chain, Notify.TICKET_LT_OPAQUE)
        peer = next((row for row in chain.payloads if isinstance(row, Identification) and not row.initiator), None)
        if found is None or peer is None or sa.profile is None or sa.profile.reconnect is None:
            return
        if not _LIFETIME_OCTETS < len(found.data) <= MAX_TICKET or sa.keys is None or sa.choice is None:
            return
        lifetime = min(int.from_bytes(found.data[:_LIFETIME_OCTETS], "big"), sa.profile.reconnect)
        sa.tunnel.ticket = Ticket(
            self.core.now + lifetime,
            sa.profile.name,
            sa.choice,
            sa.keys.sk_d,
            chain.body_of(peer),
            sa.remote_authentication or "",
            opaque=found.data[_LIFETIME_OCTETS:],
        )

    # -- in IKE_SESSION_RESUME ---------------------------------------------------------------------------------------

    def take(self, tunnel: Tunnel, profile: Ikev2ProfileSettings) -> Ticket | None:
        """The ticket to begin with, which is used once."""
        ticket, tunnel.ticket = tunnel.ticket, None
        if not isinstance(ticket, Ticket) or ticket.expires <= self.core.now or profile.reconnect is None:
            return None
        return ticket if ticket.profile == profile.name else None

    def recognize(self, chain: Chain, tunnel: Tunnel, local: Address, remote: Address) -> Ticket | None:
        """What the ticket of a request says, where the peer may still go on by it; None where it may not."""
        shown, secret = notified(chain, Notify.TICKET_OPAQUE), self.core.settings.ikev2.ticket_key
        if shown is None or secret is None or len(shown.data) > MAX_TICKET:
            return None
        try:
            ticket = pull_ticket(open_ticket(secret, shown.data))
        except (TicketInvalid, InvalidSyntax, KeyError, ValueError):
            self.core.counters["ikev2_tickets_invalid"] += 1
            return None
        profile = self.core.ikev2_profiles.get(ticket.profile)
        own = self.core.ikev2_profile_of(tunnel)
        late = ticket.expires <= self._epoch()
        if profile is None or profile.reconnect is None or late or own not in (None, profile):
            self.core.counters["ikev2_tickets_expired"] += 1
            return None
        identity = read_identity(Identification(True, ticket.peer[0], ticket.peer[4:]))
        fits = identity is not None and find_profile([profile], local, identity) is not None
        key = self._check_of(profile, remote, identity) if ticket.check else b""
        method = any(METHOD_BY_WORD[word].shown == ticket.authentication for word in profile.remote_authentications)
        if not method or not (fits or profile.certificate_maps) or not same(key, ticket.check):
            self.core.counters["ikev2_tickets_expired"] += 1
            return None
        if tunnel.provisional:
            tunnel.settings = replace(tunnel.settings, ikev2_profile=profile.name)
        return ticket

    @staticmethod
    def keys(sa: Ikev2Sa, ticket: Ticket) -> IkeKeys:
        """Section 5.1: from SK_d of the IKE SA that goes on."""
        choice = ticket.choice
        return resume_ike_keys(
            ticket.sk_d,
            choice.prf,
            choice.encryption,
            choice.integrity,
            nonces=sa.nonces,
            spis=(sa.spi_i, sa.spi_r),
        )

    # -- proofs ------------------------------------------------------------------------------------------------------

    @staticmethod
    def proof(sa: Ikev2Sa, *, of_initiator: bool) -> bytes:
        """AUTH = prf(SK_p, the whole message of IKE_SESSION_RESUME)."""
        if sa.keys is None:
            raise InvalidSyntax("no keys")
        message = sa.init_request if of_initiator else sa.init_response
        sk_p = sa.keys.sk_pi if of_initiator else sa.keys.sk_pr
        return bytes(prf(sa.keys.prf, sk_p, message))

    def own_proof(self, sa: Ikev2Sa) -> Authentication:
        return Authentication(AuthMethod.SHARED_KEY, self.proof(sa, of_initiator=sa.initiator))

    def holds(self, sa: Ikev2Sa, id_body: bytes, payload: Authentication) -> bool:
        """Whether the peer is the one that the ticket is of, and has its keys."""
        expected = self.proof(sa, of_initiator=not sa.initiator)
        return sa.ticket is not None and same(id_body, sa.ticket.peer) and same(payload.data, expected)
