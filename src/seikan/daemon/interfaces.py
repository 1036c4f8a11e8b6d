"""Addresses and administrative state of interfaces: what the configuration says, and nothing else, is set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from seikan.config.model import Config, Interface
from seikan.config.names import is_loopback, is_tunnel
from seikan.daemon.view import View
from seikan.system.firewall import MssClamp
from seikan.system.netlink import Netlink

Address = IPv4Address | IPv6Address


class Interfaces:
    """`names` maps IOS names to Linux names, from the table of the configuration directory; others are themselves."""

    def __init__(
        self, netlink: Netlink, clamp: MssClamp, names: Mapping[str, str], device_of_tunnel: Callable[[str], str]
    ) -> None:
        self._netlink = netlink
        self._clamp = clamp
        self._names = names
        self._device_of_tunnel = device_of_tunnel
        self.view = View()

    def linux_name(self, name: str) -> str:
        return self._device_of_tunnel(name) if is_tunnel(name) else self._names.get(name, name)

    def linux_names(self, config: Config) -> dict[str, str]:
        """Of every configured interface."""
        return {name: self.linux_name(name) for name in config.interfaces}

    def primary_address(self, name: str) -> IPv4Interface | None:
        """As it is on the system."""
        return self.view.primary(self.linux_name(name))

    def is_up(self, name: str) -> bool:
        """The device is there, administratively up and has its carrier."""
        link = self.view.links.get(self.linux_name(name))
        return link is not None and link.up

    def present(self, name: str) -> bool:
        return self.linux_name(name) in self.view.links

    async def apply(self, config: Config, old: Interface | None, new: Interface | None) -> None:
        """Make one interface as `new` says. An interface that is not there yet is set up when it comes.

        Raises `AdapterError`.
        """
        name = new.name if new is not None else old.name if old is not None else ""
        device = self.linux_name(name)
        if is_loopback(name):
            if new is None:
                await self._netlink.remove_loopback(device)
                return
            await self._netlink.create_loopback(device)
        elif new is None and is_tunnel(name):
            self._netlink.forget_device(device)
            return
        link = await self._netlink.link(device)
        if link is None:
            return
        wanted = self._addresses(config, new) if new is not None else ()
        for entry in await self._netlink.addresses(device):
            if entry.ours and entry.address not in wanted:
                await self._netlink.remove_address(device, entry.address)
        if new is None:
            return
        if new.mtu is not None and not is_tunnel(name):
            await self._netlink.set_mtu(device, new.mtu)
        elif old is not None and old.mtu is not None and not is_tunnel(name):
            await self._netlink.restore_mtu(device)
        if is_tunnel(name):
            self._netlink.loosen_reverse_path(device)
        if new.shutdown:
            await self._netlink.set_down(device)
        else:
            await self._netlink.set_up(device)
        for address in wanted:
            await self._netlink.add_address(device, address)

    def _addresses(self, config: Config, interface: Interface) -> tuple[IPv4Interface | IPv6Interface, ...]:
        """Primary first. A borrowed address is a host address: it makes no route of its own."""
        found: list[IPv4Interface | IPv6Interface] = []
        if interface.address is not None:
            found.append(interface.address)
        elif interface.unnumbered is not None:
            lent = self._lent(config, interface.unnumbered)
            if lent is not None:
                found.append(IPv4Interface((lent, 32)))
        found.extend(interface.secondary)
        found.extend(interface.ipv6_addresses)
        return tuple(found)

    def _lent(self, config: Config, lender: str) -> IPv4Address | None:
        configured = config.interfaces.get(lender)
        if configured is not None and configured.address is not None:
            return configured.address.ip
        primary = self.view.primary(self.linux_name(lender))
        return primary.ip if primary is not None else None

    async def look_again(self, config: Config) -> None:
        """Links came, went or got addresses: give new ones, and borrowers, what they should have."""
        for interface in config.interfaces.values():
            device = self.linux_name(interface.name)
            link = self.view.links.get(device)
            if link is None:
                continue
            have = {entry.address for entry in self.view.addresses.get(device, ())}
            ours = {entry.address for entry in self.view.addresses.get(device, ()) if entry.ours}
            wanted = set(self._addresses(config, interface))
            if not wanted <= have or ours - wanted:
                await self.apply(config, interface, interface)

    def foreign_addresses(self, config: Config) -> dict[str, IPv4Interface]:
        """Primary addresses that the operating system gave configured interfaces, by IOS name."""
        found = {}
        for interface in config.interfaces.values():
            if interface.address is None and interface.unnumbered is None:
                primary = self.view.primary(self.linux_name(interface.name))
                if primary is not None:
                    found[interface.name] = primary
        return found

    async def clamp(self, config: Config) -> None:
        """`ip tcp adjust-mss` of all interfaces. Raises `AdapterError`."""
        await self._clamp.set(
            {
                self.linux_name(interface.name): interface.adjust_mss
                for interface in config.interfaces.values()
                if interface.adjust_mss is not None
            }
        )
