"""Out of the crypto map under traffic: what each stage does to it, and whether the report of the migration is right."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from seikan.lab import capture
from seikan.lab.migrate import script, tool
from seikan.lab.migrate.network import INNER, INTERNET, TRAFFIC, Traffic
from seikan.lab.proof import Claims, IsakmpSa, Protected, interface_states, isakmp_sas, protected
from seikan.lab.session import Session
from seikan.lab.stream import Stream

LOOKS = ("show crypto map", "show access-lists")
_ALLOWED = frozenset({"ESP", "ISAKMP", "NAT keepalive", "ARP", "ICMP", "ICMP unreachable"})
_FLOW_SECONDS = 40.0  # how long traffic may take to cross again after a stage was typed
_UP_SECONDS = 15.0  # how long a new tunnel may take to be up before the crypto map goes
_STEADY_SECONDS = 6.0  # how long each stage is then watched
_WARM = 20  # packets of each stream and direction that make it flow
_GAP_SECONDS = 5.0  # the longest that a change may stop a stream
_PINGS = 5
_WANS = {"R1": "FastEthernet0/0", "R3": "FastEthernet1/0"}
_ANY = "0.0.0.0/0.0.0.0/0/0"
_IP_AND_ICMP = 28  # octets of the headers of an echo request


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of time in a migration (CLOCK_MONOTONIC): typing from `began`, then undisturbed from `settled`."""

    name: str
    began: float
    settled: float
    ended: float


def demonstrate(session: Session, claims: Claims) -> None:
    """Crypto maps on both ends, one end a tunnel, both ends, and any to any; under streams that never stop."""
    since = time.time()
    session.perform(script.CRYPTO_MAPS)
    stages: list[Stage] = []
    streams: list[Stream] = []
    with ExitStack() as running:
        for number, traffic in enumerate(TRAFFIC, 1):
            one, other = traffic.ends(number)
            streams.append(running.enter_context(session.stream(traffic.label, one, other, traffic.rate, traffic.size)))
        run = _Run(session, claims, streams, stages)
        run.stage("crypto map and crypto map", lambda: None)
        _prove_maps(run, ("R1", "R3"))
        _prove_mtu(run, None)

        session.heading("Stage 2: R1 leaves its crypto map, R3 keeps it")
        first = run.migrate("R1")
        _prove_tunnel(run, first, policy=True)
        _prove_maps(run, ("R3",))
        _prove_mtu(run, first)
        _prove_rest(run, first, through=False)

        session.heading("Stage 3: R3 leaves its crypto map too")
        second = run.migrate("R3")
        for migrated in (first, second):
            _prove_tunnel(run, migrated, policy=True)
        _prove_mtu(run, first)

        session.heading("Stage 4: from the access lists' selectors to any to any")

        def leave_policies() -> None:
            for each in (first, second):
                session.paste(each.router, each.later)

        run.stage("any to any", leave_policies)
        for migrated in (first, second):
            _prove_tunnel(run, migrated, policy=False)
        _prove_mtu(run, first)
        _prove_rest(run, first, through=True)
        session.until(lambda: False, 1.0)  # packets that are on their way still count
    session.heading("What became of the traffic")
    _prove_traffic(run)
    _prove_secrecy(run, since)


