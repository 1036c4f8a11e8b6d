"""Phase 1 and what it trusts: policies, weak algorithms, keys, keyrings and ISAKMP profiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from seikan.config import misread
from seikan.config.commands.isakmp_profile import write_identity
from seikan.config.model import (
    Address,
    Config,
    IdentityMatch,
    IsakmpPolicy,
    IsakmpProfile,
    PreSharedKey,
)
from seikan.config.references import GLOBAL_KEYRING, Found
from seikan.config.validate_tunnels import source_address
from seikan.wire.constants import GROUP_BY_NUMBER
from seikan.wire.prefixes import Prefixes

Network = IPv4Network | IPv6Network


def crypto(config: Config) -> Found:
    """Everything worth telling about phase 1 and about what is weak."""
    yield from _policies(config)
    yield from _weak_ipsec(config)
    yield from _ambiguous_keys(config)
    yield from _wildcards(config)
    yield from _ambiguous_profiles(config)
    yield from _useless_profiles(config)
    yield from _keyless(config)


# --- strength --------------------------------------------------------------------------------------


def _policies(config: Config) -> Found:
    for policy in config.isakmp.policies.values():
        title = f"crypto isakmp policy {policy.priority}"
        never = unusable_policy(policy)
        if never is not None:
            yield title, never
        rows = [(f"hash {policy.hash_row.ios}", policy.hash_row.weak)]
        if policy.encryption_row is not None:
            rows.append((f"encryption {policy.encryption_row.ios_policy}", policy.encryption_row.weak))
        if policy.group_row is not None:
            rows.append((f"group {policy.group_row.number}", policy.group_row.weak))
        for what, why in rows:
            if why:
                yield title, f"{title}: {what} is weak: {why}"


def unusable_policy(policy: IsakmpPolicy) -> str | None:
    """That and why a policy is never negotiated; None where it is."""
    never = list(never_negotiated(policy))
    return f"crypto isakmp policy {policy.priority} is never negotiated: {'; '.join(never)}" if never else None


def never_negotiated(policy: IsakmpPolicy) -> Iterable[str]:
    """Why a policy is not offered or accepted, one text for each attribute; empty where it is."""
    if policy.encryption_row is None:
        yield "encryption des (the default of IOS) is refused by RFC 8247: type encryption aes"
    if policy.group_row is None:
        yield "group 1 (the default of IOS) is refused by RFC 8247: type group 14 or higher"
    if policy.authentication != "pre-share":
        yield f"authentication {policy.authentication or 'rsa-sig'} is not available: type authentication pre-share"


def _weak_ipsec(config: Config) -> Found:
    for transform_set in config.ipsec.transform_sets.values():
        title = f"crypto ipsec transform-set {transform_set.name}"
        row = transform_set.encryption
        if row is not None and row.weak:
            yield title, f"{title}: {row.ios_transform} is weak: {row.weak}"
        integrity = transform_set.integrity
        if integrity is not None and integrity.weak:
            yield title, f"{title}: {integrity.ios} is weak: {integrity.weak}"
    users = [(f"crypto ipsec profile {held.name}", held.pfs_group) for held in config.ipsec.profiles.values()]
    for word, maps in (("map", config.crypto_maps), ("dynamic-map", config.dynamic_maps)):
        users += [
            (f"crypto {word} {held.name} {number}", entry.pfs_group)
            for held in maps.values()
            for number, entry in held.entries.items()
        ]
    for title, number in users:
        group = GROUP_BY_NUMBER.get(number or 0)
        if group is not None and group.weak:
            yield title, f"{title}: set pfs group{group.number} is weak: {group.weak}"


# --- keys ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key and where it stands: `keyring` is its name, None for a global key. `local` restricts it to an address."""

    entry: PreSharedKey
    keyring: str | None
    local: Address | str | None

    @property
    def where(self) -> str:
        return "the global keys (crypto isakmp key)" if self.keyring is None else f"crypto keyring {self.keyring}"

    @property
    def title(self) -> str:
        return "" if self.keyring is None else f"crypto keyring {self.keyring}"

    @property
    def network(self) -> Network | None:
        ipv6 = self.entry.ipv6_address
        return ipv6.network if ipv6 is not None else self.entry.network


