"""Waiting for something to become true, with a limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_NEVER = threading.Event()


def wait_until(predicate: Callable[[], object], limit: float, interval: float = 0.05) -> bool:
    """Ask `predicate` every `interval` seconds until it is true; False when `limit` seconds passed first."""
    deadline = time.monotonic() + limit
    while not predicate():
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return False
        _NEVER.wait(min(interval, remaining))
    return True
