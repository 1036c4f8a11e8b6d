"""A lab on this host: claimed, built, found again, and taken down whole.

A lab has an id; everything it makes carries it: namespaces `seikan-ID-R1`, the directory
`/run/seikan-lab/ID`. Interfaces are made inside the namespaces, so that several labs, and the
host, never see each other's names. What is needed to use a lab or to take it down stands in its
`lab.json`, so that any later version of the program can.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seikan.lab.namespaces import inside, namespaces, run, start_time
from seikan.lab.topology import LabError, Machine, Router, Topology
from seikan.lab.wait import wait_until

ROOT = Path("/run/seikan-lab")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab, running or left behind. `kind` is its topology's name; `routers` run Seikan, `machines` only Linux."""

    id: str
    kind: str
    routers: tuple[str, ...]
    machines: tuple[str, ...]

    @property
    def directory(self) -> Path:
        return ROOT / self.id

    @property
    def _state_file(self) -> Path:
        return self.directory / "lab.json"

    @property
    def nodes(self) -> tuple[str, ...]:
        """Every node's name, routers first."""
        return (*self.routers, *self.machines)

    def node(self, name: str) -> str:
        """A node's name in its own letters; LabError where the lab has no such node."""
        for node in self.nodes:
            if node.lower() == name.lower():
                return node
        raise LabError(f'no router or host "{name}" in lab {self.id}: it has {", ".join(self.nodes)}')

    def namespace(self, node: str) -> str:
        return f"seikan-{self.id}-{node}"

    def router_directory(self, router: str) -> Path:
        return self.directory / router

    def capture_file(self, router: str) -> Path:
        """Where what the provider sees of a router's wire is written."""
        return self.directory / f"provider-{router}.pcap"

    def router_log(self, router: str) -> Path:
        return self.router_directory(router) / "log"

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
        routers = tuple(router.name for router in topology.routers)
        machines = tuple(machine.name for machine in topology.machines)
        for number in range(1, 1000):
            identifier = wanted or (topology.name if number == 1 else f"{topology.name}-{number}")
            lab = cls(identifier, topology.name, routers, machines)
            if lab._claim():
                return lab
            if wanted is not None:
                raise LabError(f'lab "{wanted}" exists: seikan lab down --name {wanted}, or another name')
        raise LabError("too many labs on this host: seikan lab list")

    @classmethod
    def load(cls, identifier: str) -> Lab:
        """The lab of that id, from what it wrote."""
        try:
            state = _state(ROOT / identifier / "lab.json")
        except (FileNotFoundError, NotADirectoryError):
            raise LabError(f'no lab "{identifier}" on this host: seikan lab list shows those there are') from None
        if not state:
            # Names of nodes have no hyphen: what follows the id tells this lab's namespaces from those of "ID-2".
            prefix = f"seikan-{identifier}-"
            left = (name.removeprefix(prefix) for name in namespaces() if name.startswith(prefix))
            return cls(identifier, "unreadable", (), tuple(sorted(node for node in left if "-" not in node)))
        return cls(identifier, state["kind"], tuple(state["routers"]), tuple(state["machines"]))

    @classmethod
    def all(cls) -> tuple[Lab, ...]:
        """Every lab on this host, in order of its id."""
        return tuple(cls.load(entry.name) for entry in sorted(ROOT.glob("[!.]*")) if (entry / "lab.json").exists())

    def _claim(self) -> bool:
        # A directory appears with its owner's name in it, or a sweep could take it for a ruin.
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=ROOT))
        fresh.chmod(0o755)
        (fresh / "lab.json").write_text(self._described(os.getpid()))
        try:
            fresh.rename(self.directory)
        except OSError as error:
            shutil.rmtree(fresh)
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return False
            raise LabError(f"{self.directory}: {error.strerror}") from None
        return True

    def _described(self, owner: int | None) -> str:
        started = start_time(owner) if owner is not None else None
        nodes = {"routers": self.routers, "machines": self.machines}
        return json.dumps({"kind": self.kind, **nodes, "owner": owner, "owner_started": started})

    def keep(self) -> None:
        """It is complete: from now on it outlives the process that built it."""
        partial = self._state_file.with_suffix(".new")
        partial.write_text(self._described(None))
        partial.replace(self._state_file)

    @property
    def owner(self) -> int | None:
        """The process that builds it; None once it is complete."""
        try:
            return _state(self._state_file).get("owner")
        except FileNotFoundError:
            return None

    @property
    def abandoned(self) -> bool:
        """True where the process that built it ended without finishing or cleaning up."""
        try:
            state = _state(self._state_file)
            owner, started = state["owner"], state["owner_started"]
        except (FileNotFoundError, KeyError):
            return True
        return owner is not None and start_time(owner) != started

    def build(self, topology: Topology) -> None:
        """Make the namespaces, the wires and the routers' files."""
        for node in topology.nodes:
            run("ip", "netns", "add", self.namespace(node))
            run("ip", "-n", self.namespace(node), "link", "set", "lo", "up")
        for machine in topology.machines:
            self._set_up_machine(machine)
        for wire in topology.wires:
            one, other = wire.ports
            run(
                *("ip", "link", "add", one.device, "netns", self.namespace(one.node)),
                *("type", "veth", "peer", "name", other.device, "netns", self.namespace(other.node)),
            )
            for port in wire.ports:
                name = self.namespace(port.node)
                # The wires carry IPv4 alone; without this a capture would show the kernel's neighbour discovery.
                # There is nobody on a wire to whom a redirect would show a shorter way.
                run(
                    *inside(name, "sysctl", "-qw", f"net.ipv6.conf.{port.device}.disable_ipv6=1"),
                    *(f"net.ipv4.conf.{device}.send_redirects=0" for device in ("all", port.device)),
                )
                for address in port.addresses:
                    run("ip", "-n", name, "address", "add", address, "dev", port.device)
            for port in wire.ports:
                # A wire carries packets one by one: batches of segments would be one frame to who counts them.
                name = self.namespace(port.node)
                run("ip", "-n", name, "link", "set", "dev", port.device, "up", "gso_max_segs", "1")
        for machine in topology.machines:
            for destination, next_hop in machine.routes:
                run("ip", "-n", self.namespace(machine.name), "route", "add", destination, "via", next_hop)
        for router in topology.routers:
            self._write_files(router, topology)

    def _set_up_machine(self, machine: Machine) -> None:
        name = self.namespace(machine.name)
        forwarding = ("net.ipv4.ip_forward=1",) if machine.forwards else ()
        strict = int(machine.checks_sources)
        run(
            *inside(name, "sysctl", "-qw", *forwarding),
            *(f"net.ipv4.conf.all.rp_filter={strict}", "net.ipv4.conf.default.rp_filter=0"),
        )
        for address in machine.loopback:
            run("ip", "-n", name, "address", "add", address, "dev", "lo")
        if machine.masquerade is not None:
            run(
                *inside(name, "nft"),
                "add table ip nat; add chain ip nat post { type nat hook postrouting priority srcnat; }; "
                f'add rule ip nat post oifname "{machine.masquerade}" masquerade',
            )

    def _write_files(self, router: Router, topology: Topology) -> None:
        directory = self.router_directory(router.name)
        directory.mkdir(mode=0o755)
        config = directory / "startup-config"
        config.touch(mode=0o600)
        config.write_text(router.base)
        named = [f"{port.ios_name} {port.device}\n" for port in topology.ports(router.name) if port.ios_name]
        (directory / "interfaces.map").write_text("# IOS name, Linux name: the wires\n" + "".join(named))

    def processes(self) -> dict[int, str]:
        """Every process in the lab's namespaces: pid to the namespace's name."""
        present = namespaces()
        found: dict[int, str] = {}
        for name in map(self.namespace, self.nodes):
            if name in present:
                listed = run("ip", "netns", "pids", name, check=False).stdout.split()
                found.update((int(pid), name) for pid in listed)
        return found

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
        for name in map(self.namespace, self.nodes):
            if name in present:
                run("ip", "netns", "delete", name)
        shutil.rmtree(self.directory, ignore_errors=True)


def _state(path: Path) -> dict[str, Any]:
    # A file that was being written when the power went says nothing: the lab is then a ruin.
    try:
        return dict(json.loads(path.read_text()))
    except ValueError:
        return {}


def sweep() -> tuple[str, ...]:
    """Take down every lab whose builder is gone; returns their ids."""
    abandoned = [lab for lab in Lab.all() if lab.abandoned]
    for lab in abandoned:
        lab.take_down()
    return tuple(lab.id for lab in abandoned)
