"""The client of the control socket: `seikan cli` and `seikan exec`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

from seikan.system.control import FrameKind, Hello, encode_frame, encode_resize, read_frame
from seikan.system.errors import AdapterError

_CHUNK = 4096
_END_OF_INPUT = b"\x04"


async def run_exec(path: Path, command: str) -> int:
    """Carry out one command; output to stdout, errors to stderr. Returns the exit status.

    Raises `AdapterError` where no daemon listens.
    """
    reader, writer = await _connect(path, Hello("exec", command=command))
    try:
        return await _show(reader)
    finally:
        writer.close()


def _size() -> tuple[int, int]:
    """Columns and rows as they are, whatever an exported COLUMNS says they were."""
    try:
        return os.get_terminal_size(sys.stdout.fileno())
    except OSError:  # no terminal
        return shutil.get_terminal_size()


async def run_terminal(path: Path) -> int:
    """Put this terminal on the router's command line until that ends; lines piped in are typed for it.

    Returns the exit status. Raises `AdapterError` where no daemon listens. The terminal is set back whatever happens.
    """
    columns, rows = _size()
    reader, writer = await _connect(path, Hello("terminal", "", columns, rows, os.environ.get("TERM", "")))
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def resized() -> None:
        writer.write(encode_resize(*_size()))

    with _raw(descriptor):
        if os.isatty(descriptor):
            loop.add_signal_handler(signal.SIGWINCH, resized)
        typing = asyncio.create_task(_type(descriptor, writer))
        try:
            return await _show(reader)
        finally:
            typing.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await typing
            if os.isatty(descriptor):
                loop.remove_signal_handler(signal.SIGWINCH)
            writer.close()


async def _connect(path: Path, hello: Hello) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except FileNotFoundError:
        raise AdapterError(f"no router runs here ({path} is missing): start it with 'seikan run CONFIG'") from None
    except ConnectionRefusedError:
        raise AdapterError(f"the router at {path} does not answer: start it again") from None
    except PermissionError:
        raise AdapterError("only root may reach the router: use sudo") from None
    writer.write(hello.encode())
    return reader, writer


async def _show(reader: asyncio.StreamReader) -> int:
    while True:
        frame = await read_frame(reader)
        if frame is None:
            raise AdapterError("the router closed the connection")
        kind, data = frame
        if kind is FrameKind.EXIT:
            return data[0] if data else 1
        if kind in (FrameKind.OUTPUT, FrameKind.ERROR):
            stream = sys.stderr if kind is FrameKind.ERROR else sys.stdout
            stream.buffer.write(data)
            stream.buffer.flush()


async def _type(descriptor: int, writer: asyncio.StreamWriter) -> None:
    """Standard input to the router, without changing its flags: the shell shares them."""
    data = b"-"
    while data:
        await _readable(descriptor)
        try:
            data = os.read(descriptor, _CHUNK)
        except OSError:  # the terminal hung up
            data = b""
        # The end of a pipe or file is typed as ^D, which ends a session at an empty line.
        writer.write(encode_frame(FrameKind.INPUT, data or _END_OF_INPUT))
        await writer.drain()


async def _readable(descriptor: int) -> None:
    """Wait until a read would not block. Watched anew each time, so that nothing is reported that was read since."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def report() -> None:
        loop.remove_reader(descriptor)
        ready.set_result(None)

    try:
        loop.add_reader(descriptor, report)
    except PermissionError:  # a regular file, which epoll does not take, can always be read
        return
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


@contextlib.contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    """A terminal hands over each key as it is pressed; anything else stays as it is."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
