"""A terminal without its wire: octets in; echo, prompts, paging and requests out.

The driver (a local socket, SSH, a lab's script) owns the connection. It hands every octet to `receive`,
sends what `Output` holds, carries out each `Submit` and answers it with `respond`. One request is out at a
time; what is typed meanwhile waits, within a limit, and is echoed when its turn comes, as IOS does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto

from seikan.cli.editor import LineEditor
from seikan.cli.keys import Key, KeyDecoder, visible
from seikan.cli.pager import Pager
from seikan.cli.requests import Apply, Close, Copy, EraseStartup, Reply, Request
from seikan.cli.shell import Shell, Wants

MAXIMUM_WAITING_KEYS = 65536
MAXIMUM_HELD_LINES = 200

BELL = "\a"


@dataclass(frozen=True, slots=True)
class Output:
    """Octets for the user's terminal."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Submit:
    """A request to carry out; `respond` answers it. A `Close` gets no answer; of an `Apply` the session must know
    first whether it was committed or refused, because the prompt follows the answer.
    """

    request: Request


@dataclass(frozen=True, slots=True)
class Abort:
    """The user does not want the rest of the outstanding request (Ctrl-C, or `q` at ` --More-- `): stop it, then
    `respond` with `done`.
    """


Event = Output | Submit | Abort


class _State(Enum):
    EDITING = auto()
    RUNNING = auto()
    CLOSED = auto()


