"""`crypto map` and `crypto dynamic-map`: traffic by access list, its peers, and how it is protected."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, cast

from seikan.config.commands.ipsec import limits, phase_two
from seikan.config.grammar import Command, Match
from seikan.config.handlers import (
    ConfigError,
    Section,
    Setting,
    Stored,
    device,
    refused,
    setting,
    with_item,
    without_item,
)
from seikan.config.model import (
    Address,
    Config,
    CryptoMap,
    CryptoMapEntry,
    CryptoMapPeer,
    DynamicMap,
    ReverseRoute,
)
from seikan.config.modes import CONFIG, CRYPTO_MAP, DYNAMIC_MAP, INTERFACE

Key = tuple[str, int]  # a map's name and a sequence number

_CRYPTO = {"crypto": "Encryption module"}
_SET = {"set": "Set values for encryption/decryption"}

# --- entries ---------------------------------------------------------------------------------------


def _peer(match: Match) -> CryptoMapPeer:
    return CryptoMapPeer(cast(Address, match.args["address"]), "default" in match.args)


def _set_peer(entry: CryptoMapEntry, match: Match) -> CryptoMapEntry:
    """A peer behind those that are there; one at most is the default."""
    peer = _peer(match)
    held = [replace(other, default=other.default and not peer.default) for other in entry.peers]
    if any(other.address == peer.address for other in held):
        return replace(entry, peers=tuple(peer if other.address == peer.address else other for other in held))
    return replace(entry, peers=(*held, peer))


def _remove_peer(entry: CryptoMapEntry, match: Match) -> CryptoMapEntry:
    if "address" not in match.args:
        return replace(entry, peers=())
    address = match.args["address"]
    kept = tuple(held for held in entry.peers if held.address != address)
    if kept == entry.peers:
        raise ConfigError(f"{address} is no peer of this entry")
    return replace(entry, peers=kept)


def _render_peers(entry: CryptoMapEntry) -> Iterable[str]:
    for peer in entry.peers:
        yield f"set peer {str(peer.address).upper()}{' default' if peer.default else ''}"


def _set_idle(entry: CryptoMapEntry, match: Match) -> CryptoMapEntry:
    return replace(entry, idle_time=cast(int, match.args["seconds"]), idle_default="default" in match.args)


def _render_idle(entry: CryptoMapEntry) -> Iterable[str]:
    if entry.idle_time is not None:
        yield f"set security-association idle-time {entry.idle_time}{' default' if entry.idle_default else ''}"


def _settled(entry: CryptoMapEntry) -> CryptoMapEntry:
    """With what `set reverse-route` says in its reverse-route, if it has one."""
    route = entry.reverse_route
    if route is None:
        return entry
    return replace(entry, reverse_route=replace(route, distance=entry.route_distance, tag=entry.route_tag))


def _reverse_route(entry: CryptoMapEntry, match: Match) -> CryptoMapEntry:
    args = match.args
    route = ReverseRoute(
        static="static" in args,
        remote_peer=cast("Address | None", args.get("next_hop")),
        gateway="gateway" in args,
    )
    tag = cast("int | None", args.get("number", entry.route_tag))
    return _settled(replace(entry, reverse_route=route, route_tag=tag))


def _render_reverse_route(entry: CryptoMapEntry) -> Iterable[str]:
    route = entry.reverse_route
    if route is None:
        return
    words = ["reverse-route"]
    words += [f"remote-peer {route.remote_peer}"] if route.remote_peer is not None else []
    words += ["gateway"] if route.gateway else []
    words += ["static"] if route.static else []
    yield " ".join(words)


def _set_route(entry: CryptoMapEntry, match: Match) -> CryptoMapEntry:
    if "distance" in match.args:
        return _settled(replace(entry, route_distance=cast(int, match.args["number"])))
    return _settled(replace(entry, route_tag=cast(int, match.args["number"])))


def _remove_set_route(entry: CryptoMapEntry, match: Match) -> CryptoMapEntry:
    both = not {"distance", "tag"} & set(match.args)
    distance = None if both or "distance" in match.args else entry.route_distance
    tag = None if both or "tag" in match.args else entry.route_tag
    return _settled(replace(entry, route_distance=distance, route_tag=tag))


def _render_set_route(entry: CryptoMapEntry) -> Iterable[str]:
    if entry.route_distance is not None:
        yield f"set reverse-route distance {entry.route_distance}"
    if entry.route_tag is not None:
        yield f"set reverse-route tag {entry.route_tag}"


_REVERSE = {
    "reverse-route": "Reverse Route Injection",
    "static": "Create routes at once, not only while there are SAs",
    "remote-peer": "Next hop of the routes",
    "<next_hop>": "Next hop address",
    "gateway": "Create a route to the peer too",
    "tag": "Create route and tag it",
    "distance": "Administrative distance of the routes",
    "<number>": "Distance or tag",
}


def _rows(mode: str) -> tuple[Command, ...]:
    """The lines of an entry, alike in a crypto map and in a dynamic map, in the order of rendering."""

    def kept(syntax: str, notice: str, text: str) -> Command:
        return Command(mode, syntax, handler=Stored(notice=notice), negatable=True, otherwise=text)

    return (
        setting(
            mode,
            "description <description:rest>",
            "description",
            {"description": "Description of the crypto map statement policy", "<description>": "Up to 80 characters"},
        ),
        Command(
            mode,
            "set peer (<address:ipv4>|<address:ipv6>) [default]",
            {
                **_SET,
                "peer": "Allowed Encryption/Decryption peer",
                "<address>": "IP address of peer",
                "default": "The peer that is tried first again",
            },
            Setting(_set_peer, _remove_peer, _render_peers),
            negatable=True,
            no="set peer [(<address:ipv4>|<address:ipv6>) [default]]",
        ),
        refused(
            mode,
            "set peer <name:word> [<words:rest>]",
            "names of peers are not resolved: type the peer's address, as in set peer 192.0.2.1",
        ),
        *limits(mode, "set security-association", "", _SET),
        Command(
            mode,
            "set security-association idle-time <seconds:number(60-86400)> [default]",
            {
                **_SET,
                "security-association": "Security association parameters",
                "idle-time": "Delete SAs that carry nothing for this time",
                "<seconds>": "Idle time in seconds",
                "default": "Then the default peer is tried first",
            },
            Setting(_set_idle, lambda entry, _match: replace(entry, idle_time=None, idle_default=False), _render_idle),
            negatable=True,
        ),
        kept(
            "set security-association level per-host",
            "level per-host is kept and not done here: hosts share the SAs of their access list line",
            "Kept, hosts share the SAs of their line",
        ),
        *phase_two(mode),
        kept("set nat demux", "", "Kept, NAT is found and dealt with anyway"),
        kept(
            "set ip access-group <name:word> (in|out)",
            "set ip access-group is kept and not enforced: use ip access-group on the interface",
            "Kept, not enforced",
        ),
        Command(
            mode,
            "set reverse-route (distance <number:number(1-255)>|tag <number:number(1-4294967295)>)",
            {**_SET, **_REVERSE},
            Setting(_set_route, _remove_set_route, _render_set_route),
            negatable=True,
        ),
        kept("qos pre-classify", "", "Kept with the configuration, has no effect here"),
        setting(
            mode,
            "match address <access_list:word>",
            "access_list",
            {
                "match": "Match values",
                "address": "Match address of packets to encrypt",
                "<access_list>": "Access-list number or name",
            },
        ),
        Command(
            mode,
            "reverse-route [static|tag <number:number(1-4294967295)>|remote-peer <next_hop:ipv4> [gateway]]...",
            _REVERSE,
            Setting(_reverse_route, lambda entry, _match: replace(entry, reverse_route=None), _render_reverse_route),
            negatable=True,
        ),
    )


# --- the maps --------------------------------------------------------------------------------------


def _key(match: Match) -> Key:
    return cast(str, match.args["name"]), cast(int, match.args["sequence"])


def _with_entry(
    entries: Mapping[int, CryptoMapEntry], sequence: int, entry: CryptoMapEntry
) -> Mapping[int, CryptoMapEntry]:
    """A read-only copy that holds `entry`, by ascending sequence number."""
    return MappingProxyType(dict(sorted({**entries, sequence: entry}.items())))


def _get(config: Config, key: Key) -> CryptoMapEntry | None:
    held = config.crypto_maps.get(key[0])
    return None if held is None else held.entries.get(key[1])


def _put(config: Config, key: Key, entry: CryptoMapEntry) -> Config:
    held = config.crypto_maps.get(key[0], CryptoMap(key[0]))
    return _put_map(config, replace(held, entries=_with_entry(held.entries, key[1], entry)))


def _put_map(config: Config, held: CryptoMap) -> Config:
    """A map of which nothing is left is gone."""
    if held == CryptoMap(held.name):
        return replace(config, crypto_maps=without_item(config.crypto_maps, held.name))
    return replace(config, crypto_maps=with_item(config.crypto_maps, held.name, held))


def _open(config: Config, match: Match) -> tuple[Config, Hashable]:
    """An entry of a dynamic map has no lines of its own, and so no mode."""
    key = name, sequence = _key(match)
    held, tag = _get(config, key), cast("str | None", match.args.get("dynamic_map"))
    if "ipsec-isakmp" not in match.args:
        if held is None:
            raise ConfigError(
                f"crypto map {name} {sequence} does not exist: name its kind, as in "
                f"crypto map {name} {sequence} ipsec-isakmp"
            )
        return config, key if held.dynamic is None else None
    if held is not None and held.dynamic != tag:
        kind = "without a dynamic map" if held.dynamic is None else f"with dynamic map {held.dynamic}"
        raise ConfigError(f"crypto map {name} {sequence} exists {kind}: remove it first")
    if held is None:
        config = _put(config, key, CryptoMapEntry(sequence, dynamic=tag))
    return config, key if tag is None else None


_NOTE = "% NOTE: This new crypto map will remain disabled until a peer and a valid access list have been configured."


def _remark_new(before: Config, match: Match) -> Iterable[str]:
    if _get(before, _key(match)) is None and "dynamic_map" not in match.args:
        yield _NOTE


def _remove(config: Config, match: Match) -> Config:
    name = cast(str, match.args["name"])
    held = config.crypto_maps.get(name)
    if held is None:
        raise ConfigError(f"crypto map {name} is not configured")
    sequence = cast("int | None", match.args.get("sequence"))
    if sequence is not None and sequence not in held.entries:
        raise ConfigError(f"crypto map {name} {sequence} is not configured")
    left = {} if sequence is None else without_item(held.entries, sequence)
    users = [interface.name for interface in config.interfaces.values() if interface.crypto_map == name]
    if users and not left:
        raise ConfigError(f"Crypto-map {name} is in use by interface(s): {', '.join(users)}. Remove it there first")
    if sequence is None:
        return replace(config, crypto_maps=without_item(config.crypto_maps, name))
    return _put_map(config, replace(held, entries=left))


def _maps(config: Config) -> list[CryptoMap]:
    return [config.crypto_maps[name] for name in sorted(config.crypto_maps)]


def _write(key: Key, entry: CryptoMapEntry) -> str:
    dynamic = "" if entry.dynamic is None else f" dynamic {entry.dynamic}"
    return f"crypto map {key[0]} {key[1]} ipsec-isakmp{dynamic}"


def _of_map(syntax: str, field: str, help: Mapping[str, str], read: Callable[[Match], str]) -> Command:
    """A row about a whole map, such as `crypto map NAME local-address INTERFACE`."""

    def change(config: Config, match: Match, value: str | None) -> Config:
        name = cast(str, match.args["name"])
        held = config.crypto_maps.get(name, CryptoMap(name))
        return _put_map(config, replace(held, **{field: cast(Any, value)}))

    word, argument = syntax.split()

    def render(config: Config) -> Iterable[str]:
        for held in _maps(config):
            value = getattr(held, field)
            if value is not None:
                yield f"crypto map {held.name} {word} {value}"

    return Command(
        CONFIG,
        f"crypto map <name:word> {syntax}",
        {**_CRYPTO, "map": "Enter a crypto map", "<name>": "Crypto map tag", **help},
        Setting(
            lambda config, match: change(config, match, read(match)),
            lambda config, match: change(config, match, None),
            render,
        ),
        negatable=True,
        no=f"crypto map <name:word> {word} [{argument}]",
    )


def _dynamic_get(config: Config, key: Key) -> CryptoMapEntry | None:
    held = config.dynamic_maps.get(key[0])
    return None if held is None else held.entries.get(key[1])


def _dynamic_put(config: Config, key: Key, entry: CryptoMapEntry) -> Config:
    held = config.dynamic_maps.get(key[0], DynamicMap(key[0]))
    entries = _with_entry(held.entries, key[1], entry)
    return replace(config, dynamic_maps=with_item(config.dynamic_maps, key[0], replace(held, entries=entries)))


def _dynamic_open(config: Config, match: Match) -> tuple[Config, Hashable]:
    key = _key(match)
    if _dynamic_get(config, key) is None:
        config = _dynamic_put(config, key, CryptoMapEntry(key[1]))
    return config, key


def _dynamic_remove(config: Config, match: Match) -> Config:
    name = cast(str, match.args["name"])
    held = config.dynamic_maps.get(name)
    sequence = cast("int | None", match.args.get("sequence"))
    if held is None or (sequence is not None and sequence not in held.entries):
        raise ConfigError(f"crypto dynamic-map {name}{'' if sequence is None else f' {sequence}'} is not configured")
    left = {} if sequence is None else without_item(held.entries, sequence)
    if not left:
        return replace(config, dynamic_maps=without_item(config.dynamic_maps, name))
    return replace(config, dynamic_maps=with_item(config.dynamic_maps, name, replace(held, entries=left)))


_SEQUENCE = "<sequence:number(1-65535)>"
_MAP_HELP = {
    **_CRYPTO,
    "map": "Enter a crypto map",
    "<name>": "Crypto map tag",
    "<sequence>": "Sequence to insert into crypto map entry",
    "ipsec-isakmp": "IPSEC w/ISAKMP",
    "dynamic": "Enable dynamic crypto map support",
    "<dynamic_map>": "Name of dynamic-map",
}
_NO_FAILOVER = "failover between two routers is not available"
_REFUSED = (
    (f"{_SEQUENCE} ipsec-manual", "keys typed by hand are not available: type ipsec-isakmp"),
    (f"{_SEQUENCE} gdoi", "GET VPN is not available: type ipsec-isakmp"),
    ("gdoi <words:rest>", "GET VPN is not available"),
    ("client authentication <words:rest>", "XAUTH is not available: peers are told apart by their keys"),
    ("client <words:rest>", "Easy VPN clients are not available: a spoke is a router of its own"),
    ("isakmp authorization <words:rest>", "keys of an AAA server are not available: type crypto isakmp key"),
    ("redundancy <words:rest>", _NO_FAILOVER),
)

#: Dynamic maps in front of the maps that name them, in the order of rendering.
CRYPTO_MAPS: tuple[Command, ...] = (
    Command(
        CONFIG,
        f"crypto dynamic-map <name:word> {_SEQUENCE}",
        {
            **_CRYPTO,
            "dynamic-map": "Specify a dynamic crypto map template",
            "<name>": "Dynamic crypto map template tag",
            "<sequence>": "Sequence to insert into dynamic-map entry",
        },
        Section(
            mode=DYNAMIC_MAP,
            open=_dynamic_open,
            remove=_dynamic_remove,
            get=_dynamic_get,
            put=_dynamic_put,
            every=lambda config: tuple(
                (name, number) for name in sorted(config.dynamic_maps) for number in config.dynamic_maps[name].entries
            ),
            header=lambda key, _entry: f"crypto dynamic-map {key[0]} {key[1]}",
            title=lambda key: f"crypto dynamic-map {key[0]} {key[1]}",
        ),
        negatable=True,
        no=f"crypto dynamic-map <name:word> [{_SEQUENCE}]",
    ),
    *_rows(DYNAMIC_MAP),
    _of_map(
        "local-address <local:interface(device)>",
        "local_address",
        {"local-address": "Interface to use for local address for this crypto map"},
        lambda match: device(cast(str, match.args["local"])),
    ),
    _of_map(
        "isakmp-profile <profile:word>",
        "isakmp_profile",
        {"isakmp-profile": "Specify isakmp profile to use", "<profile>": "ISAKMP profile name"},
        lambda match: cast(str, match.args["profile"]),
    ),
    Command(
        CONFIG,
        f"crypto map <name:word> {_SEQUENCE} [ipsec-isakmp [dynamic <dynamic_map:word>]]",
        _MAP_HELP,
        Section(
            mode=CRYPTO_MAP,
            open=_open,
            remove=_remove,
            get=_get,
            put=_put,
            every=lambda config: tuple((held.name, number) for held in _maps(config) for number in held.entries),
            header=_write,
            title=lambda key: f"crypto map {key[0]} {key[1]}",
            remark=_remark_new,
        ),
        negatable=True,
        no=f"crypto map <name:word> [{_SEQUENCE} [ipsec-isakmp [dynamic [<dynamic_map:word>]]]]",
    ),
    *_rows(CRYPTO_MAP),
    *(refused(CONFIG, f"crypto map <name:word> {syntax}", reason) for syntax, reason in _REFUSED),
    refused(INTERFACE, "crypto map <name:word> redundancy <words:rest>", _NO_FAILOVER),
)
