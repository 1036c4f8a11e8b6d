"""The migration's lab as a user starts it: three stages and a fourth, under traffic that is counted."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.lab.labs import failed_claims, lab_command, left_of

pytestmark = [pytest.mark.netns, pytest.mark.timeout(900)]
LAB_SECONDS = 600


@pytest.fixture(autouse=True)
def _programs(tool: Callable[[str], str]) -> None:
    for program in ("ip", "tcpdump", "ping", "nft", "zebra"):
        tool(program)


def test_two_sites_leave_their_crypto_maps_under_traffic(
    names: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = names()
    up = lab_command("up", "migrate", "--once", "--name", name)
    output, _ = up.communicate(timeout=LAB_SECONDS)
    assert up.returncode == 0, output
    assert f"lab {name}: it works; taken down" in output
    assert failed_claims(output) == []
    assert "nothing of the traffic between the sites left in clear, at no moment: 0 of" in output
    for stage in ("crypto map and crypto map", "R1 migrated", "R1 and R3 migrated", "any to any"):
        steady = re.findall(rf"ok    {stage}: stream \w+ H\d to H\d, nothing is lost or doubled", output)
        assert len(steady) == 6, stage
    with capsys.disabled():
        print("\n" + "\n".join(line for line in output.splitlines() if re.search(r"change: sent|all stages:", line)))
    assert left_of(name) == []
