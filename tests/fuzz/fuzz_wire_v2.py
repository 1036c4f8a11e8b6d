"""Fuzz the codec of IKEv2: `python tests/fuzz/fuzz_wire_v2.py -max_total_time=60` with atheris installed.

Without atheris, `python tests/fuzz/fuzz_wire_v2.py SECONDS` mutates valid messages by a seed of its own.
Whatever comes in, only `WireError` may come out, and what is read is written back alike.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from tests.fuzz.runner import run

from seikan.wire.errors import WireError
from seikan.wire.v2.constants import Exchange
from seikan.wire.v2.header import Header, pull_header
from seikan.wire.v2.message import find_encrypted, pull_message, pull_payloads, push_message, push_payloads, push_prefix
from seikan.wire.v2.payloads import (
    Authentication,
    ConfigurationAttribute,
    ConfigurationPayload,
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
    Transform,
    UnknownPayload,
)
from seikan.wire.v2.rules import RULES
from seikan.wire.v2.rules import check as check_rules

_HEADER = Header(b"initiatr", b"responde", 0, Exchange.IKE_SA_INIT, 0x08, 0, 0)
_SA = SaPayload(
    (Proposal(1, 1, b"", (Transform(1, 12, 256), Transform(2, 5))), Proposal(2, 1, b"", (Transform(1, 20, 128),)))
)
_ANY = TrafficSelectors(True, (TrafficSelector(0, 0, 65535, IPv4Address(0), IPv4Address("255.255.255.255")),))
SEEDS = [
    push_message(_HEADER, [_SA, KeyExchange(19, bytes(64)), Nonce(bytes(32)), Notification(16388, bytes(20))]),
    push_message(_HEADER, [Identification(True, 2, b"west"), Authentication(2, bytes(32)), _SA, _ANY]),
    push_message(
        _HEADER, [Delete(3, (bytes(4), bytes(4))), ConfigurationPayload(1, (ConfigurationAttribute(1, b""),))]
    ),
    push_prefix(_HEADER, 35, 32, clear=[Nonce(bytes(16))]) + bytes(32),
    push_prefix(_HEADER, 0, 32, fragment=2, total=3) + bytes(32),
]


def _known(payload: Payload) -> Payload:
    """`payload` without what is read over and so cannot be written back."""
    match payload:
        case SaPayload(proposals):
            return SaPayload(
                tuple(
                    replace(each, transforms=tuple(replace(transform, unknown=False) for transform in each.transforms))
                    for each in proposals
                )
            )
        case TrafficSelectors():
            return replace(payload, unknown=0)
    return payload


def check(data: bytes) -> None:
    """One input."""
    try:
        header = pull_header(data)
        chain, encrypted = pull_message(header, data)
        if encrypted != find_encrypted(header, data):
            raise AssertionError("two readings of one Encrypted payload")
        if (header.exchange, header.response) in RULES:
            check_rules(header.exchange, header.response, chain.payloads)
    except WireError:
        return
    payloads = [
        _known(payload)
        for payload in chain.payloads
        if not (isinstance(payload, TrafficSelectors) and not payload.selectors)
        and not (isinstance(payload, UnknownPayload) and not payload.type)
    ]
    if list(pull_payloads(*push_payloads(payloads)).payloads) != payloads:
        raise AssertionError("written back otherwise")


if __name__ == "__main__":
    run(check, SEEDS)
