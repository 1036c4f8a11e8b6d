"""The pseudo-random functions of IKE: HMAC over the negotiated hash (RFC 2409 section 4, RFC 7296 section 3.3.2)."""

from __future__ import annotations

import hashlib
import hmac

from seikan.wire.constants import Hash
from seikan.wire.secret import Secret

_DIGEST = {"md5": "md5", "sha1": "sha1", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}


def prf(algorithm: Hash, key: bytes, data: bytes) -> Secret:
    """prf(key, data), `algorithm.octets` long."""
    return Secret(hmac.digest(key, data, _DIGEST[algorithm.name]))


def digest(algorithm: Hash, data: bytes) -> bytes:
    """The bare hash, as NAT-D (RFC 3947 section 3.2) and IVs (RFC 2409 appendix B) use it."""
    return hashlib.new(_DIGEST[algorithm.name], data, usedforsecurity=False).digest()


def same(left: bytes, right: bytes) -> bool:
    """Compare in a time that does not depend on the content."""
    return hmac.compare_digest(left, right)
