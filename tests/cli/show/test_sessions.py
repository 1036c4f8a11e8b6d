"""The hub's sessions and SAs, line by line and without trailing blanks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.cli.show.example import render, trimmed
from tests.cli.show.hub import (
    ACCESS_TUNNEL,
    GRE_TUNNELS,
    HUB,
    SITE_FLOWS,
    SITE_SA,
    SITE_TUNNEL,
    SPOKE,
    SPOKE_SA,
    STANDBY,
    WAN,
    of,
)

from seikan.wire.selector import ANY_IPV6

ACCESS_SESSION = """Interface: Virtual-Access1
Profile: DVTI
Uptime: 00:00:59
Session status: UP-ACTIVE
Peer: 10.1.44.4 port 4500 fvrf: (none) ivrf: (none)
      Phase1_id: spoke1.example.net
      Desc: (none)
  Session ID: 0
  IKEv1 SA: local 10.1.23.3/4500 remote 10.1.44.4/4500 Active
          Capabilities:DN connid:1003 lifetime:23:59:01
  IPSEC FLOW: permit ip 0.0.0.0/0.0.0.0 0.0.0.0/0.0.0.0
        Active SAs: 2, origin: crypto map
        Inbound:  #pkts dec'ed 17 drop 0 life (KB/Sec) 4607999/3540
        Outbound: #pkts enc'ed 20 drop 0 life (KB/Sec) 4607998/3540
"""

SHARED_SESSION = """Interface: Tunnel3 Tunnel4
Session status: UP-ACTIVE
Peer: 10.1.77.7 port 500
  Session ID: 0
  IKEv1 SA: local 10.1.23.3/500 remote 10.1.77.7/500 Inactive
  IPSEC FLOW: permit 47 host 10.1.23.3 host 10.1.77.7
        Active SAs: 2, origin: crypto map
"""

MAP_SESSION = """Interface: FastEthernet1/0
Uptime: 00:00:59
Session status: UP-ACTIVE
Peer: 10.1.56.6 port 500 fvrf: (none) ivrf: (none)
      Phase1_id: 10.1.56.6
      Desc: (none)
  Session ID: 0
  IKEv1 SA: local 10.1.23.3/500 remote 10.1.56.6/500 Active
          Capabilities:D connid:1004 lifetime:23:59:01
  IPSEC FLOW: permit ip 10.3.0.0/255.255.0.0 10.5.0.0/255.255.0.0
        Active SAs: 2, origin: crypto map
        Inbound:  #pkts dec'ed 4 drop 0 life (KB/Sec) 4607999/3540
        Outbound: #pkts enc'ed 5 drop 0 life (KB/Sec) 4607998/3540
  IPSEC FLOW: permit ip 10.3.0.0/255.255.0.0 host 10.5.9.1
        Active SAs: 0, origin: crypto map
        Inbound:  #pkts dec'ed 0 drop 0 life (KB/Sec) 0/0
        Outbound: #pkts enc'ed 0 drop 1 life (KB/Sec) 0/0
Crypto drop: no-sa 1
Crypto drop: not-ipsec 3 (came in clear to FastEthernet1/0, all its peers)
"""

ROAMER_SESSION = """Interface: FastEthernet1/0
Profile: DVTI
Session status: UP-ACTIVE
Peer: 10.1.66.6 port 4500
  Session ID: 0
  IKEv1 SA: local 10.1.23.3/4500 remote 10.1.66.6/4500 Inactive
  IPSEC FLOW: permit 6 10.3.0.0/255.255.0.0 10.6.0.0/255.255.255.0 port 443
        Active SAs: 2, origin: dynamic crypto map