@dataclass(frozen=True, slots=True)
class _Run:
    session: Session
    claims: Claims
    streams: Sequence[Stream]
    stages: list[Stage]

    def stage(self, name: str, change: Callable[[], object]) -> None:
        """Make a change and wait until all streams flow in both directions, then watch them for a while."""
        session, began = self.session, time.monotonic()
        change()
        typed = time.monotonic()
        flows = session.until(
            lambda: all(min(stream.arrived_since(typed)) >= _WARM for stream in self.streams), _FLOW_SECONDS
        )
        flowing = [stream.label for stream in self.streams if min(stream.arrived_since(typed)) >= _WARM]
        self.claims.add(
            f"{name}: all streams flow in both directions",
            flows,
            f"{', '.join(flowing) or 'none'} after {time.monotonic() - began:.1f} s",
            "R1",
            "R3",
        )
        session.type("R1", "show crypto session")
        settled = time.monotonic()
        session.until(lambda: False, _STEADY_SECONDS)
        self.stages.append(Stage(name, began, settled, time.monotonic()))
        self._prove_internet(name)

    def migrate(self, router: str) -> tool.Migrated:
        """Save a router's configuration, have it migrated, and type what came out."""
        session = self.session
        session.type(router, "write memory")
        file = session.lab.router_directory(router) / "startup-config"
        session.say(f"$ seikan migrate {router}-startup-config")
        outcome = tool.migrate(router, file)
        for line in outcome.report.splitlines():
            session.say(line)
        others = [each for each in _WANS if each != router and any(each in stage.name for stage in self.stages)]
        name = f"{' and '.join((*others, router))} migrated"
        self.stage(name, lambda: _apply(session, outcome))
        return outcome

    def _prove_internet(self, name: str) -> None:
        """A host reaches the Internet in clear, under R1's own address."""
        began = time.time()
        answered = _echoes(self.session, "H1", INTERNET, _PINGS)
        seen = [
            packet
            for packet in self.session.seen("R1", began)
            if packet.kind == "ICMP" and packet.destination == IPv4Address(INTERNET)
        ]
        sources = {str(packet.source) for packet in seen}
        self.claims.add(
            f"{name}: H1 reaches the Internet, translated to R1's address",
            answered == _PINGS and sources == {"10.1.12.1"},
            f"{answered} of {_PINGS} echoes of {INTERNET} answered, seen from {tool.shown(sorted(sources))}",
            "R1",
        )


def _apply(session: Session, outcome: tool.Migrated) -> None:
    """Type a migration as a careful person does: the tunnel first, and once it is up, what it makes needless goes."""
    router, lines = outcome.router, outcome.lines
    session.paste(router, lines.new)

    def up() -> bool:
        states = interface_states(session.ask(router, "show ip interface brief"), r"Tunnel\d+")
        return all(states.get(tunnel) == "up/up" for tunnel in outcome.tunnels)

    if not session.until(up, _UP_SECONDS):
        session.say(
            f"=== {router}: {tool.shown(outcome.tunnels)} not up after {_UP_SECONDS:.0f} s; going on all the same"
        )
    session.paste(router, (*lines.guards, *lines.gone))


def _echoes(session: Session, host: str, target: str, count: int, *options: str) -> int:
    done = session.linux(host, "ping", "-n", "-q", "-W", "2", "-i", "0.2", "-c", str(count), *options, target)
    found = re.search(r"(\d+) received", done.stdout)
    return int(found[1]) if found else 0


# -- security associations --------------------------------------------------


def identities(traffic: Traffic, router: str) -> tuple[str, str]:
    """What `show crypto ipsec sa` has in the brackets for a line: the local identity, the remote one."""
    near = f"{traffic.local.network_address}/{traffic.local.netmask}/{traffic.protocol or 0}/0"
    far = f"{traffic.remote.network_address}/{traffic.remote.netmask}/{traffic.protocol or 0}/{traffic.port or 0}"
    return (near, far) if router == "R1" else (far, near)


def _live(session: Session, router: str) -> dict[tuple[str, str, str], Protected]:
    """The pairs of identities that have SAs, by interface, local and remote."""
    blocks = protected(session.type(router, "show crypto ipsec sa"))
    return {(each.interface, each.local, each.remote): each for each in blocks if each.inbound and each.outbound}


def _prove_pairs(run: _Run, router: str, wanted: set[tuple[str, str, str]]) -> None:
    name = run.stages[-1].name
    live = _live(run.session, router)
    missing, more = wanted - live.keys(), live.keys() - wanted
    idle = [pair for pair in wanted & live.keys() if not (live[pair].encapsulated and live[pair].decapsulated)]
    parts = [
        f"{label} {' to '.join(pair[1:])} on {pair[0]}"
        for label, pairs in (("lacks", missing), ("has too", more), ("counts nothing for", idle))
        for pair in sorted(pairs)
    ]
    interfaces = tool.shown(sorted({pair[0] for pair in live}))
    what = "one pair of SAs for each line" if len(wanted) > 1 else "one pair of SAs, any to any"
    run.claims.add(
        f"{name}: {router} has {what}",
        not parts,
        "; ".join(parts) or f"{len(live)} on {interfaces}",
        "R1",
        "R3",
    )
    active: list[IsakmpSa] = []

    def one() -> bool:
        sas = isakmp_sas(run.session.ask(router, "show crypto isakmp sa"))
        active[:] = [sa for sa in sas if (sa.state, sa.status) == ("QM_IDLE", "ACTIVE")]
        return len(active) == 1

    alone = run.session.until(one, _UP_SECONDS)
    run.claims.add(f"{name}: {router} has one ISAKMP SA", alone, " | ".join(map(str, active)) or "none", router)


