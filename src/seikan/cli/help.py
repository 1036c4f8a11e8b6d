"""How `?` prints what may come next, and what Tab makes of it."""

from __future__ import annotations

from collections.abc import Sequence

from seikan.cli.editor import cells
from seikan.config.grammar import END, Completion

LINE_WIDTH = 78  # columns


def listing(completions: Sequence[Completion]) -> tuple[str, ...]:
    """One line for each word with its help, in two columns: behind a space."""
    width = max((cells(completion.word) for completion in completions), default=0)
    return tuple(
        f"  {completion.word}{' ' * (width - cells(completion.word))}  {completion.help}".rstrip()
        for completion in completions
    )


def words(completions: Sequence[Completion]) -> tuple[str, ...]:
    """The words alone, side by side: behind a part of a word."""
    lines: list[str] = []
    for completion in completions:
        if lines and cells(lines[-1]) + 2 + cells(completion.word) <= LINE_WIDTH:
            lines[-1] += f"  {completion.word}"
        else:
            lines.append(completion.word)
    return tuple(lines)


def completed(line: str, completions: Sequence[Completion]) -> str | None:
    """`line` with its last word written out and a space; None where no word is begun or several could be meant."""
    if not line or line[-1].isspace():
        return None
    partial = line.split()[-1]
    literal = [completion.word for completion in completions if completion.literal and completion.word != END]
    exact = [word for word in literal if word.lower() == partial.lower()]
    if len(exact) == 1:
        literal = exact
    if len(literal) != 1:
        return None
    return f"{line[: len(line) - len(partial)]}{literal[0]} "
