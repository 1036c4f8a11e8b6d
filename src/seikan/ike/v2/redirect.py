"""Another gateway to go to: the data of REDIRECT and REDIRECTED_FROM, and how often one is followed (RFC 5685)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from seikan.ike.core import Core
from seikan.ike.effects import Address, Path
from seikan.ike.sa import Tunnel
from seikan.ike.settings import Ikev2ProfileSettings
from seikan.ike.v2.messages import notified
from seikan.ike.v2.sa import Ikev2Sa
from seikan.wire.v2.constants import GatewayType, Notify
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import Notification, Payload

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

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


def follow(times: deque[float], most: int, now: float) -> bool:
    """Count one more redirection of a peer; False where `most` of them in LOOP_DETECT_PERIOD look like a loop."""
    while times and now - times[0] >= LOOP_DETECT_PERIOD:
        times.popleft()
    if len(times) >= most:
        return False
    times.append(now)
    return True


class Redirects:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    # -- gateway -----------------------------------------------------------------------------------------------------

    def _elsewhere(self, local: Address, sender: Address | None) -> Address | str | None:
        """Where peers are sent; never back to who has sent one here, nor to this very address."""
        gateway = self.core.settings.ikev2.redirect_gateway
        return None if gateway is None or gateway in (local, sender) else gateway

    def answer(
        self, chain: Chain, nonce: bytes, path: Path, profiles: Iterable[Ikev2ProfileSettings]
    ) -> Notification | None:
        """What is said to IKE_SA_INIT of a peer that has to go elsewhere; nothing is kept of it (section 3).

        Peers of a profile with `redirect gateway auth` are sent when they have proved themselves, and not before.
        """
        gateway = self._elsewhere(path.local, _sender(chain))
        if gateway is None or not supports(chain) or any(row.redirect_auth for row in profiles):
            return None
        self.core.counters["ikev2_redirected"] += 1
        return redirect(Redirect(gateway, nonce))

    def answer_proven(self, sa: Ikev2Sa) -> Notification | None:
        """The same after the peer has proved itself, where its profile says so (section 6)."""
        gateway = self._elsewhere(sa.path.local, sa.redirected_from)
        if gateway is None or sa.profile is None or not sa.profile.redirect_auth or not sa.peer_redirects:
            return None
        self.core.counters["ikev2_redirected"] += 1
        return redirect(Redirect(gateway))

    # -- client ------------------------------------------------------------------------------------------------------

    def announce(self, sa: Ikev2Sa) -> list[Payload]:
        """In IKE_SA_INIT: that this side goes where it is sent, and who has sent it here."""
        if not sa.initiator or not self.core.settings.ikev2.redirect_client:
            return []
        sender = sa.tunnel.redirected_by
        return [Notification(Notify.REDIRECT_SUPPORTED) if sender is None else redirected_from(sender)]

    def go(self, sa: Ikev2Sa, data: bytes, nonce: bytes) -> bool:
        """Follow a redirection; False, with a stated reason, where it is not followed. `nonce` is what it has to have.

        The IKE SA in hand is over then, and another begins with the new gateway.
        """
        core, tunnel, found = self.core, sa.tunnel, read_redirect(data)
        why = self._not_followed(sa, found, nonce)
        if why is None and found is not None and not isinstance(found.gateway, str):
            if follow(tunnel.redirections, core.settings.ikev2.max_redirects, core.now):
                core.counters["ikev2_redirects_followed"] += 1
                text = f"{tunnel.name}: {sa.path.remote} sends this router to {found.gateway}"
                core.log(5, "REDIRECTED", text, "IKEV2")
                tunnel.gateway, tunnel.redirected_by = found.gateway, sa.path.remote
                return True
            why = f"more than {core.settings.ikev2.max_redirects} redirections in {LOOP_DETECT_PERIOD:.0f} seconds"
        core.counters["ikev2_redirects_refused"] += 1
        core.debug("ikev2 error", "{}: redirection is not followed: {}", sa.label, why)
        return False

    def _not_followed(self, sa: Ikev2Sa, found: Redirect | None, nonce: bytes) -> str | None:
        if not self.core.settings.ikev2.redirect_client or not sa.initiator or sa.tunnel.session is not None:
            return "crypto ikev2 redirect client is not configured"
        if found is None:
            return "it names no gateway"
        if found.nonce != nonce:
            return "its nonce is not that of the request"
        if isinstance(found.gateway, str):
            return f"{found.gateway} is a name; an address is needed"
        if found.gateway.version != sa.path.local.version or found.gateway == sa.path.remote:
            return f"{found.gateway} cannot be the other gateway"
        return None

    def leave(self, sa: Ikev2Sa) -> None:
        """Tell the old gateway, and begin with the new one (sections 5 and 6)."""
        tunnel = sa.tunnel
        for child in tunnel.children:
            if child.ike_sa is sa:
                self.tunnels.children.remove_pair(child, "the gateway sends this router to another one")
        self.tunnels.v2.informational.leave(sa)
        self.tunnels.drop(sa)
        self.tunnels.evaluate(tunnel)

    @staticmethod
    def forget(tunnel: Tunnel) -> None:
        """The gateway that this side was sent to does not answer: back to the one that is configured."""
        tunnel.gateway = tunnel.redirected_by = None


def _sender(chain: Chain) -> Address | None:
    """Who has sent a peer here."""
    found = notified(chain, Notify.REDIRECTED_FROM)
    row = read_redirect(found.data) if found is not None else None
    return row.gateway if row is not None and not isinstance(row.gateway, str) else None


def supports(chain: Chain) -> bool:
    """Whether a peer goes where it is sent."""
    return any(notified(chain, kind) is not None for kind in (Notify.REDIRECT_SUPPORTED, Notify.REDIRECTED_FROM))


def read_sender(sa: Ikev2Sa, chain: Chain) -> None:
    sa.peer_redirects, sa.redirected_from = supports(chain), _sender(chain)
