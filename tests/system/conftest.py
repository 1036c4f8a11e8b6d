"""Makes `tests.system.support` importable however pytest was started."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.system.support import Namespace, need_root, sweep


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Instead of pytest's: one that FRR's own user can reach, whatever other runs do to pytest's directory."""
    with tempfile.TemporaryDirectory(prefix="seikan-test-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture
def namespace() -> Iterator[Callable[[], Namespace]]:
    """Makes network namespaces that are gone after the test, and takes away those of dead test runs."""
    need_root()
    sweep()
    made: list[Namespace] = []

    def make() -> Namespace:
        made.append(Namespace())
        return made[-1]

    yield make
    for one in made:
        one.close()
