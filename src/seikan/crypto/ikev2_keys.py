"""The key hierarchy of IKEv2 (RFC 7296 sections 2.13, 2.14, 2.17 and 2.18; RFC 9370; RFC 8784).

Pairs are (initiator's, responder's) of the exchange in hand, `shareds` the secrets of its key exchanges in order:
one, with further ones where RFC 9370 adds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from seikan.crypto.prf import prf
from seikan.wire.constants import Encryption, Hash, Integrity
from seikan.wire.secret import Secret

_MAX_BLOCKS = 255  # RFC 7296 section 2.13: the counter is one octet
Pair = tuple[bytes, bytes]


def prf_plus(algorithm: Hash, key: bytes, seed: bytes, octets: int) -> Secret:
    """prf+(key, seed), cut to `octets`, of which there are at most 255 outputs of the PRF."""
    if octets > _MAX_BLOCKS * algorithm.octets:
        raise ValueError(f"prf+ ends before {octets} octets")
    block = b""
    material = b""
    number = 0
    while len(material) < octets:
        number += 1
        block = prf(algorithm, key, block + seed + bytes((number,)))
        material += block
    return Secret(material[:octets])


@dataclass(frozen=True, slots=True)
class IkeKeys:
    """The keys of one IKE SA. `sk_ei` and `sk_er` of an AEAD have its salt behind the key (RFC 5282 section 7.1).

    `integrity` is None and `sk_ai` and `sk_ar` are empty where the cipher brings its own.
    """

    prf: Hash
    encryption: Encryption
    integrity: Integrity | None
    sk_d: Secret
    sk_ai: Secret
    sk_ar: Secret
    sk_ei: Secret
    sk_er: Secret
    sk_pi: Secret
    sk_pr: Secret


def key_octets(encryption: Encryption) -> int:
    """Octets of keying material that a cipher takes, with its salt."""
    return encryption.key_bits // 8 + encryption.salt


def _expand(
    algorithm: Hash, encryption: Encryption, integrity: Integrity | None, skeyseed: Secret, nonces: Pair, spis: Pair
) -> IkeKeys:
    """{SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+(SKEYSEED, Ni | Nr | SPIi | SPIr)."""
    own, check, key = algorithm.octets, integrity.key if integrity else 0, key_octets(encryption)
    sizes = (own, check, check, key, key, own, own)
    material = prf_plus(algorithm, skeyseed, b"".join(nonces) + b"".join(spis), sum(sizes))
    parts, position = [], 0
    for size in sizes:
        parts.append(Secret(material[position : position + size]))
        position += size
    return IkeKeys(algorithm, encryption, integrity, *parts)


def derive_ike_keys(
    algorithm: Hash,
    encryption: Encryption,
    integrity: Integrity | None,
    *,
    nonces: Pair,
    spis: Pair,
    shared: Secret,
) -> IkeKeys:
    """The keys after IKE_SA_INIT: SKEYSEED = prf(Ni | Nr, g^ir) (section 2.14)."""
    skeyseed = prf(algorithm, b"".join(nonces), shared)
    return _expand(algorithm, encryption, integrity, skeyseed, nonces, spis)


def rekey_ike_keys(
    old: IkeKeys,
    algorithm: Hash,
    encryption: Encryption,
    integrity: Integrity | None,
    *,
    nonces: Pair,
    spis: Pair,
    shareds: Sequence[Secret],
) -> IkeKeys:
    """The keys of an IKE SA that replaces `old`, by the PRF of the old one up to SKEYSEED (section 2.18).

    SKEYSEED = prf(SK_d(old), SK(0) | Ni | Nr | SK(1) | …), SK(0) being g^ir (RFC 9370 section 2.2.4).
    """
    skeyseed = prf(old.prf, old.sk_d, _seed(nonces, shareds))
    return _expand(algorithm, encryption, integrity, skeyseed, nonces, spis)


def additional_ike_keys(keys: IkeKeys, shared: Secret, *, nonces: Pair, spis: Pair) -> IkeKeys:
    """The keys after one more key exchange in IKE_INTERMEDIATE (RFC 9370 section 2.2.2).

    SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr).
    """
    skeyseed = prf(keys.prf, keys.sk_d, shared + b"".join(nonces))
    return _expand(keys.prf, keys.encryption, keys.integrity, skeyseed, nonces, spis)


def resume_ike_keys(
    old_sk_d: Secret,
    algorithm: Hash,
    encryption: Encryption,
    integrity: Integrity | None,
    *,
    nonces: Pair,
    spis: Pair,
) -> IkeKeys:
    """The keys of a resumed IKE SA (RFC 5723 section 5.1): SKEYSEED = prf(SK_d(old), "Resumption" | Ni | Nr)."""
    skeyseed = prf(algorithm, old_sk_d, b"Resumption" + b"".join(nonces))
    return _expand(algorithm, encryption, integrity, skeyseed, nonces, spis)


def ppk_keys(keys: IkeKeys, ppk: Secret) -> IkeKeys:
    """SK_d, SK_pi and SK_pr with a post-quantum pre-shared key mixed in: prf+(PPK, SK') each (RFC 8784 section 3)."""
    algorithm = keys.prf
    sk_d, sk_pi, sk_pr = (
        prf_plus(algorithm, ppk, key, algorithm.octets) for key in (keys.sk_d, keys.sk_pi, keys.sk_pr)
    )
    return replace(keys, sk_d=sk_d, sk_pi=sk_pi, sk_pr=sk_pr)


@dataclass(frozen=True, slots=True)
class ChildKeys:
    """The keys of a pair of SAs; `_i` protects what the exchange's initiator sends. An AEAD's key has its salt."""

    encryption_i: Secret
    integrity_i: Secret
    encryption_r: Secret
    integrity_r: Secret


def child_keymat(
    algorithm: Hash,
    sk_d: Secret,
    encryption: Encryption,
    integrity: Integrity | None,
    *,
    nonces: Pair,
    shareds: Sequence[Secret] = (),
) -> ChildKeys:
    """KEYMAT = prf+(SK_d, [SK(0) |] Ni | Nr [| SK(1) …]): first all of the initiator's direction (section 2.17)."""
    key, check = key_octets(encryption), integrity.key if integrity else 0
    material = prf_plus(algorithm, sk_d, _seed(nonces, shareds), 2 * (key + check))
    first, second = material[: key + check], material[key + check :]
    return ChildKeys(*(Secret(part) for half in (first, second) for part in (half[:key], half[key:])))


def _seed(nonces: Pair, shareds: Sequence[Secret]) -> bytes:
    """SK(0) | Ni | Nr | SK(1) | … (RFC 9370 section 2.2.4); without key exchange the nonces alone."""
    return b"".join((*shareds[:1], *nonces, *shareds[1:]))
