"""A model of packets and of what a `Rule` says of them."""

from __future__ import annotations

from dataclasses import dataclass

from seikan.config.access import Rule


@dataclass(frozen=True)
class Packet:
    source: int
    destination: int
    protocol: int
    source_port: int = 0
    destination_port: int = 0
    flags: frozenset[str] = frozenset()
    icmp: tuple[int, int] = (0, 0)
    dscp: int = 0
    later_fragment: bool = False


def applies(rule: Rule, packet: Packet) -> bool:
    """What a Rule says of a packet, as its documentation has it (fragments: see `Rule.transport`)."""
    for hosts, address in ((rule.source, packet.source), (rule.destination, packet.destination)):
        if (int(hosts.address) ^ address) & ~int(hosts.wildcard) & 0xFFFFFFFF:
            return False
    if rule.protocol not in (None, packet.protocol) or rule.dscp not in (None, packet.dscp):
        return False
    if packet.later_fragment:
        return rule.fragments or not rule.transport or rule.permit
    ports = ((rule.source_ports, packet.source_port), (rule.destination_ports, packet.destination_port))
    wanted = (*rule.flags, *(("ack", "rst") if rule.established else ()))
    return (
        not rule.fragments
        and all(any(low <= port <= high for low, high in ranges) for ranges, port in ports)
        and (rule.icmp is None or (rule.icmp[0] == packet.icmp[0] and rule.icmp[1] in (None, packet.icmp[1])))
        and (not wanted or bool(packet.flags.intersection(wanted)))
    )
