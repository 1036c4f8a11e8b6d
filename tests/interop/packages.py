"""Debian packages that are fetched and unpacked, not installed: a kernel, and daemons that exclude each other."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.conftest import find_tool, lacking
from tests.interop.network import run


def unpacked(package: str) -> Path:
    """The folder with the package's files, fetched once for each machine; skips or fails the test where apt has none.

    Safe where two processes ask at once: a folder is unpacked beside its place and then renamed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "seikan-tests"
    place = cache / package
    if place.exists():
        return place
    if find_tool("apt-get") is None:
        lacking(f"{package} is a Debian package, and there is no apt-get here")
    cache.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{package}-", dir=cache))
    try:
        _fetch(package, made)
        archive = next(made.glob("*.deb"))
        run("dpkg", "-x", str(archive), str(made), limit=120)
        archive.unlink()
        try:
            made.rename(place)
        except OSError:  # another process was faster
            if not place.exists():
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return place


def _fetch(package: str, folder: Path) -> None:
    command = ["apt-get", "download", "-q", package]
    for attempt in range(2):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode == 0:
            return
        if attempt == 0:  # lists that were never fetched, or name a version that the mirror no longer has
            run("apt-get", "update", "-q", limit=300, check=False)
    lacking(f"{package} could not be fetched: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
