"""A post-quantum pre-shared key, mixed into the keys of IKE_AUTH (RFC 8784)."""

from __future__ import annotations

from collections.abc import Iterable

from seikan.config.model_ikev2 import Ikev2Peer, PostQuantumKey
from seikan.wire.v2.constants import PPK_ID_FIXED, Notify
from seikan.wire.v2.payloads import Notification


def use_ppk() -> Notification:
    """In IKE_SA_INIT, from a side that has such a key (section 3)."""
    return Notification(Notify.USE_PPK)


def ppk_identity(key: PostQuantumKey) -> Notification:
    """In the request of IKE_AUTH (section 5.1): which key it is."""
    return Notification(Notify.PPK_IDENTITY, bytes((PPK_ID_FIXED,)) + key.identity.encode())


def confirmed() -> Notification:
    """In the response: the key was used."""
    return Notification(Notify.PPK_IDENTITY)


def no_ppk_auth(data: bytes) -> Notification:
    """AUTH without the key, for a peer that does not have it (section 3)."""
    return Notification(Notify.NO_PPK_AUTH, data)


def read_ppk_identity(data: bytes) -> str | None:
    """The name of the key that a peer uses; None for one that is of no kind that can be configured here."""
    if len(data) < 2 or data[0] != PPK_ID_FIXED or not data[1:].isascii():
        return None
    return data[1:].decode("ascii")


def find_ppk(peers: Iterable[Ikev2Peer], identity: str) -> PostQuantumKey | None:
    """The key of this name that one of `peers` has."""
    return next((row.ppk for row in peers if row.ppk is not None and row.ppk.identity == identity), None)
