"""Maps on several interfaces, local-address, what each end says of a mismatch, and clear commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.map_sites import WANS, MapSites, access, encapsulated, entry, idents, map_sites, on
from tests.daemon.routers import Router, cable, type_lines, until

pytestmark = pytest.mark.netns
VPN = "permit ip 10.10.0.0 0.0.255.255 10.30.0.0 0.0.255.255"
BACK = "permit ip 10.30.0.0 0.0.255.255 10.10.0.0 0.0.255.255"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[MapSites]:
    with map_sites(tmp_path) as sites:
        yield sites


def spis(router: Router) -> set[str]:
    return {
        line.strip() for line in router.exec("show crypto ipsec sa").splitlines() if line.strip().startswith("spi: 0x")
    }


def second_wan(made: MapSites) -> str:
    """R1's second way to the provider, eth1 10.1.13.1."""
    cable(made.sites.net, made.r1.host, "eth1", made.provider, "too-r1")
    made.provider.ip("address", "add", "10.1.13.2/24", "dev", "too-r1")
    return "interface eth1\n ip address 10.1.13.1 255.255.255.0\n"


def test_one_map_on_two_interfaces_with_and_without_a_local_address(made: MapSites) -> None:
    """IOS: each interface's own address is the end, or one for both, so that a peer knows a single one."""
    h1 = made.lan("r1")
    made.third()
    made.configure(
        "r1",
        second_wan(made),
        access("TO3", VPN.replace("10.30.0.0 0.0.255.255", "10.30.1.0 0.0.0.255")),
        access("TO4", VPN.replace("10.30.0.0 0.0.255.255", "10.30.9.0 0.0.0.255")),
        entry(10, "10.1.23.3", "TO3"),
        entry(20, "10.1.24.4", "TO4"),
        on("eth0"),
        on("eth1"),
        "ip route 10.30.9.0 255.255.255.0 10.1.13.2\nip route 10.1.24.0 255.255.255.0 10.1.13.2\n",
    )
    made.configure(
        "r3",
        access("VPN", BACK.replace("10.30.0.0 0.0.255.255", "10.30.1.0 0.0.0.255")),
        entry(10, "10.1.12.1", "VPN"),
        on(),
    )
    made.configure(
        "r4",
        access("VPN", BACK.replace("10.30.0.0 0.0.255.255", "10.30.9.0 0.0.0.255")),
        entry(10, "10.1.13.1", "VPN"),
        on(),
        keys=("10.1.13.1", "1.1.1.1"),
    )
    for router in made.routers.values():
        router.start()
    until(lambda: h1.answers("10.30.1.1"), what=made.logs)
    until(lambda: h1.answers("10.30.9.1"), what=made.logs)
    shown = made.r1.exec("show crypto ipsec sa")
    assert "local addr 10.1.12.1" in shown
    assert "local addr 10.1.13.1" in shown
    assert re.search(r"Interfaces using crypto map M:\s+eth0\s+eth1\s", made.r1.exec("show crypto map"))
    assert idents(made.r4)[0][2] == "10.1.13.1"
    assert made.clear_packets() == 0
    made.provider.ip("route", "add", "1.1.1.1/32", "via", "10.1.12.1")
    type_lines(made.r1, "configure terminal", "crypto map M local-address Loopback0", "end")
    assert not h1.answers("10.30.9.1")
    type_lines(made.r4, "configure terminal", "crypto map M 10", "set peer 1.1.1.1", "no set peer 10.1.13.1", "end")
    until(lambda: h1.answers("10.30.9.1"), what=made.logs)
    assert "local addr 1.1.1.1" in made.r1.exec("show crypto ipsec sa")
    before = spis(made.r4)
    type_lines(
        made.r1,
        *("configure terminal", "no ip route 10.30.9.0 255.255.255.0 10.1.13.2"),
        *("no ip route 10.1.24.0 255.255.255.0 10.1.13.2", "end"),
    )
    until(lambda: h1.answers("10.30.9.1"), what=made.logs)  # by the other interface now, with the same SAs
    assert spis(made.r4) == before
    assert made.clear_packets() == 0


