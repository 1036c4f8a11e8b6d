"""IKEv2 as the rooms of both versions see it, and its messages on their way to the exchange that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seikan.crypto.ikev2_protect import IntegrityError
from seikan.ike.core import Core
from seikan.ike.diagnosis import silent
from seikan.ike.effects import Path
from seikan.ike.errors import AbandonExchange
from seikan.ike.sa import ChildSa, Flow, IkeSa, Tunnel
from seikan.ike.settings import TunnelSettings
from seikan.ike.states import Role
from seikan.ike.v2.auth import Auth
from seikan.ike.v2.child import MAX_OWN_EXCHANGES, Child, Refusal
from seikan.ike.v2.crash import CrashDetection
from seikan.ike.v2.envelope import assemble, exchange_name, open_encrypted
from seikan.ike.v2.followup import FollowUps
from seikan.ike.v2.informational import Informational
from seikan.ike.v2.init import Init
from seikan.ike.v2.intermediate import Intermediate
from seikan.ike.v2.messages import notified
from seikan.ike.v2.mobike import Mobike
from seikan.ike.v2.redirect import Redirects
from seikan.ike.v2.rekey import Rekey
from seikan.ike.v2.resume import Resumption
from seikan.ike.v2.sa import ChildExchange, Ikev2Sa, Request
from seikan.ike.v2.states import Event, State
from seikan.ike.v2.window import Windows
from seikan.wire.constants import IKE_PORT
from seikan.wire.errors import WireError
from seikan.wire.selector import Selector
from seikan.wire.v2.constants import Exchange, Notify, Protocol
from seikan.wire.v2.errors import InvalidMajorVersion, UnsupportedCriticalPayload
from seikan.wire.v2.header import NO_SPI, Header, pull_header
from seikan.wire.v2.message import Chain, Encrypted, find_encrypted, pull_message, pull_payloads
from seikan.wire.v2.payloads import Notification, SaPayload
from seikan.wire.v2.rules import RULES, check

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

REPEATED_AFTER = 60.0  # seconds for which a response may be asked for again

_FIRST = (Exchange.IKE_SA_INIT, Exchange.IKE_SESSION_RESUME)


class Ikev2:
    children_end = True
    linger = 8.0  # a delete that comes again is answered

    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels
        self.windows = Windows(core, tunnels)
        self.init = Init(core, tunnels)
        self.intermediate = Intermediate(core, tunnels)
        self.followups = FollowUps(core, tunnels)
        self.auth = Auth(core, tunnels)
        self.crash = CrashDetection(core, tunnels)
        self.redirects = Redirects(core, tunnels)
        self.child = Child(core, tunnels)
        self.rekey = Rekey(core, tunnels)
        self.mobike = Mobike(core, tunnels)
        self.resumption = Resumption(core, tunnels)
        self.informational = Informational(core, tunnels)

    # -- what `ike.version.Version` asks ------------------------------------------------------------------------------

    def start(self, tunnel: Tunnel) -> bool:
        return self.init.start(tunnel)

    def repeat(self, sa: Ikev2Sa) -> None:
        self.init.repeat(sa)

    def enter(self, sa: Ikev2Sa) -> None:
        self.core.ikev2_sas[sa.own_spi] = sa
        if not sa.initiator and sa.state is State.IDLE and sa.window.expected:
            sa.first = (sa.spi_i, sa.path.remote)
            self.core.ikev2_first[sa.first] = sa

    def leave(self, sa: Ikev2Sa, *, linger: bool) -> None:
        core = self.core
        sa.advance(Event.DELETE)
        self.rekey.leave(sa)
        core.timers.cancel(("revocation", sa))
        if sa.first is not None and core.ikev2_first.get(sa.first) is sa:
            del core.ikev2_first[sa.first]
        for exchange in list(sa.exchanges):
            self.child.discard(exchange)
        if not sa.closing:
            self.windows.drop(sa)
        for child in [row for row in sa.tunnel.children if row.ike_sa is sa and not row.stale]:
            # What a pair of another IKE SA has replaced still receives what is under way.
            others = [other for other in child.flow.children if other.usable and other.ike_sa is not sa]
            left = self.tunnels.children.promote(child, sa) or bool(others)
            self.tunnels.children.remove_pair(child, "its IKEv2 SA has ended", drain=left)
        sa.forget_exchange()
        if not sa.closing and not linger:
            self._forget(sa)
        if sa.established_at is not None and not any(row.established for row in sa.tunnel.ike_sas):
            core.log(5, "SA_DOWN", "SA DOWN", "IKEV2")

    def gone(self, sa: Ikev2Sa) -> None:
        self._forget(sa)

    def _forget(self, sa: Ikev2Sa) -> None:
        if self.core.ikev2_sas.get(sa.own_spi) is sa:
            del self.core.ikev2_sas[sa.own_spi]
        sa.keys = None
        sa.assemblies.clear()

    def closed(self, sa: Ikev2Sa) -> None:
        """The peer has answered the delete, or will not."""
        self.windows.drop(sa)
        self._forget(sa)

    def last_words(self) -> None:
        """Nothing is received any more: deletes that wait for a response go out all the same."""
        for sa in self.core.ikev2_sas.values():
            if sa.closing:
                self.windows.last_words(sa)

    def renew(self, sa: Ikev2Sa) -> bool:
        return self.rekey.start(sa)

    @staticmethod
    def outdate(sa: IkeSa) -> None:
        """Another one is to take its place, from the start and not by rekeying."""
        if isinstance(sa, Ikev2Sa):
            sa.expiring = sa.unrenewable = True

    def room(self, sa: Ikev2Sa) -> int:
        own = sum(row.role is Role.INITIATOR for row in sa.exchanges)
        return 0 if sa.renewal is not None or sa.followup is not None else MAX_OWN_EXCHANGES - own

    def busy(self, sa: Ikev2Sa) -> bool:
        return bool(sa.exchanges) or any(
            child.ike_sa is sa and child.usable and not self.tunnels.flows.replaced(child)
            for child in sa.tunnel.children
        )

    def start_child(self, sa: Ikev2Sa, flow: Flow, selector: Selector) -> bool:
        return self.child.start(sa, flow, selector)

    def discard(self, exchange: ChildExchange) -> None:
        self.child.discard(exchange)

    @staticmethod
    def _ends_session(sa: Ikev2Sa) -> None:
        """Who deletes an IKE SA, and does not replace it, wants the session to be over: its ticket goes too."""
        if sa.successor is None:
            sa.tunnel.ticket = None

    def tell_ike_deleted(self, sa: Ikev2Sa) -> None:
        self._ends_session(sa)
        self.informational.delete_ike(sa)

    def tell_child_deleted(self, child: ChildSa) -> None:
        if isinstance(child.ike_sa, Ikev2Sa):
            self.informational.delete_spi(child.ike_sa, child.inbound_spi)

    def child_in_use(self, child: ChildSa) -> None:
        """The pair that it replaces goes at once: the peer learns by that that it can send on the new one."""
        old, child.replaces = child.replaces, None
        if old is not None and not old.removed:
            self.tunnels.children.delete_pair(old, "replaced", drain=True)

    def can_follow(self, tunnel: Tunnel, row: TunnelSettings) -> bool:
        return self.mobike.can_follow(tunnel, row)

    def follow(self, tunnel: Tunnel) -> None:
        self.mobike.follow(tunnel)

    def turn_away(self, sa: Ikev2Sa) -> None:
        refusal = Notification(Notify.AUTHENTICATION_FAILED)
        self.windows.respond(sa, Exchange.IKE_AUTH, sa.window.expected - 1, [refusal])
        self.tunnels.drop(sa, linger=True)

    def ask(self, sa: Ikev2Sa) -> bool:
        return self.informational.ask(sa)

    def watch(self, sa: Ikev2Sa) -> None:
        self.informational.watch(sa)

    def told(self, child: ChildSa) -> bool:
        sa, spi = child.ike_sa, child.inbound_spi
        while isinstance(sa, Ikev2Sa) and sa.successor is not None:
            sa = sa.successor
        return not isinstance(sa, Ikev2Sa) or sa.deleted or (spi not in sa.doomed and spi not in sa.telling)

    def unknown_spi(self, sa: Ikev2Sa, spi: int) -> None:
        self.informational.unknown_spi(sa, spi)

    # -- ends --------------------------------------------------------------------------------------------------------

    def fail(self, sa: Ikev2Sa, text: str, *, waited: bool = False) -> None:
        """The exchange is over without an IKE SA; the tunnel tries again later, or soon where it has `waited` for it.
        A better explanation given before stays.
        """
        core, tunnel = self.core, sa.tunnel
        explained = tunnel.trouble.since(sa.created)
        core.counters["ikev2_failed"] += 1
        self.redirects.forget(tunnel)
        self.tunnels.drop(sa)
        if not explained:
            core.error(tunnel, "IKEV2_NO_ANSWER", text, vague=True)
        core.log(3, "NEG_ABORT", f"Negotiation aborted due to ERROR: {text}", "IKEV2")
        (self.tunnels.evaluate_soon if waited else self.tunnels.back_off)(tunnel)

    def waits(self, sa: Ikev2Sa, request: Request) -> None:
        """Some tries have had no answer: not yet given up, but a person who waits should know."""
        if sa.state is State.I_WAIT_AUTH and not sa.tunnel.trouble.since(sa.created):
            self._silent(sa, request, f"peer {sa.path.remote} does not answer ({request.exchange.name})")

    def unanswered(self, sa: Ikev2Sa, request: Request) -> None:
        """The peer has not answered for so long that it is taken for dead (section 2.4)."""
        if sa.closing:
            self.closed(sa)
            return
        if sa.state is State.I_WAIT_AUTH:
            text = f"peer {sa.path.remote} does not answer ({request.exchange.name})"
            self.tunnels.failed(sa.tunnel, text)
            self._silent(sa, request, text)
            self.fail(sa, text, waited=True)
            self.tunnels.sessions.silent(sa.tunnel, sa.created, f"peer {sa.path.remote} does not answer")
            return
        if any(other.established for other in sa.tunnel.ike_sas if other is not sa):
            self.tunnels.lost(sa)
        else:
            self.tunnels.peer_dead(sa)

    def _silent(self, sa: Ikev2Sa, request: Request, text: str) -> None:
        """What it most likely means that IKE_SA_INIT had an answer and the next request has none."""
        octets = max(map(len, request.packets))
        kind = silent(
            init_answered=True,
            floated=sa.path.local_port != IKE_PORT,
            octets=octets,
            fragments=len(request.packets) > 1,
            largest_passed=max(len(sa.init_request), len(sa.init_response)),
        )
        self.core.error(sa.tunnel, "IKEV2_NO_ANSWER", text, vague=True, kind=kind, octets=octets)

    def peer_deleted(self, sa: Ikev2Sa) -> None:
        """The peer deletes the IKE SA, with all pairs that are still its own."""
        self.core.debug("ikev2", "{.label}: peer deletes the IKE SA", sa)
        self._ends_session(sa)
        self.tunnels.drop(sa, linger=True)
        self.tunnels.evaluate_soon(sa.tunnel)

    def rejected(self, sa: Ikev2Sa, text: str) -> None:
        self.tunnels.drop(sa, linger=True)
        self.tunnels.back_off(sa.tunnel)

    def answered_again(self, sa: Ikev2Sa, number: int) -> None:
        """The peer has asked for a response again, so it may need the old pairs for longer."""
        for child in sa.tunnel.children:
            if child.ike_sa is sa and ("outbound", child) in self.core.timers:
                self.tunnels.children.peer_is_late(child)
                self.child.send_later(child)

    # -- messages ----------------------------------------------------------------------------------------------------

    def handle_datagram(self, data: bytes, path: Path) -> None:
        """One message, whatever is wrong with it."""
        core = self.core
        try:
            header = pull_header(data)
        except InvalidMajorVersion as error:
            self._malformed(error, path)
            self._other_version(data, path)
            return
        except WireError as error:
            self._malformed(error, path)
            return
        try:
            self._dispatch(header, data, path)
        except IntegrityError as error:
            core.counters["ikev2_dropped_integrity"] += 1
            core.debug("ikev2 error", "IKEv2: message from {} dropped: {}", path.remote, error)
        except WireError as error:
            self._malformed(error, path)

    def _malformed(self, error: WireError, path: Path) -> None:
        name = type(error).__name__
        self.core.counters[f"dropped_{name}"] += 1
        self.core.debug("ikev2 error", "IKEv2: message from {} dropped, {}: {}", path.remote, name, error)

    def _other_version(self, data: bytes, path: Path) -> None:
        """Section 2.5: the answer to a higher major version has this side's own."""
        if len(data) >= 28 and (path.local, path.remote) in self.core.ends:
            header = Header(data[:8], data[8:16], 0, data[18], data[19], int.from_bytes(data[20:24], "big"), 0)
            if not header.response:
                self.init.reply(header, path, Notification(Notify.INVALID_MAJOR_VERSION))

    def _dispatch(self, header: Header, data: bytes, path: Path) -> None:
        core = self.core
        if not core.settings.enabled:
            core.counters["dropped_disabled"] += 1
            return
        if header.exchange in _FIRST and not header.response:
            self._first(header, data, path)
            return
        own = header.responder_spi if header.from_initiator else header.initiator_spi
        sa = core.ikev2_sas.get(own)
        if sa is None or sa.initiator is header.from_initiator or not self._other_spi(sa, header):
            self._no_sa(header, path)
            return
        if not self._may_come_from(sa, path):
            core.counters["dropped_wrong_address"] += 1
            return
        if header.exchange in _FIRST:
            chain, encrypted = pull_message(header, data)
            if encrypted is None and sa.state is State.I_WAIT_INIT:
                check(header.exchange, True, chain.payloads)
                self.init.answered(sa, header, chain, data, path)
            else:
                core.counters["ikev2_unexpected_responses"] += 1
            return
        self._protected(sa, header, data, path)

    @staticmethod
    def _other_spi(sa: Ikev2Sa, header: Header) -> bool:
        """Whether the peer's SPI is right, which an initiator may not know yet."""
        if sa.initiator:
            return sa.state is State.I_WAIT_INIT or header.responder_spi == sa.spi_r
        return header.initiator_spi == sa.spi_i

    @staticmethod
    def _may_come_from(sa: Ikev2Sa, path: Path) -> bool:
        """Before anything is proved: from where the peer is, or where it or a NAT may have gone."""
        if sa.mobike and not sa.mobile:
            return True
        if path.local != sa.path.local:
            return False
        if path.remote != sa.path.remote:
            return sa.nat_remote or (sa.unanswered and sa.tunnel.heard is not None and path == sa.tunnel.heard[0])
        return True

    def _no_sa(self, header: Header, path: Path) -> None:
        """Section 2.21.4: a request gets INVALID_IKE_SPI in clear, which nobody has to believe."""
        core = self.core
        core.counters["no_sa"] += 1
        token = self.crash.answer(header)
        if not header.response and (token or (path.local, path.remote) in core.ends):
            self.init.reply(header, path, Notification(Notify.INVALID_IKE_SPI), *token)

    def _first(self, header: Header, data: bytes, path: Path) -> None:
        """A request of IKE_SA_INIT, which anybody may send. Errors are told in clear where a peer can be meant."""
        if not header.from_initiator or header.responder_spi != NO_SPI or header.message_id:
            self.core.counters["unexpected_messages"] += 1
            return
        known = (path.local, path.remote) in self.core.ends
        try:
            self.init.respond(header, data, path)
        except AbandonExchange as error:
            self.init.reply(header, path, Notification(int(error.notify)))
        except UnsupportedCriticalPayload as error:
            self._malformed(error, path)
            if known:
                data = bytes((error.payload_type,))
                self.init.reply(header, path, Notification(Notify.UNSUPPORTED_CRITICAL_PAYLOAD, data))
        except WireError as error:
            self._malformed(error, path)
            if known:
                self.init.reply(header, path, Notification(Notify.INVALID_SYNTAX))

    def _protected(self, sa: Ikev2Sa, header: Header, data: bytes, path: Path) -> None:
        core = self.core
        if sa.keys is None or sa.state in (State.IDLE, State.I_WAIT_INIT):
            core.counters["unexpected_messages"] += 1
            return
        if not header.response and self.windows.seen(sa, header, data, path):
            return
        if header.response and self.crash.heard(sa, header, data):
            return
        if header.response and not self.windows.waits_for(sa, header.message_id):
            core.counters["ikev2_unexpected_responses"] += 1
            return
        if not header.response and sa.state is State.R_WAIT_AUTH and header.message_id != 1 + sa.intermediates:
            core.counters["unexpected_messages"] += 1  # of who has proved nothing, one message is put together
            return
        encrypted = find_encrypted(header, data)
        if encrypted is None:
            core.counters["not_encrypted"] += 1
            return
        plaintext = open_encrypted(core, sa, header, data, encrypted)
        first = encrypted.fragment in (0, 1)
        if not header.response and not self.windows.accept(sa, header, data, path, first=first):
            return
        inner = encrypted.inner
        if encrypted.fragment:
            if not sa.fragmentation:
                core.counters["ikev2_fragments_refused"] += 1
                return
            whole = assemble(core, sa, header, encrypted, plaintext, data)
            if whole is None:
                return
            inner, plaintext, data = whole
        core.debug(
            "ikev2 packet",
            "{.label}: received {} {} id {} from {}:{}",
            *(
                sa,
                exchange_name(header.exchange),
                "response" if header.response else "request",
                header.message_id,
            ),
            *(path.remote, path.remote_port),
        )
        if header.response:
            self._response(sa, header, inner, plaintext, path)
        else:
            self._request(sa, header, inner, plaintext, data, path, encrypted)

    def _response(self, sa: Ikev2Sa, header: Header, inner: int, plaintext: bytes, path: Path) -> None:
        """RFC 7296 section 2.21.3: a response that makes no sense has no answer; the IKE SA cannot go on."""
        try:
            chain = pull_payloads(inner, plaintext)
            check(header.exchange, True, chain.payloads)
        except (WireError, KeyError) as error:
            self.core.counters["ikev2_malformed_responses"] += 1
            self.core.debug("ikev2 error", "{.label}: response makes no sense: {}", sa, error)
            chain = Chain((Notification(Notify.INVALID_SYNTAX),), (b"",))
        if sa.established:
            self.tunnels.touch(sa, path)
        self.windows.response(sa, header, chain)

    def _request(
        self,
        sa: Ikev2Sa,
        header: Header,
        inner: int,
        plaintext: bytes,
        data: bytes,
        path: Path,
        encrypted: Encrypted,
    ) -> None:
        number = header.message_id
        if not self._expected(sa, header):
            self.core.counters["unexpected_messages"] += 1
            return
        self.windows.take(sa, number, data)
        if (header.exchange, False) not in RULES:
            self.core.counters["ikev2_unknown_exchanges"] += 1
            self._refuse(sa, header, Notification(Notify.INVALID_SYNTAX))
            return
        exchange = Exchange(header.exchange)
        try:
            chain = pull_payloads(inner, plaintext)
            check(exchange, False, chain.payloads)
        except UnsupportedCriticalPayload as error:
            self._malformed(error, path)
            kind = bytes((error.payload_type,))
            self._refuse(sa, header, Notification(Notify.UNSUPPORTED_CRITICAL_PAYLOAD, kind))
            return
        except (WireError, KeyError) as error:
            self.core.counters["ikev2_malformed_requests"] += 1
            self.core.debug("ikev2 error", "{.label}: request makes no sense: {}", sa, error)
            self._refuse(sa, header, Notification(Notify.INVALID_SYNTAX))
            return
        if sa.established:
            self.tunnels.touch(sa, path)
        match exchange:
            case Exchange.IKE_INTERMEDIATE:
                self._intermediate(sa, header, chain, path)
            case Exchange.IKE_AUTH:
                self.auth.respond(sa, number, chain, path)
            case Exchange.CREATE_CHILD_SA:
                self._create(sa, number, chain)
            case Exchange.IKE_FOLLOWUP_KE:
                self._follow_up(sa, header, chain, path)
            case Exchange.INFORMATIONAL:
                self.informational.respond(sa, number, chain, path)
            case _:
                self._refuse(sa, header, Notification(Notify.INVALID_SYNTAX))

    @staticmethod
    def _expected(sa: Ikev2Sa, header: Header) -> bool:
        """Whether a request fits the state: IKE_AUTH before the IKE SA is established, anything else after it."""
        if sa.state is State.R_WAIT_AUTH:
            due = Exchange.IKE_INTERMEDIATE if sa.keys_due else Exchange.IKE_AUTH
            return header.exchange == due and header.message_id == 1 + sa.intermediates and not sa.judged
        ready = sa.state in (State.READY, State.DELETED)
        return ready and header.exchange != Exchange.IKE_AUTH

    def _refuse(self, sa: Ikev2Sa, header: Header, notification: Notification) -> None:
        """What was wrong with an authentic request; before IKE_AUTH is over, that is the end (section 2.21.2)."""
        self.windows.respond(sa, header.exchange, header.message_id, [notification])
        if sa.state is State.R_WAIT_AUTH:
            self.tunnels.drop(sa, linger=True)

    def _intermediate(self, sa: Ikev2Sa, header: Header, chain: Chain, path: Path) -> None:
        sa.path = path
        try:
            self.intermediate.respond(sa, header.message_id, chain)
        except WireError as error:
            self._malformed(error, path)
            self._refuse(sa, header, Notification(Notify.INVALID_SYNTAX))

    def _follow_up(self, sa: Ikev2Sa, header: Header, chain: Chain, path: Path) -> None:
        try:
            self.followups.respond(sa, header.message_id, chain)
        except WireError as error:
            self._malformed(error, path)
            self.followups.forget(sa)
            self._refuse(sa, header, Notification(Notify.INVALID_SYNTAX))

    def _create(self, sa: Ikev2Sa, number: int, chain: Chain) -> None:
        """A pair, its rekeying, or that of the IKE SA, which the protocol of the proposals tells."""

        def done(payloads: object) -> None:
            self.windows.respond(sa, Exchange.CREATE_CHILD_SA, number, payloads)  # type: ignore[arg-type]

        offered = [payload for payload in chain.payloads if isinstance(payload, SaPayload)]
        of_ike = bool(offered) and offered[0].proposals[0].protocol == Protocol.IKE
        try:
            if of_ike and notified(chain, Notify.REKEY_SA) is None:
                self.rekey.respond(sa, chain, done)
            elif sa.state is State.DELETED:
                raise Refusal(Notify.TEMPORARY_FAILURE, "the IKE SA is being deleted")
            else:
                self.child.respond(sa, chain, done)
        except Refusal as refusal:
            done([refusal.payload])
        except WireError as error:
            self.core.debug("ikev2 error", "{.label}: request makes no sense: {}", sa, error)
            done([Notification(Notify.INVALID_SYNTAX)])
