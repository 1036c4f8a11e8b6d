"""Network namespaces of this host, and programs inside them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from seikan.lab.topology import LabError


def run(*command: str, check: bool = True, limit: float = 20.0) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; LabError with its own words when it fails or takes more than `limit` seconds."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except FileNotFoundError:
        raise LabError(f'the program "{command[0]}" is not installed: run make setup') from None
    except subprocess.TimeoutExpired:
        raise LabError(f'"{" ".join(command)}" did not finish within {limit:.0f} seconds') from None
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise LabError(f'"{" ".join(command)}": {said[-1] if said else f"exit status {done.returncode}"}')
    return done


def inside(namespace: str, *command: str) -> tuple[str, ...]:
    """The command line that runs a program in a namespace."""
    return ("ip", "netns", "exec", namespace, *command)


def start_time(pid: int) -> str | None:
    """When process `pid` started (field 22 of /proc/PID/stat, clock ticks): with the pid it names one process.

    None where no such process runs.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def namespaces() -> set[str]:
    """The named network namespaces of this host."""
    directory = Path("/run/netns")
    return {entry.name for entry in directory.iterdir()} if directory.is_dir() else set()
