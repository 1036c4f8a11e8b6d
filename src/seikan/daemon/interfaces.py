"""Addresses and administrative state of interfaces: what the configuration says, and nothing else, is set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from seikan.config.model import Config, Interface, TunnelMode
from seikan.config.names import is_loopback, is_tunnel, short
from seikan.daemon.view import View
from seikan.system.errors import AdapterError
from seikan.system.netlink import Netlink

Address = IPv4Address | IPv6Address

LONGEST_DEVICE = 15  # characters (IFNAMSIZ without its end)


def unmapped(name: str) -> str:
    """The device of an interface that `interfaces.map` does not name: its own name, or the short one where that is
    too long for Linux, as GigabitEthernet0/0 is.
    """
    return name if len(name) <= LONGEST_DEVICE else short(name)[:LONGEST_DEVICE]


class Interfaces:
    """`names` maps IOS names to Linux names, from the table of the configuration directory; others are themselves."""

    def __init__(self, netlink: Netlink, names: Mapping[str, str], device_of_tunnel: Callable[[str], str]) -> None:
        self._netlink = netlink
        self._names = names
        self._device_of_tunnel = device_of_tunnel
        self._known: set[str] = set()  # devices that are as configured, unless somebody else touched them
        self.view = View()

    def linux_name(self, name: str) -> str:
        """What the kernel, FRR and nftables are to call it, be it there or not."""
        return self._device_of_tunnel(name) if is_tunnel(name) else self._names.get(name) or unmapped(name)

    def linux_names(self, config: Config) -> dict[str, str]:
        """Of every interface that is configured or that a static route names."""
        routed = [route.interface for route in config.routes if route.interface is not None]
        return {name: self.linux_name(name) for name in (*config.interfaces, *routed)}

    def primary_address(self, name: str) -> IPv4Interface | None:
        """As it is on the system."""
        return self.view.primary(self.linux_name(name))

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
            return  # the device goes with its tunnel
        if await self._netlink.link(device) is None:
            return
        wanted = self._addresses(config, new) if new is not None else ()
        for address in self._netlink.addresses_set(device):
            if address not in wanted:
                await self._netlink.remove_address(device, address)
        if new is None:
            await self._netlink.restore_mtu(device)
            await self._netlink.restore_state(device)
            return
        if is_tunnel(name):
            self._netlink.loosen_reverse_path(device)
            self._take_in(device, new)
        elif new.mtu is not None:
            await self._netlink.set_mtu(device, new.mtu)
        else:
            await self._netlink.restore_mtu(device)
        if new.shutdown:
            await self._netlink.set_down(device)
        else:
            await self._netlink.set_up(device)
        self._known.add(device)
        for address in wanted:  # after the device is up: the kernel takes IPv6 addresses away with `down`
            await self._netlink.add_address(device, address)

    async def switch(self, interface: Interface) -> None:
        """A tunnel's mode, protection or keepalive may have changed. Raises `AdapterError`."""
        device = self.linux_name(interface.name)
        if await self._netlink.link(device) is not None:
            self._take_in(device, interface)

    def _take_in(self, device: str, tunnel: Interface) -> None:
        """What the kernel takes from a tunnel's device. A keepalive has the family of the addresses outside."""
        keepalives = returns_keepalives(tunnel)
        mode = tunnel.tunnel.mode if tunnel.tunnel is not None else None
        self._netlink.accept_own_sources(device, keepalives)
        wanted = bool(tunnel.ipv6_addresses) or mode is TunnelMode.IPSEC_DUAL_OVERLAY
        self._netlink.set_ipv6(device, wanted or (keepalives and mode is TunnelMode.GRE_IPV6))

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

    async def look_again(self, config: Config) -> bool:
        """Links came, went or got addresses: give new ones, and borrowers, what they should have.

        True where something was changed. Raises the first `AdapterError` after all were tried.
        """
        changed = False
        problem: AdapterError | None = None
        self._known.intersection_update(self.view.links)
        for interface in config.interfaces.values():
            device = self.linux_name(interface.name)
            if device not in self.view.links and not is_loopback(interface.name):
                continue
            have = {entry.address for entry in self.view.addresses.get(device, ())}
            ours = set(self._netlink.addresses_set(device))
            wanted = set(self._addresses(config, interface))
            if device not in self._known or not wanted <= have or ours - wanted:
                changed = True
                try:
                    await self.apply(config, interface, interface)
                except AdapterError as error:
                    problem = problem or error
        if problem is not None:
            raise problem
        return changed

    def foreign_addresses(self, config: Config, view: View | None = None) -> dict[str, IPv4Interface]:
        """Primary addresses that the operating system gave configured interfaces, by IOS name; now, or in `view`."""
        view = self.view if view is None else view
        found = {}
        for interface in config.interfaces.values():
            if interface.address is None and interface.unnumbered is None:
                primary = view.primary(self.linux_name(interface.name))
                if primary is not None:
                    found[interface.name] = primary
        return found


def returns_keepalives(interface: Interface) -> bool:
    """Whether the peer's GRE keepalives are routed back: they come with this router's own address as their source.

    Not out of a tunnel that anybody can send into, unless its keepalives say that both ends want this.
    """
    tunnel = interface.tunnel
    if tunnel is None or tunnel.mode.ipsec:
        return False
    return tunnel.protection is not None or tunnel.keepalive is not None
