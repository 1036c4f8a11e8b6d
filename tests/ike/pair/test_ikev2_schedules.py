"""Thousands of schedules of IKEv2: each ends with one IKE SA and one matching pair at both ends, and leaves nothing."""

from __future__ import annotations

import pytest

from .ikev2_schedules import draw
from .schedules import judge

SCHEDULES = 7600
BATCH = 200


@pytest.mark.parametrize("first", range(0, SCHEDULES, BATCH))
def test_every_schedule_converges(first: int) -> None:
    for seed in range(first, first + BATCH):
        world = draw(seed)
        try:
            judge(world)
        except BaseException as error:
            error.add_note(f"seed {seed}\n{world.story()}")
            raise
