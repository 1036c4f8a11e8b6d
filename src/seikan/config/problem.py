"""What is wrong with a configuration, one line each."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType


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


@dataclass(frozen=True, slots=True)
class Places:
    """Where a file has the sections of its configuration: a section's title and its line, from 1."""

    file: str = ""
    lines: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def problem(self, severity: Severity, about: str, text: str) -> Problem:
        """A problem of the section with the title `about`."""
        line = self.lines.get(about, 0)
        return Problem(severity, text, self.file if line else "", line)


_SHOWN = 6
_SIMILAR = 3
_ALIKE = 0.65  # of 1, the same; lower, and words that only share letters are named
#: Words of IOS behind which a secret may stand.
_REVEALING = frozenset(
    (
        *("key", "pre-shared-key", "password", "secret", "key-string", "community", "md5", "authentication-key"),
        *("message-digest-key", "authentication", "hmac", "5", "6", "7", "user", "username", "snmp-server", "ppp"),
    )
)


_AUTHENTICATIONS = ("pre-share", "rsa-sig", "rsa-encr")


#: Those that are commonly misspelt, and words that look like one and reveal nothing.
_MISSPELT = ("key", "pre-shared-key", "password", "secret", "key-string", "community", "authentication-key")
_HARMLESS = frozenset(("keyring", "keepalive", "periodic"))


def _reveals(word: str) -> bool:
    """Whether `word` is, abbreviates or was perhaps meant to be one behind which a secret may stand."""
    word = word.lower()
    if word in _REVEALING:
        return True
    if len(word) < 2 or word in _HARMLESS:
        return False
    if any(known.startswith(word) for known in _REVEALING):
        return True
    likeness = {known: difflib.SequenceMatcher(None, known, word).ratio() for known in _MISSPELT}
    # one wrong letter of three weighs more than one of ten
    return any(ratio >= (0.6 if len(known) <= 3 else 0.75) for known, ratio in likeness.items())


def without_secrets(line: str) -> str:
    """The line up to the first word behind which a secret may stand, however that word is written."""
    words = line.split()
    if words[:1] == ["authentication"] and len(words) == 2 and _nearest(words[1], _AUTHENTICATIONS):
        return " ".join(words)  # the method of an ISAKMP policy, perhaps misspelt; elsewhere a password may follow
    for at, word in enumerate(words):
        if at + 1 < len(words) and _reveals(word):
            return " ".join([*words[: at + 1], "…"])
    return " ".join(words)


def expectation(expected: tuple[str, ...], word: str, *, only_near: bool = False) -> str:
    """`aes, des or 3des`: what is most like `word` first, and shortened where there is much.

    With `only_near` just what is like it, empty where nothing is.
    """
    near = _nearest(word, expected)
    expected = tuple(near) if only_near else (*near, *(held for held in expected if held not in near))
    if not expected:
        return ""
    shown = ["the end of the line" if held == "<cr>" else held for held in expected]
    if len(shown) > _SHOWN:
        shown = [*shown[:_SHOWN], "…"]
        return ", ".join(shown)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _nearest(word: str, candidates: tuple[str, ...]) -> list[str]:
    """The candidates that a misspelt `word` may have meant, the most likely first."""
    likeness = {held: difflib.SequenceMatcher(None, held.lower(), word.lower()).ratio() for held in candidates}
    return sorted((held for held in likeness if likeness[held] >= _ALIKE), key=lambda held: -likeness[held])[:_SIMILAR]
