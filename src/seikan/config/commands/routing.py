"""`ip route` and `router ospf`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import cast

from seikan.config.arguments import contiguous
from seikan.config.commands.interface import write_area
from seikan.config.grammar import Command, Match
from seikan.config.handlers import ConfigError, Section, Setting, device, setting, typed, with_item, without_item
from seikan.config.model import Config, OspfArea, OspfAuthentication, OspfNetwork, OspfProcess, StaticRoute
from seikan.config.modes import CONFIG, ROUTER

_DISTANCE = 1


def _network(match: Match) -> IPv4Network:
    network, mask = cast(IPv4Address, match.args["network"]), cast(IPv4Address, match.args["mask"])
    if not contiguous(mask) or int(network) & ~int(mask):
        raise ConfigError(f"Inconsistent address and mask: {network} {mask}")
    return IPv4Network(f"{network}/{mask}")


def route_order(route: StaticRoute) -> tuple[int, int, int, str]:
    """The order in which IOS writes routes."""
    return (
        int(route.network.network_address),
        route.network.prefixlen,
        -1 if route.next_hop is None else int(route.next_hop),
        route.interface or "",
    )


def route_key(route: StaticRoute) -> tuple[IPv4Network, IPv4Address | None, str | None]:
    """What makes two lines the same route: a second one replaces the first."""
    return route.network, route.next_hop, route.interface


def _add_route(config: Config, match: Match) -> Config:
    args = match.args
    if "interface" in args:
        device(cast(str, args["interface"]))
    route = StaticRoute(
        network=_network(match),
        next_hop=cast("IPv4Address | None", args.get("next_hop")),
        interface=cast("str | None", args.get("interface")),
        distance=cast(int, args.get("distance", _DISTANCE)),
        name=cast("str | None", args.get("name")),
        tag=cast("int | None", args.get("tag")),
        permanent="permanent" in args,
    )
    kept = [held for held in config.routes if route_key(held) != route_key(route)]
    return replace(config, routes=tuple(sorted([*kept, route], key=route_order)))


def _remove_route(config: Config, match: Match) -> Config:
    network = _network(match)
    asked = {
        name: match.args[name] for name in ("next_hop", "interface", "distance", "name", "tag") if name in match.args
    }

    def meant(route: StaticRoute) -> bool:
        return route.network == network and all(getattr(route, name) == value for name, value in asked.items())

    kept = tuple(route for route in config.routes if not meant(route))
    if len(kept) == len(config.routes):
        raise ConfigError("No matching route to delete")
    return replace(config, routes=kept)


def _render_routes(config: Config) -> Iterable[str]:
    for route in config.routes:
        words = [f"ip route {route.network.network_address} {route.network.netmask}"]
        words += [] if route.interface is None else [route.interface]
        words += [] if route.next_hop is None else [str(route.next_hop)]
        words += [] if route.distance == _DISTANCE else [str(route.distance)]
        words += [] if route.tag is None else [f"tag {route.tag}"]
        words += ["permanent"] if route.permanent else []
        words += [] if route.name is None else [f"name {route.name}"]
        yield " ".join(words)


ROUTES: tuple[Command, ...] = (
    Command(
        CONFIG,
        "ip route <network:ipv4> <mask:mask> (<next_hop:ipv4>|<interface:interface(device)> [<next_hop:ipv4>]) "
        "[<distance:number(1-255)>] [permanent|tag <tag:number(1-4294967295)>|name <name:word>]...",
        {
            "ip": "Global IP configuration subcommands",
            "route": "Establish static routes",
            "<network>": "Destination prefix",
            "<mask>": "Destination prefix mask",
            "<next_hop>": "Forwarding router's address",
            "<distance>": "Distance metric for this route",
            "permanent": "permanent route",
            "tag": "Set tag for this route",
            "<tag>": "Tag value",
            "name": "Specify name of the next hop",
            "<name>": "Name of the next hop",
        },
        Setting(_add_route, _remove_route, _render_routes),
        negatable=True,
        no="ip route <network:ipv4> <mask:mask> [<next_hop:ipv4>|<interface:interface> [<next_hop:ipv4>]] "
        "[<distance:number(1-255)>] [permanent|tag <tag:number(1-4294967295)>|name <name:word>]...",
    ),
)


def _process(match: Match) -> int:
    return cast(int, match.args["process"])


def _open(config: Config, match: Match) -> tuple[Config, Hashable]:
    number = _process(match)
    if number not in config.ospf:
        config = _put(config, number, OspfProcess(number))
    return config, number


def _put(config: Config, number: int, process: OspfProcess) -> Config:
    return replace(config, ospf=with_item(config.ospf, number, process))


def _remove(config: Config, match: Match) -> Config:
    if _process(match) not in config.ospf:
        raise ConfigError(f"OSPF process {_process(match)} is not configured")
    return replace(config, ospf=without_item(config.ospf, _process(match)))


def _compared(match: Match) -> tuple[IPv4Address, IPv4Address]:
    """The address and wildcard of a `network` line; IOS keeps only the bits that are compared."""
    address, wildcard = cast(IPv4Address, match.args["address"]), cast(IPv4Address, match.args["wildcard"])
    return IPv4Address(int(address) & ~int(wildcard) & 0xFFFFFFFF), wildcard


def _add_network(process: OspfProcess, match: Match) -> OspfProcess:
    same = _compared(match)
    kept = tuple(held for held in process.networks if (held.address, held.wildcard) != same)
    return replace(process, networks=(*kept, OspfNetwork(*same, cast(IPv4Address, match.args["area"]))))


def _remove_network(process: OspfProcess, match: Match) -> OspfProcess:
    def meant(held: OspfNetwork) -> bool:
        return (held.address, held.wildcard) == _compared(match) and match.args.get("area", held.area) == held.area

    kept = tuple(held for held in process.networks if not meant(held))
    if len(kept) == len(process.networks):
        raise ConfigError("No such network statement")
    return replace(process, networks=kept)


def _passive(process: OspfProcess, match: Match, passive: bool) -> OspfProcess:
    if "default" in match.args:
        return replace(process, passive_default=passive, passive_interfaces=())
    name = typed(cast(str, match.args["interface"]))
    others = tuple(held for held in process.passive_interfaces if held != name)
    listed = passive is not process.passive_default
    return replace(process, passive_interfaces=tuple(sorted((*others, name))) if listed else others)


def _render_passive(process: OspfProcess) -> Iterable[str]:
    if process.passive_default:
        yield "passive-interface default"
    for name in process.passive_interfaces:
        yield f"{'no ' if process.passive_default else ''}passive-interface {name}"


def _area_of(process: OspfProcess, match: Match) -> OspfArea:
    area = cast(IPv4Address, match.args["area"])
    return next((held for held in process.areas if held.area == area), OspfArea(area))


def _put_area(process: OspfProcess, area: OspfArea) -> OspfProcess:
    kept = [held for held in process.areas if held.area != area.area]
    if area != OspfArea(area.area):
        kept.append(area)
    return replace(process, areas=tuple(sorted(kept, key=lambda held: int(held.area))))


def _area_authentication(process: OspfProcess, match: Match) -> OspfProcess:
    digest = "message-digest" in match.args
    kind = OspfAuthentication.MESSAGE_DIGEST if digest else OspfAuthentication.SIMPLE
    return _put_area(process, replace(_area_of(process, match), authentication=kind))


def _remove_area_authentication(process: OspfProcess, match: Match) -> OspfProcess:
    """`no area N` takes all lines of the area away."""
    area = _area_of(process, match)
    return _put_area(
        process, replace(area, authentication=None) if "authentication" in match.args else OspfArea(area.area)
    )


def _area_stub(process: OspfProcess, match: Match) -> OspfProcess:
    if cast(IPv4Address, match.args["area"]) == IPv4Address(0):
        raise ConfigError("OSPF: the backbone cannot be a stub area")
    return _put_area(process, replace(_area_of(process, match), stub=True, no_summary="no-summary" in match.args))


def _render_areas(process: OspfProcess) -> Iterable[str]:
    for area in process.areas:
        written = write_area(area.area)
        if area.authentication is OspfAuthentication.SIMPLE:
            yield f"area {written} authentication"
        elif area.authentication is OspfAuthentication.MESSAGE_DIGEST:
            yield f"area {written} authentication message-digest"
        if area.stub:
            yield f"area {written} stub" + (" no-summary" if area.no_summary else "")


def _redistribute(process: OspfProcess, match: Match) -> OspfProcess:
    words = match.canonical.removeprefix("redistribute ")
    kept = tuple(held for held in process.redistribute if held.split()[0] != words.split()[0])
    return replace(process, redistribute=tuple(sorted((*kept, words))))


def _remove_redistribute(process: OspfProcess, match: Match) -> OspfProcess:
    protocol = match.canonical.split()[1]
    return replace(process, redistribute=tuple(held for held in process.redistribute if held.split()[0] != protocol))


def _log_changes(process: OspfProcess, match: Match) -> OspfProcess:
    return replace(process, log_adjacency_changes=True, log_adjacency_detail="detail" in match.args)


def _render_log_changes(process: OspfProcess) -> Iterable[str]:
    if not process.log_adjacency_changes:
        yield "no log-adjacency-changes"
    elif process.log_adjacency_detail:
        yield "log-adjacency-changes detail"


_AREA = {"area": "OSPF area parameters", "<area>": "OSPF area ID as a decimal value or in IP address format"}
_METRIC = {
    "metric": "OSPF metric",
    "<metric>": "OSPF metric value",
    "metric-type": "OSPF exterior metric type for redistributed routes",
    "1": "Set OSPF External Type 1 metrics",
    "2": "Set OSPF External Type 2 metrics",
}

#: The process and its lines, in the order of rendering.
OSPF: tuple[Command, ...] = (
    Command(
        CONFIG,
        "router ospf <process:number(1-65535)>",
        {"router": "Enable a routing process", "ospf": "Open Shortest Path First (OSPF)", "<process>": "Process ID"},
        Section(
            mode=ROUTER,
            open=_open,
            remove=_remove,
            get=lambda config, number: config.ospf.get(number),
            put=_put,
            every=lambda config: sorted(config.ospf),
            header=lambda _key, process: f"router ospf {process.process}",
            title=lambda number: f"router ospf {number}",
        ),
        negatable=True,
        no="router ospf <process:number(1-65535)>",
    ),
    setting(
        ROUTER,
        "router-id <router_id:ipv4>",
        "router_id",
        {"router-id": "router-id for this OSPF process", "<router_id>": "OSPF router-id in IP address format"},
    ),
    Command(
        ROUTER,
        "log-adjacency-changes [detail]",
        {"log-adjacency-changes": "Log changes in adjacency state", "detail": "Log all state changes"},
        Setting(
            _log_changes,
            lambda process, _match: replace(process, log_adjacency_changes=False, log_adjacency_detail=False),
            _render_log_changes,
            reset=lambda process, _match: replace(process, log_adjacency_changes=True, log_adjacency_detail=False),
        ),
        negatable=True,
        no="log-adjacency-changes [detail]",
    ),
    setting(
        ROUTER,
        "auto-cost reference-bandwidth <reference_bandwidth:number(1-4294967)>",
        "reference_bandwidth",
        {
            "auto-cost": "Calculate OSPF interface cost according to bandwidth",
            "reference-bandwidth": "Use reference bandwidth method to assign OSPF cost",
            "<reference_bandwidth>": "The reference bandwidth in terms of Mbits per second",
        },
    ),
    Command(
        ROUTER,
        "area <area:area> authentication [message-digest]",
        {**_AREA, "authentication": "Enable authentication", "message-digest": "Use message-digest authentication"},
        Setting(
            _area_authentication,
            _remove_area_authentication,
            _render_areas,
        ),
        negatable=True,
        no="area <area:area> [authentication [message-digest]]",
    ),
    Command(
        ROUTER,
        "area <area:area> stub [no-summary]",
        {**_AREA, "stub": "Specify a stub area", "no-summary": "Do not send summary LSA into stub area"},
        Setting(
            _area_stub,
            lambda process, match: _put_area(process, replace(_area_of(process, match), stub=False, no_summary=False)),
        ),
        negatable=True,
        no="area <area:area> stub [no-summary]",
    ),
    Command(
        ROUTER,
        "redistribute (connected|static) [subnets|metric <metric:number(0-16777214)>|metric-type (1|2)]...",
        {
            "redistribute": "Redistribute information from another routing protocol",
            "connected": "Connected",
            "static": "Static routes",
            "subnets": "Consider subnets for redistribution into OSPF",
            **_METRIC,
        },
        Setting(
            _redistribute,
            _remove_redistribute,
            lambda process: tuple(f"redistribute {words}" for words in process.redistribute),
        ),
        negatable=True,
        no="redistribute (connected|static) [<options:rest>]",
    ),
    Command(
        ROUTER,
        "passive-interface (default|<interface:interface(typed)>)",
        {
            "passive-interface": "Suppress routing updates on an interface",
            "default": "Suppress routing updates on all interfaces",
        },
        Setting(
            lambda process, match: _passive(process, match, passive=True),
            lambda process, match: _passive(process, match, passive=False),
            _render_passive,
        ),
        negatable=True,
        no="passive-interface (default|<interface:interface(typed)>)",
    ),
    Command(
        ROUTER,
        "network <address:ipv4> <wildcard:wildcard> area <area:area>",
        {
            "network": "Enable routing on an IP network",
            "<address>": "Network number",
            "<wildcard>": "OSPF wild card bits",
            "area": "Set the OSPF area ID",
            "<area>": "OSPF area ID as a decimal value or in IP address format",
        },
        Setting(
            _add_network,
            _remove_network,
            lambda process: tuple(
                f"network {held.address} {held.wildcard} area {write_area(held.area)}" for held in process.networks
            ),
        ),
        negatable=True,
        no="network <address:ipv4> <wildcard:wildcard> [area [<area:area>]]",
    ),
    setting(
        ROUTER,
        "default-information originate [always|metric <metric:number(0-16777214)>|metric-type (1|2)]...",
        "default_information",
        {
            "default-information": "Control distribution of default information",
            "originate": "Distribute a default route",
            "always": "Always advertise default route",
            **_METRIC,
        },
        read=lambda match: match.canonical.removeprefix("default-information originate").strip(),
        text=lambda words: f"default-information originate {words}".rstrip(),
    ),
)
