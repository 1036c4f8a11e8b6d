"""Whether there is a NAT on the way (RFC 7296 section 2.23)."""

from __future__ import annotations

from seikan.crypto.ikev2_auth import nat_detection
from seikan.crypto.prf import same
from seikan.ike.effects import Path
from seikan.ike.v2.messages import notifications
from seikan.ike.v2.sa import Ikev2Sa
from seikan.wire.v2.constants import Notify
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import Notification, Payload


def nat_payloads(sa: Ikev2Sa, path: Path) -> list[Payload]:
    """What tells the peer where this side believes both to be."""
    spis = (sa.spi_i, sa.spi_r)
    return [
        Notification(Notify.NAT_DETECTION_SOURCE_IP, nat_detection(spis, path.local, path.local_port)),
        Notification(Notify.NAT_DETECTION_DESTINATION_IP, nat_detection(spis, path.remote, path.remote_port)),
    ]


def found_nat(
    sa: Ikev2Sa, chain: Chain, path: Path, spis: tuple[bytes, bytes] | None = None
) -> tuple[bool, bool] | None:
    """Whether this side, and whether the peer, is behind a NAT, as a message on `path` tells; None where it does not.

    `spis` are those of the message, where they are not those of the IKE SA yet.
    """
    spis = spis or (sa.spi_i, sa.spi_r)
    found = notifications(chain)
    sources = [payload.data for payload in found if payload.type == Notify.NAT_DETECTION_SOURCE_IP]
    targets = [payload.data for payload in found if payload.type == Notify.NAT_DETECTION_DESTINATION_IP]
    if not sources and not targets:
        return None
    local = nat_detection(spis, path.local, path.local_port)
    remote = nat_detection(spis, path.remote, path.remote_port)
    return (
        bool(targets) and not any(same(data, local) for data in targets),
        bool(sources) and not any(same(data, remote) for data in sources),
    )
