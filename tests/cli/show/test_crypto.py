"""show crypto …, column by column."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path

import pytest
from tests.cli.show.example import (
    BROKEN,
    CONFIG,
    ISAKMP_SA,
    LOST_SA,
    R1,
    R3,
    SAS,
    STATUS,
    STRONG,
    WORKING,
    render,
    trimmed,
)

from seikan.cli.show.ipsec_sa import DETAIL
from seikan.cli.status import CryptoStatus, CryptoTunnel, Mismatch, Status


def with_crypto(**changes: object) -> Status:
    assert STATUS.crypto is not None
    return replace(STATUS, crypto=replace(STATUS.crypto, **changes))  # type: ignore[arg-type]


def with_flow(tunnel: CryptoTunnel, **changes: object) -> CryptoTunnel:
    """`tunnel` with its only flow changed."""
    (only,) = tunnel.flows
    return replace(tunnel, flows=(replace(only, **changes),))  # type: ignore[arg-type]


def test_isakmp_sa() -> None:
    assert render("show crypto isakmp sa", STATUS) == [
        "IPv4 Crypto ISAKMP SA",
        "dst             src             state          conn-id status",
        "10.1.12.1       10.1.23.3       QM_IDLE           1001 ACTIVE",
        "10.1.23.3       10.1.99.9       MM_NO_STATE       1002 ACTIVE (deleted)",
        "",
        "IPv6 Crypto ISAKMP SA",
        "",
    ]


def test_isakmp_sa_of_ipv6_peers_stands_in_its_own_section() -> None:
    local, remote = IPv6Address("2001:db8::3"), IPv6Address("2001:db8::1")
    lines = render("show crypto isakmp sa", with_crypto(isakmp_sas=(replace(ISAKMP_SA, local=local, remote=remote),)))
    assert lines[2:] == [
        "",
        "IPv6 Crypto ISAKMP SA",
        "",
        " dst: 2001:DB8::1",
        " src: 2001:DB8::3",
        " state: QM_IDLE         conn-id:   1001 status: ACTIVE",
        "",
    ]


def test_isakmp_sa_detail() -> None:
    assert render("show crypto isakmp sa detail", STATUS)[5:14] == [
        "IPv4 Crypto ISAKMP SA",
        "",
        "C-id  Local           Remote          I-VRF  Status Encr Hash   Auth DH Lifetime Cap.",
        "",
        "1001  10.1.23.3       10.1.12.1              ACTIVE aes  sha    psk  14 23:59:01 D   ",
        "       Engine-id:Conn-id =  SW:1",
        "",
        "1002  10.1.23.3       10.1.99.9              ACTIVE                                  ",
        "       Engine-id:Conn-id =  SW:2",
    ]


def test_isakmp_sa_count() -> None:
    assert render("show crypto isakmp sa count", STATUS) == [
        "Active ISAKMP SA's: 1",
        "Standby ISAKMP SA's: 0",
        "Currently being negotiated ISAKMP SA's: 0",
        "Dead ISAKMP SA's: 1",
    ]


def test_policy_prints_every_attribute_with_its_default_and_the_default_policies() -> None:
    lines = render("show crypto isakmp policy", STATUS)
    assert lines[:14] == [
        "",
        "Global IKE policy",
        "Protection suite of priority 1",
        "        encryption algorithm:   AES - Advanced Encryption Standard (128 bit keys).",
        "        hash algorithm:         Secure Hash Standard",
        "        authentication method:  Pre-Shared Key",
        "        Diffie-Hellman group:   #14 (2048 bit)",
        "        lifetime:               86400 seconds, no volume limit",
        "Protection suite of priority 2",
        "        encryption algorithm:   DES - Data Encryption Standard (56 bit keys).",
        "        hash algorithm:         Secure Hash Standard",
        "        authentication method:  Rivest-Shamir-Adleman Signature",
        "        Diffie-Hellman group:   #1 (768 bit)",
        "        lifetime:               86400 seconds, no volume limit",
    ]
    assert "        not negotiated:         group 1 is not supported, type group 14" in lines
    suites = [line for line in lines if line.startswith("Default protection suite of priority ")]
    assert [line.rsplit(" ", 1)[1] for line in suites] == [str(number) for number in range(65507, 65515)]
    assert lines.count("        not negotiated:         3des, md5, group 2 must be typed") == 2


def test_default_policies_alone() -> None:
    lines = render("show crypto isakmp default policy", STATUS)
    assert lines[:2] == ["", "Default IKE policy"]
    assert not [line for line in lines if line.startswith("Protection suite")]


def test_keys_tell_their_owner_and_never_themselves() -> None:
    lines = render("show crypto isakmp key", STATUS)
    assert lines == [
        "Keyring      Hostname/Address                            Preshared Key",
        "",
        "default      10.1.12.1                                   <hidden>",
        "             10.1.99.0      [255.255.255.0  ]            <hidden>",
        "             branch.example.net                          <hidden>",
    ]


def test_peers() -> None:
    assert render("show crypto isakmp peers [<address:ipv4>|<address:ipv6>]", STATUS, address=R1) == [
        "Peer: 10.1.12.1 Port: 500 Local: 10.1.23.3",
        " Phase1 id: 10.1.12.1",
    ]


def test_counters_are_named_and_zeros_shown() -> None:
    lines = render("show crypto isakmp counters", STATUS)
    assert lines[0] == "ISAKMP is ON"
    assert "  retransmissions    3" in lines
    assert "  unknown-spi  2" in lines
    assert lines[-2:] == ["  no-sa   5", "  replay  0"]


def test_profile_says_that_there_is_none() -> None:
    assert render("show crypto isakmp profile", STATUS) == [
        "No ISAKMP profile is configured; peers are matched by the address of their key."
    ]


IPSEC_SA = """
interface: Tunnel0
    Crypto map tag: Tunnel0-head-0, local addr 10.1.23.3

   protected vrf: (none)
   local  ident (addr/mask/prot/port): (0.0.0.0/0.0.0.0/0/0)
   remote ident (addr/mask/prot/port): (0.0.0.0/0.0.0.0/0/0)
   current_peer 10.1.12.1 port 500
     PERMIT, flags={origin_is_acl,}
    #pkts encaps: 20, #pkts encrypt: 20, #pkts digest: 20
    #pkts decaps: 17, #pkts decrypt: 17, #pkts verify: 17
    #pkts compressed: 0, #pkts decompressed: 0
    #pkts not compressed: 0, #pkts compr. failed: 0
    #pkts not decompressed: 0, #pkts decompress failed: 0
    #send errors 0, #recv errors 1

     local crypto endpt.: 10.1.23.3, remote crypto endpt.: 10.1.12.1
     plaintext mtu 1438, path mtu 1500, ip mtu 1500, ip mtu idb FastEthernet1/0
     current outbound spi: 0x397C36EE(964441838)
     PFS (Y/N): N, DH group: none

     inbound esp sas:
      spi: 0x658F7C11(1703902225)
        transform: esp-aes esp-sha-hmac ,
        in use settings ={Tunnel, }
        conn id: 1, flow_id: SW:1, sibling_flags 80000040, crypto map: Tunnel0-head-0
        sa timing: remaining key lifetime (k/sec): (4607999/3540)
        IV size: 16 bytes
        replay detection support: Y
        Status: ACTIVE(ACTIVE)

     inbound ah sas:

     inbound pcp sas:

     outbound esp sas:
      spi: 0x397C36EE(964441838)
        transform: esp-aes esp-sha-hmac ,
        in use settings ={Tunnel, }
        conn id: 2, flow_id: SW:2, sibling_flags 80000040, crypto map: Tunnel0-head-0
        sa timing: remaining key lifetime (k/sec): (4607998/3540)
        IV size: 16 bytes
        replay detection support: Y
        Status: ACTIVE(ACTIVE)

     outbound ah sas:

     outbound pcp sas:"""


def test_ipsec_sa() -> None:
    lines = render("show crypto ipsec sa interface tu0", STATUS)
    assert lines == IPSEC_SA.split("\n")
    assert render(f"show crypto ipsec sa peer {R1}", STATUS) == lines
    assert render("show crypto ipsec sa", STATUS)[: len(lines)] == lines


def test_ipsec_sa_of_a_tunnel_that_is_down_has_no_spi() -> None:
    lines = render("show crypto ipsec sa interface tu1", STATUS)
    assert "     current outbound spi: 0x0(0)" in lines
    assert not [line for line in lines if line.startswith("      spi:")]


def test_ipsec_sa_settings() -> None:
    sa = replace(
        SAS[0],
        transform=STRONG,
        udp_encapsulation=True,
        remaining_kilobytes=None,
        extended_sequence_numbers=True,
        pfs_group=14,
    )
    outbound = replace(SAS[1], pfs_group=14, replay_window=0)
    lines = render(
        "show crypto ipsec sa detail",
        with_crypto(
            tunnels=(
                with_flow(WORKING, sas=(sa, outbound), drops={"no-sa": 4, "replay": 1, "authentication-failure": 2}),
            )
        ),
    )
    assert "        transform: esp-256-aes esp-sha256-hmac ," in lines
    assert "        in use settings ={Tunnel UDP-Encaps, }" in lines
    assert "        sa timing: remaining key lifetime (sec): 3540" in lines
    assert "        Kilobyte Volume Rekey has been disabled" in lines
    assert "        replay detection support: Y  replay window size: 64" in lines
    assert "        replay detection support: N  replay window size: 0" in lines
    assert "        extended sequence numbers: Y" in lines
    assert "     PFS (Y/N): Y, DH group: group14" in lines
    assert "    #pkts no sa (send) 4, #pkts invalid sa (rcv) 0" in lines
    assert "    ##pkts replay failed (rcv): 1" in lines
    assert "    #pkts invalid prot (recv) 0, #pkts verify failed: 2" in lines


def test_detail_counts_every_drop_once_and_by_a_name_the_plane_has() -> None:
    source = Path(__file__).resolve().parents[3] / "rust" / "dataplane" / "src" / "counters.rs"
    known = set(re.findall(r'^    \w+ "([a-z-]+)" "', source.read_text(), re.MULTILINE))
    counted = [name for _, *columns in DETAIL for names in columns for name in names]
    assert set(counted) <= known
    assert len(set(counted)) == len(counted)


def test_protected_gre_shows_the_hosts_before_its_flow_is_known() -> None:
    tunnel = replace(WORKING, interface="Tunnel2", crypto_map_tag="Tunnel2-head-0", mode="gre", flows=())
    status = with_crypto(tunnels=(tunnel,))
    lines = render("show crypto ipsec sa", status)
    assert "   local  ident (addr/mask/prot/port): (10.1.23.3/255.255.255.255/47/0)" in lines
    assert "  IPSEC FLOW: permit 47 host 10.1.23.3 host 10.1.12.1 " in render("show crypto session", status)


def test_transform_sets() -> None:
    assert trimmed(render("show crypto ipsec transform-set [<name:word>]", STATUS)) == [
        "Transform set default: { esp-aes esp-sha-hmac  }",
        "   will negotiate = { Transport,  },",
        "",
        "Transform set CCIE: { esp-aes esp-sha-hmac  }",
        "   will negotiate = { Tunnel,  },",
        "",
        "Transform set STRONG: { esp-256-aes esp-sha256-hmac  }",
        "   will negotiate = { Tunnel,  },",
        "",
    ]


def test_profile() -> None:
    lines = trimmed(render("show crypto ipsec profile [<name:word>]", STATUS, name="ProtectTheTunnel"))
    assert lines == [
        "IPSEC profile ProtectTheTunnel",
        "        Security association lifetime: 4608000 kilobytes/3600 seconds",
        "        Responder-Only (Y/N): N",
        "        PFS (Y/N): N",
        "        Mixed-mode : Disabled",
        "        Transform sets={",
        "                CCIE:  { esp-aes esp-sha-hmac  } ,",
        "        }",
        "",
    ]


def test_profile_names_a_transform_set_that_is_missing() -> None:
    lines = render("show crypto ipsec profile [<name:word>]", STATUS, name="Branch")
    assert "        Security association lifetime: disabled kilobytes/3600 seconds" in lines
    assert "        DH group:  group14" in lines
    assert "        transform set GONE is not configured" in lines


@pytest.mark.parametrize(
    "syntax", ["show crypto ipsec transform-set [<name:word>]", "show crypto ipsec profile [<name:word>]"]
)
def test_an_unknown_name_is_said_in_one_line(syntax: str) -> None:
    lines = render(syntax, STATUS, name="NOPE")
    assert len(lines) == 1
    assert lines[0].startswith("% There is no ")
    assert lines[0].endswith(" NOPE")


def test_global_lifetime() -> None:
    ipsec = replace(CONFIG.ipsec, lifetime_seconds=1800)
    status = replace(STATUS, running=replace(CONFIG, ipsec=ipsec))
    assert render("show crypto ipsec security-association", status) == [
        "Security association lifetime: 4608000 kilobytes/1800 seconds"
    ]


def test_map_shows_the_heads_of_tunnels() -> None:
    lines = trimmed(render("show crypto map interface <interface:interface>", STATUS, interface="Tunnel0"))
    assert lines[0] == 'Crypto Map IPv4 "Tunnel0-head-0" 65536 ipsec-isakmp'
    assert "        Map is a PROFILE INSTANCE." in lines
    assert "            access-list  permit ip any any" in lines
    assert lines[-3:] == ["        Interfaces using crypto map Tunnel0-head-0:", "                Tunnel0", ""]


SESSION = """Interface: Tunnel0
Uptime: 00:00:59
Session status: UP-ACTIVE
Peer: 10.1.12.1 port 500 fvrf: (none) ivrf: (none)
      Phase1_id: 10.1.12.1
      Desc: (none)
  Session ID: 0
  IKEv1 SA: local 10.1.23.3/500 remote 10.1.12.1/500 Active
          Capabilities:D connid:1001 lifetime:23:59:01
  IPSEC FLOW: permit ip 0.0.0.0/0.0.0.0 0.0.0.0/0.0.0.0
        Active SAs: 2, origin: crypto map
        Inbound:  #pkts dec'ed 17 drop 1 life (KB/Sec) 4607999/3540
        Outbound: #pkts enc'ed 20 drop 0 life (KB/Sec) 4607998/3540
