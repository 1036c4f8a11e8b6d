"""Whether a certificate was revoked, by a CRL (RFC 5280 section 5) or an answer of OCSP (RFC 6960).

What came from outside is believed only with the issuer's signature on it and while it is fresh. `RevocationError` says
why something says nothing.
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from seikan.crypto.pki import PkiError, parse_certificate


class RevocationError(Exception):
    """It cannot be found out here; one line that says why."""


def load_crl(data: bytes) -> bytes:
    """A CRL, PEM or DER, as DER. Raises `RevocationError`."""
    try:
        load = x509.load_pem_x509_crl if data.lstrip().startswith(b"-----BEGIN") else x509.load_der_x509_crl
        return load(data).public_bytes(Encoding.DER)
    except (ValueError, UnsupportedAlgorithm):
        raise RevocationError("what was given is no CRL") from None


def crl_expires(crl: bytes) -> datetime | None:
    """When the next one is due; None where it does not say."""
    return x509.load_der_x509_crl(crl).next_update_utc


def crl_problem(crl: bytes, issuer: bytes, now: datetime) -> str | None:
    """Why a CRL (DER) is not to be believed of certificates of `issuer`; None where it is."""
    held = x509.load_der_x509_crl(crl)
    authority = parse_certificate(issuer)
    if held.issuer != authority.subject:
        return f"the CRL is of {held.issuer.rfc4514_string()}"
    public = authority.public_key()
    try:
        if not isinstance(
            public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
        ) or not held.is_signature_valid(public):
            return "the CRL is not signed by the issuer"
    except (UnsupportedAlgorithm, ValueError, TypeError):
        return "the CRL has a signature that cannot be checked"
    if held.next_update_utc is not None and held.next_update_utc < now:
        return f"the CRL ended on {held.next_update_utc:%Y-%m-%d %H:%M} UTC"
    return "the CRL is of the future: check the clock" if held.last_update_utc > now else None


def revoked(crl: bytes, certificate: bytes) -> bool:
    """Whether a CRL that is to be believed lists the certificate."""
    serial = parse_certificate(certificate).serial_number
    return x509.load_der_x509_crl(crl).get_revoked_certificate_by_serial_number(serial) is not None


# --- OCSP -------------------------------------------------------------------------------------------------------------


def ocsp_request(certificate: bytes, issuer: bytes) -> bytes:
    """The question, to be sent by POST as application/ocsp-request."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(
        parse_certificate(certificate),
        parse_certificate(issuer),
        hashes.SHA1(),  # noqa: S303 what responders know
    )
    return builder.build().public_bytes(Encoding.DER)


def ocsp_revoked(answer: bytes, certificate: bytes, issuer: bytes, now: datetime) -> bool:
    """What a responder says of a certificate. Raises `RevocationError` where that is nothing to rely on."""
    try:
        response = ocsp.load_der_ocsp_response(answer)
    except ValueError:
        raise RevocationError("the OCSP responder answered with something else") from None
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise RevocationError(f"the OCSP responder answered {response.response_status.name}")
    authority, wanted = parse_certificate(issuer), parse_certificate(certificate)
    signer = _signer(response, authority, now)
    try:
        _verify(signer, response)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError, PkiError):
        raise RevocationError("the OCSP answer is not signed by the issuer or for it") from None
    for single in response.responses:
        same = single.serial_number == wanted.serial_number
        if not same or single.issuer_key_hash != _key_hash(authority, single.hash_algorithm):
            continue
        if single.this_update_utc > now or (single.next_update_utc is not None and single.next_update_utc < now):
            raise RevocationError("the OCSP answer is not of this time")
        if single.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
            raise RevocationError("the OCSP responder does not know the certificate")
        return single.certificate_status is ocsp.OCSPCertStatus.REVOKED
    raise RevocationError("the OCSP answer is about another certificate")


def _key_hash(authority: x509.Certificate, algorithm: hashes.HashAlgorithm) -> bytes:
    """As a request for the issuer's certificates has it."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(authority, authority, algorithm)
    return builder.build().issuer_key_hash


def _signer(response: ocsp.OCSPResponse, authority: x509.Certificate, now: datetime) -> x509.Certificate:
    """The issuer, or whom it has authorized to answer (RFC 6960 section 4.2.2.2)."""
    for candidate in response.certificates:
        if candidate == authority:
            continue
        try:
            usage = candidate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            candidate.verify_directly_issued_by(authority)
        except (x509.ExtensionNotFound, InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
            continue
        valid = candidate.not_valid_before_utc <= now <= candidate.not_valid_after_utc
        if valid and ExtendedKeyUsageOID.OCSP_SIGNING in usage:
            return candidate
    return authority


def _verify(signer: x509.Certificate, response: ocsp.OCSPResponse) -> None:
    """Raises `InvalidSignature`."""
    public, digest = signer.public_key(), response.signature_hash_algorithm
    signature, signed = response.signature, response.tbs_response_bytes
    if isinstance(public, rsa.RSAPublicKey) and digest is not None:
        public.verify(signature, signed, padding.PKCS1v15(), digest)
    elif isinstance(public, ec.EllipticCurvePublicKey) and digest is not None:
        public.verify(signature, signed, ec.ECDSA(digest))
    elif isinstance(public, ed25519.Ed25519PublicKey):
        public.verify(signature, signed)
    else:
        raise PkiError("the OCSP answer has a signature that cannot be checked")
