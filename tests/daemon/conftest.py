"""Makes `tests.daemon` and `tests.interop` importable however pytest was started, and gives networks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.daemon.routers import Sites, two_routers


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Sites]:
    """R1 and R3 with a provider between them, nothing started yet."""
    with two_routers(tmp_path) as made:
        yield made
