"""FRR's answers as frozen data, in the words of IOS.

Interfaces carry the configuration's names. FRR 8.4 shapes its JSON differently from command to command;
what differs is levelled here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from seikan.system.frr_log import ios_state
from seikan.system.frr_lsdb import Lsa, parse_database

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NextHop:
    address: IPv4Address | None
    interface: str | None


@dataclass(frozen=True, slots=True)
class Route:
    """One selected route. `code` is IOS's: "C", "L", "S", "S*", "O", "O IA", "O E1", "O E2", "O*E2", "K".

    `age` in seconds; `source` is the router that advertises it, where that is known.
    """

    network: IPv4Network
    code: str
    distance: int
    metric: int
    next_hops: tuple[NextHop, ...]
    age: float | None
    selected: bool = True
    source: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class OspfNeighbor:
    """`state` as IOS prints it: "FULL/  -", "2WAY/DROTHER"; times in seconds."""

    router_id: IPv4Address
    priority: int
    state: str
    dead_time: float
    address: IPv4Address
    interface: str
    area: IPv4Address
    uptime: float | None
    options: int | None = None
    state_changes: int | None = None
    retransmission_queue: int | None = None


@dataclass(frozen=True, slots=True)
class OspfInterfaceStatus:
    name: str
    process: int
    area: IPv4Address
    up: bool
    address: IPv4Interface | None
    unnumbered: str | None
    router_id: IPv4Address
    network_type: str  # "POINT_TO_POINT", "BROADCAST", "LOOPBACK"
    cost: int
    state: str  # "P2P", "DR", "BDR", "DROTHER", "LOOP", "DOWN", "WAIT"
    priority: int
    transmit_delay: int
    hello: int
    dead: int
    wait: int
    retransmit: int
    hello_due: float | None
    passive: bool
    neighbors: int
    adjacent: tuple[IPv4Address, ...]
    authentication: str | None = None  # None, "simple", "message-digest"
    mtu_mismatch_detection: bool = True


@dataclass(frozen=True, slots=True)
class OspfStatus:
    process: int
    router_id: IPv4Address
    areas: tuple[IPv4Address, ...]
    interfaces: tuple[OspfInterfaceStatus, ...]
    neighbors: tuple[OspfNeighbor, ...]
    database: tuple[Lsa, ...]
    spf_runs: int | None = None
    uptime: float | None = None


@dataclass(frozen=True, slots=True)
class InterfaceFacts:
    """What FRR does not tell of an interface: its primary address and from which other one that is borrowed."""

    address: IPv4Interface | None
    unnumbered: str | None


_CODES = {"connected": "C", "local": "L", "static": "S", "kernel": "K", "ospf": "O"}
_OSPF_ROUTE_CODES = {"N": "O", "N IA": "O IA", "N E1": "O E1", "N E2": "O E2"}
_UPTIME = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+):(\d+):(\d+))?")
_NETWORK_TYPES = {
    "POINTOPOINT": "POINT_TO_POINT",
    "BROADCAST": "BROADCAST",
    "NBMA": "NON_BROADCAST",
    "POINTOMULTIPOINT": "POINT_TO_MULTIPOINT",
    "LOOPBACK": "LOOPBACK",
}
_INTERFACE_STATES = {
    "Point-To-Point": "P2P",
    "DR": "DR",
    "Backup": "BDR",
    "DROther": "DROTHER",
    "Waiting": "WAIT",
    "Down": "DOWN",
    "Loopback": "LOOP",
}


def interface_addresses(facts: Json) -> set[IPv4Interface]:
    """The IPv4 addresses in zebra's account of one interface."""
    found = (entry["address"] for entry in facts.get("ipAddresses", ()))
    return {IPv4Interface(address) for address in found if ":" not in address}


def parse_routes(
    table: Json,
    ospf_routes: Json,
    sources: Mapping[IPv4Network, IPv4Address],
    ios_names: Mapping[str, str],
    unnumbered: Collection[str],
) -> tuple[Route, ...]:
    """`show ip route json` and `show ip ospf route json` -> the selected routes that are in the kernel, by network.

    `sources` tells which router advertises each network that OSPF knows.

    A borrowed address is no network of the interface that borrows it, so that the host route FRR
    connects there is left out (`unnumbered` holds these interfaces' names).
    """
    kinds = {
        prefix: _OSPF_ROUTE_CODES[entry["routeType"]]
        for prefix, entry in ospf_routes.items()
        if isinstance(entry, Mapping) and entry.get("routeType") in _OSPF_ROUTE_CODES
    }
    routes = []
    for prefix, entries in table.items():
        network = IPv4Network(prefix)
        for entry in entries:
            if not entry.get("selected"):
                continue
            hops = tuple(_next_hop(hop, ios_names) for hop in _shown(entry.get("nexthops", ())))
            if not hops:  # chosen and not in the kernel yet: no packet goes by it
                continue
            code = _CODES.get(entry["protocol"], "?")
            if code == "C" and all(hop.interface in unnumbered for hop in hops):
                continue
            source = None
            if code == "O":
                code, source = kinds.get(prefix, code), sources.get(network)
            if network.prefixlen == 0 and code != "C":
                code = {"S": "S*", "K": "K*"}.get(code, code.replace("O ", "O*"))
            age = _seconds(entry.get("uptime", ""))
            routes.append(Route(network, code, entry["distance"], entry["metric"], hops, age, source=source))
    return tuple(sorted(routes, key=lambda route: route.network))


def _shown(hops: Iterable[Json]) -> list[Json]:
    """The next hops as they were given; where one is looked up in the table, what was found there follows it in FRR."""
    recursive = [hop for hop in hops if hop.get("recursive") and hop.get("active")]
    return recursive or [hop for hop in hops if hop.get("fib")]


