"""Proposals of IKE SAs and child SAs: what is offered, and which one both sides have (RFC 7296 section 3.3).

Leaving a transform type out and naming transform 0 of it mean the same for all types that may be left out: no
integrity beside an AEAD cipher (RFC 5282 section 8), no key exchange, no extended sequence numbers, no additional key
exchange (RFC 9370 section 2.2.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from seikan.config.model import TransformSet
from seikan.ike.effects import Address
from seikan.ike.settings import Ikev2PolicySettings, Ikev2ProposalSettings, PhaseTwo
from seikan.ike.status import Mismatch
from seikan.wire.constants import (
    ENCRYPTIONS,
    GROUP_BY_NUMBER,
    HASHES,
    INTEGRITIES,
    Encryption,
    Group,
    Hash,
    Integrity,
)
from seikan.wire.v2.constants import Protocol, TransformType
from seikan.wire.v2.payloads import Proposal, SaPayload, Transform

IKE_SPI_OCTETS = 8
ESP_SPI_OCTETS = 4
LAST_RESERVED_SPI = 255  # RFC 4303 section 2.1
NONE = 0  # of a type that may be left out
_MOST_PROPOSALS = 255  # their number has one octet
_ADDITIONAL = tuple(range(TransformType.ADDITIONAL_KE_1, TransformType.ADDITIONAL_KE_7 + 1))
_KEY_EXCHANGES = (TransformType.KE, *_ADDITIONAL)
_OPTIONAL = (TransformType.INTEG, TransformType.KE, TransformType.ESN, *_ADDITIONAL)

_ENCRYPTION = {
    (row.ike_v2, row.key_bits if row.variable_key else None): row for row in ENCRYPTIONS if row.ike_v2 is not None
}
_INTEGRITY = {row.ike_v2: row for row in INTEGRITIES}
_PRF = {row.prf_v2: row for row in HASHES}
# What peers offer that is not done here: by type and identifier.
_FOREIGN: dict[tuple[int, int], str] = {
    (TransformType.ENCR, 2): "des",
    (TransformType.ENCR, 13): "aes-ctr",
    (TransformType.ENCR, 14): "aes-ccm-8",
    (TransformType.ENCR, 15): "aes-ccm-12",
    (TransformType.ENCR, 16): "aes-ccm-16",
    (TransformType.ENCR, 18): "aes-gcm-8",
    (TransformType.ENCR, 19): "aes-gcm-12",
    (TransformType.ENCR, 21): "aes-gmac",
    (TransformType.ENCR, 23): "camellia-cbc",
    (TransformType.PRF, 4): "aes-xcbc",
    (TransformType.PRF, 8): "aes-cmac",
    (TransformType.INTEG, 1): "md5",
    (TransformType.INTEG, 5): "aes-xcbc",
    (TransformType.INTEG, 8): "aes-cmac",
}

Wanted = Mapping[int, tuple[Transform, ...]]  # by type, in order of preference


@dataclass(frozen=True, slots=True)
class IkeChoice:
    """What an IKE SA is made of. `integrity` is None beside an AEAD cipher; `spi` is the other side's, of a rekeying.

    `additional` are the key exchanges of RFC 9370 in order, those that were negotiated to "none" left out.
    """

    number: int
    encryption: Encryption
    integrity: Integrity | None
    prf: Hash
    group: Group
    additional: tuple[Group, ...]
    spi: bytes
    transforms: tuple[Transform, ...]

    def answer(self, spi: bytes = b"") -> SaPayload:
        """The payload that accepts it; `spi` is this side's where an IKE SA is rekeyed."""
        return SaPayload((Proposal(self.number, Protocol.IKE, spi, self.transforms),))


@dataclass(frozen=True, slots=True)
class ChildChoice:
    """What a pair of SAs is made of. `spi` is the other side's, `group` that of the key exchange where there is one."""

    number: int
    transform_set: TransformSet
    spi: bytes
    group: Group | None
    esn: bool
    transforms: tuple[Transform, ...]

    def answer(self, spi: bytes) -> SaPayload:
        """The payload that accepts it, with this side's `spi`."""
        return SaPayload((Proposal(self.number, Protocol.ESP, spi, self.transforms),))


def _encr(row: Encryption) -> Transform:
    return Transform(TransformType.ENCR, row.ike_v2 or 0, row.key_bits if row.variable_key else None)


def _none(kind: int) -> Transform:
    return Transform(kind, NONE)


