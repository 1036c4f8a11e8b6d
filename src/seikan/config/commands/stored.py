"""Lines of IOS that are kept as they are: they say nothing that this router would do.

Only what cannot change where packets go or how they are protected is kept without a word; what a user
might count on carries a notice. Everything else that is not in the table is reported as unknown.
"""

from __future__ import annotations

from collections.abc import Iterator

from seikan.config.commands.nat import KEPT_NOT_DONE, NOT_DONE
from seikan.config.grammar import Command
from seikan.config.handlers import Keeping, Stored, refused
from seikan.config.modes import CONFIG, INTERFACE, IPSEC_PROFILE, LINE, ROUTER, STORED

_ONE, _EACH, _MANY = Keeping.ONE, Keeping.EACH, Keeping.MANY
_REST = "[<words:rest>]"
_UNFILTERED = "is kept and not enforced"
_UNDONE = "is kept and not done here"
_NO_FILTER = "Kept with the configuration, not enforced"

_GLOBAL_ONE = """
    boot-start-marker; boot-end-marker; platform <words:rest>; redundancy; subscriber templating; ip classless;
    ip subnet-zero; ip domain name vrf <words:rest>; ip forward-protocol nd;
    ip http server; ip http secure-server; ip http authentication <words:rest>; ip http access-class <words:rest>;
    ip tftp source-interface <words:rest>; ip ftp source-interface <words:rest>; ip tcp synwait-time <words:rest>;
    ip tcp path-mtu-discovery; ip default-gateway <words:rest>; ip scp server enable; ip finger;
    ip icmp rate-limit <words:rest>; ip bgp-community new-format; memory-size iomem <words:rest>;
    clock timezone <words:rest>; clock summer-time <words:rest>; cdp run; lldp run;
    multilink bundle-name authenticated; mmi <words:rest>; scheduler <words:rest>; spanning-tree mode <words:rest>;
    spanning-tree extend system-id; diagnostic <words:rest>; license <words:rest>; enable secret <words:rest>;
    enable password <words:rest>; security <words:rest>; login block-for <words:rest>; login on-success log;
    login on-failure log; vtp mode <words:rest>; vtp domain <words:rest>; file prompt quiet;
    logging source-interface <words:rest>; logging facility <words:rest>; logging origin-id <words:rest>;
    logging rate-limit <words:rest>; logging count; logging userinfo; logging queue-limit <words:rest>;
    logging history <words:rest>; logging persistent <words:rest>; logging discriminator <words:rest>;
    logging delimiter tcp; ipv6 cef; ip routing; ip cef; mpls label protocol <words:rest>;
    parser <words:rest>; crypto isakmp invalid-spi-notify;
    crypto ipsec fragmentation (before-encryption|after-encryption);
    crypto engine <words:rest>; aaa session-id common;
    version <words:rest>; configuration mode exclusive <words:rest>; hw-module <words:rest>; transceiver type all;
    monitoring; snmp ifmib ifindex persist; ip multicast-routing; buffers <words:rest>;
    vlan internal allocation policy <words:rest>; ip dhcp snooping; exception <words:rest>; call-home;
    process cpu <words:rest>; ntp update-calendar; ntp master <words:rest>; ntp source <words:rest>;
    card type <words:rest>; network-clock-participate <words:rest>
"""
_GLOBAL_MANY = """
    ntp <words:rest>; snmp-server <words:rest>; ip name-server <words:rest>; ip host <words:rest>;
    ip ssh <words:rest>; service <words:rest>; boot <words:rest>; aaa <words:rest>; radius-server <words:rest>;
    tacacs-server <words:rest>; ip radius source-interface <words:rest>; ip tacacs source-interface <words:rest>;
    archive <words:rest>; alias <words:rest>; ip prefix-list <words:rest>; ipv6 prefix-list <words:rest>;
    ip as-path access-list <words:rest>; ip community-list <words:rest>; ip extcommunity-list <words:rest>;
    ip local pool <words:rest>; ip dhcp excluded-address <words:rest>; ipv6 local pool <words:rest>;
    ip sla schedule <words:rest>; ip sla enable <words:rest>; privilege <words:rest>;
    mac-address-table <words:rest>; mac access-list <words:rest>; errdisable <words:rest>; udld <words:rest>;
    dialer-list <words:rest>; dot11 <words:rest>; menu <words:rest>; kron <words:rest>; tftp-server <words:rest>;
    username <words:rest>; port-channel <words:rest>
"""
_GLOBAL_SECTIONS = """
    control-plane; vlan <name:word>; class-map <name:rest>; policy-map <name:rest>; ip sla <name:word>;
    ip dhcp pool <name:rest>; key chain <name:word>; object-group <name:rest>; archive;
    ipv6 access-list <name:word>; track <name:rest>; route-map <name:rest>; bfd-template <name:rest>;
    time-range <name:word>; event manager applet <name:rest>; flow record <name:rest>; flow exporter <name:rest>;
    flow monitor <name:rest>; tacacs server <name:word>; radius server <name:word>; sampler <name:word>;
    template <name:rest>; voice-card <name:word>; controller <name:rest>; call-home; redundancy
"""
_INTERFACE_ONE = """
    duplex <words:rest>; speed <words:rest>; negotiation auto; media-type <words:rest>; load-interval <words:rest>;
    delay <words:rest>; carrier-delay <words:rest>; hold-queue <words:rest>;
    serial <words:rest>; clock rate <words:rest>; arp timeout <words:rest>; ip virtual-reassembly [<words:rest>];
    ip nbar protocol-discovery; ip ospf prefix-suppression; ip ospf bfd; ip flow <words:rest>; ip flow ingress;
    ip flow egress; ip rip <words:rest>; ip route-cache [<words:rest>]; ip load-sharing <words:rest>;
    ip accounting [<words:rest>]; tunnel bandwidth <words:rest>; tx-ring-limit <words:rest>; ipv6 enable;
    ipv6 nd <words:rest>; ipv6 mtu <words:rest>; ipv6 unnumbered <words:rest>; logging event <words:rest>;
    snmp trap <words:rest>; switchport <words:rest>; spanning-tree <words:rest>; mdix auto;
    power inline <words:rest>; macro <words:rest>; lldp <words:rest>; cdp tlv <words:rest>;
    fair-queue [<words:rest>]; ip igmp <words:rest>;
    ip pim <words:rest>; bfd <words:rest>; random-detect [<words:rest>]
"""
#: Not IOS, but in the files of people who have both.
_INTERFACE_OF_ASA = "nameif <words:rest>; security-level <words:rest>"
_INTERFACE_ON = """
    ip redirects; ip unreachables; ip proxy-arp; ip directed-broadcast; ip mask-reply; ip mroute-cache;
    ip split-horizon [<words:rest>]; mop enabled; mop sysid; cdp enable; ipv6 redirects; ipv6 unreachables;
    snmp trap link-status
"""
_LINE = """
    exec-timeout <words:rest>; login [<words:rest>]; transport <words:rest>; password <words:rest>;
    logging synchronous [<words:rest>]; stopbits <words:rest>; privilege level <words:rest>;
    access-class <words:rest>; length <words:rest>; width <words:rest>; history <words:rest>; exec;
    speed <words:rest>; flowcontrol <words:rest>; session-timeout <words:rest>; authorization <words:rest>;
    accounting <words:rest>; modem <words:rest>; rotary <words:rest>; escape-character <words:rest>;
    autocommand <words:rest>; activation-character <words:rest>; monitor; databits <words:rest>;
    parity <words:rest>; absolute-timeout <words:rest>; ipv6 access-class <words:rest>; rxspeed <words:rest>;
    txspeed <words:rest>; notify; session-limit <words:rest>; vacant-message; motd-banner; exec-banner
"""
_ROUTER = """
    timers <words:rest>; maximum-paths <words:rest>; ispf; nsf [<words:rest>]; bfd all-interfaces;
    prefix-suppression; max-lsa <words:rest>; max-metric router-lsa [<words:rest>]; snmp <words:rest>; auto-cost;
    prefix-priority <words:rest>; nsr
"""


