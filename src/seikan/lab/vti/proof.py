"""Step 4, the proof: what the routers say, what really crosses, and what the provider could see."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from ipaddress import IPv4Address

from seikan.lab import capture
from seikan.lab.proof import Claims, Counters, counters, isakmp_sas, rows, success_rate
from seikan.lab.session import Session
from seikan.lab.vti import script

_INNER = (IPv4Address("1.1.1.1"), IPv4Address("3.3.3.3"))
_PINGS = 20
_OUTSIDE = IPv4Address("198.51.100.1")
_OUTSIDE_PINGS = 2
_ALLOWED = frozenset({"ESP", "ISAKMP", "NAT keepalive", "ARP"})
_FIRST_CONN_ID = 1001
_ENDS = (("R1", "10.1.23.3", "3.3.3.3"), ("R3", "10.1.12.1", "1.1.1.1"))


def demonstrate(session: Session, claims: Claims) -> None:
    """Type the session at both routers, then prove that it does what it should."""
    session.perform(script.GRE)
    session.perform(script.IPSEC)
    since = time.time()
    session.heading("Step 4: proof")
    _prove_shows(session, claims)
    _prove_counters(session, claims)
    _prove_secrecy(session, claims, since)


def _prove_shows(session: Session, claims: Claims) -> None:
    for router, peer, _ in _ENDS:
        found = isakmp_sas(session.type(router, "sh cry isa sa"))
        good = len(found) == 1 and found[0].state == "QM_IDLE" and found[0].status == "ACTIVE"
        good = good and found[0].conn_id >= _FIRST_CONN_ID
        claims.add(
            f"{router}: one ISAKMP SA with {peer}",
            good and IPv4Address(peer) in (found[0].destination, found[0].source),
            " | ".join(map(str, found)) or "none",
            router,
        )
    for router, _, neighbor in _ENDS:
        lines = rows(session.type(router, "show ip ospf neighbor"), rf"^{re.escape(neighbor)}\s")
        claims.add(
            f"{router}: OSPF adjacency with {neighbor}",
            lines and "FULL" in lines[0],
            lines[0] if lines else "none",
            router,
        )
        lines = _route(session, router, neighbor)
        claims.add(
            f"{router}: route to {neighbor} by OSPF through Tunnel0",
            lines and "Tunnel0" in lines[0],
            "".join(lines[:1]),
            router,
        )
        lines = rows(session.type(router, "show ip interface brief"), r"^Tunnel0\s")
        claims.add(
            f"{router}: Tunnel0 up/up", lines and lines[0].split()[-2:] == ["up", "up"], "".join(lines[:1]), router
        )


def _prove_counters(session: Session, claims: Claims) -> None:
    """The counters grow by what crosses, and what is pinged crosses."""
    sent_before = _agreed(session)
    success = success_rate(session.type("R1", f"ping 3.3.3.3 source lo0 repeat {_PINGS}", limit=90))
    claims.add(f"ping 3.3.3.3 from 1.1.1.1, {_PINGS} times", f"({_PINGS}/{_PINGS})" in success, success, "R1", "R3")
    sent_after = _agreed(session)
    for router in ("R1", "R3"):
        before, after = sent_before[router], sent_after[router]
        grew = after.counters.encapsulated - before.counters.encapsulated
        seen = after.on_wire_out - before.on_wire_out
        same = after.exact and before.exact and before.counters.outbound_spi == after.counters.outbound_spi
        claims.add(
            f"{router}: counters grew by what crossed the wire",
            same and grew == seen and grew >= _PINGS,
            f"encaps +{grew}, ESP on its wire +{seen} ({_PINGS} pings, the rest OSPF); "
            f"decaps +{after.counters.decapsulated - before.counters.decapsulated}, "
            f"ESP to it +{after.on_wire_in - before.on_wire_in}",
            router,
        )


def _prove_secrecy(session: Session, claims: Claims, since: float) -> None:
    """What the provider saw since both ends are protected, and what goes past the tunnel because a route says so."""
    everything = [packet for router in session.wires for packet in session.seen(router)]
    packets = [packet for packet in everything if packet.time >= since]
    strangers = [packet for packet in packets if packet.kind not in _ALLOWED]
    # the negotiation came before both ends were protected
    negotiation = sum(packet.kind == "ISAKMP" for packet in everything)
    esp = any(packet.kind == "ESP" for packet in packets)
    shown = f"ISAKMP {negotiation} in all; since both ends are protected {capture.summary(packets)}"
    claims.add("the provider saw ISAKMP and ESP only", negotiation and esp and not strangers, shown, "R1", "R3")
    naming = capture.revealing(packets, _INNER)
    claims.add("no inner address in any frame", not naming, f"{len(naming)} of {len(packets)} frames", "R1", "R3")
    crossed = _in_clear(session)
    claims.add(
        f"R3: what is routed to the provider, to {_OUTSIDE}, goes in clear; nothing but routing decides",
        crossed == _OUTSIDE_PINGS,
        f"{crossed} of {_OUTSIDE_PINGS} echo requests seen on its wire",
        "R3",
    )


def _route(session: Session, router: str, neighbor: str) -> list[str]:
    # FULL is a moment before the shortest paths are computed: look again, as a user would.
    found: list[str] = []

    def look() -> bool:
        found[:] = rows(session.type(router, "show ip route ospf"), rf"^O\s+{re.escape(neighbor)}")
        return bool(found)

    session.until(look, 10.0)
    return found


def _in_clear(session: Session) -> int:
    """Route a network past the tunnel, send to it, and count what stands readable on the wire."""
    session.type("R3", "conf t")
    session.type("R3", "ip route 198.51.100.0 255.255.255.0 10.1.23.2")
    session.type("R3", f"do ping {_OUTSIDE} repeat {_OUTSIDE_PINGS} timeout 1")
    session.type("R3", "no ip route 198.51.100.0 255.255.255.0 10.1.23.2")
    session.type("R3", "end")

    def seen() -> int:
        return sum(packet.kind == "ICMP" and packet.destination == _OUTSIDE for packet in session.seen("R3"))

    session.until(lambda: seen() >= _OUTSIDE_PINGS, 3.0, 0.1)
    return seen()


@dataclass(frozen=True, slots=True)
class _Reading:
    counters: Counters
    on_wire_out: int
    on_wire_in: int

    @property
    def exact(self) -> bool:
        return self.counters.encapsulated == self.on_wire_out and self.counters.decapsulated == self.on_wire_in


def _agreed(session: Session) -> dict[str, _Reading]:
    # A hello may cross between asking the router and reading the capture: ask again until both agree.
    readings: dict[str, _Reading] = {}

    def agree() -> bool:
        for router in session.wires:
            shown = counters(session.type(router, "sh cry ipsec sa"))
            spis = [packet.spi for packet in session.seen(router) if packet.kind == "ESP"]
            readings[router] = _Reading(shown, spis.count(shown.outbound_spi), spis.count(shown.inbound_spi))
        return all(reading.exact for reading in readings.values())

    session.until(agree, 5.0, 0.3)
    return readings
