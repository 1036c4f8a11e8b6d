"""What protects the inside of an Encrypted payload or fragment (RFC 7296 section 3.14, RFC 5282, RFC 7634).

`aad` is the message from its first octet to the start of the IV, its lengths set for what comes behind; `body` what
comes behind: IV, ciphertext and checksum. The checksum of a cipher without its own covers both.

An AEAD's IV must never come twice under one key: the caller counts. A CBC cipher's must not be foreseeable: the
caller draws it. Both are `keys.encryption.iv` octets.
"""

from __future__ import annotations

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from seikan.crypto.cipher import decrypt, encrypt
from seikan.crypto.ikev2_keys import IkeKeys
from seikan.wire.constants import Encryption, Integrity
from seikan.wire.secret import Secret

_AEAD: dict[str, type[AESGCM | ChaCha20Poly1305]] = {
    "aes-gcm-16-128": AESGCM,
    "aes-gcm-16-192": AESGCM,
    "aes-gcm-16-256": AESGCM,
    "chacha20-poly1305": ChaCha20Poly1305,
}
_DIGEST = {
    "hmac-sha1-96": "sha1",
    "hmac-sha256-128": "sha256",
    "hmac-sha384-192": "sha384",
    "hmac-sha512-256": "sha512",
}


class IntegrityError(Exception):
    """A protected message that the peer cannot have sent so: forged, damaged, or under other keys."""


def _pad_octets(encryption: Encryption, octets: int) -> int:
    """Padding between the plaintext and the Pad Length octet; an AEAD needs none (RFC 5282 section 3)."""
    return 0 if encryption.aead else -(octets + 1) % encryption.block


def sealed_octets(keys: IkeKeys, octets: int) -> int:
    """How long the body of an Encrypted payload around `octets` of payloads is: IV, ciphertext, checksum."""
    row = keys.encryption
    check = row.icv if row.aead else _integrity(keys).icv
    return row.iv + octets + _pad_octets(row, octets) + 1 + check


def largest_plaintext(keys: IkeKeys, octets: int) -> int:
    """How many octets of payloads go into a body of at most `octets`: what a fragment has room for (RFC 7383)."""
    row = keys.encryption
    check = row.icv if row.aead else _integrity(keys).icv
    room = octets - row.iv - check
    return room - 1 if row.aead else room - room % row.block - 1


def seal(keys: IkeKeys, initiator: bool, aad: bytes, plaintext: bytes, iv: bytes) -> bytes:
    """The body around `plaintext` (payloads, or a piece of them), sent by the SA's original initiator or responder."""
    row = keys.encryption
    if len(iv) != row.iv:
        raise ValueError(f"an IV of {len(iv)} octets for {row.name}")
    key = keys.sk_ei if initiator else keys.sk_er
    padding = _pad_octets(row, len(plaintext))
    padded = plaintext + bytes(padding) + bytes((padding,))
    if row.aead:
        octets = row.key_bits // 8
        return iv + _AEAD[row.name](key[:octets]).encrypt(key[octets:] + iv, padded, aad)
    body = iv + encrypt(row, key, iv, padded)
    return body + _checksum(_integrity(keys), keys.sk_ai if initiator else keys.sk_ar, aad + body)


def open(keys: IkeKeys, from_initiator: bool, aad: bytes, body: bytes) -> bytes:
    """The plaintext of `body`, without padding. Raises `IntegrityError`, of one kind whatever is wrong."""
    row = keys.encryption
    key = keys.sk_ei if from_initiator else keys.sk_er
    iv = body[: row.iv]
    if row.aead:
        octets = row.key_bits // 8
        if len(body) < row.iv + 1 + row.icv:
            raise IntegrityError("too short for its IV and checksum")
        try:
            padded = _AEAD[row.name](key[:octets]).decrypt(key[octets:] + iv, body[row.iv :], aad)
        except InvalidTag:
            raise IntegrityError("the integrity check failed") from None
    else:
        integrity = _integrity(keys)
        end = len(body) - integrity.icv
        if end < row.iv + row.block or (end - row.iv) % row.block:
            raise IntegrityError("not whole blocks with an IV and a checksum")
        expected = _checksum(integrity, keys.sk_ai if from_initiator else keys.sk_ar, aad + body[:end])
        if not hmac.compare_digest(expected, body[end:]):
            raise IntegrityError("the integrity check failed")
        padded = decrypt(row, key, iv, body[row.iv : end])
    padding = padded[-1]
    if padding >= len(padded):
        raise IntegrityError("more padding than content")
    return padded[: len(padded) - 1 - padding]


def _integrity(keys: IkeKeys) -> Integrity:
    if keys.integrity is None:
        raise ValueError(f"{keys.encryption.name} without integrity algorithm")
    return keys.integrity


def _checksum(integrity: Integrity, key: Secret, data: bytes) -> bytes:
    """HMAC cut to the algorithm's length (RFC 4868 section 2.1.2, RFC 2404)."""
    return hmac.digest(key, data, _DIGEST[integrity.name])[: integrity.icv]