def held_keys(config: Config, profile: IsakmpProfile | None = None) -> tuple[HeldKey, ...]:
    """The keys in the order in which the first of several alike is used: the global ones, then each keyring's.

    Those of an ISAKMP profile are its keyrings', or the global ones where it names none or `default`.
    """
    rings: list[str | None] = [None, *config.keyrings]
    if profile is not None:
        rings = [None if name == GLOBAL_KEYRING else name for name in profile.keyrings] or [None]
    found: list[HeldKey] = []
    for name in rings:
        keyring = config.keyrings.get(name or "")
        local = None if keyring is None else source_address(config, keyring.local_address)
        keys = config.isakmp.keys if name is None else keyring.keys if keyring is not None else ()
        found += (HeldKey(entry, name, local) for entry in keys)
    return tuple(found)


def _whose(held: HeldKey) -> str:
    """The peers of a key as they are typed."""
    entry = held.entry
    if entry.hostname is not None:
        return f"hostname {entry.hostname}"
    if entry.ipv6_address is not None:
        return str(entry.ipv6_address.network).upper()
    assert entry.network is not None
    host = entry.network.prefixlen == entry.network.max_prefixlen
    bare = host or entry.network.prefixlen == 0
    return f"{entry.network.network_address}" + ("" if bare else f" {entry.network.netmask}")


def _ambiguous_keys(config: Config) -> Found:
    """Two keyrings with the same most specific entry for a peer and different keys."""
    seen: dict[object, list[HeldKey]] = {}
    for held in held_keys(config):
        hostname = held.entry.hostname
        alike = seen.setdefault((held.network, None if hostname is None else hostname.lower()), [])
        for other in alike:
            apart = None not in (other.local, held.local) and other.local != held.local
            if not apart and other.keyring != held.keyring and other.entry.key != held.entry.key:
                yield (
                    held.title,
                    f"ambiguous: {other.where} and {held.where} have different keys for {_whose(held)}: the first "
                    f"named is used, unless an isakmp profile names the other keyring",
                )
                break
        alike.append(held)


def _wildcards(config: Config) -> Found:
    """A key for everybody, where there are several who have it."""
    everyone = [held for held in held_keys(config) if held.network is not None and held.network.prefixlen == 0]
    if not everyone:
        return
    open_to_all = {
        held.keyring
        for profile in config.isakmp.profiles.values()
        if profile.virtual_template is not None
        for held in held_keys(config, profile)
    }
    dynamic = any(entry.dynamic for held_map in config.crypto_maps.values() for entry in held_map.entries.values())
    find = _finder(config)
    served: dict[str | None, set[Address]] = {}
    for _, _, peer, profile in _peers(config):
        key = find(profile, peer)
        if key is not None and key.network is not None and key.network.prefixlen == 0:
            served.setdefault(key.keyring, set()).add(peer)
    for held in everyone:
        if dynamic or held.keyring in open_to_all or len(served.get(held.keyring, ())) > 1:
            yield (
                held.title,
                f"{held.where}: the key for {_whose(held)} is that of several peers: any of them can claim to be "
                "another; type a key for each address or network",
            )


def _peers(config: Config) -> Iterator[tuple[str, str, Address, IsakmpProfile | None]]:
    """The peers of IKEv1 whose address is known: title, short name, address, and the ISAKMP profile that is named."""
    profiles = config.isakmp.profiles
    for interface in config.interfaces.values():
        tunnel = interface.tunnel
        if tunnel is None or tunnel.protection is None or tunnel.destination is None:
            continue
        named = config.ipsec.profiles.get(tunnel.protection)
        if named is not None and named.ikev2_profile is not None:
            continue
        profile = profiles.get((named.isakmp_profile if named is not None else None) or "")
        yield f"interface {interface.name}", interface.name, tunnel.destination, profile
    for crypto_map in config.crypto_maps.values():
        for number, entry in crypto_map.entries.items():
            if entry.ikev2_profile is not None:
                continue
            title = f"crypto map {crypto_map.name} {number}"
            profile = profiles.get(entry.isakmp_profile or crypto_map.isakmp_profile or "")
            yield from ((title, title, peer.address, profile) for peer in entry.peers)


def _by_network(keys: Iterable[HeldKey]) -> Prefixes[HeldKey]:
    found: Prefixes[HeldKey] = Prefixes()
    for held in keys:
        if held.network is not None:
            found.add(held.network, held)
    return found


