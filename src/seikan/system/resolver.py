"""Addresses of host names, asked of the system's resolver in threads: files, DNS, whatever nsswitch.conf says."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

from seikan.system.errors import AdapterError
from seikan.system.threads import in_thread

Address = IPv4Address | IPv6Address

_AT_A_TIME = asyncio.Semaphore(4)
# What getaddrinfo(3) answers where the name is known not to be there, and not merely not known for now.
_ABSENT = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class NoSuchName(AdapterError):
    """Nobody has the name, or it has no address."""


async def resolve(name: str) -> tuple[Address, ...]:
    """All addresses, in the system's order. Raises `NoSuchName`, or `AdapterError` where nobody could be asked."""
    try:
        async with _AT_A_TIME:
            found = await in_thread(lambda: _ask(name))
    except socket.gaierror as error:
        kind = NoSuchName if error.errno in _ABSENT else AdapterError
        raise kind(f"{name}: {error.strerror}") from None
    except (OSError, UnicodeError) as error:
        raise AdapterError(f"{name} cannot be resolved: {error}") from None
    return tuple(dict.fromkeys(ip_address(address) for address in found if "%" not in address))


def _ask(name: str) -> list[str]:
    answers = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    return [str(answer[4][0]) for answer in answers]
