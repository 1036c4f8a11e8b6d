"""Signatures in AUTH: what one side makes the other takes, and nothing else is taken."""

from __future__ import annotations

from contextlib import suppress

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import CertificateBuilder
from hypothesis import given
from hypothesis import strategies as st

from seikan.crypto.signatures import (
    OWN_HASHES,
    PrivateKey,
    SignatureAlgorithm,
    SignatureError,
    UnsupportedSignature,
    UnusableKey,
    WrongSignature,
    load_private_key,
    pull_algorithm,
    push_algorithm,
    sign,
    verify,
)
from seikan.wire.v2.constants import AuthMethod, SignatureHash

from .authority import DAY, NOW, key, name

OCTETS = b"what AUTH covers"
SHA256, SHA384, SHA512 = SignatureHash.SHA2_256, SignatureHash.SHA2_384, SignatureHash.SHA2_512
CASES = [
    ("rsa2048", OWN_HASHES, False, AuthMethod.DIGITAL_SIGNATURE, "RSA with SHA-256"),
    ("rsa2048", (SHA512,), False, AuthMethod.DIGITAL_SIGNATURE, "RSA with SHA-512"),
    ("rsa2048", OWN_HASHES, True, AuthMethod.DIGITAL_SIGNATURE, "RSA-PSS with SHA-256"),
    ("rsa2048", (SHA384,), True, AuthMethod.DIGITAL_SIGNATURE, "RSA-PSS with SHA-384"),
    ("rsa2048", (), False, AuthMethod.RSA, "RSA with SHA1"),
    ("rsa2048", (SignatureHash.SHA1,), False, AuthMethod.RSA, "RSA with SHA1"),
    ("p256", OWN_HASHES, False, AuthMethod.DIGITAL_SIGNATURE, "ECDSA with SHA-256"),
    ("p384", OWN_HASHES, False, AuthMethod.DIGITAL_SIGNATURE, "ECDSA with SHA-384"),
    ("p521", OWN_HASHES, False, AuthMethod.DIGITAL_SIGNATURE, "ECDSA with SHA-512"),
    ("p521", (SHA256,), False, AuthMethod.DIGITAL_SIGNATURE, "ECDSA with SHA-256"),
    ("p256", (), False, AuthMethod.ECDSA_256, "ECDSA on secp256r1"),
    ("p384", (), False, AuthMethod.ECDSA_384, "ECDSA on secp384r1"),
    ("p521", (), False, AuthMethod.ECDSA_521, "ECDSA on secp521r1"),
    ("ed25519", OWN_HASHES, False, AuthMethod.DIGITAL_SIGNATURE, "Ed25519"),
]


@pytest.mark.parametrize(("kind", "hashes_of_peer", "pss", "method", "words"), CASES)
def test_what_is_signed_verifies_and_nothing_near_it(
    kind: str, hashes_of_peer: tuple[int, ...], pss: bool, method: AuthMethod, words: str
) -> None:
    own = PrivateKey(key(kind))
    used, data = sign(own, hashes_of_peer, OCTETS, pss=pss)
    assert used == method
    assert verify(own.public, used, data, OCTETS) == words
    other = PrivateKey(key("rsa2048" if kind == "rsa2048" else kind, 1))
    for wrong_key, wrong_data, wrong_octets in (
        (own, data, OCTETS + b"!"),
        (own, data[:-1], OCTETS),
        (own, data + b"\0", OCTETS),
        (own, data[:-1] + bytes((data[-1] ^ 1,)), OCTETS),
        (own, b"", OCTETS),
        (other, data, OCTETS),
    ):
        with pytest.raises(SignatureError):
            verify(wrong_key.public, used, wrong_data, wrong_octets)


