"""Rekeying of an IKE SA: a new one takes over its pairs, then the old one goes (RFC 7296 sections 1.3.2, 2.8, 2.18,
2.25.2).

An IKE SA and a pair are never changed at the same time: whoever would gets TEMPORARY_FAILURE and comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from seikan.crypto.ikev2_keys import rekey_ike_keys
from seikan.crypto.key_exchange import InvalidPublicValue
from seikan.ike.core import Core
from seikan.ike.states import Role
from seikan.ike.v2.child import TEMPORARY, Refusal
from seikan.ike.v2.init import NONCE_OCTETS
from seikan.ike.v2.messages import error_of, notify_name, one
from seikan.ike.v2.proposals import IkeChoice, choose_ike, explain_ike, ike_offer, was_offered
from seikan.ike.v2.sa import Ikev2Sa, Renewal, Request
from seikan.ike.v2.states import Event
from seikan.wire.constants import GROUP_BY_NUMBER
from seikan.wire.errors import WireError
from seikan.wire.secret import Secret
from seikan.wire.v2.constants import Exchange, Notify
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.header import NO_SPI
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import KeyExchange, Nonce, Notification, Payload, SaPayload

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

_SPI_OCTETS = 8


class Rekey:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    # -- initiator ---------------------------------------------------------------------------------------------------

    def start(self, sa: Ikev2Sa) -> bool:
        """Begin, or go on; False where the peer cannot, so that a new IKE SA has to be made from the start."""
        if sa.unrenewable:
            return False
        if sa.renewal is not None or sa.successor is not None or ("rekey", sa) in self.core.timers:
            return True
        if sa.exchanges or sa.followup is not None:
            self._later(sa, 1.0)
            return True
        proposals = self.tunnels.v2.init.proposals(sa.path.local)
        if not proposals or sa.choice is None:
            return False
        groups = [row.number for proposal in proposals for row in proposal.groups]
        own = sa.choice.group.number
        self._begin(sa, own if own in groups else groups[0])
        return True

    def _later(self, sa: Ikev2Sa, seconds: float) -> None:
        when = self.core.now + seconds
        self.core.timers.set(("rekey", sa), when, lambda: self.tunnels.evaluate(sa.tunnel))

    def _begin(self, sa: Ikev2Sa, group: int) -> None:
        core, spi = self.core, self.core.new_ikev2_spi()
        offered = ike_offer(self.tunnels.v2.init.proposals(sa.path.local), spi)
        renewal = Renewal(
            core.now, spi, core.random(NONCE_OCTETS), offered, group, core.key_pair(GROUP_BY_NUMBER[group])
        )
        sa.renewal = renewal
        core.debug("ikev2", "{.label}: beginning to rekey the IKE SA", sa)
        self.tunnels.v2.windows.request(
            sa,
            Request(
                Exchange.CREATE_CHILD_SA,
                lambda: self._build(sa, renewal),
                lambda chain: self._answered(sa, renewal, chain),
                lambda: self._lost(sa, renewal),
            ),
        )

    def _build(self, sa: Ikev2Sa, renewal: Renewal) -> list[Payload] | None:
        if sa.renewal is not renewal or renewal.key_pair is None:
            return None
        if sa.exchanges:
            sa.renewal = None
            self._later(sa, 1.0)
            return None
        renewal.sent = True
        return [renewal.offered, Nonce(renewal.nonce), KeyExchange(renewal.group, renewal.key_pair.public)]

    @staticmethod
    def _lost(sa: Ikev2Sa, renewal: Renewal) -> None:
        if sa.renewal is renewal:
            sa.renewal = None

    def _answered(self, sa: Ikev2Sa, renewal: Renewal, chain: Chain) -> None:
        if sa.renewal is not renewal:
            return
        error = error_of(chain)
        try:
            if error is not None:
                raise InvalidSyntax(f"peer {sa.path.remote} refuses to rekey the IKE SA ({notify_name(error.type)})")
            choice, nonces, spis, shared = self._accept(renewal, chain)
        except (WireError, InvalidPublicValue) as failure:
            self._failed(sa, renewal, error, str(failure))
            return

        def done(shareds: Sequence[Secret]) -> None:
            if sa.renewal is renewal:
                new = self._make(sa, Role.INITIATOR, choice, nonces, spis, shareds, renewal.created)
                self._made(sa, renewal, new)

        def failed(text: str) -> None:
            if sa.renewal is renewal:
                self._failed(sa, renewal, None, text)

        if choice.additional:
            self.tunnels.v2.followups.begin(sa, chain, choice.additional, (shared,), done, failed)
        else:
            done((shared,))

    @staticmethod
    def _rival(renewal: Renewal) -> Ikev2Sa | None:
        return renewal.rival if renewal.rival is not None and not renewal.rival.deleted else None

    def _made(self, sa: Ikev2Sa, renewal: Renewal, new: Ikev2Sa) -> None:
        sa.renewal = None
        rival = self._rival(renewal)
        if rival is not None and min(new.nonces) < min(rival.nonces):
            # Section 2.8.2: the one with the least nonce goes, by the side that made it.
            self.core.counters["ikev2_simultaneous_rekeys"] += 1
            self._inherit(sa, rival)
            self.tunnels.delete(new)
            return
        self._inherit(sa, new)
        self.tunnels.delete(sa)

    def _failed(self, sa: Ikev2Sa, renewal: Renewal, error: Notification | None, text: str) -> None:
        core, rival = self.core, self._rival(renewal)
        sa.renewal = None
        core.counters["ikev2_rekey_failed"] += 1
        core.debug("ikev2 error", "{.label}: {}", sa, text)
        if rival is not None:
            self._inherit(sa, rival)
        elif error is not None and error.type == Notify.INVALID_KE_PAYLOAD and self._other_group(sa, renewal, error):
            return
        elif error is not None and error.type == Notify.TEMPORARY_FAILURE:
            self._later(sa, TEMPORARY * (1 + 2 * core.fraction()))
        else:
            core.error(sa.tunnel, "IKEV2_REKEY", text, vague=True)
            sa.unrenewable = True
            self.tunnels.evaluate(sa.tunnel)

    def _other_group(self, sa: Ikev2Sa, renewal: Renewal, error: Notification) -> bool:
        group = int.from_bytes(error.data, "big") if len(error.data) == 2 else 0
        offered = {row.number for proposal in self.tunnels.v2.init.proposals(sa.path.local) for row in proposal.groups}
        if group not in offered or group == renewal.group or renewal.other_group:
            return False
        self._begin(sa, group)
        if sa.renewal is not None:
            sa.renewal.other_group = True
        return True

    @staticmethod
    def _accept(renewal: Renewal, chain: Chain) -> tuple[IkeChoice, tuple[bytes, bytes], tuple[bytes, bytes], Secret]:
        """What the response agrees on: the choice, nonces, SPIs and the first shared secret."""
        exchange, nonce = one(chain, KeyExchange), one(chain, Nonce).data
        choice = was_offered(renewal.offered, one(chain, SaPayload))
        if choice is None or len(choice.spi) != _SPI_OCTETS or choice.spi == NO_SPI or renewal.key_pair is None:
            raise InvalidSyntax("the responder chose what was not offered")
        if exchange.group != choice.group.number or exchange.group != renewal.group:
            raise InvalidSyntax("the responder chose another group than it used")
        shared = renewal.key_pair.shared(exchange.data)
        return choice, (renewal.nonce, nonce), (renewal.spi, choice.spi), shared

    # -- responder ---------------------------------------------------------------------------------------------------

    def respond(self, sa: Ikev2Sa, chain: Chain, done: Callable[[Sequence[Payload]], None]) -> None:
        """A request; `done` gets the answer. Raises `Refusal` or a `WireError`."""
        core, own = self.core, sa.renewal
        if not sa.established or sa.successor is not None or sa.exchanges or sa.followup or (own and own.rival):
            core.counters["ikev2_rekey_not_now"] += 1
            raise Refusal(Notify.TEMPORARY_FAILURE, "not now")
        if not core.quick_mode_rate.allow(sa.tunnel.name, core.now):
            core.counters["ikev2_rekeys_limited"] += 1
            raise Refusal(Notify.TEMPORARY_FAILURE, "too often")
        exchange, nonce, payload = one(chain, KeyExchange), one(chain, Nonce).data, one(chain, SaPayload)
        proposals = self.tunnels.v2.init.proposals(sa.path.local)
        choice = choose_ike(proposals, payload)
        if choice is None or len(choice.spi) != _SPI_OCTETS or choice.spi == NO_SPI:
            core.counters["no_proposal_chosen"] += 1
            text = f"no ikev2 proposal in common with peer {sa.path.remote} to rekey the IKE SA"
            core.error(sa.tunnel, "IKEV2_NO_PROPOSAL", text, explain_ike(proposals, payload))
            raise Refusal(Notify.NO_PROPOSAL_CHOSEN, text)
        if choice.additional and own is not None and own.sent:
            # Both at once: with more exchanges to come nobody wins, and both come again at another time.
            raise Refusal(Notify.TEMPORARY_FAILURE, "not now")
        if exchange.group != choice.group.number:
            data = choice.group.number.to_bytes(2, "big")
            raise Refusal(Notify.INVALID_KE_PAYLOAD, "another group is wanted", data)
        try:
            public, shared = core.respond_key(choice.group, exchange.data)
        except InvalidPublicValue as error:
            raise InvalidSyntax(str(error)) from error
        nonces, spis = (nonce, core.random(NONCE_OCTETS)), (choice.spi, core.new_ikev2_spi())
        answer: list[Payload] = [choice.answer(spis[1]), Nonce(nonces[1]), KeyExchange(choice.group.number, public)]
        if choice.additional:
            begun = core.now

            def all_exchanged(shareds: Sequence[Secret]) -> None:
                sa.renewal = None
                self._inherit(sa, self._make(sa, Role.RESPONDER, choice, nonces, spis, shareds, begun))

            sa.renewal = None
            done([*answer, self.tunnels.v2.followups.expect(sa, choice.additional, shared, all_exchanged)])
            return
        new = self._make(sa, Role.RESPONDER, choice, nonces, spis, (shared,), core.now)
        done(answer)
        if own is not None and own.sent:
            own.rival = new
            return
        sa.renewal = None
        self._inherit(sa, new)

    # -- both --------------------------------------------------------------------------------------------------------

    def _make(
        self,
        old: Ikev2Sa,
        role: Role,
        choice: IkeChoice,
        nonces: tuple[bytes, bytes],
        spis: tuple[bytes, bytes],
        shareds: Sequence[Secret],
        created: float,
    ) -> Ikev2Sa:
        core = self.core
        if old.keys is None:
            raise InvalidSyntax("no keys")
        new = Ikev2Sa(old.tunnel, role, old.path, created, spi_i=spis[0], spi_r=spis[1], choice=choice, nonces=nonces)
        new.keys = rekey_ike_keys(
            old.keys, choice.prf, choice.encryption, choice.integrity, nonces=nonces, spis=spis, shareds=shareds
        )
        for name in _INHERITED:
            setattr(new, name, getattr(old, name))
        new.window.size = old.window.size
        new.conn_id, new.established_at, new.rekeys = core.next_conn_id(), core.now, old.rekeys + 1
        profile = core.ikev2_profile_of(old.tunnel) or old.profile
        new.lifetime = profile.lifetime if profile is not None else old.lifetime
        self.tunnels.add(new)
        self.tunnels.admission.complete(new)
        new.advance(Event.REKEYED)
        self.tunnels.v2.init.log_keys(new)
        core.counters["ikev2_rekeys"] += 1
        return new

    def _inherit(self, old: Ikev2Sa, new: Ikev2Sa) -> None:
        """The pairs are the new one's now; what waits under the old one begins anew."""
        old.successor = new
        for child in old.tunnel.children:
            if child.ike_sa is old:
                child.ike_sa = new
        doomed = [*old.doomed, *old.telling]  # the old one may end before the peer has read what it is being told
        waiting = [] if old.closing else list(old.window.queue)
        if waiting:
            old.window.queue.clear()
        for request in waiting:
            request.lost()
        self.core.debug("ikev2", "{.label}: has been rekeyed, it is {} now", old, new.label)
        self.tunnels.established(new, initial_contact=False)
        self.tunnels.v2.crash.renewed(new)
        if old.proved_path is not None:
            new.proved_path = old.proved_path
            self.tunnels.v2.mobike.check(new)
        for spi in doomed:
            self.tunnels.v2.informational.delete_spi(new, spi)

    def leave(self, sa: Ikev2Sa) -> None:
        """The IKE SA goes before its rekeying has had an answer: what the peer has made in its place is the heir."""
        self.core.timers.cancel(("rekey", sa))
        self.tunnels.v2.followups.forget(sa)
        renewal, sa.renewal = sa.renewal, None
        if renewal is not None and renewal.rival is not None and not renewal.rival.deleted:
            self._inherit(sa, renewal.rival)


_INHERITED = (
    "profile",
    "key",
    "dpd",
    "fragmentation",
    "peer_ranks",
    "nat_local",
    "nat_remote",
    "peer_identity",
    "identity",
    "own_identity",
    "reached_at",
    "heard_at",
    "childless",
    "peer_hashes",
    "ppk",
    "ppk_used",
    "local_authentication",
    "remote_authentication",
    "begun_at",
    "mobike",
    "mobile",
)
