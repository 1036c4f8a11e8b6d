"""Two engines in virtual time over a network that loses, repeats, reorders and delays by a seed.

Each side has a model of the data plane: packets really go through the installed SAs, so that a rekey which loses one
is seen. A run keeps a ladder diagram that a failing seed prints.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from seikan.config.model import IsakmpPolicy, Keepalive, PreSharedKey, TransformSet
from seikan.crypto.key_exchange import KeyPair, KeyPairFactory, generate_key_pair
from seikan.ike.effects import (
    IKEV2_TOPICS,
    AddFlow,
    Address,
    CheckRevocation,
    CreateAccess,
    Debug,
    Direction,
    FlowDown,
    FlowUp,
    InstallSa,
    Log,
    MoveAccess,
    Path,
    PeerFailed,
    QueryUsage,
    RemoveAccess,
    RemoveFlow,
    RemoveSa,
    ReserveSpi,
    Send,
    SendKeepalive,
    TunnelDown,
    TunnelUp,
    UpdateSa,
    Usage,
)
from seikan.ike.engine import Engine
from seikan.ike.settings import EngineSettings, FlowSettings, PhaseTwo, TunnelSettings
from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME, ExchangeType, Group
from seikan.wire.header import pull_header
from seikan.wire.secret import Secret
from seikan.wire.selector import ANY_IPV4
from seikan.wire.v2 import header as v2_header
from seikan.wire.v2.constants import FLAG_INITIATOR, Exchange, Payload

A, B, NAT = IPv4Address("10.1.12.1"), IPv4Address("10.1.23.3"), IPv4Address("192.0.2.1")
AWAY = IPv4Address("10.1.77.1")  # where A goes and comes back from
PROBES = (0.0, 0.004, 0.03)  # seconds after a change of a plane at which packets are sent
EPOCH = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TUNNEL = "Tunnel0"
_SK_IV, _SKF_IV = 32, 36  # where the IV is, behind the headers of message and payload
TRANSFORM = TransformSet("CCIE", ENCRYPTION_BY_NAME["aes-cbc-128"], INTEGRITY_BY_NAME["hmac-sha1-96"])
POLICY = IsakmpPolicy(1, "aes-cbc-128", None, "pre-share", 14)
KEY = Secret(b"LoopedBack!!!")
PHASE_TWO = PhaseTwo("profile ProtectTheTunnel", (TRANSFORM,), None, 3600, 4608000, 64)


class CheapKeyPair:
    """Stands in for Diffie-Hellman in bulk simulation: both sides get one value, and no mathematics is done."""

    def __init__(self, group: Group, source: random.Random) -> None:
        self.public = source.randbytes(group.octets)

    def shared(self, peer: bytes) -> Secret:
        both = int.from_bytes(self.public, "big") ^ int.from_bytes(peer, "big")
        return Secret(both.to_bytes(len(self.public), "big"))


def vti(owner: str) -> FlowSettings:
    """The one flow of a tunnel interface: any to any."""
    return FlowSettings(owner, 0, ANY_IPV4, PHASE_TWO)


def settings(local: Address, remote: Address) -> EngineSettings:
    """One tunnel as in the acceptance session, defaults as in IOS."""
    tunnel = TunnelSettings(TUNNEL, local, remote, (vti(TUNNEL),))
    key = PreSharedKey(KEY, IPv4Network((int(remote), 32)) if remote.version == 4 else None)
    return EngineSettings("R", True, (POLICY,), (key,), (), (tunnel,))


def with_tunnel(base: EngineSettings, **changes: object) -> EngineSettings:
    """`base` with changed fields of its tunnel, of the tunnel's flows or of their phase 2."""
    found = base.tunnels[0]

    def of(kind: type) -> dict[str, Any]:
        return {name: value for name, value in changes.items() if name in {field.name for field in fields(kind)}}

    def changed(flow: FlowSettings) -> FlowSettings:
        return replace(flow, **of(FlowSettings), phase_two=replace(flow.phase_two, **of(PhaseTwo)))

    flows = changes.get("flows", tuple(changed(flow) for flow in found.flows))
    return replace(base, tunnels=(replace(found, **(of(TunnelSettings) | {"flows": flows})),))


