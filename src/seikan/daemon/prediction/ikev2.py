"""What two engines would agree on by IKEv2, asked of the engine's own parts step by step, as `ikev1` does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from seikan.config.model_ikev2 import Ikev2Peer
from seikan.crypto import certificates as x509
from seikan.crypto.certificates import CertificateProblem, CertificateRefused, Problem
from seikan.daemon.prediction.stages import SPI, Agreed, KeyAt, Party, Phase1, Phase2, Stage, transform_words
from seikan.ike.dynamic import Postponed
from seikan.ike.effects import Address, Path
from seikan.ike.identity import Identity
from seikan.ike.sa import Tunnel
from seikan.ike.selectors import describe as describe_selector
from seikan.ike.settings import EngineSettings, FlowSettings, Ikev2ProfileSettings, PhaseTwo
from seikan.ike.states import Role
from seikan.ike.status import Mismatch
from seikan.ike.v2.authentication import PRE_SHARED, SIGNATURES
from seikan.ike.v2.certificates import names_of, own_chain
from seikan.ike.v2.identities import CertificateNames, encode, find_key, find_peers, find_profile, read_identity
from seikan.ike.v2.ppk import find_ppk
from seikan.ike.v2.proposals import (
    child_offer,
    child_was_offered,
    choose_child,
    choose_ike,
    explain_child,
    explain_ike,
    ike_offer,
    proposals_for,
    usable_sets,
    was_offered,
)
from seikan.ike.v2.sa import Ikev2Sa
from seikan.ike.v2.selectors import narrow, read
from seikan.ike.v2.selectors import offer as offer_selectors
from seikan.wire.constants import IKE_PORT
from seikan.wire.secret import Secret
from seikan.wire.v2.payloads import Identification, SaPayload, TrafficSelectors


@dataclass(frozen=True, slots=True)
class _Side:
    """Who a side says it is, and by what it would prove it; `path` as it sees it."""

    profile: Ikev2ProfileSettings
    path: Path
    identity: Identity
    payload: Identification
    chain: tuple[bytes, ...]

    @property
    def names(self) -> CertificateNames | None:
        return names_of(self.chain[0]) if self.chain else None


class Ikev2Exchange:
    """IKE_SA_INIT, IKE_AUTH and CREATE_CHILD_SA: the side that begins, and the side that answers."""

    def __init__(
        self, initiator: EngineSettings, responder: EngineSettings, local: Address, remote: Address, now: datetime
    ) -> None:
        self.now = now
        self.initiator, self.responder = Party(initiator), Party(responder)
        self.path = Path(local, IKE_PORT, remote, IKE_PORT)
        self.back = Path(remote, IKE_PORT, local, IKE_PORT)
        self.stages: list[Stage] = []
        self.keys: tuple[KeyAt | None, KeyAt | None] = (None, None)
        self.lifetime: int | None = None
        self.tunnel = self.initiator.core.ends.get((local, remote))
        self.answering = self.responder.core.ends.get((remote, local))
        self.hub: Ikev2ProfileSettings | None = None  # the profile of the side that answers, where it names no peer
        self.session: Ikev2Sa | None = None  # what the peer then has there

    def _fail(self, name: str, text: str, mismatches: tuple[Mismatch, ...] = ()) -> None:
        self.stages.append(Stage(name, "", mismatches, text))

    def _agree(self, name: str, agreed: str) -> None:
        self.stages.append(Stage(name, agreed))

    # -- the IKE SA --------------------------------------------------------------------------------------------------

    def phase1(self) -> Phase1:
        """Everything up to an IKE SA."""
        profile = None if self.tunnel is None else self.initiator.core.ikev2_profile_of(self.tunnel)
        if self.tunnel is None:
            self._fail("peer", f"it has nothing that leads to {self.path.remote}")
        elif not self.initiator.settings.enabled or not self.responder.settings.enabled:
            self._fail("isakmp", "ISAKMP is turned off at an end (no crypto isakmp enable)")
        elif profile is None:
            self._fail("ikev2 profile", f"ikev2 profile {self.tunnel.settings.ikev2_profile} cannot be used")
        else:
            self._proposal()
            self._authenticate(profile)
        return Phase1(tuple(self.stages), "IKEv2", self.lifetime, self.keys)

    def _proposal(self) -> None:
        ours = proposals_for(self.initiator.settings.ikev2.policies, self.path.local)
        theirs = proposals_for(self.responder.settings.ikev2.policies, self.back.local)
        payload = ike_offer(ours)
        choice = choose_ike(theirs, payload)
        answered = None if choice is None else was_offered(payload, choice.answer())
        if not ours or not theirs or choice is None or answered is None:
            # `explain_ike` speaks as the side that answers
            rows = tuple(Mismatch(row.attribute, row.remote, row.local) for row in explain_ike(theirs, payload))
            self._fail("ikev2 proposal", "no ikev2 proposal in common", rows)
            return
        words = [choice.encryption.ios_proposal, choice.prf.ios_proposal, f"group {choice.group.number}"]
        if choice.integrity is not None:
            words.insert(1, choice.integrity.ios_proposal)
        words += [f"and {group.name}" for group in choice.additional]
        self._agree("ikev2 proposal", ", ".join(words))

    def _authenticate(self, profile: Ikev2ProfileSettings) -> None:
        begins = self._side(profile, self.initiator, self.path, "the side that begins")
        if begins is None:
            return
        theirs = self._answering_profile(begins)
        if theirs is None:
            return
        self.lifetime = min(profile.lifetime, theirs.lifetime)
        self._method(profile, theirs)
        answers = self._side(theirs, self.responder, self.back, "the side that answers")
        self._matches(theirs, begins, self.back.local, 1)
        if answers is None:
            return
        self._matches(profile, answers, self.path.local, 0)
        if not any(stage.name == "identity" and stage.failed for stage in self.stages):
            self._agree("identity", f"{begins.identity.name} and {answers.identity.name}")
        self._certificate(begins, answers, 0)
        self._certificate(answers, begins, 1)
        self._compare_keys(begins, answers)
        self._post_quantum(begins, answers)
        if self.hub is not None:
            self._admit(self.hub, begins)

    def _admit(self, profile: Ikev2ProfileSettings, begins: _Side) -> None:
        """What a peer that the side that answers does not name gets there: a session of its own."""
        party, tunnel = self.responder, self.responder.tunnels.peers.provisional_ikev2(self.back)
        if tunnel is None:
            self._fail("peer", f"nothing at the other end is for a peer at {self.path.local}")
            return
        tunnel.settings = replace(tunnel.settings, ikev2_profile=profile.name)
        sa = Ikev2Sa(tunnel, Role.RESPONDER, self.back, 0.0, profile=profile)
        sa.spi_i, sa.spi_r = party.core.new_ikev2_spi(), party.core.new_ikev2_spi()
        sa.identity, sa.peer_identity, sa.reached_at = begins.identity, begins.identity.name, self.back.remote
        party.tunnels.add(sa)
        key = find_key(profile, self.back.remote, begins.identity, "remote") or Secret()
        place = _key_at(profile, self.back.remote, begins.identity, "remote")
        party.tunnels.peers.proved(sa, profile, key, None if place is None else place.peer)
        admitted: list[bool] = []
        party.tunnels.peers.admit(sa, self.back, lambda: admitted.append(True), lambda text: self._fail("peer", text))
        if admitted:
            self.answering, self.session = sa.tunnel, sa
        elif not any(stage.name == "peer" for stage in self.stages):
            self._fail("peer", party.said("IKMP_PEER_REFUSED") or "the peer is refused")

    def _side(self, profile: Ikev2ProfileSettings, party: Party, path: Path, who: str) -> _Side | None:
        """Who a side will say it is; None where it cannot say so, or the file does not tell."""
        chain: tuple[bytes, ...] = ()
        if profile.local_authentication in SIGNATURES:
            chain = own_chain(profile.sign) if profile.sign is not None and profile.sign.certificates else ()
            if not chain:
                text = f"{who} proves itself with a certificate that is not in its file"
                self.stages.append(Stage("certificate", text=text, unknown=True))
                return None
        subject = x509.subject_der(chain[0]) if chain else None
        try:
            kind, data = encode(
                profile.identity_local, local=path.local, hostname=party.settings.hostname, subject=subject
            )
        except ValueError as error:
            self._fail("identity", f"{who}: {error}")
            return None
        payload = Identification(True, kind, data)
        found = read_identity(payload)
        if found is None:
            self._fail("identity", f"the identity of {who} is of no kind that a profile can match")
            return None
        return _Side(profile, path, found, payload, chain)

    def _certificate(self, prover: _Side, judge: _Side, side: int) -> None:
        """Whether the certificate of a side convinces the other: as `Certificates.check`, but for the signature."""
        if not prover.chain:
            return
        own = prover.chain[0]
        until = x509.validity(own)[1]
        words = f"{x509.subject_text(own)}, of {x509.issuer_text(own)}, valid until {x509.utc(until)}"
        trusted = [row for point in judge.profile.verify for row in point.authorities]
        names = ", ".join(dict.fromkeys(x509.subject_text(row) for row in trusted)) or "no authority"
        row = Mismatch("certificate", *((words, f"trusts {names}")[:: -1 if side else 1]))
        problem = self._refused(prover, judge)
        if problem is None and not x509.certifies(own, prover.payload.type, prover.payload.data):
            problem = f"it says that it is {prover.identity.name}, and its certificate does not"
        self.stages.append(Stage("certificate", "" if problem else "trusted", (row,), problem or ""))

    def _refused(self, prover: _Side, judge: _Side) -> str | None:
        """Why no trustpoint of the judge leads to an authority of the prover's certificate."""
        closest: CertificateProblem | None = None
        for trustpoint in judge.profile.verify:
            try:
                x509.validate(prover.chain, trustpoint.authorities, self.now)
            except CertificateRefused as refused:
                if closest is None or closest.kind is Problem.UNKNOWN_ISSUER:
                    closest = refused.problem
            else:
                return None
        return "no trustpoint verifies it (pki trustpoint ... verify)" if closest is None else closest.text

    def _answering_profile(self, begins: _Side) -> Ikev2ProfileSettings | None:
        """The profile that holds at the side that answers: the tunnel's, or that which the identity leads to."""
        core, peers = self.responder.core, self.responder.tunnels.peers
        if self.answering is not None:
            found = core.ikev2_profile_of(self.answering)
            if self.answering.version != 2:
                self._fail("ike version", "the other end negotiates with this peer by IKEv1 only")
            elif found is None:
                self._fail("ikev2 profile", f"ikev2 profile {self.answering.settings.ikev2_profile} cannot be used")
            return found
        candidates = peers.ikev2_candidates(self.back.local)
        if not candidates:
            self._fail("peer", f"nothing at the other end is for a peer at {self.path.local}")
            return None
        self.hub = find_profile(candidates, self.back.local, begins.identity, begins.names)
        if self.hub is None:
            text = f"no ikev2 profile of the other end matches {begins.identity.name} (match identity remote ...)"
            first = candidates[0].name
            self.stages.append(Stage("identity", "", (), text, 1, first, begins.identity))
        return self.hub

    def _method(self, ours: Ikev2ProfileSettings, theirs: Ikev2ProfileSettings) -> None:
        rows = []
        for who, own, wanted, turned in (
            ("authentication", ours.local_authentication, theirs.remote_authentications, False),
            ("authentication of the other end", theirs.local_authentication, ours.remote_authentications, True),
        ):
            if own not in wanted:
                words = (f"local {own or 'none'}", f"remote {' or '.join(wanted) or 'none'}")
                rows.append(Mismatch(f"ikev2 {who}", *(words[::-1] if turned else words)))
        if rows:
            self._fail("authentication", "a side proves itself by another method than the other asks for", tuple(rows))
        else:
            self._agree("authentication", f"{ours.local_authentication} and {theirs.local_authentication}")

    def _matches(self, judge: Ikev2ProfileSettings, who: _Side, local: Address, side: int) -> None:
        """As `Auth` does of a configured peer: the profile of its tunnel must match it."""
        if not judge.identities and not judge.certificate_maps:
            return
        if find_profile([judge], local, who.identity, who.names) is None:
            text = f"ikev2 profile {judge.name} does not match {who.identity.name} (match identity remote ...)"
            self.stages.append(Stage("identity", "", (), text, side, judge.name, who.identity))

    def _compare_keys(self, begins: _Side, answers: _Side) -> None:
        """Both proofs: the key that a side proves itself with has to be the one that the other expects of it."""
        ours, theirs = begins.profile, answers.profile
        identity, answer = begins.identity, answers.identity
        proofs = (
            # the side that begins has to choose its key before the other has said who it is
            ((ours, self.path.remote, None, "local"), (theirs, self.back.remote, identity, "remote")),
            ((ours, self.path.remote, answer, "remote"), (theirs, self.back.remote, identity, "local")),
        )
        methods = (ours.local_authentication, theirs.local_authentication)
        compared = [proof for proof, method in zip(proofs, methods, strict=True) if method == PRE_SHARED]
        for here, there in compared:
            keys = (find_key(*here), find_key(*there))
            self.keys = (_key_at(*here), _key_at(*there))
            if keys[0] is None or keys[1] is None:
                side, peer = ("this end", self.path.remote) if keys[0] is None else ("the other end", identity.name)
                self._fail("pre-shared key", f"{side} has no pre-shared key for {peer}")
                return
            if keys[0] != keys[1]:
                kinds = (here[3], there[3])
                text = "the pre-shared keys differ"
                if _keys_of_two_ways(ours, theirs):
                    text += f": {kinds[0]} of the one that begins and {kinds[1]} of the other"
                self._fail("pre-shared key", text)
                return
        if compared:
            self._agree("pre-shared key", "the same at both ends")

    def _post_quantum(self, begins: _Side, answers: _Side) -> None:
        """Post-quantum keys, as `Ppk` chooses them (RFC 8784 section 3)."""
        peers = find_peers(begins.profile, self.path.remote, None)
        offered = next((row.ppk for row in peers if row.ppk is not None), None)
        if offered is not None and not any(row.ppk is not None for row in self._known_to_answering(answers)):
            if offered.required:
                self._fail("ppk", f"ppk {offered.identity} is required, and the other end uses no post-quantum keys")
                return
            offered = None
        rows = list(find_peers(answers.profile, self.back.remote, begins.identity))
        found = find_ppk(rows, offered.identity) if offered is not None else None
        if found is not None and offered is not None:
            if found.key != offered.key:
                self._fail("ppk", f"the post-quantum keys of ppk {found.identity} differ")
            else:
                self._agree("ppk", found.identity)
            return
        required = next((row.ppk for row in rows if row.ppk is not None and row.ppk.required), None)
        if required is not None:
            self._fail("ppk", f"the other end requires ppk {required.identity}, which is not used with it")
        elif offered is not None and offered.required:
            self._fail("ppk", f"ppk {offered.identity} is required, and the other end does not have it")

    def _known_to_answering(self, answers: _Side) -> Iterator[Ikev2Peer]:
        """Before it knows who the peer is, the side that answers has only all that it may be."""
        profiles = [answers.profile]
        if self.hub is not None:
            profiles = self.responder.tunnels.peers.ikev2_candidates(self.back.local)
        return (row for profile in profiles for row in profile.peers)

    # -- child SAs ---------------------------------------------------------------------------------------------------

    def phase2(self, settings: FlowSettings, *, first: bool) -> Phase2:
        """One flow of the side that begins. The `first` pair is made in IKE_AUTH, without a key exchange of its own."""
        if not usable_sets(settings.phase_two.transform_sets):
            return Phase2((Stage("transform set", text=f"no usable transform set in {settings.phase_two.name}"),))
        payload = child_offer(settings.phase_two, SPI, first=first, extended=False)
        flow = self._asked(settings, payload, first=first)
        if flow is None:
            theirs = [row.selector for row in self._theirs()]
            words = ", ".join(describe_selector(row) for row in theirs) or "none"
            row = Mismatch("ipsec selectors", describe_selector(settings.selector), words)
            return Phase2((Stage("selectors", "", (row,), "the ends are configured for other traffic"),))
        stages = [Stage("selectors", describe_selector(settings.selector))]
        choice = choose_child(flow.phase_two, payload, first=first, extended=False)
        agreed = choice
        if choice is not None:
            agreed = child_was_offered(settings.phase_two, payload, choice.answer(SPI))
        if choice is None or agreed is None:
            found = explain_child(flow.phase_two, payload, first=first, extended=False)
            rows = tuple(Mismatch(row.attribute, row.remote, row.local) for row in found)
            stages.append(Stage("transform set", "", rows, "no transform set in common"))
            return Phase2(tuple(stages), None, flow)
        transport = settings.transport and any(row.transport for row in settings.phase_two.transform_sets)
        transport = transport and flow.transport and choice.transform_set.transport
        made = replace(choice.transform_set, transport=transport)
        stages.append(Stage("transform set", transform_words(made, choice.group.number if choice.group else None)))
        one, other = settings.phase_two, flow.phase_two
        limits = [limit for limit in (one.lifetime_kilobytes, other.lifetime_kilobytes) if limit]
        seconds = min(one.lifetime_seconds, other.lifetime_seconds)
        return Phase2(tuple(stages), Agreed(made, seconds, min(limits, default=0)), flow, self._rekey(settings, first))

    def _rekey(self, settings: FlowSettings, first: bool) -> Stage | None:
        """What fails when the pair of IKE_AUTH is to be replaced."""
        again = self.phase2(settings, first=False) if first else None
        return next((stage for stage in again.stages if stage.failed), None) if again is not None else None

    def _theirs(self) -> list[FlowSettings]:
        if self.answering is None or self.answering.version != 2:
            return []
        return [flow.settings for flow in self.answering.flows.values()]

    def _asked(self, settings: FlowSettings, offered: SaPayload, *, first: bool) -> FlowSettings | None:
        """The flow that fits best, as `Child` finds it: its very own traffic, or all within it, or more than it."""
        tsi, tsr = offer_selectors((settings.selector, *settings.more))
        asked = settings.selector.mirrored()
        best: tuple[int, FlowSettings] | None = None
        for flow in self._theirs():
            rows = narrow((flow.selector, *flow.more), tsi, tsr, initiator=False)
            if not rows:
                continue
            fit = 2 if rows[0] == flow.selector == asked else 1 if rows[0] == asked else 0
            if best is None or fit > best[0]:
                best = (fit, flow)
        return self._made(tsi, tsr, offered, first=first) if best is None else best[1]

    def _made(
        self, tsi: TrafficSelectors, tsr: TrafficSelectors, offered: SaPayload, *, first: bool
    ) -> FlowSettings | None:
        """A flow of a dynamic crypto map."""
        if self.session is None:
            return None

        def fits(phase_two: PhaseTwo) -> bool:
            return choose_child(phase_two, offered, first=first, extended=False) is not None

        for row in read(tsi, tsr, initiator=False):
            try:
                made = self.responder.tunnels.dynamic.make_flow(self.session, row, fits)
            except Postponed:  # somebody else's traffic, of a peer that is not in question here
                return None
            if made is not None:
                return made.settings
        return None


def _keys_of_two_ways(*profiles: Ikev2ProfileSettings) -> bool:
    """Whether a side has one key for itself and another for its peer."""
    return any(
        row.local_key != row.remote_key or any(peer.local_key != peer.remote_key for peer in row.peers)
        for row in profiles
    )


def _key_at(profile: Ikev2ProfileSettings, remote: Address, identity: Identity | None, which: str) -> KeyAt | None:
    """Where `find_key` has its key from."""
    if (profile.local_key if which == "local" else profile.remote_key) is not None:
        return KeyAt(profile.name)
    for peer in find_peers(profile, remote, identity):
        if (peer.local_key if which == "local" else peer.remote_key) is not None:
            return KeyAt(profile.name, profile.keyring, peer.name)
    return None


def flows_of(tunnel: Tunnel | None) -> tuple[FlowSettings, ...]:
    """Of a configured peer."""
    return () if tunnel is None else tunnel.settings.flows
