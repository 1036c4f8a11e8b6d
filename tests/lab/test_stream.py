"""The counted stream: what became of each packet, worked out from records, and counted over a real wire."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from seikan.lab.stream import End, Records, Stream, tally
from seikan.lab.wait import wait_until

PERIOD = 0.02


def records(sent: int = 0, received: list[tuple[int, float]] | None = None, refused: tuple[int, ...] = ()) -> Records:
    return Records({number: number * PERIOD for number in range(sent)}, frozenset(refused), tuple(received or ()))


def arriving(*numbers: int) -> Records:
    """These arrive, a period apart."""
    return records(received=[(number, place * PERIOD + 0.001) for place, number in enumerate(numbers)])


def test_nothing_is_lost() -> None:
    found = tally(records(10), arriving(*range(10)), 0.0, 1.0)
    assert (found.sent, found.received, found.lost, found.duplicated, found.reordered) == (10, 10, 0, 0, 0)
    assert found.longest_gap == pytest.approx(PERIOD)
    assert found.lost_for == 0.0


def test_an_outage_is_as_long_as_from_its_first_packet_to_the_next_that_arrives() -> None:
    got = [(number, number * PERIOD + 0.001) for number in range(100) if not 20 <= number < 70]
    found = tally(records(100, refused=(20, 21)), records(received=got), 0.0, 10.0)
    assert (found.lost, found.refused) == (50, 2)
    assert found.lost_for == pytest.approx(50 * PERIOD)
    assert found.longest_gap == pytest.approx(51 * PERIOD)
    assert "lost 50 (2 had no route) in up to 1.00 s" in str(found)


def test_an_outage_that_has_no_end_is_counted_to_the_last_packet() -> None:
    found = tally(records(100), arriving(*range(50)), 0.0, 10.0)
    assert found.lost == 50
    assert found.lost_for == pytest.approx(49 * PERIOD)


def test_what_comes_twice_or_late_is_told_apart_from_loss() -> None:
    found = tally(records(6), arriving(0, 2, 1, 3, 3, 5, 4), 0.0, 1.0)
    assert (found.lost, found.duplicated, found.reordered) == (0, 1, 2)


def test_a_packet_counts_where_it_was_sent_though_it_arrives_later() -> None:
    got = records(received=[(number, 5.0 + number * PERIOD) for number in range(100)])
    first, second = (tally(records(100), got, begin, end) for begin, end in ((0.0, 1.0), (1.0, 2.0)))
    assert (first.sent, first.received, second.sent, second.received) == (50, 50, 50, 50)


@dataclass(frozen=True)
class Pair:
    """Two namespaces with a wire: 10.9.0.1 and 10.9.0.2."""

    left: str
    right: str

    def ip(self, *arguments: str) -> None:
        subprocess.run(["ip", "-n", self.left, *arguments], check=True, timeout=10)


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair(*(f"seikan-stream-{secrets.token_hex(3)}" for _ in range(2)))
    for name in (made.left, made.right):
        subprocess.run(["ip", "netns", "add", name], check=True, timeout=10)
    try:
        made.ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", made.right)
        for name, address in ((made.left, "10.9.0.1/24"), (made.right, "10.9.0.2/24")):
            subprocess.run(["ip", "-n", name, "address", "add", address, "dev", "eth0"], check=True, timeout=10)
            subprocess.run(["ip", "-n", name, "link", "set", "eth0", "up"], check=True, timeout=10)
        yield made
    finally:
        for name in (made.left, made.right):
            subprocess.run(["ip", "netns", "delete", name], check=True, timeout=10)


def ends(pair: Pair) -> tuple[End, End]:
    return End("A", pair.left, "10.9.0.1", 7001), End("B", pair.right, "10.9.0.2", 7002)


@pytest.mark.netns
def test_a_cut_is_counted_in_both_directions_and_its_length_measured(pair: Pair, tmp_path: Path) -> None:
    with Stream("cut", *ends(pair), tmp_path, rate=100, size=1400) as stream:
        assert wait_until(lambda: min(stream.arrived_since(0.0)) >= 20, 10), stream.failure()
        pair.ip("link", "set", "eth0", "down")
        before = stream.records()
        assert wait_until(lambda: len(stream.records()[0].sent) >= len(before[0].sent) + 50, 10)
        pair.ip("link", "set", "eth0", "up")
        moment = max(stream.records()[0].sent.values())
        assert wait_until(lambda: min(stream.arrived_since(moment)) >= 20, 10), stream.failure()
    (_, there), (_, back) = stream.tallies(0.0, moment)
    # Where its own wire is down a kernel has no route; at the other end some packets wait for the neighbour's address.
    assert there.refused >= 45
    assert there.lost >= there.refused
    assert 0.4 < there.lost_for < 8
    for found in (there, back):
        assert found.sent == found.received + found.lost
        assert found.duplicated == 0
        assert 0.4 < found.longest_gap < 8


@pytest.mark.netns
def test_a_stream_that_cannot_begin_says_why(pair: Pair, tmp_path: Path) -> None:
    wrong = End("A", pair.left, "10.9.9.9", 7001), ends(pair)[1]
    with Stream("wrong", *wrong, tmp_path, rate=10, size=200) as stream:
        assert wait_until(stream.failure, 10)
        assert "the stream at A (10.9.9.9) ended: 10.9.9.9: Cannot assign requested address" in (stream.failure() or "")
