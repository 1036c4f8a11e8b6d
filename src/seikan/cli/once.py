"""One exec line for which nobody sits at a terminal: `seikan exec`."""

from __future__ import annotations

from collections.abc import Callable

from seikan.cli.requests import Close, Debug, Monitor, Reply, Request
from seikan.cli.session import Session
from seikan.config.model import Config

NEEDS_TERMINAL = "% This command needs a terminal: log in with `seikan cli`"


def request_of(running: Callable[[], Config], line: str) -> Request:
    """The request that `line` is. Questions answer themselves with their default; a line that is none, or that
    means nothing without a terminal, gives a `Reply` that has `failed`.
    """
    session = Session(running)
    session.prompted = False
    request = session.feed(line)
    while session.unattended is not None:
        request = session.feed(session.unattended)
    if session.configuring or isinstance(request, Close | Debug | Monitor):
        return Reply((NEEDS_TERMINAL,), failed=True)
    return request
