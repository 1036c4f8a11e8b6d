"""Tunnel destinations that are names: asked for again and again, never waited for.

In the configuration that runs, the address stands beside the name. An address stays while the name still has it,
whatever the order of the answers; where nobody can be asked for now, the last one stays. A name that does not exist
has no address, and its tunnels say so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from seikan.config.model import Config, Interface, Tunnel, TunnelMode
from seikan.system.errors import AdapterError
from seikan.system.resolver import NoSuchName, resolve

Address = IPv4Address | IPv6Address
Resolve = Callable[[str], Awaitable[tuple[Address, ...]]]

AGAIN = 60.0  # seconds from one question to the next; the system's resolver does not tell how long an answer holds
SOON = 5.0  # where there is no answer yet; doubles up to AGAIN
NOT_YET = "it is being asked for"


@dataclass(slots=True)
class _Name:
    addresses: tuple[Address, ...] = ()
    problem: str | None = NOT_YET
    failures: int = 0


class Names:
    """The book of them. `changed` is called where an answer is another than before; `at` calls back at a time."""

    def __init__(
        self,
        now: Callable[[], float],
        at: Callable[[float, Callable[[], None]], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        log: Callable[[str, int, str, str], object],
        changed: Callable[[], None],
        *,
        ask: Resolve = resolve,
    ) -> None:
        self._now = now
        self._at = at
        self._spawn = spawn
        self._log = log
        self._changed = changed
        self.ask = ask
        self._held: dict[str, _Name] = {}
        self._chosen: dict[tuple[str, int], Address] = {}  # by name and IP version

    def derive(self, config: Config) -> Config:
        """`config` with the addresses of its names, which are asked for from now on, and no others."""
        named = {
            name: interface
            for name, interface in config.interfaces.items()
            if interface.tunnel is not None and interface.tunnel.destination_name is not None
        }
        self._watch({_name(interface) for interface in named.values()})
        if not named:
            return config
        derived = {name: self._addressed(config, interface) for name, interface in named.items()}
        return replace(config, interfaces={**config.interfaces, **derived})

    def problem(self, name: str) -> str | None:
        """Why a name has no address; None where it has."""
        held = self._held.get(name)
        return NOT_YET if held is None else held.problem

    def _watch(self, names: set[str]) -> None:
        for name in self._held.keys() - names:
            del self._held[name]
            self._chosen = {key: address for key, address in self._chosen.items() if key[0] != name}
        for name in sorted(names - self._held.keys()):
            held = self._held[name] = _Name()
            self._spawn(self._ask(name, held))

    def _addressed(self, config: Config, interface: Interface) -> Interface:
        tunnel = interface.tunnel
        assert tunnel is not None
        return replace(interface, tunnel=replace(tunnel, destination=self._choose(config, tunnel)))

    def _choose(self, config: Config, tunnel: Tunnel) -> Address | None:
        """Of the tunnel's IP version; of that of a source that is an address, or the first, where the mode has both."""
        name = tunnel.destination_name or ""
        held = self._held.get(name)
        found = () if held is None else held.addresses
        for version in _versions(config, tunnel):
            chosen = self._chosen.get((name, version))
            fitting = [address for address in found if address.version == version]
            if chosen not in fitting:
                chosen = next(iter(fitting), None)
            if chosen is not None:
                self._chosen[name, version] = chosen
                return chosen
            self._chosen.pop((name, version), None)
        if held is not None and found:
            held.problem = f"it has no IPv{_versions(config, tunnel)[0]} address"
        return None

    async def _ask(self, name: str, held: _Name) -> None:
        before = held.addresses, held.problem
        try:
            held.addresses, held.problem, held.failures = await self.ask(name), None, 0
        except NoSuchName as error:
            held.addresses, held.problem = (), str(error)
            held.failures += 1
        except AdapterError as error:
            held.failures += 1
            if not held.addresses:
                held.problem = str(error)
        if self._held.get(name) is not held:
            return
        wait = AGAIN if not held.failures or held.addresses else min(AGAIN, SOON * 2 ** (held.failures - 1))
        self._at(self._now() + wait, lambda: self._again(name, held))
        if set(before[0]) != set(held.addresses) or before[1] != held.problem:
            self._tell(name, held)
            self._changed()

    def _again(self, name: str, held: _Name) -> None:
        if self._held.get(name) is held:
            self._spawn(self._ask(name, held))

    def _tell(self, name: str, held: _Name) -> None:
        if held.addresses:
            self._log("TUN", 6, "RESOLVED", f"{name} is {', '.join(map(str, held.addresses))}")
        else:
            self._log("TUN", 4, "UNRESOLVED", f"tunnel destination {held.problem}")


def _name(interface: Interface) -> str:
    assert interface.tunnel is not None
    return interface.tunnel.destination_name or ""


def _versions(config: Config, tunnel: Tunnel) -> tuple[int, ...]:
    """The IP versions that the outer addresses may have, the preferred one first."""
    if tunnel.mode is not TunnelMode.IPSEC_DUAL_OVERLAY:
        return (6,) if tunnel.mode in (TunnelMode.IPSEC_IPV6, TunnelMode.GRE_IPV6) else (4,)
    if isinstance(tunnel.source, str):
        source: Interface | None = config.interfaces.get(tunnel.source)
        only_ipv6 = source is not None and source.address is None and source.unnumbered is None
        return (6, 4) if only_ipv6 and source is not None and source.ipv6_addresses else (4, 6)
    return (4, 6) if tunnel.source is None else (tunnel.source.version,)
