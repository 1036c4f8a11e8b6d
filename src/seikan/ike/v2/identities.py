"""Who a peer of IKEv2 says it is, and which profile and key that leads to (RFC 7296 section 3.5). Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from seikan.config.model_ikev2 import CertificateCriterion, CertificateMap, Ikev2Identity, Ikev2Match, Ikev2Peer
from seikan.ike.effects import Address
from seikan.ike.identity import Identity
from seikan.ike.identity import read_identity as read_text_identity
from seikan.ike.settings import Ikev2ProfileSettings
from seikan.ike.v2.keyring import lower, plain
from seikan.ike.v2.names import distinguished_name
from seikan.wire import payloads as v1
from seikan.wire.constants import IdentityType
from seikan.wire.secret import Secret
from seikan.wire.v2.constants import IdType
from seikan.wire.v2.payloads import Identification

Fit = tuple[int, int]  # the greater the more specific, of matches of one identity

_ANY, _PART, _EXACT = 0, 1, 2
_MAX_NAME = 255  # octets
_MAX_DN = 2048
_HEX = "0x"  # before a key ID that is no text
NULL_NAME = "null"  # of a peer that does not say who it is (RFC 7619 section 2.2)


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """What certificate maps look at; names as `names.distinguished_name` writes them, times in seconds of the epoch."""

    subject: str
    issuer: str
    alternatives: tuple[str, ...]
    serial: int
    not_before: float
    not_after: float


def read_identity(payload: Identification) -> Identity | None:
    """The identity in a payload; None for a kind that is not known here or data that is none of its kind.

    A key ID that is no text becomes hexadecimal digits after 0x.
    """
    data = payload.data
    if payload.type == IdType.NULL:
        return Identity(IdType.NULL, NULL_NAME) if not data else None
    if payload.type == IdType.DER_ASN1_DN:
        name = distinguished_name(data) if len(data) <= _MAX_DN else None
        return Identity(IdentityType.DER_ASN1_DN, name) if name else None
    if payload.type == IdType.KEY_ID and 0 < len(data) <= _MAX_NAME:
        text = data.decode("ascii") if all(0x21 <= octet <= 0x7E for octet in data) else _HEX + data.hex()
        return Identity(IdentityType.KEY_ID, text)
    # The kinds that are left have the same numbers and meaning in IKEv1.
    return read_text_identity(v1.Identification(payload.type, 0, 0, data))


def _key_id(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix(_HEX)) if text.startswith(_HEX) and text != _HEX else text.encode()
    except ValueError:
        return text.encode()


def encode(
    identity: Ikev2Identity | None, *, local: Address, hostname: str, subject: bytes | None = None
) -> tuple[int, bytes]:
    """Type and data of this side's identity. Without one it is `subject`, the DER of the certificate's, or the address.

    What was not typed of an identity is the router's. Raises ValueError where a DN is wanted and there is none.
    """
    if identity is None:
        identity = Ikev2Identity("dn" if subject is not None else "address")
    if identity.kind == "address":
        address = ip_address(identity.value) if identity.value else local
        return IdType.IPV4_ADDR if address.version == 4 else IdType.IPV6_ADDR, address.packed
    if identity.kind == "fqdn":
        return IdType.FQDN, (identity.value or hostname).encode()
    if identity.kind == "email":
        return IdType.RFC822_ADDR, (identity.value or hostname).encode()
    if identity.kind == "key-id":
        return IdType.KEY_ID, _key_id(identity.value or hostname)
    if subject is None:
        raise ValueError("identity local dn needs a certificate to take the name from")
    return IdType.DER_ASN1_DN, subject


def fits(match: Ikev2Match, identity: Identity) -> Fit | None:
    """How well one line fits: anybody, then the longest prefix or domain, then an exact name; None where it does not.

    A domain stands for itself and everything below it.
    """
    if match.any:
        return _ANY, 0
    name = identity.name
    if identity.address is not None:
        network = match.network
        inside = network is not None and network.version == identity.address.version and identity.address in network
        return (_PART, network.prefixlen) if network is not None and inside else None
    names: dict[int, str | None] = {
        IdentityType.FQDN: lower(match.fqdn),
        IdentityType.USER_FQDN: lower(match.email),
        IdentityType.KEY_ID: match.key_id,
    }
    exact = names.get(identity.kind)
    if exact is not None:
        return (_EXACT, 0) if exact == name else None
    if identity.kind == IdentityType.FQDN:
        return _in_domain(match.domain, name)
    if identity.kind == IdentityType.USER_FQDN:
        return _in_domain(match.email_domain, name.rpartition("@")[2])
    return None


def _in_domain(typed: str | None, name: str) -> Fit | None:
    domain = (lower(typed) or "").lstrip(".@")
    return (_PART, len(domain)) if domain and (name == domain or name.endswith(f".{domain}")) else None


def find_profile(
    profiles: Iterable[Ikev2ProfileSettings],
    local: Address,
    identity: Identity,
    certificate: CertificateNames | None = None,
) -> Ikev2ProfileSettings | None:
    """The profile with the most specific match; of several alike one that is bound to `local`, then the first.

    A certificate map that fits counts as an exact name, as in IOS: `match certificate` stands beside `match identity`.
    """
    best: Ikev2ProfileSettings | None = None
    best_found: tuple[Fit, bool] | None = None
    for profile in profiles:
        if profile.locals and local not in profile.locals:
            continue
        rows = [row for row in (fits(match, identity) for match in profile.identities) if row is not None]
        if certificate is not None and any(map_fits(row, certificate) for row in profile.certificate_maps):
            rows.append((_EXACT, 0))
        found = (max(rows), bool(profile.locals)) if rows else None
        if found is not None and (best_found is None or found > best_found):
            best, best_found = profile, found
    return best


def find_peers(profile: Ikev2ProfileSettings, remote: Address, identity: Identity | None) -> Iterator[Ikev2Peer]:
    """The peers of the profile's keyring that fit: by identity, by address with the longest prefix first, by name."""
    index = profile.index
    if identity is not None:
        yield from index.by_identity(identity)
    yield from index.by_address(remote)
    if identity is not None and identity.kind == IdentityType.FQDN:
        yield from index.by_name(identity.name)


