"""`crypto ikev2 proposal` and `policy`, and the lines of `crypto ikev2` that hold for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, cast

from seikan.config.defaults_ikev2 import DEFAULT, DEFAULT_POLICY, DEFAULT_PROPOSAL
from seikan.config.grammar import Command, Match
from seikan.config.handlers import (
    ConfigError,
    Keeping,
    Section,
    Setting,
    Stored,
    change,
    named,
    refused,
    setting,
    switch,
)
from seikan.config.model import Address, Config
from seikan.config.model_ikev2 import Ikev2, Ikev2Dpd, Ikev2Policy, Ikev2Proposal
from seikan.config.modes import CONFIG, IKEV2_POLICY, IKEV2_PROPOSAL, STORED
from seikan.wire.constants import ENCRYPTIONS, GROUPS, HASHES, INTEGRITIES

CRYPTO_IKEV2 = {"crypto": "Encryption module", "ikev2": "Configure IKEv2 Options"}
NO_VRF = "VRFs are not supported yet: the line holds as if it named none"

# --- algorithms ------------------------------------------------------------------------------------

_MUST_NOT = "RFC 8247 and RFC 9395: MUST NOT be used"


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a proposal: what its words stand for in the model, and which of them are no good.

    `never` says of a value why it is never negotiated and what to choose, `weak` why it is weak.
    """

    keyword: str
    field: str
    words: Mapping[str, Any]
    help: Mapping[str, str]
    never: Mapping[Any, tuple[str, str]]
    weak: Mapping[Any, str]

    def typed(self, values: Iterable[Any]) -> tuple[str, ...]:
        """The words for values of the model."""
        word_of = {value: word for word, value in self.words.items()}
        return tuple(word_of[value] for value in values)

    def remarks(self, values: Iterable[Any]) -> Iterable[str]:
        """One text for each value that is weak or never negotiated."""
        for value, word in zip(values, self.typed(values), strict=True):
            if value in self.never:
                why, better = self.never[value]
                yield f"{self.keyword} {word} is never negotiated ({why}): choose {better}"
            elif self.weak.get(value):
                yield f"{self.keyword} {word} is weak: {self.weak[value]}"


_MD5 = {"md5": (_MUST_NOT, "sha256 or sha512")}
ENCRYPTION = Choice(
    "encryption",
    "encryption",
    {row.ios_proposal: row.name for row in ENCRYPTIONS if row.ios_proposal} | {"des": "des"},
    {row.ios_proposal: row.ios_proposal.upper() + (", weak" if row.weak else "") for row in ENCRYPTIONS}
    | {"des": "DES, never negotiated"},
    {"des": (_MUST_NOT, "aes-cbc-256 or aes-gcm-256")},
    {row.name: row.weak for row in ENCRYPTIONS},
)
INTEGRITY = Choice(
    "integrity",
    "integrity",
    {row.ios_proposal: row.name for row in INTEGRITIES} | {"md5": "md5"},
    {row.ios_proposal: f"HMAC {row.ios_proposal.upper()}" for row in INTEGRITIES} | {"md5": "MD5, never negotiated"},
    _MD5,
    {row.name: row.weak for row in INTEGRITIES},
)
PRF = Choice(
    "prf",
    "prf",
    {row.ios_proposal: row.name for row in HASHES},
    {row.ios_proposal: f"HMAC {row.ios_proposal.upper()}" for row in HASHES} | {"md5": "MD5, never negotiated"},
    _MD5,
    {},
)
GROUP = Choice(
    "group",
    "groups",
    {str(number): number for number in sorted({1, 24, *(row.number for row in GROUPS if not row.kem)})},
    {str(row.number): f"DH group {row.number} ({row.name}{', weak' if row.weak else ''})" for row in GROUPS}
    | {"1": "DH group 1 (modp768), never negotiated", "24": "DH group 24 (modp2048s256), never negotiated"},
    {1: (_MUST_NOT, "group 14 or higher"), 24: ("RFC 8247: SHOULD NOT be used", "group 14, 19 or 31")},
    {row.number: row.weak for row in GROUPS},
)
#: The words of `additional-key-exchange`.
EXCHANGE = Choice(
    "additional-key-exchange",
    "additional",
    {row.name if row.kem else str(row.number): row.number for row in GROUPS if not row.weak} | {"none": 0},
    {str(row.number): f"DH group {row.number} ({row.name})" for row in GROUPS}
    | {row.name: f"{row.name.upper()}, which quantum computers do not break" for row in GROUPS if row.kem}
    | {"none": "A peer may do without"},
    {},
    {},
)
_CHOICES = (ENCRYPTION, INTEGRITY, PRF, GROUP)


