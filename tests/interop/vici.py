"""charon's control protocol, as strongSwan documents it (src/libcharon/plugins/vici/README.md)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

Value = str | Sequence[str] | Mapping[str, "Value"]
Section = dict[str, "str | list[str] | Section"]

_SECTION_START, _SECTION_END, _KEY_VALUE, _LIST_START, _LIST_ITEM, _LIST_END = 1, 2, 3, 4, 5, 6
_COMMAND, _RESPONSE, _UNKNOWN_COMMAND, _REGISTER, _UNREGISTER, _CONFIRM, _UNKNOWN_EVENT, _EVENT = range(8)


class ViciError(Exception):
    """charon said no; the text is its reason."""


def _encode(section: Mapping[str, Value]) -> bytes:
    out = bytearray()
    for key, value in section.items():
        name = struct.pack("!B", len(key)) + key.encode()
        if isinstance(value, str):
            out += bytes([_KEY_VALUE]) + name + struct.pack("!H", len(value.encode())) + value.encode()
        elif isinstance(value, Mapping):
            out += bytes([_SECTION_START]) + name + _encode(value) + bytes([_SECTION_END])
        else:
            out += bytes([_LIST_START]) + name
            for item in value:
                out += bytes([_LIST_ITEM]) + struct.pack("!H", len(item.encode())) + item.encode()
            out += bytes([_LIST_END])
    return bytes(out)


def _decode(data: bytes) -> Section:
    root: Section = {}
    stack = [root]
    items: list[str] | None = None
    position = 0

    def take(width: int) -> str:
        nonlocal position
        length = int.from_bytes(data[position : position + width], "big")
        position += width + length
        return data[position - length : position].decode(errors="replace")

    while position < len(data):
        kind = data[position]
        position += 1
        if kind == _SECTION_START:
            inner: Section = {}
            stack[-1][take(1)] = inner
            stack.append(inner)
        elif kind == _SECTION_END:
            stack.pop()
        elif kind == _KEY_VALUE:
            key = take(1)
            stack[-1][key] = take(2)
        elif kind == _LIST_START:
            items = []
            stack[-1][take(1)] = items
        elif kind == _LIST_ITEM and items is not None:
            items.append(take(2))
        elif kind != _LIST_END:
            raise ViciError(f"element type {kind} is not one of the protocol's")
    return root


class Vici:
    """One connection to charon's socket. `limit` is the seconds any answer may take."""

    def __init__(self, path: Path, limit: float = 30.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))  # without a limit, or a full backlog is an error at once
        self._socket.settimeout(limit)

    def close(self) -> None:
        self._socket.close()

    def _send(self, kind: int, name: str, body: bytes = b"") -> None:
        packet = struct.pack("!BB", kind, len(name)) + name.encode() + body
        self._socket.sendall(struct.pack("!I", len(packet)) + packet)

    def _receive(self) -> tuple[int, bytes]:
        packet = self._exactly(int.from_bytes(self._exactly(4), "big"))
        return packet[0], packet[1:]

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            more = self._socket.recv(length - len(data))
            if not more:
                raise ViciError("charon closed the connection")
            data += more
        return data

    def request(self, command: str, message: Mapping[str, Value] | None = None) -> Section:
        """Ask, and return the answer; ViciError where charon refuses."""
        self._send(_COMMAND, command, _encode(message or {}))
        kind, body = self._receive()
        if kind != _RESPONSE:
            raise ViciError(f"charon knows no command {command}")
        answer = _decode(body)
        if answer.get("success", "yes") != "yes":
            raise ViciError(f"{command}: {answer.get('errmsg', 'failed')}")
        return answer

    def stream(self, command: str, event: str, message: Mapping[str, Value] | None = None) -> Iterator[Section]:
        """Ask for something that charon answers with a series of events."""
        self._send(_REGISTER, event)
        if self._receive()[0] != _CONFIRM:
            raise ViciError(f"charon knows no event {event}")
        self._send(_COMMAND, command, _encode(message or {}))
        while True:
            kind, body = self._receive()
            if kind != _EVENT:
                break
            yield _decode(body[1 + body[0] :])
        self._send(_UNREGISTER, event)
        self._receive()
