"""The configuration with tunnels in the place of crypto map entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

from seikan.config.commands.routing import route_key, route_order
from seikan.config.handlers import with_item, without_item
from seikan.config.migrate_entries import (
    Candidate,
    Options,
    Site,
    access_groups,
    also_on_tunnel,
    isakmp_profile,
    stored_path,
)
from seikan.config.migrate_routes import Arrangement, Bundle
from seikan.config.migrate_traffic import Line, used
from seikan.config.model import (
    AccessList,
    AccessListEntry,
    Config,
    CryptoMapEntry,
    Interface,
    IpsecProfile,
    Keepalive,
    OspfProcess,
    StaticRoute,
    StoredLine,
    TransformSet,
    Tunnel,
    TunnelMode,
)

DPD = Keepalive(10, 3, periodic=True)  # what makes a tunnel go down while its peer is gone
_STEP = 10


@dataclass(frozen=True, slots=True)
class MadeTunnel:
    """A new tunnel interface: `rank` 0 leads to the preferred peer."""

    name: str
    bundle: int
    rank: int
    destination: IPv4Address
    profile: str
    access_list: str | None  # of its policy, None in the plain stage


@dataclass(slots=True)
class Built:
    """The new configuration and what was made for it."""

    config: Config
    tunnels: list[MadeTunnel] = field(default_factory=list)
    routes: list[StaticRoute] = field(default_factory=list)
    profiles: dict[int, str] = field(default_factory=dict)  # by the first entry that uses it
    gre: dict[int, tuple[str, ...]] = field(default_factory=dict)  # by entry: GRE tunnels that are protected now
    sets: dict[str, str] = field(default_factory=dict)  # transform sets that became sets of tunnel mode
    lists: dict[int, str] = field(default_factory=dict)  # by bundle: access lists made for its policy
    passive: dict[int, tuple[str, ...]] = field(default_factory=dict)  # by OSPF process: tunnels it would have run on
    keepalive: bool = False  # crypto isakmp keepalive was added
    freed: tuple[str, ...] = ()  # interfaces that lost their crypto map


def settings(config: Config, candidate: Candidate) -> tuple[object, ...]:
    """What entries must have in common to share a tunnel's profile."""
    entry = candidate.entry
    return (
        entry.transform_sets,
        entry.pfs_group,
        entry.lifetime_seconds,
        entry.lifetime_kilobytes,
        entry.replay_window,
        isakmp_profile(config, candidate),
        entry.ikev2_profile,
    )


def build(
    config: Config,
    places: Sequence[Site],
    found: Sequence[Candidate],
    migrated: Sequence[Candidate],
    bundles: Sequence[Bundle],
    arrangement: Arrangement,
    options: Options,
) -> Built:
    """Put tunnels, profiles, access lists and routes in, and the entries out."""
    built = Built(config)
    for candidate in migrated:
        if candidate.gre:
            _protect_gre(built, candidate)
    ranks = {(placed.bundle, placed.rank) for placed in arrangement.placed}
    for number, rank in sorted(ranks):
        _make_tunnel(built, places, found, bundles[number], number, rank, options)
    _place(built, bundles, arrangement)
    _remove_entries(built, migrated)
    if _needs_keepalive(config, found, bundles, built):
        built.config = replace(built.config, isakmp=replace(built.config.isakmp, keepalive=DPD))
        built.keepalive = True
    _stay_passive(built)
    return built


def _needs_keepalive(config: Config, found: Sequence[Candidate], bundles: Sequence[Bundle], built: Built) -> bool:
    """Whether a tunnel has others to take over from it and nothing that tells that its peer is gone."""
    if config.isakmp.keepalive is not None:
        return False
    for made in built.tunnels:
        candidate = found[bundles[made.bundle].entries[0]]
        if candidate.entry.ikev2_profile is not None:
            continue
        profile = config.isakmp.profiles.get(isakmp_profile(config, candidate) or "")
        if made.rank and (profile is None or profile.keepalive is None):
            return True
    return False


# --- tunnels ----------------------------------------------------------------------------------------