def _by_type(transforms: Iterable[Transform]) -> dict[int, tuple[Transform, ...]]:
    found: dict[int, tuple[Transform, ...]] = {}
    for row in transforms:
        found[row.type] = (*found.get(row.type, ()), row)
    return found


def _candidates(wanted: Wanted, offered: Wanted) -> dict[int, tuple[Transform, ...]]:
    """By type, in order of type, what both have; nothing in a row is what the negotiation fails on.

    A type that is not known must be refused with its whole proposal (section 3.3.6), and so must one that is not
    wanted, unless it may be none.
    """
    found = {}
    for kind in sorted({*wanted, *offered}):
        own, other = wanted.get(kind), offered.get(kind)
        if own is None:
            own = (_none(kind),) if kind in _OPTIONAL else ()
        if other is None:
            other = (_none(kind),) if kind in _OPTIONAL else ()
        found[kind] = tuple(row for row in own if row in other)
    return found


def _distinct(
    candidates: Sequence[tuple[Transform, ...]], used: frozenset[int] = frozenset()
) -> tuple[int, ...] | None:
    """The first choice, as indices, in which no key exchange but none is there twice (RFC 9370 section 2.2.2)."""
    if not candidates:
        return ()
    for index, row in enumerate(candidates[0]):
        if row.id not in used:
            rest = _distinct(candidates[1:], used | {row.id} if row.id != NONE else used)
            if rest is not None:
                return (index, *rest)
    return None


def _pick(wanted: Wanted, offered: Wanted) -> dict[int, Transform] | None:
    """One transform of each type, of each the first of `wanted` that is possible; None where there is none."""
    candidates = _candidates(wanted, offered)
    if not all(candidates.values()):
        return None
    exchanges = [kind for kind in candidates if kind in _KEY_EXCHANGES]
    indices = _distinct([candidates[kind] for kind in exchanges])
    if indices is None:
        return None
    picked = dict(zip(exchanges, indices, strict=True))
    return {kind: rows[picked.get(kind, 0)] for kind, rows in candidates.items()}


def _answered(picked: Mapping[int, Transform], offered: Wanted) -> tuple[Transform, ...]:
    """Those of the types that the other side named."""
    return tuple(row for kind, row in picked.items() if kind in offered)


def _single(offer: SaPayload, answer: SaPayload, protocol: int) -> tuple[Proposal, Wanted, dict[int, Transform]] | None:
    """The one proposal of an answer, what was offered under its number, and its choice; None where it is none of it."""
    if len(answer.proposals) != 1:
        return None
    proposal = answer.proposals[0]
    if len({row.type for row in proposal.transforms}) != len(proposal.transforms):
        return None
    for row in offer.proposals:
        if row.number == proposal.number and row.protocol == proposal.protocol == protocol:
            offered = _by_type(row.transforms)
            picked = _pick(offered, _by_type(proposal.transforms))
            return None if picked is None else (proposal, offered, picked)
    return None


def _differences(
    wanted: Wanted, offered: Wanted, prefix: str, words: Mapping[int, Mapping[Transform, str]]
) -> tuple[Mismatch, ...]:
    candidates = _candidates(wanted, offered)
    found = tuple(
        Mismatch(
            f"{prefix} {_type_word(kind, prefix)}",
            _words(wanted.get(kind, ()), words, prefix),
            _words(offered.get(kind, ()), words, prefix),
        )
        for kind, rows in candidates.items()
        if not rows
    )
    if found or _pick(wanted, offered):
        return found
    exchanges = [kind for kind in candidates if kind in _KEY_EXCHANGES]
    return (
        Mismatch(
            f"{prefix} additional-key-exchange",
            "each exchange with another group",
            ", ".join(_words(candidates[kind], words, prefix) for kind in exchanges),
        ),
    )


_TYPE_WORDS = {
    TransformType.ENCR: "encryption",
    TransformType.PRF: "prf",
    TransformType.INTEG: "integrity",
    TransformType.KE: "group",
    TransformType.ESN: "sequence numbers",
}


def _type_word(kind: int, prefix: str) -> str:
    if kind in _ADDITIONAL:
        return f"additional-key-exchange {kind - TransformType.ADDITIONAL_KE_1 + 1}"
    if kind == TransformType.KE and prefix == "ipsec":
        return "pfs"
    return _TYPE_WORDS[TransformType(kind)] if kind in _TYPE_WORDS else f"transform type {kind}"


