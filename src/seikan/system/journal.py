"""The log: lines in IOS form, to a ring buffer, the console, terminals, the service manager and syslog hosts.

`*Nov 23 19:00:00.123: %LINEPROTO-5-UPDOWN: …`; the star says that the clock is not synchronised.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import stat
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from ipaddress import ip_address
from typing import TextIO

from seikan.system.errors import AdapterError

Subscriber = Callable[[str], None]

SYSLOG_PORT = 514
_FACILITY = 23  # local7, as IOS sends (RFC 5424 section 6.2.1)
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


class Severity(IntEnum):
    """RFC 5424 section 6.2.1, by the words of IOS."""

    EMERGENCIES = 0
    ALERTS = 1
    CRITICAL = 2
    ERRORS = 3
    WARNINGS = 4
    NOTIFICATIONS = 5
    INFORMATIONAL = 6
    DEBUGGING = 7

    @classmethod
    def named(cls, word: str | None, default: Severity) -> Severity:
        """`logging … LEVEL` as typed: a name or a number."""
        if word is None:
            return default
        return cls(int(word)) if word.isdigit() else cls[word.upper()]


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """`logging …` resolved: size of the ring in octets, and the least important severity each destination takes.

    None turns a destination off.
    """

    size: int = 4096
    buffered: Severity | None = Severity.DEBUGGING
    console: Severity | None = Severity.DEBUGGING
    monitor: Severity | None = Severity.DEBUGGING
    trap: Severity | None = Severity.INFORMATIONAL
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JournalState:
    """What `show logging` tells: the ring, oldest line first, and lines per destination."""

    buffer: tuple[str, ...]
    size: int
    console_messages: int
    monitor_messages: int
    buffer_messages: int
    dropped: int
    counters: dict[str, int] = field(default_factory=dict)


_libc = ctypes.CDLL(None)


def clock_synchronized() -> bool:
    """What the kernel says of its clock (adjtimex(2))."""
    buffer = ctypes.create_string_buffer(512)  # struct timex, modes 0: read only
    return bool(_libc.adjtimex(buffer) not in (-1, _TIME_ERROR))


class Journal:
    """Never blocks and never grows: what a destination cannot take is dropped and counted.

    `now` gives the wall clock as the router's zone has it; `stream` is the console (stderr), prefixed `<N>` for the
    service manager where that started the daemon (sd-daemon(3)).
    """

    def __init__(
        self,
        hostname: str = "Router",
        settings: JournalSettings | None = None,
        *,
        now: Callable[[], datetime] | None = None,
        synchronized: Callable[[], bool] = clock_synchronized,
        stream: TextIO | None = None,
        prefixed: bool | None = None,
        port: int = SYSLOG_PORT,
    ) -> None:
        self.hostname = hostname
        self._settings = settings or JournalSettings()
        self._now = now or datetime.now
        self._synchronized = synchronized
        self._second: datetime | None = None  # that of the last line, and how its time stamp begins
        self._stamp = ""
        self._stream = sys.stderr if stream is None else stream
        self._console_ready = _writable(self._stream)
        self._prefixed = _to_service_manager(self._stream) if prefixed is None else prefixed
        self._port = port
        self._ring: deque[str] = deque()
        self._ring_octets = 0
        self._monitors: dict[Subscriber, Severity] = {}
        self._sockets: dict[str, tuple[socket.socket, tuple[str, int]]] = {}
        self._sequence = 0
        self.counters: Counter[str] = Counter()
        self.configure(self._settings)

    def configure(self, settings: JournalSettings) -> None:
        """Take new settings; the ring keeps what fits. Raises `AdapterError` for a host that is no address."""
        sockets: dict[str, tuple[socket.socket, tuple[str, int]]] = {}
        for host in settings.hosts:
            try:
                address = ip_address(host)
            except ValueError:
                for sock, _ in sockets.values():
                    sock.close()
                raise AdapterError(f"logging host '{host}' is not an IP address") from None
            family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            sockets[host] = (sock, (str(address), self._port))
        self._close_sockets()
        self._settings, self._sockets = settings, sockets
        self._trim()

    def log(self, facility: str, severity: int, mnemonic: str, text: str) -> str:
        """One line `%FACILITY-SEVERITY-MNEMONIC: text` to every destination that takes its severity; returns it."""
        return self._write(Severity(severity), f"%{facility}-{severity}-{mnemonic}: {_one_line(text)}")

    def debug(self, text: str, to: Iterable[Subscriber] = ()) -> None:
        """A debugging line, to the ring and to the terminals that asked for it, not to the console."""
        line = self.stamp(_one_line(text))
        self._remember(Severity.DEBUGGING, line)
        for subscriber in to:
            subscriber(line)

    def stamp(self, text: str) -> str:
        now = self._now()
        second = now.replace(microsecond=0)
        if second != self._second:
            star = "" if self._synchronized() else "*"
            self._second, self._stamp = second, f"{star}{now:%b} {now.day:2d} {now:%H:%M:%S}"
        return f"{self._stamp}.{now.microsecond // 1000:03d}: {text}"

    def _write(self, severity: Severity, message: str) -> str:
        line = self.stamp(message)
        self._remember(severity, line)
        if _takes(self._settings.console, severity):
            self._console(severity, line)
        for subscriber, least in list(self._monitors.items()):
            if severity <= least and _takes(self._settings.monitor, severity):
                self.counters["monitor"] += 1
                subscriber(line)
        if _takes(self._settings.trap, severity):
            self._send(severity, line)
        return line

    def _remember(self, severity: Severity, line: str) -> None:
        if not _takes(self._settings.buffered, severity):
            return
        self.counters["buffer"] += 1
        self._ring.append(line)
        self._ring_octets += _octets(line)
        self._trim()

    def _trim(self) -> None:
        while self._ring and self._ring_octets > self._settings.size:
            self._ring_octets -= _octets(self._ring.popleft())

    def _console(self, severity: Severity, line: str) -> None:
        try:
            if not self._console_ready():
                raise BlockingIOError
            self._stream.write(f"<{severity.value}>{line}\n" if self._prefixed else f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):  # a closed or full pipe
            self.counters["drop-console"] += 1
        else:
            self.counters["console"] += 1

    def _send(self, severity: Severity, line: str) -> None:
        """As IOS does (RFC 3164's priority, then its own sequence number and time stamp)."""
        self._sequence += 1
        if not self._sockets:
            return
        datagram = f"<{_FACILITY * 8 + severity}>{self._sequence}: {self.hostname}: {line}".encode()
        for host, (sock, address) in self._sockets.items():
            try:
                sock.sendto(datagram, address)
            except OSError:
                self.counters[f"drop-host {host}"] += 1
            else:
                self.counters[f"host {host}"] += 1

    def subscribe(self, subscriber: Subscriber, least: Severity = Severity.DEBUGGING) -> None:
        """`terminal monitor`: lines of severity `least` and more important ones, until `unsubscribe`."""
        self._monitors[subscriber] = least

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self._monitors.pop(subscriber, None)

    def clear(self) -> None:
        """`clear logging`."""
        self._ring.clear()
        self._ring_octets = 0

    def state(self) -> JournalState:
        return JournalState(
            buffer=tuple(self._ring),
            size=self._settings.size,
            console_messages=self.counters["console"],
            monitor_messages=self.counters["monitor"],
            buffer_messages=self.counters["buffer"],
            dropped=sum(count for name, count in self.counters.items() if name.startswith("drop-")),
            counters=dict(self.counters),
        )

    def _close_sockets(self) -> None:
        for sock, _ in self._sockets.values():
            with contextlib.suppress(OSError):
                sock.close()
        self._sockets = {}

    def close(self) -> None:
        self._close_sockets()
        self._monitors.clear()


def _takes(least: Severity | None, severity: Severity) -> bool:
    return least is not None and severity <= least


def _to_service_manager(stream: TextIO) -> bool:
    """Whether a stream is the journal's: JOURNAL_STREAM names its device and inode, and children inherit the name."""
    try:
        status = os.fstat(stream.fileno())
    except (AttributeError, OSError, ValueError):  # a stream in memory
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _writable(stream: TextIO) -> Callable[[], bool]:
    """What tells whether a line can be written without waiting for whoever reads the other end of a pipe."""
    try:
        descriptor = stream.fileno()
        waits = not stat.S_ISREG(os.fstat(descriptor).st_mode)
    except (AttributeError, OSError, ValueError):  # a stream in memory
        return lambda: True
    if not waits:  # nobody has to read a file before more can be written
        return lambda: True
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return lambda: any(events & select.POLLOUT for _, events in poll.poll(0))


def _octets(line: str) -> int:
    return (len(line) if line.isascii() else len(line.encode())) + 1


def _one_line(text: str) -> str:
    """A peer's words cannot forge a second line or move the cursor of a terminal."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "?" for character in text)