def _prove_maps(run: _Run, routers: Sequence[str]) -> None:
    for router in routers:
        _prove_pairs(run, router, {(_WANS[router], *identities(traffic, router)) for traffic in TRAFFIC})


def _prove_tunnel(run: _Run, migrated: tool.Migrated, *, policy: bool) -> None:
    """The tunnel has the SAs and routes that the report said, and nothing is left of the map."""
    session, claims, router = run.session, run.claims, migrated.router
    name = run.stages[-1].name
    tunnels = migrated.tunnels
    claims.add(f"{name}: the report for {router} names one tunnel", len(tunnels) == 1, tool.shown(tunnels), router)
    tunnel = tunnels[0] if tunnels else "Tunnel0"
    if policy:
        wanted = {(tunnel, *identities(traffic, router)) for traffic in TRAFFIC}
        claims.add(
            f"{name}: the report for {router} says that {tunnel} negotiates each line's selector",
            migrated.negotiated == len(TRAFFIC),
            f"{migrated.negotiated} of {len(TRAFFIC)}",
        )
    else:
        wanted = {(tunnel, _ANY, _ANY)}
    _prove_pairs(run, router, wanted)
    lines = session.type(router, "show ip route static")
    held = {
        (interface, network)
        for interface in tunnels
        for network in migrated.routed[interface]
        if _leads(lines, network, interface)
    }
    wrong = {(interface, network) for interface in tunnels for network in migrated.routed[interface]} - held
    claims.add(
        f"{name}: {router} has the routes that the report names",
        held and not wrong,
        f"lacks {tool.shown(f'{network} by {interface}' for interface, network in sorted(wrong, key=str))}"
        if wrong
        else tool.shown(str(network) for _, network in sorted(held, key=str)),
        router,
    )
    left = [line for line in session.ask(router, "show running-config") if line.strip().startswith("crypto map")]
    claims.add(f"{name}: no crypto map is left on {router}", not left, tool.shown(left), router)


def _leads(lines: Sequence[str], network: IPv4Network, interface: str) -> bool:
    # "10.30.1.0 is directly connected, Tunnel0", or with its length where the networks of a class differ in theirs
    pattern = re.compile(rf"^S\s.*\b{re.escape(str(network.network_address))}(/\d+)?\s.*\b{interface}\s*$")
    return any(pattern.match(line) for line in lines)


# -- size -------------------------------------------------------------------


def _prove_mtu(run: _Run, migrated: tool.Migrated | None) -> None:
    """The largest packet that may not be cut and passes: what the report says, and what the sender is told."""
    traffic = TRAFFIC[0]
    (_, source, _), (_, target, _) = traffic.ends(1)
    name, session = run.stages[-1].name, run.session
    done = session.linux("H1", "ping", "-n", "-M", "do", "-c", "2", "-W", "2", "-s", "1472", "-I", source, target)
    told = re.search(r"mtu\s*=\s*(\d+)", done.stdout + done.stderr)
    mtu = int(told[1]) if told else 0
    options = ("-M", "do", "-I", source, "-s", str(mtu - _IP_AND_ICMP))
    passed = _echoes(session, "H1", target, 3, *options) if mtu else 0
    said = set(migrated.mtu.values()) if migrated is not None else {mtu}
    run.claims.add(
        f"{name}: a packet of 1500 octets that may not be cut is answered with the size that fits"
        + ("" if migrated is None else ", which is the report's"),
        mtu and passed == 3 and said == {mtu},
        f"told {mtu or 'nothing'}, {passed} of 3 echoes of {mtu} octets answered"
        + ("" if migrated is None else f", the report says {tool.shown(map(str, sorted(said)))}"),
        "R1",
        "R3",
    )


