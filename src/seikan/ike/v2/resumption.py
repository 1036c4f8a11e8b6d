"""A session that goes on without key exchange and without proof of who is who, by a ticket (RFC 5723).

The responder gives the ticket away and keeps nothing: what it needs again is in it, sealed. The initiator keeps it
beside its own half of the same until the IKE SA is lost. IKE_SESSION_RESUME then stands for IKE_SA_INIT.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from seikan.crypto.ikev2_keys import resume_ike_keys
from seikan.crypto.prf import prf, same
from seikan.crypto.tickets import NONCE_OCTETS, TicketInvalid, open_ticket, seal_ticket
from seikan.ike.core import Core
from seikan.ike.effects import Path
from seikan.ike.sa import Tunnel
from seikan.ike.settings import Ikev2ProfileSettings
from seikan.ike.states import Role
from seikan.ike.v2.authentication import AuthFailure
from seikan.ike.v2.messages import notified, one
from seikan.ike.v2.proposals import IkeChoice
from seikan.ike.v2.sa import Ikev2Sa, Session
from seikan.ike.v2.states import Event
from seikan.wire.constants import ENCRYPTION_BY_NAME, GROUP_BY_NUMBER, HASH_BY_NAME, INTEGRITY_BY_NAME
from seikan.wire.secret import Secret
from seikan.wire.v2.constants import AuthMethod, Exchange, Notify
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.header import NO_SPI, Header
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import Authentication, Nonce, Notification, Payload

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

_NONCE_OCTETS = 32
_LIFETIME_OCTETS = 4
_MOST_OCTETS = 4096  # of a peer's ticket
_LEAST_LEFT = 5.0  # seconds a ticket has to be good for to be tried


def push_session(session: Session) -> Secret:
    """The content of a ticket."""
    choice = session.choice
    fields = {
        "expires": session.expires,
        "profile": session.profile,
        "peer": session.peer.hex(),
        "sk_d": bytes(session.sk_d).hex(),
        "encryption": choice.encryption.name,
        "integrity": choice.integrity.name if choice.integrity else None,
        "prf": choice.prf.name,
        "groups": [choice.group.number, *(row.number for row in choice.additional)],
        "authentications": session.authentications,
    }
    return Secret(json.dumps(fields).encode())


def pull_session(content: bytes) -> Session:
    """Raises `TicketInvalid` for what another version of this router may have sealed."""
    try:
        fields = json.loads(content)
        group, *additional = (GROUP_BY_NUMBER[number] for number in fields["groups"])
        choice = IkeChoice(
            1,
            ENCRYPTION_BY_NAME[fields["encryption"]],
            INTEGRITY_BY_NAME[fields["integrity"]] if fields["integrity"] else None,
            HASH_BY_NAME[fields["prf"]],
            group,
            tuple(additional),
            b"",
            (),
        )
        local, remote = fields["authentications"]
        sk_d, peer = Secret(bytes.fromhex(fields["sk_d"])), bytes.fromhex(fields["peer"])
        return Session(choice, sk_d, peer, fields["profile"], (local, remote), float(fields["expires"]))
    except (KeyError, ValueError, TypeError) as error:
        raise TicketInvalid("a ticket that cannot be read any more") from error


class Resumption:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    # -- a ticket is asked for, and given ------------------------------------------------------------------------------

    @staticmethod
    def ask(sa: Ikev2Sa) -> list[Payload]:
        """In the request of IKE_AUTH."""
        wanted = sa.profile is not None and sa.profile.reconnect is not None
        return [Notification(Notify.TICKET_REQUEST)] if wanted else []

    def give(self, sa: Ikev2Sa, chain: Chain) -> list[Payload]:
        """In its response: a ticket for who has asked, or that there is none."""
        if notified(chain, Notify.TICKET_REQUEST) is None:
            return []
        key, profile, clock = self.core.settings.ikev2.ticket_key, sa.profile, self.core.wall_clock
        seconds = profile.reconnect if profile is not None else None
        if key is None or profile is None or seconds is None or clock is None or sa.choice is None or sa.keys is None:
            return [Notification(Notify.TICKET_NACK)]
        session = Session(
            sa.choice,
            sa.keys.sk_d,
            sa.peer_body,
            profile.name,
            (sa.local_authentication, sa.remote_authentication),
            clock().timestamp() + seconds,
        )
        ticket = seal_ticket(key, self.core.random(NONCE_OCTETS), push_session(session))
        self.core.counters["ikev2_tickets_given"] += 1
        return [Notification(Notify.TICKET_LT_OPAQUE, seconds.to_bytes(_LIFETIME_OCTETS, "big") + ticket)]

    def keep(self, sa: Ikev2Sa, chain: Chain) -> None:
        """As initiator: the ticket, with this side's half of the session."""
        found, profile = notified(chain, Notify.TICKET_LT_OPAQUE), sa.profile
        if found is None or profile is None or profile.reconnect is None or sa.choice is None or sa.keys is None:
            return
        if not _LIFETIME_OCTETS < len(found.data) <= _MOST_OCTETS:
            return
        seconds = min(int.from_bytes(found.data[:_LIFETIME_OCTETS], "big"), profile.reconnect)
        sa.tunnel.ticket = Session(
            sa.choice,
            sa.keys.sk_d,
            sa.peer_body,
            profile.name,
            (sa.local_authentication, sa.remote_authentication),
            self.core.now + seconds,
            found.data[_LIFETIME_OCTETS:],
        )

    # -- initiator ---------------------------------------------------------------------------------------------------

    def start(self, tunnel: Tunnel, profile: Ikev2ProfileSettings) -> bool:
        """Go on with the session that was; False where there is none. A ticket is used once (section 4.3.1)."""
        core, session = self.core, tunnel.ticket
        tunnel.ticket = None
        if not isinstance(session, Session) or session.expires < core.now + _LEAST_LEFT:
            return False
        if session.profile != profile.name or profile.reconnect is None or tunnel.established():
            return False
        sa = Ikev2Sa(tunnel, Role.INITIATOR, tunnel.way(), core.now, spi_i=core.new_ikev2_spi(), profile=profile)
        sa.resuming, sa.choice, sa.additional = session, session.choice, len(session.choice.additional)
        sa.nonces = (core.random(_NONCE_OCTETS), b"")
        sa.window.next_id = 1
        self.tunnels.add(sa)
        sa.advance(Event.SEND_INIT)
        core.debug("ikev2", "{}: beginning IKE_SESSION_RESUME exchange with {}", sa.label, sa.path.remote)
        self.tunnels.v2.init.send_request(sa)
        return True

    @staticmethod
    def request(sa: Ikev2Sa) -> list[Payload]:
        """What IKE_SESSION_RESUME asks with, beside what IKE_SA_INIT has too."""
        if sa.resuming is None:
            raise InvalidSyntax("nothing to resume")
        return [Nonce(sa.nonces[0]), Notification(Notify.TICKET_OPAQUE, sa.resuming.ticket)]

    def answered(self, sa: Ikev2Sa, header: Header, chain: Chain, data: bytes) -> bool:
        """Whether the response makes an IKE SA of the ticket; else the session is over, and begins as any other."""
        if sa.resuming is None or notified(chain, Notify.TICKET_NACK) is not None:
            self.core.counters["ikev2_tickets_refused"] += 1
            self.give_up(sa)
            return False
        if header.responder_spi == NO_SPI:
            raise InvalidSyntax("the responder's SPI is zero")
        sa.spi_r, sa.nonces, sa.init_response = header.responder_spi, (sa.nonces[0], one(chain, Nonce).data), data
        self._derive(sa, sa.resuming)
        return True

    def give_up(self, sa: Ikev2Sa) -> None:
        self.tunnels.drop(sa)
        self.tunnels.evaluate(sa.tunnel)

    def _derive(self, sa: Ikev2Sa, session: Session) -> None:
        choice, spis = session.choice, (sa.spi_i, sa.spi_r)
        sa.keys = resume_ike_keys(
            session.sk_d, choice.prf, choice.encryption, choice.integrity, nonces=sa.nonces, spis=spis
        )
        self.tunnels.v2.init.log_keys(sa)

    # -- responder ---------------------------------------------------------------------------------------------------

    def open(self, chain: Chain) -> Session | None:
        """What a request's ticket says, where it is one of this router that is still good."""
        found, settings, clock = notified(chain, Notify.TICKET_OPAQUE), self.core.settings.ikev2, self.core.wall_clock
        if found is None or settings.ticket_key is None or clock is None or len(found.data) > _MOST_OCTETS:
            return None
        try:
            session = pull_session(open_ticket(settings.ticket_key, found.data))
        except TicketInvalid:
            self.core.counters["ikev2_tickets_invalid"] += 1
            return None
        profile = self.core.ikev2_profiles.get(session.profile)
        if profile is None or profile.reconnect is None or session.expires < clock().timestamp():
            self.core.counters["ikev2_tickets_expired"] += 1
            return None
        return session

    def respond(self, header: Header, chain: Chain, data: bytes, path: Path) -> None:
        """A request in clear. Raises a `WireError`. Cookies and limits are those of IKE_SA_INIT."""
        init, core, nonce = self.tunnels.v2.init, self.core, one(chain, Nonce).data
        tunnel = init.beginner(header, chain, nonce, data, path)
        if tunnel is None:
            return
        session = self.open(chain)
        profile = core.ikev2_profiles.get(session.profile) if session is not None else None
        configured = core.ikev2_profile_of(tunnel)
        if session is None or profile is None or configured not in (None, profile):
            core.counters["ikev2_tickets_refused"] += 1
            init.reply(header, path, Notification(Notify.TICKET_NACK))
            return
        if not init.admitted(tunnel, path) or self.tunnels.defer(tunnel, header.initiator_spi):
            return
        sa = Ikev2Sa(tunnel, Role.RESPONDER, path, core.now, profile=configured)
        sa.resuming, sa.choice, sa.additional = session, session.choice, len(session.choice.additional)
        sa.nonces = (nonce, core.random(_NONCE_OCTETS))
        init.begin_responder(sa, header, chain, path)
        self._derive(sa, session)
        sa.advance(Event.RECEIVE_INIT)
        init.send_response(sa, path, data, Exchange.IKE_SESSION_RESUME, [Nonce(sa.nonces[1])])

    # -- both: IKE_AUTH ------------------------------------------------------------------------------------------------

    @staticmethod
    def _auth(sa: Ikev2Sa, *, of_initiator: bool) -> bytes:
        """AUTH = prf(SK_px, message octets): those of its side's IKE_SESSION_RESUME message (section 5.1)."""
        if sa.keys is None:
            raise InvalidSyntax("no keys")
        key, message = (sa.keys.sk_pi, sa.init_request) if of_initiator else (sa.keys.sk_pr, sa.init_response)
        return bytes(prf(sa.keys.prf, key, message))

    def prove(self, sa: Ikev2Sa) -> Authentication:
        if sa.resuming is not None:
            sa.local_authentication = sa.resuming.authentications[0]
        return Authentication(AuthMethod.SHARED_KEY, self._auth(sa, of_initiator=sa.initiator))

    def check(self, sa: Ikev2Sa, body: bytes, proof: Authentication) -> None:
        """The peer has to be who it was, and to have the keys of the session. Raises `AuthFailure`."""
        session = sa.resuming
        expected = self._auth(sa, of_initiator=not sa.initiator)
        profile = sa.profile.name if sa.profile is not None else None
        right = session is not None and body == session.peer and profile == session.profile
        if session is None or not right or not same(proof.data, expected):
            self.core.counters["authentication_failed"] += 1
            text = f"peer {sa.path.remote} ({sa.peer_identity}) does not prove the session that it resumes"
            raise AuthFailure(text, "wrong-key")
        sa.remote_authentication = session.authentications[1]
        sa.resumed = True
        self.core.counters["ikev2_sessions_resumed"] += 1
