"""The local control socket: how a terminal or a script on this host reaches the daemon.

A connection starts with one line of JSON from the client,
`{"mode": "terminal", "columns": 80, "rows": 24}` or `{"mode": "exec", "command": "show version"}`.
Then both sides send frames: one octet of kind, four of length (network order), the octets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from seikan.system.errors import AdapterError

_HEADER = struct.Struct("!BI")
_SIZE = struct.Struct("!HH")
_STATUS = struct.Struct("!B")
_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid
_LONGEST_HANDSHAKE = 65536
_LARGEST_FRAME = 1 << 20
_HANDSHAKE_LIMIT = 5.0  # seconds
_FAREWELL_LIMIT = 2.0  # seconds for the client to close
_MOST_CONNECTIONS = 64


class FrameKind(IntEnum):
    """OUTPUT and ERROR go to the client (stdout, stderr), INPUT and RESIZE come from it, EXIT ends it."""

    INPUT = 0
    OUTPUT = 1
    ERROR = 2
    RESIZE = 3  # columns and rows, two octets each
    EXIT = 4  # one octet: the exit status


@dataclass(frozen=True, slots=True)
class Hello:
    """What a client wants; `command` for "exec", the window for "terminal"."""

    mode: str
    command: str = ""
    columns: int = 80
    rows: int = 24
    term: str = ""

    def encode(self) -> bytes:
        fields = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(fields).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Hello:
        """Raises `ValueError` for anything but a well-formed greeting."""
        fields = json.loads(line)
        if not isinstance(fields, dict) or fields.get("mode") not in ("terminal", "exec"):
            raise ValueError("mode must be terminal or exec")
        texts = {name: fields.get(name, "") for name in ("command", "term")}
        numbers = {name: fields.get(name, default) for name, default in (("columns", 80), ("rows", 24))}
        if not all(isinstance(text, str) for text in texts.values()):
            raise ValueError("command and term must be text")
        if not all(isinstance(number, int) and 0 <= number <= 0xFFFF for number in numbers.values()):
            raise ValueError("columns and rows must be 0 to 65535")
        return cls(mode=fields["mode"], **texts, **numbers)


def encode_frame(kind: FrameKind, data: bytes) -> bytes:
    return _HEADER.pack(kind, len(data)) + data


def encode_resize(columns: int, rows: int) -> bytes:
    return encode_frame(FrameKind.RESIZE, _SIZE.pack(min(columns, 0xFFFF), min(rows, 0xFFFF)))


async def read_frame(reader: asyncio.StreamReader) -> tuple[FrameKind, bytes] | None:
    """The next frame; None at the end of the stream. Raises `ValueError` for a malformed one."""
    try:
        kind, length = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        if length > _LARGEST_FRAME:
            raise ValueError("frame too large")
        return FrameKind(kind), await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


class ControlConnection:
    """One client, as the daemon sees it."""

    def __init__(self, hello: Hello, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: int) -> None:
        self.hello = hello
        self.uid = uid
        self.columns, self.rows = hello.columns, hello.rows
        self.on_resize: Callable[[int, int], None] | None = None
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """The next octets typed; b"" once the client has gone. Window sizes are taken on the way."""
        while True:
            try:
                frame = await read_frame(self._reader)
            except ValueError:
                return b""  # a client that does not keep to the frames is as good as gone
            if frame is None:
                return b""
            kind, data = frame
            if kind is FrameKind.INPUT and data:
                return data
            if kind is FrameKind.RESIZE and len(data) == _SIZE.size:
                self.columns, self.rows = _SIZE.unpack(data)
                if self.on_resize is not None:
                    self.on_resize(self.columns, self.rows)

    def write(self, data: bytes | str, *, error: bool = False) -> None:
        """Queue octets for the client's screen; to a client that has gone it does nothing."""
        if isinstance(data, str):
            data = data.encode()
        kind = FrameKind.ERROR if error else FrameKind.OUTPUT
        for start in range(0, len(data), _LARGEST_FRAME):
            self._put(encode_frame(kind, data[start : start + _LARGEST_FRAME]))

    def _put(self, frame: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(frame)

    @property
    def backlog(self) -> int:
        """Octets that the client has not taken yet; log lines to a terminal that stands still should be dropped."""
        return self._writer.transport.get_write_buffer_size()

    async def drain(self) -> None:
        """Wait until the client has taken most of what was written."""
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def finish(self, status: int = 0) -> None:
        """End the connection; the client exits with `status`."""
        self._put(encode_frame(FrameKind.EXIT, _STATUS.pack(status & 0xFF)))
        # Closing with something unread would reset the connection, and the client lose what it has not read yet.
        try:
            async with asyncio.timeout(_FAREWELL_LIMIT):
                await self._writer.drain()
                while await self._reader.read(_LONGEST_HANDSHAKE):
                    pass
        except (ConnectionError, TimeoutError):
            self._writer.transport.abort()
        else:
            self._writer.close()


class ControlServer:
    """Listens on `path` (0600, root only). `serve` handles one connection and returns the exit status.

    Drops are counted: `drop-not-root`, `drop-greeting`, `drop-too-many`.
    """

    def __init__(self, path: Path, serve: Callable[[ControlConnection], Awaitable[int]]) -> None:
        self._path = path
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.counters: dict[str, int] = {"accepted": 0, "drop-not-root": 0, "drop-greeting": 0, "drop-too-many": 0}

    async def open(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            # The runtime directory is locked by this process: a socket there is a dead one's.
            self._path.unlink(missing_ok=True)
            before = os.umask(0o177)
            try:
                sock.bind(str(self._path))
            finally:
                os.umask(before)
        except OSError as error:
            sock.close()
            raise AdapterError(f"{self._path} cannot be made: {error.strerror or error}") from None
        self._server = await asyncio.start_unix_server(self._accepted, sock=sock)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._handle(reader, writer), name="control connection")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: writer.close())

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid = _peer_uid(writer)
        if uid != 0 and uid != os.geteuid():
            self.counters["drop-not-root"] += 1
            return
        if len(self._tasks) > _MOST_CONNECTIONS:
            self.counters["drop-too-many"] += 1
            return
        try:
            async with asyncio.timeout(_HANDSHAKE_LIMIT):
                line = await reader.readuntil(b"\n")
            if len(line) > _LONGEST_HANDSHAKE:
                raise ValueError("greeting too long")
            hello = Hello.decode(line)
        except (ValueError, TimeoutError, EOFError, ConnectionError, asyncio.LimitOverrunError):
            self.counters["drop-greeting"] += 1
            return
        self.counters["accepted"] += 1
        connection = ControlConnection(hello, reader, writer, uid)
        status = 1
        try:
            status = await self._serve(connection)
        finally:
            await connection.finish(status)

    async def close(self) -> None:
        """Stop listening, end every connection, remove the socket."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._path.unlink(missing_ok=True)


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    """Who is at the other end (unix(7), SO_PEERCRED)."""
    sock = writer.get_extra_info("socket")
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(credentials)[1]
    return uid
