"""Rates as IOS shows them, from samples."""

from __future__ import annotations

import pytest

from seikan.daemon.rates import LOAD_INTERVAL, LoadAverage, Sample


def test_a_steady_rate_is_shown_after_some_load_intervals() -> None:
    average = LoadAverage()
    for moment in range(0, int(5 * LOAD_INTERVAL), 5):
        average.sample(Sample(moment * 1000, moment * 500, moment * 10, moment * 4), float(moment))
    assert average.bits_in == pytest.approx(8000, rel=0.02)
    assert average.bits_out == pytest.approx(4000, rel=0.02)
    assert average.packets_in == pytest.approx(10, rel=0.02)
    assert average.last_input == average.last_output == 5 * LOAD_INTERVAL - 5


def test_samples_at_uneven_times_weigh_by_their_length() -> None:
    often, seldom = LoadAverage(), LoadAverage()
    for moment in range(601):
        often.sample(Sample(moment * 1000, 0, moment, 0), float(moment))
        if moment % 60 == 0:
            seldom.sample(Sample(moment * 1000, 0, moment, 0), float(moment))
    assert often.bits_in == pytest.approx(seldom.bits_in, rel=0.01)
    assert often.last_output is None


def test_a_device_made_anew_gives_no_negative_rate() -> None:
    average = LoadAverage()
    average.sample(Sample(10**9, 0, 10**6, 0), 0.0)
    average.sample(Sample(0, 0, 0, 0), 5.0)
    assert average.bits_in == 0
    assert average.last_input == 0.0
