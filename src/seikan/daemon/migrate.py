"""`seikan migrate`: reads a configuration with crypto maps, writes the one with tunnels, and tells what changed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seikan.config.migrate import Migration, Options
from seikan.config.migrate import migrate as migrated
from seikan.config.model import Config
from seikan.config.parse import parse
from seikan.config.problem import Severity
from seikan.config.render import render
from seikan.system.errors import AdapterError
from seikan.system.store import StartupStore, write_atomically

DONE, NOTHING_DONE, NOT_ALL_DONE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Files:
    """Where to write; None for the standard output, nowhere, and the standard error. Existing files stay but for
    `force`.
    """

    output: Path | None = None
    peer_output: Path | None = None
    report: Path | None = None
    force: bool = False


def migrate(
    path: Path,
    files: Files,
    *,
    maps: tuple[str, ...] = (),
    entries: tuple[int, ...] = (),
    policy: bool = True,
    clean: bool = False,
) -> int:
    """Migrate the configuration at `path`; 0 where everything was carried over, 1 where nothing was, 2 where not all.

    Where nothing is migrated nothing but the report is written.
    """
    try:
        text = StartupStore(path).read()
        if text is None:
            raise AdapterError(f"{path}: no such file")
        _check_files(path, files)
        read = parse(text, str(path))
        missing = _missing(read.config, maps, entries)
        if missing is not None:
            raise AdapterError(f"{path}: {missing}")
        unknown = [problem for problem in read.problems if problem.severity is Severity.UNKNOWN]
        outcome = migrated(read.config, Options(maps, entries, policy, clean))
        report = "".join(f"{problem}\n" for problem in unknown) + ("\n" if unknown else "") + outcome.report.text()
        for target, content in _contents(outcome, files, report):
            write_atomically(target, content)
    except AdapterError as error:
        print(f"seikan: {error}", file=sys.stderr)
        return NOTHING_DONE
    if files.report is None:
        print(report, file=sys.stderr)
    if not outcome.tunnels:
        return NOTHING_DONE
    if files.output is None:
        print(render(outcome.config), end="")
    return DONE if outcome.complete else NOT_ALL_DONE


def _missing(config: Config, maps: tuple[str, ...], entries: tuple[int, ...]) -> str | None:
    """What was asked for and is not there."""
    for name in maps:
        if name not in config.crypto_maps:
            known = ", ".join(sorted(config.crypto_maps)) or "none"
            return f"crypto map {name} does not exist (there is {known})"
    held = {sequence for name in maps or config.crypto_maps for sequence in config.crypto_maps[name].entries}
    for sequence in entries:
        if sequence not in held:
            return f"no crypto map has an entry {sequence} (there is {', '.join(map(str, sorted(held))) or 'none'})"
    return None


def _contents(outcome: Migration, files: Files, report: str) -> Iterator[tuple[Path, str]]:
    if files.report is not None:
        yield files.report, report
    if not outcome.tunnels:
        return
    if files.output is not None:
        yield files.output, render(outcome.config)
    if files.peer_output is not None:
        yield files.peer_output, peer_text(outcome)


def peer_text(outcome: Migration) -> str:
    """The lines for all peers, each peer's behind a comment; why there are none where they cannot be written."""
    blocks = ["\n".join(peer.lines) if peer.problem is None else f"! {peer.problem}" for peer in outcome.peers]
    return "\n!\n".join(blocks) + "\n"


def _check_files(source: Path, files: Files) -> None:
    """Refuse before anything is written."""
    wanted = [target for target in (files.output, files.peer_output, files.report) if target is not None]
    real = [os.path.realpath(target) for target in wanted]
    if len(set(real)) < len(real):
        raise AdapterError("--output, --peer-output and --report must be different files")
    for target in wanted:
        if target.exists() and not files.force:
            raise AdapterError(f"{target} exists: name another file, or write over it with --force")
        if os.path.realpath(target) == os.path.realpath(source) and target != files.output:
            raise AdapterError(f"{target} is the configuration that is read")
        if not target.parent.is_dir():
            raise AdapterError(f"{target} cannot be written: {target.parent} is no directory")
