"""Crypto maps: what keeps them and their entries from protecting, and access lists that mean something else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from seikan.config import misread
from seikan.config.access import crypto_lines
from seikan.config.model import Config, CryptoMap, CryptoMapEntry, Interface
from seikan.config.references import (
    Found,
    absent,
    missing_in_entry,
    missing_references,
    no_ikev2_profile,
    no_isakmp_profile,
    no_list,
    no_local_address,
    no_map,
    no_set,
    unknown_ikev2_profile,
    unknown_profile,
    unknown_sets,
)
from seikan.config.validate_ikev2 import ikev2_profile_lacks, unknown_to_ikev1
from seikan.config.validate_tunnels import source_address
from seikan.wire.selector import Selector, overlap

Network = IPv4Network | IPv6Network


def maps(config: Config) -> Found:
    """Everything worth telling about crypto maps."""
    yield from _disabled(config)
    yield from _useless(config)
    for crypto_map in config.crypto_maps.values():
        yield from _behind_dynamic(crypto_map)
        lines = list(map_lines(config, crypto_map))
        yield from _surprises(config, lines)
        yield from _taken(lines)
        yield from _also_tunnels(config, crypto_map)
    yield from _unfit(config)


# --- what does not work ----------------------------------------------------------------------------


def map_problems(config: Config, name: str) -> tuple[str, ...]:
    """Why the crypto map on interface `name` can protect nothing; empty where it can, and without a crypto map.

    An interface whose cryptographic lines were not understood has problems too, also where no map was read: there
    may have been one, and what it was to protect must not leave in clear. Entries that alone do not work:
    `entry_problems`.
    """
    interface = config.interfaces.get(name)
    if interface is None:
        return ()
    reasons = (misread.not_understood(line) for line in misread.about_map(config, interface))
    return tuple(dict.fromkeys((*reasons, *_incomplete(config, interface))))


def entry_problems(config: Config, name: str, sequence: int) -> tuple[str, ...]:
    """Why one entry of a crypto map stays disabled; empty where it does not, or does not exist."""
    held = config.crypto_maps.get(name)
    entry = None if held is None else held.entries.get(sequence)
    return () if entry is None else tuple(_lacking(config, entry))


def dynamic_problems(config: Config, name: str, sequence: int) -> tuple[str, ...]:
    """Why no peer gets anything from one entry of a dynamic map."""
    held = config.dynamic_maps.get(name)
    entry = None if held is None else held.entries.get(sequence)
    return () if entry is None else tuple(_unusable(config, entry))


def _incomplete(config: Config, interface: Interface) -> Iterator[str]:
    name = interface.crypto_map
    if name is None:
        return
    if not config.isakmp.enabled and not only_ikev2(config, name):
        yield "ISAKMP is turned off (no crypto isakmp enable)"
    held = config.crypto_maps.get(name)
    if held is None:
        yield no_map(name)
        return
    if held.local_address is not None and absent(config, held.local_address):
        yield f"crypto map {name}: {no_local_address(held.local_address)}"
    if unknown_profile(config, held.isakmp_profile):
        yield f"crypto map {name}: {no_isakmp_profile(held.isakmp_profile)}"
    if not held.entries:
        yield f"crypto map {name} has no entries (crypto map {name} 10 ipsec-isakmp)"
        return
    broken = {number: tuple(_lacking(config, entry)) for number, entry in held.entries.items()}
    if all(broken.values()):
        number = next(iter(broken))
        yield f"crypto map {name}: all its entries are disabled, {number} because: {broken[number][0]}"


def only_ikev2(config: Config, name: str) -> bool:
    """Whether all entries of a crypto map have an IKEv2 profile."""
    entries = misread.map_entries(config, config.crypto_maps.get(name, CryptoMap(name)))
    return bool(entries) and all(entry.ikev2_profile is not None for entry in entries)


def _lacking(config: Config, entry: CryptoMapEntry) -> Iterator[str]:
    if entry.dynamic is not None:
        held = config.dynamic_maps.get(entry.dynamic)
        if held is None:
            yield from missing_in_entry(config, entry)
        elif all(tuple(_unusable(config, each)) for each in held.entries.values()):
            yield f"no entry of dynamic map {held.name} can be used"
        return
    if not entry.peers:
        yield "set peer is missing"
    if entry.access_list is None:
        yield "match address is missing"
    yield from _unusable(config, entry)


def _unusable(config: Config, entry: CryptoMapEntry) -> Iterator[str]:
    """What keeps an entry from working, of a dynamic map too, where peer and access list may be left out."""
    if entry.access_list is not None:
        access_list = config.access_lists.get(entry.access_list)
        if access_list is None:
            yield no_list(entry.access_list)
        elif not any(line.selector is not None for line in crypto_lines(access_list)):
            yield f"access list {entry.access_list} permits nothing that SAs can be negotiated for"
    unknown = unknown_sets(config, entry)
    if entry.transform_sets and len(unknown) == len(entry.transform_sets):
        yield from (no_set(name) for name in unknown)
    yield from unknown_to_ikev1(config, entry)
    if unknown_profile(config, entry.isakmp_profile):
        yield no_isakmp_profile(entry.isakmp_profile)
    if unknown_ikev2_profile(config, entry.ikev2_profile):
        yield no_ikev2_profile(entry.ikev2_profile)
    elif entry.ikev2_profile is not None:
        for text in ikev2_profile_lacks(config, entry.ikev2_profile):
            yield f"ikev2 profile {entry.ikev2_profile}: {text}"


def _disabled(config: Config) -> Found:
    """Entries that do not work, but for what is said elsewhere."""
    known = set(missing_references(config))
    for word, held_maps in (("map", config.crypto_maps), ("dynamic-map", config.dynamic_maps)):
        for held in held_maps.values():
            for number, entry in held.entries.items():
                title = f"crypto {word} {held.name} {number}"
                reasons = _lacking(config, entry) if word == "map" else _unusable(config, entry)
                told = [text for text in reasons if f"{title}: {text}" not in known]
                if told:
                    yield title, f"{title} stays disabled: {'; '.join(told)}"


def _useless(config: Config) -> Found:
    """Interfaces whose crypto map protects nothing, but for what is said elsewhere."""
    known = set(missing_references(config))
    for interface in config.interfaces.values():
        if interface.tunnel is not None:
            continue
        held = config.crypto_maps.get(interface.crypto_map or "")
        disabled = f"crypto map {interface.crypto_map}: all its entries are disabled"
        for text in (*misread.summed_up(misread.about_map(config, interface)), *_incomplete(config, interface)):
            told = f"{interface.name}: {text}" in known or text in known or text.startswith(disabled)
            if not told:
                name = "its crypto map" if held is None else f"crypto map {held.name}"
                yield f"interface {interface.name}", f"{interface.name}: {name} protects nothing: {text}"


def _behind_dynamic(crypto_map: CryptoMap) -> Found:
    """Entries are looked at by their numbers, and a dynamic map takes whoever comes."""
    numbers = list(crypto_map.entries)
    for place, (number, entry) in enumerate(crypto_map.entries.items()):
        static = [later for later in numbers[place + 1 :] if crypto_map.entries[later].dynamic is None]
        if entry.dynamic is not None and static:
            title = f"crypto map {crypto_map.name} {number}"
            yield title, f"{title}: dynamic map {entry.dynamic} stands in front of entry {static[0]}: number it last"


# --- access lists ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MapLine:
    """A permit line of an entry's access list; `title` is the entry's."""

    title: str
    entry: CryptoMapEntry
    access_list: str
    sequence: int
    selector: Selector
    static: bool  # of an entry with peers of its own, which decides in which order lines are looked at

    def __str__(self) -> str:
        return f"access list {self.access_list}, line {self.sequence}"


def _entries(config: Config, crypto_map: CryptoMap) -> Iterator[tuple[str, CryptoMapEntry, bool]]:
    for number, entry in crypto_map.entries.items():
        if entry.dynamic is None:
            yield f"crypto map {crypto_map.name} {number}", entry, True
            continue
        dynamic = config.dynamic_maps.get(entry.dynamic)
        for place, each in dynamic.entries.items() if dynamic is not None else ():
            yield f"crypto dynamic-map {entry.dynamic} {place}", each, False


def map_lines(config: Config, crypto_map: CryptoMap) -> Iterator[MapLine]:
    """The permit lines of a map's access lists that SAs can be negotiated for, in the order of the map."""
    for title, entry, static in _entries(config, crypto_map):
        access_list = config.access_lists.get(entry.access_list or "")
        for line in crypto_lines(access_list) if access_list is not None else ():
            if access_list is not None and line.selector is not None:
                yield MapLine(title, entry, access_list.name, line.sequence, line.selector, static)


