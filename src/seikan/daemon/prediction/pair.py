"""Two addresses, one of each router, and everything that leads from one to the other."""

from __future__ import annotations

from dataclasses import dataclass

from seikan.daemon.prediction.site import Address, Point, Site
from seikan.daemon.prediction.stages import Negotiation


@dataclass(frozen=True, slots=True)
class Pair:
    """`addresses`, `points` and everything else of two are in the order of the files."""

    sites: tuple[Site, Site]
    addresses: tuple[Address, Address]
    points: tuple[tuple[Point, ...], tuple[Point, ...]]
    negotiation: Negotiation

    def peer_of(self, side: int) -> Address:
        return self.addresses[1 - side]

    def name(self, side: int) -> str:
        """What a reader calls the router: its name, or where both have the same, its file."""
        one, other = self.sites
        return self.sites[side].name if one.name != other.name else self.sites[side].label
