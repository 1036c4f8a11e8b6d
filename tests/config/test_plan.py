"""Changes: the fewest actions, in an order that works both ways."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.config.samples import ACCEPTANCE, configurations

from seikan.config.commands.routing import route_order
from seikan.config.handlers import with_item, without_item
from seikan.config.model import (
    AccessList,
    Banner,
    Config,
    Interface,
    IsakmpPeer,
    OspfInterface,
    PreSharedKey,
    StaticRoute,
    Tunnel,
)
from seikan.config.parse import parse
from seikan.config.plan import AccessGroups, Action, ActionKind, bare_interface, inverse, plan

SLOW = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


#: The fields of an interface that have actions of their own.
_APART = ("tunnel", "ospf", "access_group_in", "access_group_out", "crypto_map", "nat")


def _item(mapping: Any, key: Any, value: Any) -> Any:
    return without_item(mapping, key) if value is None else with_item(mapping, key, value)


def interpret(config: Config, action: Action) -> Config:
    """Do one action to a model, and check that it says truly what was there."""
    kind, key, old, new = action.kind, action.key, action.old, action.new
    match kind:
        case ActionKind.HOSTNAME | ActionKind.LOGGING:
            assert getattr(config, key.replace(" ", "_")) == old
            return replace(config, **{key.replace(" ", "_"): cast(Any, new)})
        case ActionKind.FORWARDING:
            assert (key, config.ipv6_unicast_routing) == ("ipv6", old)
            return replace(config, ipv6_unicast_routing=bool(new))
        case ActionKind.BANNER:
            kept = [held for held in config.banners if held.kind != key]
            return replace(
                config, banners=tuple(sorted([*kept, *([cast(Banner, new)] if new else [])], key=lambda b: b.kind))
            )
        case ActionKind.STORED if key == "stored":
            assert config.stored == old
            return replace(config, stored=cast(Any, new))
        case ActionKind.FILTER if key.startswith("access-list "):
            name = key.removeprefix("access-list ")
            assert config.access_lists.get(name) == old
            return replace(config, access_lists=_item(config.access_lists, name, cast("AccessList | None", new)))
        case ActionKind.FILTER:
            filtered, groups = config.interfaces[key], cast("AccessGroups | None", new) or AccessGroups()
            assert AccessGroups(filtered.access_group_in, filtered.access_group_out) == (old or AccessGroups())
            return _with(config, replace(filtered, access_group_in=groups.inbound, access_group_out=groups.outbound))
        case ActionKind.CRYPTO_MAP:
            assert config.interfaces[key].crypto_map == old
            return _with(config, replace(config.interfaces[key], crypto_map=cast("str | None", new)))
        case ActionKind.NAT if key in ("sources", "statics"):
            assert getattr(config, f"nat_{key}") == old
            return replace(config, **{f"nat_{key}": cast(Any, new)})
        case ActionKind.NAT:
            assert config.interfaces[key].nat == old
            return _with(config, replace(config.interfaces[key], nat=cast("str | None", new)))
        case ActionKind.TEMPLATE:
            assert config.interfaces.get(key) == old
            return replace(config, interfaces=_item(config.interfaces, key, cast("Interface | None", new)))
        case ActionKind.INTERFACE:
            held = config.interfaces.get(key)
            if new is None:
                assert held is not None
                assert bare_interface(held) == old
                assert replace(held, tunnel=None) == old, "what is on it goes first"
                if held.tunnel is not None:
                    return _with(config, Interface(key, tunnel=held.tunnel))
                return replace(config, interfaces=without_item(config.interfaces, key))
            if held is None:
                return _with(config, cast(Interface, new))
            apart = {name: getattr(held, name) for name in _APART}
            return _with(config, replace(cast(Interface, new), **apart))
        case ActionKind.TUNNEL:
            # A tunnel's device comes before its addresses and goes behind them.
            held = config.interfaces.get(key, Interface(key))
            assert held.tunnel == old
            return _with(config, replace(held, tunnel=cast("Tunnel | None", new)))
        case ActionKind.ROUTE:
            kept_routes = [route for route in config.routes if route != old]
            added = [cast(StaticRoute, new)] if new else []
            return replace(config, routes=tuple(sorted([*kept_routes, *added], key=route_order)))
        case ActionKind.ROUTING if key.startswith("ospf "):
            return replace(config, ospf=_item(config.ospf, int(key.split()[1]), new))
        case ActionKind.ROUTING:
            held = config.interfaces[key]
            return _with(config, replace(held, ospf=cast(OspfInterface, new) if new else OspfInterface()))
        case ActionKind.CRYPTO:
            return _crypto(config, action)
    raise AssertionError(action)


def _with(config: Config, interface: Interface) -> Config:
    return replace(config, interfaces=with_item(config.interfaces, interface.name, interface))


_IKEV2 = {"proposal": "proposals", "policy": "policies", "keyring": "keyrings", "profile": "profiles"}


def _crypto(config: Config, action: Action) -> Config:
    isakmp, ipsec, new = config.isakmp, config.ipsec, cast(Any, action.new)
    word, _, name = action.key.rpartition(" ")
    match word, name:
        case "", "isakmp":
            kept = {name: getattr(isakmp, name) for name in ("policies", "keys", "peers", "profiles")}
            new = replace(new, **kept)
            return replace(config, isakmp=new)
        case "", "ipsec":
            return replace(config, ipsec=replace(new, transform_sets=ipsec.transform_sets, profiles=ipsec.profiles))
        case "", "ikev2":
            apart = {name: getattr(config.ikev2, name) for name in _IKEV2.values()}
            return replace(config, ikev2=replace(new, **apart))
        case (("ikev2 proposal" | "ikev2 policy" | "ikev2 keyring" | "ikev2 profile"), _):
            path = _IKEV2[word.removeprefix("ikev2 ")]
            items = _item(getattr(config.ikev2, path), name, new)
            return replace(config, ikev2=replace(config.ikev2, **{path: items}))
        case (("pki trustpoint" | "pki chain" | "pki map"), _):
            path = f"{word.removeprefix('pki ')}s"
            return replace(config, pki=replace(config.pki, **{path: _item(getattr(config.pki, path), name, new)}))
        case "isakmp", "keys":
            assert isakmp.keys == action.old
            return replace(config, isakmp=replace(isakmp, keys=cast("tuple[PreSharedKey, ...]", new)))
        case "isakmp policy", _:
            return replace(config, isakmp=replace(isakmp, policies=_item(isakmp.policies, int(name), new)))
        case "isakmp peer", _:
            peers = {peer.address: peer for peer in isakmp.peers}
            peers = dict(_item(peers, IPv4Address(name), cast("IsakmpPeer | None", new)))
            return replace(config, isakmp=replace(isakmp, peers=tuple(peers[key] for key in sorted(peers, key=int))))
        case "isakmp profile", _:
            return replace(config, isakmp=replace(isakmp, profiles=_item(isakmp.profiles, name, new)))
        case "crypto-map", _:
            return replace(config, crypto_maps=_item(config.crypto_maps, name, new))
        case "dynamic-map", _:
            return replace(config, dynamic_maps=_item(config.dynamic_maps, name, new))
        case "keyring", _:
            return replace(config, keyrings=_item(config.keyrings, name, new))
        case "transform-set", _:
            return replace(config, ipsec=replace(ipsec, transform_sets=_item(ipsec.transform_sets, name, new)))
        case "profile", _:
            return replace(config, ipsec=replace(ipsec, profiles=_item(ipsec.profiles, name, new)))
    raise AssertionError(action)


def _without_empty(config: Config) -> Config:
    """Interfaces that lost all their parts are gone: the device goes with its tunnel."""
    interfaces = config.interfaces
    for name, held in interfaces.items():
        if held == Interface(name) and name.startswith("Tunnel"):
            interfaces = without_item(interfaces, name)
    return replace(config, interfaces=interfaces)


@SLOW
@given(configurations(), configurations())
def test_a_plan_turns_the_old_into_the_new_and_its_inverse_back(old: Config, new: Config) -> None:
    actions = plan(old, new)
    config = old
    for action in actions:
        config = interpret(config, action)
    assert _without_empty(config) == new
    for action in inverse(actions):
        config = interpret(config, action)
    assert _without_empty(config) == old


@SLOW
@given(configurations())
def test_nothing_to_do(config: Config) -> None:
    assert plan(config, config) == ()


@SLOW
@given(st.data())
def test_each_key_is_touched_once(data: st.DataObject) -> None:
    old = data.draw(configurations())
    actions = plan(old, data.draw(configurations(old, 5)))
    keys = [(action.kind, action.key) for action in actions]
    assert len(set(keys)) == len(keys)


def _change(lines: str) -> tuple[Action, ...]:
    old = parse(
        ACCEPTANCE + "interface Tunnel1\n tunnel source FastEthernet1/0\n tunnel destination 10.1.12.9\n"
    ).config
    parsed = parse(lines, base=old)
    assert parsed.problems == ()
    return plan(old, parsed.config)


def test_a_description_touches_nothing_else() -> None:
    (action,) = _change("interface Tunnel0\n description to R1\n")
    assert (action.kind, action.key) == (ActionKind.INTERFACE, "Tunnel0")


def test_one_tunnel_is_not_the_other() -> None:
    actions = _change("interface Tunnel0\n tunnel ttl 64\n ip mtu 1400\n ip ospf cost 5\n")
    assert {action.key for action in actions} == {"Tunnel0"}
    assert [action.kind for action in actions] == [ActionKind.TUNNEL, ActionKind.INTERFACE, ActionKind.ROUTING]


def test_crypto_changes_name_what_changed() -> None:
    assert [action.key for action in _change("crypto isakmp policy 1\n group 19\n")] == ["isakmp policy 1"]
    assert [action.key for action in _change("crypto isakmp keepalive 10\n")] == ["isakmp"]
    assert [action.key for action in _change("crypto isakmp key B address 192.0.2.1\n")] == ["isakmp keys"]


def test_order() -> None:
    config = parse(ACCEPTANCE).config
    made = [action.kind for action in plan(Config(), config)]
    assert made.index(ActionKind.CRYPTO) < made.index(ActionKind.INTERFACE) < made.index(ActionKind.TUNNEL)
    assert made.index(ActionKind.TUNNEL) < made.index(ActionKind.ROUTE) < made.index(ActionKind.ROUTING)
    keys = [action.key for action in plan(Config(), config) if action.kind is ActionKind.INTERFACE]
    assert keys.index("FastEthernet1/0") < keys.index("Tunnel0")
    removed = [action.kind for action in plan(config, Config())]
    assert removed.index(ActionKind.ROUTE) < removed.index(ActionKind.TUNNEL)


HUB = """\
crypto isakmp profile HUB
 virtual-template 1
