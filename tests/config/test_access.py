"""Access lists as rules: against a model of packets that reads the words by itself."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.config.packets import Packet, applies
from tests.config.samples import EDITING, OPENERS, lines_of, opened

from seikan.config.access import (
    ANY_HOST,
    ANY_PORT,
    Hosts,
    Rule,
    crypto_lines,
    denied,
    problems,
    rules,
    selectors,
)
from seikan.config.grammar import Command, LineError
from seikan.config.handlers import ConfigError
from seikan.config.model import Config
from seikan.config.modes import CONFIG, EXTENDED_ACL, STANDARD_ACL
from seikan.config.parse import parse
from seikan.config.session import ModeContext, apply_line
from seikan.wire.selector import Selector


def rules_of(*lines: str, name: str = "A", kind: str = "extended") -> tuple[Rule, ...]:
    report = parse("\n".join((f"ip access-list {kind} {name}", *(f" {line}" for line in lines))))
    assert not report.problems
    return rules(report.config.access_lists[name])


def rule_of(line: str) -> Rule:
    (rule,) = rules_of(line)
    return rule


_ADDRESSES = st.sampled_from([int(IPv4Address(text)) for text in ("10.0.0.1", "10.0.1.1", "10.7.0.1", "192.0.2.9")])
_NUMBERS = {"discard": 9, "sunrpc": 111, "domain": 53, "443": 443, "0": 0, "65535": 65535}
_PORTS = st.sampled_from([0, 8, 9, 10, 53, 54, 443, 65535])
_SIDES: Mapping[str, tuple[int, int]] = {
    "any": (0, 0),
    "host 10.0.0.1": (0x0A000001, 0xFFFFFFFF),
    "10.0.0.0 0.0.0.255": (0x0A000000, 0xFFFFFF00),
    "10.0.0.1 0.255.0.0": (0x0A000001, 0xFF00FFFF),
    "10.9.9.9 0.255.255.255": (0x0A000000, 0xFF000000),
}
_PACKETS = st.builds(
    Packet,
    _ADDRESSES,
    _ADDRESSES,
    st.sampled_from([1, 6, 17, 47]),
    _PORTS,
    _PORTS,
    st.frozensets(st.sampled_from(["syn", "ack", "rst", "fin"])),
    st.tuples(st.sampled_from([0, 3, 8]), st.sampled_from([0, 1, 4])),
    st.sampled_from([0, 34, 46]),
    st.booleans(),
)


def _port_holds(words: str, port: int) -> bool:
    if not words:
        return True
    relation, *names = words.split()
    numbers = [_NUMBERS[name] for name in names]
    return {
        "eq": port in numbers,
        "neq": port != numbers[0],
        "gt": port > numbers[0],
        "lt": port < numbers[0],
        "range": min(numbers) <= port <= max(numbers),
    }[relation]


_NAMES = st.sampled_from(sorted(_NUMBERS))
_PORT_WORDS = st.one_of(
    st.just(""),
    st.just("eq 0"),
    st.lists(_NAMES.filter(lambda name: name != "0"), min_size=1, max_size=3).map(
        lambda names: " ".join(("eq", *names))
    ),
    st.tuples(st.sampled_from(["neq", "gt", "lt"]), _NAMES).map(" ".join),
    st.tuples(st.just("range"), _NAMES, _NAMES).map(" ".join),
)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(
    packet=_PACKETS,
    permit=st.booleans(),
    protocol=st.sampled_from(["ip", "tcp", "udp", "icmp", "gre", "0", "6"]),
    sides=st.tuples(st.sampled_from(sorted(_SIDES)), st.sampled_from(sorted(_SIDES))),
    ports=st.tuples(_PORT_WORDS, _PORT_WORDS),
    option=st.sampled_from(["", "established", "ack", "syn fin"]),
    message=st.sampled_from(["", "echo", "unreachable", "host-unreachable", "3", "3 4"]),
    dscp=st.sampled_from(["", "dscp ef", "dscp 34", "dscp default"]),
)
def test_a_rule_says_of_each_packet_what_its_words_say(
    packet: Packet,
    permit: bool,
    protocol: str,
    sides: tuple[str, str],
    ports: tuple[str, str],
    option: str,
    message: str,
    dscp: str,
) -> None:
    number = {"ip": None, "0": None, "tcp": 6, "6": 6, "udp": 17, "icmp": 1, "gre": 47}[protocol]
    if number not in (6, 17):
        ports = ("", "")
    option = option if number == 6 else ""
    message = message if number == 1 else ""
    words = ("permit" if permit else "deny", protocol, sides[0], ports[0], sides[1], ports[1], option, message, dscp)
    rule = rule_of(" ".join(word for word in words if word))

    network = all(
        address & _SIDES[side][1] == _SIDES[side][0]
        for side, address in zip(sides, (packet.source, packet.destination), strict=True)
    )
    network = network and number in (None, packet.protocol)
    network = network and (not dscp or {"dscp ef": 46, "dscp 34": 34, "dscp default": 0}[dscp] == packet.dscp)
    flags = {"": frozenset[str](), "established": {"ack", "rst"}, "ack": {"ack"}, "syn fin": {"syn", "fin"}}[option]
    icmp = {
        "": True,
        "echo": packet.icmp[0] == 8,
        "unreachable": packet.icmp[0] == 3,
        "host-unreachable": packet.icmp == (3, 1),
        "3": packet.icmp[0] == 3,
        "3 4": packet.icmp == (3, 4),
    }[message]
    transport = (
        _port_holds(ports[0], packet.source_port)
        and _port_holds(ports[1], packet.destination_port)
        and (not flags or bool(packet.flags & flags))
        and icmp
    )
    if packet.later_fragment:  # only what every fragment has can be compared: IOS lets a permit line have it
        compares = bool(flags or message) or rule.source_ports != ANY_PORT or rule.destination_ports != ANY_PORT
        transport = permit or not compares
    assert applies(rule, packet) == (network and transport)
    assert not rule.unsupported


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("permit 10.1.2.3", Hosts(IPv4Address("10.1.2.3"), IPv4Address(0))),
        ("permit host 10.1.2.3 log", Hosts(IPv4Address("10.1.2.3"), IPv4Address(0))),
        ("permit 10.1.2.3 0.0.0.255", Hosts(IPv4Address("10.1.2.0"), IPv4Address("0.0.0.255"))),
        ("permit any", ANY_HOST),
    ],
)
def test_a_standard_line_compares_the_source(line: str, expected: Hosts) -> None:
    assert rules_of(line, kind="standard") == (Rule(10, True, source=expected, log="log" in line),)


def test_names_are_those_of_the_protocol_and_remarks_say_nothing() -> None:
    made = rules_of(
        "remark permit ip any any",
        "permit udp any eq isakmp any eq non500-isakmp",
        "permit tcp any any eq cmd www log-input",
        "permit udp any any eq syslog ntp snmp snmptrap",
        "deny icmp any any administratively-prohibited",
        "permit ahp any any",
    )
    assert [rule.sequence for rule in made] == [20, 30, 40, 50, 60]
    assert made[0].source_ports == ((500, 500),)
    assert made[0].destination_ports == ((4500, 4500),)
    assert made[1].destination_ports == ((80, 80), (514, 514))
    assert made[1].log
    assert made[2].destination_ports == ((123, 123), (161, 162), (514, 514))
    assert made[3].icmp == (3, 13)
    assert made[4].protocol == 51


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("permit ip any any time-range NIGHT", ("time-range NIGHT",)),
        ("permit tcp any any reflect BACK", ("reflect BACK",)),
        ("permit object-group WEB any any", ("object-group WEB",)),
        ("permit ip object-group A object-group B", ("object-group A", "object-group B")),
        ("permit tcp any any eq no-such-port", ("eq no-such-port",)),
        ("permit udp any any eq telnet", ("eq telnet",)),
        ("permit gre any any eq 80", ("eq 80",)),
        ("permit udp any any established", ("established",)),
        ("permit tcp any any echo", ("echo",)),
        ("permit icmp any any echo unreachable", ("unreachable",)),
        ("permit icmp any any 3 1 2", ("2",)),
        ("permit ip any any ttl eq 5 precedence critical", ("ttl eq 5", "precedence critical")),
        ("permit ip host 2001:db8::1 any", ("host 2001:db8::1",)),
        ("permit ip any any dscp 64", ("dscp 64",)),
        ("permit tcp any any eq www fragments", ("fragments",)),
    ],
)
def test_what_cannot_be_told_from_a_packet_is_named_as_typed(line: str, words: tuple[str, ...]) -> None:
    assert tuple(word.lower() for word in rule_of(line).unsupported) == tuple(word.lower() for word in words)


def test_a_line_that_no_packet_matches_has_no_ports() -> None:
    assert rule_of("permit tcp any gt 65535 any lt 0").source_ports == ()
    assert rule_of("permit tcp any gt 65535 any lt 0").destination_ports == ()


@pytest.mark.parametrize(
    "command",
    [row for row in EDITING if row.mode in (EXTENDED_ACL, STANDARD_ACL) or row.syntax.startswith("access-list")],
    ids=lambda row: f"{row.mode}: {row.syntax[:50]}",
)
def test_every_line_of_the_table_is_understood(command: Command) -> None:
    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        config, context = Config(), ModeContext()
        if command.mode != CONFIG:
            config, context = opened(OPENERS[command.mode])
        try:
            config = apply_line(config, context, data.draw(lines_of(command))).config
        except (ConfigError, LineError):
            return
        for access_list in config.access_lists.values():
            made = rules(access_list)
            said = [entry for entry in access_list.entries if not entry.text.startswith("remark ")]
            assert [rule.sequence for rule in made] == [entry.sequence for entry in said]
            for line, rule in zip(crypto_lines(access_list), made, strict=True):
                assert line.permit == rule.permit
                assert not (line.selector and line.problem)
                assert line.selector or line.problem or not line.permit

    check()


def test_the_lines_of_a_crypto_map_are_selectors_with_this_side_as_source() -> None:
    report = parse(
        "access-list 101 permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255\n"
        "access-list 101 deny tcp any any range 1 5\n"
        "access-list 101 permit tcp host 10.1.0.9 eq telnet any log\n"
        "access-list 101 permit gre any host 10.2.0.1\n"
    )
    held = report.config.access_lists["101"]
    everything = IPv4Network("0.0.0.0/0")
    assert selectors(held) == (
        (10, Selector(IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.0/16"))),
        (30, Selector(IPv4Network("10.1.0.9/32"), everything, 6, 23, 0)),
        (40, Selector(everything, IPv4Network("10.2.0.1/32"), 47)),
    )
    assert problems(held) == ()
    assert [line.permit for line in crypto_lines(held)] == [True, False, True, True]
    assert denied(held) == ()  # nothing that is asked for is a range of ports


def test_what_a_deny_line_takes_from_those_behind_it_is_a_selector() -> None:
    report = parse(
        "ip access-list extended SITES\n"
        " deny ip 10.1.0.0 0.0.0.255 any\n"
        " permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255\n"
        " deny tcp any any eq 23\n"
        " deny icmp any any echo\n"
    )
    everything = IPv4Network("0.0.0.0/0")
    assert denied(report.config.access_lists["SITES"]) == (
        (0, Selector(IPv4Network("10.1.0.0/24"), everything)),
        (1, Selector(everything, everything, 6, 0, 23)),
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("permit tcp any any range 20 30", "one line with 'eq PORT' for each port"),
        ("permit tcp any any neq 20", "one line with 'eq PORT' for each port"),
        ("permit tcp any any gt 65535", "one line with 'eq PORT' for each port"),
        ("permit tcp any any eq www 443", "one line with 'eq PORT' for each port"),
        ("permit tcp any any eq 0", "port 0 stands for all ports"),
        ("permit ip 10.0.0.0 0.255.0.255 any", "wildcard 0.255.0.255 is not contiguous"),
        ("permit ip 10.1.0.0 255.255.0.0 any", "255.255.0.0 is a netmask, where a wildcard is meant: type 0.0.255.255"),
        ("permit ip any 10.2.3.0 255.255.255.252", "255.255.255.252 is a netmask, where a wildcard is meant"),
        ("permit tcp any any established", "leave 'established' out"),
        ("permit tcp any any syn", "leave 'syn' out"),
        ("permit icmp any any echo", "leave the message type out"),
        ("permit ip any any fragments", "leave 'fragments' out"),
        ("permit ip any any dscp ef", "leave 'dscp' out"),
        ("permit ip any any time-range T", "'time-range T' cannot be enforced"),
        ("deny ip any any time-range T", "'time-range T' cannot be enforced"),
    ],
)
def test_what_no_sa_can_be_for_is_said_by_list_and_line(line: str, reason: str) -> None:
    report = parse(f"ip access-list extended SITE\n 7 {line}\n")
    held = report.config.access_lists["SITE"]
    (problem,) = problems(held)
    assert problem.startswith("access list SITE, line 7: ")
    assert reason in problem
    assert selectors(held) == ()
