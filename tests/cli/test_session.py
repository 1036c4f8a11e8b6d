"""A user's session, typed: the acceptance session's lines byte for byte, modes, questions, help and errors."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.desk import Desk
from tests.fuzz.fuzz_terminal import one_input

from seikan.cli.exec import PRIVILEGED_TABLE
from seikan.cli.requests import (
    Apply,
    Clear,
    ClearKind,
    Close,
    ConfigureEnd,
    Copy,
    Debug,
    EraseStartup,
    Location,
    Monitor,
    Ping,
    Reply,
    Request,
    Traceroute,
)
from seikan.cli.session import Session
from seikan.cli.shell import Wants
from seikan.config.model import Config, Interface, TunnelMode

ENTERED = "Enter configuration commands, one per line.  End with CNTL/Z.\n"


def base() -> Config:
    """R3 before step 1."""
    interfaces: Mapping[str, Interface] = MappingProxyType(
        {
            "Loopback0": Interface("Loopback0", address=IPv4Interface("3.3.3.3/32")),
            "FastEthernet1/0": Interface("FastEthernet1/0", address=IPv4Interface("10.1.23.3/24")),
        }
    )
    return Config(hostname="R3", interfaces=interfaces)


@pytest.fixture
def desk() -> Desk:
    return Desk(base())


def configuring(*lines: str) -> Desk:
    """A desk at the prompt behind `lines` in configuration mode."""
    desk = Desk(base())
    desk.line("configure terminal")
    for line in lines:
        desk.line(line)
    return desk


# The acceptance session


def test_steps_1_to_3_as_typed(desk: Desk) -> None:
    typed = [
        ("conf t", "R3(config)#", ENTERED),
        ("crypto isakmp policy 1", "R3(config-isakmp)#", ""),
        ("encr aes", "R3(config-isakmp)#", ""),
        ("auth pre-share", "R3(config-isakmp)#", ""),
        ("group 14", "R3(config-isakmp)#", ""),
        ("crypto isakmp key LoopedBack!!! address 10.1.12.1", "R3(config)#", ""),
        ("crypto ipsec transform-set CCIE esp-aes esp-sha-hmac", "R3(cfg-crypto-trans)#", ""),
        ("crypto ipsec profile ProtectTheTunnel", "R3(ipsec-profile)#", ""),
        ("set transform-set CCIE", "R3(ipsec-profile)#", ""),
        ("int tu0", "R3(config-if)#", ""),
        ("ip unnumbered fa1/0", "R3(config-if)#", ""),
        ("tunnel source fa1/0", "R3(config-if)#", ""),
        ("tunnel dest 10.1.12.1", "R3(config-if)#", ""),
        ("tunnel mode ipsec ipv4", "R3(config-if)#", ""),
        ("tunnel protection ipsec profile ProtectTheTunnel", "R3(config-if)#", ""),
    ]
    assert desk.screen == "R3#"
    for line, prompt, answer in typed:
        assert desk.line(line) == answer, line
        assert desk.session.prompt == prompt, line
    assert desk.type("\x1a") == "^Z\r\nR3#"

    policy = desk.config.isakmp.policies[1]
    assert (policy.encryption, policy.authentication, policy.group) == ("aes-cbc-128", "pre-share", 14)
    assert (policy.hash, policy.lifetime_seconds) == (None, 86400)
    assert [str(key.network) for key in desk.config.isakmp.keys] == ["10.1.12.1/32"]
    tunnel = desk.config.interfaces["Tunnel0"].tunnel
    assert tunnel is not None
    assert (tunnel.source, tunnel.destination) == ("FastEthernet1/0", IPv4Address("10.1.12.1"))
    assert (tunnel.mode, tunnel.protection) == (TunnelMode.IPSEC_IPV4, "ProtectTheTunnel")
    assert desk.config.interfaces["Tunnel0"].unnumbered == "FastEthernet1/0"
    assert isinstance(desk.requests[-1], ConfigureEnd)


def test_show_run_begin_crypto_in_both_kinds_of_mode() -> None:
    desk = configuring(
        "crypto isakmp policy 1",
        "encr aes",
        "group 14",
        "crypto isakmp key LoopedBack!!! address 10.1.12.1",
    )
    inside = desk.line("do sh run | b crypto")
    assert inside.startswith("crypto isakmp policy 1\n encr aes\n group 14\n")
    assert "crypto isakmp key LoopedBack!!! address 10.1.12.1\n" in inside
    desk.line("end")
    assert desk.line("show run | begin crypto") == inside
    assert desk.line("sh run | count ^crypto") == "Number of lines which match regexp = 2\n"
    assert desk.line("sh run | include ^hostname|group") == "hostname R3\n group 14\n"
    assert desk.line("sh run | sec isakmp policy") == "crypto isakmp policy 1\n encr aes\n group 14\n"


def test_question_mark_behind_ip_unnumbered_lists_interface_types() -> None:
    desk = configuring("interface tunnel 0")
    shown = desk.type("ip unnumbered ?")
    lines = shown.split("\r\n")
    assert lines[0] == "ip unnumbered ?"
    rows = [line for line in lines if line.startswith("  ")]
    words = [row.split()[0] for row in rows]
    assert {"FastEthernet", "Loopback", "GigabitEthernet"} <= set(words)
    helps = {row.index(row.split()[1], len(row) - len(row.lstrip()) + len(row.split()[0])) for row in rows}
    assert len(helps) == 1, "the help texts stand in one column"
    assert lines[-2:] == ["", "R3(config-if)#ip unnumbered "]
    assert desk.type("fa1/0\r") == "fa1/0\r\nR3(config-if)#"
    assert desk.config.interfaces["Tunnel0"].unnumbered == "FastEthernet1/0"


def test_question_mark_behind_part_of_a_word_and_tab(desk: Desk) -> None:
    assert desk.type("conf?") == "conf?\r\nconfigure\r\n\r\nR3#conf"
    assert desk.type("\t") == "igure "
    assert desk.type("t\t\r").endswith("R3(config)#")
    assert desk.type("int fa\t1/0\r") == "int fa\b\bFastEthernet 1/0\r\nR3(config-if)#"


def test_step_4_ping(desk: Desk) -> None:
    desk.answer = "!!!!!\nSuccess rate is 100 percent (5/5), round-trip min/avg/max = 1/1/1 ms\n"
    assert desk.line("ping 1.1.1.1 source lo0").startswith("!!!!!\nSuccess")
    assert desk.requests == [Ping("1.1.1.1", source="Loopback0")]


def test_traceroute_takes_its_options_in_any_order(desk: Desk) -> None:
    desk.line("traceroute 1.1.1.1")
    desk.line("trace 1.1.1.1 probe 1 source lo0 timeout 1 numeric")
    assert desk.requests == [
        Traceroute("1.1.1.1"),
        Traceroute("1.1.1.1", source="Loopback0", probes=1, timeout=1.0),
    ]


# Modes


@pytest.mark.parametrize("leave", ["end", "\x1a"])
def test_ways_out_of_configuration(leave: str) -> None:
    desk = configuring("interface Tunnel0")
    assert desk.type(leave if leave < " " else leave + "\r").endswith("\r\nR3#")
    assert desk.requests[-1] == ConfigureEnd()


def test_exit_goes_up_one_mode_and_then_logs_out() -> None:
    desk = configuring("interface Tunnel0")
    desk.lines("exit")
    assert desk.session.prompt == "R3(config)#"
    desk.lines("exit")
    assert desk.session.prompt == "R3#"
    assert desk.type("exit\r") == "exit\r\n"
    assert desk.requests[-1] == Close()
    assert desk.terminal.closed


@pytest.mark.parametrize("word", ["logout", "quit", "exit", "lo", "q"])
def test_ways_out_of_the_session(desk: Desk, word: str) -> None:
    desk.type(f"{word}\r")
    assert desk.requests == [Close()]


def test_control_z_behind_a_line_applies_it_first() -> None:
    desk = configuring()
    desk.type("hostname Hub\x1a")
    assert desk.config.hostname == "Hub"
    assert desk.session.prompt == "Hub#"


def test_a_long_host_name_is_cut_in_configuration_prompts_only() -> None:
    desk = configuring(f"hostname {'r' * 30}")
    assert desk.session.prompt == f"{'r' * 20}(config)#"
    desk.line("end")
    assert desk.session.prompt == f"{'r' * 30}#"


def test_a_refused_line_leaves_the_mode_as_it_was() -> None:
    desk = configuring("interface Tunnel0")
    before = desk.config
    desk.refuse = "% the daemon says no"
    assert desk.line("interface Tunnel1") == "% the daemon says no\n"
    assert desk.session.prompt == "R3(config-if)#"
    assert desk.config is before
    desk.refuse = ""
    assert desk.line("description still Tunnel0") == ""
    assert desk.config.interfaces["Tunnel0"].description == "still Tunnel0"


def test_a_line_that_changes_nothing_asks_nothing_of_the_daemon() -> None:
    desk = configuring("interface Loopback0")
    assert desk.requests == []
    assert desk.session.prompt == "R3(config-if)#"


@pytest.mark.parametrize("line", ["", "   ", "!", "! a comment", "!end indicator for bulk configure"])
def test_comments_and_blank_lines_do_nothing_in_any_mode(line: str) -> None:
    for desk in (Desk(base()), configuring(), configuring("interface Tunnel0")):
        before, requests = desk.session.prompt, list(desk.requests)
        assert desk.line(line) == ""
        assert desk.session.prompt == before
        assert desk.requests == requests


# Errors


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("shw version", "   ^\n% Invalid input detected at '^' marker.\n\n"),
        ("show foo", "        ^\n% Invalid input detected at '^' marker.\n\n"),
        ("  show foo", "          ^\n% Invalid input detected at '^' marker.\n\n"),
        ("ping 1.1.1.1 sauce", "                ^\n% Invalid input detected at '^' marker.\n\n"),
        ("show", "% Incomplete command.\n\n"),
        ("ping", "% Incomplete command.\n\n"),
        ("c", '% Ambiguous command:  "c"\n'),
        ("show run | include", "% Incomplete command.\n\n"),
        ("show run | foo x", "              ^\n% Invalid input detected at '^' marker.\n\n"),
        ("write | include x", "         ^\n% Invalid input detected at '^' marker.\n\n"),
        ("show history | include (", "% Failed to compile regular expression: unmatched '('\n\n"),
    ],
)
def test_errors_in_exec_mode(desk: Desk, line: str, answer: str) -> None:
    assert desk.line(line) == answer
    assert desk.requests == []


@pytest.mark.parametrize(
    ("line", "caret"),
    [
        ("hostnme R9", "R3(config-if)#"),
        ("do show foo", "R3(config-if)#do show "),
        ("do  show foo", "R3(config-if)#do  show "),
        ("ip address 10.0.0.1 255.0", "R3(config-if)#ip address 10.0.0.1 "),
        ("tunnel mode ipsec ipv5", "R3(config-if)#tunnel mode ipsec "),
    ],
)
def test_the_caret_stands_below_the_wrong_word_in_configuration(line: str, caret: str) -> None:
    desk = configuring("interface Tunnel0")
    assert desk.line(line) == " " * len(caret) + "^\n% Invalid input detected at '^' marker.\n\n"
    assert desk.session.prompt == "R3(config-if)#"


def test_help_for_what_does_not_exist(desk: Desk) -> None:
    assert desk.type("show foo ?").split("\r\n")[1] == "% Unrecognized command"
    desk.type("\x15")
    assert desk.type("xyz?").split("\r\n")[1] == "% Unrecognized command"
    desk.type("\x15")
    assert desk.type("c i ?").split("\r\n")[1] == '% Ambiguous command:  "c i"'


def test_help_behind_the_pipe(desk: Desk) -> None:
    assert "  |     Output modifiers\r\n  <cr>\r\n" in desk.type("show privilege ?")
    desk.type("\x15")
    assert "  begin    Begin with the line that matches\r\n" in desk.type("show privilege | ?")
    assert desk.type("inc\t") == "include "


def test_every_word_that_help_lists_in_exec_mode_has_a_help_text() -> None:
    lacking, waiting = [], [""]
    while waiting:
        line = waiting.pop()
        for row in PRIVILEGED_TABLE.completions("exec", line):
            if not row.help and row.word != "<cr>":
                lacking.append(line + row.word)
            # Options of ping and traceroute may follow each other in any order: one round of them is enough.
            if row.literal and row.word.islower() and " 1.1.1.1 " not in line:
                waiting.append(f"{line}{row.word} ")
            elif line in ("ping ", "traceroute "):
                waiting.append(f"{line}1.1.1.1 ")
    assert lacking == []


def test_do_is_offered_and_completed_in_configuration() -> None:
    desk = configuring()
    assert "  do " in desk.type("?")
    assert desk.type("do conf?").split("\r\n")[1] == "configure"
    assert desk.type("\t") == "igure "


# Privilege


def test_a_local_session_is_privileged_and_enable_is_silent(desk: Desk) -> None:
    desk.lines("enable", "enable")
    assert desk.line("show privilege") == "Current privilege level is 15\n"
    desk.lines("disable")
    assert desk.session.prompt == "R3>"
    assert desk.line("configure terminal").endswith("% Invalid input detected at '^' marker.\n\n")
    assert desk.line("show running-config").endswith("% Invalid input detected at '^' marker.\n\n")
    desk.lines("enable")
    assert desk.session.prompt == "R3#"


def test_without_a_password_nobody_climbs_above_where_they_came_in() -> None:
    desk = Desk(base(), privilege=1)
    assert desk.screen == "R3>"
    assert desk.line("enable") == "% No password set\n"
    assert desk.session.prompt == "R3>"


def test_enable_asks_for_the_password_three_times_and_never_shows_it() -> None:
    desk = Desk(base(), privilege=1, enable=lambda password: password == "opensesame")
    assert desk.type("enable\r") == "enable\r\nPassword: "
    assert desk.type("wrong\r") == "\r\nPassword: "
    assert desk.type("wrong\r") == "\r\nPassword: "
    assert desk.type("wrong\r") == "\r\n% Bad secrets\r\n\r\nR3>"
    assert desk.type("enable\ropensesame\r") == "enable\r\nPassword: \r\nR3#"
    assert "opensesame" not in desk.line("show history")
    desk.lines("disable")
    assert desk.type("enable\r\x03") == "enable\r\nPassword: \r\nR3>"


# Requests and questions


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("write", Copy(Location.RUNNING, Location.STARTUP)),
        ("wr", Copy(Location.RUNNING, Location.STARTUP)),
        ("write mem", Copy(Location.RUNNING, Location.STARTUP)),
        ("ping ip 10.0.0.1", Ping("10.0.0.1")),
        ("ping r1.example", Ping("r1.example")),
        (
            "ping 10.0.0.1 size 1400 df-bit repeat 10 timeout 1 source 3.3.3.3",
            Ping("10.0.0.1", "3.3.3.3", 10, 1400, 1.0, True),
        ),
        ("ping 10.0.0.1 timeout 0 source lo0", Ping("10.0.0.1", "Loopback0", timeout=0.0)),
        ("clear crypto isakmp", Clear(ClearKind.ISAKMP)),
        ("cl cry isa 1001", Clear(ClearKind.ISAKMP, conn_id=1001)),
        ("clear crypto sa", Clear(ClearKind.SA)),
        ("clear crypto sa peer 10.1.12.1", Clear(ClearKind.SA, peer=IPv4Address("10.1.12.1"))),
        ("clear crypto sa counters", Clear(ClearKind.SA_COUNTERS)),
        ("clear crypto session remote 10.1.12.1", Clear(ClearKind.SESSION, peer=IPv4Address("10.1.12.1"))),
        ("debug crypto isakmp", Debug("isakmp", True)),
        ("deb cry ips", Debug("ipsec", True)),
        ("no debug crypto ipsec", Debug("ipsec", False)),
        ("undebug crypto isakmp", Debug("isakmp", False)),
        ("un all", Debug(None, False)),
        ("no debug all", Debug(None, False)),
        ("terminal monitor", Monitor(True)),
        ("term no mon", Monitor(False)),
    ],
)
def test_requests(desk: Desk, line: str, request_: Request) -> None:
    desk.line(line)
    assert desk.requests == [request_]


@pytest.mark.parametrize(
    ("line", "question", "answer", "request_"),
    [
        (
            "copy running-config startup-config",
            "Destination filename [startup-config]? ",
            "\r",
            Copy(Location.RUNNING, Location.STARTUP),
        ),
        ("copy run start", "Destination filename [startup-config]? ", "b.cfg\r", Copy(Location.RUNNING, "b.cfg")),
        (
            "copy start run",
            "Destination filename [running-config]? ",
            "running-config\r",
            Copy(Location.STARTUP, Location.RUNNING),
        ),
        ("copy run /root/x", "Destination filename [/root/x]? ", "\r", Copy(Location.RUNNING, "/root/x")),
        ("copy /root/x run", "Destination filename [running-config]? ", "\r", Copy("/root/x", Location.RUNNING)),
        ("write erase", "This removes the startup configuration. Continue? [confirm]", "\r", EraseStartup()),
        ("erase start", "This removes the startup configuration. Continue? [confirm]", "y", EraseStartup()),
        (
            "clear counters fa1/0",
            'Clear "show interface" counters on this interface [confirm]',
            "\r",
            Clear(ClearKind.COUNTERS, interface="FastEthernet1/0"),
        ),
        (
            "clear counters",
            'Clear "show interface" counters on all interfaces [confirm]',
            "\r",
            Clear(ClearKind.COUNTERS),
        ),
        ("clear logging", "Clear logging buffer [confirm]", "\r", Clear(ClearKind.LOGGING)),
        ("clear ip ospf process", "Reset ALL OSPF processes? [no]: ", "yes\r", Clear(ClearKind.OSPF)),
    ],
)
def test_questions(desk: Desk, line: str, question: str, answer: str, request_: Request) -> None:
    assert desk.type(f"{line}\r") == f"{line}\r\n{question}"
    assert desk.requests == []
    assert desk.type(answer).endswith("R3#")
    assert desk.requests == [request_]


@pytest.mark.parametrize(("line", "answer"), [("write erase", "n"), ("clear ip ospf process", "\r"), ("wr e", "\x03")])
def test_a_question_answered_with_no_does_nothing(desk: Desk, line: str, answer: str) -> None:
    desk.type(f"{line}\r")
    assert desk.type(answer).endswith("\r\nR3#")
    assert desk.requests == []


def test_where_nobody_is_asked_questions_answer_themselves() -> None:
    desk = Desk(base(), interactive=False)
    desk.answer = "[OK]"
    assert desk.type("copy run start\nclear ip ospf process\nshow privilege\n") == (
        "[OK]\r\n[OK]\r\nCurrent privilege level is 15\r\n"
    )
    assert desk.requests == [Copy(Location.RUNNING, Location.STARTUP), Clear(ClearKind.OSPF)]


def test_without_prompts_an_error_shows_the_line() -> None:
    desk = Desk(base(), interactive=False)
    assert desk.type("show foo\n") == ("show foo\r\n     ^\r\n% Invalid input detected at '^' marker.\r\n\r\n")
    assert desk.type("show\n") == "% Incomplete command.\r\n\r\n"


@pytest.mark.parametrize("columns", [24, 40, 60])
@pytest.mark.parametrize("place", [0, 1, 4, 8, 11])
def test_of_a_line_that_scrolled_an_error_shows_the_wrong_word(columns: int, place: int) -> None:
    words = ["crypto", "ipsec", "transform-set", "A", "esp-aes", "256", "esp-sha256-hmac", *["more"] * 5]
    words[place] = "wrong"
    session = Session(base)
    session.feed("configure terminal")
    session.columns = columns
    reply = session.feed(" ".join(words))
    assert isinstance(reply, Reply)
    assert reply.failed
    shown, caret, message, _ = reply.lines
    assert message == "% Invalid input detected at '^' marker."
    assert max(len(shown), len(caret)) < columns
    first_wrong = "more" if place > 7 else "wrong"
    assert shown[caret.index("^") :].startswith(first_wrong)
    session.columns = None
    unlimited = session.feed(" ".join(words))
    assert isinstance(unlimited, Reply)
    assert len(unlimited.lines[0]) > len("R3(config)#")


@pytest.mark.parametrize(
    ("line", "failed"),
    [
        ("show", True),
        ("c", True),
        ("show crypto isakmp nonsense", True),
        ("show history | include (", True),
        ("show history | x", True),
        ("", False),
        ("! a remark", False),
        ("show history", False),
        ("terminal length 0", False),
        ("enable", False),
    ],
)
def test_a_refused_line_is_told_from_an_answer(line: str, failed: bool) -> None:
    reply = Session(base).feed(line)
    assert isinstance(reply, Reply)
    assert reply.failed == failed
    assert failed == any("%" in said for said in reply.lines)


# Show


def test_show_running_config_has_the_frame_of_ios(desk: Desk) -> None:
    shown = desk.line("show running-config").split("\n")
    assert shown[:2] == ["Building configuration...", ""]
    body = "\n".join(shown[3:])
    assert shown[2] == f"Current configuration : {len(body)} bytes"
    assert "hostname R3" in shown
    assert shown[-2] == "end"
    assert desk.line("write terminal").split("\n") == shown


def test_show_running_config_of_one_interface(desk: Desk) -> None:
    shown = desk.line("sh run int lo0").split("\n")
    assert shown[3:] == ["!", "interface Loopback0", " ip address 3.3.3.3 255.255.255.255", "end", "", ""]
    assert desk.line("sh run int lo9") == "% Interface Loopback9 is not configured\n"


def test_show_startup_config(desk: Desk) -> None:
    assert desk.line("show startup-config") == "startup-config is not present\n"
    desk.startup = "hostname R3\nend\n"
    assert desk.line("sh start") == "Using 16 bytes\nhostname R3\nend\n"


def test_show_history_is_of_the_mode(desk: Desk) -> None:
    desk.line("show privilege")
    desk.line("configure terminal")
    desk.line("hostname R3")
    assert desk.line("do show history") == "  hostname R3\n  do show history\n"
    desk.line("end")
    assert desk.line("show history") == "  show privilege\n  configure terminal\n  show history\n"
    desk.lines("terminal history size 1")
    assert desk.line("show history") == "  show history\n"


def test_show_debugging(desk: Desk) -> None:
    assert desk.line("show debugging") == ""


# Clients


def test_a_netmiko_session() -> None:
    """netmiko's cisco_ios: LF, waits for the echo of each command, then for the prompt."""
    desk = Desk(base(), rows=24)
    assert desk.type("\n") == "\r\nR3#"
    assert desk.type("terminal width 511\n") == "terminal width 511\r\nR3#"
    assert desk.type("terminal length 0\n") == "terminal length 0\r\nR3#"
    assert desk.type("\n") == "\r\nR3#"
    assert "--More--" not in desk.type("show running-config\n")
    assert desk.type("configure terminal\n").endswith(")#")
    assert desk.type("interface Loopback0\ndescription set by a script\n").endswith("R3(config-if)#")
    assert desk.type("end\n") == "end\r\nR3#"
    desk.answer = "Building configuration...\n[OK]\n"
    assert desk.type("write mem\n") == "write mem\r\nBuilding configuration...\r\n[OK]\r\nR3#"
    desk.type("\nexit\n")
    assert desk.terminal.closed
    assert desk.config.interfaces["Loopback0"].description == "set by a script"


