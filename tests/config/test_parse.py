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
    assert (
        str(first) == "r1.cfg:3:20: unknown: 'tunnel mode ipsec ipv5': at 'ipv5', expected ipv4, ipv6 or dual-overlay"
    )
    assert (first.line, first.column, first.word, first.expected) == (3, 20, "ipv5", ("dual-overlay", "ipv4", "ipv6"))
    assert str(second) == "r1.cfg:4:1: unknown: 'frobnicate': at 'frobnicate', no command of this router"
    assert first.severity is Severity.UNKNOWN
    assert first.severity.fatal(strict=True)
    assert not first.severity.fatal(strict=False)


@pytest.mark.parametrize(
    ("section", "line", "shown"),
    [
        ("interface Tunnel0", "shutdwn", "'shutdwn': at 'shutdwn', expected shutdown"),
        ("router ospf 1", "netwrk 10.0.0.0 0.0.0.255 area 0", "at 'netwrk', expected network"),
        ("router ospf 1", "hostnme X", "at 'hostnme', expected hostname"),
        ("crypto ipsec profile P", "set pfss", "at 'pfss', expected pfs, ikev2-profile, "),
        ("crypto isakmp policy 1", "authentication pre-shared", "at 'pre-shared', expected pre-share, rsa-encr or"),
        ("interface Tunnel0", "ip adress 10.0.0.1 255.0.0.0", "at 'adress', expected address, "),
        ("interface Tunnel0", "ip unnumbered FastEthernt1/0", "expected an interface such as FastEthernet0/0"),
    ],
)
def test_the_word_that_was_meant_comes_first(section: str, line: str, shown: str) -> None:
    (problem,) = parse(f"{section}\n {line}\n").problems
    assert shown in problem.text


def test_a_password_behind_authentication_stays_hidden() -> None:
    for line in ("authentication hunter2", "standby 1 authentication hunter2", "authentication pre-share hunter2"):
        assert "hunter2" not in parse(f"frobnicate\n{line}\n").problems[-1].text, line


@pytest.mark.parametrize(
    "line",
    [
        "crypto isakmp kye hunter2 address 1.1.1.1",
        "crypto isakmp ke hunter2 adress 1.1.1.1",
        "crypto isakmp key hunter2 adress 1.1.1.1",
        "crypto keyring K\n pre-shared-ky address 1.1.1.1 key hunter2",
        "crypto keyring K\n pre-shared-key address 1.1.1.1 kee hunter2",
        "enable secert hunter2",
    ],
)
def test_a_secret_stays_hidden_behind_a_misspelt_or_shortened_word(line: str) -> None:
    parsed = parse(f"{line}\n")
    assert parsed.problems
    assert "hunter2" not in "".join(map(str, [*parsed.problems, *validate(parsed.config, parsed.places)]))


def test_what_is_wrong_between_lines_has_the_line_of_its_section() -> None:
    text = (
        "interface Tunnel0\n tunnel source fa1/0\n tunnel destination 10.0.0.1\n tunnel mode ipsec ipv4\n"
        " tunnel protection ipsec profile P\ncrypto isakmp policy 1\n group 14\n!\n"
        "crypto ipsec profile P\n set transform-set NONE\ninterface fa0/0\n ip address 10.0.0.1 255.0.0.0\n"
        "interface fa0/1\n ip address 10.0.0.2 255.0.0.0\n"
    )
    parsed = parse(text, "r1.cfg")
    shown = [str(problem) for problem in validate(parsed.config, parsed.places)]
    assert shown[0].startswith("r1.cfg:13: error: 10.0.0.0 overlaps with FastEthernet0/0")
    assert "r1.cfg:9: warning: crypto ipsec profile P: transform set NONE does not exist" in shown
    assert any(line.startswith("r1.cfg:1: warning: Tunnel0: tunnel source FastEthernet1/0") for line in shown)
    assert any(line.startswith("r1.cfg:6: warning: crypto isakmp policy 1 is never negotiated") for line in shown)
    # Without the file there is no place to name.
    assert str(validate(parsed.config)[0]).startswith("error: 10.0.0.0 overlaps")


def test_many_misread_lines_keep_a_tunnel_down_with_one_warning() -> None:
    wrong = "".join(f"crypto isakmp policy {number}\n encr aes-gcm 256\n" for number in range(1, 13))
    texts = [problem.text for problem in validate(parse(ACCEPTANCE + wrong).config) if "down" in problem.text]
    assert texts == [
        "Tunnel0 stays down: 12 lines are not understood, the first is 'encr aes-gcm 256': correct or remove them"
    ]
    other = "interface Tunnel1\n tunnel mode ipsec ipv4\ninterface Tunnel2\n tunnel mode ipsec ipv4\n"
    texts = [problem.text for problem in validate(parse(ACCEPTANCE + other).config)]
    assert texts == ["Tunnel1, Tunnel2 stay down: tunnel mode ipsec ipv4 needs tunnel protection ipsec profile"]


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
        "crypto ikev2 keyring K\n peer A\n  pre-shared-key 6 hunter2\n  ppk manual id A kye hunter2\n"
        "crypto ikev2 profile P\n authentication local pre-shared key hunter2\n"
    )
    parsed = parse(text)
    assert len(parsed.problems) == 6
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
    ("crypto ipsec profile ProtectTheTunnel\n set ikev2profile X\n", "set ikev2profile X"),
    ("crypto ipsec security-association replay windowsize 1024\n", "replay windowsize"),
    ("interface Tunnel0\n tunnel protection ipsec profile ProtectTheTunnel shred\n", "shred"),
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
        "crypto ikev2 keyring K\n peer A\n  adress 10.1.12.1\n",
        "crypto ikev2 policy P\n match adress 10.1.12.1\n",
        "crypto key param rsa label X modulus 1024\n",
        "crypto pki trustpoint T\n revocation-check frob\n",
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
    assert problems("tunnel mode ipsec ipv4") == (), "GRE is protected too"
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
