"""What both versions of IKE have in a prediction: stages, directions, and the engine's parts that are asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from seikan.config.model import TransformSet
from seikan.crypto.key_exchange import KeyPair
from seikan.ike.configuration import Configuration
from seikan.ike.core import Core
from seikan.ike.effects import Log
from seikan.ike.identity import Identity
from seikan.ike.preshared import Key
from seikan.ike.settings import EngineSettings, FlowSettings
from seikan.ike.status import Mismatch
from seikan.ike.tunnels import Tunnels
from seikan.wire.constants import Group

SPI = bytes.fromhex("00001000")  # any that is not reserved


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a negotiation. Of `mismatches`, `local` is what the side that begins has, `remote` the other's.

    `agreed` says in words what both have, `text` why they have nothing. An identity that was refused has the side that
    refused it (0: the one that begins), with the profile that it asked, if it was one.
    """

    name: str
    agreed: str = ""
    mismatches: tuple[Mismatch, ...] = ()
    text: str = ""
    judge: int | None = None
    profile: str | None = None
    identity: Identity | None = None
    unknown: bool = False  # `text` says what the files do not tell

    @property
    def failed(self) -> bool:
        return bool(self.text) and not self.unknown


@dataclass(frozen=True, slots=True)
class KeyAt:
    """Where a key of IKEv2 stands: in a profile itself, or with a peer of its keyring."""

    profile: str
    keyring: str | None = None
    peer: str | None = None


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a pair of SAs will be made of; the limits in seconds and kilobytes (0: none) that come first."""

    transform_set: TransformSet
    seconds: int
    kilobytes: int


@dataclass(frozen=True, slots=True)
class Phase1:
    """One direction of phase 1, or of all that makes an IKE SA of IKEv2.

    `lifetime` in seconds; `keys` the entries that each side takes, of the side that begins first.
    """

    stages: tuple[Stage, ...]
    mode: str = "main mode"
    lifetime: int | None = None
    keys: tuple[Key | KeyAt | None, Key | KeyAt | None] = (None, None)

    @property
    def up(self) -> bool:
        return not any(stage.failed for stage in self.stages)


@dataclass(frozen=True, slots=True)
class Phase2:
    """One direction of phase 2, or of a child SA, for one flow.

    `answered` is the other side's flow, where it has one for it. `rekey` has what of IKEv2 fails only when the pair of
    IKE_AUTH is to be replaced: perfect forward secrecy.
    """

    stages: tuple[Stage, ...]
    choice: Agreed | None = None
    answered: FlowSettings | None = None
    rekey: Stage | None = None

    @property
    def up(self) -> bool:
        return not any(stage.failed for stage in self.stages)


def _no_key_pair(group: Group) -> KeyPair:
    raise AssertionError(f"a prediction makes no key pair (group {group.number})")


def _counting() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


@dataclass(slots=True)
class Party:
    """One router's engine in pieces: its tables as `Engine` makes them, every owner able, and nothing sent."""

    settings: EngineSettings
    core: Core = field(init=False)
    tunnels: Tunnels = field(init=False)

    def __post_init__(self) -> None:
        numbers = _counting()
        self.core = Core(self.settings, lambda octets: next(numbers).to_bytes(octets, "big"), _no_key_pair)
        self.tunnels = Tunnels(self.core)
        Configuration(self.core, self.tunnels).set_tunnels(self.settings)
        for owner in self.core.owners.values():
            owner.able = True

    def said(self, mnemonic: str) -> str:
        """The last log line of a kind."""
        found = [effect.text for effect in self.core.effects if isinstance(effect, Log) and effect.mnemonic == mnemonic]
        return found[-1] if found else ""


def transform_words(row: TransformSet, pfs_group: int | None) -> str:
    """What both ends have, in words."""
    words = [row.encryption.name if row.encryption else "none"]
    if row.integrity is not None and not (row.encryption and row.encryption.aead):
        words.append(row.integrity.name)
    words.append("transport mode" if row.transport else "tunnel mode")
    if pfs_group:
        words.append(f"PFS group {pfs_group}")
    return ", ".join(words)


@dataclass(frozen=True, slots=True)
class FlowVerdict:
    """What becomes of one flow of a side; `own` is the direction in which that side begins it, None where it does not.

    `by` are the sides whose beginning brings it up: "here", "there".
    """

    settings: FlowSettings
    own: Phase2 | None
    by: tuple[str, ...]

    @property
    def up(self) -> bool:
        return bool(self.by)


@dataclass(frozen=True, slots=True)
class Negotiation:
    """Everything between two addresses, seen from one side: phase 1 by who begins (None: that side does not), and what
    becomes of the flows of both sides.
    """

    phase1_here: Phase1 | None
    phase1_there: Phase1 | None
    here: tuple[FlowVerdict, ...]
    there: tuple[FlowVerdict, ...]

    @property
    def phase1_up(self) -> bool:
        return any(phase is not None and phase.up for phase in (self.phase1_here, self.phase1_there))

    @property
    def up(self) -> bool:
        """Whether every flow of the side comes up, or for a side without any, every flow of the other."""
        flows = self.here or self.there
        return bool(flows) and all(flow.up for flow in flows)

    def mirrored(self) -> Negotiation:
        """As the other side sees it."""
        turned = {"here": "there", "there": "here"}

        def turn(rows: tuple[FlowVerdict, ...]) -> tuple[FlowVerdict, ...]:
            return tuple(FlowVerdict(row.settings, row.own, tuple(turned[word] for word in row.by)) for row in rows)

        return Negotiation(self.phase1_there, self.phase1_here, turn(self.there), turn(self.here))
