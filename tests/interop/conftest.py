"""What the tests against other implementations need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conftest import lacking
from tests.interop.charon import program
from tests.interop.network import Network, network


@pytest.fixture(scope="session")
def charon_installed() -> None:
    """Skips or fails where strongSwan's charon is not installed."""
    if program() is None:
        lacking("charon is not installed: make test installs it")


@pytest.fixture
def net() -> Iterator[Network]:
    """Namespaces that go with the test."""
    with network() as made:
        yield made
