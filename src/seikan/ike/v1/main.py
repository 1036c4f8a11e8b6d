"""Main mode with pre-shared keys (RFC 2409 section 5.4): three round trips, identities encrypted."""

from __future__ import annotations

from seikan.ike.effects import Path
from seikan.ike.errors import AbandonExchange
from seikan.ike.nat import detection_payloads
from seikan.ike.policy import choose, explain, negotiable, offer
from seikan.ike.sa import Tunnel
from seikan.ike.states import Event
from seikan.ike.v1.envelope import InvalidHash, header_of, seal, unseal
from seikan.ike.v1.phase1 import NONCE_OCTETS, Phase1, body_of, nonce_of, one
from seikan.ike.v1.sa import IsakmpSa
from seikan.wire.constants import ExchangeType, NotifyType
from seikan.wire.errors import PayloadMalformed, WireError
from seikan.wire.header import HEADER_OCTETS, Header
from seikan.wire.message import Chain, pull_chain, push_chain, push_message
from seikan.wire.payloads import KeyExchange, Nonce, Payload, SaPayload, push_sa


class MainMode(Phase1):
    name = "Main"

    def start(self, tunnel: Tunnel) -> bool:
        """Send message 1; False where a policy or the key is missing."""
        sa = self.begin_initiator(tunnel, aggressive=False)
        if sa is None:
            return False
        payload = offer(negotiable(self.core.settings.policies))
        sa.offered, sa.sa_body = payload, push_sa(payload)
        sa.advance(Event.SEND_MM1)
        self.core.debug("isakmp", "{}: beginning Main Mode exchange with {}", sa.label, sa.path.remote)
        self._send_clear(sa, sa.path, [payload, *self.vendor_ids(sa)], repeat=True)
        return True

    def respond(self, tunnel: Tunnel, header: Header, data: bytes, path: Path) -> None:
        """Message 1 of a peer whose address is a tunnel's. Raises `AbandonExchange` or a `WireError`."""
        core = self.core
        chain = pull_chain(header.next_payload, data, HEADER_OCTETS)
        payload = one(chain, SaPayload)
        policies = negotiable(core.settings.policies)
        choice = choose(policies, payload)
        if choice is None:
            core.counters["no_proposal_chosen"] += 1
            text = f"no isakmp policy in common with peer {path.remote}"
            core.error(tunnel, "IKMP_NO_PROPOSAL", text, explain(policies, payload), unproven=True)
            raise AbandonExchange(text)
        key = self.key_of_peer(tunnel, path)
        sa = self.begin_responder(tunnel, path, header.initiator_cookie, aggressive=False, key=key)
        sa.policy, sa.lifetime, sa.sa_body = choice.policy, choice.lifetime, body_of(chain, SaPayload)
        self.read_vendor_ids(sa, chain)
        sa.advance(Event.RECEIVE_MM1)
        core.debug(
            "isakmp", "{}: atts of policy {} are acceptable to {}", sa.label, choice.policy.priority, path.remote
        )
        self._send_clear(sa, path, [choice.answer, *self.vendor_ids(sa)], data)

    def handle(self, sa: IsakmpSa, header: Header, data: bytes, path: Path) -> None:
        """A later message; one that does not fit the state is counted and dropped."""
        if data == sa.retransmission.request:
            self.answer_again(sa, path)
            return
        expected = sa.expects()
        encrypted = expected in (Event.RECEIVE_MM5, Event.RECEIVE_MM6)
        if expected is None or sa.aggressive:
            self.core.counters["unexpected_messages"] += 1
            return
        if header.encrypted is not encrypted:
            self.core.counters["not_encrypted" if encrypted else "unexpected_messages"] += 1
            if encrypted and not sa.undecryptable:
                sa.undecryptable = True
                if self.core.error_replies.allow("log", self.core.now):
                    text = f"IKE packet from {path.remote} was not encrypted and it should've been."
                    self.core.log(6, "IKMP_NOT_ENCRYPTED", text)
            return
        if encrypted:
            self._authenticate(sa, header, data, path, expected)
            return
        chain = pull_chain(header.next_payload, data, HEADER_OCTETS)
        match expected:
            case Event.RECEIVE_MM2:
                self._message_2(sa, header, chain, data, path)
            case Event.RECEIVE_MM3:
                self._message_3(sa, chain, data, path)
            case Event.RECEIVE_MM4:
                self._message_4(sa, chain, data, path)

    def _message_2(self, sa: IsakmpSa, header: Header, chain: Chain, data: bytes, path: Path) -> None:
        self.accept_choice(sa, one(chain, SaPayload))
        self.read_vendor_ids(sa, chain)
        self.rename(sa, header.responder_cookie)
        sa.answered_from(path)
        sa.advance(Event.RECEIVE_MM2)
        public = self.make_key_pair(sa)
        nonce = self.core.random(NONCE_OCTETS)
        sa.publics, sa.nonces = (public, b""), (nonce, b"")
        self._send_clear(sa, sa.path, self._key_payloads(sa, public, nonce, sa.path), data, repeat=True)

    def _message_3(self, sa: IsakmpSa, chain: Chain, data: bytes, path: Path) -> None:
        peer, nonce = one(chain, KeyExchange).data, nonce_of(chain)
        self.read_vendor_ids(sa, chain)
        self.read_nat(sa, chain, path)
        public = self.make_key_pair(sa)
        own_nonce = self.core.random(NONCE_OCTETS)
        sa.publics, sa.nonces = (peer, public), (nonce, own_nonce)
        self.derive(sa)
        sa.advance(Event.RECEIVE_MM3)
        sa.reached_at = path.remote
        self.tunnels.admission.proven(sa)
        self._send_clear(sa, path, self._key_payloads(sa, public, own_nonce, path), data)

    def _message_4(self, sa: IsakmpSa, chain: Chain, data: bytes, path: Path) -> None:
        peer, nonce = one(chain, KeyExchange).data, nonce_of(chain)
        self.read_vendor_ids(sa, chain)
        self.read_nat(sa, chain, sa.path)
        sa.publics, sa.nonces = (sa.publics[0], peer), (sa.nonces[0], nonce)
        self.derive(sa)
        if sa.keys is None:
            raise PayloadMalformed("no keys")
        sa.advance(Event.RECEIVE_MM4)
        if sa.nat:
            sa.path = sa.floated()
        identity = self.identity(sa)
        payloads: list[Payload] = [identity, self.own_proof(sa, identity), *self.initial_contact(sa)]
        message, sa.iv = seal(sa.keys, sa.iv, header_of(sa, ExchangeType.MAIN), *push_chain(payloads))
        self.send(sa, sa.path, message, data, repeat=True)

    def _authenticate(self, sa: IsakmpSa, header: Header, data: bytes, path: Path, expected: Event) -> None:
        """Messages 5 and 6. What cannot be read changes nothing: anybody could have sent it."""
        number = 5 if expected is Event.RECEIVE_MM5 else 6
        if sa.keys is None:
            raise PayloadMalformed("no keys")
        if not self.may_come_from(sa, path):
            self.core.counters["dropped_wrong_address"] += 1
            return
        if sa.judged:
            self.core.counters["duplicates"] += 1
            return
        try:
            chain, iv = unseal(sa.keys, sa.iv, header, data)
            self.check_proof(sa, chain)
        except WireError as error:
            self.core.counters["undecryptable"] += 1
            if not sa.undecryptable:
                what = "the proof is wrong" if isinstance(error, InvalidHash) else "could not be decrypted"
                self.wrong_key(sa, number, what)
            if number == 5:
                self.core.send_error(header, path, NotifyType.PAYLOAD_MALFORMED)
            return
        if expected is Event.RECEIVE_MM6:
            sa.iv = iv
        self.tunnels.peers.admit(
            sa,
            path,
            lambda: self._authenticated(sa, iv, chain, data, path, expected),
            lambda text: self.refuse_identity(sa, header, path, text),
        )

    def _authenticated(self, sa: IsakmpSa, iv: bytes, chain: Chain, data: bytes, path: Path, received: Event) -> None:
        sa.iv = iv
        if received is Event.RECEIVE_MM5:
            if sa.keys is None:
                raise PayloadMalformed("no keys")
            sa.path = path
            identity = self.identity(sa)
            payloads: list[Payload] = [identity, self.own_proof(sa, identity)]
            message, sa.iv = seal(sa.keys, sa.iv, header_of(sa, ExchangeType.MAIN), *push_chain(payloads))
            self.send(sa, path, message, data, repeat=False)
        self.finish(sa, sa.path if sa.initiator else path, chain.payloads, received)

    def _key_payloads(self, sa: IsakmpSa, public: bytes, nonce: bytes, path: Path) -> list[Payload]:
        found: list[Payload] = [KeyExchange(public), Nonce(nonce)]
        if sa.policy:
            found += detection_payloads(sa, sa.policy.hash_row, path)
        return found

    def _send_clear(
        self, sa: IsakmpSa, path: Path, payloads: list[Payload], request: bytes = b"", *, repeat: bool = False
    ) -> None:
        self.send(sa, path, push_message(header_of(sa, ExchangeType.MAIN), payloads), request, repeat=repeat)
