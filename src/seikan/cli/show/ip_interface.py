"""show ip interface, in full and brief."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.interfaces import INTERFACES
from seikan.cli.show.text import (
    address_of,
    address_text,
    argument,
    chosen_interfaces,
    interface_config,
    link_words,
    no_interface,
    pad,
    secondary_addresses,
)
from seikan.cli.status import InterfaceStatus, Need, Status

WITH_OSPF = INTERFACES | {Need.OSPF}

_DETERMINED = {
    "manual": "setup command",
    "NVRAM": "non-volatile memory",
    "other": "the operating system",
}


def show_brief(status: Status, arguments: Arguments) -> Iterator[str]:
    yield "Interface                  IP-Address      OK? Method Status                Protocol"
    for interface in chosen_interfaces(status, arguments):
        state, protocol = link_words(interface)
        address = address_of(status, interface)
        shown = str(address.ip) if address is not None else "unassigned"
        yield f"{pad(interface.name, 27)}{shown:<16}YES {pad(interface.address_method, 7)}{state:<22}{protocol:<8}"


def ip_mtu(status: Status, interface: InterfaceStatus) -> int:
    """Octets of the largest IP packet: `ip mtu` where typed, else what the device, or the tunnel's path, carries."""
    return interface_config(status, interface.name).ip_mtu or interface.tunnel_mtu or interface.mtu


def _groups(status: Status, interface: InterfaceStatus) -> tuple[str, ...]:
    """The reserved multicast groups that OSPF joins here (RFC 2328 appendix A.1)."""
    running = [row for process in status.ospf or () for row in process.interfaces if row.name == interface.name]
    if not any(row.up and not row.passive and row.network_type != "LOOPBACK" for row in running):
        return ()
    return ("224.0.0.5", "224.0.0.6") if any(row.state in ("DR", "BDR") for row in running) else ("224.0.0.5",)


def _interface(status: Status, interface: InterfaceStatus) -> Iterator[str]:
    config = interface_config(status, interface.name)
    state, protocol = link_words(interface)
    yield f"{interface.name} is {state}, line protocol is {protocol}"
    address = address_of(status, interface)
    if interface.unnumbered is not None:
        borrowed = str(address.ip) if address is not None else "unassigned"
        yield f"  Interface is unnumbered. Using address of {interface.unnumbered} ({borrowed})"
    elif address is not None:
        yield f"  Internet address is {address}"
    else:
        yield "  Internet protocol processing disabled"
        return
    yield "  Broadcast address is 255.255.255.255"
    determined = _DETERMINED.get(interface.address_method)
    if determined is not None:
        yield f"  Address determined by {determined}"
    yield f"  MTU is {ip_mtu(status, interface)} bytes"
    yield "  Helper address is not set"
    yield "  Directed broadcast forwarding is disabled"
    for secondary in secondary_addresses(status, interface):
        yield f"  Secondary address {secondary}"
    groups = _groups(status, interface)
    if groups:
        yield f"  Multicast reserved groups joined: {' '.join(groups)}"
    yield f"  Outgoing access list is {config.access_group_out or 'not set'}"
    yield f"  Inbound  access list is {config.access_group_in or 'not set'}"
    yield "  Proxy ARP is disabled"
    yield "  Local Proxy ARP is disabled"
    yield "  Security level is default"
    yield "  Split horizon is enabled"
    yield "  ICMP redirects are always sent"
    yield "  ICMP unreachables are always sent"
    yield "  ICMP mask replies are never sent"
    yield "  Router Discovery is disabled"
    yield "  IP output packet accounting is disabled"
    yield "  IP access violation accounting is disabled"
    yield "  TCP/IP header compression is disabled"
    yield "  RTP/IP header compression is disabled"
    yield "  Policy routing is disabled"
    translation = "disabled" if config.nat is None else f"enabled, interface in domain {config.nat}"
    yield f"  Network address translation is {translation}"
    if config.adjust_mss is not None:
        yield f"  TCP MSS is adjusted to {config.adjust_mss} bytes"


def show_ip_interface(status: Status, arguments: Arguments) -> Iterator[str]:
    chosen = chosen_interfaces(status, arguments)
    if not chosen and argument(arguments, "interface") is not None:
        yield no_interface(arguments)
    for interface in chosen:
        yield from _interface(status, interface)


def show_ipv6_brief(status: Status, arguments: Arguments) -> Iterator[str]:
    """Link-local addresses first, as in IOS."""
    for interface in chosen_interfaces(status, arguments):
        state, protocol = link_words(interface)
        yield f"{pad(interface.name, 27)}[{state}/{protocol}]"
        addresses = sorted(interface.ipv6_addresses, key=lambda address: not address.is_link_local)
        for address in addresses:
            yield f"    {address_text(address.ip)}"
        if not addresses:
            yield "    unassigned"


_HELP = {
    "show": "Show running system information",
    "ip": "IP information",
    "ipv6": "IPv6 information",
    "interface": "IP interface status and configuration",
    "brief": "Brief summary of IP status and configuration",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show ip interface brief", _HELP, INTERFACES, show_brief),
    ShowCommand("show ip interface brief <interface:interface>", _HELP, INTERFACES, show_brief),
    ShowCommand("show ip interface [<interface:interface>]", _HELP, WITH_OSPF, show_ip_interface),
    ShowCommand("show ip interface <interface:interface> brief", _HELP, INTERFACES, show_brief),
    ShowCommand("show ipv6 interface brief [<interface:interface>]", _HELP, INTERFACES, show_ipv6_brief),
)
