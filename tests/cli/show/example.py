"""Router R3 of the acceptance session as a status: Tunnel0 works, Tunnel1 is down, eth0 is the operating system's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from seikan.cli.show import SHOW_COMMANDS
from seikan.cli.status import (
    CryptoFlow,
    CryptoStatus,
    CryptoTunnel,
    InterfaceStatus,
    IpsecSa,
    IsakmpSa,
    LoggingStatus,
    Lsa,
    LsaLink,
    Mismatch,
    NextHop,
    OspfInterfaceStatus,
    OspfNeighbor,
    OspfStatus,
    Route,
    Status,
)
from seikan.config.grammar import Command, Table
from seikan.config.model import (
    AccessList,
    AccessListEntry,
    Config,
    Interface,
    Ipsec,
    IpsecProfile,
    Isakmp,
    IsakmpPolicy,
    OspfInterface,
    OspfNetwork,
    OspfProcess,
    PreSharedKey,
    TransformSet,
    Tunnel,
    TunnelMode,
)
from seikan.config.modes import EXEC
from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME
from seikan.wire.secret import Secret
from seikan.wire.selector import ANY_IPV4, Selector

KEY = Secret(b"LoopedBack!!!")
R1, R3 = IPv4Address("10.1.12.1"), IPv4Address("10.1.23.3")
ROUTER_1, ROUTER_3 = IPv4Address("1.1.1.1"), IPv4Address("3.3.3.3")
AREA_0 = IPv4Address(0)
CCIE = TransformSet("CCIE", ENCRYPTION_BY_NAME["aes-cbc-128"], INTEGRITY_BY_NAME["hmac-sha1-96"])
STRONG = TransformSet("STRONG", ENCRYPTION_BY_NAME["aes-cbc-256"], INTEGRITY_BY_NAME["hmac-sha256-128"])
POLICY = IsakmpPolicy(1, "aes-cbc-128", None, "pre-share", 14, None)


_TABLE = Table(Command(EXEC, row.syntax, row.help, row) for row in SHOW_COMMANDS)


def render(command: str, status: Status, **arguments: object) -> list[str]:
    """The lines of a show command as typed, or chosen by its syntax with arguments; keywords are True as in a match."""
    row = next((row for row in SHOW_COMMANDS if row.syntax == command), None)
    if row is None:
        match = _TABLE.match(EXEC, command)
        return list(match.command.handler.render(status, match.args))
    keywords: dict[str, object] = {word: True for word in command.split() if word[0] not in "<["}
    return list(row.render(status, keywords | arguments))


def trimmed(lines: Iterable[str]) -> list[str]:
    return [line.rstrip() for line in lines]


CONFIG = Config(
    hostname="R3",
    interfaces={
        "FastEthernet1/0": Interface("FastEthernet1/0", "to provider", address=IPv4Interface("10.1.23.3/24")),
        "Loopback0": Interface("Loopback0", address=IPv4Interface("3.3.3.3/32"), ospf=OspfInterface(1, AREA_0)),
        "Tunnel0": Interface(
            "Tunnel0",
            unnumbered="FastEthernet1/0",
            ospf=OspfInterface(1, AREA_0),
            tunnel=Tunnel("FastEthernet1/0", R1, TunnelMode.IPSEC_IPV4, protection="ProtectTheTunnel"),
        ),
        "Tunnel1": Interface(
            "Tunnel1",
            "to branch",
            address=IPv4Interface("172.16.0.1/30"),
            access_group_in="101",
            tunnel=Tunnel("FastEthernet1/0", IPv4Address("10.1.99.9"), TunnelMode.IPSEC_IPV4, protection="Branch"),
        ),
        "Tunnel2": Interface("Tunnel2", tunnel=Tunnel(R3, IPv4Address("10.1.77.7"), TunnelMode.GRE_IP, key=7, ttl=64)),
    },
    ospf={
        1: OspfProcess(
            1,
            ROUTER_3,
            (OspfNetwork(IPv4Address("192.168.0.0"), IPv4Address("0.0.255.255"), AREA_0),),
            passive_interfaces=("Loopback0",),
            redistribute=("static subnets",),
        )
    },
    access_lists={
        "10": AccessList(
            "10",
            False,
            True,
            (
                AccessListEntry(10, "permit 10.1.2.3 log"),
                AccessListEntry(20, "deny host 10.1.1.1"),
                AccessListEntry(30, "deny 192.168.1.0 0.0.0.255"),
                AccessListEntry(40, "deny any log"),
            ),
        ),
        "101": AccessList("101", True, True, (AccessListEntry(10, "permit tcp any host 10.1.1.1 eq www"),)),
    },
    isakmp=Isakmp(
        policies={1: POLICY, 2: IsakmpPolicy(2)},
        keys=(
            PreSharedKey(KEY, IPv4Network("10.1.12.1/32")),
            PreSharedKey(KEY, IPv4Network("10.1.99.0/24")),
            PreSharedKey(KEY, hostname="branch.example.net"),
        ),
    ),
    ipsec=Ipsec(
        transform_sets={"CCIE": CCIE, "STRONG": STRONG},
        profiles={
            "ProtectTheTunnel": IpsecProfile("ProtectTheTunnel", transform_sets=("CCIE",)),
            "Branch": IpsecProfile("Branch", transform_sets=("STRONG", "GONE"), pfs_group=14, lifetime_kilobytes=0),
        },
    ),
)


def interface(name: str, hardware: str, **changes: object) -> InterfaceStatus:
    plain = InterfaceStatus(
        name=name,
        linux_name=name.lower(),
        present=True,
        admin_up=True,
        protocol_up=True,
        hardware=hardware,
        mac=None,
        mtu=1500,
        address=None,
        secondary=(),
        ipv6_addresses=(),
        address_method="manual",
        unnumbered=None,
        packets_in=0,
        packets_out=0,
        octets_in=0,
        octets_out=0,
        multicast_in=0,
        errors_in=0,
        errors_out=0,
        drops_in=0,
        drops_out=0,
        rate_in=0,
        rate_out=0,
        packet_rate_in=0,
        packet_rate_out=0,
        last_input=None,
        last_output=None,
        resets=0,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


INTERFACES = (
    interface(
        "FastEthernet1/0",
        "Ethernet",
        linux_name="r3-wan",
        mac="02:00:5e:00:53:03",
        address=IPv4Interface("10.1.23.3/24"),
        packets_in=120,
        octets_in=14400,
        packets_out=130,
        octets_out=15600,
        last_input=1.0,
        last_output=0.5,
        rate_in=2000,
        packet_rate_in=2,
    ),
    interface("Loopback0", "Loopback", address=IPv4Interface("3.3.3.3/32"), mtu=65536),
    interface(
        "Tunnel0",
        "Tunnel",
        mtu=1438,
        unnumbered="FastEthernet1/0",
        tunnel_source=R3,
        tunnel_mtu=1438,
        path_mtu=1500,
        packets_in=17,
        octets_in=1700,
        packets_out=20,
        octets_out=2000,
        last_input=3.0,
        last_output=12.0,
        drops={"replay": 1, "no-sa": 4},
    ),
    interface(
        "Tunnel1",
        "Tunnel",
        mtu=1400,
        protocol_up=False,
        address=IPv4Interface("172.16.0.1/30"),
        address_method="NVRAM",
        tunnel_source=R3,
        tunnel_mtu=1400,
        down_reason="no common proposal with 10.1.99.9: encryption",
    ),
    interface("Tunnel2", "Tunnel", admin_up=False, protocol_up=False, address_method="unset", tunnel_mtu=1472),
    interface("eth0", "Ethernet", address=IPv4Interface("192.0.2.7/25"), address_method="other"),
)

SAS = (
    IpsecSa(True, 0x658F7C11, 1, CCIE, False, 4607999, 3540.7, 64, False, None, 17, 1700, {"replay": 1}),
    IpsecSa(False, 0x397C36EE, 2, CCIE, False, 4607998, 3540.7, 64, False, None, 20, 2000, {}),
)


def flow(number: int, selector: Selector, sas: tuple[IpsecSa, ...] = (), **changes: object) -> CryptoFlow:
    plain = CryptoFlow(
        number=number,
        selector=selector,
        up=bool(sas),
        uptime=59.0 if sas else None,
        sas=sas,
        packets_encapsulated=0,
        packets_decapsulated=0,
        octets_encapsulated=0,
        octets_decapsulated=0,
        send_errors=0,
        receive_errors=0,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


WORKING = CryptoTunnel(
    interface="Tunnel0",
    profile="ProtectTheTunnel",
    crypto_map_tag="Tunnel0-head-0",
    local=R3,
    remote=R1,
    remote_port=500,
    protocol_up=True,
    session="UP-ACTIVE",
    uptime=59.0,
    path_mtu=1500,
    ip_mtu=1500,
    ip_mtu_interface="FastEthernet1/0",
    plaintext_mtu=1438,
    mode="ipsec",
    flows=(
        flow(
            0,
            ANY_IPV4,
            SAS,
            packets_encapsulated=20,
            packets_decapsulated=17,
            octets_encapsulated=2000,
            octets_decapsulated=1700,
            receive_errors=1,
            drops={"replay": 1, "no-sa": 4},
        ),
    ),
    identity="10.1.12.1",
)
BROKEN = CryptoTunnel(
    interface="Tunnel1",
    profile="Branch",
    crypto_map_tag="Tunnel1-head-0",
    local=R3,
    remote=IPv4Address("10.1.99.9"),
    remote_port=500,
    protocol_up=False,
    session="DOWN-NEGOTIATING",
    uptime=None,
    path_mtu=1500,
    ip_mtu=1500,
    ip_mtu_interface="FastEthernet1/0",
    plaintext_mtu=1500,
    mode="ipsec",
    flows=(flow(0, ANY_IPV4, send_errors=5, drops={"no-sa": 5, "replay": 0}),),
    last_error="phase 1: the peer refused every proposal (NO-PROPOSAL-CHOSEN)",
    last_error_at=datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC),
    mismatches=(
        Mismatch("encryption", "aes", "3des, des"),
        Mismatch("Diffie-Hellman group", "14", "2"),
    ),
)

ISAKMP_SA = IsakmpSa(
    conn_id=1001,
    tunnel="Tunnel0",
    local=R3,
    local_port=500,
    remote=R1,
    remote_port=500,
    state="QM_IDLE",
    status="ACTIVE",
    initiator=True,
    policy=POLICY,
    lifetime_remaining=86341.0,
    keepalive=True,
    nat_traversal=False,
    nat_local=False,
    nat_remote=False,
    fragmentation=False,
    aggressive=False,
    peer_identity="10.1.12.1",
    cookies=(b"\x01" * 8, b"\x02" * 8),
)
LOST_SA = replace(
    ISAKMP_SA,
    conn_id=1002,
    tunnel="Tunnel1",
    remote=IPv4Address("10.1.99.9"),
    state="MM_NO_STATE",
    status="ACTIVE (deleted)",
    initiator=False,
    policy=None,
    lifetime_remaining=None,
    keepalive=False,
    peer_identity=None,
)

ROUTES = (
    Route(IPv4Network("0.0.0.0/0"), "S*", 1, 0, (NextHop(IPv4Address("10.1.23.2"), None),), 100.0),
    Route(IPv4Network("1.1.1.1/32"), "O", 110, 1001, (NextHop(R1, "Tunnel0"),), 12.0, source=ROUTER_1),
    Route(IPv4Network("3.3.3.3/32"), "C", 0, 0, (NextHop(None, "Loopback0"),), None),
    Route(IPv4Network("10.1.23.0/24"), "C", 0, 0, (NextHop(None, "FastEthernet1/0"),), None),
    Route(
        IPv4Network("10.9.0.0/16"),
        "O IA",
        110,
        1011,
        (NextHop(R1, "Tunnel0"), NextHop(IPv4Address("172.16.0.2"), "Tunnel1")),
        93784.0,
    ),
    Route(IPv4Network("198.51.100.0/24"), "S", 1, 0, (NextHop(IPv4Address("10.1.23.2"), None),), None),
    Route(IPv4Network("203.0.113.0/25"), "O E2", 110, 20, (NextHop(R1, "Tunnel0"),), 400.0),
    Route(IPv4Network("203.0.113.128/25"), "O E2", 110, 20, (NextHop(R1, "Tunnel0"),), 700000.0),
)

NEIGHBOR = OspfNeighbor(
    ROUTER_1, 0, "FULL/  -", 36.4, R1, "Tunnel0", AREA_0, 3061.0, options=0x52, state_changes=6, retransmission_queue=0
)


def ospf_interface(name: str, **changes: object) -> OspfInterfaceStatus:
    plain = OspfInterfaceStatus(
        name=name,
        process=1,
        area=AREA_0,
        up=True,
        address=None,
        unnumbered=None,
        router_id=ROUTER_3,
        network_type="POINT_TO_POINT",
        cost=1000,
        state="P2P",
        priority=1,
        transmit_delay=1,
        hello=10,
        dead=40,
        wait=40,
        retransmit=5,
        hello_due=4.0,
        passive=False,
        neighbors=0,
        adjacent=(),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


OSPF = OspfStatus(
    process=1,
    router_id=ROUTER_3,
    areas=(AREA_0,),
    interfaces=(
        ospf_interface(
            "Loopback0",
            address=IPv4Interface("3.3.3.3/32"),
            network_type="LOOPBACK",
            state="LOOP",
            cost=1,
            hello_due=None,
        ),
        ospf_interface(
            "Tunnel0",
            address=IPv4Interface("10.1.23.3/24"),
            unnumbered="FastEthernet1/0",
            neighbors=1,
            adjacent=(ROUTER_1,),
            authentication="message-digest",
        ),
        ospf_interface(
            "eth0",
            address=IPv4Interface("192.0.2.7/25"),
            network_type="BROADCAST",
            state="DR",
            cost=10,
            designated=(ROUTER_3, IPv4Address("192.0.2.7")),
        ),
    ),
    neighbors=(NEIGHBOR,),
    database=(
        Lsa(
            AREA_0,
            1,
            ROUTER_1,
            ROUTER_1,
            70,
            0x80000005,
            0x7A61,
            2,
            options=0x22,
            length=48,
            router_links=(
                LsaLink(1, ROUTER_3, R1, 1000),
                LsaLink(3, ROUTER_1, IPv4Address("255.255.255.255"), 1),
            ),
        ),
        Lsa(AREA_0, 1, ROUTER_3, ROUTER_3, 69, 0x80000006, 0xCC34, 2, as_boundary=True, length=48),
        Lsa(
            AREA_0,
            2,
            IPv4Address("192.0.2.7"),
            ROUTER_3,
            12,
            0x80000001,
            0x15EF,
            options=2,
            length=32,
            prefix_length=25,
            attached=(ROUTER_3, ROUTER_1),
        ),
        Lsa(
            AREA_0, 3, IPv4Address("10.9.0.0"), ROUTER_1, 41, 0x80000003, 0xEF26, prefix_length=16, metric=11, length=28
        ),
        Lsa(
            None,
            5,
            IPv4Address("203.0.113.0"),
            ROUTER_1,
            142,
            0x80000001,
            0x3F23,
            tag=0,
            length=36,
            prefix_length=25,
            metric=20,
            metric_type=2,
            forward=AREA_0,
        ),
    ),
    spf_runs=8,
    uptime=3600.0,
    spf_age=59.0,
)

STATUS = Status(
    now=datetime(2026, 3, 1, 12, 34, 56, 789000, tzinfo=UTC),
    time_source_synchronized=False,
    uptime=3725.0,
    version="0.1.0",
    kernel="Linux 6.1.0",
    machine="x86_64",
    config_file="/etc/seikan/startup-config",
    running=CONFIG,
    config_changed=None,
    config_changed_by=None,
    memory_kilobytes=2048000,
    serial="4f2a",
    interfaces=INTERFACES,
    crypto=CryptoStatus(
        isakmp_enabled=True,
        isakmp_sas=(ISAKMP_SA, LOST_SA),
        tunnels=(WORKING, BROKEN),
        counters={"phase-1-completed": 1, "retransmissions": 3},
        drops={"unknown-spi": 2},
    ),
    routes=ROUTES,
    ospf=(OSPF,),
    logging=LoggingStatus(
        buffer=(
            "*Mar  1 12:00:00.001: %CRYPTO-6-ISAKMP_ON_OFF: ISAKMP is ON",
            "*Mar  1 12:00:02.044: %LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0, changed state to up",
        ),
        size=4096,
        console_messages=2,
        monitor_messages=0,
        buffer_messages=2,
        dropped=0,
    ),
    problems=("UDP 500 is taken by charon (pid 7)",),
)
SILENT = replace(STATUS, routes=None, ospf=None)
