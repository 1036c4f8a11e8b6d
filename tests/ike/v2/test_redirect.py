"""Redirections on the wire, and loops of them (RFC 5685)."""

from __future__ import annotations

from collections import deque
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seikan.ike.effects import Address
from seikan.ike.v2.redirect import LOOP_DETECT_PERIOD, Redirect, follow, read_redirect, redirect, redirected_from
from seikan.wire.v2.constants import Notify


@pytest.mark.parametrize("gateway", [ip_address("192.0.2.9"), ip_address("2001:db8::9"), "gw2.example.net"], ids=str)
def test_a_gateway_and_the_nonce_that_it_answers(gateway: Address | str) -> None:
    row = Redirect(gateway, bytes(range(32)))
    payload = redirect(row)
    assert payload.type == Notify.REDIRECT
    assert read_redirect(payload.data) == row
    assert read_redirect(payload.data[:3]) is None


def test_the_octets_of_section_9() -> None:
    assert redirect(Redirect(ip_address("192.0.2.9"), b"nonce")).data == b"\x01\x04\xc0\x00\x02\x09nonce"
    assert redirected_from(ip_address("192.0.2.9")).data == b"\x01\x04\xc0\x00\x02\x09"
    assert read_redirect(b"\x03\x09192.0.2.9") == Redirect(ip_address("192.0.2.9"))


@given(st.binary(max_size=40))
def test_nothing_that_a_peer_sends_breaks_it(data: bytes) -> None:
    found = read_redirect(data)
    assert found is None or redirect(found).data[2 + data[1] :] == found.nonce or isinstance(found.gateway, Address)


def test_redirections_in_circles_end() -> None:
    times: deque[float] = deque()
    assert [follow(times, 3, now) for now in (0.0, 1.0, 2.0, 3.0)] == [True, True, True, False]
    assert follow(times, 3, LOOP_DETECT_PERIOD)
    assert not follow(times, 3, LOOP_DETECT_PERIOD + 0.5)
