"""The router's table of nftables: replaced as a whole in one transaction, and gone at the end."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from ipaddress import IPv4Address
from typing import Any

from seikan.system.errors import AdapterError
from seikan.system.nft_lines import plain_name
from seikan.system.nft_rules import Rendering, render
from seikan.system.ruleset import ClearPacket, Ruleset

_TIMEOUT = 10.0
_MISSING = "No such file or directory"


class Firewall:
    """The table `seikan_<instance>`, family inet. Packets see the old table or the new one, never a mixture.

    `restored` counts how often another program had taken the table away (`nft flush ruleset`) and it was put back.
    """

    def __init__(self, instance: str) -> None:
        self.table = "seikan_" + re.sub(r"[^A-Za-z0-9]", "_", instance)
        self.restored = 0
        self._wanted = Ruleset()
        self._present: Rendering | None = None
        self._lock = asyncio.Lock()

    async def set(self, wanted: Ruleset) -> None:
        """Enforce this instead of what was before; counters that stay keep counting.

        Raises `AdapterError` where an access list cannot be enforced, or nftables is missing or refuses; the table is
        then as it was.
        """
        async with self._lock:
            if wanted == self._wanted:
                return
            if not any(wanted.features()):
                await self._remove()
                return
            await self._replace(render(wanted, self.table), wanted)

    async def remove(self, *, leftover: bool = False) -> None:
        """Take the table away; `leftover` also one that a killed daemon left."""
        async with self._lock:
            if self._present is None and (not leftover or shutil.which("nft") is None):
                return  # without nftables nothing can have been left
            await self._remove(always=True)

    async def sweep(self) -> None:
        """After the start-up configuration is applied: take away what a killed daemon left and this one does not need.

        Until then its table goes on keeping what should be encrypted from leaving in clear.
        """
        if self._present is None:
            await self.remove(leftover=True)

    async def counters(self) -> dict[str, int]:
        """Packets by counter (the names: `seikan.system.ruleset`).

        Puts the table back, with its counters at 0, where another program has taken it away.
        """
        async with self._lock:
            if self._present is None:
                return {}
            try:
                answer = await self._ask(f"list counters table inet {self.table}")
            except AdapterError as error:
                if _MISSING not in str(error):
                    raise
                await self._replace(render(self._wanted, self.table), self._wanted, anew=True)
                self.restored += 1
                answer = await self._ask(f"list counters table inet {self.table}")
        rows = [row["counter"] for row in answer if "counter" in row]
        return {plain_name(row["name"]): int(row["packets"]) for row in rows if row["table"] == self.table}

    async def samples(self) -> tuple[ClearPacket, ...]:
        """Packets dropped since the last look because they came in clear: some of them, one for each kind."""
        async with self._lock:
            if self._present is None or not self._present.samples:
                return ()
            names = dict(self._present.samples)
            answer = await self._ask("; ".join(f"list set inet {self.table} {name}" for name in names))
            full = [row["set"]["name"] for row in answer if row.get("set", {}).get("elem")]
            if full:
                about = ", ".join(self._wanted.features())
                await self._nft(about, "\n".join(f"flush set inet {self.table} {name}" for name in full))
        return tuple(
            ClearPacket(names[held["name"]], IPv4Address(source), IPv4Address(destination), int(protocol))
            for held in (row["set"] for row in answer if "set" in row)
            for source, destination, protocol in map(_element, held.get("elem", ()))
        )

    async def _replace(self, rendering: Rendering, wanted: Ruleset, *, anew: bool = False) -> None:
        about = ", ".join(wanted.features())
        if self._present is None or anew:
            await self._nft(about, rendering.replacing(None))
        else:
            try:
                await self._nft(about, rendering.replacing(self._present))
            except AdapterError:
                # Somebody may have changed the table: then it is made anew, or refused for what is wrong with it.
                await self._nft(about, rendering.replacing(None))
        self._present, self._wanted = rendering, wanted

    async def _remove(self, *, always: bool = False) -> None:
        if self._present is not None or always:
            about = ", ".join(self._wanted.features()) or "nftables"
            await self._nft(about, f"add table inet {self.table}\ndelete table inet {self.table}\n")
        self._present, self._wanted = None, Ruleset()

    async def _ask(self, command: str) -> list[dict[str, Any]]:
        about = ", ".join(self._wanted.features())
        answer = await self._nft(about, "", "-j", "-p", command)
        rows: list[dict[str, Any]] = []
        for line in answer.splitlines():  # one object for each command
            rows += json.loads(line)["nftables"]
        return rows

    async def _nft(self, about: str, script: str, *words: str) -> str:
        """What nft prints, for a script or for a command given as words."""
        try:
            process = await asyncio.create_subprocess_exec(
                *("nft", *(words or ("-f", "-"))),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError:
            raise AdapterError(f"{about} needs nftables: apt-get install nftables") from None
        try:
            async with asyncio.timeout(_TIMEOUT):
                output, errors = await process.communicate(script.encode())
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AdapterError(f"{about}: nft does not answer") from None
        if process.returncode != 0:
            first = errors.decode(errors="replace").splitlines()[:1]
            raise AdapterError(f"{about}: nft refused it: {' '.join(first) or 'no message'}")
        return output.decode()


def _element(element: Any) -> tuple[str, str, int]:
    """Source, destination and protocol of an element of a set of samples."""
    value = element["elem"]["val"] if "elem" in element else element
    source, destination, protocol = value["concat"]
    return source, destination, protocol
