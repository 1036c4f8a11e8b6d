"""What of an IKE SA of IKEv2 is said otherwise than of IKEv1: proposals, profiles, keyrings."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.config.model_ikev2 import Ikev2Dpd, Ikev2Match
from seikan.daemon.prediction.pair import Pair
from seikan.daemon.prediction.site import Site
from seikan.daemon.prediction.stages import KeyAt, Stage
from seikan.daemon.prediction.verdict import Advice, Check, End, Result
from seikan.ike.settings import Ikev2PolicySettings, Ikev2ProfileSettings, Ikev2ProposalSettings
from seikan.wire.constants import IdentityType

_DEFAULT = "default"
_PROPOSAL_WORDS = {"encryption": "encryption", "prf": "prf", "integrity": "integrity", "group": "group"}


def profile_of(pair: Pair, side: int) -> Ikev2ProfileSettings | None:
    """The ikev2 profile by which a side negotiates with the other; of a hub the first that takes unknown peers."""
    site, local, remote = pair.sites[side], pair.addresses[side], pair.addresses[1 - side]
    profiles = {row.name: row for row in site.settings.ikev2.profiles}
    tunnels = [row for row in site.settings.tunnels if (row.local, row.remote) == (local, remote)]
    if tunnels:
        return profiles.get(tunnels[0].ikev2_profile or "")
    other = pair.sites[1 - side]
    if any(row.version == 2 for row in other.settings.tunnels if (row.local, row.remote) == (remote, local)):
        return next((row for row in profiles.values() if row.template is not None), None)
    return None


def _turn(side: int, here: End, there: End) -> tuple[End, End]:
    return (here, there) if side == 0 else (there, here)


# --- proposals -------------------------------------------------------------------------------------


def _policy(pair: Pair, side: int) -> Ikev2PolicySettings | None:
    """The policy of which the proposals hold: one that names the address, before one for any (`proposals_for`)."""
    rows = pair.sites[side].settings.ikev2.policies
    named = [row for row in rows if pair.addresses[side] in row.locals]
    return next((row for row in (*named, *(row for row in rows if not row.locals))), None)


def proposal_end(pair: Pair, side: int, agreed: str) -> End:
    """What was agreed on, and the proposal that has it."""
    policy = _policy(pair, side)
    source = pair.sites[side].source
    lines = [source.section(f"crypto ikev2 proposal {row.name}") for row in policy.proposals] if policy else []
    return End(agreed, next((line for line in lines if line), 0))


def proposals(pair: Pair, stage: Stage, side: int) -> Iterator[Check]:
    """Each attribute that no two proposals have in common."""
    advice = tuple(_proposal_advice(pair))
    for number, row in enumerate(stage.mismatches):
        word = row.attribute.removeprefix("ikev2 ").split()[0]
        lines = [_attribute_line(pair, which, word) for which in (side, 1 - side)]
        ends = _turn(side, End(row.local, lines[0]), End(row.remote, lines[1]))
        yield Check(row.attribute, Result.FAILS, ends, advice=() if number else advice)


def _attribute_line(pair: Pair, side: int, word: str) -> int:
    policy, source = _policy(pair, side), pair.sites[side].source
    for row in policy.proposals if policy is not None else ():
        title = f"crypto ikev2 proposal {row.name}"
        return source.within(title, _PROPOSAL_WORDS.get(word, word)) or source.section(title)
    return 0


def _proposal_advice(pair: Pair) -> Iterator[Advice]:
    """At either end the proposal that the other has first."""
    for side in (0, 1):
        theirs, own = _policy(pair, 1 - side), _policy(pair, side)
        if theirs is None:
            continue
        known = pair.sites[side].config.ikev2
        name, number = "COMMON", 1
        while name in known.proposals:
            number += 1
            name = f"COMMON-{number}"
        policy = own.name if own is not None and own.name != _DEFAULT else "COMMON"
        kept = known.policies[policy].proposals if policy in known.policies else ()
        lines = [*proposal_lines(theirs.proposals[0], name), f"crypto ikev2 policy {policy}"]
        yield Advice(side, (*lines, *(f" proposal {row}" for row in (*kept, name))))


def proposal_lines(row: Ikev2ProposalSettings, name: str) -> tuple[str, ...]:
    """A proposal as it is typed."""
    lines = [
        f"crypto ikev2 proposal {name}",
        f" encryption {' '.join(one.ios_proposal for one in row.encryptions if one.ios_proposal)}",
    ]
    if row.integrities:
        lines.append(f" integrity {' '.join(one.ios_proposal for one in row.integrities)}")
    lines.append(f" prf {' '.join(one.ios_proposal for one in row.prfs)}")
    lines.append(f" group {' '.join(str(one.number) for one in row.groups)}")
    return tuple(lines)


# --- versions and methods --------------------------------------------------------------------------


def versions(pair: Pair, stage: Stage, side: int) -> Check:
    """IKEv1 at one end and IKEv2 at the other."""
    (row,) = stage.mismatches
    values = (row.local, row.remote) if side == 0 else (row.remote, row.local)
    ends, advice = [], []
    for which, value in enumerate(values):
        line = 0
        for point in pair.points[which]:
            if point.entry is not None:
                title, word = point.title, point.entry.ikev2_profile
            else:
                held = point.interface.tunnel
                profile = pair.sites[which].config.ipsec.profiles.get(held.protection or "" if held else "")
                title = f"crypto ipsec profile {profile.name if profile else ''}"
                word = profile.ikev2_profile if profile is not None else None
            if word is not None:
                line = pair.sites[which].source.within(title, "set", "ikev2-profile")
                advice.append(Advice(which, (title, " no set ikev2-profile")))
            break
        ends.append(End(value, line))
    return Check("ike version", Result.FAILS, (ends[0], ends[1]), advice=tuple(advice))


def authentication(pair: Pair, stage: Stage, side: int) -> Iterator[Check]:
    """The method of a side, and what the other asks for."""
    for row in stage.mismatches:
        ends, advice = [], []
        for which, value in ((side, row.local), (1 - side, row.remote)):
            profile = profile_of(pair, which)
            title = f"crypto ikev2 profile {profile.name if profile else ''}"
            word, _, _ = value.partition(" ")
            ends.append(End(value, pair.sites[which].source.within(title, "authentication", word)))
            other = row.remote if which == side else row.local
            method = other.split()[1]
            if method != "none":
                advice.append(Advice(which, (title, f" authentication {word} {method}")))
        rows = tuple(sorted(advice, key=lambda one: one.side))
        yield Check(row.attribute, Result.FAILS, _turn(side, ends[0], ends[1]), advice=rows)


# --- keys ------------------------------------------------------------------------------------------


def key_end(site: Site, key: KeyAt) -> End:
    """Where the key stands; never the key."""
    if key.keyring is None or key.peer is None:
        title = f"crypto ikev2 profile {key.profile}"
        return End(
            f"key in profile {key.profile}", site.source.within(title, "authentication") or site.source.section(title)
        )
    line = site.source.anywhere("peer", key.peer) or site.source.section(f"crypto ikev2 keyring {key.keyring}")
    return End(f"key of peer {key.peer} in {key.keyring}", line)


def key_lines(pair: Pair, side: int, placeholder: str) -> tuple[str, ...]:
    """A peer in the keyring of the side's profile."""
    profile, remote = profile_of(pair, side), pair.addresses[1 - side]
    ring = (profile.keyring if profile is not None else None) or "COMMON"
    name = (
        next((row.name for row in profile.peers if any(remote in one for one in row.networks)), "") if profile else ""
    )
    lines = (
        f"crypto ikev2 keyring {ring}",
        f" peer {name or pair.name(1 - side)}",
        f"  address {remote}",
        f"  pre-shared-key {placeholder}",
    )
    if profile is not None and profile.keyring is None:
        lines = (*lines, f"crypto ikev2 profile {profile.name}", f" keyring local {ring}")  # type: ignore[assignment]
    return lines


