"""`seikan migrate`, run as its user runs it, and its outcome: what to type, and what its report claims."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from seikan.lab.topology import LabError

_LIMIT = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Lines:
    """What to type to get from one configuration to another, in the order in which nothing is lost or shown.

    `new` makes tunnels and routes, `guards` are routes to Null0, which hold while a tunnel is down, `gone` takes back.
    """

    new: tuple[str, ...]
    guards: tuple[str, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Migrated:
    """The outcome for one router: its configuration before and after, and the report."""

    router: str
    before: str
    after: str
    report: str

    @property
    def lines(self) -> Lines:
        """What to type in configuration mode to get from the one to the other."""
        return difference(self.before, self.after)

    @property
    def routed(self) -> dict[str, set[IPv4Network]]:
        """The static routes of this end that the report names, by the tunnel they lead into (or Null0)."""
        here, _, _ = self.report.partition("\nThe other end\n")
        found: dict[str, set[IPv4Network]] = {}
        for address, mask, interface in re.findall(r"^\s+ip route (\S+) (\S+) (Tunnel\d+|Null0)\b", here, re.MULTILINE):
            found.setdefault(interface, set()).add(IPv4Network(f"{address}/{mask}"))
        return found

    @property
    def tunnels(self) -> tuple[str, ...]:
        """The tunnels that the report's routes lead into."""
        return tuple(sorted(self.routed.keys() - {"Null0"}))

    @property
    def mtu(self) -> dict[str, int]:
        """The IP MTU of each new tunnel, as the report has it."""
        said = " ".join(self.report.split())
        return {name: int(mtu) for name, mtu in re.findall(r"(Tunnel\d+) has an IP MTU of (\d+)", said)}

    @property
    def negotiated(self) -> int:
        """For how many lines of the access list the report says that the tunnel negotiates their selector."""
        return " ".join(self.report.split()).count("which negotiates this selector")

    @property
    def dropped(self) -> bool:
        """Whether the report says that the tunnel drops, and counts, what no line permits."""
        said = " ".join(self.report.split())
        return re.search(r"that no line permits .* they are dropped by Tunnel\d+ and counted there", said) is not None

    @property
    def later(self) -> tuple[str, ...]:
        """What the report says to type here once both ends are tunnels."""
        _, _, later = self.report.partition("Later:")
        found = re.search(
            r"^\s+(interface Tunnel\d+)\n\s+(no tunnel protection ipsec policy \S+ \S+)", later, re.MULTILINE
        )
        if found is None:
            raise LabError(
                f"{self.router}: the report of seikan migrate does not say how to leave the policy", self.router
            )
        return found[1], found[2]


def migrate(router: str, config: Path) -> Migrated:
    """Run `seikan migrate` on a saved configuration; LabError with its words where it fails."""
    command = [sys.executable, "-m", "seikan", "migrate", str(config)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        raise LabError(f"seikan migrate did not end within {_LIMIT:.0f} seconds", router) from None
    after, report = told(done.stdout)
    if done.returncode != 0 or "interface Tunnel" not in after:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise LabError(
            f"seikan migrate {config.name}: {said[-1] if said else f'exit status {done.returncode}'}", router
        )
    return Migrated(router, config.read_text(), after, report + done.stderr)


def told(output: str) -> tuple[str, str]:
    """The configuration in what the command printed, from its first separator to `end`, and the rest."""
    found = re.search(r"^(?:!|version \S+|hostname \S+)\n(?:.*\n)*?end$", output, re.MULTILINE)
    if found is None:
        return "", output
    return found[0], output[: found.start()] + output[found.end() :]


def difference(before: str, after: str) -> Lines:
    """The lines that make one configuration of the other; those of a section are typed below its own line."""
    old, new = _sections(before), _sections(after)
    added: list[str] = []
    removed: list[str] = []
    for head, below in new.items():
        fresh = [line for line in below if line not in old.get(head, ())]
        if head not in old or fresh:
            added += [head, *fresh]
    for head, below in old.items():
        if head not in new:
            continue
        gone = [line for line in below if line not in new[head]]
        if gone:
            removed += [head, *(negated(line) for line in gone)]
    removed += [negated(head) for head in old if head not in new]
    guards = tuple(line for line in added if _GUARD.match(line))
    return Lines(tuple(line for line in added if line not in guards), guards, tuple(removed))


def negated(line: str) -> str:
    """What takes a line back."""
    return line.removeprefix("no ") if line.startswith("no ") else f"no {line}"


def _sections(text: str) -> dict[str, list[str]]:
    """A configuration's lines without indentation, each section's below its first line."""
    found: dict[str, list[str]] = {}
    below: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("!") or stripped == "end" or _IGNORED.match(stripped):
            continue
        if line[0] == " ":
            below.append(stripped)
        else:
            below = found.setdefault(stripped, [])
    return found


_GUARD = re.compile(r"ip route \S+ \S+ Null0\b")
_IGNORED = re.compile(r"Building configuration|Current configuration|version ")


def shown(lines: Iterable[str]) -> str:
    """A list of lines for a claim."""
    return ", ".join(lines) or "none"
