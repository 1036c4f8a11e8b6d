"""Which of several SAs of one tunnel stays, so that both ends choose alike without talking about it.

Not one that is about to expire or that a restarted peer has lost, else the clearly newer one, else the one of higher
rank: ranks are made of values both ends know.
"""

from __future__ import annotations

from collections.abc import Sequence

from seikan.ike.sa import ChildSa, IkeSa

CLEARLY_NEWER = 10.0  # seconds between two SAs that no collision explains


def best_ike_sa(candidates: Sequence[IkeSa]) -> IkeSa | None:
    """The phase 1 SA to use, of established ones."""
    best: IkeSa | None = None
    for sa in candidates:
        if best is None or _ike_wins(sa, best):
            best = sa
    return best


def _ike_wins(sa: IkeSa, other: IkeSa) -> bool:
    if sa.expiring != other.expiring:
        return other.expiring
    age, other_age = sa.established_at or 0.0, other.established_at or 0.0
    if abs(age - other_age) > CLEARLY_NEWER:
        return age > other_age
    return sa.rank > other.rank


def best_child(candidates: Sequence[ChildSa]) -> ChildSa | None:
    """The pair to keep, of usable ones."""
    best: ChildSa | None = None
    for child in candidates:
        if best is None or _child_wins(child, best):
            best = child
    return best


def _child_wins(child: ChildSa, other: ChildSa) -> bool:
    if child.stale != other.stale:
        return other.stale
    if child.expiring != other.expiring:
        return other.expiring
    if abs(child.created - other.created) > CLEARLY_NEWER:
        return child.created > other.created
    return child.rank > other.rank
