"""The matrix has no cell that is neither told nor explained, and its page says what a run said."""

from __future__ import annotations

import pytest
from tests.interop.cells import CELLS, COLUMNS, Column, reason
from tests.interop.report import FAILED, page
from tests.interop.stories import STORIES

EVERYTHING = {story.name: True for story in STORIES}


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.title)
def test_every_cell_is_told_or_explained(column: Column) -> None:
    told = {title for title, has in CELLS.items() if any(column.holds(story) and has(story) for story in STORIES)}
    assert not [title for title in CELLS if title not in told and reason(column, title) is None]


def test_names_tell_stories_apart() -> None:
    assert len(EVERYTHING) == len(STORIES)


def test_a_failed_run_proves_nothing() -> None:
    shown = page(EVERYTHING)
    assert FAILED not in shown
    first = STORIES[0]
    failed = page({**EVERYTHING, first.name: False})
    row = next(line for line in failed.splitlines() if line.startswith("| a |"))
    assert row.count(FAILED) == len(first.steps)
    proven = failed.partition("## The runs")[0]
    assert not any("a" in cell.split() for line in proven.splitlines() for cell in line.split(" | ")[1:])


def test_a_run_that_was_not_told_is_not_shown_as_one() -> None:
    shown = page({story.name: True for story in STORIES[1:]})
    assert next(line for line in shown.splitlines() if line.startswith("| a |")).count("not told") == len(
        STORIES[0].steps
    )
