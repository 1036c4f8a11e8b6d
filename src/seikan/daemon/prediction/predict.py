"""Which parts of two configurations are for each other, and what becomes of each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice, product

from seikan.config.model import Config
from seikan.config.parse import Parsed
from seikan.daemon.access import template_name
from seikan.daemon.prediction import ospf, phase1, phase2, reach, tunnel
from seikan.daemon.prediction.negotiation import negotiate
from seikan.daemon.prediction.pair import Pair
from seikan.daemon.prediction.site import Address, Point, Site, assume, make
from seikan.daemon.prediction.source import Source
from seikan.daemon.prediction.stages import FlowVerdict
from seikan.daemon.prediction.verdict import Check, End, Link, Prediction, Result

_ACCESS = "Virtual-Access1"
_MOST_GUESSES = 32  # of addresses that a file does not have


@dataclass(slots=True)
class _Found:
    """What leads from one address to another, by side."""

    points: tuple[list[Point], list[Point]] = field(default_factory=lambda: ([], []))


def predict(one: tuple[str, str, Parsed], other: tuple[str, str, Parsed], now: datetime) -> Prediction:
    """Of two files, each as its label, its text and what was read from it; `now` judges certificates."""
    files = (one, other)
    sources = tuple(Source(text, parsed.places) for _, text, parsed in files)
    sites = tuple(make(label, parsed.config, source) for (label, _, parsed), source in zip(files, sources, strict=True))
    both = (sites[0], sites[1])
    guesses = [_guesses(both, side) for side in (0, 1)]
    tried = [_predict(both, assumed, now) for assumed in islice(product(*guesses), _MOST_GUESSES)]
    return min(tried, key=_failing)


def _guesses(sites: tuple[Site, Site], side: int) -> list[dict[str, Address]]:
    """What the addresses may be that a file does not have, by interface; one empty guess where it has all."""
    names = assume(sites[side], sites[1 - side])
    return [dict(zip(names, chosen, strict=True)) for chosen in product(*names.values())]


def _failing(prediction: Prediction) -> tuple[bool, int]:
    """The less, the better an assumption fits."""
    failing = sum(check.result is Result.FAILS for link in prediction.links for check in link.checks)
    return not prediction.links, failing


def _predict(files: tuple[Site, Site], assumed: tuple[dict[str, Address], ...], now: datetime) -> Prediction:
    sites = [
        make(site.label, site.config, site.source, known) if known else site
        for site, known in zip(files, assumed, strict=True)
    ]
    both = (sites[0], sites[1])
    remarks = [
        f"{site.label}: {name} has no address in the file; it is taken to be {address}"
        for site, known in zip(both, assumed, strict=True)
        for name, address in known.items()
    ]
    links: list[Link] = []
    for addresses, found in _ends(both).items():
        negotiation = negotiate(both[0].settings, both[1].settings, *addresses, now)
        pair = Pair(both, addresses, (tuple(found.points[0]), tuple(found.points[1])), negotiation)
        links += _links(pair)
    remarks += _elsewhere(both)
    if not links:
        remarks.append("nothing in either file leads to an address of the other")
    return Prediction(tuple(links), tuple(remarks))


def _ends(sites: tuple[Site, Site]) -> Mapping[tuple[Address, Address], _Found]:
    """By the addresses of both, in the order of the files, what of each leads to the other."""
    found: dict[tuple[Address, Address], _Found] = {}
    for side, site in enumerate(sites):
        for point in site.points:
            if point.local is not None and point.remote in sites[1 - side].addresses:
                assert point.remote is not None
                key = (point.local, point.remote) if side == 0 else (point.remote, point.local)
                found.setdefault(key, _Found()).points[side].append(point)
    _join_halves(found)
    return found


def _join_halves(found: dict[tuple[Address, Address], _Found]) -> None:
    """Two ends of which one begins elsewhere than the other leads belong together all the same."""
    lonely = [key for key, ends in found.items() if not ends.points[1]]
    for key in lonely:
        for other, ends in list(found.items()):
            if other != key and not ends.points[0] and (other[0] == key[0] or other[1] == key[1]) and key in found:
                found[key].points[1].extend(ends.points[1])
                del found[other]
                break


def _elsewhere(sites: tuple[Site, Site]) -> Iterator[str]:
    """What leads neither to the other file's router nor is part of a link."""
    for side, site in enumerate(sites):
        other = sites[1 - side]
        for point in site.points:
            if point.remote is not None and point.remote not in other.addresses:
                yield f"{site.label}: {point.name} leads to {point.remote}, which is no address of {other.label}"
            elif point.remote is None:
                held = point.interface.tunnel
                name = held.destination_name if held is not None else None
                yield f"{site.label}: {point.name} " + (
                    f"leads to {name}, and names are not looked up here" if name else "has no tunnel destination"
                )
            elif point.local is None:
                yield f"{site.label}: {point.name}: its own address is not in the file"


