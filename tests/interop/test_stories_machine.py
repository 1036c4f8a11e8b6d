"""The stories of the interop matrix whose peer has its ESP in the kernel: peers run in namespaces of one machine.

Seikan and the NAT are outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest
from tests.interop.connection import Peer
from tests.interop.guest import Guest, machine
from tests.interop.network import network
from tests.interop.peer_charon_kernel import StrongSwanKernel
from tests.interop.peer_libreswan import Libreswan
from tests.interop.peer_openiked import OpenIked
from tests.interop.places import tell, with_guest
from tests.interop.stories import LIBRESWAN, OPENIKED, STRONGSWAN_KERNEL, PeerKind, Story, of
from tests.interop.telling import Tellings, side_by_side

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.timeout(900)]

_PEERS: dict[PeerKind, Callable[[Guest, Path], Peer]] = {
    STRONGSWAN_KERNEL: StrongSwanKernel,
    LIBRESWAN: Libreswan,
    OPENIKED: OpenIked,
}


@pytest.fixture(scope="module")
def tellings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tellings]:
    with machine(tmp_path_factory.mktemp("machine")) as guests:
        free: SimpleQueue[Guest] = SimpleQueue()
        for guest in guests:
            free.put(guest)

        def told(story: Story) -> None:
            guest = free.get()
            try:
                with network() as net:
                    peer = _PEERS[story.peer](guest, guest.host.share / story.name)
                    tell(story, with_guest(net, guest, story.nat), peer, tmp_path_factory.mktemp("story"))
            finally:
                free.put(guest)

        with side_by_side(request, len(guests), told) as made:
            yield made


@pytest.mark.parametrize("story", of(*_PEERS), ids=lambda story: story.name)
def test_story(tellings: Tellings, story: Story, record_property: Callable[[str, object], None]) -> None:
    record_property("story", story.name)
    tellings[story.name].result()
