"""show crypto session, and show crypto engine connections active: one view over both phases of each tunnel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from seikan.cli.show.algorithms import engine_policy, engine_suite, engine_transform
from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.diagnosis import diagnosis_lines
from seikan.cli.show.flows import chosen_tunnels, distinct, flows_of, session_words
from seikan.cli.show.ipsec_sa import CRYPTO
from seikan.cli.show.isakmp import capabilities
from seikan.cli.show.text import address_text, age, date, endpoint_text, pad
from seikan.cli.status import NEGOTIATING, CryptoFlow, CryptoTunnel, Ikev2Sa, IpsecSa, IsakmpSa, Status
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


# The states of a session from the best; one session may have several entries of a crypto map, each with its own.
_BEST = tuple(_STATUS_LETTERS)


@dataclass(frozen=True, slots=True)
class _Session:
    """What goes on with one peer: IOS shows the entries of a map, and the tunnels that share their SAs, as one."""

    tunnels: tuple[CryptoTunnel, ...]

    @property
    def first(self) -> CryptoTunnel:
        return self.tunnels[0]

    @property
    def interfaces(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(tunnel.interface for tunnel in self.tunnels))

    @property
    def flows(self) -> tuple[CryptoFlow, ...]:
        return distinct(flow for tunnel in self.tunnels for flow in flows_of(tunnel))

    @property
    def state(self) -> str:
        states = [tunnel.session for tunnel in self.tunnels]
        return next((state for state in _BEST if state in states), states[0])

    @property
    def uptime(self) -> float | None:
        return max((tunnel.uptime for tunnel in self.tunnels if tunnel.uptime is not None), default=None)

    @property
    def profile(self) -> str | None:
        names = (tunnel.ikev2_profile or tunnel.isakmp_profile for tunnel in self.tunnels)
        return next((name for name in names if name), None)

    @property
    def ikev2(self) -> bool:
        return any(tunnel.ikev2_profile is not None for tunnel in self.tunnels)


def _sessions(status: Status, arguments: Arguments) -> list[_Session]:
    found: dict[tuple[object, ...], list[CryptoTunnel]] = {}
    for place, tunnel in enumerate(chosen_tunnels(status, arguments)):
        key: tuple[object, ...] = (place,)
        if tunnel.mode != "ipsec":
            key = tunnel.crypto_map_tag, tunnel.local, tunnel.remote, tunnel.remote_port
        found.setdefault(key, []).append(tunnel)
    return [_Session(tuple(tunnels)) for tunnels in found.values()]


def _ike_sas(status: Status, session: _Session) -> list[IsakmpSa | Ikev2Sa]:
    """Those between its ends, and those of its tunnel by name, which may have one to where it was before."""

    def belongs(sa: IsakmpSa | Ikev2Sa, tunnel: CryptoTunnel) -> bool:
        ends = (sa.local, sa.remote, sa.remote_port) == (tunnel.local, tunnel.remote, tunnel.remote_port)
        return ends or (tunnel.mode != "map" and sa.tunnel == tunnel.interface)

    if status.crypto is None:
        return []
    sas: tuple[IsakmpSa | Ikev2Sa, ...] = status.crypto.ikev2_sas if session.ikev2 else status.crypto.isakmp_sas
    return [sa for sa in sas if any(belongs(sa, tunnel) for tunnel in session.tunnels)]


def _life(sa: IpsecSa | None) -> str:
    if sa is None:
        return "0/0"
    volume = "KB Vol Rekey Disabled" if sa.remaining_kilobytes is None else str(sa.remaining_kilobytes)
    return f"{volume}/{max(0, int(sa.remaining_seconds))}"


def _identity(status: Status, session: _Session) -> str:
    told = [tunnel.identity for tunnel in session.tunnels]
    told += [sa.peer_identity for sa in _ike_sas(status, session)]
    return next((identity for identity in told if identity), "(none)")


@dataclass(frozen=True, slots=True)
class _Line:
    """What both versions of IKE tell of an SA here."""

    session_id: int
    active: bool
    capabilities: str
    conn_id: int
    remaining: float | None


def _line(sa: IsakmpSa | Ikev2Sa) -> _Line:
    if isinstance(sa, IsakmpSa):
        active = sa.state == "QM_IDLE" and not sa.status.endswith("(deleted)")
        return _Line(0, active, capabilities(sa), sa.conn_id, sa.lifetime_remaining)
    present = (("D", sa.dpd > 0), ("N", sa.nat_local or sa.nat_remote), ("F", sa.fragmentation))
    letters = "".join(letter for letter, holds in present if holds)
    return _Line(sa.tunnel_id, sa.state == "READY", letters, sa.tunnel_id, sa.expires)


def _phase_1(status: Status, session: _Session, detail: bool) -> Iterator[str]:
    sas, tunnel = _ike_sas(status, session), session.first
    version = 2 if session.ikev2 else 1
    for sa in sas:
        line = _line(sa)
        yield f"  Session ID: {line.session_id}  "
        ends = f"local {address_text(sa.local)}/{sa.local_port} remote {address_text(sa.remote)}/{sa.remote_port}"
        yield f"  IKEv{version} SA: {ends} {'Active' if line.active else 'Inactive'} "
        if detail:
            life = "0" if line.remaining is None else age(line.remaining)
            yield f"          Capabilities:{line.capabilities or '(none)'} connid:{line.conn_id} lifetime:{life}"
    if not sas and tunnel.local is not None and tunnel.remote is not None:
        yield "  Session ID: 0  "
        port = 500 if tunnel.remote_port == 500 else 4500  # a peer behind NAT comes to 4500 from any port
        ends = f"local {address_text(tunnel.local)}/{port} remote {address_text(tunnel.remote)}/{tunnel.remote_port}"
        yield f"  IKEv{version} SA: {ends} Inactive "
        if detail:
            yield "          Capabilities:(none) connid:0 lifetime:0"


def _reasons(status: Status, session: _Session) -> Iterator[str]:
    """Why a tunnel is down, and what it drops: Seikan's own lines, which parsers of IOS output pass over."""
    told = dict.fromkeys(tuple(_failure(tunnel)) for tunnel in session.tunnels if not tunnel.protocol_up)
    for lines in told:
        yield from lines
    drops: dict[str, int] = {}
    for flow in session.flows:
        for name, count in flow.drops.items():
            drops[name] = drops.get(name, 0) + count
    for name, count in sorted(drops.items()):
        if count:
            yield f"Crypto drop: {name} {count}"
    if session.first.mode == "map" and status.crypto is not None:
        for interface in session.interfaces:
            count = status.crypto.not_ipsec.get(interface, 0)
            if count:
                yield f"Crypto drop: not-ipsec {count} (came in clear to {interface}, all its peers)"


