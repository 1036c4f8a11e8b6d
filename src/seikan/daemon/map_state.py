"""One crypto map on one interface as data: its parts, its lines and its peers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from seikan.config import misread
from seikan.config.access import crypto_lines
from seikan.config.model import Config, CryptoMap, CryptoMapEntry, Interface, ReverseRoute, StaticRoute
from seikan.daemon import settings
from seikan.plane.base import TunnelParameters
from seikan.system.policy_routing import CryptoRouting
from seikan.wire.selector import Selector

Address = IPv4Address | IPv6Address

_LINES_BITS = 16  # of a flow's number below the entry's sequence number


@dataclass(frozen=True, slots=True)
class DynamicFlow:
    """Traffic that a peer of a dynamic map has negotiated; `entry` is the dynamic map's sequence number."""

    number: int
    selector: Selector
    remote: Address
    entry: int


@dataclass(slots=True)
class MapState:
    """The crypto map of one interface, or a part of it, with a device of its own in the plane.

    `owner` is the part's name to the engine, `crypto_map` has the part's entries. `interfaces` are several where a map
    with a `local-address` is on them: as in IOS they share its SAs. `current` is the peer in use by sequence number,
    `up` the remote by flow. `guarded`: a line that was not understood may have named traffic, so that nothing else is
    forwarded out there either.
    """

    owner: str
    interfaces: dict[str, str]  # Linux names by IOS names
    number: int
    crypto_map: CryptoMap
    local: Address | None = None
    link_mtu: int = settings.DEFAULT_LINK_MTU
    parameters: TunnelParameters | None = None
    made: bool = False
    refusal: str | None = None
    problems: tuple[str, ...] = ()
    guarded: bool = False
    udp: bool = False
    current: dict[int, Address] = field(default_factory=dict)
    up: dict[int, Address] = field(default_factory=dict)
    dynamic: dict[int, DynamicFlow] = field(default_factory=dict)

    @property
    def interface(self) -> str:
        """The first."""
        return next(iter(self.interfaces))

    @property
    def device(self) -> str:
        return f"cm{self.number}"

    @property
    def routing(self) -> CryptoRouting:
        return CryptoRouting.of(self.number)

    @property
    def mark(self) -> int:
        """0 where all marks are taken: then the map is not usable."""
        return self.routing.mark if self.number else 0

    @property
    def usable(self) -> bool:
        """Whether what the map matches can go through its device; where it cannot it goes nowhere."""
        return self.made and not self.problems and self.refusal is None

    def peer_of(self, entry: CryptoMapEntry) -> Address | None:
        peers = [peer.address for peer in entry.peers]
        current = self.current.get(entry.sequence)
        return current if current in peers else _first_peer(entry)

    def up_flows(self, sequence: int) -> list[int]:
        return [number for number in self.up if belongs(number, sequence)]


def maps_on(config: Config) -> Iterator[tuple[Interface, CryptoMap]]:
    """Every interface with a crypto map, and those that may have been given one in a line that was not understood."""
    for interface in config.interfaces.values():
        if interface.tunnel is not None:
            continue
        name = interface.crypto_map or ""
        crypto_map = config.crypto_maps.get(name)
        if crypto_map is not None:
            yield interface, crypto_map
        elif misread.about_map(config, interface):
            yield interface, CryptoMap(name)


def belongs(number: int, sequence: int) -> bool:
    """Whether a flow is one of the map's entry `sequence`."""
    return number >> _LINES_BITS == sequence


def sequence_of(number: int) -> int:
    """The entry that a flow is of."""
    return number >> _LINES_BITS


def enabled(entry: CryptoMapEntry) -> bool:
    """Whether a static entry negotiates: it has a peer and an access list.

    One without a list says nothing of any traffic and is as good as absent, as in IOS. One with a list and without a
    peer is half typed, or half removed: what its list permits is dropped. (IOS sends it in clear.)
    """
    return entry.dynamic is None and bool(entry.peers) and entry.access_list is not None


