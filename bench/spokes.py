"""How long a hub takes until all its spokes are up, and what each one costs it: Seikan, and charon as responder.

The same simulated spokes (`tests.hub.fleet`: the engine of Seikan with real sockets) begin all at once against both.
Seikan makes an interface for each, with an address, a line protocol and OSPF on it; charon makes SAs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from tests.hub.ground import HUB, KEY, Fleet, fleet, ground, resident_kilobytes, wire
from tests.interop.charon import Charon
from tests.interop.network import Site, network

from bench.traffic import cpu_seconds
from seikan.lab.wait import wait_until

GROUPS = {14: "aes128-sha1-modp2048", 19: "aes128-sha1-ecp256"}
GROUP = 19
LIMIT = 300.0  # seconds


@dataclass(frozen=True, slots=True)
class Spokes:
    """Seconds until all have SAs, and until all line protocols are up (None: there are no interfaces).

    `cpu` in milliseconds and `memory` in kilobytes of the responder for each spoke; `routing_…` of FRR's daemons.
    """

    count: int
    negotiated: float
    up: float | None
    cpu: float
    memory: float
    routing_cpu: float = 0.0
    routing_memory: float = 0.0

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


def _begin(simulated: Fleet, count: int) -> float:
    began = time.monotonic()
    simulated.ask("start", range(1, count + 1))
    answer = simulated.ask("up", range(1, count + 1), limit=LIMIT)
    if answer["up"] != count:
        raise RuntimeError(f"{count - answer['up']} of {count} spokes did not come up in {LIMIT:.0f} seconds")
    return began


def seikan(count: int, directory: Path, *, group: int = GROUP, ospf: bool = True) -> Spokes:
    """A hub with a Virtual-Template, `ospf` on it."""
    with ground(directory, count, group=group, ospf=ospf) as hub:
        routing = hub.routing()
        before = (hub.resident_kilobytes(), sum(map(resident_kilobytes, routing)))
        used = (cpu_seconds([hub.daemon.pid]), cpu_seconds(routing))
        began = _begin(hub.fleet, count)
        negotiated = time.monotonic() - began
        if not wait_until(lambda: hub.up() == count, LIMIT):
            raise RuntimeError(f"{count - hub.up()} of {count} line protocols stayed down")
        up = time.monotonic() - began
        routing = hub.routing()
        return Spokes(
            count,
            negotiated,
            up,
            (cpu_seconds([hub.daemon.pid]) - used[0]) / count * 1e3,
            (hub.resident_kilobytes() - before[0]) / count,
            (cpu_seconds(routing) - used[1]) / count * 1e3,
            (sum(map(resident_kilobytes, routing)) - before[1]) / count,
        )


def charon(count: int, directory: Path, *, group: int = GROUP) -> Spokes:
    """A responder that takes whoever has the key; ESP in user space, one device for all."""
    with network() as net:
        host, spokes = wire(net, directory, count)
        host.ip("route", "add", "10.65.0.0/16", "via", "10.64.0.2")
        responder = Charon(Site(host, "eth0", HUB, "172.16.1.1"), directory / "charon", threads=32, log_level=-1)
        responder.start()
        responder.vici.request(
            "load-conn",
            {
                "spokes": {
                    "version": "1",
                    "local_addrs": [HUB],
                    "remote_addrs": ["%any"],
                    "proposals": [GROUPS[group]],
                    "unique": "never",
                    "rekey_time": "0",
                    "reauth_time": "0",
                    "local": {"auth": "psk", "id": HUB},
                    "remote": {"auth": "psk", "id": "%any"},
                    "children": {
                        "net": {
                            "local_ts": ["0.0.0.0/0"],
                            "remote_ts": ["0.0.0.0/0"],
                            "esp_proposals": ["aes128-sha1"],
                            "rekey_time": "0",
                        }
                    },
                }
            },
        )
        responder.vici.request("load-shared", {"type": "ike", "data": KEY, "owners": []})
        with fleet(spokes, group) as simulated:
            before, used = resident_kilobytes(responder.pid), cpu_seconds([responder.pid])
            began = _begin(simulated, count)
            negotiated = time.monotonic() - began
            made = Spokes(
                count,
                negotiated,
                None,
                (cpu_seconds([responder.pid]) - used) / count * 1e3,
                (resident_kilobytes(responder.pid) - before) / count,
            )
        responder.stop()
        return made


HUBS: dict[str, Callable[[int, Path], Spokes]] = {
    "charon": charon,
    "Seikan": seikan,
    "Seikan without OSPF": partial(seikan, ospf=False),
}
