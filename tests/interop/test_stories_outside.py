"""The stories of the interop matrix whose peer runs in a namespace: strongSwan with ESP in user space."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.interop.network import network
from tests.interop.peer_charon import StrongSwan
from tests.interop.places import outside, tell
from tests.interop.stories import STRONGSWAN, Story, of
from tests.interop.telling import Tellings, side_by_side

pytestmark = [pytest.mark.netns, pytest.mark.interop]

AT_ONCE = 4


@pytest.fixture(scope="module")
def tellings(
    request: pytest.FixtureRequest, charon_installed: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tellings]:
    def told(story: Story) -> None:
        directory = tmp_path_factory.mktemp("story")
        with network() as net:
            tell(story, outside(net, story.nat), StrongSwan(directory / "charon"), directory)

    with side_by_side(request, AT_ONCE, told) as made:
        yield made


@pytest.mark.parametrize("story", of(STRONGSWAN), ids=lambda story: story.name)
def test_story(tellings: Tellings, story: Story, record_property: Callable[[str, object], None]) -> None:
    record_property("story", story.name)
    tellings[story.name].result()