def weaknesses(proposal: Ikev2Proposal) -> Iterable[str]:
    """One text for each algorithm that is weak or never negotiated, with its RFC."""
    for choice in _CHOICES:
        yield from choice.remarks(getattr(proposal, choice.field))


# --- crypto ikev2 proposal -------------------------------------------------------------------------


def _values(choice: Choice, match: Match, behind: int = 1) -> tuple[Any, ...]:
    """What the words from that many on stand for, each once."""
    return tuple(dict.fromkeys(choice.words[word] for word in match.canonical.split()[behind:]))


def _row(choice: Choice, text: str) -> Command:
    return setting(
        IKEV2_PROPOSAL,
        f"{choice.keyword} ({'|'.join(choice.words)})...",
        choice.field,
        {choice.keyword: text, **choice.help},
        read=lambda match: _values(choice, match),
        text=lambda values: " ".join((choice.keyword, *choice.typed(values))),
        initial=(),
        warn=lambda match: choice.remarks(_values(choice, match)),
    )


def _add_exchange(proposal: Ikev2Proposal, match: Match) -> Ikev2Proposal:
    number, groups = cast(int, match.args["number"]), _values(EXCHANGE, match, 2)
    if groups == (0,):
        raise ConfigError("none stands behind the key exchanges that a peer may do without, as in ml-kem-768 none")
    additional = dict(sorted({**proposal.additional, number: groups}.items()))
    return replace(proposal, additional=MappingProxyType(additional))


def _remove_exchange(proposal: Ikev2Proposal, match: Match) -> Ikev2Proposal:
    number = cast(int, match.args["number"])
    if number not in proposal.additional:
        raise ConfigError(f"additional-key-exchange {number} is not configured")
    kept = {held: groups for held, groups in proposal.additional.items() if held != number}
    return replace(proposal, additional=MappingProxyType(kept))


def _render_exchanges(proposal: Ikev2Proposal) -> Iterable[str]:
    for number, groups in proposal.additional.items():
        yield " ".join(("additional-key-exchange", str(number), *EXCHANGE.typed(groups)))


def _switchable(section: Section, flag: str, words: str, smart: Any) -> Section:
    """`no … default` turns the smart default off, `default … default` is it again; opened, it is what is changed."""

    def opened(config: Config, match: Match) -> tuple[Any, Any]:
        if match.args["name"] != DEFAULT:
            return section.open(config, match)
        if section.get(config, DEFAULT) is None:
            config = section.put(config, DEFAULT, smart)
        return change(config, flag, True), DEFAULT

    def removed(config: Config, match: Match) -> Any:
        if "name" not in match.args:
            raise ConfigError(f"name it, as in no {words} {DEFAULT}")
        if match.args["name"] != DEFAULT:
            return section.remove(config, match)
        return change(reset(config, match), flag, False)

    def reset(config: Config, match: Match) -> Any:
        """Without a name the default one is meant."""
        name = match.args.get("name", DEFAULT)
        if name != DEFAULT:
            return section.remove(config, match)
        if section.get(config, DEFAULT) is not None:
            config = section.remove(config, replace(match, args={**match.args, "name": DEFAULT}))
        return change(config, flag, True)

    def lines(config: Config) -> Iterable[str]:
        return () if getattr(config.ikev2, flag.removeprefix("ikev2.")) else (f"no {words} {DEFAULT}",)

    return replace(section, open=opened, remove=removed, reset=reset, lines=lines)


def says_when_new(section: Section, *lines: str) -> Section:
    """The same section, which says what its object needs when it is made, as IOS does."""

    def remark(before: Any, match: Match) -> Iterable[str]:
        return lines if section.get(before, match.args["name"]) is None else ()

    return replace(section, remark=remark)


