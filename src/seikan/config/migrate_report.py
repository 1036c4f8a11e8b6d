"""What a migration tells its user: what is the same, what changes, what stays behind and why, and what to type."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network

from seikan.config.migrate_build import Built, MadeTunnel
from seikan.config.migrate_entries import Candidate, Options, Site
from seikan.config.migrate_routes import Arrangement, Bundle, Fate
from seikan.config.migrate_traffic import maximal
from seikan.config.model import Config

_WIDTH = 112
_MARGIN = "    "


class Outcome(Enum):
    """SAME is equivalent, CHANGES is done and differs, LOST is not done, NOTE and TYPE are for the reader."""

    SAME = "equivalent"
    CHANGES = "changes"
    LOST = "not carried over"
    NOTE = "note"
    TYPE = "to type"


@dataclass(frozen=True, slots=True)
class Item:
    """One statement; `lines` are configuration lines that it is about, without keys."""

    outcome: Outcome
    text: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole report. It holds no secret."""

    sections: tuple[Section, ...]

    def has(self, outcome: Outcome) -> bool:
        return any(item.outcome is outcome for section in self.sections for item in section.items)

    def items(self, outcome: Outcome) -> tuple[Item, ...]:
        return tuple(item for section in self.sections for item in section.items if item.outcome is outcome)

    def text(self) -> str:
        """Plain text, a paragraph for each statement."""
        return "\n".join(line for section in self.sections for line in _section(section))


def _section(section: Section) -> Iterable[str]:
    yield section.title
    for item in section.items:
        prefix = f"  {item.outcome.value}: "
        yield from textwrap.wrap(
            item.text,
            _WIDTH,
            initial_indent=prefix,
            subsequent_indent=_MARGIN,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in item.lines:
            yield f"{_MARGIN}  {line}"
    yield ""


@dataclass(frozen=True, slots=True)
class Subject:
    """Everything that the report and the other end's lines are made from; `reasons` is why entries stay."""

    before: Config
    options: Options
    places: Sequence[Site]
    found: Sequence[Candidate]
    migrated: Sequence[Candidate]
    bundles: Sequence[Bundle]
    arrangement: Arrangement
    reasons: dict[int, str]
    built: Built

    def tunnels(self, candidate: Candidate) -> tuple[MadeTunnel, ...]:
        """The new tunnels of an entry."""
        return tuple(made for made in self.built.tunnels if candidate.number in self.bundles[made.bundle].entries)

    def entries(self, made: MadeTunnel) -> tuple[Candidate, ...]:
        """The entries that a new tunnel replaces."""
        return tuple(self.found[number] for number in self.bundles[made.bundle].entries)

    def site(self, made: MadeTunnel) -> Site:
        return self.places[self.bundles[made.bundle].site]

    def interfaces(self) -> tuple[str, ...]:
        """The interfaces that entries were taken from."""
        names = (name for entry in self.migrated for at in entry.sites for name in self.places[at].interfaces)
        return tuple(dict.fromkeys(names))

    def fates(self, candidate: Candidate, sequence: int, fate: Fate) -> tuple[IPv4Network, ...]:
        """Where the packets of a line go that have this fate."""
        held = self.arrangement.fates.get((candidate.number, sequence), ())
        return maximal(network for network, became in held if became is fate)

    @property
    def routed(self) -> tuple[IPv4Network, ...]:
        """The networks that are routed into new tunnels."""
        return maximal(placed.network for placed in self.arrangement.placed)

    @property
    def diverted(self) -> tuple[IPv4Network, ...]:
        """Destinations of which packets go into a tunnel that the map left alone."""
        return maximal(network for networks in self.arrangement.diverted.values() for network in networks)

    @property
    def exposed(self) -> tuple[IPv4Network, ...]:
        """Destinations of which packets were encrypted and now go in clear."""
        return maximal(
            network for held in self.arrangement.fates.values() for network, fate in held if fate is Fate.EXPOSED
        )
