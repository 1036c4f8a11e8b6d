"""The configuration as frozen data: what was typed, and nothing derived from the running system.

None means "not typed"; the default that then holds is applied where it is used, through the
properties here, so that rendering writes only what a user wrote (as IOS does).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from types import MappingProxyType
from typing import ClassVar

from seikan.config.model_ikev2 import Ikev2, Pki
from seikan.wire.constants import (
    ENCRYPTION_BY_NAME,
    GROUP_BY_NUMBER,
    HASH_BY_NAME,
    Encryption,
    Group,
    Hash,
    Integrity,
)
from seikan.wire.secret import Secret

Address = IPv4Address | IPv6Address


class TunnelMode(Enum):
    """`tunnel mode …`; GRE over IPv4 is the IOS default."""

    GRE_IP = "gre ip"
    GRE_IPV6 = "gre ipv6"
    IPSEC_IPV4 = "ipsec ipv4"
    IPSEC_IPV6 = "ipsec ipv6"
    IPSEC_DUAL_OVERLAY = "ipsec dual-overlay"  # IPv4 and IPv6 inside; the outer family is that of the ends

    @property
    def ipsec(self) -> bool:
        return self in (TunnelMode.IPSEC_IPV4, TunnelMode.IPSEC_IPV6, TunnelMode.IPSEC_DUAL_OVERLAY)


@dataclass(frozen=True, slots=True)
class TunnelKeepalive:
    """`keepalive [PERIOD [RETRIES]]` of a GRE tunnel; `period` in seconds."""

    period: int = 10
    retries: int = 3


@dataclass(frozen=True, slots=True)
class Tunnel:
    """The `tunnel …` lines of a tunnel interface. `source` is an address or an interface's name;
    `overlay` is the inner family of `tunnel mode ipsec ipv4 v6-overlay` and of its mirror image.

    `protection_policy` is the access list of `tunnel protection ipsec policy ipv4 ACL`: one pair of SAs for each of
    its lines instead of one for everything (IOS-XE's multi-SA VTI).
    """

    source: Address | str | None = None
    destination: Address | None = None
    mode: TunnelMode = TunnelMode.GRE_IP
    key: int | None = None
    protection: str | None = None  # an IPsec profile's name
    shared: bool = False  # `tunnel protection … shared`
    protection_policy: str | None = None
    keepalive: TunnelKeepalive | None = None
    ttl: int | None = None
    path_mtu_discovery: bool = False
    destination_name: str | None = None  # `tunnel destination NAME`; in the effective configuration it has an address
    overlay: int | None = None  # 4 or 6


class OspfAuthentication(Enum):
    NULL = "null"
    SIMPLE = "simple"
    MESSAGE_DIGEST = "message-digest"


class OspfNetworkType(Enum):
    BROADCAST = "broadcast"
    NON_BROADCAST = "non-broadcast"
    POINT_TO_MULTIPOINT = "point-to-multipoint"
    POINT_TO_POINT = "point-to-point"


@dataclass(frozen=True, slots=True)
class OspfInterface:
    """The `ip ospf …` lines of an interface; seconds for the timers."""

    process: int | None = None  # ip ospf PROCESS area AREA
    area: IPv4Address | None = None
    cost: int | None = None
    network_type: OspfNetworkType | None = None
    hello_interval: int | None = None
    dead_interval: int | None = None
    retransmit_interval: int | None = None
    transmit_delay: int | None = None
    priority: int | None = None
    authentication: OspfAuthentication | None = None
    authentication_key: Secret | None = None
    message_digest_keys: Mapping[int, Secret] = field(default_factory=lambda: MappingProxyType({}))
    mtu_ignore: bool = False


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface; `name` is canonical (`FastEthernet1/0`, `Tunnel0`, `Loopback0`, or a Linux name).

    `Virtual-Template1` is an interface with a tunnel of which copies are made (`Virtual-Access1`, never typed).
    """

    name: str
    description: str | None = None
    shutdown: bool = False
    address: IPv4Interface | None = None
    secondary: tuple[IPv4Interface, ...] = ()
    ipv6_addresses: tuple[IPv6Interface, ...] = ()
    unnumbered: str | None = None
    mtu: int | None = None
    ip_mtu: int | None = None
    adjust_mss: int | None = None
    bandwidth: int | None = None  # kbit/s
    access_group_in: str | None = None
    access_group_out: str | None = None
    crypto_map: str | None = None
    nat: str | None = None  # "inside" or "outside"
    ospf: OspfInterface = OspfInterface()
    tunnel: Tunnel | None = None  # set exactly for interfaces of types Tunnel, Virtual-Template and Virtual-Access


@dataclass(frozen=True, slots=True)
class StaticRoute:
    """`ip route`: through a next hop, an interface, or both; `distance` 1 to 255."""

    network: IPv4Network
    next_hop: IPv4Address | None = None
    interface: str | None = None
    distance: int = 1
    name: str | None = None
    tag: int | None = None
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class OspfNetwork:
    """`network ADDRESS WILDCARD area AREA` as typed; wildcard bits may be discontiguous."""

    address: IPv4Address
    wildcard: IPv4Address
    area: IPv4Address


@dataclass(frozen=True, slots=True)
class OspfArea:
    """The `area AREA …` lines of one area."""

    area: IPv4Address
    authentication: OspfAuthentication | None = None
    stub: bool = False
    no_summary: bool = False


@dataclass(frozen=True, slots=True)
class OspfProcess:
    """`router ospf PROCESS`."""

    process: int
    router_id: IPv4Address | None = None
    networks: tuple[OspfNetwork, ...] = ()
    passive_default: bool = False
    passive_interfaces: tuple[str, ...] = ()  # exceptions to the default where passive_default
    areas: tuple[OspfArea, ...] = ()
    reference_bandwidth: int | None = None  # Mbit/s
    redistribute: tuple[str, ...] = ()  # the words after `redistribute`: "static subnets", "connected subnets"
    default_information: str | None = None  # the words after `default-information originate`, "" for none
    log_adjacency_changes: bool = True
    log_adjacency_detail: bool = False


@dataclass(frozen=True, slots=True)
class AccessListEntry:
    """One line of an access list, kept as its canonical words (stored and rendered)."""

    sequence: int
    text: str


@dataclass(frozen=True, slots=True)
class AccessList:
    """A numbered or named list; `extended` tells its kind, `numbered` how it is written."""

    name: str
    extended: bool
    numbered: bool
    entries: tuple[AccessListEntry, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IsakmpPolicy:
    """`crypto isakmp policy N`: None where not typed. The IOS defaults DES, RSA signatures and group 1 then hold,
    which Seikan warns about and never negotiates.
    """

    priority: int
    encryption: str | None = None  # name of an Encryption row, or "des"
    hash: str | None = None  # name of a Hash row
    authentication: str | None = None  # "pre-share", "rsa-sig", "rsa-encr"
    group: int | None = None
    lifetime: int | None = None  # seconds

    DEFAULT_LIFETIME: ClassVar[int] = 86400

    @property
    def encryption_row(self) -> Encryption | None:
        """The cipher as typed; None where DES holds (typed or by default), which Seikan does not do."""
        return ENCRYPTION_BY_NAME.get(self.encryption or "des")

    @property
    def hash_row(self) -> Hash:
        return HASH_BY_NAME[self.hash or "sha1"]

    @property
    def group_row(self) -> Group | None:
        """The group as typed; None where group 1 holds, which Seikan does not do."""
        return GROUP_BY_NUMBER.get(self.group or 1)

    @property
    def lifetime_seconds(self) -> int:
        return self.lifetime or self.DEFAULT_LIFETIME


@dataclass(frozen=True, slots=True)
class PreSharedKey:
    """A key for peers in `network` (a host route for one address), or for `hostname`."""

    key: Secret
    network: IPv4Network | None = None
    ipv6_address: IPv6Interface | None = None
    hostname: str | None = None
    no_xauth: bool = False


@dataclass(frozen=True, slots=True)
class Keyring:
    """`crypto keyring NAME [vrf V]`."""

    name: str
    vrf: str | None = None
    description: str | None = None
    local_address: IPv4Address | str | None = None
    keys: tuple[PreSharedKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Keepalive:
    """`crypto isakmp keepalive SECONDS [RETRY] [periodic|on-demand]` (RFC 3706)."""

    interval: int
    retry: int = 2
    periodic: bool = False


@dataclass(frozen=True, slots=True)
class IdentityMatch:
    """`match identity …` of an isakmp profile: exactly one kind is set.

    `domain` stands for every host below it, `user_domain` for every user of it, as in
    `match identity host domain example.com` and `match identity user domain example.com`.
    """

    network: IPv4Network | IPv6Network | None = None
    host: str | None = None
    domain: str | None = None
    user: str | None = None
    user_domain: str | None = None
    group: str | None = None
    vrf: str | None = None  # behind an address


@dataclass(frozen=True, slots=True)
class SelfIdentity:
    """`self-identity address|fqdn [NAME]|user-fqdn NAME`; without a name the host's."""

    kind: str  # "address", "fqdn", "user-fqdn"
    name: str | None = None


@dataclass(frozen=True, slots=True)
class IsakmpProfile:
    """`crypto isakmp profile NAME`. Without a keyring the global keys hold, as in IOS."""

    name: str
    description: str | None = None
    vrf: str | None = None
    keyrings: tuple[str, ...] = ()
    identities: tuple[IdentityMatch, ...] = ()
    self_identity: SelfIdentity | None = None
    initiate_aggressive: bool = False
    keepalive: Keepalive | None = None
    virtual_template: int | None = None
    local_address: IPv4Address | str | None = None  # an address or an interface's name


@dataclass(frozen=True, slots=True)
class IsakmpPeer:
    """`crypto isakmp peer address A`: turns aggressive mode on for that peer."""

    address: Address
    aggressive_password: Secret | None = None
    client_endpoint: str | None = None  # the words after `set aggressive-mode client-endpoint`


@dataclass(frozen=True, slots=True)
class Isakmp:
    """Global `crypto isakmp …`."""

    enabled: bool = True
    policies: Mapping[int, IsakmpPolicy] = field(default_factory=lambda: MappingProxyType({}))
    keys: tuple[PreSharedKey, ...] = ()
    keepalive: Keepalive | None = None
    nat_keepalive: int | None = None  # seconds; IOS default 20 where NAT is found, 0 turns it off
    invalid_spi_recovery: bool = False
    aggressive_mode: bool = False  # `no crypto isakmp aggressive-mode disable` typed
    fragmentation: bool = False
    identity: str = "address"  # crypto isakmp identity address|hostname|dn
    peers: tuple[IsakmpPeer, ...] = ()
    profiles: Mapping[str, IsakmpProfile] = field(default_factory=lambda: MappingProxyType({}))
    max_sas: int | None = None  # crypto call admission limit ike sa
    max_negotiating: int | None = None  # crypto call admission limit ike in-negotiation-sa


@dataclass(frozen=True, slots=True)
class TransformSet:
    """`crypto ipsec transform-set NAME …`."""

    name: str
    encryption: Encryption | None
    integrity: Integrity | None
    transport: bool = False


@dataclass(frozen=True, slots=True)
class IpsecProfile:
    """`crypto ipsec profile NAME`."""

    name: str
    description: str | None = None
    transform_sets: tuple[str, ...] = ()  # () means the set named "default"
    pfs_group: int | None = None
    lifetime_seconds: int | None = None
    lifetime_kilobytes: int | None = None  # 0: `kilobytes disable`
    replay_window: int | None = None  # packets; 0: `replay disable`
    responder_only: bool = False
    isakmp_profile: str | None = None
    ikev2_profile: str | None = None
    mixed_mode: bool = False  # set mixed-mode: IPv4 and IPv6 through one VTI


@dataclass(frozen=True, slots=True)
class Ipsec:
    """Global `crypto ipsec …`."""

    transform_sets: Mapping[str, TransformSet] = field(default_factory=lambda: MappingProxyType({}))
    profiles: Mapping[str, IpsecProfile] = field(default_factory=lambda: MappingProxyType({}))
    lifetime_seconds: int | None = None
    lifetime_kilobytes: int | None = None
    replay_window: int | None = None
    df_bit: str | None = None  # "copy", "set", "clear"
    nat_transparency: bool = True  # `no crypto ipsec nat-transparency udp-encapsulation`
    idle_time: int | None = None  # seconds, for entries of crypto maps without their own

    DEFAULT_LIFETIME_SECONDS: ClassVar[int] = 3600
    DEFAULT_LIFETIME_KILOBYTES: ClassVar[int] = 4608000
    DEFAULT_REPLAY_WINDOW: ClassVar[int] = 64


@dataclass(frozen=True, slots=True)
class CryptoMapPeer:
    """`set peer ADDRESS [default]`: a default peer is tried first again when a new negotiation begins."""

    address: Address
    default: bool = False


@dataclass(frozen=True, slots=True)
class ReverseRoute:
    """`reverse-route [static] [remote-peer ADDRESS [static]] [tag N]`, with `set reverse-route distance N`."""

    static: bool = False  # also while there is no SA
    remote_peer: Address | None = None  # the routes' next hop
    gateway: bool = False  # and a host route to the peer itself through it
    tag: int | None = None
    distance: int | None = None


@dataclass(frozen=True, slots=True)
class CryptoMapEntry:
    """One sequence number of a `crypto map` or `crypto dynamic-map`.

    `dynamic` names the dynamic map of `ipsec-isakmp dynamic NAME`; such an entry has nothing else. What
    `set reverse-route` says waits here for `reverse-route`, which has it too.
    """

    sequence: int
    description: str | None = None
    dynamic: str | None = None
    access_list: str | None = None  # match address
    peers: tuple[CryptoMapPeer, ...] = ()
    transform_sets: tuple[str, ...] = ()
    pfs_group: int | None = None
    lifetime_seconds: int | None = None
    lifetime_kilobytes: int | None = None
    replay_window: int | None = None
    idle_time: int | None = None  # seconds
    idle_default: bool = False  # `idle-time N default`: then back to the default peer
    isakmp_profile: str | None = None
    ikev2_profile: str | None = None
    reverse_route: ReverseRoute | None = None
    route_distance: int | None = None  # set reverse-route distance
    route_tag: int | None = None  # set reverse-route tag


@dataclass(frozen=True, slots=True)
class CryptoMap:
    """`crypto map NAME SEQUENCE ipsec-isakmp`, all its entries by ascending sequence number."""

    name: str
    entries: Mapping[int, CryptoMapEntry] = field(default_factory=lambda: MappingProxyType({}))
    local_address: str | None = None  # crypto map NAME local-address INTERFACE
    isakmp_profile: str | None = None  # crypto map NAME isakmp-profile PROFILE


@dataclass(frozen=True, slots=True)
class DynamicMap:
    """`crypto dynamic-map NAME SEQUENCE`: for peers whose address is not known before."""

    name: str
    entries: Mapping[int, CryptoMapEntry] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class NatSource:
    """`ip nat inside source list|route-map NAME interface NAME overload`: what it permits is translated."""

    access_list: str | None
    route_map: str | None
    interface: str


@dataclass(frozen=True, slots=True)
class NatStatic:
    """`ip nat inside source static [tcp|udp] LOCAL [PORT] GLOBAL [PORT]`; `outside` an address or an interface."""

    inside: IPv4Address
    outside: IPv4Address | str
    protocol: str | None = None
    inside_port: int | None = None
    outside_port: int | None = None


@dataclass(frozen=True, slots=True)
class Logging:
    """`logging …`; severities are the IOS names, sizes in octets."""

    buffered: int | None = None  # size
    buffered_level: str | None = None
    console: bool = True
    console_level: str | None = None
    monitor: bool = True
    monitor_level: str | None = None
    trap_level: str | None = None
    hosts: tuple[str, ...] = ()
    on: bool = True
    session_status: bool = False  # crypto logging session


@dataclass(frozen=True, slots=True)
class Banner:
    """`banner motd|login|exec`: text without its delimiters."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class StoredLine:
    """A line that is kept and rendered but does nothing here, with the lines of the modes above it.

    `unknown` lines are those of a file that could not be understood. They are kept so that writing the
    configuration loses nothing and an object that was misread stays unusable
    (`seikan.config.validate.tunnel_problems`). The text may hold secrets.
    """

    path: tuple[str, ...]
    text: str = field(repr=False)
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration of one router. Mappings are read-only and keep the order of IOS rendering."""

    hostname: str = "Router"
    domain_name: str | None = None
    interfaces: Mapping[str, Interface] = field(default_factory=lambda: MappingProxyType({}))
    routes: tuple[StaticRoute, ...] = ()
    ospf: Mapping[int, OspfProcess] = field(default_factory=lambda: MappingProxyType({}))
    access_lists: Mapping[str, AccessList] = field(default_factory=lambda: MappingProxyType({}))
    isakmp: Isakmp = Isakmp()
    keyrings: Mapping[str, Keyring] = field(default_factory=lambda: MappingProxyType({}))
    ipsec: Ipsec = Ipsec()
    ikev2: Ikev2 = field(default_factory=Ikev2)
    pki: Pki = field(default_factory=Pki)
    crypto_maps: Mapping[str, CryptoMap] = field(default_factory=lambda: MappingProxyType({}))
    dynamic_maps: Mapping[str, DynamicMap] = field(default_factory=lambda: MappingProxyType({}))
    nat_sources: tuple[NatSource, ...] = ()
    nat_statics: tuple[NatStatic, ...] = ()
    logging: Logging = Logging()
    banners: tuple[Banner, ...] = ()
    ipv6_unicast_routing: bool = False
    stored: tuple[StoredLine, ...] = ()

    @property
    def full_name(self) -> str:
        """The router's fully qualified domain name, as it is its identity."""
        return self.hostname if self.domain_name is None else f"{self.hostname}.{self.domain_name}"
