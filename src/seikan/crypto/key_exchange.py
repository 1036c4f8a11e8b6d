"""Diffie-Hellman behind one interface: MODP (RFC 2409, 3526) and curves over prime fields (RFC 5903).

The `cryptography` package has announced the end of finite-field groups; only `_Modp` has to change then.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import dh, ec

from seikan.wire.constants import Group
from seikan.wire.secret import Secret

warnings.filterwarnings("ignore", message="Diffie-Hellman over finite fields")


class InvalidPublicValue(Exception):
    """The peer's public value is not one of the group (RFC 2412 section 5, RFC 5903 section 9)."""


class KeyPair(Protocol):
    """One side's part of an exchange."""

    public: bytes  # as it stands in a KE payload: `group.octets` octets

    def shared(self, peer: bytes) -> Secret:
        """g^xy, padded to the group's length (x alone for a curve). Raises `InvalidPublicValue`."""


KeyPairFactory = Callable[[Group], KeyPair]

# RFC 3526 section 2: p = 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) * pi) + c); c by number of bits.
_MODP_CONSTANT = {1024: 129093, 1536: 741804, 2048: 124476, 3072: 1690314, 4096: 240904}


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


def generate_key_pair(group: Group) -> KeyPair:
    """A fresh key pair of `group` (a row of `constants.GROUPS`), from OpenSSL's random generator."""
    return _Curve(group) if group.curve else _Modp(group)


def curve_key_pair(group: Group, private: int) -> KeyPair:
    """The key pair of a given private value, for published vectors and deterministic simulations."""
    return _Curve(group, private)
