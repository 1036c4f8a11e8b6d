"""The one table of IKEv1's transitions; nothing changes a state but `advance`.

Phase 1 states are the words of IOS's `show crypto isakmp sa`; quick mode's are those of its debug.
A message is named by its number in the exchange (RFC 2409 sections 5.4, 5.5): MM1 to MM6, AM1 to AM3, QM1 to QM3.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar


class Role(Enum):
    INITIATOR = "initiator"
    RESPONDER = "responder"

    @property
    def letter(self) -> str:
        """As IOS marks it in its debug lines."""
        return self.value[0].upper()


class State(Enum):
    START = "START"
    MM_NO_STATE = "MM_NO_STATE"
    MM_SA_SETUP = "MM_SA_SETUP"
    MM_KEY_EXCH = "MM_KEY_EXCH"
    AG_NO_STATE = "AG_NO_STATE"
    AG_INIT_EXCH = "AG_INIT_EXCH"
    QM_IDLE = "QM_IDLE"
    DELETED = "DELETED"
    QM_START = "QM_START"
    QM_I_QM1 = "QM_I_QM1"
    QM_SPI_STARVE = "QM_SPI_STARVE"
    QM_R_QM2 = "QM_R_QM2"
    QM_PHASE2_COMPLETE = "QM_PHASE2_COMPLETE"
    QM_FAILED = "QM_FAILED"


class Event(Enum):
    SEND_MM1 = "send MM1"
    RECEIVE_MM1 = "receive MM1, send MM2"
    RECEIVE_MM2 = "receive MM2, send MM3"
    RECEIVE_MM3 = "receive MM3, send MM4"
    RECEIVE_MM4 = "receive MM4, send MM5"
    RECEIVE_MM5 = "receive MM5, send MM6"
    RECEIVE_MM6 = "receive MM6"
    SEND_AM1 = "send AM1"
    RECEIVE_AM1 = "receive AM1, send AM2"
    RECEIVE_AM2 = "receive AM2, send AM3"
    RECEIVE_AM3 = "receive AM3"
    DELETE = "delete"
    SEND_QM1 = "send QM1"
    RECEIVE_QM1 = "receive QM1, install inbound"
    RECEIVE_QM2 = "receive QM2, install inbound"
    INBOUND_INSTALLED = "inbound installed, send the next message"
    RECEIVE_QM3 = "receive QM3, install outbound"
    FAIL = "fail"


S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)


@dataclass(frozen=True, slots=True)
class Transition(Generic[S, E]):
    """A row of the table of either version, with its own states and events."""

    role: Role
    state: S
    event: E
    next: S


_I, _R = Role.INITIATOR, Role.RESPONDER

_FORWARD = (
    Transition(_I, State.START, Event.SEND_MM1, State.MM_NO_STATE),
    Transition(_I, State.MM_NO_STATE, Event.RECEIVE_MM2, State.MM_SA_SETUP),
    Transition(_I, State.MM_SA_SETUP, Event.RECEIVE_MM4, State.MM_KEY_EXCH),
    Transition(_I, State.MM_KEY_EXCH, Event.RECEIVE_MM6, State.QM_IDLE),
    Transition(_R, State.START, Event.RECEIVE_MM1, State.MM_SA_SETUP),
    Transition(_R, State.MM_SA_SETUP, Event.RECEIVE_MM3, State.MM_KEY_EXCH),
    Transition(_R, State.MM_KEY_EXCH, Event.RECEIVE_MM5, State.QM_IDLE),
    Transition(_I, State.START, Event.SEND_AM1, State.AG_NO_STATE),
    Transition(_I, State.AG_NO_STATE, Event.RECEIVE_AM2, State.QM_IDLE),
    Transition(_R, State.START, Event.RECEIVE_AM1, State.AG_INIT_EXCH),
    Transition(_R, State.AG_INIT_EXCH, Event.RECEIVE_AM3, State.QM_IDLE),
    Transition(_I, State.QM_START, Event.SEND_QM1, State.QM_I_QM1),
    Transition(_I, State.QM_I_QM1, Event.RECEIVE_QM2, State.QM_SPI_STARVE),
    Transition(_I, State.QM_SPI_STARVE, Event.INBOUND_INSTALLED, State.QM_PHASE2_COMPLETE),
    Transition(_R, State.QM_START, Event.RECEIVE_QM1, State.QM_SPI_STARVE),
    Transition(_R, State.QM_SPI_STARVE, Event.INBOUND_INSTALLED, State.QM_R_QM2),
    Transition(_R, State.QM_R_QM2, Event.RECEIVE_QM3, State.QM_PHASE2_COMPLETE),
)
_QUICK_STATES = (State.QM_START, State.QM_I_QM1, State.QM_SPI_STARVE, State.QM_R_QM2, State.QM_PHASE2_COMPLETE)
_PHASE1_STATES = tuple(state for state in State if state not in (*_QUICK_STATES, State.QM_FAILED, State.DELETED))

TRANSITIONS: tuple[Transition[State, Event], ...] = (
    *_FORWARD,
    *(Transition(role, state, Event.DELETE, State.DELETED) for role in Role for state in _PHASE1_STATES),
    *(Transition(role, state, Event.FAIL, State.QM_FAILED) for role in Role for state in _QUICK_STATES),
)
_RECEIVED = {(row.role, row.state): row.event for row in _FORWARD if row.event.name.startswith("RECEIVE")}


class InvalidTransition(Exception):
    """The engine asked for a transition that the table does not have: a fault of ours, never of the peer's."""


class Table(Generic[S, E]):
    def __init__(self, rows: Iterable[Transition[S, E]]) -> None:
        self._next = {(row.role, row.state, row.event): row.next for row in rows}

    def advance(self, role: Role, state: S, event: E) -> S:
        """The state after `event`; raises `InvalidTransition` where the table has none."""
        try:
            return self._next[role, state, event]
        except KeyError:
            raise InvalidTransition(f"{role.value} in {state.value}: {event.value}") from None


advance = Table(TRANSITIONS).advance


def expected_message(role: Role, state: State) -> Event | None:
    """The message that `role` waits for in `state`; None where it waits for none."""
    return _RECEIVED.get((role, state))