def _next_hop(hop: Json, ios_names: Mapping[str, str]) -> NextHop:
    name = hop.get("interfaceName")
    address = hop.get("ip")
    return NextHop(
        address=IPv4Address(address) if address and address != "0.0.0.0" else None,  # noqa: S104 no bind here
        interface="Null0" if hop.get("blackhole") else ios_names.get(name, name) if name else None,
    )


def _seconds(text: str) -> float | None:
    match = _UPTIME.fullmatch(text)
    if match is None or not text:
        return None
    weeks, days, hours, *clock = (int(group or 0) for group in match.groups())
    return float(weeks * 604800 + days * 86400 + (hours + clock[0]) * 3600 + clock[1] * 60 + clock[2])


@dataclass(frozen=True, slots=True)
class OspfAnswers:
    """The JSON of `show ip ospf` and its `interface`, `neighbor` and `neighbor detail`.

    `database` is the text of the detailed commands by LSA kind.
    """

    summary: Json
    interfaces: Json
    neighbors: Json
    neighbor_details: Json
    database: Mapping[int, str]


def parse_ospf(
    process: int,
    answers: OspfAnswers,
    ios_names: Mapping[str, str],
    facts: Mapping[str, InterfaceFacts],
    authentication: Callable[[str, IPv4Address], str | None],
) -> OspfStatus | None:
    """One ospfd's answers; None where the process does not run yet."""
    summary, interfaces = _inner(answers.summary), _inner(answers.interfaces)
    if "routerId" not in summary:
        return None
    found = tuple(_neighbors(_inner(answers.neighbors), _inner(answers.neighbor_details), ios_names))
    areas = summary.get("areas", {})
    return OspfStatus(
        process=process,
        router_id=IPv4Address(summary["routerId"]),
        areas=tuple(IPv4Address(area.split()[0]) for area in areas),
        interfaces=tuple(
            _interface(process, ios_names.get(name, name), entry, found, facts, authentication)
            for name, entry in interfaces.get("interfaces", {}).items()
            if entry.get("ospfEnabled")
        ),
        neighbors=found,
        database=parse_database(answers.database),
        spf_runs=max((area.get("spfExecutedCounter", 0) for area in areas.values()), default=None),
    )


def _inner(answer: Json) -> Json:
    """Multi-instance ospfd and VRF-aware commands wrap what others give bare."""
    return answer["default"] if isinstance(answer.get("default"), Mapping) else answer


def _neighbors(table: Json, details: Json, ios_names: Mapping[str, str]) -> Iterator[OspfNeighbor]:
    more = {
        (router_id, entry.get("ifaceName"), entry.get("ifaceAddress")): entry
        for router_id, entries in details.get("neighbors", {}).items()
        for entry in entries
    }
    for router_id, entries in table.get("neighbors", {}).items():
        for entry in entries:
            device = entry["ifaceName"].split(":")[0]
            detail = more.get((router_id, device, entry["ifaceAddress"]), {})
            state, _, role = entry["nbrState"].partition("/")
            role = {"-": "  -", "Backup": "BDR"}.get(role, role.upper())
            up = entry.get("upTimeInMsec")
            due = entry["routerDeadIntervalTimerDueMsec"]  # "inactive" where the timer has just ended
            yield OspfNeighbor(
                router_id=IPv4Address(router_id),
                priority=entry["nbrPriority"],
                state=f"{ios_state(state)}/{role}",
                dead_time=max(0, due) / 1000 if isinstance(due, int) else 0.0,
                address=IPv4Address(entry["ifaceAddress"]),
                interface=ios_names.get(device, device),
                area=IPv4Address(detail.get("areaId", "0.0.0.0").split()[0]),  # noqa: S104 an area, no address
                uptime=None if up is None else up / 1000,
                options=detail.get("optionsCounter"),
                state_changes=detail.get("stateChangeCounter"),
                retransmission_queue=entry.get("linkStateRetransmissionListCounter"),
            )


def _interface(
    process: int,
    name: str,
    entry: Json,
    neighbors: tuple[OspfNeighbor, ...],
    facts: Mapping[str, InterfaceFacts],
    authentication: Callable[[str, IPv4Address], str | None],
) -> OspfInterfaceStatus:
    loopback = name.startswith("Loopback")
    fact = facts.get(name, InterfaceFacts(None, None))
    up = bool(entry.get("ifUp"))
    state = _INTERFACE_STATES.get(entry.get("state", "Down"), "DOWN")
    due = entry.get("timerHelloInMsecs")
    return OspfInterfaceStatus(
        name=name,
        process=process,
        area=IPv4Address(entry["area"].split()[0]),
        up=up,
        address=fact.address,
        unnumbered=fact.unnumbered,
        router_id=IPv4Address(entry["routerId"]),
        network_type="LOOPBACK" if loopback else _NETWORK_TYPES.get(entry["networkType"], "BROADCAST"),
        cost=entry["cost"],
        state=("LOOP" if loopback else state) if up else "DOWN",
        priority=entry["priority"],
        transmit_delay=entry["transmitDelaySecs"],
        hello=entry["timerMsecs"] // 1000,
        dead=entry["timerDeadSecs"],
        wait=entry["timerWaitSecs"],
        retransmit=entry["timerRetransmitSecs"],
        hello_due=None if due is None else max(0, due) / 1000,
        passive=bool(entry.get("timerPassiveIface")),
        neighbors=entry["nbrCount"],
        adjacent=tuple(
            neighbor.router_id
            for neighbor in neighbors
            if neighbor.interface == name and neighbor.state.startswith("FULL")
        ),
        authentication=authentication(name, IPv4Address(entry["area"].split()[0])),
        mtu_mismatch_detection=not entry.get("mtuIgnore", False),
    )
