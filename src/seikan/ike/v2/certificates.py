"""Certificates in IKE_AUTH: whose are asked for, this side's chain, and whether the peer's proves it (RFC 7296 sections
2.15, 3.6, 3.7; RFC 4945; RFC 7427).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from seikan.crypto import certificates as x509
from seikan.crypto.certificates import CertificateProblem, CertificateRefused, Problem
from seikan.crypto.revocation import check_crls
from seikan.crypto.signatures import OWN_HASHES, SignatureError, key_kind, sign, verify
from seikan.ike.core import Core
from seikan.ike.effects import CheckRevocation, Usage
from seikan.ike.settings import Ikev2ProfileSettings, TrustpointSettings
from seikan.ike.status import Mismatch
from seikan.ike.v2.authentication import METHOD_BY_WORD, SIGNATURES, AuthFailure
from seikan.ike.v2.identities import CertificateNames
from seikan.ike.v2.names import distinguished_name
from seikan.ike.v2.sa import Ikev2Sa
from seikan.wire.v2.constants import CertEncoding, Notify
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import (
    Authentication,
    Certificate,
    CertificateRequest,
    Identification,
    Notification,
    Payload,
)

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

REVOCATION_LATEST = 25.0  # seconds in which it has to be found out, less than a half-open SA lives
_HASH_OCTETS = 20
_TEXT_OCTETS = 2
_KIND: dict[Problem, str] = {
    Problem.EXPIRED: "certificate-expired",
    Problem.NOT_YET_VALID: "certificate-not-yet-valid",
    Problem.UNKNOWN_ISSUER: "unknown-issuer",
    Problem.BAD_SIGNATURE: "unknown-issuer",
    Problem.REVOKED: "revoked",
    Problem.NO_CRL: "revocation-unknown",
    Problem.CRL_EXPIRED: "revocation-unknown",
    Problem.NO_OCSP: "revocation-unknown",
}
_TIMES = (Problem.EXPIRED, Problem.NOT_YET_VALID)

Path = tuple[bytes, ...]  # from the peer's certificate to the authority's


# SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 4): what this side verifies.
HASH_ALGORITHMS = Notification(
    Notify.SIGNATURE_HASH_ALGORITHMS, b"".join(row.to_bytes(_TEXT_OCTETS, "big") for row in OWN_HASHES)
)


def read_hash_algorithms(data: bytes) -> tuple[int, ...]:
    """What the peer verifies; what is not known here is left in."""
    numbers = (data[start : start + _TEXT_OCTETS] for start in range(0, len(data), _TEXT_OCTETS))
    return tuple(int.from_bytes(row, "big") for row in numbers if len(row) == _TEXT_OCTETS)


def request(trustpoints: Iterable[TrustpointSettings]) -> list[Payload]:
    """CERTREQ for certificates of these authorities; nothing where there are none."""
    hashes = dict.fromkeys(x509.authority_hash(der) for row in trustpoints for der in row.authorities)
    return [CertificateRequest(CertEncoding.X509_SIGNATURE, b"".join(hashes))] if hashes else []


def requested(chain: Chain) -> frozenset[bytes]:
    """Hashes of the authorities that a peer asks for."""
    return frozenset(
        payload.authorities[start : start + _HASH_OCTETS]
        for payload in chain.payloads
        if isinstance(payload, CertificateRequest) and payload.encoding == CertEncoding.X509_SIGNATURE
        for start in range(0, len(payload.authorities), _HASH_OCTETS)
    )


def own_chain(trustpoint: TrustpointSettings) -> Path:
    """This side's certificate and what is between it and a root, which the peer has to have."""
    chain = list(trustpoint.certificates[:1])
    issuers = (*trustpoint.certificates[1:], *trustpoint.authorities)
    while chain and len(chain) < x509.MAX_CHAIN:
        wanted = x509.issuer_der(chain[-1])
        found = next((row for row in issuers if x509.subject_der(row) == wanted and row not in chain), None)
        if found is None or x509.self_issued(found):
            break
        chain.append(found)
    return tuple(chain)


def names_of(der: bytes) -> CertificateNames:
    """What certificate maps look at."""
    names, (start, end) = x509.alternative_names(der), x509.validity(der)
    return CertificateNames(
        distinguished_name(x509.subject_der(der)) or "",
        distinguished_name(x509.issuer_der(der)) or "",
        (*map(str, names.addresses), *names.names, *names.emails),
        x509.serial_number(der),
        start.timestamp(),
        end.timestamp(),
    )


def sent(chain: Chain) -> tuple[bytes, ...]:
    """The certificates in a message, the peer's own first."""
    return tuple(
        payload.data
        for payload in chain.payloads
        if isinstance(payload, Certificate) and payload.encoding == CertEncoding.X509_SIGNATURE
    )


