"""Who a peer says it is (RFC 2407 section 4.6.2), and which `match identity` of a profile fits best. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

from seikan.config.model import IdentityMatch
from seikan.wire.constants import IdentityType
from seikan.wire.payloads import Identification
from seikan.wire.v2.constants import IdType

Address = IPv4Address | IPv6Address
Kind = IdentityType | IdType
Fit = tuple[int, int]  # the greater the more specific, of matches of one identity

_MAX_NAME = 255  # octets
_EXACT = 1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity that can be told from others: `name` has one spelling for all that mean the same.

    Kinds that only IKEv2 has are `IdType`s; those of both are `IdentityType`s.
    """

    kind: Kind
    name: str
    address: Address | None = None


def read_identity(payload: Identification) -> Identity | None:
    """The identity in a payload; None for a kind that is not known here or data that is none of its kind."""
    data = payload.data
    if payload.type == IdentityType.IPV4_ADDR and len(data) == 4:
        return _of_address(IdentityType.IPV4_ADDR, IPv4Address(data))
    if payload.type == IdentityType.IPV6_ADDR and len(data) == 16:
        return _of_address(IdentityType.IPV6_ADDR, IPv6Address(data))
    if not 0 < len(data) <= _MAX_NAME or not all(0x21 <= octet <= 0x7E for octet in data):
        return None
    text = data.decode("ascii")
    if payload.type == IdentityType.FQDN and "@" not in text:
        name = text.lower().rstrip(".")
        return Identity(IdentityType.FQDN, name) if name else None
    if payload.type == IdentityType.USER_FQDN:
        user, at, domain = text.lower().rpartition("@")
        return Identity(IdentityType.USER_FQDN, user + at + domain) if user and domain else None
    if payload.type == IdentityType.KEY_ID:
        return Identity(IdentityType.KEY_ID, text)
    return None


def _of_address(kind: IdentityType, address: Address) -> Identity:
    return Identity(kind, str(address), address)


def fit(match: IdentityMatch, identity: Identity) -> Fit | None:
    """How well one line fits: the longest prefix, an exact name, then the longest domain; None where it does not.

    `host domain D` is every host below D but not D itself, `user domain D` every user of D but of no domain below.
    """
    name = identity.name
    if identity.address is not None:
        network = match.network
        if network is None or network.version != identity.address.version or identity.address not in network:
            return None
        return 0, network.prefixlen
    names: dict[int, str | None] = {
        IdentityType.FQDN: _lower(match.host),
        IdentityType.USER_FQDN: _lower(match.user),
        IdentityType.KEY_ID: match.group,
    }
    exact = names.get(identity.kind)
    if exact is not None:
        return (_EXACT, 0) if exact == name else None
    if identity.kind is IdentityType.FQDN and match.domain is not None:
        domain = (_lower(match.domain) or "").lstrip(".")
        return (0, len(domain)) if domain and name.endswith(f".{domain}") else None
    if identity.kind is IdentityType.USER_FQDN and match.user_domain is not None:
        domain = (_lower(match.user_domain) or "").lstrip("@")
        return (0, len(domain)) if domain and name.rpartition("@")[2] == domain else None
    return None


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower().rstrip(".")


def best_fit(candidates: Iterable[tuple[T, Sequence[IdentityMatch]]], identity: Identity) -> T | None:
    """The candidate with the most specific matching line; of several alike the first, None where none matches."""
    best: T | None = None
    best_found: Fit | None = None
    for candidate, lines in candidates:
        found = max((row for row in (fit(line, identity) for line in lines) if row is not None), default=None)
        if found is not None and (best_found is None or found > best_found):
            best, best_found = candidate, found
    return best
