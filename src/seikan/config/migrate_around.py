"""What stands around a crypto map: translation, filters, OSPF, keys. What needs it, and what needs it no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from seikan.config.access import Rule, rules
from seikan.config.handlers import with_item
from seikan.config.migrate_entries import Candidate
from seikan.config.migrate_lines import write_route
from seikan.config.migrate_report import Item, Outcome, Section, Subject
from seikan.config.migrate_traffic import Line, hosts_cover, listed, meets
from seikan.config.model import AccessList, Config, NatSource
from seikan.config.problem import without_secrets
from seikan.config.route_maps import route_map_lists

#: Lines of an interface that look at packets before they are encrypted, or after they are decrypted.
_SERVICES = ("zone-member security", "ip inspect", "service-policy", "ip policy", "ip verify", "ip flow")


def around(subject: Subject) -> tuple[Config, tuple[Section, ...]]:
    """The configuration, with its NAT exemptions removed where that was asked for, and the sections about it."""
    if not subject.migrated:
        return subject.built.config, ()
    config, translation = _translation(subject)
    sections = (
        Section("Routes", tuple(_routes(subject))),
        Section("Translation and filters", (*translation, *_filters(subject))),
        Section("OSPF", tuple(_ospf(subject))),
        Section("Keys and peers", (*_keys(subject), *_left(subject))),
    )
    return config, tuple(section for section in sections if section.items)


# --- routes -----------------------------------------------------------------------------------------


def _routes(subject: Subject) -> Iterator[Item]:
    found, built = subject.arrangement, subject.built
    new = [route for route in built.routes if route not in found.guards and route not in found.kept]
    if new:
        yield Item(Outcome.SAME, "packets find the tunnels by static routes", tuple(write_route(held) for held in new))
    if found.guards:
        yield Item(
            Outcome.SAME,
            "while a tunnel is down its packets are dropped, as the map dropped what it could not encrypt, and do not "
            "leave in clear by another route",
            tuple(write_route(held) for held in found.guards),
        )
    if found.kept:
        yield Item(
            Outcome.SAME,
            "routes that keep the present way of what must not go into a tunnel (the tunnel's own packets to its peer, "
            "gateways, what the access lists leave out)",
            tuple(write_route(held) for held in found.kept),
        )
    if found.removed:
        yield Item(
            Outcome.CHANGES,
            "routes that led these packets to the crypto map's interface are gone",
            tuple(write_route(held, negation="no ") for held in found.removed),
        )
    if found.unknown:
        yield Item(
            Outcome.NOTE,
            f"the configuration has no static route to {listed(found.unknown)}: the packets are thought to leave by "
            "the interface with the crypto map. Where a more specific route is learnt, that one goes on winning",
        )
    if new and _learns(subject.before):
        yield Item(
            Outcome.NOTE,
            "routes that a routing protocol teaches for exactly these networks lose to the static ones. Where a learnt "
            "route shall win, as it did before the packets got to the map, give the static ones a distance above it",
        )
    for network, way in found.lost_fallback:
        yield Item(
            Outcome.CHANGES,
            f"without its interface, packets to {network} went in clear out of {way.interface}; now they are dropped. "
            f"If they shall go there, remove the route to {network} with Null0",
        )
    for network, way in found.new_fallback:
        yield Item(
            Outcome.CHANGES,
            f"packets to {network} take {way.interface} in clear while the tunnel is down, that is also when the peer "
            "alone is gone; before, only when the interface was",
        )


def _learns(config: Config) -> bool:
    """Whether routes come from elsewhere too."""
    return bool(config.ospf) or any(not line.path and line.text.startswith("router ") for line in config.stored)


# --- translation ------------------------------------------------------------------------------------


def _translation(subject: Subject) -> tuple[Config, list[Item]]:
    config = subject.built.config
    items: list[Item] = []
    names = set(subject.interfaces())
    for source in config.nat_sources:
        if source.interface not in names:
            continue
        for name in _lists(config, source):
            access_list = config.access_lists.get(name)
            if access_list is None:
                continue
            items += _not_exempt(subject, access_list)
            config, found = _exemptions(subject, config, access_list)
            items += found
    return config, items


def _lists(config: Config, source: NatSource) -> tuple[str, ...]:
    """The access lists that choose what is translated."""
    if source.access_list is not None:
        return (source.access_list,)
    return tuple(name for permit, name in route_map_lists(config, source.route_map or "") or () if permit)


def _exemptions(subject: Subject, config: Config, access_list: AccessList) -> tuple[Config, list[Item]]:
    texts = {entry.sequence: entry.text for entry in access_list.entries}
    exempting = [rule for rule in rules(access_list) if not rule.permit and _of_tunnels(subject, rule)]
    needless = [rule for rule in exempting if _only_tunnelled(subject, rule)]
    items = []
    if len(needless) < len(exempting):
        wider = tuple(texts[rule.sequence] for rule in exempting if rule not in needless)
        items.append(
            Item(
                Outcome.NOTE,
                f"NAT exemptions of access list {access_list.name} that the VPN needs no more: a tunnel is not ip nat "
                "outside. They exempt other packets too, so they stay",
                wider,
            )
        )
    if not needless:
        return config, items
    lines = tuple(f"no {texts[rule.sequence]}" for rule in needless)
    text = f"NAT exemptions of access list {access_list.name} are needed no more: a tunnel is not ip nat outside"
    if not subject.options.clean:
        return config, [*items, Item(Outcome.NOTE, f"{text}; they do no harm (--clean removes them)", lines)]
    if _used_elsewhere(config, access_list.name):
        return config, [*items, Item(Outcome.NOTE, f"{text}, but the list is used elsewhere too: they stay", lines)]
    gone = {rule.sequence for rule in needless}
    kept = tuple(entry for entry in access_list.entries if entry.sequence not in gone)
    lists = with_item(config.access_lists, access_list.name, replace(access_list, entries=kept))
    items.append(Item(Outcome.CHANGES, f"{text}, and are removed", lines))
    return replace(config, access_lists=lists), items


def _of_tunnels(subject: Subject, rule: Rule) -> bool:
    """Whether a rule says anything of packets that the map encrypted."""
    return any(line.selector is not None and meets(rule, line.selector) for _, line in _lines(subject))


def _only_tunnelled(subject: Subject, rule: Rule) -> bool:
    """Whether everything that a rule denies is routed into the new tunnels."""
    network = rule.destination.network
    return network is not None and any(network.subnet_of(held) for held in subject.routed)


def _used_elsewhere(config: Config, name: str) -> bool:
    entries = [entry for held in config.crypto_maps.values() for entry in held.entries.values()]
    groups = [(held.access_group_in, held.access_group_out) for held in config.interfaces.values()]
    return any(entry.access_list == name for entry in entries) or any(name in held for held in groups)


def _not_exempt(subject: Subject, access_list: AccessList) -> Iterator[Item]:
    """Lines whose packets were translated before the map saw them, so that it never encrypted them."""
    held = rules(access_list)
    for candidate, line in _lines(subject):
        assert line.selector is not None
        first = next((rule for rule in held if meets(rule, line.selector)), None)
        if first is not None and first.permit:
            yield Item(
                Outcome.CHANGES,
                f"{candidate.title}, line {line.sequence}: access list {access_list.name} translates these packets "
                "first, so the map did not encrypt them unless translated; they go through the tunnel untranslated",
            )


def _lines(subject: Subject) -> Iterator[tuple[Candidate, Line]]:
    for candidate in subject.migrated:
        for line in candidate.lines:
            if line.rule.permit and line.selector is not None:
                yield candidate, line


# --- filters ----------------------------------------------------------------------------------------


def _filters(subject: Subject) -> Iterator[Item]:
    for name in subject.interfaces():
        interface = subject.before.interfaces[name]
        tunnels = [made.name for made in subject.built.tunnels if name in subject.site(made).interfaces]
        if not tunnels:
            continue
        access_list = subject.before.access_lists.get(interface.access_group_in or "")
        if access_list is not None:
            yield from _inbound(subject, name, access_list, tunnels)
        if interface.access_group_out is not None:
            yield Item(
                Outcome.NOTE,
                f"ip access-group {interface.access_group_out} out on {name} sees encrypted packets only. Where it "
                f"was to filter what goes to the other site, put it on {', '.join(tunnels)}",
            )
        for line in subject.before.stored:
            if line.path == (f"interface {name}",) and line.text.startswith(_SERVICES):
                yield Item(
                    Outcome.NOTE,
                    f"'{without_secrets(line.text)}' on {name} does not see what goes through {', '.join(tunnels)}: "
                    "put it there too where it is meant for the other site's packets",
                )


def _inbound(subject: Subject, name: str, access_list: AccessList, tunnels: list[str]) -> Iterator[Item]:
    """IOS checks what it has decrypted against the interface's list once more; a VTI's packets arrive on the tunnel."""
    texts = {entry.sequence: entry.text for entry in access_list.entries}
    inner = [
        rule for rule in rules(access_list) if rule.permit and any(_inner(rule, line) for _, line in _lines(subject))
    ]
    if not inner:
        return
    lines = [f"ip access-list extended FROM-{tunnel.upper()}" for tunnel in tunnels[:1]]
    lines += [f" {texts[rule.sequence]}" for rule in inner]
    for tunnel in tunnels:
        lines += [f"interface {tunnel}", f" ip access-group FROM-{tunnels[0].upper()} in"]
    yield Item(
        Outcome.NOTE,
        f"access list {access_list.name}, in on {name}, permits the other site's packets, which arrive on "
        f"{', '.join(tunnels)} now: {name} needs these lines no more, and they may go to the tunnel to filter there",
        tuple(lines),
    )


def _inner(rule: Rule, line: Line) -> bool:
    """Whether a rule permits packets of a line's other end and of nobody else."""
    network = rule.source.network
    return network is not None and network.subnet_of(line.remote) and _concerns(rule, line.local)


