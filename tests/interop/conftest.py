"""What the tests against other implementations need."""

from __future__ import annotations

import pytest
from tests.conftest import lacking
from tests.interop.charon import program


@pytest.fixture(scope="session")
def charon_installed() -> None:
    """Skips or fails where strongSwan's charon is not installed."""
    if program() is None:
        lacking("charon is not installed: make test installs it")
