"""Global `crypto isakmp …`, its policies and peers, and `crypto keyring`."""

from __future__ import annotations

import hmac
from collections.abc import Hashable, Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Interface
from typing import cast

from seikan.config.commands.interface import ENCRYPTED
from seikan.config.grammar import Command, Match
from seikan.config.handlers import (
    ConfigError,
    Section,
    Setting,
    change,
    device,
    refused,
    setting,
    switch,
    with_item,
    without_item,
    write,
)
from seikan.config.model import Config, IsakmpPeer, IsakmpPolicy, Keepalive, Keyring, PreSharedKey
from seikan.config.modes import CONFIG, ISAKMP, ISAKMP_PEER, KEYRING
from seikan.wire.constants import ENCRYPTIONS, HASHES, IKE_V1_GROUPS
from seikan.wire.secret import Secret

_CRYPTO = {"crypto": "Encryption module", "isakmp": "Configure ISAKMP policy"}

# --- crypto isakmp policy -------------------------------------------------------------------------

_CIPHERS = {row.ios_policy: row for row in ENCRYPTIONS if row.ios_policy}
_CIPHERS["aes 128"] = _CIPHERS["aes"]
_HASHES = {row.ios: row for row in HASHES}
_GROUPS = IKE_V1_GROUPS
_DEFAULT_HASH = "sha1"
_DEFAULT_GROUP = 1
_DEFAULT_AUTHENTICATION = "rsa-sig"


def _priority(match: Match) -> int:
    return cast(int, match.args["priority"])


def _open_policy(config: Config, match: Match) -> tuple[Config, Hashable]:
    priority = _priority(match)
    if priority not in config.isakmp.policies:
        config = _put_policy(config, priority, IsakmpPolicy(priority))
    return config, priority


def _put_policy(config: Config, priority: int, policy: IsakmpPolicy) -> Config:
    policies = with_item(config.isakmp.policies, priority, policy)
    return replace(config, isakmp=replace(config.isakmp, policies=policies))


def _remove_policy(config: Config, match: Match) -> Config:
    if _priority(match) not in config.isakmp.policies:
        raise ConfigError(f"ISAKMP policy {_priority(match)} is not configured")
    policies = without_item(config.isakmp.policies, _priority(match))
    return replace(config, isakmp=replace(config.isakmp, policies=policies))


def _cipher(match: Match) -> str | None:
    """The cipher's name; DES is the default of IOS and is not kept."""
    words = match.canonical.partition(" ")[2]
    return None if words == "des" else _CIPHERS[words].name


def _hash(match: Match) -> str | None:
    row = _HASHES[match.canonical.split()[1]]
    return None if row.name == _DEFAULT_HASH else row.name


def _group(match: Match) -> int | None:
    number = int(match.canonical.split()[1])
    return None if number == _DEFAULT_GROUP else number


def _authentication(match: Match) -> str | None:
    word = match.canonical.split()[1]
    return None if word == _DEFAULT_AUTHENTICATION else word


def _lifetime(match: Match) -> int | None:
    seconds = cast(int, match.args["lifetime"])
    return None if seconds == IsakmpPolicy.DEFAULT_LIFETIME else seconds


def _warn_cipher(match: Match) -> Iterable[str]:
    words = match.canonical.partition(" ")[2]
    if words == "des":
        return ("encryption des is never negotiated (RFC 8247: DES MUST NOT be used): choose aes",)
    return _weak(words, _CIPHERS[words].weak)


def _warn_hash(match: Match) -> Iterable[str]:
    word = match.canonical.split()[1]
    return _weak(f"hash {word}", _HASHES[word].weak)


def _warn_group(match: Match) -> Iterable[str]:
    number = int(match.canonical.split()[1])
    if number == _DEFAULT_GROUP:
        return ("group 1 is never negotiated (RFC 8247: group 1 MUST NOT be used): choose group 14 or higher",)
    return _weak(f"group {number}", _GROUPS[number].weak)


