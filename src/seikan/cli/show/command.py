"""What a row of the show commands is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from seikan.cli.status import Need, Status

Arguments = Mapping[str, object]
Renderer = Callable[[Status, Arguments], Iterable[str]]


@dataclass(frozen=True, slots=True)
class ShowCommand:
    """One form of a show command.

    `syntax` is that of the grammar, whose placeholders name the arguments that `render` gets; `help` maps words and
    placeholders to the text that `?` shows; `needs` are the costly parts of the status that `render` reads. A renderer
    is pure and gives lines without their end. What is `privileged` may show keys.
    """

    syntax: str
    help: Mapping[str, str]
    needs: frozenset[Need]
    render: Renderer
    privileged: bool = False