# --- identities ------------------------------------------------------------------------------------


def identity_end(pair: Pair, side: int, profile: Ikev2ProfileSettings) -> End:
    """What the side says that it is."""
    own, site = profile.identity_local, pair.sites[side]
    line = site.source.within(f"crypto ikev2 profile {profile.name}", "identity", "local")
    if own is None:
        return End(f"address {pair.addresses[side]}", line)
    value = own.value or (str(pair.addresses[side]) if own.kind == "address" else site.settings.hostname)
    return End(f"{own.kind} {value}", line)


def identity(pair: Pair, stage: Stage, judge: int, given: End) -> Check:
    """An identity that the profile of the side `judge` does not match."""
    profile = profile_of(pair, judge)
    name = stage.profile or (profile.name if profile is not None else "")
    title = f"crypto ikev2 profile {name}"
    found = pair.sites[judge].config.ikev2.profiles.get(name)
    matches = ", ".join(_match(row) for row in found.identities) if found is not None else ""
    line = pair.sites[judge].source.within(title, "match", "identity")
    asked = End(f"profile {name} matches {matches or 'nobody'}", line)
    advice = []
    if stage.identity is not None:
        words = {
            IdentityType.IPV4_ADDR: f"address {stage.identity.name} 255.255.255.255",
            IdentityType.FQDN: f"fqdn {stage.identity.name}",
            IdentityType.USER_FQDN: f"email {stage.identity.name}",
            IdentityType.KEY_ID: f"key-id {stage.identity.name}",
        }
        word = words.get(IdentityType(stage.identity.kind))
        if word is not None:
            advice.append(Advice(judge, (title, f" match identity remote {word}")))
    return Check("identity", Result.FAILS, _turn(judge, asked, given), advice=tuple(advice))


def _match(row: Ikev2Match) -> str:
    if row.any:
        return "anybody"
    value = row.network or row.fqdn or row.domain or row.email or row.email_domain or row.key_id
    return str(value)


# --- keepalives ------------------------------------------------------------------------------------


def keepalives(pair: Pair) -> Iterator[Check]:
    """Dead peer detection, where the ends differ."""
    found = [profile.dpd if profile is not None else None for profile in (profile_of(pair, side) for side in (0, 1))]
    if found[0] == found[1]:
        return
    ends = (End(_dpd(found[0])), End(_dpd(found[1])))
    quiet = [pair.name(side) for side, row in enumerate(found) if row is None]
    text = f"{quiet[0]} does not ask whether its peer lives" if quiet else "each end asks in its own time"
    yield Check("ikev2 dpd", Result.NOTE, ends, text)


def _dpd(row: Ikev2Dpd | None) -> str:
    return "off" if row is None else f"{row.interval} s, {row.retry} s{', periodic' if row.periodic else ''}"
