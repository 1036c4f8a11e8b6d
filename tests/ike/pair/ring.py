"""Any number of sides that reach each other by their addresses, without a NAT."""

from __future__ import annotations

from seikan.ike.effects import Address, Path
from seikan.ike.settings import EngineSettings

from .world import TUNNEL, Network, Side, Simulation


class Ring(Simulation):
    def __init__(self, seed: int, network: Network | None = None) -> None:
        super().__init__(seed, network)
        self.sides: dict[Address, Side] = {}

    def add(self, name: str, address: Address, settings: EngineSettings) -> Side:
        """A side whose tunnel can run from now on."""
        side = self.sides[address] = Side(self, name, address, settings)
        side.engine.initiate(TUNNEL, self.now)
        side.drain()
        return side

    def move(self, side: Side, address: Address) -> None:
        """The side has another address now; what is sent to the old one is lost."""
        self.sides = {known: row for known, row in self.sides.items() if row is not side}
        self.sides[address] = side
        side.address = address

    def translate(self, side: Side, path: Path) -> tuple[Side | None, Path]:
        seen = Path(path.remote, path.remote_port, path.local, path.local_port)
        return (self.sides.get(path.remote) if path.local == side.address else None), seen
