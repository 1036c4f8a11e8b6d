"""IKE_FOLLOWUP_KE: the further key exchanges of a rekeying, after CREATE_CHILD_SA (RFC 9370 section 2.2.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from seikan.crypto.key_exchange import InvalidPublicValue
from seikan.ike.core import Core
from seikan.ike.v2.messages import error_of, notified, notify_name, one
from seikan.ike.v2.sa import FollowUp, Ikev2Sa, Request
from seikan.wire.constants import Group
from seikan.wire.errors import WireError
from seikan.wire.secret import Secret
from seikan.wire.v2.constants import Exchange, Notify
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import KeyExchange, Notification, Payload

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

LIFETIME = 60.0  # seconds a responder keeps what it has of a rekeying whose next exchange does not come
_LINK_OCTETS = 16

Done = Callable[[Sequence[Secret]], None]


class FollowUps:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    # -- initiator ---------------------------------------------------------------------------------------------------

    def begin(
        self,
        sa: Ikev2Sa,
        chain: Chain,
        groups: Sequence[Group],
        shareds: Sequence[Secret],
        done: Done,
        failed: Callable[[str], None],
    ) -> None:
        """Go on after a response that agreed on `groups` beside the key exchange of `shareds`; `done` gets all."""
        link = notified(chain, Notify.ADDITIONAL_KEY_EXCHANGE)
        if link is None:
            failed("the responder agreed on additional key exchanges and does not go on")
            return
        pair = self.core.key_pair(groups[0])
        payloads: list[Payload] = [
            KeyExchange(groups[0].number, pair.public),
            Notification(Notify.ADDITIONAL_KEY_EXCHANGE, link.data),
        ]

        def answered(response: Chain) -> None:
            error = error_of(response)
            try:
                if error is not None:
                    raise InvalidSyntax(f"peer {sa.path.remote} refuses IKE_FOLLOWUP_KE ({notify_name(error.type)})")
                exchange = one(response, KeyExchange)
                if exchange.group != groups[0].number:
                    raise InvalidSyntax("the responder used another group than it chose")
                found = (*shareds, pair.shared(exchange.data))
            except (WireError, InvalidPublicValue) as failure:
                failed(str(failure))
                return
            self.core.counters["ikev2_followup_exchanges"] += 1
            if len(groups) > 1:
                self.begin(sa, response, groups[1:], found, done, failed)
            else:
                done(found)

        request = Request(
            Exchange.IKE_FOLLOWUP_KE, lambda: payloads, answered, lambda: failed("the IKE SA has ended before it")
        )
        self.tunnels.v2.windows.request(sa, request, urgent=True)

    # -- responder ---------------------------------------------------------------------------------------------------

    def expect(self, sa: Ikev2Sa, groups: Sequence[Group], shared: Secret, done: Done) -> Notification:
        """What tells the initiator to go on; `done` gets all secrets after the last exchange."""
        sa.followup = FollowUp(self.core.random(_LINK_OCTETS), tuple(groups), (shared,), done)
        self._arm(sa)
        self.core.counters["ikev2_followup_expected"] += 1
        return Notification(Notify.ADDITIONAL_KEY_EXCHANGE, sa.followup.link)

    def _arm(self, sa: Ikev2Sa) -> None:
        self.core.timers.set(("followup", sa), self.core.now + LIFETIME, lambda: self.forget(sa))

    def forget(self, sa: Ikev2Sa) -> None:
        sa.followup = None
        self.core.timers.cancel(("followup", sa))

    def respond(self, sa: Ikev2Sa, number: int, chain: Chain) -> None:
        """A request; one that belongs to nothing gets STATE_NOT_FOUND. Raises a `WireError`."""
        pending, link = sa.followup, notified(chain, Notify.ADDITIONAL_KEY_EXCHANGE)
        windows = self.tunnels.v2.windows
        if pending is None or link is None or link.data != pending.link:
            self.core.counters["ikev2_followup_unknown"] += 1
            windows.respond(sa, Exchange.IKE_FOLLOWUP_KE, number, [Notification(Notify.STATE_NOT_FOUND)])
            return
        exchange, group = one(chain, KeyExchange), pending.groups[0]
        if exchange.group != group.number:
            raise InvalidSyntax(f"group {exchange.group} where {group.number} is due")
        try:
            public, shared = self.core.respond_key(group, exchange.data)
        except InvalidPublicValue as error:
            raise InvalidSyntax(str(error)) from error
        self.core.counters["ikev2_followup_exchanges"] += 1
        answer: list[Payload] = [KeyExchange(group.number, public)]
        shareds = (*pending.shareds, shared)
        if len(pending.groups) > 1:
            sa.followup = FollowUp(self.core.random(_LINK_OCTETS), pending.groups[1:], shareds, pending.done)
            self._arm(sa)
            answer.append(Notification(Notify.ADDITIONAL_KEY_EXCHANGE, sa.followup.link))
            windows.respond(sa, Exchange.IKE_FOLLOWUP_KE, number, answer)
            return
        self.forget(sa)
        windows.respond(sa, Exchange.IKE_FOLLOWUP_KE, number, answer)
        pending.done(shareds)
