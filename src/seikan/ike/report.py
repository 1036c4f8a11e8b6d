"""The engine's state as `status` shows it."""

from __future__ import annotations

from seikan.ike.core import Core
from seikan.ike.sa import ChildSa, IkeSa, Tunnel
from seikan.ike.status import EngineStatus, IpsecSaStatus, IsakmpSaStatus, TunnelStatus
from seikan.ike.winners import best_ike_sa


def engine_status(core: Core, now: float) -> EngineStatus:
    """A snapshot at `now`."""
    sas = [sa for tunnel in core.tunnels.values() for sa in tunnel.ike_sas]
    return EngineStatus(
        core.settings.enabled,
        tuple(_isakmp_sa(sa, now) for sa in sas),
        tuple(_tunnel(tunnel, now) for tunnel in core.tunnels.values()),
        dict(core.counters),
    )


def _isakmp_sa(sa: IkeSa, now: float) -> IsakmpSaStatus:
    return IsakmpSaStatus(
        sa.conn_id,
        sa.tunnel.name,
        sa.path.local,
        sa.path.local_port,
        sa.path.remote,
        sa.path.remote_port,
        sa.state.value,
        "ACTIVE",
        sa.initiator,
        sa.policy,
        None if sa.established_at is None else max(0.0, sa.established_at + sa.lifetime - now),
        sa.dpd,
        sa.nat_vendor is not None,
        sa.nat_local,
        sa.nat_remote,
        sa.fragmentation,
        sa.aggressive,
        sa.peer_identity,
        (sa.cookie_i, sa.cookie_r),
    )


def _session(tunnel: Tunnel) -> str:
    """IOS's word of `show crypto session`."""
    established = any(sa.established for sa in tunnel.ike_sas)
    if tunnel.up:
        return "UP-ACTIVE" if established else "UP-NO-IKE"
    if established:
        return "UP-IDLE"
    return "DOWN-NEGOTIATING" if tunnel.ike_sas else "DOWN"


def _pair(child: ChildSa, now: float) -> list[IpsecSaStatus]:
    directions = [
        (True, child.inbound_spi, child.inbound_installed),
        (False, child.outbound_spi, child.outbound_installed),
    ]
    return [
        IpsecSaStatus(
            inbound,
            spi,
            child.conn_id + (0 if inbound else 1),
            child.transform_set,
            child.udp_encapsulation,
            child.lifetime_kilobytes * 1024,
            max(0.0, (child.completed or now) + child.lifetime_seconds - now),
            child.tunnel.settings.replay_window,
            False,
            child.pfs_group,
        )
        for inbound, spi, installed in directions
        if installed
    ]


def _tunnel(tunnel: Tunnel, now: float) -> TunnelStatus:
    sa = best_ike_sa([sa for sa in tunnel.ike_sas if sa.established])
    pairs = [child for child in reversed(tunnel.children) if not child.removed]
    return TunnelStatus(
        tunnel.name,
        _session(tunnel),
        tunnel.up,
        None if tunnel.up_since is None else now - tunnel.up_since,
        sa.path.remote_port if sa else pairs[0].path.remote_port if pairs else 500,
        tuple(row for child in pairs for row in _pair(child, now)),
        tunnel.last_error,
        None if tunnel.last_error_at is None else now - tunnel.last_error_at,
        tunnel.mismatches,
    )
