"""A certification authority of a test: makes certificates, lists and answers of what it has revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
KeyPair = ec.EllipticCurvePrivateKey


def new_key() -> KeyPair:
    return ec.generate_private_key(ec.SECP256R1())


def name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


class Authority:
    def __init__(self, common: str = "Example CA", *, now: datetime = NOW) -> None:
        self.now = now
        self.key = new_key()
        self.name = name(common)
        self.revoked: list[int] = []
        self.serial = 0x0A00
        self.certificate = self._sign(self._builder(self.name, self.key.public_key()), ca=True)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def _builder(self, subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        self.serial += 1
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(self.serial)
            .not_valid_before(self.now - DAY)
            .not_valid_after(self.now + 30 * DAY)
        )

    def _sign(self, builder: x509.CertificateBuilder, *, ca: bool = False) -> x509.Certificate:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
        return builder.sign(self.key, hashes.SHA256())

    def issue(
        self,
        common: str,
        public: ec.EllipticCurvePublicKey,
        *,
        crl: str | None = None,
        ocsp_url: str | None = None,
        ocsp_signer: bool = False,
    ) -> bytes:
        """A certificate, DER."""
        builder = self._builder(name(common), public).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(common)]), critical=False
        )
        if crl is not None:
            point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl)], None, None, None)
            builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        if ocsp_url is not None:
            access = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp_url)
            )
            builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        if ocsp_signer:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
        return self._sign(builder).public_bytes(Encoding.DER)

    def revoke(self, certificate: bytes) -> None:
        self.revoked.append(x509.load_der_x509_certificate(certificate).serial_number)

    def crl(self, *, days: int = 7) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(self.now - DAY)
            .next_update(self.now + days * DAY)
        )
        for serial in self.revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(self.now - DAY).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def answer(self, certificate: bytes, *, key: KeyPair | None = None, signer: bytes | None = None) -> bytes:
        """What an OCSP responder says of it."""
        held = x509.load_der_x509_certificate(certificate)
        bad = held.serial_number in self.revoked
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=held,
            issuer=self.certificate,
            algorithm=hashes.SHA1(),
            cert_status=ocsp.OCSPCertStatus.REVOKED if bad else ocsp.OCSPCertStatus.GOOD,
            this_update=self.now - DAY,
            next_update=self.now + DAY,
            revocation_time=self.now - DAY if bad else None,
            revocation_reason=None,
        )
        responder = self.certificate if signer is None else x509.load_der_x509_certificate(signer)
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder)
        if signer is not None:
            builder = builder.certificates([responder])
        return builder.sign(key or self.key, hashes.SHA256()).public_bytes(Encoding.DER)
