"""The terminal alone, with a stand-in session: keys in, octets out; a small screen tells what a user then sees."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seikan.cli.pager import ERASE_MORE, MORE
from seikan.cli.requests import Close, Copy, Location, Ping, Reply, Request
from seikan.cli.shell import Wants
from seikan.cli.terminal import MAXIMUM_WAITING_KEYS, Abort, Event, Output, Submit, Terminal


class Screen:
    """Enough of a terminal: characters, CR, LF, backspace and bell. Anything else is a failure."""

    def __init__(self, columns: int | None = None) -> None:
        self.rows = [""]
        self.column = 0
        self.columns = columns

    def write(self, data: bytes) -> None:
        for character in data.decode():
            if character == "\r":
                self.column = 0
            elif character == "\n":
                self.rows.append("")
            elif character == "\b":
                assert self.column > 0, "backspace at the left edge"
                self.column -= 1
            elif character != "\a":
                assert character.isprintable(), f"{character!r} sent"
                row = self.rows[-1].ljust(self.column)
                self.rows[-1] = row[: self.column] + character + row[self.column + 1 :]
                self.column += 1
                if self.columns:
                    assert self.column <= self.columns, "written past the right edge"

    @property
    def last(self) -> str:
        return self.rows[-1].rstrip()


class Fake:
    """A session that records what it is fed and answers by a table."""

    prompted = True
    columns: int | None = None
    prompt = "R3#"
    wants = Wants.COMMAND
    unattended: str | None = None
    length: int | None = None
    width: int | None = None

    def __init__(self, **answers: Request) -> None:
        self.answers = answers
        self.fed: list[str] = []
        self.finished = 0
        self.cancelled = 0

    @property
    def history(self) -> Sequence[str]:
        return [line for line in self.fed if line]

    def feed(self, line: str) -> Request:
        self.fed.append(line)
        return self.answers.get(line, Reply())

    def finish(self) -> Request | None:
        self.finished += 1
        return None

    def cancel(self) -> None:
        self.cancelled += 1
        self.wants = Wants.COMMAND

    def help(self, line: str) -> tuple[str, ...]:
        return (f"  help of {line!r}",)

    def complete(self, line: str) -> str | None:
        return "configure " if line == "conf" else None


def sent(events: list[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Output))


def requests(events: list[Event]) -> list[Request]:
    return [event.request for event in events if isinstance(event, Submit)]


def started(fake: Fake | None = None, columns: int = 80, rows: int = 24) -> Terminal:
    terminal = Terminal(fake or Fake(), columns, rows)
    assert sent(terminal.start()) == (fake or Fake).prompt.encode()
    return terminal


def test_echoes_each_character_alone() -> None:
    terminal = started()
    for octet in b"show version":
        assert sent(terminal.receive(bytes([octet]))) == bytes([octet])


@pytest.mark.parametrize("enter", [b"\r", b"\n", b"\r\n", b"\r\0"])
def test_an_empty_line_gives_exactly_one_prompt(enter: bytes) -> None:
    terminal = started()
    assert sent(terminal.receive(enter)) == b"\r\nR3#"
    assert sent(terminal.receive(enter + enter)) == b"\r\nR3#\r\nR3#"
    assert b"".join(sent(terminal.receive(bytes([octet]))) for octet in enter) == b"\r\nR3#"


def test_nul_is_ignored_and_record_separator_redraws_the_prompt() -> None:
    terminal = started()
    assert sent(terminal.receive(b"\0")) == b""
    assert sent(terminal.receive(b"\x1e")) == b"\r\nR3#"
    assert sent(terminal.receive(b"foo\x03")) == b"foo\r\nR3#"


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (b"shwo\x08\x08ow", "show"),
        (b"shx\x7fow", "show"),
        (b"ow\x01sh", "show"),
        (b"ow\x1b[Hsh\x1b[F run", "show run"),
        (b"sow\x02\x02h", "show"),
        (b"sow\x1b[D\x1b[D\x1b[Dx\x1b[3~h\x06w\x04", "xhow"),
        (b"show run\x17ver", "show ver"),
        (b"show run\x15no", "no"),
        (b"show run\x18no", "no"),
        (b"show run\x1bb\x0bver", "show ver"),
        (b"show run\x17\x19\x19", "show runrun"),
        (b"sohw\x02\x02\x14", "show"),
        (b"shwo\x14", "show"),
        (b"tunnel 0\x01\x1bc", "Tunnel 0"),
        (b"tunnel 0\x01\x1bf x", "tunnel x 0"),
        (b"a?b\x16?c", "ab?c"),
        ("déscription ünï".encode(), "déscription ünï"),
        (b"\xff\xfea", "\ufffd\ufffda"),
        (b"a\x1b[200~b\x1b[201~c", "abc"),
        (b"a\x1b[1;5Db", "ba"),
        (b"a\x1bOHb", "ba"),
    ],
)
def test_editing(keys: bytes, line: str) -> None:
    fake = Fake()
    terminal = started(fake)
    for octet in keys:
        terminal.receive(bytes([octet]))
    terminal.receive(b"\r")
    assert fake.fed == [line]


def test_backspace_is_what_scripts_expect() -> None:
    terminal = started()
    terminal.receive(b"ab")
    assert sent(terminal.receive(b"\x08")) == b"\b \b"


def test_history_goes_back_and_returns_to_the_line_begun() -> None:
    fake = Fake()
    terminal = started(fake)
    terminal.receive(b"first\rsecond\rthi")
    terminal.receive(b"\x1b[A\x1b[A\x1b[B\x1b[B")
    terminal.receive(b"rd\r\x10\x10\r")
    assert fake.fed == ["first", "second", "third", "second"]
    assert sent(terminal.receive(b"\x0e")) == b"\a"


def test_tab_completes_in_place_and_otherwise_prints_the_line_again() -> None:
    terminal = started()
    assert sent(terminal.receive(b"conf\t")) == b"configure "
    assert sent(terminal.receive(b"x\t")) == b"x\r\nR3#configure x"


def test_question_mark_answers_at_once_and_keeps_the_line() -> None:
    fake = Fake()
    terminal = started(fake)
    assert sent(terminal.receive(b"show ?")) == b"show ?\r\n  help of 'show '\r\n\r\nR3#show "
    terminal.receive(b"ver\r")
    assert fake.fed == ["show ver"]


def test_one_request_at_a_time_and_typed_ahead_lines_wait() -> None:
    fake = Fake(ping=Ping("1.1.1.1"), second=Ping("2.2.2.2"))
    terminal = started(fake)
    events = terminal.receive(b"ping\rsecond\rthird\r")
    assert requests(events) == [Ping("1.1.1.1")]
    assert sent(events) == b"ping\r\n"
    assert terminal.busy
    assert sent(terminal.respond("!", done=False)) == b"!"
    events = terminal.respond("!\nSuccess\n")
    assert sent(events) == b"!\r\nSuccess\r\nR3#second\r\n"
    assert requests(events) == [Ping("2.2.2.2")]
    assert sent(terminal.respond(["done"])) == b"done\r\nR3#third\r\nR3#"
    assert not terminal.busy
    assert terminal.respond(["too late"]) == []


def test_an_answer_without_newline_still_gets_the_prompt_on_its_own_line() -> None:
    terminal = started(Fake(ping=Ping("1.1.1.1")))
    terminal.receive(b"ping\r")
    assert sent(terminal.respond("!!!!!")) == b"!!!!!\r\nR3#"


@pytest.mark.parametrize("key", [b"\x03", b"\x1e"])
def test_an_interrupt_aborts_what_runs_and_drops_what_was_typed_ahead(key: bytes) -> None:
    fake = Fake(ping=Ping("1.1.1.1"))
    terminal = started(fake)
    terminal.receive(b"ping\rtyped ahead\r")
    assert terminal.receive(key) == [Abort()]
    assert sent(terminal.respond("\nSuccess rate is 0 percent (0/1)\n")).endswith(b"R3#")
    assert fake.fed == ["ping"]


def test_a_change_of_configuration_is_not_aborted() -> None:
    terminal = started(Fake(write=Copy(Location.RUNNING, Location.STARTUP)))
    terminal.receive(b"write\r")
    assert terminal.receive(b"\x03") == []


def test_typed_ahead_is_bounded() -> None:
    terminal = started(Fake(ping=Ping("1.1.1.1")))
    terminal.receive(b"ping\r")
    assert terminal.accepting
    terminal.receive(b"x" * (MAXIMUM_WAITING_KEYS + 7))
    assert not terminal.accepting
    assert terminal.dropped_keys == 7


LONG = Reply(tuple(f"line {number}" for number in range(1, 11)))


def more(first: int, last: int) -> bytes:
    return "".join(f"line {number}\r\n" for number in range(first, last + 1)).encode()


def test_pages_by_the_rows_of_the_window() -> None:
    terminal = started(Fake(long=LONG), rows=5)
    assert sent(terminal.receive(b"long\r")) == b"long\r\n" + more(1, 4) + MORE.encode()
    assert sent(terminal.receive(b" ")) == ERASE_MORE.encode() + more(5, 8) + MORE.encode()
    assert sent(terminal.receive(b"\r")) == ERASE_MORE.encode() + more(9, 9) + MORE.encode()
    assert sent(terminal.receive(b" ")) == ERASE_MORE.encode() + more(10, 10) + b"R3#"


def test_q_ends_paging() -> None:
    terminal = started(Fake(long=LONG), rows=5)
    terminal.receive(b"long\r")
    assert sent(terminal.receive(b"q")) == ERASE_MORE.encode() + b"R3#"
    assert sent(terminal.receive(b"x")) == b"x"


def test_q_at_more_stops_a_request_that_goes_on() -> None:
    terminal = started(Fake(ping=Ping("1.1.1.1")), rows=3)
    terminal.receive(b"ping\r")
    assert sent(terminal.respond(["a", "b", "c"], done=False)).endswith(MORE.encode())
    events = terminal.receive(b"q")
    assert Abort() in events
    assert sent(terminal.respond(["d"], done=False)) == b""
    assert sent(terminal.respond(["e"])) == b"R3#"


def test_terminal_length_overrides_the_window_and_wrapped_lines_count() -> None:
    fake = Fake(long=LONG, wide=Reply(("x" * 25, "y", "z")))
    terminal = started(fake, columns=10, rows=5)
    assert sent(terminal.receive(b"wide\r")) == b"wide\r\n" + b"x" * 25 + b"\r\ny\r\n" + MORE.encode()
    terminal.receive(b"q")
    fake.length = 0
    assert MORE.encode() not in sent(terminal.receive(b"long\r"))


def test_exactly_one_screen_is_not_paged() -> None:
    terminal = started(Fake(long=LONG), rows=11)
    assert sent(terminal.receive(b"long\r")) == b"long\r\n" + more(1, 10) + b"R3#"


def test_log_lines_push_the_line_being_typed_down() -> None:
    terminal = started()
    terminal.receive(b"show ve\x02")
    screen = Screen()
    screen.write(b"R3#show ve\b")
    screen.write(sent(terminal.interrupt("%LINK-3-UPDOWN: up", "%LINEPROTO-5-UPDOWN: up")))
    assert screen.rows == ["R3#show ve", "%LINK-3-UPDOWN: up", "%LINEPROTO-5-UPDOWN: up", "R3#show ve"]
    assert screen.column == len("R3#show v")


def test_log_lines_while_a_request_runs() -> None:
    terminal = started(Fake(ping=Ping("1.1.1.1")))
    terminal.receive(b"ping\r")
    terminal.respond("!!", done=False)
    assert sent(terminal.interrupt("%LOG")) == b"\r\n%LOG\r\n"
    assert sent(terminal.interrupt("%LOG2")) == b"%LOG2\r\n"
    assert sent(terminal.respond("!\n")) == b"!\r\nR3#"


def test_log_lines_wait_while_more_stands() -> None:
    terminal = started(Fake(long=LONG), rows=8)
    terminal.receive(b"long\r")
    assert terminal.interrupt("%LOG") == []
    assert sent(terminal.receive(b" ")) == ERASE_MORE.encode() + more(8, 10) + b"%LOG\r\nR3#"


def test_what_a_peer_chose_cannot_steer_the_terminal() -> None:
    terminal = started()
    assert b"\x1b" not in sent(terminal.interrupt("peer \x1b]0;owned\x07 \x9b2J \u202egpj"))


def test_a_password_is_not_echoed_and_not_recalled() -> None:
    fake = Fake()
    fake.wants, fake.prompt = Wants.SECRET, "Password: "
    terminal = started(fake)
    assert sent(terminal.receive(b"hid?den\x7f\x1b[D\x1b[A")) == b"\a"
    assert sent(terminal.interrupt("%LOG")) == b"\r\n%LOG\r\nPassword: "
    assert sent(terminal.receive(b"\r")) == b"\r\nPassword: "
    assert fake.fed == ["hid?de"]


@pytest.mark.parametrize(("key", "answer"), [(b"\r", ""), (b"y", ""), (b"n", "n"), (b"\x03", "n")])
def test_one_key_answers_a_confirmation(key: bytes, answer: str) -> None:
    fake = Fake()
    fake.wants = Wants.KEY
    terminal = started(fake)
    terminal.receive(key)
    assert fake.fed == [answer]


def test_control_z_submits_the_line_and_leaves_configuration() -> None:
    fake = Fake(host=Copy("a", "b"))
    terminal = started(fake)
    events = terminal.receive(b"host\x1a")
    assert sent(events) == b"host^Z\r\n"
    assert fake.finished == 0
    assert sent(terminal.respond()) == b"R3#"
    assert fake.finished == 1
    assert sent(terminal.receive(b"\x1a")) == b"^Z\r\nR3#"


def test_control_d_on_an_empty_line_leaves() -> None:
    terminal = started(Fake(exit=Close()))
    assert requests(terminal.receive(b"a\x02\x04\x04")) == [Close()]
    assert terminal.closed
    assert terminal.receive(b"x\r") == []
    assert terminal.interrupt("%LOG") == []


def test_a_line_longer_than_the_window_scrolls_sideways() -> None:
    fake = Fake()
    terminal = started(fake, columns=30)
    screen = Screen(columns=30)
    screen.write(b"R3#")
    line = " ".join(str(number) for number in range(40))
    for character in line:
        screen.write(sent(terminal.receive(character.encode())))
    assert screen.last.startswith("R3#$")
    assert screen.last.endswith("39")
    screen.write(sent(terminal.receive(b"\x01")))
    assert screen.last == "R3#" + line[:25] + "$"
    assert screen.column == 3
    terminal.receive(b"\r")
    assert fake.fed == [line]
    assert fake.columns == 30


def test_wide_width_never_scrolls() -> None:
    fake = Fake()
    fake.width = 0
    terminal = started(fake, columns=30)
    assert sent(terminal.receive(b"x" * 300)) == b"x" * 300


def test_plain_lines_without_prompts() -> None:
    fake = Fake(long=LONG)
    terminal = Terminal(fake, rows=3, interactive=False)
    assert terminal.start() == []
    assert sent(terminal.receive(b"long\n")) == more(1, 10)
    fake.wants, fake.unattended = Wants.ANSWER, "yes"
    fake.answers["yes"] = Close()
    assert requests(terminal.receive(b"copy\n")) == [Close()]


_KEYS = st.one_of(
    st.binary(max_size=3),
    st.sampled_from(
        [bytes([code]) for code in range(32)]
        + [b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b[3~", b"\x1bb", b"\x1bf", b"\x7f", b"?", b" "]
        + [b"ping\r", b"long\r", b"exit", "é日本".encode(), b"some words of a line "]
    ),
)
_ACTIONS = st.one_of(
    _KEYS,
    st.sampled_from(["respond", "partial", "log"]),
    st.tuples(st.integers(0, 200), st.integers(0, 60)),
)


@settings(max_examples=400, deadline=None)
@given(actions=st.lists(_ACTIONS, max_size=60))
def test_no_input_breaks_the_terminal(actions: list[bytes | str | tuple[int, int]]) -> None:
    fake = Fake(ping=Ping("1.1.1.1"), long=LONG)
    terminal = Terminal(fake, 40, 6)
    terminal.start()
    outstanding = 0
    for action in actions:
        if action == "respond":
            events = terminal.respond(["answer"] * 3)
            outstanding = 0
        elif action == "partial":
            events = terminal.respond("!" * 5, done=False)
        elif action == "log":
            events = terminal.interrupt("%LOG-5-LINE: text")
        elif isinstance(action, tuple):
            events = terminal.resize(*action)
        else:
            assert isinstance(action, bytes)
            events = terminal.receive(action)
        outstanding += len(requests(events))
        assert outstanding <= 1
        assert len(sent(events)) < 5000
        sent(events).decode()
    terminal.respond()
    terminal.receive(b"qq\x03")
    terminal.respond()
    events = terminal.receive(b"\x03")
    assert sent(events).endswith(b"R3#")
    assert not terminal.busy


_EDIT_KEYS = st.lists(
    st.sampled_from(
        [b"a", b"b ", b"word ", "é".encode(), b"\x1bb", b"\x1bf", b"\x1bd", b"\x1bu"]
        + [bytes([code]) for code in (1, 2, 4, 5, 6, 8, 11, 14, 16, 20, 21, 23, 25)]
    ),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(keys=_EDIT_KEYS, columns=st.integers(16, 40))
def test_the_screen_always_shows_the_line(keys: list[bytes], columns: int) -> None:
    """Whatever is typed, the screen's row is what a fresh drawing of the line would be."""
    fake = Fake()
    fake.fed = ["show interfaces tunnel 0", "a much longer line than any of these screens is wide, so it scrolls"]
    terminal = Terminal(fake, columns, 24)
    screen = Screen(columns)
    screen.write(sent(terminal.start()))
    for key in keys:
        # Ctrl-D on an empty line would leave.
        if key == b"\x04":
            screen.write(sent(terminal.receive(b"x\x02")))
        screen.write(sent(terminal.receive(key)))
        assert len(screen.rows) == 1
        fresh = Screen(columns)
        fresh.rows, fresh.column = list(screen.rows), screen.column
        fresh.write(sent(terminal.interrupt("%LOG")))
        if "$" not in screen.last + fresh.last:
            assert (screen.last, screen.column) == (fresh.last, fresh.column)
        screen.rows, screen.column = [fresh.rows[-1]], fresh.column