def _concerns(rule: Rule, network: IPv4Network) -> bool:
    """Whether the destination of `rule` has to do with `network`."""
    other = rule.destination.network
    return hosts_cover(rule.destination, network) or (other is not None and other.subnet_of(network))


# --- OSPF -------------------------------------------------------------------------------------------


def _ospf(subject: Subject) -> Iterator[Item]:
    built = subject.built
    for number, names in built.passive.items():
        yield Item(
            Outcome.SAME,
            f"router ospf {number} has a network line for the address that {', '.join(names)} borrow: "
            "passive-interface keeps it off them, as the map had no OSPF. Take that away on both ends, in the plain "
            "stage, to route with it",
        )
    tunnelled = [candidate for candidate in subject.migrated if subject.tunnels(candidate)]
    for process in subject.before.ospf.values():
        if not tunnelled or not any(words.split()[:1] == ["static"] for words in process.redistribute):
            continue
        reverse = [candidate for candidate in tunnelled if candidate.entry.reverse_route is not None]
        text = f"router ospf {process.process} redistributes static routes: those into the tunnels are announced"
        if len(reverse) == len(tunnelled):
            text += ", as those of reverse-route were"
        else:
            text += ", which nothing announced before"
        text += (
            ". The routes to Null0 stay while a tunnel is down, and so does the announcement: where another router can "
            "take over, remove them"
        )
        yield Item(Outcome.CHANGES, text)


