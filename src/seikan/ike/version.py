"""What the rooms of both versions ask of the one that a peer is negotiated with: `v1.version` and `v2.version`."""

from __future__ import annotations

from typing import Any, Protocol

from seikan.ike.sa import ChildSa, Flow, Tunnel
from seikan.ike.settings import TunnelSettings
from seikan.wire.selector import Selector


class Version(Protocol):
    """Each gets only SAs and exchanges of its own."""

    children_end: bool  # child SAs end with their IKE SA
    linger: float  # seconds for which what comes late is understood

    def start(self, tunnel: Tunnel) -> bool:
        """Begin an IKE SA; False, with a stated error, where something for it is missing."""

    def repeat(self, sa: Any) -> None:
        """Send the first message of an exchange that was held."""

    def enter(self, sa: Any) -> None:
        """Put a new IKE SA into the tables by its SPIs."""

    def leave(self, sa: Any, *, linger: bool) -> None:
        """Take it out and forget its exchanges. With `linger`, what comes late is still understood for a moment."""

    def gone(self, sa: Any) -> None:
        """A lingering one is over."""

    def renew(self, sa: Any) -> bool:
        """Replace an established IKE SA by an exchange under it; False where that takes a new one from the start."""

    def room(self, sa: Any) -> int:
        """How many more exchanges for pairs may be begun under an IKE SA now."""

    def busy(self, sa: Any) -> bool:
        """Whether an IKE SA that has been replaced is still needed."""

    def start_child(self, sa: Any, flow: Flow, selector: Selector) -> bool:
        """Begin the exchange for a pair; False, with a stated error, where there is nothing to propose."""

    def discard(self, exchange: Any) -> None:
        """End an exchange for a pair and what it had installed."""

    def tell_ike_deleted(self, sa: Any) -> None:
        """Tell the peer that an IKE SA goes, before it does."""

    def tell_child_deleted(self, child: ChildSa) -> None:
        """Tell the peer that a pair goes, before it does."""

    def child_in_use(self, child: ChildSa) -> None:
        """Both directions of a pair are installed."""

    def can_follow(self, tunnel: Tunnel, row: TunnelSettings) -> bool:
        """Whether what a tunnel has can go along to another address of this side, as `row` has it."""

    def follow(self, tunnel: Tunnel) -> None:
        """It has another address of this side now."""

    def turn_away(self, sa: Any) -> None:
        """An authenticated peer gets nothing here: its IKE SA goes."""

    def ask(self, sa: Any) -> bool:
        """Ask the peer now whether it lives, whatever is configured; False where it cannot be asked."""

    def watch(self, sa: Any) -> None:
        """Arm dead peer detection as it is configured."""

    def told(self, child: ChildSa) -> bool:
        """Whether the peer knows that a pair has gone, or will not learn it any more."""
        return True

    def unknown_spi(self, sa: Any, spi: int) -> None:
        """Tell the peer that ESP came for an SA that is not here."""
