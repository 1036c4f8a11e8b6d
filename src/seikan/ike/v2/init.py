"""IKE_SA_INIT: two messages in clear that agree on algorithms and make keys (RFC 7296 sections 1.2, 2.6, 2.7, 2.23).

Nothing of a request is kept before it has passed the cookie, where one is asked for, and the limits of half-open SAs.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from seikan.crypto.ikev2_auth import nat_detection
from seikan.crypto.ikev2_keys import derive_ike_keys
from seikan.crypto.key_exchange import InvalidPublicValue
from seikan.crypto.prf import same
from seikan.ike.admission import MAX_HALF_OPEN, MAX_HALF_OPEN_OF_ADDRESS, MAX_HALF_OPEN_OF_PEER
from seikan.ike.core import MAX_ANSWERS, MAX_TRIES, TRIES_UNTIL_TOLD, Core
from seikan.ike.effects import Address, KeyLog, Path, Send
from seikan.ike.errors import AbandonExchange
from seikan.ike.limits import source
from seikan.ike.sa import Tunnel
from seikan.ike.settings import Ikev2ProfileSettings, Ikev2ProposalSettings
from seikan.ike.states import Role
from seikan.ike.v2.certificates import HASH_ALGORITHMS, read_hash_algorithms, requested
from seikan.ike.v2.cookies import Cookies
from seikan.ike.v2.envelope import exchange_name
from seikan.ike.v2.keylog import keylog_line
from seikan.ike.v2.messages import error_of, notifications, notified, notify_name, one
from seikan.ike.v2.proposals import choose_ike, explain_ike, ike_offer, own_ike_offer, proposals_for, was_offered
from seikan.ike.v2.redirect import read_sender
from seikan.ike.v2.sa import Ikev2Sa
from seikan.ike.v2.states import Event, State
from seikan.wire.constants import GROUP_BY_NUMBER
from seikan.wire.secret import Secret
from seikan.wire.v2.constants import FLAG_INITIATOR, FLAG_RESPONSE, Exchange, Notify, TransformType
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.header import NO_SPI, Header
from seikan.wire.v2.message import Chain, glance, pull_message, push_message
from seikan.wire.v2.payloads import KeyExchange, Nonce, Notification, Payload, SaPayload, VendorId
from seikan.wire.v2.rules import check
from seikan.wire.vendor import Vendor

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels
    from seikan.ike.v2.resume import Ticket

NONCE_OCTETS = 32
HALF_OPEN_LIFETIME = 30.0  # seconds a responder waits for IKE_AUTH
LEAST_OCTETS = 72  # of a first message that is answered by a cookie: no shorter than the answer
MAX_ASKED_AGAIN = 6  # COOKIE and INVALID_KE_PAYLOAD of one exchange
RESUME_TRIES = 2  # of a ticket, before all begins from the start
_KIND_OF_REFUSAL: dict[int, str] = {
    Notify.INVALID_KE_PAYLOAD: "invalid-ke",
    Notify.INVALID_MAJOR_VERSION: "version",
}


def intermediate_supported(offer: SaPayload) -> list[Payload]:
    """What announces IKE_INTERMEDIATE beside an offer or answer that has additional key exchanges (RFC 9370)."""
    kinds = {row.type for proposal in offer.proposals for row in proposal.transforms}
    wanted = any(TransformType.ADDITIONAL_KE_1 <= kind <= TransformType.ADDITIONAL_KE_7 for kind in kinds)
    return [Notification(Notify.INTERMEDIATE_EXCHANGE_SUPPORTED)] if wanted else []


class Init:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels
        self.cookies = Cookies(core)

    # -- both --------------------------------------------------------------------------------------------------------

    def proposals(self, local: Address) -> tuple[Ikev2ProposalSettings, ...]:
        """Those of the first policy for `local`: one that names it before one for any address."""
        return proposals_for(self.core.settings.ikev2.policies, local)

    def _capabilities(self, sa: Ikev2Sa) -> list[Payload]:
        """What this side announces beside the exchange itself."""
        found: list[Payload] = []
        if self.core.settings.nat_transparency:
            found += self._nat_detection(sa, sa.path)
        if self.core.settings.ikev2.fragmentation:
            found.append(Notification(Notify.IKEV2_FRAGMENTATION_SUPPORTED))
        if not sa.initiator:
            found.append(Notification(Notify.CHILDLESS_IKEV2_SUPPORTED))
            if sa.ticket is None:
                found += self.tunnels.v2.auth.certificates.request_of(self._profiles(sa))
        found += self.tunnels.v2.redirects.announce(sa)
        found += self.tunnels.v2.auth.ppk.announce(sa, self._profiles(sa))
        found.append(HASH_ALGORITHMS)
        found.append(VendorId(Vendor.SEIKAN.value))
        return found

    def _profiles(self, sa: Ikev2Sa) -> Sequence[Ikev2ProfileSettings]:
        """Those that the peer of a half-open SA may turn out to be of."""
        return self.tunnels.peers.ikev2_candidates(sa.path.local) if sa.profile is None else [sa.profile]

    @staticmethod
    def _nat_detection(sa: Ikev2Sa, path: Path) -> list[Payload]:
        spis = (sa.spi_i, sa.spi_r)
        return [
            Notification(Notify.NAT_DETECTION_SOURCE_IP, nat_detection(spis, path.local, path.local_port)),
            Notification(Notify.NAT_DETECTION_DESTINATION_IP, nat_detection(spis, path.remote, path.remote_port)),
        ]

    def _read_capabilities(self, sa: Ikev2Sa, header: Header, chain: Chain, path: Path) -> None:
        found = notifications(chain)
        kinds = {payload.type for payload in found}
        fragmentation = bool(self.core.settings.ikev2.fragmentation)
        sa.fragmentation = fragmentation and Notify.IKEV2_FRAGMENTATION_SUPPORTED in kinds
        hashes = next((payload.data for payload in found if payload.type == Notify.SIGNATURE_HASH_ALGORITHMS), b"")
        sa.peer_hashes = read_hash_algorithms(hashes)
        sa.authorities_asked = requested(chain)
        read_sender(sa, chain)
        sa.peer_uses_ppk = Notify.USE_PPK in kinds
        sa.childless = Notify.CHILDLESS_IKEV2_SUPPORTED in kinds
        sa.peer_ranks = any(
            payload.data == Vendor.SEIKAN.value for payload in chain.payloads if isinstance(payload, VendorId)
        )
        if not self.core.settings.nat_transparency:
            return
        spis = (header.initiator_spi, header.responder_spi)
        sources = [payload.data for payload in found if payload.type == Notify.NAT_DETECTION_SOURCE_IP]
        targets = [payload.data for payload in found if payload.type == Notify.NAT_DETECTION_DESTINATION_IP]
        local = nat_detection(spis, path.local, path.local_port)
        remote = nat_detection(spis, path.remote, path.remote_port)
        sa.nat_remote = bool(sources) and not any(same(data, remote) for data in sources)
        sa.nat_local = bool(targets) and not any(same(data, local) for data in targets)
        if sources:
            text = "{.label}: NAT detection: this side behind NAT {}, peer {}"
            self.core.debug("ikev2", text, sa, sa.nat_local, sa.nat_remote)

    def _derive(self, sa: Ikev2Sa, shared: Secret) -> None:
        choice = sa.choice
        if choice is None:
            raise InvalidSyntax("no algorithms agreed")
        sa.keys = derive_ike_keys(
            choice.prf,
            choice.encryption,
            choice.integrity,
            nonces=sa.nonces,
            spis=(sa.spi_i, sa.spi_r),
            shared=shared,
        )
        self.log_keys(sa)

    def log_keys(self, sa: Ikev2Sa) -> None:
        """A line for Wireshark, where somebody has asked for it."""
        if "ikev2-keylog" in self.core.debugging and sa.keys is not None:
            self.core.emit(KeyLog(keylog_line(sa.keys, sa.spi_i, sa.spi_r)))

    # -- initiator ---------------------------------------------------------------------------------------------------

    def start(self, tunnel: Tunnel) -> bool:
        """Send the request; False, with a stated error, where the profile or a proposal is missing."""
        core = self.core
        profile = core.ikev2_profile_of(tunnel)
        if profile is None:
            name = tunnel.settings.ikev2_profile
            text = f"ikev2 profile {name} does not exist or cannot be used (crypto ikev2 profile {name})"
            core.error(tunnel, "IKEV2_NO_PROFILE", text)
            return False
        proposals = self.proposals(tunnel.settings.local)
        if not proposals:
            core.error(tunnel, "IKEV2_NO_PROPOSAL", "no crypto ikev2 policy has a usable proposal for this address")
            return False
        if not self.tunnels.v2.auth.can_prove(tunnel, profile):
            return False
        if not self.tunnels.admission.admits_own(tunnel):
            return False
        sa = Ikev2Sa(tunnel, Role.INITIATOR, tunnel.way(), core.now, spi_i=core.new_ikev2_spi(), profile=profile)
        sa.offered = ike_offer(proposals)
        sa.nonces = (core.random(NONCE_OCTETS), b"")
        sa.window.next_id = 1
        self.tunnels.add(sa)
        sa.ticket = self.tunnels.v2.resumption.take(tunnel, profile)
        if sa.ticket is None:
            self._make_key_pair(sa, proposals[0].groups[0].number)
        sa.advance(Event.SEND_INIT)
        core.debug("ikev2", "{.label}: beginning IKE_SA_INIT exchange with {}", sa, sa.path.remote)
        self._send_request(sa)
        return True

    def _make_key_pair(self, sa: Ikev2Sa, group: int) -> None:
        sa.group_offered = group
        sa.key_pair = self.core.key_pair(GROUP_BY_NUMBER[group])

    def _send_request(self, sa: Ikev2Sa) -> None:
        payloads: list[Payload] = [Notification(Notify.COOKIE, sa.cookie)] if sa.cookie else []
        exchange = Exchange.IKE_SA_INIT
        if sa.ticket is not None:
            exchange = Exchange.IKE_SESSION_RESUME
            payloads += [Nonce(sa.nonces[0]), Notification(Notify.TICKET_OPAQUE, sa.ticket.opaque)]
            payloads += self._capabilities(sa)
        elif sa.offered is None or sa.key_pair is None:
            raise InvalidSyntax("nothing to offer")
        else:
            payloads += [sa.offered, KeyExchange(sa.group_offered, sa.key_pair.public), Nonce(sa.nonces[0])]
            payloads += [*self._capabilities(sa), *intermediate_supported(sa.offered)]
        header = Header(sa.spi_i, NO_SPI, 0, exchange, FLAG_INITIATOR, 0, 0)
        sa.init_request = push_message(header, payloads)
        sa.retransmission.tries = 0
        self._transmit(sa, sa.way(self.core.now), sa.init_request)
        self._arm(sa)

    def _transmit(self, sa: Ikev2Sa, path: Path, data: bytes) -> None:
        text = "{.label}: sending IKE_SA_INIT to {}:{}"
        self.core.debug("ikev2 packet", text, sa, path.remote, path.remote_port)
        self.core.emit(Send(path, data))
        self.core.counters["messages_sent"] += 1

    def _arm(self, sa: Ikev2Sa) -> None:
        self.core.retransmit(("retransmit", sa), sa.retransmission.tries, lambda: self.repeat(sa))

    def repeat(self, sa: Ikev2Sa) -> None:
        """The retransmission timer: again, or give up after `MAX_TRIES`."""
        state = sa.retransmission
        text = f"peer {sa.path.remote} does not answer (IKE_SA_INIT)"
        if sa.ticket is not None and state.tries >= RESUME_TRIES:
            self._without_ticket(sa)
            return
        if state.tries >= MAX_TRIES:
            self.tunnels.failed(sa.tunnel, text)
            self.tunnels.v2.fail(sa, text, waited=True)
            self.tunnels.sessions.silent(sa.tunnel, sa.created, f"peer {sa.path.remote} does not answer")
            return
        state.tries += 1
        self.core.counters["retransmissions"] += 1
        self._transmit(sa, sa.way(self.core.now), sa.init_request)
        self._arm(sa)
        if state.tries == TRIES_UNTIL_TOLD and not sa.tunnel.trouble.since(sa.created):
            self.core.error(sa.tunnel, "IKEV2_NO_ANSWER", text, vague=True)

    def answered(self, sa: Ikev2Sa, header: Header, chain: Chain, data: bytes, path: Path) -> None:
        """The response, for which nobody vouches yet. Raises a `WireError` where it makes no sense."""
        if sa.state is not State.I_WAIT_INIT:
            self.core.counters["ikev2_unexpected_responses"] += 1
            return
        cookie, error = notified(chain, Notify.COOKIE), error_of(chain)
        elsewhere = notified(chain, Notify.REDIRECT)
        if cookie is not None and 1 <= len(cookie.data) <= 64:
            self._ask_again(sa, path, cookie=cookie.data)
        elif sa.ticket is not None and (error is not None or notified(chain, Notify.TICKET_NACK) is not None):
            self._without_ticket(sa)
        elif elsewhere is not None:
            if self.tunnels.v2.redirects.go(sa, elsewhere.data, sa.nonces[0]):
                self.tunnels.drop(sa)
                self.tunnels.evaluate(sa.tunnel)
        elif error is not None and error.type == Notify.INVALID_KE_PAYLOAD:
            self._other_group(sa, error, path)
        elif error is not None:
            self._refused(sa, error)
        elif sa.ticket is not None:
            self._resumed(sa, header, chain, data, path, sa.ticket)
        else:
            self._accepted(sa, header, chain, data, path)

    def _without_ticket(self, sa: Ikev2Sa) -> None:
        """The responder does not take the ticket, or does not know the exchange: all from the start, at once."""
        self.core.counters["ikev2_resumptions_refused"] += 1
        tunnel = sa.tunnel
        self.core.timers.cancel(("retry", tunnel))
        self.tunnels.drop(sa)
        self.tunnels.evaluate(tunnel)

    def _resumed(self, sa: Ikev2Sa, header: Header, chain: Chain, data: bytes, path: Path, ticket: Ticket) -> None:
        if header.responder_spi == NO_SPI:
            raise InvalidSyntax("the responder's SPI is zero")
        sa.choice, sa.spi_r, sa.nonces = ticket.choice, header.responder_spi, (sa.nonces[0], one(chain, Nonce).data)
        sa.init_response = data
        sa.answered_from(path)
        self._read_capabilities(sa, header, chain, sa.path)
        sa.keys = self.tunnels.v2.resumption.keys(sa, ticket)
        self._answered_well(sa)
        self.tunnels.v2.auth.request(sa)

    def _answered_well(self, sa: Ikev2Sa) -> None:
        sa.advance(Event.RECEIVE_INIT_RESPONSE)
        self.core.timers.cancel(("retransmit", sa))
        if sa.nat:
            sa.path = sa.floated()

    def _ask_again(self, sa: Ikev2Sa, path: Path, *, cookie: bytes | None = None, group: int | None = None) -> None:
        """RFC 7296 section 2.6.1: what was asked for before stays in the next request."""
        sa.asked_again += 1
        if sa.asked_again > MAX_ASKED_AGAIN:
            self.core.counters["ikev2_asked_too_often"] += 1
            return
        sa.answered_from(path)
        if cookie is not None:
            sa.cookie = cookie
        if group is not None:
            self._make_key_pair(sa, group)
        sa.advance(Event.ASKED_AGAIN)
        self._send_request(sa)

    def _other_group(self, sa: Ikev2Sa, error: Notification, path: Path) -> None:
        """Only a group that was offered counts: else a forger could choose a weak one (section 2.7)."""
        group = int.from_bytes(error.data, "big") if len(error.data) == 2 else 0
        offered = {row.number for proposal in self.proposals(sa.path.local) for row in proposal.groups}
        if group in offered and group != sa.group_offered:
            self.core.counters["ikev2_other_group"] += 1
            self._ask_again(sa, path, group=group)
        else:
            self._refused(sa, error)

    def _refused(self, sa: Ikev2Sa, error: Notification) -> None:
        """Anybody could have sent it, so it only explains a failure that may follow (section 2.21.1)."""
        self.core.counters["ikev2_unauthenticated_errors"] += 1
        name = notify_name(error.type)
        if error.type == Notify.NO_PROPOSAL_CHOSEN:
            text = f"peer {sa.path.remote} accepts no ikev2 proposal offered (NO_PROPOSAL_CHOSEN)"
            rows = own_ike_offer(self.proposals(sa.path.local))
            self.core.error(sa.tunnel, "IKEV2_NO_PROPOSAL", text, rows, vague=True)
        else:
            text = f"peer {sa.path.remote} refuses IKE_SA_INIT ({name})"
            self.core.error(sa.tunnel, "IKEV2_REFUSED", text, vague=True, kind=_KIND_OF_REFUSAL.get(error.type))

    def _accepted(self, sa: Ikev2Sa, header: Header, chain: Chain, data: bytes, path: Path) -> None:
        exchange, nonce = one(chain, KeyExchange), one(chain, Nonce).data
        if header.responder_spi == NO_SPI or sa.offered is None or sa.key_pair is None:
            raise InvalidSyntax("the responder's SPI is zero")
        choice = was_offered(sa.offered, one(chain, SaPayload))
        if choice is None or exchange.group != choice.group.number or exchange.group != sa.group_offered:
            raise InvalidSyntax("the responder chose what was not offered")
        if choice.additional and notified(chain, Notify.INTERMEDIATE_EXCHANGE_SUPPORTED) is None:
            raise InvalidSyntax("the responder chose additional key exchanges without IKE_INTERMEDIATE")
        try:
            shared = sa.key_pair.shared(exchange.data)
        except InvalidPublicValue as error:
            raise InvalidSyntax(str(error)) from error
        sa.choice, sa.spi_r, sa.nonces = choice, header.responder_spi, (sa.nonces[0], nonce)
        sa.init_response = data
        sa.answered_from(path)
        self._read_capabilities(sa, header, chain, sa.path)
        self._derive(sa, shared)
        self._answered_well(sa)
        self.tunnels.v2.intermediate.go_on(sa)

    # -- responder ---------------------------------------------------------------------------------------------------

    def respond(self, header: Header, data: bytes, path: Path) -> None:
        """A request of IKE_SA_INIT or IKE_SESSION_RESUME. Raises `AbandonExchange` or a `WireError`, which are answered
        in clear. What anybody can send by the thousand is told apart before anything is read in full.
        """
        core = self.core
        if self._repeated(header, data, path):
            return
        configured = core.ends.get((path.local, path.remote))
        if not self._worth_while(configured, path):
            return
        cookie, nonce = glance(header, data)
        reached = bool(cookie) and self.cookies.valid(cookie, header.initiator_spi, nonce, path)
        if not self._passes(configured, header, nonce, path, reached=reached):
            return
        chain, encrypted = pull_message(header, data)
        if encrypted is not None:
            core.counters["unexpected_messages"] += 1
            return
        check(header.exchange, False, chain.payloads)
        tunnel = configured or self.tunnels.peers.provisional_ikev2(path)
        begin = self._begin if header.exchange == Exchange.IKE_SA_INIT else self._resume
        begin(tunnel, header, chain, data, path, reached=reached)

    def _repeated(self, header: Header, data: bytes, path: Path) -> bool:
        """Whether the peer has begun this exchange before: the same request gets the same answer."""
        core = self.core
        begun = core.ikev2_first.get((header.initiator_spi, path.remote))
        if begun is None:
            return False
        if data == begun.init_request and begun.retransmission.answers < MAX_ANSWERS:
            core.counters["duplicates"] += 1
            begun.retransmission.answers += 1
            self._transmit(begun, path, begun.init_response)
        else:
            core.counters["unexpected_messages"] += 1
        return True

    def _worth_while(self, configured: Tunnel | None, path: Path) -> bool:
        """Whether there is anything here for a peer that comes by this path."""
        core = self.core
        if configured is None:
            return self.tunnels.peers.takes_unknown_ikev2(path.local)
        if configured.version != 2:
            core.counters["ikev2_not_configured"] += 1
            core.other_version(configured, 2)
            return False
        if not configured.able:
            core.counters["tunnel_not_able"] += 1
            return False
        return True

    def _passes(self, configured: Tunnel | None, header: Header, nonce: bytes, path: Path, *, reached: bool) -> bool:
        """Section 2.6: who has `reached` us with a cookie goes on; of the others some may be asked for one."""
        core, peer = self.core, source(path.remote)
        if reached:
            core.counters["ikev2_cookies_accepted"] += 1
            if core.proven_message_rate.allow(peer, core.now):
                return True
            core.counters["first_messages_limited"] += 1
            return False
        if not self._challenges(configured, path):
            # Those of many addresses may all be one forger's, and what is refused leaves nothing half open.
            if core.first_message_rate.allow(peer, core.now) and core.all_first_messages.allow("", core.now):
                return True
            core.counters["first_messages_limited"] += 1
        if header.length >= LEAST_OCTETS:
            core.counters["ikev2_cookies_sent"] += 1
            made = self.cookies.make(header.initiator_spi, nonce, path)
            self.reply(header, path, Notification(Notify.COOKIE, made), limited=False)
        return False

    def _challenges(self, configured: Tunnel | None, path: Path) -> bool:
        """Whether whoever begins must be where it says it is: from some number of half-open SAs on, and before it takes
        somebody else's place. Else forged requests would keep out whose address they have.
        """
        core, settings = self.core, self.core.settings
        if len(core.half_open) >= min(settings.ikev2.cookie_challenge, settings.max_negotiating or MAX_HALF_OPEN):
            return True
        group, limit = self._group(configured, path)
        return len(core.half_open_of.get(group, ())) >= limit

    @staticmethod
    def _group(configured: Tunnel | None, path: Path) -> tuple[Hashable, int]:
        """Whose half-open SAs count together, and how many there may be."""
        if configured is None:
            return source(path.remote), MAX_HALF_OPEN_OF_ADDRESS
        return configured, MAX_HALF_OPEN_OF_PEER

    def _begin(self, tunnel: Tunnel, header: Header, chain: Chain, data: bytes, path: Path, *, reached: bool) -> None:
        """Agree and make keys; `reached`: the peer has shown that it is where it says it is."""
        core = self.core
        exchange, nonce, payload = one(chain, KeyExchange), one(chain, Nonce).data, one(chain, SaPayload)
        profile = core.ikev2_profile_of(tunnel)
        candidates = self.tunnels.peers.ikev2_candidates(path.local) if profile is None else [profile]
        elsewhere = self.tunnels.v2.redirects.answer(chain, nonce, path, candidates)
        if elsewhere is not None:
            self.reply(header, path, elsewhere)
            return
        proposals = self.proposals(path.local)
        choice = choose_ike(proposals, payload)
        if choice is not None and choice.additional and not notified(chain, Notify.INTERMEDIATE_EXCHANGE_SUPPORTED):
            raise InvalidSyntax("additional key exchanges without IKE_INTERMEDIATE")
        if choice is None:
            core.counters["no_proposal_chosen"] += 1
            text = f"no ikev2 proposal in common with peer {path.remote}"
            core.error(tunnel, "IKEV2_NO_PROPOSAL", text, lambda: explain_ike(proposals, payload), unproven=True)
            raise AbandonExchange(text, Notify.NO_PROPOSAL_CHOSEN)
        if exchange.group != choice.group.number:
            core.counters["ikev2_invalid_ke"] += 1
            group = Notification(Notify.INVALID_KE_PAYLOAD, choice.group.number.to_bytes(2, "big"))
            self.reply(header, path, group, limited=False)  # shorter than the request, and it cannot go on without
            return
        if not self._admitted(tunnel, path, reached=reached) or self.tunnels.defer(tunnel, header.initiator_spi):
            return
        try:
            public, shared = core.respond_key(choice.group, exchange.data)
        except InvalidPublicValue as error:
            raise InvalidSyntax(str(error)) from error
        sa = Ikev2Sa(tunnel, Role.RESPONDER, path, core.now, profile=profile)
        sa.choice = choice
        self._begin_responder(sa, header, chain, nonce, path, reached=reached)
        self._derive(sa, shared)
        sa.advance(Event.RECEIVE_INIT)
        payloads: list[Payload] = [choice.answer(), KeyExchange(choice.group.number, public), Nonce(sa.nonces[1])]
        payloads += intermediate_supported(choice.answer())
        self._respond(sa, data, Exchange.IKE_SA_INIT, payloads)

    def _begin_responder(
        self, sa: Ikev2Sa, header: Header, chain: Chain, nonce: bytes, path: Path, *, reached: bool
    ) -> None:
        core = self.core
        sa.spi_i, sa.spi_r = header.initiator_spi, core.new_ikev2_spi()
        sa.nonces = (nonce, core.random(NONCE_OCTETS))
        sa.window.expected = 1
        self._read_capabilities(sa, header, chain, path)
        self.tunnels.add(sa)
        if reached and not sa.tunnel.provisional:
            # What is forged with the address of a configured peer does not displace it.
            self.tunnels.admission.proven(sa)
        core.timers.set(("half-open", sa), core.now + HALF_OPEN_LIFETIME, lambda: self._half_open_expired(sa))
        name = exchange_name(header.exchange)
        core.debug("ikev2 packet", "{.label}: received {} from {}:{}", sa, name, path.remote, path.remote_port)

    def _respond(self, sa: Ikev2Sa, data: bytes, exchange: Exchange, payloads: list[Payload]) -> None:
        answer = Header(sa.spi_i, sa.spi_r, 0, exchange, FLAG_RESPONSE, 0, 0)
        sa.init_request = data
        sa.init_response = push_message(answer, [*payloads, *self._capabilities(sa)])
        self._transmit(sa, sa.path, sa.init_response)

    def _resume(self, tunnel: Tunnel, header: Header, chain: Chain, data: bytes, path: Path, *, reached: bool) -> None:
        """IKE_SESSION_RESUME (RFC 5723 section 4.3.2): nothing is kept unless the ticket is good."""
        core, nonce = self.core, one(chain, Nonce).data
        ticket = self.tunnels.v2.resumption.recognize(chain, tunnel, path.local, path.remote)
        if ticket is None:
            self.reply(header, path, Notification(Notify.TICKET_NACK))
            return
        if not self._admitted(tunnel, path, reached=reached) or self.tunnels.defer(tunnel, header.initiator_spi):
            return
        sa = Ikev2Sa(tunnel, Role.RESPONDER, path, core.now, profile=core.ikev2_profiles[ticket.profile])
        sa.choice, sa.ticket = ticket.choice, ticket
        self._begin_responder(sa, header, chain, nonce, path, reached=reached)
        sa.keys = self.tunnels.v2.resumption.keys(sa, ticket)
        self.log_keys(sa)
        sa.advance(Event.RECEIVE_INIT)
        self._respond(sa, data, Exchange.IKE_SESSION_RESUME, [Nonce(sa.nonces[1])])

    def _admitted(self, tunnel: Tunnel, path: Path, *, reached: bool) -> bool:
        group, limit = self._group(None if tunnel.provisional else tunnel, path)
        known = bool(tunnel.established())
        if tunnel.provisional:
            known = any(other.session for other in self.core.by_remote.get(path.remote, ()))
        return self.tunnels.admission.admits(path, group, limit, known=known, reached=reached)

    def _half_open_expired(self, sa: Ikev2Sa) -> None:
        self.core.counters["half_open_expired"] += 1
        self.core.debug("ikev2 error", "{.label}: peer {} did not go on", sa, sa.path.remote)
        self.tunnels.drop(sa)
        self.tunnels.evaluate(sa.tunnel)

    def reply(self, header: Header, path: Path, *payloads: Payload, limited: bool = True) -> None:
        """Answer a request in clear: it changes nothing here, and is short."""
        core = self.core
        if limited and not core.error_replies.allow(path.remote, core.now):
            core.counters["error_replies_limited"] += 1
            return
        flags = FLAG_RESPONSE | (0 if header.from_initiator else FLAG_INITIATOR)
        answer = Header(header.initiator_spi, header.responder_spi, 0, header.exchange, flags, header.message_id, 0)
        core.counters["error_replies"] += 1
        core.emit(Send(path, push_message(answer, payloads)))
