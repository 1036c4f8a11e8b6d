"""What is configured for networks, found by an address without a look at all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Generic, TypeVar

Address = IPv4Address | IPv6Address
T = TypeVar("T")


class Prefixes(Generic[T]):
    """Things by network: a look-up takes a step for each prefix length there is, however many networks."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, int], dict[int, list[T]]] = {}  # by IP version and prefix length, then prefix
        self._lengths: dict[int, list[int]] = {4: [], 6: []}  # longest first

    def add(self, network: IPv4Network | IPv6Network, thing: T) -> None:
        key = (network.version, network.prefixlen)
        if key not in self._held:
            self._lengths[network.version].append(network.prefixlen)
            self._lengths[network.version].sort(reverse=True)
        prefix = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
        self._held.setdefault(key, {}).setdefault(prefix, []).append(thing)

    def just(self, address: Address) -> Sequence[T]:
        """What is for this very address and no other, in the order in which it was added."""
        return self._held.get((address.version, address.max_prefixlen), {}).get(int(address), ())

    def around(self, address: Address, *, hosts: bool = True) -> Iterator[T]:
        """What is for networks with the address in them, the longest prefix first; without `hosts` but for `just`."""
        number, bits = int(address), address.max_prefixlen
        for length in self._lengths[address.version]:
            if hosts or length < bits:
                yield from self._held[address.version, length].get(number >> (bits - length), ())

    def closest(self, address: Address) -> T | None:
        """The first of `around`."""
        return next(self.around(address), None)
