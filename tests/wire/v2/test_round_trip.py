"""What is written is read back alike; what is broken raises one family of errors and nothing else."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seikan.wire.errors import WireError
from seikan.wire.v2.bodies import MAX_TRANSFORMS, pull_sa
from seikan.wire.v2.buffer import Buffer
from seikan.wire.v2.constants import Exchange, Notify
from seikan.wire.v2.constants import Payload as Type
from seikan.wire.v2.errors import InvalidMajorVersion, InvalidSyntax, UnsupportedCriticalPayload
from seikan.wire.v2.header import HEADER_OCTETS, Header, pull_header
from seikan.wire.v2.message import (
    MAX_PAYLOADS,
    Encrypted,
    find_encrypted,
    pull_message,
    pull_payloads,
    push_message,
    push_payloads,
    push_plain,
    push_prefix,
)
from seikan.wire.v2.payloads import (
    Identification,
    Nonce,
    Notification,
    Payload,
    Transform,
    UnknownPayload,
    VendorId,
)

from .strategies import headers, payloads

HEADER = Header(b"initiatr", b"responde", 0, Exchange.IKE_AUTH, 0x08, 1, 0)
NONCE = Nonce(bytes(range(16)))


@given(headers, st.lists(payloads, max_size=6))
def test_a_message_reads_back_as_written(header: Header, chain: list[Payload]) -> None:
    data = push_message(header, chain)
    read = pull_header(data)
    assert replace(read, next_payload=0, length=0) == header
    assert read.length == len(data)
    found, encrypted = pull_message(read, data)
    assert list(found.payloads) == chain
    assert encrypted is None is find_encrypted(read, data)
    assert push_message(header, found.payloads) == data
    assert push_payloads(chain)[1] == b"".join(
        data[HEADER_OCTETS + start : HEADER_OCTETS + end] for start, end in _extents(found.bodies)
    )


def _extents(bodies: tuple[bytes, ...]) -> list[tuple[int, int]]:
    """Where each payload stands, to say that the bodies are what lies between the generic headers."""
    found, position = [], 0
    for body in bodies:
        found.append((position, position + 4 + len(body)))
        position += 4 + len(body)
    return found


@given(headers, st.lists(payloads, max_size=3), st.lists(payloads, max_size=3), st.binary(min_size=1, max_size=60))
def test_an_encrypted_payload_ends_a_message(
    header: Header, clear: list[Payload], inner: list[Payload], body: bytes
) -> None:
    first, _ = push_payloads(inner)
    prefix = push_prefix(header, first, len(body), clear=clear)
    data = prefix + body
    read = pull_header(data)
    found, encrypted = pull_message(read, data)
    assert list(found.payloads) == clear
    assert encrypted == Encrypted(first, len(prefix) - 4, len(prefix))
    assert encrypted.aad(data) == prefix
    assert find_encrypted(read, data) == encrypted
    assert data[encrypted.start :] == body


@given(st.integers(1, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=60))
def test_a_fragment_ends_a_message(fragment: int, more: int, body: bytes) -> None:
    total = min(fragment + more, 0xFFFF)
    inner = Type.ID_I if fragment == 1 else 0
    data = push_prefix(HEADER, inner, len(body), fragment=fragment, total=total) + body
    header = pull_header(data)
    found, encrypted = pull_message(header, data)
    assert not found.payloads
    assert encrypted == Encrypted(inner, HEADER_OCTETS, HEADER_OCTETS + 8, fragment, total)
    assert encrypted.aad(data)[-4:] == fragment.to_bytes(2, "big") + total.to_bytes(2, "big")  # RFC 7383 section 2.5


def test_the_plain_form_of_a_protected_message_has_the_lengths_of_what_it_holds() -> None:
    """RFC 9242 section 3.3.2: as if the Encrypted payload had neither IV, padding nor checksum."""
    first, inner = push_payloads([NONCE])
    plain = push_plain(HEADER, first, inner)
    assert plain == push_prefix(HEADER, first, len(inner)) + inner
    assert pull_header(plain).length == HEADER_OCTETS + 4 + len(inner)
    with_clear = push_plain(HEADER, first, inner, clear=push_payloads([NONCE], Type.SK)[1], first=Type.NONCE)
    assert with_clear == push_prefix(HEADER, first, len(inner), clear=[NONCE]) + inner


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
    if len(data) >= HEADER_OCTETS:
        data[24:28] = len(data).to_bytes(4, "big")
    with suppress(WireError):
        header = pull_header(bytes(data))
        pull_message(header, bytes(data))


@given(st.binary(max_size=300), st.integers(0, 255))
def test_random_octets_are_read_or_refused_by_the_one_family(data: bytes, first: int) -> None:
    with suppress(WireError):
        pull_payloads(first, data)
    with suppress(WireError):
        find_encrypted(replace(HEADER, next_payload=first), bytes(HEADER_OCTETS) + data)


def header_octets(**changes: int) -> bytes:
    data = bytearray(push_message(HEADER, [NONCE]))
    for name, value in changes.items():
        data[{"version": 17, "exchange": 18, "flags": 19, "length": 27}[name]] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", InvalidSyntax),
        (header_octets(version=0x30), InvalidMajorVersion),
        (header_octets(version=0x10), InvalidMajorVersion),
        (header_octets(length=39), InvalidSyntax),
        (bytes(8) + header_octets()[8:], InvalidSyntax),
    ],
)
def test_a_wrong_header_is_named(data: bytes, error: type[WireError]) -> None:
    with pytest.raises(error):
        pull_header(data)


def test_what_must_be_ignored_in_a_header_is_ignored() -> None:
    """RFC 7296 section 2.5 and 3.1: a minor version, reserved flags, and an exchange that is not known here."""
    header = pull_header(header_octets(version=0x21, flags=0xEF, exchange=250))
    assert header.exchange == 250
    assert header.response
    assert header.from_initiator
    assert not pull_header(header_octets(flags=0)).from_initiator


@pytest.mark.parametrize(
    ("first", "octets"),
    [
        (Type.NONCE, "00000003"),  # shorter than its own header
        (Type.NONCE, "00000015" + "aa" * 16),  # longer than what is left
        (Type.NONCE, "00000014" + "aa" * 16 + "bb"),  # octets behind the last payload
        (Type.NONCE, "28000014" + "aa" * 16),  # a chain that ends too early
        (Type.NONCE, "00000013" + "aa" * 15),  # RFC 7296 section 3.9
        (Type.NONCE, "00000105" + "aa" * 257),
        (Type.KE, "000000060000"),
        (Type.ID_I, "0000000b01000000" + "010203"),  # three octets of IPv4 address
        (Type.CERT, "00000004"),
        (Type.CERTREQ, "00000018" + "04" + "aa" * 19),
        (Type.AUTH, "000000070200" + "00"),
        (Type.NOTIFY, "00000009010400000a"),  # an SPI that is not all there
        (Type.DELETE, "0000000c03040002" + "0000000a"),  # two SPIs announced
        (Type.DELETE, "0000001003080001" + "00" * 8),  # ESP has SPIs of four octets
        (Type.DELETE, "0000000c01040001" + "00" * 4),  # the IKE SA needs none
        (Type.TS_I, "0000000800000000"),  # no selector
        (Type.TS_I, "00000018" + "01000000" + "0700000f" + "0000ffff" + "0a0000000a0000ff"),  # a length that is no IPv4
        (Type.TS_I, "00000018" + "01000000" + "07000010" + "0000ffff" + "0a0000010a000000"),  # ends before it starts
        (Type.TS_I, "00000018" + "02000000" + "07000010" + "0000ffff" + "0a0000000a0000ff"),  # two announced
        (Type.CP, "0000000c01000000" + "00010004"),  # an attribute that is not there
        (Type.SA, "00000004"),  # no proposal
        (Type.SA, "0000000c" + "00000008" + "01010001"),  # a transform is missing
        (Type.SA, "0000000c" + "03000008" + "01010000"),  # neither the last nor a proposal behind it
        (Type.SA, "00000014" + "02000008" + "01010000" + "00000008" + "03010000"),  # 3 after 1
        (Type.SA, "00000014" + "00000010" + "01010001" + "00000007" + "01000001"),  # a transform of seven octets
        (Type.SK, "00000014" + "aa" * 16),  # inside another Encrypted payload
    ],
)
def test_a_wrong_payload_is_refused(first: int, octets: str) -> None:
    with pytest.raises(InvalidSyntax) as raised:
        pull_payloads(first, bytes.fromhex(octets))
    assert raised.value.notify == Notify.INVALID_SYNTAX


@pytest.mark.parametrize(("inner", "numbers"), [(0, (0, 1)), (0, (2, 1)), (0, (1, 0)), (Type.NONCE, (2, 2))], ids=str)
def test_fragments_that_cannot_be_are_refused(inner: int, numbers: tuple[int, int]) -> None:
    """RFC 7383 section 2.5: numbers from 1 to the total, and the first payload's type in the first alone."""
    data = push_prefix(HEADER, inner, 16, fragment=9, total=9) + bytes(16)
    at = HEADER_OCTETS + 4
    data = data[:at] + b"".join(number.to_bytes(2, "big") for number in numbers) + data[at + 4 :]
    with pytest.raises(InvalidSyntax):
        pull_message(pull_header(data), data)


