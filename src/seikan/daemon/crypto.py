"""Drives the IKE engine: datagrams, timers and plane events in; effects out to sockets, plane and log."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import Any, ParamSpec

from seikan.config.names import is_access
from seikan.daemon.faults import fault
from seikan.ike import effects as fx
from seikan.ike.engine import ClearTarget, Engine
from seikan.ike.limits import RateLimit
from seikan.ike.settings import EngineSettings
from seikan.ike.status import TunnelStatus
from seikan.plane.base import (
    Direction,
    Encapsulation,
    EventKind,
    IkeDatagram,
    Lifetime,
    Plane,
    PlaneError,
    PlaneEvent,
    SecurityAssociation,
)
from seikan.system.errors import AdapterError
from seikan.system.journal import Journal
from seikan.system.udp import IkeSockets
from seikan.wire.secret import Secret

Address = IPv4Address | IPv6Address

IKE_PORT = 500
NAT_PORT = 4500
# 0.9 of the packets that a 32-bit sequence number allows (RFC 4303 section 3.3.3): time enough to rekey.
SOFT_PACKETS = 2**32 * 9 // 10
INTERNAL = "ikev2 internal"
CARRIER_HOLD = 1.0  # seconds that a pair which was cleared may stay until another has taken its place
FAULT_AGAIN = 10.0  # seconds from one log line of a fault to the next of the same

_DIRECTION = {fx.Direction.IN: Direction.IN, fx.Direction.OUT: Direction.OUT}
P = ParamSpec("P")
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class DebugLine:
    """One line of `debug crypto …`, for the terminals that asked for its topic (`topics_of`)."""

    topic: str
    text: str


def topics_of(words: Iterable[str]) -> frozenset[str]:
    """The topics that words behind `debug crypto` stand for: `ikev2`, as `ikev2 internal`, is everything of IKEv2."""
    asked = frozenset(words)
    return asked.union(fx.IKEV2_TOPICS) - {INTERNAL} if asked & {fx.IKEV2_TOPICS[0], INTERNAL} else asked


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which SAs a `clear` is about; what is None does not narrow it. `owners` are SA owners (interfaces)."""

    peer: Address | None = None
    peer_port: int | None = None
    local: Address | None = None
    owners: frozenset[str] | None = None
    spi: int | None = None

    def has(self, tunnel: TunnelStatus) -> bool:
        return (
            self.peer in (None, tunnel.remote)
            and self.peer_port in (None, tunnel.remote_port)
            and self.local in (None, tunnel.local)
            and (self.owners is None or any(flow.owner in self.owners for flow in tunnel.flows))
        )


@dataclass(frozen=True, slots=True)
class Hooks:
    """Whom the driver tells what the engine and the plane have found. Owners are names of SA owners (interfaces).

    `tunnel_changed(owner, up, reason)`: its first pair of SAs came, or its last one went. `agreed(owner, udp,
    transport)`: a new SA is in UDP, or in transport mode. `access` takes what is about Virtual-Access interfaces,
    `flow` what is about single flows and peers, of crypto maps above all.
    """

    bundle_of: Callable[[str], str]
    tunnel_changed: Callable[[str, bool, str | None], None]
    path_mtu_changed: Callable[[str, int], None]
    agreed: Callable[[str, bool, bool], None]
    access: Callable[[fx.CreateAccess | fx.MoveAccess | fx.RemoveAccess], None]
    flow: Callable[[fx.FlowUp | fx.FlowDown | fx.AddFlow | fx.RemoveFlow | fx.PeerFailed], None]
    keepalive: Callable[[str], None]
    debug: Callable[[DebugLine], None]
    keylog: Callable[[Secret], None]
    check_revocation: Callable[[fx.CheckRevocation], None]


