"""Whether a certificate is revoked: CRLs (RFC 5280 section 6.3) and OCSP (RFC 6960), as octets that others fetched.

Of a path as `certificates.validate` gives it, every certificate but the authority's own is asked for. All functions
raise `CertificateRefused`: `Problem.NO_CRL`, `CRL_EXPIRED` and `NO_OCSP` say that it is not known, so that the next
method of `revocation-check` may be tried; `Problem.REVOKED` is final.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from seikan.crypto.certificates import (
    CertificateProblem,
    CertificateRefused,
    Problem,
    UnusableFile,
    check_times,
    crl_urls,
    parse,
    refuse,
    subject_der,
    subject_text,
    utc,
)
from seikan.crypto.der import SEQUENCE, NotDer, elements, only

_FRESH = timedelta(days=1)  # of an OCSP answer without nextUpdate (RFC 6960 section 4.2.2.1): no nonce binds it
_KNOWN_CRL_EXTENSIONS = frozenset(
    (
        ExtensionOID.CRL_NUMBER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.ISSUING_DISTRIBUTION_POINT,
        ExtensionOID.FRESHEST_CRL,
    )
)


# --- CRLs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CrlFacts:
    """What `show crypto pki crls` has of a CRL."""

    issuer: str
    this_update: datetime
    next_update: datetime | None
    revoked: int


def load_crl(data: bytes) -> bytes:
    """A CRL of a file in PEM or DER, as DER. Raises `UnusableFile`."""
    try:
        read = x509.load_pem_x509_crl if b"-----BEGIN" in data else x509.load_der_x509_crl
        return read(data).public_bytes(Encoding.DER)
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableFile("not a CRL in PEM or DER") from None


def crl_facts(der: bytes) -> CrlFacts:
    found = _crl(der)
    return CrlFacts(found.issuer.rfc4514_string(), found.last_update_utc, found.next_update_utc, len(found))


def _crl(der: bytes) -> x509.CertificateRevocationList:
    try:
        found = x509.load_der_x509_crl(der)
        _ = found.extensions
    except Exception as error:
        raise CertificateRefused(CertificateProblem(Problem.NO_CRL, "?", "a CRL is malformed")) from error
    return found


def crl_issuer_der(der: bytes) -> bytes:
    """The name of a CRL's issuer in its very octets (RFC 5280 section 5.1): signature, issuer and so on."""
    try:
        fields = elements(only(_crl(der).tbs_certlist_bytes, SEQUENCE).content)
        return [field.octets for field in fields if field.tag == SEQUENCE][1]
    except (NotDer, IndexError) as error:
        raise CertificateRefused(CertificateProblem(Problem.NO_CRL, "?", "a CRL is malformed")) from error


def check_crls(path: Sequence[bytes], crls: Sequence[bytes], now: datetime) -> None:
    """Each certificate of `path` against the CRL of its issuer; delta CRLs and partial ones are not taken."""
    for own, issuer in pairwise(path):
        check_crl(own, issuer, crls, now)


def check_crl(own: bytes, issuer: bytes, crls: Sequence[bytes], now: datetime) -> None:
    """`own` against the newest CRL that `issuer` signed and that is valid."""
    subject, authority = subject_text(own), subject_text(issuer)
    usable: list[x509.CertificateRevocationList] = []
    reason: CertificateRefused | None = None
    for der in crls:
        if crl_issuer_der(der) != subject_der(issuer):
            continue
        found = _crl(der)
        why = _unusable(found, own, issuer, now)
        if why is None:
            usable.append(found)
        else:
            reason = refuse(
                *why[:1], own, f"whether {subject} is revoked is not known: the CRL of {authority} {why[1]}"
            )
    if not usable:
        text = f"whether {subject} is revoked is not known: there is no CRL of {authority}"
        raise reason or refuse(Problem.NO_CRL, own, text)
    newest = max(usable, key=lambda found: found.last_update_utc)
    revoked = newest.get_revoked_certificate_by_serial_number(parse(own).serial_number)
    if revoked is not None and _reason(revoked) != x509.ReasonFlags.remove_from_crl.value:
        why_revoked = _reason(revoked)
        note = f" ({why_revoked})" if why_revoked else ""
        text = f"the certificate of {subject} was revoked {utc(revoked.revocation_date_utc)} by {authority}{note}"
        raise refuse(Problem.REVOKED, own, text)


def _reason(revoked: x509.RevokedCertificate) -> str:
    try:
        return revoked.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except (x509.ExtensionNotFound, ValueError):
        return ""


