"""Access lists as rules: what each line says, for those who enforce it (filters, translation, crypto maps)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from seikan.config.model import AccessList
from seikan.wire.selector import Selector

Ports = tuple[tuple[int, int], ...]

ANY_PORT: Ports = ((0, 65535),)
TCP, UDP, ICMP = 6, 17, 1
_NOTHING = IPv4Address(0)
_EVERYTHING = IPv4Address(0xFFFFFFFF)
_LAST_PORT = 65535


def _table(text: str) -> dict[str, int]:
    words = text.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


#: The words of IOS for IP protocols and their numbers (IANA); `ip` stands for all.
PROTOCOLS: dict[str, int | None] = {
    "ip": None,
    **_table("icmp 1 igmp 2 ipinip 4 tcp 6 udp 17 gre 47 esp 50 ahp 51 eigrp 88 ospf 89 nos 94 pim 103 pcp 108"),
}
#: The words of IOS for ports, by protocol.
PORTS: dict[int, dict[str, int]] = {
    TCP: _table(
        "echo 7 discard 9 daytime 13 chargen 19 ftp-data 20 ftp 21 telnet 23 smtp 25 time 37 whois 43 tacacs 49"
        " domain 53 gopher 70 finger 79 www 80 hostname 101 pop2 109 pop3 110 sunrpc 111 ident 113 nntp 119 msrpc 135"
        " bgp 179 irc 194 pim-auto-rp 496 exec 512 login 513 cmd 514 syslog 514 lpd 515 talk 517 uucp 540 klogin 543"
        " kshell 544 drip 3949 onep-plain 15001 onep-tls 15002"
    ),
    UDP: _table(
        "echo 7 discard 9 time 37 nameserver 42 tacacs 49 domain 53 bootps 67 bootpc 68 tftp 69 sunrpc 111 ntp 123"
        " netbios-ns 137 netbios-dgm 138 netbios-ss 139 snmp 161 snmptrap 162 xdmcp 177 dnsix 195 mobile-ip 434"
        " pim-auto-rp 496 isakmp 500 biff 512 who 513 syslog 514 talk 517 rip 520 ripv6 521 non500-isakmp 4500"
    ),
}
#: The words of IOS for ICMP messages: type, and code where the word means one (IANA).
ICMP_MESSAGES: dict[str, tuple[int, int | None]] = {
    "echo-reply": (0, None),
    "unreachable": (3, None),
    "net-unreachable": (3, 0),
    "host-unreachable": (3, 1),
    "port-unreachable": (3, 3),
    "packet-too-big": (3, 4),
    "administratively-prohibited": (3, 13),
    "source-quench": (4, None),
    "redirect": (5, None),
    "echo": (8, None),
    "time-exceeded": (11, None),
    "ttl-exceeded": (11, 0),
    "parameter-problem": (12, None),
    "traceroute": (30, None),
}
#: RFC 2474 section 4.2.2, RFC 2597 section 6 and RFC 3246 section 2.7.
DSCP: dict[str, int] = {
    "default": 0,
    "ef": 46,
    **{f"cs{selector}": selector << 3 for selector in range(1, 8)},
    **{f"af{group}{drop}": group << 3 | drop << 1 for group in range(1, 5) for drop in range(1, 4)},
}
FLAGS = ("ack", "fin", "psh", "rst", "syn", "urg")
#: Options that hold for one packet in ways nobody here enforces, and how many words belong to each.
_UNSUPPORTED = {"precedence": 1, "tos": 1, "time-range": 1, "option": 1, "ttl": 2, "reflect": 1}


@dataclass(frozen=True, slots=True)
class Hosts:
    """Addresses as IOS writes them: a bit set in `wildcard` is not compared; it need not be contiguous."""

    address: IPv4Address = _NOTHING
    wildcard: IPv4Address = _EVERYTHING

    @property
    def network(self) -> IPv4Network | None:
        """The same as a prefix, None where the wildcard is discontiguous."""
        wildcard = int(self.wildcard)
        if wildcard & (wildcard + 1):
            return None
        return IPv4Network((int(self.address) & ~wildcard, 32 - wildcard.bit_length()))


ANY_HOST = Hosts()


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an access list. A standard list's line compares the source alone.

    `protocol` is the IP number, None for all of IP; ports are inclusive ranges in ascending order, any of which may
    hold, none (`gt 65535`) for a line that no packet matches. `icmp` is a type, or type and code. What cannot be told
    from one packet here (`time-range`, `reflect`, object groups) is in `unsupported`, as typed: whoever enforces the
    list must refuse it by that name.
    """

    sequence: int
    permit: bool
    protocol: int | None = None
    source: Hosts = ANY_HOST
    source_ports: Ports = ANY_PORT
    destination: Hosts = ANY_HOST
    destination_ports: Ports = ANY_PORT
    icmp: tuple[int, int | None] | None = None
    established: bool = False  # ACK or RST is set
    flags: tuple[str, ...] = ()  # TCP flags, any of which is set: what IOS does without `match-all`
    fragments: bool = False
    dscp: int | None = None
    log: bool = False
    unsupported: tuple[str, ...] = ()

    @property
    def transport(self) -> bool:
        """Whether it compares what only the first fragment of a packet has."""
        return bool(
            self.source_ports != ANY_PORT
            or self.destination_ports != ANY_PORT
            or self.icmp is not None
            or self.established
            or self.flags
        )


