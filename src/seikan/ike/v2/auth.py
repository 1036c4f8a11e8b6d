"""IKE_AUTH: both sides prove who they are, and the first pair is made (RFC 7296 sections 1.2, 2.15, 2.21.2).

A responder answers when the peer's session is clear and the inbound SA is in place; the IKE SA is established with
that answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from seikan.crypto.certificates import CertificateRefused
from seikan.crypto.ikev2_auth import auth_octets, int_auth
from seikan.crypto.ikev2_keys import IkeKeys
from seikan.ike.core import Core
from seikan.ike.effects import Path
from seikan.ike.errors import AbandonExchange
from seikan.ike.facts import keys_of
from seikan.ike.sa import Tunnel
from seikan.ike.settings import Ikev2ProfileSettings, TrustpointSettings
from seikan.ike.status import Mismatch
from seikan.ike.v2.authentication import (
    METHOD_BY_WORD,
    PRE_SHARED,
    SIGNATURES,
    AuthFailure,
    allowed,
    check_shared_key,
    make_shared_key,
    method_text,
)
from seikan.ike.v2.certificates import Certificates, names_of, requested, sent
from seikan.ike.v2.child import Refusal
from seikan.ike.v2.identities import encode, find_key, find_peers, find_profile, key_among, read_identity
from seikan.ike.v2.messages import error_of, notifications, notified, notify_name, one
from seikan.ike.v2.ppk import Ppk, confirmed, no_ppk_auth, ppk_identity
from seikan.ike.v2.sa import Ikev2Sa, Request
from seikan.ike.v2.states import Event
from seikan.wire.errors import WireError
from seikan.wire.secret import Secret
from seikan.wire.v2.constants import AuthMethod, Exchange, Notify
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import Authentication, Identification, Notification, Payload, SaPayload

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels
    from seikan.ike.v2.resume import Ticket


def identity_text(payload: Identification) -> str:
    """An identity as the show commands print it; one of no known kind as a hexadecimal number."""
    found = read_identity(payload)
    return found.name if found is not None else payload.data[:64].hex()


Trusted = tuple[TrustpointSettings, tuple[bytes, ...]]  # a trustpoint, and the path from the peer's certificate to it


class Auth:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels
        self.certificates = Certificates(core, tunnels)
        self.ppk = Ppk(core)

    # -- keys and proofs ---------------------------------------------------------------------------------------------

    def can_prove(self, tunnel: Tunnel, profile: Ikev2ProfileSettings) -> bool:
        """Whether there is what this side proves itself with; else the error is stated."""
        method = profile.local_authentication
        if method is None:
            text = f"ikev2 profile {profile.name} has no authentication local ..."
            self.core.error(tunnel, "IKEV2_NO_AUTHENTICATION", text)
            return False
        if method in SIGNATURES:
            try:
                self.certificates.signer(profile)
            except AuthFailure as failure:
                self.core.error(tunnel, "IKEV2_NO_CERTIFICATE", str(failure), kind=failure.kind, **failure.known)
                return False
        identity = tunnel.session.identity if tunnel.session is not None else None
        if method == PRE_SHARED and find_key(profile, tunnel.settings.remote, identity, "local") is None:
            remote = tunnel.settings.remote
            where = f"keyring {profile.keyring}: peer ... address {remote}, pre-shared-key ..."
            if profile.keyring is None:
                where = "crypto ikev2 profile ...: keyring local ..."
            self.core.error(tunnel, "IKEV2_NO_PRESHARED_KEY", f"no pre-shared key for peer {remote} ({where})")
            return False
        return True

    @staticmethod
    def _octets(sa: Ikev2Sa, keys: IkeKeys, id_body: bytes, *, of_initiator: bool) -> bytes:
        """What the AUTH payload of a side covers."""
        message = sa.init_request if of_initiator else sa.init_response
        nonce = sa.nonces[1] if of_initiator else sa.nonces[0]
        sk_p = keys.sk_pi if of_initiator else keys.sk_pr
        intermediate = int_auth(*sa.int_auth, 1 + sa.intermediates)
        return auth_octets(message, nonce, keys.prf, sk_p, id_body, intermediate)

    def _own(self, sa: Ikev2Sa, keys: IkeKeys | None) -> tuple[Identification, list[Payload], Authentication]:
        """This side's identity, its certificates and its proof with these keys. Raises `AbandonExchange`."""
        if keys is None:
            raise InvalidSyntax("no keys")
        profile = self._profile(sa)
        signs = profile.local_authentication in SIGNATURES
        subject, certificates = self.certificates.own(profile) if signs else (None, [])
        local, hostname = sa.path.local, self.core.settings.hostname
        try:
            kind, data = encode(profile.identity_local, local=local, hostname=hostname, subject=subject)
        except ValueError as error:
            raise AuthFailure(str(error), "no-certificate", own=True) from error
        identity = Identification(sa.initiator, kind, data)
        sa.own_identity = identity_text(identity)
        if sa.ticket is not None:
            sa.local_authentication = METHOD_BY_WORD[profile.local_authentication or PRE_SHARED].shown
            return identity, [], self.tunnels.v2.resumption.own_proof(sa)
        octets = self._octets(sa, keys, identity.body, of_initiator=sa.initiator)
        if signs:
            return identity, certificates, self.certificates.prove(sa, profile, octets)
        session = sa.tunnel.session
        peer = sa.identity or (session.identity if session is not None else None)
        if sa.fitting is None or sa.identity is None:
            key = find_key(profile, sa.path.remote, peer, "local")
        else:
            key = key_among(profile, sa.fitting, "local")
        if profile.local_authentication != PRE_SHARED or key is None:
            raise AuthFailure(f"no pre-shared key for {sa.path.remote}", "no-key")
        sa.local_authentication = METHOD_BY_WORD[PRE_SHARED].shown
        return identity, [], make_shared_key(keys.prf, key, octets)

    @staticmethod
    def _profile(sa: Ikev2Sa) -> Ikev2ProfileSettings:
        if sa.profile is None:
            raise AuthFailure("no ikev2 profile", "no-profile")
        return sa.profile

    def _check(self, sa: Ikev2Sa, chain: Chain) -> Trusted | None:
        """The peer's identity and its proof, with what its certificate is trusted by. Raises `AbandonExchange` where
        it does not hold.
        """
        wanted = [
            row for row in chain.payloads if isinstance(row, Identification) and row.initiator is not sa.initiator
        ]
        if len(wanted) != 1 or sa.keys is None:
            raise InvalidSyntax("no identity")
        (identity,) = wanted
        sa.peer_identity, sa.identity = identity_text(identity), read_identity(identity)
        sa.authorities_asked |= requested(chain)
        self._choose_profile(sa, chain)
        profile, proof = self._profile(sa), one(chain, Authentication)
        sa.fitting = tuple(find_peers(profile, sa.path.remote, sa.identity))
        if sa.ticket is not None:
            self._check_ticket(sa, profile, sa.ticket, chain.body_of(identity), proof)
            return None
        if not allowed(proof.method, profile.remote_authentications):
            asked = " or ".join(profile.remote_authentications) or "nothing"
            raise AuthFailure(
                f"peer {sa.path.remote} authenticates by {method_text(proof.method)}, ikev2 profile {profile.name}"
                f" has authentication remote {asked}",
                "authentication-method",
            )
        if sa.initiator:
            sa.keys = self.ppk.accepted(sa, chain)
        else:
            sa.keys, proof = self.ppk.chosen(sa, chain, proof)
        octets = self._octets(sa, sa.keys, chain.body_of(identity), of_initiator=not sa.initiator)
        if proof.method == AuthMethod.SHARED_KEY:
            self._check_key(sa, profile, octets, proof)
            return None
        trusted = self.certificates.check(sa, profile, identity, chain, proof, octets)
        self.tunnels.peers.proved(sa, profile, Secret(), None)
        return trusted

    def _check_ticket(
        self, sa: Ikev2Sa, profile: Ikev2ProfileSettings, ticket: Ticket, id_body: bytes, proof: Authentication
    ) -> None:
        """The peer goes on where it was (RFC 5723): it is who it was, and has the keys."""
        if not self.tunnels.v2.resumption.holds(sa, id_body, proof):
            self.core.counters["authentication_failed"] += 1
            raise AuthFailure(f"peer {sa.path.remote} does not prove that the session was its own", "wrong-key")
        sa.remote_authentication = ticket.authentication
        key = key_among(profile, sa.fitting or ()) if ticket.check else None
        self.tunnels.peers.proved(sa, profile, key or Secret(), self._peer_of(sa, profile, key) if key else None)
        self.core.counters["ikev2_resumed"] += 1

    def _revocation(
        self, sa: Ikev2Sa, trusted: Trusted | None, go_on: Callable[[], None], refuse: Callable[[AuthFailure], None]
    ) -> None:
        if trusted is None:
            go_on()
        else:
            self.certificates.revocation(sa, *trusted, go_on, refuse)

    def _check_key(self, sa: Ikev2Sa, profile: Ikev2ProfileSettings, octets: bytes, proof: Authentication) -> None:
        key = key_among(profile, sa.fitting or ())
        if key is None or sa.keys is None:
            text = f"no pre-shared key for peer {sa.path.remote} with identity {sa.peer_identity}"
            raise AuthFailure(text, "no-key")
        if not check_shared_key(sa.keys.prf, key, octets, proof):
            self.core.counters["authentication_failed"] += 1
            text = f"pre-shared key for {sa.path.remote} (identity {sa.peer_identity}) differs from the peer's"
            raise AuthFailure(text, "wrong-key")
        sa.remote_authentication = METHOD_BY_WORD[PRE_SHARED].shown
        self.tunnels.peers.proved(sa, profile, key, self._peer_of(sa, profile, key))

    @staticmethod
    def _peer_of(sa: Ikev2Sa, profile: Ikev2ProfileSettings, key: Secret) -> str | None:
        """The keyring's peer that has the key; None where it was typed in the profile."""
        if profile.remote_key is not None:
            return None
        return next((row.name for row in sa.fitting or () if row.remote_key == key), None)

    def _choose_profile(self, sa: Ikev2Sa, chain: Chain) -> None:
        """A configured peer must be one that its profile matches; of an unknown one the identity tells the profile.

        What a certificate says counts here before it is verified, by what the profile trusts.
        """
        local, names = sa.path.local, None
        if sa.ticket is not None:
            return  # it says which profile
        signed = one(chain, Authentication).method != AuthMethod.SHARED_KEY
        certificates = sent(chain) if signed else ()  # beside a shared key nobody verifies them
        if certificates:
            try:
                names = names_of(certificates[0])
            except CertificateRefused as refused:
                raise AuthFailure(str(refused), "certificate-unusable") from refused
        if sa.tunnel.provisional:
            found = None
            if sa.identity is not None:
                found = find_profile(self.tunnels.peers.ikev2_candidates(local), local, sa.identity, names)
            if found is None:
                text = f"no ikev2 profile matches identity {sa.peer_identity} (match identity remote ...)"
                raise AuthFailure(text, "no-profile")
            sa.profile = found
            sa.tunnel.settings = replace(sa.tunnel.settings, ikev2_profile=found.name)
            return
        profile = self._profile(sa)
        if not profile.identities and not profile.certificate_maps:
            return
        if sa.identity is None or find_profile([profile], local, sa.identity, names) is None:
            self.core.counters["identity_refused"] += 1
            text = (
                f"peer {sa.path.remote} is {sa.peer_identity}, which ikev2 profile {profile.name} does not match"
                " (match identity remote ...)"
            )
            raise AuthFailure(text, "wrong-identity")

    # -- initiator ---------------------------------------------------------------------------------------------------

    def request(self, sa: Ikev2Sa) -> None:
        """IKE_SA_INIT is over: prove who this side is, and ask for the pair that is lacking most."""
        try:
            post_quantum = None if sa.ticket is not None else self.ppk.offered(sa)
            keys = sa.keys if sa.ticket is not None else self.ppk.request_keys(sa)
            identity, certificates, proof = self._own(sa, keys)
            beside = [] if post_quantum is None else [ppk_identity(post_quantum)]
            if post_quantum is not None and not post_quantum.required:
                beside.append(no_ppk_auth(self._own(sa, sa.keys)[2].data))
        except AbandonExchange as error:
            self._state(sa, error)
            self.tunnels.v2.fail(sa, str(error))
            return
        wanted = self.certificates.request_of([self._profile(sa)])
        payloads: list[Payload] = [identity, *certificates, *wanted, *self._contact(sa), proof, *beside]
        payloads += self.tunnels.v2.child.first_request(sa)
        payloads += [*self.announcements(sa), *self.tunnels.v2.mobike.announcement(sa)]
        payloads += self.tunnels.v2.resumption.request(sa)
        self.tunnels.v2.windows.request(
            sa, Request(Exchange.IKE_AUTH, lambda: payloads, lambda chain: self._answered(sa, chain))
        )

    def announcements(self, sa: Ikev2Sa) -> list[Payload]:
        size = self.tunnels.v2.windows.own_size
        found: list[Payload] = [Notification(Notify.ESP_TFC_PADDING_NOT_SUPPORTED)]
        if size > 1:
            found.append(Notification(Notify.SET_WINDOW_SIZE, size.to_bytes(4, "big")))
        return [*found, *self.tunnels.v2.crash.announce(sa)]

    @staticmethod
    def _contact(sa: Ikev2Sa) -> list[Payload]:
        """INITIAL_CONTACT where this side has no other SA with the peer (section 2.4)."""
        forced = sa.profile is not None and sa.profile.initial_contact_force
        if not forced and (sa.tunnel.children or any(other.established for other in sa.tunnel.ike_sas)):
            return []
        return [Notification(Notify.INITIAL_CONTACT)]

    def _answered(self, sa: Ikev2Sa, chain: Chain) -> None:
        error = error_of(chain)
        elsewhere = notified(chain, Notify.REDIRECT)
        if not any(isinstance(payload, Authentication) for payload in chain.payloads):
            name = notify_name(error.type) if error is not None else "no AUTH"
            self._rejected(sa, name)
            return
        try:
            trusted = self._check(sa, chain)
        except (AbandonExchange, WireError) as failure:
            self._disbelieve(sa, failure)
            return

        def admit() -> None:
            if elsewhere is not None and self.tunnels.v2.redirects.go(sa, elsewhere.data, b""):
                self.tunnels.v2.redirects.leave(sa)
                return
            self.tunnels.peers.admit(
                sa, sa.path, lambda: self._admitted(sa, chain), lambda text: self._identity_refused(sa, text)
            )

        self._revocation(sa, trusted, admit, lambda failure: self._disbelieve(sa, failure))

    def _disbelieve(self, sa: Ikev2Sa, failure: AbandonExchange | WireError) -> None:
        """The responder takes the IKE SA for complete, and hears that it is not (section 2.21.2)."""
        notify = failure.notify if isinstance(failure.notify, Notify) else Notify.AUTHENTICATION_FAILED
        self._state(sa, failure)
        self.tunnels.v2.informational.say_no(sa, notify)
        self.tunnels.v2.fail(sa, str(failure))

    def _rejected(self, sa: Ikev2Sa, name: str) -> None:
        text = f"peer {sa.path.remote} refuses IKE_AUTH ({name})"
        if name == Notify.AUTHENTICATION_FAILED.name:
            text += ": the keys differ, or it does not accept this side's identity; its own log knows"
        self.core.error(sa.tunnel, "IKEV2_REFUSED", text, vague=True)
        self.tunnels.v2.fail(sa, text)

    def _identity_refused(self, sa: Ikev2Sa, text: str) -> None:
        self.core.counters["identity_refused"] += 1
        self.core.error(sa.tunnel, "IKEV2_IDENTITY", text, identity=sa.identity)
        self.tunnels.v2.informational.say_no(sa, Notify.AUTHENTICATION_FAILED)
        self.tunnels.v2.fail(sa, text)

    def _admitted(self, sa: Ikev2Sa, chain: Chain) -> None:
        self.tunnels.v2.resumption.read(sa, chain)
        self._finish(sa, chain, Event.RECEIVE_AUTH_RESPONSE)
        exchange = sa.first_child
        sa.first_child = None
        contact = notified(chain, Notify.INITIAL_CONTACT) is not None
        if exchange is not None:
            self.tunnels.v2.child.answered(exchange, chain)
        if not sa.deleted:
            self.tunnels.established(sa, initial_contact=contact)

    # -- responder ---------------------------------------------------------------------------------------------------

    def respond(self, sa: Ikev2Sa, number: int, chain: Chain, path: Path) -> None:
        """The request. Whatever does not prove the peer ends the exchange (section 2.21.2)."""
        try:
            trusted = self._check(sa, chain)
            own = self._own(sa, sa.keys)
        except (AbandonExchange, WireError) as failure:
            self._refuse(sa, number, failure, path)
            return
        self.tunnels.admission.proven(sa)
        sa.reached_at = sa.path.remote  # where our answer went; the request may come from anywhere, or say so

        def admit() -> None:
            elsewhere = self.tunnels.v2.redirects.answer_proven(sa)
            if elsewhere is not None:
                self._send_elsewhere(sa, number, path, own, elsewhere)
                return
            self.tunnels.peers.admit(
                sa,
                path,
                lambda: self._make_first(sa, number, chain, path, own),
                lambda text: self._refuse(sa, number, AuthFailure(text, "wrong-identity"), path),
            )

        self._revocation(sa, trusted, admit, lambda failure: self._refuse(sa, number, failure, path))

    def _state(self, sa: Ikev2Sa, failure: AbandonExchange | WireError) -> None:
        """Say why the peer is not authenticated; as responder only its word, so far, says who it is."""
        kind: str | None = None
        rows: tuple[Mismatch, ...] = ()
        about: dict[str, Any] = {"identity": sa.identity, "remote": sa.path.remote}
        if sa.profile is not None:
            about |= {"profile": sa.profile.name, **keys_of(sa.profile, sa.path.remote, sa.identity)}
        if isinstance(failure, AuthFailure):
            kind, rows = failure.kind, failure.mismatches
            about |= failure.known
        text = str(failure)
        self.core.error(sa.tunnel, "IKEV2_AUTH_FAILED", text, rows, unproven=not sa.initiator, kind=kind, **about)

    def _refuse(self, sa: Ikev2Sa, number: int, failure: AbandonExchange | WireError, path: Path) -> None:
        core, tunnel = self.core, sa.tunnel
        core.counters["ikev2_auth_refused"] += 1
        self._state(sa, failure)
        sa.path = path
        kind = failure.notify if isinstance(failure.notify, Notify) else Notify.AUTHENTICATION_FAILED
        self.tunnels.v2.windows.respond(sa, Exchange.IKE_AUTH, number, [Notification(kind)])
        self.tunnels.drop(sa, linger=True)
        if not tunnel.provisional:
            self.tunnels.back_off(tunnel)

    def _send_elsewhere(
        self,
        sa: Ikev2Sa,
        number: int,
        path: Path,
        own: tuple[Identification, list[Payload], Authentication],
        elsewhere: Notification,
    ) -> None:
        """The peer is proved, and has to go to another gateway: it gets no pair here (RFC 5685 section 6)."""
        identity, certificates, proof = own
        sa.path = path
        answer = [identity, *certificates, proof, *([confirmed()] if sa.ppk_used else []), elsewhere]
        self.tunnels.v2.windows.respond(sa, Exchange.IKE_AUTH, number, answer)
        self.tunnels.drop(sa, linger=True)

    def _make_first(
        self,
        sa: Ikev2Sa,
        number: int,
        chain: Chain,
        path: Path,
        own: tuple[Identification, list[Payload], Authentication],
    ) -> None:
        """Make the first pair; the answer waits for its inbound SA."""
        sa.path = path

        def done(child: Sequence[Payload]) -> None:
            identity, certificates, proof = own
            beside = [confirmed()] if sa.ppk_used else []
            more = [*self.announcements(sa), *self.tunnels.v2.mobike.announcement(sa, chain)]
            more += self.tunnels.v2.resumption.answer(sa, chain)
            self._answer(sa, number, chain, [identity, *certificates, proof, *beside, *child, *more])

        if not any(isinstance(payload, SaPayload) for payload in chain.payloads):
            done([])
            return
        try:
            self.tunnels.v2.child.respond(sa, chain, done, first=True)
        except Refusal as refusal:
            done([refusal.payload])

    def _answer(self, sa: Ikev2Sa, number: int, chain: Chain, payloads: Sequence[Payload]) -> None:
        if sa.deleted:
            return
        contact = notified(chain, Notify.INITIAL_CONTACT) is not None
        self.tunnels.v2.windows.respond(sa, Exchange.IKE_AUTH, number, payloads)
        self._finish(sa, chain, Event.RECEIVE_AUTH)
        self.tunnels.established(sa, initial_contact=contact)

    # -- both --------------------------------------------------------------------------------------------------------

    def _finish(self, sa: Ikev2Sa, chain: Chain, event: Event) -> None:
        """The peer is authenticated."""
        core = self.core
        sa.advance(event)
        sa.tunnel.peer_behind_nat = sa.nat_remote
        self.read_window(sa, chain)
        self.tunnels.v2.mobike.read(sa, chain)
        self.tunnels.v2.crash.read(sa, chain)
        sa.conn_id = core.next_conn_id()
        sa.established_at = sa.begun_at = core.now
        sa.lifetime = self._profile(sa).lifetime
        sa.dpd = True
        self.tunnels.admission.complete(sa)
        core.timers.cancel(("half-open", sa))
        sa.forget_exchange()
        core.counters["ikev2_sas_established"] += 1
        core.log(5, "SA_UP", "SA UP", "IKEV2")
        core.debug("ikev2", "{.label}: authenticated {} at {}", sa, sa.peer_identity, sa.path.remote)

    @staticmethod
    def read_window(sa: Ikev2Sa, chain: Chain) -> None:
        for payload in notifications(chain):
            if payload.type == Notify.SET_WINDOW_SIZE and len(payload.data) == 4:
                sa.window.size = max(sa.window.size, min(int.from_bytes(payload.data, "big"), 64))
