"""A plane without packets, for tests of what uses the port.

It keeps the books as the port demands and refuses what a real plane refuses; the methods under
"for tests" play the network: packets that cross, events, IKE datagrams.
"""

from __future__ import annotations

import os
import socket
from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from seikan.plane.base import (
    Address,
    Direction,
    Encapsulation,
    EventKind,
    IkeDatagram,
    PlaneError,
    PlaneEvent,
    Policy,
    SaCounters,
    SecurityAssociation,
    TunnelCounters,
    TunnelMode,
    TunnelParameters,
)
from seikan.wire.selector import Selector

_FIRST_SPI = 256  # RFC 4303 section 2.1
_LARGEST_REPLAY_WINDOW = 4096
_MTU = range(68, 65536)
_DEVICE_NAME_OCTETS = 15
_TAKE = 256
_KEEPALIVES = 4  # that are waited for at once
_HELD = 64  # packets of one reserved SPI
_RESERVATIONS = 4096
_ACQUIRE_AGAIN = 1.0  # seconds between two requests for an SA of one policy


@dataclass(slots=True)
class _Sa:
    sa: SecurityAssociation
    packets: int = 0
    octets: int = 0
    last_used: float = 0.0
    soft_reported: bool = False
    hard_reported: bool = False
    errors: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Traffic:
    """What crossed a device, or was of a policy."""

    packets: Counter[Direction] = field(default_factory=Counter)
    octets: Counter[Direction] = field(default_factory=Counter)
    drops: Counter[str] = field(default_factory=Counter)

    def counters(self) -> TunnelCounters:
        return TunnelCounters(
            self.packets[Direction.IN],
            self.packets[Direction.OUT],
            self.octets[Direction.IN],
            self.octets[Direction.OUT],
            dict(self.drops),
        )


@dataclass(slots=True)
class _PolicyState:
    policy: Policy
    traffic: _Traffic = field(default_factory=_Traffic)
    asked: float | None = None  # when an SA was last asked for


@dataclass(slots=True)
class _Tunnel:
    parameters: TunnelParameters
    policies: dict[int, _PolicyState]
    carrier: bool = False
    keepalives: int = 0  # sent and not back
    traffic: _Traffic = field(default_factory=_Traffic)

    @property
    def bundle(self) -> str | None:
        """The name its SAs are added under; None for GRE in clear."""
        return self.parameters.device if self.parameters.mode is TunnelMode.IPSEC else self.parameters.bundle


