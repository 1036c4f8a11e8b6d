"""FRR's answers as frozen data, in the words of IOS.

Interfaces carry the configuration's names. FRR 8.4 shapes its JSON differently from command to command;
what differs is levelled here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from seikan.system.frr_log import ios_state

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NextHop:
    address: IPv4Address | None
    interface: str | None


@dataclass(frozen=True, slots=True)
class Route:
    """One selected route. `code` is IOS's: "C", "L", "S", "S*", "O", "O IA", "O E1", "O E2", "O*E2", "K".

    `age` in seconds.
    """

    network: IPv4Network
    code: str
    distance: int
    metric: int
    next_hops: tuple[NextHop, ...]
    age: float | None
    selected: bool = True


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
class Lsa:
    """One LSA header; `links` for router LSAs. `kind` is 1 router, 2 network, 3 summary, 4 ASBR summary, 5 external.

    `detail` holds the lines of `show ip ospf database router` and its like for this LSA.
    """

    area: IPv4Address | None
    kind: int
    link_state_id: IPv4Address
    advertising_router: IPv4Address
    age: int
    sequence: int
    checksum: int
    links: int | None = None
    tag: int | None = None
    detail: tuple[str, ...] = ()


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
# Key of `show ip ospf database json`, LSA type (RFC 2328 section 12.1.3), word of the detailed command.
LSA_KINDS = (
    ("routerLinkStates", 1, "router"),
    ("networkLinkStates", 2, "network"),
    ("summaryLinkStates", 3, "summary"),
    ("asbrSummaryLinkStates", 4, "asbr-summary"),
    ("asExternalLinkStates", 5, "external"),
)


def parse_routes(
    table: Json, ospf_routes: Json, ios_names: Mapping[str, str], unnumbered: Collection[str]
) -> tuple[Route, ...]:
    """`show ip route json` and `show ip ospf route json` -> the selected routes, by network.

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
            hops = tuple(_next_hop(hop, ios_names) for hop in entry.get("nexthops", ()) if hop.get("fib"))
            code = _CODES.get(entry["protocol"], "?")
            if code == "C" and all(hop.interface in unnumbered for hop in hops):
                continue
            if code == "O":
                code = kinds.get(prefix, code)
            if network.prefixlen == 0 and code != "C":
                code = {"S": "S*", "K": "K*"}.get(code, code.replace("O ", "O*"))
            age = _seconds(entry.get("uptime", ""))
            routes.append(Route(network, code, entry["distance"], entry["metric"], hops, age))
    return tuple(sorted(routes, key=lambda route: route.network))


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
    """The JSON of `show ip ospf` and its `interface`, `neighbor`, `neighbor detail` and `database`."""

    summary: Json
    interfaces: Json
    neighbors: Json
    neighbor_details: Json
    database: Json


def parse_ospf(
    process: int,
    answers: OspfAnswers,
    details: Mapping[int, str],
    ios_names: Mapping[str, str],
    facts: Mapping[str, InterfaceFacts],
    authentication: Callable[[str, IPv4Address], str | None],
) -> OspfStatus | None:
    """One ospfd's answers; None where the process does not run yet.

    `details` holds the text of the detailed database commands by LSA kind.
    """
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
        database=tuple(_database(_inner(answers.database), details)),
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
            yield OspfNeighbor(
                router_id=IPv4Address(router_id),
                priority=entry["nbrPriority"],
                state=f"{ios_state(state)}/{role}",
                dead_time=max(0, entry["routerDeadIntervalTimerDueMsec"]) / 1000,
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


def _database(answer: Json, details: Mapping[int, str]) -> Iterator[Lsa]:
    for key, kind, _ in LSA_KINDS:
        blocks = {block[0]: block[1] for block in _detail_blocks(details.get(kind, ""))}
        for area, group in [*answer.get("areas", {}).items(), (None, answer)]:
            for entry in group.get(key, ()):
                identity = (IPv4Address(entry["lsId"].split("/")[0]), IPv4Address(entry["advertisedRouter"]))
                yield Lsa(
                    area=None if area is None else IPv4Address(area.split()[0]),
                    kind=kind,
                    link_state_id=identity[0],
                    advertising_router=identity[1],
                    age=entry["lsaAge"],
                    sequence=int(entry["sequenceNumber"], 16),
                    checksum=int(entry["checksum"], 16),
                    links=entry.get("numOfRouterLinks"),
                    tag=entry.get("routeTag", entry.get("tag")),
                    detail=blocks.get(identity, ()),
                )


def _detail_blocks(text: str) -> Iterator[tuple[tuple[IPv4Address, IPv4Address], tuple[str, ...]]]:
    """Each LSA of a detailed database command starts at its age."""
    for block in re.split(r"(?m)^(?=\s*LS age:)", text)[1:]:
        lines = [line.rstrip() for line in block.replace("\r", "").splitlines()]
        # The next area's heading is not part of the LSA before it.
        heading = next((index for index, line in enumerate(lines) if "Link States" in line), len(lines))
        lines = lines[:heading]
        while lines and not lines[-1]:
            lines.pop()
        ids = re.search(r"Link State ID: ([\d.]+)", block), re.search(r"Advertising Router: ([\d.]+)", block)
        if ids[0] is not None and ids[1] is not None:
            yield (IPv4Address(ids[0][1]), IPv4Address(ids[1][1])), tuple(lines)
