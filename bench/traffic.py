"""One measurement of what a path carries: iperf3 and ping from one host to the other."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.interop.network import Host, stop

from seikan.lab.wait import wait_until

PORT = 5201
PINGS = 1000
UDP_SMALL, UDP_LARGE = 64, 1372
"""Octets of UDP payload; 1372 makes an IP datagram of 1400."""
_ATTEMPTS = 3
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """One round over one path. Gbit/s, thousand packets a second received, milliseconds, CPU seconds per gigabit.

    `cpu` is user and system time of the VPN's processes at both ends during the one-stream TCP test,
    divided by the gigabits that arrived; None where the path has no such process.
    """

    tcp1: float
    tcp4: float
    udp_small: float
    udp_large: float
    rtt: float
    cpu: float | None

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time that these processes have used."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


class Route:
    """From `source` on `client` to `target` on `server`; `pids` are the VPN's processes at both ends."""

    def __init__(self, client: Host, source: str, server: Host, target: str, pids: Sequence[int], log: Path) -> None:
        self._client, self._source, self._target, self._pids = client, source, target, pids
        self._iperf = server.start("iperf3", "-s", "-B", target, "-p", str(PORT), log=log)
        if not wait_until(lambda: f":{PORT}" in server.run("ss", "-Hltn", check=False), 10):
            raise RuntimeError(f"iperf3 does not listen: {log.read_text()[-200:]}")

    def close(self) -> None:
        stop(self._iperf)

    def measure(self, seconds: int) -> Sample:
        before = cpu_seconds(self._pids)
        tcp1 = self._tcp(1, seconds)
        used = cpu_seconds(self._pids) - before
        return Sample(
            tcp1=tcp1,
            tcp4=self._tcp(4, seconds),
            udp_small=self._udp(UDP_SMALL, seconds),
            udp_large=self._udp(UDP_LARGE, seconds),
            rtt=self._rtt(),
            cpu=used / (tcp1 * seconds) if self._pids else None,
        )

    def _client_run(self, seconds: int, *arguments: str) -> dict[str, dict[str, float]]:
        command = (
            "iperf3",
            "-c",
            self._target,
            "-B",
            self._source,
            "-p",
            str(PORT),
            "-t",
            str(seconds),
            "-J",
            *arguments,
        )
        for _ in range(_ATTEMPTS):
            output = self._client.run(*command, limit=seconds + 30, check=False)
            report: dict[str, Any] = json.loads(output) if output.startswith("{") else {"error": output[-200:]}
            if "error" not in report and report["end"]:
                end: dict[str, dict[str, float]] = report["end"]
                return end
        # A flood can starve the connection on which iperf3 exchanges its results.
        raise RuntimeError(f"iperf3 {' '.join(arguments)} to {self._target}: {report.get('error', 'no result')}")

    def _tcp(self, streams: int, seconds: int) -> float:
        return self._client_run(seconds, "-P", str(streams))["sum_received"]["bits_per_second"] / 1e9

    def _udp(self, length: int, seconds: int) -> float:
        end = self._client_run(seconds, "-u", "-b", "0", "-l", str(length))["sum"]
        return (end["packets"] - end["lost_packets"]) / end["seconds"] / 1e3

    def _rtt(self) -> float:
        output = self._client.run("ping", "-f", "-q", "-c", str(PINGS), "-I", self._source, self._target, limit=60)
        found = re.search(r"= [\d.]+/([\d.]+)/", output)
        if found is None:
            raise RuntimeError(f"ping to {self._target}: {output[-200:]}")
        return float(found[1])
