"""Thousands of schedules of IKEv2: each ends with one IKE SA and one matching pair at both ends, and leaves nothing."""

from __future__ import annotations

import pytest

from .ikev2_schedules import draw
from .schedules import judge

SCHEDULES = 7600
BATCH = 200


def test_a_rekeyed_ike_sa_that_its_peer_never_heard_of_goes_at_its_initial_contact() -> None:
    world = draw(109346)
    try:
        judge(world)
    except BaseException as error:
        error.add_note(world.story())
        raise


@pytest.mark.parametrize("first", range(0, SCHEDULES, BATCH))
def test_every_schedule_converges(first: int) -> None:
    for seed in range(first, first + BATCH):
        world = draw(seed)
        try:
            judge(world)
        except BaseException as error:
            error.add_note(f"seed {seed}\n{world.story()}")
            raise
