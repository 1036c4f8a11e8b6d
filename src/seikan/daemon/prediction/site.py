"""One router as its file says it will be: addresses, links and routes without a system to ask, and what it negotiates.

The daemon's own classes turn the configuration into the engine's settings; in place of the kernel's view they get one
that has exactly what is configured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address

from seikan.config.model import Config, CryptoMapEntry, Interface
from seikan.config.names import is_access, is_loopback, is_template
from seikan.daemon.access import templates
from seikan.daemon.maps import Around, CryptoMaps
from seikan.daemon.prediction.source import Source
from seikan.daemon.settings import DEFAULT_LINK_MTU, Negotiable, engine_settings, sessions
from seikan.daemon.settings_ikev2 import Held
from seikan.daemon.tunnels import Surroundings, Tunnels, TunnelState
from seikan.daemon.view import View
from seikan.ike.settings import EngineSettings
from seikan.system.netlink import AddressEntry, Link, Netlink, RouteLookup

Address = IPv4Address | IPv6Address

_ANY_HOST = IPv4Address("203.0.113.1")
_HOPS = 8  # next hops of next hops that are followed


@dataclass(frozen=True, slots=True)
class Point:
    """Something that leads to an address: a tunnel interface, or an entry of a crypto map for one of its peers.

    `owner` is whose SAs these are to the engine; `title` the section that says so. `entry` is set of a crypto map's.
    """

    title: str
    owner: str
    interface: Interface
    local: Address | None
    remote: Address | None
    entry: CryptoMapEntry | None = None

    @property
    def name(self) -> str:
        return self.interface.name if self.entry is None else f"{self.title} on {self.interface.name}"


@dataclass(frozen=True, slots=True)
class Site:
    """`label` is the file as it was given."""

    label: str
    config: Config
    source: Source
    view: View
    settings: EngineSettings
    states: Mapping[str, TunnelState]
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        return self.config.hostname

    @property
    def addresses(self) -> frozenset[Address]:
        return frozenset(entry.address.ip for held in self.view.addresses.values() for entry in held)

    def line_of_interface(self, interface: str, *words: str) -> int:
        return self.source.within(f"interface {interface}", *words)


def make(label: str, config: Config, source: Source, assumed: Mapping[str, Address] | None = None) -> Site:
    """The site of a file; `assumed` are addresses of interfaces to which the file gives none."""
    view = _view(config, assumed or {})

    def address_of(interface: str) -> Address | None:
        primary = view.primary(interface)
        return primary.ip if primary is not None else None

    def addresses_of(interface: str) -> tuple[Address, ...]:
        return tuple(entry.address.ip for entry in view.addresses.get(interface, ()) if not entry.link_local)

    tunnels = Tunnels(None, _SURROUNDINGS)
    tunnels.configure(config)
    for interface in config.interfaces.values():
        if interface.tunnel is not None and not is_template(interface.name) and not is_access(interface.name):
            tunnels.add(interface.name, interface)
    tunnels.resolve(view)
    maps = CryptoMaps(None, Netlink(), _AROUND)
    maps.expect(config, view)
    wanted = Negotiable(
        sessions(config, [*tunnels.protected(), *maps.protected()]),
        templates(config, address_of),
        maps.dynamic_maps(),
    )
    points = (*_tunnel_points(tunnels.states), *_map_points(config, maps))
    return Site(
        label,
        config,
        source,
        view,
        engine_settings(config, wanted, address_of, Held(addresses_of)),
        tunnels.states,
        points,
    )


def _nothing(*_: object) -> None:
    return None


_SURROUNDINGS = Surroundings(
    now=lambda: 0.0,
    at=_nothing,
    linux_name=lambda name: name,
    log=_nothing,
    start=_nothing,
    stop=_nothing,
    plane_problem=lambda: None,
    crypto_problem=lambda: None,
    name_problem=lambda _name: None,
)
_AROUND = Around(
    linux_name=lambda name: name, log=_nothing, start=_nothing, stop=_nothing, negotiate=_nothing, derive=_nothing
)


def _tunnel_points(states: Mapping[str, TunnelState]) -> Iterator[Point]:
    for name, state in states.items():
        yield Point(f"interface {name}", state.owner, state.interface, state.local, state.remote)


def _map_points(config: Config, maps: CryptoMaps) -> Iterator[Point]:
    for state in maps.states.values():
        for entry in state.crypto_map.entries.values():
            for peer in dict.fromkeys(row.address for row in entry.peers):
                title = f"crypto map {state.crypto_map.name} {entry.sequence}"
                interface = config.interfaces[state.interface]
                yield Point(title, state.owner, interface, state.local, peer, entry)


# --- the view --------------------------------------------------------------------------------------


def _view(config: Config, assumed: Mapping[str, Address]) -> View:
    links, addresses = {}, {}
    for number, interface in enumerate(config.interfaces.values(), 1):
        up = not interface.shutdown
        mtu = interface.mtu or DEFAULT_LINK_MTU
        links[interface.name] = Link(number, interface.name, None, up, up, mtu, None, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        held = list(_held(config, interface))
        if not held and interface.name in assumed:
            held.append(_entry(interface.name, IPv4Interface(str(assumed[interface.name]))))
        addresses[interface.name] = tuple(held)
    for name in assumed.keys() - addresses.keys():  # named as a source, and not configured
        links[name] = Link(len(links) + 1, name, None, True, True, DEFAULT_LINK_MTU, None, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        addresses[name] = (_entry(name, IPv4Interface(str(assumed[name]))),)
    found = {}
    for destination in _destinations(config):
        found[destination] = route_to(config, destination)
    return View(links, addresses, found)


def _entry(name: str, address: IPv4Interface, *, secondary: bool = False) -> AddressEntry:
    return AddressEntry(name, address, secondary, False, True)


def _held(config: Config, interface: Interface) -> Iterator[AddressEntry]:
    lender = config.interfaces.get(interface.unnumbered or "", interface)
    if lender.address is not None:
        yield _entry(interface.name, lender.address)
    for address in interface.secondary:
        yield _entry(interface.name, address, secondary=True)
    for six in interface.ipv6_addresses:
        yield AddressEntry(interface.name, six, False, six.ip.is_link_local, True)


def _destinations(config: Config) -> set[Address]:
    found = {interface.tunnel.destination for interface in config.interfaces.values() if interface.tunnel is not None}
    return {destination for destination in found if destination is not None}


def connected(config: Config) -> Iterator[tuple[IPv4Network, str]]:
    """The networks of the interfaces that are not shut down."""
    for interface in config.interfaces.values():
        if not interface.shutdown and not is_template(interface.name):
            for address in (interface.address, *interface.secondary):
                if address is not None:
                    yield address.network, interface.name


def route_to(config: Config, destination: Address, depth: int = 0) -> RouteLookup | None:
    """The way that connected networks and static routes lead, next hops of next hops followed; None where none does."""
    if not isinstance(destination, IPv4Address) or depth > _HOPS:
        return None
    near = [(network.prefixlen, name) for network, name in connected(config) if destination in network]
    static = [route for route in config.routes if destination in route.network]
    best = min(static, key=lambda route: (-route.network.prefixlen, route.distance), default=None)
    longest = max(near, default=None)
    if longest is not None and (best is None or best.network.prefixlen <= longest[0]):
        return _lookup(config, longest[1], None)
    if best is None:
        return None
    if best.interface is not None:
        return _lookup(config, best.interface, best.next_hop)
    if best.next_hop is None or best.next_hop == destination:
        return None
    further = route_to(config, best.next_hop, depth + 1)
    return None if further is None else _lookup(config, further.interface, best.next_hop)


def _lookup(config: Config, interface: str, gateway: IPv4Address | None) -> RouteLookup:
    found = config.interfaces.get(interface)
    mtu = (found.mtu if found is not None else None) or DEFAULT_LINK_MTU
    return RouteLookup(interface, None, gateway, mtu, False)


def managed_elsewhere(config: Config) -> tuple[str, ...]:
    """Interfaces to which the file gives no address: the operating system may, and routes with it."""
    return tuple(
        interface.name
        for interface in config.interfaces.values()
        if interface.tunnel is None
        and interface.address is None
        and interface.unnumbered is None
        and not interface.ipv6_addresses
        and not interface.shutdown
        and not is_loopback(interface.name)
    )


# --- addresses that the other file knows -----------------------------------------------------------


def assume(one: Site, other: Site) -> dict[str, tuple[Address, ...]]:
    """What the addresses may be of the interfaces that something begins at and the file gives none: where the other
    file leads, the likeliest first. Where that leads nowhere, since a hub does not name its spokes: those that the hub
    has keys for.
    """
    found: dict[str, tuple[Address, ...]] = {}
    for name in _unaddressed(one):
        leading = [point for point in other.points if point.remote is not None and point.remote not in one.addresses]
        leading.sort(key=lambda point: not _neighbours(one, name, point))
        addresses = [point.remote for point in leading if point.remote is not None] or _known_to(other)
        rows = tuple(address for address in dict.fromkeys(addresses) if address not in other.addresses)
        if rows:
            found[name] = rows
    return found


def _unaddressed(site: Site) -> list[str]:
    """The interfaces without an address at which tunnels and crypto maps begin."""
    wanted: dict[str, None] = {}
    for interface in site.config.interfaces.values():
        source = interface.tunnel.source if interface.tunnel is not None else None
        if isinstance(source, str):
            wanted[source] = None
        elif interface.tunnel is not None and source is None and is_template(interface.name):
            wanted.update(dict.fromkeys(managed_elsewhere(site.config)[:1]))
        elif interface.crypto_map is not None:
            wanted[interface.name] = None
    return [name for name in wanted if not site.view.addresses.get(name)]


def _neighbours(site: Site, source: str, point: Point) -> bool:
    """Whether a tunnel from `source` has an address in the network of the other end's."""
    held = point.interface.address
    return held is not None and any(
        interface.tunnel is not None
        and interface.tunnel.source == source
        and interface.address is not None
        and interface.address.ip in held.network
        for interface in site.config.interfaces.values()
    )


def _known_to(hub: Site) -> list[Address]:
    """The first address of each network that the hub has a key for, and one of RFC 5737 that it has none for."""
    rings = [hub.config.isakmp.keys, *(ring.keys for ring in hub.config.keyrings.values())]
    networks = [key.network for keys in rings for key in keys if key.network is not None and key.network.prefixlen]
    networks.sort(key=lambda network: -network.prefixlen)
    first = [row.network_address + (0 if row.prefixlen == row.max_prefixlen else 1) for row in networks]
    return [*first, _ANY_HOST]
