"""Phase 2 of IKEv1 and child SAs of IKEv2 as checks: traffic, transform sets, perfect forward secrecy, lifetimes."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.config.access import PROTOCOLS
from seikan.config.model import TransformSet
from seikan.daemon.prediction.pair import Pair
from seikan.daemon.prediction.site import Site
from seikan.daemon.prediction.stages import FlowVerdict, Phase2, Stage
from seikan.daemon.prediction.verdict import Advice, Check, End, Result
from seikan.ike.settings import FlowSettings, PhaseTwo
from seikan.ike.status import Mismatch
from seikan.wire.selector import Network, Selector

_TRANSFORM_ATTRIBUTES = ("ipsec encryption", "ipsec integrity", "ipsec mode")


def _turn(side: int, here: End, there: End) -> tuple[End, End]:
    """Ends in the order of the files of what `side` has, and the other."""
    return (here, there) if side == 0 else (there, here)


def phase2_checks(pair: Pair, side: int, verdict: FlowVerdict) -> Iterator[Check]:
    """What one flow of a side needs, whoever begins it."""
    other = pair.negotiation.there if side == 0 else pair.negotiation.here
    own = verdict.own
    directions: list[tuple[int, FlowSettings, Phase2]] = [] if own is None else [(side, verdict.settings, own)]
    for row in other:
        if row.own is not None and row.own.answered == verdict.settings:
            directions.append((1 - side, row.settings, row.own))
    if not directions:
        yield from _nobody_begins(pair, side, verdict)
        return
    working = [entry for entry in directions if entry[2].up]
    failing = [entry for entry in directions if not entry[2].up]
    for begins, settings, phase in working[:1]:
        for stage in phase.stages:
            yield Check(stage.name, Result.OK, _phase2_ends(pair, begins, settings, phase, stage))
        yield from _limits(pair, begins, settings, phase)
        if phase.rekey is not None and phase.answered is not None:
            for check in _phase2_failed(pair, begins, settings, phase, phase.rekey):
                seconds = phase.choice.seconds if phase.choice else 0
                text = (
                    f"it comes up, and fails when its keys are to be replaced, within {seconds} s: {phase.rekey.text}"
                )
                yield Check(check.name, Result.FAILS, check.ends, text, check.advice, check.both)
    for begins, settings, phase in failing[:1]:
        result = Result.NOTE if working else Result.FAILS
        for stage in phase.stages:
            if not stage.failed:
                if not working:
                    yield Check(stage.name, Result.OK, _phase2_ends(pair, begins, settings, phase, stage))
                continue
            text = f"only when {pair.name(1 - begins)} begins: {stage.text}" if working else stage.text
            for check in _phase2_failed(pair, begins, settings, phase, stage):
                yield Check(check.name, result, check.ends, text, check.advice, check.both)


def _nobody_begins(pair: Pair, side: int, verdict: FlowVerdict) -> Iterator[Check]:
    text = f"{pair.name(side)} only answers (responder-only), and the other end does not begin it"
    yield Check("selectors", Result.FAILS, _turn(side, End(_selector(verdict.settings)), End("none for it")), text)


def _selector(settings: FlowSettings) -> str:
    row = settings.selector
    words = "" if not row.protocol else f" protocol {row.protocol}"
    ports = (
        f" ports {row.local_port or 'any'} to {row.remote_port or 'any'}" if row.local_port or row.remote_port else ""
    )
    return f"{row.local} to {row.remote}{words}{ports}"


def _holder_line(site: Site, phase_two: PhaseTwo, *words: str) -> int:
    """A line of the IPsec profile or crypto map entry that a flow has its phase 2 from."""
    return site.source.within(holder_title(phase_two), *words)


def holder_title(phase_two: PhaseTwo) -> str:
    """The title of the section that `PhaseTwo.name` names."""
    return f"crypto ipsec {phase_two.name}" if phase_two.name.startswith("profile ") else phase_two.name


def _phase2_ends(pair: Pair, begins: int, settings: FlowSettings, phase: Phase2, stage: Stage) -> tuple[End, End]:
    theirs = phase.answered
    if stage.name == "selectors":
        here = End(_selector(settings), _list_line(pair, begins, settings))
        there = End(_selector(theirs), _list_line(pair, 1 - begins, theirs)) if theirs else End()
        return _turn(begins, here, there)
    ends = []
    for number, flow in ((begins, settings), (1 - begins, theirs)):
        line = 0
        if flow is not None and phase.choice is not None:
            line = _set_line(pair.sites[number], flow.phase_two, phase.choice.transform_set)
        ends.append(End(stage.agreed, line))
    return _turn(begins, ends[0], ends[1])


def _set_line(site: Site, phase_two: PhaseTwo, wanted: TransformSet) -> int:
    for row in phase_two.transform_sets:
        if (row.encryption, row.integrity) == (wanted.encryption, wanted.integrity):
            return site.source.section(f"crypto ipsec transform-set {row.name}")
    return 0


def _limits(pair: Pair, begins: int, settings: FlowSettings, phase: Phase2) -> Iterator[Check]:
    """What differs and does no harm: lifetimes, and PFS that only one end asks for."""
    theirs, choice = phase.answered, phase.choice
    if theirs is None or choice is None:
        return
    for name, attribute, unit, word in (
        ("ipsec lifetime", "lifetime_seconds", "s", "seconds"),
        ("ipsec lifetime (volume)", "lifetime_kilobytes", "kB", "kilobytes"),
    ):
        own, other = getattr(settings.phase_two, attribute), getattr(theirs.phase_two, attribute)
        if own == other:
            continue
        ends = []
        for number, flow, value in ((begins, settings, own), (1 - begins, theirs, other)):
            line = _holder_line(pair.sites[number], flow.phase_two, "set", "security-association", "lifetime", word)
            ends.append(End(f"{value} {unit}" if value else "no limit", line))
        held = choice.seconds if unit == "s" else choice.kilobytes
        yield Check(name, Result.NOTE, _turn(begins, ends[0], ends[1]), f"the smaller one holds: {held} {unit}")


def _phase2_failed(pair: Pair, begins: int, settings: FlowSettings, phase: Phase2, stage: Stage) -> Iterator[Check]:
    if stage.name == "selectors":
        yield _selectors_differ(pair, begins, settings)
        return
    answered = phase.answered
    if answered is None or not stage.mismatches:
        yield Check(stage.name, Result.FAILS)
        return
    advised: set[str] = set()
    for row in stage.mismatches:
        kind = "set" if row.attribute in _TRANSFORM_ATTRIBUTES else row.attribute
        advice = () if kind in advised else _transform_advice(pair, begins, settings, answered, row)
        advised.add(kind)
        lines = [
            _attribute_line(pair.sites[number], flow.phase_two, row.attribute)
            for number, flow in ((begins, settings), (1 - begins, answered))
        ]
        ends = _turn(begins, End(row.local, lines[0]), End(row.remote, lines[1]))
        yield Check(row.attribute, Result.FAILS, ends, advice=advice)


def _selectors_differ(pair: Pair, begins: int, settings: FlowSettings) -> Check:
    verdicts = pair.negotiation.there if begins == 0 else pair.negotiation.here
    theirs = [row.settings for row in verdicts]
    words = [_selector(row) for row in theirs]
    line = _list_line(pair, begins, settings)
    lines = {_list_line(pair, 1 - begins, row) for row in theirs}
    other = End(", ".join(words) or "none", lines.pop() if len(lines) == 1 else 0)
    advice = []
    if theirs and settings.selector.any and not any(row.selector.any for row in theirs):
        advice += _as_policy(pair, begins, settings, theirs)
    elif theirs and not settings.selector.any and all(row.selector.any for row in theirs):
        verdicts = pair.negotiation.here if begins == 0 else pair.negotiation.there
        advice += _as_policy(pair, 1 - begins, theirs[0], [row.settings for row in verdicts])
    elif theirs:
        for side, own, wanted in ((begins, settings, theirs[0]), (1 - begins, theirs[0], settings)):
            name = _list_name(pair, side, own)
            if name is not None:
                pasted = (f" no{_permit(own.selector)}", _permit(wanted.selector.mirrored()))
                advice.append(Advice(side, (f"ip access-list extended {name}", *pasted)))
    return Check(
        "selectors",
        Result.FAILS,
        _turn(begins, End(_selector(settings), line), other),
        advice=tuple(sorted(advice, key=lambda row: row.side)),
    )


def _as_policy(pair: Pair, side: int, settings: FlowSettings, theirs: list[FlowSettings]) -> list[Advice]:
    """A tunnel that negotiates what the other end's crypto map has."""
    tunnels = [point for point in pair.points[side] if point.entry is None and point.owner == settings.owner]
    if len(tunnels) != 1 or tunnels[0].interface.tunnel is None or not tunnels[0].interface.tunnel.mode.ipsec:
        return []
    name = f"{tunnels[0].interface.name}-TRAFFIC"
    permits = dict.fromkeys(_permit(row.selector.mirrored()) for row in theirs)
    lines = (f"ip access-list extended {name}", *permits, f"interface {tunnels[0].interface.name}")
    return [Advice(side, (*lines, f" tunnel protection ipsec policy ipv4 {name}"))]