def _make_tunnel(
    built: Built,
    places: Sequence[Site],
    found: Sequence[Candidate],
    bundle: Bundle,
    number: int,
    rank: int,
    options: Options,
) -> None:
    config, site = built.config, places[bundle.site]
    entries = [found[entry] for entry in bundle.entries]
    profile = _profile(built, entries[0], gre=False)
    access_list = _policy_list(built, number, entries) if options.policy else None
    config = built.config
    name = _free(config.interfaces)
    groups = {direction: held for held, direction in groups_of(config, entries)}
    destination = entries[0].peers[rank]
    titles = ", ".join(str(entry.entry.sequence) for entry in entries)
    interface = Interface(
        name,
        description=entries[0].entry.description or f"from crypto map {entries[0].map} {titles}",
        unnumbered=site.lender,
        adjust_mss=config.interfaces[site.interfaces[0]].adjust_mss,
        access_group_in=groups.get("in"),
        access_group_out=groups.get("out"),
        tunnel=Tunnel(
            source=site.source,
            destination=destination,
            mode=TunnelMode.IPSEC_IPV4,
            protection=profile,
            protection_policy=access_list,
        ),
    )
    built.config = replace(config, interfaces=with_item(config.interfaces, name, interface))
    built.tunnels.append(MadeTunnel(name, number, rank, destination, profile, access_list))


def groups_of(config: Config, entries: Sequence[Candidate]) -> tuple[tuple[str, str], ...]:
    """List and direction of the filters of a tunnel: those that all of its entries have."""
    first, *others = (access_groups(config, entry) for entry in entries)
    return tuple(held for held in first if held[0] in config.access_lists and all(held in other for other in others))


def _free(interfaces: Mapping[str, Interface]) -> str:
    number = 0
    while f"Tunnel{number}" in interfaces:
        number += 1
    return f"Tunnel{number}"


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """`wanted`, with a number behind it where that name is taken."""
    held = set(taken)
    name, number = wanted, 1
    while name in held:
        number += 1
        name = f"{wanted}-{number}"
    return name


def _profile(built: Built, candidate: Candidate, *, gre: bool) -> str:
    """The IPsec profile with an entry's settings, made where it is missing."""
    name = built.profiles.get(candidate.number)
    if name is not None:
        return name
    config, entry = built.config, candidate.entry
    name = free_name(f"{candidate.map}-{entry.sequence}", config.ipsec.profiles)
    sets = entry.transform_sets if gre else tuple(_in_tunnel_mode(built, held) for held in entry.transform_sets)
    profile = IpsecProfile(
        name,
        transform_sets=sets,
        pfs_group=entry.pfs_group,
        lifetime_seconds=entry.lifetime_seconds,
        lifetime_kilobytes=entry.lifetime_kilobytes,
        replay_window=entry.replay_window,
        isakmp_profile=isakmp_profile(config, candidate),
        ikev2_profile=entry.ikev2_profile,
    )
    config = built.config
    ipsec = replace(config.ipsec, profiles=with_item(config.ipsec.profiles, name, profile))
    built.config = replace(config, ipsec=ipsec)
    if not gre:
        built.profiles[candidate.number] = name
    return name


def _in_tunnel_mode(built: Built, name: str) -> str:
    """A transform set that is of transport mode, in tunnel mode: that is what a map uses for other hosts' packets."""
    sets = built.config.ipsec.transform_sets
    held: TransformSet = sets[name]
    if not held.transport:
        return name
    made = built.sets.get(name)
    if made is None:
        made = free_name(f"{name}-TUNNEL", sets)
        ipsec = replace(
            built.config.ipsec, transform_sets=with_item(sets, made, replace(held, name=made, transport=False))
        )
        built.config = replace(built.config, ipsec=ipsec)
        built.sets[name] = made
    return made


def policy_lines(entries: Sequence[Candidate]) -> tuple[Line, ...]:
    """The permit lines that a tunnel's policy has, each traffic once."""
    kept: dict[object, Line] = {}
    for candidate in entries:
        for line in used(candidate.lines):
            kept.setdefault(line.selector, line)
    return tuple(kept.values())