crypto dynamic-map D 10
crypto map M 10 ipsec-isakmp dynamic D
access-list 101 permit ip any any
interface FastEthernet0/0
 ip address 198.51.100.1 255.255.255.0
 crypto map M
 ip nat outside
 ip access-group 101 in
interface Virtual-Template1 type tunnel
 ip unnumbered FastEthernet0/0
 ip ospf 1 area 0
 ip access-group 101 in
 tunnel mode ipsec ipv4
router ospf 1
ip nat inside source list 1 interface FastEthernet0/0 overload
ip nat inside source static 10.0.0.1 192.0.2.1
"""


def test_what_dynamic_vti_and_crypto_maps_need_comes_first() -> None:
    config = parse(HUB).config
    keys = [(action.kind.value, action.key) for action in plan(Config(), config)]
    assert sorted(keys) == sorted(
        (
            ("crypto", "isakmp profile HUB"),
            ("crypto", "dynamic-map D"),
            ("crypto", "crypto-map M"),
            ("filter", "access-list 101"),
            ("interface", "FastEthernet0/0"),
            ("template", "Virtual-Template1"),
            ("filter", "FastEthernet0/0"),
            ("crypto map", "FastEthernet0/0"),
            ("nat", "FastEthernet0/0"),
            ("nat", "sources"),
            ("nat", "statics"),
            ("routing", "ospf 1"),
        )
    )
    places = {key: place for place, key in enumerate(keys)}
    for first, second in (
        (("filter", "access-list 101"), ("interface", "FastEthernet0/0")),
        (("crypto", "crypto-map M"), ("crypto map", "FastEthernet0/0")),
        (("interface", "FastEthernet0/0"), ("template", "Virtual-Template1")),
        (("interface", "FastEthernet0/0"), ("filter", "FastEthernet0/0")),
        (("filter", "FastEthernet0/0"), ("routing", "ospf 1")),
    ):
        assert places[first] < places[second], (first, second)
    removed = [(action.kind.value, action.key) for action in plan(config, Config())]
    assert removed.index(("crypto map", "FastEthernet0/0")) < removed.index(("interface", "FastEthernet0/0"))
    assert removed.index(("interface", "FastEthernet0/0")) < removed.index(("filter", "access-list 101"))


def test_one_line_is_one_action() -> None:
    old = parse(HUB).config
    for lines, kind, key in (
        ("interface FastEthernet0/0\n no crypto map\n", ActionKind.CRYPTO_MAP, "FastEthernet0/0"),
        ("interface FastEthernet0/0\n no ip access-group in\n", ActionKind.FILTER, "FastEthernet0/0"),
        ("interface FastEthernet0/0\n ip nat inside\n", ActionKind.NAT, "FastEthernet0/0"),
        ("interface Virtual-Template1\n ip mtu 1400\n", ActionKind.TEMPLATE, "Virtual-Template1"),
        ("interface Virtual-Template1\n tunnel ttl 9\n", ActionKind.TEMPLATE, "Virtual-Template1"),
        ("access-list 101 deny ip any any\n", ActionKind.FILTER, "access-list 101"),
        ("crypto isakmp profile HUB\n keyring K\n", ActionKind.CRYPTO, "isakmp profile HUB"),
        ("crypto dynamic-map D 10\n set pfs group14\n", ActionKind.CRYPTO, "dynamic-map D"),
        ("crypto map M local-address fa0/0\n", ActionKind.CRYPTO, "crypto-map M"),
        ("crypto call admission limit ike sa 9\n", ActionKind.CRYPTO, "isakmp"),
        ("no ip nat inside source list 1\n", ActionKind.NAT, "sources"),
    ):
        (action,) = plan(old, parse(lines, base=old).config)
        assert (action.kind, action.key) == (kind, key), lines
        assert inverse((action,)) == plan(parse(lines, base=old).config, old), lines


def test_a_copy_of_a_template_is_a_tunnel_like_any_other() -> None:
    """As the daemon derives it for a spoke from the running configuration."""
    config = parse(HUB).config
    template = config.interfaces["Virtual-Template1"]
    assert template.tunnel is not None
    tunnel = replace(template.tunnel, destination=IPv4Address("10.1.0.7"))
    access = replace(template, name="Virtual-Access1", tunnel=tunnel)
    derived = _with(config, access)
    actions = plan(config, derived)
    assert [(action.kind, action.key) for action in actions] == [
        (ActionKind.TUNNEL, "Virtual-Access1"),
        (ActionKind.INTERFACE, "Virtual-Access1"),
        (ActionKind.FILTER, "Virtual-Access1"),
        (ActionKind.ROUTING, "Virtual-Access1"),
    ]
    assert actions[0].new == tunnel
    assert plan(derived, config) == inverse(actions)
    changed = _with(derived, replace(access, tunnel=replace(tunnel, destination=IPv4Address("10.1.0.8"))))
    assert [(action.kind, action.key) for action in plan(derived, changed)] == [(ActionKind.TUNNEL, "Virtual-Access1")]


def test_actions_show_no_key() -> None:
    assert "LoopedBack" not in repr(plan(Config(), parse(ACCEPTANCE).config))
