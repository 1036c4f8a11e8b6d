"""What the hub must show: an interface for each spoke with its own counters and adjacency, and none for a stranger."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from seikan.lab import capture
from seikan.lab.hub import script
from seikan.lab.hub.network import (
    HUB,
    HUB_ADDRESS,
    HUB_ID,
    INNER,
    MOVED_TO,
    MOVING,
    SPOKES,
    STATIC,
    STRANGER,
    STRANGER_ADDRESS,
    TRANSLATED,
    Spoke,
    seen_as,
)
from seikan.lab.proof import Claims, Protected, interface_states, isakmp_sas, neighbors, protected, success_rate
from seikan.lab.session import Session
from seikan.lab.stream import Stream

PINGS = 10
LOOKS = ("show derived-config interface virtual-access 1", "show ip ospf interface brief")
_ALLOWED = frozenset({"ESP", "ISAKMP", "NAT keepalive", "ARP", "ICMP unreachable"})
_LEAVE_SECONDS = 60.0
_RETURN_SECONDS = 90.0
_RATE = 20.0  # packets a second
_STEADY = 40  # packets each way before and after the move
_MAIN_MODE = 2
_ATTEMPTS = 3  # times the stranger sends what only the right key could have made


def demonstrate(session: Session, claims: Claims) -> None:
    """Type the hub and its spokes, then everything that may happen to them."""
    began = time.time()
    session.perform(script.HUB_LINES)
    session.perform(script.SPOKE_LINES)
    session.heading("Step 3: what the hub made")
    interfaces = _prove_interfaces(session, claims)
    _prove_reach(session, claims)
    _prove_counters(session, claims)
    _prove_nat(session, claims)
    session.heading("Step 4: R5 gets another address while traffic runs")
    cookies = [_prove_move(session, claims, interfaces)]
    session.heading("Step 5: R3 leaves, and comes again")
    _prove_leave(session, claims)
    session.heading("Step 6: a stranger with another key")
    _prove_stranger(session, claims)
    session.heading("Step 7: the hub clears a session")
    _prove_clear(session, claims)
    session.heading("Step 8: what the provider saw of all this")
    _prove_end(session, claims)
    _prove_secrecy(session, claims, began, cookies)


def spokes_at_hub(session: Session, *, moved: bool, show: bool = False) -> dict[str, Protected]:
    """Each spoke's pair of SAs at the hub, by the spoke's name; those of none are left out."""
    lines = (session.type if show else session.ask)(HUB, "show crypto ipsec sa")
    by_peer = {block.peer: block for block in protected(lines) if block.inbound and block.outbound}
    return {router: by_peer[address] for router, address in seen_as(moved).items() if address in by_peer}


def _states(session: Session, *, show: bool = False) -> dict[str, str]:
    lines = (session.type if show else session.ask)(HUB, "show ip interface brief")
    return interface_states(lines, script.ACCESS)


def _full(session: Session, *, show: bool = False) -> dict[str, str]:
    """The interface by which the hub is FULL with each router id."""
    lines = (session.type if show else session.ask)(HUB, "show ip ospf neighbor")
    return {str(each.router_id): each.interface for each in neighbors(lines) if each.state == "FULL"}


# -- three spokes, three interfaces -----------------------------------------


def _prove_interfaces(session: Session, claims: Claims) -> dict[str, str]:
    """Returns the interface of each spoke."""
    states = _states(session, show=True)
    claims.add(
        f"{HUB}: three Virtual-Access interfaces, up/up",
        len(states) == len(SPOKES) and set(states.values()) == {"up/up"},
        ", ".join(f"{name} {state}" for name, state in states.items()) or "none",
        HUB,
    )
    sas = isakmp_sas(session.type(HUB, "show crypto isakmp sa"))
    for spoke in SPOKES:
        own = [sa for sa in sas if spoke.outside in (str(sa.source), str(sa.destination))]
        claims.add(
            f"{HUB}: one ISAKMP SA with {spoke.router}",
            [(sa.state, sa.status) for sa in own] == [("QM_IDLE", "ACTIVE")],
            " | ".join(map(str, own)) or "none",
            HUB,
            spoke.router,
        )
    held = spokes_at_hub(session, moved=False, show=True)
    interfaces = {router: block.interface for router, block in held.items()}
    claims.add(
        f"{HUB}: each spoke has an interface of its own",
        sorted(interfaces.values()) == sorted(states) and len(set(interfaces.values())) == len(SPOKES),
        ", ".join(f"{router} {interface}" for router, interface in interfaces.items()) or "no pair of SAs",
        HUB,
    )
    full = _full(session, show=True)
    for spoke in SPOKES:
        claims.add(
            f"{HUB}: OSPF FULL with {spoke.router_id} over the interface of {spoke.router}",
            spoke.router_id in full and full[spoke.router_id] == interfaces.get(spoke.router),
            full.get(spoke.router_id, "not FULL"),
            HUB,
            spoke.router,
        )
    sessions = "\n".join(session.type(HUB, "show crypto session"))
    for spoke in SPOKES:
        interface = interfaces.get(spoke.router, "none")
        block = re.search(rf"Interface: {interface}\s*\n(.*?)(?=\n\s*\n|\Z)", sessions, re.DOTALL)
        said = re.search(r"Session status: (\S+)", block[1]) if block else None
        claims.add(
            f"{HUB}: show crypto session has {spoke.router} on {interface}",
            block and said and said[1] == "UP-ACTIVE" and f"Peer: {spoke.outside}" in block[1],
            f"{said[1]}" if said else "no such session",
            HUB,
        )
    _prove_derived(session, claims, interfaces)
    return interfaces


def _prove_derived(session: Session, claims: Claims, interfaces: dict[str, str]) -> None:
    """An interface's own configuration is the template's, with the spoke as its destination."""
    for spoke in SPOKES:
        interface = interfaces.get(spoke.router)
        if interface is None:
            continue
        number = interface.removeprefix("Virtual-Access")
        answer = session.type(HUB, f"show derived-config interface virtual-access {number}")
        lines = {line.strip() for line in answer}
        wanted = (
            f"interface {interface}",
            "ip unnumbered FastEthernet0/0",
            "ip ospf 1 area 0",
            "tunnel source FastEthernet0/0",
            "tunnel mode ipsec ipv4",
            f"tunnel destination {spoke.outside}",
            "tunnel protection ipsec profile P",
        )
        # IOS may say more about the protection: "tunnel protection ipsec profile P" is then only the line's beginning.
        missing = [line for line in wanted if not any(each.startswith(line) for each in lines)]
        claims.add(
            f"{HUB}: {interface} is derived from Virtual-Template1 for {spoke.router}",
            not missing,
            f"lacks {', '.join(missing)}" if missing else f"tunnel destination {spoke.outside}",
            HUB,
        )
    running = session.ask(HUB, "show running-config")
    written = [line for line in running if line.startswith("interface Virtual-Access")]
    claims.add(f"{HUB}: none of them is in the running configuration", not written, ", ".join(written) or "none", HUB)


def _ping(session: Session, claims: Claims, source: str, target: str, *routers: str) -> None:
    success = success_rate(session.type(source, f"ping {target} source lo0 repeat {PINGS}", 90))
    claims.add(f"{source}: ping {target}, {PINGS} times", f"({PINGS}/{PINGS})" in success, success, source, *routers)


def _prove_reach(session: Session, claims: Claims) -> None:
    """The hub and every spoke reach each other, spokes through the hub."""
    for spoke in SPOKES:
        # FULL is a moment before the shortest paths are computed: look again, as a user would.
        others = [HUB_ID, *(other.router_id for other in SPOKES if other is not spoke)]
        session.until(lambda: _has_routes(session, spoke.router, others), 30)  # noqa: B023 -- called at once
        _ping(session, claims, spoke.router, HUB_ID, HUB)
    for spoke, other in zip(SPOKES, (*SPOKES[1:], SPOKES[0]), strict=True):
        _ping(session, claims, HUB, spoke.router_id, spoke.router)
        _ping(session, claims, spoke.router, other.router_id, HUB, other.router)


def _has_routes(session: Session, router: str, targets: list[str]) -> bool:
    lines = session.ask(router, "show ip route ospf")
    return all(any(re.match(rf"O\s+(?:\S+\s+)?{re.escape(target)}[ /]", line) for line in lines) for target in targets)


# -- counters ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Reading:
    block: Protected
    to_hub: int
    from_hub: int

    @property
    def exact(self) -> bool:
        return self.block.decapsulated == self.to_hub and self.block.encapsulated == self.from_hub


def _read_counters(session: Session) -> dict[str, _Reading]:
    # A hello may cross between asking the hub and reading the capture: ask again until both agree.
    readings: dict[str, _Reading] = {}

    def agree() -> bool:
        readings.clear()
        for router, block in spokes_at_hub(session, moved=False).items():
            esp = [packet for packet in session.seen(router) if packet.kind == "ESP"]
            to_hub = sum(str(packet.destination) == HUB_ADDRESS for packet in esp)
            readings[router] = _Reading(block, to_hub, sum(str(packet.source) == HUB_ADDRESS for packet in esp))
        return len(readings) == len(SPOKES) and all(each.exact for each in readings.values())

    session.until(agree, 8.0, 0.3)
    return readings


def _prove_counters(session: Session, claims: Claims) -> None:
    """Each interface counts what crosses its own spoke's wire: all of it since its SAs began, and nobody else's."""
    before = _read_counters(session)
    _ping(session, claims, HUB, TRANSLATED.router_id, TRANSLATED.router)
    after = _read_counters(session)
    for spoke in SPOKES:
        first, last = before.get(spoke.router), after.get(spoke.router)
        if first is None or last is None:
            claims.add(f"{HUB}: counters of {spoke.router}'s interface", False, "no pair of SAs", HUB, spoke.router)
            continue
        grew = last.block.encapsulated - first.block.encapsulated
        enough = grew >= PINGS if spoke is TRANSLATED else grew < PINGS
        claims.add(
            f"{HUB}: {last.block.interface} counted what crossed the wire of {spoke.router}",
            first.exact and last.exact and enough,
            f"encaps {last.block.encapsulated}, ESP to it {last.from_hub}; decaps {last.block.decapsulated}, "
            f"ESP from it {last.to_hub}; +{grew} while {TRANSLATED.router} was pinged {PINGS} times",
            HUB,
            spoke.router,
        )


def _prove_nat(session: Session, claims: Claims) -> None:
    """R4's ESP is in UDP 4500, because there is NAT on its way; R3's is not."""
    for spoke, expected in ((TRANSLATED, True), (STATIC, False)):
        esp = [packet for packet in session.seen(spoke.router) if packet.kind == "ESP"]
        in_udp = [packet for packet in esp if packet.ports is not None and 4500 in packet.ports]
        claims.add(
            f"{spoke.router}: its ESP crosses the provider {'in UDP 4500' if expected else 'as IP protocol 50'}",
            esp and len(in_udp) == (len(esp) if expected else 0),
            f"{len(in_udp)} of {len(esp)} in UDP 4500",
            spoke.router,
        )


# -- an address that changes ------------------------------------------------


def _prove_move(session: Session, claims: Claims, interfaces: dict[str, str]) -> bytes:
    """Returns what marks the stream's packets."""
    ends = ((MOVING.router, MOVING.router_id, 7005), (HUB, HUB_ID, 7001))
    position = session.position(HUB)
    with session.stream("move", *ends, rate=_RATE) as stream:
        steady = session.until(lambda: min(stream.arrived_since(0.0)) >= _STEADY, 20)
        claims.add(
            f"stream of {_RATE:g} packets a second from {MOVING.router} to {HUB} and back runs before the move",
            steady,
            f"{stream.arrived_since(0.0)} arrived",
            HUB,
            MOVING.router,
        )
        begin = time.monotonic()
        session.perform(script.MOVES)
        moved = time.monotonic()
        back = session.until(lambda: _flows_since_outage(stream, moved), _RETURN_SECONDS)
        took = time.monotonic() - begin
        session.until(lambda: False, 1.0)  # packets that are on their way still count
    for direction, found in stream.tallies(begin, time.monotonic()):
        claims.add(
            f"stream {direction}: it runs again after {MOVING.router} moved to {MOVED_TO}",
            back and found.received > 0,
            str(found) if back else f"not after {took:.0f} s: {found}",
            HUB,
            MOVING.router,
        )
    held = spokes_at_hub(session, moved=True, show=True).get(MOVING.router)
    before = interfaces.get(MOVING.router)
    claims.add(
        f"{HUB}: {MOVING.router} keeps its interface at its new address",
        held is not None and held.interface == before,
        f"{before} before, {held.interface if held else 'no pair of SAs'} with peer {MOVED_TO} after",
        HUB,
        MOVING.router,
    )
    session.until(lambda: MOVING.router_id in _full(session), 60)
    states, full = _states(session, show=True), _full(session, show=True)
    changes = session.said(HUB, position, rf"%OSPF-5-ADJCHG: .* Nbr {re.escape(MOVING.router_id)} ")
    claims.add(
        f"{HUB}: {before} up/up and FULL after the move",
        before and states.get(before) == "up/up" and full.get(MOVING.router_id) == before,
        f"{states.get(before or '', 'gone')}, {full.get(MOVING.router_id, 'not FULL')}; "
        f"{len(changes)} changes of the adjacency meanwhile",
        HUB,
        MOVING.router,
    )
    others = [spoke.router_id for spoke in SPOKES if spoke is not MOVING]
    touched = session.said(HUB, position, rf"%OSPF-5-ADJCHG: .* Nbr ({'|'.join(map(re.escape, others))}) ")
    claims.add(f"{HUB}: the move touched no other spoke's adjacency", not touched, f"{len(touched)} changes", HUB)
    _prove_one_isakmp_sa(session, claims)
    return stream.cookie


