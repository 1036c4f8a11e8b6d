"""Show commands read back, and claims that fail where they should."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from seikan.lab.proof import Claims, counters, interface_states, isakmp_sas, neighbors, protected
from seikan.lab.topology import LabError

IPSEC_SA = """
interface: Virtual-Access1
    Crypto map tag: Virtual-Access1-head-0, local addr 10.1.12.1

   protected vrf: (none)
   local  ident (addr/mask/prot/port): (0.0.0.0/0.0.0.0/0/0)
   remote ident (addr/mask/prot/port): (0.0.0.0/0.0.0.0/0/0)
   current_peer 10.1.23.3 port 500
     PERMIT, flags={origin_is_acl,}
    #pkts encaps: 29, #pkts encrypt: 29, #pkts digest: 29
    #pkts decaps: 28, #pkts decrypt: 28, #pkts verify: 28
     current outbound spi: 0xFB3602D(263413805)

     inbound esp sas:
      spi: 0xB217F3D2(2987914194)
        transform: esp-aes esp-sha-hmac ,
      spi: 0x11(17)
        transform: esp-aes esp-sha-hmac ,

     inbound ah sas:

     inbound pcp sas:

     outbound esp sas:
      spi: 0xFB3602D(263413805)
        transform: esp-aes esp-sha-hmac ,

     outbound ah sas:

     outbound pcp sas:

interface: FastEthernet0/0
    Crypto map tag: SITES, local addr 10.1.12.1

   protected vrf: (none)
   local  ident (addr/mask/prot/port): (10.10.1.0/255.255.255.0/0/0)
   remote ident (addr/mask/prot/port): (10.30.1.0/255.255.255.0/0/0)
   current_peer 10.1.23.3 port 500
    #pkts encaps: 0, #pkts encrypt: 0, #pkts digest: 0
    #pkts decaps: 0, #pkts decrypt: 0, #pkts verify: 0

     inbound esp sas:

     outbound esp sas:

   protected vrf: (none)
   local  ident (addr/mask/prot/port): (10.10.1.0/255.255.255.0/17/0)
   remote ident (addr/mask/prot/port): (10.30.3.0/255.255.255.0/17/5060)
   current_peer 10.1.23.3 port 500
    #pkts encaps: 5, #pkts encrypt: 5, #pkts digest: 5
    #pkts decaps: 6, #pkts decrypt: 6, #pkts verify: 6

     inbound esp sas:
      spi: 0x21(33)

     outbound esp sas:
      spi: 0x22(34)
""".splitlines()


def test_each_pair_of_identities_is_read_with_its_interface() -> None:
    found = protected(IPSEC_SA)
    assert [(each.interface, each.local, each.remote) for each in found] == [
        ("Virtual-Access1", "0.0.0.0/0.0.0.0/0/0", "0.0.0.0/0.0.0.0/0/0"),
        ("FastEthernet0/0", "10.10.1.0/255.255.255.0/0/0", "10.30.1.0/255.255.255.0/0/0"),
        ("FastEthernet0/0", "10.10.1.0/255.255.255.0/17/0", "10.30.3.0/255.255.255.0/17/5060"),
    ]
    assert [(each.inbound, each.outbound) for each in found] == [
        ((0xB217F3D2, 0x11), (0xFB3602D,)),
        ((), ()),
        ((0x21,), (0x22,)),
    ]
    assert (found[2].encapsulated, found[2].decapsulated) == (5, 6)
    assert {each.peer for each in found} == {IPv4Address("10.1.23.3")}
    assert counters(IPSEC_SA).inbound_spi == 0xB217F3D2


def test_no_pair_of_sas_is_no_counters() -> None:
    with pytest.raises(LabError, match="shows no pair of SAs"):
        counters(IPSEC_SA[:12])
    assert protected(["", "% nothing"]) == ()


def test_isakmp_sas_neighbors_and_interfaces_are_read() -> None:
    sas = isakmp_sas(
        [
            "IPv4 Crypto ISAKMP SA",
            "dst             src             state          conn-id status",
            "10.1.12.1       10.1.24.4       QM_IDLE           1002 ACTIVE",
            "10.1.12.1       10.1.25.5       MM_NO_STATE       1003 ACTIVE (deleted)",
            "",
            "IPv6 Crypto ISAKMP SA",
        ]
    )
    assert [(str(sa.source), sa.state, sa.conn_id, sa.status) for sa in sas] == [
        ("10.1.24.4", "QM_IDLE", 1002, "ACTIVE"),
        ("10.1.25.5", "MM_NO_STATE", 1003, "ACTIVE (deleted)"),
    ]
    found = neighbors(
        [
            "Neighbor ID     Pri   State           Dead Time   Address         Interface",
            "3.3.3.3           0   FULL/  -        00:00:39    10.1.23.3       Virtual-Access1",
            "4.4.4.4           0   EXSTART/  -     00:00:31    192.168.4.4     Virtual-Access2",
            "9.9.9.9           1   FULL/DR         00:00:31    192.168.9.9     FastEthernet0/0",
        ]
    )
    assert [(str(each.router_id), each.state, each.interface) for each in found] == [
        ("3.3.3.3", "FULL", "Virtual-Access1"),
        ("4.4.4.4", "EXSTART", "Virtual-Access2"),
        ("9.9.9.9", "FULL", "FastEthernet0/0"),
    ]
    brief = [
        "Interface                  IP-Address      OK? Method Status                Protocol",
        "Virtual-Access1            10.1.12.1       YES unset  up                    up      ",
        "Virtual-Template1          10.1.12.1       YES unset  up                    down    ",
        "Tunnel0                    unassigned      YES unset  administratively down down    ",
    ]
    assert interface_states(brief, r"Virtual-Access\d+") == {"Virtual-Access1": "up/up"}
    assert interface_states(brief, r"Tunnel0") == {"Tunnel0": "administratively down/down"}


def test_a_proof_holds_only_where_every_claim_does() -> None:
    said: list[str] = []
    claims = Claims()
    assert not claims.print(said.append)
    claims.add("one", True, "1", "R1")
    assert claims.print(said.append)
    claims.add("two", [], "none", "R1", "R3")
    claims.add("three", None, "none", "R3")
    assert not claims.print(said.append)
    assert claims.to_explain() == ("R1", "R3")
    assert said[-2:] == ["  FAIL  two: none", "  FAIL  three: none"]
