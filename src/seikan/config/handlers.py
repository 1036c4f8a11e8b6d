"""What a row of the configuration's table does: how its line changes the model, and how the model is written back."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeVar, cast

from seikan.config.grammar import Command, Match
from seikan.config.names import is_access, is_template
from seikan.wire.secret import Secret

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ConfigError(Exception):
    """A line that reads well and cannot be done; the text is the one line the user sees behind `% `."""


def _nothing(_object: Any) -> Iterable[str]:
    return ()


def _no_warning(_match: Match) -> Iterable[str]:
    return ()


def _no_remark(_before: Any, _match: Match) -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Setting:
    """A line that sets part of the object its mode is about (the whole `Config` in global mode).

    `remove` does the `no` form and `reset` the `default` form (None: as `no`). `render` gives the lines that
    recreate the object's part. Any of them may raise ConfigError. `warn` is for whoever types the line, `note`
    for the reader of a file too. Objects that are not the row's (`mine`) keep the line as `otherwise` says.
    """

    apply: Callable[[Any, Match], Any]
    remove: Callable[[Any, Match], Any]
    render: Callable[[Any], Iterable[str]] = _nothing
    reset: Callable[[Any, Match], Any] | None = None
    warn: Callable[[Match], Iterable[str]] = _no_warning
    note: Callable[[Match], Iterable[str]] = _no_warning
    otherwise: Stored | None = None
    mine: Callable[[Any], bool] = lambda _object: True


@dataclass(frozen=True, slots=True)
class Section:
    """A line that opens a mode about one object, in global mode or in the section around it.

    What the functions take and give as a configuration is, in a section within another, the object of the outer one.
    `open` makes the object where it is missing and returns its key, or None where there is nothing to say about it
    in a mode of its own; `header` is the line that opens it again, `title` the part of it that never changes. `every`
    gives the keys of all objects. Of what is said to the user, told from the configuration before the line, `warn` is
    for whoever types it, `note` for the reader of a file too, and `remark` is printed as it stands.
    """

    mode: str
    open: Callable[[Any, Match], tuple[Any, Hashable]]
    remove: Callable[[Any, Match], Any]
    get: Callable[[Any, Any], Any]  # None where it is gone
    put: Callable[[Any, Any, Any], Any]
    every: Callable[[Any], Iterable[Hashable]]  # in the order of rendering
    header: Callable[[Any, Any], str]  # of key and object
    title: Callable[[Any], str]
    warn: Callable[[Any, Match], Iterable[str]] = _no_remark
    note: Callable[[Any, Match], Iterable[str]] = _no_remark
    remark: Callable[[Any, Match], Iterable[str]] = _no_remark
    reset: Callable[[Any, Match], Any] | None = None
    sections: Callable[[Any], Iterable[Hashable]] | None = None  # those rendered as sections, None: every
    lines: Callable[[Any], Iterable[str]] = _nothing  # those of the row that open nothing, rendered in front

    def keys(self, config: Any) -> Iterable[Hashable]:
        """The keys of the objects that are rendered as sections."""
        return self.every(config) if self.sections is None else self.sections(config)


class Keeping(Enum):
    """Which kept lines a new line of the same row replaces."""

    ONE = "one"  # the row has one value: any line of the row
    EACH = "each"  # a value for each first argument
    MANY = "many"  # only the same line


@dataclass(frozen=True, slots=True)
class Stored:
    """A line that is kept as its canonical words. Where IOS has it on by default, it is the `no` form that is kept.

    `opens` is the mode of its own lines, if it has any; `notice` warns that something a user may count on is not done.
    """

    keeping: Keeping = Keeping.ONE
    on_by_default: bool = False
    opens: str | None = None
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Leave:
    """`exit` and `end`."""

    to_exec: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A line of IOS that is recognised in order to say why it is not taken."""

    reason: str


def write(value: object) -> str:
    """A value of the model as IOS writes it; a secret in clear, because this is the user's own configuration."""
    if isinstance(value, Secret):
        return bytes(value).decode()
    if isinstance(value, Enum):
        return str(value.value)
    return str(value)


def _read(target: Any, path: str) -> Any:
    for part in path.split("."):
        target = getattr(target, part)
    return target


