"""Whether the packets of a tunnel get to the other end at all: interfaces, routes, access lists, NAT."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from seikan.config.access import Hosts, Ports, Rule, rules
from seikan.config.names import is_tunnel
from seikan.daemon.prediction.pair import Pair
from seikan.daemon.prediction.site import Address, Point, Site, connected, managed_elsewhere, route_to
from seikan.daemon.prediction.verdict import Advice, Check, End, Result
from seikan.system.frr_render import ospf_area
from seikan.wire.constants import IKE_PORT, NAT_TRAVERSAL_PORT

_UDP, _ESP, _GRE = 17, 50, 47
_OSPF_DISTANCE = 110


@dataclass(frozen=True, slots=True)
class _Packet:
    """What comes from the other end; a port is 0 where the protocol has none."""

    name: str
    protocol: int
    port: int = 0


def outside(site: Site, local: Address, peer: Address) -> str | None:
    """The interface by which the peer's packets come: where its address is, else by which it is reached."""
    for name, held in site.view.addresses.items():
        if any(entry.address.ip == local for entry in held) and name in site.config.interfaces:
            interface = site.config.interfaces[name]
            if interface.unnumbered is None and not name.startswith("Loopback") and interface.tunnel is None:
                return name
    route = route_to(site.config, peer)
    return None if route is None else route.interface


def checks(pair: Pair, *, protected: bool, gre: bool) -> Iterator[Check]:
    """Everything between the two addresses that is no tunnel's own."""
    for side in (0, 1):
        yield from _way(pair, side)
    yield from _translation(pair)
    packets = [_Packet("UDP port 500", _UDP, IKE_PORT), _Packet("ESP", _ESP)] if protected else []
    if gre and not protected:
        packets.append(_Packet("GRE", _GRE))
    for side in (0, 1):
        yield from _filtered(pair, side, packets)


def _ends(side: int, value: End) -> tuple[End, End]:
    return (value, End()) if side == 0 else (End(), value)


def _way(pair: Pair, side: int) -> Iterator[Check]:
    site, peer = pair.sites[side], pair.peer_of(side)
    name = outside(site, pair.addresses[side], peer)
    if name is not None and name in site.config.interfaces and site.config.interfaces[name].shutdown:
        end = End(f"{name} is shut down", site.line_of_interface(name, "shutdown"))
        advice = Advice(side, (f"interface {name}", " no shutdown"))
        yield Check("outside interface", Result.FAILS, _ends(side, end), advice=(advice,))
    route = route_to(site.config, peer)
    if route is None:
        own = [interface.address for interface in site.config.interfaces.values()]
        configured = any(address is not None and address.ip == pair.addresses[side] for address in own)
        if isinstance(peer, IPv4Address) and configured and not managed_elsewhere(site.config):
            text = f"no route to {peer} in the file: the system must have one"
            yield Check("route", Result.UNKNOWN, _ends(side, End("none")), text)
        return
    if is_tunnel(route.interface):
        text = f"recursive routing: the route to {peer} goes through {route.interface} itself"
        yield Check("route", Result.FAILS, _ends(side, End(f"by {route.interface}", _route_line(site, peer))), text)


def _route_line(site: Site, peer: Address) -> int:
    if not isinstance(peer, IPv4Address):
        return 0
    held = [route for route in site.config.routes if peer in route.network]
    best = max(held, key=lambda route: route.network.prefixlen, default=None)
    if best is None:
        return 0
    return site.source.anywhere("ip", "route", str(best.network.network_address), str(best.network.netmask))


def learnt_recursion(pair: Pair, points: tuple[Point, Point]) -> Iterator[Check]:
    """OSPF inside the tunnel that teaches a better route to the tunnel's own far end (%TUN-5-RECURDOWN)."""
    for side in (0, 1):
        site, teacher, peer = pair.sites[side], pair.sites[1 - side], pair.peer_of(side)
        if not isinstance(peer, IPv4Address):
            continue
        taught = _taught(teacher, peer)
        if taught is None:
            continue
        interface, prefixlen = taught
        known = [network.prefixlen for network, name in connected(site.config) if peer in network]
        known += [
            route.network.prefixlen
            for route in site.config.routes
            if peer in route.network and route.distance < _OSPF_DISTANCE
        ]
        longer = max(known, default=-1)
        if longer > prefixlen or (longer == prefixlen and known):
            continue
        text = (
            f"recursive routing: {pair.name(1 - side)} announces the network of {interface} inside the tunnel, and "
            f"{pair.name(side)} would reach the tunnel's far end {peer} through the tunnel"
        )
        here = End(f"routes to {peer}: /{longer} at best" if longer >= 0 else f"no route to {peer}")
        there = End(f"{interface} in OSPF", teacher.line_of_interface(interface))
        gateway = next(
            (route.next_hop for route in site.config.routes if peer in route.network and route.next_hop), None
        )
        advice = [Advice(side, (f"ip route {peer} 255.255.255.255 {gateway}",))] if gateway is not None else []
        ends = (here, there) if side == 0 else (there, here)
        yield Check("route", Result.FAILS, ends, text, tuple(advice))


