"""As much of DER (X.690) as AUTH payloads and names need: elements read one by one, and small ones written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

INTEGER, OBJECT_IDENTIFIER, NULL, SEQUENCE = 0x02, 0x06, 0x05, 0x30
_MOST_LENGTH_OCTETS = 3  # nothing here is near 16 MiB


class NotDer(Exception):
    """Octets that are not the DER that was expected."""


class Element(NamedTuple):
    """`octets` with the header, `content` without."""

    tag: int
    octets: bytes
    content: bytes


def read(data: bytes) -> tuple[Element, bytes]:
    """The first element of `data`, and what follows it. Raises `NotDer`."""
    if len(data) < 2:
        raise NotDer("ends inside a header")
    length, start = data[1], 2
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= _MOST_LENGTH_OCTETS or len(data) < 2 + octets:
            raise NotDer("a length that cannot be")
        length, start = int.from_bytes(data[2 : 2 + octets], "big"), 2 + octets
        if length < 0x80 or length >> 8 * (octets - 1) == 0:
            raise NotDer("a length that could be shorter")
    end = start + length
    if end > len(data):
        raise NotDer("ends inside an element")
    return Element(data[0], data[:end], data[start:end]), data[end:]


def elements(data: bytes) -> Iterator[Element]:
    """All elements of `data`, one behind the other."""
    while data:
        element, data = read(data)
        yield element


def only(data: bytes, tag: int) -> Element:
    """The one element that `data` is, of `tag`."""
    element, rest = read(data)
    if element.tag != tag or rest:
        raise NotDer(f"tag {element.tag:#x} with {len(rest)} octets behind it, {tag:#x} alone expected")
    return element


def write(tag: int, *contents: bytes) -> bytes:
    """An element of less than 64 KiB around `contents`."""
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | octets)) + length.to_bytes(octets, "big") + content
