"""A hub of IKEv2 that knows none of its spokes, with one profile for all and their identities to tell them apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from seikan.config.model_ikev2 import Ikev2Dpd, Ikev2Identity, Ikev2Match, Ikev2Peer
from seikan.ike.settings import DynamicEntrySettings, DynamicMapSettings, EngineSettings
from seikan.wire.secret import Secret
from seikan.wire.selector import Selector

from .hub import DOMAIN, HUB, TEMPLATE, WAN, HubWorld, Nat, Spoke
from .ikev2 import EVERYWHERE, PEER, with_ikev2
from .world import KEY, PHASE_TWO, Network

ANYBODY = (Ikev2Match(network=EVERYWHERE), Ikev2Match(domain=DOMAIN))
DPD = Ikev2Dpd(10, 2, True)


def hub_settings(*own: Ikev2Peer, **changes: Any) -> EngineSettings:
    """Keys of single spokes in `own`, and one for everybody else."""
    base = EngineSettings("HUB", True, (), (), (), (), templates=(TEMPLATE,))
    options = {"identities": ANYBODY, "peers": (*own, PEER), "template": 1, "dpd": DPD}
    return with_ikev2(base, **(options | changes))


def map_settings(*selectors: Selector) -> EngineSettings:
    """A dynamic crypto map with one entry instead."""
    entry = DynamicEntrySettings(10, selectors, replace(PHASE_TWO, name="crypto dynamic-map D 10"), None, "P")
    base = hub_settings(template=None)
    return replace(base, templates=(), dynamic_maps=(DynamicMapSettings(WAN, HUB, 100, (entry,)),))


def named(name: str, key: Secret) -> Ikev2Peer:
    """The keyring's row of one spoke."""
    return Ikev2Peer(name, identity=Ikev2Identity("fqdn", name), local_key=key, remote_key=key)


class Ikev2Hub(HubWorld):
    def __init__(self, seed: int, network: Network | None = None, configured: EngineSettings | None = None) -> None:
        super().__init__(seed, network, configured or hub_settings())

    def joins(
        self,
        address: str,
        *,
        nat: Nat | None = None,
        identity: str | None = None,
        key: Secret = KEY,
        change: Callable[[EngineSettings], EngineSettings] = lambda base: base,
        **options: Any,
    ) -> Spoke:
        """A spoke with IKEv2; `options` are fields of its profile."""
        wanted: dict[str, Any] = {"dpd": DPD, "peers": (replace(PEER, local_key=key, remote_key=key),)}
        if identity is not None:
            wanted["identity_local"] = Ikev2Identity("email" if "@" in identity else "fqdn", identity)

        def by_ikev2(base: EngineSettings) -> EngineSettings:
            plain = replace(base, profiles=(), keepalive=None)
            return change(with_ikev2(plain, **(wanted | options)))

        return self.spoke(address, nat=nat, change=by_ikev2)
