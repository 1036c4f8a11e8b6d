"""Exchanges between IKE_SA_INIT and IKE_AUTH that add further key exchanges (RFC 9242, RFC 9370 section 2.2.2).

Each one changes the keys; a message is protected by those that were there before it. AUTH covers all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seikan.crypto.ikev2_auth import int_auth_step
from seikan.crypto.ikev2_keys import additional_ike_keys
from seikan.crypto.key_exchange import InvalidPublicValue
from seikan.ike.core import Core
from seikan.ike.errors import AbandonExchange
from seikan.ike.v2.envelope import header_of
from seikan.ike.v2.messages import error_of, notify_name, one
from seikan.ike.v2.sa import Ikev2Sa, Request
from seikan.ike.v2.states import Event
from seikan.wire.constants import Group
from seikan.wire.errors import WireError
from seikan.wire.secret import Secret
from seikan.wire.v2.constants import FLAG_INITIATOR, Exchange, Notify
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.header import Header
from seikan.wire.v2.message import Chain, push_payloads, push_plain
from seikan.wire.v2.payloads import KeyExchange, Payload

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels


_OTHER_SIDE = FLAG_INITIATOR


class Intermediate:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    @staticmethod
    def _groups(sa: Ikev2Sa) -> Sequence[Group]:
        """Those that are still to come."""
        return sa.choice.additional[sa.additional :] if sa.choice is not None else ()

    def go_on(self, sa: Ikev2Sa) -> None:
        """As initiator: the next key exchange, or IKE_AUTH where there is none."""
        groups = self._groups(sa)
        if not groups:
            self.tunnels.v2.auth.request(sa)
            return
        sa.key_pair = self.core.key_pair(groups[0])
        payloads: list[Payload] = [KeyExchange(groups[0].number, sa.key_pair.public)]
        number = sa.window.next_id
        request = Request(
            Exchange.IKE_INTERMEDIATE,
            lambda: payloads,
            lambda chain: self._answered(sa, number, payloads, groups[0], chain),
        )
        self.tunnels.v2.windows.request(sa, request)

    def _answered(self, sa: Ikev2Sa, number: int, sent: Sequence[Payload], group: Group, chain: Chain) -> None:
        try:
            error = error_of(chain)
            if error is not None:
                raise InvalidSyntax(f"peer {sa.path.remote} refuses IKE_INTERMEDIATE ({notify_name(error.type)})")
            exchange = one(chain, KeyExchange)
            if exchange.group != group.number or sa.key_pair is None:
                raise InvalidSyntax("the responder used another group than it chose")
            shared = sa.key_pair.shared(exchange.data)
        except (WireError, InvalidPublicValue) as failure:
            self.tunnels.v2.fail(sa, str(failure))
            return
        request = self._covered(header_of(sa, Exchange.IKE_INTERMEDIATE, number, response=False), sent)
        self._renew(sa, request, self._as_it_came(sa, number, chain, response=True), shared)
        self.go_on(sa)

    def respond(self, sa: Ikev2Sa, number: int, chain: Chain) -> None:
        """A request; one that nothing was agreed for is answered empty."""
        groups = self._groups(sa)
        answer: list[Payload] = []
        shared = None
        if groups:
            exchange = one(chain, KeyExchange)
            if exchange.group != groups[0].number:
                raise InvalidSyntax(f"group {exchange.group} where {groups[0].number} is due")
            try:
                public, shared = self.core.respond_key(groups[0], exchange.data)
            except InvalidPublicValue as error:
                raise InvalidSyntax(str(error)) from error
            answer.append(KeyExchange(groups[0].number, public))
        self.tunnels.v2.windows.respond(sa, Exchange.IKE_INTERMEDIATE, number, answer)
        response = self._covered(header_of(sa, Exchange.IKE_INTERMEDIATE, number, response=True), answer)
        self._renew(sa, self._as_it_came(sa, number, chain, response=False), response, shared)

    @staticmethod
    def _covered(header: Header, payloads: Sequence[Payload]) -> bytes:
        first, plaintext = push_payloads(payloads)
        return push_plain(header, first, plaintext)

    @staticmethod
    def _as_it_came(sa: Ikev2Sa, number: int, chain: Chain, *, response: bool) -> bytes:
        own = header_of(sa, Exchange.IKE_INTERMEDIATE, number, response=response)
        header = Header(own.initiator_spi, own.responder_spi, 0, own.exchange, own.flags ^ _OTHER_SIDE, number, 0)
        return push_plain(header, chain.first, chain.plaintext)

    def _renew(self, sa: Ikev2Sa, request: bytes, response: bytes, shared: Secret | None) -> None:
        """Take both messages into what AUTH covers, under the keys that protected them; then change the keys."""
        if sa.keys is None:
            raise AbandonExchange("no keys", Notify.INVALID_SYNTAX)
        keys, (of_initiator, of_responder) = sa.keys, sa.int_auth
        sa.int_auth = (
            int_auth_step(keys.prf, keys.sk_pi, of_initiator, request),
            int_auth_step(keys.prf, keys.sk_pr, of_responder, response),
        )
        sa.intermediates += 1
        sa.advance(Event.INTERMEDIATE)
        self.core.counters["ikev2_intermediate_exchanges"] += 1
        if shared is not None:
            sa.additional += 1
            sa.keys = additional_ike_keys(keys, shared, nonces=sa.nonces, spis=(sa.spi_i, sa.spi_r))
            sa.key_pair = None
            self.tunnels.v2.init.log_keys(sa)
