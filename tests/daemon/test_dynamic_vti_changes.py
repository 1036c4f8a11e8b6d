"""What is typed at a hub while spokes are there, restarts of the hub, and who else it has on the same address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.routers import type_lines, until
from tests.daemon.spokes import FAST, HUB_CRYPTO, NAMED, TEMPLATE, Ground, ground

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]
SPEED = 3.0  # of all clocks: dead peer detection takes 20 seconds


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Ground]:
    with ground(tmp_path, SPEED) as made:
        yield made


def gone(hub: Ground) -> bool:
    """Nothing of any spoke is left at the hub."""
    router = hub.hub
    return not hub.brief() and not hub.devices() and "Vi1" not in router.host.run("nft", "list", "ruleset")


def test_a_changed_template_is_for_new_sessions_and_a_removed_one_ends_all(hub: Ground) -> None:
    router = hub.start_hub("access-list 100 permit ip any any\n", template=TEMPLATE + FAST + " description old\n")
    spoke = hub.start("s1")
    hub.joined("s1")
    answers = type_lines(router, "conf t", "interface Virtual-Template1", "description new", "ip access-group 100 in")
    notice = "Virtual-Template1: the change holds for new sessions; Virtual-Access1 keeps what it was cloned from"
    said = [[line for line in answer if notice in line] for answer in answers]
    assert [len(lines) for lines in said] == [0, 0, 1, 0], answers
    assert router.log().count(notice) == 1
    assert "description old" in router.exec("show derived-config interface virtual-access 1")
    router.exec("clear crypto session remote 10.1.21.3")
    derived = "show derived-config interface virtual-access 1"
    until(lambda: "description new" in router.exec(derived, check=False), what=hub.explain)
    hub.joined("s1")
    assert '"Vi1"' in router.host.run("nft", "list", "ruleset")

    type_lines(router, "conf t", "router ospf 1", "passive-interface Virtual-Template1")
    until(lambda: not hub.full(), what=hub.explain)
    assert hub.brief() == {"Virtual-Access1": "up/up"}
    type_lines(router, "conf t", "router ospf 1", "no passive-interface Virtual-Template1")
    hub.joined("s1")
    type_lines(router, "conf t", "interface Loopback0", "ip address 1.1.1.9 255.255.255.255")
    until(lambda: " 1.1.1.9/32" in router.host.ip("address", "show", "Vi1"), what=hub.explain)
    assert " 1.1.1.1/32" not in router.host.ip("address")
    type_lines(router, "conf t", "interface Loopback0", "ip address 1.1.1.1 255.255.255.255")
    hub.joined("s1")

    for away, back in (
        (("interface Virtual-Template1", "shutdown"), ("interface Virtual-Template1", "no shutdown")),
        (
            ("no crypto keyring SPOKES",),
            ("crypto keyring SPOKES", "pre-shared-key address 0.0.0.0 0.0.0.0 key One-Key-For-All-Spokes"),
        ),
        (
            ("crypto isakmp profile DVTI", "no virtual-template 1"),
            ("crypto isakmp profile DVTI", "virtual-template 1"),
        ),
        (("no interface Virtual-Template1",), None),
    ):
        type_lines(router, "conf t", *away)
        until(lambda: gone(hub), what=hub.explain)
        until(lambda: not spoke.tunnel_up(), what=hub.explain)
        if back is not None:
            type_lines(router, "conf t", *back)
            hub.joined("s1")
            assert list(hub.brief()) == ["Virtual-Access1"]


def test_the_hub_restarts_or_is_killed_under_its_spokes(hub: Ground) -> None:
    router = hub.start_hub()
    spokes = [hub.start("s1"), hub.start("s2", NAMED)]
    hub.joined("s1", "s2")
    for end in (router.stop, router.kill):
        end()
        if end == router.stop:
            assert not hub.devices()
            assert "seikan" not in router.host.run("nft", "list", "tables")
        router.start()
        hub.joined("s1", "s2", limit=60)
        for spoke in spokes:
            until(lambda spoke=spoke: spoke.host.answers("1.1.1.1", spoke.loopback), what=hub.explain)
        assert len(hub.brief()) == 2
        assert len(hub.devices()) == 2

    # the hub's own address goes, and comes back
    type_lines(router, "conf t", "interface eth0", "ip address 10.1.12.77 255.255.255.0")
    until(lambda: gone(hub), what=hub.explain)
    type_lines(router, "conf t", "interface eth0", "ip address 10.1.12.1 255.255.255.0")
    hub.joined("s1", "s2", limit=60)
    assert len(hub.devices()) == 2


SEVERAL = (
    HUB_CRYPTO
    + """\
