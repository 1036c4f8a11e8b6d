"""From a crypto map's traffic to static routes: which destinations go into which tunnel, and which stay as they are.

All destinations are cut where an access list, a route or an interface's network cuts them. In each part either no
packet is taken by the map, and its way stays, or one entry's tunnel gets it. What routes cannot tell apart (two entries
with the same destination and different sources) makes those entries fail, never somebody else's traffic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from itertools import groupby

from seikan.config.migrate_traffic import EVERYWHERE, Line, Region, destinations, listed, reachable, regions, towards
from seikan.config.model import Config, StaticRoute

NULL = "Null0"
GUARD_DISTANCE = 254  # behind every route that could be meant to carry packets
FLOATING_STEP = 10
_CONNECTED = 0
_DEPTH = 8  # routes whose next hop is reached by another route


class Kind(Enum):
    CONNECTED = "connected"
    STATIC = "static"
    REVERSE = "reverse"  # of `reverse-route`: goes with its entry


@dataclass(frozen=True, slots=True)
class Way:
    """One way by which packets to `prefix` leave, before the migration; `entry` and `peer` are a reverse route's."""

    prefix: IPv4Network
    distance: int
    interface: str
    kind: Kind
    route: StaticRoute | None = None
    entry: int = -1
    peer: IPv4Address | None = None


