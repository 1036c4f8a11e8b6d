"""Fuzz the configuration's reader: `python tests/fuzz/fuzz_config.py [atheris options]`.

Any text has to give a configuration and problems, without an exception or a hang; what is written from it has
to be read as the same again, no tunnel may come out of it that the text's own reading keeps down, and `?` must
answer behind any line.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from seikan.config.modes import MODES
from seikan.config.parse import parse
from seikan.config.plan import plan
from seikan.config.render import render
from seikan.config.session import TABLE
from seikan.config.validate import tunnel_problems, validate


def once(data: bytes) -> None:
    """One input, to be called with anything."""
    text = data.decode("utf-8", errors="replace")
    parsed = parse(text, "fuzz")
    config = parsed.config
    written = render(config)
    again = parse(written)
    if render(again.config) != written:
        raise AssertionError("what is written is not read as it was")
    for name in config.interfaces:
        if tunnel_problems(config, name) and not tunnel_problems(again.config, name):
            raise AssertionError(f"{name} came up by being written")
    list(map(str, (*parsed.problems, *validate(config))))
    if plan(config, config):
        raise AssertionError("there is nothing to do")
    line = text.split("\n")[0][:120]
    for mode in MODES:
        TABLE.completions(mode, line)


def main() -> None:
    atheris: Any = importlib.import_module("atheris")
    atheris.instrument_all()
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
