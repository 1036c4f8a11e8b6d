"""A small table of timers over one heap; setting a timer again moves it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable

Callback = Callable[[], None]


class Timers:
    """Keys are whatever names the timer's owner and purpose; times are the engine's seconds."""

    def __init__(self) -> None:
        self._live: dict[Hashable, tuple[int, float, Callback]] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._live

    def set(self, key: Hashable, when: float, callback: Callback) -> None:
        self._count += 1
        self._live[key] = (self._count, when, callback)
        heapq.heappush(self._heap, (when, self._count, key))
        if len(self._heap) > 2 * len(self._live) + 64:
            self._heap = [entry for entry in self._heap if self._is_live(entry)]
            heapq.heapify(self._heap)

    def due(self, key: Hashable) -> float | None:
        """When the timer `key` runs, None where it is not set."""
        live = self._live.get(key)
        return live[1] if live else None

    def cancel(self, key: Hashable) -> None:
        self._live.pop(key, None)

    def next(self) -> float | None:
        """When the earliest timer is due, None where there is none."""
        while self._heap and not self._is_live(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run(self, now: float) -> None:
        """Call back every timer due at `now`, in order; a timer set meanwhile for `now` waits for the next call."""
        last = self._count
        while (when := self.next()) is not None and when <= now and self._heap[0][1] <= last:
            _, _, key = heapq.heappop(self._heap)
            callback = self._live.pop(key)[2]
            callback()

    def _is_live(self, entry: tuple[float, int, Hashable]) -> bool:
        live = self._live.get(entry[2])
        return live is not None and live[0] == entry[1]