def _word(row: Transform, words: Mapping[int, Mapping[Transform, str]], prefix: str) -> str:
    known = words.get(row.type, {}).get(row)
    if known is not None:
        return known
    if row.type in _KEY_EXCHANGES:
        group = GROUP_BY_NUMBER.get(row.id)
        number = group.name if group is not None and group.kem else str(row.id)
        return "none" if row.id == NONE else f"group{number}" if prefix == "ipsec" and number.isdecimal() else number
    if row.type == TransformType.ESN:
        return {0: "32 bits", 1: "64 bits"}.get(row.id, f"transform {row.id}")
    if row.type == TransformType.INTEG and row.id == NONE:
        return "none"
    text = _FOREIGN.get((row.type, row.id), f"{_type_word(row.type, prefix)} {row.id}")
    return text if row.key_bits is None else f"{text} of {row.key_bits} bits"


def _words(rows: Iterable[Transform], words: Mapping[int, Mapping[Transform, str]], prefix: str) -> str:
    return ", ".join(_word(row, words, prefix) for row in rows) or "none"


_IKE_WORDS: dict[int, dict[Transform, str]] = {
    TransformType.ENCR: {_encr(row): row.ios_proposal or row.name for row in ENCRYPTIONS if row.ike_v2 is not None},
    TransformType.PRF: {Transform(TransformType.PRF, row.prf_v2): row.ios_proposal for row in HASHES},
    TransformType.INTEG: {Transform(TransformType.INTEG, row.ike_v2): row.ios_proposal for row in INTEGRITIES},
}
_CHILD_WORDS: dict[int, dict[Transform, str]] = {
    TransformType.ENCR: {_encr(row): row.ios_transform for row in ENCRYPTIONS if row.ike_v2 is not None},
    TransformType.INTEG: {Transform(TransformType.INTEG, row.ike_v2): row.ios for row in INTEGRITIES},
}


def _ike_wanted(proposals: Iterable[Ikev2ProposalSettings]) -> Iterator[tuple[Ikev2ProposalSettings, Wanted]]:
    """For each proposal one of its AEAD ciphers and one of the others, the kind that is preferred first.

    A cipher with integrity of its own and one without cannot share a proposal (RFC 7296 section 3.3).
    """
    for row in proposals:
        for aead in dict.fromkeys(encryption.aead for encryption in row.encryptions):
            wanted: dict[int, tuple[Transform, ...]] = {
                TransformType.ENCR: tuple(_encr(one) for one in row.encryptions if one.aead is aead and one.ike_v2),
                TransformType.PRF: tuple(Transform(TransformType.PRF, one.prf_v2) for one in row.prfs),
                TransformType.KE: tuple(Transform(TransformType.KE, one.number) for one in row.groups),
            }
            if not aead:
                wanted[TransformType.INTEG] = tuple(
                    Transform(TransformType.INTEG, one.ike_v2) for one in row.integrities
                )
            for kind, groups in zip(_ADDITIONAL, row.additional, strict=False):
                wanted[kind] = tuple(Transform(kind, one.number if one else NONE) for one in groups)
            if all(wanted.values()):
                yield row, wanted


def proposals_for(policies: Iterable[Ikev2PolicySettings], local: Address) -> tuple[Ikev2ProposalSettings, ...]:
    """Those of the first policy for `local`: one that names it before one for any address."""
    rows = list(policies)
    named = [row for row in rows if local in row.locals]
    return next((row.proposals for row in (*named, *(row for row in rows if not row.locals))), ())


def ike_offer(proposals: Sequence[Ikev2ProposalSettings], spi: bytes = b"") -> SaPayload:
    """Everything that `proposals` allow, in order of preference; `spi` is the new one where an IKE SA is rekeyed.

    A peer that does not know RFC 9370 refuses a proposal with additional key exchanges as a whole (RFC 7296 section
    3.3.6). Where all of them may be none, the same is offered without them after it.
    """
    offers = []
    for _, wanted in _ike_wanted(proposals):
        offers.append(wanted)
        additional = [wanted[kind] for kind in _ADDITIONAL if kind in wanted]
        if additional and all(_none(rows[0].type) in rows for rows in additional):
            offers.append({kind: rows for kind, rows in wanted.items() if kind not in _ADDITIONAL})
    return SaPayload(
        tuple(
            Proposal(number, Protocol.IKE, spi, tuple(row for kind in sorted(wanted) for row in wanted[kind]))
            for number, wanted in enumerate(offers[:_MOST_PROPOSALS], 1)
        )
    )


def _ike_proposals(payload: SaPayload) -> list[tuple[Proposal, Wanted]]:
    return [
        (row, _by_type(row.transforms))
        for row in payload.proposals
        if row.protocol == Protocol.IKE and len(row.spi) in (0, IKE_SPI_OCTETS)
    ]


