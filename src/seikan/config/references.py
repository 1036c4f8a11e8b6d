"""Names that are used and not configured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from seikan.config import defaults_ikev2
from seikan.config.misread import DEFAULT_SET
from seikan.config.model import Config, CryptoMapEntry, Interface, IpsecProfile, IsakmpProfile
from seikan.config.model_ikev2 import Ikev2Profile
from seikan.config.names import type_of
from seikan.config.route_maps import has_route_map

Found = Iterator[tuple[str, str]]  # the title of the section that it is about, and the text

#: `keyring default` of an ISAKMP profile names the global keys, as in IOS.
GLOBAL_KEYRING = "default"


def missing_references(config: Config) -> tuple[str, ...]:
    """Names that are used and not configured; IOS accepts them in this order, so they are warnings."""
    return tuple(text for _, text in missing(config))


_NAT = "ip nat inside source"


def missing(config: Config) -> Found:
    """The same with the section that each is about."""
    yield from _profiles(config)
    yield from _ikev2(config)
    yield from _maps(config)
    for interface in config.interfaces.values():
        title = f"interface {interface.name}"
        yield from ((title, f"{interface.name}: {text}") for text in _of_interface(config, interface))
    for source in config.nat_sources:
        name = source.access_list
        if name is not None and name not in config.access_lists:
            title = f"ip nat inside source list {name}"
            yield title, f"{title}: that access list does not exist: nothing is translated"
        if source.route_map is not None and not has_route_map(config, source.route_map):
            title = f"ip nat inside source route-map {source.route_map}"
            yield title, f"{title}: that route map does not exist: nothing is translated"
    outside = [source.interface for source in config.nat_sources]
    outside += [static.outside for static in config.nat_statics if isinstance(static.outside, str)]
    for name in dict.fromkeys(outside):
        if absent(config, name):
            yield _NAT, f"{_NAT} … interface {name}: that interface is not configured"


def _profiles(config: Config) -> Found:
    for isakmp_profile in config.isakmp.profiles.values():
        title = f"crypto isakmp profile {isakmp_profile.name}"
        for name in unknown_keyrings(config, isakmp_profile):
            yield title, f"{title}: {no_keyring(name)}"
        number = isakmp_profile.virtual_template
        if number is not None and f"Virtual-Template{number}" not in config.interfaces:
            text = f"virtual-template {number}: that interface is not configured"
            yield title, f"{title}: {text} (interface Virtual-Template{number} type tunnel)"
        local = isakmp_profile.local_address
        if isinstance(local, str) and absent(config, local):
            yield title, f"{title}: local-address {local}: that interface is not configured"
    for profile in config.ipsec.profiles.values():
        title = f"crypto ipsec profile {profile.name}"
        for name in unknown_sets(config, profile):
            yield title, f"{title}: {no_set(name)}"
        if unknown_profile(config, profile.isakmp_profile):
            yield title, f"{title}: {no_isakmp_profile(profile.isakmp_profile)}"
        if unknown_ikev2_profile(config, profile.ikev2_profile):
            yield title, f"{title}: {no_ikev2_profile(profile.ikev2_profile)}"


def _ikev2(config: Config) -> Found:
    ikev2 = config.ikev2
    for policy in ikev2.policies.values():
        title = f"crypto ikev2 policy {policy.name}"
        for name in policy.proposals:
            if defaults_ikev2.proposal(ikev2, name) is None:
                yield title, f"{title}: {no_proposal(name)}"
    for profile in ikev2.profiles.values():
        title = f"crypto ikev2 profile {profile.name}"
        yield from ((title, f"{title}: {text}") for text in missing_in_ikev2(config, profile))


def missing_in_ikev2(config: Config, profile: Ikev2Profile) -> Iterator[str]:
    """What an IKEv2 profile names in vain."""
    if profile.keyring is not None and profile.keyring not in config.ikev2.keyrings:
        yield no_ikev2_keyring(profile.keyring)
    for name in dict.fromkeys((profile.sign_trustpoint, *profile.verify_trustpoints)):
        if name is not None and name not in config.pki.trustpoints:
            yield no_trustpoint(name)
    for name in profile.certificate_maps:
        if name not in config.pki.maps:
            yield no_certificate_map(name)
    number = profile.virtual_template
    if number is not None and f"Virtual-Template{number}" not in config.interfaces:
        text = f"virtual-template {number}: that interface is not configured"
        yield f"{text} (interface Virtual-Template{number} type tunnel)"
    for local in profile.match_local:
        if isinstance(local, str) and absent(config, local):
            yield f"match address local interface {local}: that interface is not configured"


def _maps(config: Config) -> Found:
    for name, dynamic_map in config.dynamic_maps.items():
        for number, entry in dynamic_map.entries.items():
            title = f"crypto dynamic-map {name} {number}"
            yield from ((title, f"{title}: {text}") for text in missing_in_entry(config, entry))
    for name, crypto_map in config.crypto_maps.items():
        title = f"crypto map {name}"
        local = crypto_map.local_address
        if local is not None and absent(config, local):
            yield title, f"{title}: {no_local_address(local)}"
        if unknown_profile(config, crypto_map.isakmp_profile):
            yield title, f"{title}: {no_isakmp_profile(crypto_map.isakmp_profile)}"
        for number, entry in crypto_map.entries.items():
            about = f"{title} {number}"
            yield from ((about, f"{about}: {text}") for text in missing_in_entry(config, entry))


def missing_in_entry(config: Config, entry: CryptoMapEntry) -> Iterator[str]:
    """What one entry of a crypto map or dynamic map names in vain."""
    if entry.dynamic is not None and entry.dynamic not in config.dynamic_maps:
        yield f"dynamic map {entry.dynamic} does not exist (crypto dynamic-map {entry.dynamic} 10)"
    if entry.access_list is not None and entry.access_list not in config.access_lists:
        yield no_list(entry.access_list)
    for name in unknown_sets(config, entry):
        yield no_set(name)
    if unknown_profile(config, entry.isakmp_profile):
        yield no_isakmp_profile(entry.isakmp_profile)
    if unknown_ikev2_profile(config, entry.ikev2_profile):
        yield no_ikev2_profile(entry.ikev2_profile)


def _of_interface(config: Config, interface: Interface) -> Iterator[str]:
    if interface.unnumbered is not None and absent(config, interface.unnumbered):
        yield f"ip unnumbered {interface.unnumbered}: that interface is not configured"
    for name, direction in ((interface.access_group_in, "in"), (interface.access_group_out, "out")):
        if name is not None and name not in config.access_lists:
            yield f"ip access-group {name} {direction}: {no_list(name)}: everything passes"
    if interface.crypto_map is not None and interface.crypto_map not in config.crypto_maps:
        yield no_map(interface.crypto_map)
    tunnel = interface.tunnel
    if tunnel is None:
        return
    if isinstance(tunnel.source, str) and absent(config, tunnel.source):
        yield f"tunnel source {tunnel.source}: that interface is not configured"
    if tunnel.protection is not None and tunnel.protection not in config.ipsec.profiles:
        yield no_profile(tunnel.protection)
    if tunnel.protection_policy is not None and tunnel.protection_policy not in config.access_lists:
        yield no_policy(tunnel.protection_policy)


# --- what is asked elsewhere, too ------------------------------------------------------------------


def absent(config: Config, name: str) -> bool:
    """True for an IOS name that is not configured; what Linux names exist only the system knows."""
    return type_of(name) is not None and name not in config.interfaces


def unknown_sets(config: Config, user: IpsecProfile | CryptoMapEntry) -> list[str]:
    """The transform sets that it names in vain."""
    known = config.ipsec.transform_sets
    return [name for name in user.transform_sets if name not in known and name != DEFAULT_SET]


def unknown_profile(config: Config, name: str | None) -> bool:
    """Whether an ISAKMP profile is named that does not exist."""
    return name is not None and name not in config.isakmp.profiles


def unknown_ikev2_profile(config: Config, name: str | None) -> bool:
    """Whether an IKEv2 profile is named that does not exist."""
    return name is not None and name not in config.ikev2.profiles


def unknown_keyrings(config: Config, profile: IsakmpProfile) -> Iterable[str]:
    """The keyrings that it names in vain."""
    return [name for name in profile.keyrings if name not in config.keyrings and name != GLOBAL_KEYRING]


def no_profile(name: str) -> str:
    return f"tunnel protection: IPsec profile {name} does not exist (crypto ipsec profile {name})"


def no_policy(name: str) -> str:
    return f"tunnel protection ipsec policy: {no_list(name)}"


def no_set(name: str) -> str:
    return f"transform set {name} does not exist"


def no_isakmp_profile(name: str | None) -> str:
    return f"isakmp profile {name} does not exist (crypto isakmp profile {name})"


def no_ikev2_profile(name: str | None) -> str:
    return f"ikev2 profile {name} does not exist (crypto ikev2 profile {name})"


def no_proposal(name: str) -> str:
    return f"proposal {name} does not exist (crypto ikev2 proposal {name})"


def no_ikev2_keyring(name: str) -> str:
    return f"keyring local {name} does not exist (crypto ikev2 keyring {name})"


def no_trustpoint(name: str) -> str:
    return f"trustpoint {name} does not exist (crypto pki trustpoint {name})"


def no_certificate_map(name: str) -> str:
    return f"certificate map {name} does not exist (crypto pki certificate map {name} 10)"


def no_keyring(name: str) -> str:
    return f"keyring {name} does not exist (crypto keyring {name})"


def no_list(name: str) -> str:
    return f"access list {name} does not exist"


def no_map(name: str) -> str:
    return f"crypto map {name} does not exist (crypto map {name} 10 ipsec-isakmp)"


def no_local_address(name: str) -> str:
    return f"local-address {name}: that interface is not configured"