Crypto drop: no-sa 4
Crypto drop: replay 1
"""


def test_session_detail() -> None:
    lines = trimmed(render("show crypto session detail", STATUS))
    assert lines[0] == "Crypto session current status"
    start = lines.index("Interface: Tunnel0")
    assert lines[start : start + 16] == SESSION.split("\n")


def test_session_detail_says_why_a_tunnel_is_down() -> None:
    lines = trimmed(render("show crypto session interface tu1 detail", STATUS))
    assert "Session status: DOWN-NEGOTIATING" in lines
    assert lines[-5:] == [
        "Crypto failure: phase 1: the peer refused every proposal (NO-PROPOSAL-CHOSEN) at 12:00:01 UTC Sun Mar 1 2026",
        "Crypto mismatch: encryption: local aes, peer offered 3des, des",
        "Crypto mismatch: Diffie-Hellman group: local 14, peer offered 2",
        "Crypto drop: no-sa 5",
        "",
    ]


def test_session_that_has_not_failed_yet_is_not_called_a_failure() -> None:
    waiting = replace(BROKEN, last_error="negotiating", last_error_at=None, mismatches=())
    lines = render("show crypto session detail", with_crypto(tunnels=(waiting,)))
    assert "Crypto state: negotiating" in lines
    assert not [line for line in lines if line.startswith("Crypto failure")]


def test_session_with_a_peer_that_does_not_tell_its_offer() -> None:
    silent = Mismatch("encryption", "aes", "refused, its own offer is not known")
    lines = render("show crypto session detail", with_crypto(tunnels=(replace(BROKEN, mismatches=(silent,)),)))
    assert "Crypto mismatch: encryption: local aes, peer refused, its own offer is not known" in lines


def test_session_of_a_tunnel_that_works_keeps_quiet_about_old_failures() -> None:
    recovered = replace(with_flow(BROKEN, drops={}), session="UP-ACTIVE", protocol_up=True)
    lines = render("show crypto session detail", with_crypto(tunnels=(recovered,)))
    assert not [line for line in lines if line.startswith(("Crypto failure", "Crypto mismatch"))]


def test_session_with_phase_1_alone_still_says_what_phase_2_lacks() -> None:
    lines = render("show crypto session detail", with_crypto(tunnels=(replace(BROKEN, session="UP-IDLE"),)))
    assert [line for line in lines if line.startswith("Crypto mismatch")]


def test_session_without_phase_1_is_inactive() -> None:
    lines = trimmed(render("show crypto session", with_crypto(isakmp_sas=(), tunnels=(BROKEN,))))
    assert "  IKEv1 SA: local 10.1.23.3/500 remote 10.1.99.9/500 Inactive" in lines
    assert "        Active SAs: 0, origin: crypto map" in lines


def test_session_brief() -> None:
    lines = render("show crypto session brief", STATUS)
    assert lines[3:] == [
        "Peer            I/F          Username        Group/Phase1_id          Uptime   Status",
        "10.1.12.1       Tu0                          10.1.12.1                00:00:59 UA",
        "10.1.99.9       Tu1                                                            DN",
    ]


def test_engine_connections() -> None:
    assert render("show crypto engine connections active", STATUS) == [
        "Crypto Engine Connections",
        "",
        "   ID  Type    Algorithm           Encrypt  Decrypt LastSeqN IP-Address",
        "    1  IPsec   AES+SHA                   0       17        - 10.1.23.3",
        "    2  IPsec   AES+SHA                  20        0        0 10.1.23.3",
        " 1001  IKE     SHA+AES                   0        0        0 10.1.23.3",
        " 1002  IKE                               0        0        0 10.1.23.3",
    ]


def test_nothing_negotiated_yet() -> None:
    empty = replace(STATUS, crypto=CryptoStatus(isakmp_enabled=False, isakmp_sas=(), tunnels=()))
    assert render("show crypto isakmp sa", empty)[1:3] == [
        "dst             src             state          conn-id status",
        "",
    ]
    assert render("show crypto ipsec sa", empty) == ["No SAs found"]
    assert render("show crypto isakmp counters", empty) == ["ISAKMP is OFF"]


def test_a_peer_behind_nat_shows_its_letters_and_port() -> None:
    sa = replace(ISAKMP_SA, nat_traversal=True, nat_remote=True, fragmentation=True, remote_port=4500, local_port=4500)
    lines = trimmed(render("show crypto session detail", with_crypto(isakmp_sas=(sa, LOST_SA), tunnels=(WORKING,))))
    assert "  IKEv1 SA: local 10.1.23.3/4500 remote 10.1.12.1/4500 Active" in lines
    assert "          Capabilities:DNF connid:1001 lifetime:23:59:01" in lines


def test_every_row_of_phase_1_keeps_its_columns() -> None:
    row = re.compile(r"(\S{7,15}) +(\S{7,15}) +(\S+) +(\d+) (ACTIVE.*)")
    for line in render("show crypto isakmp sa", STATUS)[2:4]:
        match = row.fullmatch(line)
        assert match is not None
        assert match.start(2) == 16
        assert match.start(3) == 32
        assert match.end(4) == 54
        assert str(R3) in match.groups()