def _permit(selector: Selector) -> str:
    protocol = next((word for word, number in PROTOCOLS.items() if number == (selector.protocol or None)), "")
    source, destination = hosts(selector.local), hosts(selector.remote)
    ports = [f" eq {port}" if port else "" for port in (selector.local_port, selector.remote_port)]
    return f" permit {protocol or selector.protocol} {source}{ports[0]} {destination}{ports[1]}"


def _list_name(pair: Pair, side: int, settings: FlowSettings) -> str | None:
    """The access list that a flow is a line of."""
    for point in pair.points[side]:
        if point.owner == settings.owner and point.entry is not None:
            if point.title == settings.phase_two.name:
                return point.entry.access_list
        elif point.owner == settings.owner and point.interface.tunnel is not None:
            return point.interface.tunnel.protection_policy
    return None


def _list_line(pair: Pair, side: int, settings: FlowSettings) -> int:
    name = _list_name(pair, side, settings)
    if name is None:
        return 0
    source = pair.sites[side].source
    return source.section(f"ip access-list extended {name}") or source.anywhere("access-list", name)


def _attribute_line(site: Site, phase_two: PhaseTwo, attribute: str) -> int:
    if attribute == "ipsec pfs":
        return _holder_line(site, phase_two, "set", "pfs")
    for row in phase_two.transform_sets:
        return site.source.section(f"crypto ipsec transform-set {row.name}") or site.source.anywhere(
            "crypto", "ipsec", "transform-set", row.name
        )
    return 0


