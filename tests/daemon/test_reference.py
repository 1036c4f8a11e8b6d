"""The command reference in `docs/` is the one that the command table gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from seikan.__main__ import main

DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_command_reference_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reference"]) == 0
    printed = capsys.readouterr().out
    assert DOCUMENT.read_text() == printed, "run: seikan reference > docs/commands.md"


def test_a_repeated_group_is_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    main(["reference"])
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| `ping")]
    assert row.count("repeat") == 1
    assert "] …" in row
