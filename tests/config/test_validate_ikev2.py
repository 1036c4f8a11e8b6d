"""What `seikan check` tells about IKEv2: the text and the place."""

from __future__ import annotations

import pytest
from tests.config.samples import opened

from seikan.config.model import Config
from seikan.config.parse import parse
from seikan.config.session import ModeContext, apply_line
from seikan.config.validate import entry_problems, ikev2_profile_problems, tunnel_problems, validate

#: A whole VPN by smart defaults; without fault.
BASE = """\
crypto ikev2 keyring K
 peer B
  address 198.51.100.2
  pre-shared-key both
crypto ikev2 profile F
 match identity remote address 198.51.100.2 255.255.255.255
 authentication remote pre-share
 authentication local pre-share
 keyring local K
crypto ipsec transform-set T esp-gcm 256
crypto ipsec profile P
 set transform-set T
 set ikev2-profile F
interface FastEthernet0/0
 ip address 198.51.100.1 255.255.255.0
interface Tunnel0
 ip address 10.9.0.1 255.255.255.252
 tunnel source FastEthernet0/0
 tunnel destination 198.51.100.2
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
"""
LINE = {line: number for number, line in enumerate(BASE.splitlines(), 1)}
FIRST = len(BASE.splitlines()) + 1
PROFILE, TUNNEL, KEYRING = LINE["crypto ikev2 profile F"], LINE["interface Tunnel0"], LINE["crypto ikev2 keyring K"]
IPSEC, PEER = LINE["crypto ipsec profile P"], LINE[" peer B"]


def _told(text: str) -> list[tuple[int, str]]:
    parsed = parse(text, "r1.cfg")
    return [(problem.line, problem.text) for problem in validate(parsed.config, parsed.places)]


def test_a_keyring_a_profile_and_tunnel_protection_are_a_whole_vpn() -> None:
    assert _told(BASE) == []
    assert tunnel_problems(parse(BASE).config, "Tunnel0") == ()


