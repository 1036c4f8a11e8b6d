"""The keys of IKEv2 against published values, and each step that has none against its formula."""

from __future__ import annotations

import hashlib
import hmac
from ipaddress import IPv4Address, IPv6Address

import pytest
from tests.vectors.ikev2 import CAVS_IKEV2

from seikan.crypto.ikev2_auth import auth_octets, int_auth, int_auth_step, nat_detection, psk_auth
from seikan.crypto.ikev2_keys import (
    IkeKeys,
    additional_ike_keys,
    child_keymat,
    derive_ike_keys,
    ppk_keys,
    prf_plus,
    rekey_ike_keys,
    resume_ike_keys,
)
from seikan.wire.constants import ENCRYPTION_BY_NAME, HASH_BY_NAME, INTEGRITY_BY_NAME
from seikan.wire.secret import Secret

SHA256 = HASH_BY_NAME["sha256"]
NONCES, SPIS = (b"i" * 32, b"r" * 32), (b"SPI of i", b"SPI of r")
CBC, SHA = ENCRYPTION_BY_NAME["aes-cbc-256"], INTEGRITY_BY_NAME["hmac-sha256-128"]
GCM, CHACHA = ENCRYPTION_BY_NAME["aes-gcm-16-256"], ENCRYPTION_BY_NAME["chacha20-poly1305"]


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, "sha256").digest()


def keys() -> IkeKeys:
    return derive_ike_keys(SHA256, CBC, SHA, nonces=NONCES, spis=SPIS, shared=Secret(b"g" * 32))


@pytest.mark.parametrize("name", sorted(CAVS_IKEV2))
def test_keys_of_nist_cavs(name: str) -> None:
    """SP 800-135 section 4.1.2: SKEYSEED, prf+ and the SKEYSEED of a rekey, whose SK_d is the head of prf+."""
    vector = {key: bytes.fromhex(text) for key, text in CAVS_IKEV2[name].items()}
    algorithm = HASH_BY_NAME[name]
    nonces, spis = (vector["ni"], vector["nr"]), (vector["spi_i"], vector["spi_r"])
    seed = b"".join((*nonces, *spis))
    assert prf_plus(algorithm, vector["skeyseed"], seed, 132) == vector["material"]
    encryption = ENCRYPTION_BY_NAME["aes-cbc-128"]
    integrity = INTEGRITY_BY_NAME["hmac-sha1-96"]
    found = derive_ike_keys(algorithm, encryption, integrity, nonces=nonces, spis=spis, shared=Secret(vector["g_ir"]))
    stream = b"".join((found.sk_d, found.sk_ai, found.sk_ar, found.sk_ei, found.sk_er, found.sk_pi, found.sk_pr))
    assert stream[:132] == vector["material"][: len(stream)]
    assert [len(key) for key in (found.sk_d, found.sk_ai, found.sk_ei, found.sk_pr)] == [
        algorithm.octets,
        20,
        16,
        algorithm.octets,
    ]
    assert found.sk_d == vector["material"][: algorithm.octets]
    fresh = rekey_ike_keys(
        found, algorithm, encryption, integrity, nonces=nonces, spis=spis, shareds=(Secret(vector["g_ir_new"]),)
    )
    assert fresh.sk_d == prf_plus(algorithm, vector["skeyseed_rekey"], seed, algorithm.octets)


def test_prf_plus_ends_where_its_counter_does() -> None:
    """RFC 7296 section 2.13."""
    assert len(prf_plus(SHA256, b"key", b"seed", 255 * 32)) == 255 * 32
    with pytest.raises(ValueError, match="prf"):
        prf_plus(SHA256, b"key", b"seed", 255 * 32 + 1)


def test_an_aead_has_its_salt_behind_its_key_and_no_integrity_key() -> None:
    for encryption in (GCM, CHACHA):
        found = derive_ike_keys(SHA256, encryption, None, nonces=NONCES, spis=SPIS, shared=Secret(b"g"))
        assert [len(key) for key in (found.sk_ai, found.sk_ar, found.sk_ei, found.sk_er)] == [0, 0, 36, 36]


def test_a_rekey_takes_the_old_prf_for_its_seed_and_the_new_one_behind_it() -> None:
    """RFC 7296 section 2.18; RFC 9370 section 2.2.4 puts further secrets behind the nonces."""
    old, sha384 = keys(), HASH_BY_NAME["sha384"]
    shareds = (Secret(b"0"), Secret(b"1"), Secret(b"2"))
    fresh = rekey_ike_keys(old, sha384, GCM, None, nonces=NONCES, spis=SPIS, shareds=shareds)
    skeyseed = mac(old.sk_d, b"0" + NONCES[0] + NONCES[1] + b"12")
    assert fresh.sk_d == prf_plus(sha384, skeyseed, b"".join((*NONCES, *SPIS)), 48)


