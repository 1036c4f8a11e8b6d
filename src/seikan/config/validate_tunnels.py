"""What keeps tunnels and Virtual-Templates down, and what about them surprises."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.config import misread
from seikan.config.access import selectors
from seikan.config.model import Address, Config, Interface, IpsecProfile, Tunnel, TunnelMode
from seikan.config.names import is_access, is_template, sort_key
from seikan.config.references import (
    Found,
    missing_references,
    no_ikev2_profile,
    no_isakmp_profile,
    no_keyring,
    no_policy,
    no_profile,
    no_set,
    unknown_ikev2_profile,
    unknown_keyrings,
    unknown_profile,
    unknown_sets,
)
from seikan.config.validate_ikev2 import ikev2_profile_lacks, unknown_to_ikev1
from seikan.wire.constants import esp_plaintext_mtu

_NAMED = 3  # how many tunnels a warning names
_LINK_MTU = 1500  # octets, of an interface that says nothing else
_IPV4_HEADER, _GRE_HEADER, _GRE_KEY = 20, 4, 4  # octets (RFC 791, RFC 2784, RFC 2890)


def tunnels(config: Config) -> Found:
    """Everything worth telling about tunnels."""
    yield from _same_ends(config)
    yield from _downed(config)
    for interface in config.interfaces.values():
        if interface.tunnel is not None:
            title = f"interface {interface.name}"
            yield from ((title, f"{interface.name}: {text}") for text in _remarks(config, interface, interface.tunnel))


def tunnel_problems(config: Config, name: str) -> tuple[str, ...]:
    """Why the configuration keeps tunnel `name` down, whatever its mode; empty where it does not.

    Of a Virtual-Template: why no copy of it may be made. A tunnel whose lines, or whose cryptographic lines, were not
    all understood stays down (`seikan.config.misread`).
    """
    interface = config.interfaces.get(name)
    if interface is None or interface.tunnel is None:
        return ()
    reasons = (misread.not_understood(line) for line in misread.about_tunnel(config, interface))
    return tuple(dict.fromkeys((*reasons, *_incomplete(config, interface, interface.tunnel))))


def _downed(config: Config) -> Found:
    """Why tunnels stay down, but for what is said elsewhere; once for all tunnels with the same cause."""
    known = set(missing_references(config))
    down: dict[str, list[str]] = {}
    for interface in config.interfaces.values():
        if interface.tunnel is None:
            continue
        reasons = misread.summed_up(misread.about_tunnel(config, interface))
        for text in dict.fromkeys((*reasons, *_incomplete(config, interface, interface.tunnel))):
            if f"{interface.name}: {text}" not in known:
                down.setdefault(text, []).append(interface.name)
    for text, names in down.items():
        listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        yield f"interface {names[0]}", f"{listed} {'stays' if len(names) == 1 else 'stay'} down: {text}"


def _incomplete(config: Config, interface: Interface, tunnel: Tunnel) -> Iterator[str]:
    if is_template(interface.name) and not tunnel.mode.ipsec:
        yield "dynamic VTI needs tunnel mode ipsec ipv4"
    yield from _families(tunnel)
    if tunnel.protection is None:
        if tunnel.mode.ipsec:
            yield f"tunnel mode {tunnel.mode.value} needs tunnel protection ipsec profile"
        if tunnel.protection_policy is not None:
            yield "tunnel protection ipsec policy needs tunnel protection ipsec profile"
        return
    profile = config.ipsec.profiles.get(tunnel.protection)
    if not config.isakmp.enabled and (profile is None or profile.ikev2_profile is None):
        yield "ISAKMP is turned off (no crypto isakmp enable)"
    if tunnel.protection_policy is not None:
        yield from _policy(config, tunnel, tunnel.protection_policy)
    yield from _unshared(config, interface)
    if profile is None:
        yield no_profile(tunnel.protection)
        return
    if tunnel.mode is TunnelMode.IPSEC_DUAL_OVERLAY and profile.ikev2_profile is None:
        yield f"tunnel mode ipsec dual-overlay needs IKEv2: type set ikev2-profile in IPsec profile {profile.name}"
    yield from _without_offer(config, profile)


def _families(tunnel: Tunnel) -> Iterator[str]:
    """Addresses of the wrong family. That of a dual-overlay tunnel is the one that its ends have."""
    ends = [
        (word, address)
        for word, address in (("source", tunnel.source), ("destination", tunnel.destination))
        if address is not None and not isinstance(address, str)
    ]
    if tunnel.mode is TunnelMode.IPSEC_DUAL_OVERLAY:
        if len({address.version for _, address in ends}) > 1:
            yield f"tunnel source {ends[0][1]} and tunnel destination {ends[1][1]} need one family, IPv4 or IPv6"
        return
    version = 6 if tunnel.mode in (TunnelMode.GRE_IPV6, TunnelMode.IPSEC_IPV6) else 4
    for word, address in ends:
        if address.version != version:
            yield f"tunnel mode {tunnel.mode.value} needs an IPv{version} {word}, {address} is none"


def _policy(config: Config, tunnel: Tunnel, name: str) -> Iterator[str]:
    if tunnel.mode is not TunnelMode.IPSEC_IPV4 or tunnel.overlay is not None:
        yield "tunnel protection ipsec policy needs tunnel mode ipsec ipv4"
    access_list = config.access_lists.get(name)
    if access_list is None:
        yield no_policy(name)
    elif not selectors(access_list):
        yield f"tunnel protection ipsec policy: access list {name} permits nothing that SAs can be negotiated for"


def _without_offer(config: Config, profile: IpsecProfile) -> Iterator[str]:
    """What a profile lacks to negotiate at all."""
    about = f"IPsec profile {profile.name}"
    unknown = unknown_sets(config, profile)
    if profile.transform_sets and len(unknown) == len(profile.transform_sets):
        yield from (f"{about}: {no_set(name)}" for name in unknown)
    if unknown_profile(config, profile.isakmp_profile):
        yield f"{about}: {no_isakmp_profile(profile.isakmp_profile)}"
    if unknown_ikev2_profile(config, profile.ikev2_profile):
        yield f"{about}: {no_ikev2_profile(profile.ikev2_profile)}"
    if profile.ikev2_profile is not None:
        for text in ikev2_profile_lacks(config, profile.ikev2_profile):
            yield f"ikev2 profile {profile.ikev2_profile}: {text}"
    yield from (f"{about}: {text}" for text in unknown_to_ikev1(config, profile))
    isakmp_profile = config.isakmp.profiles.get(profile.isakmp_profile or "")
    if isakmp_profile is not None:
        keyrings = list(unknown_keyrings(config, isakmp_profile))
        if keyrings and len(keyrings) == len(isakmp_profile.keyrings):
            yield f"isakmp profile {isakmp_profile.name}: {no_keyring(keyrings[0])}"


# --- tunnels with the same ends --------------------------------------------------------------------


def source_address(config: Config, source: Address | str | None) -> Address | str | None:
    """An interface as tunnel source as the address that is configured on it; its name where none is."""
    interface = config.interfaces.get(source) if isinstance(source, str) else None
    lender = None if interface is None else config.interfaces.get(interface.unnumbered or "", interface)
    return source if lender is None or lender.address is None else lender.address.ip


def _ends(config: Config, tunnel: Tunnel) -> tuple[object, object]:
    return source_address(config, tunnel.source), tunnel.destination


def _static(config: Config) -> list[tuple[Interface, Tunnel]]:
    """The tunnels with two ends, in the order in which they are written."""
    held = (config.interfaces[name] for name in sorted(config.interfaces, key=sort_key))
    return [
        (interface, interface.tunnel)
        for interface in held
        if interface.tunnel is not None
        and not is_template(interface.name)
        and not is_access(interface.name)
        and interface.tunnel.source is not None
        and interface.tunnel.destination is not None
    ]


def _same_ends(config: Config) -> Found:
    seen: dict[object, str] = {}
    for interface, tunnel in _static(config):
        identity = (*_ends(config, tunnel), tunnel.mode, None if tunnel.mode.ipsec else tunnel.key)
        if identity in seen:
            text = f"{interface.name} has the same source, destination, mode and key as {seen[identity]}"
            yield f"interface {interface.name}", text
        seen.setdefault(identity, interface.name)


def _protected_gre(tunnel: Tunnel) -> bool:
    return not tunnel.mode.ipsec and tunnel.protection is not None and tunnel.destination is not None


def _unshared(config: Config, interface: Interface) -> Iterator[str]:
    """GRE between two addresses has one pair of SAs: tunnels that are told apart by their key have to share it."""
    mine = interface.tunnel
    if mine is None or not _protected_gre(mine) or mine.source is None:
        return
    for other in config.interfaces.values():
        held = other.tunnel
        if (
            held is None
            or held.destination != mine.destination
            or not _protected_gre(held)
            or held.mode is not mine.mode
            or sort_key(other.name) >= sort_key(interface.name)
            or _ends(config, held) != _ends(config, mine)
        ):
            continue
        if held.protection != mine.protection:
            yield (
                f"it has the ends of {other.name} and another IPsec profile: both need the same "
                f"(tunnel protection ipsec profile {held.protection} shared)"
            )
        elif not (held.shared and mine.shared):
            yield (
                f"it has the ends of {other.name}, whose SAs it cannot share: type in both "
                f"tunnel protection ipsec profile {held.protection} shared"
            )
        return


# --- what surprises --------------------------------------------------------------------------------


def _remarks(config: Config, interface: Interface, tunnel: Tunnel) -> Iterator[str]:
    if tunnel.keepalive is not None and tunnel.mode.ipsec:
        yield (
            f"keepalive is of GRE tunnels and not sent with tunnel mode {tunnel.mode.value}: "
            "crypto isakmp keepalive watches the peer"
        )
    if tunnel.shared and tunnel.mode.ipsec:
        yield f"shared is of GRE tunnels and means nothing with tunnel mode {tunnel.mode.value}"
    if is_template(interface.name):
        yield from _template_remarks(config, interface, tunnel)
    fits = _fits(config, tunnel)
    for word, mtu in (("ip mtu", interface.ip_mtu), ("mtu", interface.mtu)):
        if fits is not None and mtu is not None and mtu > fits:
            yield f"{word} {mtu} is more than fits: what is longer than {fits} octets is sent in fragments"


def _template_remarks(config: Config, interface: Interface, tunnel: Tunnel) -> Iterator[str]:
    profiles = misread.template_profiles(config, interface.name)
    if not profiles and not misread.ikev2_template_profiles(config, interface.name):
        number = interface.name.removeprefix("Virtual-Template")
        yield f"no isakmp or ikev2 profile has virtual-template {number}: nothing is made from it"
    if interface.address is not None or interface.secondary:
        yield "all its copies would have its address: type ip unnumbered"
    if tunnel.destination is not None or tunnel.destination_name is not None:
        yield "tunnel destination is not used: each copy has its spoke's address"


def _fits(config: Config, tunnel: Tunnel) -> int | None:
    """The longest packet, in octets, that leaves a protected tunnel whole, whichever transform set is agreed on."""
    profile = config.ipsec.profiles.get(tunnel.protection or "")
    if profile is None:
        return None
    source = config.interfaces.get(tunnel.source) if isinstance(tunnel.source, str) else None
    link_mtu = _LINK_MTU if source is None or source.mtu is None else source.mtu
    outer_ipv6 = tunnel.mode in (TunnelMode.GRE_IPV6, TunnelMode.IPSEC_IPV6) or (
        tunnel.mode is TunnelMode.IPSEC_DUAL_OVERLAY
        and tunnel.destination is not None
        and tunnel.destination.version == 6
    )
    found = []
    for name in profile.transform_sets:
        chosen = config.ipsec.transform_sets.get(name)
        if chosen is None or chosen.encryption is None:
            continue
        room = esp_plaintext_mtu(
            link_mtu, outer_ipv6=outer_ipv6, udp=False, encryption=chosen.encryption, integrity=chosen.integrity
        )
        if not tunnel.mode.ipsec:
            delivery = 0 if chosen.transport else (40 if outer_ipv6 else _IPV4_HEADER)
            room -= delivery + _GRE_HEADER + (_GRE_KEY if tunnel.key is not None else 0)
        found.append(room)
    return min(found, default=None)
