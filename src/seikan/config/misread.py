"""Which lines that were not understood may have been about a tunnel or a crypto map, which then must not work.

What was misread might have protected better than what was read, so whatever a line may have concerned fails closed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from seikan.config.model import Address, Config, CryptoMap, CryptoMapEntry, Interface, StoredLine
from seikan.config.model_ikev2 import Ikev2Profile
from seikan.config.problem import without_secrets

DEFAULT_SET = "default"


@dataclass(frozen=True, slots=True)
class _Ikev2Names:
    """What the IKEv2 profiles that are used have named."""

    profiles: frozenset[str]
    keyrings: frozenset[str]
    trustpoints: frozenset[str]
    maps: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Used:
    """What a tunnel or a crypto map has named. `peers` None: any peer may come."""

    peers: frozenset[Address] | None
    ipsec_profiles: frozenset[str] = frozenset()
    isakmp_profiles: frozenset[str] = frozenset()
    ikev2: _Ikev2Names | None = None  # None: IKEv2 is not used
    ikev1: bool = True
    transform_sets: frozenset[str] = frozenset()
    access_lists: frozenset[str] = frozenset()
    crypto_maps: frozenset[str] = frozenset()
    dynamic_maps: frozenset[str] = frozenset()
    protected: bool = True


def about_tunnel(config: Config, interface: Interface) -> list[StoredLine]:
    """The unknown lines that may have been about this tunnel, or template, or its protection.

    GRE tunnels are asked about too, because such a line may have been their protection.
    """
    used = _used_by_tunnel(config, interface)
    return [line for line in config.stored if line.unknown and (_within(line, interface.name) or _concerns(line, used))]


def about_map(config: Config, interface: Interface) -> list[StoredLine]:
    """The unknown lines that may have been about the crypto map on this interface, or may have put one there."""
    used = _used_by_map(config, interface)
    return [
        line
        for line in config.stored
        if line.unknown
        and ((_within(line, interface.name) and not begins(line.text, "tunnel")) or _concerns(line, used))
    ]


def may_name_traffic(line: StoredLine) -> bool:
    """Whether an unknown line about a crypto map may have said what is to be encrypted, and not only how."""
    first = line.path[0] if line.path else line.text
    if begins(first, "ip", "access-list") or begins(first, "access-list"):
        return True
    if begins(first, "crypto", "map") or begins(first, "crypto", "dynamic-map"):
        return not line.path or begins(line.text, "match")
    return begins(first, "interface")


def about_profile(config: Config, name: str) -> list[StoredLine]:
    """The unknown lines that may have been about this ISAKMP profile."""
    used = _Used(None, isakmp_profiles=frozenset((name,)), protected=False)
    return [line for line in config.stored if line.unknown and _concerns(line, used)]


def about_ikev2_profile(config: Config, name: str) -> list[StoredLine]:
    """The unknown lines that may have been about this IKEv2 profile or what it names."""
    used = _Used(None, ikev2=_ikev2_names(config, (name,)), ikev1=False, protected=False)
    return [line for line in config.stored if line.unknown and _concerns(line, used)]


def not_understood(line: StoredLine) -> str:
    """One line that says so, without secrets."""
    where = f" in {without_secrets(line.path[0])}" if line.path else ""
    return f"the line '{without_secrets(line.text)}'{where} is not understood: correct it, or remove it with no"


def summed_up(lines: list[StoredLine]) -> list[str]:
    """As `not_understood`, one text for all."""
    if len(lines) < 2:
        return [not_understood(line) for line in lines]
    first = without_secrets(lines[0].text)
    return [f"{len(lines)} lines are not understood, the first is '{first}': correct or remove them"]


def template_profiles(config: Config, name: str) -> tuple[str, ...]:
    """The ISAKMP profiles whose peers get a copy of the Virtual-Template with this name."""
    number = name.removeprefix("Virtual-Template")
    return tuple(held.name for held in config.isakmp.profiles.values() if str(held.virtual_template) == number)


def ikev2_template_profiles(config: Config, name: str) -> tuple[str, ...]:
    """The IKEv2 profiles whose peers get a copy of the Virtual-Template with this name."""
    number = name.removeprefix("Virtual-Template")
    return tuple(held.name for held in config.ikev2.profiles.values() if str(held.virtual_template) == number)


def _ikev2_names(config: Config, names: Iterable[str | None]) -> _Ikev2Names | None:
    used = frozenset(name for name in names if name is not None)
    if not used:
        return None
    profiles = [config.ikev2.profiles[name] for name in used if name in config.ikev2.profiles]
    named = {name for held in profiles for name in (held.sign_trustpoint, *held.verify_trustpoints) if name is not None}
    if any(_tries_all(held) for held in profiles):
        named |= set(config.pki.trustpoints)
    return _Ikev2Names(
        used,
        frozenset(held.keyring for held in profiles if held.keyring is not None),
        frozenset(named),
        frozenset(name for held in profiles for name in held.certificate_maps),
    )


def _tries_all(profile: Ikev2Profile) -> bool:
    """Whether a profile takes any trustpoint, for this router's certificate or for the peer's: it names none."""
    signs = profile.local_authentication not in (None, "pre-share")
    verifies = any(method != "pre-share" for method in profile.remote_authentications)
    return (signs and profile.sign_trustpoint is None) or (verifies and not profile.verify_trustpoints)


def map_entries(config: Config, crypto_map: CryptoMap) -> tuple[CryptoMapEntry, ...]:
    """The entries of a map, those of its dynamic maps in their place."""
    found: list[CryptoMapEntry] = []
    for entry in crypto_map.entries.values():
        dynamic = config.dynamic_maps.get(entry.dynamic or "")
        found += (entry,) if entry.dynamic is None else (dynamic.entries.values() if dynamic is not None else ())
    return tuple(found)


def _used_by_tunnel(config: Config, interface: Interface) -> _Used:
    tunnel = interface.tunnel
    if tunnel is None or tunnel.protection is None:
        return _Used(None, protected=False)
    profile = config.ipsec.profiles.get(tunnel.protection)
    named = (profile.isakmp_profile,) if profile is not None and profile.isakmp_profile is not None else ()
    ikev2 = None if profile is None else profile.ikev2_profile
    templates = template_profiles(config, interface.name)
    return _Used(
        peers=None if tunnel.destination is None else frozenset((tunnel.destination,)),
        ipsec_profiles=frozenset((tunnel.protection,)),
        isakmp_profiles=frozenset((*named, *templates)),
        ikev2=_ikev2_names(config, (ikev2, *ikev2_template_profiles(config, interface.name))),
        ikev1=ikev2 is None or bool(named or templates),
        transform_sets=frozenset((profile.transform_sets if profile is not None else ()) or (DEFAULT_SET,)),
        access_lists=frozenset(() if tunnel.protection_policy is None else (tunnel.protection_policy,)),
    )


def _used_by_map(config: Config, interface: Interface) -> _Used:
    if interface.crypto_map is None:
        return _Used(None, protected=False)
    held = config.crypto_maps.get(interface.crypto_map, CryptoMap(interface.crypto_map))
    entries = map_entries(config, held)
    dynamic = [entry.dynamic for entry in held.entries.values() if entry.dynamic is not None]
    profiles = [held.isakmp_profile, *(entry.isakmp_profile for entry in entries)]
    return _Used(
        peers=None if dynamic else frozenset(peer.address for entry in entries for peer in entry.peers),
        isakmp_profiles=frozenset(name for name in profiles if name is not None),
        ikev2=_ikev2_names(config, (entry.ikev2_profile for entry in entries)),
        ikev1=any(entry.ikev2_profile is None for entry in entries) or not entries,
        transform_sets=frozenset(name for entry in entries for name in entry.transform_sets or (DEFAULT_SET,)),
        access_lists=frozenset(entry.access_list for entry in entries if entry.access_list is not None),
        crypto_maps=frozenset((held.name,)),
        dynamic_maps=frozenset(dynamic),
    )


def _within(line: StoredLine, name: str) -> bool:
    """Whether it stands in the interface's section and is about tunnels or crypto, or may have opened it."""
    if not line.path:
        return begins(line.text, "interface", name)
    crypto = begins(line.text, "tunnel") or begins(line.text, "crypto")
    return line.path[0] == f"interface {name}" and (len(line.path) > 1 or crypto)


