"""The types of arguments that a command's syntax may name: how `?` shows them and how words become values.

A placeholder is `<name:type>` or `<name:type(parameter)>`. Values: ipv4, mask, netmask (a mask without
gaps) and wildcard are `IPv4Address`, ipv6 `IPv6Address`, prefix6 `IPv6Interface`, area `IPv4Address`,
interface a canonical name (parameter `typed`: `?` leaves out what nobody types; `device`: what has no device of its
own, too), secret a `Secret`, number an `int`, the others `str`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Interface

from seikan.config.names import INTERFACE_TYPES, expand, interface_type, interface_types
from seikan.wire.secret import Secret


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a line and the column (from 0) where it begins."""

    text: str
    column: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What an argument took: its value, how many words, and how IOS writes it."""

    value: object
    words: int
    text: str


@dataclass(frozen=True, slots=True)
class ArgumentType:
    """One row of the table of types.

    `rank` decides where several types fit the same word: the lower wins. `take` returns None where
    the words do not fit. `meant` says more than `display` where a word was refused.
    """

    name: str
    display: str
    rank: int
    take: Callable[[str, Sequence[Word], str], Taken | None]  # (line, words from here on, parameter)
    meant: str = ""

    def shown(self, parameter: str) -> str:
        """What `?` prints for it."""
        return f"<{parameter}>" if self.name == "number" else self.display


_QUAD = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\Z")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?\Z")


def _quad(text: str) -> IPv4Address | None:
    if not _QUAD.match(text):
        return None
    octets = [int(part) for part in text.split(".")]
    if max(octets) > 255:
        return None
    return IPv4Address(bytes(octets))


def _take_quad(_line: str, words: Sequence[Word], _parameter: str) -> Taken | None:
    address = _quad(words[0].text)
    return None if address is None else Taken(address, 1, str(address))


def contiguous(mask: IPv4Address) -> bool:
    """True for a mask whose set bits are all in front."""
    inverted = ~int(mask) & 0xFFFFFFFF
    return inverted & (inverted + 1) == 0


def _take_netmask(_line: str, words: Sequence[Word], _parameter: str) -> Taken | None:
    mask = _quad(words[0].text)
    return None if mask is None or not contiguous(mask) else Taken(mask, 1, str(mask))


def _take_ipv6(_line: str, words: Sequence[Word], _parameter: str) -> Taken | None:
    if "%" in words[0].text:
        return None
    try:
        address = IPv6Address(words[0].text)
    except ValueError:
        return None
    return Taken(address, 1, str(address).upper())


def _take_prefix6(_line: str, words: Sequence[Word], _parameter: str) -> Taken | None:
    text, slash, length = words[0].text.partition("/")
    if not slash or not length.isdecimal() or not length.isascii() or "%" in text:
        return None
    try:
        prefix = IPv6Interface(f"{text}/{int(length)}")
    except ValueError:
        return None
    return Taken(prefix, 1, str(prefix).upper())


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 20 else None


def _take_number(_line: str, words: Sequence[Word], parameter: str) -> Taken | None:
    number = _number(words[0].text)
    low, _, high = parameter.partition("-")
    if number is None or not int(low) <= number <= int(high):
        return None
    return Taken(number, 1, str(number))


def _take_area(_line: str, words: Sequence[Word], _parameter: str) -> Taken | None:
    number = _number(words[0].text)
    if number is not None and number < 1 << 32:
        return Taken(IPv4Address(number), 1, str(number))
    address = _quad(words[0].text)
    return None if address is None else Taken(address, 1, str(address))


def _take_interface(_line: str, words: Sequence[Word], _parameter: str) -> Taken | None:
    name = expand(words[0].text)
    if name is not None:
        return Taken(name, 1, name)
    if len(words) > 1 and words[0].text.replace("-", "").isalpha() and words[1].text[:1].isdigit():
        name = expand(f"{words[0].text} {words[1].text}")
        if name is not None:
            return Taken(name, 2, name)
    return None


def _take_word(_line: str, words: Sequence[Word], _parameter: str) -> Taken | None:
    return Taken(words[0].text, 1, words[0].text)


def _take_host(_line: str, words: Sequence[Word], _parameter: str) -> Taken | None:
    text = words[0].text
    if _QUAD.match(text):
        return _take_quad(_line, words, _parameter)
    if ":" in text:
        return _take_ipv6(_line, words, _parameter)
    return Taken(text, 1, text) if _HOST.match(text) else None


def _take_secret(_line: str, words: Sequence[Word], _parameter: str) -> Taken | None:
    try:
        secret = Secret(words[0].text.encode())
    except UnicodeEncodeError:
        return None
    return Taken(secret, 1, words[0].text)


def _take_rest(line: str, words: Sequence[Word], _parameter: str) -> Taken | None:
    text = line[words[0].column :].rstrip()
    return Taken(text, len(words), text)


ARGUMENT_TYPES: dict[str, ArgumentType] = {
    row.name: row
    for row in (
        ArgumentType("number", "<number>", 0, _take_number),
        ArgumentType("ipv4", "A.B.C.D", 0, _take_quad),
        ArgumentType("mask", "A.B.C.D", 0, _take_quad),
        ArgumentType("netmask", "A.B.C.D", 0, _take_netmask, "a mask such as 255.255.255.0"),
        ArgumentType("wildcard", "A.B.C.D", 0, _take_quad),
        ArgumentType("ipv6", "X:X:X:X::X", 0, _take_ipv6),
        ArgumentType("prefix6", "X:X:X:X::X/<0-128>", 0, _take_prefix6),
        ArgumentType("area", "<0-4294967295>", 0, _take_area),
        ArgumentType("interface", "interface", 1, _take_interface, "an interface such as FastEthernet0/0"),
        ArgumentType("host", "Hostname or A.B.C.D", 2, _take_host),
        ArgumentType("word", "WORD", 3, _take_word),
        ArgumentType("secret", "WORD", 3, _take_secret),
        ArgumentType("rest", "LINE", 4, _take_rest),
    )
}


#: Types that an argument's parameter leaves out of `?`; who types one all the same is told why it is refused.
_LEFT_OUT = {"": (), "typed": ("Virtual-Access",), "device": ("Virtual-Access", "Virtual-Template")}


def interface_choices(prefix: str, parameter: str = "") -> tuple[tuple[str, str], ...]:
    """The interface types `?` lists for the start of a word, with the help of each."""
    rows = interface_types(prefix) if prefix else INTERFACE_TYPES
    return tuple((row.name, row.help) for row in rows if row.name not in _LEFT_OUT[parameter])


def interface_number(word: str) -> tuple[str, str] | None:
    """What `?` shows after an interface type that still lacks its number; None where `word` is no type."""
    row = interface_type(word)
    if row is None:
        return None
    return (row.numbers if not row.slots else "<0-99>", f"{row.name} interface number")
