"""`seikan cli` and `seikan exec`: the other end of a running router's control socket."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from seikan.system.console import run_exec, run_terminal
from seikan.system.errors import AdapterError
from seikan.system.store import CONTROL_SOCKET, RUNTIME_BASE


def runtime_base() -> Path:
    """Where routers have their runtime directories; `SEIKAN_RUN_DIR` says otherwise (the lab does)."""
    return Path(os.environ.get("SEIKAN_RUN_DIR", RUNTIME_BASE))


def login(name: str) -> int:
    """Put this terminal on the router's command line; the exit status."""
    return _run(run_terminal(_socket(name)))


def execute(name: str, line: str) -> int:
    """Carry out one line and print its answer; the exit status."""
    return _run(run_exec(_socket(name), line))


def _socket(name: str) -> Path:
    return runtime_base() / name / CONTROL_SOCKET


def _run(client: Coroutine[Any, Any, int]) -> int:
    try:
        return asyncio.run(client)
    except AdapterError as error:
        print(f"seikan: {error}", file=sys.stderr)
        return 1
