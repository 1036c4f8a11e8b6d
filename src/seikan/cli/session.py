"""One user's session: modes, prompts, `?` and Tab, and what each line means.

A line becomes one request. In configuration mode it goes through the editor that reads files too, and the
request carries the candidate configuration; the daemon says with `committed` or `refused` what became of it
before it answers the terminal, so that a refused line leaves the mode as it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from seikan.cli import help as help_text
from seikan.cli import modifiers
from seikan.cli.answers import (
    FULL_PRIVILEGE,
    USER_PRIVILEGE,
    Answer,
    Configure,
    Disable,
    Enable,
    Question,
    TerminalSetting,
    View,
)
from seikan.cli.editor import NARROWEST, cells
from seikan.cli.exec import ACTION_TABLE, PRIVILEGED_TABLE, USER_TABLE
from seikan.cli.modifiers import ModifierError, compile_modifier
from seikan.cli.requests import Apply, ConfigureEnd, Reply, Request, Show
from seikan.cli.shell import Wants
from seikan.config.commands.pki import END as END_OF_CERTIFICATE
from seikan.config.commands.pki import begins_certificate
from seikan.config.commands.system import split_delimiter
from seikan.config.grammar import END, Completion, Kind, LineError, Match, Table
from seikan.config.handlers import ConfigError
from seikan.config.model import Config
from seikan.config.modes import CERTIFICATE_CHAIN, CONFIG, EXEC, INTERFACE, MODES
from seikan.config.session import TABLE, ModeContext, apply_line
from seikan.wire.secret import Secret

HISTORY = 20  # lines, as in IOS
PROMPT_HOST = 20  # characters of the host name in the prompts of configuration mode
PASSWORD_ATTEMPTS = 3

ENTERED = "Enter configuration commands, one per line.  End with CNTL/Z."
MAXIMUM_BANNER = 100  # lines
MAXIMUM_TEXT = 1000  # lines, of a certificate or a file of them
HEADINGS = {EXEC: "Exec commands:", CONFIG: "Configure commands:", INTERFACE: "Interface configuration commands:"}
DO = Completion("do", "To run exec commands in config mode")
PIPE = Completion("|", "Output modifiers", literal=False)


class Session:
    """`running` gives the configuration as it runs; `enable` checks the password of `enable`, None: none is set.

    A session starts at `privilege`. Without a password it can return to where it started, but not above.
    """

    def __init__(
        self,
        running: Callable[[], Config],
        *,
        privilege: int = FULL_PRIVILEGE,
        enable: Callable[[str], bool] | None = None,
    ) -> None:
        self.prompted = True
        self.columns: int | None = None
        self.length: int | None = None
        self.width: int | None = None
        self._running = running
        self._privilege = privilege
        self._granted = privilege
        self._check = enable
        self._context: ModeContext | None = None  # None: exec
        self._pending: ModeContext | None = None  # where the line that is being applied leads
        self._question: Question | None = None
        self._histories = {configuring: deque[str](maxlen=HISTORY) for configuring in (False, True)}

    @property
    def prompt(self) -> str:
        if self._question is not None:
            return self._question.prompt
        host = self._running().hostname
        if self._context is None:
            return f"{host}{'#' if self._privilege >= FULL_PRIVILEGE else '>'}"
        return f"{host[:PROMPT_HOST]}{MODES[self._context.mode].prompt}"

    @property
    def wants(self) -> Wants:
        return Wants.COMMAND if self._question is None else self._question.wants

    @property
    def unattended(self) -> str | None:
        return None if self._question is None else self._question.unattended

    @property
    def history(self) -> Sequence[str]:
        return self._histories[self.configuring]

    @property
    def configuring(self) -> bool:
        """In configuration mode."""
        return self._context is not None

    @property
    def privilege(self) -> int:
        return self._privilege

    # Lines

    def feed(self, line: str) -> Request:
        """The request that `line` is; a line that is none gets its error as a Reply."""
        self._pending = None
        if self._question is not None:
            question, self._question = self._question, None
            return self._act(question.answer(line))
        if not line.strip() or line.lstrip().startswith("!"):
            return Reply()
        history = self._histories[self.configuring]
        if not history or history[-1] != line:
            history.append(line)
        return self._execute(line) if self._context is None else self._configure(line, self._context)

    def ask(self, question: Question) -> None:
        """Whoever carries out a request needs an answer before it is done."""
        self._question = question

    def committed(self) -> None:
        """The line last fed is part of the running configuration: its mode holds."""
        if self._pending is not None:
            self._context, self._pending = self._pending, None

    def refused(self) -> None:
        """The line last fed changed nothing: neither does the mode."""
        self._pending = None

    def finish(self) -> Request | None:
        if self._context is None:
            return None
        self._context = None
        return ConfigureEnd()

    def cancel(self) -> None:
        self._question = None

    def _execute(self, line: str, indent: int = 0) -> Request:
        """An exec line, which stands `indent` columns right of the prompt."""
        command, pipe = modifiers.split(line)
        try:
            match = self._table.match_here(EXEC, command)
            self._forget_secrets(match)
            answer = match.command.handler(match, View(self._privilege, tuple(self.history)))
            if pipe is None:
                return self._act(answer)
            if not isinstance(answer, Show | Reply):
                raise LineError(Kind.INVALID, line, len(command), "|", (END,))
            select = compile_modifier(pipe, len(command) + 1)
        except LineError as error:
            return self._wrong(line, error, indent)
        except ModifierError as error:
            if error.column is not None:
                return self._wrong(line, LineError(Kind.INVALID, line, error.column, "", ()), indent)
            return Reply((error.message, ""), failed=True)
        return replace(answer, select=select) if isinstance(answer, Show) else Reply(tuple(select(answer.lines)))

    def _forget_secrets(self, match: Match) -> None:
        """A line with a password is not kept to be recalled."""
        history = self._histories[self.configuring]
        if history and any(isinstance(value, Secret) for value in match.args.values()):
            history.pop()

    def _configure(self, line: str, context: ModeContext) -> Request:
        words = line.split(maxsplit=1)
        if words[0].lower() == "do":
            if len(words) == 1:
                return Reply(("% Incomplete command.", ""), failed=True)
            return self._execute(words[1], len(line) - len(words[1]))
        delimiter = _banner_delimiter(line)
        if delimiter is not None:
            return self._collect_banner(line, delimiter, context)
        if context.mode == CERTIFICATE_CHAIN and begins_certificate(line):
            return self._collect_certificate(line, context)
        action = self._action(line, context)
        return self._edit(line, context) if action is None else action

    def _action(self, line: str, context: ModeContext) -> Request | None:
        """What is typed in configuration mode and changes no line of the configuration itself, such as key pairs."""
        try:
            match = ACTION_TABLE.match_here(EXEC, line)
        except LineError as wrong:
            if not line.split()[0].lower().startswith("cr") or wrong.column <= _column(context, line):
                return None
            return self._wrong(line, wrong)
        self._forget_secrets(match)
        return self._act(match.command.handler(match, View(self._privilege, tuple(self.history))))

    def _collect_banner(self, first: str, delimiter: str, context: ModeContext) -> Request:
        """Ask for the lines of a banner until one holds the delimiter, then apply them all as one line."""
        lines = [first]

        def more(line: str) -> Answer:
            lines.append(line)
            if delimiter in line:
                return self._edit("\n".join(lines), context)
            if len(lines) > MAXIMUM_BANNER:
                return Reply((f"% The banner has more than {MAXIMUM_BANNER} lines and is not set",), failed=True)
            return Question("", more, Wants.TEXT, None)

        self._question = Question("", more, Wants.TEXT, None)
        return Reply((f"Enter TEXT message.  End with the character '{delimiter}'.",))

    def _collect_certificate(self, first: str, context: ModeContext) -> Request:
        """Ask for the lines of a certificate until `quit`, then apply them all as one line."""
        return self._collect(
            "Enter the certificate in hexadecimal representation....",
            (END_OF_CERTIFICATE,),
            lambda lines: self._edit("\n".join((first, *lines, END_OF_CERTIFICATE)), context),
        )

    def _collect(
        self, heading: str, ends: tuple[str, ...], answer: Callable[[tuple[str, ...]], Answer], most: int = MAXIMUM_TEXT
    ) -> Request:
        """Ask for lines until one is among `ends`, which is none of them, then go on with `answer`."""
        lines: list[str] = []

        def more(line: str) -> Answer:
            if line.strip().lower() in ends:
                return answer(tuple(lines))
            lines.append(line)
            if len(lines) > most:
                return Reply((f"% The text has more than {most} lines and is not taken",), failed=True)
            return Question("", more, Wants.TEXT, None)

        self._question = Question("", more, Wants.TEXT, None)
        return Reply(tuple(heading.split("\n")))

    def _edit(self, line: str, context: ModeContext) -> Request:
        running = self._running()
        try:
            result = apply_line(running, context, line)
        except LineError as error:
            return self._wrong(line, error)
        except ConfigError as error:
            return Reply((f"% {error}",), failed=True)
        if result.context is None:
            self._context = None
            return ConfigureEnd(tuple(result.warnings))
        if result.config == running:
            self._context = result.context
            return Reply(tuple(result.warnings))
        self._pending = result.context
        return Apply(result.config, line, tuple(result.warnings))

    def _wrong(self, line: str, error: LineError, indent: int = 0) -> Reply:
        """The lines for a line that is none, with the caret below the word, wherever the line is seen."""
        if error.kind is not Kind.INVALID:
            return Reply(error.ios(0), failed=True)
        if not self.prompted:
            return Reply((line, *error.ios(0)), failed=True)
        behind = len(self.prompt) + indent
        if self.columns is None or behind + cells(line) < self.columns:
            return Reply(error.ios(behind), failed=True)
        return Reply(_excerpt(line, error, self.columns), failed=True)

    def _act(self, answer: Answer) -> Request:
        """Do what is the session's own; everything else is the daemon's."""
        if isinstance(answer, Question):
            self._question = answer
            return Reply(answer.before)
        if isinstance(answer, Configure):
            self._context = ModeContext()
            return Reply((ENTERED,))
        if isinstance(answer, Enable):
            return self._enable()
        if isinstance(answer, Disable):
            self._privilege = USER_PRIVILEGE
            self._context = None
        elif isinstance(answer, TerminalSetting):
            self._set_terminal(answer)
        else:
            return answer
        return Reply()

    def _set_terminal(self, setting: TerminalSetting) -> None:
        if setting.length is not None or setting.reset == "length":
            self.length = setting.length
        if setting.width is not None or setting.reset == "width":
            self.width = setting.width
        if setting.history is not None:
            self._histories = {
                configuring: deque(lines, maxlen=setting.history) for configuring, lines in self._histories.items()
            }

    def _enable(self) -> Request:
        if self._privilege >= FULL_PRIVILEGE:
            return Reply()
        if self._check is None:
            if self._granted < FULL_PRIVILEGE:
                return Reply(("% No password set",), failed=True)
            self._privilege = FULL_PRIVILEGE
            return Reply()
        self._ask_password(self._check, PASSWORD_ATTEMPTS)
        return Reply()

    def _ask_password(self, check: Callable[[str], bool], attempts: int) -> None:
        def answer(password: str) -> Answer:
            if check(password):
                self._privilege = FULL_PRIVILEGE
            elif attempts > 1:
                self._ask_password(check, attempts - 1)
            else:
                return Reply(("% Bad secrets", ""), failed=True)
            return Reply()

        self._question = Question("Password: ", answer, Wants.SECRET, None)

    # Help

    @property
    def _table(self) -> Table:
        return PRIVILEGED_TABLE if self._privilege >= FULL_PRIVILEGE else USER_TABLE

    def help(self, line: str) -> tuple[str, ...]:
        found = self._completions(line)
        if not found:
            return (self._unrecognized(line),)
        if not line.strip():
            mode = EXEC if self._context is None else self._context.mode
            return (HEADINGS.get(mode, "Commands of this mode:"), *help_text.listing(found))
        return help_text.listing(found) if line[-1].isspace() else help_text.words(found)

    def complete(self, line: str) -> str | None:
        return help_text.completed(line, self._completions(line))

    def _completions(self, line: str) -> tuple[Completion, ...]:
        line = line.lstrip()
        if self._context is None:
            return self._exec_completions(line)
        word, space, rest = line.partition(" ")
        if space and word.lower() == "do":
            return self._exec_completions(rest.lstrip())
        found = TABLE.completions(self._context.mode, line)
        if self._context.mode == CONFIG:
            known = {row.word for row in found}
            found = (*found, *(row for row in ACTION_TABLE.completions(EXEC, line) if row.word not in known))
            found = tuple(sorted(found, key=lambda row: (row.word == END, row.word)))
        if not space and DO.word.startswith(word.lower()):
            found = tuple(sorted((*found, DO), key=lambda row: (row.word == END, row.word)))
        return found

    def _exec_completions(self, line: str) -> tuple[Completion, ...]:
        command, pipe = modifiers.split(line)
        if pipe is not None:
            return tuple(Completion(word, text, word.islower()) for word, text in modifiers.completions(pipe))
        found = self._table.completions(EXEC, command)
        if found and found[-1].word == END and command.lower().startswith("sh"):
            return (*found[:-1], PIPE, found[-1])
        return found

    def _unrecognized(self, line: str) -> str:
        """Why nothing can follow `line`."""
        try:
            if self._context is None:
                self._table.match_here(EXEC, line)
            else:
                TABLE.match(self._context.mode, line)
        except LineError as error:
            if error.kind is Kind.AMBIGUOUS:
                return error.ios(0)[0]
        return "% Unrecognized command"


def _excerpt(line: str, error: LineError, columns: int) -> tuple[str, ...]:
    """The part of a line around its wrong word, and the caret below: of a line that scrolled, the screen shows another
    part.
    """
    room = max(columns - 1, NARROWEST)
    start = min(max(0, error.column - room // 3), max(0, len(line) - room))
    shown = line[start : start + room]
    if start:
        shown = f"$ {line[start + 2 : start + room]}"
    if start + room < len(line):
        shown = f"{shown[:-2]} $"
    return (shown, *error.ios(-start))


def _column(context: ModeContext, line: str) -> int:
    """How far the grammar of the configuration understands a line; behind its end where it is whole."""
    try:
        TABLE.match(context.mode, line)
    except LineError as wrong:
        return wrong.column
    return len(line) + 1


def _banner_delimiter(line: str) -> str | None:
    """The character that ends the banner which `line` begins; None where it begins none or ends it itself."""
    words = line.split(maxsplit=2)
    if len(words) < 3 or len(words[0]) < 2 or not "banner".startswith(words[0].lower()):
        return None
    delimiter, rest = split_delimiter(words[2])
    return None if delimiter in rest else delimiter
