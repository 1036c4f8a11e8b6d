"""Step 4, the proof: what the routers say, what really crosses, and what the provider could see."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from seikan.lab import capture
from seikan.lab.driver import Console
from seikan.lab.topology import LabError
from seikan.lab.wait import wait_until

INNER = (IPv4Address("1.1.1.1"), IPv4Address("3.3.3.3"))
PINGS = 20
_OUTSIDE = IPv4Address("198.51.100.1")
_OUTSIDE_PINGS = 2
_ALLOWED = frozenset({"ESP", "ISAKMP", "NAT keepalive", "ARP"})


@dataclass(frozen=True, slots=True)
class Counters:
    """One tunnel's `show crypto ipsec sa`: packets, and the SPIs now in use."""

    encapsulated: int
    decapsulated: int
    inbound_spi: int
    outbound_spi: int


def counters(lines: Sequence[str]) -> Counters:
    """Read `show crypto ipsec sa`; LabError where it shows no pair of SAs."""
    text = "\n".join(lines)
    encapsulated = re.search(r"#pkts encaps: (\d+)", text)
    decapsulated = re.search(r"#pkts decaps: (\d+)", text)
    inbound = re.search(r"inbound esp sas:\s+spi: 0x([0-9A-Fa-f]+)", text)
    outbound = re.search(r"outbound esp sas:\s+spi: 0x([0-9A-Fa-f]+)", text)
    if not (encapsulated and decapsulated and inbound and outbound):
        raise LabError("show crypto ipsec sa shows no pair of SAs")
    return Counters(int(encapsulated[1]), int(decapsulated[1]), int(inbound[1], 16), int(outbound[1], 16))


@dataclass(frozen=True, slots=True)
class Claim:
    """One line of the proof: what was to be shown, whether it was, and the figure that shows it."""

    what: str
    holds: bool
    shown: str


def prove(console: Console, wires: dict[str, Path], since: float) -> tuple[Claim, ...]:
    """Type step 4 at both routers and compare it with what the provider's wires carried.

    `wires` names the capture of each router's wire; `since` is the time (seconds since 1970) from
    which both ends were protected. LabError when a router does not answer.
    """
    claims: list[Claim] = []

    def claim(what: str, holds: object, shown: str) -> None:
        claims.append(Claim(what, bool(holds), shown))

    for router, peer in (("R1", "10.1.23.3"), ("R3", "10.1.12.1")):
        lines = _rows(console.type(router, "sh cry isa sa"), r"^\d+\.\d+\.\d+\.\d+\s")
        words = lines[0].split() if lines else []
        good = len(lines) == 1 and words[2:3] == ["QM_IDLE"] and words[4:5] == ["ACTIVE"] and int(words[3]) >= 1001
        claim(f"{router}: one ISAKMP SA with {peer}", good and peer in words[:2], " | ".join(lines) or "none")
    for router, neighbor in (("R1", "3.3.3.3"), ("R3", "1.1.1.1")):
        lines = _rows(console.type(router, "show ip ospf neighbor"), rf"^{re.escape(neighbor)}\s")
        claim(f"{router}: OSPF adjacency with {neighbor}", lines and "FULL" in lines[0], lines[0] if lines else "none")
        lines = _route(console, router, neighbor)
        claim(
            f"{router}: route to {neighbor} by OSPF through Tunnel0",
            lines and "Tunnel0" in lines[0],
            "".join(lines[:1]),
        )
        lines = _rows(console.type(router, "show ip interface brief"), r"^Tunnel0\s")
        claim(f"{router}: Tunnel0 up/up", lines and lines[0].split()[-2:] == ["up", "up"], "".join(lines[:1]))

    sent_before = _agreed(console, wires)
    answer = console.type("R1", f"ping 3.3.3.3 source lo0 repeat {PINGS}", limit=90)
    success = next((line for line in answer if line.startswith("Success rate")), "no answer")
    claim(f"ping 3.3.3.3 from 1.1.1.1, {PINGS} times", f"({PINGS}/{PINGS})" in success, success)
    sent_after = _agreed(console, wires)
    for router in ("R1", "R3"):
        before, after = sent_before[router], sent_after[router]
        grew = after.counters.encapsulated - before.counters.encapsulated
        seen = after.on_wire_out - before.on_wire_out
        same = after.exact and before.exact and before.counters.outbound_spi == after.counters.outbound_spi
        claim(
            f"{router}: counters grew by what crossed the wire",
            same and grew == seen and grew >= PINGS,
            f"encaps +{grew}, ESP on its wire +{seen} ({PINGS} pings, the rest OSPF); "
            f"decaps +{after.counters.decapsulated - before.counters.decapsulated}, "
            f"ESP to it +{after.on_wire_in - before.on_wire_in}",
        )
    everything = [packet for path in wires.values() for packet in capture.read(path)]
    packets = [packet for packet in everything if packet.time >= since]
    strangers = [packet for packet in packets if packet.kind not in _ALLOWED]
    # the negotiation came before both ends were protected
    negotiation = sum(packet.kind == "ISAKMP" for packet in everything)
    protected = negotiation and any(packet.kind == "ESP" for packet in packets)
    shown = f"ISAKMP {negotiation} in all; since both ends are protected {capture.summary(packets)}"
    claim("the provider saw ISAKMP and ESP only", protected and not strangers, shown)
    naming = capture.revealing(packets, INNER)
    claim("no inner address in any frame", not naming, f"{len(naming)} of {len(packets)} frames")
    crossed = _in_clear(console, wires["R3"])
    claim(
        f"R3: what is routed to the provider, to {_OUTSIDE}, goes in clear; nothing but routing decides",
        crossed == _OUTSIDE_PINGS,
        f"{crossed} of {_OUTSIDE_PINGS} echo requests seen on its wire",
    )
    return tuple(claims)


