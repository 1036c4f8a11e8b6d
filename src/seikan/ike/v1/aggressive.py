"""Aggressive mode with pre-shared keys (RFC 2409 section 5.4): three messages, identities in clear.

Off unless configured: message 2 lets anybody who asks try keys at leisure.
"""

from __future__ import annotations

from dataclasses import replace

from seikan.ike.effects import Path
from seikan.ike.errors import AbandonExchange
from seikan.ike.identity import read_identity
from seikan.ike.nat import detection_payloads
from seikan.ike.policy import choose, explain, negotiable, offer
from seikan.ike.sa import Tunnel
from seikan.ike.states import Event
from seikan.ike.v1.envelope import InvalidHash, header_of, seal, unseal
from seikan.ike.v1.phase1 import NONCE_OCTETS, Phase1, body_of, identity_text, nonce_of, one
from seikan.ike.v1.sa import IsakmpSa
from seikan.wire.constants import ExchangeType, IdentityType
from seikan.wire.errors import PayloadMalformed, WireError
from seikan.wire.header import HEADER_OCTETS, Header
from seikan.wire.message import Chain, pull_chain, push_chain, push_message
from seikan.wire.payloads import Identification, KeyExchange, Nonce, Payload, SaPayload, push_sa

# What message 2 tells of the SA, and what holds only when its proof is right.
_PROVEN = (
    "policy",
    "lifetime",
    "dpd",
    "peer_ranks",
    "fragmentation",
    "nat_vendor",
    "publics",
    "nonces",
    "keys",
    "iv",
    "peer_identity",
    "identity",
)


