"""The VTI session as data: what is typed at R3 and R1, and what must be seen.

Steps 1 to 3 of the session that Seikan exists for; the proof that ends it is `seikan.lab.vti.proof`.
"""

from __future__ import annotations

from seikan.lab.actions import (
    CONFIG,
    INTERFACE,
    PROFILE,
    PROTOCOL_SECONDS,
    TRANSFORM,
    Action,
    Expect,
    Heading,
    Press,
    Type,
    adjacent,
    line_protocol,
    phase_one,
)

_INTERFACE = "Tunnel0"


def policy(router: str, peer: str) -> tuple[Action, ...]:
    """Step 1: phase 1 and phase 2."""
    return (
        Type(router, "conf t", CONFIG, (r"Enter configuration commands, one per line\.  End with CNTL/Z\.",)),
        *phase_one(router),
        Type(router, f"crypto isakmp key LoopedBack!!! address {peer}", CONFIG),
        Type(router, "crypto ipsec transform-set CCIE esp-aes esp-sha-hmac", TRANSFORM),
        Type(router, "crypto ipsec profile ProtectTheTunnel", PROFILE),
        Type(router, "set transform-set CCIE", PROFILE),
    )


def look_at_policy(router: str) -> tuple[Action, ...]:
    """The show commands of step 1, one of them from inside configuration mode, and each of the output modifiers."""
    return (
        Type(router, "do show crypto isakmp policy", PROFILE, (r"Diffie-Hellman group:\s+#14", r"86400 seconds")),
        Type(router, "end", "#"),
        Type(router, "show crypto isakmp profile", "#"),
        Type(router, "show crypto ipsec profile", "#", (r"ProtectTheTunnel", r"CCIE")),
        Type(router, "show crypto ipsec transform-set", "#", (r"esp-aes\s+esp-sha-hmac",)),
        Type(
            router,
            "show run | begin crypto",
            "#",
            (r"^crypto isakmp policy 1", r"^crypto ipsec profile ProtectTheTunnel"),
        ),
        Type(
            router, "show run | include ^crypto", "#", (r"\A(crypto .*\n)*crypto ipsec profile ProtectTheTunnel\n*\Z",)
        ),
        Type(router, "show run | exclude crypto", "#", (r"^interface Loopback0", r"\A(?![\s\S]*crypto)")),
        Type(
            router,
            "show run | section crypto isakmp policy",
            "#",
            (r"\Acrypto isakmp policy 1\n( \S.*\n?)*\n*\Z", r"^ group 14"),
        ),
        Type(router, "show run | count ^crypto isakmp", "#", (r"= 2$",)),
        Type(router, "conf t", CONFIG),
    )


def tunnel(router: str, wan: str, peer: str, *, explore: bool) -> tuple[Action, ...]:
    """Step 2: the tunnel, still GRE; `explore` asks `?` and Tab on the way."""
    exploring: tuple[Action, ...] = (
        Press(router, "ip unnumbered ?", "ip unnumbered ", (r"FastEthernet", r"Loopback")),
        Press(router, "ip unnumbered l?", "ip unnumbered l", (r"Loopback",)),
        Press(router, "ip unnum\t", "ip unnumbered "),
    )
    return (
        Type(router, "int tu0", INTERFACE),
        *(exploring if explore else ()),
        Type(router, f"ip unnumbered {wan}", INTERFACE),
        Type(router, "ip ospf 1 area 0", INTERFACE),
        Type(router, f"tunnel source {wan}", INTERFACE),
        Type(router, f"tunnel dest {peer}", INTERFACE),
    )


def protection(router: str) -> tuple[Action, ...]:
    """Step 3: from GRE to IPsec."""
    return (
        Type(router, "tunnel mode ipsec ipv4", INTERFACE),
        line_protocol(router, _INTERFACE, "down"),
        Expect(router, r"%OSPF-5-ADJCHG: Process 1, Nbr \S+ on Tunnel0 from FULL to DOWN", PROTOCOL_SECONDS),
        Type(router, "tunnel protection ipsec profile ProtectTheTunnel", INTERFACE),
        Expect(router, r"%CRYPTO-6-ISAKMP_ON_OFF: ISAKMP is ON", PROTOCOL_SECONDS),
    )


GRE: tuple[Action, ...] = (
    Heading("Step 1: phase 1 and phase 2"),
    *policy("R3", "10.1.12.1"),
    *look_at_policy("R3"),
    *policy("R1", "10.1.23.3"),
    Heading("Step 2: the tunnel, still GRE"),
    *tunnel("R3", "fa1/0", "10.1.12.1", explore=True),
    line_protocol("R3", _INTERFACE, "up"),
    *tunnel("R1", "fa0/0", "10.1.23.3", explore=False),
    line_protocol("R1", _INTERFACE, "up"),
    adjacent("R3", "1.1.1.1", _INTERFACE),
    adjacent("R1", "3.3.3.3", _INTERFACE),
)
"""Steps 1 and 2: at the end OSPF is FULL over plain GRE, readable by the provider."""

IPSEC: tuple[Action, ...] = (
    Heading("Step 3: from GRE to IPsec"),
    *protection("R3"),
    *protection("R1"),
    line_protocol("R3", _INTERFACE, "up"),
    line_protocol("R1", _INTERFACE, "up"),
    adjacent("R3", "1.1.1.1", _INTERFACE),
    adjacent("R1", "3.3.3.3", _INTERFACE),
    Type("R3", "end", "#"),
    Type("R1", "end", "#"),
)
"""Step 3: at the end the same adjacency runs inside IPsec."""
