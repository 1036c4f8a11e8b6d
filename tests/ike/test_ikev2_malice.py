"""What a peer that has a key could try against others with IKEv2, and what must come of it: nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seikan.config.model_ikev2 import Ikev2Peer
from seikan.ike.effects import Path
from seikan.wire.secret import Secret
from seikan.wire.v2.constants import Exchange
from seikan.wire.v2.header import pull_header

from .pair.hub import DOMAIN, HUB
from .pair.ikev2 import EVERYWHERE
from .pair.ikev2_hub import Ikev2Hub, hub_settings
from .pair.world import Side
from .test_ikev2_attacks import count, deliver

NAME = f"a.{DOMAIN}"
OWN = Secret(b"of its own")


def test_whoever_forges_where_its_proof_comes_from_takes_nobodys_place() -> None:
    """The response of IKE_SA_INIT goes to a NAT's address, IKE_AUTH comes from the place of the one to be robbed."""
    world = Ikev2Hub(1)
    victim = world.joins("198.51.100.1", identity=NAME)
    world.connect(victim)
    world.assert_exactly([victim])
    thief = world.joins("192.168.1.2", nat=world.nat("203.0.113.1"), identity=NAME)

    def forward(side: Side, path: Path, data: bytes) -> bool:
        if side is thief and pull_header(data).exchange == Exchange.IKE_AUTH:
            deliver(world.hub, data, Path(HUB, 4500, victim.address, 500))
            return False
        return True

    world.forward = forward
    thief.initiate()
    world.run(1.0)
    (tunnel,) = (tunnel for tunnel in world.hub.engine._core.tunnels.values() if tunnel.session)
    assert len(tunnel.established()) == 1
    world.run(30.0)
    world.assert_exactly([victim])
    assert victim.downs == world.hub.downs == 0


@pytest.mark.parametrize("row", ["hostname", "address"])
def test_the_key_of_all_does_not_prove_who_has_one_of_its_own(row: str) -> None:
    own = Ikev2Peer(NAME, local_key=OWN, remote_key=OWN)
    if row == "hostname":
        own, claimed = replace(own, hostname=NAME), NAME
    else:
        own, claimed = replace(own, networks=(type(EVERYWHERE)("198.51.100.7/32"),)), None
    world = Ikev2Hub(2, configured=hub_settings(own))
    if claimed is not None:
        thief = world.joins("198.51.100.66", identity=claimed)
    else:
        thief = world.joins("198.51.100.7", nat=world.nat("203.0.113.9"))
    world.connect(thief, seconds=20.0)
    assert not thief.up
    assert count(world.hub, "identity_theft") >= 1
    assert not world.hub.access
