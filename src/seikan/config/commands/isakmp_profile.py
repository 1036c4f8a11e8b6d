"""`crypto isakmp profile`: whom a peer may be, which keys are his, and what he gets."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Interface
from typing import cast

from seikan.config.commands.isakmp import local_address
from seikan.config.grammar import Command, Match
from seikan.config.handlers import ConfigError, Section, Setting, Stored, refused, setting, with_item, without_item
from seikan.config.model import Config, IdentityMatch, IsakmpProfile, Keepalive, SelfIdentity
from seikan.config.modes import CONFIG, ISAKMP_PROFILE

_NO_VRF = "VRFs are not supported yet: the line holds as if it named none"


def _name(match: Match) -> str:
    return cast(str, match.args["name"])


def _open(config: Config, match: Match) -> tuple[Config, Hashable]:
    name = _name(match)
    if name not in config.isakmp.profiles:
        config = _put(config, name, IsakmpProfile(name))
    return config, name


def _put(config: Config, name: str, profile: IsakmpProfile) -> Config:
    profiles = with_item(config.isakmp.profiles, name, profile)
    return replace(config, isakmp=replace(config.isakmp, profiles=profiles))


def _remove(config: Config, match: Match) -> Config:
    if _name(match) not in config.isakmp.profiles:
        raise ConfigError(f"ISAKMP profile {_name(match)} is not configured")
    profiles = without_item(config.isakmp.profiles, _name(match))
    return replace(config, isakmp=replace(config.isakmp, profiles=profiles))


# --- match identity --------------------------------------------------------------------------------

_IDENTITY = (
    "match identity (address (<address:ipv4> [<mask:netmask>] [<vrf:host>]|ipv6 <prefix:prefix6>)"
    "|host (domain <host_domain:word>|<host_name:host>)|user (domain <user_domain:word>|<user_name:word>)"
    "|group <group_name:word>)"
)


def _identity(match: Match) -> IdentityMatch:
    args = match.args
    vrf = args.get("vrf")
    if not isinstance(vrf, str | None):
        raise ConfigError(f"{vrf} is neither a mask such as 255.255.255.0 nor a VRF")
    prefix = cast("IPv6Interface | None", args.get("prefix"))
    network = None if prefix is None else prefix.network
    if "address" in args and prefix is None:
        address = cast(IPv4Address, args["address"])
        # `address 0.0.0.0` without a mask is every peer, as with keys.
        mask = cast(IPv4Address, args.get("mask", IPv4Address(0 if int(address) == 0 else 0xFFFFFFFF)))
        return IdentityMatch(network=IPv4Network(f"{address}/{mask}", strict=False), vrf=vrf)
    return IdentityMatch(
        network=network,
        host=cast("str | None", args.get("host_name")),
        domain=cast("str | None", args.get("host_domain")),
        user=cast("str | None", args.get("user_name")),
        user_domain=cast("str | None", args.get("user_domain")),
        group=cast("str | None", args.get("group_name")),
    )


def write_identity(identity: IdentityMatch) -> str:
    """What stands behind `match identity`."""
    network = identity.network
    if isinstance(network, IPv4Network):
        everyone = int(network.netmask) == 0
        mask = "" if everyone else f" {network.netmask}"
        return f"address {network.network_address}{mask}" + (f" {identity.vrf}" if identity.vrf else "")
    if network is not None:
        return f"address ipv6 {str(network).upper()}"
    for words, value in (
        ("host", identity.host),
        ("host domain", identity.domain),
        ("user", identity.user),
        ("user domain", identity.user_domain),
    ):
        if value is not None:
            return f"{words} {value}"
    return f"group {identity.group}"


def _add_identity(profile: IsakmpProfile, match: Match) -> IsakmpProfile:
    identity = _identity(match)
    if identity in profile.identities:
        return profile
    return replace(profile, identities=(*profile.identities, identity))


def _remove_identity(profile: IsakmpProfile, match: Match) -> IsakmpProfile:
    identity = _identity(match)
    if identity not in profile.identities:
        raise ConfigError(f"match identity {write_identity(identity)} is not configured")
    return replace(profile, identities=tuple(held for held in profile.identities if held != identity))


# --- the other lines -------------------------------------------------------------------------------


def _add_keyring(profile: IsakmpProfile, match: Match) -> IsakmpProfile:
    name = _name(match)
    return profile if name in profile.keyrings else replace(profile, keyrings=(*profile.keyrings, name))


def _remove_keyring(profile: IsakmpProfile, match: Match) -> IsakmpProfile:
    name = match.args.get("name")
    if name is not None and name not in profile.keyrings:
        raise ConfigError(f"keyring {name} is not configured in this profile")
    kept = tuple(held for held in profile.keyrings if name is not None and held != name)
    return replace(profile, keyrings=kept)


def _self_identity(match: Match) -> SelfIdentity:
    kind = next(word for word in ("address", "user-fqdn", "fqdn") if word in match.args)
    return SelfIdentity(kind, cast("str | None", match.args.get("name")))


def _write_self(identity: SelfIdentity) -> str:
    return f"self-identity {identity.kind}" + (f" {identity.name}" if identity.name is not None else "")


def _keepalive(match: Match) -> Keepalive:
    return Keepalive(cast(int, match.args["interval"]), cast(int, match.args.get("retries", 2)))


def _kept(syntax: str, notice: str, text: str) -> Command:
    return Command(ISAKMP_PROFILE, syntax, handler=Stored(notice=notice), negatable=True, otherwise=text)


_MATCH_HELP = {
    "match": "Match values of peer",
    "identity": "Match peer identity",
    "address": "IP Address(es)",
    "<address>": "IP Address",
    "<mask>": "Address mask (default is host)",
    "<vrf>": "VRF name",
    "ipv6": "IPv6 address",
    "<prefix>": "IPv6 address/prefix",
    "host": "Match a hostname/domain",
    "domain": "Match a domain name",
    "<host_name>": "Fully qualified domain name",
    "<host_domain>": "Domain name",
    "user": "Match a user/domain",
    "<user_name>": "User as user@domain",
    "<user_domain>": "Domain name",
    "group": "Match a peer group",
    "<group_name>": "Group name",
}

#: The profile and its lines, in the order of rendering.
ISAKMP_PROFILES: tuple[Command, ...] = (
    Command(
        CONFIG,
        "crypto isakmp profile <name:word>",
        {
            "crypto": "Encryption module",
            "isakmp": "Configure ISAKMP policy",
            "profile": "Define ISAKMP Profiles",
            "<name>": "Name of the profile",
        },
        Section(
            mode=ISAKMP_PROFILE,
            open=_open,
            remove=_remove,
            get=lambda config, name: config.isakmp.profiles.get(name),
            put=_put,
            every=lambda config: tuple(config.isakmp.profiles),
            header=lambda name, _profile: f"crypto isakmp profile {name}",
            title=lambda name: f"crypto isakmp profile {name}",
        ),
        negatable=True,
        no="crypto isakmp profile <name:word>",
    ),
    setting(
        ISAKMP_PROFILE,
        "description <description:rest>",
        "description",
        {"description": "Specify a description of this profile", "<description>": "Description of profile"},
    ),
    setting(
        ISAKMP_PROFILE,
        "vrf <name:word>",
        "vrf",
        {"vrf": "Specify the VRF it is related to", "<name>": "VRF name"},
        note=lambda _match: (_NO_VRF,),
    ),
    Command(
        ISAKMP_PROFILE,
        "keyring <name:word>",
        {"keyring": "Specify keyring to use", "<name>": "Keyring name, default for the global keys"},
        Setting(_add_keyring, _remove_keyring, lambda profile: tuple(f"keyring {name}" for name in profile.keyrings)),
        negatable=True,
    ),
    setting(
        ISAKMP_PROFILE,
        "self-identity (address|fqdn [<name:host>]|user-fqdn <name:word>)",
        "self_identity",
        {
            "self-identity": "Specify Identity to use",
            "address": "Use the IP address of the interface for the identity",
            "fqdn": "Use the fully qualified domain name of the router",
            "user-fqdn": "Use a name of the form user@domain",
            "<name>": "The name to use",
        },
        read=_self_identity,
        text=_write_self,
    ),
    Command(
        ISAKMP_PROFILE,
        _IDENTITY,
        _MATCH_HELP,
        Setting(
            _add_identity,
            _remove_identity,
            lambda profile: tuple(f"match identity {write_identity(held)}" for held in profile.identities),
            note=lambda match: (_NO_VRF,) if "vrf" in match.args else (),
        ),
        negatable=True,
        no=_IDENTITY,
    ),
    setting(
        ISAKMP_PROFILE,
        "keepalive <interval:number(10-3600)> [retry <retries:number(2-60)>]",
        "keepalive",
        {
            "keepalive": "Set a keepalive interval for use with IOS peers",
            "<interval>": "Number of seconds between keepalives",
            "retry": "Specify the time between retries",
            "<retries>": "Number of seconds between retries if keepalive fails",
        },
        read=_keepalive,
        text=lambda keepalive: f"keepalive {keepalive.interval} retry {keepalive.retry}",
    ),
    setting(
        ISAKMP_PROFILE,
        "virtual-template <number:number(1-4095)>",
        "virtual_template",
        {
            "virtual-template": "Specify the virtual-template for dynamic interface creation",
            "<number>": "Virtual-Template interface number",
        },
    ),
    setting(
        ISAKMP_PROFILE,
        "local-address (<local_address:ipv4>|<local_address:interface(device)>)",
        "local_address",
        {"local-address": "Specify a local address for this profile", "<local_address>": "IP address or interface"},
        read=local_address,
    ),
    setting(
        ISAKMP_PROFILE,
        "initiate mode aggressive",
        "initiate_aggressive",
        {
            "initiate": "Initiator property",
            "mode": "IKE initiation mode",
            "aggressive": "Initiate aggressive mode",
        },
    ),
    _kept("accounting <words:rest>", "accounting is kept and not done here", "Kept, no accounting is done"),
    _kept("ca trust-point <name:word>", "ca trust-point is kept: certificates are not available", "Kept, not used"),
    _kept("qos-group <number:number(0-1023)>", "qos-group is kept and not done here", "Kept, not used"),
    refused(
        ISAKMP_PROFILE,
        "client authentication <words:rest>",
        "XAUTH is not available: peers are told apart by their keys and identities",
    ),
    refused(
        ISAKMP_PROFILE,
        "client (configuration|pki) <words:rest>",
        "Easy VPN clients are not available: a spoke is a router with a static VTI",
    ),
    refused(
        ISAKMP_PROFILE,
        "isakmp authorization <words:rest>",
        "keys of an AAA server are not available: name a keyring",
    ),
)
