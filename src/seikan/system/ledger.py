"""What the daemon made or changed outside of itself, on disk, so that even a killed one leaves nothing behind.

A started daemon finds the entries of the one before it. What it needs again it claims by recording it
again, and nothing flaps; `unclaimed` is then the rest, to be undone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seikan.system.errors import AdapterError
from seikan.system.store import StartupStore


@dataclass(frozen=True, slots=True)
class Entry:
    """`kind` is what was done ("link", "address", "mtu", "up", "sysctl"), `target` to what, `before` the old value."""

    kind: str
    target: str
    detail: str = ""
    before: str = ""


class Ledger:
    """`path` None keeps the entries in memory only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._entries: dict[tuple[str, str, str], Entry] = {}
        self._claimed: set[tuple[str, str, str]] = set()
        if path is not None:
            text = StartupStore(path).read()
            for fields in _load(text) if text else ():
                entry = Entry(*fields)
                self._entries[_key(entry)] = entry

    def record(self, entry: Entry) -> None:
        """Before doing it. The first `before` of a target stays: it is what to go back to."""
        key = _key(entry)
        self._claimed.add(key)
        if key not in self._entries:
            self._entries[key] = entry
            self._write()

    def find(self, kind: str, target: str, detail: str = "") -> Entry | None:
        return self._entries.get((kind, target, detail))

    def forget(self, entry: Entry) -> None:
        """After undoing it."""
        if self._entries.pop(_key(entry), None) is not None:
            self._claimed.discard(_key(entry))
            self._write()

    def entries(self) -> list[Entry]:
        """Everything, newest first: the order in which to undo."""
        return list(reversed(self._entries.values()))

    def unclaimed(self) -> list[Entry]:
        return [entry for entry in self.entries() if _key(entry) not in self._claimed]

    def _write(self) -> None:
        if self._path is None:
            return
        # No fsync: the entries describe the kernel's state, which a power cut clears too.
        temporary = self._path.with_suffix(".new")
        rows = [[entry.kind, entry.target, entry.detail, entry.before] for entry in self._entries.values()]
        try:
            temporary.write_text(json.dumps(rows), encoding="utf-8")
            temporary.rename(self._path)
        except OSError as error:
            raise AdapterError(f"{self._path} cannot be written: {error.strerror}") from None


def _key(entry: Entry) -> tuple[str, str, str]:
    return entry.kind, entry.target, entry.detail


def _load(text: str) -> Iterator[tuple[str, str, str, str]]:
    try:
        rows = json.loads(text)
    except ValueError:
        return  # cut off by the crash it is about
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, list) and len(row) == 4 and all(isinstance(field, str) for field in row):
            yield row[0], row[1], row[2], row[3]
