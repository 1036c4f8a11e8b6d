"""What the show commands may know: a read-only snapshot of the running router.

The daemon fills one `Status` for each command, with the parts that the command's row asks for
(`needs`); the renderers are pure functions of it. Addresses are objects, times are seconds, and
None always means "not known", never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface

from seikan.config.model import Config, IsakmpPolicy, TransformSet
from seikan.wire.constants import Encryption, Hash, Integrity
from seikan.wire.selector import Selector

Address = IPv4Address | IPv6Address

# What `down_reason` and `last_error` say of a tunnel that waits for its peer before anything has failed.
NEGOTIATING = "negotiating"


class Need(Enum):
    """Parts of a `Status` that cost something to collect."""

    INTERFACES = "interfaces"
    CRYPTO = "crypto"
    ACCESS_LISTS = "access lists"
    ROUTES = "routes"
    OSPF = "ospf"
    LOGGING = "logging"
    STARTUP = "startup"
    PKI = "pki"


@dataclass(frozen=True, slots=True)
class InterfaceStatus:
    """One interface as it runs: `linux_name`, state, addresses and the device's counters."""

    name: str
    linux_name: str
    present: bool  # the Linux device exists
    admin_up: bool
    protocol_up: bool
    hardware: str  # "Tunnel", "Loopback", "Ethernet", "Virtual Access", "Virtual Template"
    mac: str | None
    mtu: int
    address: IPv4Interface | None
    secondary: tuple[IPv4Interface, ...]
    ipv6_addresses: tuple[IPv6Interface, ...]
    address_method: str  # "manual", "NVRAM", "unset", "other" (the operating system's)
    unnumbered: str | None
    packets_in: int
    packets_out: int
    octets_in: int
    octets_out: int
    multicast_in: int
    errors_in: int
    errors_out: int
    drops_in: int
    drops_out: int
    rate_in: int  # bit/s over five minutes
    rate_out: int
    packet_rate_in: int  # packets/s over five minutes
    packet_rate_out: int
    last_input: float | None  # seconds ago
    last_output: float | None
    resets: int  # carrier transitions
    tunnel_source: Address | None = None  # resolved
    tunnel_mtu: int | None = None  # octets of the transport: what fits inside the path
    path_mtu: int | None = None
    down_reason: str | None = None  # one line: why a tunnel's line protocol is down
    drops: Mapping[str, int] = field(default_factory=dict)  # named counters of the plane
    bandwidth: int | None = None  # kbit/s of the link, as the device tells it
    since_cleared: float | None = None  # seconds since `clear counters`; None: never cleared
    template: int | None = None  # the Virtual-Template that a Virtual Access is cloned from
    peer_identity: str | None = None  # of the spoke behind a Virtual Access, as it proved in phase 1


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One attribute on which a proposal failed: what each side offered."""

    attribute: str
    local: str
    remote: str


@dataclass(frozen=True, slots=True)
class IsakmpSa:
    """One IKEv1 phase 1 SA. `state` is the IOS word (`QM_IDLE`, `MM_NO_STATE`, …)."""

    conn_id: int
    tunnel: str | None
    local: Address
    local_port: int
    remote: Address
    remote_port: int
    state: str
    status: str  # "ACTIVE", "ACTIVE (deleted)"
    initiator: bool
    policy: IsakmpPolicy | None  # as agreed
    lifetime_remaining: float | None
    keepalive: bool  # DPD agreed
    nat_traversal: bool
    nat_local: bool  # this side is behind a NAT
    nat_remote: bool
    fragmentation: bool
    aggressive: bool
    peer_identity: str | None
    cookies: tuple[bytes, bytes]
    profile: str | None = None  # the isakmp profile that the peer matched


@dataclass(frozen=True, slots=True)
class Ikev2Sa:
    """One IKEv2 SA; `state` is IOS's word: READY, IN-NEG, DELETE. Times are in seconds, `window` in messages.

    `message_ids` are the next of this side and of the peer, `child_spis` inbound and outbound ones by pair.
    """

    tunnel_id: int
    tunnel: str
    local: Address
    local_port: int
    remote: Address
    remote_port: int
    state: str
    initiator: bool
    spis: tuple[bytes, bytes]  # initiator's, responder's
    encryption: Encryption | None
    integrity: Integrity | None
    prf: Hash | None
    group: int | None
    additional_groups: tuple[int, ...]
    ppk: bool
    local_authentication: str | None  # "PSK", "RSA", "ECDSA", "EdDSA"
    remote_authentication: str | None
    lifetime: int
    active: float | None
    expires: float | None
    rekeys: int
    local_identity: str | None
    peer_identity: str | None
    profile: str | None
    message_ids: tuple[int, int]
    window: int
    dpd: int
    nat_local: bool
    nat_remote: bool
    fragmentation: bool
    mobike: bool
    resumed: bool
    child_spis: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a negotiation failed, and what would be right: whole lines to paste, by the end that they are for.

    Ends are "ios" (this router), "ios-peer" and "swanctl-peer".
    """

    kind: str
    peer: str
    at: datetime
    text: str
    mismatches: tuple[Mismatch, ...] = ()
    advice: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IpsecSa:
    """One direction of a child SA."""

    inbound: bool
    spi: int
    conn_id: int
    transform: TransformSet  # as agreed
    udp_encapsulation: bool
    remaining_kilobytes: int | None  # None: no limit
    remaining_seconds: float
    replay_window: int
    extended_sequence_numbers: bool
    pfs_group: int | None
    packets: int
    octets: int
    errors: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CryptoFlow:
    """Traffic with SAs of its own: what IOS calls an IPSEC FLOW. `sas` holds the newest pair first.

    `number` is unique in its owner. Packet counters and `drops` are the flow's, over all its SAs since they were
    cleared. A flow of a crypto map tells the `access_list` and `sequence` of its entry; `dynamic` ones come from a
    dynamic map.
    """

    number: int
    selector: Selector
    up: bool
    uptime: float | None
    sas: tuple[IpsecSa, ...]
    packets_encapsulated: int
    packets_decapsulated: int
    octets_encapsulated: int
    octets_decapsulated: int
    send_errors: int
    receive_errors: int
    drops: Mapping[str, int] = field(default_factory=dict)
    access_list: str | None = None
    sequence: int | None = None  # of the crypto map entry
    dynamic: bool = False


