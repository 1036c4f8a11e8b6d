"""IKEv1 as the rooms of both versions see it, and its messages on their way to the exchange that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seikan.ike.admission import MAX_HALF_OPEN_OF_ADDRESS, MAX_HALF_OPEN_OF_PEER
from seikan.ike.core import ERROR_REPEAT, Core
from seikan.ike.effects import Path
from seikan.ike.errors import AbandonExchange
from seikan.ike.limits import RateLimit, source
from seikan.ike.sa import ChildSa, Flow, Tunnel
from seikan.ike.settings import TunnelSettings
from seikan.ike.states import Event, Role, State
from seikan.ike.v1.aggressive import AggressiveMode
from seikan.ike.v1.informational import Informational
from seikan.ike.v1.main import MainMode
from seikan.ike.v1.quick import MAX_OWN_EXCHANGES, QuickMode
from seikan.ike.v1.sa import IsakmpSa, QuickExchange
from seikan.ike.winners import best_ike_sa
from seikan.wire.constants import ExchangeType, NotifyType, PayloadType
from seikan.wire.errors import InvalidMajorVersion, WireError
from seikan.wire.header import NO_COOKIE, Header, pull_header
from seikan.wire.selector import Selector

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels


class Isakmp:
    children_end = False
    linger = 2.0

    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self._told_no_sa = RateLimit(1 / ERROR_REPEAT, burst=1)  # by source: one that is refused sends again and again
        self.tunnels = tunnels
        self.informational = Informational(core, tunnels)
        self.main = MainMode(core, tunnels)
        self.aggressive = AggressiveMode(core, tunnels)
        self.quick = QuickMode(core, tunnels, self.informational)
        self.informational.quick = self.quick
        self.informational.phase1 = self.main

    # -- what `ike.version.Version` asks ------------------------------------------------------------------------------

    def start(self, tunnel: Tunnel) -> bool:
        profile = self.core.profile_of(tunnel)
        aggressive = tunnel.settings.aggressive_identity is not None or (profile is not None and profile.aggressive)
        return (self.aggressive if aggressive and tunnel.session is None else self.main).start(tunnel)

    def repeat(self, sa: IsakmpSa) -> None:
        (self.aggressive if sa.aggressive else self.main).repeat(sa)

    def enter(self, sa: IsakmpSa) -> None:
        self.core.ike_sas[sa.cookie_i, sa.cookie_r] = sa
        if not sa.initiator:
            sa.first_message = (sa.cookie_i, sa.path.remote)
            self.core.first_messages[sa.first_message] = sa

    def leave(self, sa: IsakmpSa, *, linger: bool) -> None:
        core = self.core
        for exchange in list(sa.quick.values()):
            self.quick.discard(exchange)
        sa.advance(Event.DELETE)
        core.ike_sas.pop((sa.cookie_i, sa.cookie_r), None)
        if sa.first_message is not None and core.first_messages.get(sa.first_message) is sa:
            del core.first_messages[sa.first_message]
        sa.forget_exchange()
        if linger:
            core.lingering[sa.cookie_i, sa.cookie_r] = sa
        else:
            sa.keys = None

    def gone(self, sa: IsakmpSa) -> None:
        if self.core.lingering.get((sa.cookie_i, sa.cookie_r)) is sa:
            del self.core.lingering[sa.cookie_i, sa.cookie_r]
        sa.keys = None

    def renew(self, sa: IsakmpSa) -> bool:
        return False

    def room(self, sa: IsakmpSa) -> int:
        return MAX_OWN_EXCHANGES - self.quick.running(sa, Role.INITIATOR)

    def busy(self, sa: IsakmpSa) -> bool:
        return any(exchange.running for exchange in sa.quick.values())

    def start_child(self, sa: IsakmpSa, flow: Flow, selector: Selector) -> bool:
        return self.quick.start(sa, flow, selector)

    def discard(self, exchange: QuickExchange) -> None:
        self.quick.discard(exchange)

    def tell_ike_deleted(self, sa: IsakmpSa) -> None:
        self.informational.delete_ike(sa)

    def tell_child_deleted(self, child: ChildSa) -> None:
        sa = best_ike_sa(child.tunnel.established())
        if isinstance(sa, IsakmpSa):
            self.informational.delete_child(sa, child)

    def child_in_use(self, child: ChildSa) -> None:
        """What it replaces goes when it has lost for a while (`Children.settle`)."""

    def can_follow(self, tunnel: Tunnel, row: TunnelSettings) -> bool:
        return False

    def follow(self, tunnel: Tunnel) -> None:
        """Nothing of IKEv1 moves."""

    def turn_away(self, sa: IsakmpSa) -> None:
        self.tunnels.drop(sa)

    def ask(self, sa: IsakmpSa) -> bool:
        return self.informational.ask(sa)

    def watch(self, sa: IsakmpSa) -> None:
        self.informational.schedule_dpd(sa)

    def told(self, child: ChildSa) -> bool:
        return True

    def unknown_spi(self, sa: IsakmpSa, spi: int) -> None:
        self.informational.notify(sa, NotifyType.INVALID_SPI, spi)

    # -- messages ----------------------------------------------------------------------------------------------------

    def handle_datagram(self, data: bytes, path: Path) -> None:
        """One message, whatever is wrong with it."""
        core = self.core
        try:
            header = pull_header(data)
        except WireError as error:
            self._malformed(error, path)
            tunnel = core.ends.get((path.local, path.remote))
            if isinstance(error, InvalidMajorVersion) and tunnel is not None:
                core.other_version(tunnel, 2)
            return
        try:
            if header.next_payload == PayloadType.FRAGMENT:
                whole = self._fragment(header, data, path)
                if whole is None:
                    return
                data, header = whole, pull_header(whole)
            self._dispatch(header, data, path)
        except AbandonExchange as error:
            core.send_error(header, path, NotifyType(error.notify))
        except WireError as error:
            self._malformed(error, path)
            if header.responder_cookie == NO_COOKIE and (path.local, path.remote) in core.ends:
                core.send_error(header, path, NotifyType(error.notify))

    def _malformed(self, error: WireError, path: Path) -> None:
        name = type(error).__name__
        core = self.core
        core.counters[f"dropped_{name}"] += 1
        if (path.local, path.remote) in core.ends and core.error_replies.allow("malformed", core.now):
            text = f"IKE message from {path.remote} failed its sanity check or is malformed"
            core.log(4, "IKMP_BAD_MESSAGE", text)
        core.debug("isakmp", "ISAKMP: message from {} dropped, {}: {}", path.remote, name, error)

    def _fragment(self, header: Header, data: bytes, path: Path) -> bytes | None:
        core = self.core
        # Message 2 may come in fragments, before the responder's cookie is known.
        cookies = (header.responder_cookie, NO_COOKIE)
        known = any((header.initiator_cookie, cookie) in core.ike_sas for cookie in cookies)
        if not core.settings.fragmentation or not known:
            core.counters["fragments_refused"] += 1
            return None
        core.counters["fragments_received"] += 1
        return core.fragments.add(header, data, path, core.now)

    def _dispatch(self, header: Header, data: bytes, path: Path) -> None:
        core = self.core
        if not core.settings.enabled:
            core.counters["dropped_disabled"] += 1
            return
        if header.responder_cookie == NO_COOKIE and header.exchange in (ExchangeType.MAIN, ExchangeType.AGGRESSIVE):
            self._first_message(header, data, path)
            return
        sa = core.ike_sas.get((header.initiator_cookie, header.responder_cookie))
        if sa is None and header.exchange in (ExchangeType.MAIN, ExchangeType.AGGRESSIVE, ExchangeType.INFORMATIONAL):
            sa = core.ike_sas.get((header.initiator_cookie, NO_COOKIE))  # the answer to our first message
        if sa is None:
            late = core.lingering.get((header.initiator_cookie, header.responder_cookie))
            if late is not None and header.exchange is ExchangeType.INFORMATIONAL and header.encrypted:
                self.informational.handle(late, header, data, path)
            else:
                self._no_sa(path)
            return
        detected = sa.state in (State.MM_KEY_EXCH, State.QM_IDLE)
        may_move = sa.nat_remote if detected else sa.nat_vendor is not None
        if path.remote != sa.path.remote and not may_move:
            core.counters["dropped_wrong_address"] += 1
            return
        core.debug(
            "isakmp",
            "{}: received packet from {} dport {} sport {} ({}) {}",
            *(sa.label, path.remote, path.local_port, path.remote_port, sa.role.letter, sa.state.value),
        )
        match header.exchange:
            case ExchangeType.MAIN if not sa.aggressive:
                self.main.handle(sa, header, data, path)
            case ExchangeType.AGGRESSIVE if sa.aggressive:
                self.aggressive.handle(sa, header, data, path)
            case ExchangeType.INFORMATIONAL if not header.encrypted:
                self.informational.handle_clear(sa, header, data)
            case ExchangeType.QUICK | ExchangeType.INFORMATIONAL if not header.encrypted or not header.message_id:
                core.counters["not_encrypted"] += 1
            case ExchangeType.QUICK if sa.established:
                self.quick.handle(sa, header, data, path)
            case ExchangeType.INFORMATIONAL if sa.established:
                self.informational.handle(sa, header, data, path)
            case ExchangeType.QUICK | ExchangeType.INFORMATIONAL if sa.state is State.AG_INIT_EXCH:
                # The peer goes on, so its message 3 was lost: it sends that again when message 2 comes again.
                self.aggressive.answer_again(sa, path)
            case ExchangeType.INFORMATIONAL:
                core.counters["unexpected_messages"] += 1
                self.main.unreadable_answer(sa)
            case _:
                core.counters["unexpected_messages"] += 1

    def _no_sa(self, path: Path) -> None:
        core = self.core
        core.counters["no_sa"] += 1
        if self._told_no_sa.allow(source(path.remote), core.now) and core.error_replies.allow("log", core.now):
            text = f"IKE message from {path.remote} has no SA and is not an initialization offer"
            core.log(4, "IKMP_NO_SA", text)

    def _first_message(self, header: Header, data: bytes, path: Path) -> None:
        """Message 1. State is made only for the address of a tunnel that can run, or where something is there for
        peers of any address, within the limits.
        """
        core = self.core
        aggressive = header.exchange is ExchangeType.AGGRESSIVE
        mode = self.aggressive if aggressive else self.main
        begun = core.first_messages.get((header.initiator_cookie, path.remote))
        if begun is not None:
            if data == begun.retransmission.request:
                mode.answer_again(begun, path)
            else:
                core.counters["unexpected_messages"] += 1
            return
        if not core.first_message_rate.allow(source(path.remote), core.now):
            core.counters["first_messages_limited"] += 1
            return
        tunnel = core.ends.get((path.local, path.remote))
        if tunnel is None:
            self._stranger(mode, header, data, path)
            return
        if tunnel.version != 1:
            core.counters["ikev1_not_configured"] += 1
            core.other_version(tunnel, 1)
            return
        if not tunnel.able:
            core.counters["tunnel_not_able"] += 1
            return
        if aggressive and not core.settings.aggressive_mode:
            core.counters["aggressive_mode_refused"] += 1
            raise AbandonExchange("aggressive mode is off", NotifyType.UNSUPPORTED_EXCHANGE_TYPE)
        known = bool(tunnel.established())
        if not self.tunnels.admission.admits(path, tunnel, MAX_HALF_OPEN_OF_PEER, known=known):
            return
        if self.tunnels.defer(tunnel, header.initiator_cookie):
            return
        core.debug("isakmp", "ISAKMP:(0): received packet from {} (N) NEW SA", path.remote)
        mode.respond(tunnel, header, data, path)

    def _stranger(self, mode: MainMode | AggressiveMode, header: Header, data: bytes, path: Path) -> None:
        """Message 1 from an address that no tunnel has; whatever is wrong with it, nothing is said."""
        core = self.core
        aggressive = header.exchange is ExchangeType.AGGRESSIVE
        if aggressive and not core.settings.aggressive_mode:
            core.counters["aggressive_mode_refused"] += 1
            return
        tunnel = self.tunnels.peers.provisional(path, named=aggressive)
        if tunnel is None:
            return
        known = any(other.session for other in core.by_remote.get(path.remote, ()))
        if self.tunnels.admission.admits(path, source(path.remote), MAX_HALF_OPEN_OF_ADDRESS, known=known):
            core.debug("isakmp", "ISAKMP:(0): received packet from {} (N) NEW SA", path.remote)
            mode.respond(tunnel, header, data, path)
