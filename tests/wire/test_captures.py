"""Captures made by others: every ISAKMP message in clear is read, and written back octet for octet."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from seikan.wire.constants import ExchangeType
from seikan.wire.errors import WireError
from seikan.wire.header import HEADER_OCTETS, pull_header
from seikan.wire.message import pull_chain, push_chain
from seikan.wire.payloads import KeyExchange, Nonce, SaPayload

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "vectors" / "pcap"
WHOLE = (
    "corelight+zeek-spicy-ipsec/ipsec-ikev1-isakmp-main-mode.pcap",
    "corelight+zeek-spicy-ipsec/ipsec-ikev1-isakmp-aggressive-mode.pcap",
    "suricata/OISF+suricata-verify/ikev1-isakmp-main-mode.pcap",
    "the-tcpdump-group+tcpdump/ISAKMP_sa_setup.pcap",
)
BROKEN = (
    "corelight+zeek-spicy-ipsec/ipsec-ikev1-payload-bad-length.pcap",
    "corelight+zeek-spicy-ipsec/ipsec-ikev1-zero-length.pcap",
)
pytestmark = pytest.mark.skipif(not CORPUS.exists(), reason="the corpus of captures is not beside the repository")


def datagrams(name: str) -> Iterator[bytes]:
    """The UDP payloads to or from port 500 of a capture of Ethernet frames."""
    data = (CORPUS / name).read_bytes()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    position = 24
    while position < len(data):
        (length,) = struct.unpack_from(f"{order}I", data, position + 8)
        frame = data[position + 16 : position + 16 + length]
        position += 16 + length
        ip = frame[14:]
        udp = ip[(ip[0] & 15) * 4 :]
        if ip[9] == 17 and 500 in struct.unpack_from(">HH", udp):
            yield udp[8 : struct.unpack_from(">H", udp, 4)[0]]


@pytest.mark.parametrize("name", WHOLE)
def test_messages_of_others_are_read_and_written_alike(name: str) -> None:
    kinds: set[type] = set()
    exchanges = set()
    for data in datagrams(name):
        header = pull_header(data)
        exchanges.add(header.exchange)
        if header.encrypted:
            assert (len(data) - HEADER_OCTETS) % 8 == 0
            continue
        chain = pull_chain(header.next_payload, data, HEADER_OCTETS)
        kinds |= {type(payload) for payload in chain.payloads}
        first, octets = push_chain(chain.payloads)
        assert first == header.next_payload
        assert octets == data[HEADER_OCTETS:]
    assert {SaPayload, KeyExchange, Nonce} <= kinds
    assert exchanges & {ExchangeType.MAIN, ExchangeType.AGGRESSIVE}
    assert ExchangeType.QUICK in exchanges


@pytest.mark.parametrize("name", BROKEN)
def test_broken_messages_are_refused(name: str) -> None:
    (data,) = datagrams(name)
    with pytest.raises(WireError):
        pull_chain(pull_header(data).next_payload, data, HEADER_OCTETS)