class MemoryPlane:
    """`seikan.plane.base.Plane` in memory; `reads_udp` is what `attach_udp` answers."""

    name = "memory"

    def __init__(self, *, reads_udp: bool = True) -> None:
        self._reads_udp = reads_udp
        self._tunnels: dict[str, _Tunnel] = {}
        self._inbound: dict[int, _Sa] = {}
        self._held: dict[int, list[Callable[[], bool]]] = {}  # by reserved SPI, the oldest first
        self._outbound: list[_Sa] = []  # by age; the last one of a bundle and policy is in use
        self._drops: Counter[str] = Counter()
        self._attached: set[tuple[socket.AddressFamily, int]] = set()
        self._notices: deque[PlaneEvent | IkeDatagram] = deque()
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._closed = False

    def create_tunnel(self, tunnel: TunnelParameters) -> None:
        if self._closed:
            raise PlaneError("the plane is closed")
        self._check(tunnel)
        if tunnel.device in self._tunnels:
            raise PlaneError(f"tunnel {tunnel.device} exists already")
        self._tunnels[tunnel.device] = _Tunnel(
            tunnel, {policy.number: _PolicyState(policy) for policy in tunnel.policies}
        )

    def update_tunnel(self, tunnel: TunnelParameters) -> None:
        known = self._tunnel(tunnel.device)
        self._check(tunnel)
        old, bundle = known.parameters, known.bundle
        moved = (old.mode, old.source, old.destination) != (tunnel.mode, tunnel.source, tunnel.destination)
        if moved and (bundle is None or self._members(bundle) == [known]):
            self._remove_sas(bundle)
        kept = {number for number, state in known.policies.items() if state.policy in tunnel.policies}
        if not kept >= known.policies.keys() or bool(old.policies) != bool(tunnel.policies):
            self._remove_sas(bundle, kept)
        known.policies = {
            policy.number: known.policies[policy.number] if policy.number in kept else _PolicyState(policy)
            for policy in tunnel.policies
        }
        known.parameters = tunnel
        self._end_bundle(bundle)

    def remove_tunnel(self, device: str) -> None:
        bundle = self._tunnel(device).bundle
        del self._tunnels[device]
        self._end_bundle(bundle)

    def set_carrier(self, device: str, up: bool) -> None:
        self._tunnel(device).carrier = up

    def add_sa(self, sa: SecurityAssociation) -> None:
        members = self._members(sa.tunnel)
        if not members:
            self._tunnel(sa.tunnel)
            raise PlaneError(
                f"tunnel {sa.tunnel} is in mode gre: an SA needs mode ipsec, or a bundle that the tunnel names"
            )
        tunnel = members[0]
        if sa.transport and tunnel.parameters.mode is TunnelMode.IPSEC:
            raise PlaneError(f"{sa.tunnel} is in mode ipsec: an SA in transport mode is for GRE tunnels")
        if sa.policy is None and tunnel.policies:
            raise PlaneError(f"{sa.tunnel} has policies: an SA needs the number of one")
        if sa.policy is not None and sa.policy not in tunnel.policies:
            raise PlaneError(f"{sa.tunnel} has no policy {sa.policy}")
        _check_spi(sa.spi)
        if sa.replay_window > _LARGEST_REPLAY_WINDOW:
            raise PlaneError(
                f"a replay window of {sa.replay_window} packets is too large: at most {_LARGEST_REPLAY_WINDOW}"
            )
        self._check_keys(sa)
        self._check_path(sa.local, sa.remote, sa.encapsulation)
        if sa.direction is Direction.IN:
            if other := self._inbound.get(sa.spi):
                raise PlaneError(f"inbound SPI {sa.spi:#010x} is in use on {other.sa.tunnel}")
            self._inbound[sa.spi] = _Sa(sa)
            for receive in self._held.pop(sa.spi, ()):
                receive()
        else:
            if any((other.sa.spi, other.sa.tunnel) == (sa.spi, sa.tunnel) for other in self._outbound):
                raise PlaneError(f"outbound SPI {sa.spi:#010x} is on {sa.tunnel} already")
            self._outbound.append(_Sa(sa))

    def reserve_spi(self, spi: int) -> None:
        _check_spi(spi)
        self._held[spi] = self._held.pop(spi, [])
        if len(self._held) > _RESERVATIONS:
            oldest = next(iter(self._held))
            for _ in self._held.pop(oldest):
                self._unknown_spi(oldest, "hold-full")

    def update_endpoint(
        self,
        direction: Direction,
        spi: int,
        tunnel: str,
        local: Address,
        remote: Address,
        encapsulation: Encapsulation | None,
    ) -> None:
        self._check_path(local, remote, encapsulation)
        known = self._sa(direction, spi, tunnel)
        known.sa = replace(known.sa, local=local, remote=remote, encapsulation=encapsulation)

    def remove_sa(self, direction: Direction, spi: int, tunnel: str) -> None:
        known = self._sa(direction, spi, tunnel)
        if direction is Direction.IN:
            del self._inbound[spi]
        else:
            self._outbound.remove(known)

    def tunnel_counters(self, device: str) -> TunnelCounters:
        return self._tunnel(device).traffic.counters()

    def policy_counters(self, device: str, policy: int) -> TunnelCounters:
        return self._policy(self._tunnel(device), policy).traffic.counters()

    def send_keepalive(self, device: str) -> None:
        tunnel = self._tunnel(device)
        if tunnel.parameters.mode is TunnelMode.IPSEC:
            raise PlaneError(f"{device} is in mode ipsec: keepalives need mode gre")
        if tunnel.bundle is not None and self._in_use(tunnel.bundle, None) is None:
            tunnel.traffic.drops["no-sa"] += 1
        else:
            tunnel.keepalives = min(tunnel.keepalives + 1, _KEEPALIVES)

    def sa_counters(self, direction: Direction, spi: int, tunnel: str) -> SaCounters:
        known = self._sa(direction, spi, tunnel)
        return SaCounters(known.packets, known.octets, dict(known.errors), known.last_used)

    def drops(self) -> dict[str, int]:
        return dict(self._drops)

    def attach_udp(self, fileno: int, port: int) -> bool:
        try:
            with socket.socket(fileno=os.dup(fileno)) as duplicate:
                family = duplicate.family
        except OSError as error:
            raise PlaneError(f"the UDP socket of port {port} cannot be shared: {error}") from None
        if not self._reads_udp:
            return False
        if (family, port) in self._attached:
            raise PlaneError(f"a UDP socket of port {port} is attached already")
        self._attached.add((family, port))
        return True

    def detach_udp(self, port: int) -> None:
        self._attached = {(family, other) for family, other in self._attached if other != port}

    def fileno(self) -> int:
        return self._event

    def poll(self) -> list[PlaneEvent | IkeDatagram]:
        taken = [self._notices.popleft() for _ in range(min(_TAKE, len(self._notices)))]
        if taken and not self._notices:
            os.eventfd_read(self._event)
        return taken

    def close(self) -> None:
        self._tunnels.clear()
        self._inbound.clear()
        self._held.clear()
        self._outbound.clear()
        if not self._closed:
            self._closed = True
            os.close(self._event)

    # For tests.

    @property
    def devices(self) -> dict[str, TunnelParameters]:
        """The tunnels by device name."""
        return {device: tunnel.parameters for device, tunnel in self._tunnels.items()}

    def carrier(self, device: str) -> bool:
        """What the device's carrier was last set to; off at first."""
        return self._tunnel(device).carrier

    def sas(self, bundle: str, direction: Direction) -> list[SecurityAssociation]:
        """The SAs of a bundle by age; the last OUT one is in use."""
        installed = self._outbound if direction is Direction.OUT else self._inbound.values()
        return [known.sa for known in installed if known.sa.tunnel == bundle]

    def inject(self, notice: PlaneEvent | IkeDatagram) -> None:
        """Something for `poll`, as it comes from the network."""
        self._notices.append(notice)
        if len(self._notices) == 1:
            os.eventfd_write(self._event, 1)

    def answer_keepalive(self, device: str) -> bool:
        """A keepalive comes back; False where none is waited for, counted as a real plane does."""
        tunnel = self._tunnel(device)
        if not tunnel.keepalives:
            return _dropped("gre-keepalive", 1, tunnel.traffic)
        tunnel.keepalives -= 1
        self.inject(PlaneEvent(EventKind.KEEPALIVE, device, None))
        return True

    def send(self, device: str, octets: int, now: float, packets: int = 1, traffic: Selector | None = None) -> bool:
        """Packets of `octets` each leave by a tunnel; False where they are dropped, counted as a real plane does.

        `traffic` is what they are, which only a tunnel with policies looks at.
        """
        tunnel = self._tunnel(device)
        policy = None
        if tunnel.policies:
            assert traffic is not None
            policy = next((p for p in tunnel.policies.values() if p.policy.selector.contains(traffic)), None)
            if policy is None:
                return _dropped("no-policy", packets, tunnel.traffic)
        counted = [tunnel.traffic] + ([policy.traffic] if policy else [])
        number = policy.policy.number if policy else None
        known = self._in_use(tunnel.bundle, number)
        if tunnel.bundle is not None and known is None:
            if policy is not None and (policy.asked is None or policy.asked + _ACQUIRE_AGAIN <= now):
                policy.asked = now
                self.inject(PlaneEvent(EventKind.ACQUIRE, device, None, Direction.OUT, policy=number))
            return _dropped("no-sa", packets, *counted)
        if known is not None and not self._has_socket(known.sa.local, known.sa.encapsulation):
            return _dropped("no-socket", packets, *counted)
        return self._carry(counted, known, Direction.OUT, octets, now, packets)

    def receive(
        self,
        device: str,
        octets: int,
        now: float,
        packets: int = 1,
        spi: int | None = None,
        traffic: Selector | None = None,
    ) -> bool:
        """Packets of `octets` each arrive for a tunnel: on the inbound SA `spi`, or as GRE in clear without one.

        False too where they are held, which here ends with the SA alone: a plane in memory has no clock.
        """
        tunnel = self._tunnel(device)
        counted = [tunnel.traffic]
        known = None
        if tunnel.parameters.mode is TunnelMode.GRE and tunnel.bundle is not None and spi is None:
            return _dropped("gre-clear", packets, *counted)
        if tunnel.bundle is not None:
            known = self._inbound.get(spi or 0)
            if known is None or known.sa.tunnel != tunnel.bundle:
                held = self._held.get(spi or 0)
                if held is None:
                    return self._unknown_spi(spi, "unknown-spi", packets)
                for _ in range(packets):
                    if len(held) >= _HELD:
                        self._unknown_spi(spi, "hold-full")
                    else:
                        held.append(lambda: self.receive(device, octets, now, 1, spi, traffic))
                return False
            if known.sa.policy is not None:
                policy = self._policy(tunnel, known.sa.policy)
                counted.append(policy.traffic)
                assert traffic is not None
                if not policy.policy.selector.contains(traffic):
                    known.errors["selector-mismatch"] += packets
                    return _dropped("selector-mismatch", packets, *counted)
        return self._carry(counted, known, Direction.IN, octets, now, packets)

    def _unknown_spi(self, spi: int | None, reason: str, packets: int = 1) -> bool:
        self._drops[reason] += packets
        self.inject(PlaneEvent(EventKind.UNKNOWN_SPI, None, spi, Direction.IN))
        return False

    def _carry(
        self, counted: list[_Traffic], known: _Sa | None, direction: Direction, octets: int, now: float, packets: int
    ) -> bool:
        total = packets * octets
        if known is not None:
            life = known.sa.lifetime
            over_packets = 0 < life.hard_packets < known.packets + packets
            over_octets = 0 < life.hard_octets < known.octets + total
            if over_packets or over_octets:
                known.errors["hard-expired"] += packets
                if not known.hard_reported:
                    known.hard_reported = True
                    self.inject(PlaneEvent(EventKind.HARD_EXPIRE, known.sa.tunnel, known.sa.spi, direction))
                return _dropped("hard-expired", packets, *counted)
            known.packets += packets
            known.octets += total
            known.last_used = now
            soft = 0 < life.soft_packets <= known.packets or 0 < life.soft_octets <= known.octets
            if soft and not known.soft_reported:
                known.soft_reported = True
                self.inject(PlaneEvent(EventKind.SOFT_EXPIRE, known.sa.tunnel, known.sa.spi, direction))
        for traffic in counted:
            traffic.packets[direction] += packets
            traffic.octets[direction] += total
        return True

    def _tunnel(self, device: str) -> _Tunnel:
        try:
            return self._tunnels[device]
        except KeyError:
            raise PlaneError(f"there is no tunnel {device}") from None

    def _in_use(self, bundle: str | None, policy: int | None) -> _Sa | None:
        """The outbound SA of a bundle, or of a policy of its tunnel."""
        of = (bundle, policy)
        return next((known for known in reversed(self._outbound) if (known.sa.tunnel, known.sa.policy) == of), None)

    def _members(self, bundle: str) -> list[_Tunnel]:
        return [tunnel for tunnel in self._tunnels.values() if tunnel.bundle == bundle]

    def _end_bundle(self, bundle: str | None) -> None:
        """With its last tunnel a bundle goes, and its SAs."""
        if bundle is not None and not self._members(bundle):
            self._remove_sas(bundle)

    def _sa(self, direction: Direction, spi: int, bundle: str) -> _Sa:
        installed = self._outbound if direction is Direction.OUT else self._inbound.values()
        for known in installed:
            if (known.sa.spi, known.sa.tunnel) == (spi, bundle):
                return known
        raise PlaneError(f"there is no {direction.value}bound SA {spi:#010x} on {bundle}")

    def _policy(self, tunnel: _Tunnel, number: int) -> _PolicyState:
        try:
            return tunnel.policies[number]
        except KeyError:
            raise PlaneError(f"{tunnel.parameters.device} has no policy {number}") from None

    def _remove_sas(self, bundle: str | None, kept: Collection[int] = ()) -> None:
        """All of a bundle's but those of the policies `kept`."""
        stays = [known for known in self._outbound if known.sa.tunnel != bundle or known.sa.policy in kept]
        self._outbound = stays
        self._inbound = {
            spi: known for spi, known in self._inbound.items() if known.sa.tunnel != bundle or known.sa.policy in kept
        }

    def _check(self, tunnel: TunnelParameters) -> None:
        device = tunnel.device
        _same_family(tunnel.source, tunnel.destination)
        if not device or len(device) > _DEVICE_NAME_OCTETS or any(c in "/%" or c.isspace() for c in device):
            raise PlaneError(
                f"\"{device}\" is no interface name: it takes 1 to 15 characters without blanks, '/' and '%'"
            )
        if tunnel.mtu not in _MTU:
            raise PlaneError(f"an MTU of {tunnel.mtu} octets is out of range for {device}: 68 to 65535")
        if tunnel.ttl == 0:
            raise PlaneError(f"a TTL of 0 lets no packet of {device} leave: 1 to 255")
        if tunnel.mode is TunnelMode.GRE and tunnel.policies:
            raise PlaneError(f"{device} is in mode gre: policies need mode ipsec")
        numbers = Counter(policy.number for policy in tunnel.policies)
        if twice := [number for number, count in numbers.items() if count > 1]:
            raise PlaneError(f"policy {twice[0]} is twice on {device}: give each a number of its own")
        if tunnel.mode is TunnelMode.IPSEC and tunnel.bundle not in (None, device):
            raise PlaneError(f"{device} is in mode ipsec: its SAs are its own, it takes no bundle")
        bundle = device if tunnel.mode is TunnelMode.IPSEC else tunnel.bundle
        for member in self._members(bundle) if bundle is not None else ():
            theirs = member.parameters
            if theirs.device == device:
                continue
            if TunnelMode.IPSEC in (tunnel.mode, theirs.mode):
                raise PlaneError(f"{theirs.device} has a bundle called {bundle}: {device} needs one of another name")
            if theirs.key == tunnel.key:
                raise PlaneError(f"{theirs.device} shares the SAs of {device} and has the same GRE key: give one a key")
        if tunnel.mode is TunnelMode.GRE:
            for other in self._tunnels.values():
                theirs = other.parameters
                same = (theirs.source, theirs.destination, theirs.key) == (
                    tunnel.source,
                    tunnel.destination,
                    tunnel.key,
                )
                if same and theirs.device != device and theirs.mode is TunnelMode.GRE:
                    raise PlaneError(
                        f"{theirs.device} has the same GRE source, destination and key as {device}: give one a key"
                    )

    def _check_keys(self, sa: SecurityAssociation) -> None:
        wanted = sa.encryption.key_bits // 8 + sa.encryption.salt
        if len(sa.encryption_key) != wanted:
            raise PlaneError(f"{sa.encryption.name} takes a key of {wanted} octets, not {len(sa.encryption_key)}")
        if sa.encryption.aead:
            if sa.integrity is not None:
                raise PlaneError(f"{sa.encryption.name} has its own integrity; none may be given with it")
        elif sa.integrity is None:
            raise PlaneError(f"{sa.encryption.name} needs an integrity algorithm (RFC 8221 section 5)")
        elif len(sa.integrity_key) != sa.integrity.key:
            raise PlaneError(
                f"{sa.integrity.name} takes a key of {sa.integrity.key} octets, not {len(sa.integrity_key)}"
            )

    def _check_path(self, local: Address, remote: Address, encapsulation: Encapsulation | None) -> None:
        _same_family(local, remote)
        if encapsulation and not self._has_socket(local, encapsulation):
            raise PlaneError(f"no UDP socket of port {encapsulation.local_port} for {local} is attached to the plane")

    def _has_socket(self, local: Address, encapsulation: Encapsulation | None) -> bool:
        family = socket.AF_INET if local.version == 4 else socket.AF_INET6
        return encapsulation is None or not self._reads_udp or (family, encapsulation.local_port) in self._attached


def _dropped(reason: str, packets: int, *counted: _Traffic) -> bool:
    for traffic in counted:
        traffic.drops[reason] += packets
    return False


def _check_spi(spi: int) -> None:
    if spi < _FIRST_SPI:
        raise PlaneError(f"SPI {spi:#010x} is reserved: SPIs start at 0x00000100 (RFC 4303 section 2.1)")


def _same_family(one: Address, other: Address) -> None:
    if one.version != other.version:
        raise PlaneError(f"{one} and {other} are of two address families: both ends must have the same")
