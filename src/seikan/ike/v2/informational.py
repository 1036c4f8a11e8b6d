"""INFORMATIONAL: deletes, errors, and whether the peer lives (RFC 7296 sections 1.4, 1.5, 2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seikan.config.model_ikev2 import Ikev2Dpd
from seikan.ike.core import Core
from seikan.ike.effects import Path, Usage
from seikan.ike.sa import ChildSa
from seikan.ike.v2.messages import notified, notify_name
from seikan.ike.v2.sa import Ikev2Sa, Request
from seikan.wire.v2.constants import LAST_ERROR, Exchange, Notify, Protocol
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import Delete, Notification, Payload

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

DPD_TRIES = 5
ASK_SCHEDULE = (4, 1.0)  # tries and seconds between them, where somebody wants to know at once
_MAX_DOOMED = 256


class Informational:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    # -- sending -----------------------------------------------------------------------------------------------------

    def send(self, sa: Ikev2Sa, payloads: Sequence[Payload]) -> None:
        """One request that only has to arrive."""
        self.tunnels.v2.windows.request(
            sa, Request(Exchange.INFORMATIONAL, lambda: payloads, lambda chain: self._alive(sa))
        )

    def delete_spi(self, sa: Ikev2Sa, spi: int) -> None:
        """Announce that this side receives with `spi` no more; deletes that wait go out in one message."""
        if not sa.established or len(sa.doomed) >= _MAX_DOOMED:
            return
        waiting = bool(sa.doomed)
        sa.doomed.append(spi)
        if not waiting:
            told: set[int] = set()
            request = Request(
                Exchange.INFORMATIONAL,
                lambda: self._deletes(sa, told),
                lambda chain: self._deleted_too(sa, told),
                sa.doomed.clear,
            )
            self.tunnels.v2.windows.request(sa, request)

    @staticmethod
    def _deletes(sa: Ikev2Sa, told: set[int]) -> list[Payload] | None:
        spis = list(sa.doomed)
        sa.doomed.clear()
        told.update(spis)
        sa.telling.update(spis)
        return [Delete(Protocol.ESP, tuple(spi.to_bytes(4, "big") for spi in spis))] if spis else None

    def _deleted_too(self, sa: Ikev2Sa, told: set[int]) -> None:
        """The peer names the other direction of the same pairs; they are gone here already."""
        sa.telling -= told
        self._alive(sa)

    def say_no(self, sa: Ikev2Sa, kind: Notify) -> None:
        """Only the peer takes the IKE SA for complete: it hears what was wrong with its proof (section 2.21.2)."""
        sa.closing = True
        self._last(sa, [Notification(kind)])

    def leave(self, sa: Ikev2Sa) -> None:
        """This side has proved itself and goes to another gateway instead (RFC 5685 section 6)."""
        sa.closing = True
        self._last(sa, [Delete(Protocol.IKE)])

    def delete_ike(self, sa: Ikev2Sa) -> None:
        """The IKE SA goes, and its pairs with it. What waits is not sent any more."""
        if not sa.established:
            return
        sa.closing = True
        self._last(sa, [Delete(Protocol.IKE)])

    def _last(self, sa: Ikev2Sa, payloads: Sequence[Payload]) -> None:
        waiting = list(sa.window.queue)
        sa.window.queue.clear()
        for request in waiting:
            request.lost()
        over = self.tunnels.v2.closed
        self.tunnels.v2.windows.request(
            sa, Request(Exchange.INFORMATIONAL, lambda: payloads, lambda chain: over(sa), lambda: None)
        )

    def unknown_spi(self, sa: Ikev2Sa, spi: int) -> None:
        """ESP came for an SA that is not here: section 1.5, under protection. One that is being made is no reason."""
        if spi not in self.core.inbound:
            self.send(sa, [Notification(Notify.INVALID_SPI, spi.to_bytes(4, "big"))])

    # -- receiving ---------------------------------------------------------------------------------------------------

    def respond(self, sa: Ikev2Sa, number: int, chain: Chain, path: Path) -> None:
        """A request; the answer to an empty one is empty."""
        core, windows = self.core, self.tunnels.v2.windows
        if sa.deleted:
            windows.respond(sa, Exchange.INFORMATIONAL, number, [])
            return
        deletes = [payload for payload in chain.payloads if isinstance(payload, Delete)]
        if any(payload.protocol == Protocol.IKE for payload in deletes):
            windows.respond(sa, Exchange.INFORMATIONAL, number, [])
            core.counters["deletes_received"] += 1
            self.tunnels.v2.peer_deleted(sa)
            return
        gone = [child for payload in deletes for child in self._named(sa, payload)]
        answer: list[Payload] = []
        if gone:
            answer.append(Delete(Protocol.ESP, tuple(child.inbound_spi.to_bytes(4, "big") for child in gone)))
        moving = self.tunnels.v2.mobike.peer_moves(sa, number, chain, path)
        answer = [*answer, *(moving or ()), *self.tunnels.v2.mobike.echo(chain)]
        windows.respond(sa, Exchange.INFORMATIONAL, number, answer, path if sa.mobike else None)
        if moving is not None and sa.moved_by == number:
            self.tunnels.v2.mobike.check(sa)
        for child in gone:
            core.counters["deletes_received"] += 1
            core.debug("ikev2", "{.label}: peer deletes pair {}", sa, child.conn_id)
            self.tunnels.children.peer_deleted(child)
        self.tunnels.v2.crash.read(sa, chain)
        elsewhere = notified(chain, Notify.REDIRECT)
        if elsewhere is not None and self.tunnels.v2.redirects.go(sa, elsewhere.data, b""):
            self.tunnels.v2.redirects.leave(sa)
            return
        for payload in chain.payloads:
            if isinstance(payload, Notification):
                self._notified(sa, payload)

    @staticmethod
    def _named(sa: Ikev2Sa, payload: Delete) -> list[ChildSa]:
        """The pairs that the peer's inbound SPIs name, of this IKE SA or the one that has taken its place. One that
        both sides delete at once is left out of the answer (section 1.4.1).
        """
        spis = {int.from_bytes(spi, "big") for spi in payload.spis} if payload.protocol == Protocol.ESP else set()
        own = (sa, sa.successor)
        return [
            child
            for child in sa.tunnel.children
            if child.outbound_spi in spis and child.ike_sa in own and not child.removed
        ]

    def _notified(self, sa: Ikev2Sa, payload: Notification) -> None:
        self.core.debug("ikev2", "{.label}: received notify {}", sa, notify_name(payload.type))
        if payload.type == Notify.INVALID_SPI:
            spi = int.from_bytes((payload.spi or payload.data)[:4], "big")
            for child in sa.tunnel.children:
                if child.outbound_spi == spi and child.ike_sa is sa and child.outbound_installed and not child.removed:
                    self.core.counters["invalid_spi_received"] += 1
                    self.tunnels.children.promote(child)
                    self.tunnels.children.delete_pair(child, "the peer does not have the IPsec SA")
                    self.tunnels.evaluate_flow_soon(child.flow)
        elif payload.type == Notify.AUTHENTICATION_FAILED:
            # The initiator does not accept this side's proof (section 2.21.2).
            text = f"peer {sa.path.remote} does not accept this side's authentication"
            self.core.error(sa.tunnel, "IKEV2_REFUSED", text)
            self.tunnels.v2.rejected(sa, text)
        elif payload.type <= LAST_ERROR:
            self.core.counters["error_notifies"] += 1

    # -- dead peer detection -----------------------------------------------------------------------------------------

    def _dpd(self, sa: Ikev2Sa) -> Ikev2Dpd | None:
        profile = self.core.ikev2_profile_of(sa.tunnel) or sa.profile
        return profile.dpd if profile is not None else None

    def watch(self, sa: Ikev2Sa) -> None:
        """Arm the next look at the peer; nothing where it is not configured."""
        dpd = self._dpd(sa)
        if dpd is None or not sa.established:
            self.core.timers.cancel(("dpd", sa))
            return
        self.core.timers.set(("dpd", sa), self.core.now + dpd.interval, lambda: self._due(sa))

    def _due(self, sa: Ikev2Sa) -> None:
        dpd = self._dpd(sa)
        if dpd is None or not sa.established:
            return
        self.watch(sa)
        pairs = [child for child in sa.tunnel.usable() if child.ike_sa is sa]
        if dpd.periodic:
            if self.core.now - sa.heard_at >= dpd.interval:
                self.probe(sa, (DPD_TRIES, float(dpd.retry)))
            return
        if not pairs:
            return

        def answered(usage: Usage) -> None:
            # On demand: only where something was sent lately and nothing came back.
            silent = usage.inbound_idle is None or usage.inbound_idle >= dpd.interval
            lately = usage.outbound_idle is not None and usage.outbound_idle <= dpd.interval
            if sa.established and silent and lately:
                self.probe(sa, (DPD_TRIES, float(dpd.retry)))

        self.tunnels.children.query_all(pairs, answered)

    def probe(self, sa: Ikev2Sa, schedule: tuple[int, float]) -> None:
        """An empty request, unless another waits for its answer and tells as well."""
        if sa.probing:
            return
        if not sa.window.flying:
            self.core.counters["dpd_sent"] += 1
        sa.probing, sa.probe_since = True, self.core.now

        def over() -> None:
            sa.probing = False

        def build() -> list[Payload] | None:
            if sa.heard_at > sa.probe_since:
                sa.probing = False
                return None
            return []

        request = Request(Exchange.INFORMATIONAL, build, lambda chain: self._alive(sa), over, schedule=schedule)
        self.tunnels.v2.windows.request(sa, request)

    def ask(self, sa: Ikev2Sa) -> bool:
        """Find out now, whatever is configured."""
        if not sa.established:
            return False
        sa.dpd_asking = True
        self.probe(sa, ASK_SCHEDULE)
        return True

    def _alive(self, sa: Ikev2Sa) -> None:
        sa.probing = sa.dpd_asking = False
