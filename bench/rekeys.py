"""What a stream loses while its IPsec SAs are replaced every few seconds, and its IKE SA now and then."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.daemon.routers import Router, two_routers, until
from tests.interop.connection import Connection
from tests.interop.network import network, run, two_sites
from tests.interop.ours import configuration
from tests.interop.peer_charon import StrongSwan
from tests.interop.router import Seikan

from seikan.lab.stream import End, Stream

SECONDS = 300
RATE = 375.0  # packets a second each way
SIZE = 1380  # octets: 525 kB a second, so that a pair of 2,560 kB lasts some 4 s until it is replaced
CHARON_RATE = 100.0  # its user-space ESP has one socket of the usual size, which a busy machine lets run over
_LOOK = 1.0
_PAIR, _IKE_SA = 4.0, 61.0  # seconds after which charon replaces them
_CONFIGURATION = """\
crypto ikev2 keyring K
 peer P
  address {peer}
  pre-shared-key {key}
crypto ikev2 profile V
 match identity remote address {peer} 255.255.255.255
 authentication local pre-share
 authentication remote pre-share
 keyring local K
 lifetime 120
crypto ipsec transform-set T esp-gcm
crypto ipsec profile P
 set transform-set T
 set security-association lifetime kilobytes 2560
 set pfs group19
 set ikev2-profile V
interface Tunnel0
 ip unnumbered Loopback0
 tunnel source eth0
 tunnel destination {peer}
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
"""


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """`pairs` and `ike_sas` that were there one after the other; packets of both directions together.

    `overrun` are datagrams that a socket in one of the two namespaces had no room for, ESP in UDP among them: they are
    lost by a program that did not run in time, not by a rekeying.
    """

    seconds: float
    pairs: int
    ike_sas: int
    sent: int
    lost: int
    duplicated: int
    reordered: int
    overrun: int
    longest_gap: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def _add_route(router: Router, other: Router) -> None:
    router.text += f"ip route {other.loopback} 255.255.255.255 Tunnel0\n"


def measure(directory: Path, seconds: float = SECONDS) -> Rekeyed:
    """Two Seikans with IKEv2, a stream each way for so long."""
    directory.mkdir(parents=True)
    with two_routers(directory) as sites:
        for router, other in ((sites.r1, sites.r3), (sites.r3, sites.r1)):
            router.configure(_CONFIGURATION)
            _add_route(router, other)
        sites.start()
        try:
            ends = [End(each.name, each.host.name, each.loopback, 5000) for each in (sites.r1, sites.r3)]
            return _run(sites.r1.exec, ends, directory, seconds, RATE)
        finally:
            sites.r1.stop()
            sites.r3.stop()


def measure_with_charon(directory: Path, seconds: float = SECONDS) -> Rekeyed:
    """A Seikan and a strongSwan, which begins every rekeying: each few s of the pair, each minute of the IKE SA."""
    directory.mkdir(parents=True)
    with network() as net:
        ours, theirs = two_sites(net)
        connection = Connection(2, "psk", "gcm", 19, False, ours, theirs, ours.address, theirs.address, "Between-both")
        seikan = Seikan(ours, directory / "seikan", theirs.address, theirs.inner, "", text=configuration(connection))
        charon = StrongSwan(directory / "charon")
        charon.start(connection)
        seikan.start()
        try:
            until(seikan.line_protocol_up, what=seikan.log)
            ends = [End(each.host.name, each.host.name, each.inner, 5000) for each in (ours, theirs)]
            due = {charon.rekey_child: _PAIR, charon.rekey_ike: _IKE_SA}
            started = time.monotonic()

            def act() -> None:
                """One of them at most: charon answers once it has begun, and does not do both at a time."""
                for rekey, every in ((charon.rekey_child, _PAIR), (charon.rekey_ike, _IKE_SA)):
                    if time.monotonic() - started >= due[rekey]:
                        due[rekey] += every
                        rekey()
                        return

            return _run(seikan.exec, ends, directory, seconds, CHARON_RATE, act)
        finally:
            seikan.stop()
            charon.stop()


def _run(
    execute: Callable[[str], str],
    ends: list[End],
    directory: Path,
    seconds: float,
    rate: float,
    act: Callable[[], None] = lambda: None,
) -> Rekeyed:
    """`execute` asks a Seikan what it has; `act` is called every now and then meanwhile."""
    pairs: set[str] = set()
    ike_sas: set[str] = set()
    with Stream("rekeys", ends[0], ends[1], directory, rate, SIZE) as stream:
        until(lambda: stream.running)
        begin = time.monotonic() + 1.0
        until(lambda: all(stream.arrived_since(begin)), 20)
        end = begin + seconds
        while time.monotonic() < end:
            time.sleep(_LOOK)
            act()
            pairs.update(re.findall(r"current outbound spi: 0x([0-9A-F]+)", execute("show crypto ipsec sa")))
            found = re.search(r"Local spi: ([0-9A-F]+)", execute("show crypto ikev2 sa detailed"))
            ike_sas.update(found.groups() if found else ())
        time.sleep(1.0)  # what is under way arrives
        tallies = [tally for _, tally in stream.tallies(begin, end)]
    return Rekeyed(
        seconds,
        len(pairs),
        len(ike_sas),
        sum(tally.sent for tally in tallies),
        sum(tally.lost for tally in tallies),
        sum(tally.duplicated for tally in tallies),
        sum(tally.reordered for tally in tallies),
        sum(map(_overrun, ends)),
        max(tally.longest_gap for tally in tallies),
    )


def _overrun(end: End) -> int:
    names, values = (
        line.split()
        for line in run("ip", "netns", "exec", end.namespace, "cat", "/proc/net/snmp").splitlines()
        if line.startswith("Udp:")
    )
    return int(values[names.index("RcvbufErrors")])
