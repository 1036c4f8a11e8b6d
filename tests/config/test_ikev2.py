"""The lines of IKEv2: what they mean, how they are written again, and what is said where one is wrong."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from tests.config.samples import opened
from tests.config.typed import type_lines

from seikan.config.defaults_ikev2 import DEFAULT_POLICY, DEFAULT_PROPOSAL, proposal, proposals
from seikan.config.grammar import LineError
from seikan.config.handlers import ConfigError
from seikan.config.model import Config, TunnelMode
from seikan.config.model_ikev2 import (
    Ikev2Dpd,
    Ikev2Identity,
    Ikev2Match,
    Ikev2Peer,
    Ikev2Policy,
    Ikev2Profile,
    Ikev2Proposal,
    PostQuantumKey,
)
from seikan.config.parse import parse
from seikan.config.render import render
from seikan.config.session import TABLE, ModeContext, apply_line
from seikan.config.validate import tunnel_problems
from seikan.wire.secret import Secret

#: As IOS writes it.
WRITTEN = """\
!
hostname Router
!
crypto ikev2 proposal P1
 encryption aes-cbc-256 aes-gcm-256 chacha20-poly1305
 integrity sha512 sha256
 prf sha512
 group 19 14 31
 additional-key-exchange 1 ml-kem-768 ml-kem-1024 none
 additional-key-exchange 3 ml-kem-1024
!
crypto ikev2 policy L1
 match fvrf any
 match address local 192.0.2.1
 match address local 2001:DB8::1
 proposal P1
 proposal default
!
crypto ikev2 keyring K1
 peer A
  description the first
  address 192.0.2.1
  address 2001:DB8::/48
  hostname a.example.net
  identity fqdn a.example.net
  pre-shared-key one
  ppk manual id PPK-1 key quantum required
 !
 peer B
  address 10.0.0.0 255.0.0.0
  pre-shared-key local two
  pre-shared-key remote three
 !
!
crypto ikev2 profile F1
 description all of it
 match fvrf any
 match address local 192.0.2.1
 match address local interface FastEthernet0/0
 match identity remote address 192.0.2.1 255.255.255.255
 match identity remote address 2001:DB8::/48
 match identity remote address 0.0.0.0
 match identity remote fqdn a.example.net
 match identity remote fqdn domain example.net
 match identity remote email a@example.net
 match identity remote email domain example.net
 match identity remote key-id K
 match identity remote any
 match certificate MAP
 identity local fqdn r1.example.net
 authentication remote pre-share key four
 authentication remote ecdsa-sig
 authentication local rsa-sig
 keyring local K1
 pki trustpoint CA sign
 pki trustpoint ROOT verify
 lifetime 3600
 dpd 10 3 periodic
 nat keepalive 20
 ivrf INSIDE
 virtual-template 1
 initial-contact force
 reconnect timeout 900
 redirect gateway auth
 shutdown
 aaa authorization group psk list FLEX POLICY
 no config-exchange request
