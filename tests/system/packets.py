"""IPv4 packets as octets, and a router whose interfaces are TUN devices that the test holds the other ends of.

The kernel forwards what is written to a TUN device before the write returns: nothing has to be waited for.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

from tests.config.packets import Packet
from tests.system.support import Namespace

from seikan.config.access import rules
from seikan.config.parse import parse
from seikan.system.firewall import Firewall
from seikan.system.ruleset import AccessRules, Ruleset

TCP_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32}
ICMP, TCP, UDP, GRE, ESP, AH = 1, 6, 17, 47, 50, 51
_HEADER = struct.Struct("!BBHHHBBH4s4s")


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@dataclass(frozen=True)
class Ip:
    """A packet. `ports` and `flags` hold where the protocol has them, `icmp` is type and code, `ports[0]` its number.

    `offset`, in 8 octets, is above 0 for a later fragment, which has none of these.
    """

    source: str
    destination: str
    protocol: int = UDP
    ports: tuple[int, int] = (1111, 2222)
    flags: frozenset[str] = frozenset({"syn"})
    icmp: tuple[int, int] = (8, 0)
    dscp: int = 0
    offset: int = 0
    more: bool = False
    payload: bytes = b"seikan test"

    def octets(self) -> bytes:
        ends = IPv4Address(self.source).packed + IPv4Address(self.destination).packed
        body = self.payload if self.offset else self._body(ends)
        fragment = self.more << 13 | self.offset
        header = (0x45, self.dscp << 2, 20 + len(body), 7, fragment, 64, self.protocol)
        made = _HEADER.pack(*header, 0, ends[:4], ends[4:])
        return _HEADER.pack(*header, checksum(made), ends[:4], ends[4:]) + body

    def _body(self, ends: bytes) -> bytes:
        if self.protocol == ICMP:
            head, covered, at = struct.pack("!BBHHH", *self.icmp, 0, self.ports[0], 1), b"", 2
        elif self.protocol == UDP:
            head, at = struct.pack("!HHHH", *self.ports, 8 + len(self.payload), 0), 6
        elif self.protocol == TCP:
            flags = sum(TCP_FLAGS[flag] for flag in self.flags)
            head, at = struct.pack("!HHIIBBHHH", *self.ports, 1, 1, 0x50, flags, 1024, 0, 0), 16
        else:
            return self.payload
        body = head + self.payload
        if self.protocol != ICMP:
            covered = ends + struct.pack("!BBH", 0, self.protocol, len(body))
        return body[:at] + struct.pack("!H", checksum(covered + body)) + body[at + 2 :]

    @classmethod
    def read(cls, data: bytes) -> Ip:
        """Raises AssertionError where a checksum is wrong."""
        _, tos, length, _, fragment, _, protocol, _, source, destination = _HEADER.unpack_from(data)
        assert checksum(data[:20]) == 0
        body = data[20:length]
        ends = str(IPv4Address(source)), str(IPv4Address(destination))
        here = cls(*ends, protocol, (0, 0), dscp=tos >> 2, offset=fragment & 0x1FFF, more=bool(fragment & 0x2000))
        if here.offset or protocol not in (ICMP, TCP, UDP):
            return replace(here, payload=body)
        if protocol == ICMP:
            ports = struct.unpack_from("!H", body, 4)[0], 0
            return replace(here, ports=ports, icmp=(body[0], body[1]), payload=body[8:])
        pseudo = source + destination + struct.pack("!BBH", 0, protocol, len(body))
        assert here.more or checksum(pseudo + body) == 0
        here = replace(here, ports=struct.unpack_from("!HH", body))
        if protocol == UDP:
            return replace(here, payload=body[8:])
        return replace(here, flags=frozenset(flag for flag, bit in TCP_FLAGS.items() if body[13] & bit))

    @property
    def flow(self) -> tuple[str, str, int, tuple[int, int]]:
        ports = (self.ports[0], 0) if self.protocol == ICMP else self.ports
        return self.source, self.destination, self.protocol, ports

    def answer(self) -> Ip:
        """What its receiver may send back."""
        ports = self.ports if self.protocol == ICMP else (self.ports[1], self.ports[0])
        return Ip(self.destination, self.source, self.protocol, ports, frozenset({"syn", "ack"}), (0, 0))


class TunRouter:
    """A namespace that forwards between TUN devices; each is given its address with the length of its network."""

    def __init__(self, make: Callable[[], Namespace], devices: dict[str, str]) -> None:
        self.inside = make()
        self.firewall = Firewall("test")
        self._ends: dict[str, int] = {}
        # What Linux hosts have by default, and distributions turn on.
        self.sysctl("ipv4/conf/all/rp_filter", "1")
        self.sysctl("ipv4/conf/default/rp_filter", "1")
        self.sysctl("ipv4/ip_forward", "1")
        self.sysctl("ipv6/conf/default/disable_ipv6", "1")
        for name, address in devices.items():
            self.add(name, address)

    def add(self, name: str, address: str = "") -> None:
        self._ends[name] = self.inside.tun(name)
        if address:
            self.inside.ip("addr", "add", address, "dev", name)
        self.inside.ip("link", "set", name, "up")

    def sysctl(self, name: str, value: str) -> None:
        self.inside.call(lambda: Path("/proc/sys/net", name).write_text(value))

    def arrive(self, device: str, packet: Ip) -> list[tuple[str, Ip]]:
        """Everything that leaves the router, and by which device, because of a packet that arrives at `device`."""
        os.write(self._ends[device], packet.octets())
        return self.leaving()

    def send(
        self, payload: bytes, destination: str, port: int = 7, source: tuple[str, int] = ("", 0)
    ) -> list[tuple[str, Ip]]:
        """Everything that leaves because the router itself sends a datagram."""

        def send() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(source)
                sock.sendto(payload, (destination, port))

        self.inside.call(send)
        return self.leaving()

    def leaving(self) -> list[tuple[str, Ip]]:
        """What is waiting to leave."""
        return [(name, Ip.read(octets)) for name in self._ends for octets in self.raw(name)]

    def raw(self, device: str, octets: bytes = b"") -> list[bytes]:
        """What is waiting to leave by a device, of any protocol, after writing `octets` to it."""
        if octets:
            os.write(self._ends[device], octets)
        found = []
        while True:
            try:
                found.append(os.read(self._ends[device], 65535))
            except BlockingIOError:
                return found

    def set(self, ruleset: Ruleset) -> None:
        self.inside.run(self.firewall.set(ruleset))

    def counters(self) -> dict[str, int]:
        """Those that are not 0."""
        held = self.inside.run(self.firewall.counters())
        return {name: count for name, count in held.items() if count}


def access(text: str, name: str = "A") -> AccessRules:
    """The rules of an extended access list."""
    parsed = parse("\n".join((f"ip access-list extended {name}", *(f" {line.strip()}" for line in text.splitlines()))))
    assert not parsed.problems
    return AccessRules(name, rules(parsed.config.access_lists[name]))


def model(packet: Ip) -> Packet:
    """As the model of access lists takes it."""
    return Packet(
        int(IPv4Address(packet.source)),
        int(IPv4Address(packet.destination)),
        packet.protocol,
        *packet.ports,
        packet.flags,
        packet.icmp,
        packet.dscp,
        packet.offset > 0,
    )
