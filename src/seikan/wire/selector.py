"""The traffic of one pair of SAs: addresses, protocol and ports (RFC 4301 section 4.4.1.1), seen from this side."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Selector:
    """`local` is this side's. Protocol and ports are IP numbers, 0 for any; both networks have one IP version."""

    local: Network
    remote: Network
    protocol: int = 0
    local_port: int = 0
    remote_port: int = 0

    @property
    def any(self) -> bool:
        """All traffic of its address family."""
        return not (self.local.prefixlen or self.remote.prefixlen or self.protocol)

    def mirrored(self) -> Selector:
        """As the peer sees it."""
        return Selector(self.remote, self.local, self.protocol, self.remote_port, self.local_port)

    def contains(self, other: Selector) -> bool:
        """Whether all traffic of `other` is traffic of this one too."""
        if self.local.version != other.local.version:
            return False
        return (
            _within(other.local, self.local)
            and _within(other.remote, self.remote)
            and self.protocol in (0, other.protocol)
            and self.local_port in (0, other.local_port)
            and self.remote_port in (0, other.remote_port)
        )

    def meets(self, other: Selector) -> bool:
        """Whether a packet can be traffic of both."""
        alike = (
            (self.protocol, other.protocol),
            (self.local_port, other.local_port),
            (self.remote_port, other.remote_port),
        )
        return (
            overlap(self.local, other.local)
            and overlap(self.remote, other.remote)
            and all(0 in pair or pair[0] == pair[1] for pair in alike)
        )


def overlap(one: Network, other: Network) -> bool:
    """Whether an address can be in both; never of two IP versions."""
    return _within(one, other) or _within(other, one)


def _within(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network):
        return inner.subnet_of(outer)
    return False


ANY_IPV4 = Selector(IPv4Network("0.0.0.0/0"), IPv4Network("0.0.0.0/0"))
ANY_IPV6 = Selector(IPv6Network("::/0"), IPv6Network("::/0"))
