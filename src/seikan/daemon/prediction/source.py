"""Where a file says what: the line of a section, or of a line in it, however it is abbreviated."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.config.problem import Places


class Source:
    """The text of a configuration with the sections that the parser has found in it."""

    def __init__(self, text: str, places: Places) -> None:
        self._places = places
        self._lines = [line.split() for line in text.splitlines()]
        titles = {number: title for title, number in places.lines.items()}
        headers: dict[tuple[str, ...], str] = {}
        self._section: list[str] = []
        current = ""
        for number, words in enumerate(self._lines, 1):
            if number in titles:
                current = headers.setdefault(tuple(words), titles[number])
            elif tuple(words) in headers:  # a section that is opened once more
                current = headers[tuple(words)]
            self._section.append(current)

    def section(self, title: str) -> int:
        """The first line of a section, 0 where there is none."""
        return self._places.lines.get(title, 0)

    def within(self, title: str, *words: str) -> int:
        """The first line of a section that begins with `words`; 0 where it has none."""
        return next(self._find(words, title), 0)

    def anywhere(self, *words: str, holding: str = "") -> int:
        """The first line that begins with `words` and has the word `holding` behind them; 0 where there is none."""
        for number in self._find(words, None):
            if not holding or holding.lower() in [word.lower() for word in self._lines[number - 1][len(words) :]]:
                return number
        return 0

    def _find(self, words: tuple[str, ...], title: str | None) -> Iterator[int]:
        for number, (typed, section) in enumerate(zip(self._lines, self._section, strict=True), 1):
            if title in (None, section) and _begins(typed, words):
                yield number


def _begins(typed: list[str], words: tuple[str, ...]) -> bool:
    return len(typed) >= len(words) and all(
        word == part or word.lower().startswith(part.lower()) for word, part in zip(words, typed, strict=False)
    )
