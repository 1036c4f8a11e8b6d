"""The other ends: what each peer types to have a VTI too, and what one that keeps its crypto map must have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from seikan.config.access import ANY_HOST, Hosts
from seikan.config.commands.routing import route_order
from seikan.config.handlers import with_item
from seikan.config.migrate_build import MadeTunnel, policy_lines
from seikan.config.migrate_entries import Candidate
from seikan.config.migrate_report import Item, Outcome, Section, Subject
from seikan.config.migrate_routes import GUARD_DISTANCE, NULL
from seikan.config.migrate_traffic import EVERYWHERE, Line, maximal
from seikan.config.model import (
    AccessList,
    AccessListEntry,
    Config,
    Interface,
    IpsecProfile,
    StaticRoute,
    TransformSet,
    Tunnel,
    TunnelMode,
)
from seikan.config.render import render_lines

_STEP = 10
#: Numbers of tunnels at the peer begin here: the low ones are likely to be taken there.
FIRST_TUNNEL = 1000


@dataclass(frozen=True, slots=True)
class PeerLines:
    """The lines for one peer's configuration; empty where `problem` says why they cannot be written.

    `config` holds what the lines make. Lines that begin with `!` are for the reader.
    """

    peer: IPv4Address
    tunnel: str
    lines: tuple[str, ...] = ()
    config: Config = field(default_factory=Config)
    problem: str | None = None


def peer_lines(subject: Subject) -> tuple[PeerLines, ...]:
    """Lines for the peer of each new tunnel, and of each GRE tunnel that is protected now."""
    found = [_of_tunnel(subject, made) for made in subject.built.tunnels]
    for candidate in subject.migrated:
        if candidate.gre:
            found.append(_of_gre(subject, candidate))
    return tuple(found)


def peer_section(subject: Subject, peers: Sequence[PeerLines]) -> Section:
    """What the report says of the other ends."""
    return Section("The other end", tuple(_statements(subject, peers)))


def _statements(subject: Subject, peers: Sequence[PeerLines]) -> Iterator[Item]:
    for made in subject.built.tunnels:
        held = next(peer for peer in peers if peer.tunnel == made.name)
        yield from _must_have(subject, made)
        if held.problem is not None:
            yield Item(Outcome.LOST, held.problem)
        else:
            yield Item(
                Outcome.TYPE,
                f"at {made.destination}, when it leaves its crypto map: these lines first, then it removes its entry "
                "for this router from the map. The names are new ones; see with 'show ip interface brief' that the "
                "tunnel's is free",
                held.lines,
            )
    for held in peers[len(subject.built.tunnels) :]:
        yield Item(
            Outcome.TYPE,
            f"at {held.peer}, when it leaves its crypto map: these lines, and the last one on its own GRE tunnel "
            "interface; until then nothing has to change there",
            held.lines,
        )


def _must_have(subject: Subject, made: MadeTunnel) -> Iterator[Item]:
    entry = subject.entries(made)[0].entry
    pfs = f"set pfs group{entry.pfs_group}" if entry.pfs_group is not None else "no set pfs"
    if not subject.options.policy:
        yield Item(
            Outcome.NOTE,
            f"{made.destination} must have a VTI without a policy by then: what {made.name} negotiates (any to any) no "
            "crypto map with an access list accepts",
        )
        return
    address = subject.site(made).address
    yield Item(
        Outcome.NOTE,
        f"{made.destination} may keep its crypto map as it is: an entry with set peer {address or 'this router'}, a "
        f"transform set like {' or '.join(entry.transform_sets)}, {pfs}, and the lines below as its access list",
        tuple(_mirrored(line) for line in policy_lines(subject.entries(made))),
    )


def _of_tunnel(subject: Subject, made: MadeTunnel) -> PeerLines:
    site = subject.site(made)
    if site.address is None:
        return PeerLines(
            made.destination,
            made.name,
            problem=f"the lines for {made.destination} need the address of {site.source}, which the configuration does "
            "not have (it is learnt): the other end of a changing address is a dynamic VTI (crypto isakmp profile with "
            "a virtual-template), or give the interface its address and migrate again",
        )
    entries = subject.entries(made)
    lines = policy_lines(entries)
    name = f"VTI-{subject.before.hostname}-{made.name.removeprefix('Tunnel')}"
    networks = (
        *maximal(line.local for line in lines if line.local != EVERYWHERE),
        *((EVERYWHERE,) if any(line.local == EVERYWHERE for line in lines) else ()),
    )
    config = _peer_config(subject, made, name, site.address, lines, networks)
    head = [
        f"! {made.destination}, the other end of {subject.before.hostname} {made.name}",
        f"! instead of the crypto map entry with set peer {site.address}; ISAKMP policy and key stay",
        "! behind a NAT, tunnel source is this router's own address or interface",
    ]
    if EVERYWHERE in networks:
        head += [
            f"! {subject.before.hostname} takes packets from anywhere: this end needs a default route into the tunnel,",
            f"! and before it a host route to {site.address} by its present gateway, which is not known here:",
            f"!  ip route {site.address} 255.255.255.255 GATEWAY",
            f"!  ip route 0.0.0.0 0.0.0.0 {_tunnel_name(made)}",
        ]
    head += _version(subject.built.config.ipsec.profiles[made.profile])
    return PeerLines(made.destination, made.name, (*head, *_rendered(config)), config)


def _version(profile: IpsecProfile) -> list[str]:
    """Whether the IPsec profile needs another line, which names what only the peer knows."""
    if profile.ikev2_profile is None:
        return []
    return ["! IKEv2: its IPsec profile below needs set ikev2-profile too, with the profile that matches this router"]


def _tunnel_name(made: MadeTunnel) -> str:
    return f"Tunnel{FIRST_TUNNEL + int(made.name.removeprefix('Tunnel'))}"


def _peer_config(
    subject: Subject,
    made: MadeTunnel,
    name: str,
    address: IPv4Address,
    lines: Sequence[Line],
    networks: Sequence[IPv4Network],
) -> Config:
    entry = subject.entries(made)[0].entry
    config = _protected(subject, name, subject.built.config.ipsec.profiles[made.profile], Config())
    access_list = None
    if subject.options.policy:
        made_entries = tuple(AccessListEntry((at + 1) * _STEP, _mirrored(line)) for at, line in enumerate(lines))
        config = replace(
            config,
            access_lists=with_item(
                config.access_lists, name, AccessList(name, extended=True, numbered=False, entries=made_entries)
            ),
        )
        access_list = name
    tunnel_name = _tunnel_name(made)
    interface = Interface(
        tunnel_name,
        description=entry.description or f"to {subject.before.hostname}",
        address=_link_address(made),
        tunnel=Tunnel(
            source=made.destination,
            destination=address,
            mode=TunnelMode.IPSEC_IPV4,
            protection=name,
            protection_policy=access_list,
        ),
    )
    routes = [StaticRoute(network, interface=tunnel_name) for network in networks if network != EVERYWHERE]
    guards = [replace(route, interface=NULL, distance=GUARD_DISTANCE) for route in routes]
    both = tuple(sorted([*routes, *guards], key=route_order))
    return replace(config, interfaces=with_item(config.interfaces, tunnel_name, interface), routes=both)


def _link_address(made: MadeTunnel) -> IPv4Interface:
    """An address of the tunnel's own at the peer, whose interface to borrow from is not known here (RFC 3927)."""
    number = int(made.name.removeprefix("Tunnel"))
    return IPv4Interface((int(IPv4Address("169.254.100.2")) + 4 * (number % 1024), 30))