def pair(
    made: MapSites, vpn: tuple[str, ...], back: tuple[str, ...], r1: tuple[str, ...] = (), r3: tuple[str, ...] = ()
) -> None:
    made.configure("r1", access("VPN", *vpn), entry(10, "10.1.23.3", "VPN", *r1), on())
    made.configure("r3", access("VPN", *back), entry(10, "10.1.12.1", "VPN", *r3), on())
    made.r1.start()
    made.r3.start()


def test_lists_that_are_no_mirror_are_explained_at_both_ends_and_less_is_taken(made: MapSites) -> None:
    h1, h3 = made.lan("r1"), made.lan("r3")
    pair(made, (VPN,), ("permit ip 10.30.1.0 0.0.0.255 10.10.0.0 0.0.255.255",))
    assert not h1.answers("10.30.1.10")  # R1 asks for more than R3 permits
    told = made.r1.exec("show crypto session detail")
    assert "refused quick mode (INVALID-ID-INFORMATION), traffic 10.10.0.0/255.255.0.0/0/0 to 10.30.0.0" in told
    assert re.search(
        r"ipsec selectors +10\.30\.1\.0/255\.255\.255\.0/0/0 to 10\.10\.0\.0/\S+ +10\.30\.0\.0/255\.255\.0\.0/0/0 to ",
        made.r3.exec("show crypto session detail"),
    )
    until(lambda: h3.answers("10.10.1.10"), what=made.logs)  # R3 asks for less than R1 permits, as IOS takes it
    assert h1.answers("10.30.1.10")  # in the pair that R3 has begun
    assert made.clear_packets() == 0


def test_offers_of_phase_2_and_what_an_edit_and_a_clear_leave_alone(made: MapSites) -> None:
    h1 = made.lan("r1")
    more = (
        "set pfs group14",
        "set security-association lifetime seconds 600",
        "set security-association replay window-size 128",
    )
    second, third = (text.replace("10.30.0.0", "10.31.0.0") for text in (VPN, BACK))
    pair(made, (VPN, second), (BACK, third), more, more)
    until(lambda: h1.answers("10.30.1.1"), what=made.logs)
    type_lines(made.r3, "configure terminal", "interface Loopback3", "ip address 10.31.0.1 255.255.255.255", "end")
    until(lambda: h1.answers("10.31.0.1"), what=made.logs)
    shown = made.r1.exec("show crypto ipsec sa")
    assert "PFS (Y/N): Y, DH group: group14" in shown
    before = spis(made.r1)
    assert len(before) == 4
    # an edit of the second line's list and of the entry's values leave what runs alone
    type_lines(
        made.r1,
        *("configure terminal", "crypto map M 10", "set security-association lifetime seconds 900", "exit"),
        *("ip access-list extended VPN", "permit ip host 10.10.1.10 host 10.32.0.1", "no 20", "end"),
    )
    assert spis(made.r1) < before
    assert len(spis(made.r1)) == 2
    assert h1.answers("10.30.1.1")
    assert not h1.answers("10.31.0.1")  # no line has it any more: it leaves in clear, as it is meant to be now
    before = spis(made.r1)
    for command in ("clear crypto sa map M", "clear crypto sa peer 10.1.23.3", "clear crypto session"):
        type_lines(made.r1, command)
        until(lambda before=before: spis(made.r1) and not spis(made.r1) & before, what=made.logs)
        until(lambda: len(spis(made.r1)) == 2, what=made.logs)
        assert h1.answers("10.30.1.1")
        before = spis(made.r1)
    assert set(encapsulated(made.r1)) == {"10.30.0.0/255.255.0.0/0/0", "10.32.0.1/255.255.255.255/0/0"}
    assert WANS["r3"] in made.r1.exec("show crypto session")
