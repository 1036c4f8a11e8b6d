"""Why negotiations failed, for people: what each end has, and the lines that would mend it."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.text import argument, date
from seikan.cli.status import CryptoStatus, CryptoTunnel, Diagnosis, Need, Status
from seikan.config.names import expand

CRYPTO = frozenset({Need.CRYPTO})

# Whom the lines of an advice are for.
_ENDS = {
    "ios": "on this router",
    "ios-peer": "on the peer, if it runs IOS",
    "swanctl-peer": "on the peer, in swanctl.conf",
}
_HEADS = ("attribute", "here", "there")


def diagnosis_lines(found: Diagnosis) -> Iterator[str]:
    """What is wrong, the attributes that differ as a table, and what to paste where."""
    yield f"Crypto diagnosis: {found.text}"
    if found.mismatches:
        rows = [_HEADS, *((row.attribute, row.local, row.remote) for row in found.mismatches)]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        for attribute, here, there in rows:
            yield f"  {attribute:<{widths[0]}}  {here:<{widths[1]}}  {there}"
    for end, lines in found.advice.items():
        if lines:
            yield f"Right would be, {_ENDS.get(end, end)}:"
            yield from (f"  {line}" for line in lines)


def _crypto(status: Status) -> CryptoStatus:
    return status.crypto or CryptoStatus(isakmp_enabled=False, isakmp_sas=(), tunnels=())


def show_diagnose_error(status: Status, arguments: Arguments) -> Iterator[str]:
    """IOS's table of exit paths: what went wrong and how often, the newest first, each with all that is known of it."""
    crypto = _crypto(status)
    errors: dict[tuple[str, str], list[Diagnosis]] = {}
    for found in crypto.diagnoses:
        errors.setdefault((found.peer, found.text), []).append(found)
    yield (
        f"Exit Path Table - status: enable, current entry {len(errors)}, deleted 0, max allow {crypto.kept_diagnoses}"
    )
    for alike in errors.values():
        newest = alike[0]
        yield ""
        yield f"Error({len(alike)}): {newest.text}"
        yield f"  with {newest.peer}, last at {date(newest.at)}"
        yield from (f"  {line}" for line in list(diagnosis_lines(newest))[1:])


# --- one peer ---------------------------------------------------------------------------------------------------------


def _names(tunnel: CryptoTunnel) -> set[str]:
    """By what a person may call a peer: its address, the tunnel to it, or what it says it is."""
    names = (str(tunnel.remote) if tunnel.remote is not None else None, tunnel.interface, tunnel.identity)
    return {_folded(name) for name in names if name}


def _folded(name: str) -> str:
    """`tunnel 0` and `tu0` are Tunnel0."""
    joined = "".join(name.split())
    return (expand(joined) or joined).lower()


def explain(status: Status, arguments: Arguments) -> Iterator[str]:
    """Everything that is known of why a peer is not there, or that it is."""
    peer = str(argument(arguments, "peer") or "").strip()
    crypto = _crypto(status)
    tunnels = [tunnel for tunnel in crypto.tunnels if _folded(peer) in _names(tunnel)]
    strangers = [found for found in crypto.diagnoses if _folded(found.peer) == _folded(peer)]
    for tunnel in tunnels:
        yield from _of_tunnel(tunnel)
    # The same failure over again is told once, whenever it was.
    told = [(row.diagnosis.text, row.diagnosis.mismatches) for row in tunnels if row.diagnosis is not None]
    newest = next((found for found in strangers if (found.text, found.mismatches) not in told), None)
    if newest is not None and not any(tunnel.protocol_up for tunnel in tunnels):
        yield f"{'An earlier' if tunnels else 'Last'} failure at {date(newest.at)}"
        yield from diagnosis_lines(newest)
    elif not tunnels:
        yield f"% Nothing is known of a peer {peer}: type its address, the interface of its tunnel, or its identity"
        known = sorted({str(tunnel.remote) for tunnel in crypto.tunnels if tunnel.remote is not None})
        if known:
            yield f"  Peers: {', '.join(known)}"


def _of_tunnel(tunnel: CryptoTunnel) -> Iterator[str]:
    version = "IKEv2" if tunnel.ikev2_profile is not None else "IKEv1"
    yield f"{tunnel.interface}, {version} with {tunnel.remote or 'a peer that is not known'}: {tunnel.session}"
    if tunnel.protocol_up:
        yield "It carries packets: nothing is wrong with the negotiation."
        return
    if tunnel.last_error:
        when = f" (at {date(tunnel.last_error_at)})" if tunnel.last_error_at else ""
        yield f"Why it is down: {tunnel.last_error}{when}"
    if tunnel.diagnosis is not None:
        yield from diagnosis_lines(tunnel.diagnosis)
        return
    for mismatch in tunnel.mismatches:
        yield f"  {mismatch.attribute}: here {mismatch.local}, there {mismatch.remote}"
    if not tunnel.last_error:
        yield "No negotiation has failed yet: it is under way, or nothing has asked for it."


_HELP = {
    "show": "Show running system information",
    "crypto": "Encryption module",
    "ikev2": "Show IKEv2 details",
    "diagnose": "Show IKEv2 diagnostics",
    "error": "Show why negotiations failed",
    "explain": "Say why a peer is not there, and what would be right",
    "<peer>": "Address of the peer, interface of its tunnel, or its identity",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show crypto ikev2 diagnose error", _HELP, CRYPTO, show_diagnose_error),
    ShowCommand("explain <peer:rest>", _HELP, CRYPTO, explain),
)
