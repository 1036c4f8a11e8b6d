"""What a router keeps beside its startup configuration: private keys, revocation lists, secrets of its own.

A directory of the same name with `.state` behind, 0700, that is made when there is something to keep. In it
`keys/LABEL.pem`, `crls/TRUSTPOINT.crl`, `flash/FILE` (what a command calls `flash:FILE`) and single files.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote

from seikan.system.errors import AdapterError
from seikan.system.store import write_atomically
from seikan.wire.secret import Secret

FLASH = "flash"
FILE_SYSTEMS = ("flash:", "bootflash:", "nvram:", "disk0:")
KEYLOG_FILE = "ikev2_decryption_table"
LARGEST = 4 << 20  # octets of a file that is read


class StateDirectory:
    """`parts` name a file below the directory; each becomes one name, whatever characters it has."""

    def __init__(self, startup: Path) -> None:
        self.path = startup.with_name(f"{startup.name}.state")

    def path_of(self, *parts: str) -> Path:
        return self.path.joinpath(*(_file_name(part) for part in parts))

    def read(self, *parts: str) -> bytes | None:
        """None where there is no such file. Raises `AdapterError`."""
        return read_limited(self.path_of(*parts))

    def write(self, data: bytes, *parts: str) -> None:
        """Replace a file, 0600, whole or not at all. Raises `AdapterError`."""
        path = self.path_of(*parts)
        self._make(path.parent)
        write_atomically(path, data)

    def append(self, data: bytes, *parts: str) -> None:
        """Add to a file, which is made 0600. Raises `AdapterError`."""
        path = self.path_of(*parts)
        self._make(path.parent)
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            try:
                os.fchmod(descriptor, 0o600)
                os.write(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise AdapterError(f"{path} cannot be written: {error.strerror}") from None

    def remove(self, *parts: str) -> None:
        """Removing what is not there is no error."""
        path = self.path_of(*parts)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise AdapterError(f"{path} cannot be removed: {error.strerror}") from None

    def names(self, folder: str, suffix: str) -> list[str]:
        """What `folder` holds with `suffix` behind, sorted, without it."""
        try:
            found = sorted(entry.name for entry in self.path_of(folder).iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise AdapterError(f"{self.path_of(folder)} cannot be read: {error.strerror}") from None
        return [unquote(name.removesuffix(suffix)) for name in found if name.endswith(suffix)]

    def secret(self, name: str, octets: int, random: Callable[[int], bytes] = os.urandom) -> Secret:
        """A secret of this router that outlives it; made at first. Raises `AdapterError`."""
        held = self.read(name)
        if held is None or len(held) != octets:
            held = random(octets)
            self.write(held, name)
        return Secret(held)

    def _make(self, folder: Path) -> None:
        try:
            for directory in (self.path, folder):
                directory.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise AdapterError(f"{folder} cannot be made: {error.strerror}") from None

    def file(self, name: str) -> Path:
        """The path of a file as a user names it: `flash:NAME` in the directory, everything else as it is."""
        for system in FILE_SYSTEMS:
            if name.lower().startswith(system):
                return self.path_of(FLASH, name[len(system) :].lstrip("/"))
        return Path(name)


def _file_name(part: str) -> str:
    """One name that stays where it is put: without slashes, not hidden, not above."""
    name = quote(part, safe=" @+,=()")
    return f"%2E{name[1:]}" if name.startswith(".") else name


def read_limited(path: Path) -> bytes | None:
    """A file of a reasonable size; None where there is none. Raises `AdapterError`."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AdapterError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > LARGEST:
        raise AdapterError(f"{path} cannot be read: it is longer than {LARGEST} octets")
    return data
