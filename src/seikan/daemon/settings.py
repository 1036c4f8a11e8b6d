"""From configuration to what the engine and the plane are told: pure functions of a `Config` and resolved addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from seikan.config.model import Config, Interface, Ipsec, IsakmpPolicy, Keyring, TransformSet, Tunnel, TunnelMode
from seikan.ike.settings import EngineSettings, TunnelSettings
from seikan.plane import base as plane
from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME, esp_plaintext_mtu

Address = IPv4Address | IPv6Address

GRE_HEADER = 4  # octets (RFC 2784); the key adds four (RFC 2890)
DEFAULT_LINK_MTU = 1500
DEFAULT_NAT_KEEPALIVE = 20  # seconds, IOS
DEFAULT_TRANSFORM_SET = TransformSet(
    "default", ENCRYPTION_BY_NAME["aes-cbc-128"], INTEGRITY_BY_NAME["hmac-sha1-96"], transport=True
)  # as `show crypto ipsec transform-set default` prints it in IOS 15


def usable_policies(config: Config) -> tuple[IsakmpPolicy, ...]:
    """The policies that may be negotiated, by priority: pre-shared keys, and no default that IOS-XE itself refuses."""
    policies = sorted(config.isakmp.policies.values(), key=lambda policy: policy.priority)
    return tuple(
        policy
        for policy in policies
        if policy.encryption_row is not None and policy.group_row is not None and policy.authentication == "pre-share"
    )


def transform_sets(config: Config, profile_name: str) -> tuple[TransformSet, ...]:
    """The sets of a profile in order of preference, the default set where it names none; unknown names are left out."""
    profile = config.ipsec.profiles.get(profile_name)
    if profile is None:
        return ()
    if not profile.transform_sets:
        return (DEFAULT_TRANSFORM_SET,)
    known = config.ipsec.transform_sets
    return tuple(known[name] for name in profile.transform_sets if name in known)


def replay_window(config: Config, profile_name: str) -> int:
    """Packets; the profile's, else the global one, else 64."""
    profile = config.ipsec.profiles.get(profile_name)
    for value in (profile.replay_window if profile else None, config.ipsec.replay_window):
        if value is not None:
            return value
    return Ipsec.DEFAULT_REPLAY_WINDOW


def _first(*values: int | None, default: int) -> int:
    return next((value for value in values if value is not None), default)


def tunnel_settings(config: Config, interface: Interface, local: Address, remote: Address) -> TunnelSettings | None:
    """What the engine negotiates for a protected tunnel; None where its profile gives nothing to offer."""
    tunnel = interface.tunnel
    if tunnel is None or tunnel.protection is None:
        return None
    profile = config.ipsec.profiles.get(tunnel.protection)
    sets = transform_sets(config, tunnel.protection)
    if profile is None or not sets:
        return None
    aggressive = next((peer for peer in config.isakmp.peers if peer.address == remote), None)
    return TunnelSettings(
        name=interface.name,
        local=local,
        remote=remote,
        profile=profile.name,
        transform_sets=sets,
        pfs_group=profile.pfs_group,
        lifetime_seconds=_first(
            profile.lifetime_seconds, config.ipsec.lifetime_seconds, default=Ipsec.DEFAULT_LIFETIME_SECONDS
        ),
        lifetime_kilobytes=_first(
            profile.lifetime_kilobytes, config.ipsec.lifetime_kilobytes, default=Ipsec.DEFAULT_LIFETIME_KILOBYTES
        ),
        replay_window=replay_window(config, profile.name),
        responder_only=profile.responder_only,
        aggressive_identity=aggressive.client_endpoint if aggressive else None,
    )


def engine_settings(
    config: Config, tunnels: Iterable[TunnelSettings], address_of: Callable[[str], Address | None]
) -> EngineSettings:
    """The engine's whole view of the configuration. `address_of` gives an interface's address as it is now."""
    isakmp = config.isakmp
    return EngineSettings(
        hostname=config.hostname,
        enabled=isakmp.enabled,
        policies=usable_policies(config),
        keys=isakmp.keys,
        keyrings=tuple(_resolved(keyring, address_of) for keyring in config.keyrings.values()),
        tunnels=tuple(tunnels),
        keepalive=isakmp.keepalive,
        nat_keepalive=DEFAULT_NAT_KEEPALIVE if isakmp.nat_keepalive is None else isakmp.nat_keepalive,
        nat_transparency=config.ipsec.nat_transparency,
        fragmentation=isakmp.fragmentation,
        aggressive_mode=isakmp.aggressive_mode,
        invalid_spi_recovery=isakmp.invalid_spi_recovery,
        identity=isakmp.identity,
        session_status=config.logging.session_status,
    )


def _resolved(keyring: Keyring, address_of: Callable[[str], Address | None]) -> Keyring:
    """`local-address INTERFACE` as its address; where it has none the name stays, and matches no tunnel."""
    local = keyring.local_address
    address = address_of(local) if isinstance(local, str) else None
    return replace(keyring, local_address=address) if isinstance(address, IPv4Address) else keyring


def transport_mtu(config: Config, tunnel: Tunnel, link_mtu: int, *, outer_ipv6: bool, udp: bool) -> int:
    """The largest inner packet, in octets, that fits `link_mtu` inside this tunnel."""
    if not tunnel.mode.ipsec:
        outer = 40 if outer_ipv6 else 20
        return link_mtu - outer - GRE_HEADER - (4 if tunnel.key is not None else 0)
    sets = transform_sets(config, tunnel.protection) if tunnel.protection else ()
    fits = [
        esp_plaintext_mtu(
            link_mtu, outer_ipv6=outer_ipv6, udp=udp, encryption=chosen.encryption, integrity=chosen.integrity
        )
        for chosen in sets or (DEFAULT_TRANSFORM_SET,)
        if chosen.encryption is not None
    ]
    # the peer may pick any of the sets we offer, and ospfd checks the MTU only at the start (RFC 2328 section 10.6)
    return min(fits, default=link_mtu)


def plane_mode(mode: TunnelMode) -> plane.TunnelMode:
    return plane.TunnelMode.IPSEC if mode.ipsec else plane.TunnelMode.GRE


def df_bit(config: Config) -> plane.DfBit:
    return plane.DfBit(config.ipsec.df_bit or "copy")
