"""Another gateway to go to: the data of REDIRECT and REDIRECTED_FROM, and how often one is followed (RFC 5685)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from seikan.ike.effects import Address
from seikan.wire.v2.constants import GatewayType, Notify
from seikan.wire.v2.payloads import Notification

LOOP_DETECT_PERIOD = 300.0  # seconds, RFC 5685 section 7


@dataclass(frozen=True, slots=True)
class Redirect:
    """`gateway` is an address or a host name; `nonce` that of the request which it answers, in IKE_SA_INIT."""

    gateway: Address | str
    nonce: bytes = b""


def _identity(gateway: Address | str) -> bytes:
    kind, data = GatewayType.FQDN, b""
    if isinstance(gateway, str):
        data = gateway.encode("ascii")
    else:
        kind, data = (GatewayType.IPV4 if gateway.version == 4 else GatewayType.IPV6), gateway.packed
    return bytes((kind, len(data))) + data


def redirect(row: Redirect) -> Notification:
    """Section 9.2."""
    return Notification(Notify.REDIRECT, _identity(row.gateway) + row.nonce)


def redirected_from(gateway: Address) -> Notification:
    """Section 9.3: tells the new gateway who has sent this side there."""
    return Notification(Notify.REDIRECTED_FROM, _identity(gateway))


def read_redirect(data: bytes) -> Redirect | None:
    """None for data that name no gateway."""
    if len(data) < 2 or len(data) < 2 + data[1]:
        return None
    kind, identity, nonce = data[0], data[2 : 2 + data[1]], data[2 + data[1] :]
    if kind == GatewayType.IPV4 and len(identity) == 4:
        return Redirect(IPv4Address(identity), nonce)
    if kind == GatewayType.IPV6 and len(identity) == 16:
        return Redirect(IPv6Address(identity), nonce)
    if kind == GatewayType.FQDN and identity and all(0x21 <= octet <= 0x7E for octet in identity):
        name = identity.decode("ascii").lower().rstrip(".")
        try:
            return Redirect(ip_address(name), nonce)
        except ValueError:
            return Redirect(name, nonce)
    return None


class Followed:
    """How often one peer's redirections were followed of late."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def follow(self, most: int, now: float) -> bool:
        """Count one more; False where `most` of them in the last LOOP_DETECT_PERIOD look like a loop."""
        while self._times and now - self._times[0] >= LOOP_DETECT_PERIOD:
            self._times.popleft()
        if len(self._times) >= most:
            return False
        self._times.append(now)
        return True
