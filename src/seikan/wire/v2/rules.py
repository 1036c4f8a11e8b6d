"""Which payloads may and must occur in which message, and how often (RFC 7296 appendix C and the RFCs beside it).

A Notify, a Vendor ID and a payload that is not known here may be in any message. What must be there need not be in a
response that refuses or asks again, which is one with an error or one of `_INSTEAD`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seikan.wire.v2.constants import LAST_ERROR, Exchange, Notify
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.payloads import (
    Authentication,
    Certificate,
    CertificateRequest,
    ConfigurationPayload,
    Delete,
    Identification,
    KeyExchange,
    Nonce,
    Notification,
    Payload,
    SaPayload,
    TrafficSelectors,
    UnknownPayload,
    VendorId,
)

Occurrence = tuple[int, int]  # at least, at most
_ONE: Occurrence = (1, 1)
_OPTIONAL: Occurrence = (0, 1)
_MANY: Occurrence = (0, 128)

_IDI, _IDR = "IDi", "IDr"
_TSI, _TSR = "TSi", "TSr"
_NAMES: dict[type, str] = {
    SaPayload: "SA",
    KeyExchange: "KE",
    Certificate: "CERT",
    CertificateRequest: "CERTREQ",
    Authentication: "AUTH",
    Nonce: "Nonce",
    Delete: "D",
    ConfigurationPayload: "CP",
}
_ANYWHERE = (Notification, VendorId, UnknownPayload)
_CHILD = {"SA": _OPTIONAL, _TSI: _OPTIONAL, _TSR: _OPTIONAL, "CP": _OPTIONAL}

# An IKE_AUTH request without AUTH asks for EAP (RFC 7296 section 2.16); one without SA is childless (RFC 6023).
RULES: Mapping[tuple[int, bool], Mapping[str, Occurrence]] = {
    (Exchange.IKE_SA_INIT, False): {"SA": _ONE, "KE": _ONE, "Nonce": _ONE},
    (Exchange.IKE_SA_INIT, True): {"SA": _ONE, "KE": _ONE, "Nonce": _ONE, "CERTREQ": _MANY},
    (Exchange.IKE_SESSION_RESUME, False): {"Nonce": _ONE},  # RFC 5723 section 4.3.2
    (Exchange.IKE_SESSION_RESUME, True): {"Nonce": _ONE},
    (Exchange.IKE_INTERMEDIATE, False): {"KE": _OPTIONAL},  # RFC 9242 section 3.2, RFC 9370 section 2.2.2
    (Exchange.IKE_INTERMEDIATE, True): {"KE": _OPTIONAL},
    (Exchange.IKE_AUTH, False): {
        _IDI: _ONE,
        "CERT": _MANY,
        "CERTREQ": _MANY,
        _IDR: _OPTIONAL,
        "AUTH": _OPTIONAL,
        **_CHILD,
    },
    (Exchange.IKE_AUTH, True): {_IDR: _ONE, "CERT": _MANY, "AUTH": _ONE, **_CHILD},
    (Exchange.CREATE_CHILD_SA, False): {"SA": _ONE, "Nonce": _ONE, "KE": _OPTIONAL, _TSI: _OPTIONAL, _TSR: _OPTIONAL},
    (Exchange.CREATE_CHILD_SA, True): {"SA": _ONE, "Nonce": _ONE, "KE": _OPTIONAL, _TSI: _OPTIONAL, _TSR: _OPTIONAL},
    (Exchange.IKE_FOLLOWUP_KE, False): {"KE": _ONE},  # RFC 9370 section 2.2.4
    (Exchange.IKE_FOLLOWUP_KE, True): {"KE": _ONE},
    (Exchange.INFORMATIONAL, False): {"D": _MANY, "CP": _OPTIONAL},
    (Exchange.INFORMATIONAL, True): {"D": _MANY, "CP": _OPTIONAL},
}
_INSTEAD = frozenset((Notify.COOKIE, Notify.REDIRECT, Notify.TICKET_NACK))  # RFC 7296 2.6, RFC 5685 3, RFC 5723 4.3.3


_LABELS = {
    (row.value, response): f"{row.name} {'response' if response else 'request'}"
    for row in Exchange
    for response in (False, True)
}


def _name(payload: Payload) -> str:
    name = _NAMES.get(type(payload))
    if name is not None:
        return name
    if isinstance(payload, Identification):
        return _IDI if payload.initiator else _IDR
    assert isinstance(payload, TrafficSelectors)
    return _TSI if payload.initiator else _TSR


def check(exchange: int, response: bool, payloads: Sequence[Payload]) -> None:
    """Raise `InvalidSyntax` where a message of `exchange` (one of `Exchange`) may not have just these `payloads`."""
    rules = RULES[exchange, response]
    label = _LABELS[exchange, response]
    counts: dict[str, int] = {}
    for payload in payloads:
        if not isinstance(payload, _ANYWHERE):
            name = _name(payload)
            counts[name] = counts.get(name, 0) + 1
    for name, count in counts.items():
        least_most = rules.get(name)
        if least_most is None:
            raise InvalidSyntax(f"{name} has no place in an {label}")
        if count > least_most[1]:
            raise InvalidSyntax(f"{count} payloads {name} in an {label}")
    if not (response and any(_instead(payload) for payload in payloads)):
        for name, (least, _) in rules.items():
            if counts.get(name, 0) < least:
                raise InvalidSyntax(f"no {name} in an {label}")
    selectors, offers = counts.get(_TSI), counts.get("SA")
    if selectors != counts.get(_TSR):
        raise InvalidSyntax(f"one of {_TSI} and {_TSR} without the other in an {label}")
    if selectors and not offers:
        raise InvalidSyntax(f"traffic selectors without SA in an {label}")
    if exchange == Exchange.IKE_AUTH and offers and not selectors:
        raise InvalidSyntax(f"SA without traffic selectors in an {label}")
    for payload in payloads:
        if isinstance(payload, SaPayload):
            _check_proposals(payload, response, label)


def _instead(payload: Payload) -> bool:
    """Whether it stands for a refusal, or for what is asked for before an answer."""
    return isinstance(payload, Notification) and (payload.type <= LAST_ERROR or payload.type in _INSTEAD)


def _check_proposals(payload: SaPayload, response: bool, label: str) -> None:
    """RFC 7296 section 3.3.1 and 2.7: offers count from 1; an answer is the one that was chosen."""
    if response and len(payload.proposals) != 1:
        raise InvalidSyntax(f"{len(payload.proposals)} proposals in an {label}")
    if not response and payload.proposals[0].number != 1:
        raise InvalidSyntax(f"the first proposal in an {label} is {payload.proposals[0].number}")
