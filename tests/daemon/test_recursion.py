"""Recursive routing with real OSPF: the tunnel steps back, nothing loops, and it recovers by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.daemon.routers import CRYPTO, OSPF, TUNNEL, Sites, type_lines, until
from tests.interop.network import stop

pytestmark = pytest.mark.netns


def test_a_route_to_the_destination_through_the_tunnel(sites: Sites, tmp_path: Path) -> None:
    sites.r1.configure(CRYPTO, TUNNEL, OSPF)
    sites.r3.configure(CRYPTO, TUNNEL, OSPF)
    sites.start()
    until(lambda: sites.r3.host.answers("1.1.1.1", "3.3.3.3"), 60, what=sites.r3.log)
    # everything that enters the tunnel on R3 and is itself meant for a peer of R3's
    log = tmp_path / "capture"
    capture = sites.r3.host.start(
        *("tcpdump", "-n", "-l", "-i", "Tunnel0", "-Q", "out", "ip proto 50 or udp port 500 or udp port 4500"), log=log
    )
    until(lambda: "listening on" in log.read_text())
    type_lines(sites.r1, "conf t", "router ospf 1", "network 10.1.12.0 0.0.0.255 area 0", "end")

    def held() -> int:
        return sites.r3.log().count("%TUN-5-RECURDOWN: Tunnel0 temporarily disabled due to recursive routing")

    until(held, 20, what=sites.r3.log)
    until(lambda: not sites.r3.carrier(), 5)
    assert "recursive routing" in sites.r3.reason()
    # the cause goes: the tunnel comes back at the end of its hold, and stays
    type_lines(sites.r1, "conf t", "router ospf 1", "no network 10.1.12.0 0.0.0.255 area 0", "end")
    until(lambda: sites.r3.tunnel_up() and sites.r1.tunnel_up(), 60, what=sites.r3.log)
    until(lambda: sites.r3.host.answers("1.1.1.1", "3.3.3.3"), 20, what=sites.r3.log)
    assert held() == 1
    stop(capture)
    looped = [line for line in log.read_text().splitlines() if " IP " in line]
    print(f"{len(looped)} packets of the tunnel's own entered it")
    assert looped == []
