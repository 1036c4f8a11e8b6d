"""The one error of this room."""

from __future__ import annotations


class AdapterError(Exception):
    """The outside did not do what was asked; the text is one line fit for an operator, and holds no secret."""
