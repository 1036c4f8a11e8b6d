"""Policy routing for crypto maps: packets with a map's mark go to the map's device, whatever the routes say.

Numbers that nobody else uses: the mark is in five bits (31 interfaces with maps) that leave all others to whoever
marks packets too; tables are numbered beyond those of other programs (FRR counts from 10000, wg-quick takes ports);
the rules come behind the one for local addresses, and before those of FRR's policy routing (300 and up), of VRFs
(1000) and of the system, which would send a packet past its map.

Below the route to the device a map's table has one that drops: while the device is away, or the daemon is killed,
nothing falls through to the main table and leaves in clear.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from seikan.system.errors import AdapterError
from seikan.system.ledger import Entry, Ledger

#: The ledger's kind of entry; its target is the table.
CRYPTO_ROUTE = "crypto-route"
MOST_MAPS = 31
_MASK_SHIFT = 24
#: The bits of packet marks that all maps share.
MARK_MASK = MOST_MAPS << _MASK_SHIFT
_FIRST_TABLE = 500450000
_PRIORITY = 200
_PROTOCOL = 94  # rtnetlink(7): none of those that FRR and the system take for their own
_LAST_METRIC = 0xFFFFFFFF
_BLACKHOLE = 6  # RTN_BLACKHOLE
_SCOPE_LINK = 253
_GONE = {errno.ENODEV, errno.ENETDOWN, errno.ENOENT, errno.ESRCH, errno.ENXIO}
_NO_FAMILY = {errno.EAFNOSUPPORT, errno.EOPNOTSUPP}
_AWAY = {errno.ENODEV, errno.ENETDOWN, errno.ENXIO}


@dataclass(frozen=True, slots=True)
class CryptoRouting:
    """The numbers of one interface's crypto map."""

    mark: int
    mask: int
    table: int

    @classmethod
    def of(cls, number: int) -> CryptoRouting:
        """Those of the map `number`, from 1. Raises `AdapterError` where there are no more."""
        if not 1 <= number <= MOST_MAPS:
            raise AdapterError(f"crypto maps can be on {MOST_MAPS} interfaces at most")
        return cls(number << _MASK_SHIFT, MARK_MASK, _FIRST_TABLE + number)


class PolicyRouting:
    """The rules and tables of crypto maps, noted in the ledger; `ipr` is pyroute2's socket, `Netlink` calls it."""

    def __init__(self, ipr: Any, ledger: Ledger) -> None:
        self._ipr = ipr
        self._ledger = ledger

    async def set(self, routing: CryptoRouting, device: int | None, *, ipv6: bool) -> bool:
        """Send what is marked to the device of this index; False where it is away or down and packets are dropped.

        Does nothing that is done already.
        """
        self._ledger.record(Entry(CRYPTO_ROUTE, str(routing.table)))
        there = True
        for family in _families(ipv6=ipv6):
            try:
                there &= await self._set_routes(family, routing.table, device)
                await self._set_rule(family, routing)
            except NetlinkError as error:
                raise AdapterError(f"policy routing for a crypto map cannot be set: {_reason(error)}") from None
        if not ipv6:
            await self._clear(socket.AF_INET6, routing.table)
        return there

    async def _set_routes(self, family: int, table: int, device: int | None) -> bool:
        """Only what is missing: a route that is set again would be told to everybody as a change of routes."""
        held = await self._routes(family, table)
        made: dict[str, Any] = {"family": family, "dst": "default", "table": table, "proto": _PROTOCOL}
        if not any(route["type"] == _BLACKHOLE for route in held):
            await self._ipr.route("replace", **made, type=_BLACKHOLE, priority=_LAST_METRIC)
        if device is None:
            return False
        if not any(route["type"] != _BLACKHOLE and route.get("oif") == device for route in held):
            if family == socket.AF_INET:
                made["scope"] = _SCOPE_LINK
            try:
                await self._ipr.route("replace", **made, oif=device)
            except NetlinkError as error:
                if error.code in _AWAY:
                    return False
                raise
        return True

    async def _set_rule(self, family: int, routing: CryptoRouting) -> None:
        wanted = {"fwmark": routing.mark, "fwmask": routing.mask, "priority": _PRIORITY, "table": routing.table}
        async for rule in await self._ipr.rule("dump", family=family):
            if _table(rule) == routing.table:
                if all(rule.get(name) == value for name, value in wanted.items()):
                    return
                await self._ipr.rule("del", family=family, **_rule(rule))
        await self._ipr.rule("add", family=family, **wanted)

    async def remove(self, table: int) -> None:
        """Take rules and routes of a map's table away; none are left alone."""
        entry = self._ledger.find(CRYPTO_ROUTE, str(table))
        if entry is not None:
            await self.undo(entry)
            self._ledger.forget(entry)

    async def undo(self, entry: Entry) -> None:
        """What an entry of the ledger notes. Raises `AdapterError`."""
        for family in _families(ipv6=True):
            await self._clear(family, int(entry.target))

    async def _clear(self, family: int, table: int) -> None:
        """Rules before routes: a table without its routes would let packets through to the next."""
        try:
            rules = [rule async for rule in await self._ipr.rule("dump", family=family) if _table(rule) == table]
            for rule in rules:
                await self._unless_gone(self._ipr.rule("del", family=family, **_rule(rule)))
            for route in await self._routes(family, table):
                await self._unless_gone(self._ipr.route("del", **_route(route, family)))
        except NetlinkError as error:
            if error.code not in _NO_FAMILY:
                raise AdapterError(f"policy routing of table {table} cannot be removed: {_reason(error)}") from None

    async def _routes(self, family: int, table: int) -> list[Any]:
        try:
            found = [route async for route in await self._ipr.route("dump", family=family, table=table)]
        except NetlinkError as error:
            if error.code in _GONE:  # a table that has never had a route
                return []
            raise
        return [route for route in found if _table(route) == table]

    async def _unless_gone(self, request: Awaitable[Any]) -> None:
        try:
            await request
        except NetlinkError as error:
            if error.code not in _GONE:
                raise


def _families(*, ipv6: bool) -> Iterator[int]:
    yield socket.AF_INET
    if ipv6:
        yield socket.AF_INET6


def _table(message: Any) -> int:
    number = message.get("table")
    return int(number if number is not None else message["table"])


def _rule(message: Any) -> dict[str, Any]:
    names = ("fwmark", "fwmask", "priority", "table")
    return {name: message.get(name) for name in names if message.get(name) is not None}


def _route(message: Any, family: int) -> dict[str, Any]:
    made: dict[str, Any] = {"family": family, "dst": "default", "table": _table(message), "type": message["type"]}
    if family == socket.AF_INET:
        made["scope"] = message["scope"]
    for name in ("oif", "priority"):
        if message.get(name) is not None:
            made[name] = message.get(name)
    return made


def _reason(error: NetlinkError) -> str:
    return str(error.args[1] if len(error.args) > 1 else error)
