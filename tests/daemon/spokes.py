"""A hub with a Virtual-Template and its spokes, all real daemons, in network namespaces.

hub  eth0 10.1.12.1 ---+
s1   eth0 10.1.21.3 ---+
s2   eth0 10.1.22.3 ---+- provider
cgn  10.1.24.4 --------+        s3 and s4 both have 192.168.4.4, each behind a NAT of its own, both behind `cgn`
       n3 -- s3   eth0 192.168.4.4
       n4 -- s4   eth0 192.168.4.4

A place is made when it is asked for; a daemon runs when it is started.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.daemon.routers import Router, cable, until
from tests.interop.network import Host, Network, network

HUB = "10.1.12.1"
OUTSIDE = "10.1.24.4"  # of the NAT that s3 and s4 share
PRIVATE = "192.168.4.4"
KEY = "One-Key-For-All-Spokes"
PHASE_ONE = """\
crypto isakmp policy 1
 encr aes
 authentication pre-share
 group 19
crypto isakmp keepalive 10 2 periodic
crypto ipsec transform-set T esp-aes esp-sha-hmac
 mode tunnel
"""
HUB_CRYPTO = """\
ip domain name lab.example
crypto keyring SPOKES
 pre-shared-key address 0.0.0.0 0.0.0.0 key {key}
crypto isakmp profile DVTI
 keyring SPOKES
 match identity address 0.0.0.0
 match identity host domain lab.example
 virtual-template 1
crypto ipsec profile P
 set transform-set T
 set isakmp-profile DVTI
"""
TEMPLATE = """\
interface Virtual-Template1 type tunnel
 ip unnumbered Loopback0
 tunnel source eth0
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
"""
FAST = " ip ospf hello-interval 1\n ip ospf dead-interval 4\n"
ROUTING = """\
router ospf 1
 router-id {loopback}
 network {loopback} 0.0.0.0 area 0
"""
SPOKE = """\
ip domain name lab.example
crypto isakmp key {key} address {peer}
crypto ipsec profile P
 set transform-set T
interface Tunnel0
 ip unnumbered Loopback0
 tunnel source eth0
 tunnel destination {peer}
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
"""
NAMED = "crypto isakmp identity hostname\n"


@dataclass(slots=True)
class Place:
    loopback: str
    address: str
    gateway: str


PLACES = {
    "s1": Place("3.3.3.1", "10.1.21.3", "10.1.21.2"),
    "s2": Place("3.3.3.2", "10.1.22.3", "10.1.22.2"),
    "s3": Place("3.3.3.3", PRIVATE, "192.168.4.1"),
    "s4": Place("3.3.3.4", PRIVATE, "192.168.4.1"),
}


@dataclass(slots=True)
class Ground:
    net: Network
    directory: Path
    provider: Host
    hub: Router
    speed: float = 1.0
    spokes: dict[str, Router] = field(default_factory=dict)

    # building

    def spoke(self, name: str) -> Router:
        """A spoke's place, made at the first call; nothing runs there yet."""
        if name not in self.spokes:
            place = PLACES[name]
            host = self.net.host(name)
            gateway = self._behind_nat(name) if place.address == PRIVATE else self.provider
            cable(self.net, host, "eth0", gateway, f"to-{name}")
            gateway.ip("address", "add", f"{place.gateway}/24", "dev", f"to-{name}")
            self.spokes[name] = Router(
                host, self.directory / name, place.loopback, place.address, place.gateway, HUB, speed=self.speed
            )
        return self.spokes[name]

    def _behind_nat(self, name: str) -> Host:
        number = int(name[1:])
        if "cgn" not in self.net.hosts:
            cgn = self.net.host("cgn")
            self.net.wire(cgn, "outside", f"{OUTSIDE}/24", self.provider, "to-cgn", "10.1.24.2/24")
            cgn.ip("route", "add", "default", "via", "10.1.24.2")
            masquerade(cgn)
        cgn, nat = self.net.hosts["cgn"], self.net.host(f"n{number}")
        self.net.wire(nat, "outside", f"100.64.{number}.2/24", cgn, f"to-{name}", f"100.64.{number}.1/24")
        nat.ip("route", "add", "default", "via", f"100.64.{number}.1")
        masquerade(nat)
        return nat

    def start_hub(self, *more: str, crypto: str = HUB_CRYPTO, template: str = TEMPLATE + FAST) -> Router:
        self.hub.configure(PHASE_ONE, crypto, template, ROUTING, *more, key=KEY)
        self.hub.start()
        return self.hub

    def start(self, name: str, *more: str, key: str = KEY, tunnel: str = SPOKE + FAST) -> Router:
        """Start a spoke; `more` is added to its configuration."""
        router = self.spoke(name)
        router.configure(PHASE_ONE, tunnel, ROUTING, *more, key=key)
        router.start()
        return router

    # what the hub has

    def brief(self) -> dict[str, str]:
        """The hub's Virtual-Access interfaces: "up/up"."""
        rows = re.findall(
            r"^(Virtual-Access\d+)\s.*\s(\S+)\s+(up|down)\s*$", self.hub.exec("show ip interface brief"), re.M
        )
        return {name: f"{status}/{protocol}" for name, status, protocol in rows}

    def access_of(self, address: str, port: int | None = None) -> str | None:
        """The hub's interface for the spoke at an address, as `show crypto session` has it."""
        for interface, peer, at in re.findall(
            r"Interface: (Virtual-Access\d+)\n(?:.*\n)*?Peer: (\S+) port (\d+)", self.hub.exec("show crypto session")
        ):
            if peer == address and port in (None, int(at)):
                return str(interface)
        return None

    def full(self) -> dict[str, str]:
        """The interface by which the hub is FULL with each router id."""
        found = re.findall(
            r"^(\S+)\s+\d+\s+FULL/\s+-\s+\S+\s+\S+\s+(\S+)", self.hub.exec("show ip ospf neighbor"), re.M
        )
        return dict(found)

    def devices(self) -> set[str]:
        return set(re.findall(r"^\d+: (Vi\d+):", self.hub.host.ip("link"), re.M))

    def joined(self, *names: str, limit: float = 60.0) -> None:
        """Wait until the hub is FULL with these spokes."""
        ids = {self.spokes[name].loopback for name in names}
        until(lambda: ids <= set(self.full()), limit, what=self.explain)

    def explain(self) -> str:
        logs = [f"--- {router.name}\n{router.log()}" for router in (self.hub, *self.spokes.values())]
        return self.hub.exec("show crypto session detail") + self.hub.exec("show ip ospf neighbor") + "\n".join(logs)


def masquerade(host: Host, how: str = "masquerade") -> None:
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    host.run(
        "nft",
        "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; "
        f'add rule ip nat post oifname "outside" meta l4proto udp {how}',
    )


@contextmanager
def ground(directory: Path, speed: float = 1.0) -> Iterator[Ground]:
    """The provider and the hub's place; the hub is not started. `speed` is that of all daemons."""
    with network() as net:
        hub, provider = net.host("hub"), net.host("pr")
        cable(net, hub, "eth0", provider, "to-hub")
        provider.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        provider.ip("address", "add", "10.1.12.2/24", "dev", "to-hub")
        provider.ip("address", "add", "10.1.55.2/24", "dev", "to-hub")
        router = Router(hub, directory / "hub", "1.1.1.1", HUB, "10.1.12.2", "", speed=speed)
        yield Ground(net, directory, provider, router, speed)
