"""Signatures of IKEv2's AUTH payload (RFC 7296 section 2.15, RFC 4754, RFC 7427, RFC 8420)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from seikan.crypto.der import INTEGER, NULL, OBJECT_IDENTIFIER, SEQUENCE, NotDer, elements, only, write
from seikan.wire.v2.constants import AuthMethod, SignatureHash

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

#: What this side takes in AUTH by RFC 7427, to be sent as SIGNATURE_HASH_ALGORITHMS; SHA-1 MUST NOT (RFC 8247).
OWN_HASHES = (SignatureHash.SHA2_256, SignatureHash.SHA2_384, SignatureHash.SHA2_512, SignatureHash.IDENTITY)


class SignatureError(Exception):
    """AUTH that proves nothing; the text tells why, and never holds key material."""


class WrongSignature(SignatureError):
    """The signature is not one of these octets by this key."""


class UnsupportedSignature(SignatureError):
    """An algorithm that this side does not have, or that the peer does not take."""


class UnusableKey(SignatureError):
    """What should be a private key cannot be read as one that signs here."""


class PrivateKey:
    """A private key that cannot be printed. Equal are those of the same public key."""

    __slots__ = ("_key", "_public")

    def __init__(self, key: _Key) -> None:
        self._key = key
        self._public = key.public_key()

    @property
    def public(self) -> PublicKey:
        return self._public

    @property
    def kind(self) -> str:
        """The word of IOS for what it authenticates with: "rsa-sig", "ecdsa-sig", "eddsa-sig"."""
        return key_kind(self._public)

    def to_pem(self, passphrase: bytes | None = None) -> bytes:
        """PKCS #8 for the private key store, encrypted where there is a passphrase."""
        protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            protection = serialization.BestAvailableEncryption(passphrase)
        return self._key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PrivateKey) and self._public == other._public

    def __hash__(self) -> int:
        return hash(type(self._key))

    def __repr__(self) -> str:
        return "<private key>"


def load_private_key(data: bytes, passphrase: bytes | None = None) -> PrivateKey:
    """A private key in PEM or DER (PKCS #8, PKCS #1, SEC 1). Raises `UnusableKey`."""
    read = serialization.load_pem_private_key if b"-----BEGIN" in data else serialization.load_der_private_key
    try:
        key = read(data, passphrase)
    except TypeError:
        problem = "a passphrase is needed" if passphrase is None else "it is not encrypted, but a passphrase was given"
        raise UnusableKey(f"the private key cannot be read: {problem}") from None
    except Exception:  # noqa: BLE001 - the library raises several kinds, and their texts may quote the input
        raise UnusableKey("the private key cannot be read: wrong passphrase, or not PEM or DER of a key") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise UnusableKey("the private key is neither RSA nor ECDSA nor Ed25519")
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name not in _CURVES:
        raise UnusableKey(f"the private key is on curve {key.curve.name}; P-256, P-384 and P-521 sign in IKEv2")
    return PrivateKey(key)


def key_kind(public: PublicKey) -> str:
    """ "rsa-sig", "ecdsa-sig" or "eddsa-sig": the words of a profile."""
    if isinstance(public, rsa.RSAPublicKey):
        return "rsa-sig"
    return "ecdsa-sig" if isinstance(public, ec.EllipticCurvePublicKey) else "eddsa-sig"


_HASHES: dict[SignatureHash, hashes.HashAlgorithm] = {
    SignatureHash.SHA2_256: hashes.SHA256(),
    SignatureHash.SHA2_384: hashes.SHA384(),
    SignatureHash.SHA2_512: hashes.SHA512(),
}
_STRONGEST_FIRST = (SignatureHash.SHA2_512, SignatureHash.SHA2_384, SignatureHash.SHA2_256)


@dataclass(frozen=True, slots=True)
class _Curve:
    """What RFC 4754 section 3 ties to a curve; `octets` of r and of s."""

    method: AuthMethod
    octets: int
    hash: SignatureHash


_CURVES = {
    "secp256r1": _Curve(AuthMethod.ECDSA_256, 32, SignatureHash.SHA2_256),
    "secp384r1": _Curve(AuthMethod.ECDSA_384, 48, SignatureHash.SHA2_384),
    "secp521r1": _Curve(AuthMethod.ECDSA_521, 66, SignatureHash.SHA2_512),
}
_CURVE_BY_METHOD: dict[int, _Curve] = {row.method: row for row in _CURVES.values()}


