"""What main mode and aggressive mode share: vendor IDs, keys, identities, the proofs, the beginning and the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, TypeVar

from seikan.crypto.key_exchange import InvalidPublicValue
from seikan.crypto.keys import derive_phase1, phase1_hash
from seikan.crypto.prf import same
from seikan.ike.core import MAX_ANSWERS, MAX_TRIES, TRIES_UNTIL_TOLD, Core
from seikan.ike.effects import Path
from seikan.ike.errors import AbandonExchange
from seikan.ike.identity import read_identity
from seikan.ike.nat import detect
from seikan.ike.policy import choose, negotiable, own_offer, was_offered
from seikan.ike.preshared import Key
from seikan.ike.sa import Tunnel
from seikan.ike.states import Event, Role, State
from seikan.ike.v1.envelope import InvalidHash
from seikan.ike.v1.sa import IsakmpSa
from seikan.wire.constants import IKE_PORT, IdentityType, NotifyType
from seikan.wire.errors import PayloadMalformed
from seikan.wire.header import NO_COOKIE, Header
from seikan.wire.message import Chain
from seikan.wire.payloads import (
    HashPayload,
    Identification,
    NatDetection,
    Nonce,
    Notification,
    Payload,
    SaPayload,
    VendorId,
    push_identification,
)
from seikan.wire.vendor import FRAGMENTATION_CAPABILITIES, NAT_T_VENDORS, Vendor, recognize

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

NONCE_OCTETS = 32
NONCE_LIMITS = (8, 256)  # RFC 2409 section 5
HALF_OPEN_LIFETIME = 30.0  # seconds a responder waits for the next message
UDP = 17
REPEAT_KEPT = 60.0  # seconds in which the last request is answered again

P = TypeVar("P")


def one(chain: Chain, kind: type[P]) -> P:
    """The one payload of `kind`, or `PayloadMalformed`."""
    found = [payload for payload in chain.payloads if isinstance(payload, kind)]
    if len(found) != 1:
        raise PayloadMalformed(f"{len(found)} payloads {kind.__name__} where one is expected")
    return found[0]


def body_of(chain: Chain, kind: type[Payload]) -> bytes:
    """The octets of the first payload of `kind`, as received."""
    return next(body for payload, body in zip(chain.payloads, chain.bodies, strict=True) if isinstance(payload, kind))


def nonce_of(chain: Chain) -> bytes:
    data = one(chain, Nonce).data
    if not NONCE_LIMITS[0] <= len(data) <= NONCE_LIMITS[1]:
        raise PayloadMalformed(f"a nonce of {len(data)} octets")
    return data


def identity_text(identity: Identification) -> str:
    """An identity as the show commands print it; unprintable octets as a hexadecimal number."""
    if identity.type == IdentityType.IPV4_ADDR and len(identity.data) == 4:
        return str(IPv4Address(identity.data))
    if identity.type == IdentityType.IPV6_ADDR and len(identity.data) == 16:
        return str(IPv6Address(identity.data))
    text = identity.data.decode("ascii", "replace")
    return text if text.isprintable() and "\ufffd" not in text and len(text) < 256 else identity.data[:64].hex()


class Phase1:
    """Common ground of both phase 1 exchanges; a subclass is one of them."""

    name = ""

    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    # -- beginning ---------------------------------------------------------------------------------------------------

    def begin_initiator(self, tunnel: Tunnel, aggressive: bool) -> IsakmpSa | None:
        """A new SA with its key, or None and a stated error."""
        core = self.core
        if not negotiable(core.settings.policies):
            core.error(
                tunnel, "IKMP_NO_POLICY", "no crypto isakmp policy with authentication pre-share, a cipher and a group"
            )
            return None
        path = tunnel.way()
        key = self.tunnels.peers.key_for(tunnel, path)
        if key is None:
            self.no_key(tunnel)
            return None
        if not self.tunnels.admission.admits_own(tunnel):
            return None
        sa = IsakmpSa(
            tunnel, Role.INITIATOR, path, core.now, key=key, aggressive=aggressive, cookie_i=core.new_cookie()
        )
        self.tunnels.add(sa)
        return sa

    def key_of_peer(self, tunnel: Tunnel, path: Path, host: str | None = None) -> Key:
        """The key for a peer that begins, known by its address or a name that it gave; else `AbandonExchange`."""
        key = self.tunnels.peers.key_for(tunnel, path, host)
        if key is None:
            if tunnel.provisional:
                self.core.counters["strangers_without_key"] += 1
            else:
                self.no_key(tunnel)
            raise AbandonExchange("no pre-shared key for this peer", NotifyType.AUTHENTICATION_FAILED)
        return key

    def begin_responder(self, tunnel: Tunnel, path: Path, cookie_i: bytes, aggressive: bool, key: Key) -> IsakmpSa:
        """A new half-open SA; the caller has checked the limits and the proposal."""
        core = self.core
        sa = IsakmpSa(tunnel, Role.RESPONDER, path, core.now, key=key, aggressive=aggressive)
        sa.cookie_i, sa.cookie_r = cookie_i, core.new_cookie()
        self.tunnels.add(sa)
        core.timers.set(("half-open", sa), core.now + HALF_OPEN_LIFETIME, lambda: self.half_open_expired(sa))
        return sa

    def rename(self, sa: IsakmpSa, cookie_r: bytes) -> None:
        """The responder's cookie is known."""
        if cookie_r == NO_COOKIE:
            return
        del self.core.ike_sas[sa.cookie_i, sa.cookie_r]
        sa.cookie_r = cookie_r
        self.core.ike_sas[sa.cookie_i, sa.cookie_r] = sa

    def no_key(self, tunnel: Tunnel) -> None:
        remote, profile = tunnel.settings.remote, tunnel.settings.isakmp_profile
        where = "crypto isakmp key ..." if profile is None else f"in the keyrings of isakmp profile {profile}:"
        text = f"no pre-shared key for peer {remote} ({where} address {remote})"
        if profile is not None and profile not in self.core.profiles:
            text = f"isakmp profile {profile} does not exist (crypto isakmp profile {profile})"
        self.core.error(tunnel, "IKMP_NO_PRESHARED_KEY", text)

    def half_open_expired(self, sa: IsakmpSa) -> None:
        self.core.counters["half_open_expired"] += 1
        self.core.debug("isakmp", "{}: peer {} did not go on, {}", sa.label, sa.path.remote, sa.state.value)
        self.tunnels.drop(sa)
        self.tunnels.evaluate(sa.tunnel)

    @staticmethod
    def may_come_from(sa: IsakmpSa, path: Path) -> bool:
        """Whether the message that completes phase 1 may come by `path`: only a peer behind a NAT is elsewhere."""
        if path == sa.path or not sa.nat or path.local != sa.path.local:
            return path == sa.path
        return sa.nat_remote or path == sa.floated()

    # -- vendor IDs --------------------------------------------------------------------------------------------------

    def vendor_ids(self, sa: IsakmpSa) -> list[Payload]:
        """What we announce: as responder only the NAT traversal chosen."""
        settings = self.core.settings
        found: list[Payload] = []
        if settings.nat_transparency:
            vendors: Iterable[Vendor] = NAT_T_VENDORS if sa.initiator else [sa.nat_vendor] if sa.nat_vendor else []
            found += [VendorId(vendor.value) for vendor in vendors]
        found += [VendorId(Vendor.DPD.value), VendorId(Vendor.SEIKAN.value)]
        if settings.fragmentation:
            found.append(VendorId(Vendor.FRAGMENTATION.value + FRAGMENTATION_CAPABILITIES))
        return found

    def read_vendor_ids(self, sa: IsakmpSa, chain: Chain) -> None:
        found = {recognize(payload.data) for payload in chain.payloads if isinstance(payload, VendorId)}
        sa.dpd = sa.dpd or Vendor.DPD in found
        sa.peer_ranks = sa.peer_ranks or Vendor.SEIKAN in found
        sa.fragmentation = sa.fragmentation or (self.core.settings.fragmentation and Vendor.FRAGMENTATION in found)
        if sa.nat_vendor is None and self.core.settings.nat_transparency:
            sa.nat_vendor = next((vendor for vendor in NAT_T_VENDORS if vendor in found), None)

    def read_nat(self, sa: IsakmpSa, chain: Chain, path: Path) -> None:
        if sa.policy is None:
            return
        payloads = [payload for payload in chain.payloads if isinstance(payload, NatDetection)]
        sa.nat_local, sa.nat_remote = detect(sa, sa.policy.hash_row, path, payloads)
        if payloads:
            text = "{}: NAT detection: this side behind NAT {}, peer {}"
            self.core.debug("isakmp", text, sa.label, sa.nat_local, sa.nat_remote)

    # -- keys and proofs ---------------------------------------------------------------------------------------------

    def accept_choice(self, sa: IsakmpSa, payload: SaPayload) -> None:
        """As initiator: the responder's choice must be one transform that we offered."""
        policies = negotiable(self.core.settings.policies)
        choice = choose(policies, payload)
        if choice is None or sa.offered is None or not was_offered(sa.offered, payload):
            raise PayloadMalformed("the responder chose a proposal that was not offered")
        sa.policy, sa.lifetime = choice.policy, choice.lifetime

    def make_key_pair(self, sa: IsakmpSa) -> bytes:
        group = sa.policy.group_row if sa.policy else None
        if group is None:
            raise PayloadMalformed("no group agreed")
        sa.key_pair = self.core.key_pair(group)
        return sa.key_pair.public

    def derive(self, sa: IsakmpSa) -> None:
        """Everything phase 1 derives, once both public values and nonces are there."""
        policy = sa.policy
        encryption = policy.encryption_row if policy else None
        if policy is None or encryption is None or sa.key_pair is None or sa.key is None:
            raise PayloadMalformed("keys are asked for too early")
        try:
            shared = sa.key_pair.shared(sa.publics[1] if sa.initiator else sa.publics[0])
        except InvalidPublicValue as error:
            raise PayloadMalformed(str(error)) from error
        sa.keys = derive_phase1(
            policy.hash_row,
            encryption,
            sa.key.secret,
            nonces=sa.nonces,
            cookies=(sa.cookie_i, sa.cookie_r),
            publics=sa.publics,
            shared=shared,
        )
        sa.iv = sa.keys.iv

    def identity(self, sa: IsakmpSa) -> Identification:
        """Our phase 1 identity (RFC 2407 section 4.6.2); a floated exchange names no port (RFC 3947 section 4)."""
        settings, tunnel = self.core.settings, sa.tunnel.settings
        port = 0 if sa.nat else IKE_PORT
        profile = self.core.profile_of(sa.tunnel)
        chosen = profile.self_identity if profile else None
        kind, name = settings.identity, settings.hostname
        if sa.aggressive and sa.initiator and tunnel.aggressive_identity:
            kind, name = "fqdn", tunnel.aggressive_identity
        elif chosen is not None:
            kind, name = chosen.kind, chosen.name or settings.hostname
        if kind in ("hostname", "fqdn", "user-fqdn"):
            user = kind == "user-fqdn" or (kind == "fqdn" and "@" in name)
            return Identification(IdentityType.USER_FQDN if user else IdentityType.FQDN, UDP, port, name.encode())
        address = sa.path.local
        four = address.version == 4
        return Identification(IdentityType.IPV4_ADDR if four else IdentityType.IPV6_ADDR, UDP, port, address.packed)

    def own_proof(self, sa: IsakmpSa, identity: Identification) -> HashPayload:
        """HASH_I of an initiator, HASH_R of a responder."""
        return HashPayload(self._proof(sa, push_identification(identity), of_initiator=sa.initiator))

    def check_proof(self, sa: IsakmpSa, chain: Chain, identity_body: bytes = b"") -> None:
        """The peer's proof over its identity (`identity_body` where sent before); raises `InvalidHash`."""
        identity = None if identity_body else one(chain, Identification)
        body = identity_body or body_of(chain, Identification)
        if not same(one(chain, HashPayload).data, self._proof(sa, body, of_initiator=not sa.initiator)):
            raise InvalidHash("the peer does not prove the pre-shared key")
        if identity:
            self.take_identity(sa, identity)

    @staticmethod
    def take_identity(sa: IsakmpSa, identity: Identification) -> None:
        """Who the peer says it is; nothing follows from it before it has proved its key."""
        sa.peer_identity, sa.identity = identity_text(identity), read_identity(identity)

    @staticmethod
    def _proof(sa: IsakmpSa, identity: bytes, *, of_initiator: bool) -> bytes:
        if sa.keys is None:
            raise InvalidHash("no keys yet")
        own, other = (0, 1) if of_initiator else (1, 0)
        cookies = (sa.cookie_i, sa.cookie_r)
        return phase1_hash(
            sa.keys, sa.publics[own], sa.publics[other], cookies[own], cookies[other], sa.sa_body, identity
        )

    # -- sending -----------------------------------------------------------------------------------------------------

    def send(self, sa: IsakmpSa, path: Path, data: bytes, request: bytes = b"", *, repeat: bool) -> None:
        """Send the next message; `request` is what it answers, `repeat` arms the retransmission timer."""
        state = sa.retransmission
        state.sent, state.request, state.tries, state.answers = data, request, 0, 0
        self.core.send(sa, path, data)
        self.core.timers.cancel(("retransmit", sa))
        if repeat:
            self.core.retransmit(("retransmit", sa), 0, lambda: self.repeat(sa))

    def repeat(self, sa: IsakmpSa) -> None:
        """The retransmission timer: again, or give up after `MAX_TRIES`."""
        state = sa.retransmission
        if state.tries >= MAX_TRIES:
            self.give_up(sa)
            return
        state.tries += 1
        self.core.counters["retransmissions"] += 1
        self.core.debug("isakmp", "{}: retransmitting phase 1 {} {}", sa.label, sa.state.value, state.tries)
        self.core.send(sa, sa.way(self.core.now), state.sent)
        self.core.retransmit(("retransmit", sa), state.tries, lambda: self.repeat(sa))
        if state.tries == TRIES_UNTIL_TOLD and sa.initiator and not sa.tunnel.trouble.since(sa.created):
            self.core.error(sa.tunnel, "IKMP_NO_ANSWER", self._silence(sa), vague=True, kind=self._meaning(sa))

    def answer_again(self, sa: IsakmpSa, path: Path) -> None:
        """The peer repeated its last message: so do we, a bounded number of times."""
        state = sa.retransmission
        self.core.counters["duplicates"] += 1
        if state.sent and state.answers < MAX_ANSWERS:
            state.answers += 1
            self.core.send(sa, path if not sa.established else sa.path, state.sent)

    @staticmethod
    def _meaning(sa: IsakmpSa) -> str:
        return "wrong-key" if sa.state is State.MM_KEY_EXCH else "no-answer"

    def _silence(self, sa: IsakmpSa) -> str:
        """What it most likely means that the last message has no answer."""
        remote = sa.path.remote
        if sa.state is State.MM_KEY_EXCH:
            return (
                f"peer {remote} does not answer message 5: its pre-shared key probably differs, or it does not accept "
                "our identity; its own log knows"
            )
        return f"peer {remote} does not answer ({self.name} mode, {sa.state.value})"

    def give_up(self, sa: IsakmpSa) -> None:
        remote = sa.path.remote
        text = self._silence(sa)
        self.tunnels.failed(sa.tunnel, text)
        self.fail(sa, text, waited=True)
        self.tunnels.sessions.silent(sa.tunnel, sa.created, f"peer {remote} does not answer")

    # -- ending ------------------------------------------------------------------------------------------------------

    def fail(self, sa: IsakmpSa, text: str, *, waited: bool = False) -> None:
        """The exchange is over without an SA; the tunnel tries again later, or soon where it has `waited` for it.
        A better explanation given before stays.
        """
        core, tunnel = self.core, sa.tunnel
        explained = tunnel.trouble.since(sa.created)
        core.counters["phase1_failed"] += 1
        self.tunnels.drop(sa)
        if not explained:
            core.error(tunnel, "IKMP_NO_ANSWER", text, vague=True)
        core.log(6, "IKMP_MODE_FAILURE", f"Processing of {self.name} mode failed with peer at {sa.path.remote}")
        (self.tunnels.evaluate_soon if waited else self.tunnels.back_off)(tunnel)

    def refused(self, sa: IsakmpSa, kind: int) -> None:
        """An error notify in clear: nobody vouches for it, so it only explains a failure that may follow."""
        if kind == NotifyType.NO_PROPOSAL_CHOSEN and sa.state in (State.MM_NO_STATE, State.AG_NO_STATE):
            self.core.error(
                sa.tunnel,
                "IKMP_NO_PROPOSAL",
                f"peer {sa.path.remote} accepts no isakmp policy offered (NO-PROPOSAL-CHOSEN)",
                own_offer(negotiable(self.core.settings.policies)),
                vague=True,
            )
        elif sa.state in (State.MM_NO_STATE, State.AG_NO_STATE):
            text = f"peer {sa.path.remote} refuses phase 1 ({notify_name(kind)})"
            self.core.error(sa.tunnel, "IKMP_REFUSED", text, vague=True)
        elif sa.state is State.MM_KEY_EXCH and sa.initiator and kind == NotifyType.AUTHENTICATION_FAILED:
            text = f"peer {sa.path.remote} refuses our identity (AUTHENTICATION-FAILED)"
            self.core.error(sa.tunnel, "IKMP_REFUSED", text, vague=True)
        elif sa.state is State.MM_KEY_EXCH and sa.initiator:
            self.wrong_key(sa, 5, f"the peer answered {notify_name(kind)}", vague=True)

    def unreadable_answer(self, sa: IsakmpSa) -> None:
        """Something encrypted came where message 6 is due, more than once: most likely an error under other keys."""
        if sa.initiator and sa.state is State.MM_KEY_EXCH and sa.retransmission.tries:
            self.wrong_key(sa, 5, "the peer answers with what cannot be read", vague=True)

    def wrong_key(self, sa: IsakmpSa, message: int, evidence: str, *, vague: bool = False) -> None:
        sa.undecryptable = True
        self.core.counters["authentication_failed"] += 1
        self.core.error(
            sa.tunnel,
            "IKMP_BAD_KEY",
            f"pre-shared key for {sa.path.remote} differs from the peer's (message {message}: {evidence})",
            vague=vague,
        )

    def initial_contact(self, sa: IsakmpSa) -> list[Payload]:
        """INITIAL-CONTACT (RFC 2407 section 4.6.3.3) where this side has no other SA with the peer."""
        if not sa.initiator or sa.tunnel.children or any(other.established for other in sa.tunnel.ike_sas):
            return []
        return [Notification(1, sa.cookie_i + sa.cookie_r, NotifyType.INITIAL_CONTACT)]

    def finish(self, sa: IsakmpSa, path: Path, payloads: Sequence[Payload], event: Event) -> None:
        """The peer is authenticated and phase 1 complete."""
        core = self.core
        sa.advance(event)
        sa.path = path
        sa.tunnel.peer_behind_nat = sa.nat_remote
        sa.conn_id = core.next_conn_id()
        sa.established_at = core.now
        self.tunnels.admission.complete(sa)
        core.timers.cancel(("half-open", sa))
        if sa.initiator and not sa.aggressive:
            core.timers.cancel(("retransmit", sa))
        sa.forget_exchange()
        core.timers.set(("forget", sa), core.now + REPEAT_KEPT, lambda: self.forget_answer(sa))
        core.debug("isakmp", "{}: SA has been authenticated with {}", sa.label, path.remote)
        contact = any(
            isinstance(payload, Notification) and payload.type == NotifyType.INITIAL_CONTACT for payload in payloads
        )
        self.tunnels.established(sa, initial_contact=contact)

    def refuse_identity(self, sa: IsakmpSa, header: Header, path: Path, text: str) -> None:
        """The peer of a tunnel has proved its key, but is none that the tunnel's isakmp profile matches."""
        core, tunnel = self.core, sa.tunnel
        core.counters["identity_refused"] += 1
        core.error(tunnel, "IKMP_IDENTITY", text)
        if sa.initiator:
            if not sa.aggressive:  # there it takes phase 1 for complete only with our next message
                self.tunnels.v1.informational.say_no(sa)
            self.fail(sa, text)
            return
        core.send_error(header, path, NotifyType.AUTHENTICATION_FAILED)
        core.counters["phase1_failed"] += 1
        self.tunnels.drop(sa)
        self.tunnels.back_off(tunnel)

    def forget_answer(self, sa: IsakmpSa) -> None:
        sa.retransmission.sent = sa.retransmission.request = b""


def notify_name(kind: int) -> str:
    """The RFC's word for a notify, or its number."""
    try:
        return NotifyType(kind).name.replace("_", "-")
    except ValueError:
        return f"notify {kind}"