_PROPOSAL: tuple[Command, ...] = (
    Command(
        CONFIG,
        "crypto ikev2 proposal <name:word>",
        {**CRYPTO_IKEV2, "proposal": "Define IKEv2 proposals", "<name>": "Name of IKEv2 proposal, or default"},
        _switchable(
            says_when_new(
                named(IKEV2_PROPOSAL, "crypto ikev2 proposal", "ikev2.proposals", Ikev2Proposal),
                "IKEv2 proposal MUST have encryption, integrity (prf with aes-gcm alone) and group",
            ),
            "ikev2.default_proposal",
            "crypto ikev2 proposal",
            DEFAULT_PROPOSAL,
        ),
        negatable=True,
        no="crypto ikev2 proposal [<name:word>]",
    ),
    _row(ENCRYPTION, "Set encryption algorithm(s) for proposal"),
    _row(INTEGRITY, "Set integrity hash algorithm(s) for proposal"),
    _row(PRF, "Set prf hash algorithm(s) for proposal"),
    _row(GROUP, "Set the Diffie-Hellman group(s)"),
    Command(
        IKEV2_PROPOSAL,
        f"additional-key-exchange <number:number(1-7)> ({'|'.join(EXCHANGE.words)})...",
        {
            "additional-key-exchange": "Exchange further keys, which all have to be broken (RFC 9370)",
            "<number>": "Which of the further key exchanges",
            **EXCHANGE.help,
        },
        Setting(_add_exchange, _remove_exchange, _render_exchanges),
        negatable=True,
        no=f"additional-key-exchange <number:number(1-7)> [{'|'.join(EXCHANGE.words)}]...",
    ),
)

# --- crypto ikev2 policy ---------------------------------------------------------------------------


def _add_local(policy: Ikev2Policy, match: Match) -> Ikev2Policy:
    address = cast(Address, match.args["address"])
    return replace(policy, local_addresses=tuple(dict.fromkeys((*policy.local_addresses, address))))


def _remove_local(policy: Ikev2Policy, match: Match) -> Ikev2Policy:
    address = match.args["address"]
    if address not in policy.local_addresses:
        raise ConfigError(f"match address local {address} is not configured")
    return replace(policy, local_addresses=tuple(held for held in policy.local_addresses if held != address))


def _add_proposal(policy: Ikev2Policy, match: Match) -> Ikev2Policy:
    return replace(policy, proposals=tuple(dict.fromkeys((*policy.proposals, cast(str, match.args["name"])))))


def _remove_proposal(policy: Ikev2Policy, match: Match) -> Ikev2Policy:
    name = match.args["name"]
    if name not in policy.proposals:
        raise ConfigError(f"proposal {name} is not configured in this policy")
    return replace(policy, proposals=tuple(held for held in policy.proposals if held != name))


def match_fvrf(mode: str, path: str) -> Command:
    """The row of a policy and of a profile."""
    return setting(
        mode,
        "match fvrf (any|<name:word>)",
        path,
        {"match": "Match values of peer", "fvrf": "fvrf of the peer", "any": "Any fvrf", "<name>": "fvrf name"},
        read=lambda match: match.args.get("name", "any"),
        text=lambda name: f"match fvrf {name}",
        note=lambda match: (NO_VRF,) if "name" in match.args else (),
    )


_POLICY: tuple[Command, ...] = (
    Command(
        CONFIG,
        "crypto ikev2 policy <name:word>",
        {**CRYPTO_IKEV2, "policy": "Define IKEV2 policies", "<name>": "Name of IKEv2 policy, or default"},
        _switchable(
            says_when_new(
                named(IKEV2_POLICY, "crypto ikev2 policy", "ikev2.policies", Ikev2Policy),
                "IKEv2 policy MUST have at least one complete proposal attached",
            ),
            "ikev2.default_policy",
            "crypto ikev2 policy",
            DEFAULT_POLICY,
        ),
        negatable=True,
        no="crypto ikev2 policy [<name:word>]",
    ),
    match_fvrf(IKEV2_POLICY, "fvrf"),
    Command(
        IKEV2_POLICY,
        "match address local (<address:ipv4>|<address:ipv6>)",
        {
            "match": "Match values of local fields",
            "address": "Local address",
            "local": "Local address",
            "<address>": "Address of this router",
        },
        Setting(
            _add_local,
            _remove_local,
            lambda policy: tuple(f"match address local {str(held).upper()}" for held in policy.local_addresses),
        ),
        negatable=True,
        no="match address local (<address:ipv4>|<address:ipv6>)",
    ),
    Command(
        IKEV2_POLICY,
        "proposal <name:word>",
        {"proposal": "Specify Proposal", "<name>": "Name of a proposal, in order of preference"},
        Setting(
            _add_proposal,
            _remove_proposal,
            lambda policy: tuple(f"proposal {name}" for name in policy.proposals),
        ),
        negatable=True,
        no="proposal <name:word>",
    ),
)