def test_nothing_follows_an_encrypted_payload() -> None:
    data = push_prefix(HEADER, Type.NONCE, 16) + bytes(16) + push_payloads([NONCE])[1]
    data = data[:24] + len(data).to_bytes(4, "big") + data[28:]
    header = pull_header(data)
    for read in (pull_message, find_encrypted):
        with pytest.raises(InvalidSyntax):
            read(header, data)


def test_a_critical_payload_that_is_unknown_refuses_the_message_and_another_does_not() -> None:
    """RFC 7296 section 2.5; the bit says nothing on a payload that is known."""
    plain = bytes.fromhex("00000008aabbccdd")
    assert pull_payloads(200, plain).payloads == (UnknownPayload(200, False, plain[4:]),)
    with pytest.raises(UnsupportedCriticalPayload) as raised:
        pull_payloads(200, bytes.fromhex("00800008aabbccdd"))
    assert raised.value.payload_type == 200
    assert raised.value.notify == Notify.UNSUPPORTED_CRITICAL_PAYLOAD
    assert pull_payloads(Type.VENDOR_ID, bytes.fromhex("00800008aabbccdd")).payloads == (VendorId(plain[4:]),)


def test_the_number_of_payloads_and_transforms_is_bounded() -> None:
    _, data = push_payloads([NONCE] * (MAX_PAYLOADS + 1))
    with pytest.raises(InvalidSyntax):
        pull_payloads(Type.NONCE, data)
    message = push_message(HEADER, [NONCE] * (MAX_PAYLOADS + 1))
    for read in (pull_message, find_encrypted):
        with pytest.raises(InvalidSyntax, match="payloads"):
            read(pull_header(message), message)
    transform = bytes.fromhex("0300000801000001")
    proposal = bytes((1, 0)) + transform * 254 + bytes.fromhex("0000000801000001")
    octets = b"".join(
        bytes((2 if number < 6 else 0, 0))
        + (8 + 255 * 8).to_bytes(2, "big")
        + bytes((number, 1, 0, 255))
        + proposal[2:]
        for number in range(1, 7)
    )
    with pytest.raises(InvalidSyntax, match=str(MAX_TRANSFORMS)):
        pull_sa(Buffer(octets))


