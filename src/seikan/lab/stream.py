"""Numbered UDP packets between two nodes, and what became of each: how many were lost, and for how long.

Run as a program (`python -m seikan.lab.stream`) inside a node's namespace, it sends at a steady rate and takes what
the other end sends; both keep records. One clock (CLOCK_MONOTONIC) serves every namespace of a host, so the
difference of two times is exact.
"""

from __future__ import annotations

import argparse
import secrets
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Self

COOKIE = 16  # octets: what tells a stream's packets from all others, in a capture too
_PACKET = struct.Struct("!QQ")  # its number, and when it was sent (ns)
_RECORD = struct.Struct("<cQQ")  # what happened, the packet's number, when (ns)
SENT, REFUSED, RECEIVED = b"s", b"x", b"r"
_IPV4_UDP_HEADERS = 28
_SO_RCVBUFFORCE = 33  # beyond net.core.rmem_max, for root; Python has no name for it
_BUFFER = 4 << 20  # octets, as the kernel counts them: some seconds of the fastest stream
SMALLEST = COOKIE + _PACKET.size + _IPV4_UDP_HEADERS
DEFAULT_SIZE = 200  # octets of the IP packet

Endpoint = tuple[str, int]  # address, port


# -- the program in a namespace ---------------------------------------------


def exchange(local: Endpoint, remote: Endpoint, rate: float, size: int, cookie: bytes, records: BinaryIO) -> None:
    """Send `rate` packets a second of `size` octets and take in the other end's, until SIGTERM.

    A packet for which this host itself has no route is recorded as refused. OSError where the address is not here.
    """
    ended = False

    def end(_signal: int, _frame: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(local)
        udp.setblocking(False)
        _enlarge(udp)
        padding = bytes(size - SMALLEST)
        number, period = 0, 1 / rate
        due = time.monotonic()
        records.write(cookie)
        records.flush()
        while not ended:
            wait = due - time.monotonic()
            if wait > 0:
                ready, _, _ = select.select([udp], [], [], wait)
                if ready:
                    _take(udp, cookie, records)
                continue
            _take(udp, cookie, records)  # also where this process is late and has many to send
            now = time.monotonic_ns()
            try:
                udp.sendto(cookie + _PACKET.pack(number, now) + padding, remote)
                records.write(_RECORD.pack(SENT, number, now))
            except OSError:
                records.write(_RECORD.pack(REFUSED, number, now))
            records.flush()
            number += 1
            due += period


def _enlarge(udp: socket.socket) -> None:
    """Room for what comes while a busy machine runs other programs: a packet lost here would count as the tunnel's."""
    try:
        udp.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    except PermissionError:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)


def _take(udp: socket.socket, cookie: bytes, records: BinaryIO) -> None:
    while True:
        try:
            data = udp.recv(65535)
        except BlockingIOError:
            return
        if len(data) >= COOKIE + _PACKET.size and data.startswith(cookie):
            number, _ = _PACKET.unpack_from(data, COOKIE)
            records.write(_RECORD.pack(RECEIVED, number, time.monotonic_ns()))


def _endpoint(text: str) -> Endpoint:
    address, _, port = text.rpartition(":")
    return address, int(port)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m seikan.lab.stream", description=exchange.__doc__)
    parser.add_argument("--local", type=_endpoint, required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--remote", type=_endpoint, required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--rate", type=float, default=50.0, help="packets a second (default: %(default)s)")
    parser.add_argument("--size", type=int, default=DEFAULT_SIZE, help="octets of an IP packet (default: %(default)s)")
    parser.add_argument("--cookie", type=bytes.fromhex, required=True, help=f"{COOKIE} octets in hexadecimal")
    parser.add_argument("--records", type=Path, required=True, metavar="FILE")
    options = parser.parse_args(arguments)
    if len(options.cookie) != COOKIE or options.size < SMALLEST or options.rate <= 0:
        parser.error(f"a cookie has {COOKIE} octets, a packet at least {SMALLEST}, and the rate is above 0")
    with options.records.open("wb") as records:
        try:
            exchange(options.local, options.remote, options.rate, options.size, options.cookie, records)
        except OSError as error:
            print(f"{options.local[0]}: {error.strerror}", file=sys.stderr)
            return 1
    return 0


# -- what became of the packets ---------------------------------------------


@dataclass(frozen=True, slots=True)
class Records:
    """One end's records, times in seconds of CLOCK_MONOTONIC: what it sent by number, and arrivals in order."""

    sent: Mapping[int, float]
    refused: frozenset[int]
    received: tuple[tuple[int, float], ...]


def read_records(path: Path) -> Records:
    """One end's records so far; a record that is still being written is left out."""
    try:
        data = path.read_bytes()[COOKIE:]
    except FileNotFoundError:
        data = b""
    sent: dict[int, float] = {}
    refused: set[int] = set()
    received: list[tuple[int, float]] = []
    for what, number, nanoseconds in _RECORD.iter_unpack(data[: len(data) - len(data) % _RECORD.size]):
        when = nanoseconds / 1e9
        if what == RECEIVED:
            received.append((number, when))
            continue
        sent[number] = when
        if what == REFUSED:
            refused.add(number)
    return Records(sent, frozenset(refused), tuple(received))


