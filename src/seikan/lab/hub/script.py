"""The hub's session as data: what is typed at the hub, its spokes and the stranger, and what must be seen."""

from __future__ import annotations

from seikan.lab.actions import (
    CONFIG,
    INTERFACE,
    ISAKMP_PROFILE,
    KEYRING,
    PROFILE,
    PROTOCOL_SECONDS,
    TRANSFORM,
    Action,
    Expect,
    Heading,
    Mark,
    adjacent,
    configure,
    line_protocol,
    phase_one,
    typed,
)
from seikan.lab.hub.network import (
    DOMAIN,
    HUB,
    HUB_ADDRESS,
    HUB_ID,
    MOVED_TO,
    MOVING,
    MOVING_GATEWAYS,
    SPOKES,
    STRANGER,
    Spoke,
)

KEY = "LoopedBack!!!"
ANOTHER_KEY = "SomebodyElses"
ACCESS = r"Virtual-Access\d+"
TUNNEL = "Tunnel0"

HUB_LINES: tuple[Action, ...] = (
    Heading("Step 1: the hub, which knows no spoke's address"),
    *configure(
        HUB,
        *phase_one(HUB),
        *typed(
            HUB,
            ("crypto keyring SPOKES", KEYRING),
            (f"pre-shared-key address 0.0.0.0 0.0.0.0 key {KEY}", KEYRING),
            ("crypto isakmp profile DVTI", ISAKMP_PROFILE),
            ("keyring SPOKES", ISAKMP_PROFILE),
            ("match identity address 0.0.0.0", ISAKMP_PROFILE),
            (f"match identity host domain {DOMAIN}", ISAKMP_PROFILE),
            ("virtual-template 1", ISAKMP_PROFILE),
            ("crypto isakmp keepalive 10 3 periodic", CONFIG),
            ("crypto ipsec transform-set CCIE esp-aes esp-sha-hmac", TRANSFORM),
            ("crypto ipsec profile P", PROFILE),
            ("set transform-set CCIE", PROFILE),
            ("set isakmp-profile DVTI", PROFILE),
            ("interface Virtual-Template1 type tunnel", INTERFACE),
            ("ip unnumbered fa0/0", INTERFACE),
            ("ip ospf 1 area 0", INTERFACE),
            ("tunnel source fa0/0", INTERFACE),
            ("tunnel mode ipsec ipv4", INTERFACE),
            ("tunnel protection ipsec profile P", INTERFACE),
        ),
    ),
)


def tunnel(router: str, key: str, unnumbered: str, wan: str, *before: Action) -> tuple[Action, ...]:
    """A plain static VTI to the hub, as in the first lab; its destination last, or it would begin as GRE in clear."""
    return configure(
        router,
        *before,
        *phase_one(router),
        *typed(
            router,
            (f"crypto isakmp key {key} address {HUB_ADDRESS}", CONFIG),
            ("crypto ipsec transform-set CCIE esp-aes esp-sha-hmac", TRANSFORM),
            ("crypto ipsec profile ProtectTheTunnel", PROFILE),
            ("set transform-set CCIE", PROFILE),
            ("int tu0", INTERFACE),
            (f"ip unnumbered {unnumbered}", INTERFACE),
            ("ip ospf 1 area 0", INTERFACE),
            (f"tunnel source {wan}", INTERFACE),
            ("tunnel mode ipsec ipv4", INTERFACE),
            ("tunnel protection ipsec profile ProtectTheTunnel", INTERFACE),
            (f"tunnel dest {HUB_ADDRESS}", INTERFACE),
        ),
        Expect(router, r"%CRYPTO-6-ISAKMP_ON_OFF: ISAKMP is ON", PROTOCOL_SECONDS),
    )


def joins(spoke: Spoke) -> tuple[Action, ...]:
    """A spoke is typed, gets its interface at the hub, and OSPF over it."""
    named = typed(spoke.router, ("crypto isakmp identity hostname", CONFIG)) if spoke is MOVING else ()
    return (
        Mark(HUB),
        *tunnel(spoke.router, KEY, spoke.unnumbered, spoke.wan, *named),
        line_protocol(HUB, ACCESS, "up"),
        adjacent(HUB, spoke.router_id, ACCESS),
        adjacent(spoke.router, HUB_ID, TUNNEL),
    )


SPOKE_LINES: tuple[Action, ...] = (
    Heading("Step 2: the spokes, plain static VTIs"),
    *(action for spoke in SPOKES for action in joins(spoke)),
)

MOVES: tuple[Action, ...] = configure(
    MOVING.router,
    *typed(
        MOVING.router,
        (f"interface {MOVING.wan}", INTERFACE),
        (f"ip address {MOVED_TO} 255.255.255.0", INTERFACE),
        (f"ip route 0.0.0.0 0.0.0.0 {MOVING_GATEWAYS[1]}", CONFIG),
        (f"no ip route 0.0.0.0 0.0.0.0 {MOVING_GATEWAYS[0]}", CONFIG),
    ),
)
"""R5 gets another address from the provider."""


def tunnel_shut(router: str, *, shut: bool) -> tuple[Action, ...]:
    """The spoke leaves, or comes again."""
    return configure(router, *typed(router, ("int tu0", INTERFACE), ("shutdown" if shut else "no shutdown", INTERFACE)))


STRANGER_LINES: tuple[Action, ...] = tunnel(STRANGER, ANOTHER_KEY, "fa0/0", "fa0/0")
"""A router that has everything but the key."""