@dataclass(frozen=True, slots=True)
class CryptoTunnel:
    """One owner and one peer: a protected tunnel, a Virtual-Access, or a crypto map entry with its current peer.

    `interface` is the owner's name; several crypto map entries have that of the interface they are on. `last_error`
    and `mismatches` tell why the last negotiation failed; both empty while it works.
    """

    interface: str
    profile: str | None  # the IPsec profile; None for a crypto map
    crypto_map_tag: str  # "Tunnel0-head-0", or the crypto map's name
    local: Address | None
    remote: Address | None
    remote_port: int
    protocol_up: bool
    session: str  # IOS: "UP-ACTIVE", "UP-IDLE", "UP-NO-IKE", "DOWN-NEGOTIATING", "DOWN"
    uptime: float | None
    path_mtu: int
    ip_mtu: int
    ip_mtu_interface: str
    plaintext_mtu: int
    mode: str  # "ipsec", "gre", "map"
    flows: tuple[CryptoFlow, ...]
    last_error: str | None = None
    last_error_at: datetime | None = None
    mismatches: tuple[Mismatch, ...] = ()
    identity: str | None = None  # the peer's of phase 1
    isakmp_profile: str | None = None
    peers: tuple[Address, ...] = ()  # all that the crypto map entry may use, in its order
    map_sequence: int | None = None  # of the crypto map entry
    template: int | None = None  # of a Virtual-Access
    ikev2_profile: str | None = None  # it is negotiated by IKEv2
    diagnosis: Diagnosis | None = None  # of the last error, where more is known than its text

    @property
    def sas(self) -> tuple[IpsecSa, ...]:
        """Those of all flows."""
        return tuple(sa for flow in self.flows for sa in flow.sas)

    @property
    def packets_encapsulated(self) -> int:
        return sum(flow.packets_encapsulated for flow in self.flows)

    @property
    def packets_decapsulated(self) -> int:
        return sum(flow.packets_decapsulated for flow in self.flows)

    @property
    def drops(self) -> Mapping[str, int]:
        """Those of all flows, by name."""
        total: dict[str, int] = {}
        for flow in self.flows:
            for name, count in flow.drops.items():
                total[name] = total.get(name, 0) + count
        return total


