"""The reader of `wire.buffer`, whose complaint is IKEv2's."""

from __future__ import annotations

from seikan.wire.buffer import Buffer as _Buffer
from seikan.wire.v2.errors import InvalidSyntax


class Buffer(_Buffer):
    """Reading past `end` is `InvalidSyntax`."""

    __slots__ = ()
    error = InvalidSyntax
