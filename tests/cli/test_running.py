"""show running-config, show derived-config and the configuration of an interface that the router made itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.cli.show.hub import HUB

from seikan.cli.answers import View
from seikan.cli.exec import PRIVILEGED_TABLE, USER_TABLE
from seikan.cli.requests import Show
from seikan.cli.status import Status
from seikan.config.grammar import LineError
from seikan.config.modes import EXEC
from seikan.config.render import render_lines

SECTION = (
    "!",
    "interface Virtual-Access1",
    " ip unnumbered Loopback0",
    " ip access-group 101 in",
    " ip ospf 1 area 0",
    " tunnel source FastEthernet1/0",
    " tunnel destination 10.1.44.4",
    " tunnel mode ipsec ipv4",
    " tunnel protection ipsec profile SPOKES",
    "end",
    "",
)
ALONE = ("show running-config interface fa1/0", "show derived-config interface fa1/0")


def shown(line: str, status: Status = HUB) -> list[str]:
    match = PRIVILEGED_TABLE.match(EXEC, line)
    request = match.command.handler(match, View(15, ()))
    assert isinstance(request, Show)
    return list(request.render(status))


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("show derived-config interface virtual-access 1", "Derived"),
        ("show interfaces virtual-access 1 configuration", "Derived"),
        ("show running-config interface virtual-access 1", "Current"),
    ],
)
def test_configuration_of_an_access_interface(line: str, kind: str) -> None:
    heading, empty, octets, *section = shown(line)
    assert (heading, empty) == ("Building configuration...", "")
    assert octets == f"{kind} configuration : {sum(len(line) + 1 for line in SECTION)} bytes"
    assert sorted(section) == sorted(SECTION)
    assert section[:2] == list(SECTION[:2])


@pytest.mark.parametrize("line", ["show derived-config interface", "show running-config interface"])
def test_an_interface_that_is_not_there(line: str) -> None:
    assert shown(f"{line} virtual-access 9") == ["% Interface Virtual-Access9 does not exist: no peer has it"]
    assert shown(f"{line} tu 9") == ["% Interface Tunnel9 is not configured"]


def test_a_typed_interface_is_derived_from_itself() -> None:
    current, derived = (shown(line) for line in ALONE)
    assert derived[3:] == current[3:]
    assert derived[2] == current[2].replace("Current", "Derived")


def test_derived_configuration_has_the_access_interfaces_and_the_running_one_has_not() -> None:
    derived, running = shown("show derived-config"), shown("show running-config")
    assert derived[:2] == ["Building configuration...", ""]
    assert tuple(derived[3:]) == render_lines(HUB.in_force)
    assert "interface Virtual-Access1" in derived
    assert "interface Virtual-Access1" not in running
    assert shown("show derived-config", replace(HUB, derived=None))[3:] == running[3:]


@pytest.mark.parametrize(
    "line",
    [
        "show running-config",
        "show startup-config",
        "show derived-config",
        "show derived-config interface tu0",
        "show interfaces tu0 configuration",
    ],
)
def test_what_may_show_keys_needs_privilege(line: str) -> None:
    assert PRIVILEGED_TABLE.match(EXEC, line)
    with pytest.raises(LineError):
        USER_TABLE.match(EXEC, line)
