"""Key pairs, certificates and revocation lists: kept beside the configuration, imported, and checked.

Private keys are files of the state directory, which nothing shows. Certificates are lines of the running configuration
(`crypto pki certificate chain`), so that `write memory` keeps them as IOS does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from seikan.cli.answers import yes_or_no
from seikan.cli.requests import GenerateKey, Pki, PkiKind, Reply, ZeroizeKey
from seikan.cli.status import Certificate, KeyPair, PkiStatus
from seikan.config.model import Config
from seikan.config.model_ikev2 import CertificateChain, ChainCertificate, Trustpoint
from seikan.crypto import pki
from seikan.crypto.certificates import CertificateRefused, UnusableFile
from seikan.crypto.pki import Bundle, PkiError
from seikan.crypto.revocation import crl_facts, load_crl
from seikan.crypto.signatures import PrivateKey
from seikan.daemon.settings_ikev2 import certificate_octets, key_labels, trustpoint_key
from seikan.system import http
from seikan.system.errors import AdapterError
from seikan.system.state import StateDirectory, read_limited
from seikan.wire.secret import Secret

if TYPE_CHECKING:
    from seikan.daemon.router import Router
    from seikan.daemon.terminals import Login

KEYS, CRLS = "keys", "crls"
PEM, CRL = ".pem", ".crl"


class PkiStore:
    """Keys and CRLs in memory as the state directory has them."""

    def __init__(self, state: StateDirectory) -> None:
        self._state = state
        self._keys: dict[str, PrivateKey] = {}
        self._crls: dict[str, bytes] = {}

    def load(self) -> list[str]:
        """Read everything; one line for each file that cannot be used."""
        problems = []
        for folder, suffix, take in ((KEYS, PEM, self._take_key), (CRLS, CRL, self._take_crl)):
            try:
                names = self._state.names(folder, suffix)
            except AdapterError as error:
                problems.append(str(error))
                continue
            for name in names:
                try:
                    take(name, self._state.read(folder, name + suffix) or b"")
                except (AdapterError, PkiError, UnusableFile, CertificateRefused) as error:
                    problems.append(f"{self._state.path_of(folder, name + suffix)}: {error}")
        return problems

    def _take_key(self, label: str, data: bytes) -> None:
        self._keys[label] = pki.load_key(data)

    def _take_crl(self, trustpoint: str, data: bytes) -> None:
        crl = load_crl(data)
        crl_facts(crl)
        self._crls[trustpoint] = crl

    @property
    def keys(self) -> Mapping[str, PrivateKey]:
        return self._keys

    def key(self, label: str) -> PrivateKey | None:
        return self._keys.get(label)

    def add_key(self, label: str, key: PrivateKey) -> None:
        """Raises `AdapterError`, and then nothing has changed."""
        self._state.write(pki.key_pem(key), KEYS, label + PEM)
        self._keys[label] = key

    def remove_key(self, label: str) -> None:
        self._state.remove(KEYS, label + PEM)
        self._keys.pop(label, None)

    def crls(self, trustpoint: str) -> tuple[bytes, ...]:
        held = self._crls.get(trustpoint)
        return () if held is None else (held,)

    def add_crl(self, trustpoint: str, crl: bytes) -> None:
        self._state.write(crl, CRLS, trustpoint + CRL)
        self._crls[trustpoint] = crl

    def certificate_file(self, name: str) -> bytes | None:
        """`nvram:NAME.cer` of a chain; None where it is not there or is no certificate."""
        try:
            data = read_limited(self._state.file(name))
            return None if data is None else pki.certificate_der(data)
        except (AdapterError, PkiError):
            return None

    def file(self, name: str) -> bytes:
        """A file that a user names. Raises `AdapterError`."""
        path = self._state.file(name)
        data = read_limited(path)
        if data is None:
            raise AdapterError(f"Error opening {name}: there is no file {path}")
        return data


def pki_status(router: Router) -> PkiStatus:
    """What may be shown of all this."""
    config, held = router.running, router.held
    certificates = tuple(
        _certificate(chain.trustpoint, certificate, certificate_octets(certificate, held))
        for chain in config.pki.chains.values()
        for certificate in chain.certificates
    )
    described = {label: pki.describe_key(key) for label, key in router.pki.keys.items()}
    keyed = {}
    for name in config.pki.trustpoints:
        label = next((label for label in key_labels(config, name) if label in described), None)
        if label is not None:
            keyed[name] = label
    crls = {name: crl_facts(held.crls(name)[0]).next_update for name in config.pki.trustpoints if held.crls(name)}
    pairs = tuple(KeyPair(label, one.kind, one.bits, one.public) for label, one in described.items())
    return PkiStatus(certificates, pairs, keyed, crls)


def _certificate(trustpoint: str, certificate: ChainCertificate, der: bytes | None) -> Certificate:
    storage = certificate.file or "the running configuration"
    bare = Certificate(trustpoint, certificate.kind, certificate.serial, storage)
    if der is None:
        return replace(bare, problem=f"there is no certificate in {storage}")
    try:
        found = pki.describe_certificate(der)
    except PkiError as error:
        return replace(bare, problem=str(error))
    return replace(
        bare,
        serial=found.serial,
        issuer=found.issuer,
        subject=found.subject,
        not_before=found.not_before,
        not_after=found.not_after,
        usage=found.usage,
        alternative_names=found.alternative_names,
        crl_points=found.crl_points,
        ocsp=found.ocsp,
        key=found.key,
        signature=found.signature,
        md5=found.md5,
        sha1=found.sha1,
        sha256=found.sha256,
    )


# --- the commands -----------------------------------------------------------------------------------------------------


async def generate_key(router: Router, request: GenerateKey) -> list[str]:
    """`crypto key generate`."""
    label = request.label or router.running.full_name
    if router.pki.key(label) is not None:
        remove = f"crypto key zeroize {request.kind} {label}"
        return [f"% There are keys labelled {label} already: give another label, or remove them ({remove})"]
    began = time.monotonic()
    key = await asyncio.to_thread(pki.generate, request.kind, request.bits)
    router.pki.add_key(label, key)
    router.settings_changed()
    took = round(time.monotonic() - began)
    return [
        f"The name for the keys will be: {label}",
        "",
        f"% The key modulus size is {request.bits} bits",
        f"% Generating {request.bits} bit {request.kind.upper()} keys, keys will be non-exportable...",
        f"[OK] (elapsed time was {took} seconds)",
        "",
    ]


def zeroize_key(router: Router, request: ZeroizeKey) -> list[str]:
    kind = {"rsa": ("RSA",), "ec": ("EC", "Ed25519")}[request.kind]
    labels = [label for label, key in router.pki.keys.items() if pki.describe_key(key).kind in kind]
    if request.label is not None:
        labels = [label for label in labels if label == request.label]
    if not labels:
        return [f"% No {request.kind.upper()} keys labelled {request.label or 'anything'} are there"]
    for label in labels:
        router.pki.remove_key(label)
    router.settings_changed()
    return []


async def trustpoint_command(router: Router, request: Pki, login: Login | None) -> list[str]:
    """`crypto pki …`; what is wrong is one line beginning with %."""
    try:
        match request.kind:
            case PkiKind.PKCS12 | PkiKind.PEM:
                return await _import_bundle(router, request)
            case PkiKind.AUTHENTICATE:
                return await _authenticate(router, request, login)
            case PkiKind.CERTIFICATE:
                return await _import_certificate(router, request)
            case PkiKind.ENROLL:
                return _enroll(router, request)
            case PkiKind.CRL:
                router.pki.add_crl(request.trustpoint, load_crl(router.pki.file(request.file or "")))
                router.settings_changed()
                return ["% CRL successfully imported"]
            case PkiKind.CRL_REQUEST:
                return await _request_crl(router, request)
    except (PkiError, UnusableFile, CertificateRefused, AdapterError) as error:
        return [f"% {error}"]


async def _import_bundle(router: Router, request: Pki) -> list[str]:
    """A private key with its certificate and the authorities'; the trustpoint is made where there is none."""
    name = request.trustpoint
    data = bytes(request.text) if request.file is None else router.pki.file(request.file)
    if request.kind is PkiKind.PKCS12:
        bundle = await asyncio.to_thread(pki.open_pkcs12, data, request.password or Secret(b""))
    else:
        bundle = await asyncio.to_thread(pki.open_pem, data, request.password)
    if bundle.key is None or bundle.certificate is None:
        raise PkiError("there is no private key in it: an authority alone is imported by crypto pki authenticate")
    trustpoint = router.running.pki.trustpoints.get(name)
    label = name if trustpoint is None or trustpoint.key_pair is None else trustpoint.key_pair
    before = router.pki.key(label)
    if before is not None and before != bundle.key:
        raise PkiError(f"there are other keys labelled {label}: remove them first (crypto key zeroize rsa|ec {label})")
    router.pki.add_key(label, bundle.key)
    made = trustpoint or Trustpoint(name, enrollment=request.kind.value, key_pair=label)
    refused = await _change(router, made, _chain(name, bundle))
    if refused:
        if before is None:
            router.pki.remove_key(label)
        return refused
    router.settings_changed()
    word = "PKCS12" if request.kind is PkiKind.PKCS12 else "PEM"
    return [f"CRYPTO_PKI: Imported {word} file successfully."]


