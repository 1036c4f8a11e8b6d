"""Which flow a peer of IKEv2 means by its traffic selectors, and how they are told between two hosts behind a NAT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from seikan.ike.effects import Address
from seikan.ike.sa import Flow
from seikan.ike.v2.sa import Ikev2Sa
from seikan.ike.v2.selectors import answer
from seikan.wire.selector import Selector
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import TrafficSelector, TrafficSelectors

_Pair = tuple[TrafficSelectors, TrafficSelectors]


def selectors_of(chain: Chain) -> _Pair:
    """TSi and TSr, or `InvalidSyntax`."""
    found = [payload for payload in chain.payloads if isinstance(payload, TrafficSelectors)]
    if len(found) != 2 or not found[0].initiator or found[1].initiator:
        raise InvalidSyntax("TSi and TSr are not there, in this order")
    return found[0], found[1]


def fit(rows: Sequence[Selector], own: Sequence[Selector], asked: Sequence[Selector]) -> int:
    """How well a flow suits: what was asked for is just its own, or all within it, or more than it."""
    if rows[0] == own[0] and asked and asked[0] == own[0]:
        return 2
    return 1 if asked and rows[0] == asked[0] else 0


def between_hosts(sa: Ikev2Sa, flow: Flow, tsi: TrafficSelectors, tsr: TrafficSelectors, *, initiator: bool) -> _Pair:
    """Behind a NAT a host has another address than it is seen at: this side's view of the ends holds (RFC 7296 section
    2.23.1).
    """
    if not flow.settings.transport:
        return tsi, tsr
    own = flow.settings.selector
    here, there = (tsi, tsr) if initiator else (tsr, tsi)
    if sa.nat_local:
        here = _substitute(here, own.local.network_address)
    if sa.nat_remote:
        there = _substitute(there, own.remote.network_address)
    return (here, there) if initiator else (there, here)


def _substitute(payload: TrafficSelectors, address: Address) -> TrafficSelectors:
    def one_host(row: TrafficSelector) -> TrafficSelector:
        same_version = address.version == row.start.version
        return replace(row, start=address, end=address) if row.start == row.end and same_version else row

    return replace(payload, selectors=tuple(one_host(row) for row in payload.selectors))


def answer_to(sa: Ikev2Sa, flow: Flow, chain: Chain, rows: tuple[Selector, ...]) -> _Pair:
    """What a responder sends back: between hosts behind a NAT the peer's own words."""
    return selectors_of(chain) if flow.settings.transport and sa.nat else answer(rows)
