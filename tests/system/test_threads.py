"""Blocking calls beside the event loop: what they give, and that nobody waits for them at the end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from seikan.system.threads import in_thread


def test_a_call_gives_its_result_or_its_error_and_the_loop_goes_on() -> None:
    go = threading.Event()

    async def run() -> str:
        waiting = asyncio.ensure_future(in_thread(lambda: "done" if go.wait(10) else "late"))
        await asyncio.sleep(0)
        assert not waiting.done()
        go.set()
        return await waiting

    assert asyncio.run(run()) == "done"
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(lambda: 1 // 0))


def test_a_call_that_never_ends_keeps_nobody_from_ending() -> None:
    script = """
import asyncio, threading
from seikan.system.threads import in_thread
async def run():
    try:
        await asyncio.wait_for(in_thread(threading.Event().wait), 0.05)
    except TimeoutError:
        print("given up")
asyncio.run(run())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "given up\n"
