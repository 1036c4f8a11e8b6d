"""Lines of access lists and traffic selectors as rules of nftables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from urllib.parse import unquote

from seikan.config.access import ANY_PORT, Hosts, Ports, Rule
from seikan.system.errors import AdapterError
from seikan.wire.selector import Network, Selector

# Of this many networks on one set costs less than a rule for each: in a packet's time and in the time to replace it.
_SET_FROM = 12
_LATER_FRAGMENT = "ip frag-off & 0x1fff != 0"
_PLAIN = re.compile(r"[A-Za-z0-9.-]")


def nft_name(name: str) -> str:
    """Any text as a name that nftables takes; `plain_name` gives it back."""
    return "".join(
        character
        if _PLAIN.match(character)
        else {" ": "/"}.get(character) or "".join(f"_{octet:02X}" for octet in character.encode())
        for character in name
    )


def plain_name(name: str) -> str:
    return unquote(name.replace("/", " ").replace("_", "%"))


@dataclass(slots=True)
class Table:
    """A table being written: chains by name, with the line that makes one a base chain, sets and counters."""

    counters: dict[str, None] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)
    hooks: dict[str, str] = field(default_factory=dict)
    chains: dict[str, list[str]] = field(default_factory=dict)

    def chain(self, name: str, hook: str = "") -> list[str]:
        """The rules of a chain, to be added to. `hook` is "TYPE hook HOOK priority PRIORITY" of a base chain."""
        if hook:
            self.hooks[name] = hook
        return self.chains.setdefault(name, [])

    def counter(self, name: str) -> str:
        self.counters[nft_name(name)] = None
        return f'counter name "{nft_name(name)}"'

    def set_names(self) -> Iterator[str]:
        """ "set NAME" or "map NAME" of each."""
        return (f"{_kind(body)} {name}" for name, body in self.sets.items())

    def write(self, table: str) -> Iterator[str]:
        yield f"table inet {table} {{"
        for counter in self.counters:
            yield f"  counter {counter} {{ }}"
        for name, body in self.sets.items():
            yield f"  {_kind(body)} {name} {{ {body} }}"
        for name, rules in self.chains.items():
            yield f"  chain {name} {{"
            if name in self.hooks:
                yield f"    type {self.hooks[name]}; policy accept;"
            yield from (f"    {rule}" for rule in rules)
            yield "  }"
        yield "}"


def _kind(body: str) -> str:
    return "map" if " : counter;" in body else "set"


@dataclass(frozen=True, slots=True)
class Line:
    """What is compared and what is counted; `permit` chooses between the two verdicts of `add_lines`."""

    permit: bool
    match: Rule | Selector
    counter: str | None = None


# Family, prefix lengths of source and destination, protocol: two of one kind never overlap without being equal.
_Kind = tuple[str, int, int, int]
_Class = tuple[str, int, int, int, bool]


@dataclass(frozen=True, slots=True)
class _Match:
    """`first` has whole packets and first fragments, `later` the other fragments; None matches nothing.

    `networks` is the kind and the element of a set where nothing but networks and the protocol is compared.
    """

    first: str | None
    later: str | None = None
    networks: tuple[_Kind, str] | None = None


def add_lines(table: Table, chain: str, lines: Sequence[Line], permit: str, deny: str) -> None:
    """The first line that has a packet ends in its verdict; what no line has goes on behind them."""
    rules = table.chain(chain)
    for permits, run in groupby(lines, lambda line: line.permit):
        verdict = permit if permits else deny
        matches = [(_match(line), line) for line in run]
        classes: dict[_Class, dict[str, Line]] = {}
        for match, line in matches:
            if match.networks is not None:
                kind, element = match.networks
                classes.setdefault((*kind, line.counter is not None), {}).setdefault(element, line)
        for match, line in matches:
            key = (*match.networks[0], line.counter is not None) if match.networks else None
            members = classes[key] if key else {}
            if key is None or len(members) < _SET_FROM:
                counted = f"{table.counter(line.counter)} " if line.counter else ""
                rules += [f"{compared} {counted}{verdict}" for compared in (match.first, match.later) if compared]
            elif line is next(iter(members.values())):
                # All of the run end in one verdict, so their order among each other says nothing.
                rules.append(f"{_lookup(table, f'{chain}/{len(table.sets)}', key, members)} {verdict}")


def _lookup(table: Table, name: str, key: _Class, members: Mapping[str, Line]) -> str:
    """A comparison with a set of networks, or with a map from networks to the counters of their lines."""
    family, source, destination, protocol, counted = key
    bits = 32 if family == "ip" else 128
    compared = [f"{family} {side}" for side, length in (("saddr", source), ("daddr", destination)) if length]
    kind = " . ".join(["ipv4_addr" if family == "ip" else "ipv6_addr"] * len(compared))
    flags = "" if {source, destination} <= {0, bits} else "flags interval; "
    restricted = f"{_protocol(family, protocol)} " if protocol else ""
    key_text = " . ".join(compared)
    if not counted:
        table.sets[name] = f"type {kind}; {flags}elements = {{ {', '.join(members)} }}"
        return f"{restricted}{key_text} @{name}"
    for line in members.values():
        table.counter(line.counter or "")
    elements = ", ".join(f'{element} : "{nft_name(line.counter or "")}"' for element, line in members.items())
    table.sets[name] = f"type {kind} : counter; {flags}elements = {{ {elements} }}"
    return f"{restricted}counter name {key_text} map @{name}"


def mirrored(match: Rule | Selector) -> Rule | Selector:
    """The same traffic on its way back."""
    if isinstance(match, Selector):
        return match.mirrored()
    return replace(
        match,
        source=match.destination,
        source_ports=match.destination_ports,
        destination=match.source,
        destination_ports=match.source_ports,
    )


def device(name: str) -> str:
    """A device's name as nftables takes it. Raises `AdapterError` for one that would mean something else there."""
    if not name or any(character in '"*\\' or not character.isprintable() for character in name):
        raise AdapterError(f"a device named {name!r} cannot be told to nftables: rename it")
    return f'"{name}"'