def change(target: Any, path: str, value: object) -> Any:
    """`target` with the field at the dotted `path` replaced."""
    name, _, rest = path.partition(".")
    return replace(target, **{name: change(getattr(target, name), rest, value) if rest else value})


_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_]+):[^>]+>")


def setting(
    mode: str,
    syntax: str,
    path: str,
    help: Mapping[str, str],
    *,
    read: Callable[[Match], object] | None = None,
    text: Callable[[Any], str] | None = None,
    initial: object = None,
    off: object = ...,
    warn: Callable[[Match], Iterable[str]] = _no_warning,
    note: Callable[[Match], Iterable[str]] = _no_warning,
) -> Command:
    """A row that sets one field, at the dotted `path`.

    The value is the row's one argument (or `read` of the match), True where there is none. `initial` is the
    value when nothing was typed, which is not rendered; `off` what `no` sets where that differs. `text` renders
    other values; without it they stand where the argument is.
    """
    names = _PLACEHOLDER.findall(syntax)
    flag = read is None and not names
    before = initial if initial is not None or not flag else False
    removed = before if off is ... else off

    def value(match: Match) -> object:
        if read is not None:
            return read(match)
        return True if flag else match.args[names[0]]

    def render(target: Any) -> Iterable[str]:
        held = _read(target, path)
        if held == before or held is None:
            return ()
        if text is not None:
            return (text(held),)
        if flag:
            return (syntax if held else f"no {syntax}",)
        return (syntax[: syntax.index("<")].rstrip(" [(") + " " + write(held),)

    handler = Setting(
        apply=lambda target, match: change(target, path, value(match)),
        remove=lambda target, _match: change(target, path, removed),
        reset=lambda target, _match: change(target, path, before),
        render=render,
        warn=warn,
        note=note,
    )
    return Command(mode, syntax, help, handler, negatable=True)


def switch(mode: str, syntax: str, path: str, help: Mapping[str, str]) -> Command:
    """A row that is on unless its `no` form is typed."""
    return setting(mode, syntax, path, help, initial=True, off=False)


def refused(mode: str, syntax: str, reason: str) -> Command:
    """A hidden row that answers with why."""
    return Command(mode, syntax, handler=Refused(reason), hidden=True)


def named(mode: str, words: str, path: str, make: Callable[[str], Any]) -> Section:
    """The section of the objects that `words` NAME opens, which the mapping at the dotted `path` holds.

    The row's argument is called `name`.
    """

    def held(target: Any) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", _read(target, path))

    def opened(target: Any, match: Match) -> tuple[Any, Hashable]:
        name = cast(str, match.args["name"])
        if name not in held(target):
            target = change(target, path, with_item(held(target), name, make(name)))
        return target, name

    def removed(target: Any, match: Match) -> Any:
        name = cast(str, match.args["name"])
        if name not in held(target):
            raise ConfigError(f"{words} {name} is not configured")
        return change(target, path, without_item(held(target), name))

    return Section(
        mode=mode,
        open=opened,
        remove=removed,
        get=lambda target, name: held(target).get(name),
        put=lambda target, name, value: change(target, path, with_item(held(target), name, value)),
        every=lambda target: tuple(held(target)),
        header=lambda name, _object: f"{words} {name}",
        title=lambda name: f"{words} {name}",
    )


NOT_TYPED = "Virtual-Access interfaces are made from a Virtual-Template: change that"


def typed(name: str) -> str:
    """The interface's name. Raises ConfigError for a Virtual-Access interface, which nobody types."""
    if is_access(name):
        raise ConfigError(NOT_TYPED)
    return name


def device(name: str) -> str:
    """As `typed`, also for a Virtual-Template, of which only copies have a device and addresses."""
    if is_template(name):
        raise ConfigError(f"{name} has no address and no device, only its copies have: name another interface")
    return typed(name)


def with_item(mapping: Mapping[Key, Value], key: Key, value: Value) -> Mapping[Key, Value]:
    """A read-only copy that holds `value`."""
    return MappingProxyType({**mapping, key: value})


def without_item(mapping: Mapping[Key, Value], key: Key) -> Mapping[Key, Value]:
    """A read-only copy that lacks `key`."""
    return MappingProxyType({held: value for held, value in mapping.items() if held != key})
