"""IKE fragmentation as IOS, racoon and strongSwan do it: payload 132 in a message of its own for each piece.

Pieces carry the cookies and the exchange type of the whole; the whole is rebuilt before it is decrypted.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace

from seikan.ike.effects import Path
from seikan.wire.constants import PayloadType
from seikan.wire.errors import PayloadMalformed
from seikan.wire.header import HEADER_OCTETS, Header, pull_header
from seikan.wire.message import pull_chain, push_message
from seikan.wire.payloads import GENERIC_OCTETS, Fragment

MAX_ASSEMBLIES = 64
MAX_OCTETS = 65535
LIFETIME = 10.0  # seconds
_FRAGMENT_OCTETS = 4
MAX_PIECES = 255


def split(data: bytes, limit: int, identifier: int) -> list[bytes]:
    """Messages of at most `limit` octets that carry `data` between them; `identifier` tells wholes apart."""
    room = limit - HEADER_OCTETS - GENERIC_OCTETS - _FRAGMENT_OCTETS
    header = replace(pull_header(data), flags=0, message_id=0)
    pieces = [data[start : start + room] for start in range(0, len(data), room)]
    if len(pieces) > MAX_PIECES:
        raise ValueError(f"{len(data)} octets do not fit {MAX_PIECES} fragments of {limit}")
    return [
        push_message(header, [Fragment(identifier, number, number == len(pieces), piece)])
        for number, piece in enumerate(pieces, 1)
    ]


@dataclass(slots=True)
class _Assembly:
    since: float
    pieces: dict[int, bytes] = field(default_factory=dict)
    last: int | None = None


class Fragments:
    """Reassembly, bounded in number, octets and time; the oldest makes room."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[bytes, Path, int], _Assembly] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, header: Header, data: bytes, path: Path, now: float) -> bytes | None:
        """Take the fragment in `data`; the whole message once all its pieces are there. Raises `WireError`."""
        payloads = pull_chain(header.next_payload, data, HEADER_OCTETS).payloads
        if header.next_payload != PayloadType.FRAGMENT or len(payloads) != 1 or not isinstance(payloads[0], Fragment):
            raise PayloadMalformed("a fragment does not stand alone")
        piece = payloads[0]
        self.expire(now)
        key = (header.initiator_cookie, path, piece.id)
        assembly = self._open.get(key)
        if assembly is None:
            assembly = self._open[key] = _Assembly(now)
            if len(self._open) > MAX_ASSEMBLIES:
                self._open.popitem(last=False)
        assembly.pieces.setdefault(piece.number, piece.data)
        if piece.last:
            assembly.last = piece.number
        if sum(map(len, assembly.pieces.values())) > MAX_OCTETS:
            del self._open[key]
            raise PayloadMalformed("fragments of more than one message's size")
        if assembly.last is None or any(number not in assembly.pieces for number in range(1, assembly.last + 1)):
            return None
        del self._open[key]
        return b"".join(assembly.pieces[number] for number in range(1, assembly.last + 1))

    def expire(self, now: float) -> None:
        """Forget what was not completed in time."""
        while self._open:
            key, assembly = next(iter(self._open.items()))
            if now - assembly.since < LIFETIME:
                return
            del self._open[key]