class Rib:
    """The ways that a configuration itself tells: connected networks, static routes, reverse routes of its map.

    A route whose next hop no interface reaches is none; with `addressless`, an interface whose address the
    configuration does not have, it is thought to leave there.
    """

    def __init__(self, config: Config, addressless: str | None, reverse: Iterable[Way] = ()) -> None:
        self._config = config
        self._addressless = addressless
        self._ways: dict[IPv4Network, list[Way]] = {}
        for interface in config.interfaces.values():
            for held in (interface.address, *interface.secondary):
                if held is not None and not interface.shutdown:
                    self._add(Way(held.network, _CONNECTED, interface.name, Kind.CONNECTED))
        for route in config.routes:
            out = self._out(route)
            if out is not None:
                self._add(Way(route.network, route.distance, out, Kind.STATIC, route))
        for way in reverse:
            self._add(self._by_peer(way))

    def _add(self, way: Way) -> None:
        held = self._ways.setdefault(way.prefix, [])
        held.append(way)
        held.sort(key=lambda other: other.distance)

    def _out(self, route: StaticRoute) -> str | None:
        for _ in range(_DEPTH):
            if route.interface is not None:
                return route.interface
            assert route.next_hop is not None
            connected = self._connected(route.next_hop)
            if connected is not None:
                return connected
            via = [other for other in self._config.routes if route.next_hop in other.network and other != route]
            if not via:
                return self._addressless
            route = max(via, key=lambda other: (other.network.prefixlen, -other.distance))
        return None

    def _by_peer(self, way: Way) -> Way:
        """A reverse route leads to its peer: where that is reached by another interface, there."""
        found = [] if way.peer is None else self.ways(IPv4Network(way.peer))
        static = next((held for held in found if held.kind is not Kind.REVERSE), None)
        return way if static is None else replace(way, interface=static.interface)

    def _connected(self, address: IPv4Address) -> str | None:
        """The interface whose network has the address; static routes come later and are not asked."""
        host = IPv4Network(address)
        found = [way for way in self.ways(host) if way.kind is Kind.CONNECTED]
        return found[0].interface if found else None

    @property
    def prefixes(self) -> tuple[IPv4Network, ...]:
        return tuple(self._ways)

    def exact(self, network: IPv4Network) -> tuple[Way, ...]:
        """The ways for exactly this network, nearest first."""
        return tuple(self._ways.get(network, ()))

    def ways(self, network: IPv4Network) -> tuple[Way, ...]:
        """All ways for packets to `network`, in the order in which they are taken while those before are gone."""
        found: list[Way] = []
        for length in range(network.prefixlen, -1, -1):
            found += self._ways.get(network.supernet(new_prefix=length), ())
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Applied:
    """A crypto map on interfaces: `entries` in order, each by its number here, with the lines of its access list."""

    interfaces: tuple[str, ...]
    entries: tuple[tuple[int, tuple[Line, ...]], ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """One tunnel for each of `peers`, in order of preference; `entries` share it. `tag` and `distance` of its routes
    are those that reverse-route gave.
    """

    site: int
    entries: tuple[int, ...]
    peers: int = 1
    tag: int | None = None
    distance: int | None = None


class Fate(Enum):
    """What becomes of a line's packets to one network."""

    TUNNEL = "tunnel"
    ELSEWHERE = "elsewhere"  # the routes lead them out of another interface, as before
    EXPOSED = "exposed"  # were encrypted and no longer are


@dataclass(frozen=True, slots=True)
class Placed:
    """A new route of a bundle's tunnel number `rank` (from 0)."""

    network: IPv4Network
    bundle: int
    rank: int
    distance: int


@dataclass(slots=True)
class Arrangement:
    """The outcome. Where `failed` has entries nothing else counts: try again without them."""

    failed: dict[int, str] = field(default_factory=dict)
    placed: list[Placed] = field(default_factory=list)
    added: list[StaticRoute] = field(default_factory=list)  # others: ways kept, guards
    removed: list[StaticRoute] = field(default_factory=list)
    kept: list[StaticRoute] = field(
        default_factory=list
    )  # of `added`, those that keep a way for more specific networks
    guards: list[StaticRoute] = field(default_factory=list)  # of `added`, those to Null0
    fates: dict[tuple[int, int], list[tuple[IPv4Network, Fate]]] = field(default_factory=dict)  # by entry and line
    diverted: dict[int, list[IPv4Network]] = field(default_factory=dict)  # by bundle: packets no line permits go in too
    swallowed: dict[int, list[IPv4Network]] = field(default_factory=dict)  # of those: no line permits any packet
    unknown: list[IPv4Network] = field(default_factory=list)  # no way in the configuration
    lost_fallback: list[tuple[IPv4Network, Way]] = field(default_factory=list)
    new_fallback: list[tuple[IPv4Network, Way]] = field(default_factory=list)


#: A tunnel's bundle, or a way that stays.
_Step = int | Way


def _decides(line: Line) -> bool:
    """Whether a line leaves nothing, or may deny something, of what goes to its destination."""
    return line.everything or not line.rule.permit


@dataclass(frozen=True, slots=True)
class Arranger:
    """Everything that the arrangement depends on. `tunnels` gives the bundle of an entry at a site, for entries that
    are to be migrated; `forced` are hosts that the router itself must reach as before.
    """

    rib: Rib
    sites: Sequence[Applied]
    bundles: Sequence[Bundle]
    tunnels: Mapping[tuple[int, int], int]
    forced: frozenset[IPv4Network]
    names: Mapping[int, str]  # of entries, for messages
    strangers: str | None = None  # who serves peers of unknown addresses, which only the default route leads to

    def arrange(self) -> Arrangement:
        """Work out the routes."""
        found = Arrangement()
        cut = {network for site in self.sites for _, lines in site.entries for network in destinations(lines)}
        parts = regions({*cut, *self.rib.prefixes, *self.forced})
        table: list[tuple[_Step, ...]] = []  # what new routes say of each part; () where the old ways hold
        for part in parts:
            inherited = table[part.parent] if part.parent >= 0 else ()
            table.append(self._part(found, part, inherited))
        self._judge(found)
        return found

    def _part(self, found: Arrangement, part: Region, inherited: tuple[_Step, ...]) -> tuple[_Step, ...]:
        network = part.network
        stays = [way for way in self.rib.exact(network) if not self._goes(way)]
        if part.empty:
            return () if stays else inherited
        owners = [reachable(site.entries, network) for site in self.sites]
        steps = self._steps(found, network, owners)
        self._note_fates(found, network, owners, steps)
        if steps:
            return self._into_tunnel(found, network, owners, steps, inherited)
        first = next(iter(self.rib.ways(network)), None)
        if first is not None and self._goes(first):
            if inherited != (first,):
                self._keep(found, [self._copy(first, network)])
            return (first,)
        if stays or not inherited:
            return ()
        copies = self._copies(network)
        if copies:
            self._keep(found, copies)
            return ()
        bundles = [step for step in inherited if isinstance(step, int)]
        if network in self.forced or any(owners):
            for bundle in bundles:
                for entry in self.bundles[bundle].entries:
                    found.failed.setdefault(
                        entry,
                        f"its tunnel would take {listed([network])}, which must keep its present way, and no route in "
                        f"this configuration tells that: add an ip route for it with its next hop",
                    )
        for bundle in bundles:
            found.diverted.setdefault(bundle, []).append(network)
            found.swallowed.setdefault(bundle, []).append(network)
        return inherited

    def _goes(self, way: Way) -> bool:
        """Whether a reverse route goes because its entry does."""
        return way.kind is Kind.REVERSE and any(entry == way.entry for _, entry in self.tunnels)

    # which way

    def _steps(
        self, found: Arrangement, network: IPv4Network, owners: Sequence[Sequence[tuple[int, Line]]]
    ) -> tuple[_Step, ...]:
        """Tunnels and ways in the order in which they are taken; () where no tunnel is among them."""
        if network in self.forced:
            return ()
        ways = self.rib.ways(network)
        if not ways:
            return self._unknown(found, network, owners)
        steps: list[_Step] = []
        for _, group in groupby(ways, key=lambda way: (way.prefix.prefixlen, way.distance)):
            together = list(group)
            taken = [self._step(found, network, way, owners) for way in together]
            tunnels = {step for step in taken if isinstance(step, int)}
            if tunnels and len(tunnels) != len(set(taken)):
                self._fail_bundles(
                    found,
                    tunnels,
                    f"routes of the same distance lead {listed([network])} out of this interface and of another one",
                )
            own = [way for way in together if way.kind is Kind.CONNECTED]
            if own and (not tunnels or own[0].prefix == network):
                steps += [way for way in together if way.kind is Kind.CONNECTED]
                break
            exits = {self._exit(step, network) for step in steps}
            steps += [step for step in dict.fromkeys(taken) if self._exit(step, network) not in exits]
            if own or any(way.interface == NULL for way in together):
                break
        last = max((at for at, step in enumerate(steps) if isinstance(step, int)), default=-1)
        if last < 0:
            return ()
        behind = [way for way in steps[last + 1 :] if isinstance(way, Way)]
        explicit = [way for way in behind if way.prefix == network and way.kind is Kind.STATIC]
        self._note_fallback(found, network, behind, explicit)
        return (*steps[: last + 1], *explicit)

    def _exit(self, step: _Step, network: IPv4Network) -> object:
        """What makes two steps the same."""
        if isinstance(step, int):
            return step
        copy = self._copy(step, network)
        return (copy.interface, copy.next_hop)

    def _note_fallback(
        self, found: Arrangement, network: IPv4Network, behind: Sequence[Way], explicit: Sequence[Way]
    ) -> None:
        clear = [way for way in explicit if way.interface != NULL]
        if clear:
            found.new_fallback.append((network, clear[0]))
        elif behind and not explicit and behind[0].interface != NULL:
            found.lost_fallback.append((network, behind[0]))

    def _step(
        self, found: Arrangement, network: IPv4Network, way: Way, owners: Sequence[Sequence[tuple[int, Line]]]
    ) -> _Step:
        for number, site in enumerate(self.sites):
            if way.interface in site.interfaces:
                bundle = self._bundle(found, network, number, owners[number])
                if bundle is not None:
                    return bundle
        return way

    def _bundle(
        self, found: Arrangement, network: IPv4Network, site: int, owners: Sequence[tuple[int, Line]]
    ) -> int | None:
        """The one tunnel that takes a site's packets to `network`; None where no entry that is migrated does."""
        entries = list(dict.fromkeys(entry for entry, _ in owners))
        bundles = {self.tunnels.get((site, entry)) for entry in entries}
        if len(bundles) > 1:
            for entry in entries:
                if (site, entry) in self.tunnels:
                    others = ", ".join(self.names[other] for other in entries if other != entry)
                    found.failed.setdefault(
                        entry,
                        f"{listed([network])} is a destination of {others} too, and routes cannot tell their packets "
                        "apart: the lines differ in source, protocol or port only",
                    )
        return next(iter(bundles), None)

    def _unknown(
        self, found: Arrangement, network: IPv4Network, owners: Sequence[Sequence[tuple[int, Line]]]
    ) -> tuple[_Step, ...]:
        """Without a route in the configuration packets are thought to leave where a map waits for them."""
        steps = [
            bundle
            for number in range(len(self.sites))
            if (bundle := self._bundle(found, network, number, owners[number])) is not None
        ]
        if len(steps) > 1:
            self._fail_bundles(
                found, set(steps), f"no static route tells out of which interface {listed([network])} is"
            )
        if steps:
            found.unknown.append(network)
        return tuple(steps[:1])

    def _fail_bundles(self, found: Arrangement, bundles: Iterable[int], reason: str) -> None:
        for bundle in bundles:
            for entry in self.bundles[bundle].entries:
                found.failed.setdefault(entry, reason)

    # the routes

    def _into_tunnel(
        self,
        found: Arrangement,
        network: IPv4Network,
        owners: Sequence[Sequence[tuple[int, Line]]],
        steps: tuple[_Step, ...],
        inherited: tuple[_Step, ...],
    ) -> tuple[_Step, ...]:
        for bundle in (step for step in steps if isinstance(step, int)):
            if not self._takes_all(bundle, network):
                found.diverted.setdefault(bundle, []).append(network)
        bundles = [step for step in steps if isinstance(step, int)]
        if network == EVERYWHERE and self.strangers is not None:
            self._fail_bundles(
                found,
                bundles,
                f"the default route would lead into its tunnel, and the peers of {self.strangers}, whose addresses are "
                "not known, are reached by the default route",
            )
        staying = [step for step in steps if isinstance(step, Way) and step.prefix == network]
        for way in self.rib.exact(network):
            if way.kind is Kind.REVERSE and not self._goes(way):
                reason = (
                    f"the reverse-route of {self.names[way.entry]}, which stays, leads {listed([network])} to the map"
                )
                self._fail_bundles(found, bundles, reason)
            if way.kind is Kind.STATIC and way not in staying and self._led_here(way, steps):
                assert way.route is not None
                found.removed.append(way.route)
        if steps == inherited and not staying:
            return steps
        self._emit(found, network, steps)
        return steps

    def _takes_all(self, number: int, network: IPv4Network) -> bool:
        """Whether an entry of a bundle encrypts every packet to `network` that gets to it."""
        bundle = self.bundles[number]
        for entry, lines in self.sites[bundle.site].entries:
            first = next((line for line in lines if towards(line.rule, network) and _decides(line)), None)
            if entry in bundle.entries and first is not None and first.rule.permit:
                return True
        return False

    def _led_here(self, way: Way, steps: tuple[_Step, ...]) -> bool:
        """Whether a way out of an interface is what one of the tunnels replaces."""
        sites = {self.bundles[step].site for step in steps if isinstance(step, int)}
        return any(way.interface in self.sites[site].interfaces for site in sites)

    def _emit(self, found: Arrangement, network: IPv4Network, steps: tuple[_Step, ...]) -> None:
        distance = 0
        before: _Step | None = None
        for step in steps:
            floating = distance // FLOATING_STEP * FLOATING_STEP + FLOATING_STEP if distance else 1
            if isinstance(step, int):
                distance = self._emit_tunnels(found, network, step, floating, first=distance == 0)
            elif isinstance(before, Way) and (before.prefix, before.distance) == (step.prefix, step.distance):
                self._emit_way(found, network, step, distance)
            else:
                own = step.prefix == network and step.distance > distance
                distance = step.distance if own else floating
                self._emit_way(found, network, step, distance)
            before = step
        last = steps[-1]
        if distance < GUARD_DISTANCE and not (isinstance(last, Way) and last.interface == NULL):
            guard = StaticRoute(network, interface=NULL, distance=GUARD_DISTANCE)
            found.added.append(guard)
            found.guards.append(guard)

    def _emit_way(self, found: Arrangement, network: IPv4Network, way: Way, distance: int) -> None:
        route = replace(self._copy(way, network), distance=distance)
        if route == way.route:
            return
        if way.prefix == network and way.route is not None:
            found.removed.append(way.route)
        found.added.append(route)

    def _emit_tunnels(
        self, found: Arrangement, network: IPv4Network, number: int, distance: int, *, first: bool
    ) -> int:
        bundle = self.bundles[number]
        if first and bundle.distance is not None:
            distance = bundle.distance
        for rank in range(bundle.peers):
            if rank:
                distance = distance // FLOATING_STEP * FLOATING_STEP + FLOATING_STEP
            found.placed.append(Placed(network, number, rank, distance))
        return distance

    def _keep(self, found: Arrangement, copies: list[StaticRoute]) -> None:
        found.added += copies
        found.kept += copies

    def _copies(self, network: IPv4Network) -> list[StaticRoute]:
        """Routes that keep the present way of a network inside one that goes into a tunnel."""
        ways = [way for way in self.rib.ways(network) if not self._goes(way)]
        return [self._copy(way, network) for way in ways if way.prefix == ways[0].prefix]

    def _copy(self, way: Way, network: IPv4Network) -> StaticRoute:
        """The same way for another network. A reverse route's is the one to its peer."""
        if way.route is not None:
            return replace(way.route, network=network)
        if way.kind is Kind.REVERSE and way.peer is not None:
            to_peer = next(iter(self.rib.ways(IPv4Network(way.peer))), None)
            if to_peer is not None and to_peer.interface == way.interface:
                if to_peer.route is not None:
                    return replace(to_peer.route, network=network, distance=way.distance)
                return StaticRoute(network, way.peer, distance=way.distance)
        return StaticRoute(network, interface=way.interface, distance=max(1, way.distance))

    # what became of it

    def _note_fates(
        self,
        found: Arrangement,
        network: IPv4Network,
        owners: Sequence[Sequence[tuple[int, Line]]],
        steps: tuple[_Step, ...],
    ) -> None:
        first = next(iter(self.rib.ways(network)), None)
        for number, reached in enumerate(owners):
            leads_here = first is None or first.interface in self.sites[number].interfaces
            for entry, line in reached:
                bundle = self.tunnels.get((number, entry))
                if bundle is None:
                    continue
                fate = Fate.TUNNEL if bundle in steps else Fate.EXPOSED if leads_here else Fate.ELSEWHERE
                found.fates.setdefault((entry, line.sequence), []).append((network, fate))
                if fate is Fate.EXPOSED:
                    self._note_heir(found, network, number, entry)

    def _note_heir(self, found: Arrangement, network: IPv4Network, site: int, entry: int) -> None:
        """Packets that no tunnel gets must not fall to another entry, which has another peer."""
        for other, lines in self.sites[site].entries:
            if (site, other) not in self.tunnels and any(
                line.rule.permit and towards(line.rule, network) for line in lines
            ):
                found.failed.setdefault(
                    entry,
                    f"{listed([network])} cannot be routed into the tunnel, which is reached by it, and its packets "
                    f"would fall to {self.names[other]}, which stays",
                )

    def _judge(self, found: Arrangement) -> None:
        """Entries that no route leads into a tunnel, or that lose a whole line, fail."""
        for entry in dict.fromkeys(entry for _, entry in self.tunnels):
            by_line = {
                line: {fate for _, fate in fates} for (owner, line), fates in found.fates.items() if owner == entry
            }
            fates = {fate for held in by_line.values() for fate in held}
            for line, held in by_line.items():
                if Fate.EXPOSED in held and Fate.TUNNEL not in held:
                    networks = [network for network, _ in found.fates[entry, line]]
                    found.failed.setdefault(
                        entry,
                        f"line {line}: no route can lead {listed(networks)} into the tunnel: it is the interface's own "
                        "network, a peer or a gateway, which the tunnel itself is reached by",
                    )
            if not by_line:
                found.failed.setdefault(
                    entry, "no packet gets to it: earlier lines and entries take all of its traffic"
                )
            elif Fate.TUNNEL not in fates:
                networks = [
                    network for (owner, _), held in found.fates.items() if owner == entry for network, _ in held
                ]
                found.failed.setdefault(
                    entry,
                    f"the routes lead {listed(networks)} out of another interface: the map encrypts nothing of it",
                )