PROPOSAL = "crypto ikev2 proposal X\n"
WHOLE = " encryption aes-cbc-256\n integrity sha256\n group 14\n"
TOLD: tuple[tuple[str, int, str], ...] = (
    (PROPOSAL, FIRST, "crypto ikev2 proposal X is never negotiated: type encryption aes-cbc-256"),
    (PROPOSAL + " encryption aes-cbc-256\n group 14\n", FIRST, "aes-cbc-256 needs integrity: type integrity sha512"),
    (PROPOSAL + " encryption aes-gcm-256\n group 14\n", FIRST, "aes-gcm-256 without integrity needs prf: type prf"),
    (PROPOSAL + " encryption aes-cbc-256\n integrity md5\n group 14\n", FIRST, "needs integrity"),
    (PROPOSAL + " encryption des\n integrity sha1\n group 1\n", FIRST, "type encryption aes-cbc-256 or aes-gcm-256;"),
    (
        PROPOSAL + " encryption aes-gcm-256 aes-cbc-256\n prf sha256\n group 14\n",
        FIRST,
        "encryption aes-cbc-256 is left out, it needs integrity",
    ),
    (PROPOSAL + WHOLE + " group 2 14\n", FIRST, "crypto ikev2 proposal X: group 2 is weak: RFC 8247"),
    (PROPOSAL + WHOLE + " group 24 14\n", FIRST, "group 24 is never negotiated (RFC 8247: SHOULD NOT be used)"),
    (PROPOSAL + WHOLE + " prf md5 sha256\n", FIRST, "prf md5 is never negotiated (RFC 8247 and RFC 9395"),
    (PROPOSAL + WHOLE + " encryption 3des aes-cbc-256\n", FIRST, "encryption 3des is weak: RFC 8247 and RFC 8221"),
    ("crypto ikev2 policy L\n proposal N\n", FIRST, "crypto ikev2 policy L is never negotiated: proposal N is missing"),
    ("crypto ikev2 policy L\n proposal N\n", FIRST, "crypto ikev2 policy L: proposal N does not exist (crypto ikev2"),
    (
        "crypto ikev2 policy L\n proposal default\ncrypto ikev2 policy M\n proposal default\n",
        FIRST + 2,
        "ambiguous: crypto ikev2 policy L and M match the same: L is used",
    ),
    ("no crypto ikev2 policy default\n", PROFILE, "there is no IKEv2 policy: type one, or default crypto ikev2 policy"),
    ("no crypto ikev2 proposal default\n", PROFILE, "there is no IKEv2 proposal: type one and a policy"),
    (
        "crypto ikev2 keyring K\n peer C\n  address 198.51.100.2\n  pre-shared-key x\n",
        FIRST + 1,
        "ambiguous: crypto ikev2 keyring K has address 198.51.100.2 in peer B and peer C: B is used",
    ),
    (
        "crypto ikev2 keyring K\n peer B\n  hostname b.example\n peer C\n  hostname B.EXAMPLE\n  pre-shared-key x\n",
        FIRST + 3,
        "has hostname B.EXAMPLE in peer B and peer C: B is used",
    ),
    ("crypto ikev2 keyring K\n peer C\n  pre-shared-key x\n", FIRST + 1, "peer C is nobody's: type address, hostname"),
    ("crypto ikev2 keyring K\n peer C\n  address 10.0.0.1\n", FIRST + 1, "peer C has no key: type pre-shared-key"),
    (
        "crypto ikev2 keyring K\n peer C\n  address 10.0.0.1\n  pre-shared-key local x\n",
        FIRST + 1,
        "has a key for one direction only: type pre-shared-key remote",
    ),
    (
        "crypto ikev2 keyring K\n peer ALL\n  address 0.0.0.0 0.0.0.0\n  pre-shared-key x\n"
        "crypto ikev2 profile F\n virtual-template 1\ninterface Virtual-Template1 type tunnel\n",
        FIRST + 1,
        "peer ALL: this key is that of several peers: any of them can claim to be another",
    ),
    ("crypto ikev2 keyring EMPTY\ncrypto ikev2 profile F\n keyring local EMPTY\n", PROFILE, "EMPTY has no peer: type"),
    ("crypto ikev2 profile F\n keyring local NONE\n", PROFILE, "crypto ikev2 profile F: keyring local NONE does not"),
    ("crypto ikev2 profile F\n no keyring\n", PROFILE, "is not used: authentication local pre-share has no key: type"),
    ("crypto ikev2 profile F\n no authentication local\n", PROFILE, "is not used: it has no way to authenticate"),
    (
        "crypto ikev2 profile F\n no match identity remote address 198.51.100.2 255.255.255.255\n",
        PROFILE,
        "crypto ikev2 profile F is not used: it matches nobody: type match identity remote",
    ),
    ("crypto ikev2 profile F\n shutdown\n", PROFILE, "crypto ikev2 profile F is not used: it is shut down"),
    (
        "crypto ikev2 profile F\n authentication local rsa-sig\n",
        PROFILE,
        "authentication local rsa-sig has no certificate: type crypto pki trustpoint",
    ),
    (
        "crypto ikev2 profile F\n authentication remote ecdsa-sig\n",
        PROFILE,
        "authentication remote ecdsa-sig has no authority to trust: type crypto pki trustpoint",
    ),
    ("crypto ikev2 profile F\n pki trustpoint CA\n", PROFILE, "crypto ikev2 profile F: trustpoint CA does not exist"),
    (
        "crypto pki trustpoint CA\ncrypto ikev2 profile F\n authentication local rsa-sig\n pki trustpoint CA\n",
        PROFILE,
        "trustpoint CA has no certificate of this router (crypto pki import CA)",
    ),
    (
        "crypto pki trustpoint CA\ncrypto ikev2 profile F\n authentication remote rsa-sig\n pki trustpoint CA\n",
        PROFILE,
        "trustpoint CA has no CA certificate (crypto pki authenticate CA)",
    ),
    (
        "crypto pki trustpoint A\ncrypto pki trustpoint B\ncrypto ikev2 profile F\n authentication remote ecdsa-sig\n",
        PROFILE,
        "crypto ikev2 profile F: its trustpoints have no CA certificate (crypto pki authenticate A)",
    ),
    ("crypto ikev2 profile F\n match certificate M\n", PROFILE, "certificate map M does not exist"),
    ("crypto pki certificate chain CA\n", FIRST, "trustpoint CA does not exist (crypto pki trustpoint CA)"),
    (
        "crypto pki trustpoint CA\ncrypto pki certificate chain CA\n certificate ca 01\n  30820216 0011\n  quit\n",
        FIRST + 1,
        "certificate ca 01 is not a whole certificate: import it again",
    ),
    ("crypto ikev2 profile F\n redirect gateway auth\n", PROFILE, "redirect gateway auth has no gateway: type crypto"),
    (
        "crypto ikev2 profile G\n match identity remote address 198.51.100.2\n authentication remote pre-share\n"
        " authentication local pre-share\n keyring local K\n",
        FIRST,
        "ambiguous: crypto ikev2 profile F and G both have match identity remote address 198.51.100.2",
    ),
    (
        "interface Tunnel0\n tunnel destination 198.51.100.9\n",
        TUNNEL,
        "Tunnel0: ikev2 profile F does not match 198.51.100.9: type match identity remote address 198.51.100.9 255",
    ),
    (
        "interface Tunnel0\n tunnel destination 198.51.100.9\n",
        TUNNEL,
        "Tunnel0: keyring K has no key for 198.51.100.9: type a peer with address 198.51.100.9",
    ),
    ("crypto ipsec profile P\n set isakmp-profile X\n", IPSEC, "isakmp-profile is not used: with ikev2-profile IKEv2"),
    (
        "crypto ipsec profile P\n set ikev2-profile NONE\n",
        TUNNEL,
        "Tunnel0 stays down: IPsec profile P: ikev2 profile NONE does not exist (crypto ikev2 profile NONE)",
    ),
    ("crypto ipsec profile Q\n set pfs group31\n", FIRST, "IKEv1 has no group31: type set ikev2-profile"),
    ("crypto ipsec profile Q\n set mixed-mode\n", FIRST, "mixed-mode needs IKEv2: type set ikev2-profile"),
    (
        "crypto ipsec transform-set C esp-chacha20-poly1305\ncrypto ipsec profile Q\n set transform-set C\n",
        FIRST + 1,
        "IKEv1 has no esp-chacha20-poly1305 (transform set C)",
    ),
    ("crypto ikev2 profile F\n match frob\n", PROFILE, "crypto ikev2 profile F is not used: the line 'match frob'"),
    ("crypto ikev2 profile F\n shutdown\n", TUNNEL, "Tunnel0 stays down: ikev2 profile F: it is shut down"),
)


