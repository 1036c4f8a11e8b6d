"""One line of configuration, typed or read from a file: from a configuration to the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from seikan.config.commands import TABLE
from seikan.config.grammar import Command, LineError, Match
from seikan.config.handlers import ConfigError, Keeping, Leave, Refused, Section, Setting, Stored
from seikan.config.model import Config, StoredLine
from seikan.config.modes import CONFIG, EXEC, INTERFACE, ISAKMP, STORED
from seikan.config.validate import missing_references, mtu_warnings, unusable_policy

__all__ = ["SECTIONS", "TABLE", "LineResult", "ModeContext", "apply_line", "kept_by"]

SECTIONS: dict[str, Section] = {
    command.handler.mode: command.handler
    for command in TABLE.commands
    if isinstance(command.handler, Section) and not command.hidden
}

_OUTER = {command.handler.mode: command.mode for command in TABLE.commands if isinstance(command.handler, Section)}


@dataclass(frozen=True, slots=True)
class ModeContext:
    """Where a session is: its mode, the key of the object the mode is about, and the lines of the modes around it.

    In a section within another the key is a pair: the outer section's key and its own.
    `unfinished` is True where a line changed the object, which is of no use yet: whoever leaves its mode is warned.
    """

    mode: str = CONFIG
    key: Any = None
    path: tuple[str, ...] = ()
    unfinished: bool = field(default=False, compare=False)

    @property
    def outer(self) -> ModeContext:
        """The mode around this one."""
        mode = _OUTER.get(self.mode, CONFIG)
        return ModeContext() if mode == CONFIG else ModeContext(mode, self.key[0], self.path[:-1])

    def around(self, mode: str) -> ModeContext:
        """This mode, or the one around it that is `mode`; global mode where none is."""
        context = self
        while context.mode not in (mode, CONFIG):
            context = context.outer
        return context


@dataclass(frozen=True, slots=True)
class LineResult:
    """What a line did. `context` is None where configuration mode was left. `warnings` are ready to print."""

    config: Config
    context: ModeContext | None
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = field(default=())  # those of `warnings` that a file's reader must hear too


def apply_line(config: Config, context: ModeContext, line: str, *, typed: bool = True) -> LineResult:
    """Do one line. Lines of a banner follow its first one behind a newline.

    Nobody reads the `warnings` of a line that is not `typed`: names without an object, which take a look at everything,
    are left out of them. Raises LineError where the line is no command here, ConfigError where it cannot be done.
    """
    result = _told(config, context, _apply(config, context, line))
    if not typed or result.config is config:
        return result
    known = set(missing_references(config))
    new = [f"% Warning: {text}" for text in missing_references(result.config) if text not in known]
    return replace(result, warnings=(*result.warnings, *new))


def _apply(config: Config, context: ModeContext, line: str) -> LineResult:
    text = line.strip()
    if not text or text.startswith("!"):
        return LineResult(config, context)
    try:
        return _carry_out(config, context, _match(context, line))
    except (LineError, ConfigError):
        # The line may be one that a file had and that was not taken, or not there: then that goes.
        forgotten = _forget(config, context, text)
        if forgotten is None:
            raise
        return LineResult(forgotten, context)


def _carry_out(config: Config, context: ModeContext, match: Match) -> LineResult:
    here = context.around(match.command.mode)
    handler = match.command.handler
    if isinstance(handler, Leave):
        leaves = handler.to_exec or here.mode == CONFIG
        return LineResult(config, None if leaves else here.outer)
    if isinstance(handler, Refused):
        raise ConfigError(handler.reason)
    if isinstance(handler, Stored):
        return _store(config, here, match, handler)
    if isinstance(handler, Section):
        return _section(config, here, match, handler)
    assert isinstance(handler, Setting)
    if handler.otherwise is not None and not handler.mine(_target(config, here)):
        return _store(config, here, match, handler.otherwise)
    return _set(config, here, match, handler)


def _told(before: Config, context: ModeContext, result: LineResult) -> LineResult:
    """With the warning that an ISAKMP policy is never negotiated: at once where a line took the use from a policy
    that had one, and when the mode is left where a policy was built up without ever coming to be of use.
    """
    left, entered = _policy_in(context), _policy_in(result.context)
    warnings = result.warnings
    if left is not None and left != entered and context.unfinished:
        warnings = (*warnings, *_never(result.config, left))
    if entered is None:
        return replace(result, warnings=warnings)
    assert result.context is not None
    was, now = _never(before, entered), _never(result.config, entered)
    unfinished = bool(now) and (was != now or (left == entered and context.unfinished))
    if now and not was and entered in before.isakmp.policies:
        warnings, unfinished = now, False
    return replace(result, warnings=warnings, context=replace(result.context, unfinished=unfinished))


def _policy_in(context: ModeContext | None) -> int | None:
    """The policy that the mode is about."""
    return context.key if context is not None and context.mode == ISAKMP else None


def _never(config: Config, priority: int) -> tuple[str, ...]:
    policy = config.isakmp.policies.get(priority)
    why = None if policy is None else unusable_policy(policy)
    return () if why is None else (f"% Warning: {why}",)


def _match(context: ModeContext, line: str) -> Match:
    """A section that takes any words leaves what is a global command to global mode, unless a file indents it."""
    if context.mode == STORED and not line[0].isspace():
        try:
            return TABLE.match_here(CONFIG, line)
        except LineError:
            pass
    return TABLE.match(context.mode, line)


def _warned(warnings: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"% Warning: {text}" for text in warnings)


def _get(config: Config, context: ModeContext) -> Any:
    """The object that the lines of the mode are about; None where it is gone."""
    section = SECTIONS.get(context.mode)
    if section is None:
        return config
    if _OUTER[context.mode] == CONFIG:
        return section.get(config, context.key)
    around = _get(config, context.outer)
    return None if around is None else section.get(around, context.key[1])


def _put(config: Config, context: ModeContext, changed: Any) -> Config:
    """The configuration with the object that the lines of the mode are about replaced."""
    section = SECTIONS.get(context.mode)
    if section is None:
        assert isinstance(changed, Config)
        return changed
    if _OUTER[context.mode] == CONFIG:
        after = section.put(config, context.key, changed)
        assert isinstance(after, Config)
        return after
    return _put(config, context.outer, section.put(_get(config, context.outer), context.key[1], changed))


def _target(config: Config, context: ModeContext) -> Any:
    """As `_get`. Raises ConfigError where it is gone."""
    target = _get(config, context)
    if target is None:
        raise ConfigError("this object was removed meanwhile: leave its mode")
    return target


def _set(config: Config, context: ModeContext, match: Match, handler: Setting) -> LineResult:
    target = _target(config, context)
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    if not match.negation:
        changed = handler.apply(target, match)
        notices = tuple(handler.note(match))
        warnings = (*handler.warn(match), *notices)
    elif match.negation == "default" and handler.reset is not None:
        changed = handler.reset(target, match)
    else:
        changed = handler.remove(target, match)
    after = _put(config, context, changed)
    if context.mode == INTERFACE:
        warnings = (*warnings, *mtu_warnings(config.interfaces[context.key], after, context.key))
    return LineResult(after, context, _warned(warnings), notices)


def _section(config: Config, here: ModeContext, match: Match, handler: Section) -> LineResult:
    """`here` is the mode that the section's first line belongs to."""
    around = _target(config, here)
    if not match.negation:
        after, key = handler.open(around, match)
        inner = key if here.mode == CONFIG else (here.key, key)
        context = here if key is None else ModeContext(handler.mode, inner, (*here.path, handler.title(key)))
        notices = tuple(handler.note(around, match))
        warnings = _warned((*handler.warn(around, match), *notices))
        return LineResult(_put(config, here, after), context, (*handler.remark(around, match), *warnings), notices)
    if match.negation == "default" and handler.reset is not None:
        return LineResult(_put(config, here, handler.reset(around, match)), here)
    without = handler.remove(around, match)
    after = _put(config, here, without)
    gone = {(*here.path, handler.title(key)) for key in set(handler.every(around)) - set(handler.every(without))}
    stored = tuple(line for line in after.stored if line.path[: len(here.path) + 1] not in gone)
    return LineResult(replace(after, stored=stored), here)


