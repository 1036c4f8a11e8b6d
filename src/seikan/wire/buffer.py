"""A reader over untrusted octets whose every step is checked and advances."""

from __future__ import annotations

from struct import Struct
from typing import ClassVar, Self

from seikan.wire.errors import PayloadMalformed, WireError


class Buffer:
    """Octets between `position` and `end`; reading past `end` is `error`, never an IndexError."""

    __slots__ = ("data", "end", "position")
    error: ClassVar[type[WireError]] = PayloadMalformed

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self.data = data
        self.position = start
        self.end = len(data) if end is None else end

    @property
    def left(self) -> int:
        """Octets not read yet."""
        return self.end - self.position

    def pull_uint8(self) -> int:
        position = self.position
        if position >= self.end:
            raise self.error("ends where an octet is expected")
        self.position = position + 1
        return self.data[position]

    def pull_uint16(self) -> int:
        position = self.position
        if position + 2 > self.end:
            raise self.error("ends inside a number")
        self.position = position + 2
        return self.data[position] << 8 | self.data[position + 1]

    def pull_uint32(self) -> int:
        return int.from_bytes(self.pull_bytes(4), "big")

    def pull_fields(self, layout: Struct) -> tuple[int, ...]:
        """The next numbers, all at once."""
        position = self.position
        after = position + layout.size
        if after > self.end:
            raise self.error(f"{layout.size} octets expected, {self.end - position} left")
        self.position = after
        return layout.unpack_from(self.data, position)

    def pull_bytes(self, length: int) -> bytes:
        position = self.position
        after = position + length
        if after > self.end:
            raise self.error(f"{length} octets expected, {self.end - position} left")
        self.position = after
        return self.data[position:after]

    def pull_rest(self) -> bytes:
        return self.pull_bytes(self.end - self.position)

    def pull_block(self, length: int) -> Self:
        """A reader over exactly the next `length` octets, which count as read here."""
        start = self.position
        if start + length > self.end:
            raise self.error(f"a block of {length} octets in {self.end - start}")
        self.position = start + length
        return type(self)(self.data, start, self.position)

    def finish(self) -> None:
        """The block must be read whole."""
        if self.position != self.end:
            raise self.error(f"{self.end - self.position} octets too many")
