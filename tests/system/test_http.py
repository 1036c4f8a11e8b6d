"""Fetching from servers that answer, answer too much, answer something else or never."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from seikan.system import http
from seikan.system.errors import AdapterError

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def fetched(answer: Answer, body: bytes | None = None) -> bytes:
    async def run() -> bytes:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await http.fetch(f"http://127.0.0.1:{port}/a.crl?x=1", body, "text/plain")
        finally:
            server.close()

    return asyncio.run(run())


def says(text: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        writer.close()

    return answer


def test_a_whole_answer_and_one_in_chunks() -> None:
    assert fetched(says(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nDATA")) == b"DATA"
    assert (
        fetched(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nDA\r\n2\r\nTA\r\n0\r\n\r\n"))
        == b"DATA"
    )


def test_a_question_is_posted() -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"question"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nanswer")
        writer.close()

    assert fetched(answer, b"question") == b"answer"
    assert seen[0].startswith(b"POST /a.crl?x=1 HTTP/1.1\r\n")
    assert b"Content-Type: text/plain" in seen[0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"HTTP/1.1 404 Not\x1b[2J Found\r\n\r\n", "answered 404$"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(http.LARGEST + 1), "longer than"),
        (b"nonsense\r\n\r\n", "cannot be fetched: BadStatusLine"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", None),
    ],
)
def test_what_is_no_answer_is_said_so(text: bytes, why: str | None) -> None:
    if why is None:  # what came is for its reader to judge: it carries a signature
        assert fetched(says(text)) == b"short"
        return
    with pytest.raises(AdapterError, match=why):
        fetched(says(text))


def test_a_server_that_never_answers_costs_its_time_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SECONDS", 0.2)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    with pytest.raises(AdapterError, match=r"did not answer|timed out|cannot be fetched"):
        fetched(answer)


def test_only_http_is_fetched_and_a_closed_port_said() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        for url, why in (
            ("file:///etc/passwd", "only http://"),
            ("https://x.example/", "only http://"),
            ("http://[", "no address"),
            (f"http://127.0.0.1:{port}/", "Connection refused"),
        ):
            with pytest.raises(AdapterError, match=why):
                asyncio.run(http.fetch(url))
