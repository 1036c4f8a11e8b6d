"""Asks whether a peer's certificate was revoked, while the event loop goes on: `revocation-check crl ocsp none`.

The methods are tried in order. One that cannot tell leaves it to the next; `none` lets the certificate pass; where the
last one cannot tell it does not pass, and the reason is what each of them said.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from seikan.config.model_ikev2 import Trustpoint
from seikan.crypto.certificates import CertificateRefused, Problem, UnusableFile, crl_urls, ocsp_urls
from seikan.crypto.revocation import check_crl, check_ocsp, crl_facts, load_crl, ocsp_request
from seikan.ike.effects import CheckRevocation
from seikan.system import http
from seikan.system.errors import AdapterError

Fetch = Callable[[str, bytes | None, str], Awaitable[bytes]]

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
                    await self._by_crl(effect)
                else:
                    await self._by_ocsp(effect, trustpoint.ocsp_url if trustpoint is not None else None)
            except CertificateRefused as refused:
                if refused.problem.kind is Problem.REVOKED:
                    return str(refused)
                reasons.append(f"{method}: {refused}")
            except (AdapterError, UnusableFile) as error:
                reasons.append(f"{method}: {error}")
            else:
                return None
        return f"it cannot be found out whether the certificate was revoked ({'; '.join(reasons)})"

    async def _by_crl(self, effect: CheckRevocation) -> None:
        """By what was imported, else by the first list of the certificate's that says anything."""
        held = self._held(effect.trustpoint)
        points = [point for point in crl_urls(effect.certificate) if point.startswith("http:")]
        try:
            check_crl(effect.certificate, effect.issuer, held, self._now())
        except CertificateRefused as refused:
            if refused.problem.kind is Problem.REVOKED or not points:
                raise
        else:
            return
        problem: Exception | None = None
        for point in points:
            try:
                check_crl(effect.certificate, effect.issuer, [await self._crl(point)], self._now())
            except CertificateRefused as wrong:
                if wrong.problem.kind is Problem.REVOKED:
                    raise
                self._kept.pop(point, None)
                problem = wrong
            except (AdapterError, UnusableFile) as error:
                problem = error
            else:
                return
        assert problem is not None
        raise problem

    async def _crl(self, point: str) -> bytes:
        crl = self._kept.get(point)
        if crl is not None:
            due = crl_facts(crl).next_update
            if due is not None and due > self._now():
                return crl
        crl = load_crl(await self._fetch(point, None, ""))
        self._kept.pop(point, None)
        while len(self._kept) >= _KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[point] = crl
        return crl

    async def _by_ocsp(self, effect: CheckRevocation, typed: str | None) -> None:
        urls = (typed,) if typed is not None else ocsp_urls(effect.certificate)
        if not urls:
            raise AdapterError("the certificate names no OCSP responder, and ocsp url is not typed")
        question = ocsp_request(effect.certificate, effect.issuer)
        answer = await self._fetch(urls[0], question, OCSP_REQUEST)
        check_ocsp(effect.certificate, effect.issuer, answer, self._now())
