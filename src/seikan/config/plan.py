"""What has to be done to go from one configuration to another: the fewest actions, in the order of what they need."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from operator import attrgetter
from typing import TypeVar

from seikan.config.commands.routing import route_key
from seikan.config.model import Config, Interface, Ipsec, Isakmp, OspfInterface, Tunnel
from seikan.config.model_ikev2 import Ikev2
from seikan.config.names import is_template, is_tunnel

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ActionKind(Enum):
    """What an action is about."""

    HOSTNAME = "hostname"
    FORWARDING = "forwarding"
    LOGGING = "logging"
    BANNER = "banner"
    STORED = "stored"
    CRYPTO = "crypto"
    INTERFACE = "interface"
    TUNNEL = "tunnel"
    TEMPLATE = "template"
    CRYPTO_MAP = "crypto map"
    FILTER = "filter"
    NAT = "nat"
    ROUTE = "route"
    ROUTING = "routing"


@dataclass(frozen=True, slots=True)
class AccessGroups:
    """The access lists of one interface: `ip access-group … in` and `out`."""

    inbound: str | None = None
    outbound: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """`key` goes from `old` to `new`; None is absence.

    | kind | key | old and new |
    |---|---|---|
    | HOSTNAME, LOGGING, STORED | the kind | the value; for STORED all kept lines, route maps among them |
    | BANNER | motd, login, exec | `Banner` |
    | INTERFACE | its name | `Interface` without what has an action of its own: its tunnel, OSPF and those below |
    | TUNNEL | its name | `Tunnel` |
    | TEMPLATE | its name, `Virtual-Template1` | the whole `Interface`; it has no device, and no other action |
    | FORWARDING | `ipv6` | whether IPv6 is routed |
    | CRYPTO_MAP | an interface's name | the name of the crypto map on it |
    | FILTER | `access-list N` | `AccessList`; whatever names it is changed by this too |
    | | an interface's name | `AccessGroups` |
    | NAT | `sources`, `statics` | all `NatSource`, all `NatStatic`, as a tuple |
    | | an interface's name | "inside" or "outside" |
    | ROUTE | network, next hop and interface | `StaticRoute` |
    | ROUTING | `ospf N`, or an interface's name | `OspfProcess`, or `OspfInterface` |
    | CRYPTO | `isakmp`, `ipsec` | `Isakmp` and `Ipsec` without what has a key of its own |
    | | `isakmp keys` | the tuple of global keys |
    | | `isakmp policy N`, `isakmp peer A`, `isakmp profile N`, `keyring N` | the object |
    | | `ikev2` | `Ikev2` without what has a key of its own |
    | | `ikev2 proposal N`, `ikev2 policy N`, `ikev2 keyring N`, `ikev2 profile N` | the object |
    | | `pki trustpoint N`, `pki chain N`, `pki map N` | the object |
    | | `transform-set N`, `profile N` (IPsec's), `crypto-map N`, `dynamic-map N` | the object |

    Virtual-Access interfaces, which only configurations derived from the running one have, are interfaces with a
    tunnel like any other.
    """

    kind: ActionKind
    key: str
    old: object | None
    new: object | None


def plan(old: Config, new: Config) -> tuple[Action, ...]:
    """The actions that turn `old` into `new`; empty where they are equal.

    What others need is made first and removed last: cryptography and access lists, interfaces with addresses before
    those that borrow one, tunnels, templates, what an interface does with packets, routes, routing. The order holds
    for `inverse` too.
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
    ActionKind.FORWARDING: 0,
    ActionKind.LOGGING: 0,
    ActionKind.BANNER: 0,
    ActionKind.STORED: 0,
    ActionKind.CRYPTO: 1,
    ActionKind.TUNNEL: 4,
    ActionKind.TEMPLATE: 7,
    ActionKind.FILTER: 8,
    ActionKind.NAT: 8,
    ActionKind.CRYPTO_MAP: 8,
    ActionKind.ROUTE: 9,
    ActionKind.ROUTING: 10,
}
_LIST = "access-list "


def _depth(action: Action) -> int:
    """How much has to be there before: the same whether the action makes or removes."""
    if action.kind is ActionKind.FILTER and action.key.startswith(_LIST):
        return _DEPTH[ActionKind.CRYPTO]
    if action.kind is not ActionKind.INTERFACE:
        return _DEPTH[action.kind]
    interface = action.new if action.new is not None else action.old
    assert isinstance(interface, Interface)
    borrows = interface.unnumbered is not None
    return (5 if is_tunnel(action.key) else 2) + borrows


