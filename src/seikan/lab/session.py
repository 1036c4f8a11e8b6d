"""A lab from nothing to its proof: build, start, type the session, prove; and where that fails, say why."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from seikan.lab import actions, daemons
from seikan.lab.capture import Capture, Packet, Reader, summary
from seikan.lab.driver import Console, cli_command, environment, login
from seikan.lab.lab import Lab
from seikan.lab.namespaces import inside, run
from seikan.lab.proof import Claims
from seikan.lab.stream import DEFAULT_SIZE, End, Stream
from seikan.lab.topology import PROVIDER, LabError, Topology
from seikan.lab.wait import wait_until

Out = Callable[[str], None]
_LOG_LINES = 30
_FAILURE = re.compile(r"% (?!NOTE|Note|Warning|Info)\S")
_EXPLAINING: tuple[str, ...] = (
    "show ip interface brief",
    "show crypto isakmp sa",
    "show crypto session detail",
    "show crypto ipsec sa",
    "show ip ospf neighbor",
    "show ip route",
    "show running-config | section crypto|interface|access-list|ip nat|ip route",
)
"""What is asked of a router that a failed claim is about."""
_EXPLAINING_LINUX: tuple[tuple[str, ...], ...] = (
    ("ip", "-brief", "address"),
    ("ip", "rule"),
    ("ip", "-4", "route", "show", "table", "all"),
    ("nft", "list", "ruleset"),
)


Demonstration = Callable[["Session", Claims], None]
"""A lab's session: types it and proves it. LabError where it cannot go on."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A lab: what is built, and what is then shown. `looks` are its own commands for explaining a failure."""

    topology: Topology
    demonstrate: Demonstration
    looks: tuple[str, ...] = ()


def bring_up(lab: Lab, topology: Topology, out: Out) -> None:
    """Namespaces, wires, one daemon for each router."""
    out(f"lab {lab.id}: network namespaces and wires")
    lab.build(topology)
    for router in lab.routers:
        begun = time.monotonic()
        daemons.start(lab, router)
        out(f"lab {lab.id}: {router} runs (ready in {time.monotonic() - begun:.1f} s)")


