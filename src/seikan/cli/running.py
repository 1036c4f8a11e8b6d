"""`show running-config` and `show startup-config`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from seikan.cli.show.command import ShowCommand
from seikan.cli.status import Need, Status
from seikan.config.render import render_lines, render_section

Arguments = Mapping[str, object]


def _framed(body: tuple[str, ...]) -> Iterable[str]:
    """`body` below the heading of IOS, whose octets are those of the text with a newline behind each line."""
    octets = sum(len(line.encode()) + 1 for line in body)
    return ("Building configuration...", "", f"Current configuration : {octets} bytes", *body)


def running_config(status: Status, args: Arguments) -> Iterable[str]:
    return _framed(tuple(render_lines(status.running)))


def running_config_interface(status: Status, args: Arguments) -> Iterable[str]:
    name = str(args["interface"])
    section = tuple(render_section(status.running, "interface", name))
    if not section:
        return (f"% Interface {name} is not configured",)
    return _framed(("!", *section, "end", ""))


def startup_config(status: Status, args: Arguments) -> Iterable[str]:
    if status.startup_text is None:
        return ("startup-config is not present",)
    lines = status.startup_text.splitlines()
    return (f"Using {len(status.startup_text.encode())} bytes", *lines)


_HELP = {
    "running-config": "Current operating configuration",
    "startup-config": "Contents of startup configuration",
    "all": "The same: what is not typed has its default and is not shown",
    "interface": "Show interface configuration",
}

RUNNING_COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show running-config [all]", _HELP, frozenset(), running_config),
    ShowCommand("show running-config interface <interface:interface>", _HELP, frozenset(), running_config_interface),
    ShowCommand("show startup-config", _HELP, frozenset((Need.STARTUP,)), startup_config),
)