def _chain(name: str, bundle: Bundle) -> CertificateChain:
    own = () if bundle.certificate is None else (_chained(bundle.certificate, ""),)
    return CertificateChain(name, (*own, *(_chained(der, "ca") for der in bundle.authorities)))


def _chained(der: bytes, kind: str) -> ChainCertificate:
    return ChainCertificate(pki.describe_certificate(der).serial, kind, der)


async def _change(router: Router, trustpoint: Trustpoint, chain: CertificateChain) -> list[str]:
    """Put both into the running configuration, as if they had been typed."""
    running, revision = router.running, router.revision
    held = replace(
        running.pki,
        trustpoints={**running.pki.trustpoints, trustpoint.name: trustpoint},
        chains={**running.pki.chains, chain.trustpoint: chain},
    )
    refused = await router.change(replace(running, pki=held), revision, by="console")
    return [f"% {line}" for line in refused]


def _trustpoint(config: Config, name: str) -> Trustpoint:
    found = config.pki.trustpoints.get(name)
    if found is None:
        raise PkiError(f"there is no trustpoint {name}: type crypto pki trustpoint {name} and enrollment terminal")
    return found


async def _authenticate(router: Router, request: Pki, login: Login | None) -> list[str]:
    """Take the authority's certificate once a person has compared its fingerprint."""
    trustpoint = _trustpoint(router.running, request.trustpoint)
    der = pki.certificate_der(bytes(request.text))
    shown = pki.describe_certificate(der)
    if not request.accepted:
        lines = [
            "Certificate has the following attributes:",
            f"       Fingerprint MD5: {shown.md5} ",
            f"      Fingerprint SHA1: {shown.sha1} ",
            f"    Fingerprint SHA256: {shown.sha256} ",
            "",
        ]
        if not shown.authority and not shown.self_issued:
            lines.insert(0, "% Warning: this is no certificate of an authority; it can only prove itself")
        if login is None:
            return [*lines, "% Nobody is there to accept it: log in with `seikan cli`"]
        rejected = Reply(("% Certificate was not accepted; nothing was imported",), failed=True)
        question = "% Do you accept this certificate? [yes/no]: "
        login.session.ask(yes_or_no(question, replace(request, accepted=True), rejected))
        return lines
    held = router.running.pki.chains.get(request.trustpoint, CertificateChain(request.trustpoint))
    others = tuple(one for one in held.certificates if one.der != der)
    chain = replace(held, certificates=(*others, _chained(der, "ca")))
    refused = await _change(router, trustpoint, chain)
    return refused or ["Trustpoint CA certificate accepted.", "% Certificate successfully imported", ""]