def _flows_since_outage(stream: Stream, moved: float) -> bool:
    """Whether the latest packets of both directions arrive: a second's worth in a row, sent after the move."""
    return min(stream.arrived_since(max(moved, time.monotonic() - _STEADY / _RATE))) >= _STEADY * 0.9


def _prove_one_isakmp_sa(session: Session, claims: Claims) -> None:
    """The SA with the old address goes once the new one is there, at the latest by dead peer detection."""

    def own() -> list[str]:
        sas = isakmp_sas(session.ask(HUB, "show crypto isakmp sa"))
        addresses = {MOVING.outside, MOVED_TO}
        return [
            str(sa) for sa in sas if addresses & {str(sa.source), str(sa.destination)} and "deleted" not in sa.status
        ]

    alone = session.until(lambda: len(own()) == 1, 60)
    found = own()
    claims.add(
        f"{HUB}: one ISAKMP SA with {MOVING.router}, with its new address",
        alone and MOVED_TO in found[0],
        " | ".join(found) or "none",
        HUB,
        MOVING.router,
    )


# -- a spoke that leaves ----------------------------------------------------


def _prove_leave(session: Session, claims: Claims) -> None:
    before = spokes_at_hub(session, moved=True)
    held = before.get(STATIC.router)
    interface = held.interface if held else "none"
    position, began = session.position(HUB), time.monotonic()
    session.perform(script.tunnel_shut(STATIC.router, shut=True))
    gone = session.until(lambda: interface not in _states(session), _LEAVE_SECONDS)
    took = time.monotonic() - began
    states, full = _states(session, show=True), _full(session, show=True)
    claims.add(
        f"{HUB}: {interface} goes when {STATIC.router} shuts its tunnel",
        held and gone,
        f"after {took:.1f} s" if gone else f"{states.get(interface)} after {took:.0f} s",
        HUB,
        STATIC.router,
    )
    claims.add(
        f"{HUB}: its adjacency goes with it",
        STATIC.router_id not in full and len(full) == len(SPOKES) - 1,
        f"FULL with {', '.join(full)}",
        HUB,
    )
    session.until(lambda: not _has_routes(session, HUB, [STATIC.router_id]), 15)
    session.type(HUB, "show ip route ospf")
    claims.add(
        f"{HUB}: its route goes with it", not _has_routes(session, HUB, [STATIC.router_id]), "show ip route ospf", HUB
    )
    after = spokes_at_hub(session, moved=True)
    for spoke in (TRANSLATED, MOVING):
        old, new = before.get(spoke.router), after.get(spoke.router)
        # Both ends may have begun a pair after a move: the one that is too much goes half a minute later.
        same = old and new and old.interface == new.interface and set(old.outbound) & set(new.outbound)
        log = session.said(
            HUB, position, rf"Nbr {re.escape(spoke.router_id)} |{old.interface if old else '-'}\b.*state"
        )
        claims.add(
            f"{HUB}: {spoke.router} is untouched",
            same and not log,
            f"the same SAs on {new.interface}" if same and new else f"{log or 'other SAs'}",
            HUB,
            spoke.router,
        )
        _ping(session, claims, HUB, spoke.router_id, spoke.router)
    session.perform(script.tunnel_shut(STATIC.router, shut=False))
    returned = session.until(lambda: STATIC.router_id in _full(session), _RETURN_SECONDS)
    again = spokes_at_hub(session, moved=True, show=True).get(STATIC.router)
    claims.add(
        f"{HUB}: {STATIC.router} comes again, FULL",
        returned and again,
        f"{again.interface if again else 'no pair of SAs'}; it had {interface} before",
        HUB,
        STATIC.router,
    )


