"""From the configuration to FRR's: what each of its daemons is told.

OSPF's `network` lines become `ip ospf area` lines of the interfaces they match, because FRR matches
by prefix and refuses both at once. Every default that differs between FRR and IOS is written out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from seikan.config.model import Config, Interface, OspfAuthentication, OspfNetworkType, OspfProcess, StaticRoute
from seikan.config.names import is_template
from seikan.system.errors import AdapterError

GLOBAL = ""  # the section of lines that stand outside any
_REFERENCE_BANDWIDTH = 100  # Mbit/s
_HIGHEST_COST = 65535
# FRR holds back a router's own LSA for 5 s after the one before, and drops a neighbour's that comes within 1 s
# of the one before, to be sent again 5 s later: right after a new adjacency both happen, and its routes would
# lag behind it by up to 10 s. IOS sends the first one at once.
_TIMERS = ("timers throttle lsa all 1100", "timers lsa min-arrival 0")
_CONNECTED = "seikan-connected"
# kbit/s that IOS takes for an interface by its type; a Linux name's is FRR's business (from the device).
_BANDWIDTH = {
    "Tunnel": 100,
    "Virtual-Access": 100,
    "Loopback": 8_000_000,
    "Serial": 1544,
    "Ethernet": 10_000,
    "FastEthernet": 100_000,
    "GigabitEthernet": 1_000_000,
    "TenGigabitEthernet": 10_000_000,
}
_POINT_TO_POINT = ("Tunnel", "Virtual-Access", "Serial")
_SLOW_TYPES = (OspfNetworkType.NON_BROADCAST, OspfNetworkType.POINT_TO_MULTIPOINT)  # hello 30, dead 120


@dataclass(frozen=True, slots=True)
class DaemonConfig:
    """One FRR daemon's configuration: section header (`GLOBAL`, `interface X`, `router ospf`) to its lines.

    Lines may hold keys, so that neither `repr` nor an exception shows them.
    """

    sections: Mapping[str, tuple[str, ...]]

    def __repr__(self) -> str:
        return f"<FRR configuration of {len(self.sections)} sections>"


Rendered = Mapping[str, DaemonConfig]  # by instance: "zebra", "staticd", "ospfd", "ospfd-2"


@dataclass(frozen=True, slots=True)
class Choices:
    """What IOS decides once, when a process starts, and keeps: each OSPF process's router id.

    `default_process` is the one that runs in FRR's default instance; others get instances of their own.
    """

    default_process: int | None = None
    router_ids: Mapping[int, IPv4Address] | None = None


def choose(config: Config, addresses: Mapping[str, IPv4Interface], before: Choices) -> Choices:
    """Keep what was chosen for processes that still run; choose for new ones as IOS does.

    A router id is the typed one, else the highest address of a loopback, else of any interface that is up.
    """
    if not config.ospf:
        return Choices()
    default = before.default_process if before.default_process in config.ospf else min(config.ospf)
    router_ids: dict[int, IPv4Address] = {}
    for number, process in sorted(config.ospf.items()):
        kept = (before.router_ids or {}).get(number)
        chosen = process.router_id or kept or _highest_address(config, addresses, set(router_ids.values()))
        if chosen is not None:
            router_ids[number] = chosen
    return Choices(default, router_ids)


def _highest_address(
    config: Config, addresses: Mapping[str, IPv4Interface], taken: set[IPv4Address]
) -> IPv4Address | None:
    candidates = [
        (interface.name.startswith("Loopback"), address.ip)
        for interface in config.interfaces.values()
        if not interface.shutdown and (address := interface.address or addresses.get(interface.name)) is not None
    ]
    return max((candidate for candidate in candidates if candidate[1] not in taken), default=(False, None))[1]


def instance_name(process: int, choices: Choices) -> str:
    """The name of the ospfd that runs an OSPF process."""
    return "ospfd" if process == choices.default_process else f"ospfd-{process}"


def render(
    config: Config,
    names: Mapping[str, str],
    addresses: Mapping[str, IPv4Interface] | None = None,
    choices: Choices | None = None,
) -> Rendered:
    """FRR's configuration by daemon; a daemon that has nothing to do is absent, zebra is always there.

    `names` maps interface names to Linux ones (missing: the same); `addresses` holds primary addresses that
    the operating system set and the configuration does not. Raises `AdapterError` for what FRR cannot express.
    """
    addresses = addresses or {}
    choices = choose(config, addresses, Choices()) if choices is None else choices
    rendered = {"zebra": _zebra(config, names)}
    if config.routes:
        lines = tuple(dict.fromkeys(_static(route, names) for route in config.routes))
        rendered["staticd"] = DaemonConfig({GLOBAL: lines})
    for number, process in config.ospf.items():
        rendered[instance_name(number, choices)] = _ospf(config, process, names, addresses, choices)
    return rendered


def _zebra(config: Config, names: Mapping[str, str]) -> DaemonConfig:
    # As in IOS, a static route's next hop may itself be reached by the default route.
    sections: dict[str, tuple[str, ...]] = {GLOBAL: ("ip nht resolve-via-default",)}
    for name in config.interfaces:
        if not is_template(name):
            sections[f"interface {names.get(name, name)}"] = ("link-detect",)
    return DaemonConfig(sections)


def _static(route: StaticRoute, names: Mapping[str, str]) -> str:
    words = ["ip route", str(route.network)]
    if route.next_hop is not None:
        words.append(str(route.next_hop))
    if route.interface is not None:
        words.append(names.get(route.interface, route.interface))
    if route.tag is not None:
        words.append(f"tag {route.tag}")
    if route.distance != 1:
        words.append(str(route.distance))
    return " ".join(words)


def _ospf(
    config: Config,
    process: OspfProcess,
    names: Mapping[str, str],
    addresses: Mapping[str, IPv4Interface],
    choices: Choices,
) -> DaemonConfig:
    instance = "" if process.process == choices.default_process else f" {process.process}"
    router = ["log-adjacency-changes detail", *_TIMERS]
    router_id = (choices.router_ids or {}).get(process.process)
    if router_id is not None:
        router.append(f"ospf router-id {router_id}")
    if process.reference_bandwidth is not None:
        router.append(f"auto-cost reference-bandwidth {process.reference_bandwidth}")
    for area in process.areas:
        if area.authentication is OspfAuthentication.MESSAGE_DIGEST:
            router.append(f"area {area.area} authentication message-digest")
        elif area.authentication is OspfAuthentication.SIMPLE:
            router.append(f"area {area.area} authentication")
        if area.stub:
            router.append(f"area {area.area} stub")
            if area.no_summary:
                router.append(f"area {area.area} stub no-summary")
    borrowers = [interface.name for interface in config.interfaces.values() if interface.unnumbered is not None]
    for source in process.redistribute:
        words = [word for word in source.split() if word != "subnets"]
        if words[0] == "connected" and borrowers and "route-map" not in words:
            words += ["route-map", _CONNECTED]
        router.append(" ".join(["redistribute", *words]))
    if process.default_information is not None:
        router.append(f"default-information originate {process.default_information}".rstrip())

    sections: dict[str, tuple[str, ...]] = {}
    if any(_CONNECTED in line for line in router):
        # A borrowed address is a connected host route to FRR; announcing it would lead a peer's packets for
        # the tunnel's own endpoint into the tunnel.
        for number, name in enumerate(borrowers, 1):
            sections[f"route-map {_CONNECTED} deny {number}"] = (f"match interface {names.get(name, name)}",)
        sections[f"route-map {_CONNECTED} permit 65535"] = ()
    sections[f"router ospf{instance}"] = tuple(router)
    for interface in config.interfaces.values():
        area_of = None if is_template(interface.name) else ospf_area(config, process, interface, addresses)
        if area_of is not None:
            lines = _interface(config, process, interface, addresses, area_of, instance)
            sections[f"interface {names.get(interface.name, interface.name)}"] = lines
    return DaemonConfig(sections)


def primary_address(config: Config, name: str, addresses: Mapping[str, IPv4Interface]) -> IPv4Interface | None:
    """An interface's primary address: typed, borrowed (unnumbered), or the operating system's."""
    interface = config.interfaces.get(name)
    if interface is None or (interface.address is None and interface.unnumbered is None):
        return addresses.get(name)
    if interface.address is not None:
        return interface.address
    lender = config.interfaces.get(interface.unnumbered or "")
    if lender is not None and lender.address is not None:
        return lender.address
    return addresses.get(interface.unnumbered or "")


def ospf_area(
    config: Config, process: OspfProcess, interface: Interface, addresses: Mapping[str, IPv4Interface]
) -> IPv4Address | None:
    """The area in which an interface takes part in a process, None for not at all.

    `ip ospf N area A` wins over `network` lines, and of those the one with the fewest wildcard bits.
    """
    if interface.ospf.area is not None:
        # Without a number the line belongs to the only process there is.
        mine = interface.ospf.process in (None, process.process)
        return interface.ospf.area if mine else None
    address = primary_address(config, interface.name, addresses)
    if address is None:
        return None
    matching = [
        network
        for network in process.networks
        if (int(address.ip) ^ int(network.address)) & ~int(network.wildcard) & 0xFFFFFFFF == 0
    ]
    return min(matching, key=lambda network: int(network.wildcard).bit_count()).area if matching else None


def _interface(
    config: Config,
    process: OspfProcess,
    interface: Interface,
    addresses: Mapping[str, IPv4Interface],
    area: IPv4Address,
    instance: str,
) -> tuple[str, ...]:
    ospf = interface.ospf
    kind = re.split(r"\d", interface.name, maxsplit=1)[0]
    loopback = kind == "Loopback"
    network = _network_type(kind, ospf.network_type, primary_address(config, interface.name, addresses))
    lines = [f"ip ospf network {network.value}"]
    cost = ospf.cost or _cost(process, interface.bandwidth or _BANDWIDTH.get(kind))
    if cost is not None:
        lines.append(f"ip ospf cost {cost}")
    slow = not loopback and network in _SLOW_TYPES
    hello = ospf.hello_interval or (30 if slow else None)
    dead = ospf.dead_interval or (4 * hello if hello else None)
    for words, value in (
        ("hello-interval", hello),
        ("dead-interval", dead),
        ("retransmit-interval", ospf.retransmit_interval),
        ("transmit-delay", ospf.transmit_delay),
        ("priority", ospf.priority),
    ):
        if value is not None:
            lines.append(f"ip ospf {words} {value}")
    lines += _authentication(interface)
    if ospf.mtu_ignore:
        lines.append("ip ospf mtu-ignore")
    if loopback or process.passive_default != (interface.name in process.passive_interfaces):
        lines.append("ip ospf passive")
    # Last, so that the interface starts with everything above already set.
    lines.append(f"ip ospf{instance} area {area}")
    return tuple(lines)


def _network_type(kind: str, typed: OspfNetworkType | None, address: IPv4Interface | None) -> OspfNetworkType:
    if kind == "Loopback":
        # FRR knows only `lo` as a loopback. IOS announces a loopback's address as a host route whatever its
        # mask, which is what point-to-multipoint does (RFC 2328 section 12.4.1.4); a /32 is one already, and
        # FRR would leave it out on a point-to-point interface as unnumbered.
        if address is None or address.network.prefixlen == 32:
            return OspfNetworkType.BROADCAST
        return typed or OspfNetworkType.POINT_TO_MULTIPOINT
    return typed or (OspfNetworkType.POINT_TO_POINT if kind in _POINT_TO_POINT else OspfNetworkType.BROADCAST)


def _cost(process: OspfProcess, bandwidth: int | None) -> int | None:
    if bandwidth is None:
        return None
    reference = (process.reference_bandwidth or _REFERENCE_BANDWIDTH) * 1000
    return max(1, min(_HIGHEST_COST, reference // bandwidth))


def _authentication(interface: Interface) -> list[str]:
    ospf = interface.ospf
    lines = []
    if ospf.authentication is OspfAuthentication.MESSAGE_DIGEST:
        lines.append("ip ospf authentication message-digest")
    elif ospf.authentication is OspfAuthentication.SIMPLE:
        lines.append("ip ospf authentication")
    elif ospf.authentication is OspfAuthentication.NULL:
        lines.append("ip ospf authentication null")
    if ospf.authentication_key is not None:
        lines.append(f"ip ospf authentication-key {_key(ospf.authentication_key, 8, interface)}")
    for number, key in ospf.message_digest_keys.items():
        lines.append(f"ip ospf message-digest-key {number} md5 {_key(key, 16, interface)}")
    return lines


def _key(key: bytes, longest: int, interface: Interface) -> str:
    text = bytes(key).decode("ascii", errors="replace")
    if not 1 <= len(text) <= longest or not text.isascii() or not text.isprintable() or " " in text:
        raise AdapterError(
            f"{interface.name}: an OSPF key must have 1 to {longest} printable characters without spaces here"
        )
    return text
