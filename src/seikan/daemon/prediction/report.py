"""A prediction as people read it: a table for each link, and what to paste at each end."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from seikan.daemon.prediction.verdict import Advice, Check, End, Link, Prediction, Result

_WIDEST = 44  # characters of one end's column
_HEAD = ("check", "result")


def report(prediction: Prediction, labels: tuple[str, str], names: tuple[str, str]) -> Iterator[str]:
    """The lines of it. `labels` are the files, `names` what the routers are called."""
    if names != labels:
        yield from (f"{name} is {label}" for name, label in zip(names, labels, strict=True))
        yield ""
    for link in prediction.links:
        yield from _link(link, names)
    for remark in prediction.remarks:
        yield f"note: {remark}"
    advised = [
        (link, check, row)
        for link in prediction.links
        for check in link.checks
        if check.result is Result.FAILS
        for row in check.advice
    ]
    for side in (0, 1):
        rows = [entry for entry in advised if entry[2].side == side]
        if rows:
            yield ""
            yield f"To paste at {names[side]} ({labels[side]}):"
            yield from _advice(rows, names, several=len(prediction.links) > 1)
    yield ""
    yield _summary(prediction, names)


def _summary(prediction: Prediction, names: tuple[str, str]) -> str:
    if not prediction.links:
        return f"{names[0]} and {names[1]} have nothing with each other"
    failing = [link for link in prediction.links if not link.up]
    if not failing:
        return f"all that joins {names[0]} and {names[1]} comes up"
    if len(prediction.links) == 1:
        return f"what joins {names[0]} and {names[1]} will not come up"
    return f"{len(failing)} of the {len(prediction.links)} that join {names[0]} and {names[1]} will not come up"


def _link(link: Link, names: tuple[str, str]) -> Iterator[str]:
    yield f"{link.titles[0]} - {link.titles[1]}: {'comes up' if link.up else 'will not come up'}"
    yield ""
    cells = [_cells(check) for check in link.checks]
    head = [[word] for word in (*_HEAD, *names)]
    widths = [max(len(line) for row in (head, *cells) for line in row[column]) for column in range(4)]
    yield from _row(head, widths)
    for check, row in zip(link.checks, cells, strict=True):
        yield from _row(row, widths)
        indent = " " * (widths[0] + widths[1] + 6)
        yield from textwrap.wrap(check.text, 110, initial_indent=indent, subsequent_indent=indent)
    yield ""


def _row(cells: list[list[str]], widths: list[int]) -> Iterator[str]:
    for at in range(max(len(cell) for cell in cells)):
        parts = [(cell[at] if at < len(cell) else "").ljust(width) for cell, width in zip(cells, widths, strict=True)]
        yield ("  " + "  ".join(parts)).rstrip()


def _cells(check: Check) -> list[list[str]]:
    return [[check.name], [check.result.value], _end(check.ends[0]), _end(check.ends[1])]


def _end(end: End) -> list[str]:
    text = f"{end.value} (line {end.line})".lstrip() if end.line else end.value
    return textwrap.wrap(text, _WIDEST, break_long_words=False, break_on_hyphens=False) or [""]


def _advice(rows: list[tuple[Link, Check, Advice]], names: tuple[str, str], *, several: bool) -> Iterator[str]:
    """Each block once, under what it is for."""
    told: set[tuple[str, ...]] = set()
    for link, check, row in rows:
        if row.lines in told:
            continue
        told.add(row.lines)
        about = f"{check.name}, {link.titles[row.side]}" if several else check.name
        if len({other.side for other in check.advice}) > 1 and not check.both:
            about += f" (here, or else what is for {names[1 - row.side]})"
        yield f"  ! {about}"
        yield from (f"  {line}" for line in row.lines)
