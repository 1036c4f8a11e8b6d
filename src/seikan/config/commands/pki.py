"""`crypto pki` (`crypto ca` is the same): trustpoints, certificates, certificate maps, and keys."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from dataclasses import replace
from types import MappingProxyType
from typing import Any, cast

from seikan.config.grammar import Command, Match
from seikan.config.handlers import (
    ConfigError,
    Keeping,
    Section,
    Setting,
    Stored,
    named,
    refused,
    setting,
    with_item,
    without_item,
)
from seikan.config.model import Config
from seikan.config.model_ikev2 import (
    CertificateChain,
    CertificateCriterion,
    CertificateMap,
    ChainCertificate,
    Trustpoint,
)
from seikan.config.modes import CERTIFICATE_CHAIN, CERTIFICATE_MAP, CONFIG, STORED, TRUSTPOINT

_PKI = {"crypto": "Encryption module", "pki": "Public Key components"}
_NAME = {"<name>": "CA Server Name"}
END = "quit"


def _alias(command: Command) -> Command:
    """The same line as `crypto ca …`, which is read and never written."""

    def other(syntax: str) -> str:
        return syntax.replace("crypto pki", "crypto ca", 1)

    handler = command.handler
    if isinstance(handler, Section):
        handler = replace(handler, sections=lambda _config: (), lines=lambda _config: ())
    return replace(
        command,
        syntax=other(command.syntax),
        handler=handler,
        no=None if command.no is None else other(command.no),
        hidden=True,
    )


# --- trustpoints -----------------------------------------------------------------------------------


def _behind(keyword: str) -> Any:
    """The words of the line behind its keyword."""
    return lambda match: match.canonical.removeprefix(f"{keyword} ")


def _kept(syntax: str, notice: str = "", keeping: Keeping = Keeping.ONE) -> Command:
    return Command(
        TRUSTPOINT,
        syntax,
        handler=Stored(keeping, notice=notice),
        negatable=True,
        otherwise="Kept with the configuration, has no effect here",
    )


def _pair(trustpoint: Trustpoint, match: Match) -> Trustpoint:
    return replace(
        trustpoint,
        key_pair=cast(str, match.args["label"]),
        key_pair_kind="eckeypair" if "eckeypair" in match.args else "rsakeypair",
    )


def _remove_pair(trustpoint: Trustpoint, _match: Match) -> Trustpoint:
    return replace(trustpoint, key_pair=None, key_pair_kind="rsakeypair")


def _render_pair(trustpoint: Trustpoint) -> Iterable[str]:
    if trustpoint.key_pair is not None:
        yield f"{trustpoint.key_pair_kind} {trustpoint.key_pair}"


def _revocation(trustpoint: Trustpoint, match: Match) -> Trustpoint:
    methods = tuple(dict.fromkeys(match.canonical.split()[1:]))
    if "none" in methods[:-1]:
        raise ConfigError("nothing is asked behind none: type it last, as in revocation-check crl none")
    return replace(trustpoint, revocation=methods, revocation_typed=True)


def _no_revocation(trustpoint: Trustpoint, _match: Match) -> Trustpoint:
    return replace(trustpoint, revocation=Trustpoint("").revocation, revocation_typed=False)


def _render_revocation(trustpoint: Trustpoint) -> Iterable[str]:
    if trustpoint.revocation_typed:
        yield f"revocation-check {' '.join(trustpoint.revocation)}"


_SIZED = "the size of a key is that of crypto key generate: it is not kept here"
_SCEP = "certificates are not fetched from a CA: import them (crypto pki import)"
_TYPED = "keys and certificates are kept beside the configuration: type this line at the router, as ? tells it"
_TRUSTPOINT: tuple[Command, ...] = (
    setting(
        TRUSTPOINT,
        "enrollment (selfsigned|pkcs12|terminal [pem]|url <url:word> [pem])",
        "enrollment",
        {
            "enrollment": "Enrollment parameters",
            "selfsigned": "Use the certificate that the router signs itself",
            "pkcs12": "Certificates and key come in a PKCS12 file",
            "terminal": "Certificates are typed",
            "pem": "PEM",
            "url": "Where the CA server is",
            "<url>": "URL",
        },
        read=_behind("enrollment"),
        text=lambda words: f"enrollment {words}",
        note=lambda match: (_SCEP,) if "url" in match.args else (),
    ),
    _kept("enrollment (retry|mode|profile|http-proxy|credential) <words:rest>", keeping=Keeping.MANY),
    _kept("serial-number [none]"),
    setting(
        TRUSTPOINT,
        "fqdn (none|<fqdn:host>)",
        "fqdn",
        {"fqdn": "include fully-qualified domain name", "none": "None", "<fqdn>": "The router's name"},
        read=_behind("fqdn"),
        text=lambda words: f"fqdn {words}",
    ),
    setting(
        TRUSTPOINT,
        "ip-address (none|<address:ipv4>|<address:ipv6>|<address:interface(device)>)",
        "ip_address",
        {"ip-address": "include ip address", "none": "None", "<address>": "Address, or the interface that has it"},
        read=_behind("ip-address"),
        text=lambda words: f"ip-address {words}",
    ),
    setting(
        TRUSTPOINT,
        "subject-name <subject_name:rest>",
        "subject_name",
        {"subject-name": "Subject Name", "<subject_name>": "X.500 name, such as CN=r1,O=Example"},
    ),
    setting(
        TRUSTPOINT,
        "subject-alt-name <subject_alt_name:rest>",
        "subject_alt_name",
        {"subject-alt-name": "Subject Alternative Name", "<subject_alt_name>": "Name"},
    ),
    Command(
        TRUSTPOINT,
        "revocation-check (crl|ocsp|none)...",
        {
            "revocation-check": "Revocation checking options, in order",
            "crl": "Revocation check by CRL",
            "ocsp": "Revocation check by OCSP",
            "none": "Take the certificate where nobody answered",
        },
        Setting(_revocation, _no_revocation, _render_revocation),
        negatable=True,
        no="revocation-check [crl|ocsp|none]...",
    ),
    setting(
        TRUSTPOINT,
        "ocsp url <ocsp_url:word>",
        "ocsp_url",
        {"ocsp": "OCSP parameters", "url": "Whom to ask, whatever the certificate says", "<ocsp_url>": "URL"},
    ),
    Command(
        TRUSTPOINT,
        "(rsakeypair|eckeypair) <label:word> [<size:number(360-8192)> [<encryption:number(360-8192)>]]",
        {
            "rsakeypair": "Specify the router's RSA key pair",
            "eckeypair": "Specify the router's EC key pair",
            "<label>": "Label of the key pair",
            "<size>": "Key size, which crypto key generate says",
            "<encryption>": "Size of the key for encryption",
        },
        Setting(
            _pair,
            _remove_pair,
            _render_pair,
            note=lambda match: (
                ("the size of a key is that of crypto key generate: it is not kept here",)
                if "size" in match.args
                else ()
            ),
        ),
        negatable=True,
        no="(rsakeypair|eckeypair) [<label:word> [<size:number(360-8192)> [<encryption:number(360-8192)>]]]",
    ),
    *(
        _kept(syntax)
        for syntax in (
            *("auto-enroll [<words:rest>]", "regenerate", "usage <words:rest>", "primary", "hash <words:rest>"),
            *("storage <words:rest>", "source interface <words:rest>", "chain-validation [<words:rest>]"),
            *("password <words:rest>", "validation-usage [<words:rest>]", "grant <words:rest>", "root <words:rest>"),
            *("ip-extension <words:rest>", "on <words:rest>", "show <words:rest>", "snmp trap <words:rest>"),
        )
    ),
    _kept("vrf <words:rest>", "VRFs are not supported yet: the line holds as if it named none"),
    *(
        _kept(syntax, f"{syntax.split(' [')[0].split(' <')[0]} is kept and not done here", Keeping.MANY)
        for syntax in ("match <words:rest>", "crl [<words:rest>]", "authorization <words:rest>")
    ),
)

# --- certificates ----------------------------------------------------------------------------------

_BEGINS = re.compile(r"\s*cert[a-z]*(\s+(ca|self-?[a-z]*|rsa-?[a-z]*|sub-?ca))?\s+[0-9A-F]+\s*\Z", re.IGNORECASE)
_OCTETS_IN_GROUP, _GROUPS_IN_LINE = 4, 8
MAXIMUM_LINES = 1000  # of one certificate: 32 kB


def begins_certificate(line: str) -> bool:
    """Whether lines of hexadecimal digits follow, up to `quit`."""
    return _BEGINS.match(line) is not None


def closed(text: str) -> str:
    """A certificate's lines with their end."""
    return f"{text}\n  {END}"


