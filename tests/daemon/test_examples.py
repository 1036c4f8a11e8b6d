"""Every configuration in examples/: it is checked without a remark, and the real daemons run it, site to site."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from tests.daemon.routers import Router, cable, type_lines, until
from tests.interop.network import Host, Network, network

from seikan.config.parse import parse
from seikan.config.validate import validate
from seikan.lab.capture import Capture, Packet, read, readable, summary

EXAMPLES = Path(__file__).parents[2] / "examples"
INTERNET = "203.0.113.99"
INNER = tuple(IPv4Network(f"10.{site}.{lan}.0/24") for site in (1, 2, 3) for lan in (0, 8))
VISIBLE = {"ESP", "ISAKMP", "ARP", "NAT keepalive", "ICMP unreachable"}  # the last before a peer listens


def all_examples() -> list[str]:
    return sorted(str(path.parent.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("startup-config"))


@pytest.mark.parametrize("example", all_examples())
def test_it_is_checked_without_a_remark(example: str) -> None:
    path = EXAMPLES / example / "startup-config"
    parsed = parse(path.read_text(), str(path))
    assert [str(problem) for problem in (*parsed.problems, *validate(parsed.config, parsed.places))] == []


def test_every_way_has_two_ends() -> None:
    ways = {path.name: len(list(path.rglob("startup-config"))) for path in EXAMPLES.iterdir() if path.is_dir()}
    assert all(count >= 2 for count in ways.values()), ways


@dataclass(slots=True)
class Ground:
    """A provider, and the sites that are joined to it; each has hosts in its networks."""

    net: Network
    provider: Host
    directory: Path
    routers: list[Router] = field(default_factory=list)
    captures: list[Capture] = field(default_factory=list)

    def link(self, host: Host, device: str, address: str, gateway: str, *, route: bool = True) -> None:
        """Join a device to the provider, with an address that the operating system gives, and a default route."""
        port = f"p{len(self.captures)}"
        cable(self.net, host, device, self.provider, port)
        self.provider.ip("address", "add", f"{gateway}/24", "dev", port)
        if address:
            host.ip("address", "add", f"{address}/24", "dev", device)
        if route:
            host.ip("route", "add", "default", "via", gateway)
        self.captures.append(Capture(self.provider.name, port, self.directory / f"{port}.pcap"))

    def home(self, inside: str, outside: str, gateway: str) -> Host:
        """A router that is not ours and hides what is behind it: `inside` is its own address there."""
        host = self.net.host("home")
        host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.link(host, "outside", outside, gateway)
        host.ip("link", "add", "inside", "type", "bridge")
        host.ip("address", "add", f"{inside}/24", "dev", "inside")
        host.ip("link", "set", "inside", "up")
        host.run(
            "nft",
            "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; "
            'add rule ip nat post oifname "outside" masquerade',
        )
        return host

    def router(self, example: str, **lans: str) -> tuple[Router, dict[str, Host]]:
        """A router with the example's configuration, and a host (address 10) behind each device in `lans`."""
        role = example.rpartition("/")[2]
        host = self.net.host(role)
        text = (EXAMPLES / example / "startup-config").read_text()
        router = Router(host, self.directory / role, "", "", "", "", text=text)
        self.routers.append(router)
        hosts = {}
        for device, prefix in lans.items():
            hosts[device] = self.net.host(f"{role}-{device}")
            cable(self.net, host, device, hosts[device], "eth0")
            hosts[device].ip("address", "add", f"{prefix}.10/24", "dev", "eth0")
            hosts[device].ip("route", "add", "default", "via", f"{prefix}.1")
        return router, hosts

    def start(self) -> None:
        for capture in self.captures:
            capture.wait_listening()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda router: router.start(), self.routers))

    def logs(self) -> str:
        return "\n".join(f"-- {router.name}\n{router.log()}" for router in self.routers)

    def seen(self) -> list[Packet]:
        """What crossed the provider."""
        return [packet for capture in self.captures for packet in read(capture.path)]

    def reaches(self, host: Host, target: str, limit: float = 40.0) -> None:
        until(lambda: host.answers(target), limit, what=lambda: f"{host.name} does not reach {target}\n{self.logs()}")

    def check_secrecy(self) -> None:
        """ESP crossed the provider, and nothing of what was inside could be read there."""
        until(lambda: any(packet.kind == "ESP" for packet in self.seen()), 5)
        shown = readable(self.seen(), INNER)
        assert not shown, summary(shown)


@contextmanager
def made_ground(directory: Path) -> Iterator[Ground]:
    with network() as net:
        provider = net.host("pr")
        provider.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        provider.ip("address", "add", f"{INTERNET}/32", "dev", "lo")
        made = Ground(net, provider, directory)
        try:
            yield made
        finally:
            for capture in made.captures:
                capture.stop()


def only_ciphertext(ground: Ground, *besides: str) -> None:
    ground.check_secrecy()
    kinds = {packet.kind for packet in ground.seen()}
    assert kinds <= {*VISIBLE, *besides}, summary(ground.seen())


