"""Captures made by others: every IKEv2 message is read, and what stands in clear is written back octet for octet."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from seikan.wire.v2.constants import Exchange
from seikan.wire.v2.constants import Payload as Type
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.header import HEADER_OCTETS, pull_header
from seikan.wire.v2.message import find_encrypted, pull_message, push_payloads
from seikan.wire.v2.payloads import KeyExchange, Nonce, SaPayload
from seikan.wire.v2.rules import check

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "vectors" / "pcap"
WHOLE = (
    "the-tcpdump-group+tcpdump/ikev2four.pcap",
    "the-tcpdump-group+tcpdump/ikev2pI2.pcap",
    "ukncsc+zeek-plugin-ikev2/ikev2.pcap",
)
ZERO_SPI = "the-tcpdump-group+tcpdump/ikev2-id-normal.pcap"
pytestmark = pytest.mark.skipif(not CORPUS.exists(), reason="the corpus of captures is not beside the repository")
_LINK_OCTETS = {0: 4, 1: 14}  # BSD loopback, Ethernet; bare IP has no header
_NON_ESP_MARKER = bytes(4)


def datagrams(name: str) -> Iterator[bytes]:
    """The IKE messages to or from ports 500 and 4500 of a capture of Ethernet, loopback or bare IP."""
    data = (CORPUS / name).read_bytes()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    (link,) = struct.unpack_from(f"{order}I", data, 20)
    position = 24
    while position < len(data):
        (length,) = struct.unpack_from(f"{order}I", data, position + 8)
        frame = data[position + 16 : position + 16 + length]
        position += 16 + length
        ip = frame[_LINK_OCTETS.get(link, 0) :]
        if ip[0] >> 4 != 4 or ip[9] != 17:
            continue
        udp = ip[(ip[0] & 15) * 4 :]
        ports = struct.unpack_from(">HH", udp)
        octets = udp[8 : struct.unpack_from(">H", udp, 4)[0]]
        if 500 in ports:
            yield octets
        elif 4500 in ports and octets.startswith(_NON_ESP_MARKER):
            yield octets[len(_NON_ESP_MARKER) :]


def uncritical(octets: bytes) -> bytes:
    """A chain of payloads with its critical bits off, as a sender is to write those that all know (section 2.5)."""
    found = bytearray(octets)
    position = 0
    while position < len(found):
        found[position + 1] &= 0x7F
        position += int.from_bytes(found[position + 2 : position + 4], "big")
    return bytes(found)


@pytest.mark.parametrize("name", WHOLE)
def test_messages_of_others_are_read_and_written_alike(name: str) -> None:
    kinds: set[type] = set()
    exchanges: Counter[int] = Counter()
    for data in datagrams(name):
        header = pull_header(data)
        exchanges[header.exchange] += 1
        chain, encrypted = pull_message(header, data)
        assert encrypted == find_encrypted(header, data)
        if encrypted is None:
            check(header.exchange, header.response, chain.payloads)
        last = 0 if encrypted is None else Type.SKF if encrypted.fragment else Type.SK
        first, octets = push_payloads(chain.payloads, last)
        assert first == header.next_payload
        assert octets == uncritical(data[HEADER_OCTETS : len(data) if encrypted is None else encrypted.header])
        kinds |= {type(payload) for payload in chain.payloads}
    assert {SaPayload, KeyExchange, Nonce} <= kinds
    assert exchanges[Exchange.IKE_SA_INIT]


def test_a_message_without_initiator_is_refused() -> None:
    """RFC 7296 section 3.1: the initiator's SPI must not be zero."""
    (data,) = datagrams(ZERO_SPI)
    with pytest.raises(InvalidSyntax, match="SPI is zero"):
        pull_header(data)
