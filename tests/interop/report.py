"""Makes docs/interop.md from what a test run told: `pytest -p` plugin, named in pyproject.toml.

The page is written only by a run that told every story, so that a part of them never hides the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from tests.interop.cells import CELLS, COLUMNS, Column, reason
from tests.interop.runner import EARLY, UP_TO_LIMIT
from tests.interop.stories import STORIES, Step, Story

PAGE = Path(__file__).parents[2] / "docs" / "interop.md"
PASSED, FAILED = "yes", "**no**"
_HEAD = """\
# Interoperability

Made by `make test` from the runs themselves: `tests/interop/stories.py` says what is run. Every row of the second table
is one run of real daemons and real packets: Seikan and the peer connect, then come the steps with a mark. Letters in
the first table name the runs that proved a cell; numbers are the reasons, below it, for which a cell cannot be run.

The peers are Debian's: strongSwan 5.9.8 with its own ESP in user space (libipsec) or with the kernel's, libreswan 4.10
and OpenIKED 7.2 with that of Linux 6.12 in a virtual machine.

No run may lose a packet, with one allowance of ours: where Seikan rekeys a child SA by volume, {early} of the {stream}
echo requests that cross the rekey, a hundred a second, may stay unanswered. A responder may send with the new pair as
soon as it has answered, and Seikan has yet to read that. One is OpenIKED's: it deletes its old pair before its kernel
has the new one, so up to three that cross a rekey of its own may be lost. While a peer is cut off, killed or deletes,
nothing is counted.
"""
_INITIATORS = {True: "Seikan", False: "peer"}
_CIPHER_TITLES = {
    "cbc": "AES-256-CBC, SHA2-256",
    "gcm": "AES-256-GCM",
    "sha1": "AES-256-CBC, SHA2-256; ESP with SHA1",
}


class Told:
    """The outcomes of this session's stories, by name."""

    def __init__(self) -> None:
        self.outcomes: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == "story" and report.when == "call":
                self.outcomes[str(value)] = report.passed

    def pytest_sessionfinish(self) -> None:
        if self.outcomes.keys() >= {story.name for story in STORIES}:
            PAGE.write_text(page(self.outcomes))


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # with xdist, where the reports of all workers arrive
        config.pluginmanager.register(Told())


def page(outcomes: Mapping[str, bool]) -> str:
    """The whole page; a story without an outcome was not told."""
    letters = {story.name: _letter(number) for number, story in enumerate(STORIES)}
    reasons: dict[str, int] = {}
    proven = [(title, *(_proof(title, column, outcomes, letters, reasons) for column in COLUMNS)) for title in CELLS]
    told = [_row(story, letters[story.name], outcomes) for story in STORIES]
    heading = ("run", "peer", "initiator", "authentication", "NAT", "ciphers", "group", *(step.value for step in Step))
    return "\n".join(
        (
            _HEAD.format(early=EARLY, stream=UP_TO_LIMIT),
            "## What is proven\n",
            *_table(("", *(column.title for column in COLUMNS)), proven),
            "",
            *(f"{number}. {text}" for text, number in reasons.items()),
            "",
            "## The runs\n",
            *_table(heading, told),
            "",
        )
    )


def _proof(
    title: str,
    column: Column,
    outcomes: Mapping[str, bool],
    letters: Mapping[str, str],
    reasons: dict[str, int],
) -> str:
    stories = [story for story in STORIES if column.holds(story) and CELLS[title](story)]
    if not stories:
        text = reason(column, title) or "not run yet"
        return str(reasons.setdefault(text, len(reasons) + 1))
    proof = [letters[story.name] for story in stories if outcomes.get(story.name)]
    return " ".join(proof) or FAILED


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for cells in (heading, ["---"] * len(heading), *rows):
        yield f"| {' | '.join(cells)} |"


def _letter(number: int) -> str:
    """a, b, ... z, aa, ab, ..."""
    first, last = divmod(number, 26)
    return (chr(ord("a") + first - 1) if first else "") + chr(ord("a") + last)


def _row(story: Story, letter: str, outcomes: Mapping[str, bool]) -> tuple[str, ...]:
    outcome = outcomes.get(story.name)
    shown = "not told" if outcome is None else PASSED if outcome else FAILED
    return (
        letter,
        f"{story.peer.title}, IKEv{story.version}",
        _INITIATORS[story.seikan_initiates],
        story.authentication,
        story.nat.value,
        _CIPHER_TITLES[story.cipher],
        str(story.group),
        *(shown if step in story.steps else "" for step in Step),
    )