def _weak(what: str, why: str) -> Iterable[str]:
    return (f"{what} is weak: {why}",) if why else ()


_POLICY: tuple[Command, ...] = (
    setting(
        ISAKMP,
        "encryption (des|3des|aes [128|192|256])",
        "encryption",
        {
            "encryption": "Set encryption algorithm for protection suite",
            "des": "DES - Data Encryption Standard (56 bit keys), never negotiated",
            "3des": "Three key triple DES",
            "aes": "AES - Advanced Encryption Standard",
            "128": "128 bit keys",
            "192": "192 bit keys",
            "256": "256 bit keys",
        },
        read=_cipher,
        text=lambda name: next(f"encr {row.ios_policy}" for row in ENCRYPTIONS if row.name == name),
        warn=_warn_cipher,
    ),
    setting(
        ISAKMP,
        f"hash ({'|'.join(_HASHES)})",
        "hash",
        {
            "hash": "Set hash algorithm for protection suite",
            "sha": "Secure Hash Standard",
            "sha256": "Secure Hash Standard 2 (256 bit)",
            "sha384": "Secure Hash Standard 2 (384 bit)",
            "sha512": "Secure Hash Standard 2 (512 bit)",
            "md5": "Message Digest 5",
        },
        read=_hash,
        text=lambda name: next(f"hash {row.ios}" for row in HASHES if row.name == name),
        warn=_warn_hash,
    ),
    setting(
        ISAKMP,
        "authentication (pre-share|rsa-encr|rsa-sig)",
        "authentication",
        {
            "authentication": "Set authentication method for protection suite",
            "pre-share": "Pre-Shared Key",
            "rsa-encr": "Rivest-Shamir-Adleman Encryption, not negotiated",
            "rsa-sig": "Rivest-Shamir-Adleman Signature, not negotiated",
        },
        read=_authentication,
        text=lambda word: f"authentication {word}",
        warn=lambda match: (
            () if "pre-share" in match.args else ("only authentication pre-share is negotiated with IKEv1",)
        ),
    ),
    setting(
        ISAKMP,
        f"group (1|{'|'.join(str(number) for number in _GROUPS)})",
        "group",
        {
            "group": "Set the Diffie-Hellman group",
            "1": "Diffie-Hellman group 1 (768 bit), never negotiated",
            **{
                str(row.number): f"Diffie-Hellman group {row.number} ({row.name}{', weak' if row.weak else ''})"
                for row in _GROUPS.values()
            },
        },
        read=_group,
        text=lambda number: f"group {number}",
        warn=_warn_group,
    ),
    setting(
        ISAKMP,
        "lifetime <lifetime:number(60-86400)>",
        "lifetime",
        {"lifetime": "Set lifetime for ISAKMP security association", "<lifetime>": "lifetime in seconds"},
        read=_lifetime,
        text=lambda seconds: f"lifetime {seconds}",
    ),
)

# --- pre-shared keys -------------------------------------------------------------------------------

_EVERYONE = IPv4Network("0.0.0.0/0")


def _pre_shared_key(match: Match) -> PreSharedKey:
    args = match.args
    network = None
    address = cast("IPv4Address | None", args.get("address"))
    if address is not None:
        # `address 0.0.0.0` without a mask is every peer.
        mask = cast(IPv4Address, args.get("mask", IPv4Address(0 if int(address) == 0 else 0xFFFFFFFF)))
        network = IPv4Network(f"{address}/{mask}", strict=False)
    return PreSharedKey(
        key=cast(Secret, args.get("key", Secret())),
        network=network,
        ipv6_address=cast("IPv6Interface | None", args.get("prefix")),
        hostname=cast("str | None", args.get("hostname")),
        no_xauth="no-xauth" in args,
    )


