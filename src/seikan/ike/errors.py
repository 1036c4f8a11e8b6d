"""An exchange that cannot go on, for both versions."""

from __future__ import annotations

from enum import IntEnum

from seikan.wire.constants import NotifyType


class AbandonExchange(Exception):
    """This exchange cannot go on; the text is for the operator, `notify` for the peer."""

    def __init__(self, text: str, notify: IntEnum = NotifyType.NO_PROPOSAL_CHOSEN) -> None:
        super().__init__(text)
        self.notify = notify
