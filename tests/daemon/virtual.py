"""An event loop whose time is the test's: it moves to the next timer at once where nothing else is to be done."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Selector(selectors.DefaultSelector):
    """Where the loop would wait for its next timer, time passes instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is not None else None)
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def run_virtually(story: Coroutine[Any, Any, Result]) -> Result:
    """As `asyncio.run`, in virtual time; what waits for another thread or process is not for this loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)