#: Sections of crypto that mean nothing here unless a line of what is used names them, which is then unknown too.
_UNRELATED = (
    ("crypto", "isakmp", "client"),
    ("crypto", "pki"),
    ("crypto", "ca"),
    ("crypto", "key"),
    ("crypto", "gdoi"),
    ("crypto", "gkm"),
    ("crypto", "vpn"),
    ("crypto", "ssl"),
    ("crypto", "provisioning"),
    ("crypto", "identity"),
)


def _concerns(line: StoredLine, used: _Used) -> bool:
    """Whether an unknown line may have meant something that is used."""
    first = line.path[0] if line.path else line.text
    for words, names in (
        (("crypto", "isakmp", "profile"), used.isakmp_profiles),
        (("crypto", "ipsec", "profile"), used.ipsec_profiles),
        (("crypto", "ipsec", "transform-set"), used.transform_sets),
        (("crypto", "dynamic-map"), used.dynamic_maps),
        (("crypto", "map"), used.crypto_maps),
    ):
        if begins(first, *words):
            return bool(names) and _names(first, len(words), names)
    if begins(first, "ip", "access-list") or begins(first, "access-list"):
        return any(word in used.access_lists for word in first.split()[1:4])
    if begins(first, "crypto", "ikev2") and not begins(first, "crypto", "isakmp"):
        return used.ikev2 is not None and _concerns_ikev2(first, used.ikev2)
    if any(begins(first, "crypto", word) for word in ("pki", "ca")):
        return used.ikev2 is not None and _concerns_pki(first, used.ikev2)
    if not used.ikev1 and any(begins(first, "crypto", word) for word in ("isakmp", "keyring")):
        return False
    if not used.protected or not begins(first, "crypto") or any(begins(first, *words) for words in _UNRELATED):
        return False
    if begins(first, "crypto", "keyring") or begins(first, "crypto", "isakmp", "key"):
        return _may_match(line.text, used.peers)
    if begins(first, "crypto", "isakmp", "peer"):
        return _may_match(first, used.peers)
    return True