# --- algorithm identifiers (RFC 7427 appendix A, RFC 8420 section 3) ----------------------------------------------


def _oid(text: str) -> bytes:
    return bytes.fromhex(text)


_RSA_OID = {  # PKCS #1: sha…WithRSAEncryption
    _oid("2a864886f70d01010b"): SignatureHash.SHA2_256,
    _oid("2a864886f70d01010c"): SignatureHash.SHA2_384,
    _oid("2a864886f70d01010d"): SignatureHash.SHA2_512,
}
_ECDSA_OID = {  # ecdsa-with-SHA…
    _oid("2a8648ce3d040302"): SignatureHash.SHA2_256,
    _oid("2a8648ce3d040303"): SignatureHash.SHA2_384,
    _oid("2a8648ce3d040304"): SignatureHash.SHA2_512,
}
_HASH_OID = {
    _oid("608648016503040201"): SignatureHash.SHA2_256,
    _oid("608648016503040202"): SignatureHash.SHA2_384,
    _oid("608648016503040203"): SignatureHash.SHA2_512,
}
_PSS_OID, _MGF1_OID, _ED25519_OID = _oid("2a864886f70d01010a"), _oid("2a864886f70d010108"), _oid("2b6570")
_MOST_SALT = 64  # as long as the longest hash (RFC 4055 section 3.1)
_SHA1_OIDS = frozenset((_oid("2a864886f70d010105"), _oid("2a8648ce3d0401")))


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """What an AlgorithmIdentifier names: `kind` "rsa", "rsa-pss", "ecdsa" or "ed25519"; `salt` octets of PSS."""

    kind: str
    hash: SignatureHash
    salt: int = 0

    @property
    def text(self) -> str:
        name = self.hash.name.replace("_", "-").replace("SHA2", "SHA")
        return "Ed25519" if self.kind == "ed25519" else f"{self.kind.upper()} with {name}"


def _hash_identifier(hash_algorithm: SignatureHash) -> bytes:
    oid = next(oid for oid, known in _HASH_OID.items() if known is hash_algorithm)
    return write(SEQUENCE, write(OBJECT_IDENTIFIER, oid), write(NULL))


def push_algorithm(algorithm: SignatureAlgorithm) -> bytes:
    """The DER of an AlgorithmIdentifier."""
    if algorithm.kind == "ed25519":
        return write(SEQUENCE, write(OBJECT_IDENTIFIER, _ED25519_OID))
    if algorithm.kind == "ecdsa":
        oid = next(oid for oid, known in _ECDSA_OID.items() if known is algorithm.hash)
        return write(SEQUENCE, write(OBJECT_IDENTIFIER, oid))
    if algorithm.kind == "rsa":
        oid = next(oid for oid, known in _RSA_OID.items() if known is algorithm.hash)
        return write(SEQUENCE, write(OBJECT_IDENTIFIER, oid), write(NULL))
    identifier = _hash_identifier(algorithm.hash)
    parameters = write(
        SEQUENCE,  # RSASSA-PSS-params (RFC 4055 section 3.1); the trailer field is its default
        write(0xA0, identifier),
        write(0xA1, write(SEQUENCE, write(OBJECT_IDENTIFIER, _MGF1_OID), identifier)),
        write(0xA2, write(INTEGER, bytes((algorithm.salt,)))),
    )
    return write(SEQUENCE, write(OBJECT_IDENTIFIER, _PSS_OID), parameters)


def _pull_hash(octets: bytes) -> SignatureHash:
    """A hash's identifier; its parameters are NULL or absent (RFC 4055 section 2.1)."""
    first, *rest = elements(only(octets, SEQUENCE).content)
    if first.tag != OBJECT_IDENTIFIER or [element.octets for element in rest] not in ([], [b"\5\0"]):
        raise NotDer("not a hash algorithm")
    found = _HASH_OID.get(first.content)
    if found is None:
        raise UnsupportedSignature("RSA-PSS with a hash other than SHA-256, SHA-384 and SHA-512")
    return found


