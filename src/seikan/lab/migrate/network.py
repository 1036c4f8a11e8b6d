"""Two sites with hosts, the provider between them, and something else that it leads to.

H1 10.10.1.10 ─┐                                                                ┌─ H3 10.30.1.10
   10.10.2.10 ─┴─ R1 FastEthernet0/0 10.1.12.1 ─ R2 (pro- ─ 10.1.23.3 Fa1/0 R3 ─┼─    10.30.2.10
                     FastEthernet0/1             vider)           Fa1/1         └─    10.30.3.10
                                                198.51.100.1, the Internet
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from seikan.lab.topology import (
    PROVIDER,
    Machine,
    Port,
    Router,
    Topology,
    Wire,
    base,
    default_route,
    lan,
    to_provider,
    wan,
)

INTERNET = "198.51.100.1"
INNER = tuple(
    IPv4Network(network) for network in ("10.10.1.0/24", "10.10.2.0/24", "10.30.1.0/24", "10.30.2.0/24", "10.30.3.0/24")
)
"""What the provider must never read."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """A line of the crypto access lists, and the counted stream that it protects.

    `protocol` and `port` are those of the line, R3's end has the port; None for all of IP.
    """

    label: str
    local: IPv4Network
    remote: IPv4Network
    rate: float  # packets a second
    size: int  # octets of an IP packet
    protocol: int | None = None
    port: int | None = None

    def ends(self, number: int) -> tuple[tuple[str, str, int], tuple[str, str, int]]:
        """Node, address and UDP port of both ends."""
        port = 7000 + number
        return ("H1", str(self.local[10]), port), ("H3", str(self.remote[10]), self.port or port)


TRAFFIC = (
    Traffic("one", IPv4Network("10.10.1.0/24"), IPv4Network("10.30.1.0/24"), 50.0, 1000),
    Traffic("two", IPv4Network("10.10.2.0/24"), IPv4Network("10.30.2.0/24"), 20.0, 200),
    Traffic("sip", IPv4Network("10.10.1.0/24"), IPv4Network("10.30.3.0/24"), 20.0, 400, protocol=17, port=5060),
)

MIGRATION = Topology(
    "migrate",
    "two sites with crypto maps that become tunnels one end at a time, under counted traffic",
    routers=(
        Router(
            "R1",
            base(
                "R1",
                wan("FastEthernet0/0", "10.1.12.1"),
                lan("FastEthernet0/1", "10.10.1.1", "10.10.2.1"),
                default_route("10.1.12.2"),
            ),
        ),
        Router(
            "R3",
            base(
                "R3",
                wan("FastEthernet1/0", "10.1.23.3"),
                lan("FastEthernet1/1", "10.30.1.1", "10.30.2.1", "10.30.3.1"),
                default_route("10.1.23.2"),
            ),
        ),
    ),
    machines=(
        Machine(PROVIDER, forwards=True, loopback=(f"{INTERNET}/32",)),
        Machine("H1", routes=(("default", "10.10.1.1"),)),
        Machine("H3", routes=(("default", "10.30.1.1"),)),
    ),
    wires=(
        to_provider("R1", "FastEthernet0/0", "wan0", "10.1.12.2/24"),
        to_provider("R3", "FastEthernet1/0", "wan1", "10.1.23.2/24"),
        Wire(
            Port("R1", "lan0", ios_name="FastEthernet0/1"),
            Port("H1", "eth0", ("10.10.1.10/24", "10.10.2.10/24")),
        ),
        Wire(
            Port("R3", "lan0", ios_name="FastEthernet1/1"),
            Port("H3", "eth0", ("10.30.1.10/24", "10.30.2.10/24", "10.30.3.10/24")),
        ),
    ),
)
