"""Seikan's configuration for a connection, as it would be typed."""

from __future__ import annotations

from tests.interop.connection import Connection

_GROUP = {"cbc": "esp-aes 256 esp-sha256-hmac", "gcm": "esp-gcm 256"}
_TUNNEL = """\
crypto ipsec transform-set SITE {transform}
 mode tunnel
crypto ipsec profile SITE
 set transform-set SITE
{profile}
interface Tunnel0
 ip unnumbered {device}
 tunnel source {device}
 tunnel destination {peer}
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile SITE
ip route {inner} 255.255.255.255 Tunnel0
end
"""
_IKE_V1 = """\
crypto isakmp policy 1
 encr aes 256
 hash sha256
 authentication pre-share
 group {group}
 lifetime {ike_seconds}
crypto isakmp key {secret} address {peer}
crypto isakmp keepalive 10 2 periodic
"""


def configuration(connection: Connection) -> str:
    """Everything from `hostname` to `end`."""
    profile = []
    if connection.our_child_kilobytes:
        profile.append(f" set security-association lifetime kilobytes {connection.our_child_kilobytes}")
    if connection.responder_only:
        profile.append(" responder-only")
    if connection.version == 1:
        ike = _IKE_V1.format(
            group=connection.group,
            ike_seconds=connection.our_ike_seconds,
            secret=connection.secret,
            peer=connection.theirs_seen,
        )
    else:
        raise NotImplementedError
    tunnel = _TUNNEL.format(
        transform=_GROUP[connection.cipher],
        profile="\n".join(profile) or "!",
        device=connection.ours.device,
        peer=connection.theirs_seen,
        inner=connection.theirs.inner,
    )
    return f"hostname {connection.ours.host.name}\n{ike}{tunnel}"