@dataclass(frozen=True, slots=True)
class Tally:
    """One direction in one stretch of time. `refused` are those of the lost that the sender's host had no route for.

    `reordered` counts as RFC 4737 section 3.4 does: arrivals with a number below one that arrived before.
    `longest_gap` (seconds) is the longest time between two arrivals of which a part is in the stretch, `lost_for` the
    longest from the sending of the first of some consecutive lost packets to the sending of the next that arrived.
    """

    sent: int
    received: int
    lost: int
    refused: int
    duplicated: int
    reordered: int
    longest_gap: float
    lost_for: float

    def __str__(self) -> str:
        return (
            f"sent {self.sent}, received {self.received}, lost {self.lost}"
            + (f" ({self.refused} had no route)" if self.refused else "")
            + (f" in up to {self.lost_for:.2f} s" if self.lost else "")
            + f", duplicated {self.duplicated}, out of order {self.reordered}, longest gap {self.longest_gap:.2f} s"
        )


def tally(sender: Records, receiver: Records, begin: float, end: float) -> Tally:
    """What became of the packets that `sender` sent from `begin` until before `end` (CLOCK_MONOTONIC)."""
    numbers = sorted(number for number, when in sender.sent.items() if begin <= when < end)
    wanted = set(numbers)
    arrivals: dict[int, int] = {}
    reordered, highest = 0, -1
    for number, _ in receiver.received:
        if number < highest:
            reordered += number in wanted and number not in arrivals
        highest = max(highest, number)
        if number in wanted:
            arrivals[number] = arrivals.get(number, 0) + 1
    lost_for, gone_since = 0.0, None
    for number in numbers:
        if number not in arrivals:
            gone_since = sender.sent[number] if gone_since is None else gone_since
        elif gone_since is not None:
            lost_for, gone_since = max(lost_for, sender.sent[number] - gone_since), None
    if gone_since is not None:
        last = max(sender.sent.values())
        lost_for = max(lost_for, min(end, last) - gone_since)
    return Tally(
        sent=len(numbers),
        received=len(arrivals),
        lost=len(numbers) - len(arrivals),
        refused=len(sender.refused & wanted),
        duplicated=sum(times_arrived - 1 for times_arrived in arrivals.values()),
        reordered=reordered,
        longest_gap=max(
            (
                later - earlier
                for (_, earlier), (_, later) in pairwise(receiver.received)
                if later >= begin and earlier < end
            ),
            default=0.0,
        ),
        lost_for=lost_for,
    )


@dataclass(frozen=True, slots=True)
class End:
    """Where a stream begins or ends: a network namespace, an address that is in it, a port."""

    name: str
    namespace: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


class Stream:
    """A running stream between two ends, in both directions."""

    def __init__(self, label: str, one: End, other: End, directory: Path, rate: float, size: int) -> None:
        self.label, self.rate = label, rate
        self.ends = (one, other)
        self.cookie = secrets.token_bytes(COOKIE)
        self._files = tuple(directory / f"stream-{label}-{end.name}" for end in self.ends)
        self._processes: list[subprocess.Popen[bytes]] = []
        for end, remote, file in ((one, other, self._files[0]), (other, one, self._files[1])):
            with file.with_suffix(".err").open("wb") as errors:
                self._processes.append(
                    subprocess.Popen(
                        [
                            *("ip", "netns", "exec", end.namespace, sys.executable, "-m", "seikan.lab.stream"),
                            *("--local", f"{end.address}:{end.port}", "--remote", f"{remote.address}:{remote.port}"),
                            *("--rate", str(rate), "--size", str(size)),
                            *("--cookie", self.cookie.hex(), "--records", str(file)),
                        ],
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=errors,
                        start_new_session=True,
                    )
                )

    def failure(self) -> str | None:
        """Why an end does not run; None where both do."""
        for process, end, file in zip(self._processes, self.ends, self._files, strict=True):
            if process.poll() is not None:
                said = file.with_suffix(".err").read_text(errors="replace").strip().splitlines()
                return f"the stream at {end} ended: {said[-1] if said else f'exit status {process.returncode}'}"
        return None

    @property
    def running(self) -> bool:
        """Whether both ends have begun."""
        return all(file.exists() and file.stat().st_size > COOKIE for file in self._files)

    def records(self) -> tuple[Records, Records]:
        """The records of both ends so far."""
        return read_records(self._files[0]), read_records(self._files[1])

    def arrived_since(self, moment: float) -> tuple[int, int]:
        """How many packets sent after `moment` (CLOCK_MONOTONIC) have arrived: at the first end, at the second."""
        one, other = self.records()
        return _arrived(other, one, moment), _arrived(one, other, moment)

    def tallies(self, begin: float, end: float) -> tuple[tuple[str, Tally], tuple[str, Tally]]:
        """Both directions with a name each: from the first end to the second, and back."""
        (one, other), (first, second) = self.records(), self.ends
        return (
            (f"{first.name} to {second.name}", tally(one, other, begin, end)),
            (f"{second.name} to {first.name}", tally(other, one, begin, end)),
        )

    def stop(self) -> None:
        """End both ends; their records stay."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _arrived(sender: Records, receiver: Records, moment: float) -> int:
    return len({number for number, _ in receiver.received if sender.sent.get(number, 0.0) >= moment})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
