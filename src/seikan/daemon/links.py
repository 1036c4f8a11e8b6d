"""What is told of interfaces other than tunnels: their state as it changes, and devices that are not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from seikan.config.model import Config, Interface
from seikan.config.names import is_loopback, is_template, is_tunnel, type_of
from seikan.daemon.interfaces import unmapped
from seikan.system.netlink import Link

ADMINISTRATIVELY_DOWN = "administratively down"


class LinkWatch:
    """Logs as IOS does: LINK for the interface, LINEPROTO for its line protocol (a tunnel's is the tunnel's affair).

    What is seen for the first time is no change. `missing` has a line for each configured interface whose device
    this host does not have.
    """

    def __init__(self, linux_name: Callable[[str], str], log: Callable[[str, int, str, str], object]) -> None:
        self._linux_name = linux_name
        self._log = log
        self._states: dict[str, str] = {}
        self.missing: dict[str, str] = {}

    def update(self, config: Config, links: Mapping[str, Link]) -> None:
        """Compare with what was there, and tell."""
        states = {}
        missing = {}
        for name, interface in config.interfaces.items():
            if is_template(name):
                continue
            device = self._linux_name(name)
            link = links.get(device)
            states[name] = state = _state(interface, link)
            before = self._states.get(name)
            if before is not None and before != state:
                self._tell(name, before, state)
            if link is None and not is_loopback(name) and not is_tunnel(name):
                missing[name] = text = _missing(name, device)
                if name not in self.missing:
                    self._log("LINK", 3, "NODEVICE", text)
        self._states, self.missing = states, missing

    def _tell(self, name: str, before: str, state: str) -> None:
        if is_tunnel(name) and ADMINISTRATIVELY_DOWN not in (before, state):
            return
        if state == ADMINISTRATIVELY_DOWN:
            self._log("LINK", 5, "CHANGED", f"Interface {name}, changed state to {state}")
        else:
            shown = "up" if is_tunnel(name) else state
            self._log("LINK", 3, "UPDOWN", f"Interface {name}, changed state to {shown}")
        if not is_tunnel(name) and "up" in (before, state):
            word = "up" if state == "up" else "down"
            self._log("LINEPROTO", 5, "UPDOWN", f"Line protocol on Interface {name}, changed state to {word}")


def _state(interface: Interface, link: Link | None) -> str:
    if interface.shutdown:
        return ADMINISTRATIVELY_DOWN
    return "up" if link is not None and link.up else "down"


def _missing(name: str, device: str) -> str:
    if device != unmapped(name) or type_of(name) is None:
        return f"Interface {name}: this host has no device {device}"
    return f"Interface {name}: this host has no device of that name, and interfaces.map names no other for it"
