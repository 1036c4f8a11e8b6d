"""Whether a real peer gets through while somebody floods the responder with IKE_SA_INIT requests of forged addresses.

Run as a program it is the flood: `python -m bench.flood TARGET RATE SECONDS [PEER]` sends from addresses of
198.18.0.0/15 (RFC 2544), in a network namespace made for it; every other request has the address of PEER, which is
the real one's.
"""

from __future__ import annotations

import os
import random
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.interop.charon import Charon
from tests.interop.network import network, stop, two_sites

from bench.negotiation import CASES, RESPONDERS, address_of, connections
from bench.traffic import cpu_seconds
from seikan.wire.v2.constants import FLAG_INITIATOR, Exchange, Protocol, TransformType
from seikan.wire.v2.header import Header
from seikan.wire.v2.message import push_message
from seikan.wire.v2.payloads import KeyExchange, Nonce, Proposal, SaPayload, Transform

RATE = 10_000  # requests a second
ATTEMPTS = 10
_WARM_UP = 2.0  # seconds
_SECONDS = 60
_TICK = 0.005  # seconds between two bursts
_FORGED = 4096  # different requests, each with an address and an SPI of its own


@dataclass(frozen=True, slots=True)
class Flooded:
    """Seconds that a real peer's negotiation took, the processor's share of the responder, requests sent a second."""

    median: float
    worst: float
    cpu: float
    rate: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def _request(draw: random.Random) -> bytes:
    transforms = (
        Transform(TransformType.ENCR, 12, 128),
        Transform(TransformType.PRF, 5),
        Transform(TransformType.INTEG, 12),
        Transform(TransformType.KE, 14),
    )
    header = Header(draw.randbytes(8), bytes(8), 0, Exchange.IKE_SA_INIT, FLAG_INITIATOR, 0, 0)
    offer = SaPayload((Proposal(1, Protocol.IKE, b"", transforms),))
    return push_message(header, [offer, KeyExchange(14, draw.randbytes(256)), Nonce(draw.randbytes(32))])


def _datagram(draw: random.Random, target: str, peer: str | None) -> bytes:
    source = peer or f"198.{draw.choice((18, 19))}.{draw.randrange(256)}.{draw.randrange(1, 255)}"
    data = _request(draw)
    udp = struct.pack(">HHHH", 500, 500, 8 + len(data), 0)  # no checksum (RFC 768)
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    return struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(data), 0, 0, 64, socket.IPPROTO_UDP, 0) + ends + udp + data


def flood(target: str, rate: int, seconds: float, peer: str | None = None) -> int:
    """Send as told; the number of requests sent."""
    draw = random.Random(1)  # noqa: S311 nothing here is secret
    datagrams = [_datagram(draw, target, peer if number % 2 else None) for number in range(_FORGED)]
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        begun = time.monotonic()
        while (elapsed := time.monotonic() - begun) < seconds:
            while sent < rate * elapsed:
                raw.sendto(datagrams[sent % _FORGED], (target, 0))
                sent += 1
            time.sleep(_TICK)
    return sent


def measure(responder: str, directory: Path, rate: int = RATE, *, as_peer: bool = False) -> Flooded:
    """ATTEMPTS negotiations of one peer, one after the other, while `rate` forged requests a second come in: from
    strangers, or half of them from the peer's own address.
    """
    case = next(case for case in CASES if (case.version, case.group) == (2, 19))
    directory.mkdir(parents=True)
    with network() as net:
        left, right = two_sites(net)
        left.host.ip("address", "add", f"{address_of(0)}/24", "dev", left.device)
        right.host.ip("route", "add", "198.18.0.0/15", "via", left.address)
        initiator = Charon(left, directory / "initiator", log_level=-1)
        initiator.start()
        connections(initiator, lambda number: (address_of(number), right.address), case)
        with RESPONDERS[responder](right, directory / "responder", case) as pid:
            command = [sys.executable, "-m", "bench.flood", right.address, str(rate), str(_SECONDS)]
            command += [address_of(0)] if as_peer else []
            flooding = left.host.start(*command, environment={"PYTHONPATH": os.pathsep.join(sys.path)})
            try:
                time.sleep(_WARM_UP)
                before, begun = cpu_seconds([pid]), time.monotonic()
                took = sorted(_connect(initiator) for _ in range(ATTEMPTS))
                elapsed, used = time.monotonic() - begun, cpu_seconds([pid]) - before
            finally:
                stop(flooding)
        initiator.stop()
    return Flooded(took[len(took) // 2], took[-1], used / elapsed, rate)


def _connect(initiator: Charon) -> float:
    limit = str(_SECONDS * 1000)
    begun = time.monotonic()
    initiator.vici.request("initiate", {"child": "n0", "ike": "c0", "timeout": limit, "loglevel": "-1"})
    took = time.monotonic() - begun
    initiator.vici.request("terminate", {"ike": "c0", "timeout": limit, "loglevel": "-1"})
    return took


if __name__ == "__main__":
    print(flood(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:]))
