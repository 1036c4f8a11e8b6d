"""X.509 certificates for IKE: read, described, matched to an identity, and their path validated (RFC 5280, RFC 4945).

Certificates come and go as DER, what is wrong with one as a `CertificateProblem`. The wall clock is an argument:
`now` is an aware datetime. Whether a certificate is revoked is asked in `crypto.revocation`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7, pkcs12
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, ExtensionOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from seikan.crypto.der import SEQUENCE, NotDer, elements, only
from seikan.crypto.signatures import PrivateKey, PublicKey, UnusableKey
from seikan.wire.v2.constants import IdType

MAX_CHAIN = 8  # certificates from the peer's to the authority's
MAX_SENT = 32  # certificates of one peer that are looked at
_MOST_CHECKED = 64  # signatures that one search for a path verifies: forged chains cost no more
_LEAST_RSA_BITS = 2048  # RFC 8247 section 4: SHOULD NOT below


class Problem(Enum):
    """What can be wrong with a certificate, in words for `show` and logs."""

    MALFORMED = "malformed"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    UNKNOWN_ISSUER = "unknown issuer"
    BAD_SIGNATURE = "bad signature"
    WEAK = "weak algorithm"
    WRONG_USAGE = "wrong usage"
    CONSTRAINED = "not permitted by its authority"
    REVOKED = "revoked"
    NO_CRL = "no CRL"
    CRL_EXPIRED = "CRL expired"
    NO_OCSP = "no OCSP answer"


@dataclass(frozen=True, slots=True)
class CertificateProblem:
    """What is wrong with which certificate: `text` is one line.

    `not_before`, `not_after` and `now` are set where it is its time: two clocks that differ look just like that.
    """

    kind: Problem
    subject: str
    text: str
    now: datetime | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None


class CertificateRefused(Exception):
    """A certificate that proves nothing here, and why."""

    def __init__(self, problem: CertificateProblem) -> None:
        super().__init__(problem.text)
        self.problem = problem


class UnusableFile(Exception):
    """A file that should hold certificates and does not; the text is for who chose it."""


# --- one certificate ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def parse(der: bytes) -> x509.Certificate:
    """The library's view of a certificate, for the modules of this room. Raises `CertificateRefused`."""
    try:
        found = x509.load_der_x509_certificate(der)
        found.extensions  # noqa: B018 - they are parsed when they are first asked for
        found.subject, found.issuer  # noqa: B018
    except Exception as error:
        text = f"a certificate is malformed: {error}"
        raise CertificateRefused(CertificateProblem(Problem.MALFORMED, "?", text)) from error
    return found


def name_text(name: x509.Name) -> str:
    return name.rfc4514_string() or "(no subject)"


def subject_text(der: bytes) -> str:
    """The subject as RFC 4514 writes it, for messages."""
    return name_text(parse(der).subject)


def issuer_text(der: bytes) -> str:
    return name_text(parse(der).issuer)


def serial_number(der: bytes) -> int:
    return parse(der).serial_number


def validity(der: bytes) -> tuple[datetime, datetime]:
    """From when to when, in UTC."""
    found = parse(der)
    return found.not_valid_before_utc, found.not_valid_after_utc


_VERSION = 0xA0  # its tag; absent in version 1
_ISSUER, _SUBJECT, _PUBLIC_KEY = 2, 4, 5  # after serialNumber, signature; validity is between the names


def _field(der: bytes, number: int) -> bytes:
    """A field of tbsCertificate behind its version, in the very octets of the certificate (RFC 5280 section 4.1)."""
    try:
        fields = list(elements(only(parse(der).tbs_certificate_bytes, SEQUENCE).content))
        return fields[number + (fields[0].tag == _VERSION)].octets
    except (NotDer, IndexError) as error:
        raise CertificateRefused(CertificateProblem(Problem.MALFORMED, "?", "a certificate is malformed")) from error


def subject_der(der: bytes) -> bytes:
    """The subject as it stands in an identification payload of type DER_ASN1_DN."""
    return _field(der, _SUBJECT)


def issuer_der(der: bytes) -> bytes:
    return _field(der, _ISSUER)


