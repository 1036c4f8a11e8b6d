"""show interfaces, in full and as a list of descriptions."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.text import (
    ACCESS,
    TEMPLATE,
    TUNNELS,
    address_of,
    address_text,
    age,
    argument,
    chosen_interfaces,
    dotted_mac,
    find_interface,
    interface_config,
    link_words,
    no_interface,
    pad,
    tunnel_config,
)
from seikan.cli.status import InterfaceStatus, Need, Status
from seikan.config.model import Tunnel, TunnelMode
from seikan.config.names import short, type_of

INTERFACES = frozenset({Need.INTERFACES})

_LIKE_TUNNELS = (*TUNNELS, TEMPLATE)
_VTI_MTU = 17867
_GRE_MTU = 17916  # without options; a key (RFC 2890) takes four octets
_LOOPBACK_MTU = 1514
_TUNNEL_BANDWIDTH = 100  # kbit/s
_LOOPBACK_BANDWIDTH = 8000000
_ETHERNET_BANDWIDTH = 1000000
_BANDWIDTH_BY_TYPE = {
    "Ethernet": 10000,
    "FastEthernet": 100000,
    "GigabitEthernet": 1000000,
    "TenGigabitEthernet": 10000000,
}

_TRANSPORT = {
    TunnelMode.GRE_IP: "GRE/IP",
    TunnelMode.GRE_IPV6: "GRE/IPv6",
    TunnelMode.IPSEC_IPV4: "IPSEC/IP",
    TunnelMode.IPSEC_IPV6: "IPSEC/IPv6",
}


def bandwidth(status: Status, interface: InterfaceStatus) -> int:
    """Kbit/s: as configured, else as the device tells, else IOS's value for the type."""
    configured = interface_config(status, interface.name).bandwidth
    if configured is not None:
        return configured
    if interface.hardware in _LIKE_TUNNELS:
        return _TUNNEL_BANDWIDTH
    if interface.hardware == "Loopback":
        return _LOOPBACK_BANDWIDTH
    row = type_of(interface.name)
    return interface.bandwidth or _BANDWIDTH_BY_TYPE.get(row.name if row else "", _ETHERNET_BANDWIDTH)


def delay(interface: InterfaceStatus, kilobits: int) -> int:
    """Microseconds, IOS's fixed values for the type."""
    if interface.hardware in _LIKE_TUNNELS:
        return 50000
    if interface.hardware == "Loopback":
        return 5000
    return 1000 if kilobits <= 10000 else 100 if kilobits <= 100000 else 10


def shown_mtu(interface: InterfaceStatus, tunnel: Tunnel) -> int:
    """The MTU that IOS shows: for tunnels and loopbacks a constant; `Tunnel transport MTU` tells what fits."""
    if interface.hardware in _LIKE_TUNNELS:
        return _VTI_MTU if tunnel.mode.ipsec else _GRE_MTU - (4 if tunnel.key is not None else 0)
    return _LOOPBACK_MTU if interface.hardware == "Loopback" else interface.mtu


