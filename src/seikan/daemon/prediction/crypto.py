"""IKEv1 and IPsec between two addresses as checks: what each end has, where it says so, and what would mend it."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.config.access import PROTOCOLS
from seikan.config.model import IsakmpPolicy, Keepalive, TransformSet
from seikan.daemon.prediction.ikev1 import FlowVerdict, Phase1, Phase2, Stage
from seikan.daemon.prediction.pair import Pair
from seikan.daemon.prediction.site import Address, Site
from seikan.daemon.prediction.verdict import Advice, Check, End, Result
from seikan.ike.policy import describe, negotiable
from seikan.ike.preshared import GLOBAL, Key
from seikan.ike.settings import FlowSettings, PhaseTwo, TunnelSettings
from seikan.ike.status import Mismatch
from seikan.wire.constants import IdentityType
from seikan.wire.selector import Network, Selector

_ROUND = 10  # the step of sequence numbers that people type
_DEFAULT_POLICY = IsakmpPolicy(_ROUND, "aes-cbc-256", "sha256", "pre-share", 14)
_POLICY_WORDS = {
    "isakmp encryption": "encryption",
    "isakmp hash": "hash",
    "isakmp authentication": "authentication",
    "isakmp group": "group",
}
_TRANSFORM_ATTRIBUTES = ("ipsec encryption", "ipsec integrity", "ipsec mode")


# --- phase 1 ---------------------------------------------------------------------------------------


def phase1_checks(pair: Pair) -> Iterator[Check]:
    """Everything that an ISAKMP SA needs, of both directions that are tried."""
    phases = (pair.negotiation.phase1_here, pair.negotiation.phase1_there)
    if phases == (None, None):
        yield Check("ike", Result.FAILS, text="both ends wait for the other to begin (responder-only)")
        return
    names: dict[str, None] = {}
    for phase in phases:
        names.update(dict.fromkeys(stage.name for stage in phase.stages) if phase is not None else {})
    for name in names:
        yield from _stage_checks(pair, name, phases)
    for phase in phases:
        if phase is not None and phase.lifetime is not None:
            yield from _lifetime(pair, phase.lifetime)
            break
    yield from _keepalives(pair)


def _stage_checks(pair: Pair, name: str, phases: tuple[Phase1 | None, Phase1 | None]) -> Iterator[Check]:
    """One stage in both directions: what fails in one only does no harm where the other is tried as well."""
    found: list[tuple[int, Stage]] = []
    for side, phase in enumerate(phases):
        found += [(side, stage) for stage in phase.stages if stage.name == name] if phase is not None else []
    failed = [(side, stage) for side, stage in found if stage.failed]
    if not failed:
        yield Check(name, Result.OK, _agreed(pair, name, found[0][1]))
        return
    side, stage = failed[0]
    result, text = Result.FAILS, stage.text
    if pair.negotiation.phase1_up:
        result = Result.NOTE
        text = f"only when {pair.name(1 - side)} begins: {text}"
    checks = _failed(pair, stage, side, phases[side])
    yield from (Check(row.name, result, row.ends, text, row.advice, row.both) for row in checks)


def _agreed(pair: Pair, name: str, stage: Stage) -> tuple[End, End]:
    if name == "isakmp policy":
        return _policy_end(pair, 0, stage.agreed), _policy_end(pair, 1, stage.agreed)
    if name == "identity":
        return _identity_end(pair, 0), _identity_end(pair, 1)
    if name == "pre-shared key":
        phase, turned = pair.negotiation.phase1_here, False
        if phase is None:
            phase, turned = pair.negotiation.phase1_there, True
        assert phase is not None
        keys = phase.keys[::-1] if turned else phase.keys
        return _key_end(pair.sites[0], keys[0]), _key_end(pair.sites[1], keys[1])
    return End(stage.agreed), End(stage.agreed)


def _turn(side: int, here: End, there: End) -> tuple[End, End]:
    """Ends in the order of the files of what `side` has, and the other."""
    return (here, there) if side == 0 else (there, here)


def _failed(pair: Pair, stage: Stage, side: int, phase: Phase1 | None) -> Iterator[Check]:
    """The checks of a stage that fails where `side` begins."""
    if stage.name == "isakmp policy":
        yield from _policies(pair, stage, side)
    elif stage.name == "pre-shared key" and phase is not None:
        yield _key(pair, side, phase)
    elif stage.name == "identity":
        yield _identity(pair, stage, side)
    elif stage.name == "exchange":
        lines = ("no crypto isakmp aggressive-mode disable",)
        ends = _turn(side, End("aggressive mode"), End("main mode only"))
        yield Check("exchange", Result.FAILS, ends, advice=(Advice(1 - side, lines),))
    elif stage.name == "isakmp":
        on = [End("on" if site.settings.enabled else "off") for site in pair.sites]
        advice = tuple(
            Advice(number, ("crypto isakmp enable",))
            for number, site in enumerate(pair.sites)
            if not site.settings.enabled
        )
        yield Check("isakmp", Result.FAILS, (on[0], on[1]), advice=advice, both=True)
    else:
        yield Check(stage.name, Result.FAILS)


# -- policies


def _policies(pair: Pair, stage: Stage, side: int) -> Iterator[Check]:
    advice = policy_advice(pair.sites)
    for number, row in enumerate(stage.mismatches):
        here = End(row.local, _policy_line(pair.sites[side], row.attribute, row.local))
        there = End(row.remote, _policy_line(pair.sites[1 - side], row.attribute, row.remote))
        both = not all(negotiable(site.settings.policies) for site in pair.sites) and len(advice) > 1
        yield Check(row.attribute, Result.FAILS, _turn(side, here, there), "", () if number else advice, both)


def policy_advice(sites: tuple[Site, Site]) -> tuple[Advice, ...]:
    """At either end the other's best policy; at both a common one where neither has any."""
    found = []
    for side, site in enumerate(sites):
        theirs = negotiable(sites[1 - side].settings.policies)
        if not theirs and negotiable(site.settings.policies):
            continue
        number = _free(site.config.isakmp.policies)
        found.append(Advice(side, policy_lines(theirs[0] if theirs else _DEFAULT_POLICY, number)))
    return tuple(found)


