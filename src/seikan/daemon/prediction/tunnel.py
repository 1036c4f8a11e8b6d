"""The two interfaces of a tunnel: state, mode, key, addresses, and how much fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Interface

from seikan.config.model import Config, Interface, Tunnel, TunnelMode
from seikan.config.validate import tunnel_problems
from seikan.daemon.prediction.pair import Pair
from seikan.daemon.prediction.site import Point, Site
from seikan.daemon.prediction.verdict import Advice, Check, End, Result
from seikan.daemon.settings import inner_mtu
from seikan.system.frr_render import primary_address

_KINDS = {
    TunnelMode.GRE_IP: "gre ip",
    TunnelMode.GRE_IPV6: "gre ipv6",
}
_OUTER = {TunnelMode.IPSEC_IPV4: "ipsec", TunnelMode.IPSEC_IPV6: "ipsec", TunnelMode.IPSEC_DUAL_OVERLAY: "ipsec"}


def _tunnel(point: Point) -> Tunnel:
    assert point.interface.tunnel is not None
    return point.interface.tunnel


def own_checks(pair: Pair, side: int, point: Point) -> Iterator[Check]:
    """What keeps one end down by itself."""
    site, interface = pair.sites[side], point.interface
    if interface.shutdown:
        end = End("shut down", site.line_of_interface(interface.name, "shutdown"))
        advice = Advice(side, (f"interface {interface.name}", " no shutdown"))
        yield Check("interface", Result.FAILS, _one(side, end), "it is administratively down", (advice,))
    for problem in tunnel_problems(site.config, interface.name):
        end = End("cannot run", site.line_of_interface(interface.name))
        yield Check("interface", Result.FAILS, _one(side, end), f"{interface.name}: {problem}")
    tunnel = _tunnel(point)
    if point.local is None and tunnel.source is not None:
        end = End(f"{tunnel.source} has no address", site.line_of_interface(interface.name, "tunnel", "source"))
        yield Check("tunnel source", Result.UNKNOWN, _one(side, end), "the file gives it no address")


def _one(side: int, mine: End, theirs: End | None = None) -> tuple[End, End]:
    theirs = theirs or End()
    return (mine, theirs) if side == 0 else (theirs, mine)


def _words(site: Site, point: Point, value: str, *words: str) -> End:
    return End(value, site.source.within(point.title, *words))


def pair_checks(pair: Pair, points: tuple[Point, Point]) -> Iterator[Check]:
    """What the two ends have to have alike."""
    tunnels = (_tunnel(points[0]), _tunnel(points[1]))
    yield _mode(pair, points, tunnels)
    protections = tuple(
        _words(site, point, tunnel.protection or "none", "tunnel", "protection")
        for site, point, tunnel in zip(pair.sites, points, tunnels, strict=True)
    )
    if (tunnels[0].protection is None) != (tunnels[1].protection is None):
        bare = 0 if tunnels[0].protection is None else 1
        profiles = pair.sites[bare].config.ipsec.profiles
        name = next(iter(profiles), "<a profile>")
        lines = (f"interface {points[bare].interface.name}", f" tunnel protection ipsec profile {name}")
        text = "one end sends in clear what the other takes inside ESP only"
        ends = (protections[0], protections[1])
        yield Check("tunnel protection", Result.FAILS, ends, text, (Advice(bare, lines),))
    if not tunnels[0].mode.ipsec and not tunnels[1].mode.ipsec:
        yield from _gre(pair, points, tunnels)
    yield from _addresses(pair, points)


def _mode(pair: Pair, points: tuple[Point, Point], tunnels: tuple[Tunnel, Tunnel]) -> Check:
    kinds = [_OUTER.get(tunnel.mode) or _KINDS[tunnel.mode] for tunnel in tunnels]
    ends = tuple(
        _words(site, point, tunnel.mode.value, "tunnel", "mode")
        for site, point, tunnel in zip(pair.sites, points, tunnels, strict=True)
    )
    if kinds[0] == kinds[1]:
        return Check("tunnel mode", Result.OK, (ends[0], ends[1]))
    advice = tuple(
        Advice(side, (f"interface {points[side].interface.name}", f" tunnel mode {tunnels[1 - side].mode.value}"))
        for side in (0, 1)
    )
    return Check("tunnel mode", Result.FAILS, (ends[0], ends[1]), "the packets inside are not alike", advice)


def _gre(pair: Pair, points: tuple[Point, Point], tunnels: tuple[Tunnel, Tunnel]) -> Iterator[Check]:
    keys = [tunnel.key for tunnel in tunnels]
    if any(key is not None for key in keys):
        ends = tuple(
            _words(site, point, "none" if key is None else str(key), "tunnel", "key")
            for site, point, key in zip(pair.sites, points, keys, strict=True)
        )
        advice = tuple(
            Advice(
                side,
                (
                    f"interface {points[side].interface.name}",
                    " no tunnel key" if keys[1 - side] is None else f" tunnel key {keys[1 - side]}",
                ),
            )
            for side in (0, 1)
        )
        if keys[0] == keys[1]:
            yield Check("tunnel key", Result.OK, (ends[0], ends[1]))
        else:
            text = "GRE packets with another key are for nobody"
            yield Check("tunnel key", Result.FAILS, (ends[0], ends[1]), text, advice)
    asking = [tunnel.keepalive for tunnel in tunnels]
    if asking[0] != asking[1]:
        ends = tuple(
            _words(site, point, "off" if row is None else f"{row.period} s, {row.retries} times", "keepalive")
            for site, point, row in zip(pair.sites, points, asking, strict=True)
        )
        quiet = [pair.name(side) for side, row in enumerate(asking) if row is None]
        text = f"{quiet[0]} does not notice that the other end is gone" if quiet else "each end asks in its own time"
        yield Check("tunnel keepalive", Result.NOTE, (ends[0], ends[1]), text)


# --- addresses inside ------------------------------------------------------------------------------


def inner_address(config: Config, interface: Interface) -> IPv4Interface | None:
    return primary_address(config, interface.name, {})


def _addresses(pair: Pair, points: tuple[Point, Point]) -> Iterator[Check]:
    held = [inner_address(site.config, point.interface) for site, point in zip(pair.sites, points, strict=True)]
    ends = tuple(
        _words(site, point, "none" if address is None else str(address), "ip", "address")
        if point.interface.unnumbered is None
        else _words(site, point, f"{address} of {point.interface.unnumbered}", "ip", "unnumbered")
        for site, point, address in zip(pair.sites, points, held, strict=True)
    )
    ends = (ends[0], ends[1])
    one, other = held
    if one is None or other is None:
        if points[0].interface.ipv6_addresses or points[1].interface.ipv6_addresses:
            return
        side = 0 if one is None else 1
        text = f"{points[side].interface.name} has no address: {pair.name(side)} sends nothing of IPv4 through it"
        yield Check("tunnel address", Result.FAILS, ends, text)
    elif one.ip == other.ip:
        yield Check("tunnel address", Result.FAILS, ends, f"both ends have {one.ip}")
    elif points[0].interface.unnumbered or points[1].interface.unnumbered:
        numbered = [side for side in (0, 1) if points[side].interface.unnumbered is None]
        if not numbered or held[1 - numbered[0]].ip in held[numbered[0]].network:  # type: ignore[union-attr]
            yield Check("tunnel address", Result.OK, ends)
        else:
            yield Check("tunnel address", _apart(pair, points), ends, _APART)
    elif one.network == other.network:
        yield Check("tunnel address", Result.OK, ends)
    elif other.ip in one.network and one.ip in other.network:
        yield Check("tunnel address", Result.NOTE, ends, "the masks differ")
    else:
        yield Check("tunnel address", _apart(pair, points), ends, _APART)


_APART = "the ends are in different subnets: neither reaches the other's address without a route, and OSPF not at all"


def _apart(pair: Pair, points: tuple[Point, Point]) -> Result:
    """Different subnets are the end of OSPF; what has static routes works."""
    runs = [bool(site.config.ospf) for site in pair.sites]
    return Result.FAILS if all(runs) else Result.NOTE


# --- MTU -------------------------------------------------------------------------------------------


def mtu(site: Site, interface: Interface, outer: Tunnel, *, transport: bool) -> int:
    """What the tunnel interface will have for its packets, in octets, without a NAT."""
    remote = outer.destination
    route = site.view.routes.get(remote) if remote is not None else None
    source = site.config.interfaces.get(outer.source) if isinstance(outer.source, str) else None
    link = route.mtu if route is not None else (source.mtu if source is not None else None) or 1500
    fits = inner_mtu(
        site.config,
        outer,
        link,
        outer_ipv6=remote is not None and remote.version == 6,
        udp=False,
        transport=transport,
    )
    return interface.ip_mtu or interface.mtu or fits


def mtu_checks(pair: Pair, points: tuple[Point, Point], transport: bool) -> tuple[tuple[int, int], Check]:
    """The MTU at both ends, and how that is."""
    found = tuple(
        mtu(site, point.interface, _tunnel(point), transport=transport)
        for site, point in zip(pair.sites, points, strict=True)
    )
    ends = tuple(
        _words(site, point, f"{octets}", "ip", "mtu")
        for site, point, octets in zip(pair.sites, points, found, strict=True)
    )
    mtus = (found[0], found[1])
    if mtus[0] == mtus[1]:
        return mtus, Check("mtu", Result.OK, (ends[0], ends[1]))
    text = "packets of the end with more do not arrive whole at the other" if min(mtus) else ""
    return mtus, Check("mtu", Result.NOTE, (ends[0], ends[1]), text)


def clone(template: Interface, name: str, source: object, destination: object) -> Interface:
    """What a spoke gets from a Virtual-Template."""
    assert template.tunnel is not None
    return replace(template, name=name, tunnel=replace(template.tunnel, source=source, destination=destination))  # type: ignore[arg-type]
