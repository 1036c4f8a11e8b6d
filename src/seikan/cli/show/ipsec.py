"""show crypto ipsec transform-set, profile and lifetime: what is configured for phase 2."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.cli.show.algorithms import transform_words
from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.text import argument
from seikan.cli.status import Need, Status
from seikan.config.model import Config, CryptoMapEntry, Ipsec, IpsecProfile, TransformSet
from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME

NOTHING: frozenset[Need] = frozenset()

DEFAULT_NAME = "default"
DEFAULT_TRANSFORM_SET = TransformSet(
    DEFAULT_NAME, ENCRYPTION_BY_NAME["aes-cbc-128"], INTEGRITY_BY_NAME["hmac-sha1-96"], transport=True
)


def transform_set(ipsec: Ipsec, name: str) -> TransformSet | None:
    return ipsec.transform_sets.get(name) or (DEFAULT_TRANSFORM_SET if name == DEFAULT_NAME else None)


def lifetime_text(config: Config, profile: IpsecProfile | CryptoMapEntry | None = None) -> str:
    """`4608000 kilobytes/3600 seconds`; the volume may be `disabled`."""
    ipsec = config.ipsec
    seconds = (
        (profile.lifetime_seconds if profile else None) or ipsec.lifetime_seconds or Ipsec.DEFAULT_LIFETIME_SECONDS
    )
    kilobytes = profile.lifetime_kilobytes if profile else None
    if kilobytes is None:
        kilobytes = ipsec.lifetime_kilobytes
    if kilobytes is None:
        kilobytes = Ipsec.DEFAULT_LIFETIME_KILOBYTES
    return f"{kilobytes or 'disabled'} kilobytes/{seconds} seconds"


def show_transform_set(status: Status, arguments: Arguments) -> Iterator[str]:
    ipsec = status.running.ipsec
    wanted = argument(arguments, "name")
    names = dict.fromkeys((DEFAULT_NAME, *ipsec.transform_sets)) if wanted is None else (str(wanted),)
    for name in names:
        row = transform_set(ipsec, name)
        if row is None:
            yield f"% There is no transform set {name}"
            continue
        yield f"Transform set {name}: {{ {transform_words(row)}  }} "
        yield f"   will negotiate = {{ {'Transport' if row.transport else 'Tunnel'},  }}, "
        yield ""


def policy_lines(config: Config, policy: IpsecProfile | CryptoMapEntry) -> Iterator[str]:
    """What a profile, or an entry of a crypto map, offers in phase 2. A missing transform set is named last."""
    responder_only = isinstance(policy, IpsecProfile) and policy.responder_only
    yield f"        Security association lifetime: {lifetime_text(config, policy)}"
    idle_time = (policy.idle_time or config.ipsec.idle_time) if isinstance(policy, CryptoMapEntry) else None
    if idle_time is not None:
        yield f"        Security association idletime: {idle_time} seconds"
    yield f"        Responder-Only (Y/N): {'Y' if responder_only else 'N'}"
    yield f"        PFS (Y/N): {'Y' if policy.pfs_group else 'N'}"
    if policy.pfs_group:
        yield f"        DH group:  group{policy.pfs_group}"
    mixed = isinstance(policy, IpsecProfile) and policy.mixed_mode
    yield f"        Mixed-mode : {'Enabled' if mixed else 'Disabled'}"
    yield "        Transform sets={ "
    missing = []
    for name in policy.transform_sets or (DEFAULT_NAME,):
        row = transform_set(config.ipsec, name)
        if row is None:
            missing.append(name)
        else:
            yield f"                {name}:  {{ {transform_words(row)}  }} , "
    yield "        }"
    for name in missing:
        yield f"        transform set {name} is not configured"


def ipsec_profiles(config: Config) -> dict[str, IpsecProfile]:
    """All of them by name, with the one that IOS builds in."""
    profiles = dict(config.ipsec.profiles)
    profiles.setdefault(DEFAULT_NAME, IpsecProfile(DEFAULT_NAME))
    return profiles


def show_profile(status: Status, arguments: Arguments) -> Iterator[str]:
    profiles = ipsec_profiles(status.running)
    wanted = argument(arguments, "name")
    if wanted is not None and str(wanted) not in profiles:
        yield f"% There is no IPsec profile {wanted}"
        return
    for name in sorted(profiles) if wanted is None else (str(wanted),):
        profile = profiles[name]
        yield f"IPSEC profile {name}"
        if profile.description:
            yield f"        Description: {profile.description}"
        if profile.isakmp_profile is not None:
            yield f"        ISAKMP Profile: {profile.isakmp_profile}"
        if profile.ikev2_profile is not None:
            yield f"        IKEv2 Profile: {profile.ikev2_profile}"
        yield from policy_lines(status.running, profile)
        yield ""


def show_lifetime(status: Status, arguments: Arguments) -> Iterator[str]:
    yield f"Security association lifetime: {lifetime_text(status.running)}"


_HELP = {
    "show": "Show running system information",
    "crypto": "Encryption module",
    "ipsec": "Show IPSEC policy",
    "transform-set": "Crypto transform sets",
    "profile": "Show IPSec profile information",
    "<name>": "Name",
    "security-association": "Show parameters for IPSec security associations",
    "lifetime": "Security association lifetime",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show crypto ipsec transform-set [<name:word>]", _HELP, NOTHING, show_transform_set),
    ShowCommand("show crypto ipsec profile [<name:word>]", _HELP, NOTHING, show_profile),
    ShowCommand("show crypto ipsec security-association", _HELP, NOTHING, show_lifetime),
    ShowCommand("show crypto ipsec security-association lifetime", _HELP, NOTHING, show_lifetime),
)
