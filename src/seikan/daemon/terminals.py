"""Logins at the router: what each terminal's session asks for is carried out here and answered there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from seikan.cli.exec import DEBUG_NAMES
from seikan.cli.requests import (
    KEYLOG,
    Apply,
    Clear,
    ClearKind,
    Close,
    ConfigureEnd,
    Copy,
    Debug,
    EraseStartup,
    GenerateKey,
    Location,
    Monitor,
    Ping,
    Pki,
    Reply,
    Request,
    Show,
    Traceroute,
    ZeroizeKey,
)
from seikan.cli.session import Session
from seikan.cli.shell import Wants
from seikan.cli.terminal import Abort, Event, Output, Submit, Terminal
from seikan.config.parse import parse
from seikan.config.render import render
from seikan.daemon.access import outdated_text
from seikan.daemon.crypto import Chosen, DebugLine, topics_of
from seikan.daemon.pki import generate_key, trustpoint_command, zeroize_key
from seikan.ike.engine import ClearTarget
from seikan.system import ping
from seikan.system.control import ControlConnection
from seikan.system.errors import AdapterError
from seikan.system.state import KEYLOG_FILE
from seikan.system.store import write_atomically

if TYPE_CHECKING:
    from seikan.daemon.router import Router


MOST_HOPS = 30  # of traceroute, as in IOS
PING_COLUMNS = 70  # marks in a line, as in IOS
MAXIMUM_BACKLOG = 1 << 20  # octets that a terminal may leave unread before log lines to it are dropped


class Login:
    """One terminal on the control socket, with its session."""

    def __init__(self, router: Router, connection: ControlConnection) -> None:
        self._router = router
        self._connection = connection
        self.origin = "console"
        self.session = Session(lambda: router.running)
        self.terminal = Terminal(self.session, connection.columns, connection.rows)
        self.debugging: set[str] = set()
        self.dropped_lines = 0
        self._closed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.monitoring = False

    async def serve(self) -> None:
        """Greet with the banners and the first prompt, then take what is typed until either side ends it."""
        banners = [banner.text for banner in self._router.running.banners if banner.kind in ("motd", "exec")]
        self._monitor(self._router.running.logging.console)  # log lines as they occur, as at an IOS console
        self._connection.on_resize = lambda columns, rows: self._do(self.terminal.resize(columns, rows))
        self._do(self.terminal.start(line for text in banners for line in text.splitlines()))
        closed = asyncio.ensure_future(self._closed.wait())
        try:
            while not self._closed.is_set():
                typed = asyncio.ensure_future(self._connection.read())
                await asyncio.wait({typed, closed}, return_when=asyncio.FIRST_COMPLETED)
                if not typed.done():
                    typed.cancel()
                    return
                data = typed.result()
                if not data:
                    return
                self._do(self.terminal.receive(data))
                await self._connection.drain()
        finally:
            closed.cancel()

    def debug(self, line: DebugLine) -> None:
        """A line of `debug`, for those who asked for its topic."""
        if line.topic in topics_of(self.debugging):
            self._router.journal.debug(line.text, to=[self._log])

    def end(self) -> None:
        """The terminal is gone."""
        self._monitor(False)
        self.debugging.clear()
        if self._task is not None:
            self._task.cancel()
        self._closed.set()

    def _log(self, line: str) -> None:
        if self._connection.backlog > MAXIMUM_BACKLOG:
            self.dropped_lines += 1
            return
        self._do(self.terminal.interrupt(line))

    def _monitor(self, on: bool) -> None:
        if on == self.monitoring:
            return
        self.monitoring = on
        if on:
            self._router.journal.subscribe(self._log)
        else:
            self._router.journal.unsubscribe(self._log)

    def _do(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case Output(data):
                    self._connection.write(data)
                case Submit(request):
                    # what it was worked out from, in case another terminal is quicker
                    self._task = asyncio.create_task(self._answer(request, self._router.revision))
                case Abort():
                    if self._task is not None:
                        self._task.cancel()

    async def _answer(self, request: Request, revision: int) -> None:
        if isinstance(request, Close):
            self.end()
            return
        try:
            async for part in execute(self._router, request, self, revision):
                self._do(self.terminal.respond(part, done=False))
        except asyncio.CancelledError:
            if self._closed.is_set():
                raise
        except AdapterError as error:
            self._do(self.terminal.respond([f"% {error}"], done=False))
        except Exception as error:  # noqa: BLE001 a fault in one answer must not keep the terminal waiting
            self._do(self.terminal.respond([f"% {self._router.internal_error(error)}"], done=False))
        self._do(self.terminal.respond((), done=True))

    def monitor(self, on: bool) -> None:
        self._monitor(on)


class Failure(list[str]):
    """Lines of an answer that tell that what was asked for did not work."""


NEEDS_TERMINAL = "% This command needs a terminal: log in with `seikan cli`"


async def run_command(router: Router, command: str, connection: ControlConnection) -> int:
    """`seikan exec`: one line, its answer, and 0; or 1 where it was refused, failed, or needs a terminal.

    What says why goes to standard error.
    """
    session = Session(lambda: router.running)
    session.prompted = False
    request = session.feed(command)
    while session.unattended is not None:
        request = session.feed(session.unattended)
    asked = session.wants is not Wants.COMMAND
    if asked or session.configuring or isinstance(request, Apply | ConfigureEnd | Debug | Monitor | Close):
        connection.write(f"{NEEDS_TERMINAL}\n", error=True)
        return 1
    refused = isinstance(request, Reply) and request.failed
    failed = refused
    try:
        async for part in execute(router, request, None, router.revision):
            if isinstance(part, str):
                connection.write(part)
            else:
                lines = list(part)
                wrong = refused or next((line for line in lines if line), "").startswith("%")
                failed = failed or wrong or isinstance(part, Failure)
                connection.write("".join(f"{line}\n" for line in lines), error=wrong)
            await connection.drain()
    except AdapterError as error:
        connection.write(f"% {error}\n", error=True)
        return 1
    except Exception as error:  # noqa: BLE001 its text may hold anything; the client gets one line
        connection.write(f"% {router.internal_error(error)}\n", error=True)
        return 1
    return 1 if failed else 0


async def execute(
    router: Router, request: Request, login: Login | None, revision: int
) -> AsyncIterator[str | Iterable[str]]:
    """Carry out one request; gives its answer in parts: lines, or text as it is."""
    match request:
        case Reply(lines):
            yield lines
        case Show():
            debugging = tuple(sorted(login.debugging)) if login is not None else ()
            yield request.select(request.render(await router.status(request.needs, debugging)))
        case Copy():
            async for part in _copy(router, request, "console" if login is None else login.origin):
                yield part
        case EraseStartup():
            router.store.erase()
            yield ["[OK]", "Erase of nvram: complete"]
        case Ping():
            async for part in _ping(router, request):
                yield part
        case Traceroute():
            async for part in _traceroute(router, request):
                yield part
        case Clear():
            yield await _clear(router, request)
        case GenerateKey():
            yield await generate_key(router, request)
        case ZeroizeKey():
            yield zeroize_key(router, request)
        case Pki():
            yield await trustpoint_command(router, request, login)
        case _:
            if login is None:
                yield [NEEDS_TERMINAL]
            else:
                yield await _of_terminal(router, request, login, revision)


async def _of_terminal(router: Router, request: Request, login: Login, revision: int) -> Iterable[str]:
    """Requests that change the configuration or the terminal itself."""
    match request:
        case Apply():
            missing, outdated = set(router.links.missing), router.accesses.outdated(router.running)
            refused = await router.change(request.candidate, revision, by=login.origin)
            seen = () if login.monitoring else router.links.missing.items()  # else it has read the log line
            if refused:
                login.session.refused()
            else:
                login.session.committed()
            absent = [line for name, line in seen if name not in missing]
            clones = {} if login.monitoring else router.accesses.outdated(router.running)
            absent += [outdated_text(name, held) for name, held in clones.items() if name not in outdated]
            return [*(f"% {line}" for line in refused), *request.warnings, *(f"% {line}" for line in absent)]
        case ConfigureEnd(warnings):
            router.configured_from(login.origin)
            return warnings
        case Debug(topic, on):
            answer = _debug(login, topic, on)
            if topic == KEYLOG and on:
                answer += keylog_warning(router.state.path_of(KEYLOG_FILE))
            router.debugging_changed()
            return answer
        case Monitor(on):
            login.monitor(on)
        case _:
            login.end()
    return []


def keylog_warning(path: Path) -> list[str]:
    return [
        "% Warning: the keys of IKEv2 SAs that begin from now on are written to",
        f"%   {path}",
        "% Who has that file can read, and change, those negotiations: remove it when you are done",
    ]


def _debug(login: Login, topic: str | None, on: bool) -> list[str]:
    topics = {topic} if topic is not None else set(DEBUG_NAMES) - ({KEYLOG} if on else set())
    login.debugging = login.debugging | topics if on else login.debugging - topics
    if topic is None:
        return ["All possible debugging has been turned on" if on else "All possible debugging has been turned off"]
    return [f"{DEBUG_NAMES[topic]} debugging is {'on' if on else 'off'}"]


async def _copy(router: Router, copy: Copy, origin: str) -> AsyncIterator[str | Iterable[str]]:
    match copy:
        case Copy(Location.RUNNING, Location.STARTUP):
            yield ["Building configuration..."]
            router.store.write(render(router.running))
            yield ["[OK]"]
        case Copy(source, Location.RUNNING):
            text = router.store.read() if source is Location.STARTUP else _read(str(source))
            if text is None:
                yield ["%Error opening nvram:/startup-config (No such file or directory)"]
                return
            parsed = parse(text, "startup-config" if source is Location.STARTUP else str(source), router.running)
            yield [str(problem) for problem in parsed.problems]
            yield [f"% {line}" for line in await router.change(parsed.config, router.revision, by=origin)]
            yield [f"{len(text.encode())} bytes copied"]
        case Copy(source, destination):
            if source is Location.RUNNING:
                text = render(router.running)
            else:
                text = router.store.read() if source is Location.STARTUP else _read(str(source))
            if text is None:
                yield ["%Error opening nvram:/startup-config (No such file or directory)"]
                return
            if destination is Location.STARTUP:
                router.store.write(text)
            else:
                write_atomically(Path(str(destination)), text)
            yield [f"{len(text.encode())} bytes copied"]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise AdapterError(f"Error opening {path} ({reason})") from None


def _ends(router: Router, request: Ping | Traceroute) -> tuple[ping.Address, ping.Address | None] | list[str]:
    """The target and the source, where one is given; or why they are none."""
    try:
        target = ip_address(request.target)
    except ValueError:
        return ["% Unrecognized host or address, or protocol not running.", ""]
    if request.source is None:
        return target, None
    try:
        return target, ip_address(request.source)
    except ValueError:
        source = router.address_of(request.source)
    if source is None:
        return [f"% Invalid source interface - IP not enabled or interface is down: {request.source}"]
    return target, source


async def _traceroute(router: Router, request: Traceroute) -> AsyncIterator[str | Iterable[str]]:
    """Each hop by echoes whose TTL ends there: the errors come from where packets go, tunnels included."""
    ends = _ends(router, request)
    if isinstance(ends, list):
        yield ends
        return
    target, source = ends
    yield ["Type escape sequence to abort.", f"Tracing the route to {target}"]
    for hops in range(1, MOST_HOPS + 1):
        yield f"{hops:3}"
        shown, ended = None, False
        echoes = ping.ping(target, source, repeat=request.probes, timeout=request.timeout, ttl=hops)
        async for result in echoes:
            if result.sender is None or result.round_trip is None:
                yield "  *"
                continue
            yield f" {result.sender}" if result.sender != shown else ""
            shown = result.sender
            yield f" {_ms(result.round_trip)} msec" if result.mark != ping.UNREACHABLE else " !H"
            ended = ended or result.mark != ping.EXPIRED
        yield "\n"
        if ended:
            return


async def _ping(router: Router, request: Ping) -> AsyncIterator[str | Iterable[str]]:
    ends = _ends(router, request)
    if isinstance(ends, list):
        yield ends
        return
    target, source = ends
    yield [
        "Type escape sequence to abort.",
        f"Sending {request.repeat}, {request.size}-byte ICMP Echos to {target}, "
        f"timeout is {request.timeout:g} seconds:",
    ]
    if source is not None:
        yield [f"Packet sent with a source address of {source} "]
    if request.df:
        yield ["Packet sent with the DF bit set"]
    sent = received = 0
    times: list[float] = []
    echoes = ping.ping(
        target, source=source, size=request.size, repeat=request.repeat, timeout=request.timeout, df=request.df
    )
    aborted = False
    try:
        async for result in echoes:
            sent += 1
            if result.mark == ping.REPLY and result.round_trip is not None:
                received += 1
                times.append(result.round_trip)
            yield result.mark + ("\n" if sent % PING_COLUMNS == 0 and sent < request.repeat else "")
    except asyncio.CancelledError:  # ^C: what was sent so far still has its summary
        aborted = True
    percent = 100 * received // sent if sent else 0
    summary = f"Success rate is {percent} percent ({received}/{sent})"
    if times:
        low, mean, high = min(times), sum(times) / len(times), max(times)
        summary += f", round-trip min/avg/max = {_ms(low)}/{_ms(mean)}/{_ms(high)} ms"
    yield ["", summary] if received else Failure(["", summary])
    if aborted:
        raise asyncio.CancelledError


def _ms(seconds: float) -> int:
    """Whole milliseconds, at least 1, as IOS prints them."""
    return max(1, round(seconds * 1000))


async def _clear(router: Router, clear: Clear) -> list[str]:
    match clear.kind:
        case ClearKind.ISAKMP:
            router.crypto.clear_isakmp(clear.conn_id)
        case ClearKind.IKEV2_SA:
            router.crypto.clear_ikev2(_chosen(router, clear), clear.conn_id)
        case ClearKind.IKEV2_STATS:
            router.collector.clear_ikev2_stats()
        case ClearKind.SA | ClearKind.SESSION:
            router.crypto.clear(
                ClearTarget.SA if clear.kind is ClearKind.SA else ClearTarget.SESSION, _chosen(router, clear)
            )
        case ClearKind.SA_COUNTERS:
            router.collector.clear_sa_counters()
        case ClearKind.ADMISSION:
            router.collector.clear_admission()
        case ClearKind.ACCESS_LIST_COUNTERS:
            await router.collector.clear_matches(clear.access_list)
        case ClearKind.COUNTERS:
            router.collector.clear_counters(clear.interface)
            where = clear.interface or "all interfaces"
            router.journal.log("CLEAR", 5, "COUNTERS", f"Clear counter on {where} by console")
        case ClearKind.LOGGING:
            router.journal.clear()
        case ClearKind.OSPF:
            await router.frr.clear_ospf()
    return []


def _chosen(router: Router, clear: Clear) -> Chosen:
    """Which SAs are meant."""
    owners = None
    if clear.interface is not None:
        owners = frozenset({router.owner_of(clear.interface)})
    elif clear.crypto_map is not None:
        owners = frozenset(router.owners_of_map(clear.crypto_map))
    return Chosen(clear.peer, clear.peer_port, clear.local, owners, clear.spi)


def stamp() -> datetime:
    """The wall clock with its zone."""
    return datetime.now(UTC).astimezone()
