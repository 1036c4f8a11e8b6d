"""show interfaces and show ip interface, column by column."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface

from tests.cli.show.example import INTERFACES, STATUS, interface, render
from tests.cli.show.hub import CONFIG_OF_HUB, HUB

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


ACCESS = """Virtual-Access1 is up, line protocol is up 
  Hardware is Virtual Access interface
  Interface is unnumbered. Using address of Loopback0 (3.3.3.3)
  MTU 17867 bytes, BW 100 Kbit/sec, DLY 50000 usec, 
     reliability 255/255, txload 1/255, rxload 1/255
  Encapsulation TUNNEL
  Tunnel vaccess, cloned from Virtual-Template1
  Vaccess status 0x4, loopback not set
  Peer identity spoke1.example.net
  Keepalive not set
  Tunnel linestate evaluation up
  Tunnel source 10.1.23.3 (FastEthernet1/0), destination 10.1.44.4
  Tunnel protocol/transport IPSEC/IP
  Tunnel TTL 255
  Tunnel transport MTU 1422 bytes
  Tunnel protection via IPSec (profile "SPOKES")
  Last input 00:00:03, output never, output hang never"""  # noqa: W291 (IOS ends two of these lines in a space)


def test_access_interface() -> None:
    lines = render("show interfaces virtual-access 1", HUB)
    assert lines[:17] == ACCESS.split("\n")
    assert "     17 packets input, 0 bytes, 0 no buffer" in lines


def test_an_access_interface_without_a_spoke_does_not_exist() -> None:
    assert render("show interfaces virtual-access 2", HUB) == ["% There is no interface Virtual-Access2"]


def test_template_is_up_and_its_line_protocol_never() -> None:
    lines = render("show interfaces virtual-template 1", HUB)
    assert lines[:3] == [
        "Virtual-Template1 is up, line protocol is down ",
        "  Hardware is Virtual Template interface",
        "  Interface is unnumbered. Using address of Loopback0 (3.3.3.3)",
    ]
    assert (
        "  Tunnel linestate evaluation down - a template carries no traffic, its Virtual-Access interfaces do" in lines
    )
    assert "  Tunnel source 10.1.23.3 (FastEthernet1/0)" in lines
    assert not [line for line in lines if "does not exist" in line]


def test_template_that_is_shut_down() -> None:
    template = replace(HUB.interfaces[-1], admin_up=False)
    lines = render("show interfaces virtual-template 1", replace(HUB, interfaces=(*HUB.interfaces[:-1], template)))
    assert lines[0] == "Virtual-Template1 is administratively down, line protocol is down "


def test_shared_gre_tunnel_with_keepalives() -> None:
    lines = render("show interfaces tu4", HUB)
    assert "  Keepalive set (10 sec), retries 3" in lines
    assert "  Tunnel linestate evaluation down - keepalives are not answered" in lines
    start = lines.index("  Tunnel protocol/transport GRE/IP")
    assert lines[start + 1 : start + 7] == [
        "    Key 0x4, sequencing disabled",
        "    Checksumming of packets disabled",
        "  Tunnel TTL 255",
        "  Tunnel transport MTU 1434 bytes",
        '  Tunnel protection via IPSec (profile "GRE")',
        "  Tunnel protection shared with the tunnels of this profile between the same ends",
    ]


def test_tunnel_with_a_policy_names_its_access_list() -> None:
    tunnel0 = HUB.in_force.interfaces["Tunnel0"]
    assert tunnel0.tunnel is not None
    policed = replace(tunnel0, tunnel=replace(tunnel0.tunnel, protection_policy="SITES"))
    config = replace(CONFIG_OF_HUB, interfaces={**CONFIG_OF_HUB.interfaces, "Tunnel0": policed})
    lines = render("show interfaces tu0", replace(HUB, derived=config))
    assert "  Tunnel protection policy is access list SITES" in lines


def test_brief_lists_access_interfaces_and_templates() -> None:
    assert render("show ip interface brief", HUB)[-2:] == [
        "Virtual-Access1            3.3.3.3         YES manual up                    up      ",
        "Virtual-Template1          3.3.3.3         YES manual up                    down    ",
    ]
    bare = replace(HUB.interfaces[-1], unnumbered=None, address_method="unset")
    assert render("show ip interface brief", replace(HUB, interfaces=(bare,)))[1:] == [
        "Virtual-Template1          unassigned      YES unset  up                    down    "
    ]
    assert render("show interfaces description", HUB)[-2:] == [
        "Vi1                            up             up",
        "Vt1                            up             down",
    ]


def test_ip_interface_of_an_access_interface_has_what_its_template_says() -> None:
    lines = render("show ip interface virtual-access 1", HUB)
    assert "  Inbound  access list is 101" in lines
    assert "  MTU is 1422 bytes" in lines


def test_ip_interface_tells_the_domain_of_translation() -> None:
    assert "  Network address translation is enabled, interface in domain outside" in render(
        "show ip interface fa1/0", HUB
    )
    assert "  Network address translation is disabled" in render("show ip interface lo0", HUB)