def _peers(key: PreSharedKey) -> tuple[object, ...]:
    """Whom a key is for: a second key for the same replaces the first."""
    return key.network, key.ipv6_address, key.hostname


def _write_peers(key: PreSharedKey) -> str:
    if key.hostname is not None:
        return f"hostname {key.hostname}"
    if key.ipv6_address is not None:
        return f"address ipv6 {str(key.ipv6_address).upper()}"
    assert key.network is not None
    host = key.network.prefixlen == 32 and int(key.network.network_address) != 0
    if key.network == _EVERYONE or host:
        return f"address {key.network.network_address}"
    return f"address {key.network.network_address} {key.network.netmask}"


def _with_key(keys: tuple[PreSharedKey, ...], key: PreSharedKey) -> tuple[PreSharedKey, ...]:
    if any(_peers(held) == _peers(key) for held in keys):
        return tuple(key if _peers(held) == _peers(key) else held for held in keys)
    return (*keys, key)


def _without_key(keys: tuple[PreSharedKey, ...], match: Match) -> tuple[PreSharedKey, ...]:
    """`keys` without the one that the line names. A key that is typed has to be the one that is held."""
    named = _pre_shared_key(match)
    gone = [held for held in keys if _peers(held) == _peers(named)]
    if not gone or ("key" in match.args and not hmac.compare_digest(gone[0].key, named.key)):
        raise ConfigError(f"No such key for {_write_peers(named).partition(' ')[2]}")
    return tuple(held for held in keys if held not in gone)


def _add_key(config: Config, match: Match) -> Config:
    keys = _with_key(config.isakmp.keys, _pre_shared_key(match))
    return replace(config, isakmp=replace(config.isakmp, keys=keys))


def _remove_key(config: Config, match: Match) -> Config:
    keys = _without_key(config.isakmp.keys, match)
    return replace(config, isakmp=replace(config.isakmp, keys=keys))


def _render_keys(config: Config) -> Iterable[str]:
    for key in config.isakmp.keys:
        yield f"crypto isakmp key {write(key.key)} {_write_peers(key)}" + (" no-xauth" if key.no_xauth else "")


_PEER_SYNTAX = "(address (<address:ipv4> [<mask:netmask>]|ipv6 <prefix:prefix6>)|hostname <hostname:host>)"
_KEY_HELP = {
    "address": "define shared key with IP address",
    "hostname": "define shared key with hostname",
    "<address>": "Peer IP address",
    "<mask>": "Peer IP subnet mask",
    "ipv6": "define shared key with IPv6 address",
    "<prefix>": "IPv6 address/prefix",
    "<hostname>": "Peer hostname",
    "0": "Specifies an UNENCRYPTED password will follow",
    "<key>": "The UNENCRYPTED (cleartext) user password",
    "no-xauth": "Bypasses XAuth for this peer",
}


def local_address(match: Match) -> IPv4Address | str:
    """The address or the interface behind `local-address`."""
    local = cast("IPv4Address | str", match.args["local_address"])
    return device(local) if isinstance(local, str) else local


def _keyring_name(match: Match) -> str:
    return cast(str, match.args["name"])


def _open_keyring(config: Config, match: Match) -> tuple[Config, Hashable]:
    name, vrf = _keyring_name(match), cast("str | None", match.args.get("vrf"))
    keyring = config.keyrings.get(name, Keyring(name, vrf=vrf))
    if keyring.vrf != vrf:
        raise ConfigError(f"keyring {name} exists with {'vrf ' + keyring.vrf if keyring.vrf else 'no vrf'}")
    return _put_keyring(config, name, keyring), name


def _put_keyring(config: Config, name: str, keyring: Keyring) -> Config:
    return replace(config, keyrings=with_item(config.keyrings, name, keyring))


def _remove_keyring(config: Config, match: Match) -> Config:
    if _keyring_name(match) not in config.keyrings:
        raise ConfigError(f"keyring {_keyring_name(match)} is not configured")
    return replace(config, keyrings=without_item(config.keyrings, _keyring_name(match)))


