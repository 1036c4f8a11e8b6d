"""The line being typed: its text, its cursor and how both are drawn with nothing but backspaces and characters.

Drawing compares what the screen shows with what it should show and writes the difference, so a typed
character is answered with that character alone: programs that drive a terminal wait for this echo. A line
longer than the screen scrolls sideways with a `$` where text is hidden, as in IOS.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

MAXIMUM_LINE = 4096  # characters
NARROWEST = 8  # cells that the text has, however narrow the terminal


def cells(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class LineEditor:
    """Editing operations change `text` and `cursor`; `refresh` returns what brings the screen up to date."""

    def __init__(self) -> None:
        self.text = ""
        self.cursor = 0
        self.killed = ""
        self.hidden = False  # a password: nothing of it is drawn
        self._left = 0
        self._drawn = ""
        self._drawn_cursor = 0  # cells right of the prompt

    def reset(self) -> None:
        """A new, empty line behind a prompt just printed."""
        self.text = ""
        self.cursor = 0
        self.redrawn()

    def redrawn(self) -> None:
        """The screen shows the bare prompt: the next `refresh` draws everything."""
        self._left = 0
        self._drawn = ""
        self._drawn_cursor = 0

    def replace(self, text: str, cursor: int | None = None) -> None:
        self.text = text[:MAXIMUM_LINE]
        self.cursor = len(self.text) if cursor is None else min(cursor, len(self.text))

    def insert(self, text: str) -> bool:
        """False where the line is full."""
        if len(self.text) + len(text) > MAXIMUM_LINE:
            return False
        self.text = self.text[: self.cursor] + text + self.text[self.cursor :]
        self.cursor += len(text)
        return True

    def move(self, to: int) -> None:
        self.cursor = max(0, min(to, len(self.text)))

    def erase(self, start: int, end: int, *, keep: bool = True) -> None:
        """Remove the text between two positions; `keep` it for recall."""
        start, end = max(0, start), min(end, len(self.text))
        if start >= end:
            return
        if keep:
            self.killed = "" if self.hidden else self.text[start:end]
        self.text = self.text[:start] + self.text[end:]
        self.cursor = start

    def transpose(self) -> None:
        """Swap the two characters before the cursor, or around it, where it is inside the line."""
        if len(self.text) < 2 or self.cursor == 0:
            return
        right = min(self.cursor, len(self.text) - 1)
        swapped = self.text[right] + self.text[right - 1]
        self.replace(self.text[: right - 1] + swapped + self.text[right + 1 :], right + 1)

    def change_word(self, change: Callable[[str], str]) -> None:
        """Apply `change` to the word from the cursor on, and go to its end."""
        end = self.word_right()
        changed = change(self.text[self.cursor : end].lstrip(" ")).rjust(end - self.cursor)
        self.replace(self.text[: self.cursor] + changed + self.text[end:], self.cursor + len(changed))

    def word_left(self) -> int:
        """Where the word left of the cursor starts."""
        before = self.text[: self.cursor].rstrip(" ")
        return before.rfind(" ") + 1

    def word_right(self) -> int:
        """Where the word right of the cursor ends."""
        blanks = len(self.text[self.cursor :]) - len(self.text[self.cursor :].lstrip(" "))
        end = self.text.find(" ", self.cursor + blanks)
        return len(self.text) if end < 0 else end

    def refresh(self, room: int | None) -> str:
        """What to send so that the screen shows the line; `room` is the cells right of the prompt, None: no limit."""
        shown, cursor = ("", 0) if self.hidden else self._window(room)
        common = 0
        for old, new in zip(self._drawn, shown, strict=False):
            if old != new:
                break
            common += 1
        # A combining character belongs to the one before it: both are drawn again.
        while common and (
            cells(self._drawn[common : common + 1] or " ") == 0 or cells(shown[common : common + 1] or " ") == 0
        ):
            common -= 1
        out = []
        column = self._drawn_cursor
        if shown != self._drawn:
            out.append(self._travel(column, cells(shown[:common]), self._drawn))
            out.append(shown[common:])
            surplus = cells(self._drawn) - cells(shown)
            column = cells(shown)
            if surplus > 0:
                out.append(" " * surplus + "\b" * surplus)
        out.append(self._travel(column, cursor, shown))
        self._drawn, self._drawn_cursor = shown, cursor
        return "".join(out)

    def past_end(self, room: int | None) -> str:
        """What moves the cursor behind the line's last character: before a newline, so that nothing is written over."""
        cursor, self.cursor = self.cursor, len(self.text)
        out = self.refresh(room)
        self.cursor = cursor
        return out

    @staticmethod
    def _travel(column: int, to: int, shown: str) -> str:
        """From one column to another over text that is on the screen."""
        if to <= column:
            return "\b" * (column - to)
        position = passed = 0
        while position < len(shown) and passed < column:
            passed += _width(shown[position])
            position += 1
        begin = position
        while position < len(shown) and passed < to:
            passed += _width(shown[position])
            position += 1
        return shown[begin:position]

    def _window(self, room: int | None) -> tuple[str, int]:
        """The part of the line that is shown, and the cursor's cell in it."""
        if room is None or cells(self.text) < max(room, NARROWEST):
            self._left = 0
            return self.text, cells(self.text[: self.cursor])
        room = max(room, NARROWEST) - 1
        if self.cursor <= self._left:
            self._left = max(0, self.cursor - room // 3)
        while cells(self.text[self._left : self.cursor]) > room - 2:
            self._left += max(1, room // 3)
            self._left = min(self._left, self.cursor)
        end = self._left
        used = 0
        while end < len(self.text) and used + _width(self.text[end]) <= room:
            used += _width(self.text[end])
            end += 1
        shown = self.text[self._left : end]
        if self._left and shown and self.cursor > self._left:
            shown = "$" + shown[1:]
        if end < len(self.text) and shown:
            shown = shown[:-1] + "$"
        return shown, cells(shown[: self.cursor - self._left])
