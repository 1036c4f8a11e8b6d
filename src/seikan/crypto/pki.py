"""Key pairs and certificates as a router keeps them: made, imported, asked for, described.

Everything goes in and out as octets. `PkiError` says what is wrong in words that hold no secret. Whether a certificate
is to be trusted is not decided here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from seikan.crypto.signatures import PrivateKey
from seikan.wire.secret import Secret

RSA_BITS: Final = (2048, 4096)  # least and most; NIST SP 800-131A: less than 2048 is not acceptable
_CURVES: Final[dict[int, ec.EllipticCurve]] = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}
EC_BITS: Final = tuple(_CURVES)

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_ATTRIBUTE = re.compile(r"(?:^|[,+])\s*([A-Za-z0-9.]+)\s*=\s*")
Kind = TypeVar("Kind", bound=x509.ExtensionType)
_SHORT = {
    NameOID.COMMON_NAME: "cn",
    NameOID.ORGANIZATION_NAME: "o",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "ou",
    NameOID.COUNTRY_NAME: "c",
    NameOID.STATE_OR_PROVINCE_NAME: "st",
    NameOID.LOCALITY_NAME: "l",
    NameOID.EMAIL_ADDRESS: "e",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.DOMAIN_COMPONENT: "dc",
    NameOID.UNSTRUCTURED_NAME: "hostname",
    NameOID.USER_ID: "uid",
}


class PkiError(Exception):
    """What was given is not what is needed; one line that says what it is, or would have to be."""


# --- keys -------------------------------------------------------------------------------------------------------------


def generate(kind: str, bits: int) -> PrivateKey:
    """A new pair of the kind "rsa" or "ec". Takes a while for RSA: seconds for 4096 bits."""
    if kind == "ec":
        return PrivateKey(ec.generate_private_key(_CURVES[bits]))
    return PrivateKey(rsa.generate_private_key(65537, bits))


def load_key(data: bytes, password: Secret | None = None) -> PrivateKey:
    """From PEM or DER. Raises `PkiError`."""
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        key = load(data, bytes(password) if password else None)
    except TypeError:
        wanted = "needs its password" if not password else "is not encrypted: leave the password out"
        raise PkiError(f"the private key {wanted}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise PkiError("the private key cannot be read: it is damaged, or the password is wrong") from None
    return _private(key)


def _private(key: object) -> PrivateKey:
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise PkiError("the private key is of a kind that IKEv2 does not sign with: RSA, ECDSA and Ed25519 are")
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size not in _CURVES:
        raise PkiError(f"the private key is on {key.curve.name}: P-256, P-384 and P-521 can be used")
    return PrivateKey(key)


def key_pem(key: PrivateKey) -> Secret:
    """As it is kept (PKCS #8, not encrypted)."""
    return Secret(key._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@dataclass(frozen=True, slots=True)
class KeyDescription:
    kind: str  # "RSA", "EC", "Ed25519"
    bits: int
    public: bytes  # SubjectPublicKeyInfo, DER


def describe_key(key: PrivateKey) -> KeyDescription:
    return _described(key._key.public_key())


def _described(public: object) -> KeyDescription:
    if isinstance(public, rsa.RSAPublicKey):
        kind, bits = "RSA", public.key_size
    elif isinstance(public, ec.EllipticCurvePublicKey):
        kind, bits = "EC", public.key_size
    elif isinstance(public, ed25519.Ed25519PublicKey):
        kind, bits = "Ed25519", 256
    else:
        raise PkiError("the public key is of a kind that IKEv2 does not know: RSA, ECDSA and Ed25519 can be used")
    return KeyDescription(kind, bits, public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


# --- what is imported -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bundle:
    """A private key, its certificate, and those of authorities: DER. What is not there is None."""

    key: PrivateKey | None
    certificate: bytes | None
    authorities: tuple[bytes, ...]


def open_pkcs12(data: bytes, password: Secret) -> Bundle:
    """A PKCS #12 file, or its base 64. Raises `PkiError`."""
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(_binary(data), bytes(password) or None)
    except (ValueError, UnsupportedAlgorithm):
        raise PkiError("this is no PKCS #12 file, or the password is wrong") from None
    if key is None or certificate is None:
        raise PkiError("the PKCS #12 file has no private key with its certificate")
    held = [other for other in others if other != certificate]
    return Bundle(_private(key), _der(certificate), tuple(_der(other) for other in held))


def open_pem(data: bytes, password: Secret | None = None) -> Bundle:
    """PEM blocks in any order: at most one private key, and certificates. Raises `PkiError`."""
    key = None
    found: list[x509.Certificate] = []
    for block in _BLOCK.finditer(data):
        if block[1].endswith(b"PRIVATE KEY"):
            if key is not None:
                raise PkiError("there is more than one private key")
            encrypted = b"ENCRYPTED" in block[0]
            key = load_key(_unindented(block[0]), password if encrypted else None)
        elif block[1] in (b"CERTIFICATE", b"TRUSTED CERTIFICATE", b"X509 CERTIFICATE"):
            found.append(parse_certificate(block[2]))
    if key is None:
        return Bundle(None, None, tuple(_der(one) for one in found))
    own = [one for one in found if _public_of(one) == describe_key(key).public]
    if not own:
        raise PkiError("none of the certificates is that of the private key")
    return Bundle(key, _der(own[0]), tuple(_der(one) for one in found if one != own[0]))


def _unindented(block: bytes) -> bytes:
    return b"\n".join(line.strip() for line in block.splitlines())


def certificate_der(data: bytes) -> bytes:
    """One certificate: PEM, base 64 without its frame, or DER. Raises `PkiError`."""
    block = _BLOCK.search(data)
    return _der(parse_certificate(block[2] if block is not None else data))


def parse_certificate(data: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(_binary(data))
    except ValueError:
        raise PkiError("this is no certificate: paste its base 64 text (PEM), all of it") from None


def _binary(data: bytes) -> bytes:
    """DER begins with a SEQUENCE, which base 64 cannot ("0" is a character of it, but what follows is not text)."""
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return data


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _public_of(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return b""


def belongs_to(certificate: bytes, key: PrivateKey) -> bool:
    """Whether it is the certificate of this key."""
    return _public_of(parse_certificate(certificate)) == describe_key(key).public


# --- requests ---------------------------------------------------------------------------------------------------------


def certificate_request(
    key: PrivateKey, subject: str, dns_names: Iterable[str] = (), addresses: Iterable[IPv4Address | IPv6Address] = ()
) -> str:
    """A certification request (PKCS #10, PEM); `subject` as typed: `CN=r1.example.net,O=Example`. Raises `PkiError`."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(subject))
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns_names]
    names += [x509.IPAddress(address) for address in addresses]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    builder = builder.add_extension(usage, critical=True)
    digest = None if isinstance(key._key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key._key, digest).public_bytes(Encoding.PEM).decode()


def _name(subject: str) -> x509.Name:
    text = _ATTRIBUTE.sub(_attribute, subject)
    try:
        return x509.Name.from_rfc4514_string(text, {"E": NameOID.EMAIL_ADDRESS, "SN": NameOID.SERIAL_NUMBER})
    except ValueError:
        raise PkiError(
            f"subject-name {subject} is no distinguished name: type it as CN=r1.example.net,O=Example"
        ) from None


def _attribute(found: re.Match[str]) -> str:
    """`, cn = ` as RFC 4514 has it: `,CN=`."""
    separator = found[0].lstrip()[0] if found[0].lstrip()[0] in ",+" else ""
    return f"{separator}{found[1].upper()}="


# --- what is shown ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CertificateDescription:
    """`issuer` and `subject` are attributes as IOS writes them, the most specific first: "cn=r1", "o=Example"."""

    serial: str  # hexadecimal, whole octets
    issuer: tuple[str, ...]
    subject: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    authority: bool
    usage: str  # "General Purpose", "Signature"
    alternative_names: tuple[str, ...]
    crl_points: tuple[str, ...]
    ocsp: tuple[str, ...]
    key: str  # "RSA 2048 bits"
    signature: str  # "sha256WithRSAEncryption"
    md5: str
    sha1: str
    sha256: str
    self_issued: bool


def describe_certificate(der: bytes) -> CertificateDescription:
    """Raises `PkiError` for what is none, or has a key of an unknown kind."""
    certificate = parse_certificate(der)
    try:
        public = _described(certificate.public_key())
        extensions = certificate.extensions
    except (ValueError, UnsupportedAlgorithm):
        raise PkiError("the certificate has parts that cannot be read") from None
    key_usage = _extension(extensions, x509.KeyUsage)
    basic = _extension(extensions, x509.BasicConstraints)
    signs_only = key_usage is not None and not (key_usage.key_encipherment or key_usage.key_agreement)
    number = f"{certificate.serial_number:X}"
    return CertificateDescription(
        serial=number.zfill(len(number) + len(number) % 2),
        issuer=_attributes(certificate.issuer),
        subject=_attributes(certificate.subject),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        authority=basic is not None and basic.ca,
        usage="Signature" if signs_only else "General Purpose",
        alternative_names=_alternative(extensions),
        crl_points=_crl_points(extensions),
        ocsp=_ocsp(extensions),
        key=f"{public.kind} {public.bits} bits",
        signature=certificate.signature_algorithm_oid._name,
        md5=_groups(certificate.fingerprint(hashes.MD5())),  # noqa: S303 what people compare with older displays
        sha1=_groups(certificate.fingerprint(hashes.SHA1())),  # noqa: S303
        sha256=_groups(certificate.fingerprint(hashes.SHA256())),
        self_issued=certificate.issuer == certificate.subject,
    )


def _extension(extensions: x509.Extensions, kind: type[Kind]) -> Kind | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _attributes(name: x509.Name) -> tuple[str, ...]:
    return tuple(
        f"{_SHORT.get(attribute.oid, attribute.oid.dotted_string)}={attribute.value!s}"
        for part in reversed(name.rdns)
        for attribute in part
    )


def _alternative(extensions: x509.Extensions) -> tuple[str, ...]:
    held = _extension(extensions, x509.SubjectAlternativeName)
    kinds = (x509.DNSName, x509.RFC822Name, x509.IPAddress)
    return tuple(str(name.value) for name in held or () if isinstance(name, kinds))


def _crl_points(extensions: x509.Extensions) -> tuple[str, ...]:
    held = _extension(extensions, x509.CRLDistributionPoints)
    return tuple(
        name.value
        for point in held or ()
        for name in point.full_name or ()
        if isinstance(name, x509.UniformResourceIdentifier)
    )


def _ocsp(extensions: x509.Extensions) -> tuple[str, ...]:
    held = _extension(extensions, x509.AuthorityInformationAccess)
    return tuple(
        access.access_location.value
        for access in held or ()
        if access.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(access.access_location, x509.UniformResourceIdentifier)
    )


def _groups(digest: bytes) -> str:
    """`1468DC18 250BDFCF …`."""
    text = digest.hex().upper()
    return " ".join(text[start : start + 8] for start in range(0, len(text), 8))