def _render_keyring_keys(keyring: Keyring) -> Iterable[str]:
    for key in keyring.keys:
        yield f"pre-shared-key {_write_peers(key)} key {write(key.key)}"


_KEYRING: tuple[Command, ...] = (
    Command(
        CONFIG,
        "crypto keyring <name:word> [vrf <vrf:word>]",
        {"crypto": "Encryption module", "keyring": "Key ring commands", "<name>": "Name of the keyring", "vrf": "VRF"},
        Section(
            mode=KEYRING,
            open=_open_keyring,
            remove=_remove_keyring,
            get=lambda config, name: config.keyrings.get(name),
            put=_put_keyring,
            every=lambda config: tuple(config.keyrings),
            header=lambda _key, keyring: (
                f"crypto keyring {keyring.name}" + (f" vrf {keyring.vrf}" if keyring.vrf else "")
            ),
            title=lambda name: f"crypto keyring {name}",
        ),
        negatable=True,
        no="crypto keyring <name:word> [vrf <vrf:word>]",
    ),
    setting(
        KEYRING,
        "description <description:rest>",
        "description",
        {"description": "Specify a description of this keyring", "<description>": "Description of keyring"},
    ),
    setting(
        KEYRING,
        "local-address (<local_address:ipv4>|<local_address:interface(device)>)",
        "local_address",
        {"local-address": "Specify a local address for this keyring", "<local_address>": "IP address or interface"},
        read=local_address,
    ),
    Command(
        KEYRING,
        f"pre-shared-key {_PEER_SYNTAX} key [0] <key:secret>",
        {"pre-shared-key": "Pre-shared key", "key": "Specify the key", **_KEY_HELP},
        Setting(
            lambda keyring, match: replace(keyring, keys=_with_key(keyring.keys, _pre_shared_key(match))),
            lambda keyring, match: replace(keyring, keys=_without_key(keyring.keys, match)),
            _render_keyring_keys,
        ),
        negatable=True,
        no=f"pre-shared-key {_PEER_SYNTAX} [key [[0] <key:secret>]]",
    ),
    refused(KEYRING, f"pre-shared-key {_PEER_SYNTAX} key (6|7) <key:rest>", ENCRYPTED),
)

# --- crypto isakmp peer ----------------------------------------------------------------------------


def _peer_address(match: Match) -> IPv4Address:
    return cast(IPv4Address, match.args["address"])


def _find_peer(config: Config, address: IPv4Address) -> IsakmpPeer | None:
    return next((peer for peer in config.isakmp.peers if peer.address == address), None)


def _put_peer(config: Config, address: IPv4Address, peer: IsakmpPeer) -> Config:
    kept = [held for held in config.isakmp.peers if held.address != address]
    peers = tuple(sorted([*kept, peer], key=lambda held: (held.address.version, int(held.address))))
    return replace(config, isakmp=replace(config.isakmp, peers=peers))


def _open_peer(config: Config, match: Match) -> tuple[Config, Hashable]:
    address = _peer_address(match)
    return _put_peer(config, address, _find_peer(config, address) or IsakmpPeer(address)), address


def _remove_peer(config: Config, match: Match) -> Config:
    address = _peer_address(match)
    if _find_peer(config, address) is None:
        raise ConfigError(f"ISAKMP peer {address} is not configured")
    peers = tuple(held for held in config.isakmp.peers if held.address != address)
    return replace(config, isakmp=replace(config.isakmp, peers=peers))


