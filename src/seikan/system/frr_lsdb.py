"""The link-state database in the words of FRR's detailed commands, as frozen data.

The text is read and not the JSON, because the latter's keys differ from one release of FRR to the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

ROUTER, NETWORK, SUMMARY, ASBR_SUMMARY, EXTERNAL = 1, 2, 3, 4, 5  # RFC 2328 section 12.1.3
# LSA type, word of `show ip ospf database …`.
LSA_KINDS = (
    (ROUTER, "router"),
    (NETWORK, "network"),
    (SUMMARY, "summary"),
    (ASBR_SUMMARY, "asbr-summary"),
    (EXTERNAL, "external"),
)
_POINT_TO_POINT, _TRANSIT, _STUB, _VIRTUAL = 1, 2, 3, 4  # RFC 2328 appendix A.4.2
_LINK_KINDS = {
    "another Router (point-to-point)": _POINT_TO_POINT,
    "a Transit Network": _TRANSIT,
    "Stub Network": _STUB,
    "a Virtual Link": _VIRTUAL,
}
_AREA_BORDER, _AS_BOUNDARY = 0x1, 0x2  # bits B and E of a router LSA


@dataclass(frozen=True, slots=True)
class LsaLink:
    """One link of a router LSA (RFC 2328 appendix A.4.2); `kind` is 1 point-to-point, 2 transit, 3 stub, 4 virtual."""

    kind: int
    link_id: IPv4Address
    link_data: IPv4Address
    metric: int


@dataclass(frozen=True, slots=True)
class Lsa:
    """One LSA. `kind` is 1 router, 2 network, 3 summary, 4 ASBR summary, 5 external; the last has no area.

    `links`, `router_links` and the two bits belong to router LSAs, `attached` to network LSAs, `metric` to kinds 3,
    4 and 5, `tag`, `metric_type` and `forward` to kind 5.
    """

    area: IPv4Address | None
    kind: int
    link_state_id: IPv4Address
    advertising_router: IPv4Address
    age: int
    sequence: int
    checksum: int
    options: int | None = None
    length: int | None = None
    links: int | None = None
    router_links: tuple[LsaLink, ...] = ()
    area_border: bool = False
    as_boundary: bool = False
    prefix_length: int | None = None
    attached: tuple[IPv4Address, ...] = ()
    metric: int | None = None
    metric_type: int | None = None
    forward: IPv4Address | None = None
    tag: int | None = None


def parse_database(details: Mapping[int, str]) -> tuple[Lsa, ...]:
    """The text of the detailed commands by LSA kind -> every LSA, in FRR's order."""
    return tuple(lsa for kind, _ in LSA_KINDS for lsa in _lsas(kind, details.get(kind, "")))


def _lsas(kind: int, text: str) -> Iterator[Lsa]:
    """Each LSA starts at its age; the heading of the area stands before its first one."""
    area: IPv4Address | None = None
    for part in re.split(r"(?m)^(?=\s*LS age:)|(?=^.*Link States)", text.replace("\r", "")):
        heading = re.search(r"Link States.*\(Area ([\d.]+)", part)
        if heading is not None:
            area = IPv4Address(heading[1])
        lsa = _lsa(kind, area, part)
        if lsa is not None:
            yield lsa


def _lsa(kind: int, area: IPv4Address | None, text: str) -> Lsa | None:
    age, identity = _number(r"LS age: (\d+)", text), _address(r"Link State ID: ([\d.]+)", text)
    router, sequence = (
        _address(r"Advertising Router: ([\d.]+)", text),
        _number(r"LS Seq Number: ([\da-f]+)", text, 16),
    )
    checksum = _number(r"Checksum: 0x([\da-f]+)", text, 16)
    if age is None or identity is None or router is None or sequence is None or checksum is None:
        return None
    flags = _number(r"^ *Flags: 0x([\da-f]+)", text, 16) or 0
    return Lsa(
        area=None if kind == EXTERNAL else area,
        kind=kind,
        link_state_id=identity,
        advertising_router=router,
        age=age,
        sequence=sequence,
        checksum=checksum,
        options=_number(r"Options: 0x([\da-f]+)", text, 16),
        length=_number(r"Length: (\d+)", text),
        links=_number(r"Number of Links: (\d+)", text),
        router_links=tuple(_links(text)),
        area_border=bool(flags & _AREA_BORDER),
        as_boundary=bool(flags & _AS_BOUNDARY),
        # An ASBR summary has a mask on the wire, which means nothing (RFC 2328 appendix A.4.4).
        prefix_length=None if kind == ASBR_SUMMARY else _number(r"^ *Network Mask: /(\d+)", text),
        attached=tuple(IPv4Address(found) for found in re.findall(r"Attached Router: ([\d.]+)", text)),
        metric=None if kind in (ROUTER, NETWORK) else _number(r"Metric: (\d+)", text),
        metric_type=_number(r"Metric Type: (\d)", text),
        forward=_address(r"Forward Address: ([\d.]+)", text),
        tag=_number(r"External Route Tag: (\d+)", text),
    )


def _links(text: str) -> Iterator[LsaLink]:
    for part in text.split("Link connected to: ")[1:]:
        identity, data = _address(r"\(Link ID\)[^:]*: ([\d.]+)", part), _address(r"\(Link Data\)[^:]*: ([\d.]+)", part)
        kind, metric = _LINK_KINDS.get(part.partition("\n")[0].strip()), _number(r"TOS 0 Metric: (\d+)", part)
        if kind is not None and identity is not None and data is not None and metric is not None:
            yield LsaLink(kind, identity, data, metric)


def _number(pattern: str, text: str, base: int = 10) -> int | None:
    found = re.search(pattern, text, re.MULTILINE)
    return None if found is None else int(found[1], base)


def _address(pattern: str, text: str) -> IPv4Address | None:
    found = re.search(pattern, text)
    return None if found is None else IPv4Address(found[1])


def own_router_id(text: str) -> IPv4Address | None:
    """The router that a detailed command's answer comes from."""
    return _address(r"OSPF Router with ID \(([\d.]+)\)", text)


def advertisers(lsas: Iterable[Lsa], own: IPv4Address | None) -> dict[IPv4Network, IPv4Address]:
    """Which other router advertises each network; a network that several do is left out, as the winner is not told."""
    found: dict[IPv4Network, set[IPv4Address]] = {}
    for lsa in lsas:
        if lsa.advertising_router != own:
            for network in _networks(lsa):
                found.setdefault(network, set()).add(lsa.advertising_router)
    return {network: routers.pop() for network, routers in found.items() if len(routers) == 1}


def _networks(lsa: Lsa) -> Iterator[IPv4Network]:
    if lsa.prefix_length is not None:
        yield IPv4Network((int(lsa.link_state_id), lsa.prefix_length), strict=False)
    for link in lsa.router_links:
        if link.kind == _STUB:
            yield IPv4Network((int(link.link_id), str(link.link_data)), strict=False)
