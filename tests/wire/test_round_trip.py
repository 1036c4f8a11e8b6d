"""What is written is read back alike; what is broken raises one family of errors and nothing else."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seikan.wire.buffer import Buffer
from seikan.wire.constants import ExchangeType, NotifyType, PayloadType
from seikan.wire.errors import (
    BadProposalSyntax,
    DoiNotSupported,
    InvalidExchangeType,
    InvalidFlags,
    InvalidMajorVersion,
    InvalidPayloadType,
    PayloadMalformed,
    SituationNotSupported,
    WireError,
)
from seikan.wire.header import HEADER_OCTETS, Header, pull_header
from seikan.wire.message import MAX_PAYLOADS, pull_chain, push_chain, push_message
from seikan.wire.payloads import Nonce, Payload, pull_sa, push_sa
from seikan.wire.vendor import Vendor, recognize

from .strategies import headers, payloads

HEADER = Header(b"initiatr", b"responde", 0, ExchangeType.MAIN, 0, 0, 0)


@given(headers, st.lists(payloads, max_size=6))
def test_a_message_reads_back_as_written(header: Header, chain: list[Payload]) -> None:
    data = push_message(header, chain)
    read = pull_header(data)
    assert replace(read, next_payload=0, length=0) == header
    assert read.length == len(data)
    found = pull_chain(read.next_payload, data, HEADER_OCTETS)
    assert list(found.payloads) == chain
    assert found.octets == data[HEADER_OCTETS:]
    assert push_message(header, found.payloads) == data


@given(st.lists(payloads, min_size=1, max_size=4), st.binary(max_size=15))
def test_padding_is_left_out_of_what_a_hash_covers(chain: list[Payload], padding: bytes) -> None:
    first, data = push_chain(chain)
    found = pull_chain(first, data + padding, padded=True)
    assert list(found.payloads) == chain
    assert found.octets == data
    assert found.after_first() == push_chain(chain[1:])[1]


@settings(max_examples=400)
@given(headers, st.lists(payloads, max_size=5), st.data())
def test_a_mutated_message_is_read_or_refused_by_the_one_family(
    header: Header, chain: list[Payload], draw: st.DataObject
) -> None:
    data = bytearray(push_message(header, chain))
    for _ in range(draw.draw(st.integers(1, 4))):
        action = draw.draw(st.sampled_from(("flip", "cut", "insert")))
        place = draw.draw(st.integers(0, max(0, len(data) - 1)))
        if action == "flip" and data:
            data[place] ^= draw.draw(st.integers(1, 255))
        elif action == "cut":
            del data[place:]
        else:
            data[place:place] = draw.draw(st.binary(min_size=1, max_size=8))
    read(bytes(data))


@given(st.binary(max_size=300), st.integers(0, 255))
def test_random_octets_are_read_or_refused_by_the_one_family(data: bytes, first: int) -> None:
    read(data)
    with suppress(WireError):
        pull_chain(first, data, padded=True)


def read(data: bytes) -> None:
    with suppress(WireError):
        header = pull_header(data)
        chain = pull_chain(header.next_payload, data, HEADER_OCTETS)
        assert push_message(header, chain.payloads)[HEADER_OCTETS:] or not chain.payloads


def header_octets(**changes: int) -> bytes:
    data = bytearray(push_message(HEADER, [Nonce(bytes(8))]))
    for name, value in changes.items():
        data[{"version": 17, "exchange": 18, "flags": 19, "length": 27, "payload": 16}[name]] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", PayloadMalformed),
        (header_octets(version=0x20), InvalidMajorVersion),
        (header_octets(exchange=33), InvalidExchangeType),
        (header_octets(flags=0x80), InvalidFlags),
        (header_octets(length=39), PayloadMalformed),
        (bytes(8) + header_octets()[8:], PayloadMalformed),
    ],
)
def test_a_wrong_header_is_named(data: bytes, error: type[WireError]) -> None:
    with pytest.raises(error):
        pull_header(data)


@pytest.mark.parametrize(
    ("first", "octets", "error"),
    [
        (PayloadType.NONCE, "00000003", PayloadMalformed),  # shorter than its own header
        (PayloadType.NONCE, "00000009aaaa", PayloadMalformed),  # longer than what is left
        (PayloadType.NONCE, "00010008aaaaaaaa", PayloadMalformed),  # reserved octet
        (PayloadType.NONCE, "00000008aaaaaaaabb", PayloadMalformed),  # octets behind the last payload
        (PayloadType.NONCE, "0e000008aaaaaaaa", PayloadMalformed),  # a chain that ends too early
        (PayloadType.NONCE, "0e000008aaaaaaaa00000004", InvalidPayloadType),  # unassigned
        (PayloadType.SA, "0000000c0000000200000001", DoiNotSupported),
        (PayloadType.SA, "0000000c0000000100000002", SituationNotSupported),
        (PayloadType.SA, "000000140000000100000001" + "0000000801010001", PayloadMalformed),  # a transform is missing
        (PayloadType.SA, "000000140000000100000001" + "0400000801010000", BadProposalSyntax),
        (PayloadType.DELETE, "0000001000000001030400020000000a", PayloadMalformed),
        (PayloadType.FRAGMENT, "0000000900010000aa", PayloadMalformed),
        (PayloadType.NAT_OA, "0000000b01000000010203", PayloadMalformed),
    ],
)
def test_a_wrong_payload_is_named(first: int, octets: str, error: type[WireError]) -> None:
    with pytest.raises(error) as raised:
        pull_chain(first, bytes.fromhex(octets))
    assert raised.value.notify in NotifyType


def test_the_number_of_payloads_is_bounded() -> None:
    _, data = push_chain([Nonce(b"")] * (MAX_PAYLOADS + 1))
    with pytest.raises(PayloadMalformed):
        pull_chain(PayloadType.NONCE, data)


def test_a_proposal_as_an_ios_router_writes_it() -> None:
    """AES-128, SHA, group 14, pre-share, 86400 s with the four-octet duration."""
    octets = bytes.fromhex(
        "0000000100000001"
        "0000003001010001"
        "0000002801010000"
        "80010007"
        "800e0080"
        "80020002"
        "8004000e"
        "80030001"
        "800b0001"
        "000c000400015180"
    )
    payload = pull_sa(Buffer(octets))
    (transform,) = payload.proposals[0].transforms
    assert [(attribute.type, attribute.number) for attribute in transform.attributes] == [
        (1, 7),
        (14, 128),
        (2, 2),
        (4, 14),
        (3, 1),
        (11, 1),
        (12, 86400),
    ]
    assert push_sa(payload) == octets


def test_vendor_ids_are_known_by_the_part_that_is_fixed() -> None:
    assert recognize(Vendor.DPD.value[:14] + b"\x01\x07") is Vendor.DPD
    assert recognize(Vendor.FRAGMENTATION.value + bytes.fromhex("c0000000")) is Vendor.FRAGMENTATION
    assert recognize(Vendor.NAT_T_RFC.value) is Vendor.NAT_T_RFC
    assert recognize(b"CISCO-UNITY") is None
