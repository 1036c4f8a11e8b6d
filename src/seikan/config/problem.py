"""What is wrong with a configuration, one line each."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Severity(Enum):
    """ERROR refuses a change; UNKNOWN is a line of a file that was not understood; WARNING is for the reader."""

    ERROR = "error"
    UNKNOWN = "unknown"
    WARNING = "warning"

    def fatal(self, *, strict: bool) -> bool:
        """Whether it stops a start: unknown lines do so where the user asked for it (`--strict`)."""
        return self is Severity.ERROR or (strict and self is Severity.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem; `line` and `column` count from 1 and are 0 where it is not about one line of a file.

    `lines` is how many lines of the file it covers: an unknown line and the lines that belong to it. Nothing
    here holds a secret.
    """

    severity: Severity
    text: str
    file: str = ""
    line: int = 0
    column: int = 0
    word: str = ""
    expected: tuple[str, ...] = field(default=())
    lines: int = 1

    def __str__(self) -> str:
        where = f"{self.file or 'line '}{':' if self.file else ''}{self.line}" if self.line else self.file
        where += f":{self.column}" if self.line and self.column else ""
        return f"{where}: {self.severity.value}: {self.text}" if where else f"{self.severity.value}: {self.text}"


_SHOWN = 6
#: Words of IOS behind which a secret may stand.
_REVEALING = frozenset(
    (
        *("key", "pre-shared-key", "password", "secret", "key-string", "community", "md5", "authentication-key"),
        *("message-digest-key", "authentication", "hmac", "5", "6", "7", "user", "username", "snmp-server", "ppp"),
    )
)


def without_secrets(line: str) -> str:
    """The line up to the first word behind which a secret may stand."""
    words = line.split()
    for at, word in enumerate(words):
        if word.lower() in _REVEALING and at + 1 < len(words):
            return " ".join([*words[: at + 1], "…"])
    return " ".join(words)


def expectation(expected: tuple[str, ...]) -> str:
    """`aes, des or 3des`, shortened where there is much."""
    if not expected:
        return ""
    shown = ["the end of the line" if word == "<cr>" else word for word in expected]
    if len(shown) > _SHOWN:
        shown = [*shown[:_SHOWN], "…"]
        return ", ".join(shown)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"
