"""Real FRR in network namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from types import MappingProxyType

import pytest
from tests.system.support import Namespace, veth, wire

from seikan.config.model import (
    Config,
    Interface,
    OspfAuthentication,
    OspfInterface,
    OspfNetwork,
    OspfProcess,
    StaticRoute,
    Tunnel,
)
from seikan.system.errors import AdapterError
from seikan.system.frr import PROGRAMS, Frr
from seikan.system.frr_log import AdjacencyChange, parse_adjacency
from seikan.system.frr_state import NextHop, Route
from seikan.wire.secret import Secret

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(not (PROGRAMS / "zebra").exists(), reason="FRR is not installed"),
]

QUICK = OspfInterface(process=1, area=IPv4Address(0), hello_interval=1)
SCRATCH = Path("/var/tmp/frr")
NAMES = {"FastEthernet0/0": "eth0"}


class Router:
    """One namespace with FRR in it, and everything FRR told."""

    def __init__(self, namespace: Namespace, number: int, directory: Path) -> None:
        self.namespace = namespace
        self.number = number
        self.directory = directory
        self.changes: list[AdjacencyChange] = []
        self.problems: list[str] = []
        namespace.ip("addr", "add", f"10.1.12.{number}/24", "dev", "eth0")
        namespace.ip("link", "add", "Loopback0", "type", "bridge")
        namespace.ip("addr", "add", f"{number}.{number}.{number}.{number}/32", "dev", "Loopback0")
        namespace.ip("link", "set", "Loopback0", "up")
        namespace.ip("addr", "add", f"10.1.12.{number}/32", "dev", "Tunnel0")
        namespace.ip("link", "set", "Tunnel0", "mtu", "1400", "up")
        self.frr = namespace.call(
            lambda: Frr(directory, namespace.name, on_adjacency=self.changes.append, on_problem=self.problems.append)
        )

    def start(self) -> None:
        self.namespace.run(self.frr.start())

    def apply(self, config: Config) -> None:
        self.namespace.run(self.frr.apply(config, NAMES))

    def routes(self) -> dict[str, Route]:
        return {str(route.network): route for route in self.namespace.run(self.frr.routes())}

    def metric(self, network: str) -> int | None:
        route = self.routes().get(network)
        return None if route is None else route.metric

    def saw(self, old: str, new: str) -> bool:
        return any((change.old_state, change.new_state) == (old, new) for change in self.changes)

    def full(self) -> None:
        self.namespace.until(lambda: self.saw("LOADING", "FULL"))


def config(number: int, *, tunnel: OspfInterface | None = None, routes: tuple[StaticRoute, ...] = ()) -> Config:
    interfaces = (
        Interface("Loopback0", address=IPv4Interface(f"{number}.{number}.{number}.{number}/32")),
        Interface("FastEthernet0/0", address=IPv4Interface(f"10.1.12.{number}/24")),
        Interface(
            "Tunnel0",
            unnumbered="FastEthernet0/0",
            tunnel=Tunnel(source="FastEthernet0/0"),
            ospf=tunnel or QUICK,
        ),
    )
    # Odd wildcard bits: they match the loopbacks and nothing else.
    network = OspfNetwork(IPv4Address("0.0.0.0"), IPv4Address("3.3.3.3"), IPv4Address(0))
    return Config(
        hostname=f"R{number}",
        interfaces=MappingProxyType({interface.name: interface for interface in interfaces}),
        routes=routes,
        ospf=MappingProxyType({1: OspfProcess(1, networks=(network,))}),
    )


def with_interface(base: Config, interface: Interface) -> Config:
    return dataclasses.replace(base, interfaces=MappingProxyType({**base.interfaces, interface.name: interface}))


@pytest.fixture
def routers(namespace: Callable[[], Namespace], tmp_path: Path) -> Iterator[tuple[Router, Router]]:
    left, right = namespace(), namespace()
    veth(left, right)
    wire(left, right)
    pair = Router(left, 1, tmp_path / "r1"), Router(right, 2, tmp_path / "r2")
    yield pair
    for router in pair:
        router.namespace.run(router.frr.stop())


def ip_pids(router: Router) -> list[str]:
    listed = subprocess.run(["ip", "netns", "pids", router.namespace.name], capture_output=True, text=True, timeout=10)
    # The test's own thread lives there too.
    return [pid for pid in listed.stdout.split() if pid != str(os.getpid())]


def test_an_unnumbered_tunnel_from_down_to_full_and_back(routers: tuple[Router, Router]) -> None:
    one, two = routers
    for router in routers:
        router.start()
        router.apply(config(router.number))
    for router in routers:
        router.full()
    last = next(change for change in one.changes if change.new_state == "FULL")
    assert str(last) == "Process 1, Nbr 2.2.2.2 on Tunnel0 from LOADING to FULL, Loading Done"
    assert [change.new_state for change in one.changes if change.significant] == ["FULL"]

    one.namespace.until(lambda: "2.2.2.2 " in one.namespace.ip("route"))
    routes = one.routes()
    learnt = routes["2.2.2.2/32"]
    assert (learnt.code, learnt.distance, learnt.metric) == ("O", 110, 1001)
    assert learnt.next_hops == (NextHop(IPv4Address("10.1.12.2"), "Tunnel0"),)
    assert learnt.age is not None
    assert learnt.source == IPv4Address("2.2.2.2")
    assert routes["10.1.12.0/24"].next_hops == (NextHop(None, "FastEthernet0/0"),)
    assert "10.1.12.1/32" not in routes  # the borrowed address is no network of the tunnel
    assert "10.1.12.2/32" not in routes  # nor does its lender's peer announce it

    known = one.namespace.run(one.frr.known_addresses())
    assert known["Tunnel0"] == {IPv4Interface("10.1.12.1/32")}
    assert known["eth0"] == {IPv4Interface("10.1.12.1/24")}

    (status,) = one.namespace.run(one.frr.ospf())
    assert (status.process, str(status.router_id), status.areas) == (1, "1.1.1.1", (IPv4Address(0),))
    (neighbor,) = status.neighbors
    assert (str(neighbor.router_id), neighbor.state, neighbor.interface) == ("2.2.2.2", "FULL/  -", "Tunnel0")
    assert 0 < neighbor.dead_time <= 4
    assert neighbor.state_changes in (4, 5)
    interfaces = {interface.name: interface for interface in status.interfaces}
    assert set(interfaces) == {"Tunnel0", "Loopback0"}
    tunnel, loopback = interfaces["Tunnel0"], interfaces["Loopback0"]
    assert (tunnel.network_type, tunnel.cost, tunnel.state) == ("POINT_TO_POINT", 1000, "P2P")
    assert (tunnel.hello, tunnel.dead, tunnel.unnumbered) == (1, 4, "FastEthernet0/0")
    assert (loopback.hello, loopback.dead, loopback.wait, loopback.retransmit) == (10, 40, 40, 5)
    assert tunnel.adjacent == (IPv4Address("2.2.2.2"),)
    assert (loopback.network_type, loopback.state, loopback.cost, loopback.passive) == ("LOOPBACK", "LOOP", 1, True)
    assert {(lsa.kind, str(lsa.advertising_router), lsa.links) for lsa in status.database} == {
        (1, "1.1.1.1", 2),
        (1, "2.2.2.2", 2),
    }
    for lsa in status.database:
        other = IPv4Address("2.2.2.2") if str(lsa.advertising_router) == "1.1.1.1" else IPv4Address("1.1.1.1")
        links = {(link.kind, link.link_id, link.metric) for link in lsa.router_links}
        assert links == {(1, other, 1000), (3, lsa.advertising_router, 1)}
        assert (lsa.options, lsa.length, lsa.area_border, lsa.as_boundary) == (2, 48, False, False)

    two.namespace.ip("link", "set", "Tunnel0", "down")
    two.namespace.until(lambda: two.saw("FULL", "DOWN"))
    assert str(two.changes[-1]) == (
        "Process 1, Nbr 1.1.1.1 on Tunnel0 from FULL to DOWN, Neighbor Down: Interface down or detached"
    )


def test_dead_timer_and_keys(routers: tuple[Router, Router], monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = routers
    key = Secret(b"S3cretKey")
    fast = OspfInterface(
        process=1,
        area=IPv4Address(0),
        hello_interval=1,
        dead_interval=3,
        authentication=OspfAuthentication.MESSAGE_DIGEST,
        message_digest_keys=MappingProxyType({7: key}),
    )
    for router in routers:
        router.start()
        router.apply(config(router.number, tunnel=fast))
    for router in routers:
        router.full()
    (status,) = one.namespace.run(one.frr.ospf())
    tunnel = next(interface for interface in status.interfaces if interface.name == "Tunnel0")
    assert (tunnel.authentication, tunnel.hello, tunnel.dead) == ("message-digest", 1, 3)
    for pid in ip_pids(one):
        assert b"S3cretKey" not in Path(f"/proc/{pid}/cmdline").read_bytes()

    other_key = dataclasses.replace(fast, message_digest_keys=MappingProxyType({7: Secret(b"Different")}))
    two.apply(config(2, tunnel=other_key))
    one.namespace.until(lambda: one.saw("FULL", "DOWN"))
    assert one.changes[-1].reason == "Neighbor Down: Dead timer expired"
    assert "S3cretKey" not in repr(one.frr.problems) + repr(vars(one.frr))


def test_a_change_elsewhere_leaves_adjacencies_alone(routers: tuple[Router, Router]) -> None:
    one, two = routers
    for router in routers:
        router.start()
        router.apply(config(router.number))
    for router in routers:
        router.full()
    before = len(one.changes), len(two.changes)
    (uptime,) = (n.uptime for n in one.namespace.run(one.frr.ospf())[0].neighbors)

    first = StaticRoute(IPv4Network("198.51.100.0/24"), next_hop=IPv4Address("10.1.12.2"))
    second = StaticRoute(IPv4Network("203.0.113.0/24"), interface="Tunnel0", distance=5)
    default = StaticRoute(IPv4Network("0.0.0.0/0"), next_hop=IPv4Address("10.1.12.2"))
    changed = config(1, routes=(first, second, default))
    one.apply(changed)
    one.namespace.until(lambda: "198.51.100.0/24 " in one.namespace.ip("route"))
    one.namespace.until(lambda: "dev Tunnel0" in one.namespace.ip("route", "show", "203.0.113.0/24"), 3)
    routes = one.routes()
    assert routes["203.0.113.0/24"].next_hops == (NextHop(None, "Tunnel0"),)
    assert (routes["203.0.113.0/24"].code, routes["203.0.113.0/24"].distance) == ("S", 5)
    assert routes["0.0.0.0/0"].code == "S*"

    # A higher loopback does not move the router id of a process that runs; the cost changes in place.
    changed = with_interface(changed, Interface("Loopback9", address=IPv4Interface("9.9.9.9/32")))
    tunnel = dataclasses.replace(changed.interfaces["Tunnel0"], ospf=dataclasses.replace(QUICK, cost=77))
    one.apply(with_interface(changed, tunnel))
    one.namespace.until(lambda: one.metric("2.2.2.2/32") == 78)
    one.apply(config(1))
    one.namespace.until(lambda: "198.51.100.0/24" not in one.namespace.ip("route"))
    one.namespace.until(lambda: one.metric("2.2.2.2/32") == 1001)

    (status,) = one.namespace.run(one.frr.ospf())
    assert str(status.router_id) == "1.1.1.1"
    assert status.neighbors[0].uptime is not None
    assert uptime is not None
    assert status.neighbors[0].uptime > uptime
    assert (len(one.changes), len(two.changes)) == before


def test_routes_and_adjacencies_follow_the_line_protocol(routers: tuple[Router, Router]) -> None:
    one, _ = routers
    static = StaticRoute(IPv4Network("203.0.113.0/24"), interface="Tunnel0")
    for router in routers:
        router.start()
        router.apply(config(router.number, routes=(static,)))
    one.full()
    one.namespace.until(lambda: "203.0.113.0/24" in one.namespace.ip("route"))
    one.namespace.carrier(False)
    one.namespace.until(lambda: one.saw("FULL", "DOWN"))
    assert one.changes[-1].reason == "Neighbor Down: Interface down or detached"
    one.namespace.until(lambda: not {"203.0.113.0/24", "2.2.2.2/32"} & one.routes().keys())
    assert "203.0.113.0/24" not in one.namespace.ip("route").replace(" linkdown", "")
    one.changes.clear()
    one.namespace.carrier(True)
    one.full()
    one.namespace.until(lambda: {"203.0.113.0/24", "2.2.2.2/32"} <= one.routes().keys())

    one.changes.clear()
    one.namespace.run(one.frr.clear_ospf(1))
    one.namespace.until(lambda: one.saw("FULL", "DOWN"))
    one.full()


def test_an_mtu_that_differs_is_diagnosed_and_one_that_changes_is_followed(routers: tuple[Router, Router]) -> None:
    _, two = routers
    two.namespace.ip("link", "set", "Tunnel0", "mtu", "1300")
    for router in routers:
        router.start()
        router.apply(config(router.number))
    two.namespace.until(lambda: bool(two.problems))
    assert two.problems == [
        "OSPF neighbor 1.1.1.1 on Tunnel0 has an MTU of 1400, larger than 1300 here: "
        "the adjacency stays in EXSTART until both are the same"
    ]
    assert not two.saw("LOADING", "FULL")
    two.namespace.ip("link", "set", "Tunnel0", "mtu", "1400")
    two.full()
    assert two.frr.problems == ()


def test_routes_of_other_kinds_and_their_lsas(routers: tuple[Router, Router]) -> None:
    one, two = routers
    for router in routers:
        router.start()
    base = config(1, routes=(StaticRoute(IPv4Network("198.51.100.0/24"), next_hop=IPv4Address("10.1.12.2")),))
    process = dataclasses.replace(
        base.ospf[1],
        redistribute=("static subnets", "connected metric-type 1 subnets"),
        default_information="always metric 7",
    )
    other_area = Interface(
        "Loopback5", address=IPv4Interface("5.5.5.5/24"), ospf=OspfInterface(process=1, area=IPv4Address(5))
    )
    one.namespace.ip("link", "add", "Loopback5", "type", "bridge")
    one.namespace.ip("addr", "add", "5.5.5.5/24", "dev", "Loopback5")
    one.namespace.ip("link", "set", "Loopback5", "up")
    one.apply(with_interface(dataclasses.replace(base, ospf=MappingProxyType({1: process})), other_area))
    two.apply(config(2))
    two.full()
    two.namespace.until(lambda: {"198.51.100.0/24", "5.5.5.5/32", "0.0.0.0/0"} <= two.routes().keys())
    routes = two.routes()
    assert routes["198.51.100.0/24"].code == "O E2"
    assert (routes["5.5.5.5/32"].code, routes["5.5.5.5/32"].metric) == ("O IA", 1000)  # a host route, as in IOS
    assert (routes["0.0.0.0/0"].code, routes["0.0.0.0/0"].metric) == ("O*E2", 7)
    (status,) = two.namespace.run(two.frr.ospf())
    found = {(lsa.kind, str(lsa.link_state_id), lsa.area) for lsa in status.database}
    assert {(3, "5.5.5.5", IPv4Address(0)), (5, "198.51.100.0", None), (5, "0.0.0.0", None)} <= found
    assert (5, "10.1.12.0", None) in found
    # The borrowed address would lead the tunnel's own packets into the tunnel.
    assert (5, "10.1.12.1", None) not in found
    external = next(lsa for lsa in status.database if str(lsa.link_state_id) == "198.51.100.0")
    assert (external.prefix_length, external.metric, external.metric_type, external.tag) == (24, 20, 2, 0)
    origin = external.advertising_router
    border = next(lsa for lsa in status.database if lsa.kind == 1 and lsa.advertising_router == origin)
    assert (border.area_border, border.as_boundary) == (True, True)
    assert {routes[name].source for name in ("198.51.100.0/24", "5.5.5.5/32", "0.0.0.0/0")} == {origin}
    (local,) = one.namespace.run(one.frr.ospf())
    assert set(local.areas) == {IPv4Address(0), IPv4Address(5)}
    own = [lsa for lsa in local.database if lsa.kind == 1 and lsa.advertising_router == origin]
    assert {(lsa.area, lsa.links) for lsa in own} == {(IPv4Address(0), 2), (IPv4Address(5), 1)}  # one for each area
    one.apply(config(1))
    two.namespace.until(lambda: not {"198.51.100.0/24", "5.5.5.5/32", "0.0.0.0/0"} & two.routes().keys())
    assert not two.saw("FULL", "DOWN")


def test_what_frr_refuses_is_named_and_undone(routers: tuple[Router, Router]) -> None:
    one, _ = routers
    one.start()
    good = config(1, routes=(StaticRoute(IPv4Network("198.51.100.0/24"), next_hop=IPv4Address("10.1.12.2")),))
    one.apply(good)
    process = dataclasses.replace(good.ospf[1], redistribute=("nonsense",))
    bad = dataclasses.replace(good, ospf=MappingProxyType({1: process}), routes=())
    with pytest.raises(AdapterError, match="'redistribute nonsense': ospfd refused it"):
        one.apply(bad)
    one.namespace.until(lambda: "198.51.100.0/24" in one.namespace.ip("route"))
    one.apply(good)
    secret = OspfInterface(1, IPv4Address(0), authentication_key=Secret(b"far too long"))
    with pytest.raises(AdapterError) as caught:
        one.apply(config(1, tunnel=secret))
    assert "far too long" not in str(caught.value)
    assert "Tunnel0: an OSPF key must have 1 to 8" in str(caught.value)


def test_with_nothing_to_load_ios_still_passes_through_loading() -> None:
    line = (
        "2026/11/23 19:46:08 OSPF: [Y05P2-YJVXY] AdjChg: Nbr 1.1.1.1, NbrIP 10.1.12.1 (default) "
        "on Tunnel0:10.1.12.2: Exchange -> Full (ExchangeDone)"
    )
    assert [str(change) for change in parse_adjacency(line, 1, {})] == [
        "Process 1, Nbr 1.1.1.1 on Tunnel0 from EXCHANGE to LOADING, Exchange Done",
        "Process 1, Nbr 1.1.1.1 on Tunnel0 from LOADING to FULL, Loading Done",
    ]
    assert parse_adjacency("OSPF: [T83RR-8SM5G] ospfd 8.4.4 starting: vty@0", 1, {}) == ()


def test_two_processes_have_an_instance_each(routers: tuple[Router, Router]) -> None:
    one, _ = routers
    for router in routers:
        router.start()
        base = config(router.number, tunnel=OspfInterface(2, IPv4Address(5), hello_interval=1))
        both = {**base.ospf, 2: OspfProcess(2, router_id=IPv4Address(f"22.0.0.{router.number}"))}
        router.apply(dataclasses.replace(base, ospf=MappingProxyType(both)))
    one.full()
    assert one.changes[-1].process == 2
    statuses = {status.process: status for status in one.namespace.run(one.frr.ospf())}
    assert set(statuses) == {1, 2}
    assert [str(neighbor.router_id) for neighbor in statuses[2].neighbors] == ["22.0.0.2"]
    assert statuses[2].neighbors[0].area == IPv4Address(5)
    assert [interface.name for interface in statuses[1].interfaces] == ["Loopback0"]
    one.apply(config(1, tunnel=OspfInterface()))
    assert [status.process for status in one.namespace.run(one.frr.ospf())] == [1]


def test_a_daemon_that_crashes_comes_back_as_it_was(routers: tuple[Router, Router]) -> None:
    one, _ = routers
    for router in routers:
        router.start()
        router.apply(config(router.number))
    one.full()
    one.changes.clear()
    os.kill(int((one.directory / "ospfd.pid").read_text()), signal.SIGKILL)
    one.namespace.until(lambda: bool(one.problems))
    assert one.problems[0].startswith("FRR's ospfd ended (SIGKILL;")
    one.full()
    one.namespace.until(lambda: one.frr.problems == ())
    one.namespace.until(lambda: "2.2.2.2/32" in one.routes())


def test_nothing_is_left_after_stop(routers: tuple[Router, Router]) -> None:
    one, _ = routers
    for router in routers:
        router.start()
        static = StaticRoute(IPv4Network("198.51.100.0/24"), next_hop=IPv4Address(f"10.1.12.{3 - router.number}"))
        router.apply(config(router.number, routes=(static,)))
    one.full()
    one.namespace.until(lambda: "2.2.2.2" in one.namespace.ip("route"))
    pids = [(one.directory / f"{name}.pid").read_text().strip() for name in ("zebra", "ospfd", "staticd")]
    one.namespace.run(one.frr.stop())
    assert one.namespace.ip("route").split("\n") == ["10.1.12.0/24 dev eth0 proto kernel scope link src 10.1.12.1 ", ""]
    assert ip_pids(one) == []
    assert not one.directory.exists()
    assert not [entry.name for entry in SCRATCH.iterdir() if entry.name.split(".")[-1] in pids]


DAEMON = """
import asyncio, sys
from pathlib import Path
from ipaddress import IPv4Address, IPv4Network
from seikan.config.model import Config, StaticRoute
from seikan.system.frr import Frr
async def main():
    frr = Frr(Path(sys.argv[1]), sys.argv[2], on_adjacency=print, on_problem=print)
    await frr.start()
    route = StaticRoute(IPv4Network("198.51.100.0/24"), next_hop=IPv4Address("10.1.12.2"))
    await frr.apply(Config(routes=(route,)), {})
    print("ready", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_a_killed_daemon_takes_frr_along(routers: tuple[Router, Router]) -> None:
    one, _ = routers
    with running_daemon(one) as daemon:
        daemon.kill()
    one.namespace.until(lambda: ip_pids(one) == [])
    assert "198.51.100.0/24" not in one.namespace.ip("route")


def test_routes_of_a_killed_zebra_are_swept(routers: tuple[Router, Router]) -> None:
    one, _ = routers
    with running_daemon(one) as daemon:
        zebra = int((one.directory / "zebra.pid").read_text())
        os.kill(zebra, signal.SIGSTOP)  # so that it cannot take its routes away itself
        daemon.kill()
    os.kill(zebra, signal.SIGKILL)
    one.namespace.until(lambda: ip_pids(one) == [])
    assert "198.51.100.0/24" in one.namespace.ip("route")
    one.start()
    one.namespace.until(lambda: "198.51.100.0/24" not in one.namespace.ip("route"))
    assert not (SCRATCH / f"zebra.{zebra}").exists()


def test_a_restart_waits_for_the_zebra_that_is_leaving(routers: tuple[Router, Router]) -> None:
    one, _ = routers
    with running_daemon(one) as daemon:
        daemon.kill()
    one.start()  # at once: it must not lose its routes to the one that takes its own away
    route = StaticRoute(IPv4Network("198.51.100.0/24"), next_hop=IPv4Address("10.1.12.2"))
    one.apply(config(1, routes=(route,)))
    one.namespace.until(lambda: "198.51.100.0/24" in one.namespace.ip("route"))
    assert len([pid for pid in ip_pids(one) if Path(f"/proc/{pid}/comm").read_text() == "zebra\n"]) == 1


@contextlib.contextmanager
def running_daemon(router: Router) -> Iterator[subprocess.Popen[str]]:
    """A process of its own with FRR and a route, until it is killed."""
    command = ["ip", "netns", "exec", router.namespace.name, sys.executable, "-c", DAEMON, str(router.directory), "own"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == "ready\n"
        router.namespace.until(lambda: "198.51.100.0/24" in router.namespace.ip("route"))
        yield daemon
        daemon.wait(10)


def test_without_frr_the_user_is_told_and_nothing_breaks(tmp_path: Path) -> None:
    async def main() -> None:
        told: list[str] = []
        frr = Frr(tmp_path / "frr", "none", on_adjacency=print, on_problem=told.append, programs=tmp_path)
        await frr.start()
        await frr.apply(config(1), NAMES)
        assert frr.problems == ("FRR is not installed: apt-get install frr",) == tuple(told)
        assert not frr.available
        with pytest.raises(AdapterError, match="apt-get install frr"):
            await frr.routes()
        await frr.stop()

    asyncio.run(main())