class Session:
    """Terminals on a lab's routers, captures of the provider's wires, and the transcript of what is done."""

    def __init__(self, lab: Lab, console: Console, wires: Mapping[str, Reader], transcript: Transcript) -> None:
        self.lab = lab
        self.console = console
        self.wires = wires
        """What the provider sees of each router's wire."""
        self._transcript = transcript

    def say(self, text: str) -> None:
        """A line of the lab's own in the transcript."""
        self._transcript.say(text)

    def heading(self, text: str) -> None:
        self._transcript.say("")
        self._transcript.say(text)

    def perform(self, script: Sequence[actions.Action]) -> None:
        """Carry out a session's actions one after the other; LabError at the first that does not go as it must."""
        for action in script:
            match action:
                case actions.Heading(text):
                    self.heading(text)
                case actions.Mark(router):
                    self.console.mark(router)
                case actions.Type(router, line, mode, says):
                    self.console.mark(router)
                    answer = self._configured(router, line)
                    _check_says(router, line, answer, says)
                    prompt = self.console.terminals[router].prompt
                    if prompt is None or prompt[0] != router + mode:
                        said = next((f": {each.strip()}" for each in reversed(answer) if each.strip()), "")
                        raise LabError(
                            f'{router}: after "{line}" the prompt is "{prompt and prompt[0]}", '
                            f'not "{router}{mode}"{said}',
                            router,
                        )
                case actions.Press(router, keys, shown, says, keep):
                    _check_says(router, keys, self.console.press(router, keys, shown), says)
                    if not keep:
                        self.console.erase(router)
                case actions.Expect(router, pattern, limit):
                    self.console.expect(router, pattern, limit)
                case actions.Look(router, line, says, limit):
                    self._look(router, line, says, limit)

    def _look(self, router: str, line: str, says: Sequence[str], limit: float) -> None:
        answer: list[str] = []

        def look() -> bool:
            answer[:] = self.type(router, line)
            return not _missing(answer, says)

        if not self.until(look, limit):
            missing = _missing(answer, says)
            raise LabError(
                f'{router}: for {limit:.0f} seconds the answer to "{line}" has nothing like {missing}', router
            )

    def type(self, router: str, line: str, limit: float = 30.0) -> list[str]:
        """Type a line, return the answer; LabError where the router refuses it or does not answer."""
        return self.console.type(router, line, limit)

    def paste(self, router: str, lines: Sequence[str]) -> None:
        """Type lines in configuration mode, as one pastes them; LabError at the first that is not taken."""
        for line in ("conf t", *lines, "end"):
            self._configured(router, line)

    def _configured(self, router: str, line: str) -> list[str]:
        """Type a line; LabError where the router took it and could not do it, which it says behind a percent sign."""
        answer = self.console.type(router, line)
        for said in answer:
            if _FAILURE.match(said):
                raise LabError(f'{router} could not do "{line}": {said.strip()}', router)
        return answer

    def ask(self, router: str, line: str) -> list[str]:
        """What a router answers to a command, without showing it in the transcript."""
        return execute(self.lab, router, line).splitlines()

    def position(self, router: str) -> int:
        """Where a router's terminal is now, for `said`."""
        return len(self.console.terminals[router].screen.lines)

    def said(self, router: str, since: int, pattern: str) -> list[str]:
        """The lines of a router's terminal since that position that have something like `pattern`."""
        expression = re.compile(pattern)
        return [line for line in self.console.terminals[router].screen.lines[since:] if expression.search(line)]

    def until(self, condition: Callable[[], object], limit: float, interval: float = 0.5) -> bool:
        """Wait for a condition while the terminals go on being read; False when `limit` seconds passed first."""
        deadline = time.monotonic() + limit
        while not condition():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            pause = time.monotonic() + min(interval, remaining)
            while (left := pause - time.monotonic()) > 0:
                self.console.pump(left)
        return True

    def seen(self, router: str, since: float = 0.0) -> list[Packet]:
        """What crossed a router's wire since that time (seconds since 1970)."""
        return [packet for packet in self.wires[router].read() if packet.time >= since]

    def linux(self, node: str, *command: str, limit: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a program inside a node's namespace; a failing one is for the caller to judge."""
        return run(*inside(self.lab.namespace(node), *command), check=False, limit=limit)

    @contextmanager
    def stream(
        self, label: str, one: tuple[str, str, int], other: tuple[str, str, int], rate: float, size: int = DEFAULT_SIZE
    ) -> Iterator[Stream]:
        """A counted stream between two nodes, each given as its name, address and port, ended with the block."""
        ends = [End(node, self.lab.namespace(node), address, port) for node, address, port in (one, other)]
        with Stream(label, ends[0], ends[1], self.lab.directory, rate, size) as stream:
            wait_until(lambda: stream.running or stream.failure(), 10)
            if (failure := stream.failure()) is not None:
                raise LabError(failure)
            self.say(f"=== stream {label}: {rate:g} packets a second of {size} octets, {ends[0]} to {ends[1]} and back")
            yield stream


class Transcript:
    """What is shown of a session: every line of every terminal, with the router's name where the speaker changes."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._speaker: str | None = None

    def show(self, router: str, line: str) -> None:
        # The prompt names the router; a log line does not.
        if self._speaker != router:
            self._speaker = router
            self._out(f"--- {router}")
        self._out(line)

    def say(self, line: str) -> None:
        self._speaker = None
        self._out(line)


@contextmanager
def opened(lab: Lab, topology: Topology, out: Out) -> Iterator[Session]:
    """Captures and terminals on a lab that runs."""
    transcript = Transcript(out)
    captures: dict[str, Capture] = {}
    try:
        for router, port in topology.captured.items():
            captures[router] = Capture(lab.namespace(PROVIDER), port.device, lab.capture_file(router))
        for each in captures.values():
            each.wait_listening()
        terminals = {router: login(router, router, daemons.run_directory(lab)) for router in lab.routers}
        console = Console(terminals, transcript.show)
        try:
            for name in terminals:
                console.ready(name)
                console.type(name, "terminal length 0")
                console.type(name, "terminal monitor")
            yield Session(lab, console, {name: Reader(each.path) for name, each in captures.items()}, transcript)
        finally:
            console.close()
    finally:
        for each in captures.values():
            each.stop()


def demonstrate(lab: Lab, scenario: Scenario, out: Out) -> bool:
    """Type a lab's session at its routers; True when every claim of its proof holds, else what explains it is shown.

    LabError when a router refuses a line or an awaited event does not come; the claims until then are shown.
    """
    claims = Claims()
    try:
        with opened(lab, scenario.topology, out) as session:
            scenario.demonstrate(session, claims)
    except LabError as error:
        if claims.made:
            out("")
            out("Proof, as far as it went")
            claims.print(out)
        routers = dict.fromkeys((*error.routers, *claims.to_explain()))
        raise LabError(str(error), *routers) from error
    out("")
    out("Proof")
    proved = claims.print(out)
    if not proved:
        explain(lab, claims.to_explain(), scenario.looks, out)
    return proved


def execute(lab: Lab, router: str, line: str, limit: float = 30.0) -> str:
    """What `seikan exec` prints for a command on a router of the lab, or why it printed nothing."""
    try:
        done = subprocess.run(
            cli_command("exec", router, line),
            env=environment(daemons.run_directory(lab)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"(no answer within {limit:.0f} seconds)"
    return (done.stdout + done.stderr).rstrip()


def explain(lab: Lab, routers: Sequence[str], looks: Sequence[str], out: Out) -> None:
    """Show what is known about routers that did not do as they should: their shows and Linux's view.

    Of every router of the lab the log's end follows: the cause is often at the other end.
    """
    for router in routers:
        out("")
        out(f"=== why: {router}")
        if not any(name == lab.namespace(router) for name in lab.processes().values()):
            out("no process runs in its namespace: the daemon is gone")
        else:
            for line in (*_EXPLAINING, *looks):
                out(f"--- {router}#{line}")
                out(execute(lab, router, line))
        for command in _EXPLAINING_LINUX:
            done = run(*inside(lab.namespace(router), *command), check=False)
            out(f"--- {router}: {' '.join(command)}")
            out((done.stdout + done.stderr).rstrip())
    for router in lab.routers:
        log = lab.router_log(router)
        if log.exists():
            out("")
            out(f"--- the end of {router}'s log")
            out("\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:]))
        capture = lab.capture_file(router)
        if capture.exists():
            out(f"--- the provider saw on {router}'s wire: {summary(Reader(capture).read())}")


def _missing(answer: Sequence[str], patterns: Sequence[str]) -> list[str]:
    text = "\n".join(answer)
    return [pattern for pattern in patterns if not re.search(pattern, text, re.MULTILINE)]


def _check_says(router: str, line: str, answer: Sequence[str], patterns: Sequence[str]) -> None:
    for pattern in _missing(answer, patterns):
        raise LabError(f'{router}: the answer to "{line}" has nothing like {pattern!r}', router)
