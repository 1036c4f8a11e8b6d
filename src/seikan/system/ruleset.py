"""What the router wants of nftables, as data: the whole of it, with Linux names of devices.

Access lists come as rules (`seikan.config.access`); a list that is not defined or empty permits everything, as in
IOS, and is left out or given without rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from types import MappingProxyType

from seikan.config.access import Rule
from seikan.wire.selector import Selector

#: Packets that an access group refused; each also counts at its line.
PROHIBITED = "access-group prohibited"
#: How the counters of packets end that a crypto map kept from leaving in clear.
KEPT_IN = (" blocked", " guarded", " unrouted")
#: RFC 2408 section 2.5.1 and RFC 3948 section 2.1
IKE_PORTS = (500, 4500)


def access_list_counter(name: str, sequence: int | None) -> str:
    """The counter of a line's packets; None for the deny that every list implies at its end."""
    return f"access-list {name} {'deny' if sequence is None else sequence}"


def crypto_counter(interface: str, sequence: int, what: str) -> str:
    """A counter of a crypto map entry on an interface, in packets.

    `what` is "encrypt": to the map's device; "blocked": dropped because the map cannot be used; "clear": dropped
    because it should have arrived encrypted.
    """
    return f"crypto {interface} {sequence} {what}"


def guarded_counter(interface: str) -> str:
    """Packets dropped because a line of the configuration that was not understood may have had them encrypted."""
    return f"crypto {interface} guarded"


def unrouted_counter(interface: str) -> str:
    """Packets for a crypto map that were about to leave by another device than the map's, and were dropped.

    That is so where a program binds its socket to the outside interface, where another one has removed the rule of
    policy routing or the packet's mark, and where rules for the interface that a packet came by, or one of several
    next hops, send it another way than the routes to its destination tell.
    """
    return f"crypto {interface} unrouted"


@dataclass(frozen=True, slots=True)
class AccessRules:
    """An access list by its name."""

    name: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class AccessGroup:
    """`ip access-group` of one device: on what arrives there, and on what is forwarded out there.

    As in IOS the router's own packets leave unfiltered, and what is refused is answered with an ICMP message
    (administratively prohibited, at most one in 500 ms for the router).
    """

    device: str
    inbound: AccessRules | None = None
    outbound: AccessRules | None = None


@dataclass(frozen=True, slots=True)
class NatClause:
    """`route-map NAME permit|deny N` with its `match ip address`; an access list alone is one permit clause."""

    permit: bool
    access: AccessRules


@dataclass(frozen=True, slots=True)
class SourceTranslation:
    """`ip nat inside source … interface … overload`: what a permit clause has gets the address of `outside`.

    The first clause whose list permits a packet decides; where its action is deny, this translation does nothing.
    """

    outside: str
    clauses: tuple[NatClause, ...]


@dataclass(frozen=True, slots=True)
class StaticTranslation:
    """`ip nat inside source static …`; `outside` is an address, or a device for whatever address that has.

    An address that is none of the router's is not answered for in ARP here: give it to the device as a /32.
    """

    inside: IPv4Address
    outside: IPv4Address | str
    protocol: int | None = None  # TCP or UDP; None for everything
    inside_port: int | None = None
    outside_port: int | None = None


@dataclass(frozen=True, slots=True)
class Nat:
    """`ip nat inside` and `ip nat outside` devices, and what is translated between them."""

    inside: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    sources: tuple[SourceTranslation, ...] = ()
    statics: tuple[StaticTranslation, ...] = ()

    @property
    def active(self) -> bool:
        return bool(self.inside and self.outside and (self.sources or self.statics))


@dataclass(frozen=True, slots=True)
class MapLine:
    """Traffic of a crypto map entry as it leaves (source here, destination there).

    `access_list` names the list whose line counter it counts at, None where it is of none (a dynamic flow).
    """

    permit: bool
    match: Rule | Selector
    access_list: str | None = None


@dataclass(frozen=True, slots=True)
class MapEntry:
    """The first line that has a packet decides: permit is for the map, deny goes on with the next entry.

    `tunnel` and `mark` are those of the interface where they are None: an entry may have a device of its own. What a
    `blocked` one permits is dropped, a mark of 0 is none. Several may have one number, as those of a dynamic map.
    """

    sequence: int
    lines: tuple[MapLine, ...]
    blocked: bool = False
    tunnel: str | None = None
    mark: int | None = None


@dataclass(frozen=True, slots=True)
class CryptoInterface:
    """A crypto map on an interface.

    What leaves by `device` and is for the map gets `mark` in the bits of `mask`, so that policy routing sends it to
    `tunnel`, the map's own device; where the map is `blocked` it is dropped. What arrives on `device` in clear though
    the map would have it encrypted is dropped. The router's own ESP, AH and IKE (UDP `ike_ports`) are never the map's.
    With `guarded` nothing that the entries do not name is forwarded out there either.
    """

    name: str  # in IOS words, for counters
    device: str
    tunnel: str
    mark: int
    mask: int
    entries: tuple[MapEntry, ...]
    blocked: bool = False
    ike_ports: tuple[int, ...] = IKE_PORTS
    guarded: bool = False

    def tunnels(self) -> dict[str, int]:
        """Every device that the map has, and its mark."""
        own = [(entry.tunnel, entry.mark) for entry in self.entries]
        return {tunnel: mark for tunnel, mark in ((self.tunnel, self.mark), *own) if tunnel is not None and mark}


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Everything. `mss`: device to MSS in octets, both directions (`ip tcp adjust-mss`)."""

    mss: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    access_groups: tuple[AccessGroup, ...] = ()
    nat: Nat = Nat()
    crypto: tuple[CryptoInterface, ...] = ()

    def features(self) -> Iterator[str]:
        """The commands it is for."""
        if self.mss:
            yield "ip tcp adjust-mss"
        if any(_filters(group.inbound) or _filters(group.outbound) for group in self.access_groups):
            yield "ip access-group"
        if self.nat.active:
            yield "ip nat"
        if self.crypto:
            yield "crypto map"


def _filters(access: AccessRules | None) -> bool:
    return access is not None and bool(access.rules)


@dataclass(frozen=True, slots=True)
class ClearPacket:
    """A packet that arrived in clear and should not have; `interface` in IOS words, `protocol` the IP number."""

    interface: str
    source: IPv4Address
    destination: IPv4Address
    protocol: int