@dataclass(frozen=True, slots=True)
class CryptoLine:
    """A line of a crypto map's access list.

    `selector` is the traffic of a permit line as a pair of SAs is negotiated for it (IKEv1 identities: RFC 2407
    section 4.6.2), the source being this side's; None for a deny line and where `problem` says why it cannot be one.
    """

    sequence: int
    permit: bool
    selector: Selector | None = None
    problem: str | None = None


def rules(access_list: AccessList) -> tuple[Rule, ...]:
    """The lines in order, without remarks. The deny that IOS implies at the end is the caller's.

    Lines that the command table has not taken, which no configuration can hold, raise ValueError.
    """
    made = []
    for entry in access_list.entries:
        words = _Words(entry.text)
        action = words.take()
        if action == "remark":
            continue
        rule = Rule(entry.sequence, action == "permit")
        made.append(_extended(rule, words) if access_list.extended else _standard(rule, words))
    return tuple(made)


def crypto_lines(access_list: AccessList) -> tuple[CryptoLine, ...]:
    """The lines as a crypto map takes them, in order."""
    return tuple(_crypto_line(access_list, rule) for rule in rules(access_list))


def selectors(access_list: AccessList) -> tuple[tuple[int, Selector], ...]:
    """Sequence number and traffic of each permit line that a pair of SAs can be negotiated for."""
    return tuple((line.sequence, line.selector) for line in crypto_lines(access_list) if line.selector is not None)


def denied(access_list: AccessList) -> tuple[tuple[int, Selector], ...]:
    """The traffic of each deny line, with how many of `selectors` come before it.

    Lines that pairs of SAs cannot be for are left out: nothing that a peer can ask for is known to be inside them.
    """
    found: list[tuple[int, Selector]] = []
    permitted = 0
    for rule, line in zip(rules(access_list), crypto_lines(access_list), strict=True):
        permitted += line.selector is not None
        selector = None if rule.permit else _selector(rule)
        if selector is not None:
            found.append((permitted, selector))
    return tuple(found)


def problems(access_list: AccessList) -> tuple[str, ...]:
    """One line for each line of the list that a crypto map cannot use."""
    return tuple(line.problem for line in crypto_lines(access_list) if line.problem is not None)


