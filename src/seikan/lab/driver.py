"""A terminal on a router: types what a user would type, and reads what a user would read.

Each terminal is a real pseudo-terminal with `seikan cli` on it, so that the lab proves the whole
path: line editor, `?`, Tab, prompts, and log lines that arrive while somebody types.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import selectors
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seikan.lab.topology import LabError

LIMIT = 20.0
"""Seconds a router has to answer a line, where nothing else is said."""

_PROMPT = re.compile(r"(?P<host>[\w.-]+)(?P<mode>\([\w-]+\))?(?P<end>[>#])")
_CSI = re.compile(rb"\x1b\[([0-9;?]*)([@-~])")
_REFUSAL = re.compile(
    r"^\s*% ?(Invalid input|Ambiguous command|Incomplete command|Unrecognized command|Unknown command)"
)


@dataclass(slots=True)
class Screen:
    """The line a cursor is on, and the lines above it, as a terminal would show them."""

    lines: list[str] = field(default_factory=list)
    current: list[str] = field(default_factory=list)
    column: int = 0
    _rest: bytes = b""

    def feed(self, data: bytes) -> list[str]:
        """Take octets as they come; returns the lines that they completed."""
        data = self._rest + data
        self._rest = b""
        first = len(self.lines)
        position = 0
        while position < len(data):
            octet = data[position]
            if octet == 0x1B:
                sequence = _CSI.match(data, position)
                if sequence is None:
                    if len(data) - position < 16:
                        self._rest = data[position:]
                        break
                    position += 1
                    continue
                self._control(sequence[1].decode(), sequence[2].decode())
                position = sequence.end()
                continue
            length = 1 if octet < 0x80 else 2 if octet < 0xE0 else 3 if octet < 0xF0 else 4
            if position + length > len(data):
                self._rest = data[position:]
                break
            self._put(data[position : position + length].decode(errors="replace"))
            position += length
        return self.lines[first:]

    def _put(self, character: str) -> None:
        if character == "\n":
            self.lines.append("".join(self.current).rstrip())
            self.current.clear()
            self.column = 0
        elif character == "\r":
            self.column = 0
        elif character == "\b":
            self.column = max(0, self.column - 1)
        elif character >= " ":
            if self.column < len(self.current):
                self.current[self.column] = character
            else:
                self.current.extend(" " * (self.column - len(self.current)))
                self.current.append(character)
            self.column += 1

    def _control(self, argument: str, final: str) -> None:
        count = int(argument) if argument.isdigit() else 0
        if final == "K":
            if count == 2:
                self.current.clear()
            elif count == 0:
                del self.current[self.column :]
        elif final == "C":
            self.column += max(1, count)
        elif final == "D":
            self.column = max(0, self.column - max(1, count))
        elif final == "G":
            self.column = max(0, count - 1)
        elif final == "J" and count == 0:
            del self.current[self.column :]

    @property
    def text(self) -> str:
        """The line the cursor is on, up to its last character."""
        return "".join(self.current)


class Terminal:
    """One login at one router. `name` is what it is called in messages ("R3")."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self.screen = Screen()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 500, 200, 0, 0))
        os.set_blocking(self._master, False)
        self._process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment, "TERM": "vt100"},
            start_new_session=True,
        )
        os.close(slave)
        self.closed = False

    def fileno(self) -> int:
        return self._master

    def read(self) -> list[str]:
        """What came since the last call: complete lines. Marks the terminal closed at its end."""
        completed: list[str] = []
        while not self.closed:
            try:
                data = os.read(self._master, 65536)
            except BlockingIOError:
                break
            except OSError:  # EIO: the other side closed the terminal
                data = b""
            if not data:
                self.closed = True
                break
            completed += self.screen.feed(data)
        return completed

    def send(self, text: str) -> None:
        """Press these keys."""
        os.write(self._master, text.encode())

    @property
    def prompt(self) -> re.Match[str] | None:
        """The prompt, where the cursor stands right behind one."""
        return _PROMPT.fullmatch(self.screen.text.rstrip())

    def close(self) -> None:
        """Hang up."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGHUP)
            try:
                self._process.wait(3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        os.close(self._master)


class Console:
    """The terminals of a lab side by side: what one prints while another is typed at is not lost.

    `show` gets each line as it completes, with the name of the router it came from.
    """

    def __init__(self, terminals: Mapping[str, Terminal], show: Callable[[str, str], None]) -> None:
        self.terminals = dict(terminals)
        self._show = show
        self._marks: dict[str, int] = dict.fromkeys(terminals, 0)

    def close(self) -> None:
        for terminal in self.terminals.values():
            terminal.close()

    def pump(self, limit: float) -> None:
        """Wait up to `limit` seconds for anything from any router, and take it in."""
        with selectors.DefaultSelector() as selector:
            for terminal in self.terminals.values():
                if not terminal.closed:
                    selector.register(terminal, selectors.EVENT_READ)
            if not selector.get_map():
                raise LabError("every router closed its terminal")
            ready = [key.fileobj for key, _ in selector.select(limit)]
        for terminal in self.terminals.values():
            if terminal in ready:
                for line in terminal.read():
                    self._show(terminal.name, line)

    def wait(self, condition: Callable[[], object], limit: float, what: str, *routers: str) -> None:
        """Take in output until `condition` holds; LabError naming `what` when it does not within `limit` seconds.

        `routers` are those whose state would explain it.
        """
        deadline = time.monotonic() + limit
        while not condition():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise LabError(f"waited {limit:.0f} seconds for {what}", *routers)
            self.pump(min(remaining, 1.0))

    def ready(self, router: str, limit: float = LIMIT) -> None:
        """Wait for the router's first prompt."""
        terminal = self.terminals[router]
        self.wait(lambda: terminal.prompt or terminal.closed, limit, f"{router}'s prompt", router)
        if terminal.closed:
            said = " ".join(line for line in terminal.screen.lines if line)
            raise LabError(f"{router}: could not log in: {said or 'the terminal closed'}", router)

    def type(self, router: str, line: str, limit: float = LIMIT) -> list[str]:
        """Type a line, press Enter, wait for the next prompt; returns the lines between, echo left out.

        LabError where the router does not take the line.
        """
        terminal = self.terminals[router]
        first = len(terminal.screen.lines)
        at = terminal.prompt
        host = at["host"] if at is not None else ""

        def echo() -> int | None:
            """Where the typed line is complete: a log line may come before it, and the prompt with it once more."""
            lines = terminal.screen.lines
            if at is None:  # an answer to a question is not always shown
                return first if len(lines) > first else None
            found = (number for number in range(first, len(lines)) if _is_echo(lines[number], host, line))
            return next(found, None)

        terminal.send(line + "\r")
        self.wait(
            lambda: echo() is not None and terminal.prompt,
            limit,
            f'{router}\'s prompt after "{line}" (the cursor is at "{terminal.screen.text}")',
            router,
        )
        answer = terminal.screen.lines[(echo() or first) + 1 :]
        for number, said in enumerate(answer):
            if _REFUSAL.match(said):
                shown = answer[number - 1] + " / " if number and answer[number - 1].strip() == "^" else ""
                raise LabError(f'{router} refused "{line}": {(shown + said).strip()}', router)
        return answer

    def press(self, router: str, keys: str, shown: str, limit: float = LIMIT) -> list[str]:
        """Press keys without Enter (`?`, Tab) and wait until the edited line ends in `shown` behind its prompt."""
        terminal = self.terminals[router]
        first = len(terminal.screen.lines)
        before = terminal.prompt
        prompt = before[0] if before else ""
        terminal.send(keys)
        self.wait(
            lambda: (
                terminal.screen.text.rstrip() == (prompt + shown).rstrip()
                and (keys[-1] != "?" or len(terminal.screen.lines) > first)
            ),
            limit,
            f'{router} to offer something for "{keys.strip()}"',
            router,
        )
        return terminal.screen.lines[first:]

    def erase(self, router: str) -> None:
        """Clear the edited line (Ctrl-U)."""
        terminal = self.terminals[router]
        terminal.send("\x15")
        self.wait(lambda: terminal.prompt, LIMIT, f"{router} to clear the line", router)

    def expect(self, router: str, pattern: str, limit: float) -> str:
        """Wait for a line, a log line usually, that was not matched by an earlier call; returns it."""
        expression = re.compile(pattern)
        lines = self.terminals[router].screen.lines

        def found() -> str | None:
            for number in range(self._marks[router], len(lines)):
                if expression.search(lines[number]):
                    return lines[number]
            return None

        self.wait(found, limit, f"{router} to say {pattern!r}", router)
        return found() or ""

    def mark(self, router: str) -> None:
        """From here on `expect` looks at what comes after this moment."""
        self._marks[router] = len(self.terminals[router].screen.lines)


def _is_echo(shown: str, host: str, typed: str) -> bool:
    return shown.startswith(host) and shown.endswith(typed.rstrip()) and bool(_PROMPT.match(shown))


def login(name: str, router_name: str, run_directory: Path) -> Terminal:
    """A terminal on the router that runs as `router_name` under `run_directory`."""
    return Terminal(name, cli_command("cli", router_name), environment(run_directory))


def cli_command(command: str, router_name: str, *arguments: str) -> list[str]:
    """The client program's own command line, run by this same Python."""
    return [sys.executable, "-m", "seikan", command, "--name", router_name, *arguments]


def environment(run_directory: Path) -> dict[str, str]:
    """This process's environment, with the place of the lab's control sockets."""
    return {**os.environ, "SEIKAN_RUN_DIR": str(run_directory)}
