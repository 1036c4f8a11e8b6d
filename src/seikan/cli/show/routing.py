"""show ip route and show ip protocols."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from itertools import groupby

from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.text import FRR_SILENT, age, area_name, argument, find_interface, secondary_addresses
from seikan.cli.status import Need, NextHop, Route, Status
from seikan.config.model import OspfProcess

ROUTES = frozenset({Need.ROUTES, Need.INTERFACES})
WITH_OSPF = ROUTES | {Need.OSPF}

LEGEND = (
    "Codes: L - local, C - connected, S - static, R - RIP, M - mobile, B - BGP",
    "       D - EIGRP, EX - EIGRP external, O - OSPF, IA - OSPF inter area ",
    "       N1 - OSPF NSSA external type 1, N2 - OSPF NSSA external type 2",
    "       E1 - OSPF external type 1, E2 - OSPF external type 2",
    "       i - IS-IS, su - IS-IS summary, L1 - IS-IS level-1, L2 - IS-IS level-2",
    "       ia - IS-IS inter area, * - candidate default, U - per-user static route",
    "       o - ODR, P - periodic downloaded static route, H - NHRP, l - LISP",
    "       + - replicated route, % - next hop override",
)
# Linux has routes of its own, which IOS has no letter for.
KERNEL_LEGEND = "       K - route of the operating system"

_DEFAULT = IPv4Network((0, 0))
_LINE = 80  # IOS breaks a line that would reach this column
_CONNECTED = ("C", "L")
_HOST = 32


def classful_length(address: IPv4Address) -> int:
    """The prefix length of the class A, B or C network that holds `address`; 32 beyond class C."""
    first = int(address) >> 24
    return 8 if first < 128 else 16 if first < 192 else 24 if first < 224 else 32


def _major(network: IPv4Network) -> IPv4Network:
    """What a route is listed under: its classful network, or itself where it is larger than that."""
    length = min(classful_length(network.network_address), network.prefixlen)
    return network.supernet(new_prefix=length)


def _local(status: Status, connected: Iterable[Route]) -> Iterator[Route]:
    """The host routes of a router's own addresses, which Linux keeps in another table; a host network has none."""
    for route in connected:
        for hop in route.next_hops:
            interface = find_interface(status, hop.interface or "")
            own = () if interface is None else (interface.address, *secondary_addresses(status, interface))
            for address in own:
                if address is not None and address.network == route.network and route.network.prefixlen < _HOST:
                    yield replace(route, network=IPv4Network(address.ip), code="L", next_hops=(hop,))


def _routes(status: Status) -> list[Route]:
    selected = [route for route in status.routes or () if route.selected]
    known = {(route.network, route.code) for route in selected}
    connected = [route for route in selected if route.code == "C"]
    selected += [route for route in _local(status, connected) if (route.network, route.code) not in known]
    return sorted(selected, key=lambda route: (route.network.network_address, route.network.prefixlen, route.code))


def _code(route: Route) -> str:
    """`S*`, `O*E2`: the asterisk stands in the second column of a candidate default."""
    code = route.code.replace("*", " ").rstrip() if route.code.endswith("*") else route.code
    if route.network != _DEFAULT or code in _CONNECTED:
        return code
    letter, _, kind = code.partition(" ")
    return f"{letter}*{kind}"


def _hop(status: Status, route: Route, hop: NextHop) -> str:
    """The interface of a static route's next hop is shown where it was typed, not where it was looked up."""
    if hop.address is None:
        return f"is directly connected, {hop.interface or 'Null0'}"
    parts = [f"[{route.distance}/{route.metric}] via {hop.address}"]
    static = route.code.startswith("S")
    if route.age is not None and not static:
        parts.append(age(route.age))
    if hop.interface is not None and (not static or _typed(status, route, hop)):
        parts.append(hop.interface)
    return ", ".join(parts)


