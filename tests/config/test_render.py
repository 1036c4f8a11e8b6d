"""What is written is read again as what it was."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.config.samples import ACCEPTANCE, EDITING, OPENERS, configurations, lines_of, opened, ordered

from seikan.config.grammar import LineError
from seikan.config.handlers import ConfigError
from seikan.config.model import Config
from seikan.config.modes import CONFIG
from seikan.config.parse import parse
from seikan.config.render import render, render_lines, render_section
from seikan.config.session import SECTIONS, ModeContext, apply_line

EXPECTED = """\
!
hostname R3
!
crypto isakmp policy 1
 encr aes
 authentication pre-share
 group 14
!
crypto isakmp key LoopedBack!!! address 10.1.12.1
!
crypto ipsec transform-set CCIE esp-aes esp-sha-hmac
 mode tunnel
!
crypto ipsec profile ProtectTheTunnel
 set transform-set CCIE
!
interface Loopback0
 ip address 3.3.3.3 255.255.255.255
!
interface Tunnel0
 ip unnumbered FastEthernet1/0
 tunnel source FastEthernet1/0
 tunnel mode ipsec ipv4
 tunnel destination 10.1.12.1
 tunnel protection ipsec profile ProtectTheTunnel
!
interface FastEthernet1/0
 ip address 10.1.23.3 255.255.255.0
!
router ospf 1
 network 3.3.3.3 0.0.0.0 area 0
 network 10.1.23.3 0.0.0.0 area 0
!
ip route 0.0.0.0 0.0.0.0 10.1.23.2
!
end
"""


def test_acceptance_configuration_is_written_as_ios_writes_it() -> None:
    parsed = parse(ACCEPTANCE)
    assert parsed.problems == ()
    assert render(parsed.config) == EXPECTED
    assert parse(EXPECTED).config == parsed.config


def test_empty_configuration() -> None:
    assert render(Config()) == "!\nhostname Router\n!\nend\n"


def test_one_section() -> None:
    config = parse(ACCEPTANCE).config
    assert render_section(config, "interface", "Loopback0") == (
        "interface Loopback0",
        " ip address 3.3.3.3 255.255.255.255",
    )
    assert render_section(config, "interface", "Loopback9") == ()


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(configurations())
def test_any_configuration_survives_writing_and_reading(config: Config) -> None:
    text = render(config)
    parsed = parse(text)
    assert [str(problem) for problem in parsed.problems if problem.severity.fatal(strict=True)] == []
    assert ordered(parsed.config) == ordered(config)
    assert render(parsed.config) == text


@pytest.mark.parametrize("command", EDITING, ids=lambda command: f"{command.mode}: {command.syntax}")
def test_every_row_reads_what_it_writes(command) -> None:  # type: ignore[no-untyped-def]
    accepted = 0

    @settings(max_examples=15, deadline=None, derandomize=True, database=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        nonlocal accepted
        config, context = Config(), ModeContext()
        if command.mode in SECTIONS:
            port = command.syntax.startswith("crypto map") and command.mode == "config-if"  # which no tunnel has
            config, context = opened(("interface fa0/0",) if port else OPENERS[command.mode])
        elif command.mode != CONFIG:
            opener = {"config-line": "line vty 0 4", "config-stored": "route-map A permit 10"}[command.mode]
            result = apply_line(config, context, opener)
            assert result.context is not None
            config, context = result.config, result.context
        try:
            after = apply_line(config, context, data.draw(lines_of(command))).config
        except (ConfigError, LineError):
            return
        accepted += 1
        assert ordered(parse(render(after)).config) == ordered(after)

    check()
    refusable = ("tunnel ", "crypto ipsec transform-set", "<sequence", "ip access-list", "area <", "access-list")
    assert accepted or command.syntax.startswith(refusable)


def test_stored_lines_have_a_place() -> None:
    text = "version 15.2\nservice timestamps log datetime msec\nip ssh version 2\nline con 0\n exec-timeout 0 0\n"
    lines = render_lines(parse(text).config)
    assert lines == (
        "!",
        "version 15.2",
        "service timestamps log datetime msec",
        "!",
        "hostname Router",
        "!",
        "ip ssh version 2",
        "!",
        "line con 0",
        " exec-timeout 0 0",
        "!",
        "end",
    )
