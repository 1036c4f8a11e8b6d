"""What the engine knows of a peer when something fails, for `diagnosis`."""

from __future__ import annotations

from seikan.ike.advice import Facts
from seikan.ike.sa import Flow, Tunnel
from seikan.ike.settings import EngineSettings, Ikev2ProfileSettings
from seikan.ike.v2.identities import find_peers
from seikan.ike.v2.proposals import proposals_for


def _own_identity(settings: EngineSettings, profile: Ikev2ProfileSettings, tunnel: Tunnel) -> str | None:
    """As it is configured; None where it is the subject of a certificate."""
    identity = profile.identity_local
    if identity is None:
        return str(tunnel.settings.local) if profile.local_authentication == "pre-share" else None
    if identity.value is not None or identity.kind == "dn":
        return identity.value
    return str(tunnel.settings.local) if identity.kind == "address" else settings.hostname


def facts_of(settings: EngineSettings, whose: Tunnel | Flow) -> Facts:
    """Everything that is configured about a tunnel, and of its flow or, where none is meant, its first one."""
    tunnel = whose if isinstance(whose, Tunnel) else whose.tunnel
    flow = next(iter(tunnel.flows.values()), None) if isinstance(whose, Tunnel) else whose
    row = tunnel.settings
    profile = next((one for one in settings.ikev2.profiles if one.name == row.ikev2_profile), None)
    return Facts(
        tunnel.name,
        row.local,
        row.remote,
        version=tunnel.version,
        policies=settings.policies,
        proposals=proposals_for(settings.ikev2.policies, row.local),
        phase_two=flow.settings.phase_two if flow is not None else None,
        selectors=(flow.settings.selector, *flow.settings.more) if flow is not None else (),
        profile=row.ikev2_profile or row.isakmp_profile or None,
        keyring=profile.keyring if profile is not None else None,
        peer=next((one.name for one in find_peers(profile, row.remote, None)), None) if profile is not None else None,
        matches=profile.identities if profile is not None else (),
        own_identity=_own_identity(settings, profile, tunnel) if profile is not None else None,
        remote_methods=profile.remote_authentications if profile is not None else (),
        trustpoint=profile.sign.name if profile is not None and profile.sign is not None else None,
        fragmentation=bool(settings.ikev2.fragmentation),
    )
