"""The crypto map entries of a configuration, each with where it is applied and why it cannot be migrated, if so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from seikan.config.migrate_traffic import GRE, Line, lines_of
from seikan.config.model import Config, CryptoMap, CryptoMapEntry, Interface, StoredLine, TunnelMode
from seikan.config.problem import without_secrets
from seikan.config.references import no_ikev2_profile, unknown_ikev2_profile


@dataclass(frozen=True, slots=True)
class Options:
    """What to migrate and how: the crypto maps and sequence numbers asked for (none: all); `policy` is the stage in
    which the tunnel negotiates the access list's selectors; `clean` removes NAT exemptions that are needed no more.
    """

    maps: tuple[str, ...] = ()
    entries: tuple[int, ...] = ()
    policy: bool = True
    clean: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """A crypto map where it is applied: the interfaces that share a local end, and that end.

    `source` is the interface whose address the peers see, `lender` the one that has it (another one where that is
    unnumbered), `address` None where the configuration does not have it.
    """

    map: str
    interfaces: tuple[str, ...]
    source: str
    lender: str
    address: IPv4Address | None


@dataclass(frozen=True, slots=True)
class GreTunnel:
    """GRE tunnel interfaces that a line `permit gre host A host B` encrypts; several where they have keys."""

    line: Line
    interfaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One entry. `lines` are those that need a tunnel of their own; `problem` is why it stays, None where it need not.

    `asked` is False for an entry that the user did not name.
    """

    number: int
    map: str
    entry: CryptoMapEntry
    sites: tuple[int, ...]
    lines: tuple[Line, ...] = ()
    gre: tuple[GreTunnel, ...] = ()
    problem: str | None = None
    asked: bool = True

    @property
    def title(self) -> str:
        return f"crypto map {self.map} {self.entry.sequence}"

    @property
    def peers(self) -> tuple[IPv4Address, ...]:
        """Those of IPv4 in the order in which they are tried: a default peer first."""
        ordered = sorted(self.entry.peers, key=lambda peer: not peer.default)
        return tuple(peer.address for peer in ordered if isinstance(peer.address, IPv4Address))


def isakmp_profile(config: Config, candidate: Candidate) -> str | None:
    """The entry's profile, or its map's."""
    return candidate.entry.isakmp_profile or config.crypto_maps[candidate.map].isakmp_profile


def own_address(config: Config, name: str) -> IPv4Address | None:
    """The IPv4 address of an interface, its own or a borrowed one."""
    interface = config.interfaces.get(lender(config, name))
    return None if interface is None or interface.address is None else interface.address.ip


def lender(config: Config, name: str) -> str:
    """The interface that has the address of `name`."""
    interface = config.interfaces.get(name)
    return name if interface is None or interface.unnumbered is None else interface.unnumbered


def source_address(config: Config, interface: Interface) -> IPv4Address | None:
    """The IPv4 address that a tunnel's packets come from, where the configuration has it."""
    source = None if interface.tunnel is None else interface.tunnel.source
    if isinstance(source, str):
        return own_address(config, source)
    return source if isinstance(source, IPv4Address) else None


# --- where ------------------------------------------------------------------------------------------


def sites(config: Config) -> tuple[Site, ...]:
    """Every place where a crypto map is applied; one for all its interfaces where it has a `local-address`."""
    found: list[Site] = []
    for held in config.crypto_maps.values():
        interfaces = tuple(
            interface.name for interface in config.interfaces.values() if interface.crypto_map == held.name
        )
        local = held.local_address
        if local is not None and interfaces:
            found.append(_site(config, held.name, interfaces, local))
        else:
            found += [_site(config, held.name, (name,), name) for name in interfaces]
    return tuple(found)


def _site(config: Config, name: str, interfaces: tuple[str, ...], source: str) -> Site:
    return Site(name, interfaces, source, lender(config, source), own_address(config, source))


# --- what ------------------------------------------------------------------------------------------


