"""Phase 1 proposals: what a policy looks like on the wire, and which one both sides have (RFC 2409 appendix A)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from seikan.config.model import IsakmpPolicy
from seikan.ike.status import Mismatch
from seikan.wire.constants import (
    ENCRYPTIONS,
    HASHES,
    IKE_V1_GROUPS,
    KEY_IKE,
    AuthenticationMethod,
    LifeType,
    Phase1Attribute,
    ProtocolId,
)
from seikan.wire.payloads import Attribute, Proposal, SaPayload, Transform, basic_attribute, number_attribute

LEAST_LIFETIME = 60  # seconds, the least of IOS too; a peer that offers less gets this
_HASH = {row.ike_v1: row for row in HASHES}
_AUTHENTICATION: dict[int, str] = {
    AuthenticationMethod.PRE_SHARED_KEY: "pre-share",
    AuthenticationMethod.RSA_SIGNATURES: "rsa-sig",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A phase 1 transform in words; `lifetime` in seconds, None where the peer named none."""

    encryption: str
    hash: str
    authentication: str
    group: str
    lifetime: int | None

    def words(self) -> dict[str, str]:
        return {
            "encryption": self.encryption,
            "hash": self.hash,
            "authentication": self.authentication,
            "group": self.group,
        }


@dataclass(frozen=True, slots=True)
class Phase1Choice:
    """The transform both sides have: the policy, the agreed lifetime in seconds, and the payload to answer with."""

    policy: IsakmpPolicy
    lifetime: int
    answer: SaPayload


def negotiable(policies: Iterable[IsakmpPolicy]) -> tuple[IsakmpPolicy, ...]:
    """The policies that can be offered: pre-shared keys, and a cipher and a group that exist here."""
    return tuple(
        policy
        for policy in policies
        if policy.authentication == "pre-share"
        and policy.encryption_row is not None
        and policy.encryption_row.ike_v1 is not None
        and policy.group_row is not None
        and policy.group_row.ike_v1
    )


def describe(policy: IsakmpPolicy) -> Offer:
    encryption, group = policy.encryption_row, policy.group_row
    return Offer(
        encryption.name if encryption else "des",
        policy.hash_row.name,
        policy.authentication or "rsa-sig",
        str(group.number if group else 1),
        policy.lifetime_seconds,
    )


def offer(policies: tuple[IsakmpPolicy, ...]) -> SaPayload:
    """One proposal whose transforms are `policies`, which must be `negotiable`."""
    transforms = []
    for number, policy in enumerate(policies, 1):
        encryption, group = policy.encryption_row, policy.group_row
        if encryption is None or encryption.ike_v1 is None or group is None:
            raise ValueError(f"policy {policy.priority} cannot be negotiated")
        attributes = [basic_attribute(Phase1Attribute.ENCRYPTION, encryption.ike_v1)]
        if encryption.variable_key:
            attributes.append(basic_attribute(Phase1Attribute.KEY_LENGTH, encryption.key_bits))
        attributes += [
            basic_attribute(Phase1Attribute.HASH, policy.hash_row.ike_v1),
            basic_attribute(Phase1Attribute.GROUP, group.number),
            basic_attribute(Phase1Attribute.AUTHENTICATION, AuthenticationMethod.PRE_SHARED_KEY),
            basic_attribute(Phase1Attribute.LIFE_TYPE, LifeType.SECONDS),
            number_attribute(Phase1Attribute.LIFE_DURATION, policy.lifetime_seconds),
        ]
        transforms.append(Transform(number, KEY_IKE, tuple(attributes)))
    return SaPayload((Proposal(1, ProtocolId.ISAKMP, b"", tuple(transforms)),))


