from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest
from tests.system.support import Namespace, need_root, veth

from seikan.system.errors import AdapterError
from seikan.system.ping import Address, PingResult, ping


async def collect(
    target: str,
    source: str | None = None,
    *,
    repeat: int = 3,
    size: int = 100,
    wait: float = 2.0,
    df: bool = False,
    ttl: int | None = None,
) -> list[PingResult]:
    def address(text: str) -> Address:
        return IPv6Address(text) if ":" in text else IPv4Address(text)

    results = ping(
        address(target), address(source) if source else None, repeat=repeat, size=size, timeout=wait, df=df, ttl=ttl
    )
    return [result async for result in results]


def marks(results: list[PingResult]) -> str:
    return "".join(result.mark for result in results)


def test_replies_have_their_time() -> None:
    need_root()

    async def main() -> None:
        # At once, so that each hears the others' replies too.
        together = await asyncio.gather(*(collect("127.0.0.1", size=size) for size in (36, 100, 1500, 18024)))
        for results in together:
            assert marks(results) == "!!!"
            assert all(result.round_trip is not None and 0 < result.round_trip < 2 for result in results)
        assert marks(await collect("::1", repeat=2)) == "!!"
        assert marks(await collect("127.0.0.1", "127.0.0.9", repeat=1)) == "!"

    asyncio.run(main())


def test_a_source_or_size_that_cannot_be() -> None:
    need_root()
    with pytest.raises(AdapterError, match=r"203\.0\.113\.5 is not an address of this router"):
        asyncio.run(collect("127.0.0.1", "203.0.113.5"))
    with pytest.raises(AdapterError, match="one is IPv4, the other IPv6"):
        asyncio.run(collect("127.0.0.1", "::1"))
    with pytest.raises(AdapterError, match="36 to 18024"):
        asyncio.run(collect("127.0.0.1", size=20))


@pytest.mark.netns
def test_what_goes_wrong_on_the_way_has_its_mark(namespace: Callable[[], Namespace]) -> None:
    here, router, there = namespace(), namespace(), namespace()
    veth(here, router, "eth0")
    veth(router, there, "eth1")
    here.ip("addr", "add", "10.0.1.2/24", "dev", "eth0")
    router.ip("addr", "add", "10.0.1.1/24", "dev", "eth0")
    router.ip("addr", "add", "10.0.2.1/24", "dev", "eth1")
    there.ip("addr", "add", "10.0.2.2/24", "dev", "eth1")
    here.ip("route", "add", "default", "via", "10.0.1.1")
    there.ip("route", "add", "default", "via", "10.0.2.1")
    router.sh("sysctl", "-qw", "net.ipv4.ip_forward=1")
    router.ip("link", "set", "eth1", "mtu", "1300")
    there.ip("link", "set", "eth1", "mtu", "1300")

    assert marks(here.run(collect("10.0.2.2", size=1400))) == "!!!"  # fragmented on the way
    assert marks(here.run(collect("10.0.2.2", size=1300, df=True))) == "!!!"
    assert marks(here.run(collect("10.0.2.2", size=1301, df=True))) == "MMM"  # the first by ICMP, then by the kernel
    assert marks(here.run(collect("10.0.3.3", repeat=2))) == "UU"
    assert [
        [(result.mark, str(result.sender)) for result in here.run(collect("10.0.2.2", repeat=1, ttl=ttl))]
        for ttl in (1, 2)
    ] == [[("&", "10.0.1.1")], [("!", "10.0.2.2")]]
    router.ip("route", "add", "blackhole", "10.0.4.0/24")
    assert marks(here.run(collect("10.0.4.4", repeat=2, wait=0.2))) == ".."
    here.ip("route", "del", "default")
    assert marks(here.run(collect("10.0.2.2", repeat=2))) == ".."
