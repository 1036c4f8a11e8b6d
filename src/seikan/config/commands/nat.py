"""`ip nat inside source …`: what is translated on its way out; other forms are kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import cast

from seikan.config.grammar import Command, Match
from seikan.config.handlers import ConfigError, Keeping, Setting, Stored, device
from seikan.config.model import Config, NatSource, NatStatic
from seikan.config.modes import CONFIG

# --- by list ---------------------------------------------------------------------------------------


def _named(match: Match) -> tuple[str | None, str | None]:
    """The access list or the route map whose packets are translated."""
    args = match.args
    return cast("str | None", args.get("access_list")), cast("str | None", args.get("name"))


def _add_source(config: Config, match: Match) -> Config:
    """One interface for each list: a second line replaces the first."""
    source = NatSource(*_named(match), device(cast(str, match.args["through"])))
    kept = [held for held in config.nat_sources if (held.access_list, held.route_map) != _named(match)]
    return replace(config, nat_sources=(*kept, source))


def _remove_source(config: Config, match: Match) -> Config:
    through = match.args.get("through")
    kept = tuple(
        held
        for held in config.nat_sources
        if (held.access_list, held.route_map) != _named(match) or through not in (None, held.interface)
    )
    if kept == config.nat_sources:
        raise ConfigError("Dynamic mapping not found")
    return replace(config, nat_sources=kept)


def _render_sources(config: Config) -> Iterable[str]:
    for held in config.nat_sources:
        what = f"list {held.access_list}" if held.access_list is not None else f"route-map {held.route_map}"
        yield f"ip nat inside source {what} interface {held.interface} overload"


# --- static ----------------------------------------------------------------------------------------


def _static(match: Match) -> NatStatic:
    args = match.args
    outside = args.get("through")
    return NatStatic(
        inside=cast(IPv4Address, args["local"]),
        outside=device(outside) if isinstance(outside, str) else cast(IPv4Address, args["global"]),
        protocol=next((word for word in ("tcp", "udp") if word in args), None),
        inside_port=cast("int | None", args.get("local_port")),
        outside_port=cast("int | None", args.get("global_port")),
    )


def _taken(static: NatStatic) -> tuple[object, ...]:
    """What of the outside it takes: nothing else can have it."""
    return static.outside, static.protocol, static.outside_port


def _add_static(config: Config, match: Match) -> Config:
    static = _static(match)
    for held in config.nat_statics:
        if held == static:
            return config
        if _taken(held) == _taken(static):
            raise ConfigError(f"similar static entry ({held.inside} -> {held.outside}) already exists")
    return replace(config, nat_statics=(*config.nat_statics, static))


def _remove_static(config: Config, match: Match) -> Config:
    kept = tuple(held for held in config.nat_statics if held != _static(match))
    if kept == config.nat_statics:
        raise ConfigError("Translation not found")
    return replace(config, nat_statics=kept)


def _render_statics(config: Config) -> Iterable[str]:
    for held in config.nat_statics:
        words = ["ip nat inside source static"]
        words += [] if held.protocol is None else [held.protocol]
        words += [str(held.inside)] + ([] if held.inside_port is None else [str(held.inside_port)])
        words += [f"interface {held.outside}" if isinstance(held.outside, str) else str(held.outside)]
        words += [] if held.outside_port is None else [str(held.outside_port)]
        yield " ".join(words)


# --- the rows --------------------------------------------------------------------------------------

_OUTSIDE = "(<global:ipv4>|interface <through:interface(device)>)"
_BY_LIST = "ip nat inside source (list <access_list:word>|route-map <name:word>)"
_STATIC = "ip nat inside source static"
_ADDRESS = f"{_STATIC} <local:ipv4> {_OUTSIDE}"
_PORT = f"{_STATIC} (tcp|udp) <local:ipv4> <local_port:number(1-65535)> {_OUTSIDE} <global_port:number(1-65535)>"
_HELP = {
    "ip": "Global IP configuration subcommands",
    "nat": "NAT configuration commands",
    "inside": "Inside address translation",
    "source": "Source address translation",
    "list": "Specify access list describing local addresses",
    "<access_list>": "Access list number or name",
    "route-map": "Specify route-map",
    "<name>": "Route-map name",
    "interface": "Specify interface for global address",
    "overload": "Overload an address translation",
    "static": "Specify static local->global mapping",
    "tcp": "Transmission Control Protocol",
    "udp": "User Datagram Protocol",
    "<local>": "Inside local IP address",
    "<global>": "Inside global IP address",
    "<local_port>": "Local port",
    "<global_port>": "Global port",
    "extendable": "Accepted: every translation is extendable here",
}
NOT_DONE = "this form of ip nat is kept and not done here"
KEPT_NOT_DONE = "Kept with the configuration, not done here"
_KEPT = Stored(Keeping.MANY, notice=f"{NOT_DONE}: it translates no addresses")
#: Each form that is done comes with what may stand behind it, so that a line which only begins so is kept whole.
_OTHERS = (
    f"{_BY_LIST} pool <words:rest>",
    f"{_BY_LIST} interface <through:interface(device)> (overload <words:rest>|<words:rest>)",
    f"{_ADDRESS} (extendable <words:rest>|<words:rest>)",
    f"{_PORT} (extendable <words:rest>|<words:rest>)",
    f"{_STATIC} network <words:rest>",
    f"{_STATIC} (esp|ahp) <words:rest>",
    "ip nat inside destination <words:rest>",
    "ip nat <words:rest>",
)

#: In the order of rendering.
NAT: tuple[Command, ...] = (
    Command(
        CONFIG,
        f"{_BY_LIST} interface <through:interface(device)> [overload]",
        _HELP,
        Setting(_add_source, _remove_source, _render_sources),
        negatable=True,
        no=f"{_BY_LIST} [interface [<through:interface(device)> [overload]]]",
    ),
    Command(
        CONFIG,
        f"{_ADDRESS} [extendable]",
        _HELP,
        Setting(_add_static, _remove_static, _render_statics),
        negatable=True,
        no=f"{_ADDRESS} [extendable]",
    ),
    Command(
        CONFIG,
        f"{_PORT} [extendable]",
        _HELP,
        Setting(_add_static, _remove_static),
        negatable=True,
        no=f"{_PORT} [extendable]",
    ),
    *(Command(CONFIG, syntax, handler=_KEPT, negatable=True, no=syntax, otherwise=KEPT_NOT_DONE) for syntax in _OTHERS),
)