@dataclass(frozen=True, slots=True)
class Admission:
    """Call admission of IKE: the limits (0: none), the phase 1 SAs there are, and requests since they were cleared.

    `sas` are established ones. A request is one for a phase 1 SA: of a peer (incoming) or of this router (outgoing).
    """

    max_sas: int
    max_negotiating: int
    sas: int
    negotiating: int
    refused_sas: int = 0  # incoming, because max_sas was reached
    refused_negotiating: int = 0  # because max_negotiating was reached
    refused_half_open: int = 0  # because their source had too many half-open already, or asks too often
    incoming_accepted: int = 0
    outgoing_accepted: int = 0
    outgoing_refused: int = 0
    dropped: int = 0  # IKE datagrams that were not looked at
    quick_modes: tuple[int, int, int, int] | None = None  # incoming accepted and refused, outgoing the same


@dataclass(frozen=True, slots=True)
class CryptoStatus:
    """Everything of `show crypto …` that is not configuration. Counters of the engine by name."""

    isakmp_enabled: bool
    isakmp_sas: tuple[IsakmpSa, ...]
    tunnels: tuple[CryptoTunnel, ...]
    counters: Mapping[str, int] = field(default_factory=dict)
    drops: Mapping[str, int] = field(default_factory=dict)  # the plane's, of no tunnel
    not_ipsec: Mapping[str, int] = field(default_factory=dict)  # came in clear against a crypto map, by interface
    admission: Admission | None = None
    ikev2_sas: tuple[Ikev2Sa, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()  # the newest first
    kept_diagnoses: int = 0  # how many may be


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate of a trustpoint. `kind` is that of its chain: "" (the router's own), "ca", "self-signed".

    `issuer` and `subject` are attributes, the most specific first: "cn=r1", "o=Example". `problem` says why nothing
    else is known of it.
    """

    trustpoint: str
    kind: str
    serial: str
    storage: str  # "nvram:…", or where its octets stand
    issuer: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    not_before: datetime | None = None
    not_after: datetime | None = None
    usage: str = ""
    alternative_names: tuple[str, ...] = ()
    crl_points: tuple[str, ...] = ()
    ocsp: tuple[str, ...] = ()
    key: str = ""
    signature: str = ""
    md5: str = ""
    sha1: str = ""
    sha256: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key pair without its private half; `public` is a SubjectPublicKeyInfo."""

    label: str
    kind: str  # "RSA", "EC", "Ed25519"
    bits: int
    public: bytes


@dataclass(frozen=True, slots=True)
class PkiStatus:
    """`keyed` are the trustpoints that have a key pair, with its label; `crls` when the next of each is due."""

    certificates: tuple[Certificate, ...]
    key_pairs: tuple[KeyPair, ...]
    keyed: Mapping[str, str]
    crls: Mapping[str, datetime | None]


@dataclass(frozen=True, slots=True)
class NextHop:
    address: IPv4Address | None
    interface: str | None  # IOS name


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the routing table. `code` is IOS's: "C", "L", "S", "S*", "O", "O IA", "O E1", "O E2", "K"."""

    network: IPv4Network
    code: str
    distance: int
    metric: int
    next_hops: tuple[NextHop, ...]
    age: float | None
    selected: bool = True
    source: IPv4Address | None = None  # the router that advertised it


@dataclass(frozen=True, slots=True)
class OspfNeighbor:
    """`state` as IOS prints it: "FULL/  -", "2WAY/DROTHER"; `dead_time` in seconds."""

    router_id: IPv4Address
    priority: int
    state: str
    dead_time: float
    address: IPv4Address
    interface: str
    area: IPv4Address
    uptime: float | None
    options: int | None = None
    state_changes: int | None = None
    retransmission_queue: int | None = None
    designated: IPv4Address | None = None  # interface address of the segment's DR
    backup: IPv4Address | None = None  # and of its BDR


@dataclass(frozen=True, slots=True)
class OspfInterfaceStatus:
    name: str
    process: int
    area: IPv4Address
    up: bool
    address: IPv4Interface | None
    unnumbered: str | None
    router_id: IPv4Address
    network_type: str  # "POINT_TO_POINT", "BROADCAST", "LOOPBACK"
    cost: int
    state: str  # "P2P", "DR", "BDR", "DROTHER", "LOOP", "DOWN", "WAIT"
    priority: int
    transmit_delay: int
    hello: int
    dead: int
    wait: int
    retransmit: int
    hello_due: float | None
    passive: bool
    neighbors: int
    adjacent: tuple[IPv4Address, ...]
    authentication: str | None = None  # None, "simple", "message-digest"
    mtu_mismatch_detection: bool = True
    designated: tuple[IPv4Address, IPv4Address] | None = None  # the DR's router ID and interface address
    backup: tuple[IPv4Address, IPv4Address] | None = None  # the BDR's


@dataclass(frozen=True, slots=True)
class LsaLink:
    """One link of a router LSA (RFC 2328 appendix A.4.2); `kind` is 1 point-to-point, 2 transit, 3 stub, 4 virtual."""

    kind: int
    link_id: IPv4Address
    link_data: IPv4Address
    metric: int


@dataclass(frozen=True, slots=True)
class Lsa:
    """One LSA header; `links` for router LSAs. `kind` is 1 router, 2 network, 3 summary, 4 ASBR summary, 5 external.

    What follows `tag` is the body, wanted by `show ip ospf database router` and its like alone.
    """

    area: IPv4Address | None
    kind: int
    link_state_id: IPv4Address
    advertising_router: IPv4Address
    age: int
    sequence: int
    checksum: int
    links: int | None = None
    tag: int | None = None
    options: int | None = None
    length: int | None = None
    router_links: tuple[LsaLink, ...] = ()
    area_border: bool = False  # bit B of a router LSA
    as_boundary: bool = False  # bit E
    prefix_length: int | None = None  # the mask of kinds 2, 3 and 5
    attached: tuple[IPv4Address, ...] = ()  # routers of a network LSA
    metric: int | None = None  # of kinds 3, 4 and 5
    metric_type: int | None = None  # 1 or 2, of kind 5
    forward: IPv4Address | None = None  # of kind 5


@dataclass(frozen=True, slots=True)
class OspfStatus:
    process: int
    router_id: IPv4Address
    areas: tuple[IPv4Address, ...]
    interfaces: tuple[OspfInterfaceStatus, ...]
    neighbors: tuple[OspfNeighbor, ...]
    database: tuple[Lsa, ...]
    spf_runs: int | None = None
    uptime: float | None = None
    spf_age: float | None = None  # seconds since the last SPF run


@dataclass(frozen=True, slots=True)
class LoggingStatus:
    """The log buffer, oldest line first, and how many lines each destination has had."""

    buffer: tuple[str, ...]
    size: int
    console_messages: int
    monitor_messages: int
    buffer_messages: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Status:
    """The snapshot. `now` is wall-clock with its time zone; `uptime` in seconds."""

    now: datetime
    time_source_synchronized: bool
    uptime: float
    version: str
    kernel: str
    machine: str
    config_file: str
    running: Config
    config_changed: datetime | None
    config_changed_by: str | None
    startup: Config | None = None  # None: none stored
    startup_text: str | None = None
    plane: str = "userspace"
    memory_kilobytes: int = 0
    serial: str = ""
    interfaces: tuple[InterfaceStatus, ...] = ()
    crypto: CryptoStatus | None = None
    routes: tuple[Route, ...] | None = None  # None: FRR does not answer
    ospf: tuple[OspfStatus, ...] | None = None
    logging: LoggingStatus | None = None
    problems: tuple[str, ...] = ()  # one line each: what does not work and why (FRR missing, UDP 500 taken)
    debugging: tuple[str, ...] = ()  # the asking terminal's: "isakmp", "ipsec"
    access_matches: Mapping[tuple[str, int], int] = field(default_factory=dict)  # packets by list and sequence number
    pki: PkiStatus | None = None
    derived: Config | None = None  # the running configuration with its Virtual-Access interfaces; None: it has none

    @property
    def in_force(self) -> Config:
        """What the router works by: the configuration with the interfaces that it made itself."""
        return self.derived if self.derived is not None else self.running
