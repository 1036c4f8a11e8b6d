"""What two engines would agree on by IKEv1, asked of the engine's own parts step by step, without a message.

A direction is one side beginning and the other answering. Each step is a stage, and a stage that fails does not hide
the ones behind it: whoever reads the report mends all of them at once. No NAT is taken to be in the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from seikan.crypto.key_exchange import KeyPair
from seikan.ike.configuration import Configuration
from seikan.ike.core import Core
from seikan.ike.dynamic import Postponed
from seikan.ike.effects import Address, Log, Path
from seikan.ike.identity import Identity, read_identity
from seikan.ike.policy import choose, describe, explain, negotiable, offer
from seikan.ike.preshared import Key
from seikan.ike.sa import Flow, IkeSa, Tunnel
from seikan.ike.selectors import describe as describe_selector
from seikan.ike.selectors import identifications
from seikan.ike.settings import EngineSettings, FlowSettings, PhaseTwo
from seikan.ike.states import Role, State
from seikan.ike.status import Mismatch
from seikan.ike.transforms import Modes, Phase2Choice, usable_sets
from seikan.ike.transforms import choose as choose_transform
from seikan.ike.transforms import offer as offer_transforms
from seikan.ike.tunnels import Tunnels
from seikan.ike.v1.phase1 import AbandonExchange, identity_text
from seikan.wire.constants import IKE_PORT, Group, IdentityType
from seikan.wire.payloads import Identification, SaPayload

_SPI = bytes.fromhex("00001000")  # any that is not reserved


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

    @property
    def failed(self) -> bool:
        return bool(self.text)


@dataclass(frozen=True, slots=True)
class Phase1:
    """One direction of phase 1; `lifetime` in seconds, `keys` the entries that each side takes, initiator first."""

    stages: tuple[Stage, ...]
    mode: str = "main mode"
    lifetime: int | None = None
    keys: tuple[Key | None, Key | None] = (None, None)

    @property
    def up(self) -> bool:
        return not any(stage.failed for stage in self.stages)


@dataclass(frozen=True, slots=True)
class Phase2:
    """One direction of phase 2 for one flow; `answered` is the other side's flow, where it has one for it."""

    stages: tuple[Stage, ...]
    choice: Phase2Choice | None = None
    answered: FlowSettings | None = None

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

    def half_open(self, tunnel: Tunnel, role: Role, path: Path, *, aggressive: bool) -> IkeSa:
        """An SA at the point where the peer's proof has come."""
        sa = IkeSa(tunnel, role, aggressive, path, self.core.new_cookie(), 0.0)
        sa.state = State.AG_INIT_EXCH if aggressive else State.MM_KEY_EXCH
        sa.reached_at = path.remote
        self.tunnels.add(sa)
        return sa

    def said(self, mnemonic: str) -> str:
        """The last log line of a kind."""
        found = [effect.text for effect in self.core.effects if isinstance(effect, Log) and effect.mnemonic == mnemonic]
        return found[-1] if found else ""