def _finder(config: Config) -> Callable[[IsakmpProfile | None, Address], HeldKey | None]:
    """A function from a peer, and the ISAKMP profile that is named for it, to its key."""
    keys: dict[str | None, Prefixes[HeldKey]] = {None: _by_network(held_keys(config))}
    keys |= {name: _by_network(held_keys(config, profile)) for name, profile in config.isakmp.profiles.items()}
    return lambda profile, peer: keys[None if profile is None else profile.name].closest(peer)


def _keyless(config: Config) -> Found:
    """Peers for whom no key can be found, while one may stand where it is not looked for."""
    with_password = {held.address for held in config.isakmp.peers if held.aggressive_password is not None}
    find = _finder(config)
    for title, name, peer, profile in _peers(config):
        if peer in with_password or find(profile, peer) is not None:
            continue
        if profile is None:
            how = f"type crypto isakmp key … address {peer}" if isinstance(peer, IPv4Address) else "type one"
            yield title, f"{name}: there is no key for {peer}: {how}"
            continue
        elsewhere = find(None, peer)
        hint = f"; that of {elsewhere.where} is not looked for" if elsewhere is not None else ""
        yield title, f"{name}: isakmp profile {profile.name} has no key for {peer} ({_keyrings(profile)}){hint}"


def _keyrings(profile: IsakmpProfile) -> str:
    return f"keyring {' '.join(profile.keyrings)}" if profile.keyrings else "the global keys"


# --- ISAKMP profiles -------------------------------------------------------------------------------


def _comparable(identity: IdentityMatch) -> tuple[object, ...]:
    """Names are compared without case; the VRF not at all, as there are none."""
    names = (identity.host, identity.domain, identity.user, identity.user_domain)
    return (identity.network, *(None if name is None else name.lower() for name in names), identity.group)


def _ambiguous_profiles(config: Config) -> Found:
    """Different identities differ in how specific they are: two profiles with the same one are ambiguous."""
    seen: dict[object, list[IsakmpProfile]] = {}
    for profile in config.isakmp.profiles.values():
        local = source_address(config, profile.local_address)
        for identity in profile.identities:
            alike = seen.setdefault(_comparable(identity), [])
            for other in alike:
                theirs = source_address(config, other.local_address)
                if other.name != profile.name and (None in (local, theirs) or local == theirs):
                    yield (
                        f"crypto isakmp profile {profile.name}",
                        f"ambiguous: crypto isakmp profile {other.name} and {profile.name} both match identity "
                        f"{write_identity(identity)}: {other.name} is used, which is configured first",
                    )
                    break
            alike.append(profile)


def profile_problems(config: Config, name: str) -> tuple[str, ...]:
    """Why no peer may match an ISAKMP profile: what was misread might have been about whom it is for."""
    return tuple(misread.not_understood(line) for line in misread.about_profile(config, name))


def _useless_profiles(config: Config) -> Found:
    of_maps = {
        entry.isakmp_profile
        for held in config.crypto_maps.values()
        for named in held.entries.values()
        if named.dynamic is not None and named.dynamic in config.dynamic_maps
        for entry in config.dynamic_maps[named.dynamic].entries.values()
    }
    for profile in config.isakmp.profiles.values():
        title = f"crypto isakmp profile {profile.name}"
        for text in misread.summed_up(misread.about_profile(config, profile.name)):
            yield title, f"{title} is not used: {text}"
        if not profile.identities:
            yield title, f"{title} matches nobody: type match identity"
        elif (profile.virtual_template is not None or profile.name in of_maps) and not _has_key(config, profile):
            what = "an interface" if profile.virtual_template is not None else "SAs"
            verb = "has" if profile.keyrings else "have"
            yield title, f"{title}: {_keyrings(profile)} {verb} no key for any peer that it matches: none gets {what}"


def _has_key(config: Config, profile: IsakmpProfile) -> bool:
    """Whether any peer that the profile matches can have a key of its keyrings.

    Who has an address as identity comes from any address where NAT is between, but his key is looked for by the
    address that he comes from; for names any key will do.
    """
    keys = held_keys(config, profile)
    for identity in profile.identities:
        if identity.network is None and keys:
            return True
        for held in keys:
            if identity.network is not None and held.network is not None and _overlap(identity.network, held.network):
                return True
    return False


def _overlap(one: Network, other: Network) -> bool:
    if isinstance(one, IPv4Network) and isinstance(other, IPv4Network):
        return one.overlaps(other)
    return isinstance(one, IPv6Network) and isinstance(other, IPv6Network) and one.overlaps(other)
