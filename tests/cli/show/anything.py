"""Any value of a dataclass, from a seed: what a status may hold when everything goes wrong at once."""

from __future__ import annotations

import random
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any, Union, get_args, get_origin, get_type_hints

from seikan.config.model import IsakmpPolicy
from seikan.wire.constants import ENCRYPTIONS, GROUPS, HASHES, INTEGRITIES, Encryption, Integrity
from seikan.wire.secret import Secret
from seikan.wire.selector import Selector

MARK = "KEY-MATERIAL-"  # begins every secret made here and nothing else

_WORDS = ("", "a", "Tunnel0", "Tunnel1", "FastEthernet1/0", "eth0", "default", "a b c", "%", "{}", "x" * 60)
_NUMBERS = (0, 1, 2, 3, 255, 1500, 65535, 4294967295, 10**15)
_QUADS = (0, 1, 0x01010101, 0x0A010C01, 0x7F000001, 0xC0000207, 0xE0000005, 0xFFFFFFFF)


def _quad(source: random.Random) -> int:
    return source.choice((*_QUADS, source.getrandbits(32)))


def _policy(source: random.Random) -> IsakmpPolicy:
    return IsakmpPolicy(
        source.randint(1, 10000),
        source.choice([None, "des", *(row.name for row in ENCRYPTIONS if row.ike_v1)]),
        source.choice([None, *(row.name for row in HASHES)]),
        source.choice([None, "pre-share", "rsa-sig", "rsa-encr"]),
        source.choice([None, 1, 77, *(row.number for row in GROUPS)]),
        source.choice([None, 60, 86400]),
    )


def _selector(source: random.Random) -> Selector:
    def network() -> IPv4Network:
        return IPv4Network((_quad(source), source.randint(0, 32)), strict=False)

    def network6() -> IPv6Network:
        return IPv6Network((source.getrandbits(128), source.randint(0, 128)), strict=False)

    ends = (network(), network()) if source.random() < 0.8 else (network6(), network6())
    protocol = source.choice((0, 1, 6, 17, 47, 255))
    return Selector(ends[0], ends[1], protocol, source.choice((0, 0, 80, 65535)), source.choice((0, 443)))


_MAKERS: Mapping[Any, Callable[[random.Random], object]] = {
    bool: lambda source: source.random() < 0.5,
    int: lambda source: source.choice(_NUMBERS),
    float: lambda source: source.choice((0.0, 0.5, 59.9, 86400.0, 1e6, 1e9)),
    str: lambda source: source.choice(_WORDS),
    bytes: lambda source: source.randbytes(8),
    IPv4Address: lambda source: IPv4Address(_quad(source)),
    IPv6Address: lambda source: IPv6Address(source.getrandbits(128)),
    IPv4Interface: lambda source: IPv4Interface((_quad(source), source.randint(0, 32))),
    IPv6Interface: lambda source: IPv6Interface((source.getrandbits(128), source.randint(0, 128))),
    IPv6Network: lambda source: IPv6Network((source.getrandbits(128), source.randint(0, 128)), strict=False),
    IPv4Network: lambda source: IPv4Network((_quad(source), source.randint(0, 32)), strict=False),
    Selector: _selector,
    datetime: lambda source: datetime(2040, 1, 1, tzinfo=UTC) + timedelta(seconds=source.randint(0, 10**9)),
    Secret: lambda source: Secret(f"{MARK}{source.getrandbits(32)}".encode()),
    Encryption: lambda source: source.choice(ENCRYPTIONS),
    Integrity: lambda source: source.choice(INTEGRITIES),
    IsakmpPolicy: _policy,
}


def anything(kind: Any, source: random.Random) -> Any:
    """A value of the annotated type `kind`; containers have up to three members."""
    if kind in _MAKERS:
        return _MAKERS[kind](source)
    if kind is type(None):
        return None
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return anything(source.choice(inner), source)
    if origin is tuple and inner[-1] is Ellipsis:
        return tuple(anything(inner[0], source) for _ in range(source.randint(0, 3)))
    if origin is tuple:
        return tuple(anything(part, source) for part in inner)
    if origin is Mapping:
        return {anything(inner[0], source): anything(inner[1], source) for _ in range(source.randint(0, 3))}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return source.choice(list(kind))
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{row.name: anything(hints[row.name], source) for row in fields(kind)})
    raise TypeError(f"no maker for {kind!r}")
