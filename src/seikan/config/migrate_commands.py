"""The lines that take a running router to its migrated configuration, in an order in which nothing leaves in clear.

First what a tunnel needs and the tunnel, then the routes into it (it drops what it cannot encrypt yet), and only then
the end of the crypto map, which has taken the packets until then.
"""

from __future__ import annotations

from collections.abc import Iterator

from seikan.config.commands.routing import route_key
from seikan.config.migrate_build import Built
from seikan.config.migrate_lines import write_route
from seikan.config.migrate_report import Item, Outcome, Section, Subject
from seikan.config.model import Config
from seikan.config.render import render_section


def typed(subject: Subject, after: Config) -> tuple[str, ...]:
    """The lines for global configuration mode. A line of an interface or a router section is indented."""
    return (*_made(subject.built, subject.before, after), *_gone(subject, after))


def command_section(subject: Subject, after: Config) -> Section:
    """What the report says of them."""
    text = (
        "on a running router these lines do the same, in this order; what cannot be encrypted meanwhile is dropped and "
        "does not leave in clear"
    )
    return Section("Here", (Item(Outcome.TYPE, text, typed(subject, after)),))


def _made(built: Built, before: Config, after: Config) -> Iterator[str]:
    for name in after.ipsec.transform_sets:
        if name not in before.ipsec.transform_sets:
            yield from render_section(after, "crypto ipsec transform-set", name)
    for name in after.ipsec.profiles:
        if name not in before.ipsec.profiles:
            yield from render_section(after, "crypto ipsec profile", name)
    for name in built.lists.values():
        yield from render_section(after, "ip access-list extended", name)
    if built.keepalive and after.isakmp.keepalive is not None:
        held = after.isakmp.keepalive
        yield f"crypto isakmp keepalive {held.interval} {held.retry} periodic"
    for number, names in built.passive.items():
        yield f"router ospf {number}"
        yield from (f" passive-interface {name}" for name in names)
    for made in built.tunnels:
        yield from render_section(after, "interface", made.name)
    for name in (name for names in built.gre.values() for name in names):
        tunnel = after.interfaces[name].tunnel
        assert tunnel is not None
        yield f"interface {name}"
        yield f" tunnel protection ipsec profile {tunnel.protection}{' shared' if tunnel.shared else ''}"


def _gone(subject: Subject, after: Config) -> Iterator[str]:
    built, found = subject.built, subject.arrangement
    names = {made.name for made in built.tunnels}
    last = [route for route in built.routes if route.interface in names or route in found.guards]
    yield from (write_route(route) for route in built.routes if route not in last)
    yield from (write_route(route) for route in last)
    kept = {route_key(route) for route in after.routes}  # a new distance has replaced the old one
    yield from (write_route(route, negation="no ") for route in found.removed if route_key(route) not in kept)
    for name in built.freed:
        yield f"interface {name}"
        yield f" no crypto map {subject.before.interfaces[name].crypto_map}"
    for name in (name for names in built.gre.values() for name in names):
        for line in subject.before.stored:
            if line not in after.stored and line.path == (f"interface {name}",):
                yield f"interface {name}"
                yield f" no {line.text}"
    for held in subject.before.crypto_maps.values():
        if held.name not in after.crypto_maps:
            yield f"no crypto map {held.name}"
            continue
        for sequence in held.entries:
            if sequence not in after.crypto_maps[held.name].entries:
                yield f"no crypto map {held.name} {sequence}"
    for name, access_list in after.access_lists.items():
        before = subject.before.access_lists.get(name)
        if before is None or before == access_list:
            continue
        yield f"ip access-list {'extended' if before.extended else 'standard'} {name}"
        yield from (f" no {entry.sequence}" for entry in before.entries if entry not in access_list.entries)
