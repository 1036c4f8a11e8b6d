"""The userspace plane: the port over the Rust data plane.

Packets never come here; this module turns the port's types into the native module's and back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
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
    SaCounters,
    SecurityAssociation,
    TunnelCounters,
    TunnelParameters,
)

# One worker seals while another opens; more than this contend for the sockets.
_WORKERS = range(2, 9)


@contextmanager
def _plane_errors() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, OverflowError) as error:
        raise PlaneError(str(error)) from None


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
        with _plane_errors():
            self._native = _native.Plane(workers)

    def create_tunnel(self, tunnel: TunnelParameters) -> None:
        with _plane_errors():
            self._native.create_tunnel(*_parameters(tunnel))

    def update_tunnel(self, tunnel: TunnelParameters) -> None:
        with _plane_errors():
            self._native.update_tunnel(*_parameters(tunnel))

    def remove_tunnel(self, device: str) -> None:
        with _plane_errors():
            self._native.remove_tunnel(device)

    def set_carrier(self, device: str, up: bool) -> None:
        with _plane_errors():
            self._native.set_carrier(device, up)

    def add_sa(self, sa: SecurityAssociation) -> None:
        life = sa.lifetime
        with _plane_errors():
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
            )

    def update_endpoint(
        self,
        direction: Direction,
        spi: int,
        tunnel: str,
        local: Address,
        remote: Address,
        encapsulation: Encapsulation | None,
    ) -> None:
        with _plane_errors():
            self._native.update_endpoint(direction.value, spi, tunnel, str(local), str(remote), _ports(encapsulation))

    def remove_sa(self, direction: Direction, spi: int, tunnel: str) -> None:
        with _plane_errors():
            self._native.remove_sa(direction.value, spi, tunnel)

    def tunnel_counters(self, device: str) -> TunnelCounters:
        with _plane_errors():
            packets_in, packets_out, octets_in, octets_out, drops = self._native.tunnel_counters(device)
        return TunnelCounters(packets_in, packets_out, octets_in, octets_out, dict(drops))

    def sa_counters(self, direction: Direction, spi: int, tunnel: str) -> SaCounters:
        with _plane_errors():
            packets, octets, errors, last_used = self._native.sa_counters(direction.value, spi, tunnel)
        return SaCounters(packets, octets, dict(errors), last_used)

    def drops(self) -> dict[str, int]:
        return dict(self._native.drops())

    def attach_udp(self, fileno: int, port: int) -> bool:
        with _plane_errors():
            self._native.attach_udp(fileno, port)
        return True

    def detach_udp(self, port: int) -> None:
        with _plane_errors():
            self._native.detach_udp(port)

    def fileno(self) -> int:
        return self._native.fileno()

    def poll(self) -> list[PlaneEvent | IkeDatagram]:
        return [_notice(row) for row in self._native.poll()]

    def close(self) -> None:
        self._native.close()


def _parameters(
    tunnel: TunnelParameters,
) -> tuple[str, str, str, str, int, int | None, int, str, int | None]:
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
    )


def _address(text: str | None) -> Address | None:
    return None if text is None else ip_address(text)


def _notice(row: _native._Event | _native._Ike) -> PlaneEvent | IkeDatagram:
    if len(row) == 5:
        data, at, at_port, source, source_port = row
        return IkeDatagram(data, ip_address(at), at_port, ip_address(source), source_port)
    kind, tunnel, spi, direction, remote, remote_port, local, mtu, sequence = row
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
    )
