"""How IOS writes times, numbers and names: the small forms that all show commands share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from ipaddress import IPv4Address, IPv4Interface

from seikan.cli.show.command import Arguments
from seikan.cli.status import Address, InterfaceStatus, Status
from seikan.config.model import Interface, Tunnel

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
YEAR = 365 * DAY

ACCESS, TEMPLATE = "Virtual Access", "Virtual Template"  # kinds of hardware
TUNNELS = ("Tunnel", ACCESS)  # those with a tunnel device of their own

FRR_SILENT = "% FRR does not answer, so routing is not known; see show logging"


def clock(seconds: float) -> str:
    """`HH:MM:SS`, whatever the number of hours."""
    whole = max(0, int(seconds))
    return f"{whole // HOUR:02d}:{whole % HOUR // MINUTE:02d}:{whole % MINUTE:02d}"


def age(seconds: float | None) -> str:
    """A time span as IOS writes it: `never` for None, 00:00:12, 1d02h, 1w2d, 1y3w."""
    if seconds is None:
        return "never"
    whole = max(0, int(seconds))
    if whole < DAY:
        return clock(whole)
    if whole < WEEK:
        return f"{whole // DAY}d{whole % DAY // HOUR:02d}h"
    if whole < YEAR:
        return f"{whole // WEEK}w{whole % WEEK // DAY}d"
    return f"{whole // YEAR}y{whole % YEAR // WEEK}w"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def long_span(seconds: float) -> str:
    """As after `uptime is`: `2 weeks, 1 day, 5 minutes`; units that are zero are left out, minutes never."""
    rest = max(0, int(seconds))
    words = []
    for size, noun in ((YEAR, "year"), (WEEK, "week"), (DAY, "day"), (HOUR, "hour")):
        if rest >= size:
            words.append(plural(rest // size, noun))
            rest %= size
    words.append(plural(rest // MINUTE, "minute"))
    return ", ".join(words)


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def zone(when: datetime) -> str:
    return when.tzname() or "UTC"


def date(when: datetime) -> str:
    """`10:01:02 UTC Mon Oct 19 2015`, English in every locale."""
    return f"{when:%H:%M:%S} {zone(when)} {_DAYS[when.weekday()]} {_MONTHS[when.month - 1]} {when.day} {when.year}"


def precise_date(when: datetime) -> str:
    """`10:01:02.345 UTC Mon Oct 19 2015`."""
    milliseconds = f"{when:%H:%M:%S}.{when.microsecond // 1000:03d}"
    return f"{milliseconds} {zone(when)} {_DAYS[when.weekday()]} {_MONTHS[when.month - 1]} {when.day} {when.year}"


def pad(text: str, width: int) -> str:
    """`text` in a column of `width`; a longer text pushes what follows by one space instead of touching it."""
    return text.ljust(width) if len(text) < width else f"{text} "


def area_name(area: IPv4Address) -> str:
    """Areas below 65536 as a number, like most configurations write them; others dotted."""
    number = int(area)
    return str(number) if number < 1 << 16 else str(area)


def address_of(status: Status, interface: InterfaceStatus) -> IPv4Interface | None:
    """The address an interface answers with: its own, or the one it borrows (`ip unnumbered`)."""
    if interface.unnumbered is None:
        return interface.address
    lender = find_interface(status, interface.unnumbered)
    return lender.address if lender is not None else interface.address


def secondary_addresses(status: Status, interface: InterfaceStatus) -> tuple[IPv4Interface, ...]:
    """As configured, then what the kernel calls secondary besides; the kernel does so within one network alone."""
    configured = interface_config(status, interface.name).secondary
    found = dict.fromkeys([*configured, *interface.secondary])
    return tuple(address for address in found if address != interface.address)


def find_interface(status: Status, name: str) -> InterfaceStatus | None:
    return next((row for row in status.interfaces if row.name == name), None)


def argument(arguments: Arguments, name: str) -> object | None:
    """What was typed for the placeholder `name`; None where nothing was. (A keyword of that name is True.)"""
    value = arguments.get(name)
    return None if value is True else value


def chosen_interfaces(status: Status, arguments: Arguments) -> tuple[InterfaceStatus, ...]:
    """The interface named by the argument `interface`, or all of them where none was typed."""
    name = argument(arguments, "interface")
    if name is None:
        return status.interfaces
    return tuple(row for row in status.interfaces if row.name == str(name))


def no_interface(arguments: Arguments) -> str:
    return f"% There is no interface {argument(arguments, 'interface')}"


def interface_config(status: Status, name: str) -> Interface:
    """As typed, or as cloned from its template."""
    return status.in_force.interfaces.get(name) or Interface(name)


def tunnel_config(status: Status, name: str) -> Tunnel:
    return interface_config(status, name).tunnel or Tunnel()


def link_words(interface: InterfaceStatus) -> tuple[str, str]:
    """The state of the interface and of its line protocol, as in `X is S, line protocol is P`."""
    if not interface.admin_up:
        return "administratively down", "down"
    # A template is up and its line protocol down for ever: only its copies carry traffic.
    if interface.hardware == TEMPLATE:
        return "up", "down"
    # IOS calls a tunnel or loopback up as soon as it is not shut down; the line protocol tells the rest.
    up = interface.present and (interface.protocol_up or interface.hardware in (*TUNNELS, "Loopback"))
    return "up" if up else "down", "up" if interface.protocol_up and interface.present else "down"


def dotted_mac(mac: str) -> str:
    """`0011.2233.4455` of `00:11:22:33:44:55`."""
    digits = "".join(character for character in mac.lower() if character in "0123456789abcdef")
    return ".".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def counters(title: str, values: Mapping[str, int]) -> Iterator[str]:
    """Named counters, one a line, those that are zero too; nothing at all for an empty table."""
    if values:
        yield title
        width = max(len(name) for name in values) + 2
        for name, value in sorted(values.items()):
            yield f"  {name:<{width}}{value}"


def joined(words: Iterable[str]) -> str:
    return " ".join(word for word in words if word)


def address_text(address: Address | None, unknown: str = "unknown") -> str:
    """IOS writes IPv6 in capitals."""
    return unknown if address is None else str(address).upper() if address.version == 6 else str(address)


def endpoint_text(address: Address | None) -> str:
    """An end of a tunnel; all zeros while it is not known, so that parsers still find an address."""
    return address_text(address, str(IPv4Address(0)))