def _typed(status: Status, route: Route, hop: NextHop) -> bool:
    wanted = (route.network, hop.address, hop.interface)
    return any((row.network, row.next_hop, row.interface) == wanted for row in status.running.routes)


def _route_lines(status: Status, route: Route, indent: int, mask: bool) -> Iterator[str]:
    network = str(route.network) if mask else str(route.network.network_address)
    head = f"{_code(route):<{indent}}{network} "
    for place, hop in enumerate(route.next_hops):
        text = _hop(status, route, hop)
        if place:
            yield f"{' ' * len(head)}{text}"
        elif hop.address is not None and len(head) + len(text) >= _LINE:
            yield head
            head = " " * 11
            yield f"{head}{text}"
        else:
            yield f"{head}{text}"


def _group(status: Status, major: IPv4Network, routes: list[Route]) -> Iterator[str]:
    length = major.prefixlen
    if length < classful_length(major.network_address) or all(route.network.prefixlen == length for route in routes):
        for route in routes:
            yield from _route_lines(status, route, 6, mask=True)
        return
    networks = {route.network for route in routes}
    masks = {network.prefixlen for network in networks}
    if len(masks) == 1:
        subnetted = major.network_address
        yield f"      {subnetted}/{masks.pop()} is subnetted, {len(networks)} subnets"
        for route in routes:
            yield from _route_lines(status, route, 9, mask=False)
    else:
        yield f"      {major} is variably subnetted, {len(networks)} subnets, {len(masks)} masks"
        for route in routes:
            yield from _route_lines(status, route, 9, mask=True)


def _gateway(routes: list[Route]) -> str:
    for route in routes:
        if route.network == _DEFAULT:
            hop = next((hop for hop in route.next_hops if hop.address is not None), None)
            via = str(hop.address) if hop is not None else str(_DEFAULT.network_address)
            return f"Gateway of last resort is {via} to network {_DEFAULT.network_address}"
    return "Gateway of last resort is not set"


def _table(status: Status, wanted: Iterable[Route]) -> Iterator[str]:
    if status.routes is None:
        yield FRR_SILENT
        return
    chosen = list(wanted)
    yield from LEGEND
    if any(route.code.startswith("K") for route in chosen):
        yield KERNEL_LEGEND
    yield ""
    yield _gateway(_routes(status))
    yield ""
    for major, routes in groupby(chosen, key=lambda route: _major(route.network)):
        yield from _group(status, major, list(routes))


def show_route(status: Status, arguments: Arguments) -> Iterator[str]:
    return _table(status, _routes(status))


def show_route_ospf(status: Status, arguments: Arguments) -> Iterator[str]:
    return _table(status, (route for route in _routes(status) if route.code.startswith("O")))


def show_route_static(status: Status, arguments: Arguments) -> Iterator[str]:
    return _table(status, (route for route in _routes(status) if route.code.startswith("S")))


def show_route_connected(status: Status, arguments: Arguments) -> Iterator[str]:
    return _table(status, (route for route in _routes(status) if route.code in _CONNECTED))


_OSPF_TYPES = {"O": "intra area", "O IA": "inter area", "O E1": "extern 1", "O E2": "extern 2"}


def _known_via(status: Status, route: Route) -> tuple[str, str]:
    """The protocol's name, and what follows the metric."""
    code = route.code.replace("*", " ").strip()
    if code.startswith("O"):
        number = next(iter(status.running.ospf), 1)
        return f"ospf {number}", f", type {_OSPF_TYPES.get(' '.join(code.split()), 'intra area')}"
    if code in _CONNECTED:
        return "connected", " (connected, via interface)"
    return ("static", "") if code.startswith("S") else ("kernel", "")


def _descriptor(route: Route, hop: NextHop, first: bool) -> str:
    mark = "*" if first else " "
    if hop.address is None:
        return f"  {mark} directly connected, via {hop.interface or 'Null0'}"
    parts = [f"  {mark} {hop.address}"]
    if route.source is not None:
        parts.append(f"from {route.source}")
    if route.age is not None and not route.code.startswith("S"):
        parts.append(f"{age(route.age)} ago")
    if hop.interface is not None:
        parts.append(f"via {hop.interface}")
    return ", ".join(parts)


