"""The life of flows: what each one lacks, which one a peer means, and what its pairs mean for its owner."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from typing import TYPE_CHECKING

from seikan.ike.core import Core
from seikan.ike.effects import FlowDown, FlowUp, TunnelDown, TunnelUp
from seikan.ike.sa import ChildSa, Flow, IkeSa, Owner, Tunnel
from seikan.ike.selectors import describe, selector_of, selector_text
from seikan.ike.settings import FlowSettings
from seikan.ike.status import Mismatch
from seikan.ike.winners import best_child, best_ike_sa, ike_sa_replaces
from seikan.wire.payloads import Identification
from seikan.wire.selector import Selector

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

WANTED = 120.0  # seconds for which traffic that asked is taken to be still there
MAX_PAIRS_OF_FLOW = 64  # of all selectors that a peer has taken out of a flow
_NAMED = 4  # selectors of ours that a mismatch report names


class Flows:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    # -- the tables --------------------------------------------------------------------------------------------------

    def owner(self, name: str) -> Owner:
        return self.core.owners.setdefault(name, Owner(name))

    def add(self, tunnel: Tunnel, settings: FlowSettings) -> Flow:
        owner = self.owner(settings.owner)
        flow = Flow(tunnel, owner, settings)
        tunnel.flows[owner.name, settings.number] = flow
        owner.flows.setdefault(settings.number, []).append(flow)
        owner.by_selector.setdefault(settings.selector, flow)
        return flow

    def remove(self, flow: Flow, reason: str) -> None:
        """Take a flow out: its pairs are deleted here and at the peer, other flows go on."""
        self.stop(flow, reason)
        flow.removed = True
        flow.tunnel.flows.pop((flow.owner.name, flow.number), None)
        rivals = flow.owner.flows[flow.number]
        rivals.remove(flow)
        if flow.owner.by_selector.get(flow.settings.selector) is flow:
            del flow.owner.by_selector[flow.settings.selector]
            for other in rivals:
                flow.owner.by_selector.setdefault(other.settings.selector, other)
        if not rivals:
            del flow.owner.flows[flow.number]

    def stop(self, flow: Flow, reason: str) -> None:
        """Delete a flow's pairs, here and at the peer, and end what is under way for it."""
        for exchange in list(flow.exchanges):
            self.tunnels.of(flow.tunnel).discard(exchange)
        for child in list(flow.children):
            self.tunnels.children.delete_pair(child, reason)
            self.tunnels.children.drained(child)
        self.core.timers.cancel(("retry", flow))
        flow.attempts = 0
        flow.wanted_until = 0.0

    # -- what a flow lacks -------------------------------------------------------------------------------------------

    def lacking(self, flow: Flow) -> list[Selector]:
        """What a pair has to be made for: nothing is there, or what there is about to end, and none is on its way."""
        settings = flow.settings
        if not flow.owner.able or not settings.initiate:
            return []
        busy = {child.selector for child in flow.children if not child.removed and not child.usable}
        busy |= {exchange.selector for exchange in flow.exchanges if exchange.selector is not None}
        usable = flow.usable()
        if not usable:
            wanted = not settings.on_demand or self.core.now < flow.wanted_until
            # The first pair of a peer that nobody configured is the peer's to ask for.
            wanted = wanted and (flow.tunnel.session is None or flow.was_up)
            return [settings.selector] if wanted and not busy else []
        found = []
        for selector in dict.fromkeys(child.selector for child in usable):
            winner = best_child([child for child in usable if child.selector == selector])
            if winner is not None and self._ends(winner) and selector not in busy:
                found.append(selector)
        return found

    @staticmethod
    def _ends(child: ChildSa) -> bool:
        """Whether a pair needs another in its place: with IKEv2 also where its IKE SA is about to lose its own."""
        sa = child.ike_sa
        if sa is not None and child.stale and child.selector != child.flow.settings.selector:
            return False  # the peer has narrowed it, and asks for it again where it still wants that
        if child.expiring or child.stale or sa is None:
            return child.expiring or child.stale
        best = best_ike_sa(child.tunnel.established())
        return best is not None and best is not sa and best.initiator and ike_sa_replaces(best, sa)

    @staticmethod
    def replaced(child: ChildSa) -> bool:
        """Whether another pair does what this one does."""
        return any(
            other is not child and not other.stale and other.ike_sa is not child.ike_sa
            for other in child.flow.usable(child.selector)
        )

    @staticmethod
    def keep_phase1(tunnel: Tunnel) -> bool:
        """Whether phase 1 is to be there though no pair has to be made: it carries deletes and dead peer detection."""
        return any(
            flow.owner.able and flow.settings.initiate and (not flow.settings.on_demand or flow.usable())
            for flow in tunnel.flows.values()
        )

    def acquire(self, owner: str, number: int) -> None:
        """A packet of a flow without a pair has come."""
        core = self.core
        found = core.owners.get(owner)
        flows = found.flows.get(number, []) if found else []
        flow = next((flow for flow in flows if flow.settings.initiate), None)
        if flow is None:
            core.counters["acquire_unknown_flow"] += 1
            return
        core.counters["acquires"] += 1
        flow.wanted_until = core.now + WANTED
        self.tunnels.evaluate(flow.tunnel)

    # -- which flow a peer means -------------------------------------------------------------------------------------

    def asked(self, sa: IkeSa, identities: Sequence[Identification], *, initiator: bool) -> Selector | None:
        """The selector, as this side sees it, of IDci and IDcr. Without them the two hosts are meant (RFC 2409
        section 5.5); None where they make no selector.
        """
        if not identities:
            return Selector(ip_network(sa.path.local), ip_network(sa.path.remote))
        if len(identities) != 2:
            return None
        local, remote = identities if initiator else identities[::-1]
        return selector_of(local, remote)

    def find(self, sa: IkeSa, selector: Selector) -> tuple[Flow, Selector] | None:
        """The flow that `selector` belongs to, and what its pair is for.

        IKEv1 has no narrowing, so it must be the flow's own; but a responder takes less of what a line of an access
        list permits, as IOS does.
        """
        flows = [flow for flow in sa.tunnel.flows.values() if flow.owner.able]
        for flow in flows:
            if self.same(sa, flow, selector):
                return flow, flow.settings.selector
        for flow in flows:
            own = flow.settings
            if flow.entry is None and not own.selector.any and not own.transport and own.selector.contains(selector):
                return flow, selector
        return None

    @staticmethod
    def same(sa: IkeSa, flow: Flow, selector: Selector) -> bool:
        """Whether `selector` is the flow's. Any to any is so in both address families. Behind a NAT a host has another
        address than the one it is seen at, so between two hosts the peer's own idea of that holds: it has proved its
        key.
        """
        own = flow.settings.selector
        if own == selector or (own.any and selector.any):
            return True
        if not flow.settings.transport or not sa.nat:
            return False
        networks = (selector.local, selector.remote)
        return (
            all(network.prefixlen == network.max_prefixlen for network in networks)
            and (own.protocol, own.local_port, own.remote_port)
            == (selector.protocol, selector.local_port, selector.remote_port)
            and (own.local == selector.local or sa.nat_local)
            and (own.remote == selector.remote or sa.nat_remote)
        )

    @staticmethod
    def mismatch(tunnel: Tunnel, identities: Sequence[Identification]) -> Mismatch:
        """What the peer asks for beside what there is; `identities` in the order of this side and the peer."""
        own = [describe(flow.settings.selector) for flow in tunnel.flows.values()]
        more = f", and {len(own) - _NAMED} more" if len(own) > _NAMED else ""
        ends = [selector_text(identity) for identity in identities]
        theirs = " to ".join(ends) or "none (its addresses alone)"
        if theirs not in own and " to ".join(reversed(ends)) in own:
            theirs += ", the reverse: one access list must be the other's mirror image, not its copy"
        return Mismatch("ipsec selectors", ", ".join(own[:_NAMED]) + more or "none", theirs)

    @staticmethod
    def about(flow: Flow) -> str:
        """Which traffic a message is about, where a tunnel has more than one kind of it."""
        return "" if flow.settings.selector.any else f", traffic {describe(flow.settings.selector)}"

    # -- up and down -------------------------------------------------------------------------------------------------

    def came_up(self, flow: Flow, child: ChildSa) -> None:
        """The flow has a usable pair; nothing where it had one."""
        if flow.up:
            return
        core, owner, tunnel = self.core, flow.owner, flow.tunnel
        flow.up, flow.up_since, flow.was_up = True, core.now, True
        owner.up_flows += 1
        tunnel.up_flows += 1
        core.emit(FlowUp(owner.name, flow.number, tunnel.settings.remote))
        if owner.up_flows == 1:
            core.emit(TunnelUp(owner.name))
        if tunnel.up_flows == 1:
            tunnel.up_since = core.now
            self._session(tunnel, child, "UP")

    def went_down(self, flow: Flow, child: ChildSa, reason: str) -> None:
        """The flow has lost its last pair."""
        if not flow.up:
            return
        core, owner, tunnel = self.core, flow.owner, flow.tunnel
        flow.up, flow.up_since = False, None
        owner.up_flows -= 1
        tunnel.up_flows -= 1
        if not any(other.up for other in owner.flows.get(flow.number, ())):
            core.emit(FlowDown(owner.name, flow.number, reason))
        if not owner.up_flows:
            core.emit(TunnelDown(owner.name, reason))
        if not tunnel.up_flows:
            tunnel.up_since = None
            self.tunnels.sessions.went_down(tunnel, reason)
            self._session(tunnel, child, "DOWN")

    def _session(self, tunnel: Tunnel, child: ChildSa, word: str) -> None:
        if self.core.settings.session_status:
            peer = f"{child.path.remote}:{child.path.remote_port}"
            identity = next((sa.peer_identity for sa in tunnel.ike_sas if sa.peer_identity), child.path.remote)
            self.core.log(5, "SESSION_STATUS", f"Crypto tunnel is {word:<4}.  Peer {peer}       Id: {identity}")
