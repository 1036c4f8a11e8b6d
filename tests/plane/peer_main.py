"""The process of a `Peer`: calls come pickled on standard input, results leave pickled on standard output."""

from __future__ import annotations

import pickle
import select
import socket
import sys
from typing import Any

from seikan.plane.base import IkeDatagram, PlaneEvent
from seikan.plane.userspace import UserspacePlane

_ETH_P_ALL = 3


class PeerMain:
    """What a test asks for besides the plane's own methods."""

    def __init__(self) -> None:
        self.plane = UserspacePlane()
        self.sockets: dict[int, socket.socket] = {}
        self.capture: socket.socket | None = None

    def open_udp(self, port: int, ipv6: bool = False) -> bool:
        """Bind a wildcard UDP socket and offer it to the plane."""
        family = socket.AF_INET6 if ipv6 else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        if ipv6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        udp.bind(("::" if ipv6 else "0.0.0.0", port))
        self.sockets[port] = udp
        return self.plane.attach_udp(udp.fileno(), port)

    def close_udp(self, port: int) -> None:
        """Take the socket back from the plane and close it."""
        self.plane.detach_udp(port)
        self.sockets.pop(port).close()

    def send_udp(self, data: bytes, remote: str, port: int, source_port: int = 0) -> int:
        """Send from an attached socket, or from a new one; gives the port it left from."""
        if source_port in self.sockets:
            self.sockets[source_port].sendto(data, (remote, port))
            return source_port
        with socket.socket(socket.AF_INET6 if ":" in remote else socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(data, (remote, port))
            return int(udp.getsockname()[1])

    def send_raw(self, protocol: int, payload: bytes, remote: str) -> None:
        with socket.socket(socket.AF_INET6 if ":" in remote else socket.AF_INET, socket.SOCK_RAW, protocol) as raw:
            raw.sendto(payload, (remote, 0))

    def start_capture(self, device: str) -> None:
        """Keep what arrives at or leaves by `device`, from now on."""
        if self.capture:
            self.capture.close()
        self.capture = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self.capture.bind((device, _ETH_P_ALL))

    def captured(self, protocol: int, seconds: float) -> list[bytes]:
        """IP packets of `protocol` since the last look: at least one, waited for."""
        assert self.capture is not None
        packets: list[bytes] = []
        while select.select([self.capture], [], [], 0 if packets else seconds)[0]:
            packet = self.capture.recv(65536)
            if packet[9 if packet[0] >> 4 == 4 else 6] == protocol:
                packets.append(packet)
        return packets

    def wait_event(self, seconds: float) -> list[PlaneEvent | IkeDatagram]:
        select.select([self.plane.fileno()], [], [], seconds)
        return self.plane.poll()

    def send_marked(self, protocol: int, payload: bytes, remote: str, ecn: int) -> None:
        """A packet whose outer header carries `ecn`."""
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol) as raw:
            raw.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, ecn)
            raw.sendto(payload, (remote, 0))


def main() -> None:
    peer = PeerMain()
    while True:
        try:
            name, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            break
        target: Any = peer if hasattr(peer, name) else peer.plane
        try:
            result = getattr(target, name)(*arguments)
        except Exception as error:  # noqa: BLE001 it is raised again at the other end
            result = error
        pickle.dump(result, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    peer.plane.close()


if __name__ == "__main__":
    main()
