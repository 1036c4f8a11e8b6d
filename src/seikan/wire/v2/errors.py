"""What is wrong with octets of IKEv2, each kind bound to the notify that answers it (RFC 7296 section 3.10.1).

All are `wire.errors.WireError`, so that one `except WireError` catches what either version's parser refuses.
"""

from __future__ import annotations

from seikan.wire.errors import WireError
from seikan.wire.v2.constants import Notify


class InvalidSyntax(WireError):
    """A length, a count or a field is wrong, or a payload is missing or in the wrong place."""

    notify = Notify.INVALID_SYNTAX


class InvalidMajorVersion(WireError):
    """A major version above 2 (RFC 7296 section 2.5)."""

    notify = Notify.INVALID_MAJOR_VERSION


class UnsupportedCriticalPayload(WireError):
    """A payload that is not known here has its critical bit set; the notify's data is the octet `payload_type`."""

    notify = Notify.UNSUPPORTED_CRITICAL_PAYLOAD

    def __init__(self, payload_type: int) -> None:
        super().__init__(f"critical payload {payload_type} is not known here")
        self.payload_type = payload_type
