"""What is found in a request of IKE_SA_INIT without reading it whole."""

from __future__ import annotations

import pytest

from seikan.wire.v2.constants import FLAG_INITIATOR, Exchange, Notify, Protocol
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.header import NO_SPI, Header, pull_header
from seikan.wire.v2.message import glance, push_message
from seikan.wire.v2.payloads import KeyExchange, Nonce, Notification, Payload, Proposal, SaPayload, Transform

OFFER = SaPayload((Proposal(1, Protocol.IKE, b"", (Transform(1, 20, 256),)),))
NONCE = Nonce(bytes(range(32)))
COOKIE = Notification(Notify.COOKIE, b"cookie")


def _message(*payloads: Payload) -> bytes:
    return push_message(Header(bytes([1] * 8), NO_SPI, 0, Exchange.IKE_SA_INIT, FLAG_INITIATOR, 0, 0), payloads)


def _glance(data: bytes) -> tuple[bytes, bytes]:
    return glance(pull_header(data), data)


def test_the_nonce_and_the_cookie_before_everything_else() -> None:
    assert _glance(_message(OFFER, KeyExchange(19, bytes(64)), NONCE)) == (b"", NONCE.data)
    assert _glance(_message(COOKIE, OFFER, KeyExchange(19, bytes(64)), NONCE)) == (b"cookie", NONCE.data)


def test_a_cookie_elsewhere_is_none() -> None:
    assert _glance(_message(OFFER, COOKIE, NONCE)) == (b"", NONCE.data)
    assert _glance(_message(Notification(Notify.USE_PPK, b"x"), NONCE)) == (b"", NONCE.data)


@pytest.mark.parametrize("payloads", [(OFFER,), (), (OFFER,) * 200])
def test_without_a_nonce_it_is_malformed(payloads: tuple[Payload, ...]) -> None:
    with pytest.raises(InvalidSyntax, match="no nonce"):
        _glance(_message(*payloads))


def test_no_length_is_believed() -> None:
    """Cut anywhere, it is malformed or has the same cookie and no other nonce than that which is left of it."""
    whole = _message(COOKIE, OFFER, NONCE)
    for end in range(28, len(whole)):
        header = pull_header(whole)
        with pytest.raises(InvalidSyntax):
            glance(header, whole[:end])
