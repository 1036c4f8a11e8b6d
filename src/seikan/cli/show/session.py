"""show crypto session, and show crypto engine connections active: one view over both phases of each tunnel."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.cli.show.algorithms import engine_policy, engine_transform
from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.ipsec import CRYPTO, chosen_tunnels
from seikan.cli.show.isakmp import capabilities
from seikan.cli.show.text import address_text, age, date, endpoint_text, pad, tunnel_config
from seikan.cli.status import NEGOTIATING, CryptoTunnel, IpsecSa, IsakmpSa, Status
from seikan.config.names import short

_LEGEND = (
    "Code: C - IKE Configuration mode, D - Dead Peer Detection     ",
    "K - Keepalives, N - NAT-traversal, T - cTCP encapsulation     ",
    "X - IKE Extended Authentication, F - IKE Fragmentation",
    "R - IKE Auto Reconnect, U - IKE Dynamic Route Update",
    "S - SIP VPN",
)
_STATUS_LETTERS = {
    "UP-ACTIVE": "UA",
    "UP-IDLE": "UI",
    "UP-NO-IKE": "UK",
    "DOWN-NEGOTIATING": "DN",
    "DOWN": "D",
}


def _isakmp_sas(status: Status, tunnel: CryptoTunnel) -> list[IsakmpSa]:
    return [sa for sa in status.crypto.isakmp_sas if sa.tunnel == tunnel.interface] if status.crypto else []


def flow(status: Status, tunnel: CryptoTunnel) -> str:
    mode = tunnel_config(status, tunnel.interface).mode
    if not mode.ipsec:
        return f"permit 47 host {endpoint_text(tunnel.local)} host {endpoint_text(tunnel.remote)}"
    if mode.value.endswith("ipv6"):
        return "permit ipv6 ::/0 ::/0"
    return "permit ip 0.0.0.0/0.0.0.0 0.0.0.0/0.0.0.0"


def _life(sa: IpsecSa | None) -> str:
    if sa is None:
        return "0/0"
    volume = "KB Vol Rekey Disabled" if sa.remaining_kilobytes is None else str(sa.remaining_kilobytes)
    return f"{volume}/{max(0, int(sa.remaining_seconds))}"


def _identity(sas: list[IsakmpSa]) -> str:
    return next((sa.peer_identity for sa in sas if sa.peer_identity), None) or "(none)"


def _phase_1(status: Status, tunnel: CryptoTunnel, detail: bool) -> Iterator[str]:
    sas = _isakmp_sas(status, tunnel)
    for sa in sas:
        up = "Active" if sa.state == "QM_IDLE" and not sa.status.endswith("(deleted)") else "Inactive"
        yield "  Session ID: 0  "
        ends = f"local {address_text(sa.local)}/{sa.local_port} remote {address_text(sa.remote)}/{sa.remote_port}"
        yield f"  IKEv1 SA: {ends} {up} "
        if detail:
            life = "0" if sa.lifetime_remaining is None else age(sa.lifetime_remaining)
            yield f"          Capabilities:{capabilities(sa) or '(none)'} connid:{sa.conn_id} lifetime:{life}"
    if not sas and tunnel.local is not None and tunnel.remote is not None:
        yield "  Session ID: 0  "
        ends = f"local {address_text(tunnel.local)}/500 remote {address_text(tunnel.remote)}/{tunnel.remote_port}"
        yield f"  IKEv1 SA: {ends} Inactive "
        if detail:
            yield "          Capabilities:(none) connid:0 lifetime:0"


def _reasons(tunnel: CryptoTunnel) -> Iterator[str]:
    """Why a tunnel is down, and what it drops: Seikan's own lines, which parsers of IOS output pass over."""
    if not tunnel.protocol_up:
        if tunnel.last_error:
            when = f" at {date(tunnel.last_error_at)}" if tunnel.last_error_at else ""
            word = "state" if tunnel.last_error == NEGOTIATING else "failure"
            yield f"Crypto {word}: {tunnel.last_error}{when}"
        for mismatch in tunnel.mismatches:
            peer = mismatch.remote if mismatch.remote.startswith("refused") else f"offered {mismatch.remote}"
            yield f"Crypto mismatch: {mismatch.attribute}: local {mismatch.local}, peer {peer}"
    for name, count in sorted(tunnel.drops.items()):
        if count:
            yield f"Crypto drop: {name} {count}"


def _session(status: Status, tunnel: CryptoTunnel, detail: bool) -> Iterator[str]:
    yield f"Interface: {tunnel.interface}"
    if detail and tunnel.uptime is not None and tunnel.session.startswith("UP"):
        yield f"Uptime: {age(tunnel.uptime)}"
    yield f"Session status: {tunnel.session}     "
    peer = f"Peer: {endpoint_text(tunnel.remote)} port {tunnel.remote_port} "
    yield f"{peer}fvrf: (none) ivrf: (none)" if detail else peer
    if detail:
        yield f"      Phase1_id: {_identity(_isakmp_sas(status, tunnel))}"
        yield "      Desc: (none)"
    yield from _phase_1(status, tunnel, detail)
    yield f"  IPSEC FLOW: {flow(status, tunnel)} "
    yield f"        Active SAs: {len(tunnel.sas)}, origin: crypto map"
    if detail:
        inbound = next((sa for sa in tunnel.sas if sa.inbound), None)
        outbound = next((sa for sa in tunnel.sas if not sa.inbound), None)
        received, sent = tunnel.packets_decapsulated, tunnel.packets_encapsulated
        lost_in = sum(flow.receive_errors for flow in tunnel.flows)
        lost_out = sum(flow.send_errors for flow in tunnel.flows)
        yield f"        Inbound:  #pkts dec'ed {received} drop {lost_in} life (KB/Sec) {_life(inbound)}"
        yield f"        Outbound: #pkts enc'ed {sent} drop {lost_out} life (KB/Sec) {_life(outbound)}"
        yield from _reasons(tunnel)
    yield ""


