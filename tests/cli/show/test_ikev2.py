"""show crypto ikev2 …, line by line and without trailing blanks; and what of IKEv2 other commands show."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from types import MappingProxyType

from tests.cli.show.example import STATUS, render, trimmed

from seikan.cli.status import CryptoStatus, CryptoTunnel, Diagnosis, Ikev2Sa, Mismatch, Status
from seikan.config.model_ikev2 import (
    Ikev2,
    Ikev2Dpd,
    Ikev2Identity,
    Ikev2Keyring,
    Ikev2Match,
    Ikev2Peer,
    Ikev2Policy,
    Ikev2Profile,
    Ikev2Proposal,
)
from seikan.wire.constants import ENCRYPTION_BY_NAME, HASH_BY_NAME, INTEGRITY_BY_NAME
from seikan.wire.secret import Secret

HERE, THERE = IPv4Address("10.1.23.3"), IPv4Address("10.1.12.1")
PROFILE = Ikev2Profile(
    "ROAD",
    identities=(
        Ikev2Match(network=IPv4Network("10.1.12.1/32")),
        Ikev2Match(domain="example.net"),
        Ikev2Match(any=True),
    ),
    identity_local=Ikev2Identity("fqdn", "r3.example.net"),
    local_authentication="pre-share",
    remote_authentications=("pre-share", "rsa-sig"),
    keyring="RING",
    verify_trustpoints=("CA",),
    dpd=Ikev2Dpd(30, 5, periodic=True),
    virtual_template=1,
)
IKEV2 = Ikev2(
    proposals=MappingProxyType(
        {
            "HYBRID": Ikev2Proposal(
                "HYBRID",
                ("aes-gcm-16-256", "3des-cbc"),
                ("hmac-sha1-96", "hmac-sha256-128"),
                (),
                (14, 20, 31),
                MappingProxyType({1: (36, 0)}),
            )
        }
    ),
    policies=MappingProxyType({"WAN": Ikev2Policy("WAN", None, (HERE,), ("HYBRID", "default"))}),
    keyrings=MappingProxyType(
        {"RING": Ikev2Keyring("RING", MappingProxyType({"r1": Ikev2Peer("r1", local_key=Secret(b"Never shown!"))}))}
    ),
    profiles=MappingProxyType({"ROAD": PROFILE}),
)
SA = Ikev2Sa(
    tunnel_id=3,
    tunnel="Tunnel0",
    local=HERE,
    local_port=500,
    remote=THERE,
    remote_port=500,
    state="READY",
    initiator=False,
    spis=(bytes.fromhex("96254131FD306002"), bytes.fromhex("4CF87E32B25302C0")),
    encryption=ENCRYPTION_BY_NAME["aes-cbc-256"],
    integrity=INTEGRITY_BY_NAME["hmac-sha512-256"],
    prf=HASH_BY_NAME["sha512"],
    group=21,
    additional_groups=(37,),
    ppk=False,
    local_authentication="PSK",
    remote_authentication="RSA",
    lifetime=86400,
    active=219.4,
    expires=86180.6,
    rekeys=2,
    local_identity="r3.example.net",
    peer_identity="10.1.12.1",
    profile="ROAD",
    message_ids=(7, 3),
    window=5,
    dpd=30,
    nat_local=False,
    nat_remote=True,
    fragmentation=True,
    mobike=True,
    resumed=False,
    child_spis=((0x5CFCE807, 0x34A549BD),),
)
TUNNEL = replace(next(row for row in STATUS.crypto.tunnels if row.interface == "Tunnel0"), ikev2_profile="ROAD")  # type: ignore[union-attr]
INBOUND = next(sa for sa in TUNNEL.sas if sa.inbound)
DIAGNOSIS = Diagnosis(
    kind="proposal",
    peer="10.1.12.1",
    at=datetime(2026, 11, 29, 12, 0, tzinfo=UTC),
    text="the peer has no group that this router offers",
    mismatches=(Mismatch("group", "19 14 21", "5"), Mismatch("integrity", "SHA512", "SHA1")),
    advice={
        "ios": ("crypto ikev2 proposal default", " group 5"),
        "swanctl-peer": ("proposals = aes256-sha512-ecp256",),
    },
)


def status(*sas: Ikev2Sa, tunnels: tuple[CryptoTunnel, ...] = (), diagnoses: tuple[Diagnosis, ...] = ()) -> Status:
    assert STATUS.crypto is not None
    crypto = replace(
        STATUS.crypto, isakmp_sas=(), ikev2_sas=sas, tunnels=tunnels, diagnoses=diagnoses, kept_diagnoses=50
    )
    return replace(STATUS, running=replace(STATUS.running, ikev2=IKEV2), crypto=crypto)


def shown(command: str, of: Status) -> str:
    return "\n".join(trimmed(render(command, of)))


SA_IPV4 = """\
 IPv4 Crypto IKEv2  SA

