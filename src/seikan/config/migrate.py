"""Out of the crypto map: the same VPN as virtual tunnel interfaces.

A crypto map takes packets that a route sends out of its interface; a VTI takes packets that a route sends into it. So
each entry becomes a tunnel to its peer with an IPsec profile of its settings, and static routes for the destinations
of its access list. In stage `policy` the tunnel negotiates that list's selectors, one pair of SAs for each line
(IOS-XE's multi-SA VTI), which is what a peer that still has its crypto map understands; in stage `plain` it negotiates
everything, which is what a VTI is for, once both ends are migrated.

What a route cannot express is never guessed: such an entry stays in its map, and the report says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network

from seikan.config.migrate_around import around
from seikan.config.migrate_build import build, settings
from seikan.config.migrate_commands import command_section, typed
from seikan.config.migrate_entries import (
    Candidate,
    Options,
    Site,
    by_title,
    candidates,
    sites,
    source_address,
)
from seikan.config.migrate_lines import entry_sections
from seikan.config.migrate_peer import PeerLines, peer_lines, peer_section
from seikan.config.migrate_report import Item, Outcome, Report, Section, Subject
from seikan.config.migrate_routes import Applied, Arrangement, Arranger, Bundle, Kind, Rib, Way
from seikan.config.migrate_traffic import GRE
from seikan.config.model import Config, Interface, TunnelMode
from seikan.wire.selector import Selector

__all__ = ["Migration", "Options", "Outcome", "PeerLines", "Report", "migrate"]


@dataclass(frozen=True, slots=True)
class Migration:
    """The outcome of `migrate`. `config` is the given one where nothing was migrated.

    `tunnels` are the interfaces that carry the traffic now, new ones and GRE tunnels that became protected. `lines`
    are what to type into a running router to have the same. What the
    report says of packets whose way changes is here as networks: to `diverted` also those go into the tunnel that the
    map left alone, to `exposed` go in clear some that it encrypted.
    """

    config: Config
    tunnels: tuple[str, ...]
    peers: tuple[PeerLines, ...]
    report: Report
    lines: tuple[str, ...] = ()
    diverted: tuple[IPv4Network, ...] = ()
    exposed: tuple[IPv4Network, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything was carried over."""
        return bool(self.tunnels) and not self.report.has(Outcome.LOST)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Entries that can go, and how."""

    migrated: tuple[Candidate, ...]
    bundles: tuple[Bundle, ...]
    arrangement: Arrangement
    reasons: dict[int, str]  # why others stay


def migrate(config: Config, options: Options | None = None) -> Migration:
    """Turn the crypto map entries of `config` into virtual tunnel interfaces; pure, and never raises for what it says.

    Migrating the result again migrates nothing.
    """
    asked = Options() if options is None else options
    places = sites(config)
    found = candidates(config, places, asked)
    plan = _plan(config, places, found)
    built = build(config, places, found, plan.migrated, plan.bundles, plan.arrangement, asked)
    subject = Subject(
        config,
        asked,
        places,
        found,
        plan.migrated,
        plan.bundles,
        plan.arrangement,
        plan.reasons,
        built,
    )
    cleaned, surroundings = around(subject)
    peers = peer_lines(subject)
    gre = tuple(name for names in built.gre.values() for name in names)
    sections = [_summary(subject), *entry_sections(subject), *surroundings]
    if plan.migrated:
        sections += [command_section(subject, cleaned), peer_section(subject, peers), *_stages(subject, peers)]
    return Migration(
        cleaned if plan.migrated else config,
        (*(made.name for made in built.tunnels), *gre),
        peers,
        Report(tuple(sections)),
        typed(subject, cleaned) if plan.migrated else (),
        subject.diverted,
        subject.exposed,
    )


def _summary(subject: Subject) -> Section:
    title = f"Migration of {subject.before.hostname} from crypto maps to virtual tunnel interfaces"
    if not subject.found:
        return Section(title, (Item(Outcome.NOTE, "there is no crypto map: nothing to do"),))
    done, all_ = len(subject.migrated), len(subject.found)
    text = f"{done} of {all_} crypto map entries migrated"
    items = [Item(Outcome.NOTE, text if done else "nothing can be migrated; the configuration is as it was")]
    if subject.built.freed:
        items.append(Item(Outcome.SAME, f"no crypto map is left on {', '.join(subject.built.freed)}"))
    return Section(title, tuple(items))


def _stages(subject: Subject, peers: Sequence[PeerLines]) -> list[Section]:
    """From the selectors of the access list to any to any."""
    lists = [(made.name, made.access_list) for made in subject.built.tunnels if made.access_list is not None]
    if not lists:
        return []
    here = [line for name, held in lists for line in _without_policy(name, held)]
    items = [
        Item(
            Outcome.TYPE,
            "only when both ends of a tunnel are VTIs, at one end and directly afterwards at the other. It does not "
            "matter which is first. In between the two ends do not agree, the tunnel is down and its packets are "
            "dropped; none leaves in clear. Here",
            tuple(here),
        )
    ]
    items += [
        Item(
            Outcome.TYPE,
            f"at {peer.peer}",
            tuple(
                line
                for interface in peer.config.interfaces.values()
                if interface.tunnel is not None and interface.tunnel.protection_policy is not None
                for line in _without_policy(interface.name, interface.tunnel.protection_policy)
            ),
        )
        for peer in peers
        if peer.config.interfaces
    ]
    items.append(
        Item(
            Outcome.CHANGES,
            "from then on one pair of SAs carries everything that is routed into the tunnel: the access list does not "
            "decide any more, also not by protocol, port or source, and routing protocols can run over it. What shall "
            "not pass needs ip access-group on the tunnel",
        )
    )
    return [Section("Later: from the access list's selectors to any to any", tuple(items))]


def _without_policy(name: str, access_list: str) -> tuple[str, str]:
    return f"interface {name}", f" no tunnel protection ipsec policy ipv4 {access_list}"


def _plan(config: Config, places: Sequence[Site], found: Sequence[Candidate]) -> _Plan:
    """The most entries that can go together: each round leaves out those that cannot, until all can."""
    reasons = {candidate.number: candidate.problem for candidate in found if candidate.problem is not None}
    while True:
        alive = [candidate for candidate in found if candidate.number not in reasons]
        bundles, failed = _bundles(config, places, alive)
        if not failed:
            arrangement = _arranger(config, places, found, alive, bundles).arrange()
            failed = arrangement.failed
            if not failed:
                return _Plan(tuple(alive), tuple(bundles), arrangement, reasons)
        reasons |= failed


def _bundles(config: Config, places: Sequence[Site], alive: Sequence[Candidate]) -> tuple[list[Bundle], dict[int, str]]:
    """One tunnel for all entries of a site with the same peers: a second one with the same ends would be no other."""
    bundles: list[Bundle] = []
    failed: dict[int, str] = {}
    owners: dict[tuple[object, IPv4Address], str] = {}
    for interface in config.interfaces.values():
        tunnel = interface.tunnel
        if tunnel is not None and tunnel.mode.ipsec and isinstance(tunnel.destination, IPv4Address):
            source = source_address(config, interface) or tunnel.source
            owners[source, tunnel.destination] = interface.name
    by_peers: dict[tuple[int, tuple[IPv4Address, ...]], int] = {}
    titles = by_title(alive)
    for candidate in (held for held in alive if held.lines):
        for site in candidate.sites:
            key = (site, candidate.peers)
            if key in by_peers:
                bundle = bundles[by_peers[key]]
                first = next(held for held in alive if held.number == bundle.entries[0])
                if settings(config, first) != settings(config, candidate):
                    failed[candidate.number] = (
                        f"it has the peer of {first.title} and other settings (transform set, pfs, lifetime, replay "
                        "window, isakmp or ikev2 profile): one tunnel has one profile, so give both entries the same"
                    )
                    continue
                bundles[by_peers[key]] = replace(bundle, entries=(*bundle.entries, candidate.number))
                continue
            ends = [(places[site].address or places[site].source, peer) for peer in candidate.peers]
            taken = [(peer, owners[local, peer]) for local, peer in ends if (local, peer) in owners]
            if taken:
                failed[candidate.number] = (
                    f"{taken[0][1]} has a tunnel to {taken[0][0]} from the same address, and two with the same ends "
                    "cannot be told apart"
                )
                continue
            owners |= dict.fromkeys(ends, titles[candidate.number])
            by_peers[key] = len(bundles)
            reverse = candidate.entry.reverse_route
            bundles.append(
                Bundle(
                    site,
                    (candidate.number,),
                    len(candidate.peers),
                    None if reverse is None else reverse.tag,
                    None if reverse is None else reverse.distance,
                )
            )
    return bundles, failed


def _arranger(
    config: Config,
    places: Sequence[Site],
    found: Sequence[Candidate],
    alive: Sequence[Candidate],
    bundles: Sequence[Bundle],
) -> Arranger:
    applied = tuple(
        Applied(
            site.interfaces,
            tuple((candidate.number, candidate.lines) for candidate in found if number in candidate.sites),
        )
        for number, site in enumerate(places)
    )
    tunnels = {(bundle.site, entry): number for number, bundle in enumerate(bundles) for entry in bundle.entries}
    rib = Rib(config, _addressless(config, places), _reverse(places, found))
    return Arranger(rib, applied, bundles, tunnels, _forced(config, found), by_title(found), _strangers(config, found))


def _strangers(config: Config, found: Sequence[Candidate]) -> str | None:
    """What serves peers whose addresses are not known."""
    templates = [profile for profile in config.isakmp.profiles.values() if profile.virtual_template is not None]
    dynamic = [f"crypto dynamic-map {held.entry.dynamic}" for held in found if held.entry.dynamic and held.sites]
    return next(iter([*dynamic, *(f"crypto isakmp profile {held.name}" for held in templates)]), None)


def _addressless(config: Config, places: Sequence[Site]) -> str | None:
    """The one interface with a crypto map whose address the configuration does not have."""
    names = {
        name
        for site in places
        for name in site.interfaces
        if config.interfaces[name].address is None and config.interfaces[name].unnumbered is None
    }
    return names.pop() if len(names) == 1 else None


def _reverse(places: Sequence[Site], found: Sequence[Candidate]) -> list[Way]:
    ways = []
    for candidate in found:
        reverse = candidate.entry.reverse_route
        if reverse is None:
            continue
        for site in candidate.sites:
            interface, distance = places[site].interfaces[0], reverse.distance or 1
            peer = reverse.remote_peer or next(iter(candidate.peers), None)
            gateway = peer if isinstance(peer, IPv4Address) else None
            ways += [
                Way(line.remote, distance, interface, Kind.REVERSE, None, candidate.number, gateway)
                for line in candidate.lines
                if line.selector is not None
            ]
    return ways


def _forced(config: Config, found: Sequence[Candidate]) -> frozenset[IPv4Network]:
    """Hosts that the router itself must reach outside of every tunnel: its peers, tunnels' ends and gateways."""
    entries = [entry for held in config.crypto_maps.values() for entry in held.entries.values()]
    peers = {peer.address for entry in entries for peer in entry.peers}
    ends = {
        interface.tunnel.destination
        for interface in config.interfaces.values()
        if interface.tunnel is not None and not _encrypted(config, interface, found)
    }
    gateways = {route.next_hop for route in config.routes}
    return frozenset(IPv4Network(host) for host in peers | ends | gateways if isinstance(host, IPv4Address))


def _encrypted(config: Config, interface: Interface, found: Sequence[Candidate]) -> bool:
    """Whether a line takes the packets of a GRE tunnel, which are nothing else to the map than anybody's."""
    source, tunnel = source_address(config, interface), interface.tunnel
    if source is None or tunnel is None or tunnel.protection is not None or tunnel.mode is not TunnelMode.GRE_IP:
        return False
    if not isinstance(tunnel.destination, IPv4Address):
        return False
    packets = Selector(IPv4Network(source), IPv4Network(tunnel.destination), GRE)
    lines = [line for candidate in found for line in candidate.lines if line.selector is not None]
    return any(line.selector is not None and line.selector.contains(packets) for line in lines)
