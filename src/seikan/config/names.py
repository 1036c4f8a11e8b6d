"""Names of interfaces: IOS types and numbers, their short forms, and Linux names as they are."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InterfaceType:
    """One IOS interface type: `short` is the two letters of tables, `slots` whether `1/0` numbers exist.

    `numbers` is what `?` shows for the number of a type without slots.
    """

    name: str
    short: str
    help: str
    slots: bool = True
    numbers: str = "<0-2147483647>"


INTERFACE_TYPES: tuple[InterfaceType, ...] = (
    InterfaceType("ATM", "AT", "ATM interface"),
    InterfaceType("BVI", "BV", "Bridge-Group Virtual Interface", slots=False),
    InterfaceType("Cellular", "Ce", "Cellular WAN interface"),
    InterfaceType("Dialer", "Di", "Dialer interface", slots=False),
    InterfaceType("Ethernet", "Et", "IEEE 802.3"),
    InterfaceType("FastEthernet", "Fa", "FastEthernet IEEE 802.3"),
    InterfaceType("FortyGigabitEthernet", "Fo", "Forty GigabitEthernet"),
    InterfaceType("GigabitEthernet", "Gi", "GigabitEthernet IEEE 802.3z"),
    InterfaceType("HundredGigE", "Hu", "Hundred GigabitEthernet"),
    InterfaceType("Loopback", "Lo", "Loopback interface", slots=False),
    InterfaceType("Multilink", "Mu", "Multilink-group interface", slots=False),
    InterfaceType("Null", "Nu", "Null interface", slots=False),
    InterfaceType("Port-channel", "Po", "Ethernet channel of interfaces", slots=False),
    InterfaceType("Serial", "Se", "Serial"),
    InterfaceType("TenGigabitEthernet", "Te", "Ten GigabitEthernet"),
    InterfaceType("Tunnel", "Tu", "Tunnel interface", slots=False),
    InterfaceType("TwentyFiveGigE", "Tw", "Twenty-five GigabitEthernet"),
    InterfaceType("Virtual-Access", "Vi", "Virtual Access interface", slots=False),
    InterfaceType("Virtual-Template", "Vt", "Virtual Template interface", slots=False, numbers="<1-4095>"),
    InterfaceType("Vlan", "Vl", "Virtual LAN", slots=False),
)

_BY_NAME = {row.name: row for row in INTERFACE_TYPES}
_NUMBER = re.compile(r"\d{1,10}(?:/\d{1,5}){0,3}(?:\.\d{1,10})?(?::\d{1,5})?")
_SPLIT = re.compile(r"([A-Za-z][A-Za-z-]*)[ \t]*(\d[\d/.:]*)\Z")
# `eth0`, `wan0`, `enp0s31f6`, `bond0.12`: what Linux names end in a number or are known to be made from one.
_LINUX = re.compile(
    r"(?:en(?:[ops]|x)[0-9a-z]+|wl(?:an)?[opsx]?[0-9a-z]+|ww(?:an)?[ops]?[0-9a-z]+|veth[0-9A-Za-z_-]*|br-[0-9a-z]+"
    r"|[A-Za-z0-9]{1,9}-eth\d+|[a-z][a-z_-]*\d+)(?:\.\d{1,4})?\Z"
)
_ALIKE = 0.75  # how like an IOS type a word is that was meant to be one
_TELLING = 5  # letters: a shorter word, `lan`, is like too many
_LINUX_LENGTH = 15  # IFNAMSIZ without its terminator
_HIGHEST = 2147483647


def expand(text: str) -> str | None:
    """The canonical name: `fa1/0` is FastEthernet1/0, `tu 0` Tunnel0, `eth0` stays; None where it is no interface."""
    if text == "lo" or (len(text) <= _LINUX_LENGTH and _LINUX.match(text) and not _meant_for_ios(text)):
        return text
    split = _SPLIT.match(text)
    if split is None or not _NUMBER.fullmatch(split.group(2)):
        return None
    row = interface_type(split.group(1))
    number = split.group(2)
    if row is None or (not row.slots and not re.fullmatch(r"\d+(\.\d+)?", number)):
        return None
    if number.isdigit():
        if int(number) > _HIGHEST:
            return None
        number = str(int(number))
    return row.name + number


def _meant_for_ios(text: str) -> bool:
    """Whether a word abbreviates an IOS type or is one misspelt: an error, not a Linux device that never comes."""
    word = text.rstrip("0123456789.")
    if text.startswith(("eth", "en")):
        return False
    names = [row.name.lower() for row in INTERFACE_TYPES]
    if any(word == row.short.lower() for row in INTERFACE_TYPES):
        return True
    misspelt = len(word) >= _TELLING and bool(difflib.get_close_matches(word, names, 1, _ALIKE))
    return misspelt or any(name.startswith(word) for name in names)


def interface_type(prefix: str) -> InterfaceType | None:
    """The type that `prefix` abbreviates, or None where none or several do; `Vi` and `Vt` are the two letters."""
    found = interface_types(prefix)
    exact = [row for row in INTERFACE_TYPES if prefix.lower() in (row.name.lower(), row.short.lower())]
    if exact:
        return exact[0]
    return found[0] if len(found) == 1 else None


def interface_types(prefix: str) -> tuple[InterfaceType, ...]:
    """All types whose name begins with `prefix`, in the order of `?`."""
    return tuple(row for row in INTERFACE_TYPES if row.name.lower().startswith(prefix.lower()))


def type_of(name: str) -> InterfaceType | None:
    """The type of a canonical name; None for a Linux name."""
    return _BY_NAME.get(name.rstrip("0123456789/.:"))


def short(name: str) -> str:
    """`Fa1/0` for FastEthernet1/0; a Linux name as it is."""
    row = type_of(name)
    return name if row is None else row.short + name[len(row.name) :]


def is_tunnel(name: str) -> bool:
    """True for what has a tunnel device of its own: `Tunnel0`, and `Virtual-Access1`."""
    row = type_of(name)
    return row is not None and row.name in ("Tunnel", "Virtual-Access")


def is_template(name: str) -> bool:
    """True for `Virtual-Template1`, which has no device: copies of it have."""
    row = type_of(name)
    return row is not None and row.name == "Virtual-Template"


def is_access(name: str) -> bool:
    """True for `Virtual-Access1`, which the router makes and nobody types."""
    row = type_of(name)
    return row is not None and row.name == "Virtual-Access"


def is_loopback(name: str) -> bool:
    """True for `Loopback0`."""
    row = type_of(name)
    return row is not None and row.name == "Loopback"


def is_removable(name: str) -> bool:
    """True for what exists because it was typed, such as `Loopback0` and `FastEthernet0/0.10`; False for a port."""
    row = type_of(name)
    return row is not None and (not row.slots or "." in name)


def sort_key(name: str) -> tuple[int, str, tuple[int, ...], str]:
    """The order of IOS listings: loopbacks and tunnels first, then each type by its numbers, Linux names last."""
    row = type_of(name)
    numbers = tuple(int(part) for part in re.findall(r"\d+", name))
    if row is None:
        return (3, "", (), name)
    first = {"Loopback": 0, "Tunnel": 1}.get(row.name, 2)
    return (first, row.name, numbers, name)
