"""An exchange that cannot go on, for both versions."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from seikan.wire.constants import NotifyType


class AbandonExchange(Exception):
    """This exchange cannot go on; the text is for the operator, `notify` for the peer.

    `kind` is one of `diagnosis.KINDS` where more is known, `known` further fields of its `Facts`.
    """

    def __init__(
        self, text: str, notify: IntEnum = NotifyType.NO_PROPOSAL_CHOSEN, *, kind: str | None = None, **known: Any
    ) -> None:
        super().__init__(text)
        self.notify = notify
        self.kind = kind
        self.known = known
