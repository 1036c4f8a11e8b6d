"""The key hierarchy of IKEv1 with pre-shared keys (RFC 2409 sections 5 and 5.5, appendix B)."""

from __future__ import annotations

from dataclasses import dataclass

from seikan.crypto.prf import digest, prf
from seikan.wire.constants import Encryption, Hash
from seikan.wire.secret import Secret


@dataclass(frozen=True, slots=True)
class Phase1Keys:
    """`encryption_key` is SKEYID_e brought to the cipher's length; `iv` the first one of phase 1."""

    hash: Hash
    encryption: Encryption
    skeyid: Secret
    skeyid_d: Secret
    skeyid_a: Secret
    skeyid_e: Secret
    encryption_key: Secret
    iv: bytes


def skeyid_pre_shared(algorithm: Hash, key: Secret, nonce_i: bytes, nonce_r: bytes) -> Secret:
    """SKEYID = prf(pre-shared-key, Ni_b | Nr_b)."""
    return prf(algorithm, key, nonce_i + nonce_r)


def derive_skeyids(
    algorithm: Hash, skeyid: Secret, shared: Secret, cookie_i: bytes, cookie_r: bytes
) -> tuple[Secret, Secret, Secret]:
    """SKEYID_d, SKEYID_a and SKEYID_e."""
    tail = shared + cookie_i + cookie_r
    skeyid_d = prf(algorithm, skeyid, tail + b"\0")
    skeyid_a = prf(algorithm, skeyid, skeyid_d + tail + b"\1")
    skeyid_e = prf(algorithm, skeyid, skeyid_a + tail + b"\2")
    return skeyid_d, skeyid_a, skeyid_e


def expand_encryption_key(algorithm: Hash, skeyid_e: Secret, octets: int) -> Secret:
    """SKEYID_e cut or, where it is shorter than the cipher's key, expanded to `octets` (appendix B)."""
    if len(skeyid_e) >= octets:
        return Secret(skeyid_e[:octets])
    block = prf(algorithm, skeyid_e, b"\0")
    material = bytes(block)
    while len(material) < octets:
        block = prf(algorithm, skeyid_e, block)
        material += block
    return Secret(material[:octets])


def derive_phase1(
    algorithm: Hash,
    encryption: Encryption,
    key: Secret,
    *,
    nonces: tuple[bytes, bytes],
    cookies: tuple[bytes, bytes],
    publics: tuple[bytes, bytes],
    shared: Secret,
) -> Phase1Keys:
    """Everything phase 1 derives; pairs are (initiator's, responder's)."""
    skeyid = skeyid_pre_shared(algorithm, key, *nonces)
    skeyid_d, skeyid_a, skeyid_e = derive_skeyids(algorithm, skeyid, shared, *cookies)
    return Phase1Keys(
        algorithm,
        encryption,
        skeyid,
        skeyid_d,
        skeyid_a,
        skeyid_e,
        expand_encryption_key(algorithm, skeyid_e, encryption.key_bits // 8),
        digest(algorithm, publics[0] + publics[1])[: encryption.block],
    )


def phase2_iv(keys: Phase1Keys, last_block: bytes, message_id: int) -> bytes:
    """The first IV of a phase 2 exchange: hash(last phase 1 block | M-ID)."""
    return digest(keys.hash, last_block + message_id.to_bytes(4, "big"))[: keys.encryption.block]


def phase1_hash(
    keys: Phase1Keys,
    own_public: bytes,
    other_public: bytes,
    own_cookie: bytes,
    other_cookie: bytes,
    sa: bytes,
    identity: bytes,
) -> bytes:
    """HASH_I with the initiator's values first, HASH_R with the responder's; `sa` is SAi_b, `identity` the prover's."""
    return bytes(prf(keys.hash, keys.skeyid, own_public + other_public + own_cookie + other_cookie + sa + identity))


def message_hash(keys: Phase1Keys, message_id: int, octets: bytes, nonce_i: bytes = b"") -> bytes:
    """HASH(1), and HASH(2) with the initiator's nonce: prf(SKEYID_a, M-ID | [Ni_b |] what follows the HASH payload)."""
    return bytes(prf(keys.hash, keys.skeyid_a, message_id.to_bytes(4, "big") + nonce_i + octets))


def closing_hash(keys: Phase1Keys, message_id: int, nonce_i: bytes, nonce_r: bytes) -> bytes:
    """HASH(3) of quick mode: prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b)."""
    return bytes(prf(keys.hash, keys.skeyid_a, b"\0" + message_id.to_bytes(4, "big") + nonce_i + nonce_r))


def keymat(
    keys: Phase1Keys,
    protocol: int,
    spi: bytes,
    nonce_i: bytes,
    nonce_r: bytes,
    octets: int,
    shared: Secret | None = None,
) -> Secret:
    """KEYMAT of the SA that receives with `spi` (section 5.5); `shared` is g(qm)^xy where PFS is on."""
    seed = (shared or b"") + bytes((protocol,)) + spi + nonce_i + nonce_r
    block = prf(keys.hash, keys.skeyid_d, seed)
    material = bytes(block)
    while len(material) < octets:
        block = prf(keys.hash, keys.skeyid_d, block + seed)
        material += block
    return Secret(material[:octets])
