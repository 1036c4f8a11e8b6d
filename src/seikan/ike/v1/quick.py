"""Quick mode (RFC 2409 section 5.5): makes a pair of ESP SAs under a phase 1 SA, with or without PFS.

Order of installation: the responder has its inbound SA before it sends message 2, the initiator before message 3,
so no side can be sent a packet it cannot open. The responder's outbound SA follows message 3. The initiator's
follows its message 3 at once where the flow has no other pair; on a rekey it waits a little, since some peers
install their side only when message 3 reaches them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from seikan.crypto.key_exchange import InvalidPublicValue
from seikan.crypto.keys import closing_hash, keymat, phase2_iv
from seikan.crypto.prf import same
from seikan.ike.core import MAX_ANSWERS, MAX_TRIES, Core
from seikan.ike.dynamic import Postponed
from seikan.ike.effects import Path, Usage
from seikan.ike.errors import AbandonExchange
from seikan.ike.flows import MAX_PAIRS_OF_FLOW
from seikan.ike.policy import lifetimes
from seikan.ike.sa import ChildSa, Flow
from seikan.ike.selectors import identifications
from seikan.ike.settings import PhaseTwo
from seikan.ike.states import Event, Role
from seikan.ike.status import Mismatch
from seikan.ike.transforms import (
    LEAST_KILOBYTES,
    LEAST_SECONDS,
    SPI_OCTETS,
    Modes,
    Phase2Choice,
    bounded,
    choose,
    lifetime_attributes,
    offer,
    own_offer,
    smaller,
    unusable,
    usable_sets,
)
from seikan.ike.v1.envelope import InvalidHash, check_hash, header_of, seal, seal_hashed, unseal
from seikan.ike.v1.phase1 import NONCE_OCTETS, REPEAT_KEPT, nonce_of, one
from seikan.ike.v1.sa import IsakmpSa, QuickExchange
from seikan.wire.buffer import Buffer
from seikan.wire.constants import (
    GROUP_BY_NUMBER,
    ExchangeType,
    LifeType,
    NotifyType,
    Phase2Attribute,
    ProtocolId,
)
from seikan.wire.errors import PayloadMalformed, WireError
from seikan.wire.header import Header
from seikan.wire.message import Chain, push_chain
from seikan.wire.payloads import (
    HashPayload,
    Identification,
    KeyExchange,
    NatOriginalAddress,
    Nonce,
    Notification,
    Payload,
    SaPayload,
    pull_attributes,
    push_attribute,
)
from seikan.wire.secret import Secret
from seikan.wire.selector import Selector

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels
    from seikan.ike.v1.informational import Informational

MAX_EXCHANGES = 8  # quick modes that a peer may have under way at once under one phase 1 SA
MAX_REFUSED = 32  # message ids of refused ones that are told so again
MAX_OWN_EXCHANGES = 4  # those that this side begins; other flows wait for their turn


class QuickMode:
    def __init__(self, core: Core, tunnels: Tunnels, informational: Informational) -> None:
        self.core = core
        self.tunnels = tunnels
        self.informational = informational

    # -- initiator ---------------------------------------------------------------------------------------------------

    def start(self, sa: IsakmpSa, flow: Flow, selector: Selector) -> bool:
        """Send message 1 under `sa`; False, with a stated error, where there is nothing to propose."""
        core, phase_two = self.core, flow.settings.phase_two
        if (why := unusable(phase_two)) is not None:
            core.error(flow, "IPSEC_NO_TRANSFORM", why)
            return False
        if sa.keys is None:
            raise PayloadMalformed("no keys")
        exchange = QuickExchange(sa, Role.INITIATOR, core.new_message_id(sa), core.new_spi(), core.now, flow, selector)
        sa.quick[exchange.message_id] = exchange
        flow.exchanges.append(exchange)
        modes = self._modes(sa, flow)
        exchange.offered = offer(phase_two, modes, exchange.inbound_spi.to_bytes(4, "big"))
        exchange.nonces = (core.random(NONCE_OCTETS), b"")
        payloads: list[Payload] = [exchange.offered, Nonce(exchange.nonces[0])]
        if phase_two.pfs_group:
            exchange.key_pair = core.key_pair(GROUP_BY_NUMBER[phase_two.pfs_group])
            payloads.append(KeyExchange(exchange.key_pair.public))
        payloads += identifications(selector, initiator=True)
        if modes.original_addresses(usable_sets(phase_two.transform_sets)):
            payloads += self._original_addresses(sa, initiator=True)
        header = header_of(sa, ExchangeType.QUICK, exchange.message_id)
        iv = phase2_iv(sa.keys, sa.iv, exchange.message_id)
        message, exchange.iv = seal_hashed(sa.keys, iv, header, payloads)
        exchange.advance(Event.SEND_QM1)
        core.debug("isakmp", "{}: beginning Quick Mode exchange, M-ID of {}", sa.label, exchange.message_id)
        self._send(exchange, message, b"", repeat=True)
        return True

    @staticmethod
    def _original_addresses(sa: IsakmpSa, *, initiator: bool) -> list[Payload]:
        """NAT-OAi and NAT-OAr (RFC 3947 section 5.2): each side's own address, and the other's as it sees it."""
        pair = (sa.path.local, sa.path.remote) if initiator else (sa.path.remote, sa.path.local)
        return [NatOriginalAddress(address, sa.nat_draft) for address in pair]

    def _message_2(self, exchange: QuickExchange, header: Header, data: bytes) -> None:
        sa, core, flow = exchange.ike_sa, self.core, exchange.flow
        if sa.keys is None or exchange.offered is None or flow is None:
            raise PayloadMalformed("no keys")
        chain, iv = unseal(sa.keys, exchange.iv, header, data)
        check_hash(sa.keys, header.message_id, chain, exchange.nonces[0])
        # From here on the peer is the one that proved the key in phase 1; what it sends may end the exchange.
        identities = [payload for payload in chain.payloads if isinstance(payload, Identification)]
        selector = self.tunnels.flows.asked(sa, identities, initiator=True)
        if selector is None or not (selector == exchange.selector or self.tunnels.flows.same(sa, flow, selector)):
            self._other_selectors(sa, identities, initiator=True)
        choice = self._choice(exchange, flow, chain)
        nonce = nonce_of(chain)
        exchange.nonces = (exchange.nonces[0], nonce)
        shared = self._shared(exchange, chain, choice)
        seconds, kilobytes = self._shortened(chain, choice)
        exchange.advance(Event.RECEIVE_QM2)
        core.timers.cancel(("retransmit", exchange))
        body = push_chain([HashPayload(closing_hash(sa.keys, header.message_id, *exchange.nonces))])
        exchange.reply, exchange.iv = seal(sa.keys, iv, header_of(sa, ExchangeType.QUICK, header.message_id), *body)
        exchange.retransmission.request = data
        exchange.child = self._make_child(exchange, flow, choice, shared, seconds, kilobytes)
        self.tunnels.touch(sa)
        self._install_inbound(exchange, exchange.child)

    @staticmethod
    def _shortened(chain: Chain, choice: Phase2Choice) -> tuple[int, int]:
        """The lifetimes after a RESPONDER-LIFETIME (RFC 2407 section 4.6.3.1)."""
        seconds, kilobytes = choice.lifetime_seconds, choice.lifetime_kilobytes
        for payload in chain.payloads:
            if isinstance(payload, Notification) and payload.type == NotifyType.RESPONDER_LIFETIME:
                attributes = pull_attributes(Buffer(payload.data))
                limits = lifetimes(attributes, Phase2Attribute.LIFE_TYPE, Phase2Attribute.LIFE_DURATION)
                seconds = smaller(seconds, bounded(limits.get(LifeType.SECONDS, 0), LEAST_SECONDS))
                kilobytes = smaller(kilobytes, bounded(limits.get(LifeType.KILOBYTES, 0), LEAST_KILOBYTES))
        return seconds, kilobytes

    # -- responder ---------------------------------------------------------------------------------------------------

    def respond(self, sa: IsakmpSa, header: Header, data: bytes, path: Path) -> None:
        """Message 1 under an established SA."""
        core = self.core
        if header.message_id in sa.finished:
            core.counters["duplicates"] += 1
            self._refuse_again(sa, header.message_id)
            return
        if sa.exhausted:
            core.counters["message_ids_exhausted"] += 1
            return
        if self.running(sa, Role.RESPONDER) >= MAX_EXCHANGES:
            core.counters["quick_mode_limit"] += 1
            return
        if sa.keys is None:
            raise PayloadMalformed("no keys")
        chain, iv = unseal(sa.keys, phase2_iv(sa.keys, sa.iv, header.message_id), header, data)
        check_hash(sa.keys, header.message_id, chain)
        self.tunnels.touch(sa, path)
        if not core.quick_mode_rate.allow(sa.tunnel.name, core.now):
            core.counters["quick_modes_limited"] += 1  # its repetition may be in time
            return
        exchange = QuickExchange(sa, Role.RESPONDER, header.message_id, core.new_spi(), core.now)
        try:
            if not sa.tunnel.able:
                raise AbandonExchange(f"{sa.tunnel.name} is down here")
            self._answer(exchange, chain, iv, data)
        except Postponed:
            core.counters["quick_modes_postponed"] += 1
            core.free_spi(exchange.inbound_spi)
        except (AbandonExchange, WireError) as error:
            self._refuse(sa, chain, exchange, error)

    @staticmethod
    def running(sa: IsakmpSa, role: Role) -> int:
        """How many quick modes are under way in which this side has `role`."""
        return sum(exchange.running and exchange.role is role for exchange in sa.quick.values())

    def _answer(self, exchange: QuickExchange, chain: Chain, iv: bytes, data: bytes) -> None:
        sa, core = exchange.ike_sa, self.core
        if sa.keys is None:
            raise PayloadMalformed("no keys")
        identities = [payload for payload in chain.payloads if isinstance(payload, Identification)]
        flow, exchange.selector = self._asked(sa, identities, one(chain, SaPayload))
        exchange.flow = flow
        if len(flow.children) >= MAX_PAIRS_OF_FLOW:
            core.counters["pairs_of_flow_limit"] += 1
            raise AbandonExchange("too many IPsec SAs of one flow")
        choice = self._choice(exchange, flow, chain)
        exchange.nonces = (nonce_of(chain), core.random(NONCE_OCTETS))
        payloads: list[Payload] = []
        if choice.pfs_group:
            exchange.key_pair = core.key_pair(GROUP_BY_NUMBER[choice.pfs_group])
            payloads.append(KeyExchange(exchange.key_pair.public))
        shared = self._shared(exchange, chain, choice)
        payloads += identities
        if choice.transform_set.transport and sa.nat:
            payloads += self._original_addresses(sa, initiator=False)
        spi = exchange.inbound_spi.to_bytes(4, "big")
        chosen = choice.proposal
        answer = SaPayload((type(chosen)(chosen.number, chosen.protocol, spi, chosen.transforms),))
        if choice.shortened:
            attributes = lifetime_attributes(choice.lifetime_seconds, choice.lifetime_kilobytes)
            octets = b"".join(push_attribute(attribute) for attribute in attributes)
            payloads.append(Notification(ProtocolId.ESP, spi, NotifyType.RESPONDER_LIFETIME, octets))
        header = header_of(sa, ExchangeType.QUICK, exchange.message_id)
        payloads = [answer, Nonce(exchange.nonces[1]), *payloads]
        exchange.reply, exchange.iv = seal_hashed(sa.keys, iv, header, payloads, exchange.nonces[0])
        exchange.retransmission.request = data
        exchange.advance(Event.RECEIVE_QM1)
        sa.quick[exchange.message_id] = exchange
        flow.exchanges.append(exchange)
        limits = (choice.lifetime_seconds, choice.lifetime_kilobytes)
        exchange.child = self._make_child(exchange, flow, choice, shared, *limits)
        self._install_inbound(exchange, exchange.child)

    def _asked(self, sa: IsakmpSa, identities: list[Identification], offered: SaPayload) -> tuple[Flow, Selector]:
        """The flow that message 1 asks for, or a refusal that names both sides' selectors."""
        selector = self.tunnels.flows.asked(sa, identities, initiator=False)
        if selector is None:
            self._other_selectors(sa, identities, initiator=False)
        found = self.tunnels.flows.find(sa, selector)
        if found is not None:
            return found

        def fits(phase_two: PhaseTwo) -> bool:
            modes = Modes(sa.nat, sa.nat_draft)
            return isinstance(choose(phase_two, modes, offered, initiator=False), Phase2Choice)

        flow = self.tunnels.dynamic.make_flow(sa, selector, fits)
        if flow is None:
            self._other_selectors(sa, identities, initiator=False)
        return flow, selector

    def _other_selectors(self, sa: IsakmpSa, identities: list[Identification], *, initiator: bool) -> NoReturn:
        text = f"peer {sa.path.remote} asks for other traffic selectors than are configured here"
        self.core.counters["selectors_refused"] += 1
        rows = (self.tunnels.flows.mismatch(sa.tunnel, identities if initiator else identities[::-1]),)
        self.core.error(sa.tunnel, "IPSEC_BAD_SELECTORS", text, rows)
        raise AbandonExchange(text, NotifyType.INVALID_ID_INFORMATION)

    def _message_3(self, exchange: QuickExchange, header: Header, data: bytes) -> None:
        sa, child = exchange.ike_sa, exchange.child
        if sa.keys is None or child is None:
            raise PayloadMalformed("no keys")
        chain, _ = unseal(sa.keys, exchange.iv, header, data)
        expected = closing_hash(sa.keys, header.message_id, *exchange.nonces)
        if not same(one(chain, HashPayload).data, expected):
            raise InvalidHash("HASH(3) does not fit")
        exchange.advance(Event.RECEIVE_QM3)
        self.core.timers.cancel(("retransmit", exchange))
        self.tunnels.touch(sa)
        self._complete(exchange)
        self.tunnels.children.install_outbound(child)

    # -- both --------------------------------------------------------------------------------------------------------

    def handle(self, sa: IsakmpSa, header: Header, data: bytes, path: Path) -> None:
        exchange = sa.quick.get(header.message_id)
        if exchange is None:
            self.respond(sa, header, data, path)
            return
        state = exchange.retransmission
        if data == state.request:
            self.core.counters["duplicates"] += 1
            if state.sent and state.answers < MAX_ANSWERS:
                state.answers += 1
                self.core.send(sa, sa.path, state.sent)
                if exchange.child and not exchange.running:
                    self.tunnels.children.peer_is_late(exchange.child)
            return
        try:
            match exchange.expects():
                case Event.RECEIVE_QM2:
                    self._message_2(exchange, header, data)
                case Event.RECEIVE_QM3:
                    self._message_3(exchange, header, data)
                case _:
                    self.core.counters["unexpected_messages"] += 1
        except AbandonExchange as error:
            self.informational.notify(sa, error.notify, exchange.inbound_spi)
            self.fail(exchange, str(error))

    def _choice(self, exchange: QuickExchange, flow: Flow, chain: Chain) -> Phase2Choice:
        sa = exchange.ike_sa
        payload = one(chain, SaPayload)
        initiator = exchange.role is Role.INITIATOR
        choice = choose(flow.settings.phase_two, self._modes(sa, flow), payload, initiator=initiator)
        if isinstance(choice, Phase2Choice):
            if (flow.owner.name, int.from_bytes(choice.spi, "big")) in self.core.outbound:
                # It names an SA of this owner's in the plane, maybe another peer's.
                self.core.counters["spi_in_use"] += 1
                raise AbandonExchange("the peer's SPI is in use here", NotifyType.INVALID_SPI)
            return choice
        self.core.counters["no_proposal_chosen"] += 1
        text = f"no transform set in common with peer {sa.path.remote}{self.tunnels.flows.about(flow)}"
        self.core.error(flow, "IPSEC_NO_PROPOSAL", text, choice)
        raise AbandonExchange(text)

    def _shared(self, exchange: QuickExchange, chain: Chain, choice: Phase2Choice) -> Secret | None:
        """g(qm)^xy where PFS was agreed; a KE payload must be there exactly then."""
        sent = [payload for payload in chain.payloads if isinstance(payload, KeyExchange)]
        if choice.pfs_group is None:
            return None
        if len(sent) != 1 or exchange.key_pair is None:
            raise AbandonExchange("PFS was agreed but no key exchange was sent", NotifyType.INVALID_KEY_INFORMATION)
        try:
            return exchange.key_pair.shared(sent[0].data)
        except InvalidPublicValue as error:
            raise AbandonExchange(str(error), NotifyType.INVALID_KEY_INFORMATION) from error

    @staticmethod
    def _modes(sa: IsakmpSa, flow: Flow) -> Modes:
        return Modes(sa.nat, sa.nat_draft, flow.settings.transport)

    def _make_child(
        self,
        exchange: QuickExchange,
        flow: Flow,
        choice: Phase2Choice,
        shared: Secret | None,
        seconds: int,
        kilobytes: int,
    ) -> ChildSa:
        sa = exchange.ike_sa
        encryption, integrity = choice.transform_set.encryption, choice.transform_set.integrity
        if sa.keys is None or encryption is None:
            raise PayloadMalformed("no keys")
        self.tunnels.dynamic.announce(flow)
        size = encryption.key_bits // 8 + encryption.salt
        total = size + (integrity.key if integrity and not encryption.aead else 0)
        spis = {"in": exchange.inbound_spi.to_bytes(4, "big"), "out": choice.spi}
        keys: dict[str, Secret] = {}
        for side, spi in spis.items():
            material = keymat(sa.keys, ProtocolId.ESP, spi, *exchange.nonces, total, shared)
            keys[f"{side} encryption"], keys[f"{side} integrity"] = Secret(material[:size]), Secret(material[size:])
        child = ChildSa(
            flow,
            exchange.selector or flow.settings.selector,
            exchange.role is Role.INITIATOR,
            self.core.next_child_id(),
            exchange.inbound_spi,
            int.from_bytes(choice.spi, "big"),
            choice.transform_set,
            choice.pfs_group,
            sa.path,
            sa.nat,
            seconds,
            kilobytes,
            exchange.created,
            sa.peer_ranks,
            sa.nat_remote,
            keys=keys,
        )
        flow.children.append(child)
        self.core.keep(child)
        exchange.key_pair = None
        return child

    def _install_inbound(self, exchange: QuickExchange, child: ChildSa) -> None:
        def installed(result: str | Usage | None) -> None:
            if child.removed or not exchange.running:
                return
            if isinstance(result, str):
                self.core.error(child.flow, "IPSEC_INSTALL", f"the inbound SA could not be installed: {result}")
                self.fail(exchange, result)
                return
            self._inbound_installed(exchange, child)

        self.tunnels.children.install_inbound(child, installed)

    def _inbound_installed(self, exchange: QuickExchange, child: ChildSa) -> None:
        exchange.advance(Event.INBOUND_INSTALLED)
        request = exchange.retransmission.request
        if exchange.role is Role.RESPONDER:
            self._send(exchange, exchange.reply, request, repeat=True)
            return
        others = [pair for pair in child.flow.usable(child.selector) if pair is not child and not pair.stale]
        if not others:
            self.tunnels.children.install_outbound(child)
        self._send(exchange, exchange.reply, request, repeat=False)
        if others:
            self.tunnels.children.install_outbound_later(child)
        self._complete(exchange)

    def _complete(self, exchange: QuickExchange) -> None:
        """Keep the exchange for a while: a peer that missed the last message asks again."""
        if exchange.child:
            exchange.child.completed = self.core.now
        self._over(exchange)
        exchange.offered = exchange.key_pair = None
        exchange.nonces = (b"", b"")
        self.informational.finish_message(exchange.ike_sa, exchange.message_id)
        self.core.counters["quick_modes_completed"] += 1
        self.core.timers.set(("forget", exchange), self.core.now + REPEAT_KEPT, lambda: self._forget(exchange))

    def _over(self, exchange: QuickExchange) -> None:
        flow = exchange.flow
        if flow is not None:
            if exchange in flow.exchanges:
                flow.exchanges.remove(exchange)
            self.tunnels.look(flow)

    @staticmethod
    def _forget(exchange: QuickExchange) -> None:
        exchange.ike_sa.quick.pop(exchange.message_id, None)

    def _send(self, exchange: QuickExchange, data: bytes, request: bytes, *, repeat: bool) -> None:
        state = exchange.retransmission
        state.sent, state.request, state.tries, state.answers = data, request, 0, 0
        self.core.send(exchange.ike_sa, exchange.ike_sa.path, data)
        if repeat:
            self.core.retransmit(("retransmit", exchange), 0, lambda: self._repeat(exchange))

    def _repeat(self, exchange: QuickExchange) -> None:
        state, sa = exchange.retransmission, exchange.ike_sa
        if state.tries >= MAX_TRIES:
            alive = sa.heard_at > exchange.created
            about = self.tunnels.flows.about(exchange.flow) if exchange.flow else ""
            self.fail(exchange, f"peer {sa.path.remote} does not answer (quick mode){about}", waited=not alive)
            if not alive:
                # The peer has lost this phase 1 SA, or is gone: a new phase 1 finds out which.
                self.tunnels.lost(sa)
            return
        state.tries += 1
        self.core.counters["retransmissions"] += 1
        self.core.debug("isakmp", "{}: retransmitting phase 2 {} {}", sa.label, exchange.state.value, state.tries)
        self.core.send(sa, sa.path, state.sent)
        self.core.retransmit(("retransmit", exchange), state.tries, lambda: self._repeat(exchange))

    def _refuse(self, sa: IsakmpSa, chain: Chain, exchange: QuickExchange, error: AbandonExchange | WireError) -> None:
        """Tell the authenticated peer why its message 1 was not accepted; the notify names it by the peer's SPI."""
        self.informational.finish_message(sa, exchange.message_id)
        self.core.counters["quick_mode_refused"] += 1
        self.core.debug("ipsec", "{}: quick mode refused: {}", sa.label, error)
        self.discard(exchange)
        offered = [row.spi for part in chain.payloads if isinstance(part, SaPayload) for row in part.proposals]
        spi = next((int.from_bytes(spi, "big") for spi in offered if len(spi) == SPI_OCTETS), exchange.inbound_spi)
        sa.refused[exchange.message_id] = (error.notify, spi)
        if len(sa.refused) > MAX_REFUSED:
            del sa.refused[next(iter(sa.refused))]
        self.informational.notify(sa, error.notify, spi)
        self.tunnels.evaluate(sa.tunnel)

    def _refuse_again(self, sa: IsakmpSa, message_id: int) -> None:
        """The peer repeats a message 1 that was refused: the notify was lost."""
        refusal = sa.refused.get(message_id)
        if refusal is not None and self.core.error_replies.allow((sa.path.remote, "refused"), self.core.now):
            self.informational.notify(sa, *refusal)

    def fail(self, exchange: QuickExchange, text: str, *, waited: bool = False) -> None:
        """The exchange is over without a pair; its flow is tried again later, or soon where it has `waited`. Other
        flows go on.
        """
        core, flow, tunnel = self.core, exchange.flow, exchange.ike_sa.tunnel
        core.counters["quick_modes_failed"] += 1
        if not (flow or tunnel).trouble.since(exchange.created):
            core.error(flow or tunnel, "IPSEC_NO_ANSWER", text, vague=True)
        core.log(6, "IKMP_MODE_FAILURE", f"Processing of Quick mode failed with peer at {exchange.ike_sa.path.remote}")
        self.discard(exchange)
        if flow is not None:
            (self.tunnels.evaluate_flow_soon if waited else self.tunnels.back_off_flow)(flow)
        if not waited:
            self.tunnels.evaluate(tunnel)

    def refused(self, sa: IsakmpSa, kind: int, name: str, spi: bytes) -> bool:
        """An authenticated error notify: it ends the quick mode it names, or the only one under way."""
        waiting = [exchange for exchange in sa.quick.values() if exchange.expects() is Event.RECEIVE_QM2]
        running = [exchange for exchange in sa.quick.values() if exchange.running]
        named = [exchange for exchange in running if spi in self._spis(exchange)]
        ended = named or (waiting if len(waiting) == 1 else [])
        for exchange in ended:
            flow, about = exchange.flow, ""
            mismatches: tuple[Mismatch, ...] = ()
            if flow is not None:
                about = self.tunnels.flows.about(flow)
                if kind == NotifyType.NO_PROPOSAL_CHOSEN:
                    mismatches = own_offer(flow.settings.phase_two, self._modes(sa, flow))
            text = f"peer {sa.path.remote} refused quick mode ({name}){about}"
            self.core.error(flow or sa.tunnel, "IPSEC_REFUSED", text, mismatches, vague=True)
            self.fail(exchange, name)
        return bool(ended)

    @staticmethod
    def _spis(exchange: QuickExchange) -> list[bytes]:
        """The SPIs by which a notify names an exchange: ours, or that of the peer's offer."""
        numbers = [exchange.inbound_spi, *([exchange.child.outbound_spi] if exchange.child else [])]
        return [number.to_bytes(4, "big") for number in numbers]

    def discard(self, exchange: QuickExchange) -> None:
        """End an exchange and what it had installed; its message id starts nothing again."""
        running = exchange.running
        if running:
            exchange.advance(Event.FAIL)
        self.core.timers.cancel(("retransmit", exchange))
        self.core.timers.cancel(("forget", exchange))
        exchange.ike_sa.quick.pop(exchange.message_id, None)
        self._over(exchange)
        self.informational.finish_message(exchange.ike_sa, exchange.message_id)
        if exchange.child is None:
            self.core.free_spi(exchange.inbound_spi)
        # The pair of an exchange that is over is the flow's, though its outbound side may still wait.
        if running and exchange.child:
            self.tunnels.children.remove_pair(exchange.child)
