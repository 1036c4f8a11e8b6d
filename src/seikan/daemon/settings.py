"""From configuration to what the engine and the plane are told: pure functions of a `Config` and resolved addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from seikan.config.model import (
    Config,
    CryptoMapEntry,
    Ipsec,
    IpsecProfile,
    IsakmpPolicy,
    Keyring,
    TransformSet,
    Tunnel,
    TunnelMode,
)
from seikan.config.names import is_tunnel
from seikan.config.references import GLOBAL_KEYRING
from seikan.config.validate import profile_problems
from seikan.daemon.settings_ikev2 import Held, ikev2_settings
from seikan.ike.preshared import GLOBAL
from seikan.ike.settings import (
    DynamicMapSettings,
    EngineSettings,
    FlowSettings,
    PhaseTwo,
    ProfileSettings,
    TemplateSettings,
    TunnelSettings,
)
from seikan.plane import base as plane
from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME, tunnel_mtu
from seikan.wire.selector import ANY_IPV4, ANY_IPV6, Selector

Address = IPv4Address | IPv6Address

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


def transform_sets(config: Config, names: Iterable[str]) -> tuple[TransformSet, ...]:
    """The named sets in order of preference, the default set where none is named; unknown names are left out."""
    wanted = tuple(names)
    if not wanted:
        return (DEFAULT_TRANSFORM_SET,)
    known = config.ipsec.transform_sets
    return tuple(known[name] for name in wanted if name in known)


def profile_sets(config: Config, profile_name: str | None) -> tuple[TransformSet, ...]:
    """The transform sets of an IPsec profile; empty where it does not exist."""
    profile = config.ipsec.profiles.get(profile_name or "")
    return () if profile is None else transform_sets(config, profile.transform_sets)


def _first(*values: int | None, default: int) -> int:
    return next((value for value in values if value is not None), default)


def phase_two(config: Config, holder: IpsecProfile | CryptoMapEntry, name: str) -> PhaseTwo | None:
    """What a profile or a crypto map entry offers, with the global values where it says nothing.

    None where none of its transform sets exists.
    """
    sets = transform_sets(config, holder.transform_sets)
    if not sets:
        return None
    ipsec = config.ipsec
    return PhaseTwo(
        name=name,
        transform_sets=sets,
        pfs_group=holder.pfs_group,
        lifetime_seconds=_first(
            holder.lifetime_seconds, ipsec.lifetime_seconds, default=Ipsec.DEFAULT_LIFETIME_SECONDS
        ),
        lifetime_kilobytes=_first(
            holder.lifetime_kilobytes, ipsec.lifetime_kilobytes, default=Ipsec.DEFAULT_LIFETIME_KILOBYTES
        ),
        replay_window=_first(holder.replay_window, ipsec.replay_window, default=Ipsec.DEFAULT_REPLAY_WINDOW),
        # A tunnel interface keeps its SAs while it is up.
        idle_seconds=(holder.idle_time or ipsec.idle_time) if isinstance(holder, CryptoMapEntry) else None,
    )


def profile_phase_two(config: Config, name: str | None) -> PhaseTwo | None:
    """What tunnels with this IPsec profile negotiate; None where it does not exist or offers nothing."""
    profile = config.ipsec.profiles.get(name or "")
    return None if profile is None else phase_two(config, profile, f"profile {profile.name}")


@dataclass(frozen=True, slots=True)
class Protected:
    """One flow with the ends that its SAs have: what `sessions` puts together by peer.

    `interface` is that of a crypto map, which names the session; a tunnel's is the owner.
    """

    local: Address
    remote: Address
    flow: FlowSettings
    isakmp_profile: str | None = None
    interface: str | None = None
    ikev2_profile: str | None = None


def sessions(config: Config, flows: Iterable[Protected]) -> tuple[TunnelSettings, ...]:
    """One for each pair of ends: whatever is protected between the same two addresses shares a phase 1, or the IKE SA
    of its IKEv2 profile.

    A session is called after its first owner, tunnels before those that have no name of their own: a crypto map's,
    which has its peer's address behind, and what shared GRE tunnels are called together, which has it already. A
    further session of the same name has its profile behind.
    """
    by_ends: dict[tuple[Address, Address, str | None], list[Protected]] = {}
    for row in flows:
        by_ends.setdefault((row.local, row.remote, row.ikev2_profile), []).append(row)
    aggressive = {peer.address: peer.client_endpoint for peer in config.isakmp.peers}
    found: dict[str, TunnelSettings] = {}
    for (local, remote, ikev2_profile), rows in by_ends.items():
        tunnels = sorted(row.flow.owner for row in rows if is_tunnel(row.flow.owner))
        behind = f" {remote}"
        name = tunnels[0] if tunnels else (rows[0].interface or rows[0].flow.owner).removesuffix(behind) + behind
        if name in found:
            name = f"{name} {ikev2_profile or 'IKEv1'}"
        found[name] = TunnelSettings(
            name=name,
            local=local,
            remote=remote,
            flows=tuple(row.flow for row in rows),
            aggressive_identity=aggressive.get(remote),
            isakmp_profile=next((row.isakmp_profile for row in rows if row.isakmp_profile is not None), None),
            ikev2_profile=ikev2_profile,
        )
    return tuple(found.values())


def isakmp_profiles(config: Config, address_of: Callable[[str], Address | None]) -> tuple[ProfileSettings, ...]:
    """The isakmp profiles that peers may match.

    Not among them are those bound to an interface without an address, and those with a line that was not understood:
    it might have said whom the profile is for. What uses such a profile has a problem of its own and does not run.
    """
    found = []
    for profile in config.isakmp.profiles.values():
        if profile_problems(config, profile.name):
            continue
        local = profile.local_address
        resolved = address_of(local) if isinstance(local, str) else local
        if local is not None and resolved is None:
            continue
        found.append(
            ProfileSettings(
                name=profile.name,
                keyrings=tuple(_ring(config, name) for name in profile.keyrings),
                identities=profile.identities,
                self_identity=profile.self_identity,
                aggressive=profile.initiate_aggressive,
                keepalive=profile.keepalive,
                local=resolved,
                template=profile.virtual_template,
            )
        )
    return tuple(found)


def _ring(config: Config, name: str) -> str:
    """`keyring default` is the global keys, beside other keyrings too."""
    return GLOBAL if name == GLOBAL_KEYRING and name not in config.keyrings else name


@dataclass(frozen=True, slots=True)
class Negotiable:
    """What the running router has to negotiate for: peers, templates and dynamic crypto maps."""

    tunnels: tuple[TunnelSettings, ...] = ()
    templates: tuple[TemplateSettings, ...] = ()
    dynamic_maps: tuple[DynamicMapSettings, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tunnels or self.templates or self.dynamic_maps)


def engine_settings(
    config: Config, wanted: Negotiable, address_of: Callable[[str], Address | None], held: Held | None = None
) -> EngineSettings:
    """The engine's whole view of the configuration. `address_of` gives an interface's address as it is now, `held` what
    the router has beside its configuration.
    """
    isakmp = config.isakmp
    whole = _engine_settings(config, wanted, address_of, held or Held())
    if isakmp.enabled:
        return whole
    # `no crypto isakmp enable` is about IKEv1: nothing of it is left to negotiate.
    tunnels = tuple(tunnel for tunnel in wanted.tunnels if tunnel.ikev2_profile is not None)
    anybody = bool(config.ikev2.profiles) and bool(wanted.templates or wanted.dynamic_maps)
    return replace(whole, enabled=bool(tunnels) or anybody, policies=(), profiles=(), tunnels=tunnels)


def _engine_settings(
    config: Config, wanted: Negotiable, address_of: Callable[[str], Address | None], held: Held
) -> EngineSettings:
    isakmp = config.isakmp
    return EngineSettings(
        hostname=config.full_name,
        enabled=True,
        policies=usable_policies(config),
        keys=isakmp.keys,
        keyrings=tuple(_resolved(keyring, address_of) for keyring in config.keyrings.values()),
        tunnels=wanted.tunnels,
        profiles=isakmp_profiles(config, address_of),
        templates=wanted.templates,
        dynamic_maps=wanted.dynamic_maps,
        max_sas=isakmp.max_sas or 0,
        max_negotiating=isakmp.max_negotiating or 0,
        keepalive=isakmp.keepalive,
        nat_keepalive=DEFAULT_NAT_KEEPALIVE if isakmp.nat_keepalive is None else isakmp.nat_keepalive,
        nat_transparency=config.ipsec.nat_transparency,
        fragmentation=isakmp.fragmentation,
        aggressive_mode=isakmp.aggressive_mode,
        invalid_spi_recovery=isakmp.invalid_spi_recovery,
        identity=isakmp.identity,
        session_status=config.logging.session_status,
        ikev2=ikev2_settings(config, held),
    )


def _resolved(keyring: Keyring, address_of: Callable[[str], Address | None]) -> Keyring:
    """`local-address INTERFACE` as its address; where it has none the name stays, and matches no tunnel."""
    local = keyring.local_address
    address = address_of(local) if isinstance(local, str) else None
    return replace(keyring, local_address=address) if isinstance(address, IPv4Address) else keyring


def transport_mtu(
    sets: Iterable[TransformSet],
    link_mtu: int,
    *,
    outer_ipv6: bool,
    udp: bool,
    gre: bool = False,
    key: bool = False,
    transport: bool = False,
) -> int:
    """The largest inner packet, in octets, that fits `link_mtu` inside ESP with any of the sets.

    The peer may pick any of those we offer, and ospfd checks the MTU only at the start (RFC 2328 section 10.6).
    """
    fits = [
        tunnel_mtu(
            link_mtu,
            outer_ipv6=outer_ipv6,
            gre=gre,
            key=key,
            encryption=chosen.encryption,
            integrity=chosen.integrity,
            transport=transport and chosen.transport,
            udp=udp,
        )
        for chosen in tuple(sets) or (DEFAULT_TRANSFORM_SET,)
        if chosen.encryption is not None
    ]
    return min(fits, default=link_mtu)


def inner_mtu(config: Config, tunnel: Tunnel, link_mtu: int, *, outer_ipv6: bool, udp: bool, transport: bool) -> int:
    """The largest inner packet, in octets, that fits `link_mtu` inside this tunnel interface.

    `transport`: its SAs were agreed in transport mode.
    """
    gre, key = not tunnel.mode.ipsec, tunnel.key is not None
    if gre and tunnel.protection is None:
        return tunnel_mtu(link_mtu, outer_ipv6=outer_ipv6, gre=True, key=key)
    sets = profile_sets(config, tunnel.protection)
    return transport_mtu(sets, link_mtu, outer_ipv6=outer_ipv6, udp=udp, gre=gre, key=key, transport=transport)


def overlays(config: Config, tunnel: Tunnel) -> tuple[Selector, ...]:
    """Everything that a tunnel of `tunnel mode ipsec …` carries: of one IP version, or of both.

    The version outside comes first: that is what IKEv1, which has one selector for a pair of SAs, negotiates alone.
    """
    if tunnel.overlay is not None:
        return (ANY_IPV4,) if tunnel.overlay == 4 else (ANY_IPV6,)
    profile = config.ipsec.profiles.get(tunnel.protection or "")
    destination = tunnel.destination
    outside_ipv6 = tunnel.mode is TunnelMode.IPSEC_IPV6 or (destination is not None and destination.version == 6)
    first, other = (ANY_IPV6, ANY_IPV4) if outside_ipv6 else (ANY_IPV4, ANY_IPV6)
    both = tunnel.mode is TunnelMode.IPSEC_DUAL_OVERLAY or (profile is not None and profile.mixed_mode)
    return (first, other) if both else (first,)


def plane_mode(mode: TunnelMode) -> plane.TunnelMode:
    return plane.TunnelMode.IPSEC if mode.ipsec else plane.TunnelMode.GRE


def df_bit(config: Config) -> plane.DfBit:
    return plane.DfBit(config.ipsec.df_bit or "copy")
