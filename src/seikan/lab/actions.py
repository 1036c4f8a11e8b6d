"""What a session is made of: lines typed, keys pressed, and what must be seen, as data."""

from __future__ import annotations

from dataclasses import dataclass

PROTOCOL_SECONDS = 10.0
"""How long a line protocol may take to follow what was typed."""
ADJACENCY_SECONDS = 60.0
"""How long OSPF may take to reach FULL: a hello is 10 seconds, and the exchange a few more."""

EXEC, CONFIG, ISAKMP, TRANSFORM, PROFILE, INTERFACE, KEYRING, ISAKMP_PROFILE, ACCESS_LIST, CRYPTO_MAP = (
    "#",
    "(config)#",
    "(config-isakmp)#",
    "(cfg-crypto-trans)#",
    "(ipsec-profile)#",
    "(config-if)#",
    "(conf-keyring)#",
    "(conf-isa-prof)#",
    "(config-ext-nacl)#",
    "(config-crypto-map)#",
)
"""Prompts, as IOS has them behind the host name."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A line for the reader between parts of the transcript."""

    text: str


@dataclass(frozen=True, slots=True)
class Type:
    """A line typed; `mode` is the prompt afterwards ("(config)#"), `says` patterns the answer must contain."""

    router: str
    line: str
    mode: str
    says: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Press:
    """Keys without Enter: `shown` is the edited line afterwards; the line is erased unless `keep`."""

    router: str
    keys: str
    shown: str
    says: tuple[str, ...] = ()
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Expect:
    """A log line that must arrive at that router within `limit` seconds."""

    router: str
    pattern: str
    limit: float


@dataclass(frozen=True, slots=True)
class Look:
    """A show command asked again, for up to `limit` seconds, until its answer has something like each of `says`."""

    router: str
    line: str
    says: tuple[str, ...]
    limit: float


@dataclass(frozen=True, slots=True)
class Mark:
    """From here on `Expect` looks at what that router says after this moment, though nothing is typed there."""

    router: str


Action = Heading | Type | Press | Expect | Look | Mark


def typed(router: str, *lines: tuple[str, str]) -> tuple[Action, ...]:
    """Lines typed one after the other, each with the prompt that follows it."""
    return tuple(Type(router, line, mode) for line, mode in lines)


def configure(router: str, *actions: Action) -> tuple[Action, ...]:
    """These between `conf t` and `end`."""
    greeting = r"Enter configuration commands, one per line\.  End with CNTL/Z\."
    return (Type(router, "conf t", CONFIG, (greeting,)), *actions, Type(router, "end", EXEC))


def phase_one(router: str) -> tuple[Action, ...]:
    """The policy that every lab uses."""
    return typed(
        router,
        ("crypto isakmp policy 1", ISAKMP),
        ("encr aes", ISAKMP),
        ("auth pre-share", ISAKMP),
        ("group 14", ISAKMP),
    )


def line_protocol(router: str, interface: str, state: str, limit: float = PROTOCOL_SECONDS) -> Expect:
    """`interface` is a pattern: "Tunnel0", r"Virtual-Access\\d+"."""
    pattern = rf"%LINEPROTO-5-UPDOWN: Line protocol on Interface {interface}, changed state to {state}"
    return Expect(router, pattern, limit)


def adjacent(router: str, neighbor: str, interface: str) -> Expect:
    """OSPF reaches FULL with that router id; `interface` is a pattern."""
    pattern = rf"%OSPF-5-ADJCHG: Process 1, Nbr {neighbor} on {interface} from LOADING to FULL, Loading Done"
    return Expect(router, pattern, ADJACENCY_SECONDS)
