"""Real rtnetlink and nftables in network namespaces."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, ip_address
from pathlib import Path

import pytest
from tests.system.support import Namespace, veth, wire

from seikan.system.errors import AdapterError
from seikan.system.firewall import Firewall
from seikan.system.ledger import Entry, Ledger
from seikan.system.netlink import Netlink
from seikan.system.netlink_events import Change, NetlinkEvents
from seikan.system.ruleset import Ruleset

pytestmark = pytest.mark.netns


class Host:
    """A namespace with an eth0 that the operating system configured, and a Netlink in it."""

    def __init__(self, make: Callable[[], Namespace], ledger: Path) -> None:
        self.inside, self.peer = make(), make()
        veth(self.inside, self.peer)
        wire(self.inside, self.peer)
        self.ip = self.inside.ip
        self.ip("addr", "add", "192.0.2.1/24", "dev", "eth0")
        self.peer.ip("addr", "add", "192.0.2.2/24", "dev", "eth0")
        self.ip("link", "set", "Tunnel0", "up")
        self.ledger = ledger
        self.netlink = Netlink(ledger)
        self.inside.run(self.netlink.open())

    def state(self) -> str:
        """What a user would see of the kernel, without counters and what the kernel itself adds over time."""
        shown = self.ip("-4", "-br", "addr") + self.ip("route") + self.ip("route", "show", "table", "local")
        links = [line for line in self.ip("link").splitlines() if "mtu" in line]
        switch = self.inside.call(lambda: Path("/proc/sys/net/ipv4/ip_forward").read_text())
        return "\n".join([shown, *links, switch])


@pytest.fixture
def host(namespace: Callable[[], Namespace], tmp_path: Path) -> Iterator[Host]:
    made = Host(namespace, tmp_path / "made.json")
    yield made
    made.inside.run(made.netlink.close())


def test_ipv6_is_routed_on_request_alone(host: Host) -> None:
    path = Path("/proc/sys/net/ipv6/conf/all/forwarding")
    seen = []
    for forward in (False, True, False, True):
        host.inside.call(lambda forward=forward: host.netlink.forward_ipv6(forward))  # type: ignore[misc]
        seen.append(host.inside.call(path.read_text).strip())
    assert seen == ["0", "1", "0", "1"]
    host.inside.run(host.netlink.close())
    assert host.inside.call(path.read_text).strip() == "0"


def test_own_sources_are_accepted_on_request_alone(host: Host) -> None:
    path = Path("/proc/sys/net/ipv4/conf/eth0/accept_local")
    seen = []
    for accept in (False, True, True, False, True):
        host.inside.call(lambda accept=accept: host.netlink.accept_own_sources("eth0", accept))  # type: ignore[misc]
        seen.append(host.inside.call(path.read_text).strip())
    assert seen == ["0", "1", "1", "0", "1"]
    host.inside.run(host.netlink.close())
    assert host.inside.call(path.read_text).strip() == "0"


def test_everything_is_undone_and_the_systems_own_stays(host: Host) -> None:
    before = host.state()
    run, netlink = host.inside.run, host.netlink
    run(netlink.add_address("eth0", IPv4Interface("192.0.2.1/24")))  # the system has set it already
    run(netlink.add_address("eth0", IPv4Interface("10.1.12.1/24")))
    run(netlink.add_address("eth0", IPv4Interface("10.1.12.9/24")))
    run(netlink.create_loopback("Loopback0"))
    run(netlink.add_address("Loopback0", IPv4Interface("1.1.1.1/32")))
    run(netlink.set_mtu("eth0", 1400))
    run(netlink.set_mtu("Tunnel0", 1438))
    run(netlink.set_down("eth0"))
    run(netlink.set_up("eth0"))
    run(netlink.add_address("eth0", IPv6Interface("2001:db8::1/64")))
    host.inside.call(netlink.enable_forwarding)
    host.inside.call(lambda: netlink.loosen_reverse_path("Tunnel0"))

    found = {str(entry.address): entry for entry in run(netlink.addresses("eth0")) if not entry.link_local}
    assert set(found) == {"192.0.2.1/24", "10.1.12.1/24", "10.1.12.9/24", "2001:db8::1/64"}
    assert not found["192.0.2.1/24"].ours
    assert found["10.1.12.1/24"].ours
    assert not found["10.1.12.1/24"].secondary
    assert found["10.1.12.9/24"].secondary
    links = run(netlink.links())
    assert links["Loopback0"].up
    assert links["eth0"].mtu == 1400
    assert links["eth0"].kind == "veth"
    assert links["Tunnel0"].kind == "tun"
    assert host.inside.call(lambda: Path("/proc/sys/net/ipv4/ip_forward").read_text()) == "1\n"

    run(netlink.remove_address("eth0", IPv4Interface("192.0.2.1/24")))  # not ours to take away
    assert "192.0.2.1/24" in host.ip("addr")
    run(netlink.close())
    after = host.state()
    assert after == before
    assert host.ledger.read_text() == ""


def test_a_borrowed_address_disturbs_nothing(host: Host) -> None:
    run, netlink = host.inside.run, host.netlink
    routes = host.ip("route")
    run(netlink.add_address("Tunnel0", IPv4Interface("192.0.2.1/32")))
    assert host.ip("route") == routes
    lookup = run(netlink.route_to(IPv4Address("192.0.2.2")))
    assert lookup is not None
    assert (lookup.interface, lookup.source, lookup.gateway) == ("eth0", IPv4Address("192.0.2.1"), None)
    assert "1 received" in host.inside.sh("ping", "-c1", "-W2", "192.0.2.2")
    host.ip("route", "add", "198.51.100.0/24", "dev", "Tunnel0")
    through = run(netlink.route_to(IPv4Address("198.51.100.7")))
    assert through is not None
    assert (through.interface, through.source) == ("Tunnel0", IPv4Address("192.0.2.1"))
    run(netlink.remove_address("Tunnel0", IPv4Interface("192.0.2.1/32")))
    assert "1 received" in host.inside.sh("ping", "-c1", "-W2", "192.0.2.2")


def test_where_a_packet_would_go(host: Host) -> None:
    run, netlink = host.inside.run, host.netlink
    assert run(netlink.route_to(IPv4Address("203.0.113.1"))) is None
    assert run(netlink.route_to(IPv6Address("2001:db8:1::1"))) is None
    host.ip("route", "add", "203.0.113.0/24", "via", "192.0.2.2", "mtu", "1300")
    lookup = run(netlink.route_to(IPv4Address("203.0.113.1"), IPv4Address("192.0.2.1")))
    assert lookup is not None
    assert (lookup.gateway, lookup.mtu, lookup.local) == (IPv4Address("192.0.2.2"), 1300, False)
    assert run(netlink.route_to(IPv4Address("203.0.113.1"), IPv4Address("9.9.9.9"))) is None
    host.ip("route", "add", "blackhole", "203.0.113.9/32")
    assert run(netlink.route_to(IPv4Address("203.0.113.9"))) is None
    own = run(netlink.route_to(IPv4Address("192.0.2.1")))
    assert own is not None
    assert own.local


def test_errors_are_one_line(host: Host) -> None:
    run, netlink = host.inside.run, host.netlink
    with pytest.raises(AdapterError, match=r"^there is no device eth9$"):
        run(netlink.set_up("eth9"))
    with pytest.raises(AdapterError, match=r"^eth0 cannot have an MTU of 10: .+"):
        run(netlink.set_mtu("eth0", 10))
    host.ip("link", "add", "Loopback7", "type", "bridge")
    with pytest.raises(AdapterError, match=r"Loopback7 cannot be made: a device of this name is there already"):
        run(netlink.create_loopback("Loopback7"))
    run(netlink.remove_loopback("Loopback7"))
    assert run(netlink.link("Loopback7")) is not None


@pytest.mark.parametrize("name", ["GigabitEthernet0/0", "GigabitEthernet0/0/1.100", "Ethernet0/0"])
def test_a_name_of_ios_is_no_device_however_long_it_is(host: Host, name: str) -> None:
    assert host.inside.run(host.netlink.link(name)) is None


def test_after_a_kill_what_is_still_wanted_does_not_flap(host: Host) -> None:
    run, first = host.inside.run, host.netlink
    run(first.create_loopback("Loopback0"))
    run(first.add_address("Loopback0", IPv4Interface("1.1.1.1/32")))
    run(first.create_loopback("Loopback1"))
    run(first.add_address("eth0", IPv4Interface("10.1.12.1/24")))
    run(first.set_mtu("eth0", 1400))
    host.inside.call(first.enable_forwarding)
    link = run(first.link("Loopback0"))
    assert link is not None

    second = Netlink(host.ledger)  # the first one was killed: nothing of it ran
    run(second.open())
    run(second.create_loopback("Loopback0"))
    run(second.add_address("Loopback0", IPv4Interface("1.1.1.1/32")))
    host.inside.call(second.enable_forwarding)
    run(second.sweep())
    kept = run(second.link("Loopback0"))
    assert kept is not None
    assert kept.index == link.index
    assert "1.1.1.1/32" in host.ip("addr")
    assert run(second.link("Loopback1")) is None
    assert "10.1.12.1" not in host.ip("addr")
    eth0 = run(second.link("eth0"))
    assert eth0 is not None
    assert eth0.mtu == 1500
    run(second.close())
    assert host.inside.call(lambda: Path("/proc/sys/net/ipv4/ip_forward").read_text()) == "0\n"
    assert host.ledger.read_text() == ""


def test_a_ledger_cut_off_by_a_crash_is_an_empty_one(tmp_path: Path) -> None:
    file = tmp_path / "made.json"
    file.write_text('[["link", "Loopb')
    assert Ledger(file).entries() == []
    ledger = Ledger(file)
    ledger.record(Entry("mtu", "eth0", before="1500"))
    ledger.record(Entry("mtu", "eth0", before="1400"))
    assert [entry.before for entry in Ledger(file).entries()] == ["1500"]


def test_changes_are_told_by_kind(host: Host) -> None:
    seen: set[Change] = set()
    events = NetlinkEvents(seen.update)
    host.inside.call(events.open)
    host.ip("route", "add", "203.0.113.0/24", "via", "192.0.2.2")
    host.inside.until(lambda: Change.ROUTE in seen)
    assert seen == {Change.ROUTE}
    host.ip("addr", "add", "10.9.9.9/32", "dev", "eth0")
    host.inside.until(lambda: Change.ADDRESS in seen)
    host.peer.ip("link", "set", "eth0", "down")
    host.inside.until(lambda: Change.LINK in seen)
    link = host.inside.run(host.netlink.link("eth0"))
    assert link is not None
    assert link.admin_up
    assert not link.up
    host.inside.call(events.close)


def test_an_address_can_be_told_again_which_changes_nothing(host: Host) -> None:
    run, netlink = host.inside.run, host.netlink
    ours = IPv4Interface("10.1.12.1/24")
    run(netlink.add_address("eth0", ours))
    before, seen = host.state(), set[Change]()
    events = NetlinkEvents(seen.update)
    host.inside.call(events.open)
    run(netlink.announce_address("eth0", IPv4Interface("192.0.2.1/24")))  # the system's: not ours to set again
    run(netlink.announce_address("eth0", IPv4Interface("10.1.12.9/24")))  # nobody's
    run(netlink.announce_address("eth0", ours))
    host.inside.until(lambda: Change.ADDRESS in seen)
    assert seen == {Change.ADDRESS}
    assert host.state() == before
    host.inside.call(events.close)


def test_of_routes_only_those_to_watched_destinations_are_told(host: Host) -> None:
    seen: list[Change] = []
    events = NetlinkEvents(lambda changes: seen.extend(changes))
    host.inside.call(events.open)
    events.watch([ip_address("203.0.113.5"), ip_address("2001:db8::5")])
    host.ip("route", "add", "198.51.100.0/24", "via", "192.0.2.2")
    host.ip("route", "add", "203.0.113.4/32", "via", "192.0.2.2")
    host.ip("route", "add", "203.0.113.128/25", "via", "192.0.2.2")
    host.ip("addr", "add", "10.9.9.9/32", "dev", "lo")
    host.inside.until(lambda: Change.ADDRESS in seen)
    assert Change.ROUTE not in seen
    for covering in ("203.0.113.5/32", "203.0.113.0/25", "default"):
        seen.clear()
        host.ip("route", "add", covering, "via", "192.0.2.2")
        host.inside.until(lambda: Change.ROUTE in seen)
        seen.clear()
        host.ip("route", "del", covering)
        host.inside.until(lambda: Change.ROUTE in seen)
    host.inside.call(events.close)


def test_mss_is_lowered_both_ways_and_the_table_goes(host: Host) -> None:
    firewall = Firewall("R1.lab-7")
    host.inside.run(firewall.set(Ruleset(mss={"Tunnel0": 1360, "eth0": 1400})))
    shown = host.inside.sh("nft", "list", "ruleset")
    assert "table inet seikan_R1_lab_7" in shown
    for rule in ('iifname "Tunnel0"', 'oifname "Tunnel0"'):
        assert f"{rule} tcp flags syn / syn,rst tcp option maxseg size > 1360" in shown
    host.inside.run(firewall.set(Ruleset(mss={"Tunnel0": 1200})))
    shown = host.inside.sh("nft", "list", "ruleset")
    assert "1360" not in shown
    assert shown.count("maxseg size set 1200") == 2
    with pytest.raises(AdapterError, match="ip tcp adjust-mss: nft refused it: "):
        host.inside.run(firewall.set(Ruleset(mss={"Tunnel0": 99999999})))
    assert host.inside.sh("nft", "list", "ruleset") == shown
    host.inside.run(Firewall("R1.lab-7").remove(leftover=True))
    assert host.inside.sh("nft", "list", "ruleset") == ""


def test_a_syn_that_crosses_the_router_is_clamped(host: Host, namespace: Callable[[], Namespace]) -> None:
    router, server, client = host.inside, host.peer, namespace()
    veth(client, router, "eth1")
    client.ip("addr", "add", "10.7.0.2/24", "dev", "eth1")
    router.ip("addr", "add", "10.7.0.1/24", "dev", "eth1")
    client.ip("route", "add", "default", "via", "10.7.0.1")
    server.ip("route", "add", "default", "via", "192.0.2.1")
    router.call(host.netlink.enable_forwarding)
    router.run(Firewall("clamped").set(Ruleset(mss={"eth0": 1111})))

    program = (
        "import socket, sys\n"
        "s = socket.create_server(('192.0.2.2', 7)); print('up', flush=True); s.settimeout(10); c = s.accept()[0]\n"
        "print(c.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG), flush=True)"
    )
    listening = ["ip", "netns", "exec", server.name, "python3", "-c", program]
    with subprocess.Popen(listening, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        size = client.sh(
            "python3",
            "-c",
            "import socket; c = socket.create_connection(('192.0.2.2', 7), 5);"
            "print(c.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))",
        )
        # Less the option for time stamps (RFC 7323 appendix A).
        assert int(process.stdout.readline()) in (1111, 1099)
        assert int(size) in (1111, 1099)


def test_what_is_to_be_dropped_is_dropped_when_its_route_goes_with_a_device(host: Host) -> None:
    run, netlink = host.inside.run, host.netlink
    before, target = host.state(), IPv4Address("198.51.100.7")
    networks = [IPv4Network("198.51.100.0/24"), IPv4Network("203.0.113.9/32")]
    host.ip("route", "add", "default", "via", "192.0.2.2")
    host.ip("route", "add", "198.51.100.0/24", "dev", "Tunnel0")
    run(netlink.set_backstops(networks))
    lookup = run(netlink.route_to(target))
    assert lookup is not None
    assert lookup.interface == "Tunnel0"
    host.ip("link", "set", "Tunnel0", "down")
    assert run(netlink.route_to(target)) is None
    run(netlink.set_backstops(networks[1:]))
    lookup = run(netlink.route_to(target))
    assert lookup is not None
    assert lookup.interface == "eth0"
    run(netlink.close())
    host.ip("link", "set", "Tunnel0", "up")
    host.ip("route", "del", "default")
    assert host.state() == before
    assert host.ledger.read_text() == ""


def test_what_is_set_on_a_tunnel_goes_with_it(host: Host) -> None:
    netlink = host.netlink

    def sysctl(name: str, value: str | None = None) -> str:
        path = Path("/proc/sys/net") / name
        if value is not None:
            host.inside.call(lambda: path.write_text(value))
        return host.inside.call(lambda: path.read_text().strip())

    sysctl("ipv4/conf/Tunnel0/rp_filter", "1")
    for everywhere, expected in (("1", "2"), ("0", "0")):
        sysctl("ipv4/conf/all/rp_filter", everywhere)
        host.inside.call(lambda: netlink.loosen_reverse_path("Tunnel0"))
        assert sysctl("ipv4/conf/Tunnel0/rp_filter") == expected
    for wanted, expected in ((True, "0"), (False, "1")):
        host.inside.call(lambda wanted=wanted: netlink.set_ipv6("Tunnel0", wanted))  # type: ignore[misc]
        assert sysctl("ipv6/conf/Tunnel0/disable_ipv6") == expected
    assert "Tunnel0" in host.ledger.read_text()
    netlink.forget_device("Tunnel0")
    host.inside.run(netlink.close())
    assert host.ledger.read_text() == ""
    assert sysctl("ipv4/conf/Tunnel0/rp_filter") == "0"  # whoever made the device has it
