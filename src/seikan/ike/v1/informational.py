"""The informational exchange: notify, delete, dead peer detection (RFC 2409 section 5.7, RFC 3706)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seikan.crypto.keys import phase2_iv
from seikan.ike.core import Core
from seikan.ike.effects import Path, Usage
from seikan.ike.sa import ChildSa
from seikan.ike.v1.envelope import check_hash, header_of, seal_hashed, unseal
from seikan.ike.v1.phase1 import notify_name
from seikan.ike.v1.sa import MAX_FINISHED, IsakmpSa
from seikan.wire.constants import LAST_ERROR_NOTIFY, ExchangeType, NotifyType, ProtocolId
from seikan.wire.header import HEADER_OCTETS, Header
from seikan.wire.message import pull_chain
from seikan.wire.payloads import Delete, Notification, Payload

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels
    from seikan.ike.v1.phase1 import Phase1
    from seikan.ike.v1.quick import QuickMode

DPD_TRIES = 5
EXPIRE_AT = MAX_FINISHED * 4 // 5  # message ids after which a phase 1 SA is replaced
_SEQUENCE = 2**32


class Informational:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels
        self.quick: QuickMode
        self.phase1: Phase1

    # -- sending -----------------------------------------------------------------------------------------------------

    def send(self, sa: IsakmpSa, payloads: Sequence[Payload], *, early: bool = False) -> None:
        """One authenticated message under an established SA (`early`: or one that has keys); it has no answer and is
        not repeated.
        """
        if sa.keys is None or not (sa.established or early):
            return
        message_id = self.core.new_message_id(sa)
        header = header_of(sa, ExchangeType.INFORMATIONAL, message_id)
        message, _ = seal_hashed(sa.keys, phase2_iv(sa.keys, sa.iv, message_id), header, payloads)
        # HASH(1) does not tell who made it: our own message must not be taken for the peer's.
        self.finish_message(sa, message_id)
        self.core.send(sa, sa.path, message)

    def notify(self, sa: IsakmpSa, kind: int, spi: int | None = None) -> None:
        """Tell the peer of an error; `spi` is the ESP SA it is about."""
        octets = sa.cookie_i + sa.cookie_r if spi is None else spi.to_bytes(4, "big")
        self.core.debug("isakmp", "{}: sending notify {}", sa.label, notify_name(kind))
        self.send(sa, [Notification(ProtocolId.ISAKMP if spi is None else ProtocolId.ESP, octets, kind)])

    def delete_child(self, sa: IsakmpSa, child: ChildSa) -> None:
        """Announce that this side receives with the pair's inbound SPI no more."""
        self.send(sa, [Delete(ProtocolId.ESP, (child.inbound_spi.to_bytes(4, "big"),))])

    def say_no(self, sa: IsakmpSa) -> None:
        """Under a phase 1 SA that only the peer takes for complete: its identity is not wanted, and the SA goes."""
        cookies = sa.cookie_i + sa.cookie_r
        refusal = Notification(ProtocolId.ISAKMP, cookies, NotifyType.AUTHENTICATION_FAILED)
        self.send(sa, [refusal, Delete(ProtocolId.ISAKMP, (cookies,))], early=True)

    def delete_ike(self, sa: IsakmpSa) -> None:
        self.send(sa, [Delete(ProtocolId.ISAKMP, (sa.cookie_i + sa.cookie_r,))])

    def finish_message(self, sa: IsakmpSa, message_id: int) -> None:
        """Remember a message id, ours or the peer's, that must not start anything again; replace `sa` in time."""
        sa.finished.add(message_id)
        if not sa.established:
            return
        if sa.exhausted:
            self.core.timers.set(("hard", sa), self.core.now, lambda: self.tunnels.hard_expired(sa))
        elif len(sa.finished) >= EXPIRE_AT and not sa.expiring:
            self.core.timers.set(("soft", sa), self.core.now, lambda: self.tunnels.soft_expired(sa))

    # -- receiving ---------------------------------------------------------------------------------------------------

    def handle_clear(self, sa: IsakmpSa, header: Header, data: bytes) -> None:
        """A message in clear: at most a hint of why a phase 1 under way will fail."""
        chain = pull_chain(header.next_payload, data, HEADER_OCTETS)
        self.core.counters["unauthenticated_notifies"] += 1
        if sa.established:
            return
        for payload in chain.payloads:
            if isinstance(payload, Notification) and payload.type <= LAST_ERROR_NOTIFY:
                self.phase1.refused(sa, payload.type)

    def handle(self, sa: IsakmpSa, header: Header, data: bytes, path: Path) -> None:
        """An encrypted message under an established SA. Raises a `WireError` where it is not authentic."""
        if header.message_id in sa.finished or header.message_id in sa.quick:
            self.core.counters["duplicates"] += 1
            return
        if sa.keys is None:
            return
        if sa.exhausted:
            self.core.counters["message_ids_exhausted"] += 1
            return
        chain, _ = unseal(sa.keys, phase2_iv(sa.keys, sa.iv, header.message_id), header, data)
        check_hash(sa.keys, header.message_id, chain)
        self.finish_message(sa, header.message_id)
        for payload in chain.payloads:
            if isinstance(payload, Delete):
                self.tunnels.touch(sa, path)
                self._deleted(sa, payload)
            elif isinstance(payload, Notification):
                self._notified(sa, payload, path)

    def _deleted(self, sa: IsakmpSa, payload: Delete) -> None:
        self.core.counters["deletes_received"] += 1
        if payload.protocol == ProtocolId.ISAKMP:
            for cookies in payload.spis:
                target = self.core.ike_sas.get((cookies[:8], cookies[8:]))
                if target is not None and target.tunnel is sa.tunnel:
                    self.core.debug("isakmp", "{}: peer deletes phase 1 SA", target.label)
                    self.tunnels.drop(target, linger=True)
            self.tunnels.evaluate_soon(sa.tunnel)
        elif payload.protocol == ProtocolId.ESP:
            spis = {int.from_bytes(spi, "big") for spi in payload.spis if len(spi) == 4}
            for child in sa.tunnel.children:
                # RFC 2408 section 3.15 names the sender's inbound SPI; some peers name the other side's.
                if child.outbound_spi in spis or child.inbound_spi in spis:
                    self.core.debug("ipsec", "{}: peer deletes pair {}", sa.label, child.conn_id)
                    self.tunnels.children.peer_deleted(child)

    def _notified(self, sa: IsakmpSa, payload: Notification, path: Path) -> None:
        name = notify_name(payload.type)
        self.core.debug("isakmp", "{}: processing NOTIFY {}", sa.label, name)
        match payload.type:
            case NotifyType.R_U_THERE:
                self._r_u_there(sa, payload, path)
            case NotifyType.R_U_THERE_ACK:
                self._r_u_there_ack(sa, payload, path)
            case NotifyType.INITIAL_CONTACT:
                self.tunnels.touch(sa, path)
                self.tunnels.initial_contact(sa)
            case NotifyType.INVALID_SPI:
                self.tunnels.touch(sa, path)
                self._invalid_spi(sa, payload)
            case kind if kind <= LAST_ERROR_NOTIFY:
                self.tunnels.touch(sa, path)
                if not self.quick.refused(sa, kind, name, payload.spi):
                    self.core.counters["error_notifies"] += 1

    def _invalid_spi(self, sa: IsakmpSa, payload: Notification) -> None:
        """The peer gets packets on an SA it does not have: that pair is of no use (what invalid SPI recovery sends)."""
        spi = int.from_bytes((payload.spi or payload.data)[:4], "big")
        for child in sa.tunnel.children:
            if child.outbound_spi == spi and child.outbound_installed:
                self.core.counters["invalid_spi_received"] += 1
                self.tunnels.children.peer_deleted(child)

    # -- dead peer detection -----------------------------------------------------------------------------------------

    def _r_u_there(self, sa: IsakmpSa, payload: Notification, path: Path) -> None:
        if payload.spi != sa.cookie_i + sa.cookie_r or len(payload.data) != 4:
            self.core.counters["dpd_malformed"] += 1
            return
        sequence = int.from_bytes(payload.data, "big")
        last = sa.dpd_peer_sequence
        # RFC 3706 section 6.1: a sequence number behind the last one is a replay; the last itself may be a repetition.
        if last is not None and (sequence - last) % _SEQUENCE > _SEQUENCE // 2:
            self.core.counters["dpd_replayed"] += 1
            return
        sa.dpd_peer_sequence = sequence
        self.tunnels.touch(sa, path)
        self.send(sa, [Notification(ProtocolId.ISAKMP, payload.spi, NotifyType.R_U_THERE_ACK, payload.data)])

    def _r_u_there_ack(self, sa: IsakmpSa, payload: Notification, path: Path) -> None:
        # A slow answer to an earlier R-U-THERE of this row shows as well that the peer lives.
        sent = range((sa.dpd_sequence - sa.dpd_first) % _SEQUENCE + 1)
        sequence = int.from_bytes(payload.data, "big")
        expected = sa.dpd_waiting or sa.dpd_asking
        if not expected or len(payload.data) != 4 or (sequence - sa.dpd_first) % _SEQUENCE not in sent:
            self.core.counters["dpd_unexpected"] += 1
            return
        self.tunnels.touch(sa, path)
        sa.dpd_waiting = sa.dpd_asking = False
        self.schedule_dpd(sa)

    def schedule_dpd(self, sa: IsakmpSa) -> None:
        """Arm the next look at the peer; nothing where DPD is not configured or the peer does not do it."""
        keepalive = self.core.keepalive_of(sa.tunnel)
        if keepalive is None or not sa.dpd or not sa.established:
            self.core.timers.cancel(("dpd", sa))
            return
        self.core.timers.set(("dpd", sa), self.core.now + keepalive.interval, lambda: self._dpd_due(sa))

    def _dpd_due(self, sa: IsakmpSa) -> None:
        keepalive = self.core.keepalive_of(sa.tunnel)
        if keepalive is None or not sa.established:
            return
        pairs = sa.tunnel.usable()
        if keepalive.periodic:
            self._probe(sa)
            return
        if not pairs:
            self.schedule_dpd(sa)
            return

        def answered(usage: Usage) -> None:
            if not sa.established:
                return
            # On demand: only where something was sent lately and nothing came back (RFC 3706 section 5.5).
            silent = usage.inbound_idle is None or usage.inbound_idle >= keepalive.interval
            if silent and usage.outbound_idle is not None and usage.outbound_idle <= keepalive.interval:
                self._probe(sa)
            else:
                self.schedule_dpd(sa)

        self.tunnels.children.query_all(pairs, answered)
        # Should the plane never answer, look again.
        self.core.timers.set(("dpd", sa), self.core.now + keepalive.interval, lambda: self._dpd_due(sa))

    def _probe(self, sa: IsakmpSa) -> None:
        if not sa.dpd_asking:
            sa.dpd_first = (self._last_sequence(sa) + 1) % _SEQUENCE
        sa.dpd_waiting = True
        sa.dpd_tries = 0
        sa.dpd_since = self.core.now
        self._r_u_there_send(sa)

    def ask(self, sa: IsakmpSa) -> bool:
        """One R-U-THERE now, whatever is configured; False where the peer does not do dead peer detection."""
        if not sa.dpd or not sa.established:
            return False
        if not (sa.dpd_waiting or sa.dpd_asking):
            sa.dpd_first = (self._last_sequence(sa) + 1) % _SEQUENCE
        sa.dpd_asking = True
        self._send_r_u_there(sa)
        return True

    def _last_sequence(self, sa: IsakmpSa) -> int:
        if not sa.dpd_sequence:
            # RFC 3706 section 5.4: the first one is random, with a clear highest bit.
            sa.dpd_sequence = int.from_bytes(self.core.random(4), "big") >> 1 or 1
        return sa.dpd_sequence

    def _send_r_u_there(self, sa: IsakmpSa) -> None:
        sa.dpd_sequence = (self._last_sequence(sa) + 1) % _SEQUENCE
        self.core.counters["dpd_sent"] += 1
        data = sa.dpd_sequence.to_bytes(4, "big")
        self.send(sa, [Notification(ProtocolId.ISAKMP, sa.cookie_i + sa.cookie_r, NotifyType.R_U_THERE, data)])

    def _r_u_there_send(self, sa: IsakmpSa) -> None:
        keepalive = self.core.keepalive_of(sa.tunnel)
        if keepalive is None or not sa.established or not sa.dpd_waiting:
            return
        if sa.dpd_tries >= DPD_TRIES:
            self._unanswered(sa)
            return
        sa.dpd_tries += 1
        self._send_r_u_there(sa)
        self.core.timers.set(("dpd", sa), self.core.now + keepalive.retry, lambda: self._r_u_there_send(sa))

    def _unanswered(self, sa: IsakmpSa) -> None:
        """The peer is dead, unless there is another phase 1 SA to ask it by, or ESP from it arrived since the first
        probe: then only this phase 1 SA is.
        """
        if any(other.established for other in sa.tunnel.ike_sas if other is not sa):
            self.tunnels.lost(sa)
            return
        pairs = sa.tunnel.usable()
        if not pairs:
            self.tunnels.peer_dead(sa)
            return

        def answered(usage: Usage) -> None:
            if not sa.established:
                return
            if usage.inbound_idle is not None and usage.inbound_idle < self.core.now - sa.dpd_since:
                self.tunnels.lost(sa)
            else:
                self.tunnels.peer_dead(sa)

        self.tunnels.children.query_all(pairs, answered)
        self.core.timers.set(("dpd", sa), self.core.now + 1.0, lambda: self.tunnels.peer_dead(sa))