# -- what no line permits ---------------------------------------------------


def _prove_rest(run: _Run, migrated: tool.Migrated, *, through: bool) -> None:
    """What goes to a network of which one port alone is permitted: dropped by the tunnel until it is any to any."""
    name = run.stages[-1].name
    traffic = TRAFFIC[-1]
    (_, source, _), (_, target, _) = traffic.ends(len(TRAFFIC))
    answered = _echoes(run.session, "H1", target, _PINGS, "-I", source)
    if through:
        run.claims.add(
            f"{name}: what only a port was permitted to passes whole, as the report says",
            answered == _PINGS,
            f"{answered} of {_PINGS} echoes from {source} to {target} answered",
            "R1",
            "R3",
        )
        return
    run.claims.add(
        f"{name}: what no line permits is dropped by the tunnel, as the report says",
        migrated.dropped and answered == 0,
        f"the report {'says so' if migrated.dropped else 'does not say so'}; "
        f"{answered} of {_PINGS} echoes from {source} to {target} answered",
        "R1",
    )


# -- the end ----------------------------------------------------------------


def _prove_traffic(run: _Run) -> None:
    """What was lost in each stage: while it was typed and negotiated, and after that, when nothing may be."""
    for stage in run.stages:
        run.session.say(f"{stage.name}:")
        first = stage is run.stages[0]
        for stream in run.streams:
            # The first packets of the first stage are what asks for its SAs.
            for direction, found in stream.tallies(stage.began, stage.settled):
                run.session.say(f"  {stream.label} {direction}, {'begin' if first else 'change'}: {found}")
            for direction, found in stream.tallies(stage.settled, stage.ended):
                run.claims.add(
                    f"{stage.name}: stream {stream.label} {direction}, nothing is lost or doubled once it flows",
                    found.sent and not found.lost and not found.duplicated,
                    str(found),
                    "R1",
                    "R3",
                )
    for stream in run.streams:
        for direction, found in stream.tallies(run.stages[0].settled, run.stages[-1].ended):
            run.claims.add(
                f"all stages: stream {stream.label} {direction} never stops for more than {_GAP_SECONDS:.0f} s",
                found.received and max(found.lost_for, found.longest_gap) <= _GAP_SECONDS,
                str(found),
                "R1",
                "R3",
            )


def _prove_secrecy(run: _Run, since: float) -> None:
    """What the provider saw on both wires from the first packet of the traffic to the last."""
    packets = [packet for router in run.session.wires for packet in run.session.seen(router, since)]
    strangers = [packet for packet in packets if packet.kind not in _ALLOWED]
    kinds = {packet.kind for packet in packets}
    run.claims.add(
        "the provider saw ISAKMP, ESP and what is meant for the Internet only",
        {"ISAKMP", "ESP"} <= kinds and not strangers,
        capture.summary(packets),
        "R1",
        "R3",
    )
    readable = capture.readable(packets, INNER, [stream.cookie for stream in run.streams])
    shown = f"{len(readable)} of {len(packets)} frames"
    if readable:
        shown += "; " + _exposed(run, readable)
    run.claims.add(
        "nothing of the traffic between the sites left in clear, at no moment", not readable, shown, "R1", "R3"
    )


def _exposed(run: _Run, packets: Sequence[capture.Packet]) -> str:
    """When packets were readable, by stage, and which were the first."""
    offset = time.time() - time.monotonic()
    parts: list[str] = []
    for stage in run.stages:
        inside = [packet for packet in packets if stage.began + offset <= packet.time < stage.ended + offset]
        if inside:
            first = inside[0]
            parts.append(
                f"{stage.name}: {len(inside)}, the first {first.kind} from {first.source} to {first.destination} "
                f"{first.time - offset - stage.began:.2f} s after typing began"
            )
    return "; ".join(parts) or f"{packets[0].kind} from {packets[0].source} before the first stage"
