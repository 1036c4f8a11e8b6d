"""The text of the router's table of nftables. Pure: a `Ruleset` in, the table out.

The order in which IOS looks at a packet, and the hooks (nft(8)) that keep it:

arriving  access group `in`, then what should have come encrypted  prerouting, raw
          translation from outside to inside                       prerouting, dstnat
          what is for a crypto map gets its mark                   prerouting, behind dstnat
leaving   access group `out` on what is forwarded                  forward; with `ip nat outside` behind srcnat
          translation from inside to outside                       postrouting, srcnat
own       what is for a crypto map gets its mark                   output (a chain that routes anew)
all       what is for a crypto map and leaves by another device    postrouting, mangle
          than the map's is dropped, marked or not
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from seikan.config.access import TCP, UDP, refusals
from seikan.system.errors import AdapterError
from seikan.system.nft_lines import Line, Table, add_lines, device, devices, mirrored, nft_name
from seikan.system.ruleset import (
    IKE_PORTS,
    PROHIBITED,
    AccessRules,
    CryptoInterface,
    MapLine,
    Nat,
    Ruleset,
    StaticTranslation,
    access_list_counter,
    crypto_counter,
    guarded_counter,
    unrouted_counter,
)
from seikan.wire.selector import Selector

_ALL_BITS = 0xFFFFFFFF
_SAMPLES = 32  # clear packets remembered between two looks
_SAMPLES_FOR = "1m"
# One ICMP unreachable in 500 ms, as IOS sends (`ip icmp rate-limit unreachable`).
_UNREACHABLE_RATE = "limit rate 2/second burst 1 packets"
_TRANSPORTS = {TCP: "tcp", UDP: "udp"}
_ESP_AND_AH = "meta l4proto { 50, 51 }"


@dataclass(frozen=True, slots=True)
class Rendering:
    """A table's definition, and what is in it by name. `samples`: set to interface in IOS words."""

    table: str
    text: str
    chains: frozenset[str]
    sets: tuple[str, ...]  # "set NAME" or "map NAME"
    counters: frozenset[str]
    samples: tuple[tuple[str, str], ...]

    def replacing(self, old: Rendering | None) -> str:
        """The script that puts this table in the place of `old`, whose counters go on; of any table without `old`."""
        if old is None:
            return f"add table inet {self.table}\ndelete table inet {self.table}\n{self.text}"
        lines = [f"flush table inet {self.table}"]
        for kind, name in (held.split() for held in old.sets):
            lines.append(f"delete {kind} inet {self.table} {name}")
        lines += [f"delete chain inet {self.table} {name}" for name in sorted(old.chains - self.chains)]
        lines += [f"delete counter inet {self.table} {name}" for name in sorted(old.counters - self.counters)]
        return "\n".join((*lines, self.text))


def render(ruleset: Ruleset, name: str) -> Rendering:
    """The table `name`. Raises `AdapterError` naming list, line and word where an access list cannot be enforced."""
    table = Table()
    lists = _Lists(table)
    _clamp(table, ruleset)
    _filter(table, ruleset, lists)
    if ruleset.nat.active:
        _translate(table, ruleset.nat, lists)
    samples = tuple(_encrypt(table, crypto, ruleset, lists) for crypto in ruleset.crypto)
    _hook_crypto(table, ruleset)
    return Rendering(
        table=name,
        text="\n".join((*table.write(name), "")),
        chains=frozenset(table.chains),
        sets=tuple(table.set_names()),
        counters=frozenset(table.counters),
        samples=samples,
    )


def _name(*parts: object) -> str:
    return "/".join(nft_name(str(part)) for part in parts)


def _verdicts(table: Table, base: str, compared: str, targets: dict[str, str]) -> None:
    """One rule in a base chain that goes from a device's name to its chain."""
    if targets:
        listed = ", ".join(f"{device(name)} : {verdict}" for name, verdict in targets.items())
        table.chain(base).append(f"{compared} vmap {{ {listed} }}")


def _clamp(table: Table, ruleset: Ruleset) -> None:
    tunnels = {tunnel: crypto.device for crypto in ruleset.crypto for tunnel in crypto.tunnels()}
    sizes = {**{tunnel: ruleset.mss[wan] for tunnel, wan in tunnels.items() if wan in ruleset.mss}, **ruleset.mss}
    if sizes:
        rules = table.chain("forward", "filter hook forward priority mangle")
        rules += [
            f"{direction} {device(name)} tcp flags & (syn | rst) == syn "
            f"tcp option maxseg size > {size} tcp option maxseg size set {size}"
            for name, size in sizes.items()
            for direction in ("iifname", "oifname")
        ]


