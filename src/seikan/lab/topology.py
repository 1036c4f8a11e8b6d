"""Two routers and the provider between them, each in a network namespace of its own.

    R1  Loopback0 1.1.1.1/32                               R3  Loopback0 3.3.3.3/32
        FastEthernet0/0 10.1.12.1/24 --- R2 (provider) --- FastEthernet1/0 10.1.23.3/24

A lab has an id; everything it makes carries it: namespaces `seikan-ID-R1`, the directory
`/run/seikan-lab/ID`. Interfaces are made inside the namespaces, so that several labs, and the
host, never see each other's names.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from seikan.lab.wait import wait_until

ROOT = Path("/run/seikan-lab")
PROVIDER = "R2"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")


class LabError(Exception):
    """A lab could not be built, found or taken down; the text is one line for the user."""


@dataclass(frozen=True, slots=True)
class Link:
    """One wire from a router to the provider: Linux names, addresses with their prefix lengths."""

    ios_name: str
    linux_name: str
    address: str
    provider_linux_name: str
    provider_address: str


@dataclass(frozen=True, slots=True)
class Router:
    """A Seikan router of the lab: its wire and the base configuration it starts with."""

    name: str
    link: Link
    base: str


@dataclass(frozen=True, slots=True)
class Topology:
    """The routers; the provider joins their wires and forwards between them, knowing nothing of what is behind."""

    name: str
    routers: tuple[Router, ...]

    def router(self, name: str) -> Router:
        for router in self.routers:
            if router.name.lower() == name.lower():
                return router
        known = ", ".join(router.name for router in self.routers)
        raise LabError(f'no router "{name}" in this lab: it has {known}')


def _base(name: str, loopback: str, wan: str, address: str, mask: str, gateway: str) -> str:
    return "\n".join(
        (
            f"hostname {name}",
            "!",
            "interface Loopback0",
            f" ip address {loopback} 255.255.255.255",
            "!",
            f"interface {wan}",
            " description to the provider",
            f" ip address {address} {mask}",
            "!",
            "router ospf 1",
            f" router-id {loopback}",
            f" network {loopback} 0.0.0.0 area 0",
            "!",
            f"ip route 0.0.0.0 0.0.0.0 {gateway}",
            "!",
            "end",
            "",
        )
    )


VTI = Topology(
    "vti",
    (
        Router(
            "R1",
            Link("FastEthernet0/0", "wan0", "10.1.12.1/24", "to-r1", "10.1.12.2/24"),
            _base("R1", "1.1.1.1", "FastEthernet0/0", "10.1.12.1", "255.255.255.0", "10.1.12.2"),
        ),
        Router(
            "R3",
            Link("FastEthernet1/0", "wan1", "10.1.23.3/24", "to-r3", "10.1.23.2/24"),
            _base("R3", "3.3.3.3", "FastEthernet1/0", "10.1.23.3", "255.255.255.0", "10.1.23.2"),
        ),
    ),
)
TOPOLOGIES: Mapping[str, Topology] = MappingProxyType({VTI.name: VTI})


def run(*command: str, check: bool = True, limit: float = 20.0) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; LabError with its own words when it fails or takes more than `limit` seconds."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except FileNotFoundError:
        raise LabError(f'the program "{command[0]}" is not installed: run make setup') from None
    except subprocess.TimeoutExpired:
        raise LabError(f'"{" ".join(command)}" did not finish within {limit:.0f} seconds') from None
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise LabError(f'"{" ".join(command)}": {said[-1] if said else f"exit status {done.returncode}"}')
    return done


def start_time(pid: int) -> str | None:
    """When process `pid` started (field 22 of /proc/PID/stat, clock ticks): with the pid it names one process.

    None where no such process runs.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def namespaces() -> set[str]:
    """The named network namespaces of this host."""
    directory = Path("/run/netns")
    return {entry.name for entry in directory.iterdir()} if directory.is_dir() else set()


