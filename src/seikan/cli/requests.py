"""What a CLI session asks of the daemon: frozen requests; the daemon answers each with text.

A session is pure: it turns a line into one of these, the daemon carries it out and prints the
answer to the terminal that asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address

from seikan.cli.status import Need, Status
from seikan.config.model import Config
from seikan.wire.secret import Secret

Address = IPv4Address | IPv6Address
Lines = Iterable[str]


@dataclass(frozen=True, slots=True)
class Reply:
    """Text to print as it is; lines without their end. `failed`: it says why the line was refused."""

    lines: tuple[str, ...] = ()
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Show:
    """Collect `needs`, call `render`, pass the lines through `select` (the output modifier), print."""

    needs: frozenset[Need]
    render: Callable[[Status], Lines]
    select: Callable[[Lines], Lines]


@dataclass(frozen=True, slots=True)
class Apply:
    """A configuration line was typed: make `candidate` the running configuration or say why not.

    `warnings` are printed either way. `line` may hold a key, so a repr does not show it.
    """

    candidate: Config
    line: str = field(repr=False)
    warnings: tuple[str, ...] = ()


class Location(Enum):
    RUNNING = "running-config"
    STARTUP = "startup-config"


@dataclass(frozen=True, slots=True)
class Copy:
    """`write`, `copy …`: both ends are a configuration or a file's path."""

    source: Location | str
    destination: Location | str


@dataclass(frozen=True, slots=True)
class EraseStartup:
    """`erase startup-config`, `write erase`."""


@dataclass(frozen=True, slots=True)
class Ping:
    """`ping`: `source` is an interface's name or an address; `timeout` in seconds, `size` of the datagram in octets."""

    target: str
    source: str | None = None
    repeat: int = 5
    size: int = 100
    timeout: float = 2.0
    df: bool = False


@dataclass(frozen=True, slots=True)
class Traceroute:
    """`traceroute`: `probes` for each hop; the rest as in `Ping`."""

    target: str
    source: str | None = None
    probes: int = 3
    timeout: float = 3.0


class ClearKind(Enum):
    """`clear crypto isakmp [conn-id]`, `clear crypto ikev2 sa|stats`, `clear crypto sa [peer A | counters]`, …"""

    ISAKMP = "isakmp"
    IKEV2_SA = "ikev2 sa"
    IKEV2_STATS = "ikev2 stats"
    SA = "sa"
    SA_COUNTERS = "sa counters"
    SESSION = "session"
    ADMISSION = "call admission statistics"
    ACCESS_LIST_COUNTERS = "access-list counters"
    COUNTERS = "counters"
    LOGGING = "logging"
    OSPF = "ip ospf process"


@dataclass(frozen=True, slots=True)
class Clear:
    """What is not None narrows it: only what fits all of it is cleared.

    Of kind SA: `crypto_map` is its tag, `spi` one SA whose packets go to `peer` (this router's own address for an
    inbound one); its pair goes with it.
    """

    kind: ClearKind
    peer: Address | None = None
    conn_id: int | None = None
    interface: str | None = None
    peer_port: int | None = None
    local: Address | None = None
    local_port: int | None = None
    crypto_map: str | None = None
    spi: int | None = None
    access_list: str | None = None


KEYLOG = "ikev2 keylog"


@dataclass(frozen=True, slots=True)
class Debug:
    """`[no] debug crypto isakmp|ikev2|ipsec`, `undebug all`: topic None is all. Output goes to the terminal that asked.

    The topic `KEYLOG` has keys written to a file, never shown; "all" turns it off, but not on.
    """

    topic: str | None
    on: bool


@dataclass(frozen=True, slots=True)
class GenerateKey:
    """`crypto key generate rsa|ec`: `kind` is one of the two; without a label it is called as the router."""

    kind: str
    bits: int
    label: str | None = None


@dataclass(frozen=True, slots=True)
class ZeroizeKey:
    """`crypto key zeroize rsa|ec [LABEL]`: without a label all of that kind."""

    kind: str
    label: str | None = None


class PkiKind(Enum):
    """What is imported, or done with a trustpoint."""

    PKCS12 = "pkcs12"
    PEM = "pem"
    CERTIFICATE = "certificate"
    CRL = "crl"
    AUTHENTICATE = "authenticate"
    ENROLL = "enroll"
    CRL_REQUEST = "crl request"


@dataclass(frozen=True, slots=True)
class Pki:
    """`crypto pki import|authenticate|enroll|crl`: of `file` as a user names it, or of what was pasted.

    An authority's certificate is `accepted` once its fingerprints have been seen. What is pasted may hold a key.
    """

    kind: PkiKind
    trustpoint: str
    file: str | None = None
    text: Secret = field(default=Secret(b""), repr=False)
    password: Secret | None = None
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Monitor:
    """`terminal [no] monitor`: log lines to this terminal."""

    on: bool


@dataclass(frozen=True, slots=True)
class ConfigureEnd:
    """Configuration mode was left; the daemon logs %SYS-5-CONFIG_I. `warnings` are printed."""

    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Close:
    """The session is over."""


Request = (
    GenerateKey
    | ZeroizeKey
    | Pki
    | Reply
    | Show
    | Apply
    | Copy
    | EraseStartup
    | Ping
    | Traceroute
    | Clear
    | Debug
    | Monitor
    | ConfigureEnd
    | Close
)
