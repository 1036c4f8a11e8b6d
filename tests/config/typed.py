"""Lines typed one after the other into a running router."""

from __future__ import annotations

from collections.abc import Iterable

from seikan.config.model import Config
from seikan.config.session import ModeContext, apply_line


def type_lines(config: Config, lines: Iterable[str]) -> Config:
    """The configuration after them; a line that is no command or cannot be done raises."""
    context = ModeContext()
    for line in lines:
        if not line.startswith(" "):
            context = ModeContext()
        result = apply_line(config, context, line)
        assert result.context is not None
        config, context = result.config, result.context
    return config