!
no crypto ikev2 proposal default
no crypto ikev2 policy default
"""
GLOBAL = """\
crypto ikev2 limit max-sa 100
crypto ikev2 limit max-in-negotiation-sa 50
crypto ikev2 cookie-challenge 10
crypto ikev2 dpd 10 5 on-demand
crypto ikev2 nat keepalive 30
crypto ikev2 fragmentation mtu 1400
crypto ikev2 window 5
crypto ikev2 redirect client max-redirects 3
crypto ikev2 redirect gateway init hub.example.net
crypto ikev2 diagnose error 50
crypto ikev2 quick-crash-detection
no crypto ikev2 mobike
crypto ikev2 http-url cert
crypto ikev2 certificate-cache 100
"""


def _typed(*lines: str) -> Config:
    return type_lines(Config(), lines)


def test_everything_is_written_as_it_was_read() -> None:
    parsed = parse(WRITTEN)
    assert [str(problem) for problem in parsed.problems if problem.severity.value != "warning"] == []
    written = render(parsed.config)
    for line in WRITTEN.splitlines():
        assert line in written.splitlines(), line
    assert parse(written).config == parsed.config
    sections = written[written.index("crypto ikev2 keyring") : written.index("crypto ikev2 profile")]
    assert sections in WRITTEN


def test_the_global_lines_are_written_as_they_were_read() -> None:
    config = parse(GLOBAL).config
    assert [line for line in render(config).splitlines() if "ikev2" in line] == GLOBAL.splitlines()
    ikev2 = config.ikev2
    assert (ikev2.max_sas, ikev2.max_negotiating, ikev2.cookie_challenge, ikev2.window) == (100, 50, 10, 5)
    assert (ikev2.dpd, ikev2.nat_keepalive, ikev2.fragmentation) == (Ikev2Dpd(10, 5), 30, 1400)
    assert (ikev2.redirect_client, ikev2.max_redirects, ikev2.diagnose_errors) == (True, 3, 50)
    assert ikev2.redirect_gateway == "hub.example.net"
    assert (ikev2.quick_crash_detection, ikev2.mobike) == (True, False)
    gone = config
    for line in GLOBAL.splitlines():
        without_numbers = line.rstrip("0123456789 ").removesuffix(" 10 5 on-demand")
        undone = line.removeprefix("no ") if line.startswith("no ") else f"no {without_numbers}"
        gone = apply_line(gone, ModeContext(), undone).config
    assert gone == Config()


def test_the_model_has_what_was_typed() -> None:
    ikev2 = parse(WRITTEN).config.ikev2
    held = ikev2.proposals["P1"]
    assert held == Ikev2Proposal(
        "P1",
        ("aes-cbc-256", "aes-gcm-16-256", "chacha20-poly1305"),
        ("hmac-sha512-256", "hmac-sha256-128"),
        ("sha512",),
        (19, 14, 31),
        {1: (36, 37, 0), 3: (37,)},
    )
    assert ikev2.policies["L1"] == Ikev2Policy(
        "L1", "any", (IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")), ("P1", "default")
    )
    first, second = ikev2.keyrings["K1"].peers.values()
    assert first == Ikev2Peer(
        "A",
        "the first",
        (IPv4Network("192.0.2.1/32"), IPv6Network("2001:db8::/48")),
        "a.example.net",
        Ikev2Identity("fqdn", "a.example.net"),
        Secret(b"one"),
        Secret(b"one"),
        PostQuantumKey("PPK-1", Secret(b"quantum"), required=True),
    )
    assert (second.networks, second.local_key, second.remote_key) == (
        (IPv4Network("10.0.0.0/8"),),
        Secret(b"two"),
        Secret(b"three"),
    )
    profile = ikev2.profiles["F1"]
    assert profile.identities[0] == Ikev2Match(network=IPv4Network("192.0.2.1/32"))
    assert profile.identities[2] == Ikev2Match(network=IPv4Network("0.0.0.0/0"))
    assert profile.identities[3:] == (
        Ikev2Match(fqdn="a.example.net"),
        Ikev2Match(domain="example.net"),
        Ikev2Match(email="a@example.net"),
        Ikev2Match(email_domain="example.net"),
        Ikev2Match(key_id="K"),
        Ikev2Match(any=True),
    )
    assert profile.match_local == (IPv4Address("192.0.2.1"), "FastEthernet0/0")
    assert (profile.local_authentication, profile.remote_authentications) == ("rsa-sig", ("pre-share", "ecdsa-sig"))
    assert (profile.remote_key, profile.local_key) == (Secret(b"four"), None)
    assert (profile.sign_trustpoint, profile.verify_trustpoints) == ("CA", ("ROOT",))
    assert (profile.dpd, profile.reconnect, profile.lifetime) == (Ikev2Dpd(10, 3, periodic=True), 900, 3600)
    assert (profile.initial_contact_force, profile.redirect_auth, profile.shutdown) == (True, True, True)


def test_a_flat_file_and_a_pasted_one_mean_the_same() -> None:
    lines = [line.strip() for line in WRITTEN.splitlines() if line.strip() != "!"]
    assert parse("\n".join(lines)).config.ikev2 == parse(WRITTEN).config.ikev2
    deeper = "\n".join(" " * (2 * (len(line) - len(line.lstrip()))) + line.strip() for line in WRITTEN.splitlines())
    assert parse(deeper).config == parse(WRITTEN).config


def test_lines_of_a_keyring_stay_out_of_its_peers() -> None:
    config = parse("crypto ikev2 keyring K\n pre-shared-key x\n peer B\n").config
    written = render(config)
    assert "crypto ikev2 keyring K\n pre-shared-key x\n peer B\n !\n" in written
    assert parse(written).config == config
    assert parse(written).config.ikev2.keyrings["K"].peers["B"].local_key is None


def test_modes_lead_in_and_out() -> None:
    config, context = opened(("crypto ikev2 keyring K", "peer A"))
    assert context.mode == "config-ikev2-keyring-peer"
    # A second peer is named from inside the first, and a section of global mode from there, as in IOS.
    config, context = opened(("crypto ikev2 keyring K", "peer A", "pre-shared-key x", "peer B", "pre-shared-key y"))
    assert list(config.ikev2.keyrings["K"].peers) == ["A", "B"]
    left = apply_line(config, context, "exit").context
    assert left is not None
    assert left.mode == "config-ikev2-keyring"
    result = apply_line(config, left, "no peer A")
    assert list(result.config.ikev2.keyrings["K"].peers) == ["B"]
    out = apply_line(config, left, "exit").context
    assert out == ModeContext()
    assert apply_line(config, context, "end").context is None
    assert apply_line(config, context, "crypto ikev2 profile F").context == ModeContext(
        "config-ikev2-profile", "F", ("crypto ikev2 profile F",)
    )


def test_a_peer_whose_keyring_went_meanwhile_is_told_so() -> None:
    config, context = opened(("crypto ikev2 keyring K", "peer A"))
    without = apply_line(config, ModeContext(), "no crypto ikev2 keyring K").config
    with pytest.raises(ConfigError, match="was removed meanwhile"):
        apply_line(without, context, "pre-shared-key x")


def test_lines_that_were_not_understood_stay_with_their_peer() -> None:
    text = "crypto ikev2 keyring K\n peer A\n  adress 1.1.1.1\n   deeper\n peer B\n  pre-shared-key x\n"
    config = parse(text).config
    written = render(config)
    assert "  adress 1.1.1.1\n   deeper\n !\n peer B\n" in written
    assert parse(written).config == config
    gone, context = opened(("crypto ikev2 keyring K",), config)
    after = apply_line(gone, context, "no peer A").config
    assert after.stored == ()
    assert list(after.ikev2.keyrings["K"].peers) == ["B"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("crypto ikev2 prop P", " enc aes-cbc-256", " int sha256", " gr 14"), " encryption aes-cbc-256"),
        (("cry ikev2 keyr K", " pe A", " pre-share local x"), "  pre-shared-key local x"),
        (("crypto ikev2 prof F", " auth rem pre"), " authentication remote pre-share"),
        (("crypto ikev2 prof F", " keyr K"), " keyring local K"),
        (("crypto ikev2 prof F", " match id rem addr 192.0.2.1"), "remote address 192.0.2.1 255.255.255.255"),
        (("crypto ipsec profile P", " set ikev2 F"), " set ikev2-profile F"),
        (("crypto ipsec profile P", " set mixed"), " set mixed-mode"),
        (("crypto ipsec profile P", " set pfs group31"), " set pfs group31"),
        (("crypto map M 10 ipsec-isakmp", " set ikev2-profile F"), " set ikev2-profile F"),
        (("crypto dynamic-map D 10", " set ikev2-profile F"), " set ikev2-profile F"),
        (("crypto ipsec transform-set T esp-chacha20-poly1305",), "crypto ipsec transform-set T esp-chacha20-poly1305"),
        (("crypto ikev2 fragmentation",), "crypto ikev2 fragmentation\n"),
    ],
)
def test_abbreviations(typed: tuple[str, ...], meant: str) -> None:
    assert meant in render(_typed(*typed))


@pytest.mark.parametrize(
    ("lines", "attribute", "left"),
    [
        (("encryption aes-cbc-256", "no encryption"), "encryption", ()),
        (("group 14 19", "no group 14"), "groups", ()),
        (("additional-key-exchange 1 ml-kem-768", "no additional-key-exchange 1"), "additional", {}),
    ],
)
def test_no_in_a_proposal(lines: tuple[str, ...], attribute: str, left: object) -> None:
    config = _typed("crypto ikev2 proposal P", *(f" {line}" for line in lines))
    assert getattr(config.ikev2.proposals["P"], attribute) == left


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        (("match identity remote any", "no match identity remote any"), Ikev2Profile("F")),
        (("authentication local pre-share key x", "no authentication local"), Ikev2Profile("F")),
        (
            ("authentication remote pre-share key x", "authentication remote rsa-sig", "no auth rem pre-share"),
            Ikev2Profile("F", remote_authentications=("rsa-sig",)),
        ),
        (("authentication remote pre-share", "no authentication remote"), Ikev2Profile("F")),
        (("pki trustpoint T", "no pki trustpoint T verify"), Ikev2Profile("F", sign_trustpoint="T")),
        (("pki trustpoint T", "no pki trustpoint T"), Ikev2Profile("F")),
        (("keyring local K", "no keyring local K"), Ikev2Profile("F")),
        (("lifetime 86400",), Ikev2Profile("F")),
        (("reconnect",), Ikev2Profile("F", reconnect=1800)),
        (("identity local dn", "identity local address"), Ikev2Profile("F", identity_local=Ikev2Identity("address"))),
        (("match certificate M", "no match certificate M"), Ikev2Profile("F")),
        (("match address local interface fa0/0", "no match address local interface fa0/0"), Ikev2Profile("F")),
    ],
)
def test_no_and_defaults_in_a_profile(lines: tuple[str, ...], left: Ikev2Profile) -> None:
    config = _typed("crypto ikev2 profile F", *(f" {line}" for line in lines))
    assert config.ikev2.profiles["F"] == left


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (("no crypto ikev2 profile X",), "crypto ikev2 profile X is not configured"),
        (("no crypto ikev2 keyring X",), "crypto ikev2 keyring X is not configured"),
        (("no crypto ikev2 policy",), "name it, as in no crypto ikev2 policy default"),
        (("no crypto ikev2 proposal X",), "crypto ikev2 proposal X is not configured"),
        (("crypto ikev2 keyring K", " no peer X"), "peer X is not configured"),
        (("crypto ikev2 keyring K", " peer A", " pre-shared-key 6 QUJD"), "encrypted keys"),
        (("crypto ikev2 keyring K", " peer A", " identity fqdn domain example.net"), "type its whole name"),
        (("crypto ikev2 profile P", " no match identity remote any"), "match identity remote any is not configured"),
        (("crypto ikev2 profile P", " no match certificate M"), "match certificate M is not configured"),
        (("crypto ikev2 proposal P", " additional-key-exchange 1 none"), "as in ml-kem-768 none"),
        (("crypto ikev2 client flexvpn X",), "a spoke has a static VTI"),
    ],
)
def test_refusals_say_why(lines: tuple[str, ...], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        _typed(*lines)


@pytest.mark.parametrize(
    ("opener", "line", "expected"),
    [
        ("crypto ikev2 proposal P", "encryption aes-256", "aes-cbc-256"),
        ("crypto ikev2 proposal P", "group 13", "14"),
        ("crypto ikev2 proposal P", "integrity sha", "sha1"),
        ("crypto ikev2 profile P", "authentication remote pre-shared", "pre-share"),
        ("crypto ikev2 profile P", "dpd 10 3", "on-demand"),
        ("crypto ikev2 profile P", "match identity remote", "key-id"),
    ],
)
def test_errors_name_what_would_be_right(opener: str, line: str, expected: str) -> None:
    config, context = opened((opener,))
    with pytest.raises(LineError) as raised:
        apply_line(config, context, line)
    assert expected in raised.value.expected


@pytest.mark.parametrize(
    ("opener", "line", "warning"),
    [
        ("crypto ikev2 proposal P", "encryption des", "encryption des is never negotiated (RFC 8247 and RFC 9395"),
        ("crypto ikev2 proposal P", "encryption 3des", "encryption 3des is weak: RFC 8247 and RFC 8221"),
        ("crypto ikev2 proposal P", "integrity md5", "integrity md5 is never negotiated (RFC 8247 and RFC 9395"),
        ("crypto ikev2 proposal P", "prf md5", "prf md5 is never negotiated"),
        ("crypto ikev2 proposal P", "group 2", "group 2 is weak: RFC 8247"),
        ("crypto ikev2 proposal P", "group 1", "group 1 is never negotiated"),
        ("crypto ikev2 proposal P", "group 24 21", "group 24 is never negotiated (RFC 8247: SHOULD NOT"),
        ("crypto ikev2 policy P", "match fvrf OUTSIDE", "VRFs are not supported yet"),
        ("crypto ikev2 policy P", "proposal NONE", "proposal NONE does not exist"),
        ("crypto ikev2 profile P", "keyring local NONE", "keyring local NONE does not exist (crypto ikev2 keyring"),
        ("crypto ikev2 profile P", "pki trustpoint NONE", "trustpoint NONE does not exist"),
        ("crypto ikev2 profile P", "virtual-template 7 mode auto", "mode auto is not done here"),
        ("crypto ipsec profile P", "set ikev2-profile NONE", "ikev2 profile NONE does not exist"),
        ("crypto map M 1 ipsec-isakmp", "set ikev2-profile NONE", "ikev2 profile NONE does not exist"),
    ],
)
def test_what_surprises_is_told_at_once(opener: str, line: str, warning: str) -> None:
    config, context = opened((opener,))
    assert any(warning in text for text in apply_line(config, context, line).warnings)


def test_what_is_removed_while_it_is_used_is_told() -> None:
    config = parse(WRITTEN).config
    for line, told in (
        ("no crypto ikev2 keyring K1", "crypto ikev2 profile F1: keyring local K1 does not exist"),
        ("no crypto ikev2 proposal P1", "crypto ikev2 policy L1: proposal P1 does not exist"),
    ):
        assert any(told in text for text in apply_line(config, ModeContext(), line).warnings), line


def test_help() -> None:
    def listed(mode: str, line: str) -> list[str]:
        return [row.word for row in TABLE.completions(mode, line)]

    assert listed("config", "crypto ikev2 p") == ["policy", "profile", "proposal"]
    assert listed("config-ikev2-keyring", "peer ") == ["WORD"]
    assert "pre-shared-key" in listed("config-ikev2-keyring-peer", "")
    assert listed("config-ikev2-keyring-peer", "pre-shared-key ") == ["WORD", "0", "local", "remote"]
    assert listed("config-ikev2-profile", "match identity remote ") == ["address", "any", "email", "fqdn", "key-id"]
    assert listed("config-ikev2-profile", "authentication local ") == [
        *("eap", "ecdsa-sig", "eddsa-sig", "pre-share", "rsa-sig"),
    ]
    assert listed("config-ikev2-proposal", "additional-key-exchange ") == ["<1-7>"]
    assert "ml-kem-768" in listed("config-ikev2-proposal", "additional-key-exchange 1 ")
    helped = {row.word: row.help for row in TABLE.completions("config-ikev2-proposal", "group ")}
    assert "curve25519" in helped["31"]
    assert "weak" in helped["2"]
    assert "never" in helped["1"]
    assert "36" not in helped  # a key encapsulation is no first key exchange here
    assert "31" not in [row.word for row in TABLE.completions("config-isakmp", "group ")]


def test_smart_defaults() -> None:
    config = Config()
    assert proposals(config.ikev2, DEFAULT_POLICY) == (DEFAULT_PROPOSAL,)
    without = _typed("no crypto ikev2 proposal default", "no crypto ikev2 policy default")
    assert not without.ikev2.default_policy
    assert proposal(without.ikev2, "default") is None
    assert [line for line in render(without).splitlines() if "ikev2" in line] == [
        "no crypto ikev2 proposal default",
        "no crypto ikev2 policy default",
    ]
    again = type_lines(without, ("default crypto ikev2 proposal default", "default crypto ikev2 policy default"))
    assert again == config
    assert type_lines(without, ("default crypto ikev2 proposal", "default crypto ikev2 policy")) == config
    changed = _typed("crypto ikev2 proposal default", " encryption aes-gcm-256", " no integrity")
    held = proposal(changed.ikev2, "default")
    assert held is not None
    assert (held.encryption, held.integrity, held.groups) == (("aes-gcm-16-256",), (), DEFAULT_PROPOSAL.groups)
    assert type_lines(changed, ("default crypto ikev2 proposal default",)) == config
    off = type_lines(changed, ("no crypto ikev2 proposal default",))
    assert proposal(off.ikev2, "default") is None
    named = _typed("crypto ikev2 policy P", " proposal P")
    assert named.ikev2.policies["P"] == Ikev2Policy("P", proposals=("P",))
    assert proposals(named.ikev2, named.ikev2.policies["P"]) == ()


# --- tunnels ---------------------------------------------------------------------------------------

_ENOUGH = " match identity remote any\n authentication local pre-share key x\n authentication remote pre-share key y\n"
_TUNNEL = "interface Tunnel0\n tunnel source 2001:db8::1\n tunnel destination 2001:db8::2\n"


@pytest.mark.parametrize(
    ("line", "mode", "overlay"),
    [
        ("tunnel mode ipsec ipv4", TunnelMode.IPSEC_IPV4, None),
        ("tunnel mode ipsec ipv4 v6-overlay", TunnelMode.IPSEC_IPV4, 6),
        ("tunnel mode ipsec ipv6 v4-overlay", TunnelMode.IPSEC_IPV6, 4),
        ("tunnel mode ipsec dual-overlay", TunnelMode.IPSEC_DUAL_OVERLAY, None),
    ],
)
def test_what_a_tunnel_carries(line: str, mode: TunnelMode, overlay: int | None) -> None:
    config = _typed("interface Tunnel0", f" {line}")
    tunnel = config.interfaces["Tunnel0"].tunnel
    assert tunnel is not None
    assert (tunnel.mode, tunnel.overlay) == (mode, overlay)
    assert f" {line}\n" in render(config)
    assert parse(render(config)).config == config
    assert type_lines(config, ("interface Tunnel0", " no tunnel mode")) == _typed("interface Tunnel0")
    # Another mode leaves nothing of the one before.
    again = type_lines(config, ("interface Tunnel0", " tunnel mode ipsec ipv6"))
    assert again == _typed("interface Tunnel0", " tunnel mode ipsec ipv6")


def test_a_destination_is_an_address_or_a_name() -> None:
    config = _typed("interface Tunnel0", " tunnel destination hub.example.net")
    tunnel = config.interfaces["Tunnel0"].tunnel
    assert tunnel is not None
    assert (tunnel.destination, tunnel.destination_name) == (None, "hub.example.net")
    assert " tunnel destination hub.example.net\n" in render(config)
    assert parse(render(config)).config == config
    address = type_lines(config, ("interface Tunnel0", " tunnel destination 2001:db8::9"))
    assert " tunnel destination 2001:DB8::9\n" in render(address)
    assert "hub.example.net" not in render(address)
    assert type_lines(address, ("interface Tunnel0", " tunnel destination hub.example.net")) == config
    assert type_lines(config, ("interface Tunnel0", " no tunnel destination")) == _typed("interface Tunnel0")
    for wrong in ("10.0.0", "10.0.0.256", "dynamic"):
        with pytest.raises((ConfigError, LineError)):
            _typed("interface Tunnel0", f" tunnel destination {wrong}")


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (" tunnel mode ipsec ipv4\n", "tunnel mode ipsec ipv4 needs an IPv4 source, 2001:db8::1 is none"),
        (" tunnel mode ipsec dual-overlay\n tunnel source 192.0.2.1\n", "need one family, IPv4 or IPv6"),
        (
            " tunnel mode ipsec dual-overlay\n tunnel protection ipsec profile P\ncrypto ipsec profile P\n",
            "tunnel mode ipsec dual-overlay needs IKEv2: type set ikev2-profile in IPsec profile P",
        ),
        (
            " tunnel mode ipsec ipv6\n tunnel protection ipsec profile P\ncrypto ipsec profile P\n"
            " set ikev2-profile F\n",
            "IPsec profile P: ikev2 profile F does not exist (crypto ikev2 profile F)",
        ),
    ],
)
def test_why_a_tunnel_stays_down(lines: str, problem: str) -> None:
    assert any(problem in text for text in tunnel_problems(parse(_TUNNEL + lines).config, "Tunnel0"))


@pytest.mark.parametrize("mode", ["ipv6", "ipv6 v4-overlay", "dual-overlay"])
def test_a_tunnel_between_ipv6_addresses_has_no_problem(mode: str) -> None:
    text = (
        f"{_TUNNEL} tunnel mode ipsec {mode}\n tunnel protection ipsec profile P\ncrypto ipsec profile P\n"
        f" set ikev2-profile F\ncrypto ikev2 profile F\n{_ENOUGH}no crypto isakmp enable\n"
    )
    assert tunnel_problems(parse(text).config, "Tunnel0") == ()


@pytest.mark.parametrize(
    ("lines", "closed"),
    [
        ("crypto ikev2 profile F\n match identity frob\n", True),
        ("crypto ikev2 profile OTHER\n match identity frob\n", False),
        ("crypto ikev2 keyring K\n peer A\n  adress 2001:db8::2\n", True),
        ("crypto ikev2 keyring OTHER\n peer A\n  adress 2001:db8::2\n", False),
        ("crypto ikev2 proposal X\n encryption aes-256\n", True),
        ("crypto ikev2 policy X\n match frob\n", True),
        ("crypto ikev2 frobnicate\n", True),
        ("crypto ikev2 client flexvpn X\n peer 1 192.0.2.1\n", False),
        ("crypto isakmp policy 1\n group 24\n", False),
        ("crypto isakmp key 6 QUJD address 0.0.0.0\n", False),
        ("crypto ipsec profile P\n set pfs group24\n", True),
        ("crypto pki trustpoint CA\n revocation-check frob\n", True),
        ("crypto ca certificate chain CA\n certificate ca 01\n  30\n  3G\n  quit\n", True),
        ("crypto pki certificate map MAP 10\n subject-name like x\n", True),
        ("crypto pki trustpoint OTHER\n revocation-check frob\n", False),
        ("crypto pki certificate map OTHER 10\n subject-name like x\n", False),
    ],
)
def test_what_was_misread_about_ikev2_fails_closed_and_nothing_else(lines: str, closed: bool) -> None:
    text = (
        f"{_TUNNEL} tunnel mode ipsec ipv6\n tunnel protection ipsec profile P\ncrypto ipsec profile P\n"
        " set ikev2-profile F\ncrypto ikev2 keyring K\n peer A\ncrypto ikev2 profile F\n keyring local K\n"
        f"{_ENOUGH} pki trustpoint CA\n match certificate MAP\n"
        "crypto pki trustpoint CA\ncrypto pki certificate map MAP 10\n"
    )
    config = parse(text + lines).config
    problems = tunnel_problems(config, "Tunnel0")
    assert bool(problems) == closed
    assert all("not understood" in problem for problem in problems)
    assert tunnel_problems(parse(render(config)).config, "Tunnel0") == problems


def test_a_misread_trustpoint_concerns_who_names_none() -> None:
    text = (
        f"{_TUNNEL} tunnel mode ipsec ipv6\n tunnel protection ipsec profile P\ncrypto ipsec profile P\n"
        " set ikev2-profile F\ncrypto pki trustpoint CA\n revocation-check frob\ncrypto ikev2 profile F\n"
        " match identity remote any\n authentication local pre-share key x\n authentication remote rsa-sig\n"
    )
    (problem,) = tunnel_problems(parse(text).config, "Tunnel0")
    assert "revocation-check frob" in problem
    other = text + "crypto pki trustpoint OTHER\ncrypto ikev2 profile F\n pki trustpoint OTHER verify\n"
    assert tunnel_problems(parse(other).config, "Tunnel0") == ()
