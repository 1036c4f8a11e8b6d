"""Who may have phase 1: configured peers whose identity fits their profile, and peers that nothing names.

An unknown peer's exchange has a provisional tunnel, which lives as long as its half-open SA and is in no table. When
the peer has proved a key, its identity tells the profile, and the profile what it gets: a session of its own, or a
place in the session that it has. Until then nothing is said to it but what the exchange itself says.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Interface, IPv6Network
from typing import TYPE_CHECKING

from seikan.config.model import PreSharedKey
from seikan.ike.core import Core
from seikan.ike.effects import Address, Path
from seikan.ike.errors import AbandonExchange
from seikan.ike.identity import Identity, best_fit
from seikan.ike.limits import RateLimit
from seikan.ike.preshared import GLOBAL, Key
from seikan.ike.sa import IkeSa, Place, Session, Tunnel
from seikan.ike.settings import (
    DynamicEntrySettings,
    DynamicMapSettings,
    Ikev2ProfileSettings,
    ProfileSettings,
    TunnelSettings,
)
from seikan.ike.v2.identities import find_key, find_profile, has_other_key
from seikan.wire.constants import IdentityType
from seikan.wire.secret import Secret

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

MAX_SESSIONS = 8192
MAX_SESSIONS_OF_SOURCE = 1024  # behind one NAT; whoever has a key can have as many identities as it likes


class Peers:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels
        self.refusals = RateLimit(rate=0.1, burst=10)
        self._rings: dict[Address, frozenset[str]] = {}
        self._candidates: dict[Address, list[Ikev2ProfileSettings]] = {}

    def reconfigured(self) -> None:
        """What was worked out from the settings holds no more."""
        self._rings.clear()
        self._candidates.clear()

    # -- what there is for unknown peers -----------------------------------------------------------------------------

    def _profiles(self, local: Address) -> list[ProfileSettings]:
        return [row for row in self.core.settings.profiles if row.local in (None, local)]

    def _template(self, profile: ProfileSettings, local: Address) -> int | None:
        """The profile's Virtual-Template, where a spoke that comes to `local` can have a copy."""
        return self._template_number(profile.template, local)

    def _template_number(self, number: int | None, local: Address) -> int | None:
        rows = self.core.settings.templates
        return next((row.number for row in rows if row.number == number and row.local in (None, local)), None)

    def entries(self, local: Address, profile: str | None) -> list[tuple[DynamicMapSettings, DynamicEntrySettings]]:
        """The entries of dynamic maps at `local` that take peers of this profile, or without one."""
        return [
            (row, entry)
            for row in self.core.settings.dynamic_maps
            if row.local == local
            for entry in row.entries
            if entry.isakmp_profile == profile or (entry.isakmp_profile is None and entry.ikev2_profile is None)
        ]

    def entries_for(self, tunnel: Tunnel) -> list[tuple[DynamicMapSettings, DynamicEntrySettings]]:
        """Those that take the peer of a session."""
        local, name = tunnel.settings.local, tunnel.settings.ikev2_profile
        if name is not None:
            return self._ikev2_entries(local, name)
        return self.entries(local, tunnel.settings.isakmp_profile)

    def _usable_rings(self, local: Address) -> frozenset[str]:
        """The keyrings whose keys can lead an unknown peer somewhere."""
        if local not in self._rings:
            found: set[str] = set()
            for profile in self._profiles(local):
                if self._template(profile, local) is not None or self.entries(local, profile.name):
                    found.update(profile.keyrings or (GLOBAL,))
            if self.entries(local, None):
                found |= self._rings_without_profile()
            self._rings[local] = frozenset(found)
        return self._rings[local]

    def _rings_without_profile(self) -> set[str]:
        """The global keys, and those of keyrings that no profile has."""
        taken = {name for profile in self.core.settings.profiles for name in profile.keyrings}
        return {GLOBAL, *(ring.name for ring in self.core.settings.keyrings if ring.name not in taken)}

    def _open(self, local: Address) -> bool:
        """Whether an unknown peer can get anything at `local` now."""
        if any(self._template(profile, local) is not None for profile in self._profiles(local)):
            return True
        if any(self._template_number(row.template, local) is not None for row in self.ikev2_candidates(local)):
            return True
        owners = (self.core.owners.get(row.owner) for row in self.core.settings.dynamic_maps if row.local == local)
        return any(owner is not None and owner.able for owner in owners)

    # -- beginning ---------------------------------------------------------------------------------------------------

    def provisional(self, path: Path, *, named: bool) -> Tunnel | None:
        """A tunnel for the exchange that an unknown peer begins; None where nothing is there for any, or no key can be
        its own. One that is `named` may still have a key by its name, in aggressive mode.
        """
        core = self.core
        rings = self._usable_rings(path.local)
        if not rings:
            core.counters["strangers"] += 1
            return None
        if not self._open(path.local):
            core.counters["tunnel_not_able"] += 1
            return None
        if not named and core.keys.find(path.local, path.remote, rings=rings) is None:
            core.counters["strangers_without_key"] += 1
            return None
        name = f"{path.remote}:{path.remote_port}"
        return Tunnel(TunnelSettings(name, path.local, path.remote, ()), provisional=True)

    def ikev2_candidates(self, local: Address) -> list[Ikev2ProfileSettings]:
        """The ikev2 profiles that have something for unknown peers that come to `local`."""
        if local not in self._candidates:
            self._candidates[local] = [
                row
                for row in self.core.settings.ikev2.profiles
                if (not row.locals or local in row.locals)
                and (self._template_number(row.template, local) is not None or self._ikev2_entries(local, row.name))
            ]
        return self._candidates[local]

    def _ikev2_entries(self, local: Address, profile: str) -> list[tuple[DynamicMapSettings, DynamicEntrySettings]]:
        return [
            (row, entry)
            for row in self.core.settings.dynamic_maps
            if row.local == local
            for entry in row.entries
            if entry.ikev2_profile == profile
        ]

    def takes_unknown_ikev2(self, local: Address) -> bool:
        """Whether there is anything at `local` now for peers that nothing names."""
        core = self.core
        if not self.ikev2_candidates(local):
            core.counters["strangers"] += 1
            return False
        if not self._open(local):
            core.counters["tunnel_not_able"] += 1
            return False
        return True

    @staticmethod
    def provisional_ikev2(path: Path) -> Tunnel:
        """A tunnel for the exchange that an unknown peer begins by IKEv2, which tells only later who it is."""
        name = f"{path.remote}:{path.remote_port}"
        return Tunnel(TunnelSettings(name, path.local, path.remote, (), ikev2_profile=""), provisional=True)

    def proved(self, sa: IkeSa, profile: Ikev2ProfileSettings, key: Secret, peer: str | None) -> None:
        """The peer has proved the key of a keyring's peer, or that of the profile itself."""
        row = next((row for row in profile.peers if row.name == peer), None)
        networks = row.networks if row is not None else ()
        network = networks[0] if len(networks) == 1 else None
        host = row.identity.value if row is not None and row.identity is not None else None
        four = network if isinstance(network, IPv4Network) else None
        six = IPv6Interface(network) if isinstance(network, IPv6Network) else None
        entry = PreSharedKey(key, network=four, hostname=host, ipv6_address=six)
        sa.key = Key(f"ikev2 {profile.keyring or profile.name}", entry)

    def key_for(self, tunnel: Tunnel, path: Path, host: str | None = None) -> Key | None:
        """The pre-shared key for an exchange with the peer at `path`, which may have given the name `host`."""
        if tunnel.session is not None and tunnel.session.key in self.core.keys:
            return tunnel.session.key
        rings: frozenset[str] | None = None
        if tunnel.provisional or tunnel.session is not None:
            rings = self._usable_rings(path.local)
        elif tunnel.settings.isakmp_profile is not None:
            rings = self.rings_of(tunnel.settings.isakmp_profile)
        return self.core.keys.find(path.local, path.remote, host, rings)

    def rings_of(self, profile: str | None) -> frozenset[str]:
        """The keyrings of a profile, or those that peers without one may have a key of."""
        if profile is None:
            return frozenset(self._rings_without_profile())
        found = self.core.profiles.get(profile)
        return frozenset(found.keyrings or (GLOBAL,)) if found else frozenset()

    def admits(self, identity: Identity, key: Key, local: Address) -> bool:
        """Whether there is a profile for a peer with this identity and key, or it needs none."""
        return self._profile(identity, key, local) is not None

    def guess(self, tunnel: Tunnel, identity: Identity | None, key: Key) -> None:
        """Aggressive mode tells this side's identity before the peer's is proved: that of the profile for which the
        peer claims to be. Raises `AbandonExchange` where there is none.
        """
        found = None if identity is None else self._profile(identity, key, tunnel.settings.local)
        if found is None or self._place(found[0], tunnel.settings.local, key) is None:
            self.core.counters["peers_refused"] += 1
            raise AbandonExchange("no isakmp profile for this identity")
        tunnel.settings = TunnelSettings(
            tunnel.name, tunnel.settings.local, tunnel.settings.remote, (), isakmp_profile=found[0]
        )

    # -- who it is ---------------------------------------------------------------------------------------------------

    def _profile(self, identity: Identity, key: Key, local: Address) -> tuple[str | None] | None:
        """The profile of a peer with this identity that has proved `key`, or that it needs none (a tuple of None);
        None where there is no place for it.
        """
        rows = [row for row in self._profiles(local) if key.keyring in (row.keyrings or (GLOBAL,))]
        best = best_fit([(row, row.identities) for row in rows], identity)
        if best is not None:
            return (best.name,)
        return (None,) if key.keyring in self._rings_without_profile() else None

    def _place(self, profile: str | None, local: Address, key: Key) -> Place | None:
        """Where a peer of `profile` belongs."""
        found = self.core.profiles.get(profile or "")
        template = self._template(found, local) if found else None
        if template is not None:
            return Place(template, "")
        for row, _ in self.entries(local, profile):
            owner = self.core.owners.get(row.owner)
            if owner is not None and owner.able:
                return Place(None, row.owner)
        return None

    def admit(self, sa: IkeSa, path: Path, go_on: Callable[[], None], refuse: Callable[[str], None]) -> None:
        """The peer has proved a key: go on with it, now or when it is clear that it takes nobody's place, or not.

        `refuse` is for a configured peer, with the reason; an unknown one just hears nothing more.
        """
        if sa.tunnel.provisional:
            self._admit_unknown(sa, path, go_on)
            return
        text = self._wrong_identity(sa)
        if text is None:
            go_on()
            return
        refuse(text)
        self.tunnels.sessions.end_unless_alive(sa.tunnel, text)

    def _wrong_identity(self, sa: IkeSa) -> str | None:
        session = sa.tunnel.session
        if session is not None:
            same = sa.identity == session.identity
            return None if same else f"peer {sa.path.remote} has become {sa.peer_identity}"
        profile = self.core.profile_of(sa.tunnel) if sa.tunnel.version == 1 else None
        if profile is None or not profile.identities:
            return None
        if sa.identity is not None and best_fit([(profile, profile.identities)], sa.identity) is not None:
            return None
        return (
            f"peer {sa.path.remote} is {sa.peer_identity}, which isakmp profile {profile.name} does not match"
            " (match identity ...)"
        )

    def _admit_unknown(self, sa: IkeSa, path: Path, go_on: Callable[[], None]) -> None:
        identity, key = sa.identity, sa.key
        if identity is None or key is None:
            self.refuse(sa, path, "its identity is of no kind that a profile can match")
            return
        ikev2 = sa.tunnel.settings.ikev2_profile
        if ikev2 is not None:
            self._admit_to(sa, path, identity, key, ikev2, go_on)
            return
        found = self._profile(identity, key, path.local)
        if found is None:
            self.refuse(sa, path, "no isakmp profile with its keyring matches its identity")
            return
        place = self._place(found[0], path.local, key)
        if place is None:
            self.refuse(sa, path, f"isakmp profile {found[0]} has neither a virtual-template nor a dynamic map here")
            return
        if self._is_anothers(identity, key):
            self.core.counters["identity_theft"] += 1
            self.refuse(sa, path, "there is another key for the name or address that it gives")
            return
        _Claim(self, sa, path, identity, key, place, found[0], go_on).settle()

    def _admit_to(
        self, sa: IkeSa, path: Path, identity: Identity, key: Key, profile: str, go_on: Callable[[], None]
    ) -> None:
        """IKEv2: its identity has told the profile and the key."""
        place = self._ikev2_place(profile, path.local)
        if place is None:
            self.refuse(sa, path, f"ikev2 profile {profile} has neither a virtual-template nor a dynamic map here")
            return
        if key.secret and has_other_key(self.core.ikev2_profiles[profile], identity, key.secret):
            self.core.counters["identity_theft"] += 1
            self.refuse(sa, path, "there is another key for the name or address that it gives")
            return
        _Claim(self, sa, path, identity, key, place, profile, go_on).settle()

    def _ikev2_place(self, profile: str, local: Address) -> Place | None:
        row = self.core.ikev2_profiles.get(profile)
        template = self._template_number(row.template, local) if row is not None else None
        if template is not None:
            return Place(template, "", 2)
        for entry, _ in self._ikev2_entries(local, profile):
            owner = self.core.owners.get(entry.owner)
            if owner is not None and owner.able:
                return Place(None, entry.owner, 2)
        return None

    def not_admitted(self, tunnel: Tunnel, session: Session) -> str | None:
        """Why the peer of a session of IKEv2 would not be let in any more; None where it would."""
        name, local = tunnel.settings.ikev2_profile or "", tunnel.settings.local
        profile = self.core.ikev2_profiles.get(name)
        if profile is None:
            return f"ikev2 profile {name} has been removed"
        if find_profile(self.ikev2_candidates(local), local, session.identity) is not profile:
            return f"ikev2 profile {name} does not match its identity any more"
        if session.key.secret and find_key(profile, tunnel.settings.remote, session.identity) is None:
            return "its pre-shared key has been removed"
        return None

    def _is_anothers(self, identity: Identity, key: Key) -> bool:
        """Whether a name, or an address, has a key of its own that this peer has not proved.

        An address counts in the peer's own keyring only: behind a NAT it is a private one, and may be anybody's.
        """
        own: list[Key] = []
        if identity.address is not None:
            own = self.core.keys.of_host(identity.address, key.keyring)
        elif identity.kind in (IdentityType.FQDN, IdentityType.USER_FQDN):
            own = self.core.keys.of_name(identity.name)
        return bool(own) and all(row.secret != key.secret for row in own)

    def refuse(self, sa: IkeSa, path: Path, why: str) -> None:
        """The session that would have been ends without a word; the operator hears of it now and then."""
        core = self.core
        core.counters["peers_refused"] += 1
        if self.refusals.allow("", core.now):
            text = f"{path.remote}:{path.remote_port} with identity {sa.peer_identity} refused: {why}"
            core.log(6, "IKMP_PEER_REFUSED", text)
        self.tunnels.of(sa.tunnel).turn_away(sa)


