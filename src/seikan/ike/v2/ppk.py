"""A post-quantum pre-shared key, mixed into the keys of IKE_AUTH (RFC 8784)."""

from __future__ import annotations

from collections.abc import Iterable

from seikan.config.model_ikev2 import Ikev2Peer, PostQuantumKey
from seikan.crypto.ikev2_keys import IkeKeys, ppk_keys
from seikan.ike.core import Core
from seikan.ike.settings import Ikev2ProfileSettings
from seikan.ike.v2.authentication import AuthFailure
from seikan.ike.v2.identities import find_peers
from seikan.ike.v2.messages import notified
from seikan.ike.v2.sa import Ikev2Sa
from seikan.wire.v2.constants import PPK_ID_FIXED, Notify
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import Authentication, Notification, Payload


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


class Ppk:
    """Which key an IKE SA uses, and the keys that come of it; `auth` asks it on both sides."""

    def __init__(self, core: Core) -> None:
        self.core = core

    def announce(self, sa: Ikev2Sa, profiles: Iterable[Ikev2ProfileSettings]) -> list[Payload]:
        """In IKE_SA_INIT. A responder does not know yet who the peer is, and says whether it has any key."""
        if sa.initiator:
            profile, session = sa.profile, sa.tunnel.session
            identity = session.identity if session is not None else None
            rows = find_peers(profile, sa.path.remote, identity) if profile is not None else ()
            sa.ppk = next((row.ppk for row in rows if row.ppk is not None), None)
            return [use_ppk()] if sa.ppk is not None else []
        has = any(row.ppk is not None for profile in profiles for row in profile.peers)
        return [use_ppk()] if has and sa.peer_uses_ppk else []

    @staticmethod
    def _mixed(sa: Ikev2Sa, key: PostQuantumKey | None) -> IkeKeys:
        if sa.keys is None:
            raise InvalidSyntax("no keys")
        return sa.keys if key is None else ppk_keys(sa.keys, key.key)

    def offered(self, sa: Ikev2Sa) -> PostQuantumKey | None:
        """As initiator: the key that both sides can use. Raises `AuthFailure` where one has to be used and cannot."""
        key = sa.ppk
        if key is None or sa.peer_uses_ppk:
            return key
        if key.required:
            text = f"peer {sa.path.remote} does not use post-quantum keys, and ppk {key.identity} is required"
            raise AuthFailure(text, "ppk")
        return None

    def request_keys(self, sa: Ikev2Sa) -> IkeKeys:
        """What AUTH of the request is made with."""
        return self._mixed(sa, self.offered(sa))

    def accepted(self, sa: Ikev2Sa, chain: Chain) -> IkeKeys:
        """As initiator: the keys after the response."""
        key = self.offered(sa)
        used = key is not None and notified(chain, Notify.PPK_IDENTITY) is not None
        if key is not None and not used and key.required:
            text = f"peer {sa.path.remote} does not have ppk {key.identity}, which is required"
            raise AuthFailure(text, "ppk")
        sa.ppk_used = used
        return self._mixed(sa, key if used else None)

    def chosen(self, sa: Ikev2Sa, chain: Chain, proof: Authentication) -> tuple[IkeKeys, Authentication]:
        """As responder: the keys after the request, and the AUTH that belongs to them."""
        named = notified(chain, Notify.PPK_IDENTITY)
        rows = sa.fitting or ()
        name = read_ppk_identity(named.data) if named is not None else None
        key = find_ppk(rows, name) if name is not None else None
        if key is not None:
            sa.ppk, sa.ppk_used = key, True
            return self._mixed(sa, key), proof
        required = next((row.ppk for row in rows if row.ppk is not None and row.ppk.required), None)
        if required is not None:
            text = f"peer {sa.path.remote} ({sa.peer_identity}) does not use ppk {required.identity}, which is required"
            raise AuthFailure(text, "ppk")
        if named is None:
            return self._mixed(sa, None), proof
        plain = notified(chain, Notify.NO_PPK_AUTH)
        if plain is None:
            text = f"peer {sa.path.remote} ({sa.peer_identity}) requires ppk {name or '?'}, not known here"
            raise AuthFailure(text, "ppk")
        self.core.counters["ikev2_ppk_unknown"] += 1
        return self._mixed(sa, None), Authentication(proof.method, plain.data)