"""

MAP_SAS = """
interface: FastEthernet1/0
    Crypto map tag: VPN, local addr 10.1.23.3

   protected vrf: (none)
   local  ident (addr/mask/prot/port): (10.3.0.0/255.255.0.0/0/0)
   remote ident (addr/mask/prot/port): (10.5.0.0/255.255.0.0/0/0)
   current_peer 10.1.56.6 port 500
     PERMIT, flags={origin_is_acl,}
    #pkts encaps: 5, #pkts encrypt: 5, #pkts digest: 5
    #pkts decaps: 4, #pkts decrypt: 4, #pkts verify: 4
    #pkts compressed: 0, #pkts decompressed: 0
    #pkts not compressed: 0, #pkts compr. failed: 0
    #pkts not decompressed: 0, #pkts decompress failed: 0
    #send errors 0, #recv errors 0

     local crypto endpt.: 10.1.23.3, remote crypto endpt.: 10.1.56.6
     plaintext mtu 1438, path mtu 1500, ip mtu 1500, ip mtu idb FastEthernet1/0
     current outbound spi: 0x50000002(1342177282)
     PFS (Y/N): Y, DH group: group14

     inbound esp sas:
      spi: 0x50000001(1342177281)
        transform: esp-aes esp-sha-hmac ,
        in use settings ={Tunnel, }
        conn id: 11, flow_id: SW:11, sibling_flags 80000040, crypto map: VPN
        sa timing: remaining key lifetime (k/sec): (4607999/3540)
        IV size: 16 bytes
        replay detection support: Y
        Status: ACTIVE(ACTIVE)

     inbound ah sas:

     inbound pcp sas:

     outbound esp sas:
      spi: 0x50000002(1342177282)
        transform: esp-aes esp-sha-hmac ,
        in use settings ={Tunnel, }
        conn id: 12, flow_id: SW:12, sibling_flags 80000040, crypto map: VPN
        sa timing: remaining key lifetime (k/sec): (4607998/3540)
        IV size: 16 bytes
        replay detection support: Y
        Status: ACTIVE(ACTIVE)

     outbound ah sas:

     outbound pcp sas:

   protected vrf: (none)
   local  ident (addr/mask/prot/port): (10.3.0.0/255.255.0.0/0/0)
   remote ident (addr/mask/prot/port): (10.5.9.1/255.255.255.255/0/0)
   current_peer 10.1.56.6 port 500
     PERMIT, flags={origin_is_acl,}
    #pkts encaps: 0, #pkts encrypt: 0, #pkts digest: 0
    #pkts decaps: 0, #pkts decrypt: 0, #pkts verify: 0
    #pkts compressed: 0, #pkts decompressed: 0
    #pkts not compressed: 0, #pkts compr. failed: 0
    #pkts not decompressed: 0, #pkts decompress failed: 0
    #send errors 1, #recv errors 0

     local crypto endpt.: 10.1.23.3, remote crypto endpt.: 10.1.56.6
     plaintext mtu 1438, path mtu 1500, ip mtu 1500, ip mtu idb FastEthernet1/0
     current outbound spi: 0x0(0)
     PFS (Y/N): N, DH group: none

     inbound esp sas:

     inbound ah sas:

     inbound pcp sas:

     outbound esp sas:

     outbound ah sas:

     outbound pcp sas:"""

IDENTITY = """     PERMIT, flags={origin_is_acl,}
    #pkts encaps: 5, #pkts encrypt: 5, #pkts digest: 5
    #pkts decaps: 4, #pkts decrypt: 4, #pkts verify: 4
    #pkts compressed: 0, #pkts decompressed: 0
    #pkts not compressed: 0, #pkts compr. failed: 0
    #pkts not decompressed: 0, #pkts decompress failed: 0
    #send errors 0, #recv errors 0


   protected vrf: (none)
   local  ident (addr/mask/prot/port): (10.3.0.0/255.255.0.0/0/0)
   remote ident (addr/mask/prot/port): (10.5.9.1/255.255.255.255/0/0)
   current_peer 10.1.56.6 port 500
     PERMIT, flags={origin_is_acl,}
    #pkts encaps: 0, #pkts encrypt: 0, #pkts digest: 0
    #pkts decaps: 0, #pkts decrypt: 0, #pkts verify: 0
    #pkts compressed: 0, #pkts decompressed: 0
    #pkts not compressed: 0, #pkts compr. failed: 0
    #pkts not decompressed: 0, #pkts decompress failed: 0
    #send errors 1, #recv errors 0


   protected vrf: (none)
   local  ident (addr/mask/prot/port): (10.3.0.0/255.255.0.0/6/0)
   remote ident (addr/mask/prot/port): (10.6.0.0/255.255.255.0/6/443)
   current_peer 10.1.66.6 port 4500
     PERMIT, flags={}
    #pkts encaps: 0, #pkts encrypt: 0, #pkts digest: 0
    #pkts decaps: 0, #pkts decrypt: 0, #pkts verify: 0
    #pkts compressed: 0, #pkts decompressed: 0
    #pkts not compressed: 0, #pkts compr. failed: 0
    #pkts not decompressed: 0, #pkts decompress failed: 0
    #send errors 0, #recv errors 0