async def _import_certificate(router: Router, request: Pki) -> list[str]:
    """The router's own, as the authority made it from the request."""
    trustpoint = _trustpoint(router.running, request.trustpoint)
    der = pki.certificate_der(bytes(request.text))
    key = trustpoint_key(router.running, request.trustpoint, router.held)
    if key is None:
        raise PkiError(f"trustpoint {request.trustpoint} has no keys: {_generate(router.running, trustpoint)}")
    if not pki.belongs_to(der, key):
        raise PkiError("the certificate is not that of the trustpoint's keys: it was made from another request")
    held = router.running.pki.chains.get(request.trustpoint, CertificateChain(request.trustpoint))
    others = tuple(one for one in held.certificates if one.kind == "ca")
    refused = await _change(router, trustpoint, replace(held, certificates=(_chained(der, ""), *others)))
    return refused or ["% Router Certificate successfully imported", ""]


def _generate(config: Config, trustpoint: Trustpoint) -> str:
    label = key_labels(config, trustpoint.name)[0]
    if trustpoint.key_pair_kind == "eckeypair":
        return f"type crypto key generate ec keysize 256 label {label}"
    return f"type crypto key generate rsa label {label} modulus 2048"


def _enroll(router: Router, request: Pki) -> list[str]:
    """Print a certification request; for other ways of enrolment than by hand there is no protocol here."""
    config = router.running
    trustpoint = _trustpoint(config, request.trustpoint)
    if trustpoint.enrollment not in (None, "terminal", "terminal pem"):
        raise PkiError(f"enrollment {trustpoint.enrollment} cannot be done: type enrollment terminal pem")
    key = trustpoint_key(config, request.trustpoint, router.held)
    if key is None:
        raise PkiError(f"trustpoint {request.trustpoint} has no keys: {_generate(config, trustpoint)}")
    name = None if trustpoint.fqdn == "none" else trustpoint.fqdn or config.full_name
    subject = trustpoint.subject_name or f"CN={config.full_name}"
    text = pki.certificate_request(key, subject, _names(trustpoint, name), _addresses(router, trustpoint))
    return [
        "% Start certificate enrollment ..",
        "",
        f"% The subject name in the certificate will include: {subject}",
        f"% The alternative names: {', '.join(_names(trustpoint, name)) or 'none'}",
        "Certificate Request follows:",
        "",
        *text.splitlines(),
        "",
        "---End - This line not part of the certificate request---",
        "",
    ]


