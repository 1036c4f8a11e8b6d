"""show interfaces and show ip interface, column by column."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface

from tests.cli.show.example import INTERFACES, STATUS, interface, render

ALL = "show interfaces [<interface:interface>]"
IP = "show ip interface [<interface:interface>]"

TUNNEL0 = """Tunnel0 is up, line protocol is up 
  Hardware is Tunnel
  Interface is unnumbered. Using address of FastEthernet1/0 (10.1.23.3)
  MTU 17867 bytes, BW 100 Kbit/sec, DLY 50000 usec, 
     reliability 255/255, txload 1/255, rxload 1/255
  Encapsulation TUNNEL, loopback not set
  Keepalive not set
  Tunnel linestate evaluation up
  Tunnel source 10.1.23.3 (FastEthernet1/0), destination 10.1.12.1
  Tunnel protocol/transport IPSEC/IP
  Tunnel TTL 255
  Tunnel transport MTU 1438 bytes
  Tunnel protection via IPSec (profile "ProtectTheTunnel")
  Last input 00:00:03, output 00:00:12, output hang never
  Last clearing of "show interface" counters never
  Input queue: 0/75/0/0 (size/max/drops/flushes); Total output drops: 0
  Queueing strategy: fifo
  Output queue: 0/0 (size/max)
  5 minute input rate 0 bits/sec, 0 packets/sec
  5 minute output rate 0 bits/sec, 0 packets/sec
     17 packets input, 1700 bytes, 0 no buffer
     Received 0 broadcasts (0 IP multicasts)
     0 runts, 0 giants, 0 throttles
     0 input errors, 0 CRC, 0 frame, 0 overrun, 0 ignored, 0 abort
     20 packets output, 2000 bytes, 0 underruns
     0 output errors, 0 collisions, 0 interface resets
     0 unknown protocol drops
     0 output buffer failures, 0 output buffers swapped out
     4 dropped: no-sa
     1 dropped: replay"""  # noqa: W291 (IOS ends two of these lines in a space)


def test_tunnel() -> None:
    assert render(ALL, STATUS, interface="Tunnel0") == TUNNEL0.split("\n")


def test_a_tunnel_that_is_down_says_why() -> None:
    lines = render(ALL, STATUS, interface="Tunnel1")
    assert lines[0] == "Tunnel1 is up, line protocol is down "
    assert "  Description: to branch" in lines
    assert "  Internet address is 172.16.0.1/30" in lines
    assert "  Tunnel linestate evaluation down - no common proposal with 10.1.99.9: encryption" in lines


def test_gre_tunnel_with_a_key() -> None:
    lines = render(ALL, STATUS, interface="Tunnel2")
    assert lines[0] == "Tunnel2 is administratively down, line protocol is down "
    assert "  MTU 17912 bytes, BW 100 Kbit/sec, DLY 50000 usec, " in lines
    assert "  Tunnel protocol/transport GRE/IP" in lines
    assert "    Key 0x7, sequencing disabled" in lines
    assert "  Tunnel TTL 64" in lines
    assert not [line for line in lines if "Tunnel protection" in line]


def test_gre_tunnel_without_a_key_has_the_larger_mtu() -> None:
    config = STATUS.running.interfaces["Tunnel2"]
    assert config.tunnel is not None
    bare = replace(config, tunnel=replace(config.tunnel, key=None, source="Loopback9"))
    running = replace(STATUS.running, interfaces={**STATUS.running.interfaces, "Tunnel2": bare})
    lines = render(ALL, replace(STATUS, running=running), interface="Tunnel2")
    assert "  MTU 17916 bytes, BW 100 Kbit/sec, DLY 50000 usec, " in lines
    assert "    Key disabled, sequencing disabled" in lines
    assert "  Tunnel source UNKNOWN, destination 10.1.77.7" in lines


def test_ethernet() -> None:
    assert render(ALL, STATUS, interface="FastEthernet1/0")[:10] == [
        "FastEthernet1/0 is up, line protocol is up ",
        "  Hardware is Ethernet, address is 0200.5e00.5303 (bia 0200.5e00.5303)",
        "  Description: to provider",
        "  Internet address is 10.1.23.3/24",
        "  MTU 1500 bytes, BW 100000 Kbit/sec, DLY 100 usec, ",
        "     reliability 255/255, txload 1/255, rxload 1/255",
        "  Encapsulation ARPA, loopback not set",
        "  Keepalive not set",
        "  ARP type: ARPA",
        "  Last input 00:00:01, output 00:00:00, output hang never",
    ]


def test_load_is_a_share_of_the_bandwidth() -> None:
    busy = replace(INTERFACES[0], rate_in=50_000_000, rate_out=200_000_000)
    lines = render(ALL, replace(STATUS, interfaces=(busy,)))
    assert "     reliability 255/255, txload 255/255, rxload 127/255" in lines


def test_a_device_that_is_missing_is_named() -> None:
    status = replace(STATUS, interfaces=(interface("eth9", "Ethernet", present=False, protocol_up=False),))
    lines = render(ALL, status)
    assert lines[0] == "eth9 is down, line protocol is down "
    assert "  Linux device eth9 does not exist" in lines


def test_an_unknown_interface_is_said_in_one_line() -> None:
    assert render(ALL, STATUS, interface="Tunnel99") == ["% There is no interface Tunnel99"]
    assert render(IP, STATUS, interface="Tunnel99") == ["% There is no interface Tunnel99"]


def test_description() -> None:
    assert render("show interfaces description", STATUS) == [
        "Interface                      Status         Protocol Description",
        "Fa1/0                          up             up       to provider",
        "Lo0                            up             up",
        "Tu0                            up             up",
        "Tu1                            up             down     to branch",
        "Tu2                            admin down     down",
        "eth0                           up             up",
    ]


def test_ip_interface_brief() -> None:
    assert render("show ip interface brief", STATUS) == [
        "Interface                  IP-Address      OK? Method Status                Protocol",
        "FastEthernet1/0            10.1.23.3       YES manual up                    up      ",
        "Loopback0                  3.3.3.3         YES manual up                    up      ",
        "Tunnel0                    10.1.23.3       YES manual up                    up      ",
        "Tunnel1                    172.16.0.1      YES NVRAM  up                    down    ",
        "Tunnel2                    unassigned      YES unset  administratively down down    ",
        "eth0                       192.0.2.7       YES other  up                    up      ",
    ]


def test_ip_interface_brief_of_one() -> None:
    lines = render("show ip interface brief <interface:interface>", STATUS, interface="Loopback0")
    assert len(lines) == 2
    assert lines[1].startswith("Loopback0 ")


def test_ip_interface() -> None:
    assert render(IP, STATUS, interface="Tunnel0")[:9] == [
        "Tunnel0 is up, line protocol is up",
        "  Interface is unnumbered. Using address of FastEthernet1/0 (10.1.23.3)",
        "  Broadcast address is 255.255.255.255",
        "  Address determined by setup command",
        "  MTU is 1438 bytes",
        "  Helper address is not set",
        "  Directed broadcast forwarding is disabled",
        "  Multicast reserved groups joined: 224.0.0.5",
        "  Outgoing access list is not set",
    ]


def test_ip_interface_names_its_access_lists() -> None:
    lines = render(IP, STATUS, interface="Tunnel1")
    assert "  Outgoing access list is not set" in lines
    assert "  Inbound  access list is 101" in lines
    assert "  Address determined by non-volatile memory" in lines


def test_ip_interface_without_an_address() -> None:
    assert render(IP, STATUS, interface="Tunnel2") == [
        "Tunnel2 is administratively down, line protocol is down",
        "  Internet protocol processing disabled",
    ]


def test_ip_interface_names_secondary_addresses_of_other_networks_too() -> None:
    other, same = IPv4Interface("192.168.7.1/30"), IPv4Interface("10.1.23.4/24")
    port = replace(STATUS.running.interfaces["FastEthernet1/0"], secondary=(other,))
    running = replace(STATUS.running, interfaces={**STATUS.running.interfaces, port.name: port})
    interfaces = (replace(INTERFACES[0], secondary=(same, other)), *INTERFACES[1:])
    lines = render(IP, replace(STATUS, running=running, interfaces=interfaces), interface="FastEthernet1/0")
    assert [line for line in lines if "Secondary" in line] == [
        "  Secondary address 192.168.7.1/30",
        "  Secondary address 10.1.23.4/24",
    ]


def test_ipv6_interface_brief() -> None:
    own = (IPv6Interface("2001:db8:1::1/64"), IPv6Interface("fe80::5eff:fe00:5303/64"))
    interfaces = (replace(INTERFACES[0], ipv6_addresses=own), INTERFACES[4])
    assert render("show ipv6 interface brief [<interface:interface>]", replace(STATUS, interfaces=interfaces)) == [
        "FastEthernet1/0            [up/up]",
        "    FE80::5EFF:FE00:5303",
        "    2001:DB8:1::1",
        "Tunnel2                    [administratively down/down]",
        "    unassigned",
    ]