# -- a stranger -------------------------------------------------------------


def _prove_stranger(session: Session, claims: Claims) -> None:
    """Whoever has another key is answered until the hub cannot read its identity, and no further."""
    before = set(_states(session))
    session.perform(script.STRANGER_LINES)

    def tried() -> bool:
        sent = [packet for packet in session.seen(STRANGER) if str(packet.source) == STRANGER_ADDRESS]
        return sum(packet.encrypted for packet in sent) >= _ATTEMPTS

    session.until(tried, 60)
    crossed = session.seen(STRANGER)
    sent = [packet for packet in crossed if packet.kind == "ISAKMP" and str(packet.source) == STRANGER_ADDRESS]
    answers = [packet for packet in crossed if packet.kind == "ISAKMP" and str(packet.source) == HUB_ADDRESS]
    proofs = [packet for packet in sent if packet.encrypted]
    told = [packet for packet in answers if packet.encrypted or packet.exchange != _MAIN_MODE]
    esp = [packet for packet in crossed if packet.kind == "ESP"]
    claims.add(
        f"{STRANGER} sent its identity under its own key",
        proofs,
        f"{len(proofs)} encrypted messages of {len(sent)}",
        STRANGER,
    )
    claims.add(
        f"{HUB} answered {STRANGER} with the open part of main mode only (MM2 and MM4), never with more than it sent",
        answers and not told and not esp and len(answers) <= len(sent),
        f"{len(answers)} answers to {len(sent)} messages, {len(told)} beyond MM4, ESP {len(esp)}",
        HUB,
        STRANGER,
    )
    states = _states(session, show=True)
    sas = isakmp_sas(session.type(HUB, "show crypto isakmp sa"))
    own = [sa for sa in sas if STRANGER_ADDRESS in (str(sa.source), str(sa.destination))]
    claims.add(
        f"{HUB}: no interface and no finished SA for {STRANGER}",
        set(states) == before and not any(sa.state == "QM_IDLE" for sa in own),
        f"{', '.join(states)}; {' | '.join(map(str, own)) or 'no SA'}",
        HUB,
    )
    tunnels = interface_states(session.type(STRANGER, "show ip interface brief"), "Tunnel0")
    claims.add(f"{STRANGER}: its tunnel stays down", tunnels.get("Tunnel0") == "up/down", str(tunnels), STRANGER)
    session.perform(script.tunnel_shut(STRANGER, shut=True))


