"""The hub, its spokes, a stranger, and the provider between them.

                                          ┌─ R3  Loopback0 3.3.3.3   FastEthernet1/0 10.1.23.3
R1  Loopback0 1.1.1.1                     │
    FastEthernet0/0 10.1.12.1 ─ R2 (pro- ─┼─ N4 (NAT, outside 10.1.24.4) ─ R4  Loopback0 4.4.4.4  192.168.4.4
                                vider)    ├─ R5  Loopback0 5.5.5.5   FastEthernet0/0 10.1.25.5, later 10.1.55.5
                                          └─ R6  10.1.26.6: somebody with another key
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from seikan.lab.topology import (
    PROVIDER,
    Machine,
    Port,
    Router,
    Topology,
    Wire,
    base,
    default_route,
    discard,
    loopback,
    ospf,
    to_provider,
    wan,
)

HUB = "R1"
HUB_ADDRESS = "10.1.12.1"
HUB_ID = "1.1.1.1"
DOMAIN = "lab.example"


@dataclass(frozen=True, slots=True)
class Spoke:
    """A spoke: its router id, its address as the hub sees it, its WAN interface, and what lends the tunnel its own."""

    router: str
    router_id: str
    outside: str
    wan: str
    unnumbered: str


STATIC = Spoke("R3", "3.3.3.3", "10.1.23.3", "fa1/0", "fa1/0")
TRANSLATED = Spoke("R4", "4.4.4.4", "10.1.24.4", "fa0/0", "fa0/0")
MOVING = Spoke("R5", "5.5.5.5", "10.1.25.5", "fa0/0", "lo1")  # its WAN address changes: the loopback's does not
SPOKES = (STATIC, TRANSLATED, MOVING)
MOVING_TUNNEL_ADDRESS = "172.31.5.5"
MOVED_TO = "10.1.55.5"
MOVING_GATEWAYS = ("10.1.25.2", "10.1.55.2")
STRANGER = "R6"
STRANGER_ADDRESS = "10.1.26.6"

INNER = tuple(
    IPv4Network(address)
    for address in (HUB_ID, *(spoke.router_id for spoke in SPOKES), "192.168.4.4", MOVING_TUNNEL_ADDRESS)
)
"""What the provider must never read."""


def _router(name: str, router_id: str, interface: str, address: str, gateway: str, *more: tuple[str, ...]) -> Router:
    others = (each for each in (HUB_ID, *(spoke.router_id for spoke in SPOKES)) if each != router_id)
    sections = (loopback(router_id), wan(interface, address), ospf(router_id), default_route(gateway))
    return Router(name, base(name, *more, *sections, discard(*others)))


HUB_AND_SPOKES = Topology(
    "hub",
    "a hub that makes an interface for each spoke: one behind NAT, one whose address changes, a stranger",
    routers=(
        _router(HUB, HUB_ID, "FastEthernet0/0", HUB_ADDRESS, "10.1.12.2"),
        _router("R3", "3.3.3.3", "FastEthernet1/0", "10.1.23.3", "10.1.23.2"),
        _router("R4", "4.4.4.4", "FastEthernet0/0", "192.168.4.4", "192.168.4.1"),
        _router(
            "R5",
            "5.5.5.5",
            "FastEthernet0/0",
            "10.1.25.5",
            "10.1.25.2",
            (f"ip domain name {DOMAIN}",),
            loopback(MOVING_TUNNEL_ADDRESS, 1),
            # What comes for an address that R5 has no longer goes no further: the provider would send it here again.
            tuple(f"ip route {gateway[:-1]}0 255.255.255.0 Null0 250" for gateway in MOVING_GATEWAYS),
        ),
        _router("R6", "6.6.6.6", "FastEthernet0/0", STRANGER_ADDRESS, "10.1.26.2"),
    ),
    machines=(
        # Without the check what is sent to the address that R5 had would go round between the two until its TTL ends.
        Machine(PROVIDER, forwards=True, checks_sources=True),
        Machine("N4", forwards=True, masquerade="outside", routes=(("default", "10.1.24.2"),)),
    ),
    wires=(
        to_provider("R1", "FastEthernet0/0", "wan0", "10.1.12.2/24"),
        to_provider("R3", "FastEthernet1/0", "wan1", "10.1.23.2/24"),
        Wire(Port("R4", "wan0", ios_name="FastEthernet0/0"), Port("N4", "inside", ("192.168.4.1/24",))),
        Wire(Port("N4", "outside", ("10.1.24.4/24",)), Port(PROVIDER, "to-r4", ("10.1.24.2/24",)), carries="R4"),
        to_provider("R5", "FastEthernet0/0", "wan0", *(f"{gateway}/24" for gateway in MOVING_GATEWAYS)),
        to_provider("R6", "FastEthernet0/0", "wan0", "10.1.26.2/24"),
    ),
)


def seen_as(moved: bool) -> dict[str, IPv4Address]:
    """Each spoke's address as the hub sees it, before R5 has moved or after."""
    return {spoke.router: IPv4Address(MOVED_TO if moved and spoke is MOVING else spoke.outside) for spoke in SPOKES}
