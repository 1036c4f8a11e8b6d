"""Published values: key derivation, groups and PRFs against their sources."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from tests.vectors.ikev2 import RFC7748
from tests.vectors.mlkem import WYCHEPROOF_MLKEM
from tests.vectors.published import HMAC_VECTORS, RFC5903

from seikan.crypto.key_exchange import (
    InvalidPublicValue,
    available,
    curve_key_pair,
    generate_key_pair,
    modp_prime,
    octets_key_pair,
    respond,
)
from seikan.crypto.keys import Phase1Keys, derive_skeyids, expand_encryption_key, keymat, skeyid_pre_shared
from seikan.crypto.prf import prf
from seikan.wire.constants import ENCRYPTION_BY_NAME, GROUP_BY_NUMBER, GROUPS, HASH_BY_NAME, Group
from seikan.wire.secret import Secret

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "vectors" / "ike_kdf"
CAVS = CORPUS / "nss-dev+nss" / "cavs_ikev1_psk_sample.json"


@pytest.mark.parametrize(("name", "key", "data", "expected"), HMAC_VECTORS)
def test_prf_is_hmac_as_published(name: str, key: str, data: str, expected: str) -> None:
    assert prf(HASH_BY_NAME[name], bytes.fromhex(key), bytes.fromhex(data)).hex() == expected


@pytest.mark.skipif(not CAVS.exists(), reason="the corpus of public vectors is not beside the repository")
def test_skeyids_of_nist_cavs() -> None:
    """NIST CAVS 17.3, IKEv1 with pre-shared keys."""
    names = {"SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
    vectors = json.loads(CAVS.read_text())["vectors"]
    for vector in vectors:
        algorithm = HASH_BY_NAME[names[vector["group"]["hash"]]]
        value = {name: bytes.fromhex(text) for name, text in vector.items() if isinstance(text, str)}
        skeyid = skeyid_pre_shared(algorithm, Secret(value["pre-shared-key"]), value["Ni"], value["Nr"])
        derived = derive_skeyids(algorithm, skeyid, Secret(value["g^xy"]), value["CKY_I"], value["CKY_R"])
        assert skeyid == value["SKEYID"]
        assert derived == (value["SKEYID_d"], value["SKEYID_a"], value["SKEYID_e"])
    assert len(vectors) >= 200


@pytest.mark.parametrize("number", sorted(RFC5903))
def test_curves_of_rfc_5903(number: int) -> None:
    """RFC 5903 section 8: both private values, both public ones, and the shared x."""
    vector = RFC5903[number]
    group = GROUP_BY_NUMBER[number]
    initiator, responder = (curve_key_pair(group, int(vector[name], 16)) for name in ("i", "r"))
    assert initiator.public.hex() == vector["gi"]
    assert responder.public.hex() == vector["gr"]
    assert initiator.shared(responder.public).hex() == vector["shared"]
    assert responder.shared(initiator.public).hex() == vector["shared"]


@pytest.mark.parametrize("number", sorted(WYCHEPROOF_MLKEM))
def test_ml_kem_of_wycheproof(number: int) -> None:
    """FIPS 203; a ciphertext that was changed gives another secret, not an error (section 6.3)."""
    group, vector = GROUP_BY_NUMBER[number], WYCHEPROOF_MLKEM[number]
    if not available(group):
        pytest.skip(f"this installation of cryptography has no {group.name}")
    pair = octets_key_pair(group, bytes.fromhex(vector["seed"]))
    assert hashlib.sha256(pair.public).hexdigest() == vector["public_sha256"]
    ciphertext = bytes.fromhex(vector["ciphertext"])
    assert pair.shared(ciphertext).hex() == vector["secret"]
    assert pair.shared(ciphertext[:-1] + b"\0").hex() != vector["secret"]


def test_primes_follow_their_formula() -> None:
    """RFC 2409 section 6.2 and RFC 3526: the first and last octets are known, the rest is digits of pi."""
    for group in (group for group in GROUPS if not group.curve and not group.kem):
        octets = modp_prime(group.octets).to_bytes(group.octets, "big")
        assert octets.hex().startswith("ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74")
        assert octets.endswith(b"\xff" * 8)
    # RFC 3526 section 3 and RFC 2409 section 6.2: the words before the last.
    assert modp_prime(256).to_bytes(256, "big")[-16:-8].hex() == "15728e5a8aacaa68"
    assert modp_prime(128).to_bytes(128, "big")[-16:-8].hex() == "49286651ece65381"


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_both_sides_share_one_secret(group: Group) -> None:
    if not available(group):
        pytest.skip(f"this installation of cryptography has no {group.name}")
    one = generate_key_pair(group)
    assert len(one.public) == group.octets
    public, shared = respond(group, one.public)
    assert len(public) == (group.response_octets or group.octets)
    assert one.shared(public) == shared
    assert repr(shared) == f"<secret of {len(shared)} octets>"
    if group.kem or group.curve == "x25519":
        assert len(shared) == 32
    else:
        other = generate_key_pair(group)
        assert one.shared(other.public) == other.shared(one.public)
        assert len(shared) == (group.octets // 2 if group.curve else group.octets)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_values_outside_the_group_are_refused(group: Group) -> None:
    if not available(group):
        pytest.skip(f"this installation of cryptography has no {group.name}")
    pair = generate_key_pair(group)
    wrong = [bytes(group.octets - 1), b""]
    if group.kem:  # FIPS 203 section 7.2: coefficients above the modulus; of a ciphertext only its length is checked
        with pytest.raises(InvalidPublicValue):
            respond(group, b"\xff" * group.octets)
    elif group.curve == "x25519":
        wrong.append(bytes(group.octets))
    else:
        wrong += [bytes(group.octets), b"\xff" * group.octets]
    if not group.curve and not group.kem:
        prime = modp_prime(group.octets)
        wrong += [value.to_bytes(group.octets, "big") for value in (1, prime - 1, prime)]
    for value in wrong:
        with pytest.raises(InvalidPublicValue):
            pair.shared(value)
        with pytest.raises(InvalidPublicValue):
            respond(group, value)


def test_x25519_of_rfc_7748() -> None:
    """RFC 7748 section 6.1; RFC 8031 section 3.1 sends these octets as they are."""
    pair = octets_key_pair(GROUP_BY_NUMBER[31], bytes.fromhex(RFC7748["private"]))
    assert pair.public.hex() == RFC7748["public"]
    assert pair.shared(bytes.fromhex(RFC7748["peer"])).hex() == RFC7748["shared"]


def test_a_short_skeyid_e_is_expanded() -> None:
    """RFC 2409 appendix B: Ka = K1 | K2 | K3 with K1 = prf(SKEYID_e, 0)."""
    sha1 = HASH_BY_NAME["sha1"]
    skeyid_e = Secret(bytes(range(20)))
    first = prf(sha1, skeyid_e, b"\0")
    second = prf(sha1, skeyid_e, first)
    assert expand_encryption_key(sha1, skeyid_e, 32) == (first + second)[:32]
    assert expand_encryption_key(sha1, skeyid_e, 16) == skeyid_e[:16]


def test_keymat_is_chained_and_changes_with_pfs() -> None:
    """RFC 2409 section 5.5."""
    sha1 = HASH_BY_NAME["sha1"]
    key = Secret(b"k" * 20)
    keys = Phase1Keys(sha1, ENCRYPTION_BY_NAME["aes-cbc-128"], key, key, key, key, Secret(key[:16]), bytes(16))
    spi, nonces = b"\0\0\1\0", (b"i" * 16, b"r" * 16)
    seed = b"\3" + spi + nonces[0] + nonces[1]
    first = prf(sha1, key, seed)
    assert keymat(keys, 3, spi, *nonces, 36) == (first + prf(sha1, key, first + seed))[:36]
    shared = Secret(b"g")
    assert keymat(keys, 3, spi, *nonces, 20, shared) == prf(sha1, key, shared + seed)


def test_secrets_do_not_print() -> None:
    secret = prf(HASH_BY_NAME["sha1"], b"key", b"data")
    for text in (repr(secret), str(secret), f"{secret}", f"{secret!r:>5}"):
        assert secret.hex() not in text
        assert "secret of 20 octets" in text
