"""The hub's lab as a user starts it, and what its demonstration leaves out: an address that DHCP changes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.lab.labs import execute, failed_claims, lab_command, leased, left_of, renewed

from seikan.lab.hub.network import HUB, MOVED_TO, MOVING
from seikan.lab.lab import Lab
from seikan.lab.proof import protected
from seikan.lab.wait import wait_until

pytestmark = [pytest.mark.netns, pytest.mark.timeout(900)]
LAB_SECONDS = 600
RECOVERY_SECONDS = 90


@pytest.fixture(autouse=True)
def _programs(tool: Callable[[str], str]) -> None:
    for program in ("ip", "tcpdump", "ping", "nft", "ospfd", "zebra"):
        tool(program)


def access_of(lab: Lab, peer: str) -> str | None:
    """The hub's interface for a spoke, by the spoke's address."""
    for block in protected(execute(lab, HUB, "show crypto ipsec sa").splitlines()):
        if str(block.peer) == peer and block.inbound:
            return block.interface
    return None


def reaches(lab: Lab) -> bool:
    answer = execute(lab, HUB, f"ping {MOVING.router_id} source lo0 repeat 2", check=False)
    return "Success rate is 100 percent" in answer


def test_the_hub_proves_itself_and_follows_a_leased_address(
    names: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = names()
    up = lab_command("up", "hub", "--name", name)
    output, _ = up.communicate(timeout=LAB_SECONDS)
    assert up.returncode == 0, output
    assert failed_claims(output) == []
    for shown in (
        "R1(config-if)#tunnel protection ipsec profile P",
        "nothing inner was readable: 0 of",
        "R5 keeps its interface at its new address",
        "no interface and no finished SA for R6",
    ):
        assert shown in output
    with capsys.disabled():
        print("\n" + "\n".join(line for line in output.splitlines() if "stream R" in line))
    lab = Lab.load(name)
    interface = access_of(lab, MOVED_TO)
    assert interface is not None

    old, gateways = MOVED_TO, {MOVING.outside: "10.1.25.2", MOVED_TO: "10.1.55.2"}
    for new, change in ((MOVING.outside, leased), (MOVED_TO, renewed)):
        change(lab, old, new, gateways[new])
        assert wait_until(lambda: access_of(lab, new) == interface, RECOVERY_SECONDS, 0.5), (  # noqa: B023
            execute(lab, HUB, "show crypto session detail") + execute(lab, "R5", "show crypto session detail")
        )
        assert wait_until(lambda: reaches(lab), RECOVERY_SECONDS, 0.5), execute(lab, HUB, "show ip ospf neighbor")
        old = new
    brief = execute(lab, HUB, "show ip interface brief")
    assert len(re.findall(r"^Virtual-Access\d+ .*\bup\s+up\s*$", brief, re.MULTILINE)) == 3, brief

    down, _ = lab_command("down", "--name", name).communicate(timeout=60)
    assert f"lab {name}: taken down" in down
    assert left_of(name) == []
