"""Sessions: peers that nothing in the configuration names, from their authentication to their end.

A session is a tunnel that comes with its peer. A spoke's has a Virtual-Access interface as the owner of its one flow;
that of a peer of a dynamic crypto map gets flows as the peer asks for them. A session ends with its last SA, and this
side never begins one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import TYPE_CHECKING

from seikan.ike.core import Core
from seikan.ike.effects import Address, CreateAccess, MoveAccess, Path, RemoveAccess, Usage
from seikan.ike.identity import Identity, Kind
from seikan.ike.limits import source
from seikan.ike.numbers import Numbers
from seikan.ike.preshared import Key
from seikan.ike.sa import IkeSa, Place, Session, Tunnel
from seikan.ike.settings import FlowSettings, TemplateSettings, TunnelSettings
from seikan.ike.winners import best_ike_sa

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

GRACE = 5.0  # seconds a session without any SA is kept: one that is cleared at the peer comes back at once
ASK_TRIES = 3
ASK_RETRY = 1.0  # seconds
IDLE = 60.0  # seconds without a pair and without a word after which a peer is asked whether it lives
_Known = tuple[Place, Kind, str]


class Sessions:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels
        self.numbers = Numbers()
        self._known: dict[_Known, list[Tunnel]] = {}
        self._paths: dict[tuple[Address, Address, int], Tunnel] = {}
        self._all: dict[Tunnel, None] = {}
        self._from: Counter[Hashable] = Counter()
        self._names = 0

    def __len__(self) -> int:
        return len(self._all)

    def all(self) -> list[Tunnel]:
        return list(self._all)

    def of(self, place: Place, identity: Identity) -> list[Tunnel]:
        """The sessions of an identity: one, but for private addresses, which are alike behind many NATs."""
        return list(self._known.get((place, identity.kind, identity.name), ()))

    def at(self, path: Path) -> Tunnel | None:
        """The session whose peer is at the far end of `path`."""
        return self._paths.get(_end(path))

    def from_source(self, path: Path) -> int:
        """How many peers are where `path` leads."""
        return self._from[source(path.remote)]

    # -- beginning and joining ---------------------------------------------------------------------------------------

    def begin(self, sa: IkeSa, path: Path, identity: Identity, key: Key, place: Place, profile: str | None) -> None:
        """The provisional tunnel of `sa` becomes a session."""
        core, tunnel = self.core, sa.tunnel
        session = Session(place, identity, path, key, sa.by_name)
        tunnel.provisional, tunnel.session = False, session
        if place.template is not None:
            session.number = self.numbers.take(self._holder(session), core.now)
            name = f"Virtual-Access{session.number}"
        else:
            self._names += 1
            name = f"{place.owner} dynamic {self._names}"
        tunnel.settings = _with_profile(TunnelSettings(name, path.local, path.remote, ()), place, profile)
        tunnel.trouble.clear()
        core.tunnels[name] = tunnel
        self._all[tunnel] = None
        self._known.setdefault((place, identity.kind, identity.name), []).append(tunnel)
        self._enter(tunnel, path)
        core.counters["sessions_begun"] += 1
        template = self._template(place)
        if template is not None:
            core.emit(CreateAccess(name, template.number, profile or "", path, sa.peer_identity or ""))
            self.tunnels.flows.owner(name).able = True
            self.tunnels.flows.add(
                tunnel, FlowSettings(name, 0, template.selector, template.phase_two, more=template.more)
            )
        else:
            core.owners[place.owner].sessions[tunnel] = None
        core.timers.set(("idle", tunnel), core.now + IDLE, lambda: self._idle(tunnel))

    def join(self, tunnel: Tunnel, sa: IkeSa, path: Path, key: Key, profile: str | None) -> None:
        """A new phase 1 SA of a peer that has a session. From another address it replaces what was there: the old
        pairs stay until the new ones are in, the old phase 1 SAs go.
        """
        session = tunnel.session
        if session is None:
            raise ValueError("no session to join")
        sa.tunnel.ike_sas.remove(sa)
        sa.tunnel = tunnel
        tunnel.ike_sas.append(sa)
        session.key, session.aggressive = key, sa.by_name
        tunnel.settings = _with_profile(tunnel.settings, session.place, profile)
        self.core.counters["sessions_joined"] += 1
        if path == session.path:
            return
        for other in tunnel.established():
            self.tunnels.delete(other)
        for child in tunnel.usable():
            self.tunnels.children.make_stale(child)
        self.moved(tunnel, path)

    def _template(self, place: Place) -> TemplateSettings | None:
        return next((row for row in self.core.settings.templates if row.number == place.template), None)

    @staticmethod
    def _holder(session: Session) -> tuple[Kind, str, Address | None]:
        """By what an interface's number is remembered."""
        identity = session.identity
        behind_nat = identity.address is not None and identity.address != session.path.remote
        return identity.kind, identity.name, session.path.remote if behind_nat else None

    # -- where it is -------------------------------------------------------------------------------------------------

    def _enter(self, tunnel: Tunnel, path: Path) -> None:
        self._paths.setdefault(_end(path), tunnel)
        self._from[source(path.remote)] += 1
        self.core.by_remote.setdefault(path.remote, {})[tunnel] = None

    def _leave(self, tunnel: Tunnel, path: Path) -> None:
        self._from[source(path.remote)] -= 1
        if not self._from[source(path.remote)]:
            del self._from[source(path.remote)]
        members = self.core.by_remote.get(path.remote, {})
        members.pop(tunnel, None)
        if self._paths.get(_end(path)) is tunnel:
            del self._paths[_end(path)]
            for other in members:  # two identities of one peer
                if other.session is not None and _end(other.session.path) == _end(path):
                    self._paths[_end(path)] = other
        if not members:
            self.core.by_remote.pop(path.remote, None)

    def moved(self, tunnel: Tunnel, path: Path) -> None:
        """The peer is at another address or port now."""
        session = tunnel.session
        if session is None or session.path == path or session.ended:
            return
        self._leave(tunnel, session.path)
        session.path = path
        self._enter(tunnel, path)
        tunnel.settings = replace(tunnel.settings, local=path.local, remote=path.remote)
        self.core.counters["sessions_moved"] += 1
        if session.place.template is not None:
            self.core.emit(MoveAccess(tunnel.name, path))

    # -- does it live ------------------------------------------------------------------------------------------------

    def ask(self, tunnel: Tunnel, done: Callable[[bool], None]) -> None:
        """Find out at once whether the peer lives: by dead peer detection, whatever is configured, and by what comes
        on its pairs meanwhile. `done` is told within a few seconds.
        """
        session = tunnel.session
        if session is None or session.ended:
            done(False)
            return
        session.questions.append(done)
        if len(session.questions) == 1:
            self._ask(tunnel, session, self.core.now, 0)

    def end_unless_alive(self, tunnel: Tunnel, reason: str) -> None:
        """There is a sign that the peer of a session is not there any more; of a configured one nothing follows."""
        if tunnel.session is not None:
            self.ask(tunnel, lambda alive: None if alive else self.end(tunnel, reason))

    def _ask(self, tunnel: Tunnel, session: Session, since: float, tries: int) -> None:
        core = self.core
        if not session.questions:
            return
        if tries == ASK_TRIES:
            self._ask_plane(tunnel, since)
            return
        sa = best_ike_sa(tunnel.established())
        if sa is not None:
            self.tunnels.of(tunnel).ask(sa)
        core.timers.set(("ask", tunnel), core.now + ASK_RETRY, lambda: self._ask(tunnel, session, since, tries + 1))

    def _ask_plane(self, tunnel: Tunnel, since: float) -> None:
        """No answer; but ESP that came since is one."""
        core = self.core
        core.timers.set(("ask", tunnel), core.now + ASK_RETRY, lambda: self.answered(tunnel, False))
        pairs = tunnel.usable()
        if not pairs:
            self.answered(tunnel, False)
            return

        def seen(usage: Usage) -> None:
            self.answered(tunnel, usage.inbound_idle is not None and usage.inbound_idle < core.now - since)

        self.tunnels.children.query_all(pairs, seen)

    def answered(self, tunnel: Tunnel, alive: bool) -> None:
        """Tell all who asked."""
        session = tunnel.session
        if session is None or not session.questions:
            return
        self.core.timers.cancel(("ask", tunnel))
        for sa in tunnel.ike_sas:
            sa.dpd_asking = False
        if alive:
            session.alive_at = self.core.now
        asked, session.questions = session.questions, []
        for done in asked:
            done(alive)

    def silent(self, tunnel: Tunnel, since: float, reason: str) -> None:
        """The renewal of phase 1 had no answer: unless one is there all the same, or ESP came meanwhile, it is gone."""
        session = tunnel.session
        if session is None or session.ended or tunnel.established():
            return

        def seen(usage: Usage) -> None:
            alive = usage.inbound_idle is not None and usage.inbound_idle < self.core.now - since
            if not alive and not tunnel.established():
                self.end(tunnel, reason)

        self.tunnels.children.query_all(tunnel.usable(), seen)

    def _idle(self, tunnel: Tunnel) -> None:
        """A peer without a pair: an interface that nobody uses must not stay for the rest of phase 1's lifetime."""
        core, session = self.core, tunnel.session
        if session is None or session.ended or tunnel.up:
            return
        core.timers.set(("idle", tunnel), core.now + IDLE, lambda: self._idle(tunnel))
        sa = best_ike_sa(tunnel.established())
        if sa is None or core.now - sa.heard_at < IDLE or not (sa.dpd or session.place.template is not None):
            return

        def answered(alive: bool) -> None:
            if not alive and not tunnel.up:
                self.end(tunnel, f"peer {session.path.remote} does not answer and has no IPsec SA")

        self.ask(tunnel, answered)

    # -- the end -----------------------------------------------------------------------------------------------------

    def went_down(self, tunnel: Tunnel, reason: str) -> None:
        """Its last pair is gone; maybe more follows."""
        session = tunnel.session
        if session is not None and not session.ended:
            session.reason = reason
            if not tunnel.established():
                # This side begins phase 1 only to keep what lives, and that was the last of it.
                for sa in [sa for sa in tunnel.ike_sas if sa.initiator]:
                    self.tunnels.drop(sa)
            self.core.timers.set(("idle", tunnel), self.core.now + IDLE, lambda: self._idle(tunnel))

    def look(self, tunnel: Tunnel) -> None:
        """Something of it has gone: with the last SA it ends, unless another comes soon."""
        session = tunnel.session
        if session is None or session.ended or not tunnel.empty or ("grace", tunnel) in self.core.timers:
            return
        self.core.timers.set(("grace", tunnel), self.core.now + GRACE, lambda: self._grace_over(tunnel, session))

    def _grace_over(self, tunnel: Tunnel, session: Session) -> None:
        if tunnel.empty:
            self.end(tunnel, session.reason)

    def end(self, tunnel: Tunnel, reason: str) -> None:
        """Everything of the session goes, here and at the peer."""
        core, session = self.core, tunnel.session
        if session is None or session.ended:
            return
        session.ended = True
        core.counters["sessions_ended"] += 1
        for flow in list(tunnel.flows.values()):
            self.tunnels.flows.remove(flow, reason)
            self.tunnels.dynamic.flow_removed(flow)
        for sa in list(tunnel.ike_sas):
            self.tunnels.delete(sa)
        self.tunnels.rest(tunnel)
        for purpose in ("grace", "idle"):
            core.timers.cancel((purpose, tunnel))
        self.answered(tunnel, False)
        place = session.place
        known = (place, session.identity.kind, session.identity.name)
        self._known[known].remove(tunnel)
        if not self._known[known]:
            del self._known[known]
        self._leave(tunnel, session.path)
        del self._all[tunnel]
        del core.tunnels[tunnel.name]
        if place.template is None:
            core.owners[place.owner].sessions.pop(tunnel, None)
            return
        core.owners.pop(tunnel.name, None)
        core.emit(RemoveAccess(tunnel.name, reason))
        self.numbers.give_back(self._holder(session), session.number, core.now)

    def reconfigured(self, *, who: bool) -> None:
        """A session whose profile or template is gone ends; others take the new phase 2 for their next pair. `who` may
        have phase 1 has changed: a session whose key or identity is not let in any more ends too.
        """
        core = self.core
        for tunnel in self.all():
            session = tunnel.session
            if session is None:
                continue
            if not core.settings.enabled:
                self.end(tunnel, "crypto isakmp is disabled")
                continue
            if tunnel.version == 2:
                self._ikev2_reconfigured(tunnel, session, who=who)
                continue
            name = tunnel.settings.isakmp_profile
            profile = core.profiles.get(name or "")
            if name is not None and profile is None:
                self.end(tunnel, f"isakmp profile {name} has been removed")
            elif who and not self._keep_key(tunnel, session):
                self.end(tunnel, "its pre-shared key has been removed")
            elif who and not self.tunnels.peers.admits(session.identity, session.key, session.path.local):
                self.end(tunnel, "no isakmp profile matches its identity any more")
            elif session.place.template is None:
                self.tunnels.dynamic.reconfigured(tunnel, session)
            else:
                template = self._template(session.place)
                fits = template is not None and template.local in (None, session.path.local)
                if template is None or not fits or profile is None or profile.template != template.number:
                    self.end(tunnel, f"the virtual-template of isakmp profile {name} is not there any more")
                    continue
                for flow in list(tunnel.flows.values()):
                    flow.settings = replace(flow.settings, phase_two=template.phase_two)

    def _ikev2_reconfigured(self, tunnel: Tunnel, session: Session, *, who: bool) -> None:
        reason = self.tunnels.peers.not_admitted(tunnel, session) if who else None
        if reason is not None:
            self.end(tunnel, reason)
            return
        if session.place.template is None:
            self.tunnels.dynamic.reconfigured(tunnel, session)
            return
        template, name = self._template(session.place), tunnel.settings.ikev2_profile
        profile = self.core.ikev2_profiles.get(name or "")
        fits = template is not None and template.local in (None, session.path.local)
        if template is None or not fits or profile is None or profile.template != template.number:
            self.end(tunnel, f"the virtual-template of ikev2 profile {name} is not there any more")
            return
        for flow in list(tunnel.flows.values()):
            flow.settings = replace(flow.settings, phase_two=template.phase_two, more=template.more)

    def _keep_key(self, tunnel: Tunnel, session: Session) -> bool:
        """Whether a key for the peer is left; where its own has become another, that is for the next phase 1."""
        keys = self.core.keys
        if session.key not in keys:
            by_name = session.aggressive and session.identity.address is None
            host = session.identity.name if by_name else None
            rings = self.tunnels.peers.rings_of(tunnel.settings.isakmp_profile)
            found = keys.find(session.path.local, session.path.remote, host, rings)
            if found is None:
                return False
            session.key = found
        return True

    def close(self) -> None:
        for tunnel in self.all():
            self.end(tunnel, "shutdown")


def _end(path: Path) -> tuple[Address, Address, int]:
    return path.local, path.remote, path.remote_port


def _with_profile(settings: TunnelSettings, place: Place, profile: str | None) -> TunnelSettings:
    if place.version == 2:
        return replace(settings, ikev2_profile=profile)
    return replace(settings, isakmp_profile=profile)
