"""Files: every problem at once with its place, and nothing that was misread makes a tunnel weaker."""

from __future__ import annotations

import pytest
from tests.config.samples import ACCEPTANCE

from seikan.config.parse import Severity, parse
from seikan.config.render import render
from seikan.config.session import ModeContext, apply_line
from seikan.config.validate import tunnel_problems, validate


def test_problems_name_file_line_column_word_and_what_was_expected() -> None:
    parsed = parse("hostname R1\ninterface Tunnel0\n tunnel mode ipsec ipv5\nfrobnicate\n", "r1.cfg")
    first, second = parsed.problems
    assert str(first) == "r1.cfg:3:20: unknown: unknown line 'tunnel mode ipsec ipv5': at 'ipv5', expected ipv4 or ipv6"
    assert (first.line, first.column, first.word, first.expected) == (3, 20, "ipv5", ("ipv4", "ipv6"))
    assert str(second) == "r1.cfg:4:1: unknown: unknown line 'frobnicate': at 'frobnicate'"
    assert first.severity is Severity.UNKNOWN
    assert first.severity.fatal(strict=True)
    assert not first.severity.fatal(strict=False)


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    parsed = parse("\ufeffhostname R7\r\n")
    assert (parsed.config.hostname, parsed.problems) == ("R7", ())


def test_a_mask_with_gaps_is_refused_at_the_mask() -> None:
    (problem,) = parse("crypto isakmp key hunter2 address 10.1.12.0 255.255.255.25\n").problems
    assert problem.column == 45
    assert "expected a mask such as 255.255.255.0" in problem.text
    assert "hunter2" not in repr(problem)


def test_problems_show_no_secret() -> None:
    text = (
        "crypto isakmp key 6 hunter2 address 10.0.0.1\ncrypto isakmp key hunter2 adress 10.0.0.1\n"
        "snmp-server hunter2\ninterface Tunnel0\n ip ospf authentication-key 7 hunter2\n"
        "crypto ikev2 keyring K\n peer A\n  pre-shared-key hunter2\n"
    )
    parsed = parse(text)
    assert len(parsed.problems) == 4
    shown = "\n".join(map(str, parsed.problems)) + repr(parsed)
    shown += "\n".join(tunnel_problems(parsed.config, "Tunnel0"))
    assert "hunter2" not in shown
    assert "hunter2" in render(parsed.config)


def test_unknown_lines_are_kept_and_written_again() -> None:
    text = "router bgp 65000\n neighbor 10.0.0.1 remote-as 1\n address-family ipv4\n  network 10.0.0.0\n"
    parsed = parse(text)
    assert [problem.lines for problem in parsed.problems] == [4]
    written = render(parsed.config)
    assert all(line in written.splitlines() for line in text.splitlines())
    assert parse(written).config == parsed.config


def test_no_removes_an_unknown_line() -> None:
    config = parse("frobnicate 7\n below\nhostname R1\n").config
    assert len(config.stored) == 2
    assert apply_line(config, ModeContext(), "no frobnicate 7").config.stored == ()


POISON = (
    ("crypto isakmp policy 1\n encr aes-gcm 256\n", "crypto isakmp policy 1"),
    ("crypto isakmp policy ten\n encr aes 256\n", "crypto isakmp policy ten"),
    ("crypto isakmp policy 1\n group 24\n", "group 24"),
    ("crypto isakmp key 6 QUJD address 10.1.12.1\n", "crypto isakmp key"),
    ("crypto isakmp key Another adress 10.1.12.1\n", "crypto isakmp key"),
    ("crypto ipsec transform-set CCIE esp-aes 512 esp-sha-hmac\n", "transform-set CCIE"),
    ("crypto ipsec transform-set CCIE esp-3des esp-sha-hmac\n", "transform-set CCIE"),
    ("crypto ipsec transform-set CCIE esp-aes esp-sha-hmac\n mode tunnle\n", "mode tunnle"),
    ("crypto ipsec profile ProtectTheTunnel\n set pfs group24\n", "set pfs group24"),
    ("crypto ipsec profile ProtectTheTunnel\n set ikev2-profile X\n", "set ikev2-profile X"),
    ("crypto ipsec security-association replay windowsize 1024\n", "replay windowsize"),
    ("interface Tunnel0\n tunnel protection ipsec profile ProtectTheTunnel shared\n", "shared"),
    ("interface Tunnel0\n tunnel vrf RED\n", "tunnel vrf RED"),
    ("int tu0\n crypto map M\n", "crypto map M"),
)