def refusals(name: str, listed: Iterable[Rule]) -> tuple[str, ...]:
    """One line for each word of the list `name` that nobody can enforce."""
    return tuple(
        f"access list {name}, line {rule.sequence}: '{words}' cannot be enforced; leave it out"
        for rule in listed
        for words in rule.unsupported
    )


class _Words:
    def __init__(self, text: str) -> None:
        self._words = text.split()
        self._at = 0

    def peek(self) -> str | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def take(self) -> str:
        if self._at == len(self._words):
            raise ValueError(f"access list entry {' '.join(self._words)!r} is incomplete")
        self._at += 1
        return self._words[self._at - 1]

    def rest(self) -> Iterator[str]:
        while self._at < len(self._words):
            yield self.take()


def _standard(rule: Rule, words: _Words) -> Rule:
    word = words.take()
    if word == "any":
        source = ANY_HOST
    else:
        address = IPv4Address(words.take() if word == "host" else word)
        wildcard = _NOTHING
        if word != "host" and words.peek() not in (None, "log"):
            wildcard = IPv4Address(words.take())
        source = _hosts(address, wildcard)
    return replace(rule, source=source, log="log" in words.rest())


def _hosts(address: IPv4Address, wildcard: IPv4Address) -> Hosts:
    return Hosts(IPv4Address(int(address) & ~int(wildcard)), wildcard)


def _extended(rule: Rule, words: _Words) -> Rule:
    found: dict[str, Any] = {}
    unsupported: list[str] = []
    word = words.take()
    if word == "object-group":
        unsupported.append(f"object-group {words.take()}")
        protocol = None
    else:
        protocol = PROTOCOLS[word] if word in PROTOCOLS else int(word) or None  # IOS takes 0 for all of IP
    for side in ("source", "destination"):
        found[side] = _side(words, unsupported)
        found[f"{side}_ports"] = _ports(words, protocol, unsupported)
    _options(words, protocol, found, unsupported)
    made = replace(rule, protocol=protocol, **found)
    if made.fragments and made.transport:
        unsupported.append("fragments")  # later fragments have no ports, flags or types
    return replace(made, unsupported=tuple(unsupported))


def _side(words: _Words, unsupported: list[str]) -> Hosts:
    word = words.take()
    if word == "any":
        return ANY_HOST
    if word == "object-group":
        unsupported.append(f"object-group {words.take()}")
        return ANY_HOST
    first = words.take() if word == "host" else word
    if ":" in first:
        unsupported.append(f"host {first}" if word == "host" else first)
        return ANY_HOST
    return _hosts(IPv4Address(first), _NOTHING if word == "host" else IPv4Address(words.take()))


def _ports(words: _Words, protocol: int | None, unsupported: list[str]) -> Ports:
    relation = words.peek()
    if relation not in ("eq", "neq", "gt", "lt", "range"):
        return ANY_PORT
    words.take()
    names = PORTS.get(protocol or 0, {})
    typed = [words.take()]
    if relation == "range":
        typed.append(words.take())
    while relation == "eq" and _port(words.peek(), names) is not None:
        typed.append(words.take())
    numbers = [_port(word, names) for word in typed]
    known = [number for number in numbers if number is not None]
    if protocol not in PORTS or len(known) != len(typed):
        unsupported.append(" ".join((relation, *typed)))
        return ANY_PORT
    if relation == "eq":
        return _merged([(number, number) for number in known])
    if relation == "neq":
        return _merged([(0, known[0] - 1), (known[0] + 1, _LAST_PORT)])
    if relation == "gt":
        return _merged([(known[0] + 1, _LAST_PORT)])
    if relation == "lt":
        return _merged([(0, known[0] - 1)])
    return _merged([(min(known), max(known))])


def _port(word: str | None, names: dict[str, int]) -> int | None:
    if word is None or word in names:
        return names[word] if word is not None else None
    return int(word) if word.isdecimal() and int(word) <= _LAST_PORT else None


