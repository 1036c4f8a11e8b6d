from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import stat
import subprocess
import sys
import termios
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from seikan.system.console import run_exec
from seikan.system.control import ControlConnection, ControlServer, FrameKind, Hello, encode_frame
from seikan.system.errors import AdapterError

CLIENT = """
import asyncio, sys
from pathlib import Path
from seikan.system.console import run_exec, run_terminal
from seikan.system.errors import AdapterError
path = Path(sys.argv[1])
try:
    sys.exit(asyncio.run(run_terminal(path) if len(sys.argv) == 2 else run_exec(path, sys.argv[2])))
except AdapterError as error:
    sys.exit(f"seikan: {error}")
"""
COMMAND = [sys.executable, "-c", CLIENT]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


async def serve(connection: ControlConnection) -> int:
    """A stand-in for the daemon: echoes lines in capitals, tells the window, ends at `exit` or ^D."""
    if connection.hello.mode == "exec":
        connection.write(f"did {connection.hello.command}\n")
        connection.write("but\n", error=True)
        return 3
    connection.on_resize = lambda columns, rows: connection.write(f"[{columns}x{rows}]")
    connection.write(f"R1({connection.columns}x{connection.rows})#")
    typed = b""
    while data := await connection.read():
        typed += data
        connection.write(data.upper())
        if b"exit" in typed or b"\x04" in typed:
            return 0
    return 1


def with_server(
    path: Path,
    scenario: Callable[[ControlServer], Awaitable[None]],
    handler: Callable[[ControlConnection], Awaitable[int]] = serve,
) -> None:
    async def main() -> None:
        server = ControlServer(path, handler)
        await server.open()
        try:
            async with asyncio.timeout(30):
                await scenario(server)
        finally:
            await server.close()
        assert not path.exists()

    asyncio.run(main())


async def start(*words: str, stdin: int = asyncio.subprocess.DEVNULL) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *COMMAND, *words, env=ENVIRONMENT, stdin=stdin, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


def test_exec_gives_output_errors_and_status(tmp_path: Path) -> None:
    async def scenario(server: ControlServer) -> None:
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
        client = await start(str(tmp_path / "s"), "show version")
        assert await client.communicate() == (b"did show version\n", b"but\n")
        assert client.returncode == 3

    with_server(tmp_path / "s", scenario)


def test_lines_piped_in_are_typed_and_the_end_ends_it(tmp_path: Path) -> None:
    async def scenario(server: ControlServer) -> None:
        client = await start(str(tmp_path / "s"), stdin=asyncio.subprocess.PIPE)
        output, errors = await client.communicate(b"conf t\nint tu0\n")
        assert output.startswith(b"R1(80x24)#CONF T\nINT TU0\n")
        assert (errors, client.returncode) == (b"", 0)
        script = tmp_path / "script"
        script.write_text("show clock\nexit\n")
        with script.open("rb") as file:
            client = await start(str(tmp_path / "s"), stdin=file.fileno())
            assert b"SHOW CLOCK\nEXIT" in (await client.communicate())[0]

    with_server(tmp_path / "s", scenario)


def test_a_terminal_is_raw_while_it_lasts_and_tells_its_size(tmp_path: Path) -> None:
    async def scenario(server: ControlServer) -> None:
        leader, follower = pty.openpty()
        termios.tcsetwinsize(follower, (40, 132))
        before = termios.tcgetattr(follower)
        client = subprocess.Popen(
            [*COMMAND, str(tmp_path / "s")],
            env=ENVIRONMENT,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
        )
        try:
            screen = Screen(leader)
            await screen.shows("R1(132x40)#")
            assert not termios.tcgetattr(follower)[3] & termios.ECHO
            os.write(leader, b"a\x03")  # ^C is the router's to read
            await screen.shows("A\x03")
            termios.tcsetwinsize(follower, (50, 100))
            client.send_signal(signal.SIGWINCH)
            await screen.shows("[100x50]")
            os.write(leader, b"exit")
            assert await asyncio.to_thread(client.wait, 10) == 0
            assert termios.tcgetattr(follower) == before
        finally:
            client.kill()
            client.wait()
            screen.close()
            os.close(follower)

    with_server(tmp_path / "s", scenario)


class Screen:
    def __init__(self, leader: int) -> None:
        self._leader = leader
        self._text = ""
        self._grown = asyncio.Event()
        asyncio.get_running_loop().add_reader(leader, self._read)

    def _read(self) -> None:
        self._text += os.read(self._leader, 4096).decode()
        self._grown.set()

    async def shows(self, text: str) -> None:
        try:
            async with asyncio.timeout(10):
                while text not in self._text:
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError:
            pytest.fail(f"{text!r} is not in {self._text!r}")

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._leader)
        os.close(self._leader)


def test_no_router_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=r"no router runs here .* start it with 'seikan run CONFIG'"):
        asyncio.run(run_exec(tmp_path / "s", "show version"))


def test_a_router_that_goes_away_ends_the_client(tmp_path: Path) -> None:
    async def stall(connection: ControlConnection) -> int:
        connection.write("hello")
        await asyncio.Event().wait()
        return 0

    async def scenario(server: ControlServer) -> None:
        client = await start(str(tmp_path / "s"), stdin=asyncio.subprocess.PIPE)
        assert client.stdout is not None
        assert await client.stdout.readexactly(5) == b"hello"
        await server.close()
        assert await client.wait() == 1

    with_server(tmp_path / "s", scenario, stall)


@pytest.mark.parametrize(
    "greeting",
    [
        b"\xff\xfe\n",
        b"[]\n",
        b'{"mode": "root shell"}\n',
        b'{"mode": "terminal", "columns": -1}\n',
        b'{"mode": "exec", "command": 7}\n',
        b"x" * 70000 + b"\n",
        b"",
    ],
)
def test_a_greeting_that_is_none_is_dropped_and_counted(tmp_path: Path, greeting: bytes) -> None:
    async def scenario(server: ControlServer) -> None:
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(greeting)
        if not greeting:
            writer.write_eof()
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            assert len(greeting) > 60000  # closed with octets unread
        writer.close()
        assert server.counters["drop-greeting"] == 1
        assert server.counters["accepted"] == 0

    with_server(tmp_path / "s", scenario)


def test_a_malformed_frame_ends_the_session(tmp_path: Path) -> None:
    async def scenario(server: ControlServer) -> None:
        for octets in (b"\x09\0\0\0\0", b"\0\xff\xff\xff\xff"):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
            writer.write(Hello("terminal").encode() + encode_frame(FrameKind.INPUT, b"a") + octets)
            received = b""
            while not received.endswith(encode_frame(FrameKind.EXIT, b"\1")):
                received += await reader.readexactly(1)
            assert received.endswith(encode_frame(FrameKind.OUTPUT, b"A") + encode_frame(FrameKind.EXIT, b"\1"))
            writer.close()

    with_server(tmp_path / "s", scenario)


def test_others_than_root_are_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")

    async def scenario(server: ControlServer) -> None:
        (tmp_path / "s").chmod(0o666)  # even where the file's mode would let it
        program = (
            "import os, socket; os.setuid(65534); s = socket.socket(socket.AF_UNIX);"
            f"s.connect({str(tmp_path / 's')!r}); s.sendall({json.dumps({'mode': 'exec', 'command': 'x'})!r}.encode());"
            "s.sendall(b'\\n'); print(s.recv(100))"
        )
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output = (await client.communicate())[0]
        assert b"did" not in output
        assert server.counters["drop-not-root"] == 1

    with_server(tmp_path / "s", scenario)