class AggressiveMode(Phase1):
    name = "Aggressive"

    def start(self, tunnel: Tunnel) -> bool:
        """Send message 1; False where a policy or the key is missing."""
        sa = self.begin_initiator(tunnel, aggressive=True)
        if sa is None:
            return False
        policies = negotiable(self.core.settings.policies)
        # The public value is sent with the offer, so all transforms have one group (RFC 2409 section 5).
        payload = offer(tuple(policy for policy in policies if policy.group == policies[0].group))
        sa.offered, sa.sa_body, sa.policy = payload, push_sa(payload), policies[0]
        public, nonce = self.make_key_pair(sa), self.core.random(NONCE_OCTETS)
        sa.publics, sa.nonces = (public, b""), (nonce, b"")
        sa.advance(Event.SEND_AM1)
        self.core.debug("isakmp", "{}: beginning Aggressive Mode exchange with {}", sa.label, sa.path.remote)
        payloads = [payload, KeyExchange(public), Nonce(nonce), self.identity(sa), *self.vendor_ids(sa)]
        self.send(sa, sa.path, push_message(header_of(sa, ExchangeType.AGGRESSIVE), payloads), repeat=True)
        return True

    def respond(self, tunnel: Tunnel, header: Header, data: bytes, path: Path) -> None:
        """Message 1 of a peer whose address is a tunnel's. Raises `AbandonExchange` or a `WireError`."""
        core = self.core
        chain = pull_chain(header.next_payload, data, HEADER_OCTETS)
        payload, identity = one(chain, SaPayload), one(chain, Identification)
        peer, nonce = one(chain, KeyExchange).data, nonce_of(chain)
        policies = negotiable(core.settings.policies)
        choice = choose(policies, payload)
        if choice is None:
            core.counters["no_proposal_chosen"] += 1
            text = f"no isakmp policy in common with peer {path.remote}"
            core.error(tunnel, "IKMP_NO_PROPOSAL", text, explain(policies, payload), unproven=True)
            raise AbandonExchange(text)
        host = identity_text(identity) if identity.type in (IdentityType.FQDN, IdentityType.USER_FQDN) else None
        key = self.key_of_peer(tunnel, path, host)
        if tunnel.provisional:
            self.tunnels.peers.guess(tunnel, read_identity(identity), key)
        sa = self.begin_responder(tunnel, path, header.initiator_cookie, aggressive=True, key=key)
        try:
            sa.policy, sa.lifetime, sa.sa_body = choice.policy, choice.lifetime, body_of(chain, SaPayload)
            self.take_identity(sa, identity)
            self.read_vendor_ids(sa, chain)
            public, own_nonce = self.make_key_pair(sa), core.random(NONCE_OCTETS)
            sa.publics, sa.nonces = (peer, public), (nonce, own_nonce)
            self.derive(sa)
        except (AbandonExchange, WireError):
            self.tunnels.drop(sa)
            raise
        sa.identity_body = body_of(chain, Identification)
        sa.advance(Event.RECEIVE_AM1)
        sa.reached_at = path.remote
        own = self.identity(sa)
        payloads: list[Payload] = [choice.answer, KeyExchange(public), Nonce(own_nonce), own, self.own_proof(sa, own)]
        payloads += [*self.vendor_ids(sa), *detection_payloads(sa, choice.policy.hash_row, path)]
        # Whoever sent message 1 may not be where it came from: this long answer is given once, and again if asked for.
        self.send(sa, path, push_message(header_of(sa, ExchangeType.AGGRESSIVE), payloads), data, repeat=False)

    def handle(self, sa: IsakmpSa, header: Header, data: bytes, path: Path) -> None:
        """Messages 2 and 3; what does not prove the key changes nothing."""
        if data == sa.retransmission.request:
            self.answer_again(sa, path)
            return
        expected = sa.expects()
        if expected not in (Event.RECEIVE_AM2, Event.RECEIVE_AM3) or not sa.aggressive:
            self.core.counters["unexpected_messages"] += 1
            return
        try:
            if expected is Event.RECEIVE_AM2:
                self._message_2(sa, header, data, path)
            else:
                self._message_3(sa, header, data, path)
        except InvalidHash:
            if not sa.undecryptable:
                self.wrong_key(sa, 2 if expected is Event.RECEIVE_AM2 else 3, "the proof is wrong")

    def _message_2(self, sa: IsakmpSa, header: Header, data: bytes, path: Path) -> None:
        chain = pull_chain(header.next_payload, data, HEADER_OCTETS)
        peer, nonce = one(chain, KeyExchange).data, nonce_of(chain)
        trial = replace(sa, cookie_r=header.responder_cookie)
        self.accept_choice(trial, one(chain, SaPayload))
        self.read_vendor_ids(trial, chain)
        trial.publics, trial.nonces = (sa.publics[0], peer), (sa.nonces[0], nonce)
        self.derive(trial)
        self.check_proof(trial, chain)
        self.rename(sa, trial.cookie_r)
        for name in _PROVEN:
            setattr(sa, name, getattr(trial, name))
        sa.answered_from(path)
        proof = self.own_proof(sa, self.identity(sa))  # of message 1, before a NAT was known
        self.read_nat(sa, chain, sa.path)
        self.tunnels.peers.admit(
            sa,
            path,
            lambda: self._send_message_3(sa, proof, chain, data),
            lambda text: self.refuse_identity(sa, header, path, text),
        )

    def _send_message_3(self, sa: IsakmpSa, proof: Payload, chain: Chain, data: bytes) -> None:
        if sa.keys is None or sa.policy is None:
            raise PayloadMalformed("no keys")
        payloads: list[Payload] = [
            proof,
            *detection_payloads(sa, sa.policy.hash_row, sa.path),
            *self.initial_contact(sa),
        ]
        if sa.nat:
            sa.path = sa.floated()
        message, sa.iv = seal(sa.keys, sa.iv, header_of(sa, ExchangeType.AGGRESSIVE), *push_chain(payloads))
        self.send(sa, sa.path, message, data, repeat=False)
        self.finish(sa, sa.path, chain.payloads, Event.RECEIVE_AM2)

    def _message_3(self, sa: IsakmpSa, header: Header, data: bytes, path: Path) -> None:
        if sa.keys is None:
            raise PayloadMalformed("no keys")
        if sa.judged:
            self.core.counters["duplicates"] += 1
            return
        iv = sa.iv
        if header.encrypted:
            chain, iv = unseal(sa.keys, sa.iv, header, data)
        else:
            chain = pull_chain(header.next_payload, data, HEADER_OCTETS)
        self.check_proof(sa, chain, sa.identity_body)
        self.read_nat(sa, chain, sa.path)  # NAT-D is about the ports before the float
        if not self.may_come_from(sa, path):
            self.core.counters["dropped_wrong_address"] += 1
            return
        self.tunnels.peers.admit(
            sa,
            path,
            lambda: self._authenticated(sa, iv, chain, data, path),
            lambda text: self.refuse_identity(sa, header, path, text),
        )

    def _authenticated(self, sa: IsakmpSa, iv: bytes, chain: Chain, data: bytes, path: Path) -> None:
        sa.iv = iv
        self.core.timers.cancel(("retransmit", sa))
        sa.retransmission.request, sa.retransmission.sent = data, b""
        self.finish(sa, path, chain.payloads, Event.RECEIVE_AM3)
