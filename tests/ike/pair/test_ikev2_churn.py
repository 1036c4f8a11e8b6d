"""A hub of IKEv2 under churn: each seed ends with just the interfaces and SAs that should be, then with nothing."""

from __future__ import annotations

import pytest

from .churn import judge
from .ikev2_churn import draw

SEEDS = 60
BATCH = 10
SPOKES = 8


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_every_churn_ends_as_it_should(first: int) -> None:
    for seed in range(first, first + BATCH):
        world = draw(seed, SPOKES)
        try:
            judge(world)
        except BaseException as error:
            error.add_note(f"seed {seed}\n{world.story()}")
            raise


def test_many_spokes() -> None:
    world = draw(7, 60)
    try:
        judge(world)
    except BaseException as error:
        error.add_note(world.story())
        raise
