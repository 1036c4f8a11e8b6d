"""One look at the surroundings: devices, addresses and the ways to the tunnels' ends, as the kernel has them now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Address

from seikan.system.netlink import AddressEntry, Link, Netlink, RouteLookup

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class View:
    """By Linux name. `routes` holds only the destinations that were asked for; None where there is no route."""

    links: Mapping[str, Link] = field(default_factory=dict)
    addresses: Mapping[str, tuple[AddressEntry, ...]] = field(default_factory=dict)
    routes: Mapping[Address, RouteLookup | None] = field(default_factory=dict)

    def primary(self, linux_name: str) -> IPv4Interface | None:
        """The first IPv4 address of a device that is no secondary."""
        for entry in self.addresses.get(linux_name, ()):
            if isinstance(entry.address, IPv4Interface) and not entry.secondary:
                return entry.address
        return None

    def primary_ipv6(self, linux_name: str) -> IPv6Address | None:
        """The first IPv6 address of a device that is more than link-local."""
        for entry in self.addresses.get(linux_name, ()):
            if entry.address.version == 6 and not entry.link_local:
                return IPv6Address(entry.address.ip)
        return None

    def has(self, address: Address) -> bool:
        """Whether a device of this host has the address."""
        return any(entry.address.ip == address for held in self.addresses.values() for entry in held)

    def same_addresses_as(self, other: View) -> bool:
        """Whether the same devices are there, with the same addresses."""
        devices = {name: link.index for name, link in self.links.items()}
        return self.addresses == other.addresses and devices == {name: link.index for name, link in other.links.items()}

    def same_as(self, other: View) -> bool:
        """Whether nothing differs that decides anything: all but the counters."""
        return (
            self.routes == other.routes
            and self.addresses == other.addresses
            and {name: _state(link) for name, link in self.links.items()}
            == {name: _state(link) for name, link in other.links.items()}
        )


def _state(link: Link) -> tuple[object, ...]:
    return link.index, link.kind, link.admin_up, link.carrier, link.mtu


async def look(netlink: Netlink, destinations: Iterable[Address]) -> View:
    """Ask the kernel, once for each kind of thing; raises `AdapterError` where it does not answer."""
    links = await netlink.links()
    by_name: dict[str, list[AddressEntry]] = {}
    for entry in await netlink.addresses(links=links):
        by_name.setdefault(entry.interface, []).append(entry)
    routes = {destination: await netlink.route_to(destination, links=links) for destination in set(destinations)}
    return View(links, {name: tuple(found) for name, found in by_name.items()}, routes)