def test_an_additional_key_exchange_chains_from_sk_d() -> None:
    """RFC 9370 section 2.2.2."""
    old = keys()
    fresh = additional_ike_keys(old, Secret(b"kem"), nonces=NONCES, spis=SPIS)
    skeyseed = mac(old.sk_d, b"kem" + NONCES[0] + NONCES[1])
    assert fresh.sk_d == mac(skeyseed, b"".join((*NONCES, *SPIS)) + b"\1")
    assert fresh.encryption is old.encryption


def test_a_resumed_sa_begins_from_the_old_sk_d() -> None:
    """RFC 5723 section 5.1."""
    fresh = resume_ike_keys(Secret(b"d" * 32), SHA256, CBC, SHA, nonces=NONCES, spis=SPIS)
    skeyseed = mac(b"d" * 32, b"Resumption" + NONCES[0] + NONCES[1])
    assert fresh.sk_d == mac(skeyseed, b"".join((*NONCES, *SPIS)) + b"\1")


def test_a_ppk_changes_what_authenticates_and_what_derives_and_nothing_else() -> None:
    """RFC 8784 section 3."""
    old = keys()
    fresh = ppk_keys(old, Secret(b"quantum"))
    assert fresh.sk_d == mac(b"quantum", old.sk_d + b"\1")
    assert fresh.sk_pi == mac(b"quantum", old.sk_pi + b"\1")
    assert fresh.sk_pr == mac(b"quantum", old.sk_pr + b"\1")
    assert (fresh.sk_ai, fresh.sk_ar, fresh.sk_ei, fresh.sk_er) == (old.sk_ai, old.sk_ar, old.sk_ei, old.sk_er)


def test_child_keys_are_the_initiators_first_and_the_ciphers_before_the_integritys() -> None:
    """RFC 7296 section 2.17; with key exchanges in the order of RFC 9370 section 2.2.4."""
    sk_d = Secret(b"d" * 32)
    plain = child_keymat(SHA256, sk_d, CBC, SHA, nonces=NONCES)
    stream = prf_plus(SHA256, sk_d, b"".join(NONCES), 128)
    assert (plain.encryption_i, plain.integrity_i) == (stream[:32], stream[32:64])
    assert (plain.encryption_r, plain.integrity_r) == (stream[64:96], stream[96:])
    pfs = child_keymat(SHA256, sk_d, GCM, None, nonces=NONCES, shareds=(Secret(b"a"), Secret(b"b")))
    stream = prf_plus(SHA256, sk_d, b"a" + b"".join(NONCES) + b"b", 72)
    assert (pfs.encryption_i, pfs.encryption_r) == (stream[:36], stream[36:])
    assert pfs.integrity_i == pfs.integrity_r == b""


def test_auth_of_a_shared_key_follows_its_formula() -> None:
    """RFC 7296 section 2.15, with IntAuth of RFC 9242 section 3.3."""
    own, psk = keys(), Secret(b"cisco123")
    octets = auth_octets(b"message", b"nonce", SHA256, own.sk_pi, b"\2\0\0\0west")
    assert octets == b"message" + b"nonce" + mac(own.sk_pi, b"\2\0\0\0west")
    assert psk_auth(SHA256, psk, octets) == mac(mac(psk, b"Key Pad for IKEv2"), octets)
    first = int_auth_step(SHA256, own.sk_pi, b"", b"A1P1")
    second = int_auth_step(SHA256, own.sk_pi, first, b"A2P2")
    assert second == mac(own.sk_pi, mac(own.sk_pi, b"A1P1") + b"A2P2")
    both = int_auth(second, first, 3)
    assert both == second + first + bytes.fromhex("00000003")
    assert auth_octets(b"m", b"n", SHA256, own.sk_pi, b"i", both).endswith(both)
    assert int_auth(b"", b"", 1) == b""


def test_nat_detection_hashes_spis_address_and_port() -> None:
    """RFC 7296 section 2.23."""
    octets = SPIS[0] + bytes(8) + bytes((192, 0, 2, 1)) + bytes.fromhex("01f4")
    assert nat_detection((SPIS[0], bytes(8)), IPv4Address("192.0.2.1"), 500) == hashlib.sha1(octets).digest()
    assert len(nat_detection(SPIS, IPv6Address("2001:db8::1"), 4500)) == 20


def test_keys_do_not_print() -> None:
    own = keys()
    assert own.sk_d.hex() not in repr(own)
    assert str(bytes(own.sk_ei)) not in repr(own)
    child = child_keymat(SHA256, own.sk_d, CBC, SHA, nonces=NONCES)
    assert str(bytes(child.encryption_i)) not in repr(child)
