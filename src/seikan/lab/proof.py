"""What every lab's proof is made of: claims that can fail, and the show commands read back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from itertools import pairwise

from seikan.lab.topology import LabError


@dataclass(frozen=True, slots=True)
class Claim:
    """One line of a proof: what was to be shown, whether it was, and the figure that shows it.

    `routers` are those whose state explains it where it does not hold.
    """

    what: str
    holds: bool
    shown: str
    routers: tuple[str, ...] = ()


@dataclass(slots=True)
class Claims:
    """A proof as it grows."""

    made: list[Claim] = field(default_factory=list)

    def add(self, what: str, holds: object, shown: str, *routers: str) -> bool:
        """Note a claim; returns whether it holds."""
        self.made.append(Claim(what, bool(holds), shown, routers))
        return bool(holds)

    def print(self, out: Callable[[str], None]) -> bool:
        """Print each with its verdict; True when there are some and all hold."""
        for each in self.made:
            out(f"  {'ok  ' if each.holds else 'FAIL'}  {each.what}: {each.shown}")
        return bool(self.made) and all(each.holds for each in self.made)

    def to_explain(self) -> tuple[str, ...]:
        """The routers of the claims that do not hold, each once."""
        return tuple(dict.fromkeys(router for each in self.made if not each.holds for router in each.routers))


def rows(lines: Iterable[str], pattern: str) -> list[str]:
    """The lines that begin with something like `pattern`, without the blanks around them."""
    expression = re.compile(pattern)
    return [line.strip() for line in lines if expression.match(line)]


def success_rate(lines: Iterable[str]) -> str:
    """The last line of a `ping`."""
    return next((line for line in lines if line.startswith("Success rate")), "no answer")


# -- show crypto ipsec sa ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counters:
    """One tunnel's `show crypto ipsec sa`: packets, and the SPIs now in use."""

    encapsulated: int
    decapsulated: int
    inbound_spi: int
    outbound_spi: int


@dataclass(frozen=True, slots=True)
class Protected:
    """One pair of identities in `show crypto ipsec sa`; SPIs newest first, none where there is no SA.

    `local` and `remote` are what stands in the brackets: "10.10.1.0/255.255.255.0/17/0".
    """

    interface: str
    local: str
    remote: str
    peer: IPv4Address | None
    encapsulated: int
    decapsulated: int
    inbound: tuple[int, ...]
    outbound: tuple[int, ...]


_BLOCK = re.compile(r"^\s*(?:interface: (?P<interface>\S+)|protected vrf: )", re.MULTILINE)


def protected(lines: Iterable[str]) -> tuple[Protected, ...]:
    """Read `show crypto ipsec sa`, of one interface or of all, in its order."""
    text = "\n".join(lines)
    found: list[Protected] = []
    interface = ""
    for mark, following in pairwise([*_BLOCK.finditer(text), None]):
        assert mark is not None  # only the last is
        if mark["interface"]:
            interface = mark["interface"]
            continue
        found.append(_block(interface, text[mark.end() : following.start() if following else len(text)]))
    return tuple(found)


def _block(interface: str, text: str) -> Protected:
    peer = re.search(r"current_peer (\d+\.\d+\.\d+\.\d+)", text)
    return Protected(
        interface,
        _first(r"local\s+ident \([^)]*\): \(([^)]*)\)", text),
        _first(r"remote\s+ident \([^)]*\): \(([^)]*)\)", text),
        IPv4Address(peer[1]) if peer else None,
        int(_first(r"#pkts encaps: (\d+)", text) or 0),
        int(_first(r"#pkts decaps: (\d+)", text) or 0),
        _spis("inbound", text),
        _spis("outbound", text),
    )


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""


def _spis(direction: str, text: str) -> tuple[int, ...]:
    section = re.search(rf"{direction} esp sas:(.*?)(?:(?:in|out)bound \S+ sas:|\Z)", text, re.DOTALL)
    return tuple(int(spi, 16) for spi in re.findall(r"spi: 0x([0-9A-Fa-f]+)", section[1])) if section else ()


def counters(lines: Sequence[str]) -> Counters:
    """The first pair of SAs of `show crypto ipsec sa`; LabError where it shows none."""
    for block in protected(lines):
        if block.inbound and block.outbound:
            return Counters(block.encapsulated, block.decapsulated, block.inbound[0], block.outbound[0])
    raise LabError("show crypto ipsec sa shows no pair of SAs")


# -- show crypto isakmp sa --------------------------------------------------


@dataclass(frozen=True, slots=True)
class IsakmpSa:
    """A row of `show crypto isakmp sa`."""

    destination: IPv4Address
    source: IPv4Address
    state: str
    conn_id: int
    status: str

    def __str__(self) -> str:
        return f"{self.destination} {self.source} {self.state} {self.conn_id} {self.status}"


_ISAKMP_ROW = re.compile(r"\s*(\d+\.\d+\.\d+\.\d+)\s+(\d+\.\d+\.\d+\.\d+)\s+(\S+)\s+(\d+)\s+(\S.*?)\s*")


def isakmp_sas(lines: Iterable[str]) -> tuple[IsakmpSa, ...]:
    """Read `show crypto isakmp sa`."""
    matches = (_ISAKMP_ROW.fullmatch(line) for line in lines)
    return tuple(
        IsakmpSa(IPv4Address(row[1]), IPv4Address(row[2]), row[3], int(row[4]), row[5]) for row in matches if row
    )


# -- show ip ospf neighbor, show ip interface brief -------------------------


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A row of `show ip ospf neighbor`."""

    router_id: IPv4Address
    state: str
    interface: str


_NEIGHBOR_ROW = re.compile(r"\s*(\d+\.\d+\.\d+\.\d+)\s+\d+\s+([A-Z0-9-]+)/\s*\S+\s+\S+\s+\d+\.\d+\.\d+\.\d+\s+(\S+)\s*")


def neighbors(lines: Iterable[str]) -> tuple[Neighbor, ...]:
    """Read `show ip ospf neighbor`."""
    matches = (_NEIGHBOR_ROW.fullmatch(line) for line in lines)
    return tuple(Neighbor(IPv4Address(row[1]), row[2], row[3]) for row in matches if row)


def interface_states(lines: Iterable[str], pattern: str) -> dict[str, str]:
    """Read `show ip interface brief`: "up/up" by name, of the interfaces whose name is something like `pattern`."""
    expression = re.compile(pattern)
    found: dict[str, str] = {}
    for line in lines:
        words = line.split()
        if len(words) >= 6 and expression.fullmatch(words[0]):
            protocol, status = words[-1], " ".join(words[4:-1])
            found[words[0]] = f"{status}/{protocol}"
    return found
