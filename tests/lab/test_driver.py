"""The terminal that the lab types at: what a screen shows, and prompts found in it."""

from __future__ import annotations

import sys

import pytest

from seikan.lab.driver import Console, Screen, Terminal
from seikan.lab.topology import LabError

# A stand-in for a router: prompts, answers each line, and refuses one as IOS does.
_ROUTER = """
import sys
sys.stdout.write("R1#"); sys.stdout.flush()
for line in sys.stdin:
    line = line.strip()
    if line == "bad":
        sys.stdout.write("    ^\\r\\n% Invalid input detected at '^' marker.\\r\\n")
    elif line == "log":
        sys.stdout.write("%TEST-5-LINE: something happened\\r\\n")
    elif line != "silent":
        sys.stdout.write("you said " + line + "\\r\\n")
    sys.stdout.write("R1#"); sys.stdout.flush()
"""


@pytest.mark.parametrize(
    ("data", "lines", "current"),
    [
        (b"R1#show\r\nanswer\r\nR1#", ["R1#show", "answer"], "R1#"),
        (b"R1#con\r\x1b[K%LOG-1-X: y\r\nR1#con", ["%LOG-1-X: y"], "R1#con"),
        (b"abcd\b\bX", [], "abXd"),
        (b"abcd\x1b[2DX\x1b[K", [], "abX"),
        (b"R1#abc\x1b[4GZ", [], "R1#Zbc"),
        ("é\r\n".encode(), ["é"], ""),
    ],
)
def test_a_screen_shows_what_a_terminal_would(data: bytes, lines: list[str], current: str) -> None:
    whole, bytewise = Screen(), Screen()
    whole.feed(data)
    for octet in data:
        bytewise.feed(bytes([octet]))
    assert (whole.lines, whole.text) == (lines, current)
    assert (bytewise.lines, bytewise.text) == (lines, current)


def test_a_console_types_waits_and_tells_a_refusal() -> None:
    seen: list[tuple[str, str]] = []
    terminal = Terminal("R1", [sys.executable, "-c", _ROUTER], {})
    console = Console({"R1": terminal}, lambda router, line: seen.append((router, line)))
    try:
        console.ready("R1")
        assert console.type("R1", "hello") == ["you said hello"]
        console.mark("R1")
        console.type("R1", "log")
        assert console.expect("R1", "%TEST-5-LINE", 2).endswith("something happened")
        with pytest.raises(LabError, match=r"R1 refused \"bad\": \^ / % Invalid input"):
            console.type("R1", "bad")
        console.mark("R1")
        with pytest.raises(LabError, match="waited 0 seconds for R1 to say"):
            console.expect("R1", "never", 0.2)
    finally:
        console.close()
    assert ("R1", "R1#hello") in seen
    assert ("R1", "you said hello") in seen


# Logs while a line is typed: as a router does, it clears the line, prints, and shows prompt and line again.
_INTERRUPTED = """
import sys, termios
attributes = termios.tcgetattr(0)
attributes[3] &= ~(termios.ECHO | termios.ICANON)
termios.tcsetattr(0, termios.TCSANOW, attributes)
out = sys.stdout
out.write("R1(config)#"); out.flush()
line = ""
while character := sys.stdin.read(1):
    if character not in "\\r\\n":
        if not line:
            out.write("\\r\\x1b[K*%TEST-5-LINE: something happened\\r\\nR1(config)#")
        line += character
        out.write(character)
    else:
        out.write("\\r\\n" + ("you left\\r\\nR1#" if line == "end" else "R1(config)#"))
        line = ""
    out.flush()
"""


def test_a_log_line_and_the_prompt_after_it_are_no_answer() -> None:
    terminal = Terminal("R1", [sys.executable, "-c", _INTERRUPTED], {})
    console = Console({"R1": terminal}, lambda _router, _line: None)
    try:
        console.ready("R1")
        assert console.type("R1", "end") == ["you left"]
        assert terminal.prompt is not None
        assert terminal.prompt[0] == "R1#"
    finally:
        console.close()