def _free(taken: object) -> int:
    number = _ROUND
    while number in taken:  # type: ignore[operator]
        number += _ROUND
    return number


def policy_lines(policy: IsakmpPolicy, number: int) -> tuple[str, ...]:
    """An isakmp policy as it is typed."""
    encryption, group = policy.encryption_row, policy.group_row
    assert encryption is not None
    assert group is not None
    return (
        f"crypto isakmp policy {number}",
        f" encryption {encryption.ios_policy}",
        f" hash {policy.hash_row.ios}",
        f" authentication {policy.authentication}",
        f" group {group.number}",
    )


def _policy_line(site: Site, attribute: str, value: str) -> int:
    """The policy that has the value, else the first."""
    word = _POLICY_WORDS.get(attribute, "")
    policies = negotiable(site.settings.policies)
    found = [policy for policy in policies if describe(policy).words().get(word) == value] or list(policies)
    return site.source.section(f"crypto isakmp policy {found[0].priority}") if found else 0


def _policy_end(pair: Pair, side: int, agreed: str) -> End:
    site = pair.sites[side]
    for policy in negotiable(site.settings.policies):
        if ", ".join(describe(policy).words().values()) == agreed:
            return End(agreed, site.source.section(f"crypto isakmp policy {policy.priority}"))
    return End(agreed)


def _lifetime(pair: Pair, agreed: int) -> Iterator[Check]:
    own = []
    for site in pair.sites:
        held = [policy.lifetime_seconds for policy in negotiable(site.settings.policies)]
        own.append(next((seconds for seconds in held if seconds == agreed), held[0] if held else agreed))
    if own[0] != own[1]:
        ends = (End(f"{own[0]} s"), End(f"{own[1]} s"))
        yield Check("isakmp lifetime", Result.NOTE, ends, f"the shorter one holds: {agreed} s")


# -- keys


def _key_end(site: Site, key: Key | None) -> End:
    """Where the key stands; never the key."""
    if key is None:
        return End("none")
    entry = key.entry
    who = entry.hostname or (str(entry.network) if entry.network is not None else str(entry.ipv6_address))
    name = entry.hostname or str(entry.network.network_address if entry.network is not None else entry.ipv6_address)
    if key.keyring == GLOBAL:
        return End(f"key for {who}", site.source.anywhere("crypto", "isakmp", "key", holding=name))
    title = f"crypto keyring {key.keyring}"
    kind = "hostname" if entry.hostname else "address"
    return End(f"key for {who} in {key.keyring}", site.source.within(title, "pre-shared-key", kind, name))


def _key(pair: Pair, side: int, phase: Phase1) -> Check:
    keys = phase.keys if side == 0 else phase.keys[::-1]
    ends = (_key_end(pair.sites[0], keys[0]), _key_end(pair.sites[1], keys[1]))
    advice = []
    for number in (0, 1):
        where = f"line {ends[1 - number].line} of {pair.sites[1 - number].label}"
        if keys[number] is None or (keys[0] is not None and keys[1] is not None):
            placeholder = (
                f"<the key in {where}>" if keys[1 - number] is not None else "<a new key, the same at both ends>"
            )
            advice.append(Advice(number, _key_lines(pair, number, keys[number], placeholder)))
    return Check("pre-shared key", Result.FAILS, ends, advice=tuple(advice), both=keys[0] is None and keys[1] is None)


