"""The router of `example` as a hub: a dynamic VTI with one spoke, a crypto map with two peers and a dynamic map, and
two GRE tunnels that share their SAs."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from tests.cli.show.example import AREA_0, CCIE, CONFIG, ISAKMP_SA, KEY, R3, SAS, STATUS, WORKING, flow, interface

from seikan.cli.status import Admission, CryptoTunnel, IpsecSa, IsakmpSa, Status
from seikan.config.model import (
    AccessList,
    AccessListEntry,
    CryptoMap,
    CryptoMapEntry,
    CryptoMapPeer,
    DynamicMap,
    IdentityMatch,
    Interface,
    IpsecProfile,
    IsakmpProfile,
    Keepalive,
    Keyring,
    OspfInterface,
    PreSharedKey,
    ReverseRoute,
    SelfIdentity,
    Tunnel,
    TunnelKeepalive,
    TunnelMode,
)
from seikan.wire.selector import Selector

SPOKE, SITE, STANDBY, ROAMER, GRE_PEER = (
    IPv4Address(text) for text in ("10.1.44.4", "10.1.55.5", "10.1.56.6", "10.1.66.6", "10.1.77.7")
)
WAN = "FastEthernet1/0"
LAN, SITE_A, SITE_B = IPv4Network("10.3.0.0/16"), IPv4Network("10.5.0.0/16"), IPv4Network("10.5.9.1/32")

DVTI = IsakmpProfile(
    "DVTI",
    "all spokes",
    keyrings=("SPOKES", "LOST"),
    identities=(
        IdentityMatch(network=IPv4Network("10.1.44.0/24")),
        IdentityMatch(host="spoke1.example.net"),
        IdentityMatch(domain="example.org"),
        IdentityMatch(user="a@example.net"),
        IdentityMatch(group="BRANCHES"),
    ),
    self_identity=SelfIdentity("fqdn"),
    keepalive=Keepalive(10),
    virtual_template=1,
)

VTI = Tunnel(WAN, None, TunnelMode.IPSEC_IPV4, protection="SPOKES")
TEMPLATE = Interface(
    "Virtual-Template1",
    unnumbered="Loopback0",
    access_group_in="101",
    ospf=OspfInterface(1, AREA_0),
    tunnel=VTI,
)
ACCESS = replace(TEMPLATE, name="Virtual-Access1", tunnel=replace(VTI, destination=SPOKE))


def gre(number: int) -> Interface:
    tunnel = Tunnel(WAN, GRE_PEER, key=number, protection="GRE", shared=True, keepalive=TunnelKeepalive())
    return Interface(f"Tunnel{number}", address=IPv4Interface(f"172.16.{number}.1/30"), tunnel=tunnel)


VPN = CryptoMap(
    "VPN",
    {
        10: CryptoMapEntry(
            10,
            "to the site",
            access_list="SITES",
            peers=(CryptoMapPeer(SITE, default=True), CryptoMapPeer(STANDBY)),
            transform_sets=("CCIE", "GONE"),
            pfs_group=14,
            lifetime_seconds=1800,
            idle_time=600,
            reverse_route=ReverseRoute(static=True, tag=5),
        ),
        20: CryptoMapEntry(20, transform_sets=("CCIE",)),
        65535: CryptoMapEntry(65535, dynamic="DYN"),
    },
)
DYN = DynamicMap("DYN", {10: CryptoMapEntry(10, transform_sets=("CCIE",), isakmp_profile="DVTI")})

CONFIG_OF_HUB = replace(
    CONFIG,
    interfaces={
        **CONFIG.interfaces,
        WAN: replace(CONFIG.interfaces[WAN], crypto_map="VPN", nat="outside"),
        "Tunnel3": gre(3),
        "Tunnel4": gre(4),
        TEMPLATE.name: TEMPLATE,
    },
    access_lists={
        **CONFIG.access_lists,
        "SITES": AccessList(
            "SITES",
            True,
            False,
            (
                AccessListEntry(10, "permit ip 10.3.0.0 0.0.255.255 10.5.0.0 0.0.255.255"),
                AccessListEntry(20, "permit ip 10.3.0.0 0.0.255.255 host 10.5.9.1"),
            ),
        ),
    },
    isakmp=replace(CONFIG.isakmp, profiles={"DVTI": DVTI}, max_sas=200, max_negotiating=40),
    keyrings={"SPOKES": Keyring("SPOKES", keys=(PreSharedKey(KEY, IPv4Network("10.1.44.0/24")),))},
    ipsec=replace(
        CONFIG.ipsec,
        transform_sets={**CONFIG.ipsec.transform_sets, "TRANSPORT": replace(CCIE, name="TRANSPORT", transport=True)},
        profiles={
            **CONFIG.ipsec.profiles,
            "SPOKES": IpsecProfile("SPOKES", transform_sets=("CCIE",), isakmp_profile="DVTI"),
            "GRE": IpsecProfile("GRE", transform_sets=("TRANSPORT",)),
        },
    ),
    crypto_maps={"VPN": VPN},
    dynamic_maps={"DYN": DYN},
)


def pair(number: int, **changes: object) -> tuple[IpsecSa, IpsecSa]:
    """An inbound and an outbound SA with SPIs and connection ids of their own."""
    inbound, outbound = (
        replace(sa, spi=0x10000000 * number + place, conn_id=2 * number + place, errors={})
        for place, sa in enumerate(SAS, 1)
    )
    return replace(inbound, **changes), replace(outbound, **changes)  # type: ignore[arg-type]


def peer(name: str, remote: IPv4Address, **changes: object) -> CryptoTunnel:
    return replace(WORKING, interface=name, remote=remote, crypto_map_tag=f"{name}-head-0", **changes)  # type: ignore[arg-type]


ACCESS_TUNNEL = peer(
    "Virtual-Access1",
    SPOKE,
    profile="SPOKES",
    remote_port=4500,
    flows=(replace(WORKING.flows[0], sas=pair(3, udp_encapsulation=True), drops={}, receive_errors=0),),
    identity="spoke1.example.net",
    isakmp_profile="DVTI",
    template=1,
)
GRE_FLOW = flow(
    1,
    Selector(IPv4Network("10.1.23.3/32"), IPv4Network("10.1.77.7/32"), 47),
    pair(4, transform=CONFIG_OF_HUB.ipsec.transform_sets["TRANSPORT"]),
    packets_encapsulated=8,
    packets_decapsulated=9,
)
GRE_TUNNELS = tuple(
    replace(
        peer(name, GRE_PEER, profile="GRE", mode="gre", flows=(GRE_FLOW,), identity="10.1.77.7"),
        crypto_map_tag="GRE-head-1",
    )
    for name in ("Tunnel3", "Tunnel4")
)
SITE_FLOWS = (
    flow(
        1,
        Selector(LAN, SITE_A),
        pair(5, pfs_group=14),
        packets_encapsulated=5,
        packets_decapsulated=4,
        access_list="SITES",
        sequence=10,
    ),
    flow(2, Selector(LAN, SITE_B), send_errors=1, drops={"no-sa": 1}, access_list="SITES", sequence=10),
)
SITE_TUNNEL = replace(
    WORKING,
    interface=WAN,
    profile=None,
    crypto_map_tag="VPN",
    remote=STANDBY,
    mode="map",
    flows=SITE_FLOWS,
    identity="10.1.56.6",
    peers=(SITE, STANDBY),
    map_sequence=10,
)
ROAMER_TUNNEL = replace(
    SITE_TUNNEL,
    remote=ROAMER,
    remote_port=4500,
    flows=(
        flow(
            (65535 << 16) + 1,
            Selector(LAN, IPv4Network("10.6.0.0/24"), 6, 0, 443),
            pair(6),
            sequence=10,
            dynamic=True,
        ),
    ),
    identity="roamer.example.org",
    isakmp_profile="DVTI",
    peers=(),
    map_sequence=65535,
)

SPOKE_SA = replace(
    ISAKMP_SA,
    conn_id=1003,
    tunnel="Virtual-Access1",
    remote=SPOKE,
    remote_port=4500,
    local_port=4500,
    initiator=False,
    nat_traversal=True,
    nat_remote=True,
    peer_identity="spoke1.example.net",
    profile="DVTI",
)
SITE_SA = replace(ISAKMP_SA, conn_id=1004, tunnel="VPN 10", remote=STANDBY, peer_identity="10.1.56.6")

assert STATUS.crypto is not None
HUB = replace(
    STATUS,
    running=CONFIG_OF_HUB,
    derived=replace(CONFIG_OF_HUB, interfaces={**CONFIG_OF_HUB.interfaces, ACCESS.name: ACCESS}),
    interfaces=(
        *STATUS.interfaces,
        interface(
            "Tunnel3", "Tunnel", address=IPv4Interface("172.16.3.1/30"), mtu=1434, tunnel_source=R3, tunnel_mtu=1434
        ),
        interface(
            "Tunnel4",
            "Tunnel",
            address=IPv4Interface("172.16.4.1/30"),
            mtu=1434,
            tunnel_source=R3,
            tunnel_mtu=1434,
            protocol_up=False,
            down_reason="keepalives are not answered",
        ),
        interface(
            "Virtual-Access1",
            "Virtual Access",
            linux_name="virtual-access1",
            mtu=1422,
            unnumbered="Loopback0",
            tunnel_source=R3,
            tunnel_mtu=1422,
            packets_in=17,
            packets_out=20,
            last_input=3.0,
            template=1,
            peer_identity="spoke1.example.net",
        ),
        interface(
            "Virtual-Template1",
            "Virtual Template",
            present=False,
            protocol_up=False,
            unnumbered="Loopback0",
        ),
    ),
    crypto=replace(
        STATUS.crypto,
        isakmp_sas=(ISAKMP_SA, SPOKE_SA, SITE_SA),
        tunnels=(WORKING, ACCESS_TUNNEL, *GRE_TUNNELS, SITE_TUNNEL, ROAMER_TUNNEL),
        not_ipsec={WAN: 3},
        admission=Admission(200, 40, 3, 1, 2, 5, 7, 12, 4, 1, 9, (6, 1, 3, 0)),
    ),
    access_matches={("10", 10): 1, ("10", 40): 12, ("SITES", 20): 7},
)


def of(*tunnels: CryptoTunnel, sas: tuple[IsakmpSa, ...] = ()) -> Status:
    """The hub with these tunnels and phase 1 SAs alone."""
    assert HUB.crypto is not None
    return replace(HUB, crypto=replace(HUB.crypto, tunnels=tunnels, isakmp_sas=sas))
