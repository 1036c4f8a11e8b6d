"""The configurations: `show running-config`, `show startup-config`, `show derived-config`."""

from __future__ import annotations

from collections.abc import Iterable

from seikan.cli.show.command import Arguments, Renderer, ShowCommand
from seikan.cli.status import Need, Status
from seikan.config.names import is_access
from seikan.config.render import render_lines, render_section


def _framed(kind: str, body: tuple[str, ...]) -> Iterable[str]:
    """`body` below the heading of IOS, whose octets are those of the text with a newline behind each line."""
    octets = sum(len(line.encode()) + 1 for line in body)
    return ("Building configuration...", "", f"{kind} configuration : {octets} bytes", *body)


def running_config(status: Status, args: Arguments) -> Iterable[str]:
    return _framed("Current", tuple(render_lines(status.running)))


def _interface(status: Status, args: Arguments, kind: str) -> Iterable[str]:
    """One section; a Virtual-Access has one though nobody typed it."""
    name = str(args.get("interface", ""))
    config = status.in_force if is_access(name) else status.running
    section = tuple(render_section(config, "interface", name))
    if not section:
        reason = "does not exist: no peer has it" if is_access(name) else "is not configured"
        return (f"% Interface {name} {reason}",)
    return _framed(kind, ("!", *section, "end", ""))


def running_config_interface(status: Status, args: Arguments) -> Iterable[str]:
    return _interface(status, args, "Current")


def derived_config(status: Status, args: Arguments) -> Iterable[str]:
    """The running configuration and what the router made of its templates."""
    return _framed("Derived", tuple(render_lines(status.in_force)))


def derived_config_interface(status: Status, args: Arguments) -> Iterable[str]:
    return _interface(status, args, "Derived")


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
    "derived-config": "Derived operating configuration, with the interfaces that were cloned from templates",
    "interfaces": "Interface status and configuration",
    "configuration": "The configuration that was cloned from the template",
}


def _row(syntax: str, render: Renderer, needs: frozenset[Need] = frozenset()) -> ShowCommand:
    return ShowCommand(syntax, _HELP, needs, render, privileged=True)


RUNNING_COMMANDS: tuple[ShowCommand, ...] = (
    _row("show running-config [all]", running_config),
    _row("show running-config interface <interface:interface>", running_config_interface),
    _row("show derived-config", derived_config),
    _row("show derived-config interface <interface:interface>", derived_config_interface),
    _row("show interfaces <interface:interface> configuration", derived_config_interface),
    _row("show startup-config", startup_config, frozenset((Need.STARTUP,))),
)
