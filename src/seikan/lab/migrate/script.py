"""What is typed before anything is migrated: crypto maps on both ends, and translation towards the Internet on one."""

from __future__ import annotations

from ipaddress import IPv4Network

from seikan.lab.actions import (
    ACCESS_LIST,
    CONFIG,
    CRYPTO_MAP,
    INTERFACE,
    TRANSFORM,
    Action,
    Heading,
    configure,
    phase_one,
    typed,
)
from seikan.lab.migrate.network import TRAFFIC, Traffic

MAP = "SITES"
LIST = "VPN"


def _network(network: IPv4Network) -> str:
    return f"{network.network_address} {network.hostmask}"


def permit(traffic: Traffic, *, mirrored: bool) -> str:
    """The line of an access list for a kind of traffic, as R1 has it, or `mirrored` as R3 does."""
    protocol = {None: "ip", 17: "udp"}[traffic.protocol]
    far = _network(traffic.remote) + (f" eq {traffic.port}" if traffic.port is not None else "")
    near = _network(traffic.local)
    return f"permit {protocol} {far} {near}" if mirrored else f"permit {protocol} {near} {far}"


def crypto_map(router: str, wan: str, peer: str, *, mirrored: bool) -> tuple[Action, ...]:
    """A site's crypto map, up to its interface."""
    return (
        *phase_one(router),
        *typed(
            router,
            (f"crypto isakmp key LoopedBack!!! address {peer}", CONFIG),
            ("crypto isakmp keepalive 10 3 periodic", CONFIG),
            ("crypto ipsec transform-set CCIE esp-aes esp-sha-hmac", TRANSFORM),
            (f"ip access-list extended {LIST}", ACCESS_LIST),
            *((permit(traffic, mirrored=mirrored), ACCESS_LIST) for traffic in TRAFFIC),
            (f"crypto map {MAP} 10 ipsec-isakmp", CRYPTO_MAP),
            (f"set peer {peer}", CRYPTO_MAP),
            ("set transform-set CCIE", CRYPTO_MAP),
            (f"match address {LIST}", CRYPTO_MAP),
            (f"interface {wan}", INTERFACE),
            (f"crypto map {MAP}", INTERFACE),
        ),
    )


TRANSLATION: tuple[Action, ...] = typed(
    "R1",
    ("ip access-list extended INTERNET", ACCESS_LIST),
    ("deny ip 10.10.0.0 0.0.255.255 10.30.0.0 0.0.255.255", ACCESS_LIST),
    ("permit ip 10.10.0.0 0.0.255.255 any", ACCESS_LIST),
    ("ip nat inside source list INTERNET interface fa0/0 overload", CONFIG),
    ("interface fa0/1", INTERFACE),
    ("ip nat inside", INTERFACE),
    ("interface fa0/0", INTERFACE),
    ("ip nat outside", INTERFACE),
)
"""Translation of everything but the traffic between the sites."""

CRYPTO_MAPS: tuple[Action, ...] = (
    Heading("Stage 1: a crypto map on both ends"),
    *configure("R1", *TRANSLATION, *crypto_map("R1", "fa0/0", "10.1.23.3", mirrored=False)),
    *configure("R3", *crypto_map("R3", "fa1/0", "10.1.12.1", mirrored=True)),
)
