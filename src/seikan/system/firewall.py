"""`ip tcp adjust-mss`: one nftables table per router, replaced as a whole and gone at the end."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Mapping

from seikan.system.errors import AdapterError

_TIMEOUT = 10.0


class MssClamp:
    """The table `seikan_<instance>`: lowers the MSS that SYN segments of transit connections announce."""

    def __init__(self, instance: str) -> None:
        self.table = "seikan_" + re.sub(r"[^A-Za-z0-9]", "_", instance)
        self._present = False

    async def set(self, sizes: Mapping[str, int]) -> None:
        """Linux interface name to MSS in octets, both directions, as in IOS; an interface not named is not touched.

        Raises `AdapterError` where nftables is missing or refuses; the table is then as it was.
        """
        if not sizes:
            await self.remove()
            return
        rules = "\n".join(
            f'    {direction} "{name}" tcp flags & (syn | rst) == syn '
            f"tcp option maxseg size > {size} tcp option maxseg size set {size}"
            for name, size in sizes.items()
            for direction in ("iifname", "oifname")
        )
        # One transaction: packets see the old table or the new one.
        await self._nft(
            f"add table inet {self.table}\ndelete table inet {self.table}\n"
            f"table inet {self.table} {{\n  chain forward {{\n"
            f"    type filter hook forward priority mangle; policy accept;\n{rules}\n  }}\n}}\n"
        )
        self._present = True

    async def remove(self, *, leftover: bool = False) -> None:
        """Take the table away; `leftover` also one that a killed daemon left."""
        if leftover and shutil.which("nft") is None:
            return  # without nftables nothing can have been left
        if self._present or leftover:
            await self._nft(f"add table inet {self.table}\ndelete table inet {self.table}\n")
            self._present = False

    async def _nft(self, script: str) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *("nft", "-f", "-"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError:
            raise AdapterError("ip tcp adjust-mss needs nftables: apt-get install nftables") from None
        try:
            async with asyncio.timeout(_TIMEOUT):
                _, errors = await process.communicate(script.encode())
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AdapterError("ip tcp adjust-mss: nft does not answer") from None
        if process.returncode != 0:
            first = errors.decode(errors="replace").splitlines()[:1]
            raise AdapterError(f"ip tcp adjust-mss: nft refused it: {' '.join(first) or 'no message'}")
