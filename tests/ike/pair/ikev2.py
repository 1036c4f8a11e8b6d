"""The same two sides with IKEv2: pre-shared keys, one proposal, one tunnel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from ipaddress import IPv4Network
from typing import Any

from seikan.config.model_ikev2 import Ikev2Match, Ikev2Peer
from seikan.ike.settings import (
    EngineSettings,
    Ikev2PolicySettings,
    Ikev2ProfileSettings,
    Ikev2ProposalSettings,
    Ikev2Settings,
)
from seikan.wire.constants import ENCRYPTION_BY_NAME, GROUP_BY_NUMBER, HASH_BY_NAME, INTEGRITY_BY_NAME

from .world import KEY, Network, World, with_tunnel

EVERYWHERE = IPv4Network("0.0.0.0/0")
CBC = Ikev2ProposalSettings(
    "default",
    (ENCRYPTION_BY_NAME["aes-cbc-256"],),
    (INTEGRITY_BY_NAME["hmac-sha256-128"],),
    (HASH_BY_NAME["sha256"],),
    (GROUP_BY_NUMBER[19],),
)
GCM = replace(CBC, encryptions=(ENCRYPTION_BY_NAME["aes-gcm-16-256"],), integrities=())
PEER = Ikev2Peer("ANY", networks=(EVERYWHERE,), local_key=KEY, remote_key=KEY)
PROFILE = Ikev2ProfileSettings(
    "P",
    (),
    (Ikev2Match(network=EVERYWHERE),),
    (),
    None,
    "pre-share",
    None,
    ("pre-share",),
    None,
    (PEER,),
    "K",
    None,
    (),
    86400,
    None,
    20,
    None,
)
IKEV2 = Ikev2Settings((Ikev2PolicySettings("default", (), (GCM,)),), (PROFILE,))


def with_ikev2(base: EngineSettings, **changes: object) -> EngineSettings:
    """`base` with IKEv2 for its tunnel, and changed fields of its profile or of the global settings."""

    def of(kind: type) -> dict[str, Any]:
        return {name: value for name, value in changes.items() if name in {field.name for field in fields(kind)}}

    base = replace(base, policies=(), keys=())
    if base.tunnels:
        base = with_tunnel(base, ikev2_profile="P")
    profile = replace(PROFILE, **of(Ikev2ProfileSettings))
    proposals = changes.get("proposals", (GCM,))
    policy = Ikev2PolicySettings("default", (), proposals)  # type: ignore[arg-type]
    wanted = {"profiles": (profile,), "policies": (policy,)} | of(Ikev2Settings)
    return replace(base, ikev2=replace(base.ikev2, **wanted))


def ikev2_world(
    seed: int,
    network: Network | None = None,
    *,
    change: Callable[[EngineSettings], EngineSettings] = with_ikev2,
    **options: Any,
) -> World:
    return World(seed, network, change=change, **options)
