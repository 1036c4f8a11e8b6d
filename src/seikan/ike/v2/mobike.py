"""An IKE SA that goes along when the side that made it moves to another address (RFC 4555).

The original initiator decides: it says UPDATE_SA_ADDRESSES from where it is now. The other side moves the IKE SA at
once, and its pairs when the new place has answered: nobody can have ESP sent to where he is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from seikan.crypto.ikev2_auth import nat_detection
from seikan.crypto.prf import same
from seikan.ike.core import Core
from seikan.ike.effects import Direction, Path, UpdateSa
from seikan.ike.sa import Tunnel
from seikan.ike.settings import TunnelSettings
from seikan.ike.v2.messages import error_of, notifications, notified, notify_name
from seikan.ike.v2.sa import Ikev2Sa, Request
from seikan.ike.winners import best_ike_sa
from seikan.wire.v2.constants import Exchange, Notify
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import Notification, Payload

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

COOKIE2_OCTETS = 16
_COOKIE2_LIMITS = range(8, 65)  # RFC 4555 section 4.2.5


class Mobike:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    def announcement(self, sa: Ikev2Sa, chain: Chain | None = None) -> list[Payload]:
        """MOBIKE_SUPPORTED in IKE_AUTH; a responder says it only to who has, in `chain` (section 3.1)."""
        if not self.core.settings.ikev2.mobike or (chain is not None and not self._announced(chain)):
            return []
        return [Notification(Notify.MOBIKE_SUPPORTED)]

    def read(self, sa: Ikev2Sa, chain: Chain) -> None:
        """The peer's IKE_AUTH message."""
        sa.mobike = self.core.settings.ikev2.mobike and self._announced(chain)
        sa.mobile = sa.initiator

    @staticmethod
    def _announced(chain: Chain) -> bool:
        return notified(chain, Notify.MOBIKE_SUPPORTED) is not None

    @staticmethod
    def echo(chain: Chain) -> list[Payload]:
        """COOKIE2 of a request stands in its response (section 3.7)."""
        cookie = notified(chain, Notify.COOKIE2)
        return [Notification(Notify.COOKIE2, cookie.data)] if cookie and len(cookie.data) in _COOKIE2_LIMITS else []

    # -- this side moves ---------------------------------------------------------------------------------------------

    def can_follow(self, tunnel: Tunnel, row: TunnelSettings) -> bool:
        """Whether a tunnel with another address of this side can keep what it has."""
        sa = best_ike_sa(tunnel.established())
        kept = (row.name, row.remote, row.version) == (tunnel.name, tunnel.settings.remote, 2)
        return kept and row.local.version == row.remote.version and isinstance(sa, Ikev2Sa) and sa.mobike and sa.mobile

    def follow(self, tunnel: Tunnel) -> None:
        """This side's address has changed."""
        for sa in tunnel.established():
            if isinstance(sa, Ikev2Sa):
                self.core.counters["mobike_moved"] += 1
                sa.path = replace(sa.path, local=tunnel.settings.local)
                self.tunnels.v2.windows.again(sa)
                self._tell(sa)

    def _tell(self, sa: Ikev2Sa) -> None:
        path = sa.path
        self.tunnels.v2.windows.request(
            sa,
            Request(
                Exchange.INFORMATIONAL,
                lambda: [Notification(Notify.UPDATE_SA_ADDRESSES), *self._detection(sa, path)],
                lambda chain: self._told(sa, path, chain),
            ),
        )

    def _told(self, sa: Ikev2Sa, path: Path, chain: Chain) -> None:
        error = error_of(chain)
        if error is not None:
            text = f"peer {path.remote} does not take the new address {path.local} ({notify_name(error.type)})"
            self.core.error(sa.tunnel, "IKEV2_MOBIKE", text)
            self.tunnels.delete(sa)
            self.tunnels.evaluate(sa.tunnel)
            return
        if path != sa.path:
            return  # it has moved again since
        self._detect(sa, path, chain)
        if sa.nat:
            sa.path = sa.floated()
        self._move_pairs(sa)

    # -- the peer moves ----------------------------------------------------------------------------------------------

    def peer_moves(self, sa: Ikev2Sa, number: int, chain: Chain, path: Path) -> list[Payload] | None:
        """What answers UPDATE_SA_ADDRESSES (section 3.5); None where the request has none, or no right to it. One that
        a newer one has overtaken changes nothing.
        """
        if notified(chain, Notify.UPDATE_SA_ADDRESSES) is None or not sa.mobike or sa.mobile:
            return None
        if number < sa.moved_by:
            self.core.counters["mobike_overtaken"] += 1
            return self._detection(sa, path)
        sa.moved_by, sa.proved_path = number, sa.proved_path or sa.path
        self.core.counters["mobike_peer_moved"] += 1
        self.core.debug("ikev2", "{}: peer is now at {}:{}", sa.label, path.remote, path.remote_port)
        sa.path = path
        self._detect(sa, path, chain)
        return self._detection(sa, path)

    def check(self, sa: Ikev2Sa) -> None:
        """Whether the peer is where it says it is (section 3.7); its pairs move when that is clear."""
        path, cookie = sa.path, self.core.random(COOKIE2_OCTETS)

        def answered(chain: Chain) -> None:
            found = notified(chain, Notify.COOKIE2)
            if found is None or not same(found.data, cookie):
                self.core.counters["mobike_unproven_address"] += 1
                self.tunnels.delete(sa)
                self.tunnels.evaluate(sa.tunnel)
            elif path == sa.path:
                sa.proved_path = None
                self.tunnels.sessions.moved(sa.tunnel, path)
                self._move_pairs(sa)

        self.tunnels.v2.windows.request(
            sa, Request(Exchange.INFORMATIONAL, lambda: [Notification(Notify.COOKIE2, cookie)], answered)
        )

    # -- both --------------------------------------------------------------------------------------------------------

    def _detection(self, sa: Ikev2Sa, path: Path) -> list[Payload]:
        spis = (sa.spi_i, sa.spi_r)
        if not self.core.settings.nat_transparency:
            return []
        return [
            Notification(Notify.NAT_DETECTION_SOURCE_IP, nat_detection(spis, path.local, path.local_port)),
            Notification(Notify.NAT_DETECTION_DESTINATION_IP, nat_detection(spis, path.remote, path.remote_port)),
        ]

    def _detect(self, sa: Ikev2Sa, path: Path, chain: Chain) -> None:
        spis = (sa.spi_i, sa.spi_r)
        sources = self._hashes(chain, Notify.NAT_DETECTION_SOURCE_IP)
        targets = self._hashes(chain, Notify.NAT_DETECTION_DESTINATION_IP)
        remote = nat_detection(spis, path.remote, path.remote_port)
        local = nat_detection(spis, path.local, path.local_port)
        if sources and targets:
            sa.nat_remote = not any(same(data, remote) for data in sources)
            sa.nat_local = not any(same(data, local) for data in targets)
            sa.tunnel.peer_behind_nat = sa.nat_remote

    @staticmethod
    def _hashes(chain: Chain, kind: Notify) -> Sequence[bytes]:
        return [payload.data for payload in notifications(chain) if payload.type == kind]

    def _move_pairs(self, sa: Ikev2Sa) -> None:
        """ESP goes to the new place, in UDP where there is a NAT now."""
        for child in sa.tunnel.children:
            if child.ike_sa is not sa or child.removed or (child.path, child.udp_encapsulation) == (sa.path, sa.nat):
                continue
            child.path, child.udp_encapsulation, child.peer_behind_nat = sa.path, sa.nat, sa.nat_remote
            owner = child.flow.owner.name
            if child.inbound_installed:
                self.core.emit(UpdateSa(owner, Direction.IN, child.inbound_spi, sa.path, sa.nat))
            if child.outbound_installed:
                self.core.emit(UpdateSa(owner, Direction.OUT, child.outbound_spi, sa.path, sa.nat))
