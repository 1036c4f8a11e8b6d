"""show ip ospf database: the link states, as a list or in full for one kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address

from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.ospf import OSPF
from seikan.cli.show.text import FRR_SILENT, area_name
from seikan.cli.status import Lsa, LsaLink, OspfStatus, Status

_ROUTER, _NETWORK, _SUMMARY, _ASBR_SUMMARY, _EXTERNAL = 1, 2, 3, 4, 5

_TITLES = {
    _ROUTER: "Router Link States",
    _NETWORK: "Net Link States",
    _SUMMARY: "Summary Net Link States",
    _ASBR_SUMMARY: "Summary ASB Link States",
    _EXTERNAL: "Type-5 AS External Link States",
}
_TYPES = {
    _ROUTER: ("Router Links", ""),
    _NETWORK: ("Network Links", " (address of Designated Router)"),
    _SUMMARY: ("Summary Links(Network)", " (summary Network Number)"),
    _ASBR_SUMMARY: ("Summary Links(AS Boundary Router)", " (AS Boundary Router address)"),
    _EXTERNAL: ("AS External Link", " (External Network Number )"),
}
# RFC 2328 appendix A.4.2: the link's type, what its ID is and what its data is.
_LINKS = {
    1: ("another Router (point-to-point)", "Neighboring Router ID", "Router Interface address"),
    2: ("a Transit Network", "Designated Router address", "Router Interface address"),
    3: ("a Stub Network", "Network/subnet number", "Network Mask"),
    4: ("a Virtual Link", "Neighboring Router ID", "Router Interface address"),
}
_DEMAND_CIRCUITS = 0x20


def _sections(row: OspfStatus, kinds: tuple[int, ...], keep: Callable[[Lsa], bool]) -> Iterator[tuple[str, list[Lsa]]]:
    """Title and LSAs of each section that is not empty, in the order of IOS: area by area, external last."""
    areas = sorted({lsa.area for lsa in row.database if lsa.area is not None})
    for area in areas:
        for kind in kinds:
            chosen = [lsa for lsa in row.database if lsa.kind == kind and lsa.area == area and keep(lsa)]
            if chosen and kind != _EXTERNAL:
                yield f"\t\t{_TITLES[kind]} (Area {area_name(area)})", _sorted(chosen)
    external = [lsa for lsa in row.database if lsa.kind == _EXTERNAL and keep(lsa)]
    if external and _EXTERNAL in kinds:
        yield f"\t\t{_TITLES[_EXTERNAL]}", _sorted(external)


def _sorted(lsas: list[Lsa]) -> list[Lsa]:
    return sorted(lsas, key=lambda lsa: (lsa.link_state_id, lsa.advertising_router))


def _list(lsas: list[Lsa]) -> Iterator[str]:
    kind = lsas[0].kind
    last = " Link count" if kind == _ROUTER else " Tag" if kind == _EXTERNAL else ""
    yield f"Link ID         ADV Router      Age         Seq#       Checksum{last}"
    for lsa in lsas:
        line = (
            f"{lsa.link_state_id!s:<16}{lsa.advertising_router!s:<16}{lsa.age:<12}"
            f"0x{lsa.sequence & 0xFFFFFFFF:08X} 0x{lsa.checksum:06X}"
        )
        if kind == _ROUTER:
            line += f" {len(lsa.router_links) if lsa.links is None else lsa.links}"
        elif kind == _EXTERNAL:
            line += f" {lsa.tag or 0}"
        yield line


def _options(options: int | None) -> str:
    circuits = "DC" if options is not None and options & _DEMAND_CIRCUITS else "No DC"
    return f"(No TOS-capability, {circuits})"


def _full(lsa: Lsa) -> Iterator[str]:
    name, remark = _TYPES[lsa.kind]
    yield f"  LS age: {lsa.age}"
    yield f"  Options: {_options(lsa.options)}"
    yield f"  LS Type: {name}"
    yield f"  Link State ID: {lsa.link_state_id}{remark}"
    yield f"  Advertising Router: {lsa.advertising_router}"
    yield f"  LS Seq Number: {lsa.sequence & 0xFFFFFFFF:08X}"
    yield f"  Checksum: 0x{lsa.checksum:X}"
    if lsa.length is not None:
        yield f"  Length: {lsa.length}"
    if lsa.prefix_length is not None:
        yield f"  Network Mask: /{lsa.prefix_length}"
    yield from _BODIES[lsa.kind](lsa)
    yield ""


def _router_body(lsa: Lsa) -> Iterator[str]:
    if lsa.area_border:
        yield "  Area Border Router"
    if lsa.as_boundary:
        yield "  AS Boundary Router"
    yield f"  Number of Links: {len(lsa.router_links) or lsa.links or 0}"
    yield ""
    for link in lsa.router_links:
        yield from _link(link)


def _link(link: LsaLink) -> Iterator[str]:
    kind, identity, data = _LINKS.get(link.kind, _LINKS[1])
    yield f"    Link connected to: {kind}"
    yield f"     (Link ID) {identity}: {link.link_id}"
    yield f"     (Link Data) {data}: {link.link_data}"
    yield "      Number of MTID metrics: 0"
    yield f"       TOS 0 Metrics: {link.metric}"
    yield ""


def _network_body(lsa: Lsa) -> Iterator[str]:
    for router in lsa.attached:
        yield f"\tAttached Router: {router}"


def _summary_body(lsa: Lsa) -> Iterator[str]:
    if lsa.metric is not None:
        yield f"\tMTID: 0 \tMetric: {lsa.metric} "


def _external_body(lsa: Lsa) -> Iterator[str]:
    if lsa.metric_type is not None:
        meaning = (
            "Larger than any link state path" if lsa.metric_type == 2 else "Comparable directly to link state metric"
        )
        yield f"\tMetric Type: {lsa.metric_type} ({meaning})"
        yield "\tMTID: 0 "
    if lsa.metric is not None:
        yield f"\tMetric: {lsa.metric} "
    if lsa.forward is not None:
        yield f"\tForward Address: {lsa.forward}"
    yield f"\tExternal Route Tag: {lsa.tag or 0}"


_BODIES: dict[int, Callable[[Lsa], Iterator[str]]] = {
    _ROUTER: _router_body,
    _NETWORK: _network_body,
    _SUMMARY: _summary_body,
    _ASBR_SUMMARY: _summary_body,
    _EXTERNAL: _external_body,
}


def _database(status: Status, kinds: tuple[int, ...], full: bool, own: bool = False) -> Iterator[str]:
    if status.ospf is None:
        yield FRR_SILENT
        return
    for row in status.ospf:
        router_id = row.router_id
        yield ""
        yield f"            OSPF Router with ID ({router_id}) (Process ID {row.process})"

        def keep(lsa: Lsa, router_id: IPv4Address = router_id) -> bool:
            return not own or lsa.advertising_router == router_id

        for title, lsas in _sections(row, kinds, keep):
            yield ""
            yield title
            yield ""
            if full:
                for lsa in lsas:
                    yield from _full(lsa)
            else:
                yield from _list(lsas)


def show_database(status: Status, arguments: Arguments) -> Iterator[str]:
    return _database(status, tuple(_TITLES), full=False)


def show_own(status: Status, arguments: Arguments) -> Iterator[str]:
    return _database(status, tuple(_TITLES), full=False, own=True)


def show_router(status: Status, arguments: Arguments) -> Iterator[str]:
    return _database(status, (_ROUTER,), full=True)


def show_network(status: Status, arguments: Arguments) -> Iterator[str]:
    return _database(status, (_NETWORK,), full=True)


def show_summary(status: Status, arguments: Arguments) -> Iterator[str]:
    return _database(status, (_SUMMARY,), full=True)


def show_asbr_summary(status: Status, arguments: Arguments) -> Iterator[str]:
    return _database(status, (_ASBR_SUMMARY,), full=True)


def show_external(status: Status, arguments: Arguments) -> Iterator[str]:
    return _database(status, (_EXTERNAL,), full=True)


_HELP = {
    "show": "Show running system information",
    "ip": "IP information",
    "ospf": "OSPF information",
    "database": "Database summary",
    "router": "Router link states",
    "network": "Network link states",
    "summary": "Network summary link states",
    "asbr-summary": "ASBR summary link states",
    "external": "External link states",
    "self-originate": "Self-originated link states",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show ip ospf database", _HELP, OSPF, show_database),
    ShowCommand("show ip ospf database router", _HELP, OSPF, show_router),
    ShowCommand("show ip ospf database network", _HELP, OSPF, show_network),
    ShowCommand("show ip ospf database summary", _HELP, OSPF, show_summary),
    ShowCommand("show ip ospf database asbr-summary", _HELP, OSPF, show_asbr_summary),
    ShowCommand("show ip ospf database external", _HELP, OSPF, show_external),
    ShowCommand("show ip ospf database self-originate", _HELP, OSPF, show_own),
)
