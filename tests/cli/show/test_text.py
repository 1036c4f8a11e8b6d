"""Times and names as IOS writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seikan.cli.show.text import age, area_name, clock, date, dotted_mac, long_span, pad, precise_date


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "never"),
        (0, "00:00:00"),
        (12.9, "00:00:12"),
        (86399, "23:59:59"),
        (86400, "1d00h"),
        (93784, "1d02h"),
        (7 * 86400, "1w0d"),
        (9 * 86400, "1w2d"),
        (386 * 86400, "1y3w"),
    ],
)
def test_age(seconds: float | None, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 minutes"), (60, "1 minute"), (3725, "1 hour, 2 minutes"), (8 * 86400 + 300, "1 week, 1 day, 5 minutes")],
)
def test_long_span(seconds: float, text: str) -> None:
    assert long_span(seconds) == text


@given(st.floats(min_value=0, max_value=359999))
def test_clock_is_the_time_again(seconds: float) -> None:
    hours, minutes, rest = (int(part) for part in clock(seconds).split(":"))
    assert hours * 3600 + minutes * 60 + rest == int(seconds)


def test_dates_are_english() -> None:
    when = datetime(2026, 3, 1, 4, 5, 6, 7000, tzinfo=UTC)
    assert date(when) == "04:05:06 UTC Sun Mar 1 2026"
    assert precise_date(when) == "04:05:06.007 UTC Sun Mar 1 2026"


def test_names() -> None:
    assert dotted_mac("02:00:5e:00:53:03") == "0200.5e00.5303"
    assert area_name(IPv4Address("0.0.0.51")) == "51"
    assert area_name(IPv4Address("10.0.0.1")) == "10.0.0.1"
    assert pad("abc", 3) == "abc "
    assert pad("ab", 3) == "ab "
