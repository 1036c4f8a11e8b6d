"""What the engine knows of a peer when something fails, for `diagnosis`."""

from __future__ import annotations

from typing import Any

from seikan.ike.advice import Facts
from seikan.ike.effects import Address
from seikan.ike.identity import Identity
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


def keys_of(profile: Ikev2ProfileSettings, remote: Address, identity: Identity | None) -> dict[str, Any]:
    """Fields of `Facts` that say where the key for a peer stands or would have to."""
    peer = next(find_peers(profile, remote, identity), None)
    return {
        "keyring": profile.keyring,
        "peer": peer.name if peer is not None else None,
        "key_in_profile": profile.remote_key is not None,
    }


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
        **(keys_of(profile, row.remote, None) if profile is not None else {}),
        matches=profile.identities if profile is not None else (),
        own_identity=_own_identity(settings, profile, tunnel) if profile is not None else None,
        remote_methods=profile.remote_authentications if profile is not None else (),
        trustpoint=profile.sign.name if profile is not None and profile.sign is not None else None,
        fragmentation=bool(settings.ikev2.fragmentation),
    )