_AGGRESSIVE = {"set": "Set the parameters of the peer", "aggressive-mode": "Aggressive mode attributes"}
_PEER: tuple[Command, ...] = (
    Command(
        CONFIG,
        "crypto isakmp peer address <address:ipv4>",
        {**_CRYPTO, "peer": "Set Peer Policy", "address": "IP Address", "<address>": "Peer's IP address"},
        Section(
            mode=ISAKMP_PEER,
            open=_open_peer,
            remove=_remove_peer,
            get=_find_peer,
            put=_put_peer,
            every=lambda config: tuple(peer.address for peer in config.isakmp.peers),
            header=lambda _key, peer: f"crypto isakmp peer address {peer.address}",
            title=lambda address: f"crypto isakmp peer address {address}",
        ),
        negatable=True,
        no="crypto isakmp peer address <address:ipv4>",
    ),
    setting(
        ISAKMP_PEER,
        "set aggressive-mode password [0] <aggressive_password:secret>",
        "aggressive_password",
        {**_AGGRESSIVE, "password": "Specify the pre-shared key", "0": "Specifies an UNENCRYPTED password will follow"},
        text=lambda key: f"set aggressive-mode password {write(key)}",
    ),
    refused(ISAKMP_PEER, "set aggressive-mode password (6|7) <key:rest>", ENCRYPTED),
    setting(
        ISAKMP_PEER,
        "set aggressive-mode client-endpoint (fqdn <name:word>|user-fqdn <name:word>|ipv4-address <address:ipv4>)",
        "client_endpoint",
        {
            **_AGGRESSIVE,
            "client-endpoint": "Specify the identity this router sends",
            "fqdn": "A fully qualified domain name",
            "user-fqdn": "A name of the form user@domain",
            "ipv4-address": "An IPv4 address",
        },
        read=lambda match: match.canonical.removeprefix("set aggressive-mode client-endpoint "),
        text=lambda words: f"set aggressive-mode client-endpoint {words}",
    ),
)

# --- the rest of crypto isakmp ---------------------------------------------------------------------


def _keepalive(match: Match) -> Keepalive:
    args = match.args
    return Keepalive(cast(int, args["interval"]), cast(int, args.get("retry", 2)), "periodic" in args)


def _write_keepalive(keepalive: Keepalive) -> str:
    retry = "" if keepalive.retry == 2 else f" {keepalive.retry}"
    return f"crypto isakmp keepalive {keepalive.interval}{retry}{' periodic' if keepalive.periodic else ''}"


_ADMISSION = {
    "crypto": "Encryption module",
    "call": "Configure Crypto Call Admission Control",
    "admission": "Configure Crypto Call Admission Control",
    "limit": "Configure Crypto Call admission Control Limit",
    "ike": "Configure IKE call admission control limits",
}
_LIMITS: tuple[Command, ...] = (
    setting(
        CONFIG,
        "crypto call admission limit ike sa <sas:number(0-99999)>",
        "isakmp.max_sas",
        {
            **_ADMISSION,
            "sa": "Maximum IKE SAs allowed before IKE starts rejecting new requests",
            "<sas>": "Number of SAs, 0 for no limit",
        },
        read=lambda match: match.args["sas"] or None,
    ),
    setting(
        CONFIG,
        "crypto call admission limit ike in-negotiation-sa <sas:number(10-99999)>",
        "isakmp.max_negotiating",
        {
            **_ADMISSION,
            "in-negotiation-sa": "Maximum in-negotiation SAs allowed before IKE starts rejecting new requests",
            "<sas>": "Number of SAs in negotiation",
        },
    ),
)

