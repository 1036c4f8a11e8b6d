"""Policy routing of crypto maps in the kernel: made once, undone to the last rule, and out of FRR's way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.system.support import Namespace

from seikan.system.errors import AdapterError
from seikan.system.frr import PROGRAMS, Frr
from seikan.system.netlink import Netlink
from seikan.system.netlink_events import Change, NetlinkEvents
from seikan.system.policy_routing import MOST_MAPS, CryptoRouting

pytestmark = pytest.mark.netns
FIRST, SECOND = CryptoRouting.of(1), CryptoRouting.of(2)


class Host:
    def __init__(self, inside: Namespace, ledger: Path) -> None:
        self.inside, self.ledger = inside, ledger
        self.netlink = Netlink(ledger)
        for name in ("cm0", "cm1"):
            inside.tun(name)
            inside.ip("link", "set", name, "up")
        inside.run(self.netlink.open())

    def state(self) -> str:
        shown = [self.inside.ip(family, "rule") for family in ("-4", "-6")]
        shown += [self.inside.ip(family, "route", "show", "table", "all") for family in ("-4", "-6")]
        return re.sub(r" (pref|metric 0).*", "", "".join(shown))

    def ours(self) -> list[str]:
        """Rules and routes of crypto maps, IPv4 first."""
        return [line.strip() for line in self.state().splitlines() if "5004500" in line]

    def set(self, routing: CryptoRouting, device: str, *, ipv6: bool = False) -> bool:
        return self.inside.run(self.netlink.set_crypto_route(routing, device, ipv6=ipv6))


@pytest.fixture
def host(namespace: Callable[[], Namespace], tmp_path: Path) -> Iterator[Host]:
    made = Host(namespace(), tmp_path / "made.json")
    # Without link-local addresses, whose checks go on in the background.
    for name in ("cm0", "cm1"):
        made.inside.ip("addr", "flush", "dev", name)
    yield made
    made.inside.run(made.netlink.close())


def test_numbers_do_not_meet_those_of_others() -> None:
    numbers = [CryptoRouting.of(number) for number in range(1, MOST_MAPS + 1)]
    assert len({routing.mark for routing in numbers}) == len({routing.table for routing in numbers}) == 31
    assert all(routing.mark & routing.mask == routing.mark != 0 for routing in numbers)
    assert {routing.mask for routing in numbers} == {0x1F000000}
    assert all(1 << 16 < routing.table < 1 << 32 for routing in numbers)
    for number in (0, 32):
        with pytest.raises(AdapterError, match=r"^crypto maps can be on 31 interfaces at most$"):
            CryptoRouting.of(number)


def test_it_is_set_once_and_undone_whole(host: Host) -> None:
    before = host.state()
    for _ in range(2):
        assert host.set(FIRST, "cm0")
        assert host.set(SECOND, "cm1", ipv6=True)
    rule = "200:\tfrom all fwmark {mark:#x}/0x1f000000 lookup {table}"
    assert host.ours()[:3] == [
        rule.format(mark=FIRST.mark, table=FIRST.table),
        rule.format(mark=SECOND.mark, table=SECOND.table),
        rule.format(mark=SECOND.mark, table=SECOND.table),
    ]
    assert len(host.ours()) == 3 + 3 * 2
    assert host.set(SECOND, "cm0")  # another device, and IPv4 only now
    assert len(host.ours()) == 2 + 2 * 2
    assert f"default dev cm0 table {SECOND.table} proto 94 scope link" in host.ours()
    host.inside.run(host.netlink.remove_crypto_route(SECOND))
    host.inside.run(host.netlink.remove_crypto_route(SECOND))
    assert len(host.ours()) == 1 + 2
    host.inside.run(host.netlink.close())
    assert host.state() == before
    assert host.ledger.read_text() == ""
    host.inside.run(host.netlink.open())


def test_what_is_set_already_is_no_news(host: Host) -> None:
    host.set(FIRST, "cm0", ipv6=True)
    seen: list[Change] = []
    events = NetlinkEvents(seen.extend)
    host.inside.call(events.open)
    events.watch([ip_address("198.51.100.1"), ip_address("2001:db8::1")])
    host.set(FIRST, "cm0", ipv6=True)
    host.inside.ip("addr", "add", "10.9.9.9/32", "dev", "lo")
    host.inside.until(lambda: Change.ADDRESS in seen)
    assert Change.ROUTE not in seen
    host.inside.call(events.close)


def test_only_marked_packets_take_it(host: Host) -> None:
    host.inside.ip("route", "add", "default", "dev", "cm1")
    host.set(FIRST, "cm0", ipv6=True)
    get = ("route", "get", "198.51.100.1", "mark")
    for mark, way in ((0x01000000, "cm0"), (0xE1FFFFFF, "cm0"), (0x02000000, "cm1"), (0x00FFFFFF, "cm1"), (0, "cm1")):
        assert f"dev {way} " in host.inside.ip(*get, hex(mark)), hex(mark)
    assert "dev cm0 " in host.inside.ip("-6", "route", "get", "2001:db8::1", "mark", "0x01000000")
    # What is local stays so, and the mark of a map that is gone is nothing.
    assert "local 127.0.0.1" in host.inside.ip("route", "get", "127.0.0.1", "mark", "0x01000000")
    host.inside.run(host.netlink.remove_crypto_route(FIRST))
    assert "dev cm1 " in host.inside.ip(*get, "0x01000000")


def test_a_device_may_go_and_come_back(host: Host) -> None:
    host.inside.ip("link", "add", "cm9", "type", "bridge")
    host.inside.ip("link", "set", "cm9", "up")
    assert host.set(FIRST, "cm9")
    host.inside.ip("link", "del", "cm9")
    assert [line for line in host.ours() if "default" in line] == [
        f"blackhole default table {FIRST.table} proto 94 metric 4294967295"
    ]
    assert not host.set(FIRST, "cm9")
    host.inside.ip("link", "add", "cm9", "type", "bridge")
    assert not host.set(FIRST, "cm9")  # still down
    host.inside.ip("link", "set", "cm9", "up")
    assert host.set(FIRST, "cm9")
    assert f"default dev cm9 table {FIRST.table} proto 94 scope link" in host.ours()


def test_after_a_kill_what_is_wanted_stays_and_the_rest_goes(host: Host) -> None:
    host.set(FIRST, "cm0")
    host.set(SECOND, "cm1", ipv6=True)
    second = Netlink(host.ledger)
    host.inside.run(second.open())
    host.inside.run(second.set_crypto_route(FIRST, "cm0"))
    host.inside.run(second.sweep())
    assert len(host.ours()) == 3
    host.inside.run(second.close())
    assert host.ours() == []
    assert host.ledger.read_text() == ""


@pytest.mark.skipif(not (PROGRAMS / "zebra").exists(), reason="FRR is not installed")
def test_frr_neither_shows_nor_removes_it(host: Host, tmp_path: Path) -> None:
    host.set(FIRST, "cm0")
    kept = host.ours()
    problems: list[str] = []
    directory = tmp_path / "frr"
    frr = host.inside.call(
        lambda: Frr(directory, host.inside.name, on_adjacency=lambda _: None, on_problem=problems.append)
    )
    try:
        host.inside.run(frr.start())
        assert [str(route.network) for route in host.inside.run(frr.routes())] == []
    finally:
        host.inside.run(frr.stop())
    assert host.ours() == kept
    assert problems == []
