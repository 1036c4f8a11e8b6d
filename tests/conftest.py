"""Fixtures of every room: what a test needs from the machine, said once.

A machine that lacks something skips the test and says why; where SEIKAN_REQUIRE_TOOLS is set
(`make test`, which installs everything itself) the same lack is a failure.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.order import SECONDS

# Where Python is told to keep no bytecode, it compiles all of Seikan again for each of the hundreds of daemons and
# programs that tests start, which takes longer than what they then do.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

pytest_plugins = ("tests.interop.report",)

REQUIRED = os.environ.get("SEIKAN_REQUIRE_TOOLS", "") not in ("", "0")
_TESTS = Path(__file__).parent
_SYSTEM_PATHS = ("/usr/sbin", "/sbin", "/usr/lib/frr", "/usr/lib/ipsec", "/usr/libexec/ipsec")


def lacking(reason: str) -> None:
    """Skip this test, or fail it where the machine was promised to be complete."""
    if REQUIRED:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def find_tool(name: str) -> str | None:
    """The path of a program, looked for where Debian's daemons live too."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM_PATHS)))


@pytest.fixture
def tool() -> Callable[[str], str]:
    """`tool("tcpdump")` is its path; skips or fails the test where it is not installed."""

    def find(name: str) -> str:
        path = find_tool(name)
        if path is None:
            lacking(f"{name} is not installed: make test installs it")
        return path or ""

    return find


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first; the tests of each stay as they are."""
    items.sort(key=lambda item: -SECONDS.get(item.path.relative_to(_TESTS).as_posix(), 0))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("netns") is None:
        return
    if os.geteuid() != 0:
        lacking("needs root: it makes network namespaces")
    if not Path("/dev/net/tun").exists():
        lacking("needs /dev/net/tun")
