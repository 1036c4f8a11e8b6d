"""Work that events ask for: done soon, once for a burst of them, and with a rest before it is done again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

SETTLE = 0.02  # seconds: changes of links and routes come in bursts


class Soon:
    """Does `work`, holding `lock`, when it was asked for.

    `rest` says how many seconds it then rests, given how many the work took. What asks while the work is
    under way may have come too late for it, so it is done once more, after the rest.
    """

    def __init__(
        self,
        work: Callable[[], Awaitable[None]],
        lock: asyncio.Lock,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        rest: Callable[[float], float],
    ) -> None:
        self._work, self._lock, self._spawn, self._rest = work, lock, spawn, rest
        self._waiting: asyncio.TimerHandle | None = None
        self._running = False
        self._again = False
        self._rest_until = 0.0
        self.times = 0  # the work was begun

    def ask(self) -> None:
        if self._running:
            self._again = True
        elif self._waiting is None:
            loop = asyncio.get_running_loop()
            self._waiting = loop.call_later(max(SETTLE, self._rest_until - loop.time()), self._begin)

    def _begin(self) -> None:
        self._waiting, self._running = None, True
        self._spawn(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with self._lock:
                began, self._again = loop.time(), False
                self.times += 1
                try:
                    await self._work()
                finally:
                    now = loop.time()
                    self._rest_until = now + self._rest(now - began)
        finally:
            self._running = False
            if self._again:
                self._again = False
                self.ask()
