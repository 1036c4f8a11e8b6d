"""`debug crypto ikev2`: its lines to whoever asked, keys to their file alone and never because of `debug all`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest
from tests.daemon.fakes import Bench
from tests.daemon.test_answers import FakeConnection

from seikan.daemon.crypto import DebugLine
from seikan.daemon.terminals import Login
from seikan.system.control import ControlConnection
from seikan.system.state import KEYLOG_FILE
from seikan.wire.secret import Secret

LINE = Secret(b"spi-i,spi-r,the-key-itself")


class Desk:
    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.connection = FakeConnection()
        self.login = Login(bench.router, cast(ControlConnection, self.connection))
        bench.router.logins.add(self.login)
        self.login._do(self.login.terminal.start())

    async def type(self, line: str) -> str:
        before = len(self.connection.shown)
        self.login._do(self.login.terminal.receive(f"{line}\r".encode()))
        assert self.login._task is not None
        await self.login._task
        return self.connection.shown[before:]

    @property
    def engine(self) -> frozenset[str]:
        return self.bench.router.crypto.engine.debugging


def play(directory: Path, story: Callable[[Bench, Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        bench = Bench(directory)
        try:
            await bench.load("hostname Here\n")
            await story(bench, Desk(bench))
        finally:
            bench.close()

    asyncio.run(run())


def test_keys_are_logged_while_somebody_asks_and_to_the_file_alone(tmp_path: Path) -> None:
    async def story(bench: Bench, desk: Desk) -> None:
        table = bench.router.state.path_of(KEYLOG_FILE)
        bench.router._keylog(LINE)
        assert not table.exists()
        answer = await desk.type("debug crypto ikev2 keylog")
        assert "% Warning: the keys of IKEv2 SAs" in answer
        assert str(table) in answer.replace("\r\n", "")
        assert desk.engine == {"ikev2-keylog"}
        assert "keys are written to a file" in await desk.type("show debugging")
        bench.router._keylog(LINE)
        bench.router._debug(DebugLine("ikev2", "a line of IKEv2"))
        assert table.read_bytes() == LINE + b"\n"
        assert "a line of IKEv2" not in desk.connection.shown  # keys alone were asked for
        desk.login.end()
        bench.router.logins.discard(desk.login)
        bench.router.debugging_changed()
        assert desk.engine == frozenset()
        bench.router._keylog(LINE)
        assert table.read_bytes() == LINE + b"\n"
        assert "the-key-itself" not in desk.connection.shown + "".join(bench.lines)

    play(tmp_path, story)


def test_debug_all_does_not_log_keys_and_undebug_all_stops_it(tmp_path: Path) -> None:
    async def story(bench: Bench, desk: Desk) -> None:
        await desk.type("debug all")
        assert "ikev2" in desk.engine
        assert "ikev2-keylog" not in desk.engine
        await desk.type("debug crypto ikev2 keylog")
        assert "ikev2-keylog" in desk.engine
        await desk.type("undebug all")
        assert desk.engine == frozenset()

    play(tmp_path, story)


SHOWN = {
    "": ("ikev2", "ikev2 error", "ikev2 packet"),
    " error": ("ikev2 error",),
    " packet": ("ikev2 packet",),
    " internal": ("ikev2", "ikev2 error", "ikev2 packet"),
}


@pytest.mark.parametrize("words", SHOWN)
def test_each_word_of_debug_crypto_ikev2_shows_its_lines(words: str, tmp_path: Path) -> None:
    async def story(bench: Bench, desk: Desk) -> None:
        said = words.strip() or "default"
        assert f"IKEv2 {said} debugging is on" in await desk.type(f"debug crypto ikev2{words}")
        assert desk.engine == frozenset(SHOWN[words])
        for topic in ("ikev2", "ikev2 error", "ikev2 packet", "isakmp"):
            bench.router._debug(DebugLine(topic, f"a line of {topic}."))
            assert (f"a line of {topic}." in desk.connection.shown) == (topic in SHOWN[words])
        assert f"IKEv2 {said} debugging is off" in await desk.type(f"no debug crypto ikev2{words}")
        assert desk.engine == frozenset()

    play(tmp_path, story)