# --- the rest of crypto ikev2 ----------------------------------------------------------------------

DPD = "dpd <interval:number(10-3600)> <retry:number(2-60)> (on-demand|periodic)"
DPD_HELP = {
    "dpd": "Enable IKE liveness check for peers",
    "<interval>": "Number of seconds without a sign of life before the peer is asked",
    "<retry>": "Number of seconds between retries",
    "on-demand": "Ask only when there is something to send",
    "periodic": "Ask at regular intervals",
}
NAT_HELP = {
    "nat": "NAT-transparency",
    "keepalive": "Set a nat keepalive interval",
    "<seconds>": "Number of seconds between nat keepalives",
}


def dpd(mode: str, prefix: str, path: str, help: Mapping[str, str]) -> Command:
    """The row for all peers and that of a profile."""
    return setting(
        mode,
        prefix + DPD,
        path,
        {**help, **DPD_HELP},
        read=lambda match: Ikev2Dpd(
            cast(int, match.args["interval"]), cast(int, match.args["retry"]), "periodic" in match.args
        ),
        text=lambda held: f"{prefix}dpd {held.interval} {held.retry} {'periodic' if held.periodic else 'on-demand'}",
    )


def nat_keepalive(mode: str, prefix: str, path: str, help: Mapping[str, str]) -> Command:
    return setting(mode, f"{prefix}nat keepalive <seconds:number(5-3600)>", path, {**help, **NAT_HELP})


_NEGOTIATIONS = "Maximum in-negotiation SAs allowed before IKEv2 starts rejecting new requests"


def _global(syntax: str, field: str, help: Mapping[str, str], **more: Any) -> Command:
    return setting(CONFIG, f"crypto ikev2 {syntax}", f"ikev2.{field}", {**CRYPTO_IKEV2, **help}, **more)


def _redirect_client(config: Config, match: Match) -> Config:
    most = cast("int | None", match.args.get("most"))
    return replace(config, ikev2=replace(config.ikev2, redirect_client=True, max_redirects=most))


def _render_redirect(config: Config) -> Iterable[str]:
    if config.ikev2.redirect_client:
        most = config.ikev2.max_redirects
        yield "crypto ikev2 redirect client" + ("" if most is None else f" max-redirects {most}")


def _write_fragmentation(octets: int) -> str:
    return "crypto ikev2 fragmentation" + ("" if octets == Ikev2.DEFAULT_FRAGMENT else f" mtu {octets}")


