"""Key exchange behind one interface: MODP (RFC 2409, 3526), curves over prime fields (RFC 5903), Curve25519
(RFC 8031), and the key encapsulation ML-KEM (FIPS 203; draft-ietf-ipsecme-ikev2-mlkem).

The `cryptography` package has announced the end of finite-field groups; only `_Modp` has to change then.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dh, ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from seikan.wire.constants import Group
from seikan.wire.secret import Secret

try:
    from cryptography.hazmat.primitives.asymmetric import mlkem
except ImportError:  # an older `cryptography`
    mlkem = None  # type: ignore[assignment]

warnings.filterwarnings("ignore", message="Diffie-Hellman over finite fields")


class InvalidPublicValue(Exception):
    """The peer's public value is not one of the group (RFC 2412 section 5, RFC 5903 section 9, RFC 9370 section 4)."""


class KeyPair(Protocol):
    """One side's part of an exchange; of a key encapsulation mechanism always the initiator's."""

    public: bytes  # as it stands in a KE payload: `group.octets` octets

    def shared(self, peer: bytes) -> Secret:
        """g^xy, padded to the group's length (x alone for a curve), or what `peer` encapsulates.

        Raises `InvalidPublicValue`.
        """


KeyPairFactory = Callable[[Group], KeyPair]

# RFC 3526 section 2: p = 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) * pi) + c); c by number of bits.
_MODP_CONSTANT = {1024: 129093, 1536: 741804, 2048: 124476, 3072: 1690314, 4096: 240904, 6144: 929484, 8192: 4743158}


def _pi_scaled(bits: int) -> int:
    """floor(2^bits * pi) by Machin's formula in integers, with guard bits."""
    guard = 64
    one = 1 << (bits + guard)

    def arctangent_inverse(x: int) -> int:
        term = total = one // x
        divisor, sign = 1, -1
        while term:
            term //= x * x
            divisor += 2
            total += sign * (term // divisor)
            sign = -sign
        return total

    return (4 * (4 * arctangent_inverse(5) - arctangent_inverse(239))) >> guard


def modp_prime(octets: int) -> int:
    """The safe prime of the group with public values of `octets`, by the formula that defines it."""
    bits = octets * 8
    return (1 << bits) - (1 << (bits - 64)) - 1 + (1 << 64) * (_pi_scaled(bits - 130) + _MODP_CONSTANT[bits])


@cache
def _parameters(octets: int) -> tuple[dh.DHParameterNumbers, dh.DHParameters, int]:
    prime = modp_prime(octets)
    numbers = dh.DHParameterNumbers(prime, 2)
    return numbers, numbers.parameters(), prime


class _Modp:
    """OpenSSL knows these primes by name and so picks exponents as short as the group's strength allows."""

    __slots__ = ("_private", "group", "public")

    def __init__(self, group: Group) -> None:
        self.group = group
        self._private = _parameters(group.octets)[1].generate_private_key()
        self.public = self._private.public_key().public_numbers().y.to_bytes(group.octets, "big")

    def shared(self, peer: bytes) -> Secret:
        numbers, _, prime = _parameters(self.group.octets)
        value = int.from_bytes(peer, "big")
        if len(peer) != self.group.octets or not 1 < value < prime - 1:
            raise InvalidPublicValue(f"not a public value of group {self.group.number}")
        try:
            secret = self._private.exchange(dh.DHPublicNumbers(value, numbers).public_key())
        except ValueError as error:
            raise InvalidPublicValue(f"not a public value of group {self.group.number}") from error
        return Secret(secret.rjust(self.group.octets, b"\0"))


_CURVES: dict[str, ec.EllipticCurve] = {curve.name: curve for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())}
_UNCOMPRESSED = b"\4"  # SEC 1 section 2.3.3


class _Curve:
    __slots__ = ("_curve", "_private", "group", "public")

    def __init__(self, group: Group, private: int | None = None) -> None:
        self.group = group
        self._curve = _CURVES[group.curve]
        self._private = (
            ec.generate_private_key(self._curve) if private is None else ec.derive_private_key(private, self._curve)
        )
        numbers = self._private.public_key().public_numbers()
        size = group.octets // 2
        self.public = numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")

    def shared(self, peer: bytes) -> Secret:
        if len(peer) != self.group.octets:
            raise InvalidPublicValue(f"{len(peer)} octets for a public value of group {self.group.number}")
        try:
            point = ec.EllipticCurvePublicKey.from_encoded_point(self._curve, _UNCOMPRESSED + peer)
            return Secret(self._private.exchange(ec.ECDH(), point))
        except ValueError as error:
            raise InvalidPublicValue(f"not a point of group {self.group.number}") from error


