"""The peers of an IKEv2 keyring by what they are looked up by: identity, address and name. Pure functions."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from ipaddress import ip_address

from seikan.config.model_ikev2 import Ikev2Identity, Ikev2Peer
from seikan.ike.identity import Address, Identity
from seikan.wire.constants import IdentityType
from seikan.wire.prefixes import Prefixes

_KINDS = {
    "fqdn": IdentityType.FQDN,
    "email": IdentityType.USER_FQDN,
    "key-id": IdentityType.KEY_ID,
    "dn": IdentityType.DER_ASN1_DN,
}


def lower(text: str | None) -> str | None:
    """A host name in the one spelling that is compared."""
    return None if text is None else text.lower().rstrip(".")


def plain(name: str) -> str:
    """A distinguished name, or a part of one, in the one spelling that is compared."""
    parts = name.lower().split(",")
    return ",".join("=".join(word.strip() for word in part.split("=", 1)) for part in parts)


def _configured(identity: Ikev2Identity) -> Hashable:
    """What `_said` is of who has this identity; None of one that says nothing by itself."""
    if identity.value is None:
        return None
    if identity.kind == "address":
        return ip_address(identity.value)
    kind = _KINDS.get(identity.kind)
    if kind is None:
        return None
    if kind is IdentityType.DER_ASN1_DN:
        return kind, plain(identity.value)
    return kind, identity.value if kind is IdentityType.KEY_ID else lower(identity.value)


def _said(identity: Identity) -> Hashable:
    if identity.address is not None:
        return identity.address
    return identity.kind, plain(identity.name) if identity.kind == IdentityType.DER_ASN1_DN else identity.name


class PeerIndex:
    """A look-up takes as long with a thousand peers as with one; of several that fit alike the first typed is first."""

    def __init__(self, peers: Iterable[Ikev2Peer]) -> None:
        self._identities: dict[Hashable, list[Ikev2Peer]] = {}
        self._hosts: dict[str, list[Ikev2Peer]] = {}
        self._networks: Prefixes[Ikev2Peer] = Prefixes()
        for row in peers:
            name = None if row.identity is None else _configured(row.identity)
            if name is not None:
                self._identities.setdefault(name, []).append(row)
            host = lower(row.hostname)
            if host is not None:
                self._hosts.setdefault(host, []).append(row)
            for network in dict.fromkeys(row.networks):
                self._networks.add(network, row)

    def by_identity(self, identity: Identity) -> Iterable[Ikev2Peer]:
        return self._identities.get(_said(identity), ())

    def by_name(self, name: str) -> Iterable[Ikev2Peer]:
        return self._hosts.get(name, ())

    def just(self, identity: Identity) -> Iterator[Ikev2Peer]:
        """Those that are of this name or address and no other."""
        yield from self.by_identity(identity)
        if identity.address is not None:
            yield from self._networks.just(identity.address)
        elif identity.kind == IdentityType.FQDN:
            yield from self.by_name(identity.name)

    def by_address(self, address: Address) -> Iterator[Ikev2Peer]:
        """With the longest prefix first; each once."""
        seen: set[int] = set()
        for row in self._networks.around(address):
            if id(row) not in seen:
                seen.add(id(row))
                yield row
