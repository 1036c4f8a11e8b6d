"""FRR's own control protocol, as vtysh speaks it to each daemon over a unix socket.

A command is text and a NUL; the answer is text, three NULs and one octet of status.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from seikan.system.errors import AdapterError

_TERMINATOR = b"\0\0\0"
_SUCCESS = 0
_TIMEOUT = 10.0  # seconds for one command
_LARGEST_ANSWER = 64 << 20


class VtyError(AdapterError):
    """FRR does not answer. The text names no command, as commands may hold keys."""


class VtyRefusal(VtyError):
    """FRR answers, and refuses the command; the text has its reason."""


class Vty:
    """One connection, in FRR's enable mode. Commands of one connection are carried out one after another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._lock = asyncio.Lock()

    async def command(self, line: str) -> str:
        """The answer's text. Raises `VtyRefusal` with FRR's words, or `VtyError` where it is not there."""
        (answer,) = await self.commands([line])
        if isinstance(answer, VtyRefusal):
            raise answer
        return answer

    async def commands(self, lines: Sequence[str]) -> list[str | VtyRefusal]:
        """Several at once, each answered by its text or FRR's refusal, which does not keep the others from being done.

        Raises `VtyError` where FRR is not there.
        """
        if any("\0" in line or "\n" in line for line in lines):
            raise VtyError("a line for FRR holds a control character")
        async with self._lock:
            try:
                async with asyncio.timeout(_TIMEOUT):
                    if self._writer is None:
                        await self._connect()
                    return await self._exchange(lines)
            except (OSError, EOFError, asyncio.LimitOverrunError) as error:
                self._drop()
                raise VtyError(f"{self._path.stem} does not answer: {error or type(error).__name__}") from None
            except BaseException:
                # A cancelled exchange leaves an answer on the wire that the next command would take for its own.
                self._drop()
                raise

    async def _connect(self) -> None:
        self._reader, self._writer = await asyncio.open_unix_connection(str(self._path), limit=_LARGEST_ANSWER)
        await self._exchange(["enable"])

    async def _exchange(self, lines: Sequence[str]) -> list[str | VtyRefusal]:
        assert self._reader is not None
        assert self._writer is not None
        self._writer.write(b"".join(line.encode() + b"\0" for line in lines))
        await self._writer.drain()
        return [await self._answer(self._reader) for _ in lines]

    async def _answer(self, reader: asyncio.StreamReader) -> str | VtyRefusal:
        text = (await reader.readuntil(_TERMINATOR))[: -len(_TERMINATOR)].decode(errors="replace")
        status = (await reader.readexactly(1))[0]
        if status != _SUCCESS:
            return VtyRefusal(f"{self._path.stem} refused it: {' '.join(text.split()) or f'status {status}'}")
        return text

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def close(self) -> None:
        writer = self._writer
        self._drop()
        if writer is not None:
            with contextlib.suppress(OSError):
                await writer.wait_closed()