def devices(names: Iterable[str]) -> str:
    return f"{{ {', '.join(device(name) for name in dict.fromkeys(names))} }}"


def _protocol(family: str, number: int) -> str:
    return f"ip protocol {number}" if family == "ip" else f"meta l4proto {number}"


def _match(line: Line) -> _Match:
    return _of_selector(line.match) if isinstance(line.match, Selector) else _of_rule(line.match)


def _of_selector(selector: Selector) -> _Match:
    family = "ip" if selector.local.version == 4 else "ip6"
    network_layer, networks = _network_layer(family, selector.local, selector.remote, selector.protocol)
    sides = (("sport", selector.local_port), ("dport", selector.remote_port))
    ports = [f"th {side} {port}" for side, port in sides if port]
    if not ports:
        return _Match(network_layer, networks=networks)
    later = f"{network_layer} {_LATER_FRAGMENT}" if family == "ip" else None
    return _Match(" ".join((network_layer, *ports)), later)


def _network_layer(
    family: str, source: Network, destination: Network, protocol: int
) -> tuple[str, tuple[_Kind, str] | None]:
    sides = [(side, net) for side, net in (("saddr", source), ("daddr", destination)) if net.prefixlen]
    compared = [f"{family} {side} {_network(net)}" for side, net in sides]
    if protocol:
        compared.append(_protocol(family, protocol))
    if not compared:
        return f"meta nfproto ipv{source.version}", None
    kind = (family, source.prefixlen, destination.prefixlen, protocol)
    return " ".join(compared), (kind, " . ".join(_network(net) for _, net in sides)) if sides else None


def _network(network: Network) -> str:
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _of_rule(rule: Rule) -> _Match:
    source, destination = rule.source.network, rule.destination.network
    networks = None
    if source is None or destination is None:
        compared = [*_hosts("saddr", rule.source), *_hosts("daddr", rule.destination)]
        if rule.protocol is not None:
            compared.append(_protocol("ip", rule.protocol))
        network_layer = " ".join(compared)
    else:
        network_layer, networks = _network_layer("ip", source, destination, rule.protocol or 0)
    if rule.dscp is not None:
        network_layer, networks = f"{network_layer} ip dscp {rule.dscp}", None
    later = f"{network_layer} {_LATER_FRAGMENT}"
    if rule.fragments:
        return _Match(None, later)
    if not rule.transport:
        return _Match(network_layer, networks=networks)
    # As in IOS: later fragments have nothing that a permit line could miss, and a deny line lets them pass.
    first = " ".join((network_layer, *_transport(rule))) if rule.source_ports and rule.destination_ports else None
    return _Match(first, later if rule.permit else None)


def _transport(rule: Rule) -> Iterator[str]:
    for side, ports in (("sport", rule.source_ports), ("dport", rule.destination_ports)):
        if ports != ANY_PORT:
            yield f"th {side} {_ports(ports)}"
    flags = (*rule.flags, *(("ack", "rst") if rule.established else ()))
    if flags:
        yield f"tcp flags & ({' | '.join(dict.fromkeys(flags))}) != 0"
    if rule.icmp is not None:
        kind, code = rule.icmp
        yield f"icmp type {kind}" if code is None else f"icmp type {kind} icmp code {code}"


def _hosts(side: str, hosts: Hosts) -> Iterator[str]:
    network = hosts.network
    if network is None:
        mask = ".".join(str(octet ^ 0xFF) for octet in hosts.wildcard.packed)
        yield f"ip {side} & {mask} == {hosts.address}"
    elif network.prefixlen:
        yield f"ip {side} {_network(network)}"


def _ports(ports: Ports) -> str:
    texts = [str(low) if low == high else f"{low}-{high}" for low, high in ports]
    return texts[0] if len(texts) == 1 else f"{{ {', '.join(texts)} }}"
