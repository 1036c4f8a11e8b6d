"""A whole router on adapters that keep books instead of touching a system, and that fail when told to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface
from pathlib import Path
from typing import Any, cast

from seikan.config.model import Config
from seikan.config.parse import parse
from seikan.daemon.router import Router
from seikan.plane.base import Plane, PlaneError
from seikan.plane.memory import MemoryPlane
from seikan.system.errors import AdapterError
from seikan.system.firewall import Firewall
from seikan.system.frr import Frr
from seikan.system.netlink import AddressEntry, Link, Netlink, RouteLookup
from seikan.system.policy_routing import CryptoRouting
from seikan.system.ruleset import Ruleset
from seikan.system.udp import IkeSockets

Address = IPv4Address | IPv6Address
InterfaceAddress = IPv4Interface | IPv6Interface


@dataclass(slots=True)
class Faults:
    """Raises at call number `at`, counted from `arm`, or at every call of `only`."""

    at: int = 0
    calls: int = 0
    armed: bool = False
    name: str = ""
    only: str = ""

    def arm(self, at: int) -> None:
        self.at, self.calls, self.armed, self.name, self.only = at, 0, True, "", ""

    def fail_only(self, name: str) -> None:
        self.arm(0)
        self.only = name

    def call(self, name: str, error: type[Exception]) -> None:
        if not self.armed:
            return
        self.calls += 1
        if name == self.only if self.only else self.calls == self.at:
            self.name = name
            raise error(f"{name} does not work today")


class Failing:
    """Every method of `inner` first asks `faults`."""

    def __init__(self, inner: object, faults: Faults, error: type[Exception], spared: frozenset[str]) -> None:
        self._inner, self._faults, self._error, self._spared = inner, faults, error, spared

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found) or name in self._spared:
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._faults.call(f"{type(self._inner).__name__}.{name}", self._error)
            return found(*arguments, **named)

        return call


def a_link(index: int, name: str, *, up: bool = True, carrier: bool = True, mtu: int = 1500) -> Link:
    return Link(index, name, None, up, carrier, mtu, None, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass
class FakeNetlink:
    """Devices with addresses; everything that is not on a wire is reached through `way`."""

    plane: MemoryPlane
    devices: dict[str, Link] = field(default_factory=lambda: {"eth0": a_link(1, "eth0")})
    held: dict[str, list[InterfaceAddress]] = field(default_factory=dict)
    ours: set[tuple[str, InterfaceAddress]] = field(default_factory=set)
    states: dict[str, bool] = field(default_factory=dict)
    mtus: dict[str, int] = field(default_factory=dict)
    crypto_routes: dict[int, str] = field(default_factory=dict)
    announced: list[tuple[str, InterfaceAddress]] = field(default_factory=list)
    way: str | None = "eth0"
    route_questions: int = 0
    dumps: int = 0

    def _all(self) -> dict[str, Link]:
        found = dict(self.devices)
        for number, (name, parameters) in enumerate(self.plane.devices.items(), 100):
            up = self.states.get(name, False)
            found[name] = a_link(number, name, up=up, carrier=self.plane.carrier(name), mtu=parameters.mtu)
        return {
            name: replace(link, admin_up=self.states.get(name, link.admin_up), mtu=self.mtus.get(name, link.mtu))
            for name, link in found.items()
        }

    async def links(self) -> dict[str, Link]:
        self.dumps += 1
        return self._all()

    async def link(self, name: str) -> Link | None:
        return self._all().get(name)

    async def addresses(self, interface: str | None = None, *, links: object = None) -> tuple[AddressEntry, ...]:
        return tuple(
            AddressEntry(name, address, False, False, (name, address) in self.ours)
            for name, addresses in self.held.items()
            for address in addresses
            if name in self._all()
        )

    async def route_to(self, destination: Address, *, links: object = None) -> RouteLookup | None:
        self.route_questions += 1
        return None if self.way is None else RouteLookup(self.way, None, None, 1500, False)

    def held_ipv4(self) -> dict[str, set[IPv4Interface]]:
        return {
            name: {address for address in held if isinstance(address, IPv4Interface)}
            for name, held in self.held.items()
        }

    def addresses_set(self, interface: str) -> tuple[InterfaceAddress, ...]:
        return tuple(address for name, address in self.ours if name == interface)

    async def add_address(self, interface: str, address: InterfaceAddress) -> None:
        if address not in self.held.setdefault(interface, []):
            self.held[interface].append(address)
            self.ours.add((interface, address))

    async def announce_address(self, interface: str, address: InterfaceAddress) -> None:
        self.announced.append((interface, address))

    async def remove_address(self, interface: str, address: InterfaceAddress) -> None:
        self.held[interface].remove(address)
        self.ours.discard((interface, address))

    async def set_up(self, interface: str) -> None:
        self.states[interface] = True

    async def set_down(self, interface: str) -> None:
        self.states[interface] = False

    async def set_mtu(self, interface: str, mtu: int) -> None:
        self.mtus[interface] = mtu

    async def restore_mtu(self, interface: str) -> None:
        self.mtus.pop(interface, None)

    async def restore_state(self, interface: str) -> None:
        self.states.pop(interface, None)

    async def create_loopback(self, name: str) -> None:
        self.devices.setdefault(name, a_link(50 + len(self.devices), name))

    async def remove_loopback(self, name: str) -> None:
        self.devices.pop(name, None)
        self.forget_device(name)

    async def remove_devices(self, names: Iterable[str]) -> None:
        """The memory plane's devices go with their tunnels."""

    def forget_device(self, name: str) -> None:
        for address in self.held.pop(name, []):
            self.ours.discard((name, address))
        self.states.pop(name, None)

    def loosen_reverse_path(self, interface: str) -> None:
        """Nothing to keep."""

    def forward_ipv6(self, forward: bool) -> None:
        """Nothing to keep."""

    def accept_own_sources(self, interface: str, accept: bool) -> None:
        """Nothing to keep."""

    async def set_backstops(self, networks: Iterable[IPv4Network]) -> None:
        """Nothing to keep."""

    def set_ipv6(self, interface: str, wanted: bool) -> None:
        """Nothing to keep."""

    async def set_crypto_route(self, routing: CryptoRouting, device: str, *, ipv6: bool = False) -> bool:
        self.crypto_routes[routing.table] = device
        return device in self._all()

    async def remove_crypto_route(self, routing: CryptoRouting) -> None:
        self.crypto_routes.pop(routing.table, None)


