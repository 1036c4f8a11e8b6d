"""Traffic selectors of IKEv2: what is asked for, and how an answer or a question is narrowed (RFC 7296 section 2.9).

A selector here has networks and one port or all of them, one on the wire has ranges. What of a range makes no network
is cut into the largest networks inside it; ranges of ports but all of them are not accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, summarize_address_range

from seikan.ike.selectors import describe
from seikan.ike.status import Mismatch
from seikan.wire.selector import ANY_IPV4, ANY_IPV6, Network, Selector
from seikan.wire.v2.payloads import TrafficSelector, TrafficSelectors

MOST_MEMBERS = 16  # of a peer's payload that are looked at
MOST_BLOCKS = 4  # networks that one range is cut into
MOST_SELECTORS = 16  # of one pair of SAs
_LAST_PORT = 65535

Side = tuple[Network, int, int]  # addresses, protocol and port of one side of a selector


def _local(row: Selector) -> Side:
    return row.local, row.protocol, row.local_port


def _remote(row: Selector) -> Side:
    return row.remote, row.protocol, row.remote_port


def _member(side: Side) -> TrafficSelector:
    network, protocol, port = side
    ports = (port, port) if port else (0, _LAST_PORT)
    return TrafficSelector(protocol, *ports, network.network_address, network.broadcast_address)


def _payload(sides: Iterable[Side], *, initiator: bool) -> TrafficSelectors:
    return TrafficSelectors(initiator, tuple(_member(side) for side in dict.fromkeys(sides)))


def offer(selectors: Sequence[Selector]) -> tuple[TrafficSelectors, TrafficSelectors]:
    """TSi and TSr of an exchange in which this side is the initiator."""
    return (
        _payload(map(_local, selectors), initiator=True),
        _payload(map(_remote, selectors), initiator=False),
    )


def answer(selectors: Sequence[Selector]) -> tuple[TrafficSelectors, TrafficSelectors]:
    """TSi and TSr of an exchange in which this side is the responder, of what `narrow` returned."""
    return (
        _payload(map(_remote, selectors), initiator=True),
        _payload(map(_local, selectors), initiator=False),
    )


def _networks(first: int, last: int, version: int) -> tuple[Network, ...]:
    """The largest networks inside a range, at most MOST_BLOCKS of them, in order of their addresses."""
    blocks: list[Network]
    if version == 4:
        blocks = list(summarize_address_range(IPv4Address(first), IPv4Address(last)))
    else:
        blocks = list(summarize_address_range(IPv6Address(first), IPv6Address(last)))
    largest = sorted(blocks, key=lambda network: network.prefixlen)[:MOST_BLOCKS]
    return tuple(sorted(largest, key=lambda network: int(network.network_address)))


def _common(side: Side, member: TrafficSelector) -> tuple[Side, ...]:
    """What is traffic of a side and of a selector from the wire."""
    network, protocol, port = side
    if network.version != member.start.version or not (protocol == 0 or member.protocol in (0, protocol)):
        return ()
    first = max(int(network.network_address), int(member.start))
    last = min(int(network.broadcast_address), int(member.end))
    if first > last:
        return ()
    if (member.start_port, member.end_port) != (0, _LAST_PORT):
        if port and not member.start_port <= port <= member.end_port:
            return ()
        if not port:
            if member.start_port != member.end_port or not member.start_port:
                return ()
            port = member.start_port
    return tuple((block, protocol or member.protocol, port) for block in _networks(first, last, network.version))


def _combined(here: Side, there: Side) -> Selector | None:
    """A selector of two sides, where they have a protocol in common."""
    (local, protocol, local_port), (remote, other, remote_port) = here, there
    if local.version != remote.version or (protocol and other and protocol != other):
        return None
    both = protocol or other
    return Selector(local, remote, both, local_port, remote_port) if both or not (local_port or remote_port) else None


def _sides(
    tsi: TrafficSelectors, tsr: TrafficSelectors, *, initiator: bool
) -> tuple[tuple[TrafficSelector, ...], tuple[TrafficSelector, ...]]:
    """The members that are about this side and those about the peer."""
    here, there = (tsi, tsr) if initiator else (tsr, tsi)
    return here.selectors[:MOST_MEMBERS], there.selectors[:MOST_MEMBERS]


def _meeting(own: Selector, here: Sequence[TrafficSelector], there: Sequence[TrafficSelector]) -> Iterator[Selector]:
    """What of `own` was asked for, pair by pair."""
    locals_of = [side for member in here for side in _common(_local(own), member)]
    remotes_of = [side for member in there for side in _common(_remote(own), member)]
    for one in locals_of:
        for other in remotes_of:
            found = _combined(one, other)
            if found is not None:
                yield found


def _size(row: Selector) -> tuple[int, int, int]:
    """Smaller is wider."""
    return (
        row.local.prefixlen + row.remote.prefixlen,
        int(row.protocol > 0),
        (row.local_port > 0) + (row.remote_port > 0),
    )


def _covered(row: Selector, rows: Iterable[Selector]) -> bool:
    return any(one.contains(row) for one in rows)


def _rectangle(rows: Sequence[Selector], own: Sequence[Selector]) -> bool:
    """Whether every pair that the two payloads make of `rows` is traffic of `own`."""
    pairs = (_combined(_local(one), _remote(other)) for one in rows for other in rows)
    return all(pair is None or _covered(pair, own) for pair in pairs)


@lru_cache(maxsize=256)  # peers ask for the same again and again: everything, or the lines of an access list
def _respond(
    own: tuple[Selector, ...], here: tuple[TrafficSelector, ...], there: tuple[TrafficSelector, ...]
) -> tuple[Selector, ...]:
    """The largest part of `own` that was asked for, around the first selectors where these are part of it.

    The first selector of each payload is the packet that made the initiator ask, or as much of it as it tells (RFC
    7296 section 2.9): the answer has to include it where it can.
    """
    asked = dict.fromkeys(pair for row in own for pair in _meeting(row, here, there))
    first = next((pair for row in own for pair in _meeting(row, here[:1], there[:1])), None)
    order = sorted(asked, key=lambda row: (first is not None and not row.contains(first), _size(row)))
    found: list[Selector] = []
    for row in order:
        if len(found) < MOST_SELECTORS and not _covered(row, found) and _rectangle([*found, row], own):
            found.append(row)
    return tuple(found)


def _inside(member: TrafficSelector, side: Side) -> bool:
    network, protocol, port = side
    return (
        member.start.version == network.version
        and int(network.network_address) <= int(member.start) <= int(member.end) <= int(network.broadcast_address)
        and protocol in (0, member.protocol)
        and (not port or member.start_port == member.end_port == port)
    )


def narrow(
    own: Sequence[Selector], tsi: TrafficSelectors, tsr: TrafficSelectors, *, initiator: bool
) -> tuple[Selector, ...] | None:
    """What both sides want, the part around the initiator's first selectors first; None where there is nothing.

    As initiator it is the peer's answer, which must be within what `own` asked for.
    """
    here, there = _sides(tsi, tsr, initiator=initiator)
    if initiator and not (
        all(any(_inside(member, _local(row)) for row in own) for member in tsi.selectors)
        and all(any(_inside(member, _remote(row)) for row in own) for member in tsr.selectors)
    ):
        return None
    return _respond(tuple(own), here, there) or None


def read(tsi: TrafficSelectors, tsr: TrafficSelectors, *, initiator: bool) -> tuple[Selector, ...]:
    """All that the payloads ask for, as far as it can be said here: for a side that takes whatever comes."""
    here, there = _sides(tsi, tsr, initiator=initiator)
    return _respond((ANY_IPV4, ANY_IPV6), here, there)


def covers(rows: Sequence[Selector], tsi: TrafficSelectors, tsr: TrafficSelectors, *, initiator: bool) -> bool:
    """Whether nothing of the payloads is left out of `rows`, what `narrow` made of them."""
    here, there = (tsi, tsr) if initiator else (tsr, tsi)
    return all(any(_inside(one, _local(row)) for row in rows) for one in here.selectors) and all(
        any(_inside(one, _remote(row)) for row in rows) for one in there.selectors
    )


def _member_text(member: TrafficSelector) -> str:
    """As IOS prints an ident, address/mask/protocol/port, with ranges where there are some."""
    first, last = int(member.start), int(member.end)
    blocks = _networks(first, last, member.start.version) if first <= last else ()
    if len(blocks) == 1 and int(blocks[0].broadcast_address) == last and int(blocks[0].network_address) == first:
        addresses = f"{member.start}/{blocks[0].netmask}" if blocks[0].version == 4 else str(blocks[0])
    else:
        addresses = f"{member.start}-{member.end}"
    ports = {(0, _LAST_PORT): "0", (_LAST_PORT, 0): "opaque"}.get(
        (member.start_port, member.end_port), f"{member.start_port}-{member.end_port}"
    )
    return f"{addresses}/{member.protocol}/{ports.partition('-')[0] if member.start_port == member.end_port else ports}"


def text(payload: TrafficSelectors) -> str:
    """The selectors of one payload, for messages."""
    rows = [_member_text(member) for member in payload.selectors[:MOST_MEMBERS]]
    more = len(payload.selectors) - len(rows) + payload.unknown
    return ", ".join(rows) + (f" and {more} more" if rows and more else "") or f"{payload.unknown} of unknown types"


def explain(
    own: Sequence[Selector], tsi: TrafficSelectors, tsr: TrafficSelectors, *, initiator: bool
) -> tuple[Mismatch, ...]:
    """What this side protects and what the peer asks for, both as this side sees them."""
    here, there = (tsi, tsr) if initiator else (tsr, tsi)
    return (
        Mismatch(
            "ipsec traffic selectors",
            ", ".join(describe(row) for row in own) or "none",
            f"{text(here)} to {text(there)}",
        ),
    )
