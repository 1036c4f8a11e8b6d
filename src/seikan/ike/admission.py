"""How many phase 1 SAs there may be, and who gives way (IOS: call admission control for IKE)."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from typing import TYPE_CHECKING

from seikan.ike.core import Core
from seikan.ike.effects import Path
from seikan.ike.limits import source
from seikan.ike.sa import IkeSa, Tunnel

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

MAX_HALF_OPEN = 1000  # exchanges that peers have begun, where nothing else is configured
MAX_HALF_OPEN_OF_PEER = 4
MODEST = 8  # who has no more under way may take the place of any whose peer has shown nothing
MAX_HALF_OPEN_OF_ADDRESS = 64  # of peers that are not configured: many may be behind one NAT


class Admission:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    # -- the tables --------------------------------------------------------------------------------------------------

    @staticmethod
    def _group(sa: IkeSa) -> Hashable:
        return source(sa.path.remote) if sa.tunnel.provisional else sa.tunnel

    def enter(self, sa: IkeSa) -> None:
        """A phase 1 SA begins."""
        core = self.core
        core.counters["outgoing_accepted" if sa.initiator else "incoming_accepted"] += 1
        if sa.initiator:
            core.initiating[sa] = None
            return
        core.half_open[sa] = core.unproven[sa] = None
        sa.group = self._group(sa)
        core.half_open_of.setdefault(sa.group, {})[sa] = None

    def proven(self, sa: IkeSa) -> None:
        """The peer has answered what was sent to its address."""
        self.core.unproven.pop(sa, None)

    def complete(self, sa: IkeSa) -> None:
        """It is established."""
        self.leave(sa)
        self.core.established[sa] = None

    def leave(self, sa: IkeSa) -> None:
        """It is over."""
        core = self.core
        for table in (core.half_open, core.unproven, core.initiating, core.established):
            table.pop(sa, None)
        members = core.half_open_of.get(sa.group)
        if members is not None and sa in members:
            del members[sa]
            if not members:
                del core.half_open_of[sa.group]

    # -- the limits --------------------------------------------------------------------------------------------------

    def _negotiating(self) -> int:
        """Exchanges under way whose peer is real; those of forged addresses must not count against it."""
        core = self.core
        return len(core.half_open) - len(core.unproven) + len(core.initiating)

    def admits(self, path: Path, group: Hashable, limit: int, *, known: bool, reached: bool = False) -> bool:
        """Whether a peer may begin one more exchange, be it in place of the oldest whose peer has shown nothing: else
        a few forged first messages would keep the real peer out. `known` is one that only renews its SA; `group` has
        `limit` exchanges under way at most. Where all are real, one of whoever has most gives way to one who has less,
        and a configured peer's oldest to the same peer where it is `reached` at its address: it has begun anew.
        """
        core, settings = self.core, self.core.settings
        members = core.half_open_of.get(group, {})
        if settings.max_sas and not known and len(core.established) + self._negotiating() >= settings.max_sas:
            crowd = self._crowd(members) if len(core.established) < settings.max_sas else ()
            return self._give_way(self._proven(crowd), path, "refused_sas", "IKE SA LIMIT REACHED")
        if settings.max_negotiating and self._negotiating() >= settings.max_negotiating:
            return self._give_way(self._proven(self._crowd(members)), path, "refused_negotiating")
        if len(members) >= limit:
            oldest = self._unproven(members)
            if oldest is None and reached and isinstance(group, Tunnel):
                oldest = self._proven(members)
            return self._give_way(oldest, path, "refused_half_open")
        most = settings.max_negotiating or MAX_HALF_OPEN
        if len(core.half_open) >= most:
            crowd = self._crowd(members)
            oldest = self._unproven(crowd) or self._proven(crowd) or self._unproven(members)
            if oldest is None and len(members) <= min(MODEST, most // MODEST):
                oldest = next(iter(core.unproven), None)
            return self._give_way(oldest, path, "refused_negotiating")
        return True

    def _unproven(self, members: Iterable[IkeSa]) -> IkeSa | None:
        return next((sa for sa in members if sa in self.core.unproven), None)

    def _proven(self, members: Iterable[IkeSa]) -> IkeSa | None:
        return next((sa for sa in members if sa not in self.core.unproven), None)

    def _crowd(self, members: Collection[IkeSa]) -> Collection[IkeSa]:
        """What there is of whoever has most under way, oldest first, where that is more than `members` and one more."""
        most = max(self.core.half_open_of.values(), key=len, default={})
        return most if len(most) > len(members) + 1 else ()

    def _give_way(
        self, oldest: IkeSa | None, path: Path, counter: str, why: str = "IN-NEGOTIATION IKE SA LIMIT REACHED"
    ) -> bool:
        self.core.counters["half_open_limit"] += 1
        if oldest is None:
            self._deny("INCOMING", path, why, counter)
            return False
        self.tunnels.drop(oldest)
        return True

    def admits_own(self, tunnel: Tunnel) -> bool:
        """Whether this side may begin one more exchange within what is configured."""
        core, settings = self.core, self.core.settings
        local, remote = tunnel.settings.local, tunnel.settings.remote
        under_way = self._negotiating()
        if settings.max_sas and not tunnel.established() and len(core.established) + under_way >= settings.max_sas:
            self._deny("OUTGOING", Path(local, 0, remote, 0), "IKE SA LIMIT REACHED", "outgoing_refused")
            return False
        if settings.max_negotiating and under_way >= settings.max_negotiating:
            why = "IN-NEGOTIATION IKE SA LIMIT REACHED"
            self._deny("OUTGOING", Path(local, 0, remote, 0), why, "outgoing_refused")
            return False
        return True

    def _deny(self, way: str, path: Path, why: str, counter: str) -> None:
        core = self.core
        core.counters[counter] += 1
        core.counters[f"admission_denied_{way.lower()}"] += 1
        if core.error_replies.allow("admission", core.now):
            source, target = (path.remote, path.local) if way == "INCOMING" else (path.local, path.remote)
            core.log(4, "IKE_DENY_SA_REQ", f"IKE denied an {way} SA request from {source} to {target} due to {why}")