crypto isakmp profile NAMED
 keyring SPOKES
 match identity host S1.lab.example
 virtual-template 2
crypto isakmp key Of-The-Static-One address 10.1.22.3
crypto ipsec profile STATIC
 set transform-set T
crypto call admission limit ike sa 2
interface Tunnel5
 ip unnumbered Loopback0
 tunnel source eth0
 tunnel destination 10.1.22.3
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile STATIC
"""
    + FAST
)
SECOND = """\
interface Virtual-Template2 type tunnel
 description of the named
 ip unnumbered Loopback0
 tunnel source eth0
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
"""


def test_several_templates_a_static_tunnel_and_the_admission_limit_on_one_address(hub: Ground) -> None:
    router = hub.start_hub(crypto=SEVERAL, template=TEMPLATE + FAST + SECOND + FAST)
    named, static = hub.start("s1", NAMED), hub.start("s2", key="Of-The-Static-One")
    hub.joined("s1", "s2")
    assert hub.full() == {"3.3.3.1": "Virtual-Access1", "3.3.3.2": "Tunnel5"}
    assert "cloned from Virtual-Template2" in router.exec("show interfaces virtual-access 1")
    until(lambda: named.host.answers("3.3.3.2", "3.3.3.1"), what=hub.explain)

    refused = hub.start("s3")
    until(lambda: "due to IKE SA LIMIT REACHED" in router.log(), what=hub.explain)
    statistics = router.exec("show crypto call admission statistics")
    assert re.search(r"Max IKE SAs: +2 ", statistics)
    assert re.search(r"Incoming IKE Requests: +\d+ accepted: +[1-9]\d* rejected: +[1-9]", statistics), statistics
    assert re.search(r"Active SA limit: [1-9]", statistics), statistics
    assert not refused.tunnel_up()
    type_lines(router, "conf t", "no crypto call admission limit ike sa 2")
    hub.joined("s3")
    assert "cloned from Virtual-Template1" in router.exec("show interfaces virtual-access 2")

    type_lines(router, "conf t", "interface Virtual-Template2", "shutdown")
    until(lambda: set(hub.brief()) == {"Virtual-Access2"}, what=hub.explain)
    assert set(hub.full()) >= {"3.3.3.2", "3.3.3.3"}
    assert router.tunnel_up(5)
    assert static.host.ping("1.1.1.1", count=5, source="3.3.3.2") == 5


def strangers_messages(hub: Ground, place: str, capture: Path) -> list[str]:
    return [line for line in capture.read_text().splitlines() if "10.1.12.1" in line and place in line]


def test_a_stranger_gets_no_interface_no_route_and_no_hint(hub: Ground) -> None:
    """Another key, no policy in common, and a name that no profile matches."""
    router = hub.start_hub(crypto=HUB_CRYPTO.replace(" match identity address 0.0.0.0\n", ""))
    spokes = {name: hub.spoke(name) for name in ("s1", "s2", "s3")}
    capture = hub.directory / "capture"
    watching = hub.provider.start("tcpdump", "-lnvi", "to-hub", "udp", log=capture)
    until(lambda: "listening" in capture.read_text())
    hub.start("s1", NAMED, key="Not-The-Key-Of-The-Hub")
    hub.start("s2", NAMED, "crypto isakmp policy 1\n encr aes 256\n group 14\n")
    hub.start("s3", NAMED, "ip domain name elsewhere.example\n")
    until(lambda: "refused: no isakmp profile" in router.log(), what=hub.explain)
    until(lambda: "encrypted" in capture.read_text() and "pre-shared key" in router.log(), what=hub.explain)
    before = router.host.ip("route")
    for spoke in spokes.values():
        assert not spoke.tunnel_up()
    watching.terminate()
    watching.wait(10)
    assert not hub.brief()
    assert not hub.devices()
    assert "3.3.3." not in before
    assert router.exec("show crypto ipsec sa").count("spi:") == 0
    text = capture.read_text()
    answers = re.findall(r"10\.1\.12\.1\.(?:500|4500) > (\S+?): .*?isakmp.*?(phase \S+ \S+ \S+)", text, re.S)
    assert answers
    assert all("ident" in kind for _, kind in answers), answers
    assert "[encrypted" not in "".join(line for line in text.splitlines() if "10.1.12.1.500 >" in line)
    assert not any(target.startswith("10.1.22.3") for target, _ in answers), "no policy in common is not even told"