def _pull_pss(parameters: bytes) -> SignatureAlgorithm:
    fields = {element.tag: element.content for element in elements(only(parameters, SEQUENCE).content)}
    if not {0xA0, 0xA1} <= fields.keys() or not fields.keys() <= {0xA0, 0xA1, 0xA2, 0xA3}:
        raise UnsupportedSignature("RSA-PSS with SHA-1 (RFC 8247: MUST NOT)")  # what absent fields mean
    mask, mask_hash = elements(only(fields[0xA1], SEQUENCE).content)
    if mask.octets != write(OBJECT_IDENTIFIER, _MGF1_OID):
        raise UnsupportedSignature("RSA-PSS with a mask generation function other than MGF1")
    found = _pull_hash(fields[0xA0])
    if _pull_hash(mask_hash.octets) is not found:
        raise UnsupportedSignature("RSA-PSS with two hashes")
    salt = int.from_bytes(only(fields[0xA2], INTEGER).content, "big") if 0xA2 in fields else 20
    if salt > _MOST_SALT:
        raise UnsupportedSignature(f"RSA-PSS with a salt of {salt} octets")
    if 0xA3 in fields and only(fields[0xA3], INTEGER).content != b"\1":
        raise UnsupportedSignature("RSA-PSS with another trailer field")
    return SignatureAlgorithm("rsa-pss", found, salt)


def pull_algorithm(octets: bytes) -> SignatureAlgorithm:
    """Read an AlgorithmIdentifier. Raises `UnsupportedSignature` where it is not known here or not DER."""
    try:
        oid, *parameters = elements(only(octets, SEQUENCE).content)
        if oid.tag != OBJECT_IDENTIFIER or len(parameters) > 1:
            raise NotDer("not an algorithm identifier")
        rest = parameters[0].octets if parameters else b""
        if oid.content == _PSS_OID and rest:
            return _pull_pss(rest)
        if oid.content in _RSA_OID and rest in (b"\5\0", b""):
            return SignatureAlgorithm("rsa", _RSA_OID[oid.content])
        if oid.content in _ECDSA_OID and not rest:
            return SignatureAlgorithm("ecdsa", _ECDSA_OID[oid.content])
        if oid.content == _ED25519_OID and not rest:
            return SignatureAlgorithm("ed25519", SignatureHash.IDENTITY)
        if oid.content in _SHA1_OIDS:
            raise UnsupportedSignature("a signature with SHA-1 (RFC 8247: MUST NOT)")
    except (NotDer, ValueError) as error:
        raise UnsupportedSignature("the algorithm identifier of the signature is malformed") from error
    raise UnsupportedSignature(f"signature algorithm {octets.hex()} is not known here")


# --- signing and verifying -----------------------------------------------------------------------------------------