def with_keepalive(base: EngineSettings, interval: int, retry: int = 2, periodic: bool = True) -> EngineSettings:
    return replace(base, keepalive=Keepalive(interval, retry, periodic))


@dataclass
class Network:
    """What happens to a datagram: probabilities from 0 to 1, delays in seconds."""

    loss: float = 0.0
    duplicate: float = 0.0
    delay: tuple[float, float] = (0.005, 0.010)
    cut: bool = False  # nothing passes


@dataclass
class Packet:
    """ESP in the model: the SPI and the keys it was sealed with."""

    spi: int
    keys: tuple[bytes, bytes]
    sent: float


@dataclass
class Plane:
    """The SAs of one side; the last outbound SA of a flow that was added carries its traffic."""

    reserved: set[int] = field(default_factory=set)
    inbound: dict[int, InstallSa] = field(default_factory=dict)
    outbound: dict[int, InstallSa] = field(default_factory=dict)
    used: dict[tuple[Direction, int], float] = field(default_factory=dict)  # by SPI, when it last carried a packet

    def sas(self) -> list[InstallSa]:
        return [*self.inbound.values(), *self.outbound.values()]


class Side:
    """One router: an engine that may crash and start again, and its plane."""

    def __init__(self, world: Simulation, name: str, address: Address, configured: EngineSettings) -> None:
        self.world = world
        self.name = name
        self.address = address
        self.settings = configured
        self.plane = Plane()
        self.owners_up: set[str] = set()
        self.ups = self.downs = 0
        self.reasons: list[str] = []
        self.flows_up: dict[tuple[str, int], Address] = {}
        self.heard: list[TunnelUp | TunnelDown | FlowUp | FlowDown] = []
        self.failed: list[str] = []
        self.access: dict[str, CreateAccess] = {}  # Virtual-Access interfaces
        self.dynamic: dict[tuple[str, int], AddFlow] = {}  # flows of dynamic crypto maps
        self.moves: list[MoveAccess] = []
        self.gone: list[RemoveAccess] = []
        self.logs: list[str] = []
        self.clock = EPOCH  # what the wall clock says when the simulation begins
        self.revocation: str | None = None  # what the world says of a certificate: why it is not good
        self.keys: set[tuple[bytes, bytes]] = set()  # of all SAs that were ever installed here
        self.inbound_spis: set[int] = set()  # of all SAs that were ever installed here for what comes in
        self.succeeding: set[int] = set()  # SPIs of SAs for what goes out that were asked for while another was there
        self.alive = False
        self.generation = 0
        self.engine: Engine
        self.boot()

    @property
    def up(self) -> bool:
        return bool(self.owners_up)

    def wall_clock(self) -> datetime:
        return self.clock + timedelta(seconds=self.world.now)

    def boot(self) -> None:
        self.generation += 1
        self._empty()
        self.alive = True
        self.engine = Engine(self.settings, self.world.random.randbytes, self.world.key_pair, self.wall_clock)
        if self.world.verbose:
            self.engine.debugging = frozenset(("isakmp", "ipsec", *IKEV2_TOPICS))

    def _empty(self) -> None:
        self.plane = Plane()
        self.owners_up = set()
        self.flows_up = {}
        self.access = {}
        self.dynamic = {}

    def crash(self) -> None:
        """As by kill -9: nothing is said to anybody, and the plane's SAs go with the process."""
        self.alive = False
        self._empty()
        self.world.note(f"{self.name} crashes")

    def initiate(self) -> None:
        self.engine.initiate(TUNNEL, self.world.now)
        self.drain()

    def drain(self) -> None:
        """Carry out the effects, as the daemon does."""
        world = self.world
        while (effect := self.engine.poll_effect()) is not None:
            if isinstance(effect, TunnelUp | TunnelDown | FlowUp | FlowDown):
                self.heard.append(effect)
            match effect:
                case Send(path, data):
                    world.transmit(self, path, data)
                case SendKeepalive(path):
                    world.transmit(self, path, b"\xff")
                case ReserveSpi(spi):
                    self.plane.reserved.add(spi)
                case InstallSa():
                    self._install(effect)
                case UpdateSa(_, direction, spi, path, udp):
                    table = self.plane.inbound if direction is Direction.IN else self.plane.outbound
                    table[spi] = replace(table[spi], path=path, udp_encapsulation=udp)
                case RemoveSa(_, direction, spi):
                    table = self.plane.inbound if direction is Direction.IN else self.plane.outbound
                    world.note(f"{self.name} removes {direction.value} {spi:08x}")
                    del table[spi]
                    world.plane_changed()
                case CheckRevocation():
                    self.engine.complete(effect.effect_id, self.revocation, world.now)
                case QueryUsage():
                    self.engine.complete(effect.effect_id, self._usage(effect), world.now)
                case FlowUp(owner, flow, remote):
                    assert self.flows_up.get((owner, flow)) != remote, "FlowUp twice"
                    self.flows_up[owner, flow] = remote
                case FlowDown(owner, flow):
                    left = any((sa.owner, sa.flow) == (owner, flow) for sa in self.plane.outbound.values())
                    assert not left, "FlowDown with an SA left"
                    del self.flows_up[owner, flow]
                case PeerFailed(_, _, reason):
                    self.failed.append(reason)
                case CreateAccess(name):
                    assert name not in self.access, "an interface is made twice"
                    self.access[name] = effect
                    world.note(f"{self.name} makes {name} for {effect.identity} at {effect.path.remote}")
                case MoveAccess(name, path):
                    self.access[name] = replace(self.access[name], path=path)
                    self.moves.append(effect)
                    world.note(f"{self.name} moves {name} to {path.remote}:{path.remote_port}")
                case RemoveAccess(name, reason):
                    assert not any(sa.owner == name for sa in self.plane.sas()), "an interface goes before its SAs"
                    assert name not in self.owners_up, "an interface goes while it is up"
                    del self.access[name]
                    self.gone.append(effect)
                    world.note(f"{self.name} removes {name}: {reason}")
                case AddFlow(owner, flow):
                    assert (owner, flow) not in self.dynamic, "a flow is added twice"
                    self.dynamic[owner, flow] = effect
                case RemoveFlow(owner, flow):
                    left = any((sa.owner, sa.flow) == (owner, flow) for sa in self.plane.sas())
                    assert not left, "a flow goes before its SAs"
                    del self.dynamic[owner, flow]
                case TunnelUp(owner):
                    assert owner not in self.owners_up, "TunnelUp twice"
                    assert any(name == owner for name, _ in self.flows_up), "TunnelUp without a flow"
                    assert self.plane.outbound, "TunnelUp without outbound SA"
                    assert self.plane.inbound, "TunnelUp without inbound SA"
                    self.owners_up.add(owner)
                    self.ups += 1
                    world.note(f"{self.name} TunnelUp")
                case TunnelDown(owner, reason):
                    assert owner in self.owners_up, "TunnelDown twice"
                    assert not any(name == owner for name, _ in self.flows_up), "TunnelDown with a flow left"
                    self.owners_up.remove(owner)
                    self.downs += 1
                    self.reasons.append(reason)
                    world.note(f"{self.name} TunnelDown: {reason}")
                case Log():
                    self.logs.append(f"%{effect.facility}-{effect.severity}-{effect.mnemonic}: {effect.text}")
                    world.note(f"{self.name} {self.logs[-1]}")
                case Debug(_, text):
                    world.note(f"{self.name} {text}")
        world.arm(self)

    def _home(self, sa: InstallSa) -> object:
        """What was made for an SA, where it is not part of the configuration."""
        if sa.owner.startswith("Virtual-Access"):
            return self.access[sa.owner].name
        return self.dynamic[sa.owner, sa.flow] if sa.flow >= 1 << 16 else None

    def _install(self, sa: InstallSa) -> None:
        generation = self.generation
        refused = self.world.refuse(self, sa)
        keys = (bytes(sa.encryption_key), bytes(sa.integrity_key))
        assert keys not in self.keys, "keys are used twice"
        self.keys.add(keys)
        if sa.direction is Direction.IN:
            assert sa.spi in self.plane.reserved, "what comes before an SA would be lost"
            self.plane.reserved.remove(sa.spi)
        self._home(sa)  # it is there
        if any((row.owner, row.flow) == (sa.owner, sa.flow) for row in self.plane.outbound.values()):
            self.succeeding.add(sa.spi)

        def done() -> None:
            if not self.alive or generation != self.generation:
                return
            nonlocal refused
            try:
                self._home(sa)
            except KeyError:
                refused = "its interface has gone"
            if refused is None:
                table = self.plane.inbound if sa.direction is Direction.IN else self.plane.outbound
                assert sa.spi not in table, "an SA is installed twice"
                table[sa.spi] = sa
                if sa.direction is Direction.IN:
                    self.inbound_spis.add(sa.spi)
                self.world.note(f"{self.name} installs {sa.direction.value} {sa.spi:08x}")
            self.engine.complete(sa.effect_id, refused, self.world.now)
            self.drain()
            self.world.plane_changed()

        delay = self.world.random.choice((0.0, 0.0, 0.002, 0.02))
        self.world.at(self.world.now + delay, done)

    def _usage(self, query: QueryUsage) -> Usage:
        seen = [
            self.plane.used.get((Direction.IN, query.inbound_spi)),
            self.plane.used.get((Direction.OUT, query.outbound_spi)),
        ]
        inbound, outbound = (None if when is None else self.world.now - when for when in seen)
        return Usage(inbound, outbound)