# -- clear ------------------------------------------------------------------


def _prove_clear(session: Session, claims: Claims) -> None:
    """`clear crypto session remote A` ends one spoke's session: it negotiates again, the others do not notice."""
    before = spokes_at_hub(session, moved=True)
    session.type(HUB, f"clear crypto session remote {STATIC.outside}")

    def again() -> bool:
        now = spokes_at_hub(session, moved=True).get(STATIC.router)
        old = before.get(STATIC.router)
        return now is not None and old is not None and not set(now.outbound) & set(old.outbound)

    returned = session.until(lambda: again() and STATIC.router_id in _full(session), _RETURN_SECONDS)
    after = spokes_at_hub(session, moved=True, show=True)
    for spoke in SPOKES:
        old, new = before.get(spoke.router), after.get(spoke.router)
        if spoke is STATIC:
            what, holds = f"{spoke.router} comes back with new SAs, FULL", returned
        else:
            what, holds = f"{spoke.router} keeps its SAs", bool(old and new and set(old.outbound) & set(new.outbound))
        claims.add(
            f"{HUB}: clear crypto session remote {STATIC.outside}: {what}",
            holds,
            f"{_outbound(old)} before, {_outbound(new)} after",
            HUB,
            spoke.router,
        )
    session.until(lambda: _has_routes(session, HUB, [STATIC.router_id]), 30)
    _ping(session, claims, HUB, STATIC.router_id, STATIC.router)


