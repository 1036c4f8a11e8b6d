from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from seikan.system.notify import Notifier


def test_the_service_manager_hears_each_state(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(2)
        notifier = Notifier(
            {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}
        )
        assert notifier.watchdog_interval == 1.5
        notifier.ready("2 tunnels")
        notifier.watchdog()
        notifier.stopping()
        assert [manager.recv(100) for _ in range(3)] == [b"READY=1\nSTATUS=2 tunnels", b"WATCHDOG=1", b"STOPPING=1"]
        notifier.close()


def test_no_service_manager_is_no_error(tmp_path: Path) -> None:
    silent = Notifier({})
    assert not silent.active
    assert silent.watchdog_interval is None
    silent.ready()
    gone = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    gone.ready()
    gone.close()
    assert not gone.active


def test_a_hardened_process_dumps_no_core() -> None:
    program = (
        "import resource; from seikan.system.process import harden; harden();"
        "import ctypes; print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert result.stdout.strip() == "(0, 0) 0"