class _X25519:
    """RFC 7748 section 6.1; the all-zero secret of a low-order point is refused (RFC 8031 section 5)."""

    __slots__ = ("_private", "group", "public")

    def __init__(self, group: Group, private: bytes | None = None) -> None:
        self.group = group
        self._private = X25519PrivateKey.generate() if private is None else X25519PrivateKey.from_private_bytes(private)
        self.public = self._private.public_key().public_bytes_raw()

    def shared(self, peer: bytes) -> Secret:
        if len(peer) != self.group.octets:
            raise InvalidPublicValue(f"{len(peer)} octets for a public value of group {self.group.number}")
        try:
            return Secret(self._private.exchange(X25519PublicKey.from_public_bytes(peer)))
        except ValueError as error:
            raise InvalidPublicValue(f"not a public value of group {self.group.number}") from error


class _Encapsulation:
    """ML-KEM: the initiator's public key goes out, a ciphertext comes back."""

    __slots__ = ("_private", "group", "public")

    def __init__(self, group: Group, seed: bytes | None = None) -> None:
        self.group = group
        kind = _private_kem(group)
        self._private = kind.generate() if seed is None else kind.from_seed_bytes(seed)
        self.public = self._private.public_key().public_bytes_raw()

    def shared(self, peer: bytes) -> Secret:
        """Of a ciphertext that was tampered with, ML-KEM gives another secret and no error (FIPS 203 section 6.3)."""
        if len(peer) != self.group.response_octets:
            raise InvalidPublicValue(f"{len(peer)} octets for a ciphertext of group {self.group.number}")
        return Secret(self._private.decapsulate(peer))


def _private_kem(group: Group) -> type[mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey]:
    return mlkem.MLKEM768PrivateKey if group.name == "ml-kem-768" else mlkem.MLKEM1024PrivateKey


def _encapsulate(group: Group, peer: bytes) -> tuple[bytes, Secret]:
    kind = mlkem.MLKEM768PublicKey if group.name == "ml-kem-768" else mlkem.MLKEM1024PublicKey
    if len(peer) != group.octets:
        raise InvalidPublicValue(f"{len(peer)} octets for a public value of group {group.number}")
    try:
        secret, ciphertext = kind.from_public_bytes(peer).encapsulate()
    except ValueError as error:  # FIPS 203 section 7.2: the modulus check
        raise InvalidPublicValue(f"not a public value of group {group.number}") from error
    return ciphertext, Secret(secret)


@cache
def available(group: Group) -> bool:
    """Whether this installation of `cryptography` can exchange keys by `group`: ML-KEM is younger than the rest."""
    if not group.kem:
        return True
    if mlkem is None:
        return False
    try:
        _Encapsulation(group)
    except UnsupportedAlgorithm:
        return False
    return True


def generate_key_pair(group: Group) -> KeyPair:
    """A fresh key pair of `group` (a row of `constants.GROUPS`), from OpenSSL's random generator."""
    if group.kem:
        return _Encapsulation(group)
    if group.curve == "x25519":
        return _X25519(group)
    return _Curve(group) if group.curve else _Modp(group)


def respond(group: Group, peer_public: bytes) -> tuple[bytes, Secret]:
    """The responder's half in one step: what goes back in the KE payload, and the shared secret.

    A fresh key pair of a Diffie-Hellman group, an encapsulation for `peer_public` of a mechanism that has those.
    Raises `InvalidPublicValue`.
    """
    if group.kem:
        return _encapsulate(group, peer_public)
    pair = generate_key_pair(group)
    return pair.public, pair.shared(peer_public)


def curve_key_pair(group: Group, private: int) -> KeyPair:
    """The key pair of a given private value, for published vectors and deterministic simulations."""
    return _Curve(group, private)


def octets_key_pair(group: Group, private: bytes) -> KeyPair:
    """The same of a group whose private value is octets: an X25519 scalar, a seed of ML-KEM (d | z)."""
    return _Encapsulation(group, private) if group.kem else _X25519(group, private)