def certificate_block(first: str, lines: Iterable[str]) -> tuple[str, int] | None:
    """The whole certificate that `first` begins as one text, and how many of the following `lines` it took.

    None where it does not end: such a certificate takes nothing with it.
    """
    taken = [first]
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.lower() == END:
            return closed("\n".join(taken)), number
        if number > MAXIMUM_LINES or any(len(word) > 2 * _OCTETS_IN_GROUP for word in text.split()):
            return None
        taken.append(f"  {text}")
    return None


def _octets(words: list[str]) -> bytes:
    if words[-1:] != [END]:
        raise ConfigError(f"the certificate's end is missing: a line with {END}")
    digits = "".join(words[:-1])
    wrong = next((word for word in words[:-1] if not re.fullmatch(r"[0-9A-Fa-f]+", word)), None)
    if wrong is not None:
        raise ConfigError(f"{wrong} is not hexadecimal: the lines of the certificate have digits 0 to 9 and A to F")
    if not digits or len(digits) % 2:
        raise ConfigError("octets of the certificate are missing: they have two digits each")
    return bytes.fromhex(digits)


def _certificate_key(match: Match) -> tuple[str, str]:
    kind = next((word for word in ("ca", "self-signed", "rsa-signature") if word in match.args), "")
    return kind.removeprefix("rsa-signature"), cast(str, match.args["serial"]).upper()


