"""Phase 2 proposals: transform sets on the wire, and which one both sides have (RFC 2407 sections 4.4.4 and 4.5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from seikan.config.model import TransformSet
from seikan.ike.policy import lifetimes
from seikan.ike.settings import PhaseTwo
from seikan.ike.status import Mismatch
from seikan.wire.constants import (
    ENCRYPTIONS,
    IKE_V1_GROUPS,
    INTEGRITIES,
    EncapsulationMode,
    LifeType,
    Phase2Attribute,
    ProtocolId,
)
from seikan.wire.payloads import Attribute, Proposal, SaPayload, Transform, basic_attribute, number_attribute

DEFAULT_LIFETIME = 28800  # seconds, RFC 2407 section 4.5
LEAST_SECONDS = 120  # the least of IOS; what a peer offers below it costs more rekeying than it is worth
LEAST_KILOBYTES = 2560  # as above
MOST = 2**32 - 1  # of both units, in the four octets of the attribute
SPI_OCTETS = 4
_LAST_RESERVED_SPI = 255  # RFC 4303 section 2.1
_KNOWN = frozenset(Phase2Attribute)
_MODE_WORD = {
    EncapsulationMode.TUNNEL: "tunnel",
    EncapsulationMode.TRANSPORT: "transport",
    EncapsulationMode.UDP_TUNNEL: "tunnel in UDP",
    EncapsulationMode.UDP_TRANSPORT: "transport in UDP",
    EncapsulationMode.DRAFT_UDP_TUNNEL: "tunnel in UDP (draft)",
    EncapsulationMode.DRAFT_UDP_TRANSPORT: "transport in UDP (draft)",
}
# By (UDP encapsulation, NAT traversal by a draft).
_TUNNEL = {
    (False, False): EncapsulationMode.TUNNEL,
    (False, True): EncapsulationMode.TUNNEL,
    (True, False): EncapsulationMode.UDP_TUNNEL,
    (True, True): EncapsulationMode.DRAFT_UDP_TUNNEL,
}
_TRANSPORT = {
    (False, False): EncapsulationMode.TRANSPORT,
    (False, True): EncapsulationMode.TRANSPORT,
    (True, False): EncapsulationMode.UDP_TRANSPORT,
    (True, True): EncapsulationMode.DRAFT_UDP_TRANSPORT,
}


@dataclass(frozen=True, slots=True)
class Modes:
    """Which encapsulation modes hold: `udp` where a NAT was found, `draft` where its traversal is a draft's.

    `transport` is the flow's: only between two hosts does `mode transport` of a transform set hold. Such a set asks
    for transport mode and takes tunnel mode too, as in IOS.
    """

    udp: bool = False
    draft: bool = False
    transport: bool = False

    def of(self, row: TransformSet) -> tuple[EncapsulationMode, ...]:
        """The modes that a transform set takes; the first is the one to ask for."""
        key = (self.udp, self.draft)
        return (_TRANSPORT[key], _TUNNEL[key]) if self.transport and row.transport else (_TUNNEL[key],)

    def original_addresses(self, sets: Iterable[TransformSet]) -> bool:
        """Whether one of `sets` asks for UDP-encapsulated transport mode (RFC 3947 section 5.2)."""
        return self.udp and any(self.of(row)[0] is _TRANSPORT[True, self.draft] for row in sets)


@dataclass(frozen=True, slots=True)
class Phase2Choice:
    """What both sides have; the mode of `transform_set` is the agreed one.

    `lifetime_seconds` and `lifetime_kilobytes` are the smaller of both (0: no limit). `shortened` tells that the peer
    must hear of it by RESPONDER-LIFETIME (RFC 2407 section 4.6.3.1).
    """

    transform_set: TransformSet
    spi: bytes
    pfs_group: int | None
    lifetime_seconds: int
    lifetime_kilobytes: int
    shortened: bool
    proposal: Proposal


def usable_sets(sets: Iterable[TransformSet]) -> tuple[TransformSet, ...]:
    """The sets that make an ESP SA: a cipher with integrity of its own or beside it."""
    return tuple(
        row
        for row in sets
        if row.encryption is not None and row.encryption.esp is not None and (row.encryption.aead or row.integrity)
    )


def unusable(settings: PhaseTwo) -> str | None:
    """Why IKEv1 cannot propose anything, where the configuration is for IKEv2 alone; None where it can."""
    if not usable_sets(settings.transform_sets):
        later = [row.name for row in settings.transform_sets if row.encryption and row.encryption.esp is None]
        only = f": {', '.join(later)} can be negotiated by IKEv2 alone" if later else ""
        return f"no usable transform set in {settings.name}{only}"
    if settings.pfs_group and settings.pfs_group not in IKE_V1_GROUPS:
        return f"set pfs group{settings.pfs_group} of {settings.name} can be negotiated by IKEv2 alone; choose group14"
    return None


def smaller(one: int, other: int) -> int:
    """The smaller of two limits where 0 is no limit."""
    return min(one, other) if one and other else one or other


def bounded(number: int, least: int) -> int:
    """A peer's limit made one that can be kept; 0 is no limit."""
    return min(max(number, least), MOST) if number else 0


