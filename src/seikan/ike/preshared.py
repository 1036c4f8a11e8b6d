"""Which pre-shared key belongs to a peer (RFC 2409 section 5.4: in main mode only its address can tell)."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.config.model import PreSharedKey
from seikan.ike.effects import Address
from seikan.ike.settings import EngineSettings
from seikan.wire.secret import Secret


def _candidates(settings: EngineSettings, local: Address) -> Iterator[PreSharedKey]:
    yield from settings.keys
    for keyring in settings.keyrings:
        if keyring.local_address is None or keyring.local_address == local:
            yield from keyring.keys


def find_key(settings: EngineSettings, local: Address, remote: Address, host: str | None = None) -> Secret | None:
    """The key of the most specific entry for `remote`; of several alike the first, global keys before keyrings.

    `host` is a name the peer gave in aggressive mode, where nothing vouches for it: an entry for that name is more
    specific than any network, but an entry for the address itself comes first.
    """
    best: PreSharedKey | None = None
    best_length = -1.0
    for entry in _candidates(settings, local):
        length = -1.0
        if entry.hostname is not None:
            length = remote.max_prefixlen - 0.5 if host is not None and entry.hostname.lower() == host.lower() else -1
        elif entry.network is not None and remote.version == 4 and remote in entry.network:
            length = entry.network.prefixlen
        elif entry.ipv6_address is not None and remote.version == 6 and remote in entry.ipv6_address.network:
            length = entry.ipv6_address.network.prefixlen
        if length > best_length:
            best, best_length = entry, length
    return best.key if best else None
