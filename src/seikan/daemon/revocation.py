"""Asks whether a peer's certificate was revoked, while the event loop goes on: `revocation-check crl ocsp none`.

The methods are tried in order. One that cannot tell leaves it to the next; `none` lets the certificate pass; where the
last one cannot tell it does not pass, and the reason is what each of them said.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from seikan.config.model_ikev2 import Trustpoint
from seikan.crypto.pki import PkiError, describe_certificate
from seikan.crypto.revocation import (
    RevocationError,
    crl_expires,
    crl_problem,
    load_crl,
    ocsp_request,
    ocsp_revoked,
    revoked,
)
from seikan.ike.effects import CheckRevocation
from seikan.system import http
from seikan.system.errors import AdapterError

Fetch = Callable[[str, bytes | None, str], Awaitable[bytes]]

REVOKED = "the certificate was revoked"
OCSP_REQUEST = "application/ocsp-request"
_KEPT = 64  # CRLs


class Revocation:
    """Fetched CRLs are kept until the next is due. `held` gives those that were imported for a trustpoint."""

    def __init__(
        self,
        held: Callable[[str], tuple[bytes, ...]],
        *,
        fetch: Fetch = http.fetch,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._held = held
        self._fetch = fetch
        self._now = now
        self._kept: dict[str, bytes] = {}

    async def check(self, effect: CheckRevocation, trustpoint: Trustpoint | None) -> str | None:
        """None where the certificate may be used, else why not."""
        reasons = []
        for method in trustpoint.revocation if trustpoint is not None else ("crl",):
            if method == "none":
                return None
            try:
                if method == "crl":
                    known = await self._by_crl(effect)
                else:
                    known = await self._by_ocsp(effect, trustpoint.ocsp_url if trustpoint is not None else None)
            except (AdapterError, PkiError, RevocationError) as error:
                reasons.append(f"{method}: {error}")
            else:
                return REVOKED if known else None
        return f"it cannot be found out whether the certificate was revoked ({'; '.join(reasons)})"

    async def _by_crl(self, effect: CheckRevocation) -> bool:
        now = self._now()
        for crl in self._held(effect.trustpoint):
            if crl_problem(crl, effect.issuer, now) is None:
                return revoked(crl, effect.certificate)
        points = [point for point in describe_certificate(effect.certificate).crl_points if point.startswith("http:")]
        if not points:
            raise RevocationError("the certificate names no CRL that can be fetched, and none was imported")
        problem: Exception | None = None
        for point in points:
            try:
                crl = await self._crl(point, now)
                wrong = crl_problem(crl, effect.issuer, now)
                if wrong is None:
                    return revoked(crl, effect.certificate)
                raise RevocationError(wrong)
            except (AdapterError, RevocationError) as error:
                self._kept.pop(point, None)
                problem = error
        raise problem or RevocationError("no CRL was found")

    async def _crl(self, point: str, now: datetime) -> bytes:
        crl = self._kept.get(point)
        if crl is not None:
            ends = crl_expires(crl)
            if ends is not None and ends > now:
                return crl
        crl = load_crl(await self._fetch(point, None, ""))
        while len(self._kept) >= _KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[point] = crl
        return crl

    async def _by_ocsp(self, effect: CheckRevocation, typed: str | None) -> bool:
        urls = (typed,) if typed is not None else describe_certificate(effect.certificate).ocsp
        if not urls:
            raise RevocationError("the certificate names no OCSP responder, and ocsp url is not typed")
        question = ocsp_request(effect.certificate, effect.issuer)
        answer = await self._fetch(urls[0], question, OCSP_REQUEST)
        return ocsp_revoked(answer, effect.certificate, effect.issuer, self._now())