def _surprises(config: Config, lines: list[MapLine]) -> Found:
    """Lines that mean more, or something else, than was meant."""
    seen: dict[tuple[str, Selector], MapLine] = {}
    connected = list(_connected(config))
    for line in lines:
        for side, network in (("source", line.selector.local), ("destination", line.selector.remote)):
            if network.prefixlen == 0:
                yield (
                    line.title,
                    f"{line.title}: {line}: any as {side} takes in all that leaves by the interface, and drops what "
                    "comes so in clear: name the networks",
                )
        mirror = seen.get((line.title, line.selector.mirrored()))
        if mirror is not None and line.selector != line.selector.mirrored():
            yield (
                line.title,
                f"{line.title}: {line} is the mirror of line {mirror.sequence}: it belongs into the peer's list",
            )
        seen.setdefault((line.title, line.selector), line)
        near = _near(connected, line.selector.local), _near(connected, line.selector.remote)
        if near[0] is None and near[1] is not None:
            yield (
                line.title,
                f"{line.title}: {line}: destination {line.selector.remote} is connected here ({near[1]}) and source "
                f"{line.selector.local} is not: are they exchanged?",
            )


def _connected(config: Config) -> Iterator[tuple[IPv4Network, str]]:
    """The networks of this site: of interfaces without a crypto map."""
    for interface in config.interfaces.values():
        if interface.crypto_map is None and interface.tunnel is None:
            for address in (interface.address, *interface.secondary):
                if address is not None:
                    yield address.network, interface.name


