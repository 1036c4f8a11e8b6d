"""OSPF between the two ends of a tunnel, compared in what FRR is told: the daemon's own rendering."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from seikan.config.model import Config, OspfArea, OspfAuthentication, OspfProcess
from seikan.daemon.prediction.pair import Pair
from seikan.daemon.prediction.site import Site
from seikan.daemon.prediction.verdict import Advice, Check, End, Result
from seikan.system.errors import AdapterError
from seikan.system.frr_render import Choices, choose, instance_name, ospf_area, render
from seikan.wire.secret import Secret

_HELLO, _DEAD = 10, 40  # seconds, of FRR where nothing is typed
_SHARED = ("broadcast", "non-broadcast", "point-to-multipoint")  # where masks have to be alike


@dataclass(frozen=True, slots=True)
class Speaker:
    """One end as its ospfd will have it."""

    process: OspfProcess
    area: IPv4Address
    router_id: IPv4Address | None
    network: str
    hello: int
    dead: int
    passive: bool
    mtu_ignore: bool
    authentication: OspfAuthentication
    key: Secret | None
    digests: dict[int, Secret] = field(repr=False)

    @property
    def area_settings(self) -> OspfArea:
        return next((row for row in self.process.areas if row.area == self.area), OspfArea(self.area))


def speaker(config: Config, name: str) -> Speaker | None:
    """What runs on an interface; None where no process takes it."""
    interface = config.interfaces[name]
    process = next((row for row in config.ospf.values() if ospf_area(config, row, interface, {}) is not None), None)
    if process is None:
        return None
    choices = choose(config, {}, Choices())
    try:
        sections = render(config, {}, choices=choices)[instance_name(process.process, choices)].sections
    except AdapterError:  # a key that FRR does not take: the running router says so
        return None
    words = {line: line.split() for line in sections.get(f"interface {name}", ())}
    area = ospf_area(config, process, interface, {})
    assert area is not None

    def value(*prefix: str) -> str | None:
        return next((row[-1] for row in words.values() if tuple(row[: len(prefix)]) == prefix), None)

    hello, dead = value("ip", "ospf", "hello-interval"), value("ip", "ospf", "dead-interval")
    held = next((row for row in process.areas if row.area == area), OspfArea(area))
    return Speaker(
        process,
        area,
        (choices.router_ids or {}).get(process.process),
        value("ip", "ospf", "network") or "broadcast",
        int(hello) if hello else _HELLO,
        int(dead) if dead else _DEAD,
        "ip ospf passive" in words,
        "ip ospf mtu-ignore" in words,
        interface.ospf.authentication or held.authentication or OspfAuthentication.NULL,
        interface.ospf.authentication_key,
        dict(interface.ospf.message_digest_keys),
    )


def checks(
    pair: Pair, names: tuple[str, str], configs: tuple[Config, Config], mtus: tuple[int, int]
) -> Iterator[Check]:
    """Everything that two neighbours have to have alike (RFC 2328 section 10.5), and the MTU (section 10.6).

    `names` are the interfaces in `configs`, `mtus` what packets inside the tunnel may have, in octets.
    """
    found = [speaker(config, name) for config, name in zip(configs, names, strict=True)]
    one, other = found
    if one is None and other is None:
        return
    typed = tuple(_typed(name, pair, side) for side, name in enumerate(names))
    if one is None or other is None:
        yield _alone(pair, configs, typed, found)
        return
    speakers = (one, other)
    for side in (0, 1):
        if speakers[side].passive:
            line = pair.sites[side].source.within(_title(speakers[side]), "passive-interface")
            ends = _one(side, End("passive", line), End("active"))
            word = "no passive-interface"
            advice = Advice(side, (_title(speakers[side]), f" {word} {typed[side]}"))
            yield Check("ospf passive-interface", Result.FAILS, ends, "no hello is sent", (advice,))
    yield from _same(pair, typed, speakers)
    yield from _authentication(pair, typed, speakers)
    yield from _router_ids(pair, speakers)
    yield from _mtu(pair, typed, speakers, mtus)


def _typed(name: str, pair: Pair, side: int) -> str:
    """The interface that is typed for `name`: a spoke's is its template."""
    if name.startswith("Virtual-Access"):
        return next(held for held in pair.sites[side].config.interfaces if held.startswith("Virtual-Template"))
    return name