def _taught(teacher: Site, address: IPv4Address) -> tuple[str, int] | None:
    """The interface with the address whose network OSPF announces, and the prefix length."""
    for interface in teacher.config.interfaces.values():
        held = interface.address
        if held is None or address not in held.network or interface.tunnel is not None:
            continue
        for process in teacher.config.ospf.values():
            announced = any(row.split()[0] == "connected" for row in process.redistribute)
            if announced or ospf_area(teacher.config, process, interface, {}) is not None:
                return interface.name, held.network.prefixlen
    return None


def _translation(pair: Pair) -> Iterator[Check]:
    one, other = pair.addresses
    if one.is_private != other.is_private:
        side = 0 if one.is_private else 1
        text = (
            f"{pair.addresses[side]} is a private address and the other is not: over the Internet a NAT is in the way, "
            "which this prediction takes to be absent; the other end would have to be told the address outside it, and "
            "UDP port 4500 takes the place of ESP"
        )
        yield Check("NAT", Result.UNKNOWN, (End(str(one)), End(str(other))), text)


# --- access lists ----------------------------------------------------------------------------------


def _filtered(pair: Pair, side: int, packets: list[_Packet]) -> Iterator[Check]:
    site, local, peer = pair.sites[side], pair.addresses[side], pair.peer_of(side)
    name = outside(site, local, peer)
    interface = site.config.interfaces.get(name or "")
    if interface is None or interface.access_group_in is None:
        return
    access_list = site.config.access_lists.get(interface.access_group_in)
    listed = () if access_list is None else rules(access_list)
    if not listed or not isinstance(local, IPv4Address) or not isinstance(peer, IPv4Address):
        return  # as in IOS, a list that is not there permits everything
    assert access_list is not None
    kind = "extended" if access_list.extended else "standard"
    title = f"ip access-list {kind} {access_list.name}"
    line = site.source.section(title) or site.source.anywhere("access-list", access_list.name)
    blocked = [packet for packet in packets if not _permitted(listed, packet, peer, local)]
    permits = {
        _UDP: f" permit udp host {peer} host {local} eq isakmp",
        _ESP: f" permit esp host {peer} host {local}",
        _GRE: f" permit gre host {peer} host {local}",
    }
    if blocked:
        text = f"the access list in on {interface.name} drops {' and '.join(packet.name for packet in blocked)}"
        lines = [permits[packet.protocol] for packet in blocked]
        first = min(row.sequence for row in listed)
        advice: tuple[Advice, ...] = ()
        if access_list.extended and first > len(lines):
            numbered = [f" {first - len(lines) + at}{row}" for at, row in enumerate(lines)]
            advice = (Advice(side, (title, *numbered)),)
        yield Check("access list", Result.FAILS, _ends(side, End(access_list.name, line)), text, advice)
        return
    if any(packet.protocol == _ESP for packet in packets):
        floated = _Packet("UDP port 4500", _UDP, NAT_TRAVERSAL_PORT)
        if not _permitted(listed, floated, peer, local):
            text = f"the access list in on {interface.name} drops UDP port 4500, which a NAT on the way would need"
            yield Check("access list", Result.NOTE, _ends(side, End(access_list.name, line)), text)
            return
    yield Check("access list", Result.OK, _ends(side, End(access_list.name, line)))


def _permitted(listed: tuple[Rule, ...], packet: _Packet, source: IPv4Address, destination: IPv4Address) -> bool:
    """The verdict of the first rule that has the packet, a whole one without options; the deny at the end else."""
    for rule in listed:
        if rule.unsupported or rule.established or rule.flags or rule.fragments or rule.icmp or rule.dscp:
            continue
        if (
            rule.protocol in (None, packet.protocol)
            and _has(rule.source, source)
            and _has(rule.destination, destination)
            and _port(rule.source_ports, packet.port)
            and _port(rule.destination_ports, packet.port)
        ):
            return rule.permit
    return False


def _has(hosts: Hosts, address: IPv4Address) -> bool:
    return (int(hosts.address) ^ int(address)) & ~int(hosts.wildcard) & 0xFFFFFFFF == 0


def _port(ports: Ports, port: int) -> bool:
    return any(first <= port <= last for first, last in ports)
