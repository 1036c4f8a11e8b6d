"""Quick crash detection: a peer that has lost its SAs proves it at once, by a token that it gave away (RFC 6290).

The token comes from a secret of the router that outlives restarts. It is never told of an IKE SA that is here: whoever
has it can end that SA (section 9.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seikan.crypto.prf import same
from seikan.crypto.tickets import crash_token
from seikan.ike.core import Core
from seikan.ike.v2.messages import notified
from seikan.ike.v2.sa import Ikev2Sa
from seikan.wire.errors import WireError
from seikan.wire.v2.constants import Notify
from seikan.wire.v2.header import Header
from seikan.wire.v2.message import Chain, pull_message
from seikan.wire.v2.payloads import Notification, Payload

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

_LEAST, _MOST = 16, 128  # octets of a token (section 4.1)


class CrashDetection:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    def _token(self, spi_i: bytes, spi_r: bytes) -> list[Payload]:
        settings = self.core.settings.ikev2
        if not settings.quick_crash_detection or settings.ticket_key is None:
            return []
        return [Notification(Notify.QUICK_CRASH_DETECTION, crash_token(settings.ticket_key, spi_i, spi_r))]

    def announce(self, sa: Ikev2Sa) -> list[Payload]:
        """This side's token, in IKE_AUTH."""
        return self._token(sa.spi_i, sa.spi_r)

    def renewed(self, sa: Ikev2Sa) -> None:
        """An IKE SA that a rekeying made has another token, which the peer gets under it."""
        payloads = self._token(sa.spi_i, sa.spi_r)
        if payloads:
            self.tunnels.v2.informational.send(sa, payloads)

    def read(self, sa: Ikev2Sa, chain: Chain) -> None:
        """The peer's token; kept whether or not this side gives one away."""
        found = notified(chain, Notify.QUICK_CRASH_DETECTION)
        if found is not None and _LEAST <= len(found.data) <= _MOST:
            sa.crash_token = found.data

    def answer(self, header: Header) -> list[Payload]:
        """What stands beside INVALID_IKE_SPI: the proof that this very IKE SA is not here any more."""
        here = self.core.ikev2_sas
        if header.initiator_spi in here or header.responder_spi in here:
            return []
        return self._token(header.initiator_spi, header.responder_spi)

    def heard(self, sa: Ikev2Sa, header: Header, data: bytes) -> bool:
        """Whether a message in clear proves that the peer has lost the IKE SA: then it is over here too."""
        if not sa.crash_token or not header.response:
            return False
        try:
            chain, encrypted = pull_message(header, data)
        except WireError:
            return False
        token = notified(chain, Notify.QUICK_CRASH_DETECTION)
        if encrypted is not None or token is None or notified(chain, Notify.INVALID_IKE_SPI) is None:
            return False
        if not same(token.data, sa.crash_token):
            self.core.counters["ikev2_wrong_crash_tokens"] += 1
            return False
        self.core.counters["ikev2_crashes_detected"] += 1
        self.tunnels.peer_restarted(sa)
        return True