def _protected(subject: Subject, name: str, profile: IpsecProfile, config: Config) -> Config:
    """The profile and the transform sets that both ends must have alike, under names of their own."""
    sets = [subject.built.config.ipsec.transform_sets[held] for held in profile.transform_sets]
    names = [name if len(sets) == 1 else f"{name}-{at}" for at in range(1, len(sets) + 1)]
    copies: dict[str, TransformSet] = {new: replace(held, name=new) for new, held in zip(names, sets, strict=True)}
    ours = replace(profile, name=name, transform_sets=tuple(names), isakmp_profile=None, description=None)
    ours = replace(ours, ikev2_profile=None)
    ipsec = config.ipsec
    for new, held in copies.items():
        ipsec = replace(ipsec, transform_sets=with_item(ipsec.transform_sets, new, held))
    return replace(config, ipsec=replace(ipsec, profiles=with_item(ipsec.profiles, name, ours)))


def _of_gre(subject: Subject, candidate: Candidate) -> PeerLines:
    name = f"GRE-{subject.before.hostname}-{candidate.entry.sequence}"
    tunnel = subject.built.config.interfaces[candidate.gre[0].interfaces[0]].tunnel
    assert tunnel is not None
    assert tunnel.protection is not None
    config = _protected(subject, name, subject.built.config.ipsec.profiles[tunnel.protection], Config())
    address = candidate.gre[0].line.local.network_address
    shared = " shared" if tunnel.shared else ""
    lines = (
        f"! {candidate.peers[0]}, the other end of GRE from {subject.before.hostname}",
        *_version(subject.built.config.ipsec.profiles[tunnel.protection]),
        *_rendered(config),
        f"! on its GRE tunnel interface, which has tunnel destination {address}:",
        f"!  tunnel protection ipsec profile {name}{shared}",
    )
    return PeerLines(candidate.peers[0], candidate.gre[0].interfaces[0], lines, config)


#: What a line typed into a running router needs is there before it.
_ORDER = ("crypto ipsec transform-set", "crypto ipsec profile", "ip access-list", "interface", "ip route")


def _rendered(config: Config) -> Iterator[str]:
    """The lines of a configuration that is to be typed into another one."""
    blocks: list[list[str]] = []
    for line in render_lines(config):
        if line.startswith(" "):
            blocks[-1].append(line)
        elif line.startswith(_ORDER):
            blocks.append([line])
    blocks.sort(key=lambda block: next(at for at, words in enumerate(_ORDER) if block[0].startswith(words)))
    return (line for block in blocks for line in block)


# --- the mirror -------------------------------------------------------------------------------------


def _mirrored(line: Line) -> str:
    """A permit line as the other end has it."""
    words = line.text.split()
    selector = line.selector
    assert selector is not None
    here = [_hosts(line.rule.source), *_port(selector.local_port)]
    there = [_hosts(line.rule.destination), *_port(selector.remote_port)]
    return " ".join([*words[:2], *there, *here])


def _port(port: int) -> list[str]:
    return [f"eq {port}"] if port else []


def _hosts(hosts: Hosts) -> str:
    if hosts == ANY_HOST:
        return "any"
    return f"host {hosts.address}" if not int(hosts.wildcard) else f"{hosts.address} {hosts.wildcard}"