def _ike_choice(proposal: Proposal, picked: Mapping[int, Transform], answered: tuple[Transform, ...]) -> IkeChoice:
    encryption, integrity = picked[TransformType.ENCR], picked.get(TransformType.INTEG)
    return IkeChoice(
        proposal.number,
        _ENCRYPTION[encryption.id, encryption.key_bits],
        _INTEGRITY[integrity.id] if integrity and integrity.id != NONE else None,
        _PRF[picked[TransformType.PRF].id],
        GROUP_BY_NUMBER[picked[TransformType.KE].id],
        tuple(GROUP_BY_NUMBER[picked[kind].id] for kind in _ADDITIONAL if kind in picked and picked[kind].id != NONE),
        proposal.spi,
        answered,
    )


def choose_ike(proposals: Sequence[Ikev2ProposalSettings], payload: SaPayload) -> IkeChoice | None:
    """The first of what `proposals` allow that the peer offers too; None where there is nothing."""
    offers = _ike_proposals(payload)
    for _, wanted in _ike_wanted(proposals):
        for proposal, offered in offers:
            picked = _pick(wanted, offered)
            if picked is not None:
                return _ike_choice(proposal, picked, _answered(picked, offered))
    return None


def was_offered(offer: SaPayload, answer: SaPayload) -> IkeChoice | None:
    """What the peer has chosen of `offer`; None where its answer is not one choice out of one of our proposals."""
    found = _single(offer, answer, Protocol.IKE)
    if found is None or len(found[0].spi) != len(offer.proposals[0].spi):
        return None
    proposal, _, picked = found
    return _ike_choice(proposal, picked, proposal.transforms)


def explain_ike(proposals: Sequence[Ikev2ProposalSettings], payload: SaPayload) -> tuple[Mismatch, ...]:
    """The attributes on which the closest pair of our proposals and the peer's differs, in words of IOS."""
    offers = _ike_proposals(payload)
    pairs = [
        _differences(wanted, offered, "ikev2", _IKE_WORDS)
        for _, wanted in _ike_wanted(proposals)
        for _, offered in offers
    ]
    count = len(list(_ike_wanted(proposals)))
    return min(pairs, key=len, default=(Mismatch("ikev2 proposal", f"{count} usable", f"{len(offers)} usable"),))


def own_ike_offer(proposals: Sequence[Ikev2ProposalSettings]) -> tuple[Mismatch, ...]:
    """What we offered, where the peer refused without saying what it has."""
    return tuple(
        Mismatch(
            f"ikev2 proposal {row.name}",
            "; ".join(f"{_type_word(kind, 'ikev2')} {_words(wanted[kind], _IKE_WORDS, 'ikev2')}" for kind in wanted),
            "refused, its own offer is not known",
        )
        for row, wanted in _ike_wanted(proposals)
    )


def usable_sets(sets: Iterable[TransformSet]) -> tuple[TransformSet, ...]:
    """The sets that make an ESP SA: a cipher with integrity of its own or beside it."""
    return tuple(
        row
        for row in sets
        if row.encryption is not None and row.encryption.ike_v2 is not None and (row.encryption.aead or row.integrity)
    )


def _child_wanted(
    row: TransformSet, phase_two: PhaseTwo, *, first: bool, extended: bool, peer_groups: tuple[Transform, ...] = ()
) -> Wanted:
    """What a transform set wants. `peer_groups` stand in where the peer may choose whether and which PFS there is.

    Sequence numbers of 64 bits need the replay window that tells their upper half (RFC 4303 section 3.3.3).
    """
    wanted: dict[int, tuple[Transform, ...]] = {}
    if row.encryption is not None:
        wanted[TransformType.ENCR] = (_encr(row.encryption),)
    if row.integrity is not None and not (row.encryption and row.encryption.aead):
        wanted[TransformType.INTEG] = (Transform(TransformType.INTEG, row.integrity.ike_v2),)
    if not first and phase_two.pfs_group is not None:
        wanted[TransformType.KE] = (Transform(TransformType.KE, phase_two.pfs_group),)
    elif not first and peer_groups:
        wanted[TransformType.KE] = peer_groups
    numbers = (1, 0) if extended and phase_two.replay_window else (0,)
    wanted[TransformType.ESN] = tuple(Transform(TransformType.ESN, number) for number in numbers)
    return wanted


