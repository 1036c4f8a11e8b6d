"""The life of tunnels: what each one has, what it and its flows lack, and its phase 1 SAs from end to end.

`evaluate` looks at a tunnel as it is and starts what is missing, whatever event led there. Of several SAs that do the
same, `winners` says which stays. The loser is deleted by the side that began the winner; the other side does it
itself much later, should the delete be lost.
"""

from __future__ import annotations

from dataclasses import replace

from seikan.ike.admission import Admission
from seikan.ike.children import RETIRE_LATER, SOFT, SOFT_OTHER, Children
from seikan.ike.core import Core
from seikan.ike.dynamic import DynamicMaps
from seikan.ike.effects import Direction, Path, PeerFailed, SendKeepalive, UpdateSa
from seikan.ike.flows import Flows
from seikan.ike.peers import Peers
from seikan.ike.sa import Flow, IkeSa, Tunnel
from seikan.ike.sessions import Sessions
from seikan.ike.v1.version import Isakmp
from seikan.ike.v2.version import Ikev2
from seikan.ike.version import Version
from seikan.ike.winners import best_ike_sa, ike_sa_replaces
from seikan.wire.constants import IKE_PORT, NAT_TRAVERSAL_PORT
from seikan.wire.selector import Selector

RETIRE_IKE = 5.0  # seconds the side that began the winner keeps a phase 1 SA that lost
RESPONDER_WAIT = 3.0  # seconds a phase 1 responder leaves quick mode to the initiator
MAX_IKE_SAS = 8  # established ones of a peer, the winner among them
HELD = 6.0  # seconds our first message waits while the winning peer's exchange runs
HALF_OPEN_TRUST = 5.0  # seconds an unproven exchange of the peer's address keeps us from starting our own
MAX_BACK_OFF = 8.0  # seconds, and up to a quarter more
MAX_DEFERRED = 8
VERSION_OCTET = 17  # in the header of either version (RFC 7296 section 3.1)


