"""Stories told side by side: they wait for lifetimes and dead peers more than they compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from tests.interop.stories import Story

Tellings = dict[str, "Future[None]"]


@contextmanager
def side_by_side(request: pytest.FixtureRequest, at_once: int, tell: Callable[[Story], None]) -> Iterator[Tellings]:
    """Every story of the requesting module that was asked for, being told, `at_once` of them; by name."""
    with ThreadPoolExecutor(at_once) as pool:
        yield {story.name: pool.submit(tell, story) for story in _asked_for(request)}


def _asked_for(request: pytest.FixtureRequest) -> Iterator[Story]:
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.path == request.path and hasattr(item, "callspec"):
            story = item.callspec.params["story"]
            assert isinstance(story, Story)
            yield story