def _attributes(row: TransformSet, settings: PhaseTwo, mode: EncapsulationMode) -> tuple[Attribute, ...]:
    found = []
    if row.encryption and row.encryption.variable_key:
        found.append(basic_attribute(Phase2Attribute.KEY_LENGTH, row.encryption.key_bits))
    found += [
        basic_attribute(Phase2Attribute.ENCAPSULATION_MODE, mode),
        basic_attribute(Phase2Attribute.LIFE_TYPE, LifeType.SECONDS),
        number_attribute(Phase2Attribute.LIFE_DURATION, settings.lifetime_seconds),
    ]
    if settings.lifetime_kilobytes:
        found += [
            basic_attribute(Phase2Attribute.LIFE_TYPE, LifeType.KILOBYTES),
            number_attribute(Phase2Attribute.LIFE_DURATION, settings.lifetime_kilobytes),
        ]
    if row.integrity and not (row.encryption and row.encryption.aead):
        found.append(basic_attribute(Phase2Attribute.AUTHENTICATION, row.integrity.esp_v1))
    if settings.pfs_group:
        found.append(basic_attribute(Phase2Attribute.GROUP, settings.pfs_group))
    return tuple(found)


def offer(settings: PhaseTwo, modes: Modes, spi: bytes) -> SaPayload:
    """One proposal for each usable transform set, in order of preference."""
    proposals = []
    for number, row in enumerate(usable_sets(settings.transform_sets), 1):
        identifier = row.encryption.esp if row.encryption and row.encryption.esp else 0
        transform = Transform(1, identifier, _attributes(row, settings, modes.of(row)[0]))
        proposals.append(Proposal(number, ProtocolId.ESP, spi, (transform,)))
    return SaPayload(tuple(proposals))


def _words(transform: Transform) -> dict[str, str]:
    values = {attribute.type: attribute.number for attribute in transform.attributes}
    bits = values.get(Phase2Attribute.KEY_LENGTH)
    encryption = f"transform {transform.id}" if bits is None else f"transform {transform.id} of {bits} bits"
    aead = False
    for row in ENCRYPTIONS:
        # RFC 3602 section 5.3 wants the key length; where a peer leaves it out, 128 is meant.
        if row.esp == transform.id and (not row.variable_key or (bits or 128) == row.key_bits):
            encryption, aead = row.name, row.aead
    integrity = values.get(Phase2Attribute.AUTHENTICATION)
    name = "none" if integrity is None else f"authentication {integrity}"
    for check in INTEGRITIES:
        if check.esp_v1 == integrity:
            name = check.name
    mode = values.get(Phase2Attribute.ENCAPSULATION_MODE, 0)
    words = {
        "encryption": encryption,
        "integrity": "of the cipher" if aead and integrity is None else name,
        "mode": _MODE_WORD.get(EncapsulationMode(mode), "") if mode in _MODE_WORD else f"mode {mode}",
        "pfs": f"group {values[Phase2Attribute.GROUP]}" if Phase2Attribute.GROUP in values else "none",
    }
    if values.get(Phase2Attribute.EXTENDED_SEQUENCE_NUMBERS):
        words["sequence numbers"] = "64 bits"
    words.update({f"attribute {kind}": str(value) for kind, value in values.items() if kind not in _KNOWN})
    return words


def _own_words(row: TransformSet, settings: PhaseTwo, mode: EncapsulationMode) -> dict[str, str]:
    encryption = row.encryption
    integrity = "of the cipher" if encryption and encryption.aead else row.integrity.name if row.integrity else "none"
    return {
        "encryption": encryption.name if encryption else "none",
        "integrity": integrity,
        "mode": _MODE_WORD[mode],
        "pfs": f"group {settings.pfs_group}" if settings.pfs_group else "none",
    }


