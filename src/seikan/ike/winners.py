"""Which of several SAs of one tunnel, or of one flow, stays, so that both ends choose alike without talking about it.

An SA whose exchange began when the other's was over replaces it: IKEv1 has no other sign of a rekey. Exchanges that
overlapped are a collision: between two Seikans the higher rank wins, which both ends compute from values they share.
Of any other peer it is not known what it does, so both SAs stay until one expires or the peer deletes it.
"""

from __future__ import annotations

from collections.abc import Sequence

from seikan.ike.sa import ChildSa, IkeSa


def best_ike_sa(candidates: Sequence[IkeSa]) -> IkeSa | None:
    """The phase 1 SA to use, of established ones."""
    best: IkeSa | None = None
    for sa in sorted(candidates, key=_end):
        if best is None or not ike_sa_replaces(best, sa):
            best = sa
    return best


def _end(sa: IkeSa) -> float:
    return sa.established_at or 0.0


def ike_sa_replaces(sa: IkeSa, other: IkeSa) -> bool:
    """Whether `other` is to go because of `sa`."""
    if sa.created > _end(other) or other.created > _end(sa):
        return sa.created > _end(other)
    return sa.peer_ranks and other.peer_ranks and sa.rank > other.rank


def best_child(candidates: Sequence[ChildSa]) -> ChildSa | None:
    """The pair to keep, of usable ones."""
    best: ChildSa | None = None
    for child in sorted(candidates, key=lambda child: child.completed):
        if best is None or not child_replaces(best, child):
            best = child
    return best


def child_replaces(child: ChildSa, other: ChildSa) -> bool:
    """Whether `other` is to go because of `child`."""
    if child.stale != other.stale:
        return other.stale
    if child.created > other.completed or other.created > child.completed:
        return child.created > other.completed
    return child.peer_ranks and other.peer_ranks and child.rank > other.rank