def _add_certificate(chain: CertificateChain, match: Match) -> CertificateChain:
    kind, serial = _certificate_key(match)
    rest = cast(str, match.args["octets"])
    if ":" in rest and len(rest.split()) == 1:
        held = ChainCertificate(serial, kind, file=rest)
    else:
        held = ChainCertificate(serial, kind, _octets(rest.split()))
    kept = tuple(other for other in chain.certificates if (other.kind, other.serial) != (kind, serial))
    return replace(chain, certificates=(*kept, held))


def _remove_certificate(chain: CertificateChain, match: Match) -> CertificateChain:
    key = _certificate_key(match)
    kept = tuple(held for held in chain.certificates if (held.kind, held.serial) != key)
    if kept == chain.certificates:
        raise ConfigError(f"certificate {' '.join(word for word in key if word)} is not in this chain")
    return replace(chain, certificates=kept)


def write_octets(octets: bytes) -> tuple[str, ...]:
    """Lines of eight groups of eight hexadecimal digits."""
    groups = [octets[at : at + _OCTETS_IN_GROUP].hex().upper() for at in range(0, len(octets), _OCTETS_IN_GROUP)]
    return tuple(" ".join(groups[at : at + _GROUPS_IN_LINE]) for at in range(0, len(groups), _GROUPS_IN_LINE))


def _render_certificates(chain: CertificateChain) -> Iterable[str]:
    for held in chain.certificates:
        words = " ".join(word for word in ("certificate", held.kind, held.serial) if word)
        if held.file is not None:
            yield f"{words} {held.file}"
        else:
            yield "\n".join((words, *(f"  {line}" for line in write_octets(held.der)), f"  \t{END}"))


