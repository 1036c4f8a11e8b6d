"""Two hundred spokes come, go, move, fall silent and come back at one real hub: what is left is what should be."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from tests.hub.fleet import address
from tests.hub.ground import Ground, ground

from seikan.lab.wait import wait_until

pytestmark = pytest.mark.netns

SPOKES = 200
ROUNDS = 5
SEED = 20261125
RESIDENT_SLACK = 6_000  # kilobytes: what the allocator keeps for itself may differ by so much from cycle to cycle
EVERYBODY = range(1, SPOKES + 1)


def until(ground: Ground, condition: object, limit: float, what: str) -> None:
    assert callable(condition)
    assert wait_until(condition, limit), f"{what}\n{ground.log()[-4000:]}"


def connect(ground: Ground, numbers: object) -> None:
    assert isinstance(numbers, range | list)
    ground.fleet.ask("start", numbers)
    answer = ground.fleet.ask("up", numbers, limit=60)
    assert answer["up"] == len(numbers), ground.log()[-4000:]


def exactly(ground: Ground, count: int) -> bool:
    """That many Virtual-Access interfaces, all up, and nothing else of any spoke."""
    accesses = ground.accesses()
    return len(accesses) == count == sum(accesses.values()) and len(ground.devices()) == count


def empty(ground: Ground) -> None:
    ground.fleet.ask("stop", EVERYBODY)
    until(ground, lambda: exactly(ground, 0), 30, "interfaces are left")


def peers(ground: Ground) -> set[str]:
    """The addresses that the hub has phase 1 SAs with."""
    return set(re.findall(r"^10\.64\.0\.1\s+(\S+)\s+QM_IDLE", ground.exec("show crypto isakmp sa"), re.M))


@pytest.mark.timeout(400)
def test_after_churn_there_is_what_should_be_there_and_nothing_else(tmp_path: Path) -> None:
    chance = random.Random(SEED)  # the same every time
    with ground(tmp_path, SPOKES) as hub:
        connect(hub, EVERYBODY)
        until(hub, lambda: exactly(hub, SPOKES), 60, "not every spoke has its interface")
        empty(hub)
        resident, descriptors = hub.resident_kilobytes(), hub.descriptors()

        connect(hub, EVERYBODY)
        place = dict.fromkeys(EVERYBODY, 0)
        away: set[int] = set()
        for _ in range(ROUNDS):
            here = sorted(set(EVERYBODY) - away)
            chance.shuffle(here)
            cut, moved, asleep, stopped, restarted = (here[at : at + 8] for at in range(0, 40, 8))
            back = sorted(away)[: len(away) // 2]
            hub.fleet.ask("cut", cut)
            hub.fleet.ask("stop", stopped)
            hub.fleet.ask("sleep", asleep)
            for number in moved:
                place[number] = (place[number] + 1) % 4
                hub.fleet.ask("move", [number], place=place[number])
            hub.fleet.ask("cut", restarted)  # and at once again: a restart without a goodbye
            hub.fleet.ask("start", [*restarted, *back])
            away |= {*cut, *stopped}
            away -= set(back)
            hub.fleet.ask("wake", asleep)
            should = sorted(set(EVERYBODY) - away)
            answer = hub.fleet.ask("up", should, limit=60)
            assert answer["up"] == len(should), hub.log()[-4000:]

        should = sorted(set(EVERYBODY) - away)
        until(hub, lambda: exactly(hub, len(should)), 60, "dead peer detection has not found those who were cut")
        assert hub.fleet.ask("state")["up"] == len(should)
        assert peers(hub) == {str(address(number, place[number])) for number in should}
        sas = hub.exec("show crypto ipsec sa")
        for direction in ("inbound", "outbound"):
            assert len(re.findall(rf"{direction} esp sas:\n +spi:", sas)) == len(should)
        shown = re.findall(r"^Vi\d+ ", hub.exec("show ip ospf interface brief"), re.M)
        assert len(shown) == len(should)
        assert "Virtual-Access" not in hub.exec("show running-config")

        empty(hub)
        assert hub.exec("show crypto isakmp sa").count("QM_IDLE") == 0
        assert hub.hub.ip("route", "show", "table", "all", "proto", "ospf") == ""
        until(
            hub, lambda: hub.descriptors() <= descriptors, 10, f"{hub.descriptors()} descriptors, {descriptors} before"
        )
        grown = hub.resident_kilobytes() - resident
        print(f"resident memory after the churn: {grown:+} kB, {descriptors} descriptors before and after")
        assert grown < RESIDENT_SLACK