class Terminal:
    """`columns` and `rows` are the window's (0: unknown; then nothing wraps and nothing is paged).

    `interactive` False is for plain lines in, plain answers out: no echo, no prompts, no paging, and
    questions answer themselves with their default.
    """

    def __init__(self, session: Shell, columns: int = 80, rows: int = 24, *, interactive: bool = True) -> None:
        self.session = session
        session.prompted = interactive
        self.dropped_keys = 0  # typed ahead beyond the limit
        self._columns = columns
        self._rows = rows
        self._interactive = interactive
        self._decoder = KeyDecoder()
        self._editor = LineEditor()
        self._pager = Pager()
        self._state = _State.EDITING
        self._finished = True  # the outstanding request has its whole answer; the pager may still hold some
        self._muted = False  # the rest of the answer is not wanted
        self._help_shown = False  # the pager shows help: the line goes on afterwards
        self._quoted = False
        self._finish = False  # Ctrl-Z behind a command that still runs
        self._recalled = 0  # how far back in the history
        self._typed = ""  # the line before history was recalled
        self._abortable = False
        self._waiting: deque[str | Key] = deque()
        self._held: deque[str] = deque()
        self._held_lost = 0
        self._out: list[str] = []
        self._events: list[Event] = []

    # What the driver calls

    def start(self, lines: Iterable[str] = ()) -> list[Event]:
        """Print `lines` (a banner) and the first prompt."""
        for line in lines:
            self._write_line(line)
        self._prompt()
        return self._collect()

    def receive(self, data: bytes) -> list[Event]:
        """Octets from the user."""
        for key in self._decoder.feed(data):
            if self._state is _State.CLOSED:
                break
            if key is Key.INTERRUPT and self._state is _State.RUNNING and not self._pager.waiting:
                self._abort()
            elif len(self._waiting) >= MAXIMUM_WAITING_KEYS:
                self.dropped_keys += 1
            else:
                self._waiting.append(key)
                self._work()
        return self._collect()

    def respond(self, answer: str | Iterable[str] = (), done: bool = True) -> list[Event]:
        """Print a part of the outstanding request's answer: lines, or a text as it is; `done` with the last part."""
        if self._state is not _State.RUNNING or self._finished:
            return []
        if not self._muted:
            if isinstance(answer, str):
                self._pager.push_text(answer)
            else:
                self._pager.push_lines(answer)
        self._finished = done
        self._show()
        self._work()
        return self._collect()

    def interrupt(self, *lines: str) -> list[Event]:
        """Print log lines now, wherever the cursor is, and put back what they pushed away."""
        if self._state is _State.CLOSED or not lines:
            return []
        if self._pager.waiting:
            self._hold(lines)
            return []
        self._write_lines_between(lines)
        return self._collect()

    def resize(self, columns: int, rows: int) -> list[Event]:
        self._columns, self._rows = columns, rows
        if self._interactive and self._state is _State.EDITING and not self._pager.waiting:
            self._out.append(self._editor.refresh(self._room))
        return self._collect()

    @property
    def busy(self) -> bool:
        """A request is out, or its answer is not all shown."""
        return self._state is _State.RUNNING

    @property
    def accepting(self) -> bool:
        """False: so much is typed ahead that the driver should stop reading for now."""
        return len(self._waiting) < MAXIMUM_WAITING_KEYS // 2

    @property
    def closed(self) -> bool:
        return self._state is _State.CLOSED

    # Output

    @property
    def _page(self) -> int:
        if not self._interactive:
            return 0
        length = self.session.length
        return self._rows if length is None else length

    @property
    def _width(self) -> int | None:
        width = self.session.width
        return (self._columns if width is None else width) or None

    @property
    def _room(self) -> int | None:
        """Cells for the line right of the prompt."""
        return None if self._width is None else self._width - len(self.session.prompt)

    def _collect(self) -> list[Event]:
        self._flush()
        events, self._events = self._events, []
        return events

    def _flush(self) -> None:
        data = "".join(self._out).encode("utf-8", "replace")
        self._out.clear()
        if data:
            self._events.append(Output(data))

    def _write_line(self, line: str) -> None:
        self._out.append(visible(line).replace("\n", "\r\n") + "\r\n")
        self._pager.at_line_start = True

    def _write_lines_between(self, lines: Iterable[str]) -> None:
        if not self._pager.at_line_start:
            if self._state is _State.EDITING:
                self._out.append(self._editor.past_end(self._room))
            self._out.append("\r\n")
        for line in lines:
            self._write_line(line)
        if self._state is _State.EDITING and not self._pager.waiting:
            self._redraw()

    def _hold(self, lines: Iterable[str]) -> None:
        for line in lines:
            if len(self._held) >= MAXIMUM_HELD_LINES:
                self._held.popleft()
                self._held_lost += 1
            self._held.append(line)

    def _release(self) -> None:
        """Print the log lines that came while ` --More-- ` stood."""
        if not self._held:
            return
        held = list(self._held)
        if self._held_lost:
            held.insert(0, f"% {self._held_lost} log messages before these were not shown; see show logging")
        self._held.clear()
        self._held_lost = 0
        if not self._pager.at_line_start:
            self._out.append("\r\n")
        for line in held:
            self._write_line(line)

    def _prompt(self) -> None:
        """A fresh prompt on a line of its own."""
        self._state = _State.EDITING
        self._recalled = 0
        self._quoted = False
        self._editor.reset()
        self._editor.hidden = self.session.wants is Wants.SECRET
        self._redraw()

    def _redraw(self) -> None:
        """The prompt and the line being typed, on a line of their own."""
        if not self._pager.at_line_start:
            self._out.append("\r\n")
            self._pager.at_line_start = True
        if not self._interactive:
            return
        self._out.append(visible(self.session.prompt))
        self._editor.redrawn()
        self._out.append(self._editor.refresh(self._room))
        self._pager.at_line_start = not self.session.prompt
        self._pager.new_screen(self._page)

    def _new_line(self) -> None:
        if self._interactive:
            self._out.append(self._editor.past_end(self._room) + "\r\n")
        self._pager.at_line_start = True
        self._pager.new_screen(self._page)

    def _show(self) -> None:
        """Send as much of the answer as the screen takes; at its end, the prompt."""
        self._out.append(self._pager.pull(self._page, self._width))
        if self._pager.waiting or not self._finished:
            return
        self._muted = False
        self._release()
        if self._help_shown:
            self._help_shown = False
            self._state = _State.EDITING
            self._redraw()
        elif self._finish:
            self._finish = False
            request = self.session.finish()
            self._prompt() if request is None else self._dispatch(request)
        else:
            self._prompt()

    def _dispatch(self, request: Request) -> None:
        self._state = _State.RUNNING
        self._finished = isinstance(request, Reply)
        self._abortable = not isinstance(request, Apply | Copy | EraseStartup)
        if isinstance(request, Reply):
            self._pager.push_lines(request.lines)
            self._show()
            return
        self._flush()
        self._events.append(Submit(request))
        if isinstance(request, Close):
            self._state = _State.CLOSED
            self._waiting.clear()

    def _abort(self) -> None:
        """Ctrl-C while a request is out: what was typed ahead goes with it."""
        self._waiting.clear()
        if self._abortable and not self._finished:
            self._flush()
            self._events.append(Abort())

    # Input

    def _work(self) -> None:
        """Take the waiting keys as far as possible."""
        while self._state is not _State.CLOSED:
            if self._state is _State.EDITING and not self._interactive and self.session.unattended is not None:
                self._dispatch(self.session.feed(self.session.unattended))
                continue
            if not self._waiting or (self._state is _State.RUNNING and not self._pager.waiting):
                return
            key = self._waiting.popleft()
            if self._pager.waiting:
                self._turn(key)
            else:
                self._edit(key)

    def _turn(self, key: str | Key) -> None:
        """A key at ` --More-- `: a page, a line, or no more."""
        if key == " ":
            self._out.append(self._pager.turn(self._page - 1))
        elif key is Key.ENTER:
            self._out.append(self._pager.turn(1))
        else:
            self._out.append(self._pager.turn(1))
            self._pager.clear()
            self._muted = True
            if not self._finished and self._abortable:
                self._flush()
                self._events.append(Abort())
        self._show()

    def _bell(self) -> None:
        if self._interactive:
            self._out.append(BELL)

    def _refresh(self) -> None:
        if self._interactive:
            self._out.append(self._editor.refresh(self._room))

    def _edit(self, key: str | Key) -> None:
        quoted, self._quoted = self._quoted, False
        if self.session.wants is Wants.KEY:
            self._answer(key is Key.ENTER or (isinstance(key, str) and key in "yY"))
        elif isinstance(key, str):
            self._character(key, quoted)
        elif key is Key.ENTER:
            self._enter()
        elif quoted:
            self._bell()
        elif key in _EDITS:
            _EDITS[key](self._editor)
            self._refresh()
        elif key in _COMMANDS:
            _COMMANDS[key](self)

    def _character(self, character: str, quoted: bool) -> None:
        if character == "?" and not quoted and self._interactive and self.session.wants is Wants.COMMAND:
            self._help()
        elif self._editor.insert(character):
            self._refresh()
        else:
            self._bell()

    def _answer(self, yes: bool) -> None:
        self._new_line()
        self._dispatch(self.session.feed("" if yes else "n"))

    def _enter(self) -> None:
        self._new_line()
        self._dispatch(self._entered())

    def _entered(self) -> Request:
        self.session.columns = self._width
        return self.session.feed(self._editor.text)

    def _help(self) -> None:
        self._out.append("?\r\n")
        lines = self.session.help(self._editor.text[: self._editor.cursor])
        self._pager.at_line_start = True
        self._pager.new_screen(self._page)
        self._pager.push_lines((*lines, ""))
        self._state = _State.RUNNING
        self._finished = True
        self._help_shown = True
        self._show()

    def _complete(self) -> None:
        if self.session.wants is not Wants.COMMAND:
            self._bell()
            return
        editor = self._editor
        completed = self.session.complete(editor.text[: editor.cursor])
        if completed is None:
            self._new_line()
            self._redraw()
            return
        editor.replace(completed + editor.text[editor.cursor :], len(completed))
        self._refresh()

    def _leave(self) -> None:
        if self._editor.text:
            self._editor.erase(self._editor.cursor, self._editor.cursor + 1, keep=False)
            self._refresh()
        elif self.session.wants is not Wants.COMMAND:
            self._bell()
        else:
            self._new_line()
            self._dispatch(self.session.feed("exit"))

    def _recall(self, back: int) -> None:
        history = self.session.history if self.session.wants is Wants.COMMAND else ()
        wanted = self._recalled + back
        if not 0 <= wanted <= len(history):
            self._bell()
            return
        if self._recalled == 0:
            self._typed = self._editor.text
        self._recalled = wanted
        self._editor.replace(history[-wanted] if wanted else self._typed)
        self._refresh()

    def _cancel(self) -> None:
        self._new_line()
        self.session.cancel()
        self._prompt()

    def _finish_configuration(self) -> None:
        if self.session.wants is not Wants.COMMAND:
            self._bell()
            return
        if self._interactive:
            self._out.append(self._editor.past_end(self._room) + "^Z")
        self._new_line()
        self._finish = True
        self._dispatch(self._entered() if self._editor.text.strip() else Reply())

    def _redraw_line(self) -> None:
        self._new_line()
        self._redraw()

    def _quote(self) -> None:
        self._quoted = True


