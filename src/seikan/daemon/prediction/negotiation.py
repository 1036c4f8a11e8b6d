"""Both directions of a negotiation between two addresses, by the version of IKE that each side has for the other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from seikan.daemon.prediction.ikev1 import IsakmpExchange
from seikan.daemon.prediction.ikev2 import Ikev2Exchange, flows_of
from seikan.daemon.prediction.stages import FlowVerdict, Negotiation, Phase1, Phase2, Stage
from seikan.ike.effects import Address
from seikan.ike.settings import EngineSettings, FlowSettings
from seikan.ike.status import Mismatch
from seikan.ike.v2.proposals import usable_sets

Exchange = IsakmpExchange | Ikev2Exchange

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def version_of(settings: EngineSettings, local: Address, remote: Address) -> int | None:
    """Of IKE, by which a side negotiates with a peer that it names; None where it names none."""
    rows = [row.version for row in settings.tunnels if (row.local, row.remote) == (local, remote)]
    return rows[0] if rows else None


def negotiate(
    here: EngineSettings, there: EngineSettings, local: Address, remote: Address, now: datetime = _EPOCH
) -> Negotiation:
    """What comes of it when both sides begin all that they would begin, traffic for every flow being there.

    `now` is the time by which certificates are judged.
    """
    versions = (version_of(here, local, remote), version_of(there, remote, local))
    exchanges = [
        _exchange(versions[0] or versions[1], here, there, local, remote, now),
        _exchange(versions[1] or versions[0], there, here, remote, local, now),
    ]
    flows = [flows_of(exchange.tunnel) for exchange in exchanges]
    begins = [any(flow.initiate for flow in own) for own in flows]
    if None not in versions and versions[0] != versions[1]:
        words = (f"IKEv{versions[0]}", f"IKEv{versions[1]}")
        phases: list[Phase1 | None] = [
            _versions_differ(words) if begins[0] else None,
            _versions_differ(words[::-1]) if begins[1] else None,
        ]
        return Negotiation(phases[0], phases[1], _none_up(flows[0]), _none_up(flows[1]))
    phases = [exchange.phase1() if begin else None for exchange, begin in zip(exchanges, begins, strict=True)]
    up = any(phase is not None and phase.up for phase in phases)
    found = [_pairs(exchange, own) for exchange, own in zip(exchanges, flows, strict=True)]
    verdicts = []
    for side, words in ((0, ("here", "there")), (1, ("there", "here"))):
        rows = []
        for flow in flows[side]:
            mine = found[side].get(flow)
            by = [words[0]] if up and mine is not None and mine.up else []
            if up and any(phase.up and phase.answered == flow for phase in found[1 - side].values()):
                by.append(words[1])
            rows.append(FlowVerdict(flow, mine, tuple(by)))
        verdicts.append(tuple(rows))
    return Negotiation(phases[0], phases[1], verdicts[0], verdicts[1])


def _exchange(
    version: int | None,
    initiator: EngineSettings,
    responder: EngineSettings,
    local: Address,
    remote: Address,
    now: datetime,
) -> Exchange:
    if version == 2:
        return Ikev2Exchange(initiator, responder, local, remote, now)
    return IsakmpExchange(initiator, responder, local, remote)


def _versions_differ(words: Sequence[str]) -> Phase1:
    row = Mismatch("ike version", *words)
    return Phase1((Stage("ike version", "", (row,), "the ends negotiate by different versions of IKE"),))


def _none_up(flows: tuple[FlowSettings, ...]) -> tuple[FlowVerdict, ...]:
    return tuple(FlowVerdict(flow, None, ()) for flow in flows)


def _pairs(exchange: Exchange, flows: tuple[FlowSettings, ...]) -> dict[FlowSettings, Phase2]:
    """What becomes of each flow that a side begins."""
    own = [flow for flow in flows if flow.initiate]
    if isinstance(exchange, IsakmpExchange):
        return {flow: exchange.phase2(flow) for flow in own}
    first = next((flow for flow in own if usable_sets(flow.phase_two.transform_sets)), None)
    return {flow: exchange.phase2(flow, first=flow is first) for flow in own}