# --- links -----------------------------------------------------------------------------------------


def _links(pair: Pair) -> Iterator[Link]:
    mine, theirs = list(pair.points[0]), list(pair.points[1])
    while mine or theirs:
        point = mine.pop(0) if mine else None
        other = _counterpart(point, theirs) if point is not None else theirs[0]
        if other is not None:
            theirs.remove(other)
        yield _link(pair, point, other)


def _counterpart(point: Point, theirs: list[Point]) -> Point | None:
    """Of the other end's the one that is most like it: the same kind, the same GRE key, the same traffic."""

    def likeness(other: Point) -> tuple[bool, bool]:
        kind = (point.entry is None) == (other.entry is None)
        one, two = point.interface.tunnel, other.interface.tunnel
        return kind, one is not None and two is not None and one.key == two.key

    return max(theirs, key=likeness, default=None)


def _title(pair: Pair, side: int, point: Point | None, fallback: str) -> str:
    address = pair.addresses[side]
    return f"{pair.name(side)} {point.name if point is not None else fallback} ({address})"


def _flows_of(pair: Pair, side: int, point: Point | None) -> list[FlowVerdict]:
    verdicts = pair.negotiation.here if side == 0 else pair.negotiation.there
    if point is None:
        return []
    return [
        row
        for row in verdicts
        if row.settings.owner == point.owner and (point.entry is None or row.settings.phase_two.name == point.title)
    ]


def _link(pair: Pair, one: Point | None, other: Point | None) -> Link:
    points = (one, other)
    titles: list[str] = []
    for side in (0, 1):
        titles.append(_title(pair, side, points[side], _hub_of(pair, side) or "nothing"))
    return Link((titles[0], titles[1]), tuple(_unique(_checks(pair, points))))


def _unique(checks: Iterator[Check]) -> Iterator[Check]:
    """The same check of several flows once."""
    seen: list[Check] = []
    for check in checks:
        if check not in seen:
            seen.append(check)
            yield check


def _hub_of(pair: Pair, side: int) -> str | None:
    """What a router has for peers that it does not name, at the pair's address."""
    site, local = pair.sites[side], pair.addresses[side]
    for template in site.settings.templates:
        if template.local in (None, local):
            return template_name(template.number)
    for row in site.settings.dynamic_maps:
        if row.local == local:
            return f"dynamic crypto map on {row.owner}"
    return None


def _checks(pair: Pair, points: tuple[Point | None, Point | None]) -> Iterator[Check]:
    down = False
    for side in (0, 1):
        point = points[side]
        if point is not None and point.entry is None:
            for check in tunnel.own_checks(pair, side, point):
                down |= check.result is Result.FAILS
                yield check
    one, other = points
    missing = [side for side in (0, 1) if points[side] is None and _hub_of(pair, side) is None]
    if missing:
        yield _missing(pair, missing[0])
        return
    if one is not None and other is not None and (one.local, one.remote) != (other.remote, other.local):
        yield _crossed(pair, one, other)
        return
    protected = any(point is not None and _protected(point) for point in points)
    gre = any(_is_gre(point) for point in points if point is not None)
    yield from reach.checks(pair, protected=protected, gre=gre)
    tunnels = one is not None and other is not None and one.entry is None and other.entry is None
    if one is not None and other is not None and tunnels:
        yield from tunnel.pair_checks(pair, (one, other))
    if protected and not down:
        yield from _negotiated(pair, points)
    yield from _inside(pair, points)


