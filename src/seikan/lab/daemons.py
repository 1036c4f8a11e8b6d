"""One Seikan daemon for each router, inside the router's namespace."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from seikan.lab.driver import environment
from seikan.lab.lab import Lab
from seikan.lab.topology import LabError
from seikan.system.store import CONTROL_SOCKET

READY_SECONDS = 30.0
PROGRAM = (sys.executable, "-m", "seikan")


def run_directory(lab: Lab) -> Path:
    """Where the lab's routers keep their control sockets."""
    return lab.directory / "run"


def runs(lab: Lab, router: str) -> bool:
    """Whether the lab's router is there: a socket that was left behind takes no connection."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as terminal:
        try:
            terminal.connect(str(run_directory(lab) / router / CONTROL_SOCKET))
        except OSError:
            return False
    return True


def start(lab: Lab, router: str, limit: float = READY_SECONDS) -> subprocess.Popen[bytes]:
    """Start a lab's router; as `launch`."""
    directory = lab.router_directory(router)
    return launch(lab.namespace(router), directory / "startup-config", router, run_directory(lab), limit)


def launch(
    namespace: str,
    config: Path,
    name: str,
    runtime: Path,
    limit: float = READY_SECONDS,
    program: Sequence[str] = PROGRAM,
) -> subprocess.Popen[bytes]:
    """Start `seikan run CONFIG` in a network namespace and return once it said that it is ready (sd_notify(3)).

    What it prints is appended to `log` beside CONFIG. LabError with its last words when it ends
    before, or needs more than `limit` seconds.
    """
    log = config.parent / "log"
    address = config.parent / "notify"
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, log.open("ab") as output:
        notify.bind(str(address))
        daemon = subprocess.Popen(
            [
                *("ip", "netns", "exec", namespace),
                *(*program, "run", str(config), "--name", name),
            ],
            env={**environment(runtime), "NOTIFY_SOCKET": str(address)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _await_ready(name, notify, daemon, log, limit)
    address.unlink()
    return daemon


def _await_ready(router: str, notify: socket.socket, daemon: subprocess.Popen[bytes], log: Path, limit: float) -> None:
    deadline = time.monotonic() + limit
    ended = os.pidfd_open(daemon.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(notify, selectors.EVENT_READ)
            selector.register(ended, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select(max(0.0, deadline - time.monotonic()))}
                if notify in ready and b"READY=1" in notify.recv(65536).split(b"\n"):
                    return
                if ended in ready:
                    raise LabError(f"{router}: the daemon ended: {last_words(log)}", router)
                if time.monotonic() >= deadline:
                    raise LabError(
                        f"{router}: the daemon was not ready after {limit:.0f} seconds: {last_words(log)}", router
                    )
    finally:
        os.close(ended)


def last_words(log: Path) -> str:
    """The last line of a log that says something."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