def candidates(config: Config, places: tuple[Site, ...], options: Options) -> tuple[Candidate, ...]:
    """All entries of all crypto maps, by map and sequence."""
    found: list[Candidate] = []
    for held in config.crypto_maps.values():
        at = tuple(number for number, site in enumerate(places) if site.map == held.name)
        for entry in sorted(held.entries.values(), key=lambda entry: entry.sequence):
            asked = (not options.maps or held.name in options.maps) and (
                not options.entries or entry.sequence in options.entries
            )
            found.append(_candidate(config, held, entry, len(found), tuple(places[number] for number in at), at, asked))
    return tuple(found)


def _candidate(
    config: Config,
    held: CryptoMap,
    entry: CryptoMapEntry,
    number: int,
    places: tuple[Site, ...],
    at: tuple[int, ...],
    asked: bool,
) -> Candidate:
    access_list = config.access_lists.get(entry.access_list or "")
    every = () if access_list is None else lines_of(access_list)
    bare = Candidate(number, held.name, entry, at, asked=asked)
    gre = tuple(_gre(config, places, bare.peers, every))
    protected = {tunnel.line.sequence for tunnel in gre}
    lines = tuple(line for line in every if line.sequence not in protected)
    if not any(line.rule.permit for line in lines):
        lines = ()
    problem = "it was not asked for" if not asked else next(_obstacles(config, held, bare, places, every, gre), None)
    return Candidate(number, held.name, entry, at, lines, gre, problem, asked)


def _gre(
    config: Config, places: tuple[Site, ...], peers: tuple[IPv4Address, ...], lines: Iterable[Line]
) -> Iterator[GreTunnel]:
    """Lines for GRE between the very ends of the entry, with the tunnels that they are for."""
    for line in lines:
        if line.selector is None or line.selector.protocol != GRE or len(peers) != 1:
            continue
        if line.remote.prefixlen != 32 or line.local.prefixlen != 32 or line.remote.network_address != peers[0]:
            continue
        address = line.local.network_address
        if not any(site.address == address for site in places):
            continue
        tunnels = tuple(
            interface.name
            for interface in config.interfaces.values()
            if interface.tunnel is not None
            and interface.tunnel.mode is TunnelMode.GRE_IP
            and interface.tunnel.protection is None
            and interface.tunnel.destination == peers[0]
            and source_address(config, interface) == address
        )
        if tunnels:
            yield GreTunnel(line, tunnels)


def _obstacles(
    config: Config,
    held: CryptoMap,
    candidate: Candidate,
    places: tuple[Site, ...],
    lines: tuple[Line, ...],
    gre: tuple[GreTunnel, ...],
) -> Iterator[str]:
    """Why an entry stays in its map, in the order of what to correct first."""
    entry = candidate.entry
    if entry.dynamic is not None:
        yield "its peers are not known before; the lines of a dynamic VTI that would replace it are below"
        return
    if not places:
        yield f"no interface has crypto map {held.name}, so it encrypts nothing"
    yield from _routing_tables(config, candidate, places)
    for text in unknown_lines(config, candidate):
        yield f"its line '{without_secrets(text)}' is not understood: correct or remove it"
    if entry.access_list is None:
        yield "it has no access list (match address)"
    elif not any(line.rule.permit for line in lines):
        missing = entry.access_list not in config.access_lists
        yield f"access list {entry.access_list} {'does not exist' if missing else 'permits nothing'}"
    yield from (line.problem for line in lines if line.problem is not None)
    if not entry.peers:
        yield "it has no peer (set peer)"
    elif len(candidate.peers) != len(entry.peers):
        yield "it has a peer of IPv6, and the access list is of IPv4: a VTI carries both inside or both outside alike"
    if not entry.transform_sets:
        yield "it has no transform set (set transform-set)"
    for name in entry.transform_sets:
        if name not in config.ipsec.transform_sets:
            yield f"transform set {name} {'is not understood' if _misread_set(config, name) else 'does not exist'}"
    profile = entry.isakmp_profile or held.isakmp_profile
    if profile is not None and profile not in config.isakmp.profiles:
        yield f"crypto isakmp profile {profile} does not exist"
    if unknown_ikev2_profile(config, entry.ikev2_profile):
        yield no_ikev2_profile(entry.ikev2_profile)
    yield from _translated(config, candidate, places, lines)
    yield from _gre_obstacles(places, candidate, lines, gre)


