"""Every kind of failure: what a person reads, and the lines that would mend it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from seikan.config.model import IsakmpPolicy, TransformSet
from seikan.config.model_ikev2 import Ikev2Match
from seikan.config.parse import parse
from seikan.ike import policy, transforms
from seikan.ike.advice import Facts
from seikan.ike.diagnosis import KIND_OF_MNEMONIC, KINDS, diagnose, silent
from seikan.ike.identity import Identity
from seikan.ike.settings import Ikev2ProposalSettings, PhaseTwo
from seikan.ike.status import Diagnosis, Mismatch
from seikan.ike.v2 import proposals
from seikan.wire.constants import (
    ENCRYPTION_BY_NAME,
    GROUP_BY_NUMBER,
    HASH_BY_NAME,
    INTEGRITY_BY_NAME,
    IdentityType,
)
from seikan.wire.selector import ANY_IPV4, Selector

GCM, CBC = ENCRYPTION_BY_NAME["aes-gcm-16-256"], ENCRYPTION_BY_NAME["aes-cbc-256"]
MAC = INTEGRITY_BY_NAME["hmac-sha256-128"]
PROPOSAL = Ikev2ProposalSettings(
    "strong",
    (GCM, CBC),
    (MAC,),
    (HASH_BY_NAME["sha256"],),
    (GROUP_BY_NUMBER[19],),
    ((GROUP_BY_NUMBER[36], None),),
)
PHASE_TWO = PhaseTwo("profile P", (TransformSet("GCM", GCM, None),), 19, 3600, 0, 64)
LAN = Selector(ip_network("192.168.1.0/24"), ip_network("10.0.0.9/32"), 6, 0, 22)
FACTS = Facts(
    "Tunnel0",
    ip_address("192.0.2.1"),
    ip_address("198.51.100.9"),
    proposals=(PROPOSAL,),
    policies=(IsakmpPolicy(10, "aes-cbc-256", "sha256", "pre-share", 14),),
    phase_two=PHASE_TWO,
    selectors=(LAN,),
    profile="SPOKES",
    keyring="RING",
    peer="SPOKE-B",
    matches=(Ikev2Match(domain="example.net"), Ikev2Match(fqdn="b.example.net")),
    identity=Identity(IdentityType.FQDN, "c.example.org"),
    own_identity="hub.example.net",
    subject="cn=b",
    issuer="cn=other ca",
    trustpoint="CA",
    octets=1840,
)
V1 = replace(FACTS, version=1)


def about(kind: str, facts: Facts = FACTS, rows: tuple[Mismatch, ...] = ()) -> Diagnosis:
    found = diagnose(kind, facts, 7.0, "SEEN", rows)
    assert (found.kind, found.peer, found.at, found.mismatches) == (kind, "198.51.100.9", 7.0, rows)
    assert found.text.startswith("SEEN: ")
    return found


# Kind: what its text must say, and one line that each dialect must have.
EXPECTED: dict[str, tuple[str, dict[str, str]]] = {
    "no-proposal": (
        "crypto ikev2 proposal",
        {
            "ios-peer": " encryption aes-gcm-256 aes-cbc-256",
            "swanctl-peer": "proposals = aes256gcm16-prfsha256-ecp256-ke1_mlkem768-ke1_none,"
            " aes256-sha256-prfsha256-ecp256-ke1_mlkem768-ke1_none",
        },
    ),
    "child-no-proposal": (
        "transform set",
        {
            "ios-peer": "crypto ipsec transform-set SEIKAN esp-gcm 256",
            "swanctl-peer": "esp_proposals = aes256gcm16-ecp256",
        },
    ),
    "selectors": (
        "source and destination exchanged",
        {
            "ios-peer": " permit tcp host 10.0.0.9 eq 22 192.168.1.0 0.0.0.255",
            "swanctl-peer": "local_ts = 10.0.0.9/32[6/22]",
        },
    ),
    "wrong-identity": (
        "ikev2 profile SPOKES has to match what the peer calls itself (c.example.org)",
        {
            "ios": " match identity remote fqdn c.example.org",
            "ios-peer": " identity local fqdn b.example.net",
            "swanctl-peer": "id = b.example.net",
        },
    ),
    "wrong-key": (
        "the pre-shared key for 198.51.100.9 here and the one for 192.0.2.1 there",
        {
            "ios": " peer SPOKE-B",
            "ios-peer": "  address 192.0.2.1 255.255.255.255",
            "swanctl-peer": "id = hub.example.net",
        },
    ),
    "certificate-expired": ("the peer's certificate cn=b", {"ios-peer": "crypto pki enroll <trustpoint>"}),
    "certificate-not-yet-valid": ("show clock", {"ios": "ntp server <address>", "ios-peer": "ntp server <address>"}),
    "clock-skew": ("NTP", {"ios": "ntp server <address>"}),
    "unknown-issuer": (
        "was issued by cn=other ca, which no trustpoint of ikev2 profile SPOKES trusts",
        {"ios": " pki trustpoint PEER-CA verify", "swanctl-peer": "local {"},
    ),
    "revoked": (
        "the authority has revoked the peer's certificate cn=b",
        {"ios-peer": "crypto pki enroll <trustpoint>"},
    ),
    "revocation-unknown": ("revocation-check", {"ios": " revocation-check crl none"}),
    "certificate-unusable": ("replaced by one that IKE can use", {"ios-peer": "crypto pki enroll <trustpoint>"}),
    "wrong-certificate": (
        "what the peer calls itself (c.example.org) has to be in subjectAltName of its certificate cn=b",
        {"ios-peer": " identity local dn", "swanctl-peer": 'id = "cn=b"'},
    ),
    "wrong-signature": ("the private key of the certificate cn=b", {"swanctl-peer": "auth = pubkey"}),
    "no-certificate": ("the peer has to show a certificate", {"swanctl-peer": "send_cert = always"}),
    "authentication-method": (
        "authentication local",
        {
            "ios": "crypto ikev2 profile SPOKES",
            "ios-peer": " authentication local pre-share",
            "swanctl-peer": "auth = psk",
        },
    ),
    "ppk": ("the same post-quantum key", {"ios": "  ppk manual id <id> key <key>", "swanctl-peer": "ppk_id = <id>"}),
    "no-key": (
        "a pre-shared key for 198.51.100.9 has to be configured in keyring RING",
        {"ios": "crypto ikev2 keyring RING"},
    ),
    "no-profile": ("has to match the peer (c.example.org)", {"ios": " keyring local RING"}),
    "invalid-ke": ("a group of the key exchange in common", {"ios-peer": " group 19"}),
    "nat-in-the-way": (
        "UDP port 4500",
        {
            "ios": " permit udp host 198.51.100.9 host 192.0.2.1 eq 4500",
            "ios-peer": " permit udp host 192.0.2.1 host 198.51.100.9 eq 4500",
        },
    ),
    "mtu-black-hole": (
        "one of 1840 octets does not",
        {"ios": "crypto ikev2 fragmentation mtu 1280", "swanctl-peer": "fragmentation = yes"},
    ),
    "no-answer": ("UDP ports 500 and 4500", {"ios": " permit udp host 198.51.100.9 host 192.0.2.1 eq 500"}),
    "peer-refused": ("an identity hub.example.net that it does not expect", {"swanctl-peer": "# swanctl --log"}),
    "version": (
        "IKEv2 with 198.51.100.9 and the other seems to speak IKEv1 only",
        {"ios": " no set ikev2-profile", "ios-peer": " set ikev2-profile <profile>", "swanctl-peer": "version = 2"},
    ),
}


def test_every_kind_is_tested_and_every_error_has_one() -> None:
    assert set(EXPECTED) == set(KINDS)
    assert set(KIND_OF_MNEMONIC.values()) <= set(KINDS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_a_person_reads_and_pastes(kind: str) -> None:
    found = about(kind)
    said, lines = EXPECTED[kind]
    assert said in found.text
    for dialect, line in lines.items():
        assert line in [one if dialect != "swanctl-peer" else one.strip() for one in found.advice[dialect]]
    for dialect, rows in found.advice.items():
        assert dialect in ("ios", "ios-peer", "swanctl-peer")
        assert rows
        if dialect == "swanctl-peer":
            text = "\n".join(rows)
            assert text.count("{") == text.count("}")


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(
    "facts",
    [
        Facts("peer", ip_address("2001:db8::1"), ip_address("2001:db8::2"), version=1),
        Facts("peer", ip_address("2001:db8::1"), ip_address("2001:db8::2"), own=True),
    ],
    ids=["IKEv1", "IKEv2"],
)
def test_little_knowledge_is_enough(kind: str, facts: Facts) -> None:
    found = diagnose(kind, facts, 1.0, "SEEN")
    assert "None" not in found.text
    assert "None" not in str(found.advice)
    assert "{" not in found.text
    assert "  " not in found.text


def test_algorithms_of_the_peer_are_added_here() -> None:
    theirs = replace(PROPOSAL, encryptions=(CBC,), prfs=(HASH_BY_NAME["sha512"],), groups=(GROUP_BY_NUMBER[14],))
    rows = proposals.explain_ike([PROPOSAL], proposals.ike_offer([theirs]))
    found = about("no-proposal", rows=rows)
    assert found.advice["ios"] == ("crypto ikev2 proposal strong", " prf sha256 sha512", " group 19 14")


def test_a_weak_algorithm_is_called_weak_and_one_that_is_not_known_is_not_advised() -> None:
    weak = (Mismatch("ikev2 group", "19", "2"),)
    assert about("no-proposal", rows=weak).advice["ios"] == (
        "crypto ikev2 proposal strong",
        " ! 2 is weak: RFC 8247: group 2 SHOULD NOT be used",
        " group 19 2",
    )
    des = (Mismatch("ikev2 encryption", "aes-gcm-256", "des"),)
    assert "ios" not in about("no-proposal", rows=des).advice


def test_a_policy_of_ikev1() -> None:
    theirs = IsakmpPolicy(1, "aes-cbc-128", "sha256", "pre-share", 5)
    rows = policy.explain(V1.policies, policy.offer((theirs,)))
    found = about("no-proposal", V1, rows)
    assert "crypto isakmp policy" in found.text
    assert found.advice["ios"] == (
        "crypto isakmp policy 20",
        " encr aes",
        " hash sha256",
        " authentication pre-share",
        " group 5",
    )
    assert found.advice["ios-peer"][:3] == ("crypto isakmp policy 10", " encr aes 256", " hash sha256")
    assert "    proposals = aes256-sha256-modp2048" in found.advice["swanctl-peer"]


def test_a_transform_set_and_pfs_of_the_peer() -> None:
    theirs = PhaseTwo("", (TransformSet("X", ENCRYPTION_BY_NAME["aes-cbc-128"], MAC),), 14, 3600, 0, 64)
    offer = proposals.child_offer(theirs, b"\1\2\3\4", first=False, extended=False)
    rows = proposals.explain_child(PHASE_TWO, offer, first=False, extended=False)
    assert about("child-no-proposal", rows=rows).advice["ios"] == (
        "crypto ipsec transform-set SEIKAN esp-aes esp-sha256-hmac",
        "crypto ipsec profile P",
        " set transform-set GCM SEIKAN",
        " set pfs group14",
    )
    crypto_map = replace(V1, phase_two=replace(PHASE_TWO, name="crypto map M 10", transform_sets=theirs.transform_sets))
    found = transforms.choose(
        crypto_map.phase_two,  # type: ignore[arg-type]
        transforms.Modes(),
        transforms.offer(replace(theirs, pfs_group=None), transforms.Modes(), b"\1\2\3\4"),
        initiator=True,
    )
    assert isinstance(found, tuple)
    assert about("child-no-proposal", crypto_map, found).advice["ios"] == (
        "crypto map M 10 ipsec-isakmp",
        " no set pfs",
    )


def test_a_route_based_tunnel_asks_for_a_tunnel_interface() -> None:
    found = about("selectors", replace(FACTS, selectors=(ANY_IPV4,)))
    assert found.advice["ios-peer"][0] == "interface Tunnel0"
    assert "        local_ts = 0.0.0.0/0" in found.advice["swanctl-peer"]


def test_keys_of_ikev1() -> None:
    found = about("wrong-key", V1)
    assert found.advice["ios"] == ("crypto isakmp key <key> address 198.51.100.9",)
    assert found.advice["ios-peer"] == ("crypto isakmp key <key> address 192.0.2.1",)


def test_a_key_that_no_peer_of_the_keyring_has_gets_a_new_peer() -> None:
    assert about("no-key", replace(FACTS, peer=None)).advice["ios"] == (
        "crypto ikev2 keyring RING",
        " peer SEIKAN",
        "  address 198.51.100.9 255.255.255.255",
        "  pre-shared-key <key>",
    )


def test_a_key_that_was_typed_in_the_profile_is_mended_there() -> None:
    found = about("wrong-key", replace(FACTS, keyring=None, peer=None, key_in_profile=True))
    assert found.advice["ios"] == (
        "crypto ikev2 profile SPOKES",
        " authentication remote pre-share key <key>",
        " authentication local pre-share key <key>",
    )


def test_this_routers_own_certificate() -> None:
    own = replace(FACTS, own=True)
    expired, missing = about("certificate-expired", own), about("no-certificate", own)
    assert "this router's certificate" in expired.text
    assert expired.advice == {"ios": ("crypto pki enroll CA",)}
    assert missing.advice == {
        "ios": ("crypto pki enroll CA", "crypto ikev2 profile SPOKES", " pki trustpoint CA sign"),
    }


def test_fragmentation_that_is_on_already_gets_smaller() -> None:
    found = about("mtu-black-hole", replace(FACTS, fragmentation=True))
    assert found.advice["ios"] == ("crypto ikev2 fragmentation mtu 576",)


@pytest.mark.parametrize(
    ("answered", "floated", "octets", "fragments", "passed", "kind"),
    [
        (False, False, 600, False, 0, "no-answer"),
        (False, False, 1900, False, 0, "no-answer"),
        (True, True, 1900, False, 600, "mtu-black-hole"),
        (True, False, 1900, False, 600, "mtu-black-hole"),
        (True, True, 1900, True, 600, "nat-in-the-way"),
        (True, True, 400, False, 600, "nat-in-the-way"),
        (True, False, 400, False, 600, "peer-refused"),
    ],
)
def test_what_silence_means(
    answered: bool, floated: bool, octets: int, fragments: bool, passed: int, kind: str
) -> None:
    found = silent(init_answered=answered, floated=floated, octets=octets, fragments=fragments, largest_passed=passed)
    assert found == kind


# What a person puts in for the words in angle brackets.
_FILLED = {
    "<key>": "s3cret",
    "<profile>": "P1",
    "<keyring>": "K1",
    "<trustpoint>": "TP",
    "<trustpoint of the right authority>": "TP",
    "<address>": "192.0.2.77",
    "<method of the peer>": "rsa-sig",
    "<id>": "branch",
    "<list of the outside interface>": "OUTSIDE",
}
# Lines that are typed at the router and are no part of a configuration.
_TYPED = ("crypto pki enroll ", "crypto pki authenticate ", "show ", "debug ")


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(
    "facts",
    [
        FACTS,
        V1,
        replace(FACTS, own=True),
        replace(FACTS, selectors=(ANY_IPV4,)),
        Facts("peer", ip_address("2001:db8::1"), ip_address("2001:db8::2")),
    ],
    ids=["IKEv2", "IKEv1", "own", "route-based", "IPv6"],
)
def test_this_router_takes_every_line_that_it_advises(kind: str, facts: Facts) -> None:
    advice = about(kind, facts).advice if facts.remote.version == 4 else diagnose(kind, facts, 1.0, "SEEN").advice
    for dialect in ("ios", "ios-peer"):
        text = "\n".join(line for line in advice.get(dialect, ()) if not line.startswith(_TYPED))
        for placeholder, word in _FILLED.items():
            text = text.replace(placeholder, word)
        assert "<" not in text
        assert [str(problem) for problem in parse(f"{text}\nend\n").problems] == []
