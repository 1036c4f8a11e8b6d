"""Configurations that others wrote, pasted into the terminal: each line gets its echo and a prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.desk import Desk

from seikan.config.model import Config

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus" / "configs"
MAXIMUM_LINES = 400  # of one file


def test_real_configurations_can_be_pasted() -> None:
    files = sorted(path for path in CORPUS.rglob("*") if path.is_file()) if CORPUS.is_dir() else []
    if not files:
        pytest.skip(f"no corpus of configurations at {CORPUS}")
    for path in files:
        desk = Desk(Config())
        desk.type("configure terminal\r")
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()[:MAXIMUM_LINES]:
            typed = "".join(character for character in line if character.isprintable()).replace("?", "\x16?")
            shown = desk.type(f"{typed}\r")
            assert not desk.terminal.busy
            assert shown.endswith(desk.session.prompt), f"{path.name}: {line}"
            if not desk.session.configuring:
                desk.type("configure terminal\r")
