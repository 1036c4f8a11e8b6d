"""What the daemon does to its own process so that key material stays in it."""

from __future__ import annotations

import ctypes
import os
import resource

from seikan.system.errors import AdapterError

_PR_SET_DUMPABLE = 4

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise AdapterError(f"prctl option {option} failed: {os.strerror(code)}")


def harden() -> None:
    """Forbid core dumps and reading of this process's memory by its peers (prctl(2) PR_SET_DUMPABLE)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)