def test_a_transform_with_an_attribute_that_is_not_known_is_marked() -> None:
    """RFC 7296 section 3.3.6: such a transform must not be chosen, the others may be."""
    known = "0300000c" + "0100000c" + "800e0100"
    short = "0300000c" + "0100000c" + "80110001"
    long = "00000012" + "0100000c" + "800e0080" + "00120002" + "abcd"
    inside = bytes.fromhex(known + short + long)
    octets = bytes.fromhex("0000") + (8 + len(inside)).to_bytes(2, "big") + bytes.fromhex("01010003") + inside
    (proposal,) = pull_sa(Buffer(octets)).proposals
    assert proposal.transforms == (
        Transform(1, 12, 256),
        Transform(1, 12, None, unknown=True),
        Transform(1, 12, 128, unknown=True),
    )


def test_a_selector_of_an_unknown_type_is_counted_and_read_over() -> None:
    """TS_SECLABEL (RFC 9478) beside an address range."""
    octets = "00000021" + "02000000" + "0a000009" + "0102030405" + "07000010" + "00000000" + "0a0000010a000001"
    (selectors,) = pull_payloads(Type.TS_R, bytes.fromhex(octets)).payloads
    assert getattr(selectors, "unknown", None) == 1
    assert [str(each.start) for each in getattr(selectors, "selectors", ())] == ["10.0.0.1"]


def test_auth_finds_the_body_as_it_came() -> None:
    """RFC 7296 section 2.15: the identity's reserved octets are under AUTH though they mean nothing."""
    octets = bytes.fromhex("2400000c" + "02010203" + "77657374" + "0000000c" + "02000000" + "77657374")
    chain = pull_payloads(Type.ID_I, octets)
    assert chain.payloads == (Identification(True, 2, b"west"), Identification(False, 2, b"west"))
    assert chain.body_of(chain.payloads[0]) == octets[4:12]
    assert chain.body_of(chain.payloads[1]) == chain.payloads[1].body


def test_a_notify_as_it_is_written() -> None:
    """REKEY_SA of an ESP SPI (RFC 7296 section 3.10)."""
    _, octets = push_payloads([Notification(Notify.REKEY_SA, b"", 3, bytes.fromhex("c0ffee00"))])
    assert octets.hex() == "0000000c" + "03044009" + "c0ffee00"
