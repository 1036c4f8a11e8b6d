"""Lines that are carried out once: what has to be asked first, and the same lines in exec mode.

`crypto key …` and `crypto pki import …` are lines of configuration mode, as in IOS; scripts type them where they are.
"""

from __future__ import annotations

from dataclasses import replace

from seikan.cli.answers import Answer, ExecCommand, Handler, Question, View, paste, yes_or_no
from seikan.cli.requests import Perform, Reply
from seikan.cli.shell import Wants
from seikan.config.grammar import Command, Match
from seikan.config.handlers import ConfigError, Do
from seikan.config.once import AuthenticateTrustpoint, ImportCredentials, Once, ZeroizeKey, text_wanted
from seikan.config.session import TABLE
from seikan.wire.secret import Secret

_END = "quit"
_REALLY = "Do you really want to remove these keys? [yes/no]: "


def perform(once: Once) -> Answer:
    """The request, or the first of the questions that lead to it."""
    if isinstance(once, ZeroizeKey):
        which = f"the {once.kind.upper()} keys labelled {once.label}" if once.label else f"all {once.kind.upper()} keys"
        before = (f"% This removes {which}; certificates without their key prove nothing.",)
        return yes_or_no(_REALLY, Perform(once), Reply(), before)
    if isinstance(once, ImportCredentials) and once.form == "pkcs12" and once.password is None:
        return Question("Password: ", lambda line: _typed(replace(once, password=_secret(line))), Wants.SECRET, None)
    return _typed(once)


def _secret(line: str) -> Secret:
    return Secret(line.encode())


def _typed(once: Once) -> Answer:
    heading = text_wanted(once)
    if heading is None or not isinstance(once, AuthenticateTrustpoint | ImportCredentials):
        return Perform(once)
    # PEM has blank lines in it where a key is encrypted.
    ends = (_END, "") if isinstance(once, AuthenticateTrustpoint) else (_END,)
    return paste(tuple(heading.split("\n")), lambda text: Perform(replace(once, text=_secret(text))), ends=ends)


def _handler(do: Do) -> Handler:
    def handler(match: Match, view: View) -> Answer:
        try:
            return perform(do.make(match))
        except ConfigError as error:
            return Reply((f"% {error}",), failed=True)

    return handler


def _row(command: Command, do: Do) -> ExecCommand:
    return ExecCommand(command.syntax, _handler(do), command.help, hidden=True)


ONCE_COMMANDS: tuple[ExecCommand, ...] = tuple(
    _row(command, command.handler) for command in TABLE.commands if isinstance(command.handler, Do)
)