def static_vti(ground: Ground) -> None:
    two_sites(ground, "static-vti")


def ikev2(ground: Ground) -> None:
    a = two_sites(ground, "ikev2")
    assert "Encr: AES-CBC, keysize: 256" in a.exec("show crypto ikev2 sa")


def two_sites(ground: Ground, way: str) -> Router:
    a, a_hosts = ground.router(f"{way}/site-a", eth1="10.1.0")
    b, b_hosts = ground.router(f"{way}/site-b", eth1="10.2.0")
    ground.link(a.host, "eth0", "192.0.2.10", "192.0.2.1")
    ground.link(b.host, "eth0", "198.51.100.20", "198.51.100.1")
    ground.start()
    ground.reaches(a_hosts["eth1"], "10.2.0.10")
    ground.reaches(b_hosts["eth1"], "10.1.0.10", 5)
    assert a.tunnel_up()
    assert b.tunnel_up()
    only_ciphertext(ground)
    return a


def accesses(router: Router) -> int:
    return len(re.findall(r"^Virtual-Access\d+ .* up +up *$", router.exec("show ip interface brief"), re.MULTILINE))


def dynamic_vti(ground: Ground) -> None:
    hub, hub_hosts = ground.router("dynamic-vti/hub", eth1="10.1.0")
    b, b_hosts = ground.router("dynamic-vti/site-b", eth1="10.2.0")
    c, c_hosts = ground.router("dynamic-vti/site-c", eth1="10.3.0")
    ground.link(hub.host, "eth0", "192.0.2.10", "192.0.2.1")
    ground.link(b.host, "eth0", "198.51.100.20", "198.51.100.1")
    behind(ground, c.host)
    ground.start()
    ground.reaches(b_hosts["eth1"], "10.1.0.10")
    ground.reaches(c_hosts["eth1"], "10.1.0.10")
    ground.reaches(hub_hosts["eth1"], "10.3.0.10", 5)
    ground.reaches(b_hosts["eth1"], "10.3.0.10", 5)  # from spoke to spoke, through the hub
    assert accesses(hub) == 2
    assert "site-c.example.net" in hub.exec("show crypto session detail")
    only_ciphertext(ground)


def behind(ground: Ground, host: Host) -> None:
    """Behind a NAT, with an address as DHCP might have given it."""
    home = ground.home("192.168.7.1", "203.0.113.30", "203.0.113.1")
    cable(ground.net, host, "eth0", home, "port")
    home.ip("link", "set", "port", "master", "inside")
    host.ip("address", "add", "192.168.7.33/24", "dev", "eth0")
    host.ip("route", "add", "default", "via", "192.168.7.1")


def gre_over_ipsec(ground: Ground) -> None:
    a, a_hosts = ground.router("gre-ipsec/site-a", eth1="10.1.0", eth2="10.1.8")
    b, b_hosts = ground.router("gre-ipsec/site-b", eth1="10.2.0", eth2="10.2.8")
    ground.link(a.host, "eth0", "192.0.2.10", "192.0.2.1")
    ground.link(b.host, "eth0", "198.51.100.20", "198.51.100.1")
    ground.start()
    ground.reaches(a_hosts["eth1"], "10.2.0.10")
    ground.reaches(a_hosts["eth2"], "10.2.8.10")
    ground.reaches(b_hosts["eth2"], "10.1.8.10", 5)
    assert a.tunnel_up(0)
    assert b.tunnel_up(1)
    sas = a.exec("show crypto ipsec sa")
    assert "in use settings ={Transport" in sas
    assert len(set(re.findall(r"spi: (0x[0-9A-F]+)", sas))) == 2, sas  # one pair, and both tunnels show it
    for command, up in (("shutdown", False), ("no shutdown", True)):  # the keepalive sees it, the SAs stay
        type_lines(b, "configure terminal", "interface Tunnel1", command, "end")
        until(lambda up=up: a.tunnel_up(1) is up, 30, what=lambda: a.exec("show interfaces tunnel 1") + ground.logs())
        assert a.tunnel_up(0)
    ground.reaches(a_hosts["eth2"], "10.2.8.10", 10)
    only_ciphertext(ground, "GRE")
    answers = [packet.frame for packet in ground.seen() if packet.kind == "GRE"]
    assert answers
    assert all(frame[36:38] == bytes(2) and len(frame) <= 60 for frame in answers)  # keepalives' answers, empty