def child_offer(phase_two: PhaseTwo, spi: bytes, *, first: bool, extended: bool) -> SaPayload:
    """One proposal for each usable transform set, in order of preference.

    The `first` child, of IKE_AUTH, has no key exchange of its own (RFC 7296 section 1.2). `extended` tells that 64-bit
    sequence numbers can be had here.
    """
    return SaPayload(
        tuple(
            Proposal(number, Protocol.ESP, spi, tuple(one for rows in _sorted(wanted) for one in rows))
            for number, wanted in enumerate(
                (
                    _child_wanted(row, phase_two, first=first, extended=extended)
                    for row in usable_sets(phase_two.transform_sets)
                ),
                1,
            )
        )
    )


def _sorted(wanted: Wanted) -> list[tuple[Transform, ...]]:
    return [wanted[kind] for kind in sorted(wanted)]


def _child_proposals(payload: SaPayload, *, first: bool) -> list[tuple[Proposal, Wanted]]:
    """Usable proposals; a key exchange that a peer names in IKE_AUTH, where there can be none, does not count."""
    return [
        (
            row,
            _by_type(one for one in row.transforms if not (first and one.type == TransformType.KE and one.id != NONE)),
        )
        for row in payload.proposals
        if row.protocol == Protocol.ESP
        and len(row.spi) == ESP_SPI_OCTETS
        and int.from_bytes(row.spi, "big") > LAST_RESERVED_SPI
    ]


def _peer_groups(offered: Wanted) -> tuple[Transform, ...]:
    """A side without PFS accepts a peer that wants it, as IOS does."""
    return tuple(row for row in offered.get(TransformType.KE, ()) if row.id == NONE or row.id in GROUP_BY_NUMBER)


def _child_choice(
    row: TransformSet, proposal: Proposal, picked: Mapping[int, Transform], answered: tuple[Transform, ...]
) -> ChildChoice:
    exchange = picked.get(TransformType.KE)
    return ChildChoice(
        proposal.number,
        row,
        proposal.spi,
        GROUP_BY_NUMBER[exchange.id] if exchange and exchange.id != NONE else None,
        picked[TransformType.ESN].id == 1,
        answered,
    )


def choose_child(phase_two: PhaseTwo, payload: SaPayload, *, first: bool, extended: bool) -> ChildChoice | None:
    """The first of our transform sets that the peer offers too; None where there is none."""
    offers = _child_proposals(payload, first=first)
    for row in usable_sets(phase_two.transform_sets):
        for proposal, offered in offers:
            wanted = _child_wanted(row, phase_two, first=first, extended=extended, peer_groups=_peer_groups(offered))
            picked = _pick(wanted, offered)
            if picked is not None:
                return _child_choice(row, proposal, picked, _answered(picked, offered))
    return None


def child_was_offered(phase_two: PhaseTwo, offer: SaPayload, answer: SaPayload) -> ChildChoice | None:
    """What the peer has chosen of `offer`, which `child_offer` made of `phase_two`; None where it is none of it."""
    found = _single(offer, answer, Protocol.ESP)
    if found is None or not _child_proposals(answer, first=False):
        return None
    proposal, _, picked = found
    row = usable_sets(phase_two.transform_sets)[proposal.number - 1]
    return _child_choice(row, proposal, picked, proposal.transforms)


def explain_child(phase_two: PhaseTwo, payload: SaPayload, *, first: bool, extended: bool) -> tuple[Mismatch, ...]:
    """The attributes on which the closest pair of our transform sets and the peer's proposals differs."""
    sets, offers = usable_sets(phase_two.transform_sets), _child_proposals(payload, first=first)
    pairs = [
        _differences(
            _child_wanted(row, phase_two, first=first, extended=extended, peer_groups=_peer_groups(offered)),
            offered,
            "ipsec",
            _CHILD_WORDS,
        )
        for row in sets
        for _, offered in offers
    ]
    usable = Mismatch("ipsec transform-set", f"{len(sets)} usable", f"{len(offers)} usable" if offers else "no ESP")
    return min(pairs, key=len, default=(usable,))


def own_child_offer(phase_two: PhaseTwo, *, first: bool, extended: bool) -> tuple[Mismatch, ...]:
    """What we offered, where the peer refused without saying what it has."""
    return tuple(
        Mismatch(
            f"ipsec transform-set {row.name}",
            "; ".join(f"{_type_word(kind, 'ipsec')} {_words(rows, _CHILD_WORDS, 'ipsec')}" for kind, rows in rows_of),
            "refused, its own offer is not known",
        )
        for row, rows_of in (
            (one, _child_wanted(one, phase_two, first=first, extended=extended).items())
            for one in usable_sets(phase_two.transform_sets)
        )
    )
