"""Which payloads belong into which message (RFC 7296 appendix C)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address

import pytest

from seikan.wire.v2.constants import Exchange, Notify
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.payloads import (
    Authentication,
    Certificate,
    CertificateRequest,
    Delete,
    Identification,
    KeyExchange,
    Nonce,
    Notification,
    Payload,
    Proposal,
    SaPayload,
    TrafficSelector,
    TrafficSelectors,
    UnknownPayload,
    VendorId,
)
from seikan.wire.v2.rules import RULES, check

SA = SaPayload((Proposal(1, 1, b"", ()), Proposal(2, 1, b"", ())))
CHOSEN = SaPayload((Proposal(2, 1, b"", ()),))
KE, NONCE = KeyExchange(19, bytes(64)), Nonce(bytes(32))
IDI, IDR = Identification(True, 2, b"a"), Identification(False, 2, b"b")
AUTH, CERT = Authentication(2, bytes(32)), Certificate(4, b"x")
_ANY = TrafficSelector(0, 0, 0xFFFF, IPv4Address(0), IPv4Address("255.255.255.255"))
TSI, TSR = TrafficSelectors(True, (_ANY,)), TrafficSelectors(False, (_ANY,))
CERTREQ = CertificateRequest(4, b"")
COOKIE = Notification(Notify.COOKIE, b"c")
REFUSED = Notification(Notify.NO_PROPOSAL_CHOSEN)
STATUS = Notification(Notify.MOBIKE_SUPPORTED)
INIT, AUTHENTICATE, CHILD = Exchange.IKE_SA_INIT, Exchange.IKE_AUTH, Exchange.CREATE_CHILD_SA


@pytest.mark.parametrize(
    ("exchange", "response", "payloads"),
    [
        (INIT, False, [SA, KE, NONCE]),
        (INIT, False, [COOKIE, SA, KE, NONCE, STATUS, STATUS, VendorId(b"v")]),
        (INIT, True, [CHOSEN, KE, NONCE, CERTREQ, STATUS]),
        (INIT, True, [COOKIE]),
        (INIT, True, [Notification(Notify.INVALID_KE_PAYLOAD, b"\0\x14")]),
        (AUTHENTICATE, False, [IDI, CERT, CERT, CERTREQ, IDR, AUTH, SA, TSI, TSR, UnknownPayload(200, False, b"")]),
        (AUTHENTICATE, False, [IDI, SA, TSI, TSR]),  # asks for EAP
        (AUTHENTICATE, False, [IDI, AUTH]),  # childless, RFC 6023
        (AUTHENTICATE, True, [IDR, CERT, AUTH, CHOSEN, TSI, TSR]),
        (AUTHENTICATE, True, [IDR, AUTH, REFUSED]),
        (AUTHENTICATE, True, [Notification(Notify.AUTHENTICATION_FAILED)]),
        (CHILD, False, [SA, NONCE, TSI, TSR]),
        (CHILD, False, [SA, NONCE, KE]),
        (CHILD, True, [REFUSED]),
        (Exchange.INFORMATIONAL, False, []),
        (Exchange.INFORMATIONAL, True, [Delete(3, (bytes(4),)), Delete(2, (bytes(4),))]),
        (Exchange.IKE_INTERMEDIATE, False, [KE]),
        (Exchange.IKE_INTERMEDIATE, True, []),
        (Exchange.IKE_FOLLOWUP_KE, False, [KE, Notification(Notify.ADDITIONAL_KEY_EXCHANGE)]),
        (Exchange.IKE_SESSION_RESUME, False, [NONCE, Notification(Notify.TICKET_OPAQUE, b"t")]),
        (Exchange.IKE_SESSION_RESUME, True, [Notification(Notify.TICKET_NACK)]),
    ],
)
def test_what_the_appendix_allows(exchange: Exchange, response: bool, payloads: Sequence[Payload]) -> None:
    assert (exchange, response) in RULES
    check(exchange, response, payloads)


@pytest.mark.parametrize(
    ("exchange", "response", "payloads", "words"),
    [
        (INIT, False, [SA, KE], "no Nonce in an IKE_SA_INIT request"),
        (INIT, False, [SA, SA, KE, NONCE], "2 payloads SA"),
        (INIT, False, [SA, KE, NONCE, AUTH], "AUTH has no place"),
        (INIT, False, [SA, KE, COOKIE], "no Nonce"),  # only a response may ask again
        (INIT, False, [CHOSEN, KE, NONCE], "the first proposal in an IKE_SA_INIT request is 2"),
        (INIT, True, [SA, KE, NONCE], "2 proposals in an IKE_SA_INIT response"),
        (INIT, True, [STATUS], "no SA"),
        (AUTHENTICATE, False, [AUTH, SA, TSI, TSR], "no IDi"),
        (AUTHENTICATE, False, [IDI, IDI, AUTH], "2 payloads IDi"),
        (AUTHENTICATE, False, [IDI, AUTH, SA, TSI], "without the other"),
        (AUTHENTICATE, False, [IDI, AUTH, SA], "SA without traffic selectors"),
        (AUTHENTICATE, False, [IDI, AUTH, TSI, TSR], "traffic selectors without SA"),
        (AUTHENTICATE, True, [IDR, CHOSEN, TSI, TSR], "no AUTH"),
        (AUTHENTICATE, True, [IDI, AUTH], "IDi has no place"),
        (CHILD, True, [CHOSEN, TSI, TSR], "no Nonce"),
        (Exchange.INFORMATIONAL, False, [KE], "KE has no place"),
        (Exchange.IKE_FOLLOWUP_KE, True, [], "no KE"),
    ],
)
def test_what_it_does_not(exchange: Exchange, response: bool, payloads: Sequence[Payload], words: str) -> None:
    with pytest.raises(InvalidSyntax, match=words):
        check(exchange, response, payloads)


def test_every_exchange_has_its_rules() -> None:
    assert set(RULES) == {(exchange, response) for exchange in Exchange for response in (False, True)}
