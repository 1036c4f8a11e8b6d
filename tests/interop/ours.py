"""Seikan's configuration for a connection, as it would be typed."""

from __future__ import annotations

from tests.interop.certificates import PASSWORD
from tests.interop.connection import Connection

_TRANSFORM = {"cbc": "esp-aes 256 esp-sha256-hmac", "gcm": "esp-gcm 256", "sha1": "esp-aes 256 esp-sha-hmac"}
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


_IKE_V2 = """\
crypto ikev2 proposal SITE
{algorithms}
 group {group}
crypto ikev2 policy SITE
 proposal SITE
{keyring}
crypto ikev2 profile SITE
 match identity remote {their_kind} {their_identity}
 identity local {our_kind} {our_identity}
 authentication remote {method}
 authentication local {method}
 {credentials}
 lifetime {ike_seconds}
 dpd 10 2 periodic
"""
_KEYRING = """\
crypto ikev2 keyring SITE
 peer SITE
  address {peer}
  pre-shared-key {secret}
"""
_TRUSTPOINT = """\
crypto pki trustpoint SITE
 revocation-check none
"""
_ALGORITHMS = {
    "cbc": " encryption aes-cbc-256\n integrity sha256",
    "gcm": " encryption aes-gcm-256\n prf sha256",
    "sha1": " encryption aes-cbc-256\n integrity sha256",
}
_METHODS = {"psk": "pre-share", "rsa": "rsa-sig", "ecdsa": "ecdsa-sig"}


def configuration(connection: Connection) -> str:
    """Everything from `hostname` to `end`."""
    profile = []
    if connection.our_child_kilobytes:
        profile.append(f" set security-association lifetime kilobytes {connection.our_child_kilobytes}")
    if connection.responder_only:
        profile.append(" responder-only")
    if connection.version == 2:
        profile.append(" set ikev2-profile SITE")
    tunnel = _TUNNEL.format(
        transform=_TRANSFORM[connection.cipher],
        profile="\n".join(profile) or "!",
        device=connection.ours.device,
        peer=connection.theirs_seen,
        inner=connection.theirs.inner,
    )
    ike = _ike_v1(connection) if connection.version == 1 else _ike_v2(connection)
    return f"hostname {connection.ours.host.name}\n{ike}{tunnel}"


def import_credentials(connection: Connection) -> str:
    """The command that gives Seikan its certificate and key."""
    return f"crypto pki import SITE pkcs12 {connection.credentials}/seikan.p12 password {PASSWORD}"


def _ike_v1(connection: Connection) -> str:
    return _IKE_V1.format(
        group=connection.group,
        ike_seconds=connection.our_ike_seconds,
        secret=connection.secret,
        peer=connection.theirs_seen,
    )


def _ike_v2(connection: Connection) -> str:
    by_key = connection.authentication == "psk"
    kind = "address" if by_key else "fqdn"
    return _IKE_V2.format(
        algorithms=_ALGORITHMS[connection.cipher],
        group=connection.group,
        keyring=_KEYRING.format(peer=connection.theirs_seen, secret=connection.secret) if by_key else _TRUSTPOINT,
        their_kind=kind,
        their_identity=f"{connection.their_identity} 255.255.255.255" if by_key else connection.their_identity,
        our_kind=kind,
        our_identity=connection.our_identity,
        method=_METHODS[connection.authentication],
        credentials="keyring local SITE" if by_key else "pki trustpoint SITE",
        ike_seconds=connection.our_ike_seconds,
    )