class Exchange:
    """The side that begins, and the side that answers, between two addresses."""

    def __init__(self, initiator: EngineSettings, responder: EngineSettings, local: Address, remote: Address) -> None:
        self.initiator, self.responder = Party(initiator), Party(responder)
        self.path = Path(local, IKE_PORT, remote, IKE_PORT)
        self.back = Path(remote, IKE_PORT, local, IKE_PORT)
        self.stages: list[Stage] = []
        self.keys: list[Key | None] = [None, None]  # of the side that begins, and of the other
        self.lifetime: int | None = None
        self.tunnel = self.initiator.core.ends.get((local, remote))
        self.aggressive = self.tunnel is not None and self._aggressive(self.tunnel)
        self.answering: IkeSa | None = None  # with the tunnel, or session, that phase 2 is asked of

    def _aggressive(self, tunnel: Tunnel) -> bool:
        profile = self.initiator.core.profile_of(tunnel)
        return tunnel.settings.aggressive_identity is not None or (profile is not None and profile.aggressive)

    # -- phase 1 -----------------------------------------------------------------------------------------------------

    def phase1(self) -> Phase1:
        """Everything up to an ISAKMP SA."""
        if self.tunnel is None:
            self._fail("peer", f"it has nothing that leads to {self.path.remote}")
        elif self._reachable():
            self._policy()
            self._who(self.tunnel)
        return Phase1(
            tuple(self.stages),
            "aggressive mode" if self.aggressive else "main mode",
            self.lifetime,
            (self.keys[0], self.keys[1]),
        )

    def _fail(self, name: str, text: str, mismatches: tuple[Mismatch, ...] = ()) -> None:
        self.stages.append(Stage(name, "", mismatches, text))

    def _agree(self, name: str, agreed: str) -> None:
        self.stages.append(Stage(name, agreed))

    def _reachable(self) -> bool:
        if not self.initiator.settings.enabled or not self.responder.settings.enabled:
            self._fail("isakmp", "ISAKMP is turned off at an end (no crypto isakmp enable)")
            return False
        if self.aggressive and not self.responder.settings.aggressive_mode:
            self._fail(
                "exchange",
                "aggressive mode is not answered by the other end (no crypto isakmp aggressive-mode disable)",
            )
        return True

    def _policy(self) -> None:
        ours, theirs = (negotiable(side.settings.policies) for side in (self.initiator, self.responder))
        if not ours or not theirs:
            words = (f"{len(ours)} usable", f"{len(theirs)} usable")
            text = "no isakmp policy that may be negotiated (pre-shared keys, a cipher and a group that exist here)"
            self._fail("isakmp policy", text, (Mismatch("isakmp policy", *words),))
            return
        if self.aggressive:  # the public value is sent with the offer
            ours = tuple(policy for policy in ours if policy.group == ours[0].group)
        payload = offer(ours)
        choice = choose(theirs, payload)
        if choice is None or choose(ours, choice.answer) is None:
            # `explain` speaks as the side that answers
            rows = tuple(Mismatch(row.attribute, row.remote, row.local) for row in explain(theirs, payload))
            self._fail("isakmp policy", "no isakmp policy in common", rows)
            return
        self.lifetime = choice.lifetime
        self._agree("isakmp policy", ", ".join(describe(choice.policy).words().values()))

    def _who(self, tunnel: Tunnel) -> None:
        """Keys and identities of both."""
        initiator, responder = self.initiator, self.responder
        sa = initiator.half_open(tunnel, Role.INITIATOR, self.path, aggressive=self.aggressive)
        sa.key = initiator.tunnels.peers.key_for(tunnel, self.path)
        identity = initiator.tunnels.main.identity(sa)
        self.keys[0] = sa.key
        there = responder.core.ends.get((self.back.local, self.back.remote))
        if there is None:
            there = responder.tunnels.peers.provisional(self.back, named=self.aggressive)
        if there is None:
            self._nobody()
            return
        other = responder.half_open(there, Role.RESPONDER, self.back, aggressive=self.aggressive)
        named = self.aggressive and identity.type in (IdentityType.FQDN, IdentityType.USER_FQDN)
        other.key = responder.tunnels.peers.key_for(there, self.back, identity_text(identity) if named else None)
        self.keys[1] = other.key
        self._compare_keys(sa, other)
        if there.provisional and other.key is None:
            return  # whose it is would tell what the peer gets
        if self.aggressive and there.provisional and other.key is not None:
            try:
                responder.tunnels.peers.guess(there, read_identity(identity), other.key)
            except AbandonExchange as error:
                self._fail("identity", f"{identity_text(identity)}: {error}")
                return
        responder.tunnels.main.take_identity(other, identity)
        if not self._admitted(responder, other, self.back):
            return
        self.answering = other
        answer = responder.tunnels.main.identity(other)
        initiator.tunnels.main.take_identity(sa, answer)
        if self._admitted(initiator, sa, self.path):
            self._agree("identity", f"{identity_text(identity)} and {identity_text(answer)}")

    def _nobody(self) -> None:
        counters = self.responder.core.counters
        if counters["strangers_without_key"]:
            self._fail("pre-shared key", f"the other end has no pre-shared key for {self.path.local}")
        else:
            self._fail("peer", f"nothing at the other end is for a peer at {self.path.local}")

    def _compare_keys(self, sa: IkeSa, other: IkeSa) -> None:
        if sa.key is None or other.key is None:
            side, peer = ("this end", self.path.remote) if sa.key is None else ("the other end", self.path.local)
            self._fail("pre-shared key", f"{side} has no pre-shared key for {peer}")
        elif sa.key.secret != other.key.secret:
            self._fail("pre-shared key", "the pre-shared keys differ")
        else:
            self._agree("pre-shared key", "the same at both ends")

    def _admitted(self, judge: Party, sa: IkeSa, path: Path) -> bool:
        verdict: list[str] = []
        judge.tunnels.peers.admit(sa, path, lambda: verdict.append(""), verdict.append)
        text = verdict[0] if verdict else judge.said("IKMP_PEER_REFUSED") or "the peer is refused"
        if text:
            side = 0 if judge is self.initiator else 1
            self.stages.append(Stage("identity", "", (), text, side, sa.tunnel.settings.isakmp_profile, sa.identity))
        return not text

    # -- phase 2 -----------------------------------------------------------------------------------------------------

    def phase2(self, settings: FlowSettings) -> Phase2:
        """One flow of the side that begins, under a phase 1 SA that is there, whoever began that."""
        stages: list[Stage] = []
        if not usable_sets(settings.phase_two.transform_sets):
            return Phase2((Stage("transform set", text=f"no usable transform set in {settings.phase_two.name}"),))
        sa = self._standing()
        if sa is None:
            return Phase2((Stage("selectors", text="nothing at the other end is for this peer"),))
        identities = list(identifications(settings.selector, initiator=True))
        modes = Modes(transport=settings.transport)
        payload = offer_transforms(settings.phase_two, modes, _SPI)
        flow = self._asked(sa, payload, identities)
        if flow is None:
            mismatch = self.responder.tunnels.flows.mismatch(sa.tunnel, identities[::-1])
            row = Mismatch("ipsec selectors", describe_selector(settings.selector), mismatch.local)
            return Phase2((Stage("selectors", "", (row,), "the ends are configured for other traffic"),))
        stages.append(Stage("selectors", describe_selector(settings.selector)))
        answering = Modes(transport=flow.settings.transport)
        choice = choose_transform(flow.settings.phase_two, answering, payload, initiator=False)
        agreed = choice
        if isinstance(choice, Phase2Choice):
            answer = SaPayload((choice.proposal,))
            agreed = choose_transform(settings.phase_two, modes, answer, initiator=True)
        if not isinstance(choice, Phase2Choice) or not isinstance(agreed, Phase2Choice):
            found = choice if not isinstance(choice, Phase2Choice) else ()
            rows = tuple(Mismatch(row.attribute, row.remote, row.local) for row in found)
            stages.append(Stage("transform set", "", rows, "no transform set in common"))
            return Phase2(tuple(stages), None, flow.settings)
        stages.append(Stage("transform set", _transform_words(choice)))
        return Phase2(tuple(stages), choice, flow.settings)

    def _standing(self) -> IkeSa | None:
        """The phase 1 SA at the side that answers: that of phase 1 as it was, else one with the configured peer."""
        if self.answering is None:
            there = self.responder.core.ends.get((self.back.local, self.back.remote))
            if there is None:
                return None
            self.answering = self.responder.half_open(there, Role.RESPONDER, self.back, aggressive=False)
        return self.answering

    def _asked(self, sa: IkeSa, payload: SaPayload, identities: list[Identification]) -> Flow | None:
        flows = self.responder.tunnels.flows
        selector = flows.asked(sa, identities, initiator=False)
        if selector is None:
            return None
        found = flows.find(sa, selector)
        if found is not None:
            return found[0]

        def fits(phase_two: PhaseTwo) -> bool:
            return isinstance(choose_transform(phase_two, Modes(), payload, initiator=False), Phase2Choice)

        try:
            return self.responder.tunnels.dynamic.make_flow(sa, selector, fits)
        except Postponed:  # somebody else's traffic, of a peer that is not in question here
            return None


