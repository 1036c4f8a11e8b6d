"""show crypto call admission statistics: how many peers were let in, and why others were not."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.ipsec_sa import CRYPTO
from seikan.cli.status import Admission, CryptoStatus, Status

_RULE = "-" * 69


def _present(status: Status, crypto: CryptoStatus | None) -> Admission:
    """What the engine tells; where it does not run, the limits of the configuration."""
    if crypto is not None and crypto.admission is not None:
        return crypto.admission
    isakmp = status.running.isakmp
    return Admission(isakmp.max_sas or 0, isakmp.max_negotiating or 0, 0, 0)


def show_statistics(status: Status, arguments: Arguments) -> Iterator[str]:
    crypto = status.crypto
    row = _present(status, crypto)
    refused = row.refused_sas + row.refused_negotiating + row.refused_half_open
    incoming, outgoing = row.incoming_accepted + refused, row.outgoing_accepted + row.outgoing_refused
    pairs = {sa.spi for tunnel in (crypto.tunnels if crypto is not None else ()) for sa in tunnel.sas if sa.inbound}
    yield _RULE
    yield "               Crypto Call Admission Control Statistics"
    yield _RULE
    yield (f"System Resource Limit:        0 Max IKE SAs: {row.max_sas:>5} Max in nego: {row.max_negotiating:>5}")
    total = row.sas + row.negotiating
    yield f"Total IKE SA Count:    {total:>8} active:   {row.sas:>8} negotiating: {row.negotiating:>5}"
    yield f"Incoming IKE Requests: {incoming:>8} accepted: {row.incoming_accepted:>8} rejected: {refused:>8}"
    yield (
        f"Outgoing IKE Requests: {outgoing:>8} accepted: {row.outgoing_accepted:>8} rejected: {row.outgoing_refused:>8}"
    )
    yield f"Rejected IKE Requests: {refused:>8} rsrc low:        0 Active SA limit: {row.refused_sas}"
    yield f"{'':<51}In-neg SA limit: {row.refused_negotiating}"
    yield f"{'':<51}Source limit: {row.refused_half_open}"
    yield f"IKE packets dropped at dispatch: {row.dropped:>8}"
    yield ""
    yield "Max IPSEC SAs:     0"
    yield f"Total IPSEC SA Count: {len(pairs):>11} active:   {len(pairs):>8} negotiating:     0"
    if row.quick_modes is not None:
        for name, accepted, rejected in (
            ("Incoming", *row.quick_modes[:2]),
            ("Outgoing", *row.quick_modes[2:]),
        ):
            asked = accepted + rejected
            yield f"{name} IPSEC Requests: {asked:>8} accepted: {accepted:>8} rejected: {rejected:>8}"
    yield "SA Strength Enforcement Rejects:  incoming:        0 outgoing:        0"
    yield ""
    yield "Phase1.5 SAs under negotiation:         0"


_HELP = {
    "show": "Show running system information",
    "crypto": "Encryption module",
    "call": "Show crypto call admission info",
    "admission": "Show crypto call admission info",
    "statistics": "Show crypto call admission statistics",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show crypto call admission statistics", _HELP, CRYPTO, show_statistics),
)