def default_peer(entry: CryptoMapEntry) -> Address | None:
    """`set peer ADDRESS default`."""
    return next((peer.address for peer in entry.peers if peer.default), None)


def _first_peer(entry: CryptoMapEntry) -> Address | None:
    """The default peer, else the first."""
    return default_peer(entry) or (entry.peers[0].address if entry.peers else None)


def lines(config: Config, entry: CryptoMapEntry) -> list[tuple[int, Selector]]:
    """A static entry's flows: number and selector for each line of its access list that permits.

    The number is the line's own, so that a line which comes or goes leaves the SAs of the others alone.
    """
    access_list = config.access_lists.get(entry.access_list or "")
    if access_list is None or not enabled(entry):
        return []
    made = crypto_lines(access_list)
    permitted = [(line.sequence, line.selector) for line in made if line.permit and line.selector is not None]
    return [(entry.sequence << _LINES_BITS | number, selector) for number, selector in _numbered(permitted)]


def _numbered(permitted: list[tuple[int, Selector]]) -> Iterator[tuple[int, Selector]]:
    """The lines' sequence numbers where they fit, which is so but for lists that were numbered by hand beyond it."""
    fits = all(0 < sequence < 1 << _LINES_BITS for sequence, _ in permitted)
    for place, (sequence, selector) in enumerate(permitted, 1):
        yield (sequence if fits else place), selector


def parts(config: Config, crypto_map: CryptoMap) -> tuple[CryptoMap, ...]:
    """The map cut so that in each part the first selector that has a packet is the one that nftables chose.

    The plane knows what is permitted and nothing of deny lines. Where an entry exempts something of what it permits
    further down, and a later entry has some of that, the packet is the later one's: then that has another device.
    """
    groups: list[dict[int, CryptoMapEntry]] = [{}]
    exempted: list[Selector] | None = []  # what may have been exempted in this part; None for anything
    for sequence, entry in crypto_map.entries.items():
        permitted, deniable = _looked_at(config, entry)
        if exempted is None or any(
            permitted is None or any(selector.meets(other) for other in permitted) for selector in exempted
        ):
            groups.append({})
            exempted = []
        groups[-1][sequence] = entry
        exempted = None if deniable is None else [*exempted, *deniable]
    return tuple(replace(crypto_map, entries=group) for group in groups)


def _looked_at(config: Config, entry: CryptoMapEntry) -> tuple[list[Selector] | None, list[Selector] | None]:
    """What an entry permits, and what of that a line before may exempt; None for anything."""
    if entry.dynamic is not None:
        return None, []
    access_list = config.access_lists.get(entry.access_list or "")
    permitted: list[Selector] = []
    deniable: list[Selector] = []
    denied = unfit = False
    for line in crypto_lines(access_list) if access_list is not None else ():
        denied |= not line.permit
        if line.selector is not None:
            permitted.append(line.selector)
            if denied:
                deniable.append(line.selector)
        elif line.permit:
            unfit = True  # no SAs can be had for it, and no other entry's are for it
    return permitted, None if unfit else deniable


def reverse(wanted: ReverseRoute, selector: Selector, remote: Address | None) -> Iterator[StaticRoute]:
    """`reverse-route`: the peer's network by way of the peer, or of `remote-peer`.

    With `gateway` the network is reached by way of the peer, and the peer by way of `remote-peer`.
    """
    network, given = selector.remote, wanted.remote_peer
    hop = remote if wanted.gateway or given is None else given
    if not isinstance(network, IPv4Network) or not isinstance(hop, IPv4Address) or not network.prefixlen:
        return
    distance = wanted.distance or 1
    if network != IPv4Network(hop):
        yield StaticRoute(network, next_hop=hop, distance=distance, tag=wanted.tag)
    if wanted.gateway and isinstance(given, IPv4Address) and given != hop:
        yield StaticRoute(IPv4Network(hop), next_hop=given, distance=distance, tag=wanted.tag)
