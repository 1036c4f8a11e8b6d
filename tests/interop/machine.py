"""A virtual machine with Debian's kernel, for peers that need what this machine's kernel lacks: ESP and GRE.

Software emulation, so it runs wherever qemu does and computes some ten times slower. Its root is this machine's file
system, read-only under an overlay in memory: whatever is installed here is there, and what is written there is gone.
"""

from __future__ import annotations

import lzma
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.conftest import find_tool, lacking
from tests.interop.network import run
from tests.interop.packages import unpacked

KERNEL_PACKAGE = "linux-image-6.12-amd64"
_MODULES = """
    virtio_pci 9pnet_virtio 9p overlay veth tun dummy nf_tables nft_chain_nat nft_nat nft_masq nft_ct xfrm_user
    xfrm4_tunnel esp4 esp6 ip_gre ip6_gre aesni_intel authenc authencesn echainiv seqiv cbc ctr gcm hmac sha1_generic
    sha256_generic
"""
_INIT = """\
#!/busybox sh
/busybox mount -t proc proc /proc
/busybox mount -t devtmpfs dev /dev
while read module; do /busybox insmod /modules/$module; done </modules/list
/busybox mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose root /lower
/busybox mount -t tmpfs memory /upper
/busybox mkdir /upper/files /upper/work
/busybox mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work root /new
/busybox mount --move /proc /new/proc
/busybox mount --move /dev /new/dev
/busybox cp /job /new/.job
exec /busybox switch_root /new /bin/bash /.job
"""
_JOB = """\
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
for place in /run /tmp /dev/shm; do mount -t tmpfs memory $place; done
mount -t devpts devpts /dev/pts
mkdir -p /run/netns
ip link set lo up
export PATH={path} HOME={home}
cd {directory}
{command}
echo "{mark}$?"
echo o >/proc/sysrq-trigger
sleep infinity
"""
_MARK = "machine-exit-status:"


def run_in_machine(command: Sequence[str], limit: float) -> tuple[int, str]:
    """Run a command as root in the machine: its exit status, 125 where the machine did not come to it, and the console.

    Skips, or fails, the test where the machine cannot be had. `limit` in seconds, of emulation.
    """
    with tempfile.TemporaryDirectory() as made, (Path(made) / "console").open("wb") as output:
        machine = subprocess.Popen(
            machine_command(Path(made), shlex.join(command)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            machine.wait(limit)
        except subprocess.TimeoutExpired:
            output.write(f"\nended after {limit:.0f} s\n".encode())
        finally:
            machine.kill()
            machine.wait()
        console = (Path(made) / "console").read_text(errors="replace").replace("\r", "")
    found = re.findall(rf"^{_MARK}(\d+)$", console, re.MULTILINE)
    return (int(found[-1]) if found else 125), console


def machine_command(directory: Path, command: str, devices: Sequence[str] = (), modules: str = "") -> list[str]:
    """What starts the machine: it runs a line of shell and is off.

    `directory` takes its initial file system; `devices` are further arguments, `modules` further modules. Skips, or
    fails, the test where the machine cannot be had.
    """
    for tool in ("qemu-system-x86_64", "busybox", "depmod", "modprobe"):
        if find_tool(tool) is None:
            lacking(f"{tool} is not installed: make test installs it")
    package = kernel()
    initramfs = directory / "initramfs"
    job = _JOB.format(
        path=shlex.quote(os.environ.get("PATH", os.defpath)),
        home=shlex.quote(str(Path.home())),
        directory=shlex.quote(str(Path.cwd())),
        command=command,
        mark=_MARK,
    )
    initramfs.write_bytes(_archive(package, job, f"{_MODULES} {modules}"))
    return [
        # It computes all the time: the timers of routers in other tests go before.
        *("nice", "-n", "10", find_tool("qemu-system-x86_64") or ""),
        # Wider vectors than this, which glibc would choose, are slow where they are emulated.
        *("-accel", "tcg,thread=multi", "-cpu", "Nehalem,+aes,+pclmulqdq"),
        # One processor: with two, a kernel that rewrites its code while the other runs it can panic in emulation.
        *("-smp", "1"),
        *("-m", "2048", "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot"),
        *("-kernel", str(next((package / "boot").glob("vmlinuz-*"))), "-initrd", str(initramfs)),
        *("-append", "console=ttyS0 quiet panic=-1 mitigations=off"),
        *("-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"),
        *("-device", "virtio-9p-pci,fsdev=root,mount_tag=root"),
        *(devices or ("-nic", "none")),
    ]


def kernel() -> Path:
    """The unpacked kernel; skips or fails the test where apt has none."""
    named = _newest_kernel()
    if named is None:  # lists that were never fetched
        run("apt-get", "update", "-q", limit=300, check=False)
        named = _newest_kernel()
    if named is None:
        lacking(f"apt knows no {KERNEL_PACKAGE}")
    place = unpacked(str(named))
    if not (place / "lib" / "modules" / _version(place) / "modules.dep").exists():
        run(find_tool("depmod") or "", "-b", str(place), _version(place), limit=120)
    return place


def _newest_kernel() -> str | None:
    """The package that KERNEL_PACKAGE stands for, where apt knows it."""
    if find_tool("apt-cache") is None:
        return None
    found = re.search(r"Depends: (linux-image-\S+)", run("apt-cache", "depends", KERNEL_PACKAGE, check=False))
    return None if found is None else found[1]


def _version(package: Path) -> str:
    return next((package / "lib" / "modules").iterdir()).name


def _modules(package: Path, names: str) -> dict[str, bytes]:
    """The modules and what they need, in the order in which they are to be loaded."""
    found: dict[str, bytes] = {}
    for module in names.split():
        command = (find_tool("modprobe") or "", "-d", str(package), "-S", _version(package), "--show-depends", module)
        for line in run(*command, check=False).splitlines():
            if line.startswith("insmod "):
                path = Path(line.split()[1])
                octets = path.read_bytes()
                found.setdefault(
                    path.name.removesuffix(".xz"), lzma.decompress(octets) if path.suffix == ".xz" else octets
                )
    return found


def _archive(package: Path, job: str, names: str) -> bytes:
    """An initramfs: the modules, a shell, and the job."""
    modules = _modules(package, names)
    files = {
        "init": _INIT.encode(),
        "job": job.encode(),
        "busybox": Path(find_tool("busybox") or "").read_bytes(),
        "modules/list": "".join(f"{name}\n" for name in modules).encode(),
        **{f"modules/{name}": octets for name, octets in modules.items()},
    }
    folders = ("modules", "proc", "sys", "dev", "lower", "upper", "new")
    return b"".join(_entries(folders, files))


def _entries(folders: Sequence[str], files: dict[str, bytes]) -> Iterator[bytes]:
    """The "new ASCII" format of cpio(5), uncompressed."""
    rows = [(name, 0o040755, b"") for name in folders]
    rows += [(name, 0o100755, octets) for name, octets in files.items()]
    for number, (name, mode, octets) in enumerate((*rows, ("TRAILER!!!", 0, b"")), 1):
        fields = (number, mode, 0, 0, 1, 0, len(octets), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + "".join(f"{field:08X}" for field in fields).encode() + name.encode() + b"\0"
        yield head + bytes(-len(head) % 4) + octets + bytes(-len(octets) % 4)
