"""The userspace plane: the port over the Rust data plane.

Packets never come here; this module turns the port's types into the native module's and back.
"""

from __future__ import annotations

import os
from functools import lru_cache
from ipaddress import ip_address

from seikan.plane import _native
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
    TunnelParameters,
)

# One worker seals while another opens; more than this contend for the sockets.
_WORKERS = range(2, 9)


_REFUSALS = (OSError, ValueError, OverflowError)


class _PlaneErrors:
    """What the native module raises becomes a `PlaneError`."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, _REFUSALS):
            raise PlaneError(str(error)) from None


_plane_errors = _PlaneErrors()


def _ports(encapsulation: Encapsulation | None) -> tuple[int, int] | None:
    return (encapsulation.local_port, encapsulation.remote_port) if encapsulation else None


class UserspacePlane:
    """`seikan.plane.base.Plane` over TUN devices and sockets; needs CAP_NET_ADMIN and CAP_NET_RAW.

    `workers` is the number of threads that carry packets, by default one for each processor, from 2 to 8.
    """

    name = "userspace"

    def __init__(self, workers: int | None = None) -> None:
        if workers is None:
            workers = min(max(len(os.sched_getaffinity(0)), _WORKERS.start), _WORKERS.stop - 1)
        with _plane_errors:
            self._native = _native.Plane(workers)

    def create_tunnel(self, tunnel: TunnelParameters) -> None:
        with _plane_errors:
            self._native.create_tunnel(_tunnel(tunnel))

    def update_tunnel(self, tunnel: TunnelParameters) -> None:
        with _plane_errors:
            self._native.update_tunnel(_tunnel(tunnel))

    def remove_tunnel(self, device: str) -> None:
        with _plane_errors:
            self._native.remove_tunnel(device)

    def set_carrier(self, device: str, up: bool) -> None:
        with _plane_errors:
            self._native.set_carrier(device, up)

    def add_sa(self, sa: SecurityAssociation) -> None:
        life = sa.lifetime
        with _plane_errors:
            self._native.add_sa(
                sa.tunnel,
                sa.direction.value,
                sa.spi,
                str(sa.local),
                str(sa.remote),
                _ports(sa.encapsulation),
                sa.encryption.name,
                sa.encryption_key,
                sa.integrity.name if sa.integrity else None,
                sa.integrity_key,
                sa.replay_window,
                sa.extended_sequence_numbers,
                (life.soft_octets, life.hard_octets, life.soft_packets, life.hard_packets),
                sa.policy,
                sa.transport,
            )

    def reserve_spi(self, spi: int) -> None:
        with _plane_errors:
            self._native.reserve_spi(spi)

    def update_endpoint(
        self,
        direction: Direction,
        spi: int,
        tunnel: str,
        local: Address,
        remote: Address,
        encapsulation: Encapsulation | None,
    ) -> None:
        with _plane_errors:
            self._native.update_endpoint(direction.value, spi, tunnel, str(local), str(remote), _ports(encapsulation))

    def remove_sa(self, direction: Direction, spi: int, tunnel: str) -> None:
        with _plane_errors:
            self._native.remove_sa(direction.value, spi, tunnel)

    def tunnel_counters(self, device: str) -> TunnelCounters:
        with _plane_errors:
            return _counters(self._native.tunnel_counters(device))

    def policy_counters(self, device: str, policy: int) -> TunnelCounters:
        with _plane_errors:
            return _counters(self._native.policy_counters(device, policy))

    def send_keepalive(self, device: str) -> None:
        with _plane_errors:
            self._native.send_keepalive(device)

    def sa_counters(self, direction: Direction, spi: int, tunnel: str) -> SaCounters:
        with _plane_errors:
            packets, octets, errors, last_used = self._native.sa_counters(direction.value, spi, tunnel)
        return SaCounters(packets, octets, dict(errors), last_used)

    def drops(self) -> dict[str, int]:
        return dict(self._native.drops())

    def attach_udp(self, fileno: int, port: int) -> bool:
        with _plane_errors:
            self._native.attach_udp(fileno, port)
        return True

    def detach_udp(self, port: int) -> None:
        with _plane_errors:
            self._native.detach_udp(port)

    def fileno(self) -> int:
        return self._native.fileno()

    def poll(self) -> list[PlaneEvent | IkeDatagram]:
        return [_notice(row) for row in self._native.poll()]

    def close(self) -> None:
        self._native.close()


def _tunnel(tunnel: TunnelParameters) -> _native._Tunnel:
    return (
        tunnel.device,
        tunnel.mode.value,
        str(tunnel.source),
        str(tunnel.destination),
        tunnel.mtu,
        tunnel.key,
        tunnel.ttl,
        tunnel.df.value,
        tunnel.tos,
        tunnel.bundle,
        [_policy(policy) for policy in tunnel.policies],
    )


def _policy(policy: Policy) -> _native._Policy:
    selector = policy.selector
    local, remote = ((str(net.network_address), net.prefixlen) for net in (selector.local, selector.remote))
    return (policy.number, local, remote, selector.protocol, selector.local_port, selector.remote_port)


def _counters(row: _native._Counters) -> TunnelCounters:
    packets_in, packets_out, octets_in, octets_out, drops = row
    return TunnelCounters(packets_in, packets_out, octets_in, octets_out, dict(drops))


@lru_cache(1024)
def _known(text: str) -> Address:
    """Most events are about peers that were heard of before."""
    return ip_address(text)


def _address(text: str | None) -> Address | None:
    return None if text is None else _known(text)


def _notice(row: _native._Event | _native._Ike) -> PlaneEvent | IkeDatagram:
    if len(row) == 5:
        data, at, at_port, source, source_port = row
        return IkeDatagram(data, _known(at), at_port, _known(source), source_port)
    kind, tunnel, spi, direction, remote, remote_port, local, mtu, sequence, policy = row
    return PlaneEvent(
        EventKind(kind),
        tunnel,
        spi,
        direction=None if direction is None else Direction(direction),
        remote=_address(remote),
        remote_port=remote_port,
        local=_address(local),
        mtu=mtu,
        sequence=sequence,
        policy=policy,
    )