def _names(trustpoint: Trustpoint, fqdn: str | None) -> list[str]:
    return [name for name in dict.fromkeys((trustpoint.subject_alt_name, fqdn)) if name and "." in name]


def _addresses(router: Router, trustpoint: Trustpoint) -> Iterable[IPv4Address | IPv6Address]:
    if trustpoint.ip_address in (None, "none"):
        return ()
    try:
        return (ip_address(str(trustpoint.ip_address)),)
    except ValueError:
        return router.addresses_of(str(trustpoint.ip_address))


async def _request_crl(router: Router, request: Pki) -> list[str]:
    """Fetch the CRL that the trustpoint's certificates point to."""
    _trustpoint(router.running, request.trustpoint)
    chain = router.running.pki.chains.get(request.trustpoint, CertificateChain(request.trustpoint))
    points = [
        point
        for certificate in chain.certificates
        if (der := certificate_octets(certificate, router.held)) is not None
        for point in pki.describe_certificate(der).crl_points
    ]
    for point in dict.fromkeys(points):
        if point.startswith("http://"):
            router.pki.add_crl(request.trustpoint, load_crl(await http.fetch(point)))
            router.settings_changed()
            return [f"CRL fetched from {point}"]
    raise PkiError(f"no certificate of trustpoint {request.trustpoint} names a CRL that can be fetched (http://)")
