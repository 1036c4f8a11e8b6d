"""A certificate authority for one run, and what it issues: for Seikan and for its peer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PASSWORD = "interop"
"""Of the PKCS#12 files."""
_VALID = timedelta(days=30)


def issue(directory: Path, kind: str, *names: str) -> Path:
    """Write ca.pem, and NAME.pem, NAME.key (PKCS#8) and NAME.p12 with PASSWORD; the certificate is for NAME.test.

    `kind` is "rsa" (2048 bits) or "ecdsa" (P-256), of the authority too.
    """
    directory.mkdir(parents=True, exist_ok=True)
    authority_key = _key(kind)
    subject = _name("Interop CA")
    authority = (
        _builder(subject, subject, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    (directory / "ca.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    for name in names:
        key = _key(kind)
        certificate = (
            _builder(_name(f"{name}.test"), subject, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"{name}.test")]), critical=False)
            .add_extension(identifier, critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        (directory / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        (directory / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (directory / f"{name}.p12").write_bytes(
            pkcs12.serialize_key_and_certificates(
                name.encode(), key, certificate, [authority], BestAvailableEncryption(PASSWORD.encode())
            )
        )
    return directory


def _key(kind: str) -> _Key:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: _Key) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _VALID)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
