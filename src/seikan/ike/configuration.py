"""From one configuration to the next: what is taken down, what goes on, what begins anew."""

from __future__ import annotations

from seikan.ike.core import Core
from seikan.ike.sa import Flow, Tunnel
from seikan.ike.settings import Address, EngineSettings, FlowSettings, TunnelSettings
from seikan.ike.tunnels import Tunnels

_PHASE_1 = ("policies", "keys", "keyrings", "identity", "profiles", "ikev2")
_DPD = ("keepalive", "profiles", "ikev2")
_Ends = tuple[Address, Address]


def ends_of(row: TunnelSettings) -> _Ends:
    return row.local, row.remote


def _identity(row: TunnelSettings) -> tuple[_Ends, int]:
    """By what a tunnel is known to be the same: with another version of IKE it begins anew."""
    return ends_of(row), row.version


class Configuration:
    """What the engine was told last, and the tunnels that follow from it."""

    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    def change(self, settings: EngineSettings) -> None:
        """Run with other settings. A tunnel that keeps its ends keeps its phase 1, a flow that keeps its selector its
        pairs; new settings of phase 1 and phase 2 hold from the next negotiation.
        """
        core = self.core
        before = core.settings
        core.configured(settings)
        self.tunnels.peers.reconfigured()
        if before.enabled and not settings.enabled:
            for tunnel in list(core.tunnels.values()):
                if tunnel.session is None:
                    self.tear_down(tunnel, "crypto isakmp is disabled")
        self.set_tunnels(settings)
        phase1_changed = any(getattr(before, name) != getattr(settings, name) for name in _PHASE_1)
        self.tunnels.sessions.reconfigured(who=phase1_changed)
        if phase1_changed:
            self._drop_strangers()
        for tunnel in list(core.tunnels.values()):
            if any(getattr(before, name) != getattr(settings, name) for name in _DPD):
                for sa in tunnel.ike_sas:
                    self.tunnels.of(tunnel).watch(sa)
            if phase1_changed:
                # An exchange that runs with what was configured before can be stuck for more than a minute.
                for sa in [sa for sa in tunnel.ike_sas if not sa.established]:
                    self.tunnels.drop(sa)
            if not tunnel.up:
                tunnel.trouble.clear()
            for flow in tunnel.flows.values():
                if not flow.up:
                    flow.trouble.clear()
            if phase1_changed or not tunnel.up:
                self.start_over(tunnel)
            else:
                self.retry(tunnel)

    def set_tunnels(self, settings: EngineSettings) -> None:
        """Make the tables fit `settings`: first all that goes, then all that comes."""
        core = self.core
        wanted = self._successors(settings)
        waiting: dict[tuple[str, int], float] = {}
        for tunnel in [tunnel for tunnel in core.tunnels.values() if tunnel.session is None]:
            row = wanted.get(tunnel)
            if row is None:
                self._note_waiting(waiting, list(tunnel.flows.values()))
                self.remove(tunnel, "the tunnel's configuration has changed")
            else:
                gone = self._gone(tunnel, row)
                self._note_waiting(waiting, gone)
                for flow in gone:
                    self.tunnels.flows.remove(flow, "the configuration of its traffic has changed")
        for tunnel in wanted:
            del core.tunnels[tunnel.name]
        moved = [tunnel for tunnel, row in wanted.items() if tunnel.settings.local != row.local]
        for tunnel, row in wanted.items():
            tunnel.settings = row
            core.tunnels[row.name] = tunnel
        core.ends.clear()
        for row in settings.tunnels:
            tunnel = core.tunnels.setdefault(row.name, Tunnel(row))
            core.by_remote.setdefault(row.remote, {})[tunnel] = None
            for flow_row in row.flows:
                self._set_flow(tunnel, flow_row, waiting)
            first = core.ends.setdefault(ends_of(row), tunnel)
            if first is not tunnel:
                core.error(
                    tunnel,
                    "IKMP_SAME_ENDS",
                    f"{first.name} has the same source and destination; one of them must change",
                )
        for map_row in settings.dynamic_maps:
            self.tunnels.flows.owner(map_row.owner)
        self._forget_owners({row.owner for row in settings.dynamic_maps})
        for tunnel in moved:
            self.tunnels.of(tunnel).follow(tunnel)

    def _successors(self, settings: EngineSettings) -> dict[Tunnel, TunnelSettings]:
        """What becomes of the tunnels that go on: the row of their name, or else of their ends.

        A tunnel interface that comes beside a crypto map for the same peer gives their tunnel another name, and must
        not cost the map its SAs.
        """
        found: dict[Tunnel, TunnelSettings] = {}
        rows = {row.name: row for row in settings.tunnels}
        renamed = []
        for tunnel in self.core.tunnels.values():
            if tunnel.session is None:
                row = rows.get(tunnel.name)
                if row is not None and (
                    _identity(row) == _identity(tunnel.settings) or self.tunnels.of(tunnel).can_follow(tunnel, row)
                ):
                    found[tunnel] = rows.pop(tunnel.name)
                else:
                    renamed.append(tunnel)
        kept = {_identity(row) for row in found.values()}
        for tunnel in renamed:
            own = _identity(tunnel.settings)
            row = next((row for row in rows.values() if _identity(row) == own), None)
            if row is not None and own not in kept:
                found[tunnel] = row
                kept.add(own)
        return found

    @staticmethod
    def _gone(tunnel: Tunnel, row: TunnelSettings) -> list[Flow]:
        """Flows that `row` has not, or with other traffic: that needs other pairs."""
        rows = {(flow.owner, flow.number): flow for flow in row.flows}

        def kept(flow: Flow) -> bool:
            new = rows.get((flow.owner.name, flow.number))
            old = flow.settings
            return new is not None and (new.selector, new.transport) == (old.selector, old.transport)

        return [flow for flow in tunnel.flows.values() if not kept(flow)]

    def _note_waiting(self, waiting: dict[tuple[str, int], float], flows: list[Flow]) -> None:
        """Traffic that waits for a flow goes on waiting when the flow gets another peer."""
        for flow in flows:
            if flow.wanted_until > self.core.now:
                waiting[flow.owner.name, flow.number] = flow.wanted_until

    def _set_flow(self, tunnel: Tunnel, row: FlowSettings, waiting: dict[tuple[str, int], float]) -> None:
        flow = tunnel.flows.get((row.owner, row.number))
        if flow is None:
            flow = self.tunnels.flows.add(tunnel, row)
            flow.wanted_until = waiting.get((row.owner, row.number), 0.0)
        else:
            flow.settings = row

    def _forget_owners(self, kept: set[str]) -> None:
        for name, owner in list(self.core.owners.items()):
            if not owner.flows and not owner.sessions and name not in kept:
                del self.core.owners[name]

    # -- taking down and beginning anew ------------------------------------------------------------------------------

    def remove(self, tunnel: Tunnel, reason: str) -> None:
        """Take a tunnel out of the tables, and its SAs here and at the peer."""
        self.tear_down(tunnel, reason)
        for flow in list(tunnel.flows.values()):
            self.tunnels.flows.remove(flow, reason)
        self.tunnels.rest(tunnel)
        del self.core.tunnels[tunnel.name]
        members = self.core.by_remote[tunnel.settings.remote]
        del members[tunnel]
        if not members:
            del self.core.by_remote[tunnel.settings.remote]

    def tear_down(self, tunnel: Tunnel, reason: str) -> None:
        """Delete all of a tunnel's SAs, here and at the peer."""
        if self.tunnels.of(tunnel).children_end:
            self._delete_ike_sas(tunnel)
        for flow in list(tunnel.flows.values()):
            self.tunnels.flows.stop(flow, reason)
        self._delete_ike_sas(tunnel)

    def _delete_ike_sas(self, tunnel: Tunnel) -> None:
        for sa in list(tunnel.ike_sas):
            self.tunnels.delete(sa)

    def start_over(self, tunnel: Tunnel) -> None:
        """Try again at once with what is configured now; an exchange that has had no answer begins anew."""
        for sa in list(tunnel.ike_sas):
            if sa.unanswered:
                self.tunnels.drop(sa)
        self.core.timers.cancel(("retry", tunnel))
        tunnel.attempts = 0
        self.retry(tunnel)

    def replace(self, owner: str) -> tuple[int, ...]:
        """New IKE SAs beside those of IKEv2 that the owner uses. What carries nothing, or is the peer's to begin, ends
        at once.
        """
        replaced: list[int] = []
        for tunnel in [tunnel for tunnel in self.tunnels_of(owner) if tunnel.version == 2]:
            tunnel.ticket = None  # a session that is cleared is not gone on with
            if tunnel.session is not None:
                self.tunnels.sessions.end(tunnel, "clear crypto session")
                continue
            if tunnel.up and self.tunnels.flows.keep_phase1(tunnel):
                for sa in tunnel.established():
                    self.tunnels.v2.outdate(sa)
                    replaced.append(sa.conn_id)
            else:
                self._delete_ike_sas(tunnel)
            self.start_over(tunnel)
        return tuple(replaced)

    def retry(self, tunnel: Tunnel) -> None:
        """Try again at once those flows that are not up."""
        for flow in tunnel.flows.values():
            if not flow.up:
                self.core.timers.cancel(("retry", flow))
                flow.attempts = 0
        self.evaluate(tunnel)

    def evaluate(self, tunnel: Tunnel) -> None:
        """As `Tunnels.evaluate`, but not of a tunnel that another one with the same ends keeps down."""
        if tunnel.session is not None or self.core.ends.get(ends_of(tunnel.settings)) is tunnel:
            self.tunnels.evaluate(tunnel)

    def allow(self, owner: str) -> None:
        """The owner can run."""
        found = self.core.owners.get(owner)
        if found is None or found.able:
            return
        idle = [tunnel for tunnel in self.tunnels_of(owner) if not tunnel.able]
        found.able = True
        for tunnel in self.tunnels_of(owner):
            (self.start_over if tunnel in idle else self.retry)(tunnel)

    def suspend(self, owner: str, reason: str) -> None:
        """The owner cannot run: its pairs go, and phase 1 of the peers with which nobody else has anything."""
        found = self.core.owners.get(owner)
        if found is None:
            return
        found.able = False
        for tunnel in self._sessions_of(owner):
            self.tunnels.sessions.end(tunnel, reason)
        for tunnel in self.tunnels_of(owner):
            if tunnel.able:
                for flow in [flow for flow in tunnel.flows.values() if flow.owner is found]:
                    self.tunnels.flows.stop(flow, reason)
                self.evaluate(tunnel)
            else:
                self.tear_down(tunnel, reason)
                self.tunnels.rest(tunnel)

    def close(self) -> None:
        """Everything goes, here and at the peers."""
        self._drop_strangers()
        self.tunnels.sessions.close()
        for owner in self.core.owners.values():
            owner.able = False
        for tunnel in list(self.core.tunnels.values()):
            self.tear_down(tunnel, "shutdown")
            self.tunnels.rest(tunnel)
        self.tunnels.v2.last_words()

    def _drop_strangers(self) -> None:
        for sa in [sa for sa in self.core.half_open if sa.tunnel.provisional]:
            self.tunnels.drop(sa)

    def _sessions_of(self, owner: str) -> list[Tunnel]:
        """The spoke whose interface the owner is, or the peers of its dynamic map."""
        found = self.core.owners[owner]
        return [*found.sessions, *(tunnel for tunnel in self.tunnels_of(owner) if self._is_spoke(tunnel))]

    @staticmethod
    def _is_spoke(tunnel: Tunnel) -> bool:
        return tunnel.session is not None and tunnel.session.place.template is not None

    def tunnels_of(self, owner: str) -> list[Tunnel]:
        """The tunnels that have flows of an owner."""
        found = self.core.owners.get(owner)
        flows = found.flows.values() if found else ()
        return list(dict.fromkeys(flow.tunnel for rivals in flows for flow in rivals))