class CryptoDriver:
    """Owns the engine and the IKE sockets."""

    def __init__(
        self,
        settings: EngineSettings,
        plane: Plane | None,
        journal: Journal,
        hooks: Hooks,
        *,
        clock: Clock = time.monotonic,
        sockets: Callable[[], IkeSockets] = lambda: IkeSockets(IKE_PORT, NAT_PORT),
    ) -> None:
        self._make_sockets = sockets
        self._plane = plane
        self._journal = journal
        self._hooks = hooks
        self._owner_of: dict[str, str] = {}  # by what the plane calls it
        self._settings = settings
        self._clock = clock
        self.engine = Engine(settings, os.urandom, wall_clock=lambda: datetime.now(UTC))
        self._sockets: IkeSockets | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0  # the deadline that the timer is set for
        self._carry_out = self._carriers()
        self._pumping = False
        self._closing = False
        self.problem: str | None = None
        self.counters: dict[str, int] = {}
        self._told: dict[str, float] = {}  # faults, and when they were last logged
        # Anybody can send ESP: of each kind of trouble a burst is logged, then a line in a while; the plane counts all.
        self._strangers = RateLimit(rate=0.2, burst=10)
        if plane is not None:
            asyncio.get_running_loop().add_reader(plane.fileno(), self._plane_ready)

    @property
    def settings(self) -> EngineSettings:
        """What the engine was last told."""
        return self._settings

    def bundle_of(self, owner: str) -> str:
        """What the plane calls an owner of SAs."""
        return self._hooks.bundle_of(owner)

    @property
    def listening(self) -> bool:
        """True while the IKE ports are open: ISAKMP is ON."""
        return self._sockets is not None

    def configure(self, settings: EngineSettings) -> None:
        """Hand the engine its new view; open the ports with the first protected tunnel, close them after the last."""
        if settings == self._settings:
            return  # the engine begins failed negotiations anew when it is configured
        self._settings = settings
        accesses = {bundle: owner for bundle, owner in self._owner_of.items() if is_access(owner)}
        owners = {flow.owner for tunnel in settings.tunnels for flow in tunnel.flows}
        owners |= {row.owner for row in settings.dynamic_maps}
        self._owner_of = {**{self._hooks.bundle_of(owner): owner for owner in owners}, **accesses}
        wanted = settings.enabled and bool(settings.tunnels or settings.templates or settings.dynamic_maps)
        if wanted:
            self._listen()
        self.engine.configure(settings, self._clock())
        self.pump()
        if not wanted:
            self.problem = None
            self._silence()

    def start(self, owner: str) -> None:
        """The owner could carry packets if it had SAs: negotiate, unless that is under way."""
        if self._sockets is not None and not self._closing:
            self.engine.initiate(owner, self._clock())
            self.pump()

    def stop(self, owner: str, reason: str) -> None:
        """The owner cannot carry packets, SAs or not."""
        self.engine.suspend(owner, reason, self._clock())
        self.pump()

    def clear_isakmp(self, conn_id: int | None) -> None:
        """`clear crypto isakmp`: phase 1 SAs, which are IKEv1's; child SAs stay."""
        self.engine.clear(ClearTarget.ISAKMP, self._clock(), conn_id=conn_id, version=1)
        self.pump()

    def clear_ikev2(self, chosen: Chosen, tunnel_id: int | None) -> None:
        """`clear crypto ikev2 sa`: IKEv2 SAs with everything below them; what this side may begin comes anew, and at
        first beside them, as `clear` does it.
        """
        status = self.engine.status(self._clock())
        for tunnel in status.tunnels:
            sas = [sa for sa in status.ikev2_sas if sa.tunnel == tunnel.name]
            meant = tunnel_id is None or any(sa.tunnel_id == tunnel_id for sa in sas)
            if tunnel.ikev2_profile is not None and meant and chosen.has(tunnel):
                self._replace({flow.owner for flow in tunnel.flows})
        self.pump()

    def _replace(self, owners: set[str]) -> None:
        """New IKEv2 SAs of these owners; the old ones go at the latest after `CARRIER_HOLD`."""
        for owner in owners:
            for conn_id in self.engine.replace(owner, self._clock()):
                asyncio.get_running_loop().call_later(CARRIER_HOLD, self._finish_replacing, owner, conn_id)

    def _finish_replacing(self, owner: str, conn_id: int) -> None:
        if not self._closing:
            self.engine.clear(ClearTarget.ISAKMP, self._clock(), conn_id=conn_id, owner=owner)
            self.pump()

    def clear(self, target: ClearTarget, chosen: Chosen) -> None:
        """`clear crypto sa|session`: replace the SAs.

        A pair that carries packets goes when a new one has come, and at the latest after `CARRIER_HOLD`: up to then
        the line protocol stays as it is, and so does what routing has learnt over it. What this side cannot begin
        anew, a spoke's session, is cleared at once.
        """
        now = self._clock()
        pairs: dict[tuple[str, int], frozenset[int]] = {}
        for tunnel in self.engine.status(now).tunnels:
            if not chosen.has(tunnel):
                continue
            owners = {flow.owner for flow in tunnel.flows if chosen.owners is None or flow.owner in chosen.owners}
            inbound = {key: spis for key, spis in _inbound(tunnel).items() if key[0] in owners}
            if chosen.spi is not None:
                for key in inbound:
                    self._expire_pair(tunnel, key, chosen.spi)
                continue
            if tunnel.dynamic or not inbound:
                for owner in owners:
                    self.engine.clear(target, now, owner=owner)
                continue
            if target is ClearTarget.SESSION and tunnel.ikev2_profile is not None:
                self._replace(owners)
                continue
            if target is ClearTarget.SESSION:
                for owner in owners:
                    self.engine.clear(ClearTarget.ISAKMP, now, owner=owner, version=1)
            pairs |= inbound
        for (owner, _), spis in pairs.items():
            for spi in spis:
                self.engine.expire(owner, spi, fx.Direction.IN, False, now)
        self.pump()
        if pairs:
            asyncio.get_running_loop().call_later(CARRIER_HOLD, self._finish_clear, pairs)

    def _expire_pair(self, tunnel: TunnelStatus, key: tuple[str, int], spi: int) -> None:
        """One pair by either of its SPIs."""
        for flow in tunnel.flows:
            if (flow.owner, flow.number) == key:
                for sa in flow.sas:
                    if sa.spi == spi:
                        way = fx.Direction.IN if sa.inbound else fx.Direction.OUT
                        self.engine.expire(key[0], spi, way, True, self._clock())

    def _finish_clear(self, pairs: Mapping[tuple[str, int], frozenset[int]]) -> None:
        """Let the old pairs go: those that have a successor, and those whose successor did not come in time."""
        if self._closing:
            return
        present: dict[tuple[str, int], frozenset[int]] = {}
        for tunnel in self.engine.status(self._clock()).tunnels:
            present |= _inbound(tunnel)
        for key, old in pairs.items():
            for spi in old & present.get(key, frozenset()):
                self.engine.expire(key[0], spi, fx.Direction.IN, True, self._clock())
        self.pump()

    def retry_listen(self) -> bool:
        """Try again to open ports that were taken; True once they are open."""
        if self._sockets is None and self.problem is not None:
            self._listen()
        return self._sockets is not None

    def _listen(self) -> None:
        if self._sockets is not None:
            return
        sockets = self._make_sockets()
        try:
            sockets.open(self._datagram)
        except AdapterError as error:
            if self.problem != str(error):
                self._journal.log("CRYPTO", 3, "IKMP_SOCKET", str(error))
            self.problem = str(error)
            return
        self.problem = None
        self._sockets = sockets
        if self._plane is not None:
            try:
                for fileno, port in sockets.nat_socket_filenos():
                    if self._plane.attach_udp(fileno, port):
                        sockets.stop_reading(fileno)
            except PlaneError as error:  # behind a NAT nothing will arrive; everywhere else all is well
                self._journal.log("CRYPTO", 3, "IKMP_SOCKET", f"ESP in UDP port {port} is not received: {error}")
        self._journal.log("CRYPTO", 6, "ISAKMP_ON_OFF", "ISAKMP is ON")

    def _silence(self) -> None:
        if self._sockets is None:
            return
        self._close_sockets(self._sockets)
        self._journal.log("CRYPTO", 6, "ISAKMP_ON_OFF", "ISAKMP is OFF")

    def _close_sockets(self, sockets: IkeSockets) -> None:
        for port in {port for _, port in sockets.nat_socket_filenos()}:
            self._on_plane(partial(_detach, port))
        sockets.close()
        self._sockets = None

    def close(self) -> None:
        """Say goodbye to the peers (delete notifications) and close the ports; nothing is negotiated any more."""
        if self._closing:
            return
        self._closing = True
        self.engine.close(self._clock())
        self.pump()
        self._disarm()
        if self._plane is not None:
            asyncio.get_running_loop().remove_reader(self._plane.fileno())
        if self._sockets is not None:
            self._close_sockets(self._sockets)

    # in: network, timer, plane

    def complete(self, effect_id: int, outcome: str | None) -> None:
        """The answer to an effect that took its time."""
        if not self._closing:
            self._guarded(self.engine.complete, effect_id, outcome, self._clock())
            self.pump()

    def _datagram(self, data: bytes, local: Address, local_port: int, remote: Address, remote_port: int) -> None:
        path = fx.Path(local, local_port, remote, remote_port)
        self._guarded(self.engine.handle_datagram, data, path, self._clock())
        self.pump()

    def _timeout(self) -> None:
        self._timer = None
        self._guarded(self.engine.handle_timeout, self._clock())
        self.pump()

    def _plane_ready(self) -> None:
        assert self._plane is not None
        for event in self._plane.poll():
            self._guarded(self._event, event)
        self.pump()

    def _event(self, event: PlaneEvent | IkeDatagram) -> None:
        if isinstance(event, IkeDatagram):
            path = fx.Path(event.local, event.local_port, event.remote, event.remote_port)
            self.engine.handle_datagram(event.data, path, self._clock())
        else:
            self._plane_event(event)

    def _guarded(self, step: Callable[P, object], *arguments: P.args, **named: P.kwargs) -> None:
        """What one message or event runs into must cost no other one, nor the effects that wait."""
        try:
            step(*arguments, **named)
        except Exception as error:  # noqa: BLE001 a fault of this program, whatever it is; told without its text
            self._count("engine-error")
            text, now = fault(error), self._clock()
            if self._told.get(text, -FAULT_AGAIN) + FAULT_AGAIN <= now:
                self._told[text] = now
                self._journal.log("CRYPTO", 2, "INTERNAL", text)

    def _plane_event(self, event: PlaneEvent) -> None:
        owner = self._owner_of.get(event.tunnel) if event.tunnel is not None else None
        now = self._clock()
        match event.kind:
            case EventKind.SOFT_EXPIRE | EventKind.HARD_EXPIRE | EventKind.SEQUENCE_WRAP:
                if owner is not None and event.spi is not None and event.direction is not None:
                    hard = event.kind is not EventKind.SOFT_EXPIRE
                    self.engine.expire(owner, event.spi, fx.Direction(event.direction.value), hard, now)
            case EventKind.UNKNOWN_SPI:
                if self._strangers.allow(event.kind, now):
                    self._journal.log(
                        "CRYPTO",
                        4,
                        "RECVD_PKT_INV_SPI",
                        f"decaps: rec'd IPSEC packet has invalid spi for destaddr={event.local}, prot=50, "
                        f"spi=0x{event.spi or 0:08X}({event.spi or 0}), srcaddr={event.remote}",
                    )
                if event.local is not None and event.remote is not None:
                    port = NAT_PORT if event.remote_port else IKE_PORT
                    path = fx.Path(event.local, port, event.remote, event.remote_port or IKE_PORT)
                    self.engine.unknown_spi(path, event.spi or 0, now)
            case EventKind.REPLAY if self._strangers.allow(event.kind, now):
                self._journal.log(
                    "CRYPTO",
                    4,
                    "PKT_REPLAY_ERR",
                    f"decrypt: replay check failed connection id={self._connection(owner, event.spi)}, "
                    f"sequence number={event.sequence}",
                )
            case EventKind.AUTHENTICATION_FAILURE if self._strangers.allow(event.kind, now):
                self._journal.log(
                    "CRYPTO",
                    4,
                    "RECVD_PKT_MAC_ERR",
                    f"decrypt: mac verify failed for connection id={self._connection(owner, event.spi)} "
                    f"spi=0x{event.spi or 0:08X} srcaddr={event.remote}",
                )
            case EventKind.PATH_MTU:
                if owner is not None and event.mtu is not None:
                    self._hooks.path_mtu_changed(owner, event.mtu)
            case EventKind.PEER_ADDRESS:
                if owner is not None and event.local is not None and event.remote is not None:
                    path = fx.Path(event.local, NAT_PORT, event.remote, event.remote_port or NAT_PORT)
                    self.engine.peer_moved(owner, path, now, spi=event.spi)
            case EventKind.ACQUIRE:
                if owner is not None and event.policy is not None and self._sockets is not None and not self._closing:
                    self.engine.acquire(owner, event.policy, now)
            case EventKind.KEEPALIVE:
                if event.tunnel is not None:
                    self._hooks.keepalive(event.tunnel)

    def _connection(self, owner: str | None, spi: int | None) -> int:
        for tunnel in self.engine.status(self._clock()).tunnels:
            for flow in tunnel.flows:
                if flow.owner == owner:
                    found = next((sa.conn_id for sa in flow.sas if sa.spi == spi), None)
                    if found is not None:
                        return found
        return 0

    # out: effects

    def pump(self) -> None:
        """Carry out every effect, then arm the one timer for the engine's next deadline."""
        if self._pumping:  # an effect's outcome may call back here; the outer loop drains for both
            return
        self._pumping = True
        try:
            while (effect := self.engine.poll_effect()) is not None:
                self._guarded(self._carry_out[type(effect)], effect)
        finally:
            self._pumping = False
        self._arm()

    def _arm(self) -> None:
        """A timer that runs too early does no harm: only an earlier deadline is worth another one."""
        deadline = self.engine.next_timeout()
        if deadline is None:
            self._disarm()
        elif self._timer is None or deadline < self._armed_for:
            self._disarm()
            self._armed_for = deadline
            delay = max(0.0, deadline - self._clock())
            self._timer = asyncio.get_running_loop().call_later(delay, self._timeout)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _carriers(self) -> dict[type[Any], Callable[[Any], object]]:
        """How each kind of effect is carried out."""
        hooks = self._hooks
        return {
            fx.Send: self._send,
            fx.SendKeepalive: self._send_keepalive,
            fx.ReserveSpi: lambda effect: self._on_plane(lambda plane: plane.reserve_spi(effect.spi)),
            fx.InstallSa: lambda sa: self.engine.complete(sa.effect_id, self._install(sa), self._clock()),
            fx.UpdateSa: self._update,
            fx.RemoveSa: self._remove,
            fx.QueryUsage: lambda query: self.engine.complete(query.effect_id, self._usage(query), self._clock()),
            fx.TunnelUp: lambda change: hooks.tunnel_changed(change.owner, True, None),
            fx.TunnelDown: lambda change: hooks.tunnel_changed(change.owner, False, change.reason),
            fx.CreateAccess: self._create_access,
            fx.MoveAccess: hooks.access,
            fx.RemoveAccess: self._remove_access,
            **dict.fromkeys((fx.FlowUp, fx.FlowDown, fx.AddFlow, fx.RemoveFlow, fx.PeerFailed), hooks.flow),
            fx.Log: lambda line: self._journal.log(line.facility, line.severity, line.mnemonic, line.text),
            fx.CheckRevocation: hooks.check_revocation,
            fx.KeyLog: lambda effect: hooks.keylog(effect.line),
            fx.Debug: lambda line: hooks.debug(DebugLine(line.topic, line.text)),
        }

    def _send(self, effect: fx.Send) -> None:
        if self._sockets is None:
            self._count("ike-send-not-listening")
        else:
            path = effect.path
            self._sockets.send(effect.data, path.local, path.local_port, path.remote, path.remote_port)

    def _send_keepalive(self, effect: fx.SendKeepalive) -> None:
        if self._sockets is None:
            self._count("ike-send-not-listening")
        else:
            path = effect.path
            self._sockets.send_keepalive(path.local, path.local_port, path.remote, path.remote_port)

    def _update(self, sa: fx.UpdateSa) -> None:
        path = sa.path
        ports = Encapsulation(path.local_port, path.remote_port) if sa.udp_encapsulation else None
        bundle, way = self._hooks.bundle_of(sa.owner), _DIRECTION[sa.direction]
        self._on_plane(lambda plane: plane.update_endpoint(way, sa.spi, bundle, path.local, path.remote, ports))

    def _remove(self, sa: fx.RemoveSa) -> None:
        bundle = self._hooks.bundle_of(sa.owner)
        self._on_plane(lambda plane: plane.remove_sa(_DIRECTION[sa.direction], sa.spi, bundle))

    def _create_access(self, effect: fx.CreateAccess) -> None:
        self._owner_of[self._hooks.bundle_of(effect.name)] = effect.name
        self._hooks.access(effect)

    def _remove_access(self, effect: fx.RemoveAccess) -> None:
        self._owner_of.pop(self._hooks.bundle_of(effect.name), None)
        self._hooks.access(effect)

    def _on_plane(self, action: Callable[[Plane], None]) -> None:
        if self._plane is None:
            return
        try:
            action(self._plane)
        except PlaneError as error:
            # the device may be gone with its SAs: that is what was wanted, but it must be visible
            self._count("plane-refused")
            self._hooks.debug(DebugLine("ipsec", f"IPSEC: {error}"))

    def _install(self, sa: fx.InstallSa) -> str | None:
        if self._plane is None:
            return "there is no data plane"
        udp = sa.udp_encapsulation
        self._hooks.agreed(sa.owner, udp, sa.transport)
        try:
            self._plane.add_sa(
                SecurityAssociation(
                    tunnel=self._hooks.bundle_of(sa.owner),
                    direction=_DIRECTION[sa.direction],
                    spi=sa.spi,
                    local=sa.path.local,
                    remote=sa.path.remote,
                    encryption=sa.encryption,
                    encryption_key=sa.encryption_key,
                    integrity=sa.integrity,
                    integrity_key=sa.integrity_key,
                    replay_window=sa.replay_window,
                    extended_sequence_numbers=sa.extended_sequence_numbers,
                    encapsulation=Encapsulation(sa.path.local_port, sa.path.remote_port) if udp else None,
                    lifetime=Lifetime(
                        soft_octets=sa.soft_octets,
                        hard_octets=sa.hard_octets,
                        soft_packets=0 if sa.extended_sequence_numbers else SOFT_PACKETS,
                    ),
                    policy=sa.flow or None,
                    transport=sa.transport,
                )
            )
        except PlaneError as error:
            return str(error)
        return None

    def _usage(self, query: fx.QueryUsage) -> fx.Usage:
        if self._plane is None:
            return fx.Usage(None, None)
        device = self._hooks.bundle_of(query.owner)
        now = self._clock()
        idle: list[float | None] = []
        for direction, spi in ((Direction.IN, query.inbound_spi), (Direction.OUT, query.outbound_spi)):
            try:
                last = self._plane.sa_counters(direction, spi, device).last_used
            except PlaneError:
                last = 0.0  # the SA went in the meantime: as good as never used
            idle.append(now - last if last else None)
        return fx.Usage(idle[0], idle[1])

    def _count(self, name: str) -> None:
        self.counters[name] = self.counters.get(name, 0) + 1


def _inbound(tunnel: TunnelStatus) -> dict[tuple[str, int], frozenset[int]]:
    """SPIs of the SAs that a peer's flows receive on, by owner and flow; flows without one are left out.

    Of a new pair the inbound SA comes first; the engine sends on the pair once the old one leaves, or before.
    """
    found = {(flow.owner, flow.number): frozenset(sa.spi for sa in flow.sas if sa.inbound) for flow in tunnel.flows}
    return {key: spis for key, spis in found.items() if spis}


def _detach(port: int, plane: Plane) -> None:
    plane.detach_udp(port)
