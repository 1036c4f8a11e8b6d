"""Tickets and tokens that only the router which made them knows (RFC 5723, RFC 6290)."""

from __future__ import annotations

import pytest

from seikan.crypto.tickets import TicketInvalid, crash_token, open_ticket, seal_ticket
from seikan.wire.secret import Secret

SECRET, OTHER, NONCE = Secret(b"s" * 32), Secret(b"t" * 32), bytes(12)


def test_a_ticket_opens_with_its_secret_alone() -> None:
    ticket = seal_ticket(SECRET, NONCE, b"state")
    assert b"state" not in ticket
    assert open_ticket(SECRET, ticket) == b"state"
    for wrong in (ticket[:-1], ticket[:5], b"", ticket[:-1] + bytes((ticket[-1] ^ 1,)), b"\1" + ticket[1:]):
        with pytest.raises(TicketInvalid):
            open_ticket(SECRET, wrong)
    with pytest.raises(TicketInvalid):
        open_ticket(OTHER, ticket)


def test_a_token_belongs_to_two_spis_and_one_secret() -> None:
    token = crash_token(SECRET, b"i" * 8, b"r" * 8)
    assert 16 <= len(token) <= 128
    assert token == crash_token(SECRET, b"i" * 8, b"r" * 8)
    assert len({token, crash_token(SECRET, b"r" * 8, b"i" * 8), crash_token(OTHER, b"i" * 8, b"r" * 8)}) == 3
