"""The report of each crypto map entry: its settings, and line by line its access list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network

from seikan.config.migrate_build import groups_of, policy_lines
from seikan.config.migrate_dynamic import dynamic_lines
from seikan.config.migrate_entries import (
    Candidate,
    access_groups,
    also_on_tunnel,
    isakmp_profile,
    stored_path,
)
from seikan.config.migrate_report import Item, Outcome, Section, Subject
from seikan.config.migrate_routes import Fate
from seikan.config.migrate_traffic import Line, lines_of, listed, maximal, meets, towards
from seikan.config.model import Config, Interface, StaticRoute
from seikan.config.problem import without_secrets
from seikan.wire.constants import esp_plaintext_mtu

DEFAULT_MTU = 1500
_OUTER = 20  # octets of an IPv4 header
_GRE = 4


def write_route(route: StaticRoute, *, negation: str = "") -> str:
    """A static route as it is typed."""
    words = [f"{negation}ip route {route.network.network_address} {route.network.netmask}"]
    words += [str(part) for part in (route.interface, route.next_hop) if part is not None]
    words += [str(route.distance)] if route.distance != 1 else []
    words += [f"tag {route.tag}"] if route.tag is not None else []
    return " ".join(words)


def entry_sections(subject: Subject) -> Iterator[Section]:
    """A section for each entry of each crypto map."""
    for candidate in subject.found:
        if candidate in subject.migrated:
            yield Section(_title(subject, candidate), tuple(_items(subject, candidate)))
        else:
            yield Section(f"{candidate.title} stays", tuple(_stays(subject, candidate)))


def _title(subject: Subject, candidate: Candidate) -> str:
    names = [f"{made.name} (peer {made.destination})" for made in subject.tunnels(candidate)]
    names += [f"{name} (GRE to {candidate.peers[0]})" for name in subject.built.gre.get(candidate.number, ())]
    return f"{candidate.title} becomes {', '.join(names)}"


def _stays(subject: Subject, candidate: Candidate) -> Iterator[Item]:
    reason = subject.reasons[candidate.number]
    if not candidate.asked:
        yield Item(Outcome.NOTE, reason)
        return
    yield Item(Outcome.LOST, reason)
    if candidate.entry.dynamic is not None:
        yield from dynamic_lines(subject.before, candidate, subject.places)


def _items(subject: Subject, candidate: Candidate) -> Iterator[Item]:
    yield from _settings(subject, candidate)
    yield from _lines(subject, candidate)
    yield from _together(subject, candidate)
    yield from _peers(subject, candidate)
    yield from _mtu(subject, candidate)


# --- settings ---------------------------------------------------------------------------------------


def _settings(subject: Subject, candidate: Candidate) -> Iterator[Item]:
    entry, config = candidate.entry, subject.built.config
    profiles = {made.profile for made in subject.tunnels(candidate)}
    for name in subject.built.gre.get(candidate.number, ()):
        tunnel = config.interfaces[name].tunnel
        assert tunnel is not None
        assert tunnel.protection is not None
        profiles.add(tunnel.protection)
    has = [f"transform set {' '.join(entry.transform_sets)}"]
    has += [f"pfs group{entry.pfs_group}"] if entry.pfs_group is not None else []
    has += [f"lifetime {entry.lifetime_seconds} s"] if entry.lifetime_seconds is not None else []
    has += [f"{entry.lifetime_kilobytes} kilobytes"] if entry.lifetime_kilobytes is not None else []
    has += [f"replay window {entry.replay_window}"] if entry.replay_window is not None else []
    profile = isakmp_profile(subject.before, candidate)
    has += [f"isakmp profile {profile}"] if profile is not None else []
    has += [f"ikev2 profile {entry.ikev2_profile}"] if entry.ikev2_profile is not None else []
    yield Item(Outcome.SAME, f"{', '.join(has)}: in crypto ipsec profile {', '.join(sorted(profiles))}")
    for name in entry.transform_sets:
        if name in subject.built.sets and subject.tunnels(candidate):
            yield Item(
                Outcome.SAME,
                f"transform set {name} is of transport mode, which a crypto map uses for its own host's packets only: "
                f"the tunnel has {subject.built.sets[name]}, the same in tunnel mode",
            )
    yield Item(
        Outcome.CHANGES,
        "the SAs are negotiated at once and kept, instead of when a packet asks for them; the interface's line "
        "protocol tells whether there are any",
    )
    if entry.idle_time is not None:
        yield Item(Outcome.CHANGES, f"idle-time {entry.idle_time} is gone: SAs of a VTI are kept while it is up")
    yield from _reverse_route(subject, candidate)
    yield from _kept_lines(subject, candidate)


#: Lines that are kept and say nothing that a tunnel would need.
_NEEDLESS = ("set nat demux",)


def _kept_lines(subject: Subject, candidate: Candidate) -> Iterator[Item]:
    carried: set[tuple[str, str]] = set()
    for made in subject.tunnels(candidate):
        carried |= set(groups_of(subject.before, subject.entries(made)))
    for name, direction in access_groups(subject.before, candidate):
        if (name, direction) in carried:
            yield Item(
                Outcome.CHANGES,
                f"set ip access-group {name} {direction} is ip access-group {name} {direction} on the tunnel, which is "
                "enforced here; on a crypto map it is kept only",
            )
        else:
            yield Item(Outcome.LOST, f"set ip access-group {name} {direction}: no tunnel of its own has this filter")
    for line in subject.before.stored:
        if not stored_path(candidate, line.path) or line.text.startswith("set ip access-group"):
            continue
        if line.text.startswith(_NEEDLESS):
            yield Item(Outcome.SAME, f"'{line.text}' is needed no more")
        else:
            yield Item(Outcome.LOST, f"'{without_secrets(line.text)}' has no counterpart on the tunnel")
    for name in subject.built.gre.get(candidate.number, ()):
        if any(also_on_tunnel(candidate, name, line) for line in subject.before.stored):
            yield Item(Outcome.SAME, f"crypto map {candidate.map} is taken from {name}: its protection is its own now")


def _reverse_route(subject: Subject, candidate: Candidate) -> Iterator[Item]:
    reverse = candidate.entry.reverse_route
    if reverse is None or not subject.tunnels(candidate):
        return
    kept = [f"tag {reverse.tag}"] if reverse.tag is not None else []
    kept += [f"distance {reverse.distance}"] if reverse.distance is not None else []
    text = "reverse-route is needed no more: the routes are static ones into the tunnel"
    text += f" and keep {' and '.join(kept)}" if kept else ""
    outcome = Outcome.SAME if reverse.static else Outcome.CHANGES
    if not reverse.static:
        text += "; they are there while its line protocol is up, which is when there are SAs"
    yield Item(outcome, text)


# --- the access list --------------------------------------------------------------------------------


def _lines(subject: Subject, candidate: Candidate) -> Iterator[Item]:
    access_list = subject.before.access_lists[candidate.entry.access_list or ""]
    gre = {tunnel.line.sequence: tunnel.interfaces for tunnel in candidate.gre}
    for line in lines_of(access_list):
        where = f"line {line.sequence} '{line.text}'"
        if line.sequence in gre:
            yield Item(
                Outcome.SAME,
                f"{where}: tunnel protection on {', '.join(gre[line.sequence])} negotiates the same selector, so it "
                "does not matter which end is migrated first",
            )
        elif line.rule.permit:
            yield from _permit(subject, candidate, line, where)
        else:
            yield _deny(subject, candidate, line, where)


def _permit(subject: Subject, candidate: Candidate, line: Line, where: str) -> Iterator[Item]:
    inside = subject.fates(candidate, line.sequence, Fate.TUNNEL)
    elsewhere = subject.fates(candidate, line.sequence, Fate.ELSEWHERE)
    exposed = subject.fates(candidate, line.sequence, Fate.EXPOSED)
    assert line.selector is not None
    if inside:
        tunnels = [made.name for made in subject.tunnels(candidate)]
        names = ", ".join(tunnels)
        if subject.options.policy:
            negotiates = "which negotiates" if len(tunnels) == 1 else "each of which negotiates"
            yield Item(Outcome.SAME, f"{where}: {listed(inside)} is routed into {names}, {negotiates} this selector")
        elif line.selector.protocol:
            yield Item(
                Outcome.CHANGES,
                f"{where}: {listed(inside)} is routed into {names} whatever the protocol and ports: routes cannot "
                "express them",
            )
        else:
            yield Item(Outcome.SAME, f"{where}: {listed(inside)} is routed into {names}")
    if exposed:
        yield Item(
            Outcome.CHANGES,
            f"{where}: packets to {listed(exposed)} were encrypted and now go in clear: the tunnel itself is reached "
            "by these addresses (the interface's own network, peers, gateways)",
        )
    if elsewhere and not inside:
        yield Item(
            Outcome.SAME,
            f"{where}: routes lead {listed(elsewhere)} out of another interface, where the map never saw it",
        )
    if not (inside or elsewhere or exposed):
        yield Item(Outcome.SAME, f"{where}: no packet got to it behind the lines and entries before it, and none does")


def _deny(subject: Subject, candidate: Candidate, line: Line, where: str) -> Item:
    destination = line.rule.destination.network
    kept = tuple(
        write_route(route)
        for route in subject.arrangement.kept
        if destination is not None and route.network.subnet_of(destination)
    )
    inside = _goes_in(subject, candidate, line)
    if inside:
        does = "is encrypted too" if subject.options.policy else "goes through it too"
        text = (
            f"{where}: what it denies to {listed(inside)} is routed into the tunnel with the rest and {does}: a "
            "tunnel's policy knows no deny"
        )
        return Item(Outcome.CHANGES, text, kept)
    if kept:
        return Item(Outcome.SAME, f"{where}: a more specific route keeps it out of the tunnel", kept)
    return Item(Outcome.SAME, f"{where}: no permit line has what it denies, so the tunnel does not carry it either")


def _goes_in(subject: Subject, candidate: Candidate, line: Line) -> tuple[IPv4Network, ...]:
    """Where packets of a deny line go that the tunnel carries now."""
    found: list[IPv4Network] = []
    for made in subject.tunnels(candidate):
        behind = candidate.lines[candidate.lines.index(line) + 1 :]
        permitted = [held for held in policy_lines(subject.entries(made)) if held in behind]
        for network in subject.arrangement.diverted.get(made.bundle, ()):
            if not towards(line.rule, network):
                continue
            carried = not subject.options.policy or any(
                network.subnet_of(held.remote)
                and held.selector is not None
                and meets(line.rule, replace(held.selector, remote=network))
                for held in permitted
            )
            found += [network] if carried else []
    return maximal(found)


def _together(subject: Subject, candidate: Candidate) -> Iterator[Item]:
    """What the routes of the whole entry change."""
    for made in subject.tunnels(candidate):
        if made.rank:
            continue
        diverted = subject.arrangement.diverted.get(made.bundle, ())
        if diverted:
            what = (
                f"packets to {listed(diverted)} that no line permits (other sources, other protocols, the router's own)"
            )
            if subject.options.policy:
                yield Item(Outcome.CHANGES, f"{what} left in clear; they are dropped by {made.name} and counted there")
            else:
                yield Item(Outcome.CHANGES, f"{what} left in clear; they go through {made.name}")


def _peers(subject: Subject, candidate: Candidate) -> Iterator[Item]:
    made = subject.tunnels(candidate)
    if len({tunnel.destination for tunnel in made}) < 2:
        return
    names = ", then ".join(f"{tunnel.name} to {tunnel.destination}" for tunnel in made)
    yield Item(
        Outcome.CHANGES,
        f"the map had one peer at a time; now there is a tunnel to each, all of them up, and floating routes prefer "
        f"{names}. The other site must prefer the same one, or answers come back by another tunnel",
    )
    profile = subject.before.isakmp.profiles.get(isakmp_profile(subject.before, candidate) or "")
    if candidate.entry.ikev2_profile is not None:
        return  # whose dead peer detection is a matter of its own (`migrate_around`)
    if subject.built.keepalive:
        yield Item(
            Outcome.CHANGES,
            "crypto isakmp keepalive is added: without dead peer detection a tunnel whose peer is gone stays up, and "
            "the routes with it",
            ("crypto isakmp keepalive 10 3 periodic",),
        )
    elif profile is None or profile.keepalive is None:
        yield Item(Outcome.SAME, "crypto isakmp keepalive decides how soon the next peer is taken, as before")


# --- size -------------------------------------------------------------------------------------------


def _mtu(subject: Subject, candidate: Candidate) -> Iterator[Item]:
    config = subject.built.config
    for made in subject.tunnels(candidate):
        if made.rank:
            continue
        for name in subject.site(made).interfaces[:1]:
            interface = subject.before.interfaces[name]
            link = _link_mtu(interface)
            fits = _plaintext(config, candidate.entry.transform_sets, link)
            text = (
                f"MTU: {name} has {link}, of which encryption left {fits}; {made.name} has an IP MTU of {fits} "
                "(8 less where a NAT is in the way)"
            )
            if interface.adjust_mss is not None:
                text += f"; ip tcp adjust-mss {interface.adjust_mss} is on the tunnel too"
            yield Item(Outcome.SAME, text)
    for name in subject.built.gre.get(candidate.number, ()):
        yield _gre_mtu(subject, candidate, name)


def _gre_mtu(subject: Subject, candidate: Candidate, name: str) -> Item:
    interface = subject.before.interfaces[name]
    tunnel = interface.tunnel
    assert tunnel is not None
    sets = subject.before.ipsec.transform_sets
    link = min(
        _link_mtu(subject.before.interfaces[held]) for at in candidate.sites for held in subject.places[at].interfaces
    )
    key = 4 if tunnel.key is not None else 0
    before = interface.ip_mtu or interface.mtu or link - _OUTER - _GRE - key
    transport = all(sets[held].transport for held in candidate.entry.transform_sets)
    around = _GRE + key + (0 if transport else _OUTER)
    fits = _plaintext(subject.before, candidate.entry.transform_sets, link) - around
    if interface.ip_mtu is not None or interface.mtu is not None:
        return Item(Outcome.SAME, f"MTU: {name} keeps its {before}; {fits} fit the path without fragments")
    return Item(
        Outcome.CHANGES,
        f"MTU: {name} had {before}, and packets above {fits} were fragments once encrypted; now it has {fits}",
    )


def _link_mtu(interface: Interface) -> int:
    return interface.ip_mtu or interface.mtu or DEFAULT_MTU


def _plaintext(config: Config, names: Iterable[str], link: int) -> int:
    """What the largest of the sets leaves of a link."""
    held = [config.ipsec.transform_sets[name] for name in names if name in config.ipsec.transform_sets]
    return min(
        (
            esp_plaintext_mtu(link, outer_ipv6=False, udp=False, encryption=row.encryption, integrity=row.integrity)
            for row in held
            if row.encryption is not None
        ),
        default=link,
    )
