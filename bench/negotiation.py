"""How many negotiations a responder answers, and what each costs it: charon initiates against both."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.interop.charon import Charon
from tests.interop.network import Site, network, two_sites
from tests.interop.vici import Vici

from bench.contenders import SECRET
from bench.traffic import cpu_seconds
from seikan.lab import daemons

INITIATORS = 8
"""Addresses that negotiate at the same time, each with one tunnel."""
GROUPS = {14: ("14", "aes128-sha1-modp2048"), 19: ("19", "aes128-sha1-ecp256")}
_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Negotiations:
    """`rate` per second; `cpu` seconds of the responder per 1,000: main mode, quick mode and delete each."""

    count: int
    rate: float
    cpu: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def _address(number: int) -> str:
    return f"10.9.0.{100 + number}"


def _connections(charon: Charon, local: str, remotes: Callable[[int], tuple[str, str]], proposal: str) -> None:
    for number in range(INITIATORS):
        own, peer = remotes(number)
        charon.vici.request(
            "load-conn",
            {
                f"c{number}": {
                    "version": "1",
                    "local_addrs": [own],
                    "remote_addrs": [peer],
                    "proposals": [proposal],
                    "unique": "replace",
                    "rekey_time": "0",
                    "reauth_time": "0",
                    "local": {"auth": "psk", "id": own},
                    "remote": {"auth": "psk", "id": peer},
                    "children": {
                        f"n{number}": {
                            "local_ts": ["0.0.0.0/0"],
                            "remote_ts": ["0.0.0.0/0"],
                            "esp_proposals": ["aes128-sha1"],
                            "rekey_time": "0",
                        }
                    },
                }
            },
        )
        charon.vici.request("load-shared", {"type": "ike", "data": SECRET, "owners": [own, peer]})


@contextmanager
def charon_responder(site: Site, directory: Path, proposal: str, group: str) -> Iterator[int]:
    """charon answering; yields its pid."""
    responder = Charon(site, directory, log_level=-1)
    responder.start()
    _connections(responder, site.address, lambda number: (site.address, _address(number)), proposal)
    yield responder.pid
    responder.stop()


@contextmanager
def seikan_responder(site: Site, directory: Path, proposal: str, group: str) -> Iterator[int]:
    """Seikan answering, one static VTI for each initiator; yields its pid."""
    directory.mkdir()
    lines = [
        "hostname Responder",
        "crypto isakmp policy 1",
        " encr aes",
        " authentication pre-share",
        f" group {group}",
    ]
    lines += [f"crypto isakmp key {SECRET} address {_address(number)}" for number in range(INITIATORS)]
    lines += ["crypto ipsec transform-set T esp-aes esp-sha-hmac", " mode tunnel"]
    lines += ["crypto ipsec profile P", " set transform-set T", " responder-only"]
    for number in range(INITIATORS):
        lines += [
            f"interface Tunnel{number}",
            f" ip unnumbered {site.device}",
            f" tunnel source {site.device}",
            f" tunnel destination {_address(number)}",
            " tunnel mode ipsec ipv4",
            " tunnel protection ipsec profile P",
        ]
    config = directory / "startup-config"
    config.touch(mode=0o600)
    config.write_text("\n".join([*lines, "end", ""]))
    daemon = daemons.launch(site.host.name, config, site.host.name, site.host.runtime)
    yield daemon.pid
    daemon.terminate()
    daemon.wait(20)


RESPONDERS = {"charon": charon_responder, "Seikan": seikan_responder}


def measure(responder: str, group: int, count: int, directory: Path) -> Negotiations:
    """`count` negotiations, INITIATORS at a time, against that responder."""
    name, proposal = GROUPS[group]
    directory.mkdir(parents=True)
    with network() as net:
        left, right = two_sites(net)
        for number in range(INITIATORS):
            left.host.ip("address", "add", f"{_address(number)}/24", "dev", left.device)
        # Each initiate that waits for its answer holds a thread of charon's.
        initiator = Charon(left, directory / "initiator", threads=16 + 2 * INITIATORS, log_level=-1)
        initiator.start()
        _connections(initiator, left.address, lambda number: (_address(number), right.address), proposal)
        with RESPONDERS[responder](right, directory / "responder", proposal, name) as pid:
            _negotiate(initiator, INITIATORS)  # once each, so that nothing is done for the first time below
            before, begun = cpu_seconds([pid]), time.monotonic()
            _negotiate(initiator, count)
            elapsed, used = time.monotonic() - begun, cpu_seconds([pid]) - before
        initiator.stop()
    return Negotiations(count, count / elapsed, used / count * 1000)


def _negotiate(initiator: Charon, count: int) -> None:
    problems: list[Exception] = []

    def one(number: int) -> None:
        try:
            vici = Vici(initiator.directory / "vici", limit=_SECONDS + 5)
            for _ in range(count // INITIATORS):
                name = {"child": f"n{number}", "ike": f"c{number}", "timeout": str(_SECONDS * 1000), "loglevel": "-1"}
                vici.request("initiate", name)
                vici.request("terminate", {"ike": f"c{number}", "timeout": str(_SECONDS * 1000), "loglevel": "-1"})
            vici.close()
        except Exception as error:  # noqa: BLE001 -- told to the caller below
            problems.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(INITIATORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise RuntimeError(f"{len(problems)} of {INITIATORS} initiators failed: {problems[0]}")