def _transform_words(choice: Phase2Choice) -> str:
    row = choice.transform_set
    words = [row.encryption.name if row.encryption else "none"]
    if row.integrity is not None and not (row.encryption and row.encryption.aead):
        words.append(row.integrity.name)
    words.append("transport mode" if row.transport else "tunnel mode")
    if choice.pfs_group:
        words.append(f"PFS group {choice.pfs_group}")
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


def negotiate(here: EngineSettings, there: EngineSettings, local: Address, remote: Address) -> Negotiation:
    """What comes of it when both sides begin all that they would begin, traffic for every flow being there."""
    exchanges = (Exchange(here, there, local, remote), Exchange(there, here, remote, local))
    flows = tuple(_flows(exchange.tunnel) for exchange in exchanges)
    phases: list[Phase1 | None] = []
    for exchange, own in zip(exchanges, flows, strict=True):
        begins = any(flow.initiate for flow in own)
        phases.append(exchange.phase1() if begins else None)
    up = any(phase is not None and phase.up for phase in phases)
    found: list[dict[FlowSettings, Phase2]] = [
        {flow: exchange.phase2(flow) for flow in own if flow.initiate}
        for exchange, own in zip(exchanges, flows, strict=True)
    ]
    verdicts = []
    for side in (0, 1):
        rows = []
        words = ("here", "there") if side == 0 else ("there", "here")
        for flow in flows[side]:
            mine = found[side].get(flow)
            by = [words[0]] if up and mine is not None and mine.up else []
            if up and any(phase.up and phase.answered == flow for phase in found[1 - side].values()):
                by.append(words[1])
            rows.append(FlowVerdict(flow, mine, tuple(by)))
        verdicts.append(tuple(rows))
    return Negotiation(phases[0], phases[1], verdicts[0], verdicts[1])


def _flows(tunnel: Tunnel | None) -> tuple[FlowSettings, ...]:
    return () if tunnel is None else tunnel.settings.flows
