"""`interface …` and the lines inside it, but for the tunnel's own."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
from typing import cast

from seikan.config.arguments import contiguous
from seikan.config.grammar import Command, Match
from seikan.config.handlers import (
    ConfigError,
    Section,
    Setting,
    Stored,
    device,
    refused,
    setting,
    typed,
    with_item,
    without_item,
    write,
)
from seikan.config.model import Config, Interface, OspfAuthentication, OspfNetworkType, Tunnel, TunnelKeepalive
from seikan.config.modes import CONFIG, INTERFACE
from seikan.config.names import is_loopback, is_removable, is_template, is_tunnel, sort_key, type_of
from seikan.wire.secret import Secret


def fresh(name: str) -> Interface:
    """The interface as it is when only its name was typed."""
    return Interface(name, tunnel=Tunnel() if is_tunnel(name) or is_template(name) else None)


_TEMPLATES = 4095


def _name(match: Match) -> str:
    name = typed(cast(str, match.args["name"]))
    number = name.removeprefix("Virtual-Template")
    if is_template(name) and not (number.isdecimal() and 1 <= int(number) <= _TEMPLATES):
        raise ConfigError(f"Virtual-Template numbers are 1 to {_TEMPLATES}")
    if "type" in match.args and not is_template(name):
        raise ConfigError(f"{name} has its type by its name: only a Virtual-Template is given one")
    return name


def _header(name: str, _interface: Interface) -> str:
    return f"interface {name}" + (" type tunnel" if is_template(name) else "")


def _note_type(before: Config, match: Match) -> Iterable[str]:
    name = _name(match)
    if is_template(name) and "type" not in match.args and name not in before.interfaces:
        yield f"{name} is of type tunnel: templates of other types are not available"


def _open(config: Config, match: Match) -> tuple[Config, Hashable]:
    name = _name(match)
    if name not in config.interfaces:
        config = _put(config, name, fresh(name))
    return config, name


def _put(config: Config, name: str, interface: Interface) -> Config:
    return replace(config, interfaces=with_item(config.interfaces, name, interface))


def _remove(config: Config, match: Match) -> Config:
    """A port is there without being typed, so that IOS keeps it; but one typed by mistake can go when it is empty."""
    name = _name(match)
    if name not in config.interfaces:
        raise ConfigError(f"{name} is not configured")
    if not is_removable(name) and config.interfaces[name] != fresh(name):
        raise ConfigError(
            f"Removal of physical interfaces is not permitted while they are configured: default interface {name} first"
        )
    return replace(config, interfaces=without_item(config.interfaces, name))


def _reset(config: Config, match: Match) -> Config:
    return _put(config, _name(match), fresh(_name(match)))


_INTERFACE = Section(
    mode=INTERFACE,
    open=_open,
    remove=_remove,
    reset=_reset,
    get=lambda config, name: config.interfaces.get(name),
    put=_put,
    every=lambda config: sorted(config.interfaces, key=sort_key),
    header=_header,
    title=lambda name: f"interface {name}",
    note=_note_type,
)


def _typed_address(match: Match) -> IPv4Interface:
    address = cast(IPv4Address, match.args["address"])
    mask = cast(IPv4Address, match.args["mask"])
    if not contiguous(mask) or int(mask) == 0:
        raise ConfigError(f"Bad mask 0x{int(mask):X} for address {address}")
    typed = IPv4Interface(f"{address}/{mask}")
    network = typed.network
    if network.prefixlen < 31 and address in (network.network_address, network.broadcast_address):
        raise ConfigError(f"Bad mask /{network.prefixlen} for address {address}: it leaves no host part")
    if address.is_multicast or address.is_unspecified or int(address) >> 28 == 15:
        raise ConfigError(f"Not a valid host address - {address}")
    return typed


def _set_address(interface: Interface, match: Match) -> Interface:
    typed = _typed_address(match)
    others = tuple(held for held in interface.secondary if held.ip != typed.ip)
    if "secondary" not in match.args:
        return replace(interface, address=typed, secondary=others, unnumbered=None)
    if interface.address is not None and interface.address.ip == typed.ip:
        raise ConfigError(f"{typed.ip} is the primary address of {interface.name}")
    return replace(interface, secondary=(*others, typed), unnumbered=None)


def _remove_address(interface: Interface, match: Match) -> Interface:
    if "mask" not in match.args:
        return replace(interface, address=None, secondary=())
    if not contiguous(cast(IPv4Address, match.args["mask"])):
        raise ConfigError(f"Bad mask {match.args['mask']}: its bits are not in one run, so no interface has it")
    address = IPv4Interface(f"{match.args['address']}/{match.args['mask']}")
    if address in interface.secondary:
        return replace(interface, secondary=tuple(held for held in interface.secondary if held != address))
    if interface.address != address or "secondary" in match.args:
        raise ConfigError("Invalid address: the interface does not have it")
    if interface.secondary:
        raise ConfigError("Must delete secondary before deleting primary")
    return replace(interface, address=None)


def _render_address(interface: Interface) -> Iterable[str]:
    if interface.unnumbered is not None:
        yield f"ip unnumbered {interface.unnumbered}"
    elif interface.address is None and not interface.secondary:
        yield "no ip address"
    for address in interface.secondary:
        yield f"ip address {address.ip} {address.netmask} secondary"
    if interface.address is not None:
        yield f"ip address {interface.address.ip} {interface.address.netmask}"


def _set_unnumbered(interface: Interface, match: Match) -> Interface:
    name = device(cast(str, match.args["unnumbered"]))
    if name == interface.name:
        raise ConfigError(f"{name} cannot borrow its own address")
    return replace(interface, unnumbered=name, address=None, secondary=())


def _set_ipv6(interface: Interface, match: Match) -> Interface:
    address = cast(IPv6Interface, match.args["prefix"])
    if address in interface.ipv6_addresses:
        return interface
    return replace(interface, ipv6_addresses=(*interface.ipv6_addresses, address))


def _remove_ipv6(interface: Interface, match: Match) -> Interface:
    if "prefix" not in match.args:
        return replace(interface, ipv6_addresses=())
    kept = tuple(held for held in interface.ipv6_addresses if held != match.args["prefix"])
    return replace(interface, ipv6_addresses=kept)


def _access_group(interface: Interface, match: Match) -> Interface:
    name = cast(str, match.args["name"])
    if "in" in match.args:
        return replace(interface, access_group_in=name)
    return replace(interface, access_group_out=name)


def _remove_access_group(interface: Interface, match: Match) -> Interface:
    if "in" in match.args:
        return replace(interface, access_group_in=None)
    if "out" in match.args:
        return replace(interface, access_group_out=None)
    return replace(interface, access_group_in=None, access_group_out=None)


def _render_access_group(interface: Interface) -> Iterable[str]:
    if interface.access_group_in is not None:
        yield f"ip access-group {interface.access_group_in} in"
    if interface.access_group_out is not None:
        yield f"ip access-group {interface.access_group_out} out"


def _nat_side(match: Match) -> str:
    return "inside" if "inside" in match.args else "outside"


def _remove_nat(interface: Interface, match: Match) -> Interface:
    named = {"inside", "outside"} & set(match.args)
    return replace(interface, nat=None) if interface.nat in named or not named else interface


def _set_crypto_map(interface: Interface, match: Match) -> Interface:
    row = type_of(interface.name)
    if interface.tunnel is not None:
        raise ConfigError(
            f"crypto map is not for {interface.name}: type tunnel protection ipsec profile, or put the map on the "
            "interface by which the tunnel's packets leave"
        )
    if is_loopback(interface.name) or (row is not None and row.name == "Null"):
        raise ConfigError(
            f"crypto map on {interface.name} protects nothing: put it on the interface by which packets leave"
            + (f", with crypto map NAME local-address {interface.name}" if is_loopback(interface.name) else "")
        )
    return replace(interface, crypto_map=cast(str, match.args["name"]))


def _remove_crypto_map(interface: Interface, match: Match) -> Interface:
    named = match.args.get("name", interface.crypto_map)
    if interface.crypto_map != named:
        raise ConfigError(f"crypto map {named} is not on {interface.name}")
    return replace(interface, crypto_map=None)


_KEEPALIVE_DEFAULT = TunnelKeepalive()


def _set_keepalive(interface: Interface, match: Match) -> Interface:
    assert interface.tunnel is not None
    period = cast(int, match.args.get("period", _KEEPALIVE_DEFAULT.period))
    retries = cast(int, match.args.get("retries", _KEEPALIVE_DEFAULT.retries))
    keepalive = TunnelKeepalive(period, retries) if period else None
    over_ipsec = interface.tunnel.mode.ipsec or is_template(interface.name)
    # Typed again it may stand, as in a file that is read over the running configuration.
    if over_ipsec and keepalive is not None and keepalive != interface.tunnel.keepalive:
        raise ConfigError("keepalive is of GRE tunnels: an IPsec peer is watched by crypto isakmp keepalive")
    return replace(interface, tunnel=replace(interface.tunnel, keepalive=keepalive))


def _remove_keepalive(interface: Interface, _match: Match) -> Interface:
    assert interface.tunnel is not None
    return replace(interface, tunnel=replace(interface.tunnel, keepalive=None))


def _render_keepalive(interface: Interface) -> Iterable[str]:
    keepalive = None if interface.tunnel is None else interface.tunnel.keepalive
    return () if keepalive is None else (f"keepalive {keepalive.period} {keepalive.retries}",)


def _set_ospf_area(interface: Interface, match: Match) -> Interface:
    process, area = cast(int, match.args["process"]), cast(IPv4Address, match.args["area"])
    return replace(interface, ospf=replace(interface.ospf, process=process, area=area))


def write_area(area: IPv4Address) -> str:
    """An area as IOS writes it: a number where it is small, as users type it, else as an address."""
    return str(int(area)) if int(area) < 1 << 16 else str(area)


def _render_ospf_area(interface: Interface) -> Iterable[str]:
    ospf = interface.ospf
    return () if ospf.area is None else (f"ip ospf {ospf.process} area {write_area(ospf.area)}",)


def _ospf_authentication(match: Match) -> OspfAuthentication:
    if "message-digest" in match.args:
        return OspfAuthentication.MESSAGE_DIGEST
    return OspfAuthentication.NULL if "null" in match.args else OspfAuthentication.SIMPLE


def _write_authentication(value: OspfAuthentication) -> str:
    return "ip ospf authentication" + ("" if value is OspfAuthentication.SIMPLE else f" {value.value}")


def _set_digest_key(interface: Interface, match: Match) -> Interface:
    number, key = cast(int, match.args["number"]), cast(Secret, match.args["key"])
    keys = with_item(interface.ospf.message_digest_keys, number, key)
    return replace(interface, ospf=replace(interface.ospf, message_digest_keys=keys))


def _remove_digest_key(interface: Interface, match: Match) -> Interface:
    keys = without_item(interface.ospf.message_digest_keys, cast(int, match.args["number"]))
    return replace(interface, ospf=replace(interface.ospf, message_digest_keys=keys))


def _render_digest_keys(interface: Interface) -> Iterable[str]:
    for number, key in sorted(interface.ospf.message_digest_keys.items()):
        yield f"ip ospf message-digest-key {number} md5 {write(key)}"


_IP = {"ip": "Interface Internet Protocol config commands", "ipv6": "IPv6 interface subcommands"}
_OSPF = {**_IP, "ospf": "OSPF interface commands"}
ENCRYPTED = "encrypted keys (type 6 and 7) are not supported: type the key in clear"

SECTION = Command(
    CONFIG,
    "interface <name:interface(typed)> [type tunnel]",
    {
        "interface": "Select an interface to configure",
        "type": "Type of a Virtual-Template",
        "tunnel": "Virtual-Template of tunnels",
    },
    _INTERFACE,
    negatable=True,
    no="interface <name:interface(typed)> [type tunnel]",
)

TYPES = refused(
    CONFIG,
    "interface <name:interface> type (ethernet|serial)",
    "Virtual-Templates of type ethernet and serial are not available: type tunnel is",
)

#: Rows in the order of rendering; the tunnel's rows come behind `BASE`.
BASE: tuple[Command, ...] = (
    setting(
        INTERFACE,
        "description <description:rest>",
        "description",
        {"description": "Interface specific description", "<description>": "Up to 240 characters"},
    ),
    setting(
        INTERFACE,
        "mtu <mtu:number(64-18000)>",
        "mtu",
        {"mtu": "Set the interface Maximum Transmission Unit", "<mtu>": "MTU size in octets"},
    ),
    setting(
        INTERFACE,
        "bandwidth <bandwidth:number(1-10000000)>",
        "bandwidth",
        {"bandwidth": "Set bandwidth informational parameter", "<bandwidth>": "Bandwidth in kilobits"},
    ),
    Command(
        INTERFACE,
        "ip address <address:ipv4> <mask:mask> [secondary]",
        {
            **_IP,
            "address": "Set the IP address of an interface",
            "<address>": "IP address",
            "<mask>": "IP subnet mask",
            "secondary": "Make this IP address a secondary address",
        },
        Setting(_set_address, _remove_address, _render_address),
        negatable=True,
    ),
    Command(
        INTERFACE,
        "ip unnumbered <unnumbered:interface(device)>",
        {**_IP, "unnumbered": "Enable IP processing without an explicit address"},
        Setting(_set_unnumbered, lambda interface, _match: replace(interface, unnumbered=None)),
        negatable=True,
    ),
    Command(
        INTERFACE,
        "ip access-group <name:word> (in|out)",
        {
            **_IP,
            "access-group": "Specify access control for packets",
            "<name>": "Access-list number or name",
            "in": "inbound packets",
            "out": "outbound packets",
        },
        Setting(_access_group, _remove_access_group, _render_access_group),
        negatable=True,
    ),
    Command(
        INTERFACE,
        "ip nat (inside|outside)",
        {
            **_IP,
            "nat": "NAT interface commands",
            "inside": "Inside interface for address translation",
            "outside": "Outside interface for address translation",
        },
        Setting(
            lambda interface, match: replace(interface, nat=_nat_side(match)),
            _remove_nat,
            lambda interface: () if interface.nat is None else (f"ip nat {interface.nat}",),
        ),
        negatable=True,
    ),
    setting(
        INTERFACE,
        "ip mtu <ip_mtu:number(68-17940)>",
        "ip_mtu",
        {**_IP, "mtu": "Set IP Maximum Transmission Unit", "<ip_mtu>": "MTU in octets"},
    ),
    setting(
        INTERFACE,
        "ip tcp adjust-mss <adjust_mss:number(500-1460)>",
        "adjust_mss",
        {
            **_IP,
            "tcp": "TCP interface commands",
            "adjust-mss": "Adjust the MSS of transit packets",
            "<adjust_mss>": "Maximum segment size in octets",
        },
    ),
    setting(
        INTERFACE,
        "ip ospf authentication [message-digest|null]",
        "ospf.authentication",
        {
            **_OSPF,
            "authentication": "Enable authentication",
            "message-digest": "Use message-digest authentication",
            "null": "Use no authentication",
        },
        read=_ospf_authentication,
        text=_write_authentication,
    ),
    setting(
        INTERFACE,
        "ip ospf authentication-key [0] <authentication_key:secret>",
        "ospf.authentication_key",
        {**_OSPF, "authentication-key": "Authentication password (key)", "0": "The key follows in clear"},
        text=lambda key: f"ip ospf authentication-key {write(key)}",
    ),
    refused(INTERFACE, "ip ospf authentication-key 7 <key:rest>", ENCRYPTED),
    refused(INTERFACE, "ip ospf message-digest-key <number:number(1-255)> md5 7 <key:rest>", ENCRYPTED),
    Command(
        INTERFACE,
        "ip ospf message-digest-key <number:number(1-255)> md5 [0] <key:secret>",
        {
            **_OSPF,
            "message-digest-key": "Message digest authentication password (key)",
            "<number>": "Key ID",
            "md5": "Use MD5 algorithm",
            "0": "The key follows in clear",
        },
        Setting(_set_digest_key, _remove_digest_key, _render_digest_keys),
        negatable=True,
        no="ip ospf message-digest-key <number:number(1-255)> [md5 [<key:rest>]]",
    ),
    setting(
        INTERFACE,
        "ip ospf network (broadcast|non-broadcast|point-to-multipoint|point-to-point)",
        "ospf.network_type",
        {
            **_OSPF,
            "network": "Network type",
            "broadcast": "Specify OSPF broadcast multi-access network",
            "non-broadcast": "Specify OSPF NBMA network",
            "point-to-multipoint": "Specify OSPF point-to-multipoint network",
            "point-to-point": "Specify OSPF point-to-point network",
        },
        read=lambda match: next(kind for kind in OspfNetworkType if kind.value in match.args),
        text=lambda kind: f"ip ospf network {kind.value}",
    ),
    *(
        setting(
            INTERFACE,
            f"ip ospf {word} <{word.replace('-', '_')}:number({limits})>",
            f"ospf.{word.replace('-', '_')}",
            {**_OSPF, word: text, f"<{word.replace('-', '_')}>": unit},
        )
        for word, limits, text, unit in (
            ("hello-interval", "1-65535", "Time between HELLO packets", "Seconds"),
            ("dead-interval", "1-65535", "Interval after which a neighbor is declared dead", "Seconds"),
            ("retransmit-interval", "1-65535", "Time between retransmitting lost link state advertisements", "Seconds"),
            ("transmit-delay", "1-65535", "Link state transmit delay", "Seconds"),
            ("priority", "0-255", "Router priority", "Priority"),
            ("cost", "1-65535", "Interface cost", "Cost"),
        )
    ),
    setting(
        INTERFACE, "ip ospf mtu-ignore", "ospf.mtu_ignore", {**_OSPF, "mtu-ignore": "Ignores the MTU in DBD packets"}
    ),
    Command(
        INTERFACE,
        "ip ospf <process:number(1-65535)> area <area:area>",
        {
            **_OSPF,
            "<process>": "Process ID",
            "area": "Set the OSPF area ID",
            "<area>": "OSPF area ID as a decimal value or in IP address format",
        },
        Setting(
            _set_ospf_area,
            lambda interface, _match: replace(interface, ospf=replace(interface.ospf, process=None, area=None)),
            _render_ospf_area,
        ),
        negatable=True,
        no="ip ospf <process:number(1-65535)> [area [<area:area>]]",
    ),
    setting(INTERFACE, "shutdown", "shutdown", {"shutdown": "Shutdown the selected interface"}),
    Command(
        INTERFACE,
        "keepalive [<period:number(0-32767)> [<retries:number(1-255)>]]",
        {
            "keepalive": "Enable keepalive of a GRE tunnel; kept without effect on other interfaces",
            "<period>": "Keepalive period (default 10 seconds)",
            "<retries>": "Keepalive retries",
        },
        Setting(
            _set_keepalive,
            _remove_keepalive,
            _render_keepalive,
            otherwise=Stored(),
            mine=lambda interface: interface.tunnel is not None,
        ),
        negatable=True,
    ),
    Command(
        INTERFACE,
        "crypto map <name:word>",
        {"crypto": "Encryption/Decryption commands", "map": "Assign a Crypto Map", "<name>": "Crypto Map tag"},
        Setting(
            _set_crypto_map,
            _remove_crypto_map,
            lambda interface: () if interface.crypto_map is None else (f"crypto map {interface.crypto_map}",),
        ),
        negatable=True,
        no="crypto map [<name:word>]",
    ),
    Command(
        INTERFACE,
        "ipv6 address <prefix:prefix6>",
        {**_IP, "address": "Configure IPv6 address on interface", "<prefix>": "IPv6 address and prefix length"},
        Setting(
            _set_ipv6,
            _remove_ipv6,
            lambda interface: tuple(f"ipv6 address {str(held).upper()}" for held in interface.ipv6_addresses),
        ),
        negatable=True,
    ),
)
