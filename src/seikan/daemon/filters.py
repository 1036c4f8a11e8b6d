"""From the configuration to the kernel's packet filter: a pure function of what is configured and what runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from seikan.config.access import rules
from seikan.config.model import Config, NatSource, NatStatic
from seikan.config.names import is_template
from seikan.config.route_maps import route_map_lists
from seikan.daemon.maps import CryptoMaps, MapState
from seikan.system.ruleset import (
    AccessGroup,
    AccessRules,
    CryptoInterface,
    MapEntry,
    MapLine,
    Nat,
    NatClause,
    Ruleset,
    SourceTranslation,
    StaticTranslation,
)

_PROTOCOLS = {"tcp": 6, "udp": 17}

Names = Callable[[str], str]


def ruleset(config: Config, linux_name: Names, maps: CryptoMaps) -> Ruleset:
    """Access groups, translation, crypto maps and MSS of every interface that has a device."""
    interfaces = [interface for interface in config.interfaces.values() if not is_template(interface.name)]
    return Ruleset(
        mss={
            linux_name(interface.name): interface.adjust_mss
            for interface in interfaces
            if interface.adjust_mss is not None
        },
        access_groups=tuple(
            AccessGroup(
                linux_name(interface.name),
                _access(config, interface.access_group_in),
                _access(config, interface.access_group_out),
            )
            for interface in interfaces
            if interface.access_group_in is not None or interface.access_group_out is not None
        ),
        nat=_nat(config, linux_name),
        crypto=tuple(_crypto(config, maps, state) for state in maps.states.values() if state.linux_name),
    )


def _access(config: Config, name: str | None) -> AccessRules | None:
    """None for a list that is not defined, or empty: as in IOS it permits everything."""
    access_list = config.access_lists.get(name or "")
    if access_list is None:
        return None
    found = rules(access_list)
    return AccessRules(access_list.name, found) if found else None


def _nat(config: Config, linux_name: Names) -> Nat:
    def devices(side: str) -> tuple[str, ...]:
        return tuple(linux_name(interface.name) for interface in config.interfaces.values() if interface.nat == side)

    return Nat(
        inside=devices("inside"),
        outside=devices("outside"),
        sources=tuple(
            SourceTranslation(linux_name(source.interface), clauses)
            for source in config.nat_sources
            if (clauses := tuple(_clauses(config, source)))
        ),
        statics=tuple(_static(static, linux_name) for static in config.nat_statics),
    )


def _clauses(config: Config, source: NatSource) -> Iterator[NatClause]:
    """The lists in their order; one that is not defined translates nothing, unlike in an access group."""
    lists = [(True, source.access_list)] if source.access_list is not None else []
    if source.route_map is not None:
        lists = list(route_map_lists(config, source.route_map) or ())
    for permit, name in lists:
        access = _access(config, name)
        if access is not None:
            yield NatClause(permit, access)


def _static(static: NatStatic, linux_name: Names) -> StaticTranslation:
    return StaticTranslation(
        static.inside,
        linux_name(static.outside) if isinstance(static.outside, str) else static.outside,
        _PROTOCOLS.get(static.protocol or ""),
        static.inside_port,
        static.outside_port,
    )


def _crypto(config: Config, maps: CryptoMaps, state: MapState) -> CryptoInterface:
    return CryptoInterface(
        name=state.interface,
        device=state.linux_name,
        tunnel=state.device,
        mark=state.routing.mark,
        mask=state.routing.mask,
        entries=tuple(_entries(config, maps, state)),
        blocked=not state.usable,
    )


def _entries(config: Config, maps: CryptoMaps, state: MapState) -> Iterator[MapEntry]:
    for entry in state.crypto_map.entries.values():
        access = _access(config, entry.access_list)
        if entry.dynamic is not None:
            flows = [flow for flow in state.dynamic.values() if maps.belongs(flow.number, entry.sequence)]
            lines = tuple(MapLine(True, flow.selector) for flow in flows)
        elif access is not None and maps.enabled(entry):
            lines = tuple(MapLine(rule.permit, rule, access.name) for rule in access.rules)
        else:
            continue
        if lines:
            yield MapEntry(entry.sequence, lines)