def sign(
    private_key: PrivateKey, peer_hashes: Collection[int], octets: bytes, *, pss: bool = False
) -> tuple[int, bytes]:
    """The method and the data of AUTH over `octets`.

    `peer_hashes` are those of the peer's SIGNATURE_HASH_ALGORITHMS, empty where it sent none: then, and where it takes
    none that is here, the methods of RFC 7296 and RFC 4754 are left. RSA signs by PKCS #1 v1.5 unless `pss`. Raises
    `UnsupportedSignature` where the peer takes nothing that the key can do.
    """
    key = private_key._key
    common = [row for row in _STRONGEST_FIRST if row in peer_hashes]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        if SignatureHash.IDENTITY not in peer_hashes:
            raise UnsupportedSignature("the peer does not take Ed25519 (RFC 8420: no hash algorithm identity)")
        return _digital(SignatureAlgorithm("ed25519", SignatureHash.IDENTITY), key.sign(octets))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        curve = _CURVES[key.curve.name]
        if not common:
            r, s = decode_dss_signature(key.sign(octets, ec.ECDSA(_HASHES[curve.hash])))
            return curve.method, r.to_bytes(curve.octets, "big") + s.to_bytes(curve.octets, "big")
        chosen = curve.hash if curve.hash in common else common[0]
        return _digital(SignatureAlgorithm("ecdsa", chosen), key.sign(octets, ec.ECDSA(_HASHES[chosen])))
    if not common:
        return AuthMethod.RSA, key.sign(octets, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - RFC 7296 section 3.8
    chosen = SignatureHash.SHA2_256 if SignatureHash.SHA2_256 in common else common[-1]
    algorithm = _HASHES[chosen]
    if pss:
        salt = algorithm.digest_size
        signature = key.sign(octets, padding.PSS(padding.MGF1(algorithm), salt), algorithm)
        return _digital(SignatureAlgorithm("rsa-pss", chosen, salt), signature)
    return _digital(SignatureAlgorithm("rsa", chosen), key.sign(octets, padding.PKCS1v15(), algorithm))


def _digital(algorithm: SignatureAlgorithm, signature: bytes) -> tuple[int, bytes]:
    """RFC 7427 section 3: the length of the identifier, the identifier, the signature."""
    identifier = push_algorithm(algorithm)
    return AuthMethod.DIGITAL_SIGNATURE, bytes((len(identifier),)) + identifier + signature


def verify(public_key: PublicKey, method: int, data: bytes, octets: bytes, peer_hashes: Collection[int] = ()) -> str:
    """Check AUTH of a peer that has `public_key` over `octets`; what it was made with, in words.

    `peer_hashes` as in `sign`: who has said that it can do better must not sign with SHA-1. Raises a `SignatureError`.
    """
    try:
        if method == AuthMethod.DIGITAL_SIGNATURE:
            return _verify_digital(public_key, data, octets)
        if method == AuthMethod.RSA and isinstance(public_key, rsa.RSAPublicKey):
            return _verify_rsa(public_key, data, octets, sha1=not any(row in peer_hashes for row in _STRONGEST_FIRST))
        curve = _CURVE_BY_METHOD.get(method)
        if curve is not None and isinstance(public_key, ec.EllipticCurvePublicKey):
            return _verify_raw(public_key, curve, data, octets)
    except InvalidSignature:
        raise WrongSignature("the signature in AUTH is wrong") from None
    raise UnsupportedSignature(f"AUTH of method {method} does not go with a {key_kind(public_key)} certificate")


def _verify_rsa(public_key: rsa.RSAPublicKey, data: bytes, octets: bytes, *, sha1: bool) -> str:
    """Method 1 is SHA-1 by default, and some sign so with a later hash (RFC 7296 section 3.8)."""
    for algorithm in (hashes.SHA1(), *_HASHES.values()):  # noqa: S303
        try:
            public_key.verify(data, octets, padding.PKCS1v15(), algorithm)
        except InvalidSignature:
            continue
        if not sha1 and isinstance(algorithm, hashes.SHA1):
            raise UnsupportedSignature("a signature with SHA-1 of a peer that has said it can do SHA-2 (RFC 7427)")
        return f"RSA with {algorithm.name.upper()}"
    raise InvalidSignature


def _verify_raw(public_key: ec.EllipticCurvePublicKey, curve: _Curve, data: bytes, octets: bytes) -> str:
    """RFC 4754 section 7: r and s, each as long as the group's order."""
    if _CURVES.get(public_key.curve.name) is not curve:
        raise UnsupportedSignature(f"AUTH of method {curve.method} does not go with a key on {public_key.curve.name}")
    if len(data) != 2 * curve.octets:
        raise WrongSignature(f"an ECDSA signature of {len(data)} octets; {2 * curve.octets} are expected")
    r, s = (int.from_bytes(half, "big") for half in (data[: curve.octets], data[curve.octets :]))
    public_key.verify(encode_dss_signature(r, s), octets, ec.ECDSA(_HASHES[curve.hash]))
    return f"ECDSA on {public_key.curve.name}"


def _verify_digital(public_key: PublicKey, data: bytes, octets: bytes) -> str:
    if not data or len(data) < 1 + data[0]:
        raise WrongSignature("AUTH ends inside its algorithm identifier")
    algorithm, signature = pull_algorithm(data[1 : 1 + data[0]]), data[1 + data[0] :]
    match public_key, algorithm.kind:
        case rsa.RSAPublicKey(), "rsa":
            public_key.verify(signature, octets, padding.PKCS1v15(), _HASHES[algorithm.hash])
        case rsa.RSAPublicKey(), "rsa-pss":
            scheme = padding.PSS(padding.MGF1(_HASHES[algorithm.hash]), algorithm.salt)
            public_key.verify(signature, octets, scheme, _HASHES[algorithm.hash])
        case ec.EllipticCurvePublicKey(), "ecdsa":
            public_key.verify(signature, octets, ec.ECDSA(_HASHES[algorithm.hash]))
        case ed25519.Ed25519PublicKey(), "ed25519":
            public_key.verify(signature, octets)
        case _:
            raise UnsupportedSignature(f"{algorithm.text} does not go with a {key_kind(public_key)} certificate")
    return algorithm.text
