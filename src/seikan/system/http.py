"""Fetching by HTTP what is signed and public anyway: CRLs, and answers of OCSP. Slow servers cost nobody time."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
from urllib.parse import urlsplit

from seikan.system.errors import AdapterError
from seikan.system.threads import in_thread

SECONDS = 10.0  # for everything
LARGEST = 4 << 20  # octets
_PIECE = 65536
_AT_A_TIME = asyncio.Semaphore(4)


async def fetch(url: str, body: bytes | None = None, content_type: str = "") -> bytes:
    """What a server has at `url`, or answers to a `body`. Raises `AdapterError`. The event loop goes on meanwhile."""
    async with _AT_A_TIME:
        try:
            connection, target = _connection(url)
            async with asyncio.timeout(SECONDS):
                return await in_thread(lambda: _fetch(url, connection, target, body, content_type))
        except TimeoutError:
            if connection.sock is not None:  # wakes the thread
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
            raise AdapterError(f"{url} did not answer within {SECONDS:.0f} seconds") from None


def _connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AdapterError(f"{url} is no address of a server") from None
    if parts.scheme != "http" or not host:
        raise AdapterError(f"{url} is not fetched: only http:// is")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return http.client.HTTPConnection(host, port, timeout=SECONDS), target


def _fetch(
    url: str, connection: http.client.HTTPConnection, target: str, body: bytes | None, content_type: str
) -> bytes:
    try:
        headers = {"Content-Type": content_type} if body is not None else {}
        connection.request("POST" if body is not None else "GET", target, body, headers)
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise AdapterError(f"{url}: the server answered {response.status}")
        data = b""
        while piece := response.read1(_PIECE):
            data += piece
            if len(data) > LARGEST:
                raise AdapterError(f"{url}: the answer is longer than {LARGEST} octets")
        return data
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise AdapterError(f"{url} cannot be fetched: {reason}") from None
    finally:
        connection.close()