def lifetimes(attributes: Iterable[Attribute], kind: int, duration: int) -> dict[int, int]:
    """Durations by unit from pairs of life type and life duration, which stand in this order (RFC 2407 section 4.5)."""
    found: dict[int, int] = {}
    unit: int | None = None
    for attribute in attributes:
        if attribute.type == kind:
            unit = attribute.number
        elif attribute.type == duration and unit is not None:
            found[unit] = attribute.number
            unit = None
    return found


def read_transform(transform: Transform) -> Offer:
    """The words of a transform; what is not known here appears as its number."""
    values = {attribute.type: attribute.number for attribute in transform.attributes}
    cipher, bits = values.get(Phase1Attribute.ENCRYPTION), values.get(Phase1Attribute.KEY_LENGTH)
    encryption = f"encryption {cipher}" if bits is None else f"encryption {cipher} of {bits} bits"
    for row in ENCRYPTIONS:
        if row.ike_v1 == cipher and bits == (row.key_bits if row.variable_key else None):
            encryption = row.name
    if cipher == 1:
        encryption = "des"
    number = values.get(Phase1Attribute.HASH, 0)
    authentication = values.get(Phase1Attribute.AUTHENTICATION, 0)
    seconds = lifetimes(transform.attributes, Phase1Attribute.LIFE_TYPE, Phase1Attribute.LIFE_DURATION)
    return Offer(
        encryption,
        _HASH[number].name if number in _HASH else f"hash {number}",
        _AUTHENTICATION.get(authentication, f"method {authentication}"),
        str(values.get(Phase1Attribute.GROUP, 1)),
        seconds.get(LifeType.SECONDS),
    )


def _offered(payload: SaPayload) -> list[tuple[Proposal, Transform, Offer]]:
    return [
        (proposal, transform, read_transform(transform))
        for proposal in payload.proposals
        if proposal.protocol == ProtocolId.ISAKMP
        for transform in proposal.transforms
        if transform.id == KEY_IKE
    ]


def choose(policies: tuple[IsakmpPolicy, ...], payload: SaPayload) -> Phase1Choice | None:
    """The first of `policies` that the peer offers too, with the smaller lifetime; None where there is none."""
    offered = _offered(payload)
    for policy in policies:
        words = describe(policy).words()
        for proposal, transform, theirs in offered:
            if int(theirs.group) in IKE_V1_GROUPS and theirs.words() == words:
                offered_lifetime = max(theirs.lifetime or policy.lifetime_seconds, LEAST_LIFETIME)
                lifetime = min(policy.lifetime_seconds, offered_lifetime)
                answer = SaPayload((Proposal(proposal.number, proposal.protocol, proposal.spi, (transform,)),))
                return Phase1Choice(policy, lifetime, answer)
    return None


def was_offered(ours: SaPayload, answer: SaPayload) -> bool:
    """Whether `answer` is one transform, and one of ours, whatever its lifetime."""
    chosen = [words.words() for _, _, words in _offered(answer)]
    return len(chosen) == 1 and chosen[0] in [words.words() for _, _, words in _offered(ours)]


def explain(policies: tuple[IsakmpPolicy, ...], payload: SaPayload) -> tuple[Mismatch, ...]:
    """The attributes on which the closest pair of our policies and the peer's transforms differs."""
    closest: tuple[Mismatch, ...] | None = None
    for policy in policies:
        ours = describe(policy).words()
        for _, _, offered in _offered(payload):
            theirs = offered.words()
            different = tuple(
                Mismatch(f"isakmp {name}", ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]
            )
            if closest is None or len(different) < len(closest):
                closest = different
    return closest or (Mismatch("isakmp policy", f"{len(policies)} usable", f"{len(_offered(payload))} usable"),)


def own_offer(policies: tuple[IsakmpPolicy, ...]) -> tuple[Mismatch, ...]:
    """What we offered, where the peer refused without saying what it has."""
    return tuple(
        Mismatch(
            f"isakmp policy {policy.priority}",
            " ".join(describe(policy).words().values()),
            "refused, its own offer is not known",
        )
        for policy in policies
    )
