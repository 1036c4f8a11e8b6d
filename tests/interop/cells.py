"""The cells of the interop matrix: what is to be proven of each peer, and why some of it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.interop.stories import (
    LIBRESWAN,
    OPENIKED,
    PEERS,
    STRONGSWAN_KERNEL,
    Nat,
    PeerKind,
    Step,
    Story,
)


@dataclass(frozen=True, slots=True)
class Column:
    """A peer with one version of IKE."""

    peer: PeerKind
    version: int

    @property
    def title(self) -> str:
        return f"{self.peer.title}, IKEv{self.version}"

    def holds(self, story: Story) -> bool:
        return story.peer is self.peer and story.version == self.version


COLUMNS = tuple(Column(peer, version) for version in (1, 2) for peer in PEERS if version in peer.versions)


def _step(step: Step) -> Callable[[Story], bool]:
    return lambda story: step in story.steps


CELLS: Mapping[str, Callable[[Story], bool]] = {
    "Seikan initiates": lambda story: story.seikan_initiates,
    "the peer initiates": lambda story: not story.seikan_initiates,
    "pre-shared key": lambda story: story.authentication == "psk",
    "RSA": lambda story: story.authentication == "rsa",
    "ECDSA": lambda story: story.authentication == "ecdsa",
    "no NAT": lambda story: story.nat is Nat.NONE,
    "Seikan behind a NAT": lambda story: story.nat is Nat.SEIKAN,
    "the peer behind a NAT": lambda story: story.nat is Nat.PEER,
    "AES-CBC": lambda story: story.cipher in ("cbc", "sha1"),
    "AES-GCM": lambda story: story.cipher == "gcm",
    "group 14": lambda story: story.group == 14,
    "group 19": lambda story: story.group == 19,
    "group 31": lambda story: story.group == 31,
    **{step.value: _step(step) for step in Step},
}

_NO_NUMBER = "Curve25519 has no number in IKEv1 (RFC 8031 gives it one in IKEv2)."
_KEYS_ONLY = "Seikan authenticates IKEv1 with pre-shared keys only."
_NO_GCM = "OpenIKED on Linux has no AES-GCM for ESP, nor SHA-2: it hands SAs to the kernel by PF_KEY."
_ELSEWHERE = (
    "The kernel's ESP does not depend on this, and charon is the same as with ESP in user space, where it is proven."
)
_IKED_NAT = "Not run."
_LIBRESWAN_NAT = "Not run with IKEv2; with IKEv1 it is."
_REASONS: tuple[tuple[PeerKind | None, int | None, tuple[str, ...], str], ...] = (
    (None, 1, ("group 31",), _NO_NUMBER),
    (None, 1, ("RSA", "ECDSA"), _KEYS_ONLY),
    (OPENIKED, None, ("AES-GCM",), _NO_GCM),
    (STRONGSWAN_KERNEL, None, tuple(CELLS), _ELSEWHERE),
    (OPENIKED, None, ("the peer behind a NAT",), _IKED_NAT),
    (LIBRESWAN, 2, ("the peer behind a NAT",), _LIBRESWAN_NAT),
)
"""The first that fits counts. None: any peer, either version."""


def reason(column: Column, title: str) -> str | None:
    """Why a cell cannot be run, or is not."""
    for peer, version, titles, text in _REASONS:
        if peer in (None, column.peer) and version in (None, column.version) and title in titles:
            return text
    return None
