"""Translation: what of it is not done, and what it takes away from crypto maps."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from seikan.config.access import ANY_PORT, Rule, rules
from seikan.config.model import AccessList, Config, CryptoMap
from seikan.config.references import Found
from seikan.config.route_maps import has_route_map, route_map_lists
from seikan.config.validate_maps import MapLine, map_lines
from seikan.wire.selector import Selector

Network = IPv4Network | IPv6Network


def nat(config: Config) -> Found:
    """Everything worth telling about translation."""
    for crypto_map in config.crypto_maps.values():
        yield from _translated(config, crypto_map, list(map_lines(config, crypto_map)))
    sides = {interface.nat for interface in config.interfaces.values()}
    for side in ("inside", "outside"):
        if (config.nat_sources or config.nat_statics) and side not in sides:
            yield "ip nat inside source", f"ip nat inside source: no interface has ip nat {side}: nothing is translated"
    for name in dict.fromkeys(source.route_map for source in config.nat_sources):
        if name is not None and has_route_map(config, name) and route_map_lists(config, name) is None:
            title = f"ip nat inside source route-map {name}"
            yield (
                title,
                f"{title}: only sections with match ip address ACCESS-LIST are done, and "
                "this one says more: nothing is translated",
            )


def _translated(config: Config, crypto_map: CryptoMap, lines: list[MapLine]) -> Found:
    """NAT comes before encryption: what it translates no longer matches the crypto map's access list."""
    outside = [held for held in config.interfaces.values() if held.crypto_map == crypto_map.name]
    if not any(held.nat == "outside" for held in outside):
        return
    for source in config.nat_sources:
        if source.access_list is not None:
            lists: tuple[tuple[bool, str], ...] = ((True, source.access_list),)
            what = f"list {source.access_list}"
        else:
            lists = route_map_lists(config, source.route_map or "") or ()
            what = f"route-map {source.route_map}"
        held_lists = [(permit, config.access_lists[name]) for permit, name in lists if name in config.access_lists]
        read = [(permit, access_list, rules(access_list)) for permit, access_list in held_lists]
        told: set[str] = set()
        for line in lines:
            found = None if line.title in told else _translating(read, line.selector)
            if found is not None:
                told.add(line.title)
                yield (
                    line.title,
                    f"{line.title}: ip nat inside source {what} translates {line.selector.local} to "
                    f"{line.selector.remote} before it can be protected ({line}): {_exemption(*found, line.selector)}",
                )


def _translating(
    lists: list[tuple[bool, AccessList, tuple[Rule, ...]]], selector: Selector
) -> tuple[AccessList, Rule] | None:
    """The line of an access list by which traffic is translated; None where it is exempt."""
    for permit, access_list, read in lists:
        for rule in read:
            if not _rule_meets(rule, selector):
                continue
            if not rule.permit:
                if _rule_contains(rule, selector):
                    break
                continue
            if permit:
                return access_list, rule
            if _rule_contains(rule, selector):
                return None
    return None


def _exemption(access_list: AccessList, rule: Rule, selector: Selector) -> str:
    if not access_list.extended:
        return f"standard list {access_list.name} cannot exempt it: use an extended list with a deny line in front"
    before = max((entry.sequence for entry in access_list.entries if entry.sequence < rule.sequence), default=0)
    number = (before + rule.sequence) // 2
    line = f"deny ip {_write(selector.local)} {_write(selector.remote)}"
    if number == before:
        return f"put '{line}' in front of line {rule.sequence} of ip access-list extended {access_list.name}"
    return f"type ip access-list extended {access_list.name}, then {number} {line}"


def _write(network: Network) -> str:
    if network.prefixlen == 0:
        return "any"
    if network.prefixlen == network.max_prefixlen:
        return f"host {network.network_address}"
    return f"{network.network_address} {network.hostmask}"


def _rule_meets(rule: Rule, selector: Selector) -> bool:
    """Whether a packet can be traffic of both."""
    pairs = ((rule.source, selector.local), (rule.destination, selector.remote))
    for hosts, network in pairs:
        compared = ~int(hosts.wildcard) & int(network.netmask) & 0xFFFFFFFF
        if (int(hosts.address) ^ int(network.network_address)) & compared:
            return False
    ports = ((rule.source_ports, selector.local_port), (rule.destination_ports, selector.remote_port))
    return (rule.protocol is None or selector.protocol in (0, rule.protocol)) and all(
        port == 0 or any(low <= port <= high for low, high in ranges) for ranges, port in ports
    )


def _rule_contains(rule: Rule, selector: Selector) -> bool:
    """Whether the rule, which meets the traffic, is about all of it."""
    for hosts, network in ((rule.source, selector.local), (rule.destination, selector.remote)):
        if int(network.hostmask) & ~int(hosts.wildcard):
            return False
    ports = ((rule.source_ports, selector.local_port), (rule.destination_ports, selector.remote_port))
    if any(ranges != ANY_PORT and port == 0 for ranges, port in ports):
        return False
    some = rule.icmp or rule.established or rule.flags or rule.fragments or rule.dscp is not None or rule.unsupported
    return not some and rule.protocol in (None, selector.protocol)
