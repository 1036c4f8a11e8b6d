"""The stories of the interop matrix: each a run of Seikan and a peer from the first packet to the last, as data.

`docs/interop.md` is made of them by `report.py`. Together they hold every pair of a peer's dimensions that can be run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Step(Enum):
    """What happens in a story, in the order in which they are told; the value is a column of the table."""

    TRAFFIC = "traffic"
    CHILD_BY_PEER = "child rekeyed by the peer"
    CHILD_BY_SEIKAN = "child rekeyed by Seikan"
    IKE_BY_PEER = "IKE rekeyed by the peer"
    IKE_BY_SEIKAN = "IKE rekeyed by Seikan"
    CUT = "cut off, DPD"
    RESTART = "peer killed and restarted"
    DELETE_BY_PEER = "deleted by the peer"
    DELETE_BY_SEIKAN = "deleted by Seikan"


class Nat(Enum):
    NONE = "none"
    SEIKAN = "Seikan behind"
    PEER = "peer behind"


@dataclass(frozen=True, slots=True)
class PeerKind:
    """A peer as the table names it, which versions of IKE it speaks, and in which it rekeys by lifetime only.

    `gap` is how many packets it may lose where it rekeys a child SA itself.
    """

    name: str
    title: str
    versions: tuple[int, ...]
    by_lifetime: tuple[int, ...] = ()
    gap: int = 0


STRONGSWAN = PeerKind("strongswan", "strongSwan 5.9.8, ESP in user space", (1, 2))
STRONGSWAN_KERNEL = PeerKind("strongswan-kernel", "strongSwan 5.9.8, ESP in the kernel", (1, 2))
LIBRESWAN = PeerKind("libreswan", "libreswan 4.10, ESP in the kernel", (1, 2), by_lifetime=(1,))
OPENIKED = PeerKind("openiked", "OpenIKED 7.2, ESP in the kernel", (2,), by_lifetime=(2,), gap=3)
PEERS = (STRONGSWAN, STRONGSWAN_KERNEL, LIBRESWAN, OPENIKED)
_RIVALS = ((Step.CHILD_BY_PEER, Step.CHILD_BY_SEIKAN), (Step.IKE_BY_PEER, Step.IKE_BY_SEIKAN))


@dataclass(frozen=True, slots=True)
class Story:
    """One combination of the dimensions and what happens in it.

    Whoever rekeys by lifetime has the shorter one, for the whole story: so one end rekeys by lifetime at most.
    """

    peer: PeerKind
    version: int
    seikan_initiates: bool
    authentication: str
    nat: Nat
    cipher: str
    group: int
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if self.version not in self.peer.versions:
            raise ValueError(f"{self.name}: {self.peer.title} has no IKEv{self.version}")
        if self.nat is not Nat.NONE and self.seikan_initiates is not (self.nat is Nat.SEIKAN):
            raise ValueError(f"{self.name}: who is behind the NAT initiates")
        if not self.seikan_may_initiate and {Step.CHILD_BY_SEIKAN, Step.IKE_BY_SEIKAN} & {*self.steps}:
            raise ValueError(f"{self.name}: Seikan is responder-only, and so rekeys nothing")
        if Step.IKE_BY_SEIKAN in self.steps and Step.IKE_BY_PEER in self.steps:
            raise ValueError(f"{self.name}: Seikan rekeys IKE by lifetime, so the peer's rekey would prove nothing")
        for one, other in _RIVALS:
            if self.version in self.peer.by_lifetime and one in self.steps and other in self.steps:
                raise ValueError(f"{self.name}: the peer rekeys by lifetime, so {other.value} would prove nothing")

    @property
    def seikan_may_initiate(self) -> bool:
        """Not where the peer is to; but where only the peer can, it is left to try."""
        return self.seikan_initiates or self.nat is Nat.PEER

    @property
    def name(self) -> str:
        who = "seikan" if self.seikan_initiates else "peer"
        nat = {Nat.NONE: "", Nat.SEIKAN: "-nat-seikan", Nat.PEER: "-nat-peer"}[self.nat]
        return f"{self.peer.name}-v{self.version}-{who}-{self.authentication}-{self.cipher}-{self.group}{nat}"


_TRAFFIC, _END = Step.TRAFFIC, Step.DELETE_BY_SEIKAN
_THEIR_REKEYS = (Step.CHILD_BY_PEER, Step.IKE_BY_PEER)
_OUR_REKEYS = (Step.CHILD_BY_SEIKAN, Step.IKE_BY_SEIKAN)

STORIES = (
    # IKEv1: with pre-shared keys only, and without Curve25519, which it has no number for.
    Story(
        *(STRONGSWAN, 1, True, "psk", Nat.NONE, "cbc", 14),
        (_TRAFFIC, Step.CHILD_BY_PEER, *_OUR_REKEYS, Step.RESTART, Step.CUT, Step.DELETE_BY_PEER, _END),
    ),
    Story(*(STRONGSWAN, 1, True, "psk", Nat.SEIKAN, "gcm", 19), (_TRAFFIC, *_THEIR_REKEYS, Step.DELETE_BY_PEER, _END)),
    Story(*(STRONGSWAN, 1, False, "psk", Nat.PEER, "gcm", 14), (_TRAFFIC, Step.CHILD_BY_SEIKAN, Step.CUT, _END)),
    Story(
        *(STRONGSWAN, 1, False, "psk", Nat.NONE, "cbc", 19),
        (_TRAFFIC, *_THEIR_REKEYS, Step.RESTART, Step.DELETE_BY_PEER, _END),
    ),
    Story(*(LIBRESWAN, 1, True, "psk", Nat.NONE, "cbc", 14), (_TRAFFIC, Step.IKE_BY_SEIKAN, _END)),
    # Without its new phase 1: that goes to port 500, for which a NAT has forgotten who is behind it.
    Story(*(LIBRESWAN, 1, True, "psk", Nat.SEIKAN, "gcm", 19), (_TRAFFIC, Step.DELETE_BY_PEER, _END)),
    Story(*(LIBRESWAN, 1, False, "psk", Nat.PEER, "gcm", 14), (_TRAFFIC, Step.CHILD_BY_SEIKAN, Step.CUT, _END)),
    Story(
        *(LIBRESWAN, 1, False, "psk", Nat.NONE, "cbc", 19),
        (_TRAFFIC, *_THEIR_REKEYS, Step.RESTART, _END),
    ),
    Story(*(STRONGSWAN_KERNEL, 1, True, "psk", Nat.NONE, "gcm", 14), (_TRAFFIC, Step.CHILD_BY_PEER, _END)),
    # IKEv2.
    Story(
        *(STRONGSWAN, 2, True, "psk", Nat.NONE, "cbc", 14),
        (_TRAFFIC, *_THEIR_REKEYS, Step.CHILD_BY_SEIKAN, Step.RESTART, Step.CUT, Step.DELETE_BY_PEER, _END),
    ),
    Story(
        *(STRONGSWAN, 2, False, "psk", Nat.NONE, "gcm", 31),
        (_TRAFFIC, *_THEIR_REKEYS, Step.RESTART, Step.CUT, Step.DELETE_BY_PEER, _END),
    ),
    Story(*(STRONGSWAN, 2, True, "psk", Nat.SEIKAN, "gcm", 19), (_TRAFFIC, *_OUR_REKEYS, Step.DELETE_BY_PEER, _END)),
    Story(*(STRONGSWAN, 2, False, "psk", Nat.PEER, "cbc", 19), (_TRAFFIC, *_THEIR_REKEYS, Step.CHILD_BY_SEIKAN, _END)),
    Story(*(STRONGSWAN, 2, True, "rsa", Nat.NONE, "gcm", 31), (_TRAFFIC, *_THEIR_REKEYS, Step.DELETE_BY_PEER, _END)),
    Story(*(STRONGSWAN, 2, False, "rsa", Nat.PEER, "gcm", 14), (_TRAFFIC, Step.RESTART, Step.CHILD_BY_SEIKAN, _END)),
    Story(*(STRONGSWAN, 2, True, "ecdsa", Nat.SEIKAN, "cbc", 31), (_TRAFFIC, Step.RESTART, *_THEIR_REKEYS, _END)),
    Story(*(STRONGSWAN, 2, False, "ecdsa", Nat.NONE, "gcm", 19), (_TRAFFIC, *_THEIR_REKEYS, Step.DELETE_BY_PEER, _END)),
    Story(
        *(STRONGSWAN_KERNEL, 2, False, "psk", Nat.PEER, "cbc", 31),
        (_TRAFFIC, *_THEIR_REKEYS, Step.CHILD_BY_SEIKAN, _END),
    ),
    Story(
        *(STRONGSWAN_KERNEL, 2, True, "psk", Nat.NONE, "gcm", 19), (_TRAFFIC, Step.RESTART, Step.DELETE_BY_PEER, _END)
    ),
    Story(*(LIBRESWAN, 2, True, "psk", Nat.NONE, "gcm", 31), (_TRAFFIC, *_OUR_REKEYS, _END)),
    Story(
        *(LIBRESWAN, 2, False, "psk", Nat.NONE, "cbc", 14),
        (_TRAFFIC, *_THEIR_REKEYS, Step.RESTART, _END),
    ),
    Story(*(LIBRESWAN, 2, True, "psk", Nat.SEIKAN, "cbc", 19), (_TRAFFIC, Step.CHILD_BY_PEER, Step.CUT, _END)),
    Story(*(LIBRESWAN, 2, False, "rsa", Nat.NONE, "gcm", 19), (_TRAFFIC, Step.DELETE_BY_PEER, _END)),
    Story(*(LIBRESWAN, 2, True, "ecdsa", Nat.NONE, "cbc", 19), (_TRAFFIC, Step.IKE_BY_PEER, _END)),
    Story(*(OPENIKED, 2, True, "ecdsa", Nat.NONE, "sha1", 14), (_TRAFFIC, Step.RESTART, _END)),
    Story(*(OPENIKED, 2, False, "rsa", Nat.NONE, "sha1", 31), (_TRAFFIC, Step.DELETE_BY_PEER, _END)),
    Story(*(OPENIKED, 2, True, "psk", Nat.NONE, "sha1", 31), (_TRAFFIC, *_OUR_REKEYS, _END)),
    Story(
        *(OPENIKED, 2, False, "psk", Nat.NONE, "sha1", 14),
        (_TRAFFIC, *_THEIR_REKEYS, _END),
    ),
    Story(*(OPENIKED, 2, True, "psk", Nat.SEIKAN, "sha1", 19), (_TRAFFIC, Step.CUT, Step.DELETE_BY_PEER, _END)),
)


def of(*peers: PeerKind) -> tuple[Story, ...]:
    return tuple(story for story in STORIES if story.peer in peers)
