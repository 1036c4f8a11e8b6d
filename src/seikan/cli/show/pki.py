"""show crypto pki … and show crypto key mypubkey: trustpoints, their certificates, and the public halves of keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.text import argument, date
from seikan.cli.status import Certificate, Need, PkiStatus, Status

PKI = frozenset({Need.PKI})

_HEADINGS = {"": "Certificate", "ca": "CA Certificate", "self-signed": "Router Self-Signed Certificate"}
_IN_LINE = 4  # groups of eight digits of a public key


def _pki(status: Status) -> PkiStatus:
    return status.pki or PkiStatus((), (), {}, {})


def _state(certificate: Certificate, now: datetime) -> str:
    if certificate.not_after is not None and certificate.not_after < now:
        return "Expired"
    return "Not yet valid: check the clock" if certificate.not_before and certificate.not_before > now else "Available"


def _certificate(status: Status, certificate: Certificate, verbose: bool) -> Iterator[str]:
    yield _HEADINGS.get(certificate.kind, "Certificate")
    if certificate.problem is not None:
        yield f"  Status: cannot be used: {certificate.problem}"
        yield f"  Certificate Serial Number (hex): {certificate.serial}"
    else:
        yield f"  Status: {_state(certificate, status.now)}"
        yield f"  Certificate Serial Number (hex): {certificate.serial}"
        yield f"  Certificate Usage: {certificate.usage}"
        yield "  Issuer: "
        yield from (f"    {attribute}" for attribute in certificate.issuer)
        yield "  Subject:"
        if certificate.kind != "ca":
            yield f"    Name: {_common_name(certificate)}"
        yield from (f"    {attribute}" for attribute in certificate.subject)
        if certificate.crl_points:
            yield "  CRL Distribution Points: "
            yield from (f"    {point}" for point in certificate.crl_points)
        yield "  Validity Date: "
        yield f"    start date: {date(certificate.not_before) if certificate.not_before else 'unknown'}"
        yield f"    end   date: {date(certificate.not_after) if certificate.not_after else 'unknown'}"
        if verbose:
            yield from _verbose(certificate)
    yield f"  Associated Trustpoints: {certificate.trustpoint} "
    yield f"  Storage: {certificate.storage}"
    yield ""


def _verbose(certificate: Certificate) -> Iterator[str]:
    yield "  Subject Key Info:"
    yield f"    Public Key Algorithm: {certificate.key}"
    yield f"  Signature Algorithm: {certificate.signature}"
    yield f"  Fingerprint MD5: {certificate.md5} "
    yield f"  Fingerprint SHA1: {certificate.sha1} "
    yield f"  Fingerprint SHA256: {certificate.sha256} "
    if certificate.alternative_names:
        yield "  X509v3 Subject Alternative Name:"
        yield from (f"    {name}" for name in certificate.alternative_names)
    if certificate.ocsp:
        yield f"  OCSP URL: {' '.join(certificate.ocsp)}"


def _common_name(certificate: Certificate) -> str:
    named = [name.removeprefix("cn=") for name in certificate.subject if name.startswith("cn=")]
    return next(iter((*certificate.alternative_names, *named)), "none")


def show_certificates(status: Status, arguments: Arguments) -> Iterator[str]:
    wanted = argument(arguments, "name")
    if wanted is not None and str(wanted) not in status.running.pki.trustpoints:
        yield f"% There is no trustpoint {wanted}"
        return
    for certificate in _pki(status).certificates:
        if wanted in (None, certificate.trustpoint):
            yield from _certificate(status, certificate, "verbose" in arguments)


def _of(status: Status, name: str, authority: bool) -> Certificate | None:
    found = (row for row in _pki(status).certificates if row.trustpoint == name and row.problem is None)
    return next((row for row in found if (row.kind == "ca") is authority), None)


def show_trustpoints(status: Status, arguments: Arguments) -> Iterator[str]:
    for name, trustpoint in status.running.pki.trustpoints.items():
        yield f"Trustpoint {name}:"
        authority = _of(status, name, True)
        if authority is not None:
            yield "    Subject Name: "
            yield from (f"    {attribute}" for attribute in authority.subject)
            yield f"          Serial Number (hex): {authority.serial}"
            yield "    Certificate configured."
        if trustpoint.enrollment is not None:
            yield f"    Enrollment: {trustpoint.enrollment}"
        yield f"    Revocation check: {' '.join(trustpoint.revocation)}"
        crls = _pki(status).crls
        if name in crls:
            due = crls[name]
            yield f"    CRL imported, next update: {date(due) if due else 'unknown'}"
        yield ""


def show_trustpoint_status(status: Status, arguments: Arguments) -> Iterator[str]:
    for name in status.running.pki.trustpoints:
        yield f"Trustpoint {name}:"
        for authority, title in ((True, "Issuing CA"), (False, "Router General Purpose")):
            certificate = _of(status, name, authority)
            if certificate is not None:
                yield f"  {title} certificate configured:"
                yield "    Subject Name:"
                yield f"     {','.join(certificate.subject)}"
                yield f"    Fingerprint MD5: {certificate.md5} "
                yield f"    Fingerprint SHA1: {certificate.sha1} "
        yield "  State:"
        keyed = name in _pki(status).keyed
        yield f"    Keys generated ............. {'Yes (General Purpose, non-exportable)' if keyed else 'No'}"
        yield f"    Issuing CA authenticated ....... {'Yes' if _of(status, name, True) else 'No'}"
        yield f"    Certificate request(s) ..... {'Yes' if _of(status, name, False) else 'None'}"
        yield ""


def show_keys(status: Status, arguments: Arguments) -> Iterator[str]:
    """The public halves: nothing shows the others."""
    pki = _pki(status)
    kinds = {"rsa": ("RSA",), "ec": ("EC", "Ed25519")}
    wanted = next((kinds[word] for word in kinds if word in arguments), None)
    for pair in pki.key_pairs:
        if wanted is not None and pair.kind not in wanted:
            continue
        yield f"Key name: {pair.label}"
        yield f"Key type: {pair.kind.upper()} KEYS"
        used = [name for name, label in pki.keyed.items() if label == pair.label]
        yield f" Storage Device: private-config, used by: {' '.join(used) or 'no trustpoint'}"
        yield " Usage: General Purpose Key"
        yield f" Key is not exportable. Key size: {pair.bits} bits"
        yield " Key Data:"
        digits = pair.public.hex().upper()
        groups = [digits[start : start + 8] for start in range(0, len(digits), 8)]
        for start in range(0, len(groups), _IN_LINE):
            yield f"  {' '.join(groups[start : start + _IN_LINE])} "
        yield ""


_HELP = {
    "show": "Show running system information",
    "crypto": "Encryption module",
    "pki": "Show PKI",
    "certificates": "Show certificates",
    "verbose": "With keys, fingerprints and alternative names",
    "<name>": "Name of a trustpoint",
    "trustpoints": "Show trustpoints",
    "status": "Show what each trustpoint has",
    "key": "Show long term public keys",
    "mypubkey": "Show public keys of this router",
    "all": "All keys",
    "rsa": "RSA keys",
    "ec": "Elliptic curve keys",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show crypto pki certificates [verbose] [<name:word>]", _HELP, PKI, show_certificates),
    ShowCommand("show crypto pki trustpoints", _HELP, PKI, show_trustpoints),
    ShowCommand("show crypto pki trustpoints status", _HELP, PKI, show_trustpoint_status),
    ShowCommand("show crypto key mypubkey (all|rsa|ec)", _HELP, PKI, show_keys),
)
