"""What two engines would agree on by IKEv1, asked of the engine's own parts step by step, without a message.

A direction is one side beginning and the other answering. Each step is a stage, and a stage that fails does not hide
the ones behind it: whoever reads the report mends all of them at once. No NAT is taken to be in the way.
"""

from __future__ import annotations

from seikan.daemon.prediction.stages import SPI, Agreed, Party, Phase1, Phase2, Stage, transform_words
from seikan.ike.dynamic import Postponed
from seikan.ike.effects import Address, Path
from seikan.ike.errors import AbandonExchange
from seikan.ike.identity import read_identity
from seikan.ike.policy import choose, describe, explain, negotiable, offer
from seikan.ike.preshared import Key
from seikan.ike.sa import Flow, Tunnel
from seikan.ike.selectors import describe as describe_selector
from seikan.ike.selectors import identifications
from seikan.ike.settings import EngineSettings, FlowSettings, PhaseTwo
from seikan.ike.states import Role, State
from seikan.ike.status import Mismatch
from seikan.ike.transforms import Modes, Phase2Choice, usable_sets
from seikan.ike.transforms import choose as choose_transform
from seikan.ike.transforms import offer as offer_transforms
from seikan.ike.v1.phase1 import identity_text
from seikan.ike.v1.sa import IsakmpSa
from seikan.wire.constants import IKE_PORT, IdentityType
from seikan.wire.payloads import Identification, SaPayload


def _half_open(party: Party, tunnel: Tunnel, role: Role, path: Path, *, aggressive: bool) -> IsakmpSa:
    """An SA at the point where the peer's proof has come."""
    sa = IsakmpSa(tunnel, role, path, 0.0, aggressive=aggressive, cookie_i=party.core.new_cookie())
    sa.state = State.AG_INIT_EXCH if aggressive else State.MM_KEY_EXCH
    sa.reached_at = path.remote
    party.tunnels.add(sa)
    return sa


class IsakmpExchange:
    """Phase 1 and phase 2: the side that begins, and the side that answers, between two addresses."""

    def __init__(self, initiator: EngineSettings, responder: EngineSettings, local: Address, remote: Address) -> None:
        self.initiator, self.responder = Party(initiator), Party(responder)
        self.path = Path(local, IKE_PORT, remote, IKE_PORT)
        self.back = Path(remote, IKE_PORT, local, IKE_PORT)
        self.stages: list[Stage] = []
        self.keys: list[Key | None] = [None, None]  # of the side that begins, and of the other
        self.lifetime: int | None = None
        self.tunnel = self.initiator.core.ends.get((local, remote))
        self.aggressive = self.tunnel is not None and self._aggressive(self.tunnel)
        self.answering: IsakmpSa | None = None  # with the tunnel, or session, that phase 2 is asked of

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
        sa = _half_open(initiator, tunnel, Role.INITIATOR, self.path, aggressive=self.aggressive)
        sa.key = initiator.tunnels.peers.key_for(tunnel, self.path)
        identity = initiator.tunnels.v1.main.identity(sa)
        self.keys[0] = sa.key
        there = responder.core.ends.get((self.back.local, self.back.remote))
        if there is None:
            there = responder.tunnels.peers.provisional(self.back, named=self.aggressive)
        if there is None:
            self._nobody()
            return
        other = _half_open(responder, there, Role.RESPONDER, self.back, aggressive=self.aggressive)
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
        responder.tunnels.v1.main.take_identity(other, identity)
        if not self._admitted(responder, other, self.back):
            return
        self.answering = other
        answer = responder.tunnels.v1.main.identity(other)
        initiator.tunnels.v1.main.take_identity(sa, answer)
        if self._admitted(initiator, sa, self.path):
            self._agree("identity", f"{identity_text(identity)} and {identity_text(answer)}")

    def _nobody(self) -> None:
        counters = self.responder.core.counters
        if counters["strangers_without_key"]:
            self._fail("pre-shared key", f"the other end has no pre-shared key for {self.path.local}")
        else:
            self._fail("peer", f"nothing at the other end is for a peer at {self.path.local}")

    def _compare_keys(self, sa: IsakmpSa, other: IsakmpSa) -> None:
        if sa.key is None or other.key is None:
            side, peer = ("this end", self.path.remote) if sa.key is None else ("the other end", self.path.local)
            self._fail("pre-shared key", f"{side} has no pre-shared key for {peer}")
        elif sa.key.secret != other.key.secret:
            self._fail("pre-shared key", "the pre-shared keys differ")
        else:
            self._agree("pre-shared key", "the same at both ends")

    def _admitted(self, judge: Party, sa: IsakmpSa, path: Path) -> bool:
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
        payload = offer_transforms(settings.phase_two, modes, SPI)
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
        stages.append(Stage("transform set", transform_words(choice.transform_set, choice.pfs_group)))
        made = Agreed(choice.transform_set, choice.lifetime_seconds, choice.lifetime_kilobytes)
        return Phase2(tuple(stages), made, flow.settings)

    def _standing(self) -> IsakmpSa | None:
        """The phase 1 SA at the side that answers: that of phase 1 as it was, else one with the configured peer."""
        if self.answering is None:
            there = self.responder.core.ends.get((self.back.local, self.back.remote))
            if there is None:
                return None
            self.answering = _half_open(self.responder, there, Role.RESPONDER, self.back, aggressive=False)
        return self.answering

    def _asked(self, sa: IsakmpSa, payload: SaPayload, identities: list[Identification]) -> Flow | None:
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