def test_a_raw_ecdsa_signature_is_r_and_s() -> None:
    """RFC 4754 section 7, made here without the code under test."""
    own = key("p256")
    assert isinstance(own, ec.EllipticCurvePrivateKey)
    method, data = sign(PrivateKey(own), (), OCTETS)
    assert (method, len(data)) == (9, 64)
    r, s = int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")
    own.public_key().verify(encode_dss_signature(r, s), OCTETS, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(WrongSignature, match="65 octets"):
        verify(own.public_key(), method, data[:32] + b"\0" + data[32:], OCTETS)


def test_rsa_by_method_1_may_have_a_later_hash() -> None:
    """RFC 7296 section 3.8."""
    own = key("rsa2048")
    assert isinstance(own, rsa.RSAPrivateKey)
    data = own.sign(OCTETS, padding.PKCS1v15(), hashes.SHA256())
    assert verify(own.public_key(), AuthMethod.RSA, data, OCTETS) == "RSA with SHA256"


# RFC 7427 appendix A.1.2 to A.1.4, A.3.2 to A.3.4; RFC 8420 section 3.
IDENTIFIERS = [
    (SignatureAlgorithm("rsa", SHA256), "300d06092a864886f70d01010b0500"),
    (SignatureAlgorithm("rsa", SHA384), "300d06092a864886f70d01010c0500"),
    (SignatureAlgorithm("rsa", SHA512), "300d06092a864886f70d01010d0500"),
    (SignatureAlgorithm("ecdsa", SHA256), "300a06082a8648ce3d040302"),
    (SignatureAlgorithm("ecdsa", SHA384), "300a06082a8648ce3d040303"),
    (SignatureAlgorithm("ecdsa", SHA512), "300a06082a8648ce3d040304"),
    (SignatureAlgorithm("ed25519", SignatureHash.IDENTITY), "300506032b6570"),
]


@pytest.mark.parametrize(("algorithm", "octets"), IDENTIFIERS)
def test_algorithm_identifiers_are_those_of_the_rfcs(algorithm: SignatureAlgorithm, octets: str) -> None:
    assert push_algorithm(algorithm).hex() == octets
    assert pull_algorithm(bytes.fromhex(octets)) == algorithm


@pytest.mark.parametrize(
    ("algorithm", "known"), [(SHA256, hashes.SHA256()), (SHA384, hashes.SHA384()), (SHA512, hashes.SHA512())]
)
def test_the_identifier_of_pss_is_the_one_in_certificates(
    algorithm: SignatureHash, known: hashes.SHA256 | hashes.SHA384 | hashes.SHA512
) -> None:
    """RFC 4055 section 3.1, as another writer of DER has it; RFC 7427 appendix A.4 has its default written out."""
    signer = key("rsa2048")
    assert isinstance(signer, rsa.RSAPrivateKey)
    builder = CertificateBuilder().subject_name(name("a")).issuer_name(name("a")).public_key(signer.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + DAY)
    scheme = padding.PSS(padding.MGF1(known), known.digest_size)
    certificate = builder.sign(signer, known, rsa_padding=scheme).public_bytes(Encoding.DER)
    found = SignatureAlgorithm("rsa-pss", algorithm, known.digest_size)
    octets = push_algorithm(found)
    assert octets in certificate
    assert pull_algorithm(octets) == found
    trailer = octets[:1] + bytes((octets[1] + 5,)) + octets[2:13] + b"\x30" + bytes((octets[14] + 5,)) + octets[15:]
    assert pull_algorithm(trailer + bytes.fromhex("a303020101")) == found


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        ("", "malformed"),
        ("3003", "malformed"),
        ("300d06092a864886f70d01010b0500ff", "malformed"),
        ("300d06092a864886f70d0101050500", "SHA-1"),
        ("300906072a8648ce3d0401", "SHA-1"),
        ("300d06092a864886f70d01010a3000", "SHA-1"),  # RSA-PSS with everything left to its defaults
        ("300a06082a8648ce3d040301", "not known here"),  # ecdsa-with-SHA224
        ("300c06082a8648ce3d0403020500", "not known here"),  # parameters where there are none
    ],
)
def test_other_algorithms_are_refused_in_words(octets: str, words: str) -> None:
    with pytest.raises(UnsupportedSignature, match=words):
        pull_algorithm(bytes.fromhex(octets))


