"""Key material that cannot be printed by accident."""

from __future__ import annotations


class Secret(bytes):
    """Octets whose `repr`, `str` and formatting never show their value.

    It is `bytes` in every other respect, so cryptographic libraries take it as it is.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<secret of {len(self)} octets>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)
