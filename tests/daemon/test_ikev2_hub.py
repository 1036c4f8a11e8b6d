"""A hub of IKEv2: spokes by name, two of them with the same private address behind NAT."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.daemon.routers import until
from tests.daemon.spokes import FAST, KEY, OUTSIDE, ROUTING, TEMPLATE, ground

pytestmark = pytest.mark.netns

HUB = """\
crypto ikev2 keyring SPOKES
 peer everybody
  address 0.0.0.0 0.0.0.0
  pre-shared-key {key}
crypto ikev2 profile DVTI
 match identity remote fqdn domain lab.example
 identity local fqdn hub.lab.example
 authentication local pre-share
 authentication remote pre-share
 keyring local SPOKES
 dpd 10 2 periodic
 virtual-template 1
crypto ipsec profile P
 set ikev2-profile DVTI
"""
SPOKE = """\
crypto ikev2 keyring HUB
 peer hub
  address {peer}
  pre-shared-key {key}
crypto ikev2 profile DVTI
 match identity remote fqdn hub.lab.example
 identity local fqdn {name}.lab.example
 authentication local pre-share
 authentication remote pre-share
 keyring local HUB
crypto ipsec profile P
 set ikev2-profile DVTI
interface Tunnel0
 ip unnumbered Loopback0
 tunnel source eth0
 tunnel destination {peer}
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
"""


def test_spokes_behind_a_nat_are_told_apart(tmp_path: Path) -> None:
    with ground(tmp_path) as made:
        made.hub.configure(HUB, TEMPLATE + FAST, ROUTING, key=KEY)
        made.hub.start()
        for name in ("s3", "s4"):
            router = made.spoke(name)
            router.configure(SPOKE.replace("{name}", name) + FAST, ROUTING, key=KEY)
            router.start()
        made.joined("s3", "s4")
        shown = made.hub.exec("show crypto ikev2 sa detailed")
        ports = set(re.findall(rf"10\.1\.12\.1/4500 +{re.escape(OUTSIDE)}/(\d+) ", shown))
        assert len(ports) == 2
        assert shown.count("NAT-T is detected outside") == 2
        assert {f"Remote id: {name}.lab.example" for name in ("s3", "s4")} <= {
            line.strip() for line in shown.splitlines()
        }
        assert set(made.brief().values()) == {"up/up"}
        one, other = made.spokes["s3"], made.spokes["s4"]
        until(lambda: one.host.answers("3.3.3.4", "3.3.3.3"), what=made.explain)  # through the hub
        assert "NAT-T is detected inside" in other.exec("show crypto ikev2 sa detailed")
        # gone with its interface
        assert other.stop() == 0
        until(lambda: len(made.brief()) == 1, what=made.explain)
        assert made.full() == {"3.3.3.3": next(iter(made.brief()))}
