"""What counts as a lost echo request, by what `ping` prints."""

from __future__ import annotations

import pytest
from tests.interop.runner import Echoes


def printed(sent: int, *answered: int) -> str:
    lines = [f"64 bytes from 172.16.2.1: icmp_seq={number} ttl=64 time=0.4 ms" for number in answered]
    summary = f"{sent} packets transmitted, {len(answered)} received, 0% packet loss, time 483ms"
    return "\n".join([*lines, "", "--- 172.16.2.1 ping statistics ---", summary, ""])


@pytest.mark.parametrize(
    ("output", "count", "lost"),
    [
        (printed(3, 1, 2, 3), 3, set()),
        (printed(5, 1, 2, 3), 3, set()),  # two more were sent before the answers had come
        (printed(4, 1, 3, 4), 3, {2}),
        (printed(9, 1), 3, {2, 3}),
        (printed(3), 3, {1, 2, 3}),
        (printed(5, 1, 2, 4), 0, {3}),  # a stream that was stopped: the last had no time
        ("", 2, {1, 2}),
    ],
)
def test_an_unanswered_echo_request_is_lost_unless_it_is_one_too_many(output: str, count: int, lost: set[int]) -> None:
    assert Echoes.read(output, count).lost == lost