def _failure(tunnel: CryptoTunnel) -> Iterator[str]:
    if tunnel.last_error:
        when = f" at {date(tunnel.last_error_at)}" if tunnel.last_error_at else ""
        word = "state" if tunnel.last_error == NEGOTIATING else "failure"
        yield f"Crypto {word}: {tunnel.last_error}{when}"
    if tunnel.diagnosis is not None:
        yield from diagnosis_lines(tunnel.diagnosis)
        return
    for mismatch in tunnel.mismatches:
        peer = mismatch.remote if mismatch.remote.startswith("refused") else f"offered {mismatch.remote}"
        yield f"Crypto mismatch: {mismatch.attribute}: local {mismatch.local}, peer {peer}"


def _flow_lines(flow: CryptoFlow, detail: bool) -> Iterator[str]:
    yield f"  IPSEC FLOW: {session_words(flow.selector)} "
    yield f"        Active SAs: {len(flow.sas)}, origin: {'dynamic ' if flow.dynamic else ''}crypto map"
    if detail:
        inbound = next((sa for sa in flow.sas if sa.inbound), None)
        outbound = next((sa for sa in flow.sas if not sa.inbound), None)
        received, sent = flow.packets_decapsulated, flow.packets_encapsulated
        yield f"        Inbound:  #pkts dec'ed {received} drop {flow.receive_errors} life (KB/Sec) {_life(inbound)}"
        yield f"        Outbound: #pkts enc'ed {sent} drop {flow.send_errors} life (KB/Sec) {_life(outbound)}"


def _session(status: Status, session: _Session, detail: bool) -> Iterator[str]:
    tunnel, state = session.first, session.state
    yield f"Interface: {' '.join(session.interfaces)}"
    if session.profile is not None:
        yield f"Profile: {session.profile}"
    if detail and session.uptime is not None and state.startswith("UP"):
        yield f"Uptime: {age(session.uptime)}"
    yield f"Session status: {state}     "
    peer = f"Peer: {endpoint_text(tunnel.remote)} port {tunnel.remote_port} "
    yield f"{peer}fvrf: (none) ivrf: (none)" if detail else peer
    if detail:
        yield f"      Phase1_id: {_identity(status, session)}"
        yield "      Desc: (none)"
    yield from _phase_1(status, session, detail)
    for flow in session.flows:
        yield from _flow_lines(flow, detail)
    if detail:
        yield from _reasons(status, session)
    yield ""


