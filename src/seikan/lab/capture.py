"""What crossed the provider's wires: tcpdump writes, this reads.

The file is classic pcap (draft-ietf-opsawg-pcap) with Ethernet frames; only as much of IPv4
(RFC 791), UDP and ESP (RFC 4303, RFC 3948) is read as the proof needs.
"""

from __future__ import annotations

import struct
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from seikan.lab.topology import LabError
from seikan.lab.wait import wait_until

_GLOBAL_HEADER = 24
_RECORD_HEADER = 16
_ETHERNET_HEADER = 14
_ETHERTYPE_IPV4 = 0x0800
_ETHERTYPE_ARP = 0x0806
_PROTOCOL_NAMES = {1: "ICMP", 6: "TCP", 17: "UDP", 47: "GRE", 50: "ESP", 89: "OSPF"}
# tcpdump's ring has a slot of the snapshot's size for each frame: whole ones of 256 KiB would leave it eight.
_SNAPSHOT = "2048"  # octets
_BUFFER = "8192"  # KiB
_ICMP_UNREACHABLE = 3
_ISAKMP_HEADER = 28
_UDP_HEADER = 8
_ISAKMP_PORT = 500
_NAT_TRAVERSAL_PORT = 4500
_OPAQUE = frozenset({"ESP", "ESP fragment", "ISAKMP", "ARP"})


@dataclass(frozen=True, slots=True)
class Packet:
    """One frame: `time` in seconds since 1970, `kind` as a person calls it ("ESP"), `spi` where it is ESP.

    `ports` are those of UDP, `isakmp` where the ISAKMP header begins in the frame.
    """

    time: float
    kind: str
    source: IPv4Address | None
    destination: IPv4Address | None
    spi: int | None
    frame: bytes
    ports: tuple[int, int] | None = None
    isakmp: int | None = None

    @property
    def exchange(self) -> int | None:
        """The exchange of an ISAKMP message (RFC 2408 section 3.1): 2 main mode, 5 informational, 32 quick mode."""
        return self._isakmp_octet(18)

    @property
    def encrypted(self) -> bool:
        """Whether an ISAKMP message is encrypted (the first flag of RFC 2408 section 3.1)."""
        return bool((self._isakmp_octet(19) or 0) & 1)

    def _isakmp_octet(self, offset: int) -> int | None:
        if self.isakmp is None or len(self.frame) < self.isakmp + _ISAKMP_HEADER:
            return None
        return self.frame[self.isakmp + offset]


