"""Headers and labels that we print are those of real outputs, to the column.

Reads the corpus of public outputs beside the repository, and is skipped where that is missing.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from tests.cli.show.example import STATUS, render
from tests.cli.show.hub import HUB
from tests.cli.show.test_ikev2 import SA as IKEV2_SA
from tests.cli.show.test_ikev2 import TUNNEL as IKEV2_TUNNEL
from tests.cli.show.test_ikev2 import status as ikev2_status

from seikan.cli.running import derived_config_interface

CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpus" / "show"
NTC, GENIE = "networktocode+ntc-templates", "CiscoTestAutomation+genieparser"

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus of real outputs at {CORPUS}")

# Of each command: the files that hold it, and lines or parts of lines that both sides must have.
AGREEMENTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "show crypto isakmp sa": (
        (f"{GENIE}/iosxe__ShowCryptoIsakmpSa__*output.txt",),
        (
            "IPv4 Crypto ISAKMP SA",
            "dst             src             state          conn-id status",
            "QM_IDLE          ",
            "MM_NO_STATE ",
            " ACTIVE (deleted)",
            "IPv6 Crypto ISAKMP SA",
        ),
    ),
    "show crypto isakmp sa detail": (
        (f"{GENIE}/iosxe__ShowCryptoIsakmpSaDetail__*output.txt",),
        ("       Engine-id:Conn-id =  SW:", " ACTIVE aes  sha    psk  1"),
    ),
    "show crypto isakmp sa count": (
        (f"{GENIE}/iosxe__ShowCryptoIsakmpSaCount__*output.txt",),
        ("Active ISAKMP SA's: ", "Currently being negotiated ISAKMP SA's: ", "Dead ISAKMP SA's: "),
    ),
    "show crypto ipsec sa": (
        (f"{GENIE}/iosxe__ShowCryptoIpsecSaInterface__*output.txt", f"{NTC}/show_crypto_ipsec_sa_detail__*.raw"),
        (
            "interface: Tunnel1",
            "    Crypto map tag: Tunnel1-head-0, local addr ",
            "   protected vrf: (none)",
            "   local  ident (addr/mask/prot/port): (",
            "   remote ident (addr/mask/prot/port): (",
            "   current_peer ",
            " port 500",
            "     PERMIT, flags={origin_is_acl,}",
            "    #pkts encaps: ",
            ", #pkts encrypt: ",
            ", #pkts digest: ",
            "    #pkts decaps: ",
            "    #pkts compressed: 0, #pkts decompressed: 0",
            "    #pkts not compressed: 0, #pkts compr. failed: 0",
            "    #pkts not decompressed: 0, #pkts decompress failed: 0",
            "    #send errors ",
            ", #recv errors ",
            "     local crypto endpt.: ",
            ", remote crypto endpt.: ",
            "     plaintext mtu 14",
            ", path mtu 1500, ip mtu 1500, ip mtu idb ",
            "     current outbound spi: 0x",
            "     PFS (Y/N): N, DH group: none",
            "     inbound esp sas:",
            "      spi: 0x",
            "        in use settings ={T",
            "        conn id: ",
            ", flow_id: ",
            ", sibling_flags ",
            ", crypto map: Tunnel",
            "        sa timing: remaining key lifetime (k/sec): (",
            "        IV size: 16 bytes",
            "        replay detection support: Y",
            "        Status: ACTIVE(ACTIVE)",
            "     inbound ah sas:",
            "     inbound pcp sas:",
            "     outbound esp sas:",
            "     outbound ah sas:",
            "     outbound pcp sas:",
        ),
    ),
    "show crypto ipsec sa detail": (
        (f"{NTC}/show_crypto_ipsec_sa_detail__*.raw",),
        (
            "    #pkts no sa (send) ",
            ", #pkts invalid sa (rcv) 0",
            "    #pkts encaps failed (send) 0, #pkts decaps failed (rcv) 0",
            "    #pkts invalid prot (recv) 0, #pkts verify failed: 0",
            "    #pkts invalid identity (recv) 0, #pkts invalid len (rcv) 0",
            "    #pkts replay rollover (send): 0, #pkts replay rollover (rcv) 0",
            "    ##pkts replay failed (rcv): ",
            "    #pkts tagged (send): 0, #pkts untagged (rcv): 0",
            "    #pkts not tagged (send): 0, #pkts not untagged (rcv): 0",
            "    #pkts internal err (send): 0, #pkts internal err (recv) 0",
            "        replay detection support: Y  replay window size: ",
        ),
    ),
    "show crypto ipsec profile [<name:word>]": (
        (f"{GENIE}/iosxe__ShowCryptoIpsecProfile__*output.txt",),
        (
            "IPSEC profile default",
            "        Security association lifetime: 4608000 kilobytes/3600 seconds",
            "        Responder-Only (Y/N): N",
            "        PFS (Y/N): N",
            "        Mixed-mode : Disabled",
            "        Transform sets={ ",
            "                default:  { esp-aes esp-sha-hmac  } , ",
            "        }",
        ),
    ),
    "show crypto session": (
        (f"{GENIE}/*ShowCryptoSession__*output.txt",),
        (
            "Crypto session current status",
            "Interface: Tunnel0",
            "Session status: UP-ACTIVE     ",
            " port 500 ",
            "  Session ID: 0  ",
            "  IKEv1 SA: local 1",
            "/500 Active ",
            "  IPSEC FLOW: permit ",
            "        Active SAs: 2, origin: crypto map",
        ),
    ),
    "show crypto session detail": (
        (f"{GENIE}/*ShowCryptoSession*Detail__*output.txt", f"{NTC}/show_crypto_session_detail__*.raw"),
        (
            "Code: C - IKE Configuration mode, D - Dead Peer Detection     ",
            "K - Keepalives, N - NAT-traversal, T - cTCP encapsulation     ",
            "X - IKE Extended Authentication, F - IKE Fragmentation",
            "R - IKE Auto Reconnect, U - IKE Dynamic Route Update",
            "S - SIP VPN",
            "Uptime: ",
            "Session status: DOWN-NEGOTIATING",
            " port 500 fvrf: (none) ivrf: (none)",
            "      Phase1_id: ",
            "      Desc: (none)",
            "  IKEv1 SA: local 1",
            "          Capabilities:D connid:",
            "          Capabilities:(none) connid:",
            " lifetime:",
            "        Inbound:  #pkts dec'ed ",
            " drop 0 life (KB/Sec) ",
            "        Outbound: #pkts enc'ed ",
        ),
    ),
    "show interfaces [<interface:interface>]": (
        (f"{GENIE}/*ShowInterfaces__*output.txt", f"{NTC}/show_interfaces__*.raw"),
        (
            "Tunnel0 is up, line protocol is up ",
            "  Hardware is Tunnel",
            "  Interface is unnumbered. Using address of ",
            " bytes, BW 100 Kbit/sec, DLY 50000 usec, ",
            "     reliability 255/255, txload 1/255, rxload 1/255",
            "  Encapsulation TUNNEL, loopback not set",
            "  Keepalive not set",
            "  Tunnel linestate evaluation up",
            "  Tunnel linestate evaluation down - no ",
            "  Tunnel source 1",
            ", destination 1",
            "  Tunnel protocol/transport GRE/IP",
            ", sequencing disabled",
            "    Checksumming of packets disabled",
            "  Tunnel TTL ",
            "  Tunnel transport MTU 14",
            "  Last input 0",
            '  Last clearing of "show interface" counters ',
            " (size/max/drops/flushes); Total output drops: 0",
            "  Queueing strategy: fifo",
            "  Output queue: 0/0 (size/max)",
            "  5 minute input rate 0 bits/sec, 0 packets/sec",
            "  5 minute output rate 0 bits/sec, 0 packets/sec",
            " packets input, ",
            " bytes, 0 no buffer",
            " IP multicasts)",
            "     0 runts, 0 giants, 0 throttles",
            "     0 input errors, 0 CRC, 0 frame, 0 overrun, 0 ignored, 0 abort",
            " bytes, 0 underruns",
            "     0 output errors, 0 collisions, 0 interface resets",
            "     0 unknown protocol drops",
            "     0 output buffer failures, 0 output buffers swapped out",
            "  Encapsulation LOOPBACK, loopback not set",
            "  Encapsulation ARPA, loopback not set",
        ),
    ),
    "show interfaces description": (
        (f"{NTC}/show_interfaces_description__*.raw",),
        (
            "Interface                      Status         Protocol Description",
            "                     admin down     down",
        ),
    ),
    "show ip interface brief": (
        (f"{NTC}/show_ip_interface_brief__*.raw",),
        (
            "Interface                  IP-Address      OK? Method Status                Protocol",
            "      unassigned      YES ",
            " YES NVRAM  up                    ",
            "administratively down down",
        ),
    ),
    "show ip interface [<interface:interface>]": (
        (f"{NTC}/show_ip_interface__*.raw",),
        (
            "  Internet address is ",
            "  Broadcast address is 255.255.255.255",
            "  Address determined by setup command",
            "  Address determined by non-volatile memory",
            "  MTU is 1500 bytes",
            "  Helper address is not set",
            "  Directed broadcast forwarding is disabled",
            "  Outgoing access list is not set",
            "  Inbound  access list is ",
            "  Proxy ARP is disabled",
            "  Security level is default",
            "  Internet protocol processing disabled",
        ),
    ),
    "show ip route": (
        (f"{NTC}/show_ip_route__*.raw", f"{GENIE}/ios*__ShowIpRoute__*output.txt"),
        (
            "Codes: L - local, C - connected, S - static, R - RIP, M - mobile, B - BGP",
            "       D - EIGRP, EX - EIGRP external, O - OSPF, IA - OSPF inter area ",
            "       N1 - OSPF NSSA external type 1, N2 - OSPF NSSA external type 2",
            "       E1 - OSPF external type 1, E2 - OSPF external type 2",
            "       i - IS-IS, su - IS-IS summary, L1 - IS-IS level-1, L2 - IS-IS level-2",
            "       ia - IS-IS inter area, * - candidate default, U - per-user static route",
            "       o - ODR, P - periodic downloaded static route, H - NHRP, l - LISP",
            "       + - replicated route, % - next hop override",
            " to network 0.0.0.0",
            "      10.0.0.0/8 is variably subnetted, ",
            " is subnetted, 1 subnets",
            "S*    0.0.0.0/0 [1/0] via ",
            " is directly connected, Loopback0",
            "C        10.",
            "L        10.",
        ),
    ),
    "show ip route summary": (
        (f"{NTC}/show_ip_route_summary__*.raw",),
        (
            "IP routing table name is default (0x0)",
            "IP routing table maximum-paths is 32",
            "Route Source    Networks    Subnets     Replicates  Overhead    Memory (bytes)",
            "connected       0           ",
            "  Intra-area: ",
            "  NSSA External-1: 0 NSSA External-2: 0",
        ),
    ),
    "show ip protocols": (
        (f"{GENIE}/iosxe__ShowIpProtocols__*output.txt",),
        (
            "*** IP Routing is NSF aware ***",
            'Routing Protocol is "ospf 1"',
            "  Outgoing update filter list for all interfaces is not set",
            "  Router ID ",
            "  Number of areas in this router is ",
            "  Maximum path: 4",
            "  Routing for Networks:",
            "  Routing on Interfaces Configured Explicitly (Area ",
            "  Passive Interface(s):",
            "  Routing Information Sources:",
            "    Gateway         Distance      Last Update",
            "        110      ",
            "  Distance: (default is 110)",
        ),
    ),
    "show ip ospf neighbor": (
        (f"{NTC}/show_ip_ospf_neighbor__*.raw",),
        (
            "Neighbor ID     Pri   State           Dead Time   Address         Interface",
            "   0   FULL/  -        00:00:3",
        ),
    ),
    "show ip ospf neighbor detail": (
        (f"{NTC}/show_ip_ospf_neighbor_detail__*.raw",),
        (
            ", interface address 1",
            "    In the area 0 via interface ",
            ", State is FULL, 6 state changes",
            "    DR is ",
            "    Options is 0x",
            "    Dead timer due in 00:00:3",
            "    Neighbor is up for ",
            ", retransmission queue length 0, number of retransmission ",
        ),
    ),
    "show ip ospf interface": (
        (f"{GENIE}/iosxe__ShowIpOspfInterface2__*output.txt",),
        (
            "  Internet Address ",
            "  Interface is unnumbered, ",
            "  Using address of ",
            "  Process ID ",
            ", Network Type POINT_TO_POINT, Cost: ",
            ", Network Type LOOPBACK, Cost: 1",
            "  Loopback interface is treated as a stub Host",
            "  Transmit Delay is 1 sec, State POINT_TO_POINT",
            "  Timer intervals configured, Hello 10, Dead 40, Wait 40, Retransmit 5",
            "    Hello due in 00:00:0",
            "  Neighbor Count is 1, Adjacent neighbor count is 1",
            "    Adjacent with neighbor ",
            "  Suppress hello for 0 neighbor(s)",
        ),
    ),
    "show ip ospf interface brief": (
        (f"{GENIE}/iosxe__ShowIpOspfInterfaceBrief__*output.txt", f"{NTC}/show_ip_ospf_interface_brief__*.raw"),
        ("Interface    PID   Area            IP Address/Mask    Cost  State Nbrs F/C", " 1     LOOP  0/0"),
    ),
    "show ip ospf database": (
        (f"{GENIE}/ios__ShowIpOspfDatabase__*output.txt", f"{NTC}/show_ip_ospf_database*.raw"),
        (
            "            OSPF Router with ID (",
            ") (Process ID 1)",
            "Router Link States (Area 0)",
            "Link ID         ADV Router      Age         Seq#       Checksum Link count",
            "Net Link States (Area 0)",
            "Link ID         ADV Router      Age         Seq#       Checksum",
            "\t\tType-5 AS External Link States",
            "Link ID         ADV Router      Age         Seq#       Checksum Tag",
        ),
    ),
    "show ip ospf database router": (
        (f"{NTC}/show_ip_ospf_database_router__*.raw",),
        (
            "  LS age: ",
            "  Options: (No TOS-capability, DC)",
            "  LS Type: Router Links",
            "  LS Seq Number: 80000",
            "  Number of Links: ",
            "    Link connected to: another Router (point-to-point)",
            "     (Link ID) Neighboring Router ID: ",
            "     (Link Data) Router Interface address: ",
            "      Number of MTID metrics: 0",
            "       TOS 0 Metrics: 1",
            "    Link connected to: a Stub Network",
            "     (Link ID) Network/subnet number: ",
            "     (Link Data) Network Mask: ",
        ),
    ),
    "show ip ospf database network": (
        (f"{NTC}/show_ip_ospf_database_network__*.raw",),
        ("  LS Type: Network Links", " (address of Designated Router)", "  Network Mask: /", "Attached Router: "),
    ),
    "show ip ospf database summary": (
        (f"{GENIE}/iosxe__ShowIpOspfDatabaseSummary__*output.txt",),
        ("  LS Type: Summary Links(Network)", " (summary Network Number)", "MTID: 0 ", "Metric: "),
    ),
    "show ip ospf database external": (
        (f"{GENIE}/iosxe__ShowIpOspfDatabaseExternal__*output.txt",),
        (
            "  LS Type: AS External Link",
            " (External Network Number )",
            "Metric Type: 2 (Larger than any link state path)",
            "Forward Address: 0.0.0.0",
            "External Route Tag: 0",
        ),
    ),
    "show version": (
        (f"{NTC}/show_version__*.raw",),
        ("Cisco IOS Software, ", " uptime is ", 'System image file is "', " bytes of memory.", "Processor board ID "),
    ),
    "show clock": ((f"{NTC}/show_clock__*.raw",), ("*1", " UTC ")),
    "show logging": (
        (f"{NTC}/show_logging__*.raw",),
        (
            "Syslog logging: enabled (0 messages dropped, ",
            " 0 flushes, 0 overruns, xml disabled, filtering disabled)",
            "No Active Message Discriminator.",
            "No Inactive Message Discriminator.",
            "    Console logging: level debugging, ",
            "    Monitor logging: level debugging, ",
            "    Buffer logging:  level debugging, ",
            " messages logged, xml disabled,",
            "    Persistent logging: disabled",
            "No active filter modules.",
            "    Trap logging: level informational, ",
            " bytes):",
        ),
    ),
    "show access-lists [<name:word>]": (
        (f"{NTC}/show_ip_access-lists__*.raw", f"{NTC}/show_access-list__*.raw"),
        (
            "Standard IP access list 10",
            "Extended IP access list 101",
            "    20 deny   ",
            ", wildcard bits 0.0.0.255",
            "    40 deny   any log",
            "    10 permit tcp any host 10.1.1.1 eq www",
        ),
    ),
}


# The same of the hub, whose commands are as typed.
AGREEMENTS_OF_HUB: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "show crypto isakmp sa active": (
        (f"{GENIE}/iosxe__ShowCryptoIsakmpSaStatus__*output.txt",),
        ("IPv4 Crypto ISAKMP SA", "dst             src             state          conn-id slot status", "    0 ACTIVE"),
    ),
    "show crypto ipsec sa map VPN": (
        (f"{GENIE}/iosxe__ShowCryptoIpsecSa__*output.txt",),
        (
            ", local addr 1",
            ".0/0/0)",
            ", crypto map: ",
            "current outbound spi: 0x0(0)",
            "PFS (Y/N): N, DH group: none",
        ),
    ),
    "show crypto session": (
        (f"{GENIE}/*ShowCryptoSession__*output*.txt",),
        (
            "Interface: Virtual-Access",
            "Profile: ",
            "  IPSEC FLOW: permit 47 host 1",
            "  IPSEC FLOW: permit ip 0.0.0.0/0.0.0.0 ",
            "        Active SAs: 2, origin: crypto map",
        ),
    ),
    "show crypto session detail": (
        (f"{GENIE}/*ShowCryptoSession*Detail__*output.txt",),
        (
            "Interface: Virtual-Access1",
            "Profile: ",
            " fvrf: (none) ivrf: ",
            "          Capabilities:DN connid:",
        ),
    ),
    "show crypto map": (
        (f"{GENIE}/iosxe__ShowCryptoMap__*output.txt",),
        (
            'Crypto Map IPv4 "',
            " ipsec-isakmp",
            "WARNING: This crypto map is in an incomplete state!",
            "(missing peer or access-list definitions)",
            "Peer = 1",
            "Access-List SS dynamic: False",
            "No matching address list set.",
            "Extended IP access list ",
            "Security association lifetime: 4608000 kilobytes/3600 seconds",
            "Responder-Only (Y/N): N",
            "PFS (Y/N): N",
            "Mixed-mode : Disabled",
            "Transform sets={",
            "Interfaces using crypto map V",
        ),
    ),
    "show crypto call admission statistics": (
        (f"{GENIE}/iosxe__ShowCryptoCallAdmissionStatistics__*output.txt",),
        (
            "-" * 69,
            "               Crypto Call Admission Control Statistics",
            "System Resource Limit:        0 Max IKE SAs:   ",
            " Max in nego:  ",
            "Total IKE SA Count:           ",
            " active:          ",
            " negotiating:     ",
            "Incoming IKE Requests:       ",
            "Outgoing IKE Requests:        ",
            " accepted:       ",
            " rejected:       ",
            "Rejected IKE Requests:       ",
            " rsrc low:        0 Active SA limit: ",
            "                                                   In-neg SA limit: ",
            "IKE packets dropped at dispatch:        ",
            "Max IPSEC SAs:     0",
            "Total IPSEC SA Count:           ",
            "Incoming IPSEC Requests:        ",
            "Outgoing IPSEC Requests:        ",
            "SA Strength Enforcement Rejects:  incoming:        0 outgoing:        0",
            "Phase1.5 SAs under negotiation:         0",
        ),
    ),
    "show access-lists": (
        (f"{NTC}/show_ip_access-lists__*.raw", f"{NTC}/show_access-list__*.raw"),
        (" matches)", "Extended IP access list "),
    ),
}


@cache
def real(patterns: tuple[str, ...]) -> str:
    files = [path for pattern in patterns for path in sorted(CORPUS.glob(pattern))]
    assert files, f"the corpus has no {patterns}"
    return "\n".join(path.read_text(errors="replace").replace("\r\n", "\n") for path in files)


@pytest.mark.parametrize("command", AGREEMENTS)
def test_labels_are_those_of_real_outputs(command: str) -> None:
    patterns, labels = AGREEMENTS[command]
    ours, theirs = "\n".join(render(command, STATUS)), real(patterns)
    assert [label for label in labels if label not in ours] == []
    assert [label for label in labels if label not in theirs] == []


@pytest.mark.parametrize("command", AGREEMENTS_OF_HUB)
def test_labels_of_the_hub_are_those_of_real_outputs(command: str) -> None:
    patterns, labels = AGREEMENTS_OF_HUB[command]
    ours, theirs = "\n".join(render(command, HUB)), real(patterns)
    assert [label for label in labels if label not in ours] == []
    assert [label for label in labels if label not in theirs] == []


def test_a_derived_configuration_has_the_frame_of_real_ones() -> None:
    ours = "\n".join(derived_config_interface(HUB, {"interface": "Virtual-Access1"}))
    theirs = real((f"{GENIE}/iosxe__ShowDerivedConfigInterface__*output.txt",))
    for label in ("Building configuration...\n\nDerived configuration : ", " bytes\n!\ninterface ", "\nend"):
        assert label in ours
        assert label in theirs


IKEV2_AGREEMENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "show crypto ikev2 sa detailed": (
        "ShowCryptoIkev2Sa*",
        (
            "Tunnel-id Local                 Remote                fvrf/ivrf            Status ",
            "      Encr: AES-CBC, keysize: 256, PRF: SHA512, Hash: SHA512, DH Grp:21, Auth sign: PSK, Auth verify: ",
            "      PQC Key Exchange: ML-KEM-1024",
            "      Life/Active Time: 86400/219 sec",
            "      CE id: 0, Session-id: 3",
            "      Local spi: 4CF87E32B25302C0       Remote spi: 96254131FD306002",
            "      Status Description: Negotiation done",
            "      Local next msg id: ",
            "Remote next msg id: 3",
            "      Local window:      5              Remote window:      5",
            "      DPD configured for ",
            " seconds, retry ",
            "      Quantum-safe Encryption using PQC: ML-KEM-1024",
            "      Extended Authentication not configured.",
            "      Cisco Trust Security SGT is disabled",
            "      Initiator of SA : No",
        ),
    ),
    "show crypto ikev2 session": (
        "ShowCryptoIkev2Session__*",
        (
            "IPv4 Crypto IKEv2 Session ",
            "Session-id:3, Status:UP-ACTIVE, IKE count:1, CHILD count:1",
            "ESP spi in/out: 0x",
        ),
    ),
    "show crypto ikev2 proposal HYBRID": (
        "ShowCryptoIkev2Proposal__*",
        (
            " IKEv2 proposal: ",
            "     Encryption : AES-",
            "     Integrity  : SHA",
            "     PRF        : SHA",
            "DH_GROUP_2048_MODP/Group 14",
        ),
    ),
    "show crypto ikev2 stats": (
        "ShowCryptoIkev2Stats__*",
        (
            "                          Crypto IKEv2 SA Statistics",
            "Total incoming IKEv2 SA Count:    ",
            "        active:        ",
        ),
    ),
    "show crypto ikev2 diagnose error": (
        "ShowCryptoIkev2DiagnoseError__*",
        ("Exit Path Table - status: enable, current entry ",),
    ),
    "show crypto session detail": (
        "ShowCryptoSessionDetail__*",
        ("  IKEv2 SA: local ", "/500 Active", "Profile: ", "          Capabilities:", " connid:", " lifetime:23:"),
    ),
}


@pytest.mark.parametrize("command", IKEV2_AGREEMENTS)
def test_labels_of_ikev2_are_those_of_real_outputs(command: str) -> None:
    pattern, labels = IKEV2_AGREEMENTS[command]
    of = ikev2_status(IKEV2_SA, tunnels=(IKEV2_TUNNEL,))
    ours, theirs = "\n".join(render(command, of)), real((f"{GENIE}/iosxe__{pattern}output.txt",))
    assert [label for label in labels if label not in ours] == []
    assert [label for label in labels if label not in theirs] == []
