"""show ip route, show ip protocols and show ip ospf, column by column."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest
from tests.cli.show.example import NEIGHBOR, OSPF, R1, ROUTER_1, SILENT, STATUS, render

from seikan.cli.show import SHOW_COMMANDS
from seikan.cli.show.text import FRR_SILENT, interface_config
from seikan.cli.status import NextHop, Route
from seikan.config.model import StaticRoute

ENTRY = "show ip route <address:ipv4> [<mask:mask>]"


def table(*routes: Route) -> list[str]:
    lines = render("show ip route", replace(STATUS, routes=routes))
    return lines[next(place for place, line in enumerate(lines) if line.startswith("Gateway")) :]


def test_route_table() -> None:
    lines = render("show ip route", STATUS)
    assert lines[0] == "Codes: L - local, C - connected, S - static, R - RIP, M - mobile, B - BGP"
    assert lines[8:] == [
        "",
        "Gateway of last resort is 10.1.23.2 to network 0.0.0.0",
        "",
        "S*    0.0.0.0/0 [1/0] via 10.1.23.2",
        "      1.0.0.0/32 is subnetted, 1 subnets",
        "O        1.1.1.1 [110/1001] via 10.1.12.1, 00:00:12, Tunnel0",
        "      3.0.0.0/32 is subnetted, 1 subnets",
        "C        3.3.3.3 is directly connected, Loopback0",
        "      10.0.0.0/8 is variably subnetted, 3 subnets, 3 masks",
        "C        10.1.23.0/24 is directly connected, FastEthernet1/0",
        "L        10.1.23.3/32 is directly connected, FastEthernet1/0",
        "O IA     10.9.0.0/16 [110/1011] via 10.1.12.1, 1d02h, Tunnel0",
        "                     [110/1011] via 172.16.0.2, 1d02h, Tunnel1",
        "S     198.51.100.0/24 [1/0] via 10.1.23.2",
        "      203.0.113.0/25 is subnetted, 2 subnets",
        "O E2     203.0.113.0 [110/20] via 10.1.12.1, 00:06:40, Tunnel0",
        "O E2     203.0.113.128 [110/20] via 10.1.12.1, 1w1d, Tunnel0",
    ]


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        ("show ip route ospf", {"O"}),
        ("show ip route static", {"S"}),
        ("show ip route connected", {"C", "L"}),
    ],
)
def test_route_table_of_one_source(command: str, codes: set[str]) -> None:
    lines = render(command, STATUS)
    start = next(place for place, line in enumerate(lines) if line.startswith("Gateway"))
    assert {line[0] for line in lines[start + 2 :] if line[0] != " "} == codes


def test_a_default_learned_by_ospf_is_a_candidate() -> None:
    default = Route(IPv4Network("0.0.0.0/0"), "O E2", 110, 1, (NextHop(R1, "Tunnel0"),), 5.0)
    assert table(default) == [
        "Gateway of last resort is 10.1.12.1 to network 0.0.0.0",
        "",
        "O*E2  0.0.0.0/0 [110/1] via 10.1.12.1, 00:00:05, Tunnel0",
    ]


def test_no_default_and_supernets() -> None:
    supernet = Route(IPv4Network("192.168.0.0/16"), "S", 5, 0, (NextHop(None, "Tunnel0"),), None)
    assert table(supernet) == [
        "Gateway of last resort is not set",
        "",
        "S     192.168.0.0/16 is directly connected, Tunnel0",
    ]


def test_an_interface_typed_with_the_next_hop_is_shown() -> None:
    network, hop = IPv4Network("192.168.9.0/24"), NextHop(IPv4Address("10.1.23.2"), "FastEthernet1/0")
    running = replace(STATUS.running, routes=(StaticRoute(network, hop.address, hop.interface),))
    lines = render("show ip route", replace(STATUS, running=running, routes=(Route(network, "S", 1, 0, (hop,), None),)))
    assert lines[-1] == "S     192.168.9.0/24 [1/0] via 10.1.23.2, FastEthernet1/0"


def test_a_long_line_is_broken_as_ios_does() -> None:
    hop = NextHop(IPv4Address("192.168.100.200"), "TenGigabitEthernet1/0/15")
    routes = (
        Route(IPv4Network("10.200.200.0/24"), "O E2", 110, 200000, (hop,), 100.0),
        Route(IPv4Network("10.200.128.0/25"), "C", 0, 0, (NextHop(None, "Loopback0"),), None),
    )
    assert table(*routes)[4:] == [
        "O E2     10.200.200.0/24 ",
        "           [110/200000] via 192.168.100.200, 00:01:40, TenGigabitEthernet1/0/15",
    ]


def test_routes_of_the_operating_system_have_a_letter_in_the_legend() -> None:
    kernel = Route(IPv4Network("192.0.2.0/25"), "K", 0, 0, (NextHop(IPv4Address("10.1.23.9"), "eth0"),), 9.0)
    lines = render("show ip route", replace(STATUS, routes=(kernel,)))
    assert "       K - route of the operating system" in lines
    assert "K        192.0.2.0 [0/0] via 10.1.23.9, 00:00:09, eth0" in lines


def test_entry_of_an_ospf_route() -> None:
    assert render(ENTRY, STATUS, address=ROUTER_1) == [
        "Routing entry for 1.1.1.1/32",
        '  Known via "ospf 1", distance 110, metric 1001, type intra area',
        "  Last update from 10.1.12.1 on Tunnel0, 00:00:12 ago",
        "  Routing Descriptor Blocks:",
        "  * 10.1.12.1, from 1.1.1.1, 00:00:12 ago, via Tunnel0",
        "      Route metric is 1001, traffic share count is 1",
    ]


def test_entry_is_the_longest_match() -> None:
    assert render(ENTRY, STATUS, address=IPv4Address("10.1.23.200"))[:2] == [
        "Routing entry for 10.1.23.0/24",
        '  Known via "connected", distance 0, metric 0 (connected, via interface)',
    ]


def test_entry_by_mask_and_the_default() -> None:
    exact = render(ENTRY, STATUS, address=IPv4Address("10.9.0.0"), mask=IPv4Address("255.255.0.0"))
    assert exact[1] == '  Known via "ospf 1", distance 110, metric 1011, type inter area'
    assert exact[-2] == "    172.16.0.2, 1d02h ago, via Tunnel1"
    default = render(ENTRY, STATUS, address=IPv4Address(0))
    assert default[:2] == [
        "Routing entry for 0.0.0.0/0, supernet",
        '  Known via "static", distance 1, metric 0, candidate default path',
    ]


def test_entry_that_is_not_there() -> None:
    assert render(ENTRY, STATUS, address=IPv4Address("10.77.0.1")) == ["% Subnet not in table"]
    assert render(ENTRY, STATUS, address=IPv4Address("172.31.0.1")) == ["% Network not in table"]


def test_an_interfaces_own_addresses_are_local_routes() -> None:
    port = replace(interface_config(STATUS, "FastEthernet1/0"), secondary=(IPv4Interface("192.168.7.1/30"),))
    running = replace(STATUS.running, interfaces={**STATUS.running.interfaces, port.name: port})
    connected = [
        Route(IPv4Network(network), "C", 0, 0, (NextHop(None, name),), None)
        for network, name in (
            ("10.1.23.0/24", "FastEthernet1/0"),
            ("192.168.7.0/30", "FastEthernet1/0"),
            ("3.3.3.3/32", "Loopback0"),
            ("203.0.113.0/24", "gone0"),
        )
    ]
    status = replace(STATUS, running=running, routes=tuple(connected))
    assert [line for line in render("show ip route connected", status) if line.startswith("L ")] == [
        "L        10.1.23.3/32 is directly connected, FastEthernet1/0",
        "L        192.168.7.1/32 is directly connected, FastEthernet1/0",
    ]
    known = Route(IPv4Network("10.1.23.3/32"), "L", 0, 0, (NextHop(None, "FastEthernet1/0"),), None)
    again = render("show ip route connected", replace(status, routes=(*connected, known)))
    assert len([line for line in again if "10.1.23.3/32" in line]) == 1
    entry = render(ENTRY, status, address=IPv4Address("192.168.7.1"))
    assert entry[0] == "Routing entry for 192.168.7.1/32"


def test_summary_counts_every_route_once() -> None:
    lines = render("show ip route summary", STATUS)
    assert lines[3:] == [
        "connected       0           3           0           0           0",
        "static          2           0           0           0           0",
        "ospf 1          0           4           0           0           0",
        "  Intra-area: 1 Inter-area: 1 External-1: 0 External-2: 2",
        "  NSSA External-1: 0 NSSA External-2: 0",
        "Total           2           7           0           0           0",
    ]
    assert STATUS.routes is not None
    assert len(STATUS.routes) == 8


def test_protocols() -> None:
    assert render("show ip protocols", STATUS) == [
        "*** IP Routing is NSF aware ***",
        "",
        'Routing Protocol is "ospf 1"',
        "  Outgoing update filter list for all interfaces is not set",
        "  Incoming update filter list for all interfaces is not set",
        "  Router ID 3.3.3.3",
        "  It is an autonomous system boundary router",
        " Redistributing External Routes from,",
        "    static subnets",
        "  Number of areas in this router is 1. 1 normal 0 stub 0 nssa",
        "  Maximum path: 4",
        "  Routing for Networks:",
        "    192.168.0.0 0.0.255.255 area 0",
        "  Routing on Interfaces Configured Explicitly (Area 0):",
        "    Loopback0",
        "    Tunnel0",
        "  Passive Interface(s):",
        "    Loopback0",
        "  Routing Information Sources:",
        "    Gateway         Distance      Last Update",
        "    1.1.1.1              110      00:00:12",
        "  Distance: (default is 110)",
        "",
    ]


def test_ospf_neighbors() -> None:
    expected = [
        "",
        "Neighbor ID     Pri   State           Dead Time   Address         Interface",
        "1.1.1.1           0   FULL/  -        00:00:36    10.1.12.1       Tunnel0",
    ]
    assert render("show ip ospf neighbor", STATUS) == expected
    assert render("show ip ospf neighbor <interface:interface>", STATUS, interface="Tunnel0") == expected
    assert render("show ip ospf neighbor <interface:interface>", STATUS, interface="Tunnel1") == []


def test_ospf_neighbor_detail() -> None:
    expected = [
        " Neighbor 1.1.1.1, interface address 10.1.12.1",
        "    In the area 0 via interface Tunnel0",
        "    Neighbor priority is 0, State is FULL, 6 state changes",
        "    DR is 0.0.0.0 BDR is 0.0.0.0",
        "    Options is 0x52",
        "    Dead timer due in 00:00:36",
        "    Neighbor is up for 00:51:01",
        "    Index 1/1, retransmission queue length 0, number of retransmission 0",
    ]
    assert render("show ip ospf neighbor detail", STATUS) == expected
    assert render("show ip ospf neighbor <router:ipv4>", STATUS, router=ROUTER_1) == expected
    assert render("show ip ospf neighbor <router:ipv4>", STATUS, router=IPv4Address("9.9.9.9")) == []


def test_a_neighbor_in_another_state() -> None:
    ospf = replace(OSPF, neighbors=(replace(NEIGHBOR, state="EXSTART/DROTHER", priority=100),))
    lines = render("show ip ospf neighbor", replace(STATUS, ospf=(ospf,)))
    assert lines[2] == "1.1.1.1         100   EXSTART/DROTHER 00:00:36    10.1.12.1       Tunnel0"


def test_ospf_interface_brief() -> None:
    assert render("show ip ospf interface brief", STATUS) == [
        "Interface    PID   Area            IP Address/Mask    Cost  State Nbrs F/C",
        "Lo0          1     0               3.3.3.3/32         1     LOOP  0/0",
        "Tu0          1     0               0.0.0.0/0          1000  P2P   1/1",
        "eth0         1     0               192.0.2.7/25       10    DR    0/0",
    ]


def test_ospf_interface() -> None:
    lines = [
        line.rstrip() for line in render("show ip ospf interface <interface:interface>", STATUS, interface="Tunnel0")
    ]
    assert lines == [
        "Tunnel0 is up, line protocol is up",
        "  Interface is unnumbered, Area 0",
        "  Using address of FastEthernet1/0 (10.1.23.3)",
        "  Attached via Interface Enable",
        "  Process ID 1, Router ID 3.3.3.3, Network Type POINT_TO_POINT, Cost: 1000",
        "  Transmit Delay is 1 sec, State POINT_TO_POINT",
        "  Timer intervals configured, Hello 10, Dead 40, Wait 40, Retransmit 5",
        "    Hello due in 00:00:04",
        "  Neighbor Count is 1, Adjacent neighbor count is 1",
        "    Adjacent with neighbor 1.1.1.1",
        "  Suppress hello for 0 neighbor(s)",
        "  Message digest authentication enabled",
    ]


def test_ospf_interface_kinds() -> None:
    lines = render("show ip ospf interface", STATUS)
    assert "  Loopback interface is treated as a stub Host" in lines
    assert "  Transmit Delay is 1 sec, State DR, Priority 1" in lines
    assert "  Designated Router (ID) 3.3.3.3, Interface address 192.0.2.7" in lines
    assert "  No backup designated router on this network" in lines
    assert render("show ip ospf interface <interface:interface>", STATUS, interface="Tunnel2") == [
        "%OSPF: OSPF not enabled on Tunnel2"
    ]


def test_ospf_process() -> None:
    lines = render("show ip ospf [<process:number(1-65535)>]", STATUS, process=1)
    assert lines[:2] == [
        ' Routing Process "ospf 1" with ID 3.3.3.3',
        " Start time: 00:02:05.000, Time elapsed: 01:00:00",
    ]
    assert "    Area BACKBONE(0.0.0.0)" in lines
    assert "        Number of interfaces in this area is 3 (1 loopback)" in lines
    assert "        SPF algorithm executed 8 times" in lines
    assert render("show ip ospf [<process:number(1-65535)>]", STATUS, process=2) == []


def test_ospf_database() -> None:
    assert render("show ip ospf database", STATUS)[:16] == [
        "",
        "            OSPF Router with ID (3.3.3.3) (Process ID 1)",
        "",
        "\t\tRouter Link States (Area 0)",
        "",
        "Link ID         ADV Router      Age         Seq#       Checksum Link count",
        "1.1.1.1         1.1.1.1         70          0x80000005 0x007A61 2",
        "3.3.3.3         3.3.3.3         69          0x80000006 0x00CC34 2",
        "",
        "\t\tNet Link States (Area 0)",
        "",
        "Link ID         ADV Router      Age         Seq#       Checksum",
        "192.0.2.7       3.3.3.3         12          0x80000001 0x0015EF",
        "",
        "\t\tSummary Net Link States (Area 0)",
        "",
    ]
    assert render("show ip ospf database", STATUS)[-1] == (
        "203.0.113.0     1.1.1.1         142         0x80000001 0x003F23 0"
    )


def test_ospf_database_of_this_router_only() -> None:
    rows = [line for line in render("show ip ospf database self-originate", STATUS) if "0x8" in line]
    assert len(rows) == 2
    assert all(line[16:32].strip() == "3.3.3.3" for line in rows)


def test_ospf_router_link_states() -> None:
    lines = render("show ip ospf database router", STATUS)
    assert lines[5:20] == [
        "  LS age: 70",
        "  Options: (No TOS-capability, DC)",
        "  LS Type: Router Links",
        "  Link State ID: 1.1.1.1",
        "  Advertising Router: 1.1.1.1",
        "  LS Seq Number: 80000005",
        "  Checksum: 0x7A61",
        "  Length: 48",
        "  Number of Links: 2",
        "",
        "    Link connected to: another Router (point-to-point)",
        "     (Link ID) Neighboring Router ID: 3.3.3.3",
        "     (Link Data) Router Interface address: 10.1.12.1",
        "      Number of MTID metrics: 0",
        "       TOS 0 Metrics: 1000",
    ]
    assert "  AS Boundary Router" in lines


def test_ospf_other_link_states() -> None:
    assert "\tAttached Router: 1.1.1.1" in render("show ip ospf database network", STATUS)
    assert "  Network Mask: /25" in render("show ip ospf database network", STATUS)
    assert "\tMTID: 0 \tMetric: 11 " in render("show ip ospf database summary", STATUS)
    external = render("show ip ospf database external", STATUS)
    assert "\tMetric Type: 2 (Larger than any link state path)" in external
    assert "\tForward Address: 0.0.0.0" in external
    assert len(render("show ip ospf database asbr-summary", STATUS)) == 2


@pytest.mark.parametrize(
    "command",
    [
        row.syntax
        for row in SHOW_COMMANDS
        if row.syntax.startswith(("show ip route", "show ip ospf")) or row.syntax == "show ip protocols"
    ],
)
def test_silence_of_frr_is_said(command: str) -> None:
    assert FRR_SILENT in render(command, SILENT, address=R1)
