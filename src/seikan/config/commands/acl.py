"""Access lists: numbered and named, standard and extended. What their lines say is read in `config.access`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from typing import cast

from seikan.config.grammar import Command, Match
from seikan.config.handlers import ConfigError, Section, Setting, with_item, without_item
from seikan.config.model import AccessList, AccessListEntry, Config
from seikan.config.modes import CONFIG, EXTENDED_ACL, STANDARD_ACL

_STEP = 10
_HIGHEST = 2147483647
_STANDARD_NUMBERS = ((1, 99), (1300, 1999))
_EXTENDED_NUMBERS = ((100, 199), (2000, 2699))

_ACTION = "(permit|deny)"
_STANDARD_ENTRY = f"{_ACTION} (any|host <host:ipv4>|<address:ipv4> [<wildcard:wildcard>]) [log]"
_ADDRESS = (
    "(any|host <host:ipv4>|<address:ipv4> <wildcard:wildcard>|object-group <group:word>"
    "|host <host6:ipv6>|<prefix:prefix6>)"
)
_PORT = "[eq <port:word>...|neq <port:word>...|gt <bound:word>|lt <bound:word>|range <low:word> <high:word>]"
_PROTOCOLS = "ip|tcp|udp|icmp|igmp|gre|esp|ahp|ospf|eigrp|ipinip|nos|pcp|pim|object-group <service:word>"
_FLAGS = "ack|fin|psh|rst|syn|urg"
_ICMP = (
    "echo|echo-reply|unreachable|packet-too-big|time-exceeded|ttl-exceeded|port-unreachable|redirect|traceroute"
    "|administratively-prohibited|source-quench|host-unreachable|net-unreachable|parameter-problem"
)
_OPTIONS = (
    f"[established|log|log-input|fragments|{_FLAGS}|{_ICMP}|<type:number(0-255)>"
    "|dscp <value:word>|precedence <value:word>|tos <value:word>|time-range <value:word>|option <value:word>"
    "|ttl eq <value:word>|reflect <value:word>]..."
)
_EXTENDED_ENTRY = f"{_ACTION} ({_PROTOCOLS}|<protocol:number(0-255)>) {_ADDRESS} {_PORT} {_ADDRESS} {_PORT} {_OPTIONS}"
_REMARK = "remark <remark:rest>"
_SEQUENCE = "[<sequence:number(1-2147483647)>]"

_HELP = {
    "permit": "Specify packets to forward",
    "deny": "Specify packets to reject",
    "remark": "Access list entry comment",
    "<remark>": "Comment up to 100 characters",
    "any": "Any source or destination host",
    "host": "A single host",
    "<host>": "Host address",
    "<address>": "Address to match",
    "<wildcard>": "Wildcard bits",
    "log": "Log matches against this entry",
    "log-input": "Log matches against this entry, including input interface",
    "eq": "Match only packets on a given port number",
    "neq": "Match only packets not on a given port number",
    "gt": "Match only packets with a greater port number",
    "lt": "Match only packets with a lower port number",
    "range": "Match only packets in the range of port numbers",
    "<port>": "Port number or name",
    "established": "Match established connections",
    "fragments": "Check non-initial fragments",
    "object-group": "Object group",
    "ip": "Any Internet Protocol",
    "tcp": "Transmission Control Protocol",
    "udp": "User Datagram Protocol",
    "icmp": "Internet Control Message Protocol",
    "igmp": "Internet Gateway Message Protocol",
    "gre": "GRE tunneling",
    "esp": "Encapsulation Security Payload",
    "ahp": "Authentication Header Protocol",
    "ospf": "OSPF routing protocol",
    "eigrp": "EIGRP routing protocol",
    "pim": "Protocol Independent Multicast",
    "ipinip": "IP in IP tunneling",
    "nos": "KA9Q NOS compatible IP over IP tunneling",
    "pcp": "Payload Compression Protocol",
    "<protocol>": "An IP protocol number",
    "<sequence>": "Sequence Number",
    "<type>": "ICMP message type",
    **{flag: f"Match on the {flag.upper()} bit" for flag in _FLAGS.split("|")},
    **{message: f"Match ICMP {message} messages" for message in _ICMP.split("|")},
    "dscp": "Match packets with given dscp value",
    "precedence": "Match packets with given precedence value",
    "tos": "Match packets with given TOS value",
    "time-range": "Specify a time-range",
    "option": "Match packets with given IP options value",
    "ttl": "Match packets with given TTL value",
    "reflect": "Create reflexive access list entry",
}


def _put(config: Config, name: str, access_list: AccessList) -> Config:
    return replace(config, access_lists=with_item(config.access_lists, name, access_list))


def _open_list(config: Config, name: str, *, extended: bool) -> AccessList:
    """The list, new where it is missing."""
    numbered = name.isdecimal()
    if numbered and not _in_ranges(int(name), _EXTENDED_NUMBERS if extended else _STANDARD_NUMBERS):
        raise ConfigError(f"access list {name} is no {'extended' if extended else 'standard'} list's number")
    held = config.access_lists.get(name, AccessList(name, extended, numbered))
    if held.extended != extended:
        raise ConfigError(f"access list {name} exists as {'extended' if held.extended else 'standard'} list")
    return held


def _in_ranges(number: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= number <= high for low, high in ranges)


def _with_entry(access_list: AccessList, sequence: int | None, text: str) -> AccessList:
    entries = access_list.entries
    if sequence is None:
        if not text.startswith("remark ") and any(entry.text == text for entry in entries):
            return access_list
        sequence = (entries[-1].sequence if entries else 0) // _STEP * _STEP + _STEP
        if sequence > _HIGHEST:
            raise ConfigError("No sequence number is left behind the last entry")
    elif any(entry.sequence == sequence and entry.text != text for entry in entries):
        raise ConfigError(f"Duplicate sequence number {sequence}")
    kept = [entry for entry in entries if entry.sequence != sequence]
    entry = AccessListEntry(sequence, text)
    return replace(access_list, entries=tuple(sorted([*kept, entry], key=lambda held: held.sequence)))


def _without_entry(access_list: AccessList, sequence: int | None, text: str) -> AccessList:
    kept = tuple(
        entry
        for entry in access_list.entries
        if (entry.sequence != sequence if sequence is not None else entry.text != text)
    )
    if len(kept) == len(access_list.entries):
        raise ConfigError("Specified entry does not exist")
    return replace(access_list, entries=kept)


def _named_entry(match: Match) -> tuple[int | None, str]:
    sequence = cast("int | None", match.args.get("sequence"))
    words = match.canonical
    return sequence, words if sequence is None else words.partition(" ")[2]


def _evenly(access_list: AccessList) -> bool:
    """True where the sequence numbers are those that typing the entries again gives."""
    return all(entry.sequence == (at + 1) * _STEP for at, entry in enumerate(access_list.entries))


def _render_named(access_list: AccessList) -> Iterable[str]:
    numbers = not _evenly(access_list)
    for entry in access_list.entries:
        yield f"{entry.sequence} {entry.text}" if numbers else entry.text


def _named(mode: str, word: str, entry: str, *, extended: bool) -> tuple[Command, ...]:
    """`ip access-list standard|extended NAME` and its entries."""

    def open_section(config: Config, match: Match) -> tuple[Config, Hashable]:
        name = cast(str, match.args["name"])
        return _put(config, name, _open_list(config, name, extended=extended)), name

    def every(config: Config) -> Iterable[str]:
        return tuple(held.name for held in config.access_lists.values() if held.extended == extended)

    def sections(config: Config) -> Iterable[str]:
        return tuple(name for name in every(config) if not _plain(config.access_lists[name]))

    section = Section(
        mode=mode,
        open=open_section,
        remove=_remove_list,
        get=lambda config, name: config.access_lists.get(name),
        put=_put,
        every=every,
        sections=sections,
        header=lambda _key, held: f"ip access-list {word} {held.name}",
        title=lambda name: f"ip access-list {word} {name}",
    )
    entries = Setting(
        lambda held, match: _with_entry(held, *_named_entry(match)),
        lambda held, match: _without_entry(held, *_named_entry(match)),
        _render_named,
    )
    remarks = replace(entries, render=lambda _held: ())
    return (
        Command(
            CONFIG,
            f"ip access-list {word} <name:word>",
            {
                "ip": "Global IP configuration subcommands",
                "access-list": "Named access-list",
                "standard": "Standard Access List",
                "extended": "Extended Access List",
                "<name>": "Access-list name or number",
            },
            section,
            negatable=True,
            no=f"ip access-list {word} <name:word>",
        ),
        Command(mode, f"{_SEQUENCE} {entry}", _HELP, entries, negatable=True, no=f"{_SEQUENCE} {entry}"),
        Command(mode, f"{_SEQUENCE} {_REMARK}", _HELP, remarks, negatable=True, no=f"{_SEQUENCE} {_REMARK}"),
        Command(
            mode,
            "<sequence:number(1-2147483647)>",
            _HELP,
            Setting(_sequence_alone, lambda held, match: _without_entry(held, cast(int, match.args["sequence"]), "")),
            negatable=True,
            no="<sequence:number(1-2147483647)>",
            hidden=True,
        ),
    )


def _sequence_alone(_access_list: AccessList, _match: Match) -> AccessList:
    raise ConfigError("Incomplete command: permit, deny or remark belongs behind the sequence number")


def _plain(access_list: AccessList) -> bool:
    """A numbered list that `access-list N …` lines can say whole."""
    return access_list.numbered and bool(access_list.entries) and _evenly(access_list)


def _list_name(match: Match) -> str:
    return str(match.args["name"])


def _remove_list(config: Config, match: Match) -> Config:
    if _list_name(match) not in config.access_lists:
        raise ConfigError(f"access list {_list_name(match)} is not configured")
    return replace(config, access_lists=without_item(config.access_lists, _list_name(match)))


def _numbered(numbers: tuple[tuple[int, int], ...], entry: str, *, extended: bool) -> Command:
    """`access-list N …`; its `no` form removes the whole list, as in IOS."""
    number = "(" + "|".join(f"<name:number({low}-{high})>" for low, high in numbers) + ")"

    def apply(config: Config, match: Match) -> Config:
        name = _list_name(match)
        text = match.canonical.split(" ", 2)[2]
        return _put(config, name, _with_entry(_open_list(config, name, extended=extended), None, text))

    def render(config: Config) -> Iterable[str]:
        for held in sorted(config.access_lists.values(), key=lambda held: (len(held.name), held.name)):
            if held.extended == extended and _plain(held):
                for entry_held in held.entries:
                    yield f"access-list {held.name} {entry_held.text}"

    return Command(
        CONFIG,
        f"access-list {number} ({entry}|{_REMARK})",
        {"access-list": "Add an access list entry", "<name>": "IP access list", **_HELP},
        Setting(apply, _remove_list, render),
        negatable=True,
        no=f"access-list {number} [<entry:rest>]",
    )


#: In the order of rendering.
ACL_COMMANDS: tuple[Command, ...] = (
    *_named(STANDARD_ACL, "standard", _STANDARD_ENTRY, extended=False),
    *_named(EXTENDED_ACL, "extended", _EXTENDED_ENTRY, extended=True),
    _numbered(_STANDARD_NUMBERS, _STANDARD_ENTRY, extended=False),
    _numbered(_EXTENDED_NUMBERS, _EXTENDED_ENTRY, extended=True),
)
