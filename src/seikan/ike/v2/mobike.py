"""Another address for the same IKE SA and its pairs (MOBIKE, RFC 4555).

The initiator decides: it says from its new address that this is where it is, and the responder follows. NAT detection
is done anew, so that UDP encapsulation begins and ends where the way asks for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seikan.crypto.prf import same
from seikan.ike.core import Core
from seikan.ike.effects import Address, Path
from seikan.ike.sa import Tunnel
from seikan.ike.v2.messages import error_of, notifications, notified, notify_name
from seikan.ike.v2.nat import found_nat, nat_payloads
from seikan.ike.v2.sa import Ikev2Sa, Request
from seikan.wire.v2.constants import Exchange, Notify
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import Notification, Payload

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

_COOKIE_OCTETS = 16
_MOST_COOKIE = 64  # octets of a peer's COOKIE2 (section 4.2.5)


class Mobike:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    def announce(self, sa: Ikev2Sa) -> list[Payload]:
        """In IKE_AUTH; a responder says so to who has said it (section 3.1)."""
        wanted = self.core.settings.ikev2.mobike and (sa.initiator or sa.mobike)
        return [Notification(Notify.MOBIKE_SUPPORTED)] if wanted else []

    def read(self, sa: Ikev2Sa, chain: Chain) -> None:
        sa.mobike = self.core.settings.ikev2.mobike and notified(chain, Notify.MOBIKE_SUPPORTED) is not None

    # -- initiator ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _movable(tunnel: Tunnel) -> list[Ikev2Sa]:
        return [
            sa for sa in tunnel.ike_sas if isinstance(sa, Ikev2Sa) and sa.established and sa.mobike and sa.initiator
        ]

    def can_move(self, tunnel: Tunnel) -> bool:
        """Whether all IKE SAs of a tunnel can go on from another address of this side."""
        established = tunnel.established()
        return bool(established) and len(self._movable(tunnel)) == len(established)

    def move(self, tunnel: Tunnel, local: Address) -> None:
        """This side has another address: tell the peer from there."""
        for sa in list(tunnel.ike_sas):
            if sa not in self._movable(tunnel):
                self.tunnels.drop(sa)
        for sa in self._movable(tunnel):
            sa.path = replace(sa.floated(), local=local)
            self.core.counters["ikev2_own_moves"] += 1
            self.core.debug("ikev2", "{}: this side is at {} now", sa.label, local)
            self.tunnels.v2.windows.again(sa)
            self._tell(sa)

    def _tell(self, sa: Ikev2Sa) -> None:
        """UPDATE_SA_ADDRESSES (section 3.5); a later move has its own."""
        cookie, path = self.core.random(_COOKIE_OCTETS), sa.path
        payloads: list[Payload] = [
            Notification(Notify.UPDATE_SA_ADDRESSES),
            *nat_payloads(sa, path),
            Notification(Notify.COOKIE2, cookie),
        ]
        request = Request(Exchange.INFORMATIONAL, lambda: payloads, lambda chain: self._told(sa, path, cookie, chain))
        self.tunnels.v2.windows.request(sa, request, urgent=True)

    def _told(self, sa: Ikev2Sa, path: Path, cookie: bytes, chain: Chain) -> None:
        if sa.path != path:
            return
        error, echo = error_of(chain), notified(chain, Notify.COOKIE2)
        if error is not None or echo is None or not same(echo.data, cookie):
            name = notify_name(error.type) if error is not None else "it does not return COOKIE2"
            text = f"peer {sa.path.remote} does not go along to address {path.local} ({name})"
            self.core.error(sa.tunnel, "IKEV2_MOVE", text)
            self.tunnels.delete(sa)
            self.tunnels.evaluate(sa.tunnel)
            return
        self._settle(sa, chain, path)

    # -- responder ---------------------------------------------------------------------------------------------------

    def answer(self, sa: Ikev2Sa, number: int, chain: Chain, path: Path) -> list[Payload]:
        """What a request asks of MOBIKE, done; what its answer has to have."""
        found = [
            Notification(Notify.COOKIE2, row.data)
            for row in notifications(chain)
            if row.type == Notify.COOKIE2 and len(row.data) <= _MOST_COOKIE
        ]
        if notified(chain, Notify.UPDATE_SA_ADDRESSES) is None:
            return list(found)
        if not sa.mobike or sa.initiator or number < sa.moved_by:
            self.core.counters["ikev2_moves_ignored"] += 1
            return list(found)
        forbidden = notified(chain, Notify.NO_NATS_ALLOWED)
        if forbidden is not None and forbidden.data != no_nats(path):
            self.core.counters["ikev2_moves_refused"] += 1
            return [Notification(Notify.UNEXPECTED_NAT_DETECTED), *found]
        sa.moved_by = number
        self._settle(sa, chain, path)
        return [*nat_payloads(sa, path), *found]

    # -- both --------------------------------------------------------------------------------------------------------

    def _settle(self, sa: Ikev2Sa, chain: Chain, path: Path) -> None:
        """The IKE SA and its pairs are on this path from now on."""
        found = found_nat(sa, chain, path)
        if found is not None:
            sa.nat_local, sa.nat_remote = found
        self.core.counters["ikev2_moved"] += 1
        text = "{}: on the way from {}:{} to {}:{} now, this side behind NAT {}, peer {}"
        ends = (path.local, path.local_port, path.remote, path.remote_port)
        self.core.debug("ikev2", text, sa.label, *ends, sa.nat_local, sa.nat_remote)
        self.tunnels.relocate(sa, path)


def no_nats(path: Path) -> bytes:
    """The data of NO_NATS_ALLOWED as its sender has to see the way (section 4.2.6): its address first."""
    return (
        path.remote.packed
        + path.local.packed
        + path.remote_port.to_bytes(2, "big")
        + path.local_port.to_bytes(2, "big")
    )