def _route(console: Console, router: str, neighbor: str) -> list[str]:
    # FULL is a moment before the shortest paths are computed: look again, as a user would.
    found: list[str] = []

    def look() -> bool:
        found[:] = _rows(console.type(router, "show ip route ospf"), rf"^O\s+{re.escape(neighbor)}")
        return bool(found)

    wait_until(look, 10.0, 0.5)
    return found


def _in_clear(console: Console, wire: Path) -> int:
    """Route a network past the tunnel, send to it, and count what stands readable on the wire."""
    console.type("R3", "conf t")
    console.type("R3", "ip route 198.51.100.0 255.255.255.0 10.1.23.2")
    console.type("R3", f"do ping {_OUTSIDE} repeat {_OUTSIDE_PINGS} timeout 1")
    console.type("R3", "no ip route 198.51.100.0 255.255.255.0 10.1.23.2")
    console.type("R3", "end")

    def seen() -> int:
        return sum(packet.kind == "ICMP" and packet.destination == _OUTSIDE for packet in capture.read(wire))

    wait_until(lambda: seen() >= _OUTSIDE_PINGS, 3.0)
    return seen()


@dataclass(frozen=True, slots=True)
class _Reading:
    counters: Counters
    on_wire_out: int
    on_wire_in: int

    @property
    def exact(self) -> bool:
        return self.counters.encapsulated == self.on_wire_out and self.counters.decapsulated == self.on_wire_in


def _agreed(console: Console, wires: dict[str, Path]) -> dict[str, _Reading]:
    # A hello may cross between asking the router and reading the capture: ask again until both agree.
    readings: dict[str, _Reading] = {}

    def agree() -> bool:
        for router, wire in wires.items():
            shown = counters(console.type(router, "sh cry ipsec sa"))
            spis = [packet.spi for packet in capture.read(wire) if packet.kind == "ESP"]
            readings[router] = _Reading(shown, spis.count(shown.outbound_spi), spis.count(shown.inbound_spi))
        return all(reading.exact for reading in readings.values())

    wait_until(agree, 5.0, 0.3)
    return readings


def _rows(lines: Sequence[str], pattern: str) -> list[str]:
    expression = re.compile(pattern)
    return [line.strip() for line in lines if expression.match(line)]


def print_claims(claims: Sequence[Claim], out: Callable[[str], None]) -> bool:
    """Print each with its verdict; True when all hold."""
    for each in claims:
        out(f"  {'ok  ' if each.holds else 'FAIL'}  {each.what}: {each.shown}")
    return all(each.holds for each in claims)
