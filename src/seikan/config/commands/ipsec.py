"""`crypto ipsec …`: transform sets, profiles and what holds for all; `crypto logging session`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

from seikan.config.grammar import Command, Match
from seikan.config.handlers import (
    ConfigError,
    Section,
    Setting,
    change,
    refused,
    setting,
    switch,
    with_item,
    without_item,
)
from seikan.config.model import Config, IpsecProfile, TransformSet
from seikan.config.modes import CONFIG, IPSEC_PROFILE, TRANSFORM
from seikan.wire.constants import ENCRYPTIONS, GROUPS, INTEGRITIES, Encryption, Group, Integrity

_CRYPTO = {"crypto": "Encryption module", "ipsec": "Configure IPSEC policy"}

# --- crypto ipsec transform-set --------------------------------------------------------------------

_NO_3DES = "esp-3des is not available (RFC 8221: 3DES SHOULD NOT be used): choose esp-aes or esp-gcm"
#: Transforms of IOS that are recognised in order to say why they are refused.
_REFUSED = {
    "esp-3des": _NO_3DES,
    "esp-des": "esp-des is not available (RFC 8221: DES MUST NOT be used): choose esp-aes or esp-gcm",
    "esp-seal": "esp-seal is not available: choose esp-aes or esp-gcm",
    "esp-gmac": "esp-gmac is not available: choose esp-gcm",
    "esp-md5-hmac": "esp-md5-hmac is not available (RFC 8221: MD5 MUST NOT be used): choose esp-sha256-hmac",
    "ah-md5-hmac": "AH is not available: choose an esp transform",
    "ah-sha-hmac": "AH is not available: choose an esp transform",
    "ah-sha256-hmac": "AH is not available: choose an esp transform",
    "ah-sha384-hmac": "AH is not available: choose an esp transform",
    "ah-sha512-hmac": "AH is not available: choose an esp transform",
    "comp-lzs": "compression is not available",
}
_CIPHERS = {row.ios_transform: row for row in ENCRYPTIONS if row.ios_transform not in _REFUSED}
_CIPHERS["esp-aes 128"] = _CIPHERS["esp-aes"]
_CIPHERS["esp-gcm 128"] = _CIPHERS["esp-gcm"]
_INTEGRITIES = {row.ios: row for row in INTEGRITIES}
_SIZES = ("128", "192", "256")
_TRANSFORMS = "|".join(
    ("esp-aes [128|192|256]", "esp-gcm [128|192|256]", "esp-chacha20-poly1305", "esp-null", *_INTEGRITIES, *_REFUSED)
)


def _name(match: Match) -> str:
    return cast(str, match.args["name"])


def _transforms(words: Sequence[str]) -> tuple[Encryption | None, Integrity | None]:
    """The cipher and the integrity that the words of a transform set name, in any order."""
    encryption: Encryption | None = None
    integrity: Integrity | None = None
    for at, word in enumerate(words):
        if word in _SIZES:
            continue
        if word in _REFUSED:
            raise ConfigError(_REFUSED[word])
        if word in _INTEGRITIES:
            if integrity is not None:
                raise ConfigError(f"a transform set has one integrity algorithm: {integrity.ios} or {word}")
            integrity = _INTEGRITIES[word]
            continue
        if encryption is not None:
            raise ConfigError(f"a transform set has one cipher: {encryption.ios_transform} or {word}")
        sized = f"{word} {words[at + 1]}" if at + 1 < len(words) and words[at + 1] in _SIZES else word
        encryption = _CIPHERS[sized]
    return encryption, integrity


def check_transforms(encryption: Encryption | None, integrity: Integrity | None) -> str | None:
    """Why the two do not make a transform set that protects anything, or None (RFC 8221 section 4)."""
    if encryption is None:
        return "a transform set needs a cipher: esp-aes, esp-gcm or esp-null"
    if encryption.aead:
        return (
            None
            if integrity is None
            else f"{encryption.ios_transform} brings its own integrity: leave {integrity.ios} out"
        )
    if integrity is None:
        return f"{encryption.ios_transform} alone is not authenticated (RFC 8221): add esp-sha256-hmac, or use esp-gcm"
    return None


def _open_set(config: Config, match: Match) -> tuple[Config, Hashable]:
    name = _name(match)
    words = match.canonical.split()[4:]
    held = config.ipsec.transform_sets.get(name)
    if not words:
        if held is None:
            raise ConfigError(
                f"transform set {name} does not exist: name its transforms, as in esp-aes esp-sha256-hmac"
            )
        return config, name
    encryption, integrity = _transforms(words)
    problem = check_transforms(encryption, integrity)
    if problem is not None:
        raise ConfigError(problem)
    transport = held is not None and held.transport
    return _put_set(config, name, TransformSet(name, encryption, integrity, transport)), name


def _put_set(config: Config, name: str, transform_set: TransformSet) -> Config:
    sets = with_item(config.ipsec.transform_sets, name, transform_set)
    return replace(config, ipsec=replace(config.ipsec, transform_sets=sets))


def _remove_set(config: Config, match: Match) -> Config:
    if _name(match) not in config.ipsec.transform_sets:
        raise ConfigError(f"transform set {_name(match)} is not configured")
    sets = without_item(config.ipsec.transform_sets, _name(match))
    return replace(config, ipsec=replace(config.ipsec, transform_sets=sets))


def _write_set(transform_set: TransformSet) -> str:
    words = [f"crypto ipsec transform-set {transform_set.name}"]
    words += [transform_set.encryption.ios_transform] if transform_set.encryption else []
    words += [transform_set.integrity.ios] if transform_set.integrity else []
    return " ".join(words)


def _warn_set(_before: Config, match: Match) -> Iterable[str]:
    encryption, integrity = _transforms(match.canonical.split()[4:])
    for word, row in (
        (encryption.ios_transform if encryption else "", encryption),
        (integrity.ios if integrity else "", integrity),
    ):
        if row is not None and row.weak:
            yield f"{word} is weak: {row.weak}"


_TRANSFORM_SET: tuple[Command, ...] = (
    Command(
        CONFIG,
        f"crypto ipsec transform-set <name:word> [{_TRANSFORMS}]...",
        {
            **_CRYPTO,
            "transform-set": "Define transform and settings",
            "<name>": "Transform set tag",
            "esp-aes": "ESP transform using AES cipher",
            "esp-gcm": "ESP transform using GCM cipher",
            "esp-chacha20-poly1305": "ESP transform using ChaCha20-Poly1305 cipher (RFC 7634), with IKEv2",
            "esp-null": "ESP transform w/o cipher",
            **{
                word: f"not available{': ' + why.split(': ')[-1] if ':' in why else ''}"
                for word, why in _REFUSED.items()
            },
            **{row.ios: f"ESP transform using {row.name.upper()} auth" for row in INTEGRITIES},
            **{size: f"{size} bit keys" for size in _SIZES},
        },
        Section(
            mode=TRANSFORM,
            open=_open_set,
            remove=_remove_set,
            get=lambda config, name: config.ipsec.transform_sets.get(name),
            put=_put_set,
            every=lambda config: tuple(config.ipsec.transform_sets),
            header=lambda _key, transform_set: _write_set(transform_set),
            title=lambda name: f"crypto ipsec transform-set {name}",
            warn=_warn_set,
        ),
        negatable=True,
        no="crypto ipsec transform-set <name:word> [<transforms:rest>]",
    ),
    # `mode tunnel` is written although it is the default, as IOS 15 does.
    Command(
        TRANSFORM,
        "mode (tunnel|transport)",
        {
            "mode": "encapsulation mode (transport/tunnel)",
            "tunnel": "tunnel (datagram encapsulation) mode",
            "transport": "transport (payload encapsulation) mode",
        },
        Setting(
            lambda transform_set, match: replace(transform_set, transport="transport" in match.args),
            lambda transform_set, _match: replace(transform_set, transport=False),
            lambda transform_set: (f"mode {'transport' if transform_set.transport else 'tunnel'}",),
        ),
        negatable=True,
    ),
)

# --- crypto ipsec profile --------------------------------------------------------------------------

_GROUPS = {row.number: row for row in GROUPS if not row.kem}
_LIFETIME = {
    "security-association": "Security association parameters",
    "lifetime": "security association lifetime",
    "seconds": "Time-based key duration in seconds",
    "<seconds>": "Security association duration in seconds",
    "kilobytes": "Volume-based key duration",
    "<kilobytes>": "Security association duration in kilobytes encrypted",
    "disable": "Disable",
    "replay": "Set replay checking",
    "window-size": "Set replay window size",
}
_WINDOWS = "64|128|256|512|1024|2048|4096"
_WINDOW_HELP = {size: f"{size} packets" for size in _WINDOWS.split("|")}


def _open_profile(config: Config, match: Match) -> tuple[Config, Hashable]:
    name = _name(match)
    if name not in config.ipsec.profiles:
        config = _put_profile(config, name, IpsecProfile(name))
    return config, name


def _put_profile(config: Config, name: str, profile: IpsecProfile) -> Config:
    profiles = with_item(config.ipsec.profiles, name, profile)
    return replace(config, ipsec=replace(config.ipsec, profiles=profiles))


def _remove_profile(config: Config, match: Match) -> Config:
    if _name(match) not in config.ipsec.profiles:
        raise ConfigError(f"IPsec profile {_name(match)} is not configured")
    users = [
        interface.name
        for interface in config.interfaces.values()
        if interface.tunnel is not None and interface.tunnel.protection == _name(match)
    ]
    if users:
        raise ConfigError(f"Profile {_name(match)} is in use by {', '.join(users)}. Remove it there first")
    profiles = without_item(config.ipsec.profiles, _name(match))
    return replace(config, ipsec=replace(config.ipsec, profiles=profiles))


def _set_names(target: Any, match: Match) -> Any:
    names = cast("tuple[str, ...]", match.args["names"])
    if len(names) > 6:
        raise ConfigError("six transform sets at most can be named")
    return replace(target, transform_sets=tuple(dict.fromkeys(names)))


_DEFAULT_PFS_GROUP = 14


def _pfs_group(match: Match) -> int:
    named = match.canonical.removeprefix("set pfs").strip()
    return int(named.removeprefix("group")) if named else _DEFAULT_PFS_GROUP


def _group_help(row: Group) -> str:
    remarks = (row.name, "weak" if row.weak else "", "" if row.ike_v1 else "IKEv2 only")
    return f"D-H Group{row.number} ({', '.join(word for word in remarks if word)})"


def _note_pfs(match: Match) -> Iterable[str]:
    if match.canonical == "set pfs":
        yield f"set pfs without a group takes group{_DEFAULT_PFS_GROUP} (IOS takes group1): the peer must have the same"


def _warn_pfs(match: Match) -> Iterable[str]:
    row = _GROUPS[_pfs_group(match)]
    return (f"set pfs group{row.number} is weak: {row.weak}",) if row.weak else ()


def _window(match: Match) -> int:
    return 0 if "disable" in match.args else int(match.canonical.split()[-1])


def limits(mode: str, prefix: str, path: str, help: dict[str, str]) -> tuple[Command, ...]:
    """The lifetime and replay rows, alike for profiles, crypto maps and all of IPsec."""

    def replay(window: int) -> str:
        return f"{prefix} replay {f'window-size {window}' if window else 'disable'}"

    seconds = setting(
        mode,
        f"{prefix} lifetime seconds <seconds:number(120-86400)>",
        f"{path}lifetime_seconds",
        {**help, **_LIFETIME},
    )

    def no_lifetime(target: Any, match: Match) -> Any:
        """`no … lifetime` takes both lifetimes away, `no … lifetime seconds` the one."""
        target = change(target, f"{path}lifetime_seconds", None)
        return target if "seconds" in match.canonical.split() else change(target, f"{path}lifetime_kilobytes", None)

    return (
        replace(
            seconds,
            handler=replace(cast(Setting, seconds.handler), remove=no_lifetime, reset=no_lifetime),
            no=f"{prefix} lifetime [seconds [<seconds:number(120-86400)>]]",
        ),
        setting(
            mode,
            f"{prefix} lifetime kilobytes (disable|<kilobytes:number(2560-4294967295)>)",
            f"{path}lifetime_kilobytes",
            {**help, **_LIFETIME},
            read=lambda match: match.args.get("kilobytes", 0),
            text=lambda kilobytes: f"{prefix} lifetime kilobytes {kilobytes or 'disable'}",
        ),
        setting(
            mode,
            f"{prefix} replay (window-size ({_WINDOWS})|disable)",
            f"{path}replay_window",
            {**help, **_LIFETIME, **_WINDOW_HELP},
            read=_window,
            text=replay,
            warn=lambda match: (
                ("without the replay check a captured packet can be sent again (RFC 4303 section 3.4.3)",)
                if "disable" in match.args
                else ()
            ),
        ),
    )


_SET = {"set": "Set values for encryption/decryption"}


def phase_two(mode: str) -> tuple[Command, ...]:
    """The rows for transform sets, PFS and IKE's profile, alike for an IPsec profile and a crypto map's entry."""
    return (
        Command(
            mode,
            "set transform-set <names:word>...",
            {**_SET, "transform-set": "Specify list of transform sets in priority order", "<names>": "Proposal tag"},
            Setting(
                _set_names,
                lambda target, _match: replace(target, transform_sets=()),
                lambda target: (
                    (f"set transform-set {' '.join(target.transform_sets)}",) if target.transform_sets else ()
                ),
            ),
            negatable=True,
        ),
        setting(
            mode,
            f"set pfs [{'|'.join(f'group{number}' for number in _GROUPS)}]",
            "pfs_group",
            {
                **_SET,
                "pfs": "Specify pfs settings",
                **{f"group{row.number}": _group_help(row) for row in _GROUPS.values()},
            },
            read=_pfs_group,
            text=lambda number: f"set pfs group{number}",
            warn=_warn_pfs,
            note=_note_pfs,
        ),
        refused(mode, "set pfs group1", "group1 is not available (RFC 8247: MUST NOT be used): choose group14"),
        refused(mode, "set pfs group24", "group24 is not available (RFC 8247: SHOULD NOT be used): choose group14"),
        setting(
            mode,
            "set isakmp-profile <isakmp_profile:word>",
            "isakmp_profile",
            {**_SET, "isakmp-profile": "Specify isakmp Profile", "<isakmp_profile>": "Isakmp profile name"},
        ),
        setting(
            mode,
            "set ikev2-profile <ikev2_profile:word>",
            "ikev2_profile",
            {**_SET, "ikev2-profile": "Specify ikev2 Profile", "<ikev2_profile>": "Ikev2 profile name"},
        ),
    )


_PROFILE: tuple[Command, ...] = (
    Command(
        CONFIG,
        "crypto ipsec profile <name:word>",
        {**_CRYPTO, "profile": "Configure an ipsec policy profile", "<name>": "Profile name"},
        Section(
            mode=IPSEC_PROFILE,
            open=_open_profile,
            remove=_remove_profile,
            get=lambda config, name: config.ipsec.profiles.get(name),
            put=_put_profile,
            every=lambda config: tuple(config.ipsec.profiles),
            header=lambda _key, profile: f"crypto ipsec profile {profile.name}",
            title=lambda name: f"crypto ipsec profile {name}",
        ),
        negatable=True,
        no="crypto ipsec profile <name:word>",
    ),
    setting(
        IPSEC_PROFILE,
        "description <description:rest>",
        "description",
        {"description": "Description of the ipsec profile", "<description>": "Description"},
    ),
    *limits(IPSEC_PROFILE, "set security-association", "", _SET),
    *phase_two(IPSEC_PROFILE),
    setting(
        IPSEC_PROFILE,
        "set mixed-mode",
        "mixed_mode",
        {**_SET, "mixed-mode": "Carry IPv4 and IPv6 through the same tunnel, with IKEv2"},
    ),
    setting(
        IPSEC_PROFILE,
        "responder-only",
        "responder_only",
        {"responder-only": "Do not initiate SAs from this device"},
    ),
)

# --- the rest of crypto ipsec ----------------------------------------------------------------------

#: In the order of rendering.
IPSEC_COMMANDS: tuple[Command, ...] = (
    setting(
        CONFIG,
        "crypto logging session",
        "logging.session_status",
        {
            "crypto": "Encryption module",
            "logging": "logging messages",
            "session": "logging up/down session",
        },
    ),
    *limits(CONFIG, "crypto ipsec security-association", "ipsec.", _CRYPTO),
    setting(
        CONFIG,
        "crypto ipsec security-association idle-time <seconds:number(60-86400)>",
        "ipsec.idle_time",
        {
            **_CRYPTO,
            "security-association": "Security association parameters",
            "idle-time": "Delete SAs of crypto maps that carry nothing for this time",
            "<seconds>": "Idle time in seconds",
        },
    ),
    *_TRANSFORM_SET,
    setting(
        CONFIG,
        "crypto ipsec df-bit (clear|copy|set)",
        "ipsec.df_bit",
        {
            **_CRYPTO,
            "df-bit": "Handling of encapsulated DF bit",
            "clear": "Clear DF bit of outer header",
            "copy": "Copy DF bit from inner header (default)",
            "set": "Set DF bit in outer header",
        },
        read=lambda match: None if "copy" in match.args else match.canonical.split()[-1],
        text=lambda word: f"crypto ipsec df-bit {word}",
    ),
    switch(
        CONFIG,
        "crypto ipsec nat-transparency udp-encapsulation",
        "ipsec.nat_transparency",
        {
            **_CRYPTO,
            "nat-transparency": "IPsec NAT transparency model",
            "udp-encapsulation": "UDP encapsulation of IPsec packets",
        },
    ),
    *_PROFILE,
)