def _load(rate: int, kilobits: int) -> int:
    """IOS's load, 1 to 255 of 255."""
    return min(255, max(1, rate * 255 // (kilobits * 1000))) if kilobits > 0 else 1


def _source(status: Status, interface: InterfaceStatus, tunnel: Tunnel) -> str:
    address = interface.tunnel_source
    if isinstance(tunnel.source, str):
        lender = find_interface(status, tunnel.source) if interface.hardware == TEMPLATE else None
        borrowed = address_of(status, lender) if lender is not None else None
        address = borrowed.ip if borrowed is not None else address
        return f"{address_text(address, 'UNKNOWN')} ({tunnel.source})" if address is not None else "UNKNOWN"
    return address_text(tunnel.source if tunnel.source is not None else address, "UNKNOWN")


def _transport(tunnel: Tunnel) -> str:
    if tunnel.mode is TunnelMode.IPSEC_DUAL_OVERLAY:
        over_ipv6 = tunnel.destination is not None and tunnel.destination.version == 6
        return f"IPSEC/{'IPv6' if over_ipv6 else 'IP'} dual-overlay"
    return _TRANSPORT[tunnel.mode]


def _tunnel(status: Status, interface: InterfaceStatus, tunnel: Tunnel) -> Iterator[str]:
    if interface.hardware == TEMPLATE:
        yield "  Tunnel linestate evaluation down - a template carries no traffic, its Virtual-Access interfaces do"
    elif interface.protocol_up:
        yield "  Tunnel linestate evaluation up"
    else:
        reason = f" - {interface.down_reason}" if interface.down_reason else ""
        yield f"  Tunnel linestate evaluation down{reason}"
    destination = f", destination {address_text(tunnel.destination)}" if tunnel.destination is not None else ""
    yield f"  Tunnel source {_source(status, interface, tunnel)}{destination}"
    yield f"  Tunnel protocol/transport {_transport(tunnel)}"
    if not tunnel.mode.ipsec:
        key = "disabled" if tunnel.key is None else f"0x{tunnel.key:X}"
        yield f"    Key {key}, sequencing disabled"
        yield "    Checksumming of packets disabled"
    yield f"  Tunnel TTL {tunnel.ttl or 255}"
    if tunnel.path_mtu_discovery:
        path = f", MTU {interface.path_mtu}" if interface.path_mtu is not None else ""
        yield f"  Path MTU Discovery, ager 10 mins, min MTU 92{path}"
    if interface.tunnel_mtu is not None:
        yield f"  Tunnel transport MTU {interface.tunnel_mtu} bytes"
    if tunnel.protection is not None:
        yield f'  Tunnel protection via IPSec (profile "{tunnel.protection}")'
        if tunnel.shared:
            yield "  Tunnel protection shared with the tunnels of this profile between the same ends"
        if tunnel.protection_policy is not None:
            yield f"  Tunnel protection policy is access list {tunnel.protection_policy}"


def _encapsulation(interface: InterfaceStatus, tunnel: Tunnel) -> Iterator[str]:
    if interface.hardware in _LIKE_TUNNELS:
        if interface.hardware == ACCESS:
            yield "  Encapsulation TUNNEL"
            origin = f", cloned from Virtual-Template{interface.template}" if interface.template is not None else ""
            yield f"  Tunnel vaccess{origin}"
            yield "  Vaccess status 0x4, loopback not set"
            if interface.peer_identity is not None:
                yield f"  Peer identity {interface.peer_identity}"
        else:
            yield "  Encapsulation TUNNEL, loopback not set"
        keepalive = tunnel.keepalive
        if keepalive is None:
            yield "  Keepalive not set"
        else:
            yield f"  Keepalive set ({keepalive.period} sec), retries {keepalive.retries}"
    elif interface.hardware == "Loopback":
        yield "  Encapsulation LOOPBACK, loopback not set"
        yield "  Keepalive set (10 sec)"
    else:
        yield "  Encapsulation ARPA, loopback not set"
        yield "  Keepalive not set"
        yield "  ARP type: ARPA"


def _interface(status: Status, interface: InterfaceStatus) -> Iterator[str]:
    config, tunnel = interface_config(status, interface.name), tunnel_config(status, interface.name)
    state, protocol = link_words(interface)
    yield f"{interface.name} is {state}, line protocol is {protocol} "
    hardware = f"  Hardware is {interface.hardware}{' interface' if interface.hardware in (ACCESS, TEMPLATE) else ''}"
    if interface.mac is not None:
        mac = dotted_mac(interface.mac)
        hardware += f", address is {mac} (bia {mac})"
    yield hardware
    if not interface.present and interface.hardware != TEMPLATE:
        yield f"  Linux device {interface.linux_name} does not exist"
    if config.description:
        yield f"  Description: {config.description}"
    address = address_of(status, interface)
    if interface.unnumbered is not None:
        borrowed = str(address.ip) if address is not None else "unassigned"
        yield f"  Interface is unnumbered. Using address of {interface.unnumbered} ({borrowed})"
    elif address is not None:
        yield f"  Internet address is {address}"
    kilobits = bandwidth(status, interface)
    micros = delay(interface, kilobits)
    yield f"  MTU {shown_mtu(interface, tunnel)} bytes, BW {kilobits} Kbit/sec, DLY {micros} usec, "
    out, into = _load(interface.rate_out, kilobits), _load(interface.rate_in, kilobits)
    yield f"     reliability 255/255, txload {out}/255, rxload {into}/255"
    yield from _encapsulation(interface, tunnel)
    if interface.hardware in _LIKE_TUNNELS:
        yield from _tunnel(status, interface, tunnel)
    yield from _traffic(interface)


def _traffic(interface: InterfaceStatus) -> Iterator[str]:
    yield f"  Last input {age(interface.last_input)}, output {age(interface.last_output)}, output hang never"
    yield f'  Last clearing of "show interface" counters {age(interface.since_cleared)}'
    yield (
        f"  Input queue: 0/75/{interface.drops_in}/0 (size/max/drops/flushes);"
        f" Total output drops: {interface.drops_out}"
    )
    yield "  Queueing strategy: fifo"
    yield "  Output queue: 0/0 (size/max)"
    yield f"  5 minute input rate {interface.rate_in} bits/sec, {interface.packet_rate_in} packets/sec"
    yield f"  5 minute output rate {interface.rate_out} bits/sec, {interface.packet_rate_out} packets/sec"
    yield f"     {interface.packets_in} packets input, {interface.octets_in} bytes, 0 no buffer"
    yield f"     Received {interface.multicast_in} broadcasts ({interface.multicast_in} IP multicasts)"
    yield "     0 runts, 0 giants, 0 throttles"
    yield f"     {interface.errors_in} input errors, 0 CRC, 0 frame, 0 overrun, 0 ignored, 0 abort"
    yield f"     {interface.packets_out} packets output, {interface.octets_out} bytes, 0 underruns"
    yield f"     {interface.errors_out} output errors, 0 collisions, {interface.resets} interface resets"
    yield "     0 unknown protocol drops"
    yield "     0 output buffer failures, 0 output buffers swapped out"
    for name, count in sorted(interface.drops.items()):
        yield f"     {count} dropped: {name}"


def show_interfaces(status: Status, arguments: Arguments) -> Iterator[str]:
    """Where a tunnel is down, `Tunnel linestate evaluation` says why; the plane's drops come last, by name."""
    chosen = chosen_interfaces(status, arguments)
    if not chosen and argument(arguments, "interface") is not None:
        yield no_interface(arguments)
    for interface in chosen:
        yield from _interface(status, interface)


def show_description(status: Status, arguments: Arguments) -> Iterator[str]:
    yield "Interface                      Status         Protocol Description"
    for interface in chosen_interfaces(status, arguments):
        state, protocol = link_words(interface)
        word = "admin down" if state.startswith("admin") else state
        text = interface_config(status, interface.name).description or ""
        yield f"{pad(short(interface.name), 31)}{word:<15}{protocol:<9}{text}".rstrip()


_HELP = {
    "show": "Show running system information",
    "interfaces": "Interface status and configuration",
    "interface": "Interface",
    "description": "Show interface description",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show interfaces [<interface:interface>]", _HELP, INTERFACES, show_interfaces),
    ShowCommand("show interfaces description", _HELP, INTERFACES, show_description),
    ShowCommand("show interfaces <interface:interface> description", _HELP, INTERFACES, show_description),
)
