"""What thousands of schedules have in common."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def seldom_collected() -> Iterator[None]:
    """Look for cycles less often and not among what was imported: that was a fifth of a schedule's CPU time."""
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    yield
    gc.set_threshold(*usual)
    gc.unfreeze()
