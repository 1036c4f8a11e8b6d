"""What has to be done to go from one configuration to another: the fewest actions, in the order of what they need."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from seikan.config.commands.routing import route_key
from seikan.config.model import Config, Interface, Ipsec, Isakmp, OspfInterface, Tunnel
from seikan.config.names import is_tunnel

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ActionKind(Enum):
    """What an action is about."""

    HOSTNAME = "hostname"
    LOGGING = "logging"
    BANNER = "banner"
    STORED = "stored"
    CRYPTO = "crypto"
    INTERFACE = "interface"
    TUNNEL = "tunnel"
    ROUTE = "route"
    ROUTING = "routing"


@dataclass(frozen=True, slots=True)
class Action:
    """`key` goes from `old` to `new`; None is absence.

    | kind | key | old and new |
    |---|---|---|
    | HOSTNAME, LOGGING, STORED | the kind | the value; for STORED all kept lines |
    | BANNER | motd, login, exec | `Banner` |
    | INTERFACE | its name | `Interface` with neither its tunnel nor its OSPF lines |
    | TUNNEL | its name | `Tunnel` |
    | ROUTE | network, next hop and interface | `StaticRoute` |
    | ROUTING | `ospf N`, or an interface's name | `OspfProcess`, or `OspfInterface` |
    | CRYPTO | `isakmp`, `ipsec` | `Isakmp` and `Ipsec` without what has a key of its own |
    | | `isakmp keys` | the tuple of global keys |
    | | `isakmp policy N`, `isakmp peer A`, `keyring N`, `transform-set N`, `profile N` | the object |
    | | `access-list N` (STORED) | `AccessList`, which is kept and not enforced |
    """

    kind: ActionKind
    key: str
    old: object | None
    new: object | None


def plan(old: Config, new: Config) -> tuple[Action, ...]:
    """The actions that turn `old` into `new`; empty where they are equal.

    What others need is made first and removed last: cryptography, interfaces with addresses before those that
    borrow one, tunnels, routes, routing. The order holds for `inverse` too.
    """
    found = list(_differences(old, new))
    removed = [action for action in found if action.new is None]
    made = [action for action in found if action.new is not None]
    return (*sorted(removed, key=_depth, reverse=True), *sorted(made, key=_depth))


def inverse(actions: Iterable[Action]) -> tuple[Action, ...]:
    """The actions that undo `actions`, last first."""
    return tuple(Action(action.kind, action.key, action.new, action.old) for action in reversed(tuple(actions)))


_DEPTH = {
    ActionKind.HOSTNAME: 0,
    ActionKind.LOGGING: 0,
    ActionKind.BANNER: 0,
    ActionKind.STORED: 0,
    ActionKind.CRYPTO: 1,
    ActionKind.TUNNEL: 4,
    ActionKind.ROUTE: 7,
    ActionKind.ROUTING: 8,
}


def _depth(action: Action) -> int:
    """How much has to be there before: the same whether the action makes or removes."""
    if action.kind is not ActionKind.INTERFACE:
        return _DEPTH[action.kind]
    interface = action.new if action.new is not None else action.old
    assert isinstance(interface, Interface)
    borrows = interface.unnumbered is not None
    return (5 if is_tunnel(action.key) else 2) + borrows


def _differences(old: Config, new: Config) -> Iterator[Action]:
    yield from _value(ActionKind.HOSTNAME, "hostname", old.hostname, new.hostname)
    yield from _value(ActionKind.LOGGING, "logging", old.logging, new.logging)
    yield from _mapping(
        ActionKind.BANNER, str, {held.kind: held for held in old.banners}, {held.kind: held for held in new.banners}
    )
    yield from _value(ActionKind.STORED, "stored", old.stored, new.stored)
    yield from _mapping(ActionKind.STORED, lambda name: f"access-list {name}", old.access_lists, new.access_lists)
    yield from _crypto(old, new)
    yield from _mapping(ActionKind.INTERFACE, str, _bare(old), _bare(new))
    yield from _mapping(ActionKind.TUNNEL, str, _tunnels(old), _tunnels(new))
    yield from _mapping(
        ActionKind.ROUTE,
        lambda key: " ".join(str(part) for part in key if part is not None),
        {route_key(route): route for route in old.routes},
        {route_key(route): route for route in new.routes},
    )
    yield from _mapping(ActionKind.ROUTING, lambda number: f"ospf {number}", old.ospf, new.ospf)
    yield from _mapping(ActionKind.ROUTING, str, _ospf_interfaces(old), _ospf_interfaces(new))


def _crypto(old: Config, new: Config) -> Iterator[Action]:
    kind = ActionKind.CRYPTO
    yield from _value(kind, "isakmp", bare_isakmp(old.isakmp), bare_isakmp(new.isakmp))
    yield from _mapping(kind, lambda number: f"isakmp policy {number}", old.isakmp.policies, new.isakmp.policies)
    yield from _value(kind, "isakmp keys", old.isakmp.keys, new.isakmp.keys)
    yield from _mapping(
        kind,
        lambda address: f"isakmp peer {address}",
        {peer.address: peer for peer in old.isakmp.peers},
        {peer.address: peer for peer in new.isakmp.peers},
    )
    yield from _mapping(kind, lambda name: f"keyring {name}", old.keyrings, new.keyrings)
    yield from _value(kind, "ipsec", bare_ipsec(old.ipsec), bare_ipsec(new.ipsec))
    yield from _mapping(kind, lambda name: f"transform-set {name}", old.ipsec.transform_sets, new.ipsec.transform_sets)
    yield from _mapping(kind, lambda name: f"profile {name}", old.ipsec.profiles, new.ipsec.profiles)


def bare_isakmp(isakmp: Isakmp) -> Isakmp:
    """`crypto isakmp` without policies, keys and peers, which have actions of their own."""
    return replace(isakmp, policies=Isakmp().policies, keys=(), peers=())


def bare_ipsec(ipsec: Ipsec) -> Ipsec:
    """`crypto ipsec` without transform sets and profiles, which have actions of their own."""
    return replace(ipsec, transform_sets=Ipsec().transform_sets, profiles=Ipsec().profiles)


def _bare(config: Config) -> dict[str, Interface]:
    return {
        name: replace(interface, tunnel=None, ospf=OspfInterface()) for name, interface in config.interfaces.items()
    }


def _tunnels(config: Config) -> dict[str, Tunnel]:
    return {name: interface.tunnel for name, interface in config.interfaces.items() if interface.tunnel is not None}


def _ospf_interfaces(config: Config) -> dict[str, OspfInterface]:
    return {name: interface.ospf for name, interface in config.interfaces.items() if interface.ospf != OspfInterface()}


def _value(kind: ActionKind, key: str, old: object, new: object) -> Iterator[Action]:
    if old != new:
        yield Action(kind, key, old, new)


def _mapping(
    kind: ActionKind, name: Callable[..., str], old: Mapping[Key, Value], new: Mapping[Key, Value]
) -> Iterator[Action]:
    for key in (*old, *(key for key in new if key not in old)):
        if old.get(key) != new.get(key):
            yield Action(kind, name(key), old.get(key), new.get(key))