class Capture:
    """tcpdump on one interface of a namespace, writing each frame to `path` as it comes."""

    def __init__(self, namespace: str, device: str, path: Path) -> None:
        self.path = path
        self._errors = path.with_suffix(".err")
        with self._errors.open("wb") as errors:
            try:
                self._process = subprocess.Popen(
                    [
                        *("ip", "netns", "exec", namespace),
                        *(
                            "tcpdump",
                            "-i",
                            device,
                            "-n",
                            "-s",
                            _SNAPSHOT,
                            "-B",
                            _BUFFER,
                            "-U",
                            "--immediate-mode",
                            "-Z",
                            "root",
                            "-w",
                            str(path),
                        ),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise LabError("the program tcpdump is not installed: run make setup") from None

    def wait_listening(self) -> None:
        """Return once frames are being taken; LabError when tcpdump does not start."""
        wait_until(lambda: self._process.poll() is not None or b"listening on" in self._errors.read_bytes(), 10)
        if self._process.poll() is not None or b"listening on" not in self._errors.read_bytes():
            said = self._errors.read_text(errors="replace").strip().splitlines()
            raise LabError(f"tcpdump did not start: {said[-1] if said else 'it said nothing'}")

    def stop(self) -> None:
        """End tcpdump; the file stays."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Reader:
    """A capture that grows: `read` takes in what came since and returns everything so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._packets: list[Packet] = []
        self._position = 0
        self._order = ""

    def read(self) -> Sequence[Packet]:
        """The packets so far; a record that is still being written is left for later. LabError if it is no capture."""
        with self.path.open("rb") as capture:
            capture.seek(self._position)
            data = capture.read()
        position = 0
        if not self._order:
            if len(data) < _GLOBAL_HEADER:
                return self._packets
            order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}.get(data[:4])
            if order is None or struct.unpack_from(order + "I", data, 20)[0] != 1:
                raise LabError(f"{self.path} is not a capture of Ethernet frames")
            self._order, position = order, _GLOBAL_HEADER
        while position + _RECORD_HEADER <= len(data):
            seconds, microseconds, length, _ = struct.unpack_from(self._order + "IIII", data, position)
            end = position + _RECORD_HEADER + length
            if end > len(data):
                break
            self._packets.append(_packet(seconds + microseconds / 1e6, data[position + _RECORD_HEADER : end]))
            position = end
        self._position += position
        return self._packets


def read(path: Path) -> Iterator[Packet]:
    """The packets of a capture; a record that is still being written ends it. LabError where it is no capture."""
    return iter(Reader(path).read())


def _packet(when: float, frame: bytes) -> Packet:
    ethertype = int.from_bytes(frame[12:14], "big")
    if ethertype == _ETHERTYPE_ARP:
        return Packet(when, "ARP", None, None, None, frame)
    header_length = (frame[_ETHERNET_HEADER] & 0x0F) * 4 if len(frame) > _ETHERNET_HEADER else 0
    if ethertype != _ETHERTYPE_IPV4 or header_length < 20 or len(frame) < _ETHERNET_HEADER + header_length:
        return Packet(when, f"ethertype {ethertype:#06x}", None, None, None, frame)
    ip = frame[_ETHERNET_HEADER:]
    source, destination = IPv4Address(ip[12:16]), IPv4Address(ip[16:20])
    protocol, payload = ip[9], ip[header_length : int.from_bytes(ip[2:4], "big")]
    kind, spi, ports, isakmp = _PROTOCOL_NAMES.get(protocol, f"IP protocol {protocol}"), None, None, None
    if int.from_bytes(ip[6:8], "big") & 0x1FFF:
        return Packet(when, f"{kind} fragment", source, destination, None, frame)
    if protocol == 50:
        spi = int.from_bytes(payload[:4], "big")
    elif protocol == 1 and payload[:1] == bytes((_ICMP_UNREACHABLE,)):
        kind = "ICMP unreachable"
    elif protocol == 17 and len(payload) >= _UDP_HEADER:
        ports, inside = struct.unpack_from("!HH", payload), payload[_UDP_HEADER:]
        message = _ETHERNET_HEADER + header_length + _UDP_HEADER
        if _ISAKMP_PORT in ports:
            kind, isakmp = "ISAKMP", message
        elif _NAT_TRAVERSAL_PORT in ports:  # RFC 3948: four zero octets, one 0xff, or an SPI
            if inside[:4] == bytes(4):
                kind, isakmp = "ISAKMP", message + 4
            elif inside == b"\xff":
                kind = "NAT keepalive"
            else:
                kind, spi = "ESP", int.from_bytes(inside[:4], "big")
    return Packet(when, kind, source, destination, spi, frame, ports, isakmp)


def summary(packets: Sequence[Packet]) -> str:
    """How many of each kind, most first: "ESP 31, ISAKMP 9"."""
    counted = Counter(packet.kind for packet in packets)
    return ", ".join(f"{kind} {number}" for kind, number in counted.most_common()) or "nothing"


def revealing(packets: Sequence[Packet], inner: Sequence[IPv4Address]) -> list[Packet]:
    """The packets in which an inner address stands readable, anywhere in the frame."""
    wanted = [address.packed for address in inner]
    return [packet for packet in packets if any(address in packet.frame for address in wanted)]


def readable(packets: Sequence[Packet], inner: Sequence[IPv4Network], markers: Sequence[bytes] = ()) -> list[Packet]:
    """The packets that let the provider read something of `inner`, without the accidents of a long capture.

    Among a million octets of ciphertext any four come up: in ESP only two inner addresses side by side, as an IP
    header has them, or one of the `markers` (of 8 octets or more) that the traffic itself carries, count. In anything
    else one inner address is enough, in its own header, or in one that it carries or quotes. The prefix lengths of
    `inner` are multiples of 8.
    """
    bounds = [(int(network.network_address), int(network.broadcast_address)) for network in inner]
    prefixes = {network.network_address.packed[: network.prefixlen // 8] for network in inner}

    def is_inner(octets: bytes) -> bool:
        address = int.from_bytes(octets, "big")
        return len(octets) == 4 and any(low <= address <= high for low, high in bounds)

    def shows(packet: Packet) -> bool:
        if any(marker in packet.frame for marker in markers):
            return True
        if any(address is not None and is_inner(address.packed) for address in (packet.source, packet.destination)):
            return True
        for prefix in prefixes:
            at = packet.frame.find(prefix, _ETHERNET_HEADER)
            while at != -1:
                alone = packet.kind not in _OPAQUE
                if is_inner(packet.frame[at : at + 4]) and (alone or is_inner(packet.frame[at + 4 : at + 8])):
                    return True
                at = packet.frame.find(prefix, at + 1)
        return False

    return [packet for packet in packets if shows(packet)]
