"""Sealing and opening protected messages (RFC 7296 section 3.14, RFC 7383), and the fragments that they come in."""

from __future__ import annotations

from collections.abc import Sequence

from seikan.crypto import ikev2_protect
from seikan.ike.core import Core
from seikan.ike.v2.sa import Assembly, Ikev2Sa
from seikan.wire.v2.constants import FLAG_INITIATOR, FLAG_RESPONSE, Exchange
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.header import HEADER_OCTETS, Header
from seikan.wire.v2.message import Encrypted, push_payloads, push_prefix
from seikan.wire.v2.payloads import Payload

IPV4_HEADER, IPV6_HEADER, UDP_HEADER, NON_ESP_MARKER = 20, 40, 8, 4
MAX_FRAGMENTS = 128
LEAST_PIECE = 95  # octets of payloads in one fragment, whatever is configured: a whole message has to go into 128
MAX_ASSEMBLIES = 8  # messages of one IKE SA in pieces; whoever sends them is authenticated
MAX_OCTETS = 65535
_SK_OCTETS, _SKF_OCTETS = 4, 8
_EXCHANGES: dict[int, str] = {row.value: row.name for row in Exchange}


class NoKeys(Exception):
    """A message is to be protected before there are keys: a fault of ours."""


def exchange_name(number: int) -> str:
    """The RFC's word for an exchange, or its number."""
    return _EXCHANGES.get(number) or f"exchange {number}"


def header_of(sa: Ikev2Sa, exchange: int, message_id: int, *, response: bool) -> Header:
    """The header of a message that this side sends; next payload and length are worked out on sending."""
    flags = (FLAG_INITIATOR if sa.initiator else 0) | (FLAG_RESPONSE if response else 0)
    return Header(sa.spi_i, sa.spi_r, 0, exchange, flags, message_id, 0)


def _iv(core: Core, sa: Ikev2Sa) -> bytes:
    """Of an AEAD a counter, which no key sees twice; of a CBC cipher unforeseeable octets."""
    if sa.keys is None:
        raise NoKeys(sa.label)
    row = sa.keys.encryption
    if not row.aead:
        return core.random(row.iv)
    sa.counter += 1
    return sa.counter.to_bytes(row.iv, "big")


def _sealed(
    core: Core, sa: Ikev2Sa, header: Header, inner: int, plaintext: bytes, fragment: int = 0, total: int = 0
) -> bytes:
    if sa.keys is None:
        raise NoKeys(sa.label)
    octets = ikev2_protect.sealed_octets(sa.keys, len(plaintext))
    prefix = push_prefix(header, inner, octets, fragment=fragment, total=total)
    return prefix + ikev2_protect.seal(sa.keys, sa.initiator, prefix, plaintext, _iv(core, sa))


def seal(core: Core, sa: Ikev2Sa, header: Header, payloads: Sequence[Payload]) -> list[bytes]:
    """The message, in fragments where it is longer than configured and the peer can put them together."""
    if sa.keys is None:
        raise NoKeys(sa.label)
    first, plaintext = push_payloads(payloads)
    limit = core.settings.ikev2.fragmentation
    outside = (IPV4_HEADER if sa.path.local.version == 4 else IPV6_HEADER) + UDP_HEADER + NON_ESP_MARKER
    whole = HEADER_OCTETS + _SK_OCTETS + ikev2_protect.sealed_octets(sa.keys, len(plaintext))
    if not sa.fragmentation or not limit or whole + outside <= limit:
        return [_sealed(core, sa, header, first, plaintext)]
    room = ikev2_protect.largest_plaintext(sa.keys, limit - outside - HEADER_OCTETS - _SKF_OCTETS)
    room = max(room, LEAST_PIECE)
    pieces = [plaintext[start : start + room] for start in range(0, len(plaintext), room)]
    core.counters["ikev2_fragments_sent"] += len(pieces)
    return [
        _sealed(core, sa, header, first if number == 1 else 0, piece, number, len(pieces))
        for number, piece in enumerate(pieces, 1)
    ]


def open_encrypted(core: Core, sa: Ikev2Sa, header: Header, data: bytes, encrypted: Encrypted) -> bytes:
    """What an Encrypted payload or fragment holds. Raises `IntegrityError`."""
    if sa.keys is None:
        raise NoKeys(sa.label)
    return ikev2_protect.open(sa.keys, not sa.initiator, encrypted.aad(data), data[encrypted.start :])


def assemble(
    core: Core, sa: Ikev2Sa, header: Header, encrypted: Encrypted, plaintext: bytes, data: bytes
) -> tuple[int, bytes, bytes] | None:
    """Take one opened fragment, `data`: type of the first payload, the whole and the first fragment as it came, once
    all are there (RFC 7383 section 2.6).
    """
    if encrypted.total > MAX_FRAGMENTS:
        core.counters["ikev2_dropped_too_many_fragments"] += 1
        return None
    key = (header.response, header.message_id)
    found = sa.assemblies.get(key)
    if found is None or encrypted.total > found.total:
        # The peer tries with smaller ones.
        found = sa.assemblies[key] = Assembly(encrypted.total)
        if len(sa.assemblies) > MAX_ASSEMBLIES:
            core.counters["ikev2_dropped_assemblies"] += 1
            del sa.assemblies[next(iter(sa.assemblies))]
    elif encrypted.total < found.total or encrypted.fragment in found.pieces:
        core.counters["ikev2_dropped_fragments"] += 1
        return None
    core.counters["ikev2_fragments_received"] += 1
    found.pieces[encrypted.fragment] = plaintext
    if encrypted.fragment == 1:
        found.first, found.packet = encrypted.inner, data
    if sum(map(len, found.pieces.values())) > MAX_OCTETS:
        del sa.assemblies[key]
        raise InvalidSyntax("fragments of more than one message's size")
    if len(found.pieces) < found.total:
        return None
    del sa.assemblies[key]
    return found.first, b"".join(found.pieces[number] for number in range(1, found.total + 1)), found.packet