#: In the order of rendering.
ISAKMP_COMMANDS: tuple[Command, ...] = (
    *_LIMITS,
    *_KEYRING,
    Command(
        CONFIG,
        "crypto isakmp policy <priority:number(1-10000)>",
        {
            **_CRYPTO,
            "policy": "Set policy for an ISAKMP protection suite",
            "<priority>": "Priority of protection suite",
        },
        Section(
            mode=ISAKMP,
            open=_open_policy,
            remove=_remove_policy,
            get=lambda config, priority: config.isakmp.policies.get(priority),
            put=_put_policy,
            every=lambda config: sorted(config.isakmp.policies),
            header=lambda _key, policy: f"crypto isakmp policy {policy.priority}",
            title=lambda priority: f"crypto isakmp policy {priority}",
        ),
        negatable=True,
        no="crypto isakmp policy <priority:number(1-10000)>",
    ),
    *_POLICY,
    switch(CONFIG, "crypto isakmp enable", "isakmp.enabled", {**_CRYPTO, "enable": "Enable ISAKMP"}),
    setting(
        CONFIG,
        "crypto isakmp identity (address|hostname|dn)",
        "isakmp.identity",
        {
            **_CRYPTO,
            "identity": "Set the identity which ISAKMP will use",
            "address": "Use the IP address of the interface for the identity",
            "hostname": "Use the hostname of the router for the identity",
            "dn": "Use the distinguished name of the router cert for the identity",
        },
        read=lambda match: match.canonical.split()[-1],
        text=lambda word: f"crypto isakmp identity {word}",
        initial="address",
    ),
    Command(
        CONFIG,
        f"crypto isakmp key [0] <key:secret> {_PEER_SYNTAX} [no-xauth]",
        {**_CRYPTO, "key": "Set pre-shared key for remote peer", **_KEY_HELP},
        Setting(_add_key, _remove_key, _render_keys),
        negatable=True,
        no=f"crypto isakmp key [0] <key:secret> {_PEER_SYNTAX} [no-xauth]",
    ),
    refused(CONFIG, "crypto isakmp key (6|7) <key:rest>", ENCRYPTED),
    Command(
        CONFIG,
        "crypto isakmp aggressive-mode disable",
        {**_CRYPTO, "aggressive-mode": "Disable ISAKMP aggressive mode", "disable": "Disable ISAKMP aggressive mode"},
        Setting(
            lambda config, _match: change(config, "isakmp.aggressive_mode", False),
            lambda config, _match: change(config, "isakmp.aggressive_mode", True),
            lambda config: ("no crypto isakmp aggressive-mode disable",) if config.isakmp.aggressive_mode else (),
            reset=lambda config, _match: change(config, "isakmp.aggressive_mode", False),
        ),
        negatable=True,
    ),
    setting(
        CONFIG,
        "crypto isakmp keepalive <interval:number(10-3600)> [<retry:number(2-60)>] [periodic|on-demand]",
        "isakmp.keepalive",
        {
            **_CRYPTO,
            "keepalive": "Set a keepalive interval for use with IOS peers",
            "<interval>": "Number of seconds between keepalives",
            "<retry>": "Number of seconds between retries if keepalive fails",
            "periodic": "DPD messages sent at regular intervals",
            "on-demand": "DPD messages sent only as needed (default)",
        },
        read=_keepalive,
        text=_write_keepalive,
    ),
    setting(
        CONFIG,
        "crypto isakmp nat keepalive (0|<seconds:number(5-3600)>)",
        "isakmp.nat_keepalive",
        {
            **_CRYPTO,
            "nat": "Set a nat keepalive interval for use with IOS peers",
            "keepalive": "Set a nat keepalive interval for use with IOS peers",
            "<seconds>": "Number of seconds between nat keepalives",
            "0": "Send none",
        },
        read=lambda match: match.args.get("seconds", 0),
        text=lambda seconds: f"crypto isakmp nat keepalive {seconds}",
    ),
    setting(
        CONFIG,
        "crypto isakmp invalid-spi-recovery",
        "isakmp.invalid_spi_recovery",
        {**_CRYPTO, "invalid-spi-recovery": "Initiate IKE and send Invalid SPI Notify"},
    ),
    setting(
        CONFIG,
        "crypto isakmp fragmentation",
        "isakmp.fragmentation",
        {**_CRYPTO, "fragmentation": "IKE fragmentation enabled if required"},
    ),
    *_PEER,
)