@lru_cache(maxsize=4096)
def kept_by(mode: str, text: str) -> Command | None:
    """The row that keeps a stored line."""
    try:
        return TABLE.match_here(mode, text).command
    except LineError:
        return None


def _store(config: Config, context: ModeContext, match: Match, handler: Stored) -> LineResult:
    text = match.canonical
    if context.mode == STORED and match.negation:
        text = f"{match.negation} {text}"
    here = [line for line in config.stored if line.path == context.path and not line.unknown]
    mine = [line for line in here if kept_by(context.mode, line.text) is match.command]
    replaced = [line for line in mine if _replaces(match, handler, line.text)]
    warnings: tuple[str, ...] = ()
    if match.negation and context.mode != STORED:
        new = StoredLine(context.path, f"no {text}") if handler.on_by_default and match.negation == "no" else None
    else:
        new = StoredLine(context.path, text)
        warnings = (handler.notice,) if handler.notice else ()
    kept = _without(config, replaced, new)
    if new is not None and new not in kept:
        kept = (*kept, new)
    after = replace(config, stored=kept)
    here = [line for line in after.stored if line == new]
    mode = ModeContext(handler.opens, None, (*context.path, text)) if here and handler.opens else context
    shown = tuple(f"% Warning: {notice}" for notice in warnings)
    return LineResult(after, mode, shown, warnings)


def _replaces(match: Match, handler: Stored, held: str) -> bool:
    """Whether the new line takes the place of the kept one."""
    bare = held.removeprefix("no ")
    if match.negation:
        return bare == match.canonical or bare.startswith(match.canonical + " ")
    if handler.keeping is Keeping.ONE:
        return True
    if handler.keeping is Keeping.EACH:
        words = match.command.syntax.split("<")[0].split()
        return bare.split()[: len(words) + 1] == match.canonical.split()[: len(words) + 1]
    return bare == match.canonical


def _without(config: Config, gone: list[StoredLine], new: StoredLine | None) -> tuple[StoredLine, ...]:
    """The kept lines without `gone` and, unless it comes again, what stands below each."""
    paths = {(*line.path, line.text) for line in gone if line != new}
    return tuple(
        line
        for line in config.stored
        if (line not in gone or line == new) and not any(line.path[: len(path)] == path for path in paths)
    )


def _forget(config: Config, context: ModeContext, text: str) -> Config | None:
    """The configuration without the unknown line that `no TEXT` names, here or in global mode; None without one."""
    word, _, rest = text.partition(" ")
    if word.lower() != "no" or context.mode == EXEC:
        return None
    wanted = " ".join(rest.split())
    for path in (context.path, ()):
        gone = [
            line
            for line in config.stored
            if line.unknown and line.path == path and _first_words(line.text) in (wanted, f"no {wanted}")
        ]
        if gone:
            return replace(config, stored=_without(config, gone, None))
    return None


def _first_words(text: str) -> str:
    """The line, of several the first, with single spaces."""
    return " ".join(text.partition("\n")[0].split())
