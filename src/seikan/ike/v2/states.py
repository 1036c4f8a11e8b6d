"""The one table of IKEv2's transitions; nothing changes a state but `advance`.

An IKE SA is made by IKE_SA_INIT and IKE_AUTH (RFC 7296 section 1.2) or by a rekeying under another (section 1.3.2); a
pair of child SAs by IKE_AUTH or CREATE_CHILD_SA. Names of states follow IOS's debug.
"""

from __future__ import annotations

from enum import Enum

from seikan.ike.states import Role, Table, Transition


class State(Enum):
    IDLE = "IDLE"
    I_WAIT_INIT = "I_WAIT_INIT"
    I_WAIT_AUTH = "I_WAIT_AUTH"
    R_WAIT_AUTH = "R_WAIT_AUTH"
    READY = "READY"
    DELETED = "DELETED"
    CHILD_IDLE = "CHILD_IDLE"
    CHILD_I_WAIT = "CHILD_I_WAIT"
    CHILD_INSTALLING = "CHILD_INSTALLING"
    CHILD_READY = "CHILD_READY"
    CHILD_FAILED = "CHILD_FAILED"


class Event(Enum):
    SEND_INIT = "send IKE_SA_INIT"
    ASKED_AGAIN = "receive COOKIE or INVALID_KE_PAYLOAD, send IKE_SA_INIT again"
    RECEIVE_INIT_RESPONSE = "receive IKE_SA_INIT response, send IKE_AUTH"
    RECEIVE_AUTH_RESPONSE = "receive IKE_AUTH response"
    INTERMEDIATE = "IKE_INTERMEDIATE exchanged"
    RECEIVE_INIT = "receive IKE_SA_INIT, send its response"
    RECEIVE_AUTH = "receive IKE_AUTH, send its response"
    REKEYED = "made by CREATE_CHILD_SA"
    DELETE = "delete"
    SEND_CHILD = "send the request for a pair"
    RECEIVE_CHILD_RESPONSE = "receive the response, install inbound"
    RECEIVE_CHILD = "receive the request, install inbound"
    INBOUND_INSTALLED = "inbound installed, responder answers"
    FAIL = "fail"


_I, _R = Role.INITIATOR, Role.RESPONDER

_FORWARD = (
    Transition(_I, State.IDLE, Event.SEND_INIT, State.I_WAIT_INIT),
    Transition(_I, State.I_WAIT_INIT, Event.ASKED_AGAIN, State.I_WAIT_INIT),
    Transition(_I, State.I_WAIT_INIT, Event.RECEIVE_INIT_RESPONSE, State.I_WAIT_AUTH),
    Transition(_I, State.I_WAIT_AUTH, Event.INTERMEDIATE, State.I_WAIT_AUTH),
    Transition(_I, State.I_WAIT_AUTH, Event.RECEIVE_AUTH_RESPONSE, State.READY),
    Transition(_I, State.IDLE, Event.REKEYED, State.READY),
    Transition(_R, State.IDLE, Event.RECEIVE_INIT, State.R_WAIT_AUTH),
    Transition(_R, State.R_WAIT_AUTH, Event.INTERMEDIATE, State.R_WAIT_AUTH),
    Transition(_R, State.R_WAIT_AUTH, Event.RECEIVE_AUTH, State.READY),
    Transition(_R, State.IDLE, Event.REKEYED, State.READY),
    Transition(_I, State.CHILD_IDLE, Event.SEND_CHILD, State.CHILD_I_WAIT),
    Transition(_I, State.CHILD_I_WAIT, Event.RECEIVE_CHILD_RESPONSE, State.CHILD_INSTALLING),
    Transition(_I, State.CHILD_INSTALLING, Event.INBOUND_INSTALLED, State.CHILD_READY),
    Transition(_R, State.CHILD_IDLE, Event.RECEIVE_CHILD, State.CHILD_INSTALLING),
    Transition(_R, State.CHILD_INSTALLING, Event.INBOUND_INSTALLED, State.CHILD_READY),
)
_IKE_STATES = (State.IDLE, State.I_WAIT_INIT, State.I_WAIT_AUTH, State.R_WAIT_AUTH, State.READY)
_CHILD_STATES = (State.CHILD_IDLE, State.CHILD_I_WAIT, State.CHILD_INSTALLING)

TRANSITIONS: tuple[Transition[State, Event], ...] = (
    *_FORWARD,
    *(Transition(role, state, Event.DELETE, State.DELETED) for role in Role for state in _IKE_STATES),
    *(Transition(role, state, Event.FAIL, State.CHILD_FAILED) for role in Role for state in _CHILD_STATES),
)

advance = Table(TRANSITIONS).advance