class _Claim:
    """An authenticated peer that wants a session: a new one, or that which its identity has."""

    def __init__(
        self,
        peers: Peers,
        sa: IkeSa,
        path: Path,
        identity: Identity,
        key: Key,
        place: Place,
        profile: str | None,
        go_on: Callable[[], None],
    ) -> None:
        self.peers = peers
        self.sessions = peers.tunnels.sessions
        self.sa = sa
        self.path = path
        self.identity = identity
        self.key = key
        self.place = place
        self.profile = profile
        self.go_on = go_on

    def settle(self) -> None:
        """RFC 3947 section 6: behind a NAT the identity tells who it is, not the address."""
        known = self.sessions.of(self.place, self.identity)
        if self._is_there():
            for session in known:
                if self._at(session) == (self.path.remote, self.path.remote_port):
                    self._join(session)
                    return
        here = [session for session in known if self._at(session)[0] == self.path.remote]
        if self.identity.address is None:
            if not known:
                self._begin()
            elif self._own_key(known[0]) or (here and not self.sa.nat_remote):
                self._join(known[0])
            else:
                self._ask(known)
        elif here and not self.sa.nat_remote:
            self._join(here[0])  # all ports are the same host's
        elif here:
            self._ask(here)  # private addresses of two behind one NAT may be alike
        else:
            self._begin()

    def _is_there(self) -> bool:
        """Whether the peer got our answers where it says it is now. Behind a NAT the message that completes phase 1
        may come from anywhere, and anybody who has a key can forge where it comes from.
        """
        return self.sa.reached_at == self.path.remote

    @staticmethod
    def _at(tunnel: Tunnel) -> tuple[Address, int]:
        path = tunnel.session.path if tunnel.session else Path(tunnel.settings.local, 0, tunnel.settings.remote, 0)
        return path.remote, path.remote_port

    def _own_key(self, tunnel: Tunnel) -> bool:
        """Whether nobody else can have proved this key, so that nobody's place is taken."""
        entry = self.key.entry
        if entry.hostname is not None and entry.hostname.lower() == self.identity.name:
            return True
        # Behind a NAT the key of one address is that of many hosts.
        one = self.key.of_one_host and not self.sa.nat_remote
        return one and tunnel.session is not None and tunnel.session.key == self.key

    def _ask(self, others: list[Tunnel]) -> None:
        """Those that have the identity are asked whether they live."""
        self.sa.judged = True
        self.peers.core.counters["identities_probed"] += 1
        asked = {other: self._at(other) for other in others}
        answers: dict[Tunnel, bool] = {}

        def answered(other: Tunnel, alive: bool) -> None:
            answers[other] = alive
            if len(answers) == len(asked):
                self._decide(asked, answers)

        for other in others:
            self.sessions.ask(other, lambda alive, other=other: answered(other, alive))  # type: ignore[misc]

    def _decide(self, asked: dict[Tunnel, tuple[Address, int]], answers: dict[Tunnel, bool]) -> None:
        sa = self.sa
        if sa.deleted or sa.established:
            return
        sa.judged = False
        here = (self.path.remote, self.path.remote_port)
        known = self.sessions.of(self.place, self.identity)
        if self._is_there() and any(self._at(session) == here for session in known):
            self.settle()  # one of them has moved to here: it is the same peer
            return
        gone = [other for other, alive in answers.items() if not alive and other.session and not other.session.ended]
        free = [other for other in gone if self._at(other) == asked[other]]
        if free:
            self._join(free[0])
        elif self.identity.address is not None or not self.sessions.of(self.place, self.identity):
            self._begin()
        else:
            self.peers.core.counters["identity_theft"] += 1
            others = ", ".join(str(self._at(other)[0]) for other in asked)
            self.peers.refuse(sa, self.path, f"the identity is in use from {others}")

    def _join(self, tunnel: Tunnel) -> None:
        self.sessions.join(tunnel, self.sa, self.path, self.key, self.profile)
        self.go_on()

    def _begin(self) -> None:
        for count, most, where in (
            (len(self.sessions), MAX_SESSIONS, ""),
            (self.sessions.from_source(self.path), MAX_SESSIONS_OF_SOURCE, f" with {self.path.remote}"),
        ):
            if count >= most:
                self.peers.core.counters["session_limit"] += 1
                self.peers.refuse(self.sa, self.path, f"there are {most} sessions{where}")
                return
        self.sessions.begin(self.sa, self.path, self.identity, self.key, self.place, self.profile)
        self._relieve()
        self.go_on()

    def _relieve(self) -> None:
        """Whoever was at this very end before has another name now: what it had under the old one goes unless it lives.
        A delete that comes with the new name says nothing of the old one's SAs.
        """
        here = (self.path.remote, self.path.remote_port)
        for other in list(self.peers.core.by_remote.get(self.path.remote, ())):
            if other is not self.sa.tunnel and other.session is not None and self._at(other) == here:
                text = f"the peer at {self.path.remote} has another identity now: {self.sa.peer_identity}"
                self.sessions.end_unless_alive(other, text)