def _outbound(block: Protected | None) -> str:
    return f"{block.interface} spi 0x{block.outbound[0]:X}" if block else "no pair of SAs"


# -- the end ----------------------------------------------------------------


def _prove_end(session: Session, claims: Claims) -> None:
    """After all this there is what there should be, and nothing else."""
    states = _states(session, show=True)
    blocks = [block for block in protected(session.ask(HUB, "show crypto ipsec sa")) if block.inbound]
    claims.add(
        f"{HUB}: three interfaces and three pairs of SAs at the end",
        len(states) == len(SPOKES) == len(blocks) and set(states.values()) == {"up/up"},
        f"{len(states)} interfaces, {len(blocks)} pairs of SAs",
        HUB,
    )


def _prove_secrecy(session: Session, claims: Claims, began: float, markers: list[bytes]) -> None:
    """What the provider saw on all its wires from the first line typed to now."""
    packets = [packet for router in session.wires for packet in session.seen(router, began)]
    strangers = [packet for packet in packets if packet.kind not in _ALLOWED]
    kinds = {packet.kind for packet in packets}
    claims.add(
        "the provider saw ISAKMP and ESP only",
        {"ESP", "ISAKMP"} <= kinds and not strangers,
        capture.summary(packets),
        *(spoke.router for spoke in _whose(session, strangers)),
    )
    readable = capture.readable(packets, INNER, markers)
    shown = f"{len(readable)} of {len(packets)} frames"
    if readable:
        shown += f", the first: {readable[0].kind} from {readable[0].source} to {readable[0].destination}"
    claims.add("nothing inner was readable", not readable, shown, HUB)


def _whose(session: Session, packets: list[capture.Packet]) -> list[Spoke]:
    found = {id(packet) for packet in packets}
    return [spoke for spoke in SPOKES if any(id(packet) in found for packet in session.seen(spoke.router))]