def _title(row: Speaker) -> str:
    return f"router ospf {row.process.process}"


def _one(side: int, mine: End, theirs: End) -> tuple[End, End]:
    return (mine, theirs) if side == 0 else (theirs, mine)


def _area_line(site: Site, interface: str, row: Speaker) -> int:
    if site.config.interfaces[interface].ospf.area is not None:
        return site.line_of_interface(interface, "ip", "ospf")
    return site.source.within(_title(row), "network")


def _alone(pair: Pair, configs: tuple[Config, Config], typed: tuple[str, ...], found: list[Speaker | None]) -> Check:
    side = 0 if found[0] is None else 1
    speaking = found[1 - side]
    assert speaking is not None
    mine = End("no network line has it" if configs[side].ospf else "no OSPF")
    theirs = End(f"area {speaking.area}", _area_line(pair.sites[1 - side], typed[1 - side], speaking))
    process = next(iter(configs[side].ospf), 1)
    advice = Advice(
        side, (f"router ospf {process}", f"interface {typed[side]}", f" ip ospf {process} area {speaking.area}")
    )
    return Check("ospf", Result.FAILS, _one(side, mine, theirs), f"OSPF does not run on {typed[side]}", (advice,))


def _same(pair: Pair, typed: tuple[str, ...], rows: tuple[Speaker, Speaker]) -> Iterator[Check]:
    one, other = rows
    lines = (_area_line(pair.sites[0], typed[0], one), _area_line(pair.sites[1], typed[1], other))
    ends = (End(str(one.area), lines[0]), End(str(other.area), lines[1]))
    if one.area != other.area:
        advice = [
            Advice(
                side, (f"interface {typed[side]}", f" ip ospf {rows[side].process.process} area {rows[1 - side].area}")
            )
            for side in (0, 1)
        ]
        yield Check("ospf area", Result.FAILS, ends, "hellos of another area are dropped", tuple(advice))
    else:
        yield Check("ospf area", Result.OK, ends)
        stubs = [row.area_settings.stub for row in rows]
        if stubs[0] != stubs[1]:
            words = tuple(End("stub" if stub else "normal") for stub in stubs)
            advice = [
                Advice(side, (_title(rows[side]), f" {'' if stubs[1 - side] else 'no '}area {rows[side].area} stub"))
                for side in (0, 1)
            ]
            yield Check(
                "ospf area type", Result.FAILS, (words[0], words[1]), "the E-bit of the hellos differs", tuple(advice)
            )
    for name, command, attribute, unit in (
        ("ospf network type", "network", "network", ""),
        ("ospf hello interval", "hello-interval", "hello", " s"),
        ("ospf dead interval", "dead-interval", "dead", " s"),
    ):
        values = (getattr(one, attribute), getattr(other, attribute))
        where = [pair.sites[side].line_of_interface(typed[side], "ip", "ospf", command) for side in (0, 1)]
        ends = (End(f"{values[0]}{unit}", where[0]), End(f"{values[1]}{unit}", where[1]))
        if values[0] == values[1]:
            yield Check(name, Result.OK, ends)
            continue
        advice = [
            Advice(side, (f"interface {typed[side]}", f" ip ospf {command} {values[1 - side]}")) for side in (0, 1)
        ]
        text = "the neighbours come up and no route is learnt" if attribute == "network" else "hellos are dropped"
        yield Check(name, Result.FAILS, ends, text, tuple(advice))


