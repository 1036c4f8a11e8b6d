"""Configurations for tests: the acceptance session, and any configuration that lines of the table can make."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from hypothesis import strategies as st

from seikan.config.grammar import Command, LineError
from seikan.config.handlers import ConfigError, Leave, Refused
from seikan.config.model import Config
from seikan.config.modes import CONFIG, STORED
from seikan.config.session import SECTIONS, TABLE, ModeContext, apply_line

#: Steps 1 to 3 as they are typed at R3, abbreviations included, and the base configuration in front.
BASE = """\
hostname R3
interface Loopback0
 ip address 3.3.3.3 255.255.255.255
interface FastEthernet1/0
 ip address 10.1.23.3 255.255.255.0
router ospf 1
 network 3.3.3.3 0.0.0.0 area 0
 network 10.1.23.3 0.0.0.0 area 0
ip route 0.0.0.0 0.0.0.0 10.1.23.2
"""
SESSION: tuple[tuple[str, str], ...] = (
    ("crypto isakmp policy 1", "(config-isakmp)#"),
    ("encr aes", "(config-isakmp)#"),
    ("auth pre-share", "(config-isakmp)#"),
    ("group 14", "(config-isakmp)#"),
    ("crypto isakmp key LoopedBack!!! address 10.1.12.1", "(config)#"),
    ("crypto ipsec transform-set CCIE esp-aes esp-sha-hmac", "(cfg-crypto-trans)#"),
    ("crypto ipsec profile ProtectTheTunnel", "(ipsec-profile)#"),
    ("set transform-set CCIE", "(ipsec-profile)#"),
    ("int tu0", "(config-if)#"),
    ("ip unnumbered fa1/0", "(config-if)#"),
    ("tunnel source fa1/0", "(config-if)#"),
    ("tunnel dest 10.1.12.1", "(config-if)#"),
    ("tunnel mode ipsec ipv4", "(config-if)#"),
    ("tunnel protection ipsec profile ProtectTheTunnel", "(config-if)#"),
)
ACCEPTANCE = BASE + "\n".join(line for line, _ in SESSION) + "\n"

_TOKEN = re.compile(
    r"<([A-Za-z0-9_-]+):([a-z0-9]+)(?:\(([^)]*)\))?>(\.\.\.)?|(\]\.\.\.|\)\.\.\.|[\[\]()|])|([^\s\[\]()|<>]+)"
)
_NAMES = ("A", "B7", "SITE-1", "10", "x!y")
_VALUES: Mapping[str, st.SearchStrategy[str]] = {
    "ipv4": st.sampled_from(("10.1.2.3", "10.9.0.0", "192.0.2.1", "198.51.100.7", "0.0.0.0")),
    "mask": st.sampled_from(("255.255.255.0", "255.255.255.255", "255.255.0.0", "0.0.0.0", "255.0.255.0")),
    "netmask": st.sampled_from(("255.255.255.0", "255.255.255.255", "255.0.0.0", "0.0.0.0")),
    "wildcard": st.sampled_from(("0.0.0.0", "0.0.0.255", "0.0.3.255", "255.255.255.255", "0.255.0.255")),
    "ipv6": st.sampled_from(("2001:db8::1", "FE80::1")),
    "prefix6": st.sampled_from(("2001:db8::1/64", "2001:DB8:1::/48", "::/0")),
    "area": st.sampled_from(("0", "1", "10.0.0.1", "4294967295")),
    "interface": st.sampled_from(
        ("Tunnel0", "tu1", "Loopback0", "fa0/0", "FastEthernet1/0", "eth0", "ens3", "Gi0/1.10", "Virtual-Template1")
    ),
    "word": st.sampled_from(_NAMES),
    "host": st.sampled_from(("10.1.2.3", "peer.example.net")),
    "secret": st.sampled_from(("LoopedBack!!!", "a?b", "0x1", "k{}|^", "ключ")),
    "rest": st.sampled_from(("some words", "one", "with ! inside", "a  b")),
}


def _value(kind: str, parameter: str) -> st.SearchStrategy[str]:
    if kind != "number":
        return _VALUES[kind]
    low, _, high = parameter.partition("-")
    return st.one_of(st.sampled_from((low, high)), st.integers(int(low), int(high)).map(str))


class _Writer:
    """Walks a syntax and writes a line that fits it."""

    def __init__(self, draw: st.DrawFn, syntax: str) -> None:
        self._draw = draw
        self._tokens = list(_TOKEN.finditer(syntax))
        self._at = 0

    def line(self) -> str:
        return " ".join(self._sequence())

    def _sequence(self) -> list[str]:
        words: list[str] = []
        while self._at < len(self._tokens):
            name, kind, parameter, _many, bracket, word = self._tokens[self._at].groups()
            if bracket is not None and bracket[0] in "])|":
                break
            self._at += 1
            if word:
                words.append(word)
            elif name:
                words.append(self._draw(_value(kind, parameter or "")))
            else:
                words += self._choice(optional=bracket == "[")
        return words

    def _choice(self, *, optional: bool) -> list[str]:
        branches = [self._sequence()]
        while self._tokens[self._at].group(5) == "|":
            self._at += 1
            branches.append(self._sequence())
        self._at += 1
        if optional and self._draw(st.booleans()):
            return []
        return self._draw(st.sampled_from(branches))


@st.composite
def lines_of(draw: st.DrawFn, command: Command) -> str:
    """A line that fits `command`."""
    text = command.syntax
    if command.syntax.startswith("certificate"):
        kind = draw(st.sampled_from(("", "ca ", "self-signed ")))
        octets = draw(st.binary(min_size=1, max_size=80)).hex()
        return f"certificate {kind}{draw(st.integers(0, 1 << 64)):X}\n{octets}\nquit"
    if command.syntax.startswith("banner"):
        kind = draw(st.sampled_from(("motd", "login", "exec")))
        body = draw(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="#"), max_size=20))
        return f"banner {kind} #{body}\n{body}#"
    return _Writer(draw, text).line()


_OPENING_LINES = (
    "interface Tunnel0",
    "router ospf 1",
    "crypto isakmp policy 10",
    "crypto isakmp peer address 10.1.2.3",
    "crypto isakmp profile A",
    "crypto dynamic-map A 10",
    "crypto map A 10 ipsec-isakmp",
    "crypto pki trustpoint A",
    "crypto pki certificate chain A",
    "crypto pki certificate map A 10",
    "crypto ikev2 proposal A",
    "crypto ikev2 policy A",
    "crypto ikev2 keyring A",
    "peer A",
    "crypto ikev2 profile A",
    "crypto keyring A",
    "crypto ipsec transform-set A esp-aes esp-sha-hmac",
    "crypto ipsec profile A",
    "ip access-list standard A",
    "ip access-list extended A",
)
EDITING = tuple(command for command in TABLE.commands if not isinstance(command.handler, Leave | Refused))
_BY_MODE: dict[str, list[Command]] = {}
for _command in EDITING:
    _BY_MODE.setdefault(_command.mode, []).append(_command)
_SETTING_MODES = tuple(SECTIONS)
_OUTER = {command.handler.mode: command.mode for command in EDITING if command.handler in SECTIONS.values()}


def _around(mode: str) -> tuple[str, ...]:
    """The sections to go through to `mode`, the outermost first."""
    return () if mode == CONFIG else (*_around(_OUTER[mode]), mode)


def _opener(mode: str) -> str:
    for line in _OPENING_LINES:
        try:
            if TABLE.match_here(_OUTER[mode], line).command.handler is SECTIONS[mode]:
                return line
        except LineError:
            continue
    raise ValueError(f"no line of the samples opens {mode}")


#: The lines that lead from global mode into each mode.
OPENERS = {mode: tuple(_opener(inner) for inner in _around(mode)) for mode in SECTIONS}
_OPENING = {mode: next(row for row in EDITING if row.handler is section) for mode, section in SECTIONS.items()}


def opened(lines: Iterable[str], config: Config | None = None) -> tuple[Config, ModeContext]:
    """The configuration and the mode behind `lines` that open sections."""
    config, context = config if config is not None else Config(), ModeContext()
    for line in lines:
        result = apply_line(config, context, line)
        assert result.context is not None
        config, context = result.config, result.context
    return config, context


@st.composite
def edits(draw: st.DrawFn) -> tuple[tuple[str, ...], str, str]:
    """One change: the lines that open sections, the mode, and a line in it, perhaps its `no`."""
    mode = draw(st.sampled_from((CONFIG, CONFIG, *_SETTING_MODES)))
    openers = tuple(draw(lines_of(_OPENING[inner])) for inner in _around(mode))
    command = draw(st.sampled_from(_BY_MODE[mode]))
    line = draw(lines_of(command))
    negation = draw(st.sampled_from(("", "", "", "no ", "default "))) if command.negatable else ""
    return openers, mode, negation + line


@st.composite
def configurations(draw: st.DrawFn, start: Config | None = None, most: int = 25) -> Config:
    """A configuration that a user could have typed."""
    config = start if start is not None else Config()
    for openers, mode, line in draw(st.lists(edits(), max_size=most)):
        try:
            config, context = opened(openers, config)
            if context.mode in (mode, STORED):
                config = apply_line(config, context, line).config
        except (LineError, ConfigError):
            continue
    return config


def ordered(config: Config) -> Config:
    """The same configuration with its kept lines and keys in one order: their order means nothing."""
    stored = tuple(sorted(config.stored, key=lambda line: (line.path, line.text)))
    return replace(config, stored=stored)
