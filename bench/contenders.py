"""The VPNs that are compared, each between two hosts of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.interop.charon import Charon
from tests.interop.network import Site, network, stop, two_sites
from tests.interop.router import AES128_SHA1, AES_GCM, Seikan, Suite

from bench.traffic import Route
from seikan.lab.wait import wait_until

MTU = 1400
"""Of every tunnel device, so that all carry the same datagrams."""
SECRET = "for-this-measurement-only"  # noqa: S105 -- no secret: the tunnels live for a minute in namespaces
_UP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Contender:
    """`against` names the contender that its ratio is taken to: the same suite, another program."""

    name: str
    make: Callable[[Path], Iterator[Route]]
    against: str | None = None


def _wait_crossing(left: Site, right: Site, limit: float = _UP_SECONDS) -> None:
    if not wait_until(lambda: left.host.answers(right.inner, left.inner), limit, 0.2):
        raise RuntimeError(f"no packet crossed after {limit} s")


def none(directory: Path) -> Iterator[Route]:
    """No VPN: the bare wire."""
    with network() as net:
        left, right = two_sites(net)
        route = Route(left.host, left.address, right.host, right.address, (), directory / "iperf.log")
        yield route
        route.close()


def strongswan(suite: Suite) -> Callable[[Path], Iterator[Route]]:
    """charon at both ends, ESP in its own process (kernel-libipsec), always in UDP."""

    def make(directory: Path) -> Iterator[Route]:
        with network() as net:
            left, right = two_sites(net)
            ends = [Charon(site, directory / site.host.name) for site in (left, right)]
            for charon, peer in zip(ends, (right, left), strict=True):
                charon.start()
                charon.connect_ike_v1(peer.address, SECRET, ike=suite.ike, esp=suite.esp)
                charon.route(f"{peer.inner}/32")
                charon.site.host.ip("link", "set", "dev", "ipsec0", "mtu", str(MTU))
            ends[0].initiate()
            _wait_crossing(left, right)
            route = Route(
                left.host, left.inner, right.host, right.inner, [end.pid for end in ends], directory / "iperf.log"
            )
            yield route
            route.close()
            for end in ends:
                end.stop()

    return make


def wireguard(directory: Path) -> Iterator[Route]:
    """wireguard-go at both ends."""
    with network() as net:
        sites = two_sites(net)
        devices = [f"wg{net.id}{side}" for side in "ab"]
        keys = []
        for site, device in zip(sites, devices, strict=True):
            private = site.host.run("wg", "genkey").strip()
            file = directory / f"{device}.key"
            file.touch(mode=0o600)
            file.write_text(private)
            public = site.host.run("sh", "-c", f"wg pubkey < {file}").strip()
            keys.append((file, public))
        processes = []
        for number, site in enumerate(sites):
            device, peer = devices[number], sites[1 - number]
            processes.append(
                site.host.start(
                    *("wireguard-go", "-f", device),
                    log=directory / f"{device}.log",
                    environment={"WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD": "1", "LOG_LEVEL": "error"},
                )
            )
            control = Path("/var/run/wireguard") / f"{device}.sock"
            if not wait_until(control.exists, 10):
                raise RuntimeError("wireguard-go did not start")
            site.host.run(
                *("wg", "set", device, "listen-port", "51820", "private-key", str(keys[number][0])),
                *("peer", keys[1 - number][1], "allowed-ips", f"{peer.inner}/32", "endpoint", f"{peer.address}:51820"),
            )
            site.host.ip("link", "set", "dev", device, "mtu", str(MTU), "up")
            site.host.ip("route", "add", f"{peer.inner}/32", "dev", device, "src", site.inner)
        _wait_crossing(*sites)
        route = Route(
            sites[0].host,
            sites[0].inner,
            sites[1].host,
            sites[1].inner,
            [each.pid for each in processes],
            directory / "iperf.log",
        )
        yield route
        route.close()
        for process in processes:
            stop(process)


# A stateless port translation of IKE at one end makes both believe in a NAT, so that ESP goes in UDP
# (RFC 3947) although every packet takes the same bare wire; ESP itself passes no rule.
_FEIGNED_NAT = (
    "add table ip feign; "
    "add chain ip feign out { type filter hook output priority 0; }; "
    "add rule ip feign out udp sport 500 udp sport set 501; "
    "add chain ip feign in { type filter hook prerouting priority 0; }; "
    "add rule ip feign in udp dport 501 udp dport set 500"
)


def seikan(suite: Suite, *, encapsulated: bool) -> Callable[[Path], Iterator[Route]]:
    """Seikan's userspace plane at both ends; `encapsulated` puts ESP in UDP."""

    def make(directory: Path) -> Iterator[Route]:
        with network() as net:
            left, right = two_sites(net)
            if encapsulated:
                left.host.run("nft", _FEIGNED_NAT)
            ends = [
                Seikan(
                    *(site, directory / site.host.name, peer.address, peer.inner, SECRET, suite),
                    tunnel=(f"ip mtu {MTU}",),
                    profile=() if site is left else ("responder-only",),
                )
                for site, peer in ((left, right), (right, left))
            ]
            for end in reversed(ends):
                end.start()
            _wait_crossing(left, right)
            shown = ends[0].exec("show crypto ipsec sa")
            if ("4500" in shown) != encapsulated:
                raise RuntimeError(f"ESP should{'' if encapsulated else ' not'} be in UDP here:\n{shown}")
            route = Route(
                left.host, left.inner, right.host, right.inner, [end.pid for end in ends], directory / "iperf.log"
            )
            yield route
            route.close()
            for end in ends:
                end.stop()

    return make


CONTENDERS: Mapping[str, Contender] = MappingProxyType(
    {
        each.name: each
        for each in (
            Contender("no VPN", none),
            Contender("strongSwan AES-CBC/SHA1 UDP", strongswan(AES128_SHA1)),
            Contender("Seikan AES-CBC/SHA1 UDP", seikan(AES128_SHA1, encapsulated=True), "strongSwan AES-CBC/SHA1 UDP"),
            Contender(
                "Seikan AES-CBC/SHA1 ESP", seikan(AES128_SHA1, encapsulated=False), "strongSwan AES-CBC/SHA1 UDP"
            ),
            Contender("strongSwan AES-GCM UDP", strongswan(AES_GCM)),
            Contender("Seikan AES-GCM UDP", seikan(AES_GCM, encapsulated=True), "strongSwan AES-GCM UDP"),
            Contender("Seikan AES-GCM ESP", seikan(AES_GCM, encapsulated=False), "strongSwan AES-GCM UDP"),
            Contender("wireguard-go", wireguard),
        )
    }
)


@contextmanager
def running(contender: Contender, directory: Path) -> Iterator[Route]:
    """The contender, up; what it made is removed at the end."""
    directory.mkdir(parents=True)
    yield from contender.make(directory)