def _entry(status: Status, route: Route) -> Iterator[str]:
    name, more = _known_via(status, route)
    yield f"Routing entry for {route.network}{', supernet' if route.network == _DEFAULT else ''}"
    default = ", candidate default path" if route.network == _DEFAULT else ""
    yield f'  Known via "{name}", distance {route.distance}, metric {route.metric}{default}{more}'
    for first in route.next_hops[:1]:
        if name.startswith("ospf") and first.address is not None and first.interface is not None:
            yield f"  Last update from {first.address} on {first.interface}, {age(route.age)} ago"
    yield "  Routing Descriptor Blocks:"
    for place, hop in enumerate(route.next_hops):
        yield _descriptor(route, hop, place == 0)
        yield f"      Route metric is {route.metric}, traffic share count is 1"


def show_route_entry(status: Status, arguments: Arguments) -> Iterator[str]:
    """The longest match for an address, or the exact network where a mask was typed; never the default, as in IOS."""
    if status.routes is None:
        yield FRR_SILENT
        return
    address, mask = argument(arguments, "address"), argument(arguments, "mask")
    if not isinstance(address, IPv4Address):
        return
    routes = _routes(status)
    if mask is not None:
        network = IPv4Network((int(address), str(mask)), strict=False)
        found = [route for route in routes if route.network == network]
    else:
        covering = [route for route in routes if address in route.network]
        if int(address):
            covering = [route for route in covering if route.network != _DEFAULT]
        longest = max((route.network.prefixlen for route in covering), default=0)
        found = [route for route in covering if route.network.prefixlen == longest]
    if not found:
        major = IPv4Network((int(address), classful_length(address)), strict=False)
        subnetted = any(route.network != _DEFAULT and route.network.subnet_of(major) for route in routes)
        yield "% Subnet not in table" if subnetted else "% Network not in table"
    for route in found:
        yield from _entry(status, route)


def show_summary(status: Status, arguments: Arguments) -> Iterator[str]:
    """Memory is the operating system's business: its columns are 0."""
    if status.routes is None:
        yield FRR_SILENT
        return
    yield "IP routing table name is default (0x0)"
    yield "IP routing table maximum-paths is 32"
    yield "Route Source    Networks    Subnets     Replicates  Overhead    Memory (bytes)"
    routes = _routes(status)
    rows: list[tuple[str, list[Route]]] = [
        ("connected", [route for route in routes if route.code in _CONNECTED]),
        ("static", [route for route in routes if route.code.startswith("S")]),
    ]
    kernel = [route for route in routes if route.code.startswith("K")]
    if kernel:
        rows.append(("kernel", kernel))
    ospf = [route for route in routes if route.code.startswith("O")]
    if status.running.ospf or ospf:
        rows.append((f"ospf {next(iter(status.running.ospf), 1)}", ospf))
    totals = [0, 0]
    for name, chosen in rows:
        networks = sum(route.network.prefixlen <= classful_length(route.network.network_address) for route in chosen)
        totals[0] += networks
        totals[1] += len(chosen) - networks
        yield _summary_row(name, networks, len(chosen) - networks)
        if name.startswith("ospf"):
            kinds = {kind: sum(_plain(route.code) == kind for route in chosen) for kind in _OSPF_TYPES}
            yield (
                f"  Intra-area: {kinds['O']} Inter-area: {kinds['O IA']}"
                f" External-1: {kinds['O E1']} External-2: {kinds['O E2']}"
            )
            yield "  NSSA External-1: 0 NSSA External-2: 0"
    yield _summary_row("Total", *totals)


def _plain(code: str) -> str:
    return " ".join(code.replace("*", " ").split())


def _summary_row(name: str, networks: int, subnets: int) -> str:
    return f"{name:<16}{networks:<12}{subnets:<12}{0:<12}{0:<12}0"


