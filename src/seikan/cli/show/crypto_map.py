"""show crypto map and show crypto dynamic-map: the maps of a user, and the heads of protected tunnels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.flows import distinct, flows_of, list_words
from seikan.cli.show.ipsec import ipsec_profiles, policy_lines
from seikan.cli.show.ipsec_sa import CRYPTO
from seikan.cli.show.text import address_text, argument
from seikan.cli.status import Address, CryptoFlow, CryptoTunnel, Need, Status
from seikan.config.model import Config, CryptoMap, CryptoMapEntry, IpsecProfile, ReverseRoute

NOTHING: frozenset[Need] = frozenset()

_FIRST_INSTANCE = 65536  # behind every sequence number that can be typed
_NONE = "No crypto maps found."


def _title(version: int, name: str, sequence: int) -> str:
    return f'Crypto Map IPv{version} "{name}" {sequence} ipsec-isakmp'


def _using(name: str, interfaces: Iterable[str]) -> Iterator[str]:
    yield f"        Interfaces using crypto map {name}:"
    for interface in interfaces:
        yield f"                {interface}"
    yield ""


def _access_list(config: Config, name: str) -> Iterator[str]:
    yield f"        Extended IP access list {name}"
    found = config.access_lists.get(name)
    for row in sorted(found.entries, key=lambda row: row.sequence) if found is not None else ():
        yield f"            access-list {name} {row.text}"


def _reverse_route(route: ReverseRoute) -> Iterator[str]:
    yield "        Reverse Route Injection Enabled"
    words = [
        "without SAs too" if route.static else "",
        f"next hop {address_text(route.remote_peer)}" if route.remote_peer is not None else "",
        f"tag {route.tag}" if route.tag is not None else "",
        f"distance {route.distance}" if route.distance is not None else "",
    ]
    if any(words):
        yield f"        Reverse Routes: {', '.join(word for word in words if word)}"


def _match(config: Config, entry: CryptoMapEntry) -> Iterator[str]:
    if entry.access_list is None:
        yield "        No matching address list set."
    else:
        yield from _access_list(config, entry.access_list)


def _isakmp_profile(name: str | None) -> Iterator[str]:
    if name is not None:
        yield f"        ISAKMP Profile: {name}"


def _entry(config: Config, owner: CryptoMap, entry: CryptoMapEntry, current: Address | None) -> Iterator[str]:
    """One sequence number of a crypto map, without the interfaces."""
    version = entry.peers[0].address.version if entry.peers else 4
    yield _title(version, owner.name, entry.sequence)
    if entry.description:
        yield f"        Description: {entry.description}"
    if entry.dynamic is not None:
        yield f"        Dynamic map template tag: {entry.dynamic}"
        return
    if not entry.peers or entry.access_list not in config.access_lists:
        yield "        WARNING: This crypto map is in an incomplete state!"
        yield "                (missing peer or access-list definitions)"
    for peer in entry.peers:
        yield f"        Peer = {address_text(peer.address)}"
    for peer in entry.peers:
        if peer.default:
            yield f"        Default peer: {address_text(peer.address)}"
    yield from _isakmp_profile(entry.isakmp_profile or owner.isakmp_profile)
    yield "        Access-List SS dynamic: False"
    yield from _match(config, entry)
    if entry.peers:
        yield f"        Current peer: {address_text(current or entry.peers[0].address)}"
    yield from policy_lines(config, entry)
    if entry.reverse_route is not None:
        yield from _reverse_route(entry.reverse_route)


def _instance(name: str, place: int, tunnel: CryptoTunnel, flows: Iterable[CryptoFlow]) -> Iterator[str]:
    """What a peer has made of a map: its traffic as an access list."""
    peer = address_text(tunnel.remote)
    yield _title(tunnel.remote.version if tunnel.remote is not None else 4, name, place)
    if tunnel.mode != "map":
        yield "        Map is a PROFILE INSTANCE."
    yield f"        Peer = {peer}"
    yield from _isakmp_profile(tunnel.isakmp_profile)
    yield "        Access-List SS dynamic: False"
    yield "        Extended IP access list "
    for flow in flows:
        yield f"            access-list  {list_words(flow.selector)}"


def _map_lines(status: Status, owner: CryptoMap) -> Iterator[str]:
    config = status.in_force
    users = [name for name, interface in config.interfaces.items() if interface.crypto_map == owner.name]
    running = [row for row in _running(status) if row.mode == "map" and row.crypto_map_tag == owner.name]
    for sequence, entry in sorted(owner.entries.items()):
        of_entry = [row.remote for row in running if row.map_sequence == sequence and row.remote is not None]
        yield from _entry(config, owner, entry, of_entry[0] if of_entry else None)
        yield from _using(owner.name, users)
    place = _FIRST_INSTANCE
    for tunnel in running:
        for flow in tunnel.flows:
            if flow.dynamic:
                yield from _instance(owner.name, place, tunnel, (flow,))
                yield from _dynamic_source(config, owner, tunnel, flow)
                yield from _using(owner.name, (tunnel.interface,))
                place += 1


def _dynamic_source(config: Config, owner: CryptoMap, tunnel: CryptoTunnel, flow: CryptoFlow) -> Iterator[str]:
    entry = owner.entries.get(tunnel.map_sequence or 0)
    template = config.dynamic_maps.get(entry.dynamic or "") if entry is not None else None
    source = template.entries.get(flow.sequence or 0) if template is not None else None
    if template is not None:
        sequence = "" if source is None else f"/{source.sequence}"
        yield f"            dynamic (created from dynamic map {template.name}{sequence})"
    yield f"        Current peer: {address_text(tunnel.remote)}"
    if source is not None:
        yield from policy_lines(config, source)
        if source.reverse_route is not None:
            yield from _reverse_route(source.reverse_route)


def _head_lines(status: Status, tag: str, tunnels: list[CryptoTunnel]) -> Iterator[str]:
    """The head that IOS makes for the profile of a protected tunnel, and below it each peer."""
    config = status.running
    name = tunnels[0].profile or ""
    profile = ipsec_profiles(config).get(name) or IpsecProfile(name)
    interfaces = dict.fromkeys(tunnel.interface for tunnel in tunnels)
    yield _title(4, tag, _FIRST_INSTANCE)
    yield f"        Profile name: {name}"
    yield from _isakmp_profile(profile.isakmp_profile)
    yield from policy_lines(config, profile)
    yield ""
    peers = {(tunnel.local, tunnel.remote): tunnel for tunnel in tunnels if tunnel.remote is not None}
    for place, tunnel in enumerate(peers.values(), _FIRST_INSTANCE + 1):
        yield from _instance(tag, place, tunnel, distinct(flows_of(tunnel)))
        yield f"        Current peer: {address_text(tunnel.remote)}"
        yield from policy_lines(config, profile)
        yield "        Always create SAs"
    yield from _using(tag, interfaces)


def _running(status: Status) -> tuple[CryptoTunnel, ...]:
    return status.crypto.tunnels if status.crypto is not None else ()


def show_map(status: Status, arguments: Arguments) -> Iterator[str]:
    """The maps of a user by name, then the heads that IOS makes for the profiles of protected tunnels."""
    config = status.in_force
    interface, tag = argument(arguments, "interface"), argument(arguments, "name")
    found = False
    for owner in config.crypto_maps.values():
        on_it = interface is None or any(
            row.crypto_map == owner.name for row in config.interfaces.values() if row.name == str(interface)
        )
        if on_it and owner.entries and tag in (None, owner.name):
            found = True
            yield from _map_lines(status, owner)
    heads: dict[str, list[CryptoTunnel]] = {}
    for tunnel in _running(status):
        if tunnel.mode != "map" and tag in (None, tunnel.crypto_map_tag):
            heads.setdefault(tunnel.crypto_map_tag, []).append(tunnel)
    for name, tunnels in heads.items():
        if interface is None or any(tunnel.interface == str(interface) for tunnel in tunnels):
            found = True
            yield from _head_lines(status, name, tunnels)
    if not found:
        yield _NONE


def show_dynamic_map(status: Status, arguments: Arguments) -> Iterator[str]:
    config = status.running
    tag = argument(arguments, "name")
    chosen = [template for template in config.dynamic_maps.values() if tag in (None, template.name)]
    for template in chosen:
        for _, entry in sorted(template.entries.items()):
            yield f'Crypto Map Template"{template.name}" {entry.sequence}'
            if entry.description:
                yield f"        Description: {entry.description}"
            for peer in entry.peers:
                yield f"        Peer = {address_text(peer.address)}"
            yield from _isakmp_profile(entry.isakmp_profile)
            yield from _match(config, entry)
            yield from policy_lines(config, entry)
            if entry.reverse_route is not None:
                yield from _reverse_route(entry.reverse_route)
            yield ""
    if not chosen:
        yield "No crypto map templates found."


_HELP = {
    "show": "Show running system information",
    "crypto": "Encryption module",
    "map": "Crypto maps",
    "dynamic-map": "Crypto map templates",
    "interface": "Crypto maps for an interface",
    "tag": "Crypto maps with a given tag",
    "<name>": "Crypto map tag",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show crypto map", _HELP, CRYPTO, show_map),
    ShowCommand("show crypto map interface <interface:interface>", _HELP, CRYPTO, show_map),
    ShowCommand("show crypto map tag <name:word>", _HELP, CRYPTO, show_map),
    ShowCommand("show crypto dynamic-map [tag <name:word>]", _HELP, NOTHING, show_dynamic_map),
)
