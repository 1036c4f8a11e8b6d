"""A dynamic VTI hub as an operator runs it, with real spokes and real FRR: what each spoke gets, keeps and leaves."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.routers import Router, type_lines, until
from tests.daemon.spokes import FAST, HUB_CRYPTO, NAMED, TEMPLATE, Ground, ground
from tests.interop.network import received

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

LISTS = """\
ip access-list extended FROM-SPOKES
 deny icmp host 3.3.3.1 host 9.9.9.9
 permit ip any any
ip access-list extended TO-SPOKES
 deny tcp any host 3.3.3.2 eq 23
 permit ip any any
"""
INSIDE = """\
interface Loopback9
 ip address 9.9.9.9 255.255.255.255
router ospf 1
 network 9.9.9.9 0.0.0.0 area 0
"""
SMALL = " set security-association lifetime kilobytes 2560\n"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Ground]:
    with ground(tmp_path) as made:
        yield made


def rule(router: Router, name: str, number: int) -> int:
    """How often a line of an access list has matched."""
    found = re.search(
        rf"IP access list {name}\n(?: .*\n)*? +{number} .*?\((\d+) match", router.exec("show access-lists")
    )
    return int(found[1]) if found else 0


def spis(router: Router, interface: str) -> set[str]:
    text = router.exec("show crypto ipsec sa")
    block = re.search(rf"interface: {interface}\n(.*?)(?=\ninterface: |\Z)", text, re.S)
    return set(re.findall(r"spi: (0x[0-9A-F]+)", block[1])) if block else set()


def connections(router: Router) -> set[str]:
    """The ids of the phase 1 SAs that are established."""
    return set(re.findall(r"QM_IDLE\s+(\d+)", router.exec("show crypto isakmp sa")))


def lines_of(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines()}


def test_each_spoke_has_an_interface_with_all_that_its_template_says(hub: Ground) -> None:
    more = " description to the spokes\n ip mtu 1390\n ip tcp adjust-mss 1300\n"
    groups = " ip access-group FROM-SPOKES in\n ip access-group TO-SPOKES out\n"
    template = TEMPLATE + FAST + more + groups
    router = hub.start_hub(INSIDE, LISTS, template=template)
    first = hub.start("s1", "interface Tunnel0\n ip mtu 1390\n")
    second = hub.start("s2", "interface Tunnel0\n ip mtu 1390\n", NAMED)
    hub.joined("s1", "s2")
    one, two = hub.access_of("10.1.21.3"), hub.access_of("10.1.22.3")
    assert {one, two} == {"Virtual-Access1", "Virtual-Access2"} == set(hub.brief())
    assert one is not None
    assert two is not None
    assert set(hub.brief().values()) == {"up/up"}
    assert hub.full() == {"3.3.3.1": one, "3.3.3.2": two}
    for name, address, identity in ((one, "10.1.21.3", "10.1.21.3"), (two, "10.1.22.3", "S2.lab.example")):
        number = name.removeprefix("Virtual-Access")
        shown = router.exec(f"show interfaces virtual-access {number}")
        for said in (
            f"{name} is up, line protocol is up",
            "Description: to the spokes",
            "Interface is unnumbered. Using address of Loopback0 (1.1.1.1)",
            "cloned from Virtual-Template1",
            f"Peer identity {identity}",
            f"Tunnel source 10.1.12.1 (eth0), destination {address}",
            "Tunnel transport MTU 1390 bytes",
        ):
            assert said in shown
        assert " mtu 1390 " in router.host.ip("link", "show", f"Vi{number}")
        derived = lines_of(router.exec(f"show derived-config interface virtual-access {number}"))
        typed = lines_of(template) - {"interface Virtual-Template1 type tunnel"}
        assert {f"interface {name}", f"tunnel destination {address}", *typed} <= derived
        assert router.log().count(f"Interface {name}, changed state to up") == 2  # the link, then its line protocol
    assert "interface Virtual-Access" not in router.exec("show running-config")

    until(lambda: first.host.answers("3.3.3.2", "3.3.3.1"), what=hub.explain)  # through the hub
    routes = first.exec("show ip route ospf")
    assert re.search(r"^O +3\.3\.3\.2 \[110/2001\] via 1\.1\.1\.1, \S+, Tunnel0", routes, re.M), routes
    assert re.search(
        rf"^O +3\.3\.3\.2 \[110/1001\] via 3\.3\.3\.2, \S+, {two}", router.exec("show ip route ospf"), re.M
    )

    # each interface its own counters
    before = {name: packets(router, name) for name in (one, two)}
    assert first.host.ping("1.1.1.1", count=50, source="3.3.3.1") == 50
    grown = {name: packets(router, name) - before[name] for name in (one, two)}
    assert grown[one] >= 50 > grown[two]

    # each interface its own lists
    assert first.host.ping("9.9.9.9", count=3, source="3.3.3.1") == 0
    assert second.host.ping("9.9.9.9", count=3, source="3.3.3.2") == 3
    assert rule(router, "FROM-SPOKES", 10) == 3
    assert not connects(first, "3.3.3.2", 23)
    assert rule(router, "TO-SPOKES", 10) >= 1
    assert segment_size(first, second) == 1300

    # gone with all that it made
    type_lines(first, "conf t", "interface Tunnel0", "shutdown")
    until(lambda: one not in hub.brief(), what=hub.explain)
    assert left_of(hub, one, "3.3.3.1") == []
    assert hub.full() == {"3.3.3.2": two}
    assert second.host.ping("9.9.9.9", count=3, source="3.3.3.2") == 3
    type_lines(first, "conf t", "interface Tunnel0", "no shutdown")
    hub.joined("s1")
    assert hub.access_of("10.1.21.3") == one


def packets(router: Router, name: str) -> int:
    shown = router.exec(f"show interfaces {name.replace('Access', 'access ')}")
    found = re.search(r"(\d+) packets input", shown)
    assert found
    return int(found[1])


def connects(router: Router, address: str, port: int) -> bool:
    script = f"import socket; socket.create_connection(('{address}', {port}), 1, ('{router.loopback}', 0))"
    return "refused" in router.host.run("sh", "-c", f'python3 -c "{script}" 2>&1', check=False)


def segment_size(client: Router, server: Router) -> int:
    """The segment size that two spokes agree on through the hub, as the client sees it."""
    listen = f"import socket; s = socket.create_server(('{server.loopback}', 8080)); s.accept()[0].recv(1)"
    waiting = server.host.start("python3", "-c", listen)
    ask = (
        f"import socket; s = socket.create_connection(('{server.loopback}', 8080), 5, ('{client.loopback}', 0)); "
        "print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) + 12)"  # and the timestamps
    )
    until(lambda: ":8080" in server.host.run("ss", "-Htln"))
    size = int(client.host.run("python3", "-c", ask))
    waiting.communicate(timeout=10)
    return size


def left_of(hub: Ground, name: str, loopback: str) -> list[str]:
    """What the hub still has of an interface whose spoke is gone."""
    router, device = hub.hub, name.replace("Virtual-Access", "Vi")
    places = {
        "link": router.host.ip("link"),
        "route": router.host.ip("route", "show", "table", "all"),
        "filter": router.host.run("nft", "list", "ruleset"),
        "ledger": next(router.host.runtime.rglob("ledger")).read_text(),
        "zebra": vtysh(router, "zebra"),
        "ospfd": vtysh(router, "ospfd"),
        "session": router.exec("show crypto session"),
        "sas": router.exec("show crypto ipsec sa"),
        "running": router.exec("show derived-config"),
    }
    words = re.compile(rf"\b({device}|{name})\b")
    found = [
        f"{place}: {line}"
        for place, text in places.items()
        for line in current(text).splitlines()
        if words.search(line)
    ]
    return found + ([f"route to {loopback}"] if f"{loopback} " in places["route"] else [])


def current(text: str) -> str:
    """Of the ledger, which is a journal, what is in force."""
    if not text.startswith("["):
        return text
    rows = [re.findall(r'"(.*?)"', line) for line in text.splitlines()]
    held = {}
    for row in rows:
        key = tuple(row[:3])
        if len(row) == 4:
            held[key] = row
        else:
            held.pop(key, None)
    return "\n".join(" ".join(row) for row in held.values())


def vtysh(router: Router, daemon: str) -> str:
    sockets = next(router.host.runtime.rglob("frr"))
    return router.host.run("vtysh", "--vty_socket", str(sockets), "-d", daemon, "-c", "show running-config")


def test_rekeys_of_both_phases_cost_no_packet_and_no_number(hub: Ground) -> None:
    router = hub.start_hub(crypto=HUB_CRYPTO + SMALL)
    spoke = hub.start("s1", "crypto ipsec profile P\n" + SMALL)
    hub.joined("s1")
    until(lambda: spoke.host.answers("1.1.1.1", "3.3.3.1"))
    pairs, seen = spis(router, "Virtual-Access1"), set()
    command = ("ping", "-n", "-q", "-i", "0.006", "-c", "2000", "-W", "2", "-s", "1400", "-I", "3.3.3.1", "1.1.1.1")
    stream = spoke.host.start(*command)

    def rekeyed() -> bool:
        seen.update(spis(router, "Virtual-Access1") - pairs)
        return len(seen) >= 2

    until(rekeyed, 30, what=hub.explain)
    for side in (spoke, router):
        before = connections(router)
        side.exec("clear crypto isakmp")
        until(lambda before=before: connections(router) - before, 20, what=hub.explain)
    output, _ = stream.communicate(timeout=60)
    assert received(output) == 2000, output
    assert list(hub.brief()) == ["Virtual-Access1"]
    assert router.log().count("Line protocol on Interface Virtual-Access1, changed state to") == 2


_ENDED = "Line protocol on Interface Virtual-Access1, changed state to down"


def test_nothing_leaves_in_clear_while_sessions_end_and_begin(hub: Ground) -> None:
    """Each end has a floating route to Null0 for what the other has: it must take over without a gap."""
    router = hub.start_hub("ip route 3.3.3.1 255.255.255.255 Null0 250\n")
    spoke = hub.start("s1", "ip route 1.1.1.1 255.255.255.255 Null0 250\n")
    hub.joined("s1")
    capture = hub.directory / "capture"
    watching = hub.provider.start("tcpdump", "-lnqi", "any", "icmp", log=capture)
    until(lambda: "listening" in capture.read_text())
    streams = [
        host.start("ping", "-n", "-q", "-i", "0.002", "-I", source, target)
        for host, source, target in ((spoke.host, "3.3.3.1", "1.1.1.1"), (router.host, "1.1.1.1", "3.3.3.1"))
    ]
    for _ in range(2):
        ended = router.log().count(_ENDED)
        router.exec("clear crypto session")
        until(lambda ended=ended: router.log().count(_ENDED) > ended, what=hub.explain)
        hub.joined("s1")
        type_lines(spoke, "conf t", "interface Tunnel0", "shutdown")
        until(lambda: not hub.devices(), what=hub.explain)
        type_lines(spoke, "conf t", "interface Tunnel0", "no shutdown")
        hub.joined("s1")
    until(lambda: spoke.host.answers("1.1.1.1", "3.3.3.1"), what=hub.explain)
    for stream in streams:
        stream.send_signal(signal.SIGINT)
        output, _ = stream.communicate(timeout=10)
        sent = re.search(r"(\d+) packets transmitted", output)
        assert sent
        assert 0 < received(output) < int(sent[1]), output
    hub.provider.ping("10.1.12.1", count=1)  # the capture sees what is in clear
    until(lambda: "10.1.12.1: ICMP" in capture.read_text())
    watching.terminate()
    watching.wait(10)
    assert not [line for line in capture.read_text().splitlines() if "1.1.1.1" in line], capture.read_text()
