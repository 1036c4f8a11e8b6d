"""Octets of a terminal to keys: UTF-8, the three ways to say Enter, and escape sequences.

A key is one printable character or a member of `Key`.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterator
from enum import Enum, auto

MAXIMUM_SEQUENCE = 16  # characters of an escape sequence; a longer one is dropped


class Key(Enum):
    ENTER = auto()
    TAB = auto()
    START = auto()
    END = auto()
    LEFT = auto()
    RIGHT = auto()
    WORD_LEFT = auto()
    WORD_RIGHT = auto()
    UP = auto()
    DOWN = auto()
    BACKSPACE = auto()
    DELETE = auto()  # the character under the cursor
    DELETE_OR_LEAVE = auto()  # the same; on an empty line the end of the input
    ERASE_WORD = auto()
    ERASE_WORD_RIGHT = auto()
    ERASE_TO_START = auto()
    ERASE_TO_END = auto()
    RECALL = auto()  # what was erased last
    TRANSPOSE = auto()
    CAPITALIZE = auto()
    LOWER = auto()
    UPPER = auto()
    REDRAW = auto()
    INTERRUPT = auto()
    FINISH = auto()  # Ctrl-Z: leave configuration mode
    LITERAL = auto()
    UNKNOWN = auto()


CONTROL_KEYS = {
    "\x01": Key.START,
    "\x02": Key.LEFT,
    "\x03": Key.INTERRUPT,
    "\x04": Key.DELETE_OR_LEAVE,
    "\x05": Key.END,
    "\x06": Key.RIGHT,
    "\x08": Key.BACKSPACE,
    "\x09": Key.TAB,
    "\x0b": Key.ERASE_TO_END,
    "\x0c": Key.REDRAW,
    "\x0e": Key.DOWN,
    "\x10": Key.UP,
    "\x12": Key.REDRAW,
    "\x14": Key.TRANSPOSE,
    "\x15": Key.ERASE_TO_START,
    "\x16": Key.LITERAL,
    "\x17": Key.ERASE_WORD,
    "\x18": Key.ERASE_TO_START,
    "\x19": Key.RECALL,
    "\x1a": Key.FINISH,
    "\x1e": Key.INTERRUPT,
    "\x7f": Key.BACKSPACE,
}

# After ESC. Of a CSI or SS3 sequence: its final character, or "N~" with its first parameter.
META_KEYS = {
    "b": Key.WORD_LEFT,
    "f": Key.WORD_RIGHT,
    "d": Key.ERASE_WORD_RIGHT,
    "c": Key.CAPITALIZE,
    "l": Key.LOWER,
    "u": Key.UPPER,
    "\x7f": Key.ERASE_WORD,
    "\x08": Key.ERASE_WORD,
}
SEQUENCE_KEYS = {
    "A": Key.UP,
    "B": Key.DOWN,
    "C": Key.RIGHT,
    "D": Key.LEFT,
    "H": Key.START,
    "F": Key.END,
    "1~": Key.START,
    "7~": Key.START,
    "4~": Key.END,
    "8~": Key.END,
    "3~": Key.DELETE,
}
WITH_MODIFIER = {Key.LEFT: Key.WORD_LEFT, Key.RIGHT: Key.WORD_RIGHT}

# Characters that would move the cursor, reorder text or have no agreed appearance.
_UNPRINTABLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def printable(character: str) -> bool:
    """Whether a terminal shows `character` in its place and does nothing else."""
    return " " <= character <= "~" or unicodedata.category(character) not in _UNPRINTABLE


def visible(text: str) -> str:
    """`text` with everything that a terminal would obey instead of show written as `^X` or `?`; newlines stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character == "\n" or printable(character):
        return character
    if character == "\t":
        return "    "
    return f"^{chr(ord(character) ^ 0x40)}" if character < "\x80" else "?"


class KeyDecoder:
    """Turns octets, cut anywhere, into keys."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._sequence: str | None = None  # the characters since ESC, while inside a sequence
        self._returned = False  # the last character was CR: an LF or NUL after it belongs to it

    def feed(self, data: bytes) -> Iterator[str | Key]:
        for character in self._decode.decode(data):
            returned, self._returned = self._returned, False
            if character == "\0" or (character == "\n" and returned):
                continue
            if character in "\r\n":
                self._sequence = None
                self._returned = character == "\r"
                yield Key.ENTER
            elif character == "\x1b":
                self._sequence = ""
            elif self._sequence is not None:
                key = self._escaped(character)
                if key is not None:
                    yield key
            elif character in CONTROL_KEYS:
                yield CONTROL_KEYS[character]
            else:
                yield character if printable(character) else Key.UNKNOWN

    def _escaped(self, character: str) -> Key | None:
        """The key that `character` completes, None while the sequence goes on."""
        sequence = f"{self._sequence}{character}"
        if len(sequence) == 1:
            if character in "[O":
                self._sequence = sequence
                return None
            self._sequence = None
            return META_KEYS.get(character.lower(), Key.UNKNOWN)
        if sequence[0] == "[" and " " <= character <= "?" and len(sequence) < MAXIMUM_SEQUENCE:
            self._sequence = sequence
            return None
        self._sequence = None
        parameters = sequence[1:-1].split(";")
        name = f"{parameters[0]}~" if character == "~" else character
        key = SEQUENCE_KEYS.get(name, Key.UNKNOWN)
        return WITH_MODIFIER.get(key, key) if len(parameters) > 1 else key