_CERTIFICATE = "certificate [ca|self-signed|rsa-signature] <serial:word>"
_CHAIN: tuple[Command, ...] = (
    Command(
        CERTIFICATE_CHAIN,
        f"{_CERTIFICATE} <octets:rest>",
        {
            "certificate": "Certificate, whose octets follow in hexadecimal, up to quit",
            "ca": "Certificate of the certification authority",
            "self-signed": "Certificate that the router signed itself",
            "rsa-signature": "Certificate for signatures",
            "<serial>": "Serial number in hexadecimal",
            "<octets>": "nvram:FILE, or hexadecimal lines and quit",
        },
        Setting(_add_certificate, _remove_certificate, _render_certificates),
        negatable=True,
        no=f"{_CERTIFICATE} [<octets:rest>]",
    ),
)

# --- certificate maps ------------------------------------------------------------------------------

_FIELDS = {
    "subject-name": "Name of the certificate's holder",
    "issuer-name": "Name of the authority",
    "alt-subject-name": "Alternative name of the holder",
    "unstructured-subject-name": "Unstructured name of the holder",
    "name": "Any name",
    "serial-number": "Serial number",
    "valid-start": "Beginning of the validity",
    "expires-on": "End of the validity",
}
_OPERATORS = {
    "eq": "equal to",
    "ne": "not equal to",
    "co": "contains",
    "nc": "does not contain",
    "lt": "before",
    "ge": "from then on",
}
_DATES = ("valid-start", "expires-on")


def _map_key(match: Match) -> tuple[str, int]:
    return cast(str, match.args["name"]), cast(int, match.args["sequence"])


def _get_entry(config: Config, key: tuple[str, int]) -> tuple[CertificateCriterion, ...] | None:
    held = config.pki.maps.get(key[0])
    return None if held is None else held.entries.get(key[1])


def _put_entry(config: Config, key: tuple[str, int], criteria: tuple[CertificateCriterion, ...]) -> Config:
    held = config.pki.maps.get(key[0], CertificateMap(key[0]))
    entries = MappingProxyType(dict(sorted({**held.entries, key[1]: criteria}.items())))
    maps = with_item(config.pki.maps, key[0], replace(held, entries=entries))
    return replace(config, pki=replace(config.pki, maps=maps))


def _open_map(config: Config, match: Match) -> tuple[Config, Hashable]:
    key = _map_key(match)
    return (config if _get_entry(config, key) is not None else _put_entry(config, key, ())), key


def _remove_map(config: Config, match: Match) -> Config:
    name, sequence = cast(str, match.args["name"]), match.args.get("sequence")
    held = config.pki.maps.get(name)
    if held is None or (sequence is not None and sequence not in held.entries):
        raise ConfigError(
            f"crypto pki certificate map {name}{'' if sequence is None else f' {sequence}'} is not configured"
        )
    left = {} if sequence is None else without_item(held.entries, cast(int, sequence))
    maps = (
        with_item(config.pki.maps, name, replace(held, entries=left)) if left else without_item(config.pki.maps, name)
    )
    return replace(config, pki=replace(config.pki, maps=maps))


def _criterion(match: Match) -> CertificateCriterion:
    field, operator = match.canonical.split()[:2]
    if (operator in ("lt", "ge")) and field not in _DATES:
        raise ConfigError(f"{operator} is for dates ({' and '.join(_DATES)}): type eq, ne, co or nc")
    return CertificateCriterion(field, operator, cast(str, match.args["value"]))


Criteria = tuple[CertificateCriterion, ...]


def _add_criterion(criteria: Criteria, match: Match) -> Criteria:
    return tuple(dict.fromkeys((*criteria, _criterion(match))))


def _remove_criterion(criteria: Criteria, match: Match) -> Criteria:
    gone = _criterion(match)
    if gone not in criteria:
        raise ConfigError(f"{gone.field} {gone.operator} {gone.value} is not configured")
    return tuple(held for held in criteria if held != gone)


_CRITERION = f"({'|'.join(_FIELDS)}) ({'|'.join(_OPERATORS)}) <value:rest>"
_MAP: tuple[Command, ...] = (
    Command(
        CERTIFICATE_MAP,
        _CRITERION,
        {**_FIELDS, **_OPERATORS, "<value>": "Value to compare with, without regard to case"},
        Setting(
            _add_criterion,
            _remove_criterion,
            lambda criteria: tuple(f"{held.field} {held.operator} {held.value}" for held in criteria),
        ),
        negatable=True,
        no=_CRITERION,
    ),
)