Tunnel-id Local                 Remote                fvrf/ivrf            Status
3         10.1.23.3/500         10.1.12.1/500         none/none            READY
      Encr: AES-CBC, keysize: 256, PRF: SHA512, Hash: SHA512, DH Grp:21, Auth sign: PSK, Auth verify: RSA
      PQC Key Exchange: ML-KEM-1024
      Life/Active Time: 86400/219 sec
"""
DETAIL = """\
      CE id: 0, Session-id: 3
      Local spi: 4CF87E32B25302C0       Remote spi: 96254131FD306002
      Status Description: Negotiation done
      Local id: r3.example.net
      Remote id: 10.1.12.1
      Local req msg id:  7              Remote req msg id:  3
      Local next msg id: 7              Remote next msg id: 3
      Local req queued:  7              Remote req queued:  3
      Local window:      5              Remote window:      5
      DPD configured for 30 seconds, retry 5
      IETF Std Fragmentation  configured.
      Quantum-safe Encryption using PQC: ML-KEM-1024
      Dynamic Route Update: disabled
      Extended Authentication not configured.
      NAT-T is detected outside
      Cisco Trust Security SGT is disabled
      Initiator of SA : No
      MOBIKE: agreed, resumed: no
      Rekeys: 2, expires in: 86180 sec, profile: ROAD, for: Tunnel0
"""


def test_the_sas_of_each_ip_version() -> None:
    assert shown("show crypto ikev2 sa", status(SA)) == f"{SA_IPV4}\n IPv6 Crypto IKEv2  SA\n"
    assert shown("show crypto ikev2 sa detailed", status(SA)) == f"{SA_IPV4}{DETAIL}\n IPv6 Crypto IKEv2  SA\n"


def test_an_sa_over_ipv6_has_a_line_for_each_end() -> None:
    over = replace(SA, local=IPv6Address("2001:db8::3"), remote=IPv6Address("2001:db8::1"), additional_groups=())
    lines = trimmed(render("show crypto ikev2 sa", status(over)))
    assert lines[2:9] == [
        " IPv6 Crypto IKEv2  SA",
        "",
        "Tunnel-id    fvrf/ivrf              Status",
        "3          none/none             READY",
        "Local  2001:DB8::3/500",
        "Remote 2001:DB8::1/500",
        "      Encr: AES-CBC, keysize: 256, PRF: SHA512, Hash: SHA512, DH Grp:21, Auth sign: PSK, Auth verify: RSA",
    ]


def test_one_end_narrows_the_sas() -> None:
    other = replace(SA, tunnel_id=4, remote=IPv4Address("10.1.12.9"))
    for command, ids in (
        ("show crypto ikev2 sa remote 10.1.12.9", ["4"]),
        ("show crypto ikev2 sa local 10.1.23.3 detailed", ["3", "4"]),
        ("show crypto ikev2 sa local 10.9.9.9", []),
    ):
        lines = render(command, status(SA, other))
        assert [line.split()[0] for line in lines if "none/none" in line] == ids


def test_a_cipher_with_its_own_integrity_and_a_mixed_key() -> None:
    gcm = replace(SA, encryption=ENCRYPTION_BY_NAME["aes-gcm-16-256"], integrity=None, ppk=True, additional_groups=())
    assert "Encr: AES-GCM, keysize: 256, PRF: SHA512, Hash: None, DH Grp:21" in shown(
        "show crypto ikev2 sa", status(gcm)
    )
    assert "Auth verify: RSA, QR" in shown("show crypto ikev2 sa", status(gcm))


def test_a_session_has_its_pairs_with_their_traffic() -> None:
    held = replace(SA, child_spis=((INBOUND.spi, 0x34A549BD),), additional_groups=())
    text = shown("show crypto ikev2 session detailed", status(held, tunnels=(TUNNEL,)))
    assert "Session-id:3, Status:UP-ACTIVE, IKE count:1, CHILD count:1" in text
    assert (
        "Child sa: local selector  0.0.0.0/0 - 255.255.255.255/65535\n"
        "          remote selector 0.0.0.0/0 - 255.255.255.255/65535\n"
        f"          ESP spi in/out: 0x{INBOUND.spi:X}/0x34A549BD\n"
    ) in text
    assert "          Encr: AES-CBC, keysize: 128, esp_hmac: SHA96\n" in text


PROPOSALS = """\
 IKEv2 proposal: HYBRID
     Encryption : AES-GCM-256 3DES
     Integrity  : SHA96 SHA256
     PRF        : SHA1 SHA256
     DH Group   : DH_GROUP_2048_MODP/Group 14 DH_GROUP_384_ECP/Group 20 DH_GROUP_CURVE25519/Group 31
     PQC Key Exchange: ML-KEM-768 Optional
     weak       : RFC 8247 and RFC 8221: 3DES SHOULD NOT be used"""
POLICIES = """
 IKEv2 policy : WAN
      Match fvrf : global
      Match address local : 10.1.23.3
      Proposal    : HYBRID
      Proposal    : default"""
PROFILES = """
IKEv2 profile: ROAD
 Ref Count: 1
 Match criteria:
  Fvrf: global
  Local address/interface: none
  Identities:
   address 10.1.12.1 255.255.255.255
   fqdn domain example.net
   any
  Certificate maps: none
 Local identity: fqdn r3.example.net
 Remote identity: none
 Local authentication method: pre-share
 Remote authentication method(s): pre-share rsa-sig
 EAP options: none
 Keyring: RING
 Trustpoint(s): CA
 Lifetime: 86400 seconds
 DPD: interval 30, retry-interval 5, periodic
 NAT-keepalive: disabled
 Ivrf: none
 Virtual-template: 1