def _concerns_ikev2(first: str, used: _Ikev2Names) -> bool:
    """Whether a line of `crypto ikev2` may be about what is used; proposals and policies are everybody's."""
    word = (_typed(first.lower())[2:3] or [""])[0]
    for known, names in (("profile", used.profiles), ("keyring", used.keyrings)):
        if word and known.startswith(word) and not "proposal".startswith(word):
            return bool(names) and _names(first, 3, names)
    return not any(begins(first, "crypto", "ikev2", known) for known in ("authorization", "name-mangler", "client"))


def _concerns_pki(first: str, used: _Ikev2Names) -> bool:
    for words, names in (
        (("trustpoint",), used.trustpoints),
        (("certificate", "chain"), used.trustpoints),
        (("certificate", "map"), used.maps),
    ):
        if any(begins(first, "crypto", word, *words) for word in ("pki", "ca")):
            return bool(names) and _names(first, 2 + len(words), names)
    return False


def begins(text: str, *words: str) -> bool:
    """Whether the line's first words, perhaps abbreviated and behind a `no`, are `words`."""
    typed = _typed(text.lower())
    return len(typed) >= len(words) and all(
        word.lower().startswith(part) for part, word in zip(typed, words, strict=False)
    )


def _typed(text: str) -> list[str]:
    typed = text.split()
    return typed[1:] if typed[:1] in (["no"], ["default"]) else typed


def _names(text: str, at: int, names: Collection[str]) -> bool:
    """Whether the word at `at` is one of `names`, or is missing."""
    typed = _typed(text)
    return len(typed) <= at or typed[at] in names


def _may_match(text: str, peers: Iterable[Address] | None) -> bool:
    """Whether a line about keys may be for one of the peers: it names a network around it, or none that can be read."""
    if peers is None or any(not isinstance(peer, IPv4Address) for peer in peers):
        return True
    words = text.split()
    addresses = [word for word in words if word.count(".") == 3 and word.replace(".", "").isdecimal()]
    try:
        everyone = int(IPv4Address(addresses[0])) == 0
        mask = addresses[1] if len(addresses) > 1 else ("0" if everyone else "32")
        network = IPv4Network(f"{addresses[0]}/{mask}", strict=False)
    except (IndexError, ValueError):
        return True
    return any(peer in network for peer in peers)
