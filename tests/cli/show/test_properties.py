"""What holds for any status: every command renders, line by line, and no key ever shows."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.show.anything import MARK, anything
from tests.cli.show.example import SILENT, STATUS, render
from tests.cli.show.hub import HUB

from seikan.cli.show import SHOW_COMMANDS
from seikan.cli.show.command import ShowCommand
from seikan.cli.status import Need, Status
from seikan.config.grammar import Command, Table
from seikan.config.model import Config, PreSharedKey
from seikan.config.modes import EXEC
from seikan.wire.secret import Secret

TYPED: dict[str, object] = {
    "interface": "Tunnel0",
    "address": IPv4Address("10.1.12.1"),
    "router": IPv4Address("1.1.1.1"),
    "name": "CCIE",
    "local": IPv4Address("10.1.23.3"),
    "port": 500,
    "map": "VPN",
    "profile": "DVTI",
}
# Arguments of rows that show nothing but for one of them.
NARROW = ({"username": "alice"}, {"group": "BRANCHES"}, {"name": "VPN"}, {"name": "DVTI", "detail": True})


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0, max_value=2**64 - 1), st.booleans())
def test_any_status_renders_line_by_line_and_hides_every_key(seed: int, typed: bool) -> None:
    source = random.Random(seed)
    status: Status = anything(Status, source)
    chosen = {name: value for name, value in TYPED.items() if source.random() < 0.5}
    chosen |= {word: True for word in ("detail", "brief", "standby") if source.random() < 0.3}
    for row in SHOW_COMMANDS:
        for line in row.render(status, chosen if typed else {}):
            assert isinstance(line, str)
            assert "\n" not in line
            assert MARK not in line
            assert "<secret" not in line


def keys_in(config: Config) -> list[str]:
    rings = [config.isakmp.keys, *(ring.keys for ring in config.keyrings.values())]
    return [bytes(key.key).decode() for keys in rings for key in keys]


@pytest.mark.parametrize("status", [STATUS, HUB], ids=["router", "hub"])
def test_the_keys_of_the_examples_show_nowhere(status: Status) -> None:
    assert keys_in(status.running)
    for row in SHOW_COMMANDS:
        for arguments in ({}, *NARROW):
            text = "\n".join(row.render(status, arguments))
            assert not [key for key in keys_in(status.running) if key in text]


def test_hiding_is_tested_with_keys_that_exist() -> None:
    ring = PreSharedKey(Secret(f"{MARK}xyz".encode()), hostname="peer")
    config = replace(STATUS.running, isakmp=replace(STATUS.running.isakmp, keys=(ring,)))
    assert keys_in(config) == [f"{MARK}xyz"]
    assert MARK not in "\n".join(render("show crypto isakmp key", replace(STATUS, running=config)))


@pytest.mark.parametrize("row", SHOW_COMMANDS, ids=lambda row: row.syntax)
def test_a_router_that_knows_nothing_yet_renders(row: ShowCommand) -> None:
    bare = replace(SILENT, running=Config(), interfaces=(), crypto=None, logging=None)
    for arguments in ({}, *NARROW):
        assert all("\n" not in line for line in row.render(bare, arguments))


# Ansible's cisco.ios and pyATS take a command for failed when its output matches one of these.
FAILURES = re.compile(
    r"% ?Error|ERROR:|% ?Bad secret|invalid input|(?:incomplete|ambiguous) command|connection timed out"
    r"|[^\r\n]+ not found|Bad mask|% Invalid",
    re.IGNORECASE,
)


@pytest.mark.parametrize("row", SHOW_COMMANDS, ids=lambda row: row.syntax)
def test_no_output_looks_like_a_failure(row: ShowCommand) -> None:
    for status in (STATUS, SILENT, HUB):
        assert not FAILURES.search("\n".join(row.render(status, {})))


def test_rows_fit_the_grammar_and_need_what_they_read() -> None:
    table = Table(Command(EXEC, row.syntax, row.help, row) for row in SHOW_COMMANDS)
    typed = {
        "sh cry isa sa": "show crypto isakmp sa",
        "sh cry ipsec sa": "show crypto ipsec sa [detail]",
        "sh cry ipsec sa int tu 0": "show crypto ipsec sa interface <interface:interface> [detail]",
        "sh cry ipsec sa map VPN det": "show crypto ipsec sa map <map:word> [detail]",
        "sh cry ipsec sa addr": "show crypto ipsec sa address [detail]",
        "sh cry sess det": "show crypto session [brief|detail]",
        "sh cry sess isa prof DVTI": "show crypto session isakmp profile <profile:word> [brief|detail]",
        "sh cry map tag VPN": "show crypto map tag <name:word>",
        "sh cry dyn": "show crypto dynamic-map [tag <name:word>]",
        "sh cry isa prof tag DVTI": "show crypto isakmp profile [tag <name:word>]",
        "sh cry call adm stat": "show crypto call admission statistics",
        "sh int virtual-access 1": "show interfaces [<interface:interface>]",
        "show interfaces tunnel 0": "show interfaces [<interface:interface>]",
        "sh ip int br": "show ip interface brief",
        "sh ip ro os": "show ip route ospf",
        "sh ip route 3.3.3.3": "show ip route <address:ipv4> [<mask:mask>]",
        "sh ip os nei": "show ip ospf neighbor",
        "sh ver": "show version",
    }
    for line, syntax in typed.items():
        match = table.match(EXEC, line)
        assert match.command.syntax == syntax
        assert list(match.command.handler.render(HUB, match.args))


def test_each_word_of_each_row_has_help() -> None:
    for row in SHOW_COMMANDS:
        for word in re.findall(r"(?<![<\w-])[a-z][a-z0-9-]*(?![\w-]*:)", re.sub(r"<[^>]*>", "", row.syntax)):
            assert row.help.get(word), (row.syntax, word)


def test_no_row_is_there_twice() -> None:
    syntaxes = [row.syntax for row in SHOW_COMMANDS]
    assert len(set(syntaxes)) == len(syntaxes)
    assert all(isinstance(need, Need) for row in SHOW_COMMANDS for need in row.needs)


def test_a_row_that_reads_routes_asks_for_them() -> None:
    """Without the part a row did not ask for, its output stays the same."""
    for row in SHOW_COMMANDS:
        parts: dict[str, object] = {}
        if Need.ROUTES not in row.needs:
            parts["routes"] = None
        if Need.OSPF not in row.needs:
            parts["ospf"] = None
        if Need.CRYPTO not in row.needs:
            parts["crypto"] = None
        if Need.INTERFACES not in row.needs:
            parts["interfaces"] = ()
        if Need.LOGGING not in row.needs:
            parts["logging"] = None
        if Need.ACCESS_LISTS not in row.needs:
            parts["access_matches"] = {}
        for status in (STATUS, HUB):
            lean = replace(status, **parts)  # type: ignore[arg-type]
            assert list(row.render(lean, {})) == list(row.render(status, {})), row.syntax
