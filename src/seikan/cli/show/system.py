"""show version, show clock and show logging."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.text import date, long_span, precise_date
from seikan.cli.status import LoggingStatus, Need, Status
from seikan.config.model import Logging

NOTHING: frozenset[Need] = frozenset()
LOGGING = frozenset({Need.LOGGING})

# The release of IOS whose command language and output formats Seikan follows.
IOS_VERSION = "15.7"
FIRST_YEAR = 2026

_DEFAULT_LEVEL = "debugging"
_DEFAULT_TRAP_LEVEL = "informational"


def show_version(status: Status, arguments: Arguments) -> Iterator[str]:
    """Says that this is Seikan, in lines by which clients of IOS recognise a router they can talk to."""
    yield f"Seikan {status.version}, an independent router for Linux and not a Cisco product."
    yield "The language of its command line is compatible with:"
    yield (
        f"Cisco IOS Software, Linux Software (SEIKAN-{status.plane.upper()}), Version {IOS_VERSION},"
        f" RELEASE SOFTWARE (seikan-{status.version})"
    )
    years = str(FIRST_YEAR) if status.now.year <= FIRST_YEAR else f"{FIRST_YEAR}-{status.now.year}"
    yield f"Copyright (c) {years} the authors of Seikan, Apache-2.0"
    yield ""
    yield f"ROM: {status.kernel}"
    yield ""
    yield f"{status.running.hostname} uptime is {long_span(status.uptime)}"
    yield f"System restarted at {date(status.now - timedelta(seconds=status.uptime))}"
    yield f'System image file is "linux:seikan-{status.version}"'
    yield f'Configuration file is "{status.config_file}"'
    yield f"Data plane is {status.plane}"
    yield ""
    processor = f"({status.machine}, not a Cisco product) processor"
    yield f"cisco SEIKAN {processor} with {status.memory_kilobytes}K bytes of memory."
    yield f"Processor board ID {status.serial or 'none'}"
    for problem in status.problems:
        yield f"Problem: {problem}"
    yield ""


def show_inventory(status: Status, arguments: Arguments) -> Iterator[str]:
    """One part, the host: what is plugged into it is the operating system's business."""
    yield f'NAME: "Chassis", DESCR: "Seikan on {status.kernel}, {status.machine}"'
    yield f"PID: {'SEIKAN':<18}, VID: {f'V{status.version}':<5}, SN: {status.serial}"
    yield ""


def _clock(status: Status) -> str:
    mark = "" if status.time_source_synchronized else "*"
    return f"{mark}{precise_date(status.now)}"


def show_clock(status: Status, arguments: Arguments) -> Iterator[str]:
    """An asterisk tells that the time is not authoritative."""
    yield _clock(status)


def show_clock_detail(status: Status, arguments: Arguments) -> Iterator[str]:
    yield _clock(status)
    yield "Time source is NTP" if status.time_source_synchronized else "No time source"


def _destination(label: str, level: str, messages: int, enabled: bool) -> Iterator[str]:
    if enabled:
        yield f"    {label:<16} level {level}, {messages} messages logged, xml disabled,"
        yield "                     filtering disabled"
    else:
        yield f"    {label:<16} disabled"


def show_logging(status: Status, arguments: Arguments) -> Iterator[str]:
    config: Logging = status.running.logging
    log = status.logging or LoggingStatus((), config.buffered or 4096, 0, 0, 0, 0)
    yield (
        f"Syslog logging: {'enabled' if config.on else 'disabled'} ({log.dropped} messages dropped,"
        " 0 messages rate-limited, 0 flushes, 0 overruns, xml disabled, filtering disabled)"
    )
    yield ""
    yield "No Active Message Discriminator."
    yield ""
    yield "No Inactive Message Discriminator."
    yield ""
    yield from _destination(
        "Console logging:", config.console_level or _DEFAULT_LEVEL, log.console_messages, config.on and config.console
    )
    yield from _destination("Monitor logging:", config.monitor_level or _DEFAULT_LEVEL, log.monitor_messages, config.on)
    yield from _destination("Buffer logging:", config.buffered_level or _DEFAULT_LEVEL, log.buffer_messages, config.on)
    yield "    Exception Logging: disabled"
    yield "    Count and timestamp logging messages: disabled"
    yield "    Persistent logging: disabled"
    yield ""
    yield "No active filter modules."
    yield ""
    yield f"    Trap logging: level {config.trap_level or _DEFAULT_TRAP_LEVEL}, 0 message lines logged"
    for host in config.hosts:
        yield f"        Logging to {host}  (kept in the configuration, without effect)"
    yield ""
    yield f"Log Buffer ({log.size} bytes):"
    yield ""
    yield from log.buffer


_HELP = {
    "show": "Show running system information",
    "version": "System hardware and software status",
    "inventory": "Show the physical inventory",
    "clock": "Display the system clock",
    "detail": "Display detailed information",
    "logging": "Show the contents of logging buffers",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show version", _HELP, NOTHING, show_version),
    ShowCommand("show inventory", _HELP, NOTHING, show_inventory),
    ShowCommand("show clock", _HELP, NOTHING, show_clock),
    ShowCommand("show clock detail", _HELP, NOTHING, show_clock_detail),
    ShowCommand("show logging", _HELP, LOGGING, show_logging),
)
