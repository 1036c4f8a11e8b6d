"""From the configuration to the kernel's packet filter: a pure function of what is configured and what runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from seikan.config.access import rules
from seikan.config.model import Config, CryptoMapEntry, NatSource, NatStatic
from seikan.config.names import is_template
from seikan.config.route_maps import route_map_lists
from seikan.daemon.map_state import MapState, belongs, enabled, maps_on
from seikan.system.policy_routing import MARK_MASK
from seikan.system.ruleset import (
    AccessGroup,
    AccessRules,
    ClearPacket,
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


def ruleset(config: Config, linux_name: Names, maps: Iterable[MapState]) -> Ruleset:
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
        crypto=tuple(_crypto(config, maps)),
    )


def holding(config: Config, linux_name: Names) -> Ruleset:
    """Nothing is forwarded out of an interface with a crypto map: what holds while the whole cannot be had."""
    return Ruleset(
        crypto=tuple(
            CryptoInterface(
                interface.name, linux_name(interface.name), "", 0, MARK_MASK, (), blocked=True, guarded=True
            )
            for interface, _ in maps_on(config)
        )
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


def _crypto(config: Config, maps: Iterable[MapState]) -> Iterator[CryptoInterface]:
    """One for each interface, with the entries of all parts of its map."""
    by_interface: dict[tuple[str, str], list[MapState]] = {}
    for state in maps:
        for interface in state.interfaces.items():
            by_interface.setdefault(interface, []).append(state)
    for (name, device), states in by_interface.items():
        first = states[0]
        yield CryptoInterface(
            name=name,
            device=device,
            tunnel=first.device,
            mark=first.mark,
            mask=MARK_MASK,
            entries=tuple(made for state in states for made in _entries(config, state)),
            blocked=not first.usable,
            guarded=first.guarded,
        )


def _entries(config: Config, state: MapState) -> Iterator[MapEntry]:
    for entry in state.crypto_map.entries.values():
        described = (
            [(_access(config, entry.access_list), ())] if entry.dynamic is None else _dynamic(config, state, entry)
        )
        for access, flows in described:
            permitted = (
                () if access is None else tuple(MapLine(rule.permit, rule, access.name) for rule in access.rules)
            )
            lines = (*flows, *permitted)
            if lines:
                yield MapEntry(
                    entry.sequence,
                    lines,
                    blocked=not state.usable or not (entry.dynamic is not None or enabled(entry)),
                    tunnel=state.device,
                    mark=state.mark,
                )


def _dynamic(
    config: Config, state: MapState, entry: CryptoMapEntry
) -> Iterator[tuple[AccessRules | None, tuple[MapLine, ...]]]:
    """Of each entry of a dynamic map the list, and what peers have negotiated.

    As in IOS, what the list permits does not leave in clear while no peer has SAs for it.
    """
    dynamic = config.dynamic_maps.get(entry.dynamic or "")
    for described in dynamic.entries.values() if dynamic is not None else ():
        yield (
            _access(config, described.access_list),
            tuple(
                MapLine(True, flow.selector)
                for flow in state.dynamic.values()
                if belongs(flow.number, entry.sequence) and flow.entry == described.sequence
            ),
        )


def clear_text(packet: ClearPacket) -> str:
    """What is logged of a packet that should have been encrypted, in the words of IOS."""
    return (
        f"Rec'd packet not an IPSEC packet. (ip) vrf/dest_addr= /{packet.destination}, "
        f"src_addr= {packet.source}, prot= {packet.protocol}"
    )
