"""Lines as they are typed: abbreviations, modes, `no` and `default`, and errors at the right word."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest
from tests.config.samples import ACCEPTANCE, BASE, SESSION

from seikan.config.grammar import Kind, LineError
from seikan.config.handlers import ConfigError
from seikan.config.model import Config, Interface, TunnelMode
from seikan.config.modes import MODES
from seikan.config.parse import parse
from seikan.config.render import render
from seikan.config.session import TABLE, LineResult, ModeContext, apply_line


def typed(*lines: str, config: Config | None = None) -> LineResult:
    result = LineResult(config if config is not None else Config(), ModeContext())
    for line in lines:
        assert result.context is not None
        result = apply_line(result.config, result.context, line)
    return result


def interface(result: LineResult, name: str) -> Interface:
    return result.config.interfaces[name]


def test_the_acceptance_session_line_by_line() -> None:
    result = LineResult(parse(BASE).config, ModeContext())
    for line, prompt in SESSION:
        assert result.context is not None
        result = apply_line(result.config, result.context, line)
        assert result.context is not None
        assert MODES[result.context.mode].prompt == prompt, line
        assert result.warnings == (), line
    assert result.config == parse(ACCEPTANCE).config
    tunnel = interface(result, "Tunnel0").tunnel
    assert tunnel is not None
    assert tunnel.mode is TunnelMode.IPSEC_IPV4
    assert tunnel.destination == IPv4Address("10.1.12.1")
    assert bytes(result.config.isakmp.keys[0].key) == b"LoopedBack!!!"


CARETS = (
    ("config", "hostnam R1 R2", 11, "R2"),
    ("config", "crypto isakmp policy 0", 21, "0"),
    ("config", "crypto isakmp policy 10001", 21, "10001"),
    ("config", "crypto isakmp polcy 1", 14, "polcy"),
    ("config", "ip route 10.0.0.0 255.0.0.300 10.1.1.1", 18, "255.0.0.300"),
    ("config", "interface FastEthernot1/0", 10, "FastEthernot1/0"),
    ("config-if", "ip adress 10.0.0.1 255.0.0.0", 3, "adress"),
    ("config-if", "  ip address 10.0.0.1 255.0.0.0 second", 32, None),
    ("config-if", "tunnel mode ipsec ipv5", 18, "ipv5"),
    ("config-isakmp", "encr aes 512", 9, "512"),
    ("config-isakmp", "group 24", 6, "24"),
    ("conf-isa-prof", "match identity address 10.0.0.300", 23, "10.0.0.300"),
    ("conf-isa-prof", "keepalive 5 retry 2", 10, "5"),
    ("conf-isa-prof", "virtual-template 0", 17, "0"),
    ("config-crypto-map", "set security-association idle-time 30", 35, "30"),
    ("config-crypto-map", "reverse-route remote-peer R1", 26, "R1"),
    ("config", "crypto map M 0 ipsec-isakmp", 13, "0"),
    ("config", "crypto map M 10 ipsec-isakmp dynmic D", 29, "dynmic"),
    ("config", "ip nat inside source static tcp 10.0.0.1 0 192.0.2.1 80", 41, "0"),
    ("config", "crypto call admission limit ike in-negotiation-sa 5", 50, "5"),
    ("ipsec-profile", "set pfs group22", 8, "group22"),
    ("config", "crypto isakmp key K address 10.1.12.0 255.255.255.25", 38, "255.255.255.25"),
    ("conf-keyring", "pre-shared-key address 10.1.12.0 255.0.255.0 key K", 33, "255.0.255.0"),
)


@pytest.mark.parametrize(("mode", "line", "column", "word"), CARETS)
def test_the_caret_stands_under_the_word_that_is_wrong(mode: str, line: str, column: int, word: str | None) -> None:
    if word is None:
        assert TABLE.match(mode, line).args["secondary"] is True
        return
    with pytest.raises(LineError) as caught:
        TABLE.match(mode, line)
    error = caught.value
    assert (error.kind, error.column, error.word) == (Kind.INVALID, column, word)
    assert error.expected
    prompt = "R3" + MODES[mode].prompt
    assert error.ios(len(prompt)) == (
        " " * (len(prompt) + column) + "^",
        "% Invalid input detected at '^' marker.",
        "",
    )


def test_ambiguous_and_incomplete() -> None:
    with pytest.raises(LineError) as caught:
        TABLE.match("config-if", "ip a")
    assert caught.value.ios(0) == ('% Ambiguous command:  "ip a"',)
    with pytest.raises(LineError) as caught:
        TABLE.match("config", "crypto isakmp policy")
    assert caught.value.ios(0)[0] == "% Incomplete command."
    assert caught.value.expected == ("<1-10000>",)


def test_errors_show_no_key() -> None:
    with pytest.raises(LineError) as caught:
        TABLE.match("config", "crypto isakmp key hunter2 addres-s 10.0.0.1")
    assert "hunter2" not in repr(caught.value)
    assert "hunter2" not in str(caught.value)
    match = TABLE.match("config", "crypto isakmp key hunter2 address 10.0.0.1")
    assert "hunter2" not in repr(match)
    assert "hunter2" not in repr(apply_line(Config(), ModeContext(), "crypto isakmp key hunter2 address 10.0.0.1"))
    assert "hunter2" not in repr(apply_line(Config(), ModeContext(), "username bob secret hunter2"))


def test_help_lists_interface_types_with_a_line_each() -> None:
    found = {row.word: row.help for row in TABLE.completions("config-if", "ip unnumbered ")}
    assert found["FastEthernet"] == "FastEthernet IEEE 802.3"
    assert found["Loopback"] == "Loopback interface"
    assert all(found.values())
    assert [row.word for row in TABLE.completions("config-if", "ip unnumbered fa")] == ["FastEthernet"]
    assert [row.word for row in TABLE.completions("config-if", "ip unnumbered fa ")] == ["<0-99>"]


def test_help_shows_arguments_and_the_end() -> None:
    assert [row.word for row in TABLE.completions("config-if", "tunnel des")] == ["destination"]
    assert [row.word for row in TABLE.completions("config-if", "ip address 10.0.0.1 255.0.0.0 ")] == [
        "secondary",
        "<cr>",
    ]
    assert [row.word for row in TABLE.completions("config-isakmp", "encr aes ")] == ["128", "192", "256", "<cr>"]
    words = [row.word for row in TABLE.completions("config-isakmp", "")]
    assert {"encryption", "hash", "no", "default", "exit"} <= set(words)
    assert TABLE.completions("config-isakmp", "nonsense ") == ()


def test_every_listed_keyword_has_help() -> None:
    missing = [
        (command.mode, command.syntax, word)
        for command in TABLE.commands
        if not command.hidden and not command.otherwise
        for word in re.sub(r"<[^>]*>|[\[\]()|]|\.\.\.", " ", command.syntax).split()
        if not command.help.get(word)
    ]
    assert missing == []


def test_help_says_what_has_no_effect_and_lists_only_ios() -> None:
    kept = "Kept with the configuration, has no effect here"
    words = {row.word: row.help for row in TABLE.completions("config-if", "")}
    assert words["duplex"] == words["power"] == kept
    assert words["ip"] == "Interface Internet Protocol config commands"
    assert all(words.values())
    assert not {"nameif", "security-level"} & set(words)
    assert parse("interface fa0/0\n nameif inside\n security-level 100\n").problems == ()
    assert {row.word: row.help for row in TABLE.completions("config-if", "power ")} == {"inline": kept}
    assert all(row.help for mode in MODES for row in TABLE.completions(mode, ""))


def test_global_line_in_a_section_leaves_it() -> None:
    result = typed("interface tu0", "ip route 0.0.0.0 0.0.0.0 10.1.1.1")
    assert result.context == ModeContext()
    assert result.config.routes[0].next_hop == IPv4Address("10.1.1.1")


def test_exit_and_end() -> None:
    assert typed("interface tu0", "exit").context == ModeContext()
    assert typed("interface tu0", "end").context is None
    assert typed("exit").context is None


def test_no_and_default_forms() -> None:
    config = parse(ACCEPTANCE).config
    assert typed("int tu0", "no tunnel prot", config=config).config.interfaces["Tunnel0"].tunnel.protection is None  # type: ignore[union-attr]
    reset = typed("int tu0", "default tunnel mode", config=config).config.interfaces["Tunnel0"].tunnel
    assert reset is not None
    assert reset.mode is TunnelMode.GRE_IP
    assert "Tunnel0" not in typed("no int tu0", config=config).config.interfaces
    assert typed("no crypto isakmp policy 1", config=config).config.isakmp.policies == {}
    assert typed("no router ospf 1", config=config).config.ospf == {}
    assert typed("no ip route 0.0.0.0 0.0.0.0", config=config).config.routes == ()
    assert typed("no hostname", config=config).config.hostname == "Router"
    with pytest.raises(ConfigError, match="in use by Tunnel0"):
        typed("no crypto ipsec profile ProtectTheTunnel", config=config)
    with pytest.raises(ConfigError, match="No matching route"):
        typed("no ip route 10.0.0.0 255.0.0.0", config=config)


def test_addresses() -> None:
    result = typed("int fa0/0", "ip address 10.0.0.1 255.255.255.0", "ip address 10.0.1.1 255.255.255.0 secondary")
    assert interface(result, "FastEthernet0/0").address == IPv4Interface("10.0.0.1/24")
    assert interface(result, "FastEthernet0/0").secondary == (IPv4Interface("10.0.1.1/24"),)
    with pytest.raises(ConfigError, match="Must delete secondary"):
        typed("int fa0/0", "no ip address 10.0.0.1 255.255.255.0", config=result.config)
    with pytest.raises(ConfigError, match="Bad mask 0xFF00FF00"):
        typed("int fa0/0", "ip address 10.0.0.1 255.0.255.0")
    unnumbered = typed("int fa0/0", "ip unnumbered lo0", config=result.config)
    assert interface(unnumbered, "FastEthernet0/0").address is None


def test_ios_defaults_are_not_written() -> None:
    result = typed("crypto isakmp policy 5", "encr aes 256", "hash sha", "auth pre-share", "group 14", "lifetime 86400")
    assert " hash" not in render(result.config)
    assert "lifetime" not in render(result.config)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("crypto ipsec transform-set A esp-3des esp-sha-hmac", "esp-3des is not available"),
        ("crypto ipsec transform-set A esp-aes", "not authenticated"),
        ("crypto ipsec transform-set A esp-null", "not authenticated"),
        ("crypto ipsec transform-set A esp-gcm 256 esp-sha256-hmac", "brings its own integrity"),
        ("crypto ipsec transform-set A esp-sha-hmac", "needs a cipher"),
        ("crypto ipsec transform-set A esp-aes esp-md5-hmac", "esp-md5-hmac is not available"),
        ("crypto isakmp key 6 AAAABBBB address 10.0.0.1", "type the key in clear"),
        ("crypto map M 10", "name its kind, as in crypto map M 10 ipsec-isakmp"),
        ("crypto map M 10 ipsec-manual", "keys typed by hand are not available: type ipsec-isakmp"),
        ("crypto map M 10 gdoi", "GET VPN is not available"),
        ("crypto map M client authentication list X", "XAUTH is not available"),
        ("crypto map M client configuration address respond", "Easy VPN clients are not available"),
        ("crypto map M isakmp authorization list X", "type crypto isakmp key"),
        ("crypto map M local-address vt1", "name another interface"),
        ("interface vi1", "^Virtual-Access interfaces are made from a Virtual-Template: change that$"),
        ("no interface vi1", "^Virtual-Access interfaces are made from a Virtual-Template: change that$"),
        ("interface vt1 type ethernet", "type tunnel is"),
        ("interface vt1 type serial", "type tunnel is"),
        ("interface tu1 type tunnel", "only a Virtual-Template is given one"),
        ("interface vt5000 type tunnel", "Virtual-Template numbers are 1 to 4095"),
        ("ip route 10.0.0.0 255.0.0.0 vi1", "Virtual-Access interfaces are made from a Virtual-Template"),
        ("ip route 10.0.0.0 255.0.0.0 vt1", "only its copies have"),
        ("ip nat inside source list 1 interface vi1 overload", "Virtual-Access interfaces are made"),
    ],
)
def test_refusals_say_why(line: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        typed(line)


def test_transforms_in_any_order() -> None:
    one = typed("crypto ipsec transform-set A esp-aes 256 esp-sha256-hmac").config.ipsec.transform_sets["A"]
    other = typed("crypto ipsec transform-set A esp-sha256-hmac esp-aes 256").config.ipsec.transform_sets["A"]
    assert one == other
    assert one.encryption is not None
    assert one.encryption.key_bits == 256


def test_weak_choices_warn_with_their_rfc() -> None:
    assert "RFC 8247" in typed("crypto isakmp policy 1", "group 2").warnings[0]
    assert "RFC 8247" in typed("crypto isakmp policy 1", "hash md5").warnings[0]
    assert "RFC 8221" in typed("crypto isakmp policy 1", "encr 3des").warnings[0]
    assert typed("crypto isakmp policy 1", "group 19").warnings == ()


NEVER = "% Warning: crypto isakmp policy 1 is never negotiated: "


def test_a_policy_that_loses_its_use_warns_at_once_and_only_then() -> None:
    config = parse(ACCEPTANCE).config
    for line, why in (
        ("no group", "group 1 (the default of IOS) is refused by RFC 8247: type group 14 or higher"),
        ("group 1", "group 1 (the default of IOS) is refused by RFC 8247: type group 14 or higher"),
        ("encr des", "encryption des (the default of IOS) is refused by RFC 8247: type encryption aes"),
        ("default auth", "authentication rsa-sig is not available: type authentication pre-share"),
    ):
        result = typed("crypto isakmp policy 1", line, config=config)
        assert result.warnings == (NEVER + why,), line
        assert result.context is not None
        left = apply_line(result.config, result.context, "exit")
        assert (left.warnings, left.context) == ((), ModeContext()), line
    again = typed("crypto isakmp policy 1", "no group", "no authentication", "exit", config=config)
    assert again.warnings[0].startswith(NEVER + "group 1")
    assert "; authentication rsa-sig" in again.warnings[0]
    mended = typed("crypto isakmp policy 1", "no group", "group 19", "exit", config=config)
    assert mended.warnings == ()


@pytest.mark.parametrize("leave", ["exit", "end", "hostname R9", "crypto isakmp policy 2"])
def test_a_policy_that_was_never_finished_warns_when_its_mode_is_left(leave: str) -> None:
    building = typed("crypto isakmp policy 1")
    assert building.warnings == ()
    for line in ("encr aes", "auth pre-share", "lifetime 600"):
        assert building.context is not None
        building = apply_line(building.config, building.context, line)
        assert building.warnings == (), line
    assert building.context is not None
    left = apply_line(building.config, building.context, leave)
    assert len(left.warnings) == 1
    assert left.warnings[0].startswith(NEVER + "group 1")
    # Looking at it again without a change says nothing.
    assert typed("crypto isakmp policy 1", leave, config=building.config).warnings == ()
    gone = apply_line(building.config, building.context, "no crypto isakmp policy 1")
    assert gone.warnings == ()


def test_the_mtu_of_a_tunnel_with_ospf_warns() -> None:
    config = parse(ACCEPTANCE).config
    for line in ("ip mtu 1300", "mtu 1400"):
        (warning,) = typed("interface tu0", line, config=config).warnings
        assert "Tunnel0 runs OSPF: both ends must have the same MTU" in warning
    set_ = typed("interface tu0", "ip mtu 1300", config=config).config
    assert typed("interface tu0", "ip mtu 1300", config=set_).warnings == ()
    assert "same MTU" in typed("interface tu0", "no ip mtu", config=set_).warnings[0]
    assert typed("interface tu0", "ip ospf mtu-ignore", "ip mtu 1300", config=config).warnings == ()
    assert typed("interface fa1/0", "ip mtu 1300", config=config).warnings == ()
    passive = typed("router ospf 1", "passive-interface tu0", "interface tu0", "ip mtu 1300", config=config)
    assert passive.warnings == ()
    assert typed("no router ospf 1", "interface tu0", "ip mtu 1300", config=config).warnings == ()
    assert "same MTU" in typed("interface tu3", "ip ospf 1 area 0", "ip mtu 1300", config=config).warnings[0]


def test_pfs_without_a_group() -> None:
    result = typed("crypto ipsec profile P", "set pfs")
    assert result.config.ipsec.profiles["P"].pfs_group == 14
    text = "set pfs without a group takes group14 (IOS takes group1): the peer must have the same"
    assert result.warnings == (f"% Warning: {text}",)
    assert "set pfs group14" in render(result.config)
    (problem,) = parse("crypto ipsec profile P\n set pfs\n", "r1.cfg").problems
    assert str(problem) == f"r1.cfg:2:2: warning: 'set pfs': {text}"


def test_missing_references_warn_when_they_are_typed() -> None:
    result = typed("int tu0", "tunnel protection ipsec profile NONE")
    assert result.warnings == (
        "% Warning: Tunnel0: tunnel protection: IPsec profile NONE does not exist (crypto ipsec profile NONE)",
    )


def test_tunnel_lines_need_a_tunnel() -> None:
    with pytest.raises(ConfigError, match="FastEthernet0/0 is no tunnel"):
        typed("int fa0/0", "tunnel destination 10.0.0.1")


def test_passive_default_has_exceptions() -> None:
    result = typed("router ospf 1", "passive-interface default", "no passive-interface tu0")
    assert "no passive-interface Tunnel0" in render(result.config)
    assert result.config.ospf[1].passive_interfaces == ("Tunnel0",)


def test_keys_for_networks_and_a_second_key_for_the_same_peer() -> None:
    config = typed(
        "crypto isakmp key A address 0.0.0.0",
        "crypto isakmp key B address 10.0.0.0 255.0.0.0",
        "crypto isakmp key C address 10.0.0.0 255.0.0.0",
    ).config
    assert [key.network for key in config.isakmp.keys] == [IPv4Network("0.0.0.0/0"), IPv4Network("10.0.0.0/8")]
    assert bytes(config.isakmp.keys[1].key) == b"C"
    # 0.0.0.0 with a host mask is nobody; written without its mask it would be everybody.
    nobody = typed("crypto isakmp key D address 0.0.0.0 255.255.255.255").config
    assert "crypto isakmp key D address 0.0.0.0 255.255.255.255" in render(nobody)


def test_no_removes_the_key_that_is_typed_and_no_other() -> None:
    config = parse(
        "crypto isakmp key LoopedBack!!! address 10.1.12.1\ncrypto keyring K\n"
        " pre-shared-key address 10.0.0.0 255.0.0.0 key hunter2\n"
    ).config
    for lines, who in (
        (("no crypto isakmp key WRONG address 10.1.12.1",), "10.1.12.1"),
        (("no crypto isakmp key LoopedBack!!! address 10.1.12.9",), "10.1.12.9"),
        (("no crypto isakmp key LoopedBack!!! hostname peer",), "peer"),
        (("crypto keyring K", "no pre-shared-key address 10.0.0.0 255.0.0.0 key WRONG"), "10.0.0.0 255.0.0.0"),
    ):
        with pytest.raises(ConfigError) as caught:
            typed(*lines, config=config)
        assert str(caught.value) == f"No such key for {who}"
    assert typed("no crypto isakmp key LoopedBack!!! address 10.1.12.1", config=config).config.isakmp.keys == ()
    for ending in ("", " key", " key hunter2"):
        line = f"no pre-shared-key address 10.0.0.0 255.0.0.0{ending}"
        assert typed("crypto keyring K", line, config=config).config.keyrings["K"].keys == (), line


@pytest.mark.parametrize("name", ["fa1/0", "eth0", "ens3", "Gi0/1"])
def test_a_port_can_be_removed_only_when_nothing_is_configured_on_it(name: str) -> None:
    port = (f"interface {name}", "description typed by mistake")
    with pytest.raises(ConfigError, match=r"^Removal of physical interfaces is not permitted while they are "):
        typed(*port, f"no interface {name}")
    assert typed(*port, f"default interface {name}", f"no interface {name}").config.interfaces == {}
    with pytest.raises(ConfigError, match=r"is not configured$"):
        typed(f"no interface {name}")


@pytest.mark.parametrize("name", ["lo0", "tu0", "Gi0/1.10", "Vlan1"])
def test_an_interface_that_was_made_by_typing_it_can_be_removed(name: str) -> None:
    assert typed(f"interface {name}", f"no interface {name}").config.interfaces == {}


SHORT = (
    ("crypto ipsec profile P", "set security-association replay window-size 512"),
    ("crypto ipsec profile P", "set security-association replay disable"),
    ("crypto ipsec profile P", "set security-association lifetime seconds 600"),
    ("crypto ipsec profile P", "set security-association lifetime kilobytes 3000"),
    ("crypto ipsec profile P", "set pfs group14"),
    ("", "crypto ipsec security-association lifetime seconds 600"),
    ("", "crypto ipsec security-association replay window-size 512"),
    ("", "crypto isakmp keepalive 10 3 periodic"),
    ("", "crypto isakmp nat keepalive 20"),
    ("", "logging trap errors"),
    ("", "banner motd #hello#"),
    ("crypto isakmp policy 1", "encryption aes 256"),
    ("crypto isakmp policy 1", "lifetime 600"),
    ("crypto isakmp peer address 10.0.0.1", "set aggressive-mode client-endpoint fqdn a.example"),
    ("interface tu0", "tunnel mode ipsec ipv4"),
    ("interface tu0", "tunnel protection ipsec profile P"),
    ("interface tu0", "tunnel protection ipsec profile P shared"),
    ("interface tu0", "tunnel protection ipsec policy ipv4 L"),
    ("interface fa0/0", "keepalive 10 3"),
    ("interface fa0/0", "crypto map M"),
    ("interface fa0/0", "ip nat outside"),
    ("interface vt1", "tunnel mode ipsec ipv4"),
    ("crypto ipsec profile P", "set isakmp-profile Q"),
    ("crypto isakmp profile P", "keyring K"),
    ("crypto isakmp profile P", "vrf RED"),
    ("crypto isakmp profile P", "self-identity user-fqdn a@example.com"),
    ("crypto isakmp profile P", "keepalive 10 retry 3"),
    ("crypto isakmp profile P", "virtual-template 7"),
    ("crypto isakmp profile P", "local-address fa0/0"),
    ("crypto isakmp profile P", "initiate mode aggressive"),
    ("crypto isakmp profile P", "accounting LIST"),
    ("", "crypto call admission limit ike sa 100"),
    ("", "crypto call admission limit ike in-negotiation-sa 100"),
    ("", "crypto map M local-address lo0"),
    ("", "crypto map M isakmp-profile P"),
    ("", "crypto map M 65535 ipsec-isakmp dynamic D"),
    ("", "ip nat inside source list 1 interface fa0/0 overload"),
    ("", "ip nat inside source route-map R interface fa0/0 overload"),
    ("crypto map M 10 ipsec-isakmp", "match address VPN"),
    ("crypto map M 10 ipsec-isakmp", "set peer 192.0.2.1 default"),
    ("crypto map M 10 ipsec-isakmp", "set transform-set A B"),
    ("crypto map M 10 ipsec-isakmp", "set pfs group14"),
    ("crypto map M 10 ipsec-isakmp", "set security-association lifetime seconds 600"),
    ("crypto map M 10 ipsec-isakmp", "set security-association lifetime kilobytes disable"),
    ("crypto map M 10 ipsec-isakmp", "set security-association replay window-size 1024"),
    ("crypto map M 10 ipsec-isakmp", "set security-association idle-time 600 default"),
    ("crypto map M 10 ipsec-isakmp", "set security-association level per-host"),
    ("crypto map M 10 ipsec-isakmp", "set isakmp-profile P"),
    ("crypto map M 10 ipsec-isakmp", "set reverse-route distance 20"),
    ("crypto map M 10 ipsec-isakmp", "reverse-route remote-peer 192.0.2.9 gateway"),
    ("crypto map M 10 ipsec-isakmp", "reverse-route static"),
    ("crypto dynamic-map D 10", "match address VPN"),
    ("crypto dynamic-map D 10", "set pfs group14"),
    ("crypto dynamic-map D 10", "reverse-route"),
    ("interface tu0", "ip ospf message-digest-key 1 md5 secret"),
    ("interface tu0", "ip ospf authentication-key secret"),
    ("interface tu0", "ip ospf 1 area 0"),
    ("interface tu0", "ip mtu 1400"),
    ("interface tu0", "keepalive 10 3"),
    ("router ospf 1", "network 10.0.0.0 0.0.0.255 area 0"),
    ("router ospf 1", "area 1 stub no-summary"),
    ("router ospf 1", "area 1 authentication message-digest"),
    ("router ospf 1", "redistribute static subnets"),
    ("router ospf 1", "default-information originate metric 10"),
)
#: Where the shorter form names the object, and not only the command.
NAMED = {
    "ip nat inside source list 1 interface fa0/0 overload": 6,
    "ip nat inside source route-map R interface fa0/0 overload": 6,
    "crypto map M local-address lo0": 4,
    "crypto map M isakmp-profile P": 4,
    "crypto map M 65535 ipsec-isakmp dynamic D": 3,
    "crypto dynamic-map D 10": 3,
    "ip ospf message-digest-key 1 md5 secret": 4,
    "ip ospf 1 area 0": 3,
    "network 10.0.0.0 0.0.0.255 area 0": 3,
    "area 1 stub no-summary": 2,
    "area 1 authentication message-digest": 2,
    "redistribute static subnets": 2,
    "banner motd #hello#": 2,
}


@pytest.mark.parametrize(("opener", "line"), SHORT)
def test_no_takes_the_line_and_every_shorter_form_of_it(opener: str, line: str) -> None:
    opened = typed(opener) if opener else typed("hostname Router")
    assert opened.context is not None
    held = apply_line(opened.config, opened.context, line)
    assert held.config != opened.config
    syntax = TABLE.match(opened.context.mode, line).command.syntax
    keywords = len(re.split(r"[\[(<]", syntax)[0].split())
    words = line.split()
    for length in range(NAMED.get(line, keywords), len(words) + 1):
        short = "no " + " ".join(words[:length])
        assert apply_line(held.config, opened.context, short).config == opened.config, short


def test_no_lifetime_takes_both_lifetimes_away() -> None:
    lines = ("crypto ipsec profile P", "set security-association lifetime seconds 600")
    config = typed(*lines, "set security-association lifetime kilobytes 3000").config
    profile = typed("crypto ipsec profile P", "no set security-association lifetime", config=config)
    assert profile.config.ipsec.profiles["P"] == typed("crypto ipsec profile P").config.ipsec.profiles["P"]
    seconds = typed("crypto ipsec profile P", "no set security-association lifetime seconds", config=config)
    assert seconds.config.ipsec.profiles["P"].lifetime_kilobytes == 3000


def test_access_lists_keep_their_numbers() -> None:
    config = typed(
        "ip access-list extended WEB", "permit tcp any host 10.0.0.1 eq www 443", "15 deny ip any any log"
    ).config
    lines = render(config).splitlines()
    assert " 10 permit tcp any host 10.0.0.1 eq www 443" in lines
    assert " 15 deny ip any any log" in lines


def test_banner_over_several_lines() -> None:
    config = typed("banner motd #Hello\n  world\n#").config
    assert config.banners[0].text == "Hello\n  world\n"
    with pytest.raises(ConfigError, match="end is missing"):
        typed("banner motd #Hello")


def test_comment_behind_a_command() -> None:
    assert typed("hostname R9 ! the ninth").config.hostname == "R9"
    assert typed("interface tu0", "description a ! b").config.interfaces["Tunnel0"].description == "a ! b"


def test_no_takes_away_a_kept_line_whose_command_means_nothing_there() -> None:
    config = parse("interface Tunnel4\n crypto map VPN\n").config
    assert [line.text for line in config.stored if line.unknown] == ["crypto map VPN"]
    opened = typed("interface Tunnel4", config=config)
    assert opened.context is not None
    left = apply_line(opened.config, opened.context, "no crypto map VPN")
    assert not left.config.stored
    with pytest.raises(ConfigError):
        apply_line(left.config, opened.context, "no crypto map VPN")


def test_a_mask_with_gaps_is_refused_in_the_no_form_too() -> None:
    with pytest.raises(ConfigError, match=r"Bad mask 255\.0\.255\.0"):
        typed("int fa0/0", "no ip address 10.0.0.1 255.0.255.0")