def _transform_advice(
    pair: Pair, begins: int, settings: FlowSettings, answered: FlowSettings, row: Mismatch
) -> tuple[Advice, ...]:
    found = []
    for side, own, other in (
        (begins, settings.phase_two, answered.phase_two),
        (1 - begins, answered.phase_two, settings.phase_two),
    ):
        title = holder_title(own)
        if row.attribute == "ipsec pfs":
            group = other.pfs_group
            lines: tuple[str, ...] = (title, f" set pfs group{group}" if group else " no set pfs")
        else:
            wanted = other.transform_sets[0]
            name = _free_set(pair.sites[side], wanted)
            kept = _kept(pair.sites[side], own)
            lines = (*set_lines(wanted, name), title, f" set transform-set {name} {kept}".rstrip())
        found.append(Advice(side, lines))
    return tuple(sorted(found, key=lambda advice: advice.side))


def _kept(site: Site, phase_two: PhaseTwo) -> str:
    """The sets that go on being offered: none where nothing else uses the profile, or the MTU would be the least of all
    of them, and another than the other end's.
    """
    name = phase_two.name.removeprefix("profile ")
    users = [row for row in site.config.interfaces.values() if row.tunnel is not None and row.tunnel.protection == name]
    if len(users) < 2:
        return ""
    return " ".join(row.name for row in phase_two.transform_sets if row.name in site.config.ipsec.transform_sets)


def _free_set(site: Site, wanted: TransformSet) -> str:
    """The name of a set that is the wanted one already, else a name that is free."""
    taken = site.config.ipsec.transform_sets
    for name, row in taken.items():
        same = (row.encryption, row.integrity, row.transport)
        if same == (wanted.encryption, wanted.integrity, wanted.transport):
            return name
    name, number = wanted.name if wanted.name != "default" else "COMMON", 1
    while name in taken:
        number += 1
        name = f"{wanted.name}-{number}"
    return name


def set_lines(row: TransformSet, name: str) -> tuple[str, ...]:
    """A transform set as it is typed."""
    words = [row.encryption.ios_transform if row.encryption else "", row.integrity.ios if row.integrity else ""]
    header = f"crypto ipsec transform-set {name} {' '.join(word for word in words if word)}"
    return (header, " mode transport" if row.transport else " mode tunnel")


def hosts(network: Network) -> str:
    """A network as an access list names it."""
    if network.prefixlen == network.max_prefixlen:
        return f"host {network.network_address}"
    if network.prefixlen == 0:
        return "any"
    return f"{network.network_address} {network.hostmask}"
