"""Draws the tables of transitions for the documentation, in Mermaid's language."""

from __future__ import annotations

from collections.abc import Iterable

from seikan.ike import states as v1
from seikan.ike.states import E, Role, S, Transition
from seikan.ike.v2 import states as v2

_V1_CHARTS = (
    ("Main mode", "MM"),
    ("Aggressive mode", "AM"),
    ("Quick mode", "QM"),
)
_V2_CHARTS = (("IKE SA", False), ("Pair of child SAs", True))
_V1_ENDS = (v1.Event.DELETE, v1.Event.FAIL)
_V2_ENDS = (v2.Event.DELETE, v2.Event.FAIL)


def _draw(rows: Iterable[Transition[S, E]]) -> str:
    return "\n".join(
        ["stateDiagram-v2", *(f"    {row.state.value} --> {row.next.value}: {row.event.value}" for row in rows)]
    )


def chart(role: Role, exchange: str) -> str:
    """One state diagram of IKEv1: the way of `role` through the exchange whose messages begin with `exchange`."""

    def belongs(row: Transition[v1.State, v1.Event]) -> bool:
        of_exchange = exchange in row.event.value or (exchange == "QM" and row.event is v1.Event.INBOUND_INSTALLED)
        return row.role is role and of_exchange and row.event not in _V1_ENDS

    return _draw(row for row in v1.TRANSITIONS if belongs(row))


def ikev2_chart(role: Role, *, child: bool) -> str:
    """One state diagram of IKEv2: that of the IKE SA, or of a pair of child SAs."""
    return _draw(
        row
        for row in v2.TRANSITIONS
        if row.role is role and row.event not in _V2_ENDS and row.state.name.startswith("CHILD") is child
    )


def page() -> str:
    """The page `docs/ike-states.md`."""
    parts = [
        "# States of IKEv1",
        "Drawn from `src/seikan/ike/states.py` by `seikan.ike.diagram`; a test keeps both alike. "
        "Besides what is drawn, every phase 1 state can be deleted (DELETED) "
        "and every quick mode state can fail (QM_FAILED).",
    ]
    for title, exchange in _V1_CHARTS:
        for role in Role:
            parts.append(f"## {title}, {role.value}\n```mermaid\n{chart(role, exchange)}\n```")
    parts += [
        "# States of IKEv2",
        "Drawn from `src/seikan/ike/v2/states.py`. Besides what is drawn, every state of an IKE SA can be deleted "
        "(DELETED) and every state of a pair can fail (CHILD_FAILED).",
    ]
    for title, child in _V2_CHARTS:
        for role in Role:
            parts.append(f"## {title}, {role.value}\n```mermaid\n{ikev2_chart(role, child=child)}\n```")
    return "\n\n".join(parts) + "\n"