@pytest.mark.parametrize(("extra", "line", "text"), TOLD, ids=[f"{text[:50]}" for _, _, text in TOLD])
def test_what_is_told_and_where(extra: str, line: int, text: str) -> None:
    told = _told(BASE + extra)
    assert any(at == line and text in said for at, said in told), told
    assert len(told) == len(set(told))


def test_a_peer_of_ikev2_needs_no_key_of_ikev1() -> None:
    assert not any("there is no key" in text for _, text in _told(BASE))
    assert any("there is no key" in text for _, text in _told(BASE.replace(" set ikev2-profile F\n", "")))


def test_profiles_of_different_addresses_are_not_ambiguous() -> None:
    other = (
        "crypto ikev2 profile F\n match address local 198.51.100.1\ncrypto ikev2 profile G\n"
        " match address local 192.0.2.1\n match identity remote address 198.51.100.2 255.255.255.255\n"
        " authentication remote pre-share\n authentication local pre-share\n keyring local K\n"
    )
    assert _told(BASE + other) == []


def test_what_keeps_an_entry_of_a_crypto_map_disabled() -> None:
    text = (
        "crypto map M 10 ipsec-isakmp\n set peer 198.51.100.2\n set ikev2-profile F\n match address A\n"
        "ip access-list extended A\n permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255\n"
    )
    assert entry_problems(parse(BASE + text).config, "M", 10) == ()
    without = BASE.replace(" authentication local pre-share\n", "")
    (problem,) = entry_problems(parse(without + text).config, "M", 10)
    assert problem.startswith("ikev2 profile F: it has no way to authenticate: type authentication local")


def test_problems_of_a_profile() -> None:
    assert ikev2_profile_problems(parse(BASE).config, "F") == ()
    assert ikev2_profile_problems(parse(BASE).config, "NONE") == ()
    (problem,) = ikev2_profile_problems(parse(BASE + "crypto ikev2 profile F\n match frob\n").config, "F")
    assert "not understood" in problem


def test_what_a_new_object_needs_is_said_when_it_is_made() -> None:
    for line, said in (
        ("crypto ikev2 proposal X", "IKEv2 proposal MUST have encryption"),
        ("crypto ikev2 policy X", "IKEv2 policy MUST have at least one complete proposal"),
        ("crypto ikev2 profile X", "   1. A local and a remote authentication method."),
    ):
        assert any(said in text for text in apply_line(Config(), ModeContext(), line).warnings), line
        config, _ = opened((line,))
        assert apply_line(config, ModeContext(), line).warnings == ()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("crypto ipsec profile P\n set pfs group31\n", "IKEv1 has no group31"),
        ("crypto ipsec transform-set T esp-chacha20-poly1305\n", "IKEv1 has no esp-chacha20-poly1305"),
        (
            "crypto ipsec transform-set C esp-chacha20-poly1305\ncrypto ipsec profile P\n set transform-set C T\n",
            None,
        ),
    ],
)
def test_what_ikev1_does_not_have_keeps_its_tunnels_down(line: str, problem: str | None) -> None:
    assert tunnel_problems(parse(BASE + line).config, "Tunnel0") == ()
    of_ikev1 = parse((BASE + line).replace(" set ikev2-profile F\n", "")).config
    assert [problem in text for text in tunnel_problems(of_ikev1, "Tunnel0") if problem] == ([True] if problem else [])
    entry = "crypto map M 10 ipsec-isakmp\n set peer 198.51.100.2\n match address A\n set pfs group31\n"
    entry += "ip access-list extended A\n permit ip host 10.1.0.1 host 10.2.0.1\n"
    (lack,) = entry_problems(parse(BASE + entry).config, "M", 10)
    assert "IKEv1 has no group31" in lack
    assert entry_problems(parse(BASE + entry + "crypto map M 10\n set ikev2-profile F\n").config, "M", 10) == ()