def crypto_map_with_nat_and_a_backup_peer(ground: Ground) -> None:
    a, a_hosts = ground.router("crypto-map/site-a", eth1="10.1.0")
    b, b_hosts = ground.router("crypto-map/site-b", eth1="10.2.0")
    ground.link(a.host, "eth0", "192.0.2.10", "192.0.2.1")
    ground.link(b.host, "eth0", "", "198.51.100.1", route=False)
    ground.link(b.host, "eth2", "", "203.0.113.1", route=False)
    ground.start()
    office = a_hosts["eth1"]
    assert "Active SAs: 0" in a.exec("show crypto session")
    ground.reaches(office, "10.2.0.10")
    ground.reaches(b_hosts["eth1"], "10.1.0.10", 5)
    ground.reaches(office, INTERNET, 5)  # the provider answers translated addresses alone
    assert re.search(r"^S +10\.2\.0\.0/24 ", a.exec("show ip route"), re.MULTILINE)  # reverse-route
    b.host.ip("link", "set", "eth0", "down")
    ground.reaches(office, "10.2.0.10", 60)
    assert re.search(r"Session status: UP-ACTIVE\s+Peer: 203\.0\.113\.20 ", a.exec("show crypto session"))
    ground.reaches(b_hosts["eth1"], INTERNET, 5)
    ground.check_secrecy()


def crypto_map_for_unknown_peers(ground: Ground) -> None:
    hub, hub_hosts = ground.router("crypto-map-dynamic/hub", eth1="10.1.0")
    c, c_hosts = ground.router("crypto-map-dynamic/site-c", eth1="10.3.0")
    ground.link(hub.host, "eth0", "192.0.2.10", "192.0.2.1")
    behind(ground, c.host)
    ground.start()
    assert not hub_hosts["eth1"].answers("10.3.0.10")  # dropped: only the branch can begin, and nothing goes in clear
    ground.reaches(c_hosts["eth1"], "10.1.0.10")
    ground.reaches(hub_hosts["eth1"], "10.3.0.10", 5)
    assert re.search(r"^S +10\.3\.0\.0/24 ", hub.exec("show ip route"), re.MULTILINE)  # reverse-route
    ground.check_secrecy()


def one_end_migrated(ground: Ground) -> None:
    a, a_hosts = ground.router("migration/before/site-a", eth1="10.1.0")
    _, b_hosts = ground.router("migration/before/site-b", eth1="10.2.0", eth2="10.2.8")
    ground.link(a.host, "eth0", "", "192.0.2.1", route=False)
    ground.link(ground.routers[1].host, "eth0", "", "198.51.100.1", route=False)
    ground.start()
    for migrated in (False, True):
        if migrated:
            a.stop()
            a.startup.write_text((EXAMPLES / "migration/after/site-a/startup-config").read_text())
            a.start()
            until(a.tunnel_up, what=lambda: a.reason() + ground.logs())
        ground.reaches(a_hosts["eth1"], "10.2.0.10")
        ground.reaches(a_hosts["eth1"], "10.2.8.10")
        ground.reaches(b_hosts["eth2"], "10.1.0.10", 5)
        ground.reaches(a_hosts["eth1"], INTERNET, 5)
        assert set(
            re.findall(r"remote ident \(addr/mask/prot/port\): \((\S+)/255", a.exec("show crypto ipsec sa"))
        ) == {
            "10.2.0.0",
            "10.2.8.0",
        }
    ground.check_secrecy()


def test_the_migrated_end_is_what_seikan_migrate_writes(tmp_path: Path) -> None:
    before, after = (EXAMPLES / "migration" / stage / "site-a" for stage in ("before", "after"))
    outcome = {name: tmp_path / name for name in ("startup-config", "report")}
    command = [sys.executable, "-m", "seikan", "migrate", str(before / "startup-config"), "--clean"]
    command += ["--output", str(outcome["startup-config"]), "--report", str(outcome["report"])]
    subprocess.run(command, capture_output=True, timeout=30, check=True)
    assert {name: path.read_text() for name, path in outcome.items()} == {
        name: (after / name).read_text() for name in outcome
    }


WAYS: dict[str, Callable[[Ground], None]] = {
    "static-vti": static_vti,
    "ikev2": ikev2,
    "dynamic-vti": dynamic_vti,
    "gre-ipsec": gre_over_ipsec,
    "crypto-map": crypto_map_with_nat_and_a_backup_peer,
    "crypto-map-dynamic": crypto_map_for_unknown_peers,
    "migration": one_end_migrated,
}


def test_every_way_is_run() -> None:
    assert set(WAYS) == {path.name for path in EXAMPLES.iterdir() if path.is_dir()}


def run(way: str, directory: Path) -> None:
    with made_ground(directory) as ground:
        WAYS[way](ground)


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """The chosen examples, all begun at once: most of their time they wait for OSPF's hello or for a dead peer."""
    chosen = {item.callspec.params.get("way") for item in request.session.items if hasattr(item, "callspec")}
    with ThreadPoolExecutor() as pool:
        yield {way: pool.submit(run, way, tmp_path_factory.mktemp(way)) for way in WAYS if way in chosen}


@pytest.mark.netns
@pytest.mark.parametrize("way", WAYS)
def test_the_sites_reach_each_other_and_nobody_reads_it(way: str, running: dict[str, Future[None]]) -> None:
    running[way].result()
