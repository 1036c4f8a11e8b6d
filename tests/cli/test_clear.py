"""The clear commands: what is typed becomes a request that names just that, and `?` explains each word."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

import pytest
from tests.cli.desk import Desk

from seikan.cli.clear import CLEAR_COMMANDS
from seikan.cli.exec import USER_TABLE
from seikan.cli.requests import Clear, ClearKind
from seikan.config.grammar import LineError
from seikan.config.model import Config
from seikan.config.modes import EXEC

PEER, LOCAL = IPv4Address("10.1.12.1"), IPv4Address("10.1.23.3")
SESSION, SA = ClearKind.SESSION, ClearKind.SA


@pytest.fixture
def desk() -> Desk:
    return Desk(Config(hostname="R3"))


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("clear crypto session", Clear(SESSION)),
        ("cl cry sess rem 10.1.12.1", Clear(SESSION, peer=PEER)),
        ("clear crypto session remote 10.1.12.1 port 4500", Clear(SESSION, peer=PEER, peer_port=4500)),
        ("clear crypto session local 10.1.23.3", Clear(SESSION, local=LOCAL)),
        (
            "clear crypto session local 10.1.23.3 port 500 remote 10.1.12.1 port 61000",
            Clear(SESSION, peer=PEER, peer_port=61000, local=LOCAL, local_port=500),
        ),
        ("clear crypto session remote 2001:db8::1", Clear(SESSION, peer=IPv6Address("2001:db8::1"))),
        ("clear crypto session interface virtual-access 3", Clear(SESSION, interface="Virtual-Access3")),
        ("clear crypto sa", Clear(SA)),
        ("clear crypto sa peer 10.1.12.1", Clear(SA, peer=PEER)),
        ("clear crypto sa map VPN", Clear(SA, crypto_map="VPN")),
        ("clear crypto sa entry 10.1.12.1 esp 0x397C36EE", Clear(SA, peer=PEER, spi=0x397C36EE)),
        ("clear crypto sa spi 10.1.12.1 esp 964441838", Clear(SA, peer=PEER, spi=964441838)),
        ("clear crypto sa counters", Clear(ClearKind.SA_COUNTERS)),
        ("clear crypto isakmp 1001", Clear(ClearKind.ISAKMP, conn_id=1001)),
        ("clear crypto call admission statistics", Clear(ClearKind.ADMISSION)),
        ("clear access-list counters", Clear(ClearKind.ACCESS_LIST_COUNTERS)),
        ("clear access-list counters SITES", Clear(ClearKind.ACCESS_LIST_COUNTERS, access_list="SITES")),
        ("cl ip access-list counters 101", Clear(ClearKind.ACCESS_LIST_COUNTERS, access_list="101")),
    ],
)
def test_requests(desk: Desk, line: str, request_: Clear) -> None:
    assert desk.line(line) == ""
    assert desk.requests == [request_]


@pytest.mark.parametrize("spi", ["255", "0xFF", "0x100000000", "0xXYZ", "-1", "1_000", "x"])
def test_what_is_no_spi_is_refused(desk: Desk, spi: str) -> None:
    answer = desk.line(f"clear crypto sa entry 10.1.12.1 esp {spi}")
    assert answer == f"% {spi} is no SPI: type one of show crypto ipsec sa, such as 0x658F7C11\n"
    assert not [request for request in desk.requests if isinstance(request, Clear)]


def test_to_clear_needs_privilege() -> None:
    for row in CLEAR_COMMANDS:
        assert not row.user, row.syntax
    with pytest.raises(LineError):
        USER_TABLE.match(EXEC, "clear crypto session")


def test_each_word_of_each_row_has_help() -> None:
    for row in CLEAR_COMMANDS:
        known = {"clear": "by the table", **row.help}
        for word in re.findall(r"(?<![<\w-])[a-z][a-z0-9-]*(?![\w-]*:)", re.sub(r"<[^>]*>", "", row.syntax)):
            assert known.get(word), (row.syntax, word)
        for name, kind in re.findall(r"<(\w+):(\w+)", row.syntax):
            assert kind == "interface" or known.get(f"<{name}>"), (row.syntax, name)


def test_help_lists_what_may_be_cleared(desk: Desk) -> None:
    shown = desk.type("clear crypto sa ?").replace("\r", "").split("\n")
    assert [line.rstrip() for line in shown[1:-2]] == [
        "  counters  Reset the SA counters",
        "  entry     Clear one SA, and the one that belongs to it",
        "  map       Clear the SAs of one crypto map",
        "  peer      Clear the SAs of one peer",
        "  spi       Clear one SA, and the one that belongs to it",
        "  <cr>",
    ]