@dataclass
class FakeFrr:
    """All that FRR was told, as the real one keeps it when it refuses."""

    told: tuple[object, ...] = ((), {}, {}, {}, {})
    problems: tuple[str, ...] = ()
    known: Callable[[], dict[str, set[IPv4Interface]]] = dict

    async def apply(self, config: Config, names: Mapping[str, str], addresses: Mapping[str, IPv4Interface]) -> None:
        ospf = {name: interface.ospf for name, interface in config.interfaces.items()}
        self.told = (config.routes, dict(config.ospf), ospf, dict(names), dict(addresses))

    async def retry(self) -> bool:
        return False

    @property
    def available(self) -> bool:
        return True

    async def known_addresses(self) -> dict[str, set[IPv4Interface]]:
        return self.known()


@dataclass
class FakeFirewall:
    """What was asked of the packet filter last."""

    wanted: Ruleset = field(default_factory=Ruleset)

    async def set(self, wanted: Ruleset) -> None:
        self.wanted = wanted

    async def counters(self) -> dict[str, int]:
        return {}


@dataclass
class FakeSockets:
    """IKE's sockets; `taken` is the error of a port that another program holds."""

    taken: list[str] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    opened: int = 0

    def open(self, handler: Callable[..., None]) -> None:
        if self.taken:
            raise AdapterError(self.taken[0])
        self.opened += 1

    def nat_socket_filenos(self) -> list[tuple[int, int]]:
        return []

    def send(self, data: bytes, *path: object) -> bool:
        self.sent.append(data)
        return True

    def close(self) -> None:
        self.opened -= 1


_QUESTIONS = frozenset(
    {
        *("addresses_set", "carrier", "sas", "poll", "fileno", "tunnel_counters", "policy_counters", "sa_counters"),
        *("drops", "counters", "known_addresses", "announce_address"),
    }
)


class Bench:
    """A router on these fakes. Make it inside a running event loop; `close` it there."""

    def __init__(self, directory: Path, *, plane: bool = True) -> None:
        self.faults = Faults()
        self.memory = MemoryPlane()
        self.netlink = FakeNetlink(self.memory)
        self.frr, self.firewall, self.sockets = FakeFrr(), FakeFirewall(), FakeSockets()
        self.frr.known = self.netlink.held_ipv4
        self.watched: set[Address] = set()
        self.router = Router(directory / "startup-config", "bench", strict=False)
        self.router.journal.close()
        self.lines: list[str] = []
        self.router.journal.subscribe(self.lines.append)

        def failing(inner: object, error: type[Exception] = AdapterError) -> Any:
            return Failing(inner, self.faults, error, _QUESTIONS)

        self.router.compose(
            cast(Netlink, failing(self.netlink)),
            cast(Frr, failing(self.frr)),
            cast(Plane, failing(self.memory, PlaneError)) if plane else None,
            cast(Firewall, failing(self.firewall)),
            {},
            watch=lambda destinations: self.watched.update(destinations),
            sockets=lambda: cast(IkeSockets, self.sockets),
        )

    async def load(self, text: str) -> None:
        await self.router.load(parse(text).config)

    async def change(self, text: str) -> list[str]:
        """As if the whole of `text` had been typed as one line."""
        return await self.router.change(parse(text).config, self.router.revision, by="test")

    def system(self) -> dict[str, object]:
        """Everything that a change may touch, as it is."""
        netlink = self.netlink
        return {
            "devices": sorted(netlink.devices),
            "addresses": {name: sorted(map(str, held)) for name, held in netlink.held.items() if held},
            "ours": sorted((name, str(address)) for name, address in netlink.ours),
            "states": {name: up for name, up in netlink.states.items() if name in netlink._all()},
            "mtus": dict(netlink.mtus),
            "tunnels": self.memory.devices,
            "carriers": {name: self.memory.carrier(name) for name in self.memory.devices},
            "reasons": {name: state.reason for name, state in self.router.tunnels.states.items()},
            "frr": self.frr.told,
            "firewall": self.firewall.wanted,
            "crypto routes": dict(netlink.crypto_routes),
            "engine": self.router.crypto.settings,
            "listening": self.router.crypto.listening,
            "hostname": self.router.journal.hostname,
            "running": self.router.running,
        }

    def close(self) -> None:
        self.faults.armed = False
        self.router.crypto.close()
        self.memory.close()