def find_key(
    profile: Ikev2ProfileSettings, remote: Address, identity: Identity | None, which: str = "remote"
) -> Secret | None:
    """The pre-shared key of `which` side, "local" (ours) or "remote" (the peer's); None where there is none.

    One typed in the profile comes first, then that of the keyring's peer that fits best. `identity` None is a peer
    that has not said who it is yet.
    """
    return key_among(profile, find_peers(profile, remote, identity), which)


def key_among(profile: Ikev2ProfileSettings, peers: Iterable[Ikev2Peer], which: str = "remote") -> Secret | None:
    """As `find_key`, of the peers that it would find."""
    own = profile.local_key if which == "local" else profile.remote_key
    if own is not None:
        return own
    keys = (row.local_key if which == "local" else row.remote_key for row in peers)
    return next((key for key in keys if key is not None), None)


def has_other_key(profile: Ikev2ProfileSettings, identity: Identity, proved: Secret) -> bool:
    """Whether the keyring has keys of just this name or address, and `proved` is none of them: then it is somebody
    else who has the key of a wider network, or of another peer behind the same address.
    """
    if profile.remote_key is not None:
        return False
    keys = [row.remote_key for row in profile.index.just(identity) if row.remote_key is not None]
    return bool(keys) and proved not in keys


def map_fits(row: CertificateMap, certificate: CertificateNames) -> bool:
    """Whether a certificate has all that one sequence number of a map asks for."""
    return any(
        bool(criteria) and all(_criterion_fits(one, certificate) for one in criteria)
        for criteria in row.entries.values()
    )


def _criterion_fits(criterion: CertificateCriterion, certificate: CertificateNames) -> bool:
    if criterion.field in ("valid-start", "expires-on"):
        moment = certificate.not_before if criterion.field == "valid-start" else certificate.not_after
        wanted = read_date(criterion.value)
        return wanted is not None and _ordered(criterion.operator, moment, wanted)
    if criterion.field == "serial-number":
        digits = criterion.value.lower().removeprefix(_HEX).replace(" ", "").lstrip("0")
        return _compared(criterion.operator, (f"{certificate.serial:x}",), digits)
    values = {
        "subject-name": (certificate.subject,),
        "issuer-name": (certificate.issuer,),
        "alt-subject-name": certificate.alternatives,
        "name": (certificate.subject, *certificate.alternatives),
        "unstructured-subject-name": tuple(
            part for part in plain(certificate.subject).split(",") if part.startswith(("hostname=", "ipaddress="))
        ),
    }.get(criterion.field, ())
    return _compared(criterion.operator, tuple(plain(value) for value in values), plain(criterion.value))


def _compared(operator: str, values: Sequence[str], wanted: str) -> bool:
    """`ne` and `nc` hold where none of the values is, or has in it, what is named."""
    equal, inside = any(value == wanted for value in values), any(wanted in value for value in values)
    return {"eq": equal, "ne": not equal, "co": inside, "nc": not inside}.get(operator, False)


def _ordered(operator: str, moment: float, wanted: float) -> bool:
    return {"eq": moment == wanted, "ne": moment != wanted, "lt": moment < wanted, "ge": moment >= wanted}.get(
        operator, False
    )


def read_date(text: str) -> float | None:
    """`MMM DD YYYY HH:MM:SS` of IOS, UTC, also without the time or with the day first; seconds of the epoch."""
    words = " ".join(text.replace(" utc", "").replace(" UTC", "").split())
    for form in ("%b %d %Y %H:%M:%S", "%b %d %Y", "%d %b %Y %H:%M:%S", "%d %b %Y"):
        try:
            return datetime.strptime(words, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    return None