@dataclass(slots=True)
class Lab:
    """One lab on this host, running or left behind: its directory says which."""

    id: str
    topology: Topology = VTI

    @property
    def directory(self) -> Path:
        return ROOT / self.id

    @property
    def _state_file(self) -> Path:
        return self.directory / "lab.json"

    def namespace(self, router: str) -> str:
        return f"seikan-{self.id}-{router}"

    def router_directory(self, router: str) -> Path:
        return self.directory / router

    @property
    def log(self) -> Path:
        return self.directory / "lab.log"

    # -- the life of a lab --------------------------------------------------

    @classmethod
    def create(cls, topology: Topology, wanted: str | None) -> Lab:
        """Claim an id (the directory is the claim) and note this process as its owner."""
        if wanted is not None and not _ID.fullmatch(wanted):
            raise LabError(f'"{wanted}" cannot name a lab: letters, digits, ".", "_" and "-", at most 32')
        ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
        for number in range(1, 1000):
            lab = cls(wanted or (topology.name if number == 1 else f"{topology.name}-{number}"), topology)
            if lab._claim():
                return lab
            if wanted is not None:
                raise LabError(f'lab "{wanted}" exists: seikan lab down --name {wanted}, or another name')
        raise LabError("too many labs on this host: seikan lab list")

    @classmethod
    def load(cls, identifier: str) -> Lab:
        """The lab of that id, from what it wrote."""
        try:
            state = json.loads((ROOT / identifier / "lab.json").read_text())
        except (FileNotFoundError, NotADirectoryError):
            raise LabError(f'no lab "{identifier}" on this host: seikan lab list shows those there are') from None
        except ValueError:
            state = {}
        return cls(identifier, TOPOLOGIES.get(state.get("topology", ""), VTI))

    @classmethod
    def all(cls) -> tuple[Lab, ...]:
        """Every lab on this host, in order of its id."""
        return tuple(cls.load(entry.name) for entry in sorted(ROOT.glob("[!.]*")) if (entry / "lab.json").exists())

    def _claim(self) -> bool:
        # A directory appears with its owner's name in it, or a sweep could take it for a ruin.
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=ROOT))
        fresh.chmod(0o755)
        (fresh / "lab.json").write_text(self._state(os.getpid()))
        try:
            fresh.rename(self.directory)
        except OSError as error:
            shutil.rmtree(fresh)
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return False
            raise LabError(f"{self.directory}: {error.strerror}") from None
        return True

    def _state(self, owner: int | None) -> str:
        started = start_time(owner) if owner is not None else None
        return json.dumps({"topology": self.topology.name, "owner": owner, "owner_started": started})

    def _write_state(self, owner: int | None) -> None:
        partial = self._state_file.with_suffix(".new")
        partial.write_text(self._state(owner))
        partial.replace(self._state_file)

    def keep(self) -> None:
        """It is complete: from now on it outlives the process that built it."""
        self._write_state(None)

    @property
    def owner(self) -> int | None:
        """The process that builds it; None once it is complete."""
        try:
            return json.loads(self._state_file.read_text()).get("owner")  # type: ignore[no-any-return]
        except (FileNotFoundError, ValueError):
            return None

    @property
    def abandoned(self) -> bool:
        """True where the process that built it ended without finishing or cleaning up."""
        try:
            state = json.loads(self._state_file.read_text())
            owner, started = state["owner"], state["owner_started"]
        except (FileNotFoundError, ValueError, KeyError):
            return True
        return owner is not None and start_time(owner) != started

    def build(self) -> None:
        """Make the namespaces, the wires and the routers' files."""
        provider = self.namespace(PROVIDER)
        run("ip", "netns", "add", provider)
        _quiet_ipv6(provider, "default")
        run("ip", "netns", "exec", provider, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        run("ip", "-n", provider, "link", "set", "lo", "up")
        for router in self.topology.routers:
            name, link = self.namespace(router.name), router.link
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
            run(
                *("ip", "link", "add", link.provider_linux_name, "netns", provider),
                *("type", "veth", "peer", "name", link.linux_name, "netns", name),
            )
            _quiet_ipv6(name, link.linux_name)
            run("ip", "-n", provider, "address", "add", link.provider_address, "dev", link.provider_linux_name)
            run("ip", "-n", provider, "link", "set", "dev", link.provider_linux_name, "up")
            run("ip", "-n", name, "link", "set", "dev", link.linux_name, "up")
            directory = self.router_directory(router.name)
            directory.mkdir(mode=0o755)
            config = directory / "startup-config"
            config.touch(mode=0o600)
            config.write_text(router.base)
            (directory / "interfaces.map").write_text(
                f"# IOS name, Linux name: the wire to the provider\n{link.ios_name} {link.linux_name}\n"
            )

    def processes(self) -> dict[int, str]:
        """Every process in the lab's namespaces: pid to the namespace's name."""
        prefix = f"seikan-{self.id}-"
        found: dict[int, str] = {}
        for name in namespaces():
            if name.startswith(prefix) and name.removeprefix(prefix) in self._nodes:
                listed = run("ip", "netns", "pids", name, check=False).stdout.split()
                found.update((int(pid), name) for pid in listed)
        return found

    @property
    def _nodes(self) -> tuple[str, ...]:
        return (PROVIDER, *(router.name for router in self.topology.routers))

    def take_down(self) -> None:
        """End the lab's processes, remove its namespaces (and with them every interface) and its directory."""
        for number, limit in ((signal.SIGTERM, 8.0), (signal.SIGKILL, 5.0)):
            for pid in self.processes():
                if pid != os.getpid():
                    try:
                        os.kill(pid, number)
                    except ProcessLookupError:
                        continue
            if wait_until(lambda: not (self.processes().keys() - {os.getpid()}), limit):
                break
        present = namespaces()
        for node in self._nodes:
            name = self.namespace(node)
            if name in present:
                run("ip", "netns", "delete", name)
        shutil.rmtree(self.directory, ignore_errors=True)


def _quiet_ipv6(namespace: str, device: str) -> None:
    # The wires carry IPv4 alone; without this a capture would show the kernel's neighbour discovery.
    run("ip", "netns", "exec", namespace, "sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=1")


def sweep() -> tuple[str, ...]:
    """Take down every lab whose builder is gone; returns their ids."""
    abandoned = [lab for lab in Lab.all() if lab.abandoned]
    for lab in abandoned:
        lab.take_down()
    return tuple(lab.id for lab in abandoned)