class _Lists:
    """Access lists as lines, and as chains that return with what they permit."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._seen: dict[str, AccessRules] = {}

    def lines(self, access: AccessRules, *, counted: bool = True) -> list[Line]:
        if self._seen.setdefault(access.name, access) != access:
            raise AdapterError(f"access list {access.name} is given twice with different lines")
        for problem in refusals(access.name, access.rules):
            raise AdapterError(problem)
        return [
            Line(rule.permit, rule, access_list_counter(access.name, rule.sequence) if counted else None)
            for rule in access.rules
        ]

    def filter(self, access: AccessRules, refuse: str) -> str:
        """The chain of a list; what it does not permit goes to the chain `refuse`."""
        chain, lines = _name("list", access.name, refuse), self.lines(access)
        if chain not in self._table.chains:
            add_lines(self._table, chain, lines, "return", f"goto {refuse}")
            implied = self._table.counter(access_list_counter(access.name, None))
            self._table.chain(chain).append(f"{implied} goto {refuse}")
        return chain


def _filter(table: Table, ruleset: Ruleset, lists: _Lists) -> None:
    translated = ruleset.nat.outside if ruleset.nat.active else ()
    tunnels = {crypto.device: crypto.tunnels() for crypto in ruleset.crypto}
    arriving: dict[str, str] = {}
    leaving: dict[str, str] = {}
    after_translation: dict[str, str] = {}
    for group in ruleset.access_groups:
        if group.inbound is not None and group.inbound.rules:
            arriving[group.device] = f"jump {lists.filter(group.inbound, _refusing(table))}"
        if group.outbound is None or not group.outbound.rules:
            continue
        chain = lists.filter(group.outbound, _refusing(table))
        # IOS compares what a crypto map takes before it is encrypted
        leaving |= dict.fromkeys(tunnels.get(group.device, ()), f"jump {chain}")
        if group.device in translated:
            # IOS compares translated addresses, and they are so only where no ICMP message can be sent any more.
            silent = lists.filter(group.outbound, _discarding(table))
            after_translation[group.device] = f"jump {silent}"
        else:
            leaving[group.device] = f"jump {chain}"
    if arriving:
        table.chain("arriving", "filter hook prerouting priority raw")
        _verdicts(table, "arriving", "meta nfproto ipv4 iifname", arriving)
    if leaving:
        table.chain("leaving", "filter hook forward priority filter")
        _verdicts(table, "leaving", "meta nfproto ipv4 oifname", leaving)
    if after_translation:
        table.chain("translated", "filter hook postrouting priority 110")
        _verdicts(table, "translated", "meta nfproto ipv4 iif != 0 oifname", after_translation)


def _refusing(table: Table) -> str:
    if "prohibited" not in table.chains:
        table.chain("prohibited").extend(
            (table.counter(PROHIBITED), f"{_UNREACHABLE_RATE} reject with icmp type admin-prohibited", "drop")
        )
    return "prohibited"


def _discarding(table: Table) -> str:
    if "discarded" not in table.chains:
        table.chain("discarded").append(f"{table.counter(PROHIBITED)} drop")
    return "discarded"


def _translate(table: Table, nat: Nat, lists: _Lists) -> None:
    arriving = table.chain("outside", "nat hook prerouting priority dstnat")
    # A port's translation before that of a whole address.
    statics = sorted(nat.statics, key=lambda static: static.protocol is None)
    for static in statics:
        arriving += _to_inside(static, nat)
    leaving: dict[str, str] = {}
    for outside in nat.outside:
        chain = _name("nat", outside)
        table.chain(chain).extend(rule for static in statics for rule in _to_outside(static, outside))
        _sources(table, nat, outside, lists, chain, masquerade="masquerade", neither="accept", counted=True)
        leaving[outside] = f"goto {chain}"
    table.chain("inside", "nat hook postrouting priority srcnat")
    _verdicts(table, "inside", f"meta nfproto ipv4 iifname {devices(nat.inside)} oifname", leaving)


def _to_inside(static: StaticTranslation, nat: Nat) -> Iterator[str]:
    if isinstance(static.outside, str):
        arriving = f"iifname {device(static.outside)} fib daddr . iif type local"
    else:
        arriving = f"iifname {devices(nat.outside)} ip daddr {static.outside}"
    if static.protocol is None:
        if isinstance(static.outside, str):  # else the router could not be a VPN peer any more
            yield f"{arriving} {_ESP_AND_AH} return"
            yield f"{arriving} udp dport {_listed(IKE_PORTS)} return"
        yield f"{arriving} dnat ip to {static.inside}"
    else:
        port = f"{_TRANSPORTS[static.protocol]} dport {static.outside_port}"
        yield f"{arriving} {port} dnat ip to {static.inside}:{static.inside_port}"


def _to_outside(static: StaticTranslation, outside: str) -> Iterator[str]:
    if isinstance(static.outside, str):
        if static.outside != outside:
            return
        target = "masquerade" if static.protocol is None else f"masquerade to :{static.outside_port}"
    else:
        target = f"snat ip to {static.outside}" + ("" if static.protocol is None else f":{static.outside_port}")
    yield f"{_from_inside(static)} {target}"


def _from_inside(static: StaticTranslation) -> str:
    if static.protocol is None:
        return f"ip saddr {static.inside}"
    return f"ip saddr {static.inside} {_TRANSPORTS[static.protocol]} sport {static.inside_port}"


def _sources(
    table: Table, nat: Nat, outside: str, lists: _Lists, first: str, *, masquerade: str, neither: str, counted: bool
) -> None:
    """Go on from the chain `first` through the translations of an outside device, in their order.

    What one has ends in `masquerade`, what none has in `neither`, which never returns.
    """
    here = first
    for at, source in enumerate(held for held in nat.sources if held.outside == outside):
        following = f"{first}/{at}"
        for number, clause in enumerate(source.clauses):
            chain = f"{following}/{number}"
            table.chain(here).append(f"jump {chain}")
            verdict = masquerade if clause.permit else f"goto {following}"
            add_lines(table, chain, lists.lines(clause.access, counted=counted), verdict, "return")
        table.chain(here).append(f"goto {following}")
        here = following
    table.chain(here).append(neither)


def _encrypt(table: Table, crypto: CryptoInterface, ruleset: Ruleset, lists: _Lists) -> tuple[str, str]:
    """The chains of a crypto map on an interface; its set of samples and its name."""
    own_ports = f"udp sport {_listed(crypto.ike_ports)}", f"udp dport {_listed(crypto.ike_ports)}"
    chosen, received, samples = (_name(kind, crypto.device) for kind in ("crypto", "clear", "samples"))
    table.sets[samples] = (
        f"type ipv4_addr . ipv4_addr . inet_proto; size {_SAMPLES}; flags dynamic,timeout; timeout {_SAMPLES_FOR};"
    )
    sealed = f"{_ESP_AND_AH} accept", f"{own_ports[0]} accept"
    _forwarded(table, crypto, ruleset.nat, lists, _name("forwarded", crypto.device), chosen)
    table.chain(_name("own", crypto.device)).extend((*sealed, f"goto {chosen}"))
    table.chain(received).extend(
        (
            f"fib daddr type local {_ESP_AND_AH} accept",
            f"fib daddr type local {own_ports[1]} accept",
            # The rest of a large IKE message; without its beginning it is nothing to anybody.
            "ip frag-off & 0x1fff != 0 meta l4proto 17 fib daddr type local accept",
        )
    )
    numbered: Counter[int] = Counter()
    for entry in crypto.entries:
        place = (crypto.device, entry.sequence, *(str(again) for again in (numbered[entry.sequence],) if again))
        numbered[entry.sequence] += 1
        there, back = _name("crypto", *place), _name("clear", *place)
        lines = [_map_line(line) for line in entry.lines]
        returning = [Line(line.permit, mirrored(line.match)) for line in lines]
        add_lines(table, there, lines, f"goto {there}/permit", "return")
        add_lines(table, back, returning, f"goto {back}/permit", "return")
        table.chain(chosen).append(f"jump {there}")
        table.chain(received).append(f"jump {back}")
        blocked, encrypt, clear = (
            table.counter(crypto_counter(crypto.name, entry.sequence, what)) for what in ("blocked", "encrypt", "clear")
        )
        mark = crypto.mark if entry.mark is None else entry.mark
        marking = f"meta mark set meta mark & {_ALL_BITS & ~crypto.mask:#010x} | {mark:#010x}"
        dropped = crypto.blocked or entry.blocked
        table.chain(f"{there}/permit").append(f"{blocked} drop" if dropped else f"{encrypt} {marking} accept")
        # A full set refuses the element and ends its rule: the drop is another one.
        sample = f"add @{samples} {{ ip saddr . ip daddr . meta l4proto }}"
        table.chain(f"{back}/permit").extend((sample, f"{clear} drop"))
    guard = [f"iif != 0 {table.counter(guarded_counter(crypto.name))} drop"] if crypto.guarded else []
    table.chain(chosen).extend((*guard, "accept"))
    unrouted = table.counter(unrouted_counter(crypto.name))
    for tunnel, mark in crypto.tunnels().items():
        marked = f"meta mark & {crypto.mask:#010x} == {mark:#010x}"
        table.chain("left", "filter hook postrouting priority mangle").append(
            f"{marked} oifname != {device(tunnel)} {unrouted} drop"
        )
    _look_again(table, crypto, ruleset.nat, lists, sealed, (*guard, "accept"), f"{unrouted} drop")
    return samples, crypto.name


def _look_again(
    table: Table,
    crypto: CryptoInterface,
    nat: Nat,
    lists: _Lists,
    sealed: tuple[str, ...],
    rest: tuple[str, ...],
    refuse: str,
) -> None:
    """The map once more, of what is about to leave by its interface: nothing that it permits may.

    Where a packet would leave was only a guess before: `fib` knows nothing of rules for where a packet came from, nor
    which of several next hops it takes, and another program can take its mark away.
    """
    left = _name("left", crypto.device)
    chosen, refused, forwarded = f"{left}/map", f"{left}/permit", f"{left}/forwarded"
    table.chain(left).extend((f"iif != 0 goto {forwarded}", *sealed, f"goto {chosen}"))
    _forwarded(table, crypto, nat, lists, forwarded, chosen)
    for at, entry in enumerate(crypto.entries):
        chain = f"{left}/{at}"
        add_lines(table, chain, [Line(line.permit, line.match) for line in entry.lines], f"goto {refused}", "return")
        table.chain(chosen).append(f"jump {chain}")
    table.chain(chosen).extend(rest)
    table.chain(refused).append(refuse)


def _listed(numbers: tuple[int, ...]) -> str:
    return f"{{ {', '.join(map(str, numbers))} }}"


def _map_line(line: MapLine) -> Line:
    if line.access_list is None or isinstance(line.match, Selector):
        return Line(line.permit, line.match)
    for problem in refusals(line.access_list, (line.match,)):
        raise AdapterError(problem)
    return Line(line.permit, line.match, access_list_counter(line.access_list, line.match.sequence))


def _forwarded(table: Table, crypto: CryptoInterface, nat: Nat, lists: _Lists, chain: str, chosen: str) -> None:
    """The chain that goes on with `chosen`, but for what is translated.

    IOS translates before it encrypts: what leaves translated is not what the map's lists name, and goes in clear.
    """
    rules = table.chain(chain)
    if not nat.active or crypto.device not in nat.outside:
        rules.append(f"goto {chosen}")
        return
    to_be = f"{chain}/translating"
    rules += (
        "ct direction original ct status snat accept",
        "ct direction reply ct status dnat accept",
        # Of a connection's first packet only the lists tell what will become of it; later ones are as it was.
        f"iifname {devices(nat.inside)} ct state new ct status & confirmed == 0 goto {to_be}",
        f"goto {chosen}",
    )
    for static in nat.statics:
        if not isinstance(static.outside, str) or static.outside == crypto.device:
            table.chain(to_be).append(f"{_from_inside(static)} accept")
    _sources(table, nat, crypto.device, lists, to_be, masquerade="accept", neither=f"goto {chosen}", counted=False)


def _hook_crypto(table: Table, ruleset: Ruleset) -> None:
    for base, hook, compared, kind in (
        ("arriving", "filter hook prerouting priority raw", "iifname", "clear"),
        ("routing", "filter hook prerouting priority -90", "fib daddr . mark oifname", "forwarded"),
        ("sending", "route hook output priority mangle", "oifname", "own"),
        ("left", "filter hook postrouting priority mangle", "oifname", "left"),
    ):
        if ruleset.crypto:
            table.chain(base, hook)
        _verdicts(
            table, base, compared, {crypto.device: f"goto {_name(kind, crypto.device)}" for crypto in ruleset.crypto}
        )