@pytest.mark.parametrize(("lines", "named"), POISON)
def test_a_misread_line_keeps_its_tunnel_down(lines: str, named: str) -> None:
    config = parse(ACCEPTANCE + lines).config
    problems = tunnel_problems(config, "Tunnel0")
    assert problems
    assert named in problems[0]
    assert "not understood" in problems[0]
    # Writing the configuration and starting with it again does not forgive.
    assert tunnel_problems(parse(render(config)).config, "Tunnel0") == problems


@pytest.mark.parametrize(
    "lines",
    [
        "crypto isakmp key 6 QUJD address 192.0.2.1\n",
        "crypto ipsec transform-set OTHER esp-aes 512\n",
        "crypto ipsec profile OTHER\n set pfs group24\n",
        "crypto map M 10 ipsec-isakmp\n set peer 10.1.12.1\n",
        "crypto ikev2 keyring K\n peer A\n",
        "interface Tunnel7\n tunnel vrf RED\n",
        "router bgp 65000\n neighbor 10.1.12.1 remote-as 1\n",
    ],
)
def test_a_misread_line_of_others_does_not(lines: str) -> None:
    assert tunnel_problems(parse(ACCEPTANCE + lines).config, "Tunnel0") == ()


def test_a_misread_gre_tunnel_stays_down_too() -> None:
    text = (
        "interface Tunnel0\n tunnel source 10.0.0.1\n tunnel destination 10.0.0.2\n tunnel protection psec profile P\n"
    )
    assert len(tunnel_problems(parse(text).config, "Tunnel0")) == 1


def test_what_a_tunnel_lacks() -> None:
    def problems(removed: str, added: str = "") -> tuple[str, ...]:
        text = "\n".join(line for line in ACCEPTANCE.splitlines() if line != removed) + f"\n{added}\n"
        return tunnel_problems(parse(text).config, "Tunnel0")

    assert problems("") == ()
    assert "needs tunnel protection" in problems("tunnel protection ipsec profile ProtectTheTunnel")[0]
    assert "tunnel mode gre is not available" in problems("tunnel mode ipsec ipv4")[0]
    assert (
        "transform set CCIE does not exist"
        in problems("crypto ipsec transform-set CCIE esp-aes esp-sha-hmac", "interface Tunnel0")[0]
    )
    assert "turned off" in problems("", "no crypto isakmp enable")[0]


def test_sections_end_where_the_indent_does() -> None:
    text = "route-map A permit 10\n!\nrouter ospf 1\n router-id 1.1.1.1\nclass-map X\n match any\nhostname R7\n"
    config = parse(text).config
    assert config.ospf[1].router_id is not None
    assert config.hostname == "R7"
    assert {line.path for line in config.stored} == {(), ("class-map X",)}


def test_a_file_over_a_running_configuration() -> None:
    base = parse(ACCEPTANCE).config
    merged = parse("hostname R4\n", base=base).config
    assert merged.hostname == "R4"
    assert merged.interfaces == base.interfaces
    assert parse(render(base), base=base).config == base


def test_a_banner_without_end_takes_nothing_with_it() -> None:
    parsed = parse("banner motd #Hello\nhostname R9\n")
    assert parsed.config.hostname == "R9"
    assert "end is missing" in parsed.problems[0].text
    assert "banner" not in render(parsed.config)


def test_validate() -> None:
    def texts(text: str, severity: Severity) -> list[str]:
        return [problem.text for problem in validate(parse(text).config) if problem.severity is severity]

    overlap = (
        "interface FastEthernet0/0\n ip address 10.0.0.1 255.0.0.0\n"
        "interface FastEthernet0/1\n ip address 10.9.0.1 255.255.0.0\n"
    )
    assert texts(overlap, Severity.ERROR) == [
        "10.9.0.0 overlaps with FastEthernet0/0 (FastEthernet0/1 has 10.9.0.1/16)"
    ]
    loop = "interface Tunnel0\n ip unnumbered Tunnel1\ninterface Tunnel1\n ip unnumbered Loopback0\n"
    assert "itself unnumbered" in texts(loop, Severity.ERROR)[0]
    weak = texts("crypto isakmp policy 1\n authentication pre-share\n", Severity.WARNING)
    assert "never negotiated: encryption des" in weak[0]
    assert validate(parse(ACCEPTANCE).config) == ()