_REDIRECT = {"redirect": "Send peers to another gateway, or be sent (RFC 5685)"}
_GLOBAL: tuple[Command, ...] = (
    _global(
        "limit max-sa <sas:number(1-99999)>",
        "max_sas",
        {
            "limit": "Limit to number of SAs",
            "max-sa": "Maximum IKE SAs allowed before IKEv2 starts rejecting new requests",
            "<sas>": "Number of SAs",
        },
    ),
    _global(
        "limit max-in-negotiation-sa <sas:number(1-99999)>",
        "max_negotiating",
        {"limit": "Limit to number of SAs", "max-in-negotiation-sa": _NEGOTIATIONS, "<sas>": "Number of SAs"},
    ),
    _global(
        "cookie-challenge <half_open:number(1-1000)>",
        "cookie_challenge",
        {
            "cookie-challenge": "Enable IKEv2 cookie-challenge",
            "<half_open>": "Half-open SAs from which on a peer has to show that its address is its own",
        },
    ),
    dpd(CONFIG, "crypto ikev2 ", "ikev2.dpd", CRYPTO_IKEV2),
    nat_keepalive(CONFIG, "crypto ikev2 ", "ikev2.nat_keepalive", CRYPTO_IKEV2),
    _global(
        "fragmentation [mtu <mtu:number(68-1500)>]",
        "fragmentation",
        {
            "fragmentation": "Enable fragmentation of IKEv2 messages (RFC 7383)",
            "mtu": "Path MTU",
            "<mtu>": "Octets of the longest packet",
        },
        read=lambda match: match.args.get("mtu", Ikev2.DEFAULT_FRAGMENT),
        text=_write_fragmentation,
    ),
    _global(
        "window <window:number(1-200)>",
        "window",
        {"window": "IKEv2 window size", "<window>": "Requests that may be under way at the same time"},
    ),
    Command(
        CONFIG,
        "crypto ikev2 redirect client [max-redirects <most:number(1-255)>]",
        {
            **CRYPTO_IKEV2,
            **_REDIRECT,
            "client": "Go where a gateway sends this router",
            "max-redirects": "How often in a row",
            "<most>": "Number of redirects",
        },
        Setting(
            _redirect_client,
            lambda config, _match: replace(
                config, ikev2=replace(config.ikev2, redirect_client=False, max_redirects=None)
            ),
            _render_redirect,
        ),
        negatable=True,
    ),
    _global(
        "redirect gateway init (<gateway:ipv4>|<gateway:ipv6>|<gateway:host>)",
        "redirect_gateway",
        {
            **_REDIRECT,
            "gateway": "Send peers that begin to another gateway",
            "init": "In the first message",
            "<gateway>": "The other gateway",
        },
        text=lambda gateway: f"crypto ikev2 redirect gateway init {_upper(gateway)}",
    ),
    _global(
        "diagnose error <errors:number(1-1000)>",
        "diagnose_errors",
        {"diagnose": "IKEv2 diagnose", "error": "Keep the last errors", "<errors>": "How many errors are kept"},
    ),
    _global(
        "quick-crash-detection",
        "quick_crash_detection",
        {"quick-crash-detection": "Tell peers by a token that this router has lost its SAs (RFC 6290)"},
    ),
    switch(
        CONFIG,
        "crypto ikev2 mobike",
        "ikev2.mobike",
        {**CRYPTO_IKEV2, "mobike": "Keep SAs when an address changes (RFC 4555)"},
    ),
    *(
        Command(
            CONFIG,
            f"crypto ikev2 {syntax}",
            {**CRYPTO_IKEV2, **help},
            Stored(notice=notice),
            negatable=True,
            otherwise="Kept, not done here",
        )
        for syntax, notice, help in (
            (
                "http-url cert",
                "certificates are not fetched from where a peer says (http-url cert is kept and not done here)",
                {"http-url": "Take certificates by URL", "cert": "Certificates"},
            ),
            ("certificate-cache <count:number(1-2000)>", "", {"certificate-cache": "Cache of certificates"}),
            (
                "limit queue sa-init <count:number(1-99999)>",
                "this limit is kept and not enforced",
                {"queue": "Requests that wait", "sa-init": "First messages"},
            ),
        )
    ),
)


def _upper(address: Address | str) -> str:
    return address if isinstance(address, str) else str(address).upper()


def _kept_section(syntax: str, help: Mapping[str, str], notice: str) -> Command:
    return Command(
        CONFIG,
        f"crypto ikev2 {syntax}",
        {**CRYPTO_IKEV2, **help},
        Stored(Keeping.MANY, opens=STORED, notice=notice),
        negatable=True,
    )


#: In the order of rendering.
IKEV2_COMMANDS: tuple[Command, ...] = (
    _kept_section(
        "authorization policy <name:word>",
        {"authorization": "IKEv2 authorization", "policy": "Configure an authorization policy", "<name>": "Its name"},
        "what an authorization policy assigns to peers is kept and not done here",
    ),
    *_PROPOSAL,
    *_POLICY,
)
IKEV2_GLOBAL: tuple[Command, ...] = (
    *_GLOBAL,
    _kept_section(
        "name-mangler <name:word>",
        {"name-mangler": "Define a name mangler", "<name>": "Name of the mangler"},
        "name manglers are kept and not used: there is no AAA server to ask",
    ),
    refused(CONFIG, "crypto ikev2 client <words:rest>", "FlexVPN clients are not available: a spoke has a static VTI"),
)