"""

ADDRESS = """
fvrf/address: (none)/10.1.12.1
   protocol: ESP
      spi: 0x397C36EE(964441838)
        transform: esp-aes esp-sha-hmac ,
        in use settings ={Tunnel, }
        conn id: 2, flow_id: SW:2, sibling_flags 80000040, crypto map: Tunnel0-head-0
        sa timing: remaining key lifetime (k/sec): (4607998/3540)
        IV size: 16 bytes
        replay detection support: Y
        Status: ACTIVE(ACTIVE)

fvrf/address: (none)/10.1.23.3
   protocol: ESP
      spi: 0x30000001(805306369)
        transform: esp-aes esp-sha-hmac ,
        in use settings ={Tunnel UDP-Encaps, }
        conn id: 7, flow_id: SW:7, sibling_flags 80000040, crypto map: Virtual-Access1-head-0
        sa timing: remaining key lifetime (k/sec): (4607999/3540)
        IV size: 16 bytes
        replay detection support: Y"""


# Sessions


@pytest.mark.parametrize(
    ("line", "head", "expected"),
    [
        ("show crypto session interface virtual-access 1 detail", 8, ACCESS_SESSION),
        ("show crypto session remote 10.1.77.7", 2, SHARED_SESSION),
        ("show crypto session remote 10.1.56.6 detail", 8, MAP_SESSION),
        ("show crypto session remote 10.1.66.6 port 4500", 2, ROAMER_SESSION),
    ],
)
def test_session(line: str, head: int, expected: str) -> None:
    assert trimmed(render(line, HUB))[head:] == expected.split("\n")


def interfaces(lines: list[str]) -> list[str]:
    return [line.removeprefix("Interface: ") for line in lines if line.startswith("Interface: ")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ["Tunnel0", "Virtual-Access1", "Tunnel3 Tunnel4", WAN, WAN]),
        (f"interface {WAN} detail", [WAN, WAN]),
        ("interface tu4", ["Tunnel4"]),
        ("isakmp profile DVTI", ["Virtual-Access1", WAN]),
        ("local 10.1.23.3 remote 10.1.44.4 detail", ["Virtual-Access1"]),
        ("local 10.1.23.4", []),
        ("remote 10.1.44.4 port 500", []),
        ("username alice", []),
        ("isakmp group BRANCHES detail", []),
    ],
)
def test_session_filters(words: str, expected: list[str]) -> None:
    assert interfaces(render(f"show crypto session {words}".strip(), HUB)) == expected


def test_session_brief_has_a_line_for_each_peer() -> None:
    assert render("show crypto session brief", HUB)[3:] == [
        "Peer            I/F          Username        Group/Phase1_id          Uptime   Status",
        "10.1.12.1       Tu0                          10.1.12.1                00:00:59 UA",
        "10.1.44.4       Vi1                          spoke1.example.net       00:00:59 UA",
        "10.1.77.7       Tu3,Tu4                      10.1.77.7                00:00:59 UA",
        "10.1.56.6       Fa1/0                        10.1.56.6                00:00:59 UA",
        "10.1.66.6       Fa1/0                        roamer.example.org       00:00:59 UA",
    ]
    assert render("show crypto session isakmp profile DVTI brief", HUB)[4:] == [
        "10.1.44.4       Vi1                          spoke1.example.net       00:00:59 UA",
        "10.1.66.6       Fa1/0                        roamer.example.org       00:00:59 UA",
    ]


def test_there_are_no_groups() -> None:
    assert render("show crypto session groups", HUB) == ["Group: Connections"]


def test_entries_of_a_map_to_one_peer_are_one_session_with_the_best_state() -> None:
    idle = replace(
        SITE_TUNNEL,
        session="DOWN",
        map_sequence=20,
        flows=SITE_FLOWS[1:],
        uptime=None,
        protocol_up=False,
        identity=None,
    )
    lines = trimmed(render("show crypto session detail", of(idle, replace(SITE_TUNNEL, flows=SITE_FLOWS[:1]))))
    assert interfaces(lines) == [WAN]
    assert "Session status: UP-ACTIVE" in lines
    assert "Uptime: 00:00:59" in lines
    assert "      Phase1_id: 10.1.56.6" in lines
    assert [line for line in lines if "FLOW" in line] == [
        "  IPSEC FLOW: permit ip 10.3.0.0/255.255.0.0 host 10.5.9.1",
        "  IPSEC FLOW: permit ip 10.3.0.0/255.255.0.0 10.5.0.0/255.255.0.0",
    ]


def test_two_spokes_behind_one_nat_have_each_their_own_phase_1() -> None:
    other = replace(ACCESS_TUNNEL, interface="Virtual-Access2", remote_port=61000, identity=None)
    other_sa = replace(SPOKE_SA, conn_id=1009, tunnel="Virtual-Access2", remote_port=61000, peer_identity="spoke2")
    status = of(ACCESS_TUNNEL, other, sas=(SPOKE_SA, other_sa))
    lines = trimmed(render("show crypto session remote 10.1.44.4 detail", status))
    assert interfaces(lines) == ["Virtual-Access1", "Virtual-Access2"]
    assert [line.split()[1] for line in lines if "connid:" in line] == ["connid:1003", "connid:1009"]
    assert [line for line in lines if "Phase1_id" in line] == [
        "      Phase1_id: spoke1.example.net",
        "      Phase1_id: spoke2",
    ]


def test_a_map_takes_the_phase_1_of_its_peer_and_no_other_of_its_interface() -> None:
    stranger = replace(SITE_SA, conn_id=1010, tunnel=WAN, remote=SPOKE)
    lines = render("show crypto session detail", of(SITE_TUNNEL, sas=(SITE_SA, stranger)))
    assert [line.split()[1] for line in lines if "connid:" in line] == ["connid:1004"]


def test_failures_of_several_entries_are_told_once() -> None:
    down = replace(SITE_TUNNEL, session="DOWN", protocol_up=False, last_error="10.1.56.6 does not answer")
    lines = render("show crypto session detail", of(down, replace(down, map_sequence=20)))
    assert lines.count("Crypto failure: 10.1.56.6 does not answer") == 1


def test_a_session_over_ipv6_names_its_traffic_so() -> None:
    flow = replace(ACCESS_TUNNEL.flows[0], selector=ANY_IPV6)
    lines = render("show crypto session", of(replace(ACCESS_TUNNEL, flows=(flow,))))
    assert "  IPSEC FLOW: permit ipv6 ::/0 ::/0 " in lines


def test_connections_of_shared_sas_are_listed_once() -> None:
    lines = render("show crypto engine connections active", of(*GRE_TUNNELS))
    assert [line.split()[0] for line in lines[3:]] == ["9", "10"]


# SAs


def test_sas_of_each_flow_stand_below_one_heading() -> None:
    assert render(f"show crypto ipsec sa peer {STANDBY}", HUB) == MAP_SAS.split("\n")
    lines = render("show crypto ipsec sa map VPN", HUB)
    assert lines[: len(MAP_SAS.split("\n"))] == MAP_SAS.split("\n")
    assert lines.count("interface: FastEthernet1/0") == 1
    assert lines.count("   protected vrf: (none)") == 3
    assert "   remote ident (addr/mask/prot/port): (10.6.0.0/255.255.255.0/6/443)" in lines
    assert "     PERMIT, flags={}" in lines  # of a dynamic map


def test_the_drops_of_a_flow_are_its_own() -> None:
    lines = render(f"show crypto ipsec sa interface {WAN} detail", HUB)
    assert [line for line in lines if "#pkts no sa" in line] == [
        "    #pkts no sa (send) 0, #pkts invalid sa (rcv) 0",
        "    #pkts no sa (send) 1, #pkts invalid sa (rcv) 0",
        "    #pkts no sa (send) 0, #pkts invalid sa (rcv) 0",
    ]


def test_identities_come_without_sas() -> None:
    lines = render("show crypto ipsec sa identity", HUB)
    assert lines[-34:] == IDENTITY.split("\n")
    assert not [line for line in lines if "spi" in line]
    assert len([line for line in lines if line.startswith("   local  ident")]) == 7


def test_sas_by_address_are_listed_once_below_where_their_packets_go() -> None:
    lines = render("show crypto ipsec sa address", HUB)
    assert lines[:21] == ADDRESS.split("\n")
    assert [line.partition(" (none)/")[2] for line in lines if line.startswith("fvrf/address")] == [
        "10.1.12.1",
        "10.1.23.3",
        "10.1.44.4",
        "10.1.56.6",
        "10.1.66.6",
        "10.1.77.7",
    ]
    spis = [line for line in lines if line.startswith("      spi:")]
    assert len(spis) == len(set(spis)) == 10


@pytest.mark.parametrize(
    "words", ["map NOPE", "peer 10.9.9.9", "interface tu9 detail", "address", "identity", ""], ids=lambda words: words
)
def test_where_there_are_no_sas_it_is_said(words: str) -> None:
    status = of() if words in ("address", "identity", "") else HUB
    assert render(f"show crypto ipsec sa {words}".strip(), status) == ["No SAs found"]
