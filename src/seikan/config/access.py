"""Access lists as rules: what each line says, for those who enforce it (filters, translation, crypto maps)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

ANY_PORT = ((0, 65535),)
_NOTHING = IPv4Address(0)
_EVERYTHING = IPv4Address(0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Hosts:
    """Addresses as IOS writes them: a bit set in `wildcard` is not compared; it need not be contiguous."""

    address: IPv4Address = _NOTHING
    wildcard: IPv4Address = _EVERYTHING


ANY_HOST = Hosts()


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an access list. A standard list's line compares the source alone.

    `protocol` is the IP number, None for all of IP; ports are inclusive ranges, any of which may hold. `icmp` is a
    type, or type and code. What cannot be told from one packet here (`time-range`, `reflect`, object groups) is in
    `unsupported`, as typed: whoever enforces the list must refuse it by that name.
    """

    sequence: int
    permit: bool
    protocol: int | None = None
    source: Hosts = ANY_HOST
    source_ports: tuple[tuple[int, int], ...] = ANY_PORT
    destination: Hosts = ANY_HOST
    destination_ports: tuple[tuple[int, int], ...] = ANY_PORT
    icmp: tuple[int, int | None] | None = None
    established: bool = False
    flags: tuple[str, ...] = ()  # TCP flags, each of which must be set
    fragments: bool = False
    dscp: int | None = None
    log: bool = False
    unsupported: tuple[str, ...] = ()