def _unusable(
    crl: x509.CertificateRevocationList, own: bytes, issuer: bytes, now: datetime
) -> tuple[Problem, str] | None:
    """Why a CRL of that issuer's name is not to be used for `own`."""
    for row in crl.extensions:
        if row.critical and row.oid not in _KNOWN_CRL_EXTENSIONS:
            return Problem.NO_CRL, f"has a critical extension {row.oid.dotted_string}"
        value = row.value
        if isinstance(value, x509.IssuingDistributionPoint) and (
            value.indirect_crl
            or value.only_contains_attribute_certs
            or value.only_contains_ca_certs
            or value.only_contains_user_certs
            or value.only_some_reasons
        ):
            return Problem.NO_CRL, "is of some certificates only"
        if isinstance(value, x509.IssuingDistributionPoint) and not _is_point_of(value, own):
            return Problem.NO_CRL, "is of the certificates of another distribution point"
    try:
        usage = parse(issuer).extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.crl_sign:
            return Problem.NO_CRL, "is signed by a key whose usage has no CRL signing"
    except x509.ExtensionNotFound:
        pass
    try:
        signed = crl.is_signature_valid(parse(issuer).public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        signed = False
    if not signed:
        return Problem.NO_CRL, "has a wrong signature"
    if crl.last_update_utc > now:
        return Problem.CRL_EXPIRED, f"is of {utc(crl.last_update_utc)}, which is still to come here"
    if crl.next_update_utc is not None and crl.next_update_utc < now:
        return Problem.CRL_EXPIRED, f"expired {utc(crl.next_update_utc)}"
    return None


def _is_point_of(point: x509.IssuingDistributionPoint, own: bytes) -> bool:
    """Whether the certificate names the point that the CRL is of, if any (RFC 5280 section 6.3.3, step b 2 i)."""
    if point.full_name is None:
        return point.relative_name is None
    return any(name.value in crl_urls(own) for name in point.full_name)


# --- OCSP -----------------------------------------------------------------------------------------------------------


def ocsp_request(own: bytes, issuer: bytes) -> bytes:
    """The question to send to the authority's responder. Without nonce, as responders prepare their answers."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(parse(own), parse(issuer), hashes.SHA1())  # noqa: S303
    return builder.build().public_bytes(Encoding.DER)


def check_ocsp(own: bytes, issuer: bytes, response: bytes, now: datetime) -> datetime | None:
    """Read a responder's answer about `own`; until when it holds, None where it does not say."""
    subject = subject_text(own)

    def unknown(why: str) -> CertificateRefused:
        return refuse(Problem.NO_OCSP, own, f"whether {subject} is revoked is not known: {why}")

    try:
        answer = ocsp.load_der_ocsp_response(response)
    except ValueError:
        raise unknown("the OCSP answer is malformed") from None
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise unknown(f"the OCSP responder answers {answer.response_status.name.lower().replace('_', ' ')}")
    certificate, authority = parse(own), parse(issuer)
    try:
        single = next((row for row in answer.responses if _is_about(row, certificate, authority)), None)
        signed = _signed_by(answer, issuer, now)
    except (ValueError, UnsupportedAlgorithm):
        raise unknown("the OCSP answer is malformed") from None
    if single is None:
        raise unknown("the OCSP answer is about another certificate")
    if not signed:
        raise unknown("the OCSP answer is signed neither by the authority nor by whom it lets answer")
    if single.this_update_utc > now:
        raise unknown(f"the OCSP answer is of {utc(single.this_update_utc)}, which is still to come here")
    if single.next_update_utc is not None and single.next_update_utc < now:
        raise unknown(f"the OCSP answer expired {utc(single.next_update_utc)}")
    if single.next_update_utc is None and now - single.this_update_utc > _FRESH:
        raise unknown(f"the OCSP answer is of {utc(single.this_update_utc)} and says that there is a newer one always")
    if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        when = single.revocation_time_utc
        text = f"the certificate of {subject} was revoked{f' {utc(when)}' if when else ''} by {subject_text(issuer)}"
        raise refuse(Problem.REVOKED, own, text)
    if single.certificate_status is not ocsp.OCSPCertStatus.GOOD:
        raise unknown("the OCSP responder does not know it")
    return single.next_update_utc


def _is_about(single: ocsp.OCSPSingleResponse, own: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether CertID is of this certificate (RFC 6960 section 4.1.1): serial number, and hashes of the issuer."""
    request = ocsp.OCSPRequestBuilder().add_certificate(own, issuer, single.hash_algorithm).build()
    return (
        single.serial_number == own.serial_number
        and single.issuer_name_hash == request.issuer_name_hash
        and single.issuer_key_hash == request.issuer_key_hash
    )


def _signed_by(answer: ocsp.OCSPResponse, issuer: bytes, now: datetime) -> bool:
    """By the authority itself, or by a certificate it issued for that purpose (RFC 6960 section 4.2.2.2)."""
    if _verifies(answer, parse(issuer)):
        return True
    for delegate in answer.certificates:
        try:
            delegate.verify_directly_issued_by(parse(issuer))
            check_times(delegate.public_bytes(Encoding.DER), now)
            purposes = delegate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except (
            InvalidSignature,
            ValueError,
            TypeError,
            UnsupportedAlgorithm,
            x509.ExtensionNotFound,
            CertificateRefused,
        ):
            continue
        if ExtendedKeyUsageOID.OCSP_SIGNING in purposes and _verifies(answer, delegate):
            return True
    return False


def _verifies(answer: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    key, algorithm, octets = certificate.public_key(), answer.signature_hash_algorithm, answer.tbs_response_bytes
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            key.verify(answer.signature, octets, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(answer.signature, octets, ec.ECDSA(algorithm))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(answer.signature, octets)
        else:
            return False
    except InvalidSignature:
        return False
    return True
