"""One router: builds the rooms, holds the running configuration, and takes every change through one path."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from seikan.cli.requests import KEYLOG
from seikan.cli.status import Need, Status
from seikan.config.model import Config
from seikan.config.parse import parse
from seikan.config.validate import validate
from seikan.daemon.access import Accesses, outdated_text, templates
from seikan.daemon.apply import Applier
from seikan.daemon.client import runtime_base
from seikan.daemon.collect import Collector
from seikan.daemon.crypto import IKE_PORT, NAT_PORT, CryptoDriver, DebugLine, Hooks, topics_of
from seikan.daemon.faults import fault
from seikan.daemon.filters import clear_text
from seikan.daemon.interfaces import Interfaces
from seikan.daemon.links import LinkWatch
from seikan.daemon.maps import Around, CryptoMaps
from seikan.daemon.names import Names
from seikan.daemon.pki import PkiStore
from seikan.daemon.revocation import Revocation
from seikan.daemon.routes import TOPIC, RouteDebug
from seikan.daemon.settings import Negotiable, engine_settings, sessions
from seikan.daemon.settings_ikev2 import Held
from seikan.daemon.soon import Soon
from seikan.daemon.terminals import Login, run_command, stamp
from seikan.daemon.tunnels import Surroundings, Tunnels
from seikan.ike.effects import CheckRevocation, CreateAccess, MoveAccess, RemoveAccess
from seikan.ike.settings import EngineSettings
from seikan.plane.base import Plane, PlaneError
from seikan.plane.userspace import UserspacePlane
from seikan.system.control import ControlConnection, ControlServer
from seikan.system.errors import AdapterError
from seikan.system.firewall import Firewall
from seikan.system.frr import Frr
from seikan.system.frr_log import AdjacencyChange
from seikan.system.journal import Journal, Severity
from seikan.system.netlink import Netlink
from seikan.system.netlink_events import Change, NetlinkEvents
from seikan.system.nft_events import NftEvents
from seikan.system.notify import Notifier
from seikan.system.process import harden
from seikan.system.state import KEYLOG_FILE, StateDirectory
from seikan.system.store import CONTROL_SOCKET, RuntimeDirectory, StartupStore, read_interface_map
from seikan.system.udp import IkeSockets
from seikan.wire.secret import Secret

Address = IPv4Address | IPv6Address

INTERFACE_MAP = "interfaces.map"
REST = 0.1  # seconds at least from one look at the surroundings to the next
REST_SHARE = 4  # of the time that a look took: constant change leaves most of the processor to others
CLEAR_AGAIN = 60.0  # seconds from one log line of a packet in clear to the next, as in IOS
ENGINE_KEYLOG = "ikev2-keylog"  # what the engine calls that topic
TICKET_KEY, TICKET_KEY_OCTETS = "ticket-key", 32
RETRY = 5.0  # seconds between tries to get what another program holds


class StartError(Exception):
    """The router cannot start at all; one line says why."""


class Router:
    """The composition root. `run` returns the exit status."""

    def __init__(self, config_path: Path, name: str, *, strict: bool) -> None:
        self.name = name
        self.strict = strict
        self.store = StartupStore(config_path)
        self.state = StateDirectory(config_path)
        self.pki = PkiStore(self.state)
        self.revocation = Revocation(self.pki.crls)
        self._ticket: Secret | None = None
        self.running = Config()
        self.effective = Config()  # what runs: `running` with what the router adds itself
        self.revision = 0
        self.changed_at: datetime | None = None
        self.changed_by: str | None = None
        self.typed: set[str] = set()  # interfaces whose address was typed since the start
        self.started = time.monotonic()
        self.journal = Journal()
        self.logins: set[Login] = set()
        self.clock: Callable[[], float] = time.monotonic
        self._directory = RuntimeDirectory(name, base=runtime_base())
        self._lock = asyncio.Lock()
        self._problems: dict[str, str] = {}
        self.looking = Soon(self._look, self._lock, self._spawn, lambda took: max(REST, took * REST_SHARE))
        self._deriving = Soon(self._derive, self._lock, self._spawn, lambda took: took)
        self.announcing = Soon(self._announce, self._lock, self._spawn, lambda took: took)
        self._changeable = True
        self._told_clear = -CLEAR_AGAIN
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    # life

    async def run(self) -> int:
        """Start, serve until a signal says stop, take everything down again."""
        text = self._read_startup()
        self._directory.acquire()
        notifier = Notifier()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._directory.release)
            if self._directory.crashed:
                self.journal.log("SYS", 5, "RESTART", "the last run ended without cleaning up; starting anew")
            # first: it knows what a killed router left, and undoes it even where this one does not start
            netlink = Netlink(self._directory.path / "ledger")
            await netlink.open()
            firewall = Firewall(self.name)
            # The filter goes last: it keeps things in while they are forwarded.
            stack.push_async_callback(firewall.remove, leftover=self._directory.crashed)
            stack.push_async_callback(netlink.close)
            config = self._parse(text)
            for problem in self.pki.load():
                self.journal.log("PKI", 3, "STORE", problem)
            await self._build(stack, netlink, firewall)
            await self.load(config, kept=self._directory.crashed)
            await self._try("firewall", firewall.sweep())  # until now it has kept in what must not leave in clear
            await self._try("forwarding", self._forward())
            await self._try("sweep", netlink.sweep())
            server = ControlServer(self._directory.path / CONTROL_SOCKET, self._serve)
            await server.open()
            stack.push_async_callback(server.close)
            self._spawn(self._watchdog(notifier))
            print(f"seikan: ready ({self.name})", file=sys.stderr, flush=True)
            _settle_memory()
            notifier.ready(f"{self.running.hostname} is routing")
            await self._stop.wait()
            notifier.stopping()
            self.crypto.close()  # before all else: the peers learn it while everything still stands
            for login in list(self.logins):
                login.end()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            async with self._lock:  # a change under way comes to its end
                self._changeable = False
            devices = [state.device for state in self.tunnels.states.values()]
            await self._try("devices", netlink.remove_devices(devices))
        notifier.close()
        self.journal.close()
        return 0

    def _read_startup(self) -> str:
        text = self.store.read()
        if text is None:
            raise StartError(f"{self.store.path}: no such file; put the startup configuration there (it may be empty)")
        return text

    async def _build(self, stack: contextlib.AsyncExitStack, netlink: Netlink, firewall: Firewall) -> None:
        names = dict(read_interface_map(self.store.path.parent / INTERFACE_MAP))
        events = NetlinkEvents(self._surroundings_changed)
        events.open()
        stack.callback(events.close)
        frr = Frr(
            self._directory.path / "frr",
            "seikan-" + re.sub(r"[^A-Za-z0-9_-]", "-", self.name),
            on_adjacency=self._adjacency,
            on_problem=lambda line: self._problem("frr", line),
        )
        stack.push_async_callback(frr.stop)
        await self._try("frr-start", frr.start())
        self.compose(netlink, frr, self._make_plane(stack), firewall, names, watch=events.watch)
        stack.callback(self.crypto.close)
        stack.callback(self.route_debug.close)
        filters = NftEvents(lambda: self._spawn(self._try("firewall", self.firewall.counters())))  # puts it back
        filters.open()
        stack.callback(filters.close)

    def compose(
        self,
        netlink: Netlink,
        frr: Frr,
        plane: Plane | None,
        firewall: Firewall,
        names: Mapping[str, str],
        *,
        watch: Callable[[Iterable[Address]], None],
        sockets: Callable[[], IkeSockets] = lambda: IkeSockets(IKE_PORT, NAT_PORT),
    ) -> None:
        """Put the parts together. `watch` is told the destinations whose routes matter."""
        self.netlink, self.frr, self.plane, self.watch = netlink, frr, plane, watch
        self.tunnels = Tunnels(plane, self._surroundings())
        self.interfaces = Interfaces(netlink, names, self.tunnels.device_of)
        self.links = LinkWatch(self.interfaces.linux_name, self.journal.log)
        self.firewall = firewall
        self.accesses = Accesses(self.clock, self._later, self.journal.log, self._deriving.ask)
        self.names = Names(self.clock, self._later, self._spawn, self.journal.log, self._names_changed)
        self.maps = CryptoMaps(plane, netlink, self._around_maps())
        self.crypto = CryptoDriver(
            engine_settings(self.running, Negotiable(), self.address_of),
            plane,
            self.journal,
            self._hooks(),
            clock=self.clock,
            sockets=sockets,
        )
        self.route_debug = RouteDebug(
            lambda: frr.routes(), lambda text: self._debug(DebugLine(TOPIC, text)), self._spawn
        )
        self.collector = Collector(self)
        self.applier = Applier(self)

    async def _try(self, part: str, step: Awaitable[object]) -> None:
        """A step that the rest can do without; what it says is shown as a problem until it works."""
        try:
            await step
        except (AdapterError, PlaneError) as error:
            self._problem(part, str(error))
        else:
            self._problems.pop(part, None)

    def _make_plane(self, stack: contextlib.AsyncExitStack) -> Plane | None:
        try:
            plane = UserspacePlane()
        except PlaneError as error:
            self._problem("plane", str(error))
            return None
        stack.callback(plane.close)
        return plane

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            now=self.clock,
            at=lambda when, call: self._later(when, call),
            linux_name=lambda name: self.interfaces.linux_name(name),
            log=self.journal.log,
            start=lambda name: self.crypto.start(name),
            stop=lambda name, reason: self.crypto.stop(name, reason),
            plane_problem=lambda: self._problems.get("plane"),
            crypto_problem=lambda: self.crypto.problem,
            name_problem=lambda name: self.names.problem(name),
        )

    def _hooks(self) -> Hooks:
        return Hooks(
            bundle_of=lambda owner: self.maps.bundle_of(owner) or self.tunnels.bundle_of(owner),
            tunnel_changed=self.tunnels.sa_changed,
            path_mtu_changed=self.tunnels.path_mtu,
            agreed=self._agreed,
            access=self._access,
            flow=self.maps.take,
            keepalive=self.tunnels.keepalives.answered,
            debug=self._debug,
            keylog=self._keylog,
            check_revocation=lambda effect: self._spawn(self._check_revocation(effect)),
        )

    async def _check_revocation(self, effect: CheckRevocation) -> None:
        outcome: str | None = "the check has failed"
        try:
            outcome = await self.revocation.check(effect, self.running.pki.trustpoints.get(effect.trustpoint))
        finally:  # the negotiation waits for an answer, whatever becomes of the check
            self.crypto.complete(effect.effect_id, outcome)

    def _around_maps(self) -> Around:
        return Around(
            linux_name=lambda name: self.interfaces.linux_name(name),
            log=self.journal.log,
            start=lambda name: self.crypto.start(name),
            stop=lambda name, reason: self.crypto.stop(name, reason),
            negotiate=self._negotiate_again,
            derive=self._deriving.ask,
        )

    def _agreed(self, owner: str, udp: bool, transport: bool) -> None:
        if self.maps.bundle_of(owner) is not None:
            self.maps.set_udp(owner, udp)
        else:
            self.tunnels.agreed(owner, udp, transport)

    def _later(self, when: float, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(max(0.0, when - self.clock()), call)

    def _parse(self, text: str) -> Config:
        """Read the startup configuration; everything that it gets wrong is reported, all at once.

        Raises `StartError` where `--strict` forbids to start with that.
        """
        parsed = parse(text, str(self.store.path))
        problems = [*parsed.problems, *validate(parsed.config, parsed.places)]
        wrong = [problem for problem in problems if problem.severity.fatal(strict=True)]
        if self.strict and wrong:
            for problem in problems:
                print(problem, file=sys.stderr, flush=True)
            raise StartError(f"{self.store.path}: {len(wrong)} errors; nothing was started, as --strict asks")
        for problem in problems:
            severity = Severity.ERRORS if problem in wrong else Severity.WARNINGS
            self.journal.log("SYS", severity, "CONFIG", str(problem))
        return parsed.config

    async def load(self, config: Config, *, kept: bool = False) -> None:
        """Run the startup configuration as far as it goes: the daemon stays up where it can.

        `kept`: what a killed router left still keeps in what must not leave in clear.
        """
        async with self._lock:
            derived = self._derived(config)
            await self.applier.load(derived, kept=kept)
            self.running, self.effective = config, derived
            self.revision += 1
            self._derive_if_new()

    async def _forward(self) -> None:
        """Route between interfaces, once crypto maps can hold back what must not leave in clear."""
        if self.applier.leaks:
            raise AdapterError("no packets are forwarded, because nothing enforces the crypto maps: install nftables")
        self.netlink.enable_forwarding()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.internal_error(error)

    def internal_error(self, error: BaseException) -> str:
        """Log a fault of this program by its kind and place; its text may hold anything, so it is not told."""
        text = fault(error)
        self.journal.log("SYS", 2, "INTERNAL", text)
        return text

    async def _watchdog(self, notifier: Notifier) -> None:
        """Tell the service manager that the loop turns; sample counters; try again what did not work."""
        due = self.clock()
        while True:
            notifier.watchdog()
            if self.clock() >= due:
                due = self.clock() + RETRY
                await self._try("counters", self.collector.sample())
                await self._try("clear-packets", self._tell_clear_packets())
                await self._try("retry", self._retry())
            await asyncio.sleep(min(RETRY, notifier.watchdog_interval or RETRY))

    async def _tell_clear_packets(self) -> None:
        """What a crypto map would have had encrypted and came in clear: one packet in a while, as IOS tells it."""
        for packet in await self.firewall.samples() if self.maps.states else ():
            if self._told_clear + CLEAR_AGAIN > self.clock():
                return  # the others are forgotten: `show crypto ipsec sa` counts them
            self._told_clear = self.clock()
            self.journal.log("CRYPTO", 4, "RECVD_PKT_NOT_IPSEC", clear_text(packet))

    async def _retry(self) -> None:
        if self.crypto.retry_listen():
            self.tunnels.refresh()
        async with self._lock:
            await self.applier.retry(self.effective)
            if "forwarding" in self._problems:
                await self._try("forwarding", self._forward())

    # changes

    async def change(self, candidate: Config, revision: int, *, by: str) -> list[str]:
        """Make `candidate` the running configuration. An empty list: done; else why not, and nothing is changed.

        Whoever asked may go away meanwhile: a change that has begun comes to its end.
        """
        return await asyncio.shield(asyncio.ensure_future(self._change(candidate, revision, by)))

    async def _change(self, candidate: Config, revision: int, by: str) -> list[str]:
        async with self._lock:
            if revision != self.revision:
                return ["The configuration was changed from another terminal meanwhile: enter the line again"]
            if not self._changeable:
                return ["The router is stopping"]
            known = set(map(str, validate(self.running)))
            problems = [problem for problem in validate(candidate) if str(problem) not in known]
            errors = [problem.text for problem in problems if problem.severity.fatal(strict=False)]
            if errors:
                return errors
            derived = self._derived(candidate)
            try:
                await self.applier.apply(self.effective, derived)
            except (AdapterError, PlaneError) as error:
                return [str(error)]
            self._remember_typed(candidate)
            self._tell_outdated(self.accesses.outdated(self.running), self.accesses.outdated(candidate))
            self.running, self.effective = candidate, derived
            self.revision += 1
            self.changed_at, self.changed_by = stamp(), by
            self._derive_if_new()
        return []

    def _tell_outdated(self, before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]) -> None:
        for template, clones in after.items():
            if template not in before:
                self.journal.log("VTEMPLATE", 5, "OUTDATED", outdated_text(template, clones))

    # what the router adds to its configuration

    def _derived(self, config: Config) -> Config:
        """What runs under `config`: with the Virtual-Access interfaces, the addresses of tunnel destinations that are
        names, and the reverse routes that there are now.
        """
        derived = self.names.derive(self.accesses.derive(config))
        routes = [route for route in self.maps.routes() if route not in derived.routes]
        return replace(derived, routes=(*derived.routes, *routes)) if routes else derived

    def _access(self, effect: CreateAccess | MoveAccess | RemoveAccess) -> None:
        access = self.accesses.take(effect, self.running)
        if access is not None:
            # Its SAs are installed next; addresses, routing and filters follow as soon as others let them.
            self.tunnels.add(access.name, access.interface, tolerant=True)

    def _names_changed(self) -> None:
        """Addresses of names are part of what runs; why there are none is a reason of tunnels."""
        self._deriving.ask()
        self.tunnels.refresh()

    def _derive_if_new(self) -> None:
        """Reverse routes follow from the maps as they run, which were not there or others before the change."""
        if self._derived(self.running) != self.effective:
            self._deriving.ask()

    async def _derive(self) -> None:
        derived = self._derived(self.running)
        if not self._leaving():
            await self.applier.follow(self.effective, derived)
            self.effective = derived

    def negotiable(self, config: Config) -> Negotiable:
        """What the engine shall negotiate under `config`, with the ends of everything as they are now."""
        return Negotiable(
            sessions(config, [*self.tunnels.protected(), *self.maps.protected()]),
            templates(config, self.address_of),
            self.maps.dynamic_maps(),
        )

    def settings_of(self, config: Config) -> EngineSettings:
        """All that the engine is to know while `config` runs."""
        held = replace(self.held, ticket_key=self._ticket_key()) if config.ikev2.profiles else self.held
        return engine_settings(config, self.negotiable(config), self.address_of, held)

    @property
    def held(self) -> Held:
        """What the router has that is in no configuration."""
        return Held(self.addresses_of, self.pki.key, self.pki.certificate_file, self.pki.crls)

    def _ticket_key(self) -> Secret | None:
        if self._ticket is None:
            try:
                self._ticket = self.state.secret(TICKET_KEY, TICKET_KEY_OCTETS)
            except AdapterError as error:
                self._problem("state", f"sessions cannot be resumed after a restart: {error}")
        return self._ticket

    def settings_changed(self) -> None:
        """Keys or revocation lists, which are in no configuration, are others now."""
        self._negotiate_again()

    def owner_of(self, interface: str) -> str:
        """Whose SAs carry an interface's packets."""
        state = self.tunnels.states.get(interface)
        return interface if state is None else state.owner

    def owners_of_map(self, tag: str) -> Iterable[str]:
        """Whose SAs `show crypto ipsec sa` lists under this crypto map tag: a map's interfaces, or a tunnel."""
        held = [name for name, state in self.maps.states.items() if state.crypto_map.name == tag]
        return held or [self.owner_of(tag.removesuffix("-head-0"))]

    def _negotiate_again(self) -> None:
        """A crypto map has chosen another peer; not at once, the engine may be in the middle of telling so."""
        asyncio.get_running_loop().call_soon(self._negotiate_now)

    def _negotiate_now(self) -> None:
        if self._changeable:
            self.crypto.configure(self.settings_of(self.effective))
            self.maps.set_going()

    def _remember_typed(self, candidate: Config) -> None:
        for name, interface in candidate.interfaces.items():
            before = self.running.interfaces.get(name)
            if before is None or before.address != interface.address:
                self.typed.add(name)

    def configured_from(self, origin: str) -> None:
        self.journal.log("SYS", 5, "CONFIG_I", f"Configured from {origin} by {origin}")

    # the world changed

    def _surroundings_changed(self, _changes: frozenset[Change]) -> None:
        self.looking.ask()

    def _leaving(self) -> bool:
        """Everything goes together: what it looks like meanwhile must not be put right."""
        return self._stop.is_set() or not self._changeable

    async def _look(self) -> None:
        if self.revision and not self._leaving():  # without a revision nothing runs yet, and `load` looks itself
            await self._try("surroundings", self.applier.surroundings_changed(self.effective))

    async def _announce(self) -> None:
        if not self._leaving():
            await self._try("frr-addresses", self.applier.announce())

    def _adjacency(self, change: AdjacencyChange) -> None:
        if change.significant:
            self.journal.log(
                "OSPF",
                5,
                "ADJCHG",
                f"Process {change.process}, Nbr {change.router_id} on {change.interface} "
                f"from {change.old_state} to {change.new_state}, {change.reason}",
            )

    def debugging_changed(self) -> None:
        """A terminal asked for debugging, or stopped: the engine makes lines for what somebody reads."""
        topics = frozenset(topic for login in self.logins for topic in login.debugging)
        keylog = {ENGINE_KEYLOG} if KEYLOG in topics else set()
        self.crypto.engine.debugging = topics_of(topics - {KEYLOG, TOPIC}) | keylog
        self.route_debug.wanted(TOPIC in topics)

    def _debug(self, line: DebugLine) -> None:
        for login in self.logins:
            login.debug(line)

    def _keylog(self, line: Secret) -> None:
        """Keys go to their file alone, and only while somebody wants them there."""
        if any(KEYLOG in login.debugging for login in self.logins):
            try:
                self.state.append(line + b"\n", KEYLOG_FILE)
            except AdapterError as error:
                self._problem("keylog", str(error))

    def _problem(self, part: str, line: str) -> None:
        if self._problems.get(part) != line:
            self.journal.log("SYS", 3, "PROBLEM", line)
        self._problems[part] = line

    # answers

    @property
    def problems(self) -> tuple[str, ...]:
        lines = [line for part, line in self._problems.items() if part != "frr"]
        crypto = [self.crypto.problem] if self.crypto.problem else []
        return (*lines, *crypto, *self.frr.problems)

    def address_of(self, interface: str) -> Address | None:
        """The primary address of an interface, as it is on the system now."""
        primary = self.interfaces.primary_address(interface)
        return primary.ip if primary is not None else None

    def addresses_of(self, interface: str) -> tuple[Address, ...]:
        """The primary addresses of an interface, of both IP versions, as they are on the system now."""
        device = self.interfaces.linux_name(interface)
        found = (self.address_of(interface), self.interfaces.view.primary_ipv6(device))
        return tuple(address for address in found if address is not None)

    async def status(self, needs: frozenset[Need], debugging: tuple[str, ...]) -> Status:
        return await self.collector.status(needs, debugging)

    async def _serve(self, connection: ControlConnection) -> int:
        """One terminal, or one command, from its first octet to its last; the client's exit status."""
        try:
            return await self._talk(connection)
        except AdapterError as error:
            connection.write(f"% {error}\n", error=True)
        except Exception as error:  # noqa: BLE001 one terminal's trouble is nobody else's
            connection.write(f"% {self.internal_error(error)}\n", error=True)
        return 1

    async def _talk(self, connection: ControlConnection) -> int:
        hello = connection.hello
        if hello.mode == "exec":
            return await run_command(self, hello.command, connection)
        login = Login(self, connection)
        self.logins.add(login)
        try:
            await login.serve()
        finally:
            login.end()
            self.logins.discard(login)
            self.debugging_changed()
        return 0


_YOUNG_OBJECTS = 5_000  # that were made and not freed again, before they are looked at


def _settle_memory() -> None:
    """What the program itself consists of stays: the garbage collector need not look at it again and again.

    Little of what a negotiation makes is in cycles, so it may look for those less often than Python would.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)


def run(config: Path, name: str, *, strict: bool) -> int:
    """`seikan run`: the exit status; every reason not to start is one line on standard error."""
    if os.geteuid() != 0:
        print("seikan: run needs root, for tunnel devices, addresses and UDP port 500: use sudo", file=sys.stderr)
        return 1
    harden()

    async def main() -> int:
        return await Router(config, name, strict=strict).run()

    try:
        return asyncio.run(main())
    except (StartError, AdapterError, PlaneError) as error:
        print(f"seikan: {error}", file=sys.stderr)
        return 1
