"""Pairs of child SAs, in IKE_AUTH and CREATE_CHILD_SA (RFC 7296 sections 1.2, 1.3.1, 1.3.3, 2.8, 2.9, 2.17, 2.25).

Order of installation: a responder has its inbound SA before it answers, since the initiator may send at once. The
initiator installs inbound with the answer and outbound right after. On a rekeying the responder goes on sending on the
old pair until the peer deletes that, which shows that the answer has come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from seikan.crypto.ikev2_keys import child_keymat
from seikan.crypto.key_exchange import InvalidPublicValue
from seikan.ike.core import Core
from seikan.ike.dynamic import Postponed
from seikan.ike.effects import Usage
from seikan.ike.flows import MAX_PAIRS_OF_FLOW
from seikan.ike.sa import ChildSa, Flow
from seikan.ike.settings import PhaseTwo
from seikan.ike.states import Role
from seikan.ike.status import Mismatch
from seikan.ike.v2.init import NONCE_OCTETS
from seikan.ike.v2.messages import error_of, notified, notify_name, one
from seikan.ike.v2.proposals import (
    ChildChoice,
    child_offer,
    child_was_offered,
    choose_child,
    explain_child,
    own_child_offer,
    usable_sets,
)
from seikan.ike.v2.sa import ChildExchange, Ikev2Sa, Request
from seikan.ike.v2.selectors import explain, narrow, read
from seikan.ike.v2.selectors import offer as offer_selectors
from seikan.ike.v2.states import Event, State
from seikan.ike.v2.traffic import answer_to, between_hosts, fit, selectors_of
from seikan.wire.constants import GROUP_BY_NUMBER
from seikan.wire.secret import Secret
from seikan.wire.selector import Selector
from seikan.wire.v2.constants import Exchange, Notify, Protocol
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import (
    KeyExchange,
    Nonce,
    Notification,
    Payload,
    SaPayload,
)

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

MAX_EXCHANGES = 8  # that the peer may have under way at once under one IKE SA
MAX_OWN_EXCHANGES = 4
EXTENDED = True  # 64-bit sequence numbers, which the plane has, where the peer has them too (RFC 4303 section 2.2.1)
OUTBOUND_LATEST = 20.0  # seconds after which a responder sends on the new pair though the old one is still there
TEMPORARY = 2.0  # seconds, and up to twice as much again, before what the peer could not do now is tried again


_KIND_OF_REFUSAL: dict[int, str] = {
    Notify.NO_PROPOSAL_CHOSEN: "child-no-proposal",
    Notify.INVALID_KE_PAYLOAD: "child-no-proposal",
    Notify.TS_UNACCEPTABLE: "selectors",
}


class Refusal(Exception):
    """A request for a pair that is answered with a notify and nothing else."""

    def __init__(self, kind: Notify, text: str, data: bytes = b"", protocol: int = 0, spi: bytes = b"") -> None:
        super().__init__(text)
        self.payload = Notification(kind, data, protocol, spi)


class Child:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    # -- initiator ---------------------------------------------------------------------------------------------------

    def first_request(self, sa: Ikev2Sa) -> list[Payload]:
        """What asks in IKE_AUTH for a pair; nothing where none is lacking and the peer can do without."""
        lacking = [(flow, row) for flow in sa.tunnel.flows.values() for row in self.tunnels.flows.lacking(flow)]
        lacking = [(flow, row) for flow, row in lacking if usable_sets(flow.settings.phase_two.transform_sets)]
        if not lacking:
            flows = [flow for flow in sa.tunnel.flows.values() if flow.owner.able]
            if sa.childless or not flows:
                return []
            lacking = [(flows[0], flows[0].settings.selector)]
        flow, selector = lacking[0]
        exchange = self._begin(sa, flow, selector)
        exchange.first = True
        exchange.nonces = sa.nonces
        sa.first_child = exchange
        return self._offer(exchange)

    def start(self, sa: Ikev2Sa, flow: Flow, selector: Selector) -> bool:
        """Ask for a pair under `sa`; False, with a stated error, where there is nothing to propose."""
        phase_two = flow.settings.phase_two
        if not usable_sets(phase_two.transform_sets):
            self.core.error(flow, "IPSEC_NO_TRANSFORM", f"no usable transform set in {phase_two.name}")
            return False
        self._request(self._begin(sa, flow, selector))
        return True

    def _request(self, exchange: ChildExchange) -> None:
        self.tunnels.v2.windows.request(
            exchange.ike_sa,
            Request(
                Exchange.CREATE_CHILD_SA,
                lambda: self._build(exchange),
                lambda chain: self.answered(exchange, chain),
                lambda: self.discard(exchange),
            ),
        )

    def _begin(self, sa: Ikev2Sa, flow: Flow, selector: Selector) -> ChildExchange:
        exchange = ChildExchange(sa, Role.INITIATOR, self.core.new_spi(), self.core.now, flow, selector)
        exchange.replaces = self._expiring(sa, flow, selector)
        sa.exchanges.append(exchange)
        flow.exchanges.append(exchange)
        return exchange

    @staticmethod
    def _expiring(sa: Ikev2Sa, flow: Flow, selector: Selector) -> ChildSa | None:
        """The pair under this IKE SA that the new one is to replace."""
        found = [row for row in flow.usable(selector) if row.ike_sa is sa and not row.stale]
        return found[-1] if found else None

    def _build(self, exchange: ChildExchange) -> list[Payload] | None:
        """The request, when its turn has come."""
        sa = exchange.ike_sa
        if not exchange.running:
            return None
        if exchange.replaces is not None and exchange.replaces.removed:
            exchange.replaces = None
        group = exchange.group
        if group is None:
            group = (exchange.flow.settings.phase_two.pfs_group if exchange.flow else None) or 0
        exchange.group = group
        exchange.nonces = (self.core.random(NONCE_OCTETS), b"")
        exchange.key_pair = self.core.key_pair(GROUP_BY_NUMBER[group]) if group else None
        self.core.debug("ikev2", "{.label}: beginning CREATE_CHILD_SA exchange", sa)
        return self._offer(exchange)

    def _offer(self, exchange: ChildExchange) -> list[Payload]:
        flow, selector = exchange.flow, exchange.selector
        if flow is None or selector is None:
            raise InvalidSyntax("an exchange for nothing")
        phase_two, spi = flow.settings.phase_two, exchange.inbound_spi.to_bytes(4, "big")
        exchange.offered = child_offer(phase_two, spi, first=exchange.first, extended=EXTENDED)
        more: Sequence[Selector] = ()
        if exchange.replaces is not None:
            more = exchange.replaces.more
        elif selector == flow.settings.selector:
            more = flow.settings.more
        exchange.selectors = offer_selectors((selector, *more))
        exchange.transport = flow.settings.transport and any(row.transport for row in phase_two.transform_sets)
        payloads: list[Payload] = []
        if exchange.replaces is not None:
            old = exchange.replaces.inbound_spi.to_bytes(4, "big")
            payloads.append(Notification(Notify.REKEY_SA, b"", Protocol.ESP, old))
        if exchange.transport:
            payloads.append(Notification(Notify.USE_TRANSPORT_MODE))
        payloads.append(exchange.offered)
        if not exchange.first:
            payloads.append(Nonce(exchange.nonces[0]))
            if exchange.key_pair is not None:
                payloads.append(KeyExchange(exchange.group or 0, exchange.key_pair.public))
        exchange.advance(Event.SEND_CHILD)
        return [*payloads, *exchange.selectors]

    def answered(self, exchange: ChildExchange, chain: Chain) -> None:
        """The response under an IKE SA whose peer has proved itself."""
        if not exchange.running:
            self._unwanted(exchange, chain)
            return
        error = error_of(chain)
        if error is not None and not any(isinstance(payload, SaPayload) for payload in chain.payloads):
            self._refused(exchange, error, chain)
            return
        try:
            self._accept(exchange, chain)
        except (InvalidSyntax, InvalidPublicValue) as failure:
            # The peer has the pair: it has to hear that it is not wanted (section 1.4.1).
            self._unwanted(exchange, chain)
            self._fail(exchange, str(failure))

    def _unwanted(self, exchange: ChildExchange, chain: Chain) -> None:
        if any(isinstance(payload, SaPayload) for payload in chain.payloads):
            self.tunnels.v2.informational.delete_spi(exchange.ike_sa, exchange.inbound_spi)

    def _accept(self, exchange: ChildExchange, chain: Chain) -> None:
        flow, sa = exchange.flow, exchange.ike_sa
        if flow is None or exchange.offered is None or exchange.selectors is None:
            raise InvalidSyntax("an answer to nothing")
        choice = child_was_offered(flow.settings.phase_two, exchange.offered, one(chain, SaPayload))
        if choice is None:
            raise InvalidSyntax("the responder chose an IPsec proposal that was not offered")
        if (flow.owner.name, int.from_bytes(choice.spi, "big")) in self.core.outbound:
            self.core.counters["spi_in_use"] += 1
            raise InvalidSyntax("the responder chose an SPI that is in use here")
        tsi, tsr = between_hosts(sa, flow, *selectors_of(chain), initiator=True)
        own = (exchange.selector or flow.settings.selector, *self._more(exchange, flow))
        rows = narrow(own, tsi, tsr, initiator=True)
        if not rows:
            raise InvalidSyntax("the responder chose traffic selectors outside those that were offered")
        if not exchange.first:
            exchange.nonces = (exchange.nonces[0], one(chain, Nonce).data)
        shared = self._shared(exchange, choice, chain)
        transport = exchange.transport and notified(chain, Notify.USE_TRANSPORT_MODE) is not None
        exchange.advance(Event.RECEIVE_CHILD_RESPONSE)
        self._settle_rival(exchange)
        exchange.child = self._make(exchange, flow, choice, rows, shared, transport=transport)
        self._install(exchange, exchange.child, lambda: self._complete_initiator(exchange))

    @staticmethod
    def _more(exchange: ChildExchange, flow: Flow) -> tuple[Selector, ...]:
        if exchange.replaces is not None:
            return exchange.replaces.more
        return flow.settings.more if exchange.selector == flow.settings.selector else ()

    @staticmethod
    def _shared(exchange: ChildExchange, choice: ChildChoice, chain: Chain) -> Secret | None:
        """The secret of the pair's own key exchange, where one was agreed."""
        sent = [payload for payload in chain.payloads if isinstance(payload, KeyExchange)]
        if choice.group is None:
            return None
        if len(sent) != 1 or exchange.key_pair is None:
            raise InvalidSyntax("perfect forward secrecy was agreed without its key exchange")
        if not sent[0].group == choice.group.number == exchange.group:
            raise InvalidSyntax("the responder used another group than it chose, or than was offered")
        return exchange.key_pair.shared(sent[0].data)

    def _refused(self, exchange: ChildExchange, error: Notification, chain: Chain) -> None:
        """Sections 1.3, 2.25: what an error means for the pair, and for the one that was to be replaced."""
        sa, flow, core = exchange.ike_sa, exchange.flow, self.core
        name = notify_name(error.type)
        core.debug("ikev2 error", "{.label}: peer refuses CREATE_CHILD_SA: {}", sa, name)
        core.counters["ikev2_child_refused"] += 1
        rival, replaces = exchange.rival, exchange.replaces
        if error.type == Notify.INVALID_KE_PAYLOAD and self._other_group(exchange, error):
            return
        if flow is None or error.type == Notify.TEMPORARY_FAILURE or rival is not None:
            self.discard(exchange)
            if flow is not None:
                self.wait(flow)
            return
        if error.type == Notify.CHILD_SA_NOT_FOUND and replaces is not None:
            self.discard(exchange)
            self.tunnels.children.peer_deleted(replaces)
            self.tunnels.evaluate(sa.tunnel)
            return
        rows: tuple[Mismatch, ...] = ()
        if error.type == Notify.NO_PROPOSAL_CHOSEN:
            rows = own_child_offer(flow.settings.phase_two, first=exchange.first, extended=EXTENDED)
        text = f"peer {sa.path.remote} refuses an IPsec SA ({name}){self.tunnels.flows.about(flow)}"
        core.error(flow, "IPSEC_REFUSED", text, rows, vague=True, kind=_KIND_OF_REFUSAL.get(error.type))
        self._fail(exchange, text)

    def wait(self, flow: Flow) -> None:
        """What could not be done now is tried again a little later."""
        over = self.core.now + TEMPORARY * (1 + 2 * self.core.fraction())
        self.core.timers.set(("retry", flow), over, lambda: self.tunnels.evaluate(flow.tunnel))

    def _other_group(self, exchange: ChildExchange, error: Notification) -> bool:
        """The responder has PFS with another group (section 1.3): once again with that, where it is ours too."""
        group = int.from_bytes(error.data, "big") if len(error.data) == 2 else 0
        own = exchange.flow.settings.phase_two.pfs_group if exchange.flow else None
        if exchange.group == group or group not in (own, exchange.group) or exchange.first:
            return False
        exchange.group = group
        exchange.state = State.CHILD_IDLE
        self._request(exchange)
        return True

    def _complete_initiator(self, exchange: ChildExchange) -> None:
        child = exchange.child
        self._complete(exchange)
        if child is None:
            return
        if exchange.rival is not None and child.replaces is None:
            # Section 2.8.1: the pair with the least nonce goes, by the side that made it.
            self.core.counters["ikev2_redundant_pairs"] += 1
            self.tunnels.children.delete_pair(child, "the peer has made another at the same time", drain=True)
            self.tunnels.evaluate(child.tunnel)
            return
        self.tunnels.children.install_outbound(child)

    def _settle_rival(self, exchange: ChildExchange) -> None:
        """Both sides have rekeyed the same pair: of the four nonces the least tells which of the new ones goes."""
        rival = exchange.rival
        if rival is None or rival.removed:
            exchange.rival = None
            return
        self.core.counters["ikev2_simultaneous_rekeys"] += 1
        if min(exchange.nonces) < rival.least_nonce:
            exchange.replaces = None  # the peer deletes the old one
        else:
            exchange.rival = None

    # -- responder ---------------------------------------------------------------------------------------------------

    def respond(
        self, sa: Ikev2Sa, chain: Chain, done: Callable[[Sequence[Payload]], None], *, first: bool = False
    ) -> None:
        """A request for a pair. `done` gets what answers it when the inbound SA is in place. Raises `Refusal`."""
        core = self.core
        if not first:
            if sa.renewal is not None or sa.successor is not None:
                raise Refusal(Notify.TEMPORARY_FAILURE, "the IKE SA is being rekeyed")
            running = sum(row.role is Role.RESPONDER for row in sa.exchanges)
            if running >= MAX_EXCHANGES or not core.quick_mode_rate.allow(sa.tunnel.name, core.now):
                core.counters["ikev2_child_limit"] += 1
                raise Refusal(Notify.TEMPORARY_FAILURE, "too many exchanges at once")
        replaces = self._replaced(sa, chain)
        exchange = ChildExchange(sa, Role.RESPONDER, core.new_spi(), core.now)
        exchange.first, exchange.replaces = first, replaces
        try:
            self._agree(exchange, chain, done)
        except (Refusal, InvalidSyntax) as failure:
            core.counters["ikev2_child_refused"] += 1
            core.debug("ikev2 error", "{.label}: request for an IPsec SA refused: {}", sa, failure)
            self.discard(exchange)
            if isinstance(failure, Refusal):
                raise
            raise Refusal(Notify.INVALID_SYNTAX, str(failure)) from failure

    def _replaced(self, sa: Ikev2Sa, chain: Chain) -> ChildSa | None:
        """The pair that REKEY_SA names by the SPI that the peer receives with (section 1.3.3)."""
        notify = notified(chain, Notify.REKEY_SA)
        if notify is None:
            return None
        spi = int.from_bytes(notify.spi, "big")
        found = next((row for row in sa.tunnel.children if row.outbound_spi == spi), None)
        old = None if found is None else found.ike_sa
        if isinstance(old, Ikev2Sa) and old is not sa and old.renewal is not None and old.renewal.rival is sa:
            # The peer knows already which of two new IKE SAs has the pairs; this side has yet to get its answer.
            raise Refusal(Notify.TEMPORARY_FAILURE, "the IKE SA is being rekeyed by both sides")
        if found is None or old is not sa:
            raise Refusal(Notify.CHILD_SA_NOT_FOUND, "no such IPsec SA", b"", Protocol.ESP, notify.spi)
        if found.removed:
            raise Refusal(Notify.TEMPORARY_FAILURE, "that IPsec SA is being deleted")
        return found

    def _agree(self, exchange: ChildExchange, chain: Chain, done: Callable[[Sequence[Payload]], None]) -> None:
        sa, core = exchange.ike_sa, self.core
        offered = one(chain, SaPayload)
        flow, rows = self._asked(exchange, chain, offered)
        exchange.flow, exchange.selector = flow, rows[0]
        if len(flow.children) >= MAX_PAIRS_OF_FLOW:
            core.counters["pairs_of_flow_limit"] += 1
            raise Refusal(Notify.NO_ADDITIONAL_SAS, "too many IPsec SAs of one flow")
        phase_two, first = flow.settings.phase_two, exchange.first
        choice = choose_child(phase_two, offered, first=first, extended=EXTENDED)
        if choice is None:
            core.counters["no_proposal_chosen"] += 1
            text = f"no transform set in common with peer {sa.path.remote}{self.tunnels.flows.about(flow)}"
            rows_of = explain_child(phase_two, offered, first=first, extended=EXTENDED)
            core.error(flow, "IPSEC_NO_PROPOSAL", text, rows_of)
            raise Refusal(Notify.NO_PROPOSAL_CHOSEN, text)
        if (flow.owner.name, int.from_bytes(choice.spi, "big")) in core.outbound:
            core.counters["spi_in_use"] += 1  # it names an SA of this owner's in the plane, maybe another peer's
            raise Refusal(Notify.TEMPORARY_FAILURE, "the peer's SPI is in use here")
        payloads: list[Payload] = []
        shared: Secret | None = None
        if first:
            exchange.nonces = sa.nonces
        else:
            exchange.nonces = (one(chain, Nonce).data, core.random(NONCE_OCTETS))
            payloads.append(Nonce(exchange.nonces[1]))
            public, shared = self._exchange(choice, chain)
            payloads += public
        transport = flow.settings.transport and choice.transform_set.transport
        transport = transport and notified(chain, Notify.USE_TRANSPORT_MODE) is not None
        exchange.selectors = answer_to(sa, flow, chain, rows)
        if transport:
            payloads.insert(0, Notification(Notify.USE_TRANSPORT_MODE))
        answer = choice.answer(exchange.inbound_spi.to_bytes(4, "big"))
        payloads = [answer, *payloads, *exchange.selectors]
        sa.exchanges.append(exchange)
        flow.exchanges.append(exchange)
        exchange.advance(Event.RECEIVE_CHILD)
        exchange.answer = done
        exchange.child = self._make(exchange, flow, choice, rows, shared, transport=transport)
        own = self._own_rekeying(sa, exchange.replaces)
        if own is not None:
            own.rival = exchange.child
        self._install(exchange, exchange.child, lambda: self._complete_responder(exchange, payloads))

    @staticmethod
    def _own_rekeying(sa: Ikev2Sa, replaced: ChildSa | None) -> ChildExchange | None:
        """This side's own exchange for the same pair, which is under way."""
        if replaced is None:
            return None
        own = (row for row in sa.exchanges if row.role is Role.INITIATOR and row.replaces is replaced)
        return next((row for row in own if row.state is State.CHILD_I_WAIT), None)

    def _exchange(self, choice: ChildChoice, chain: Chain) -> tuple[list[Payload], Secret | None]:
        """This side's half of the pair's own key exchange."""
        if choice.group is None:
            return [], None
        sent = [payload for payload in chain.payloads if isinstance(payload, KeyExchange)]
        if len(sent) != 1 or sent[0].group != choice.group.number:
            data = choice.group.number.to_bytes(2, "big")
            raise Refusal(Notify.INVALID_KE_PAYLOAD, "another group is wanted", data)
        try:
            public, shared = self.core.respond_key(choice.group, sent[0].data)
        except InvalidPublicValue as error:
            raise InvalidSyntax(str(error)) from error
        return [KeyExchange(choice.group.number, public)], shared

    def _asked(self, exchange: ChildExchange, chain: Chain, offered: SaPayload) -> tuple[Flow, tuple[Selector, ...]]:
        """The flow that the peer means, and what of it both sides want (section 2.9)."""
        sa = exchange.ike_sa
        asked = selectors_of(chain)
        replaced = exchange.replaces
        flows = [flow for flow in sa.tunnel.flows.values() if flow.owner.able]
        if replaced is not None:
            flows = [replaced.flow] if replaced.flow.owner.able else []
        best: tuple[int, Flow, tuple[Selector, ...]] | None = None
        for flow in flows:
            own = (flow.settings.selector, *flow.settings.more)
            tsi, tsr = between_hosts(sa, flow, *asked, initiator=False)
            rows = narrow(own, tsi, tsr, initiator=False)
            if rows:
                suits = fit(rows, own, read(tsi, tsr, initiator=False))
                if best is None or suits > best[0]:
                    best = (suits, flow, rows)
        if best is not None:
            return best[1], best[2]

        def fits(phase_two: PhaseTwo) -> bool:
            return choose_child(phase_two, offered, first=exchange.first, extended=EXTENDED) is not None

        for row in read(*asked, initiator=False):
            try:
                made = self.tunnels.dynamic.make_flow(sa, row, fits)
            except Postponed:
                self.core.counters["quick_modes_postponed"] += 1
                raise Refusal(Notify.TEMPORARY_FAILURE, "another peer has this traffic") from None
            if made is not None:
                return made, (row,)
        text = f"peer {sa.path.remote} asks for other traffic selectors than are configured here"
        self.core.counters["selectors_refused"] += 1
        own_rows = [row for flow in flows for row in (flow.settings.selector, *flow.settings.more)]
        self.core.error(sa.tunnel, "IPSEC_BAD_SELECTORS", text, explain(own_rows, *asked, initiator=False))
        raise Refusal(Notify.TS_UNACCEPTABLE, text)

    def _complete_responder(self, exchange: ChildExchange, payloads: Sequence[Payload]) -> None:
        child = exchange.child
        self._complete(exchange)
        self._answer(exchange, payloads)
        if child is None or child.removed:
            return
        sa, others = (
            exchange.ike_sa,
            [row for row in child.flow.children if row.outbound_requested and not row.removed and not row.stale],
        )
        rekeyed = exchange.replaces is not None and not exchange.replaces.removed
        # What came up while the peer was on its way to this one has not been lost by it.
        if any(
            row.selector == child.selector and (rekeyed or row.ike_sa is sa or row.completed >= sa.created)
            for row in others
        ):
            self.send_later(child)
        else:
            self.tunnels.children.install_outbound(child)

    def send_later(self, child: ChildSa) -> None:
        """Send on a pair once the peer has it, which it shows by deleting the old one; or after a time."""
        when = self.core.now + OUTBOUND_LATEST
        self.core.timers.set(("outbound", child), when, lambda: self.tunnels.children.install_outbound(child))

    # -- both --------------------------------------------------------------------------------------------------------

    def _make(
        self,
        exchange: ChildExchange,
        flow: Flow,
        choice: ChildChoice,
        rows: tuple[Selector, ...],
        shared: Secret | None,
        *,
        transport: bool,
    ) -> ChildSa:
        sa, row = exchange.ike_sa, choice.transform_set
        if sa.keys is None or row.encryption is None:
            raise InvalidSyntax("no keys")
        self.tunnels.dynamic.announce(flow)
        integrity = None if row.encryption.aead else row.integrity
        keys = child_keymat(
            sa.keys.prf,
            sa.keys.sk_d,
            row.encryption,
            integrity,
            nonces=exchange.nonces,
            shareds=() if shared is None else (shared,),
        )
        ours, theirs = ("out", "in") if exchange.role is Role.INITIATOR else ("in", "out")
        selector = rows[0]
        if flow.settings.selector.any and selector.any:
            selector = flow.settings.selector
        child = ChildSa(
            flow,
            selector,
            exchange.role is Role.INITIATOR,
            self.core.next_child_id(),
            exchange.inbound_spi,
            int.from_bytes(choice.spi, "big"),
            row if row.transport is transport else replace(row, transport=transport),
            choice.group.number if choice.group else None,
            sa.proved_path or sa.path,
            sa.nat,
            flow.settings.phase_two.lifetime_seconds,
            flow.settings.phase_two.lifetime_kilobytes,
            exchange.created,
            sa.peer_ranks,
            sa.nat_remote,
            ike_sa=sa,
            least_nonce=min(exchange.nonces),
            more=tuple(rows[1:]),
            extended=choice.esn,
            replaces=exchange.replaces if exchange.role is Role.INITIATOR else None,
            keys={
                f"{ours} encryption": keys.encryption_i,
                f"{ours} integrity": keys.integrity_i,
                f"{theirs} encryption": keys.encryption_r,
                f"{theirs} integrity": keys.integrity_r,
            },
        )
        flow.children.append(child)
        self.core.keep(child)
        exchange.key_pair = None
        return child

    def _install(self, exchange: ChildExchange, child: ChildSa, go_on: Callable[[], None]) -> None:
        def installed(result: str | Usage | None) -> None:
            if child.removed or not exchange.running:
                return
            if isinstance(result, str):
                self.core.error(child.flow, "IPSEC_INSTALL", f"the inbound SA could not be installed: {result}")
                self._fail(exchange, result)
                return
            exchange.advance(Event.INBOUND_INSTALLED)
            go_on()

        self.tunnels.children.install_inbound(child, installed)

    def _complete(self, exchange: ChildExchange) -> None:
        if exchange.child is not None:
            exchange.child.completed = self.core.now
        self._over(exchange)
        self.core.counters["ikev2_children_completed"] += 1

    def _over(self, exchange: ChildExchange) -> None:
        flow = exchange.flow
        if exchange in exchange.ike_sa.exchanges:
            exchange.ike_sa.exchanges.remove(exchange)
        exchange.key_pair = exchange.offered = exchange.selectors = None
        if flow is not None:
            if exchange in flow.exchanges:
                flow.exchanges.remove(exchange)
            self.tunnels.look(flow)

    def _fail(self, exchange: ChildExchange, text: str) -> None:
        """The exchange is over without a pair; its flow is tried again later. Other flows go on."""
        core, flow, tunnel = self.core, exchange.flow, exchange.ike_sa.tunnel
        core.counters["ikev2_children_failed"] += 1
        if flow is not None and not flow.trouble.since(exchange.created):
            core.error(flow, "IPSEC_NO_ANSWER", text, vague=True)
        self.discard(exchange)
        if flow is not None:
            self.tunnels.back_off_flow(flow)
        self.tunnels.evaluate(tunnel)

    def discard(self, exchange: ChildExchange) -> None:
        """End an exchange and what it had installed."""
        if not exchange.running:
            return
        exchange.advance(Event.FAIL)
        if exchange.ike_sa.first_child is exchange:
            exchange.ike_sa.first_child = None
        self._over(exchange)
        if exchange.child is None:
            self.core.free_spi(exchange.inbound_spi)
        else:
            self.tunnels.children.remove_pair(exchange.child)
        self._answer(exchange, [Notification(Notify.TEMPORARY_FAILURE)])

    @staticmethod
    def _answer(exchange: ChildExchange, payloads: Sequence[Payload]) -> None:
        """The peer's request has its response, once."""
        answer, exchange.answer = exchange.answer, None
        if answer is not None:
            answer(payloads)
