"""Which packets a crypto map encrypts, worked out by destination, because a route knows nothing else of a packet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from seikan.config.access import ANY_PORT, Hosts, Ports, Rule, crypto_lines, rules
from seikan.config.model import AccessList
from seikan.wire.selector import Selector

GRE = 47
EVERYWHERE = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an entry's access list; `selector` is that of a permit line, None where `problem` says why not."""

    sequence: int
    text: str
    rule: Rule
    selector: Selector | None
    problem: str | None

    @property
    def local(self) -> IPv4Network:
        """This side's network of a permit line without a problem."""
        return self._network(local=True)

    @property
    def remote(self) -> IPv4Network:
        """The other side's network of a permit line without a problem."""
        return self._network(local=False)

    def _network(self, *, local: bool) -> IPv4Network:
        assert self.selector is not None
        network = self.selector.local if local else self.selector.remote
        assert isinstance(network, IPv4Network)
        return network

    @property
    def everything(self) -> bool:
        """All of IP from anywhere, so that the destination alone decides."""
        return self.selector is not None and not self.selector.protocol and self.local == EVERYWHERE


@dataclass(frozen=True, slots=True)
class Region:
    """The addresses of `network` that are in none of the more specific networks; `parent` is an index, -1 for none."""

    network: IPv4Network
    parent: int
    empty: bool


def lines_of(access_list: AccessList) -> tuple[Line, ...]:
    """The lines that decide, in order."""
    texts = {entry.sequence: entry.text for entry in access_list.entries}
    return tuple(
        Line(rule.sequence, texts[rule.sequence], rule, line.selector, line.problem)
        for rule, line in zip(rules(access_list), crypto_lines(access_list), strict=True)
    )


# --- sets of packets -------------------------------------------------------------------------------


def hosts_cover(hosts: Hosts, network: IPv4Network) -> bool:
    """Whether every address of `network` is one of `hosts`."""
    compared = ~int(hosts.wildcard) & 0xFFFFFFFF
    return not compared & int(network.hostmask) and not ((int(hosts.address) ^ int(network.network_address)) & compared)


def hosts_meet(hosts: Hosts, network: IPv4Network) -> bool:
    """Whether any address of `network` is one of `hosts`."""
    compared = ~int(hosts.wildcard) & int(network.netmask) & 0xFFFFFFFF
    return not (int(hosts.address) ^ int(network.network_address)) & compared


def covers(rule: Rule, selector: Selector) -> bool:
    """Whether `rule` matches every packet of `selector`; False also where that cannot be told."""
    if rule.unsupported or rule.icmp is not None or rule.established or rule.flags or rule.fragments:
        return False
    if rule.dscp is not None or rule.protocol not in (None, selector.protocol):
        return False
    return (
        _hosts_of(rule.source, selector.local, hosts_cover)
        and _hosts_of(rule.destination, selector.remote, hosts_cover)
        and _ports_cover(rule.source_ports, selector.local_port)
        and _ports_cover(rule.destination_ports, selector.remote_port)
    )


def meets(rule: Rule, selector: Selector) -> bool:
    """Whether `rule` may match a packet of `selector`; True also where that cannot be told."""
    if rule.protocol is not None and selector.protocol not in (0, rule.protocol):
        return False
    return (
        _hosts_of(rule.source, selector.local, hosts_meet)
        and _hosts_of(rule.destination, selector.remote, hosts_meet)
        and _ports_meet(rule.source_ports, selector.local_port)
        and _ports_meet(rule.destination_ports, selector.remote_port)
    )


def _hosts_of(hosts: Hosts, network: object, holds: Callable[[Hosts, IPv4Network], bool]) -> bool:
    assert isinstance(network, IPv4Network)
    return holds(hosts, network)


def _ports_cover(ports: Ports, port: int) -> bool:
    return ports == ANY_PORT if port == 0 else _has_port(ports, port)


def _ports_meet(ports: Ports, port: int) -> bool:
    return bool(ports) if port == 0 else _has_port(ports, port)


def _has_port(ports: Ports, port: int) -> bool:
    return any(low <= port <= high for low, high in ports)


def maximal(networks: Iterable[IPv4Network]) -> tuple[IPv4Network, ...]:
    """The networks that none of the others contains, in order of address."""
    kept: list[IPv4Network] = []
    for network in sorted(set(networks), key=lambda held: (int(held.network_address), held.prefixlen)):
        if not kept or not network.subnet_of(kept[-1]):
            kept.append(network)
    return tuple(kept)


def listed(networks: Iterable[IPv4Network]) -> str:
    """`10.1.0.0/24, 10.2.0.0/16`; the default route's network as `any`."""
    return ", ".join("any" if network == EVERYWHERE else str(network) for network in maximal(networks))


# --- destinations ----------------------------------------------------------------------------------


def regions(networks: Iterable[IPv4Network]) -> tuple[Region, ...]:
    """All destinations cut at `networks`, each behind the one it is in."""
    made: list[tuple[IPv4Network, int]] = []
    inside: list[int] = []  # addresses that more specific networks take
    open_: list[int] = []
    for network in sorted(set(networks), key=lambda held: (int(held.network_address), held.prefixlen)):
        while open_ and not network.subnet_of(made[open_[-1]][0]):
            open_.pop()
        parent = open_[-1] if open_ else -1
        if parent >= 0:
            inside[parent] += network.num_addresses
        open_.append(len(made))
        made.append((network, parent))
        inside.append(0)
    return tuple(
        Region(network, parent, taken == network.num_addresses)
        for (network, parent), taken in zip(made, inside, strict=True)
    )


def destinations(lines: Iterable[Line]) -> Iterator[IPv4Network]:
    """The networks at which the lines cut the destinations."""
    for line in lines:
        network = line.rule.destination.network
        if network is not None:
            yield network


def reachable(entries: Sequence[tuple[int, Sequence[Line]]], network: IPv4Network) -> tuple[tuple[int, Line], ...]:
    """The permit lines, with their entry's number, that some packet to `network` gets to.

    `network` must not be cut by a line's destination. A map goes through its entries in order; a deny line sends a
    packet to the next entry (IOS). What several lines together leave nothing of counts as reached: it is never the
    other way round.
    """
    found: list[tuple[int, Line]] = []
    taken: list[Rule] = []  # nothing of these gets to the entries behind
    for number, lines in entries:
        denied: list[Rule] = []
        permitted: list[Rule] = []
        for line in lines:
            if not towards(line.rule, network):
                continue
            if not line.rule.permit:
                denied.append(line.rule)
                continue
            if line.selector is not None:
                narrowed = replace(line.selector, remote=network)
                if any(covers(rule, narrowed) for rule in (*taken, *denied, *permitted)):
                    continue
                permitted.append(line.rule)
                if not any(meets(rule, narrowed) for rule in denied):
                    taken.append(line.rule)
            found.append((number, line))
    return tuple(found)


def towards(rule: Rule, network: IPv4Network) -> bool:
    """Whether a rule may match packets to a network that no rule's destination cuts."""
    destination = rule.destination.network
    return hosts_meet(rule.destination, network) if destination is None else network.subnet_of(destination)


def used(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The permit lines of one list that not all packets are denied of before."""
    kept: list[Line] = []
    denied: list[Rule] = []
    for line in lines:
        if not line.rule.permit:
            denied.append(line.rule)
        elif line.selector is not None and not any(covers(rule, line.selector) for rule in denied):
            kept.append(line)
    return tuple(kept)
