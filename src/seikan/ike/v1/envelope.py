"""Sealing and opening ISAKMP messages: padding, CBC chain, HASH(1) of phase 2 (RFC 2409 appendix B, section 5.5)."""

from __future__ import annotations

from collections.abc import Iterable

from seikan.crypto.cipher import decrypt, encrypt
from seikan.crypto.keys import Phase1Keys, message_hash
from seikan.crypto.prf import same
from seikan.ike.v1.sa import IsakmpSa
from seikan.wire.constants import FLAG_ENCRYPTION, ExchangeType, NotifyType, PayloadType
from seikan.wire.errors import PayloadMalformed, WireError
from seikan.wire.header import HEADER_OCTETS, Header, push_header
from seikan.wire.message import Chain, pull_chain, push_chain
from seikan.wire.payloads import GENERIC_OCTETS, HashPayload, Payload


class InvalidHash(WireError):
    """The HASH payload is not what the keys and the message make."""

    notify = NotifyType.INVALID_HASH_INFORMATION


def seal(keys: Phase1Keys, iv: bytes, header: Header, first: int, body: bytes) -> tuple[bytes, bytes]:
    """An encrypted message and the IV of the next one in the chain."""
    block = keys.encryption.block
    padded = body + bytes(-len(body) % block)
    ciphertext = encrypt(keys.encryption, keys.encryption_key, iv, padded)
    clear = push_header(header, first, header.flags | FLAG_ENCRYPTION, HEADER_OCTETS + len(ciphertext))
    return clear + ciphertext, ciphertext[-block:]


def unseal(keys: Phase1Keys, iv: bytes, header: Header, data: bytes) -> tuple[Chain, bytes]:
    """The payloads of an encrypted message and the next IV. Raises a `WireError` where they make no sense."""
    ciphertext = data[HEADER_OCTETS:]
    block = keys.encryption.block
    if not ciphertext or len(ciphertext) % block:
        raise PayloadMalformed(f"{len(ciphertext)} encrypted octets are not whole blocks of {block}")
    plaintext = decrypt(keys.encryption, keys.encryption_key, iv, ciphertext)
    return pull_chain(header.next_payload, plaintext, padded=True), ciphertext[-block:]


def header_of(sa: IsakmpSa, exchange: ExchangeType, message_id: int = 0) -> Header:
    """The header of a message of `sa`; next payload, flags and length are worked out on sending."""
    return Header(sa.cookie_i, sa.cookie_r, 0, exchange, 0, message_id, 0)


def seal_hashed(
    keys: Phase1Keys, iv: bytes, header: Header, payloads: Iterable[Payload], nonce_i: bytes = b""
) -> tuple[bytes, bytes]:
    """An encrypted phase 2 message behind HASH(1), or HASH(2) where the initiator's nonce is given."""
    first, body = push_chain(payloads)
    value = message_hash(keys, header.message_id, body, nonce_i)
    prefix = bytes((first, 0)) + (len(value) + GENERIC_OCTETS).to_bytes(2, "big") + value
    return seal(keys, iv, header, PayloadType.HASH, prefix + body)


def check_hash(keys: Phase1Keys, message_id: int, chain: Chain, nonce_i: bytes = b"") -> None:
    """Raises `InvalidHash` unless the chain begins with the right HASH(1) (or HASH(2))."""
    first = chain.payloads[0] if chain.payloads else None
    if not isinstance(first, HashPayload) or not same(
        first.data, message_hash(keys, message_id, chain.after_first(), nonce_i)
    ):
        raise InvalidHash("the HASH payload does not fit")
