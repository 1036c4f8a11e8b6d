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
_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Case:
    """One version of IKE with one group, both by pre-shared key, AES-128-CBC and one hash for everything."""

    version: int
    group: int
    proposal: str  # charon's words

    @property
    def name(self) -> str:
        return f"IKEv{self.version} group {self.group}"


CASES = (
    Case(1, 14, "aes128-sha1-modp2048"),
    Case(1, 19, "aes128-sha1-ecp256"),
    Case(2, 14, "aes128-sha256-modp2048"),
    Case(2, 19, "aes128-sha256-ecp256"),
    Case(2, 31, "aes128-sha256-curve25519"),
)


@dataclass(frozen=True, slots=True)
class Negotiations:
    """`rate` per second; `cpu` seconds of the responder per 1,000: IKE SA, child SA and delete each."""

    count: int
    rate: float
    cpu: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def address_of(number: int) -> str:
    """Of one of the initiators."""
    return f"10.9.0.{100 + number}"


def connections(charon: Charon, ends: Callable[[int], tuple[str, str]], case: Case) -> None:
    """Load all connections; `ends(number)` are the addresses of charon and of its peer."""
    for number in range(INITIATORS):
        own, peer = ends(number)
        charon.vici.request(
            "load-conn",
            {
                f"c{number}": {
                    "version": str(case.version),
                    "local_addrs": [own],
                    "remote_addrs": [peer],
                    "proposals": [case.proposal],
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
def charon_responder(site: Site, directory: Path, case: Case) -> Iterator[int]:
    """charon answering; yields its pid."""
    responder = Charon(site, directory, log_level=-1)
    responder.start()
    connections(responder, lambda number: (site.address, address_of(number)), case)
    yield responder.pid
    responder.stop()


def _isakmp(case: Case) -> list[str]:
    return [
        "crypto isakmp policy 1",
        " encr aes",
        " authentication pre-share",
        f" group {case.group}",
        *(f"crypto isakmp key {SECRET} address {address_of(number)}" for number in range(INITIATORS)),
    ]


def _ikev2(case: Case) -> list[str]:
    lines = ["crypto ikev2 proposal P", " encryption aes-cbc-128", " integrity sha256", f" group {case.group}"]
    lines += ["crypto ikev2 policy P", " proposal P", "crypto ikev2 keyring K"]
    for number in range(INITIATORS):
        lines += [f" peer {number}", f"  address {address_of(number)}", f"  pre-shared-key {SECRET}"]
    lines += ["crypto ikev2 profile P", " match identity remote address 0.0.0.0", " authentication local pre-share"]
    return [*lines, " authentication remote pre-share", " keyring local K"]


@contextmanager
def seikan_responder(site: Site, directory: Path, case: Case) -> Iterator[int]:
    """Seikan answering, one static VTI for each initiator; yields its pid."""
    directory.mkdir()
    lines = ["hostname Responder", *(_isakmp(case) if case.version == 1 else _ikev2(case))]
    lines += ["crypto ipsec transform-set T esp-aes esp-sha-hmac", " mode tunnel"]
    lines += ["crypto ipsec profile P", " set transform-set T", " responder-only"]
    if case.version == 2:
        lines += [" set ikev2-profile P"]
    for number in range(INITIATORS):
        lines += [
            f"interface Tunnel{number}",
            f" ip unnumbered {site.device}",
            f" tunnel source {site.device}",
            f" tunnel destination {address_of(number)}",
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


def measure(responder: str, case: Case, count: int, directory: Path) -> Negotiations:
    """`count` negotiations, INITIATORS at a time, against that responder."""
    directory.mkdir(parents=True)
    with network() as net:
        left, right = two_sites(net)
        for number in range(INITIATORS):
            left.host.ip("address", "add", f"{address_of(number)}/24", "dev", left.device)
        # Each initiate that waits for its answer holds a thread of charon's.
        initiator = Charon(left, directory / "initiator", threads=16 + 2 * INITIATORS, log_level=-1)
        initiator.start()
        connections(initiator, lambda number: (address_of(number), right.address), case)
        with RESPONDERS[responder](right, directory / "responder", case) as pid:
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
