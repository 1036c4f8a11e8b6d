"""The AUTH payload: which methods there are, and how one is made and checked (RFC 7296 section 2.15)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seikan.crypto.ikev2_auth import psk_auth
from seikan.crypto.prf import same
from seikan.ike.errors import AbandonExchange
from seikan.ike.status import Mismatch
from seikan.wire.constants import Hash
from seikan.wire.secret import Secret
from seikan.wire.v2.constants import AuthMethod, Notify
from seikan.wire.v2.payloads import Authentication


class AuthFailure(AbandonExchange):
    """The peer's proof does not hold, or this side has none; `kind` is one of `diagnosis.KINDS`, `known` further
    fields of its `Facts`.
    """

    def __init__(self, text: str, kind: str, mismatches: tuple[Mismatch, ...] = (), **known: Any) -> None:
        super().__init__(text, Notify.AUTHENTICATION_FAILED)
        self.kind = kind
        self.mismatches = mismatches
        self.known = known


@dataclass(frozen=True, slots=True)
class Method:
    """`word` is what IOS has in a profile, `shown` what it prints of an SA; `numbers` are those of AUTH, where a
    signature by any of them may stand for it (RFC 7296 section 3.8, RFC 4754, RFC 7427).
    """

    word: str
    shown: str
    numbers: tuple[AuthMethod, ...]


METHODS = (
    Method("pre-share", "PSK", (AuthMethod.SHARED_KEY,)),
    Method("rsa-sig", "RSA", (AuthMethod.RSA, AuthMethod.DIGITAL_SIGNATURE)),
    Method(
        "ecdsa-sig",
        "ECDSA",
        (AuthMethod.ECDSA_256, AuthMethod.ECDSA_384, AuthMethod.ECDSA_521, AuthMethod.DIGITAL_SIGNATURE),
    ),
    Method("eddsa-sig", "EdDSA", (AuthMethod.DIGITAL_SIGNATURE,)),
)
PRE_SHARED = "pre-share"
SIGNATURES = frozenset(row.word for row in METHODS if row.word != PRE_SHARED)
METHOD_BY_WORD = {row.word: row for row in METHODS}


def method_text(number: int) -> str:
    """What a message calls the method of an AUTH payload."""
    words = [row.word for row in METHODS if number in row.numbers]
    return " or ".join(words) if words else f"method {number}"


def allowed(number: int, words: tuple[str, ...]) -> bool:
    """Whether AUTH of this method is what `authentication remote …` asks for."""
    return any(number in METHOD_BY_WORD[word].numbers for word in words if word in METHOD_BY_WORD)


def make_shared_key(algorithm: Hash, key: Secret, octets: bytes) -> Authentication:
    """AUTH of a pre-shared key over `octets`, what `crypto.ikev2_auth.auth_octets` gives of this side."""
    return Authentication(AuthMethod.SHARED_KEY, psk_auth(algorithm, key, octets))


def check_shared_key(algorithm: Hash, key: Secret, octets: bytes, payload: Authentication) -> bool:
    """Whether the peer, of whom `octets` are, has proved that it has the key."""
    return payload.method == AuthMethod.SHARED_KEY and same(payload.data, psk_auth(algorithm, key, octets))
