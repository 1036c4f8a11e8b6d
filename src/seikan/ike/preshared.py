"""Which pre-shared key belongs to a peer (RFC 2409 section 5.4: in main mode only its address can tell)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from seikan.config.model import Keyring, PreSharedKey
from seikan.ike.effects import Address
from seikan.wire.prefixes import Prefixes
from seikan.wire.secret import Secret

GLOBAL = ""  # the ring of `crypto isakmp key`


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of a keyring, GLOBAL for the keys outside any."""

    keyring: str
    entry: PreSharedKey

    @property
    def secret(self) -> Secret:
        return self.entry.key

    @property
    def of_one_host(self) -> bool:
        """Whether one address or one name alone has it."""
        network = _network(self.entry)
        return self.entry.hostname is not None or (network is not None and network.prefixlen == network.max_prefixlen)


def _network(entry: PreSharedKey) -> IPv4Network | IPv6Network | None:
    return entry.network if entry.network is not None else entry.ipv6_address.network if entry.ipv6_address else None


class KeyTable:
    """All keys, found by address or name without going through all of them."""

    def __init__(self, keys: Collection[PreSharedKey], keyrings: Collection[Keyring]) -> None:
        self._locals = {ring.name: ring.local_address for ring in keyrings}
        self._networks: Prefixes[Key] = Prefixes()
        self._hosts: dict[str, list[Key]] = {}
        self._all: set[Key] = set()
        for ring, entries in ((GLOBAL, keys), *((ring.name, ring.keys) for ring in keyrings)):
            for entry in entries:
                self._add(Key(ring, entry))

    def _add(self, key: Key) -> None:
        network = _network(key.entry)
        self._all.add(key)
        if key.entry.hostname is not None:
            self._hosts.setdefault(key.entry.hostname.lower(), []).append(key)
        elif network is not None:
            self._networks.add(network, key)

    def find(
        self, local: Address, remote: Address, host: str | None = None, rings: Collection[str] | None = None
    ) -> Key | None:
        """The most specific entry for `remote`; of several alike the first, global keys before keyrings.

        `host` is a name the peer gave in aggressive mode, where nothing vouches for it: an entry for that name is more
        specific than any network, but an entry for the address itself comes first. `rings` restricts the keyrings.
        """
        return next((key for key in self._candidates(remote, host) if self._usable(key, local, rings)), None)

    def _usable(self, key: Key, local: Address, rings: Collection[str] | None) -> bool:
        bound = self._locals.get(key.keyring)
        return (bound is None or bound == local) and (rings is None or key.keyring in rings)

    def _candidates(self, remote: Address, host: str | None) -> Iterator[Key]:
        yield from self._networks.just(remote)
        if host is not None:
            yield from self._hosts.get(host.lower(), ())
        yield from self._networks.around(remote, hosts=False)

    def __contains__(self, key: Key) -> bool:
        return key in self._all

    def of_name(self, host: str) -> list[Key]:
        """The entries for a host name."""
        return self._hosts.get(host.lower(), [])

    def of_host(self, address: Address, ring: str) -> list[Key]:
        """The entries of a keyring for this very address."""
        return [key for key in self._networks.just(address) if key.keyring == ring]
