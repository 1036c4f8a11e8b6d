"""Files: the startup configuration, the table of interface names, and the runtime directory of an instance."""

from __future__ import annotations

import contextlib
import fcntl
import grp
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from seikan.system.errors import AdapterError

RUNTIME_BASE = Path("/run/seikan")
CONTROL_SOCKET = "control.sock"  # in a router's runtime directory

_ROUTER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_IOS_NAME = re.compile(r"[A-Z][A-Za-z-]*\d+(/\d+)*(\.\d+)?")
_LINUX_NAME = re.compile(r"[^\s/:]{1,15}")  # IFNAMSIZ less its NUL


def write_atomically(path: Path, text: str | bytes, mode: int = 0o600) -> None:
    """Replace `path` so that a reader, or a crash at any moment, finds the old text or the new one, whole."""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), mode)
                file.write(text.encode() if isinstance(text, str) else text)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise AdapterError(f"{path} cannot be written: {error.strerror}") from None


class StartupStore:
    """The startup configuration: one file, 0600 because it holds keys."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> str | None:
        """The text; None where there is none. Raises `AdapterError` where it cannot be read."""
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AdapterError(f"{self.path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode().split("\n")
            where = f"line {len(before)}, column {len(before[-1]) + 1}"
            octet = error.object[error.start]
            raise AdapterError(
                f"{self.path}, {where}: octet 0x{octet:02X} is not UTF-8 text: save the file as UTF-8"
            ) from None

    def write(self, text: str) -> None:
        write_atomically(self.path, text)

    def erase(self) -> None:
        """Remove the file; removing none is no error."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise AdapterError(f"{self.path} cannot be removed: {error.strerror}") from None


def parse_interface_map(text: str, file: str) -> dict[str, str]:
    """`IOS-name Linux-name` a line, `#` or `!` starting a comment -> IOS name to Linux name.

    Raises `AdapterError` listing every bad line as `file, line N: …`.
    """
    names: dict[str, str] = {}
    wrong: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = re.split(r"[#!]", line, maxsplit=1)[0].split()
        if not words:
            continue
        where = f"{file}, line {number}: "
        if len(words) != 2:
            wrong.append(f"{where}expected an IOS name and a Linux name, as in 'FastEthernet0/0 eth0'")
        elif not _IOS_NAME.fullmatch(words[0]):
            wrong.append(f"{where}'{words[0]}' is not a full IOS interface name such as FastEthernet0/0")
        elif not _LINUX_NAME.fullmatch(words[1]):
            wrong.append(f"{where}'{words[1]}' is not a Linux interface name (at most 15 characters)")
        elif words[0] in names:
            wrong.append(f"{where}{words[0]} is already {names[words[0]]}")
        elif words[1] in names.values():
            wrong.append(f"{where}{words[1]} already has another IOS name")
        else:
            names[words[0]] = words[1]
    if wrong:
        raise AdapterError("; ".join(wrong))
    return names


def read_interface_map(path: Path) -> Mapping[str, str]:
    """The table of interface names; empty where there is no file."""
    text = StartupStore(path).read()
    return {} if text is None else parse_interface_map(text, str(path))


def name_problem(name: str) -> str | None:
    """Why `name` cannot be a router's, one line; it becomes a directory, a namespace of FRR and a table of nftables."""
    if _ROUTER_NAME.fullmatch(name):
        return None
    return f"{name!r} cannot name a router: 1 to 32 letters, digits, '_', '.' and '-', the first a letter or digit"


class RuntimeDirectory:
    """`/run/seikan/NAME`, held by one process at a time.

    The lock is the kernel's (flock(2)), so that it goes with the process however that ends. Everything
    in the directory is the instance's own and goes with it; `crashed` tells after `acquire` that an
    earlier process of this name left without cleaning up.
    """

    def __init__(self, name: str, base: Path = RUNTIME_BASE, group: str = "frr") -> None:
        self.path = base / name
        self.crashed = False
        self._name = name
        self._group = group
        self._lock: int | None = None

    def acquire(self) -> None:
        """Make the directory (0700; passable for `group` where it exists, as FRR's own sockets are below it).

        Raises `AdapterError` where another process holds the name.
        """
        try:
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            while self._lock is None:
                self.path.mkdir(mode=0o700, exist_ok=True)
                self._lock = self._try_lock()
            with contextlib.suppress(KeyError):
                os.chown(self.path, 0, grp.getgrnam(self._group).gr_gid)
                self.path.chmod(0o710)
        except PermissionError:
            raise AdapterError(f"{self.path} cannot be made: seikan needs root") from None
        except OSError as error:
            raise AdapterError(f"{self.path} cannot be made: {error.strerror}") from None
        self.crashed = any(entry.name != "lock" for entry in self.path.iterdir())

    def _try_lock(self) -> int | None:
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            return None  # the one before us has just removed the directory
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with os.fdopen(descriptor) as file:
                pid = file.read().strip()
            raise AdapterError(
                f"router '{self._name}' is already running (pid {pid or 'unknown'}): stop it, or give another --name"
            ) from None
        with contextlib.suppress(FileNotFoundError):
            if os.stat(self.path / "lock").st_ino == os.fstat(descriptor).st_ino:
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
                return descriptor
        os.close(descriptor)
        return None

    def clean(self) -> None:
        """Remove what an earlier process left; only after `acquire`."""
        for entry in self.path.iterdir():
            if entry.name == "lock":
                continue
            if stat.S_ISDIR(entry.lstat().st_mode):
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def release(self) -> None:
        """Remove the directory and give the name free."""
        if self._lock is None:
            return
        self.clean()
        (self.path / "lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # one that waits for the name may have made its lock already
            self.path.rmdir()
        os.close(self._lock)
        self._lock = None
