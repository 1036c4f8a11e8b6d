"""The service manager's notification protocol (sd_notify(3)): a datagram of NAME=VALUE lines."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class Notifier:
    """Tells systemd how the daemon does; says nothing where there is no service manager.

    `watchdog_interval` is how often to call `watchdog()` in seconds (half of what the unit asks), None for never.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) if path else None
        self.watchdog_interval: float | None = None
        watched = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = environment.get("WATCHDOG_USEC", "")
        if self._socket is not None and watched and microseconds.isdigit() and int(microseconds) > 0:
            self.watchdog_interval = int(microseconds) / 2_000_000

    @property
    def active(self) -> bool:
        return self._socket is not None

    def _send(self, text: str) -> None:
        if self._socket is None:
            return
        # A service manager that does not listen must not stop a router.
        with contextlib.suppress(OSError):
            self._socket.sendto(text.encode(), self._address)

    def ready(self, status: str = "") -> None:
        """The configuration is applied; `status` is one line for `systemctl status`."""
        self._send("READY=1" + (f"\nSTATUS={status}" if status else ""))

    def status(self, text: str) -> None:
        self._send(f"STATUS={text}")

    def watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
