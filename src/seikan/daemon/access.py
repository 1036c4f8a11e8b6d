"""Virtual-Access interfaces: one for each spoke that has authenticated, cloned from a Virtual-Template.

The engine says when one comes, moves and goes. What it is made of is the template as it was at that moment: editing
the template reaches the spokes that come after, and those that are there keep what they were made from.

An interface whose spoke has gone stays for a moment without its line protocol. Routing takes its routes away meanwhile
and puts others in their place; were the device gone first, packets would follow the default route, in clear. A spoke
that is back by then gets the same device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from seikan.config.model import Config, Interface, OspfProcess
from seikan.config.names import is_template
from seikan.config.validate import tunnel_problems
from seikan.daemon.settings import overlays, profile_phase_two
from seikan.ike.effects import Address, CreateAccess, MoveAccess, Path, RemoveAccess
from seikan.ike.settings import TemplateSettings

_NAMED = 3  # how many interfaces a log line names
LEAVE = 1.0  # seconds that an interface without a spoke stays


@dataclass(frozen=True, slots=True)
class Access:
    """One spoke's interface; `since` in seconds of the router's clock. `left` is why its spoke has gone."""

    name: str
    template: int
    cloned_from: Interface
    profile: str
    identity: str
    path: Path
    since: float
    left: str | None = None

    @property
    def interface(self) -> Interface:
        """The clone: the template's lines, and a tunnel from where the spoke came to back to where it is."""
        tunnel = self.cloned_from.tunnel
        assert tunnel is not None
        source = tunnel.source if tunnel.source is not None else self.path.local
        return replace(
            self.cloned_from, name=self.name, tunnel=replace(tunnel, source=source, destination=self.path.remote)
        )


def template_name(number: int) -> str:
    return f"Virtual-Template{number}"


def outdated_text(template: str, clones: tuple[str, ...]) -> str:
    """What to know of a template that was changed while interfaces run that were cloned from it."""
    named = ", ".join(clones[:_NAMED]) + (f" and {len(clones) - _NAMED} more" if len(clones) > _NAMED else "")
    keep = "keeps what it was" if len(clones) == 1 else "keep what they were"
    return f"{template}: the change holds for new sessions; {named} {keep} cloned from (renew: clear crypto session)"


def templates(config: Config, address_of: Callable[[str], Address | None]) -> tuple[TemplateSettings, ...]:
    """The Virtual-Templates that a spoke can get a copy of: complete, not shut down, their source with an address."""
    found = []
    for interface in config.interfaces.values():
        tunnel = interface.tunnel
        if not is_template(interface.name) or tunnel is None or interface.shutdown or not tunnel.mode.ipsec:
            continue
        offer = profile_phase_two(config, tunnel.protection)
        local = address_of(tunnel.source) if isinstance(tunnel.source, str) else tunnel.source
        if offer is None or tunnel_problems(config, interface.name) or (tunnel.source is not None and local is None):
            continue
        number = int(interface.name.removeprefix("Virtual-Template"))
        selector, *more = overlays(config, tunnel)
        found.append(TemplateSettings(number, local, selector, offer, tuple(more)))
    return tuple(found)


class Accesses:
    """The book of them. `changed` is called when the derived configuration is to be worked out again; `at` calls back
    at a time of `now`'s clock.
    """

    def __init__(
        self,
        now: Callable[[], float],
        at: Callable[[float, Callable[[], None]], None],
        log: Callable[[str, int, str, str], object],
        changed: Callable[[], None],
    ) -> None:
        self._now = now
        self._at = at
        self._log = log
        self._changed = changed
        self._held: dict[str, Access] = {}

    @property
    def held(self) -> Mapping[str, Access]:
        return self._held

    def take(self, effect: CreateAccess | MoveAccess | RemoveAccess, config: Config) -> Access | None:
        """What the engine says; gives the new interface where one was made."""
        match effect:
            case CreateAccess(name, template, profile, path, identity):
                cloned_from = config.interfaces.get(template_name(template))
                if cloned_from is None or cloned_from.tunnel is None:
                    return None  # removed at this very moment: the engine is told next, and ends the session
                if name not in self._held:
                    self._log("LINK", 3, "UPDOWN", f"Interface {name}, changed state to up")
                access = Access(name, template, cloned_from, profile, identity, path, self._now())
                self._held[name] = access
                self._changed()
                return access
            case MoveAccess(name, path):
                if name in self._held:
                    self._held[name] = replace(self._held[name], path=path)
                    self._changed()
            case RemoveAccess(name, reason):
                if name in self._held:
                    leaving = self._held[name] = replace(self._held[name], left=reason)
                    self._at(self._now() + LEAVE, lambda: self._gone(leaving))
        return None

    def _gone(self, access: Access) -> None:
        if self._held.get(access.name) is access:
            del self._held[access.name]
            self._log("LINK", 3, "UPDOWN", f"Interface {access.name}, changed state to down ({access.left})")
            self._changed()

    def derive(self, config: Config) -> Config:
        """`config` with the Virtual-Access interfaces that run, as if they had been typed."""
        if not self._held:
            return config
        interfaces = {**config.interfaces, **{name: access.interface for name, access in self._held.items()}}
        ospf = {number: self._passive(process) for number, process in config.ospf.items()}
        return replace(config, interfaces=interfaces, ospf=ospf)

    def _passive(self, process: OspfProcess) -> OspfProcess:
        """`passive-interface Virtual-Template1` is about its clones."""
        clones = tuple(
            name
            for name, access in self._held.items()
            if template_name(access.template) in process.passive_interfaces and name not in process.passive_interfaces
        )
        return replace(process, passive_interfaces=(*process.passive_interfaces, *clones)) if clones else process

    def outdated(self, config: Config) -> dict[str, tuple[str, ...]]:
        """By template that has changed: the interfaces that were cloned from it before."""
        found: dict[str, tuple[str, ...]] = {}
        for access in self._held.values():
            template = template_name(access.template)
            if access.left is None and config.interfaces.get(template) != access.cloned_from:
                found[template] = (*found.get(template, ()), access.name)
        return found
