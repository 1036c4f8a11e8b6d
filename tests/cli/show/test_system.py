"""show version, clock, logging and access lists."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.cli.show.example import STATUS, render
from tests.cli.show.hub import HUB

# What clients of IOS look for in `show version`: Netmiko's autodetection, NAPALM's facts, Ansible's facts, pyATS.
CLIENT_PATTERNS = (
    r"Cisco IOS Software",
    r"Cisco IOS Software, .*",
    r"IOS Software",
    r"Version (\S+)",
    r"^R3 uptime is (.+)",
    r"Processor board ID (\S+)",
    r"(?i)Cisco (.+?) .+bytes of",
    r"^[Cc]isco (\S+).+bytes of .*memory",
    r'image file is "(.+)"',
)


def test_version_is_recognised_by_clients_of_ios() -> None:
    text = "\n".join(render("show version", STATUS))
    for pattern in CLIENT_PATTERNS:
        assert re.search(pattern, text, re.MULTILINE), pattern
    assert "Cisco IOS XE Software" not in text


def test_version_says_what_it_is() -> None:
    lines = render("show version", STATUS)
    assert lines[0] == "Seikan 0.1.0, an independent router for Linux and not a Cisco product."
    assert "R3 uptime is 1 hour, 2 minutes" in lines
    assert "System restarted at 11:32:51 UTC Sun Mar 1 2026" in lines
    assert "Problem: UDP 500 is taken by charon (pid 7)" in lines
    assert "ROM: Linux 6.1.0" in lines
    assert "Copyright (c) 2026 the authors of Seikan, Apache-2.0" in lines
    later = replace(STATUS, now=STATUS.now.replace(year=2031))
    assert "Copyright (c) 2026-2031 the authors of Seikan, Apache-2.0" in render("show version", later)


def test_inventory_is_the_host() -> None:
    name, part, _ = render("show inventory", STATUS)
    # What ntc-templates look for.
    assert re.fullmatch(r'NAME: "(.*?)", DESCR: "(.*)"', name)
    fields = re.fullmatch(r"PID:\s+(\S+)\s*,\s+VID:\s+(\S+)\s*,\s+SN:\s+(\S+)", part)
    assert fields is not None
    assert fields.groups() == ("SEIKAN", "V0.1.0", "4f2a")


def test_clock() -> None:
    assert render("show clock", STATUS) == ["*12:34:56.789 UTC Sun Mar 1 2026"]
    sure = replace(STATUS, time_source_synchronized=True)
    assert render("show clock detail", sure) == ["12:34:56.789 UTC Sun Mar 1 2026", "Time source is NTP"]


def test_logging() -> None:
    lines = render("show logging", STATUS)
    assert lines[0] == (
        "Syslog logging: enabled (0 messages dropped, 0 messages rate-limited, 0 flushes, 0 overruns, xml disabled,"
        " filtering disabled)"
    )
    assert "    Console logging: level debugging, 2 messages logged, xml disabled," in lines
    assert "    Buffer logging:  level debugging, 2 messages logged, xml disabled," in lines
    assert lines[-4] == "Log Buffer (4096 bytes):"
    assert lines[-2:] == [
        "*Mar  1 12:00:00.001: %CRYPTO-6-ISAKMP_ON_OFF: ISAKMP is ON",
        "*Mar  1 12:00:02.044: %LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0, changed state to up",
    ]


def test_logging_of_the_console_can_be_off() -> None:
    logging = replace(STATUS.running.logging, console=False, buffered_level="informational", hosts=("192.0.2.9",))
    lines = render("show logging", replace(STATUS, running=replace(STATUS.running, logging=logging)))
    assert "    Console logging: disabled" in lines
    assert "    Buffer logging:  level informational, 2 messages logged, xml disabled," in lines
    assert "        Logging to 192.0.2.9  (kept in the configuration, without effect)" in lines


def test_access_lists() -> None:
    standard = [
        "Standard IP access list 10",
        "    10 permit 10.1.2.3 log",
        "    20 deny   10.1.1.1",
        "    30 deny   192.168.1.0, wildcard bits 0.0.0.255",
        "    40 deny   any log",
    ]
    extended = ["Extended IP access list 101", "    10 permit tcp any host 10.1.1.1 eq www"]
    assert render("show access-lists [<name:word>]", STATUS) == standard + extended
    assert render("show ip access-lists [<name:word>]", STATUS, name="101") == extended


def test_access_lists_count_what_they_matched() -> None:
    assert render("show access-lists", HUB) == [
        "Standard IP access list 10",
        "    10 permit 10.1.2.3 log (1 match)",
        "    20 deny   10.1.1.1",
        "    30 deny   192.168.1.0, wildcard bits 0.0.0.255",
        "    40 deny   any log (12 matches)",
        "Extended IP access list 101",
        "    10 permit tcp any host 10.1.1.1 eq www",
        "Extended IP access list SITES",
        "    10 permit ip 10.3.0.0 0.0.255.255 10.5.0.0 0.0.255.255",
        "    20 permit ip 10.3.0.0 0.0.255.255 host 10.5.9.1 (7 matches)",
    ]