def public_key(der: bytes) -> PublicKey:
    """The key that the certificate is about. Raises `CertificateRefused` where it cannot sign in IKEv2."""
    try:
        found = parse(der).public_key()
    except (ValueError, UnsupportedAlgorithm):
        found = None
    if isinstance(found, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        return found
    text = f"the key of {subject_text(der)} is neither RSA nor ECDSA nor Ed25519"
    raise CertificateRefused(CertificateProblem(Problem.WRONG_USAGE, subject_text(der), text))


def authority_hash(der: bytes) -> bytes:
    """SHA-1 of the SubjectPublicKeyInfo, by which CERTREQ names an authority (RFC 7296 section 3.7)."""
    return hashlib.sha1(_field(der, _PUBLIC_KEY), usedforsecurity=False).digest()


def fingerprint(der: bytes, algorithm: str = "sha256") -> bytes:
    """The hash of the whole certificate, by which people compare it: "md5", "sha1" or "sha256"."""
    return hashlib.new(algorithm, der, usedforsecurity=False).digest()


def self_issued(der: bytes) -> bool:
    return issuer_der(der) == subject_der(der)


def is_authority(der: bytes) -> bool:
    """Whether basicConstraints make it one that may issue."""
    found = parse(der).extensions
    return any(isinstance(row.value, x509.BasicConstraints) and row.value.ca for row in found)


@dataclass(frozen=True, slots=True)
class AlternativeNames:
    """What subjectAltName has of the types that IKE identities have (RFC 4945 section 5.1.3.6)."""

    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    names: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()


def alternative_names(der: bytes) -> AlternativeNames:
    try:
        found = parse(der).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return AlternativeNames()
    addresses = found.get_values_for_type(x509.IPAddress)
    return AlternativeNames(
        tuple(address for address in addresses if isinstance(address, IPv4Address | IPv6Address)),
        tuple(found.get_values_for_type(x509.DNSName)),
        tuple(found.get_values_for_type(x509.RFC822Name)),
    )


def certifies(der: bytes, id_type: int, id_data: bytes) -> bool:
    """Whether the certificate is of the identity in an IKE payload (RFC 4945 section 3.1).

    An address, a host name or a mail address must be in subjectAltName, a distinguished name be the subject itself.
    """
    names = alternative_names(der)
    if id_type == IdType.DER_ASN1_DN:
        return id_data == subject_der(der)
    if id_type in (IdType.IPV4_ADDR, IdType.IPV6_ADDR):
        return any(address.packed == id_data for address in names.addresses)
    try:
        text = id_data.decode("ascii")
    except UnicodeDecodeError:
        return False
    if id_type == IdType.FQDN:
        return text.lower() in [name.lower() for name in names.names]
    if id_type == IdType.RFC822_ADDR:
        return text.lower() in [email.lower() for email in names.emails]
    return False


def _locations(der: bytes, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    try:
        access = parse(der).extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ()
    places = [row.access_location for row in access if row.access_method == oid]
    return tuple(place.value for place in places if isinstance(place, x509.UniformResourceIdentifier))


def ocsp_urls(der: bytes) -> tuple[str, ...]:
    """Where its authority answers OCSP (RFC 5280 section 4.2.2.1)."""
    return _locations(der, AuthorityInformationAccessOID.OCSP)


def crl_urls(der: bytes) -> tuple[str, ...]:
    """Where its authority publishes the CRL for it (RFC 5280 section 4.2.1.13)."""
    try:
        points = parse(der).extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return ()
    names = [name for point in points for name in point.full_name or ()]
    return tuple(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))


# --- files ----------------------------------------------------------------------------------------------------------


def load_certificates(data: bytes) -> tuple[bytes, ...]:
    """The certificates of a file as DER: PEM with one or many, DER with one, or PKCS #7. Raises `UnusableFile`."""
    try:
        if b"-----BEGIN CERTIFICATE-----" in data:
            found = x509.load_pem_x509_certificates(data)
        elif b"-----BEGIN PKCS7-----" in data:
            found = pkcs7.load_pem_pkcs7_certificates(data)
        else:
            try:
                found = [x509.load_der_x509_certificate(data)]
            except ValueError:
                found = pkcs7.load_der_pkcs7_certificates(data)
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableFile("not a certificate in PEM, DER or PKCS #7") from None
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in found)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a PKCS #12 file holds: the own certificate first, then its authorities."""

    key: PrivateKey
    certificates: tuple[bytes, ...]


def load_pkcs12(data: bytes, passphrase: bytes) -> Bundle:
    """Raises `UnusableFile`, or `UnusableKey` for a key that does not sign here."""
    try:
        found = pkcs12.load_pkcs12(data, passphrase)
    except Exception:  # noqa: BLE001 - the library raises several kinds, and their texts may quote the input
        raise UnusableFile("wrong passphrase, or not PKCS #12") from None
    key, own = found.key, found.cert
    if key is None or own is None:
        raise UnusableFile("a PKCS #12 file without private key or without its certificate")
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise UnusableKey("the private key is neither RSA nor ECDSA nor Ed25519")
    rest = [entry.certificate for entry in found.additional_certs]
    return Bundle(
        PrivateKey(key), tuple(certificate.public_bytes(Encoding.DER) for certificate in (own.certificate, *rest))
    )