_EDITS: dict[Key, Callable[[LineEditor], object]] = {
    Key.START: lambda editor: editor.move(0),
    Key.END: lambda editor: editor.move(len(editor.text)),
    Key.LEFT: lambda editor: editor.move(editor.cursor - 1),
    Key.RIGHT: lambda editor: editor.move(editor.cursor + 1),
    Key.WORD_LEFT: lambda editor: editor.move(editor.word_left()),
    Key.WORD_RIGHT: lambda editor: editor.move(editor.word_right()),
    Key.BACKSPACE: lambda editor: editor.erase(editor.cursor - 1, editor.cursor, keep=False),
    Key.DELETE: lambda editor: editor.erase(editor.cursor, editor.cursor + 1, keep=False),
    Key.ERASE_WORD: lambda editor: editor.erase(editor.word_left(), editor.cursor),
    Key.ERASE_WORD_RIGHT: lambda editor: editor.erase(editor.cursor, editor.word_right()),
    Key.ERASE_TO_START: lambda editor: editor.erase(0, editor.cursor),
    Key.ERASE_TO_END: lambda editor: editor.erase(editor.cursor, len(editor.text)),
    Key.RECALL: lambda editor: editor.insert(editor.killed),
    Key.TRANSPOSE: LineEditor.transpose,
    Key.CAPITALIZE: lambda editor: editor.change_word(str.capitalize),
    Key.LOWER: lambda editor: editor.change_word(str.lower),
    Key.UPPER: lambda editor: editor.change_word(str.upper),
}

_COMMANDS: dict[Key, Callable[[Terminal], None]] = {
    Key.TAB: Terminal._complete,
    Key.UP: lambda terminal: terminal._recall(1),
    Key.DOWN: lambda terminal: terminal._recall(-1),
    Key.DELETE_OR_LEAVE: Terminal._leave,
    Key.REDRAW: Terminal._redraw_line,
    Key.INTERRUPT: Terminal._cancel,
    Key.FINISH: Terminal._finish_configuration,
    Key.LITERAL: Terminal._quote,
}
