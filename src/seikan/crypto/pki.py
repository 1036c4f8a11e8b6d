"""Key pairs and certificates as a router keeps them: made, imported, asked for, described.

Everything goes in and out as octets. `PkiError` says what is wrong in words that hold no secret. Whether a certificate
is to be trusted is not decided here but in `crypto.certificates`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from seikan.crypto.certificates import (
    CertificateRefused,
    UnusableFile,
    alternative_names,
    belongs,
    crl_urls,
    fingerprint,
    is_authority,
    load_certificates,
    load_pkcs12,
    ocsp_urls,
    parse,
    public_key,
    self_issued,
    serial_number,
    validity,
)
from seikan.crypto.signatures import PrivateKey, PublicKey, UnusableKey, load_private_key
from seikan.wire.secret import Secret

_CURVES: Final[dict[int, ec.EllipticCurve]] = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_ATTRIBUTE = re.compile(r"(?:^|[,+])\s*([A-Za-z0-9.]+)\s*=\s*")
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
    try:
        return load_private_key(data, bytes(password) if password else None)
    except UnusableKey as error:
        raise PkiError(str(error)) from None


def key_pem(key: PrivateKey) -> Secret:
    """As it is kept (PKCS #8, not encrypted)."""
    return Secret(key.to_pem())


@dataclass(frozen=True, slots=True)
class KeyDescription:
    kind: str  # "RSA", "EC", "Ed25519"
    bits: int
    public: bytes  # SubjectPublicKeyInfo, DER


def describe_key(key: PrivateKey) -> KeyDescription:
    return _described(key.public)


def _described(public: PublicKey) -> KeyDescription:
    if isinstance(public, ed25519.Ed25519PublicKey):
        kind, bits = "Ed25519", 256
    else:
        kind, bits = "RSA" if isinstance(public, rsa.RSAPublicKey) else "EC", public.key_size
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
        found = load_pkcs12(_binary(data), bytes(password))
    except (UnusableFile, UnusableKey) as error:
        raise PkiError(str(error)) from None
    own, *others = found.certificates
    return Bundle(found.key, own, tuple(other for other in others if other != own))


def open_pem(data: bytes, password: Secret | None = None) -> Bundle:
    """PEM blocks in any order: at most one private key, and certificates. Raises `PkiError`."""
    key = None
    found: list[bytes] = []
    for block in _BLOCK.finditer(data):
        if block[1].endswith(b"PRIVATE KEY"):
            if key is not None:
                raise PkiError("there is more than one private key")
            key = load_key(_unindented(block[0]), password if b"ENCRYPTED" in block[0] else None)
        elif block[1].endswith(b"CERTIFICATE"):
            found.append(certificate_der(block[2]))
    if key is None:
        return Bundle(None, None, tuple(found))
    own = next((one for one in found if belongs_to(one, key)), None)
    if own is None:
        raise PkiError("none of the certificates is that of the private key")
    return Bundle(key, own, tuple(one for one in found if one != own))


def _unindented(block: bytes) -> bytes:
    return b"\n".join(line.strip() for line in block.splitlines())


def certificate_der(data: bytes) -> bytes:
    """One certificate: PEM, base 64 without its frame, or DER. Raises `PkiError`."""
    block = _BLOCK.search(data)
    try:
        return load_certificates(_binary(block[2] if block is not None else data))[0]
    except (UnusableFile, IndexError):
        raise PkiError("this is no certificate: paste its base 64 text (PEM), all of it") from None


def _binary(data: bytes) -> bytes:
    """Base 64 as octets; what is none is octets already."""
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return data


def belongs_to(certificate: bytes, key: PrivateKey) -> bool:
    """Whether it is the certificate of this key."""
    try:
        return belongs(key, certificate)
    except CertificateRefused:
        return False


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
    try:
        certificate, public = parse(der), _described(public_key(der))
        start, end = validity(der)
        names, number = alternative_names(der), f"{serial_number(der):X}"
        return CertificateDescription(
            serial=number.zfill(len(number) + len(number) % 2),
            issuer=_attributes(certificate.issuer),
            subject=_attributes(certificate.subject),
            not_before=start,
            not_after=end,
            authority=is_authority(der),
            usage="Signature" if _signs_only(certificate) else "General Purpose",
            alternative_names=(*names.names, *names.emails, *map(str, names.addresses)),
            crl_points=crl_urls(der),
            ocsp=ocsp_urls(der),
            key=f"{public.kind} {public.bits} bits",
            signature=certificate.signature_algorithm_oid._name,
            md5=_groups(fingerprint(der, "md5")),
            sha1=_groups(fingerprint(der, "sha1")),
            sha256=_groups(fingerprint(der, "sha256")),
            self_issued=self_issued(der),
        )
    except (CertificateRefused, ValueError) as error:
        raise PkiError(f"the certificate cannot be used: {error}") from None


def _signs_only(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return not (usage.key_encipherment or usage.key_agreement)


def _attributes(name: x509.Name) -> tuple[str, ...]:
    return tuple(
        f"{_SHORT.get(attribute.oid, attribute.oid.dotted_string)}={attribute.value!s}"
        for part in reversed(name.rdns)
        for attribute in part
    )


def _groups(digest: bytes) -> str:
    """`1468DC18 250BDFCF …`."""
    text = digest.hex().upper()
    return " ".join(text[start : start + 8] for start in range(0, len(text), 8))