def _areas(process: OspfProcess, status: Status) -> set[IPv4Address]:
    areas = {network.area for network in process.networks}
    for interface in status.in_force.interfaces.values():
        if interface.ospf.process == process.process and interface.ospf.area is not None:
            areas.add(interface.ospf.area)
    return areas


def _protocol(status: Status, process: OspfProcess) -> Iterator[str]:
    running = next((row for row in status.ospf or () if row.process == process.process), None)
    areas = _areas(process, status)
    stubs = {row.area for row in process.areas if row.stub} & areas
    yield f'Routing Protocol is "ospf {process.process}"'
    yield "  Outgoing update filter list for all interfaces is not set"
    yield "  Incoming update filter list for all interfaces is not set"
    router_id = running.router_id if running else process.router_id
    if router_id is not None:
        yield f"  Router ID {router_id}"
    if process.redistribute or process.default_information is not None:
        yield "  It is an autonomous system boundary router"
        yield " Redistributing External Routes from,"
        for words in process.redistribute:
            yield f"    {words}"
    normal = len(areas) - len(stubs)
    yield f"  Number of areas in this router is {len(areas)}. {normal} normal {len(stubs)} stub 0 nssa"
    yield "  Maximum path: 4"
    yield "  Routing for Networks:"
    for network in process.networks:
        yield f"    {network.address} {network.wildcard} area {area_name(network.area)}"
    explicit = [row for row in status.in_force.interfaces.values() if row.ospf.process == process.process]
    for area in sorted({row.ospf.area for row in explicit if row.ospf.area is not None}):
        yield f"  Routing on Interfaces Configured Explicitly (Area {area_name(area)}):"
        for row in explicit:
            if row.ospf.area == area:
                yield f"    {row.name}"
    passive = _passive(status, process)
    if passive:
        yield "  Passive Interface(s):"
        for name in passive:
            yield f"    {name}"
    yield "  Routing Information Sources:"
    yield "    Gateway         Distance      Last Update"
    sources: dict[IPv4Address, float] = {}
    for route in status.routes or ():
        if route.code.startswith("O") and route.source is not None and route.age is not None:
            sources[route.source] = min(route.age, sources.get(route.source, route.age))
    for source, when in sorted(sources.items()):
        yield f"    {source!s:<16}{110:>8}      {age(when)}"
    yield "  Distance: (default is 110)"
    yield ""


def _passive(status: Status, process: OspfProcess) -> tuple[str, ...]:
    if not process.passive_default:
        return process.passive_interfaces
    active = set(process.passive_interfaces)
    return tuple(name for name in status.in_force.interfaces if name not in active)


def show_protocols(status: Status, arguments: Arguments) -> Iterator[str]:
    yield "*** IP Routing is NSF aware ***"
    yield ""
    if status.ospf is None and status.running.ospf:
        yield FRR_SILENT
    for process in status.running.ospf.values():
        yield from _protocol(status, process)


_HELP = {
    "show": "Show running system information",
    "ip": "IP information",
    "route": "IP routing table",
    "ospf": "Open Shortest Path First (OSPF)",
    "static": "Static routes",
    "connected": "Connected",
    "summary": "Summary of all routes",
    "<address>": "IP address or network",
    "<mask>": "Network mask",
    "protocols": "IP routing protocol process parameters and statistics",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show ip route", _HELP, ROUTES, show_route),
    ShowCommand("show ip route ospf", _HELP, ROUTES, show_route_ospf),
    ShowCommand("show ip route static", _HELP, ROUTES, show_route_static),
    ShowCommand("show ip route connected", _HELP, ROUTES, show_route_connected),
    ShowCommand("show ip route summary", _HELP, ROUTES, show_summary),
    ShowCommand("show ip route <address:ipv4> [<mask:mask>]", _HELP, ROUTES, show_route_entry),
    ShowCommand("show ip protocols", _HELP, WITH_OSPF, show_protocols),
)
