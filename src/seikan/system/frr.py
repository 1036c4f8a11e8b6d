"""FRR's daemons as children of this process: started as needed, configured by difference, watched, taken away.

Each router has its own instance: its own sockets, pid files and pathspace, in this process's network namespace.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import json
import os
import pwd
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from seikan.config.model import Config, OspfAuthentication, OspfProcess
from seikan.system.errors import AdapterError
from seikan.system.frr_diff import commands, hide_secret
from seikan.system.frr_log import AdjacencyChange, parse_adjacency, parse_mtu_mismatch
from seikan.system.frr_lsdb import LSA_KINDS, ROUTER, advertisers, own_router_id, parse_database
from seikan.system.frr_render import Choices, DaemonConfig, choose, instance_name, primary_address, render
from seikan.system.frr_state import (
    InterfaceFacts,
    Json,
    OspfAnswers,
    OspfStatus,
    Route,
    interface_addresses,
    parse_ospf,
    parse_routes,
)
from seikan.system.frr_vty import Vty, VtyError, VtyRefusal

PROGRAMS = Path("/usr/lib/frr")
_USER = "frr"
_SCRATCH = Path("/var/tmp/frr")  # noqa: S108 FRR's own, root-made; holds a directory for each of its processes
_START_LIMIT = 10.0  # seconds until a daemon's socket answers
_STOP_LIMIT = 5.0
_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 30.0
_STEADY = 60.0  # seconds after which a daemon that runs is forgiven its crashes
_AT_ONCE = 64  # commands to FRR before its answers are read
_LAST_LINES = 5  # of a daemon's log, kept to explain its end

# FRR gives up root, and with it the kernel's death signal (prctl(2) PR_SET_PDEATHSIG); this shell keeps
# both and ends FRR when the daemon ends, even by SIGKILL.
_GUARD = """
child=
trap '[ -n "$child" ] && kill -TERM "$child"' TERM INT
"$@" &
child=$!
wait "$child"; status=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; status=$?; done
exit "$status"
"""


@dataclass(slots=True)
class _Child:
    """One FRR daemon; `applied` is what it has been told, None while that must be told anew."""

    name: str
    vty: Vty
    process: asyncio.subprocess.Process | None = None
    watcher: asyncio.Task[None] | None = None
    recovery: asyncio.Task[None] | None = None
    applied: DaemonConfig | None = None
    wanted: DaemonConfig | None = None
    crashes: int = 0
    problem: str | None = None
    last_lines: list[str] = field(default_factory=list)
    stopping: bool = False


class Frr:
    """The routing of one router.

    `directory` is below the instance's runtime directory and owned by FRR's user while this runs.
    `pathspace` names the instance in FRR's own terms (letters, digits, `-`, `_`).
    `on_adjacency` gets every step of a neighbour's state; `on_problem` a line when something breaks.
    """

    def __init__(
        self,
        directory: Path,
        pathspace: str,
        *,
        on_adjacency: Callable[[AdjacencyChange], None],
        on_problem: Callable[[str], None],
        programs: Path = PROGRAMS,
    ) -> None:
        self._directory = directory
        self._pathspace = pathspace
        self._on_adjacency = on_adjacency
        self._on_problem = on_problem
        self._programs = programs
        self._children: dict[str, _Child] = {}
        self._lock = asyncio.Lock()
        self._choices = Choices()
        self._config = Config()
        self._names: Mapping[str, str] = {}
        self._ios_names: Mapping[str, str] = {}
        self._addresses: Mapping[str, IPv4Interface] = {}
        self._missing: str | None = None
        self._mismatches: set[str] = set()

    @property
    def problems(self) -> tuple[str, ...]:
        """What does not work now, one line each."""
        return tuple(
            line for line in (self._missing, *(child.problem for child in self._children.values())) if line is not None
        )

    @property
    def available(self) -> bool:
        return self._missing is None and "zebra" in self._children

    async def start(self) -> None:
        """Prepare the directory and start zebra, which also sweeps routes that a killed one left.

        Where FRR is not installed the daemon goes on without routing protocols: see `problems`.
        """
        async with self._lock:
            if not self._installed():
                self._missing = "FRR is not installed: apt-get install frr"
                self._on_problem(self._missing)
                return
            self._missing = None
            await self._end_orphans()
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory.mkdir(parents=True, mode=0o700)
            user = pwd.getpwnam(_USER)
            os.chown(self._directory, user.pw_uid, user.pw_gid)
            empty = self._directory / "empty.conf"
            empty.touch(mode=0o600)
            os.chown(empty, user.pw_uid, user.pw_gid)
            await self._ensure("zebra", DaemonConfig({}))

    async def retry(self) -> bool:
        """Start where FRR was missing and is installed now; True where it did. Raises `AdapterError` as `start`."""
        if self._missing is None or not self._installed():
            return False
        await self.start()
        return self._missing is None

    def _installed(self) -> bool:
        return (self._programs / "zebra").exists() and _user_exists()

    async def apply(
        self, config: Config, names: Mapping[str, str], addresses: Mapping[str, IPv4Interface] | None = None
    ) -> None:
        """Make FRR route as `config` says, touching only what differs from before.

        `names`: interface name to Linux name, missing ones are the same; `addresses`: primary addresses that the
        operating system set. Raises `AdapterError` with FRR as it was before, where FRR refuses something.
        """
        async with self._lock:
            addresses = addresses or {}
            choices = choose(config, addresses, self._choices)
            rendered = render(config, names, addresses, choices)
            self._mismatches.clear()
            known = self._choices, self._config, self._names, self._ios_names, self._addresses
            # Set first: what FRR logs while it is told is already to be understood.
            self._choices, self._config, self._names, self._addresses = choices, config, dict(names), addresses
            self._ios_names = {linux: ios for ios, linux in names.items()}
            before = {name: child.wanted for name, child in self._children.items()}
            told: list[str] = []
            try:
                if self._missing is None:
                    for name, wanted in rendered.items():
                        told.append(name)
                        await self._ensure(name, wanted)
                    for name in [name for name in self._children if name not in rendered]:
                        await self._stop_child(self._children.pop(name))
            except AdapterError:
                for name in reversed(told):
                    await self._back(name, before.get(name))
                self._choices, self._config, self._names, self._ios_names, self._addresses = known
                raise

    async def _back(self, name: str, wanted: DaemonConfig | None) -> None:
        child = self._children.get(name)
        if wanted is not None and child is not None:
            child.wanted = wanted
            with contextlib.suppress(AdapterError):  # gone by now: a restarted daemon is told `wanted`
                await self._push(child, going_back=True)
        elif name in self._children:
            await self._stop_child(self._children.pop(name))

    async def _ensure(self, name: str, wanted: DaemonConfig) -> None:
        child = self._children.get(name)
        if child is None:
            child = self._children[name] = _Child(name, Vty(self._directory / f"{name}.vty"))
            child.watcher = asyncio.create_task(self._watch(child), name=f"frr {name}")
            await self._wait_ready(child)
        child.wanted = wanted
        if child.process is not None and child.problem is None:
            await self._push(child)

    async def _push(self, child: _Child, *, going_back: bool = False) -> None:
        """Tell a daemon the difference; `going_back` may take away what was never there, which FRR refuses."""
        assert child.wanted is not None
        lines = commands(child.applied, child.wanted)
        if lines:
            # A connection of its own: a half-done one cannot leave another in the wrong mode.
            vty = Vty(self._directory / f"{child.name}.vty")
            try:
                await vty.command("configure terminal")
                for at in range(0, len(lines), _AT_ONCE):
                    together = lines[at : at + _AT_ONCE]
                    for line, answer in zip(together, await vty.commands(together), strict=True):
                        if isinstance(answer, VtyRefusal) and not going_back:
                            # How far it came matters to nobody: going back starts from all that it may have taken.
                            child.applied = _merged(child.applied, child.wanted)
                            raise AdapterError(f"'{hide_secret(line)}': {answer}")
                await vty.command("end")
            except VtyRefusal:
                raise
            except VtyError:
                return  # it has just crashed: once restarted it is told everything
            finally:
                await vty.close()
        child.applied = child.wanted

    async def _wait_ready(self, child: _Child) -> None:
        try:
            async with asyncio.timeout(_START_LIMIT):
                while child.problem is None:
                    with contextlib.suppress(VtyError):
                        await child.vty.command("show version")
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AdapterError(f"FRR's {child.name} did not start within {_START_LIMIT:.0f} s") from None

    async def _watch(self, child: _Child) -> None:
        """Run one daemon until it is stopped; start it again when it ends by itself."""
        loop = asyncio.get_running_loop()
        while not child.stopping:
            started = loop.time()
            try:
                child.process = await self._spawn(child)
            except OSError as error:
                ended = f"cannot be started ({error.strerror})"
            else:
                await self._read_log(child, child.process)
                status = await child.process.wait()
                reason = child.last_lines[-1] if child.last_lines else "no message"
                ended = f"ended ({_status(status)}; {reason})"
            child.process, child.applied = None, None
            await child.vty.close()
            if child.stopping:
                return
            self._remove_scratch(child.name)
            child.crashes = 1 if loop.time() - started > _STEADY else child.crashes + 1
            pause = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** (child.crashes - 1))
            child.problem = f"FRR's {child.name} {ended}: it starts again in {pause:.1f} s"
            self._on_problem(child.problem)
            await asyncio.sleep(pause)
            child.recovery = asyncio.create_task(self._recover(child), name=f"frr {child.name} recovery")

    async def _recover(self, child: _Child) -> None:
        """Once a restarted daemon answers, tell it everything again."""
        try:
            async with asyncio.timeout(_START_LIMIT):
                while True:
                    try:
                        await child.vty.command("show version")
                        break
                    except VtyError:
                        await asyncio.sleep(0.1)
            async with self._lock:
                if child.stopping or child.wanted is None:
                    return
                await self._push(child)
                child.problem = None
        except (AdapterError, TimeoutError) as error:
            if not child.stopping:
                child.problem = f"FRR's {child.name} was started again but did not take its configuration: {error}"
                self._on_problem(child.problem)

    async def _spawn(self, child: _Child) -> asyncio.subprocess.Process:
        program, _, number = child.name.partition("-")
        instance = ["-n", number] if number else []
        directory = self._directory
        return await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "TERM", "sh", "-c", _GUARD, "seikan-frr-guard"),
            str(self._programs / program),
            *instance,
            *("-N", self._pathspace, "--vty_socket", str(directory), "-z", str(directory / "zserv.api")),
            *("-i", str(directory / f"{child.name}.pid"), "-f", str(directory / "empty.conf"), "-P", "0"),
            *("-u", _USER, "-g", _USER, "--log", "stdout", "--log-level", "informational"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # a terminal's ^C is the daemon's to handle
        )

    async def _read_log(self, child: _Child, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while True:
            try:
                line = (await process.stdout.readline()).decode(errors="replace").strip()
            except ValueError:  # longer than the reader's limit
                continue
            if not line and process.stdout.at_eof():
                return
            child.last_lines = [*child.last_lines[1 - _LAST_LINES :], line]
            mismatch = parse_mtu_mismatch(line, self._ios_names)
            if mismatch is not None and mismatch not in self._mismatches:  # FRR says so with every packet
                self._mismatches.add(mismatch)
                self._on_problem(mismatch)
            number = self._process_of(child.name)
            for change in () if number is None else parse_adjacency(line, number, self._ios_names):
                self._on_adjacency(change)

    def _process_of(self, name: str) -> int | None:
        """The OSPF process that a daemon runs."""
        if name == "ospfd":
            return self._choices.default_process
        return int(name.partition("-")[2]) if name.startswith("ospfd-") else None

    async def _stop_child(self, child: _Child) -> None:
        child.stopping = True
        if child.recovery is not None:
            child.recovery.cancel()
        await child.vty.close()
        process = child.process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(_STOP_LIMIT):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        if child.watcher is not None:
            if process is None:
                child.watcher.cancel()  # it waits to start the daemon again
            with contextlib.suppress(asyncio.CancelledError):
                await child.watcher
        self._remove_scratch(child.name)

    async def stop(self) -> None:
        """End every child and remove the directory; zebra ends last and takes its routes out of the kernel."""
        async with self._lock:
            for child in sorted(self._children.values(), key=lambda child: child.name == "zebra"):
                await self._stop_child(child)
            self._children.clear()
            shutil.rmtree(self._directory, ignore_errors=True)

    async def _end_orphans(self) -> None:
        """End FRR daemons of a killed seikan and wait: a zebra that is just leaving would take our routes along."""
        left = set(self._orphans())
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_LIMIT):
                    while left := left & set(self._orphans()):
                        await asyncio.sleep(0.05)
        for file in self._directory.glob("*.pid"):
            self._remove_scratch(file.stem)

    def _orphans(self) -> Iterator[int]:
        """Processes that were started as FRR daemons for this directory."""
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError):
                    words = Path(f"/proc/{name}/cmdline").read_bytes().decode(errors="replace").split("\0")
                    if words[0].startswith(f"{self._programs}/") and str(self._directory) in words:
                        yield int(name)

    def _remove_scratch(self, name: str) -> None:
        """FRR removes its crash-log directory itself, unless it was killed."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self._directory / f"{name}.pid").read_text())
            if not Path(f"/proc/{pid}").exists():
                shutil.rmtree(_SCRATCH / f"{name.partition('-')[0]}.{pid}", ignore_errors=True)

    async def _json(self, daemon: str, command: str) -> Json:
        child = self._children.get(daemon)
        if child is None:
            raise AdapterError(self._missing or f"FRR's {daemon} does not run")
        text = await child.vty.command(command)
        answer = json.loads(text) if text.strip() else {}
        return answer if isinstance(answer, dict) else {}

    async def routes(self) -> tuple[Route, ...]:
        """The selected IPv4 routes. Raises `AdapterError` where zebra does not answer."""
        table = await self._json("zebra", "show ip route json")
        ospf_routes: dict[str, object] = {}
        sources: dict[IPv4Network, IPv4Address] = {}
        for name in [name for name in self._children if name.startswith("ospfd")]:
            with contextlib.suppress(AdapterError):  # its routes then show without their kind
                answer = await self._json(name, "show ip ospf route json")
                ospf_routes |= answer.get("default", answer)
                lsdb = await self._database(name)
                sources |= advertisers(parse_database(lsdb), own_router_id(lsdb[ROUTER]))
        unnumbered = {interface.name for interface in self._config.interfaces.values() if interface.unnumbered}
        return parse_routes(table, ospf_routes, sources, self._ios_names, unnumbered)

    async def known_addresses(self) -> dict[str, set[IPv4Interface]]:
        """What zebra knows the devices' IPv4 addresses to be, by Linux name. Raises `AdapterError` as `routes`."""
        known = await self._json("zebra", "show interface json")
        return {device: interface_addresses(facts) for device, facts in known.items()}

    async def _database(self, daemon: str) -> dict[int, str]:
        """The text of the detailed database commands by LSA kind."""
        vty = self._children[daemon].vty
        show = " ".join(["show ip ospf", *daemon.split("-")[1:]])
        return {kind: await vty.command(f"{show} database {word}") for kind, word in LSA_KINDS}

    async def ospf(self) -> tuple[OspfStatus, ...]:
        """Every OSPF process that runs. Raises `AdapterError` where one does not answer."""
        found = []
        for number, process in self._config.ospf.items():
            status = await self._ospf_process(number, process)
            if status is not None:
                found.append(status)
        return tuple(found)

    async def _ospf_process(self, number: int, process: OspfProcess) -> OspfStatus | None:
        name = instance_name(number, self._choices)
        middle = "" if name == "ospfd" else f" {number}"
        show = f"show ip ospf{middle}"
        answers = OspfAnswers(
            summary=await self._json(name, f"{show} json"),
            interfaces=await self._json(name, f"{show} interface json"),
            neighbors=await self._json(name, f"{show} neighbor json"),
            neighbor_details=await self._json(name, f"{show} neighbor detail json"),
            database=await self._database(name),
        )
        interfaces = self._config.interfaces
        facts = {
            name: InterfaceFacts(primary_address(self._config, name, self._addresses), interface.unnumbered)
            for name, interface in interfaces.items()
        }
        by_area = {area.area: area.authentication for area in process.areas}

        def authentication(name: str, area: IPv4Address) -> str | None:
            kind = interfaces[name].ospf.authentication if name in interfaces else None
            kind = kind or by_area.get(area)
            return None if kind in (None, OspfAuthentication.NULL) else kind.value

        return parse_ospf(number, answers, self._ios_names, facts, authentication)

    async def clear_ospf(self, process: int | None = None) -> None:
        """`clear ip ospf process`: adjacencies are built anew."""
        for number in self._config.ospf:
            if process in (None, number):
                name = instance_name(number, self._choices)
                if name in self._children:
                    middle = "" if name == "ospfd" else f" {number}"
                    await self._children[name].vty.command(f"clear ip ospf{middle} process")


def _merged(old: DaemonConfig | None, new: DaemonConfig) -> DaemonConfig:
    """Everything either may have set, so that a difference from it takes away what must not be there."""
    sections = {} if old is None else dict(old.sections)
    for header, lines in new.sections.items():
        sections[header] = tuple(dict.fromkeys([*sections.get(header, ()), *lines]))
    return DaemonConfig(sections)


def _user_exists() -> bool:
    try:
        pwd.getpwnam(_USER)
        grp.getgrnam(_USER)
    except KeyError:
        return False
    return True


def _status(code: int) -> str:
    """A shell reports a child's end by a signal as 128 and the signal's number."""
    number = -code if code < 0 else code - 128 if code > 128 else None
    return f"exit status {code}" if number is None else signal.Signals(number).name
