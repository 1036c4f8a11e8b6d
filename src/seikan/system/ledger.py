"""What the daemon made or changed outside of itself, on disk, so that even a killed one leaves nothing behind.

A started daemon finds the entries of the one before it. What it needs again it claims by recording it
again, and nothing flaps; `unclaimed` is then the rest, to be undone.

The file is a journal, one row a line: `[kind, target, detail, before]` for what was done, `[kind, target, detail]` for
what was undone. A thousand tunnels cost a thousand short writes so, not a thousand times everything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from seikan.system.errors import AdapterError
from seikan.system.store import StartupStore


@dataclass(frozen=True, slots=True)
class Entry:
    """`kind` is what was done ("link", "address", "mtu", "up", "sysctl"), `target` to what, `before` the old value."""

    kind: str
    target: str
    detail: str = ""
    before: str = ""


Key = tuple[str, str, str]
_SPARE = 1024  # rows that the journal may hold beyond twice what is in force, before it is written anew


class Ledger:
    """`path` None keeps the entries in memory only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._entries: dict[Key, Entry] = {}
        self._targets: dict[str, dict[Key, None]] = {}
        self._claimed: set[Key] = set()
        self._journal: TextIO | None = None
        self._rows = 0
        if path is not None:
            text = StartupStore(path).read()
            for row in _load(text) if text else ():
                if len(row) == 4:
                    self._add(Entry(*row))
                else:
                    self._drop((row[0], row[1], row[2]))

    def record(self, entry: Entry) -> None:
        """Before doing it. The first `before` of a target stays: it is what to go back to."""
        key = _key(entry)
        self._claimed.add(key)
        if key not in self._entries:
            self._add(entry)
            self._write([*key, entry.before])

    def find(self, kind: str, target: str, detail: str = "") -> Entry | None:
        return self._entries.get((kind, target, detail))

    def forget(self, entry: Entry) -> None:
        """After undoing it."""
        key = _key(entry)
        if self._drop(key):
            self._claimed.discard(key)
            self._write(list(key))

    def entries(self) -> list[Entry]:
        """Everything, newest first: the order in which to undo."""
        return list(reversed(self._entries.values()))

    def of(self, target: str) -> list[Entry]:
        """What was done to one target, newest first."""
        return [self._entries[key] for key in reversed(self._targets.get(target, {}))]

    def unclaimed(self) -> list[Entry]:
        return [entry for entry in self.entries() if _key(entry) not in self._claimed]

    def _add(self, entry: Entry) -> None:
        key = _key(entry)
        self._entries[key] = entry
        self._targets.setdefault(entry.target, {})[key] = None

    def _drop(self, key: Key) -> bool:
        if self._entries.pop(key, None) is None:
            return False
        of_target = self._targets[key[1]]
        del of_target[key]
        if not of_target:
            del self._targets[key[1]]
        return True

    def _write(self, row: list[str]) -> None:
        if self._path is None:
            return
        try:
            if self._journal is None or not self._entries or self._rows > 2 * len(self._entries) + _SPARE:
                self._write_anew(self._path)
            else:
                self._journal.write(_line(row))
                self._journal.flush()
                self._rows += 1
        except OSError as error:
            raise AdapterError(f"{self._path} cannot be written: {error.strerror}") from None

    def _write_anew(self, path: Path) -> None:
        # No fsync: the entries describe the kernel's state, which a power cut clears too.
        temporary = path.with_suffix(".new")
        if self._journal is not None:
            self._journal.close()
        self._journal = temporary.open("w", encoding="utf-8")
        self._journal.writelines(
            _line([entry.kind, entry.target, entry.detail, entry.before]) for entry in self._entries.values()
        )
        self._journal.flush()
        temporary.rename(path)
        self._rows = len(self._entries)


def _line(row: list[str]) -> str:
    return json.dumps(row) + "\n"


def _key(entry: Entry) -> Key:
    return entry.kind, entry.target, entry.detail


def _load(text: str) -> Iterator[tuple[str, ...]]:
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            return  # cut off by the crash it is about
        if isinstance(row, list) and len(row) in (3, 4) and all(isinstance(field, str) for field in row):
            yield tuple(row)
