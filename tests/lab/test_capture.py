"""Reading a capture: kinds, SPIs, and inner addresses that must not be there."""

from __future__ import annotations

import secrets
import struct
import subprocess
import sys
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from seikan.lab.capture import Capture, read, revealing, summary
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
        bytes(12) + b"\x08\x06" + bytes(28),
        ipv4(50, bytes(40), offset=100),
    ]
    packets = list(read(capture(tmp_path / "x.pcap", frames, order=order)))
    assert [packet.kind for packet in packets] == [
        *("ESP", "ISAKMP", "ISAKMP", "ESP", "NAT keepalive", "GRE", "ICMP", "ARP", "ESP fragment"),
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