def _authentication(pair: Pair, typed: tuple[str, ...], rows: tuple[Speaker, Speaker]) -> Iterator[Check]:
    one, other = rows
    where = [pair.sites[side].line_of_interface(typed[side], "ip", "ospf", "authentication") for side in (0, 1)]
    ends = (End(one.authentication.value, where[0]), End(other.authentication.value, where[1]))
    if one.authentication is not other.authentication:
        advice = [
            Advice(side, (f"interface {typed[side]}", f" ip ospf authentication{_method(rows[1 - side])}"))
            for side in (0, 1)
        ]
        yield Check("ospf authentication", Result.FAILS, ends, "packets are dropped", tuple(advice))
        return
    problem = ""
    if one.authentication is OspfAuthentication.SIMPLE and one.key != other.key:
        problem = "the keys differ (ip ospf authentication-key)"
    if one.authentication is OspfAuthentication.MESSAGE_DIGEST:
        # the youngest key is the one that is sent with
        for sender, receiver in ((one, other), (other, one)):
            last = next(reversed(sender.digests), None)
            if (last is None) != (not receiver.digests):
                problem = "an end has no key (ip ospf message-digest-key)"
            elif last is not None and last not in receiver.digests:
                problem = f"key {last} is at one end only (ip ospf message-digest-key)"
            elif last is not None and receiver.digests[last] != sender.digests[last]:
                problem = f"key {last} differs (ip ospf message-digest-key)"
    if problem:
        words = ("authentication-key",) if one.authentication is OspfAuthentication.SIMPLE else ("message-digest-key",)
        where = [pair.sites[side].line_of_interface(typed[side], "ip", "ospf", *words) for side in (0, 1)]
        ends = (End(one.authentication.value, where[0]), End(other.authentication.value, where[1]))
        yield Check("ospf authentication", Result.FAILS, ends, problem)
    elif one.authentication is not OspfAuthentication.NULL:
        yield Check("ospf authentication", Result.OK, ends)


def _method(row: Speaker) -> str:
    return {
        OspfAuthentication.NULL: " null",
        OspfAuthentication.SIMPLE: "",
        OspfAuthentication.MESSAGE_DIGEST: " message-digest",
    }[row.authentication]


def _router_ids(pair: Pair, rows: tuple[Speaker, Speaker]) -> Iterator[Check]:
    if rows[0].router_id is None or rows[0].router_id != rows[1].router_id:
        return
    lines = [site.source.within(_title(row), "router-id") for site, row in zip(pair.sites, rows, strict=True)]
    ends = (End(str(rows[0].router_id), lines[0]), End(str(rows[1].router_id), lines[1]))
    advice = []
    for side in (0, 1):
        own = pair.addresses[side]
        if isinstance(own, IPv4Address) and own != rows[0].router_id:
            advice.append(Advice(side, (_title(rows[side]), f" router-id {own}")))
    yield Check("ospf router-id", Result.FAILS, ends, "two routers with one id are no neighbours", tuple(advice))


def _mtu(pair: Pair, typed: tuple[str, ...], rows: tuple[Speaker, Speaker], mtus: tuple[int, int]) -> Iterator[Check]:
    if mtus[0] == mtus[1]:
        return
    small = 0 if mtus[0] < mtus[1] else 1
    where = [pair.sites[side].line_of_interface(typed[side], "ip", "mtu") for side in (0, 1)]
    ends = (End(f"{mtus[0]}", where[0]), End(f"{mtus[1]}", where[1]))
    if rows[small].mtu_ignore:
        yield Check("ospf mtu", Result.NOTE, ends, f"{pair.name(small)} does not mind (ip ospf mtu-ignore)")
        return
    text = f"the neighbours stay in EXSTART: {pair.name(small)} drops database descriptions of a larger MTU"
    advice = Advice(1 - small, (f"interface {typed[1 - small]}", f" ip mtu {mtus[small]}"))
    yield Check("ospf mtu", Result.FAILS, ends, text, (advice,))
