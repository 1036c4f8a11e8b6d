from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest

from seikan.system.errors import AdapterError
from seikan.system.udp import Address, IkeSockets

Datagram = tuple[bytes, Address, int, Address, int]


def free_ports() -> tuple[int, int]:
    with (
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as two,
    ):
        one.bind(("::", 0))
        two.bind(("::", 0))
        return one.getsockname()[1], two.getsockname()[1]


def with_sockets(scenario: Callable[[IkeSockets, asyncio.Queue[Datagram], int, int], object]) -> None:
    async def main() -> None:
        ike, nat = free_ports()
        sockets, queue = IkeSockets(ike, nat), asyncio.Queue[Datagram]()
        sockets.open(lambda *datagram: queue.put_nowait(datagram))
        try:
            result = scenario(sockets, queue, ike, nat)
            assert asyncio.iscoroutine(result)
            await asyncio.wait_for(result, 5)
        finally:
            sockets.close()

    asyncio.run(main())


def test_both_families_and_the_address_that_was_asked() -> None:
    async def scenario(sockets: IkeSockets, queue: asyncio.Queue[Datagram], ike: int, nat: int) -> None:
        local = IPv4Address("127.0.0.1")
        asked = IPv4Address("127.9.9.9")
        assert sockets.send(b"a" * 40000, local, ike, asked, ike)
        assert await queue.get() == (b"a" * 40000, asked, ike, local, ike)
        assert sockets.send(b"answer", asked, ike, local, ike)
        assert (await queue.get())[3] == asked
        six = IPv6Address("::1")
        assert sockets.send(b"six", six, ike, six, ike)
        assert await queue.get() == (b"six", six, ike, six, ike)

    with_sockets(scenario)


def test_a_burst_waits_for_a_loop_that_is_busy() -> None:
    """1,000 requests of a flood, a tenth of a second's: the real peer's behind them is not lost."""
    many = 1000

    async def scenario(sockets: IkeSockets, queue: asyncio.Queue[Datagram], ike: int, nat: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for _ in range(many):
                peer.sendto(bytes(400), ("127.0.0.1", ike))
            peer.sendto(b"real", ("127.0.0.1", ike))
        taken = [(await queue.get())[0] for _ in range(many + 1)]
        assert taken[-1] == b"real"

    with_sockets(scenario)


def test_marker_keepalive_and_what_is_neither() -> None:
    async def scenario(sockets: IkeSockets, queue: asyncio.Queue[Datagram], ike: int, nat: int) -> None:
        local = IPv4Address("127.0.0.1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            peer.settimeout(2)
            remote_port = peer.getsockname()[1]
            sockets.send(b"message", local, nat, local, remote_port)
            assert peer.recv(100) == b"\0\0\0\0message"
            sockets.send_keepalive(local, nat, local, remote_port)
            assert peer.recv(100) == b"\xff"
            for data in (b"\xff", b"\0\0\0\0", b"\0\0\0\x09esp packet", b"\0\0\0\0ike"):
                peer.sendto(data, ("127.0.0.1", nat))
            assert await queue.get() == (b"ike", local, nat, local, remote_port)
        assert sockets.counters == {
            "sent": 1,
            "keepalive-sent": 1,
            "keepalive-received": 1,
            "drop-short": 1,
            "drop-esp-without-plane": 1,
            "received": 1,
        }

    with_sockets(scenario)


def test_the_plane_takes_over_reading_and_sending_stays() -> None:
    async def scenario(sockets: IkeSockets, queue: asyncio.Queue[Datagram], ike: int, nat: int) -> None:
        local = IPv4Address("127.0.0.1")
        offered = sockets.nat_socket_filenos()
        assert [port for _, port in offered] == [nat, nat]
        descriptor = next(fd for fd, _ in offered if socket.socket(fileno=os.dup(fd)).family == socket.AF_INET)
        sockets.stop_reading(descriptor)
        sockets.send(b"to the plane", local, nat, local, nat)
        sockets.send(b"to us", local, ike, local, ike)
        assert (await queue.get())[0] == b"to us"
        assert os.read(descriptor, 100) == b"\0\0\0\0to the plane"

    with_sockets(scenario)


def test_a_send_that_fails_is_counted_by_name() -> None:
    async def scenario(sockets: IkeSockets, queue: asyncio.Queue[Datagram], ike: int, nat: int) -> None:
        assert not sockets.send(b"x", IPv4Address("192.0.2.77"), ike, IPv4Address("127.0.0.1"), ike)
        assert not sockets.send(b"x", IPv4Address("127.0.0.1"), 9, IPv4Address("127.0.0.1"), ike)
        assert sockets.counters["drop-send-no-socket"] == 1
        assert sum(count for name, count in sockets.counters.items() if name.startswith("drop-send-e")) == 1

    with_sockets(scenario)


def test_a_taken_port_names_who_has_it() -> None:
    async def main() -> None:
        ike, nat = free_ports()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("0.0.0.0", nat))
            sockets = IkeSockets(ike, nat)
            with pytest.raises(AdapterError, match=rf"UDP port {nat} is in use by \S+ \(pid {os.getpid()}\): stop it"):
                sockets.open(lambda *datagram: None)
        sockets.open(lambda *datagram: None)  # nothing of the failed attempt is still bound
        sockets.close()

    asyncio.run(main())
