"""One site-to-site connection, as each implementation's configuration is written from it, and what a peer is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.interop.network import Site

CIPHERS = ("cbc", "gcm", "sha1")
"""AES-256-CBC with HMAC-SHA2-256; AES-256-GCM with 16 octets of ICV; the first, but with HMAC-SHA1 for ESP."""
GROUPS = (14, 19, 31)
AUTHENTICATIONS = ("psk", "rsa", "ecdsa")
CHILD_SECONDS = 3600
IKE_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class Connection:
    """What both ends are told; "ours" is Seikan's, "theirs" the peer's.

    The addresses are those that the ends have themselves; `ours_seen` and `theirs_seen` those that the other sees.
    `credentials` holds what `certificates.issue` wrote. Lifetimes, in seconds, are those that the end in question is
    configured with; who has the shorter one rekeys.
    """

    version: int
    authentication: str
    cipher: str
    group: int
    responder_only: bool
    ours: Site
    theirs: Site
    ours_seen: str
    theirs_seen: str
    secret: str
    credentials: Path | None = None
    our_ike_seconds: int = IKE_SECONDS
    our_child_kilobytes: int = 0
    their_ike_seconds: int = IKE_SECONDS
    their_child_seconds: int = CHILD_SECONDS

    @property
    def our_identity(self) -> str:
        """An address with a pre-shared key, a name with a certificate that has it."""
        return self.ours.address if self.authentication == "psk" else "seikan.test"

    @property
    def their_identity(self) -> str:
        return self.theirs_seen if self.authentication == "psk" else "peer.test"


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """What a peer says that it has: its name for each IKE SA, and the SPIs of what it receives."""

    ike: frozenset[str]
    inbound: frozenset[int]


class Peer(Protocol):
    """Another implementation at the other end. What it cannot be told, it raises PeerLacks for."""

    def start(self, connection: Connection) -> None:
        """Start it, ready to answer."""

    def initiate(self) -> None:
        """Begin to negotiate; may return before it is done."""

    def rekey_child(self) -> None: ...

    def rekey_ike(self) -> None: ...

    def delete(self) -> None:
        """Take the connection down and tell the other end so."""

    def status(self) -> PeerStatus: ...

    def stop(self) -> None:
        """End it in order."""

    def kill(self) -> None:
        """End it as a crash would, with what the kernel holds for it."""

    def log(self) -> str: ...