class Certificates:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    def now(self) -> datetime:
        """The time by which certificates are judged. Raises `AuthFailure` where nobody tells it."""
        if self.core.wall_clock is None:
            raise AuthFailure("the time is not known, so that no certificate can be judged", "clock-skew")
        return self.core.wall_clock()

    # -- this side ---------------------------------------------------------------------------------------------------

    def signer(self, profile: Ikev2ProfileSettings) -> TrustpointSettings:
        """The trustpoint this side signs by, with a certificate that is good now. Raises `AuthFailure`."""
        trustpoint, method = profile.sign, profile.local_authentication
        if trustpoint is None:
            text = f"ikev2 profile {profile.name} has authentication local {method} and no pki trustpoint ... sign"
            raise AuthFailure(text, "no-certificate", own=True)
        if trustpoint.key is None or not trustpoint.certificates:
            text = f"trustpoint {trustpoint.name} has no certificate with a private key"
            raise AuthFailure(text, "no-certificate", own=True, trustpoint=trustpoint.name)
        if trustpoint.key.kind != method:
            text = (
                f"ikev2 profile {profile.name} has authentication local {method}, and the key of trustpoint"
                f" {trustpoint.name} is for {trustpoint.key.kind}"
            )
            raise AuthFailure(text, "no-certificate", own=True, trustpoint=trustpoint.name)
        try:
            x509.check_times(trustpoint.certificates[0], self.now())
        except CertificateRefused as refused:
            raise self._refused(refused.problem, profile, own=True) from refused
        return trustpoint

    def own(self, profile: Ikev2ProfileSettings) -> tuple[bytes, list[Payload]]:
        """The subject of this side's certificate, and the payloads that carry its chain."""
        chain = own_chain(self.signer(profile))
        return x509.subject_der(chain[0]), [Certificate(CertEncoding.X509_SIGNATURE, der) for der in chain]

    def prove(self, sa: Ikev2Sa, profile: Ikev2ProfileSettings, octets: bytes) -> Authentication:
        """AUTH over `octets` by this side's key, with a hash that the peer knows."""
        trustpoint = self.signer(profile)
        if trustpoint.key is None:
            raise AuthFailure(f"trustpoint {trustpoint.name} has no private key", "no-certificate", own=True)
        chain = own_chain(trustpoint)
        hashes = {x509.authority_hash(der) for der in (*chain, *trustpoint.authorities)}
        if sa.authorities_asked and not hashes & sa.authorities_asked:
            text = "{.label}: the peer asks for certificates of other authorities than that of trustpoint {}"
            self.core.debug("ikev2", text, sa, trustpoint.name)
        try:
            method, data = sign(trustpoint.key, sa.peer_hashes, octets)
        except SignatureError as error:
            raise AuthFailure(str(error), "no-certificate", own=True, trustpoint=trustpoint.name) from error
        sa.local_authentication = METHOD_BY_WORD[trustpoint.key.kind].shown
        return Authentication(method, data)

    @staticmethod
    def request_of(profiles: Iterable[Ikev2ProfileSettings]) -> list[Payload]:
        """CERTREQ of profiles that take certificates."""
        rows = [row for row in profiles if set(row.remote_authentications) & SIGNATURES]
        return request(trustpoint for row in rows for trustpoint in row.verify)

    # -- the peer ----------------------------------------------------------------------------------------------------

    def check(
        self,
        sa: Ikev2Sa,
        profile: Ikev2ProfileSettings,
        identity: Identification,
        chain: Chain,
        proof: Authentication,
        octets: bytes,
    ) -> tuple[TrustpointSettings, Path]:
        """The path of the peer's certificate, which is of its identity and has signed `octets`.

        Raises `AuthFailure`. Whether it is revoked is still to be asked.
        """
        certificates = sent(chain)
        if not certificates:
            text = f"peer {sa.path.remote} sent no certificate"
            raise AuthFailure(text, "no-certificate", subject=sa.peer_identity)
        trustpoint, path = self._path(profile, certificates)
        subject = x509.subject_text(path[0])
        about: dict[str, Any] = {"subject": subject, "issuer": x509.issuer_text(path[0]), "trustpoint": trustpoint.name}
        if not x509.certifies(path[0], identity.type, identity.data):
            text = f"peer {sa.path.remote} says it is {sa.peer_identity}, and its certificate is of {subject}"
            raise AuthFailure(text, "wrong-certificate", **about)
        public = x509.public_key(path[0])
        try:
            how = verify(public, proof.method, proof.data, octets, sa.peer_hashes)
        except SignatureError as error:
            self.core.counters["authentication_failed"] += 1
            raise AuthFailure(f"{error} (peer {sa.path.remote}, {subject})", "wrong-signature", **about) from error
        kind = key_kind(public)
        if kind not in profile.remote_authentications:
            asked = " or ".join(profile.remote_authentications)
            text = f"peer {sa.path.remote} signs with {kind}, ikev2 profile {profile.name} has authentication remote "
            raise AuthFailure(text + asked, "authentication-method", **about)
        sa.remote_authentication = METHOD_BY_WORD[kind].shown
        self.core.debug("ikev2", "{.label}: {} has signed by {}", sa, subject, how)
        return trustpoint, path

    def _path(self, profile: Ikev2ProfileSettings, certificates: Sequence[bytes]) -> tuple[TrustpointSettings, Path]:
        """By the first trustpoint that leads to one of its authorities; else what is wrong with the closest."""
        now = self.now()
        closest: CertificateProblem | None = None
        for trustpoint in profile.verify:
            try:
                return trustpoint, x509.validate(certificates, trustpoint.authorities, now)
            except CertificateRefused as refused:
                if closest is None or closest.kind is Problem.UNKNOWN_ISSUER:
                    closest = refused.problem
        if closest is None:
            text = f"ikev2 profile {profile.name} has no pki trustpoint ... verify"
            raise AuthFailure(text, "unknown-issuer", issuer=x509.issuer_text(certificates[0]))
        issuer = x509.issuer_text(certificates[0]) if closest.kind is not Problem.MALFORMED else None
        raise self._refused(closest, profile, issuer=issuer)

    def _refused(self, problem: CertificateProblem, profile: Ikev2ProfileSettings, **known: Any) -> AuthFailure:
        kind = _KIND.get(problem.kind, "certificate-unusable")
        rows: tuple[Mismatch, ...] = ()
        if problem.kind in _TIMES and problem.not_before and problem.not_after and problem.now:
            there = f"{x509.utc(problem.not_before)} to {x509.utc(problem.not_after)}"
            here = f"it is {problem.now.astimezone(UTC):%Y-%m-%d %H:%M} UTC"  # seconds would make each attempt another
            rows = (Mismatch("certificate validity", here, there),)
            if not known.get("own") and self._own_is_out_of_time(profile):
                kind = "clock-skew"
        return AuthFailure(problem.text, kind, rows, subject=problem.subject, **known)

    def _own_is_out_of_time(self, profile: Ikev2ProfileSettings) -> bool:
        """By this router's clock its own certificate is not valid either: then it is the clock that is wrong."""
        if profile.sign is None or not profile.sign.certificates:
            return False
        try:
            x509.check_times(profile.sign.certificates[0], self.now())
        except CertificateRefused:
            return True
        return False

    # -- revocation --------------------------------------------------------------------------------------------------

    def revocation(
        self,
        sa: Ikev2Sa,
        trustpoint: TrustpointSettings,
        path: Path,
        go_on: Callable[[], None],
        refuse: Callable[[AuthFailure], None],
    ) -> None:
        """Find out whether a certificate of `path` is revoked, by a CRL that is here or else by asking the world; then
        call one of the two. `revocation-check none` asks nobody.
        """
        pairs = list(pairwise(path))
        if not pairs or trustpoint.revocation[:1] in ((), ("none",)):
            go_on()
            return
        if "crl" in trustpoint.revocation:
            try:
                check_crls(path, trustpoint.crls, self.now())
            except CertificateRefused as refused:
                if refused.problem.kind is Problem.REVOKED:
                    refuse(AuthFailure(str(refused), "revoked", subject=refused.problem.subject))
                    return
            else:
                go_on()
                return
        sa.judged = True
        self._ask(sa, trustpoint, pairs, go_on, refuse)

    def _ask(
        self,
        sa: Ikev2Sa,
        trustpoint: TrustpointSettings,
        pairs: Sequence[tuple[bytes, bytes]],
        go_on: Callable[[], None],
        refuse: Callable[[AuthFailure], None],
    ) -> None:
        """One certificate after the other, each with its issuer."""
        core, key = self.core, ("revocation", sa)
        (own, issuer), rest = pairs[0], pairs[1:]
        subject = x509.subject_text(own)
        over = False

        def answered(result: str | Usage | None) -> None:
            nonlocal over
            if over or sa.deleted:
                return
            over = True
            core.timers.cancel(key)
            if isinstance(result, str):
                kind = "revoked" if "revoked" in result and "whether" not in result else "revocation-unknown"
                text = f"the certificate of {subject} is not accepted: {result}"
                refuse(AuthFailure(text, kind, subject=subject, trustpoint=trustpoint.name))
            elif rest:
                self._ask(sa, trustpoint, rest, go_on, refuse)
            else:
                go_on()

        core.counters["ikev2_revocation_questions"] += 1
        core.timers.set(key, core.now + REVOCATION_LATEST, lambda: answered("there was no answer in time"))
        core.emit(CheckRevocation(core.expect(answered), trustpoint.name, own, issuer))
