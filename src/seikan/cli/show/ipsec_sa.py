"""show crypto ipsec sa: the SAs of each flow, and what crossed it."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.cli.show.algorithms import transform_words
from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.flows import chosen_tunnels, flows_of, identities
from seikan.cli.show.text import address_text, endpoint_text
from seikan.cli.status import CryptoFlow, CryptoTunnel, IpsecSa, Need, Status

CRYPTO = frozenset({Need.CRYPTO})

# The lines of `show crypto ipsec sa detail`, and the drops of the plane that each number of a line adds up.
DETAIL: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "#pkts no sa (send) {}, #pkts invalid sa (rcv) {}",
        ("no-sa",),
        ("unknown-spi", "hold-full", "hold-expired", "encapsulation-mismatch"),
    ),
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


_NONE = "No SAs found"


def _spi(value: int) -> str:
    return f"0x{value:X}({value})"


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


def _detail_counters(flow: CryptoFlow) -> Iterator[str]:
    """From the flow's drops, which hold those of all its SAs."""
    for line, *columns in DETAIL:
        yield f"    {line.format(*(sum(flow.drops.get(name, 0) for name in names) for names in columns))}"


def _identity_lines(tunnel: CryptoTunnel, flow: CryptoFlow, detail: bool) -> Iterator[str]:
    """Who speaks with whom, and the packets that crossed."""
    local, remote = identities(flow.selector)
    out, into = flow.packets_encapsulated, flow.packets_decapsulated
    yield "   protected vrf: (none)"
    yield f"   local  ident (addr/mask/prot/port): ({local})"
    yield f"   remote ident (addr/mask/prot/port): ({remote})"
    yield f"   current_peer {endpoint_text(tunnel.remote)} port {tunnel.remote_port}"
    yield f"     PERMIT, flags={{{'' if flow.dynamic else 'origin_is_acl,'}}}"
    yield f"    #pkts encaps: {out}, #pkts encrypt: {out}, #pkts digest: {out}"
    yield f"    #pkts decaps: {into}, #pkts decrypt: {into}, #pkts verify: {into}"
    yield "    #pkts compressed: 0, #pkts decompressed: 0"
    yield "    #pkts not compressed: 0, #pkts compr. failed: 0"
    yield "    #pkts not decompressed: 0, #pkts decompress failed: 0"
    if detail:
        yield from _detail_counters(flow)
    else:
        yield f"    #send errors {flow.send_errors}, #recv errors {flow.receive_errors}"
    yield ""


def _flow_lines(tunnel: CryptoTunnel, flow: CryptoFlow, detail: bool) -> Iterator[str]:
    current = next((sa for sa in flow.sas if not sa.inbound), None)
    group = current.pfs_group if current else None
    yield from _identity_lines(tunnel, flow, detail)
    yield (
        f"     local crypto endpt.: {endpoint_text(tunnel.local)}, remote crypto endpt.: {endpoint_text(tunnel.remote)}"
    )
    yield (
        f"     plaintext mtu {tunnel.plaintext_mtu}, path mtu {tunnel.path_mtu}, ip mtu {tunnel.ip_mtu},"
        f" ip mtu idb {tunnel.ip_mtu_interface}"
    )
    yield f"     current outbound spi: {_spi(current.spi if current else 0)}"
    yield f"     PFS (Y/N): {'Y' if group else 'N'}, DH group: {f'group{group}' if group else 'none'}"
    for direction, inbound in (("inbound", True), ("outbound", False)):
        yield ""
        yield f"     {direction} esp sas:"
        for sa in flow.sas:
            if sa.inbound is inbound:
                yield from _sa_lines(tunnel, sa, window=detail)
        for protocol in ("ah", "pcp"):
            yield ""
            yield f"     {direction} {protocol} sas:"


def _by_head(tunnels: tuple[CryptoTunnel, ...]) -> dict[tuple[object, ...], list[CryptoTunnel]]:
    """Those of one interface, map and local address stand below one heading."""
    heads: dict[tuple[object, ...], list[CryptoTunnel]] = {}
    for tunnel in tunnels:
        heads.setdefault((tunnel.interface, tunnel.crypto_map_tag, tunnel.local), []).append(tunnel)
    return heads


def _listing(status: Status, arguments: Arguments, sas: bool) -> Iterator[str]:
    """The block of each flow below the interface that it is protected on; `sas`: with its SAs."""
    found = False
    for tunnels in _by_head(chosen_tunnels(status, arguments)).values():
        flows = [(tunnel, flow) for tunnel in tunnels for flow in flows_of(tunnel)]
        if not flows:
            continue
        found = True
        head = tunnels[0]
        yield ""
        yield f"interface: {head.interface}"
        yield f"    Crypto map tag: {head.crypto_map_tag}, local addr {endpoint_text(head.local)}"
        for tunnel, flow in flows:
            yield ""
            render = _flow_lines if sas else _identity_lines
            yield from render(tunnel, flow, "detail" in arguments)
    if not found:
        yield _NONE


def show_sa(status: Status, arguments: Arguments) -> Iterator[str]:
    return _listing(status, arguments, sas=True)


def show_identity(status: Status, arguments: Arguments) -> Iterator[str]:
    """The flows without their SAs."""
    return _listing(status, arguments, sas=False)


def show_address(status: Status, arguments: Arguments) -> Iterator[str]:
    """Every SA below the address its packets go to."""
    rows = []
    for tunnel in chosen_tunnels(status, arguments):
        for sa in tunnel.sas:
            end = tunnel.local if sa.inbound else tunnel.remote
            if end is not None:
                rows.append((end, sa, tunnel))
    rows.sort(key=lambda row: (row[0].version, int(row[0]), row[1].spi))
    seen: set[tuple[object, int]] = set()
    heading = None
    for end, sa, tunnel in rows:
        if (end, sa.spi) in seen:  # shared by several tunnels
            continue
        seen.add((end, sa.spi))
        if end != heading:
            yield ""
            yield f"fvrf/address: (none)/{address_text(end)}"
            yield "   protocol: ESP"
            heading = end
        yield from _sa_lines(tunnel, sa, window="detail" in arguments)
    if not rows:
        yield _NONE


_HELP = {
    "show": "Show running system information",
    "crypto": "Encryption module",
    "ipsec": "Show IPSEC policy",
    "sa": "IPSEC SA table",
    "interface": "Show info for specific interface",
    "peer": "Show SAs for peer address",
    "map": "Show SAs of one crypto map",
    "address": "IPSEC SA table by destination address",
    "identity": "IPSEC SADB identity tree, without the SAs",
    "<address>": "IP address of the peer",
    "<map>": "Crypto map tag",
    "detail": "Show SAs in detail, with drops by cause",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show crypto ipsec sa [detail]", _HELP, CRYPTO, show_sa),
    ShowCommand("show crypto ipsec sa interface <interface:interface> [detail]", _HELP, CRYPTO, show_sa),
    ShowCommand("show crypto ipsec sa peer (<address:ipv4>|<address:ipv6>) [detail]", _HELP, CRYPTO, show_sa),
    ShowCommand("show crypto ipsec sa map <map:word> [detail]", _HELP, CRYPTO, show_sa),
    ShowCommand("show crypto ipsec sa address [detail]", _HELP, CRYPTO, show_address),
    ShowCommand("show crypto ipsec sa identity [detail]", _HELP, CRYPTO, show_identity),
)
