"""`crypto ikev2 keyring`: peers and the keys they share with this router."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import cast

from seikan.config.commands.ikev2 import CRYPTO_IKEV2
from seikan.config.commands.interface import ENCRYPTED
from seikan.config.grammar import Command, Match
from seikan.config.handlers import ConfigError, Setting, named, refused, setting, write
from seikan.config.model_ikev2 import Ikev2Identity, Ikev2Keyring, Ikev2Peer, Network, PostQuantumKey
from seikan.config.modes import CONFIG, IKEV2_KEYRING, IKEV2_PEER
from seikan.wire.secret import Secret

NETWORK = "(<address:ipv4> [<mask:netmask>]|<prefix:prefix6>|<host6:ipv6>)"
NETWORK_HELP = {
    "<address>": "IPv4 Address",
    "<mask>": "Address mask (default is host)",
    "<prefix>": "IPv6 address/prefix",
    "<host6>": "IPv6 address",
}


def network(match: Match) -> Network:
    """What `NETWORK` took. `0.0.0.0` without a mask is everybody, as with keys of IKEv1."""
    args = match.args
    if "prefix" in args:
        return cast(IPv6Interface, args["prefix"]).network
    if "host6" in args:
        return IPv6Network(cast(IPv6Address, args["host6"]))
    address = cast(IPv4Address, args["address"])
    mask = cast(IPv4Address, args.get("mask", IPv4Address(0 if int(address) == 0 else 0xFFFFFFFF)))
    return IPv4Network(f"{address}/{mask}", strict=False)


def write_network(held: Network, *, bare_host: bool) -> str:
    """A network as IOS writes it: a host of a keyring stands without its mask (`bare_host`)."""
    if isinstance(held, IPv6Network):
        return str(held).upper()
    if bare_host and held.prefixlen == held.max_prefixlen:
        return str(held.network_address)
    return f"{held.network_address} {held.netmask}"


# --- a peer ----------------------------------------------------------------------------------------


def _add_network(peer: Ikev2Peer, match: Match) -> Ikev2Peer:
    """A peer has one network of each family: a new one takes the place of the old."""
    new = network(match)
    kept = (held for held in peer.networks if held.version != new.version)
    return replace(peer, networks=tuple(sorted((*kept, new), key=lambda held: held.version)))


def _remove_network(peer: Ikev2Peer, match: Match) -> Ikev2Peer:
    if not {"address", "prefix", "host6"} & set(match.args) or match.args.get("address") is True:
        return replace(peer, networks=())
    gone = network(match)
    if gone not in peer.networks:
        raise ConfigError(f"address {write_network(gone, bare_host=True)} is not configured")
    return replace(peer, networks=tuple(held for held in peer.networks if held != gone))


def _identity(match: Match) -> Ikev2Identity:
    kind = next(word for word in ("address", "fqdn", "email", "key-id") if word in match.canonical.split()[:2])
    value = match.args["value"]
    return Ikev2Identity(kind, value if isinstance(value, str) else str(value))


def write_value(identity: Ikev2Identity) -> str:
    """What stands behind `identity` or `identity local`."""
    value = identity.value
    if value is None:
        return identity.kind
    return f"{identity.kind} {value.upper() if identity.kind == 'address' else value}"


def _set_key(peer: Ikev2Peer, match: Match) -> Ikev2Peer:
    key = cast(Secret, match.args["key"])
    return replace(
        peer,
        local_key=peer.local_key if "remote" in match.args else key,
        remote_key=peer.remote_key if "local" in match.args else key,
    )


def _remove_key(peer: Ikev2Peer, match: Match) -> Ikev2Peer:
    return replace(
        peer,
        local_key=peer.local_key if "remote" in match.args else None,
        remote_key=peer.remote_key if "local" in match.args else None,
    )


def _render_key(peer: Ikev2Peer) -> Iterable[str]:
    if peer.local_key is not None and peer.local_key == peer.remote_key:
        yield f"pre-shared-key {write(peer.local_key)}"
        return
    for word, key in (("local", peer.local_key), ("remote", peer.remote_key)):
        if key is not None:
            yield f"pre-shared-key {word} {write(key)}"


def _ppk(match: Match) -> PostQuantumKey:
    args = match.args
    return PostQuantumKey(cast(str, args["id"]), cast(Secret, args["secret"]), "required" in args)


def _write_ppk(ppk: PostQuantumKey) -> str:
    return f"ppk manual id {ppk.identity} key {write(ppk.key)}{' required' if ppk.required else ''}"


_KEY_HELP = {
    "pre-shared-key": "specify the pre-shared key",
    "local": "specify signing key",
    "remote": "specify verifying key",
    "0": "Specifies an UNENCRYPTED password will follow",
    "<key>": "The UNENCRYPTED (cleartext) key",
}
_PPK_HELP = {
    "ppk": "Mix a post-quantum pre-shared key in (RFC 8784)",
    "manual": "A key that both ends are given by hand",
    "id": "The key's name, alike at both ends",
    "<id>": "Name of the key",
    "key": "Specify the key",
    "0": "Specifies an UNENCRYPTED password will follow",
    "<secret>": "The UNENCRYPTED (cleartext) key",
    "required": "No SA with a peer that does not have it",
}
_IDENTITY = "identity (address (<value:ipv4>|<value:ipv6>)|fqdn <value:host>|email <value:word>|key-id <value:word>)"

#: A keyring, its peers and their lines, in the order of rendering.
IKEV2_KEYRINGS: tuple[Command, ...] = (
    Command(
        CONFIG,
        "crypto ikev2 keyring <name:word>",
        {**CRYPTO_IKEV2, "keyring": "Define IKEv2 keyring", "<name>": "Name of IKEv2 keyring"},
        named(IKEV2_KEYRING, "crypto ikev2 keyring", "ikev2.keyrings", Ikev2Keyring),
        negatable=True,
        no="crypto ikev2 keyring <name:word>",
    ),
    Command(
        IKEV2_KEYRING,
        "peer <name:word>",
        {"peer": "Configure a peer and its keys", "<name>": "Name of the peer block"},
        named(IKEV2_PEER, "peer", "peers", Ikev2Peer),
        negatable=True,
        no="peer <name:word>",
    ),
    setting(
        IKEV2_PEER,
        "description <description:rest>",
        "description",
        {"description": "Specify a description of this peer", "<description>": "Description of peer"},
    ),
    Command(
        IKEV2_PEER,
        f"address {NETWORK}",
        {"address": "Specify IP address of peer", **NETWORK_HELP},
        Setting(
            _add_network,
            _remove_network,
            lambda peer: tuple(f"address {write_network(held, bare_host=True)}" for held in peer.networks),
        ),
        negatable=True,
        no=f"address [{NETWORK}]",
    ),
    setting(
        IKEV2_PEER,
        "hostname <hostname:host>",
        "hostname",
        {"hostname": "Hostname of peer", "<hostname>": "Hostname"},
    ),
    setting(
        IKEV2_PEER,
        _IDENTITY,
        "identity",
        {
            "identity": "Specify IKE identity to use",
            "address": "IPv4 or IPv6 address",
            "fqdn": "Fully qualified domain name string",
            "email": "Fully qualified email string",
            "key-id": "key-id opaque string",
            "<value>": "The peer's identity",
        },
        read=_identity,
        text=lambda identity: f"identity {write_value(identity)}",
    ),
    refused(
        IKEV2_PEER,
        "identity (fqdn|email) domain <words:rest>",
        "a key is that of one peer: type its whole name, as in identity fqdn site-a.example.com",
    ),
    Command(
        IKEV2_PEER,
        "pre-shared-key [local|remote] [0] <key:secret>",
        _KEY_HELP,
        Setting(_set_key, _remove_key, _render_key),
        negatable=True,
        no="pre-shared-key [local|remote] [[0] <key:secret>]",
    ),
    refused(IKEV2_PEER, "pre-shared-key [local|remote] 6 <key:rest>", ENCRYPTED),
    setting(
        IKEV2_PEER,
        "ppk manual id <id:word> key [0] <secret:secret> [required]",
        "ppk",
        _PPK_HELP,
        read=_ppk,
        text=_write_ppk,
    ),
    refused(IKEV2_PEER, "ppk manual id <id:word> key 6 <key:rest>", ENCRYPTED),
    refused(
        IKEV2_PEER, "ppk dynamic <words:rest>", "keys of a key server are not available: type ppk manual id … key …"
    ),
)
