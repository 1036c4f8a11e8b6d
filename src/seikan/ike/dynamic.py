"""Dynamic crypto maps: flows that an unknown peer asks for and an entry permits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from seikan.ike.core import Core
from seikan.ike.effects import AddFlow, RemoveFlow
from seikan.ike.numbers import LowestFree
from seikan.ike.sa import Flow, IkeSa, Session, Tunnel
from seikan.ike.sessions import GRACE
from seikan.ike.settings import DynamicEntrySettings, DynamicMapSettings, FlowSettings, PhaseTwo
from seikan.wire.selector import Selector

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

MAX_FLOWS_OF_PEER = 64
LIVED = 10.0  # seconds for which an answer that a peer lives is good
_SHIFT = 16
_MAX_NUMBER = 2**_SHIFT - 1
_WIDEST = {4: 8, 6: 16}  # by IP version, the shortest prefix of what a peer may have behind it where no list says more


class Postponed(Exception):
    """A message that cannot be judged yet: it is dropped, and its repetition is looked at anew."""


class DynamicMaps:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels
        self._numbers: dict[tuple[str, int], LowestFree] = {}

    @staticmethod
    def _permits(entry: DynamicEntrySettings, selector: Selector) -> bool:
        """Without an access list whatever the peer asks for, but not that all the world is behind it, or half of it."""
        if not entry.selectors:
            return selector.remote.prefixlen >= _WIDEST[selector.remote.version]
        return entry.permits(selector)

    def make_flow(self, sa: IkeSa, selector: Selector, fits: Callable[[PhaseTwo], bool]) -> Flow | None:
        """A flow for what the peer asks for: of the entries that permit it the first whose phase 2 `fits`. None where
        none permits it, or where it is somebody else's. Raises `Postponed` while it is asked whether that one lives.
        """
        tunnel, session = sa.tunnel, sa.tunnel.session
        if session is None or session.place.template is not None:
            return None
        rows = [
            (row, entry)
            for row, entry in self.tunnels.peers.entries_for(tunnel)
            if row.owner == session.place.owner and self._permits(entry, selector)
        ]
        if not rows or self._taken(tunnel, selector):
            return None
        if len(tunnel.flows) >= MAX_FLOWS_OF_PEER:
            self.core.counters["flows_of_peer_limit"] += 1
            return None
        row, entry = next((pair for pair in rows if fits(pair[1].phase_two)), rows[0])
        numbers = self._numbers.setdefault((row.owner, row.sequence), LowestFree())
        lowest = numbers.take()
        if lowest > _MAX_NUMBER:
            numbers.give_back(lowest)
            self.core.counters["flows_of_map_limit"] += 1
            return None
        settings = FlowSettings(row.owner, row.sequence << _SHIFT | lowest, selector, entry.phase_two, on_demand=True)
        flow = self.tunnels.flows.add(tunnel, settings)
        flow.entry = entry.sequence
        return flow

    def _holder(self, tunnel: Tunnel, selector: Selector) -> Flow | None:
        """Another peer's flow that has some of the same traffic, here or in another part of the map.

        It need not have the same selector: of two that overlap only one can carry a packet, and what comes out of the
        other's SAs would pass for what the first peer sent.
        """
        owner = tunnel.session.place.owner if tunnel.session else ""
        same = self.core.owners[owner].by_selector.get(selector)
        if same is not None and same.tunnel is not tunnel:
            return same
        for other in self.core.owners.values():
            for flows in other.flows.values():
                for flow in flows:
                    if flow.tunnel is tunnel or flow.tunnel.settings.local != tunnel.settings.local:
                        continue
                    if not flow.settings.selector.any and flow.settings.selector.meets(selector):
                        return flow
        return None

    def _taken(self, tunnel: Tunnel, selector: Selector) -> bool:
        """Whether some of the traffic is another peer's: a configured one's, or that of a session that lives."""
        other = self._holder(tunnel, selector)
        if other is None:
            return False
        self.core.counters["flow_conflicts"] += 1
        holder, session = other.tunnel, other.tunnel.session
        if session is None or self.core.now - session.alive_at < LIVED:
            text = f"{tunnel.settings.remote} asks for traffic that {holder.settings.remote} has"
            self.core.error(tunnel, "IPSEC_SELECTORS_IN_USE", text)
            return True

        def answered(alive: bool) -> None:
            if not alive:
                self.tunnels.sessions.end(
                    holder, f"peer {holder.settings.remote} does not answer, another has its traffic"
                )

        self.tunnels.sessions.ask(holder, answered)
        raise Postponed

    def announce(self, flow: Flow) -> None:
        """Its first SA is about to be installed."""
        if flow.entry is not None and not flow.announced:
            flow.announced = True
            remote = flow.tunnel.settings.remote
            self.core.emit(AddFlow(flow.owner.name, flow.number, flow.settings.selector, remote, flow.entry))

    def look(self, flow: Flow) -> None:
        """Something of a flow has gone: with its last pair it goes, unless another comes soon."""
        if flow.entry is None or flow.removed or not self._idle(flow) or ("flow", flow) in self.core.timers:
            return
        self.core.timers.set(("flow", flow), self.core.now + GRACE, lambda: self._grace_over(flow))

    @staticmethod
    def _idle(flow: Flow) -> bool:
        return not flow.exchanges and all(child.removed for child in flow.children)

    def _grace_over(self, flow: Flow) -> None:
        if not flow.removed and self._idle(flow):
            self.tunnels.flows.remove(flow, "no IPsec SA is left")
            self.flow_removed(flow)

    def flow_removed(self, flow: Flow) -> None:
        """A flow has left the tables: give back what it had."""
        if flow.entry is None:
            return
        self.core.timers.cancel(("flow", flow))
        key = (flow.owner.name, flow.number >> _SHIFT)
        self._numbers[key].give_back(flow.number & _MAX_NUMBER)
        if flow.announced:
            self.core.emit(RemoveFlow(flow.owner.name, flow.number))

    def reconfigured(self, tunnel: Tunnel, session: Session) -> None:
        """Flows that no entry permits any more go, and the session where no map is there for it."""
        entries = self.tunnels.peers.entries_for(tunnel)
        rows = [(row, entry) for row, entry in entries if row.owner == session.place.owner]
        if not rows:
            self.tunnels.sessions.end(tunnel, "the dynamic crypto map has been removed")
            return
        for flow in list(tunnel.flows.values()):
            entry = self._entry_of(flow, rows)
            if entry is None:
                self.tunnels.flows.remove(flow, "the dynamic crypto map has changed")
                self.flow_removed(flow)
            else:
                flow.settings = replace(flow.settings, phase_two=entry.phase_two)
        self.tunnels.sessions.look(tunnel)

    def _entry_of(
        self, flow: Flow, rows: list[tuple[DynamicMapSettings, DynamicEntrySettings]]
    ) -> DynamicEntrySettings | None:
        for row, entry in rows:
            same = (row.sequence, entry.sequence) == (flow.number >> _SHIFT, flow.entry)
            if same and self._permits(entry, flow.settings.selector):
                return entry
        return None