def _key_lines(pair: Pair, side: int, key: Key | None, placeholder: str) -> tuple[str, ...]:
    site, peer = pair.sites[side], pair.peer_of(side)
    entry = key.entry if key is not None else None
    ring = key.keyring if key is not None else _ring_of(site, pair, side)
    who = f"address {peer}"
    if entry is not None and entry.hostname is not None:
        who = f"hostname {entry.hostname}"
    elif entry is not None and entry.network is not None:
        network = entry.network
        who = f"address {network.network_address}" + ("" if network.prefixlen == 32 else f" {network.netmask}")
    if ring == GLOBAL:
        return (f"crypto isakmp key {placeholder} {who}",)
    return (f"crypto keyring {ring}", f" pre-shared-key {who} key {placeholder}")


def _tunnel_of(site: Site, local: Address, remote: Address) -> TunnelSettings | None:
    return next((row for row in site.settings.tunnels if (row.local, row.remote) == (local, remote)), None)


def _ring_of(site: Site, pair: Pair, side: int) -> str:
    """The keyring in which a key of the peer is looked for first."""
    tunnel = _tunnel_of(site, pair.addresses[side], pair.addresses[1 - side])
    profile = next((row for row in site.settings.profiles if tunnel and row.name == tunnel.isakmp_profile), None)
    return profile.keyrings[0] if profile is not None and profile.keyrings else GLOBAL


# -- identities


def _identity_end(pair: Pair, side: int) -> End:
    site = pair.sites[side]
    tunnel = _tunnel_of(site, pair.addresses[side], pair.addresses[1 - side])
    profile = site.config.isakmp.profiles.get((tunnel.isakmp_profile if tunnel else None) or "")
    if profile is not None and profile.self_identity is not None:
        words = f"{profile.self_identity.kind} {profile.self_identity.name or ''}".rstrip()
        return End(words, site.source.within(f"crypto isakmp profile {profile.name}", "self-identity"))
    if site.config.isakmp.identity == "hostname":
        return End(f"fqdn {site.settings.hostname}", site.source.anywhere("crypto", "isakmp", "identity"))
    return End(f"address {pair.addresses[side]}")


def _identity(pair: Pair, stage: Stage, side: int) -> Check:
    judge = side if stage.judge in (None, 0) else 1 - side
    site, given = pair.sites[judge], _identity_end(pair, 1 - judge)
    title = f"crypto isakmp profile {stage.profile}"
    profile = site.config.isakmp.profiles.get(stage.profile or "")
    if profile is None:
        profile = next(iter(site.config.isakmp.profiles.values()), None)
        title = f"crypto isakmp profile {profile.name}" if profile is not None else ""
    asked = End("no match identity" if profile is None else _matches(site, title), site.source.section(title))
    ends = (asked, given) if judge == 0 else (given, asked)
    advice = []
    identity = stage.identity
    if identity is not None and profile is not None:
        words = {
            IdentityType.FQDN: f"host {identity.name}",
            IdentityType.USER_FQDN: f"user {identity.name}",
            IdentityType.KEY_ID: f"group {identity.name}",
        }.get(identity.kind, f"address {identity.name} 255.255.255.255")
        advice.append(Advice(judge, (title, f" match identity {words}")))
    return Check("identity", Result.FAILS, ends, advice=tuple(advice))


def _matches(site: Site, title: str) -> str:
    profile = site.config.isakmp.profiles[title.removeprefix("crypto isakmp profile ")]
    words = []
    for row in profile.identities:
        value = row.network or row.host or row.domain or row.user or row.user_domain or row.group
        words.append(str(value))
    return f"profile {profile.name} matches {', '.join(words) or 'nobody'}"


# -- keepalives


def _keepalives(pair: Pair) -> Iterator[Check]:
    found: list[Keepalive | None] = []
    for side, site in enumerate(pair.sites):
        tunnel = _tunnel_of(site, pair.addresses[side], pair.addresses[1 - side])
        profile = next((row for row in site.settings.profiles if tunnel and row.name == tunnel.isakmp_profile), None)
        found.append((profile.keepalive if profile else None) or site.settings.keepalive)
    if found[0] == found[1]:
        return
    lines = (site.source.anywhere("crypto", "isakmp", "keepalive") for site in pair.sites)
    ends = tuple(End(_keepalive(row), line) for row, line in zip(found, lines, strict=True))
    quiet = [pair.name(side) for side, row in enumerate(found) if row is None]
    text = "each end asks in its own time"
    if quiet:
        text = f"{quiet[0]} does not notice a dead peer before its SAs expire"
    yield Check("isakmp keepalive", Result.NOTE, (ends[0], ends[1]), text)


def _keepalive(row: Keepalive | None) -> str:
    return "off" if row is None else f"{row.interval} s, {row.retry} s{', periodic' if row.periodic else ''}"


# --- phase 2 ---------------------------------------------------------------------------------------


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
        held = choice.lifetime_seconds if unit == "s" else choice.lifetime_kilobytes
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