class Tunnels:
    def __init__(self, core: Core) -> None:
        self.core = core
        self.admission = Admission(core, self)
        self.sessions = Sessions(core, self)
        self.dynamic = DynamicMaps(core, self)
        self.peers = Peers(core, self)
        self.flows = Flows(core, self)
        self.children = Children(core, self)
        self.v1 = Isakmp(core, self)
        self.v2 = Ikev2(core, self)
        self._versions: dict[int, Version] = {1: self.v1, 2: self.v2}

    # -- the tables --------------------------------------------------------------------------------------------------

    def of(self, tunnel: Tunnel) -> Version:
        """The version of IKE that is spoken with the peer."""
        return self._versions[tunnel.version]

    def version_of(self, data: bytes) -> Isakmp | Ikev2:
        """By the version that a message has in its header; without anything for IKEv2 none of that is read."""
        ikev2 = len(data) > VERSION_OCTET and data[VERSION_OCTET] >> 4 >= 2 and self.core.settings.ikev2.profiles
        return self.v2 if ikev2 else self.v1

    def add(self, sa: IkeSa) -> None:
        self.of(sa.tunnel).enter(sa)
        sa.tunnel.ike_sas.append(sa)
        self.admission.enter(sa)

    def drop(self, sa: IkeSa, *, linger: bool = False) -> None:
        """Forget an IKE SA and its exchanges; IKEv1's child SAs are the flows' and stay.

        With `linger`, what the network let this one overtake is still understood for a moment.
        """
        core = self.core
        if sa.deleted:
            return
        self.of(sa.tunnel).leave(sa, linger=linger)
        sa.tunnel.ike_sas.remove(sa)
        self.admission.leave(sa)
        for purpose in ("retransmit", "half-open", "forget", "soft", "hard", "dpd", "retire", "keepalive"):
            core.timers.cancel((purpose, sa))
        if linger:
            sa.tunnel.lingering.append(sa)
            core.timers.set(("linger", sa), core.now + self.of(sa.tunnel).linger, lambda: self._gone(sa))
        self.sessions.look(sa.tunnel)

    def look(self, flow: Flow) -> None:
        """Something of a flow has gone: where nothing is left, it or its whole session may go."""
        self.dynamic.look(flow)
        self.sessions.look(flow.tunnel)

    def rest(self, tunnel: Tunnel) -> None:
        """Nothing that is due or comes late may start a tunnel again that is to rest."""
        for purpose in ("retry", "evaluate"):
            self.core.timers.cancel((purpose, tunnel))
        tunnel.need_since = None
        tunnel.attempts = 0
        tunnel.deferred.clear()
        for sa in list(tunnel.lingering):
            self.core.timers.cancel(("linger", sa))
            self._gone(sa)

    def _gone(self, sa: IkeSa) -> None:
        sa.tunnel.lingering.remove(sa)
        self.of(sa.tunnel).gone(sa)

    def delete(self, sa: IkeSa) -> None:
        """Drop an IKE SA and tell the peer."""
        self.of(sa.tunnel).tell_ike_deleted(sa)
        self.drop(sa)

    # -- what a tunnel lacks -----------------------------------------------------------------------------------------

    def evaluate(self, tunnel: Tunnel) -> None:
        """Start whatever is missing and let go whatever is too much."""
        core = self.core
        for flow in tunnel.flows.values():
            self.children.settle(flow)
        self._settle_ike(tunnel)
        if not core.settings.enabled:
            return
        lacking = [(flow, selector) for flow in tunnel.flows.values() for selector in self.flows.lacking(flow)]
        sa = best_ike_sa(tunnel.established())
        ending = sa is None or (sa.expiring and not self.of(tunnel).renew(sa))
        lacks_ike = ending and (bool(lacking) or self.flows.keep_phase1(tunnel))
        session = tunnel.session
        if lacks_ike and session is not None and (session.aggressive or not tunnel.usable()):
            # A peer that nobody configured begins phase 1 itself, but for the renewal of what lives.
            lacks_ike = False
            lacking = [] if sa is None else lacking
        if not lacks_ike and not lacking:
            tunnel.need_since = None
            return
        if tunnel.need_since is None:
            tunnel.need_since = core.now
        if sa is None or lacks_ike:
            if ("retry", tunnel) not in core.timers:
                self._start_ike(tunnel)
        elif not self._leave_to_peer(sa):
            self._start_children(sa, lacking)

    def _start_children(self, sa: IkeSa, lacking: list[tuple[Flow, Selector]]) -> None:
        """As many as may run at once; the end of each is the turn of another."""
        version = self.of(sa.tunnel)
        room = version.room(sa)
        for flow, selector in lacking:
            if room <= 0:
                return
            if ("retry", flow) in self.core.timers:
                continue
            if version.start_child(sa, flow, selector):
                room -= 1
            else:
                self.back_off_flow(flow)

    def _leave_to_peer(self, sa: IkeSa) -> bool:
        """A responder of phase 1 lets the initiator begin the first quick mode."""
        until = (sa.established_at or 0.0) + RESPONDER_WAIT
        if sa.initiator or self.core.now >= until or sa.tunnel.usable():
            return False
        self._look_again(sa.tunnel, until)
        return True

    def _look_again(self, tunnel: Tunnel, when: float) -> None:
        due = self.core.timers.due(("evaluate", tunnel))
        if due is None or due > when:
            self.core.timers.set(("evaluate", tunnel), when, lambda: self.evaluate(tunnel))

    def _start_ike(self, tunnel: Tunnel) -> None:
        core = self.core
        negotiating = [sa for sa in tunnel.ike_sas if not sa.established]
        waited = core.now - (tunnel.need_since if tunnel.need_since is not None else core.now)
        for sa in negotiating:
            # A peer's first message proves nothing; its third shows that it gets our answers.
            if sa.initiator or sa.answering or waited < HALF_OPEN_TRUST:
                self._look_again(tunnel, core.now + HALF_OPEN_TRUST)
                return
        if not self.of(tunnel).start(tunnel):
            self.back_off(tunnel)

    def evaluate_soon(self, tunnel: Tunnel) -> None:
        """Look again a moment later, not at the same moment as the peer."""
        self._rest(tunnel, tunnel)

    def evaluate_flow_soon(self, flow: Flow) -> None:
        """As `evaluate_soon`; other flows of the tunnel need not wait."""
        self._rest(flow, flow.tunnel)

    def _rest(self, whose: Tunnel | Flow, tunnel: Tunnel) -> None:
        timers, over = self.core.timers, self.core.now + 0.45
        timers.set(("retry", whose), over, lambda: None)
        if (timers.due(("evaluate", tunnel)) or 0.0) < over:
            timers.cancel(("evaluate", tunnel))  # it would find this one at rest
        self._look_again(tunnel, self.core.now + 0.5 + 1.5 * self.core.fraction())

    def back_off(self, tunnel: Tunnel) -> None:
        """Phase 1 failed: try again later, each time a little later."""
        self._back_off(tunnel, tunnel)

    def back_off_flow(self, flow: Flow) -> None:
        """As `back_off`, where the quick mode of one flow failed."""
        self._back_off(flow, flow.tunnel)

    def _back_off(self, whose: Tunnel | Flow, tunnel: Tunnel) -> None:
        delay = min(MAX_BACK_OFF, 2.0**whose.attempts) * (0.75 + 0.5 * self.core.fraction())
        whose.attempts = min(whose.attempts + 1, 16)
        self.core.timers.set(("retry", whose), self.core.now + delay, lambda: self.evaluate(tunnel))

    # -- phase 1 SAs -------------------------------------------------------------------------------------------------

    def established(self, sa: IkeSa, *, initial_contact: bool) -> None:
        core, tunnel = self.core, sa.tunnel
        core.counters["phase1_completed"] += 1
        share, jitter = SOFT if sa.initiator else SOFT_OTHER
        soft = sa.lifetime * (share + jitter * core.fraction())
        core.timers.set(("soft", sa), core.now + soft, lambda: self.soft_expired(sa))
        core.timers.set(("hard", sa), core.now + sa.lifetime, lambda: self.hard_expired(sa))
        if initial_contact:
            self.initial_contact(sa)
        for other in list(tunnel.ike_sas):
            if other.unanswered:
                self.drop(other)
        tunnel.deferred.clear()
        sa.heard_at = core.now
        self.of(tunnel).watch(sa)
        self._schedule_keepalive(sa)
        if sa.nat:
            self._move(tunnel, sa.path)
        self.evaluate(tunnel)

    def initial_contact(self, sa: IkeSa) -> None:
        """The peer knows of nothing older than this exchange (RFC 2407 section 4.6.3.3)."""
        for child in sa.tunnel.usable():
            if child.completed < sa.created:
                self.children.make_stale(child)
        for other in list(sa.tunnel.ike_sas):
            if other is not sa and other.established and other.proved_at < sa.created:
                self.core.debug("isakmp", "{.label}: deleted, the peer has restarted", other)
                self.drop(other)

    def _settle_ike(self, tunnel: Tunnel) -> None:
        established = tunnel.established()
        winner = best_ike_sa(established)
        for sa in established:
            key = ("retire", sa)
            if sa is winner or winner is None:
                self.core.timers.cancel(key)
            elif key not in self.core.timers and ike_sa_replaces(winner, sa):
                delay = RETIRE_IKE if winner.initiator else RETIRE_LATER * (1 + self.core.fraction())
                self._retire_later(sa, delay)
        surplus = [sa for sa in established if sa is not winner]
        for sa in surplus[: max(0, len(established) - MAX_IKE_SAS)]:
            self.core.counters["surplus_ike_sas"] += 1
            self.delete(sa)

    def _retire_later(self, sa: IkeSa, delay: float) -> None:
        self.core.timers.set(("retire", sa), self.core.now + delay, lambda: self._retire(sa))

    def _retire(self, sa: IkeSa) -> None:
        winner = best_ike_sa(sa.tunnel.established())
        if winner is None or not ike_sa_replaces(winner, sa):
            return
        if self.of(sa.tunnel).busy(sa):
            self._retire_later(sa, RETIRE_IKE)
            return
        self.core.debug("isakmp", "{.label}: has been replaced", sa)
        self.delete(sa)
        self.evaluate(sa.tunnel)

    def soft_expired(self, sa: IkeSa) -> None:
        sa.expiring = True
        self.core.counters["reauthentications"] += 1
        self.evaluate(sa.tunnel)

    def hard_expired(self, sa: IkeSa) -> None:
        self.core.debug("isakmp", "{.label}: lifetime expired", sa)
        self.delete(sa)
        self.evaluate(sa.tunnel)

    def lost(self, sa: IkeSa) -> None:
        """The peer does not answer under this phase 1 SA; its child SAs may well be alive."""
        self.core.counters["phase1_lost"] += 1
        self.drop(sa)
        self.evaluate(sa.tunnel)

    def peer_dead(self, sa: IkeSa) -> None:
        """Dead peer detection had no answer: everything with the peer goes, and a new beginning is tried at once."""
        core, tunnel = self.core, sa.tunnel
        reason = f"peer {sa.path.remote} does not answer dead peer detection"
        tunnel.gateway = tunnel.redirected_by = None
        core.counters["dpd_dead"] += 1
        if self._all_gone(tunnel, reason):
            return
        core.error(tunnel, "IKMP_DEAD_PEER", reason)
        self.failed(tunnel, reason)
        self.evaluate(tunnel)

    def peer_restarted(self, sa: IkeSa) -> None:
        """The peer has proved that it has lost everything: so has this side, and a new beginning is made at once."""
        reason = f"peer {sa.path.remote} has restarted"
        self.core.log(4, "PEER_RESTARTED", f"{sa.tunnel.name}: {reason}")
        if not self._all_gone(sa.tunnel, reason):
            self.evaluate(sa.tunnel)

    def _all_gone(self, tunnel: Tunnel, reason: str) -> bool:
        """End all SAs with a peer; True where it is one that nobody configured, and so is gone itself."""
        for child in tunnel.children:
            self.children.remove_pair(child, reason)
        for other in tunnel.established():
            self.drop(other)
        if tunnel.session is not None:
            self.sessions.end(tunnel, reason)
            return True
        return False

    def failed(self, tunnel: Tunnel, reason: str) -> None:
        """A configured peer did not answer: where it has others beside it, one of them may be tried."""
        if tunnel.session is None:
            self.core.emit(PeerFailed(tunnel.name, tunnel.settings.remote, reason))

    # -- collisions --------------------------------------------------------------------------------------------------

    def defer(self, tunnel: Tunnel, begun: bytes) -> bool:
        """Both ends began phase 1. The higher initiator cookie wins: its side leaves the other's first message
        unanswered once (a repetition shows that our own does not get through), the other side lets its own rest.
        """
        own = [sa for sa in tunnel.ike_sas if sa.initiator and not sa.established]
        if not own:
            return False
        self.core.counters["phase1_collisions"] += 1
        if all(sa.unanswered and sa.rank[:8] < begun for sa in own):
            for sa in own:
                if sa.held:
                    continue
                sa.held = True
                when = self.core.now + HELD
                self.core.timers.set(("retransmit", sa), when, lambda sa=sa: self.of(sa.tunnel).repeat(sa))  # type: ignore[misc]
            return False
        if begun in tunnel.deferred or len(tunnel.deferred) >= MAX_DEFERRED:
            return False
        tunnel.deferred.add(begun)
        return True

    # -- addresses ---------------------------------------------------------------------------------------------------

    def touch(self, sa: IkeSa, path: Path | None = None) -> None:
        """A fresh, authenticated message: behind a NAT the peer may have moved, and IKE and ESP move together."""
        sa.heard_at = self.core.now
        self.sessions.answered(sa.tunnel, True)
        if path is None or path == sa.path or not sa.nat_remote or path.local != sa.path.local:
            return
        if path.local_port != sa.path.local_port and path.local_port == IKE_PORT:
            return
        self.core.counters["peer_moved"] += 1
        self._move(sa.tunnel, path)

    def peer_moved(self, tunnel: Tunnel, path: Path) -> None:
        """Authenticated ESP came from a new address (RFC 3947 section 7)."""
        if any(child.peer_behind_nat and child.path != path for child in tunnel.children):
            self.core.counters["peer_moved"] += 1
            self._move(tunnel, path)

    def _move(self, tunnel: Tunnel, path: Path) -> None:
        self.sessions.moved(tunnel, path)
        for sa in tunnel.ike_sas:
            if sa.established and sa.nat and sa.path != path:
                self.core.debug("isakmp", "{.label}: peer is now at {}:{}", sa, path.remote, path.remote_port)
                sa.path = path
        for child in tunnel.children:
            if child.removed or not child.udp_encapsulation or child.path == path:
                continue
            child.path = path
            if child.inbound_installed:
                self.core.emit(UpdateSa(child.flow.owner.name, Direction.IN, child.inbound_spi, path, True))
            if child.outbound_installed:
                self.core.emit(UpdateSa(child.flow.owner.name, Direction.OUT, child.outbound_spi, path, True))

    def _schedule_keepalive(self, sa: IkeSa) -> None:
        """The side behind the NAT keeps the mapping alive (RFC 3948 section 4)."""
        interval = self.core.nat_keepalive_of(sa.tunnel)
        if sa.nat_local and interval and sa.established:
            self.core.timers.set(("keepalive", sa), self.core.now + interval, lambda: self._keepalive(sa))

    def _keepalive(self, sa: IkeSa) -> None:
        self.core.counters["nat_keepalives"] += 1
        self.core.emit(SendKeepalive(replace(sa.path, local_port=NAT_TRAVERSAL_PORT)))
        self._schedule_keepalive(sa)
