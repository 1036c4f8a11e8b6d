"""`seikan check` and `seikan reference`: what needs no running router."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from seikan.cli.exec import PRIVILEGED_TABLE
from seikan.config.parse import Parsed, parse
from seikan.config.problem import Problem, Severity
from seikan.config.reference import reference as command_reference
from seikan.config.session import TABLE
from seikan.config.validate import validate
from seikan.daemon.prediction.predict import predict
from seikan.daemon.prediction.report import report
from seikan.system.errors import AdapterError
from seikan.system.store import StartupStore


def check(path: Path, *, strict: bool) -> int:
    """Print everything that is wrong with a configuration; 0 where nothing is an error."""
    read = _read(path)
    if read is None:
        return 1
    _, parsed = read
    problems = [*parsed.problems, *validate(parsed.config, parsed.places)]
    for problem in problems:
        print(problem)
    fatal = [problem for problem in problems if problem.severity.fatal(strict=strict)]
    print(f"{path}: {_summary(problems, len(fatal), strict=strict)}")
    return 1 if fatal else 0


def check_pair(one: Path, other: Path, *, strict: bool) -> int:
    """Print what two routers will make of each other: 0 everything between them comes up, 1 something does not, 2 a
    file is wrong.
    """
    files = []
    for path in (one, other):
        read = _read(path)
        if read is None:
            return 2
        text, parsed = read
        problems = [*parsed.problems, *validate(parsed.config, parsed.places)]
        fatal = [problem for problem in problems if problem.severity.fatal(strict=strict)]
        told = [problem for problem in problems if problem.severity is not Severity.WARNING]
        for problem in told:
            print(problem)
        if fatal:
            print(f"{path}: {_summary(problems, len(fatal), strict=strict)}")
            return 2
        files.append((str(path), text, parsed))
    prediction = predict(files[0], files[1], datetime.now(UTC))
    labels = (files[0][0], files[1][0])
    names = (files[0][2].config.hostname, files[1][2].config.hostname)
    for line in report(prediction, labels, names if names[0] != names[1] else labels):
        print(line)
    return 0 if prediction.up else 1


def _read(path: Path) -> tuple[str, Parsed] | None:
    """A file and what is in it; None, having said why, where it cannot be read."""
    try:
        text = StartupStore(path).read()
    except AdapterError as error:
        print(f"seikan: {error}", file=sys.stderr)
        return None
    if text is None:
        print(f"seikan: {path}: no such file", file=sys.stderr)
        return None
    return text, parse(text, str(path))


def _summary(problems: Sequence[Problem], fatal: int, *, strict: bool) -> str:
    """`3 remarks, 1 of them an error`, and what becomes of the lines that were not understood."""
    if not problems:
        return "nothing to remark"
    remarks = "1 remark" if len(problems) == 1 else f"{len(problems)} remarks"
    errors = "none of them an error" if not fatal else "1 of them an error" if fatal == 1 else f"{fatal} of them errors"
    unknown = sum(problem.severity is Severity.UNKNOWN for problem in problems)
    if not unknown or strict:
        return f"{remarks}, {errors}"
    lines = "1 line was" if unknown == 1 else f"{unknown} lines were"
    return f"{remarks}, {errors}; {lines} not understood, which is an error with --strict only"


def reference() -> int:
    """Print the command reference, made from the tables that the parser and the command line work from."""
    print(command_reference([*PRIVILEGED_TABLE.commands, *TABLE.commands]), end="")
    return 0