# --- keys -------------------------------------------------------------------------------------------


def _keys(subject: Subject) -> Iterator[Item]:
    isakmp = subject.before.isakmp
    yield Item(Outcome.SAME, "ISAKMP policies, keys, keyrings and profiles are unchanged")
    of_ikev1 = [candidate for candidate in subject.migrated if candidate.entry.ikev2_profile is None]
    peers = {peer for candidate in of_ikev1 for peer in candidate.peers}
    for peer in isakmp.peers:
        if peer.address in peers:
            yield Item(
                Outcome.NOTE,
                f"crypto isakmp peer address {peer.address} uses aggressive mode, which shows a hash of the key to "
                "whoever asks for it; it goes on doing so",
            )
    if isakmp.identity == "hostname" or any(key.hostname is not None for key in isakmp.keys):
        yield Item(
            Outcome.NOTE,
            "keys by host name, or this router's identity as one, need names that resolve or aggressive mode, for a "
            "VTI as for the map",
        )
    missing = [peer for peer in sorted(peers) if not _has_key(subject.before, peer)]
    if missing:
        yield Item(
            Outcome.NOTE,
            f"no key here is for {', '.join(str(peer) for peer in missing)}: the tunnel stays down until one is",
        )
    if isakmp.keepalive is None and not subject.built.keepalive and subject.built.tunnels and of_ikev1:
        yield Item(
            Outcome.TYPE,
            "dead peer detection takes a tunnel down whose peer is gone; there is none here. On both ends",
            ("crypto isakmp keepalive 10 3 periodic",),
        )
    ikev2 = subject.before.ikev2
    names = (candidate.entry.ikev2_profile for candidate in subject.migrated)
    used = [profile for profile in (ikev2.profiles.get(name or "") for name in names) if profile is not None]
    if ikev2.dpd is None and any(profile.dpd is None for profile in used):
        yield Item(
            Outcome.TYPE,
            "dead peer detection takes a tunnel down whose peer is gone; IKEv2 has none here. On both ends",
            ("crypto ikev2 dpd 10 3 periodic",),
        )


def _left(subject: Subject) -> Iterator[Item]:
    """Lines about a map as a whole that were not understood, and so stay without it."""
    names = {candidate.map for candidate in subject.migrated} - subject.built.config.crypto_maps.keys()
    for line in subject.before.stored:
        words = line.text.split()
        if line.unknown and not line.path and words[:2] == ["crypto", "map"] and words[2:3] and words[2] in names:
            yield Item(Outcome.LOST, f"'{without_secrets(line.text)}' is not understood and has no crypto map any more")


def _has_key(config: Config, peer: IPv4Address) -> bool:
    keys = [*config.isakmp.keys, *(key for ring in config.keyrings.values() for key in ring.keys)]
    return any(key.hostname is not None or (key.network is not None and peer in key.network) for key in keys)
