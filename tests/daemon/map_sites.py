"""Sites joined by crypto maps: R1, R3 and R4 around a provider that counts what it sees in clear.

h1 (10.10.1.10) --- lan0 R1 eth0 10.1.12.1 ---\
h3 (10.30.1.10) --- lan0 R3 eth0 10.1.23.3 --- provider
h4 (10.30.9.10) --- lan0 R4 eth0 10.1.24.4 ---/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.daemon.routers import KEY, Router, Sites, cable, two_routers
from tests.interop.network import Host

CRYPTO = """\
crypto isakmp policy 1
 encr aes
 authentication pre-share
 group 14
crypto ipsec transform-set T esp-aes esp-sha-hmac
"""
LANS = {"r1": "10.10.1", "r3": "10.30.1", "r4": "10.30.9"}
WANS = {"r1": "10.1.12.1", "r3": "10.1.23.3", "r4": "10.1.24.4"}
_LEAKS = """\
table ip leak {
  counter clear { }
  set inside { type ipv4_addr; flags interval; elements = { 10.10.0.0/16, 10.30.0.0/16 }; }
  chain seen {
    type filter hook prerouting priority raw;
    ip saddr @inside counter name clear
    ip daddr @inside counter name clear
  }
}
"""


def entry(sequence: int, peer: str, access_list: str, *more: str, name: str = "M") -> str:
    lines = (f"set peer {peer}", *more, "set transform-set T", f"match address {access_list}")
    return f"crypto map {name} {sequence} ipsec-isakmp\n" + "".join(f" {line}\n" for line in lines)


def access(name: str, *lines: str) -> str:
    return f"ip access-list extended {name}\n" + "".join(f" {line}\n" for line in lines)


def on(interface: str = "eth0", name: str = "M") -> str:
    return f"interface {interface}\n crypto map {name}\n"


@dataclass(slots=True)
class MapSites:
    sites: Sites
    directory: Path
    routers: dict[str, Router] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)

    @property
    def r1(self) -> Router:
        return self.routers["r1"]

    @property
    def r3(self) -> Router:
        return self.routers["r3"]

    @property
    def r4(self) -> Router:
        return self.routers["r4"]

    @property
    def provider(self) -> Host:
        return self.sites.provider

    def lan(self, role: str) -> Host:
        """A host behind a router."""
        made = self.sites.net.host(f"h{role[1:]}")
        router = self.routers[role].host
        cable(self.sites.net, made, "eth0", router, "lan0")
        made.ip("address", "add", f"{LANS[role]}.10/24", "dev", "eth0")
        made.ip("route", "add", "default", "via", f"{LANS[role]}.1")
        self.hosts[role] = made
        return made

    def third(self) -> Router:
        """R4, at the same provider."""
        host = self.sites.net.host("r4")
        cable(self.sites.net, host, "eth0", self.provider, "to-r4")
        self.provider.ip("address", "add", "10.1.24.2/24", "dev", "to-r4")
        self.routers["r4"] = Router(host, self.directory / "r4", "4.4.4.4", WANS["r4"], "10.1.24.2", WANS["r1"])
        return self.routers["r4"]

    def configure(self, role: str, *parts: str, keys: tuple[str, ...] = ()) -> Router:
        """Addresses, a key for every other router (or `keys`), and these parts."""
        router = self.routers[role]
        peers = keys or tuple(address for other, address in WANS.items() if other != role)
        lines = "".join(f"crypto isakmp key {KEY} address {peer}\n" for peer in peers)
        lan = f"interface lan0\n ip address {LANS[role]}.1 255.255.255.0\n"
        if role not in self.hosts:
            lan = lan.replace("lan0", "Loopback1")
        router.configure(CRYPTO.replace("{", "{{").replace("}", "}}"), lines, lan, *parts)
        return router

    def clear_packets(self) -> int:
        """How many packets with inner addresses the provider has seen."""
        found = re.search(r"packets (\d+)", self.provider.run("nft", "list", "counter", "ip", "leak", "clear"))
        assert found is not None
        return int(found[1])

    def logs(self) -> str:
        return "\n".join(f"--- {role}\n{router.log()}" for role, router in self.routers.items() if router.daemon)


@contextmanager
def map_sites(directory: Path) -> Iterator[MapSites]:
    with two_routers(directory) as sites:
        made = MapSites(sites, directory, {"r1": sites.r1, "r3": sites.r3})
        rules = directory / "leaks.nft"
        rules.write_text(_LEAKS)
        sites.provider.run("nft", "-f", str(rules))
        yield made


def idents(router: Router) -> list[tuple[str, str, str]]:
    """Of each flow the local and remote identity, and the peer's address, as `show crypto ipsec sa` has them."""
    return re.findall(
        r"local  ident \(addr/mask/prot/port\): \((.*)\)\s+remote ident \(addr/mask/prot/port\): \((.*)\)\s+"
        r"current_peer (\S+)",
        router.exec("show crypto ipsec sa"),
    )


def encapsulated(router: Router) -> dict[str, int]:
    """Packets sent, by remote identity."""
    text = router.exec("show crypto ipsec sa")
    found = re.findall(r"remote ident \(addr/mask/prot/port\): \((.*)\)(?s:.*?)#pkts encaps: (\d+)", text)
    return {ident: int(count) for ident, count in found}
