"""Draws the table of transitions for the documentation, in Mermaid's language."""

from __future__ import annotations

from seikan.ike.states import TRANSITIONS, Event, Role

_CHARTS = (
    ("Main mode", "MM"),
    ("Aggressive mode", "AM"),
    ("Quick mode", "QM"),
)
_ENDS = (Event.DELETE, Event.FAIL)


def chart(role: Role, exchange: str) -> str:
    """One state diagram: the way of `role` through the exchange whose messages begin with `exchange`."""
    lines = ["stateDiagram-v2"]
    for row in TRANSITIONS:
        of_exchange = exchange in row.event.value or (exchange == "QM" and row.event is Event.INBOUND_INSTALLED)
        if row.role is role and of_exchange and row.event not in _ENDS:
            lines.append(f"    {row.state.value} --> {row.next.value}: {row.event.value}")
    return "\n".join(lines)


def page() -> str:
    """The page `docs/ike-states.md`."""
    parts = [
        "# States of IKEv1",
        "Drawn from `src/seikan/ike/states.py` by `seikan.ike.diagram`; a test keeps both alike. "
        "Besides what is drawn, every phase 1 state can be deleted (DELETED) "
        "and every quick mode state can fail (QM_FAILED).",
    ]
    for title, exchange in _CHARTS:
        for role in Role:
            parts.append(f"## {title}, {role.value}\n```mermaid\n{chart(role, exchange)}\n```")
    return "\n\n".join(parts) + "\n"