def belongs(key: PrivateKey, der: bytes) -> bool:
    """Whether the certificate is of that key."""
    return public_key(der) == key.public


# --- paths ----------------------------------------------------------------------------------------------------------

# RFC 4945 section 5.1.3.12 and what is seen in use: any, IPsec's own, and those of TLS, which many authorities give.
_USAGES = frozenset(
    (
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        ExtendedKeyUsageOID.IPSEC_IKE,
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
        x509.ObjectIdentifier("1.3.6.1.5.5.7.3.5"),  # ipsecEndSystem
        x509.ObjectIdentifier("1.3.6.1.5.5.7.3.6"),  # ipsecTunnel
        x509.ObjectIdentifier("1.3.6.1.5.5.7.3.7"),  # ipsecUser
        x509.ObjectIdentifier("1.3.6.1.5.5.8.2.2"),  # iKEIntermediate
    )
)
_KNOWN_EXTENSIONS = frozenset(
    (
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
    )
)
_WEAK_HASHES = (hashes.MD5, hashes.SHA1)


def refuse(kind: Problem, der: bytes, text: str, **dates: datetime) -> CertificateRefused:
    return CertificateRefused(CertificateProblem(kind, subject_text(der), text, **dates))


def validate(sent: Sequence[bytes], authorities: Sequence[bytes], now: datetime) -> tuple[bytes, ...]:
    """The path from a peer's certificate, the first of `sent`, to one of `authorities`, both ends in it.

    The rest of `sent` are certificates that may help, in any order. Checked here, in words of their own: times, names
    and signatures of the path; basicConstraints with the path's length, keyUsage and extendedKeyUsage (RFC 4945
    section 5.1.3); critical extensions that are not known; MD5, SHA-1 and short RSA keys. Then the path is handed to
    `cryptography.x509.verification` with a policy that permits every extension, for the rest of RFC 5280 section 6, of
    which name constraints matter. It knows no Ed25519: with such keys in a path, one with name constraints is refused.

    Raises `CertificateRefused` with what is wrong with the path that came closest.
    """
    if not sent:
        raise CertificateRefused(CertificateProblem(Problem.UNKNOWN_ISSUER, "?", "the peer sent no certificate"))
    search = _Search(sent[1:MAX_SENT], authorities)
    closest: CertificateRefused | None = None
    for path in search.paths((sent[0],)):
        try:
            _check_path(path, now)
            _check_with_library(path, now)
        except CertificateRefused as error:
            closest = closest or error
            continue
        return path
    raise closest or search.failure(sent[0])


