"""The configurations in the guides are what the reader of configurations understands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seikan.config.parse import parse

DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = [
    pytest.param(found[1], id=f"{path.name}-{number}")
    for path in sorted(DOCS.glob("*.md"))
    for number, found in enumerate(re.finditer(r"^```ios\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL), 1)
]


def test_there_are_some() -> None:
    assert len(BLOCKS) >= 5


@pytest.mark.parametrize("text", BLOCKS)
def test_every_line_is_understood(text: str) -> None:
    assert [str(problem) for problem in parse(text, "guide").problems] == []
