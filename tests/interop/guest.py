"""A machine with Debian's kernel that stays on: the host of peers whose ESP is the kernel's, each in its namespace.

Only the peers are emulated. Seikan, the NAT and the test run outside and give commands over serial lines.
"""

from __future__ import annotations

import base64
import re
import secrets
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.interop.machine import machine_command
from tests.interop.network import Host, Network, stop

from seikan.lab.wait import wait_until

SHARE = "/share"
SLOTS = 3
"""Serial lines of a PC, without the console's."""
_MODULES = "virtio_net af_key xfrm_interface ghash_generic ctr gcm sha512_generic sha256_ssse3"
_JOB = f"""\
# PF_KEY asks for a module for each algorithm that it knows; none is to be had.
echo >/proc/sys/kernel/modprobe
mkdir -p {SHARE}
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=none share {SHARE}
cat >/agent <<'AGENT'
mount -t tmpfs memory /run
ip link set lo up
exec 3<>/dev/ttyS$1
stty -F /dev/ttyS$1 raw -echo
echo ready >&3
while read -r line <&3; do
  bash -c "$(echo "$line" | base64 -d)" </dev/null >/run/answer 2>&1
  echo "$? $(base64 -w0 </run/answer)" >&3
done
AGENT
for slot in $(seq {SLOTS}); do
  ip netns add slot$slot
  ip link set eth$((slot - 1)) netns slot$slot name eth0
  ip netns exec slot$slot bash /agent $slot &
done
wait
"""
_BOOT_SECONDS = 90.0


@dataclass(slots=True)
class GuestHost(Host):
    """A namespace of the machine, with what `Host` can do; `share` is seen as SHARE in it."""

    share: Path
    _line: socket.socket
    _unread: bytes = b""

    def run(self, *command: str, limit: float = 60.0, check: bool = True) -> str:
        return self.shell(shlex.join(command), limit=limit, check=check)

    def shell(self, script: str, limit: float = 60.0, check: bool = True) -> str:
        """What a script of bash prints; CalledProcessError, with that as a note, where it fails."""
        self._line.sendall(base64.b64encode(script.encode()) + b"\n")
        status, _, answer = self._answer(limit).partition(" ")
        output = base64.b64decode(answer).decode(errors="replace")
        if check and status != "0":
            error = subprocess.CalledProcessError(int(status), script)
            error.add_note(output.strip())
            raise error
        return output

    def ip(self, *arguments: str) -> str:
        return self.run("ip", *arguments)

    def processes(self) -> list[int]:
        raise NotImplementedError("the machine is switched off as a whole")

    def background(self, command: str, log: str) -> None:
        """Start a daemon whose output goes to `log`, a path in the machine."""
        self.shell(f"setsid {command} >>{log} 2>&1 </dev/null &")

    def inbound_spis(self, address: str) -> frozenset[int]:
        """Of the kernel's SAs towards an address of this namespace."""
        states = self.run("ip", "xfrm", "state")
        found = re.findall(rf"dst {re.escape(address)}\n\s*proto esp spi 0x([0-9a-f]+)", states)
        return frozenset(int(spi, 16) for spi in found)

    def inside(self, path: Path) -> str:
        """What a path in `share` is called here."""
        return f"{SHARE}/{path.relative_to(self.share)}"

    def _answer(self, limit: float) -> str:
        self._line.settimeout(limit)
        while b"\n" not in self._unread:
            more = self._line.recv(65536)
            if not more:
                raise EOFError("the machine is off")
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()

    def await_ready(self, limit: float) -> None:
        while not self._answer(limit).endswith("ready"):
            continue


@dataclass(frozen=True, slots=True)
class Guest:
    """One namespace of the machine, and the bridge in one outside that its network device is on."""

    host: GuestHost
    outside: Host
    bridge: str
    tap: str

    def plug(self, other: Host, other_device: str, other_address: str) -> None:
        """A wire from the bridge to a host; it goes when that host is removed."""
        device = f"p{secrets.token_hex(4)}"
        self.outside.ip("link", "add", device, "type", "veth", "peer", "name", other_device, "netns", other.name)
        self.outside.ip("link", "set", "dev", device, "master", self.bridge, "up")
        other.ip("address", "add", other_address, "dev", other_device)
        other.ip("link", "set", "dev", other_device, "up")

    def cut(self) -> None:
        self.outside.ip("link", "set", "dev", self.tap, "nomaster")

    def mend(self) -> None:
        self.outside.ip("link", "set", "dev", self.tap, "master", self.bridge)

    def address(self, address: str, inner: str, gateway: str) -> None:
        """Give the device this address ("10.9.0.2/24") and no other, and a default route; `inner` goes to lo."""
        self.host.shell(
            f"set -e; ip address flush dev eth0; ip address add {address} dev eth0; ip link set dev eth0 up;"
            f"ip route replace default via {gateway}; ip address replace {inner}/32 dev lo"
        )


@contextmanager
def machine(directory: Path) -> Iterator[tuple[Guest, ...]]:
    """The machine, switched on, with SLOTS namespaces; skips or fails the test where it cannot be had."""
    network = Network()
    share = directory / "share"
    share.mkdir(parents=True)
    lines = [directory / f"line{slot}" for slot in range(SLOTS)]
    try:
        outside = network.host("link")
        devices = ["-fsdev", f"local,id=share,path={share},security_model=none"]
        devices += ["-device", "virtio-9p-pci,fsdev=share,mount_tag=share"]
        for slot, line in enumerate(lines):
            outside.ip("link", "add", f"bridge{slot}", "type", "bridge")
            outside.ip("link", "set", "dev", f"bridge{slot}", "up")
            outside.ip("tuntap", "add", "dev", f"tap{slot}", "mode", "tap", "vnet_hdr")
            outside.ip("link", "set", "dev", f"tap{slot}", "master", f"bridge{slot}", "up")
            devices += ["-serial", f"unix:{line},server=on,wait=on"]
            devices += ["-netdev", f"tap,id=wire{slot},ifname=tap{slot},script=no,downscript=no"]
            devices += ["-device", f"virtio-net-pci,netdev=wire{slot},mac=52:54:00:00:00:0{slot}"]
        command = machine_command(directory, _JOB, devices, _MODULES)
        process = outside.start(*command, log=directory / "console")
        try:
            connections = [_connect(process, line, directory / "console") for line in lines]
            hosts = [GuestHost(f"slot{slot}", share, connection) for slot, connection in enumerate(connections)]
            try:
                for host in hosts:
                    host.await_ready(_BOOT_SECONDS)
            except (TimeoutError, EOFError) as error:
                raise RuntimeError(f"the machine did not start: {_tail(directory / 'console')}") from error
            yield tuple(Guest(host, outside, f"bridge{slot}", f"tap{slot}") for slot, host in enumerate(hosts))
        finally:
            stop(process)
    finally:
        network.remove()


def _tail(console: Path) -> str:
    return console.read_text(errors="replace")[-2000:]


def _connect(process: subprocess.Popen[str], line: Path, console: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)

    def connected() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the machine ended: {_tail(console)}")
        try:
            connection.connect(str(line))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    if not wait_until(connected, 15):
        raise RuntimeError(f"qemu made no serial line: {_tail(console)}")
    return connection