def _different(ours: dict[str, str], theirs: dict[str, str], any_group: bool) -> tuple[Mismatch, ...]:
    found = []
    for name in {**ours, **theirs}:
        mine, other = (
            ours.get(name, "32 bits" if name == "sequence numbers" else "not used"),
            theirs.get(name, "not sent"),
        )
        if name == "pfs" and other != "none" and int(other.removeprefix("group ")) not in IKE_V1_GROUPS:
            found.append(Mismatch("ipsec pfs", mine, f"{other}, not known to IKEv1"))
        elif name == "pfs" and any_group and other != "none":
            continue
        elif mine != other:
            found.append(Mismatch(f"ipsec {name}", mine, other))
    return tuple(found)


def _alone(payload: SaPayload) -> list[Proposal]:
    """Proposals that stand alone under their number and are ESP with an SPI; AH with ESP is not done here."""
    numbers = [proposal.number for proposal in payload.proposals]
    return [
        proposal
        for proposal in payload.proposals
        if numbers.count(proposal.number) == 1
        and proposal.protocol == ProtocolId.ESP
        and len(proposal.spi) == SPI_OCTETS
        and int.from_bytes(proposal.spi, "big") > _LAST_RESERVED_SPI
    ]


def choose(
    settings: PhaseTwo, modes: Modes, payload: SaPayload, *, initiator: bool
) -> Phase2Choice | tuple[Mismatch, ...]:
    """The first of our transform sets that the peer offers (or has chosen, seen as initiator), else what differs.

    A responder without PFS accepts a peer that wants it, as IOS does.
    """
    any_group = not initiator and settings.pfs_group is None
    closest: tuple[Mismatch, ...] | None = None
    candidates = [(row, transform) for row in _alone(payload) for transform in row.transforms]
    for ours, mode in ((row, mode) for row in usable_sets(settings.transform_sets) for mode in modes.of(row)):
        words = _own_words(ours, settings, mode)
        for proposal, transform in candidates:
            different = _different(words, _words(transform), any_group)
            if not different:
                agreed = replace(ours, transport=mode in _TRANSPORT.values())
                return _agreed(settings, agreed, proposal, transform)
            if closest is None or len(different) < len(closest):
                closest = different
    return closest or (
        Mismatch("ipsec transform-set", f"{len(usable_sets(settings.transform_sets))} usable", "no ESP"),
    )


def _agreed(settings: PhaseTwo, ours: TransformSet, proposal: Proposal, transform: Transform) -> Phase2Choice:
    values = {attribute.type: attribute.number for attribute in transform.attributes}
    offered = lifetimes(transform.attributes, Phase2Attribute.LIFE_TYPE, Phase2Attribute.LIFE_DURATION)
    their_seconds = offered.get(LifeType.SECONDS, DEFAULT_LIFETIME)
    their_kilobytes = offered.get(LifeType.KILOBYTES, 0)
    seconds = smaller(settings.lifetime_seconds, bounded(their_seconds, LEAST_SECONDS))
    kilobytes = smaller(settings.lifetime_kilobytes, bounded(their_kilobytes, LEAST_KILOBYTES))
    return Phase2Choice(
        ours,
        proposal.spi,
        values.get(Phase2Attribute.GROUP),
        seconds,
        kilobytes,
        seconds != their_seconds or kilobytes != their_kilobytes,
        Proposal(proposal.number, proposal.protocol, proposal.spi, (transform,)),
    )


def lifetime_attributes(seconds: int, kilobytes: int) -> tuple[Attribute, ...]:
    """The data of a RESPONDER-LIFETIME notify (RFC 2407 section 4.6.3.1)."""
    found = [
        basic_attribute(Phase2Attribute.LIFE_TYPE, LifeType.SECONDS),
        number_attribute(Phase2Attribute.LIFE_DURATION, seconds),
    ]
    if kilobytes:
        found += [
            basic_attribute(Phase2Attribute.LIFE_TYPE, LifeType.KILOBYTES),
            number_attribute(Phase2Attribute.LIFE_DURATION, kilobytes),
        ]
    return tuple(found)


def own_offer(settings: PhaseTwo, modes: Modes) -> tuple[Mismatch, ...]:
    """What we offered, where the peer refused without saying what it has."""
    return tuple(
        Mismatch(
            f"ipsec transform-set {row.name}",
            ", ".join(f"{name} {word}" for name, word in _own_words(row, settings, modes.of(row)[0]).items()),
            "refused, its own offer is not known",
        )
        for row in usable_sets(settings.transform_sets)
    )
