"""The traffic selectors of a route-based tunnel: any to any (RFC 2407 section 4.6.2)."""

from __future__ import annotations

from ipaddress import ip_address

from seikan.ike.effects import Address
from seikan.wire.constants import IdentityType
from seikan.wire.payloads import Identification

_ANY = {
    (IdentityType.IPV4_ADDR_SUBNET, bytes(8)),
    (IdentityType.IPV6_ADDR_SUBNET, bytes(32)),
    (IdentityType.IPV4_ADDR_RANGE, bytes(4) + b"\xff" * 4),
    (IdentityType.IPV6_ADDR_RANGE, bytes(16) + b"\xff" * 16),
}


def any_identity(local: Address) -> Identification:
    """0.0.0.0/0, or ::/0 where the tunnel runs over IPv6."""
    kind = IdentityType.IPV4_ADDR_SUBNET if local.version == 4 else IdentityType.IPV6_ADDR_SUBNET
    return Identification(kind, 0, 0, bytes(2 * len(local.packed)))


def is_any(identity: Identification) -> bool:
    """All addresses, protocols and ports, whichever way a peer writes that."""
    return not identity.protocol and not identity.port and (identity.type, identity.data) in _ANY


def selector_text(identity: Identification) -> str:
    """As IOS prints an ident: address/mask/protocol/port."""
    data, half = identity.data, len(identity.data) // 2
    tail = f"/{identity.protocol}/{identity.port}"
    single = {IdentityType.IPV4_ADDR: 4, IdentityType.IPV6_ADDR: 16}
    double = {
        IdentityType.IPV4_ADDR_SUBNET: 8,
        IdentityType.IPV6_ADDR_SUBNET: 32,
        IdentityType.IPV4_ADDR_RANGE: 8,
        IdentityType.IPV6_ADDR_RANGE: 32,
    }
    for kind, size in single.items():
        if identity.type == kind and len(data) == size:
            return f"{ip_address(data)}{tail}"
    for kind, size in double.items():
        if identity.type == kind and len(data) == size:
            first, second = ip_address(data[:half]), ip_address(data[half:])
            dash = "-" if kind in (IdentityType.IPV4_ADDR_RANGE, IdentityType.IPV6_ADDR_RANGE) else "/"
            return f"{first}{dash}{second}{tail}"
    return f"identity type {identity.type}{tail}"
