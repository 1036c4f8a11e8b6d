"""The labs there are: `seikan lab up NAME`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from seikan.lab.hub import proof as hub
from seikan.lab.hub.network import HUB_AND_SPOKES
from seikan.lab.migrate import proof as migrate
from seikan.lab.migrate.network import MIGRATION
from seikan.lab.session import Scenario
from seikan.lab.vti import proof as vti
from seikan.lab.vti.network import VTI

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        each.topology.name: each
        for each in (
            Scenario(VTI, vti.demonstrate),
            Scenario(HUB_AND_SPOKES, hub.demonstrate, hub.LOOKS),
            Scenario(MIGRATION, migrate.demonstrate, migrate.LOOKS),
        )
    }
)
