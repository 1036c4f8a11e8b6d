"""The userspace plane in one process: the contract, and what it tells an operator whom the system refuses something."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.plane.contract import HERE, THERE, TUNNEL, PlaneContract
from tests.plane.support import LIMIT, ROOT, own_namespace, run, wait_until

from seikan.plane.base import IkeDatagram, Plane, PlaneError
from seikan.plane.userspace import UserspacePlane
from seikan.system.udp import NAT_PORT, IkeSockets

pytestmark = pytest.mark.netns

ESP = 50


@pytest.fixture
def plane() -> Iterator[UserspacePlane]:
    with own_namespace():
        userspace = UserspacePlane()
        yield userspace
        userspace.close()


class TestUserspaceContract(PlaneContract):
    """The contract on `UserspacePlane`."""

    def arrive(self, plane: Plane, spi: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, ESP) as raw:
            raw.bind((str(THERE), 0))
            raw.sendto(struct.pack("!II", spi, 1) + bytes(60), (str(HERE), 0))


def test_the_device_is_there_without_carrier_and_goes(plane: UserspacePlane) -> None:
    plane.create_tunnel(TUNNEL)
    run("ip", "link", "set", "dev", "skt0", "up")
    assert "NO-CARRIER" in run("ip", "link", "show", "dev", "skt0")
    plane.set_carrier("skt0", True)
    assert "LOWER_UP" in run("ip", "link", "show", "dev", "skt0")
    plane.set_carrier("skt0", False)
    assert "NO-CARRIER" in run("ip", "link", "show", "dev", "skt0")
    plane.update_tunnel(replace(TUNNEL, mtu=1300))
    assert "mtu 1300" in run("ip", "link", "show", "dev", "skt0")
    plane.remove_tunnel("skt0")
    assert "skt0" not in run("ip", "link", "show")


def test_a_name_that_is_taken_is_named(plane: UserspacePlane) -> None:
    run("ip", "link", "add", "skt0", "type", "veth", "peer", "name", "skt9")
    with pytest.raises(PlaneError, match="called skt0 exists already: remove it or choose another name"):
        plane.create_tunnel(TUNNEL)


def test_a_device_deleted_from_outside_leaves_the_plane_whole(plane: UserspacePlane) -> None:
    plane.create_tunnel(TUNNEL)
    run("ip", "link", "del", "skt0")
    plane.remove_tunnel("skt0")
    plane.create_tunnel(TUNNEL)
    assert "skt0" in run("ip", "link", "show")


def test_many_tunnels(plane: UserspacePlane) -> None:
    for n in range(64):
        plane.create_tunnel(replace(TUNNEL, device=f"skt{n}"))
    assert run("ip", "link", "show").count("skt") == 64
    plane.close()
    assert "skt" not in run("ip", "link", "show")


def test_without_privilege_one_line_says_what_would_be_right() -> None:
    script = (
        "import os; os.setresuid(65534, 65534, 65534)\n"
        "from tests.plane.contract import TUNNEL\n"
        "from seikan.plane.userspace import UserspacePlane\n"
        "UserspacePlane().create_tunnel(TUNNEL)\n"
    )
    # Everything is imported before privilege goes: the tree need not be readable to others.
    script = "from seikan.plane import userspace\nimport tests.plane.contract\n" + script
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("seikan.plane.base.PlaneError: no raw IPv4 socket for ESP (protocol 50): run as root"), last


def test_ike_listens_again_after_its_last_tunnel_went(plane: UserspacePlane) -> None:
    async def listen() -> bytes:
        """One IKE datagram's way from the NAT traversal socket through the plane."""
        sockets = IkeSockets()
        sockets.open(lambda *_: None)
        for fileno, port in sockets.nat_socket_filenos():
            assert plane.attach_udp(fileno, port)
            sockets.stop_reading(fileno)
        here = ip_address("127.0.0.1")
        assert sockets.send(b"initiate", here, NAT_PORT, here, NAT_PORT)
        assert select.select([plane.fileno()], [], [], LIMIT)[0]
        (datagram,) = plane.poll()
        assert isinstance(datagram, IkeDatagram)
        plane.detach_udp(NAT_PORT)
        sockets.close()
        return datagram.data

    for _ in range(3):
        assert asyncio.run(listen()) == b"initiate"


def test_idle_workers_sleep(plane: UserspacePlane) -> None:
    plane.create_tunnel(TUNNEL)
    wait_until(lambda: len(_worker_switches()) >= 2, "the workers are threads called plane-N")

    def slept_through() -> bool:
        before = _worker_switches()
        assert select.select([plane.fileno()], [], [], 0.5)[0] == []
        return _worker_switches() == before

    wait_until(slept_through, "once started, no worker wakes without a packet")


def _worker_switches() -> dict[str, int]:
    """How often each worker of this process went to sleep so far."""
    switches = {}
    for task in Path("/proc/self/task").iterdir():
        if (task / "comm").read_text().startswith("plane-"):
            line = next(x for x in (task / "status").read_text().splitlines() if x.startswith("voluntary_ctxt"))
            switches[task.name] = int(line.split()[1])
    return switches
