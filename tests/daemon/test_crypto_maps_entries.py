"""Several entries, peers and kinds of lines of crypto maps between real daemons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.map_sites import MapSites, access, encapsulated, entry, map_sites, on
from tests.daemon.routers import type_lines, until

pytestmark = pytest.mark.netns


@pytest.fixture
def made(tmp_path: Path) -> Iterator[MapSites]:
    with map_sites(tmp_path) as sites:
        yield sites


def test_the_entry_that_the_lists_choose_and_its_peer_get_the_traffic(made: MapSites) -> None:
    h1, h3 = made.lan("r1"), made.lan("r3")
    made.third()
    made.configure(
        "r1",
        access(
            "TO3",
            "deny ip 10.10.0.0 0.0.255.255 10.30.9.0 0.0.0.255",
            "permit ip 10.10.0.0 0.0.255.255 10.30.0.0 0.0.255.255",
        ),
        access("TO4", "permit ip 10.10.0.0 0.0.255.255 10.30.9.0 0.0.0.255"),
        access("SSH", "permit tcp host 10.1.12.1 host 3.3.3.3 eq 22", "permit udp host 10.1.12.1 host 3.3.3.3 eq 53"),
        entry(10, "10.1.23.3", "TO3"),
        entry(20, "10.1.24.4", "TO4"),
        entry(30, "10.1.23.3", "SSH"),
        on(),
    )
    made.configure(
        "r3",
        access("BACK", "permit ip 10.30.0.0 0.0.255.255 10.10.0.0 0.0.255.255"),
        access("SSH", "permit tcp host 3.3.3.3 eq 22 host 10.1.12.1", "permit udp host 3.3.3.3 eq 53 host 10.1.12.1"),
        entry(10, "10.1.12.1", "BACK"),
        entry(20, "10.1.12.1", "SSH"),
        on(),
    )
    made.configure(
        "r4",
        access("BACK", "permit ip 10.30.9.0 0.0.0.255 10.10.0.0 0.0.255.255"),
        entry(10, "10.1.12.1", "BACK"),
        on(),
    )
    for router in made.routers.values():
        router.start()
    until(lambda: h1.answers("10.30.1.10"), what=made.logs)
    until(lambda: h1.answers("10.30.9.1"), what=made.logs)
    sent = encapsulated(made.r1)
    assert sent["10.30.0.0/255.255.0.0/0/0"] > 0
    assert sent["10.30.9.0/255.255.255.0/0/0"] > 0
    assert encapsulated(made.r4)["10.10.0.0/255.255.0.0/0/0"] > 0
    # ports: R1's own packets; ping has no port and is no line's
    server = h3  # only its name space is needed
    assert server.answers("10.10.1.10")
    made.r3.host.start("python3", "-m", "http.server", "22", "--bind", "3.3.3.3")
    until(
        lambda: (
            made.r1.host.run("curl", "-sm2", "-o/dev/null", "-w%{http_code}", "http://3.3.3.3:22/", check=False)
            == "200"
        ),
        what=made.logs,
    )
    assert encapsulated(made.r1)["3.3.3.3/255.255.255.255/6/22"] > 0
    assert encapsulated(made.r1)["3.3.3.3/255.255.255.255/17/53"] == 0
    assert made.r1.exec("show crypto isakmp sa").count("QM_IDLE") == 2
    assert made.clear_packets() == 0
    # an edit touches its own line alone
    spis = [line for line in made.r1.exec("show crypto ipsec sa").splitlines() if "spi: 0x" in line]
    type_lines(
        made.r1,
        "configure terminal",
        "ip access-list extended TO3",
        "permit ip 10.10.0.0 0.0.255.255 10.31.0.0 0.0.255.255",
        "end",
    )
    after = made.r1.exec("show crypto ipsec sa")
    assert all(line in after for line in spis)
    assert "10.31.0.0/255.255.0.0/0/0" in after
