"""What is looked for in the payloads of a message."""

from __future__ import annotations

from typing import TypeVar

from seikan.wire.v2.constants import LAST_ERROR, Notify
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import Notification

P = TypeVar("P")


def one(chain: Chain, kind: type[P]) -> P:
    """The one payload of `kind`, or `InvalidSyntax`."""
    found = [payload for payload in chain.payloads if isinstance(payload, kind)]
    if len(found) != 1:
        raise InvalidSyntax(f"{len(found)} payloads {kind.__name__} where one is expected")
    return found[0]


def notifications(chain: Chain) -> list[Notification]:
    return [payload for payload in chain.payloads if isinstance(payload, Notification)]


def notified(chain: Chain, kind: Notify) -> Notification | None:
    for payload in chain.payloads:
        if isinstance(payload, Notification) and payload.type == kind:
            return payload
    return None


def error_of(chain: Chain) -> Notification | None:
    """The first error notify of a response."""
    return next((payload for payload in notifications(chain) if payload.type <= LAST_ERROR), None)


def notify_name(kind: int) -> str:
    """The RFC's word for a notify, or its number."""
    try:
        return Notify(kind).name
    except ValueError:
        return f"notify {kind}"
