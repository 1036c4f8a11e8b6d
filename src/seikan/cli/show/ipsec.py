"""show crypto ipsec … and show crypto map: phase 2, its SAs and what is configured for it."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.cli.show.algorithms import transform_words
from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.text import address_text, argument, endpoint_text, tunnel_config
from seikan.cli.status import Address, CryptoTunnel, IpsecSa, Need, Status
from seikan.config.model import Config, Ipsec, IpsecProfile, TransformSet
from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME

CRYPTO = frozenset({Need.CRYPTO})
NOTHING: frozenset[Need] = frozenset()

DEFAULT_NAME = "default"
DEFAULT_TRANSFORM_SET = TransformSet(
    DEFAULT_NAME, ENCRYPTION_BY_NAME["aes-cbc-128"], INTEGRITY_BY_NAME["hmac-sha1-96"], transport=True
)

# The lines of `show crypto ipsec sa detail`, and the drops of the plane that each number of a line adds up.
DETAIL: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("#pkts no sa (send) {}, #pkts invalid sa (rcv) {}", ("no-sa",), ("unknown-spi", "encapsulation-mismatch")),
    (
        "#pkts encaps failed (send) {}, #pkts decaps failed (rcv) {}",
        ("too-big", "no-route", "no-socket", "recursion", "not-ip", "segmentation"),
        ("malformed", "inner-malformed", "ecn-ce-not-ect", "hard-expired"),
    ),
    ("#pkts invalid prot (recv) {}, #pkts verify failed: {}", ("next-header",), ("authentication-failure",)),
    ("#pkts invalid identity (recv) {}, #pkts invalid len (rcv) {}", (), ("truncated",)),
    ("#pkts replay rollover (send): {}, #pkts replay rollover (rcv) {}", ("sequence-wrap",), ()),
    ("##pkts replay failed (rcv): {}", ("replay",), ()),
    ("#pkts tagged (send): {}, #pkts untagged (rcv): {}", (), ()),
    ("#pkts not tagged (send): {}, #pkts not untagged (rcv): {}", (), ()),
    (
        "#pkts internal err (send): {}, #pkts internal err (recv) {}",
        ("send-queue-full", "send-failed"),
        ("device-down", "device-write", "receive-queue-full"),
    ),
)


def chosen_tunnels(status: Status, arguments: Arguments) -> tuple[CryptoTunnel, ...]:
    """Those that the arguments `interface` and `address` (the peer's) leave."""
    if status.crypto is None:
        return ()
    interface, address = argument(arguments, "interface"), argument(arguments, "address")
    return tuple(
        tunnel
        for tunnel in status.crypto.tunnels
        if (interface is None or tunnel.interface == str(interface)) and (address is None or tunnel.remote == address)
    )


def selectors(status: Status, tunnel: CryptoTunnel) -> tuple[str, str]:
    """The local and remote identity: anything for a VTI, the GRE hosts for a protected GRE tunnel."""
    mode = tunnel_config(status, tunnel.interface).mode
    if mode.ipsec:
        anything = "::/0/0/0" if mode.value.endswith("ipv6") else "0.0.0.0/0.0.0.0/0/0"
        return anything, anything
    return _host(tunnel.local), _host(tunnel.remote)


def _host(address: Address | None) -> str:
    if address is None:
        return "0.0.0.0/0.0.0.0/47/0"
    return f"{address}/255.255.255.255/47/0" if address.version == 4 else f"{address_text(address)}/128/47/0"


def _spi(value: int) -> str:
    return f"0x{value:X}({value})"


def profile_transform_sets(config: Config, profile: IpsecProfile) -> tuple[TransformSet, ...]:
    """The transform sets a profile names, in order of preference; names that are not configured are left out."""
    names = profile.transform_sets or (DEFAULT_NAME,)
    found = (transform_set(config.ipsec, name) for name in names)
    return tuple(row for row in found if row is not None)


def transform_set(ipsec: Ipsec, name: str) -> TransformSet | None:
    return ipsec.transform_sets.get(name) or (DEFAULT_TRANSFORM_SET if name == DEFAULT_NAME else None)


def lifetime_text(config: Config, profile: IpsecProfile | None = None) -> str:
    """`4608000 kilobytes/3600 seconds`; the volume may be `disabled`."""
    ipsec = config.ipsec
    seconds = (
        (profile.lifetime_seconds if profile else None) or ipsec.lifetime_seconds or Ipsec.DEFAULT_LIFETIME_SECONDS
    )
    kilobytes = profile.lifetime_kilobytes if profile else None
    if kilobytes is None:
        kilobytes = ipsec.lifetime_kilobytes
    if kilobytes is None:
        kilobytes = Ipsec.DEFAULT_LIFETIME_KILOBYTES
    return f"{kilobytes or 'disabled'} kilobytes/{seconds} seconds"


def _sa_lines(tunnel: CryptoTunnel, sa: IpsecSa, window: bool) -> Iterator[str]:
    encryption = sa.transform.encryption
    mode = "Transport" if sa.transform.transport else "Tunnel"
    encapsulation = f"{mode} UDP-Encaps" if sa.udp_encapsulation else mode
    yield f"      spi: {_spi(sa.spi)}"
    yield f"        transform: {transform_words(sa.transform)} ,"
    yield f"        in use settings ={{{encapsulation}, }}"
    yield (
        f"        conn id: {sa.conn_id}, flow_id: SW:{sa.conn_id}, sibling_flags 80000040,"
        f" crypto map: {tunnel.crypto_map_tag}"
    )
    seconds = max(0, int(sa.remaining_seconds))
    if sa.remaining_kilobytes is None:
        yield f"        sa timing: remaining key lifetime (sec): {seconds}"
        yield "        Kilobyte Volume Rekey has been disabled"
    else:
        yield f"        sa timing: remaining key lifetime (k/sec): ({sa.remaining_kilobytes}/{seconds})"
    yield f"        IV size: {encryption.iv if encryption else 0} bytes"
    replay = f"        replay detection support: {'Y' if sa.replay_window else 'N'}"
    yield f"{replay}  replay window size: {sa.replay_window}" if window else replay
    if sa.extended_sequence_numbers:
        yield "        extended sequence numbers: Y"
    yield "        Status: ACTIVE(ACTIVE)"


def _detail_counters(tunnel: CryptoTunnel) -> Iterator[str]:
    """From the tunnel's drops, which hold those of all its SAs."""
    for line, *columns in DETAIL:
        yield f"    {line.format(*(sum(tunnel.drops.get(name, 0) for name in names) for names in columns))}"


def _tunnel_lines(status: Status, tunnel: CryptoTunnel, detail: bool) -> Iterator[str]:
    local, remote = endpoint_text(tunnel.local), endpoint_text(tunnel.remote)
    local_ident, remote_ident = selectors(status, tunnel)
    out, into = tunnel.packets_encapsulated, tunnel.packets_decapsulated
    current = next((sa for sa in tunnel.sas if not sa.inbound), None)
    group = current.pfs_group if current else None
    yield ""
    yield f"interface: {tunnel.interface}"
    yield f"    Crypto map tag: {tunnel.crypto_map_tag}, local addr {local}"
    yield ""
    yield "   protected vrf: (none)"
    yield f"   local  ident (addr/mask/prot/port): ({local_ident})"
    yield f"   remote ident (addr/mask/prot/port): ({remote_ident})"
    yield f"   current_peer {remote} port {tunnel.remote_port}"
    yield "     PERMIT, flags={origin_is_acl,}"
    yield f"    #pkts encaps: {out}, #pkts encrypt: {out}, #pkts digest: {out}"
    yield f"    #pkts decaps: {into}, #pkts decrypt: {into}, #pkts verify: {into}"
    yield "    #pkts compressed: 0, #pkts decompressed: 0"
    yield "    #pkts not compressed: 0, #pkts compr. failed: 0"
    yield "    #pkts not decompressed: 0, #pkts decompress failed: 0"
    if detail:
        yield from _detail_counters(tunnel)
    else:
        send_errors = sum(flow.send_errors for flow in tunnel.flows)
        receive_errors = sum(flow.receive_errors for flow in tunnel.flows)
        yield f"    #send errors {send_errors}, #recv errors {receive_errors}"
    yield ""
    yield f"     local crypto endpt.: {local}, remote crypto endpt.: {remote}"
    yield (
        f"     plaintext mtu {tunnel.plaintext_mtu}, path mtu {tunnel.path_mtu}, ip mtu {tunnel.ip_mtu},"
        f" ip mtu idb {tunnel.ip_mtu_interface}"
    )
    yield f"     current outbound spi: {_spi(current.spi if current else 0)}"
    yield f"     PFS (Y/N): {'Y' if group else 'N'}, DH group: {f'group{group}' if group else 'none'}"
    for direction, inbound in (("inbound", True), ("outbound", False)):
        yield ""
        yield f"     {direction} esp sas:"
        for sa in tunnel.sas:
            if sa.inbound is inbound:
                yield from _sa_lines(tunnel, sa, window=detail)
        for protocol in ("ah", "pcp"):
            yield ""
            yield f"     {direction} {protocol} sas:"


def show_sa(status: Status, arguments: Arguments) -> Iterator[str]:
    for tunnel in chosen_tunnels(status, arguments):
        yield from _tunnel_lines(status, tunnel, detail=False)


def show_sa_detail(status: Status, arguments: Arguments) -> Iterator[str]:
    for tunnel in chosen_tunnels(status, arguments):
        yield from _tunnel_lines(status, tunnel, detail=True)


def show_transform_set(status: Status, arguments: Arguments) -> Iterator[str]:
    ipsec = status.running.ipsec
    wanted = argument(arguments, "name")
    names = dict.fromkeys((DEFAULT_NAME, *ipsec.transform_sets)) if wanted is None else (str(wanted),)
    for name in names:
        row = transform_set(ipsec, name)
        if row is None:
            yield f"% There is no transform set {name}"
            continue
        yield f"Transform set {name}: {{ {transform_words(row)}  }} "
        yield f"   will negotiate = {{ {'Transport' if row.transport else 'Tunnel'},  }}, "
        yield ""


def _policy_lines(config: Config, profile: IpsecProfile) -> Iterator[str]:
    yield f"        Security association lifetime: {lifetime_text(config, profile)}"
    yield f"        Responder-Only (Y/N): {'Y' if profile.responder_only else 'N'}"
    yield f"        PFS (Y/N): {'Y' if profile.pfs_group else 'N'}"
    if profile.pfs_group:
        yield f"        DH group:  group{profile.pfs_group}"
    yield "        Mixed-mode : Disabled"
    yield "        Transform sets={ "
    for row in profile_transform_sets(config, profile):
        yield f"                {row.name}:  {{ {transform_words(row)}  }} , "
    missing = [name for name in profile.transform_sets if transform_set(config.ipsec, name) is None]
    yield "        }"
    for name in missing:
        yield f"        transform set {name} is not configured"


def _profiles(config: Config) -> dict[str, IpsecProfile]:
    profiles = dict(config.ipsec.profiles)
    profiles.setdefault(DEFAULT_NAME, IpsecProfile(DEFAULT_NAME))
    return profiles


def show_profile(status: Status, arguments: Arguments) -> Iterator[str]:
    profiles = _profiles(status.running)
    wanted = argument(arguments, "name")
    if wanted is not None and str(wanted) not in profiles:
        yield f"% There is no IPsec profile {wanted}"
        return
    for name in sorted(profiles) if wanted is None else (str(wanted),):
        profile = profiles[name]
        yield f"IPSEC profile {name}"
        if profile.description:
            yield f"        Description: {profile.description}"
        yield from _policy_lines(status.running, profile)
        yield ""


def show_lifetime(status: Status, arguments: Arguments) -> Iterator[str]:
    yield f"Security association lifetime: {lifetime_text(status.running)}"


def show_map(status: Status, arguments: Arguments) -> Iterator[str]:
    """The heads that IOS makes for the profiles of protected tunnels; Seikan has no crypto maps of a user's."""
    config = status.running
    for tunnel in chosen_tunnels(status, arguments):
        profile = _profiles(config).get(tunnel.profile or "") or IpsecProfile(tunnel.profile or "")
        yield f'Crypto Map IPv4 "{tunnel.crypto_map_tag}" 65536 ipsec-isakmp'
        yield f"        Profile name: {tunnel.profile}"
        yield from _policy_lines(config, profile)
        yield ""
        if tunnel.remote is not None:
            peer = address_text(tunnel.remote)
            yield f'Crypto Map IPv4 "{tunnel.crypto_map_tag}" 65537 ipsec-isakmp'
            yield "        Map is a PROFILE INSTANCE."
            yield f"        Peer = {peer}"
            yield "        Access-List SS dynamic: False"
            yield "        Extended IP access list "
            yield f"            access-list  permit {flow_words(status, tunnel)}"
            yield f"        Current peer: {peer}"
            yield from _policy_lines(config, profile)
            yield "        Always create SAs"
        yield f"        Interfaces using crypto map {tunnel.crypto_map_tag}:"
        yield f"                {tunnel.interface}"
        yield ""


def flow_words(status: Status, tunnel: CryptoTunnel) -> str:
    """What is protected, as an access list would permit it."""
    if tunnel_config(status, tunnel.interface).mode.ipsec:
        return "ip any any"
    return f"gre host {endpoint_text(tunnel.local)} host {endpoint_text(tunnel.remote)}"


_HELP = {
    "show": "Show running system information",
    "crypto": "Encryption module",
    "ipsec": "Show IPSEC policy",
    "sa": "IPSEC SA table",
    "interface": "Show info for specific interface",
    "peer": "Show SAs for peer address",
    "<address>": "IP address of the peer",
    "detail": "Show SAs in detail, with drops by cause",
    "transform-set": "Crypto transform sets",
    "profile": "Show IPSec profile information",
    "<name>": "Name",
    "security-association": "Show parameters for IPSec security associations",
    "lifetime": "Security association lifetime",
    "map": "Crypto maps",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show crypto ipsec sa", _HELP, CRYPTO, show_sa),
    ShowCommand("show crypto ipsec sa detail", _HELP, CRYPTO, show_sa_detail),
    ShowCommand("show crypto ipsec sa interface <interface:interface>", _HELP, CRYPTO, show_sa),
    ShowCommand("show crypto ipsec sa interface <interface:interface> detail", _HELP, CRYPTO, show_sa_detail),
    ShowCommand("show crypto ipsec sa peer (<address:ipv4>|<address:ipv6>)", _HELP, CRYPTO, show_sa),
    ShowCommand("show crypto ipsec sa peer (<address:ipv4>|<address:ipv6>) detail", _HELP, CRYPTO, show_sa_detail),
    ShowCommand("show crypto ipsec transform-set [<name:word>]", _HELP, NOTHING, show_transform_set),
    ShowCommand("show crypto ipsec profile [<name:word>]", _HELP, NOTHING, show_profile),
    ShowCommand("show crypto ipsec security-association", _HELP, NOTHING, show_lifetime),
    ShowCommand("show crypto ipsec security-association lifetime", _HELP, NOTHING, show_lifetime),
    ShowCommand("show crypto map", _HELP, CRYPTO, show_map),
    ShowCommand("show crypto map interface <interface:interface>", _HELP, CRYPTO, show_map),
)
