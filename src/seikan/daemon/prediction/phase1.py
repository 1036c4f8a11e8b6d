"""What makes an IKE SA as checks: what each end has, where it says so, and what would mend it."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.config.model import IsakmpPolicy, Keepalive
from seikan.daemon.prediction import ikev2_checks as ikev2
from seikan.daemon.prediction.pair import Pair
from seikan.daemon.prediction.site import Address, Site
from seikan.daemon.prediction.stages import KeyAt, Phase1, Stage
from seikan.daemon.prediction.verdict import Advice, Check, End, Result
from seikan.ike.policy import describe, negotiable
from seikan.ike.preshared import GLOBAL, Key
from seikan.ike.settings import TunnelSettings
from seikan.wire.constants import IdentityType

_ROUND = 10  # the step of sequence numbers that people type
_DEFAULT_POLICY = IsakmpPolicy(_ROUND, "aes-cbc-256", "sha256", "pre-share", 14)
_POLICY_WORDS = {
    "isakmp encryption": "encryption",
    "isakmp hash": "hash",
    "isakmp authentication": "authentication",
    "isakmp group": "group",
}


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
        if phase is not None and phase.lifetime is not None and phase.mode != "IKEv2":
            yield from _lifetime(pair, phase.lifetime)
            break
    yield from _keepalives(pair)


def _stage_checks(pair: Pair, name: str, phases: tuple[Phase1 | None, Phase1 | None]) -> Iterator[Check]:
    """One stage in both directions: what fails in one only does no harm where the other is tried as well."""
    found: list[tuple[int, Stage]] = []
    for side, phase in enumerate(phases):
        found += [(side, stage) for stage in phase.stages if stage.name == name] if phase is not None else []
    for text in dict.fromkeys(stage.text for _, stage in found if stage.unknown):
        yield Check(name, Result.UNKNOWN, text=text)
    found = [(side, stage) for side, stage in found if not stage.unknown]
    failed = [(side, stage) for side, stage in found if stage.failed]
    if not found:
        return
    if name == "certificate" and not failed:
        for side, stage in found[:2]:
            for row in stage.mismatches:
                yield Check(name, Result.OK, _turn(side, End(row.local), End(row.remote)))
        return
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
        return key_end(pair.sites[0], keys[0]), key_end(pair.sites[1], keys[1])
    if name == "ikev2 proposal":
        return ikev2.proposal_end(pair, 0, stage.agreed), ikev2.proposal_end(pair, 1, stage.agreed)
    return End(stage.agreed), End(stage.agreed)


def _turn(side: int, here: End, there: End) -> tuple[End, End]:
    """Ends in the order of the files of what `side` has, and the other."""
    return (here, there) if side == 0 else (there, here)


def _failed(pair: Pair, stage: Stage, side: int, phase: Phase1 | None) -> Iterator[Check]:
    """The checks of a stage that fails where `side` begins."""
    if stage.name == "isakmp policy":
        yield from _policies(pair, stage, side)
    elif stage.name == "ikev2 proposal":
        yield from ikev2.proposals(pair, stage, side)
    elif stage.name == "authentication" and stage.mismatches:
        yield from ikev2.authentication(pair, stage, side)
    elif stage.name == "ike version":
        yield ikev2.versions(pair, stage, side)
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
    elif stage.mismatches:
        for row in stage.mismatches:
            yield Check(row.attribute, Result.FAILS, _turn(side, End(row.local), End(row.remote)))
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


def key_end(site: Site, key: Key | KeyAt | None) -> End:
    """Where the key stands; never the key."""
    if key is None:
        return End("none")
    if isinstance(key, KeyAt):
        return ikev2.key_end(site, key)
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
    ends = (key_end(pair.sites[0], keys[0]), key_end(pair.sites[1], keys[1]))
    advice = []
    for number in (0, 1):
        where = f"line {ends[1 - number].line} of {pair.sites[1 - number].label}"
        if keys[number] is None or (keys[0] is not None and keys[1] is not None):
            placeholder = (
                f"<the key in {where}>" if keys[1 - number] is not None else "<a new key, the same at both ends>"
            )
            key = keys[number]
            if ikev2.profile_of(pair, number) is not None:
                advice.append(Advice(number, ikev2.key_lines(pair, number, placeholder)))
            elif not isinstance(key, KeyAt):
                advice.append(Advice(number, _key_lines(pair, number, key, placeholder)))
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
    ikev2_profile = ikev2.profile_of(pair, side)
    if ikev2_profile is not None:
        return ikev2.identity_end(pair, side, ikev2_profile)
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
    if stage.judge is not None and ikev2.profile_of(pair, judge) is not None:
        return ikev2.identity(pair, stage, judge, _identity_end(pair, 1 - judge))
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
            IdentityType.IPV4_ADDR: f"address {identity.name} 255.255.255.255",
            IdentityType.FQDN: f"host {identity.name}",
            IdentityType.USER_FQDN: f"user {identity.name}",
            IdentityType.KEY_ID: f"group {identity.name}",
        }.get(IdentityType(identity.kind))
        if words is not None:
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
    if any(ikev2.profile_of(pair, side) is not None for side in (0, 1)):
        yield from ikev2.keepalives(pair)
        return
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