def _policy_list(built: Built, number: int, entries: Sequence[Candidate]) -> str:
    """The access list of a tunnel's policy: the entry's own where all its lines are such as a policy has."""
    if number in built.lists:
        return built.lists[number]
    lines = policy_lines(entries)
    lists = built.config.access_lists
    own = entries[0].entry.access_list
    assert own is not None
    if len(entries) == 1 and not entries[0].gre and [line.sequence for line in lines] == _sequences(lists[own]):
        return own
    name = free_name(f"{entries[0].map}-{entries[0].entry.sequence}-VTI", lists)
    made = tuple(AccessListEntry((at + 1) * _STEP, line.text) for at, line in enumerate(lines))
    built.config = replace(
        built.config, access_lists=with_item(lists, name, AccessList(name, extended=True, numbered=False, entries=made))
    )
    built.lists[number] = name
    return name


def _sequences(access_list: AccessList) -> list[int]:
    return [entry.sequence for entry in access_list.entries if not entry.text.startswith("remark ")]


def _protect_gre(built: Built, candidate: Candidate) -> None:
    profile = _profile(built, candidate, gre=True)
    names = tuple(name for tunnel in candidate.gre for name in tunnel.interfaces)
    for tunnel in candidate.gre:
        for name in tunnel.interfaces:
            interface = built.config.interfaces[name]
            assert interface.tunnel is not None
            changed = replace(interface.tunnel, protection=profile, shared=len(tunnel.interfaces) > 1)
            interfaces = with_item(built.config.interfaces, name, replace(interface, tunnel=changed))
            built.config = replace(built.config, interfaces=interfaces)
    built.gre[candidate.number] = names


# --- routes -----------------------------------------------------------------------------------------


def _place(built: Built, bundles: Sequence[Bundle], arrangement: Arrangement) -> None:
    names = {(made.bundle, made.rank): made.name for made in built.tunnels}
    new = [
        StaticRoute(
            placed.network,
            interface=names[placed.bundle, placed.rank],
            distance=placed.distance,
            tag=bundles[placed.bundle].tag,
        )
        for placed in arrangement.placed
    ]
    built.routes = [*new, *arrangement.added]
    routes = {route_key(route): route for route in built.config.routes if route not in arrangement.removed}
    routes |= {route_key(route): route for route in built.routes}
    built.config = replace(built.config, routes=tuple(sorted(routes.values(), key=route_order)))


def _stay_passive(built: Built) -> None:
    """Keep OSPF off tunnels that borrow an address which a `network` line has: the map had no OSPF either."""
    config = built.config
    for process in config.ospf.values():
        names = tuple(made.name for made in built.tunnels if _would_run(config, process, made.name))
        if not names:
            continue
        changed = replace(process, passive_interfaces=(*process.passive_interfaces, *names))
        built.config = replace(built.config, ospf=with_item(built.config.ospf, process.process, changed))
        built.passive[process.process] = names


def _would_run(config: Config, process: OspfProcess, name: str) -> bool:
    interface = config.interfaces[name]
    source = config.interfaces.get(interface.unnumbered or "")
    if process.passive_default or source is None or source.address is None:
        return False
    address = int(source.address.ip)
    return any(not (address ^ int(held.address)) & ~int(held.wildcard) & 0xFFFFFFFF for held in process.networks)


# --- the map ----------------------------------------------------------------------------------------


def _remove_entries(built: Built, migrated: Sequence[Candidate]) -> None:
    freed: list[str] = []
    for candidate in migrated:
        config = built.config
        held = config.crypto_maps[candidate.map]
        entries: Mapping[int, CryptoMapEntry] = without_item(held.entries, candidate.entry.sequence)
        stored = tuple(line for line in config.stored if not _of_entry(candidate, line))
        config = replace(config, stored=stored)
        if entries:
            maps = with_item(config.crypto_maps, held.name, replace(held, entries=entries))
        else:
            maps = without_item(config.crypto_maps, held.name)
            freed += _applied(config, held.name)
        built.config = replace(config, crypto_maps=maps)
    for name in freed:
        interface = replace(built.config.interfaces[name], crypto_map=None)
        built.config = replace(built.config, interfaces=with_item(built.config.interfaces, name, interface))
    built.freed = tuple(freed)


def _of_entry(candidate: Candidate, line: StoredLine) -> bool:
    """Whether a kept line goes with the entry."""
    gre = (name for tunnel in candidate.gre for name in tunnel.interfaces)
    return stored_path(candidate, line.path) or any(also_on_tunnel(candidate, name, line) for name in gre)


def _applied(config: Config, name: str) -> Iterator[str]:
    return (interface.name for interface in config.interfaces.values() if interface.crypto_map == name)