def _differences(old: Config, new: Config) -> Iterator[Action]:
    yield from _value(ActionKind.HOSTNAME, "hostname", old.hostname, new.hostname)
    yield from _value(ActionKind.HOSTNAME, "domain name", old.domain_name, new.domain_name)
    yield from _value(ActionKind.FORWARDING, "ipv6", old.ipv6_unicast_routing, new.ipv6_unicast_routing)
    yield from _value(ActionKind.LOGGING, "logging", old.logging, new.logging)
    yield from _mapping(
        ActionKind.BANNER, str, {held.kind: held for held in old.banners}, {held.kind: held for held in new.banners}
    )
    yield from _value(ActionKind.STORED, "stored", old.stored, new.stored)
    yield from _mapping(ActionKind.FILTER, lambda name: _LIST + name, old.access_lists, new.access_lists)
    yield from _crypto(old, new)
    yield from _mapping(ActionKind.INTERFACE, str, _bare(old), _bare(new))
    yield from _mapping(ActionKind.TUNNEL, str, _tunnels(old), _tunnels(new))
    yield from _mapping(ActionKind.TEMPLATE, str, _templates(old), _templates(new))
    yield from _mapping(ActionKind.FILTER, str, _access_groups(old), _access_groups(new))
    yield from _mapping(ActionKind.CRYPTO_MAP, str, _crypto_maps(old), _crypto_maps(new))
    yield from _value(ActionKind.NAT, "sources", old.nat_sources, new.nat_sources)
    yield from _value(ActionKind.NAT, "statics", old.nat_statics, new.nat_statics)
    yield from _mapping(ActionKind.NAT, str, _nat_sides(old), _nat_sides(new))
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
    yield from _mapping(kind, lambda name: f"isakmp profile {name}", old.isakmp.profiles, new.isakmp.profiles)
    yield from _mapping(kind, lambda name: f"keyring {name}", old.keyrings, new.keyrings)
    yield from _value(kind, "ikev2", bare_ikev2(old.ikev2), bare_ikev2(new.ikev2))
    for word, path in _NAMED:
        before, after = attrgetter(path)(old), attrgetter(path)(new)
        yield from _mapping(kind, lambda name, word=word: f"{word} {name}", before, after)
    yield from _value(kind, "ipsec", bare_ipsec(old.ipsec), bare_ipsec(new.ipsec))
    yield from _mapping(kind, lambda name: f"transform-set {name}", old.ipsec.transform_sets, new.ipsec.transform_sets)
    yield from _mapping(kind, lambda name: f"profile {name}", old.ipsec.profiles, new.ipsec.profiles)
    yield from _mapping(kind, lambda name: f"dynamic-map {name}", old.dynamic_maps, new.dynamic_maps)
    yield from _mapping(kind, lambda name: f"crypto-map {name}", old.crypto_maps, new.crypto_maps)


def bare_isakmp(isakmp: Isakmp) -> Isakmp:
    """`crypto isakmp` without policies, keys, peers and profiles, which have actions of their own."""
    return replace(isakmp, policies=Isakmp().policies, keys=(), peers=(), profiles=Isakmp().profiles)


#: What of IKEv2 and PKI has an action for each name.
_NAMED = (
    ("ikev2 proposal", "ikev2.proposals"),
    ("ikev2 policy", "ikev2.policies"),
    ("ikev2 keyring", "ikev2.keyrings"),
    ("ikev2 profile", "ikev2.profiles"),
    ("pki trustpoint", "pki.trustpoints"),
    ("pki chain", "pki.chains"),
    ("pki map", "pki.maps"),
)


def bare_ikev2(ikev2: Ikev2) -> Ikev2:
    """`crypto ikev2` without proposals, policies, keyrings and profiles, which have actions of their own."""
    none = Ikev2()
    return replace(
        ikev2, proposals=none.proposals, policies=none.policies, keyrings=none.keyrings, profiles=none.profiles
    )


def bare_ipsec(ipsec: Ipsec) -> Ipsec:
    """`crypto ipsec` without transform sets and profiles, which have actions of their own."""
    return replace(ipsec, transform_sets=Ipsec().transform_sets, profiles=Ipsec().profiles)


def bare_interface(interface: Interface) -> Interface:
    """An interface without what has an action of its own."""
    return replace(
        interface,
        tunnel=None,
        ospf=OspfInterface(),
        access_group_in=None,
        access_group_out=None,
        crypto_map=None,
        nat=None,
    )


def _devices(config: Config) -> Iterator[tuple[str, Interface]]:
    """All interfaces but templates."""
    return ((name, interface) for name, interface in config.interfaces.items() if not is_template(name))


def _bare(config: Config) -> dict[str, Interface]:
    return {name: bare_interface(interface) for name, interface in _devices(config)}


def _tunnels(config: Config) -> dict[str, Tunnel]:
    return {name: interface.tunnel for name, interface in _devices(config) if interface.tunnel is not None}


def _templates(config: Config) -> dict[str, Interface]:
    return {name: interface for name, interface in config.interfaces.items() if is_template(name)}


def _access_groups(config: Config) -> dict[str, AccessGroups]:
    found = {
        name: AccessGroups(interface.access_group_in, interface.access_group_out)
        for name, interface in _devices(config)
    }
    return {name: groups for name, groups in found.items() if groups != AccessGroups()}


def _crypto_maps(config: Config) -> dict[str, str]:
    return {name: interface.crypto_map for name, interface in _devices(config) if interface.crypto_map is not None}


def _nat_sides(config: Config) -> dict[str, str]:
    return {name: interface.nat for name, interface in _devices(config) if interface.nat is not None}


def _ospf_interfaces(config: Config) -> dict[str, OspfInterface]:
    return {name: interface.ospf for name, interface in _devices(config) if interface.ospf != OspfInterface()}


def _value(kind: ActionKind, key: str, old: object, new: object) -> Iterator[Action]:
    if old != new:
        yield Action(kind, key, old, new)


def _mapping(
    kind: ActionKind, name: Callable[..., str], old: Mapping[Key, Value], new: Mapping[Key, Value]
) -> Iterator[Action]:
    for key in (*old, *(key for key in new if key not in old)):
        if old.get(key) != new.get(key):
            yield Action(kind, name(key), old.get(key), new.get(key))