"""


def test_what_is_configured_as_ios_prints_it() -> None:
    assert shown("show crypto ikev2 proposal HYBRID", status()) == PROPOSALS
    assert shown("show crypto ikev2 policy WAN", status()) == POLICIES
    assert shown("show crypto ikev2 profile ROAD", status(SA)).startswith(PROFILES)
    for what in ("proposal", "policy"):
        assert f"IKEv2 {what}" in shown(f"show crypto ikev2 {what} default", status())
    for what in ("proposal", "policy", "profile"):
        assert shown(f"show crypto ikev2 {what} NONE", status()) == f"% There is no IKEv2 {what} NONE"


def test_keys_of_keyrings_show_nowhere() -> None:
    for command in ("proposal", "policy", "profile", "sa detailed", "session detailed", "stats", "diagnose error"):
        assert "Never shown!" not in shown(f"show crypto ikev2 {command}", status(SA))


def test_statistics_count_both_directions_and_only_counters_of_ikev2() -> None:
    of = status(SA, replace(SA, initiator=True, state="IN-NEG"))
    assert of.crypto is not None
    of = replace(of, crypto=replace(of.crypto, counters={"ikev2_cookies_sent": 4, "other": 1}))
    text = shown("show crypto ikev2 stats", of)
    assert "Total incoming IKEv2 SA Count:    1        active:        1        negotiating: 0" in text
    assert "Total outgoing IKEv2 SA Count:    1        active:        0        negotiating: 1" in text
    assert "ikev2_cookies_sent  4" in text
    assert "other" not in text


SESSION = """\
Interface: Tunnel0
Profile: ROAD
Uptime: {uptime}
Session status: UP-ACTIVE
Peer: 10.1.12.1 port 500 fvrf: (none) ivrf: (none)
      Phase1_id: 10.1.12.1
      Desc: (none)
  Session ID: 3
  IKEv2 SA: local 10.1.23.3/500 remote 10.1.12.1/500 Active
          Capabilities:DNF connid:3 lifetime:23:56:20