def show_session(status: Status, arguments: Arguments) -> Iterator[str]:
    if "brief" in arguments:
        yield from _brief(status, arguments)
        return
    detail = "detail" in arguments
    yield "Crypto session current status"
    yield ""
    if detail:
        yield from _LEGEND
        yield ""
    for session in _sessions(status, arguments):
        yield from _session(status, session, detail)


def _brief(status: Status, arguments: Arguments) -> Iterator[str]:
    yield "Status: A- Active, U - Up, D - Down, I - Idle, S - Standby, N - Negotiating "
    yield "        K - No IKE"
    yield "ivrf = (none)"
    yield "Peer            I/F          Username        Group/Phase1_id          Uptime   Status"
    for session in _sessions(status, arguments):
        identity = _identity(status, session)
        uptime = age(session.uptime) if session.uptime is not None else ""
        interfaces = ",".join(short(name) for name in session.interfaces)
        yield (
            f"{pad(address_text(session.first.remote), 16)}{pad(interfaces, 13)}{'':<16}"
            f"{pad('' if identity == '(none)' else identity, 25)}{pad(uptime, 9)}"
            f"{_STATUS_LETTERS.get(session.state, session.state)}"
        )


def show_groups(status: Status, arguments: Arguments) -> Iterator[str]:
    """Groups are of remote access: there is never one."""
    yield "Group: Connections"


def show_engine_connections(status: Status, arguments: Arguments) -> Iterator[str]:
    """The last sequence number received is the plane's secret: `-` stands for it, 0 for directions that have none."""
    yield "Crypto Engine Connections"
    yield ""
    yield "   ID  Type    Algorithm           Encrypt  Decrypt LastSeqN IP-Address"
    if status.crypto is None:
        return
    # tunnels that share their SAs have them all
    rows = {(sa.conn_id, sa.inbound, sa.spi): (sa, tunnel) for tunnel in status.crypto.tunnels for sa in tunnel.sas}
    for (conn_id, _, _), (sa, tunnel) in sorted(rows.items(), key=lambda row: row[0]):
        out, into, last = ("0", str(sa.packets), "-") if sa.inbound else (str(sa.packets), "0", "0")
        yield _connection(
            conn_id, "IPsec", engine_transform(sa.transform), (out, into, last), address_text(tunnel.local)
        )
    for phase_1 in sorted(status.crypto.isakmp_sas, key=lambda row: row.conn_id):
        algorithm = engine_policy(phase_1.policy)
        yield _connection(phase_1.conn_id, "IKE", algorithm, ("0", "0", "0"), address_text(phase_1.local))
    for held in sorted(status.crypto.ikev2_sas, key=lambda row: row.tunnel_id):
        algorithm = engine_suite(held.encryption, held.prf)
        yield _connection(held.tunnel_id, "IKEv2", algorithm, ("0", "0", "0"), address_text(held.local))


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
    "local": "Show sessions of one local address",
    "port": "Show sessions of one port of the peer",
    "interface": "Show sessions of one interface",
    "isakmp": "Show sessions of an ISAKMP profile or group",
    "profile": "Show sessions of one ISAKMP profile",
    "group": "Show sessions of one ISAKMP group",
    "groups": "Show the ISAKMP groups in use",
    "username": "Show sessions of one user",
    "<address>": "IP address of the peer",
    "<local>": "IP address of this router",
    "<port>": "Port of the peer",
    "<profile>": "Name of the ISAKMP profile",
    "<group>": "Name of the group",
    "<username>": "Name of the user",
    "engine": "Show crypto engine info",
    "connections": "Show crypto engine connections",
    "active": "Show all active crypto engine connections",
}

_PEER = "(<address:ipv4>|<address:ipv6>) [port <port:number(1-65535)>]"
_CHOICES = (
    "",
    f"remote {_PEER} ",
    f"local (<local:ipv4>|<local:ipv6>) [remote {_PEER}] ",
    "interface <interface:interface> ",
    "isakmp profile <profile:word> ",
    "isakmp group <group:word> ",
    "username <username:word> ",
)

COMMANDS: tuple[ShowCommand, ...] = (
    *(ShowCommand(f"show crypto session {choice}[brief|detail]", _HELP, CRYPTO, show_session) for choice in _CHOICES),
    ShowCommand("show crypto session groups", _HELP, frozenset(), show_groups),
    ShowCommand("show crypto engine connections active", _HELP, CRYPTO, show_engine_connections),
)
