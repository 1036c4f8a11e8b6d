"""What is wrong with octets that came from outside: one family, each kind bound to the notify that answers it."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from seikan.wire.constants import NotifyType


class WireError(Exception):
    """Malformed input. Raised by every `pull_` function, alone.

    `notify` is the answer: RFC 2408 section 5's in IKEv1, RFC 7296 section 2.21's in IKEv2 (`wire.v2.errors`).
    """

    notify: ClassVar[IntEnum] = NotifyType.PAYLOAD_MALFORMED


class PayloadMalformed(WireError):
    """A length, a count or a reserved field is wrong."""


class InvalidPayloadType(WireError):
    """A next payload field names no payload."""

    notify = NotifyType.INVALID_PAYLOAD_TYPE


class InvalidMajorVersion(WireError):
    """Not ISAKMP version 1."""

    notify = NotifyType.INVALID_MAJOR_VERSION


class InvalidExchangeType(WireError):
    """An exchange type that IKEv1 does not have."""

    notify = NotifyType.INVALID_EXCHANGE_TYPE


class InvalidFlags(WireError):
    """Flags that RFC 2408 does not define."""

    notify = NotifyType.INVALID_FLAGS


class DoiNotSupported(WireError):
    """A domain of interpretation other than IPsec."""

    notify = NotifyType.DOI_NOT_SUPPORTED


class SituationNotSupported(WireError):
    """A situation other than SIT_IDENTITY_ONLY."""

    notify = NotifyType.SITUATION_NOT_SUPPORTED


class BadProposalSyntax(WireError):
    """A proposal or transform whose inside does not hold together."""

    notify = NotifyType.BAD_PROPOSAL_SYNTAX
