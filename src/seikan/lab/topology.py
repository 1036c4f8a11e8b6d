"""What a lab is made of, as data: routers, plain Linux machines, and the wires between them."""

from __future__ import annotations

from dataclasses import dataclass

PROVIDER = "R2"
"""The machine in the middle of every lab: it forwards between its wires and knows nothing of what is behind them."""


class LabError(Exception):
    """A lab could not be built, found, proved or taken down; the text is one line for the user.

    `routers` are those whose state tells more, where it is known.
    """

    def __init__(self, text: str, *routers: str) -> None:
        super().__init__(text)
        self.routers = routers


@dataclass(frozen=True, slots=True)
class Router:
    """A node that runs Seikan; `base` is the configuration it starts with."""

    name: str
    base: str


@dataclass(frozen=True, slots=True)
class Machine:
    """A node that is Linux and nothing more: the provider, a host, a NAT gateway.

    `loopback` are addresses with prefix lengths, `routes` pairs of destination and next hop as `ip route` writes them;
    `masquerade` is the device whose address hides what is behind the machine (a NAT gateway's outside).
    `checks_sources` drops what comes from where its source is not (RFC 3704), as a provider should.
    """

    name: str
    forwards: bool = False
    loopback: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    masquerade: str | None = None
    checks_sources: bool = False


@dataclass(frozen=True, slots=True)
class Port:
    """One end of a wire. `addresses` (with prefix lengths) are set by the lab: a router's come from its configuration.

    `ios_name` is what a router's configuration calls the device.
    """

    node: str
    device: str
    addresses: tuple[str, ...] = ()
    ios_name: str | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """Two ports joined. The provider's end is captured where `carries` names the router whose traffic it shows."""

    one: Port
    other: Port
    carries: str | None = None

    @property
    def ports(self) -> tuple[Port, Port]:
        return (self.one, self.other)


@dataclass(frozen=True, slots=True)
class Topology:
    """A lab's nodes and wires; `about` is a line for the user."""

    name: str
    about: str
    routers: tuple[Router, ...]
    machines: tuple[Machine, ...]
    wires: tuple[Wire, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        """Every node's name, routers first."""
        return (*(router.name for router in self.routers), *(machine.name for machine in self.machines))

    def ports(self, node: str) -> tuple[Port, ...]:
        """The node's ends of its wires."""
        return tuple(port for wire in self.wires for port in wire.ports if port.node == node)

    @property
    def captured(self) -> dict[str, Port]:
        """The provider's port for each router whose wire is captured."""
        return {
            wire.carries: port
            for wire in self.wires
            if wire.carries is not None
            for port in wire.ports
            if port.node == PROVIDER
        }


def to_provider(router: str, ios_name: str, device: str, *provider_addresses: str) -> Wire:
    """The wire from a router to the provider, captured for that router."""
    return Wire(
        Port(router, device, ios_name=ios_name),
        Port(PROVIDER, f"to-{router.lower()}", provider_addresses),
        carries=router,
    )


def base(name: str, *sections: tuple[str, ...]) -> str:
    """A base configuration: the host name and sections of lines, written as a router writes them."""
    lines = [f"hostname {name}", "!"]
    for section in sections:
        lines += [*section, "!"]
    return "\n".join((*lines, "end", ""))


def loopback(address: str, number: int = 0) -> tuple[str, ...]:
    """Lines of a loopback interface."""
    return (f"interface Loopback{number}", f" ip address {address} 255.255.255.255")


def wan(interface: str, address: str, *more: str) -> tuple[str, ...]:
    """Lines of the interface to the provider, with a mask of 24 bits."""
    return (f"interface {interface}", " description to the provider", f" ip address {address} 255.255.255.0", *more)


def lan(interface: str, first: str, *others: str) -> tuple[str, ...]:
    """Lines of an interface to a site's hosts, with several networks on it, each with a mask of 24 bits."""
    secondary = (f" ip address {address} 255.255.255.0 secondary" for address in others)
    return (f"interface {interface}", " description to the hosts", f" ip address {first} 255.255.255.0", *secondary)


def ospf(router_id: str) -> tuple[str, ...]:
    """Lines of OSPF process 1 with the loopback in area 0."""
    return ("router ospf 1", f" router-id {router_id}", f" network {router_id} 0.0.0.0 area 0")


def default_route(next_hop: str) -> tuple[str, ...]:
    return (f"ip route 0.0.0.0 0.0.0.0 {next_hop}",)


def discard(*addresses: str) -> tuple[str, ...]:
    """Floating routes for hosts that are reached through tunnels alone: while those are down nothing for them leaves.

    Without them the default route would hand the packets to the provider in clear.
    """
    return tuple(f"ip route {address} 255.255.255.255 Null0 250" for address in addresses)
