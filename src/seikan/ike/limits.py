"""Bounds on what strangers can make the engine do."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from ipaddress import IPv4Address, IPv6Address

_SITE_BITS = 64  # of an IPv6 address that its holder chooses (RFC 4291 section 2.5.1)


def source(address: IPv4Address | IPv6Address) -> Hashable:
    """Whom a bound for each source is about: an IPv4 address, or an IPv6 network that one host has whole."""
    return address if isinstance(address, IPv4Address) else (6, int(address) >> _SITE_BITS)


class RateLimit:
    """A token bucket for each key: `rate` a second, at most `burst` at once, for the last `keys` keys seen."""

    def __init__(self, rate: float, burst: int, keys: int = 1024) -> None:
        self._rate = rate
        self._burst = burst
        self._keys = keys
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def allow(self, key: Hashable, now: float) -> bool:
        """Take one token of `key`; False where none is left."""
        tokens, since = self._buckets.pop(key, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        allowed = tokens >= 1
        self._buckets[key] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > self._keys:
            self._buckets.popitem(last=False)
        return allowed
