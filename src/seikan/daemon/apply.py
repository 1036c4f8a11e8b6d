"""Carries out what `plan` says between two configurations, and undoes it where a step fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING

from seikan.config.model import Config, Interface
from seikan.config.names import is_access, is_tunnel
from seikan.config.plan import Action, ActionKind, inverse, plan
from seikan.daemon.filters import holding, ruleset
from seikan.daemon.view import View, look
from seikan.plane.base import PlaneError
from seikan.system.errors import AdapterError
from seikan.system.journal import JournalSettings, Severity

if TYPE_CHECKING:
    from seikan.daemon.router import Router

_ROUTED = {ActionKind.ROUTE, ActionKind.ROUTING, ActionKind.INTERFACE, ActionKind.TUNNEL}
_FILTERED = {ActionKind.FILTER, ActionKind.NAT, ActionKind.STORED}  # route maps are among what is stored
_TUNNELLED = {
    ActionKind.CRYPTO,
    ActionKind.CRYPTO_MAP,
    ActionKind.FILTER,  # an access list may be a crypto map's
    ActionKind.INTERFACE,
    ActionKind.STORED,  # a line that was not understood may have kept a tunnel or a map from working
    ActionKind.TEMPLATE,
    ActionKind.TUNNEL,
}
_NEGOTIATED = {*_TUNNELLED, ActionKind.HOSTNAME, ActionKind.LOGGING}

_TOGETHER = 4  # devices that go at the same time: from here on one removal of all is quicker

Step = Callable[[Config], Awaitable[None]]


class Applier:
    """The one path of every change: typed, loaded or copied, the surroundings', or of what the router made itself.

    The configurations are derived ones: what runs, with the interfaces and routes that the router adds.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._acted_on = View()
        self._untold = False  # FRR has not taken the last configuration that it was given
        self._again = False  # the last look at the surroundings did not come to its end
        self._unannounced = False  # there are other addresses than when FRR was asked which it knows
        self._unfiltered: str | None = None  # why the last ruleset is not in force
        self._filtered = False  # the packet filter has been what a configuration says
        self.leaks = False  # nothing keeps what crypto maps should encrypt from being forwarded in clear

    async def apply(self, old: Config, new: Config) -> None:
        """All of it or nothing; raises `AdapterError` or `PlaneError` with the system as it was under `old`."""
        actions = plan(old, new)
        done: list[Action] = []
        refused = self._router.tunnels.refusals()
        try:
            if any(is_access(name) for name in new.interfaces.keys() - old.interfaces.keys()):
                await self._filter(new)  # its spoke may be sending already
            for action in actions:
                done.append(action)
                await self._one(new, action)
            for step in self._steps(actions):
                await step(new)
            for name, text in self._router.tunnels.refusals().items():
                if refused.get(name) != text:
                    raise PlaneError(text)
        except BaseException:
            await self._guarded(old, inverse(done))
            raise

    async def load(self, config: Config, *, kept: bool = False) -> list[str]:
        """Bring up as much of a start-up configuration as can be; one line for each part that cannot.

        From before the first interface is up until the packet filter is complete, and for good where it cannot be had,
        nothing is forwarded by an interface with a crypto map. `kept`: the filter of a killed router sees to that.
        """
        problems: list[str] = []
        if not kept:
            await self._try(self._hold(config), problems)
        problems += await self._guarded(config, plan(Config(), config), tolerant=True)
        if kept and not self._filtered:
            await self._try(self._hold(config), problems)
        return problems

    async def _hold(self, config: Config) -> None:
        wanted = holding(config, self._router.interfaces.linux_name)
        self.leaks = bool(wanted.crypto)
        if wanted.crypto:
            await self._router.firewall.set(wanted)
            self.leaks = False

    async def follow(self, old: Config, new: Config) -> None:
        """What the router adds itself has changed: every step, whatever becomes of the others."""
        gone = [name for name in old.interfaces if name not in new.interfaces and is_tunnel(name)]
        if len(gone) >= _TOGETHER:
            removing = self._router.netlink.remove_devices(map(self._router.tunnels.device_of, gone))
            await self._try(removing, [])
        # First: an interface comes with its filters, and flows of dynamic maps are in no configuration.
        await self._try(self._filter(new), [])
        await self._guarded(new, plan(old, new), tolerant=True)

    async def _guarded(self, config: Config, actions: tuple[Action, ...], *, tolerant: bool = False) -> list[str]:
        """Every step, whatever becomes of the others; each failure is logged."""
        problems: list[str] = []
        for action in actions:
            await self._try(self._one(config, action, tolerant=tolerant), problems)
        for step in self._steps(actions):
            await self._try(step(config), problems)
        return problems

    async def _try(self, step: Awaitable[None], problems: list[str]) -> None:
        try:
            await step
        except (AdapterError, PlaneError) as error:
            problems.append(str(error))
            self._router.journal.log("SYS", 3, "APPLY", str(error))

    async def _one(self, config: Config, action: Action, *, tolerant: bool = False) -> None:
        """One action, towards `config`; `tolerant`: a tunnel that cannot be made is kept, to be tried again."""
        router = self._router
        match action.kind:
            case ActionKind.HOSTNAME:
                router.journal.hostname = config.hostname
            case ActionKind.FORWARDING:
                router.netlink.forward_ipv6(config.ipv6_unicast_routing)
            case ActionKind.LOGGING:
                router.journal.configure(journal_settings(config))
            case ActionKind.TUNNEL:
                interface = config.interfaces.get(action.key)
                if interface is not None and interface.tunnel is not None:
                    router.tunnels.add(action.key, interface, tolerant=tolerant)
                    await router.interfaces.switch(interface)
                else:
                    router.tunnels.remove(action.key)
                    router.netlink.forget_device(router.tunnels.device_of(action.key))
            case ActionKind.INTERFACE:
                old = action.old if isinstance(action.old, Interface) else None
                await router.interfaces.apply(config, old, config.interfaces.get(action.key))
            case _:
                pass  # taken together below, or nothing but text

    def _steps(self, actions: tuple[Action, ...]) -> list[Step]:
        """What is done once for all actions of their kinds."""
        kinds = {action.kind for action in actions}
        steps: list[Step] = []
        if kinds & _TUNNELLED:
            steps += [self.look, self._give, self._map]
        if kinds & (_TUNNELLED | _FILTERED):
            steps.append(self._filter)
        if kinds & _ROUTED:
            steps.append(self._route)
        if kinds & _NEGOTIATED:
            steps.append(self._work_out)
        return steps

    async def look(self, config: Config) -> None:
        """A fresh view of the system, for interfaces and tunnels alike."""
        router = self._router
        router.tunnels.configure(config)
        destinations = router.tunnels.destinations()
        router.watch(destinations)
        view = await look(router.netlink, destinations)
        if not view.same_addresses_as(self._acted_on):
            self._unannounced = True
            router.announcing.ask()
        router.interfaces.view = self._acted_on = view
        router.tunnels.resolve(view)

    async def _give(self, config: Config) -> None:
        """Give interfaces what they lack, and look at what that changed."""
        if await self._router.interfaces.look_again(config):
            await self.look(config)

    async def _map(self, config: Config) -> None:
        """Crypto maps: their devices are there before any packet is sent to them."""
        await self._router.maps.apply(config, self._router.interfaces.view)

    async def _filter(self, config: Config) -> None:
        """Access groups, translation, crypto maps and MSS, as one table of the kernel's packet filter."""
        router = self._router
        try:
            await router.firewall.set(ruleset(config, router.interfaces.linux_name, router.maps.states.values()))
        except AdapterError as error:
            self._unfiltered = str(error)
            raise
        self._unfiltered = None
        self._filtered, self.leaks = True, False

    async def _route(self, config: Config) -> None:
        interfaces = self._router.interfaces
        self._untold = True
        dropped = [route.network for route in config.routes if route.interface == "Null0"]
        await self._router.netlink.set_backstops(dropped)
        await self._router.frr.apply(config, interfaces.linux_names(config), interfaces.foreign_addresses(config))
        self._untold = False

    async def _work_out(self, config: Config) -> None:
        """Tell the engine its tunnels, with their ends as they are now, and set every carrier."""
        router = self._router
        router.links.update(config, router.interfaces.view.links)
        router.crypto.configure(router.settings_of(config))
        router.maps.set_going()
        router.tunnels.make_ready(config, self._unfiltered)
        router.tunnels.refresh()

    async def surroundings_changed(self, config: Config) -> None:
        """Links, addresses or routes may have changed: look, give what is missing, work out every tunnel."""
        interfaces = self._router.interfaces
        before, foreign = self._acted_on, interfaces.foreign_addresses(config, self._acted_on)
        await self.look(config)
        if self._acted_on.same_as(before) and not self._again:
            return
        problems: list[str] = []
        await self._try(self._give(config), problems)
        await self._try(self._map(config), problems)
        await self._try(self._filter(config), problems)
        if interfaces.foreign_addresses(config) != foreign:
            await self._try(self._route(config), problems)
        await self._work_out(config)
        self._again = bool(problems)

    async def retry(self, config: Config) -> None:
        """What did not work before is tried again: tunnels that could not be made, FRR that was not there."""
        router = self._router
        if router.tunnels.retry():
            self._again = True
            await self.surroundings_changed(config)
        if router.maps.states:  # somebody may have taken their routes, or their devices
            problems: list[str] = []
            await self._try(self._map(config), problems)
            await self._try(self._filter(config), problems)
        if await router.frr.retry() or self._untold:
            await self._route(config)
        if self._unannounced:
            router.announcing.ask()
        if self._unfiltered is not None:
            await self._filter(config)
            await self._work_out(config)

    async def announce(self) -> None:
        """Tell FRR again of the addresses that it has missed, without which its protocols do not run there.

        It reads devices and addresses from two sockets, and forgets the address of a device that it has not read of
        yet (its issues 13288 and 13630).
        """
        netlink, frr = self._router.netlink, self._router.frr
        if not frr.available:
            return
        known = await frr.known_addresses()
        missed = [
            (device, address)
            for device in self._acted_on.links
            for address in netlink.addresses_set(device)
            if isinstance(address, IPv4Interface) and address not in known.get(device, ())
        ]
        for device, address in missed:
            await netlink.announce_address(device, address)
        self._unannounced = bool(missed)


def journal_settings(config: Config) -> JournalSettings:
    """`logging …` with the defaults of IOS."""
    logging = config.logging
    default = JournalSettings()
    if not logging.on:
        return JournalSettings(default.size, None, None, None, None)

    def level(word: str | None) -> Severity:
        return Severity.named(word, Severity.DEBUGGING)

    return JournalSettings(
        size=logging.buffered or default.size,
        buffered=level(logging.buffered_level),
        console=level(logging.console_level) if logging.console else None,
        monitor=level(logging.monitor_level),
        trap=Severity.named(logging.trap_level, Severity.INFORMATIONAL),
        hosts=logging.hosts,
    )
