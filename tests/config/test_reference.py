"""The generated command reference."""

from __future__ import annotations

from seikan.config.reference import reference
from seikan.config.session import TABLE


def test_every_listed_row_is_in_it() -> None:
    text = reference(TABLE.commands)
    assert text.startswith("# Command reference\n")
    listed = [command for command in TABLE.commands if not command.hidden]
    assert text.count("\n| `") == len(listed)
    assert "| `crypto isakmp policy <1-10000>` | Set policy for an ISAKMP protection suite |" in text
    assert "## `crypto isakmp policy …` (`Router(config-isakmp)#`)" in text


def test_alternatives_that_look_alike_are_written_once() -> None:
    text = reference(TABLE.commands)
    assert "| `tunnel source <source>` |" in text
    assert "| `tunnel destination <destination>` |" in text
    assert "| `crypto isakmp nat keepalive (0\\|<5-3600>)` |" in text
