"""Fuzz the codec: `python tests/fuzz/fuzz_wire.py -max_total_time=60` with atheris installed.

Without atheris, `python tests/fuzz/fuzz_wire.py SECONDS` mutates valid messages by a seed of its own.
Whatever comes in, only `WireError` may come out, and what is read is written back alike.
"""

from __future__ import annotations

from tests.fuzz.runner import run

from seikan.wire.constants import ExchangeType
from seikan.wire.errors import WireError
from seikan.wire.header import HEADER_OCTETS, Header, pull_header
from seikan.wire.message import pull_chain, push_chain, push_message
from seikan.wire.payloads import (
    Attribute,
    Delete,
    Fragment,
    Identification,
    NatDetection,
    Nonce,
    Notification,
    Proposal,
    SaPayload,
    Transform,
    VendorId,
)

_HEADER = Header(b"initiatr", b"responde", 0, ExchangeType.MAIN, 0, 0, 0)
_TRANSFORM = Transform(1, 1, (Attribute(1, b"\0\7", True), Attribute(12, b"\0\1\x51\x80", False)))
SEEDS = [
    push_message(_HEADER, [SaPayload((Proposal(1, 1, b"", (_TRANSFORM, _TRANSFORM)),)), VendorId(bytes(16))]),
    push_message(_HEADER, [Nonce(bytes(20)), NatDetection(bytes(20)), Identification(1, 17, 500, bytes(4))]),
    push_message(_HEADER, [Notification(1, bytes(16), 36136, bytes(4)), Delete(3, (bytes(4), bytes(4)))]),
    push_message(_HEADER, [Fragment(1, 1, True, bytes(30))]),
]


def check(data: bytes) -> None:
    """One input."""
    try:
        header = pull_header(data)
        chain = pull_chain(header.next_payload, data, HEADER_OCTETS)
    except WireError:
        return
    again = pull_chain(*push_chain(chain.payloads))
    if again.payloads != chain.payloads:
        raise AssertionError("written back otherwise")


if __name__ == "__main__":
    run(check, SEEDS)