def _merged(ranges: list[tuple[int, int]]) -> Ports:
    """Ascending, without empty ranges, and without two that touch."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(held for held in ranges if held[0] <= held[1]):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _options(words: _Words, protocol: int | None, found: dict[str, Any], unsupported: list[str]) -> None:
    numbers: list[str] = []
    for word in words.rest():
        if word in ("log", "log-input"):
            found["log"] = True
        elif word == "fragments":
            found["fragments"] = True
        elif word == "established" and protocol == TCP:
            found["established"] = True
        elif word in FLAGS and protocol == TCP:
            found["flags"] = (*found.get("flags", ()), word)
        elif word in ICMP_MESSAGES and protocol == ICMP and not numbers and "icmp" not in found:
            found["icmp"] = ICMP_MESSAGES[word]
        elif word.isdecimal() and protocol == ICMP and len(numbers) < 2 and (numbers or "icmp" not in found):
            numbers.append(word)
            found["icmp"] = (int(numbers[0]), int(word) if len(numbers) == 2 else None)
        elif word == "dscp":
            value = words.take()
            number = DSCP.get(value, int(value) if value.isdecimal() else 64)
            if number < 64 and "dscp" not in found:
                found["dscp"] = number
            else:
                unsupported.append(f"dscp {value}")
        else:
            unsupported.append(" ".join((word, *(words.take() for _ in range(_UNSUPPORTED.get(word, 0))))))


def _crypto_line(access_list: AccessList, rule: Rule) -> CryptoLine:
    problem = next(_obstacles(access_list.name, rule), None)
    if problem is not None:
        return CryptoLine(rule.sequence, rule.permit, problem=problem)
    return CryptoLine(rule.sequence, rule.permit, _selector(rule) if rule.permit else None)


def _selector(rule: Rule) -> Selector | None:
    """Exactly the traffic of a rule; None where no pair of SAs can be for that."""
    local, remote = rule.source.network, rule.destination.network
    if local is None or remote is None or rule.unsupported or any(_beyond_sas(rule)):
        return None
    (source_port,), (destination_port,) = rule.source_ports, rule.destination_ports
    return Selector(
        local,
        remote,
        rule.protocol or 0,
        0 if rule.source_ports == ANY_PORT else source_port[0],
        0 if rule.destination_ports == ANY_PORT else destination_port[0],
    )


def _obstacles(name: str, rule: Rule) -> Iterator[str]:
    """Why a crypto map cannot use a line; a deny line needs no SAs and only has to be enforceable."""
    yield from refusals(name, [rule])
    if rule.permit:
        yield from (f"access list {name}, line {rule.sequence}: {reason}" for reason in _beyond_sas(rule))


def _beyond_sas(rule: Rule) -> Iterator[str]:
    for hosts in (rule.source, rule.destination):
        if hosts.network is not None:
            continue
        inverse = IPv4Address(~int(hosts.wildcard) & 0xFFFFFFFF)
        if Hosts(hosts.address, inverse).network is not None:
            yield f"{hosts.wildcard} is a netmask, where a wildcard is meant: type {inverse}"
        else:
            yield f"wildcard {hosts.wildcard} is not contiguous; SAs are for a network: write one line for each"
    for ports in (rule.source_ports, rule.destination_ports):
        if ports != ANY_PORT and (len(ports) != 1 or ports[0][0] != ports[0][1]):
            yield "SAs are for one port or all of them: write one line with 'eq PORT' for each port, or no ports"
        elif ports == ((0, 0),):
            yield "port 0 stands for all ports in an SA: leave it out"
    if rule.icmp is not None:
        yield "SAs are for all ICMP messages: leave the message type out"
    if rule.established:
        yield "SAs know no connections: leave 'established' out"
    for flag in rule.flags:
        yield f"SAs know no TCP flags: leave '{flag}' out"
    if rule.fragments:
        yield "SAs know no fragments: leave 'fragments' out"
    if rule.dscp is not None:
        yield "SAs know no DSCP: leave 'dscp' out"
