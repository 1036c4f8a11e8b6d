"""Numbers that are given out lowest first, and given back to whom they belonged."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Hashable


class LowestFree:
    """Numbers from 1; taking and giving back cost the same however many are out."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._next = 1

    def take(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        self._next += 1
        return self._next - 1

    def give_back(self, number: int) -> None:
        heapq.heappush(self._free, number)


class Numbers:
    """The numbers of Virtual-Access interfaces. One that is given back stays reserved for its holder for `seconds`, of
    at most `holders` that were here last, so that a short absence does not change an interface's name.
    """

    def __init__(self, holders: int = 4096, seconds: float = 600.0) -> None:
        self._numbers = LowestFree()
        self._reserved: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()
        self._holders = holders
        self._seconds = seconds

    def __len__(self) -> int:
        """How many are reserved."""
        return len(self._reserved)

    def take(self, holder: Hashable, now: float) -> int:
        """The holder's own number, else the lowest that is free."""
        self._expire(now)
        found = self._reserved.pop(holder, None)
        return found[0] if found else self._numbers.take()

    def give_back(self, holder: Hashable, number: int, now: float) -> None:
        before = self._reserved.pop(holder, None)
        if before is not None:
            self._numbers.give_back(before[0])
        self._reserved[holder] = (number, now)
        self._expire(now)

    def _expire(self, now: float) -> None:
        while self._reserved:
            holder, (number, since) = next(iter(self._reserved.items()))
            if len(self._reserved) <= self._holders and now - since < self._seconds:
                return
            del self._reserved[holder]
            self._numbers.give_back(number)