def _rows(mode: str, listed: str, stored: Stored, text: str, *, hidden: bool = False) -> Iterator[Command]:
    """A row for each syntax between semicolons; `text` says what becomes of such a line."""
    for syntax in (" ".join(entry.split()) for entry in listed.split(";")):
        yield Command(mode, syntax, handler=stored, negatable=True, hidden=hidden, otherwise=text)


_KEPT = "Kept with the configuration, has no effect here"

#: In the order of rendering: in front of everything else, as IOS has them.
PREAMBLE: tuple[Command, ...] = (
    *_rows(CONFIG, "version <words:rest>", Stored(), _KEPT),
    *_rows(CONFIG, "service <words:rest>", Stored(_MANY), _KEPT),
    *_rows(CONFIG, "boot-start-marker; boot <words:rest>; boot-end-marker", Stored(_MANY), _KEPT),
)

STORED_GLOBAL: tuple[Command, ...] = (
    *_rows(CONFIG, "aaa new-model", Stored(), "Kept; logins are the operating system's"),
    *_rows(
        CONFIG,
        "ip domain lookup [<words:rest>]; ip domain-lookup; ip source-route; ip gratuitous-arps; "
        "ip bootp server; ip cef [distributed]; ipv6 cef [distributed]; ip routing; "
        "ip http server; ip http secure-server; cdp run",
        Stored(on_by_default=True),
        _KEPT,
    ),
    *_rows(CONFIG, "username <name:word> [<words:rest>]", Stored(_EACH), "Kept; logins are the operating system's"),
    *_rows(CONFIG, _GLOBAL_SECTIONS, Stored(_MANY, opens=STORED), _KEPT),
    *_rows(CONFIG, _GLOBAL_ONE, Stored(), _KEPT),
    *_rows(CONFIG, _GLOBAL_MANY, Stored(_MANY), _KEPT),
    *_rows(
        CONFIG,
        "crypto call admission limit (total|cpu|all|ipsec) <words:rest>",
        Stored(_EACH, notice=f"this limit {_UNFILTERED}"),
        _NO_FILTER,
    ),
)