def show_session(status: Status, arguments: Arguments) -> Iterator[str]:
    yield "Crypto session current status"
    yield ""
    for tunnel in chosen_tunnels(status, arguments):
        yield from _session(status, tunnel, detail=False)


def show_session_detail(status: Status, arguments: Arguments) -> Iterator[str]:
    yield "Crypto session current status"
    yield ""
    yield from _LEGEND
    yield ""
    for tunnel in chosen_tunnels(status, arguments):
        yield from _session(status, tunnel, detail=True)


def show_session_brief(status: Status, arguments: Arguments) -> Iterator[str]:
    yield "Status: A- Active, U - Up, D - Down, I - Idle, S - Standby, N - Negotiating "
    yield "        K - No IKE"
    yield "ivrf = (none)"
    yield "Peer            I/F          Username        Group/Phase1_id          Uptime   Status"
    for tunnel in chosen_tunnels(status, arguments):
        identity = _identity(_isakmp_sas(status, tunnel))
        uptime = age(tunnel.uptime) if tunnel.uptime is not None else ""
        yield (
            f"{pad(address_text(tunnel.remote), 16)}{pad(short(tunnel.interface), 13)}{'':<16}"
            f"{pad('' if identity == '(none)' else identity, 25)}{pad(uptime, 9)}"
            f"{_STATUS_LETTERS.get(tunnel.session, tunnel.session)}"
        )


def show_engine_connections(status: Status, arguments: Arguments) -> Iterator[str]:
    """The last sequence number received is the plane's secret: `-` stands for it, 0 for directions that have none."""
    yield "Crypto Engine Connections"
    yield ""
    yield "   ID  Type    Algorithm           Encrypt  Decrypt LastSeqN IP-Address"
    if status.crypto is None:
        return
    rows = sorted(
        ((sa.conn_id, sa, tunnel) for tunnel in status.crypto.tunnels for sa in tunnel.sas), key=lambda row: row[0]
    )
    for conn_id, sa, tunnel in rows:
        out, into, last = ("0", str(sa.packets), "-") if sa.inbound else (str(sa.packets), "0", "0")
        yield _connection(
            conn_id, "IPsec", engine_transform(sa.transform), (out, into, last), address_text(tunnel.local)
        )
    for phase_1 in sorted(status.crypto.isakmp_sas, key=lambda row: row.conn_id):
        algorithm = engine_policy(phase_1.policy)
        yield _connection(phase_1.conn_id, "IKE", algorithm, ("0", "0", "0"), address_text(phase_1.local))


def _connection(conn_id: int, kind: str, algorithm: str, numbers: tuple[str, str, str], address: str) -> str:
    encrypt, decrypt, last = numbers
    return f"{conn_id:>5}  {kind:<8}{pad(algorithm, 16)}{encrypt:>11}{decrypt:>9}{last:>9} {address}"


_HELP = {
    "show": "Show running system information",
    "crypto": "Encryption module",
    "session": "Show crypto sessions (tunnels)",
    "detail": "Show all the details, with the reason of a tunnel that is down",
    "brief": "Show one line for each session",
    "remote": "Show sessions of one peer",
    "interface": "Show sessions of one interface",
    "<address>": "IP address of the peer",
    "engine": "Show crypto engine info",
    "connections": "Show crypto engine connections",
    "active": "Show all active crypto engine connections",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show crypto session", _HELP, CRYPTO, show_session),
    ShowCommand("show crypto session detail", _HELP, CRYPTO, show_session_detail),
    ShowCommand("show crypto session brief", _HELP, CRYPTO, show_session_brief),
    ShowCommand("show crypto session remote (<address:ipv4>|<address:ipv6>)", _HELP, CRYPTO, show_session),
    ShowCommand(
        "show crypto session remote (<address:ipv4>|<address:ipv6>) detail", _HELP, CRYPTO, show_session_detail
    ),
    ShowCommand("show crypto session remote (<address:ipv4>|<address:ipv6>) brief", _HELP, CRYPTO, show_session_brief),
    ShowCommand("show crypto session interface <interface:interface>", _HELP, CRYPTO, show_session),
    ShowCommand("show crypto session interface <interface:interface> detail", _HELP, CRYPTO, show_session_detail),
    ShowCommand("show crypto session interface <interface:interface> brief", _HELP, CRYPTO, show_session_brief),
    ShowCommand("show crypto engine connections active", _HELP, CRYPTO, show_engine_connections),
)
