"""Host name, logging, banners, and the words that leave a mode."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import cast

from seikan.config.grammar import Command, Match
from seikan.config.handlers import ConfigError, Leave, Setting, setting, switch
from seikan.config.model import Banner, Config
from seikan.config.modes import CONFIG, EXEC, MODES

# --- hostname --------------------------------------------------------------------------------------

_HOSTNAME = re.compile(r"[A-Za-z]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?\Z")
_DEFAULT_HOSTNAME = Config().hostname


def _hostname(match: Match) -> str:
    name = cast(str, match.args["hostname"])
    if not _HOSTNAME.match(name):
        raise ConfigError(f"Hostname {name!r} is not valid: letters, digits and hyphens, a letter first, at most 63")
    return name


HOSTNAME = Command(
    CONFIG,
    "hostname <hostname:word>",
    {"hostname": "Set system's network name", "<hostname>": "This system's network name"},
    Setting(
        lambda config, match: replace(config, hostname=_hostname(match)),
        lambda config, _match: replace(config, hostname=_DEFAULT_HOSTNAME),
        lambda config: (f"hostname {config.hostname}",),
    ),
    negatable=True,
)

IPV6_ROUTING = setting(
    CONFIG,
    "ipv6 unicast-routing",
    "ipv6_unicast_routing",
    {"ipv6": "Global IPv6 configuration commands", "unicast-routing": "Enable unicast routing"},
)

# --- domain name -----------------------------------------------------------------------------------

_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*\Z")
_DOMAIN_OCTETS = 191  # with a host name of 63 and the dot no longer than a name may be


def _domain(match: Match) -> str:
    name = cast(str, match.args["domain"])
    if not _DOMAIN.match(name) or len(name) > _DOMAIN_OCTETS:
        raise ConfigError(f"Domain name {name!r} is not valid: labels of letters, digits and hyphens, joined by dots")
    return name


_DOMAIN_HELP = {
    "ip": "Global IP configuration subcommands",
    "domain": "IP DNS Resolver",
    "domain-name": "Define the default domain name",
    "name": "Define the default domain name",
    "<domain>": "Default domain name",
}

DOMAIN_NAME: tuple[Command, ...] = (
    Command(
        CONFIG,
        "ip domain name <domain:word>",
        _DOMAIN_HELP,
        Setting(
            lambda config, match: replace(config, domain_name=_domain(match)),
            lambda config, _match: replace(config, domain_name=None),
            lambda config: () if config.domain_name is None else (f"ip domain name {config.domain_name}",),
        ),
        negatable=True,
    ),
    Command(  # an older spelling
        CONFIG,
        "ip domain-name <domain:word>",
        _DOMAIN_HELP,
        Setting(
            lambda config, match: replace(config, domain_name=_domain(match)),
            lambda config, _match: replace(config, domain_name=None),
        ),
        negatable=True,
    ),
)
"""What `crypto isakmp identity hostname` puts behind the host name."""

# --- logging ---------------------------------------------------------------------------------------

_LEVELS = (
    ("emergencies", "System is unusable"),
    ("alerts", "Immediate action needed"),
    ("critical", "Critical conditions"),
    ("errors", "Error conditions"),
    ("warnings", "Warning conditions"),
    ("notifications", "Normal but significant conditions"),
    ("informational", "Informational messages"),
    ("debugging", "Debugging messages"),
)
_LEVEL = "(" + "|".join(word for word, _ in _LEVELS) + "|<level:number(0-7)>)"
_DEFAULT_BUFFER = 4096  # octets, as in IOS 15
_LOGGING = {
    "logging": "Modify message logging facilities",
    "<level>": "Logging severity level",
    **{word: f"{text} (severity={number})" for number, (word, text) in enumerate(_LEVELS)},
}


def _level(match: Match) -> str | None:
    number = cast("int | None", match.args.get("level"))
    if number is not None:
        return _LEVELS[number][0]
    return next((word for word, _ in _LEVELS if word in match.args), None)


def _buffered(config: Config, match: Match) -> Config:
    size = cast(int, match.args.get("size", config.logging.buffered or _DEFAULT_BUFFER))
    level = _level(match) or (config.logging.buffered_level if "size" in match.args else None)
    return replace(config, logging=replace(config.logging, buffered=size, buffered_level=level))


def _render_buffered(config: Config) -> Iterable[str]:
    logging = config.logging
    if logging.buffered is not None:
        yield f"logging buffered {logging.buffered}" + (f" {logging.buffered_level}" if logging.buffered_level else "")


def _console(config: Config, match: Match) -> Config:
    return replace(config, logging=replace(config.logging, console=True, console_level=_level(match)))


def _no_console(config: Config, _match: Match) -> Config:
    return replace(config, logging=replace(config.logging, console=False, console_level=None))


def _monitor(config: Config, match: Match) -> Config:
    return replace(config, logging=replace(config.logging, monitor=True, monitor_level=_level(match)))


def _no_monitor(config: Config, _match: Match) -> Config:
    return replace(config, logging=replace(config.logging, monitor=False, monitor_level=None))


def _terminal(word: str, on: bool, level: str | None) -> Iterable[str]:
    if not on:
        yield f"no logging {word}"
    elif level is not None:
        yield f"logging {word} {level}"


def _add_host(config: Config, match: Match) -> Config:
    host = write_host(match)
    if host in config.logging.hosts:
        return config
    return replace(config, logging=replace(config.logging, hosts=(*config.logging.hosts, host)))


def _remove_host(config: Config, match: Match) -> Config:
    host = write_host(match)
    if host not in config.logging.hosts:
        raise ConfigError(f"{host} is no logging host")
    hosts = tuple(held for held in config.logging.hosts if held != host)
    return replace(config, logging=replace(config.logging, hosts=hosts))


def write_host(match: Match) -> str:
    """The host of a `logging host` line as text."""
    return str(match.args["host"])


LOGGING: tuple[Command, ...] = (
    switch(CONFIG, "logging on", "logging.on", {**_LOGGING, "on": "Enable logging to all enabled destinations"}),
    Command(
        CONFIG,
        f"logging buffered [<size:number(4096-2147483647)>] [{_LEVEL}]",
        {**_LOGGING, "buffered": "Set buffered logging parameters", "<size>": "Logging buffer size in octets"},
        Setting(
            _buffered,
            lambda config, _match: replace(config, logging=replace(config.logging, buffered=None, buffered_level=None)),
            _render_buffered,
        ),
        negatable=True,
    ),
    Command(
        CONFIG,
        f"logging console [{_LEVEL}]",
        {**_LOGGING, "console": "Set console logging parameters"},
        Setting(
            _console,
            _no_console,
            lambda config: _terminal("console", config.logging.console, config.logging.console_level),
            reset=_console,
        ),
        negatable=True,
    ),
    Command(
        CONFIG,
        f"logging monitor [{_LEVEL}]",
        {**_LOGGING, "monitor": "Set terminal line (monitor) logging parameters"},
        Setting(
            _monitor,
            _no_monitor,
            lambda config: _terminal("monitor", config.logging.monitor, config.logging.monitor_level),
            reset=_monitor,
        ),
        negatable=True,
    ),
    setting(
        CONFIG,
        f"logging trap {_LEVEL}",
        "logging.trap_level",
        {**_LOGGING, "trap": "Set syslog server logging level"},
        read=_level,
        text=lambda word: f"logging trap {word}",
    ),
    Command(
        CONFIG,
        "logging host <host:host>",
        {**_LOGGING, "host": "Set syslog server IP address and parameters", "<host>": "IP address or name of the host"},
        Setting(
            _add_host,
            _remove_host,
            lambda config: tuple(f"logging host {host}" for host in config.logging.hosts),
        ),
        negatable=True,
        no="logging host <host:host>",
    ),
    # The form without `host` takes addresses only: a mistyped keyword is no host.
    Command(
        CONFIG,
        "logging <host:ipv4>",
        {**_LOGGING, "<host>": "IP address of the logging host"},
        Setting(_add_host, _remove_host),
        negatable=True,
        no="logging <host:ipv4>",
    ),
)

# --- banners ---------------------------------------------------------------------------------------


def split_delimiter(text: str) -> tuple[str, str]:
    """The delimiter a banner's text begins with, and what follows it. `^C` counts as one, as in IOS's output."""
    if text.startswith("^C"):
        return "^C", text[2:]
    return text[:1], text[1:]


def _banner_text(typed: str) -> str:
    delimiter, rest = split_delimiter(typed)
    text, found, _ = rest.partition(delimiter)
    if not found:
        raise ConfigError(f"the banner's end is missing: a second {delimiter!r}")
    *lines, last = text.split("\n")
    # A line of a file ends with its last word.
    return "\n".join([*(line.rstrip() for line in lines), last])


def _kind(match: Match) -> str:
    return match.canonical.split(" ", 2)[1]


def _set_banner(config: Config, match: Match) -> Config:
    banner = Banner(_kind(match), _banner_text(cast(str, match.args["text"])))
    kept = [held for held in config.banners if held.kind != banner.kind]
    return replace(config, banners=tuple(sorted([*kept, banner], key=lambda held: held.kind)))


def _remove_banner(config: Config, match: Match) -> Config:
    return replace(config, banners=tuple(held for held in config.banners if held.kind != _kind(match)))


def _render_banners(config: Config) -> Iterable[str]:
    for banner in config.banners:
        # A bare `^` is no choice: a text that begins with `C` would make it `^C`.
        delimiter = next(
            mark for mark in ("^C", "#", "%", "~", "@", *map(chr, range(0xE000, 0xF8FF))) if mark not in banner.text
        )
        yield f"banner {banner.kind} {delimiter}{banner.text}{delimiter}"


BANNERS = Command(
    CONFIG,
    "banner (motd|login|exec) <text:rest>",
    {
        "banner": "Define a login banner",
        "motd": "Set Message of the Day banner",
        "login": "Set login banner",
        "exec": "Set EXEC process creation banner",
        "<text>": "c banner-text c, where 'c' is a delimiting character",
    },
    Setting(_set_banner, _remove_banner, _render_banners),
    negatable=True,
    no="banner (motd|login|exec) [<text:rest>]",
)

# --- exit and end ----------------------------------------------------------------------------------

LEAVE: tuple[Command, ...] = tuple(
    command
    for mode in MODES
    if mode != EXEC
    for command in (
        Command(mode, "exit", {"exit": "Exit from this mode"}, Leave(to_exec=mode == CONFIG)),
        Command(mode, "end", {"end": "Exit from configure mode"}, Leave(to_exec=True)),
    )
)
