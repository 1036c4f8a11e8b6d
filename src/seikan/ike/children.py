"""The life of child SAs: installed, used, replaced, removed, and what that means for their flow."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING

from seikan.ike.core import Completion, Core
from seikan.ike.effects import Direction, InstallSa, QueryUsage, RemoveSa, Usage
from seikan.ike.sa import ChildSa, Flow
from seikan.ike.winners import best_child, child_replaces

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

OUTBOUND_DELAY = 1.0  # seconds an initiator goes on sending on the old pair after a rekey
RETIRE = 10.0  # seconds the side that began the winner keeps a pair that lost
RETIRE_LATER = 30.0  # seconds the other side keeps it, and up to as much again
DRAIN = 5.0  # seconds packets under way may still arrive on a pair the peer deleted
STALE = 15.0  # seconds a restarted peer has to replace its pairs
SOFT = (0.80, 0.08)  # of a lifetime, and jitter: when the side that began a pair replaces it
SOFT_OTHER = (0.92, 0.04)  # when the other side does, should the first not have
MAX_PAIRS = 8  # usable ones of a flow for one selector, the winner among them
UNUSED_AGAIN = 10.0  # seconds: the least after which a pair that was not used is looked at again
_KILOBYTE = 1024


class Children:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    # -- installing --------------------------------------------------------------------------------------------------

    def install_inbound(self, child: ChildSa, installed: Completion) -> None:
        def done(result: str | Usage | None) -> None:
            child.inbound_installed = not isinstance(result, str)
            if not self._outlived(child, Direction.IN, result):
                installed(result)

        self._install(child, Direction.IN, done)

    def install_outbound_later(self, child: ChildSa) -> None:
        """On a rekey the old pair goes on sending until the peer has surely seen our last message."""
        when = self.core.now + OUTBOUND_DELAY
        self.core.timers.set(("outbound", child), when, lambda: self.install_outbound(child))

    def promote(self, leaving: ChildSa, ending: object = None) -> bool:
        """A pair goes: another that waits takes its place now, but for those of an IKE SA that is `ending`. Whether
        one does, or is about to.
        """
        others = [
            child
            for child in leaving.flow.children
            if child is not leaving
            and child.selector == leaving.selector
            and (ending is None or child.ike_sa is not ending)
        ]
        for child in others:
            if ("outbound", child) in self.core.timers:
                self.install_outbound(child)
        return any(self._coming(child) for child in others)

    @staticmethod
    def _coming(child: ChildSa) -> bool:
        """The plane has been asked for the last that this pair lacks."""
        return child.outbound_requested and not child.outbound_installed and not child.removed

    def install_outbound(self, child: ChildSa) -> None:
        """Switch the flow's outbound traffic to this pair."""
        if child.outbound_requested or child.removed:
            return
        child.outbound_requested = True
        self.core.timers.cancel(("outbound", child))

        def installed(result: str | Usage | None) -> None:
            if self._outlived(child, Direction.OUT, result):
                return
            if isinstance(result, str):
                text = f"the outbound SA could not be installed: {result}"
                self.core.error(child.flow, "IPSEC_INSTALL", text)
                self.delete_pair(child, text)
                self.tunnels.back_off_flow(child.flow)
                return
            child.outbound_installed = True
            child.keys.clear()
            self._in_use(child)

        self._install(child, Direction.OUT, installed)

    def _outlived(self, child: ChildSa, direction: Direction, result: str | Usage | None) -> bool:
        """The plane has answered: an SA that was given up meanwhile goes again."""
        if child.removed and not isinstance(result, str):
            self.core.emit(RemoveSa(child.flow.owner.name, direction, self._spi(child, direction)))
        return child.removed

    @staticmethod
    def _spi(child: ChildSa, direction: Direction) -> int:
        return child.inbound_spi if direction is Direction.IN else child.outbound_spi

    def _install(self, child: ChildSa, direction: Direction, installed: Completion) -> None:
        encryption = child.transform_set.encryption
        if encryption is None:
            raise ValueError("a pair without a cipher")
        share, jitter = SOFT if child.initiator else SOFT_OTHER
        hard = child.lifetime_kilobytes * _KILOBYTE
        self.core.emit(
            InstallSa(
                self.core.expect(installed),
                child.flow.owner.name,
                child.flow.number,
                direction,
                self._spi(child, direction),
                child.path,
                child.udp_encapsulation,
                encryption,
                child.keys[f"{direction.value} encryption"],
                None if encryption.aead else child.transform_set.integrity,
                child.keys[f"{direction.value} integrity"],
                child.flow.settings.phase_two.replay_window,
                int(hard * (share + jitter * self.core.fraction())),
                hard,
                child.extended,
                transport=child.transform_set.transport,
            )
        )

    def _in_use(self, child: ChildSa) -> None:
        core, flow, tunnel = self.core, child.flow, child.tunnel
        share, jitter = SOFT if child.initiator else SOFT_OTHER
        soft = child.lifetime_seconds * (share + jitter * core.fraction())
        # Both ends count from the end of the exchange, whenever their planes were ready.
        begin = child.completed
        core.timers.set(("soft", child), begin + soft, lambda: self._soft_due(child))
        core.timers.set(("hard", child), begin + child.lifetime_seconds, lambda: self.hard_expired(child))
        self._watch(child, flow.settings.phase_two.idle_seconds)
        core.counters["child_sas_installed"] += 1
        core.debug("ipsec", "{}: pair {} to {} is in use", tunnel.name, child.conn_id, child.path.remote)
        flow.attempts = tunnel.attempts = 0
        flow.wanted_until = 0.0
        flow.trouble.clear()
        tunnel.trouble.clear()
        for key in (("retry", flow), ("retry", tunnel)):
            core.timers.cancel(key)
        self.tunnels.flows.came_up(flow, child)
        for old in list(flow.children):
            if old.stale and old is not child and old.selector == child.selector:
                self.remove_pair(old)
        self.tunnels.of(tunnel).child_in_use(child)
        self.tunnels.evaluate(tunnel)

    # -- replacing ---------------------------------------------------------------------------------------------------

    def _soft_due(self, child: ChildSa) -> None:
        """A pair that traffic asked for is replaced where it has been used, else looked at again and runs out."""
        if not child.flow.settings.on_demand:
            self.soft_expired(child)
            return
        core = self.core

        def answered(result: str | Usage | None) -> None:
            age = core.now - child.completed
            idle = (result.inbound_idle, result.outbound_idle) if isinstance(result, Usage) else ()
            if any(seconds is not None and seconds <= age for seconds in idle):
                self.soft_expired(child)

        left = child.completed + child.lifetime_seconds - core.now
        if left > 2 * UNUSED_AGAIN:
            core.timers.set(("soft", child), core.now + left / 2, lambda: self._soft_due(child))
        self.query(child, answered)

    def _watch(self, child: ChildSa, seconds: int | None) -> None:
        """`idle-time`: look whether the pair is used when it can have been idle for that long."""
        if seconds is not None:
            self.core.timers.set(("idle", child), self.core.now + seconds, lambda: self._idle_due(child))

    def _idle_due(self, child: ChildSa) -> None:
        limit = child.flow.settings.phase_two.idle_seconds
        if limit is None:
            return

        def answered(result: str | Usage | None) -> None:
            if child.removed:
                return
            used = (result.inbound_idle, result.outbound_idle) if isinstance(result, Usage) else ()
            idle = min([self.core.now - child.completed, *(seconds for seconds in used if seconds is not None)])
            if idle < limit:
                self._watch(child, max(1, ceil(limit - idle)))
                return
            self.core.counters["idle_pairs"] += 1
            child.flow.wanted_until = 0.0
            self.delete_pair(child, f"no traffic for {limit} seconds")
            self.tunnels.evaluate(child.tunnel)

        self.query(child, answered)

    def query(self, child: ChildSa, answered: Completion) -> None:
        """Ask the plane when a pair was last used."""
        effect_id = self.core.expect(answered)
        self.core.emit(QueryUsage(effect_id, child.flow.owner.name, child.inbound_spi, child.outbound_spi))

    def query_all(self, pairs: list[ChildSa], answered: Callable[[Usage], None]) -> None:
        """When a packet last came from the peer, and when one last went to it, on any of `pairs`."""
        seen: list[Usage] = []

        def one(result: str | Usage | None) -> None:
            seen.append(result if isinstance(result, Usage) else Usage(None, None))
            if len(seen) == len(pairs):
                answered(
                    Usage(
                        min((row.inbound_idle for row in seen if row.inbound_idle is not None), default=None),
                        min((row.outbound_idle for row in seen if row.outbound_idle is not None), default=None),
                    )
                )

        for child in pairs:
            self.query(child, one)

    def soft_expired(self, child: ChildSa) -> None:
        if child.removed or child.expiring:
            return
        child.expiring = True
        self.core.counters["rekeys"] += 1
        self.core.debug("ipsec", "{}: pair {} is to be replaced", child.tunnel.name, child.conn_id)
        self.tunnels.evaluate(child.tunnel)

    def hard_expired(self, child: ChildSa) -> None:
        if not child.removed:
            self.core.counters["child_sas_expired"] += 1
            self.promote(child)
            self.delete_pair(child, "lifetime of the IPsec SA expired")
            self.tunnels.evaluate(child.tunnel)

    def settle(self, flow: Flow) -> None:
        """Let every usable pair but the winner go, after a while in which it still receives."""
        usable = flow.usable()
        if len(usable) < 2:
            for child in usable:
                self.core.timers.cancel(("retire", child))
            return
        for selector in dict.fromkeys(child.selector for child in usable):
            self._settle([child for child in usable if child.selector == selector])

    def _settle(self, usable: list[ChildSa]) -> None:
        winner = best_child(usable)
        for child in usable:
            key = ("retire", child)
            if child is winner:
                self.core.timers.cancel(key)
            elif key not in self.core.timers and winner is not None and child_replaces(winner, child):
                self._retire_later(child, winner)

        surplus = [child for child in usable if child is not winner]
        for child in surplus[: max(0, len(usable) - MAX_PAIRS)]:
            self.core.counters["surplus_pairs"] += 1
            self.delete_pair(child, "too many IPsec SAs")

    def _retire_later(self, child: ChildSa, winner: ChildSa) -> None:
        delay = RETIRE if winner.initiator else RETIRE_LATER * (1 + self.core.fraction())
        self.core.timers.set(("retire", child), self.core.now + delay, lambda: self._retire(child))

    def _retire(self, child: ChildSa) -> None:
        winner = best_child(child.flow.usable(child.selector))
        if not child.removed and winner is not None and child_replaces(winner, child):
            self.core.debug("ipsec", "{}: pair {} has been replaced", child.tunnel.name, child.conn_id)
            # The peer may be sending on it until it reads the delete.
            self.delete_pair(child, "replaced", drain=True)
            self.tunnels.evaluate(child.tunnel)

    def peer_is_late(self, child: ChildSa) -> None:
        """The peer asked for our last message again, so it may need the old pair for longer."""
        for other in child.flow.usable(child.selector):
            if ("retire", other) in self.core.timers:
                self._retire_later(other, child)

    def make_stale(self, child: ChildSa) -> None:
        """A restarted peer has lost this pair: keep the line protocol up while it makes a new one."""
        if not child.stale:
            child.stale = True
            self.core.timers.set(("stale", child), self.core.now + STALE, lambda: self._stale_expired(child))

    def _stale_expired(self, child: ChildSa) -> None:
        self.remove_pair(child, "the peer has restarted and made no new IPsec SA")
        self.tunnels.evaluate(child.tunnel)

    # -- removing ----------------------------------------------------------------------------------------------------

    def peer_deleted(self, child: ChildSa) -> None:
        """The peer does not receive on this pair any more; what it sent before may still arrive."""
        flow = child.flow
        if child.removed:
            return
        if self.promote(child) or any(other.usable for other in flow.children if other is not child):
            self.remove_pair(child, drain=True)
            self.tunnels.evaluate(flow.tunnel)
        else:
            self.remove_pair(child, "the peer deleted the IPsec SA")
            self.tunnels.evaluate_flow_soon(flow)

    def delete_pair(self, child: ChildSa, reason: str, *, drain: bool = False) -> None:
        """Remove a pair and tell the peer."""
        if not child.removed and child.inbound_installed:
            self.tunnels.of(child.tunnel).tell_child_deleted(child)
        self.remove_pair(child, reason, drain=drain)

    def remove_pair(self, child: ChildSa, reason: str = "", *, drain: bool = False) -> None:
        """Remove both directions here; the flow goes down with its last pair."""
        if child.removed:
            return
        core, flow = self.core, child.flow
        was_inbound = child.inbound_installed
        child.removed = True
        for purpose in ("soft", "hard", "idle", "retire", "stale", "outbound"):
            core.timers.cancel((purpose, child))
        if child.outbound_installed:
            core.emit(RemoveSa(flow.owner.name, Direction.OUT, child.outbound_spi))
        if not was_inbound:
            flow.children.remove(child)
            core.forget(child)
        elif drain and sum(other.removed for other in flow.children) <= MAX_PAIRS:
            self._drain(child)
        else:
            self.drained(child)
        child.keys.clear()
        if flow.up and not flow.usable() and not any(self._coming(other) for other in flow.children):
            self.tunnels.flows.went_down(flow, child, reason or "no IPsec SA is left")
        self.tunnels.look(flow)

    def _drain(self, child: ChildSa) -> None:
        def due() -> None:
            if self.tunnels.of(child.tunnel).told(child):
                self.drained(child)
            else:
                self._drain(child)  # the peer has not heard of it and may be sending on it still

        self.core.timers.set(("drain", child), self.core.now + DRAIN, due)

    def drained(self, child: ChildSa) -> None:
        """The inbound direction goes, at once or after what was under way has arrived."""
        self.core.timers.cancel(("drain", child))
        if child in child.flow.children:
            child.flow.children.remove(child)
            self.core.forget(child)
            self.core.emit(RemoveSa(child.flow.owner.name, Direction.IN, child.inbound_spi))
