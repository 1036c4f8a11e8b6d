"""Certificate authorities for tests, made when they are asked for; what they issue is as wrong as a test wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DAY = timedelta(days=1)


@cache
def key(kind: str, number: int = 0) -> Key:
    """One key of each kind and number for the whole run: RSA keys take long to make."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=int(kind[3:]))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    curves: dict[str, ec.EllipticCurve] = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
    return ec.generate_private_key(curves[kind])


def name(text: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
            x509.NameAttribute(NameOID.COMMON_NAME, text),
        ]
    )


def _hash(signer: Key) -> hashes.SHA256 | None:
    return None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def usage(**yes: bool) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{word: yes.get(word, False) for word in names.split()})


@dataclass
class Authority:
    """`issue` makes certificates under it; `issuer` is the one above, None for a root."""

    text: str
    kind: str = "p256"
    issuer: Authority | None = None
    path_length: int | None = None
    authority: bool = True
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = ()
    start: datetime = NOW - 30 * DAY
    end: datetime = NOW + 30 * DAY
    number: int = 0
    certificate: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        above = self.issuer or self
        extensions = [*self.extensions]
        if self.authority:
            extensions.append((x509.BasicConstraints(True, self.path_length), True))
        self.certificate = build(
            self.text, self.key, above.text, above.key, extensions=extensions, start=self.start, end=self.end
        )

    @property
    def key(self) -> Key:
        return key(self.kind, hash((self.text, self.number)))

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def issue(
        self,
        text: str = "r1.example.com",
        *,
        own: Key | None = None,
        names: Sequence[x509.GeneralName] = (),
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        start: datetime = NOW - DAY,
        end: datetime = NOW + DAY,
        serial: int | None = None,
    ) -> bytes:
        extra = [*extensions]
        if names:
            extra.append((x509.SubjectAlternativeName(names), False))
        found = build(
            text, own or key("p256"), self.text, self.key, extensions=extra, start=start, end=end, serial=serial
        )
        return found.public_bytes(Encoding.DER)

    def crl(
        self,
        *serials: int,
        start: datetime = NOW - DAY,
        end: datetime = NOW + DAY,
        signer: Key | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> bytes:
        signer = signer or self.key
        builder = x509.CertificateRevocationListBuilder().issuer_name(name(self.text))
        builder = builder.last_update(start).next_update(end)
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        for serial in serials:
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - timedelta(hours=2))
            revoked = revoked.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), False)
            builder = builder.add_revoked_certificate(revoked.build())
        return builder.sign(signer, _hash(signer)).public_bytes(Encoding.DER)

    def ocsp(
        self,
        about: bytes,
        *,
        status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
        start: datetime = NOW - DAY,
        end: datetime | None = NOW + DAY,
        responder: tuple[bytes, Key] | None = None,
    ) -> bytes:
        revoked = status is ocsp.OCSPCertStatus.REVOKED
        certificate, signer = responder or (self.der, self.key)
        answering = x509.load_der_x509_certificate(certificate)
        builder = ocsp.OCSPResponseBuilder().add_response(
            x509.load_der_x509_certificate(about),
            self.certificate,
            hashes.SHA1(),
            status,
            start,
            end,
            NOW - timedelta(hours=2) if revoked else None,
            x509.ReasonFlags.key_compromise if revoked else None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, answering)
        if responder:
            builder = builder.certificates([answering])
        return builder.sign(signer, _hash(signer)).public_bytes(Encoding.DER)


def build(
    subject: str,
    own: Key,
    issuer: str,
    signer: Key,
    *,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
    start: datetime,
    end: datetime,
    serial: int | None = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(own.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.sign(signer, _hash(signer))