class Simulation:
    """The clock, the network, and what goes over it."""

    def __init__(
        self,
        seed: int,
        network: Network | None = None,
        *,
        key_pair: KeyPairFactory | None = None,
        verbose: bool = False,
    ) -> None:
        self.random = random.Random(seed)
        self.network = network or Network()
        self.verbose = verbose
        self.now = 100.0
        self._ladder: deque[tuple[float, str | tuple[str, object, bytes]]] = deque(maxlen=4000)
        self.key_pair: KeyPairFactory = key_pair or self._cheap
        self.delivered = self.lost_by_network = 0
        self.disturbed = False  # by more than SAs that are replaced
        self.lost_at_peer: list[str] = []
        self.gaps: list[str] = []  # those of them that were sent on a pair which both sides had had
        self.forward: Callable[[Side, Path, bytes], bool] = lambda side, path, data: True
        self.refuse: Callable[[Side, InstallSa], str | None] = lambda side, sa: None
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._armed: dict[str, float | None] = {}
        self._ivs: dict[tuple[bytes, int, bytes], bytes] = {}

    def translate(self, side: Side, path: Path) -> tuple[Side | None, Path]:
        """The receiver, None where there is none, and the path as it sees it."""
        raise NotImplementedError

    def _cheap(self, group: Group) -> KeyPair:
        return CheapKeyPair(group, self.random)

    def note(self, text: str) -> None:
        self._ladder.append((self.now, text))

    def plane_changed(self) -> None:
        """An SA was installed or removed."""

    def at(self, when: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, action))

    def arm(self, side: Side) -> None:
        """Wake the engine when it asks to be."""
        when = side.engine.next_timeout()
        if when is None or self._armed.get(side.name) == when:
            return
        self._armed[side.name] = when
        generation = side.generation

        def wake() -> None:
            if self._armed.get(side.name) == when:
                self._armed[side.name] = None
            if side.alive and side.generation == generation:
                due = side.engine.next_timeout()
                if due is not None and due <= self.now:
                    side.engine.handle_timeout(self.now)
                side.drain()

        self.at(max(when, self.now), wake)

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        end = self.now + seconds
        steps = 0
        while self._events and self._events[0][0] <= end:
            steps += 1
            assert steps < 2_000_000, "the engines do not come to rest"
            when, _, action = heapq.heappop(self._events)
            self.now = max(self.now, when)
            action()
        self.now = end

    def restart(self, side: Side) -> None:
        side.boot()
        self._armed[side.name] = None
        self.note(f"{side.name} restarts")
        side.initiate()

    # -- messages ----------------------------------------------------------------------------------------------------

    def transmit(self, side: Side, path: Path, data: bytes) -> None:
        receiver, seen = self.translate(side, path)
        self._look_at_iv(data)
        self._ladder.append((self.now, (side.name, receiver.name if receiver else path.remote, data)))
        if not self.forward(side, path, data):
            self.note("    dropped by the test")
            return
        copies = 1 + (self.random.random() < self.network.duplicate)
        for _ in range(copies):
            if self.network.cut or self.random.random() < self.network.loss:
                self.note("    lost")
                continue
            self.at(self.now + self.random.uniform(*self.network.delay), lambda: self._arrive(receiver, seen, data))

    def _look_at_iv(self, data: bytes) -> None:
        """No two messages of IKEv2 have the same IV under the same key."""
        encrypted = len(data) > _SK_IV and data[17] >> 4 == 2 and data[16] in (Payload.SK, Payload.SKF)
        if encrypted:
            start = _SK_IV if data[16] == Payload.SK else _SKF_IV
            use = (data[:16], data[19] & FLAG_INITIATOR, data[start : start + 8])
            assert self._ivs.setdefault(use, data) == data, "an IV is used twice"

    def _arrive(self, side: Side | None, path: Path, data: bytes) -> None:
        if side is not None and side.alive and path.local == side.address and data != b"\xff":
            side.engine.handle_datagram(data, path, self.now)
            side.drain()

    # -- traffic -----------------------------------------------------------------------------------------------------

    def send_packet(self, side: Side, owner: str = TUNNEL, flow: int = 0) -> None:
        """One packet of a flow; without an SA the engine hears of it."""
        found = [sa for sa in side.plane.outbound.values() if (sa.owner, sa.flow) == (owner, flow)]
        if not found:
            side.engine.acquire(owner, flow, self.now)
            side.drain()
            return
        sa = found[-1]
        side.plane.used[Direction.OUT, sa.spi] = self.now
        packet = Packet(sa.spi, (bytes(sa.encryption_key), bytes(sa.integrity_key)), self.now)
        receiver, seen = self.translate(side, sa.path)
        if receiver is None or self.network.cut or self.random.random() < self.network.loss:
            self.lost_by_network += 1
            return
        self.at(self.now + self.random.uniform(*self.network.delay), lambda: self._packet(side, receiver, seen, packet))

    def _packet(self, sender: Side, side: Side, path: Path, packet: Packet) -> None:
        sa = side.plane.inbound.get(packet.spi)
        if not side.alive or path.local != side.address:
            return
        if sa is None:
            text = f"{self.now - 100:.3f} {sender.name} sent on {packet.spi:08x}"
            self.lost_at_peer.append(text)
            if packet.spi in side.inbound_spis:
                self.gaps.append(text)
            else:
                self._early(sender, side, packet)
            self.note(f"{side.name} has no SA {packet.spi:08x}")
            side.engine.unknown_spi(path, packet.spi, self.now)
            side.drain()
            return
        assert packet.keys == (bytes(sa.encryption_key), bytes(sa.integrity_key)), "the keys of a pair differ"
        self.delivered += 1
        side.plane.used[Direction.IN, sa.spi] = self.now
        if sa.udp_encapsulation and path != sa.path:
            side.engine.peer_moved(sa.owner, path, self.now, spi=sa.spi)
            side.drain()

    def _early(self, sender: Side, side: Side, packet: Packet) -> None:
        """No side sends on an SA before the other has it, but a responder of IKEv2 on a first pair: its initiator
        learns only by the response what to install (RFC 7296 section 1.2).
        """
        text = f"{sender.name} sends on {packet.spi:08x} before {side.name} has it"
        children = [child for (_, spi), child in sender.engine._core.outbound.items() if spi == packet.spi]
        assert not any(child.initiator for child in children), text
        fragments = sender.settings.fragmentation or sender.settings.ikev2.fragmentation
        hopeless = self.network.loss > (0.0 if fragments else 0.1)  # the old pair may run out before a message gets by
        expired = sender.engine._core.counters["child_sas_expired"]
        excused = self.disturbed or not side.up or hopeless or expired
        assert excused or packet.spi not in sender.succeeding, text

    def story(self) -> str:
        """The ladder diagram of the last messages, and what happened between them."""
        return "\n".join(self.ladder[-400:])

    @property
    def ladder(self) -> list[str]:
        return [f"{when - 100:10.3f}  {_step(what)}" for when, what in self._ladder]