def _section(syntax: str, help: dict[str, str], handler: Section, no: str | None = None) -> Command:
    return Command(CONFIG, syntax, {**_PKI, **help}, handler, negatable=True, no=no or syntax)


def _with_its_certificates(section: Section) -> Section:
    """`no crypto pki trustpoint` takes the certificates along, as in IOS."""

    def remove(config: Config, match: Match) -> Config:
        left = cast(Config, section.remove(config, match))
        chains = without_item(left.pki.chains, cast(str, match.args["name"]))
        return replace(left, pki=replace(left.pki, chains=chains))

    return replace(section, remove=remove)


_TRUSTPOINTS = _with_its_certificates(named(TRUSTPOINT, "crypto pki trustpoint", "pki.trustpoints", Trustpoint))
_SECTIONS = (
    _section(
        "crypto pki trustpoint <name:word>",
        {"trustpoint": "Define a CA trustpoint", **_NAME},
        _TRUSTPOINTS,
    ),
    _section(
        "crypto pki certificate chain <name:word>",
        {"certificate": "Certificates", "chain": "Certificates of a trustpoint", **_NAME},
        named(CERTIFICATE_CHAIN, "crypto pki certificate chain", "pki.chains", CertificateChain),
    ),
    _section(
        "crypto pki certificate map <name:word> <sequence:number(1-65535)>",
        {
            "certificate": "Certificates",
            "map": "Criteria that tell certificates",
            "<name>": "Name of the map",
            "<sequence>": "Sequence number: the criteria of one hold together",
        },
        Section(
            mode=CERTIFICATE_MAP,
            open=_open_map,
            remove=_remove_map,
            get=_get_entry,
            put=_put_entry,
            every=lambda config: tuple(
                (name, number) for name, held in config.pki.maps.items() for number in held.entries
            ),
            header=lambda key, _criteria: f"crypto pki certificate map {key[0]} {key[1]}",
            title=lambda key: f"crypto pki certificate map {key[0]} {key[1]}",
        ),
        "crypto pki certificate map <name:word> [<sequence:number(1-65535)>]",
    ),
)
_OTHERS: tuple[Command, ...] = (
    Command(
        CONFIG,
        "crypto pki token <words:rest>",
        {**_PKI, "token": "Configure a cryptographic token"},
        Stored(Keeping.MANY),
        negatable=True,
    ),
    Command(
        CONFIG,
        "crypto pki server <name:word>",
        {**_PKI, "server": "A certification authority, not run here", **_NAME},
        Stored(Keeping.MANY, opens=STORED, notice="no certification authority is run here: the lines are kept"),
        negatable=True,
    ),
    Command(
        CONFIG,
        "crypto pki trustpool policy",
        {**_PKI, "trustpool": "Certificates that all trust", "policy": "What is trusted"},
        Stored(opens=STORED, notice="there is no trustpool here: the lines are kept"),
        negatable=True,
    ),
    refused(CONFIG, "crypto pki (authenticate|enroll|import) <words:rest>", _TYPED),
    refused(CONFIG, "crypto key (generate|zeroize) <words:rest>", _TYPED),
    refused(CONFIG, "crypto key (pubkey-chain|param|storage) <words:rest>", "this is kept nowhere here: leave it out"),
    refused(
        CONFIG,
        "crypto key (import|export) <words:rest>",
        "a key comes and goes with its certificate: type crypto pki import NAME pkcs12 …",
    ),
)

#: The sections and their lines, in the order of rendering.
PKI_COMMANDS: tuple[Command, ...] = (
    _SECTIONS[0],
    *_TRUSTPOINT,
    _SECTIONS[2],
    *_MAP,
    _SECTIONS[1],
    *_CHAIN,
    *_OTHERS,
    *(_alias(command) for command in (*_SECTIONS, *_OTHERS) if command.syntax.startswith("crypto pki")),
)
