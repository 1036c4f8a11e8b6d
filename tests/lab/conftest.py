"""Names for labs that are taken down whatever becomes of their test."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seikan.lab.lab import Lab


@pytest.fixture
def names() -> Iterator[Callable[[], str]]:
    """Names for labs of this test; what is left of them at the end is taken down."""
    given: list[str] = []

    def new() -> str:
        given.append(f"t{secrets.token_hex(3)}")
        return given[-1]

    yield new
    for name in given:
        if (Path("/run/seikan-lab") / name).exists():
            Lab.load(name).take_down()
