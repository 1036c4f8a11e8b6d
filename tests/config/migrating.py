"""A site with crypto maps, and its migration checked for what must hold of any."""

from __future__ import annotations

from tests.config.typed import type_lines

from seikan.config.migrate import Migration, Options, Outcome, migrate
from seikan.config.model import Config
from seikan.config.parse import parse
from seikan.config.render import render
from seikan.config.validate import validate

BASE = """\
hostname R1
crypto isakmp policy 10
 encr aes
 authentication pre-share
 group 14
crypto isakmp key 8hv3xW2qT9 address 198.51.100.0 255.255.255.0
crypto isakmp keepalive 10 3 periodic
crypto ipsec transform-set TS esp-aes esp-sha-hmac
crypto ipsec transform-set TR esp-aes 256 esp-sha256-hmac
 mode transport
interface FastEthernet0/0
 ip address 203.0.113.2 255.255.255.248
 ip nat outside
 crypto map VPN
interface FastEthernet0/1
 ip address 10.1.0.1 255.255.0.0
 ip nat inside
interface FastEthernet0/2
 ip address 10.99.0.1 255.255.255.252
ip route 0.0.0.0 0.0.0.0 203.0.113.1
"""
SITE = "permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255"


def entry(sequence: int, *acl: str, peer: str = "198.51.100.2", more: str = "", transform: str = "TS") -> str:
    """A crypto map entry and its access list."""
    peers = "".join(f" set peer {address}\n" for address in peer.split(","))
    lines = "".join(f" {line}\n" for line in acl)
    return (
        f"crypto map VPN {sequence} ipsec-isakmp\n{peers} set transform-set {transform}\n match address A{sequence}\n"
        f"{''.join(f' {line}{chr(10)}' for line in more.split(';') if line)}"
        f"ip access-list extended A{sequence}\n{lines}"
    )


def read(*parts: str, base: str = BASE, unknown: int = 0) -> Config:
    parsed = parse(base + "".join(parts))
    assert len([problem for problem in parsed.problems if problem.severity.value == "unknown"]) == unknown
    return parsed.config


def run(*parts: str, base: str = BASE, options: Options | None = None) -> Migration:
    return checked(read(*parts, base=base), options)


def checked(config: Config, options: Options | None = None) -> Migration:
    """The migration, after what holds for every one."""
    migration = migrate(config, options)
    written = parse(render(migration.config))
    assert written.config == migration.config
    known = {problem.text for problem in validate(config)}
    assert [problem.text for problem in validate(written.config) if problem.text not in known] == []
    again = migrate(migration.config, options)
    assert again.config == migration.config
    assert not again.tunnels
    assert type_lines(config, migration.lines) == migration.config
    for peer in migration.peers:
        assert parse("\n".join(peer.lines)).problems == ()
    text = migration.report.text() + "".join(line for peer in migration.peers for line in peer.lines)
    assert "8hv3xW2qT9" not in text
    return migration


def routes(migration: Migration) -> list[str]:
    """Those into tunnels and those that were not there, without the guards."""
    lines = [line for line in render(migration.config).splitlines() if line.startswith("ip route")]
    return [line.removeprefix("ip route ") for line in lines if "Null0" not in line]


def said(migration: Migration, outcome: Outcome, *words: str) -> str:
    """The one statement that has all the words."""
    found = [item for item in migration.report.items(outcome) if all(word in item.text for word in words)]
    assert len(found) == 1, migration.report.text()
    return found[0].text
