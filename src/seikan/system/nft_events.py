"""News of what goes from nftables: `nft flush ruleset` of another program takes the router's table too."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_NETLINK_NETFILTER = 12
_GROUP = 1 << (7 - 1)  # NFNLGRP_NFTABLES, as a mask
_DELETE_TABLE = 10 << 8 | 2  # NFNL_SUBSYS_NFTABLES, NFT_MSG_DELTABLE
_RECEIVE_BUDGET = 64
_BUFFER = 1 << 20


class NftEvents:
    """Calls `on_loss`, at most once per turn of the loop, when a table went: any of them, whoever took it away."""

    def __init__(self, on_loss: Callable[[], None]) -> None:
        self._on_loss = on_loss
        self._socket: socket.socket | None = None
        self.overruns = 0

    def open(self) -> bool:
        """False where the kernel has no nftables."""
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        try:
            sock = socket.socket(socket.AF_NETLINK, kind, _NETLINK_NETFILTER)
        except OSError:
            return False
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            sock.bind((0, _GROUP))
        except OSError:
            sock.close()
            return False
        self._socket = sock
        asyncio.get_running_loop().add_reader(sock.fileno(), self._readable)
        return True

    def _readable(self) -> None:
        assert self._socket is not None
        lost = False
        for _ in range(_RECEIVE_BUDGET):
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.overruns += 1
                lost = True  # it may have been among what was lost
                break
            lost |= _tells_of_loss(data)
        if lost:
            self._on_loss()

    def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None


def _tells_of_loss(data: bytes) -> bool:
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind = _HEADER.unpack_from(data, offset)[:2]
        if kind == _DELETE_TABLE:
            return True
        if length < _HEADER.size:
            return False
        offset += (length + 3) & ~3
    return False