"""


def test_a_session_of_ikev2_names_its_version() -> None:
    text = shown("show crypto session detail", status(SA, tunnels=(TUNNEL,)))
    uptime = text.partition("Uptime: ")[2].partition("\n")[0]
    assert SESSION.format(uptime=uptime) in text
    down = shown("show crypto session", status(tunnels=(TUNNEL,)))
    assert "  IKEv2 SA: local 10.1.23.3/500 remote 10.1.12.1/500 Inactive" in down
    assert "IKEv2 Profile" not in down


DIAGNOSED = """\
Crypto diagnosis: the peer has no group that this router offers
  attribute  here      there
  group      19 14 21  5
  integrity  SHA512    SHA1
Right would be, on this router:
  crypto ikev2 proposal default
   group 5
Right would be, on the peer, in swanctl.conf:
  proposals = aes256-sha512-ecp256"""


def test_a_session_that_is_down_says_what_would_be_right() -> None:
    down = replace(TUNNEL, protocol_up=False, last_error="no proposal chosen", diagnosis=DIAGNOSIS, session="DOWN")
    assert f"Crypto failure: no proposal chosen\n{DIAGNOSED}" in shown(
        "show crypto session detail", status(tunnels=(down,))
    )


def test_lines_of_an_advice_are_all_there_though_some_are_alike() -> None:
    ring = ("crypto ikev2 keyring RING", " peer THERE", "  pre-shared-key <key>")
    both = replace(DIAGNOSIS, advice={"ios": ring, "ios-peer": ring})
    down = replace(TUNNEL, protocol_up=False, last_error="the keys differ", diagnosis=both, session="DOWN")
    text = shown("show crypto session detail", status(tunnels=(down,)))
    assert text.count("\n  crypto ikev2 keyring RING\n   peer THERE\n    pre-shared-key <key>\n") == 2


def test_a_failure_is_explained_once() -> None:
    """Though it is kept twice, by the tunnel and in the list of what failed."""
    later = replace(DIAGNOSIS, at=DIAGNOSIS.at + timedelta(microseconds=3))
    down = replace(TUNNEL, protocol_up=False, last_error="no proposal chosen", diagnosis=DIAGNOSIS, session="DOWN")
    text = shown("explain 10.1.12.1", status(tunnels=(down,), diagnoses=(later,)))
    assert text.count("Crypto diagnosis") == 1
    other = replace(DIAGNOSIS, text="the keys differ")
    assert "An earlier failure at " in shown("explain 10.1.12.1", status(tunnels=(down,), diagnoses=(other,)))


def test_a_peer_is_explained_by_any_of_its_names() -> None:
    down = replace(TUNNEL, protocol_up=False, last_error="no proposal chosen", diagnosis=DIAGNOSIS, session="DOWN")
    again = replace(DIAGNOSIS, at=DIAGNOSIS.at + timedelta(seconds=7))
    of = status(tunnels=(down,), diagnoses=(again, DIAGNOSIS))
    for name in ("10.1.12.1", "Tunnel0", "tunnel 0", "tu0"):
        text = shown(f"explain {name}", of)
        assert text.startswith("Tunnel0, IKEv2 with 10.1.12.1: DOWN\nWhy it is down: no proposal chosen")
        assert DIAGNOSED in text
        assert text.count("Crypto diagnosis") == 1
    assert "nothing is wrong" in shown("explain Tunnel0", status(SA, tunnels=(TUNNEL,)))
    stranger = shown("explain 10.1.12.1", status(diagnoses=(DIAGNOSIS,)))
    assert stranger.startswith("Last failure at 12:00:00 UTC Sun Nov 29 2026")
    assert shown("explain 10.9.9.9", of).startswith("% Nothing is known of a peer 10.9.9.9")


def test_errors_are_counted_by_what_they_are() -> None:
    text = shown("show crypto ikev2 diagnose error", status(diagnoses=(DIAGNOSIS, DIAGNOSIS)))
    assert text.startswith("Exit Path Table - status: enable, current entry 1, deleted 0, max allow 50")
    assert "Error(2): the peer has no group that this router offers\n  with 10.1.12.1, last at 12:00:00 UTC" in text
    assert "    group      19 14 21  5" in text


def test_a_router_without_ikev2_shows_empty_tables() -> None:
    bare = replace(STATUS, crypto=CryptoStatus(isakmp_enabled=False, isakmp_sas=(), tunnels=()))
    assert shown("show crypto ikev2 session", bare) == " IPv4 Crypto IKEv2 Session\n\n IPv6 Crypto IKEv2 Session\n"
