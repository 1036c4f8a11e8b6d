"""The `tunnel …` lines of a tunnel interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, cast

from seikan.config.grammar import Command, Match
from seikan.config.handlers import ConfigError, Setting, setting
from seikan.config.model import Address, Interface, TunnelMode
from seikan.config.modes import INTERFACE

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
    return cast("Address | str", match.args["source"])


def _mode(match: Match) -> TunnelMode:
    return TunnelMode(match.canonical.removeprefix("tunnel mode "))


def _checked_source(command: Command) -> Command:
    inner = cast(Setting, command.handler)

    def apply(interface: Interface, match: Match) -> object:
        if match.args["source"] == interface.name:
            raise ConfigError(f"{interface.name} cannot be its own tunnel source")
        return inner.apply(interface, match)

    return replace(command, handler=replace(inner, apply=apply))


TUNNEL: tuple[Command, ...] = tuple(
    _only_tunnels(command)
    for command in (
        _checked_source(
            setting(
                INTERFACE,
                "tunnel source (<source:ipv4>|<source:ipv6>|<source:interface>)",
                "tunnel.source",
                {**_TUNNEL, "source": "source of tunnel packets", "<source>": "ip address or interface"},
                read=_source,
                text=lambda source: f"tunnel source {_upper(source)}",
            )
        ),
        setting(
            INTERFACE,
            "tunnel mode (gre (ip|ipv6)|ipsec (ipv4|ipv6))",
            "tunnel.mode",
            {
                **_TUNNEL,
                "mode": "tunnel encapsulation method",
                "gre": "generic route encapsulation protocol",
                "ipsec": "IPSec tunnel encapsulation",
                "ip": "over IP",
                "ipv4": "over IPv4",
                "ipv6": "over IPv6",
            },
            read=_mode,
            text=lambda mode: f"tunnel mode {mode.value}",
            initial=TunnelMode.GRE_IP,
        ),
        setting(
            INTERFACE,
            "tunnel destination (<destination:ipv4>|<destination:ipv6>)",
            "tunnel.destination",
            {**_TUNNEL, "destination": "destination of tunnel", "<destination>": "ip address"},
            text=lambda destination: f"tunnel destination {_upper(destination)}",
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
        replace(
            setting(
                INTERFACE,
                "tunnel protection ipsec profile <profile:word>",
                "tunnel.protection",
                {
                    **_TUNNEL,
                    "protection": "Enable tunnel protection",
                    "ipsec": "Use ipsec to protect this tunnel interface",
                    "profile": "Determine the ipsec profile to use",
                    "<profile>": "IPSec profile name",
                },
            ),
            no="tunnel protection [ipsec [profile [<profile:word>]]]",
        ),
    )
)


def _upper(address: object) -> str:
    """An IPv6 address in capitals as IOS writes it; a name of an interface as it is."""
    return address if isinstance(address, str) else str(address).upper()
