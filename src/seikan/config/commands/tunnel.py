"""The `tunnel …` lines of a tunnel interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, cast

from seikan.config.grammar import Command, Match
from seikan.config.handlers import ConfigError, Setting, device, refused, setting
from seikan.config.model import Address, Interface, Tunnel, TunnelMode
from seikan.config.modes import INTERFACE
from seikan.config.names import is_template

_TUNNEL = {"tunnel": "protocol-over-protocol tunneling"}


def _only_tunnels(command: Command) -> Command:
    """The same row, refused on interfaces of other types and silent when those are rendered."""
    inner = cast(Setting, command.handler)

    def checked(act: Callable[[Any, Match], Any]) -> Callable[[Any, Match], Any]:
        def wrapped(interface: Interface, match: Match) -> object:
            if interface.tunnel is None:
                raise ConfigError(f"{interface.name} is no tunnel: tunnel commands need an interface Tunnel")
            return act(interface, match)

        return wrapped

    def render(interface: Interface) -> Iterable[str]:
        return () if interface.tunnel is None else inner.render(interface)

    handler = replace(
        inner,
        apply=checked(inner.apply),
        remove=checked(inner.remove),
        reset=None if inner.reset is None else checked(inner.reset),
        render=render,
    )
    return replace(command, handler=handler)


def _source(match: Match) -> Address | str:
    source = cast("Address | str", match.args["source"])
    return device(source) if isinstance(source, str) else source


def _mode(match: Match) -> TunnelMode:
    words = match.canonical.removeprefix("tunnel mode ").split()
    return TunnelMode(" ".join(words[:2]))


_OVERLAYS = {"v4-overlay": 4, "v6-overlay": 6}


def _set_mode(interface: Interface, match: Match) -> Interface:
    if is_template(interface.name) and not _mode(match).ipsec:
        raise ConfigError("dynamic VTI needs tunnel mode ipsec ipv4")
    overlay = next((version for word, version in _OVERLAYS.items() if word in match.args), None)
    return replace(interface, tunnel=replace(_tunnel(interface), mode=_mode(match), overlay=overlay))


def _render_mode(interface: Interface) -> Iterable[str]:
    tunnel = _tunnel(interface)
    if tunnel.mode is not TunnelMode.GRE_IP:
        overlay = "" if tunnel.overlay is None else f" v{tunnel.overlay}-overlay"
        yield f"tunnel mode {tunnel.mode.value}{overlay}"


def _set_destination(interface: Interface, match: Match) -> Interface:
    """An address or a name: the one takes the place of the other."""
    destination = cast("Address | str", match.args["destination"])
    if not isinstance(destination, str):
        tunnel = replace(_tunnel(interface), destination=destination, destination_name=None)
    elif destination == "dynamic":
        raise ConfigError("tunnel destination dynamic is of FlexVPN clients: type an address or a name")
    elif destination.rpartition(".")[2].isdecimal():
        raise ConfigError(f"{destination} is neither an address such as 192.0.2.1 nor a name such as a.example.com")
    else:
        tunnel = replace(_tunnel(interface), destination=None, destination_name=destination)
    return replace(interface, tunnel=tunnel)


def _render_destination(interface: Interface) -> Iterable[str]:
    tunnel = _tunnel(interface)
    to = tunnel.destination_name or tunnel.destination
    if to is not None:
        yield f"tunnel destination {_upper(to)}"


def _checked_source(command: Command) -> Command:
    inner = cast(Setting, command.handler)

    def apply(interface: Interface, match: Match) -> object:
        if match.args["source"] == interface.name:
            raise ConfigError(f"{interface.name} cannot be its own tunnel source")
        return inner.apply(interface, match)

    return replace(command, handler=replace(inner, apply=apply))


def _tunnel(interface: Interface) -> Tunnel:
    assert interface.tunnel is not None
    return interface.tunnel


def _protect(interface: Interface, match: Match) -> Interface:
    name, shared = cast(str, match.args["name"]), "shared" in match.args
    return replace(interface, tunnel=replace(_tunnel(interface), protection=name, shared=shared))


def _unprotect(interface: Interface, match: Match) -> Interface:
    """`no tunnel protection` takes all of it away, `… ipsec profile` leaves the policy."""
    bare = replace(_tunnel(interface), protection=None, shared=False)
    kept = bare if "profile" in match.args else replace(bare, protection_policy=None)
    return replace(interface, tunnel=kept)


def _render_protection(interface: Interface) -> Iterable[str]:
    tunnel = _tunnel(interface)
    if tunnel.protection is not None:
        yield f"tunnel protection ipsec profile {tunnel.protection}{' shared' if tunnel.shared else ''}"


def _set_policy(interface: Interface, match: Match) -> Interface:
    if is_template(interface.name):
        raise ConfigError("tunnel protection ipsec policy is not available on a Virtual-Template")
    name = cast(str, match.args["name"])
    return replace(interface, tunnel=replace(_tunnel(interface), protection_policy=name))


def _render_policy(interface: Interface) -> Iterable[str]:
    policy = _tunnel(interface).protection_policy
    return () if policy is None else (f"tunnel protection ipsec policy ipv4 {policy}",)


_PROTECTION = {
    **_TUNNEL,
    "protection": "Enable tunnel protection",
    "ipsec": "Use ipsec to protect this tunnel interface",
}
ISAKMP_PROFILE = refused(
    INTERFACE,
    "tunnel protection ipsec profile <name:word> isakmp-profile <words:rest>",
    "name the isakmp profile in the IPsec profile: set isakmp-profile",
)

TUNNEL: tuple[Command, ...] = tuple(
    _only_tunnels(command)
    for command in (
        _checked_source(
            setting(
                INTERFACE,
                "tunnel source (<source:ipv4>|<source:ipv6>|<source:interface(device)>)",
                "tunnel.source",
                {**_TUNNEL, "source": "source of tunnel packets", "<source>": "ip address or interface"},
                read=_source,
                text=lambda source: f"tunnel source {_upper(source)}",
            )
        ),
        Command(
            INTERFACE,
            "tunnel mode (gre (ip|ipv6)|ipsec (ipv4 [v6-overlay]|ipv6 [v4-overlay]|dual-overlay))",
            {
                **_TUNNEL,
                "mode": "tunnel encapsulation method",
                "gre": "generic route encapsulation protocol",
                "ipsec": "IPSec tunnel encapsulation",
                "ip": "over IP",
                "ipv4": "over IPv4",
                "ipv6": "over IPv6",
                "v4-overlay": "IPv4 is carried, over IPv6",
                "v6-overlay": "IPv6 is carried, over IPv4",
                "dual-overlay": "IPv4 and IPv6 are carried, with IKEv2",
            },
            Setting(
                _set_mode,
                lambda interface, _match: replace(
                    interface, tunnel=replace(_tunnel(interface), mode=TunnelMode.GRE_IP, overlay=None)
                ),
                _render_mode,
            ),
            negatable=True,
        ),
        Command(
            INTERFACE,
            "tunnel destination (<destination:ipv4>|<destination:ipv6>|<destination:host>)",
            {**_TUNNEL, "destination": "destination of tunnel", "<destination>": "ip address or host name"},
            Setting(
                _set_destination,
                lambda interface, _match: replace(
                    interface, tunnel=replace(_tunnel(interface), destination=None, destination_name=None)
                ),
                _render_destination,
            ),
            negatable=True,
        ),
        setting(
            INTERFACE,
            "tunnel key <key:number(0-4294967295)>",
            "tunnel.key",
            {**_TUNNEL, "key": "security or selector key", "<key>": "key"},
        ),
        setting(
            INTERFACE,
            "tunnel ttl <ttl:number(1-255)>",
            "tunnel.ttl",
            {**_TUNNEL, "ttl": "set time to live of the outer header", "<ttl>": "time to live"},
        ),
        setting(
            INTERFACE,
            "tunnel path-mtu-discovery",
            "tunnel.path_mtu_discovery",
            {**_TUNNEL, "path-mtu-discovery": "Enable Path MTU Discovery on tunnel"},
        ),
        Command(
            INTERFACE,
            "tunnel protection ipsec policy ipv4 <name:word>",
            {
                **_PROTECTION,
                "policy": "One pair of SAs for each line of an access list",
                "ipv4": "IPv4 access list",
                "<name>": "Access-list number or name",
            },
            Setting(
                _set_policy,
                lambda interface, _match: replace(
                    interface, tunnel=replace(_tunnel(interface), protection_policy=None)
                ),
                _render_policy,
            ),
            negatable=True,
            no="tunnel protection ipsec policy [ipv4 [<name:word>]]",
        ),
        Command(
            INTERFACE,
            "tunnel protection ipsec profile <name:word> [shared]",
            {
                **_PROTECTION,
                "profile": "Determine the ipsec profile to use",
                "<name>": "IPSec profile name",
                "shared": "Share the SAs with the tunnels that have the same ends",
            },
            Setting(_protect, _unprotect, _render_protection),
            negatable=True,
            no="tunnel protection [ipsec [profile [<name:word> [shared]]]]",
        ),
    )
)


def _upper(address: object) -> str:
    """An IPv6 address in capitals as IOS writes it; a name of an interface as it is."""
    return address if isinstance(address, str) else str(address).upper()
