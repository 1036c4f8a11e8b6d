"""Starting a router, and asking it as `seikan exec` does: from this process, because tests ask often."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.interop import fast

from seikan.lab import daemons
from seikan.system.control import FrameKind, Hello, read_frame
from seikan.system.store import CONTROL_SOCKET


def daemon_program(speed: float = 1.0) -> Sequence[str]:
    """The daemon's program; where `speed` is not 1, one whose clock and timers run so many times as fast."""
    return daemons.PROGRAM if speed == 1 else (sys.executable, fast.__file__, str(speed))


def execute(runtime: Path, name: str, line: str, *, check: bool = True, limit: float = 60.0) -> str:
    """What the router answers, errors included; AssertionError where its exit status is not 0 and `check` is set."""
    status, said = asyncio.run(asyncio.wait_for(_ask(runtime / name / CONTROL_SOCKET, line), limit))
    assert not check or status == 0, f"{name}: {line}: {said}"
    return said


async def _ask(path: Path, line: str) -> tuple[int, str]:
    said = bytearray()
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except OSError as error:
        return 1, f"no router answers at {path}: {error.strerror}\n"
    try:
        writer.write(Hello("exec", command=line).encode())
        while (frame := await read_frame(reader)) is not None:
            kind, data = frame
            if kind is FrameKind.EXIT:
                return data[0], said.decode()
            if kind in (FrameKind.OUTPUT, FrameKind.ERROR):
                said += data
    finally:
        writer.close()
    return 1, said.decode() + "\nthe router closed the connection\n"
