"""What AUTH proves, and its proof by a shared key (RFC 7296 section 2.15; RFC 9242; RFC 8784); NAT detection."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv6Address

from seikan.crypto.prf import prf
from seikan.wire.constants import Hash
from seikan.wire.secret import Secret

_KEY_PAD = b"Key Pad for IKEv2"


def auth_octets(
    message: bytes, nonce_other: bytes, algorithm: Hash, sk_p: Secret, id_body: bytes, intermediate: bytes = b""
) -> bytes:
    """What is signed: own first message | the other's nonce | prf(SK_p, own ID body) [| IntAuth].

    `message` is the own IKE_SA_INIT message as it went over the wire, `id_body` the identification payload without its
    generic header as it was sent, and `intermediate` what `int_auth` gave (RFC 9242 section 3.3.1).
    """
    return message + nonce_other + prf(algorithm, sk_p, id_body) + intermediate


def psk_auth(algorithm: Hash, psk: Secret, octets: bytes) -> bytes:
    """AUTH of a shared key: prf(prf(key, "Key Pad for IKEv2"), octets)."""
    return bytes(prf(algorithm, prf(algorithm, psk, _KEY_PAD), octets))


def int_auth_step(algorithm: Hash, sk_p: Secret, previous: bytes, message: bytes) -> bytes:
    """IntAuth_i or _r after one more IKE_INTERMEDIATE message: prf(SK_p, previous | A | P) (RFC 9242 section 3.3.2).

    `message` is it as `wire.v2.message.push_plain` writes it, `sk_p` of the sender, of the keys that protected it;
    `previous` empty for the first.
    """
    return bytes(prf(algorithm, sk_p, previous + message))


def int_auth(initiator: bytes, responder: bytes, auth_message_id: int) -> bytes:
    """IntAuth = IntAuth_i | IntAuth_r | the message ID of the first IKE_AUTH; empty without IKE_INTERMEDIATE."""
    if not initiator and not responder:
        return b""
    return initiator + responder + auth_message_id.to_bytes(4, "big")


def nat_detection(spis: tuple[bytes, bytes], address: IPv4Address | IPv6Address, port: int) -> bytes:
    """The data of NAT_DETECTION_SOURCE_IP and _DESTINATION_IP: SHA-1(SPIs | address | port) (section 2.23)."""
    octets = b"".join(spis) + address.packed + port.to_bytes(2, "big")
    return hashlib.sha1(octets, usedforsecurity=False).digest()
