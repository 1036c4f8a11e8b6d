"""What a router gives away to recognize later: sealed tickets (RFC 5723) and crash detection tokens (RFC 6290).

Both come from one secret of the router, which stays the same over restarts; nothing else is remembered of them.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from seikan.crypto.ikev2_keys import prf_plus
from seikan.crypto.prf import prf
from seikan.wire.constants import HASH_BY_NAME
from seikan.wire.secret import Secret

NONCE_OCTETS = 12
_HASH = HASH_BY_NAME["sha256"]


class TicketInvalid(Exception):
    """It was not made with this secret, or somebody has changed it."""


def _cipher(secret: Secret) -> AESGCM:
    return AESGCM(prf_plus(_HASH, secret, b"IKEv2 session ticket", 32))


def seal_ticket(secret: Secret, nonce: bytes, content: bytes) -> bytes:
    """`nonce` of NONCE_OCTETS random octets stands before what only the same secret opens."""
    return nonce + _cipher(secret).encrypt(nonce, content, None)


def open_ticket(secret: Secret, ticket: bytes) -> Secret:
    """What was sealed; raises `TicketInvalid`."""
    try:
        return Secret(_cipher(secret).decrypt(ticket[:NONCE_OCTETS], ticket[NONCE_OCTETS:], None))
    except (InvalidTag, ValueError) as error:
        raise TicketInvalid("not a ticket of this router") from error


def crash_token(secret: Secret, spi_i: bytes, spi_r: bytes) -> bytes:
    """The token of an IKE SA, which its SPIs alone lead to (RFC 6290 section 5.1)."""
    return bytes(prf(_HASH, secret, b"IKEv2 crash token" + spi_i + spi_r))
