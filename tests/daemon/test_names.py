"""Tunnels to a name: they come up when it is resolved, move with it, and say why they cannot."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Coroutine, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.fakes import Bench
from tests.daemon.routers import CRYPTO, TUNNEL, Sites, until
from tests.daemon.test_rollback import LOOP, VTI, WAN
from tests.interop.network import stop

from seikan.config.parse import parse
from seikan.daemon.names import AGAIN, SOON, Names
from seikan.system import resolver
from seikan.system.errors import AdapterError
from seikan.system.resolver import NoSuchName

NAMED = LOOP + WAN + VTI.replace("tunnel destination 192.0.2.3", "tunnel destination gw.example.net")
Answer = tuple[IPv4Address | IPv6Address, ...] | AdapterError


def addresses(*texts: str) -> tuple[IPv4Address | IPv6Address, ...]:
    return tuple(ip_address(text) for text in texts)


class Resolver:
    """Answers by name; `asked` in order."""

    def __init__(self, **answers: Answer) -> None:
        self.answers: dict[str, Answer] = {name.replace("_", "."): answer for name, answer in answers.items()}
        self.asked: list[str] = []

    async def ask(self, name: str) -> tuple[IPv4Address | IPv6Address, ...]:
        self.asked.append(name)
        answer = self.answers[name]
        if isinstance(answer, AdapterError):
            raise answer
        return answer


class Book:
    """Names with a clock that a test turns."""

    def __init__(self, **answers: Answer) -> None:
        self.resolver = Resolver(**answers)
        self.now = 0.0
        self.due: list[tuple[float, Any]] = []
        self.lines: list[str] = []
        self.changes = 0
        self.names = Names(
            lambda: self.now,
            lambda when, call: self.due.append((when, call)),
            self._spawn,
            lambda facility, severity, mnemonic, text: self.lines.append(f"{mnemonic}: {text}"),
            self._changed,
            ask=self.resolver.ask,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run(work)

    def _changed(self) -> None:
        self.changes += 1

    def destination(self, text: str, interface: str = "Tunnel0") -> object:
        config = parse(text).config
        self.names.derive(config)  # asks
        tunnel = self.names.derive(config).interfaces[interface].tunnel
        assert tunnel is not None
        return tunnel.destination

    def wait(self) -> float:
        """Turn the clock to what is due next; how long that took."""
        self.due.sort(key=lambda row: row[0])
        when, call = self.due.pop(0)
        waited, self.now = when - self.now, when
        call()
        return waited


def tunnel(*lines: str) -> str:
    return "interface Tunnel0\n" + "".join(f" {line}\n" for line in lines)


TO_GATEWAY = tunnel("tunnel mode ipsec ipv4", "tunnel destination gw.net")


def test_an_address_stays_while_the_name_has_it() -> None:
    book = Book(gw_net=addresses("192.0.2.1", "192.0.2.2"))
    assert book.destination(TO_GATEWAY) == IPv4Address("192.0.2.1")
    book.resolver.answers["gw.net"] = addresses("192.0.2.2", "192.0.2.1")
    assert (book.wait(), book.changes) == (AGAIN, 1)
    assert book.destination(TO_GATEWAY) == IPv4Address("192.0.2.1")
    book.resolver.answers["gw.net"] = addresses("192.0.2.2")
    book.wait()
    assert (book.destination(TO_GATEWAY), book.changes) == (IPv4Address("192.0.2.2"), 2)
    assert book.lines == ["RESOLVED: gw.net is 192.0.2.1, 192.0.2.2", "RESOLVED: gw.net is 192.0.2.2"]


def test_a_server_that_is_away_takes_nothing_away() -> None:
    book = Book(gw_net=addresses("192.0.2.1"))
    book.destination(TO_GATEWAY)
    book.resolver.answers["gw.net"] = AdapterError("gw.net: Temporary failure in name resolution")
    assert (book.wait(), book.wait()) == (AGAIN, AGAIN)
    assert book.destination(TO_GATEWAY) == IPv4Address("192.0.2.1")
    book.resolver.answers["gw.net"] = NoSuchName("gw.net: Name or service not known")
    book.wait()
    assert book.destination(TO_GATEWAY) is None
    assert book.names.problem("gw.net") == "gw.net: Name or service not known"


def test_what_has_no_answer_is_asked_sooner_and_less_and_less_often() -> None:
    book = Book(gw_net=NoSuchName("gw.net: Name or service not known"))
    assert book.destination(TO_GATEWAY) is None
    assert [book.wait() for _ in range(6)] == [SOON, 2 * SOON, 4 * SOON, 8 * SOON, AGAIN, AGAIN]
    assert len(book.lines) == 1


def test_the_address_has_the_version_that_the_mode_needs() -> None:
    book = Book(gw_net=addresses("2001:db8::1", "192.0.2.1"), six_net=addresses("2001:db8::1"))
    assert book.destination(TO_GATEWAY) == IPv4Address("192.0.2.1")
    over_ipv6 = tunnel("tunnel mode ipsec ipv6", "tunnel destination gw.net")
    assert book.destination(over_ipv6) == IPv6Address("2001:db8::1")
    both = ("tunnel mode ipsec dual-overlay", "tunnel destination gw.net")
    assert book.destination(tunnel(*both)) == IPv4Address("192.0.2.1")
    assert book.destination(tunnel("tunnel source 2001:db8::9", *both)) == IPv6Address("2001:db8::1")
    assert book.destination(TO_GATEWAY.replace("gw.net", "six.net")) is None
    assert book.names.problem("six.net") == "it has no IPv4 address"


def test_a_name_that_is_not_used_any_more_is_not_asked_for() -> None:
    book = Book(gw_net=addresses("192.0.2.1"))
    book.destination(TO_GATEWAY)
    book.names.derive(parse("hostname R1\n").config)
    book.wait()
    assert (book.resolver.asked, book.due) == (["gw.net"], [])


def test_a_tunnel_follows_its_name(tmp_path: Path) -> None:
    async def settled(bench: Bench, reason: str) -> None:
        async with asyncio.timeout(5):
            while reason not in (bench.router.tunnels.states["Tunnel0"].reason or ""):
                await asyncio.sleep(0.01)

    async def run() -> None:
        bench = Bench(tmp_path)
        asked = Resolver(gw_example_net=NoSuchName("gw.example.net: Name or service not known"))
        bench.router.names.ask = asked.ask
        try:
            await bench.load(NAMED)
            state = bench.router.tunnels.states["Tunnel0"]
            await settled(bench, "gw.example.net has no address: gw.example.net: Name or service not known")
            assert len(bench.router.crypto.settings.tunnels) == 0
            asked.answers["gw.example.net"] = addresses("192.0.2.3")
            held = bench.router.names._held["gw.example.net"]
            for there in ("192.0.2.3", "192.0.2.77"):
                asked.answers["gw.example.net"] = addresses(there)
                bench.router.names._again("gw.example.net", held)
                async with asyncio.timeout(5):
                    while str(bench.router.crypto.settings).count(f"remote=IPv4Address({there!r})") == 0:
                        await asyncio.sleep(0.01)
                assert str(state.remote) == there
            assert any("gw.example.net is 192.0.2.77" in line for line in bench.lines)
            assert bench.router.running.interfaces["Tunnel0"].tunnel.destination is None  # type: ignore[union-attr]
        finally:
            bench.close()

    asyncio.run(run())


def test_the_systems_resolver_tells_what_is_not_there_from_what_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int) -> Any:
        def ask(name: str) -> list[str]:
            raise socket.gaierror(number, "no")

        return ask

    assert IPv4Address("127.0.0.1") in asyncio.run(resolver.resolve("localhost"))
    monkeypatch.setattr(resolver, "_ask", refuse(socket.EAI_AGAIN))
    with pytest.raises(AdapterError) as again:
        asyncio.run(resolver.resolve("x.example"))
    assert not isinstance(again.value, NoSuchName)
    monkeypatch.setattr(resolver, "_ask", refuse(socket.EAI_NONAME))
    with pytest.raises(NoSuchName, match=r"x\.example: no"):
        asyncio.run(resolver.resolve("x.example"))


# --- with a DNS server ------------------------------------------------------------------------------------------------


@pytest.fixture
def served(sites: Sites, tmp_path: Path) -> Iterator[tuple[Sites, Path]]:
    """R1 asks the provider's DNS server, which answers from a file of names and addresses."""
    zone = tmp_path / "zone"
    zone.write_text("")
    own = Path("/etc/netns") / sites.r1.name
    own.mkdir(parents=True)
    (own / "resolv.conf").write_text("nameserver 10.1.12.2\noptions timeout:1 attempts:1\n")
    server = Path(__file__).with_name("dns_server.py")
    process = sites.provider.start(sys.executable, str(server), "10.1.12.2", str(zone), log=tmp_path / "dns")
    try:
        yield sites, zone
    finally:
        stop(process)
        (own / "resolv.conf").unlink()
        own.rmdir()


@pytest.mark.netns
def test_a_tunnel_to_a_name_of_a_dns_server(served: tuple[Sites, Path]) -> None:
    sites, zone = served
    sites.r1.configure(CRYPTO, TUNNEL)
    sites.r1.text = sites.r1.text.replace("tunnel destination 10.1.23.3", "tunnel destination r3.example.net")
    sites.r3.configure(CRYPTO, TUNNEL)
    sites.r1.start()
    sites.r3.start()
    until(lambda: "r3.example.net has no address" in sites.r1.reason(), what=sites.r1.log)
    zone.write_text("r3.example.net 10.1.23.3\n")
    until(sites.r1.tunnel_up, 30, what=sites.r1.log)
    assert "tunnel destination r3.example.net" in sites.r1.exec("show running-config")
    assert "r3.example.net is 10.1.23.3" in sites.r1.log()
