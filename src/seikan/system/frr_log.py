"""What ospfd says of its neighbours, in the words of IOS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

_ADJACENCY = re.compile(
    r"AdjChg: Nbr (?P<router_id>[\d.]+).*? on (?P<interface>[^\s:]+)(?::[\d.]*)?: "
    r"(?P<old>[\w-]+) -> (?P<new>[\w-]+) \((?P<event>\w+)\)"
)
_MTU = re.compile(
    r"Neighbor (?P<router_id>[\d.]+) MTU (?P<theirs>\d+) is larger than "
    r"\[(?P<interface>[^\]:]+)[^\]]*\]'s MTU (?P<ours>\d+)"
)
# FRR's names of neighbour states and events (RFC 2328 section 10.1 and 10.2) to the words of IOS.
_STATES = {
    "Deleted": "DOWN",
    "Down": "DOWN",
    "Attempt": "ATTEMPT",
    "Init": "INIT",
    "2-Way": "2WAY",
    "ExStart": "EXSTART",
    "Exchange": "EXCHANGE",
    "Loading": "LOADING",
    "Full": "FULL",
}
_EVENTS = {
    "HelloReceived": "Received Hello",
    "PacketReceived": "Received Hello",
    "Start": "Start",
    "2-WayReceived": "2-Way Received",
    "TwoWayReceived": "2-Way Received",
    "NegotiationDone": "Negotiation Done",
    "ExchangeDone": "Exchange Done",
    "LoadingDone": "Loading Done",
    "BadLSReq": "Bad LS Request",
    "SeqNumberMismatch": "Sequence Number Mismatch",
    "OneWayReceived": "1-Way",
    "1-WayReceived": "1-Way",
    "AdjOK?": "AdjOK?",
    "InactivityTimer": "Neighbor Down: Dead timer expired",
    "KillNbr": "Neighbor Down: Interface down or detached",
    "LLDown": "Neighbor Down: Interface down or detached",
}


@dataclass(frozen=True, slots=True)
class AdjacencyChange:
    """One step of a neighbour's state: `Process P, Nbr R on I from OLD to NEW, REASON`.

    `interface` is the configuration's name. `significant` steps are those that IOS logs without `detail`.
    """

    process: int
    router_id: IPv4Address
    interface: str
    old_state: str
    new_state: str
    reason: str

    @property
    def significant(self) -> bool:
        return self.new_state == "FULL" or (self.new_state == "DOWN" and self.old_state != "DOWN")

    def __str__(self) -> str:
        return (
            f"Process {self.process}, Nbr {self.router_id} on {self.interface} "
            f"from {self.old_state} to {self.new_state}, {self.reason}"
        )


def ios_state(word: str) -> str:
    """FRR's name of a neighbour state as IOS writes it: `Full` is `FULL`, `2-Way` is `2WAY`."""
    return _STATES.get(word, word.upper())


def parse_adjacency(line: str, process: int, ios_names: Mapping[str, str]) -> tuple[AdjacencyChange, ...]:
    """A line of ospfd's log; empty where it tells something else. `ios_names` maps Linux names back.

    With nothing to load FRR goes from EXCHANGE to FULL at once, where IOS always passes through LOADING.
    """
    match = _ADJACENCY.search(line)
    if match is None:
        return ()
    router_id = IPv4Address(match["router_id"])
    interface = ios_names.get(match["interface"], match["interface"])
    old, new = ios_state(match["old"]), ios_state(match["new"])
    reason = _EVENTS.get(match["event"], match["event"])

    def change(old: str, new: str, reason: str) -> AdjacencyChange:
        return AdjacencyChange(process, router_id, interface, old, new, reason)

    if (old, new) == ("EXCHANGE", "FULL"):
        return change(old, "LOADING", _EVENTS["ExchangeDone"]), change("LOADING", new, _EVENTS["LoadingDone"])
    return (change(old, new, reason),)


def parse_mtu_mismatch(line: str, ios_names: Mapping[str, str]) -> str | None:
    """One line for the operator where ospfd refuses a neighbour for its MTU (RFC 2328 section 10.6), else None."""
    match = _MTU.search(line)
    if match is None:
        return None
    interface = ios_names.get(match["interface"], match["interface"])
    return (
        f"OSPF neighbor {match['router_id']} on {interface} has an MTU of {match['theirs']}, larger than "
        f"{match['ours']} here: the adjacency stays in EXSTART until both are the same"
    )