def _protected(point: Point) -> bool:
    held = point.interface.tunnel
    return point.entry is not None or (held is not None and (held.mode.ipsec or held.protection is not None))


def _is_gre(point: Point) -> bool:
    held = point.interface.tunnel
    return point.entry is None and held is not None and not held.mode.ipsec


def _missing(pair: Pair, side: int) -> Check:
    peer, local = pair.peer_of(side), pair.addresses[side]
    near = [
        point
        for point in pair.sites[side].points
        if (point.local == local or point.remote == peer) and point not in pair.points[side]
    ]
    text = f"nothing of {pair.name(side)} leads from {local} to {peer}"
    if near:
        text += "; " + ", ".join(f"{point.name} leads from {point.local} to {point.remote}" for point in near)
    line = pair.sites[side].source.section(near[0].title) if near else 0
    ends = (End("nothing", line), End()) if side == 0 else (End(), End("nothing", line))
    return Check("other end", Result.FAILS, ends, text)


def _crossed(pair: Pair, one: Point, other: Point) -> Check:
    lines = [site.source.section(point.title) for site, point in zip(pair.sites, (one, other), strict=True)]
    ends = (End(f"{one.local} to {one.remote}", lines[0]), End(f"{other.local} to {other.remote}", lines[1]))
    text = "one end leads to another address than the one from which the other end sends"
    return Check("tunnel ends", Result.FAILS, ends, text)


def _negotiated(pair: Pair, points: tuple[Point | None, Point | None]) -> Iterator[Check]:
    yield from phase1.phase1_checks(pair)
    for side in (0, 1):
        for verdict in _flows_of(pair, side, points[side]):
            yield from phase2.phase2_checks(pair, side, verdict)


# --- what runs inside ------------------------------------------------------------------------------


def _inside(pair: Pair, points: tuple[Point | None, Point | None]) -> Iterator[Check]:
    """MTU and OSPF, where both ends are interfaces; a hub's is the one that the spoke will get."""
    ends: list[Point] = []
    configs: list[Config] = []
    for side in (0, 1):
        point, config = points[side], pair.sites[side].config
        if point is None:
            point, config = _access(pair, side)
        if point is None or point.entry is not None or point.interface.tunnel is None:
            return
        ends.append(point)
        configs.append(config)
    both = (ends[0], ends[1])
    transport = _transport(pair, points)
    mtus, check = tunnel.mtu_checks(pair, both, transport)
    yield check
    yield from ospf.checks(pair, (both[0].interface.name, both[1].interface.name), (configs[0], configs[1]), mtus)
    if all(config.ospf for config in configs):
        yield from reach.learnt_recursion(pair, both)


def _transport(pair: Pair, points: tuple[Point | None, Point | None]) -> bool:
    """Whether the SAs will be in transport mode; so taken where there will be none."""
    for side in (0, 1):
        for row in _flows_of(pair, side, points[side]):
            if row.own is not None and row.own.choice is not None:
                return row.own.choice.transform_set.transport
    return True


def _access(pair: Pair, side: int) -> tuple[Point | None, Config]:
    site, local, peer = pair.sites[side], pair.addresses[side], pair.peer_of(side)
    config = site.config
    for template in site.settings.templates:
        held = config.interfaces.get(template_name(template.number))
        if held is not None and template.local in (None, local):
            made = tunnel.clone(held, _ACCESS, local, peer)
            config = replace(config, interfaces={**config.interfaces, _ACCESS: made})
            return Point(f"interface {held.name}", _ACCESS, made, local, peer), config
    return None, config