def test_pss_with_two_hashes_or_another_mask_is_refused() -> None:
    octets = push_algorithm(SignatureAlgorithm("rsa-pss", SHA256, 32))
    sha256, sha384 = bytes.fromhex("608648016503040201"), bytes.fromhex("608648016503040202")
    head, _, tail = octets.rpartition(sha256)
    for wrong, words in (
        (head + sha384 + tail, "two hashes"),
        (octets.replace(bytes.fromhex("2a864886f70d010108"), bytes.fromhex("2a864886f70d010109")), "other than MGF1"),
        (octets[:-1] + b"\x7f", "a salt of 127 octets"),
    ):
        with pytest.raises(UnsupportedSignature, match=words):
            pull_algorithm(wrong)


@given(st.binary(max_size=100), st.sampled_from((1, 2, 9, 10, 11, 13, 14, 255)))
def test_random_auth_raises_the_one_family(data: bytes, method: int) -> None:
    for kind in ("rsa2048", "p256", "ed25519"):
        with pytest.raises(SignatureError):
            verify(key(kind).public_key(), method, data, OCTETS)


@given(st.data())
def test_a_changed_identifier_raises_the_one_family(draw: st.DataObject) -> None:
    """With a signature that is right but for the identifier before it."""
    own = PrivateKey(key("rsa2048"))
    _, data = sign(own, OWN_HASHES, OCTETS, pss=True)
    place = draw.draw(st.integers(0, data[0]))
    changed = bytearray(data)
    changed[place] ^= draw.draw(st.integers(1, 255))
    with suppress(SignatureError):
        assert verify(own.public, 14, bytes(changed), OCTETS) == "RSA-PSS with SHA-256"  # e.g. a NULL left out


@pytest.mark.parametrize(
    ("kind", "method"), [("rsa2048", 9), ("p256", 1), ("p256", 10), ("ed25519", 1), ("ed25519", 9), ("rsa2048", 2)]
)
def test_a_method_of_another_kind_of_key_is_refused(kind: str, method: int) -> None:
    with pytest.raises(UnsupportedSignature, match="does not go with"):
        verify(key(kind).public_key(), method, bytes(96), OCTETS)


def test_ed25519_wants_a_peer_that_takes_it() -> None:
    """RFC 8420 section 2."""
    with pytest.raises(UnsupportedSignature, match="Ed25519"):
        sign(PrivateKey(key("ed25519")), (SHA256, SHA384), OCTETS)


def test_keys_are_read_and_do_not_print() -> None:
    for kind in ("rsa2048", "p384", "ed25519"):
        own = PrivateKey(key(kind))
        for passphrase in (None, b"sesame"):
            pem = own.to_pem(passphrase)
            assert load_private_key(pem, passphrase) == own
            assert load_private_key(pem, passphrase) != PrivateKey(key("p256"))
        der = key(kind).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        assert load_private_key(der) == own
        assert repr(own) == str(own) == f"{own}" == "<private key>"
    assert PrivateKey(key("rsa2048")).kind == "rsa-sig"


@pytest.mark.parametrize(
    ("data", "passphrase", "words"),
    [
        (b"nothing", None, "not PEM or DER"),
        (PrivateKey(key("p256")).to_pem(b"sesame"), None, "passphrase is needed"),
        (PrivateKey(key("p256")).to_pem(b"sesame"), b"wrong", "wrong passphrase"),
        (PrivateKey(key("p256")).to_pem(), b"x", "not encrypted"),
        (
            ec.generate_private_key(ec.SECP256K1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
            None,
            "curve secp256k1",
        ),
        (
            dsa.generate_private_key(1024).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
            None,
            "neither RSA",
        ),
    ],
    ids=["nothing", "encrypted", "wrong", "plain", "curve", "dsa"],
)
def test_what_is_no_key_for_ikev2_is_refused(data: bytes, passphrase: bytes | None, words: str) -> None:
    with pytest.raises(UnusableKey, match=words):
        load_private_key(data, passphrase)


def test_a_wrong_signature_and_an_unknown_algorithm_are_told_apart() -> None:
    own = PrivateKey(key("p256"))
    method, data = sign(own, OWN_HASHES, OCTETS)
    with pytest.raises(WrongSignature):
        verify(own.public, method, data, b"other")
    assert isinstance(key("ed25519"), ed25519.Ed25519PrivateKey)
    with pytest.raises(UnsupportedSignature):
        verify(key("ed25519").public_key(), method, data, OCTETS)
