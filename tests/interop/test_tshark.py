"""The key log as Wireshark's users have it: a capture of a negotiation, and the table that opens it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.daemon.routers import Sites, two_routers, until
from tests.daemon.test_ikev2 import IPSEC, KEYRING, TUNNEL, configure, ike_spis
from tests.interop.network import stop

from seikan.lab.driver import Console

pytestmark = [pytest.mark.netns, pytest.mark.interop]

TABLE = "ikev2_decryption_table"
IKE_AUTH = "35"
ENCRYPTED = "46"
SUITES = {
    "aes-cbc with sha256": " encryption aes-cbc-256\n integrity sha256\n",
    "aes-gcm": " encryption aes-gcm-256\n prf sha256\n",
}
_PROPOSAL = "crypto ikev2 proposal PROPOSAL\n{suite} group 19\ncrypto ikev2 policy POLICY\n proposal PROPOSAL\n"


@contextmanager
def captured(sites: Sites, file: Path, tcpdump: str) -> Iterator[None]:
    """What goes between the routers meanwhile is in `file`."""
    options = ("-i", "to-r1", "-U", "--immediate-mode", "-Z", "root", "-w", str(file), "udp port 500 or udp port 4500")
    process = sites.provider.start(tcpdump, *options, log=file.with_suffix(".log"))
    try:
        until(lambda: file.exists() and file.stat().st_size >= 24)
        yield
    finally:
        stop(process)


def dissected(tshark: str, capture: Path, settings: Path) -> list[tuple[bool, set[str]]]:
    """Of each IKE_AUTH message, whether it is a response, and the types of all payloads that are seen in it."""
    done = subprocess.run(
        [
            *(tshark, "-r", str(capture), "-Y", f"isakmp.exchangetype == {IKE_AUTH}", "-T", "fields"),
            *("-e", "isakmp.flag_r", "-e", "isakmp.typepayload"),
        ],
        env=os.environ | {"WIRESHARK_CONFIG_DIR": str(settings)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [(row[0] in ("1", "True"), set(row[1].split(","))) for row in rows]


@pytest.mark.parametrize("suite", SUITES.values(), ids=list(SUITES))
def test_a_capture_is_opened_by_the_key_log(suite: str, tmp_path: Path, tool: Callable[[str], str]) -> None:
    tshark, tcpdump, capture = tool("tshark"), tool("tcpdump"), tmp_path / "ike.pcap"
    with two_routers(tmp_path) as sites:
        configure(sites, _PROPOSAL.format(suite=suite), KEYRING, IPSEC, TUNNEL)
        sites.start()
        r1 = sites.r1
        before, table = ike_spis(r1), Path(f"{r1.startup}.state") / TABLE
        console = Console({"r1": r1.login()}, lambda _router, _line: None)
        try:
            console.ready("r1")
            console.type("r1", "debug crypto ikev2 keylog")
            with captured(sites, capture, tcpdump):
                console.type("r1", "clear crypto ikev2 sa")
                until(lambda: ike_spis(r1) and not ike_spis(r1) & before and r1.tunnel_up(), what=r1.log)
        finally:
            console.close()
        keys = table.read_text()
    settings = tmp_path / "wireshark"
    settings.mkdir()
    closed = dissected(tshark, capture, settings)
    assert {response for response, _ in closed} == {False, True}
    assert all(types == {ENCRYPTED} for _, types in closed)
    (settings / TABLE).write_text(keys)
    opened = dissected(tshark, capture, settings)
    assert len(opened) == len(closed)
    identities = {False: "35", True: "36"}  # Identification - Initiator, - Responder
    for response, types in opened:
        # Authentication; the pair has a CREATE_CHILD_SA of its own, because the old one goes on meanwhile
        assert types >= {ENCRYPTED, identities[response], "39"}, keys.count("\n")