LINES: tuple[Command, ...] = (
    Command(
        CONFIG,
        "line (con <first:number(0-99)>|console <first:number(0-99)>|aux <first:number(0-99)>"
        "|vty <first:number(0-999)> [<last:number(0-999)>]|tty <first:number(0-999)> [<last:number(0-999)>]"
        "|<first:number(0-999)> [<last:number(0-999)>])",
        {
            "line": "Configure a terminal line",
            "con": "Primary terminal line",
            "console": "Primary terminal line",
            "aux": "Auxiliary line",
            "tty": "Terminal controller",
            "vty": "Virtual terminal",
            "<first>": "First line number",
            "<last>": "Last line number",
        },
        Stored(_MANY, opens=LINE),
        negatable=True,
    ),
    *_rows(LINE, _LINE, Stored(), _KEPT),
)

STORED_INTERFACE: tuple[Command, ...] = (
    *_rows(INTERFACE, _INTERFACE_ON, Stored(on_by_default=True), _KEPT),
    *_rows(
        INTERFACE,
        "ip address dhcp [<words:rest>]; ip address negotiated [<words:rest>]",
        Stored(notice="addresses of this interface are left to the operating system"),
        "Left to the operating system",
    ),
    *_rows(INTERFACE, _INTERFACE_ONE, Stored(), _KEPT),
    *_rows(INTERFACE, _INTERFACE_OF_ASA, Stored(), _KEPT, hidden=True),
    *_rows(
        INTERFACE,
        "ip helper-address <words:rest>",
        Stored(_MANY, notice=f"ip helper-address {_UNDONE}"),
        KEPT_NOT_DONE,
    ),
    *_rows(
        INTERFACE,
        "ip nat <words:rest>",
        Stored(_MANY, notice=f"{NOT_DONE}: it translates no addresses"),
        KEPT_NOT_DONE,
    ),
    *_rows(
        INTERFACE,
        "ip verify <words:rest>; zone-member security <words:rest>; service-policy <words:rest>; "
        "ip inspect <words:rest>; ipv6 traffic-filter <words:rest>; ip policy <words:rest>",
        Stored(_MANY, notice=f"this line {_UNFILTERED}"),
        _NO_FILTER,
    ),
)

#: Parts of IOS that this router does not have. Refusing them says more than calling them unknown.
_NOT_SUPPORTED = (
    *(
        "crypto isakmp client",
        "crypto gdoi",
        "crypto gkm",
        "router bgp",
        "router eigrp",
        "router rip",
        "router isis",
    ),
    *("router ospfv3", "ipv6 router", "ipv6 route", "vrf definition", "ip vrf", "ip route vrf"),
)

UNSUPPORTED: tuple[Command, ...] = (
    *(refused(CONFIG, f"{words} <words:rest>", f"{words} is not supported yet") for words in _NOT_SUPPORTED),
    refused(INTERFACE, "vrf forwarding <words:rest>", "VRFs are not supported yet"),
    refused(INTERFACE, "ip vrf forwarding <words:rest>", "VRFs are not supported yet"),
    refused(INTERFACE, "tunnel vrf <words:rest>", "VRFs are not supported yet"),
    refused(INTERFACE, "ip nhrp <words:rest>", "NHRP is not supported yet"),
    refused(INTERFACE, "ipv6 ospf <words:rest>", "OSPFv3 is not supported yet: OSPF is for IPv4"),
    refused(INTERFACE, "ospfv3 <words:rest>", "OSPFv3 is not supported yet: OSPF is for IPv4"),
    refused(
        INTERFACE,
        "ipv6 address <address:ipv6> link-local",
        "a link-local address cannot be typed: an interface with IPv6 has one by itself",
    ),
    refused(INTERFACE, "tunnel mode gre multipoint", "multipoint tunnels are not supported yet"),
)

STORED_OTHER: tuple[Command, ...] = (
    *_rows(ROUTER, _ROUTER, Stored(), _KEPT),
    *_rows(
        IPSEC_PROFILE,
        "set security-association idle-time <words:rest>",
        Stored(notice=f"idle-time {_UNDONE}"),
        KEPT_NOT_DONE,
    ),
    Command(STORED, "<words:rest>", {"<words>": _KEPT}, Stored(_MANY)),
)