class World(Simulation):
    """Two sides and the network between them."""

    def __init__(
        self,
        seed: int,
        network: Network | None = None,
        *,
        nat: bool = False,
        change: Callable[[EngineSettings], EngineSettings] = lambda base: base,
        change_b: Callable[[EngineSettings], EngineSettings] | None = None,
        key_pair: KeyPairFactory | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(seed, network, key_pair=key_pair, verbose=verbose)
        self.nat_ports: dict[int, int] = {}
        self.nat = nat
        self.probing = False  # packets follow each change of a plane at once
        self._probes = 0
        self.a = Side(self, "A", A, change(settings(A, B)))
        self.b = Side(self, "B", B, (change_b or change)(settings(B, NAT if nat else A)))

    # -- the way between the sides ------------------------------------------------------------------------------------

    def translate(self, side: Side, path: Path) -> tuple[Side, Path]:
        if side is self.a:
            source, port = (path.local, path.local_port)
            if self.nat:
                source, port = NAT, self.nat_ports.setdefault(path.local_port, self.random.randrange(1024, 60000))
            return self.b, Path(path.remote, path.remote_port, source, port)
        target, port = path.remote, path.remote_port
        if self.nat:
            inner = [local for local, outer in self.nat_ports.items() if outer == port]
            if not inner:
                return self.a, Path(NAT, 0, path.local, path.local_port)
            target, port = A, inner[0]
        return self.a, Path(target, port, path.local, path.local_port)

    def rebind(self) -> None:
        """The NAT forgets its mappings; the next packet from inside makes new ones."""
        self.nat_ports.clear()
        self.note("the NAT rebinds")

    def move(self, address: Address) -> None:
        """A's address changes, and it is told so."""
        self.note(f"A is at {address}")
        self.a.address = address
        self.a.settings = replace(
            self.a.settings, tunnels=tuple(replace(row, local=address) for row in self.a.settings.tunnels)
        )
        if self.a.alive:
            self.a.engine.configure(self.a.settings, self.now)
            self.a.drain()

    # -- traffic ------------------------------------------------------------------------------------------------------

    def traffic(self, interval: float, until: float) -> None:
        """Both sides send a packet of each flow that is up each `interval`."""

        def tick() -> None:
            for side in (self.a, self.b):
                for owner, flow in list(side.flows_up) if side.alive else ():
                    self.send_packet(side, owner, flow)
            if self.now + interval <= until:
                self.at(self.now + interval, tick)

        self.at(self.now + interval, tick)

    def plane_changed(self) -> None:
        if self.probing and not self._probes:
            for later in PROBES:
                self._probes += 1
                self.at(self.now + later, self._probe)

    def _probe(self) -> None:
        self._probes -= 1
        for side in (self.a, self.b):
            for owner, flow in list(side.flows_up) if side.alive else ():
                self.send_packet(side, owner, flow)

    # -- judgement ----------------------------------------------------------------------------------------------------

    def assert_no_gap(self) -> None:
        """The tunnel came up once and stayed so, and no packet came to a side that had no SA for it."""
        for side in (self.a, self.b):
            assert side.downs == 0, f"{side.name} was down: {side.reasons}"
        assert not self.gaps, f"lost while SAs were replaced: {self.gaps}"

    def assert_converged(self) -> None:
        """One phase 1 SA and one pair at both ends, and they match."""
        sides = (self.a, self.b)
        statuses = [side.engine.status(self.now) for side in sides]
        for side, status in zip(sides, statuses, strict=True):
            assert side.up, f"{side.name} is down: {status.tunnels[0].last_error}"
            states = [sa.state for sa in status.isakmp_sas] + [sa.state for sa in status.ikev2_sas]
            assert states in (["QM_IDLE"], ["READY"]), f"{side.name} has IKE SAs {states}"
            assert len(side.plane.inbound) == len(side.plane.outbound) == 1, (
                f"{side.name} has {len(side.plane.inbound)} inbound and {len(side.plane.outbound)} outbound SAs"
            )
        spis = [{sa.cookies for sa in row.isakmp_sas} | {sa.spis for sa in row.ikev2_sas} for row in statuses]
        assert spis[0] == spis[1], "IKE SAs differ"
        for one, other in (sides, sides[::-1]):
            (spi, outbound), (peer_spi, inbound) = (*one.plane.outbound.items(), *other.plane.inbound.items())
            assert spi == peer_spi, "SPIs differ"
            assert outbound.encryption_key == inbound.encryption_key, "encryption keys differ"
            assert outbound.integrity_key == inbound.integrity_key, "integrity keys differ"

    def assert_nothing_left(self) -> None:
        """After `close` the engines keep no SA, no timer and no completion."""
        for side in (self.a, self.b):
            side.engine.close(self.now)
            side.drain()
        self.run(60.0 if self.a.settings.ikev2.profiles else 3.0)  # a delete that is not answered is repeated
        for side in (self.a, self.b):
            assert not side.plane.inbound, f"{side.name} keeps inbound SAs"
            assert not side.plane.outbound, f"{side.name} keeps outbound SAs"
            assert side.engine.next_timeout() is None, f"{side.name} keeps timers"
            assert not side.engine.status(self.now).isakmp_sas
            assert not side.engine.status(self.now).ikev2_sas
            core = side.engine._core
            tables = (core.ike_sas, core.lingering, core.first_messages, core.inbound, core.outbound)
            assert not any(tables), f"{side.name} keeps entries in its tables"
            more = (core.ikev2_sas, core.ikev2_first, core.half_open, core.initiating, core.established)
            assert not any(more), f"{side.name} keeps entries in its tables"


def _step(what: str | tuple[str, object, bytes]) -> str:
    """What happened, in words; a message is only read when somebody wants to see it."""
    if isinstance(what, str):
        return what
    sender, receiver, data = what
    return f"{sender} -> {receiver} {describe(data)}"


def describe(data: bytes) -> str:
    """One line of a ladder for a message."""
    if data == b"\xff":
        return "keepalive"
    if data[17] >> 4 == 2:
        return describe_ikev2(data)
    header = pull_header(data)
    lock = " encrypted" if header.encrypted else ""
    name = ExchangeType(header.exchange).name.lower()
    return f"{name}{lock} {header.initiator_cookie.hex()[:6]} id {header.message_id:08x} {len(data)} octets"


def describe_ikev2(data: bytes) -> str:
    header = v2_header.pull_header(data)
    try:
        name = Exchange(header.exchange).name
    except ValueError:
        name = f"exchange {header.exchange}"
    word = "response" if header.response else "request"
    return f"{name} {word} {header.initiator_spi.hex()[:6]} id {header.message_id} {len(data)} octets"


REAL_KEY_PAIR = generate_key_pair
