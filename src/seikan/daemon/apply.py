"""Carries out what `plan` says between two configurations, and undoes it where a step fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from seikan.config.model import Config, Interface
from seikan.config.plan import Action, ActionKind, inverse, plan
from seikan.daemon.settings import engine_settings
from seikan.daemon.view import look
from seikan.plane.base import PlaneError
from seikan.system.errors import AdapterError
from seikan.system.journal import JournalSettings, Severity

if TYPE_CHECKING:
    from seikan.daemon.router import Router

_ROUTED = {ActionKind.ROUTE, ActionKind.ROUTING, ActionKind.INTERFACE, ActionKind.TUNNEL}
_TUNNELLED = {ActionKind.CRYPTO, ActionKind.INTERFACE, ActionKind.TUNNEL}


class Applier:
    """The one path of every change: typed, loaded or copied."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def apply(self, old: Config, new: Config) -> None:
        """All of it or nothing; raises `AdapterError` or `PlaneError` with the system as it was under `old`."""
        actions = plan(old, new)
        done: list[Action] = []
        try:
            for action in actions:
                done.append(action)
                await self.apply_one(new, action)
            await self._together(new, actions)
        except (AdapterError, PlaneError, asyncio.CancelledError) as error:
            await self._roll_back(old, tuple(done), error)
            raise

    async def _roll_back(self, old: Config, done: tuple[Action, ...], error: BaseException) -> None:
        undo = inverse(done)
        for action in undo:
            try:
                await self.apply_one(old, action)
            except (AdapterError, PlaneError) as second:
                self._router.journal.log("SYS", 3, "ROLLBACK", f"{second}, while going back after: {error}")
        try:
            await self._together(old, undo)
        except (AdapterError, PlaneError) as second:
            self._router.journal.log("SYS", 3, "ROLLBACK", f"{second}, while going back after: {error}")

    async def apply_one(self, config: Config, action: Action) -> None:
        """One action, towards `config`."""
        router = self._router
        match action.kind:
            case ActionKind.HOSTNAME:
                router.journal.hostname = config.hostname
            case ActionKind.LOGGING:
                router.journal.configure(journal_settings(config))
            case ActionKind.TUNNEL:
                interface = config.interfaces.get(action.key)
                present = interface if interface is not None and interface.tunnel is not None else None
                router.tunnels.set_interface(action.key, present)
            case ActionKind.INTERFACE:
                old = action.old if isinstance(action.old, Interface) else None
                interface = config.interfaces.get(action.key)
                if interface is not None and interface.tunnel is not None:
                    router.tunnels.set_interface(action.key, interface)
                await router.interfaces.apply(config, old, interface)
            case _:
                pass  # taken together below, or nothing but text

    async def _together(self, config: Config, actions: tuple[Action, ...]) -> None:
        kinds = {action.kind for action in actions}
        if kinds & _TUNNELLED:
            await self.look(config)
            await self._router.interfaces.look_again(config)
            await self._router.interfaces.clamp(config)
            await self.look(config)
        if kinds & _ROUTED:
            await self._route(config)
        if kinds & (_TUNNELLED | {ActionKind.HOSTNAME, ActionKind.LOGGING}):
            self.configure_crypto(config)
            self._router.tunnels.refresh()

    async def _route(self, config: Config) -> None:
        interfaces = self._router.interfaces
        await self._router.frr.apply(config, interfaces.linux_names(config), interfaces.foreign_addresses(config))

    async def look(self, config: Config) -> None:
        """A fresh view of the system, for interfaces and tunnels alike."""
        router = self._router
        router.tunnels.configure(config)
        view = await look(router.netlink, router.tunnels.destinations())
        router.interfaces.view = view
        router.tunnels.resolve(view)

    def configure_crypto(self, config: Config) -> None:
        """Tell the engine its tunnels, with their ends as they are now."""
        self._router.crypto.configure(engine_settings(config, self._router.tunnels.settings()))

    async def surroundings_changed(self, config: Config) -> None:
        """Links, addresses or routes have changed: look, give what is missing, work out every tunnel."""
        router = self._router
        before = router.interfaces.foreign_addresses(config)
        await self.look(config)
        await router.interfaces.look_again(config)
        if router.interfaces.foreign_addresses(config) != before:
            await self._route(config)
        self.configure_crypto(config)
        router.tunnels.refresh()


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
