"""`seikan check` and `seikan reference`: what needs no running router."""

from __future__ import annotations

import sys
from pathlib import Path

from seikan.cli.exec import PRIVILEGED_TABLE
from seikan.config.parse import parse
from seikan.config.reference import reference as command_reference
from seikan.config.session import TABLE
from seikan.config.validate import validate
from seikan.system.errors import AdapterError
from seikan.system.store import StartupStore


def check(path: Path, *, strict: bool) -> int:
    """Print everything that is wrong with a configuration; 0 where nothing is an error."""
    try:
        text = StartupStore(path).read()
    except AdapterError as error:
        print(f"seikan: {error}", file=sys.stderr)
        return 1
    if text is None:
        print(f"seikan: {path}: no such file", file=sys.stderr)
        return 1
    parsed = parse(text, str(path))
    problems = [*parsed.problems, *validate(parsed.config)]
    for problem in problems:
        print(problem)
    fatal = [problem for problem in problems if problem.severity.fatal(strict=strict)]
    print(f"{path}: {len(problems)} remarks, {len(fatal)} of them errors")
    return 1 if fatal else 0


def reference() -> int:
    """Print the command reference, made from the tables that the parser and the command line work from."""
    print(command_reference([*PRIVILEGED_TABLE.commands, *TABLE.commands]), end="")
    return 0
