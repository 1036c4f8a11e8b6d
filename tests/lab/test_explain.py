"""A lab that does not do as it should: the run says what, where, and what the routers know about it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from seikan.lab import session
from seikan.lab.actions import CONFIG, EXEC, Action, Expect, Look, Type
from seikan.lab.guard import Guard
from seikan.lab.lab import Lab
from seikan.lab.proof import Claims
from seikan.lab.session import Scenario, Session
from seikan.lab.topology import LabError
from seikan.lab.vti.network import VTI

pytestmark = pytest.mark.netns


@pytest.fixture
def lab(names: Callable[[], str]) -> Lab:
    built = Lab.create(VTI, names())
    guard = Guard(built)
    session.bring_up(built, VTI, lambda _line: None)
    guard.dismiss()
    return built


def demonstration(*script: Action, holds: bool = True) -> Scenario:
    def demonstrate(running: Session, claims: Claims) -> None:
        claims.add("R1: what came before", True, "fine", "R1")
        running.perform(script)
        claims.add("R3: what is shown", holds, "a figure", "R3")

    return Scenario(VTI, demonstrate, looks=("show clock",))


def test_each_way_to_fail_names_the_router_and_the_claims_so_far(lab: Lab) -> None:
    for action, wanted in (
        (Type("R1", "conf t", EXEC), r'^R1: after "conf t" the prompt is "R1\(config\)#", not "R1#": Enter'),
        (Type("R1", "conff", CONFIG), r'^R1 refused "conff"'),
        (Type("R1", "show clock", EXEC, ("moon",)), r"^R1: the answer to \"show clock\" has nothing like 'moon'$"),
        (Expect("R1", "%MOON", 0.2), r"^waited 0 seconds for R1 to say '%MOON'$"),
        (Look("R1", "show clock", ("moon",), 1.0), r'^R1: for 1 seconds the answer to "show clock" has nothing like'),
    ):
        said: list[str] = []
        with pytest.raises(LabError, match=wanted) as raised:
            session.demonstrate(lab, demonstration(action), said.append)
        assert raised.value.routers == ("R1",)
        assert "  ok    R1: what came before: fine" in said


def test_a_failed_claim_is_followed_by_what_its_router_shows(lab: Lab) -> None:
    said: list[str] = []
    assert session.demonstrate(lab, demonstration(Type("R1", "show clock", EXEC)), said.append)
    assert not any("=== why" in line for line in said)
    said.clear()
    assert not session.demonstrate(lab, demonstration(holds=False), said.append)
    text = "\n".join(said)
    assert "  FAIL  R3: what is shown: a figure" in said
    assert "=== why: R3" in said
    assert "=== why: R1" not in said
    for command in ("show crypto session detail", "show ip route", "show clock"):
        assert f"--- R3#{command}" in said
    assert re.search(r"^FastEthernet1/0\s+10\.1\.23\.3", text, re.MULTILINE)
    assert re.search(r"--- R3: ip rule\n0:\tfrom all lookup local", text)
    for router in ("R1", "R3"):
        assert f"--- the end of {router}'s log\nseikan: ready ({router})" in text
        assert f"--- the provider saw on {router}'s wire: " in text
