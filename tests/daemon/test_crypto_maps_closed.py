"""What a crypto map names never leaves in clear, whatever happens to the map; and it comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.map_sites import MapSites, access, entry, map_sites, on
from tests.daemon.routers import type_lines, until

pytestmark = pytest.mark.netns


@pytest.fixture
def made(tmp_path: Path) -> Iterator[MapSites]:
    with map_sites(tmp_path) as sites:
        yield sites


def pair(made: MapSites, *more: str) -> None:
    """R1 and R3 with one line each, and what `more` adds to R1."""
    made.configure(
        "r1",
        access("VPN", "permit ip 10.10.0.0 0.0.255.255 10.30.0.0 0.0.255.255"),
        entry(10, "10.1.23.3", "VPN"),
        on(),
        *more,
    )
    made.configure(
        "r3",
        access("VPN", "permit ip 10.30.0.0 0.0.255.255 10.10.0.0 0.0.255.255"),
        entry(10, "10.1.12.1", "VPN"),
        on(),
    )


def test_what_arrives_in_clear_is_dropped_counted_and_told_now_and_then(made: MapSites) -> None:
    made.lan("r1")
    pair(made)
    made.r1.start()
    made.provider.ip("address", "add", "10.30.1.99/32", "dev", "lo")
    made.provider.ip("address", "add", "10.77.1.99/32", "dev", "lo")
    made.provider.ip("route", "add", "10.10.0.0/16", "via", "10.1.12.1")
    assert made.provider.answers("10.10.1.10", "10.77.1.99")  # what no line has comes in
    for _ in range(3):
        assert not made.provider.answers("10.10.1.10", "10.30.1.99")
    told = "(ip) vrf/dest_addr= /10.10.1.10, src_addr= 10.30.1.99, prot= 1"
    line = f"%CRYPTO-4-RECVD_PKT_NOT_IPSEC: Rec'd packet not an IPSEC packet. {told}"
    until(lambda: line in made.r1.log(), what=made.logs)
    assert "Crypto drop: not-ipsec 3 (came in clear to eth0" in made.r1.exec("show crypto session detail")
    assert made.r1.log().count("RECVD_PKT_NOT_IPSEC") == 1


def test_without_sas_killed_and_with_its_device_taken_away_nothing_leaks_and_it_recovers(made: MapSites) -> None:
    h1, _ = made.lan("r1"), made.lan("r3")
    pair(made)
    made.r1.start()  # the peer is not there
    assert not h1.answers("10.30.1.10")
    made.r3.start()
    until(lambda: h1.answers("10.30.1.10"), what=made.logs)
    made.r1.host.ip("link", "set", "cm1", "down")
    until(lambda: h1.answers("10.30.1.10"), what=made.logs)
    made.r1.host.ip("link", "delete", "cm1")
    h1.answers("10.30.1.10")
    until(lambda: h1.answers("10.30.1.10"), what=made.logs)
    made.r1.host.ip("route", "flush", "table", "500450001")
    until(lambda: h1.answers("10.30.1.10"), what=made.logs)
    made.r1.host.ip("rule", "delete", "priority", "200")
    until(lambda: h1.answers("10.30.1.10"), what=made.logs)
    made.r1.kill()
    made.r1.host.ip("route", "replace", "default", "via", "10.1.12.2")  # what FRR had set went with it
    assert not h1.answers("10.30.1.10")
    made.r1.start()
    until(lambda: h1.answers("10.30.1.10"), what=made.logs)
    assert made.clear_packets() == 0


def test_lines_that_are_not_understood_block_what_they_may_have_named(made: MapSites) -> None:
    h1 = made.lan("r1")
    pair(made, "ip access-list extended VPN\n permit ip 10.10.0.0 0.0.255.255 nonsense\n")
    made.r1.start()
    made.r3.start()
    for target in ("10.30.1.1", "10.1.23.3", "10.31.0.1"):
        assert not h1.answers(target)
    assert made.r1.host.answers("10.1.23.3")  # the router itself is reached, to put it right
    counted = made.r1.exec("show crypto isakmp counters")
    assert "crypto eth0 guarded" in counted
    assert made.clear_packets() == 0
    type_lines(
        made.r1,
        "configure terminal",
        "ip access-list extended VPN",
        "no permit ip 10.10.0.0 0.0.255.255 nonsense",
        "end",
    )
    until(lambda: h1.answers("10.30.1.1"), what=made.logs)


def test_an_interface_that_gets_its_address_later(made: MapSites) -> None:
    h1 = made.lan("r1")
    pair(made)
    made.r1.text = made.r1.text.replace(" ip address 10.1.12.1 255.255.255.0\n", "")
    made.r1.start()
    made.r3.start()
    assert not h1.answers("10.30.1.1")
    made.r1.host.ip("address", "add", "10.1.12.1/24", "dev", "eth0")
    until(lambda: h1.answers("10.30.1.1"), what=made.logs)
    made.r1.host.ip("address", "delete", "10.1.12.1/24", "dev", "eth0")
    made.r1.host.ip("address", "add", "10.1.12.1/24", "dev", "eth0")
    until(lambda: h1.answers("10.30.1.1"), what=made.logs)
    assert made.clear_packets() == 0


def test_an_entry_is_complete_or_drops(made: MapSites) -> None:
    """Typed on a running map: first its list, then its peer, then its peer is taken away again."""
    h1 = made.lan("r1")
    pair(made)
    made.r1.start()
    made.r3.start()
    until(lambda: h1.answers("10.30.1.1"), what=made.logs)
    type_lines(made.r1, "configure terminal", "crypto map M 10", "no set peer 10.1.23.3", "end")
    assert not h1.answers("10.30.1.1")
    type_lines(made.r1, "configure terminal", "crypto map M 10", "set peer 10.1.23.3", "end")
    until(lambda: h1.answers("10.30.1.1"), what=made.logs)
    assert made.clear_packets() == 0