def test_a_unicon_session() -> None:
    """pyATS: CR, `enable` again and again, console and vty lines configured before any work."""
    desk = Desk(base(), rows=24)
    for line in ("", "enable", "enable", "term length 0", "term width 0"):
        assert desk.line(line) == ""
    assert desk.line("config term") == ENTERED
    for line in ("no logging console", "line console 0", "exec-timeout 0", "line vty 0 4", "exec-timeout 0"):
        desk.line(line)
        assert desk.session.prompt in ("R3(config)#", "R3(config-line)#"), line
    desk.line("end")
    assert desk.type("\x1e") == "\r\nR3#"
    assert desk.type("\x03") == "\r\nR3#"


def test_an_ansible_session() -> None:
    desk = Desk(base())
    assert desk.line("show privilege") == "Current privilege level is 15\n"
    for line in ("terminal length 0", "terminal width 512", "terminal width 0"):
        assert desk.line(line) == ""
    assert "interface Loopback0\n" in desk.line("show running-config | section ^interface")
    assert desk.type("copy running-config startup-config\r\r").endswith("R3#")


def test_a_banner_is_typed_over_several_lines() -> None:
    desk = configuring()
    shown = desk.type("banner motd #\rWelcome? to R3\r\rhostname is no command here\r#\r")
    assert shown.endswith("R3(config)#")
    assert desk.config.hostname == "R3"
    assert [banner.text.strip("\n") for banner in desk.config.banners] == [
        "Welcome? to R3\n\nhostname is no command here"
    ]
    desk.type("banner login $ one line $\r")
    assert len(desk.config.banners) == 2
    before = desk.config
    desk.type("banner motd #\rgiven up\x03")
    assert desk.session.prompt == "R3(config)#"
    assert desk.config is before


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=400))
def test_nothing_typed_breaks_the_session(data: bytes) -> None:
    """Wherever it leads, two Ctrl-C lead back to a prompt that takes a command."""
    router = one_input(data)
    for _ in range(2):
        router.answer(commit=True)
        router.handle(router.terminal.receive(b"\x03"))
    assert router.terminal.closed or router.shown.endswith(router.session.prompt.encode())
    assert router.terminal.closed or router.session.wants is Wants.COMMAND


def test_every_apply_names_its_line() -> None:
    desk = configuring("interface Tunnel0")
    assert [request.line for request in desk.requests if isinstance(request, Apply)] == ["interface Tunnel0"]
