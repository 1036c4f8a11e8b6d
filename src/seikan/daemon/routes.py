"""`debug ip routing`: the routes that FRR gives the kernel, in the words of IOS, while somebody reads them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from ipaddress import IPv4Network
from typing import Any

from seikan.system.errors import AdapterError
from seikan.system.frr_state import Route
from seikan.system.route_events import RouteChange, RouteEvents

TOPIC = "routing"
_DISTANCES = {"ospf": 110, "static": 1}


class RouteDebug:
    """`routes` asks FRR, which alone knows a route's metric; `tell` takes the lines; `spawn` runs a task."""

    def __init__(
        self,
        routes: Callable[[], Awaitable[Sequence[Route]]],
        tell: Callable[[str], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._routes = routes
        self._tell = tell
        self._spawn = spawn
        self._events = RouteEvents(self._changed)
        self._metrics: dict[IPv4Network, tuple[int, int]] = {}
        self._waiting: list[RouteChange] = []
        self._working = False

    def wanted(self, on: bool) -> None:
        """Listen while somebody debugs, and not otherwise."""
        if on and not self._events.is_open:
            self._events.open()
            self._begin()  # what is there already may go
        elif not on:
            self._events.close()

    def close(self) -> None:
        self._events.close()

    def _changed(self, changes: list[RouteChange]) -> None:
        self._waiting += changes
        self._begin()

    def _begin(self) -> None:
        if not self._working:
            self._working = True
            self._spawn(self._work())

    async def _work(self) -> None:
        """One after the other, in the kernel's order: FRR's answers must not mix it up."""
        try:
            await self._learn()
            while self._waiting:
                changes, self._waiting = self._waiting, []
                if any(change.added for change in changes):
                    await self._learn()
                for change in changes:
                    self._say(change)
        finally:
            self._working = False

    async def _learn(self) -> None:
        try:
            found = await self._routes()
        except AdapterError:  # FRR is away, which is told elsewhere: the lines have what was known
            return
        for route in found:
            self._metrics[route.network] = (route.distance, route.metric)

    def _say(self, change: RouteChange) -> None:
        distance, metric = self._metrics.get(change.prefix, (_DISTANCES[change.protocol], 0))
        for gateway in change.gateways:
            word = "add" if change.added else "del"
            self._tell(f"RT: {word} {change.prefix} via {gateway}, {change.protocol} metric [{distance}/{metric}]")
