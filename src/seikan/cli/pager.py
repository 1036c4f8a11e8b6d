"""Output a screen at a time, with the prompt ` --More-- ` between the screens."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from seikan.cli.editor import cells
from seikan.cli.keys import visible

MORE = " --More-- "
ERASE_MORE = "\b" * len(MORE) + " " * len(MORE) + "\b" * len(MORE)


class Pager:
    """Text waits here until the screen has room; `pull` gives what may be sent now."""

    def __init__(self) -> None:
        self._pieces: deque[str] = deque()  # lines with their newline, the last perhaps without
        self._left = 0  # rows before the next ` --More-- `
        self.at_line_start = True
        self.waiting = False  # ` --More-- ` is on the screen

    def push_lines(self, lines: Iterable[str]) -> None:
        self._pieces += [f"{line}\n" for line in lines]

    def push_text(self, text: str) -> None:
        """Text as it is; its last line may go on with the next text."""
        self._pieces += text.replace("\r\n", "\n").splitlines(keepends=True)

    def clear(self) -> None:
        self._pieces.clear()
        self.waiting = False

    def new_screen(self, rows: int) -> None:
        """The user has typed something: everything above is read."""
        self._left = rows - 1

    def pull(self, rows: int, columns: int | None) -> str:
        """What fits; sets `waiting` where more is left. `rows` 0: no limit; `columns` None: lines never wrap."""
        out: list[str] = []
        while self._pieces and not self.waiting:
            if rows and self._left <= 0:
                self.waiting = True
                out.append(MORE if self.at_line_start else f"\r\n{MORE}")
                break
            piece = self._pieces.popleft()
            whole = piece.endswith("\n")
            text = visible(piece[:-1] if whole else piece)
            out.append(text.replace("\n", "\r\n"))
            self.at_line_start = whole
            if whole:
                out.append("\r\n")
                self._left -= max(1, -(-cells(text) // columns)) if columns else 1
        return "".join(out)

    def turn(self, rows: int) -> str:
        """Go on with `rows` more rows; what takes ` --More-- ` off the screen."""
        self.waiting = False
        self._left = max(1, rows)
        return ERASE_MORE