def _near(connected: list[tuple[IPv4Network, str]], network: Network) -> str | None:
    if not isinstance(network, IPv4Network) or network.prefixlen == 0:
        return None
    return next((name for held, name in connected if held.subnet_of(network) or network.subnet_of(held)), None)


def _taken(lines: list[MapLine]) -> Found:
    """Traffic that an entry with a lower number has taken already: told once for each pair of entries.

    Networks are nested or apart, so in order of address only those that are still open can hold the next. Sites have
    the same source in many lines, and each another destination.
    """
    told: set[tuple[str, str]] = set()
    around: list[tuple[int, MapLine]] = []
    for rank, line in sorted(enumerate(held for held in lines if held.static), key=_from_above):
        around = [held for held in around if overlap(held[1].selector.remote, line.selector.remote)]
        for other in around:
            (_, first), (_, second) = sorted((other, (rank, line)), key=lambda held: held[0])
            pair = (first.title, second.title)
            if first.title == second.title or pair in told or not first.selector.meets(second.selector):
                continue
            told.add(pair)
            if first.selector.contains(second.selector):
                yield (
                    second.title,
                    f"{second.title}: {second} is never used: {first.title} ({first}) has taken all of it",
                )
            else:
                yield (
                    second.title,
                    f"{second.title}: {second} overlaps with {first.title} ({first}), which takes what is in both",
                )
        around.append((rank, line))


def _from_above(ranked: tuple[int, MapLine]) -> tuple[int, int, int]:
    remote = ranked[1].selector.remote
    return remote.version, int(remote.network_address), remote.prefixlen


def _unfit(config: Config) -> Found:
    """Lines of access lists that SAs cannot be negotiated for."""
    users: dict[str, tuple[str, str]] = {}
    for word, held_maps in (("map", config.crypto_maps), ("dynamic-map", config.dynamic_maps)):
        for held in held_maps.values():
            for number, entry in held.entries.items():
                title = f"crypto {word} {held.name} {number}"
                users.setdefault(entry.access_list or "", (title, title))
    for interface in config.interfaces.values():
        if interface.tunnel is not None and interface.tunnel.protection_policy is not None:
            users.setdefault(interface.tunnel.protection_policy, (f"interface {interface.name}", interface.name))
    for name, (title, shown) in users.items():
        access_list = config.access_lists.get(name)
        if access_list is None:
            continue
        for line in crypto_lines(access_list):
            if line.problem is not None:
                yield title, f"{shown}: {line.problem}"


# --- beside other things ---------------------------------------------------------------------------


def _also_tunnels(config: Config, crypto_map: CryptoMap) -> Found:
    """A crypto map and a tunnel between the same two addresses."""
    own = {
        source_address(config, crypto_map.local_address or interface.name)
        for interface in config.interfaces.values()
        if interface.crypto_map == crypto_map.name
    }
    for number, entry in crypto_map.entries.items():
        peers = {peer.address for peer in entry.peers}
        for interface in config.interfaces.values():
            tunnel = interface.tunnel
            if tunnel is None or tunnel.protection is None or tunnel.destination not in peers:
                continue
            if source_address(config, tunnel.source) in own:
                title = f"crypto map {crypto_map.name} {number}"
                yield (
                    title,
                    f"{title} and {interface.name} are for the same peer {tunnel.destination}: what is routed into "
                    f"{interface.name} goes through it, the rest of what the access list permits through the map; "
                    "remove the one that is no longer used",
                )
