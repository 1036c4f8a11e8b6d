"""IKEv2 between daemons whose clocks run fast: every SA is replaced again and again, and a dead peer is found out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.daemon.routers import Router, two_routers, until
from tests.daemon.test_ikev2 import IPSEC, KEYRING, TUNNEL, child_spis, configure, ike_spis
from tests.interop.network import received

pytestmark = pytest.mark.netns

SPEED = 12.0
SHORT = " set security-association lifetime seconds 120\n"


def counted(router: Router, name: str) -> int:
    found = re.search(rf"^  {name} +(\d+)$", router.exec("show crypto ikev2 stats"), re.MULTILINE)
    return int(found[1]) if found else 0


def test_no_packet_is_lost_while_all_sas_are_replaced(tmp_path: Path) -> None:
    with two_routers(tmp_path) as sites:
        r1, r3 = sites.r1, sites.r3
        r1.speed = r3.speed = SPEED
        configure(sites, KEYRING + " lifetime 120\n", IPSEC + SHORT, TUNNEL)
        sites.start()
        until(lambda: r1.host.answers("3.3.3.3", "1.1.1.1"), what=r1.log)
        before, pairs = ike_spis(r1), child_spis(r1)
        stream = r1.host.start("ping", "-n", "-q", "-i", "0.05", "-c", "400", "-I", "1.1.1.1", "3.3.3.3")
        output, _ = stream.communicate(timeout=60)
        assert received(output) == 400, output + r1.log() + r3.log()
        assert counted(r1, "ikev2_rekeys") + counted(r3, "ikev2_rekeys") >= 2
        assert not ike_spis(r1) & before
        assert not child_spis(r1) & pairs
        assert r1.log().count("Interface Tunnel0, changed state to down") == 1  # when it was made
        r3.kill()
        until(lambda: not r1.tunnel_up(), 15, what=r1.log)
        assert "does not answer" in r1.reason()
        assert "does not answer" in r1.exec("explain 10.1.23.3")