class _Search:
    """Finds the paths to an authority: by names, then by signatures (RFC 5280 section 6.1)."""

    def __init__(self, helpers: Sequence[bytes], authorities: Sequence[bytes]) -> None:
        self._helpers = tuple(helpers)
        self._authorities = tuple(authorities)
        self._checked = 0
        self._forged: tuple[bytes, bytes] | None = None
        self._last: bytes | None = None  # whose issuer was not found

    def paths(self, path: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
        own = path[-1]
        if own in self._authorities:
            yield path
            return
        if len(path) >= MAX_CHAIN:
            return
        wanted = issuer_der(own)
        found = False
        for issuer in (*self._authorities, *self._helpers):
            if issuer in path or subject_der(issuer) != wanted:
                continue
            found = True
            if self._signed(own, issuer):
                yield from self.paths((*path, issuer))
        if not found:
            self._last = own

    def _signed(self, own: bytes, issuer: bytes) -> bool:
        self._checked += 1
        if self._checked > _MOST_CHECKED:
            return False
        try:
            parse(own).verify_directly_issued_by(parse(issuer))
        except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
            if _weak_hash(own) is None:
                self._forged = (own, issuer)
                return False
            # The library does not even verify these; `_check_path` names what is wrong with them.
        return True

    def failure(self, own: bytes) -> CertificateRefused:
        """Why there is no path at all."""
        if self._forged is not None:
            forged, issuer = self._forged
            text = f"the signature of {subject_text(forged)} is not by {subject_text(issuer)}"
            return refuse(Problem.BAD_SIGNATURE, forged, text)
        last = self._last or own
        if self_issued(last):
            text = f"{subject_text(last)} is self-signed and no authority of the trustpoint"
        else:
            text = f"the issuer of {subject_text(last)}, {issuer_text(last)}, is no authority of the trustpoint"
        return refuse(Problem.UNKNOWN_ISSUER, last, text)


def _weak_hash(der: bytes) -> str | None:
    """The name of the hash under a certificate's signature where it is broken."""
    try:
        algorithm = parse(der).signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    return algorithm.name.upper() if isinstance(algorithm, _WEAK_HASHES) else None


def check_times(der: bytes, now: datetime) -> None:
    """Raises `CertificateRefused` with both dates where `now` is not between them."""
    start, end = validity(der)
    subject = subject_text(der)
    if now < start:
        text = f"the certificate of {subject} is not valid before {utc(start)}, which is still to come here"
        raise refuse(Problem.NOT_YET_VALID, der, text, now=now, not_before=start, not_after=end)
    if now > end:
        text = f"the certificate of {subject} expired {utc(end)}"
        raise refuse(Problem.EXPIRED, der, text, now=now, not_before=start, not_after=end)


def utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _check_path(path: tuple[bytes, ...], now: datetime) -> None:
    for der in path:
        check_times(der, now)
    below = 0  # certificates between an authority and the peer's that are not self-issued (RFC 5280 section 4.2.1.9)
    for position, der in enumerate(path):
        _check_strength(der, anchor=position == len(path) - 1)
        _check_extensions(der)
        if position == 0:
            _check_end_entity(der, alone=len(path) == 1)
            continue
        _check_authority(der, below)
        if not self_issued(der):
            below += 1


def _check_strength(der: bytes, *, anchor: bool) -> None:
    """Nobody relies on the signature of what is trusted by itself."""
    name, key = _weak_hash(der), public_key(der)
    if name is not None and not anchor:
        raise refuse(Problem.WEAK, der, f"the certificate of {subject_text(der)} is signed with {name}")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
        text = f"the key of {subject_text(der)} has {key.key_size} bits; {_LEAST_RSA_BITS} are the least (RFC 8247)"
        raise refuse(Problem.WEAK, der, text)


def _check_extensions(der: bytes) -> None:
    for row in parse(der).extensions:
        if row.critical and row.oid not in _KNOWN_EXTENSIONS:
            text = f"the certificate of {subject_text(der)} has a critical extension {row.oid.dotted_string}"
            raise refuse(Problem.WRONG_USAGE, der, text)


def _key_usage(der: bytes) -> x509.KeyUsage | None:
    try:
        return parse(der).extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def _check_end_entity(der: bytes, *, alone: bool) -> None:
    usage = _key_usage(der)
    if usage is not None and not (usage.digital_signature or usage.content_commitment or alone):
        raise refuse(Problem.WRONG_USAGE, der, f"the key usage of {subject_text(der)} has no digital signature")
    try:
        purposes = parse(der).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not _USAGES.intersection(purposes):
        raise refuse(Problem.WRONG_USAGE, der, f"the extended key usage of {subject_text(der)} is not for IPsec")


def _check_authority(der: bytes, below: int) -> None:
    try:
        constraints = parse(der).extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = None
    if constraints is None or not constraints.ca:
        raise refuse(Problem.WRONG_USAGE, der, f"{subject_text(der)} has issued a certificate and is no authority")
    if constraints.path_length is not None and below > constraints.path_length:
        text = f"{subject_text(der)} may have {constraints.path_length} authorities below it, and has {below}"
        raise refuse(Problem.CONSTRAINED, der, text)
    usage = _key_usage(der)
    if usage is not None and not usage.key_cert_sign:
        raise refuse(
            Problem.WRONG_USAGE, der, f"the key usage of {subject_text(der)} does not let it sign certificates"
        )


_AUTHORITY_POLICY = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)


def _check_with_library(path: tuple[bytes, ...], now: datetime) -> None:
    parsed = [parse(der) for der in path]
    if len(path) == 1:
        return  # the peer's certificate is trusted itself; there is no path
    if any(isinstance(public_key(der), ed25519.Ed25519PublicKey) for der in path):
        for der, certificate in zip(path, parsed, strict=True):
            if any(row.oid == ExtensionOID.NAME_CONSTRAINTS for row in certificate.extensions):
                text = f"the name constraints of {subject_text(der)} cannot be checked in a path with Ed25519"
                raise refuse(Problem.CONSTRAINED, der, text)
        return
    verifier = (
        PolicyBuilder()
        .store(Store([parsed[-1]]))
        .time(now)
        .max_chain_depth(MAX_CHAIN)
        .extension_policies(ca_policy=_AUTHORITY_POLICY, ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        verifier.verify(parsed[0], parsed[1:-1])
    except VerificationError as error:
        text = f"the certificate of {subject_text(path[0])} is refused: {error}"
        raise refuse(Problem.CONSTRAINED, path[0], text) from error
