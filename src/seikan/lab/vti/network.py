"""Two routers and the provider between them.

R1  Loopback0 1.1.1.1/32                               R3  Loopback0 3.3.3.3/32
    FastEthernet0/0 10.1.12.1/24 --- R2 (provider) --- FastEthernet1/0 10.1.23.3/24
"""

from __future__ import annotations

from seikan.lab.topology import (
    PROVIDER,
    Machine,
    Router,
    Topology,
    base,
    default_route,
    loopback,
    ospf,
    to_provider,
    wan,
)


def site(name: str, router_id: str, interface: str, address: str, gateway: str) -> Router:
    """A router with a loopback in OSPF, one wire to the provider and a default route through it."""
    return Router(
        name,
        base(name, loopback(router_id), wan(interface, address), ospf(router_id), default_route(gateway)),
    )


VTI = Topology(
    "vti",
    "two routers, a tunnel typed first as GRE, then as IPsec",
    routers=(
        site("R1", "1.1.1.1", "FastEthernet0/0", "10.1.12.1", "10.1.12.2"),
        site("R3", "3.3.3.3", "FastEthernet1/0", "10.1.23.3", "10.1.23.2"),
    ),
    machines=(Machine(PROVIDER, forwards=True),),
    wires=(
        to_provider("R1", "FastEthernet0/0", "wan0", "10.1.12.2/24"),
        to_provider("R3", "FastEthernet1/0", "wan1", "10.1.23.2/24"),
    ),
)
