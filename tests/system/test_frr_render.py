"""What FRR is told, without FRR."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from types import MappingProxyType

import pytest

from seikan.config.model import (
    Config,
    Interface,
    OspfArea,
    OspfAuthentication,
    OspfInterface,
    OspfNetwork,
    OspfNetworkType,
    OspfProcess,
    StaticRoute,
    Tunnel,
)
from seikan.system.frr_diff import commands, hide_secret
from seikan.system.frr_render import Choices, DaemonConfig, choose, render
from seikan.wire.secret import Secret


def config(*interfaces: Interface, process: OspfProcess | None = None, routes: tuple[StaticRoute, ...] = ()) -> Config:
    return Config(
        interfaces=MappingProxyType({interface.name: interface for interface in interfaces}),
        ospf=MappingProxyType({process.process: process} if process else {}),
        routes=routes,
    )


def network(address: str, wildcard: str, area: int = 0) -> OspfNetwork:
    return OspfNetwork(IPv4Address(address), IPv4Address(wildcard), IPv4Address(area))


def interface_lines(
    made: Config, linux_name: str, addresses: dict[str, IPv4Interface] | None = None
) -> tuple[str, ...]:
    return render(made, {"FastEthernet0/0": "eth0"}, addresses)["ospfd"].sections.get(f"interface {linux_name}", ())


WAN = Interface("FastEthernet0/0", address=IPv4Interface("10.1.12.1/24"))
TUNNEL = Interface("Tunnel0", unnumbered="FastEthernet0/0", tunnel=Tunnel())


@pytest.mark.parametrize(
    ("statement", "area"),
    [
        (network("10.1.12.1", "0.0.0.0"), 0),
        (network("10.1.12.0", "0.0.0.255"), 0),
        (network("0.0.0.0", "255.255.255.255"), 0),
        (network("10.0.12.0", "0.255.0.255"), 0),  # discontiguous bits
        (network("10.1.12.2", "0.0.0.0"), None),
        (network("10.1.13.0", "0.0.0.255"), None),
    ],
)
def test_a_wildcard_is_matched_as_ios_does(statement: OspfNetwork, area: int | None) -> None:
    lines = interface_lines(config(WAN, TUNNEL, process=OspfProcess(1, networks=(statement,))), "Tunnel0")
    assert (lines[-1:] == ("ip ospf area 0.0.0.0",)) is (area is not None)


def test_the_narrowest_statement_wins_and_the_interfaces_own_line_over_all() -> None:
    networks = (network("0.0.0.0", "255.255.255.255", 9), network("10.1.12.0", "0.0.0.255", 3))
    made = config(WAN, TUNNEL, process=OspfProcess(1, networks=networks))
    assert interface_lines(made, "eth0")[-1] == "ip ospf area 0.0.0.3"
    typed = dataclasses.replace(WAN, ospf=OspfInterface(process=1, area=IPv4Address(7)))
    assert interface_lines(config(typed, process=made.ospf[1]), "eth0")[-1] == "ip ospf area 0.0.0.7"


def test_an_address_of_the_operating_system_is_matched_too() -> None:
    made = config(Interface("eth3"), process=OspfProcess(1, networks=(network("192.0.2.0", "0.0.0.255"),)))
    assert interface_lines(made, "eth3") == ()
    lines = interface_lines(made, "eth3", {"eth3": IPv4Interface("192.0.2.9/24")})
    assert lines == ("ip ospf network broadcast", "ip ospf area 0.0.0.0")


def test_defaults_of_ios() -> None:
    process = OspfProcess(1, networks=(network("0.0.0.0", "255.255.255.255"),))
    loopback = Interface("Loopback0", address=IPv4Interface("1.1.1.1/32"))
    made = config(loopback, WAN, TUNNEL, process=process)
    assert interface_lines(made, "Tunnel0") == (
        "ip ospf network point-to-point",
        "ip ospf cost 1000",
        "ip ospf area 0.0.0.0",
    )
    assert interface_lines(made, "eth0")[:2] == ("ip ospf network broadcast", "ip ospf cost 1")
    assert "ip ospf passive" in interface_lines(made, "Loopback0")
    wide = config(dataclasses.replace(loopback, address=IPv4Interface("1.1.1.1/24")), process=process)
    assert interface_lines(wide, "Loopback0")[0] == "ip ospf network point-to-multipoint"
    slow = dataclasses.replace(TUNNEL, ospf=OspfInterface(network_type=OspfNetworkType.NON_BROADCAST))
    lines = interface_lines(config(WAN, slow, process=process), "Tunnel0")
    assert {"ip ospf hello-interval 30", "ip ospf dead-interval 120"} <= set(lines)


def test_cost_follows_bandwidth_and_reference() -> None:
    process = OspfProcess(1, networks=(network("0.0.0.0", "255.255.255.255"),), reference_bandwidth=1000)
    fast = dataclasses.replace(TUNNEL, bandwidth=50_000)
    assert "ip ospf cost 20" in interface_lines(config(WAN, fast, process=process), "Tunnel0")
    slowest = dataclasses.replace(TUNNEL, bandwidth=1)
    assert "ip ospf cost 65535" in interface_lines(config(WAN, slowest, process=process), "Tunnel0")


def test_passive_default_and_its_exceptions() -> None:
    every = (network("0.0.0.0", "255.255.255.255"),)
    some = config(WAN, TUNNEL, process=OspfProcess(1, networks=every, passive_interfaces=("FastEthernet0/0",)))
    assert "ip ospf passive" in interface_lines(some, "eth0")
    assert "ip ospf passive" not in interface_lines(some, "Tunnel0")
    process = OspfProcess(1, networks=every, passive_default=True, passive_interfaces=("Tunnel0",))
    others = config(WAN, TUNNEL, process=process)
    assert "ip ospf passive" in interface_lines(others, "eth0")
    assert "ip ospf passive" not in interface_lines(others, "Tunnel0")


def test_static_routes() -> None:
    routes = (
        StaticRoute(IPv4Network("198.51.100.0/24"), next_hop=IPv4Address("10.1.12.2")),
        StaticRoute(IPv4Network("203.0.113.0/24"), interface="Tunnel0", tag=9, distance=200),
        StaticRoute(IPv4Network("0.0.0.0/0"), next_hop=IPv4Address("10.1.12.2"), interface="FastEthernet0/0"),
        StaticRoute(IPv4Network("10.0.0.0/8"), interface="Null0"),
    )
    assert render(config(WAN, routes=routes), {"FastEthernet0/0": "eth0"})["staticd"].sections[""] == (
        "ip route 198.51.100.0/24 10.1.12.2",
        "ip route 203.0.113.0/24 Tunnel0 tag 9 200",
        "ip route 0.0.0.0/0 10.1.12.2 eth0",
        "ip route 10.0.0.0/8 Null0",
    )
    assert set(render(config(WAN), {})) == {"zebra"}


def test_a_router_id_is_chosen_as_ios_does_and_kept() -> None:
    low = Interface("Loopback0", address=IPv4Interface("1.1.1.1/32"))
    made = config(WAN, low, process=OspfProcess(1))
    first = choose(made, {}, Choices())
    assert first.router_ids == {1: IPv4Address("1.1.1.1")}
    higher = config(WAN, low, Interface("Loopback1", address=IPv4Interface("9.9.9.9/32")), process=OspfProcess(1))
    assert choose(higher, {}, first) == first
    assert choose(higher, {}, Choices()).router_ids == {1: IPv4Address("9.9.9.9")}
    down = config(WAN, dataclasses.replace(low, shutdown=True), process=OspfProcess(1))
    assert choose(down, {}, Choices()).router_ids == {1: IPv4Address("10.1.12.1")}
    typed = config(WAN, low, process=OspfProcess(1, router_id=IPv4Address("7.7.7.7")))
    assert choose(typed, {}, first).router_ids == {1: IPv4Address("7.7.7.7")}


def test_a_second_process_does_not_move_the_first() -> None:
    both = dataclasses.replace(config(WAN), ospf=MappingProxyType({1: OspfProcess(1), 5: OspfProcess(5)}))
    kept = choose(both, {}, Choices(default_process=5))
    assert kept.default_process == 5
    rendered = render(both, {}, None, kept)
    assert {"ospfd", "ospfd-1"} < set(rendered)
    assert "router ospf 1" in rendered["ospfd-1"].sections


def test_a_difference_touches_only_what_differs() -> None:
    old = DaemonConfig(
        {
            "router ospf": ("ospf router-id 1.1.1.1", "redistribute static"),
            "interface Tunnel0": ("ip ospf network point-to-point", "ip ospf cost 1000", "ip ospf area 0.0.0.0"),
            "interface eth0": ("ip ospf network broadcast", "ip ospf area 0.0.0.0"),
        }
    )
    assert commands(old, old) == []
    new = DaemonConfig(
        {
            "router ospf": ("ospf router-id 1.1.1.1",),
            "interface Tunnel0": ("ip ospf network point-to-point", "ip ospf cost 5", "ip ospf area 0.0.0.0"),
        }
    )
    assert commands(old, new) == [
        *("router ospf", "no redistribute static", "exit"),
        *("interface Tunnel0", "ip ospf cost 5", "exit"),
        *("interface eth0", "no ip ospf area 0.0.0.0", "no ip ospf network", "exit"),
    ]


def test_the_area_moves_in_the_order_that_frr_takes() -> None:
    old = DaemonConfig({"interface Tunnel0": ("ip ospf cost 9", "ip ospf area 0.0.0.0")})
    new = DaemonConfig({"interface Tunnel0": ("ip ospf cost 9", "ip ospf area 0.0.0.1")})
    assert commands(old, new) == ["interface Tunnel0", "no ip ospf area 0.0.0.0", "ip ospf area 0.0.0.1", "exit"]


def test_a_router_goes_after_its_interfaces() -> None:
    old = DaemonConfig({"router ospf": (), "interface Tunnel0": ("ip ospf area 0.0.0.0",)})
    assert commands(old, DaemonConfig({})) == [
        *("interface Tunnel0", "no ip ospf area 0.0.0.0", "exit"),
        "no router ospf",
    ]
    assert commands(None, old)[0] == "router ospf"


def test_keys_are_replaced_and_never_shown() -> None:
    key = "ip ospf message-digest-key 7 md5 Hidden"
    old = DaemonConfig({"interface Tunnel0": (key,)})
    new = DaemonConfig({"interface Tunnel0": ("ip ospf message-digest-key 7 md5 Other",)})
    assert commands(old, new)[1:3] == [
        "no ip ospf message-digest-key 7",
        "ip ospf message-digest-key 7 md5 Other",
    ]
    assert "Hidden" not in repr(old)
    assert hide_secret(key) == "ip ospf message-digest-key 7 md5 <key>"
    assert hide_secret("ip ospf authentication-key Hidden") == "ip ospf authentication-key <key>"
    assert hide_secret("ip ospf cost 9") == "ip ospf cost 9"


def test_authentication_and_areas() -> None:
    areas = (
        OspfArea(IPv4Address(0), authentication=OspfAuthentication.MESSAGE_DIGEST),
        OspfArea(IPv4Address(4), stub=True, no_summary=True),
    )
    ospf = OspfInterface(
        process=1,
        area=IPv4Address(0),
        authentication=OspfAuthentication.SIMPLE,
        authentication_key=Secret(b"abc"),
        mtu_ignore=True,
    )
    made = config(dataclasses.replace(WAN, ospf=ospf), process=OspfProcess(1, areas=areas))
    router = render(made, {})["ospfd"].sections["router ospf"]
    assert "area 0.0.0.0 authentication message-digest" in router
    assert router[-2:] == ("area 0.0.0.4 stub", "area 0.0.0.4 stub no-summary")
    lines = interface_lines(made, "eth0")
    assert {"ip ospf authentication", "ip ospf authentication-key abc", "ip ospf mtu-ignore"} <= set(lines)
