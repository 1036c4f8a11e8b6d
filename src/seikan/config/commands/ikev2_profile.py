"""`crypto ikev2 profile`: whom a peer may be, how both prove who they are, and what he gets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import cast

from seikan.config.commands.ikev2 import CRYPTO_IKEV2, NO_VRF, dpd, match_fvrf, nat_keepalive, says_when_new
from seikan.config.commands.ikev2_keyring import NETWORK, NETWORK_HELP, network, write_network, write_value
from seikan.config.commands.interface import ENCRYPTED
from seikan.config.grammar import Command, Match
from seikan.config.handlers import (
    ConfigError,
    Keeping,
    Setting,
    Stored,
    device,
    named,
    refused,
    setting,
    write,
)
from seikan.config.model_ikev2 import Address, Ikev2Identity, Ikev2Match, Ikev2Profile
from seikan.config.modes import CONFIG, IKEV2_PROFILE
from seikan.wire.secret import Secret

DEFAULT_RECONNECT = 1800  # seconds, as in IOS
_EAP = "EAP is not available: type authentication remote pre-share, rsa-sig or ecdsa-sig"

# --- match -----------------------------------------------------------------------------------------

_MATCH_REMOTE = (
    f"match identity remote (any|address {NETWORK}|fqdn (domain <fqdn_domain:word>|<fqdn_name:word>)"
    "|email (domain <email_domain:word>|<email_name:word>)|key-id <key_id:word>)"
)


def _match(match: Match) -> Ikev2Match:
    args = match.args
    if match.canonical.split()[3] == "address":
        return Ikev2Match(network=network(match))
    return Ikev2Match(
        any="any" in args,
        fqdn=cast("str | None", args.get("fqdn_name")),
        domain=cast("str | None", args.get("fqdn_domain")),
        email=cast("str | None", args.get("email_name")),
        email_domain=cast("str | None", args.get("email_domain")),
        key_id=cast("str | None", args.get("key_id")),
    )


def write_match(held: Ikev2Match) -> str:
    """What stands behind `match identity remote`."""
    if held.network is not None:
        everyone = held.network.version == 4 and held.network.prefixlen == 0
        return f"address {held.network.network_address if everyone else write_network(held.network, bare_host=False)}"
    for words, value in (
        ("fqdn", held.fqdn),
        ("fqdn domain", held.domain),
        ("email", held.email),
        ("email domain", held.email_domain),
        ("key-id", held.key_id),
    ):
        if value is not None:
            return f"{words} {value}"
    return "any"


def _add_match(profile: Ikev2Profile, match: Match) -> Ikev2Profile:
    return replace(profile, identities=tuple(dict.fromkeys((*profile.identities, _match(match)))))


def _remove_match(profile: Ikev2Profile, match: Match) -> Ikev2Profile:
    gone = _match(match)
    if gone not in profile.identities:
        raise ConfigError(f"match identity remote {write_match(gone)} is not configured")
    return replace(profile, identities=tuple(held for held in profile.identities if held != gone))


def _add_map(profile: Ikev2Profile, match: Match) -> Ikev2Profile:
    name = cast(str, match.args["name"])
    return replace(profile, certificate_maps=tuple(dict.fromkeys((*profile.certificate_maps, name))))


def _remove_map(profile: Ikev2Profile, match: Match) -> Ikev2Profile:
    name = match.args["name"]
    if name not in profile.certificate_maps:
        raise ConfigError(f"match certificate {name} is not configured")
    return replace(profile, certificate_maps=tuple(held for held in profile.certificate_maps if held != name))


def _local(match: Match) -> Address | str:
    local = cast("Address | str", match.args["local_end"])
    return device(local) if isinstance(local, str) else local


def _write_local(local: Address | str) -> str:
    return f"match address local {f'interface {local}' if isinstance(local, str) else str(local).upper()}"


def _add_local(profile: Ikev2Profile, match: Match) -> Ikev2Profile:
    return replace(profile, match_local=tuple(dict.fromkeys((*profile.match_local, _local(match)))))


def _remove_local(profile: Ikev2Profile, match: Match) -> Ikev2Profile:
    local = match.args["local_end"]
    if local not in profile.match_local:
        raise ConfigError(f"{_write_local(cast('Address | str', local))} is not configured")
    return replace(profile, match_local=tuple(held for held in profile.match_local if held != local))


# --- authentication --------------------------------------------------------------------------------

_METHODS = ("pre-share", "rsa-sig", "ecdsa-sig", "eddsa-sig")


def _method(match: Match) -> str | None:
    return next((word for word in _METHODS if word in match.args), None)


def _set_local(profile: Ikev2Profile, match: Match) -> Ikev2Profile:
    key = cast("Secret | None", match.args.get("secret"))
    return replace(profile, local_authentication=_method(match), local_key=key)


def _render_local(profile: Ikev2Profile) -> Iterable[str]:
    if profile.local_authentication is not None:
        yield f"authentication local {profile.local_authentication}{_key(profile.local_key)}"


def _key(key: Secret | None) -> str:
    return "" if key is None else f" key {write(key)}"


def _add_remote(profile: Ikev2Profile, match: Match) -> Ikev2Profile:
    """A peer may have several methods to choose from."""
    method = cast(str, _method(match))
    methods = tuple(dict.fromkeys((*profile.remote_authentications, method)))
    key = cast("Secret | None", match.args.get("secret")) if method == "pre-share" else profile.remote_key
    return replace(profile, remote_authentications=methods, remote_key=key)


def _remove_remote(profile: Ikev2Profile, match: Match) -> Ikev2Profile:
    method = _method(match)
    if method is None:
        return replace(profile, remote_authentications=(), remote_key=None)
    if method not in profile.remote_authentications:
        raise ConfigError(f"authentication remote {method} is not configured")
    methods = tuple(held for held in profile.remote_authentications if held != method)
    return replace(
        profile, remote_authentications=methods, remote_key=None if method == "pre-share" else profile.remote_key
    )


def _render_remote(profile: Ikev2Profile) -> Iterable[str]:
    for method in profile.remote_authentications:
        yield f"authentication remote {method}{_key(profile.remote_key if method == 'pre-share' else None)}"


def _add_trustpoint(profile: Ikev2Profile, match: Match) -> Ikev2Profile:
    name = cast(str, match.args["name"])
    if "verify" not in match.args:
        profile = replace(profile, sign_trustpoint=name)
    if "sign" not in match.args:
        profile = replace(profile, verify_trustpoints=tuple(dict.fromkeys((*profile.verify_trustpoints, name))))
    return profile


def _remove_trustpoint(profile: Ikev2Profile, match: Match) -> Ikev2Profile:
    name = match.args["name"]
    if name not in (profile.sign_trustpoint, *profile.verify_trustpoints):
        raise ConfigError(f"pki trustpoint {name} is not configured")
    if "verify" not in match.args and profile.sign_trustpoint == name:
        profile = replace(profile, sign_trustpoint=None)
    if "sign" not in match.args:
        kept = tuple(held for held in profile.verify_trustpoints if held != name)
        profile = replace(profile, verify_trustpoints=kept)
    return profile


def _render_trustpoints(profile: Ikev2Profile) -> Iterable[str]:
    sign = profile.sign_trustpoint
    if sign is not None and sign not in profile.verify_trustpoints:
        yield f"pki trustpoint {sign} sign"
    for name in profile.verify_trustpoints:
        yield f"pki trustpoint {name}{'' if name == sign else ' verify'}"


# --- the other lines -------------------------------------------------------------------------------


def _identity_local(match: Match) -> Ikev2Identity:
    value = match.args.get("value")
    kind = match.canonical.split()[2]
    return Ikev2Identity(kind, value if value is None or isinstance(value, str) else str(value))


def _kept(syntax: str, notice: str, text: str, keeping: Keeping = Keeping.MANY) -> Command:
    return Command(IKEV2_PROFILE, syntax, handler=Stored(keeping, notice=notice), negatable=True, otherwise=text)


_MATCH_HELP = {
    "match": "Match values of peer",
    "identity": "Match peer identity",
    "remote": "Remote identity",
    "any": "Any peer",
    "address": "IP Address(es)",
    "fqdn": "Fully qualified domain name",
    "domain": "Match the domain",
    "<fqdn_name>": "Fully qualified domain name",
    "<fqdn_domain>": "Domain name",
    "email": "Email address",
    "<email_name>": "Email address",
    "<email_domain>": "Domain name",
    "key-id": "key-id opaque string",
    "<key_id>": "The string",
    **NETWORK_HELP,
}
_AUTHENTICATION_HELP = {
    "authentication": "Set authentication method",
    "local": "Set local authentication method",
    "remote": "Set remote authentication method",
    "pre-share": "Pre-Shared Key",
    "rsa-sig": "Rivest-Shamir-Adleman Signature",
    "ecdsa-sig": "ECDSA Signature",
    "eddsa-sig": "EdDSA Signature (RFC 8420)",
    "key": "specify key",
    "0": "Specifies an UNENCRYPTED password will follow",
    "<secret>": "The UNENCRYPTED (cleartext) key",
}
_SHARED = "pre-share [key [0] <secret:secret>]"
_SIGNED = "rsa-sig|ecdsa-sig|eddsa-sig"
_AAA = "keys and attributes of an AAA server are not available: the line is kept and not done here"

#: The profile and its lines, in the order of rendering.
IKEV2_PROFILES: tuple[Command, ...] = (
    Command(
        CONFIG,
        "crypto ikev2 profile <name:word>",
        {**CRYPTO_IKEV2, "profile": "Define IKEv2 Profiles", "<name>": "Name of IKEv2 profile"},
        says_when_new(
            named(IKEV2_PROFILE, "crypto ikev2 profile", "ikev2.profiles", Ikev2Profile),
            "IKEv2 profile MUST have:",
            "   1. A local and a remote authentication method.",
            "   2. A match identity or a match certificate statement.",
        ),
        negatable=True,
        no="crypto ikev2 profile <name:word>",
    ),
    setting(
        IKEV2_PROFILE,
        "description <description:rest>",
        "description",
        {"description": "Specify a description of this profile", "<description>": "Description of profile"},
    ),
    match_fvrf(IKEV2_PROFILE, "match_fvrf"),
    Command(
        IKEV2_PROFILE,
        "match address local (<local_end:ipv4>|<local_end:ipv6>|interface <local_end:interface(device)>)",
        {
            "match": "Match values of peer",
            "address": "Address",
            "local": "Local address",
            "<local_end>": "Address of this router, or interface",
            "interface": "Interface",
        },
        Setting(_add_local, _remove_local, lambda profile: tuple(map(_write_local, profile.match_local))),
        negatable=True,
        no="match address local (<local_end:ipv4>|<local_end:ipv6>|interface <local_end:interface>)",
    ),
    Command(
        IKEV2_PROFILE,
        _MATCH_REMOTE,
        _MATCH_HELP,
        Setting(
            _add_match,
            _remove_match,
            lambda profile: tuple(f"match identity remote {write_match(held)}" for held in profile.identities),
        ),
        negatable=True,
        no=_MATCH_REMOTE,
    ),
    Command(
        IKEV2_PROFILE,
        "match certificate <name:word>",
        {
            "match": "Match values of peer",
            "certificate": "Peer certificate attributes",
            "<name>": "Name of a certificate map",
        },
        Setting(
            _add_map,
            _remove_map,
            lambda profile: tuple(f"match certificate {name}" for name in profile.certificate_maps),
        ),
        negatable=True,
        no="match certificate <name:word>",
    ),
    setting(
        IKEV2_PROFILE,
        "identity local (address [<value:ipv4>|<value:ipv6>]|fqdn [<value:host>]|email <value:word>"
        "|key-id <value:word>|dn)",
        "identity_local",
        {
            "identity": "Specify IKE identity to use",
            "local": "Specify the local IKE identity to use for the negotiation",
            "address": "local address",
            "fqdn": "Fully qualified domain name",
            "email": "Email address",
            "key-id": "key-id opaque string",
            "dn": "Distinguished name of the certificate",
            "<value>": "The identity",
        },
        read=_identity_local,
        text=lambda identity: f"identity local {write_value(identity)}",
    ),
    Command(
        IKEV2_PROFILE,
        f"authentication remote ({_SHARED}|{_SIGNED})",
        _AUTHENTICATION_HELP,
        Setting(_add_remote, _remove_remote, _render_remote),
        negatable=True,
        no=f"authentication remote [{_SHARED}|{_SIGNED}]",
    ),
    Command(
        IKEV2_PROFILE,
        f"authentication local ({_SHARED}|{_SIGNED})",
        _AUTHENTICATION_HELP,
        Setting(
            _set_local,
            lambda profile, _match: replace(profile, local_authentication=None, local_key=None),
            _render_local,
        ),
        negatable=True,
        no=f"authentication local [{_SHARED}|{_SIGNED}]",
    ),
    refused(IKEV2_PROFILE, "authentication (local|remote) pre-share key 6 <key:rest>", ENCRYPTED),
    _kept("authentication (local|remote) eap [<words:rest>]", _EAP, "Kept, not done here"),
    setting(
        IKEV2_PROFILE,
        "keyring [local] <keyring:word>",
        "keyring",
        {"keyring": "Specify keyring to use", "local": "Local keyring", "<keyring>": "Keyring name"},
        text=lambda name: f"keyring local {name}",
    ),
    _kept("keyring aaa <words:rest>", _AAA, "Kept, not done here"),
    Command(
        IKEV2_PROFILE,
        "pki trustpoint <name:word> [sign|verify]",
        {
            "pki": "Specify certificate authorities to trust",
            "trustpoint": "Specify certificate authority to trust",
            "<name>": "Trustpoint name",
            "sign": "Only use the certificate of this trustpoint for signing",
            "verify": "Only use the certificate of this trustpoint for verifying",
        },
        Setting(_add_trustpoint, _remove_trustpoint, _render_trustpoints),
        negatable=True,
        no="pki trustpoint <name:word> [sign|verify]",
    ),
    setting(
        IKEV2_PROFILE,
        "lifetime <lifetime:number(120-86400)>",
        "lifetime",
        {"lifetime": "Set lifetime for ISAKMP security association", "<lifetime>": "lifetime in seconds"},
        read=lambda match: None if match.args["lifetime"] == Ikev2Profile.DEFAULT_LIFETIME else match.args["lifetime"],
    ),
    dpd(IKEV2_PROFILE, "", "dpd", {}),
    nat_keepalive(IKEV2_PROFILE, "", "nat_keepalive", {}),
    setting(
        IKEV2_PROFILE,
        "ivrf <name:word>",
        "ivrf",
        {"ivrf": "I-VRF of the profile", "<name>": "VRF name"},
        note=lambda _match: (NO_VRF,),
    ),
    setting(
        IKEV2_PROFILE,
        "virtual-template <number:number(1-4095)> [mode auto]",
        "virtual_template",
        {
            "virtual-template": "Specify the virtual-template for dynamic interface creation",
            "<number>": "Virtual-Template interface number",
            "mode": "Mode of the tunnel",
            "auto": "Taken from the interface here",
        },
        note=lambda match: (
            ("mode auto is not done here: the tunnel mode of the Virtual-Template holds",)
            if "auto" in match.args
            else ()
        ),
    ),
    setting(
        IKEV2_PROFILE,
        "initial-contact force",
        "initial_contact_force",
        {
            "initial-contact": "initial contact processing",
            "force": "Take every new SA for the only one of its peer",
        },
    ),
    setting(
        IKEV2_PROFILE,
        "reconnect [timeout <seconds:number(600-86400)>]",
        "reconnect",
        {
            "reconnect": "Let peers resume their session (RFC 5723)",
            "timeout": "For how long",
            "<seconds>": "Seconds",
        },
        read=lambda match: match.args.get("seconds", DEFAULT_RECONNECT),
        text=lambda seconds: "reconnect" + ("" if seconds == DEFAULT_RECONNECT else f" timeout {seconds}"),
    ),
    setting(
        IKEV2_PROFILE,
        "redirect gateway auth",
        "redirect_auth",
        {
            "redirect": "Send peers to another gateway (RFC 5685)",
            "gateway": "This router is a gateway",
            "auth": "While they authenticate",
        },
    ),
    setting(
        IKEV2_PROFILE,
        "shutdown",
        "shutdown",
        {"shutdown": "shutdown the IKEv2 profile"},
    ),
    _kept("aaa <words:rest>", _AAA, "Kept, not done here"),
    _kept("accounting <words:rest>", "accounting is kept and not done here", "Kept, no accounting is done"),
    Command(
        IKEV2_PROFILE,
        "config-exchange <words:rest>",
        handler=Stored(Keeping.MANY, on_by_default=True),
        negatable=True,
        otherwise="Kept with the configuration, has no effect here",
    ),
    _kept("config-mode <words:rest>", "", "Kept with the configuration, has no effect here"),
    _kept("anyconnect <words:rest>", "AnyConnect clients are not served: the line is kept", "Kept, not used"),
)
