"""Reading a capture: kinds, SPIs, and inner addresses that must not be there."""

from __future__ import annotations

import secrets
import struct
import subprocess
import sys
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from seikan.lab.capture import Capture, Reader, read, readable, revealing, summary
from seikan.lab.topology import LabError
from seikan.lab.wait import wait_until

OUTER = (IPv4Address("10.1.12.1"), IPv4Address("10.1.23.3"))
INNER = IPv4Address("3.3.3.3")


def ipv4(protocol: int, payload: bytes, *, offset: int = 0) -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, offset, 255, protocol, 0)
    return bytes(12) + b"\x08\x00" + header + OUTER[0].packed + OUTER[1].packed + payload


def udp(source: int, destination: int, payload: bytes) -> bytes:
    return ipv4(17, struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload)


def capture(path: Path, frames: list[bytes], *, order: str = "<") -> Path:
    data = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for number, frame in enumerate(frames):
        data += struct.pack(order + "IIII", 100 + number, 500000, len(frame), len(frame)) + frame
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])
def test_each_kind_is_told_apart(tmp_path: Path, order: str) -> None:
    frames = [
        ipv4(50, b"\x11\x22\x33\x44" + bytes(60)),
        udp(500, 500, bytes(28)),
        udp(4500, 4500, bytes(4) + bytes(28)),
        udp(4500, 1024, b"\x55\x66\x77\x88" + bytes(60)),
        udp(4500, 4500, b"\xff"),
        ipv4(47, bytes(8)),
        ipv4(1, bytes(8)),
        ipv4(1, b"\x03\x01" + bytes(6)),
        bytes(12) + b"\x08\x06" + bytes(28),
        ipv4(50, bytes(40), offset=100),
    ]
    packets = list(read(capture(tmp_path / "x.pcap", frames, order=order)))
    assert [packet.kind for packet in packets] == [
        *("ESP", "ISAKMP", "ISAKMP", "ESP", "NAT keepalive", "GRE", "ICMP", "ICMP unreachable", "ARP", "ESP fragment"),
    ]
    assert [packet.spi for packet in packets if packet.kind == "ESP"] == [0x11223344, 0x55667788]
    assert (packets[0].source, packets[0].destination) == OUTER
    assert packets[1].time == pytest.approx(101.5)
    assert summary(packets[:4]) == "ESP 2, ISAKMP 2"


def test_an_inner_address_is_found_anywhere_in_a_frame(tmp_path: Path) -> None:
    hidden = ipv4(50, bytes(64))
    readable = ipv4(47, bytes(8) + INNER.packed + bytes(8))
    packets = list(read(capture(tmp_path / "x.pcap", [hidden, readable])))
    assert revealing(packets, [INNER]) == [packets[1]]


LAN = IPv4Network("10.10.0.0/16")
LAN_HOST, LAN_PEER = IPv4Address("10.10.1.10"), IPv4Address("10.10.2.10")
MARKER = b"a marker of ours"


@pytest.mark.parametrize(
    ("frame", "shows"),
    [
        (ipv4(50, b"\x11\x22\x33\x44" + bytes(20) + LAN_HOST.packed + bytes(40)), False),
        (ipv4(50, b"\x11\x22\x33\x44" + bytes(20) + LAN_HOST.packed + LAN_PEER.packed), True),
        (ipv4(50, b"\x11\x22\x33\x44" + bytes(20) + MARKER), True),
        (ipv4(47, bytes(16) + LAN_HOST.packed + bytes(16)), True),
        (ipv4(1, bytes(20) + LAN_HOST.packed + OUTER[0].packed), True),
        (udp(4500, 4500, b"\x11\x22\x33\x44" + bytes(20) + LAN_HOST.packed), False),
        (udp(500, 500, bytes(40) + LAN_HOST.packed), False),
        (ipv4(1, bytes(20) + IPv4Address("10.11.1.10").packed), False),
        (ipv4(17, bytes(8)).replace(OUTER[0].packed, LAN_HOST.packed), True),
    ],
    ids=["accident", "inner header", "marker", "gre", "quoted", "accident in udp", "isakmp", "another", "outer"],
)
def test_what_the_provider_could_read_is_told_from_accidents_of_ciphertext(
    tmp_path: Path, frame: bytes, shows: bool
) -> None:
    packets = list(read(capture(tmp_path / "x.pcap", [frame])))
    assert bool(readable(packets, [LAN], [MARKER])) is shows


def test_the_exchange_and_encryption_of_isakmp_are_read(tmp_path: Path) -> None:
    def message(exchange: int, flags: int) -> bytes:
        return bytes(16) + bytes((5, 0x10, exchange, flags)) + bytes(8)

    frames = [udp(500, 500, message(2, 0)), udp(4500, 4500, bytes(4) + message(32, 1)), udp(500, 500, bytes(12))]
    packets = list(read(capture(tmp_path / "x.pcap", frames)))
    assert [(packet.exchange, packet.encrypted) for packet in packets] == [(2, False), (32, True), (None, False)]
    assert [packet.ports for packet in packets] == [(500, 500), (4500, 4500), (500, 500)]


def test_a_growing_capture_is_read_on(tmp_path: Path) -> None:
    path = capture(tmp_path / "x.pcap", [ipv4(1, bytes(8)), ipv4(50, bytes(40)), ipv4(47, bytes(8))])
    whole = path.read_bytes()
    reader = Reader(path)
    kinds = []
    for length in range(0, len(whole) + 1, 7):
        path.write_bytes(whole[:length])
        kinds = [packet.kind for packet in reader.read()]
    path.write_bytes(whole)
    assert kinds == ["ICMP", "ESP", "GRE"][: len(kinds)]
    assert [packet.kind for packet in reader.read()] == ["ICMP", "ESP", "GRE"]


def test_a_record_that_is_still_being_written_ends_the_capture(tmp_path: Path) -> None:
    path = capture(tmp_path / "x.pcap", [ipv4(1, bytes(8)), ipv4(1, bytes(8))])
    path.write_bytes(path.read_bytes()[:-3])
    assert len(list(read(path))) == 1


def test_a_file_that_is_no_capture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(b"something else entirely, and long enough")
    with pytest.raises(LabError, match=r"x\.pcap is not a capture"):
        list(read(path))


BURST = 400
SEND = f"""
import socket
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range({BURST}):
    out.sendto(bytes(1400), ("127.0.0.2", 9))
"""


@pytest.mark.netns
def test_a_burst_is_taken_whole(tmp_path: Path, tool: Callable[[str], str]) -> None:
    tool("tcpdump")
    name = f"seikan-capture-{secrets.token_hex(4)}"
    subprocess.run(["ip", "netns", "add", name], check=True, timeout=10)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True, timeout=10)
        wire = Capture(name, "lo", tmp_path / "burst.pcap")
        try:
            wire.wait_listening()
            command = ["ip", "netns", "exec", name, sys.executable, "-c", SEND]
            subprocess.run(command, timeout=20, check=False)  # the port is closed, which the last sends may be told
            wait_until(lambda: sum(packet.kind == "UDP" for packet in read(wire.path)) >= BURST, 5)
        finally:
            wire.stop()
        assert sum(packet.kind == "UDP" for packet in read(wire.path)) == BURST
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True, timeout=10)
