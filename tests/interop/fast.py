"""`fast.py SPEED run …`: the daemon, whose clock and timers run SPEED times as fast as this machine's.

For stories in which IKE waits much longer than anything else takes: what gives up after 80 seconds does so after 20.
FRR, the kernel, and peers that are not told so keep to the real time.
"""

from __future__ import annotations

import selectors
import sys
import time


class FastSelector(selectors.DefaultSelector):
    """Waits for the loop's timers as long as they take on the fast clock."""

    speed = 1.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout if timeout is None else timeout / self.speed)


def run_fast(speed: float) -> None:
    """Before anything of Seikan is imported: some of it keeps the clock that it finds."""
    real, began = time.monotonic, time.monotonic()
    time.monotonic = lambda: began + (real() - began) * speed
    FastSelector.speed = speed
    selectors.DefaultSelector = FastSelector  # type: ignore[misc]  # from which an event loop makes its own


if __name__ == "__main__":
    run_fast(float(sys.argv[1]))
    from seikan.__main__ import main

    sys.exit(main(sys.argv[2:]))
