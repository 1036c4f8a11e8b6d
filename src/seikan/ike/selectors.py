"""Traffic selectors on the wire: identities of quick mode to and from `Selector` (RFC 2407 section 4.6.2)."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from seikan.wire.constants import IdentityType
from seikan.wire.payloads import Identification
from seikan.wire.selector import Network, Selector

_SINGLE: dict[int, int] = {IdentityType.IPV4_ADDR: 4, IdentityType.IPV6_ADDR: 16}
_SUBNET: dict[int, int] = {IdentityType.IPV4_ADDR_SUBNET: 8, IdentityType.IPV6_ADDR_SUBNET: 32}
_RANGE: dict[int, int] = {IdentityType.IPV4_ADDR_RANGE: 8, IdentityType.IPV6_ADDR_RANGE: 32}


def identification(network: Network, protocol: int, port: int) -> Identification:
    """A host as its address alone, anything wider as address and mask."""
    four = network.version == 4
    if network.prefixlen == network.max_prefixlen:
        kind = IdentityType.IPV4_ADDR if four else IdentityType.IPV6_ADDR
        return Identification(kind, protocol, port, network.network_address.packed)
    kind = IdentityType.IPV4_ADDR_SUBNET if four else IdentityType.IPV6_ADDR_SUBNET
    return Identification(kind, protocol, port, network.network_address.packed + network.netmask.packed)


def identifications(selector: Selector, *, initiator: bool) -> tuple[Identification, Identification]:
    """IDci and IDcr of an exchange in which this side is the initiator, or the responder."""
    local = identification(selector.local, selector.protocol, selector.local_port)
    remote = identification(selector.remote, selector.protocol, selector.remote_port)
    return (local, remote) if initiator else (remote, local)


def network_of(identity: Identification) -> Network | None:
    """The addresses of an identity where they are one network, however they are written; else None."""
    data, half = identity.data, len(identity.data) // 2
    if _SINGLE.get(identity.type) == len(data):
        return ip_network(data)
    if _SUBNET.get(identity.type) == len(data):
        bits = 8 * half
        mask = int.from_bytes(data[half:], "big")
        prefix = mask.bit_count()
        if mask != ((1 << prefix) - 1) << (bits - prefix):
            return None
        return _network(int.from_bytes(data[:half], "big") & mask, prefix, half)
    if _RANGE.get(identity.type) == len(data):
        first, last = int.from_bytes(data[:half], "big"), int.from_bytes(data[half:], "big")
        size = last - first + 1
        if size <= 0 or size & (size - 1) or first % size:
            return None
        return _network(first, 8 * half - (size.bit_length() - 1), half)
    return None


def _network(first: int, prefix: int, octets: int) -> Network:
    return IPv4Network((first, prefix)) if octets == 4 else IPv6Network((first, prefix))


def selector_of(local: Identification, remote: Identification) -> Selector | None:
    """The selector, as this side sees it, of two identities; None where they make none."""
    here, there = network_of(local), network_of(remote)
    if here is None or there is None or here.version != there.version or local.protocol != remote.protocol:
        return None
    return Selector(here, there, local.protocol, local.port, remote.port)


def selector_text(identity: Identification) -> str:
    """As IOS prints an ident: address/mask/protocol/port."""
    data, half = identity.data, len(identity.data) // 2
    tail = f"/{identity.protocol}/{identity.port}"
    for kind, size in _SINGLE.items():
        if identity.type == kind and len(data) == size:
            return f"{ip_address(data)}{tail}"
    for kind, size in (*_SUBNET.items(), *_RANGE.items()):
        if identity.type == kind and len(data) == size:
            first, second = ip_address(data[:half]), ip_address(data[half:])
            return f"{first}{'-' if kind in _RANGE else '/'}{second}{tail}"
    return f"identity type {identity.type}{tail}"


def describe(selector: Selector) -> str:
    """Both sides of a selector, this one's first, as IOS prints idents."""
    return " to ".join(selector_text(row) for row in identifications(selector, initiator=True))
