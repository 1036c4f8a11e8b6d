"""The engine's state as `status` shows it."""

from __future__ import annotations

from seikan.ike.core import Core
from seikan.ike.sa import ChildSa, Flow, Tunnel
from seikan.ike.status import EngineStatus, FlowStatus, Ikev2SaStatus, IpsecSaStatus, IsakmpSaStatus, TunnelStatus
from seikan.ike.v1.sa import IsakmpSa
from seikan.ike.v2.sa import Ikev2Sa
from seikan.ike.winners import best_ike_sa
from seikan.wire.constants import IKE_PORT


def engine_status(core: Core, now: float) -> EngineStatus:
    """A snapshot at `now`."""
    sas = [sa for tunnel in core.tunnels.values() for sa in tunnel.ike_sas]
    sas += [sa for sa in core.half_open if sa.tunnel.provisional]
    return EngineStatus(
        core.settings.enabled,
        tuple(_isakmp_sa(sa, now) for sa in sas if isinstance(sa, IsakmpSa)),
        tuple(_tunnel(tunnel, now) for tunnel in core.tunnels.values()),
        dict(core.counters),
        tuple(_ikev2_sa(core, sa, now) for sa in sas if isinstance(sa, Ikev2Sa)),
        diagnoses=tuple(core.diagnoses),
    )


def _isakmp_sa(sa: IsakmpSa, now: float) -> IsakmpSaStatus:
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
        sa.tunnel.settings.isakmp_profile,
    )


def _ikev2_sa(core: Core, sa: Ikev2Sa, now: float) -> Ikev2SaStatus:
    choice = sa.choice
    profile = core.ikev2_profile_of(sa.tunnel) or sa.profile
    return Ikev2SaStatus(
        sa.conn_id,
        sa.tunnel.name,
        sa.path.local,
        sa.path.local_port,
        sa.path.remote,
        sa.path.remote_port,
        "READY" if sa.established else "DELETE" if sa.deleted else "IN-NEG",
        sa.initiator,
        (sa.spi_i, sa.spi_r),
        choice.encryption if choice else None,
        choice.integrity if choice else None,
        choice.prf if choice else None,
        choice.group.number if choice else None,
        tuple(row.number for row in choice.additional) if choice else (),
        sa.ppk_used,
        sa.local_authentication,
        sa.remote_authentication,
        sa.lifetime,
        None if sa.established_at is None else now - sa.begun_at,
        None if sa.established_at is None else max(0.0, sa.established_at + sa.lifetime - now),
        sa.rekeys,
        sa.own_identity,
        sa.peer_identity,
        profile.name if profile is not None else None,
        (sa.window.next_id, sa.window.expected),
        sa.window.size,
        profile.dpd.interval if profile is not None and profile.dpd is not None else 0,
        sa.nat_local,
        sa.nat_remote,
        sa.fragmentation,
        sa.mobike,
        sa.ticket is not None,
        tuple(
            (child.inbound_spi, child.outbound_spi)
            for child in sa.tunnel.children
            if child.ike_sa is sa and not child.removed
        ),
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
            child.flow.settings.phase_two.replay_window,
            child.extended,
            child.pfs_group,
            child.selector,
        )
        for inbound, spi, installed in directions
        if installed
    ]


def _flow(flow: Flow, now: float) -> FlowStatus:
    pairs = [child for child in reversed(flow.children) if not child.removed]
    return FlowStatus(
        flow.owner.name,
        flow.number,
        flow.settings.selector,
        flow.up,
        None if flow.up_since is None else now - flow.up_since,
        tuple(row for child in pairs for row in _pair(child, now)),
    )


def _tunnel(tunnel: Tunnel, now: float) -> TunnelStatus:
    sa = best_ike_sa(tunnel.established())
    pair = next((child for child in reversed(tunnel.children) if not child.removed), None)
    newest = max(
        (tunnel.trouble, *(flow.trouble for flow in tunnel.flows.values())), key=lambda trouble: trouble.at or 0.0
    )
    return TunnelStatus(
        tunnel.name,
        tunnel.settings.local,
        tunnel.settings.remote,
        sa.path.remote_port if sa else pair.path.remote_port if pair else IKE_PORT,
        _session(tunnel),
        sa.peer_identity if sa else tunnel.session.identity.name if tunnel.session else None,
        tunnel.settings.isakmp_profile,
        tunnel.session is not None,
        tunnel.up,
        None if tunnel.up_since is None else now - tunnel.up_since,
        sa.established_at if sa else None,
        newest.text,
        None if newest.at is None else now - newest.at,
        newest.mismatches,
        tuple(_flow(flow, now) for flow in tunnel.flows.values()),
        ikev2_profile=tunnel.settings.ikev2_profile or None,
        diagnosis=newest.diagnosis,
    )