def _misread_set(config: Config, name: str) -> bool:
    """Whether a transform set is in the configuration and was not understood."""
    wanted = ["crypto", "ipsec", "transform-set", name]
    return any(line.unknown and not line.path and line.text.split()[:4] == wanted for line in config.stored)


def _routing_tables(config: Config, candidate: Candidate, places: tuple[Site, ...]) -> Iterator[str]:
    """VRFs, which this router does not have: routes in the one table would be others."""
    for name in (name for site in places for name in site.interfaces):
        if any(line.path == (f"interface {name}",) and "vrf" in line.text.split() for line in config.stored):
            yield f"{name} is in a VRF, and its routes are not these"
    profile = config.isakmp.profiles.get(isakmp_profile(config, candidate) or "")
    if profile is not None and profile.vrf is not None:
        yield f"crypto isakmp profile {profile.name} puts what it decrypts into VRF {profile.vrf}"


def _gre_obstacles(
    places: tuple[Site, ...], candidate: Candidate, lines: tuple[Line, ...], gre: tuple[GreTunnel, ...]
) -> Iterator[str]:
    found = {tunnel.line.sequence for tunnel in gre}
    for line in lines:
        if line.selector is None or line.selector.protocol != GRE or line.sequence in found:
            continue
        if line.remote.prefixlen == 32 and line.remote.network_address in candidate.peers:
            if len(candidate.peers) > 1:
                yield f"line {line.sequence}: GRE to one of several peers; a protected GRE tunnel has one"
            elif all(site.address != line.local.network_address for site in places):
                yield (
                    f"line {line.sequence}: GRE comes from {line.local.network_address}, the encryption does not; "
                    "tunnel protection takes both from the tunnel's source"
                )
            else:
                yield (
                    f"line {line.sequence}: no tunnel interface with mode gre ip, without protection, goes from "
                    f"{line.local.network_address} to {line.remote.network_address}"
                )


def _translated(
    config: Config, candidate: Candidate, places: tuple[Site, ...], lines: tuple[Line, ...]
) -> Iterator[str]:
    """Sources that only translation makes: what goes into a tunnel is not translated any more."""
    outside = {held.outside for held in config.nat_statics if isinstance(held.outside, IPv4Address)}
    for site in places:
        translating = [name for name in site.interfaces if config.interfaces[name].nat == "outside"]
        if not translating:
            continue
        uses = {source.interface for source in config.nat_sources} & set(translating)
        translated = outside | ({site.address} if uses and site.address is not None else set())
        for line in lines:
            if line.selector is None or line.selector.protocol == GRE or line.local.prefixlen != 32:
                continue
            if line.local.network_address in translated:
                yield (
                    f"line {line.sequence}: {line.local.network_address} is an address that NAT on {translating[0]} "
                    "gives to packets before they are encrypted; what is routed into a tunnel is not translated there"
                )


def also_on_tunnel(candidate: Candidate, name: str, line: StoredLine) -> bool:
    """Whether a kept line puts the map on GRE tunnel `name` too, as old releases of IOS wanted it."""
    return line.path == (f"interface {name}",) and line.text.split()[:3] == ["crypto", "map", candidate.map]


def stored_path(candidate: Candidate, path: tuple[str, ...]) -> bool:
    """Whether lines at `path` are below the entry."""
    return path[:1] != () and path[0].split()[:4] == ["crypto", "map", candidate.map, str(candidate.entry.sequence)]


def access_groups(config: Config, candidate: Candidate) -> tuple[tuple[str, str], ...]:
    """List and direction of each `set ip access-group NAME in|out`: IOS applies it to the packets in clear."""
    found = []
    for line in config.stored:
        words = line.text.split()
        if not line.unknown and stored_path(candidate, line.path) and words[:3] == ["set", "ip", "access-group"]:
            found.append((words[3], words[4]))
    return tuple(found)


def unknown_lines(config: Config, candidate: Candidate) -> tuple[str, ...]:
    """Lines of the entry that were not understood."""
    return tuple(line.text for line in config.stored if line.unknown and stored_path(candidate, line.path))


def by_title(found: Iterable[Candidate]) -> Mapping[int, str]:
    """How messages name the entries."""
    return {candidate.number: candidate.title for candidate in found}
