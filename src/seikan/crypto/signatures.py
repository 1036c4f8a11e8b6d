"""Signatures of IKEv2's AUTH payload (RFC 7296 section 2.15, RFC 4754, RFC 7427, RFC 8420)."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class PrivateKey:
    """A private key that cannot be printed. Equal are those of the same public key."""

    __slots__ = ("_key", "_public")

    def __init__(self, key: _Key) -> None:
        self._key = key
        self._public = key.public_key()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PrivateKey) and self._public == other._public

    def __hash__(self) -> int:
        return hash(type(self._key))

    def __repr__(self) -> str:
        return "<private key>"
